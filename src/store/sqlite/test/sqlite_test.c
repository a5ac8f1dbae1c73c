/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a store: steps of the schema, strangers, and the lock of the one writer; the log and its mover. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"

static const struct store_migration steps[] = {
    {1, "CREATE TABLE a(x)"}, {2, "CREATE TABLE b(x); INSERT INTO b VALUES(7)"}, {3, "CREATE TABLE c(x)"}};
static const struct store_migration broken[] = {
    {1, "CREATE TABLE a(x)"}, {2, "CREATE TABLE b(x); INSERT INTO b VALUES(7)"}, {3, "CREATE TABLE no good"}};

struct place {
    char dir[64], path[96];
};

static int setup(void **state)
{
    struct place *p = tl_zalloc(sizeof(*p));

    (void)snprintf(p->dir, sizeof(p->dir), "/tmp/tlsXXXXXX");
    assert_non_null(mkdtemp(p->dir));
    (void)snprintf(p->path, sizeof(p->path), "%s/x.db", p->dir);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    char path[128];

    for (size_t i = 0; i < TL_COUNT(ends); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", p->path, ends[i]);
        (void)unlink(path);
    }
    (void)rmdir(p->dir);
    tl_free(p);
    return 0;
}

static enum tl_rc open_with(const struct place *p, const struct store_migration *m, size_t n, uint32_t id,
                            struct tl_err *err)
{
    const struct store_options o = {
        .path = p->path, .exclusive = true, .busy_ms = 100, .application_id = id, .migrations = m, .n_migrations = n};
    struct store *s = NULL;
    enum tl_rc rc = store_open(&o, &s, err);

    if (rc == TL_OK)
        store_close(s);
    return rc;
}

static int64_t number(const struct place *p, const char *sql)
{
    const struct store_options o = {.path = p->path,
                                    .read_only = true,
                                    .busy_ms = 100,
                                    .application_id = 5,
                                    .migrations = steps,
                                    .n_migrations = TL_COUNT(steps)};
    struct store *s = NULL;
    struct store_stmt *st = NULL;
    struct store_val v = {0};
    struct tl_err err;
    bool found = false;

    if (store_open(&o, &s, &err) != TL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(store_prepare(s, sql, &st, &err), TL_OK);
    assert_int_equal(store_one(st, NULL, 0, &v, 1, &found, &err), TL_OK);
    store_stmt_free(st);
    store_close(s);
    return found ? v.i : -1;
}

static void a_new_store_gets_all_steps_and_an_old_one_those_that_it_lacks(void **state)
{
    const struct place *p = *state;
    struct tl_err err;

    assert_int_equal(open_with(p, steps, 1, 5, &err), TL_OK);
    assert_int_equal(number(p, "PRAGMA user_version"), 1);
    assert_int_equal(open_with(p, steps, 3, 5, &err), TL_OK);
    assert_int_equal(number(p, "PRAGMA user_version"), 3);
    assert_int_equal(open_with(p, steps, 3, 5, &err), TL_OK);
    assert_int_equal(number(p, "SELECT count(*) FROM b"), 1);
}

static void a_step_that_fails_leaves_the_store_as_it_was(void **state)
{
    const struct place *p = *state;
    struct tl_err err;

    assert_int_equal(open_with(p, steps, 1, 5, &err), TL_OK);
    assert_int_not_equal(open_with(p, broken, 3, 5, &err), TL_OK);
    assert_non_null(strstr(err.text, "schema step 3"));
    assert_int_equal(number(p, "PRAGMA user_version"), 1);
    assert_int_equal(number(p, "SELECT count(*) FROM sqlite_master WHERE name='b'"), 0);
}

static void a_store_of_a_newer_version_or_of_somebody_else_is_refused(void **state)
{
    const struct place *p = *state;
    struct tl_err err;

    assert_int_equal(open_with(p, steps, 3, 5, &err), TL_OK);
    assert_int_equal(open_with(p, steps, 2, 5, &err), TL_CONFIG);
    assert_non_null(strstr(err.text, "newer version"));
    assert_int_equal(open_with(p, steps, 3, 6, &err), TL_CONFIG);
    assert_non_null(strstr(err.text, "not a ledger of ours"));
}

static int hold(const struct place *p)
{
    char path[128];
    int fd;

    (void)snprintf(path, sizeof(path), "%s.lock", p->path);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0);
    return fd;
}

static void *let_go_after_a_while(void *arg)
{
    const struct timespec while_ = {.tv_nsec = 120000000};

    (void)nanosleep(&while_, NULL);
    (void)close(*(int *)arg);
    return NULL;
}

static void a_writer_waits_an_instant_for_another_and_then_says_that_it_is_there(void **state)
{
    const struct place *p = *state;
    struct tl_err err;
    pthread_t t;
    int fd = hold(p);

    assert_int_equal(open_with(p, steps, 3, 5, &err), TL_BUSY);
    assert_non_null(strstr(err.text, "another process uses this ledger"));
    assert_int_equal(pthread_create(&t, NULL, let_go_after_a_while, &fd), 0);
    assert_int_equal(open_with(p, steps, 3, 5, &err), TL_OK);
    (void)pthread_join(t, NULL);
}

/* Rows of a page each: the log comes to its limit after some 2,500 of them. */
static void write_rows(struct store *s, int from, int n)
{
    struct store_stmt *st = NULL;
    struct tl_err err;

    assert_int_equal(store_prepare(s, "INSERT INTO a VALUES(zeroblob(?1))", &st, &err), TL_OK);
    for (int i = from; i < from + n; i++) {
        const struct store_val size = store_int(8000 + i % 7);

        assert_int_equal(store_begin(s, &err), TL_OK);
        assert_int_equal(store_run(st, &size, 1, NULL, &err), TL_OK);
        assert_int_equal(store_commit(s, &err), TL_OK);
        assert_int_equal(store_maintain(s, false, &err), TL_OK);
    }
    store_stmt_free(st);
}

static void the_log_begins_anew_while_commits_go_on_beside_its_mover(void **state)
{
    const struct place *p = *state;
    struct store_options o = {.path = p->path,
                              .exclusive = true,
                              .background = true,
                              .no_sync = true,
                              .busy_ms = 100,
                              .application_id = 5,
                              .migrations = steps,
                              .n_migrations = TL_COUNT(steps)};
    struct store *s = NULL;
    struct tl_err err;
    uint64_t most = 0, least = UINT64_MAX;

    assert_int_equal(store_open(&o, &s, &err), TL_OK);
    for (int i = 0; i < 200; i++) {
        uint64_t pages;

        write_rows(s, i * 50, 50);
        pages = store_log_pages(s);
        most = pages > most ? pages : most;
        least = most > 2500 && pages < least ? pages : least;
    }
    assert_true(most < 12000 && least < 500);
    assert_int_equal(store_maintain(s, true, &err), TL_OK);
    assert_int_equal(store_log_pages(s), 0);
    assert_int_equal(number(p, "SELECT count(*) FROM a"), 10000);
    write_rows(s, 0, 2600); /* closed while the mover is at it */
    store_close(s);
    assert_int_equal(number(p, "SELECT count(*) FROM a"), 12600);
    assert_int_equal(number(p, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check='ok'"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_store_gets_all_steps_and_an_old_one_those_that_it_lacks, setup, teardown),
        cmocka_unit_test_setup_teardown(a_step_that_fails_leaves_the_store_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(a_store_of_a_newer_version_or_of_somebody_else_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_writer_waits_an_instant_for_another_and_then_says_that_it_is_there, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_log_begins_anew_while_commits_go_on_beside_its_mover, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
