/* SPDX-License-Identifier: Apache-2.0 */
/* What waits in a target when the configuration changes around it or a person moves it, and what a person's pause does
 * not undo. */
#include "help.h"

static void configure(struct bench *b, struct queue_config_answer *ret)
{
    struct tl_err err;

    if (queue_configure(b->q, NULL, &b->config, false, ret, &err) != TL_OK)
        fail_msg("configure: %s", err.text);
    help_turn(b);
}

/* The flow's target is that of another connection, after which it is called. */
static void lead_to(struct bench *b, const char *name, uint64_t identity)
{
    b->connections[0].name = tl_sv_str(name);
    b->connections[0].identity = identity;
    b->targets[0].name = b->targets[0].connection = tl_sv_str(name);
}

static struct queue_flow_stat flow_of(struct bench *b)
{
    struct tl_arena *arena = tl_arena_new(1u << 20);
    struct queue_flow_stat f;
    struct queue_stat stat;
    struct tl_err err;

    assert_int_equal(queue_stats(b->q, NULL, arena, &stat, &err), TL_OK);
    f = stat.flows[0];
    tl_arena_free(arena);
    return f;
}

static enum queue_held conn_held(struct bench *b)
{
    struct tl_arena *arena = tl_arena_new(1u << 20);
    enum queue_held held = QUEUE_HELD_NONE;
    struct queue_stat stat;
    struct tl_err err;

    assert_int_equal(queue_stats(b->q, NULL, arena, &stat, &err), TL_OK);
    for (size_t i = 0; i < stat.n_connections; i++)
        if (tl_sv_eqs(b->connections[0].name, stat.connections[i].name))
            held = stat.connections[i].held;
    tl_arena_free(arena);
    return held;
}

static enum queue_held held_of(struct bench *b, uint64_t id)
{
    struct queue_row row;
    struct tl_err err;

    help_row(b, id, &row);
    assert_int_equal(queue_why(b->q, NULL, &row, 1, &err), TL_OK);
    return row.held;
}

/* Two of one key wait in the target "erp". */
static uint64_t two_wait(struct bench *b)
{
    uint64_t first;

    lead_to(b, "erp", 7);
    help_open(b);
    queue_set_dispatch(b->q, false);
    first = help_put(b, NULL, "a", "1");
    (void)help_put(b, NULL, "a", "2");
    return first;
}

static void all_go_in_order(struct bench *b, const char *bodies)
{
    queue_set_dispatch(b->q, true);
    help_turn(b);
    for (; *bodies; bodies++) {
        struct queue_work *w = help_take(b);

        assert_non_null(w);
        assert_int_equal(b->n_works, 0);
        assert_memory_equal(w->claims[0].body.p, bodies, 1);
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    }
    assert_null(help_take(b));
}

static void the_only_target_of_a_flow_keeps_what_waits_under_another_name(void **state)
{
    struct bench *b = *state;
    struct queue_config_answer a;
    uint64_t id = two_wait(b);

    lead_to(b, "erp2", 7); /* another name for the same system */
    configure(b, &a);
    assert_int_equal(a.held_flow_removed, 0);
    assert_int_equal(a.held_identity, 0);
    (void)help_put(b, NULL, "a", "3");
    assert_int_equal(held_of(b, id), QUEUE_HELD_DRAINING);
    all_go_in_order(b, "123");
}

static void what_waits_is_not_sent_to_another_system_before_a_person_agrees(void **state)
{
    struct bench *b = *state;
    struct queue_config_answer a;
    uint64_t id = two_wait(b);
    struct tl_err err;

    lead_to(b, "erp2", 8);
    assert_int_equal(queue_configure(b->q, NULL, &b->config, true, &a, &err), TL_OK);
    assert_int_equal(a.held_identity, 2);
    assert_int_equal(a.held_flow_removed, 0);
    configure(b, &a);
    assert_int_equal(a.held_identity, 2);
    assert_string_equal(b->last_notice, "target_changed");
    queue_set_dispatch(b->q, true);
    help_turn(b);
    assert_null(help_take(b));
    assert_int_equal(held_of(b, id), QUEUE_HELD_TARGET_CHANGED);
    assert_int_equal(flow_of(b).held, QUEUE_HELD_TARGET_CHANGED);
    help_close(b);
    help_open(b); /* a restart forgets nothing */
    assert_null(help_take(b));
    assert_int_equal(held_of(b, id), QUEUE_HELD_TARGET_CHANGED);
    assert_int_equal(queue_pause_flow(b->q, NULL, b->flows[0].ret_id, TL_SV("lunch"), &err), TL_OK);
    assert_int_equal(queue_resume_flow(b->q, NULL, b->flows[0].ret_id, &err), TL_OK);
    help_turn(b);
    assert_null(help_take(b)); /* that was the end of the pause */
    assert_int_equal(queue_resume_flow(b->q, NULL, b->flows[0].ret_id, &err), TL_OK);
    all_go_in_order(b, "12");
    help_close(b);
    help_open(b);
    assert_int_equal(flow_of(b).held, QUEUE_HELD_NONE);
}

static void going_back_to_the_target_before_lets_what_waits_go(void **state)
{
    struct bench *b = *state;
    struct queue_config_answer a;

    (void)two_wait(b);
    lead_to(b, "erp2", 8);
    configure(b, NULL);
    help_close(b);
    lead_to(b, "erp", 7);
    help_open(b);
    configure(b, &a);
    assert_int_equal(a.held_identity, 0);
    all_go_in_order(b, "12");
}

static void a_change_of_target_between_two_runs_holds_too_and_the_configuration_can_agree(void **state)
{
    struct bench *b = *state;
    uint64_t id = two_wait(b);

    help_close(b);
    lead_to(b, "erp2", 8);
    help_open(b);
    assert_null(help_take(b));
    assert_int_equal(held_of(b, id), QUEUE_HELD_TARGET_CHANGED);
    b->connections[0].accept_identity = true;
    configure(b, NULL);
    all_go_in_order(b, "12");
}

static void two_targets(struct bench *b)
{
    b->flows[0].expand = true;
    b->targets[1] = b->targets[0];
    b->targets[0].name = TL_SV("a");
    b->targets[1].name = TL_SV("b");
    b->flows[0].n_targets = 2;
}

/* An event of the lane "k" with a delivery for each target. */
static void expand(struct bench *b, size_t n)
{
    struct queue_delivery_def defs[2] = {{.target = b->targets[0].ret_id}, {.target = b->targets[1].ret_id}};
    struct queue_work *w;
    struct tl_err err;

    (void)help_put(b, NULL, "k", "x");
    help_turn(b);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->kind, QUEUE_WORK_EXPAND);
    assert_int_equal(queue_expand(b->q, NULL, w, defs, n, TL_SV_NULL, &err), TL_OK);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
}

/* Deliver everything, in one target at a time: the bodies as they arrive there. */
static void drain(struct bench *b, char *ret)
{
    struct queue_delivery_def defs[2] = {{.target = b->targets[0].ret_id}, {.target = b->targets[1].ret_id}};
    struct queue_work *w;
    struct tl_err err;
    size_t n = 0;

    for (help_turn(b); (w = help_take(b)) != NULL;) {
        if (w->kind == QUEUE_WORK_EXPAND)
            assert_int_equal(queue_expand(b->q, NULL, w, defs, b->flows[0].n_targets, TL_SV_NULL, &err), TL_OK);
        else if (w->target == b->targets[0].ret_id)
            ret[n++] = w->claims[0].body.p[0];
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    }
    ret[n] = '\0';
}

static void a_key_stays_in_order_when_its_flow_gets_steps_and_when_it_loses_them(void **state)
{
    struct bench *b = *state;
    char came[20];

    two_targets(b);
    b->flows[0].expand = false;
    b->flows[0].n_targets = 1;
    help_open(b);
    queue_set_dispatch(b->q, false);
    (void)help_put(b, NULL, "k", "1");
    (void)help_put(b, NULL, "k", "2");
    b->flows[0].expand = true; /* a second target */
    b->flows[0].n_targets = 2;
    configure(b, NULL);
    (void)help_put(b, NULL, "k", "3");
    (void)help_put(b, NULL, "k", "4");
    b->flows[0].expand = false; /* and back, while some wait for the steps */
    b->flows[0].n_targets = 1;
    configure(b, NULL);
    (void)help_put(b, NULL, "k", "5");
    (void)help_put(b, NULL, "other", "6");
    help_close(b);
    help_open(b);
    (void)help_put(b, NULL, "k", "7");
    drain(b, came);
    for (char *c = came; (c = strchr(came, '6')) != NULL;) /* the other key's comes when it comes */
        memmove(c, c + 1, strlen(c));
    assert_string_equal(came, "123457");
    assert_int_equal(help_count(b, QUEUE_QUEUED), 0);
}

/* With the program stopped meanwhile, the first of them backing off. */
static void a_key_stays_in_order_when_a_restart_takes_its_steps_away(void **state)
{
    struct bench *b = *state;
    char came[20];

    two_targets(b);
    b->retry.base_ms = 60000;
    b->flows[0].n_targets = 1;
    help_open(b);
    (void)help_put(b, NULL, "k", "1");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_UPSTREAM, "500");
    assert_int_equal(help_count(b, QUEUE_RETRYING), 1);
    (void)help_put(b, NULL, "k", "2");
    help_close(b);
    b->flows[0].expand = false;
    help_open(b);
    (void)help_put(b, NULL, "k", "3");
    drain(b, came);
    assert_string_equal(came, "");
    help_after(b, 120000);
    drain(b, came);
    assert_string_equal(came, "123");
}

static void a_replay_through_steps_that_are_gone_keeps_what_comes_behind_it(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_REPLAY, .filter = {.state = QUEUE_DEAD}};
    char came[20];

    two_targets(b);
    b->flows[0].n_targets = 1;
    help_open(b);
    (void)help_put(b, NULL, "k", "1");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_INVALID, "no");
    help_close(b);
    b->flows[0].expand = false;
    help_open(b);
    queue_set_dispatch(b->q, false);
    (void)help_job(b, &plan);
    (void)help_put(b, NULL, "k", "2");
    queue_set_dispatch(b->q, true);
    drain(b, came);
    assert_string_equal(came, "12");
}

/* Rows of the table `line` whose deliveries ended shortly before a crash stand there for nobody. */
static void what_ended_before_a_crash_sends_nothing_through_steps_that_are_gone(void **state)
{
    struct bench *b = *state;
    char came[20];

    two_targets(b);
    b->line_generation = 4;
    b->flows[0].block_on_dead = true;
    b->flows[0].n_targets = 1;
    help_open(b);
    queue_set_dispatch(b->q, false);
    for (int i = 0; i < 9; i++)
        (void)help_put(b, NULL, "k", "x");
    queue_set_dispatch(b->q, true);
    drain(b, came);
    assert_string_equal(came, "xxxxxxxxx");
    help_close(b);
    b->flows[0].expand = false;
    help_open(b);
    (void)help_put(b, NULL, "k", "y");
    help_turn(b);
    assert_int_equal(help_take(b)->kind, QUEUE_WORK_DELIVER);
}

/* Of one key; then another one comes: what arrives. */
static void one_dies_before_the_second_target_comes(struct bench *b, char *came)
{
    two_targets(b);
    b->flows[0].expand = false;
    b->flows[0].n_targets = 1;
    help_open(b);
    (void)help_put(b, NULL, "k", "1");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_INVALID, "no");
    b->flows[0].expand = true;
    b->flows[0].n_targets = 2;
    configure(b, NULL);
    (void)help_put(b, NULL, "k", "2");
    drain(b, came);
}

static void a_dead_one_goes_on_blocking_its_key_when_the_flow_gets_a_second_target(void **state)
{
    struct bench *b = *state;
    char came[20];

    b->flows[0].block_on_dead = true;
    one_dies_before_the_second_target_comes(b, came);
    assert_string_equal(came, "");
}

static void a_replay_after_the_flow_got_steps_is_told_as_superseded(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_REPLAY, .filter = {.state = QUEUE_DEAD}};
    char came[20];

    one_dies_before_the_second_target_comes(b, came);
    assert_string_equal(came, "2");
    plan.filter.flow = b->flows[0].ret_id;
    (void)help_job(b, &plan);
    assert_int_equal(plan.superseded, 1);
}

static void what_waits_for_a_target_that_is_gone_is_told_and_can_go_to_another(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_MOVE, .filter = {.state = QUEUE_RETRYING}};
    struct queue_config_answer a;
    struct queue_flow_stat f;
    struct queue_work *w, *other;
    uint32_t old;

    two_targets(b);
    help_open(b);
    expand(b, 2);
    w = help_take(b);
    other = help_take(b);
    if (w->target != b->targets[1].ret_id) {
        struct queue_work *x = w;

        w = other;
        other = x;
    }
    help_finish(b, other, QUEUE_END_DONE, TL_OK, NULL);
    help_finish(b, w, QUEUE_END_FAILED, TL_UNREACHABLE, "away");
    old = b->targets[1].ret_id;
    b->targets[1].name = TL_SV("c");
    configure(b, &a);
    assert_int_equal(a.held_flow_removed, 1);
    assert_string_equal(b->last_notice, "flow_removed");
    f = flow_of(b);
    assert_int_equal(f.held, QUEUE_HELD_FLOW_REMOVED);
    assert_non_null(strstr(f.held_text, "target b"));
    assert_false(f.removed);
    help_after(b, 5000);
    assert_null(help_take(b));

    plan.to_flow = b->flows[0].ret_id;
    assert_int_equal(help_job(b, &plan).refused, 1); /* there are two: which? */
    plan.to_target = b->targets[1].ret_id;
    assert_int_equal(help_job(b, &plan).done, 1);
    assert_int_equal(flow_of(b).held, QUEUE_HELD_NONE);
    w = help_take(b);
    assert_non_null(w);
    assert_int_not_equal(w->target, old);
    assert_int_equal(w->target, b->targets[1].ret_id);
    expand(b, 2); /* the next of the same key, for the same target */
    other = help_take(b);
    assert_int_equal(other->target, b->targets[0].ret_id);
    assert_null(help_take(b)); /* waits behind the one that was moved */
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    w = help_take(b);
    assert_int_equal(w->target, b->targets[1].ret_id);
}

static void what_steps_make_for_a_target_that_went_while_they_ran_is_told_as_held(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_MOVE, .filter = {.state = QUEUE_QUEUED}};
    struct queue_delivery_def defs[3];
    struct queue_work *w;
    struct tl_err err;
    int notices;

    two_targets(b);
    help_open(b);
    (void)help_put(b, NULL, "k", "x");
    help_turn(b);
    w = help_take(b);
    assert_non_null(w);
    defs[0] = (struct queue_delivery_def){.target = b->targets[0].ret_id};
    defs[1] = defs[2] = (struct queue_delivery_def){.target = b->targets[1].ret_id};
    defs[2].item = 1;
    b->targets[1].name = TL_SV("c");
    configure(b, NULL);
    assert_int_equal(flow_of(b).held, QUEUE_HELD_NONE); /* nothing waits in it yet */
    notices = b->notices;
    assert_int_equal(queue_expand(b->q, NULL, w, defs, 3, TL_SV_NULL, &err), TL_OK);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(b->notices, notices + 1);
    assert_string_equal(b->last_notice, "flow_removed");
    assert_int_equal(flow_of(b).held, QUEUE_HELD_FLOW_REMOVED);
    assert_non_null(strstr(flow_of(b).held_text, "target b"));
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    help_after(b, 5000);
    assert_null(help_take(b));

    plan.to_flow = b->flows[0].ret_id;
    plan.to_target = b->targets[1].ret_id;
    assert_int_equal(help_job(b, &plan).done, 2);
    assert_int_equal(flow_of(b).held, QUEUE_HELD_NONE);
    for (int i = 0; i < 2; i++) {
        w = help_take(b);
        assert_non_null(w);
        assert_int_equal(w->target, b->targets[1].ret_id);
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    }
}

static void a_delivery_whose_target_is_there_is_not_moved(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_MOVE, .filter = {.state = QUEUE_QUEUED}};
    struct queue_job job;

    two_targets(b);
    help_open(b);
    expand(b, 1);
    plan.to_flow = b->flows[0].ret_id;
    plan.to_target = b->targets[1].ret_id;
    job = help_job(b, &plan);
    assert_int_equal(job.refused, 1);
    assert_non_null(strstr(job.first_refusal.text, "has its target still"));
}

/* ---- moved to another flow ---- */
/* The flows "f" and "g", each with a target of its own. */
static void two_flows(struct bench *b)
{
    b->targets[1] = b->targets[0];
    b->flows[1] = (struct queue_flow_def){.name = TL_SV("g"), .targets = &b->targets[1], .n_targets = 1};
    b->config.n_flows = 2;
    help_open(b);
}

static void move(struct bench *b, uint64_t id, size_t flow)
{
    struct queue_plan plan = {.action = QUEUE_MOVE, .to_flow = b->flows[flow].ret_id};

    plan.filter = (struct queue_filter){.ids = &id, .n_ids = 1};
    assert_int_equal(help_job(b, &plan).done, 1);
}

static void one_without_a_key_that_is_moved_while_it_runs_goes_to_its_new_target_afterwards(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t id;

    two_flows(b);
    id = help_put(b, NULL, NULL, "1");
    for (size_t to = 2; to-- > 0;) { /* there, and back */
        help_turn(b);
        w = help_take(b);
        assert_non_null(w);
        move(b, id, to);
        assert_null(help_take(b)); /* not while the other attempt may still come through */
        help_finish(b, w, QUEUE_END_FAILED, TL_UNREACHABLE, "x");
        w = b->first;
        assert_non_null(w);
        assert_int_equal(w->claims[0].event, id);
        assert_int_equal(w->target, b->targets[to].ret_id);
    }
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    assert_null(help_take(b));
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 1);
    assert_int_equal(help_count(b, QUEUE_QUEUED), 0);
}

static void one_that_is_moved_goes_before_what_came_later_to_its_new_lane(void **state)
{
    struct bench *b = *state;
    struct queue_put put = {.source = TL_SV("s"), .order_by = TL_SV("a"), .meta = TL_SV("{}"), .body = TL_SV("3")};
    struct tl_err err;
    uint64_t first, second;

    two_flows(b);
    put.flow = b->flows[1].ret_id;
    assert_int_equal(queue_pause_flow(b->q, NULL, b->flows[0].ret_id, TL_SV("w"), &err), TL_OK);
    first = help_put(b, NULL, "a", "1");
    second = help_put(b, NULL, "a", "2");
    assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_OK);
    help_turn(b);
    move(b, first, 1); /* the one of its new lane runs: behind that one */
    move(b, second, 1);
    put.body = TL_SV("4");
    assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_OK);
    for (const char *c = "3124"; *c; c++) {
        assert_non_null(b->first);
        assert_int_equal(b->n_works, 1);
        assert_memory_equal(b->first->claims[0].body.p, c, 1);
        help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    }
    assert_int_equal(queue_pause_flow(b->q, NULL, b->flows[1].ret_id, TL_SV("w"), &err), TL_OK);
    first = help_put(b, NULL, "a", "5");
    second = help_put(b, NULL, "a", "6");
    put.body = TL_SV("7");
    assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_OK);
    help_turn(b);
    move(b, second, 1); /* the one of its new lane waits */
    move(b, first, 1);
    assert_int_equal(queue_resume_flow(b->q, NULL, b->flows[1].ret_id, &err), TL_OK);
    help_turn(b);
    for (const char *c = "567"; *c; c++) {
        assert_non_null(b->first);
        assert_int_equal(b->n_works, 1);
        assert_memory_equal(b->first->claims[0].body.p, c, 1);
        help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    }
}

/* ---- a pause beside another hold ---- */
static void lifting_a_pause_does_not_accept_another_identity(void **state)
{
    struct bench *b = *state;
    uint32_t conn;
    struct tl_err err;

    (void)two_wait(b);
    conn = b->connections[0].ret_id;
    b->connections[0].identity = 8;
    configure(b, NULL);
    assert_int_equal(conn_held(b), QUEUE_HELD_IDENTITY);
    assert_int_equal(queue_pause_connection(b->q, NULL, conn, TL_SV("a day off"), &err), TL_OK);
    assert_int_equal(conn_held(b), QUEUE_HELD_CONNECTION_PAUSED);
    help_close(b);
    help_open(b);
    assert_int_equal(conn_held(b), QUEUE_HELD_CONNECTION_PAUSED);
    assert_int_equal(queue_resume_connection(b->q, NULL, conn, &err), TL_OK);
    help_turn(b);
    assert_int_equal(conn_held(b), QUEUE_HELD_IDENTITY);
    assert_null(help_take(b));
    assert_int_equal(queue_resume_connection(b->q, NULL, conn, &err), TL_OK);
    all_go_in_order(b, "12");
}

static void another_identity_does_not_end_a_pause(void **state)
{
    struct bench *b = *state;
    uint32_t conn;
    struct tl_err err;

    (void)two_wait(b);
    queue_set_dispatch(b->q, true);
    conn = b->connections[0].ret_id;
    assert_int_equal(queue_pause_connection(b->q, NULL, conn, TL_SV("a day off"), &err), TL_OK);
    b->connections[0].identity = 8;
    configure(b, NULL);
    assert_int_equal(conn_held(b), QUEUE_HELD_CONNECTION_PAUSED);
    b->connections[0].identity = 7; /* a mistake, mended */
    configure(b, NULL);
    assert_int_equal(conn_held(b), QUEUE_HELD_CONNECTION_PAUSED);
    assert_int_equal(queue_resume_connection(b->q, NULL, conn, &err), TL_OK);
    assert_int_equal(conn_held(b), QUEUE_HELD_NONE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_only_target_of_a_flow_keeps_what_waits_under_another_name),
        T(what_waits_is_not_sent_to_another_system_before_a_person_agrees),
        T(going_back_to_the_target_before_lets_what_waits_go),
        T(a_change_of_target_between_two_runs_holds_too_and_the_configuration_can_agree),
        T(a_key_stays_in_order_when_its_flow_gets_steps_and_when_it_loses_them),
        T(a_key_stays_in_order_when_a_restart_takes_its_steps_away),
        T(a_replay_through_steps_that_are_gone_keeps_what_comes_behind_it),
        T(what_ended_before_a_crash_sends_nothing_through_steps_that_are_gone),
        T(a_dead_one_goes_on_blocking_its_key_when_the_flow_gets_a_second_target),
        T(a_replay_after_the_flow_got_steps_is_told_as_superseded),
        T(what_waits_for_a_target_that_is_gone_is_told_and_can_go_to_another),
        T(what_steps_make_for_a_target_that_went_while_they_ran_is_told_as_held),
        T(a_delivery_whose_target_is_there_is_not_moved),
        T(one_without_a_key_that_is_moved_while_it_runs_goes_to_its_new_target_afterwards),
        T(one_that_is_moved_goes_before_what_came_later_to_its_new_lane),
        T(lifting_a_pause_does_not_accept_another_identity),
        T(another_identity_does_not_end_a_pause),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
