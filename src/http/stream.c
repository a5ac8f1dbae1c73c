/* SPDX-License-Identifier: Apache-2.0 */
/* stream.c - bodies and answers in pieces, from inside a handler's task. */
#include <errno.h>
#include <stdio.h>

#include "http/http_int.h"

enum tl_rc http__gone(struct tl_err *err)
{
    return tl_fail(err, TL_IO, "the client closed the connection");
}

static bool is_over(const struct exchange *x)
{
    return x->c->phase == PH_CLOSED || x->h2.closed;
}

enum tl_rc http__wait_ready(struct task *task, struct exchange *x, int events, uint32_t window_ms, uint64_t *window_end,
                            struct tl_err *err)
{
    struct conn *c = x->c;
    uint64_t *moved = x->h2.id ? &x->h2.moved : &c->window_bytes;
    struct async_wait w;
    enum tl_rc rc;
    uint64_t now = async_loop_now(c->l->loop);

    if (is_over(x))
        return http__gone(err);
    if (*window_end == 0) {
        *window_end = now + window_ms * UINT64_C(1000000);
        *moved = 0;
    }
    async_wait_init(&w, task, NULL, NULL);
    x->wait = &w;
    if (!x->h2.id)
        http__conn_want(c, c->ssl && c->ssl_wants_write ? UV_WRITABLE : events);
    rc = async_wait(&w, *window_end, err);
    x->wait = NULL;
    if (is_over(x))
        return rc == TL_CANCELED ? rc : http__gone(err);
    if (rc != TL_TIMEOUT || async_loop_now(c->l->loop) < *window_end)
        return rc;
    if (*moved < http__rate_bytes(c, window_ms)) {
        http__count(&c->l->timeouts);
        return tl_fail(err, TL_TIMEOUT, "the client is too slow");
    }
    *window_end = 0;
    return TL_OK;
}

static enum tl_rc send_all(struct task *task, struct exchange *x, struct tl_err *err)
{
    struct conn *c = x->c;
    uint64_t window = 0;
    int i = 0;

    while (i < x->n_iov) {
        ssize_t n = http__sendv(c, x->iov + i, x->n_iov - i);
        size_t left;
        enum tl_rc rc;

        if (n == -EAGAIN) {
            rc = http__wait_ready(task, x, UV_WRITABLE, c->l->opt.write_ms, &window, err);
            if (rc != TL_OK)
                return rc;
            continue;
        }
        if (n <= 0)
            return http__gone(err);
        x->bytes_out += (size_t)n;
        c->window_bytes += (size_t)n;
        for (left = (size_t)n; i < x->n_iov && left >= x->iov[i].iov_len; i++)
            left -= x->iov[i].iov_len;
        if (i < x->n_iov) {
            x->iov[i].iov_base = (char *)x->iov[i].iov_base + left;
            x->iov[i].iov_len -= left;
        }
    }
    x->n_iov = 0;
    return TL_OK;
}

/* The pieces are views that stay while the task waits; text of our own is on the task's stack. */
static enum tl_rc send_pieces(struct task *task, struct exchange *x, const struct tl_sv *pieces, int n,
                              struct tl_err *err)
{
    x->n_iov = 0;
    for (int i = 0; i < n; i++) {
        if (pieces[i].n == 0)
            continue;
        memcpy(&x->iov[x->n_iov].iov_base, &pieces[i].p, sizeof pieces[i].p);
        x->iov[x->n_iov++].iov_len = pieces[i].n;
    }
    return send_all(task, x, err);
}

/* ---- answers ---- */

static enum tl_rc sink_begin(struct task *task, void *arg, struct http_res *res, struct tl_err *err)
{
    struct exchange *x = arg;
    struct tl_sv head;

    if (x->c->phase == PH_CLOSED)
        return http__gone(err);
    if (!x->body_done && !http_codec_at_end(&x->codec))
        x->must_close = x->early = true;
    http__build_head(x, true);
    head = tl_arena_sv(res->arena, tl_buf_view(&x->c->l->head)); /* other tasks use the scratch buffer meanwhile */
    if (!head.p)
        return tl_fail(err, TL_LIMIT, "the headers of the response are too large");
    return send_pieces(task, x, &head, 1, err);
}

static enum tl_rc sink_write(struct task *task, void *arg, struct tl_sv piece, struct tl_err *err)
{
    struct exchange *x = arg;
    char size[24];
    int n;

    if (x->c->phase == PH_CLOSED)
        return http__gone(err);
    if (piece.n == 0 || x->res.head_request)
        return task_check(task, err);
    if (!x->chunked_out)
        return send_pieces(task, x, &piece, 1, err);
    n = snprintf(size, sizeof size, "%zx\r\n", piece.n);
    return send_pieces(task, x, (struct tl_sv[]){tl_sv(size, (size_t)n), piece, TL_SV("\r\n")}, 3, err);
}

enum tl_rc http__stream_end(struct task *task, struct exchange *x, struct tl_err *err)
{
    struct tl_sv last = TL_SV("0\r\n\r\n");

    if (x->h2.id) /* its end goes out when the handler is done */
        return TL_OK;
    if (!x->chunked_out || x->res.head_request)
        return TL_OK;
    return send_pieces(task, x, &last, 1, err);
}

const struct http_res_sink http__sink = {sink_begin, sink_write};

/* ---- bodies ---- */

static enum tl_rc invite(struct task *task, struct exchange *x, struct tl_err *err)
{
    struct tl_sv go_on = TL_SV("HTTP/1.1 100 Continue\r\n\r\n");

    if (!x->expect || x->sent_100 || x->head_sent)
        return TL_OK;
    x->sent_100 = true;
    return send_pieces(task, x, &go_on, 1, err);
}

static enum tl_rc read_some(struct task *task, struct exchange *x, uint64_t *window, struct tl_err *err)
{
    struct conn *c = x->c;
    ssize_t n;

    if (!http__conn_room(c))
        return tl_fail(err, TL_BUG, "no room for the body");
    n = http__recv(c, c->rbuf + c->end, c->cap - c->end);
    if (n == -EAGAIN)
        return http__wait_ready(task, x, UV_READABLE, c->l->opt.body_grace_ms, window, err);
    if (n <= 0) {
        x->must_close = true;
        return http__gone(err);
    }
    c->end += (size_t)n;
    return TL_OK;
}

static enum tl_rc source_next(struct task *task, void *arg, struct tl_sv *ret_piece, struct tl_err *err)
{
    struct exchange *x = arg;
    struct conn *c = x->c;
    uint64_t window = 0;
    enum tl_rc rc = c->phase == PH_CLOSED ? http__gone(err) : invite(task, x, err);

    while (rc == TL_OK) {
        struct tl_sv piece;
        size_t used;

        if (x->body_done) {
            *ret_piece = TL_SV_NULL;
            return TL_OK;
        }
        switch (http_codec_step(&x->codec, c->rbuf + c->start, c->end - c->start, &used, &piece)) {
        case HTTP_DATA:
            c->start += used;
            x->bytes_in += used;
            c->window_bytes += used;
            if (x->codec.body_seen > x->body_limit)
                return tl_fail(err, TL_LIMIT, "the body is larger than this path takes");
            *ret_piece = piece;
            return TL_OK;
        case HTTP_END:
            c->start += used;
            x->body_done = true;
            continue;
        case HTTP_BAD:
            return tl_fail(err, TL_PARSE, "%s", x->codec.reason);
        case HTTP_MORE:
        case HTTP_HEAD_DONE:
            break;
        }
        c->start += used;
        rc = read_some(task, x, &window, err);
    }
    return rc;
}

const struct http_body_source http__source = {source_next};
