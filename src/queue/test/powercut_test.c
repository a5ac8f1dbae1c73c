/* SPDX-License-Identifier: Apache-2.0 */
/* Acknowledged means on disk: power cuts at any write or sync, failed syncs, a full disk. */
#include "help.h"

#include <stdio.h>
#include <stdlib.h>

#include "powercut_vfs.h"
#include "queue/queue_int.h"

#define CUTS 200
#define PUTS 24

static int setup(void **state)
{
    struct bench *b = tl_zalloc(sizeof(*b));

    powercut_register();
    help_init(b);
    b->vfs = POWERCUT_VFS;
    b->key_generation = b->line_generation = 8; /* they move all the time */
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    powercut_on(0);
    help_done(b);
    powercut_forget();
    tl_free(b);
    return 0;
}

static enum tl_rc try_put(struct bench *b, const char *key, uint64_t *ret_id, bool *ret_duplicate)
{
    struct queue_put put = {.flow = b->flows[0].ret_id,
                            .source = TL_SV("s"),
                            .key = tl_sv_str(key),
                            .order_by = TL_SV("lane"),
                            .meta = TL_SV("{}"),
                            .body = tl_sv_str(key)};
    struct tl_err err;
    enum tl_rc rc = queue_put(b->q, NULL, &put, &err);

    *ret_id = put.ret_event;
    *ret_duplicate = put.ret_duplicate;
    return rc;
}

struct acked {
    uint64_t id[CUTS * PUTS];
    int key[CUTS * PUTS];
    size_t n;
    bool delivered[CUTS * PUTS]; /* by key: a put that was acknowledged later vouches for its end */
};

static void load(struct bench *b, struct acked *a, int round)
{
    int ended = -1;
    char key[32];
    bool dup;

    for (int i = 0; i < PUTS && !powercut_is_off(); i++) {
        struct queue_work *w;
        uint64_t id;

        (void)snprintf(key, sizeof(key), "k%d", round * PUTS + i);
        if (try_put(b, key, &id, &dup) == TL_OK) {
            a->id[a->n] = id;
            a->key[a->n++] = round * PUTS + i;
            if (ended >= 0)
                a->delivered[ended] = true;
            ended = -1;
        }
        if (i % 3 == 0 && (w = help_take(b)) != NULL) {
            ended = atoi(w->claims[0].body.p + 1);
            w->claims[0].outcome.end = QUEUE_END_DONE;
            queue_finish(b->q, w);
        }
        (void)queue_turn(b->q);
    }
}

/* The event itself: the key that it came with is in another table. */
static void look(struct bench *b, uint64_t id, const char *body, struct row *ret_row)
{
    struct queue_blob *blob = NULL;
    char all[48];

    assert_true(queue__unit(b->q, id, ret_row));
    assert_int_equal(ret_row->event, id);
    assert_int_equal(ret_row->bytes, strlen(body));
    assert_true(queue__load_blob(b->q, ret_row, &blob));
    assert_non_null(blob);
    (void)snprintf(all, sizeof(all), "{}%slane", body); /* meta, body, what it is ordered by */
    assert_int_equal(blob->meta_n + blob->body_n + blob->order_n, strlen(all));
    assert_memory_equal(blob->bytes, all, strlen(all));
    queue__blob_unref(blob);
}

/* Out at three crashes in a row without a word from the target: as promised, and dead of nothing else. */
static bool died_of_crashes(const struct row *row)
{
    return row->state == QUEUE_DEAD && row->unknown >= 3;
}

static void check(struct bench *b, const struct acked *a, size_t from)
{
    char key[32];

    for (size_t i = from; i < a->n; i++) {
        struct row row;
        uint64_t id = 0;
        bool dup = false;

        (void)snprintf(key, sizeof(key), "k%d", a->key[i]);
        assert_int_equal(try_put(b, key, &id, &dup), TL_OK);
        assert_true(dup);
        assert_int_equal(id, a->id[i]);
        look(b, id, key, &row);
        if (a->delivered[a->key[i]] || row.state == QUEUE_DELIVERED)
            assert_int_equal(row.state, QUEUE_DELIVERED);
        else
            assert_true(row.state == QUEUE_QUEUED || died_of_crashes(&row));
    }
}

static void after_200_power_cuts_every_acknowledged_event_is_there(void **state)
{
    struct bench *b = *state;
    struct acked *a = tl_zalloc(sizeof(*a));
    int off = 0;
    size_t before = 0;

    for (int round = 0; round < CUTS; round++) {
        help_open(b);
        check(b, a, before);
        before = a->n;
        powercut_at(3 + (uint64_t)(round * 7919) % 45);
        load(b, a, round);
        off += powercut_is_off();
        if (!powercut_is_off())
            powercut_at(1);
        help_close(b);
        powercut_on(round % 2 ? (uint64_t)round : 0);
    }
    help_open(b);
    check(b, a, 0);
    assert_int_equal(off, CUTS);
    assert_true(a->n > CUTS);
    print_message("%zu acknowledged events, %d cuts under load\n", a->n, off);
    tl_free(a);
}

/* A new key of the operator's at each third start, and rows on their way under it when the power goes. */
static void after_power_cuts_between_keys_every_event_is_there_and_opens(void **state)
{
    struct bench *b = *state;
    struct acked *a = tl_zalloc(sizeof(*a));
    size_t opened = 0;

    for (int round = 0; round < CUTS / 3; round++) {
        struct queue_rekey r = {0};
        struct tl_err err;

        if (round % 3 == 0) {
            b->keys[1] = b->keys[0];
            b->keys[0] = (struct crypto_seal_key){.id = 1000u + (uint32_t)round};
            memset(b->keys[0].key, round + 1, sizeof(b->keys[0].key));
            b->n_keys = round ? 2 : 1;
        }
        help_open(b);
        check(b, a, 0);
        for (struct queue_work *w = b->first; w; w = w->next) {
            assert_false(w->claims[0].unreadable);
            opened += w->claims[0].body.n > 0;
        }
        powercut_at(3 + (uint64_t)(round * 7919) % 90);
        for (int i = 0; i < 10 && !powercut_is_off() && !r.done; i++)
            if (queue_rekey(b->q, NULL, &r, &err) != TL_OK)
                break;
        load(b, a, round);
        if (!powercut_is_off())
            powercut_at(1);
        help_close(b);
        powercut_on(round % 2 ? (uint64_t)round : 0);
    }
    b->n_keys = 1; /* the older ones are needed no longer */
    help_open(b);
    check(b, a, 0);
    assert_true(a->n > CUTS / 3);
    assert_true(opened > 20);
    tl_free(a);
}

static void after_a_failed_sync_nothing_more_is_acknowledged(void **state)
{
    struct bench *b = *state;
    uint64_t id[3] = {0};
    bool dup;

    help_open(b);
    assert_int_equal(try_put(b, "before", &id[0], &dup), TL_OK);
    powercut_fail_sync(1);
    assert_int_not_equal(try_put(b, "at", &id[1], &dup), TL_OK);
    assert_int_equal(b->fatals, 1);
    for (int i = 0; i < 5; i++)
        assert_int_equal(try_put(b, "after", &id[2], &dup), TL_IO);
    assert_int_equal(b->fatals, 1);
    help_close(b);
    powercut_on(0);
    help_open(b);
    assert_int_equal(try_put(b, "before", &id[1], &dup), TL_OK);
    assert_true(dup);
    assert_int_equal(id[0], id[1]);
    assert_int_equal(try_put(b, "after", &id[1], &dup), TL_OK);
    assert_false(dup);
}

/* Also a check of the power cut itself: it must take away what was not synced. */
static void what_is_acknowledged_survives_a_power_cut_unless_syncs_are_switched_off(void **state)
{
    struct bench *b = *state;

    for (int off = 0; off < 2; off++) {
        uint64_t id = 0;
        bool dup;

        b->no_sync = false;
        help_open(b);
        assert_int_equal(try_put(b, off ? "c" : "a", &id, &dup), TL_OK);
        help_close(b);
        b->no_sync = off;
        help_open(b);
        assert_int_equal(try_put(b, off ? "d" : "b", &id, &dup), TL_OK);
        powercut_at(1);
        help_close(b);
        powercut_on(0);
        b->no_sync = false;
        help_open(b);
        assert_int_equal(try_put(b, off ? "c" : "a", &id, &dup), TL_OK);
        assert_true(dup);
        assert_int_equal(try_put(b, off ? "d" : "b", &id, &dup), TL_OK);
        assert_int_equal(dup, !off);
        help_close(b);
    }
}

static void a_failed_write_is_as_grave_as_a_failed_sync(void **state)
{
    struct bench *b = *state;
    uint64_t id;
    bool dup;

    help_open(b);
    powercut_fail_write(1);
    assert_int_not_equal(try_put(b, "at", &id, &dup), TL_OK);
    assert_int_equal(b->fatals, 1);
    assert_int_equal(try_put(b, "after", &id, &dup), TL_IO);
}

/* Whatever the connection waited for last: nothing starts, and nobody knows until when. */
static void is_held_by_the_disk(struct bench *b)
{
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct queue_stat s;

    assert_int_equal(queue_stats(b->q, NULL, a, &s, NULL), TL_OK);
    assert_int_equal(s.flows[0].held, QUEUE_HELD_DISK);
    assert_int_equal(s.connections[0].held, QUEUE_HELD_DISK);
    assert_int_equal(s.connections[0].held_since_ms, 0);
    assert_true(s.connections[0].drain_ms == UINT64_MAX);
    assert_string_equal(s.connections[0].drain_reason, "disk");
    tl_arena_free(a);
}

static void on_a_full_disk_puts_are_refused_and_outcomes_are_kept_until_there_is_space(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t id, first;
    bool dup;

    b->targets[0].idempotent = false;
    b->guard.concurrency = 1;
    help_open(b);
    assert_int_equal(try_put(b, "a", &first, &dup), TL_OK);
    assert_int_equal(try_put(b, "b", &id, &dup), TL_OK);
    (void)help_put(b, NULL, "another lane", "1");
    help_turn(b);
    w = help_take(b);
    assert_non_null(w);
    powercut_full(1);
    w->claims[0].outcome.end = QUEUE_END_DONE;
    queue_finish(b->q, w);
    help_turn(b);
    assert_int_equal(try_put(b, "c", &id, &dup), TL_FULL);
    help_after(b, 10000);
    assert_null(help_take(b)); /* the next of the lane does not start before the outcome is on disk */
    assert_int_equal(b->fatals, 0);
    is_held_by_the_disk(b);
    powercut_full(0);
    help_after(b, 1000);
    w = help_take(b);
    assert_non_null(w);
    assert_true(w->claims[0].event > first);
    assert_int_equal(try_put(b, "c", &id, &dup), TL_OK);
    assert_false(dup);
}

/* ---- a target that recognises each delivery by its key ---- */
struct receiver {
    uint64_t seen[CUTS * PUTS]; /* in the order in which they came first */
    char key[CUTS * PUTS][8];
    size_t n, again;
};

static bool has_seen(const struct receiver *r, uint64_t event)
{
    for (size_t i = r->n; i-- > 0;)
        if (r->seen[i] == event)
            return true;
    return false;
}

static void receive(struct bench *b, struct receiver *r)
{
    struct queue_work *w;

    while ((w = help_take(b)) != NULL) {
        uint64_t event = w->claims[0].event;

        if (has_seen(r, event)) {
            r->again++;
        } else {
            assert_true(r->n == 0 || event > r->seen[r->n - 1]);
            (void)snprintf(r->key[r->n], sizeof(r->key[0]), "%.*s", TL_SV_ARG(w->claims[0].body));
            r->seen[r->n++] = event;
        }
        w->claims[0].outcome.end = QUEUE_END_DONE;
        queue_finish(b->q, w);
    }
}

/* Each is delivered, or dead for the one reason that there is here; those that never came are all of these. */
static size_t unseen(struct bench *b, const struct acked *a, const struct receiver *r)
{
    size_t missing = 0;

    for (size_t i = 0; i < a->n; i++) {
        struct row row;
        char key[32];

        (void)snprintf(key, sizeof(key), "k%d", a->key[i]);
        look(b, a->id[i], key, &row);
        assert_true(died_of_crashes(&row) || (row.state == QUEUE_DELIVERED && has_seen(r, a->id[i])));
        missing += !has_seen(r, a->id[i]);
    }
    return missing;
}

static void with_keys_the_order_is_kept_over_power_cuts_and_nothing_that_is_lost_was_delivered(void **state)
{
    struct bench *b = *state;
    struct receiver *r = tl_zalloc(sizeof(*r));
    struct acked *a = tl_zalloc(sizeof(*a));
    size_t checked = 0, missing = 0;

    b->targets[0].keyed = true;
    for (int round = 0; round < CUTS; round++) {
        char key[32];
        bool dup;

        help_open(b);
        for (; checked < r->n; checked++) { /* what was delivered is on disk */
            uint64_t id = 0;

            assert_int_equal(try_put(b, r->key[checked], &id, &dup), TL_OK);
            assert_true(dup);
            assert_int_equal(id, r->seen[checked]);
        }
        powercut_at(3 + (uint64_t)(round * 7919) % 100);
        for (int i = 0; i < PUTS && !powercut_is_off(); i++) {
            (void)snprintf(key, sizeof(key), "k%d", round * PUTS + i);
            if (try_put(b, key, &a->id[a->n], &dup) == TL_OK)
                a->key[a->n++] = round * PUTS + i;
            if (i % 5 == 4) /* a few wait in the lane */
                receive(b, r);
            (void)queue_turn(b->q);
        }
        if (!powercut_is_off())
            powercut_at(1);
        help_close(b);
        powercut_on(round % 2 ? (uint64_t)round : 0);
    }
    powercut_at(0);
    help_open(b);
    for (int i = 0; i < CUTS * PUTS; i++) {
        help_turn(b);
        receive(b, r);
    }
    missing = unseen(b, a, r);
    assert_int_equal(help_count(b, QUEUE_QUEUED), 0);
    assert_true(r->n > CUTS && r->again > 0);
    print_message("%zu delivered, %zu again, %zu dead unseen\n", r->n, r->again, missing);
    tl_free(a);
    tl_free(r);
}

/* The sync that would put `done` on disk fails: has the next one of the lane started? */
static bool next_starts_before_the_commit(struct bench *b)
{
    struct queue_work *w;
    uint64_t id[2];
    bool dup, started;

    help_open(b);
    assert_int_equal(try_put(b, "a", &id[0], &dup), TL_OK);
    assert_int_equal(try_put(b, "b", &id[1], &dup), TL_OK);
    help_turn(b);
    w = help_take(b);
    assert_non_null(w);
    assert_null(help_take(b));
    w->claims[0].outcome.end = QUEUE_END_DONE;
    queue_finish(b->q, w);
    powercut_fail_sync(1);
    (void)queue_turn(b->q);
    assert_int_equal(b->fatals, 1);
    w = help_take(b);
    started = w != NULL;
    if (w)
        assert_int_equal(w->claims[0].event, id[1]);
    help_close(b);
    powercut_on(0);
    help_open(b); /* the end of the first one is lost: it goes again, before the other */
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->claims[0].event, id[0]);
    return started;
}

static void the_next_of_a_lane_starts_before_the_commit_where_the_target_recognises_keys(void **state)
{
    struct bench *b = *state;

    b->targets[0].keyed = true;
    assert_true(next_starts_before_the_commit(b));
}

static void the_next_of_a_lane_waits_for_the_commit_where_the_target_does_not(void **state)
{
    assert_false(next_starts_before_the_commit(*state));
}

static void on_a_full_disk_a_lane_of_a_target_with_keys_goes_on_in_order(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t id[3];
    bool dup;

    b->targets[0].keyed = true;
    help_open(b);
    for (int i = 0; i < 3; i++)
        assert_int_equal(try_put(b, (const char *[]){"a", "b", "c"}[i], &id[i], &dup), TL_OK);
    help_turn(b);
    w = help_take(b);
    powercut_full(1);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    w = help_take(b);
    assert_non_null(w); /* it had gone before the disk was known to be full */
    assert_int_equal(w->claims[0].event, id[1]);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    help_after(b, 10000);
    assert_null(help_take(b));
    powercut_full(0);
    help_after(b, 1000);
    w = help_take(b);
    assert_non_null(w);
    assert_int_equal(w->claims[0].event, id[2]);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 3);
    assert_int_equal(b->fatals, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(after_200_power_cuts_every_acknowledged_event_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(after_power_cuts_between_keys_every_event_is_there_and_opens, setup, teardown),
        cmocka_unit_test_setup_teardown(after_a_failed_sync_nothing_more_is_acknowledged, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_acknowledged_survives_a_power_cut_unless_syncs_are_switched_off, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_failed_write_is_as_grave_as_a_failed_sync, setup, teardown),
        cmocka_unit_test_setup_teardown(on_a_full_disk_puts_are_refused_and_outcomes_are_kept_until_there_is_space,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            with_keys_the_order_is_kept_over_power_cuts_and_nothing_that_is_lost_was_delivered, setup, teardown),
        cmocka_unit_test_setup_teardown(the_next_of_a_lane_starts_before_the_commit_where_the_target_recognises_keys,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_next_of_a_lane_waits_for_the_commit_where_the_target_does_not, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(on_a_full_disk_a_lane_of_a_target_with_keys_goes_on_in_order, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
