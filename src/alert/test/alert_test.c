/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "queue/operate.h"

/* ---- one rule after the other ---- */
static void refused_credentials_fire_at_once_and_say_all_that_matters(void **state)
{
    struct world w;
    struct json a;

    (void)state;
    start(&w, OPS ", page: oncall, console: \"https://tl.example.com/\" }");
    assert_int_equal(look(&w), 0);
    after(&w, 5);
    w.connections[0].held = "connection_auth";
    w.connections[0].held_text = "HTTP 401: INVALID_LOGIN";
    w.connections[0].drain_ms = 600000;
    w.connections[0].drain_reason = "concurrency 10";
    w.flows[0].waiting = 39000;
    w.flows[1].waiting = 1000;
    assert_int_equal(look(&w), 2);
    assert_string_equal(w.due[0].name, "ops");
    assert_string_equal(w.due[1].name, "oncall");
    a = w.due[0].body;
    assert_true(tl_sv_eqs(text(a, "rule"), "connection_auth") && tl_sv_eqs(text(a, "severity"), "page"));
    assert_true(tl_sv_eqs(text(a, "type"), "tieline.alert.firing") && tl_sv_eqs(text(a, "state"), "firing"));
    assert_true(tl_sv_eqs(text(a, "cause"), "HTTP 401: INVALID_LOGIN"));
    assert_true(tl_sv_find_sv(text(a, "fix"), TL_SV("`tieline resume connection erp`")) < text(a, "fix").n);
    assert_true(tl_sv_eqs(text(a, "owner"), "erp-team") && tl_sv_eqs(text(a, "runbook"), "https://wiki/erp"));
    assert_int_equal(json_gets(a, "held").u.i, 40000);
    assert_int_equal(json_gets(a, "drain_ms").u.i, 600000);
    assert_true(tl_sv_eqs(text(a, "drain"), "10m"));
    assert_true(tl_sv_starts(text(a, "link"), TL_SV("https://tl.example.com/#/alerts/")));
    assert_int_equal(json_gets(json_at(json_gets(a, "alerts"), 0), "flows").n, 2);
    stop(&w);
}

static void a_changed_identity_fires_by_the_word_of_the_ledger(void **state)
{
    struct world w;

    (void)state;
    start(&w, OPS " }");
    w.connections[0].held = queue_held_name(QUEUE_HELD_IDENTITY);
    assert_int_equal(look(&w), 1);
    assert_true(fires(&w, "connection_identity", "erp"));
    assert_int_equal(all(&w, ALERT_OPEN).n, 1);
    stop(&w);
}

static void an_alert_is_told_once_and_resolves_when_its_cause_was_gone_for_a_while(void **state)
{
    struct world w;
    struct json over;

    (void)state;
    start(&w, OPS " }");
    w.connections[0].held = "connection_auth";
    assert_int_equal(look(&w), 1);
    for (int i = 0; i < 10; i++) {
        after(&w, 5);
        assert_int_equal(look(&w), 0);
    }
    w.connections[0].held = NULL;
    after(&w, 5);
    assert_int_equal(look(&w), 0);
    assert_true(fires(&w, "connection_auth", "erp"));
    after(&w, 5);
    assert_int_equal(look(&w), 1);
    assert_true(w.due[0].resolved && tl_sv_eqs(text(w.due[0].body, "type"), "tieline.alert.resolved"));
    assert_int_equal(all(&w, ALERT_OPEN).n, 0);
    over = json_at(all(&w, ALERT_RESOLVED), 0);
    assert_true(tl_sv_eqs(text(over, "state"), "resolved") && text(over, "resolved_at").n > 0);
    assert_int_equal(json_gets(over, "notified").n, 2);
    after(&w, 5);
    assert_int_equal(look(&w), 0);
    stop(&w);
}

static void a_flapping_cause_is_one_alert(void **state)
{
    struct world w;

    (void)state;
    start(&w, OPS " }");
    for (int i = 0; i < 20; i++) {
        w.connections[0].held = i % 2 ? NULL : "connection_auth";
        assert_int_equal(look(&w), i == 0);
        after(&w, 5);
    }
    stop(&w);
}

static void hold_keeps_a_short_trouble_quiet(void **state)
{
    struct world w;

    (void)state;
    start(&w, OPS " }");
    w.connections[0].breaker = "open";
    assert_int_equal(look(&w), 0);
    assert_true(tl_sv_eqs(text(named(&w, "breaker_open", "erp"), "state"), "pending"));
    after(&w, 60);
    w.connections[0].breaker = "closed";
    assert_int_equal(look(&w), 0);
    assert_int_equal(all(&w, ALERT_ALL).n, 0);
    w.connections[0].breaker = "half_open";
    assert_int_equal(look(&w), 0);
    after(&w, 119);
    assert_int_equal(look(&w), 0);
    after(&w, 1);
    assert_int_equal(look(&w), 1);
    stop(&w);
}

static void slow_calls_are_those_of_the_window_not_of_the_whole_past(void **state)
{
    struct world w;
    double p95;

    (void)state;
    start(&w, OPS ", rules: { calls_slow: { hold: 0s } } }");
    for (int i = 0; i < 100000; i++)
        metrics_hist_add(w.latency, 50000);
    long_ago(&w);
    for (int i = 0; i < 30; i++)
        metrics_hist_add(w.latency, 7000000);
    after(&w, 60);
    assert_int_equal(look(&w), 1);
    p95 = json_number(json_gets(named(&w, "calls_slow", "erp"), "value"));
    assert_true(p95 >= 7 && p95 <= 7.5);
    for (int i = 0; i < 7; i++) { /* the slow ones leave the window */
        for (int k = 0; k < 100; k++)
            metrics_hist_add(w.latency, 50000);
        after(&w, 60);
        look(&w);
    }
    assert_false(fires(&w, "calls_slow", "erp"));
    for (int i = 0; i < 10; i++) /* too few to say anything */
        metrics_hist_add(w.latency, 9000000);
    for (int i = 0; i < 8; i++) {
        after(&w, 60);
        look(&w);
    }
    assert_int_equal(all(&w, ALERT_OPEN).n, 0);
    stop(&w);
}

static void rates_are_measured_within_their_windows(void **state)
{
    struct world w;

    (void)state;
    start(&w,
          OPS ", rules: { calls_fail: { hold: 0s }, retries_high: { hold: 0s }, requests_refused: { hold: 0s } } }");
    w.connections[0].calls = 100000;
    w.flows[0].received = w.flows[0].delivered = 100000;
    long_ago(&w);
    after(&w, 60);
    w.connections[0].calls += 100;
    w.connections[0].failed = 5;
    w.flows[0].delivered += 10;
    w.flows[0].retries = 30;
    w.flows[0].received += 95;
    w.flows[0].refused = 5;
    look(&w);
    assert_int_equal(all(&w, ALERT_OPEN).n, 0);
    after(&w, 60);
    w.connections[0].failed = 6;
    w.flows[0].retries = 31;
    w.flows[0].refused = 6;
    look(&w);
    assert_true(fires(&w, "calls_fail", "erp"));
    assert_true(fires(&w, "retries_high", "orders"));
    assert_true(fires(&w, "requests_refused", "orders"));
    after(&w, 1200);
    look(&w);
    look(&w);
    assert_int_equal(all(&w, ALERT_OPEN).n, 0);
    stop(&w);
}

static void what_died_before_the_first_look_is_told(void **state)
{
    struct world w;

    (void)state;
    start(&w, OPS " }");
    w.flows[0].died = w.flows[0].dead = 1; /* the third crash during one attempt: counted while the ledger opens */
    w.s.n_flows = 1;
    assert_int_equal(look(&w), 1);
    assert_true(fires(&w, "dead_letters_grow", "orders"));
    after(&w, 5);
    w.s.n_flows = 3; /* a reload, and the new flow's first event dies at once */
    w.flows[1].died = w.flows[1].dead = 1;
    assert_int_equal(look(&w), 1);
    assert_true(fires(&w, "dead_letters_grow", "parts"));
    long_ago(&w);
    assert_int_equal(all(&w, ALERT_OPEN).n, 0);
    stop(&w);
}

static void a_name_that_comes_back_begins_with_what_it_had(void **state)
{
    struct world w;

    (void)state;
    start(&w, OPS " }");
    w.flows[0].died = 7;
    long_ago(&w);
    w.s.n_flows = 0;
    look(&w);
    after(&w, 5);
    look(&w);
    after(&w, 60);
    look(&w);
    w.s.n_flows = 3;
    after(&w, 5);
    assert_int_equal(look(&w), 0);
    assert_int_equal(all(&w, ALERT_OPEN).n, 0);
    after(&w, 5);
    w.flows[0].died = 8;
    assert_int_equal(look(&w), 1);
    assert_true(json_number(json_gets(named(&w, "dead_letters_grow", "orders"), "value")) == 1);
    stop(&w);
}

static void dead_letters_go_to_whom_the_flow_names(void **state)
{
    struct world w;

    (void)state;
    start(&w, "{ receivers: { ops: {}, shop: {} } }");
    w.flows[0].notify = "shop";
    look(&w);
    after(&w, 5);
    w.flows[0].died = w.flows[0].dead = 3;
    w.flows[1].died = 1;
    assert_int_equal(look(&w), 1);
    assert_string_equal(w.due[0].name, "shop");
    assert_true(fires(&w, "dead_letters_grow", "orders") && fires(&w, "dead_letters_grow", "parts"));
    stop(&w);
}

static void a_promise_is_the_threshold_of_its_flow(void **state)
{
    struct world w;

    (void)state;
    start(&w, OPS ", rules: { delay_high: { hold: 0s } } }");
    w.flows[0].objective_s = 300;
    look(&w);
    after(&w, 5);
    metrics_hist_add(w.delay, 400000000);
    look(&w);
    assert_true(fires(&w, "delay_high", "orders"));
    assert_true(json_number(json_gets(named(&w, "delay_high", "orders"), "threshold")) == 300);
    stop(&w);
}

static void a_flow_with_few_events_that_are_all_late_is_late(void **state)
{
    struct world w;

    (void)state;
    start(&w, OPS " }");
    w.flows[0].objective_s = 300;
    look(&w);
    for (int i = 0; i < 5 * 12; i++) { /* one each ten minutes, an hour late each; a look every ten seconds */
        if (i % 60 == 0)
            metrics_hist_add(w.delay, 3600000000);
        after(&w, 10);
        look(&w);
    }
    metrics_hist_add(w.delay, 3600000000);
    after(&w, 10);
    look(&w);
    assert_true(fires(&w, "delay_high", "orders"));
    long_ago(&w);
    assert_int_equal(all(&w, ALERT_OPEN).n, 0);
    stop(&w);
}

static void a_backlog_is_old_by_the_promise_of_its_flow(void **state)
{
    static const struct {
        double objective_s, oldest_s;
        bool fires;
    } cases[] = {{1800, 1799, false}, {1800, 1801, true}, {7200, 7199, false},
                 {7200, 7201, true},  {5, 899, false},    {5, 901, true}, /* what is tried again may wait for a while */
                 {0, 3599, false},    {0, 3601, true}};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct world w;

        start(&w, OPS ", rules: { backlog_old: { hold: 0s } } }");
        w.flows[0].objective_s = cases[i].objective_s;
        w.flows[0].oldest_s = cases[i].oldest_s;
        look(&w);
        assert_int_equal(fires(&w, "backlog_old", "orders"), cases[i].fires);
        stop(&w);
    }
}

static bool says(struct tl_sv text, const char *word)
{
    return text.n > 0 && memmem(text.p, text.n, word, strlen(word));
}

static void quotas_credentials_backlogs_budgets_and_the_disk_are_watched(void **state)
{
    const struct alert_budget quota[] = {{"daily", 91, 100, 0}, {"monthly", 89, 100, 0}};
    const struct alert_credential cert[] = {
        {"client certificate", 0, 0, false}, {"key", 0, 0, false}, {"access token", 0, 0, true}};
    struct alert_credential ends[3];
    struct world w;

    (void)state;
    start(&w, OPS " }");
    memcpy(ends, cert, sizeof ends);
    ends[0].expires_ms = w.s.wall_ms + 13LL * 86400000;
    ends[1].expires_ms = w.s.wall_ms + 15LL * 86400000;
    ends[2].expires_ms = w.s.wall_ms + 60000; /* renewed by itself, in a minute */
    w.connections[0].budgets = quota;
    w.connections[0].n_budgets = 2;
    w.connections[0].credentials = ends;
    w.connections[0].n_credentials = 3;
    w.s.certificates = ends;
    w.s.n_certificates = 1;
    w.s.disk_free = (uint64_t)2 << 30;
    w.flows[0].error_budget_left = -0.5;
    w.flows[0].oldest_s = 3601;
    w.flows[1].oldest_s = 3600;
    w.flows[1].held = "flow_tripped";
    look(&w);
    assert_true(fires(&w, "credential_expires", "erp") && fires(&w, "credential_expires", ""));
    assert_true(fires(&w, "flow_held", "parts"));
    assert_int_equal(all(&w, ALERT_OPEN).n, 7); /* and quota, backlog, budget and disk, pending */
    for (int i = 0; i < 20; i++) {
        after(&w, 30);
        look(&w);
    }
    assert_true(fires(&w, "quota_nearly_used", "erp") && fires(&w, "disk_filling", ""));
    assert_true(fires(&w, "backlog_old", "orders") && fires(&w, "error_budget_spent", "orders"));
    w.s.intake_stopped = true;
    look(&w);
    assert_true(fires(&w, "intake_stopped", ""));
    assert_true(says(text(named(&w, "intake_stopped", ""), "summary"), "disk"));
    w.s.ledger_moved = true;
    look(&w);
    assert_true(says(text(named(&w, "intake_stopped", ""), "summary"), "place"));
    stop(&w);
}

static void a_source_that_fails_for_longer_is_told_with_its_reason_and_folded_under_its_connection(void **state)
{
    struct world w;

    (void)state;
    start(&w, OPS " }");
    w.flows[0].source_failing_s = 120;
    w.flows[0].source_failure = "HTTP 404";
    look(&w);
    assert_false(fires(&w, "source_fails", "orders"));
    w.flows[0].source_failing_s = 121;
    look(&w);
    assert_true(fires(&w, "source_fails", "orders"));
    assert_true(tl_sv_eqs(text(named(&w, "source_fails", "orders"), "cause"), "HTTP 404"));
    w.connections[0].held = "connection_auth";
    look(&w);
    assert_true(tl_sv_eq(text(named(&w, "source_fails", "orders"), "because"),
                         text(named(&w, "connection_auth", "erp"), "id")));
    w.connections[0].held = NULL;
    w.flows[0].source_failing_s = 0;
    for (int i = 0; i < 20; i++) {
        after(&w, 30);
        look(&w);
    }
    assert_false(fires(&w, "source_fails", "orders"));
    stop(&w);
}

static void a_removed_flow_counts_only_while_something_waits_in_it(void **state)
{
    struct world w;

    (void)state;
    start(&w, OPS " }");
    w.flows[0].held = "flow_removed";
    look(&w);
    assert_int_equal(all(&w, ALERT_OPEN).n, 0);
    w.flows[0].waiting = 1;
    look(&w);
    assert_true(fires(&w, "flow_held", "orders"));
    stop(&w);
}

static void the_cause_of_a_held_flow_is_words_for_people(void **state)
{
    static const char *const holds[] = {"flow_removed", "flow_tripped", "flow_config", "target_changed"};
    struct world w;

    (void)state;
    start(&w, OPS " }");
    w.flows[0].waiting = 1;
    for (size_t i = 0; i < TL_COUNT(holds); i++) {
        struct tl_sv cause;

        w.flows[0].held = holds[i];
        w.flows[0].held_text = "";
        look(&w);
        cause = text(named(&w, "flow_held", "orders"), "cause");
        if (cause.n < 20 || tl_sv_find(cause, '_') < cause.n)
            fail_msg("%s is no cause for people: '%.*s'", holds[i], TL_SV_ARG(cause));
        w.flows[0].held_text = "the words of the ledger";
        look(&w);
        assert_true(tl_sv_eqs(text(named(&w, "flow_held", "orders"), "cause"), "the words of the ledger"));
    }
    stop(&w);
}

/* ---- folding, grouping ---- */
static void what_another_alert_explains_is_shown_and_not_told(void **state)
{
    struct world w;
    struct json late;

    (void)state;
    start(&w, OPS ", rules: { backlog_old: { hold: 0s } } }");
    w.connections[0].held = "connection_auth";
    w.connections[0].drain_ms = 60000;
    w.flows[0].oldest_s = w.flows[1].oldest_s = 7200;
    assert_int_equal(look(&w), 1);
    late = named(&w, "backlog_old", "orders");
    assert_true(tl_sv_eqs(text(late, "state"), "firing"));
    assert_true(tl_sv_eq(text(late, "because"), text(named(&w, "connection_auth", "erp"), "id")));
    w.connections[0].held = NULL; /* mended; the backlog drains */
    for (int i = 0; i < 12; i++) {
        after(&w, 10);
        look(&w);
        for (size_t k = 0; k < w.n_due; k++)
            assert_true(w.due[k].resolved);
    }
    after(&w, 30); /* twice the estimate has passed: now it is news of its own */
    assert_int_equal(look(&w), 1);
    assert_false(w.due[0].resolved);
    assert_int_equal(json_gets(w.due[0].body, "alerts").n, 2);
    stop(&w);
}

/* Ten looks in which the breaker is open in every second one; how many notices. */
static size_t flap(struct world *w)
{
    size_t n = 0;

    for (int i = 0; i < 10; i++) {
        w->connections[0].breaker = i % 2 ? "closed" : "open";
        n += look(w);
        after(w, 5);
    }
    return n;
}

static void a_breaker_that_only_flaps_explains_nothing(void **state)
{
    struct world w;

    (void)state;
    start(&w, OPS ", rules: { calls_fail: { hold: 0s } } }");
    w.connections[0].calls = 100;
    w.connections[0].failed = 50;
    assert_int_equal(flap(&w), 1);
    assert_true(fires(&w, "calls_fail", "erp"));
    assert_int_equal(json_gets(named(&w, "calls_fail", "erp"), "notified").n, 1);
    assert_false(fires(&w, "breaker_open", "erp"));
    stop(&w);
}

static void what_is_about_to_fire_explains_for_as_long_as_it_has_to_hold(void **state)
{
    struct world w;

    (void)state;
    start(&w, OPS ", rules: { calls_fail: { hold: 0s } } }");
    w.connections[0].calls = 100;
    w.connections[0].failed = 50;
    w.connections[0].breaker = "open";
    for (int i = 0; i < 24; i++) { /* two minutes: it is the breaker that is told, and nothing else */
        assert_int_equal(look(&w), 0);
        after(&w, 5);
    }
    assert_int_equal(look(&w), 1);
    assert_true(tl_sv_eqs(text(w.due[0].body, "rule"), "breaker_open"));
    assert_true(
        tl_sv_eq(text(named(&w, "calls_fail", "erp"), "because"), text(named(&w, "breaker_open", "erp"), "id")));
    stop(&w);
}

static void alerts_of_one_rule_that_begin_together_are_one_notice_until_the_last_is_over(void **state)
{
    struct world w;
    uint64_t group;

    (void)state;
    start(&w, OPS " }");
    look(&w);
    after(&w, 5);
    w.flows[0].held = w.flows[1].held = "flow_config";
    assert_int_equal(look(&w), 1);
    group = w.due[0].group;
    assert_int_equal(json_gets(w.due[0].body, "alerts").n, 2);
    assert_true(tl_sv_find_sv(text(w.due[0].body, "summary"), TL_SV("and 1 more")) < text(w.due[0].body, "summary").n);
    w.flows[0].held = NULL;
    after(&w, 20);
    assert_int_equal(look(&w), 0);
    w.flows[1].held = NULL;
    after(&w, 20);
    assert_int_equal(look(&w), 1);
    assert_true(w.due[0].resolved && w.due[0].group == group);
    stop(&w);
}

static void a_later_alert_of_the_same_rule_is_a_notice_of_its_own(void **state)
{
    struct world w;
    uint64_t group;

    (void)state;
    start(&w, OPS " }");
    w.flows[0].held = "flow_config";
    assert_int_equal(look(&w), 1);
    group = w.due[0].group;
    after(&w, 5);
    w.flows[1].held = "flow_config";
    assert_int_equal(look(&w), 1);
    assert_true(w.due[0].group != group);
    stop(&w);
}

static void a_receiver_is_not_told_of_its_own_trouble_but_others_are(void **state)
{
    struct world w;

    (void)state;
    start(&w, OPS ", page: oncall }");
    w.connections[1].held = "connection_auth";
    assert_int_equal(look(&w), 1);
    assert_string_equal(w.due[0].name, "oncall");
    after(&w, 5);
    w.flows[2].died = 5;
    assert_int_equal(look(&w), 0);
    assert_true(fires(&w, "dead_letters_grow", "alerts.ops"));
    stop(&w);
}

static void every_receiver_that_may_be_named_is_told(void **state)
{
    struct world w;
    TL_CLEANUP(tl_buf_done) struct tl_buf yaml = {0};

    (void)state;
    tl_buf_init(&yaml, 4096);
    assert_true(tl_buf_puts(&yaml, "{ receivers: { own: {}"));
    for (int i = 0; i < 40; i++)
        assert_true(tl_buf_printf(&yaml, ", r%d: {}", i));
    assert_true(tl_buf_puts(&yaml, " }, notify: [r0"));
    for (int i = 1; i < 40; i++)
        assert_true(tl_buf_printf(&yaml, "%sr%d", i == 20 ? "], page: [" : ", ", i));
    assert_true(tl_buf_puts(&yaml, "] }") && tl_buf_putc(&yaml, '\0'));
    start(&w, yaml.p);
    w.flows[0].held = "flow_config";
    w.flows[0].notify = "own";
    assert_int_equal(look(&w), 41);
    assert_int_equal(look(&w), 0);
    stop(&w);
}

static void what_could_not_be_told_stays_due_and_is_the_same_notice(void **state)
{
    struct world w;
    uint64_t group;

    (void)state;
    start(&w, OPS " }");
    w.flows[0].held = "flow_config";
    for (int i = 0; i < 3; i++) {
        alert_look(w.book, w.conf, &w.s, w.arena, &w.due, &w.n_due);
        assert_int_equal(w.n_due, 1);
        assert_true(i == 0 || w.due[0].group == group);
        group = w.due[0].group;
        after(&w, 5);
    }
    w.flows[0].held = NULL; /* over before anybody heard of it: nobody needs to */
    after(&w, 20);
    assert_int_equal(look(&w), 0);
    stop(&w);
}

/* ---- people ---- */
static void a_silence_holds_for_rule_and_subject_until_its_time(void **state)
{
    struct world w;
    struct tl_err err = {0};
    struct json a;

    (void)state;
    start(&w, OPS " }");
    w.flows[0].held = "flow_config";
    look(&w);
    assert_int_equal(alert_silence(w.book, id_of(named(&w, "flow_held", "orders")), TL_SV("ana"), TL_SV("known"),
                                   w.s.wall_ms + 3600000, &err),
                     TL_OK);
    w.flows[0].held = NULL;
    after(&w, 20);
    assert_int_equal(look(&w), 1); /* its end is told: somebody may have been woken */
    w.flows[0].held = "flow_config";
    after(&w, 20);
    assert_int_equal(look(&w), 0);
    a = named(&w, "flow_held", "orders");
    assert_true(tl_sv_eqs(text(json_gets(a, "silenced"), "by"), "ana"));
    w.flows[1].held = "flow_config";
    assert_int_equal(look(&w), 1);
    after(&w, 3600);
    assert_int_equal(look(&w), 1);
    stop(&w);
}

static void an_acknowledgement_is_kept_and_refused_when_it_comes_too_late(void **state)
{
    struct world w;
    struct tl_err err = {0};
    uint64_t id;

    (void)state;
    start(&w, OPS " }");
    w.flows[0].held = "flow_config";
    look(&w);
    id = id_of(named(&w, "flow_held", "orders"));
    assert_int_equal(alert_acknowledge(w.book, id, TL_SV("bo"), TL_SV("on it"), w.s.wall_ms, &err), TL_OK);
    assert_true(tl_sv_eqs(text(json_gets(alert_json(w.book, id, w.arena), "acknowledged"), "reason"), "on it"));
    w.flows[0].held = NULL;
    after(&w, 20);
    look(&w);
    assert_int_equal(alert_acknowledge(w.book, id, TL_SV("bo"), TL_SV(""), w.s.wall_ms, &err), TL_CONFLICT);
    assert_int_equal(alert_acknowledge(w.book, 77, TL_SV("bo"), TL_SV(""), w.s.wall_ms, &err), TL_NOT_FOUND);
    stop(&w);
}

/* ---- over a restart ---- */
static void restart(struct world *w)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_err err = {0};

    tl_buf_init(&b, 1 << 20);
    assert_true(alert_save(w->book, &b));
    assert_false(alert_changed(w->book));
    alert_book_free(w->book);
    w->book = alert_book_new();
    after(w, 20);
    w->s.mono_ms = 1000; /* of another boot, perhaps */
    if (alert_load(w->book, tl_buf_view(&b), w->conf, w->s.wall_ms, w->s.mono_ms, &err) != TL_OK)
        fail_msg("%s", err.text);
}

static void a_restart_tells_nobody_twice_and_the_end_is_still_told(void **state)
{
    struct world w;
    uint64_t group;

    (void)state;
    start(&w, OPS " }");
    w.connections[0].held = "connection_auth";
    look(&w);
    group = w.due[0].group;
    w.connections[0].held = NULL; /* after a restart it has to be refused again first */
    restart(&w);
    assert_int_equal(look(&w), 0);
    after(&w, 25);
    assert_int_equal(look(&w), 0);
    w.connections[0].held = "connection_auth";
    after(&w, 4);
    assert_int_equal(look(&w), 0);
    assert_true(fires(&w, "connection_auth", "erp"));
    assert_int_equal(all(&w, ALERT_ALL).n, 1);
    w.connections[0].held = NULL;
    after(&w, 20);
    assert_int_equal(look(&w), 1);
    assert_true(w.due[0].resolved && w.due[0].group == group);
    stop(&w);
}

static void what_is_kept_is_all_of_it(void **state)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf before = {0}, now = {0};
    struct tl_err err = {0};
    struct world w;

    (void)state;
    start(&w, OPS ", page: oncall, console: \"https://c\" }");
    w.connections[0].held = "connection_auth";
    w.connections[0].held_text = "401 \"who?\" \xc3\xa4";
    w.flows[0].held = "flow_tripped";
    w.flows[0].waiting = 9;
    look(&w);
    w.flows[0].held = NULL;
    after(&w, 20);
    look(&w);
    assert_int_equal(alert_silence(w.book, id_of(named(&w, "connection_auth", "erp")), TL_SV("ana"), TL_SV("x"),
                                   w.s.wall_ms + 3600000, &err),
                     TL_OK);
    assert_int_equal(alert_acknowledge(w.book, id_of(named(&w, "connection_auth", "erp")), TL_SV("bo"), TL_SV("y"),
                                       w.s.wall_ms, &err),
                     TL_OK);
    tl_buf_init(&before, 1 << 20);
    tl_buf_init(&now, 1 << 20);
    assert_true(json_write(&before, all(&w, ALERT_ALL), 0));
    restart(&w);
    w.connections[0].held = NULL;
    alert_look(w.book, w.conf, &w.s, w.arena, &w.due, &w.n_due); /* the console's address comes with it */
    assert_int_equal(w.n_due, 0);
    assert_true(json_write(&now, all(&w, ALERT_ALL), 0));
    assert_int_equal(before.n, now.n);
    assert_memory_equal(before.p, now.p, now.n);
    stop(&w);
}

static void what_is_not_ours_is_refused(void **state)
{
    struct tl_err err = {0};
    struct world w;

    (void)state;
    start(&w, "{}");
    assert_int_equal(alert_load(w.book, TL_SV("{"), w.conf, 1, 1, &err), TL_PARSE);
    assert_int_equal(alert_load(w.book, TL_SV("{\"version\":2}"), w.conf, 1, 1, &err), TL_PARSE);
    assert_int_equal(
        alert_load(w.book, TL_SV("{\"version\":1,\"alerts\":[{\"alert\":{\"rule\":\"no\"}}, 7]}"), w.conf, 1, 1, &err),
        TL_OK);
    assert_int_equal(all(&w, ALERT_ALL).n, 0);
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_credentials_fire_at_once_and_say_all_that_matters),
        cmocka_unit_test(a_changed_identity_fires_by_the_word_of_the_ledger),
        cmocka_unit_test(an_alert_is_told_once_and_resolves_when_its_cause_was_gone_for_a_while),
        cmocka_unit_test(a_flapping_cause_is_one_alert),
        cmocka_unit_test(hold_keeps_a_short_trouble_quiet),
        cmocka_unit_test(slow_calls_are_those_of_the_window_not_of_the_whole_past),
        cmocka_unit_test(rates_are_measured_within_their_windows),
        cmocka_unit_test(what_died_before_the_first_look_is_told),
        cmocka_unit_test(a_name_that_comes_back_begins_with_what_it_had),
        cmocka_unit_test(dead_letters_go_to_whom_the_flow_names),
        cmocka_unit_test(a_promise_is_the_threshold_of_its_flow),
        cmocka_unit_test(a_flow_with_few_events_that_are_all_late_is_late),
        cmocka_unit_test(a_backlog_is_old_by_the_promise_of_its_flow),
        cmocka_unit_test(quotas_credentials_backlogs_budgets_and_the_disk_are_watched),
        cmocka_unit_test(a_source_that_fails_for_longer_is_told_with_its_reason_and_folded_under_its_connection),
        cmocka_unit_test(a_removed_flow_counts_only_while_something_waits_in_it),
        cmocka_unit_test(the_cause_of_a_held_flow_is_words_for_people),
        cmocka_unit_test(what_another_alert_explains_is_shown_and_not_told),
        cmocka_unit_test(a_breaker_that_only_flaps_explains_nothing),
        cmocka_unit_test(what_is_about_to_fire_explains_for_as_long_as_it_has_to_hold),
        cmocka_unit_test(alerts_of_one_rule_that_begin_together_are_one_notice_until_the_last_is_over),
        cmocka_unit_test(a_later_alert_of_the_same_rule_is_a_notice_of_its_own),
        cmocka_unit_test(a_receiver_is_not_told_of_its_own_trouble_but_others_are),
        cmocka_unit_test(every_receiver_that_may_be_named_is_told),
        cmocka_unit_test(what_could_not_be_told_stays_due_and_is_the_same_notice),
        cmocka_unit_test(a_silence_holds_for_rule_and_subject_until_its_time),
        cmocka_unit_test(an_acknowledgement_is_kept_and_refused_when_it_comes_too_late),
        cmocka_unit_test(a_restart_tells_nobody_twice_and_the_end_is_still_told),
        cmocka_unit_test(what_is_kept_is_all_of_it),
        cmocka_unit_test(what_is_not_ours_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
