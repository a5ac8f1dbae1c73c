/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks, waits, deadlines, cancelling, posts. The clock is a fake one unless a test is about another thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <pthread.h>

#include <cmocka.h>
#include <uv.h>

#include "async/async.h"

#define MS UINT64_C(1000000)

struct world {
    struct tl_fake_clock clock;
    struct async_loop *loop;
};

static int setup(void **state)
{
    struct world *w = tl_zalloc(sizeof *w);

    tl_fake_clock_init(&w->clock, 1700000000000);
    assert_int_equal(async_loop_new(20000, &w->clock.base, &w->loop, NULL), TL_OK);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    async_loop_free(w->loop);
    tl_free(w);
    return 0;
}

static uint64_t after(struct world *w, uint64_t ms)
{
    return async_loop_now(w->loop) + ms * MS;
}

static void pass(struct world *w, int64_t ms)
{
    tl_fake_clock_advance_ms(&w->clock, ms);
    async_loop_poll(w->loop);
}

/* What a test task saw. */
struct seen {
    struct world *w;
    struct async_chan *chan;
    struct async_mutex *mutex;
    struct async_wait *wait;
    uint64_t deadline_ns;
    int began, unwound, done, value;
    enum tl_rc rc, second;
    char text[400];
};

static void on_done(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    struct seen *s = arg;

    s->done++;
    s->rc = rc;
    (void)snprintf(s->text, sizeof s->text, "%s", rc == TL_OK ? "" : err->text);
}

static struct task *start(struct world *w, struct seen *s, uint64_t deadline_ns, task_fn *fn)
{
    struct task *t;

    s->w = w;
    assert_int_equal(task_start(w->loop, "probe", deadline_ns, fn, s, on_done, &t, NULL), TL_OK);
    return t;
}

static void count_unwinding(struct seen **s)
{
    (*s)->unwound++;
}

static enum tl_rc sleeper(struct task *t, void *arg, struct tl_err *err)
{
    TL_CLEANUP(count_unwinding) struct seen *s = arg;

    s->began++;
    return task_sleep_ms(t, 1000, err);
}

static void a_task_first_runs_from_the_loop_not_from_the_start(void **state)
{
    struct world *w = *state;
    struct seen s = {0};

    (void)start(w, &s, 0, sleeper);
    assert_int_equal(s.began, 0);
    async_loop_poll(w->loop);
    assert_int_equal(s.began, 1);
    assert_int_equal(async_loop_tasks(w->loop), 1);
    pass(w, 999);
    assert_int_equal(s.done, 0);
    pass(w, 3);
    assert_int_equal(s.done, 1);
    assert_int_equal(s.rc, TL_OK);
    assert_int_equal(async_loop_tasks(w->loop), 0);
}

static void a_deadline_ends_a_sleep_with_a_time_out(void **state)
{
    struct world *w = *state;
    struct seen s = {0};

    (void)start(w, &s, after(w, 200), sleeper);
    async_loop_poll(w->loop);
    pass(w, 199);
    assert_int_equal(s.done, 0);
    pass(w, 3);
    assert_int_equal(s.done, 1);
    assert_int_equal(s.rc, TL_TIMEOUT);
    assert_string_equal(s.text, "the deadline of 'probe' passed");
    assert_int_equal(s.unwound, 1);
}

static enum tl_rc narrower(struct task *t, void *arg, struct tl_err *err)
{
    struct seen *s = arg;
    uint64_t saved = task_set_deadline(t, after(s->w, 50));

    assert_true(task_set_deadline(t, UINT64_MAX) == task_deadline(t)); /* never widens */
    s->second = task_sleep_ms(t, 100, err);
    task_restore_deadline(t, saved);
    return task_sleep_ms(t, 100, err);
}

static void a_narrowed_deadline_binds_until_it_is_restored(void **state)
{
    struct world *w = *state;
    struct seen s = {0};

    (void)start(w, &s, after(w, 1000), narrower);
    async_loop_poll(w->loop);
    pass(w, 52);
    pass(w, 102);
    assert_int_equal(s.second, TL_TIMEOUT);
    assert_int_equal(s.rc, TL_OK);
}

/* ---- cancelling, at each kind of wait ---- */

static enum tl_rc yielder(struct task *t, void *arg, struct tl_err *err)
{
    TL_CLEANUP(count_unwinding) struct seen *s = arg;
    enum tl_rc rc = TL_OK;

    while (rc == TL_OK && s->began++ < 1000)
        rc = task_yield(t, err);
    return rc;
}

static enum tl_rc waiter(struct task *t, void *arg, struct tl_err *err)
{
    TL_CLEANUP(count_unwinding) struct seen *s = arg;
    struct async_wait w;

    s->began++;
    async_wait_init(&w, t, NULL, NULL);
    s->wait = &w;
    return async_wait(&w, UINT64_MAX, err);
}

static enum tl_rc receiver(struct task *t, void *arg, struct tl_err *err)
{
    TL_CLEANUP(count_unwinding) struct seen *s = arg;
    void *item;
    enum tl_rc rc;

    s->began++;
    rc = async_chan_recv(t, s->chan, &item, err);
    if (rc == TL_OK)
        s->value = *(int *)item;
    return rc;
}

static int items[] = {1, 2, 3, 4, 5, 6, 7, 8};

static enum tl_rc sender(struct task *t, void *arg, struct tl_err *err)
{
    TL_CLEANUP(count_unwinding) struct seen *s = arg;
    enum tl_rc rc = TL_OK;

    s->began++;
    while (rc == TL_OK && s->value < (int)TL_COUNT(items)) {
        rc = async_chan_send(t, s->chan, &items[s->value], err);
        if (rc == TL_OK)
            s->value++;
    }
    return rc;
}

static enum tl_rc locker(struct task *t, void *arg, struct tl_err *err)
{
    TL_CLEANUP(count_unwinding) struct seen *s = arg;
    enum tl_rc rc;

    s->began++;
    rc = async_lock(t, s->mutex, err);
    if (rc != TL_OK)
        return rc;
    rc = task_sleep_ms(t, 10, err);
    async_unlock(s->mutex);
    return rc;
}

static void work_briefly(void *arg)
{
    struct seen *s = arg;

    usleep(2000);
    s->value++;
}

static enum tl_rc blocker(struct task *t, void *arg, struct tl_err *err)
{
    TL_CLEANUP(count_unwinding) struct seen *s = arg;

    s->began++;
    return task_blocking(t, work_briefly, s, NULL, err);
}

static void cancelling_at_each_kind_of_wait_unwinds_once(void **state)
{
    static task_fn *const kinds[] = {sleeper, yielder, waiter, receiver, sender, locker, blocker};
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(kinds); i++) {
        struct async_mutex mutex = {.owner = (struct task *)(void *)&mutex}; /* somebody else's */
        struct async_chan *chan = async_chan_new(w->loop, 1);
        struct seen s = {.chan = chan, .mutex = &mutex};
        struct task *t = start(w, &s, 0, kinds[i]);

        if (kinds[i] == yielder) {
            task_cancel(t); /* before it ran */
        } else {
            async_loop_poll(w->loop);
            assert_int_equal(s.began, 1);
            assert_int_equal(s.done, 0);
            task_cancel(t);
            task_cancel(t);
            assert_int_equal(s.done, 0);
        }
        async_loop_run(w->loop);
        assert_int_equal(s.done, 1);
        assert_int_equal(s.unwound, 1);
        assert_int_equal(s.rc, TL_CANCELED);
        assert_null(mutex.first);
        async_chan_free(chan);
    }
}

struct slow_end {
    struct seen seen;
    struct async_wait *wait;
    int aborts;
    bool open;
};

static void begin_closing(struct async_wait *wait, enum tl_rc why)
{
    struct slow_end *e = wait->arg;

    assert_int_equal(why, TL_CANCELED);
    e->aborts++;
    e->wait = wait;
}

static enum tl_rc waits_for_a_handle(struct task *t, void *arg, struct tl_err *err)
{
    struct slow_end *e = arg;
    struct async_wait wait;
    enum tl_rc rc;

    e->open = true;
    async_wait_init(&wait, t, begin_closing, e);
    rc = async_wait(&wait, UINT64_MAX, err);
    assert_false(e->open);
    return rc;
}

static void a_cancelled_wait_returns_only_when_its_handle_is_closed(void **state)
{
    struct world *w = *state;
    struct slow_end e = {{0}, NULL, 0, false};
    struct task *t = start(w, &e.seen, 0, waits_for_a_handle);

    async_loop_poll(w->loop);
    task_cancel(t);
    async_loop_poll(w->loop);
    assert_int_equal(e.aborts, 1);
    assert_int_equal(e.seen.done, 0);
    task_cancel(t);
    async_loop_poll(w->loop);
    assert_int_equal(e.aborts, 1);
    e.open = false;
    async_wake(e.wait);
    async_loop_poll(w->loop);
    assert_int_equal(e.seen.done, 1);
    assert_int_equal(e.seen.rc, TL_CANCELED);
}

static void a_wake_that_came_before_the_cancel_wins_and_the_next_wait_is_cancelled(void **state)
{
    struct world *w = *state;
    struct seen s = {0};
    struct task *t = start(w, &s, 0, waiter);

    async_loop_poll(w->loop);
    async_wake(s.wait);
    task_cancel(t);
    async_loop_poll(w->loop);
    assert_int_equal(s.rc, TL_OK);
}

static enum tl_rc shielded(struct task *t, void *arg, struct tl_err *err)
{
    struct seen *s = arg;
    enum tl_rc rc = task_sleep_ms(t, 1000, err);

    task_shield_begin(t, after(s->w, 100));
    task_shield_begin(t, after(s->w, 1));
    task_shield_end(t);
    s->second = task_sleep_ms(t, 50, NULL);
    s->value = (int)task_sleep_ms(t, 1000, NULL); /* the shield's own deadline */
    task_shield_end(t);
    assert_int_equal(task_sleep_ms(t, 1, NULL), TL_CANCELED);
    assert_int_equal(task_check(t, NULL), TL_CANCELED);
    return rc;
}

static void a_shield_lets_a_clean_up_wait_up_to_its_deadline(void **state)
{
    struct world *w = *state;
    struct seen s = {0};
    struct task *t = start(w, &s, after(w, 500), shielded);

    async_loop_poll(w->loop);
    task_cancel(t);
    async_loop_poll(w->loop);
    assert_int_equal(s.done, 0);
    pass(w, 52);
    task_cancel(t);
    pass(w, 52);
    assert_int_equal(s.done, 1);
    assert_int_equal(s.second, TL_OK);
    assert_int_equal(s.value, TL_TIMEOUT);
    assert_int_equal(s.rc, TL_CANCELED);
}

static void shutdown_cancels_all_and_runs_until_none_is_left(void **state)
{
    struct world *w = *state;
    struct seen s[10] = {{0}};

    for (size_t i = 0; i < 10; i++)
        (void)start(w, &s[i], 0, i % 2 ? waiter : sleeper);
    async_loop_poll(w->loop);
    assert_true(async_loop_shutdown(w->loop, after(w, 1000)));
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(s[i].rc, TL_CANCELED);
}

static void ten_thousand_tasks_wait_at_once(void **state)
{
#ifdef __SANITIZE_THREAD__
    enum { N = 500 }; /* TSan keeps some megabytes a fiber */
#else
    enum { N = 10000 };
#endif
    struct world *w = *state;
    struct seen *s = tl_zalloc(N * sizeof *s);

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < N; i++)
            (void)start(w, &s[i], 0, sleeper);
        async_loop_poll(w->loop);
        assert_int_equal(async_loop_tasks(w->loop), N);
        pass(w, 1002);
        assert_int_equal(async_loop_tasks(w->loop), 0);
    }
    for (size_t i = 0; i < N; i++)
        assert_int_equal(s[i].unwound, 2);
    tl_free(s);
}

static void one_task_too_many_is_a_limit_error(void **state)
{
    struct async_loop *loop;
    struct seen s = {0};
    struct tl_err err = {0};

    (void)state;
    assert_int_equal(async_loop_new(1, NULL, &loop, NULL), TL_OK);
    assert_int_equal(task_start(loop, "one", 0, yielder, &s, on_done, NULL, &err), TL_OK);
    assert_int_equal(task_start(loop, "two", 0, yielder, &s, on_done, NULL, &err), TL_LIMIT);
    async_loop_run(loop);
    assert_int_equal(s.done, 1);
    async_loop_free(loop);
}

/* ---- channels and mutex ---- */

static enum tl_rc drain(struct task *t, void *arg, struct tl_err *err)
{
    struct seen *s = arg;
    void *item;
    enum tl_rc rc;

    while ((rc = async_chan_recv(t, s->chan, &item, err)) == TL_OK) {
        assert_int_equal(*(int *)item, s->value + 1);
        s->value++;
    }
    return rc;
}

static void a_full_channel_holds_its_sender_back_and_keeps_the_order(void **state)
{
    struct world *w = *state;
    struct async_chan *chan = async_chan_new(w->loop, 3);
    struct seen out = {.chan = chan}, in = {.chan = chan};

    (void)start(w, &out, 0, sender);
    async_loop_poll(w->loop);
    assert_int_equal(out.value, 3);
    assert_int_equal(out.done, 0);
    (void)start(w, &in, 0, drain);
    async_loop_poll(w->loop);
    assert_int_equal(out.value, 8);
    assert_int_equal(in.value, 8);
    async_chan_close(chan);
    async_loop_poll(w->loop);
    assert_int_equal(in.rc, TL_NOT_FOUND);
    assert_false(async_chan_try_send(chan, &items[0]));
    async_chan_free(chan);
}

static void a_closed_channel_gives_what_it_holds_and_turns_senders_away(void **state)
{
    struct world *w = *state;
    struct async_chan *chan = async_chan_new(w->loop, 2);
    struct seen out = {.chan = chan}, in = {.chan = chan};

    (void)start(w, &out, 0, sender);
    async_loop_poll(w->loop);
    async_chan_close(chan);
    async_loop_poll(w->loop);
    assert_int_equal(out.rc, TL_NOT_FOUND);
    (void)start(w, &in, 0, drain);
    async_loop_poll(w->loop);
    assert_int_equal(in.value, 2);
    assert_int_equal(in.rc, TL_NOT_FOUND);
    async_chan_free(chan);
}

static void an_item_handed_over_is_received_though_the_receiver_is_cancelled(void **state)
{
    struct world *w = *state;
    struct async_chan *chan = async_chan_new(w->loop, 1);
    struct seen in = {.chan = chan};
    struct task *t = start(w, &in, 0, receiver);

    async_loop_poll(w->loop);
    assert_true(async_chan_try_send(chan, &items[6]));
    task_cancel(t);
    async_loop_poll(w->loop);
    assert_int_equal(in.rc, TL_OK);
    assert_int_equal(in.value, 7);
    async_chan_free(chan);
}

static void a_mutex_goes_from_one_to_the_next_in_order(void **state)
{
    struct world *w = *state;
    struct async_mutex mutex = {0};
    struct seen s[4] = {{0}};
    struct task *second = NULL;

    for (size_t i = 0; i < 4; i++) {
        struct task *t;

        s[i].mutex = &mutex;
        t = start(w, &s[i], 0, locker);
        second = i == 1 ? t : second;
    }
    async_loop_poll(w->loop);
    task_cancel(second);
    pass(w, 12);
    assert_int_equal(s[0].rc, TL_OK);
    assert_int_equal(s[1].rc, TL_CANCELED);
    assert_int_equal(s[2].done, 0);
    pass(w, 12);
    assert_int_equal(s[2].done, 1);
    assert_int_equal(s[3].done, 0);
    pass(w, 12);
    assert_int_equal(s[3].done, 1);
    assert_null(mutex.owner);
}

/* ---- threads ---- */

struct posted {
    struct order *order;
    int thread, number;
};

struct order {
    struct async_loop *loop;
    int last[4], total;
    bool in_order;
};

static void arrive(void *arg)
{
    struct posted *p = arg;
    struct order *o = p->order;

    if (p->number != o->last[p->thread] + 1)
        o->in_order = false;
    o->last[p->thread] = p->number;
    if (++o->total == 4 * 5000)
        async_loop_stop(o->loop);
    tl_free(p);
}

struct poster {
    struct order *order;
    int thread;
};

static void *post_many(void *arg)
{
    struct poster *who = arg;

    for (int i = 1; i <= 5000; i++) {
        struct posted *p = tl_alloc(sizeof *p);

        *p = (struct posted){who->order, who->thread, i};
        async_loop_post(who->order->loop, arrive, p);
    }
    return NULL;
}

static void posts_of_four_threads_arrive_all_and_in_the_order_of_each(void **state)
{
    struct order order = {.in_order = true};
    struct poster posters[4];
    pthread_t threads[4];

    (void)state;
    assert_int_equal(async_loop_new(1, NULL, &order.loop, NULL), TL_OK);
    async_loop_keep(order.loop, true);
    for (int i = 0; i < 4; i++) {
        posters[i] = (struct poster){&order, i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    async_loop_run(order.loop);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(order.total, 4 * 5000);
    assert_true(order.in_order);
    async_loop_free(order.loop);
}

static enum tl_rc works(struct task *t, void *arg, struct tl_err *err)
{
    struct seen *s = arg;
    enum tl_rc rc = TL_OK;

    for (int i = 0; rc == TL_OK && i < 5; i++)
        rc = task_blocking(t, work_briefly, s, NULL, err);
    return rc;
}

static void blocking_work_is_done_on_a_thread_and_waited_for(void **state)
{
    struct world *w = *state;
    struct seen s = {0};

    (void)start(w, &s, 0, works);
    async_loop_run(w->loop);
    assert_int_equal(s.rc, TL_OK);
    assert_int_equal(s.value, 5);
}

struct left {
    struct seen seen;
    _Atomic int began, gate;
    int dropped;
};

static void work_until_told(void *arg);

static enum tl_rc works_long(struct task *t, void *arg, struct tl_err *err)
{
    return task_blocking_long(t, work_until_told, arg, err);
}

static void of_work_that_takes_long_so_much_runs_at_once_and_what_stands_in_line_can_be_cancelled(void **state)
{
    struct world *w = *state;
    struct left l[4] = {0};
    struct seen quick = {0};
    struct task *t[4];

    async_loop_set_long(w->loop, 1);
    for (size_t i = 0; i < TL_COUNT(l); i++)
        t[i] = start(w, &l[i].seen, 0, works_long);
    async_loop_poll(w->loop);
    while (!l[0].began)
        usleep(500);
    (void)start(w, &quick, 0, works); /* it does not stand behind them */
    while (!quick.done)
        async_loop_poll(w->loop);
    assert_int_equal(l[1].began + l[2].began + l[3].began, 0);
    task_cancel(t[1]);
    async_loop_poll(w->loop);
    assert_int_equal(l[1].seen.rc, TL_CANCELED);
    assert_int_equal(l[1].seen.done, 1);
    l[0].gate = l[2].gate = l[3].gate = 1;
    async_loop_run(w->loop);
    assert_int_equal(l[1].began, 0);
    for (size_t i = 0; i < TL_COUNT(l); i++)
        if (i != 1)
            assert_int_equal(l[i].seen.rc, TL_OK);
    assert_int_equal(l[0].began + l[2].began + l[3].began, 3);
}

static void work_until_told(void *arg)
{
    struct left *l = arg;

    l->began = 1;
    while (!l->gate)
        usleep(500);
}

static void dropped(void *arg)
{
    struct left *l = arg;

    l->dropped++;
}

static enum tl_rc leaves(struct task *t, void *arg, struct tl_err *err)
{
    return task_blocking(t, work_until_told, arg, dropped, err);
}

static void abandoned_work_is_dropped_on_the_loop_when_it_has_ended(void **state)
{
    struct world *w = *state;
    struct left l = {{0}, 0, 0, 0};
    struct task *t = start(w, &l.seen, 0, leaves);

    async_loop_poll(w->loop);
    while (!l.began)
        usleep(500);
    task_cancel(t);
    async_loop_poll(w->loop);
    assert_int_equal(l.seen.rc, TL_CANCELED);
    assert_int_equal(l.dropped, 0);
    l.gate = 1;
    async_loop_run(w->loop);
    assert_int_equal(l.dropped, 1);
}

static void wake_from_uv(uv_timer_t *h)
{
    struct seen *s = h->data;

    async_wake(s->wait);
    uv_close((uv_handle_t *)h, NULL);
}

static void a_task_woken_by_a_timer_of_libuv_runs_before_the_loop_waits_again(void **state)
{
    struct world *w = *state;
    struct seen s = {0};
    uv_timer_t timer;

    (void)start(w, &s, 0, waiter);
    async_loop_poll(w->loop);
    (void)uv_timer_init(async_loop_uv(w->loop), &timer);
    timer.data = &s;
    (void)uv_timer_start(&timer, wake_from_uv, 0, 0);
    async_loop_run(w->loop);
    assert_int_equal(s.rc, TL_OK);
}

/* ---- stacks ---- */

static __attribute__((noinline)) size_t use_stack(size_t bytes)
{
    volatile char page[4000];
    size_t sum;

    memset((void *)(uintptr_t)page, 7, sizeof page);
    if (bytes <= sizeof page)
        return (size_t)page[17];
    sum = use_stack(bytes - sizeof page);
    return sum + (size_t)page[18];
}

static enum tl_rc uses_50_kb(struct task *t, void *arg, struct tl_err *err)
{
    struct seen *s = arg;

    s->value = (int)use_stack(50 * 1024);
    return task_yield(t, err);
}

static void fifty_kilobytes_of_stack_can_be_used(void **state)
{
    struct world *w = *state;
    struct seen s = {0};

    (void)start(w, &s, 0, uses_50_kb);
    async_loop_run(w->loop);
    assert_int_equal(s.rc, TL_OK);
    assert_int_equal(s.value, 13 * 7);
}

static void use_a_megabyte(void *arg)
{
    struct seen *s = arg;

    s->value = (int)use_stack(1024 * 1024);
}

static enum tl_rc goes_to_the_main_stack(struct task *t, void *arg, struct tl_err *err)
{
    task_on_main_stack(t, use_a_megabyte, arg);
    return task_yield(t, err);
}

static void deep_work_runs_on_the_main_stack(void **state)
{
    struct world *w = *state;
    struct seen s = {0};

    (void)start(w, &s, 0, goes_to_the_main_stack);
    async_loop_run(w->loop);
    assert_int_equal(s.rc, TL_OK);
    assert_true(s.value > 1000);
}

static enum tl_rc overflows(struct task *t, void *arg, struct tl_err *err)
{
    (void)t;
    (void)err;
    *(volatile size_t *)arg = use_stack(1024 * 1024);
    return TL_OK;
}

static int be_the_child(void)
{
    struct async_loop *loop;
    size_t sum = 0;

    if (async_loop_new(1, NULL, &loop, NULL) != TL_OK ||
        task_start(loop, "deep", 0, overflows, &sum, NULL, NULL, NULL) != TL_OK)
        return 2;
    async_loop_run(loop);
    return 0; /* nothing stopped it */
}

static void running_over_the_end_of_a_stack_hits_the_guard(void **state)
{
    char *const argv[] = {(char[]){"async_test"}, (char[]){"overflow"}, NULL};
    char *const envp[] = {(char[]){"ASAN_OPTIONS=handle_segv=0"}, (char[]){"TSAN_OPTIONS=handle_segv=0"}, NULL};
    pid_t pid = fork();
    int status = 0;

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)execve("/proc/self/exe", argv, envp);
        _exit(3);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static enum tl_rc sets_rounding(struct task *t, void *arg, struct tl_err *err)
{
    volatile double one = 1, three = 3, third = one / three, x[4] = {1.5, 2.5, 3.5, 4.5};
    enum tl_rc rc = task_yield(t, err);

    *(double *)arg = x[0] + x[1] + x[2] + x[3] + (third == one / three ? 0 : 1);
    return rc;
}

static void floating_point_values_survive_a_switch(void **state)
{
    struct world *w = *state;
    double sums[3] = {0};

    for (size_t i = 0; i < 3; i++)
        assert_int_equal(task_start(w->loop, "fp", 0, sets_rounding, &sums[i], NULL, NULL, NULL), TL_OK);
    async_loop_run(w->loop);
    for (size_t i = 0; i < 3; i++)
        assert_true(sums[i] == 12.0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(running_over_the_end_of_a_stack_hits_the_guard),
        T(a_task_first_runs_from_the_loop_not_from_the_start),
        T(a_deadline_ends_a_sleep_with_a_time_out),
        T(a_narrowed_deadline_binds_until_it_is_restored),
        T(cancelling_at_each_kind_of_wait_unwinds_once),
        T(a_cancelled_wait_returns_only_when_its_handle_is_closed),
        T(a_wake_that_came_before_the_cancel_wins_and_the_next_wait_is_cancelled),
        T(a_shield_lets_a_clean_up_wait_up_to_its_deadline),
        T(shutdown_cancels_all_and_runs_until_none_is_left),
        T(ten_thousand_tasks_wait_at_once),
        T(one_task_too_many_is_a_limit_error),
        T(a_full_channel_holds_its_sender_back_and_keeps_the_order),
        T(a_closed_channel_gives_what_it_holds_and_turns_senders_away),
        T(an_item_handed_over_is_received_though_the_receiver_is_cancelled),
        T(a_mutex_goes_from_one_to_the_next_in_order),
        T(posts_of_four_threads_arrive_all_and_in_the_order_of_each),
        T(blocking_work_is_done_on_a_thread_and_waited_for),
        T(of_work_that_takes_long_so_much_runs_at_once_and_what_stands_in_line_can_be_cancelled),
        T(abandoned_work_is_dropped_on_the_loop_when_it_has_ended),
        T(a_task_woken_by_a_timer_of_libuv_runs_before_the_loop_waits_again),
        T(fifty_kilobytes_of_stack_can_be_used),
        T(deep_work_runs_on_the_main_stack),
        T(floating_point_values_survive_a_switch),
    };

    if (argc == 2 && strcmp(argv[1], "overflow") == 0)
        return be_the_child();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
