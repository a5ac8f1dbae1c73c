/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_direct.c - plain HTTP/1.1 calls over links of our own (client_link.c). The task writes the request, then
 * sleeps until the callback has read the whole reply. Whoever aborts the wait closes the link.
 */
#include <errno.h>
#include <sys/socket.h>

#include "http/client_link.h"

enum { IN_FIRST = 16384 };

/* ---- writing and reading ---- */
/* False: the link is broken, see error. */
static bool write_some(struct link *l)
{
    while (l->out[0].n + l->out[1].n > 0) {
        struct iovec iov[2] = {{(void *)(uintptr_t)l->out[0].p, l->out[0].n},
                               {(void *)(uintptr_t)l->out[1].p, l->out[1].n}};
        struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
        ssize_t n = sendmsg(l->fd, &m, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            l->error = errno;
            return errno == EAGAIN;
        }
        l->sent += (uint64_t)n;
        for (int i = 0; i < 2; i++) {
            size_t k = (size_t)n < l->out[i].n ? (size_t)n : l->out[i].n;

            l->out[i] = tl_sv_from(l->out[i], k);
            n -= (ssize_t)k;
        }
    }
    return true;
}

static bool copy_head(struct http_call *call, const struct http_reader *r)
{
    call->reply->status = r->status;
    call->reply->headers.n = 0;
    for (size_t i = 0; i < r->headers.n; i++)
        if (!http__take_header(call, r->headers.v[i].name, r->headers.v[i].value))
            return false;
    return true;
}

static void unreadable(struct http_call *call, const struct http_reader *r)
{
    if (r->too_large)
        (void)tl_fail(&call->own, TL_LIMIT, "the reply has more than %zu bytes of headers, or more than %d of them",
                      call->max_headers, LINK_HEADERS);
    else
        (void)tl_fail(&call->own, call->idempotent ? TL_UPSTREAM : TL_UNKNOWN_OUTCOME, "the reply can't be read: %s",
                      r->reason);
}

/* Until more bytes are needed or the reply is whole. False: it can't be read; call->own says why. */
static bool parse(struct link *l)
{
    struct http_call *call = l->call;
    struct http_reader *r = &l->reader;
    struct tl_sv piece;
    size_t at = 0, used;
    bool good = true, more = false;

    while (good && !more && !l->done) {
        switch (http_reader_step(r, l->in + at, l->in_n - at, &used, &piece)) {
        case HTTP_MORE:
            more = used == 0;
            break;
        case HTTP_HEAD_DONE:
            good = copy_head(call, r);
            break;
        case HTTP_DATA:
            good = http__take_body(call, piece, r->status, r->has_length ? (int64_t)r->length : -1);
            break;
        case HTTP_END:
            l->done = true;
            break;
        case HTTP_BAD:
        default:
            good = false;
            unreadable(call, r);
            break;
        }
        at += used;
    }
    l->in_n -= at;
    if (l->in_n > 0 && at > 0)
        memmove(l->in, l->in + at, l->in_n);
    return good;
}

static bool room_to_read(struct link *l)
{
    size_t cap = l->in_cap ? l->in_cap * 2 : IN_FIRST;

    if (l->in_n < l->in_cap)
        return true;
    if (l->in_cap > l->call->max_headers + IN_FIRST)
        return false;
    l->in = tl_realloc(l->in, cap);
    l->in_cap = cap;
    return true;
}

/* False: nothing more will come; error 0 is the other side's orderly end. */
static bool read_some(struct link *l)
{
    ssize_t n;

    if (!room_to_read(l)) {
        (void)tl_fail(&l->call->own, TL_LIMIT, "the reply has more than %zu bytes of headers", l->call->max_headers);
        return false;
    }
    do
        n = recv(l->fd, l->in + l->in_n, l->in_cap - l->in_n, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        l->error = errno;
        return errno == EAGAIN;
    }
    if (n == 0) {
        l->error = 0;
        l->done = http_reader_closed(&l->reader);
        l->reader.keep_alive = false;
        return false;
    }
    if (l->received == 0)
        l->call->reply->first_byte_us = (async_loop_now(l->d->client->loop) - l->call->begin_ns) / 1000;
    l->received += (uint64_t)n;
    l->in_n += (size_t)n;
    return parse(l);
}

void http__link_ready(struct link *l, int status, int events)
{
    if (events & UV_READABLE && (!read_some(l) || l->done)) {
        http__link_end(l);
        return;
    }
    if (events & UV_WRITABLE) {
        if (!write_some(l)) /* what it said before it hung up is worth reading */
            l->out[0] = l->out[1] = TL_SV_NULL;
        if (l->out[0].n + l->out[1].n == 0)
            http__link_listen(l, UV_READABLE);
    }
    if (status < 0)
        http__link_end(l);
}

/* ---- a call ---- */
static bool has_header(const struct http_request_out *req, const char *name)
{
    for (size_t i = 0; i < req->n_headers; i++)
        if (tl_sv_eqi(req->headers[i].name, tl_sv_str(name)))
            return true;
    return false;
}

static bool is_bare(struct tl_sv method)
{
    return tl_sv_eqs(method, "GET") || tl_sv_eqs(method, "HEAD") || tl_sv_eqs(method, "DELETE") ||
           tl_sv_eqs(method, "OPTIONS") || tl_sv_eqs(method, "TRACE");
}

static enum tl_rc write_head(struct http_call *call, struct tl_sv method, const struct http_url *url,
                             struct tl_sv *ret_head, struct tl_err *err)
{
    const struct http_request_out *req = call->req;
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    bool good;

    tl_buf_init(&b, 1 << 20);
    good = tl_buf_sv(&b, method) && tl_buf_sv(&b, TL_SV(" ")) && tl_buf_sv(&b, url->path.n ? url->path : TL_SV("/")) &&
           (!url->query.p || tl_buf_sv(&b, TL_SV("?"))) && tl_buf_sv(&b, url->query) &&
           tl_buf_sv(&b, TL_SV(" HTTP/1.1\r\n"));
    if (good && !has_header(req, "host")) {
        good = tl_buf_sv(&b, url->host_is_v6 ? TL_SV("Host: [") : TL_SV("Host: ")) && tl_buf_sv(&b, url->host) &&
               tl_buf_sv(&b, url->host_is_v6 ? TL_SV("]") : TL_SV(""));
        if (good && url->port != 80)
            good = tl_buf_printf(&b, ":%u", (unsigned)url->port);
        good = good && tl_buf_sv(&b, TL_SV("\r\n"));
    }
    if (good && !has_header(req, "user-agent"))
        good = tl_buf_sv(&b, TL_SV("User-Agent: ")) && tl_buf_sv(&b, tl_sv_str(call->client->opt.user_agent)) &&
               tl_buf_sv(&b, TL_SV("\r\n"));
    if (good && !has_header(req, "accept"))
        good = tl_buf_sv(&b, TL_SV("Accept: */*\r\n"));
    for (size_t i = 0; good && i < req->n_headers; i++)
        good = tl_buf_sv(&b, req->headers[i].name) && tl_buf_sv(&b, TL_SV(": ")) &&
               tl_buf_sv(&b, tl_sv_trim(req->headers[i].value)) && tl_buf_sv(&b, TL_SV("\r\n"));
    if (good && (req->body.n > 0 || !is_bare(method)))
        good = tl_buf_printf(&b, "Content-Length: %zu\r\n", req->body.n);
    good = good && tl_buf_sv(&b, TL_SV("\r\n"));
    *ret_head = good ? tl_arena_sv(call->arena, tl_buf_view(&b)) : TL_SV_NULL;
    return ret_head->p ? TL_OK : tl_fail(err, TL_LIMIT, "the request does not fit into the memory of the call");
}

static void begin(struct link *l, struct tl_sv method, struct tl_sv head)
{
    struct http_call *call = l->call;

    l->reader = (struct http_reader){.slots = l->d->slots,
                                     .n_slots = LINK_HEADERS,
                                     .max_head = call->max_headers,
                                     .head_request = tl_sv_eqs(method, "HEAD")};
    l->out[0] = head;
    l->out[1] = call->req->body;
    l->sent = l->received = 0;
    l->error = 0;
    l->done = false;
}

/* What the end of the link's work means; done: a whole reply. */
static enum tl_rc judge(struct link *l, const struct http_url *url, enum tl_rc waited, struct tl_err *err)
{
    struct http_call *call = l->call;

    if (l->done && call->own.rc == TL_OK)
        return TL_OK;
    if (waited == TL_TIMEOUT)
        return tl_fail(err, waited, "%.*s: no whole reply within the time allowed (%s)", TL_SV_ARG(url->host),
                       l->sent ? "the request was sent" : "nothing was sent");
    if (waited != TL_OK)
        return waited;
    if (call->own.rc != TL_OK) {
        *err = call->own;
        return call->own.rc;
    }
    if (l->sent == 0)
        return http__unreachable(url, l->error, err);
    return tl_fail(err, call->idempotent ? TL_UPSTREAM : TL_UNKNOWN_OUTCOME, "%.*s: the reply did not come whole: %s",
                   TL_SV_ARG(url->host), l->error ? strerror(l->error) : "the connection was closed");
}

/* Request out, reply in. *ret_again: it met a dead link and may go over another one. */
static enum tl_rc exchange(struct task *t, struct link *l, struct tl_sv method, struct tl_sv head,
                           const struct http_url *url, uint64_t until_ns, bool *ret_again, struct tl_err *err)
{
    struct http_call *call = l->call;
    struct http_reply *r = call->reply;
    enum tl_rc waited = TL_OK, rc;

    begin(l, method, head);
    if (write_some(l))
        waited = http__link_wait(t, l, UV_READABLE | (l->out[0].n + l->out[1].n ? UV_WRITABLE : 0), until_ns, err);
    rc = judge(l, url, waited, err);
    r->sent = l->sent > 0;
    r->reused = l->reused && r->sent;
    r->remote = l->addr;
    r->bytes_out = l->sent > head.n ? l->sent - head.n : 0;
    r->bytes_in = call->body_n;
    *ret_again = rc != TL_OK && waited == TL_OK && l->reused && l->received == 0 && call->own.rc == TL_OK &&
                 (l->sent == 0 || (call->idempotent && !call->req->once));
    if (rc == TL_OK && l->reader.keep_alive && l->in_n == 0 && l->out[0].n + l->out[1].n == 0) {
        http__link_rest(l);
    } else {
        l->call = NULL;
        http__link_close(l);
    }
    return rc;
}

struct attempt {
    struct host *host;
    const struct http_url *url;
    struct tl_sv method, head;
    uint64_t until_ns;
    bool again; /* it met a dead link: once more, over a fresh one */
};

static enum tl_rc over_a_link(struct task *t, struct http_call *call, struct attempt *a, struct tl_err *err)
{
    struct link *l = NULL;
    enum tl_rc rc = http__link_get(t, call, a->host, a->url, a->again, a->until_ns, &l, err);

    a->again = false;
    return rc == TL_OK ? exchange(t, l, a->method, a->head, a->url, a->until_ns, &a->again, err) : rc;
}

bool http__direct_can(const struct http_call *call, const struct http_url *url)
{
    const struct http_request_out *req = call->req;

    return !url->tls && !call->client->opt.proxy && !req->jar && !req->compressed && !req->source;
}

enum tl_rc http__direct(struct task *t, struct http_call *call, struct tl_sv method, const struct http_url *url,
                        uint64_t until_ns, struct tl_err *err)
{
    struct attempt a = {
        .host = http__host(call->client->direct, url), .url = url, .method = method, .until_ns = until_ns};
    struct tl_err local;
    enum tl_rc rc = write_head(call, method, url, &a.head, err);

    err = err ? err : &local;
    a.host->users++;
    if (rc == TL_OK)
        rc = over_a_link(t, call, &a, err);
    if (a.again)
        rc = over_a_link(t, call, &a, err);
    a.host->users--;
    http__host_rest(call->client->direct, a.host);
    return rc;
}
