/* SPDX-License-Identifier: Apache-2.0 */
/* fields.c - what can be written about a salesforce connection and its targets. */
#include "salesforce/salesforce_int.h"

#include <ctype.h>
#include <stdio.h>

#define AT(type, member) .offset = offsetof(struct type, member)
enum { MINUTE = 60000 };

/* ---- the connection ---- */

static const struct config_field *auth_at(size_t i)
{
    static const char *const names[] = {"oauth2_jwt_bearer",         "oauth2_client_credentials",
                                        "oauth2_authorization_code", "oauth2_refresh_token",
                                        "oauth2_password",           "bearer"};

    return i < TL_COUNT(names) ? auth_scheme_field(names[i], true) : NULL;
}
const struct config_variants sf_auth_variants = {.at = auth_at};

static const struct config_field connection_fields[] = {
    {.name = "url",
     .type = CONFIG_URL,
     AT(sf_connection, url),
     .required = true,
     .identity = true,
     .doc = "The org's My Domain address. Not login.salesforce.com, and not a lightning.force.com one.",
     .example = "https://acme.my.salesforce.com"},
    {.name = "auth",
     .type = CONFIG_ONE_OF,
     .variants = &sf_auth_variants,
     AT(sf_connection, auth),
     .doc = "How we prove who we are; token endpoint and audience follow from the address.",
     .example = "{ oauth2_jwt_bearer: { client_id: 3MVG9..., subject: integration@acme.example, private_key: "
                "\"${file:crm.key}\" } }"},
    {.name = "version",
     .type = CONFIG_STRING,
     AT(sf_connection, version),
     .fallback = "60.0",
     .max = 8,
     .doc = "Version of the API."},
    {.name = "client",
     .type = CONFIG_STRING,
     AT(sf_connection, client),
     .fallback = "tieline",
     .max = 40,
     .doc = "Our name in changeOrigin of change events: how changes that we made ourselves are recognised."},
    {.name = "daily_calls",
     .type = CONFIG_INT,
     AT(sf_connection, daily_calls),
     .fallback = "15000",
     .min = 1,
     .max = 100000000,
     .doc = "API calls of the org in 24 hours, until its first answer has said how many they are."},
    {.name = "keep",
     .type = CONFIG_PERCENT,
     AT(sf_connection, keep),
     .fallback = "10%",
     .doc = "Share of those calls that is left to people and other programs."},
    {.name = "timeout",
     .type = CONFIG_DURATION,
     AT(sf_connection, timeout_ms),
     .fallback = "2m",
     .min = 1,
     .max = 10 * MINUTE,
     .doc = "Longest wait for a whole reply."},
};

static bool ends_with(struct tl_sv host, const char *suffix)
{
    struct tl_sv s = tl_sv_str(suffix);

    return host.n >= s.n && tl_sv_eqi(tl_sv_from(host, host.n - s.n), s);
}

static void check_connection(void *conf, const struct config_node *node, struct config_errors *e)
{
    struct sf_connection *c = conf;
    const struct config_node *at = config_get(node, "url");
    struct tl_sv base = tl_sv_str(c->url);
    struct http_url url;
    double v;

    at = at ? at : node;
    if (!tl_sv_double(tl_sv_str(c->version), &v) || v < 46 || v > 999 || !strchr(c->version, '.'))
        config_error(e, node->at, "Write it as \"60.0\".", "version `%.8s` is not an API version from 46.0 on",
                     c->version);
    if (c->keep >= 1)
        config_error(e, node->at, NULL, "keep is 100%%: no call would be left for us");
    if (!http_is_field_value(tl_sv_str(c->client)) || strpbrk(c->client, ",; ="))
        config_error(e, node->at, NULL, "client `%.40s` must be one word", c->client);
    if (!c->url || http_url_parse(tl_sv_str(c->url), &url, NULL) != TL_OK)
        return;
    if (ends_with(url.host, ".lightning.force.com"))
        config_error(e, at->at, "Take the host of Setup > My Domain: NAME.my.salesforce.com.",
                     "%.*s serves pages, not the API", TL_SV_ARG(url.host));
    if (ends_with(url.host, "login.salesforce.com") || ends_with(url.host, "test.salesforce.com"))
        config_error(e, at->at, "Take the host of Setup > My Domain: NAME.my.salesforce.com.",
                     "%.*s only logs in; the API is at the org's own address", TL_SV_ARG(url.host));
    if (base.n > SF_URL - 40)
        config_error(e, at->at, NULL, "url is longer than %d characters", SF_URL - 40);
    while (base.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    (void)snprintf(c->token_url, sizeof c->token_url, "%.*s/services/oauth2/token", TL_SV_ARG(base));
    (void)snprintf(c->authorize_url, sizeof c->authorize_url, "%.*s/services/oauth2/authorize", TL_SV_ARG(base));
    if (url.path.n > 1)
        config_error(e, at->at, "Leave the path out.", "url has a path, but the address of an org is a host");
}
const struct config_spec sf_connection_spec = {.name = "salesforce",
                                               .size = sizeof(struct sf_connection),
                                               .fields = connection_fields,
                                               .n_fields = TL_COUNT(connection_fields),
                                               .check = check_connection,
                                               .doc = "A Salesforce org."};

/* ---- targets ---- */

static const char *const duplicate_choices[] = {"refuse", "allow", NULL};

static bool is_api_name(const char *name)
{
    if (!isalpha((unsigned char)*name))
        return false;
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '_')
            return false;
    return true;
}

static void check_target(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct sf_target *t = conf;

    if (!is_api_name(t->object))
        config_error(e, node->at, "Use the API name, such as Account or Invoice__c.",
                     "`%.80s` is not the name of an object", t->object);
    if (t->external_id && !is_api_name(t->external_id))
        config_error(e, node->at, "Use the API name, such as ERP_Id__c.", "`%.80s` is not the name of a field",
                     t->external_id);
    if (t->external_id && strcmp(t->external_id, "Id") == 0)
        config_error(e, node->at, "Use `update`, which goes by Id.", "external_id is a field of yours, not Id");
}

static void check_event(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct sf_target *t = conf;

    if (!is_api_name(t->object) || !tl_sv_ends(tl_sv_str(t->object), TL_SV("__e")))
        config_error(e, node->at, "Its API name ends in __e.", "`%.80s` is not the name of a platform event",
                     t->object);
}

#define OBJECT(own, text)                                                                                              \
    {                                                                                                                  \
        .name = (own), .type = CONFIG_STRING, AT(sf_target, object), .required = true, .min = 1, .max = 80,            \
        .doc = (text), .example = "Account"                                                                            \
    }
#define BATCH(most, n)                                                                                                 \
    {.name = "batch",                                                                                                  \
     .type = CONFIG_INT,                                                                                               \
     AT(sf_target, batch),                                                                                             \
     .fallback = (most),                                                                                               \
     .min = 1,                                                                                                         \
     .max = (n),                                                                                                       \
     .doc = "Records in one call at most; fewer where triggers of the org are slow or rows lock each other."},         \
    {                                                                                                                  \
        .name = "timeout", .type = CONFIG_DURATION, AT(sf_target, timeout_ms), .min = 1, .max = 10 * MINUTE,           \
        .doc = "Longest wait for a whole reply; absent: the connection's."                                             \
    }
#define POLICIES                                                                                                       \
    {.name = "duplicates",                                                                                             \
     .type = CONFIG_ENUM,                                                                                              \
     .choices = duplicate_choices,                                                                                     \
     AT(sf_target, duplicates),                                                                                        \
     .fallback = "refuse",                                                                                             \
     .doc = "A duplicate rule of the org finds a likeness: `refuse` makes the record a dead letter, `allow` saves it " \
            "where the rule only warns."},                                                                             \
    {                                                                                                                  \
        .name = "assign", .type = CONFIG_BOOL, AT(sf_target, assign), .fallback = "true",                              \
        .doc = "Let the org's assignment rules choose the owner of leads and cases."                                   \
    }
#define EXTERNAL(need, text)                                                                                           \
    {                                                                                                                  \
        .name = "external_id", .type = CONFIG_STRING, AT(sf_target, external_id), .required = (need), .min = 1,        \
        .max = 80, .doc = (text), .example = "ERP_Id__c"                                                               \
    }
#define TARGET(id, checks, summary)                                                                                    \
    const struct config_spec sf_##id##_spec = {.name = "salesforce." #id,                                              \
                                               .size = sizeof(struct sf_target),                                       \
                                               .fields = id##_fields,                                                  \
                                               .n_fields = TL_COUNT(id##_fields),                                      \
                                               .check = (checks),                                                      \
                                               .doc = (summary)}

static const struct config_field create_fields[] = {OBJECT("create", "Object that each record becomes one of."),
                                                    BATCH("200", 200), POLICIES};
TARGET(create, check_target, "Make a new object of each record.");
static const struct config_field update_fields[] = {
    OBJECT("update", "Object that the records change. Each record has an Id, or the external id."),
    EXTERNAL(false, "Field that says which one, instead of Id; then 25 records go in one call."), BATCH("200", 200),
    POLICIES};
TARGET(update, check_target, "Change objects that exist.");
static const struct config_field upsert_fields[] = {
    OBJECT("upsert", "Object that each record makes or changes one of."),
    EXTERNAL(true, "Field, marked External ID and Unique in the org, by which one is found again."), BATCH("200", 200),
    POLICIES};
TARGET(upsert, check_target, "Make or change objects, found by an external id: a repetition does no harm.");
static const struct config_field delete_fields[] = {
    OBJECT("delete", "Object that the records name one of. Each record has an Id, or the external id."),
    EXTERNAL(false, "Field that says which one, instead of Id; then 25 records go in one call."), BATCH("200", 200)};
TARGET(delete, check_target, "Delete objects; one that is gone already does no harm.");
static const struct config_field publish_fields[] = {{.name = "publish",
                                                      .type = CONFIG_STRING,
                                                      AT(sf_target, object),
                                                      .required = true,
                                                      .min = 4,
                                                      .max = 80,
                                                      .doc = "Platform event that each record becomes one of.",
                                                      .example = "Order_Placed__e"},
                                                     BATCH("200", 200)};
TARGET(publish, check_event, "Publish platform events.");

/* ---- look-ups ---- */

static const struct config_field lookup_fields[] = {
    {.name = "query",
     .type = CONFIG_TEXT,
     AT(sf_lookup, soql),
     .required = true,
     .doc = "SOQL. {expression} parts become literals with their quotes; a list becomes one for IN.",
     .example = "\"SELECT Id, OwnerId FROM Account WHERE ERP_Id__c = {body.customer.id}\""},
    {.name = "one",
     .type = CONFIG_BOOL,
     AT(sf_lookup, one),
     .fallback = "true",
     .doc = "Give the first record, or null; false: the list of all."},
    {.name = "answer",
     .type = CONFIG_EXPR,
     AT(sf_lookup, answer),
     .doc = "Over {records}: what the call gives, instead.",
     .example = "records.Id"},
    {.name = "timeout",
     .type = CONFIG_DURATION,
     AT(sf_lookup, timeout_ms),
     .min = 1,
     .max = 10 * MINUTE,
     .doc = "Longest wait for a whole reply; absent: the connection's."},
};
const struct config_spec sf_lookup_spec =
    CONFIG_SPEC("salesforce.query", struct sf_lookup, lookup_fields, "Ask the org with SOQL.");
