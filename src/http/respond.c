/* SPDX-License-Identifier: Apache-2.0 */
/* respond.c - the head of an answer, and getting it and the body into the kernel, normally with one writev. */
#include <errno.h>

#include "http/http_int.h"

bool http__wants_close(const struct exchange *x)
{
    const struct conn *c = x->c;
    const struct http_server *s = c->l->server;

    return x->must_close || x->res.close || !x->codec.head.keep_alive ||
           c->n_requests + 1 >= c->l->opt.requests_per_connection ||
           atomic_load_explicit(&s->draining, memory_order_relaxed);
}

struct tl_sv http__date(struct http_loop *l)
{
    int64_t ms = tl_clock_wall_ms(async_loop_clock(l->loop));

    if (ms / 1000 != l->date_second || !l->date[0]) {
        l->date_second = ms / 1000;
        (void)tl_http_date_format(ms, l->date);
    }
    return tl_sv_str(l->date);
}

static void put_number(struct tl_buf *b, uint64_t v)
{
    char digits[20];
    size_t n = sizeof digits;

    do
        digits[--n] = (char)('0' + v % 10);
    while (v /= 10);
    (void)tl_buf_put(b, digits + n, sizeof digits - n);
}

bool http__has_no_body(int status)
{
    return status == 204 || status == 304 || (status >= 100 && status < 200);
}

static void put_headers(struct tl_buf *b, const struct http_header *h, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        (void)tl_buf_sv(b, h[i].name);
        (void)tl_buf_puts(b, ": ");
        (void)tl_buf_sv(b, h[i].value);
        (void)tl_buf_puts(b, "\r\n");
    }
}

/* Into the loop's scratch buffer. */
void http__build_head(struct exchange *x, bool streaming)
{
    struct http_loop *l = x->c->l;
    struct tl_buf *b = &l->head;
    struct http_res *r = &x->res;

    tl_buf_clear(b);
    x->chunked_out = streaming && x->codec.head.minor == 1;
    if (streaming && !x->chunked_out)
        x->must_close = true; /* HTTP/1.0: the end of the body is the end of the connection */
    (void)tl_buf_puts(b, "HTTP/1.1 ");
    put_number(b, (uint64_t)r->status);
    (void)tl_buf_putc(b, ' ');
    (void)tl_buf_puts(b, http_status_text(r->status));
    (void)tl_buf_puts(b, "\r\nDate: ");
    (void)tl_buf_sv(b, http__date(l));
    (void)tl_buf_puts(b, "\r\n");
    if (l->opt.server_name) {
        (void)tl_buf_puts(b, "Server: ");
        (void)tl_buf_puts(b, l->opt.server_name);
        (void)tl_buf_puts(b, "\r\n");
    }
    put_headers(b, l->opt.headers, l->opt.n_headers);
    put_headers(b, r->headers, r->n_headers);
    if (x->chunked_out) {
        (void)tl_buf_puts(b, "Transfer-Encoding: chunked\r\n");
    } else if (!streaming && !http__has_no_body(r->status)) {
        (void)tl_buf_puts(b, "Content-Length: ");
        put_number(b, r->body.n);
        (void)tl_buf_puts(b, "\r\n");
    }
    if (http__wants_close(x)) {
        x->must_close = true;
        (void)tl_buf_puts(b, "Connection: close\r\n");
    } else if (x->codec.head.minor == 0) {
        (void)tl_buf_puts(b, "Connection: keep-alive\r\n");
    }
    (void)tl_buf_puts(b, "\r\n");
    x->head_sent = true;
}

void http__account(struct exchange *x)
{
    struct conn *c = x->c;
    struct http_loop *l = c->l;
    const struct http_server_options *opt = &l->opt;
    uint64_t us = x->started_ns ? (async_loop_now(l->loop) - x->started_ns) / 1000 : 0;

    http__count(&l->requests);
    c->n_requests++;
    if (opt->on_response)
        opt->on_response(opt->on_response_arg, x->req.method_text.p ? &x->req : NULL, x->res.status, x->bytes_in,
                         x->bytes_out, us);
}

/* Drop n sent bytes from the vector. */
static void advance_iov(struct exchange *x, size_t n)
{
    int i = 0;

    x->bytes_out += n;
    x->c->window_bytes += n;
    while (i < x->n_iov && n >= x->iov[i].iov_len)
        n -= x->iov[i++].iov_len;
    memmove(x->iov, x->iov + i, (size_t)(x->n_iov - i) * sizeof x->iov[0]);
    x->n_iov -= i;
    if (x->n_iov) {
        x->iov[0].iov_base = (char *)x->iov[0].iov_base + n;
        x->iov[0].iov_len -= n;
    }
}

/* The head is in the loop's scratch buffer; what is left of it moves to memory of the exchange. */
static void keep_rest(struct exchange *x)
{
    const struct tl_buf *b = &x->c->l->head;
    char *p = x->iov[0].iov_base;

    if (x->out || !b->p || p < b->p || p > b->p + b->n)
        return;
    x->out = tl_alloc(x->iov[0].iov_len);
    memcpy(x->out, p, x->iov[0].iov_len);
    x->iov[0].iov_base = x->out;
}

/* Phase WRITE: what the kernel did not take. The connection may be gone afterwards. */
void http__flush(struct exchange *x)
{
    struct conn *c = x->c;

    while (x->n_iov > 0) {
        ssize_t n = http__sendv(c, x->iov, x->n_iov);

        if (n > 0) {
            advance_iov(x, (size_t)n);
            continue;
        }
        if (n != -EAGAIN) {
            http__conn_close(c);
            return;
        }
        keep_rest(x);
        if (c->phase != PH_WRITE) {
            c->phase = PH_WRITE;
            c->window_bytes = 0;
            http__conn_deadline(c, c->l->opt.write_ms);
        }
        http__conn_want(c, UV_WRITABLE);
        return;
    }
    if (c->phase == PH_WRITE)
        http__conn_want(c, UV_READABLE);
    http__account(x);
    http__conn_next(c, !x->must_close);
}

static void fill_iov(struct exchange *x)
{
    struct tl_buf *b = &x->c->l->head;
    struct tl_sv body = x->res.head_request || http__has_no_body(x->res.status) ? TL_SV_NULL : x->res.body;

    if (x->c->ssl && body.n && body.n <= 16384 - b->n % 16384 && tl_buf_sv(b, body))
        body = TL_SV_NULL; /* one TLS record, not two */
    x->iov[0] = (struct iovec){b->p, b->n};
    x->n_iov = 1;
    if (body.n) {
        memcpy(&x->iov[1].iov_base, &body.p, sizeof body.p);
        x->iov[1].iov_len = body.n;
        x->n_iov = 2;
    }
}

/* After the handler, or instead of it. Then goes on with the connection's next request. */
void http__respond(struct exchange *x)
{
    struct conn *c = x->c;
    bool after_task = c->phase == PH_HANDLER;

    if (!x->res.streaming) {
        http__build_head(x, false);
        fill_iov(x);
    }
    if (!after_task)
        c->phase = PH_HANDLER; /* not readable as a request while the answer is under way */
    http__flush(x);
}
