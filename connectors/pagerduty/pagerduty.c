/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pagerduty.c - events to PagerDuty, Events API v2: POST /v2/enqueue, 202 when taken.
 * developer.pagerduty.com/docs/send-alert-event: dedup_key (255 characters) makes a repeated trigger the same alert and
 * a resolve its end; payload.summary has at most 1,024 characters; severity is critical, error, warning or info.
 */
#include "pagerduty/pagerduty_int.h"

enum { SUMMARY_MAX = 1000 };

/* ---- tables ---- */
#define AT(type, member) .offset = offsetof(struct type, member)
static const struct config_field connection_fields[] = {
    {.name = "url",
     .type = CONFIG_URL,
     AT(pagerduty_connection, url),
     .fallback = "https://events.pagerduty.com",
     .identity = true,
     .doc = "Address of the Events API; for accounts in Europe https://events.eu.pagerduty.com."},
    {.name = "routing_key",
     .type = CONFIG_SECRET,
     AT(pagerduty_connection, routing_key),
     .required = true,
     .doc = "Integration key of a service or a ruleset.",
     .example = "${env:PAGERDUTY_KEY}"},
    {.name = "timeout",
     .type = CONFIG_DURATION,
     AT(pagerduty_connection, timeout_ms),
     .fallback = "10s",
     .min = 1,
     .max = 600000,
     .doc = "Longest wait for a reply."},
};
static const struct config_spec connection_spec =
    CONFIG_SPEC("pagerduty", struct pagerduty_connection, connection_fields, "A service at PagerDuty.");

#define SOURCE_FIELD(operation)                                                                                        \
    {                                                                                                                  \
        .name = (operation), .type = CONFIG_STRING, AT(pagerduty_target, source), .required = true, .min = 1,          \
        .max = 255, .doc = "What stands as the source of the event.", .example = "tieline-production"                  \
    }
static const struct config_field event_fields[] = {SOURCE_FIELD("event")};
static const struct config_spec event_spec = CONFIG_SPEC(
    "pagerduty.event", struct pagerduty_target, event_fields,
    "Send an event as the Events API has it: event_action, dedup_key, payload, links. Filled in where absent: "
    "trigger, the record's key, the source, severity error.");
static const struct config_field notify_fields[] = {SOURCE_FIELD("notify")};
static const struct config_spec notify_spec =
    CONFIG_SPEC("pagerduty.notify", struct pagerduty_target, notify_fields,
                "Tell people of an alert: triggers an incident, and resolves it when the alert is over.");

/* ---- the request ---- */
/* A wrong key is a 400, too; its text says so. */
static bool speaks_of_key(struct tl_sv body)
{
    static const char *const words[] = {"routing_key", "routing key", "Invalid routing"};

    for (size_t i = 0; i < TL_COUNT(words); i++) {
        if (tl_sv_find_sv(body, tl_sv_str(words[i])) < body.n)
            return true;
    }
    return false;
}

static enum tl_rc send_it(struct task *task, struct connector_call *call, struct json_builder *b, struct tl_err *err)
{
    const struct pagerduty_connection *c = call->connection;
    struct tl_sv key = json_text(json_gets(json_end(b), "dedup_key"), TL_SV("")), secret;
    struct http_reply reply;
    enum tl_rc rc = connector_secret(task, call, &c->routing_key, &secret, err);

    if (rc != TL_OK)
        return rc;
    json_adds(b, "routing_key", json_sv(tl_sv_trim(secret)));
    call->endpoint = TL_SV("/v2/enqueue");
    rc = connector_post_json(task, call, call->endpoint, NULL, 0, json_end(b), c->timeout_ms, &reply, err);
    if (rc != TL_OK)
        return rc;
    rc = connector_classify(call, &reply, err);
    if (reply.status == 400 && speaks_of_key(reply.body))
        rc = tl_fail(err, TL_AUTH, "PagerDuty refuses the routing key: %.*s",
                     TL_SV_ARG(connector_reply_text(call, &reply)));
    return connector_settle(call, rc, key, err);
}

static enum tl_rc refuse(struct connector_call *call, const char *text, struct tl_err *err)
{
    call->not_sent = true;
    return connector_settle(call, tl_fail(err, TL_INVALID, "%s", text), TL_SV(""), err);
}

/* ---- an event as the flow made it ---- */
static bool given(struct json v, const char *name)
{
    return json_gets(v, name).type != JSON_UNDEFINED;
}

static struct json whole_payload(const struct connector_call *call, struct json v)
{
    const struct pagerduty_target *t = call->operation;
    struct json_builder b;

    json_object_begin(&b, call->arena, v.n + 2);
    for (uint32_t i = 0; i < v.n; i++)
        json_add(&b, json_view(v.u.members[i].key), v.u.members[i].value);
    if (!given(v, "source"))
        json_adds(&b, "source", json_str(t->source));
    if (!given(v, "severity"))
        json_adds(&b, "severity", json_str("error"));
    return json_end(&b);
}

static enum tl_rc event(struct task *task, struct connector_call *call, struct tl_err *err)
{
    const struct connector_record *r = &call->records[0];
    struct json v = r->value;
    struct json_builder b;

    if (v.type != JSON_OBJECT)
        return refuse(call, "an event is an object", err);
    json_object_begin(&b, call->arena, v.n + 3);
    for (uint32_t i = 0; i < v.n; i++) {
        struct tl_sv name = json_view(v.u.members[i].key);
        struct json value = v.u.members[i].value;

        if (tl_sv_eqs(name, "routing_key")) /* the connection's, no other */
            continue;
        if (tl_sv_eqs(name, "payload") && value.type == JSON_OBJECT)
            value = whole_payload(call, value);
        json_add(&b, name, value);
    }
    if (!given(v, "event_action"))
        json_adds(&b, "event_action", json_str("trigger"));
    if (!given(v, "dedup_key"))
        json_adds(&b, "dedup_key", json_sv(r->key));
    return send_it(task, call, &b, err);
}

/* ---- an alert ---- */
static void add_link(struct json_builder *links, struct tl_sv href, const char *text)
{
    struct json_builder b;

    if (!tl_sv_starts(href, TL_SV("https://")) && !tl_sv_starts(href, TL_SV("http://")))
        return;
    json_object_begin(&b, links->arena, 2);
    json_adds(&b, "href", json_sv(href));
    json_adds(&b, "text", json_str(text));
    json_push(links, json_end(&b));
}

static struct json payload(const struct connector_call *call, const struct connector_notice *n)
{
    static const char *const details[] = {"cause", "fix",          "owner", "runbook", "held",
                                          "drain", "drain_reason", "rule",  "since",   "more"};
    const struct pagerduty_target *t = call->operation;
    struct json_builder b, d;

    json_object_begin(&d, call->arena, TL_COUNT(details));
    for (size_t i = 0; i < TL_COUNT(details); i++) {
        struct json v = json_gets(n->record, details[i]);

        if (v.type != JSON_UNDEFINED && v.type != JSON_NULL)
            json_adds(&d, details[i], v);
    }
    json_object_begin(&b, call->arena, 8);
    json_adds(&b, "summary", json_sv(tl_utf8_cut(n->summary, SUMMARY_MAX)));
    json_adds(&b, "source", json_str(t->source));
    json_adds(&b, "severity", json_str(n->page ? "critical" : "warning"));
    if (n->since.n)
        json_adds(&b, "timestamp", json_sv(n->since));
    json_adds(&b, "component", json_sv(n->subject));
    json_adds(&b, "group", json_sv(n->kind));
    json_adds(&b, "class", json_sv(n->rule));
    json_adds(&b, "custom_details", json_end(&d));
    return json_end(&b);
}

static enum tl_rc notify(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct connector_notice n;
    struct json_builder b, links;
    enum tl_rc rc = connector_notice_read(call->records[0].value, &n, err);

    if (rc != TL_OK)
        return refuse(call, tl_arena_strdup(call->arena, err->text), err);
    json_array_begin(&links, call->arena, 2);
    add_link(&links, n.link, "Open in the console");
    add_link(&links, n.runbook, "Runbook");
    json_object_begin(&b, call->arena, 8);
    json_adds(&b, "event_action", json_str(n.resolved ? "resolve" : "trigger"));
    json_adds(&b, "dedup_key", json_printf(call->arena, "tieline-%.*s", TL_SV_ARG(n.key)));
    json_adds(&b, "client", json_str("Tieline"));
    json_adds(&b, "links", json_end(&links));
    json_adds(&b, "payload", payload(call, &n));
    return send_it(task, call, &b, err);
}

/* ---- the table ---- */
static void facilities(const void *connection, const void *operation, struct connector_facilities *ret)
{
    (void)connection, (void)operation;
    *ret = (struct connector_facilities){.idempotency = CONNECTOR_IDEMPOTENT_KEY, .batch_count = 1};
}

static const struct connector_operation operations[] = {
    {.name = "event",
     .kind = CONNECTOR_WRITE,
     .doc = "Sends each record as an event.",
     .spec = &event_spec,
     .facilities = facilities,
     .run = event},
    {.name = "notify",
     .kind = CONNECTOR_WRITE,
     .doc = "Triggers an incident for an alert, and resolves it.",
     .spec = &notify_spec,
     .facilities = facilities,
     .run = notify},
};

static const char *base_url(const void *connection)
{
    return ((const struct pagerduty_connection *)connection)->url;
}

extern const struct connector pagerduty_connector;
const struct connector pagerduty_connector = {
    .contract = CONNECTOR_CONTRACT,
    .title = "PagerDuty",
    .variant = {.name = "pagerduty",
                .type = CONFIG_OBJECT_REF,
                .spec = &connection_spec,
                .doc = "A service at PagerDuty."},
    .operations = operations,
    .n_operations = TL_COUNT(operations),
    .base_url = base_url,
    .sim = pagerduty__sim,
};
