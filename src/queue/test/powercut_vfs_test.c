/* SPDX-License-Identifier: Apache-2.0 */
/* The disk that loses power keeps what was synced, and nothing else for sure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "base/base.h"
#include "powercut_file.h"
#include "powercut_vfs.h"

/* Logs of no store: nobody locks them, so nothing of that name is made on a real disk. */
#define NAME "a-wal"
#define COPY "b-wal"
#define LOOKS 300
#define SLOTS 4096
#define SLOT 24 /* bytes, of which a number takes 8: none lies in two sectors */

static sqlite3_file *open_file(const char *name)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(POWERCUT_VFS);
    sqlite3_file *f = tl_zalloc((size_t)vfs->szOsFile);

    assert_int_equal(vfs->xOpen(vfs, name, f, SQLITE_OPEN_WAL | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL),
                     SQLITE_OK);
    return f;
}

static void close_file(sqlite3_file *f)
{
    (void)f->pMethods->xClose(f);
    tl_free(f);
}

static int setup(void **state)
{
    powercut_register();
    powercut_on(1);
    *state = open_file(NAME);
    return 0;
}

static int teardown(void **state)
{
    close_file(*state);
    powercut_forget();
    return 0;
}

static int put(sqlite3_file *f, const char *what, sqlite3_int64 at)
{
    return f->pMethods->xWrite(f, what, 4, at);
}

static int sync_file(sqlite3_file *f)
{
    return f->pMethods->xSync(f, SQLITE_SYNC_NORMAL);
}

static void has(sqlite3_file *f, sqlite3_int64 at, const char *what)
{
    char have[5] = {0};

    (void)f->pMethods->xRead(f, have, 4, at);
    assert_string_equal(have, what);
}

static void write_more(void *arg)
{
    assert_int_equal(put(arg, "bbbb", 1000), SQLITE_OK);
}

static void a_sync_makes_durable_what_was_written_before_it_began_and_nothing_else(void **state)
{
    sqlite3_file *f = *state;

    powercut_during_sync(write_more, f);
    assert_int_equal(put(f, "aaaa", 0), SQLITE_OK);
    assert_int_equal(sync_file(f), SQLITE_OK);
    has(f, 0, "aaaa");
    has(f, 1000, "bbbb");
    assert_int_equal(powercut_unsynced(NAME), 1);
    powercut_on(0);
    has(f, 0, "aaaa");
    has(f, 1000, "");
}

static void cut(void *arg)
{
    (void)arg;
    powercut_now();
}

static void a_sync_in_whose_midst_the_power_goes_has_not_ended(void **state)
{
    sqlite3_file *f = *state;

    assert_int_equal(put(f, "aaaa", 0), SQLITE_OK);
    assert_int_equal(sync_file(f), SQLITE_OK);
    powercut_during_sync(cut, NULL);
    assert_int_equal(put(f, "bbbb", 0), SQLITE_OK);
    assert_int_equal(sync_file(f), SQLITE_IOERR_FSYNC);
    assert_int_equal(put(f, "cccc", 0), SQLITE_IOERR_WRITE);
    powercut_on(0);
    has(f, 0, "aaaa");
}

/* Whoever syncs last cannot take for durable what an earlier sync of somebody else has lost. */
static void a_failed_sync_loses_what_it_should_have_covered_and_every_handle_hears_of_it_once(void **state)
{
    sqlite3_file *f = *state, *other = open_file(NAME);
    size_t lost = 0;
    char have[5] = {0};

    for (int i = 0; i < 20; i++) {
        const char *what = i % 2 ? "aaaa" : "bbbb";

        assert_int_equal(put(f, what, 0), SQLITE_OK);
        powercut_fail_sync(1);
        assert_int_equal(sync_file(other), SQLITE_IOERR_FSYNC);
        assert_int_equal(sync_file(other), SQLITE_OK);
        assert_int_equal(sync_file(f), SQLITE_IOERR_FSYNC);
        assert_int_equal(sync_file(f), SQLITE_OK);
        has(f, 0, what); /* until the power goes */
        powercut_on((uint64_t)i + 1);
        (void)f->pMethods->xRead(f, have, 4, 0);
        lost += strcmp(have, what) != 0;
    }
    assert_true(lost > 0 && lost < 20);
    close_file(other);
}

static void of_a_large_write_some_sectors_may_reach_the_disk_and_some_not(void **state)
{
    sqlite3_file *f = *state;
    char page[3072], have[3072];
    size_t torn = 0;

    for (int i = 1; i < 60; i++) {
        size_t there = 0;

        memset(page, i, sizeof(page));
        assert_int_equal(f->pMethods->xWrite(f, page, (int)sizeof(page), 100), SQLITE_OK);
        powercut_on((uint64_t)i);
        (void)f->pMethods->xRead(f, have, (int)sizeof(have), 100);
        for (size_t at = 0; at < sizeof(have); at++) {
            there += have[at] == i;
            assert_true((at + 100) % 512 == 0 || at == 0 || (have[at] == i) == (have[at - 1] == i));
        }
        torn += there > 0 && there < sizeof(page);
    }
    assert_true(torn > 10);
}

/* ---- one thread writes, another syncs, on one handle ---- */
struct pair {
    sqlite3_file *f;
    atomic_uint_fast64_t written, durable;
    atomic_bool stop;
};

static void *write_on(void *arg)
{
    struct pair *p = arg;

    for (uint64_t n = 1; !atomic_load(&p->stop); n++) {
        if (p->f->pMethods->xWrite(p->f, &n, sizeof(n), (sqlite3_int64)(n % SLOTS * SLOT)) != SQLITE_OK)
            break;
        atomic_store(&p->written, n);
        if (n % 64 == 0)
            (void)sched_yield();
    }
    return NULL;
}

static void *sync_on(void *arg)
{
    struct pair *p = arg;

    while (!atomic_load(&p->stop)) {
        uint64_t n = atomic_load(&p->written);

        if (sync_file(p->f) != SQLITE_OK)
            break;
        atomic_store(&p->durable, n);
    }
    return NULL;
}

/* The last number up to n that belongs there; 0: none. */
static uint64_t last_of(uint64_t slot, uint64_t n)
{
    return n < slot ? 0 : n - (n - slot) % SLOTS;
}

/* Each slot has the last of its numbers up to `durable` or a later one. How many of those up to `written` are missing?
 */
static size_t look(sqlite3_file *f, uint64_t durable, uint64_t written)
{
    size_t missing = 0;

    for (uint64_t slot = 0; slot < SLOTS; slot++) {
        uint64_t v = 0;

        (void)f->pMethods->xRead(f, &v, sizeof(v), (sqlite3_int64)(slot * SLOT));
        assert_true(v == 0 || v % SLOTS == slot);
        assert_true(v >= last_of(slot, durable));
        missing += v < last_of(slot, written);
    }
    return missing;
}

static void one_thread_syncs_a_handle_while_another_writes_on_it(void **state)
{
    struct pair p = {.f = *state};
    uint64_t durable, written, dice = 7;
    size_t missing = 0, looks = 0;
    pthread_t t[2];

    assert_int_equal(pthread_create(&t[0], NULL, write_on, &p), 0);
    assert_int_equal(pthread_create(&t[1], NULL, sync_on, &p), 0);
    for (uint64_t last = 0; looks < LOOKS; looks++) {
        sqlite3_file *copy;

        while ((durable = atomic_load(&p.durable)) == last)
            (void)sched_yield();
        last = durable;
        written = atomic_load(&p.written);
        powercut_copy(NAME, COPY, looks % 4 ? powercut_roll(&dice) : 0);
        copy = open_file(COPY);
        missing += look(copy, durable, written);
        close_file(copy);
    }
    powercut_now();
    atomic_store(&p.stop, true);
    (void)pthread_join(t[0], NULL);
    (void)pthread_join(t[1], NULL);
    powercut_on(powercut_roll(&dice));
    (void)look(p.f, atomic_load(&p.durable), atomic_load(&p.written));
    print_message("%llu written, %zu missing in %zu looks\n", (unsigned long long)atomic_load(&p.written), missing,
                  looks);
    assert_true(missing > 0); /* else all writes waited for the syncs */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_sync_makes_durable_what_was_written_before_it_began_and_nothing_else, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_sync_in_whose_midst_the_power_goes_has_not_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_failed_sync_loses_what_it_should_have_covered_and_every_handle_hears_of_it_once, setup, teardown),
        cmocka_unit_test_setup_teardown(of_a_large_write_some_sectors_may_reach_the_disk_and_some_not, setup, teardown),
        cmocka_unit_test_setup_teardown(one_thread_syncs_a_handle_while_another_writes_on_it, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
