/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve.c - names to addresses: getaddrinfo on a worker thread, one look-up at a time a name, kept for a while.
 * getaddrinfo tells no time to live; 60 s is what libcurl keeps by default. A failure is kept 5 s, so that a flow with
 * a wrong name does not occupy the workers.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "http/client_int.h"

enum { NAMES_MAX = 4096, HOST_MAX = 253 };
#define KEEP_NS (UINT64_C(60) * 1000000000)
#define KEEP_FAILED_NS (UINT64_C(5) * 1000000000)

struct name {
    struct async_mutex mutex; /* held by the one who looks it up */
    size_t users;
    uint64_t until_ns; /* 0: nothing known yet */
    struct http_addrs addrs;
    char text[128]; /* why there is none */
};

struct http_resolver {
    struct tl_map *names;
    http_lookup_fn *lookup;
};

struct lookup {
    http_lookup_fn *fn;
    char host[HOST_MAX + 1];
    int n;
    struct http_addr addrs[HTTP_LOOKUP_MAX];
    char text[128];
};

static int system_lookup(const char *host, struct http_addr addrs[HTTP_LOOKUP_MAX], char *text, size_t n)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
    int rc = getaddrinfo(host, NULL, &hints, &list), count = 0;

    if (rc != 0) {
        (void)snprintf(text, n, "%s", gai_strerror(rc));
        return -1;
    }
    for (struct addrinfo *ai = list; ai && count < HTTP_LOOKUP_MAX; ai = ai->ai_next) {
        struct http_addr *a = &addrs[count];

        memset(a, 0, sizeof *a);
        if (ai->ai_family == AF_INET) {
            const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)ai->ai_addr;

            a->family = 4;
            a->ip[10] = a->ip[11] = 0xff;
            memcpy(a->ip + 12, &in->sin_addr, 4);
        } else if (ai->ai_family == AF_INET6) {
            const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)ai->ai_addr;

            a->family = IN6_IS_ADDR_V4MAPPED(&in->sin6_addr) ? 4 : 6;
            memcpy(a->ip, &in->sin6_addr, 16);
        } else {
            continue;
        }
        count++;
    }
    freeaddrinfo(list);
    return count;
}

struct http_resolver *http__resolver_new(http_lookup_fn *lookup)
{
    struct http_resolver *r = tl_zalloc(sizeof *r);

    r->names = tl_map_new();
    r->lookup = lookup ? lookup : system_lookup;
    return r;
}

void http__resolver_free(struct http_resolver *r)
{
    struct tl_sv key;
    void *value;

    if (!r)
        return;
    for (size_t i = 0; tl_map_next(r->names, &i, &key, &value);)
        tl_free(value);
    tl_map_free(r->names);
    tl_free(r);
}

static void forget_old(struct http_resolver *r, uint64_t now)
{
    struct tl_sv key;
    void *value;

    for (size_t i = 0; tl_map_next(r->names, &i, &key, &value);) {
        struct name *n = value;

        if (n->users == 0 && n->until_ns <= now) {
            (void)tl_map_remove(r->names, key);
            tl_free(n);
        }
    }
}

static void work(void *arg)
{
    struct lookup *l = arg;

    l->n = l->fn(l->host, l->addrs, l->text, sizeof l->text);
}

/* With n->mutex held. */
static enum tl_rc look_up(struct task *t, struct http_resolver *r, struct tl_sv host, struct name *n,
                          struct tl_err *err)
{
    struct lookup *l = tl_zalloc(sizeof *l);
    enum tl_rc rc;

    l->fn = r->lookup;
    memcpy(l->host, host.p, host.n);
    rc = task_blocking(t, work, l, tl_free, err); /* getaddrinfo can't be stopped, but it can be left */
    if (rc != TL_OK)
        return rc;
    n->addrs.n = l->n > 0 ? (size_t)l->n : 0;
    memcpy(n->addrs.v, l->addrs, sizeof l->addrs);
    (void)snprintf(n->text, sizeof n->text, "%s", l->n == 0 ? "it has no address" : l->text);
    n->until_ns = async_loop_now(task_loop(t)) + (n->addrs.n > 0 ? KEEP_NS : KEEP_FAILED_NS);
    tl_free(l);
    return TL_OK;
}

enum tl_rc http__resolve(struct task *t, struct http_resolver *r, struct tl_sv host, struct http_addrs *ret_addrs,
                         struct tl_err *err)
{
    uint64_t now = async_loop_now(task_loop(t));
    enum tl_rc rc = TL_OK;
    struct name *n;

    if (host.n == 0 || host.n > HOST_MAX)
        return tl_fail(err, TL_INVALID, "a host name of %zu bytes", host.n);
    n = tl_map_get(r->names, host);
    if (!n) {
        if (tl_map_count(r->names) >= NAMES_MAX)
            forget_old(r, now);
        if (tl_map_count(r->names) >= NAMES_MAX)
            return tl_fail(err, TL_BUSY, "more than %d host names are in use", NAMES_MAX);
        n = tl_zalloc(sizeof *n);
        (void)tl_map_put(r->names, host, n);
    }
    n->users++;
    if (n->until_ns <= now) {
        rc = async_lock(t, &n->mutex, err);
        if (rc == TL_OK) {
            if (n->until_ns <= async_loop_now(task_loop(t)))
                rc = look_up(t, r, host, n, err);
            async_unlock(&n->mutex);
        }
    }
    n->users--;
    if (rc != TL_OK)
        return rc;
    if (n->addrs.n == 0)
        return tl_fail(err, TL_UNREACHABLE, "the name %.*s can't be resolved: %s", TL_SV_ARG(host), n->text);
    *ret_addrs = n->addrs;
    return TL_OK;
}
