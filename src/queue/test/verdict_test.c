/* SPDX-License-Identifier: Apache-2.0 */
/* What the end of one delivery says about its target, its flow and its connection, and what it does not. */
#include "help.h"

static void end_all(struct bench *b, size_t n, uint32_t bad_target, bool skip_good)
{
    while (b->first && n-- > 0) {
        struct queue_work *w = help_take(b);

        if (w->kind == QUEUE_WORK_EXPAND) {
            struct queue_delivery_def defs[2] = {{.target = b->targets[0].ret_id}, {.target = b->targets[1].ret_id}};
            struct tl_err err;

            assert_int_equal(queue_expand(b->q, NULL, w, defs, b->flows[0].n_targets, TL_SV_NULL, &err), TL_OK);
            help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
        } else if (w->target == bad_target && !(skip_good && w->claims[0].body.p[0] == 's')) {
            help_finish(b, w, QUEUE_END_FAILED, TL_INVALID, "field 'x' is missing");
        } else {
            help_finish(b, w, skip_good ? QUEUE_END_SKIP : QUEUE_END_DONE, TL_OK, NULL);
        }
    }
}

static void targets(struct bench *b, size_t n, bool steps)
{
    b->guard.concurrency = 1;
    b->targets[1] = b->targets[0];
    b->targets[1].name = TL_SV("second");
    b->flows[0].n_targets = n;
    b->flows[0].expand = steps;
}

/* All die in the first target; every second one is filtered, if some are. */
static void trips_after_twenty(struct bench *b, bool some_filtered)
{
    help_open(b);
    for (int i = 0; i < 60; i++)
        (void)help_put(b, NULL, NULL, some_filtered && i % 2 ? "s" : "x");
    help_turn(b);
    end_all(b, 1000, b->targets[0].ret_id, some_filtered);
    assert_string_equal(b->last_notice, "flow_tripped");
    assert_int_equal(help_count(b, QUEUE_DEAD), 20);
}

static void one_target_that_goes_well_does_not_hide_that_all_die_in_the_other(void **state)
{
    struct bench *b = *state;

    targets(b, 2, true);
    trips_after_twenty(b, false);
}

static void steps_that_go_well_do_not_hide_that_all_die_behind_them(void **state)
{
    struct bench *b = *state;

    targets(b, 1, true);
    trips_after_twenty(b, false);
}

static void what_is_filtered_says_nothing_about_what_dies(void **state)
{
    struct bench *b = *state;

    targets(b, 1, false);
    trips_after_twenty(b, true);
}

static void what_is_filtered_does_not_end_a_pause_for_refused_credentials(void **state)
{
    struct bench *b = *state;

    b->guard.concurrency = 2;
    help_open(b);
    (void)help_put(b, NULL, NULL, "1");
    (void)help_put(b, NULL, NULL, "2");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_AUTH, "401");
    assert_string_equal(b->last_notice, "connection_auth");
    help_finish(b, help_take(b), QUEUE_END_SKIP, TL_OK, NULL);
    assert_string_equal(b->last_notice, "connection_auth");
    assert_null(b->first);
}

static void a_gateway_that_finds_nobody_makes_no_dead_letter_however_few_attempts_there_are(void **state)
{
    struct bench *b = *state;

    b->guard.no_breaker = false;
    b->guard.breaker_failures = 5;
    b->retry.attempts = 4;
    help_open(b);
    (void)help_put(b, NULL, NULL, "1");
    for (int i = 0; i < 40; i++) {
        struct queue_work *w;

        for (int k = 0; k < 100 && !b->first; k++)
            help_after(b, 1000);
        w = help_take(b);
        assert_non_null(w);
        w->claims[0].outcome = (struct queue_outcome){
            .end = QUEUE_END_FAILED, .rc = TL_UPSTREAM, .status = 503, .text = TL_SV("no server is available")};
        queue_finish(b->q, w);
        help_turn(b);
    }
    assert_int_equal(help_count(b, QUEUE_DEAD), 0);
}

static void flows_that_send_batches_share_a_connection_by_their_priority_too(void **state)
{
    struct bench *b = *state;
    struct queue_target_def other;
    struct queue_put put = {.meta = TL_SV(""), .body = TL_SV("x")};
    struct tl_err err;
    int high = 0;

    b->guard.concurrency = 1;
    b->targets[0].batch_count = 10;
    other = b->targets[0];
    b->flows[1] = (struct queue_flow_def){.name = TL_SV("g"), .targets = &other, .n_targets = 1, .priority = 3};
    b->config.n_flows = 2;
    help_open(b);
    queue_set_dispatch(b->q, false);
    for (int i = 0; i < 1000; i++) {
        put.flow = b->flows[i % 2].ret_id;
        assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_OK);
    }
    queue_set_dispatch(b->q, true);
    help_turn(b);
    for (int i = 0; i < 40; i++) {
        struct queue_work *w = help_take(b);

        assert_int_equal(w->n, 10);
        high += w->flow == b->flows[1].ret_id;
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    }
    assert_int_equal(high, 30);
}

static struct queue_connection_stat connection(struct bench *b)
{
    struct tl_arena *arena = tl_arena_new(1u << 20);
    struct queue_connection_stat c;
    struct queue_stat stat;
    struct tl_err err;

    assert_int_equal(queue_stats(b->q, NULL, arena, &stat, &err), TL_OK);
    c = stat.connections[0];
    tl_arena_free(arena);
    return c;
}

static void an_open_breaker_says_since_when_it_stops_and_not_since_an_earlier_pause(void **state)
{
    struct bench *b = *state;
    struct queue_connection_stat c;
    struct tl_err err;
    int64_t since;

    b->guard.no_breaker = false;
    b->guard.breaker_failures = 1;
    help_open(b);
    (void)help_put(b, NULL, NULL, "1");
    (void)help_put(b, NULL, NULL, "2");
    help_turn(b);
    assert_int_equal(queue_pause_connection(b->q, NULL, b->connections[0].ret_id, TL_SV("wait"), &err), TL_OK);
    assert_int_equal(queue_resume_connection(b->q, NULL, b->connections[0].ret_id, &err), TL_OK);
    assert_int_equal(connection(b).held_since_ms, 0);
    help_after(b, 60000);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_UNREACHABLE, "nobody");
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_UNREACHABLE, "nobody");
    c = connection(b);
    assert_int_equal(c.held, QUEUE_HELD_BREAKER);
    since = c.held_since_ms;
    assert_in_range(since, 1700000060000, 1700000060010);
    for (int i = 0; i < 20; i++) { /* probes in vain */
        struct queue_work *w;

        help_after(b, 5000);
        w = help_take(b);
        if (w)
            help_finish(b, w, QUEUE_END_FAILED, TL_UNREACHABLE, "nobody");
    }
    c = connection(b);
    assert_int_equal(c.held, QUEUE_HELD_BREAKER);
    assert_int_equal(c.held_since_ms, since);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_target_that_goes_well_does_not_hide_that_all_die_in_the_other),
        TEST(steps_that_go_well_do_not_hide_that_all_die_behind_them),
        TEST(what_is_filtered_says_nothing_about_what_dies),
        TEST(what_is_filtered_does_not_end_a_pause_for_refused_credentials),
        TEST(a_gateway_that_finds_nobody_makes_no_dead_letter_however_few_attempts_there_are),
        TEST(an_open_breaker_says_since_when_it_stops_and_not_since_an_earlier_pause),
        TEST(flows_that_send_batches_share_a_connection_by_their_priority_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
