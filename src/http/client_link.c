/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_link.c - connections that we keep ourselves.
 *
 * A link is one connection. It belongs to a call, or lies in its host's list of idle ones, where it stays registered
 * for reading: a server that closes it is noticed at once, so a call seldom meets a dead one.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/client_link.h"

#define IDLE_NS (UINT64_C(60) * 1000000000)

/* ---- hosts ---- */
struct host *http__host(struct http_direct *d, const struct http_url *url)
{
    struct host **at = &d->hosts[tl_hash64(url->host.p, url->host.n, url->port) % LINK_HOSTS], *h;

    for (h = *at; h; h = h->next)
        if (h->port == url->port && tl_sv_eqs(url->host, h->name))
            return h;
    h = tl_zalloc(sizeof *h);
    h->name = tl_strndup(url->host.p, url->host.n);
    h->port = url->port;
    h->last = &h->first;
    h->next = *at;
    *at = h;
    return h;
}

/* Whoever sizes the number of hosts must not size our memory. */
void http__host_rest(struct http_direct *d, struct host *h)
{
    struct host **at = &d->hosts[tl_hash64(h->name, strlen(h->name), h->port) % LINK_HOSTS];

    if (h->users > 0 || h->links > 0)
        return;
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    tl_free(h->name);
    tl_free(h);
}

static void wake_next(struct host *h)
{
    if (h->first)
        async_wake(&h->first->wait);
}

/* ---- links ---- */
static void link_gone(uv_handle_t *handle)
{
    struct link *l = handle->data;

    (void)close(l->fd);
    tl_free(l->in);
    tl_free(l);
}

void http__link_close(struct link *l)
{
    struct link **at;

    if (l->closed)
        return;
    l->closed = true;
    at = &l->host->idle;
    while (*at && *at != l)
        at = &(*at)->next;
    if (*at)
        *at = l->next;
    l->d->links--;
    l->host->links--;
    wake_next(l->host);
    http__host_rest(l->d, l->host);
    l->host = NULL;
    uv_close((uv_handle_t *)&l->poll, link_gone);
}

void http__link_end(struct link *l)
{
    if (l->call)
        async_wake(&l->call->wait);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct link *l = p->data;
    socklen_t n = sizeof l->error;

    if (!l->call) { /* idle: the other side has closed it, or speaks out of turn */
        http__link_close(l);
    } else if (l->connecting) {
        if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &l->error, &n) != 0)
            l->error = errno;
        if (status < 0 && l->error == 0)
            l->error = ECONNABORTED;
        http__link_end(l);
    } else {
        http__link_ready(l, status, events);
    }
}

void http__link_listen(struct link *l, int events)
{
    if (l->events == events)
        return;
    l->events = events;
    (void)uv_poll_start(&l->poll, events, on_poll);
}

void http__link_rest(struct link *l)
{
    l->call = NULL;
    l->idle_since_ns = async_loop_now(l->d->client->loop);
    l->next = l->host->idle;
    l->host->idle = l;
    tl_free(l->in);
    l->in = NULL;
    l->in_n = l->in_cap = 0;
    http__link_listen(l, UV_READABLE);
    uv_unref((uv_handle_t *)&l->poll);
    wake_next(l->host);
}

static bool still_allowed(const struct http_call *call, const struct http_addr *a)
{
    for (size_t i = 0; i < call->addrs.n; i++)
        if (call->addrs.v[i].family == a->family && memcmp(call->addrs.v[i].ip, a->ip, sizeof a->ip) == 0)
            return true;
    return false;
}

static struct link *take_idle(struct http_direct *d, struct host *h, const struct http_call *call)
{
    uint64_t now = async_loop_now(d->client->loop);
    struct link *l;

    while ((l = h->idle) != NULL) {
        if (now - l->idle_since_ns < IDLE_NS && still_allowed(call, &l->addr)) {
            h->idle = l->next;
            l->next = NULL;
            l->reused = true;
            uv_ref((uv_handle_t *)&l->poll);
            return l;
        }
        http__link_close(l);
    }
    return NULL;
}

/* Room for one more: the longest idle of another host gives way. */
static bool make_room(struct http_direct *d)
{
    struct link *oldest = NULL;

    if (d->links < d->most)
        return true;
    for (size_t i = 0; i < LINK_HOSTS; i++)
        for (struct host *h = d->hosts[i]; h; h = h->next)
            for (struct link *l = h->idle; l; l = l->next)
                if (!oldest || l->idle_since_ns < oldest->idle_since_ns)
                    oldest = l;
    if (oldest)
        http__link_close(oldest);
    return d->links < d->most;
}

socklen_t http__sockaddr(const struct http_addr *a, uint16_t port, struct sockaddr_storage *ret)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)ret;

    memset(ret, 0, sizeof *ret);
    if (a->family == 4) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        memcpy(&v4->sin_addr, a->ip + 12, 4);
        return sizeof *v4;
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    memcpy(&v6->sin6_addr, a->ip, 16);
    return sizeof *v6;
}

int http__dial(const struct http_addr *a, uint16_t port)
{
    struct sockaddr_storage sa;
    socklen_t n = http__sockaddr(a, port, &sa);
    int one = 1, fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&sa, n) != 0 && errno != EINPROGRESS) {
        one = errno;
        (void)close(fd);
        errno = one;
        return -1;
    }
    return fd;
}

/* A link whose connection has been begun; NULL: errno says why not. */
static struct link *dial(struct http_direct *d, struct host *h, const struct http_addr *a)
{
    int fd = http__dial(a, h->port);
    struct link *l;

    if (fd < 0)
        return NULL;
    l = tl_zalloc(sizeof *l);
    *l = (struct link){.d = d, .host = h, .fd = fd, .addr = *a, .connecting = true};
    l->addr.port = h->port;
    l->poll.data = l;
    if (uv_poll_init(async_loop_uv(d->client->loop), &l->poll, fd) != 0) {
        (void)close(fd);
        tl_free(l);
        errno = EMFILE;
        return NULL;
    }
    d->links++;
    h->links++;
    return l;
}

/* ---- waiting ---- */
static void on_abort(struct async_wait *w, enum tl_rc why)
{
    (void)why;
    async_wake(w);
}

enum tl_rc http__link_wait(struct task *t, struct link *l, int events, uint64_t until_ns, struct tl_err *err)
{
    async_wait_init(&l->call->wait, t, on_abort, NULL);
    http__link_listen(l, events);
    return async_wait(&l->call->wait, until_ns, err);
}

enum tl_rc http__unreachable(const struct http_url *url, int error, struct tl_err *err)
{
    return tl_fail(err, TL_UNREACHABLE, "%.*s port %u: %s", TL_SV_ARG(url->host), (unsigned)url->port, strerror(error));
}

static enum tl_rc connect_link(struct task *t, struct http_call *call, struct host *h, const struct http_url *url,
                               uint64_t until_ns, struct link **ret_link, struct tl_err *err)
{
    struct http_client *c = call->client;
    uint64_t most = async_loop_now(c->loop) + (uint64_t)c->opt.connect_timeout_ms * 1000000;
    enum tl_rc rc = TL_UNREACHABLE;

    for (size_t i = 0; i < call->addrs.n; i++) {
        struct link *l = dial(c->direct, h, &call->addrs.v[i]);

        if (!l) {
            rc = http__unreachable(url, errno, err);
            continue;
        }
        l->call = call;
        rc = http__link_wait(t, l, UV_WRITABLE, most < until_ns ? most : until_ns, err);
        if (rc == TL_OK && l->error == 0) {
            l->connecting = false;
            call->reply->connect_us = (async_loop_now(c->loop) - call->begin_ns) / 1000;
            *ret_link = l;
            return TL_OK;
        }
        if (rc == TL_OK)
            rc = http__unreachable(url, l->error, err);
        l->call = NULL;
        http__link_close(l);
        if (rc == TL_CANCELED)
            return rc;
        if (rc == TL_TIMEOUT)
            return tl_fail(err, TL_TIMEOUT, "%.*s: no connection within the time allowed (nothing was sent)",
                           TL_SV_ARG(url->host));
    }
    return rc;
}

/* Until there may be one more link to this host. */
static enum tl_rc wait_in_line(struct task *t, struct http_direct *d, struct host *h, uint64_t until_ns,
                               struct tl_err *err)
{
    struct host_waiter w = {.next = NULL}, **at;
    enum tl_rc rc;

    async_wait_init(&w.wait, t, on_abort, NULL);
    *h->last = &w;
    h->last = &w.next;
    rc = async_wait(&w.wait, until_ns, err);
    for (at = &h->first; *at != &w; at = &(*at)->next)
        ;
    *at = w.next;
    if (h->last == &w.next)
        h->last = at;
    if (h->idle || h->links < d->most_a_host) /* two may have become free before this one ran */
        wake_next(h);
    return rc;
}

enum tl_rc http__link_get(struct task *t, struct http_call *call, struct host *h, const struct http_url *url,
                          bool fresh, uint64_t until_ns, struct link **ret_link, struct tl_err *err)
{
    struct http_direct *d = call->client->direct;

    for (;;) {
        struct link *l = fresh ? NULL : take_idle(d, h, call);
        enum tl_rc rc;

        if (l) {
            l->call = call;
            *ret_link = l;
            return TL_OK;
        }
        if (h->links < d->most_a_host && make_room(d))
            return connect_link(t, call, h, url, until_ns, ret_link, err);
        if (fresh && h->idle) { /* one that is not wanted makes room for one that is */
            http__link_close(h->idle);
            continue;
        }
        rc = wait_in_line(t, d, h, until_ns, err);
        if (rc == TL_TIMEOUT)
            return tl_fail(err, rc, "%.*s: no connection was free within the time allowed (nothing was sent)",
                           TL_SV_ARG(url->host));
        if (rc != TL_OK)
            return rc;
    }
}

/* ---- life ---- */
struct http_direct *http__direct_new(struct http_client *c)
{
    struct http_direct *d = tl_zalloc(sizeof *d);

    d->client = c;
    d->most = c->opt.connections ? c->opt.connections : 1000;
    d->most_a_host = c->opt.connections_a_host ? c->opt.connections_a_host : 64;
    d->slots = tl_zalloc(LINK_HEADERS * sizeof *d->slots);
    return d;
}

void http__direct_free(struct http_direct *d)
{
    for (size_t i = 0; i < LINK_HOSTS; i++)
        while (d->hosts[i]) /* closing its last link takes the host away */
            http__link_close(d->hosts[i]->idle);
    tl_free(d->slots);
    tl_free(d);
}
