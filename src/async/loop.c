/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.c - one libuv loop, its tasks, timers and posts.
 *
 * A turn is: posts, due timers, tasks that are ready, then one look at the descriptors, which waits only when nothing
 * is ready. libuv's timers are not used but for one that ends the wait when the wheel has something due.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/async_int.h"

/* Resumes between two looks at the descriptors. */
enum { TASK_BUDGET = 256, FOREIGN_CLOCK_MS = 10 };

static void run_posts(struct async_loop *loop)
{
    struct async_post *p = atomic_exchange_explicit(&loop->posts, NULL, memory_order_acquire), *oldest = NULL, *next;

    for (; p; p = next) {
        next = p->next;
        p->next = oldest;
        oldest = p;
    }
    for (p = oldest; p; p = next) {
        void (*fn)(void *) = p->fn;
        void *arg = p->arg;

        next = p->next;
        if (p->owned)
            tl_free(p);
        fn(arg);
    }
}

void async_loop_post_at(struct async_loop *loop, struct async_post *post)
{
    struct async_post *head = atomic_load_explicit(&loop->posts, memory_order_relaxed);

    do
        post->next = head;
    while (
        !atomic_compare_exchange_weak_explicit(&loop->posts, &head, post, memory_order_release, memory_order_relaxed));
    if (!head) /* whoever finds it empty wakes; the others ride along */
        (void)uv_async_send(&loop->wake);
}

void async_loop_post(struct async_loop *loop, void (*fn)(void *arg), void *arg)
{
    struct async_post *p = tl_alloc(sizeof *p);

    *p = (struct async_post){.fn = fn, .arg = arg, .owned = true};
    async_loop_post_at(loop, p);
}

static void on_wake(uv_async_t *h)
{
    run_posts(h->data);
}

/* Its only work is to have ended the wait. */
static void on_tick(uv_timer_t *h)
{
    struct async_loop *loop = h->data;

    loop->tick_due_ns = UINT64_MAX;
}

static void on_closed(uv_handle_t *h)
{
    struct async_loop *loop = h->data;

    loop->handles--;
}

static bool is_ready(struct async_loop *loop)
{
    return loop->run_first || loop->wheel.expired || atomic_load_explicit(&loop->posts, memory_order_relaxed);
}

/* Set libuv's timer so that the wait ends when the wheel wants to be looked at. */
static void set_tick(struct async_loop *loop)
{
    uint64_t due = async__wheel_next(&loop->wheel), now, ms;

    if (due == UINT64_MAX || due == loop->tick_due_ns) {
        if (due == UINT64_MAX && loop->tick_due_ns != UINT64_MAX)
            (void)uv_timer_stop(&loop->tick);
        loop->tick_due_ns = due;
        return;
    }
    if (loop->foreign_clock && due > 0) {
        ms = FOREIGN_CLOCK_MS;
    } else {
        now = async_loop_now(loop);
        ms = due > now ? (due - now + 999999) / 1000000 : 0;
    }
    uv_update_time(&loop->uv);
    (void)uv_timer_start(&loop->tick, on_tick, ms, 0);
    loop->tick_due_ns = due;
}

static void on_no_wait(uv_idle_t *h)
{
    (void)h;
}

/* libuv runs timers and closing callbacks before it waits, and these may have made a task ready. */
static void on_before_wait(uv_prepare_t *h)
{
    struct async_loop *loop = h->data;

    if (is_ready(loop))
        (void)uv_idle_start(&loop->no_wait, on_no_wait);
    else
        set_tick(loop);
}

enum tl_rc async_loop_new(size_t max_tasks, const struct tl_clock *clock, struct async_loop **ret_loop,
                          struct tl_err *err)
{
    struct async_loop *loop = tl_zalloc(sizeof *loop);
    int rc = uv_loop_init(&loop->uv);

    if (rc != 0) {
        tl_free(loop);
        return tl_fail(err, TL_IO, "no event loop: %s", uv_strerror(rc));
    }
    rc = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (rc != 0) {
        (void)uv_loop_close(&loop->uv);
        tl_free(loop);
        return tl_fail(err, TL_IO, "no event loop: %s", uv_strerror(rc));
    }
    (void)uv_timer_init(&loop->uv, &loop->tick);
    (void)uv_prepare_init(&loop->uv, &loop->before_wait);
    (void)uv_idle_init(&loop->uv, &loop->no_wait);
    loop->wake.data = loop->tick.data = loop->before_wait.data = loop->no_wait.data = loop;
    (void)uv_prepare_start(&loop->before_wait, on_before_wait);
    loop->handles = 4;
    uv_unref((uv_handle_t *)&loop->wake);
    uv_unref((uv_handle_t *)&loop->tick);
    uv_unref((uv_handle_t *)&loop->before_wait);
    uv_unref((uv_handle_t *)&loop->no_wait);
    loop->tick_due_ns = UINT64_MAX;
    loop->clock = clock ? clock : tl_clock_system();
    loop->foreign_clock = loop->clock != tl_clock_system();
    loop->max_tasks = max_tasks;
    loop->long_most = 2; /* half of libuv's own four threads */
    async__wheel_init(&loop->wheel, async_loop_now(loop));
    *ret_loop = loop;
    return TL_OK;
}

static void complain(uv_handle_t *h, void *arg)
{
    (void)arg;
    (void)fprintf(stderr, "tieline: a loop is freed while a %s handle is open\n", uv_handle_type_name(h->type));
}

void async_loop_free(struct async_loop *loop)
{
    if (!loop)
        return;
    assert(async_loop_tasks(loop) == 0 && !loop->running);
    run_posts(loop);
    uv_close((uv_handle_t *)&loop->wake, on_closed);
    uv_close((uv_handle_t *)&loop->tick, on_closed);
    uv_close((uv_handle_t *)&loop->before_wait, on_closed);
    uv_close((uv_handle_t *)&loop->no_wait, on_closed);
    while (loop->handles > 0 || loop->uv.active_reqs.count > 0)
        (void)uv_run(&loop->uv, UV_RUN_ONCE);
    async__pool_free(loop);
    if (uv_loop_close(&loop->uv) != 0) {
        uv_walk(&loop->uv, complain, NULL);
        abort();
    }
    tl_free(loop);
}

/* One turn. false: nothing is left to do. */
static bool turn(struct async_loop *loop, bool wait)
{
    bool ours, theirs, ready;

    run_posts(loop);
    async__wheel_run(loop, async_loop_now(loop));
    async__run_tasks(loop, TASK_BUDGET);
    ready = is_ready(loop);
    ours = ready || loop->keep || loop->wheel.count > 0 || async_loop_tasks(loop) > 0;
    if (ours)
        uv_ref((uv_handle_t *)&loop->wake);
    if (loop->closing && async_loop_tasks(loop) == 0) /* the last one has ended: nothing to wait for */
        wait = false;
    theirs = uv_run(&loop->uv, wait && !ready ? UV_RUN_ONCE : UV_RUN_NOWAIT) != 0;
    (void)uv_idle_stop(&loop->no_wait);
    if (!ours)
        return theirs || is_ready(loop) || loop->wheel.count > 0 || async_loop_tasks(loop) > 0;
    uv_unref((uv_handle_t *)&loop->wake);
    return true;
}

static void enter(struct async_loop *loop)
{
    assert(!loop->running);
    loop->running = true;
    loop->thread = pthread_self();
}

void async_loop_run(struct async_loop *loop)
{
    enter(loop);
    while (!atomic_load_explicit(&loop->stop, memory_order_acquire) && turn(loop, true))
        ;
    atomic_store_explicit(&loop->stop, false, memory_order_relaxed);
    loop->running = false;
}

void async_loop_poll(struct async_loop *loop)
{
    enter(loop);
    do
        (void)turn(loop, false);
    while (is_ready(loop));
    loop->running = false;
}

void async_loop_stop(struct async_loop *loop)
{
    atomic_store_explicit(&loop->stop, true, memory_order_release);
    (void)uv_async_send(&loop->wake);
}

void async_loop_keep(struct async_loop *loop, bool keep)
{
    async__check_thread(loop);
    loop->keep = keep;
}

static void on_shutdown_deadline(struct async_timer *t)
{
    (void)t; /* its only work is to have ended the wait */
}

bool async_loop_shutdown(struct async_loop *loop, uint64_t deadline_ns)
{
    struct async_timer timer;

    enter(loop);
    loop->closing = true;
    for (struct task *t = loop->alive; t; t = t->next)
        task_cancel(t);
    async_timer_init(&timer, loop, on_shutdown_deadline);
    async_timer_set(&timer, deadline_ns);
    while (async_loop_tasks(loop) > 0 && async_loop_now(loop) < deadline_ns)
        (void)turn(loop, true);
    async_timer_stop(&timer);
    loop->closing = false;
    loop->running = false;
    return async_loop_tasks(loop) == 0;
}

struct uv_loop_s *async_loop_uv(struct async_loop *loop)
{
    return &loop->uv;
}

const struct tl_clock *async_loop_clock(const struct async_loop *loop)
{
    return loop->clock;
}

uint64_t async_loop_now(const struct async_loop *loop)
{
    return tl_clock_mono_ns(loop->clock);
}

size_t async_loop_tasks(const struct async_loop *loop)
{
    return atomic_load_explicit(&loop->tasks, memory_order_relaxed);
}
