/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task.c - tasks: start, run list, wait, cancel.
 *
 * The invariant: a task is resumed only by resume(), from the loop's stack, and only when its wait is done. Cancelling
 * and deadlines never make a wait done by themselves: they put the task on the run list, there on_abort is called, and
 * what on_abort arranges makes the wait done.
 */
#include "async/async_int.h"

/* Stacks kept for reuse; beyond, memory is worth more than the 9 us of a fresh mapping. */
enum { POOL_MAX = 4096 };

void async__ready(struct task *t)
{
    struct async_loop *loop = t->loop;

    if (t->queued)
        return;
    t->queued = true;
    t->run_next = NULL;
    if (loop->run_last)
        loop->run_last->run_next = t;
    else
        loop->run_first = t;
    loop->run_last = t;
}

/* The code at the bottom of each stack. */
static void task_main(void *arg)
{
    struct task *t = arg;

    async__entered(t);
    while (!t->quit) {
        t->rc = t->fn(t, t->arg, &t->err);
        t->ended = true;
        async__to_loop(t);
    }
    async__leave(t);
}

static void on_deadline(struct async_timer *timer)
{
    struct task *t = TL_CONTAINER(timer, struct task, timer);

    t->late = true;
    async__ready(t);
}

static void drop_stack(struct task *t)
{
    async__stack_reuse(t);
    t->quit = true;
    async__to_task(t);
    async__stack_free(t);
}

static void recycle(struct task *t)
{
    struct async_loop *loop = t->loop;

    if (t->prev)
        t->prev->next = t->next;
    else
        loop->alive = t->next;
    if (t->next)
        t->next->prev = t->prev;
    async__stack_rest(t);
    if (loop->pooled >= POOL_MAX) {
        drop_stack(t);
        return;
    }
    t->run_next = loop->pool;
    loop->pool = t;
    loop->pooled++;
}

void async__pool_free(struct async_loop *loop)
{
    while (loop->pool) {
        struct task *t = loop->pool;

        loop->pool = t->run_next;
        drop_stack(t);
    }
    loop->pooled = 0;
}

static struct task *take_stack(struct async_loop *loop)
{
    struct task *t = loop->pool;

    if (!t) {
        t = async__stack_new(loop, task_main);
        if (t)
            t->magic = TASK_MAGIC;
        return t;
    }
    loop->pool = t->run_next;
    loop->pooled--;
    async__stack_reuse(t);
    return t;
}

enum tl_rc task_start(struct async_loop *loop, const char *name, uint64_t deadline_ns, task_fn *fn, void *arg,
                      void (*on_done)(void *arg, enum tl_rc rc, const struct tl_err *err), struct task **ret_task,
                      struct tl_err *err)
{
    size_t alive = atomic_load_explicit(&loop->tasks, memory_order_relaxed);
    struct task *t;

    async__check_thread(loop);
    if (alive >= loop->max_tasks)
        return tl_fail(err, TL_LIMIT, "task '%s' not started: %zu tasks are running, the most this loop may have", name,
                       alive);
    t = take_stack(loop);
    if (!t)
        return tl_fail(err, TL_LIMIT,
                       "task '%s' not started: the kernel gives no memory for its stack (vm.max_map_count allows about "
                       "half as many tasks)",
                       name);
    t->queued = t->late = t->on_main = t->ended = t->quit = false;
    t->canceled = loop->closing;
    t->shields = 0;
    t->name = name;
    t->deadline_ns = deadline_ns ? deadline_ns : UINT64_MAX;
    t->wait = NULL;
    t->why = TL_OK;
    async_timer_init(&t->timer, loop, on_deadline);
    t->fn = fn;
    t->arg = arg;
    t->on_done = on_done;
    tl_err_clear(&t->err);
    t->prev = NULL;
    t->next = loop->alive;
    if (t->next)
        t->next->prev = t;
    loop->alive = t;
    atomic_store_explicit(&loop->tasks, alive + 1, memory_order_relaxed);
    async__ready(t);
    if (ret_task)
        *ret_task = t;
    return TL_OK;
}

static void end(struct task *t)
{
    struct async_loop *loop = t->loop;

    assert(t->shields == 0);
    async_timer_stop(&t->timer);
    atomic_fetch_sub_explicit(&loop->tasks, 1, memory_order_relaxed);
    if (t->on_done)
        t->on_done(t->arg, t->rc, &t->err);
    recycle(t);
}

static void resume(struct task *t)
{
    struct async_loop *loop = t->loop;

    loop->current = t;
    async__to_task(t);
    while (loop->main_fn) { /* task_on_main_stack */
        void (*fn)(void *) = loop->main_fn;

        loop->main_fn = NULL;
        t->on_main = true;
        fn(loop->main_arg);
        t->on_main = false;
        async__to_task(t);
    }
    loop->current = NULL;
    if (t->ended)
        end(t);
}

/* A task whose wait is not done is on the list because of a cancel or a deadline. */
static void abort_wait(struct task *t)
{
    struct async_wait *w = t->wait;
    bool canceled = t->canceled && t->shields == 0;

    if (w->aborted || !(canceled || t->late))
        return;
    w->aborted = true;
    t->why = canceled ? TL_CANCELED : TL_TIMEOUT;
    async_timer_stop(&t->timer);
    if (w->on_abort)
        w->on_abort(w, t->why);
    else
        async_wake(w);
}

void async__run_tasks(struct async_loop *loop, unsigned budget)
{
    struct task *t;

    assert(!loop->current);
    while (budget-- > 0 && (t = loop->run_first)) {
        loop->run_first = t->run_next;
        if (!loop->run_first)
            loop->run_last = NULL;
        t->queued = false;
        if (!t->wait || t->wait->done)
            resume(t);
        else
            abort_wait(t);
    }
}

void task_cancel(struct task *t)
{
    assert(t->magic == TASK_MAGIC);
    async__check_thread(t->loop);
    t->canceled = true;
    if (t->wait && t->shields == 0)
        async__ready(t);
}

bool task_is_canceled(const struct task *t)
{
    return t->canceled;
}

const char *task_name(const struct task *t)
{
    return t->name;
}

struct async_loop *task_loop(const struct task *t)
{
    return t->loop;
}

static enum tl_rc stopped(const struct task *t, enum tl_rc why, struct tl_err *err)
{
    if (why == TL_CANCELED)
        return tl_fail(err, TL_CANCELED, "'%s' was cancelled", t->name);
    return tl_fail(err, TL_TIMEOUT, "the deadline of '%s' passed", t->name);
}

enum tl_rc task_check(struct task *t, struct tl_err *err)
{
    uint64_t deadline = task_deadline(t);

    if (t->canceled && t->shields == 0)
        return stopped(t, TL_CANCELED, err);
    if (deadline != UINT64_MAX && async_loop_now(t->loop) >= deadline)
        return stopped(t, TL_TIMEOUT, err);
    return TL_OK;
}

uint64_t task_deadline(const struct task *t)
{
    return t->shields ? t->shield_deadline_ns : t->deadline_ns;
}

uint64_t task_set_deadline(struct task *t, uint64_t deadline_ns)
{
    uint64_t before = t->deadline_ns;

    if (deadline_ns < before)
        t->deadline_ns = deadline_ns;
    return before;
}

void task_restore_deadline(struct task *t, uint64_t deadline_ns)
{
    t->deadline_ns = deadline_ns;
}

void task_shield_begin(struct task *t, uint64_t deadline_ns)
{
    if (t->shields++ == 0)
        t->shield_deadline_ns = deadline_ns;
}

void task_shield_end(struct task *t)
{
    assert(t->shields > 0);
    t->shields--;
}

void async_wait_init(struct async_wait *w, struct task *t, void (*on_abort)(struct async_wait *, enum tl_rc), void *arg)
{
    *w = (struct async_wait){.task = t, .on_abort = on_abort, .arg = arg};
}

void async_wake(struct async_wait *w)
{
    if (w->done)
        return;
    assert(w->task->magic == TASK_MAGIC);
    async__check_thread(w->task->loop);
    w->done = true;
    if (w->task->wait == w)
        async__ready(w->task);
}

/* TL_OK, or the reason of the abort. */
static enum tl_rc suspend(struct async_wait *w, uint64_t due_ns)
{
    struct task *t = w->task;

    assert(t->magic == TASK_MAGIC && t->loop->current == t && !t->on_main);
    if (w->done)
        return TL_OK;
    t->late = false;
    t->wait = w;
    async_timer_set(&t->timer, due_ns);
    if (t->canceled && t->shields == 0)
        async__ready(t); /* on_abort is called from the loop's stack */
    async__to_loop(t);
    assert(w->done);
    async_timer_stop(&t->timer);
    t->wait = NULL;
    return w->aborted ? t->why : TL_OK;
}

enum tl_rc async_wait(struct async_wait *w, uint64_t deadline_ns, struct tl_err *err)
{
    uint64_t bound = task_deadline(w->task);
    enum tl_rc rc = suspend(w, deadline_ns < bound ? deadline_ns : bound);

    return rc == TL_OK ? TL_OK : stopped(w->task, rc, err);
}

enum tl_rc task_sleep_ms(struct task *t, uint64_t ms, struct tl_err *err)
{
    uint64_t now = async_loop_now(t->loop), bound = task_deadline(t);
    uint64_t due = ms < (UINT64_MAX - now) / 1000000 ? now + ms * 1000000 : UINT64_MAX - 1;
    struct async_wait w;
    enum tl_rc rc;

    async_wait_init(&w, t, NULL, NULL);
    rc = suspend(&w, due < bound ? due : bound);
    if (rc == TL_TIMEOUT && due <= bound)
        return TL_OK;
    return rc == TL_OK ? TL_OK : stopped(t, rc, err);
}

enum tl_rc task_yield(struct task *t, struct tl_err *err)
{
    assert(t->loop->current == t && !t->on_main);
    async__ready(t);
    async__to_loop(t);
    return task_check(t, err);
}

void task_on_main_stack(struct task *t, void (*fn)(void *arg), void *arg)
{
    assert(t->loop->current == t);
    if (t->on_main) {
        fn(arg);
        return;
    }
    t->loop->main_fn = fn;
    t->loop->main_arg = arg;
    async__to_loop(t);
}
