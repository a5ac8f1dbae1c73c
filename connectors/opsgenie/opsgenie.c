/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opsgenie.c - alerts to Opsgenie and what speaks its Alert API: POST /v2/alerts creates (202, taken; the same alias
 * again is the same alert), POST /v2/alerts/ALIAS/close?identifierType=alias ends it.
 * docs.opsgenie.com/docs/alert-api: message 130 characters, alias 512, description 15,000; Authorization: GenieKey.
 */
#include "opsgenie/opsgenie_int.h"

enum { MESSAGE_MAX = 125, DESCRIPTION_MAX = 14000 };

/* ---- tables ---- */
#define AT(type, member) .offset = offsetof(struct type, member)
static const struct config_field connection_fields[] = {
    {.name = "url",
     .type = CONFIG_URL,
     AT(opsgenie_connection, url),
     .fallback = "https://api.opsgenie.com",
     .identity = true,
     .doc = "Address of the API; for accounts in Europe https://api.eu.opsgenie.com."},
    {.name = "key",
     .type = CONFIG_SECRET,
     AT(opsgenie_connection, key),
     .required = true,
     .doc = "Key of an API integration.",
     .example = "${env:OPSGENIE_KEY}"},
    {.name = "timeout",
     .type = CONFIG_DURATION,
     AT(opsgenie_connection, timeout_ms),
     .fallback = "10s",
     .min = 1,
     .max = 600000,
     .doc = "Longest wait for a reply."},
};
static const struct config_spec connection_spec =
    CONFIG_SPEC("opsgenie", struct opsgenie_connection, connection_fields, "An account at Opsgenie.");

static const char *const priorities[] = {"P1", "P2", "P3", "P4", "P5", NULL};
static const struct config_field notify_fields[] = {
    {.name = "notify",
     .type = CONFIG_STRING,
     AT(opsgenie_target, team),
     .required = true,
     .min = 1,
     .max = 100,
     .doc = "Team that responds.",
     .example = "integration"},
    {.name = "page",
     .type = CONFIG_ENUM,
     .choices = priorities,
     AT(opsgenie_target, page),
     .fallback = "P1",
     .doc = "Priority of alerts that want a person now."},
    {.name = "ticket",
     .type = CONFIG_ENUM,
     .choices = priorities,
     AT(opsgenie_target, ticket),
     .fallback = "P3",
     .doc = "Priority of the others."},
};
static const struct config_spec notify_spec = CONFIG_SPEC("opsgenie.notify", struct opsgenie_target, notify_fields,
                                                          "Tell people of an alert: creates it, and closes it.");

/* ---- an alert ---- */
static struct json responders(struct tl_arena *a, const char *team)
{
    struct json_builder list, b;

    json_object_begin(&b, a, 2);
    json_adds(&b, "name", json_str(team));
    json_adds(&b, "type", json_str("team"));
    json_array_begin(&list, a, 1);
    json_push(&list, json_end(&b));
    return json_end(&list);
}

static struct json details(struct tl_arena *a, const struct connector_notice *n) /* texts only */
{
    struct json_builder b;

    json_object_begin(&b, a, 6);
    json_adds(&b, "owner", json_sv(n->owner));
    json_adds(&b, "runbook", json_sv(n->runbook));
    json_adds(&b, "link", json_sv(n->link));
    json_adds(&b, "held", json_printf(a, "%lld", (long long)n->held));
    json_adds(&b, "drain", json_sv(n->drain));
    json_adds(&b, "since", json_sv(n->since));
    return json_end(&b);
}

static struct json creation(const struct connector_call *call, const struct connector_notice *n, struct tl_sv alias)
{
    const struct opsgenie_target *t = call->operation;
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct json_builder b, tags;
    struct tl_arena *a = call->arena;

    tl_buf_init(&text, DESCRIPTION_MAX); /* what does not fit is left out */
    (void)connector_notice_lines(n, &text);
    json_array_begin(&tags, a, 3);
    json_push(&tags, json_str("tieline"));
    json_push(&tags, json_sv(n->rule));
    json_push(&tags, json_sv(n->subject));
    json_object_begin(&b, a, 9);
    json_adds(&b, "message", json_sv(tl_utf8_cut(n->summary, MESSAGE_MAX)));
    json_adds(&b, "alias", json_sv(alias));
    json_adds(&b, "description", json_str_copy(a, tl_buf_view(&text)));
    json_adds(&b, "responders", responders(a, t->team));
    json_adds(&b, "tags", json_end(&tags));
    json_adds(&b, "details", details(a, n));
    json_adds(&b, "entity", json_sv(n->subject));
    json_adds(&b, "source", json_str("Tieline"));
    json_adds(&b, "priority", json_str(priorities[n->page ? t->page : t->ticket]));
    return json_end(&b);
}

static struct json closing(struct tl_arena *a, const struct connector_notice *n)
{
    struct json_builder b;

    json_object_begin(&b, a, 2);
    json_adds(&b, "source", json_str("Tieline"));
    json_adds(&b, "note", json_sv(n->summary));
    return json_end(&b);
}

static enum tl_rc notify(struct task *task, struct connector_call *call, struct tl_err *err)
{
    const struct opsgenie_connection *c = call->connection;
    struct http_header h = {TL_SV("authorization"), TL_SV_NULL};
    struct connector_notice n;
    struct http_reply reply;
    struct tl_sv key, alias, url = TL_SV("/v2/alerts");
    enum tl_rc rc = connector_notice_read(call->records[0].value, &n, err);

    if (rc != TL_OK) {
        call->not_sent = true;
        return connector_settle(call, rc, TL_SV(""), err);
    }
    rc = connector_secret(task, call, &c->key, &key, err);
    if (rc != TL_OK)
        return rc;
    h.value = tl_sv_str(tl_arena_printf(call->arena, "GenieKey %.*s", TL_SV_ARG(key)));
    alias = tl_sv_str(tl_arena_printf(call->arena, "tieline-%.*s", TL_SV_ARG(n.key)));
    call->endpoint = n.resolved ? TL_SV("/v2/alerts/{alias}/close") : url;
    if (n.resolved) {
        TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

        tl_buf_init(&b, 4096);
        (void)tl_buf_puts(&b, "/v2/alerts/");
        (void)tl_percent_encode(&b, alias);
        (void)tl_buf_puts(&b, "/close?identifierType=alias");
        url = tl_arena_sv(call->arena, tl_buf_view(&b));
    }
    rc = connector_post_json(task, call, url, &h, 1, n.resolved ? closing(call->arena, &n) : creation(call, &n, alias),
                             c->timeout_ms, &reply, err);
    return rc == TL_OK ? connector_settle(call, connector_classify(call, &reply, err), alias, err) : rc;
}

/* ---- the table ---- */
static void facilities(const void *connection, const void *operation, struct connector_facilities *ret)
{
    (void)connection, (void)operation;
    *ret = (struct connector_facilities){.idempotency = CONNECTOR_IDEMPOTENT_KEY, .batch_count = 1};
}

static const struct connector_operation operations[] = {
    {.name = "notify",
     .kind = CONNECTOR_WRITE,
     .doc = "Creates an alert for an alert of ours, and closes it.",
     .spec = &notify_spec,
     .facilities = facilities,
     .run = notify},
};

static const char *base_url(const void *connection)
{
    return ((const struct opsgenie_connection *)connection)->url;
}

extern const struct connector opsgenie_connector;
const struct connector opsgenie_connector = {
    .contract = CONNECTOR_CONTRACT,
    .title = "Opsgenie",
    .variant = {.name = "opsgenie",
                .type = CONFIG_OBJECT_REF,
                .spec = &connection_spec,
                .doc = "An account at Opsgenie, or what speaks its Alert API."},
    .operations = operations,
    .n_operations = TL_COUNT(operations),
    .base_url = base_url,
    .sim = opsgenie__sim,
};
