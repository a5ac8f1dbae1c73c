/* SPDX-License-Identifier: Apache-2.0 */
/* drain_test.c - how long what waits will take: the estimate, against vendors and ledgers that take so long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guard/guard.h"

static const uint64_t MS = 1000000u;
static const int64_t DAY = 86400000;

static struct guard_result ended(enum tl_rc rc, uint64_t started)
{
    return (struct guard_result){.rc = rc, .cost = 1, .started_ns = started};
}

static void the_drain_estimate_names_the_tightest_limit(void **state)
{
    struct guard_conf c = {
        .budgets = {{.name = "rate", .kind = GUARD_BUCKET, .amount = 10, .per_ms = 1000, .burst = 10},
                    {.name = "daily", .kind = GUARD_ROLLING, .amount = 100000, .per_ms = DAY}},
        .n_budgets = 2};
    struct guard *g = guard_new(&c);
    const char *reason;

    (void)state;
    assert_int_equal(guard_drain_ms(g, MS, DAY, &(struct guard_backlog){.waiting = 1010}, &reason), 100000);
    assert_string_equal(reason, "rate");
    assert_int_equal(guard_drain_ms(g, MS, DAY, &(struct guard_backlog){.waiting = 0}, &reason), 0);
    guard_free(g);
}

static void a_pause_that_the_vendor_asked_for_is_part_of_the_drain_estimate(void **state)
{
    struct guard_feedback f = {.retry_after_ms = 3000};
    struct guard *g = guard_new(&(struct guard_conf){.concurrency = 2, .fixed = true});
    struct guard_backlog b = {.waiting = 8};
    struct guard_result r = ended(TL_OK, 0);
    const char *reason;

    (void)state;
    assert_true(guard_take(g, 0, DAY, 1).wait == GUARD_GO);
    r.feedback = &f;
    r.done = 1;
    guard_give(g, 10 * MS, DAY, &r);
    /* How many may go between two such words is not known: the present pause, one more, and their time. */
    assert_int_equal(guard_drain_ms(g, 10 * MS, DAY, &b, &reason), 6040);
    assert_string_equal(reason, "retry_after");
    b.lanes = 1;
    assert_int_equal(guard_drain_ms(g, 1010 * MS, DAY, &b, &reason), 5080);
    b.waiting = 1; /* it goes when the present pause is over */
    assert_int_equal(guard_drain_ms(g, 1010 * MS, DAY, &b, &reason) / 1000, 2);
    b.waiting = 8;
    assert_true(guard_take(g, 3010 * MS, DAY, 1).wait == GUARD_GO);
    r = ended(TL_OK, 3010 * MS); /* and now there is something left */
    r.done = 1;
    guard_give(g, 3020 * MS, DAY, &r);
    assert_in_range(guard_drain_ms(g, 3020 * MS, DAY, &b, &reason), 1, 200);
    assert_string_equal(reason, "concurrency");
    guard_free(g);
    g = guard_new(&(struct guard_conf){.concurrency = 2, .fixed = true}); /* refused at once: the pace is not known */
    assert_true(guard_take(g, 0, DAY, 1).wait == GUARD_GO);
    r = ended(TL_RATE_LIMITED, 0);
    r.feedback = &f;
    guard_give(g, 10 * MS, DAY, &r);
    assert_int_equal(guard_drain_ms(g, 10 * MS, DAY, &b, &reason), 3000);
    assert_string_equal(reason, "retry_after");
    guard_free(g);
}

/* A vendor with windows: so many calls in each of so many ms; the last of them is told to wait for the next. */
struct vendor {
    struct guard *g;
    uint64_t now_ms, turned_ms, per_ms, call_ms; /* call_ms 0: 100 */
    unsigned amount, used, told;
    bool presses; /* one more asks while all slots are taken, as a ledger does in which some wait */
};

static unsigned until_told(struct vendor *v, unsigned slots, unsigned calls) /* the calls that it took */
{
    unsigned done = 0, told = v->told;
    struct guard_feedback f[8];

    while (done < calls && v->told == told) {
        uint64_t from = v->now_ms;
        unsigned n = 0;

        while (n < slots && done + n < calls && guard_take(v->g, from * MS, DAY, 1).wait == GUARD_GO)
            n++;
        if (v->presses && n == slots && done + n < calls)
            assert_int_equal(guard_take(v->g, from * MS, DAY, 1).wait, GUARD_CONCURRENCY);
        v->now_ms += !n ? 10 : v->call_ms ? v->call_ms : 100;
        for (unsigned i = 0; i < n; i++) {
            struct guard_result r = ended(TL_OK, from * MS);

            if (v->now_ms >= v->turned_ms + v->per_ms) {
                v->turned_ms += (v->now_ms - v->turned_ms) / v->per_ms * v->per_ms;
                v->used = 0;
            }
            f[i] = (struct guard_feedback){.retry_after_ms = 0};
            if (++v->used == v->amount) {
                f[i].retry_after_ms = (uint32_t)(v->turned_ms + v->per_ms - v->now_ms);
                v->told++;
            }
            r.feedback = &f[i];
            r.done = 1;
            guard_give(v->g, v->now_ms * MS, DAY, &r);
        }
        done += n;
    }
    return done;
}

static uint64_t said_s(struct vendor *v, unsigned waiting)
{
    const char *reason;

    return (guard_drain_ms(v->g, v->now_ms * MS, DAY, &(struct guard_backlog){.waiting = waiting}, &reason) + 500) /
           1000;
}

static void between_two_pauses_go_as_many_calls_as_went_before(void **state)
{
    struct vendor v = {.g = guard_new(&(struct guard_conf){.concurrency = 5, .fixed = true}),
                       .now_ms = 20000,
                       .turned_ms = 20000,
                       .per_ms = 20000,
                       .amount = 50};

    (void)state;
    assert_int_equal(until_told(&v, 5, 1000), 50);
    assert_in_range(said_s(&v, 131), 40, 42); /* the present pause, and one: no window has been seen whole */
    assert_int_equal(until_told(&v, 5, 1000), 50);
    assert_in_range(said_s(&v, 131), 59, 61); /* 50, 50 and 31: three pauses, the present one among them */
    assert_in_range(said_s(&v, 50), 20, 21);
    assert_in_range(said_s(&v, 51), 39, 41);
    assert_int_equal(until_told(&v, 5, 20), 20);
    assert_in_range(said_s(&v, 30), 0, 1); /* in the window that has begun */
    assert_in_range(said_s(&v, 31), 19, 20);
    assert_int_equal(until_told(&v, 5, 1000), 30);
    assert_in_range(said_s(&v, 131), 58, 62);
    v.amount = 1000; /* raised */
    assert_int_equal(until_told(&v, 5, 150), 150);
    assert_in_range(said_s(&v, 131), 0, 5);
    guard_free(v.g);
}

static void assert_within(uint64_t estimate, uint64_t took, unsigned percent)
{
    if (estimate * 100 < took * (100 - percent) || estimate * 100 > took * (100 + percent))
        fail_msg("estimated %llu ms, it took %llu ms", (unsigned long long)estimate, (unsigned long long)took);
}

static void rests_and_the_time_of_the_calls_add_up(void **state)
{
    static const struct {
        unsigned slots, amount;
        uint64_t call_ms;
        bool presses;
        struct guard_budget bucket;
    } rows[] = {{.slots = 5, .amount = 50, .call_ms = 1000},
                {.slots = 5, .amount = 50, .call_ms = 1000, .presses = true},
                {.slots = 1, .amount = 2, .call_ms = 5000, .presses = true}, /* the pace is that between the rests */
                /* it fills up in the rests, as far as its burst goes */
                {.slots = 5,
                 .amount = 10,
                 .call_ms = 1000,
                 .bucket = {.name = "rate", .amount = 1, .per_ms = 1000, .burst = 4}}};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        const struct guard_conf c = {.concurrency = rows[i].slots,
                                     .fixed = true,
                                     .budgets = {rows[i].bucket},
                                     .n_budgets = rows[i].bucket.amount > 0};
        struct vendor v = {.g = guard_new(&c),
                           .now_ms = 20000,
                           .turned_ms = 20000,
                           .per_ms = 20000,
                           .call_ms = rows[i].call_ms,
                           .amount = rows[i].amount,
                           .presses = rows[i].presses};
        unsigned waiting = 4 * rows[i].amount - 3;
        uint64_t said, began;
        const char *reason;

        for (int windows = 0; windows < 6; windows++)
            assert_int_equal(until_told(&v, rows[i].slots, 1000), rows[i].amount);
        said = guard_drain_ms(v.g, v.now_ms * MS, DAY, &(struct guard_backlog){.waiting = waiting}, &reason);
        began = v.now_ms;
        for (unsigned done = 0; done < waiting;)
            done += until_told(&v, rows[i].slots, waiting - done);
        assert_within(said, v.now_ms - began, 10);
        guard_free(v.g);
    }
}

static void calls_of_a_quiet_time_are_no_window(void **state)
{
    struct vendor v = {.g = guard_new(&(struct guard_conf){.concurrency = 5, .fixed = true}),
                       .now_ms = 20000,
                       .turned_ms = 20000,
                       .per_ms = 20000,
                       .amount = 50};

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(until_told(&v, 5, 1000), 50);
    for (int i = 0; i < 12; i++) { /* four in a window */
        assert_int_equal(until_told(&v, 1, 4), 4);
        v.now_ms += 60000;
    }
    assert_int_equal(until_told(&v, 5, 1000), 50); /* the present pause is shorter: the window had begun before */
    assert_in_range(said_s(&v, 131), 2 * 19, 3 * 20);
    guard_free(v.g);
}

static void a_pause_that_several_calls_are_told_of_is_one(void **state)
{
    struct guard *g = guard_new(&(struct guard_conf){.concurrency = 2, .fixed = true});
    struct guard_feedback f = {.retry_after_ms = 3000};
    const char *reason;

    (void)state;
    for (uint64_t ms = 1000; ms < 10000; ms += 3100) { /* two at once, and both hear that nothing is left */
        for (int i = 0; i < 2; i++)
            assert_true(guard_take(g, ms * MS, DAY, 1).wait == GUARD_GO);
        for (uint64_t i = 0; i < 2; i++) {
            struct guard_result r = ended(TL_OK, ms * MS);

            r.feedback = &f;
            r.done = 1;
            guard_give(g, (ms + 10 + i) * MS, DAY, &r);
        }
    }
    /* Four rounds with three pauses between them, behind the present one. */
    assert_int_equal(guard_drain_ms(g, 7211 * MS, DAY, &(struct guard_backlog){.waiting = 8}, &reason) / 1000, 12);
    assert_string_equal(reason, "retry_after");
    guard_free(g);
}

/* ---- the estimate against what it takes ---- */
enum { AT_ONCE = 64 };
struct works { /* a ledger that commits every so many ms, and gives permits after a commit only */
    struct guard *g;
    uint64_t now_ms, call_ms, commit_ms;
    struct {
        uint64_t from_ms;
        bool probe;
    } out[AT_ONCE];
    size_t n_out;
    unsigned fails_every, calls;
};

static unsigned end_calls(struct works *w) /* how many failed */
{
    unsigned failed = 0;

    for (size_t i = 0; i < w->n_out;) {
        if (w->now_ms - w->out[i].from_ms < w->call_ms) {
            i++;
            continue;
        }
        struct guard_result r =
            ended(w->fails_every && ++w->calls % w->fails_every == 0 ? TL_UPSTREAM : TL_OK, w->out[i].from_ms * MS);

        r.done = r.rc == TL_OK;
        failed += r.rc != TL_OK;
        r.probe = w->out[i].probe;
        guard_give(w->g, w->now_ms * MS, DAY, &r);
        w->out[i] = w->out[--w->n_out];
    }
    return failed;
}

/* Until n are done, at most lanes at once; how long that took. */
static uint64_t drain(struct works *w, unsigned n, unsigned lanes)
{
    uint64_t from = w->now_ms;
    unsigned to_go = n;

    while (to_go > 0 || w->n_out > 0) {
        if (w->now_ms % w->commit_ms == 0) {
            while (to_go > 0 && w->n_out < lanes && w->n_out < AT_ONCE) {
                struct guard_answer a = guard_take(w->g, w->now_ms * MS, DAY, 1);

                if (a.wait != GUARD_GO)
                    break;
                w->out[w->n_out].from_ms = w->now_ms;
                w->out[w->n_out++].probe = a.probe;
                to_go--;
            }
        }
        w->now_ms++;
        to_go += end_calls(w); /* again, later */
    }
    return w->now_ms - from;
}

static uint64_t estimate(struct works *w, unsigned waiting, unsigned lanes)
{
    const char *reason;
    struct guard_backlog b = {.waiting = waiting, .lanes = lanes, .between_ms = (double)w->commit_ms};
    uint64_t ms = guard_drain_ms(w->g, w->now_ms * MS, DAY, &b, &reason);

    assert_string_equal(reason, "concurrency");
    return ms;
}

static void what_a_backlog_takes_is_known_from_single_calls(void **state)
{
    struct guard_conf c = {.concurrency = 8};
    struct works w = {.g = guard_new(&c), .now_ms = 1000, .call_ms = 37, .commit_ms = 5};
    uint64_t said;

    (void)state;
    for (int i = 0; i < 30; i++) {
        (void)drain(&w, 1, 1);
        w.now_ms += 500;
    }
    said = estimate(&w, 2000, 2000);
    assert_within(said, drain(&w, 2000, 2000), 20);
    guard_free(w.g);
}

static void what_was_done_while_calls_waited_counts_most(void **state)
{
    struct guard_conf c = {.concurrency = 8, .breaker_failures = 1000};
    struct works w = {.g = guard_new(&c), .now_ms = 1000, .call_ms = 20, .commit_ms = 30, .fails_every = 10};
    uint64_t said;

    (void)state;
    (void)drain(&w, 1000, 1000);
    said = estimate(&w, 5000, 5000);
    assert_within(said, drain(&w, 5000, 5000), 5);
    guard_free(w.g);
}

static void few_keys_cannot_use_all_slots(void **state)
{
    struct guard_conf c = {.concurrency = 8};
    struct works w = {.g = guard_new(&c), .now_ms = 1000, .call_ms = 50, .commit_ms = 1};
    uint64_t said;

    (void)state;
    (void)drain(&w, 1000, 1000);
    said = estimate(&w, 500, 2);
    assert_within(said, drain(&w, 500, 2), 20);
    guard_free(w.g);
}

static void refused_credentials_and_an_outage_do_not_spoil_the_estimate(void **state)
{
    struct guard_conf c = {.concurrency = 40, .breaker_open_ms = 1000};
    struct works w = {.g = guard_new(&c), .now_ms = 1000, .call_ms = 100, .commit_ms = 2};
    uint64_t said, before;

    (void)state;
    (void)drain(&w, 1000, 1000);
    before = estimate(&w, 1000, 1000);
    for (int i = 0; i < 3; i++) {
        struct guard_result r = ended(TL_AUTH, w.now_ms * MS);

        assert_int_equal(guard_take(w.g, w.now_ms * MS, DAY, 1).wait, GUARD_GO);
        w.now_ms += 1;
        guard_give(w.g, w.now_ms * MS, DAY, &r);
    }
    assert_int_equal(estimate(&w, 1000, 1000), before);
    for (int i = 0; i < 5; i++) {
        struct guard_result r = ended(TL_UPSTREAM, w.now_ms * MS);

        assert_int_equal(guard_take(w.g, w.now_ms * MS, DAY, 1).wait, GUARD_GO);
        guard_give(w.g, w.now_ms * MS, DAY, &r);
    }
    assert_true(guard_breaker_tripped(w.g));
    w.now_ms += 1000; /* it may be tried again: the ramp is before us */
    said = estimate(&w, 2000, 2000);
    assert_true(said > 2 * before);
    assert_within(said, drain(&w, 2000, 2000), 20);
    guard_free(w.g);
}

static void on_the_ramp_the_estimate_is_not_that_of_its_first_second(void **state)
{
    struct guard_conf c = {.concurrency = 40, .breaker_open_ms = 1000};
    struct works w = {.g = guard_new(&c), .now_ms = 1000, .call_ms = 100, .commit_ms = 2};
    uint64_t said;

    (void)state;
    (void)drain(&w, 1000, 1000);
    for (int i = 0; i < 5; i++) {
        struct guard_result r = ended(TL_UPSTREAM, w.now_ms * MS);

        assert_int_equal(guard_take(w.g, w.now_ms * MS, DAY, 1).wait, GUARD_GO);
        guard_give(w.g, w.now_ms * MS, DAY, &r);
    }
    w.now_ms += 1000;
    (void)drain(&w, 10, 10); /* the probe, and the first after it */
    said = estimate(&w, 2000, 2000);
    assert_within(said, drain(&w, 2000, 2000), 20);
    guard_free(w.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_drain_estimate_names_the_tightest_limit),
        cmocka_unit_test(a_pause_that_the_vendor_asked_for_is_part_of_the_drain_estimate),
        cmocka_unit_test(between_two_pauses_go_as_many_calls_as_went_before),
        cmocka_unit_test(rests_and_the_time_of_the_calls_add_up),
        cmocka_unit_test(calls_of_a_quiet_time_are_no_window),
        cmocka_unit_test(a_pause_that_several_calls_are_told_of_is_one),
        cmocka_unit_test(what_a_backlog_takes_is_known_from_single_calls),
        cmocka_unit_test(what_was_done_while_calls_waited_counts_most),
        cmocka_unit_test(few_keys_cannot_use_all_slots),
        cmocka_unit_test(refused_credentials_and_an_outage_do_not_spoil_the_estimate),
        cmocka_unit_test(on_the_ramp_the_estimate_is_not_that_of_its_first_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
