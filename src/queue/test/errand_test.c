/* SPDX-License-Identifier: Apache-2.0 */
/* Works without deliveries: stopping a long job whose members are gone, asking a connection whether it is back. */
#include "help.h"
#include "queue/queue_int.h"

/* Three members in one job that is checkpointed as "job 750". */
static struct queue_work *start_job(struct bench *b, uint64_t *ids)
{
    struct queue_work *w;
    struct tl_err err;

    b->targets[0].batch_count = 10;
    help_open(b);
    queue_set_dispatch(b->q, false);
    for (int i = 0; i < 3; i++)
        ids[i] = help_put(b, NULL, NULL, "x");
    queue_set_dispatch(b->q, true);
    help_turn(b);
    help_after(b, 21);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->n, 3);
    if (queue_checkpoint(b->q, NULL, w, TL_SV("job 750"), &err) != TL_OK)
        fail_msg("%s", err.text);
    return w;
}

static void cancel(struct bench *b, const uint64_t *ids, size_t n)
{
    struct queue_plan plan = {.action = QUEUE_CANCEL, .filter = {.ids = ids, .n_ids = n}};

    assert_int_equal(help_job(b, &plan).done, n);
}

static void pend(struct bench *b, struct queue_work *w)
{
    w->next_poll_ms = 60000;
    help_finish(b, w, QUEUE_END_PENDING, TL_OK, NULL);
}

static void finish_errand(struct bench *b, struct queue_work *w, enum queue_end end, enum tl_rc rc)
{
    w->outcome = (struct queue_outcome){.end = end, .rc = rc, .text = TL_SV("said so")};
    queue_finish(b->q, w);
    help_turn(b);
}

static void cancelling_the_last_member_of_a_long_job_stops_it_once(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t ids[3];

    pend(b, start_job(b, ids));
    cancel(b, ids, 2);
    help_after(b, 2000);
    assert_null(help_take(b)); /* one of them still wants it */
    cancel(b, ids + 2, 1);
    help_after(b, 1);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->kind, QUEUE_WORK_ABORT);
    assert_int_equal(w->n, 0);
    assert_int_equal(w->target, b->targets[0].ret_id);
    assert_true(tl_sv_eqs(w->ticket, "job 750"));
    help_after(b, 60000);
    assert_null(help_take(b));
    finish_errand(b, w, QUEUE_END_DONE, TL_OK);
    help_after(b, 60000);
    assert_null(help_take(b));
    help_close(b);
    help_open(b);
    help_after(b, 60000);
    assert_null(help_take(b));
    assert_int_equal(queue_works_out(b->q), 0);
}

static void an_abort_is_tried_again_while_the_other_side_is_away_and_after_a_restart(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t ids[3];

    pend(b, start_job(b, ids));
    cancel(b, ids, 3);
    help_after(b, 1);
    w = help_take(b);
    assert_int_equal(w->kind, QUEUE_WORK_ABORT);
    finish_errand(b, w, QUEUE_END_FAILED, TL_UNREACHABLE);
    help_after(b, 1000);
    assert_null(help_take(b));
    help_after(b, 30000);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->kind, QUEUE_WORK_ABORT);
    help_close(b); /* its answer is lost */
    help_open(b);
    help_after(b, 1);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->kind, QUEUE_WORK_ABORT);
    assert_true(tl_sv_eqs(w->ticket, "job 750"));
    finish_errand(b, w, QUEUE_END_FAILED, TL_INVALID); /* it refuses: told, not repeated */
    assert_string_equal(b->last_notice, "abort_failed");
    help_after(b, 60000);
    assert_null(help_take(b));
}

static void members_cancelled_while_their_call_runs_are_stopped_when_it_is_back(void **state)
{
    struct bench *b = *state;
    struct queue_work *w, *a;
    uint64_t ids[3];

    w = start_job(b, ids);
    cancel(b, ids, 3);
    help_after(b, 5000);
    assert_null(help_take(b));
    pend(b, w);
    help_after(b, 1100);
    a = help_take(b);
    assert_non_null(a);
    assert_int_equal(a->kind, QUEUE_WORK_ABORT);
    finish_errand(b, a, QUEUE_END_DONE, TL_OK);
    assert_int_equal(help_count(b, QUEUE_CANCELLED), 3);
}

static void a_job_that_began_while_its_members_were_cancelled_is_stopped_too(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t id;

    help_open(b);
    id = help_put(b, NULL, NULL, "x");
    help_turn(b);
    w = help_take(b);
    cancel(b, &id, 1);
    w->ret_ticket = TL_SV("job 9");
    pend(b, w);
    help_after(b, 1100);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->kind, QUEUE_WORK_ABORT);
    assert_true(tl_sv_eqs(w->ticket, "job 9"));
    finish_errand(b, w, QUEUE_END_DONE, TL_OK);
}

static struct queue_work *outage(struct bench *b, bool has_probe)
{
    b->guard = (struct guard_conf){.concurrency = 10, .fixed = true, .breaker_failures = 3, .breaker_open_ms = 1000};
    b->retry.base_ms = 1;
    b->retry.attempts = 100;
    b->connections[0].has_probe = has_probe;
    help_open(b);
    for (int i = 0; i < 5; i++)
        (void)help_put(b, NULL, NULL, "x");
    help_turn(b);
    for (struct queue_work *w; (w = help_take(b)) != NULL;)
        help_finish(b, w, QUEUE_END_FAILED, TL_UNREACHABLE, "refused");
    help_after(b, 2500);
    return help_take(b);
}

static void a_half_open_breaker_asks_the_connection_where_it_can_be_asked(void **state)
{
    struct bench *b = *state;
    struct queue_work *w = outage(b, true);

    assert_non_null(w);
    assert_int_equal(w->kind, QUEUE_WORK_PROBE);
    assert_true(w->probe);
    assert_int_equal(w->n, 0);
    assert_int_equal(w->connection, b->connections[0].ret_id);
    help_turn(b);
    assert_null(help_take(b)); /* one question at a time */
    finish_errand(b, w, QUEUE_END_FAILED, TL_UNREACHABLE);
    assert_null(help_take(b));
    help_after(b, 5000);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->kind, QUEUE_WORK_PROBE);
    finish_errand(b, w, QUEUE_END_DONE, TL_OK);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->kind, QUEUE_WORK_DELIVER);
    for (; w; w = help_take(b))
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    help_after(b, 1000);
    for (; (w = help_take(b)) != NULL;)
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 5);
}

static void where_a_connection_cannot_be_asked_the_oldest_head_is_the_probe(void **state)
{
    struct bench *b = *state;
    struct queue_work *w = outage(b, false);

    assert_non_null(w);
    assert_int_equal(w->kind, QUEUE_WORK_DELIVER);
    assert_true(w->probe);
    help_turn(b);
    assert_null(help_take(b));
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_non_null(help_take(b));
}

static void fail_all(struct bench *b, enum tl_rc rc)
{
    for (struct queue_work *w; (w = help_take(b)) != NULL;)
        help_finish(b, w, QUEUE_END_FAILED, rc, "refused");
}

static bool is_poison(const struct queue_work *w)
{
    return tl_sv_eqs(w->claims[0].body, "poison");
}

/* The breaker is open; `poison` are waiting, of the flow that is configured first. */
static void poisoned(struct bench *b, int poison)
{
    b->guard = (struct guard_conf){.concurrency = 10, .fixed = true, .breaker_failures = 3, .breaker_open_ms = 1000};
    b->retry = (struct guard_retry){.attempts = 100, .base_ms = 1, .most_ms = 1, .jitter = GUARD_JITTER_NONE};
    help_open(b);
    for (int i = 0; i < poison; i++)
        (void)help_put(b, NULL, NULL, "poison");
    help_turn(b);
    for (int i = 0; i < 10; i++) {
        fail_all(b, TL_UPSTREAM);
        help_after(b, 2);
    }
}

/* The probe fails on poison; its answer to anything else is good. Returns how many probes it took. */
static int probe_until_it_is_up(struct bench *b)
{
    int n = 0;

    for (int i = 0; i < 20; i++) {
        struct queue_work *w;
        bool bad;

        help_after(b, 130000);
        w = help_take(b);
        if (!w)
            continue;
        assert_true(w->probe);
        n++;
        bad = is_poison(w);
        help_finish(b, w, bad ? QUEUE_END_FAILED : QUEUE_END_DONE, bad ? TL_UPSTREAM : TL_OK, NULL);
        if (!bad)
            return n;
    }
    fail_msg("nothing but the one that always fails was tried, %d times", n);
    return 0;
}

static void an_event_that_always_fails_keeps_no_other_one_out(void **state)
{
    struct bench *b = *state;
    uint64_t good;

    poisoned(b, 1);
    good = help_put(b, NULL, NULL, "good");
    (void)help_put(b, NULL, NULL, "good");
    assert_in_range(probe_until_it_is_up(b), 1, 2);
    help_after(b, 1);
    for (struct queue_work *w; (w = help_take(b)) != NULL;)
        help_finish(b, w, is_poison(w) ? QUEUE_END_FAILED : QUEUE_END_DONE, is_poison(w) ? TL_UPSTREAM : TL_OK, NULL);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 2);
    assert_true(good != 0);
}

static void many_that_always_fail_in_one_flow_keep_no_other_flow_out(void **state)
{
    struct bench *b = *state;
    struct queue_target_def t = b->targets[0];
    struct queue_put put = {.meta = TL_SV("{}"), .body = TL_SV("good")};
    struct tl_err err;

    b->flows[0].priority = 10; /* its turn is long */
    b->flows[1] = (struct queue_flow_def){.name = TL_SV("g"), .targets = &t, .n_targets = 1};
    b->config.n_flows = 2;
    poisoned(b, 8);
    put.flow = b->flows[1].ret_id;
    assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_OK);
    assert_in_range(probe_until_it_is_up(b), 1, 2);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 1);
}

static void an_event_that_is_always_let_down_by_its_credentials_keeps_no_other_one_out(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;

    help_open(b);
    (void)help_put(b, NULL, NULL, "poison");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_AUTH, "not this one");
    (void)help_put(b, NULL, NULL, "good");
    for (int i = 0; i < 2 && help_count(b, QUEUE_DELIVERED) == 0; i++) {
        help_after(b, 1000000);
        w = help_take(b);
        assert_non_null(w);
        help_finish(b, w, is_poison(w) ? QUEUE_END_FAILED : QUEUE_END_DONE, is_poison(w) ? TL_AUTH : TL_OK, NULL);
    }
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 1);
}

static void a_probe_that_is_not_let_in_pauses_the_connection(void **state)
{
    struct bench *b = *state;
    struct queue_work *w = outage(b, true);

    finish_errand(b, w, QUEUE_END_FAILED, TL_AUTH);
    assert_string_equal(b->last_notice, "connection_auth");
    assert_null(help_take(b));
}

static void a_member_of_a_long_job_is_running_and_says_which_job_and_when_it_was_asked(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    struct queue_row row;
    struct tl_err err;
    uint64_t ids[3];

    w = start_job(b, ids);
    w->next_poll_ms = 60000;
    help_finish(b, w, QUEUE_END_PENDING, TL_OK, "bulk job 750");
    help_row(b, ids[1], &row);
    assert_int_equal(queue_why(b->q, NULL, &row, 1, &err), TL_OK);
    assert_true(row.job);
    assert_true(row.running);
    assert_int_equal(row.held, QUEUE_HELD_NONE);
    assert_string_equal(row.text, "bulk job 750");
    assert_int_equal(row.updated_ms, b->clock.wall_ms);
    help_after(b, 60000);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->kind, QUEUE_WORK_RESUME);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    help_row(b, ids[1], &row);
    assert_false(row.job);
}

static struct queue_work *fail_twice(struct bench *b, enum tl_rc rc, uint64_t *ret_id)
{
    struct queue_work *w;

    b->retry.attempts = 2;
    b->guard.no_breaker = false;
    b->retry.base_ms = 1;
    help_open(b);
    *ret_id = help_put(b, NULL, NULL, "x");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, rc, "no");
    help_after(b, 100);
    w = help_take(b);
    assert_non_null(w);
    help_finish(b, w, QUEUE_END_FAILED, rc, "no");
    help_after(b, 5000);
    return help_take(b);
}

static void a_target_that_cannot_be_reached_kills_nobody_however_few_the_attempts(void **state)
{
    struct bench *b = *state;
    struct queue_row row;
    uint64_t id;
    struct queue_work *w = fail_twice(b, TL_UNREACHABLE, &id);

    for (int i = 0; i < 20; i++) {
        assert_non_null(w);
        assert_true(w->probe);
        help_finish(b, w, QUEUE_END_FAILED, TL_UNREACHABLE, "no");
        help_after(b, 61000);
        w = help_take(b);
    }
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    help_row(b, id, &row);
    assert_int_equal(row.state, QUEUE_DELIVERED);
}

static void an_answer_of_5xx_uses_up_the_last_attempt(void **state)
{
    struct bench *b = *state;
    struct queue_row row;
    uint64_t id;

    assert_null(fail_twice(b, TL_UPSTREAM, &id));
    help_row(b, id, &row);
    assert_int_equal(row.state, QUEUE_DEAD);
}

static uint64_t print_of(const char *text)
{
    return queue__fingerprint(TL_CLASS_DATA, 422, TL_INVALID, tl_sv_str(text));
}

static void a_fingerprint_leaves_out_numbers_ids_and_what_is_quoted(void **state)
{
    (void)state;
    assert_int_equal(print_of("order 5f3a9c: no such customer 'x'"), print_of("order b77210: no such customer 'yy'"));
    assert_int_equal(print_of("record 001xx000003DGb2AAG is locked"), print_of("record 001xx000003DGb9AAG is locked"));
    assert_int_equal(print_of("550e8400-e29b-41d4-a716-446655440000"),
                     print_of("123e4567-e89b-12d3-a456-426614174000"));
    assert_int_not_equal(print_of("field total is missing"), print_of("field currency is missing"));
    assert_int_not_equal(print_of("field 1 is missing"), print_of("field 1 is wrong"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
    const struct CMUnitTest tests[] = {
        TEST(cancelling_the_last_member_of_a_long_job_stops_it_once),
        TEST(an_abort_is_tried_again_while_the_other_side_is_away_and_after_a_restart),
        TEST(members_cancelled_while_their_call_runs_are_stopped_when_it_is_back),
        TEST(a_job_that_began_while_its_members_were_cancelled_is_stopped_too),
        TEST(a_half_open_breaker_asks_the_connection_where_it_can_be_asked),
        TEST(where_a_connection_cannot_be_asked_the_oldest_head_is_the_probe),
        TEST(an_event_that_always_fails_keeps_no_other_one_out),
        TEST(many_that_always_fail_in_one_flow_keep_no_other_flow_out),
        TEST(an_event_that_is_always_let_down_by_its_credentials_keeps_no_other_one_out),
        TEST(a_probe_that_is_not_let_in_pauses_the_connection),
        TEST(a_member_of_a_long_job_is_running_and_says_which_job_and_when_it_was_asked),
        TEST(a_target_that_cannot_be_reached_kills_nobody_however_few_the_attempts),
        TEST(an_answer_of_5xx_uses_up_the_last_attempt),
        TEST(a_fingerprint_leaves_out_numbers_ids_and_what_is_quoted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
