/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger with its own thread and its log's mover loses power while several put and another one delivers: what was
 * acknowledged is there. Meant for the thread sanitizer too. POWERCUT_SEED=n runs it with other numbers.
 */
#include "help.h"

#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "powercut_file.h"
#include "powercut_vfs.h"

#define CUTS 60
#define PRODUCERS 3
#define EACH 80 /* puts of a producer between two cuts, at most */
#define BODY_MOST 4000

struct acked {
    uint64_t id;
    int number; /* its key and its body */
};
struct party;
struct producer {
    struct party *p;
    pthread_t thread;
    int which, round;
    struct acked acked[CUTS * EACH];
    size_t n, checked;
};
struct party {
    struct bench b;
    struct queue *q;
    uint64_t seed, dice;
    struct producer producers[PRODUCERS];
    pthread_t runner;
    pthread_mutex_t lock; /* of works and stop */
    pthread_cond_t more;
    struct queue_work *works;
    bool stop;
    atomic_size_t acked, delivered, ended, fatal;
    char body[BODY_MOST], path[96], copy[96];
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

static void on_fatal(void *arg, const struct tl_err *err)
{
    struct party *p = arg;

    (void)err;
    atomic_fetch_add(&p->fatal, 1);
}

static bool on_disk(void *arg, uint64_t *ret_free, uint64_t *ret_total)
{
    (void)arg;
    *ret_total = 100ull << 30;
    *ret_free = 50ull << 30;
    return true;
}

static void *run(void *arg)
{
    struct party *p = arg;

    for (;;) {
        struct queue_work *w;

        (void)pthread_mutex_lock(&p->lock);
        while (!p->works && !p->stop)
            (void)pthread_cond_wait(&p->more, &p->lock);
        w = p->stop ? NULL : p->works;
        if (w)
            p->works = w->next;
        (void)pthread_mutex_unlock(&p->lock);
        if (!w)
            return NULL;
        w->claims[0].outcome.end = QUEUE_END_DONE;
        atomic_fetch_add(&p->delivered, 1);
        queue_finish(p->q, w);
    }
}

static enum tl_rc put(struct party *p, int number, uint64_t *ret_id, bool *ret_duplicate)
{
    char key[32], order[8];
    struct queue_put put = {.flow = p->b.flows[0].ret_id, .source = TL_SV("s"), .meta = TL_SV("{}")};
    struct tl_err err;
    enum tl_rc rc;

    (void)snprintf(key, sizeof(key), "k%d", number);
    (void)snprintf(order, sizeof(order), "%d", number % 8);
    put.key = tl_sv_str(key);
    put.order_by = tl_sv_str(order);
    put.body = tl_sv(p->body, 1 + (size_t)number * 7919 % (BODY_MOST - 1));
    rc = queue_put(p->q, NULL, &put, &err);
    *ret_id = put.ret_event;
    *ret_duplicate = put.ret_duplicate;
    return rc;
}

static void *produce(void *arg)
{
    struct producer *r = arg;
    bool dup;

    for (int i = 0; i < EACH; i++) {
        struct acked *a = &r->acked[r->n];

        a->number = (r->round * EACH + i) * PRODUCERS + r->which;
        if (put(r->p, a->number, &a->id, &dup) != TL_OK)
            break;
        r->n++;
        atomic_fetch_add(&r->p->acked, 1);
    }
    atomic_fetch_add(&r->p->ended, 1);
    return NULL;
}

static void open_ledger(struct party *p)
{
    struct queue_options o = {.path = p->b.dir,
                              .n_loops = 1,
                              .key_generation = 64,
                              .line_generation = 64,
                              .vfs = POWERCUT_VFS,
                              .dispatch = on_dispatch,
                              .fatal = on_fatal,
                              .disk_free = on_disk,
                              .arg = p};
    struct tl_err err;

    if (queue_open(&o, &p->q, &err) != TL_OK || queue_configure(p->q, NULL, &p->b.config, false, NULL, &err) != TL_OK)
        fail_msg("POWERCUT_SEED=%llu: %s", (unsigned long long)p->seed, err.text);
}

/* Of a copy: opening and closing the ledger itself would move its log. */
static void is_whole(const struct party *p)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;

    powercut_copy(p->path, p->copy, 0);
    assert_int_equal(sqlite3_open_v2(p->copy, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, POWERCUT_VFS),
                     SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    if (strcmp((const char *)sqlite3_column_text(st, 0), "ok") != 0)
        fail_msg("POWERCUT_SEED=%llu: %s", (unsigned long long)p->seed, (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void check(struct party *p, bool all)
{
    for (size_t k = 0; k < PRODUCERS; k++) {
        struct producer *r = &p->producers[k];

        for (size_t i = all ? 0 : r->checked; i < r->n; i++) {
            uint64_t id = 0;
            bool dup = false;

            if (put(p, r->acked[i].number, &id, &dup) != TL_OK || !dup || id != r->acked[i].id)
                fail_msg("POWERCUT_SEED=%llu, round %d: event %llu was acknowledged and is not there",
                         (unsigned long long)p->seed, r->round, (unsigned long long)r->acked[i].id);
        }
        r->checked = r->n;
    }
}

/* At some write or sync, or at whatever moment the thread that looks on wants it. True: not after all had ended. */
static bool work_until_a_cut(struct party *p, int round)
{
    size_t at = atomic_load(&p->acked) + powercut_roll(&p->dice) % (PRODUCERS * EACH);
    bool under_load;

    atomic_store(&p->ended, 0);
    powercut_at(round % 2 ? 1 + powercut_roll(&p->dice) % 1500 : 0);
    for (int k = 0; k < PRODUCERS; k++) {
        p->producers[k].round = round;
        assert_int_equal(pthread_create(&p->producers[k].thread, NULL, produce, &p->producers[k]), 0);
    }
    while (round % 2 == 0 && atomic_load(&p->acked) < at && atomic_load(&p->ended) < PRODUCERS)
        (void)sched_yield();
    if (round % 2 == 0)
        powercut_now();
    for (int k = 0; k < PRODUCERS; k++)
        (void)pthread_join(p->producers[k].thread, NULL);
    under_load = powercut_is_off() && atomic_load(&p->fatal) > 0;
    powercut_now();
    return under_load;
}

static void stop(struct party *p)
{
    (void)pthread_mutex_lock(&p->lock);
    p->stop = true;
    (void)pthread_cond_broadcast(&p->more);
    (void)pthread_mutex_unlock(&p->lock);
    (void)pthread_join(p->runner, NULL);
    queue_close(p->q);
    p->q = NULL;
    p->works = NULL;
    p->stop = false;
}

/* Pages of 512 bytes, so that the log is moved every few hundred events; a store that is there keeps its size. */
static void make_small_pages(const struct party *p)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open_v2(p->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, POWERCUT_VFS),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA page_size=512; PRAGMA journal_mode=WAL", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void after_power_cuts_under_all_threads_every_acknowledged_event_is_there(void **state)
{
    struct party *p = tl_zalloc(sizeof(*p));
    const char *seed = getenv("POWERCUT_SEED");
    size_t under_load = 0, moving = 0;

    (void)state;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->more, NULL);
    help_init(&p->b);
    (void)snprintf(p->path, sizeof(p->path), "%s/ledger.db", p->b.dir);
    (void)snprintf(p->copy, sizeof(p->copy), "%s/copy.db", p->b.dir);
    memset(p->body, 'x', sizeof(p->body));
    p->seed = p->dice = seed ? strtoull(seed, NULL, 10) : 1;
    powercut_register();
    make_small_pages(p);
    for (int k = 0; k < PRODUCERS; k++) {
        p->producers[k].p = p;
        p->producers[k].which = k;
    }
    for (int round = 0; round <= CUTS; round++) {
        atomic_store(&p->fatal, 0);
        is_whole(p);
        open_ledger(p);
        assert_int_equal(pthread_create(&p->runner, NULL, run, p), 0);
        check(p, round == CUTS);
        if (round < CUTS)
            under_load += work_until_a_cut(p, round);
        moving += powercut_unsynced(p->path) > 0;
        stop(p);
        if (round < CUTS)
            powercut_on(round % 5 ? powercut_roll(&p->dice) : 0);
    }
    print_message("%zu acknowledged, %zu delivered, %zu cuts under load, %zu with half a move\n",
                  atomic_load(&p->acked), atomic_load(&p->delivered), under_load, moving);
    assert_true(under_load > CUTS / 3 && moving > 2);
    assert_true(atomic_load(&p->acked) > CUTS * 10 && atomic_load(&p->delivered) > CUTS);
    powercut_forget();
    help_done(&p->b);
    (void)pthread_mutex_destroy(&p->lock);
    (void)pthread_cond_destroy(&p->more);
    tl_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_power_cuts_under_all_threads_every_acknowledged_event_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
