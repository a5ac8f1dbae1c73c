/* SPDX-License-Identifier: Apache-2.0 */
/* What a switch, a task, a timer and a post cost. Prints nanoseconds. */
#include <pthread.h>
#include <stdio.h>

#include "async/async.h"

enum { YIELDS = 5000000, TASKS = 2000000, POSTS = 2000000, TIMERS = 5000000 };

static struct async_loop *loop;

static void report(const char *what, uint64_t begin, uint64_t count)
{
    (void)printf("%-40s %8.1f ns\n", what, (double)(async_loop_now(loop) - begin) / (double)count);
}

static enum tl_rc yields(struct task *t, void *arg, struct tl_err *err)
{
    for (size_t i = 0; i < *(size_t *)arg; i++) {
        enum tl_rc rc = task_yield(t, err);

        if (rc != TL_OK)
            return rc;
    }
    return TL_OK;
}

static enum tl_rc nothing(struct task *t, void *arg, struct tl_err *err)
{
    (void)t;
    (void)err;
    ++*(size_t *)arg;
    return TL_OK;
}

static void bench_switch(size_t tasks)
{
    size_t each = YIELDS / tasks;
    uint64_t begin = async_loop_now(loop);
    char what[64];

    for (size_t i = 0; i < tasks; i++)
        if (task_start(loop, "yields", 0, yields, &each, NULL, NULL, NULL) != TL_OK)
            return;
    async_loop_run(loop);
    (void)snprintf(what, sizeof what, "yield (two switches), %zu tasks", tasks);
    report(what, begin, YIELDS);
}

static void bench_tasks(void)
{
    uint64_t begin = async_loop_now(loop);
    size_t ran = 0;

    while (ran < TASKS) {
        for (size_t i = 0; i < 100; i++)
            if (task_start(loop, "nothing", 0, nothing, &ran, NULL, NULL, NULL) != TL_OK)
                return;
        async_loop_run(loop);
    }
    report("start, run and end a task", begin, TASKS);
}

static void ignore(struct async_timer *t)
{
    (void)t;
}

static void bench_timers(void)
{
    struct async_timer timers[64];
    uint64_t begin = async_loop_now(loop);

    for (size_t i = 0; i < TL_COUNT(timers); i++)
        async_timer_init(&timers[i], loop, ignore);
    for (uint64_t i = 0; i < TIMERS; i++)
        async_timer_set(&timers[i % TL_COUNT(timers)], begin + 30000000000 + i * 1000);
    report("re-arm a timer", begin, TIMERS);
    for (size_t i = 0; i < TL_COUNT(timers); i++)
        async_timer_stop(&timers[i]);
}

static void count_post(void *arg)
{
    size_t *n = arg;

    if (++*n == POSTS)
        async_loop_stop(loop);
}

static void *post(void *arg)
{
    for (size_t i = 0; i < POSTS; i++)
        async_loop_post(loop, count_post, arg);
    return NULL;
}

static void bench_posts(void)
{
    uint64_t begin = async_loop_now(loop);
    pthread_t thread;
    size_t n = 0;

    async_loop_keep(loop, true);
    if (pthread_create(&thread, NULL, post, &n) != 0)
        return;
    async_loop_run(loop);
    (void)pthread_join(thread, NULL);
    async_loop_keep(loop, false);
    report("post from another thread", begin, POSTS);
}

int main(void)
{
    if (async_loop_new(20000, NULL, &loop, NULL) != TL_OK)
        return 1;
    bench_switch(2);
    bench_switch(10000);
    bench_tasks();
    bench_timers();
    bench_posts();
    async_loop_free(loop);
    return 0;
}
