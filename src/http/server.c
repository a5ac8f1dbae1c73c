/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.c - options, listening, accepting, draining.
 * loops[0] accepts for all and gives each connection to the loop that has the fewest; a loop asks nothing of another
 * loop.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/http_int.h"

enum { ACCEPT_BURST = 64, BACKLOG = 1024, HEAD_MAX = 256 * 1024 };

/* ---- options ---- */

#define OR(field, value) o->field = o->field ? o->field : (value)

static void set_defaults(struct http_server_options *o)
{
    OR(limits.request_line, http_limits_default.request_line);
    OR(limits.headers, http_limits_default.headers);
    OR(limits.header_bytes, http_limits_default.header_bytes);
    OR(limits.trailer_bytes, http_limits_default.trailer_bytes);
    OR(limits.chunk_ext, http_limits_default.chunk_ext);
    OR(body_limit, 10 << 20);
    OR(body_memory, 256 << 20);
    OR(request_arena, 16 << 20);
    OR(handshake_ms, 10000);
    OR(headers_ms, 10000);
    OR(body_grace_ms, 10000);
    OR(body_rate, 1024);
    OR(write_ms, 30000);
    OR(idle_ms, 60000);
    OR(linger_ms, 2000);
    OR(handler_ms, 60000);
    OR(drain_ms, 30000);
    OR(requests_per_connection, 1000);
    OR(connections, 10000);
    OR(connections_per_address, 256);
    OR(streams, 100);
    OR(stream_window, 256 << 10);
    OR(session_window, 1 << 20);
    OR(control_frames, 1000);
    OR(control_rate, 50);
}

static enum tl_rc check_options(const struct http_server_options *options, struct http_server_options *ret,
                                struct tl_err *err)
{
    struct http_server_options o = options ? *options : (struct http_server_options){.body_limit = 0};

    set_defaults(&o);
    if (o.limits.request_line + o.limits.header_bytes > 120 * 1024)
        return tl_fail(err, TL_CONFIG, "request line and headers may have 120 KB together");
    if (o.n_headers > HTTP_SERVER_HEADERS_MAX)
        return tl_fail(err, TL_CONFIG, "a server gives at most %d headers to each answer", HTTP_SERVER_HEADERS_MAX);
    *ret = o;
    return TL_OK;
}

enum tl_rc http_server_options_check(const struct http_server_options *options, struct tl_err *err)
{
    struct http_server_options unused;

    return check_options(options, &unused, err);
}

static void free_const(const void *c)
{
    void *p;

    memcpy(&p, &c, sizeof p);
    tl_free(p);
}

static void options_done(struct http_server_options *o)
{
    free_const(o->allow);
    free_const(o->trusted_proxies);
    free_const(o->server_name);
}

static struct http_server_options own_options(struct http_server_options o)
{
    o.allow = http_cidrs_copy(o.allow, o.n_allow);
    o.trusted_proxies = http_cidrs_copy(o.trusted_proxies, o.n_trusted_proxies);
    o.server_name = o.server_name ? tl_strdup(o.server_name) : NULL;
    return o;
}

static struct loop_router *loop_router(struct http_router *r)
{
    struct loop_router *lr = tl_alloc(sizeof *lr);

    *lr = (struct loop_router){http_router_ref(r), 1};
    return lr;
}

static void drop_loop_router(struct loop_router *lr)
{
    if (--lr->refs == 0) {
        http_router_unref(lr->router);
        tl_free(lr);
    }
}

void http__loop_done(struct http_loop *l)
{
    while (l->free_exchanges) {
        struct exchange *x = l->free_exchanges;

        l->free_exchanges = x->next_free;
        http__exchange_free(x);
    }
    while (l->n_rbufs)
        tl_free(l->rbufs[--l->n_rbufs]);
    drop_loop_router(l->router);
    options_done(&l->opt);
    tl_buf_done(&l->head);
}

enum tl_rc http_server_new(struct async_loop *const *loops, size_t n_loops, const struct http_server_options *options,
                           struct http_router *router, struct http_server **ret_server, struct tl_err *err)
{
    struct http_server_options o;
    struct http_server *s;
    enum tl_rc rc = check_options(options, &o, err);

    if (rc != TL_OK)
        return rc;
    s = tl_zalloc(sizeof *s);
    s->n_loops = n_loops;
    s->loops = tl_zalloc(n_loops * sizeof *s->loops);
    for (size_t i = 0; i < n_loops; i++) {
        s->loops[i].server = s;
        s->loops[i].loop = loops[i];
        s->loops[i].opt = own_options(o);
        s->loops[i].router = loop_router(router);
        tl_buf_init(&s->loops[i].head, HEAD_MAX);
    }
    (void)pthread_mutex_init(&s->lock, NULL);
    s->per_address = tl_map_new();
    s->bio_method = http__bio_method();
    s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    *ret_server = s;
    return TL_OK;
}

/* ---- who may connect ---- */

/* Behind a PROXY header any loop refuses. */
static bool refuse(atomic_uint_fast64_t *n)
{
    (void)atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
    return false;
}

/* Many clients stand behind one of these. */
static bool is_proxy(const struct http_loop *l, const struct http_addr *a)
{
    return http_cidrs_have(l->opt.trusted_proxies, l->opt.n_trusted_proxies, a);
}

/* Who stands behind a proxy is known with the request: may_enter in exchange.c. */
bool http__may_connect(struct http_loop *l, const struct http_addr *a)
{
    return a->family == 0 || l->opt.n_allow == 0 || is_proxy(l, a) ||
           http_cidrs_have(l->opt.allow, l->opt.n_allow, a) || refuse(&l->server->refused_address);
}

bool http__take_address(struct http_loop *l, const struct http_addr *a, bool *ret_counted)
{
    struct tl_sv key = tl_sv((const char *)a->ip, sizeof a->ip);
    struct http_server *s = l->server;
    uintptr_t n;

    *ret_counted = false;
    if (a->family == 0 || is_proxy(l, a))
        return true;
    (void)pthread_mutex_lock(&s->lock);
    n = (uintptr_t)tl_map_get(s->per_address, key);
    if (n < l->opt.connections_per_address)
        (void)tl_map_put(s->per_address, key, (void *)(n + 1));
    (void)pthread_mutex_unlock(&s->lock);
    if (n >= l->opt.connections_per_address)
        return refuse(&s->refused_cap);
    *ret_counted = true;
    return true;
}

void http__drop_address(struct http_server *s, const struct http_addr *a)
{
    struct tl_sv key = tl_sv((const char *)a->ip, sizeof a->ip);
    uintptr_t n;

    (void)pthread_mutex_lock(&s->lock);
    n = (uintptr_t)tl_map_get(s->per_address, key);
    if (n > 1)
        (void)tl_map_put(s->per_address, key, (void *)(n - 1));
    else
        (void)tl_map_remove(s->per_address, key);
    (void)pthread_mutex_unlock(&s->lock);
}

/* ---- accepting ---- */

struct handover {
    struct http_loop *l;
    struct http_tls *tls;
    const struct listener *listener;
    struct http_addr peer;
    bool counted;
    int fd;
};

static void take_over(void *arg)
{
    struct handover *h = arg;

    http__conn_adopt(h->l, h->fd, h->listener, &h->peer, h->counted, h->tls);
    tl_free(h);
}

static void addr_from(const struct sockaddr_storage *ss, struct http_addr *ret)
{
    *ret = (struct http_addr){.family = 0};
    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)ss;

        ret->ip[10] = ret->ip[11] = 0xff;
        memcpy(ret->ip + 12, &in->sin_addr, 4);
        ret->port = ntohs(in->sin_port);
        ret->family = 4;
    } else if (ss->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)ss;

        memcpy(ret->ip, &in6->sin6_addr, 16);
        ret->port = ntohs(in6->sin6_port);
        ret->family = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) ? 4 : 6;
    }
}

/* On loops[0]. With PROXY headers, who calls is judged when the header has come: proxy_event in conn.c. */
static bool at_the_door(struct http_server *s, const struct listener *listener, const struct http_addr *peer,
                        bool *ret_counted)
{
    struct http_loop *l = &s->loops[0];

    *ret_counted = false;
    if (listener->proxy_protocol && peer->family != 0 && !is_proxy(l, peer))
        return refuse(&s->refused_address);
    if (!listener->proxy_protocol && !http__may_connect(l, peer))
        return false;
    if (atomic_load_explicit(&s->active, memory_order_relaxed) >= l->opt.connections)
        return refuse(&s->refused_cap);
    return listener->proxy_protocol || http__take_address(l, peer, ret_counted);
}

static void assign(struct http_server *s, struct listener *listener, int fd, const struct http_addr *peer, bool counted)
{
    struct http_tls *tls = listener->tls ? http_tls_ref(listener->tls) : NULL;
    struct http_loop *best = &s->loops[0];
    struct handover *h;

    for (size_t i = 1; i < s->n_loops; i++)
        if (atomic_load_explicit(&s->loops[i].n_conns, memory_order_relaxed) <
            atomic_load_explicit(&best->n_conns, memory_order_relaxed))
            best = &s->loops[i];
    (void)atomic_fetch_add_explicit(&best->n_conns, 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&s->active, 1, memory_order_relaxed);
    http__count(&s->accepted);
    if (best == &s->loops[0]) {
        http__conn_adopt(best, fd, listener, peer, counted, tls);
        return;
    }
    h = tl_alloc(sizeof *h);
    *h = (struct handover){best, tls, listener, *peer, counted, fd};
    async_loop_post(best->loop, take_over, h);
}

/* Out of descriptors: with the reserve the waiting client is at least closed, and the backlog does not spin the loop.
 */
static bool shed(struct http_server *s, int listen_fd)
{
    int fd;

    if (s->reserve_fd >= 0)
        (void)close(s->reserve_fd);
    fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        http__count(&s->refused_fd);
        (void)close(fd);
    }
    s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

static void on_accept(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    struct http_server *s = listener->server;
    int one = 1;

    (void)status, (void)events;
    for (int i = 0; i < ACCEPT_BURST; i++) {
        struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
        socklen_t n = sizeof ss;
        struct http_addr peer;
        bool counted;
        int fd = accept4(listener->fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
            if (!shed(s, listener->fd))
                return;
            continue;
        }
        if (fd < 0 && errno == ECONNABORTED)
            continue;
        if (fd < 0)
            return;
        addr_from(&ss, &peer);
        if (!at_the_door(s, listener, &peer, &counted)) {
            (void)close(fd);
            continue;
        }
        if (peer.family != 0)
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        assign(s, listener, fd, &peer, counted);
    }
}

void http__accept(struct listener *l)
{
    on_accept(&l->poll, 0, UV_READABLE);
}

/* ---- listening ---- */

static enum tl_rc open_unix(const char *path, int *ret_fd, struct tl_err *err)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct stat st;
    int fd;

    if (strlen(path) >= sizeof un.sun_path)
        return tl_fail(err, TL_CONFIG, "the path of a socket has %zu bytes at most: choose a shorter directory for %s",
                       sizeof un.sun_path - 1, path);
    memcpy(un.sun_path, path, strlen(path) + 1);
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        (void)unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* Linux: the mode of the unbound socket is the mode of the file that bind makes, so it is never wider than this */
    if (fd < 0 || fchmod(fd, 0600) != 0 || bind(fd, (struct sockaddr *)&un, sizeof un) != 0 || chmod(path, 0600) != 0 ||
        listen(fd, BACKLOG) != 0) {
        (void)tl_fail(err, TL_CONFIG, "cannot listen on %s: %s", path, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        return TL_CONFIG;
    }
    *ret_fd = fd;
    return TL_OK;
}

static socklen_t to_sockaddr(const struct http_addr *a, bool v6_text, struct sockaddr_storage *ss)
{
    if (v6_text) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)ss;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(a->port);
        memcpy(&in6->sin6_addr, a->ip, 16);
        return sizeof *in6;
    } else {
        struct sockaddr_in *in = (struct sockaddr_in *)(void *)ss;

        in->sin_family = AF_INET;
        in->sin_port = htons(a->port);
        memcpy(&in->sin_addr, a->ip + 12, 4);
        return sizeof *in;
    }
}

/* What a person can do about it. */
static enum tl_rc cannot_listen(const struct http_listen *l, int code, struct tl_err *err)
{
    if (code == EADDRINUSE)
        return tl_fail(err, TL_BUSY, "port %u of %s is in use: stop the program that has it, or choose another port",
                       l->port, l->host);
    if (code == EADDRNOTAVAIL)
        return tl_fail(err, TL_CONFIG,
                       "this machine does not have the address %s to listen on: `ip address` shows those it has, and "
                       "%s stands for all of them",
                       l->host, strchr(l->host, ':') ? "[::]" : "0.0.0.0");
    if (code == EACCES)
        return tl_fail(err, TL_CONFIG,
                       "this user may not listen on port %u of %s: choose a higher port (as a rule from 1024), or give "
                       "the program the right to (CAP_NET_BIND_SERVICE)",
                       l->port, l->host);
    return tl_fail(err, TL_CONFIG, "cannot listen on %s port %u: %s", l->host, l->port, strerror(code));
}

static enum tl_rc open_tcp(const struct http_listen *l, int *ret_fd, uint16_t *ret_port, struct tl_err *err)
{
    struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
    struct http_addr a;
    socklen_t n;
    int fd, one = 1;

    if (!http_addr_parse(tl_sv_str(l->host), &a))
        return tl_fail(err, TL_CONFIG, "%s is not an IP address to listen on", l->host);
    a.port = l->port;
    n = to_sockaddr(&a, strchr(l->host, ':') != NULL, &ss);
    fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&ss, n) != 0 || listen(fd, BACKLOG) != 0) {
        enum tl_rc rc = cannot_listen(l, errno, err);

        if (fd >= 0)
            (void)close(fd);
        return rc;
    }
    n = sizeof ss;
    if (getsockname(fd, (struct sockaddr *)&ss, &n) == 0)
        addr_from(&ss, &a);
    *ret_port = a.port;
    *ret_fd = fd;
    return TL_OK;
}

enum tl_rc http_server_listen(struct http_server *s, const struct http_listen *listen, struct tl_err *err)
{
    struct listener *l = &s->listeners[s->n_listeners];
    enum tl_rc rc;

    if (s->n_listeners == LISTEN_MAX)
        return tl_fail(err, TL_CONFIG, "at most %d listening addresses", LISTEN_MAX);
    *l = (struct listener){.server = s, .fd = -1, .proxy_protocol = listen->proxy_protocol};
    rc = listen->unix_path ? open_unix(listen->unix_path, &l->fd, err) : open_tcp(listen, &l->fd, &l->port, err);
    if (rc != TL_OK)
        return rc;
    l->tls = listen->tls ? http_tls_ref(listen->tls) : NULL;
    l->router = listen->router ? http_router_ref(listen->router) : NULL;
    l->unix_path = listen->unix_path ? tl_strdup(listen->unix_path) : NULL;
    l->poll.data = l;
    if (uv_poll_init(async_loop_uv(s->loops[0].loop), &l->poll, l->fd) != 0 ||
        uv_poll_start(&l->poll, UV_READABLE, on_accept) != 0)
        abort(); /* epoll itself refuses: out of kernel memory */
    l->polling = true;
    s->n_listeners++;
    return TL_OK;
}

uint16_t http_server_port(const struct http_server *s, size_t index)
{
    return index < s->n_listeners ? s->listeners[index].port : 0;
}

/* ---- reload ---- */

struct swap {
    struct http_loop *l;
    struct loop_router *router;
};

static void swap_router(void *arg)
{
    struct swap *w = arg;

    drop_loop_router(w->l->router);
    w->l->router = w->router;
    (void)atomic_fetch_sub_explicit(&w->l->server->posted, 1, memory_order_release);
    tl_free(w);
}

void http_server_set_router(struct http_server *s, struct http_router *router)
{
    for (size_t i = 0; i < s->n_loops; i++) {
        struct swap *w = tl_alloc(sizeof *w);

        *w = (struct swap){&s->loops[i], loop_router(router)};
        (void)atomic_fetch_add_explicit(&s->posted, 1, memory_order_relaxed);
        async_loop_post(s->loops[i].loop, swap_router, w);
    }
}

struct other_options {
    struct http_loop *l;
    struct http_server_options opt;
};

static void swap_options(void *arg)
{
    struct other_options *o = arg;
    struct http_loop *l = o->l;

    o->opt.request_arena = l->opt.request_arena; /* exchanges that wait for their next request have theirs */
    options_done(&l->opt);
    l->opt = o->opt;
    (void)atomic_fetch_sub_explicit(&l->server->posted, 1, memory_order_release);
    tl_free(o);
}

enum tl_rc http_server_set_options(struct http_server *s, const struct http_server_options *options, struct tl_err *err)
{
    struct http_server_options checked;
    enum tl_rc rc = check_options(options, &checked, err);

    for (size_t i = 0; i < s->n_loops && rc == TL_OK; i++) {
        struct other_options *o = tl_alloc(sizeof *o);

        *o = (struct other_options){&s->loops[i], own_options(checked)};
        (void)atomic_fetch_add_explicit(&s->posted, 1, memory_order_relaxed);
        async_loop_post(s->loops[i].loop, swap_options, o);
    }
    return rc;
}

void http_server_set_tls(struct http_server *s, size_t index, struct http_tls *tls)
{
    struct http_tls *old = s->listeners[index].tls;

    s->listeners[index].tls = http_tls_ref(tls);
    http_tls_unref(old);
}
