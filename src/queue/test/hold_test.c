/* SPDX-License-Identifier: Apache-2.0 */
/* One delivery that a person holds: it is not handed out, nor what is behind it, over everything that may happen. */
#include <stdio.h>
#include <string.h>

#include "help.h"

static struct queue_job act(struct bench *b, enum queue_action action, uint64_t id)
{
    struct queue_plan plan = {.action = action,
                              .filter = {.ids = &id, .n_ids = 1},
                              .by = TL_SV("ada"),
                              .reason = TL_SV("the customer asked")};

    return help_job(b, &plan);
}

static void hold(struct bench *b, uint64_t id)
{
    assert_int_equal(act(b, QUEUE_HOLD, id).done, 1);
}

static void release(struct bench *b, uint64_t id)
{
    assert_int_equal(act(b, QUEUE_RELEASE, id).done, 1);
}

static void next_is(struct bench *b, const char *body, enum queue_end end)
{
    struct queue_work *w = help_take(b);

    if (!w)
        fail_msg("nothing is handed out where %s should be", body);
    if (!tl_sv_eqs(w->claims[0].body, body))
        fail_msg("%.*s is handed out where %s should be", TL_SV_ARG(w->claims[0].body), body);
    help_finish(b, w, end, end == QUEUE_END_FAILED ? TL_TIMEOUT : TL_OK, "late");
}

static void nothing_goes(struct bench *b)
{
    help_after(b, 5000);
    assert_null(help_take(b));
}

static void wait_all(struct bench *b)
{
    help_open(b);
    queue_set_dispatch(b->q, false);
}

static void go_all(struct bench *b)
{
    queue_set_dispatch(b->q, true);
    help_turn(b);
}

static void one_that_is_held_waits_and_says_who_holds_it_and_why(void **state)
{
    struct bench *b = *state;
    struct queue_row row;
    uint64_t id;

    wait_all(b);
    id = help_put(b, NULL, NULL, "1");
    (void)help_put(b, NULL, NULL, "2");
    hold(b, id);
    assert_int_equal(help_count(b, QUEUE_HELD), 1);
    assert_int_equal(help_count(b, QUEUE_QUEUED), 2);
    go_all(b);
    next_is(b, "2", QUEUE_END_DONE);
    nothing_goes(b);
    help_row(b, id, &row);
    assert_int_equal(row.state, QUEUE_QUEUED);
    assert_int_equal(row.held, QUEUE_HELD_EVENT);
    assert_string_equal(row.held_by, "ada");
    assert_string_equal(row.held_text, "the customer asked");
    assert_int_equal(row.held_at_ms, 1700000000000);
    assert_false(row.blocks);
    release(b, id);
    next_is(b, "1", QUEUE_END_DONE);
    assert_int_equal(help_count(b, QUEUE_HELD), 0);
    help_row(b, id, &row);
    assert_int_equal(row.held, QUEUE_HELD_NONE);
}

static void what_is_behind_it_waits_and_goes_in_order_afterwards(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_HOLD};
    struct queue_reader *r;
    struct queue_row row;
    struct tl_err err;
    uint64_t ids[5];

    wait_all(b);
    for (int i = 0; i < 5; i++)
        ids[i] = help_put(b, NULL, i == 4 ? "b" : "a", (const char *[]){"1", "2", "3", "4", "other"}[i]);
    plan.filter = (struct queue_filter){.ids = (uint64_t[]){ids[1], ids[2]}, .n_ids = 2};
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_plan(r, &plan, &err), TL_OK);
    queue_reader_close(r);
    assert_int_equal(plan.matching, 2);
    assert_int_equal(plan.behind, 1); /* the fourth; the third is held itself */
    hold(b, ids[1]);
    hold(b, ids[2]);
    go_all(b);
    next_is(b, "1", QUEUE_END_DONE);
    next_is(b, "other", QUEUE_END_DONE);
    nothing_goes(b);
    (void)help_put(b, NULL, "a", "5"); /* it is not the head of its lane either */
    nothing_goes(b);
    help_row(b, ids[3], &row);
    assert_int_equal(row.ahead, ids[1]);
    assert_true(row.ahead_held);
    assert_false(row.ahead_dead);
    assert_int_equal(queue_why(b->q, NULL, &row, 1, &err), TL_OK);
    assert_int_equal(row.held, QUEUE_HELD_BEHIND);
    assert_string_equal(row.held_text, "a person holds the one ahead of it");
    release(b, ids[1]);
    next_is(b, "2", QUEUE_END_DONE);
    nothing_goes(b);
    release(b, ids[2]);
    next_is(b, "3", QUEUE_END_DONE);
    next_is(b, "4", QUEUE_END_DONE);
    next_is(b, "5", QUEUE_END_DONE);
}

static void it_stays_held_over_a_crash_with_its_followers(void **state)
{
    struct bench *b = *state;
    struct queue_row row;
    uint64_t id, other;

    b->line_generation = 8;
    wait_all(b);
    id = help_put(b, NULL, "a", "1");
    other = help_put(b, NULL, NULL, "alone");
    for (int i = 0; i < 20; i++)
        (void)help_put(b, NULL, "a", "f");
    hold(b, id);
    hold(b, other);
    for (int i = 0; i < 2; i++) {
        help_close(b);
        help_open(b);
        nothing_goes(b);
        assert_int_equal(help_count(b, QUEUE_HELD), 2);
        (void)help_put(b, NULL, "a", "f");
        nothing_goes(b);
    }
    help_row(b, id, &row);
    assert_string_equal(row.held_text, "the customer asked");
    release(b, other);
    next_is(b, "alone", QUEUE_END_DONE);
    release(b, id);
    help_close(b); /* it was handed out, and the process died */
    help_open(b);
    assert_int_equal(help_count(b, QUEUE_HELD), 0);
    next_is(b, "1", QUEUE_END_DONE);
    for (int i = 0; i < 22; i++)
        next_is(b, "f", QUEUE_END_DONE);
    nothing_goes(b);
}

static void one_that_backs_off_is_held_beyond_its_time(void **state)
{
    struct bench *b = *state;
    uint64_t id;

    b->retry.base_ms = 60000;
    b->retry.most_ms = 60000;
    help_open(b);
    id = help_put(b, NULL, "a", "1");
    (void)help_put(b, NULL, "a", "2");
    help_turn(b);
    next_is(b, "1", QUEUE_END_FAILED);
    hold(b, id);
    help_after(b, 3600000);
    nothing_goes(b);
    help_close(b);
    help_open(b);
    nothing_goes(b);
    release(b, id);
    next_is(b, "1", QUEUE_END_DONE);
    next_is(b, "2", QUEUE_END_DONE);
}

static void one_that_runs_is_not_held_and_neither_is_one_that_has_ended(void **state)
{
    struct bench *b = *state;
    struct queue_job job;
    struct queue_work *w;
    uint64_t id;

    help_open(b);
    id = help_put(b, NULL, "a", "1");
    help_turn(b);
    w = help_take(b);
    job = act(b, QUEUE_HOLD, id);
    assert_int_equal(job.refused, 1);
    assert_non_null(strstr(job.first_refusal.text, "is being delivered just now"));
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    job = act(b, QUEUE_HOLD, id);
    assert_int_equal(job.refused, 1);
    assert_non_null(strstr(job.first_refusal.text, "is delivered: only what waits can be held"));
    assert_int_equal(act(b, QUEUE_RELEASE, id).refused, 1);
}

static void of_a_batch_that_runs_none_is_held(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t ids[3];

    b->targets[0].batch_count = 10;
    b->targets[0].ordered_batch = true;
    wait_all(b);
    for (int i = 0; i < 3; i++)
        ids[i] = help_put(b, NULL, "a", "x");
    go_all(b);
    help_after(b, 100);
    w = help_take(b);
    assert_int_equal(w->n, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(act(b, QUEUE_HOLD, ids[i]).refused, 1);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 3);
}

static void a_batch_ends_before_one_that_is_held(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t ids[3];

    b->targets[0].batch_count = 10;
    b->targets[0].ordered_batch = true;
    wait_all(b);
    for (int i = 0; i < 3; i++)
        ids[i] = help_put(b, NULL, "a", "x");
    hold(b, ids[1]);
    go_all(b);
    help_after(b, 100);
    w = help_take(b);
    assert_int_equal(w->n, 1);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    nothing_goes(b);
    release(b, ids[1]);
    help_after(b, 100);
    w = help_take(b);
    assert_int_equal(w->n, 2);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
}

static void it_is_cancelled_discarded_and_moved_like_any_other(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_MOVE};
    struct queue_target_def other = b->targets[0];
    struct queue_row row;
    uint64_t ids[3];

    b->flows[1] = (struct queue_flow_def){.name = TL_SV("g"), .targets = &other, .n_targets = 1};
    b->config.n_flows = 2;
    wait_all(b);
    for (int i = 0; i < 3; i++) {
        ids[i] = help_put(b, NULL, (const char *[]){"a", "b", "c"}[i], "held");
        (void)help_put(b, NULL, (const char *[]){"a", "b", "c"}[i], (const char *[]){"1", "2", "3"}[i]);
        hold(b, ids[i]);
    }
    assert_int_equal(act(b, QUEUE_CANCEL, ids[0]).done, 1);
    assert_int_equal(act(b, QUEUE_DISCARD, ids[1]).done, 1);
    plan.filter = (struct queue_filter){.state = QUEUE_HELD};
    plan.to_flow = b->flows[1].ret_id;
    assert_int_equal(help_job(b, &plan).done, 1);
    assert_int_equal(help_count(b, QUEUE_HELD), 1);
    go_all(b);
    assert_int_equal(b->n_works, 3); /* those behind them, each in a lane of its own */
    while (b->n_works) {
        struct queue_work *w = help_take(b);

        assert_false(tl_sv_eqs(w->claims[0].body, "held"));
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    }
    nothing_goes(b);
    help_row(b, ids[2], &row);
    assert_int_equal(row.flow, b->flows[1].ret_id);
    assert_int_equal(row.held, QUEUE_HELD_EVENT);
    help_close(b);
    help_open(b);
    nothing_goes(b);
    release(b, ids[2]);
    next_is(b, "held", QUEUE_END_DONE);
    assert_int_equal(help_count(b, QUEUE_HELD), 0);
}

static void all_of_a_flow_are_held_and_released_and_others_on_many_leave_them_alone(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_HOLD, .by = TL_SV("ada"), .reason = TL_SV("why")};
    struct queue_job job;

    wait_all(b);
    for (int i = 0; i < 450; i++)
        (void)help_put(b, NULL, i % 2 ? "a" : NULL, "x");
    plan.filter.flow = b->flows[0].ret_id;
    job = help_job(b, &plan);
    assert_int_equal(plan.matching, 450);
    assert_int_equal(job.done, 450);
    (void)help_put(b, NULL, NULL, "later");
    plan.action = QUEUE_CANCEL;
    job = help_job(b, &plan);
    assert_int_equal(plan.matching, 1);
    assert_int_equal(job.done, 1);
    plan.action = QUEUE_RELEASE;
    job = help_job(b, &plan);
    assert_int_equal(plan.matching, 450);
    assert_int_equal(job.done, 450);
    assert_int_equal(help_count(b, QUEUE_HELD), 0);
    go_all(b);
    for (int i = 0; i < 450; i++)
        next_is(b, "x", QUEUE_END_DONE);
}

static void the_list_of_held_ones_is_a_list_of_its_own(void **state)
{
    struct bench *b = *state;
    struct tl_arena *arena = tl_arena_new(1u << 20);
    struct queue_filter f = {.state = QUEUE_HELD};
    struct queue_reader *r;
    struct queue_page page;
    struct tl_err err;
    uint64_t ids[3];

    wait_all(b);
    for (int i = 0; i < 3; i++)
        ids[i] = help_put(b, NULL, NULL, "x");
    hold(b, ids[2]);
    hold(b, ids[0]);
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_list(r, arena, &f, 0, 1, &page, &err), TL_OK);
    assert_int_equal(page.n, 1);
    assert_int_equal(page.rows[0].delivery, ids[2]);
    assert_true(page.more);
    assert_int_equal(queue_list(r, arena, &f, page.cursor, 1, &page, &err), TL_OK);
    assert_int_equal(page.n, 1);
    assert_int_equal(page.rows[0].delivery, ids[0]);
    f.state = QUEUE_QUEUED; /* what can go */
    assert_int_equal(queue_list(r, arena, &f, 0, 10, &page, &err), TL_OK);
    assert_int_equal(page.n, 1);
    assert_int_equal(page.rows[0].delivery, ids[1]);
    queue_reader_close(r);
    tl_arena_free(arena);
}

static void an_event_whose_steps_have_not_run_is_held_too(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t id;

    b->flows[0].expand = true;
    wait_all(b);
    id = help_put(b, NULL, "a", "1");
    hold(b, id);
    go_all(b);
    nothing_goes(b);
    release(b, id);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->kind, QUEUE_WORK_EXPAND);
}

static void configure(struct bench *b)
{
    struct queue_config_answer a;
    struct tl_err err;

    assert_int_equal(queue_configure(b->q, NULL, &b->config, false, &a, &err), TL_OK);
    help_turn(b);
}

static void it_does_not_go_to_another_system_than_it_was_meant_for(void **state)
{
    struct bench *b = *state;
    uint64_t id;

    wait_all(b);
    id = help_put(b, NULL, NULL, "1");
    hold(b, id);
    b->connections[0].identity = 8;
    configure(b);
    assert_string_equal(b->last_notice, "identity_changed");
    go_all(b);
    release(b, id);
    nothing_goes(b);
    b->connections[0].accept_identity = true;
    configure(b);
    next_is(b, "1", QUEUE_END_DONE);
}

static void what_comes_stays_behind_one_that_waits_for_steps_which_the_flow_has_no_more(void **state)
{
    struct bench *b = *state;
    struct queue_delivery_def d = {.item = 0};
    struct queue_work *w;
    struct tl_err err;
    uint64_t id;

    b->flows[0].expand = true;
    wait_all(b);
    id = help_put(b, NULL, "a", "1");
    hold(b, id);
    b->flows[0].expand = false;
    configure(b);
    (void)help_put(b, NULL, "a", "2");
    go_all(b);
    nothing_goes(b);
    release(b, id);
    d.target = b->targets[0].ret_id;
    for (int i = 0; i < 2; i++) {
        w = help_take(b);
        assert_non_null(w);
        assert_int_equal(w->kind, QUEUE_WORK_EXPAND);
        assert_int_equal(queue_expand(b->q, NULL, w, &d, 1, TL_SV_NULL, &err), TL_OK);
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
        next_is(b, i == 0 ? "1" : "2", QUEUE_END_DONE);
    }
}

static void a_plan_counts_in_slices_that_make_up_the_whole(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_DISCARD, .filter = {.state = QUEUE_DEAD}};
    struct queue_reader *r;
    uint64_t sum = 0;
    struct tl_err err;
    int slices = 0;

    b->flows[0].trip_in_a_row = b->flows[0].trip_half_of = 1000;
    wait_all(b);
    for (int i = 0; i < 2500; i++) {
        struct queue_put put = {.flow = b->flows[0].ret_id,
                                .meta = TL_SV("{}"),
                                .body = TL_SV("x"),
                                .dead = &(struct tl_err){.rc = TL_PARSE, .text = "not JSON"}};

        assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_OK);
    }
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_plan(r, &plan, &err), TL_OK);
    assert_int_equal(plan.matching, 2500);
    assert_false(plan.more);
    plan.budget_ms = 1; /* a thousand rows take longer, and if not: one slice is right too */
    do {
        assert_int_equal(queue_plan(r, &plan, &err), TL_OK);
        sum += plan.matching;
        slices++;
    } while (plan.more);
    assert_int_equal(sum, 2500);
    assert_in_range(slices, 1, 3);
    queue_reader_close(r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(one_that_is_held_waits_and_says_who_holds_it_and_why),
        T(what_is_behind_it_waits_and_goes_in_order_afterwards),
        T(it_stays_held_over_a_crash_with_its_followers),
        T(one_that_backs_off_is_held_beyond_its_time),
        T(one_that_runs_is_not_held_and_neither_is_one_that_has_ended),
        T(of_a_batch_that_runs_none_is_held),
        T(a_batch_ends_before_one_that_is_held),
        T(it_is_cancelled_discarded_and_moved_like_any_other),
        T(all_of_a_flow_are_held_and_released_and_others_on_many_leave_them_alone),
        T(the_list_of_held_ones_is_a_list_of_its_own),
        T(an_event_whose_steps_have_not_run_is_held_too),
        T(it_does_not_go_to_another_system_than_it_was_meant_for),
        T(what_comes_stays_behind_one_that_waits_for_steps_which_the_flow_has_no_more),
        T(a_plan_counts_in_slices_that_make_up_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
