/* SPDX-License-Identifier: Apache-2.0 */
/* project.c - the tables of the configuration. Every field has a doc; the reference page is made from them. */
#include "flow/project.h"

#include "webhook/webhook.h"

#define AT(type, member) .offset = offsetof(struct type, member)

static const struct config_field cidr_item = {.type = CONFIG_CIDR};
static const struct config_field string_item = {.type = CONFIG_STRING};

/* ---- store, log ---- */
static const struct config_field old_key_item = {.type = CONFIG_SECRET};
static const struct config_field encrypt_fields[] = {
    {.name = "key",
     .type = CONFIG_SECRET,
     AT(flow_encrypt_conf, key),
     .required = true,
     .doc =
         "32 bytes, as `tieline secrets key` makes them. Without it the ledger cannot be read: keep a copy elsewhere.",
     .example = "${file:/etc/tieline/ledger.key}"},
    {.name = "old_keys",
     .type = CONFIG_LIST,
     .item = &old_key_item,
     .one_or_many = true,
     .max = 16,
     AT(flow_encrypt_conf, old_keys),
     .doc = "To change the key: the one before. After one start with the new key it is needed no longer.",
     .example = "${file:/etc/tieline/ledger.key.old}"},
};
const struct config_spec flow_encrypt_spec =
    CONFIG_SPEC("store.encrypt", struct flow_encrypt_conf, encrypt_fields,
                "Payloads, kept answers, error texts and cursors are encrypted on the disk (XChaCha20-Poly1305).");

static const struct config_field store_fields[] = {
    {.name = "path",
     .type = CONFIG_FILE,
     AT(flow_store_conf, path),
     .reload = CONFIG_RELOAD_RESTART,
     .fallback = "./data",
     .doc = "Directory of the ledger. One process owns it."},
    {.name = "keep_keys",
     .type = CONFIG_DURATION,
     AT(flow_store_conf, keep_keys_ms),
     .reload = CONFIG_RELOAD_APPLIES,
     .fallback = "7d",
     .min = 60000,
     .max = 1LL << 40,
     .doc = "How long idempotency keys are remembered: longer than any sender goes on retrying."},
    {.name = "keep_events",
     .type = CONFIG_DURATION,
     AT(flow_store_conf, keep_events_ms),
     .reload = CONFIG_RELOAD_APPLIES,
     .fallback = "30d",
     .min = 60000,
     .max = 1LL << 40,
     .doc = "How long finished events and their payloads are kept."},
    {.name = "inline_max",
     .type = CONFIG_SIZE,
     AT(flow_store_conf, inline_max),
     .reload = CONFIG_RELOAD_RESTART,
     .fallback = "64KB",
     .min = 1024,
     .max = 1 << 20,
     .doc = "Larger bodies are stored in chunks.",
     .advanced = true},
    {.name = "unsafe_no_sync",
     .type = CONFIG_BOOL,
     AT(flow_store_conf, unsafe_no_sync),
     .reload = CONFIG_RELOAD_RESTART,
     .fallback = "false",
     .doc =
         "For measurements: answer before an event is safe on the disk. A power cut then loses what was acknowledged, "
         "and may damage the ledger.",
     .advanced = true},
    {.name = "encrypt",
     .type = CONFIG_OBJECT_REF,
     .spec = &flow_encrypt_spec,
     AT(flow_store_conf, encrypt),
     .reload = CONFIG_RELOAD_RESTART,
     .doc = "Encryption at rest; absent: payloads are stored as they came."},
    {.name = "reserve",
     .type = CONFIG_SIZE,
     AT(flow_store_conf, reserve),
     .reload = CONFIG_RELOAD_APPLIES,
     .fallback = "0",
     .doc = "Intake stops while less than this is free on the disk; 0: 5 % or 1 GB, the lesser.",
     .advanced = true},
};
static const struct config_spec store_spec = CONFIG_SPEC("store", struct flow_store_conf, store_fields, "The ledger.");

static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const formats[] = {"auto", "json", "text", NULL};
static const struct config_field log_fields[] = {
    {.name = "level",
     .type = CONFIG_ENUM,
     .choices = levels,
     AT(flow_log_conf, level),
     .reload = CONFIG_RELOAD_APPLIES,
     .fallback = "info",
     .doc = "Least serious lines that are written; debug has one line a call."},
    {.name = "format",
     .type = CONFIG_ENUM,
     .choices = formats,
     AT(flow_log_conf, format),
     .reload = CONFIG_RELOAD_RESTART,
     .fallback = "auto",
     .doc = "JSON lines or readable text; auto: text on a terminal."},
};
static const struct config_spec log_spec = CONFIG_SPEC("log", struct flow_log_conf, log_fields, "The log.");

static const struct config_field header_item = {
    .type = CONFIG_SECRET, .raw = true, .doc = "A text, or a reference to a secret."};
static const struct config_field telemetry_fields[] = {
    {.name = "url",
     .type = CONFIG_URL,
     AT(flow_telemetry_conf, url),
     .doc = "Collector for OTLP over HTTP; absent: nothing is sent. /v1/traces and /v1/metrics are added.",
     .example = "http://127.0.0.1:4318"},
    {.name = "headers",
     .type = CONFIG_MAP,
     .item = &header_item,
     .max = 16,
     AT(flow_telemetry_conf, headers),
     .doc = "Headers of each request.",
     .example = "{ authorization: \"${env:OTLP_AUTH}\" }"},
    {.name = "service",
     .type = CONFIG_STRING,
     AT(flow_telemetry_conf, service),
     .fallback = "tieline",
     .min = 1,
     .max = 100,
     .doc = "What we are called there (service.name)."},
    {.name = "traces", .type = CONFIG_BOOL, AT(flow_telemetry_conf, traces), .fallback = "true", .doc = "Send spans."},
    {.name = "sample",
     .type = CONFIG_PERCENT,
     AT(flow_telemetry_conf, sample),
     .fallback = "10%",
     .doc = "Share of the events that are traced; where a sender's traceparent has decided, that counts."},
    {.name = "interval",
     .type = CONFIG_DURATION,
     AT(flow_telemetry_conf, interval_ms),
     .fallback = "5s",
     .min = 100,
     .max = 3600000,
     .doc = "Spans go out at least so often."},
    {.name = "metrics",
     .type = CONFIG_DURATION,
     AT(flow_telemetry_conf, metrics_ms),
     .fallback = "1m",
     .max = 86400000,
     .doc = "Metrics go out so often; 0s: never."},
};
static const struct config_spec telemetry_spec =
    CONFIG_SPEC("telemetry", struct flow_telemetry_conf, telemetry_fields,
                "Traces and metrics to an OpenTelemetry collector. Read at the start.");

static const struct config_field egress_fields[] = {
    {.name = "allow_private",
     .type = CONFIG_BOOL,
     AT(flow_egress_conf, allow_private),
     .fallback = "false",
     .doc = "Calls may go to loopback and private addresses."},
    {.name = "allow",
     .type = CONFIG_LIST,
     .item = &cidr_item,
     AT(flow_egress_conf, allow),
     .doc = "Ranges that are allowed in any case.",
     .example = "[10.20.0.0/16]"},
    {.name = "deny",
     .type = CONFIG_LIST,
     .item = &cidr_item,
     AT(flow_egress_conf, deny),
     .doc = "Ranges never called."},
};
static const struct config_spec egress_spec =
    CONFIG_SPEC("egress", struct flow_egress_conf, egress_fields,
                "Where calls may go. Metadata services are refused unless a range in `allow` names them.");

/* ---- connections ---- */
static const struct config_field quota_fields[] = {
    {.name = "name",
     .type = CONFIG_STRING,
     AT(flow_quota_conf, name),
     .fallback = "quota",
     .min = 1,
     .max = 30,
     .doc = "Its name in status and metrics."},
    {.name = "amount",
     .type = CONFIG_INT,
     AT(flow_quota_conf, amount),
     .required = true,
     .min = 1,
     .max = 1LL << 40,
     .doc = "Calls.",
     .example = "100000"},
    {.name = "per",
     .type = CONFIG_DURATION,
     AT(flow_quota_conf, per_ms),
     .fallback = "24h",
     .min = 24000,
     .max = 1LL << 40,
     .doc = "A rolling window of this length."},
    {.name = "day",
     .type = CONFIG_BOOL,
     AT(flow_quota_conf, day),
     .fallback = "false",
     .doc = "Counts by calendar day instead of a rolling window."},
    {.name = "zone",
     .type = CONFIG_ZONE,
     AT(flow_quota_conf, zone),
     .fallback = "UTC",
     .doc = "Time zone of the calendar day."},
    {.name = "keep",
     .type = CONFIG_PERCENT,
     AT(flow_quota_conf, keep),
     .fallback = "0%",
     .doc = "Share that is left for other programs.",
     .example = "20%"},
};
static void check_keep(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct flow_quota_conf *q = conf;
    const struct config_node *keep = config_get(node, "keep");
    double amount = (double)q->amount;

    if (keep && amount - amount * q->keep < 1)
        config_error(e, keep->at, "Keep less.",
                     "that leaves less than one call of the quota: nothing would ever be sent");
}
static const struct config_check quota_checks[] = {{"amount keep", check_keep}};
static const struct config_spec quota_spec = {.name = "quota",
                                              .size = sizeof(struct flow_quota_conf),
                                              .fields = quota_fields,
                                              .n_fields = TL_COUNT(quota_fields),
                                              CONFIG_CHECKS(quota_checks),
                                              .doc = "An allowance over a longer time."};
static const struct config_field quota_item = {.type = CONFIG_OBJECT, .spec = &quota_spec};
static const struct config_field limits_fields[] = {
    {.name = "concurrency",
     .type = CONFIG_INT,
     AT(flow_limits_conf, concurrency),
     .min = 1,
     .max = 10000,
     .example = "10",
     .doc = "Calls at one time; adapts downwards when the system says it is too much. Absent: what the connector knows "
            "to be right, else 32."},
    {.name = "fixed",
     .type = CONFIG_BOOL,
     AT(flow_limits_conf, fixed),
     .fallback = "false",
     .doc = "Do not adapt the concurrency.",
     .advanced = true},
    {.name = "rate",
     .type = CONFIG_STRING,
     AT(flow_limits_conf, rate),
     .doc = "Calls in a time: N/s, N/m, N/h.",
     .example = "100/s"},
    {.name = "burst",
     .type = CONFIG_INT,
     AT(flow_limits_conf, burst),
     .fallback = "0",
     .min = 0,
     .max = 1 << 20,
     .doc = "Calls that may come at once after a pause; 0: one second's worth."},
    {.name = "quotas",
     .type = CONFIG_LIST,
     .item = &quota_item,
     .one_or_many = true,
     .max = 4,
     AT(flow_limits_conf, quotas),
     .doc = "Allowances over longer times; they survive a restart."},
    {.name = "breaker_failures",
     .type = CONFIG_INT,
     AT(flow_limits_conf, breaker_failures),
     .fallback = "5",
     .min = 1,
     .max = 10000,
     .doc = "Time-outs, connection errors and 5xx in a row that open the circuit breaker.",
     .advanced = true},
    {.name = "breaker_open",
     .type = CONFIG_DURATION,
     AT(flow_limits_conf, breaker_open_ms),
     .fallback = "2s",
     .min = 10,
     .max = 3600000,
     .doc = "First pause of an open breaker; doubles up to `breaker_most`.",
     .advanced = true},
    {.name = "breaker_most",
     .type = CONFIG_DURATION,
     AT(flow_limits_conf, breaker_most_ms),
     .fallback = "60s",
     .min = 10,
     .max = 3600000,
     .doc = "Longest pause of an open breaker.",
     .advanced = true},
};
static const struct config_spec limits_spec = CONFIG_SPEC("limits", struct flow_limits_conf, limits_fields,
                                                          "Limits of a connection, shared by all flows that use it.");
static const struct config_field connection_fields[] = {
    {.name = "limits",
     .type = CONFIG_OBJECT,
     .spec = &limits_spec,
     AT(flow_connection_conf, limits),
     .doc = "Rates, quotas, concurrency, breaker."},
    {.name = "accept_identity",
     .type = CONFIG_BOOL,
     AT(flow_connection_conf, accept_identity),
     .fallback = "false",
     .doc = "The account or host has changed and waiting deliveries may go there.",
     .advanced = true},
};
static const struct config_spec connection_spec = {
    .name = "connection",
    .size = sizeof(struct flow_connection_conf),
    .fields = connection_fields,
    .n_fields = TL_COUNT(connection_fields),
    .doc = "A system on the other side.",
    .tag = "type",
    .variants = &connector_types,
    .choice_offset = offsetof(struct flow_connection_conf, type),
};

/* ---- sources ---- */
static const char *const xml_forms[] = {"tree", "text", NULL};
static const struct config_field webhook_fields[] = {
    {.name = "path",
     .type = CONFIG_STRING,
     AT(flow_webhook_conf, path),
     .required = true,
     .min = 1,
     .max = 500,
     .doc = "Path on our server.",
     .example = "/hooks/shop"},
    {.name = "verify",
     .type = CONFIG_ONE_OF,
     .variants = &webhook_schemes,
     AT(flow_webhook_conf, verify),
     .doc = "Whose signature is checked, and with which secret."},
    {.name = "unsigned",
     .type = CONFIG_BOOL,
     AT(flow_webhook_conf, open),
     .fallback = "false",
     .doc = "Accept requests that nobody signed: only on a private network."},
    {.name = "body_limit",
     .type = CONFIG_SIZE,
     AT(flow_webhook_conf, body_limit),
     .fallback = "0",
     .max = 1LL << 31,
     .doc = "Largest body; 0: the server's."},
    {.name = "allow",
     .type = CONFIG_LIST,
     .item = &cidr_item,
     .one_or_many = true,
     AT(flow_webhook_conf, allow),
     .doc = "Only these senders."},
    {.name = "status",
     .type = CONFIG_INT,
     AT(flow_webhook_conf, status),
     .fallback = "200",
     .min = 200,
     .max = 204,
     .doc = "Status of the answer once the event is on disk."},
    {.name = "xml",
     .type = CONFIG_ENUM,
     .choices = xml_forms,
     AT(flow_webhook_conf, xml),
     .fallback = "tree",
     .doc =
         "What `body` is where XML comes: the tree that $tl.parseXml gives (what is not well formed goes to the dead "
         "letters), or the text as it came."},
};
static const struct config_spec webhook_spec =
    CONFIG_SPEC("source.webhook", struct flow_webhook_conf, webhook_fields, "Signed requests from outside.");
static const struct config_field schedule_fields[] = {
    {.name = "cron",
     .type = CONFIG_CRON,
     AT(flow_schedule_conf, cron),
     .required = true,
     .doc = "Minute, hour, day of month, month, day of week; or @hourly, @daily ...",
     .example = "\"0 6 * * 1-5\""},
    {.name = "zone",
     .type = CONFIG_ZONE,
     AT(flow_schedule_conf, zone),
     .fallback = "UTC",
     .doc = "Time zone.",
     .example = "Europe/Berlin"},
    {.name = "body", .type = CONFIG_ANY, AT(flow_schedule_conf, body), .doc = "Body of each event; default: its time."},
};
static const struct config_spec schedule_spec = {.name = "source.schedule",
                                                 .size = sizeof(struct flow_schedule_conf),
                                                 .fields = schedule_fields,
                                                 .n_fields = TL_COUNT(schedule_fields),
                                                 .scalar = "cron",
                                                 .doc = "An event at set times."};
static const struct config_field read_fields[] = {
    {.name = "connection",
     .type = CONFIG_TEXT,
     AT(flow_read_conf, connection),
     .required = true,
     .doc = "Name of a connection."},
    {.name = "every",
     .type = CONFIG_DURATION,
     AT(flow_read_conf, every_ms),
     .fallback = "60s",
     .min = 100,
     .max = 86400000,
     .doc = "Pause after a reading that came to the end."},
};
const struct config_spec flow_read_spec =
    CONFIG_SPEC("source.read", struct flow_read_conf, read_fields,
                "Records that a connector reads, besides its operation's fields.");
static const struct config_field source_table[] = {
    [FLOW_WEBHOOK] = {.name = "webhook", .type = CONFIG_OBJECT_REF, .spec = &webhook_spec, .doc = "Signed requests."},
    [FLOW_SCHEDULE] = {.name = "schedule", .type = CONFIG_OBJECT_REF, .spec = &schedule_spec, .doc = "Set times."},
    [FLOW_READ] = {.name = "read",
                   .type = CONFIG_ANY,
                   .doc = "Records that a connector reads or listens for: `connection`, a reading operation of its "
                          "connector, and `every`.",
                   .example = "{ connection: shop, poll: \"/orders?since={cursor}\", cursor: \"$max(body.updated)\" }"},
};
static const struct config_variants sources = CONFIG_VARIANTS(source_table);

/* ---- steps ---- */
static const struct config_field map_fields[] = {
    {.name = "use", .type = CONFIG_TEXT, AT(flow_map_conf, use), .doc = "Name of a mapping under `mappings:`."},
    {.name = "jsonata", .type = CONFIG_EXPR, AT(flow_map_conf, jsonata), .doc = "JSONata in place."},
    {.name = "file", .type = CONFIG_FILE, AT(flow_map_conf, file), .must_exist = true, .doc = "A .jsonata file."},
};
const struct config_spec flow_map_spec = {.name = "map",
                                          .size = sizeof(struct flow_map_conf),
                                          .fields = map_fields,
                                          .n_fields = TL_COUNT(map_fields),
                                          .scalar = "use",
                                          .doc = "Turn the body into another."};
static const struct config_field route_fields[] = {
    {.name = "when", .type = CONFIG_EXPR, AT(flow_when_conf, when), .doc = "Condition; absent: always."},
    {.name = "to",
     .type = CONFIG_LIST,
     .item = &string_item,
     .one_or_many = true,
     AT(flow_when_conf, to),
     .required = true,
     .doc = "Names of targets."},
};
static const struct config_spec route_spec =
    CONFIG_SPEC("route", struct flow_when_conf, route_fields, "Targets for events that meet a condition.");
static const struct config_field route_item = {.type = CONFIG_OBJECT, .spec = &route_spec};
static const struct config_field step_table[] = {
    [FLOW_STEP_WHEN] = {.name = "when", .type = CONFIG_EXPR, .doc = "Events for which this is false are skipped."},
    [FLOW_STEP_MAP] = {.name = "map",
                       .type = CONFIG_OBJECT_REF,
                       .spec = &flow_map_spec,
                       .doc = "A mapping by name or in place."},
    [FLOW_STEP_SPLIT] = {.name = "split", .type = CONFIG_EXPR, .doc = "One delivery for each item that this gives."},
    [FLOW_STEP_ROUTE] = {.name = "route", .type = CONFIG_LIST, .item = &route_item, .doc = "Choose among the targets."},
    [FLOW_STEP_VALIDATE] = {.name = "validate", .type = CONFIG_TEXT, .doc = "The body must fit this model."},
    [FLOW_STEP_LOOKUP] = {.name = "lookup",
                          .type = CONFIG_ANY,
                          .doc =
                              "Fetch something: `connection`, an operation of it that answers (`get`, `query`), `as`.",
                          .example = "{ connection: crm, get: \"/customers/{body.customer}\", as: customer }"},
    [FLOW_STEP_CALL] = {.name = "call",
                        .type = CONFIG_ANY,
                        .doc = "Do something on the way: `connection`, an operation of it, `as`.",
                        .example = "{ connection: crm, post: /customers, as: customer }"},
    [FLOW_STEP_XREF] = {.name = "xref",
                        .type = CONFIG_OBJECT_REF,
                        .spec = &flow_xref_spec,
                        .doc = "An id on another system."},
    [FLOW_STEP_OWN_WRITE] = {.name = "own_write",
                             .type = CONFIG_OBJECT_REF,
                             .spec = &flow_own_spec,
                             .doc = "Skip the events that our own writes cause."},
};
static const struct config_variants steps = CONFIG_VARIANTS(step_table);
static const struct config_field step_item = {.type = CONFIG_ONE_OF, .variants = &steps};

/* ---- flows ---- */
static const char *const jitters[] = {"full", "none", NULL};
static const struct config_field retry_fields[] = {
    {.name = "attempts",
     .type = CONFIG_INT,
     AT(flow_retry_conf, attempts),
     .fallback = "8",
     .min = 1,
     .max = 1000,
     .doc = "Attempts in all; then the delivery is dead."},
    {.name = "backoff",
     .type = CONFIG_DURATION_RANGE,
     AT(flow_retry_conf, backoff),
     .fallback = "1s..10m",
     .doc = "First and longest wait; doubles in between."},
    {.name = "jitter",
     .type = CONFIG_ENUM,
     .choices = jitters,
     AT(flow_retry_conf, jitter),
     .fallback = "full",
     .doc = "full: a random part of the wait, so that retries do not come together."},
    {.name = "max_age",
     .type = CONFIG_DURATION,
     AT(flow_retry_conf, max_age_ms),
     .fallback = "0s",
     .max = 1LL << 40,
     .doc = "A delivery that has been retrying for longer is dead; 0: no limit. Held time does not count."},
};
static const struct config_spec retry_spec =
    CONFIG_SPEC("retry", struct flow_retry_conf, retry_fields, "What happens when a delivery fails.");
static const struct config_field sla_fields[] = {
    {.name = "owner", .type = CONFIG_STRING, AT(flow_sla_conf, owner), .doc = "Who is told.", .example = "erp-team"},
    {.name = "runbook", .type = CONFIG_STRING, AT(flow_sla_conf, runbook), .doc = "Where the instructions are."},
    {.name = "success",
     .type = CONFIG_PERCENT,
     AT(flow_sla_conf, success),
     .fallback = "0%",
     .doc = "Share delivered.",
     .example = "99.7%"},
    {.name = "delay_p95",
     .type = CONFIG_DURATION,
     AT(flow_sla_conf, delay_p95_ms),
     .fallback = "0s",
     .doc = "Received to delivered, for 95 of 100 events."},
    {.name = "mttr", .type = CONFIG_DURATION, AT(flow_sla_conf, mttr_ms), .fallback = "0s", .doc = "Time to recovery."},
};
static const struct config_spec sla_spec = CONFIG_SPEC("sla", struct flow_sla_conf, sla_fields, "What is promised.");
static const char *const dead_keys[] = {"skip", "block", NULL};
static const struct config_field on_dead_fields[] = {
    {.name = "key",
     .type = CONFIG_ENUM,
     .choices = dead_keys,
     AT(flow_on_dead_conf, key),
     .fallback = "skip",
     .doc = "block: later events of the same key wait until the dead one is settled."},
    {.name = "notify",
     .type = CONFIG_TEXT,
     AT(flow_on_dead_conf, notify),
     .doc = "Who is told when deliveries die or the flow is held: a receiver of `alerts`."},
    {.name = "trip_in_a_row",
     .type = CONFIG_INT,
     AT(flow_on_dead_conf, trip_in_a_row),
     .fallback = "20",
     .min = 1,
     .max = 1000000,
     .doc = "So many deaths in a row with one cause hold the flow."},
    {.name = "trip_half_of",
     .type = CONFIG_INT,
     AT(flow_on_dead_conf, trip_half_of),
     .fallback = "200",
     .min = 2,
     .max = 1000000,
     .doc = "Half of so many with one cause hold the flow, too.",
     .advanced = true},
};
static const struct config_spec on_dead_spec =
    CONFIG_SPEC("on_dead", struct flow_on_dead_conf, on_dead_fields, "What a dead delivery means for others.");
static const struct config_field idempotency_fields[] = {
    {.name = "key",
     .type = CONFIG_EXPR,
     AT(flow_idempotency_conf, key),
     .doc = "What makes two requests the same event; no key where a part of it is missing or null. Default: the "
            "scheme's delivery id.",
     .example = "headers.'x-shopify-webhook-id'"},
    {.name = "off",
     .type = CONFIG_BOOL,
     AT(flow_idempotency_conf, off),
     .fallback = "false",
     .doc = "Every request is a new event."},
};
static const struct config_spec idempotency_spec =
    CONFIG_SPEC("idempotency", struct flow_idempotency_conf, idempotency_fields, "How duplicates are recognised.");
#define TO_FIELD                                                                                                       \
    {                                                                                                                  \
        .name = "to", .type = CONFIG_ANY, AT(flow_conf, to), .required = true,                                         \
        .doc = "A target or a list of them: `connection`, an operation of its connector, and `when`, `map`, `retry`, " \
               "`name`.",                                                                                              \
        .example = "{ connection: erp, post: /orders }"                                                                \
    }
#define DELIVERY_FIELDS                                                                                                \
    {.name = "retry", .type = CONFIG_OBJECT, .spec = &retry_spec, AT(flow_conf, retry), .doc = "Retries."},            \
        {.name = "sla", .type = CONFIG_OBJECT, .spec = &sla_spec, AT(flow_conf, sla), .doc = "What is promised."},     \
        {.name = "on_dead",                                                                                            \
         .type = CONFIG_OBJECT,                                                                                        \
         .spec = &on_dead_spec,                                                                                        \
         AT(flow_conf, on_dead),                                                                                       \
         .doc = "Dead deliveries."},                                                                                   \
    {                                                                                                                  \
        .name = "priority", .type = CONFIG_INT, AT(flow_conf, priority), .fallback = "1", .min = 1, .max = 100,        \
        .doc = "Weight among the flows of one connection."                                                             \
    }
static const struct config_field flow_fields[] = {
    {.name = "from",
     .type = CONFIG_ONE_OF,
     .variants = &sources,
     AT(flow_conf, from),
     .required = true,
     .doc = "Where events come from."},
    {.name = "idempotency",
     .type = CONFIG_OBJECT_REF,
     .spec = &idempotency_spec,
     AT(flow_conf, idempotency),
     .doc = "How duplicates are recognised."},
    {.name = "order_by",
     .type = CONFIG_EXPR,
     AT(flow_conf, order_by),
     .doc = "Events with the same key are delivered in order; absent: no order.",
     .example = "body.customer.id"},
    {.name = "steps",
     .type = CONFIG_LIST,
     .item = &step_item,
     .max = 50,
     AT(flow_conf, steps),
     .doc = "What happens before the targets."},
    TO_FIELD,
    DELIVERY_FIELDS,
};
static const struct config_spec flow_spec = CONFIG_SPEC("flow", struct flow_conf, flow_fields, "One integration.");
static const struct config_field receiver_fields[] = {TO_FIELD, DELIVERY_FIELDS};
const struct config_spec flow_receiver_spec =
    CONFIG_SPEC("receiver", struct flow_conf, receiver_fields, "Who is told of alerts, as a flow.");

static const struct config_field target_fields[] = {
    {.name = "connection",
     .type = CONFIG_TEXT,
     AT(flow_target_conf, connection),
     .required = true,
     .doc = "Name of a connection."},
    {.name = "xref",
     .type = CONFIG_OBJECT_REF,
     .spec = &flow_target_xref_spec,
     AT(flow_target_conf, xref),
     .doc = "Keep which record there became which record here."},
    {.name = "name",
     .type = CONFIG_STRING,
     AT(flow_target_conf, name),
     .min = 1,
     .max = 60,
     .doc = "Name of the target; default: the connection's."},
    {.name = "when", .type = CONFIG_EXPR, AT(flow_target_conf, when), .doc = "Only events for which this is true."},
    {.name = "map",
     .type = CONFIG_OBJECT_REF,
     .spec = &flow_map_spec,
     AT(flow_target_conf, map),
     .doc = "A mapping of its own."},
    {.name = "retry",
     .type = CONFIG_OBJECT_REF,
     .spec = &retry_spec,
     AT(flow_target_conf, retry),
     .doc = "Retries of its own."},
    {.name = "linger",
     .type = CONFIG_DURATION,
     AT(flow_target_conf, linger_ms),
     .fallback = "20ms",
     .max = 60000,
     .doc = "How long a batch waits to fill."},
};
const struct config_spec flow_target_spec = CONFIG_SPEC("target", struct flow_target_conf, target_fields,
                                                        "Where deliveries go, besides its operation's fields.");

static const struct config_field mapping_fields[] = {
    {.name = "to", .type = CONFIG_STRING, AT(flow_mapping_conf, to), .doc = "Model of the result."},
    {.name = "jsonata",
     .type = CONFIG_FILE,
     AT(flow_mapping_conf, jsonata),
     .must_exist = true,
     .doc = "A JSONata file."},
    {.name = "table",
     .type = CONFIG_FILE,
     AT(flow_mapping_conf, table),
     .must_exist = true,
     .doc = "A field table (YAML)."},
    {.name = "jq", .type = CONFIG_FILE, AT(flow_mapping_conf, jq), .must_exist = true, .doc = "A jq file."},
    {.name = "xslt", .type = CONFIG_FILE, AT(flow_mapping_conf, xslt), .must_exist = true, .doc = "An XSLT 1.0 file."},
    {.name = "text", .type = CONFIG_EXPR, AT(flow_mapping_conf, text), .doc = "JSONata in place."},
    {.name = "strict",
     .type = CONFIG_BOOL,
     AT(flow_mapping_conf, strict),
     .fallback = "false",
     .doc = "JSONata alone, without the functions of $tl."},
};
static const struct config_spec mapping_spec =
    CONFIG_SPEC("mapping", struct flow_mapping_conf, mapping_fields, "A mapping that flows use by name.");

static const struct config_field connection_item = {.type = CONFIG_OBJECT, .spec = &connection_spec};
static const struct config_field model_item = {.type = CONFIG_FILE, .must_exist = true};
static const struct config_field mapping_item = {.type = CONFIG_OBJECT, .spec = &mapping_spec};
static const struct config_field flow_item = {.type = CONFIG_OBJECT, .spec = &flow_spec};
static const struct config_field include_item = {
    .name = "file", .type = CONFIG_STRING, .doc = "A file, a directory (its *.yaml), or a pattern."};

static const struct config_field project_fields[] = {
    {.name = "version",
     .type = CONFIG_INT,
     AT(flow_project, version),
     .reload = CONFIG_RELOAD_APPLIES,
     .required = true,
     .min = 1,
     .max = 1,
     .doc = "Version of this format.",
     .example = "1"},
    {.name = "include",
     .type = CONFIG_LIST,
     .item = &include_item,
     .one_or_many = true,
     AT(flow_project, include),
     .reload = CONFIG_RELOAD_APPLIES,
     .doc =
         "Further files of the configuration, relative to this one. Maps at the top are put together by key; what is "
         "given twice is an error.",
     .example = "[flows/*.yaml]"},
    {.name = "server",
     .type = CONFIG_OBJECT,
     .spec = &flow__server_spec,
     AT(flow_project, server),
     .doc = "The public server."},
    {.name = "admin",
     .type = CONFIG_OBJECT,
     .spec = &flow__admin_spec,
     AT(flow_project, admin),
     .doc = "The operator's API and console."},
    {.name = "store", .type = CONFIG_OBJECT, .spec = &store_spec, AT(flow_project, store), .doc = "The ledger."},
    {.name = "log", .type = CONFIG_OBJECT, .spec = &log_spec, AT(flow_project, log), .doc = "The log."},
    {.name = "egress",
     .type = CONFIG_OBJECT,
     .spec = &egress_spec,
     AT(flow_project, egress),
     .reload = CONFIG_RELOAD_APPLIES,
     .doc = "Where calls may go."},
    {.name = "secrets",
     .type = CONFIG_OBJECT,
     .spec = &secret_spec,
     AT(flow_project, secrets),
     .reload = CONFIG_RELOAD_APPLIES,
     .doc = "Where secrets come from."},
    {.name = "connections",
     .type = CONFIG_MAP,
     .item = &connection_item,
     .names = true,
     AT(flow_project, connections),
     .reload = CONFIG_RELOAD_APPLIES,
     .doc = "Systems on the other side, by name."},
    {.name = "models",
     .type = CONFIG_MAP,
     .item = &model_item,
     .names = true,
     AT(flow_project, models),
     .reload = CONFIG_RELOAD_APPLIES,
     .doc = "Canonical models: JSON Schema files, by name."},
    {.name = "schemas",
     .type = CONFIG_MAP,
     .item = &model_item,
     AT(flow_project, schemas),
     .reload = CONFIG_RELOAD_APPLIES,
     .doc = "Files for the addresses (without fragment) that `$ref` names in models. Nothing is ever fetched."},
    {.name = "mappings",
     .type = CONFIG_MAP,
     .item = &mapping_item,
     .names = true,
     AT(flow_project, mappings),
     .reload = CONFIG_RELOAD_APPLIES,
     .doc = "Mappings, by name."},
    {.name = "flows",
     .type = CONFIG_MAP,
     .item = &flow_item,
     .names = true,
     AT(flow_project, flows),
     .reload = CONFIG_RELOAD_APPLIES,
     .doc = "Integrations, by name."},
    {.name = "alerts",
     .type = CONFIG_OBJECT,
     .spec = &alert_spec,
     AT(flow_project, alerts),
     .reload = CONFIG_RELOAD_APPLIES,
     .doc = "What is watched, and who is told."},
    {.name = "telemetry",
     .type = CONFIG_OBJECT,
     .spec = &telemetry_spec,
     AT(flow_project, telemetry),
     .reload = CONFIG_RELOAD_RESTART,
     .doc = "Traces and metrics to a collector."},
};
const struct config_spec flow_project_spec =
    CONFIG_SPEC("project", struct flow_project, project_fields, "The configuration of an installation.");
