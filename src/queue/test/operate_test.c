/* SPDX-License-Identifier: Apache-2.0 */
/* Holds, reload, replay, bulk jobs, emits, expansion, long jobs, the disk reserve. */
#include "help.h"

static void die(struct bench *b)
{
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_INVALID, "field 'x' is missing");
}

static void done(struct bench *b)
{
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
}

static void a_dead_delivery_is_edited_replayed_and_delivered_with_its_own_id(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_REPLAY};
    struct queue_work *w;
    struct queue_row row;
    struct queue_job job;
    struct tl_err err;
    uint32_t rev;
    uint64_t id;

    help_open(b);
    id = help_put(b, "k", "a", "bad");
    help_turn(b);
    die(b);
    assert_int_equal(help_count(b, QUEUE_DEAD), 1);
    assert_int_equal(queue_edit(b->q, NULL, id, TL_SV("good"), TL_SV("me"), &rev, &err), TL_OK);
    assert_int_equal(rev, 1);
    plan.filter = (struct queue_filter){.flow = b->flows[0].ret_id, .state = QUEUE_DEAD};
    job = help_job(b, &plan);
    assert_int_equal(plan.matching, 1);
    assert_int_equal(job.done, 1);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->claims[0].event, id);
    assert_int_equal(w->claims[0].revision, 1);
    assert_int_equal(w->claims[0].attempts_used, 0);
    assert_true(tl_sv_eqs(w->claims[0].body, "good"));
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    help_row(b, id, &row);
    assert_int_equal(row.state, QUEUE_DELIVERED);
    assert_int_equal(help_count(b, QUEUE_DEAD), 0);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 1);
}

static void a_superseded_one_is_replayed_only_when_asked_for(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_REPLAY, .filter = {.state = QUEUE_DEAD}};
    struct queue_job job;

    help_open(b);
    (void)help_put(b, NULL, "a", "1");
    (void)help_put(b, NULL, "a", "2");
    help_turn(b);
    die(b);
    done(b);
    job = help_job(b, &plan);
    assert_int_equal(plan.superseded, 1);
    assert_int_equal(job.refused, 1);
    assert_null(help_take(b));
    plan.include_superseded = true;
    job = help_job(b, &plan);
    assert_int_equal(job.done, 1);
    assert_non_null(b->first);
    done(b);
}

static void what_died_before_a_restart_is_superseded_by_what_is_done_after_it(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_REPLAY, .filter = {.state = QUEUE_DEAD}};

    help_open(b);
    (void)help_put(b, NULL, "a", "1");
    help_turn(b);
    die(b);
    help_close(b);
    help_open(b);
    help_after(b, 5000); /* tidied meanwhile */
    (void)help_put(b, NULL, "a", "2");
    help_turn(b);
    done(b);
    (void)help_job(b, &plan);
    assert_int_equal(plan.superseded, 1);
}

static void a_follower_waits_behind_one_that_died_or_went_away_before_a_restart(void **state)
{
    struct bench *b = *state;

    b->flows[0].block_on_dead = true;
    b->retry.base_ms = 60000;
    b->retry.most_ms = 60000;
    help_open(b);
    (void)help_put(b, NULL, "dead", "1");
    (void)help_put(b, NULL, "away", "1");
    help_turn(b);
    die(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_TIMEOUT, "late");
    for (int i = 0; i < 2; i++) {
        help_after(b, 5000);
        (void)help_put(b, NULL, "dead", "2");
        (void)help_put(b, NULL, "away", "2");
        help_turn(b);
        assert_null(help_take(b));
        (void)help_put(b, NULL, "other", "1");
        help_turn(b);
        done(b);
        help_close(b);
        help_open(b);
    }
}

static void an_earlier_one_of_its_key_supersedes_nothing(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_REPLAY};
    struct queue_job job;
    uint64_t first, second;

    help_open(b);
    first = help_put(b, NULL, "a", "1");
    second = help_put(b, NULL, "a", "2");
    help_turn(b);
    die(b);
    die(b);
    plan.filter = (struct queue_filter){.ids = &first, .n_ids = 1};
    assert_int_equal(help_job(b, &plan).done, 1);
    done(b);
    plan.filter = (struct queue_filter){.ids = &second, .n_ids = 1};
    job = help_job(b, &plan);
    assert_int_equal(plan.superseded, 0);
    assert_int_equal(job.refused, 0);
    assert_int_equal(job.done, 1);
    done(b);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 2);
}

static void an_action_without_a_state_is_about_what_it_can_change(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_CANCEL, .filter = {.flow = 0}};
    struct queue_job job;

    help_open(b);
    for (int i = 0; i < 4; i++)
        (void)help_put(b, NULL, "a", "1");
    help_turn(b);
    done(b);
    die(b);
    plan.filter.flow = b->flows[0].ret_id;
    job = help_job(b, &plan);
    assert_true(plan.matching == 2 && plan.final == 0 && job.done == 2 && job.refused == 0);
    plan.action = QUEUE_DISCARD;
    job = help_job(b, &plan);
    assert_true(plan.matching == 1 && job.done == 1 && job.refused == 0);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 1);
    assert_int_equal(help_count(b, QUEUE_CANCELLED), 2);
    plan.filter.state = QUEUE_DELIVERED; /* said so, it is told why not */
    job = help_job(b, &plan);
    assert_true(plan.matching == 1 && job.done == 0 && job.refused == 1);
}

static void a_job_that_is_stopped_on_its_way_leaves_the_rest_alone(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_CANCEL, .filter = {.state = QUEUE_QUEUED}};
    struct queue_reader *r = NULL;
    struct queue_job job;
    struct tl_err err;
    uint64_t id;

    help_open(b);
    for (int i = 0; i < 1000; i++)
        (void)help_put(b, NULL, "a", "1");
    help_turn(b);
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_plan(r, &plan, &err), TL_OK);
    queue_reader_close(r);
    assert_int_equal(queue_job_start(b->q, NULL, &plan, &id, &err), TL_OK);
    assert_int_equal(queue_job_get(b->q, NULL, id, &job, &err), TL_OK);
    assert_true(!job.ended && job.total == 1000 && job.done < 1000);
    assert_int_equal(queue_job_cancel(b->q, NULL, id, &err), TL_OK);
    help_turn(b);
    assert_int_equal(queue_job_get(b->q, NULL, id, &job, &err), TL_OK);
    assert_true(job.ended && job.cancelled && job.done < 1000);
    assert_int_equal(help_count(b, QUEUE_CANCELLED), job.done);
    assert_int_equal(help_count(b, QUEUE_QUEUED), 1000 - job.done);
    assert_int_equal(queue_job_cancel(b->q, NULL, id, &err), TL_CONFLICT);
    help_close(b);
    help_open(b); /* nor does it go on after a restart */
    help_turn(b);
    assert_int_equal(help_count(b, QUEUE_QUEUED), 1000 - job.done);
}

static void a_finished_one_is_replayed_as_a_new_event(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_REPLAY, .filter = {.state = QUEUE_DELIVERED}};
    struct queue_work *w;
    uint64_t id;

    help_open(b);
    id = help_put(b, NULL, "a", "1");
    help_turn(b);
    done(b);
    assert_int_equal(help_job(b, &plan).done, 1);
    w = help_take(b);
    assert_non_null(w);
    assert_true(w->claims[0].event > id);
    assert_int_equal(w->claims[0].replay_of, id);
    assert_true(tl_sv_eqs(w->claims[0].body, "1"));
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
}

static void cancelling_a_running_one_refuses_its_outcome_and_frees_its_key(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_CANCEL};
    struct queue_work *w;
    struct queue_row row;
    uint64_t id;

    help_open(b);
    id = help_put(b, "k", "a", "1");
    (void)help_put(b, NULL, "a", "2");
    help_turn(b);
    w = help_take(b);
    plan.filter = (struct queue_filter){.ids = &id, .n_ids = 1};
    assert_int_equal(help_job(b, &plan).done, 1);
    assert_null(help_take(b)); /* the lane is kept until the work is back */
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    help_row(b, id, &row);
    assert_int_equal(row.state, QUEUE_CANCELLED);
    w = help_take(b);
    assert_non_null(w);
    assert_true(tl_sv_eqs(w->claims[0].body, "2"));
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_true(help_put(b, "k", "a", "1") > id); /* its idempotency key is free again */
}

static void a_removed_flow_holds_its_events_and_they_can_be_moved(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_MOVE};
    struct queue_config_answer answer;
    struct queue_target_def other = b->targets[0];
    struct tl_err err;
    struct queue_work *w;
    uint32_t old;

    help_open(b);
    queue_set_dispatch(b->q, false);
    old = b->flows[0].ret_id;
    for (int i = 0; i < 5; i++)
        (void)help_put(b, NULL, "a", i == 0 ? "first" : "x");
    b->flows[1] = (struct queue_flow_def){.name = TL_SV("g"), .targets = &other, .n_targets = 1};
    b->config.flows = &b->flows[1];
    assert_int_equal(queue_configure(b->q, NULL, &b->config, true, &answer, &err), TL_OK);
    assert_int_equal(answer.held_flow_removed, 5);
    assert_int_equal(queue_configure(b->q, NULL, &b->config, false, &answer, &err), TL_OK);
    assert_int_equal(answer.flows_removed, 1);
    assert_int_equal(answer.flows_added, 1);
    assert_string_equal(b->last_notice, "flow_removed");
    queue_set_dispatch(b->q, true);
    help_turn(b);
    assert_null(help_take(b));
    plan.filter.flow = old;
    plan.to_flow = b->flows[1].ret_id;
    assert_int_equal(help_job(b, &plan).done, 5);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->flow, b->flows[1].ret_id);
    assert_true(tl_sv_eqs(w->claims[0].body, "first"));
    assert_int_equal(b->n_works, 0);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(b->n_works, 1);
}

static void another_identity_of_a_connection_holds_what_is_queued_until_it_is_accepted(void **state)
{
    struct bench *b = *state;
    struct tl_err err;

    help_open(b);
    queue_set_dispatch(b->q, false);
    (void)help_put(b, NULL, "a", "1");
    help_close(b);
    b->connections[0].identity = 8;
    help_open(b);
    assert_null(help_take(b));
    assert_string_equal(b->last_notice, "identity_changed");
    help_close(b);
    help_open(b); /* a restart forgets nothing */
    assert_null(help_take(b));
    b->connections[0].accept_identity = true;
    assert_int_equal(queue_configure(b->q, NULL, &b->config, false, NULL, &err), TL_OK);
    help_turn(b);
    assert_non_null(b->first);
    done(b);
}

static void twenty_alike_in_a_row_trip_the_flow_and_a_restart_keeps_it_held(void **state)
{
    struct bench *b = *state;
    struct tl_err err;
    int dead = 0;

    b->guard.concurrency = 1;
    help_open(b);
    for (int i = 0; i < 50; i++)
        (void)help_put(b, NULL, NULL, "x");
    help_turn(b);
    while (b->first) {
        die(b);
        dead++;
    }
    assert_int_equal(dead, 20);
    assert_string_equal(b->last_notice, "flow_tripped");
    help_close(b);
    help_open(b);
    assert_null(help_take(b));
    assert_int_equal(queue_resume_flow(b->q, NULL, b->flows[0].ret_id, &err), TL_OK);
    help_turn(b);
    assert_non_null(b->first);
    done(b);
}

static void an_auth_failure_pauses_the_connection_and_uses_no_attempt(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;

    help_open(b);
    (void)help_put(b, NULL, "a", "1");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_AUTH, "401");
    help_after(b, 50000);
    assert_null(help_take(b));
    help_after(b, 11000); /* it looks by itself whether the credentials work again */
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->claims[0].attempts_used, 0);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_string_equal(b->last_notice, "connection_resumed");
}

static void a_target_that_is_down_for_long_produces_no_dead_letter(void **state)
{
    struct bench *b = *state;

    b->guard = (struct guard_conf){.concurrency = 4, .fixed = true};
    b->retry.attempts = 5;
    help_open(b);
    for (int i = 0; i < 20; i++)
        (void)help_put(b, NULL, NULL, "x");
    help_turn(b);
    for (int i = 0; i < 2000; i++) {
        while (b->first)
            help_finish(b, help_take(b), QUEUE_END_FAILED, TL_UNREACHABLE, "refused");
        help_after(b, 1000);
    }
    assert_int_equal(help_count(b, QUEUE_DEAD), 0);
    for (int i = 0; i < 200; i++) {
        while (b->first)
            done(b);
        help_after(b, 1000);
    }
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 20);
}

static void intake_stops_at_the_reserve_and_outcomes_go_on(void **state)
{
    struct bench *b = *state;
    struct queue_put put;
    struct tl_err err;

    help_open(b);
    (void)help_put(b, NULL, "a", "1");
    help_turn(b);
    b->disk_low = true;
    help_after(b, 1100);
    put = (struct queue_put){.flow = b->flows[0].ret_id, .meta = TL_SV(""), .body = TL_SV("x")};
    assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_FULL);
    assert_true(err.retry_after_ms > 0);
    done(b);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 1);
    b->disk_low = false;
    help_after(b, 1100);
    assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_OK);
}

static void records_and_position_are_one_and_an_old_lease_writes_neither(void **state)
{
    struct bench *b = *state;
    struct queue_put puts[2] = {{.meta = TL_SV(""), .body = TL_SV("1")}, {.meta = TL_SV(""), .body = TL_SV("2")}};
    struct queue_emit emit = {.puts = puts, .n = 2, .lease = TL_SV("src"), .position_key = TL_SV("0")};
    struct tl_buf buf;
    struct tl_err err;
    uint64_t first, second;

    tl_buf_init(&buf, 100);
    help_open(b);
    puts[0].flow = puts[1].flow = b->flows[0].ret_id;
    assert_int_equal(queue_lease(b->q, NULL, TL_SV("src"), TL_SV("me"), 1000, &first, &err), TL_OK);
    assert_int_equal(queue_lease(b->q, NULL, TL_SV("src"), TL_SV("you"), 1000, &second, &err), TL_BUSY);
    emit.lease_epoch = first;
    emit.position = TL_SV("10");
    assert_int_equal(queue_emit(b->q, NULL, &emit, &err), TL_OK);
    tl_fake_clock_advance_ms(&b->clock, 2000);
    assert_int_equal(queue_lease(b->q, NULL, TL_SV("src"), TL_SV("you"), 1000, &second, &err), TL_OK);
    assert_true(second > first);
    emit.position = TL_SV("20");
    assert_int_equal(queue_emit(b->q, NULL, &emit, &err), TL_STALE);
    assert_int_equal(queue_position(b->q, NULL, TL_SV("src"), TL_SV("0"), &buf, &err), TL_OK);
    assert_string_equal(buf.p, "10");
    assert_int_equal(help_count(b, QUEUE_QUEUED), 2);
    puts[1].flow = 99; /* one that cannot be put: none is */
    emit.lease_epoch = second;
    assert_int_equal(queue_emit(b->q, NULL, &emit, &err), TL_NOT_FOUND);
    assert_int_equal(help_count(b, QUEUE_QUEUED), 2);
    tl_buf_done(&buf);
}

static void an_event_is_expanded_into_deliveries_and_its_state_follows_from_theirs(void **state)
{
    struct bench *b = *state;
    struct queue_delivery_def d[2];
    struct queue_work *w;
    struct queue_row row;
    struct tl_err err;
    uint64_t id;

    b->flows[0].expand = true;
    b->targets[1] = b->targets[0];
    b->targets[1].name = TL_SV("u");
    b->flows[0].n_targets = 2;
    help_open(b);
    id = help_put(b, NULL, "a", "whole");
    help_turn(b);
    w = help_take(b);
    assert_int_equal(w->kind, QUEUE_WORK_EXPAND);
    d[0] = (struct queue_delivery_def){.target = b->targets[0].ret_id};
    d[1] = (struct queue_delivery_def){.target = b->targets[1].ret_id, .item = 1, .body = TL_SV("part")};
    assert_int_equal(queue_expand(b->q, NULL, w, d, 2, TL_SV_NULL, &err), TL_OK);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(b->n_works, 2);
    for (int i = 0; i < 2; i++) {
        w = help_take(b);
        assert_int_equal(w->claims[0].event, id);
        assert_true(tl_sv_eqs(w->claims[0].body, w->target == b->targets[0].ret_id ? "whole" : "part"));
        help_finish(b, w, i ? QUEUE_END_DONE : QUEUE_END_FAILED, i ? TL_OK : TL_INVALID, "no");
        help_row(b, id, &row);
        assert_true(row.expanded);
        assert_int_equal(row.state, QUEUE_DEAD);
    }
    assert_int_equal(help_count(b, QUEUE_DEAD), 1);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 1);
    id = help_put(b, NULL, "a", "none");
    help_turn(b);
    w = help_take(b);
    assert_int_equal(queue_expand(b->q, NULL, w, NULL, 0, TL_SV("filtered"), &err), TL_OK);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    help_row(b, id, &row);
    assert_int_equal(row.state, QUEUE_SKIPPED);
}

/* Three of "a" and one of "b" in one batch; their ids in `ids`. */
static struct queue_work *ordered_batch(struct bench *b, uint64_t ids[4])
{
    struct queue_work *w;

    b->targets[0].batch_count = 10;
    b->targets[0].ordered_batch = true;
    help_open(b);
    queue_set_dispatch(b->q, false);
    ids[0] = help_put(b, NULL, "a", "1");
    ids[1] = help_put(b, NULL, "a", "2");
    ids[3] = help_put(b, NULL, "b", "1");
    ids[2] = help_put(b, NULL, "a", "3");
    queue_set_dispatch(b->q, true);
    help_turn(b);
    help_after(b, 21);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->n, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(w->claims[i].delivery, ids[i]);
    assert_true(tl_sv_eqs(w->claims[2].body, "3") && tl_sv_eqs(w->claims[2].order_by, "a"));
    assert_null(help_take(b));
    return w;
}

static void an_ordered_batch_carries_several_deliveries_of_a_key_in_order(void **state)
{
    struct bench *b = *state;
    uint64_t ids[4];

    help_finish(b, ordered_batch(b, ids), QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 4);
    (void)help_put(b, NULL, "a", "4");
    help_turn(b);
    help_after(b, 21);
    done(b);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 5);
    assert_int_equal(help_count(b, QUEUE_QUEUED), 0);
}

static void what_fails_in_an_ordered_batch_comes_again_before_what_stood_behind_it(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t ids[4];

    w = ordered_batch(b, ids);
    w->claims[0].outcome.end = w->claims[3].outcome.end = QUEUE_END_DONE;
    w->claims[1].outcome = (struct queue_outcome){.end = QUEUE_END_FAILED, .rc = TL_TIMEOUT, .text = TL_SV("late")};
    w->claims[2].outcome.end = QUEUE_END_INNOCENT;
    queue_finish(b->q, w);
    help_turn(b);
    assert_null(help_take(b)); /* the one behind waits with it */
    help_after(b, 1000);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->n, 2);
    assert_int_equal(w->claims[0].delivery, ids[1]);
    assert_int_equal(w->claims[0].attempts_used, 1);
    assert_int_equal(w->claims[1].delivery, ids[2]);
    assert_int_equal(w->claims[1].attempts_used, 0);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 4);
    assert_int_equal(help_count(b, QUEUE_RETRYING), 0);
}

static void one_that_is_cancelled_within_an_ordered_batch_stays_cancelled(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_CANCEL};
    struct queue_work *w;
    struct queue_row row;
    uint64_t ids[4];

    w = ordered_batch(b, ids);
    plan.filter = (struct queue_filter){.ids = &ids[1], .n_ids = 1};
    assert_int_equal(help_job(b, &plan).done, 1);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    help_row(b, ids[1], &row);
    assert_int_equal(row.state, QUEUE_CANCELLED);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 3);
    assert_int_equal(help_count(b, QUEUE_CANCELLED), 1);
    assert_int_equal(help_count(b, QUEUE_QUEUED), 0);
}

static void an_ordered_batch_that_a_crash_cuts_off_comes_again_whole(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t ids[4];

    b->targets[0].idempotent = false;
    (void)ordered_batch(b, ids);
    help_close(b);
    help_open(b);
    help_after(b, 21);
    w = help_take(b);
    assert_int_equal(w->n, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(w->claims[i].delivery, ids[i]);
        assert_true(w->claims[i].unknown_before);
    }
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 4);
}

/* Three deliveries in one call that has begun a long job. */
static struct queue_work *begin_job(struct bench *b)
{
    struct queue_work *w;
    struct tl_err err;

    b->targets[0].batch_count = 10;
    help_open(b);
    queue_set_dispatch(b->q, false);
    for (int i = 0; i < 3; i++)
        (void)help_put(b, NULL, NULL, "x");
    queue_set_dispatch(b->q, true);
    help_turn(b);
    help_after(b, 21);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->n, 3);
    assert_int_equal(queue_checkpoint(b->q, NULL, w, TL_SV("job 750"), &err), TL_OK);
    return w;
}

static void a_long_job_is_asked_after_with_all_its_members_also_after_a_restart(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;

    (void)begin_job(b);
    help_close(b);
    help_open(b);
    help_after(b, 21);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->kind, QUEUE_WORK_RESUME);
    assert_true(tl_sv_eqs(w->ticket, "job 750"));
    assert_int_equal(w->n, 3);
    w->next_poll_ms = 5000;
    help_finish(b, w, QUEUE_END_PENDING, TL_OK, NULL);
    help_after(b, 4000);
    assert_null(help_take(b));
    help_after(b, 1100);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->kind, QUEUE_WORK_RESUME);
    assert_int_equal(w->n, 3);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 3);
}

static void a_long_job_of_an_ordered_batch_is_asked_after_whole_also_after_a_restart(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    struct tl_err err;
    uint64_t ids[4];

    w = ordered_batch(b, ids);
    assert_int_equal(queue_checkpoint(b->q, NULL, w, TL_SV("job 751"), &err), TL_OK);
    help_close(b);
    help_open(b);
    (void)help_put(b, NULL, "a", "behind the job");
    for (int i = 0; i < 2; i++) {
        help_after(b, i ? 1100 : 21);
        w = help_take(b);
        assert_non_null(w);
        assert_int_equal(w->kind, QUEUE_WORK_RESUME);
        assert_int_equal(w->n, 4);
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(w->claims[k].delivery, ids[k]);
        w->next_poll_ms = 1000;
        help_finish(b, w, i ? QUEUE_END_DONE : QUEUE_END_PENDING, TL_OK, NULL);
    }
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 4);
    help_after(b, 21);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->kind, QUEUE_WORK_DELIVER);
    assert_int_equal(w->n, 1);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 5);
}

/* What a job did not do comes again whole: not as an endless question after a job that is over. */
static void what_a_long_job_left_undone_is_delivered_anew(void **state)
{
    struct bench *b = *state;
    struct queue_work *w = begin_job(b);

    w->next_poll_ms = 1000;
    help_finish(b, w, QUEUE_END_PENDING, TL_OK, NULL);
    help_after(b, 1100);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->kind, QUEUE_WORK_RESUME);
    w->claims[0].outcome = (struct queue_outcome){.end = QUEUE_END_INNOCENT, .rc = TL_CONFLICT};
    w->claims[1].outcome = (struct queue_outcome){.end = QUEUE_END_FAILED, .rc = TL_UPSTREAM};
    w->claims[2].outcome = (struct queue_outcome){.end = QUEUE_END_DONE};
    queue_finish(b->q, w);
    help_turn(b);
    for (int left = 2, rounds = 0; left > 0; rounds++) {
        assert_true(rounds < 50);
        help_after(b, 1000);
        w = help_take(b);
        if (!w)
            continue;
        assert_int_equal(w->kind, QUEUE_WORK_DELIVER);
        assert_true(w->n > 0 && w->ticket.n == 0);
        assert_true(w->claims[0].body.n == 1);
        left -= (int)w->n;
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    }
    assert_null(help_take(b));
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 3);
}

/* We stop while we ask after it, or right after it began: the next start asks on. */
static void a_long_job_outlives_our_stop_in_the_middle_of_a_question(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    struct tl_err err;

    help_open(b);
    (void)help_put(b, NULL, NULL, "x");
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(queue_checkpoint(b->q, NULL, w, TL_SV("job 750"), &err), TL_OK);
    for (int i = 0; i < 3; i++) {
        w->claims[0].outcome = (struct queue_outcome){.end = QUEUE_END_CANCELED};
        queue_finish(b->q, w);
        help_turn(b);
        if (i == 1) {
            help_close(b);
            help_open(b);
        }
        help_after(b, 1100);
        w = help_take(b);
        assert_non_null(w);
        assert_int_equal(w->kind, QUEUE_WORK_RESUME);
        assert_true(tl_sv_eqs(w->ticket, "job 750"));
    }
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 1);
}

/* The job had not begun, or some of its rows were left out: those are plain deliveries again. */
static void what_a_long_job_did_not_do_comes_again_without_the_job(void **state)
{
    static const struct {
        enum queue_end end;
        enum tl_rc rc;
    } rows[] = {{QUEUE_END_INNOCENT, TL_OK}, {QUEUE_END_FAILED, TL_UPSTREAM}, {QUEUE_END_FAILED, TL_RATE_LIMITED}};
    struct bench *b = *state;

    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct queue_work *w;

        (void)begin_job(b);
        help_close(b);
        help_open(b);
        help_after(b, 21);
        w = help_take(b);
        assert_int_equal(w->kind, QUEUE_WORK_RESUME);
        help_finish(b, w, rows[i].end, rows[i].rc, "it had not been closed");
        help_after(b, 5000);
        for (size_t n = 0; n < 3; n += w->n, help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL)) {
            help_after(b, 21);
            w = help_take(b);
            assert_non_null(w);
            assert_int_equal(w->kind, QUEUE_WORK_DELIVER);
            assert_true(w->n > 0 && w->ticket.n == 0);
        }
        assert_int_equal(help_count(b, QUEUE_DELIVERED), 3 * (i + 1));
        help_close(b);
    }
    help_open(b);
}

static void a_body_in_chunks_belongs_to_its_event_and_orphans_are_swept_at_the_start(void **state)
{
    struct bench *b = *state;
    struct queue_put put;
    struct queue_reader *r = NULL;
    struct tl_buf buf;
    struct tl_err err;
    uint64_t up, orphan;

    tl_buf_init(&buf, 1000);
    help_open(b);
    assert_int_equal(queue_upload_begin(b->q, NULL, &up, &err), TL_OK);
    assert_int_equal(queue_upload_chunk(b->q, NULL, up, TL_SV("hello "), &err), TL_OK);
    assert_int_equal(queue_upload_chunk(b->q, NULL, up, TL_SV("world"), &err), TL_OK);
    put = (struct queue_put){.flow = b->flows[0].ret_id, .meta = TL_SV(""), .upload = up};
    assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_OK);
    assert_int_equal(queue_upload_begin(b->q, NULL, &orphan, &err), TL_OK);
    assert_int_equal(queue_upload_chunk(b->q, NULL, orphan, TL_SV("lost"), &err), TL_OK);
    help_close(b);
    help_open(b);
    assert_int_equal(queue_upload_chunk(b->q, NULL, orphan, TL_SV("more"), &err), TL_NOT_FOUND);
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_read_body(r, put.ret_event, false, &buf, &err), TL_OK);
    assert_string_equal(buf.p, "hello world");
    queue_reader_close(r);
    tl_buf_done(&buf);
    done(b);
}

static void flows_share_a_connection_by_their_priority(void **state)
{
    struct bench *b = *state;
    struct queue_target_def other = b->targets[0];
    struct queue_put put = {.meta = TL_SV(""), .body = TL_SV("x")};
    struct queue_work *w;
    struct tl_err err;
    int high = 0;

    b->guard.concurrency = 1;
    b->flows[1] = (struct queue_flow_def){.name = TL_SV("g"), .targets = &other, .n_targets = 1, .priority = 3};
    b->config.n_flows = 2;
    help_open(b);
    queue_set_dispatch(b->q, false);
    for (int i = 0; i < 100; i++) {
        put.flow = b->flows[i % 2].ret_id;
        assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_OK);
    }
    queue_set_dispatch(b->q, true);
    help_turn(b);
    for (int i = 0; i < 40; i++) {
        w = help_take(b);
        high += w->flow == b->flows[1].ret_id;
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    }
    assert_int_equal(high, 30);
}

static void old_final_events_are_swept_and_dead_ones_stay(void **state)
{
    struct bench *b = *state;
    struct queue_reader *r = NULL;
    struct tl_arena *arena = tl_arena_new(1u << 20);
    struct queue_detail d;
    struct tl_err err;
    uint64_t gone, dead;

    b->keep_final_ms = 60000;
    help_open(b);
    gone = help_put(b, NULL, NULL, "1");
    help_turn(b);
    done(b);
    dead = help_put(b, NULL, NULL, "2");
    help_turn(b);
    die(b);
    help_after(b, 700000);
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_show(r, arena, gone, 0, &d, &err), TL_NOT_FOUND);
    assert_int_equal(queue_show(r, arena, dead, 100, &d, &err), TL_OK);
    assert_true(tl_sv_eqs(d.body, "2"));
    assert_int_equal(d.n_attempts, 1);
    queue_reader_close(r);
    tl_arena_free(arena);
}

static void what_is_done_at_the_first_attempt_shows_it(void **state)
{
    struct bench *b = *state;
    struct queue_reader *r = NULL;
    struct tl_arena *arena = tl_arena_new(1u << 20);
    struct queue_detail d;
    struct queue_work *w;
    struct tl_err err;
    uint64_t id;

    help_open(b);
    id = help_put(b, NULL, NULL, "1");
    help_turn(b);
    w = help_take(b);
    w->latency_ms = 12;
    w->claims[0].outcome = (struct queue_outcome){.end = QUEUE_END_DONE, .status = 201};
    queue_finish(b->q, w);
    help_turn(b);
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_show(r, arena, id, 0, &d, &err), TL_OK);
    assert_int_equal(d.row.state, QUEUE_DELIVERED);
    assert_int_equal(d.n_attempts, 1);
    assert_int_equal(d.attempts[0].number, 1);
    assert_int_equal(d.attempts[0].end, QUEUE_END_DONE);
    assert_int_equal(d.attempts[0].status, 201);
    assert_int_equal(d.attempts[0].latency_ms, 12);
    assert_true(d.attempts[0].counted);
    assert_true(d.attempts[0].ended_ms > 0);
    queue_reader_close(r);
    tl_arena_free(arena);
}

static void pages_follow_each_other_without_gap_or_repetition(void **state)
{
    struct bench *b = *state;
    struct queue_reader *r = NULL;
    struct queue_filter f = {.state = QUEUE_QUEUED};
    struct queue_page page = {.more = true};
    struct tl_err err;
    uint64_t last = UINT64_MAX;
    size_t n = 0;

    help_open(b);
    queue_set_dispatch(b->q, false);
    for (int i = 0; i < 25; i++)
        (void)help_put(b, NULL, NULL, "x");
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    while (page.more) {
        struct tl_arena *arena = tl_arena_new(1u << 20);

        assert_int_equal(queue_list(r, arena, &f, page.cursor, 10, &page, &err), TL_OK);
        for (size_t i = 0; i < page.n; i++, n++) {
            assert_true(page.rows[i].delivery < last);
            last = page.rows[i].delivery;
        }
        tl_arena_free(arena);
    }
    assert_int_equal(n, 25);
    queue_reader_close(r);
}

static void a_cancel_or_a_move_without_a_state_means_what_waits(void **state)
{
    struct bench *b = *state;
    struct queue_plan cancel = {.action = QUEUE_CANCEL}, move = {.action = QUEUE_MOVE}, dead = {.action = QUEUE_MOVE};
    struct queue_job job;
    uint64_t first;
    char id[14];

    help_open(b);
    first = help_put(b, NULL, NULL, "1");
    (void)help_put(b, NULL, NULL, "2");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_INVALID, "no");
    (void)help_put(b, NULL, NULL, "3");
    job = help_job(b, &cancel);
    assert_int_equal(cancel.matching, 1);
    assert_true(job.looked == 1 && job.done == 1 && job.refused == 0);
    move.to_flow = dead.to_flow = b->flows[0].ret_id;
    assert_int_equal(help_job(b, &move).looked, 0);
    assert_int_equal(move.matching, 0);
    dead.filter.state = QUEUE_DEAD; /* a state that is named is meant */
    assert_int_equal(help_job(b, &dead).done, 1);
    cancel.filter = (struct queue_filter){.ids = &first, .n_ids = 1};
    job = help_job(b, &cancel); /* so are ids; and one that has ended is named as people know it */
    assert_true(job.looked == 1 && job.refused == 1);
    assert_non_null(strstr(job.first_refusal.text, tl_id32_format(first, id)));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_dead_delivery_is_edited_replayed_and_delivered_with_its_own_id),
        TEST(a_superseded_one_is_replayed_only_when_asked_for),
        TEST(what_died_before_a_restart_is_superseded_by_what_is_done_after_it),
        TEST(a_follower_waits_behind_one_that_died_or_went_away_before_a_restart),
        TEST(an_earlier_one_of_its_key_supersedes_nothing),
        TEST(an_action_without_a_state_is_about_what_it_can_change),
        TEST(a_job_that_is_stopped_on_its_way_leaves_the_rest_alone),
        TEST(a_finished_one_is_replayed_as_a_new_event),
        TEST(cancelling_a_running_one_refuses_its_outcome_and_frees_its_key),
        TEST(a_removed_flow_holds_its_events_and_they_can_be_moved),
        TEST(another_identity_of_a_connection_holds_what_is_queued_until_it_is_accepted),
        TEST(twenty_alike_in_a_row_trip_the_flow_and_a_restart_keeps_it_held),
        TEST(an_auth_failure_pauses_the_connection_and_uses_no_attempt),
        TEST(a_target_that_is_down_for_long_produces_no_dead_letter),
        TEST(intake_stops_at_the_reserve_and_outcomes_go_on),
        TEST(records_and_position_are_one_and_an_old_lease_writes_neither),
        TEST(an_event_is_expanded_into_deliveries_and_its_state_follows_from_theirs),
        TEST(an_ordered_batch_carries_several_deliveries_of_a_key_in_order),
        TEST(what_fails_in_an_ordered_batch_comes_again_before_what_stood_behind_it),
        TEST(one_that_is_cancelled_within_an_ordered_batch_stays_cancelled),
        TEST(an_ordered_batch_that_a_crash_cuts_off_comes_again_whole),
        TEST(a_long_job_of_an_ordered_batch_is_asked_after_whole_also_after_a_restart),
        TEST(what_a_long_job_did_not_do_comes_again_without_the_job),
        TEST(a_long_job_is_asked_after_with_all_its_members_also_after_a_restart),
        TEST(what_a_long_job_left_undone_is_delivered_anew),
        TEST(a_long_job_outlives_our_stop_in_the_middle_of_a_question),
        TEST(a_body_in_chunks_belongs_to_its_event_and_orphans_are_swept_at_the_start),
        TEST(flows_share_a_connection_by_their_priority),
        TEST(old_final_events_are_swept_and_dead_ones_stay),
        TEST(what_is_done_at_the_first_attempt_shows_it),
        TEST(pages_follow_each_other_without_gap_or_repetition),
        TEST(a_cancel_or_a_move_without_a_state_means_what_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
