/* SPDX-License-Identifier: Apache-2.0 */
/* drain.c - taking a server out of service: announce, stop accepting, finish, cut. And its counters. */
#include <unistd.h>

#include "http/http_int.h"

enum { LOOK_MS = 5, UNWIND_MS = 30000, WATCHED_MS = 60000, FRESH_MS = 200 };

/* A post that stop waits for: nothing may be on its way to a server that is freed. */
struct order {
    struct http_loop *l;
    void (*fn)(struct http_loop *l);
};

static void obey(void *arg)
{
    struct order *o = arg;
    struct http_loop *l = o->l;

    o->fn(l);
    tl_free(o);
    (void)atomic_fetch_sub_explicit(&l->server->posted, 1, memory_order_release);
}

static void order_all(struct http_server *s, void (*fn)(struct http_loop *l))
{
    for (size_t i = 0; i < s->n_loops; i++) {
        struct order *o = tl_alloc(sizeof *o);

        *o = (struct order){&s->loops[i], fn};
        (void)atomic_fetch_add_explicit(&s->posted, 1, memory_order_relaxed);
        async_loop_post(s->loops[i].loop, obey, o);
    }
}

static void close_those(struct http_loop *l, uint32_t served)
{
    struct conn *next;

    for (struct conn *c = l->conns; c; c = next) {
        next = c->next;
        if (c->phase == PH_IDLE && c->n_requests >= served)
            http__conn_close(c);
        else if (c->phase == PH_H2)
            http__session_leave(c);
    }
}

/* The first request of a new connection is on its way: who sends it would read a reset. Such a one has FRESH_MS from
 * the moment on that no more are taken, whether or not somebody watches. */
static void close_kept(struct http_loop *l)
{
    close_those(l, 1);
}

static void close_idle(struct http_loop *l)
{
    close_those(l, 0);
}

static void cut(struct http_loop *l)
{
    struct conn *next;

    for (struct conn *c = l->conns; c; c = next) {
        next = c->next;
        if (c->x && c->x->task && !task_is_canceled(c->x->task))
            task_cancel(c->x->task);
        http__session_cancel(c);
        if (c->phase != PH_CLOSED)
            http__conn_close(c);
    }
}

void http_server_drain(struct http_server *s)
{
    if (!atomic_exchange(&s->draining, true))
        order_all(s, close_kept);
}

bool http_server_is_draining(const struct http_server *s)
{
    return atomic_load_explicit(&s->draining, memory_order_relaxed);
}

/* ---- closing the listeners ---- */

static void destroy(struct http_server *s)
{
    for (size_t i = 0; i < s->n_listeners; i++) {
        http_tls_unref(s->listeners[i].tls);
        http_router_unref(s->listeners[i].router);
        tl_free(s->listeners[i].unix_path);
    }
    for (size_t i = 0; i < s->n_loops; i++)
        http__loop_done(&s->loops[i]);
    tl_map_free(s->per_address);
    BIO_meth_free(s->bio_method);
    (void)pthread_mutex_destroy(&s->lock);
    if (s->reserve_fd >= 0)
        (void)close(s->reserve_fd);
    tl_free(s->loops);
    tl_free(s);
}

static void on_listener_closed(uv_handle_t *h)
{
    struct listener *l = h->data;
    struct http_server *s = l->server;

    s->closing--;
    if (s->freed && s->closing == 0)
        destroy(s);
}

static void close_listeners(struct http_server *s)
{
    for (size_t i = 0; i < s->n_listeners; i++) {
        struct listener *l = &s->listeners[i];

        if (!l->polling)
            continue;
        l->polling = false;
        s->closing++;
        uv_close((uv_handle_t *)&l->poll, on_listener_closed);
        (void)close(l->fd);
        if (l->unix_path)
            (void)unlink(l->unix_path);
    }
}

static void accept_waiting(struct http_server *s)
{
    for (size_t i = 0; i < s->n_listeners; i++)
        if (s->listeners[i].polling)
            http__accept(&s->listeners[i]);
}

static bool busy(const struct http_server *s)
{
    return atomic_load_explicit(&s->active, memory_order_acquire) > 0 ||
           atomic_load_explicit(&s->posted, memory_order_acquire) > 0 || s->closing > 0;
}

static uint32_t announce_ms(const struct http_server *s, uint64_t now)
{
    const struct http_server_options *o = &s->loops[0].opt;
    uint64_t asked = atomic_load_explicit(&s->health_asked_ns, memory_order_relaxed);

    if (asked == 0 || now > asked + WATCHED_MS * UINT64_C(1000000))
        return 0;
    return o->drain_announce_ms < o->drain_ms / 2 ? o->drain_announce_ms : o->drain_ms / 2;
}

static void wait_idle(struct task *task, const struct http_server *s, uint64_t until)
{
    while (busy(s) && async_loop_now(task_loop(task)) < until && task_sleep_ms(task, LOOK_MS, NULL) == TL_OK)
        ;
}

void http_server_stop(struct task *task, struct http_server *s)
{
    uint64_t now = async_loop_now(task_loop(task)), end = now + s->loops[0].opt.drain_ms * UINT64_C(1000000), fresh;

    end = end < task_deadline(task) ? end : task_deadline(task);
    http_server_drain(s);
    task_shield_begin(task, end + UNWIND_MS * UINT64_C(1000000));
    if (announce_ms(s, now) > 0 && task_sleep_ms(task, announce_ms(s, now), NULL) != TL_OK)
        end = now; /* out of time already */
    accept_waiting(s);
    close_listeners(s);
    order_all(s, close_kept);
    fresh = async_loop_now(task_loop(task)) + FRESH_MS * UINT64_C(1000000);
    wait_idle(task, s, fresh < end ? fresh : end);
    order_all(s, close_idle);
    wait_idle(task, s, end);
    while (busy(s)) {
        if (atomic_load_explicit(&s->posted, memory_order_acquire) == 0)
            order_all(s, cut);
        if (task_sleep_ms(task, LOOK_MS, NULL) != TL_OK)
            break;
    }
    task_shield_end(task);
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    assert(atomic_load(&s->active) == 0 && atomic_load(&s->posted) == 0);
    s->freed = true;
    close_listeners(s);
    if (s->closing == 0)
        destroy(s);
}

/* ---- counters ---- */

static uint64_t get(const atomic_uint_fast64_t *n)
{
    return atomic_load_explicit(n, memory_order_relaxed);
}

void http_server_stats(const struct http_server *s, struct http_server_stats *ret_stats)
{
    struct http_server_stats st = {.accepted = get(&s->accepted),
                                   .active = get(&s->active),
                                   .refused_cap = get(&s->refused_cap),
                                   .refused_address = get(&s->refused_address),
                                   .refused_fd = get(&s->refused_fd),
                                   .body_memory = get(&s->body_memory)};

    for (size_t i = 0; i < s->n_loops; i++) {
        st.requests += get(&s->loops[i].requests);
        st.bad_requests += get(&s->loops[i].bad);
        st.timeouts += get(&s->loops[i].timeouts);
        st.tls_failures += get(&s->loops[i].tls_failures);
    }
    *ret_stats = st;
}
