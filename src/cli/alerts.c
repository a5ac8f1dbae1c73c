/* SPDX-License-Identifier: Apache-2.0 */
/* alerts.c - `tieline alerts`: what is wrong now, what was; acknowledge, silence. */
#include "cli/cli_int.h"

/* ---- lists ---- */
struct list_options {
    struct cli_common common;
    bool all, resolved;
    uint64_t limit;
};
static const struct cli_option list_options[] = {
    {"all", 'a', CLI_FLAG, NULL, offsetof(struct list_options, all), "also those that are over"},
    {"resolved", 0, CLI_FLAG, NULL, offsetof(struct list_options, resolved), "only those that are over"},
    {"limit", 'n', CLI_COUNT, "N", offsetof(struct list_options, limit), "so many (100)"},
    CLI_COMMON_OPTIONS(struct list_options),
};

static enum cli_shade shade_of(struct json a)
{
    struct tl_sv state = json_text(json_gets(a, "state"), TL_SV(""));

    if (!tl_sv_eqs(state, "firing") || json_gets(a, "because").type == JSON_STRING)
        return CLI_DIM;
    return tl_sv_eqs(json_text(json_gets(a, "severity"), TL_SV("")), "page") ? CLI_BAD : CLI_WARN;
}

static const char *state_of(struct json a, char buf[80])
{
    struct tl_sv state = json_text(json_gets(a, "state"), TL_SV("?"));
    const char *more = json_gets(a, "because").type == JSON_STRING        ? ", explained by another"
                       : json_gets(a, "silenced").type == JSON_OBJECT     ? ", silenced"
                       : json_gets(a, "acknowledged").type == JSON_OBJECT ? ", acknowledged"
                                                                          : "";

    (void)snprintf(buf, 80, "%.*s%s", TL_SV_ARG(state), more);
    return buf;
}

static void duration_cell(struct cli_table *t, struct json ms)
{
    char text[32];
    int64_t n;

    if (!json_int64(ms, &n)) {
        cli__table_cell(t, TL_SV("-"), CLI_DIM);
        return;
    }
    cli__table_cell(t, tl_sv_str(tl_duration_format(n >= 10000 ? n - n % 1000 : n, text)), CLI_PLAIN);
}

static void show_list(struct json alerts)
{
    static const char *const heads[] = {"id", "severity", "state", "since", ">waiting", "drains in", "owner", "what"};
    struct cli_table *t = cli__table_new(heads, TL_COUNT(heads));

    for (uint32_t i = 0; i < alerts.n; i++) {
        struct json a = json_at(alerts, i);
        char state[80];

        cli__table_json(t, json_gets(a, "id"));
        cli__table_cell(t, json_text(json_gets(a, "severity"), TL_SV("")), shade_of(a));
        cli__table_cell(t, tl_sv_str(state_of(a, state)), shade_of(a));
        cli__table_json(t, json_gets(a, "since"));
        cli__table_json(t, json_gets(a, "held"));
        duration_cell(t, json_gets(a, "drain_ms"));
        cli__table_json(t, json_gets(a, "owner"));
        cli__table_json(t, json_gets(a, "summary"));
    }
    cli__table_print(t);
    cli__table_free(t);
}

static int run_list(void *options, const struct cli_args *args)
{
    const struct list_options *o = options;
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    TL_CLEANUP(tl_buf_done) struct tl_buf target = {0};
    struct json v = JSON_NOTHING, list;
    struct tl_err err = {0};
    enum tl_rc rc = cli__open(&o->common, &c, &err);

    (void)args;
    tl_buf_init(&target, 4096);
    (void)tl_buf_printf(&target, "/v1/alerts?state=%s&limit=%llu",
                        o->resolved ? "resolved"
                        : o->all    ? "all"
                                    : "open",
                        (unsigned long long)(o->limit ? o->limit : 100));
    if (rc == TL_OK)
        rc = cli__call(c, "GET", target.p, TL_SV(""), &v, &err);
    if (rc != TL_OK)
        return cli__fail(&err, o->common.json);
    if (o->common.json) {
        cli__print_raw(cli__raw(c));
        return CLI_OK;
    }
    list = json_gets(v, "alerts");
    if (list.n)
        show_list(list);
    else
        puts(json_gets(v, "enabled").u.b ? "nothing is wrong" : "alerts are off (`alerts: { off: true }`)");
    return CLI_OK;
}

/* ---- one ---- */
static void put_line(const char *name, struct json v)
{
    struct tl_sv text = json_text(v, TL_SV(""));

    if (!text.n)
        return;
    printf("%-10s ", name);
    cli__put_safe(stdout, text);
    putchar('\n');
}

static void put_person(const char *what, struct json v, const char *when)
{
    if (v.type != JSON_OBJECT)
        return;
    printf("%-10s %.*s, by ", what, TL_SV_ARG(json_text(json_gets(v, when), TL_SV("?"))));
    cli__put_safe(stdout, json_text(json_gets(v, "by"), TL_SV("?")));
    if (json_gets(v, "reason").type == JSON_STRING) {
        fputs(": ", stdout);
        cli__put_safe(stdout, json_view(json_gets(v, "reason")));
    }
    putchar('\n');
}

static void show_one(struct json a)
{
    static const char *const lines[][2] = {{"what", "summary"},     {"cause", "cause"},     {"fix", "fix"},
                                           {"owner", "owner"},      {"runbook", "runbook"}, {"link", "link"},
                                           {"rule", "rule"},        {"since", "since"},     {"fired", "fired_at"},
                                           {"over", "resolved_at"}, {"because", "because"}};
    struct json told = json_gets(a, "notified");
    char state[80], span[32];
    int64_t n;

    for (size_t i = 0; i < TL_COUNT(lines); i++)
        put_line(lines[i][0], json_gets(a, lines[i][1]));
    printf("%-10s %s, %.*s\n", "state", state_of(a, state), TL_SV_ARG(json_text(json_gets(a, "severity"), TL_SV(""))));
    if (json_int64(json_gets(a, "held"), &n))
        printf("%-10s %lld deliveries\n", "waiting", (long long)n);
    if (json_int64(json_gets(a, "drain_ms"), &n))
        printf("%-10s %s, %.*s\n", "drains in", tl_duration_format(n >= 10000 ? n - n % 1000 : n, span),
               TL_SV_ARG(json_text(json_gets(a, "drain_reason"), TL_SV(""))));
    put_person("seen", json_gets(a, "acknowledged"), "at");
    put_person("silent to", json_gets(a, "silenced"), "until");
    for (uint32_t i = 0; i < told.n; i++)
        printf("%-10s %.*s of %.*s, event %.*s\n", i ? "" : "told",
               TL_SV_ARG(json_text(json_gets(json_at(told, i), "receiver"), TL_SV(""))),
               TL_SV_ARG(json_text(json_gets(json_at(told, i), "what"), TL_SV(""))),
               TL_SV_ARG(json_text(json_gets(json_at(told, i), "event"), TL_SV(""))));
}

struct one_options {
    struct cli_common common;
    const char *reason, *span;
};
static const struct cli_option show_options[] = {CLI_COMMON_OPTIONS(struct one_options)};
static const struct cli_option ack_options[] = {
    {CLI_REASON, 0, CLI_TEXT, "TEXT", offsetof(struct one_options, reason), "what is being done about it"},
    CLI_COMMON_OPTIONS(struct one_options),
};
static const struct cli_option silence_options[] = {
    {"for", 0, CLI_TEXT, "TIME", offsetof(struct one_options, span), "2h, or until when (1h)"},
    CLI_REASON_OPTION(struct one_options, reason),
    CLI_COMMON_OPTIONS(struct one_options),
};

static int act(const struct one_options *o, const char *id, const char *method, const char *verb, const char *span)
{
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    struct json v = JSON_NOTHING;
    struct json_builder body;
    struct tl_err err = {0};
    enum tl_rc rc = cli__open(&o->common, &c, &err);

    if (rc == TL_OK) {
        const char *target = cli__target(c, "/v1/alerts/", id, verb);

        json_object_begin(&body, cli__arena(c), 2);
        json_adds(&body, "reason", json_str(o->reason ? o->reason : "from the command line"));
        if (span)
            json_adds(&body, "until", json_str(span));
        rc = strcmp(method, "GET") == 0 ? cli__call(c, method, target, TL_SV(""), &v, &err)
                                        : cli__call_json(c, method, target, json_end(&body), &v, &err);
    }
    if (rc != TL_OK)
        return cli__fail(&err, o->common.json);
    if (o->common.json)
        cli__print_raw(cli__raw(c));
    else
        show_one(v);
    return CLI_OK;
}

static int run_show(void *options, const struct cli_args *args)
{
    return act(options, args->v[0], "GET", "", NULL);
}
static int run_ack(void *options, const struct cli_args *args)
{
    return act(options, args->v[0], "POST", "/acknowledge", NULL);
}
static int run_silence(void *options, const struct cli_args *args)
{
    const struct one_options *o = options;

    return act(o, args->v[0], "POST", "/silence", o->span ? o->span : "1h");
}
static int run_unsilence(void *options, const struct cli_args *args)
{
    return act(options, args->v[0], "DELETE", "/silence", NULL);
}

#define ONE(verb, text, table, function)                                                                               \
    {                                                                                                                  \
        .name = (verb), .args = "ID", .summary = (text), CLI_OPTIONS(table, struct one_options), .min_args = 1,        \
        .max_args = 1, .run = (function)                                                                               \
    }
static const struct cli_verb subs[] = {
    ONE("show", "all about one alert: cause, what to do, who was told", show_options, run_show),
    ONE("ack", "say that somebody sees to it", ack_options, run_ack),
    ONE("silence", "its rule and subject tell nobody for a while", silence_options, run_silence),
    ONE("unsilence", "end a silence", show_options, run_unsilence),
};
const struct cli_verb cli__alerts_verb = {
    .name = "alerts",
    .summary = "what is wrong now: cause, what to do, how much waits, who was told",
    CLI_OPTIONS(list_options, struct list_options),
    .run = run_list,
    CLI_SUBS(subs),
};
