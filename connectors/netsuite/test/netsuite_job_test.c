/* SPDX-License-Identifier: Apache-2.0 */
/* async jobs: tickets, polls, and whose answer is whose */
#include "account.h"

#define ORDER                                                                                                          \
    "{\"orderNumber\":\"S-1\",\"entity\":{\"externalId\":\"C-1\"},\"item\":{\"items\":[{\"item\":{\"externalId\":"     \
    "\"SKU-1\"},\"quantity\":2,\"rate\":4.5}]}}"

static void an_async_job_is_pending_then_done_and_never_made_twice(void **state)
{
    struct nsim_options slow = nsim_defaults();
    struct account a;

    (void)state;
    slow.job_delay = 3600000;
    account_open(&a, &slow, NULL);
    account_target(&a, "{ create: salesOrder, external_id: orderNumber, async: true }");
    assert_int_equal(a.rig.facilities.idempotency, CONNECTOR_IDEMPOTENT_KEY);
    assert_int_equal(account_write(&a, ORDER), TL_OK);
    assert_true(a.rig.call.pending);
    assert_int_equal(a.rig.call.next_poll_ms, 1000);
    assert_int_equal(account_write(&a, ORDER), TL_OK); /* the process died before the ticket was kept: the same job */
    assert_true(a.rig.call.pending);
    assert_int_equal(a.sim->counts.jobs, 1);
    assert_int_equal(account_resume(&a), TL_OK); /* not yet */
    assert_true(a.rig.call.pending);
    assert_int_equal(a.rig.call.next_poll_ms, 2000);
    assert_int_equal(store_exec(a.sim->db, "UPDATE job SET done_at=0", NULL), TL_OK);
    assert_int_equal(account_resume(&a), TL_OK);
    assert_false(a.rig.call.pending);
    assert_int_equal(a.verdict->end, CONNECTOR_DONE);
    assert_true(tl_sv_eqs(a.verdict->answer, "1"));
    assert_int_equal(account_records(&a, "salesOrder").n, 1);
    account_close(&a);
}

#define ITEM(n, sku)                                                                                                   \
    "{\"n\":\"" n "\",\"entity\":{\"externalId\":\"C-1\"},\"item\":{\"items\":[{\"item\":{\"externalId\":\"" sku       \
    "\"},\"rate\":4}]}}"

#define NO_CUSTOMER(n)                                                                                                 \
    "{\"n\":\"" n "\",\"entity\":{\"externalId\":\"C-9\"},\"item\":{\"items\":[{\"item\":{\"externalId\":"             \
    "\"SKU-1\"},\"rate\":4}]}}"

static enum tl_rc write_many(struct account *a, const char *const *records, size_t n)
{
    a->rig.fn = NULL;
    rig_records(&a->rig, records, n);
    for (size_t i = 0; i < n; i++)
        a->rig.records[i].key = tl_sv_str(tl_arena_printf(a->rig.conf, "e%zu", i));
    rig_run(&a->rig);
    return a->rig.rc;
}

#define BATCH "{ upsert: salesOrder, external_id: n, async: true, batch: 10 }"
/* An account whose jobs are done when they are asked after, and a target in it. */
static void open_at_once(struct account *a, const char *target)
{
    struct nsim_options o = nsim_defaults();

    o.job_delay = 0;
    account_open(a, &o, NULL);
    account_target(a, target);
}

static enum tl_rc next_resume(struct account *a)
{
    enum tl_rc rc;

    memset(a->rig.verdicts, 0, sizeof a->rig.verdicts);
    a->rig.call.pending = false;
    rc = account_resume(a);
    if (rc != TL_OK)
        fail_msg("%s", account_text(a));
    return rc;
}

/* As the host does: who has a verdict has left the job, the others are asked after again. */
static void go_on(struct account *a, enum connector_end *seen, size_t n)
{
    a->rig.call.n = 0;
    for (size_t i = 0; i < n; i++)
        if (seen[i] == CONNECTOR_NONE)
            a->rig.records[a->rig.call.n++] = (struct connector_record){.delivery = i + 1, .event = i + 1};
    (void)next_resume(a);
    for (size_t i = 0; i < a->rig.call.n; i++)
        if (a->rig.verdicts[i].end != CONNECTOR_NONE)
            seen[a->rig.records[i].delivery - 1] = a->rig.verdicts[i].end;
}

static void write_and_end(struct account *a, const char *const *records, size_t n)
{
    if (write_many(a, records, n) != TL_OK || !a->rig.call.pending)
        fail_msg("%s", account_text(a));
    (void)next_resume(a);
    assert_false(a->rig.call.pending);
}

static void many_records_are_one_job_and_each_has_its_own_verdict(void **state)
{
    static const char *const records[] = {ITEM("S-1", "SKU-1"), ITEM("S-2", "SKU-9"), ITEM("S-3", "SKU-1")};
    struct account a;
    struct nsim_options o = nsim_defaults();

    (void)state;
    o.job_delay = 0;
    for (int how = 0; how < 4; how++) { /* whatever the list of tasks looks like */
        o.shuffle_tasks = how & 1;
        o.bare_tasks = how & 2;
        account_open(&a, &o, NULL);
        account_target(&a, BATCH);
        assert_int_equal(a.rig.facilities.batch_count, 10);
        for (int i = 0; i < 2; i++) { /* created, then updated */
            write_and_end(&a, records, 3);
            assert_int_equal(a.rig.verdicts[0].end, CONNECTOR_DONE);
            assert_int_equal(a.rig.verdicts[1].end, CONNECTOR_FAILED); /* its item is not there */
            assert_int_equal(a.rig.verdicts[1].rc, TL_INVALID);
            assert_non_null(strstr(a.rig.verdicts[1].text.p, "item.items[0].item"));
            assert_int_equal(a.rig.verdicts[2].end, CONNECTOR_DONE);
            assert_true(netsuite__is_number(a.rig.verdicts[0].answer));
            assert_false(tl_sv_eq(a.rig.verdicts[0].answer, a.rig.verdicts[2].answer));
        }
        assert_int_equal(a.sim->counts.jobs, 1); /* the same records with the same attempt: the same job */
        assert_int_equal(account_records(&a, "salesOrder").n, 2);
        assert_int_equal(json_gets(json_gets(json_at(account_records(&a, "salesOrder"), 0), "item"), "items").n, 1);
        account_close(&a);
    }
}

static void when_all_of_a_job_are_done_nothing_more_is_asked(void **state)
{
    static const char *const records[] = {ITEM("S-1", "SKU-1"), ITEM("S-2", "SKU-2")};
    struct account a;
    uint64_t before;

    (void)state;
    open_at_once(&a, BATCH);
    assert_int_equal(write_many(&a, records, 2), TL_OK);
    before = a.sim->counts.received;
    (void)next_resume(&a);
    assert_int_equal(a.sim->counts.received - before, 2); /* the job, its tasks */
    assert_int_equal(a.rig.verdicts[0].end, CONNECTOR_DONE);
    assert_int_equal(a.rig.verdicts[1].end, CONNECTOR_DONE);
    account_close(&a);
}

static void refusals_in_different_words_come_again_alone(void **state)
{
    static const char *const records[] = {ITEM("S-1", "SKU-9"), ITEM("S-2", "SKU-1"), NO_CUSTOMER("S-3")};
    struct account a;

    (void)state;
    open_at_once(&a, BATCH);
    write_and_end(&a, records, 3);
    assert_int_equal(a.rig.verdicts[0].end, CONNECTOR_INNOCENT);
    assert_int_equal(a.rig.verdicts[1].end, CONNECTOR_DONE);
    assert_int_equal(a.rig.verdicts[2].end, CONNECTOR_INNOCENT);
    write_and_end(&a, records + 2, 1); /* alone it gets its own words */
    assert_int_equal(a.verdict->end, CONNECTOR_FAILED);
    assert_non_null(strstr(account_text(&a), "[entity]"));
    account_close(&a);
}

static void refusals_in_the_same_words_need_no_second_job(void **state)
{
    static const char *const records[] = {ITEM("S-5", "SKU-9"), ITEM("S-6", "SKU-2"), ITEM("S-7", "SKU-9")};
    struct account a;

    (void)state;
    open_at_once(&a, BATCH);
    write_and_end(&a, records, 3);
    assert_int_equal(a.rig.verdicts[0].end, CONNECTOR_FAILED);
    assert_int_equal(a.rig.verdicts[1].end, CONNECTOR_DONE);
    assert_int_equal(a.rig.verdicts[2].end, CONNECTOR_FAILED);
    account_close(&a);
}

static void updates_by_internal_id_of_a_job_have_their_own_verdicts(void **state)
{
    static const char *const records[] = {"{\"id\":\"99\",\"email\":\"x@y.example\"}",
                                          "{\"id\":\"1\",\"email\":\"x@y.example\"}"};
    struct account a;

    (void)state;
    open_at_once(&a, "{ update: customer, id: id, async: true, batch: 10 }");
    write_and_end(&a, records, 2);
    assert_int_equal(a.rig.verdicts[0].end, CONNECTOR_FAILED);
    assert_non_null(strstr(account_text(&a), "NONEXISTENT_ID"));
    assert_int_equal(a.rig.verdicts[1].end, CONNECTOR_DONE);
    assert_true(tl_sv_eqs(a.rig.verdicts[1].answer, "1"));
    account_close(&a);
}

/* Members are cancelled while their job runs: who is left must not get another's verdict. */
static void the_one_that_is_left_of_a_job_gets_its_own_verdict(void **state)
{
    static const char *const records[] = {ITEM("S-1", "SKU-1"), ITEM("S-2", "SKU-9")};
    struct account a;

    (void)state;
    open_at_once(&a, BATCH);
    assert_int_equal(write_many(&a, records, 2), TL_OK);
    a.rig.records[0] = a.rig.records[1];
    a.rig.call.n = 1;
    (void)next_resume(&a);
    assert_int_equal(a.verdict->end, CONNECTOR_FAILED);
    assert_non_null(strstr(account_text(&a), "item.items[0].item"));
    account_close(&a);
}

static void records_that_do_not_go_together_wait_for_the_next_job(void **state)
{
    static const char *const records[] = {ITEM("S-1", "SKU-1"), "{\"n\":\"S-2\",\"memo\":\"no lines\"}",
                                          ITEM("s-1", "SKU-2"), "{\"n\":\"S 3\"}", ITEM("S-4", "SKU-2")};
    static const enum connector_end ends[] = {CONNECTOR_NONE, CONNECTOR_INNOCENT, CONNECTOR_INNOCENT, CONNECTOR_FAILED,
                                              CONNECTOR_NONE};
    struct account a;

    (void)state;
    open_at_once(&a, BATCH);
    assert_int_equal(write_many(&a, records, 5), TL_OK);
    assert_true(a.rig.call.pending);
    assert_false(a.rig.call.not_sent);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(a.rig.verdicts[i].end, ends[i]);
    a.rig.records[1] = a.rig.records[4]; /* those that are members of the job */
    a.rig.call.n = 2;
    (void)next_resume(&a);
    assert_int_equal(a.rig.verdicts[0].end, CONNECTOR_DONE);
    assert_int_equal(a.rig.verdicts[1].end, CONNECTOR_DONE);
    assert_int_equal(account_records(&a, "salesOrder").n, 2);
    account_close(&a);
}

static void tasks_that_do_not_add_up_are_an_unknown_outcome(void **state)
{
    static const char *const records[] = {ITEM("S-1", "SKU-1"), ITEM("S-2", "SKU-9"), ITEM("S-3", "SKU-8")};
    struct account a;

    (void)state;
    open_at_once(&a, BATCH);
    assert_int_equal(write_many(&a, records, 3), TL_OK);
    assert_int_equal(store_exec(a.sim->db, "DELETE FROM task WHERE no=2", NULL), TL_OK);
    (void)next_resume(&a);
    assert_int_equal(a.rig.verdicts[0].end, CONNECTOR_DONE);
    assert_int_equal(a.rig.verdicts[1].end, CONNECTOR_NONE); /* so the host takes them */
    assert_int_equal(a.rig.verdicts[2].end, CONNECTOR_NONE);
    account_close(&a);
}

static void a_ticket_of_the_version_before_is_understood(void **state)
{
    static const char *const records[] = {ITEM("S-1", "SKU-1"), ITEM("S-2", "SKU-2"), ITEM("S-3", "SKU-9")};
    struct account a;

    (void)state;
    open_at_once(&a, BATCH);
    for (size_t n = 3; n > 0; n--) { /* all but one done; all done; one */
        assert_int_equal(write_many(&a, records, n), TL_OK);
        a.rig.call.new_ticket =
            tl_sv_str(tl_arena_printf(a.rig.conf, "{\"job\":\"%d\",\"polls\":3}", (int)a.sim->counts.jobs));
        (void)next_resume(&a);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(a.rig.verdicts[i].end, n == 3 ? CONNECTOR_INNOCENT : CONNECTOR_DONE);
    }
    account_close(&a);
}

/* A job goes on whatever its polls meet; made again meanwhile, an old one could overwrite what is newer. */
static void a_poll_that_fails_leaves_the_job_pending(void **state)
{
    static const char *const records[] = {ITEM("S-1", "SKU-1"), ITEM("S-2", "SKU-9")};
    enum connector_end seen[2] = {CONNECTOR_NONE};
    struct account a;

    (void)state;
    open_at_once(&a, BATCH);
    assert_int_equal(write_many(&a, records, 2), TL_OK);
    a.sim->opt.limit = 0; /* 429 */
    (void)next_resume(&a);
    assert_true(a.rig.call.pending);
    assert_true(a.rig.call.feedback.too_many_at_once);
    a.sim->opt.limit = 5;
    a.sim->opt.fail = 1;
    for (int status = 500; status < 504; status += 3) { /* UNEXPECTED_ERROR; maintenance */
        a.sim->opt.status = status;
        (void)next_resume(&a);
        assert_true(a.rig.call.pending);
        assert_int_equal(a.verdict->end, CONNECTOR_NONE);
    }
    assert_in_range(a.rig.call.next_poll_ms, 8000, 30000);
    a.sim->opt.fail = 0.4; /* some of its questions fail: what is known by then is kept */
    for (int i = 0; i < 40 && a.rig.call.pending; i++)
        go_on(&a, seen, 2);
    assert_false(a.rig.call.pending);
    assert_int_equal(seen[0], CONNECTOR_DONE);
    assert_int_equal(seen[1], CONNECTOR_FAILED);
    assert_int_equal(a.sim->counts.jobs, 1);
    account_close(&a);
}

/* One bad record among sixteen takes some fifty questions, of which every fourth fails here. */
static void what_is_known_of_a_large_job_is_kept_from_poll_to_poll(void **state)
{
    const char *records[RIG_RECORDS];
    enum connector_end seen[RIG_RECORDS] = {CONNECTOR_NONE};
    struct account a;
    int polls = 0;

    (void)state;
    open_at_once(&a, "{ upsert: salesOrder, external_id: n, async: true, batch: 100 }");
    for (size_t i = 0; i < RIG_RECORDS; i++)
        records[i] = tl_arena_printf(a.rig.conf,
                                     "{\"n\":\"S-%zu\",\"entity\":{\"externalId\":\"C-%d\"},\"item\":{\"items\":[{"
                                     "\"item\":{\"externalId\":\"SKU-1\"},\"rate\":4}]}}",
                                     i, i == 5 ? 9 : 1);
    assert_int_equal(write_many(&a, records, RIG_RECORDS), TL_OK);
    a.sim->opt.fail = 0.25;
    a.sim->opt.bare_tasks = true;
    for (; polls < 500 && a.rig.call.pending; polls++)
        go_on(&a, seen, RIG_RECORDS);
    assert_false(a.rig.call.pending);
    for (size_t i = 0; i < RIG_RECORDS; i++)
        assert_int_equal(seen[i], i == 5 ? CONNECTOR_FAILED : CONNECTOR_DONE);
    assert_in_range(polls, 2, RIG_RECORDS); /* each brought some news */
    account_close(&a);
}

static void a_job_that_netsuite_forgot_is_an_unknown_outcome(void **state)
{
    static const char *const records[] = {ITEM("S-1", "SKU-1")};
    struct account a;

    (void)state;
    open_at_once(&a, BATCH);
    assert_int_equal(write_many(&a, records, 1), TL_OK);
    assert_int_equal(store_exec(a.sim->db, "DELETE FROM job", NULL), TL_OK);
    assert_int_equal(account_resume(&a), TL_UNKNOWN_OUTCOME);
    account_close(&a);
}

/* A lock is met by the task, not by the request; the records after it are not held up. */
static void a_lock_within_a_job_is_tried_again(void **state)
{
    static const char *const records[] = {ITEM("S-1", "SKU-1")};
    struct account a;

    (void)state;
    open_at_once(&a, BATCH);
    a.sim->opt.lock = 1;
    write_and_end(&a, records, 1);
    assert_int_equal(a.verdict->end, CONNECTOR_FAILED);
    assert_int_equal(tl_rc_class(a.verdict->rc), TL_CLASS_TRANSIENT);
    account_close(&a);
}

static const char *const of_late[] = {"{\"n\":\"S-1\",\"entity\":{\"externalId\":\"LATE\"},\"item\":{\"items\":[{"
                                      "\"item\":{\"externalId\":\"SKU-1\"},\"rate\":4}]}}"};

static void the_customer_comes(struct account *a)
{
    struct nsim_fault f = {0};
    struct json v;

    assert_int_equal(json_parse(a->rig.conf, TL_SV("{\"customer\":[{\"externalId\":\"LATE\",\"companyName\":\"L\"}]}"),
                                0, NULL, &v, NULL),
                     TL_OK);
    assert_true(nsim_seed(a->sim, v, &f));
}

static void write_again(struct account *a, const char *const *record, uint32_t attempt)
{
    rig_records(&a->rig, record, 1);
    a->rig.records[0].key = TL_SV("e0");
    a->rig.records[0].attempt = attempt;
    a->rig.fn = NULL;
    rig_run(&a->rig);
    assert_true(a->rig.call.pending);
}

/* The key of a create stays the same, so that no second record is made; but the key of a job that was refused leads to
 * its refusal for ever, also when the event is replayed after the cause was repaired. */
static void a_create_whose_job_was_refused_can_be_tried_again_and_one_that_was_done_is_not_made_twice(void **state)
{
    struct account a;

    (void)state;
    open_at_once(&a, "{ create: salesOrder, external_id: n, async: true }");
    write_and_end(&a, of_late, 1);
    assert_int_equal(a.verdict->end, CONNECTOR_FAILED);
    the_customer_comes(&a);
    for (uint32_t attempt = 2; attempt < 5; attempt++) {
        write_again(&a, of_late, attempt);
        (void)next_resume(&a);
        assert_int_equal(a.verdict->end, CONNECTOR_DONE);
        assert_int_equal(a.sim->counts.jobs, 2);
    }
    assert_int_equal(account_records(&a, "salesOrder").n, 1);
    account_close(&a);
}

/* The first job's key leads to the first job, and to its failure, for ever. */
static void an_attempt_after_a_failed_job_makes_a_job_of_its_own(void **state)
{
    struct account a;

    (void)state;
    open_at_once(&a, "{ upsert: salesOrder, external_id: n, async: true }");
    assert_int_equal(write_many(&a, of_late, 1), TL_OK);
    assert_int_equal(account_resume(&a), TL_OK);
    assert_int_equal(a.verdict->end, CONNECTOR_FAILED); /* its customer is not there yet */
    a.rig.call.pending = false;
    the_customer_comes(&a);
    write_again(&a, of_late, 2);
    assert_int_equal(account_resume(&a), TL_OK);
    assert_int_equal(a.verdict->end, CONNECTOR_DONE);
    account_close(&a);
}

static void a_job_that_fails_says_why(void **state)
{
    struct account a;

    (void)state;
    open_at_once(&a, "{ upsert: salesOrder, external_id: orderNumber, async: true }");
    assert_int_equal(account_write(&a, "{\"orderNumber\":\"S-1\",\"entity\":{\"id\":\"99\"}}"), TL_OK);
    assert_true(a.rig.call.pending);
    assert_int_equal(account_resume(&a), TL_OK);
    assert_int_equal(a.verdict->end, CONNECTOR_FAILED);
    assert_int_equal(a.verdict->rc, TL_INVALID);
    assert_non_null(strstr(account_text(&a), "'entity'"));
    account_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_async_job_is_pending_then_done_and_never_made_twice),
        cmocka_unit_test(many_records_are_one_job_and_each_has_its_own_verdict),
        cmocka_unit_test(when_all_of_a_job_are_done_nothing_more_is_asked),
        cmocka_unit_test(refusals_in_different_words_come_again_alone),
        cmocka_unit_test(refusals_in_the_same_words_need_no_second_job),
        cmocka_unit_test(updates_by_internal_id_of_a_job_have_their_own_verdicts),
        cmocka_unit_test(the_one_that_is_left_of_a_job_gets_its_own_verdict),
        cmocka_unit_test(records_that_do_not_go_together_wait_for_the_next_job),
        cmocka_unit_test(tasks_that_do_not_add_up_are_an_unknown_outcome),
        cmocka_unit_test(a_ticket_of_the_version_before_is_understood),
        cmocka_unit_test(a_poll_that_fails_leaves_the_job_pending),
        cmocka_unit_test(what_is_known_of_a_large_job_is_kept_from_poll_to_poll),
        cmocka_unit_test(a_job_that_netsuite_forgot_is_an_unknown_outcome),
        cmocka_unit_test(a_lock_within_a_job_is_tried_again),
        cmocka_unit_test(a_create_whose_job_was_refused_can_be_tried_again_and_one_that_was_done_is_not_made_twice),
        cmocka_unit_test(an_attempt_after_a_failed_job_makes_a_job_of_its_own),
        cmocka_unit_test(a_job_that_fails_says_why),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
