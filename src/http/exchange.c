/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange.c - from bytes to a running handler. All that can be refused from the head is refused before the body is
 * invited.
 */
#include <errno.h>
#include <stdio.h>

#include "http/http_int.h"

enum { KEEP_FREE = 1024, ROOM_FOR_BODY = 4096 };

/* ---- exchanges ---- */

/* A copy, so that a request is read to its end by the limits that it began under. */
static void set_limits(struct exchange *x, const struct http_limits *limits)
{
    if (x->slots && memcmp(&x->limits, limits, sizeof *limits) == 0)
        return;
    if (x->n_slots < limits->headers) {
        x->n_slots = limits->headers;
        x->slots = tl_reallocarray(x->slots, 2 * x->n_slots, sizeof *x->slots);
    }
    x->limits = *limits;
    http_codec_init(&x->codec, &x->limits, x->slots);
}

struct exchange *http__exchange_take(struct conn *c)
{
    struct http_loop *l = c->l;
    struct exchange *x = l->free_exchanges;

    if (x) {
        l->free_exchanges = x->next_free;
        l->n_free_exchanges--;
    } else {
        x = tl_zalloc(sizeof *x);
        x->arena = tl_arena_new(l->opt.request_arena);
    }
    set_limits(x, &l->opt.limits);
    x->c = c;
    x->timed = false;
    x->started_ns = 0;
    http_res_init(&x->res, x->arena);
    return x;
}

void http__exchange_free(struct exchange *x)
{
    tl_arena_free(x->arena);
    tl_free(x->slots);
    tl_free(x);
}

static void drop_router(struct exchange *x)
{
    if (x->router && --x->router->refs == 0) {
        http_router_unref(x->router->router);
        tl_free(x->router);
    }
    x->router = NULL;
}

void http__exchange_give(struct exchange *x)
{
    struct http_loop *l = x->c->l;

    drop_router(x);
    if (x->body_cap)
        (void)atomic_fetch_sub_explicit(&l->server->body_memory, x->body_cap, memory_order_relaxed);
    tl_free(x->body);
    tl_free(x->old_rbuf);
    tl_free(x->out);
    x->body = x->old_rbuf = x->out = NULL;
    x->body_n = x->body_cap = 0;
    x->bytes_in = x->bytes_out = 0;
    x->n_iov = 0;
    x->route = NULL;
    x->wait = NULL;
    x->head_known = x->early = x->expect = x->sent_100 = x->body_done = x->head_sent = false;
    x->chunked_out = x->must_close = x->stream_done = false;
    tl_buf_done(&x->h2.in);
    tl_buf_done(&x->h2.held);
    x->h2 = (struct stream){.id = 0};
    tl_arena_reset(x->arena);
    http_codec_next_message(&x->codec);
    memset(&x->req, 0, sizeof x->req);
    if (l->n_free_exchanges >= KEEP_FREE) {
        http__exchange_free(x);
        return;
    }
    x->next_free = l->free_exchanges;
    l->free_exchanges = x;
    l->n_free_exchanges++;
}

/* ---- refusals ---- */

/* Say what is in x->res, and close. The connection may be gone afterwards. */
static void fail_with_answer(struct exchange *x)
{
    x->early = true;
    x->must_close = true;
    http__respond(x);
}

void http__fail(struct conn *c, int status, const char *code, const char *message)
{
    http_res_error(&c->x->res, status, code, message);
    fail_with_answer(c->x);
}

const char *http__code_of(int status)
{
    switch (status) {
    case 413:
    case 414:
    case 431:
        return "limit";
    case 501:
    case 505:
        return "unsupported";
    case 408:
        return "timeout";
    case 417:
        return "expectation";
    default:
        return "malformed";
    }
}

static void fail_codec(struct conn *c)
{
    http__count(&c->l->bad);
    http__fail(c, c->x->codec.status, http__code_of(c->x->codec.status), c->x->codec.reason);
}

/* ---- the head ---- */

static void fill_request(struct exchange *x)
{
    const struct http_head *h = &x->codec.head;
    const struct conn *c = x->c;
    const struct http_server_options *opt = &c->l->opt;
    struct http_req *r = &x->req;

    r->method = h->method;
    r->method_text = h->method_text;
    r->target = h->target;
    r->query = h->query;
    r->authority = h->authority;
    r->headers = &h->headers;
    r->trailers = &x->codec.trailers;
    r->params = x->params;
    r->peer = c->peer;
    r->peer_uid = c->peer_uid;
    r->tls_peer = c->tls_peer;
    r->arena = x->arena;
    x->res.head_request = h->method == HTTP_HEAD;
    http__forwarded(&h->headers, opt->trusted_proxies, opt->n_trusted_proxies, &c->peer, c->ssl != NULL, &r->client,
                    &r->secure);
    if (c->ssl)
        r->tls_name = tl_sv_str(SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name));
}

static bool refuse(struct exchange *x, int status, const char *code, const char *message)
{
    http_res_error(&x->res, status, code, message);
    return false;
}

void http__busy(struct exchange *x, const char *message)
{
    (void)http_res_header_static(&x->res, TL_SV("Retry-After"), TL_SV("1"), NULL);
    http_res_error(&x->res, 503, "busy", message);
}

static bool find_route(struct exchange *x)
{
    struct conn *c = x->c;
    struct tl_sv allow = TL_SV_NULL;
    struct http_router *router = c->listener->router;
    struct tl_err err;

    if (x->req.method == HTTP_CONNECT)
        return refuse(x, 501, "unsupported", "this is not a proxy");
    if (x->codec.head.path.p[0] == '*') { /* RFC 9110 9.3.7: of the server as a whole; a kind of ping */
        (void)http_res_header_static(&x->res, TL_SV("Allow"), TL_SV("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
                                     NULL);
        http_res_set(&x->res, 200, NULL, TL_SV(""));
        return false;
    }
    if (http_path_normalize(x->codec.head.path, x->arena, &x->req.path, &err) != TL_OK)
        return refuse(x, 400, "malformed", err.text);
    if (!router) {
        x->router = c->l->router;
        x->router->refs++;
        router = x->router->router;
    }
    switch (http_router_find(router, x->req.method, x->req.method_text, x->req.path, &x->route, x->params,
                             &x->req.n_params, x->arena, &allow)) {
    case HTTP_MATCH:
        x->req.route_arg = x->route->arg;
        return true;
    case HTTP_NO_METHOD:
        (void)http_res_header_static(&x->res, TL_SV("Allow"), allow, NULL);
        return refuse(x, 405, "method", "this path has other methods: see Allow");
    case HTTP_NO_PATH:
        break;
    }
    return refuse(x, 404, "not_found", "there is nothing at this path");
}

/* Who watches the health of this server is somebody to announce a drain to. What came by a connection that was there
 * before a drain was under way then. */
static bool is_served_now(struct exchange *x)
{
    struct http_server *s = x->c->l->server;

    if (x->route->health)
        atomic_store_explicit(&s->health_asked_ns, async_loop_now(x->c->l->loop), memory_order_relaxed);
    else if (x->c->late)
        return http__busy(x, "this server is being stopped; send again"), false;
    return true;
}

static bool may_enter(struct exchange *x)
{
    const struct http_route *r = x->route;
    const struct http_server_options *opt = &x->c->l->opt;

    if (opt->n_allow && x->c->peer.family != 0 && !http_cidrs_have(opt->allow, opt->n_allow, &x->req.client))
        return refuse(x, 403, "forbidden", "this address may not call here");
    if (r->n_allow && x->c->peer.family != 0 && !http_cidrs_have(r->allow, r->n_allow, &x->req.client))
        return refuse(x, 403, "forbidden", "this address may not call this path");
    if (r->require_client_cert && !x->c->tls_peer)
        return refuse(x, 403, "forbidden", "this path needs a client certificate");
    if (!is_served_now(x))
        return false;
    x->body_limit = r->body_limit ? r->body_limit : opt->body_limit;
    if (x->codec.head.has_length && x->codec.head.length > x->body_limit)
        return refuse(x, 413, "limit", "the body is larger than this path takes");
    if (!r->stream_body && x->codec.head.length > RBUF_SIZE &&
        atomic_load_explicit(&x->c->l->server->body_memory, memory_order_relaxed) + x->codec.head.length >
            opt->body_memory) {
        http__busy(x, "too many large bodies at once");
        return false;
    }
    return true;
}

bool http__admit(struct exchange *x)
{
    fill_request(x);
    return find_route(x) && may_enter(x);
}

/* The head stays where it is. When it left too little room behind it, reading goes on in a fresh buffer. */
static void settle_head(struct exchange *x)
{
    struct conn *c = x->c;
    size_t have = c->end - c->start, room;

    x->head_known = true;
    x->head_end = c->start;
    room = x->codec.head.chunked ? x->limits.trailer_bytes + ROOM_FOR_BODY : ROOM_FOR_BODY;
    if (http_codec_at_end(&x->codec) || c->cap - c->start >= room ||
        (x->codec.head.has_length && x->codec.head.length <= c->cap - c->start))
        return;
    x->old_rbuf = c->rbuf;
    x->head_end = 0;
    c->cap = have + room < RBUF_SIZE ? RBUF_SIZE : have + room;
    c->rbuf = tl_alloc(c->cap);
    memcpy(c->rbuf, x->old_rbuf + c->start, have);
    c->start = 0;
    c->end = have;
}

static void start_handler(struct exchange *x);

/* false: an answer is under way, or the connection is gone. */
static bool head_done(struct exchange *x)
{
    static const struct iovec go_on = {(void *)(uintptr_t) "HTTP/1.1 100 Continue\r\n\r\n", 25};
    struct conn *c = x->c;

    if (!http__admit(x)) { /* the connection may go on when no body is in the way */
        x->early = x->must_close = !http_codec_at_end(&x->codec);
        http__respond(x);
        return false;
    }
    settle_head(x);
    x->expect =
        x->codec.head.expect_continue && c->start == c->end; /* RFC 9110 10.1.1: not when the body is here already */
    if (x->route->stream_body) {
        start_handler(x);
        return false;
    }
    if (x->expect && http__sendv(c, &go_on, 1) != 25) {
        http__conn_close(c);
        return false;
    }
    c->phase = PH_BODY;
    if (!http_codec_at_end(&x->codec) && (!x->codec.head.has_length || x->codec.head.length > c->end - c->start)) {
        c->window_bytes = 0;
        http__conn_deadline(c, c->l->opt.body_grace_ms);
    }
    return true;
}

/* ---- the body, whole ---- */

bool http__grow_body(struct exchange *x, size_t more)
{
    struct http_server *s = x->c->l->server;
    size_t need = x->body_n + more, cap = x->body_cap ? x->body_cap : 2 * RBUF_SIZE;

    if (need <= x->body_cap)
        return true;
    while (cap < need)
        cap *= 2;
    if (x->codec.head.has_length && cap > x->codec.head.length)
        cap = x->codec.head.length;
    if (atomic_fetch_add_explicit(&s->body_memory, cap - x->body_cap, memory_order_relaxed) + (cap - x->body_cap) >
        x->c->l->opt.body_memory) {
        (void)atomic_fetch_sub_explicit(&s->body_memory, cap - x->body_cap, memory_order_relaxed);
        http__busy(x, "too many large bodies at once");
        return false;
    }
    x->body = tl_realloc(x->body, cap);
    x->body_cap = cap;
    return true;
}

/* In place as long as pieces follow each other in the connection's buffer and all of the body fits there. */
static bool body_piece(struct exchange *x, struct tl_sv piece)
{
    struct conn *c = x->c;

    x->bytes_in += piece.n;
    c->window_bytes += piece.n;
    if (x->codec.body_seen > x->body_limit) {
        http__fail(c, 413, "limit", "the body is larger than this path takes");
        return false;
    }
    if (!x->body && x->codec.head.has_length && !x->old_rbuf && x->codec.head.length <= c->cap - x->head_end) {
        x->req.body = tl_sv(c->rbuf + x->head_end, (size_t)x->codec.body_seen);
        return true;
    }
    if (!http__grow_body(x, piece.n)) {
        fail_with_answer(x);
        return false;
    }
    if (x->body) /* there is none before the first byte */
        memcpy(x->body + x->body_n, piece.p, piece.n);
    x->body_n += piece.n;
    return true;
}

/* ---- the handler ---- */

static enum tl_rc run_handler(struct task *task, void *arg, struct tl_err *err)
{
    struct exchange *x = arg;
    enum tl_rc rc = x->route->handler(task, &x->req, &x->res, x->route->arg, err);

    if (x->res.streaming && rc == TL_OK)
        rc = http__stream_end(task, x, err);
    return rc;
}

static void handler_done(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    struct exchange *x = arg;
    struct conn *c = x->c;

    x->task = NULL;
    if (c->phase == PH_CLOSED) {
        http__conn_next(c, false);
        return;
    }
    if (!x->body_done)
        x->early = x->must_close = !http_codec_at_end(&x->codec);
    /* half an answer: the client must see that it is not whole */
    if (x->res.cut || (rc != TL_OK && x->head_sent)) {
        http__conn_close(c);
        return;
    }
    if (rc != TL_OK)
        http__failed(x, rc, err);
    http__respond(x);
    http__go_on(c);
}

void http__failed(struct exchange *x, enum tl_rc rc, const struct tl_err *err)
{
    struct tl_err e = *err;

    e.rc = rc;
    http_res_rc(&x->res, &e);
    x->res.streaming = false;
}

bool http__start(struct exchange *x, const struct http_body_source *source, const struct http_res_sink *sink,
                 void (*done)(void *arg, enum tl_rc rc, const struct tl_err *err))
{
    struct http_loop *l = x->c->l;
    uint32_t ms = x->route->timeout_ms ? x->route->timeout_ms : l->opt.handler_ms;
    uint64_t now = async_loop_now(l->loop);

    x->started_ns = now;
    if (x->route->stream_body) {
        x->req.source = source;
        x->req.source_arg = x;
    } else {
        x->body_done = true;
        if (x->body)
            x->req.body = tl_sv(x->body, x->body_n);
    }
    x->res.sink = sink;
    x->res.sink_arg = x;
    if (task_start(l->loop, "http.request", ms == UINT32_MAX ? 0 : now + ms * UINT64_C(1000000), run_handler, x, done,
                   &x->task, NULL) == TL_OK)
        return true;
    http__busy(x, "too many requests at once");
    return false;
}

static void start_handler(struct exchange *x)
{
    struct conn *c = x->c;

    c->phase = PH_HANDLER;
    http__conn_no_deadline(c);
    if (!http__start(x, &http__source, &http__sink, handler_done))
        fail_with_answer(x);
}

/* ---- the engine ---- */

/* Read once. false: nothing more now, or the connection is gone. */
static bool read_more(struct conn *c)
{
    ssize_t n;

    if (!http__conn_room(c)) {
        http__conn_close(c); /* cannot be: every limit is below the buffer's */
        return false;
    }
    n = http__recv(c, c->rbuf + c->end, c->cap - c->end);
    if (n > 0) {
        c->end += (size_t)n;
        return true;
    }
    if (n == -EAGAIN)
        http__conn_want(c, UV_READABLE);
    else
        http__conn_close(c);
    return false;
}

static bool step(struct exchange *x, enum http_step *ret_step)
{
    struct conn *c = x->c;
    struct tl_sv piece;
    size_t used;

    *ret_step = http_codec_step(&x->codec, c->rbuf + c->start, c->end - c->start, &used, &piece);
    c->start += used;
    switch (*ret_step) {
    case HTTP_HEAD_DONE:
        x->bytes_in = used;
        return head_done(x);
    case HTTP_DATA:
        return body_piece(x, piece);
    case HTTP_END:
        start_handler(x);
        return false;
    case HTTP_BAD:
        fail_codec(c);
        return false;
    case HTTP_MORE:
        break;
    }
    return true;
}

/* All that is in the buffer. false: an answer is under way, or the connection is gone. */
static bool steps(struct conn *c)
{
    enum http_step last = HTTP_DATA;

    while (last != HTTP_MORE) {
        if (!c->x) {
            int preface = c->start == c->end ? 0 : http__session_preface(c);

            if (preface == 0)
                return true;
            if (preface > 0) {
                http__session_begin(c);
                return false;
            }
            c->x = http__exchange_take(c);
            c->phase = PH_HEAD;
        }
        /* a refusal that keeps the connection leaves it idle: on with the next request */
        if (!step(c->x, &last) && c->phase != PH_IDLE)
            return false;
    }
    if (c->phase == PH_HEAD && !c->x->timed) {
        c->x->timed = true;
        http__conn_deadline(c, c->l->opt.headers_ms);
    }
    return true;
}

/* Phases IDLE, HEAD and BODY: go on until a handler runs, an answer is under way or the socket has no more. A read that
 * did not fill its buffer is the last: the kernel will say when there is more. */
void http__advance(struct conn *c)
{
    bool drained = false;

    while (steps(c)) {
        if (drained) {
            http__conn_want(c, UV_READABLE);
            return;
        }
        if (!read_more(c))
            return;
        drained = !c->ssl && c->end < c->cap;
    }
}

/* After an answer: the next request may be here already. */
void http__go_on(struct conn *c)
{
    if (c->phase != PH_IDLE)
        return;
    if (c->start < c->end || (c->ssl && SSL_has_pending(c->ssl)))
        http__advance(c);
    else
        http__conn_want(c, UV_READABLE);
}
