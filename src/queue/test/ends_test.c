/* SPDX-License-Identifier: Apache-2.0 */
/* How events end of which nothing was delivered: what they are called, whether they can come again, who is told. */
#include "help.h"

#include "queue/queue_int.h"

static void two_targets(struct bench *b)
{
    b->flows[0].expand = true;
    b->targets[1] = b->targets[0];
    b->targets[1].name = TL_SV("u");
    b->flows[0].n_targets = 2;
    help_open(b);
}

/* An event with n deliveries, which are handed out. */
static uint64_t expand(struct bench *b, const char *key, size_t n)
{
    struct queue_delivery_def defs[2] = {{.target = b->targets[0].ret_id}, {.target = b->targets[1].ret_id}};
    struct queue_work *w;
    struct tl_err err;
    uint64_t id = help_put(b, key, NULL, "x");

    help_turn(b);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->kind, QUEUE_WORK_EXPAND);
    assert_int_equal(queue_expand(b->q, NULL, w, defs, n, TL_SV("filtered"), &err), TL_OK);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    return id;
}

static enum queue_state state_of(struct bench *b, uint64_t id)
{
    struct queue_row row;

    help_row(b, id, &row);
    return row.state;
}

static struct queue_job act(struct bench *b, enum queue_action action, uint64_t id)
{
    struct queue_plan plan = {.action = action, .filter = {.ids = &id, .n_ids = 1}};

    return help_job(b, &plan);
}

static bool is_duplicate(struct bench *b, const char *key)
{
    struct queue_put put = {.flow = b->flows[0].ret_id,
                            .source = TL_SV("s"),
                            .key = tl_sv_str(key),
                            .meta = TL_SV("{}"),
                            .body = TL_SV("x")};
    struct tl_err err;

    assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_OK);
    return put.ret_duplicate;
}

/* ---- what it is called ---- */
static void an_event_is_cancelled_or_discarded_when_all_its_deliveries_are(void **state)
{
    struct bench *b = *state;
    struct queue_work *w, *v;
    uint64_t id;

    two_targets(b);
    id = expand(b, NULL, 2);
    w = help_take(b);
    v = help_take(b);
    assert_int_equal(act(b, QUEUE_CANCEL, w->claims[0].delivery).done, 1);
    assert_int_equal(state_of(b, id), QUEUE_QUEUED);
    assert_int_equal(act(b, QUEUE_CANCEL, v->claims[0].delivery).done, 1);
    assert_int_equal(state_of(b, id), QUEUE_CANCELLED);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL); /* too late */
    help_finish(b, v, QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(state_of(b, id), QUEUE_CANCELLED);

    id = expand(b, NULL, 2);
    for (int i = 0; i < 2; i++) {
        uint64_t child;

        w = help_take(b);
        child = w->claims[0].delivery;
        help_finish(b, w, QUEUE_END_FAILED, TL_INVALID, "no");
        assert_int_equal(act(b, QUEUE_DISCARD, child).done, 1);
    }
    assert_int_equal(state_of(b, id), QUEUE_DISCARDED);
}

static void an_event_is_skipped_when_its_deliveries_are_and_delivered_when_one_was(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t id;

    two_targets(b);
    id = expand(b, NULL, 2);
    help_finish(b, help_take(b), QUEUE_END_SKIP, TL_OK, "filtered");
    w = help_take(b);
    assert_int_equal(act(b, QUEUE_CANCEL, w->claims[0].delivery).done, 1);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(state_of(b, id), QUEUE_SKIPPED);

    id = expand(b, NULL, 2);
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    w = help_take(b);
    assert_int_equal(act(b, QUEUE_CANCEL, w->claims[0].delivery).done, 1);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(state_of(b, id), QUEUE_DELIVERED);
}

static void exec(struct bench *b, const char *sql)
{
    char *path = tl_sprintf("%s/ledger.db", b->dir);
    struct store_options o = {.path = path,
                              .application_id = QUEUE_APPLICATION_ID,
                              .migrations = queue__migrations,
                              .n_migrations = queue__n_migrations};
    struct store *db = NULL;
    struct tl_err err;

    if (store_open(&o, &db, &err) != TL_OK || store_exec(db, sql, &err) != TL_OK)
        fail_msg("%s: %s", sql, err.text);
    store_close(db);
    tl_free(path);
}

static void events_that_an_older_version_called_delivered_get_their_name(void **state)
{
    struct bench *b = *state;
    uint64_t id, good;

    two_targets(b);
    good = expand(b, NULL, 2);
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    id = expand(b, NULL, 2);
    for (int i = 0; i < 2; i++) {
        struct queue_work *w = help_take(b);

        assert_int_equal(act(b, QUEUE_CANCEL, w->claims[0].delivery).done, 1);
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    }
    help_close(b);
    exec(b, "UPDATE unit SET state=5 WHERE kind=2;" /* as version 6 left it */
            "ALTER TABLE target DROP COLUMN meant;"
            "ALTER TABLE target DROP COLUMN identity;"
            "ALTER TABLE job DROP COLUMN to_target;"
            "PRAGMA user_version=8;");
    help_open(b);
    assert_int_equal(state_of(b, id), QUEUE_CANCELLED);
    assert_int_equal(state_of(b, good), QUEUE_DELIVERED);
}

/* ---- its key ---- */
static void the_key_of_an_event_is_free_again_when_its_last_delivery_is_cancelled(void **state)
{
    struct bench *b = *state;
    struct queue_work *w, *v;

    two_targets(b);
    (void)expand(b, "order-1", 2);
    w = help_take(b);
    v = help_take(b);
    assert_int_equal(act(b, QUEUE_CANCEL, w->claims[0].delivery).done, 1);
    assert_true(is_duplicate(b, "order-1"));
    assert_int_equal(act(b, QUEUE_CANCEL, v->claims[0].delivery).done, 1);
    assert_false(is_duplicate(b, "order-1"));
    assert_true(is_duplicate(b, "order-1"));
}

static void the_key_stays_when_one_of_the_deliveries_was_made(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;

    two_targets(b);
    (void)expand(b, "order-1", 2);
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    w = help_take(b);
    assert_int_equal(act(b, QUEUE_CANCEL, w->claims[0].delivery).done, 1);
    assert_true(is_duplicate(b, "order-1"));
}

/* ---- coming again ---- */
static void an_event_that_was_filtered_can_be_replayed_and_runs_its_steps_again(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_REPLAY, .filter = {.state = QUEUE_SKIPPED}};
    struct queue_work *w;
    uint64_t id, other;

    two_targets(b);
    id = expand(b, NULL, 0);
    other = expand(b, NULL, 1); /* is treated by its delivery */
    help_finish(b, help_take(b), QUEUE_END_SKIP, TL_OK, "filtered");
    assert_int_equal(state_of(b, id), QUEUE_SKIPPED);
    assert_int_equal(state_of(b, other), QUEUE_SKIPPED);
    assert_int_equal(help_job(b, &plan).done, 2);
    assert_int_equal(plan.matching, 2);
    assert_int_equal(plan.final, 2);
    assert_int_equal(b->n_works, 2);
    for (bool steps = false, delivery = false; (w = help_take(b)) != NULL;) {
        steps = steps || (w->kind == QUEUE_WORK_EXPAND && w->claims[0].replay_of == id);
        delivery = delivery || (w->kind == QUEUE_WORK_DELIVER && w->claims[0].event == other);
        assert_true(b->n_works > 0 || (steps && delivery));
    }
    assert_int_equal(act(b, QUEUE_REPLAY, id).done, 1);
}

/* ---- dead at the door ---- */
static void put_dead(struct bench *b, const char *text)
{
    struct tl_err dead, err;
    struct queue_put put = {.flow = b->flows[0].ret_id, .meta = TL_SV("{}"), .body = TL_SV("{"), .dead = &dead};

    (void)tl_fail(&dead, TL_PARSE, "%s", text);
    assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_OK);
}

static void bodies_that_are_dead_when_they_come_are_told_once_a_cause_and_when_they_are_many(void **state)
{
    struct bench *b = *state;

    help_open(b);
    b->notices = 0;
    put_dead(b, "not JSON: line 1");
    assert_int_equal(b->notices, 1);
    assert_string_equal(b->last_notice, "dead_at_the_door");
    for (int i = 2; i < 10; i++)
        put_dead(b, "not JSON: line 1");
    assert_int_equal(b->notices, 1);
    put_dead(b, "no text: byte 7");
    assert_int_equal(b->notices, 2);
    put_dead(b, "not JSON: line 1");
    assert_int_equal(b->notices, 3); /* the tenth */
    for (int i = 0; i < 10; i++)
        put_dead(b, "no text: byte 7");
    assert_int_equal(b->notices, 4);
    assert_int_equal(help_count(b, QUEUE_DEAD), 21);
}

/* ---- what batches had in common ---- */
static int64_t calls_kept(struct bench *b)
{
    struct store_stmt *st = NULL;
    struct store_val v;
    bool row = false;
    struct tl_err err;

    assert_int_equal(store_prepare(b->q->db, "SELECT count(*) FROM call", &st, &err), TL_OK);
    assert_int_equal(store_one(st, NULL, 0, &v, 1, &row, &err), TL_OK);
    store_stmt_free(st);
    return v.i;
}

static void batch(struct bench *b)
{
    queue_set_dispatch(b->q, false);
    (void)help_put(b, NULL, NULL, "1");
    (void)help_put(b, NULL, NULL, "2");
    queue_set_dispatch(b->q, true);
    help_after(b, 21);
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
}

static void the_rows_of_old_calls_are_swept_with_the_events_of_their_age(void **state)
{
    struct bench *b = *state;

    b->targets[0].batch_count = 2;
    b->keep_final_ms = 60000;
    help_open(b);
    batch(b);
    assert_int_equal(calls_kept(b), 1);
    help_after(b, 600000 - 2000);
    batch(b);
    help_after(b, 3000);
    help_after(b, 1);
    assert_int_equal(calls_kept(b), 1); /* the younger one */
    help_after(b, 700000);
    assert_int_equal(calls_kept(b), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_event_is_cancelled_or_discarded_when_all_its_deliveries_are),
        T(an_event_is_skipped_when_its_deliveries_are_and_delivered_when_one_was),
        T(events_that_an_older_version_called_delivered_get_their_name),
        T(the_key_of_an_event_is_free_again_when_its_last_delivery_is_cancelled),
        T(the_key_stays_when_one_of_the_deliveries_was_made),
        T(an_event_that_was_filtered_can_be_replayed_and_runs_its_steps_again),
        T(bodies_that_are_dead_when_they_come_are_told_once_a_cause_and_when_they_are_many),
        T(the_rows_of_old_calls_are_swept_with_the_events_of_their_age),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
