/* SPDX-License-Identifier: Apache-2.0 */
/* What became of deliveries is told as it was decided, once each, and counted. */
#include <stdio.h>
#include <string.h>

#include "help.h"

static size_t n_told(const struct bench *b)
{
    size_t n = 0;

    for (const struct queue_told *t = b->told; t; t = t->next)
        n++;
    return n;
}

/* The oldest that nobody has looked at; it is the caller's until the next call. */
static struct queue_told take(struct bench *b, char *text, size_t size)
{
    struct queue_told *t = b->told, out;

    assert_non_null(t);
    out = *t;
    (void)snprintf(text, size, "%s %.*s/%.*s %s: %.*s", queue_state_name(t->state), TL_SV_ARG(t->flow),
                   TL_SV_ARG(t->target), tl_class_name(t->cls), TL_SV_ARG(t->reason));
    b->told = t->next;
    if (!b->told)
        b->told_tail = &b->told;
    t->next = NULL;
    queue_told_free(t);
    return out;
}

static struct queue_flow_stat stat_of(struct bench *b)
{
    struct tl_arena *a = tl_arena_new(1u << 20);
    struct queue_flow_stat f;
    struct queue_stat s;
    struct tl_err err;

    assert_int_equal(queue_stats(b->q, NULL, a, &s, &err), TL_OK);
    f = s.flows[0];
    tl_arena_free(a);
    return f;
}

static void a_failure_is_told_as_retrying_with_its_time_and_the_last_one_as_dead(void **state)
{
    struct bench *b = *state;
    struct queue_told t;
    char text[200];
    uint64_t id;

    b->hears = true;
    b->retry.attempts = 2;
    help_open(b);
    id = help_put(b, NULL, NULL, "1");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_IO, "no line");
    t = take(b, text, sizeof text);
    assert_string_equal(text, "retrying f/t transient: no line");
    assert_true(t.failed && t.event == id && t.delivery == id && t.attempt == 1);
    assert_int_equal(t.next_at_ms, tl_clock_wall_ms(&b->clock.base) + 100);
    help_after(b, 200);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_IO, "no line");
    t = take(b, text, sizeof text);
    assert_string_equal(text, "dead f/t transient: no line");
    assert_true(t.failed && t.attempt == 2 && t.next_at_ms == 0);
    assert_null(b->told);
    assert_int_equal(stat_of(b).died_of[TL_CLASS_TRANSIENT], 1);
    assert_int_equal(stat_of(b).died, 1);
}

static void a_good_end_is_told_once_with_its_trace(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    struct queue_told *t;
    char trace[] = "4bf9", text[200];

    b->hears = true;
    help_open(b);
    (void)help_put(b, NULL, NULL, "1");
    (void)help_put(b, NULL, NULL, "2");
    help_turn(b);
    w = help_take(b);
    w->trace = tl_sv_str(trace);
    w->request_id = TL_SV("r-1");
    w->claims[0].outcome = (struct queue_outcome){.end = QUEUE_END_DONE, .status = 201};
    queue_finish(b->q, w);
    trace[0] = 'x'; /* the runner's memory is its own again */
    help_turn(b);
    t = b->told;
    assert_non_null(t);
    assert_true(tl_sv_eqs(t->trace, "4bf9") && tl_sv_eqs(t->request_id, "r-1") && t->status == 201 && !t->failed);
    (void)take(b, text, sizeof text);
    assert_string_equal(text, "delivered f/t none: ");
    help_finish(b, help_take(b), QUEUE_END_SKIP, TL_OK, "filtered");
    (void)take(b, text, sizeof text);
    assert_string_equal(text, "skipped f/t none: filtered");
    assert_null(b->told);
    assert_int_equal(stat_of(b).delivered, 1);
    assert_int_equal(stat_of(b).skipped, 1);
}

static void an_event_whose_steps_lead_nowhere_is_told_with_the_reason(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    struct tl_err err;
    char text[200];

    b->hears = true;
    b->flows[0].expand = true;
    help_open(b);
    (void)help_put(b, NULL, NULL, "1");
    (void)help_put(b, NULL, NULL, "2");
    help_turn(b);
    w = help_take(b);
    assert_int_equal(queue_expand(b->q, NULL, w, NULL, 0, TL_SV("no_route"), &err), TL_OK);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    (void)take(b, text, sizeof text);
    assert_string_equal(text, "skipped f/ none: no_route");
    assert_null(b->told);
    assert_int_equal(stat_of(b).skipped, 1);
    w = help_take(b);
    assert_int_equal(queue_expand(b->q, NULL, w,
                                  &(struct queue_delivery_def){.target = b->targets[0].ret_id, .item = 0}, 1,
                                  TL_SV_NULL, &err),
                     TL_OK);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_null(b->told); /* its delivery will be told */
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    (void)take(b, text, sizeof text);
    assert_string_equal(text, "delivered f/t none: ");
    assert_int_equal(stat_of(b).delivered, 1);
}

static void what_dies_at_the_door_and_what_people_end_is_told(void **state)
{
    struct bench *b = *state;
    struct queue_plan cancel = {.action = QUEUE_CANCEL, .filter = {.state = QUEUE_QUEUED}},
                      discard = {.action = QUEUE_DISCARD,
                                 .filter = {.state = QUEUE_DEAD},
                                 .by = TL_SV("ada"),
                                 .reason = TL_SV("a test")};
    struct tl_err why = {.rc = TL_INVALID}, err;
    struct queue_put put = {.meta = TL_SV("{}"), .body = TL_SV("{"), .dead = &why};
    char text[200];

    (void)snprintf(why.text, sizeof why.text, "the body is not JSON");
    b->hears = true;
    help_open(b);
    put.flow = b->flows[0].ret_id;
    assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_OK);
    help_turn(b);
    assert_non_null(b->told);
    assert_true(tl_sv_eqs(b->told->meta, "{}")); /* where its trace is found */
    assert_int_equal(take(b, text, sizeof text).attempt, 0);
    assert_string_equal(text, "dead f/t data: the body is not JSON");
    assert_int_equal(stat_of(b).died_of[TL_CLASS_DATA], 1);
    (void)help_put(b, NULL, NULL, "1");
    assert_int_equal(help_job(b, &cancel).done, 1);
    (void)take(b, text, sizeof text);
    assert_string_equal(text, "cancelled f/t none: ");
    assert_int_equal(help_job(b, &discard).done, 1);
    assert_non_null(b->told);
    assert_true(tl_sv_eqs(b->told->meta, "{}"));
    (void)take(b, text, sizeof text);
    assert_string_equal(text, "discarded f/t none: a test, by ada");
    assert_null(b->told);
}

static void three_crashes_in_a_row_are_told_as_a_death(void **state)
{
    struct bench *b = *state;
    char text[200];

    b->hears = true;
    b->targets[0].idempotent = false;
    help_open(b);
    (void)help_put(b, NULL, NULL, "1");
    help_turn(b);
    for (int i = 0; i < 3; i++) {
        assert_non_null(help_take(b));
        help_close(b);
        help_open(b);
    }
    (void)take(b, text, sizeof text);
    assert_non_null(strstr(text, "dead f/t bug: the process ended three times"));
    assert_null(b->told);
}

static void nothing_is_made_of_what_nobody_wants_to_hear(void **state)
{
    struct bench *b = *state;
    char text[200];

    b->hears = b->hears_failures_only = true;
    help_open(b);
    (void)help_put(b, NULL, NULL, "1");
    (void)help_put(b, NULL, NULL, "2");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(n_told(b), 0);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_INVALID, "no");
    assert_int_equal(n_told(b), 1);
    (void)take(b, text, sizeof text);
    assert_string_equal(text, "dead f/t data: no");
}

static void what_is_put_back_untried_is_not_told_but_a_failure_that_waits_is(void **state)
{
    struct bench *b = *state;
    struct queue_told t;
    char text[200];

    b->hears = true;
    help_open(b);
    (void)help_put(b, NULL, NULL, "1");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_CANCELED, TL_CANCELED, NULL);
    assert_null(b->told);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_AUTH, "401");
    t = take(b, text, sizeof text);
    assert_string_equal(text, "queued f/t auth: 401");
    assert_true(t.failed && t.next_at_ms == 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_failure_is_told_as_retrying_with_its_time_and_the_last_one_as_dead),
        T(a_good_end_is_told_once_with_its_trace),
        T(an_event_whose_steps_lead_nowhere_is_told_with_the_reason),
        T(what_dies_at_the_door_and_what_people_end_is_told),
        T(three_crashes_in_a_row_are_told_as_a_death),
        T(nothing_is_made_of_what_nobody_wants_to_hear),
        T(what_is_put_back_untried_is_not_told_but_a_failure_that_waits_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
