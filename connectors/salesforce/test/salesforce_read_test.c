/* SPDX-License-Identifier: Apache-2.0 */
/* Reading an object from a position on, against the simulator. */
#include "salesforce/test/sf_rig.h"

#define READ (1u << CONNECTOR_READ)

static void seed(struct sf_rig *s, int from, int to)
{
    for (int i = from; i < to; i++)
        (void)sf_add(s, "Account", tl_arena_printf(s->rig.conf, "{\"Name\":\"n%05d\",\"ERP_Id__c\":\"%d\"}", i, i));
}

/* The host's clock stands still in 2025; the org's does not: far ahead, so that everything is old enough. */
static void start(struct sf_rig *s)
{
    sf_start(s, NULL, NULL);
    s->rig.clock.wall_ms = tl_clock_wall_ms(tl_clock_system()) + 60000;
}

static void records_of_one_second_are_neither_lost_nor_repeated(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    seed(&s, 0, 450);
    sf_target(&s, "{ read: Account, fields: [Name, ERP_Id__c], page: 200, lag: 0s }", READ);
    sf_read(&s);
    assert_int_equal(s.rig.rc, TL_OK);
    assert_int_equal(s.n_emitted, 450);
    assert_int_equal(s.emits, 3);
    assert_true(sf_emitted(&s, "\"Name\":\"n00449\""));
    assert_null(strstr(s.emitted, "attributes"));
    sf_read(&s);
    assert_int_equal(s.n_emitted, 450); /* nothing new */
    seed(&s, 450, 451);
    sf_read(&s);
    assert_int_equal(s.n_emitted, 451);
    sf_stop(&s);
}

static void a_read_that_was_cut_goes_on_behind_the_last_page_taken_in(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    seed(&s, 0, 450);
    sf_target(&s, "{ read: Account, fields: Name, page: 200, lag: 0s }", READ);
    s.fail_emit_at = 2;
    sf_read(&s);
    assert_int_equal(s.rig.rc, TL_STALE);
    assert_int_equal(s.n_emitted, 200);
    sf_read(&s);
    assert_int_equal(s.rig.rc, TL_OK);
    assert_int_equal(s.n_emitted, 450);
    sf_stop(&s);
}

/* 11.6 Query cursor lost. */
static void a_lost_cursor_restarts_from_the_high_water_mark(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    seed(&s, 0, 450);
    s.sim->opt.lose_cursors = true;
    sf_target(&s, "{ read: Account, fields: Name, page: 200, lag: 0s }", READ);
    sf_read(&s);
    assert_int_equal(s.rig.rc, TL_OK);
    assert_int_equal(s.n_emitted, 450);
    assert_int_equal(s.sim->counts.queries, 3);
    sf_stop(&s);
}

static void a_young_record_waits_until_the_lag_is_over(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    s.rig.clock.wall_ms = tl_clock_wall_ms(tl_clock_system());
    seed(&s, 0, 1);
    sf_target(&s, "{ read: Account, lag: 2m }", READ);
    sf_read(&s);
    assert_int_equal(s.n_emitted, 0);
    tl_fake_clock_advance_ms(&s.rig.clock, 180000);
    sf_read(&s);
    assert_int_equal(s.n_emitted, 1);
    sf_stop(&s);
}

static void set_modified(struct sf_rig *s, const char *name, int64_t ms)
{
    struct tl_err err = {0};

    if (store_exec(sfsim_db_store(s->sim->db),
                   tl_arena_printf(s->rig.conf, "UPDATE record SET modified=%lld WHERE body LIKE '%%%s%%'",
                                   (long long)ms, name),
                   &err) != TL_OK)
        fail_msg("%s", err.text);
}

/* SystemModstamp has whole seconds. What is changed behind the last record that was read, and yet in its second, has
 * the record's time and a smaller Id, or is the record itself. */
static void a_second_is_read_when_it_is_over_also_without_a_lag(void **state)
{
    struct tl_err err = {0};
    struct sf_rig s;
    int64_t second;

    (void)state;
    start(&s);
    second = s.rig.clock.wall_ms / 1000 * 1000;
    seed(&s, 0, 3);
    sf_target(&s, "{ read: Account, fields: Name, lag: 0s }", READ);
    s.rig.clock.wall_ms = second + 300;
    set_modified(&s, "n00001", second);
    sf_read(&s);
    assert_int_equal(s.n_emitted, 2); /* the others: their second was over long ago */
    assert_false(sf_emitted(&s, "n00001"));
    set_modified(&s, "n00000", second);
    assert_int_equal(
        store_exec(sfsim_db_store(s.sim->db), "UPDATE record SET body=replace(body,'n00001','changed again')", &err),
        TL_OK);
    tl_fake_clock_advance_ms(&s.rig.clock, 700);
    sf_read(&s);
    assert_int_equal(s.n_emitted, 4);
    assert_true(sf_emitted(&s, "changed again"));
    sf_stop(&s);
}

/* 11.15 Schema drift: a field added later is read, one that went is not asked for any more. */
static void without_a_list_all_fields_are_read_and_a_deleted_record_says_so(void **state)
{
    struct tl_err err = {0};
    struct sfsim_saved saved;
    struct sf_rig s;
    const char *id;

    (void)state;
    start(&s);
    id = sf_add(&s, "Account", "{\"Name\":\"a\",\"AnnualRevenue\":10.50}");
    sf_target(&s, "{ read: Account, lag: 0s, deleted: true, where: \"Name LIKE 'a%'\" }", READ);
    sf_read(&s);
    assert_true(sf_emitted(&s, "\"AnnualRevenue\":10.50"));
    assert_true(sf_emitted(&s, "\"IsDeleted\":false"));
    assert_true(sf_emitted(&s, "\"CreatedDate\":\"2"));
    assert_int_equal(sfsim_schema_add(s.sim->schema, TL_SV("field Account: Late__c string(10)"), &err), TL_OK);
    {
        struct sfsim_req req = {.sim = s.sim, .arena = s.rig.conf, .version = 60};

        assert_true(sfsim_begin(s.sim->db));
        sfsim_delete(&req, tl_sv_str(id), &saved);
        assert_true(sfsim_commit(s.sim->db) && saved.ok);
        /* the clock of the org has whole seconds: make the change later than the record */
        assert_int_equal(store_exec(sfsim_db_store(s.sim->db), "UPDATE record SET modified=modified+1000", &err),
                         TL_OK);
    }
    sf_target(&s, "{ read: Account, lag: 0s, deleted: true }", READ);
    sf_read(&s);
    assert_true(sf_emitted(&s, "\"IsDeleted\":true"));
    assert_true(sf_emitted(&s, "\"Late__c\":null"));
    sf_stop(&s);
}

static void wide_objects_are_read_in_columns(void **state)
{
    struct tl_err err = {0};
    struct tl_buf b;
    struct sf_rig s;

    (void)state;
    start(&s);
    tl_buf_init(&b, 1 << 20);
    tl_buf_puts(&b, "object Wide__c:");
    for (int i = 0; i < 400; i++)
        tl_buf_printf(&b, "Field_with_a_long_name_so_that_it_adds_up_%03d__c string(20);", i);
    assert_int_equal(sfsim_schema_add(s.sim->schema, tl_buf_view(&b), &err), TL_OK);
    tl_buf_done(&b);
    (void)sf_add(&s, "Wide__c",
                 "{\"Name\":\"w\",\"Field_with_a_long_name_so_that_it_adds_up_000__c\":\"first\","
                 "\"Field_with_a_long_name_so_that_it_adds_up_399__c\":\"last\"}");
    sf_target(&s, "{ read: Wide__c, lag: 0s }", READ);
    sf_read(&s);
    if (s.rig.rc != TL_OK)
        fail_msg("%s", s.rig.err.text);
    assert_int_equal(s.n_emitted, 1);
    assert_true(sf_emitted(&s, "_000__c\":\"first\""));
    assert_true(sf_emitted(&s, "_399__c\":\"last\""));
    sf_stop(&s);
}

/* 11.7 QUERY_TIMEOUT. */
static void a_query_the_org_gives_up_on_is_asked_for_shorter_spans(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    seed(&s, 0, 3);
    s.sim->opt.query_timeout = true;
    sf_target(&s, "{ read: Account, fields: Name, lag: 0s, mode: rest, start: \"2026-01-01T00:00:00Z\" }", READ);
    sf_read(&s);
    assert_int_equal(s.rig.rc, TL_UPSTREAM);
    assert_true(s.sim->counts.queries > 5); /* halved down to a minute, then given up */
    assert_non_null(strstr(s.rig.err.text, "QUERY_TIMEOUT"));
    sf_stop(&s);
}

/* 11.8 Truncated answers: the page is asked for again by the next run, nothing of it was taken in. */
static void a_page_that_breaks_off_is_not_taken_in(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    seed(&s, 0, 50);
    sf_target(&s, "{ read: Account, fields: Name, lag: 0s }", READ);
    s.sim->opt.truncate_every = 1;
    sf_read(&s);
    assert_int_equal(s.rig.rc, TL_UPSTREAM);
    assert_int_equal(s.n_emitted, 0);
    s.sim->opt.truncate_every = 0;
    sf_read(&s);
    assert_int_equal(s.n_emitted, 50);
    sf_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_one_second_are_neither_lost_nor_repeated),
        cmocka_unit_test(a_read_that_was_cut_goes_on_behind_the_last_page_taken_in),
        cmocka_unit_test(a_lost_cursor_restarts_from_the_high_water_mark),
        cmocka_unit_test(a_young_record_waits_until_the_lag_is_over),
        cmocka_unit_test(a_second_is_read_when_it_is_over_also_without_a_lag),
        cmocka_unit_test(without_a_list_all_fields_are_read_and_a_deleted_record_says_so),
        cmocka_unit_test(wide_objects_are_read_in_columns),
        cmocka_unit_test(a_query_the_org_gives_up_on_is_asked_for_shorter_spans),
        cmocka_unit_test(a_page_that_breaks_off_is_not_taken_in),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
