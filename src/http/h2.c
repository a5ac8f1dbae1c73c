/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2.c - streams: what nghttp2 tells of them, and what tasks ask of them.
 *
 * Callbacks run on the loop's stack inside of a call to nghttp2; they only fill buffers and wake tasks. Tasks submit
 * frames and then flush; nghttp2 is never entered from one of its own callbacks.
 */
#include "http/h2_int.h"

enum { ARENA = 256 << 10, HEADERS_MOST = 100, OVERHEAD = 32 /* RFC 9113 10.5.1 */ };

/* ---- life ---- */
struct http_h2_stream *http__h2_stream_new(struct http_h2 *c)
{
    struct http_h2_stream *s = tl_zalloc(sizeof *s);

    s->conn = c;
    s->id = -1;
    s->arena = tl_arena_new(ARENA);
    tl_buf_init(&s->in, (size_t)c->window + 1);
    tl_buf_init(&s->out, H2_OUT + 1);
    s->next = c->streams;
    if (s->next)
        s->next->prev = s;
    c->streams = s;
    c->n_streams++;
    return s;
}

void http_h2_free(struct http_h2_stream *s)
{
    struct http_h2 *c = s ? s->conn : NULL;

    if (!s)
        return;
    assert(!s->reader && !s->writer);
    if (c->session && s->id > 0) {
        (void)nghttp2_session_set_stream_user_data(c->session, s->id, NULL);
        if (!c->dead && s->in.n > s->in_at)
            (void)nghttp2_session_consume_connection(c->session, s->in.n - s->in_at);
        if (!c->dead && !s->closed && !(s->ended && s->out_end && s->out.n == s->out_at))
            (void)nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
    }
    if (s->prev)
        s->prev->next = s->next;
    else
        c->streams = s->next;
    if (s->next)
        s->next->prev = s->prev;
    c->n_streams--;
    tl_buf_done(&s->in);
    tl_buf_done(&s->out);
    tl_arena_free(s->arena);
    tl_free(s);
    http__h2_flush(c);
}

void http__h2_wake(struct http_h2_stream *s)
{
    if (s->reader)
        async_wake(s->reader);
    if (s->writer)
        async_wake(s->writer);
}

/* ---- what nghttp2 tells ---- */
static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http_h2 *c = arg;
    struct http_h2_stream *s;

    if (!c->server || frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    s = http__h2_stream_new(c);
    s->id = frame->hd.stream_id;
    (void)nghttp2_session_set_stream_user_data(session, s->id, s);
    return 0;
}

static bool keep(struct http_h2_stream *s, struct http_headers *h, size_t *cap, struct tl_sv name, struct tl_sv value)
{
    if (h->n == *cap) {
        size_t more = *cap ? 2 * *cap : 8;
        struct http_header *v =
            more <= 2 * HEADERS_MOST ? tl_arena_grow(s->arena, h->v, *cap * sizeof *v, more * sizeof *v) : NULL;

        if (!v)
            return false;
        h->v = v;
        *cap = more;
    }
    h->v[h->n] = (struct http_header){tl_arena_sv(s->arena, name), tl_arena_sv(s->arena, value)};
    return h->v[h->n].name.p && h->v[h->n++].value.p;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    struct http_h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct tl_sv n = tl_sv((const char *)name, name_n), v = tl_sv((const char *)value, value_n);
    uint64_t status;
    bool kept = true;

    (void)arg, (void)flags;
    if (!s || s->why.rc != TL_OK)
        return 0;
    s->header_bytes += name_n + value_n + OVERHEAD;
    if (s->header_bytes > s->conn->max_headers)
        kept = false;
    else if (s->head_done)
        kept = keep(s, &s->trailers, &s->trailer_cap, n, v);
    else if (tl_sv_eqs(n, ":status"))
        s->status = tl_sv_u64(v, &status) && status < 1000 ? (int)status : 0; /* nghttp2 has checked: three digits */
    else if (tl_sv_eqs(n, ":path"))
        s->path = tl_arena_sv(s->arena, v);
    else if (tl_sv_eqs(n, ":method"))
        s->method = tl_arena_sv(s->arena, v);
    else if (name_n > 0 && name[0] != ':')
        kept = keep(s, &s->head, &s->head_cap, n, v);
    if (kept)
        return 0;
    (void)tl_fail(&s->why, TL_LIMIT, "more than %zu bytes of headers came", s->conn->max_headers);
    http__h2_wake(s);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream */
}

static void take_headers(struct http_h2_stream *s)
{
    struct http_h2 *c = s->conn;

    if (s->head_done)
        return;                                              /* trailers */
    if (!c->server && s->status >= 100 && s->status < 200) { /* 8.1: not the answer so far */
        s->head.n = 0;
        s->status = 0;
        return;
    }
    s->head_done = true;
    s->header_bytes = 0;
    if (c->server && s->why.rc == TL_OK)
        http__h2_request(s);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http_h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    (void)arg;
    if (!s || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        s->ended = true;
    if (frame->hd.type == NGHTTP2_HEADERS)
        take_headers(s);
    http__h2_wake(s);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *arg)
{
    struct http_h2_stream *s = nghttp2_session_get_stream_user_data(session, id);

    (void)flags, (void)arg;
    if (!s) { /* freed: its bytes still count against the connection's window */
        (void)nghttp2_session_consume(session, id, n);
        return 0;
    }
    if (!tl_buf_put(&s->in, p, n)) { /* more than the window: nghttp2 would have refused it */
        (void)tl_fail(&s->why, TL_LIMIT, "more bytes came than were allowed");
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (s->reader)
        async_wake(s->reader);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
    struct http_h2_stream *s = nghttp2_session_get_stream_user_data(session, id);

    (void)arg;
    if (!s)
        return 0;
    s->closed = true;
    s->error = error;
    http__h2_wake(s);
    if (s->task && error != NGHTTP2_NO_ERROR) /* a handler that waits elsewhere has nobody to answer any more */
        task_cancel(s->task);
    return 0;
}

nghttp2_session_callbacks *http__h2_callbacks(void)
{
    nghttp2_session_callbacks *cb = NULL;

    if (nghttp2_session_callbacks_new(&cb) != 0)
        abort(); /* only for want of memory */
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    return cb;
}

/* ---- sending ---- */
static ssize_t give_data(nghttp2_session *session, int32_t id, uint8_t *p, size_t most, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    struct http_h2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    size_t n;

    (void)source, (void)arg;
    if (!s)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    n = s->out.n - s->out_at < most ? s->out.n - s->out_at : most;
    if (n == 0 && !s->out_end)
        return NGHTTP2_ERR_DEFERRED;
    if (n > 0)
        memcpy(p, s->out.p + s->out_at, n);
    s->out_at += n;
    if (s->out_at == s->out.n) {
        tl_buf_clear(&s->out);
        s->out_at = 0;
        if (s->writer)
            async_wake(s->writer);
        if (s->out_end)
            *flags |= NGHTTP2_DATA_FLAG_EOF | (s->has_trailers ? NGHTTP2_DATA_FLAG_NO_END_STREAM : 0);
    }
    return (ssize_t)n;
}

/* Headers as nghttp2 wants them, behind the first `used` places; false: one of them cannot be sent. */
static bool put_pairs(nghttp2_nv *to, const struct http_header *headers, size_t n, struct tl_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!http_is_token(headers[i].name) || !http_is_field_value(headers[i].value)) {
            (void)tl_fail(err, TL_INVALID, "header %zu has a name or a value that cannot be sent", i + 1);
            return false;
        }
        to[i] = http__h2_pair(headers[i].name, headers[i].value);
    }
    return true;
}

static enum tl_rc dead(const struct http_h2 *c, struct tl_err *err)
{
    return tl_fail(err, c->why.rc ? c->why.rc : TL_UNREACHABLE, "%s", c->why.text);
}

bool http_h2_usable(const struct http_h2 *c)
{
    return !c->dead && c->session && nghttp2_session_check_request_allowed(c->session) != 0;
}

enum tl_rc http_h2_open(struct http_h2 *c, struct tl_sv method, struct tl_sv path, const struct http_header *headers,
                        size_t n, struct http_h2_stream **ret, struct tl_err *err)
{
    const nghttp2_data_provider body = {.read_callback = give_data};
    nghttp2_nv nv[4 + HEADERS_MOST];
    struct http_h2_stream *s;

    if (c->dead)
        return dead(c, err);
    if (!http_h2_usable(c))
        return tl_fail(err, TL_UNREACHABLE, "the connection is going away");
    if (n > HEADERS_MOST || !http_is_token(method) || path.n == 0 || path.p[0] != '/' || !http_is_field_value(path))
        return tl_fail(err, TL_INVALID, "the request cannot be sent: method, path or the number of headers");
    nv[0] = http__h2_pair(TL_SV(":method"), method);
    nv[1] = http__h2_pair(TL_SV(":scheme"), c->ssl ? TL_SV("https") : TL_SV("http"));
    nv[2] = http__h2_pair(TL_SV(":authority"), tl_sv_str(c->authority));
    nv[3] = http__h2_pair(TL_SV(":path"), path);
    if (!put_pairs(nv + 4, headers, n, err))
        return err ? err->rc : TL_INVALID;
    s = http__h2_stream_new(c);
    s->id = nghttp2_submit_request(c->session, NULL, nv, 4 + n, &body, s);
    if (s->id < 0) {
        int32_t why = s->id;

        http_h2_free(s);
        return tl_fail(err, TL_UNREACHABLE, "no stream can be opened: %s", nghttp2_strerror(why));
    }
    http__h2_flush(c);
    *ret = s;
    return TL_OK;
}

enum tl_rc http_h2_respond(struct http_h2_stream *s, int status, const struct http_header *headers, size_t n, bool end,
                           struct tl_err *err)
{
    const nghttp2_data_provider body = {.read_callback = give_data};
    nghttp2_nv nv[1 + HEADERS_MOST];
    char text[4] = {(char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10), (char)('0' + status % 10), 0};

    if (s->conn->dead)
        return dead(s->conn, err);
    if (n > HEADERS_MOST)
        return tl_fail(err, TL_INVALID, "too many headers");
    nv[0] = http__h2_pair(TL_SV(":status"), tl_sv(text, 3));
    if (!put_pairs(nv + 1, headers, n, err))
        return err ? err->rc : TL_INVALID;
    if (nghttp2_submit_response(s->conn->session, s->id, nv, 1 + n, end ? NULL : &body) != 0)
        return tl_fail(err, TL_UPSTREAM, "the stream has ended");
    s->out_end = end;
    http__h2_flush(s->conn);
    return TL_OK;
}

enum tl_rc http_h2_finish(struct http_h2_stream *s, const struct http_header *trailers, size_t n, struct tl_err *err)
{
    nghttp2_nv nv[HEADERS_MOST];

    if (s->conn->dead)
        return dead(s->conn, err);
    if (n > HEADERS_MOST)
        return tl_fail(err, TL_INVALID, "too many trailers");
    if (!put_pairs(nv, trailers, n, err))
        return err ? err->rc : TL_INVALID;
    s->has_trailers = n > 0;
    s->out_end = true;
    if (n > 0 && nghttp2_submit_trailer(s->conn->session, s->id, nv, n) != 0)
        return tl_fail(err, TL_UPSTREAM, "the stream has ended");
    (void)nghttp2_session_resume_data(s->conn->session, s->id);
    http__h2_flush(s->conn);
    return TL_OK;
}

/* ---- waiting ---- */
static void on_abort(struct async_wait *w, enum tl_rc why)
{
    (void)why;
    async_wake(w);
}

/* What ended the stream; TL_OK: nothing did, or it ended well. */
static enum tl_rc verdict(const struct http_h2_stream *s, struct tl_err *err)
{
    if (s->why.rc != TL_OK) {
        if (err)
            *err = s->why;
        return s->why.rc;
    }
    if (s->ended)
        return TL_OK; /* all of it has come, whatever happened to the connection afterwards */
    if (s->closed && s->error == NGHTTP2_REFUSED_STREAM)
        return tl_fail(err, TL_UNREACHABLE, "the other side has not looked at the request");
    if (s->conn->dead)
        return dead(s->conn, err);
    if (s->closed)
        return tl_fail(err, TL_UPSTREAM, "the other side has reset the stream: %s", nghttp2_http2_strerror(s->error));
    return TL_OK;
}

static enum tl_rc wait_in(struct task *t, struct http_h2_stream *s, uint64_t until_ns, struct tl_err *err)
{
    struct async_wait w;
    enum tl_rc rc;

    assert(!s->reader);
    async_wait_init(&w, t, on_abort, NULL);
    s->reader = &w;
    rc = async_wait(&w, until_ns, err);
    s->reader = NULL;
    return rc;
}

enum tl_rc http_h2_recv(struct task *t, struct http_h2_stream *s, size_t have, uint64_t until_ns, struct tl_sv *ret,
                        struct tl_err *err)
{
    for (;;) {
        size_t n = s->in.n - s->in_at;
        enum tl_rc rc;

        if (n <= have) {
            rc = verdict(s, err);
            if (rc != TL_OK)
                return rc;
        }
        if (n > have || s->ended) {
            *ret = tl_sv(n > 0 ? s->in.p + s->in_at : "", n);
            return TL_OK;
        }
        rc = wait_in(t, s, until_ns, err);
        if (rc == TL_TIMEOUT && task_check(t, NULL) == TL_OK)
            return tl_fail(err, rc, "nothing came within the time allowed");
        if (rc != TL_OK)
            return rc;
    }
}

enum tl_rc http_h2_wait_head(struct task *t, struct http_h2_stream *s, uint64_t until_ns, struct tl_err *err)
{
    while (!s->head_done) {
        enum tl_rc rc = verdict(s, err);

        if (rc == TL_OK)
            rc = s->ended ? tl_fail(err, TL_UPSTREAM, "the stream ended without a head") : wait_in(t, s, until_ns, err);
        if (rc != TL_OK)
            return rc;
    }
    return TL_OK;
}

struct tl_sv http_h2_unread(const struct http_h2_stream *s)
{
    return s->in.p ? tl_sv(s->in.p + s->in_at, s->in.n - s->in_at) : TL_SV("");
}

void http_h2_consume(struct http_h2_stream *s, size_t n)
{
    struct http_h2 *c = s->conn;

    assert(n <= s->in.n - s->in_at);
    s->in_at += n;
    if (s->in_at == s->in.n) {
        tl_buf_clear(&s->in);
        s->in_at = 0;
    } else if (s->in_at > s->in.n / 2) { /* each byte is moved once at most on average */
        tl_buf_consume(&s->in, s->in_at);
        s->in_at = 0;
    }
    if (c->dead || !c->session)
        return;
    (void)nghttp2_session_consume(c->session, s->id, n);
    http__h2_flush(c);
}

enum tl_rc http_h2_send(struct task *t, struct http_h2_stream *s, struct tl_sv data, bool end, uint64_t until_ns,
                        struct tl_err *err)
{
    struct http_h2 *c = s->conn;

    do {
        size_t waiting = s->out.n - s->out_at, n = waiting < H2_OUT ? H2_OUT - waiting : 0;
        enum tl_rc rc = s->closed || c->dead ? verdict(s, err) : TL_OK;

        if (rc == TL_OK && (s->closed || c->dead || s->out_end))
            rc = tl_fail(err, TL_UPSTREAM, "the stream has ended");
        if (rc != TL_OK)
            return rc;
        if (n > data.n)
            n = data.n;
        if (n > 0 || data.n == 0) {
            tl_buf_consume(&s->out, s->out_at);
            s->out_at = 0;
            (void)tl_buf_put(&s->out, data.p, n);
            data = tl_sv_from(data, n);
            s->out_end = end && data.n == 0;
            (void)nghttp2_session_resume_data(c->session, s->id);
            http__h2_flush(c);
        } else {
            struct async_wait w;

            assert(!s->writer);
            async_wait_init(&w, t, on_abort, NULL);
            s->writer = &w;
            rc = async_wait(&w, until_ns, err);
            s->writer = NULL;
            if (rc != TL_OK)
                return rc;
        }
    } while (data.n > 0);
    return TL_OK;
}

/* ---- looking ---- */
int http_h2_status(const struct http_h2_stream *s)
{
    return s->head_done ? s->status : 0;
}

const struct http_headers *http_h2_head(const struct http_h2_stream *s)
{
    return &s->head;
}

const struct http_headers *http_h2_trailers(const struct http_h2_stream *s)
{
    return &s->trailers;
}

struct tl_sv http_h2_path(const struct http_h2_stream *s)
{
    return s->path;
}

struct tl_sv http_h2_method(const struct http_h2_stream *s)
{
    return s->method;
}

bool http_h2_is_over(const struct http_h2_stream *s)
{
    return s->closed || s->conn->dead;
}
