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
    {.name = "pubsub",
     .type = CONFIG_URL,
     AT(sf_connection, pubsub),
     .fallback = "https://api.pubsub.salesforce.com:7443",
     .doc = "Where the Pub/Sub API is (`via: pubsub`); for an org with EU residency "
            "https://api.deu.pubsub.salesforce.com:7443.",
     .advanced = true},
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

static void check_version(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct sf_connection *c = conf;
    double v;

    if (!tl_sv_double(tl_sv_str(c->version), &v) || v < 46 || v > 999 || !strchr(c->version, '.'))
        config_error(e, node->at, "Write it as \"60.0\".", "version `%.8s` is not an API version from 46.0 on",
                     c->version);
}

static void check_keep(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct sf_connection *c = conf;

    if (c->keep >= 1)
        config_error(e, node->at, NULL, "keep is 100%%: no call would be left for us");
}

static void check_client(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct sf_connection *c = conf;

    if (!http_is_field_value(tl_sv_str(c->client)) || strpbrk(c->client, ",; ="))
        config_error(e, node->at, NULL, "client `%.40s` must be one word", c->client);
}

static void check_url(void *conf, const struct config_node *node, struct config_errors *e)
{
    struct sf_connection *c = conf;
    const struct config_node *at = config_get(node, "url");
    struct tl_sv base = tl_sv_str(c->url);
    struct http_url url;

    at = at ? at : node;
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
static const struct config_check connection_checks[] = {
    {"version", check_version}, {"keep", check_keep}, {"client", check_client}, {"url", check_url}};
const struct config_spec sf_connection_spec = {.name = "salesforce",
                                               .size = sizeof(struct sf_connection),
                                               .fields = connection_fields,
                                               .n_fields = TL_COUNT(connection_fields),
                                               CONFIG_CHECKS(connection_checks),
                                               .doc = "A Salesforce org."};

/* ---- targets ---- */

static const char *const mode_choices[] = {"rest", "bulk", "auto", NULL};
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

static void check_object(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct sf_target *t = conf;

    if (!is_api_name(t->object))
        config_error(e, node->at, "Use the API name, such as Account or Invoice__c.",
                     "`%.80s` is not the name of an object", t->object);
}

static void check_external_id(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct sf_target *t = conf;

    if (t->external_id && !is_api_name(t->external_id))
        config_error(e, node->at, "Use the API name, such as ERP_Id__c.", "`%.80s` is not the name of a field",
                     t->external_id);
    if (t->external_id && strcmp(t->external_id, "Id") == 0)
        config_error(e, node->at, "Use `update`, which goes by Id.", "external_id is a field of yours, not Id");
}

/* Not of an upsert, whose jobs go by the external id. */
static void check_bulk_key(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct sf_target *t = conf;

    if (t->mode != SF_MODE_REST && t->external_id)
        config_error(e, node->at, "Map Id, or use `mode: rest`.", "a bulk job finds records by Id, not by %.80s",
                     t->external_id);
}

static void check_bulk_duplicates(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct sf_target *t = conf;

    if (t->mode == SF_MODE_BULK && t->duplicates == SF_DUPLICATES_ALLOW)
        config_warn(e, node->at, NULL, "the Bulk API does not honour `duplicates: allow`");
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
#define MODE                                                                                                           \
    {.name = "mode",                                                                                                   \
     .type = CONFIG_ENUM,                                                                                              \
     .choices = mode_choices,                                                                                          \
     AT(sf_target, mode),                                                                                              \
     .fallback = "rest",                                                                                               \
     .doc = "`bulk`: jobs of the Bulk API 2.0, minutes late and cheap in calls; `auto`: a job when more than 2,000 "   \
            "records wait, else as `rest`."},                                                                          \
    {                                                                                                                  \
        .name = "job_rows", .type = CONFIG_INT, AT(sf_target, job_rows), .fallback = "10000", .min = 1, .max = 10000,  \
        .doc = "Records in one job at most.", .advanced = true                                                         \
    }
#define EXTERNAL(need, text)                                                                                           \
    {                                                                                                                  \
        .name = "external_id", .type = CONFIG_STRING, AT(sf_target, external_id), .required = (need), .min = 1,        \
        .max = 80, .doc = (text), .example = "ERP_Id__c"                                                               \
    }
#define TARGET(id, summary)                                                                                            \
    const struct config_spec sf_##id##_spec = {.name = "salesforce." #id,                                              \
                                               .size = sizeof(struct sf_target),                                       \
                                               .fields = id##_fields,                                                  \
                                               .n_fields = TL_COUNT(id##_fields),                                      \
                                               CONFIG_CHECKS(id##_checks),                                             \
                                               .doc = (summary)}

static const struct config_field create_fields[] = {OBJECT("create", "Object that each record becomes one of."),
                                                    BATCH("200", 200), POLICIES, MODE};
static const struct config_check create_checks[] = {{"create", check_object},
                                                    {"mode duplicates", check_bulk_duplicates}};
TARGET(create, "Make a new object of each record.");
static const struct config_field update_fields[] = {
    OBJECT("update", "Object that the records change. Each record has an Id, or the external id."),
    EXTERNAL(false, "Field that says which one, instead of Id; then 25 records go in one call."), BATCH("200", 200),
    POLICIES, MODE};
static const struct config_check update_checks[] = {{"update", check_object},
                                                    {"external_id", check_external_id},
                                                    {"external_id mode", check_bulk_key},
                                                    {"mode duplicates", check_bulk_duplicates}};
TARGET(update, "Change objects that exist.");
static const struct config_field upsert_fields[] = {
    OBJECT("upsert", "Object that each record makes or changes one of."),
    EXTERNAL(true, "Field, marked External ID and Unique in the org, by which one is found again."), BATCH("200", 200),
    POLICIES, MODE};
static const struct config_check upsert_checks[] = {
    {"upsert", check_object}, {"external_id", check_external_id}, {"mode duplicates", check_bulk_duplicates}};
TARGET(upsert, "Make or change objects, found by an external id: a repetition does no harm.");
static const struct config_field delete_fields[] = {
    OBJECT("delete", "Object that the records name one of. Each record has an Id, or the external id."),
    EXTERNAL(false, "Field that says which one, instead of Id; then 25 records go in one call."), BATCH("200", 200),
    MODE};
static const struct config_check delete_checks[] = {
    {"delete", check_object}, {"external_id", check_external_id}, {"external_id mode", check_bulk_key}};
TARGET(delete, "Delete objects; one that is gone already does no harm.");
static const struct config_field graph_fields[] = {
    OBJECT("graph",
           "Object of the nodes that name none. Each record is { nodes: [ { object, external_id, ref, fields } ] }."),
    EXTERNAL(true, "Field, marked External ID and Unique, by which nodes that name none are found again."),
    BATCH("75", 75), POLICIES};
static const struct config_check graph_checks[] = {{"graph", check_object}, {"external_id", check_external_id}};
TARGET(graph, "Make or change related records, all or none of them: a repetition does no harm.");
static const char *const publish_choices[] = {"rest", "pubsub", NULL};
static const struct config_field publish_fields[] = {{.name = "publish",
                                                      .type = CONFIG_STRING,
                                                      AT(sf_target, object),
                                                      .required = true,
                                                      .min = 4,
                                                      .max = 80,
                                                      .doc = "Platform event that each record becomes one of.",
                                                      .example = "Order_Placed__e"},
                                                     {.name = "via",
                                                      .type = CONFIG_ENUM,
                                                      .choices = publish_choices,
                                                      AT(sf_target, publish_via),
                                                      .fallback = "rest",
                                                      .doc = "`pubsub`: over the Pub/Sub API (gRPC)."},
                                                     BATCH("200", 200)};
static const struct config_check publish_checks[] = {{"publish", check_event}};
TARGET(publish, "Publish platform events.");

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

/* ---- reading ---- */

static const struct config_field name_item = {
    .type = CONFIG_STRING, .min = 1, .max = 255, .doc = "API name of a field."};

static void check_read_object(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct sf_read *r = conf;

    if (!is_api_name(r->object))
        config_error(e, node->at, "Use the API name, such as Account or Invoice__c.",
                     "`%.80s` is not the name of an object", r->object);
}

static void check_names(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct sf_read *r = conf;

    for (size_t i = 0; i < r->fields.n; i++)
        if (!is_api_name(*CONFIG_AT(r->fields, const char *, i)))
            config_error(e, node->at, "Fields of this object only; a parent's come with a read of its own.",
                         "`%.80s` is not the name of a field", *CONFIG_AT(r->fields, const char *, i));
}

static void check_start(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct sf_read *r = conf;
    int64_t ms;

    if (r->start && !tl_time_parse(tl_sv_str(r->start), &ms))
        config_error(e, node->at, "Write it as \"2026-01-01T00:00:00Z\".", "start `%.40s` is not a time", r->start);
}
static const struct config_field read_fields[] = {
    {.name = "read",
     .type = CONFIG_STRING,
     AT(sf_read, object),
     .required = true,
     .min = 1,
     .max = 80,
     .doc = "Object whose changed records are read, in the order of SystemModstamp.",
     .example = "Lead"},
    {.name = "fields",
     .type = CONFIG_LIST,
     .item = &name_item,
     .one_or_many = true,
     .max = 2000,
     AT(sf_read, fields),
     .doc = "Fields that are read besides Id and SystemModstamp; absent: all that we may see, new ones included.",
     .example = "[LastName, Company, Email]"},
    {.name = "where",
     .type = CONFIG_STRING,
     .raw = true,
     .max = 4000,
     AT(sf_read, where),
     .doc = "A condition of SOQL.",
     .example = "\"Status = 'Open - Not Contacted'\""},
    {.name = "deleted",
     .type = CONFIG_BOOL,
     AT(sf_read, deleted),
     .fallback = "false",
     .doc = "Read deleted records too; each record then has IsDeleted."},
    {.name = "start",
     .type = CONFIG_STRING,
     .max = 40,
     AT(sf_read, start),
     .doc = "Time from which the first read ever begins; absent: the oldest record.",
     .example = "\"2026-01-01T00:00:00Z\""},
    {.name = "lag",
     .type = CONFIG_DURATION,
     AT(sf_read, lag_ms),
     .fallback = "2m",
     .max = 60 * MINUTE,
     .doc =
         "Records younger than this wait: a transaction under way may still commit with an earlier time. Those of the "
         "second that still runs wait in any case: the org's times are whole seconds."},
    {.name = "mode",
     .type = CONFIG_ENUM,
     .choices = mode_choices,
     AT(sf_read, mode),
     .fallback = "auto",
     .doc =
         "`rest`: queries, page by page; `bulk`: a query job of the Bulk API 2.0 for each read that finds something; "
         "`auto`: a job where more than `bulk_from` records wait, or a query takes the org too long."},
    {.name = "bulk_from",
     .type = CONFIG_INT,
     AT(sf_read, bulk_from),
     .fallback = "50000",
     .min = 1,
     .max = 1000000000,
     .doc = "With `mode: auto`: so many records behind the first page are left to a job.",
     .advanced = true},
    {.name = "ranges",
     .type = CONFIG_INT,
     AT(sf_read, ranges),
     .fallback = "4",
     .min = 1,
     .max = 8, /* a user has ten query locators */
     .doc =
         "A large read, such as the first one, is cut by Id into so many ranges that are read at the same time, within "
         "the limits of the connection; 1: it is not."},
    {.name = "ranges_from",
     .type = CONFIG_INT,
     AT(sf_read, ranges_from),
     .fallback = "20000",
     .min = 1,
     .max = 1000000000,
     .doc = "So many records behind the first page make a read a large one.",
     .advanced = true},
    {.name = "page",
     .type = CONFIG_INT,
     AT(sf_read, page),
     .fallback = "2000",
     .min = 200,
     .max = 2000,
     .doc = "Records a page, taken in at once; a page of a job has five times as many.",
     .advanced = true},
    {.name = "timeout",
     .type = CONFIG_DURATION,
     AT(sf_read, timeout_ms),
     .min = 1,
     .max = 10 * MINUTE,
     .doc = "Longest wait for a whole reply; absent: the connection's."},
};
static const struct config_check read_checks[] = {
    {"read", check_read_object}, {"fields", check_names}, {"start", check_start}};
const struct config_spec sf_read_spec = {.name = "salesforce.read",
                                         .size = sizeof(struct sf_read),
                                         .fields = read_fields,
                                         .n_fields = TL_COUNT(read_fields),
                                         CONFIG_CHECKS(read_checks),
                                         .doc = "Read what changed in an object."};

static void check_listen(void *conf, const struct config_node *node, struct config_errors *e)
{
    static const char *const kinds[] = {"/data/", "/event/", "/topic/", "/u/"};
    const struct sf_listen *l = conf;
    size_t n = l->via == SF_VIA_PUBSUB ? 2 : TL_COUNT(kinds);

    if (n == 2 &&
        (tl_sv_starts(tl_sv_str(l->channel), TL_SV("/topic/")) || tl_sv_starts(tl_sv_str(l->channel), TL_SV("/u/")))) {
        config_error(e, node->at, "Leave `via` out.", "the Pub/Sub API has no PushTopics and generic channels");
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (tl_sv_starts(tl_sv_str(l->channel), tl_sv_str(kinds[i])) && l->channel[strlen(kinds[i])])
            return;
    config_error(e, node->at, "Write it as /data/AccountChangeEvent, /event/Order_Placed__e, /topic/NAME or /u/NAME.",
                 "`%.80s` is not a channel", l->channel);
}
static const char *const via_choices[] = {"cometd", "pubsub", NULL};
static const struct config_field listen_fields[] = {
    {.name = "listen",
     .type = CONFIG_STRING,
     AT(sf_listen, channel),
     .required = true,
     .min = 4,
     .max = 100,
     .doc = "Channel: change data capture, a platform event, a PushTopic, a generic channel.",
     .example = "/data/AccountChangeEvent"},
    {.name = "via",
     .type = CONFIG_ENUM,
     .choices = via_choices,
     AT(sf_listen, via),
     .fallback = "cometd",
     .doc = "`pubsub`: the Pub/Sub API (gRPC), for change events and platform events; `cometd`: long polling, for all "
            "channels."},
    {.name = "query",
     .type = CONFIG_STRING,
     .raw = true,
     .max = 1300,
     AT(sf_listen, query),
     .doc = "What the PushTopic selects: `tieline connect NAME --prepare` makes it so where it is missing.",
     .example = "\"SELECT Id, Name FROM Account\""},
    {.name = "all",
     .type = CONFIG_BOOL,
     AT(sf_listen, all),
     .fallback = "false",
     .doc = "The first time, begin with the oldest event that the org still has, not with new ones."},
    {.name = "backfill",
     .type = CONFIG_BOOL,
     AT(sf_listen, backfill),
     .fallback = "true",
     .doc =
         "Fetch the records that a gap in the change events hides, or that were missed because a position was lost."},
    {.name = "own",
     .type = CONFIG_BOOL,
     AT(sf_listen, own),
     .fallback = "false",
     .doc = "Take in changes that this connection made itself, too (its `client` is their origin)."},
    {.name = "watchdog",
     .type = CONFIG_DURATION,
     AT(sf_listen, watchdog_ms),
     .min = 10,
     .max = 10 * MINUTE,
     .doc = "A connection that says nothing for so long is dead; absent: what the org said it would hold, and 15 s.",
     .advanced = true},
};
static const struct config_check listen_checks[] = {{"listen via", check_listen}};
const struct config_spec sf_listen_spec = {.name = "salesforce.listen",
                                           .size = sizeof(struct sf_listen),
                                           .fields = listen_fields,
                                           .n_fields = TL_COUNT(listen_fields),
                                           CONFIG_CHECKS(listen_checks),
                                           .doc = "Take in events as they happen."};
