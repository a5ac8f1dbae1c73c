/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "guard/guard.h"

static const uint64_t MS = 1000000u;
static const int64_t DAY = 86400000;

static struct guard_result ended(enum tl_rc rc, uint64_t started)
{
    return (struct guard_result){.rc = rc, .cost = 1, .started_ns = started};
}

static void the_default_retry_sequence_doubles_to_ten_minutes_and_ends_after_eight(void **state)
{
    static const int64_t expected[] = {1000, 2000, 4000, 8000, 16000, 32000, 64000};
    struct guard_retry r = {.jitter = GUARD_JITTER_NONE};
    int64_t ms;

    (void)state;
    for (uint32_t used = 1; used < 8; used++) {
        assert_true(guard_retry_delay(&r, used, 0, 0, 0.5, &ms));
        assert_int_equal(ms, expected[used - 1]);
    }
    assert_false(guard_retry_delay(&r, 8, 0, 0, 0.5, &ms));
    r.attempts = 100;
    assert_true(guard_retry_delay(&r, 11, 0, 0, 0.5, &ms));
    assert_int_equal(ms, 600000);
    assert_true(guard_retry_delay(&r, 99, 0, 0, 0.5, &ms));
    assert_int_equal(ms, 600000);
}

static void jitter_is_full_and_retry_after_is_a_lower_bound(void **state)
{
    struct guard_retry r = {0};
    int64_t ms;

    (void)state;
    assert_true(guard_retry_delay(&r, 3, 0, 0, 0.25, &ms));
    assert_int_equal(ms, 1000);
    assert_true(guard_retry_delay(&r, 3, 0, 9000, 0.25, &ms));
    assert_int_equal(ms, 9000);
    r.max_age_ms = 60000;
    assert_false(guard_retry_delay(&r, 1, 60000, 0, 0, &ms));
}

static void a_bucket_gives_its_burst_then_its_rate(void **state)
{
    struct guard_conf c = {
        .budgets = {{.name = "rate", .kind = GUARD_BUCKET, .amount = 10, .per_ms = 1000, .burst = 3}},
        .n_budgets = 1,
        .concurrency = 1000};
    struct guard *g = guard_new(&c);
    struct guard_answer a;
    uint64_t now = 5000 * MS;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(guard_take(g, now, 0, 1).wait, GUARD_GO);
    a = guard_take(g, now, 0, 1);
    assert_int_equal(a.wait, GUARD_RATE);
    assert_string_equal(a.budget, "rate");
    assert_int_equal(a.wake_ns, now + 100 * MS);
    assert_int_equal(guard_take(g, now + 99 * MS, 0, 1).wait, GUARD_RATE);
    assert_int_equal(guard_take(g, a.wake_ns, 0, 1).wait, GUARD_GO);
    guard_free(g);
}

static void save(struct guard *g, int64_t wall)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b;

    tl_buf_init(&b, 4096);
    guard_save(g, wall, &b);
    guard_saved(g);
}

/* One call begins; its block of the quota is on disk first, where it must be. */
static struct guard_answer start(struct guard *g, uint64_t mono, int64_t wall)
{
    struct guard_answer a = guard_take(g, mono, wall, 1);

    if (a.wait == GUARD_RESERVE) {
        save(g, wall);
        a = guard_take(g, mono, wall, 1);
    }
    return a;
}

static void a_further_request_of_a_call_asks_the_budgets_and_not_for_a_slot(void **state)
{
    struct guard_conf c = {
        .budgets = {{.name = "rate", .kind = GUARD_BUCKET, .amount = 10, .per_ms = 1000, .burst = 3}},
        .n_budgets = 1,
        .concurrency = 1,
        .breaker_failures = 1};
    struct guard *g = guard_new(&c);
    struct guard_result failed = {.rc = TL_TIMEOUT, .cost = 1};
    uint64_t now = 5000 * MS;
    struct guard_answer a;
    uint32_t out;

    (void)state;
    assert_int_equal(guard_take(g, now, 0, 1).wait, GUARD_GO);
    assert_int_equal(guard_take(g, now, 0, 1).wait, GUARD_CONCURRENCY);
    assert_int_equal(guard_more(g, now, 0, 1).wait, GUARD_GO);
    (void)guard_concurrency(g, &out);
    assert_int_equal(out, 1);
    guard_give(g, now, 0, &failed);
    assert_int_equal(guard_take(g, now, 0, 1).wait, GUARD_BREAKER);
    assert_int_equal(guard_more(g, now, 0, 1).wait, GUARD_GO);
    a = guard_more(g, now, 0, 1);
    assert_int_equal(a.wait, GUARD_RATE);
    assert_string_equal(a.budget, "rate");
    assert_int_equal(guard_more(g, a.wake_ns, 0, 1).wait, GUARD_GO);
    guard_free(g);
}

static int take_all(struct guard *g, uint64_t mono, int64_t wall, int limit)
{
    int taken = 0;

    while (taken < limit) {
        struct guard_answer a = start(g, mono, wall);
        struct guard_result r = ended(TL_OK, mono);

        if (a.wait != GUARD_GO)
            break;
        guard_give(g, mono, wall, &r);
        taken++;
    }
    return taken;
}

static struct guard_conf rolling(double amount)
{
    return (struct guard_conf){.budgets = {{.name = "daily", .kind = GUARD_ROLLING, .amount = amount, .per_ms = DAY}},
                               .n_budgets = 1};
}

static void a_rolling_window_is_never_passed_and_comes_back_by_the_hour(void **state)
{
    struct guard_conf c = rolling(240);
    struct guard *g = guard_new(&c);
    int64_t wall = 1000 * DAY;

    (void)state;
    assert_int_equal(take_all(g, MS, wall, 100), 100);
    assert_int_equal(take_all(g, MS, wall + DAY / 2, 1000), 140);
    assert_int_equal(guard_take(g, MS, wall + DAY - 1, 1).wait, GUARD_QUOTA);
    assert_int_equal(take_all(g, MS, wall + DAY + DAY / 24, 1000), 100);
    guard_free(g);
}

static void a_call_late_in_its_hour_counts_for_a_whole_day(void **state)
{
    struct guard_conf c = rolling(5);
    struct guard *g = guard_new(&c);
    int64_t late = 1000 * DAY + DAY / 24 - 1000;
    struct guard_answer a;

    (void)state;
    assert_int_equal(take_all(g, MS, late, 100), 5);
    a = guard_take(g, MS, late + DAY - 1, 1);
    assert_int_equal(a.wait, GUARD_QUOTA);
    assert_int_equal(a.wake_ns, MS + 1001 * MS); /* not asked in vain before */
    assert_int_equal(take_all(g, MS, late + DAY + 1000, 100), 5);
    guard_free(g);
}

static void what_the_version_before_saved_of_a_quota_is_read(void **state)
{
    struct guard_conf c = rolling(240);
    struct guard *g = guard_new(&c);
    TL_CLEANUP(tl_buf_done) struct tl_buf saved;
    struct tl_err err;

    (void)state;
    tl_buf_init(&saved, 4096);
    tl_buf_printf(&saved, "guard1\ndaily\t%d\t%lld\t0", GUARD_ROLLING, (long long)(1000 * DAY));
    for (int i = 0; i < 24; i++)
        tl_buf_puts(&saved, "\t8");
    tl_buf_puts(&saved, "\n");
    assert_int_equal(guard_load(g, tl_buf_view(&saved), 1000 * DAY, &err), TL_OK);
    assert_int_equal(take_all(g, MS, 1000 * DAY, 1000), 240 - 24 * 8);
    guard_free(g);
}

static void a_crash_forfeits_at_most_one_block_and_never_spends_twice(void **state)
{
    struct guard_conf c = rolling(1000);
    struct guard *g = guard_new(&c);
    TL_CLEANUP(tl_buf_done) struct tl_buf saved;
    struct tl_err err;
    int64_t wall = 1000 * DAY;
    int before = 0, after;

    (void)state;
    tl_buf_init(&saved, 4096);
    while (before < 555) {
        struct guard_answer a = guard_take(g, MS, wall, 1);
        struct guard_result r = ended(TL_OK, MS);

        if (a.wait == GUARD_RESERVE) {
            tl_buf_clear(&saved);
            guard_save(g, wall, &saved);
            guard_saved(g);
            continue;
        }
        assert_int_equal(a.wait, GUARD_GO);
        guard_give(g, MS, wall, &r);
        before++;
    }
    guard_free(g); /* the crash */
    g = guard_new(&c);
    assert_int_equal(guard_load(g, tl_buf_view(&saved), wall, &err), TL_OK);
    after = take_all(g, MS, wall, 10000);
    assert_true(before + after <= 1000);
    assert_true(before + after >= 990);
    guard_free(g);
}

static void the_next_block_is_asked_for_before_the_last_call_of_this_one(void **state)
{
    struct guard_conf c = rolling(10000);
    struct guard *g = guard_new(&c);
    int waits = 0;

    (void)state;
    for (int taken = 0; taken < 5000;) {
        struct guard_answer a = guard_take(g, MS, DAY * 9, 1);
        struct guard_result r = ended(TL_OK, MS);

        if (a.wait == GUARD_GO) {
            guard_give(g, MS, DAY * 9, &r);
            taken++;
        } else {
            waits++;
        }
        if (guard_wants_save(g)) {
            TL_CLEANUP(tl_buf_done) struct tl_buf b;

            tl_buf_init(&b, 4096);
            guard_save(g, DAY * 9, &b);
            guard_saved(g);
        }
    }
    assert_int_equal(waits, 1);
    guard_free(g);
}

static void utc_day(const void *zone, int64_t wall_ms, int64_t *ret_start, int64_t *ret_end)
{
    (void)zone;
    *ret_start = wall_ms - wall_ms % DAY;
    *ret_end = *ret_start + DAY;
}

static void a_calendar_window_starts_anew_at_its_border_and_not_when_the_clock_goes_back(void **state)
{
    struct guard_conf c = {.budgets = {{.name = "day", .kind = GUARD_CALENDAR, .amount = 50, .window = utc_day}},
                           .n_budgets = 1};
    struct guard *g = guard_new(&c);
    struct guard_answer a;

    (void)state;
    assert_int_equal(take_all(g, MS, 10 * DAY + 1000, 100), 50);
    a = guard_take(g, MS, 11 * DAY - 500, 1);
    assert_int_equal(a.wait, GUARD_QUOTA);
    assert_int_equal(a.wake_ns, MS + 500 * MS);
    assert_int_equal(guard_take(g, MS, 10 * DAY - 1000, 1).wait, GUARD_QUOTA);
    assert_int_equal(take_all(g, MS, 11 * DAY, 100), 50);
    guard_free(g);
}

/* A start before the time was fetched: the clock is 40 days ahead, and then right again, also after a restart. */
static void what_was_spent_under_a_clock_that_was_ahead_counts_from_now_and_not_until_then(void **state)
{
    struct guard_conf confs[] = {
        rolling(240),
        {.budgets = {{.name = "day", .kind = GUARD_CALENDAR, .amount = 240, .window = utc_day}}, .n_budgets = 1}};
    int64_t wall = 1000 * DAY + DAY / 2, ahead = wall + 40 * DAY, over = wall + DAY + DAY / 24;
    struct tl_err err;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct guard *g = guard_new(&confs[i / 2]);
        TL_CLEANUP(tl_buf_done) struct tl_buf saved;
        struct guard_answer a;

        tl_buf_init(&saved, 4096);
        assert_int_equal(take_all(g, MS, ahead, 240), 240);
        assert_false(guard_was_ahead(g));
        guard_save(g, ahead, &saved);
        guard_saved(g);
        if (i % 2) {
            guard_free(g);
            g = guard_new(&confs[i / 2]);
            assert_int_equal(guard_load(g, tl_buf_view(&saved), wall, &err), TL_OK);
        }
        a = guard_take(g, MS, wall, 1);
        assert_int_equal(a.wait, GUARD_QUOTA);
        assert_true(a.wake_ns <= MS + (uint64_t)(over - wall) * MS);
        assert_true(guard_wants_save(g));
        assert_true(guard_was_ahead(g));
        assert_false(guard_was_ahead(g)); /* said once */
        assert_int_equal(take_all(g, MS, over, 1000), 240);
        assert_false(guard_was_ahead(g));
        guard_free(g);
    }
}

static void a_start_before_the_time_is_fetched_gives_nothing_back(void **state)
{
    struct guard_conf confs[] = {
        rolling(240),
        {.budgets = {{.name = "day", .kind = GUARD_CALENDAR, .amount = 240, .window = utc_day}}, .n_budgets = 1}};
    int64_t wall = 1000 * DAY, hour = DAY / 24;
    struct tl_err err;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(confs); i++) {
        struct guard *g = guard_new(&confs[i]);
        TL_CLEANUP(tl_buf_done) struct tl_buf saved;

        tl_buf_init(&saved, 4096);
        assert_int_equal(take_all(g, MS, wall, 240), 240);
        guard_save(g, wall, &saved);
        guard_saved(g);
        guard_free(g);
        g = guard_new(&confs[i]);
        assert_int_equal(guard_load(g, tl_buf_view(&saved), DAY, &err), TL_OK);
        assert_int_equal(guard_take(g, MS, DAY, 1).wait, GUARD_QUOTA);
        assert_int_equal(guard_take(g, MS, DAY + 2 * hour, 1).wait, GUARD_QUOTA);
        assert_int_equal(take_all(g, MS, wall + 3 * hour, 1000), 0);
        assert_int_equal(take_all(g, MS, wall + 23 * hour, 1000), 0);
        assert_int_equal(take_all(g, MS, wall + DAY + 3 * hour, 1000), 240);
        guard_free(g);
    }
}

/* A day ahead; then each day has its quota. */
static void what_was_brought_back_is_not_carried_from_day_to_day(void **state)
{
    struct guard_conf c = {.budgets = {{.name = "day", .kind = GUARD_CALENDAR, .amount = 24, .window = utc_day}},
                           .n_budgets = 1};

    (void)state;
    for (int64_t ahead = 1; ahead <= 3; ahead++) {
        struct guard *g = guard_new(&c);

        assert_int_equal(take_all(g, MS, (1000 + ahead) * DAY, 100), 24);
        assert_int_equal(take_all(g, MS, 1000 * DAY, 100), 0);
        for (int64_t day = 1001; day < 1006; day++)
            assert_int_equal(take_all(g, MS, day * DAY, 100), 24);
        guard_free(g);
    }
}

static void a_clock_that_is_put_right_by_a_little_gives_nothing_back(void **state)
{
    struct guard_conf c = rolling(5);
    struct guard *g = guard_new(&c);
    int64_t begin = 1000 * DAY;

    (void)state;
    assert_int_equal(take_all(g, MS, begin, 100), 5);
    assert_int_equal(guard_take(g, MS, begin - 1000, 1).wait, GUARD_QUOTA);
    assert_false(guard_was_ahead(g));
    assert_int_equal(guard_take(g, MS, begin + DAY - 1, 1).wait, GUARD_QUOTA);
    guard_free(g);
}

static void a_day_that_is_gone(const void *zone, int64_t wall_ms, int64_t *ret_start, int64_t *ret_end)
{
    assert_non_null(zone);
    assert_int_equal(*(const int *)zone, 7);
    utc_day(NULL, wall_ms, ret_start, ret_end);
}

static void a_guard_that_rests_touches_nothing_it_borrowed_and_goes_on_from_where_it_was(void **state)
{
    int zone = 7;
    struct guard_conf c = {
        .budgets = {{.name = "day", .kind = GUARD_CALENDAR, .amount = 10, .window = a_day_that_is_gone, .zone = &zone}},
        .n_budgets = 1};
    struct guard *g = guard_new(&c);
    struct guard_budget_stat s[GUARD_MAX_BUDGETS];

    (void)state;
    assert_int_equal(take_all(g, MS, 9 * DAY, 4), 4);
    guard_rest(g);
    zone = 0; /* freed */
    assert_int_equal(guard_stats(g, MS, 9 * DAY + 1000, s), 1);
    zone = 7;
    guard_set(g, &c);
    assert_int_equal(take_all(g, MS, 9 * DAY + 2000, 100), 6);
    guard_rest(g);
    zone = 0;
    assert_int_equal(guard_stats(g, MS, 12 * DAY, s), 1);
    guard_free(g);
}

static void a_vendors_reading_lowers_at_once_and_raises_only_when_its_call_was_alone(void **state)
{
    struct guard_conf c = rolling(1000);
    struct guard *g = guard_new(&c);
    struct guard_feedback f = {.readings = {{.name = "daily", .remaining = 5, .limit = 1000}}, .n_readings = 1};
    struct guard_result r = ended(TL_OK, MS);
    struct guard_budget_stat stat[GUARD_MAX_BUDGETS];

    (void)state;
    assert_int_equal(take_all(g, MS, DAY, 3), 3);
    assert_int_equal(guard_take(g, MS, DAY, 1).wait, GUARD_GO);
    assert_int_equal(guard_take(g, MS, DAY, 1).wait, GUARD_GO);
    r.feedback = &f;
    guard_give(g, MS, DAY, &r);
    guard_stats(g, MS, DAY, stat);
    assert_true(stat[0].remaining <= 5.0);
    f.readings[0].remaining = 900;
    assert_int_equal(guard_take(g, MS, DAY, 1).wait, GUARD_GO);
    guard_give(g, MS, DAY, &r); /* one call is still out: the higher reading may be old */
    guard_stats(g, MS, DAY, stat);
    assert_true(stat[0].remaining <= 5.0);
    guard_give(g, 2 * MS, DAY, &r); /* nothing is out now, but this answer may be older than what has ended meanwhile */
    guard_stats(g, 2 * MS, DAY, stat);
    assert_true(stat[0].remaining <= 5.0);
    r.started_ns = 3 * MS;
    assert_int_equal(guard_take(g, 3 * MS, DAY, 1).wait, GUARD_GO);
    guard_give(g, 4 * MS, DAY, &r);
    guard_stats(g, 4 * MS, DAY, stat);
    assert_true(stat[0].remaining > 800);
    guard_free(g);
}

static void say(struct guard *g, uint64_t now, int64_t wall, double remaining, double limit)
{
    struct guard_feedback f = {.readings = {{.name = "daily", .remaining = remaining, .limit = limit}},
                               .n_readings = 1};
    struct guard_result r = ended(TL_OK, now);

    r.feedback = &f;
    guard_give(g, now, wall, &r);
}

static void nothing_left_without_a_time_of_reset_lets_one_call_an_hour_find_out(void **state)
{
    struct guard_conf c = rolling(1000);
    struct guard *g = guard_new(&c);
    const int64_t hour = DAY / 24;
    struct guard_answer a;

    (void)state;
    assert_int_equal(take_all(g, MS, DAY, 1), 1);
    assert_int_equal(start(g, 2 * MS, DAY).wait, GUARD_GO);
    say(g, 2 * MS, DAY, 0, 1000);
    a = start(g, 3 * MS, DAY);
    assert_int_equal(a.wait, GUARD_QUOTA);
    assert_int_equal(a.wake_ns, 3 * MS + (uint64_t)hour * MS);
    assert_int_equal(start(g, 4 * MS, DAY + hour).wait, GUARD_GO);
    assert_int_equal(start(g, 4 * MS, DAY + hour).wait, GUARD_QUOTA); /* one, not all that we think are left */
    say(g, 5 * MS, DAY + hour, 0, 1000);
    assert_int_equal(start(g, 6 * MS, DAY + hour + 1).wait, GUARD_QUOTA);
    assert_int_equal(start(g, 7 * MS, DAY + 2 * hour).wait, GUARD_GO);
    say(g, 8 * MS, DAY + 2 * hour, 700, 1000); /* the org was given more */
    assert_int_equal(take_all(g, 9 * MS, DAY + 2 * hour, 100), 100);
    guard_free(g);
}

static void a_vendors_limit_makes_a_configured_quota_smaller_but_not_larger(void **state)
{
    struct guard_conf c = rolling(300);
    struct guard *g = guard_new(&c);
    struct guard_budget_stat stat[GUARD_MAX_BUDGETS];

    (void)state;
    assert_int_equal(take_all(g, MS, DAY, 1), 1);
    assert_int_equal(start(g, 2 * MS, DAY).wait, GUARD_GO);
    say(g, 2 * MS, DAY, 900, 1000);
    (void)guard_stats(g, 3 * MS, DAY, stat);
    assert_int_equal(stat[0].amount, 300);
    assert_int_equal(start(g, 3 * MS, DAY).wait, GUARD_GO);
    say(g, 3 * MS, DAY, 90, 100);
    (void)guard_stats(g, 4 * MS, DAY, stat);
    assert_int_equal(stat[0].amount, 100);
    c.budgets[0].theirs = true; /* a first guess of the connector's */
    guard_set(g, &c);
    assert_int_equal(start(g, 4 * MS, DAY).wait, GUARD_GO);
    say(g, 4 * MS, DAY, 900, 1000);
    (void)guard_stats(g, 5 * MS, DAY, stat);
    assert_int_equal(stat[0].amount, 1000);
    guard_free(g);
}

static void a_long_retry_after_survives_a_restart_and_a_short_one_asks_for_no_write(void **state)
{
    struct guard *g = guard_new(NULL), *again = guard_new(NULL);
    struct guard_feedback f = {.retry_after_ms = 2000};
    struct guard_result r = ended(TL_RATE_LIMITED, MS);
    TL_CLEANUP(tl_buf_done) struct tl_buf b;
    struct guard_answer a;
    struct tl_err err;

    (void)state;
    r.feedback = &f;
    assert_int_equal(guard_take(g, MS, DAY, 1).wait, GUARD_GO);
    guard_give(g, MS, DAY, &r);
    assert_false(guard_wants_save(g));
    f.retry_after_ms = 600000;
    assert_int_equal(guard_take(g, 3000 * MS, DAY, 1).wait, GUARD_GO);
    guard_give(g, 3000 * MS, DAY, &r);
    assert_true(guard_wants_save(g));
    tl_buf_init(&b, 4096);
    guard_save(g, DAY, &b);
    guard_saved(g);
    assert_false(guard_wants_save(g));
    assert_int_equal(guard_load(again, tl_buf_view(&b), DAY + 100000, &err), TL_OK);
    a = guard_take(again, 7 * MS, DAY + 100000, 1);
    assert_int_equal(a.wait, GUARD_RATE);
    assert_int_equal(a.wake_ns, 7 * MS + 500000 * MS);
    assert_int_equal(guard_take(again, a.wake_ns, DAY + 600000, 1).wait, GUARD_GO);
    guard_free(again);
    again = guard_new(NULL); /* the clock was a day ahead when the remote said it: no more than it said is waited */
    assert_int_equal(guard_load(again, tl_buf_view(&b), 0, &err), TL_OK);
    a = guard_take(again, 7 * MS, 0, 1);
    assert_int_equal(a.wait, GUARD_RATE);
    assert_int_equal(a.wake_ns, 7 * MS + 600000 * MS);
    assert_true(guard_was_ahead(again));
    guard_free(again);
    again = guard_new(NULL); /* put right by a little meanwhile: nothing to say */
    assert_int_equal(guard_load(again, tl_buf_view(&b), DAY - 500, &err), TL_OK);
    assert_int_equal(guard_take(again, 7 * MS, DAY - 500, 1).wake_ns, 7 * MS + 600500 * MS);
    assert_false(guard_was_ahead(again));
    guard_free(g);
    guard_free(again);
}

static void the_breaker_opens_by_hand_for_a_last_attempt_unless_something_succeeded_since(void **state)
{
    struct guard *g = guard_new(NULL);
    struct guard_result bad = ended(TL_UNREACHABLE, MS), good = ended(TL_OK, MS);
    struct guard_conf off = {.no_breaker = true};

    (void)state;
    assert_int_equal(guard_take(g, MS, 0, 1).wait, GUARD_GO);
    guard_give(g, MS, 0, &bad);
    assert_int_equal(guard_take(g, MS, 0, 1).wait, GUARD_GO);
    guard_give(g, MS, 0, &good);
    assert_false(guard_breaker_trip(g, MS, 2));
    assert_string_equal(guard_breaker_state(g), "closed");
    assert_true(guard_breaker_trip(g, MS, 1));
    assert_string_equal(guard_breaker_state(g), "open");
    guard_free(g);
    g = guard_new(&off);
    assert_false(guard_breaker_trip(g, MS, 1));
    guard_free(g);
}

static void the_breaker_opens_after_failures_in_a_row_and_lets_one_probe_through(void **state)
{
    struct guard_conf c = {.breaker_failures = 3, .breaker_open_ms = 1000, .concurrency = 20};
    struct guard *g = guard_new(&c);
    struct guard_result bad = ended(TL_UPSTREAM, MS), probe;
    struct guard_answer a;
    uint64_t now = MS;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(guard_take(g, now, 0, 1).wait, GUARD_GO);
        guard_give(g, now, 0, &bad);
    }
    a = guard_take(g, now, 0, 1);
    assert_int_equal(a.wait, GUARD_BREAKER);
    assert_int_equal(a.wake_ns, now + 1000 * MS);
    now = a.wake_ns;
    a = guard_take(g, now, 0, 1);
    assert_int_equal(a.wait, GUARD_GO);
    assert_true(a.probe);
    assert_int_equal(guard_take(g, now, 0, 1).wait, GUARD_BREAKER);
    probe = bad;
    probe.probe = true;
    guard_give(g, now, 0, &probe);
    assert_int_equal(guard_take(g, now, 0, 1).wake_ns, now + 2000 * MS); /* twice as long */
    now += 2000 * MS;
    assert_true(guard_take(g, now, 0, 1).probe);
    probe.rc = TL_INVALID;
    probe.not_sent = true; /* refused by ourselves: nothing was learnt, so the next one asks again */
    guard_give(g, now, 0, &probe);
    assert_true(guard_breaker_tripped(g));
    assert_true(guard_take(g, now, 0, 1).probe);
    probe.not_sent = false; /* a refusal is an answer: it is there again */
    guard_give(g, now, 0, &probe);
    assert_false(guard_breaker_tripped(g));
    guard_free(g);
}

static void refusals_and_rate_limits_never_open_the_breaker(void **state)
{
    static const enum tl_rc harmless[] = {TL_INVALID, TL_AUTH, TL_RATE_LIMITED, TL_CONFLICT, TL_FORBIDDEN};
    struct guard *g = guard_new(NULL);

    (void)state;
    for (int i = 0; i < 100; i++) {
        struct guard_result r = ended(harmless[i % 5], (uint64_t)i * 10000 * MS);

        assert_int_equal(guard_take(g, (uint64_t)i * 10000 * MS, 0, 1).wait, GUARD_GO);
        guard_give(g, (uint64_t)i * 10000 * MS, 0, &r);
    }
    assert_string_equal(guard_breaker_state(g), "closed");
    guard_free(g);
}

static void after_an_outage_concurrency_climbs_by_doubling(void **state)
{
    struct guard_conf c = {.breaker_failures = 1, .concurrency = 40};
    struct guard *g = guard_new(&c);
    struct guard_result r = ended(TL_UNREACHABLE, MS);
    uint64_t now = MS;
    uint32_t out;

    (void)state;
    (void)guard_take(g, now, 0, 1);
    guard_give(g, now, 0, &r);
    now += 2000 * MS;
    assert_true(guard_take(g, now, 0, 1).probe);
    r = ended(TL_OK, now);
    r.probe = true;
    guard_give(g, now, 0, &r);
    assert_int_equal(guard_concurrency(g, &out), 4);
    (void)guard_take(g, now + 1000 * MS, 0, 1);
    assert_int_equal(guard_concurrency(g, &out), 8);
    (void)guard_take(g, now + 9000 * MS, 0, 1);
    assert_int_equal(guard_concurrency(g, &out), 40);
    guard_free(g);
}

static void concurrency_goes_down_once_a_round_and_climbs_back(void **state)
{
    struct guard_conf c = {.concurrency = 10};
    struct guard *g = guard_new(&c);
    struct guard_feedback many = {.too_many_at_once = true, .retry_after_ms = 1};
    uint32_t out;
    uint64_t now = 100 * MS;

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(guard_take(g, now, 0, 1).wait, GUARD_GO);
    assert_int_equal(guard_take(g, now, 0, 1).wait, GUARD_CONCURRENCY);
    for (int i = 0; i < 10; i++) { /* ten refusals of calls that began together are one lesson */
        struct guard_result r = ended(TL_RATE_LIMITED, now);

        r.feedback = &many;
        guard_give(g, now + 5 * MS, 0, &r);
    }
    assert_int_equal(guard_concurrency(g, &out), 7);
    assert_int_equal(out, 0);
    now += 2000 * MS;
    for (int round = 0; round < 40; round++) {
        uint32_t started = 0;

        while (guard_take(g, now, 0, 1).wait == GUARD_GO)
            started++;
        while (started--) {
            struct guard_result r = ended(TL_OK, now);

            guard_give(g, now, 0, &r);
        }
        now += 100 * MS;
    }
    assert_int_equal(guard_concurrency(g, &out), 10);
    guard_free(g);
}

static void a_reload_leaves_concurrency_where_it_was_brought_down_to(void **state)
{
    struct guard_conf c = {.concurrency = 40};
    struct guard *g = guard_new(&c);
    struct guard_feedback many = {.too_many_at_once = true};
    struct guard_result r = ended(TL_RATE_LIMITED, MS);
    uint32_t out, low;

    (void)state;
    (void)guard_take(g, MS, 0, 1);
    r.feedback = &many;
    guard_give(g, 2 * MS, 0, &r);
    low = guard_concurrency(g, &out);
    assert_true(low < 40);
    guard_set(g, &c);
    assert_int_equal(guard_concurrency(g, &out), low);
    c.concurrency = 10;
    guard_set(g, &c);
    assert_int_equal(guard_concurrency(g, &out), 10);
    c.concurrency = 50; /* ten was all that was allowed, not what the other side wanted */
    guard_set(g, &c);
    assert_int_equal(guard_concurrency(g, &out), 50);
    guard_free(g);
}

static void a_person_lifts_a_retry_after_for_good(void **state)
{
    struct guard *g = guard_new(NULL);
    struct guard_feedback day = {.retry_after_ms = 86400000};
    struct guard_result r = ended(TL_RATE_LIMITED, MS);
    TL_CLEANUP(tl_buf_done) struct tl_buf saved;
    struct tl_err err;

    (void)state;
    tl_buf_init(&saved, 4096);
    (void)guard_take(g, MS, 0, 1);
    r.feedback = &day;
    guard_give(g, MS, 0, &r);
    assert_int_equal(guard_take(g, 2 * MS, 1, 1).wait, GUARD_RATE);
    guard_save(g, 1, &saved);
    guard_saved(g);
    guard_resume(g);
    assert_int_equal(guard_take(g, 2 * MS, 1, 1).wait, GUARD_GO);
    assert_true(guard_wants_save(g));
    tl_buf_clear(&saved);
    guard_save(g, 1, &saved);
    guard_saved(g);
    guard_free(g);
    g = guard_new(NULL);
    assert_int_equal(guard_load(g, tl_buf_view(&saved), 2, &err), TL_OK);
    assert_int_equal(guard_take(g, MS, 2, 1).wait, GUARD_GO);
    guard_free(g);
}

static void too_many_at_once_makes_fewer_and_stops_nobody(void **state)
{
    struct guard_conf c = {.concurrency = 10};
    struct guard *g = guard_new(&c);
    struct guard_feedback many = {.too_many_at_once = true};
    struct guard_result r = ended(TL_RATE_LIMITED, MS);
    uint32_t out;

    (void)state;
    assert_int_equal(guard_take(g, MS, 0, 1).wait, GUARD_GO);
    r.feedback = &many;
    guard_give(g, 2 * MS, 0, &r);
    assert_int_equal(guard_concurrency(g, &out), 7);
    assert_int_equal(guard_take(g, 2 * MS, 0, 1).wait, GUARD_GO);
    r = ended(TL_RATE_LIMITED, 2 * MS); /* without that word, all wait for a second */
    guard_give(g, 3 * MS, 0, &r);
    assert_int_equal(guard_take(g, 4 * MS, 0, 1).wait, GUARD_RATE);
    guard_free(g);
}

static void retry_after_stops_all_calls_of_the_connection(void **state)
{
    struct guard *g = guard_new(NULL);
    struct guard_feedback f = {.retry_after_ms = 5000};
    struct guard_result r = ended(TL_RATE_LIMITED, MS);
    struct guard_answer a;

    (void)state;
    (void)guard_take(g, MS, 0, 1);
    r.feedback = &f;
    guard_give(g, MS, 0, &r);
    a = guard_take(g, 2 * MS, 0, 1);
    assert_int_equal(a.wait, GUARD_RATE);
    assert_int_equal(a.wake_ns, 5001 * MS);
    assert_int_equal(guard_take(g, 5001 * MS, 0, 1).wait, GUARD_GO);
    guard_free(g);
}

static void a_call_that_was_not_sent_gives_its_cost_back(void **state)
{
    struct guard_conf c = rolling(100);
    struct guard *g = guard_new(&c);
    struct guard_budget_stat stat[GUARD_MAX_BUDGETS];
    struct guard_result r = ended(TL_CANCELED, MS);

    (void)state;
    assert_int_equal(take_all(g, MS, DAY, 10), 10);
    while (guard_take(g, MS, DAY, 1).wait == GUARD_RESERVE) {
        TL_CLEANUP(tl_buf_done) struct tl_buf b;

        tl_buf_init(&b, 4096);
        guard_save(g, DAY, &b);
        guard_saved(g);
    }
    r.not_sent = true;
    guard_give(g, MS, DAY, &r);
    guard_stats(g, MS, DAY, stat);
    assert_true(stat[0].used == 10.0);
    guard_free(g);
}

static void a_changed_configuration_keeps_what_was_used(void **state)
{
    struct guard_conf c = rolling(100);
    struct guard *g = guard_new(&c);

    (void)state;
    assert_int_equal(take_all(g, MS, DAY, 60), 60);
    c.budgets[0].amount = 80;
    guard_set(g, &c);
    assert_int_equal(take_all(g, MS, DAY, 1000), 20);
    guard_free(g);
}

/* 5 * (1 - 0.8) is a little less than 1. */
static void what_is_kept_leaves_the_whole_calls_of_the_rest(void **state)
{
    struct guard_conf c = rolling(5);
    struct guard *g;

    (void)state;
    c.budgets[0].keep = 0.8;
    g = guard_new(&c);
    assert_int_equal(take_all(g, MS, DAY, 10), 1);
    guard_free(g);
}

static void damaged_bytes_are_refused(void **state)
{
    static const char *const bad[] = {"", "guard9\n", "guard1\ndaily\t1\n", "guard1\ndaily\t1\t0\t0\tnan\n"};
    struct guard_conf c = rolling(100);
    struct guard *g = guard_new(&c);
    struct tl_err err;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(bad); i++)
        assert_int_equal(guard_load(g, tl_sv_str(bad[i]), DAY, &err), TL_PARSE);
    guard_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_retry_sequence_doubles_to_ten_minutes_and_ends_after_eight),
        cmocka_unit_test(jitter_is_full_and_retry_after_is_a_lower_bound),
        cmocka_unit_test(a_bucket_gives_its_burst_then_its_rate),
        cmocka_unit_test(a_further_request_of_a_call_asks_the_budgets_and_not_for_a_slot),
        cmocka_unit_test(a_rolling_window_is_never_passed_and_comes_back_by_the_hour),
        cmocka_unit_test(what_the_version_before_saved_of_a_quota_is_read),
        cmocka_unit_test(a_call_late_in_its_hour_counts_for_a_whole_day),
        cmocka_unit_test(a_crash_forfeits_at_most_one_block_and_never_spends_twice),
        cmocka_unit_test(the_next_block_is_asked_for_before_the_last_call_of_this_one),
        cmocka_unit_test(what_was_spent_under_a_clock_that_was_ahead_counts_from_now_and_not_until_then),
        cmocka_unit_test(a_start_before_the_time_is_fetched_gives_nothing_back),
        cmocka_unit_test(what_was_brought_back_is_not_carried_from_day_to_day),
        cmocka_unit_test(a_clock_that_is_put_right_by_a_little_gives_nothing_back),
        cmocka_unit_test(a_calendar_window_starts_anew_at_its_border_and_not_when_the_clock_goes_back),
        cmocka_unit_test(a_guard_that_rests_touches_nothing_it_borrowed_and_goes_on_from_where_it_was),
        cmocka_unit_test(a_vendors_reading_lowers_at_once_and_raises_only_when_its_call_was_alone),
        cmocka_unit_test(the_breaker_opens_after_failures_in_a_row_and_lets_one_probe_through),
        cmocka_unit_test(nothing_left_without_a_time_of_reset_lets_one_call_an_hour_find_out),
        cmocka_unit_test(a_vendors_limit_makes_a_configured_quota_smaller_but_not_larger),
        cmocka_unit_test(a_long_retry_after_survives_a_restart_and_a_short_one_asks_for_no_write),
        cmocka_unit_test(a_person_lifts_a_retry_after_for_good),
        cmocka_unit_test(the_breaker_opens_by_hand_for_a_last_attempt_unless_something_succeeded_since),
        cmocka_unit_test(refusals_and_rate_limits_never_open_the_breaker),
        cmocka_unit_test(after_an_outage_concurrency_climbs_by_doubling),
        cmocka_unit_test(concurrency_goes_down_once_a_round_and_climbs_back),
        cmocka_unit_test(a_reload_leaves_concurrency_where_it_was_brought_down_to),
        cmocka_unit_test(too_many_at_once_makes_fewer_and_stops_nobody),
        cmocka_unit_test(retry_after_stops_all_calls_of_the_connection),
        cmocka_unit_test(a_call_that_was_not_sent_gives_its_cost_back),
        cmocka_unit_test(a_changed_configuration_keeps_what_was_used),
        cmocka_unit_test(what_is_kept_leaves_the_whole_calls_of_the_rest),
        cmocka_unit_test(damaged_bytes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
