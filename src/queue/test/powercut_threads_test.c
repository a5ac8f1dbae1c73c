/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store whose log is moved into the file on a thread beside the writer: power cuts, failing writes and syncs, a full
 * disk, while both are at work. Meant for the thread sanitizer too. POWERCUT_SEED=n runs it with other numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "powercut_file.h"
#include "powercut_vfs.h"
#include "store/store.h"

#define CUTS 200
#define COPIES 60
#define FAULTS 80
#define KEPT                                                                                                           \
    100 /* rows: each transaction removes what is older, so that pages of the file are written again and again */
#define BODY_MOST 16000

/* Pages of 512 bytes, so that the log is moved every few hundred transactions; a store that is there keeps its size. */
static const char schema[] = "PRAGMA page_size=512; PRAGMA journal_mode=WAL;"
                             "CREATE TABLE a(n INTEGER PRIMARY KEY, body BLOB);"
                             "CREATE TABLE b(n INTEGER PRIMARY KEY, mark INTEGER); CREATE INDEX b_mark ON b(mark);"
                             "PRAGMA application_id=5; PRAGMA user_version=1";
static const struct store_migration steps[] = {{1, "SELECT 1"}};
static const char *const changes[] = {"INSERT INTO a VALUES(?1, ?2)", "INSERT INTO b VALUES(?1, ?2)",
                                      "DELETE FROM a WHERE n<=?1", "DELETE FROM b WHERE n<=?1"};

struct stage {
    char dir[64], path[96], copy[96];
    uint64_t seed, dice;
    int round;
    struct store *s;
    struct store_stmt *st[TL_COUNT(changes)];
    pthread_t thread; /* the writer */
    bool running;
    atomic_uint_fast64_t begun, acked; /* numbers of transactions */
    atomic_uint_fast64_t until;        /* the writer ends after it */
    atomic_bool ended;
    bool patient; /* the writer: no space is no reason to end */
    enum tl_rc rc;
    uint64_t full;                                    /* the writer: how often it heard of no space */
    _Atomic(uint64_t) anew;                           /* how often the log began anew */
    struct tl_err err;                                /* of rc */
    unsigned char body[BODY_MOST], wanted[BODY_MOST]; /* the writer's; the checker's */
};

/* ---- what is written ---- */
static uint64_t mark_of(uint64_t n, uint64_t i)
{
    uint64_t dice = n * 1000003 + i;

    return powercut_roll(&dice) >> 1;
}

static size_t make_body(uint64_t n, unsigned char *p)
{
    uint64_t mark = mark_of(n, 0);
    size_t size = (size_t)(mark % 8 ? mark % 600 : mark % BODY_MOST), i;

    for (i = 0; i + 8 <= size; i += 8) {
        mark = mark_of(n, i);
        memcpy(p + i, &mark, 8);
    }
    memset(p + i, (int)n, size - i);
    return size;
}

static enum tl_rc put_one(struct stage *g, uint64_t n, struct tl_err *err)
{
    size_t size = make_body(n, g->body);
    int64_t old = (int64_t)n - KEPT;
    const struct store_val a[] = {store_u64(n), store_blob(tl_sv((const char *)g->body, size))},
                           b[] = {store_u64(n), store_u64(mark_of(n, 1))}, gone[] = {store_int(old)};
    enum tl_rc rc = store_begin(g->s, err);

    if (rc == TL_OK)
        rc = store_run(g->st[0], a, 2, NULL, err);
    if (rc == TL_OK)
        rc = store_run(g->st[1], b, 2, NULL, err);
    if (rc == TL_OK)
        rc = store_run(g->st[2], gone, 1, NULL, err);
    if (rc == TL_OK)
        rc = store_run(g->st[3], gone, 1, NULL, err);
    if (rc == TL_OK)
        rc = store_commit(g->s, err);
    for (size_t i = 0; i < TL_COUNT(g->st); i++)
        store_reset(g->st[i]);
    if (rc != TL_OK)
        store_rollback(g->s);
    return rc;
}

static bool goes_on(struct stage *g, enum tl_rc rc, const struct tl_err *err)
{
    if (rc == TL_FULL)
        g->full++;
    if (rc == TL_OK || (rc == TL_FULL && g->patient))
        return true;
    g->rc = rc;
    g->err = *err;
    return false;
}

static void *writer(void *arg)
{
    struct stage *g = arg;
    uint64_t n = atomic_load(&g->acked) + 1, pages = store_log_pages(g->s);
    struct tl_err err = {0};
    bool on = true;

    while (on && n <= atomic_load(&g->until)) {
        enum tl_rc rc;

        atomic_store(&g->begun, n);
        rc = put_one(g, n, &err);
        if (rc == TL_OK) {
            atomic_store(&g->acked, n++);
            g->anew += store_log_pages(g->s) < pages;
            pages = store_log_pages(g->s);
        }
        if (rc == TL_FULL)
            powercut_full(0); /* somebody made room */
        on = goes_on(g, rc, &err) && goes_on(g, store_maintain(g->s, false, &err), &err);
    }
    if (on) /* hears what the mover heard last */
        (void)goes_on(g, store_maintain(g->s, true, &err), &err);
    atomic_store(&g->ended, true);
    return NULL;
}

static void start_writer(struct stage *g)
{
    assert_int_equal(pthread_create(&g->thread, NULL, writer, g), 0);
    g->running = true;
}

static void join_writer(struct stage *g)
{
    (void)pthread_join(g->thread, NULL);
    g->running = false;
}

/* ---- what is there ---- */
#define BAD(g, ...)                                                                                                    \
    do {                                                                                                               \
        print_message("POWERCUT_SEED=%llu, round %d:\n", (unsigned long long)(g)->seed, (g)->round);                   \
        fail_msg(__VA_ARGS__);                                                                                         \
    } while (0)

static struct store_stmt *query(struct stage *g, struct store *s, const char *sql)
{
    struct store_stmt *st = NULL;
    struct tl_err err;

    if (store_prepare(s, sql, &st, &err) != TL_OK || store_query(st, NULL, 0, &err) != TL_OK)
        BAD(g, "%s: %s", sql, err.text);
    return st;
}

static bool next(struct stage *g, struct store_stmt *st, struct store_val *row, size_t n)
{
    struct tl_err err;
    bool there = false;

    if (store_next(st, row, n, &there, &err) != TL_OK)
        BAD(g, "reading: %s", err.text);
    return there;
}

static void is_whole(struct stage *g, struct store *s)
{
    struct store_stmt *st = query(g, s, "PRAGMA integrity_check");
    struct store_val text;

    assert_true(next(g, st, &text, 1));
    if (!tl_sv_eq(text.s, TL_SV("ok")))
        BAD(g, "integrity check: %.*s", TL_SV_ARG(text.s));
    store_stmt_free(st);
}

/* All that transactions up to some number left, nothing else, and that number is at least `acked` and at most `begun`.
 */
static uint64_t is_right(struct stage *g, struct store *s, uint64_t acked, uint64_t begun)
{
    struct store_stmt *st;
    struct store_val row[4];
    uint64_t first = 0, last = 0;

    is_whole(g, s);
    st = query(g, s, "SELECT a.n, a.body, b.mark, (SELECT count(*) FROM b) FROM a LEFT JOIN b ON a.n=b.n ORDER BY a.n");
    while (next(g, st, row, 4)) {
        uint64_t n = (uint64_t)row[0].i;
        size_t size = make_body(n, g->wanted);

        first = first ? first : n;
        if (last && n != last + 1)
            BAD(g, "after %llu comes %llu", (unsigned long long)last, (unsigned long long)n);
        last = n;
        if (row[1].s.n != size || (size && memcmp(row[1].s.p, g->wanted, size) != 0) ||
            (uint64_t)row[2].i != mark_of(n, 1))
            BAD(g, "%llu is not what was written", (unsigned long long)n);
    }
    if (last && (uint64_t)row[3].i != last - first + 1)
        BAD(g, "half a transaction: %lld marks of %llu to %llu", (long long)row[3].i, (unsigned long long)first,
            (unsigned long long)last);
    if (first != (last > KEPT ? last - KEPT + 1 : last > 0) || last < acked || last > begun)
        BAD(g, "%llu to %llu are there; %llu was acknowledged and %llu begun", (unsigned long long)first,
            (unsigned long long)last, (unsigned long long)acked, (unsigned long long)begun);
    store_stmt_free(st);
    return last;
}

/* ---- opening and closing ---- */
static enum tl_rc open_store(const char *path, struct store **ret_store, struct tl_err *err)
{
    const struct store_options o = {.path = path,
                                    .vfs = POWERCUT_VFS,
                                    .background = true,
                                    .busy_ms = 5000,
                                    .application_id = 5,
                                    .migrations = steps,
                                    .n_migrations = TL_COUNT(steps)};

    return store_open(&o, ret_store, err);
}

/* Looks at what is there; the writer goes on after it. */
static void begin(struct stage *g)
{
    struct tl_err err;
    uint64_t last;

    if (open_store(g->path, &g->s, &err) != TL_OK)
        BAD(g, "opening: %s", err.text);
    for (size_t i = 0; i < TL_COUNT(changes); i++)
        assert_int_equal(store_prepare(g->s, changes[i], &g->st[i], &err), TL_OK);
    last = is_right(g, g->s, atomic_load(&g->acked), atomic_load(&g->begun));
    atomic_store(&g->acked, last);
    atomic_store(&g->begun, last);
    atomic_store(&g->ended, false);
    g->rc = TL_OK;
    g->err.text[0] = '\0';
    g->full = 0;
}

static void end(struct stage *g)
{
    for (size_t i = 0; i < TL_COUNT(changes); i++) {
        store_stmt_free(g->st[i]);
        g->st[i] = NULL;
    }
    store_close(g->s);
    g->s = NULL;
}

static int setup(void **state)
{
    struct stage *g = tl_zalloc(sizeof(*g));
    const char *seed = getenv("POWERCUT_SEED");
    sqlite3 *db = NULL;

    (void)snprintf(g->dir, sizeof(g->dir), "/tmp/tlcXXXXXX");
    assert_non_null(mkdtemp(g->dir));
    (void)snprintf(g->path, sizeof(g->path), "%s/x.db", g->dir);
    (void)snprintf(g->copy, sizeof(g->copy), "%s/y.db", g->dir);
    g->seed = g->dice = seed ? strtoull(seed, NULL, 10) : 1;
    powercut_register();
    powercut_on(powercut_roll(&g->dice));
    assert_int_equal(sqlite3_open_v2(g->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, POWERCUT_VFS),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, schema, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    *state = g;
    return 0;
}

static int teardown(void **state)
{
    struct stage *g = *state;
    static const char *const ends[] = {"", "-shm"};
    char path[128];

    atomic_store(&g->until, 0);
    if (g->running)
        join_writer(g);
    if (g->s)
        end(g);
    powercut_forget();
    for (size_t i = 0; i < TL_COUNT(ends); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", g->path, ends[i]);
        (void)unlink(path);
        (void)snprintf(path, sizeof(path), "%s%s", g->copy, ends[i]);
        (void)unlink(path);
    }
    (void)rmdir(g->dir);
    tl_free(g);
    return 0;
}

static uint64_t up_to(struct stage *g, uint64_t n)
{
    return 1 + powercut_roll(&g->dice) % n;
}

/* ---- power cuts ---- */
/* At some write or sync of whatever thread, or at whatever moment the thread that looks on wants it, or at the last
 * after the writer has come to an end. */
static void run_until_a_cut(struct stage *g, bool counted)
{
    uint64_t at = atomic_load(&g->acked) + up_to(g, 400);

    atomic_store(&g->until, atomic_load(&g->acked) + 400);
    powercut_at(counted ? up_to(g, 1200) : 0);
    start_writer(g);
    while (!counted && !atomic_load(&g->ended) && atomic_load(&g->acked) < at)
        (void)sched_yield();
    if (!counted)
        powercut_now();
    join_writer(g);
    if (g->rc != TL_IO && (g->rc != TL_OK || (counted && powercut_is_off())))
        BAD(g, "the writer ended with %d: %s", (int)g->rc, g->err.text);
}

static void after_power_cuts_beside_the_mover_every_acknowledged_transaction_is_there(void **state)
{
    struct stage *g = *state;
    size_t moving = 0, under_load = 0;

    for (g->round = 0; g->round < CUTS; g->round++) {
        struct tl_err err;

        begin(g);
        run_until_a_cut(g, g->round % 2);
        under_load += g->rc == TL_IO;
        moving += powercut_unsynced(g->path) > 0;
        powercut_now();
        end(g);
        powercut_on(g->round % 5 ? powercut_roll(&g->dice) : 0);
        if (g->round % 4 == 0) { /* once more, while the store is opened or closed */
            powercut_at(up_to(g, 40));
            if (open_store(g->path, &g->s, &err) == TL_OK)
                store_close(g->s);
            g->s = NULL;
            powercut_on(powercut_roll(&g->dice));
        }
    }
    begin(g);
    print_message("%llu transactions, the log began %llu times, %zu cuts under load, %zu of them with half a move\n",
                  (unsigned long long)atomic_load(&g->acked), (unsigned long long)atomic_load(&g->anew), under_load,
                  moving);
    assert_true(under_load > CUTS / 2 && moving > CUTS / 20 && g->anew > CUTS / 4);
}

static void what_a_cut_would_leave_at_any_moment_is_right_while_writer_and_mover_run_on(void **state)
{
    struct stage *g = *state;

    begin(g);
    atomic_store(&g->until, UINT64_MAX);
    start_writer(g);
    for (g->round = 0; (g->round < COPIES || atomic_load(&g->anew) < 3) && !atomic_load(&g->ended); g->round++) {
        uint64_t acked = atomic_load(&g->acked);
        struct store *s = NULL;
        struct tl_err err;

        powercut_copy(g->path, g->copy, g->round % 5 ? powercut_roll(&g->dice) : 0);
        if (open_store(g->copy, &s, &err) != TL_OK)
            BAD(g, "opening: %s", err.text);
        (void)is_right(g, s, acked, atomic_load(&g->begun));
        store_close(s);
    }
    atomic_store(&g->until, 0);
    join_writer(g);
    if (g->rc != TL_OK)
        BAD(g, "the writer ended with %d: %s", (int)g->rc, g->err.text);
    assert_true(g->round >= COPIES);
}

/* ---- failures ---- */
enum fault { EIO_WRITE, EIO_SYNC, FULL_WRITE, FULL_SYNC };

static void wish(enum fault what, uint64_t n)
{
    switch (what) {
    case EIO_WRITE:
        powercut_fail_write(n);
        break;
    case EIO_SYNC:
        powercut_fail_sync(n);
        break;
    case FULL_WRITE:
        powercut_full(n);
        break;
    case FULL_SYNC:
    default:
        powercut_full_sync(n);
        break;
    }
}

/* Where the mover finds no room for what it writes the log keeps it: nobody need hear of that. A sync that finds none
 * is as grave as any failed sync in a commit; where the log is moved, SQLite knows why it failed. */
static void is_told(struct stage *g, enum fault what)
{
    bool full = what == FULL_WRITE || what == FULL_SYNC, io = what != FULL_WRITE;
    bool ok = (io && g->rc == TL_IO) || (full && g->rc == TL_OK && (g->full > 0 || what == FULL_WRITE));

    if (!ok || (g->full > 0 && !full))
        BAD(g, "fault %d: the writer ended with %d, without space %llu times: %s", (int)what, (int)g->rc,
            (unsigned long long)g->full, g->err.text);
}

static void after_a_failed_write_or_sync_or_on_a_full_disk_every_acknowledged_transaction_is_there(void **state)
{
    struct stage *g = *state;
    size_t told[4] = {0};

    g->patient = true;
    for (g->round = 0; g->round < FAULTS; g->round++) {
        enum fault what = (enum fault)(g->round % 4);

        begin(g);
        atomic_store(&g->until, atomic_load(&g->acked) + 500);
        wish(what, up_to(g, what == EIO_SYNC || what == FULL_SYNC ? 300 : 1000));
        start_writer(g);
        join_writer(g);
        if (powercut_failed() > 0)
            is_told(g, what);
        else if (g->rc != TL_OK)
            BAD(g, "nothing failed, yet: %s", g->err.text);
        told[what] += g->rc != TL_OK || g->full > 0;
        powercut_full(0);
        if (up_to(g, 2) == 1)
            powercut_now();
        end(g);
        powercut_on(up_to(g, 3) == 1 ? 0 : powercut_roll(&g->dice));
    }
    begin(g);
    print_message("told of: %zu failed writes, %zu failed syncs, %zu and %zu without space\n", told[0], told[1],
                  told[2], told[3]);
    for (size_t i = 0; i < TL_COUNT(told); i++)
        assert_true(told[i] > FAULTS / 16);
}

static void put_some(struct stage *g, uint64_t n)
{
    struct tl_err err;

    for (uint64_t to = atomic_load(&g->acked) + n; atomic_load(&g->acked) < to;) {
        atomic_store(&g->begun, atomic_load(&g->acked) + 1);
        assert_int_equal(put_one(g, atomic_load(&g->begun), &err), TL_OK);
        atomic_store(&g->acked, atomic_load(&g->begun));
    }
}

/* The reader makes it a half move: without a sync, though what it wrote counts as moved. */
static void move_half(struct stage *g)
{
    sqlite3 *reader = NULL, *mover = NULL;

    put_some(g, 40);
    assert_int_equal(sqlite3_open_v2(g->path, &reader, SQLITE_OPEN_READWRITE, POWERCUT_VFS), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM a", NULL, NULL, NULL), SQLITE_OK);
    put_some(g, 4);
    assert_int_equal(sqlite3_open_v2(g->path, &mover, SQLITE_OPEN_READWRITE, POWERCUT_VFS), SQLITE_OK);
    assert_int_equal(sqlite3_exec(mover, "PRAGMA synchronous=FULL", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_wal_checkpoint_v2(mover, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(mover), SQLITE_OK);
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    assert_true(powercut_unsynced(g->path) > 0);
}

/* A failed sync lets go of what the half move before it wrote, and no later one brings that to the disk. */
static void a_sync_that_finds_no_space_while_the_log_is_moved_is_told_and_closing_moves_no_more(void **state)
{
    struct stage *g = *state;

    for (g->round = 0; g->round < 8; g->round++) {
        struct tl_err err;
        enum tl_rc told;

        begin(g);
        move_half(g);
        powercut_full_sync(2); /* the first is that of the log */
        told = store_maintain(g->s, true, &err);
        assert_int_equal(powercut_failed(), 1);
        if (g->round % 2) /* or it closes well */
            powercut_now();
        end(g);
        powercut_on(0);
        if (told != TL_FULL)
            BAD(g, "it was told %d", (int)told);
    }
    begin(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(after_power_cuts_beside_the_mover_every_acknowledged_transaction_is_there,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_cut_would_leave_at_any_moment_is_right_while_writer_and_mover_run_on,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            after_a_failed_write_or_sync_or_on_a_full_disk_every_acknowledged_transaction_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_sync_that_finds_no_space_while_the_log_is_moved_is_told_and_closing_moves_no_more, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
