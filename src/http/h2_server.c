/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_server.c - the server's side of HTTP/2: a listener, its connections, a task for each stream. Small on purpose: it
 * is what simulators and tests of clients stand on; the server of the product is server.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/client_int.h"
#include "http/h2_int.h"
#include "http/http_int.h"

enum { BACKLOG = 128, STOP_MS = 2 };

struct http_h2_server {
    struct async_loop *loop;
    struct http_h2_server_options opt;
    struct http_tls *tls;
    uv_poll_t poll;
    int fd;
    bool listening;
    uint16_t port;
    struct http_h2 *conns;
    size_t tasks;
};

/* ---- connections ---- */
static void unlink_conn(struct http_h2 *c)
{
    struct http_h2_server *s = c->server;

    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    http__h2_free(c);
}

void http__h2_rest(struct http_h2 *c)
{
    for (struct http_h2_stream *s = c->streams, *next; s; s = next) {
        next = s->next;
        if (!s->detached)
            continue;
        /* RFC 9113 8.1: the answer is whole, and what else the request holds does not matter. */
        if (!c->dead && !s->closed && nghttp2_session_get_stream_local_close(c->session, s->id) == 1) {
            (void)nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
            http__h2_flush(c);
        }
        if (s->closed || c->dead)
            http_h2_free(s);
    }
    if (c->dead && c->n_streams == 0)
        unlink_conn(c);
}

static void add_conn(struct http_h2_server *s, int fd)
{
    struct http_h2 *c = http__h2_new(s->loop, fd);
    int one = 1;

    if (!c)
        return;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->server = s;
    c->window = s->opt.window ? s->opt.window : H2_WINDOW;
    c->max_headers = s->opt.max_headers ? s->opt.max_headers : H2_HEADERS;
    c->next = s->conns;
    if (c->next)
        c->next->prev = c;
    s->conns = c;
    uv_unref((uv_handle_t *)&c->poll); /* idle connections keep no loop alive */
    if (!s->tls)
        http__h2_begin(c);
    else if ((c->ssl = http__tls_accept(s->tls, NULL, fd)) != NULL)
        http__h2_listen(c, UV_READABLE);
    else
        http__h2_die(c, TL_UNREACHABLE, "no memory for TLS");
    http__h2_rest(c);
}

static void on_accept(uv_poll_t *p, int status, int events)
{
    struct http_h2_server *s = p->data;
    int fd;

    (void)status, (void)events;
    while ((fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        add_conn(s, fd);
}

/* ---- streams ---- */
static enum tl_rc run(struct task *t, void *arg, struct tl_err *err)
{
    struct http_h2_stream *s = arg;
    const struct http_h2_server_options *o = &s->conn->server->opt;

    return o->handler(t, s, o->arg, err);
}

static void ended(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    struct http_h2_stream *s = arg;
    struct http_h2 *c = s->conn;

    (void)err;
    s->task = NULL;
    c->server->tasks--;
    if (rc != TL_OK && !c->dead && !s->closed)
        (void)nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_INTERNAL_ERROR);
    s->detached = true;
    http__h2_flush(c);
    if (!s->out_end) /* nothing more will come of it */
        http_h2_free(s);
    http__h2_rest(c);
}

void http__h2_request(struct http_h2_stream *s)
{
    struct http_h2 *c = s->conn;

    if (task_start(c->loop, "h2.stream", 0, run, s, ended, &s->task, NULL) == TL_OK) {
        c->server->tasks++;
        return;
    }
    s->detached = true;
    (void)nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_REFUSED_STREAM);
}

/* ---- life ---- */
static enum tl_rc open_listener(struct http_h2_server *s, struct tl_err *err)
{
    const char *host = s->opt.host ? s->opt.host : "127.0.0.1";
    struct sockaddr_storage sa;
    struct http_addr a;
    socklen_t n;
    int one = 1;

    if (!http_addr_parse(tl_sv_str(host), &a))
        return tl_fail(err, TL_CONFIG, "%s is no address to listen on", host);
    n = http__sockaddr(&a, s->opt.port, &sa);
    s->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd >= 0)
        (void)setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&sa, n) != 0 || listen(s->fd, BACKLOG) != 0)
        return tl_fail(err, TL_CONFIG, "cannot listen on %s port %u: %s", host, (unsigned)s->opt.port, strerror(errno));
    n = sizeof sa;
    if (getsockname(s->fd, (struct sockaddr *)&sa, &n) != 0)
        return tl_fail(err, TL_IO, "getsockname: %s", strerror(errno));
    s->port = ntohs(sa.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&sa)->sin_port
                                            : ((struct sockaddr_in6 *)(void *)&sa)->sin6_port);
    if (uv_poll_init(async_loop_uv(s->loop), &s->poll, s->fd) != 0)
        return tl_fail(err, TL_IO, "the listener cannot be watched");
    s->poll.data = s;
    s->listening = true;
    (void)uv_poll_start(&s->poll, UV_READABLE, on_accept);
    uv_unref((uv_handle_t *)&s->poll);
    return TL_OK;
}

enum tl_rc http_h2_server_new(struct async_loop *loop, const struct http_h2_server_options *options,
                              struct http_h2_server **ret, struct tl_err *err)
{
    static const char *const alpn[] = {"h2"};
    const struct http_tls_cert cert = {options->cert_file, options->key_file};
    struct http_h2_server *s = tl_zalloc(sizeof *s);
    enum tl_rc rc = TL_OK;

    s->loop = loop;
    s->opt = *options;
    s->fd = -1;
    if (options->cert_file)
        rc = http_tls_new(&(struct http_tls_options){.certs = &cert, .n_certs = 1, .alpn = alpn, .n_alpn = 1}, NULL,
                          tl_clock_system(), &s->tls, err);
    if (rc == TL_OK)
        rc = open_listener(s, err);
    if (rc != TL_OK) {
        if (s->fd >= 0)
            (void)close(s->fd);
        http_tls_unref(s->tls);
        tl_free(s);
        return rc;
    }
    *ret = s;
    return TL_OK;
}

uint16_t http_h2_server_port(const struct http_h2_server *s)
{
    return s->port;
}

void http_h2_server_cut(struct http_h2_server *s)
{
    for (struct http_h2 *c = s->conns, *next; c; c = next) {
        next = c->next;
        http__h2_die(c, TL_UNREACHABLE, "cut off as told");
        http__h2_rest(c);
    }
}

void http_h2_server_goaway(struct http_h2_server *s)
{
    for (struct http_h2 *c = s->conns, *next; c; c = next) {
        next = c->next;
        if (!c->session || c->dead)
            continue;
        (void)nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(c->session),
                                    NGHTTP2_NO_ERROR, NULL, 0);
        http__h2_flush(c);
    }
}

void http_h2_server_stop(struct task *t, struct http_h2_server *s)
{
    if (s->listening)
        (void)uv_poll_stop(&s->poll);
    http_h2_server_cut(s);
    while (s->tasks > 0 && task_sleep_ms(t, STOP_MS, NULL) == TL_OK)
        ;
}

static void listener_closed(uv_handle_t *h)
{
    struct http_h2_server *s = h->data;

    (void)close(s->fd);
    http_tls_unref(s->tls);
    tl_free(s);
}

void http_h2_server_free(struct http_h2_server *s)
{
    if (!s)
        return;
    assert(s->tasks == 0);
    while (s->conns) {
        struct http_h2 *c = s->conns;

        while (c->streams)
            http_h2_free(c->streams);
        unlink_conn(c);
    }
    uv_close((uv_handle_t *)&s->poll, listener_closed);
}
