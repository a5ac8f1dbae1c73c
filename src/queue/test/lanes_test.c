/* SPDX-License-Identifier: Apache-2.0 */
/* Order within a lane, windows smaller than the backlog, restarts, stale outcomes, duplicates. */
#include "help.h"
#include "powercut_vfs.h"

#include <stdio.h>

static int setup(void **state)
{
    struct bench *b = tl_zalloc(sizeof(*b));

    help_init(b);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    help_done(*state);
    tl_free(*state);
    return 0;
}

static void an_event_is_put_handed_out_and_delivered(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t id;

    help_open(b);
    id = help_put(b, "k1", "a", "hello");
    help_turn(b);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->claims[0].event, id);
    assert_int_equal(w->claims[0].attempt, 1);
    assert_true(tl_sv_eqs(w->claims[0].body, "hello"));
    assert_true(tl_sv_eqs(w->claims[0].order_by, "a"));
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_null(help_take(b));
}

static void a_duplicate_gets_the_first_id_and_is_not_delivered_again(void **state)
{
    struct bench *b = *state;
    struct queue_put put;
    struct tl_err err;
    uint64_t id;

    help_open(b);
    id = help_put(b, "k1", NULL, "one");
    put = (struct queue_put){
        .flow = b->flows[0].ret_id, .source = TL_SV("s"), .key = TL_SV("k1"), .body = TL_SV("two"), .meta = TL_SV("")};
    assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_OK);
    assert_true(put.ret_duplicate);
    assert_true(put.ret_other_body);
    assert_int_equal(put.ret_event, id);
    help_turn(b);
    assert_int_equal(b->n_works, 1);
    help_close(b);
    help_open(b);
    assert_int_equal(help_put(b, "k1", NULL, "one"), id);
    assert_true(help_put(b, "k2", NULL, "one") > id);
}

static void one_lane_runs_one_at_a_time_and_keeps_its_order_through_back_off(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t a1, a2, b1;

    help_open(b);
    a1 = help_put(b, NULL, "a", "1");
    a2 = help_put(b, NULL, "a", "2");
    b1 = help_put(b, NULL, "b", "3");
    help_turn(b);
    assert_int_equal(b->n_works, 2);
    w = help_take(b);
    assert_int_equal(w->claims[0].event, a1);
    help_finish(b, w, QUEUE_END_FAILED, TL_UPSTREAM, "503");
    w = help_take(b);
    assert_int_equal(w->claims[0].event, b1);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_null(help_take(b));
    help_after(b, 99);
    assert_null(help_take(b));
    help_after(b, 2);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->claims[0].event, a1);
    assert_int_equal(w->claims[0].attempt, 2);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    w = help_take(b);
    assert_int_equal(w->claims[0].event, a2);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_null(help_take(b));
}

static void a_back_off_longer_than_a_second_leaves_memory_and_comes_back_in_order(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t a1;

    b->retry.base_ms = 5000;
    help_open(b);
    a1 = help_put(b, NULL, "a", "1");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_UPSTREAM, "503");
    (void)help_put(b, NULL, "a", "2");
    help_after(b, 3000);
    assert_null(help_take(b));
    (void)help_put(b, NULL, "a", "3");
    help_after(b, 1500);
    assert_null(help_take(b));
    help_after(b, 600);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->claims[0].event, a1);
    assert_int_equal(b->n_works, 0);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(b->n_works, 1);
}

static void a_dead_one_is_skipped_or_blocks_its_key(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t a2;

    help_open(b);
    (void)help_put(b, NULL, "a", "1");
    a2 = help_put(b, NULL, "a", "2");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_INVALID, "bad");
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->claims[0].event, a2);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    help_close(b);
    b->flows[0].block_on_dead = true;
    help_open(b);
    (void)help_put(b, NULL, "z", "1");
    (void)help_put(b, NULL, "z", "2");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_INVALID, "bad");
    (void)help_put(b, NULL, "z", "3");
    help_turn(b);
    assert_null(help_take(b));
    help_close(b);
    help_open(b);
    assert_null(help_take(b));
    b->flows[0].block_on_dead = false; /* the policy changes: the key goes on */
    help_close(b);
    help_open(b);
    w = help_take(b);
    assert_non_null(w);
    assert_true(tl_sv_eqs(w->claims[0].body, "2"));
    help_finish(b, w, QUEUE_END_CANCELED, TL_OK, NULL);
}

static struct queue_work *out;

static void die_meanwhile(struct bench *b)
{
    out->claims[0].outcome = (struct queue_outcome){.end = QUEUE_END_FAILED, .rc = TL_INVALID, .text = TL_SV("bad")};
    queue_finish(b->q, out);
}

static void one_that_dies_while_its_flow_stops_blocking_does_not_block_its_key(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    struct tl_err err;

    b->flows[0].block_on_dead = true;
    help_open(b);
    (void)help_put(b, NULL, "a", "1");
    (void)help_put(b, NULL, "a", "2");
    (void)help_put(b, NULL, "z", "1"); /* dead before */
    (void)help_put(b, NULL, "z", "2");
    help_turn(b);
    out = help_take(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_INVALID, "bad");
    assert_null(help_take(b));
    tl_fake_clock_advance_ms(&b->clock, 20000);
    b->flows[0].block_on_dead = false;
    b->meanwhile = die_meanwhile;
    assert_int_equal(queue_configure(b->q, NULL, &b->config, false, NULL, &err), TL_OK);
    assert_null(b->meanwhile);
    help_turn(b);
    assert_int_equal(help_count(b, QUEUE_DEAD), 2);
    for (int i = 0; i < 2; i++) {
        w = help_take(b);
        assert_non_null(w);
        assert_true(tl_sv_eqs(w->claims[0].body, "2"));
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    }
}

static void a_flow_goes_on_blocking_where_the_change_cannot_be_written(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    struct tl_err err;

    powercut_register();
    powercut_forget();
    b->vfs = POWERCUT_VFS;
    b->flows[0].block_on_dead = true;
    help_open(b);
    (void)help_put(b, NULL, "a", "1");
    (void)help_put(b, NULL, "a", "2");
    help_turn(b);
    out = help_take(b);
    tl_fake_clock_advance_ms(&b->clock, 20000);
    b->flows[0].block_on_dead = false;
    b->meanwhile = die_meanwhile;
    powercut_full(1);
    assert_int_equal(queue_configure(b->q, NULL, &b->config, false, NULL, &err), TL_FULL);
    powercut_full(0);
    assert_null(b->meanwhile);
    help_after(b, 20000);
    assert_int_equal(help_count(b, QUEUE_DEAD), 1);
    assert_null(help_take(b));
    assert_int_equal(queue_configure(b->q, NULL, &b->config, false, NULL, &err), TL_OK);
    help_turn(b);
    w = help_take(b);
    assert_non_null(w);
    assert_true(tl_sv_eqs(w->claims[0].body, "2"));
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
}

static void attempts_run_out_and_the_delivery_is_dead(void **state)
{
    struct bench *b = *state;

    help_open(b);
    (void)help_put(b, NULL, "a", "1");
    help_turn(b);
    for (int i = 1; i <= 3; i++) {
        struct queue_work *w = help_take(b);

        assert_non_null(w);
        assert_int_equal(w->claims[0].attempts_used, i - 1);
        help_finish(b, w, QUEUE_END_FAILED, TL_TIMEOUT, "late");
        help_after(b, 1000);
    }
    help_after(b, 100000);
    assert_null(help_take(b));
}

static void what_was_out_at_a_crash_is_an_unknown_outcome_and_three_in_a_row_are_dead(void **state)
{
    struct bench *b = *state;
    struct queue_row row;
    uint64_t id;

    b->targets[0].idempotent = false;
    help_open(b);
    id = help_put(b, NULL, "a", "1");
    help_turn(b);
    for (uint32_t i = 0; i < 3; i++) {
        struct queue_work *w = help_take(b);

        assert_non_null(w);
        assert_int_equal(w->claims[0].unknown_before, i > 0);
        assert_int_equal(w->claims[0].attempt, i + 1);
        help_close(b);
        help_open(b);
    }
    assert_null(help_take(b));
    help_row(b, id, &row);
    assert_int_equal(row.state, QUEUE_DEAD);
    assert_int_equal(row.cls, TL_CLASS_BUG);
    assert_int_equal(row.attempts, 3);
}

static void an_attempt_with_an_idempotency_facility_is_begun_on_disk_when_it_takes_long(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;

    help_open(b);
    (void)help_put(b, NULL, "a", "1");
    help_turn(b);
    assert_non_null(help_take(b));
    help_after(b, 50); /* nothing else asks for a commit */
    help_close(b);
    help_open(b);
    w = help_take(b);
    assert_true(w->claims[0].unknown_before);
    assert_int_equal(w->claims[0].attempt, 2);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
}

static void after_a_crash_what_may_have_been_out_is_begun_before_it_goes_and_dies_of_three_crashes(void **state)
{
    struct bench *b = *state;
    struct queue_row row;
    struct queue_work *w;
    uint64_t id;

    help_open(b);
    id = help_put(b, NULL, "a", "1");
    help_turn(b);
    assert_non_null(help_take(b));
    help_after(b, 10); /* too early for its begin */
    for (uint32_t i = 0; i < 3; i++) {
        help_close(b);
        help_open(b);
        w = help_take(b);
        assert_non_null(w);
        assert_int_equal(w->claims[0].unknown_before, i > 0);
        assert_int_equal(w->claims[0].attempt, i + 1);
    }
    help_close(b);
    help_open(b);
    help_row(b, id, &row);
    assert_int_equal(row.state, QUEUE_DEAD);
    assert_int_equal(row.cls, TL_CLASS_BUG);
}

static void after_an_orderly_end_short_attempts_leave_no_row_again(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;

    help_open(b);
    queue_set_dispatch(b->q, false);
    (void)help_put(b, NULL, "a", "1");
    help_close(b); /* nothing is out */
    help_open(b);
    assert_non_null(help_take(b));
    help_close(b); /* a crash */
    help_open(b);
    w = help_take(b);
    assert_false(w->claims[0].unknown_before);
    assert_int_equal(w->claims[0].attempt, 1);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
}

/* A filter before a system with a quota must not spend it. */
static void what_was_filtered_costs_nothing_of_the_connections_budget(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;

    b->guard.n_budgets = 1;
    b->guard.budgets[0] = (struct guard_budget){.name = "day", .kind = GUARD_ROLLING, .amount = 5, .per_ms = 86400000};
    help_open(b);
    for (int i = 0; i < 20; i++)
        (void)help_put(b, NULL, NULL, "1");
    help_turn(b);
    for (int i = 0; i < 20; i++) {
        w = help_take(b);
        assert_non_null(w);
        w->outcome.end = QUEUE_END_CANCELED; /* nothing was called */
        help_finish(b, w, QUEUE_END_SKIP, TL_OK, "filtered");
    }
    assert_int_equal(help_count(b, QUEUE_SKIPPED), 20);
    for (int i = 0; i < 6; i++)
        (void)help_put(b, NULL, NULL, "1");
    help_turn(b);
    for (int i = 0; i < 5; i++) {
        w = help_take(b);
        assert_non_null(w);
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    }
    assert_null(help_take(b));
}

/* Look before you insert: also when the look itself failed in between, and after a restart. */
static void what_may_have_been_carried_out_is_known_to_every_later_attempt(void **state)
{
    static const struct {
        bool idempotent, not_sent;
        enum queue_end end;
        enum tl_rc rc;
        bool unknown;
    } rows[] = {
        {false, false, QUEUE_END_FAILED, TL_UNKNOWN_OUTCOME, true},
        {false, false, QUEUE_END_NONE, TL_OK, true},
        {false, false, QUEUE_END_FAILED, TL_TIMEOUT, true}, /* the request was sent */
        {false, true, QUEUE_END_FAILED, TL_TIMEOUT, false},
        {true, false, QUEUE_END_FAILED, TL_TIMEOUT, false}, /* a repetition does no harm */
        {false, false, QUEUE_END_FAILED, TL_UPSTREAM, false},
    };
    struct bench *b = *state;

    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct queue_work *w;
        struct queue_row row;
        uint64_t id;

        b->targets[0].idempotent = rows[i].idempotent;
        help_open(b);
        id = help_put(b, NULL, NULL, "1");
        help_turn(b);
        w = help_take(b);
        assert_false(w->claims[0].unknown_before);
        w->not_sent = rows[i].not_sent;
        help_finish(b, w, rows[i].end, rows[i].rc, "a");
        help_after(b, 5000);
        w = help_take(b);
        assert_int_equal(w->claims[0].unknown_before, rows[i].unknown);
        help_finish(b, w, QUEUE_END_FAILED, TL_RATE_LIMITED, "later");
        help_close(b);
        help_open(b);
        help_after(b, 5000);
        for (uint32_t crashes = 0; crashes < 2; crashes++) { /* it is no crash: two more do not make three */
            w = help_take(b);
            assert_int_equal(w->claims[0].unknown_before, rows[i].unknown || (crashes > 0 && !rows[i].idempotent));
            if (rows[i].idempotent)
                break;
            help_close(b);
            help_open(b);
        }
        if (!rows[i].idempotent)
            w = help_take(b);
        assert_non_null(w);
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
        help_row(b, id, &row);
        assert_int_equal(row.state, QUEUE_DELIVERED);
        help_close(b);
    }
    help_open(b);
}

static void a_window_smaller_than_the_backlog_delivers_every_lane_once(void **state)
{
    enum { LANES = 3000, BLOCKED = 1000 };
    struct bench *b = *state;
    struct queue_work *w;
    size_t got = 0, blocked = 0;
    unsigned char *seen = tl_zalloc(LANES);
    char key[32];

    b->window = 100;
    b->flows[0].block_on_dead = true;
    help_open(b);
    (void)help_put(b, NULL, "blocked", "x");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_INVALID, "bad");
    queue_set_dispatch(b->q, false);
    for (int i = 0; i < LANES; i++) {
        (void)snprintf(key, sizeof(key), "%d", i);
        (void)help_put(b, NULL, key, key);
        if (i % 3 == 0)
            (void)help_put(b, NULL, "blocked", "x");
    }
    queue_set_dispatch(b->q, true);
    help_turn(b);
    while ((w = help_take(b)) != NULL) {
        if (tl_sv_eqs(w->claims[0].body, "x")) {
            blocked++;
        } else {
            uint64_t n = 0;

            assert_true(tl_sv_u64(w->claims[0].body, &n));
            assert_int_equal(seen[n], 0);
            seen[n] = 1;
            got++;
        }
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    }
    assert_int_equal(got, LANES);
    assert_int_equal(blocked, 0);
    tl_free(seen);
}

static void followers_beyond_the_window_come_in_order(void **state)
{
    enum { KEYS = 40, EACH = 25 };
    struct bench *b = *state;
    struct queue_work *w;
    int next[KEYS] = {0}, total = 0;
    char key[32], body[32];

    b->window = 10;
    help_open(b);
    queue_set_dispatch(b->q, false);
    for (int n = 0; n < EACH; n++)
        for (int k = 0; k < KEYS; k++) {
            (void)snprintf(key, sizeof(key), "%d", k);
            (void)snprintf(body, sizeof(body), "%d", k * 1000 + n);
            (void)help_put(b, NULL, key, body);
        }
    help_close(b);
    help_open(b);
    queue_set_dispatch(b->q, true);
    help_turn(b);
    while ((w = help_take(b)) != NULL || (help_after(b, 2000), (w = help_take(b)) != NULL)) {
        uint64_t n = 0;

        assert_true(tl_sv_u64(w->claims[0].body, &n));
        assert_int_equal(n % 1000, next[n / 1000]);
        if (n % 7 == 3 && w->claims[0].attempt == 1) {
            help_finish(b, w, QUEUE_END_FAILED, TL_UPSTREAM, "503");
            continue;
        }
        next[n / 1000]++;
        total++;
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    }
    assert_int_equal(total, KEYS * EACH);
}

static void thousands_behind_a_blocked_key_do_not_keep_others_from_starting(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t other;

    b->flows[0].block_on_dead = true;
    help_open(b);
    (void)help_put(b, NULL, "blocked", "x");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_INVALID, "bad");
    queue_set_dispatch(b->q, false);
    for (int i = 0; i < 3500; i++)
        (void)help_put(b, NULL, "blocked", "x");
    other = help_put(b, NULL, "other", "x");
    help_close(b);
    help_open(b);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->claims[0].delivery, other);
    assert_null(help_take(b));
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_null(help_take(b));
    other = help_put(b, NULL, "third", "x"); /* the scan has come to its end: arrivals start at once */
    help_turn(b);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->claims[0].delivery, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_is_put_handed_out_and_delivered, setup, teardown),
        cmocka_unit_test_setup_teardown(a_duplicate_gets_the_first_id_and_is_not_delivered_again, setup, teardown),
        cmocka_unit_test_setup_teardown(one_lane_runs_one_at_a_time_and_keeps_its_order_through_back_off, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_back_off_longer_than_a_second_leaves_memory_and_comes_back_in_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_dead_one_is_skipped_or_blocks_its_key, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_dies_while_its_flow_stops_blocking_does_not_block_its_key, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_flow_goes_on_blocking_where_the_change_cannot_be_written, setup, teardown),
        cmocka_unit_test_setup_teardown(attempts_run_out_and_the_delivery_is_dead, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_out_at_a_crash_is_an_unknown_outcome_and_three_in_a_row_are_dead,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_filtered_costs_nothing_of_the_connections_budget, setup, teardown),
        cmocka_unit_test_setup_teardown(what_may_have_been_carried_out_is_known_to_every_later_attempt, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_attempt_with_an_idempotency_facility_is_begun_on_disk_when_it_takes_long,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            after_a_crash_what_may_have_been_out_is_begun_before_it_goes_and_dies_of_three_crashes, setup, teardown),
        cmocka_unit_test_setup_teardown(after_an_orderly_end_short_attempts_leave_no_row_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_window_smaller_than_the_backlog_delivers_every_lane_once, setup, teardown),
        cmocka_unit_test_setup_teardown(followers_beyond_the_window_come_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(thousands_behind_a_blocked_key_do_not_keep_others_from_starting, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
