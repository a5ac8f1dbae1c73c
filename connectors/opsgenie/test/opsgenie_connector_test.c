/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts to Opsgenie, against a scripted server. */
#include "connector/test/connector_rig.h"

static void start(struct rig *r, const char *record)
{
    rig_start(r);
    r->env[1][0] = "KEY";
    r->env[1][1] = "s3cr3t-key";
    if (!rig_connect(r, connector_find(TL_SV("opsgenie")),
                     "{ url: \"${env:TIELINE_TEST_URL}\", key: \"${env:KEY}\" }") ||
        !rig_target(r, "{ notify: integration, ticket: P4 }", 1u << CONNECTOR_WRITE))
        fail_msg("%s", rig_errors(r));
    rig_records(r, &record, 1);
    rig_script(r, (struct rig_reply){.status = 202, .body = "{\"result\":\"Request will be processed\"}"});
    rig_run(r);
}

static void an_alert_is_created_for_its_team_with_all_that_is_known(void **state)
{
    struct rig r;

    (void)state;
    start(&r,
          "{\"state\":\"firing\",\"key\":\"K1\",\"severity\":\"page\",\"rule\":\"connection_auth\",\"subject\":\"erp\","
          "\"summary\":\"Connection erp: the credentials are refused\",\"cause\":\"HTTP 401\",\"fix\":\"Renew\","
          "\"owner\":\"erp-team\",\"held\":40000,\"drain\":\"10m\"}");
    assert_int_equal(r.verdicts[0].end, CONNECTOR_DONE);
    assert_true(tl_sv_eqs(r.verdicts[0].answer, "tieline-K1"));
    assert_true(rig_saw(&r, "POST /v2/alerts\n") && rig_saw(&r, "authorization: GenieKey s3cr3t-key\n"));
    assert_true(rig_saw(&r, "\"alias\":\"tieline-K1\"") && rig_saw(&r, "\"priority\":\"P1\""));
    assert_true(rig_saw(&r, "{\"name\":\"integration\",\"type\":\"team\"}"));
    assert_true(rig_saw(
        &r, "Cause: HTTP 401\\nWhat to do: Renew\\nOwner: erp-team\\nWaiting: 40000 deliveries, drained in 10m"));
    rig_stop(&r);
}

static void a_long_summary_is_cut_at_a_character(void **state)
{
    char record[700] = "{\"state\":\"firing\",\"key\":\"K1\",\"severity\":\"ticket\",\"summary\":\"a";
    struct rig r;

    (void)state;
    for (int i = 0; i < 100; i++)
        strcat(record, "\xc3\xa4");
    strcat(record, "\"}");
    start(&r, record);
    assert_int_equal(r.verdicts[0].end, CONNECTOR_DONE);
    assert_true(rig_saw(&r, "\xc3\xa4\",\"alias\"") && rig_saw(&r, "\"priority\":\"P4\""));
    rig_stop(&r);
}

static void its_end_closes_it(void **state)
{
    struct rig r;

    (void)state;
    start(&r, "{\"state\":\"resolved\",\"key\":\"K1\",\"severity\":\"page\",\"summary\":\"over\"}");
    assert_int_equal(r.verdicts[0].end, CONNECTOR_DONE);
    assert_true(rig_saw(&r, "POST /v2/alerts/tieline-K1/close?identifierType=alias\n"));
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alert_is_created_for_its_team_with_all_that_is_known),
        cmocka_unit_test(a_long_summary_is_cut_at_a_character),
        cmocka_unit_test(its_end_closes_it),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
