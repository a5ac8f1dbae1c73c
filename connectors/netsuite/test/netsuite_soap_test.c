/* SPDX-License-Identifier: Apache-2.0 */
/* SOAP into and out of the simulated account, which verifies each tokenPassport; and what faults of SuiteTalk mean. */
#include "account.h"

#include "netsuite/soap_int.h"

#define TARGET "{ soap_upsert: customer, external_id: number }"
#define ORDERS "{ soap_upsert: salesOrder, external_id: number }"

static void open_with(struct account *a, const struct nsim_options *o, const char *target)
{
    account_open(a, o, ACCOUNT_TBA);
    account_target(a, target);
}

static enum tl_rc write_all(struct account *a, const char *const *records, size_t n)
{
    a->rig.fn = NULL;
    rig_records(&a->rig, records, n);
    rig_run(&a->rig);
    return a->rig.rc;
}

static const char *text_of(struct account *a, size_t i)
{
    struct tl_sv s = a->rig.verdicts[i].text;

    return a->rig.rc != TL_OK ? a->rig.err.text : tl_arena_strndup(a->rig.conf, s.p ? s.p : "", s.n);
}

static const char *json_of(struct account *a, struct json v)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 1 << 20);
    assert_true(json_write(&b, v, 0));
    return tl_arena_strdup(a->rig.conf, b.p ? b.p : "");
}

static void a_batch_has_a_verdict_for_each_record_and_repeats_without_harm(void **state)
{
    static const char *const records[] = {
        "{\"number\":\"N-1\",\"companyName\":\"Initech & Sons\",\"email\":\"a@initech.example\",\"isPerson\":false,"
        "\"creditLimit\":12.5,\"subsidiary\":{\"id\":\"1\"},\"custentity_lead_source\":\"fair\","
        "\"addressBook\":{\"items\":[{\"label\":\"Home\",\"city\":\"Bonn\"}]}}",
        "{\"number\":\"N-2\",\"companyName\":\"Globex\"}", /* the name is taken */
        "{\"number\":\"N|3\",\"companyName\":\"Hooli\",\"parent\":{\"externalId\":\"N-1\"}}"};
    struct account a;
    struct json all, one;

    (void)state;
    open_with(&a, NULL, TARGET);
    assert_int_equal(a.rig.facilities.batch_count, 50);
    assert_int_equal(a.rig.facilities.idempotency, CONNECTOR_IDEMPOTENT_UPSERT);
    for (int i = 0; i < 2; i++) {
        if (write_all(&a, records, 3) != TL_OK || a.rig.verdicts[0].end != CONNECTOR_DONE)
            fail_msg("%s; %s", text_of(&a, 0), account_last_audit(&a));
        assert_int_equal(a.rig.verdicts[1].end, CONNECTOR_FAILED);
        assert_int_equal(a.rig.verdicts[1].rc, TL_INVALID);
        assert_non_null(strstr(text_of(&a, 1), "DUP_ENTITY"));
        assert_int_equal(a.rig.verdicts[2].end, CONNECTOR_DONE); /* no address that would not take the | */
    }
    assert_true(tl_sv_eqs(a.rig.verdicts[0].answer, "2"));
    all = account_records(&a, "customer");
    assert_int_equal(all.n, 3);
    assert_int_equal(a.sim->counts.created, 2);
    assert_int_equal(a.sim->counts.updated, 2);
    one = json_at(all, 1);
    assert_true(tl_sv_eqs(json_text(json_gets(one, "companyName"), TL_SV("")), "Initech & Sons"));
    assert_true(json_number(json_gets(one, "creditLimit")) == 12.5);
    assert_int_equal(json_gets(one, "isPerson").type, JSON_BOOL);
    assert_true(tl_sv_eqs(json_text(json_gets(json_gets(one, "subsidiary"), "refName"), TL_SV("")), "Parent"));
    assert_true(tl_sv_eqs(json_text(json_gets(one, "custentity_lead_source"), TL_SV("")), "fair"));
    assert_int_equal(json_gets(json_gets(one, "addressBook"), "items").n, 1);
    assert_int_equal(json_gets(one, "number").type, JSON_UNDEFINED);
    account_close(&a);
}

static void an_order_keeps_its_day_and_its_lines_do_not_double(void **state)
{
    static const char *const order[] = {
        "{\"number\":\"S-1\",\"tranDate\":\"2026-03-01\",\"memo\":\"2026-03-01\",\"entity\":{\"externalId\":\"C-1\"},"
        "\"orderStatus\":{\"id\":\"_pendingFulfillment\"},\"item\":{\"items\":[{\"item\":{\"externalId\":\"SKU-1\"},"
        "\"quantity\":2,\"rate\":4.5,\"custcol_gift_note\":\"hi\"}]}}"};
    static const char *const cleared[] = {"{\"number\":\"S-1\",\"memo\":null}"};
    static const char *const keyed[] = {"{\"number\":\"S-1\",\"item\":{\"items\":[{\"line\":1,\"quantity\":3}]}}"};
    struct account a;
    struct json one, lines;

    (void)state;
    open_with(&a, NULL, ORDERS);
    for (int i = 0; i < 2; i++)
        if (write_all(&a, order, 1) != TL_OK || a.verdict->end != CONNECTOR_DONE)
            fail_msg("%s", account_text(&a));
    one = json_at(account_records(&a, "salesOrder"), 0);
    lines = json_gets(json_gets(one, "item"), "items");
    assert_int_equal(lines.n, 1);
    assert_true(json_number(json_gets(one, "total")) == 9.0);
    assert_true(tl_sv_eqs(json_text(json_gets(json_at(lines, 0), "custcol_gift_note"), TL_SV("")), "hi"));
    assert_true(tl_sv_eqs(json_text(json_gets(one, "tranDate"), TL_SV("")), "2026-03-01"));
    assert_true(tl_sv_eqs(json_text(json_gets(one, "memo"), TL_SV("")), "2026-03-01"));
    assert_int_equal(write_all(&a, cleared, 1), TL_OK);
    one = json_at(account_records(&a, "salesOrder"), 0);
    assert_int_equal(json_gets(one, "memo").type, JSON_UNDEFINED);
    account_target(&a, "{ soap_upsert: salesOrder, external_id: number, lines: keyed }");
    assert_int_equal(write_all(&a, keyed, 1), TL_OK);
    one = json_at(account_records(&a, "salesOrder"), 0);
    assert_true(json_number(json_gets(one, "total")) == 13.5);
    account_close(&a);
}

static void one_record_that_is_refused_as_xml_is_found_in_half_the_company(void **state)
{
    static const char *const records[] = {"{\"number\":\"N-1\",\"companyName\":\"A\"}",
                                          "{\"number\":\"N-2\",\"companyName\":\"B\",\"noSuchField\":1}"};
    struct account a;

    (void)state;
    open_with(&a, NULL, TARGET);
    assert_int_equal(write_all(&a, records, 2), TL_OK);
    assert_int_equal(a.rig.verdicts[0].end, CONNECTOR_INNOCENT);
    assert_int_equal(a.rig.verdicts[1].end, CONNECTOR_INNOCENT);
    assert_int_equal(write_all(&a, records + 1, 1), TL_OK);
    assert_int_equal(a.verdict->end, CONNECTOR_FAILED);
    assert_int_equal(a.verdict->rc, TL_INVALID);
    assert_non_null(strstr(account_text(&a), "noSuchField"));
    account_close(&a);
}

static const char *const fine = "{\"number\":\"N-1\",\"companyName\":\"Initech\"}";

static void a_passport_that_is_refused_pauses_the_connection_before_the_account_is_locked(void **state)
{
    struct nsim_options o = nsim_defaults();
    struct account a;

    (void)state;
    o.token_secret = "another";
    open_with(&a, &o, TARGET);
    for (int i = 0; i < 8; i++)
        assert_int_equal(account_write(&a, fine), TL_AUTH);
    assert_non_null(strstr(account_last_audit(&a), "InvalidSignature"));
    assert_true(a.sim->counts.logins_failed <= 3); /* five would lock it for half an hour */
    account_close(&a);
}

static void a_timestamp_that_is_not_of_these_five_minutes_is_refused(void **state)
{
    struct nsim_options o = nsim_defaults();
    struct tl_fake_clock later;
    struct account a;

    (void)state;
    open_with(&a, &o, TARGET);
    tl_fake_clock_init(&later, tl_clock_wall_ms(tl_clock_system()) - 1000000);
    a.sim->clock = &later.base;
    assert_int_equal(account_write(&a, fine), TL_AUTH);
    assert_non_null(strstr(account_last_audit(&a), "InvalidTimestamp"));
    account_close(&a);
}

static void the_concurrency_fault_costs_no_attempt_and_tells_the_guard(void **state)
{
    struct nsim_options o = nsim_defaults();
    struct account a;

    (void)state;
    o.limit = 0;
    open_with(&a, &o, TARGET);
    assert_int_equal(account_write(&a, fine), TL_RATE_LIMITED);
    assert_true(a.rig.call.feedback.too_many_at_once);
    assert_int_equal(a.rig.err.retry_after_ms, 1000);
    assert_non_null(strstr(account_text(&a), "exceededConcurrentRequestLimitFault"));
    a.sim->opt.limit = 5;
    assert_int_equal(account_write(&a, fine), TL_OK);
    assert_int_equal(a.verdict->end, CONNECTOR_DONE);
    account_close(&a);
}

static void an_unexpected_error_a_page_and_a_lock_are_tried_again(void **state)
{
    struct nsim_options o = nsim_defaults();
    struct account a;

    (void)state;
    o.fail = 1;
    open_with(&a, &o, TARGET);
    assert_int_equal(account_write(&a, fine), TL_UPSTREAM);
    assert_non_null(strstr(account_text(&a), "Error ID: "));
    a.sim->opt.status = 503;
    assert_int_equal(account_write(&a, fine), TL_UPSTREAM);
    a.sim->opt.fail = 0;
    a.sim->opt.lock = 1;
    assert_int_equal(account_write(&a, fine), TL_OK);
    assert_int_equal(a.verdict->rc, TL_CONFLICT);
    a.sim->opt.lock = 0;
    a.sim->opt.drop = 1; /* carried out, then cut off */
    assert_int_equal(account_write(&a, fine), TL_UPSTREAM);
    a.sim->opt.drop = 0;
    assert_int_equal(account_write(&a, fine), TL_OK);
    assert_int_equal(account_records(&a, "customer").n, 2);
    account_close(&a);
}

static void a_missing_permission_kills_the_record_and_names_the_repair(void **state)
{
    struct nsim_options o = nsim_defaults();
    struct account a;

    (void)state;
    o.deny = "customer";
    open_with(&a, &o, TARGET);
    assert_int_equal(account_write(&a, fine), TL_OK);
    assert_int_equal(a.verdict->end, CONNECTOR_FAILED);
    assert_int_equal(a.verdict->cls, TL_CLASS_DATA);
    assert_non_null(strstr(account_text(&a), "Manage Roles"));
    account_close(&a);
}

/* ---- faults by their names, from a scripted server ---- */

#define FAULT(detail)                                                                                                  \
    "<soapenv:Envelope xmlns:soapenv='http://schemas.xmlsoap.org/soap/envelope/'><soapenv:Body><soapenv:Fault>"        \
    "<faultcode>soapenv:Server.userException</faultcode><faultstring>said</faultstring><detail>" detail                \
    "</detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
#define NAMED(name, code)                                                                                              \
    FAULT("<p:" name " xmlns:p='urn:faults_2025_2.platform.webservices.netsuite.com'><p:code>" code                    \
          "</p:code><p:message>m</p:message></p:" name ">")

static void each_fault_has_its_class(void **state)
{
    static const struct {
        const char *body;
        enum tl_rc rc; /* of the call; TL_OK: of the record, TL_INVALID */
    } cases[] = {
        {NAMED("exceededConcurrentRequestLimitFault", "WS_REQUEST_BLOCKED"), TL_RATE_LIMITED},
        {NAMED("exceededRequestLimitFault", "WS_CONCUR_SESSION_DISALLWD"), TL_RATE_LIMITED},
        {NAMED("exceededUsageLimitFault", "SSS_USAGE_LIMIT_EXCEEDED"), TL_QUOTA},
        {NAMED("invalidSessionFault", "SESSION_TIMED_OUT"), TL_UPSTREAM},
        {NAMED("unexpectedErrorFault", "UNEXPECTED_ERROR"), TL_UPSTREAM},
        {NAMED("insufficientPermissionFault", "INSUFFICIENT_PERMISSION"), TL_CONFIG},
        {NAMED("invalidVersionFault", "INVALID_VERSION"), TL_CONFIG},
        {NAMED("invalidAccountFault", "INVALID_ACCT"), TL_CONFIG},
        {NAMED("invalidCredentialsFault", "INVALID_LOGIN_CREDENTIALS"), TL_AUTH},
        {NAMED("exceededRequestSizeFault", "EXCEEDED_REQUEST_SIZE"), TL_OK},
        {FAULT("<x/>"), TL_OK},
        {FAULT("<f><code>X</code><message>java.lang.NullPointerException</message></f>"), TL_UPSTREAM},
    };
    struct rig r;

    (void)state;
    rig_start(&r);
    assert_true(rig_connect(&r, connector_find(TL_SV("netsuite")),
                            "{ account: \"1234567_SB1\", url: \"${env:TIELINE_TEST_URL}\", auth: { oauth1: { "
                            "consumer_key: c, consumer_secret: \"${env:TIELINE_TEST_URL}\", token: t, token_secret: "
                            "\"${env:TIELINE_TEST_URL}\" } } }"));
    if (!rig_target(&r, TARGET, 1u << CONNECTOR_WRITE))
        fail_msg("%s", rig_errors(&r));
    rig_records(&r, &fine, 1);
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        rig_script(&r, (struct rig_reply){.status = 500, .body = cases[i].body});
        rig_run(&r);
        if (r.rc != cases[i].rc || (r.rc == TL_OK && r.verdicts[0].rc != TL_INVALID))
            fail_msg("%s: %s %s", cases[i].body, tl_rc_name(r.rc), r.err.text);
        assert_true(r.rc != TL_OK || r.verdicts[0].text.n > 0);
    }
    rig_stop(&r);
}

static void credentials_that_are_refused_after_long_under_load_are_no_lost_password(void **state)
{
    struct http_reply reply = {.status = 500, .body = TL_SV(NAMED("invalidCredentialsFault", "X"))};

    (void)state;
    assert_true(netsuite__refused_login(NULL, &reply));
    reply.total_us = 60000000;
    assert_false(netsuite__refused_login(NULL, &reply));
    reply = (struct http_reply){.status = 500, .body = TL_SV(NAMED("unexpectedErrorFault", "X"))};
    assert_false(netsuite__refused_login(NULL, &reply));
}

static void soap_asks_for_token_based_authentication_and_a_type_that_it_has(void **state)
{
    struct account a;

    (void)state;
    account_open(&a, NULL, NULL);
    assert_false(rig_target(&a.rig, TARGET, 1u << CONNECTOR_WRITE));
    assert_non_null(strstr(rig_errors(&a.rig), "token-based authentication only"));
    account_close(&a);
    account_open(&a, NULL, ACCOUNT_TBA);
    assert_false(rig_target(&a.rig, "{ soap_upsert: customrecord_outbox, external_id: n }", 1u << CONNECTOR_WRITE));
    assert_non_null(strstr(rig_errors(&a.rig), "no record type that we send over SOAP"));
    assert_false(rig_target(&a.rig, "{ soap_search: customer, where: [ nonsense ] }", 1u << CONNECTOR_READ));
    assert_non_null(strstr(rig_errors(&a.rig), "no condition of a search"));
    assert_false(rig_target(&a.rig, "{ soap_search: customer, start: yesterday }", 1u << CONNECTOR_READ));
    assert_non_null(strstr(rig_errors(&a.rig), "is no time"));
    account_close(&a);
}

/* ---- search ---- */

struct taken {
    struct account *a;
    size_t n, emits, fail_at;
    char position[200];
    struct json last;
};

static enum tl_rc take(void *arg, struct task *task, const struct connector_incoming *records, size_t n,
                       struct tl_sv position, struct tl_err *err)
{
    struct taken *t = arg;

    (void)task;
    if (++t->emits == t->fail_at)
        return tl_fail(err, TL_IO, "no disk");
    for (size_t i = 0; i < n; i++)
        t->last = json_copy(t->a->rig.conf, records[i].value);
    t->n += n;
    (void)snprintf(t->position, sizeof t->position, "%.*s", TL_SV_ARG(position));
    return TL_OK;
}

static void open_search(struct account *a, struct taken *t, const char *target)
{
    open_with(a, NULL, target);
    *t = (struct taken){.a = a};
    tl_fake_clock_init(&a->rig.clock, tl_clock_wall_ms(tl_clock_system())); /* spans are of our time */
    a->rig.ledger = (struct connector_ledger){.emit = take, .arg = t};
    a->rig.call.n = 0;
}

static enum tl_rc search(struct account *a, struct taken *t)
{
    t->n = t->emits = 0;
    a->rig.call.position = tl_sv_str(tl_arena_strdup(a->rig.conf, t->position));
    a->rig.fn = NULL;
    rig_run(&a->rig);
    return a->rig.rc;
}

static void add(struct account *a, const char *type, const char *list)
{
    struct nsim_fault f = {0};
    struct json v;

    assert_int_equal(
        json_parse(a->rig.conf, tl_sv_str(tl_arena_printf(a->rig.conf, "{\"%s\":%s}", type, list)), 0, NULL, &v, NULL),
        TL_OK);
    if (!nsim_seed(a->sim, v, &f))
        fail_msg("%s", f.text);
    /* a run ends with its lag and a second before it begins: let what was written be older than that */
    assert_int_equal(store_exec(a->sim->db, "UPDATE record SET modified=modified-5000", NULL), TL_OK);
}

static void add_customers(struct account *a, int n)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 1 << 20);
    for (int i = 0; i < n; i++)
        (void)tl_buf_printf(&b, "%c{\"externalId\":\"X-%d\",\"companyName\":\"Name %d\"}", i ? ',' : '[', i, i);
    (void)tl_buf_putc(&b, ']');
    add(a, "customer", b.p);
}

static void a_search_is_read_page_by_page_and_then_only_what_has_changed(void **state)
{
    struct account a;
    struct taken t;

    (void)state;
    open_search(&a, &t, "{ soap_search: customer, page: 10, overlap: 0s }");
    add_customers(&a, 34);
    if (search(&a, &t) != TL_OK)
        fail_msg("%s; %s", account_text(&a), account_last_audit(&a));
    assert_int_equal(t.n, 35);
    assert_int_equal(t.emits, 4);
    assert_non_null(strstr(t.position, "until"));
    assert_true(tl_sv_eqs(json_text(json_gets(t.last, "companyName"), TL_SV("")), "Name 33"));
    assert_int_equal(json_gets(t.last, "id").type, JSON_STRING);
    assert_int_equal(search(&a, &t), TL_OK);
    assert_int_equal(t.n, 0);
    account_close(&a);
}

static void a_search_whose_lag_was_raised_waits_where_it_is(void **state)
{
    struct account a;
    struct taken t;
    char until[sizeof t.position];

    (void)state;
    open_search(&a, &t, "{ soap_search: customer }");
    assert_int_equal(search(&a, &t), TL_OK);
    memcpy(until, t.position, sizeof until);
    assert_non_null(strstr(until, "until"));
    account_target(&a, "{ soap_search: customer, lag: 1h }");
    assert_int_equal(search(&a, &t), TL_OK);
    assert_int_equal(t.emits, 0);
    assert_string_equal(t.position, until);
    tl_fake_clock_advance_ms(&a.rig.clock, 2 * 3600000);
    assert_int_equal(search(&a, &t), TL_OK);
    assert_int_equal(t.emits, 1);
    account_close(&a);
}

static void a_search_that_breaks_off_begins_again_where_the_last_one_ended(void **state)
{
    struct account a;
    struct taken t;

    (void)state;
    open_search(&a, &t, "{ soap_search: customer, page: 10 }");
    add_customers(&a, 34);
    t.fail_at = 3;
    assert_int_equal(search(&a, &t), TL_IO);
    assert_int_equal(t.n, 20);
    assert_string_equal(t.position, "{}"); /* two pages are in, and the span is not done */
    t.fail_at = 0;
    assert_int_equal(search(&a, &t), TL_OK);
    assert_int_equal(t.n, 35);
    account_close(&a);
}

static void conditions_and_lines_of_a_search(void **state)
{
    struct account a;
    struct taken t;
    struct json lines;

    (void)state;
    open_search(&a, &t,
                "{ soap_search: salesOrder, where: [ \"memo contains GIFT\", \"entity anyOf 1,2\" ], whole: true }");
    add(&a, "salesOrder",
        "[{\"externalId\":\"S-1\",\"memo\":\"a gift\",\"entity\":{\"externalId\":\"C-1\"},\"tranDate\":\"2026-03-01\","
        "\"custbody_shop_number\":\"77\",\"item\":{\"items\":[{\"item\":{\"externalId\":\"SKU-1\"},\"rate\":4}]}},"
        "{\"externalId\":\"S-2\",\"memo\":\"none\",\"entity\":{\"externalId\":\"C-1\"},\"item\":{\"items\":[{\"item\":{"
        "\"externalId\":\"SKU-2\"},\"rate\":4},{\"item\":{\"externalId\":\"SKU-1\"},\"rate\":1}]}}]");
    if (search(&a, &t) != TL_OK)
        fail_msg("%s", account_text(&a));
    assert_int_equal(t.n, 1);
    assert_true(tl_sv_eqs(json_text(json_gets(t.last, "externalId"), TL_SV("")), "S-1"));
    assert_true(tl_sv_eqs(json_text(json_gets(t.last, "custbody_shop_number"), TL_SV("")), "77"));
    assert_string_equal(json_of(&a, json_gets(t.last, "entity")), "{\"id\":\"1\",\"refName\":\"Globex\"}");
    lines = json_gets(json_gets(t.last, "item"), "items");
    assert_int_equal(lines.n, 1); /* one line is a list, too */
    assert_true(tl_sv_eqs(json_text(json_gets(json_at(lines, 0), "rate"), TL_SV("")), "4"));
    account_target(&a, "{ soap_search: salesOrder, where: [ \"noSuchField is 1\" ] }");
    t.position[0] = '\0';
    assert_int_equal(search(&a, &t), TL_INVALID);
    assert_non_null(strstr(account_text(&a), "noSuchField"));
    account_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_has_a_verdict_for_each_record_and_repeats_without_harm),
        cmocka_unit_test(an_order_keeps_its_day_and_its_lines_do_not_double),
        cmocka_unit_test(one_record_that_is_refused_as_xml_is_found_in_half_the_company),
        cmocka_unit_test(a_passport_that_is_refused_pauses_the_connection_before_the_account_is_locked),
        cmocka_unit_test(a_timestamp_that_is_not_of_these_five_minutes_is_refused),
        cmocka_unit_test(the_concurrency_fault_costs_no_attempt_and_tells_the_guard),
        cmocka_unit_test(an_unexpected_error_a_page_and_a_lock_are_tried_again),
        cmocka_unit_test(a_missing_permission_kills_the_record_and_names_the_repair),
        cmocka_unit_test(each_fault_has_its_class),
        cmocka_unit_test(credentials_that_are_refused_after_long_under_load_are_no_lost_password),
        cmocka_unit_test(soap_asks_for_token_based_authentication_and_a_type_that_it_has),
        cmocka_unit_test(a_search_is_read_page_by_page_and_then_only_what_has_changed),
        cmocka_unit_test(a_search_whose_lag_was_raised_waits_where_it_is),
        cmocka_unit_test(a_search_that_breaks_off_begins_again_where_the_last_one_ended),
        cmocka_unit_test(conditions_and_lines_of_a_search),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
