/* SPDX-License-Identifier: Apache-2.0 */
/* Messages and alerts to Slack, against a scripted server. */
#include "connector/test/connector_rig.h"

#define TOKEN "{ url: \"${env:TIELINE_TEST_URL}/api\", token: \"${env:TOKEN}\" }"
#define WEBHOOK "{ url: \"${env:TIELINE_TEST_URL}\", webhook: \"${env:TOKEN}\" }"

static const char *const firing =
    "{\"state\":\"firing\",\"key\":\"K1\",\"severity\":\"page\",\"summary\":\"Connection erp: the credentials are "
    "refused\","
    "\"cause\":\"HTTP 401 <no> & more\",\"fix\":\"Renew\",\"owner\":\"erp-team\",\"runbook\":\"https://wiki/erp\","
    "\"link\":\"javascript:x\",\"held\":40000,\"drain\":\"10m\"}";

static void start(struct rig *r, const char *connection, const char *target, const char *record)
{
    rig_start(r);
    r->env[1][0] = "TOKEN";
    r->env[1][1] = "s3cr3t-token";
    if (!rig_connect(r, connector_find(TL_SV("slack")), connection) || !rig_target(r, target, 1u << CONNECTOR_WRITE))
        fail_msg("%s", rig_errors(r));
    rig_records(r, &record, 1);
    rig_script(r, (struct rig_reply){.body = "{\"ok\":true,\"ts\":\"1790.1\"}"});
    rig_run(r);
}

static void a_text_and_an_object_become_messages(void **state)
{
    struct rig r;

    (void)state;
    start(&r, TOKEN, "{ message: \"#orders\" }", "\"hello\"");
    assert_int_equal(r.verdicts[0].end, CONNECTOR_DONE);
    assert_true(tl_sv_eqs(r.verdicts[0].answer, "1790.1"));
    assert_true(rig_saw(&r, "POST /api/chat.postMessage\n"));
    assert_true(rig_saw(&r, "authorization: Bearer s3cr3t-token\n"));
    assert_true(rig_saw(&r, "\n\n{\"text\":\"hello\",\"channel\":\"#orders\"}"));
    rig_stop(&r);
    start(&r, TOKEN, "{ message: \"#orders\" }", "{\"text\":\"x\",\"channel\":\"C1\",\"thread_ts\":\"1.2\"}");
    assert_true(rig_saw(&r, "\n\n{\"text\":\"x\",\"channel\":\"C1\",\"thread_ts\":\"1.2\"}"));
    rig_stop(&r);
    start(&r, TOKEN, "{ message: \"#orders\" }", "[1]");
    assert_int_equal(r.verdicts[0].end, CONNECTOR_FAILED);
    assert_int_equal(r.requests, 0);
    rig_stop(&r);
}

static void an_alert_is_readable_and_escaped_and_links_only_to_the_web(void **state)
{
    struct rig r;

    (void)state;
    start(&r, TOKEN, "{ notify: \"#ops\" }", firing);
    assert_int_equal(r.verdicts[0].end, CONNECTOR_DONE);
    assert_true(rig_saw(&r, "\"type\":\"header\""));
    assert_true(rig_saw(&r, "HTTP 401 &lt;no&gt; &amp; more"));
    assert_true(rig_saw(&r, "*Waiting*\\n40000 deliveries") && rig_saw(&r, "*Drained in*\\n10m"));
    assert_true(rig_saw(&r, "\"url\":\"https://wiki/erp\""));
    assert_false(rig_saw(&r, "javascript:"));
    rig_stop(&r);
}

static void an_incoming_webhook_is_its_own_address(void **state)
{
    struct rig r;

    (void)state;
    start(&r, WEBHOOK, "{ notify: \"#ops\" }", firing);
    rig_script(&r, (struct rig_reply){.body = "ok"});
    rig_run(&r);
    assert_int_equal(r.verdicts[0].end, CONNECTOR_DONE);
    assert_true(rig_saw(&r, "POST /s3cr3t-token\n"));
    assert_false(rig_saw(&r, "authorization"));
    rig_script(&r, (struct rig_reply){.status = 404, .body = "no_service"});
    rig_run(&r);
    assert_int_equal(tl_rc_class(r.rc), TL_CLASS_CONFIG);
    rig_script(&r, (struct rig_reply){.status = 403, .body = "invalid_token"});
    rig_run(&r);
    assert_int_equal(tl_rc_class(r.rc), TL_CLASS_AUTH);
    rig_stop(&r);
}

static void what_slack_says_has_its_class(void **state)
{
    static const struct {
        const char *word;
        enum tl_class cls;
    } rows[] = {{"invalid_auth", TL_CLASS_AUTH},        {"token_revoked", TL_CLASS_AUTH},
                {"channel_not_found", TL_CLASS_CONFIG}, {"is_archived", TL_CLASS_CONFIG},
                {"ratelimited", TL_CLASS_RATE_LIMIT},   {"internal_error", TL_CLASS_TRANSIENT},
                {"msg_too_long", TL_CLASS_DATA},        {"something_new", TL_CLASS_DATA}};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct rig r;
        char body[100];

        start(&r, TOKEN, "{ notify: \"#ops\" }", firing);
        (void)snprintf(body, sizeof body, "{\"ok\":false,\"error\":\"%s\"}", rows[i].word);
        rig_script(&r, (struct rig_reply){.body = body});
        rig_run(&r);
        assert_int_equal(r.rc != TL_OK ? tl_rc_class(r.rc) : tl_rc_class(r.verdicts[0].rc), rows[i].cls);
        assert_int_equal(r.rc == TL_OK, rows[i].cls == TL_CLASS_DATA);
        rig_stop(&r);
    }
}

static void one_message_a_second_is_the_rate_unless_the_connection_says_more(void **state)
{
    static const struct {
        const char *connection;
        double amount, burst;
    } rows[] = {{TOKEN, 1, 5},
                {"{ url: \"${env:TIELINE_TEST_URL}/api\", token: \"${env:TOKEN}\", messages_per_second: 40 }", 40, 40}};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct guard_conf conf = {0};
        struct rig r;

        start(&r, rows[i].connection, "{ message: \"#orders\" }", "\"hello\"");
        connector_find(TL_SV("slack"))->budgets(r.call.connection, &conf);
        assert_int_equal(conf.n_budgets, 1);
        assert_true(conf.budgets[0].amount == rows[i].amount && conf.budgets[0].burst == rows[i].burst);
        rig_stop(&r);
    }
}

static void a_connection_needs_a_token_or_a_webhook_and_not_both(void **state)
{
    static const char *const bad[] = {"{}", "{ token: \"${env:A}\", webhook: \"${env:A}\" }"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(bad); i++) {
        struct rig r;

        rig_start(&r);
        r.env[1][0] = "A";
        r.env[1][1] = "x";
        assert_false(rig_connect(&r, connector_find(TL_SV("slack")), bad[i]));
        rig_stop(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_and_an_object_become_messages),
        cmocka_unit_test(an_alert_is_readable_and_escaped_and_links_only_to_the_web),
        cmocka_unit_test(an_incoming_webhook_is_its_own_address),
        cmocka_unit_test(what_slack_says_has_its_class),
        cmocka_unit_test(one_message_a_second_is_the_rate_unless_the_connection_says_more),
        cmocka_unit_test(a_connection_needs_a_token_or_a_webhook_and_not_both),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
