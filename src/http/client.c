/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.c - one libcurl multi handle on the loop: sockets, its timer, ended transfers, handles kept for reuse.
 * libcurl runs on the loop's own stack, from libuv's callbacks; tasks only add a transfer, and take one out from
 * on_abort.
 */
#include <unistd.h>

#include "http/client_int.h"

/* A connection's socket stays registered while the connection waits for its next call: libcurl takes its interest back
 * after every transfer, which would cost five system calls each. A kept one that becomes readable has been closed by
 * the other side. */
struct watched {
    uv_poll_t poll;
    struct http_client *client;
    curl_socket_t fd;
    int events; /* that are registered */
    bool idle;
};

static void take_ended(struct http_client *c)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(c->multi, &left))) {
        struct http_call *call = NULL;
        CURLcode code = m->data.result;

        if (m->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        http__call_ended(call, code);
    }
}

static void on_ready(uv_poll_t *h, int status, int events)
{
    struct watched *w = h->data;
    struct http_client *c = w->client;
    int mask = (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0), running;

    if (w->idle) {
        (void)uv_poll_stop(h);
        w->events = 0;
        return;
    }
    if (status < 0)
        mask = CURL_CSELECT_ERR;
    (void)curl_multi_socket_action(c->multi, w->fd, mask, &running); /* w may be gone after this */
    take_ended(c);
}

static void on_timer(uv_timer_t *h)
{
    struct http_client *c = h->data;
    int running;

    (void)curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_ended(c);
}

static int set_timer(CURLM *multi, long ms, void *arg)
{
    struct http_client *c = arg;

    (void)multi;
    if (ms < 0) {
        (void)uv_timer_stop(&c->timer);
        return 0;
    }
    uv_update_time(async_loop_uv(c->loop)); /* libuv counts from its last look at the clock */
    (void)uv_timer_start(&c->timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

static void free_watched(uv_handle_t *h)
{
    tl_free(h->data);
}

static void forget(struct http_client *c, curl_socket_t fd)
{
    struct watched *w = (size_t)fd < c->n_watched ? c->watched[fd] : NULL;

    if (!w)
        return;
    c->watched[fd] = NULL;
    uv_close((uv_handle_t *)&w->poll, free_watched);
}

int http__on_close(void *arg, curl_socket_t fd)
{
    forget(arg, fd);
    return close(fd);
}

void http__socket_is_new(struct http_client *c, curl_socket_t fd)
{
    forget(c, fd);
}

static struct watched *watch(struct http_client *c, curl_socket_t fd)
{
    struct watched *w = tl_zalloc(sizeof *w);

    w->client = c;
    w->fd = fd;
    w->poll.data = w;
    if (uv_poll_init_socket(async_loop_uv(c->loop), &w->poll, fd) != 0) {
        tl_free(w);
        return NULL;
    }
    if ((size_t)fd >= c->n_watched) {
        size_t n = (size_t)fd + 64;

        c->watched = tl_reallocarray(c->watched, n, sizeof(struct watched *));
        memset(c->watched + c->n_watched, 0, (n - c->n_watched) * sizeof(struct watched *));
        c->n_watched = n;
    }
    c->watched[fd] = w;
    return w;
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct http_client *c = arg;
    struct watched *w = (size_t)fd < c->n_watched ? c->watched[fd] : NULL;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);

    (void)easy, (void)socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            w->idle = true;
            uv_unref((uv_handle_t *)&w->poll);
        }
        return 0;
    }
    if (!w)
        w = watch(c, fd);
    if (!w)
        return -1;
    w->idle = false;
    uv_ref((uv_handle_t *)&w->poll);
    if (events == w->events)
        return 0;
    w->events = events;
    return uv_poll_start(&w->poll, events, on_ready) == 0 ? 0 : -1;
}

/* ---- libcurl, when the first call needs it ---- */

struct start {
    CURLcode code;
};

static void start(void *arg)
{
    struct start *s = arg;

    s->code = curl_global_init(CURL_GLOBAL_DEFAULT); /* counted, and safe from several threads since 7.84 */
}

static enum tl_rc new_multi(struct http_client *c, struct tl_err *err)
{
    c->multi = curl_multi_init();
    if (!c->multi)
        return tl_fail(err, TL_UNSUPPORTED, "libcurl gives no multi handle");
    (void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
    (void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    (void)curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    (void)curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    (void)curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                            (long)(c->opt.connections ? c->opt.connections : 1000));
    /* Else libcurl keeps four times as many as transfers are under way, and closes the rest after each. */
    (void)curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)(c->opt.connections ? c->opt.connections : 1000));
    (void)curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                            (long)(c->opt.connections_a_host ? c->opt.connections_a_host : 64));
    return TL_OK;
}

/* Loading it and its libraries takes some 20 ms, which a loop does not have. */
enum tl_rc http__start_curl(struct task *t, struct http_client *c, struct tl_err *err)
{
    struct start *s;
    enum tl_rc rc;

    if (c->multi)
        return TL_OK;
    s = tl_zalloc(sizeof *s);
    rc = task_blocking(t, start, s, tl_free, err);
    if (rc != TL_OK)
        return rc;
    if (s->code != CURLE_OK)
        rc = tl_fail(err, TL_UNSUPPORTED, "libcurl: %s", curl_easy_strerror(s->code));
    tl_free(s);
    return rc != TL_OK || c->multi ? rc : new_multi(c, err); /* another call may have come first */
}

static void own_egress(struct http_egress *e)
{
    e->allow = http_cidrs_copy(e->allow, e->n_allow);
    e->deny = http_cidrs_copy(e->deny, e->n_deny);
}

enum tl_rc http_client_new(struct async_loop *loop, const struct http_client_options *options,
                           struct http_client **ret_client, struct tl_err *err)
{
    struct http_client *c = tl_zalloc(sizeof *c);

    (void)err;
    c->loop = loop;
    if (options)
        c->opt = *options;
    own_egress(&c->opt.egress);
    c->opt.proxy = c->opt.proxy ? tl_strdup(c->opt.proxy) : NULL;
    c->opt.user_agent = tl_strdup(c->opt.user_agent ? c->opt.user_agent : "tieline/" TIELINE_VERSION);
    if (c->opt.timeout_ms == 0)
        c->opt.timeout_ms = 30000;
    if (c->opt.connect_timeout_ms == 0)
        c->opt.connect_timeout_ms = 10000;
    c->resolver = http__resolver_new(c->opt.lookup);
    c->direct = http__direct_new(c);
    (void)uv_timer_init(async_loop_uv(loop), &c->timer);
    c->timer.data = c;
    uv_unref((uv_handle_t *)&c->timer); /* tasks keep the loop alive */
    *ret_client = c;
    return TL_OK;
}

static void free_client(uv_handle_t *timer)
{
    struct http_client *c = timer->data;
    const void *copies[] = {c->opt.proxy, c->opt.user_agent, c->opt.egress.allow, c->opt.egress.deny};

    for (size_t i = 0; i < TL_COUNT(copies); i++)
        tl_free((void *)(uintptr_t)copies[i]);
    tl_free(c->watched);
    tl_free(c);
}

void http_client_set_egress(struct http_client *c, const struct http_egress *e)
{
    const void *old[] = {c->opt.egress.allow, c->opt.egress.deny};

    c->opt.egress = *e;
    own_egress(&c->opt.egress);
    for (size_t i = 0; i < TL_COUNT(old); i++)
        tl_free((void *)(uintptr_t)old[i]);
    memset(c->allowed, 0, sizeof c->allowed); /* by the policy before */
}

struct http_egress *http_client_egress(const struct http_client *c, struct tl_arena *a)
{
    const struct http_egress *e = &c->opt.egress;
    struct http_egress *copy = tl_arena_alloc(a, sizeof *copy);
    struct http_cidr *lists = tl_arena_alloc(a, (e->n_allow + e->n_deny + 1) * sizeof *lists);

    if (!copy || !lists)
        return NULL;
    *copy = *e;
    copy->allow = lists;
    copy->deny = lists + e->n_allow;
    if (e->n_allow)
        memcpy(lists, e->allow, e->n_allow * sizeof *lists);
    if (e->n_deny)
        memcpy(lists + e->n_allow, e->deny, e->n_deny * sizeof *lists);
    return copy;
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    assert(c->calls == 0);
    while (c->pooled > 0)
        curl_easy_cleanup(c->pool[--c->pooled].easy);
    if (c->multi)
        (void)curl_multi_cleanup(c->multi);
    http__direct_free(c->direct);
    http__resolver_free(c->resolver);
    uv_close((uv_handle_t *)&c->timer, free_client);
}

struct http_jar *http_jar_new(void)
{
    return tl_zalloc(sizeof(struct http_jar));
}

CURLSH *http__jar_share(struct http_jar *jar)
{
    if (!jar->share) {
        jar->share = curl_share_init();
        assert(jar->share);
        (void)curl_share_setopt(jar->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
    }
    return jar->share;
}

void http_jar_free(struct http_jar *jar)
{
    if (!jar)
        return;
    if (jar->share)
        (void)curl_share_cleanup(jar->share);
    tl_free(jar);
}
