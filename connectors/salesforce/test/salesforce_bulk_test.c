/* SPDX-License-Identifier: Apache-2.0 */
/* Bulk jobs against the simulator: started, cut off, resumed, matched; and the CSV they are made of. */
#include "salesforce/test/sf_rig.h"

#define WRITE (1u << CONNECTOR_WRITE)
#define UPSERT "{ upsert: Account, external_id: ERP_Id__c, mode: bulk }"

static void start(struct sf_rig *s, const char *target)
{
    sf_start(s, NULL, NULL);
    s->sim->opt.job_ms = 0;
    sf_target(s, target, WRITE);
}

/* What the host does at the next poll: the ticket, the ids of the members, nothing else. */
static void resume(struct sf_rig *s, connector_fn *fn)
{
    struct connector_record members[RIG_RECORDS];

    memcpy(members, s->rig.records, sizeof members);
    for (size_t i = 0; i < s->rig.call.n; i++)
        s->rig.records[i] = (struct connector_record){.event = members[i].event, .delivery = members[i].delivery};
    s->rig.call.ticket = tl_arena_sv(s->rig.conf, tl_sv(s->ticket, s->ticket_n));
    s->rig.fn = fn;
    rig_run(&s->rig);
    s->rig.fn = NULL;
    memcpy(s->rig.records, members, sizeof members);
}

static void expect_pending(struct sf_rig *s)
{
    if (s->rig.rc != TL_OK || !s->rig.call.pending || s->rig.verdicts[0].end != CONNECTOR_NONE)
        fail_msg("%s: %s, pending %d, end %d: %.*s", tl_rc_name(s->rig.rc), s->rig.err.text, s->rig.call.pending,
                 s->rig.verdicts[0].end, TL_SV_ARG(s->rig.verdicts[0].text));
}

static const char *const rows[] = {
    "{\"ERP_Id__c\":\"1\",\"Name\":\"Comma, \\\"quote\\\"\\nand line\",\"AnnualRevenue\":12.50}",
    "{\"ERP_Id__c\":\"2\"}",
    "{\"ERP_Id__c\":\"3\",\"Name\":\" kept \",\"Parent\":{\"ERP_Id__c\":\"0\"}}",
    "{\"ERP_Id__c\":\"1\",\"Name\":\"the same key\"}",
    "{\"Name\":\"no key\"}",
    "{\"ERP_Id__c\":\"6\",\"Name\":\"x\",\"Site\":null}",
};

static void a_job_is_matched_row_by_row_by_the_key(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s, UPSERT);
    assert_int_equal(s.rig.facilities.batch_count, 10000);
    (void)sf_add(&s, "Account", "{\"Name\":\"group\",\"ERP_Id__c\":\"0\"}");
    (void)sf_add(&s, "Account", "{\"Name\":\"six\",\"ERP_Id__c\":\"6\",\"Site\":\"old\"}");
    sf_write(&s, rows, TL_COUNT(rows));
    expect_pending(&s);
    assert_int_equal(s.n_tickets, 1);
    assert_int_equal(s.rig.verdicts[3].end, CONNECTOR_INNOCENT);
    sf_expect(&s, 4, CONNECTOR_FAILED, TL_INVALID, "no key");
    s.rig.call.n = 4; /* members 0 to 3 stay with the job; 3 is not in it */
    resume(&s, s.rig.chosen.operation->resume);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    assert_int_equal(s.rig.verdicts[0].answer.n, 18);
    sf_expect(&s, 1, CONNECTOR_FAILED, TL_INVALID, "REQUIRED_FIELD_MISSING");
    sf_expect(&s, 2, CONNECTOR_DONE, TL_OK, NULL);
    assert_string_equal(sf_first(&s, "SELECT Name FROM Account WHERE ERP_Id__c = '1'", "Name"),
                        "Comma, \"quote\"\nand line");
    assert_string_equal(sf_first(&s, "SELECT Name FROM Account WHERE Parent.ERP_Id__c = '0'", "Name"), "kept");
    assert_string_equal(sf_first(&s, "SELECT Site FROM Account WHERE ERP_Id__c = '6'", "Site"), "null");
    assert_int_equal(s.sim->counts.jobs, 1);
    sf_stop(&s);
}

static void new_records_are_matched_by_all_their_values(void **state)
{
    static const char *const leads[] = {"{\"LastName\":\"A\",\"Company\":\"c\"}", "{\"LastName\":\"B\"}",
                                        "{\"LastName\":\"C\",\"Company\":\"c\"}"};
    struct sf_rig s;

    (void)state;
    start(&s, "{ create: Lead, mode: bulk }");
    sf_write(&s, leads, 3);
    expect_pending(&s);
    resume(&s, s.rig.chosen.operation->resume);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    sf_expect(&s, 1, CONNECTOR_FAILED, TL_INVALID, "REQUIRED_FIELD_MISSING");
    sf_expect(&s, 2, CONNECTOR_DONE, TL_OK, NULL);
    assert_int_equal(sf_count(&s, "SELECT COUNT() FROM Lead"), 2);
    sf_stop(&s);
}

static void a_job_that_is_not_done_is_polled_and_never_submitted_twice(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s, UPSERT);
    s.sim->opt.job_ms = 3600000;
    sf_write(&s, rows, 1);
    expect_pending(&s);
    for (int i = 0; i < 3; i++) {
        resume(&s, s.rig.chosen.operation->resume);
        expect_pending(&s);
        assert_true(s.rig.call.next_poll_ms >= 2000);
    }
    s.sim->opt.job_ms = 0;
    s.sim->opt.fail = 1; /* the org is ill for a moment: ask again, do not decide */
    resume(&s, s.rig.chosen.operation->resume);
    expect_pending(&s);
    s.sim->opt.fail = 0;
    resume(&s, s.rig.chosen.operation->resume);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    assert_int_equal(s.sim->counts.jobs, 1);
    assert_int_equal(s.sim->counts.created, 1);
    sf_stop(&s);
}

/* The ticket was written, then we were killed before the job was closed: nothing was done, all comes again. */
static void a_job_that_was_never_closed_is_aborted_and_its_records_come_again(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s, UPSERT);
    sf_write(&s, rows, 1);
    expect_pending(&s);
    assert_int_equal(store_exec(sfsim_db_store(s.sim->db), "UPDATE job SET body=json_set(body,'$.state','Open')", NULL),
                     TL_OK);
    resume(&s, s.rig.chosen.operation->resume);
    assert_int_equal(s.rig.rc, TL_OK);
    assert_int_equal(s.rig.verdicts[0].end, CONNECTOR_INNOCENT);
    sf_stop(&s);
}

/* 11.9 The CSV is refused as a whole; 11.10 rows that were not processed come again. */
static void a_failed_job_and_unprocessed_rows_are_told_apart(void **state)
{
    static const char *const bad[] = {"{\"ERP_Id__c\":\"1\",\"Nmae\":\"x\"}", "{\"ERP_Id__c\":\"2\",\"Name\":\"y\"}"};
    struct sf_rig s;

    (void)state;
    start(&s, UPSERT);
    sf_write(&s, bad, 2);
    expect_pending(&s);
    resume(&s, s.rig.chosen.operation->resume);
    assert_int_equal(s.rig.verdicts[0].end, CONNECTOR_INNOCENT); /* which one it was shows in half the company */
    assert_true(tl_sv_find_sv(s.rig.verdicts[0].text, TL_SV("Field name not found : Nmae")) < s.rig.verdicts[0].text.n);
    sf_write(&s, bad, 1);
    resume(&s, s.rig.chosen.operation->resume);
    sf_expect(&s, 0, CONNECTOR_FAILED, TL_INVALID, "Field name not found");
    s.sim->opt.unprocessed = 1;
    sf_write(&s, bad + 1, 1);
    resume(&s, s.rig.chosen.operation->resume);
    sf_expect(&s, 0, CONNECTOR_INNOCENT, TL_CONFLICT, "did not process");
    s.sim->opt.unprocessed = 0;
    s.sim->opt.job_fails = true;
    sf_write(&s, bad + 1, 1);
    resume(&s, s.rig.chosen.operation->resume);
    sf_expect(&s, 0, CONNECTOR_FAILED, TL_UPSTREAM, "failed as told");
    sf_stop(&s);
}

static void a_cancelled_job_is_aborted(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s, UPSERT);
    s.sim->opt.job_ms = 3600000;
    sf_write(&s, rows, 1);
    resume(&s, s.rig.chosen.operation->abort);
    assert_int_equal(s.rig.rc, TL_OK);
    s.sim->opt.job_ms = 0;
    resume(&s, s.rig.chosen.operation->abort); /* once more does no harm */
    assert_int_equal(s.rig.rc, TL_OK);
    sf_stop(&s);
}

static void automatic_mode_sends_few_records_as_collections(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s, "{ upsert: Account, external_id: ERP_Id__c, mode: auto }");
    sf_write(&s, rows, 1);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    assert_int_equal(s.sim->counts.jobs, 0);
    sf_stop(&s);
}

/* ---- CSV ---- */

static void every_quoting_case_comes_back_as_it_was(void **state)
{
    static const char *const cells[] = {"plain", "",       "a,b",    "say \"hi\"", "\"",       "\"\"", "line\nbreak",
                                        "\r\n",  " blank", "blank ", "#N/A",       "\xc3\xa4", ",",    "\"a\",\n\"b\""};
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct tl_sv got[TL_COUNT(cells) + 1];
    struct tl_err err = {0};
    struct tl_buf b;
    struct tl_csv c;
    size_t n;

    (void)state;
    tl_buf_init(&b, 1 << 16);
    tl_buf_puts(&b, "\xef\xbb\xbfhead\n");
    for (size_t i = 0; i < TL_COUNT(cells); i++) {
        tl_buf_puts(&b, i ? "," : "");
        assert_true(tl_csv_cell(&b, tl_sv_str(cells[i]), ','));
    }
    tl_buf_puts(&b, "\r\nlast,row");
    tl_csv_init(&c, tl_buf_view(&b), ',');
    assert_int_equal(tl_csv_row(&c, a, got, TL_COUNT(got), &n, &err), TL_OK);
    assert_true(n == 1 && tl_sv_eqs(got[0], "head"));
    assert_int_equal(tl_csv_row(&c, a, got, TL_COUNT(got), &n, &err), TL_OK);
    assert_int_equal(n, TL_COUNT(cells));
    for (size_t i = 0; i < n; i++)
        if (!tl_sv_eqs(got[i], cells[i]))
            fail_msg("cell %zu: %.*s", i, TL_SV_ARG(got[i]));
    assert_int_equal(tl_csv_row(&c, a, got, TL_COUNT(got), &n, &err), TL_OK);
    assert_true(n == 2 && tl_sv_eqs(got[1], "row"));
    assert_int_equal(tl_csv_row(&c, a, got, TL_COUNT(got), &n, &err), TL_OK);
    assert_int_equal(n, 0);
    assert_false(tl_csv_cell(&b, tl_sv("a\0b", 3), ','));
    tl_buf_done(&b);
    tl_arena_free(a);
}

static void broken_csv_is_an_error_with_its_row(void **state)
{
    static const char *const texts[] = {"a\n\"open", "a\n\"x\"y,z", "a\n1,2,3,4"};
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct tl_sv got[3];
    size_t n;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(texts); i++) {
        struct tl_err err = {0};
        struct tl_csv c;

        tl_csv_init(&c, tl_sv_str(texts[i]), ',');
        assert_int_equal(tl_csv_row(&c, a, got, 3, &n, &err), TL_OK);
        assert_int_equal(tl_csv_row(&c, a, got, 3, &n, &err), TL_PARSE);
        assert_non_null(strstr(err.text, "row 2"));
    }
    tl_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_is_matched_row_by_row_by_the_key),
        cmocka_unit_test(new_records_are_matched_by_all_their_values),
        cmocka_unit_test(a_job_that_is_not_done_is_polled_and_never_submitted_twice),
        cmocka_unit_test(a_job_that_was_never_closed_is_aborted_and_its_records_come_again),
        cmocka_unit_test(a_failed_job_and_unprocessed_rows_are_told_apart),
        cmocka_unit_test(a_cancelled_job_is_aborted),
        cmocka_unit_test(automatic_mode_sends_few_records_as_collections),
        cmocka_unit_test(every_quoting_case_comes_back_as_it_was),
        cmocka_unit_test(broken_csv_is_an_error_with_its_row),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
