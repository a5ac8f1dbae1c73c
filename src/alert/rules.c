/* SPDX-License-Identifier: Apache-2.0 */
/* rules.c - the table of the rules, and what follows from it: the keys of `alerts:`, lists for people. */
#include "alert/alert_int.h"

static const char *const fixes[ALERT_RULES] = {
    [ALERT_CONNECTION_AUTH] = "Replace or renew the credentials; the connection tries by itself again, or at once with "
                              "`tieline resume connection NAME`. Events are kept and wait in order.",
    [ALERT_CONNECTION_IDENTITY] = "If it is the same system, set `accept_identity: true` or run `tieline resume "
                                  "connection NAME`; else correct the configuration.",
    [ALERT_BREAKER_OPEN] =
        "See to the other side. Deliveries wait and use up no attempts; the breaker closes by itself "
        "when a probe succeeds.",
    [ALERT_CALLS_SLOW] =
        "Look at the other side, and whether fewer calls at once (`limits: { concurrency }`) are faster.",
    [ALERT_CALLS_FAIL] = "`tieline events list --state retrying` and `tieline dlq groups` say how the calls fail.",
    [ALERT_QUOTA_NEARLY_USED] =
        "When it is used up, deliveries wait for the next window. Raise the quota, or batch more.",
    [ALERT_CREDENTIAL_EXPIRES] = "Renew it before it ends; files and secrets are read again without a restart.",
    [ALERT_FLOW_HELD] = "Mend the cause, then `tieline resume flow NAME`; events of a removed flow or target are "
                        "moved with `tieline events move --to FLOW` or discarded.",
    [ALERT_DEAD_LETTERS_GROW] = "`tieline dlq groups --flow NAME` says why; edit and replay them there.",
    [ALERT_DELAY_HIGH] = "`tieline status` says what the flow waits for; the tightest limit is named there.",
    [ALERT_BACKLOG_OLD] =
        "`tieline events list --flow NAME --state queued` shows what waits, `tieline status` for what.",
    [ALERT_SOURCE_FAILS] =
        "`tieline status` says how the reads of the source fail. Nothing is lost: the next read that "
        "works goes on where the last good one ended.",
    [ALERT_RETRIES_HIGH] = "`tieline events list --flow NAME --state retrying` shows the failed attempts.",
    [ALERT_ERROR_BUDGET_SPENT] =
        "Replay what can be replayed, and take the largest group of `tieline dlq groups` first.",
    [ALERT_REQUESTS_REFUSED] = "A rotated secret, or somebody who guesses: the log (webhook.refused) has reason and "
                               "address.",
    [ALERT_DISK_FILLING] =
        "Free space, or keep events for a shorter time (`store: { keep_events }`), before intake stops.",
    [ALERT_INTAKE_STOPPED] = "Free space on the ledger's disk, or, where its files were moved or deleted, put them "
                             "back as the log says. What was accepted is still delivered.",
};

const struct alert_rule alert_rules[ALERT_RULES] = {
#define X(id, word, watches, of, from, after, how, text)                                                               \
    {#word, ALERT_##watches, ALERT_##of, from, after, ALERT_##how, text},
    ALERT_RULE_TABLE(X)
#undef X
};

const char *alert__fix_text(enum alert_rule_id rule)
{
    return fixes[rule];
}

struct tl_sv alert__fix(const struct alert *a, struct tl_arena *arena)
{
    struct tl_sv text = tl_sv_str(fixes[a->rule]);
    size_t at = tl_sv_find_sv(text, TL_SV("NAME"));

    if (at == text.n)
        return text;
    return tl_sv_str(tl_arena_printf(arena, "%.*s%s%s", (int)at, text.p, a->subject, text.p + at + 4));
}

const char *alert_kind_name(enum alert_kind k)
{
    static const char *const names[] = {
        [ALERT_FLOW] = "flow", [ALERT_CONNECTION] = "connection", [ALERT_SERVER] = "server"};

    return names[k];
}

const char *alert_severity_name(enum alert_severity s)
{
    return s == ALERT_PAGE ? "page" : "ticket";
}

const char *alert__unit_name(enum alert_rule_id rule)
{
    static const char *const names[] = {
        [ALERT_NOTHING] = "", [ALERT_TIME] = "seconds", [ALERT_SHARE] = "ratio", [ALERT_NUMBER] = "count"};

    return names[alert_rules[rule].unit];
}

/* ---- the block `alerts:` ---- */
#define AT(type, member) .offset = offsetof(struct type, member)
static const char *const severities[] = {"ticket", "page", NULL};
static const struct config_field receiver_item = {.type = CONFIG_TEXT};
static const struct config_field name_item = {.type = CONFIG_STRING};

#define COMMON_FIELDS(hold_text, severity_text)                                                                        \
    {.name = "off", .type = CONFIG_BOOL, AT(alert_rule_conf, off), .fallback = "false", .doc = "Does not watch."},     \
        {.name = "hold",                                                                                               \
         .type = CONFIG_DURATION,                                                                                      \
         AT(alert_rule_conf, hold_ms),                                                                                 \
         .fallback = (hold_text),                                                                                      \
         .max = 86400000,                                                                                              \
         .doc = "The condition must have held for so long."},                                                          \
        {.name = "severity",                                                                                           \
         .type = CONFIG_ENUM,                                                                                          \
         .choices = severities,                                                                                        \
         AT(alert_rule_conf, severity),                                                                                \
         .fallback = (severity_text),                                                                                  \
         .doc = "`page` wants a person now, `ticket` in working hours."},                                              \
        {.name = "owner",                                                                                              \
         .type = CONFIG_STRING,                                                                                        \
         AT(alert_rule_conf, owner),                                                                                   \
         .max = 100,                                                                                                   \
         .doc = "Who sees to it; default: the flow's `sla: { owner }`."},                                              \
        {.name = "runbook",                                                                                            \
         .type = CONFIG_STRING,                                                                                        \
         AT(alert_rule_conf, runbook),                                                                                 \
         .max = 500,                                                                                                   \
         .doc = "Where the instructions are; default: the flow's `sla: { runbook }`."},                                \
        {.name = "notify",                                                                                             \
         .type = CONFIG_LIST,                                                                                          \
         .item = &receiver_item,                                                                                       \
         .one_or_many = true,                                                                                          \
         .max = 20,                                                                                                    \
         AT(alert_rule_conf, notify),                                                                                  \
         .doc = "Receivers of this rule's alerts instead of the usual ones."},                                         \
    {                                                                                                                  \
        .name = "except", .type = CONFIG_LIST, .item = &name_item, .one_or_many = true, .max = 1000,                   \
        AT(alert_rule_conf, except), .doc = "Flows or connections that it does not watch."                             \
    }
#define THRESHOLD_FIELD(kind, member, text)                                                                            \
    {                                                                                                                  \
        .name = "threshold", .type = (kind), AT(alert_rule_conf, member), .fallback = (text), .doc = "Beyond it."      \
    }
#define FIELDS_NOTHING(id, text, hold_text, severity_text)                                                             \
    static const struct config_field id##_fields[] = {COMMON_FIELDS(hold_text, severity_text)};
#define FIELDS_TIME(id, text, hold_text, severity_text)                                                                \
    static const struct config_field id##_fields[] = {THRESHOLD_FIELD(CONFIG_DURATION, threshold_ms, text),            \
                                                      COMMON_FIELDS(hold_text, severity_text)};
#define FIELDS_SHARE(id, text, hold_text, severity_text)                                                               \
    static const struct config_field id##_fields[] = {THRESHOLD_FIELD(CONFIG_PERCENT, threshold, text),                \
                                                      COMMON_FIELDS(hold_text, severity_text)};
#define FIELDS_NUMBER(id, text, hold_text, severity_text)                                                              \
    static const struct config_field id##_fields[] = {THRESHOLD_FIELD(CONFIG_DOUBLE, threshold, text),                 \
                                                      COMMON_FIELDS(hold_text, severity_text)};
#define WORD_PAGE "page"
#define WORD_TICKET "ticket"
#define X(id, word, watches, of, from, after, how, text)                                                               \
    FIELDS_##of(word, from, after, WORD_##how) static const struct config_spec word##_spec =                           \
        CONFIG_SPEC("alert." #word, struct alert_rule_conf, word##_fields, text);
ALERT_RULE_TABLE(X)
#undef X

static const struct config_field rules_fields[] = {
#define X(id, word, watches, of, from, after, how, text)                                                               \
    {.name = #word,                                                                                                    \
     .type = CONFIG_OBJECT,                                                                                            \
     .spec = &word##_spec,                                                                                             \
     .offset = ALERT_##id * sizeof(struct alert_rule_conf),                                                            \
     .doc = text},
    ALERT_RULE_TABLE(X)
#undef X
};
static const struct config_spec rules_spec = {.name = "alert.rules",
                                              .size = ALERT_RULES * sizeof(struct alert_rule_conf),
                                              .fields = rules_fields,
                                              .n_fields = TL_COUNT(rules_fields),
                                              .doc = "The rules; each has a default that is good practice."};

static const struct config_field target_item = {.type = CONFIG_ANY, .doc = "A target, or a list of them."};
static const struct config_field alert_fields[] = {
    {.name = "off",
     .type = CONFIG_BOOL,
     AT(alert_conf, off),
     .fallback = "false",
     .doc = "No alerts at all: something else watches."},
    {.name = "console",
     .type = CONFIG_URL,
     AT(alert_conf, console),
     .doc = "Address of the console: where links in notifications lead.",
     .example = "https://tieline.example.com"},
    {.name = "resolve_after",
     .type = CONFIG_DURATION,
     AT(alert_conf, resolve_after_ms),
     .fallback = "1m",
     .max = 86400000,
     .doc = "An alert is over when its condition has not held for so long."},
    {.name = "receivers",
     .type = CONFIG_MAP,
     .item = &target_item,
     .names = true,
     .max = 100,
     AT(alert_conf, receivers),
     .doc = "Who can be told, by name: a target as in a flow, or several. Each is a flow of its own in the ledger, "
            "`alerts.NAME`, with retries and dead letters.",
     .example = "{ ops: { connection: chat, notify: \"#ops\" } }"},
    {.name = "notify",
     .type = CONFIG_LIST,
     .item = &receiver_item,
     .one_or_many = true,
     .max = 20,
     AT(alert_conf, notify),
     .doc = "Receivers of every alert, unless its rule names others.",
     .example = "ops"},
    {.name = "page",
     .type = CONFIG_LIST,
     .item = &receiver_item,
     .one_or_many = true,
     .max = 20,
     AT(alert_conf, page),
     .doc = "Receivers besides these of alerts that want a person now.",
     .example = "oncall"},
    {.name = "rules", .type = CONFIG_OBJECT, .spec = &rules_spec, AT(alert_conf, rules), .doc = "What is watched."},
};

int alert__receiver(const struct alert_conf *c, const char *name)
{
    for (size_t i = 0; i < c->receivers.n; i++) {
        if (strcmp(c->receivers.entries[i].key, name) == 0)
            return (int)i;
    }
    return -1;
}

static void check_names(const struct alert_conf *c, const struct config_list *names, struct config_errors *e)
{
    for (size_t i = 0; i < names->n; i++)
        if (CONFIG_AT(*names, struct config_text, i)->text)
            (void)alert_receiver_check(c, CONFIG_AT(*names, struct config_text, i), e);
}

bool alert_receiver_check(const struct alert_conf *c, const struct config_text *name, struct config_errors *e)
{
    const char *names[100], *near;
    size_t n = 0;

    if (alert__receiver(c, name->text) >= 0)
        return true;
    for (; n < c->receivers.n && n < TL_COUNT(names); n++)
        names[n] = c->receivers.entries[n].key;
    near = tl_nearest(tl_sv_str(name->text), names, n);
    if (near)
        config_error(e, name->at, NULL, "there is no receiver '%s'; did you mean '%s'?", name->text, near);
    else
        config_error(e, name->at, "Define it under `alerts: { receivers: ... }`.", "there is no receiver '%s'",
                     name->text);
    return false;
}

void alert_names_check(const struct alert_conf *c, struct config_errors *e)
{
    check_names(c, &c->notify, e);
    check_names(c, &c->page, e);
    for (size_t i = 0; i < ALERT_RULES; i++)
        check_names(c, &c->rules.of[i].notify, e);
}

const struct config_spec alert_spec = {.name = "alerts",
                                       .size = sizeof(struct alert_conf),
                                       .fields = alert_fields,
                                       .n_fields = TL_COUNT(alert_fields),
                                       .doc = "What is watched, and who is told."};

double alert_threshold(const struct alert_conf *c, enum alert_rule_id rule)
{
    const struct alert_rule_conf *r = &c->rules.of[rule];

    return alert_rules[rule].unit == ALERT_TIME ? (double)r->threshold_ms / 1000 : r->threshold;
}

/* ---- metrics ---- */
static const struct metrics_desc measured[] = {
    {"tieline_credential_expires_timestamp_seconds",
     "When a certificate ends, in seconds since 1970; the connection `server` is our own.",
     METRICS_GAUGE,
     {"connection", "credential"},
     0,
     0},
};

const struct metrics_desc *alert_metrics(size_t *ret_n)
{
    *ret_n = TL_COUNT(measured);
    return measured;
}

/* ---- lists ---- */
static struct json texts_json(struct tl_arena *a, const struct config_list *l)
{
    struct json_builder b;

    json_array_begin(&b, a, l->n);
    for (size_t i = 0; i < l->n; i++)
        json_push(&b, json_str(CONFIG_AT(*l, struct config_text, i)->text));
    return json_end(&b);
}

struct json alert_rules_json(const struct alert_conf *conf, struct tl_arena *a)
{
    struct json_builder list, b;

    json_array_begin(&list, a, ALERT_RULES);
    for (int i = 0; i < ALERT_RULES; i++) {
        const struct alert_rule_conf *c = &conf->rules.of[i];
        enum alert_rule_id id = (enum alert_rule_id)i;

        json_object_begin(&b, a, 13);
        json_adds(&b, "name", json_str(alert_rules[i].name));
        json_adds(&b, "kind", json_str(alert_kind_name(alert_rules[i].kind)));
        json_adds(&b, "severity", json_str(alert_severity_name((enum alert_severity)c->severity)));
        json_adds(&b, "threshold",
                  alert_rules[i].unit == ALERT_NOTHING ? json_null() : json_double(alert_threshold(conf, id)));
        json_adds(&b, "unit", json_str(alert__unit_name(id)));
        json_adds(&b, "hold_ms", json_int(c->hold_ms));
        json_adds(&b, "off", json_bool(c->off || conf->off));
        json_adds(&b, "doc", json_str(alert_rules[i].doc));
        json_adds(&b, "fix", json_str(fixes[i]));
        json_adds(&b, "owner", c->owner ? json_str(c->owner) : json_null());
        json_adds(&b, "runbook", c->runbook ? json_str(c->runbook) : json_null());
        json_adds(&b, "notify", texts_json(a, &c->notify));
        json_push(&list, json_end(&b));
    }
    return json_end(&list);
}

bool alert_reference(struct tl_buf *b)
{
    bool ok =
        tl_buf_puts(b, "# Alert rules\n\nWhat is watched, with the defaults. Thresholds, `hold`, `off`, owner and "
                       "receivers are set under\n[`alerts: { rules: ... }`](configuration.md); [Alerts](../alerts.md) "
                       "tells how it works. The same rules for Prometheus,\nwith the same thresholds, are in "
                       "`packaging/prometheus/tieline.rules.yml`.\n\n"
                       "| rule | of a | beyond | holds for | severity | watches | what to do |\n"
                       "|---|---|---|---|---|---|---|\n");

    for (size_t i = 0; i < ALERT_RULES && ok; i++) {
        const struct alert_rule *r = &alert_rules[i];

        ok = tl_buf_printf(b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", r->name, alert_kind_name(r->kind),
                           r->threshold ? r->threshold : "", strcmp(r->hold, "0s") == 0 ? "at once" : r->hold,
                           alert_severity_name(r->severity), r->doc, fixes[i]);
    }
    return ok;
}
