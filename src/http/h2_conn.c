/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_conn.c - the connection under the streams, for both sides: bytes in and out of the socket, plain or TLS; settings;
 * pings; its death. Errors of a connection are kept in `why` and told by every stream.
 */
#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/h2_int.h"

enum { READ_SIZE = 16 << 10, READS = 64, WRITE_SIZE = 64 << 10, OUT_MOST = 4 << 20 };
#define MS UINT64_C(1000000)

static void on_poll(uv_poll_t *p, int status, int events);
static void on_ping(struct async_timer *t);

struct http_h2 *http__h2_new(struct async_loop *loop, int fd)
{
    struct http_h2 *c = tl_zalloc(sizeof *c);

    c->loop = loop;
    c->fd = fd;
    c->buf = tl_alloc(READ_SIZE);
    c->poll.data = c;
    tl_buf_init(&c->out, OUT_MOST);
    async_timer_init(&c->ping, loop, on_ping);
    if (uv_poll_init(async_loop_uv(loop), &c->poll, fd) == 0)
        return c;
    (void)close(fd);
    tl_free(c->buf);
    tl_free(c);
    return NULL;
}

void http__h2_listen(struct http_h2 *c, int events)
{
    if (c->events == events)
        return;
    c->events = events;
    if (events)
        (void)uv_poll_start(&c->poll, events, on_poll);
    else
        (void)uv_poll_stop(&c->poll);
}

/* ---- death ---- */
static void is_closed(uv_handle_t *h)
{
    struct http_h2 *c = h->data;

    (void)close(c->fd);
    tl_buf_done(&c->out);
    tl_free(c->authority);
    tl_free(c->buf);
    tl_free(c);
}

void http__h2_free(struct http_h2 *c)
{
    assert(c->n_streams == 0);
    async_timer_stop(&c->ping);
    nghttp2_session_del(c->session);
    SSL_free(c->ssl);
    c->session = NULL;
    c->ssl = NULL;
    uv_close((uv_handle_t *)&c->poll, is_closed);
}

void http__h2_die(struct http_h2 *c, enum tl_rc rc, const char *text)
{
    if (c->dead)
        return;
    c->dead = true;
    (void)tl_fail(&c->why, rc, "%s", text);
    http__h2_listen(c, 0);
    async_timer_stop(&c->ping);
    (void)shutdown(c->fd, SHUT_RDWR);
    for (struct http_h2_stream *s = c->streams; s; s = s->next) {
        http__h2_wake(s);
        if (s->task)
            task_cancel(s->task);
    }
    if (c->opening)
        async_wake(c->opening);
}

/* ---- bytes ---- */
/* What OpenSSL says after a call that did not succeed: 0 the end, -EAGAIN, or broken; its queue is emptied here. */
static ssize_t ssl_verdict(struct http_h2 *c, int rc)
{
    int why = SSL_get_error(c->ssl, rc);

    c->ssl_wants_write = why == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    return why == SSL_ERROR_ZERO_RETURN ? 0 : -EIO;
}

static ssize_t read_some(struct http_h2 *c, void *p, size_t n)
{
    ssize_t got;

    if (c->ssl) {
        size_t read = 0;
        int rc = SSL_read_ex(c->ssl, p, n, &read);

        return rc == 1 ? (ssize_t)read : ssl_verdict(c, rc);
    }
    do
        got = recv(c->fd, p, n, 0);
    while (got < 0 && errno == EINTR);
    return got >= 0 ? got : errno == EAGAIN ? -EAGAIN : -errno;
}

static ssize_t write_some(struct http_h2 *c, const void *p, size_t n)
{
    ssize_t sent;

    if (c->ssl) {
        size_t written = 0;
        int rc = SSL_write_ex(c->ssl, p, n, &written);

        if (rc == 1)
            return (ssize_t)written;
        sent = ssl_verdict(c, rc);
        return sent == 0 ? -EIO : sent;
    }
    do
        sent = send(c->fd, p, n, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent >= 0 ? sent : errno == EAGAIN ? -EAGAIN : -errno;
}

int http__h2_gather(nghttp2_session *session, struct tl_buf *out, size_t *at)
{
    if (*at >= WRITE_SIZE) { /* a peer that reads slower than we write never lets it run empty */
        tl_buf_consume(out, *at);
        *at = 0;
    }
    while (out->n - *at < WRITE_SIZE) {
        const uint8_t *p;
        ssize_t n = nghttp2_session_mem_send(session, &p);

        if (n <= 0)
            return (int)n;
        if (!tl_buf_put(out, p, (size_t)n))
            return NGHTTP2_ERR_NOMEM;
    }
    return 0;
}

/* false: nghttp2 has given up. */
static bool gather(struct http_h2 *c)
{
    int rc = http__h2_gather(c->session, &c->out, &c->out_at);

    if (rc != 0)
        http__h2_die(c, rc == NGHTTP2_ERR_NOMEM ? TL_LIMIT : TL_UPSTREAM, nghttp2_strerror(rc));
    return rc == 0;
}

void http__h2_flush(struct http_h2 *c)
{
    if (c->dead || !c->session || c->flushing)
        return;
    c->flushing = true;
    while (gather(c) && c->out.n > c->out_at) {
        ssize_t n = write_some(c, c->out.p + c->out_at, c->out.n - c->out_at);

        if (n == -EAGAIN)
            break;
        if (n < 0) {
            http__h2_die(c, TL_UNREACHABLE, "the connection broke while sending");
            break;
        }
        c->bytes_out += (uint64_t)n;
        c->out_at += (size_t)n;
        if (c->out_at == c->out.n) {
            tl_buf_clear(&c->out);
            c->out_at = 0;
        }
    }
    c->flushing = false;
    if (c->dead)
        return;
    http__h2_listen(c, UV_READABLE | (c->out.n > c->out_at || c->ssl_wants_write ? UV_WRITABLE : 0));
    if (!nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session) && c->out.n == c->out_at)
        http__h2_die(c, TL_UNREACHABLE, "the connection has ended");
}

static void take_in(struct http_h2 *c)
{
    for (int i = 0; !c->dead && (i < READS || (c->ssl && SSL_has_pending(c->ssl))); i++) {
        ssize_t n = read_some(c, c->buf, READ_SIZE), used;

        if (n == -EAGAIN)
            break;
        if (n <= 0) {
            http__h2_die(c, TL_UNREACHABLE,
                         n == 0 ? "the other side has closed the connection" : "the connection broke");
            return;
        }
        c->bytes_in += (uint64_t)n;
        c->heard_ns = async_loop_now(c->loop);
        c->pinged = false;
        used = nghttp2_session_mem_recv(c->session, c->buf, (size_t)n);
        if (used < 0) {
            http__h2_die(c, TL_UPSTREAM,
                         used == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? "this is no HTTP/2" : nghttp2_strerror((int)used));
            return;
        }
    }
}

static void go_on_shaking(struct http_h2 *c) /* a server's TLS handshake */
{
    struct tl_err err = {0};
    int rc = http__h2_handshake(c, &err);

    if (rc == -EAGAIN)
        http__h2_listen(c, c->ssl_wants_write ? UV_WRITABLE : UV_READABLE);
    else if (rc != 1)
        http__h2_die(c, err.rc, err.text);
    else
        http__h2_begin(c);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct http_h2 *c = p->data;

    if (c->opening) {
        async_wake(c->opening);
        http__h2_listen(c, 0);
        return;
    }
    if (!c->session)
        go_on_shaking(c);
    else if (status < 0)
        http__h2_die(c, TL_UNREACHABLE, "the connection broke");
    else if ((events & UV_READABLE) || c->ssl)
        take_in(c);
    http__h2_flush(c);
    if (c->server)
        http__h2_rest(c);
}

/* ---- beginning ---- */
static bool is_h2(SSL *ssl)
{
    const unsigned char *name = NULL;
    unsigned n = 0;

    SSL_get0_alpn_selected(ssl, &name, &n);
    return n == 2 && memcmp(name, "h2", 2) == 0;
}

int http__h2_handshake(struct http_h2 *c, struct tl_err *err)
{
    int rc = SSL_do_handshake(c->ssl), why;
    long verified;
    char text[160] = "";

    if (rc == 1) {
        c->ssl_wants_write = false;
        if (is_h2(c->ssl))
            return 1;
        (void)tl_fail(err, TL_UNREACHABLE, "the other side does not offer HTTP/2 (ALPN)");
        return -EPROTO;
    }
    why = SSL_get_error(c->ssl, rc);
    c->ssl_wants_write = why == SSL_ERROR_WANT_WRITE;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        ERR_clear_error();
        return -EAGAIN;
    }
    verified = SSL_get_verify_result(c->ssl);
    ERR_error_string_n(ERR_peek_error(), text, sizeof text);
    ERR_clear_error();
    if (!c->server && verified != X509_V_OK)
        (void)tl_fail(err, TL_UNREACHABLE, "its certificate is not accepted: %s",
                      X509_verify_cert_error_string(verified));
    else
        (void)tl_fail(err, TL_UNREACHABLE, "the TLS handshake failed: %s",
                      why == SSL_ERROR_SSL ? text : "the connection was closed");
    return -EPROTO;
}

void http__h2_begin(struct http_h2 *c)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, c->window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)c->max_headers},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_STREAMS},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    };
    nghttp2_session_callbacks *cb = http__h2_callbacks();
    nghttp2_option *option = NULL;
    int rc;

    if (nghttp2_option_new(&option) != 0)
        abort(); /* only for want of memory */
    nghttp2_option_set_no_auto_window_update(option, 1);
    rc = c->server ? nghttp2_session_server_new2(&c->session, cb, c, option)
                   : nghttp2_session_client_new2(&c->session, cb, c, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    if (rc != 0)
        abort(); /* only for want of memory */
    /* A server must not send ENABLE_PUSH (6.5.2). */
    (void)nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, TL_COUNT(settings) - (c->server ? 1 : 0));
    (void)nghttp2_session_set_local_window_size(
        c->session, NGHTTP2_FLAG_NONE, 0, (int32_t)(c->window < H2_WINDOW_MAX / 4 ? 4 * c->window : H2_WINDOW_MAX));
    c->heard_ns = async_loop_now(c->loop);
    if (c->ping_ms)
        async_timer_set(&c->ping, c->heard_ns + c->ping_ms * MS);
    http__h2_flush(c);
}

/* Asks when nothing was heard for a while; a silence after that is the end. */
static void on_ping(struct async_timer *t)
{
    struct http_h2 *c = TL_CONTAINER(t, struct http_h2, ping);
    uint64_t now = async_loop_now(c->loop), due = c->heard_ns + c->ping_ms * MS;

    if (c->pinged) {
        http__h2_die(c, TL_UNREACHABLE, "the other side does not answer any more");
        return;
    }
    if (due > now) {
        async_timer_set(t, due);
        return;
    }
    c->pinged = true;
    (void)nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL);
    async_timer_set(t, now + c->ping_timeout_ms * MS);
    http__h2_flush(c);
}

void http_h2_bytes(const struct http_h2 *c, uint64_t *ret_in, uint64_t *ret_out)
{
    *ret_in = c->bytes_in;
    *ret_out = c->bytes_out;
}
