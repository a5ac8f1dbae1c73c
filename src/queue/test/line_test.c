/* SPDX-License-Identifier: Apache-2.0 */
/* Who stands in a lane, through its places: in memory, leaving it, in the table. Generations of a few deliveries. */
#include "help.h"
#include "powercut_vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define LANES 7
#define MANY 600

static int setup(void **state)
{
    struct bench *b;

    (void)help_setup(state);
    b = *state;
    b->line_generation = 8;
    b->no_sync = true;
    b->retry.base_ms = 2000; /* leaves memory */
    b->guard.concurrency = 5;
    return 0;
}

static uint64_t put(struct bench *b, unsigned lane)
{
    char order[8];

    (void)snprintf(order, sizeof(order), "%c", 'a' + (char)lane);
    return help_put(b, NULL, order, order);
}

static int64_t number(struct bench *b, const char *text)
{
    char path[128];
    sqlite3_stmt *st = NULL;
    sqlite3 *db = NULL;
    int64_t n = -1;

    (void)snprintf(path, sizeof(path), "%s/ledger.db", b->dir);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    n = sqlite3_column_int64(st, 0);
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    return n;
}

/* Every live one that is not read again at the start is in the table. */
static void check_table(struct bench *b)
{
    assert_int_equal(number(b,
                            "SELECT count(*) FROM unit u WHERE live>0 AND lane IS NOT NULL AND (live=2 OR id<(SELECT "
                            "value FROM meta WHERE name='line_from')) AND NOT EXISTS (SELECT 1 FROM line l WHERE "
                            "l.lane=u.lane AND l.id=u.id)"),
                     0);
}

static uint32_t seed;
static unsigned dice(unsigned n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 16) % n;
}

/* What was delivered last of each lane: nothing older may follow. */
struct order {
    uint64_t last[LANES];
    size_t delivered, dead;
};

/* Any end; what is out at a crash comes again, and that is the only thing that may. */
static void finish_some(struct bench *b, struct order *o, unsigned bad)
{
    for (struct queue_work *w = help_take(b); w; w = help_take(b)) {
        unsigned lane = (unsigned)(w->claims[0].body.p[0] - 'a');

        assert_true(lane < LANES);
        assert_true(w->claims[0].delivery > o->last[lane]);
        if (dice(100) < bad) {
            help_finish(b, w, QUEUE_END_FAILED, TL_UPSTREAM, "503");
            continue;
        }
        o->last[lane] = w->claims[0].delivery;
        o->delivered++;
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
        if (dice(4) == 0)
            return;
    }
}

static void deliver_in_order(struct bench *b)
{
    struct order o = {0};
    size_t n = 0;

    b->retry.attempts = 1000;
    help_open(b);
    for (seed = 1; n < MANY;) {
        for (unsigned i = dice(12); i > 0 && n < MANY; i--, n++)
            (void)put(b, dice(3) ? dice(2) : dice(LANES)); /* some lanes are longer than others */
        help_turn(b);
        finish_some(b, &o, 20);
        if (dice(3) == 0)
            help_after(b, dice(3000));
        if (dice(12) == 0) {
            help_close(b); /* what is out is lost to it */
            help_open(b);
            check_table(b);
        }
    }
    for (int i = 0; o.delivered < MANY && i < 5000; i++) {
        finish_some(b, &o, 0);
        help_after(b, 1000);
    }
    assert_int_equal(o.delivered, MANY);
    assert_int_equal(help_count(b, QUEUE_QUEUED) + help_count(b, QUEUE_RETRYING), 0);
    check_table(b);
}

static void every_lane_keeps_its_order_through_back_off_restarts_and_generations(void **state)
{
    deliver_in_order(*state);
}

/* Of pairs in lanes of their own. Some firsts fail once, and leave memory until they are due. */
static void deliver_pairs(struct bench *b, size_t pairs)
{
    bool *failed = tl_zalloc(pairs * sizeof(*failed)), *done = tl_zalloc(pairs * sizeof(*done));
    size_t delivered = 0;

    for (int i = 0; delivered < 2 * pairs && i < 5000; i++) {
        for (struct queue_work *w = help_take(b); w; w = help_take(b)) {
            const char *body = w->claims[0].body.p;
            size_t pair = strtoul(body + 1, NULL, 10);

            if (*body == '1' && pair % 4 == 0 && !failed[pair]) {
                failed[pair] = true;
                help_finish(b, w, QUEUE_END_FAILED, TL_UPSTREAM, "503");
                continue;
            }
            assert_int_equal(done[pair], *body == '2');
            done[pair] = true;
            delivered++;
            help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
        }
        help_after(b, 100);
    }
    assert_int_equal(delivered, 2 * pairs);
    tl_free(failed);
    tl_free(done);
}

/* So that a start puts hundreds in order at once, of a few lanes or of lanes of their own. */
static void large_generations_keep_the_order_of_long_lanes_and_of_short_ones(void **state)
{
    struct bench *b = *state;
    struct tl_err err;

    b->line_generation = 2048;
    deliver_in_order(b);
    assert_int_equal(queue_pause_flow(b->q, NULL, b->flows[0].ret_id, TL_SV("wait"), &err), TL_OK);
    for (unsigned i = 0; i < 2 * MANY; i++) {
        char order[16], body[16];

        (void)snprintf(order, sizeof(order), "lane %u", i % MANY);
        (void)snprintf(body, sizeof(body), "%c%u ", i < MANY ? '1' : '2', i % MANY);
        (void)help_put(b, NULL, order, body);
    }
    help_close(b);
    help_open(b);
    check_table(b);
    assert_int_equal(queue_resume_flow(b->q, NULL, b->flows[0].ret_id, &err), TL_OK);
    help_turn(b);
    deliver_pairs(b, MANY);
}

static void a_backlog_moves_into_the_table_in_time_and_leaves_it_when_it_is_delivered(void **state)
{
    struct bench *b = *state;
    struct order o = {0};
    struct tl_err err;

    help_open(b);
    assert_int_equal(queue_pause_flow(b->q, NULL, b->flows[0].ret_id, TL_SV("wait"), &err), TL_OK);
    for (unsigned i = 0; i < 200; i++)
        (void)put(b, i % LANES);
    assert_true(number(b, "SELECT count(*) FROM line") > 150); /* the rest is younger than two generations */
    check_table(b);
    assert_int_equal(queue_resume_flow(b->q, NULL, b->flows[0].ret_id, &err), TL_OK);
    help_turn(b);
    for (int i = 0; o.delivered < 200 && i < 1000; i++)
        finish_some(b, &o, 0);
    assert_int_equal(o.delivered, 200);
    for (unsigned i = 0; i < 60; i++) { /* generations go on */
        (void)put(b, 0);
        help_turn(b);
        finish_some(b, &o, 0);
    }
    assert_true(number(b, "SELECT count(*) FROM line") < 20);
}

static void lanes_of_one_delivery_leave_the_table_after_a_restart_too(void **state)
{
    struct bench *b = *state;
    struct tl_err err;
    size_t delivered = 0;

    help_open(b);
    assert_int_equal(queue_pause_flow(b->q, NULL, b->flows[0].ret_id, TL_SV("wait"), &err), TL_OK);
    for (unsigned i = 0; i < 200; i++) {
        char order[16];

        (void)snprintf(order, sizeof(order), "lane %u", i);
        (void)help_put(b, NULL, order, order);
    }
    assert_true(number(b, "SELECT count(*) FROM line") > 150);
    help_close(b);
    help_open(b);
    assert_int_equal(queue_resume_flow(b->q, NULL, b->flows[0].ret_id, &err), TL_OK);
    help_turn(b);
    for (int i = 0; delivered < 200 && i < 1000; i++)
        for (struct queue_work *w = help_take(b); w; w = help_take(b), delivered++)
            help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(delivered, 200);
    assert_true(number(b, "SELECT count(*) FROM line") <= 3 * 8); /* of the youngest generations at most */
}

static void one_key_with_many_followers_is_handed_out_in_order_after_a_restart(void **state)
{
    struct bench *b = *state;
    struct order o = {0};
    struct tl_err err;

    help_open(b);
    assert_int_equal(queue_pause_flow(b->q, NULL, b->flows[0].ret_id, TL_SV("wait"), &err), TL_OK);
    for (unsigned i = 0; i < 100; i++)
        (void)put(b, 0);
    help_close(b);
    help_open(b);
    assert_int_equal(queue_resume_flow(b->q, NULL, b->flows[0].ret_id, &err), TL_OK);
    help_turn(b);
    for (int i = 0; o.delivered < 100 && i < 1000; i++)
        finish_some(b, &o, 0);
    assert_int_equal(o.delivered, 100);
}

static void act(struct bench *b, enum queue_action action, uint64_t id, bool superseded)
{
    struct queue_plan plan = {.action = action, .include_superseded = superseded};

    plan.filter = (struct queue_filter){.ids = &id, .n_ids = 1};
    assert_int_equal(help_job(b, &plan).done, 1);
}

/* An old one that comes back stands at the head, also when what came after it has long ended. */
static void a_replayed_one_stands_at_the_head_of_its_lane_wherever_that_is(void **state)
{
    for (int gap = 0; gap < 40; gap += 13) {
        struct bench *b;
        struct queue_work *w;
        uint64_t dead;

        (void)setup(state);
        b = *state;
        help_open(b);
        dead = put(b, 0);
        help_turn(b);
        help_finish(b, help_take(b), QUEUE_END_FAILED, TL_INVALID, "bad");
        for (int i = 0; i < gap; i++) {
            (void)put(b, (unsigned)(i % 2));
            help_turn(b);
            while ((w = help_take(b)) != NULL)
                help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
        }
        (void)put(b, 0); /* out while the other comes back */
        (void)put(b, 0);
        help_turn(b);
        act(b, QUEUE_REPLAY, dead, true);
        w = help_take(b);
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
        w = help_take(b);
        assert_non_null(w);
        assert_int_equal(w->claims[0].delivery, dead);
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
        w = help_take(b);
        assert_non_null(w);
        assert_true(w->claims[0].delivery > dead);
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
        assert_null(help_take(b));
        (void)help_teardown(state);
    }
}

static void a_dead_one_blocks_its_lane_through_restarts_until_it_is_discarded(void **state)
{
    struct bench *b = *state;
    uint64_t dead, next;
    struct queue_work *w;
    struct queue_row row;

    b->flows[0].block_on_dead = true;
    help_open(b);
    dead = put(b, 0);
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_INVALID, "bad");
    next = put(b, 0);
    for (int i = 0; i < 50; i++) { /* another key is not held up, and generations leave */
        (void)put(b, 1);
        help_turn(b);
        w = help_take(b);
        assert_true(w->claims[0].body.p[0] == 'b');
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
        assert_null(help_take(b));
        if (i % 20 == 10) {
            help_close(b);
            help_open(b);
        }
    }
    check_table(b);
    help_row(b, next, &row);
    assert_int_equal(row.ahead, dead);
    assert_true(row.ahead_dead);
    act(b, QUEUE_DISCARD, dead, false);
    help_turn(b);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->claims[0].delivery, next);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
}

static void those_that_are_cancelled_in_the_middle_of_a_lane_are_passed_over(void **state)
{
    struct bench *b = *state;
    struct order o = {0};
    struct tl_err err;
    uint64_t id[90];

    help_open(b);
    assert_int_equal(queue_pause_flow(b->q, NULL, b->flows[0].ret_id, TL_SV("wait"), &err), TL_OK);
    for (unsigned i = 0; i < 90; i++)
        id[i] = put(b, i % 3);
    for (unsigned i = 0; i < 90; i += 4)
        act(b, QUEUE_CANCEL, id[i], false);
    help_close(b);
    help_open(b);
    for (unsigned i = 1; i < 90; i += 4)
        act(b, QUEUE_CANCEL, id[i], false);
    assert_int_equal(queue_resume_flow(b->q, NULL, b->flows[0].ret_id, &err), TL_OK);
    help_turn(b);
    for (int i = 0; o.delivered < 44 && i < 1000; i++)
        finish_some(b, &o, 0);
    assert_int_equal(o.delivered, 44);
    assert_int_equal(help_count(b, QUEUE_QUEUED), 0);
    assert_int_equal(help_count(b, QUEUE_CANCELLED), 46);
}

static size_t list_of(struct bench *b, const char *key, uint64_t ids[200])
{
    struct queue_filter f = {.state = QUEUE_QUEUED, .key = tl_sv_str(key)};
    struct queue_page page = {.more = true};
    struct queue_reader *r = NULL;
    struct tl_err err;
    size_t n = 0;

    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    while (page.more) {
        struct tl_arena *arena = tl_arena_new(4u << 20);

        assert_int_equal(queue_list(r, arena, &f, page.cursor, 7, &page, &err), TL_OK);
        for (size_t i = 0; i < page.n; i++) {
            assert_true(n < 200 && (n == 0 || page.rows[i].delivery < ids[n - 1]));
            ids[n++] = page.rows[i].delivery;
        }
        tl_arena_free(arena);
    }
    queue_reader_close(r);
    return n;
}

static void a_list_by_key_shows_all_that_wait_wherever_they_stand(void **state)
{
    struct bench *b = *state;
    uint64_t a[40], got[200];
    struct tl_err err;
    struct queue_row row;
    size_t n = 0;

    help_open(b);
    assert_int_equal(queue_pause_flow(b->q, NULL, b->flows[0].ret_id, TL_SV("wait"), &err), TL_OK);
    for (unsigned i = 0; i < 80; i++) {
        uint64_t id = put(b, i % 2);

        if (i % 2 == 0)
            a[n++] = id;
        if (i % 9 == 0) {
            assert_int_equal(list_of(b, "a", got), n);
            for (size_t k = 0; k < n; k++)
                assert_int_equal(got[k], a[n - 1 - k]);
            help_row(b, a[n - 1], &row);
            assert_int_equal(row.ahead, n > 1 ? a[0] : 0);
        }
    }
}

static void sql(struct bench *b, const char *text)
{
    char path[128];
    sqlite3 *db = NULL;

    (void)snprintf(path, sizeof(path), "%s/ledger.db", b->dir);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
}

static void a_ledger_of_the_version_before_keeps_its_lanes(void **state)
{
    struct bench *b = *state;
    struct order o = {0};
    struct queue_work *w;
    uint64_t dead;

    b->flows[0].block_on_dead = true;
    help_open(b);
    dead = put(b, 5);
    help_turn(b);
    w = help_take(b);
    help_finish(b, w, QUEUE_END_FAILED, TL_INVALID, "bad");
    queue_set_dispatch(b->q, false);
    for (unsigned i = 0; i < 60; i++)
        (void)put(b, i % 6);
    help_close(b);
    sql(b, "DROP TABLE line; DELETE FROM meta WHERE name='line_from';"
           "CREATE INDEX unit_lane ON unit(lane, id) WHERE live>0 AND lane IS NOT NULL;"
           "ALTER TABLE attempt DROP COLUMN pairs; DROP INDEX xref_ia; DROP INDEX xref_ib;"
           "CREATE INDEX xref_a ON xref(model, ca, ia); CREATE INDEX xref_back ON xref(model, cb, ib, ca);"
           "ALTER TABLE target DROP COLUMN meant; ALTER TABLE target DROP COLUMN identity;"
           "ALTER TABLE job DROP COLUMN to_target;"
           "PRAGMA user_version=6");
    help_open(b);
    check_table(b);
    assert_int_equal(number(b, "SELECT count(*) FROM line"), 61);
    for (int i = 0; o.delivered < 50 && i < 1000; i++)
        finish_some(b, &o, 0);
    assert_null(help_take(b)); /* ten stand behind the dead one */
    act(b, QUEUE_DISCARD, dead, false);
    help_turn(b);
    for (int i = 0; o.delivered < 60 && i < 1000; i++)
        finish_some(b, &o, 0);
    assert_int_equal(o.delivered, 60);
    assert_int_equal(help_count(b, QUEUE_QUEUED), 0);
}

/* A transaction that fails leaves the lines as they were, and what was to be delivered is delivered in order. */
static int setup_failing(void **state)
{
    powercut_register();
    (void)setup(state);
    ((struct bench *)*state)->vfs = POWERCUT_VFS;
    return 0;
}

static int teardown_failing(void **state)
{
    (void)help_teardown(state);
    powercut_forget();
    return 0;
}

static void a_full_disk_leaves_the_lines_as_they_were(void **state)
{
    struct bench *b = *state;
    struct order o = {0};
    size_t n = 0;

    help_open(b);
    for (seed = 3; n < 150;) {
        struct queue_work *w;

        for (unsigned i = 0; i < 6 && n < 150; i++, n++)
            (void)put(b, dice(LANES));
        help_turn(b);
        w = help_take(b);
        if (w) {
            unsigned lane = (unsigned)(w->claims[0].body.p[0] - 'a');

            powercut_full(1);
            o.last[lane] = w->claims[0].delivery;
            o.delivered++;
            help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL); /* kept until it can be written */
            powercut_full(0);
            help_after(b, 600);
        }
        finish_some(b, &o, 0);
    }
    for (int i = 0; o.delivered < 150 && i < 1000; i++) {
        finish_some(b, &o, 0);
        help_after(b, 600);
    }
    assert_int_equal(o.delivered, 150);
    assert_int_equal(help_count(b, QUEUE_QUEUED), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, help_teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_lane_keeps_its_order_through_back_off_restarts_and_generations),
        TEST(large_generations_keep_the_order_of_long_lanes_and_of_short_ones),
        TEST(a_backlog_moves_into_the_table_in_time_and_leaves_it_when_it_is_delivered),
        TEST(lanes_of_one_delivery_leave_the_table_after_a_restart_too),
        TEST(one_key_with_many_followers_is_handed_out_in_order_after_a_restart),
        cmocka_unit_test(a_replayed_one_stands_at_the_head_of_its_lane_wherever_that_is),
        TEST(a_dead_one_blocks_its_lane_through_restarts_until_it_is_discarded),
        TEST(those_that_are_cancelled_in_the_middle_of_a_lane_are_passed_over),
        TEST(a_list_by_key_shows_all_that_wait_wherever_they_stand),
        TEST(a_ledger_of_the_version_before_keeps_its_lanes),
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_the_lines_as_they_were, setup_failing, teardown_failing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
