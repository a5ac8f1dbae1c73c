/* SPDX-License-Identifier: Apache-2.0 */
/* sim.c - `tieline sim netsuite`: options, the way of a request, and what can be looked at and turned while it runs. */
#include "netsuite/sim/sim_int.h"
#include "netsuite/sim/soap.h"

#include "netsuite/netsuite_int.h"

#include <stdio.h>

#define AT(member) .offset = offsetof(struct nsim_options, member)
enum { STATUSES = 600 };

static const struct connector_sim_option table[] = {
    {"port", CONNECTOR_SIM_INT, AT(port), "N", "port to listen on (8090); 0: any", true},
    {"host", CONNECTOR_SIM_TEXT, AT(host), "ADDRESS", "address to listen on (127.0.0.1)", true},
    {"account", CONNECTOR_SIM_TEXT, AT(account), "ID", "account id, as the UI shows it (1234567_SB1)", true},
    {"client-id", CONNECTOR_SIM_TEXT, AT(client_id), "TEXT", "OAuth 2.0 integration (tieline)", true},
    {"client-secret", CONNECTOR_SIM_TEXT, AT(client_secret), "TEXT", "its secret, for the authorization code", true},
    {"certificates", CONNECTOR_SIM_TEXT, AT(certificates), "KID=FILE,...", "certificates (PEM) of the integration",
     true},
    {"consumer-key", CONNECTOR_SIM_TEXT, AT(consumer_key), "TEXT", "TBA: consumer key (consumer-key)", true},
    {"consumer-secret", CONNECTOR_SIM_TEXT, AT(consumer_secret), "TEXT", "TBA: its secret (consumer-secret)", true},
    {"token", CONNECTOR_SIM_TEXT, AT(token), "TEXT", "TBA: token id (token-id)", true},
    {"token-secret", CONNECTOR_SIM_TEXT, AT(token_secret), "TEXT", "TBA: its secret (token-secret)", true},
    {"next-token", CONNECTOR_SIM_TEXT, AT(next_token), "TEXT", "TBA: the token id after a revocation (token-id-2)",
     true},
    {"next-token-secret", CONNECTOR_SIM_TEXT, AT(next_token_secret), "TEXT", "TBA: its secret (token-secret-2)", true},
    {"data", CONNECTOR_SIM_TEXT, AT(data), "FILE", "keep the records in this file (default: in memory)", true},
    {"records", CONNECTOR_SIM_TEXT, AT(records), "PATH",
     "to begin with: JSON { customer: [{...}], ... }, TYPE.json, TYPE.csv, or a folder of them", true},
    {"deny", CONNECTOR_SIM_TEXT, AT(deny), "TYPE,...", "the role has no permission for these record types", true},
    {"date-format", CONNECTOR_SIM_TEXT, AT(date_format), "FORMAT", "of the user: M/D/YYYY, DD.MM.YYYY or YYYY-MM-DD",
     true},
    {"limit", CONNECTOR_SIM_INT, AT(limit), "N", "requests at one time, of all kinds together (5)", false},
    {"ttl", CONNECTOR_SIM_MS, AT(ttl), "TIME", "life of an access token (1h)", false},
    {"delay", CONNECTOR_SIM_MS, AT(delay), "MS", "each request takes so long", false},
    {"jitter", CONNECTOR_SIM_MS, AT(jitter), "MS", "random addition to the delay", false},
    {"job-delay", CONNECTOR_SIM_MS, AT(job_delay), "MS", "an async job takes so long (200)", false},
    {"fail", CONNECTOR_SIM_PERCENT, AT(fail), "PERCENT", "so many requests fail with --status", false},
    {"status", CONNECTOR_SIM_INT, AT(status), "N", "500 (UNEXPECTED_ERROR), 502, 503 or 504 (a page in HTML)", false},
    {"lock", CONNECTOR_SIM_PERCENT, AT(lock), "PERCENT", "so many writes: the record has been changed", false},
    {"drop", CONNECTOR_SIM_PERCENT, AT(drop), "PERCENT", "so many writes are carried out, then cut off unanswered",
     false},
    {"hang", CONNECTOR_SIM_PERCENT, AT(hang), "PERCENT",
     "so many writes are carried out, then answered after --hang-for", false},
    {"hang-for", CONNECTOR_SIM_MS, AT(hang_ms), "MS", "so late (30s)", false},
    {"overload", CONNECTOR_SIM_PERCENT, AT(overload), "PERCENT", "so many requests: a false `Invalid login attempt`",
     false},
    {"expire", CONNECTOR_SIM_FLAG, AT(expire), NULL, "all access tokens given out so far are void from now on", false},
    {"revoke", CONNECTOR_SIM_FLAG, AT(revoke), NULL, "TBA: --token is revoked, --next-token is the one that is good",
     false},
    {"outage", CONNECTOR_SIM_SPAN, AT(outage), "FROM..TO", "503 for all, in seconds since the start", false},
    {"lockout", CONNECTOR_SIM_FLAG, AT(lockout), NULL, "five failed logins lock for 30 minutes (true)", false},
    {"put-appends", CONNECTOR_SIM_FLAG, AT(put_appends), NULL, "an upsert appends lines without a key", false},
    {"shuffle-tasks", CONNECTOR_SIM_FLAG, AT(shuffle_tasks), NULL, "tasks of a job in another order than its records",
     false},
    {"bare-tasks", CONNECTOR_SIM_FLAG, AT(bare_tasks), NULL, "the list of a job's tasks has links and ids only", false},
    {"seed", CONNECTOR_SIM_INT, AT(seed), "N", "of the random choices (1)", true},
    {"watch", CONNECTOR_SIM_FLAG, AT(watch), NULL, "print each record that is written", true},
    {"quiet", CONNECTOR_SIM_FLAG, AT(quiet), NULL, "print nothing", true},
};

struct nsim_options nsim_defaults(void)
{
    return (struct nsim_options){.port = 8090,
                                 .account = "1234567_SB1",
                                 .client_id = "tieline",
                                 .client_secret = "client-secret",
                                 .consumer_key = "consumer-key",
                                 .consumer_secret = "consumer-secret",
                                 .token = "token-id",
                                 .token_secret = "token-secret",
                                 .next_token = "token-id-2",
                                 .next_token_secret = "token-secret-2",
                                 .date_format = "M/D/YYYY",
                                 .limit = 5,
                                 .ttl = 3600000,
                                 .job_delay = 200,
                                 .hang_ms = 30000,
                                 .status = 500,
                                 .lockout = true,
                                 .seed = 1};
}

int64_t nsim_now_ms(const struct nsim *s)
{
    return tl_clock_wall_ms(s->clock);
}

double nsim_chance(struct nsim *s)
{
    return connector_sim_chance(&s->random);
}

/* ---- faults ---- */

static bool in_outage(const struct nsim *s)
{
    return connector_sim_within(s->opt.outage, s->clock, s->started_ns);
}

static void html(struct http_res *res, int status)
{
    http_res_set(res, status, "text/html; charset=utf-8",
                 TL_SV("<!DOCTYPE html><html><head><title>NetSuite is currently unavailable for scheduled "
                       "maintenance</title></head></html>"));
}

static bool is_write(const struct http_req *req)
{
    return req->method != HTTP_GET && req->method != HTTP_HEAD &&
           !tl_sv_starts(req->path, TL_SV("/services/rest/query/")) && (!nsim_is_soap(req) || nsim_soap_writes(req));
}

static bool wants_job(const struct http_req *req)
{
    struct tl_sv prefer = http_req_header(req, "prefer");

    return tl_sv_find_sv(prefer, TL_SV("respond-async")) < prefer.n;
}

bool nsim_locked(struct nsim *s, struct nsim_fault *f)
{
    if (s->opt.lock <= 0 || nsim_chance(s) >= s->opt.lock)
        return false;
    (void)nsim_wrong(f, 400, "USER_ERROR", NULL, TL_SV_NULL,
                     "Error while accessing a resource. Record has been changed.");
    return true;
}

static bool fault(struct nsim *s, struct http_req *req, struct http_res *res, struct nsim_fault *f)
{
    if (s->opt.fail > 0 && nsim_chance(s) < s->opt.fail) {
        char id[14];

        if (s->opt.status != 500) {
            html(res, (int)s->opt.status);
            return true;
        }
        (void)nsim_wrong(f, 500, "UNEXPECTED_ERROR", NULL, TL_SV_NULL, "An unexpected error occurred. Error ID: %s",
                         tl_id32_format(tl_random_u64(), id));
        return true;
    }
    return is_write(req) && !nsim_is_soap(req) && !wants_job(req) && nsim_locked(s, f);
}

/* ---- the way of a request ---- */

#define RECORD "/services/rest/record/v1"
#define JOB "/services/rest/async/v1/job"
#define SUITEQL "/services/rest/query/v1/suiteql"

static bool governance(struct nsim *s, struct http_req *req, struct http_res *res)
{
    struct json_builder b;

    json_object_begin(&b, req->arena, 3);
    (void)json_adds(&b, "accountConcurrencyLimit", json_int(s->opt.limit));
    (void)json_adds(&b, "accountUnallocatedConcurrencyLimit", json_int(s->opt.limit));
    (void)json_adds(&b, "integrationLimitType", json_str("accountLimit"));
    connector_sim_json(req, res, 200, "application/vnd.oracle.resource+json; type=singular", json_end(&b));
    return true;
}

static bool service(struct nsim *s, struct http_req *req, struct http_res *res, struct nsim_fault *f)
{
    struct tl_sv path = req->path;

    if (tl_sv_starts(path, TL_SV(RECORD))) {
        path = tl_sv_from(path, strlen(RECORD));
        if (tl_sv_starts(path, TL_SV("/metadata-catalog")))
            return nsim_metadata(s, req, res, path, f);
        if (wants_job(req))
            return nsim_job_start(s, req, res, path, f);
        if (is_write(req) && nsim_is_collection(req))
            return nsim_wrong(f, 400, "INVALID_HEADER", "o:errorHeader", TL_SV("Prefer"),
                              "A batch is processed asynchronously only: send Prefer: respond-async.");
        return nsim_rest(s, req, res, path, f);
    }
    if (tl_sv_eqs(path, SUITEQL) && req->method == HTTP_POST)
        return nsim_suiteql(s, req, res, f);
    if (tl_sv_starts(path, TL_SV(JOB "/")) && req->method == HTTP_GET)
        return nsim_job(s, req, res, tl_sv_from(path, strlen(JOB)), f);
    if (tl_sv_eqs(path, "/services/rest/system/v1/governanceLimits"))
        return governance(s, req, res);
    return nsim_wrong(f, 404, "NONEXISTENT_ID", "o:errorUrl", path, "There is no such service.");
}

#define RESTLET "/app/site/hosting/restlet.nl"
static bool busy(struct nsim *s, struct http_req *req, struct http_res *res, enum nsim_channel channel)
{
    struct nsim_fault f;

    if (s->at_once < (uint64_t)s->opt.limit)
        return false;
    s->counts.refused++;
    if (channel == NSIM_SOAP) {
        nsim_soap_fault(req, res, "exceededConcurrentRequestLimitFault", "WS_REQUEST_BLOCKED",
                        "The maximum number of concurrent requests has been exceeded. Request blocked.");
        return true;
    }
    if (channel == NSIM_RESTLET) {
        nsim_restlet_error(req, res, 400, "SSS_REQUEST_LIMIT_EXCEEDED", "Request limit exceeded.");
        return true;
    }
    (void)nsim_wrong(&f, 429, "CONCURRENCY_LIMIT_EXCEEDED", NULL, TL_SV_NULL,
                     "Concurrent request limit exceeded. Request blocked.");
    nsim_refuse(req, res, &f);
    return true;
}

static enum tl_rc inside(struct nsim *s, struct task *task, struct http_req *req, struct http_res *res,
                         struct tl_err *err)
{
    int64_t ms = s->opt.delay + (s->opt.jitter > 0 ? (int64_t)(nsim_chance(s) * (double)s->opt.jitter) : 0);
    struct nsim_fault f = {0};
    enum tl_rc rc = ms > 0 ? task_sleep_ms(task, (uint64_t)ms, err) : TL_OK;

    if (rc != TL_OK)
        return rc;
    if (fault(s, req, res, &f)) {
        if (f.code && nsim_is_soap(req))
            nsim_soap_fault(req, res, "unexpectedErrorFault", f.code, f.text);
        else if (f.code)
            nsim_refuse(req, res, &f);
        return TL_OK;
    }
    if (tl_sv_eqs(req->path, RESTLET)) {
        nsim_restlet(s, req, res);
        return TL_OK;
    }
    if (nsim_is_soap(req))
        nsim_soap(s, req, res);
    else if (!service(s, req, res, &f))
        nsim_refuse(req, res, &f);
    if (!f.code && s->opt.drop > 0 && is_write(req) && nsim_chance(s) < s->opt.drop) {
        s->counts.dropped++;
        res->cut = true;
    } else if (s->opt.hang > 0 && is_write(req) && nsim_chance(s) < s->opt.hang) {
        return task_sleep_ms(task, (uint64_t)s->opt.hang_ms, err);
    }
    return TL_OK;
}

static enum tl_rc serve(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct nsim *s = arg;
    enum nsim_channel channel = tl_sv_eqs(req->path, RESTLET) ? NSIM_RESTLET
                                : nsim_is_soap(req)           ? NSIM_SOAP
                                                              : NSIM_REST;
    enum tl_rc rc = TL_OK;

    s->counts.received++;
    if (in_outage(s)) {
        html(res, 503);
    } else if (s->opt.overload > 0 && nsim_chance(s) < s->opt.overload) {
        nsim_login_failed(s, req, res, channel, "(none: simulated overload)");
    } else if (nsim_login(s, req, res, channel) && !busy(s, req, res, channel)) {
        s->at_once++;
        if (s->at_once > s->counts.at_once_most)
            s->counts.at_once_most = s->at_once;
        rc = inside(s, task, req, res, err);
        s->at_once--;
    }
    if (rc == TL_OK && res->status > 0 && res->status < STATUSES)
        s->counts.by_status[res->status]++;
    return rc;
}

static enum tl_rc login(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct nsim *s = arg;

    (void)task, (void)err;
    if (in_outage(s))
        html(res, 503);
    else if (req->method == HTTP_POST)
        nsim_token(s, req, res);
    else
        nsim_authorize(s, req, res);
    return TL_OK;
}

/* ---- looking and turning ---- */

static struct json stats(struct nsim *s, struct tl_arena *a)
{
    const struct nsim_counts *c = &s->counts;
    const struct {
        const char *name;
        uint64_t n;
    } rows[] = {{"received", c->received},
                {"created", c->created},
                {"updated", c->updated},
                {"removed", c->removed},
                {"read", c->read},
                {"queries", c->queries},
                {"jobs", c->jobs},
                {"refused", c->refused},
                {"dropped", c->dropped},
                {"tokens", c->tokens},
                {"logins_failed", c->logins_failed},
                {"at_once", s->at_once},
                {"at_once_most", c->at_once_most}};
    struct json_builder b, by;

    json_object_begin(&by, a, 8);
    for (int i = 0; i < STATUSES; i++)
        if (c->by_status[i] > 0)
            (void)json_adds(&by, tl_arena_printf(a, "%d", i), json_int((int64_t)c->by_status[i]));
    json_object_begin(&b, a, TL_COUNT(rows) + 2);
    for (size_t i = 0; i < TL_COUNT(rows); i++)
        (void)json_adds(&b, rows[i].name, json_int((int64_t)rows[i].n));
    (void)json_adds(&b, "by_status", json_end(&by));
    (void)json_adds(&b, "options", connector_sim_show(table, TL_COUNT(table), &s->opt, a));
    return json_end(&b);
}

/* /__stats, /__audit, /__records/TYPE; they need no login */
static enum tl_rc look(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct nsim *s = arg;
    const struct nsim_type *type = nsim_type_find(http_req_param(req, "type"));
    struct json_builder list;

    (void)task, (void)err;
    if (tl_sv_eqs(req->path, "/__stats")) {
        connector_sim_json(req, res, 200, NULL, stats(s, req->arena));
    } else if (tl_sv_eqs(req->path, "/__audit")) {
        json_array_begin(&list, req->arena, NSIM_AUDIT);
        for (size_t i = s->n_audit > NSIM_AUDIT ? s->n_audit - NSIM_AUDIT : 0; i < s->n_audit; i++)
            (void)json_push(&list, json_str(s->audit[i % NSIM_AUDIT]));
        connector_sim_json(req, res, 200, NULL, json_end(&list));
    } else if (type) {
        connector_sim_json(req, res, 200, NULL, nsim_dump(s, req->arena, type));
    } else {
        http_res_error(res, 404, "not_found", "there is no such record type");
    }
    return TL_OK;
}

static enum tl_rc turn(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct nsim *s = arg;

    if (tl_sv_eqs(req->path, "/__reset")) {
        s->counts = (struct nsim_counts){.received = 0};
        memset(s->failures, 0, sizeof s->failures);
        if (tl_sv_eqs(nsim_query(req, "records"), "true") && !nsim_forget(s))
            return tl_fail(err, TL_IO, "the records cannot be removed");
        connector_sim_json(req, res, 200, NULL, stats(s, req->arena));
        return TL_OK;
    }
    return connector_sim_controlled(task, req, res, table, TL_COUNT(table), &s->opt, err);
}

size_t nsim_routes(struct nsim *s, struct http_route routes[NSIM_ROUTES])
{
    const struct http_route all[] = {
        {.methods = "GET", .pattern = "/__stats", .handler = look, .arg = s},
        {.methods = "GET", .pattern = "/__audit", .handler = look, .arg = s},
        {.methods = "GET", .pattern = "/__records/{type}", .handler = look, .arg = s},
        {.methods = "POST", .pattern = "/__control", .handler = turn, .arg = s},
        {.methods = "POST", .pattern = "/__reset", .handler = turn, .arg = s},
        {.methods = "POST", .pattern = "/services/rest/auth/oauth2/v1/token", .handler = login, .arg = s},
        {.methods = "GET", .pattern = NSIM_WSDL_PATH, .handler = nsim_wsdl_route, .arg = s},
        {.methods = "GET", .pattern = "/app/login/oauth2/authorize.nl", .handler = login, .arg = s},
        {.methods = "*", .pattern = "/{path*}", .handler = serve, .arg = s},
    };

    _Static_assert(TL_COUNT(all) == NSIM_ROUTES, "as many as the header says");
    memcpy(routes, all, sizeof all);
    return TL_COUNT(all);
}

/* ---- start ---- */

int netsuite__sim(int argc, char **argv)
{
    struct nsim_options opt = nsim_defaults();
    struct http_route routes[NSIM_ROUTES];
    struct connector_sim_server server = {.name = "netsuite"};
    struct nsim *s = NULL;
    struct tl_err err = {0};
    int status = connector_sim_parse(table, TL_COUNT(table),
                                     "tieline sim netsuite: an account with records, REST, SuiteQL and faults as told",
                                     argc, argv, &opt, &server);

    if (status >= 0)
        return status;
    if (nsim_new(&opt, tl_clock_system(), &s, &err) != TL_OK) {
        connector_sim_failed(&server, &err);
        return 2;
    }
    server.routes = routes;
    server.n_routes = nsim_routes(s, routes);
    status = connector_sim_run(&server, NULL, NULL);
    nsim_free(s);
    return status;
}
