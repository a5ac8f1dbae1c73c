/* SPDX-License-Identifier: Apache-2.0 */
/* Lists by key, reason and payload; what changes as it changes; causes of death; what people did. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "help.h"

static size_t list(struct bench *b, struct queue_filter f, uint64_t *ids)
{
    struct tl_arena *a = tl_arena_new(8 << 20);
    struct queue_page page;
    struct queue_reader *r;
    struct tl_err err;

    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_list(r, a, &f, 0, 100, &page, &err), TL_OK);
    for (size_t i = 0; ids && i < page.n; i++)
        ids[i] = page.rows[i].delivery;
    queue_reader_close(r);
    tl_arena_free(a);
    return page.n;
}

static void die(struct bench *b, const char *text)
{
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_INVALID, text);
}

static void events_are_found_by_their_ordering_key_in_any_state(void **state)
{
    struct bench *b = *state;
    const struct queue_filter key = {.key = TL_SV("anna")};
    struct queue_filter dead = key, queued = key;
    uint64_t first, second, third, ids[100];

    help_open(b);
    first = help_put(b, NULL, "anna", "1");
    (void)help_put(b, NULL, "bert", "2");
    help_turn(b);
    die(b, "no");
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    second = help_put(b, NULL, "anna", "3");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    third = help_put(b, NULL, "anna", "4");
    help_turn(b);
    assert_int_equal(list(b, key, ids), 3);
    assert_true(ids[0] == third && ids[1] == second && ids[2] == first);
    dead.state = QUEUE_DEAD;
    assert_int_equal(list(b, dead, ids), 1);
    assert_int_equal(ids[0], first);
    queued.state = QUEUE_QUEUED;
    assert_int_equal(list(b, queued, ids), 1);
    assert_int_equal(ids[0], third);
    assert_int_equal(list(b, (struct queue_filter){.key = TL_SV("carl")}, ids), 0);
}

/* The row as a reader and the ledger thread see it together. */
static struct queue_row *why(struct bench *b, uint64_t id)
{
    static struct queue_row row;

    struct tl_arena *a = tl_arena_new(8 << 20);
    struct queue_detail d;
    struct queue_reader *r;
    struct tl_err err;

    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_show(r, a, id, 0, &d, &err), TL_OK);
    assert_int_equal(queue_why(b->q, NULL, &d.row, 1, &err), TL_OK);
    queue_reader_close(r);
    tl_arena_free(a);
    row = d.row;
    return &row;
}

static void whatever_waits_says_why(void **state)
{
    struct bench *b = *state;
    uint64_t first, second, other;
    struct tl_err err;

    b->flows[0].block_on_dead = true;
    b->guard.concurrency = 1;
    help_open(b);
    first = help_put(b, NULL, "a", "1");
    second = help_put(b, NULL, "a", "2");
    help_turn(b);
    other = help_put(b, NULL, "b", "1");
    help_turn(b);
    assert_true(why(b, first)->running);
    assert_int_equal(why(b, first)->held, QUEUE_HELD_NONE);
    assert_int_equal(why(b, second)->held, QUEUE_HELD_BEHIND);
    assert_int_equal(why(b, second)->ahead, first);
    assert_int_equal(why(b, other)->held, QUEUE_HELD_CONCURRENCY);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_TIMEOUT, "late");
    assert_int_equal(why(b, first)->held, QUEUE_HELD_BACKOFF);
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    help_after(b, 1000);
    die(b, "no");
    assert_int_equal(why(b, first)->held, QUEUE_HELD_NONE); /* dead: it waits for nothing */
    assert_int_equal(why(b, second)->held, QUEUE_HELD_KEY_BLOCKED);
    assert_int_equal(queue_pause_flow(b->q, NULL, b->flows[0].ret_id, TL_SV("stock-taking"), &err), TL_OK);
    assert_int_equal(why(b, second)->held, QUEUE_HELD_FLOW_PAUSED);
    assert_non_null(strstr(why(b, second)->held_text, "stock-taking"));
    assert_int_equal(queue_resume_flow(b->q, NULL, b->flows[0].ret_id, &err), TL_OK);
    assert_int_equal(queue_pause_connection(b->q, NULL, b->connections[0].ret_id, TL_SV("upgrade"), &err), TL_OK);
    assert_int_equal(why(b, second)->held, QUEUE_HELD_CONNECTION_PAUSED);
    assert_int_equal(queue_resume_connection(b->q, NULL, b->connections[0].ret_id, &err), TL_OK);
    queue_set_dispatch(b->q, false);
    other = help_put(b, NULL, "c", "1");
    assert_int_equal(why(b, other)->held, QUEUE_HELD_DRAINING);
    queue_set_dispatch(b->q, true);
    b->config.n_flows = 0;
    assert_int_equal(queue_configure(b->q, NULL, &b->config, false, NULL, &err), TL_OK);
    assert_int_equal(why(b, second)->held, QUEUE_HELD_FLOW_REMOVED);
    assert_false(why(b, second)->running);
}

/* Its former reason would be shown for as long as the pause lasts, and a time to drain that is none. */
static void what_a_paused_flow_keeps_back_does_not_wait_for_its_connection(void **state)
{
    struct bench *b = *state;
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct queue_stat s;
    struct tl_err err;

    b->guard.concurrency = 1;
    help_open(b);
    (void)help_put(b, NULL, "a", "1");
    help_turn(b);
    (void)help_put(b, NULL, "b", "1");
    help_turn(b);
    assert_int_equal(queue_stats(b->q, NULL, a, &s, &err), TL_OK);
    assert_int_equal(s.connections[0].held, QUEUE_HELD_CONCURRENCY);
    assert_int_equal(s.connections[0].waiting, 1);
    assert_int_equal(queue_pause_flow(b->q, NULL, b->flows[0].ret_id, TL_SV("stock-taking"), &err), TL_OK);
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    help_turn(b);
    assert_int_equal(queue_stats(b->q, NULL, a, &s, &err), TL_OK);
    assert_int_equal(s.connections[0].held, QUEUE_HELD_NONE);
    assert_int_equal(s.connections[0].waiting, 0);
    assert_int_equal(queue_resume_flow(b->q, NULL, b->flows[0].ret_id, &err), TL_OK);
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    tl_arena_free(a);
}

/* What a night's alert says of the morning: how long it takes once the credential is good again. */
static void what_a_hold_keeps_back_has_the_time_that_it_takes_once_it_goes_on(void **state)
{
    struct bench *b = *state;
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct queue_stat s;
    struct tl_err err;

    b->guard.concurrency = 1;
    help_open(b);
    for (int i = 0; i < 4; i++)
        (void)help_put(b, NULL, i % 2 ? "a" : "b", "1");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL); /* the pace is known */
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_AUTH, "refused");
    help_turn(b);
    assert_int_equal(queue_stats(b->q, NULL, a, &s, &err), TL_OK);
    assert_int_equal(s.connections[0].held, QUEUE_HELD_CONNECTION_AUTH);
    assert_true(s.connections[0].waiting > 0);
    assert_true(s.connections[0].drain_ms != UINT64_MAX);
    assert_string_equal(s.connections[0].drain_reason, "concurrency");
    tl_arena_free(a);
}

static void is_removed(struct queue *q, bool flow, bool connection, enum queue_held held)
{
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct queue_stat s;
    struct tl_err err;

    assert_int_equal(queue_stats(q, NULL, a, &s, &err), TL_OK);
    assert_int_equal(s.flows[0].removed, flow);
    assert_int_equal(s.connections[0].removed, connection);
    assert_int_equal(s.flows[0].held, held);
    tl_arena_free(a);
}

/* The command line without a server: it opens the ledger and configures nothing. */
static struct queue *open_bare(struct bench *b)
{
    struct queue_options o = {.path = b->dir, .clock = &b->clock.base, .n_loops = 1, .manual = true};
    struct queue *q;
    struct tl_err err;

    help_close(b);
    assert_int_equal(queue_open(&o, &q, &err), TL_OK);
    queue_set_dispatch(q, false);
    return q;
}

static void without_a_server_only_what_was_removed_is_called_removed(void **state)
{
    struct bench *b = *state;
    struct queue *q;
    struct tl_err err;

    help_open(b);
    q = open_bare(b);
    is_removed(q, false, false, QUEUE_HELD_NONE);
    assert_int_equal(queue_pause_flow(q, NULL, b->flows[0].ret_id, TL_SV("by hand"), &err), TL_OK);
    queue_close(q);
    help_open(b);
    q = open_bare(b); /* the pause has not made it removed either */
    is_removed(q, false, false, QUEUE_HELD_FLOW_PAUSED);
    queue_close(q);
    b->config.n_flows = b->config.n_connections = 0;
    help_open(b);
    q = open_bare(b);
    is_removed(q, true, true, QUEUE_HELD_NONE); /* nothing of it is left that could be held */
    queue_close(q);
    b->config.n_flows = b->config.n_connections = 1;
    help_open(b);
    (void)help_put(b, NULL, "a", "1");
    help_close(b);
    b->config.n_flows = b->config.n_connections = 0;
    help_open(b);
    q = open_bare(b);
    is_removed(q, true, true, QUEUE_HELD_FLOW_REMOVED);
    queue_close(q);
    b->config.n_flows = b->config.n_connections = 1;
    help_open(b);
    q = open_bare(b);
    is_removed(q, false, false, QUEUE_HELD_FLOW_PAUSED);
    queue_close(q);
}

static double used(struct bench *b)
{
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct queue_stat s;
    struct tl_err err;
    double n;

    assert_int_equal(queue_stats(b->q, NULL, a, &s, &err), TL_OK);
    n = s.connections[0].budgets[0].used;
    tl_arena_free(a);
    return n;
}

static void a_call_that_reached_nobody_costs_nothing(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;

    b->guard.n_budgets = 1;
    b->guard.budgets[0] = (struct guard_budget){.name = "day", .kind = GUARD_ROLLING, .amount = 10, .per_ms = 86400000};
    help_open(b);
    (void)help_put(b, NULL, "a", "1");
    (void)help_put(b, NULL, "b", "1");
    help_turn(b);
    w = help_take(b);
    w->not_sent = true;
    help_finish(b, w, QUEUE_END_FAILED, TL_INVALID, "a template without a value");
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    assert_true(used(b) > 0.9 && used(b) < 1.1);
}

static void what_is_delivered_at_last_has_no_class_of_failure(void **state)
{
    struct bench *b = *state;
    struct queue_row row;
    uint64_t id;

    help_open(b);
    id = help_put(b, NULL, "a", "1");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_TIMEOUT, "late");
    assert_int_equal(why(b, id)->cls, TL_CLASS_TRANSIENT);
    help_after(b, 1000);
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    row = *why(b, id);
    assert_int_equal(row.state, QUEUE_DELIVERED);
    assert_int_equal(row.cls, TL_CLASS_NONE);
    assert_int_equal(row.rc, TL_OK);
    assert_string_equal(row.text, "");
}

static void where_no_flow_has_a_lane_a_key_finds_nothing(void **state)
{
    struct bench *b = *state;
    uint64_t id;

    help_open(b);
    id = help_put(b, NULL, "a", "1");
    help_turn(b);
    assert_int_equal(list(b, (struct queue_filter){.event = id, .key = TL_SV("a")}, NULL), 1);
    assert_int_equal(list(b, (struct queue_filter){.flow = 999, .event = id, .key = TL_SV("a")}, NULL), 0);
}

static void events_are_found_by_reason_payload_target_and_time(void **state)
{
    struct bench *b = *state;
    uint32_t none = 99;
    uint64_t ids[100], old, young;
    int64_t at;

    help_open(b);
    old = help_put(b, NULL, NULL, "{\"order\": \"A-100\"}");
    help_turn(b);
    die(b, "HTTP 429: slow down");
    tl_fake_clock_advance_ms(&b->clock, 3600000);
    at = tl_clock_wall_ms(&b->clock.base);
    young = help_put(b, NULL, NULL, "{\"order\": \"A-200\"}");
    help_turn(b);
    die(b, "HTTP 400: no such thing");
    assert_int_equal(list(b, (struct queue_filter){.error = TL_SV("http 429")}, ids), 1);
    assert_int_equal(ids[0], old);
    assert_int_equal(list(b, (struct queue_filter){.text = TL_SV("A-200")}, ids), 1);
    assert_int_equal(ids[0], young);
    assert_int_equal(list(b, (struct queue_filter){.targets = &b->targets[0].ret_id, .n_targets = 1}, ids), 2);
    assert_int_equal(list(b, (struct queue_filter){.targets = &none, .n_targets = 1}, ids), 0);
    assert_int_equal(list(b, (struct queue_filter){.from_ms = at}, ids), 1);
    assert_int_equal(ids[0], young);
    assert_int_equal(list(b, (struct queue_filter){.until_ms = at}, ids), 1);
    assert_int_equal(ids[0], old);
}

static void an_event_is_found_by_the_id_of_its_sender(void **state)
{
    struct bench *b = *state;
    struct queue_reader *r;
    struct tl_err err;
    uint64_t id, found = 0;

    help_open(b);
    id = help_put(b, "delivery-7", NULL, "x");
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_find_key(r, TL_SV("s"), TL_SV("delivery-7"), &found, &err), TL_OK);
    assert_int_equal(found, id);
    assert_int_equal(queue_find_key(r, TL_SV("s"), TL_SV("delivery-8"), &found, &err), TL_NOT_FOUND);
    queue_reader_close(r);
}

static void a_list_shows_key_status_and_latency_of_the_last_attempt(void **state)
{
    struct bench *b = *state;
    struct tl_arena *a = tl_arena_new(1 << 20);
    const struct queue_filter f = {.details = true};
    struct queue_page page;
    struct queue_reader *r;
    struct queue_work *w;
    struct tl_err err;

    help_open(b);
    (void)help_put(b, NULL, "anna", "1");
    help_turn(b);
    w = help_take(b);
    w->claims[0].outcome =
        (struct queue_outcome){.end = QUEUE_END_FAILED, .rc = TL_UPSTREAM, .status = 503, .text = TL_SV("busy")};
    w->latency_ms = 12;
    queue_finish(b->q, w);
    help_turn(b);
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_list(r, a, &f, 0, 10, &page, &err), TL_OK);
    assert_int_equal(page.rows[0].status, 503);
    assert_int_equal(page.rows[0].latency_ms, 12);
    assert_true(tl_sv_eqs(page.rows[0].key, "anna"));
    queue_reader_close(r);
    tl_arena_free(a);
}

#define FLOWS 700
static void however_many_flows_there_are_what_waits_in_the_last_one_is_listed(void **state)
{
    static struct queue_flow_def flows[FLOWS];
    static char names[FLOWS][8];
    struct bench *b = *state;
    struct tl_err err;
    uint64_t ids[100];
    struct queue_put put = {.source = TL_SV("s"), .order_by = TL_SV("anna"), .meta = TL_SV("{}"), .body = TL_SV("1")};

    for (unsigned i = 0; i < FLOWS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "f%u", i);
        flows[i] = b->flows[0];
        flows[i].name = tl_sv_str(names[i]);
    }
    b->config.flows = flows;
    b->config.n_flows = FLOWS;
    help_open(b);
    put.flow = flows[FLOWS - 1].ret_id;
    for (int i = 0; i < 2; i++)
        assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_OK);
    help_turn(b);
    assert_int_equal(list(b, (struct queue_filter){.key = TL_SV("anna")}, ids), 2);
    assert_int_equal(list(b, (struct queue_filter){.state = QUEUE_QUEUED}, ids), 2);
    assert_int_equal(why(b, ids[0])->ahead, ids[1]);
    die(b, "no");
    assert_int_equal(list(b, (struct queue_filter){.state = QUEUE_DEAD}, ids), 1);
}

static void bulk_actions_refuse_filters_that_lists_alone_know(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_REPLAY, .filter = {.text = TL_SV("x")}};
    struct queue_reader *r;
    struct tl_err err;
    uint64_t job;

    help_open(b);
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_plan(r, &plan, &err), TL_UNSUPPORTED);
    assert_int_equal(queue_job_start(b->q, NULL, &plan, &job, &err), TL_UNSUPPORTED);
    queue_reader_close(r);
}

static void put_many(struct bench *b, size_t n)
{
    struct queue_put *puts = tl_zalloc(n * sizeof *puts);
    struct queue_emit emit = {.puts = puts, .n = n};
    struct tl_err err;

    for (size_t i = 0; i < n; i++)
        puts[i] = (struct queue_put){.flow = b->flows[0].ret_id, .source = TL_SV("s"), .meta = TL_SV("{}")};
    assert_int_equal(queue_emit(b->q, NULL, &emit, &err), TL_OK);
    tl_free(puts);
}

static void who_watches_is_told_the_ids_of_what_changed_and_how_many_were_missed(void **state)
{
    struct bench *b = *state;
    struct queue_change ids[64];
    uint64_t cursor = 0, late = 1, missed, id;
    size_t n = 0;

    help_open(b);
    queue_watch(b->q, true);
    assert_int_equal(queue_changes(b->q, &cursor, ids, 64, &missed), 0);
    id = help_put(b, NULL, NULL, "1");
    help_turn(b);
    assert_int_equal(queue_changes(b->q, &cursor, ids, 64, &missed), 1);
    assert_int_equal(ids[0].id, id);
    assert_int_equal(ids[0].state, QUEUE_QUEUED);
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(queue_changes(b->q, &cursor, ids, 64, &missed), 1);
    assert_int_equal(ids[0].id, id);
    assert_int_equal(ids[0].state, QUEUE_DELIVERED);
    assert_int_equal(ids[0].flow, b->flows[0].ret_id);
    assert_int_equal(missed, 0);
    for (int i = 0; i < 20; i++)
        put_many(b, 1000);
    do {
        n += queue_changes(b->q, &late, ids, 64, &missed);
        assert_true(n <= 64 || missed == 0);
    } while (late < 20003);
    assert_int_equal(n, 16384);
    queue_watch(b->q, false);
    (void)help_put(b, NULL, NULL, "unwatched");
    assert_int_equal(queue_changes(b->q, &cursor, ids, 1, &missed), 1);
    assert_true(missed > 0);
}

static void groups(struct bench *b, struct queue_group *ret, size_t *ret_n, struct tl_arena *a)
{
    struct queue_reader *r;
    struct queue_group *g;
    size_t more;
    struct tl_err err;

    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_dead_groups(r, a, &(struct queue_group_query){.limit = 10}, &g, ret_n, &more, &err), TL_OK);
    assert_int_equal(more, 0);
    for (size_t i = 0; i < *ret_n; i++)
        ret[i] = g[i];
    queue_reader_close(r);
}

static void a_small_cause_is_found_by_what_people_said_of_it_and_those_left_out_are_counted(void **state)
{
    struct bench *b = *state;
    struct tl_arena *a = tl_arena_new(1 << 20);
    const enum queue_group_state open = QUEUE_GROUP_OPEN, seen = QUEUE_GROUP_ACKNOWLEDGED;
    struct queue_group g[10], *found;
    struct queue_mark mark = {.state = seen, .by = TL_SV("me")};
    struct queue_reader *r;
    struct tl_err err;
    size_t n, more;

    help_open(b);
    for (int i = 0; i < 4; i++) {
        (void)help_put(b, NULL, NULL, "x");
        help_turn(b);
        die(b, i < 2 ? "field 'a' is missing" : i == 2 ? "field 'a' is too long" : "no field 'b'");
    }
    groups(b, g, &n, a);
    assert_int_equal(n, 3);
    mark.flow = g[2].flow;
    mark.fingerprint = g[2].fingerprint;
    assert_int_equal(queue_mark_group(b->q, NULL, &mark, &err), TL_OK);
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(
        queue_dead_groups(r, a, &(struct queue_group_query){.state = &seen, .limit = 1}, &found, &n, &more, &err),
        TL_OK);
    assert_true(n == 1 && more == 0 && found[0].fingerprint == mark.fingerprint);
    assert_int_equal(
        queue_dead_groups(r, a, &(struct queue_group_query){.state = &open, .limit = 1}, &found, &n, &more, &err),
        TL_OK);
    assert_true(n == 1 && more == 1 && found[0].fingerprint == g[0].fingerprint);
    assert_int_equal(queue_dead_groups(r, a, &(struct queue_group_query){.limit = 1}, &found, &n, &more, &err), TL_OK);
    assert_true(n == 1 && more == 2 && found[0].count == 2);
    queue_reader_close(r);
    tl_arena_free(a);
}

static void a_cause_of_death_is_marked_and_opens_again_when_one_more_dies_of_it(void **state)
{
    struct bench *b = *state;
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct queue_group g[10];
    struct queue_mark mark = {
        .state = QUEUE_GROUP_RESOLVED, .owner = TL_SV("erp"), .note = TL_SV("fixed"), .by = TL_SV("me")};
    struct tl_err err;
    size_t n;

    help_open(b);
    for (int i = 0; i < 3; i++) {
        (void)help_put(b, NULL, NULL, "x");
        help_turn(b);
        die(b, i < 2 ? "field 'a' is missing" : "field 'a' is too long");
    }
    groups(b, g, &n, a);
    assert_int_equal(n, 2);
    assert_int_equal(g[0].count, 2);
    assert_int_equal(g[1].count, 1);
    assert_int_equal(g[0].state, QUEUE_GROUP_OPEN);
    assert_false(g[0].more);
    mark.flow = g[0].flow;
    mark.fingerprint = g[0].fingerprint;
    tl_fake_clock_advance_ms(&b->clock, 1000);
    assert_int_equal(queue_mark_group(b->q, NULL, &mark, &err), TL_OK);
    groups(b, g, &n, a);
    assert_int_equal(g[0].state, QUEUE_GROUP_RESOLVED);
    assert_true(tl_sv_eqs(g[0].owner, "erp") && tl_sv_eqs(g[0].note, "fixed") && tl_sv_eqs(g[0].by, "me"));
    assert_int_equal(g[1].state, QUEUE_GROUP_OPEN);
    tl_fake_clock_advance_ms(&b->clock, 1000);
    (void)help_put(b, NULL, NULL, "x");
    help_turn(b);
    die(b, "field 'b' is missing");
    groups(b, g, &n, a);
    assert_int_equal(g[0].count, 3);
    assert_int_equal(g[0].state, QUEUE_GROUP_OPEN);
    assert_true(g[0].again);
    tl_arena_free(a);
}

static void note(struct bench *b, const char *action, const char *reason)
{
    struct queue_audit e = {.who = TL_SV("anna"),
                            .role = TL_SV("operator"),
                            .action = tl_sv_str(action),
                            .subject = TL_SV("flow f"),
                            .reason = tl_sv_str(reason)};
    struct tl_err err;

    assert_int_equal(queue_audit(b->q, NULL, &e, &err), TL_OK);
}

static uint64_t first_bad(struct bench *b, uint64_t *ret_n)
{
    struct queue_reader *r;
    struct queue_audit last;
    struct tl_err err;
    uint64_t bad;

    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_audit_verify(r, ret_n, &bad, &last, &err), TL_OK);
    queue_reader_close(r);
    return bad;
}

static void sql(struct bench *b, const char *text)
{
    char path[128];
    sqlite3 *db;

    (void)snprintf(path, sizeof path, "%s/ledger.db", b->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
}

static void what_people_did_is_listed_newest_first_and_outlives_a_restart(void **state)
{
    struct bench *b = *state;
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct queue_reader *r;
    struct queue_audit *e;
    struct tl_err err;
    uint64_t all;
    size_t n;

    help_open(b);
    note(b, "pause", "maintenance");
    help_close(b);
    help_open(b);
    note(b, "resume", "done");
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_audit_list(r, a, 0, 10, &e, &n, &err), TL_OK);
    assert_int_equal(n, 2);
    assert_true(tl_sv_eqs(e[0].action, "resume") && tl_sv_eqs(e[1].reason, "maintenance"));
    assert_int_equal(queue_audit_list(r, a, e[0].id, 10, &e, &n, &err), TL_OK);
    assert_int_equal(n, 1);
    queue_reader_close(r);
    assert_int_equal(first_bad(b, &all), 0);
    assert_int_equal(all, 2);
    tl_arena_free(a);
}

static void a_change_in_what_people_did_shows(void **state)
{
    static const char *const crimes[] = {
        "UPDATE audit SET reason='nothing' WHERE id=2",
        "UPDATE audit SET who='bert' WHERE id=2",
        "DELETE FROM audit WHERE id=2",
        "UPDATE audit SET at=at+1 WHERE id=2",
        "UPDATE audit SET action='paus', subject='eflow f' WHERE id=2",
    };
    struct bench *b = *state;
    uint64_t n;

    help_open(b);
    for (int i = 0; i < 3; i++)
        note(b, "pause", "maintenance");
    for (size_t i = 0; i < TL_COUNT(crimes); i++) {
        sql(b, "CREATE TABLE kept AS SELECT * FROM audit");
        sql(b, crimes[i]);
        assert_in_range(first_bad(b, &n), 2, 3);
        sql(b, "DELETE FROM audit; INSERT INTO audit SELECT * FROM kept; DROP TABLE kept");
        assert_int_equal(first_bad(b, &n), 0);
    }
}

static void a_job_remembers_who_wanted_it_and_why(void **state)
{
    struct bench *b = *state;
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct queue_plan plan = {
        .action = QUEUE_REPLAY, .filter = {.state = QUEUE_DEAD}, .by = TL_SV("anna"), .reason = TL_SV("mended")};
    struct queue_job_row *rows;
    struct queue_reader *r;
    struct tl_err err;
    size_t n;

    help_open(b);
    (void)help_put(b, NULL, NULL, "x");
    help_turn(b);
    die(b, "no");
    (void)help_job(b, &plan);
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_jobs(r, a, 0, 10, &rows, &n, &err), TL_OK);
    assert_int_equal(n, 1);
    assert_true(tl_sv_eqs(rows[0].plan.by, "anna") && tl_sv_eqs(rows[0].plan.reason, "mended"));
    assert_int_equal(rows[0].plan.filter.state, QUEUE_DEAD);
    assert_true(rows[0].job.ended && rows[0].job.done == 1);
    queue_reader_close(r);
    tl_arena_free(a);
}

/* An edit may leave nothing: that is a body of its own, and not the original one. */
static void an_edit_is_shown_beside_the_original_even_when_it_is_empty(void **state)
{
    static const struct tl_sv edits[] = {{"shorter", 7}, {"", 0}};
    struct bench *b = *state;
    struct tl_arena *a = tl_arena_new(8 << 20);
    struct queue_reader *r;
    struct queue_detail d;
    struct tl_err err;
    uint64_t id;

    help_open(b);
    id = help_put(b, "k", "a", "the original");
    help_turn(b);
    die(b, "no");
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    for (size_t i = 0; i < TL_COUNT(edits); i++) {
        struct tl_buf body;

        tl_buf_init(&body, 1000);
        assert_int_equal(queue_edit(b->q, NULL, id, edits[i], TL_SV("me"), NULL, &err), TL_OK);
        assert_int_equal(queue_show(r, a, id, 5, &d, &err), TL_OK);
        assert_true(tl_sv_eqs(d.original_body, "the o"));
        assert_true(d.body.p && tl_sv_eq(d.body, tl_sv(edits[i].p, edits[i].n < 5 ? edits[i].n : 5)));
        assert_true(tl_sv_eqs(d.order_by, "a"));
        assert_int_equal(queue_read_body(r, id, false, &body, &err), TL_OK);
        assert_true(tl_sv_eq(tl_buf_view(&body), edits[i]));
        tl_buf_clear(&body);
        assert_int_equal(queue_read_body(r, id, true, &body, &err), TL_OK);
        assert_true(tl_sv_eqs(tl_buf_view(&body), "the original"));
        tl_buf_done(&body);
    }
    queue_reader_close(r);
    tl_arena_free(a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
static void refuse(struct bench *b, struct queue_work *w, const char *text, uint32_t retry_after_ms)
{
    w->claims[0].outcome = (struct queue_outcome){
        .end = QUEUE_END_FAILED, .rc = TL_AUTH, .text = tl_sv_str(text), .retry_after_ms = retry_after_ms};
    queue_finish(b->q, w);
    help_turn(b);
}

/* Those that were about to call when the first one was refused come back later, and know only that it is paused. */
static void a_connection_is_held_with_the_words_of_who_was_refused(void **state)
{
    struct bench *b = *state;
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct queue_work *w[3];
    struct queue_stat s;
    struct tl_err err;

    b->guard.concurrency = 3;
    help_open(b);
    for (unsigned i = 0; i < 3; i++)
        (void)help_put(b, NULL, (const char *[]){"a", "b", "c"}[i], "1");
    help_turn(b);
    for (unsigned i = 0; i < 3; i++)
        w[i] = help_take(b);
    refuse(b, w[0], "c is paused: 401", 60000);
    refuse(b, w[1], "HTTP 401: INVALID_LOGIN", 0);
    refuse(b, w[2], "c is paused: 401", 60000);
    assert_int_equal(queue_stats(b->q, NULL, a, &s, &err), TL_OK);
    assert_int_equal(s.connections[0].held, QUEUE_HELD_CONNECTION_AUTH);
    assert_string_equal(s.connections[0].held_text, "HTTP 401: INVALID_LOGIN");
    tl_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whatever_waits_says_why),
        TEST(what_a_paused_flow_keeps_back_does_not_wait_for_its_connection),
        TEST(a_connection_is_held_with_the_words_of_who_was_refused),
        TEST(what_a_hold_keeps_back_has_the_time_that_it_takes_once_it_goes_on),
        TEST(without_a_server_only_what_was_removed_is_called_removed),
        TEST(a_call_that_reached_nobody_costs_nothing),
        TEST(what_is_delivered_at_last_has_no_class_of_failure),
        TEST(events_are_found_by_their_ordering_key_in_any_state),
        TEST(where_no_flow_has_a_lane_a_key_finds_nothing),
        TEST(events_are_found_by_reason_payload_target_and_time),
        TEST(an_event_is_found_by_the_id_of_its_sender),
        TEST(a_list_shows_key_status_and_latency_of_the_last_attempt),
        TEST(however_many_flows_there_are_what_waits_in_the_last_one_is_listed),
        TEST(an_edit_is_shown_beside_the_original_even_when_it_is_empty),
        TEST(bulk_actions_refuse_filters_that_lists_alone_know),
        TEST(who_watches_is_told_the_ids_of_what_changed_and_how_many_were_missed),
        TEST(a_cause_of_death_is_marked_and_opens_again_when_one_more_dies_of_it),
        TEST(a_small_cause_is_found_by_what_people_said_of_it_and_those_left_out_are_counted),
        TEST(what_people_did_is_listed_newest_first_and_outlives_a_restart),
        TEST(a_change_in_what_people_did_shows),
        TEST(a_job_remembers_who_wanted_it_and_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
