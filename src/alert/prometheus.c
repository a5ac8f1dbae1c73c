/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prometheus.c - the same rules for a Prometheus, from the same table: names, thresholds, times, severities. What only
 * an outsider can see (that we are gone) is added.
 */
#include "alert/alert_int.h"

#include <ctype.h>

struct prom {
    const char *expr;    /* {t}: the threshold; {calls}, {retries}, {wait}: ALERT_LEAST_... */
    const char *summary; /* annotations */
};
static const struct prom proms[ALERT_RULES] = {
    [ALERT_CONNECTION_AUTH] = {"tieline_connection_held{reason=\"connection_auth\"} == 1",
                               "Connection {{ $labels.connection }}: the credentials are refused"},
    [ALERT_CONNECTION_IDENTITY] = {"tieline_connection_held{reason=\"identity_changed\"} == 1",
                                   "Connection {{ $labels.connection }}: another account or host than before"},
    [ALERT_BREAKER_OPEN] = {"tieline_connection_breaker{state=\"closed\"} == 0",
                            "Connection {{ $labels.connection }}: the other side has been failing"},
    [ALERT_CALLS_SLOW] =
        {"histogram_quantile(0.95, sum by (connection, instance, le) "
         "(rate(tieline_call_duration_seconds_bucket[5m]))) > {t} and sum by (connection, instance) "
         "(increase(tieline_call_duration_seconds_count[5m])) >= {calls}",
         "Connection {{ $labels.connection }}: 95 of 100 calls take up to {{ $value | humanizeDuration }}"},
    [ALERT_CALLS_FAIL] =
        {"sum by (connection, instance) (rate(tieline_calls_total{status!~\"2xx|3xx|429\"}[5m])) > {t} * sum by "
         "(connection, instance) (rate(tieline_calls_total[5m])) and sum by (connection, instance) "
         "(increase(tieline_calls_total[5m])) >= {calls}",
         "Connection {{ $labels.connection }}: too many of the calls fail"},
    [ALERT_QUOTA_NEARLY_USED] = {"tieline_connection_budget_used > {t} * tieline_connection_budget_limit",
                                 "Connection {{ $labels.connection }}: {{ $labels.budget }} is nearly used up"},
    [ALERT_CREDENTIAL_EXPIRES] = {"tieline_credential_expires_timestamp_seconds - time() < {t}",
                                  "{{ $labels.connection }}: the {{ $labels.credential }} ends in {{ $value | "
                                  "humanizeDuration }}"},
    [ALERT_FLOW_HELD] = {"tieline_flow_held{reason=~\"flow_config|flow_tripped|flow_removed|target_changed\"} == 1",
                         "Flow {{ $labels.flow }} is held: {{ $labels.reason }}"},
    [ALERT_DEAD_LETTERS_GROW] = {"sum by (flow, instance) (increase(tieline_deliveries_died_total[15m])) > {t}",
                                 "Flow {{ $labels.flow }}: {{ $value | humanize }} new dead letters in 15 minutes"},
    [ALERT_DELAY_HIGH] =
        {"histogram_quantile(0.95, sum by (flow, instance, le) "
         "(rate(tieline_delivery_delay_seconds_bucket[15m]))) > on (flow, instance) "
         "(tieline_flow_delay_objective_seconds > 0)",
         "Flow {{ $labels.flow }}: 95 of 100 events take up to {{ $value | humanizeDuration }}, longer than "
         "promised"},
    [ALERT_BACKLOG_OLD] =
        {"tieline_flow_oldest_seconds > on (flow, instance) clamp_min(tieline_flow_delay_objective_seconds, {wait}) or "
         "(tieline_flow_oldest_seconds > {t} unless on (flow, instance) tieline_flow_delay_objective_seconds > 0)",
         "Flow {{ $labels.flow }}: the oldest event has waited for {{ $value | humanizeDuration }}"},
    [ALERT_SOURCE_FAILS] = {"time() - (tieline_source_failing_since_timestamp_seconds > 0) > {t}",
                            "Flow {{ $labels.flow }}: its source has failed for {{ $value | humanizeDuration }}"},
    [ALERT_RETRIES_HIGH] =
        {"sum by (flow, instance) (rate(tieline_retries_total[15m])) > {t} * sum by (flow, instance) "
         "(rate(tieline_deliveries_total{outcome=\"delivered\"}[15m])) and sum by (flow, instance) "
         "(increase(tieline_retries_total[15m])) >= {retries}",
         "Flow {{ $labels.flow }}: too many retries for each delivery"},
    [ALERT_ERROR_BUDGET_SPENT] = {"tieline_flow_error_budget_remaining < 0",
                                  "Flow {{ $labels.flow }} has more failures in 30 days than it promises"},
    [ALERT_REQUESTS_REFUSED] =
        {"sum by (flow, instance) (rate(tieline_webhooks_refused_total[5m])) > {t} * (sum by (flow, "
         "instance) (rate(tieline_events_received_total[5m])) + sum by (flow, instance) "
         "(rate(tieline_webhooks_refused_total[5m]))) and sum by (flow, instance) "
         "(increase(tieline_events_received_total[5m])) + sum by (flow, instance) "
         "(increase(tieline_webhooks_refused_total[5m])) >= {calls}",
         "Flow {{ $labels.flow }}: too many requests have a signature that is not good"},
    [ALERT_DISK_FILLING] = {"tieline_disk_free_bytes < {t} * tieline_disk_reserve_bytes or "
                            "predict_linear(tieline_disk_free_bytes[1h], 6 * 3600) < on (instance, job) "
                            "tieline_disk_reserve_bytes",
                            "The ledger's disk fills: {{ $value | humanize1024 }}B free, or used up within six hours"},
    [ALERT_INTAKE_STOPPED] = {"tieline_intake_stopped == 1",
                              "The disk is almost full, or the ledger's files are not in their place: senders get 503"},
};

/* delay_high -> TielineDelayHigh */
static bool put_name(struct tl_buf *b, const char *name)
{
    bool up = true, ok = tl_buf_puts(b, "Tieline");

    for (; *name && ok; name++) {
        if (*name != '_')
            ok = tl_buf_putc(b, (char)(up ? toupper((unsigned char)*name) : *name));
        up = *name == '_';
    }
    return ok;
}

static double base_threshold(const struct alert_rule *r)
{
    struct tl_sv s = tl_sv_str(r->threshold);
    int64_t ms;
    double v = 0;

    switch (r->unit) {
    case ALERT_TIME:
        return tl_duration_parse(s, &ms) ? (double)ms / 1000 : 0;
    case ALERT_SHARE:
        s.n--; /* the % */
        return tl_sv_double(s, &v) ? v / 100 : 0;
    case ALERT_NUMBER:
        return tl_sv_double(s, &v) ? v : 0;
    case ALERT_NOTHING:
        break;
    }
    return 0;
}

static bool put_expr(struct tl_buf *b, const struct alert_rule *r, const char *expr)
{
    const struct {
        struct tl_sv word;
        double value;
    } places[] = {{TL_SV("{t}"), base_threshold(r)},
                  {TL_SV("{calls}"), ALERT_LEAST_CALLS},
                  {TL_SV("{retries}"), ALERT_LEAST_RETRIES},
                  {TL_SV("{wait}"), ALERT_LEAST_WAIT_S}};
    struct tl_sv rest = tl_sv_str(expr);

    while (rest.n) {
        size_t at = tl_sv_find(rest, '{'), i = 0;

        if (!tl_buf_put(b, rest.p, at))
            return false;
        rest = tl_sv_from(rest, at);
        while (i < TL_COUNT(places) && !tl_sv_starts(rest, places[i].word))
            i++;
        if (i < TL_COUNT(places) ? !tl_buf_printf(b, "%.10g", places[i].value) : rest.n && !tl_buf_putc(b, '{'))
            return false;
        rest = tl_sv_from(rest, i < TL_COUNT(places) ? places[i].word.n : 1);
    }
    return true;
}

/* YAML's single quotes: a quote within them is doubled. */
static bool put_quoted(struct tl_buf *b, const char *text)
{
    bool ok = tl_buf_putc(b, '\'');

    for (; *text && ok; text++)
        ok = tl_buf_puts(b, *text == '\'' ? "''" : (const char[]){*text, '\0'});
    return ok && tl_buf_putc(b, '\'');
}

static bool put_rule(struct tl_buf *b, enum alert_rule_id id)
{
    static const char *const labels[] = {
        [ALERT_FLOW] = "{{ $labels.flow }}", [ALERT_CONNECTION] = "{{ $labels.connection }}", [ALERT_SERVER] = ""};
    const struct alert_rule *r = &alert_rules[id];
    struct tl_sv fix = tl_sv_str(alert__fix_text(id));
    size_t at = tl_sv_find_sv(fix, TL_SV("NAME"));
    TL_CLEANUP(tl_freep)
    char *text =
        at < fix.n ? tl_sprintf("%.*s%s%s", (int)at, fix.p, labels[r->kind], fix.p + at + 4) : tl_strdup(fix.p);
    bool ok = tl_buf_puts(b, "      - alert: ") && put_name(b, r->name) &&
              tl_buf_puts(b, "\n        expr: >-\n          ") && put_expr(b, r, proms[id].expr) &&
              tl_buf_puts(b, "\n");

    if (ok && strcmp(r->hold, "0s") != 0)
        ok = tl_buf_printf(b, "        for: %s\n", r->hold);
    return ok &&
           tl_buf_printf(b, "        labels: { severity: %s }\n        annotations:\n          summary: ",
                         alert_severity_name(r->severity)) &&
           put_quoted(b, proms[id].summary) && tl_buf_puts(b, "\n          description: ") && put_quoted(b, text) &&
           tl_buf_puts(b, "\n");
}

bool alert_prometheus(struct tl_buf *b)
{
    static const struct {
        const char *name;
        enum alert_kind kind;
    } groups[] = {
        {"tieline-flows", ALERT_FLOW}, {"tieline-connections", ALERT_CONNECTION}, {"tieline-server", ALERT_SERVER}};
    bool ok = tl_buf_puts(b, "# SPDX-License-Identifier: Apache-2.0\n"
                             "# Made by `tieline reference prometheus` from the table of Tieline's own alert rules; "
                             "the metrics are explained in\n"
                             "# docs/reference/metrics.md. `page` wants a person now, `ticket` in working hours.\n"
                             "groups:\n");

    for (size_t g = 0; g < TL_COUNT(groups) && ok; g++) {
        ok = tl_buf_printf(b, "%s  - name: %s\n    rules:\n", g ? "\n" : "", groups[g].name);
        for (int i = 0; i < ALERT_RULES && ok; i++) {
            if (alert_rules[i].kind == groups[g].kind)
                ok = put_rule(b, (enum alert_rule_id)i);
        }
    }
    return ok && tl_buf_puts(b, "      - alert: TielineDown\n"
                                "        expr: absent(tieline_build_info)\n"
                                "        for: 2m\n"
                                "        labels: { severity: page }\n"
                                "        annotations:\n"
                                "          summary: 'No Tieline has answered for two minutes'\n");
}
