/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_stream.c - a stream of HTTP/2 as an exchange: its head judged, its body taken in, its handler run, its answer
 * sent. An exchange goes when nghttp2 has closed the stream and its handler, if one was started, has returned.
 */
#include <stdio.h>
#include <stdlib.h>

#include "http/chars.h"
#include "http/session.h"

enum { OVERHEAD = 4 /* ": " and CRLF, as HTTP/1.1 would have sent it */, KILL_TIMES = 4 };
#define MS UINT64_C(1000000)

static nghttp2_session *ng_of(const struct exchange *x)
{
    return x->c->h2->ng;
}

/* ---- life ---- */

int http__stream_begin(struct session *h, int32_t id)
{
    uint32_t most = h->c->l->opt.requests_per_connection;
    struct exchange *x;

    if (h->n_live >= h->most)
        return nghttp2_submit_rst_stream(h->ng, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
    x = http__exchange_take(h->c);
    x->h2.id = id;
    tl_buf_init(&x->h2.in, (size_t)h->window + 1);
    tl_buf_init(&x->h2.held, (size_t)h->window + 1);
    x->h2.next = h->streams;
    if (x->h2.next)
        x->h2.next->h2.prev = x;
    h->streams = x;
    h->n_live++;
    if (++h->opened >= most || atomic_load_explicit(&h->c->l->server->draining, memory_order_relaxed))
        http__session_leave(h->c);
    if (h->opened >= most && h->opened - most >= h->most) /* it goes on as if it had not been told */
        http__session_say_gone(h);
    return nghttp2_session_set_stream_user_data(h->ng, id, x);
}

/* What a handler will not look at any more: its memory, and its part of the window. That of the connection is given
 * back whatever became of the stream, or the streams behind it would starve. */
static void forget(struct exchange *x, struct tl_buf *b)
{
    struct conn *c = x->c;
    size_t n = b->n;

    (void)atomic_fetch_sub_explicit(&c->l->server->body_memory, n, memory_order_relaxed);
    tl_buf_clear(b);
    if (n == 0 || c->phase != PH_H2)
        return;
    if (x->h2.closed)
        (void)nghttp2_session_consume_connection(c->h2->ng, n);
    else
        (void)nghttp2_session_consume(c->h2->ng, x->h2.id, n);
    http__session_dirty(c->h2);
}

void http__stream_free(struct exchange *x)
{
    struct session *h = x->c->h2;

    forget(x, &x->h2.in);
    forget(x, &x->h2.held);
    if (x->h2.prev)
        x->h2.prev->h2.next = x->h2.next;
    else
        h->streams = x->h2.next;
    if (x->h2.next)
        x->h2.next->h2.prev = x->h2.prev;
    http__exchange_give(x);
    if (--h->n_live > 0 || h->c->phase != PH_H2)
        return;
    h->quiet_ns = async_loop_now(h->c->l->loop);
    if (h->going)
        http__session_say_gone(h);
}

void http__stream_closed(struct exchange *x)
{
    (void)nghttp2_session_set_stream_user_data(ng_of(x), x->h2.id, NULL);
    x->h2.closed = true;
    if (!x->task)
        http__stream_free(x);
    else if (x->wait)
        async_wake(x->wait);
}

static void reset(struct exchange *x, uint32_t code)
{
    (void)nghttp2_submit_rst_stream(ng_of(x), NGHTTP2_FLAG_NONE, x->h2.id, code);
    http__session_dirty(x->c->h2);
}

/* ---- answers ---- */

static ssize_t give(nghttp2_session *ng, int32_t id, uint8_t *p, size_t most, uint32_t *flags,
                    nghttp2_data_source *source, void *arg)
{
    struct exchange *x = nghttp2_session_get_stream_user_data(ng, id);
    struct iovec *v;
    size_t n;

    (void)source, (void)arg;
    if (!x)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    v = &x->iov[0];
    n = x->n_iov == 0 ? 0 : v->iov_len < most ? v->iov_len : most;
    if (n > 0) {
        memcpy(p, v->iov_base, n);
        v->iov_base = (char *)v->iov_base + n;
        v->iov_len -= n;
        x->h2.moved += n;
        x->n_iov = v->iov_len > 0;
    }
    if (x->n_iov == 0) {
        if (x->wait)
            async_wake(x->wait);
        if (x->h2.end)
            *flags |= NGHTTP2_DATA_FLAG_EOF;
        else if (n == 0)
            return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)n;
}

static void set_piece(struct exchange *x, struct tl_sv piece)
{
    memcpy(&x->iov[0].iov_base, &piece.p, sizeof piece.p);
    x->iov[0].iov_len = piece.n;
    x->n_iov = piece.n > 0;
}

/* With their names in lower case (8.2.1), in `names`. */
static size_t put_headers(nghttp2_nv *nv, const struct http_header *h, size_t n, char **names)
{
    for (size_t i = 0; i < n; i++) {
        struct tl_sv name = h[i].name;

        for (size_t k = 0; k < name.n; k++)
            (*names)[k] = (char)(name.p[k] >= 'A' && name.p[k] <= 'Z' ? name.p[k] | 0x20 : name.p[k]);
        nv[i] = http__h2_pair(tl_sv(*names, name.n), h[i].value);
        *names += name.n;
    }
    return n;
}

static size_t fill_headers(struct exchange *x, nghttp2_nv *nv, char status[4], char length[24], char *names)
{
    const struct http_server_options *o = &x->c->l->opt;
    const char *server_name = o->server_name;
    struct http_res *r = &x->res;
    size_t n = 0;

    (void)snprintf(status, 4, "%03u", (unsigned)r->status % 1000);
    nv[n++] = http__h2_pair(TL_SV(":status"), tl_sv(status, 3));
    nv[n++] = http__h2_pair(TL_SV("date"), http__date(x->c->l));
    if (server_name)
        nv[n++] = http__h2_pair(TL_SV("server"), tl_sv_str(server_name));
    if (!r->streaming && !http__has_no_body(r->status)) {
        (void)snprintf(length, 24, "%zu", r->body.n);
        nv[n++] = http__h2_pair(TL_SV("content-length"), tl_sv_str(length));
    }
    n += put_headers(nv + n, o->headers, o->n_headers, &names);
    return n + put_headers(nv + n, r->headers, r->n_headers, &names);
}

static size_t name_bytes(const struct http_header *h, size_t n)
{
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += h[i].name.n;
    return bytes;
}

/* What is in x->res: all of it, or the head of what comes in pieces. */
static void answer(struct exchange *x)
{
    const nghttp2_data_provider body = {.read_callback = give};
    struct http_res *r = &x->res;
    const struct http_server_options *o = &x->c->l->opt;
    nghttp2_nv nv[4 + HTTP_SERVER_HEADERS_MAX + HTTP_RES_HEADERS_MAX];
    TL_CLEANUP(tl_freep)
    char *names = tl_alloc(1 + name_bytes(o->headers, o->n_headers) + name_bytes(r->headers, r->n_headers));
    char status[4], length[24];
    bool bare = r->head_request || http__has_no_body(r->status);
    size_t n = fill_headers(x, nv, status, length, names);

    x->h2.answered = x->head_sent = true;
    x->h2.since_ns = 0;
    if (!r->streaming) {
        set_piece(x, bare ? TL_SV_NULL : r->body);
        x->h2.end = true;
    }
    bare = bare || (!r->streaming && x->n_iov == 0);
    if (nghttp2_submit_response(ng_of(x), x->h2.id, nv, n, bare ? NULL : &body) != 0)
        reset(x, NGHTTP2_INTERNAL_ERROR);
    if (r->close && !r->streaming) /* a stream that is a connection's last over HTTP/1.1 is one of many here */
        http__session_leave(x->c);
    http__session_dirty(x->c->h2);
}

static void refuse(struct exchange *x, int status, const char *message)
{
    if (x->h2.answered)
        return;
    http_res_error(&x->res, status, http__code_of(status), message);
    answer(x);
}

void http__stream_sent(struct exchange *x, const nghttp2_frame_hd *frame)
{
    x->bytes_out += 9 + frame->length;
    if (!(frame->flags & NGHTTP2_FLAG_END_STREAM) || (frame->type != NGHTTP2_HEADERS && frame->type != NGHTTP2_DATA))
        return;
    http__account(x);
    if (!x->body_done) /* 8.1: the answer is whole, and what else the request holds does not matter */
        (void)nghttp2_submit_rst_stream(ng_of(x), NGHTTP2_FLAG_NONE, x->h2.id, NGHTTP2_NO_ERROR);
}

/* ---- answers in pieces ---- */

static enum tl_rc all_taken(struct task *task, struct exchange *x, struct tl_err *err)
{
    uint64_t window = 0;
    enum tl_rc rc = TL_OK;

    while (rc == TL_OK && x->n_iov > 0)
        rc = http__wait_ready(task, x, 0, x->c->l->opt.write_ms, &window, err);
    if (rc != TL_OK)
        x->n_iov = 0; /* the piece is the handler's, and it goes on */
    return rc;
}

static bool is_gone(const struct exchange *x)
{
    return x->c->phase == PH_CLOSED || x->h2.closed;
}

static enum tl_rc sink_begin(struct task *task, void *arg, struct http_res *res, struct tl_err *err)
{
    struct exchange *x = arg;

    (void)res;
    if (is_gone(x))
        return http__gone(err);
    answer(x);
    return task_check(task, err);
}

static enum tl_rc sink_write(struct task *task, void *arg, struct tl_sv piece, struct tl_err *err)
{
    struct exchange *x = arg;

    if (is_gone(x))
        return http__gone(err);
    if (piece.n == 0 || x->res.head_request || http__has_no_body(x->res.status))
        return task_check(task, err);
    set_piece(x, piece);
    (void)nghttp2_session_resume_data(ng_of(x), x->h2.id);
    http__session_dirty(x->c->h2);
    return all_taken(task, x, err);
}

static const struct http_res_sink sink = {sink_begin, sink_write};

/* ---- bodies in pieces ---- */

static void go_on(struct exchange *x)
{
    const nghttp2_nv nv = http__h2_pair(TL_SV(":status"), TL_SV("100"));

    if (!x->expect || x->sent_100 || x->h2.answered || x->body_done)
        return;
    x->sent_100 = true;
    (void)nghttp2_submit_headers(ng_of(x), NGHTTP2_FLAG_NONE, x->h2.id, NULL, &nv, 1, NULL);
    http__session_dirty(x->c->h2);
}

static enum tl_rc source_next(struct task *task, void *arg, struct tl_sv *ret_piece, struct tl_err *err)
{
    struct exchange *x = arg;
    uint64_t window = 0;
    enum tl_rc rc = TL_OK;

    forget(x, &x->h2.held); /* it has looked at it */
    if (!is_gone(x))
        go_on(x);
    while (rc == TL_OK) {
        if (x->h2.too_large)
            return tl_fail(err, TL_LIMIT, "the body is larger than this path takes");
        if (x->h2.no_room)
            return tl_fail(err, TL_BUSY, "too many large bodies at once");
        if (x->h2.in.n > 0) {
            struct tl_buf b = x->h2.held;

            x->h2.held = x->h2.in;
            x->h2.in = b;
            *ret_piece = tl_buf_view(&x->h2.held);
            return TL_OK;
        }
        if (x->body_done) {
            *ret_piece = TL_SV_NULL;
            return TL_OK;
        }
        rc = http__wait_ready(task, x, 0, x->c->l->opt.body_grace_ms, &window, err);
    }
    return rc;
}

static const struct http_body_source source = {source_next};

/* ---- the handler ---- */

static void done(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    struct exchange *x = arg;
    struct conn *c = x->c;

    x->task = NULL;
    if (is_gone(x)) {
        bool closed = c->phase == PH_CLOSED;

        http__stream_free(x);
        if (closed && !http__session_busy(c))
            http__conn_close(c); /* it was waiting for this one */
        return;
    }
    forget(x, &x->h2.held);
    forget(x, &x->h2.in);
    if (x->res.cut || (rc != TL_OK && x->head_sent)) { /* half an answer: the client must see that it is not whole */
        reset(x, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    if (x->head_sent) {
        x->h2.end = true;
        (void)nghttp2_session_resume_data(ng_of(x), x->h2.id);
        http__session_dirty(c->h2);
        return;
    }
    if (rc != TL_OK)
        http__failed(x, rc, err);
    answer(x);
}

static void start(struct exchange *x)
{
    if (!http__start(x, &source, &sink, done))
        answer(x);
}

/* ---- the head ---- */

/* The first thing that is wrong is what the client is told. */
static int wrong(struct exchange *x, int status, const char *reason)
{
    if (x->h2.status == 0) {
        x->h2.status = status;
        x->h2.reason = reason;
    }
    return 0;
}

static struct tl_sv copy(struct exchange *x, struct tl_sv s)
{
    struct tl_sv c = tl_arena_sv(x->arena, s);

    if (!c.p)
        (void)wrong(x, 431, "too many bytes of headers");
    return c;
}

static void pseudo(struct exchange *x, struct tl_sv name, struct tl_sv value)
{
    struct http_head *h = &x->codec.head;

    if (tl_sv_eqs(name, ":method")) {
        h->method_text = copy(x, value);
        h->method = http_method_of(value);
    } else if (tl_sv_eqs(name, ":path")) {
        if (value.n > x->limits.request_line)
            (void)wrong(x, 414, "the path is too long");
        else
            h->target = copy(x, value);
    } else if (tl_sv_eqs(name, ":authority")) {
        h->authority = copy(x, value);
    } else if (tl_sv_eqs(name, ":scheme")) {
        x->h2.scheme = copy(x, value);
    }
}

static void keep(struct exchange *x, struct http_headers *h, struct tl_sv name, struct tl_sv value)
{
    struct tl_sv n, v;

    if (h->n == x->limits.headers) {
        (void)wrong(x, 431, "too many headers");
        return;
    }
    n = copy(x, name);
    v = copy(x, value);
    if (n.p && v.p)
        h->v[h->n++] = (struct http_header){n, v};
}

int http__stream_header(struct exchange *x, struct tl_sv name, struct tl_sv value)
{
    const struct http_limits *limits = &x->limits;
    size_t *bytes = x->head_known ? &x->h2.trailer_bytes : &x->h2.head_bytes;
    size_t most = x->head_known ? limits->trailer_bytes : limits->header_bytes;

    *bytes += name.n + value.n + OVERHEAD;
    if (*bytes > most) {
        if (*bytes > KILL_TIMES * most) /* each costs a byte on the wire and thousands here: the bomb of HPACK */
            http__session_end(x->c->h2, NGHTTP2_ENHANCE_YOUR_CALM);
        return wrong(x, 431, "too many bytes of headers");
    }
    if (x->h2.status != 0)
        return 0;
    if (name.n > 0 && name.p[0] == ':')
        pseudo(x, name, value);
    else
        keep(x, x->head_known ? &x->codec.trailers : &x->codec.head.headers, name, value);
    return 0;
}

/* 8.3.1: what HTTP/1.1 would have had in its request line. NULL: fine. */
static const char *judge_target(struct exchange *x)
{
    struct http_head *h = &x->codec.head;

    if (!tl_sv_eqs(x->h2.scheme, "http") && !tl_sv_eqs(x->h2.scheme, "https"))
        return "the scheme is neither http nor https";
    if (tl_sv_eqs(h->target, "*")) {
        h->path = h->target;
        return h->method == HTTP_OPTIONS ? NULL : "only OPTIONS may ask for *";
    }
    if (h->target.n == 0 || h->target.p[0] != '/')
        return "the path does not begin with /";
    return http__split_path(h, h->target);
}

/* Host is what handlers know; where it is not there it is made of :authority (8.3.1), and both must say the same. */
static const char *judge_authority(struct exchange *x)
{
    struct http_head *h = &x->codec.head;
    struct tl_sv host = http_header_get(&h->headers, "host"), a, b;
    uint16_t pa = 0, pb = 0, usual = tl_sv_eqs(x->h2.scheme, "https") ? 443 : 80;
    bool v6;

    if (!h->authority.p) {
        h->authority = host;
        return http_authority_parse(host, &a, &pa, &v6) ? NULL : "Host is malformed";
    }
    if (!http_authority_parse(h->authority, &a, &pa, &v6))
        return "the authority is malformed";
    if (!host.p) {
        keep(x, &h->headers, TL_SV("host"), h->authority);
        return NULL;
    }
    if (!http_authority_parse(host, &b, &pb, &v6) || !tl_sv_eqi(a, b) || (pa ? pa : usual) != (pb ? pb : usual))
        return "Host and the authority disagree";
    return NULL;
}

/* 8.2.3: a browser sends them in pieces, and those who read them know one field. */
static void join_cookies(struct exchange *x)
{
    struct http_headers *h = &x->codec.head.headers;
    size_t to = 0, first = SIZE_MAX;
    struct tl_buf all;

    if (http_header_count(h, "cookie") < 2)
        return;
    tl_buf_init(&all, x->limits.header_bytes);
    for (size_t i = 0; i < h->n; i++) {
        bool cookie = tl_sv_eqs(h->v[i].name, "cookie");

        if (cookie)
            (void)(tl_buf_puts(&all, all.n ? "; " : "") && tl_buf_sv(&all, h->v[i].value));
        if (cookie && first != SIZE_MAX)
            continue;
        if (cookie)
            first = to;
        h->v[to++] = h->v[i];
    }
    h->n = to;
    h->v[first].value = copy(x, tl_buf_view(&all));
    tl_buf_done(&all);
}

/* What the fields of framing say; nghttp2 has compared the length with the body, or will. */
static void judge_framing(struct exchange *x, bool end)
{
    struct http_head *h = &x->codec.head;
    struct tl_sv length = http_header_get(&h->headers, "content-length");
    size_t n_expect = http_header_count(&h->headers, "expect");

    h->keep_alive = true;
    h->minor = 1;
    h->chunked = !end && !length.p;
    if (length.p) {
        h->has_length = length.n <= 19 && tl_sv_u64(length, &h->length) && h->length <= INT64_MAX;
        if (!h->has_length)
            (void)wrong(x, 400, "Content-Length is not a number");
    }
    if (n_expect > 1 || (n_expect && !tl_sv_eqi(http_header_get(&h->headers, "expect"), TL_SV("100-continue"))))
        (void)wrong(x, 417, "an expectation other than 100-continue");
    x->expect = n_expect == 1 && !end;
}

static void judge(struct exchange *x, bool end)
{
    struct http_head *h = &x->codec.head;
    const char *why = NULL;

    if (x->h2.status != 0)
        return;
    if (h->method_text.n > 32 || !http_is_token(h->method_text))
        why = "the method is not a token";
    if (!why && h->method != HTTP_CONNECT)
        why = judge_target(x);
    if (!why)
        why = judge_authority(x);
    if (why) {
        (void)wrong(x, 400, why);
        return;
    }
    join_cookies(x);
    judge_framing(x, end);
}

int http__stream_head(struct exchange *x, bool end)
{
    judge(x, end);
    x->head_known = true;
    x->body_done = end;
    x->bytes_in = x->h2.head_bytes;
    if (x->h2.status != 0) {
        http__count(&x->c->l->bad);
        refuse(x, x->h2.status, x->h2.reason);
    } else if (!http__admit(x)) {
        answer(x);
    } else if (end || x->route->stream_body) {
        start(x);
    } else {
        go_on(x);
        x->h2.since_ns = async_loop_now(x->c->l->loop);
    }
    return 0;
}

/* ---- the body ---- */

static void take_piece(struct exchange *x, struct tl_sv piece)
{
    struct http_server *s = x->c->l->server;
    uint64_t before = atomic_fetch_add_explicit(&s->body_memory, piece.n, memory_order_relaxed);

    if (before + piece.n <= x->c->l->opt.body_memory && tl_buf_sv(&x->h2.in, piece))
        return;
    (void)atomic_fetch_sub_explicit(&s->body_memory, piece.n, memory_order_relaxed);
    x->h2.no_room = true;
}

static void keep_piece(struct exchange *x, struct tl_sv piece)
{
    if (!http__grow_body(x, piece.n)) {
        answer(x);
        return;
    }
    memcpy(x->body + x->body_n, piece.p, piece.n);
    x->body_n += piece.n;
}

void http__stream_data(struct exchange *x, struct tl_sv piece)
{
    bool keeps = false;

    x->bytes_in += piece.n;
    x->h2.moved += piece.n;
    x->codec.body_seen += piece.n;
    if (x->h2.answered && !x->task) {
        /* said already that it is not wanted */
    } else if (x->codec.body_seen > x->body_limit) {
        x->h2.too_large = true;
        if (!x->route->stream_body)
            refuse(x, 413, "the body is larger than this path takes");
    } else if (!x->route->stream_body) {
        keep_piece(x, piece);
    } else if (x->task && !x->h2.no_room) {
        take_piece(x, piece);
        keeps = !x->h2.no_room;
    }
    if (!keeps)
        (void)nghttp2_session_consume(ng_of(x), x->h2.id, piece.n);
    if (x->wait && x->route && x->route->stream_body)
        async_wake(x->wait);
}

/* RFC 9110 6.5.1, as over HTTP/1.1: a field of framing or routing has no meaning behind the body. */
static bool trailers_are_fine(const struct exchange *x)
{
    static const char *const bad[] = {"content-length", "transfer-encoding", "host"};

    for (size_t i = 0; i < TL_COUNT(bad); i++)
        if (http_header_count(&x->codec.trailers, bad[i]))
            return false;
    return x->h2.status == 0;
}

void http__stream_ended(struct exchange *x)
{
    if (!trailers_are_fine(x) && !x->h2.answered) {
        http__count(&x->c->l->bad);
        reset(x, NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    x->body_done = true;
    if (x->wait)
        async_wake(x->wait);
    if (!x->h2.answered && !x->task && x->route && !x->route->stream_body) {
        x->h2.since_ns = 0;
        start(x);
    }
}

/* ---- time-outs ---- */

/* A body that is kept whole, and an answer that is whole, have nobody else who would notice that nothing moves. */
void http__stream_timer(struct exchange *x, uint64_t now)
{
    const struct http_server_options *o = &x->c->l->opt;
    bool in = x->head_known && !x->body_done && !x->h2.answered && !x->task, out = x->h2.answered && !x->task;
    uint32_t window_ms = in ? o->body_grace_ms : o->write_ms;

    if (x->h2.closed || (!in && !out))
        return;
    if (x->h2.since_ns == 0) {
        x->h2.since_ns = now;
        x->h2.moved = 0;
        return;
    }
    if (now - x->h2.since_ns < window_ms * MS)
        return;
    if (x->h2.moved >= http__rate_bytes(x->c, window_ms)) {
        x->h2.since_ns = now;
        x->h2.moved = 0;
        return;
    }
    http__count(&x->c->l->timeouts);
    if (in)
        refuse(x, 408, "the body came too slowly");
    else
        reset(x, NGHTTP2_CANCEL);
}
