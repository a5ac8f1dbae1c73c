/* SPDX-License-Identifier: Apache-2.0 */
/* Reading an object by query jobs of the Bulk API, against the simulator. */
#include "salesforce/test/sf_rig.h"

#define READ (1u << CONNECTOR_READ)
#define BULK "{ read: Account, fields: [Name, AnnualRevenue, ERP_Id__c], mode: bulk, lag: 0s, page: 200 }"

static void seed(struct sf_rig *s, int from, int to)
{
    for (int i = from; i < to; i++)
        (void)sf_add(s, "Account", tl_arena_printf(s->rig.conf, "{\"Name\":\"n%05d\",\"ERP_Id__c\":\"%d\"}", i, i));
}

/* The host's clock stands still: far ahead, so that everything is old enough. */
static void start(struct sf_rig *s, const char *source)
{
    sf_start(s, NULL, NULL);
    s->rig.clock.wall_ms = tl_clock_wall_ms(tl_clock_system()) + 60000;
    s->sim->opt.job_ms = 0;
    sf_target(s, source, READ);
}

static void expect_pending(struct sf_rig *s)
{
    if (s->rig.rc != TL_OK || !s->rig.call.pending)
        fail_msg("%s: %s, pending %d, at %s", tl_rc_name(s->rig.rc), s->rig.err.text, s->rig.call.pending, s->position);
    assert_true(s->rig.call.next_poll_ms >= 2000);
}

static void again(struct sf_rig *s)
{
    s->rig.call.pending = false; /* each run is a call of its own */
    sf_read(s);
}

static void expect_done(struct sf_rig *s)
{
    if (s->rig.rc != TL_OK || s->rig.call.pending)
        fail_msg("%s: %s, pending %d, at %s", tl_rc_name(s->rig.rc), s->rig.err.text, s->rig.call.pending, s->position);
    assert_null(strstr(s->position, "bulk"));
}

/* The one thing that must hold whatever was in a value: a job gives the record that a query gives. */
static void a_job_gives_the_same_records_as_a_query(void **state)
{
    static const char *const records[] = {
        "{\"Name\":\"comma, and \\\"quotes\\\"\",\"AnnualRevenue\":10.50}",
        "{\"Name\":\"line\\nbreak\\r\\nand \\\"\\\"\",\"Description\":\"\\\"\"}",
        "{\"Name\":\",\",\"Description\":\"ends in \\\"\",\"NumberOfEmployees\":7}",
        "{\"Name\":\"#N/A\",\"Description\":\"\\t tab\"}",
        "{\"Name\":\"\\u00fcn\\u00efc\\u00f6d\\u00e9 \\u2603\",\"AnnualRevenue\":0}",
        "{\"Name\":\"\\ufefffirst\"}",
    };
    const char *fields = "[Name, AnnualRevenue, NumberOfEmployees, Description, CreatedDate, IsDeleted]";
    struct sf_rig s;
    char *by_query;

    (void)state;
    sf_start(&s, NULL, NULL);
    s.rig.clock.wall_ms = tl_clock_wall_ms(tl_clock_system()) + 60000;
    s.sim->opt.job_ms = 0;
    for (size_t i = 0; i < TL_COUNT(records); i++)
        (void)sf_add(&s, "Account", records[i]);
    sf_target(&s, tl_arena_printf(s.rig.conf, "{ read: Account, fields: %s, mode: rest, lag: 0s }", fields), READ);
    sf_read(&s);
    assert_int_equal(s.n_emitted, TL_COUNT(records));
    by_query = s.emitted;
    s.emitted = NULL;
    s.position = (tl_free(s.position), NULL);
    sf_target(&s, tl_arena_printf(s.rig.conf, "{ read: Account, fields: %s, mode: bulk, lag: 0s }", fields), READ);
    sf_read(&s);
    expect_pending(&s);
    again(&s);
    expect_done(&s);
    assert_string_equal(s.emitted, by_query);
    tl_free(by_query);
    sf_stop(&s);
}

static void a_job_under_way_is_asked_after_and_not_made_again(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s, BULK);
    seed(&s, 0, 30);
    s.sim->opt.job_ms = 3600000;
    sf_read(&s);
    expect_pending(&s);
    assert_int_equal(s.emits, 1); /* the job is in the position before anything else */
    assert_non_null(strstr(s.position, " bulk 750"));
    for (int i = 0; i < 3; i++) { /* each of them may follow a restart: nothing but the position is known */
        again(&s);
        expect_pending(&s);
    }
    s.sim->opt.job_ms = 0;
    again(&s);
    expect_done(&s);
    assert_int_equal(s.n_emitted, 30);
    assert_int_equal(s.sim->counts.query_jobs, 1);
    again(&s); /* nothing changed since: no job for nothing */
    expect_done(&s);
    assert_int_equal(s.sim->counts.query_jobs, 1);
    seed(&s, 30, 31);
    s.rig.clock.wall_ms += 60000;
    assert_int_equal(store_exec(sfsim_db_store(s.sim->db),
                                "UPDATE record SET modified=modified+90000 WHERE body LIKE '%n00030%'", NULL),
                     TL_OK);
    again(&s);
    expect_pending(&s);
    again(&s);
    expect_done(&s);
    assert_int_equal(s.n_emitted, 31);
    sf_stop(&s);
}

static void pages_go_on_behind_the_last_one_taken_in(void **state)
{
    struct sf_rig s;
    size_t calls;

    (void)state;
    start(&s, BULK);
    seed(&s, 0, 1050);
    sf_read(&s);
    expect_pending(&s);
    s.fail_emit_at = 3; /* the job, a page, and then we are cut off */
    again(&s);
    assert_int_equal(s.rig.rc, TL_STALE);
    assert_int_equal(s.n_emitted, 1000);
    calls = s.sim->counts.rows;
    again(&s);
    expect_done(&s);
    assert_int_equal(s.n_emitted, 1050);
    assert_int_equal(s.sim->counts.rows - calls, 50); /* the first page was not fetched again */
    assert_int_equal(s.sim->counts.query_jobs, 1);
    sf_stop(&s);
}

static void a_locator_the_org_has_forgotten_begins_the_pages_anew(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s, BULK);
    seed(&s, 0, 1050);
    sf_read(&s);
    s.fail_emit_at = 3;
    again(&s);
    s.sim->opt.lose_cursors = true;
    again(&s); /* the first page comes again; the second has a locator that is not known either */
    assert_int_equal(s.rig.rc, TL_INVALID);
    s.sim->opt.lose_cursors = false;
    again(&s);
    expect_done(&s);
    assert_true(sf_emitted(&s, "n00000") && sf_emitted(&s, "n01049"));
    assert_int_equal(s.sim->counts.query_jobs, 1);
    sf_stop(&s);
}

static void many_records_become_a_job_by_themselves_and_few_do_not(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s, "{ read: Account, fields: Name, lag: 0s, page: 200, bulk_from: 300 }");
    seed(&s, 0, 450);
    sf_read(&s);
    expect_done(&s);
    assert_int_equal(s.sim->counts.query_jobs, 0); /* 250 behind the first page */
    s.position = (tl_free(s.position), NULL);
    seed(&s, 450, 600);
    again(&s);
    expect_pending(&s);
    assert_int_equal(s.n_emitted, 450 + 200); /* the page that told how many there are was taken in */
    again(&s);
    expect_done(&s);
    assert_int_equal(s.n_emitted, 450 + 600);
    assert_int_equal(s.sim->counts.query_jobs, 1);
    sf_stop(&s);
}

/* 11.7 QUERY_TIMEOUT / huge objects: shorter spans, then a job. */
static void a_query_that_takes_the_org_too_long_becomes_a_job(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s, "{ read: Account, fields: Name, lag: 0s }");
    seed(&s, 0, 10);
    s.sim->opt.query_timeout = true;
    sf_read(&s);
    expect_pending(&s);
    again(&s);
    expect_done(&s);
    assert_int_equal(s.n_emitted, 10);
    sf_stop(&s);
}

static void an_object_without_jobs_is_read_by_queries(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s, "{ read: Account, fields: Name, lag: 0s, page: 200, bulk_from: 1 }");
    seed(&s, 0, 450);
    s.sim->opt.no_query_jobs = true;
    sf_read(&s);
    expect_done(&s);
    assert_int_equal(s.n_emitted, 450);
    sf_target(&s, BULK, READ); /* by hand: then it is said */
    s.position = (tl_free(s.position), NULL);
    again(&s);
    assert_int_equal(s.rig.rc, TL_INVALID);
    assert_non_null(strstr(s.rig.err.text, "not supported by the Bulk API"));
    sf_stop(&s);
}

static void a_failed_job_is_said_and_the_next_read_begins_where_it_began(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s, BULK);
    seed(&s, 0, 3);
    s.sim->opt.job_fails = true;
    sf_read(&s);
    expect_pending(&s);
    again(&s);
    assert_int_equal(s.rig.rc, TL_UPSTREAM);
    assert_non_null(strstr(s.rig.err.text, "InternalServerError"));
    assert_int_equal(s.rig.err.retry_after_ms, 60000);
    assert_null(strstr(s.position, "bulk"));
    s.sim->opt.job_fails = false;
    again(&s);
    expect_pending(&s);
    again(&s);
    expect_done(&s);
    assert_int_equal(s.n_emitted, 3);
    sf_stop(&s);
}

static void a_job_that_is_gone_after_seven_days_is_made_again(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s, BULK);
    seed(&s, 0, 3);
    sf_read(&s);
    s.sim->opt.lose_jobs = true;
    again(&s);
    expect_pending(&s);
    s.sim->opt.lose_jobs = false;
    again(&s);
    expect_done(&s);
    assert_int_equal(s.n_emitted, 3);
    assert_int_equal(s.sim->counts.query_jobs, 2);
    sf_stop(&s);
}

static void a_job_for_another_question_is_aborted(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s, BULK);
    seed(&s, 0, 3);
    s.sim->opt.job_ms = 3600000;
    sf_read(&s);
    expect_pending(&s);
    sf_target(&s, "{ read: Account, fields: [Name, Site], mode: bulk, lag: 0s }", READ);
    again(&s);
    expect_pending(&s);
    assert_int_equal(s.sim->counts.aborted, 1);
    assert_int_equal(s.sim->counts.query_jobs, 2);
    sf_target(&s, "{ read: Account, fields: Name, mode: rest, lag: 0s }", READ); /* no jobs any more */
    again(&s);
    expect_done(&s);
    assert_int_equal(s.sim->counts.aborted, 2);
    assert_int_equal(s.n_emitted, 3);
    sf_stop(&s);
}

/* The position did not get to the disk: nobody will come back for this job. */
static void a_job_whose_position_is_not_kept_is_aborted(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s, BULK);
    seed(&s, 0, 3);
    s.sim->opt.job_ms = 3600000;
    s.fail_emit_at = 1;
    sf_read(&s);
    assert_int_equal(s.rig.rc, TL_STALE);
    assert_int_equal(s.sim->counts.aborted, 1);
    sf_stop(&s);
}

/* 11.8 Truncated stream. */
static void a_page_of_a_job_that_breaks_off_is_not_taken_in(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s, BULK);
    seed(&s, 0, 50);
    sf_read(&s);
    again(&s);
    expect_done(&s);
    s.position = (tl_free(s.position), NULL);
    s.n_emitted = 0;
    sf_read(&s);
    s.rig.call.pending = false;
    s.sim->opt.truncate_every = 2; /* the job itself is told, its page is not */
    s.sim->cut = 0;
    sf_read(&s);
    assert_int_equal(s.rig.rc, TL_UPSTREAM);
    assert_int_equal(s.n_emitted, 0);
    s.sim->opt.truncate_every = 0;
    again(&s);
    expect_done(&s);
    assert_int_equal(s.n_emitted, 50);
    sf_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_gives_the_same_records_as_a_query),
        cmocka_unit_test(a_job_under_way_is_asked_after_and_not_made_again),
        cmocka_unit_test(pages_go_on_behind_the_last_one_taken_in),
        cmocka_unit_test(a_locator_the_org_has_forgotten_begins_the_pages_anew),
        cmocka_unit_test(many_records_become_a_job_by_themselves_and_few_do_not),
        cmocka_unit_test(a_query_that_takes_the_org_too_long_becomes_a_job),
        cmocka_unit_test(an_object_without_jobs_is_read_by_queries),
        cmocka_unit_test(a_failed_job_is_said_and_the_next_read_begins_where_it_began),
        cmocka_unit_test(a_job_that_is_gone_after_seven_days_is_made_again),
        cmocka_unit_test(a_job_for_another_question_is_aborted),
        cmocka_unit_test(a_job_whose_position_is_not_kept_is_aborted),
        cmocka_unit_test(a_page_of_a_job_that_breaks_off_is_not_taken_in),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
