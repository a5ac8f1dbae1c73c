/* SPDX-License-Identifier: Apache-2.0 */
/* salesforce.c - the table of the salesforce connector, and what holds for every connection: budgets, probe, addresses.
 */
#include "salesforce/bulk.h"
#include "salesforce/prepare.h"

#include <stdio.h>

static const struct connector_operation operations[] = {
    {.name = "create",
     .kind = CONNECTOR_WRITE,
     .doc = "Makes a new object of each record.",
     .spec = &sf_create_spec,
     .facilities = sf_facilities_create,
     .run = sf_create,
     .resume = sf_bulk_insert_resume,
     .abort = sf_bulk_abort},
    {.name = "update",
     .kind = CONNECTOR_WRITE,
     .doc = "Changes objects, found by Id or by an external id.",
     .spec = &sf_update_spec,
     .facilities = sf_facilities_by_key,
     .run = sf_update,
     .resume = sf_bulk_update_resume,
     .abort = sf_bulk_abort},
    {.name = "upsert",
     .kind = CONNECTOR_WRITE,
     .doc = "Makes or changes objects, found by an external id.",
     .spec = &sf_upsert_spec,
     .facilities = sf_facilities,
     .run = sf_upsert,
     .resume = sf_bulk_upsert_resume,
     .abort = sf_bulk_abort},
    {.name = "delete",
     .kind = CONNECTOR_WRITE,
     .doc = "Deletes objects, found by Id or by an external id.",
     .spec = &sf_delete_spec,
     .facilities = sf_facilities_by_key,
     .run = sf_delete,
     .resume = sf_bulk_delete_resume,
     .abort = sf_bulk_abort},
    {.name = "graph",
     .kind = CONNECTOR_WRITE,
     .doc = "Makes or changes related records, all or none of them.",
     .spec = &sf_graph_spec,
     .facilities = sf_facilities_graph,
     .run = sf_graph},
    {.name = "publish",
     .kind = CONNECTOR_WRITE,
     .doc = "Publishes platform events.",
     .spec = &sf_publish_spec,
     .facilities = sf_facilities_create,
     .run = sf_publish},
    {.name = "query",
     .kind = CONNECTOR_CALL,
     .doc = "Asks the org with SOQL, for look-ups.",
     .spec = &sf_lookup_spec,
     .compile = sf_lookup_compile,
     .release = sf_lookup_release,
     .run = sf_lookup_run},
    {.name = "read",
     .kind = CONNECTOR_READ,
     .doc = "Reads what changed in an object, page by page.",
     .spec = &sf_read_spec,
     .compile = sf_read_compile,
     .release = sf_read_release,
     .run = sf_read_run},
    {.name = "listen",
     .kind = CONNECTOR_LISTEN,
     .doc = "Takes in change events, platform events, PushTopics and generic events as they happen.",
     .spec = &sf_listen_spec,
     .compile = sf_read_compile,
     .release = sf_read_release,
     .run = sf_listen_run},
};

static const char *base_url(const void *connection)
{
    return ((const struct sf_connection *)connection)->url;
}

static const char *other_url(const void *connection, size_t i)
{
    return i == 0 ? ((const struct sf_connection *)connection)->pubsub : NULL;
}

/* The org's own address has the OAuth endpoints too; only an assertion must name one of the two login hosts. */
static void auth_defaults(const void *connection, struct auth_defaults *ret)
{
    const struct sf_connection *c = connection;
    const char *sandbox = c->url ? strstr(c->url, ".sandbox.my.salesforce.com") : NULL;

    ret->token_url = c->token_url;
    ret->authorize_url = c->authorize_url;
    ret->base_member = "instance_url";
    ret->audience = sandbox ? "https://test.salesforce.com" : "https://login.salesforce.com";
}

static bool of_vendor(struct tl_sv host)
{
    static const char *const domains[] = {".salesforce.com", ".force.com", ".cloudforce.com", ".salesforce.mil",
                                          ".sfcrmproducts.cn"};

    for (size_t i = 0; i < TL_COUNT(domains); i++) {
        struct tl_sv d = tl_sv_str(domains[i]);

        if (host.n > d.n && tl_sv_eqi(tl_sv_from(host, host.n - d.n), d))
            return true;
    }
    return false;
}

static bool is_here(struct tl_sv host)
{
    return tl_sv_eqs(host, "127.0.0.1") || tl_sv_eqi(host, TL_SV("localhost"));
}

/* instance_url: this host, or one of the vendor's own where the configured one is too. So an org that was renamed or
 * moved is found, and an answer that was tampered with leads the credentials nowhere else. */
static enum tl_rc base_allowed(const void *connection, struct tl_sv base, struct tl_err *err)
{
    const struct sf_connection *c = connection;
    struct http_url url, own;
    enum tl_rc rc = http_url_parse(tl_sv_str(c->url), &own, err);

    if (rc != TL_OK)
        return rc;
    if (http_url_parse(base, &url, NULL) == TL_OK && url.path.n <= 1 && !url.userinfo.p && (url.tls || !own.tls) &&
        !tl_sv_ends(url.host, TL_SV(".lightning.force.com")) &&
        (tl_sv_eqi(url.host, own.host) || (of_vendor(url.host) && of_vendor(own.host)) ||
         (is_here(url.host) && is_here(own.host))))
        return TL_OK;
    return tl_fail(err, TL_CONFIG,
                   "the token's answer says that the API is at %.*s, which is not an address for an org of %.*s: "
                   "compare `url` with Setup > My Domain",
                   (int)(base.n < 100 ? base.n : 100), base.p, TL_SV_ARG(own.host));
}

/* The rolling 24 hours of the org, and at most 25 requests that last (docs: API Request Limits and Allocations). */
static void budgets(const void *connection, struct guard_conf *conf)
{
    const struct sf_connection *c = connection;
    struct guard_budget *b;

    if (conf->concurrency == 0)
        conf->concurrency = 20;
    if (conf->n_budgets == GUARD_MAX_BUDGETS)
        return;
    b = &conf->budgets[conf->n_budgets++];
    *b = (struct guard_budget){.kind = GUARD_ROLLING,
                               .amount = (double)c->daily_calls,
                               .per_ms = INT64_C(86400000),
                               .keep = c->keep,
                               .theirs = true};
    (void)snprintf(b->name, sizeof b->name, "%s", SF_DAILY);
}

static void read_daily(struct connector_call *call, struct json limits)
{
    struct json daily = json_gets(limits, "DailyApiRequests");
    struct guard_feedback *f = &call->feedback;

    if (f->n_readings > 0 || daily.type != JSON_OBJECT)
        return; /* the header is fresher */
    f->readings[0] = (struct guard_reading){.remaining = json_number(json_gets(daily, "Remaining")),
                                            .limit = json_number(json_gets(daily, "Max"))};
    (void)snprintf(f->readings[0].name, sizeof f->readings[0].name, "%s", SF_DAILY);
    f->n_readings = 1;
}

static enum tl_rc probe(struct task *task, struct connector_call *call, struct connector_identity *ret,
                        struct tl_err *err)
{
    const struct sf_connection *c = call->connection;
    struct sf_request limits = {.method = "GET", .path = "/limits", .idempotent = true};
    struct sf_request who = {.method = "GET", .path = "/services/oauth2/userinfo", .idempotent = true};
    struct sf_reply reply, me;
    enum tl_rc rc = sf_http(task, call, &limits, &reply, err);

    if (rc != TL_OK)
        return rc;
    read_daily(call, reply.body);
    ret->where = call->base.n > 0 ? tl_arena_sv(call->arena, call->base) : tl_sv_str(c->url);
    ret->details =
        tl_sv_str(tl_arena_printf(call->arena, "API %s, %.0f of %.0f calls left in these 24 hours", c->version,
                                  json_number(json_gets(json_gets(reply.body, "DailyApiRequests"), "Remaining")),
                                  json_number(json_gets(json_gets(reply.body, "DailyApiRequests"), "Max"))));
    /* A token without the scope `openid` or `id` is not told who it is; that is no failure. */
    if (sf_http(task, call, &who, &me, NULL) == TL_OK)
        ret->who = json_text(json_gets(me.body, "preferred_username"), TL_SV("?"));
    return TL_OK;
}

extern const struct connector salesforce_connector;
const struct connector salesforce_connector = {
    .contract = CONNECTOR_CONTRACT,
    .title = "Salesforce",
    .variant = {.name = "salesforce",
                .type = CONFIG_OBJECT_REF,
                .spec = &sf_connection_spec,
                .doc = "A Salesforce org: objects, events, queries."},
    .auth = &sf_auth_variants,
    .auth_offset = offsetof(struct sf_connection, auth),
    .auth_defaults = auth_defaults,
    .base_allowed = base_allowed,
    .operations = operations,
    .n_operations = TL_COUNT(operations),
    .budgets = budgets,
    .probe = probe,
    .prepare = sf_prepare,
    .base_url = base_url,
    .other_url = other_url,
    .sim = salesforce__sim,
};
