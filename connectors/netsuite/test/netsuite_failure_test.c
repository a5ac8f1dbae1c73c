/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fifteen failures that integrations with NetSuite meet most, each against the simulated account: what NetSuite
 * does, and what becomes of the record. The numbers are those of the list in docs/netsuite.md.
 */
#include "account.h"

#define ORDER                                                                                                          \
    "{\"n\":\"S-1\",\"entity\":{\"externalId\":\"C-1\"},\"item\":{\"items\":[{\"item\":{\"externalId\":\"SKU-1\"},"    \
    "\"rate\":4}]}}"
#define UPSERT "{ upsert: salesOrder, external_id: n }"

static void open_and_target(struct account *a, const struct nsim_options *o, const char *auth, const char *target)
{
    account_open(a, o, auth);
    account_target(a, target);
}

static void must(struct account *a, const char *record)
{
    if (account_write(a, record) != TL_OK || a->verdict->end != CONNECTOR_DONE)
        fail_msg("%s; %s", account_text(a), account_last_audit(a));
}

static void f01_the_realm_is_the_account_as_netsuite_shows_it_however_it_is_written(void **state)
{
    static const char *const written[] = {"1234567_SB1", "1234567-sb1", "1234567_sb1"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(written); i++) {
        struct account a;
        char yaml[400];

        open_and_target(&a, NULL, ACCOUNT_TBA, UPSERT);
        (void)snprintf(yaml, sizeof yaml, "{ account: \"%s\", url: \"%s\", auth: " ACCOUNT_TBA " }", written[i],
                       a.rig.url);
        assert_true(rig_connect(&a.rig, connector_find(TL_SV("netsuite")), yaml));
        rig_authenticate(&a.rig);
        account_target(&a, UPSERT);
        must(&a, ORDER);
        account_close(&a);
    }
}

static void f02_query_parameters_are_signed_and_do_not_stand_in_the_header(void **state)
{
    struct account a;

    (void)state;
    open_and_target(&a, NULL, ACCOUNT_TBA,
                    "{ get: customer, external_id: id, fields: [ companyName, email ], expand: true }");
    assert_int_equal(account_call(&a, "{\"id\":\"C-1\"}"), TL_OK);
    assert_int_equal(a.rig.call.output.type, JSON_OBJECT);
    account_target(&a, "{ transform: salesOrder, into: invoice, external_id: n }"); /* `!` is signed as %21 */
    assert_int_equal(account_write(&a, "{\"n\":\"S-9\"}"), TL_OK);
    assert_non_null(strstr(account_text(&a), "NONEXISTENT_ID"));
    account_close(&a);
}

static void f03_a_signature_with_sha1_is_refused_and_pauses_the_connection(void **state)
{
    struct account a;

    (void)state;
    open_and_target(
        &a, NULL,
        "{ oauth1: { consumer_key: consumer-key, consumer_secret: \"${env:CONSUMER_SECRET}\", token: token-id, "
        "token_secret: \"${env:TOKEN_SECRET}\", method: HMAC-SHA1 } }",
        UPSERT);
    assert_int_equal(account_write(&a, ORDER), TL_AUTH);
    assert_non_null(strstr(account_last_audit(&a), "UnknownAlgorithm"));
    assert_int_equal(a.sim->counts.logins_failed, 1);
    assert_int_equal(account_write(&a, ORDER), TL_AUTH); /* paused: nothing is sent */
    assert_int_equal(a.sim->counts.logins_failed, 1);
    account_close(&a);
}

static void f04_a_missing_permission_kills_the_record_and_names_the_repair(void **state)
{
    struct nsim_options o = nsim_defaults();
    struct account a;

    (void)state;
    o.deny = "vendor";
    open_and_target(&a, &o, NULL, "{ upsert: vendor, external_id: n }");
    assert_int_equal(account_write(&a, "{\"n\":\"V-1\",\"companyName\":\"x\"}"), TL_OK);
    assert_int_equal(a.verdict->end, CONNECTOR_FAILED);
    assert_int_equal(a.verdict->cls, TL_CLASS_DATA); /* one record must not pause the account */
    assert_non_null(strstr(account_text(&a), "add the permission to the integration's role"));
    account_target(&a, UPSERT);
    must(&a, ORDER);
    account_close(&a);
}

static void f05_the_concurrency_limit_costs_no_attempt_and_tells_the_guard(void **state)
{
    struct nsim_options o = nsim_defaults();
    struct account a;

    (void)state;
    o.limit = 0;
    open_and_target(&a, &o, NULL, UPSERT);
    assert_int_equal(account_write(&a, ORDER), TL_RATE_LIMITED);
    assert_true(a.rig.call.feedback.too_many_at_once);
    assert_true(a.rig.err.retry_after_ms > 0);
    assert_int_equal(a.rig.call.feedback.retry_after_ms, 0); /* one too many: the requests under way go on */
    a.sim->opt.limit = 1;
    must(&a, ORDER);
    account_close(&a);
}

static void f06_overload_in_the_dress_of_a_login_error_is_no_lost_password(void **state)
{
    struct nsim_options o = nsim_defaults();
    struct account a;
    struct http_reply late = {.status = 401, .total_us = 60000000}, soon = {.status = 401, .total_us = 90000};

    (void)state;
    assert_true(netsuite__false_401(NULL, &late)); /* it comes after a minute */
    assert_false(netsuite__false_401(NULL, &soon));
    /* One at once is answered with a fresh token, once. */
    o.overload = 0.5;
    o.seed = 3;
    open_and_target(&a, &o, NULL, UPSERT);
    for (int i = 0; i < 4 && a.sim->counts.logins_failed == 0; i++)
        must(&a, ORDER);
    assert_int_equal(a.sim->counts.logins_failed, 1);
    assert_int_equal(a.sim->counts.tokens, 2);
    account_close(&a);
}

static void f07_an_unexpected_error_is_tried_again_and_its_id_is_kept(void **state)
{
    struct nsim_options o = nsim_defaults();
    struct account a;

    (void)state;
    o.fail = 1;
    open_and_target(&a, &o, NULL, UPSERT);
    assert_int_equal(account_write(&a, ORDER), TL_UPSTREAM);
    assert_non_null(strstr(a.rig.err.text, "UNEXPECTED_ERROR: An unexpected error occurred. Error ID: "));
    a.sim->opt.status = 503; /* maintenance: a page in HTML */
    assert_int_equal(account_write(&a, ORDER), TL_UPSTREAM);
    assert_non_null(strstr(a.rig.err.text, "scheduled maintenance"));
    account_target(&a, "{ create: salesOrder }"); /* may have happened */
    a.sim->opt.status = 500;
    assert_int_equal(account_write(&a, ORDER), TL_UNKNOWN_OUTCOME);
    account_close(&a);
}

static void f08_a_post_that_is_cut_off_makes_no_second_record(void **state)
{
    static const char *const targets[] = {UPSERT, "{ create: salesOrder, external_id: n }",
                                          "{ create: salesOrder, external_id: n, async: true }"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(targets); i++) {
        struct nsim_options o = nsim_defaults();
        struct account a;

        o.drop = 1;
        open_and_target(&a, &o, NULL, targets[i]);
        assert_int_equal(account_write(&a, ORDER), TL_UNKNOWN_OUTCOME);
        a.sim->opt.drop = 0;
        a.rig.records[0].unknown_before = true;
        rig_run(&a.rig);
        assert_int_equal(a.rig.rc, TL_OK);
        assert_true(a.rig.call.pending || a.verdict->end == CONNECTOR_DONE);
        assert_int_equal(account_records(&a, "salesOrder").n, 1);
        account_close(&a);
    }
}

/* A nonce counts once: a call that the client sent again by itself would come as a replay, and pause the connection. */
static void f08_a_signed_request_that_is_cut_off_is_signed_anew(void **state)
{
    struct nsim_options o = nsim_defaults();
    struct account a;

    (void)state;
    open_and_target(&a, &o, ACCOUNT_TBA, UPSERT);
    must(&a, ORDER); /* from here on the connection is reused */
    a.sim->opt.drop = 1;
    assert_int_equal(account_write(&a, ORDER), TL_UNKNOWN_OUTCOME);
    a.sim->opt.drop = 0;
    must(&a, ORDER);
    assert_int_equal(a.sim->counts.logins_failed, 0);
    account_close(&a);
}

static void f09_lines_do_not_double_when_an_order_comes_again(void **state)
{
    struct nsim_options o = nsim_defaults();
    struct account a;
    struct json order;

    (void)state;
    o.put_appends = true; /* the worse of the two ways an upsert may treat lines without keys */
    open_and_target(&a, &o, NULL, UPSERT);
    must(&a, ORDER);
    must(&a, ORDER);
    order = json_at(account_records(&a, "salesOrder"), 0);
    assert_int_equal(json_gets(json_gets(order, "item"), "items").n, 1);
    account_target(&a, "{ update: salesOrder, external_id: n, lines: append }");
    assert_int_equal(a.rig.facilities.idempotency, CONNECTOR_IDEMPOTENT_NONE);
    must(&a, ORDER);
    order = json_at(account_records(&a, "salesOrder"), 0);
    assert_int_equal(json_gets(json_gets(order, "item"), "items").n, 2);
    account_close(&a);
}

static enum tl_rc keep_last(void *arg, struct task *task, const struct connector_incoming *records, size_t n,
                            struct tl_sv position, struct tl_err *err)
{
    struct account *a = arg;
    struct tl_buf b;

    tl_buf_init(&b, 4096);
    if (n > 0 && json_write(&b, records[n - 1].value, 0))
        a->rig.call.input = json_str_copy(a->rig.conf, tl_buf_view(&b));
    tl_buf_done(&b);
    (void)position;
    return rig_step(&a->rig, task, err);
}

static void f10_dates_do_not_depend_on_a_users_preferences(void **state)
{
    static const char *const formats[] = {"M/D/YYYY", "DD.MM.YYYY"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(formats); i++) {
        struct nsim_options o = nsim_defaults();
        struct account a;
        struct tl_sv row;

        o.date_format = formats[i];
        open_and_target(&a, &o, NULL, "{ records: customer, fields: [ companyname ] }");
        assert_int_equal(store_exec(a.sim->db, "UPDATE record SET modified=1764028799000", NULL),
                         TL_OK); /* a second before midnight */
        tl_fake_clock_advance_ms(&a.rig.clock, 86400000);
        a.rig.ledger = (struct connector_ledger){.emit = keep_last, .arg = &a};
        a.rig.call.n = 0;
        rig_run(&a.rig);
        assert_int_equal(a.rig.rc, TL_OK);
        row = json_view(a.rig.call.input);
        assert_true(tl_sv_find_sv(row, TL_SV("\"tieline_changed\":\"2025-11-24 23:59:59\"")) < row.n);
        account_close(&a);
    }
}

static void f11_an_unknown_field_is_refused_and_not_dropped(void **state)
{
    struct account a;
    char yaml[400];

    (void)state;
    open_and_target(&a, NULL, NULL, "{ upsert: customer, external_id: n }");
    assert_int_equal(account_write(&a, "{\"n\":\"C-2\",\"companyName\":\"A\",\"emial\":\"x\"}"), TL_OK);
    assert_int_equal(a.verdict->end, CONNECTOR_FAILED);
    assert_non_null(strstr(account_text(&a), "[emial]"));
    (void)snprintf(yaml, sizeof yaml, "{ account: \"1\", url: \"%s\", auth: " ACCOUNT_M2M ", unknown_fields: ignore }",
                   a.rig.url);
    assert_true(rig_connect(&a.rig, connector_find(TL_SV("netsuite")), yaml));
    rig_authenticate(&a.rig);
    account_target(&a, "{ upsert: customer, external_id: n }");
    must(&a, "{\"n\":\"C-2\",\"companyName\":\"A\",\"emial\":\"x\"}"); /* what NetSuite does by itself */
    account_close(&a);
}

static void f12_a_locked_record_is_tried_again(void **state)
{
    struct nsim_options o = nsim_defaults();
    struct account a;

    (void)state;
    o.lock = 1;
    open_and_target(&a, &o, NULL, UPSERT);
    assert_int_equal(account_write(&a, ORDER), TL_OK);
    assert_int_equal(a.verdict->end, CONNECTOR_FAILED);
    assert_int_equal(a.verdict->rc, TL_CONFLICT);
    assert_int_equal(tl_rc_class(a.verdict->rc), TL_CLASS_TRANSIENT);
    account_close(&a);
}

static void f13_an_external_id_that_no_address_takes_is_refused_before_it_is_sent(void **state)
{
    struct account a;
    uint64_t before;

    (void)state;
    open_and_target(&a, NULL, NULL, "{ upsert: customer, external_id: n }");
    before = a.sim->counts.received;
    assert_int_equal(account_write(&a, "{\"n\":\"A|B\",\"companyName\":\"x\"}"), TL_OK);
    assert_int_equal(a.verdict->rc, TL_INVALID);
    assert_true(a.rig.call.not_sent);
    assert_int_equal(a.sim->counts.received, before);
    /* unique within the whole group of entities */
    account_target(&a, "{ upsert: contact, external_id: n }");
    assert_int_equal(account_write(&a, "{\"n\":\"C-1\",\"lastName\":\"Doe\"}"), TL_OK);
    assert_non_null(strstr(account_text(&a), "DUP_RCRD"));
    account_close(&a);
}

struct token_row {
    const char *auth, *audit;
    enum tl_rc rc;
};
static const struct token_row tokens[] = {
    {"{ oauth2_client_credentials: { client_id: tieline, kid: k2, private_key: \"${env:KEY}\" } }",
     "kid is not the id of a certificate", TL_AUTH},
    {"{ oauth2_client_credentials: { client_id: other, kid: k1, private_key: \"${env:KEY}\" } }", "iss", TL_AUTH},
    {"{ oauth2_client_credentials: { client_id: tieline, kid: k1, private_key: \"${env:KEY}\", scope: restlets } }",
     "scope lacks rest_webservices", TL_CONFIG},
    {"{ oauth2_client_credentials: { client_id: tieline, kid: k1, private_key: \"${env:KEY}\", alg: RS256 } }", NULL,
     TL_CONFIG},
};

static void f14_a_token_that_is_refused_says_what_was_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < TL_COUNT(tokens); i++) {
        struct account a;

        open_and_target(&a, NULL, tokens[i].auth, UPSERT);
        if (account_write(&a, ORDER) != tokens[i].rc)
            fail_msg("%s: %s; %s", tokens[i].auth, account_text(&a), account_last_audit(&a));
        if (tokens[i].audit && !strstr(account_last_audit(&a), tokens[i].audit))
            fail_msg("%s", account_last_audit(&a));
        account_close(&a);
    }
}

static void f14_an_expired_token_is_renewed_in_the_same_attempt(void **state)
{
    struct account a;

    (void)state;
    open_and_target(&a, NULL, NULL, UPSERT);
    must(&a, ORDER);
    a.sim->opt.expire = true;
    must(&a, ORDER);
    assert_int_equal(a.sim->counts.tokens, 2);
    account_close(&a);
}

static enum tl_rc beyond(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct netsuite_request r = {.method = "POST",
                                 .path = TL_SV(NETSUITE_SUITEQL "?limit=1000&offset=100000"),
                                 .endpoint = NETSUITE_SUITEQL,
                                 .prefer = TL_SV("transient")};
    struct netsuite_refusal no;
    struct http_reply reply;
    struct json_builder body;
    enum tl_rc rc;

    json_object_begin(&body, call->arena, 1);
    (void)json_adds(&body, "q", json_str("SELECT id FROM customer"));
    r.body = json_end(&body);
    rc = netsuite__send(task, call, &r, &reply, err);
    if (rc != TL_OK)
        return rc;
    no = netsuite__judge(task, call, &reply, true);
    return netsuite__fail(&no, err);
}

struct count {
    struct account *a;
    size_t n;
};
static enum tl_rc count_rows(void *arg, struct task *task, const struct connector_incoming *records, size_t n,
                             struct tl_sv position, struct tl_err *err)
{
    struct count *c = arg;

    (void)records, (void)position;
    c->n += n;
    return rig_step(&c->a->rig, task, err);
}

static void f15_offsets_end_at_100_000_rows_where_keys_go_on(void **state)
{
    struct account a;
    struct count c = {.a = &a};

    (void)state;
    open_and_target(&a, NULL, NULL, "{ suiteql: \"SELECT id FROM vendor\" }");
    a.rig.fn = beyond;
    a.rig.call.n = 0;
    rig_run(&a.rig);
    assert_int_equal(a.rig.rc, TL_INVALID);
    assert_non_null(strstr(a.rig.err.text, "at most 100,000 rows"));
    assert_int_equal(
        store_exec(a.sim->db,
                   "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i+1 FROM n WHERE i<100109) INSERT INTO record "
                   "SELECT 'entity',i,'vendor',NULL,'{}',0,0 FROM n",
                   NULL),
        TL_OK);
    a.rig.fn = NULL;
    a.rig.ledger = (struct connector_ledger){.emit = count_rows, .arg = &c};
    rig_run(&a.rig);
    assert_int_equal(a.rig.rc, TL_OK);
    assert_int_equal(c.n, 100100);
    account_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f01_the_realm_is_the_account_as_netsuite_shows_it_however_it_is_written),
        cmocka_unit_test(f02_query_parameters_are_signed_and_do_not_stand_in_the_header),
        cmocka_unit_test(f03_a_signature_with_sha1_is_refused_and_pauses_the_connection),
        cmocka_unit_test(f04_a_missing_permission_kills_the_record_and_names_the_repair),
        cmocka_unit_test(f05_the_concurrency_limit_costs_no_attempt_and_tells_the_guard),
        cmocka_unit_test(f06_overload_in_the_dress_of_a_login_error_is_no_lost_password),
        cmocka_unit_test(f07_an_unexpected_error_is_tried_again_and_its_id_is_kept),
        cmocka_unit_test(f08_a_post_that_is_cut_off_makes_no_second_record),
        cmocka_unit_test(f08_a_signed_request_that_is_cut_off_is_signed_anew),
        cmocka_unit_test(f09_lines_do_not_double_when_an_order_comes_again),
        cmocka_unit_test(f10_dates_do_not_depend_on_a_users_preferences),
        cmocka_unit_test(f11_an_unknown_field_is_refused_and_not_dropped),
        cmocka_unit_test(f12_a_locked_record_is_tried_again),
        cmocka_unit_test(f13_an_external_id_that_no_address_takes_is_refused_before_it_is_sent),
        cmocka_unit_test(f14_a_token_that_is_refused_says_what_was_wrong),
        cmocka_unit_test(f14_an_expired_token_is_renewed_in_the_same_attempt),
        cmocka_unit_test(f15_offsets_end_at_100_000_rows_where_keys_go_on),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
