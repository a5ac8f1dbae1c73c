/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - `tieline status`: flows, connections and the ledger on one page. */
#include "cli/cli_int.h"

struct status_options {
    struct cli_common common;
    bool sla;
    const char *month;
};
static const struct cli_option status_options[] = {
    CLI_COMMON_OPTIONS(struct status_options),
    {"sla", 0, CLI_FLAG, NULL, offsetof(struct status_options, sla), "what flows promise and how they did, in a month"},
    {"month", 0, CLI_TEXT, "YYYY-MM", offsetof(struct status_options, month), "which month, with --sla (this one)"},
};

static void count_cell(struct cli_table *t, struct json n, enum cli_shade shade)
{
    int64_t i = 0;
    char text[24];

    (void)json_int64(n, &i);
    snprintf(text, sizeof text, "%lld", (long long)i);
    cli__table_cell(t, tl_sv_str(text), i ? shade : CLI_DIM);
}

static void held_cell(struct cli_table *t, struct json v, const char *otherwise)
{
    struct tl_sv held = json_text(json_gets(v, "held"), TL_SV("")),
                 reason = json_text(json_gets(v, "held_reason"), TL_SV("")),
                 next = json_text(json_gets(v, "next_try_at"), TL_SV("")); /* of a connection */
    char text[400];

    if (json_gets(v, "removed").u.b && json_gets(v, "removed").type == JSON_BOOL)
        otherwise = "removed from the configuration";
    if (!held.n) {
        cli__table_cell(t, tl_sv_str(otherwise), CLI_PLAIN);
        return;
    }
    snprintf(text, sizeof text, "held: %.*s%s%.*s%s%.*s", TL_SV_ARG(held), reason.n ? ", " : "", TL_SV_ARG(reason),
             next.n ? ", next try at " : "", TL_SV_ARG(next));
    cli__table_cell(t, tl_sv_str(text), CLI_WARN);
}

static void waits_cell(struct cli_table *t, struct json why)
{
    char text[100];

    snprintf(text, sizeof text, "its source waits: %.*s", TL_SV_ARG(json_view(why)));
    cli__table_cell(t, tl_sv_str(text), CLI_WARN);
}

static void fails_cell(struct cli_table *t, struct json why)
{
    char text[200];

    snprintf(text, sizeof text, "its source fails: %.*s", TL_SV_ARG(json_view(why)));
    text[tl_utf8_valid(tl_sv_str(text))] = '\0';
    cli__table_cell(t, tl_sv_str(text), CLI_BAD);
}

/* It flows; some that a person holds may not. */
static const char *by_hand(struct json flow, char text[80])
{
    int64_t n = 0;

    (void)json_int64(json_gets(json_gets(flow, "counts"), "held"), &n);
    (void)snprintf(text, 80, n ? "flows; %lld held by a person" : "flows", (long long)n);
    return text;
}

/* It left the configuration, and nothing of it waits for anybody. */
static bool is_forgotten(struct json v)
{
    static const char *const of[] = {"queued", "running", "retrying", "held", "dead"};
    struct json removed = json_gets(v, "removed"), counts = json_gets(v, "counts"); /* a connection has none */
    int64_t n, all = 0;

    for (size_t i = 0; i < TL_COUNT(of); i++)
        all += json_int64(json_gets(counts, of[i]), &n) ? n : 0;
    all += json_int64(json_gets(v, "waiting"), &n) ? n : 0;
    all += json_int64(json_gets(v, "running"), &n) ? n : 0;
    return removed.type == JSON_BOOL && removed.u.b && all == 0;
}

static void show_flows(struct json flows)
{
    static const char *const heads[] = {"flow",       ">received", ">waiting",    ">running", ">retrying", ">dead",
                                        ">delivered", ">skipped",  ">duplicates", ">retries", "state"};
    static const char *const counts[] = {"queued", "running", "retrying", "dead", "delivered", "skipped"};
    struct cli_table *t = cli__table_new(heads, TL_COUNT(heads));

    for (uint32_t i = 0; i < flows.n; i++) {
        struct json f = json_at(flows, i);
        char text[80];

        if (is_forgotten(f))
            continue;
        cli__table_json(t, json_gets(f, "name"));
        count_cell(t, json_gets(f, "events"), CLI_PLAIN);
        for (size_t k = 0; k < TL_COUNT(counts); k++)
            count_cell(t, json_gets(json_gets(f, "counts"), counts[k]), cli__state_shade(tl_sv_str(counts[k])));
        count_cell(t, json_gets(f, "duplicates"), CLI_PLAIN);
        count_cell(t, json_gets(f, "retries"), CLI_PLAIN);
        if (json_gets(f, "not_ready").type == JSON_STRING)
            cli__table_cell(t, TL_SV("senders wait: a secret is not here yet"), CLI_WARN);
        else if (json_gets(f, "held").type != JSON_STRING && json_gets(f, "read_failing_since").type == JSON_STRING)
            fails_cell(t, json_gets(f, "read_failure"));
        else if (json_gets(f, "held").type != JSON_STRING && json_gets(f, "source_waits").type == JSON_STRING)
            waits_cell(t, json_gets(f, "source_waits"));
        else
            held_cell(t, f, by_hand(f, text));
    }
    cli__table_print(t);
    cli__table_free(t);
}

/* An estimate, unless somebody has to let it go on first. */
static void drain_cell(struct cli_table *t, struct json c)
{
    static const char *const holds[] = {"connection_auth", "connection_paused", "identity_changed"};
    struct tl_sv held = json_text(json_gets(c, "held"), TL_SV("")),
                 why = json_text(json_gets(c, "drain_reason"), TL_SV(""));
    char drain[160], span[32];
    int64_t ms, waiting = 0;

    (void)json_int64(json_gets(c, "waiting"), &waiting);
    for (size_t i = 0; i < TL_COUNT(holds); i++) {
        if (waiting && tl_sv_eqs(held, holds[i])) {
            cli__table_cell(t, TL_SV("held"), CLI_WARN);
            return;
        }
    }
    if (!json_int64(json_gets(c, "drain_ms"), &ms)) {
        cli__table_cell(t, TL_SV("-"), CLI_DIM);
        return;
    }
    if (ms >= 10000) /* milliseconds would claim too much */
        ms -= ms % 1000;
    (void)snprintf(drain, sizeof drain, "%s%s%.*s", tl_duration_format(ms, span), why.n ? ", " : "", TL_SV_ARG(why));
    cli__table_cell(t, tl_sv_str(drain), CLI_PLAIN);
}

static void show_connections(struct json connections)
{
    static const char *const heads[] = {"connection", "breaker",   ">calls", ">running",
                                        ">waiting",   "drains in", "state"};
    struct cli_table *t = cli__table_new(heads, TL_COUNT(heads));

    for (uint32_t i = 0; i < connections.n; i++) {
        struct json c = json_at(connections, i);
        struct tl_sv breaker = json_text(json_gets(c, "breaker"), TL_SV(""));

        if (is_forgotten(c))
            continue;
        cli__table_json(t, json_gets(c, "name"));
        cli__table_cell(t, breaker, cli__state_shade(breaker));
        count_cell(t, json_gets(c, "calls"), CLI_PLAIN);
        count_cell(t, json_gets(c, "running"), CLI_PLAIN);
        count_cell(t, json_gets(c, "waiting"), CLI_PLAIN);
        drain_cell(t, c);
        held_cell(t, c, "open for work");
    }
    cli__table_print(t);
    cli__table_free(t);
}

static void share_cell(struct cli_table *t, struct json got, struct json wanted, bool high_is_good)
{
    char text[64];
    double v = json_is_number(got) ? json_number(got) * 100 : 0;
    bool missed = json_is_number(wanted) && (high_is_good ? v < json_number(wanted) * 100 : v < 0);

    if (!json_is_number(got)) {
        cli__table_cell(t, TL_SV("-"), CLI_DIM);
        return;
    }
    snprintf(text, sizeof text, "%.4g%%", v);
    cli__table_cell(t, tl_sv_str(text), missed ? CLI_BAD : CLI_PLAIN);
}

/* "3m of 5m": what was measured and, where one is set, the objective. */
static void span_cell(struct cli_table *t, struct json got, struct json wanted, bool missed)
{
    char text[80], a[32], b[32];
    int64_t ms, most;

    if (!json_int64(got, &ms)) {
        cli__table_cell(t, TL_SV("-"), CLI_DIM);
        return;
    }
    if (json_int64(wanted, &most))
        snprintf(text, sizeof text, "%s of %s", tl_duration_format(ms, a), tl_duration_format(most, b));
    else
        snprintf(text, sizeof text, "%s", tl_duration_format(ms, a));
    cli__table_cell(t, tl_sv_str(text), missed ? CLI_BAD : CLI_PLAIN);
}

static bool over(struct json got, struct json wanted)
{
    return json_is_number(got) && json_is_number(wanted) && json_number(got) > json_number(wanted);
}

static bool promises(struct json s)
{
    return json_is_number(json_gets(s, "success_objective")) ||
           json_is_number(json_gets(s, "delay_p95_objective_ms")) || json_is_number(json_gets(s, "mttr_objective_ms"));
}

static void promise_row(struct cli_table *t, struct json name, struct json s)
{
    struct json success = json_gets(s, "success_objective"), delay = json_gets(s, "delay_p95_objective_ms"),
                mttr = json_gets(s, "mttr_objective_ms");

    cli__table_json(t, name);
    share_cell(t, json_gets(s, "success"), success, true);
    share_cell(t, success, JSON_NOTHING, true);
    share_cell(t, json_gets(s, "error_budget_left"), json_int(0), false);
    span_cell(t, json_gets(s, "delay_p95_ms"), delay,
              json_is_number(delay) && json_number(json_gets(s, "late")) * 20 > json_number(json_gets(s, "delivered")));
    span_cell(t, json_gets(s, "mttr_ms"), mttr, over(json_gets(s, "mttr_ms"), mttr));
    count_cell(t, json_gets(s, "incidents"), CLI_PLAIN);
}

static void show_promises(struct json flows)
{
    static const char *const heads[] = {"flow, last 30 days", ">success",        ">promised", ">error budget left",
                                        ">delay p95",         ">recovery takes", ">outages",  "owner"};
    struct cli_table *t = cli__table_new(heads, TL_COUNT(heads));

    for (uint32_t i = 0; i < flows.n; i++) {
        struct json f = json_at(flows, i), s = json_gets(f, "sla");

        if (!promises(s))
            continue;
        promise_row(t, json_gets(f, "name"), s);
        cli__table_json(t, json_gets(s, "owner"));
    }
    if (cli__table_rows(t) > 0) {
        puts("");
        cli__table_print(t);
    }
    cli__table_free(t);
}

/* One month, all flows: also those that promise nothing. */
static void show_month(struct json v)
{
    static const char *const columns[] = {">success",   ">promised",       ">error budget left",
                                          ">delay p95", ">recovery takes", ">outages",
                                          ">delivered", ">died",           "met",
                                          "owner"};
    const char *heads[1 + TL_COUNT(columns)] = {"flow"};
    struct json flows = json_gets(v, "flows");
    struct cli_table *t;

    memcpy(heads + 1, columns, sizeof columns);
    t = cli__table_new(heads, TL_COUNT(heads));
    for (uint32_t i = 0; i < flows.n; i++) {
        struct json s = json_at(flows, i), met = json_gets(s, "met");

        promise_row(t, json_gets(s, "flow"), s);
        count_cell(t, json_gets(s, "delivered"), CLI_PLAIN);
        count_cell(t, json_gets(s, "died"), CLI_WARN);
        if (!promises(s))
            cli__table_cell(t, TL_SV("-"), CLI_DIM);
        else
            cli__table_cell(t, met.type == JSON_BOOL && met.u.b ? TL_SV("yes") : TL_SV("no"),
                            met.type == JSON_BOOL && met.u.b ? CLI_GOOD : CLI_BAD);
        cli__table_json(t, json_gets(s, "owner"));
    }
    printf("%.*s (UTC)%s\n\n", TL_SV_ARG(json_text(json_gets(v, "month"), TL_SV("?"))),
           json_gets(v, "complete").type == JSON_BOOL && json_gets(v, "complete").u.b ? "" : ", so far");
    cli__table_print(t);
    cli__table_free(t);
}

static int run_month(const struct status_options *o, struct cli_client *c)
{
    const char *target = cli__target(c, "/v1/sla?month=", o->month ? o->month : "", "");
    struct json v = JSON_NOTHING;
    struct tl_err err = {0};

    if (cli__call(c, "GET", target, TL_SV(""), &v, &err) != TL_OK)
        return cli__fail(&err, o->common.json);
    if (o->common.json)
        cli__print_raw(cli__raw(c));
    else
        show_month(v);
    return CLI_OK;
}

static bool is_set(struct json object, const char *name)
{
    struct json v = json_gets(object, name);

    return v.type == JSON_BOOL && v.u.b;
}

static void show_ledger(struct json status)
{
    struct json l = json_gets(status, "ledger");
    int64_t live = 0, free_bytes = 0, sync_us = 0;
    char size[32];

    (void)json_int64(json_gets(l, "live"), &live);
    (void)json_int64(json_gets(l, "disk_free"), &free_bytes);
    (void)json_int64(json_gets(l, "sync_us"), &sync_us);
    printf("ledger: %lld live, a sync takes %.1f ms, %s free on its disk%s\n", (long long)live, (double)sync_us / 1000,
           tl_size_format((uint64_t)(free_bytes < 0 ? 0 : free_bytes), size),
           !is_set(l, "intake_stopped") ? ""
           : is_set(l, "moved")         ? "; INTAKE IS STOPPED: the ledger's files are not in their place"
                                        : "; INTAKE IS STOPPED: the disk is almost full");
}

static void show_vault(struct json v)
{
    struct json ok = json_gets(v, "ok");
    int64_t age = 0, waiting = 0, references = 0;
    char span[32];

    if (v.type != JSON_OBJECT)
        return;
    (void)json_int64(json_gets(v, "waiting"), &waiting);
    (void)json_int64(json_gets(v, "references"), &references);
    printf("vault: %s, %lld of %lld secrets are here", ok.type == JSON_BOOL && ok.u.b ? "answers" : "DOES NOT ANSWER",
           (long long)(references - waiting), (long long)references);
    if (json_int64(json_gets(v, "age_ms"), &age))
        printf(", read up to %s ago", tl_duration_format(age - age % 1000, span));
    if (json_text(json_gets(v, "reason"), TL_SV("")).n) {
        fputs("; ", stdout);
        cli__put_safe(stdout, json_text(json_gets(v, "reason"), TL_SV("")));
    }
    puts("");
}

static int run_status(void *options, const struct cli_args *args)
{
    const struct status_options *o = options;
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    struct json s = JSON_NOTHING;
    struct tl_err err = {0};
    enum tl_rc rc = cli__open(&o->common, &c, &err);

    (void)args;
    if (rc == TL_OK && (o->sla || o->month))
        return run_month(o, c);
    if (rc == TL_OK)
        rc = cli__call(c, "GET", "/v1/status", TL_SV(""), &s, &err);
    if (rc != TL_OK)
        return cli__fail(&err, o->common.json);
    if (o->common.json) {
        cli__print_raw(cli__raw(c));
        return CLI_OK;
    }
    if (cli__is_local(c))
        puts("no server is running; this is the ledger as it stands");
    else
        printf("tieline %.*s, running since %.*s\n", TL_SV_ARG(json_text(json_gets(s, "version"), TL_SV("?"))),
               TL_SV_ARG(json_text(json_gets(s, "started_at"), TL_SV("?"))));
    show_ledger(s);
    show_vault(json_gets(s, "vault"));
    puts("");
    show_flows(json_gets(s, "flows"));
    puts("");
    show_connections(json_gets(s, "connections"));
    show_promises(json_gets(s, "flows"));
    return CLI_OK;
}

const struct cli_verb cli__status_verb = {
    .name = "status",
    .summary = "flows, connections and the ledger: what is received, waits (and why), is dead, is delivered",
    CLI_OPTIONS(status_options, struct status_options),
    .run = run_status,
};
