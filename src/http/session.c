/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - a connection that speaks HTTP/2: its settings, bytes in and out, time-outs, floods and its end. */
#include "http/session.h"

#include <errno.h>

enum { READS = 64, OUT_MOST = 256 << 10, TICK_MS = 1000, GRACE_NS = 1000000000, HEADER_TABLE = 4096 };
enum { RESET_COSTS = 10, QUEUED_MOST = 500 /* frames, then nothing more is read */, LIBRARY_MOST = 1000000 };
#define MS UINT64_C(1000000)

static uint64_t now_of(const struct session *h)
{
    return async_loop_now(h->c->l->loop);
}

/* ---- floods ---- */

static void pay(struct session *h, uint32_t cost)
{
    const struct http_server_options *o = &h->c->l->opt;
    uint64_t now = now_of(h), back = (now - h->calm_ns) / MS * o->control_rate / 1000;

    if (h->calm > o->control_frames) /* a reload has lowered it */
        h->calm = o->control_frames;
    if (back > 0) {
        h->calm = back >= o->control_frames - h->calm ? o->control_frames : h->calm + (uint32_t)back;
        h->calm_ns = now;
    }
    if (h->ended)
        return;
    if (h->calm >= cost) {
        h->calm -= cost;
        return;
    }
    http__count(&h->c->l->bad);
    http__session_end(h, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* ---- what nghttp2 tells ---- */

static struct exchange *stream_of(nghttp2_session *ng, int32_t id)
{
    return id > 0 ? nghttp2_session_get_stream_user_data(ng, id) : NULL;
}

static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *arg)
{
    struct session *h = arg;

    (void)ng;
    switch (hd->type) {
    case NGHTTP2_HEADERS:
        h->head_ns = now_of(h);
        return 0;
    case NGHTTP2_CONTINUATION:
        return 0;
    case NGHTTP2_DATA:
        if (hd->length == 0 && !(hd->flags & NGHTTP2_FLAG_END_STREAM))
            pay(h, 1);
        break;
    case NGHTTP2_RST_STREAM:
        pay(h, RESET_COSTS);
        break;
    default:
        pay(h, 1);
        break;
    }
    h->head_ns = 0;
    return 0;
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    (void)ng;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    return http__stream_begin(arg, frame->hd.stream_id);
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    struct exchange *x = stream_of(ng, frame->hd.stream_id);

    (void)flags, (void)arg;
    return x ? http__stream_header(x, tl_sv((const char *)name, name_n), tl_sv((const char *)value, value_n)) : 0;
}

/* What nghttp2 would leave out silently: a value with a control character, a name that is no token. */
static int on_bad_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                         const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    struct session *h = arg;

    (void)ng, (void)frame, (void)name, (void)name_n, (void)value, (void)value_n, (void)flags;
    http__count(&h->c->l->bad);
    pay(h, RESET_COSTS);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets it: PROTOCOL_ERROR */
}

static int on_bad_frame(nghttp2_session *ng, const nghttp2_frame *frame, int code, void *arg)
{
    struct session *h = arg;

    (void)ng, (void)frame;
    h->head_ns = 0;
    if (code != NGHTTP2_ERR_REFUSED_STREAM)
        http__count(&h->c->l->bad);
    pay(h, RESET_COSTS); /* it is answered, and who does not read lets the answers pile up */
    return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct session *h = arg;
    struct exchange *x = stream_of(ng, frame->hd.stream_id);
    bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    if (frame->hd.type == NGHTTP2_HEADERS) {
        h->head_ns = 0;
        if (x && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
            return http__stream_head(x, end);
    }
    if (x && end && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA))
        http__stream_ended(x);
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *arg)
{
    struct exchange *x = stream_of(ng, id);

    (void)flags, (void)arg;
    if (x)
        http__stream_data(x, tl_sv((const char *)p, n));
    else
        (void)nghttp2_session_consume(ng, id, n); /* of a stream that was refused: nobody will read it */
    return 0;
}

static int on_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct session *h = arg;
    struct exchange *x = stream_of(ng, frame->hd.stream_id);

    if (frame->hd.type == NGHTTP2_DATA && h->calm + 2 <= h->c->l->opt.control_frames)
        h->calm += 2; /* who reads what we send must say so */
    if (x)
        http__stream_sent(x, &frame->hd);
    return 0;
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t code, void *arg)
{
    struct exchange *x = stream_of(ng, id);

    (void)code, (void)arg;
    if (x)
        http__stream_closed(x);
    return 0;
}

/* ---- life ---- */

static nghttp2_session *new_nghttp2(struct session *h)
{
    nghttp2_session_callbacks *cb = NULL;
    nghttp2_option *option = NULL;
    nghttp2_session *ng = NULL;

    if (nghttp2_session_callbacks_new(&cb) != 0 || nghttp2_option_new(&option) != 0)
        abort(); /* only for want of memory */
    nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(cb, on_bad_header);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_bad_frame);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_max_deflate_dynamic_table_size(option, HEADER_TABLE);
    /* the library's own numbers are out of the way of control_frames, which a reload may raise: see pay */
    nghttp2_option_set_stream_reset_rate_limit(option, LIBRARY_MOST, LIBRARY_MOST);
    nghttp2_option_set_max_outbound_ack(option, LIBRARY_MOST);
    if (nghttp2_session_server_new2(&ng, cb, h, option) != 0)
        abort(); /* only for want of memory */
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    return ng;
}

static void say_settings(struct session *h)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, h->most},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, h->window},
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, HEADER_TABLE},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)h->c->l->opt.limits.header_bytes},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };

    (void)nghttp2_submit_settings(h->ng, NGHTTP2_FLAG_NONE, settings, TL_COUNT(settings));
    (void)nghttp2_session_set_local_window_size(h->ng, NGHTTP2_FLAG_NONE, 0, (int32_t)h->c->l->opt.session_window);
}

int http__session_preface(const struct conn *c)
{
    static const char magic[] = NGHTTP2_CLIENT_MAGIC;
    const struct http_server_options *o = &c->l->opt;
    size_t n = c->end - c->start;

    if (c->n_requests > 0 || c->ssl || memcmp(c->rbuf + c->start, magic, n < 24 ? n : 24) != 0 || o->http1_only)
        return -1;
    if (!c->listener->proxy_protocol && !http_cidrs_have(o->trusted_proxies, o->n_trusted_proxies, &c->peer))
        return -1;
    return n >= 24;
}

static void on_before_wait(uv_prepare_t *p);

void http__session_begin(struct conn *c)
{
    struct session *h = tl_zalloc(sizeof *h);

    h->c = c;
    h->quiet_ns = h->calm_ns = now_of(h);
    h->calm = c->l->opt.control_frames;
    h->most = c->l->opt.streams;
    h->window = c->l->opt.stream_window;
    tl_buf_init(&h->out, OUT_MOST);
    (void)uv_prepare_init(async_loop_uv(c->l->loop), &h->before_wait);
    uv_unref((uv_handle_t *)&h->before_wait);
    h->before_wait.data = h;
    h->ng = new_nghttp2(h);
    c->h2 = h;
    c->phase = PH_H2;
    http__conn_deadline(c, c->l->opt.headers_ms);
    say_settings(h);
    http__session_event(c);
}

static void on_freed(uv_handle_t *p)
{
    tl_free(p->data);
}

void http__session_free(struct session *h)
{
    if (!h)
        return;
    while (h->streams)
        http__stream_free(h->streams);
    nghttp2_session_del(h->ng);
    tl_buf_done(&h->out);
    uv_close((uv_handle_t *)&h->before_wait, on_freed);
}

bool http__session_busy(const struct conn *c)
{
    for (const struct exchange *x = c->h2 ? c->h2->streams : NULL; x; x = x->h2.next)
        if (x->task)
            return true;
    return false;
}

void http__session_wake(struct conn *c)
{
    for (struct exchange *x = c->h2 ? c->h2->streams : NULL; x; x = x->h2.next)
        if (x->wait)
            async_wake(x->wait);
}

void http__session_cancel(struct conn *c)
{
    for (struct exchange *x = c->h2 ? c->h2->streams : NULL; x; x = x->h2.next)
        if (x->task && !task_is_canceled(x->task))
            task_cancel(x->task);
}

/* ---- going away: RFC 9113 6.8, in two steps, so that what is on its way is served ---- */

void http__session_say_gone(struct session *h)
{
    if (h->gone)
        return;
    h->going = h->gone = true;
    (void)nghttp2_submit_goaway(h->ng, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(h->ng),
                                NGHTTP2_NO_ERROR, NULL, 0);
    http__session_dirty(h);
}

void http__session_leave(struct conn *c)
{
    struct session *h = c->h2;

    if (h->going)
        return;
    h->going = true;
    h->going_ns = now_of(h);
    if (h->n_live == 0)
        http__session_say_gone(h);
    else
        (void)nghttp2_submit_shutdown_notice(h->ng);
    http__session_dirty(h);
}

void http__session_end(struct session *h, uint32_t code)
{
    h->going = h->gone = h->ended = true;
    (void)nghttp2_session_terminate_session(h->ng, code);
    http__session_dirty(h);
}

/* ---- time-outs ---- */

/* Sooner only: a busy connection must not put its own look off. */
static void look_again(struct session *h)
{
    const struct http_server_options *o = &h->c->l->opt;
    uint32_t least = o->headers_ms < o->body_grace_ms ? o->headers_ms : o->body_grace_ms, ms;

    least = least < o->write_ms ? least : o->write_ms;
    ms = least / 4 < TICK_MS ? least / 4 + 1 : TICK_MS;
    if (h->n_live == 0 && h->out.n == h->out_at && !h->head_ns && !h->going)
        ms = h->opened ? o->idle_ms : o->headers_ms;
    if (h->c->deadline_ns > now_of(h) + ms * MS)
        http__conn_deadline(h->c, ms);
}

void http__session_timer(struct conn *c)
{
    const struct http_server_options *o = &c->l->opt;
    struct session *h = c->h2;
    uint64_t now = now_of(h);

    if (h->out.n > h->out_at && now - h->out_ns >= o->write_ms * MS) {
        if (h->out_moved < http__rate_bytes(c, o->write_ms)) {
            http__count(&c->l->timeouts);
            http__conn_close(c);
            return;
        }
        h->out_ns = now;
        h->out_moved = 0;
    }
    if (h->head_ns && now - h->head_ns >= o->headers_ms * MS) {
        h->head_ns = 0;
        http__count(&c->l->timeouts);
        http__session_end(h, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    for (struct exchange *x = h->streams; x; x = x->h2.next)
        http__stream_timer(x, now);
    if (h->n_live == 0 && now - h->quiet_ns >= (h->opened ? o->idle_ms : o->headers_ms) * MS)
        http__session_leave(c);
    if (h->going && !h->gone && now - h->going_ns >= GRACE_NS)
        http__session_say_gone(h);
    c->deadline_ns = UINT64_MAX;
    look_again(h);
}

/* ---- bytes ---- */

/* As at the end of HTTP/1.1: what the client sends meanwhile must not turn our close into a reset that overtakes the
 * answer. Where none was sent for a while there is nothing to overtake. */
static void finish(struct conn *c)
{
    if (http__session_busy(c) || now_of(c->h2) - c->h2->quiet_ns >= GRACE_NS)
        http__conn_close(c);
    else
        http__conn_linger(c);
}

/* The connection may be gone afterwards. */
static void flush(struct session *h)
{
    struct conn *c = h->c;
    bool blocked = false;

    while (!blocked) {
        struct iovec v;
        ssize_t n;

        if (http__h2_gather(h->ng, &h->out, &h->out_at) != 0) {
            http__conn_close(c);
            return;
        }
        if (h->out.n == h->out_at)
            break;
        v = (struct iovec){h->out.p + h->out_at, h->out.n - h->out_at};
        n = http__sendv(c, &v, 1);
        if (n <= 0 && n != -EAGAIN) {
            http__conn_close(c);
            return;
        }
        blocked = n == -EAGAIN;
        if (blocked)
            break;
        h->out_at += (size_t)n;
        h->out_moved += (size_t)n;
        if (h->out_at == h->out.n) {
            tl_buf_clear(&h->out);
            h->out_at = 0;
            h->out_ns = now_of(h);
            h->out_moved = 0;
        }
    }
    if (h->n_live == 0 && h->out.n == h->out_at)
        tl_buf_done(&h->out); /* an idle connection holds no buffer */
    if (h->out.n == h->out_at && !nghttp2_session_want_read(h->ng) && !nghttp2_session_want_write(h->ng)) {
        finish(c);
        return;
    }
    http__conn_want(c, (blocked && nghttp2_session_get_outbound_queue_size(h->ng) > QUEUED_MOST ? 0 : UV_READABLE) |
                           (blocked ? UV_WRITABLE : 0));
    look_again(h);
}

static void on_before_wait(uv_prepare_t *p)
{
    struct session *h = p->data;

    (void)uv_prepare_stop(p);
    if (h->c->phase == PH_H2)
        flush(h);
}

void http__session_dirty(struct session *h)
{
    if (h->out.n == h->out_at)
        h->out_ns = now_of(h);
    (void)uv_prepare_start(&h->before_wait, on_before_wait);
}

static bool feed(struct session *h)
{
    struct conn *c = h->c;
    ssize_t used = 0;

    if (!h->ended)
        used = nghttp2_session_mem_recv(h->ng, (const uint8_t *)c->rbuf + c->start, c->end - c->start);
    c->start = c->end = 0;
    if (used >= 0)
        return true;
    http__count(&c->l->bad);
    if (used == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
        return false; /* it does not speak HTTP/2: a frame would tell it nothing */
    http__session_end(h, used == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
    return true;
}

/* false: the connection has ended. */
static bool take_in(struct session *h)
{
    struct conn *c = h->c;

    if (c->start < c->end && !feed(h))
        return false;
    for (int i = 0; i < READS || (c->ssl && SSL_has_pending(c->ssl)); i++) {
        ssize_t n;

        (void)http__conn_room(c);
        n = http__recv(c, c->rbuf, c->cap);
        if (n == -EAGAIN)
            return true;
        if (n <= 0)
            return false;
        c->end = (size_t)n;
        if (!feed(h))
            return false;
        if (!c->ssl && (size_t)n < c->cap)
            return true;
    }
    return true;
}

void http__session_event(struct conn *c)
{
    struct session *h = c->h2;
    bool goes_on = take_in(h);

    http__conn_done_reading(c);
    if (goes_on)
        http__session_dirty(h);
    else
        http__conn_close(c);
}
