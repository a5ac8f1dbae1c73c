/* SPDX-License-Identifier: Apache-2.0 */
#include "example.h"

#define AT(type, member) .offset = offsetof(struct type, member)

static const struct config_field trusted_item = {.type = CONFIG_CIDR};
static const struct config_field server_fields[] = {
    {.name = "listen",
     .type = CONFIG_ADDRESS,
     AT(example_server, listen),
     .fallback = "127.0.0.1:8080",
     .doc = "Where senders reach us.",
     .example = "0.0.0.0:8443"},
    {.name = "trusted",
     .type = CONFIG_LIST,
     .item = &trusted_item,
     .one_or_many = true,
     AT(example_server, trusted),
     .fallback = "[127.0.0.0/8, \"::1\"]",
     .doc = "Proxies whose X-Forwarded-For is believed."},
    {.name = "idle",
     .type = CONFIG_DURATION,
     AT(example_server, idle_ms),
     .fallback = "60s",
     .min = 1000,
     .max = 3600000,
     .doc = "Longest wait for the next request of a connection."},
    {.name = "body_max",
     .type = CONFIG_SIZE,
     AT(example_server, body_max),
     .fallback = "10MB",
     .min = 1,
     .max = 1 << 30,
     .doc = "Largest body."},
};
static const struct config_spec server_spec =
    CONFIG_SPEC("server", struct example_server, server_fields, "The HTTP server.");

static const char *const postgres_schemes[] = {"postgres", "postgresql", NULL};
static const struct config_field store_fields[] = {
    {.name = "path", .type = CONFIG_FILE, AT(example_store, path), .fallback = "./data", .doc = "Data directory."},
    {.name = "postgres",
     .type = CONFIG_URL,
     .choices = postgres_schemes,
     AT(example_store, postgres),
     .doc = "A shared ledger instead.",
     .example = "${env:DATABASE_URL}"},
};
static const struct config_spec store_spec = CONFIG_SPEC("store", struct example_store, store_fields, "The ledger.");

static const struct config_field credentials_fields[] = {
    {.name = "client_id",
     .type = CONFIG_SECRET,
     .required = true,
     AT(example_client_credentials, client_id),
     .doc = "Client id."},
    {.name = "certificate",
     .type = CONFIG_FILE,
     .must_exist = true,
     AT(example_client_credentials, certificate),
     .doc = "PEM file of the certificate."},
    {.name = "kid", .type = CONFIG_STRING, .min = 1, .max = 40, AT(example_client_credentials, kid), .doc = "Key id."},
};
static const struct config_spec credentials_spec =
    CONFIG_SPEC("auth.oauth2_client_credentials", struct example_client_credentials, credentials_fields,
                "OAuth 2.0 client credentials.");
static const struct config_field bearer = {.type = CONFIG_SECRET};
static const struct config_field auth_table[] = {
    {.name = "oauth2_client_credentials",
     .type = CONFIG_OBJECT_REF,
     .spec = &credentials_spec,
     .doc = "RFC 6749 section 4.4."},
    {.name = "bearer", .type = CONFIG_LIST, .item = &bearer, .one_or_many = true, .doc = "A fixed token."},
};
static const struct config_variants auth_variants = CONFIG_VARIANTS(auth_table);

static const struct config_field netsuite_fields[] = {
    {.name = "account",
     .type = CONFIG_STRING,
     .required = true,
     .identity = true,
     AT(example_netsuite, account),
     .doc = "Account number."},
    {.name = "auth",
     .type = CONFIG_ONE_OF,
     .variants = &auth_variants,
     .required = true,
     AT(example_netsuite, auth),
     .doc = "How to sign in."},
};
static const struct config_spec netsuite_spec =
    CONFIG_SPEC("connection.netsuite", struct example_netsuite, netsuite_fields, "NetSuite.");
static const struct config_field header_item = {.type = CONFIG_STRING};
static const struct config_field http_fields[] = {
    {.name = "url", .type = CONFIG_URL, .required = true, .identity = true, AT(example_http, url), .doc = "Base URL."},
    {.name = "headers",
     .type = CONFIG_MAP,
     .item = &header_item,
     .max = 20,
     AT(example_http, headers),
     .doc = "Headers of every request."},
    {.name = "auth",
     .type = CONFIG_ONE_OF,
     .variants = &auth_variants,
     AT(example_http, auth),
     .doc = "How to sign in."},
};
static const struct config_spec http_spec =
    CONFIG_SPEC("connection.http", struct example_http, http_fields, "Any HTTP API.");
static const struct config_field type_table[] = {
    {.name = "netsuite", .type = CONFIG_OBJECT_REF, .spec = &netsuite_spec, .doc = "NetSuite ERP."},
    {.name = "http", .type = CONFIG_OBJECT_REF, .spec = &http_spec, .doc = "An HTTP API."},
};
static const struct config_variants type_variants = CONFIG_VARIANTS(type_table);
static const struct config_field limits_fields[] = {
    {.name = "concurrency",
     .type = CONFIG_INT,
     .fallback = "8",
     .min = 1,
     .max = 1000,
     AT(example_limits, concurrency),
     .doc = "Calls at one time."},
    {.name = "share",
     .type = CONFIG_DOUBLE,
     .fallback = "1.0",
     .max = 1,
     AT(example_limits, share),
     .doc = "Part of the quota that is ours.",
     .advanced = true},
};
static const struct config_spec limits_spec =
    CONFIG_SPEC("limits", struct example_limits, limits_fields, "Limits of a connection.");
static const struct config_field connection_fields[] = {
    {.name = "limits", .type = CONFIG_OBJECT, .spec = &limits_spec, AT(example_connection, limits), .doc = "Limits."},
};
static const struct config_spec connection_spec = {
    .name = "connection",
    .size = sizeof(struct example_connection),
    .fields = connection_fields,
    .n_fields = TL_COUNT(connection_fields),
    .doc = "A system on the other side.",
    .tag = "type",
    .variants = &type_variants,
    .choice_offset = offsetof(struct example_connection, type),
};

static const struct config_field secret_item = {.type = CONFIG_SECRET};
static const struct config_field shopify_fields[] = {
    {.name = "secret",
     .type = CONFIG_LIST,
     .item = &secret_item,
     .one_or_many = true,
     .required = true,
     .min = 1,
     AT(example_shopify, secret),
     .doc = "Shared secret; several while it is rotated."},
};
static const struct config_spec shopify_spec =
    CONFIG_SPEC("verify.shopify", struct example_shopify, shopify_fields, "Shopify.");
static const struct config_spec none_spec = {.name = "verify.none", .size = 1, .doc = "No verification."};
static const struct config_field verify_table[] = {
    {.name = "shopify", .type = CONFIG_OBJECT_REF, .spec = &shopify_spec, .doc = "X-Shopify-Hmac-Sha256."},
    {.name = "none", .type = CONFIG_OBJECT_REF, .spec = &none_spec, .doc = "Anybody may post."},
};
static const struct config_variants verify_variants = CONFIG_VARIANTS(verify_table);
static const struct config_field webhook_fields[] = {
    {.name = "path", .type = CONFIG_STRING, .required = true, AT(example_webhook, path), .doc = "Path of the URL."},
    {.name = "verify",
     .type = CONFIG_ONE_OF,
     .variants = &verify_variants,
     .required = true,
     AT(example_webhook, verify),
     .doc = "The sender's signature scheme."},
};
static const struct config_spec webhook_spec =
    CONFIG_SPEC("from.webhook", struct example_webhook, webhook_fields, "A webhook.");
static const struct config_field schedule_fields[] = {
    {.name = "cron", .type = CONFIG_CRON, .required = true, AT(example_schedule, cron), .doc = "When."},
    {.name = "zone", .type = CONFIG_ZONE, .fallback = "UTC", AT(example_schedule, zone), .doc = "Time zone."},
};
static const struct config_spec schedule_spec = {.name = "from.schedule",
                                                 .size = sizeof(struct example_schedule),
                                                 .fields = schedule_fields,
                                                 .n_fields = TL_COUNT(schedule_fields),
                                                 .doc = "By the clock.",
                                                 .scalar = "cron"};
static const struct config_field from_table[] = {
    {.name = "webhook", .type = CONFIG_OBJECT_REF, .spec = &webhook_spec, .doc = "A signed webhook."},
    {.name = "schedule", .type = CONFIG_OBJECT_REF, .spec = &schedule_spec, .doc = "A schedule."},
};
static const struct config_variants from_variants = CONFIG_VARIANTS(from_table);
static const struct config_field step_table[] = {
    {.name = "when", .type = CONFIG_EXPR, .doc = "Go on only when this holds."},
    {.name = "map", .type = CONFIG_TEXT, .doc = "Name of a mapping."},
};
static const struct config_variants step_variants = CONFIG_VARIANTS(step_table);
static const struct config_field step_item = {.type = CONFIG_ONE_OF, .variants = &step_variants};

static const char *const jitters[] = {"none", "full", NULL};
static const struct config_field retry_fields[] = {
    {.name = "attempts",
     .type = CONFIG_INT,
     .fallback = "8",
     .min = 1,
     .max = 100,
     AT(example_retry, attempts),
     .doc = "Attempts in all."},
    {.name = "backoff",
     .type = CONFIG_DURATION_RANGE,
     .fallback = "1s..10m",
     AT(example_retry, backoff),
     .doc = "First and longest wait; doubled in between."},
    {.name = "jitter",
     .type = CONFIG_ENUM,
     .choices = jitters,
     .fallback = "full",
     AT(example_retry, jitter),
     .doc = "Spread of the waits."},
};
static const struct config_spec retry_spec = CONFIG_SPEC("retry", struct example_retry, retry_fields, "Retries.");
static const struct config_field sla_fields[] = {
    {.name = "owner", .type = CONFIG_STRING, .required = true, AT(example_sla, owner), .doc = "Who is called."},
    {.name = "success",
     .type = CONFIG_PERCENT,
     .fallback = "99%",
     AT(example_sla, success),
     .doc = "Delivered at last."},
    {.name = "delay_p95", .type = CONFIG_DURATION, .fallback = "5m", AT(example_sla, delay_p95), .doc = "Delay."},
};
static const struct config_spec sla_spec = CONFIG_SPEC("sla", struct example_sla, sla_fields, "What is promised.");
static const struct config_field target_fields[] = {
    {.name = "connection",
     .type = CONFIG_TEXT,
     .required = true,
     AT(example_target, connection),
     .doc = "Which system."},
    {.name = "upsert", .type = CONFIG_STRING, AT(example_target, upsert), .doc = "Object to write."},
    {.name = "external_id", .type = CONFIG_STRING, AT(example_target, external_id), .doc = "Field that is the key."},
    {.name = "mirror", .type = CONFIG_HOST_PORT, .min = 443, AT(example_target, mirror), .doc = "A copy goes here."},
};
static void check_target(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct example_target *t = conf;

    if (t->upsert && !t->external_id)
        config_error(e, node->at, "Add external_id.", "an upsert needs the field that is the key");
}
static const struct config_check target_checks[] = {{"upsert external_id", check_target}};
static const struct config_spec target_spec = {.name = "target",
                                               .size = sizeof(struct example_target),
                                               .fields = target_fields,
                                               .n_fields = TL_COUNT(target_fields),
                                               .doc = "Where it goes.",
                                               CONFIG_CHECKS(target_checks)};
static const struct config_field target_item = {.type = CONFIG_OBJECT, .spec = &target_spec};
static const struct config_field flow_fields[] = {
    {.name = "from",
     .type = CONFIG_ONE_OF,
     .variants = &from_variants,
     .required = true,
     AT(example_flow, from),
     .doc = "Where events come from."},
    {.name = "order_by", .type = CONFIG_EXPR, AT(example_flow, order_by), .doc = "Ordering key."},
    {.name = "steps", .type = CONFIG_LIST, .item = &step_item, .max = 50, AT(example_flow, steps), .doc = "Steps."},
    {.name = "to",
     .type = CONFIG_LIST,
     .item = &target_item,
     .one_or_many = true,
     .required = true,
     .min = 1,
     AT(example_flow, to),
     .doc = "Targets."},
    {.name = "retry", .type = CONFIG_OBJECT, .spec = &retry_spec, AT(example_flow, retry), .doc = "Retries."},
    {.name = "sla", .type = CONFIG_OBJECT_REF, .spec = &sla_spec, AT(example_flow, sla), .doc = "Service level."},
    {.name = "notes", .type = CONFIG_ANY, AT(example_flow, notes), .doc = "Anything for people."},
    {.name = "paused", .type = CONFIG_BOOL, .fallback = "false", AT(example_flow, paused), .doc = "Starts paused."},
};
static const struct config_spec flow_spec = CONFIG_SPEC("flow", struct example_flow, flow_fields, "A flow.");

static const struct config_field connection_item = {.type = CONFIG_OBJECT, .spec = &connection_spec};
static const struct config_field flow_item = {.type = CONFIG_OBJECT, .spec = &flow_spec};
static const struct config_field model_item = {.type = CONFIG_FILE};
static const struct config_field top_fields[] = {
    {.name = "version",
     .type = CONFIG_INT,
     .required = true,
     .min = 1,
     .max = 1,
     AT(example, version),
     .doc = "Version of this format."},
    {.name = "server", .type = CONFIG_OBJECT, .spec = &server_spec, AT(example, server), .doc = "The server."},
    {.name = "store", .type = CONFIG_OBJECT, .spec = &store_spec, AT(example, store), .doc = "The ledger."},
    {.name = "connections",
     .type = CONFIG_MAP,
     .item = &connection_item,
     .names = true,
     AT(example, connections),
     .doc = "The systems."},
    {.name = "models", .type = CONFIG_MAP, .item = &model_item, .names = true, AT(example, models), .doc = "Models."},
    {.name = "flows", .type = CONFIG_MAP, .item = &flow_item, .names = true, AT(example, flows), .doc = "The flows."},
};
const struct config_spec example_spec = CONFIG_SPEC("tieline", struct example, top_fields, "The configuration.");
