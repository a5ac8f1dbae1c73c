/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "queue/operate.h"

/* ---- configuration ---- */
static void rules_can_be_changed_turned_off_and_kept_from_some(void **state)
{
    struct world w;

    (void)state;
    start(&w, "{ receivers: { ops: {}, dba: {} }, notify: ops, rules: { flow_held: { except: parts }, "
              "dead_letters_grow: { off: true }, breaker_open: { hold: 0s, severity: ticket, notify: [dba], owner: net "
              "} } }");
    look(&w);
    after(&w, 5);
    w.flows[0].died = w.flows[1].died = 4;
    w.flows[1].held = "flow_config";
    w.connections[0].breaker = "open";
    assert_int_equal(look(&w), 1);
    assert_string_equal(w.due[0].name, "dba");
    assert_true(tl_sv_eqs(text(w.due[0].body, "owner"), "net") && tl_sv_eqs(text(w.due[0].body, "severity"), "ticket"));
    assert_int_equal(all(&w, ALERT_ALL).n, 1);
    stop(&w);
}

static void off_means_off(void **state)
{
    struct world w;

    (void)state;
    start(&w, "{ off: true }");
    w.s.intake_stopped = true;
    w.connections[0].held = "connection_auth";
    look(&w);
    assert_int_equal(all(&w, ALERT_ALL).n, 0);
    stop(&w);
}

static void receivers_that_do_not_exist_are_found(void **state)
{
    static const char *const bad[] = {"{ notify: ops }", "{ receivers: { ops: {} }, page: opps }",
                                      "{ rules: { calls_slow: { notify: x } } }", "{ rules: { calls_slo: {} } }",
                                      "{ rules: { flow_held: { threshold: 5 } } }"};
    struct world w;

    (void)state;
    start(&w, "{}");
    for (size_t i = 0; i < TL_COUNT(bad); i++) {
        size_t n = config_errors_count(w.errors);

        assert_false(configure(&w, bad[i]));
        assert_true(config_errors_count(w.errors) > n);
    }
    stop(&w);
}

static void the_tables_are_whole(void **state)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0}, rules = {0}, page = {0};
    struct world w;
    struct json list;

    (void)state;
    start(&w, "{}");
    config_lint_spec(&alert_spec, w.errors);
    tl_buf_init(&b, 1 << 20);
    if (config_errors_count(w.errors) && config_errors_text(w.errors, false, &b))
        fail_msg("%.*s", (int)b.n, b.p);
    tl_buf_init(&rules, 1 << 20);
    tl_buf_init(&page, 1 << 20);
    assert_true(alert_prometheus(&rules) && alert_reference(&page));
    list = alert_rules_json(w.conf, w.arena);
    assert_int_equal(list.n, ALERT_RULES);
    for (uint32_t i = 0; i < list.n; i++) {
        struct tl_sv name = text(json_at(list, i), "name");

        assert_true(tl_sv_find_sv(tl_buf_view(&page), name) < page.n);
        assert_true(text(json_at(list, i), "fix").n > 20);
    }
    assert_true(tl_sv_find_sv(tl_buf_view(&rules), TL_SV("alert: TielineCallsSlow")) < rules.n);
    assert_true(tl_sv_find_sv(tl_buf_view(&rules), TL_SV("> 5 and ")) < rules.n);
    assert_true(tl_sv_find_sv(tl_buf_view(&rules), TL_SV("> 0.9 * tieline_connection_budget_limit")) < rules.n);
    assert_true(tl_sv_find_sv(tl_buf_view(&rules), TL_SV("and sum by (connection, instance) "
                                                         "(increase(tieline_calls_total[5m])) >= 20")) < rules.n);
    stop(&w);
}

static bool is_held_name(struct tl_sv word)
{
    for (int h = QUEUE_HELD_NONE + 1; h <= QUEUE_HELD_TARGET_CHANGED; h++) {
        if (tl_sv_eqs(word, queue_held_name((enum queue_held)h)))
            return true;
    }
    return false;
}

static void the_rules_for_prometheus_name_holds_as_the_ledger_does_and_have_no_place_left_open(void **state)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf rules = {0};
    struct tl_sv rest, word;
    size_t n = 0;

    (void)state;
    tl_buf_init(&rules, 1 << 20);
    assert_true(alert_prometheus(&rules));
    rest = tl_buf_view(&rules);
    for (size_t at; at = tl_sv_find_sv(rest, TL_SV("{reason=")), at < rest.n;) {
        struct tl_sv words;

        rest = tl_sv_from(rest, at + 8);
        assert_true(tl_sv_cut(&rest, '"', &word)); /* = or =~ */
        assert_true(tl_sv_cut(&rest, '"', &words));
        for (; tl_sv_cut(&words, '|', &word); n++)
            if (!is_held_name(word))
                fail_msg("the ledger knows no hold '%.*s'", TL_SV_ARG(word));
    }
    assert_true(n >= 6);
    for (size_t i = 0; i < 4; i++)
        assert_true(tl_sv_find_sv(tl_buf_view(&rules),
                                  tl_sv_str((const char *[]){"{t}", "{calls}", "{retries}", "{wait}"}[i])) == rules.n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_can_be_changed_turned_off_and_kept_from_some),
        cmocka_unit_test(off_means_off),
        cmocka_unit_test(receivers_that_do_not_exist_are_found),
        cmocka_unit_test(the_tables_are_whole),
        cmocka_unit_test(the_rules_for_prometheus_name_holds_as_the_ledger_does_and_have_no_place_left_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
