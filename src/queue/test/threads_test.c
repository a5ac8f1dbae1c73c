/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger with its own thread: producers, runners and readers at once. Meant
 * for the thread sanitizer. */
#include "help.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define PRODUCERS 4
#define EACH 200

struct party {
    struct queue *q;
    uint32_t flow;
    atomic_int done, left;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct queue_work *works;
    atomic_bool stop;
    atomic_int running[8]; /* by key */
    atomic_int clashes;
};

static void on_dispatch(void *arg, unsigned loop, struct queue_work *first)
{
    struct party *p = arg;
    struct queue_work *last = first;

    (void)loop;
    while (last->next)
        last = last->next;
    (void)pthread_mutex_lock(&p->lock);
    last->next = p->works;
    p->works = first;
    (void)pthread_cond_broadcast(&p->more);
    (void)pthread_mutex_unlock(&p->lock);
}

static void *runner(void *arg)
{
    struct party *p = arg;

    for (;;) {
        struct queue_work *w;
        int key;

        (void)pthread_mutex_lock(&p->lock);
        while (!p->works && !atomic_load(&p->stop))
            (void)pthread_cond_wait(&p->more, &p->lock);
        w = p->works;
        if (w)
            p->works = w->next;
        (void)pthread_mutex_unlock(&p->lock);
        if (!w)
            return NULL;
        key = w->claims[0].order_by.p[0] - '0';
        if (atomic_fetch_add(&p->running[key], 1) != 0)
            atomic_fetch_add(&p->clashes, 1);
        w->claims[0].outcome =
            (struct queue_outcome){.end = QUEUE_END_DONE, .text = TL_SV("ok"), .answer = tl_sv(w->claims[0].body.p, 1)};
        atomic_fetch_sub(&p->running[key], 1);
        atomic_fetch_add(&p->done, 1);
        queue_finish(p->q, w);
    }
}

static void *producer(void *arg)
{
    struct party *p = arg;
    char key[8];

    for (int i = 0; i < EACH; i++) {
        struct queue_put put = {.flow = p->flow, .meta = TL_SV("{}"), .body = TL_SV("body")};
        struct tl_err err;

        (void)snprintf(key, sizeof(key), "%d", i % 8);
        put.order_by = tl_sv_str(key);
        if (queue_put(p->q, NULL, &put, &err) != TL_OK)
            break;
    }
    atomic_fetch_sub(&p->left, 1);
    return NULL;
}

static void *watcher(void *arg)
{
    struct party *p = arg;
    struct queue_reader *r = NULL;
    struct tl_err err;

    if (queue_reader_open(p->q, &r, &err) != TL_OK)
        return NULL;
    while (!atomic_load(&p->stop)) {
        struct tl_arena *arena = tl_arena_new(1u << 22);
        struct queue_filter f = {0};
        struct queue_page page;
        struct queue_stat stat;

        if (queue_list(r, arena, &f, 0, 20, &page, &err) != TL_OK ||
            queue_stats(p->q, NULL, arena, &stat, &err) != TL_OK)
            atomic_fetch_add(&p->clashes, 1000);
        tl_arena_free(arena);
        (void)usleep(1000);
    }
    queue_reader_close(r);
    return NULL;
}

static void producers_runners_and_a_reader_share_a_ledger(void **state)
{
    struct bench *b = tl_zalloc(sizeof(*b));
    struct party p = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};
    struct queue_options o = {.n_loops = 2, .dispatch = on_dispatch, .arg = &p};
    pthread_t t[PRODUCERS + 3];
    struct tl_err err;

    (void)state;
    help_init(b);
    o.path = b->dir;
    atomic_store(&p.left, PRODUCERS);
    assert_int_equal(queue_open(&o, &p.q, &err), TL_OK);
    b->targets[0].idempotent = false;
    assert_int_equal(queue_configure(p.q, NULL, &b->config, false, NULL, &err), TL_OK);
    p.flow = b->flows[0].ret_id;
    for (int i = 0; i < PRODUCERS + 3; i++)
        assert_int_equal(pthread_create(&t[i], NULL,
                                        i < PRODUCERS       ? producer
                                        : i < PRODUCERS + 2 ? runner
                                                            : watcher,
                                        &p),
                         0);
    while (atomic_load(&p.left) > 0 || atomic_load(&p.done) < PRODUCERS * EACH)
        (void)usleep(1000);
    while (queue_works_out(p.q) > 0)
        (void)usleep(1000);
    (void)pthread_mutex_lock(&p.lock);
    atomic_store(&p.stop, true);
    (void)pthread_cond_broadcast(&p.more);
    (void)pthread_mutex_unlock(&p.lock);
    for (int i = 0; i < PRODUCERS + 3; i++)
        (void)pthread_join(t[i], NULL);
    assert_int_equal(atomic_load(&p.done), PRODUCERS * EACH);
    assert_int_equal(atomic_load(&p.clashes), 0);
    queue_close(p.q);
    help_done(b);
    tl_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(producers_runners_and_a_reader_share_a_ledger),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
