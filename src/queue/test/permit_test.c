/* SPDX-License-Identifier: Apache-2.0 */
/* Permits of steps and sources: they wait with a reason, take turns with the targets, and act on their connection. */
#include "help.h"

static void two_connections(struct bench *b)
{
    b->connections[1] = (struct queue_connection_def){.name = TL_SV("crm"), .identity = 9, .guard = &b->guard};
    b->config.n_connections = 2;
    b->flows[0].expand = true;
    b->flows[0].retry = &b->retry;
}

static struct queue_permit permit_of(struct bench *b, struct queue_work *w)
{
    return (struct queue_permit){.connection = b->connections[1].ret_id, .work = w};
}

static enum tl_rc take(struct bench *b, struct queue_permit *p)
{
    struct tl_err err;

    return queue_permit_take(b->q, NULL, p, &err);
}

static void give(struct bench *b, const struct queue_permit *p, enum tl_rc rc)
{
    queue_permit_give(b->q, p, &(struct queue_permit_end){.rc = rc, .text = TL_SV("said so")});
    help_turn(b);
}

static enum queue_held held_of(struct bench *b, uint64_t id, bool *ret_running)
{
    struct queue_row row;
    struct tl_err err;

    help_row(b, id, &row);
    assert_int_equal(queue_why(b->q, NULL, &row, 1, &err), TL_OK);
    *ret_running = row.running;
    return row.held;
}

static struct queue_connection_stat stat_of(struct bench *b, const char *name)
{
    struct tl_arena *arena = tl_arena_new(1u << 20);
    struct queue_connection_stat c = {0};
    struct queue_stat stat;
    struct tl_err err;

    assert_int_equal(queue_stats(b->q, NULL, arena, &stat, &err), TL_OK);
    for (size_t i = 0; i < stat.n_connections; i++)
        if (strcmp(stat.connections[i].name, name) == 0)
            c = stat.connections[i];
    tl_arena_free(arena);
    return c;
}

static void a_permit_is_counted_by_the_guard_of_its_connection(void **state)
{
    struct bench *b = *state;
    struct queue_permit p, q;

    two_connections(b);
    b->guard.concurrency = 1;
    help_open(b);
    p = q = permit_of(b, NULL);
    assert_int_equal(take(b, &p), TL_OK);
    assert_int_equal(take(b, &q), TL_BUSY);
    assert_int_equal(q.why, QUEUE_HELD_CONCURRENCY);
    give(b, &p, TL_OK);
    assert_int_equal(take(b, &q), TL_OK);
    give(b, &q, TL_OK);
    assert_int_equal(stat_of(b, "crm").calls, 2);
    assert_int_equal(stat_of(b, "crm").running, 0);
}

static void what_waits_for_something_else_is_shown_begins_nothing_and_goes_behind(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    struct queue_row row;
    bool running;
    uint64_t first, second;

    b->guard.concurrency = 1;
    help_open(b);
    first = help_put(b, NULL, NULL, "x");
    second = help_put(b, NULL, NULL, "y");
    help_turn(b);
    w = help_take(b);
    assert_int_equal(w->claims[0].event, first);
    queue_wants(b->q, w, "room");
    help_turn(b);
    assert_int_equal(held_of(b, first, &running), QUEUE_HELD_CONCURRENCY);
    assert_false(running);
    queue_wants(b->q, w, NULL);
    help_turn(b);
    assert_int_equal(held_of(b, first, &running), QUEUE_HELD_NONE);
    assert_true(running);
    queue_wants(b->q, w, "room");
    help_finish(b, w, QUEUE_END_WAITED, TL_OK, NULL);
    help_row(b, first, &row);
    assert_int_equal(row.state, QUEUE_QUEUED);
    assert_int_equal(row.attempts, 0);
    w = help_take(b);
    assert_int_equal(w->claims[0].event, second);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    w = help_take(b);
    assert_int_equal(w->claims[0].event, first);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    help_row(b, first, &row);
    assert_int_equal(row.state, QUEUE_DELIVERED);
}

static void a_failure_of_a_step_pauses_its_connection_and_not_the_targets(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    struct queue_permit p;
    struct queue_row row;
    uint64_t id;

    two_connections(b);
    help_open(b);
    id = help_put(b, NULL, NULL, "x");
    help_turn(b);
    w = help_take(b);
    assert_int_equal(w->kind, QUEUE_WORK_EXPAND);
    p = permit_of(b, w);
    assert_int_equal(take(b, &p), TL_OK);
    queue_permit_give(b->q, &p, &(struct queue_permit_end){.rc = TL_AUTH, .text = TL_SV("no such token")});
    w->claims[0].outcome = (struct queue_outcome){.end = QUEUE_END_FAILED, .rc = TL_AUTH, .connection = p.connection};
    queue_finish(b->q, w);
    help_turn(b);
    assert_int_equal(stat_of(b, "crm").held, QUEUE_HELD_CONNECTION_AUTH);
    assert_string_equal(stat_of(b, "crm").held_text, "no such token");
    assert_int_equal(stat_of(b, "c").held, QUEUE_HELD_NONE);
    help_row(b, id, &row);
    assert_int_equal(row.state, QUEUE_QUEUED);
    assert_int_equal(row.attempts_used, 0);
    w = help_take(b); /* it asks again, and waits for the connection */
    p = permit_of(b, w);
    assert_int_equal(take(b, &p), TL_BUSY);
    assert_int_equal(p.why, QUEUE_HELD_CONNECTION_AUTH);
    help_finish(b, w, QUEUE_END_WAITED, TL_OK, NULL);
    help_row(b, id, &row);
    assert_int_equal(row.attempts_used, 0);
}

static void a_failure_while_the_breaker_of_the_asked_system_is_open_uses_no_attempt(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    struct queue_permit p;
    struct queue_row row;
    uint64_t id;

    two_connections(b);
    b->guard.no_breaker = false;
    b->guard.breaker_failures = 1;
    b->retry.base_ms = 1;
    help_open(b);
    id = help_put(b, NULL, NULL, "x");
    help_turn(b);
    for (int i = 0; i < 2; i++) {
        w = help_take(b);
        assert_non_null(w);
        p = permit_of(b, w);
        assert_int_equal(take(b, &p), TL_OK);
        assert_int_equal(p.probe, i > 0);
        queue_permit_give(b->q, &p, &(struct queue_permit_end){.rc = TL_UPSTREAM});
        w->claims[0].outcome =
            (struct queue_outcome){.end = QUEUE_END_FAILED, .rc = TL_UPSTREAM, .connection = p.connection};
        queue_finish(b->q, w);
        help_turn(b);
        help_row(b, id, &row);
        assert_int_equal(row.attempts_used, 1); /* the first counted, the probe does not */
        help_after(b, 2500);
    }
    assert_string_equal(stat_of(b, "c").breaker, "closed");
}

/* `on_unavailable: hold`: what the flow's `attempts` says is for what answers. */
static void cannot_reach(struct bench *b, bool breaker)
{
    struct queue_work *w;
    struct queue_permit p;
    struct queue_row row;
    uint64_t id;

    two_connections(b);
    b->guard.no_breaker = !breaker;
    b->guard.breaker_failures = 1000;
    b->retry.attempts = 2;
    b->retry.base_ms = b->retry.most_ms = 1;
    help_open(b);
    id = help_put(b, NULL, NULL, "x");
    help_turn(b);
    for (int i = 0; i < 5; i++) {
        w = help_take(b);
        assert_non_null(w);
        p = permit_of(b, w);
        assert_int_equal(take(b, &p), TL_OK);
        queue_permit_give(b->q, &p, &(struct queue_permit_end){.rc = TL_UNREACHABLE});
        w->claims[0].outcome =
            (struct queue_outcome){.end = QUEUE_END_FAILED, .rc = TL_UNREACHABLE, .connection = p.connection};
        queue_finish(b->q, w);
        help_turn(b);
        help_row(b, id, &row);
        assert_int_not_equal(row.state, QUEUE_DEAD);
        assert_int_equal(row.attempts_used, 1);
        help_after(b, 70000);
    }
    assert_int_equal(strcmp(stat_of(b, "crm").breaker, "closed") == 0, !breaker);
}

static void a_system_that_a_step_cannot_reach_is_waited_for_by_its_breaker_whatever_attempts_says(void **state)
{
    cannot_reach(*state, true);
}

static void a_system_that_a_step_cannot_reach_kills_nothing_without_a_breaker_either(void **state)
{
    cannot_reach(*state, false);
}

/* It fails for this event alone: the event dies as at a target, and nobody else waits for it. */
static void of_a_system_that_answers_others_nobody_waits_for_one_event(void **state, enum tl_rc rc)
{
    struct bench *b = *state;
    struct queue_work *w;
    struct queue_permit p, other;
    struct queue_row row;
    uint64_t id;

    two_connections(b);
    b->guard.no_breaker = false;
    b->guard.breaker_failures = 1000;
    b->retry.attempts = 2;
    b->retry.base_ms = b->retry.most_ms = 1;
    help_open(b);
    id = help_put(b, NULL, NULL, "x");
    help_turn(b);
    for (int i = 0; i < 2; i++) {
        other = permit_of(b, NULL);
        assert_int_equal(take(b, &other), TL_OK);
        give(b, &other, TL_OK);
        w = help_take(b);
        assert_non_null(w);
        p = permit_of(b, w);
        assert_int_equal(take(b, &p), TL_OK);
        queue_permit_give(b->q, &p, &(struct queue_permit_end){.rc = rc});
        w->claims[0].outcome = (struct queue_outcome){.end = QUEUE_END_FAILED, .rc = rc, .connection = p.connection};
        queue_finish(b->q, w);
        help_turn(b);
        help_after(b, 1000);
    }
    help_row(b, id, &row);
    assert_int_equal(row.state, QUEUE_DEAD);
    assert_string_equal(stat_of(b, "crm").breaker, "closed");
}

static void an_event_that_a_system_fails_alone_dies_after_its_attempts(void **state)
{
    of_a_system_that_answers_others_nobody_waits_for_one_event(state, TL_UPSTREAM);
}

static void an_event_that_a_system_lets_time_out_alone_dies_after_its_attempts(void **state)
{
    of_a_system_that_answers_others_nobody_waits_for_one_event(state, TL_TIMEOUT);
}

/* From it follows since when it stops: waits_for() in dispatch.c. */
static void a_connection_that_is_only_asked_says_when_it_last_answered(void **state)
{
    struct bench *b = *state;
    struct queue_permit p;

    two_connections(b);
    help_open(b);
    p = permit_of(b, NULL);
    assert_int_equal(take(b, &p), TL_OK);
    give(b, &p, TL_UPSTREAM);
    assert_int_equal(stat_of(b, "crm").last_ok_ms, 0);
    help_after(b, 1000);
    p = permit_of(b, NULL);
    assert_int_equal(take(b, &p), TL_OK);
    give(b, &p, TL_OK);
    assert_in_range(stat_of(b, "crm").last_ok_ms, 1700000001000, 1700000001100);
}

static void one_whose_look_up_failed_waits_behind_those_that_have_not_asked_yet(void **state)
{
    enum { AT_ONCE = 512 };
    struct bench *b = *state;
    struct queue_work *w, *last = NULL;
    struct queue_permit p;
    uint64_t waiting = 0;

    two_connections(b);
    b->guard.no_breaker = false;
    b->guard.breaker_failures = 1;
    help_open(b);
    p = permit_of(b, NULL);
    assert_int_equal(take(b, &p), TL_OK);
    give(b, &p, TL_UPSTREAM); /* its breaker is open */
    help_after(b, 2500);
    for (int i = 0; i < AT_ONCE + 2; i++)
        waiting = help_put(b, NULL, NULL, "x");
    help_turn(b);
    w = help_take(b);
    p = permit_of(b, w);
    assert_int_equal(take(b, &p), TL_OK); /* while it waited one more began */
    assert_true(p.probe);
    queue_permit_give(b->q, &p, &(struct queue_permit_end){.rc = TL_UPSTREAM});
    w->claims[0].outcome =
        (struct queue_outcome){.end = QUEUE_END_FAILED, .rc = TL_UPSTREAM, .connection = p.connection};
    queue_finish(b->q, w);
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_SKIP, TL_OK, NULL);
    while ((w = help_take(b)) != NULL)
        last = w;
    assert_int_equal(last->claims[0].event, waiting);
}

static void a_step_that_got_no_permit_leaves_no_attempt_behind(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    struct queue_row row;
    struct queue_permit p;
    struct queue_permit other;
    uint64_t id;

    two_connections(b);
    b->guard.concurrency = 1;
    help_open(b);
    other = permit_of(b, NULL);
    assert_int_equal(take(b, &other), TL_OK);
    id = help_put(b, NULL, NULL, "x");
    help_turn(b);
    for (int i = 0; i < 100; i++) {
        w = help_take(b);
        p = permit_of(b, w);
        assert_int_equal(take(b, &p), TL_BUSY);
        help_finish(b, w, QUEUE_END_WAITED, TL_OK, NULL);
    }
    help_row(b, id, &row);
    assert_int_equal(row.attempts, 0);
    assert_int_equal(help_count(b, QUEUE_QUEUED), 1);
    give(b, &other, TL_OK);
    w = help_take(b);
    assert_int_equal(w->claims[0].attempt, 1);
    p = permit_of(b, w);
    assert_int_equal(take(b, &p), TL_OK);
}

static void a_further_request_draws_on_the_quota_while_its_call_keeps_the_slot(void **state)
{
    struct bench *b = *state;
    struct queue_permit call, more;
    struct queue_connection_stat c;
    struct tl_err err;

    two_connections(b);
    b->guard.concurrency = 1;
    b->guard.n_budgets = 1;
    b->guard.budgets[0] =
        (struct guard_budget){.name = "daily", .kind = GUARD_ROLLING, .amount = 5, .per_ms = 86400000};
    help_open(b);
    call = more = permit_of(b, NULL);
    call.wait_ms = more.wait_ms = 1000;
    more.further = true;
    assert_int_equal(take(b, &call), TL_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(take(b, &more), TL_OK); /* each block of quota is on disk before */
    assert_int_equal(queue_permit_take(b->q, NULL, &more, &err), TL_BUSY);
    assert_non_null(strstr(err.text, "connection crm: daily"));
    assert_int_equal(more.why, QUEUE_HELD_QUOTA);
    assert_true(more.retry_ms > 3600000); /* at once, not after a wait that brings nothing */
    c = stat_of(b, "crm");
    assert_int_equal(c.running, 1);
    give(b, &call, TL_OK);
    assert_int_equal(stat_of(b, "crm").running, 0);
}

static void a_permit_that_is_refused_names_the_connection_and_the_reason(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    struct queue_permit p;
    bool running;
    uint64_t id;
    struct tl_err err;

    two_connections(b);
    help_open(b);
    id = help_put(b, NULL, NULL, "x");
    help_turn(b);
    w = help_take(b);
    (void)held_of(b, id, &running);
    assert_true(running);
    assert_int_equal(queue_pause_connection(b->q, NULL, b->connections[1].ret_id, TL_SV("by hand"), &err), TL_OK);
    p = permit_of(b, w);
    assert_int_equal(queue_permit_take(b->q, NULL, &p, &err), TL_BUSY);
    assert_non_null(strstr(err.text, "crm"));
    assert_non_null(strstr(err.text, "by hand"));
    assert_int_equal(p.why, QUEUE_HELD_CONNECTION_PAUSED);
}

static void variables_come_back_with_each_claim_of_a_delivery(void **state)
{
    struct bench *b = *state;
    struct queue_delivery_def d = {.item = 0, .body = TL_SV("{\"n\":1}"), .vars = TL_SV("{\"customer\":\"Zoe\"}")};
    struct queue_work *w;
    struct tl_err err;
    uint64_t id;
    uint32_t rev;

    two_connections(b);
    help_open(b);
    (void)help_put(b, NULL, NULL, "x");
    help_turn(b);
    w = help_take(b);
    d.target = b->targets[0].ret_id;
    assert_int_equal(queue_expand(b->q, NULL, w, &d, 1, TL_SV_NULL, &err), TL_OK);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    w = help_take(b);
    assert_true(tl_sv_eqs(w->claims[0].vars, "{\"customer\":\"Zoe\"}"));
    id = w->claims[0].delivery;
    help_finish(b, w, QUEUE_END_FAILED, TL_INVALID, "no");
    assert_int_equal(queue_edit(b->q, NULL, id, TL_SV("{\"n\":2}"), TL_SV("me"), &rev, &err), TL_OK);
    assert_int_equal(help_job(b, &(struct queue_plan){.action = QUEUE_REPLAY, .filter = {.ids = &id, .n_ids = 1}}).done,
                     1);
    w = help_take(b);
    assert_true(tl_sv_eqs(w->claims[0].body, "{\"n\":2}"));
    assert_true(tl_sv_eqs(w->claims[0].vars, "{\"customer\":\"Zoe\"}"));
}

static void events_that_wait_for_their_steps_go_on_when_the_flow_has_none_any_more(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    struct tl_err err;

    two_connections(b);
    help_open(b);
    queue_set_dispatch(b->q, false);
    (void)help_put(b, NULL, NULL, "x");
    b->flows[0].expand = false;
    assert_int_equal(queue_configure(b->q, NULL, &b->config, false, NULL, &err), TL_OK);
    (void)help_put(b, NULL, NULL, "y");
    queue_set_dispatch(b->q, true);
    help_turn(b);
    assert_int_equal(b->n_works, 2);
    w = help_take(b);
    assert_int_equal(w->kind, QUEUE_WORK_EXPAND);
    assert_int_equal(help_take(b)->kind, QUEUE_WORK_DELIVER);
}

static void after_an_unknown_outcome_the_next_attempts_are_told_to_look_first(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;

    b->retry.base_ms = 1;
    b->retry.attempts = 10;
    help_open(b);
    (void)help_put(b, NULL, NULL, "x");
    help_turn(b);
    w = help_take(b);
    assert_false(w->claims[0].unknown_before);
    help_finish(b, w, QUEUE_END_FAILED, TL_UNKNOWN_OUTCOME, "cut off");
    help_after(b, 5000);
    w = help_take(b);
    assert_true(w->claims[0].unknown_before);
    help_finish(b, w, QUEUE_END_FAILED, TL_UPSTREAM, "503"); /* says nothing of the first one */
    help_close(b);
    help_open(b);
    help_after(b, 20000);
    w = help_take(b);
    assert_true(w->claims[0].unknown_before);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_permit_is_counted_by_the_guard_of_its_connection),
        T(what_waits_for_something_else_is_shown_begins_nothing_and_goes_behind),
        T(a_failure_of_a_step_pauses_its_connection_and_not_the_targets),
        T(a_failure_while_the_breaker_of_the_asked_system_is_open_uses_no_attempt),
        T(a_system_that_a_step_cannot_reach_kills_nothing_without_a_breaker_either),
        T(a_system_that_a_step_cannot_reach_is_waited_for_by_its_breaker_whatever_attempts_says),
        T(an_event_that_a_system_fails_alone_dies_after_its_attempts),
        T(an_event_that_a_system_lets_time_out_alone_dies_after_its_attempts),
        T(a_connection_that_is_only_asked_says_when_it_last_answered),
        T(one_whose_look_up_failed_waits_behind_those_that_have_not_asked_yet),
        T(a_step_that_got_no_permit_leaves_no_attempt_behind),
        T(a_further_request_draws_on_the_quota_while_its_call_keeps_the_slot),
        T(a_permit_that_is_refused_names_the_connection_and_the_reason),
        T(variables_come_back_with_each_claim_of_a_delivery),
        T(after_an_unknown_outcome_the_next_attempts_are_told_to_look_first),
        T(events_that_wait_for_their_steps_go_on_when_the_flow_has_none_any_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
