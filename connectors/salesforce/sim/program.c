/* SPDX-License-Identifier: Apache-2.0 */
/* program.c - `tieline sim salesforce`: its options, counters and the routes for tests and for people who watch. */
#include "salesforce/salesforce_int.h"
#include "salesforce/sim/sim_int.h"

#include <stdio.h>

#define AT(member) .offset = offsetof(struct sfsim_options, member)
static const struct connector_sim_option table[] = {
    {"port", CONNECTOR_SIM_INT, AT(port), "N", "port to listen on (8082); 0: any", true},
    {"pubsub-port", CONNECTOR_SIM_INT, AT(pubsub_port), "N", "port of the Pub/Sub API (gRPC); 0: any (0)", true},
    {"host", CONNECTOR_SIM_TEXT, AT(host), "ADDRESS", "address to listen on (127.0.0.1)", true},
    {"data", CONNECTOR_SIM_TEXT, AT(data), "FILE", "keep the records in this file; else in memory", true},
    {"schema", CONNECTOR_SIM_TEXT, AT(schema), "FILE", "more objects, fields, rules", true},
    {"seed", CONNECTOR_SIM_TEXT, AT(seed), "PATH", "records: OBJECT.csv, OBJECT.json, or a folder of them", true},
    {"client-id", CONNECTOR_SIM_TEXT, AT(client_id), "TEXT", "of the one connected app (tieline-demo)", true},
    {"client-secret", CONNECTOR_SIM_TEXT, AT(client_secret), "TEXT", "its secret (demo-secret)", true},
    {"certificate", CONNECTOR_SIM_TEXT, AT(certificate), "FILE", "its certificate or public key (PEM), for JWT", true},
    {"redirect", CONNECTOR_SIM_TEXT, AT(redirect), "URL", "the only redirect_uri allowed; else any", true},
    {"user", CONNECTOR_SIM_TEXT, AT(user), "NAME", "the one user (integration@sim.example)", true},
    {"password", CONNECTOR_SIM_TEXT, AT(password), "TEXT", "and the user's password (demo-password)", true},
    {"tls-cert", CONNECTOR_SIM_TEXT, AT(tls_cert), "FILE", "speak TLS with this certificate (PEM) ...", true},
    {"tls-key", CONNECTOR_SIM_TEXT, AT(tls_key), "FILE", "... and its key", true},
    {"instance", CONNECTOR_SIM_TEXT, AT(instance), "URL", "what tokens tell as instance_url; the API is there only",
     true},
    {"daily", CONNECTOR_SIM_INT, AT(daily), "N", "API calls in 24 hours (100000)", false},
    {"concurrent", CONNECTOR_SIM_INT, AT(concurrent), "N", "long requests at once (25)", false},
    {"long", CONNECTOR_SIM_MS, AT(long_ms), "MS", "what counts as long (20s)", false},
    {"cursors", CONNECTOR_SIM_INT, AT(cursors), "N", "query locators kept (10)", false},
    {"session", CONNECTOR_SIM_MS, AT(session_ms), "MS", "a session ends after being idle so long (2h)", false},
    {"rotate", CONNECTOR_SIM_FLAG, AT(rotate), NULL, "refresh tokens are good once", false},
    {"per-app", CONNECTOR_SIM_FLAG, AT(per_app), NULL, "Sforce-Limit-Info with per-app-api-usage", false},
    {"delay", CONNECTOR_SIM_MS, AT(delay_ms), "MS", "wait before each answer", false},
    {"jitter", CONNECTOR_SIM_MS, AT(jitter_ms), "MS", "random addition to the delay", false},
    {"outage", CONNECTOR_SIM_SPAN, AT(outage), "FROM..TO", "503 for all, in seconds since the start", false},
    {"fail", CONNECTOR_SIM_PERCENT, AT(fail), "PERCENT", "UNKNOWN_EXCEPTION (500)", false},
    {"unavailable", CONNECTOR_SIM_PERCENT, AT(unavailable), "PERCENT", "503 with an HTML page", false},
    {"empty", CONNECTOR_SIM_PERCENT, AT(empty), "PERCENT", "406 without a body", false},
    {"drop", CONNECTOR_SIM_PERCENT, AT(drop), "PERCENT", "carried out, then cut off unanswered", false},
    {"hang", CONNECTOR_SIM_PERCENT, AT(hang), "PERCENT", "carried out, then answered after --hang-for", false},
    {"hang-for", CONNECTOR_SIM_MS, AT(hang_ms), "MS", "so late (150s)", false},
    {"truncate-every", CONNECTOR_SIM_INT, AT(truncate_every), "N", "each n-th answer breaks off halfway", false},
    {"expire-every", CONNECTOR_SIM_INT, AT(expire_every), "N", "each n-th request finds its session ended", false},
    {"no-identity", CONNECTOR_SIM_FLAG, AT(no_identity), NULL, "tokens lack the scope `openid`: 403 from /userinfo",
     false},
    {"refuse-grant", CONNECTOR_SIM_FLAG, AT(refuse_grant), NULL, "the token endpoint says invalid_grant", false},
    {"lock-every", CONNECTOR_SIM_INT, AT(lock_every), "N", "each n-th record is UNABLE_TO_LOCK_ROW", false},
    {"limit-total", CONNECTOR_SIM_FLAG, AT(limit_total), NULL, "TotalRequests Limit exceeded", false},
    {"limit-concurrent", CONNECTOR_SIM_FLAG, AT(limit_concurrent), NULL, "ConcurrentRequests Limit exceeded", false},
    {"lose-cursors", CONNECTOR_SIM_FLAG, AT(lose_cursors), NULL, "no query locator is known any more", false},
    {"query-rows", CONNECTOR_SIM_INT, AT(query_rows), "N", "queries of more records end with QUERY_TIMEOUT", false},
    {"query-timeout", CONNECTOR_SIM_FLAG, AT(query_timeout), NULL, "queries end with QUERY_TIMEOUT", false},
    {"count-timeout", CONNECTOR_SIM_FLAG, AT(count_timeout), NULL, "questions for a count end with QUERY_TIMEOUT",
     false},
    {"job", CONNECTOR_SIM_MS, AT(job_ms), "MS", "how long a bulk job takes (1s)", false},
    {"job-fails", CONNECTOR_SIM_FLAG, AT(job_fails), NULL, "bulk jobs end as Failed", false},
    {"unprocessed", CONNECTOR_SIM_PERCENT, AT(unprocessed), "PERCENT", "so many rows of a job are not processed",
     false},
    {"no-query-jobs", CONNECTOR_SIM_FLAG, AT(no_query_jobs), NULL, "no object is supported by query jobs", false},
    {"lose-jobs", CONNECTOR_SIM_FLAG, AT(lose_jobs), NULL, "jobs are gone, as after seven days", false},
    {"outbound-twice", CONNECTOR_SIM_FLAG, AT(outbound_twice), NULL, "outbound messages come again after their Ack",
     false},
    {"hold", CONNECTOR_SIM_MS, AT(hold_ms), "MS",
     "a connect of the Streaming API is held so long (110s); a sign of life of the Pub/Sub API comes as often", false},
    {"stall", CONNECTOR_SIM_FLAG, AT(stall), NULL, "streams say nothing, and do not end", false},
    {"forget-client-every", CONNECTOR_SIM_INT, AT(forget_client_every), "N", "each n-th connect: 403::Unknown client",
     false},
    {"break-stream-every", CONNECTOR_SIM_INT, AT(break_stream_every), "N",
     "each n-th message of the Pub/Sub API is the stream's last: UNAVAILABLE", false},
    {"garble", CONNECTOR_SIM_FLAG, AT(garble), NULL, "events of the Pub/Sub API lack their last byte", false},
    {"stale-replay", CONNECTOR_SIM_FLAG, AT(stale_replay), NULL, "no replay id is known any more", false},
    {"gap", CONNECTOR_SIM_PERCENT, AT(gap), "PERCENT", "so many change events are gaps without data", false},
    {"overflow", CONNECTOR_SIM_FLAG, AT(overflow), NULL, "change events are GAP_OVERFLOW", false},
    {"random", CONNECTOR_SIM_INT, AT(seed_number), "N", "seed of the random choices (1)", true},
    {"quiet", CONNECTOR_SIM_FLAG, AT(quiet), NULL, "print nothing", true},
};

/* ---- looking and turning ---- */

static void add(struct json_builder *b, const char *name, uint64_t v)
{
    (void)json_adds(b, name, json_int((int64_t)v));
}

static bool by_type(void *arg, struct tl_sv text)
{
    struct json_builder *b = arg;
    size_t space = tl_sv_find(text, ' ');
    uint64_t n = 0;

    (void)tl_sv_u64(tl_sv_from(text, space + 1), &n);
    return json_add(b, tl_arena_sv(b->arena, tl_sv(text.p, space)), json_int((int64_t)n));
}

static struct json stats(struct sfsim *s, struct tl_arena *a)
{
    const struct sfsim_counts *c = &s->counts;
    struct json_builder b, types;

    json_object_begin(&types, a, 16);
    (void)sfsim_texts(s->db, "SELECT type||' '||count(*) FROM record WHERE deleted=0 GROUP BY type ORDER BY type",
                      by_type, &types, NULL);
    json_object_begin(&b, a, 20);
    add(&b, "requests", c->requests);
    add(&b, "api_calls", c->api_calls);
    add(&b, "api_used", sfsim_used(s));
    add(&b, "over_limit", c->over_limit);
    add(&b, "refused", c->refused);
    add(&b, "tokens", c->tokens);
    add(&b, "records_in", c->records_in);
    add(&b, "created", c->created);
    add(&b, "updated", c->updated);
    add(&b, "deleted", c->deleted);
    add(&b, "queries", c->queries);
    add(&b, "rows", c->rows);
    add(&b, "events", c->events);
    add(&b, "jobs", c->jobs);
    add(&b, "query_jobs", c->query_jobs);
    add(&b, "aborted", c->aborted);
    add(&b, "deployments", c->deployments);
    add(&b, "outbound_sent", c->outbound_sent);
    add(&b, "outbound_acks", c->outbound_acks);
    add(&b, "handshakes", c->handshakes);
    add(&b, "connects", c->connects);
    add(&b, "subscriptions", c->subscriptions);
    add(&b, "delivered", c->delivered);
    (void)json_adds(&b, "records", json_end(&types));
    (void)json_adds(&b, "options", connector_sim_show(table, TL_COUNT(table), &s->opt, a));
    return json_end(&b);
}

static enum tl_rc get_stats(struct task *task, struct http_req *req, struct http_res *res, void *arg,
                            struct tl_err *err)
{
    (void)task, (void)err;
    connector_sim_json(req, res, 200, NULL, stats(arg, req->arena));
    return TL_OK;
}

static enum tl_rc control(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct sfsim *s = arg;

    return connector_sim_controlled(task, req, res, table, TL_COUNT(table), &s->opt, err);
}

/* Every session ends now, as after a change of the org's policy. */
static enum tl_rc expire(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    (void)task, (void)req, (void)err;
    sfsim_sessions_expire(arg);
    res->status = 204;
    return TL_OK;
}

static enum tl_rc more_schema(struct task *task, struct http_req *req, struct http_res *res, void *arg,
                              struct tl_err *err)
{
    struct sfsim *s = arg;

    (void)task;
    res->status = 204;
    return sfsim_schema_add(s->schema, req->body, err);
}

/* {"soql": "SELECT ..."}: records without a session and without counting, for tests that compare. */
static enum tl_rc look(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct sfsim_req r = {.sim = arg, .arena = req->arena, .version = 60, .batch_size = 2000};
    struct sfsim_answer ans;
    struct tl_sv soql;
    enum tl_rc rc = http_query_get(req->query, TL_SV("q"), req->arena, &soql, err);

    (void)task;
    if (rc != TL_OK)
        return rc;
    sfsim_query_run(&r, soql, true, &ans);
    connector_sim_json(req, res, ans.status, NULL, ans.body);
    return TL_OK;
}

size_t sfsim_control_routes(struct sfsim *s, struct http_route *routes, size_t most)
{
    const struct http_route all[] = {
        {.methods = "GET", .pattern = "/__stats", .handler = get_stats, .arg = s},
        {.methods = "POST", .pattern = "/__control", .handler = control, .arg = s},
        {.methods = "POST", .pattern = "/__expire", .handler = expire, .arg = s},
        {.methods = "POST", .pattern = "/__schema", .handler = more_schema, .arg = s},
        {.methods = "GET", .pattern = "/__query", .handler = look, .arg = s},
        {.methods = "POST", .pattern = "/__outbound", .handler = sfsim_outbound_set, .arg = s},
    };

    assert(TL_COUNT(all) <= most);
    memcpy(routes, all, sizeof all);
    return TL_COUNT(all);
}

static void print_stats(void *arg)
{
    struct sfsim *s = arg;
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct tl_buf b;

    tl_buf_init(&b, 64 << 10);
    if (!s->opt.quiet && json_write(&b, stats(s, a), JSON_WRITE_INDENT))
        (void)printf("%s\n", b.p);
    tl_buf_done(&b);
    tl_arena_free(a);
}

int salesforce__sim(int argc, char **argv)
{
    struct sfsim_options opt;
    struct sfsim *s = NULL;
    struct http_route routes[32];
    struct connector_sim_server server = {
        .name = "salesforce", .routes = routes, .streams = sfsim_pubsub_serve, .streams_name = "Pub/Sub API"};
    struct tl_err err = {0};
    int status;

    sfsim_options_default(&opt);
    status = connector_sim_parse(table, TL_COUNT(table),
                                 "tieline sim salesforce: an org with OAuth, REST, limits and faults", argc, argv, &opt,
                                 &server);
    if (status >= 0)
        return status;
    if (sfsim_new(&opt, &s, &err) != TL_OK) {
        connector_sim_failed(&server, &err);
        return 2;
    }
    server.n_routes = sfsim_routes(s, routes, TL_COUNT(routes));
    server.n_routes += sfsim_control_routes(s, routes + server.n_routes, TL_COUNT(routes) - server.n_routes);
    server.cert_file = opt.tls_cert;
    server.key_file = opt.tls_key;
    server.streams_arg = s;
    server.streams_port = (uint16_t)opt.pubsub_port;
    status = connector_sim_run(&server, print_stats, s);
    sfsim_free(s);
    return status;
}
