/* SPDX-License-Identifier: Apache-2.0 */
/* A wall clock that was wrong for a while; the other one goes on. */
#include "help.h"

#define HOUR 3600000

/* Tried once in vain, waiting for the next time. */
static uint64_t put_and_fail(struct bench *b, uint32_t retry_after_ms)
{
    uint64_t id = help_put(b, NULL, "k", "x");
    struct queue_work *w;

    help_turn(b);
    w = help_take(b);
    assert_non_null(w);
    w->claims[0].outcome = (struct queue_outcome){
        .end = QUEUE_END_FAILED, .rc = TL_UPSTREAM, .text = TL_SV("no"), .retry_after_ms = retry_after_ms};
    queue_finish(b->q, w);
    help_turn(b);
    return id;
}

static void pause_of_three_seconds(struct bench *b)
{
    b->retry.base_ms = b->retry.most_ms = 3000;
}

static void a_retry_is_due_after_its_pause_also_when_the_clock_went_back_meanwhile(void **state)
{
    struct bench *b = *state;

    pause_of_three_seconds(b);
    help_open(b);
    (void)put_and_fail(b, 0);
    help_after(b, 1000);
    b->notices = 0;
    b->clock.wall_ms -= HOUR;
    help_after(b, 1000);
    help_after(b, 3000);
    assert_non_null(help_take(b));
    assert_int_equal(b->notices, 1);
    assert_string_equal(b->last_notice, "clock_was_ahead");
}

static void a_retry_is_due_after_its_pause_also_when_the_clock_is_found_right_at_a_start(void **state)
{
    struct bench *b = *state;
    struct queue_row row;
    uint64_t id;

    pause_of_three_seconds(b);
    help_open(b);
    id = put_and_fail(b, 0);
    help_close(b);
    b->clock.wall_ms -= 48LL * HOUR;
    b->notices = 0;
    help_open(b);
    assert_int_equal(b->notices, 1);
    help_row(b, id, &row);
    assert_true(row.next_at_ms <= b->clock.wall_ms + 3000);
    help_after(b, 1500);
    assert_null(help_take(b)); /* its pause is kept */
    help_after(b, 2000);
    assert_non_null(help_take(b));
}

static void what_a_remote_asked_for_is_waited_for_whatever_the_clock_does(void **state)
{
    struct bench *b = *state;

    pause_of_three_seconds(b);
    help_open(b);
    (void)put_and_fail(b, 2 * HOUR);
    b->clock.wall_ms -= 24LL * HOUR;
    b->notices = 0;
    help_after(b, 2000);
    assert_int_equal(b->notices, 1);
    for (int i = 0; i < 2; i++) { /* and a start changes nothing */
        help_after(b, HOUR - 10000);
        help_close(b);
        help_open(b);
        assert_null(help_take(b));
    }
    assert_int_equal(b->notices, 1);
    help_after(b, 30000);
    assert_non_null(help_take(b));
}

static void at_a_start_before_the_time_is_fetched_what_waits_keeps_its_time(void **state)
{
    struct bench *b = *state;
    int64_t right;

    pause_of_three_seconds(b);
    help_open(b);
    (void)put_and_fail(b, 2 * HOUR);
    help_close(b);
    right = b->clock.wall_ms;
    b->clock.wall_ms = 60000; /* 1970 */
    b->notices = 0;
    help_open(b);
    help_after(b, 10000);
    assert_null(help_take(b));
    b->clock.wall_ms = right + 60000;
    help_after(b, 10000);
    assert_null(help_take(b));
    help_after(b, HOUR);
    assert_null(help_take(b));
    help_after(b, HOUR);
    assert_non_null(help_take(b));
    assert_int_equal(b->notices, 0);
}

static void a_clock_that_is_put_right_by_a_little_moves_nothing(void **state)
{
    struct bench *b = *state;

    pause_of_three_seconds(b);
    help_open(b);
    (void)put_and_fail(b, 0);
    b->notices = 0;
    b->clock.wall_ms -= 500;
    help_after(b, 1000);
    help_after(b, 2600);
    assert_non_null(help_take(b));
    assert_int_equal(b->notices, 0);
}

/* A start before the time was fetched. */
static void a_quota_that_was_spent_under_a_clock_that_was_ahead_comes_back_after_one_window(void **state)
{
    struct bench *b = *state;

    b->guard.n_budgets = 1;
    b->guard.budgets[0] = (struct guard_budget){.name = "day", .kind = GUARD_ROLLING, .amount = 5, .per_ms = 24 * HOUR};
    help_open(b);
    b->clock.wall_ms += 960LL * HOUR;
    for (int i = 0; i < 5; i++) {
        (void)help_put(b, NULL, NULL, "x");
        help_turn(b);
        help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    }
    help_close(b);
    b->clock.wall_ms -= 960LL * HOUR;
    b->notices = 0;
    help_open(b);
    assert_int_equal(b->notices, 1);
    assert_string_equal(b->last_notice, "clock_was_ahead");
    (void)help_put(b, NULL, NULL, "x");
    help_after(b, 22LL * HOUR);
    assert_null(help_take(b));
    help_after(b, 3LL * HOUR);
    help_after(b, 2000);
    assert_non_null(help_take(b));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, help_setup, help_teardown)
    const struct CMUnitTest tests[] = {
        T(a_retry_is_due_after_its_pause_also_when_the_clock_went_back_meanwhile),
        T(a_retry_is_due_after_its_pause_also_when_the_clock_is_found_right_at_a_start),
        T(what_a_remote_asked_for_is_waited_for_whatever_the_clock_does),
        T(at_a_start_before_the_time_is_fetched_what_waits_keeps_its_time),
        T(a_clock_that_is_put_right_by_a_little_moves_nothing),
        T(a_quota_that_was_spent_under_a_clock_that_was_ahead_comes_back_after_one_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
