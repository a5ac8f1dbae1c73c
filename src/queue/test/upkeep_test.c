/* SPDX-License-Identifier: Apache-2.0 */
/* Sweeping, bulk jobs over many ids, a reload that cannot be written, copies, cross-references. */
#include "help.h"

#include <stdio.h>
#include <unistd.h>

#include "powercut_vfs.h"
#include "queue/queue_int.h"

static enum tl_rc look(struct bench *b, uint64_t id)
{
    struct tl_arena *arena = tl_arena_new(1u << 20);
    struct queue_reader *r = NULL;
    struct queue_detail d;
    struct tl_err err;
    enum tl_rc rc;

    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    rc = queue_show(r, arena, id, 0, &d, &err);
    queue_reader_close(r);
    tl_arena_free(arena);
    return rc;
}

static uint64_t put_and_end(struct bench *b, enum queue_end end, enum tl_rc rc)
{
    uint64_t id = help_put(b, NULL, NULL, "x");

    help_turn(b);
    help_finish(b, help_take(b), end, rc, "why");
    return id;
}

static void a_sweep_goes_on_where_the_last_one_ended_and_still_finds_what_ends_behind_it(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_DISCARD};
    uint64_t dead, gone, later;

    b->keep_final_ms = 60000;
    help_open(b);
    dead = put_and_end(b, QUEUE_END_FAILED, TL_INVALID);
    gone = put_and_end(b, QUEUE_END_DONE, TL_OK);
    help_after(b, 700000);
    assert_int_equal(look(b, gone), TL_NOT_FOUND);
    assert_int_equal(look(b, dead), TL_OK);
    assert_true(b->q->retain_low >= gone); /* no need to look at these again */
    later = put_and_end(b, QUEUE_END_DONE, TL_OK);
    plan.filter.ids = &dead;
    plan.filter.n_ids = 1;
    assert_int_equal(help_job(b, &plan).done, 1);
    assert_true(b->q->retain_low < dead);
    help_after(b, 30000);
    assert_int_equal(look(b, dead), TL_OK); /* it is kept as long as others from its end on */
    help_after(b, 700000);
    assert_int_equal(look(b, dead), TL_NOT_FOUND);
    assert_int_equal(look(b, later), TL_NOT_FOUND);
}

static void what_ends_while_a_sweep_waits_for_its_age_is_swept_by_a_later_one(void **state)
{
    struct bench *b = *state;
    uint64_t slow;

    b->keep_final_ms = 500000;
    help_open(b);
    slow = help_put(b, NULL, NULL, "x");
    help_turn(b);
    help_after(b, 650000); /* old, but it runs */
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    help_after(b, 650000);
    help_after(b, 650000);
    assert_int_equal(look(b, slow), TL_NOT_FOUND);
}

static void count_taken(void *arg, struct queue_put *put, enum tl_rc rc, const struct tl_err *err)
{
    (void)put, (void)err;
    *(size_t *)arg += rc == TL_OK;
}

/* A small disk is full long before a second is over. */
static void intake_stops_in_time_where_little_is_left(void **state)
{
    struct bench *b = *state;
    struct queue_put put, *all = tl_zalloc(40 * sizeof *all);
    char *large = tl_zalloc(20001);
    enum tl_rc rc = TL_OK;
    struct tl_err err;
    size_t taken = 0;

    help_open(b);
    put = (struct queue_put){.flow = b->flows[0].ret_id, .meta = TL_SV(""), .body = TL_SV("x")};
    b->disk_left = (1ull << 30) + (1 << 20);
    help_after(b, 1100);
    assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_OK);
    b->disk_left = 1 << 20;
    for (int i = 0; i < 30 && rc == TL_OK; i++)
        rc = queue_put(b->q, NULL, &put, &err);
    assert_int_equal(rc, TL_FULL); /* the clock stands still: by what was written alone */
    b->disk_left = (1ull << 30) + 200000;
    help_after(b, 1100);
    memset(large, 'x', 20000);
    for (size_t i = 0; i < 40; i++) { /* of one turn */
        all[i] = (struct queue_put){.flow = b->flows[0].ret_id, .meta = TL_SV(""), .body = tl_sv(large, 20000)};
        queue_put_later(b->q, &all[i], count_taken, &taken);
    }
    help_turn(b);
    assert_in_range(taken, 3, 20);
    tl_free(all);
    tl_free(large);
}

static void what_is_to_be_kept_may_change_with_the_configuration(void **state)
{
    struct bench *b = *state;
    const struct queue_keep keep = {.key_ms = 60000, .final_ms = 60000, .reserve_bytes = UINT64_MAX};
    uint64_t first, second;

    help_open(b);
    first = put_and_end(b, QUEUE_END_DONE, TL_OK);
    help_after(b, 700000);
    assert_int_equal(look(b, first), TL_OK); /* 30 days by default */
    second = put_and_end(b, QUEUE_END_DONE, TL_OK);
    b->config.keep = &keep;
    assert_int_equal(queue_configure(b->q, NULL, &b->config, true, NULL, NULL), TL_OK);
    help_after(b, 10);
    assert_int_equal(look(b, first), TL_OK); /* that was a dry run */
    assert_false(atomic_load(&b->q->intake_stopped));
    assert_int_equal(queue_configure(b->q, NULL, &b->config, false, NULL, NULL), TL_OK);
    help_after(b, 10); /* at once, not with the next sweep in ten minutes */
    assert_int_equal(look(b, first), TL_NOT_FOUND);
    assert_int_equal(look(b, second), TL_OK);
    assert_true(atomic_load(&b->q->intake_stopped));
    b->config.keep = NULL; /* as it is */
    assert_int_equal(queue_configure(b->q, NULL, &b->config, false, NULL, NULL), TL_OK);
    help_after(b, 700000);
    assert_int_equal(look(b, second), TL_NOT_FOUND);
}

static void bulk_filters_find_their_few_among_many(void **state)
{
    struct bench *b = *state;
    struct queue_plan by_class = {.action = QUEUE_DISCARD, .filter = {.cls = TL_CLASS_BUG}};
    struct queue_plan by_state = {.action = QUEUE_CANCEL, .filter = {.state = QUEUE_QUEUED}};
    struct queue_plan by_print = {.action = QUEUE_DISCARD, .filter = {.state = QUEUE_DEAD}};
    struct queue_row row;
    uint64_t bug, data;

    help_open(b);
    bug = put_and_end(b, QUEUE_END_FAILED, TL_BUG);
    data = put_and_end(b, QUEUE_END_FAILED, TL_INVALID);
    (void)put_and_end(b, QUEUE_END_DONE, TL_OK);
    queue_set_dispatch(b->q, false);
    for (int i = 0; i < 450; i++)
        (void)help_put(b, NULL, NULL, "x");
    help_turn(b);
    b->q->next_id = b->q->id_reserved = b->q->next_id + 25000; /* ids with nothing between them */
    (void)help_put(b, NULL, NULL, "x");
    assert_int_equal(help_job(b, &by_class).done, 1);
    help_row(b, bug, &row);
    assert_int_equal(row.state, QUEUE_DISCARDED);
    assert_int_equal(help_job(b, &by_state).done, 451);
    help_row(b, data, &row);
    by_print.filter.flow = b->flows[0].ret_id;
    by_print.filter.fingerprint = row.fingerprint;
    assert_true(row.fingerprint != 0);
    assert_int_equal(help_job(b, &by_print).done, 1);
    assert_int_equal(help_count(b, QUEUE_DISCARDED), 2);
    assert_int_equal(help_count(b, QUEUE_CANCELLED), 451);
}

static void open_where_room_can_end(struct bench *b)
{
    powercut_register();
    powercut_forget();
    b->vfs = POWERCUT_VFS;
    help_open(b);
}

/* And the ledger finds out. */
static void room_ends(struct bench *b)
{
    struct queue_put put = {.flow = b->flows[0].ret_id, .meta = TL_SV("{}"), .body = TL_SV("x")};
    struct tl_err err;

    powercut_full(1);
    assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_FULL);
}

static void on_a_full_disk_what_is_looked_up_is_there_once(void **state)
{
    struct bench *b = *state;
    struct queue_xref x = {.model = TL_SV("m"),
                           .connection_a = TL_SV("c"),
                           .id_a = TL_SV("1"),
                           .connection_b = TL_SV("d"),
                           .id_b = TL_SV("22")};
    struct queue_emit emit = {.lease = TL_SV("l"), .position = TL_SV("page 7")};
    struct queue_work *w;
    struct tl_buf value;
    struct tl_err err;
    uint64_t epoch;

    open_where_room_can_end(b);
    assert_int_equal(queue_kv_put(b->q, NULL, TL_SV("k"), TL_SV("value"), &err), TL_OK);
    assert_int_equal(queue_xref_put(b->q, NULL, &x, &err), TL_OK);
    assert_int_equal(queue_lease(b->q, NULL, TL_SV("l"), TL_SV("me"), 60000, &epoch, &err), TL_OK);
    emit.lease_epoch = epoch;
    assert_int_equal(queue_emit(b->q, NULL, &emit, &err), TL_OK);
    tl_buf_init(&value, 100);
    for (int i = 0; i < 3; i++)
        (void)help_put(b, NULL, NULL, "x");
    help_turn(b);
    powercut_full(1);
    for (int i = 0; i < 3; i++) { /* each shares its transaction with an outcome that finds no room */
        w = help_take(b);
        assert_non_null(w);
        w->claims[0].outcome.end = QUEUE_END_DONE;
        queue_finish(b->q, w);
        tl_buf_clear(&value);
        (void)tl_buf_puts(&value, "=");
        if (i == 0)
            assert_int_equal(queue_kv_get(b->q, NULL, TL_SV("k"), &value, &err), TL_OK);
        else if (i == 1)
            assert_int_equal(queue_xref_get(b->q, NULL, &x, &value, &err), TL_OK);
        else
            assert_int_equal(queue_position(b->q, NULL, TL_SV("l"), TL_SV_NULL, &value, &err), TL_OK);
        assert_true(tl_sv_eqs(tl_buf_view(&value), i == 0 ? "=value" : i == 1 ? "=22" : "=page 7"));
    }
    powercut_full(0);
    help_after(b, 1000);
    tl_buf_done(&value);
}

/* Nobody writes: no outcome is kept, and intake may be stopped. */
static void after_a_full_disk_what_waits_goes_on_by_itself(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;

    open_where_room_can_end(b);
    (void)help_put(b, NULL, NULL, "x");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_TIMEOUT, "later");
    room_ends(b);
    for (int i = 0; i < 20; i++) {
        help_after(b, 500);
        assert_null(help_take(b));
        assert_true(queue_next_due_ms(b->q) >
                    (int64_t)(tl_clock_mono_ns(&b->clock.base) / 1000000)); /* it sleeps meanwhile */
    }
    powercut_full(0);
    help_after(b, 1000);
    w = help_take(b);
    assert_non_null(w);
    help_finish(b, w, QUEUE_END_DONE, TL_OK, "");
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 1);
}

static void a_ledger_closes_well_on_a_full_disk(void **state)
{
    struct bench *b = *state;

    open_where_room_can_end(b);
    (void)help_put(b, NULL, NULL, "x");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, "");
    room_ends(b);
    help_close(b);
    assert_int_equal(b->fatals, 0);
    powercut_full(0);
    help_open(b);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 1);
}

static void a_reload_that_cannot_be_written_changes_nothing_in_memory(void **state)
{
    struct bench *b = *state;
    struct queue_target_def other = b->targets[0];
    struct tl_err err;
    uint32_t id;

    open_where_room_can_end(b);
    b->flows[1] = (struct queue_flow_def){.name = TL_SV("g"), .targets = &other, .n_targets = 1};
    b->connections[1] = (struct queue_connection_def){.name = TL_SV("d"), .guard = &b->guard};
    other.connection = TL_SV("d");
    b->config.n_flows = b->config.n_connections = 2;
    powercut_full(1);
    assert_int_equal(queue_configure(b->q, NULL, &b->config, false, NULL, &err), TL_FULL);
    assert_int_equal(b->q->n_flows, 1);
    assert_int_equal(b->q->n_targets, 1);
    assert_int_equal(b->q->n_conns, 1);
    powercut_full(0);
    help_after(b, 1000);
    /* The number goes to another name now, and both agree on whose it is. */
    b->flows[1].name = TL_SV("h");
    assert_int_equal(queue_configure(b->q, NULL, &b->config, false, NULL, &err), TL_OK);
    id = b->flows[1].ret_id;
    help_close(b);
    help_open(b);
    assert_int_equal(b->flows[1].ret_id, id);
    assert_string_equal(b->q->flows[id]->name, "h");
    (void)help_put(b, NULL, NULL, "x");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_DONE, TL_OK, NULL);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 1);
}

static void a_snapshot_is_a_ledger_of_its_own(void **state)
{
    struct bench *b = *state, copy;
    struct queue_reader *r = NULL;
    struct tl_err err;
    struct queue_row row;
    char path[200];
    uint64_t done, queued;

    help_open(b);
    done = put_and_end(b, QUEUE_END_DONE, TL_OK);
    queue_set_dispatch(b->q, false);
    queued = help_put(b, "key", "order", "body");
    help_init(&copy);
    (void)snprintf(path, sizeof(path), "%s/ledger.db", copy.dir);
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_snapshot(r, path, &err), TL_OK);
    assert_int_equal(queue_snapshot(r, path, &err), TL_EXISTS);
    queue_reader_close(r);
    (void)help_put(b, NULL, NULL, "after the copy");
    help_open(&copy);
    help_row(&copy, done, &row);
    assert_int_equal(row.state, QUEUE_DELIVERED);
    help_turn(&copy);
    assert_int_equal(copy.n_works, 1);
    assert_int_equal(copy.first->claims[0].delivery, queued);
    assert_true(tl_sv_eqs(copy.first->claims[0].body, "body"));
    assert_int_equal(help_put(&copy, "key", "order", "body"), queued);
    help_done(&copy);
}

static void an_event_keeps_its_origin_and_each_start_has_another_for_new_ones(void **state)
{
    struct bench *b = *state;
    uint64_t first, second, third, bits;

    help_open(b);
    queue_set_dispatch(b->q, false);
    first = help_put(b, NULL, NULL, "1");
    bits = queue_origin(b->q, first);
    assert_int_not_equal(bits, 0);
    assert_int_equal(bits >> 50, 0);
    second = help_put(b, NULL, NULL, "2");
    assert_int_equal(queue_origin(b->q, second), bits);
    help_close(b);
    help_open(b);
    help_close(b);
    help_open(b); /* nothing came during the start before this one */
    assert_int_equal(b->q->n_origins, 2);
    third = help_put(b, NULL, NULL, "3");
    assert_int_equal(queue_origin(b->q, first), bits);
    assert_int_equal(queue_origin(b->q, second), bits);
    assert_int_not_equal(queue_origin(b->q, third), bits);
    assert_int_not_equal(queue_origin(b->q, third), 0);
}

static void an_event_of_a_ledger_from_before_origins_has_none(void **state)
{
    struct bench *b = *state;
    struct tl_err err;
    uint64_t old, new;

    help_open(b);
    queue_set_dispatch(b->q, false);
    old = help_put(b, NULL, NULL, "1");
    assert_int_equal(queue_kv_put(b->q, NULL, TL_SV("queue/origins"), TL_SV_NULL, &err), TL_OK);
    help_close(b);
    help_open(b);
    new = help_put(b, NULL, NULL, "2");
    assert_int_equal(queue_origin(b->q, old), 0);
    assert_int_not_equal(queue_origin(b->q, new), 0);
}

static void the_origin_of_events_that_are_swept_goes_too(void **state)
{
    struct bench *b = *state;

    help_open(b);
    (void)put_and_end(b, QUEUE_END_DONE, TL_OK);
    help_close(b);
    help_open(b);
    assert_int_equal(b->q->n_origins, 2);
    help_after(b, 40ll * 86400000);
    for (int i = 0; i < 50; i++)
        help_after(b, 60000);
    help_close(b);
    help_open(b);
    assert_int_equal(b->q->n_origins, 1);
}

static void a_ledger_put_back_from_a_copy_gives_the_same_numbers_another_origin(void **state)
{
    struct bench *b = *state, copy;
    struct queue_reader *r = NULL;
    struct tl_err err;
    char path[200];
    uint64_t queued, here = 0, there;

    help_open(b);
    queue_set_dispatch(b->q, false);
    queued = help_put(b, NULL, NULL, "in both");
    help_init(&copy);
    (void)snprintf(path, sizeof(path), "%s/ledger.db", copy.dir);
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_snapshot(r, path, &err), TL_OK);
    queue_reader_close(r);
    help_open(&copy);
    queue_set_dispatch(copy.q, false);
    there = help_put(&copy, NULL, NULL, "after the copy, there");
    while (here < there)
        here = help_put(b, NULL, NULL, "after the copy, here");
    assert_int_equal(here, there);
    assert_int_equal(queue_origin(b->q, queued), queue_origin(copy.q, queued));
    assert_int_not_equal(queue_origin(b->q, here), queue_origin(copy.q, there));
    help_done(&copy);
}

static void expect_xref(struct bench *b, const char *from, const char *id, const char *to, const char *want)
{
    struct queue_xref known = {
        .model = TL_SV("order"), .connection_a = tl_sv_str(from), .id_a = tl_sv_str(id), .connection_b = tl_sv_str(to)};
    struct tl_buf buf;
    struct tl_err err;

    tl_buf_init(&buf, 1000);
    if (want) {
        assert_int_equal(queue_xref_get(b->q, NULL, &known, &buf, &err), TL_OK);
        assert_true(tl_sv_eqs(tl_buf_view(&buf), want));
    } else {
        assert_int_equal(queue_xref_get(b->q, NULL, &known, &buf, &err), TL_NOT_FOUND);
    }
    tl_buf_done(&buf);
}

static void cross_references_are_written_with_the_acknowledgement_and_read_from_both_sides(void **state)
{
    struct bench *b = *state;
    struct queue_xref x = {.model = TL_SV("order"),
                           .connection_a = TL_SV("shop"),
                           .id_a = TL_SV("1001"),
                           .connection_b = TL_SV("erp"),
                           .id_b = TL_SV("SO-7")};
    struct queue_work *w;
    struct tl_err err;

    help_open(b);
    (void)help_put(b, NULL, NULL, "x");
    help_turn(b);
    w = help_take(b);
    expect_xref(b, "shop", "1001", "erp", NULL);
    w->claims[0].outcome = (struct queue_outcome){.end = QUEUE_END_DONE, .xrefs = &x, .n_xrefs = 1};
    queue_finish(b->q, w);
    help_turn(b);
    expect_xref(b, "shop", "1001", "erp", "SO-7");
    expect_xref(b, "erp", "SO-7", "shop", "1001");
    expect_xref(b, "shop", "1001", "crm", NULL);
    x.id_b = TL_SV("SO-8"); /* a newer one takes its place */
    assert_int_equal(queue_xref_put(b->q, NULL, &x, &err), TL_OK);
    help_close(b);
    help_open(b);
    expect_xref(b, "shop", "1001", "erp", "SO-8");
    expect_xref(b, "erp", "SO-7", "shop", NULL);
    (void)help_put(b, NULL, NULL, "x");
    help_turn(b);
    w = help_take(b);
    x.id_a = TL_SV("1002");
    w->claims[0].outcome = (struct queue_outcome){
        .end = QUEUE_END_FAILED, .rc = TL_INVALID, .xrefs = &x, .n_xrefs = 1, .text = TL_SV("no")};
    queue_finish(b->q, w);
    help_turn(b);
    expect_xref(b, "shop", "1002", "erp", NULL); /* nothing was acknowledged */
}

static bool is_own(struct bench *b, const char *id, const char *mark)
{
    struct tl_err err;
    bool own = false;

    assert_int_equal(
        queue_own_write(b->q, NULL, TL_SV("order"), TL_SV("erp"), tl_sv_str(id), tl_sv_str(mark), &own, &err), TL_OK);
    return own;
}

static void what_our_writes_made_of_a_record_is_known_until_somebody_else_changes_it(void **state)
{
    struct bench *b = *state;
    struct queue_xref x = {.model = TL_SV("order"),
                           .connection_a = TL_SV("shop"),
                           .id_a = TL_SV("1001"),
                           .connection_b = TL_SV("erp"),
                           .id_b = TL_SV("SO-7"),
                           .mark = TL_SV("paid")};
    struct tl_err err;
    uint64_t n;
    char mark[20];

    help_open(b);
    assert_int_equal(queue_xref_put(b->q, NULL, &x, &err), TL_OK);
    x.mark = TL_SV("shipped");
    assert_int_equal(queue_xref_put(b->q, NULL, &x, &err), TL_OK);
    help_close(b);
    help_open(b);
    assert_true(is_own(b, "SO-7", "shipped"));
    assert_true(is_own(b, "SO-7", "paid")); /* late, and out of order */
    assert_true(is_own(b, "SO-7", "paid")); /* told twice */
    assert_false(is_own(b, "SO-8", "paid"));
    assert_false(is_own(b, "SO-7", "cancelled")); /* a person's */
    assert_false(is_own(b, "SO-7", "paid"));      /* and back: theirs again */
    for (int i = 0; i < 20; i++) {
        (void)snprintf(mark, sizeof(mark), "m%d", i);
        x.mark = tl_sv_str(mark);
        assert_int_equal(queue_xref_put(b->q, NULL, &x, &err), TL_OK);
    }
    assert_true(is_own(b, "SO-7", "m12"));
    assert_int_equal(queue_xref_forget(b->q, NULL, TL_SV("order"), TL_SV("shop"), TL_SV("1001"), &n, &err), TL_OK);
    assert_int_equal(n, 1);
    expect_xref(b, "erp", "SO-7", "shop", NULL);
    assert_false(is_own(b, "SO-7", "m19"));
    x.id_b = TL_SV("");
    assert_int_equal(queue_xref_put(b->q, NULL, &x, &err), TL_INVALID); /* every one without an id would be it */
}

static void move(const struct bench *b, const char *file, const char *to)
{
    char from[100], there[100];

    (void)snprintf(from, sizeof(from), "%s/%s", b->dir, file);
    (void)snprintf(there, sizeof(there), "%s/%s", b->dir, to);
    assert_int_equal(rename(from, there), 0);
}

static enum tl_rc put_one(struct bench *b, struct tl_err *err)
{
    struct queue_put put = {.flow = b->flows[0].ret_id, .meta = TL_SV("{}"), .body = TL_SV("x")};

    return queue_put(b->q, NULL, &put, err);
}

/* What is written to them would be found by no start. */
static void while_its_files_are_not_in_their_place_nothing_is_taken_in(void **state)
{
    static const char *const files[] = {"ledger.db", "ledger.db-wal"};
    struct bench *b = *state;
    struct tl_err err;
    struct queue_stat s;
    struct tl_arena *a = tl_arena_new(1 << 20);

    help_open(b);
    for (size_t i = 0; i < TL_COUNT(files); i++) {
        char path[100];

        (void)help_put(b, NULL, NULL, "x");
        help_after(b, 2000);
        move(b, files[i], "aside");
        b->notices = 0;
        help_after(b, 2000);
        assert_int_equal(put_one(b, &err), TL_FULL);
        assert_true(err.retry_after_ms > 0);
        assert_non_null(strstr(err.text, "place")); /* and no path: a sender may read it */
        assert_string_equal(b->last_notice, "intake_stopped");
        assert_int_equal(queue_stats(b->q, NULL, a, &s, NULL), TL_OK);
        assert_true(s.intake_stopped && s.moved);
        help_after(b, 60000);
        assert_int_equal(b->notices, 1);
        (void)snprintf(path, sizeof(path), "%s/%s", b->dir, files[i]);
        fclose(fopen(path, "w")); /* another one in its place is not the one that is written to */
        help_after(b, 2000);
        assert_int_equal(put_one(b, &err), TL_FULL);
        move(b, "aside", files[i]);
        help_after(b, 2000);
        assert_string_equal(b->last_notice, "intake_again");
        assert_int_equal(put_one(b, &err), TL_OK);
        assert_int_equal(queue_stats(b->q, NULL, a, &s, NULL), TL_OK);
        assert_false(s.intake_stopped || s.moved);
    }
    assert_int_equal(b->fatals, 0);
    tl_arena_free(a);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(while_its_files_are_not_in_their_place_nothing_is_taken_in, help_setup,
                                        help_teardown),
        TEST(a_sweep_goes_on_where_the_last_one_ended_and_still_finds_what_ends_behind_it),
        TEST(what_ends_while_a_sweep_waits_for_its_age_is_swept_by_a_later_one),
        TEST(intake_stops_in_time_where_little_is_left),
        TEST(what_is_to_be_kept_may_change_with_the_configuration),
        TEST(bulk_filters_find_their_few_among_many),
        TEST(on_a_full_disk_what_is_looked_up_is_there_once),
        TEST(after_a_full_disk_what_waits_goes_on_by_itself),
        TEST(a_ledger_closes_well_on_a_full_disk),
        TEST(a_reload_that_cannot_be_written_changes_nothing_in_memory),
        TEST(a_snapshot_is_a_ledger_of_its_own),
        TEST(an_event_keeps_its_origin_and_each_start_has_another_for_new_ones),
        TEST(an_event_of_a_ledger_from_before_origins_has_none),
        TEST(the_origin_of_events_that_are_swept_goes_too),
        TEST(a_ledger_put_back_from_a_copy_gives_the_same_numbers_another_origin),
        TEST(cross_references_are_written_with_the_acknowledgement_and_read_from_both_sides),
        TEST(what_our_writes_made_of_a_record_is_known_until_somebody_else_changes_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
