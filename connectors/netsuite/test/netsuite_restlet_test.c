/* SPDX-License-Identifier: Apache-2.0 */
/* Records to scripts: batches with a verdict each, and what RESTlets answer when something is wrong. */
#include "account.h"

static void a_batch_has_a_verdict_for_each_record(void **state)
{
    static const char *const records[] = {
        "{\"type\":\"customer\",\"externalId\":\"R-1\",\"values\":{\"companyname\":\"One\",\"subsidiary\":1}}",
        "{\"type\":\"customer\",\"externalId\":\"R-2\",\"values\":{\"companyname\":\"Globex\"}}", /* taken */
        "{\"type\":\"salesorder\",\"externalId\":\"R-3\",\"values\":{\"entity\":1},\"lines\":{\"item\":[{\"item\":1,"
        "\"rate\":2},{\"item\":2,\"rate\":3}]}}",
        "{\"type\":\"customer\"}",
    };
    struct account a;

    (void)state;
    account_open(&a, NULL, ACCOUNT_TBA);
    account_target(&a, "{ restlet: customscript_tieline, batch: 10 }");
    assert_int_equal(a.rig.facilities.batch_count, 10);
    for (int round = 0; round < 2; round++) { /* a repetition does no harm */
        rig_records(&a.rig, records, TL_COUNT(records));
        rig_run(&a.rig);
        if (a.rig.rc != TL_OK)
            fail_msg("%s; %s", account_text(&a), account_last_audit(&a));
        assert_int_equal(a.verdict[0].end, CONNECTOR_DONE);
        assert_true(tl_sv_eqs(a.verdict[0].answer, "2"));
        assert_int_equal(a.verdict[1].end, CONNECTOR_FAILED);
        assert_int_equal(tl_rc_class(a.verdict[1].rc), TL_CLASS_DATA);
        assert_true(tl_sv_starts(a.verdict[1].text, TL_SV("DUP_ENTITY: ")));
        assert_int_equal(a.verdict[2].end, CONNECTOR_DONE);
        assert_int_equal(a.verdict[3].rc, TL_INVALID);
    }
    assert_int_equal(account_records(&a, "customer").n, 2);
    assert_true(json_number(json_gets(json_at(account_records(&a, "salesOrder"), 0), "total")) == 5.0);
    account_close(&a);
}

static void a_restlet_says_limit_with_400_and_it_costs_no_attempt(void **state)
{
    struct nsim_options o = nsim_defaults();
    struct account a;

    (void)state;
    o.limit = 0;
    account_open(&a, &o, NULL);
    account_target(&a, "{ restlet: customscript_tieline, batch: 10 }");
    assert_int_equal(account_write(&a, "{}"), TL_RATE_LIMITED);
    assert_int_equal(a.rig.call.status, 400);
    assert_true(a.rig.call.feedback.too_many_at_once);
    account_close(&a);
}

static void a_script_that_is_not_deployed_holds_the_flow(void **state)
{
    struct account a;

    (void)state;
    account_open(&a, NULL, NULL);
    account_target(&a, "{ restlet: customscript_other }");
    assert_int_equal(account_write(&a, "{}"), TL_CONFIG);
    assert_non_null(strstr(account_text(&a), "SSS_INVALID_SCRIPTLET_ID"));
    account_target(&a, "{ restlet: customscript_echo }");
    assert_int_equal(account_write(&a, "{\"id\":7}"), TL_OK);
    assert_int_equal(a.verdict->end, CONNECTOR_DONE);
    assert_true(tl_sv_eqs(a.verdict->answer, "7"));
    account_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_has_a_verdict_for_each_record),
        cmocka_unit_test(a_restlet_says_limit_with_400_and_it_costs_no_attempt),
        cmocka_unit_test(a_script_that_is_not_deployed_holds_the_flow),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
