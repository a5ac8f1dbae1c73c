/* SPDX-License-Identifier: Apache-2.0 */
/* conn.c - the life of a connection: adoption, events, time-outs, lingering, closing. One loop's thread only. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http_int.h"

enum { LINGER_BYTES = 256 * 1024, RBUF_MAX = 128 * 1024 };

static void on_event(uv_poll_t *poll, int status, int events);

void http__conn_want(struct conn *c, int events)
{
    if (c->ssl && c->ssl_wants_write && events == UV_READABLE)
        events = UV_READABLE | UV_WRITABLE;
    if (c->events == events)
        return;
    c->events = events;
    if (events)
        (void)uv_poll_start(&c->poll, events, on_event);
    else
        (void)uv_poll_stop(&c->poll);
}

/* The timer is left where it is unless it would fire too late: re-arming costs more than one idle look per minute. */
void http__conn_deadline(struct conn *c, uint64_t ms)
{
    c->deadline_ns = async_loop_now(c->l->loop) + ms * 1000000;
    if (!async_timer_is_set(&c->timer) || c->timer.due_ns > c->deadline_ns)
        async_timer_set(&c->timer, c->deadline_ns);
}

void http__conn_no_deadline(struct conn *c)
{
    c->deadline_ns = UINT64_MAX;
}

uint64_t http__rate_bytes(const struct conn *c, uint32_t window_ms)
{
    return (uint64_t)c->l->opt.body_rate * window_ms / 1000;
}

/* ---- buffers ---- */

static void take_rbuf(struct conn *c)
{
    struct http_loop *l = c->l;

    c->rbuf = l->n_rbufs ? l->rbufs[--l->n_rbufs] : tl_alloc(RBUF_SIZE);
    c->cap = RBUF_SIZE;
    c->start = c->end = 0;
}

void http__conn_done_reading(struct conn *c)
{
    struct http_loop *l = c->l;

    if (c->rbuf && c->cap == RBUF_SIZE && l->n_rbufs < TL_COUNT(l->rbufs))
        l->rbufs[l->n_rbufs++] = c->rbuf;
    else
        tl_free(c->rbuf);
    c->rbuf = NULL;
    c->cap = c->start = c->end = 0;
}

/* Bytes before this offset are still looked at. */
static size_t pinned(const struct conn *c)
{
    return c->x && c->x->head_known && !c->x->old_rbuf ? c->x->head_end : 0;
}

bool http__conn_room(struct conn *c)
{
    size_t floor, have = c->end - c->start;

    if (!c->rbuf) {
        take_rbuf(c);
        return true;
    }
    if (c->end < c->cap)
        return true;
    floor = pinned(c);
    if (c->x && c->x->req.body.n)
        return false; /* a body that is read in place is never moved; it fits by construction */
    if (c->start > floor) {
        memmove(c->rbuf + floor, c->rbuf + c->start, have);
        c->start = floor;
        c->end = floor + have;
        return true;
    }
    if (floor > 0 || c->cap >= RBUF_MAX)
        return false;
    c->cap *= 2;
    c->rbuf = tl_realloc(c->rbuf, c->cap);
    return true;
}

/* ---- closing ---- */

static void free_conn(uv_handle_t *h)
{
    struct conn *c = h->data;
    struct http_loop *l = c->l;

    (void)atomic_fetch_sub_explicit(&l->n_conns, 1, memory_order_relaxed);
    (void)atomic_fetch_sub_explicit(&l->server->active, 1, memory_order_release);
    tl_free(c);
}

static void release(struct conn *c)
{
    if (c->x)
        http__exchange_give(c->x);
    c->x = NULL;
    http__session_free(c->h2);
    http__conn_done_reading(c);
    if (c->prev)
        c->prev->next = c->next;
    else
        c->l->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    http__tls_peer_free(c->tls_peer);
    SSL_free(c->ssl);
    http_tls_unref(c->tls);
    uv_close((uv_handle_t *)&c->poll, free_conn);
    (void)close(c->fd);
}

/* While a task runs for it the connection is only cut; it goes when the task has ended (http__conn_next). */
void http__conn_close(struct conn *c)
{
    bool busy = (c->x && c->x->task) || http__session_busy(c);

    if (c->phase != PH_CLOSED) {
        c->phase = PH_CLOSED;
        http__conn_want(c, 0);
        async_timer_stop(&c->timer);
        if (c->ssl && !c->ssl_broken && SSL_is_init_finished(c->ssl))
            (void)SSL_shutdown(c->ssl);
        if (busy)
            (void)shutdown(c->fd, SHUT_RDWR);
        if (c->counted)
            http__drop_address(c->l->server, &c->counted_as);
        c->counted = false;
    }
    if (busy) {
        if (c->x && c->x->wait)
            async_wake(c->x->wait);
        http__session_wake(c);
        return;
    }
    release(c);
}

void http__conn_linger(struct conn *c)
{
    if (c->ssl && !c->ssl_broken)
        (void)SSL_shutdown(c->ssl);
    if (shutdown(c->fd, SHUT_WR) != 0) {
        http__conn_close(c);
        return;
    }
    c->phase = PH_LINGER;
    c->ssl_wants_write = false;
    http__conn_deadline(c, c->l->opt.linger_ms);
    http__conn_want(c, UV_READABLE);
}

static void linger_more(struct conn *c)
{
    char waste[4096];
    ssize_t n = recv(c->fd, waste, sizeof waste, 0);

    if (n > 0)
        c->lingered += (size_t)n;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || c->lingered > LINGER_BYTES)
        http__conn_close(c);
}

void http__conn_next(struct conn *c, bool keep)
{
    struct exchange *x = c->x;

    if (c->phase == PH_CLOSED || !keep) {
        /* the client may be sending: what it sent by then must not turn our close into a reset */
        bool linger = c->phase != PH_CLOSED && (x->early || c->end > c->start || x->codec.head.keep_alive);

        http__exchange_give(x);
        c->x = NULL;
        if (linger)
            http__conn_linger(c);
        else
            http__conn_close(c);
        return;
    }
    http__exchange_give(x);
    c->x = NULL;
    c->phase = PH_IDLE;
    if (c->start == c->end)
        http__conn_done_reading(c);
    http__conn_deadline(c, c->l->opt.idle_ms);
}

/* ---- time-outs ---- */

static void rate_or_cut(struct conn *c, uint32_t window_ms)
{
    if (c->window_bytes >= http__rate_bytes(c, window_ms)) {
        c->window_bytes = 0;
        http__conn_deadline(c, window_ms);
        return;
    }
    http__count(&c->l->timeouts);
    if (c->phase == PH_BODY)
        http__fail(c, 408, "timeout", "the body came too slowly");
    else
        http__conn_close(c);
}

static void on_timer(struct async_timer *t)
{
    struct conn *c = TL_CONTAINER(t, struct conn, timer);
    const struct http_server_options *opt = &c->l->opt;

    if (c->deadline_ns == UINT64_MAX)
        return;
    if (async_loop_now(c->l->loop) < c->deadline_ns) {
        async_timer_set(t, c->deadline_ns);
        return;
    }
    switch (c->phase) {
    case PH_BODY:
        rate_or_cut(c, opt->body_grace_ms);
        break;
    case PH_WRITE:
        rate_or_cut(c, opt->write_ms);
        break;
    case PH_HEAD:
        http__count(&c->l->timeouts);
        http__fail(c, 408, "timeout", "the head of the request took too long");
        break;
    case PH_PROXY:
    case PH_TLS:
        http__count(&c->l->timeouts);
        http__conn_close(c);
        break;
    case PH_IDLE:
    case PH_LINGER:
        http__conn_close(c);
        break;
    case PH_H2:
        http__session_timer(c);
        break;
    case PH_HANDLER:
    case PH_CLOSED:
        break;
    }
}

/* ---- events ---- */

static void begin_http(struct conn *c)
{
    c->phase = PH_IDLE;
    /* RFC 9110 knows no grace for silence: the first head has the time of a head */
    http__conn_deadline(c, c->l->opt.headers_ms);
    http__conn_want(c, UV_READABLE);
}

static void begin_tls(struct conn *c)
{
    if (!c->tls) {
        begin_http(c);
        return;
    }
    c->phase = PH_TLS;
    c->ssl = http__tls_accept(c->tls, c->l->server->bio_method, c->fd);
    if (!c->ssl) {
        http__conn_close(c);
        return;
    }
    http__conn_want(c, UV_READABLE);
}

static bool chose_h2(const struct conn *c)
{
    const unsigned char *name;
    unsigned n;

    SSL_get0_alpn_selected(c->ssl, &name, &n);
    return n == 2 && memcmp(name, "h2", 2) == 0;
}

static void tls_event(struct conn *c)
{
    int rc = http__handshake(c);

    if (rc == -EAGAIN) {
        http__conn_want(c, c->ssl_wants_write ? UV_WRITABLE : UV_READABLE);
        return;
    }
    if (rc != 1) {
        http__count(&c->l->tls_failures);
        http__conn_close(c);
        return;
    }
    c->tls_peer = http__tls_peer_new(c->ssl);
    if (chose_h2(c)) {
        http__session_begin(c);
        return;
    }
    begin_http(c);
    http__advance(c); /* the first request may have come along */
}

/* Read exactly the PROXY header, so that a handshake behind it stays in the socket. */
static void proxy_event(struct conn *c)
{
    int need;

    (void)http__conn_room(c);
    while ((need = http_proxy_v2((const uint8_t *)c->rbuf, c->end, &c->peer)) > 0) {
        ssize_t n;

        n = recv(c->fd, c->rbuf + c->end, (size_t)need - c->end, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            http__conn_close(c);
            return;
        }
        c->end += (size_t)n;
    }
    if (need < 0)
        http__count(&c->l->bad);
    if (need < 0 || !http__may_connect(c->l, &c->peer) || !http__take_address(c->l, &c->peer, &c->counted)) {
        http__conn_close(c);
        return;
    }
    c->counted_as = c->peer;
    http__conn_done_reading(c);
    begin_tls(c);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct conn *c = poll->data;

    (void)status, (void)events; /* an error shows itself at the next read or write */
    if (status < 0)
        c->events = 0; /* libuv stopped the poll */
    switch (c->phase) {
    case PH_PROXY:
        proxy_event(c);
        break;
    case PH_TLS:
        tls_event(c);
        break;
    case PH_IDLE:
    case PH_HEAD:
    case PH_BODY:
        http__advance(c);
        break;
    case PH_HANDLER:
        if (c->x->wait)
            async_wake(c->x->wait);
        else
            http__conn_want(c, 0); /* what comes now is the next request, or the end: both can wait */
        break;
    case PH_WRITE:
        http__flush(c->x);
        http__go_on(c);
        break;
    case PH_H2:
        http__session_event(c);
        break;
    case PH_LINGER:
        linger_more(c);
        break;
    case PH_CLOSED:
        break;
    }
}

static uint32_t uid_of(int fd)
{
    struct ucred cred;
    socklen_t n = sizeof cred;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0 ? cred.uid : UINT32_MAX;
}

void http__conn_adopt(struct http_loop *l, int fd, const struct listener *listener, const struct http_addr *peer,
                      bool counted, struct http_tls *tls)
{
    struct conn *c = tl_zalloc(sizeof *c);

    c->l = l;
    c->fd = fd;
    c->listener = listener;
    c->tls = tls;
    c->peer = *peer;
    c->peer_uid = peer->family == 0 ? uid_of(fd) : UINT32_MAX;
    c->counted = counted;
    c->counted_as = *peer;
    c->late = atomic_load_explicit(&l->server->draining, memory_order_relaxed);
    c->poll.data = c;
    async_timer_init(&c->timer, l->loop, on_timer);
    c->next = l->conns;
    if (c->next)
        c->next->prev = c;
    l->conns = c;
    if (uv_poll_init(async_loop_uv(l->loop), &c->poll, fd) != 0)
        abort(); /* epoll itself refuses: out of kernel memory */
    http__conn_deadline(c, l->opt.handshake_ms);
    if (listener->proxy_protocol) {
        c->phase = PH_PROXY;
        http__conn_want(c, UV_READABLE);
    } else {
        begin_tls(c);
    }
}
