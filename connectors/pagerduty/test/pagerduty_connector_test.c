/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts and events to PagerDuty, against a scripted server. */
#include "connector/test/connector_rig.h"

static const char *const firing =
    "{\"state\":\"firing\",\"key\":\"K1\",\"severity\":\"page\",\"rule\":\"connection_auth\",\"kind\":\"connection\","
    "\"subject\":\"erp\",\"summary\":\"Connection erp: the credentials are refused\",\"cause\":\"HTTP 401\","
    "\"fix\":\"Renew\",\"owner\":\"erp-team\",\"runbook\":\"https://wiki/erp\",\"link\":\"https://c/#/alerts/1\","
    "\"held\":40000,\"drain\":\"10m\",\"since\":\"2026-11-24T18:20:00.000Z\"}";
static const char *const resolved =
    "{\"state\":\"resolved\",\"key\":\"K1\",\"severity\":\"page\",\"summary\":\"over\"}";

static void start(struct rig *r, const char *target, const char *record)
{
    rig_start(r);
    r->env[1][0] = "KEY";
    r->env[1][1] = "s3cr3t-key";
    if (!rig_connect(r, connector_find(TL_SV("pagerduty")),
                     "{ url: \"${env:TIELINE_TEST_URL}\", routing_key: \"${env:KEY}\" }") ||
        !rig_target(r, target, 1u << CONNECTOR_WRITE))
        fail_msg("%s", rig_errors(r));
    rig_records(r, &record, 1);
    rig_script(r, (struct rig_reply){.status = 202, .body = "{\"status\":\"success\"}"});
    rig_run(r);
}

static void an_alert_triggers_an_incident_with_all_that_is_known(void **state)
{
    struct rig r;

    (void)state;
    start(&r, "{ notify: prod }", firing);
    assert_int_equal(r.rc, TL_OK);
    assert_int_equal(r.verdicts[0].end, CONNECTOR_DONE);
    assert_true(tl_sv_eqs(r.verdicts[0].answer, "tieline-K1"));
    assert_true(rig_saw(&r, "POST /v2/enqueue\n"));
    assert_true(rig_saw(&r, "\"routing_key\":\"s3cr3t-key\""));
    assert_true(rig_saw(&r, "\"event_action\":\"trigger\",\"dedup_key\":\"tieline-K1\""));
    assert_true(rig_saw(&r, "\"severity\":\"critical\"") && rig_saw(&r, "\"source\":\"prod\""));
    assert_true(rig_saw(&r, "\"class\":\"connection_auth\"") && rig_saw(&r, "\"held\":40000"));
    assert_true(rig_saw(&r, "{\"href\":\"https://wiki/erp\",\"text\":\"Runbook\"}"));
    assert_true(rig_saw(&r, "{\"href\":\"https://c/#/alerts/1\""));
    rig_stop(&r);
}

static void its_end_resolves_the_same_incident(void **state)
{
    struct rig r;

    (void)state;
    start(&r, "{ notify: prod }", resolved);
    assert_int_equal(r.verdicts[0].end, CONNECTOR_DONE);
    assert_true(rig_saw(&r, "\"event_action\":\"resolve\",\"dedup_key\":\"tieline-K1\""));
    rig_stop(&r);
}

static void an_event_of_a_flow_is_completed_and_cannot_bring_a_key_of_its_own(void **state)
{
    struct rig r;

    (void)state;
    start(&r, "{ event: shop }",
          "{\"routing_key\":\"theirs\",\"payload\":{\"summary\":\"no stock\",\"severity\":\"info\"}}");
    assert_int_equal(r.verdicts[0].end, CONNECTOR_DONE);
    assert_true(rig_saw(&r, "\"payload\":{\"summary\":\"no stock\",\"severity\":\"info\",\"source\":\"shop\"}"));
    assert_true(rig_saw(&r, "\"event_action\":\"trigger\""));
    assert_false(rig_saw(&r, "theirs"));
    rig_stop(&r);
}

static void a_wrong_key_pauses_and_a_wrong_event_dies(void **state)
{
    struct rig r;

    (void)state;
    start(&r, "{ notify: prod }", firing);
    rig_script(&r, (struct rig_reply){.status = 400,
                                      .body = "{\"message\":\"Event object is invalid\","
                                              "\"errors\":[\"Invalid routing key\"]}"});
    rig_run(&r);
    assert_int_equal(r.rc, TL_AUTH);
    rig_script(&r, (struct rig_reply){.status = 400,
                                      .body = "{\"message\":\"Event object is invalid\","
                                              "\"errors\":[\"'payload.severity' is invalid\"]}"});
    rig_run(&r);
    assert_int_equal(r.rc, TL_OK);
    assert_int_equal(r.verdicts[0].end, CONNECTOR_FAILED);
    assert_int_equal(tl_rc_class(r.verdicts[0].rc), TL_CLASS_DATA);
    rig_stop(&r);
}

static void what_is_no_notice_is_refused_and_not_sent(void **state)
{
    static const char *const bad[] = {"{}", "\"text\"", "{\"state\":\"open\",\"key\":\"a\",\"summary\":\"b\"}"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(bad); i++) {
        struct rig r;

        start(&r, "{ notify: prod }", bad[i]);
        assert_int_equal(r.verdicts[0].end, CONNECTOR_FAILED);
        assert_int_equal(r.requests, 0);
        assert_true(r.call.not_sent);
        rig_stop(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alert_triggers_an_incident_with_all_that_is_known),
        cmocka_unit_test(its_end_resolves_the_same_incident),
        cmocka_unit_test(an_event_of_a_flow_is_completed_and_cannot_bring_a_key_of_its_own),
        cmocka_unit_test(a_wrong_key_pauses_and_a_wrong_event_dies),
        cmocka_unit_test(what_is_no_notice_is_refused_and_not_sent),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
