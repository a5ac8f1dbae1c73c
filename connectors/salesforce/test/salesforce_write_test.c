/* SPDX-License-Identifier: Apache-2.0 */
/* Writing to the simulator: collections, verdicts, authentication, quota. */
#include "salesforce/test/sf_rig.h"

#define WRITE (1u << CONNECTOR_WRITE)

static void an_upsert_makes_and_changes_records_by_their_external_id(void **state)
{
    static const char *const first[] = {"{\"ERP_Id__c\":\"A1\",\"Name\":\"Acme\",\"AnnualRevenue\":12.50}",
                                        "{\"ERP_Id__c\":\"A2\",\"Name\":\"Bolt\"}"};
    static const char *const second[] = {"{\"ERP_Id__c\":\"a1\",\"Name\":\"Acme Ltd\",\"AnnualRevenue\":null}"};
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    sf_target(&s, "{ upsert: Account, external_id: ERP_Id__c }", WRITE);
    assert_int_equal(s.rig.facilities.idempotency, CONNECTOR_IDEMPOTENT_UPSERT);
    assert_int_equal(s.rig.facilities.batch_count, 200);
    sf_write(&s, first, 2);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    sf_expect(&s, 1, CONNECTOR_DONE, TL_OK, NULL);
    assert_int_equal(s.rig.verdicts[0].answer.n, 18);
    assert_memory_equal(s.rig.verdicts[0].answer.p, "001", 3);
    sf_write(&s, second, 1);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    assert_int_equal(sf_count(&s, "SELECT COUNT() FROM Account"), 2);
    assert_string_equal(sf_first(&s, "SELECT Name FROM Account WHERE ERP_Id__c = 'A1'", "Name"), "Acme Ltd");
    assert_string_equal(sf_first(&s, "SELECT AnnualRevenue FROM Account WHERE ERP_Id__c = 'A1'", "AnnualRevenue"),
                        "null");
    assert_int_equal(s.sim->counts.api_calls, 2);
    sf_stop(&s);
}

static void each_record_of_a_batch_gets_its_own_verdict(void **state)
{
    static const char *const records[] = {
        "{\"ERP_Id__c\":\"1\",\"Name\":\"good\"}",
        "{\"ERP_Id__c\":\"2\"}",
        "{\"Name\":\"no key\"}",
        "{\"ERP_Id__c\":\"4\",\"Name\":\"x\",\"Nmae\":1}",
        "{\"ERP_Id__c\":\"5\",\"Name\":\"x\",\"ParentId\":\"nonsense\"}",
        "[1]",
        "{\"ERP_Id__c\":\"7\",\"Name\":\"child\",\"Parent\":{\"ERP_Id__c\":\"1\"}}",
        "{\"ERP_Id__c\":\"8\",\"Name\":\"x\",\"Parent\":{\"ERP_Id__c\":\"none\"}}",
        "{\"ERP_Id__c\":\"1\",\"Name\":\"good, again\"}",
    };
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    sf_target(&s, "{ upsert: Account, external_id: ERP_Id__c }", WRITE);
    sf_write(&s, records, TL_COUNT(records));
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    sf_expect(&s, 1, CONNECTOR_FAILED, TL_INVALID,
              "REQUIRED_FIELD_MISSING: Required fields are missing: [Name] (Name)");
    sf_expect(&s, 2, CONNECTOR_FAILED, TL_INVALID, "the record has no ERP_Id__c");
    sf_expect(&s, 3, CONNECTOR_FAILED, TL_INVALID, "INVALID_FIELD: No such column 'Nmae'");
    sf_expect(&s, 4, CONNECTOR_FAILED, TL_INVALID, "MALFORMED_ID");
    sf_expect(&s, 5, CONNECTOR_FAILED, TL_INVALID, "the record is array");
    sf_expect(&s, 6, CONNECTOR_DONE, TL_OK, NULL);
    sf_expect(&s, 7, CONNECTOR_FAILED, TL_INVALID, "Foreign key external ID");
    sf_expect(&s, 8, CONNECTOR_DONE, TL_OK, NULL);
    /* the second with the same external id went in a call of its own, after the first */
    assert_int_equal(s.sim->counts.api_calls, 2);
    assert_string_equal(sf_first(&s, "SELECT Name FROM Account WHERE ERP_Id__c = '1'", "Name"), "good, again");
    assert_string_equal(sf_first(&s, "SELECT Id FROM Account WHERE Parent.ERP_Id__c = '1'", "Id") + 0,
                        sf_first(&s, "SELECT Id FROM Account WHERE ERP_Id__c = '7'", "Id"));
    sf_stop(&s);
}

/* 11.5 UNABLE_TO_LOCK_ROW: only the locked rows come again, the others are done. */
static void a_locked_row_is_retried_alone(void **state)
{
    static const char *const records[] = {"{\"ERP_Id__c\":\"1\",\"Name\":\"a\"}",
                                          "{\"ERP_Id__c\":\"2\",\"Name\":\"b\"}",
                                          "{\"ERP_Id__c\":\"3\",\"Name\":\"c\"}"};
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    s.sim->opt.lock_every = 2;
    sf_target(&s, "{ upsert: Account, external_id: ERP_Id__c }", WRITE);
    sf_write(&s, records, 3);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    sf_expect(&s, 1, CONNECTOR_FAILED, TL_CONFLICT, "UNABLE_TO_LOCK_ROW");
    sf_expect(&s, 2, CONNECTOR_DONE, TL_OK, NULL);
    sf_stop(&s);
}

static void what_cannot_be_read_fails_the_call_and_halves_the_batch(void **state)
{
    static const char *const records[] = {"{\"ERP_Id__c\":\"1\",\"Name\":\"a\"}",
                                          "{\"ERP_Id__c\":\"2\",\"Name\":\"b\",\"AnnualRevenue\":\"much\"}"};
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    sf_target(&s, "{ upsert: Account, external_id: ERP_Id__c }", WRITE);
    sf_write(&s, records, 2);
    sf_expect(&s, 0, CONNECTOR_INNOCENT, TL_INVALID, "JSON_PARSER_ERROR");
    sf_expect(&s, 1, CONNECTOR_INNOCENT, TL_INVALID, "JSON_PARSER_ERROR");
    assert_int_equal(sf_count(&s, "SELECT COUNT() FROM Account"), 0);
    sf_write(&s, records + 1, 1);
    sf_expect(&s, 0, CONNECTOR_FAILED, TL_INVALID, "JSON_PARSER_ERROR");
    sf_stop(&s);
}

static void create_update_and_delete_go_by_id(void **state)
{
    static const char *const lead[] = {"{\"LastName\":\"Doe\",\"Company\":\"Acme\",\"Email\":\"d@acme.example\"}"};
    const char *record;
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    sf_target(&s, "{ create: Lead }", WRITE);
    assert_int_equal(s.rig.facilities.idempotency, CONNECTOR_IDEMPOTENT_NONE);
    sf_write(&s, lead, 1);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    record =
        tl_arena_printf(s.rig.conf, "{\"Id\":\"%.*s\",\"Company\":\"Acme AG\"}", TL_SV_ARG(s.rig.verdicts[0].answer));
    sf_target(&s, "{ update: Lead }", WRITE);
    sf_write(&s, &record, 1);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    assert_string_equal(sf_first(&s, "SELECT Company FROM Lead", "Company"), "Acme AG");
    sf_target(&s, "{ delete: Lead }", WRITE);
    sf_write(&s, &record, 1);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    sf_write(&s, &record, 1);
    sf_expect(&s, 0, CONNECTOR_SKIPPED, TL_INVALID, "ENTITY_IS_DELETED");
    assert_int_equal(sf_count(&s, "SELECT COUNT() FROM Lead"), 0);
    sf_stop(&s);
}

static void updates_and_deletes_by_external_id_share_one_composite_call(void **state)
{
    static const char *const records[] = {"{\"ERP_Id__c\":\"K 1\",\"Name\":\"one\"}",
                                          "{\"ERP_Id__c\":\"K2\",\"Name\":\"two\"}", "{\"Name\":\"none\"}"};
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    (void)sf_add(&s, "Account", "{\"Name\":\"old\",\"ERP_Id__c\":\"K 1\"}");
    sf_target(&s, "{ update: Account, external_id: ERP_Id__c }", WRITE);
    assert_int_equal(s.rig.facilities.batch_count, 25);
    sf_write(&s, records, 3);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    sf_expect(&s, 1, CONNECTOR_FAILED, TL_INVALID, "NOT_FOUND");
    sf_expect(&s, 2, CONNECTOR_FAILED, TL_INVALID, "the record has no ERP_Id__c");
    assert_string_equal(sf_first(&s, "SELECT Name FROM Account", "Name"), "one");
    assert_int_equal(s.sim->counts.api_calls, 1);
    sf_target(&s, "{ delete: Account, external_id: ERP_Id__c }", WRITE);
    sf_write(&s, records, 2);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    sf_expect(&s, 1, CONNECTOR_SKIPPED, TL_INVALID, NULL);
    assert_int_equal(sf_count(&s, "SELECT COUNT() FROM Account"), 0);
    sf_stop(&s);
}

static void a_value_that_looks_like_a_reference_stays_a_value(void **state)
{
    static const char *const records[] = {"{\"ERP_Id__c\":\"K1\",\"Name\":\"@{r1.id} Ltd\"}",
                                          "{\"ERP_Id__c\":\"K2\",\"Name\":\"two\"}"};
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    (void)sf_add(&s, "Account", "{\"Name\":\"old\",\"ERP_Id__c\":\"K1\"}");
    sf_target(&s, "{ update: Account, external_id: ERP_Id__c }", WRITE);
    sf_write(&s, records, 2);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    sf_expect(&s, 1, CONNECTOR_FAILED, TL_INVALID, "NOT_FOUND");
    assert_string_equal(sf_first(&s, "SELECT Name FROM Account", "Name"), "@{r1.id} Ltd");
    sf_stop(&s);
}

static void a_platform_event_answers_with_its_uuid(void **state)
{
    static const char *const records[] = {"{\"Order_Number__c\":\"4711\",\"Amount__c\":12.5}", "{\"Amount__c\":1}"};
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    sf_target(&s, "{ publish: Order_Placed__e }", WRITE);
    sf_write(&s, records, 2);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    assert_int_equal(s.rig.verdicts[0].answer.n, 36);
    sf_expect(&s, 1, CONNECTOR_FAILED, TL_INVALID, "REQUIRED_FIELD_MISSING");
    sf_stop(&s);
}

/* 11.11 Duplicate rules. */
static void a_duplicate_rule_refuses_or_is_overruled_as_the_target_says(void **state)
{
    static const char *const records[] = {"{\"LastName\":\"Doe\",\"Company\":\"Acme\",\"Email\":\"d@acme.example\"}"};
    struct tl_err err = {0};
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    assert_int_equal(sfsim_schema_add(s.sim->schema, TL_SV("duplicates Lead: Email alert"), &err), TL_OK);
    sf_target(&s, "{ create: Lead }", WRITE);
    sf_write(&s, records, 1);
    sf_write(&s, records, 1);
    sf_expect(&s, 0, CONNECTOR_FAILED, TL_EXISTS, "DUPLICATES_DETECTED");
    sf_target(&s, "{ create: Lead, duplicates: allow }", WRITE);
    sf_write(&s, records, 1);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    assert_int_equal(sfsim_schema_add(s.sim->schema, TL_SV("duplicates Lead: Email block"), &err), TL_OK);
    sf_write(&s, records, 1);
    sf_expect(&s, 0, CONNECTOR_FAILED, TL_EXISTS, "DUPLICATES_DETECTED");
    assert_int_equal(sf_count(&s, "SELECT COUNT() FROM Lead"), 2);
    sf_stop(&s);
}

static void validation_rules_refuse_with_the_words_of_the_org(void **state)
{
    static const char *const records[] = {
        "{\"ERP_Id__c\":\"1\",\"Name\":\"x\",\"StageName\":\"Proposal\",\"CloseDate\":"
        "\"2026-12-01\",\"Amount\":-1}",
        "{\"ERP_Id__c\":\"2\",\"Name\":\"x\",\"StageName\":\"Nowhere\",\"CloseDate\":"
        "\"2026-12-01\"}"};
    struct tl_err err = {0};
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    assert_int_equal(sfsim_schema_add(s.sim->schema, TL_SV("rule Opportunity: Amount < 0: Not below zero"), &err),
                     TL_OK);
    sf_target(&s, "{ upsert: Opportunity, external_id: ERP_Id__c }", WRITE);
    sf_write(&s, records, 2);
    sf_expect(&s, 0, CONNECTOR_FAILED, TL_INVALID, "FIELD_CUSTOM_VALIDATION_EXCEPTION: Not below zero (Amount)");
    sf_expect(&s, 1, CONNECTOR_FAILED, TL_INVALID, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST");
    sf_stop(&s);
}

/* ---- sessions ---- */

/* 11.1 Expired session mid-run: one refresh, the call again. */
static void an_expired_session_is_renewed_once_and_the_call_made_again(void **state)
{
    static const char *const records[] = {"{\"ERP_Id__c\":\"1\",\"Name\":\"a\"}"};
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    sf_target(&s, "{ upsert: Account, external_id: ERP_Id__c }", WRITE);
    sf_write(&s, records, 1);
    sfsim_sessions_expire(s.sim);
    sf_write(&s, records, 1);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    assert_int_equal(s.sim->counts.tokens, 2);
    s.sim->opt.expire_every = 1;
    sf_write(&s, records, 1);
    assert_int_equal(s.rig.rc, TL_AUTH);
    assert_int_equal(s.sim->counts.tokens, 3); /* not a loop */
    sf_stop(&s);
}

/* 11.2, 11.3: a grant that is refused pauses the connection with the vendor's words. */
static void a_refused_grant_is_an_auth_error_with_the_vendors_words(void **state)
{
    static const char *const records[] = {"{\"ERP_Id__c\":\"1\",\"Name\":\"a\"}"};
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    s.sim->opt.refuse_grant = true;
    sf_target(&s, "{ upsert: Account, external_id: ERP_Id__c }", WRITE);
    sf_write(&s, records, 1);
    assert_int_equal(s.rig.rc, TL_AUTH);
    assert_non_null(strstr(s.rig.err.text, "invalid_grant"));
    assert_non_null(strstr(s.rig.err.text, "inactive user"));
    assert_true(s.rig.call.not_sent);
    sf_stop(&s);
}

static void the_password_grant_and_a_wrong_secret(void **state)
{
    static const char *const records[] = {"{\"ERP_Id__c\":\"1\",\"Name\":\"a\"}"};
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    s.rig.env[2][0] = "SF_PASSWORD";
    s.rig.env[2][1] = "demo-password";
    sf_connect(&s,
               "{ oauth2_password: { client_id: tieline-demo, client_secret: \"${env:SF_SECRET}\", user: "
               "integration@sim.example, password: \"${env:SF_PASSWORD}\", client_auth: client_secret_post } }",
               NULL);
    sf_target(&s, "{ upsert: Account, external_id: ERP_Id__c }", WRITE);
    sf_write(&s, records, 1);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    s.rig.env[2][1] = "wrong-password";
    secret_reload(s.secrets, NULL, NULL);
    sfsim_sessions_expire(s.sim);
    sf_write(&s, records, 1);
    assert_int_equal(s.rig.rc, TL_AUTH);
    assert_null(strstr(s.rig.err.text, "wrong-password"));
    sf_stop(&s);
}

/* ---- limits ---- */

/* 11.4 The daily limit. */
static void the_quota_is_read_from_each_answer_and_its_end_waits_for_hours(void **state)
{
    static const char *const records[] = {"{\"ERP_Id__c\":\"1\",\"Name\":\"a\"}"};
    const struct guard_reading *r;
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    s.sim->opt.daily = 3;
    s.sim->opt.per_app = true;
    sf_target(&s, "{ upsert: Account, external_id: ERP_Id__c }", WRITE);
    sf_write(&s, records, 1);
    r = &s.rig.call.feedback.readings[0];
    assert_int_equal(s.rig.call.feedback.n_readings, 2);
    assert_string_equal(r->name, "daily_api_calls");
    assert_true(r->remaining > 1.9 && r->remaining < 2.1 && r->limit > 2.9 && r->limit < 3.1);
    sf_write(&s, records, 1);
    sf_write(&s, records, 1);
    sf_write(&s, records, 1);
    assert_int_equal(s.rig.rc, TL_QUOTA);
    assert_int_equal(s.rig.err.retry_after_ms, 3600000);
    assert_non_null(strstr(s.rig.err.text, "TotalRequests Limit exceeded"));
    s.sim->opt.limit_concurrent = true;
    sf_write(&s, records, 1);
    assert_int_equal(s.rig.rc, TL_RATE_LIMITED);
    assert_true(s.rig.call.feedback.too_many_at_once);
    sf_stop(&s);
}

/* 11.8 Truncated answers, 406, 5xx. */
static void answers_that_break_are_tried_again_where_that_is_safe(void **state)
{
    static const char *const records[] = {"{\"ERP_Id__c\":\"1\",\"Name\":\"a\"}"};
    static const char *const lead[] = {"{\"LastName\":\"Doe\",\"Company\":\"Acme\"}"};
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    sf_target(&s, "{ upsert: Account, external_id: ERP_Id__c }", WRITE);
    s.sim->opt.unavailable = 1;
    sf_write(&s, records, 1);
    assert_int_equal(s.rig.rc, TL_UPSTREAM);
    assert_non_null(strstr(s.rig.err.text, "HTTP 503: Service not available"));
    s.sim->opt.unavailable = 0;
    s.sim->opt.empty = 1;
    sf_write(&s, records, 1);
    assert_int_equal(s.rig.rc, TL_UPSTREAM);
    s.sim->opt.empty = 0;
    s.sim->opt.fail = 1;
    sf_write(&s, records, 1);
    assert_int_equal(s.rig.rc, TL_UPSTREAM);
    assert_non_null(strstr(s.rig.err.text, "UNKNOWN_EXCEPTION"));
    s.sim->opt.fail = 0;
    s.sim->opt.drop = 1;
    sf_target(&s, "{ create: Lead }", WRITE);
    sf_write(&s, lead, 1);
    assert_int_equal(s.rig.rc, TL_UNKNOWN_OUTCOME);
    assert_int_equal(sf_count(&s, "SELECT COUNT() FROM Lead"), 1);
    sf_stop(&s);
}

static void a_look_up_takes_values_as_literals(void **state)
{
    static const char *const record[] = {"{\"id\":\"A'1\",\"ids\":[\"A'1\",\"B\"]}"};
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    (void)sf_add(&s, "Account", "{\"Name\":\"O'Neill\",\"ERP_Id__c\":\"A'1\"}");
    rig_records(&s.rig, record, 1);
    s.rig.call.input = s.rig.records[0].envelope;
    s.rig.call.n = 0;
    sf_target(&s, "{ query: \"SELECT Id, Name, Owner.Name FROM Account WHERE ERP_Id__c = {body.id}\" }",
              1u << CONNECTOR_CALL);
    rig_run(&s.rig);
    if (s.rig.rc != TL_OK)
        fail_msg("%s", s.rig.err.text);
    assert_true(tl_sv_eqs(json_text(json_gets(s.rig.call.output, "Name"), TL_SV("")), "O'Neill"));
    assert_int_equal(json_gets(s.rig.call.output, "attributes").type, JSON_UNDEFINED);
    sf_target(&s, "{ query: \"SELECT Name FROM Account WHERE ERP_Id__c IN {body.ids}\", one: false }",
              1u << CONNECTOR_CALL);
    rig_run(&s.rig);
    assert_int_equal(s.rig.call.output.n, 1);
    sf_target(&s, "{ query: \"SELECT Name FROM Account WHERE ERP_Id__c = {body.none}\" }", 1u << CONNECTOR_CALL);
    rig_run(&s.rig);
    assert_int_equal(s.rig.call.output.type, JSON_NULL);
    sf_stop(&s);
}

static void a_connection_refuses_addresses_that_cannot_work(void **state)
{
    static const char *const rows[][2] = {
        {"{ url: \"https://login.salesforce.com\" }", "only logs in"},
        {"{ url: \"https://acme.lightning.force.com\" }", "serves pages"},
        {"{ url: \"https://acme.my.salesforce.com/services\" }", "has a path"},
        {"{ url: \"https://acme.my.salesforce.com\", version: \"31\" }", "is not an API version"},
    };
    struct rig r;

    (void)state;
    rig_start(&r);
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        assert_false(rig_connect(&r, connector_find(TL_SV("salesforce")), rows[i][0]));
        if (!strstr(rig_errors(&r), rows[i][1]))
            fail_msg("%s: %s", rows[i][0], rig_errors(&r));
    }
    rig_stop(&r);
}

/* Together or not at all; what was rolled back with the culprit comes again with it, and others are not touched. */
static void related_records_are_written_together_or_not_at_all(void **state)
{
    static const char *const graphs[] = {
        "{\"nodes\":[{\"ref\":\"acct\",\"fields\":{\"ERP_Id__c\":\"C7\",\"Name\":\"seven\"}},{\"object\":\"Contact\","
        "\"fields\":{"
        "\"ERP_Id__c\":\"P1\",\"LastName\":\"One\",\"AccountId\":{\"ref\":\"acct\"}}}]}",
        "{\"nodes\":[{\"ref\":\"acct\",\"fields\":{\"ERP_Id__c\":\"C8\",\"Name\":\"eight\"}},{\"object\":\"Contact\","
        "\"fields\":{"
        "\"ERP_Id__c\":\"P2\",\"AccountId\":{\"ref\":\"acct\"}}}]}",
        "{\"nodes\":[{\"fields\":{\"ERP_Id__c\":\"C9\",\"Name\":\"@{acct.id}\"}}]}",
        "{\"nodes\":[{\"fields\":{\"ERP_Id__c\":\"C1\",\"Name\":\"x\",\"ParentId\":{\"ref\":\"nobody\"}}}]}",
        "{\"ERP_Id__c\":\"C2\"}",
        "{\"nodes\":[{\"fields\":{\"Name\":\"no key\"}}]}",
    };
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    sf_target(&s, "{ graph: Account, external_id: ERP_Id__c }", 1u << CONNECTOR_WRITE);
    for (int round = 0; round < 2; round++) { /* a repetition does no harm */
        sf_write(&s, graphs, TL_COUNT(graphs));
        sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
        assert_int_equal(s.rig.verdicts[0].answer.n, 18);
        sf_expect(&s, 1, CONNECTOR_FAILED, TL_INVALID, "node 1: REQUIRED_FIELD_MISSING");
        sf_expect(&s, 2, CONNECTOR_FAILED, TL_INVALID, "@{");
        sf_expect(&s, 3, CONNECTOR_FAILED, TL_INVALID, "no earlier node");
        sf_expect(&s, 4, CONNECTOR_FAILED, TL_INVALID, "no graph");
        sf_expect(&s, 5, CONNECTOR_FAILED, TL_INVALID, "external id");
    }
    assert_int_equal(sf_count(&s, "SELECT COUNT() FROM Account"), 1); /* C8 was rolled back with P2 */
    assert_int_equal(sf_count(&s, "SELECT COUNT() FROM Contact WHERE Account.ERP_Id__c = 'C7'"), 1);
    s.sim->opt.lock_every = 1; /* a lock is the org's, not the record's: again later */
    sf_write(&s, graphs, 1);
    sf_expect(&s, 0, CONNECTOR_FAILED, TL_CONFLICT, "UNABLE_TO_LOCK_ROW");
    sf_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(related_records_are_written_together_or_not_at_all),
        cmocka_unit_test(an_upsert_makes_and_changes_records_by_their_external_id),
        cmocka_unit_test(each_record_of_a_batch_gets_its_own_verdict),
        cmocka_unit_test(a_locked_row_is_retried_alone),
        cmocka_unit_test(what_cannot_be_read_fails_the_call_and_halves_the_batch),
        cmocka_unit_test(create_update_and_delete_go_by_id),
        cmocka_unit_test(updates_and_deletes_by_external_id_share_one_composite_call),
        cmocka_unit_test(a_value_that_looks_like_a_reference_stays_a_value),
        cmocka_unit_test(a_platform_event_answers_with_its_uuid),
        cmocka_unit_test(a_duplicate_rule_refuses_or_is_overruled_as_the_target_says),
        cmocka_unit_test(validation_rules_refuse_with_the_words_of_the_org),
        cmocka_unit_test(an_expired_session_is_renewed_once_and_the_call_made_again),
        cmocka_unit_test(a_refused_grant_is_an_auth_error_with_the_vendors_words),
        cmocka_unit_test(the_password_grant_and_a_wrong_secret),
        cmocka_unit_test(the_quota_is_read_from_each_answer_and_its_end_waits_for_hours),
        cmocka_unit_test(answers_that_break_are_tried_again_where_that_is_safe),
        cmocka_unit_test(a_look_up_takes_values_as_literals),
        cmocka_unit_test(a_connection_refuses_addresses_that_cannot_work),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
