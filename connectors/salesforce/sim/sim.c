/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim.c - the gate of the simulator: what every API request meets before and after it is carried out (session, limits,
 * faults, headers), and the org it belongs to.
 */
#include "salesforce/sim/sim_int.h"

#include <stdio.h>

#define JSON_TYPE "application/json;charset=UTF-8"

double sfsim_chance(struct sfsim *s)
{
    return connector_sim_chance(&s->random);
}

static bool happens(struct sfsim *s, double share)
{
    return share > 0 && sfsim_chance(s) < share;
}

/* ---- refusals before anything is carried out ---- */

static enum tl_rc error(struct http_req *req, struct http_res *res, int status, const char *code, const char *text)
{
    struct sfsim_req r = {.arena = req->arena};
    struct sfsim_answer ans;
    struct sfsim_fault f;

    (void)sfsim_refuse(&f, req->arena, status, code, TL_SV_NULL, "%s", text);
    sfsim_fail(&r, &ans, &f);
    connector_sim_json(req, res, status, JSON_TYPE, ans.body);
    return TL_OK;
}

static bool in_outage(const struct sfsim *s)
{
    return connector_sim_within(s->opt.outage, s->clock, s->started_ns);
}

static bool limit_info(struct sfsim *s, struct http_res *res)
{
    char text[120];

    (void)snprintf(text, sizeof text,
                   s->opt.per_app ? "api-usage=%llu/%lld; per-app-api-usage=17/250(appName=tieline)"
                                  : "api-usage=%llu/%lld",
                   (unsigned long long)sfsim_used(s), (long long)s->opt.daily);
    return http_res_header(res, TL_SV("Sforce-Limit-Info"), tl_sv_str(text), NULL) == TL_OK;
}

static bool over_limit(struct sfsim *s, struct http_req *req, struct http_res *res)
{
    bool slow = s->opt.delay_ms >= s->opt.long_ms && s->opt.delay_ms > 0;

    if (s->opt.limit_concurrent || (slow && s->in_flight > s->opt.concurrent))
        return error(req, res, 403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded.") == TL_OK;
    if (s->opt.limit_total || sfsim_used(s) >= (uint64_t)s->opt.daily) {
        s->counts.over_limit++;
        return error(req, res, 403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.") == TL_OK;
    }
    return false;
}

static const char html[] = "<html><head><title>Service not available</title></head><body>We are down for "
                           "maintenance.</body></html>";

/* True: the request was answered here. */
static bool refused(struct sfsim *s, struct http_req *req, struct http_res *res)
{
    struct sfsim_session *session;

    if (in_outage(s) || happens(s, s->opt.unavailable)) {
        http_res_set(res, 503, "text/html", tl_sv_str(html));
        return true;
    }
    session = sfsim_session_of(s, req);
    if (session && s->opt.expire_every > 0 && ++s->expired % (uint64_t)s->opt.expire_every == 0) {
        session->dead = true;
        session = NULL;
    }
    if (!session) {
        (void)error(req, res, 401, "INVALID_SESSION_ID", "Session expired or invalid");
        return true;
    }
    if (!sfsim_at_instance(s, req)) { /* a host that only logs in */
        http_res_set(res, 404, "text/html", TL_SV("<html><head><title>URL No Longer Exists</title></head></html>"));
        return true;
    }
    if (over_limit(s, req, res))
        return true;
    sfsim_use(s);
    s->counts.api_calls++;
    (void)limit_info(s, res);
    if (happens(s, s->opt.empty)) {
        http_res_set(res, 406, "text/plain", TL_SV(""));
        return true;
    }
    if (happens(s, s->opt.fail)) {
        (void)error(req, res, 500, "UNKNOWN_EXCEPTION", "An unexpected error occurred. Please include this ErrorId");
        return true;
    }
    return false;
}

/* ---- the request as the API's functions see it ---- */

struct work {
    struct sfsim *s;
    struct sfsim_req req;
    struct sfsim_answer ans;
    bool bad_json;
};

static void carry_out(void *arg)
{
    struct work *w = arg;
    struct sfsim_fault f;
    bool json = !w->req.csv && w->req.text.n > 0 && (w->req.text.p[0] == '{' || w->req.text.p[0] == '[');

    if (json && json_parse(w->req.arena, w->req.text, JSON_PARSE_DUP_LAST, NULL, &w->req.body, NULL) != TL_OK) {
        (void)sfsim_refuse(&f, w->req.arena, 400, "JSON_PARSER_ERROR", TL_SV_NULL,
                           "Unexpected character at [line:1, column:1]");
        sfsim_fail(&w->req, &w->ans, &f);
        return;
    }
    if (!sfsim_begin(w->s->db)) {
        w->ans = (struct sfsim_answer){.status = 500};
        return;
    }
    sfsim_handle(&w->req, &w->ans);
    (void)sfsim_commit(w->s->db);
}

/* "key=value; key=value" of a request header: is key true? */
static bool says_true(struct tl_sv header, const char *key)
{
    struct tl_sv part;

    while (header.n > 0 && tl_sv_cut(&header, ';', &part)) {
        size_t eq = tl_sv_find(part, '=');

        if (tl_sv_eqi(tl_sv_trim(tl_sv(part.p, eq)), tl_sv_str(key)))
            return tl_sv_eqi(tl_sv_trim(tl_sv_from(part, eq + 1)), TL_SV("true"));
    }
    return false;
}

static bool read_head(struct work *w, struct http_req *req)
{
    struct tl_sv path = tl_sv_from(req->path, sizeof "/services/data/" - 1), version, options;
    uint64_t size = 0;
    double v;

    version = tl_sv(path.p, tl_sv_find(path, '/'));
    if (version.n < 2 || version.p[0] != 'v' || !tl_sv_double(tl_sv_from(version, 1), &v))
        return false;
    w->req = (struct sfsim_req){.sim = w->s,
                                .arena = req->arena,
                                .method = req->method_text,
                                .path = tl_sv_from(path, version.n),
                                .query = req->query,
                                .text = req->body,
                                .version = (int)v};
    w->req.client = tl_sv_from(http_req_header(req, "sforce-call-options"), sizeof "client=" - 1);
    w->req.allow_duplicates = says_true(http_req_header(req, "sforce-duplicate-rule-header"), "allowSave");
    w->req.csv = tl_sv_starts_i(http_req_header(req, "content-type"), TL_SV("text/csv"));
    w->req.if_modified = http_req_header(req, "if-modified-since");
    options = http_req_header(req, "sforce-query-options");
    if (options.p && tl_sv_u64(tl_sv_trim(tl_sv_from(options, tl_sv_find(options, '=') + 1)), &size))
        w->req.batch_size = (uint32_t)size;
    if (sfsim_query(&w->req, "_HttpMethod").n > 0) /* for clients without PATCH */
        w->req.method = sfsim_query(&w->req, "_HttpMethod");
    return v >= 31;
}

static enum tl_rc send_half(struct task *task, struct http_res *res, struct tl_err *err)
{
    struct tl_sv body = res->body;
    enum tl_rc rc = http_res_stream_begin(task, res, err);

    if (rc == TL_OK)
        rc = http_res_stream_write(task, res, tl_sv(body.p, body.n / 2), err);
    return rc == TL_OK ? tl_fail(err, TL_IO, "cut off as told") : rc;
}

static void put_headers(const struct sfsim_answer *ans, struct http_res *res)
{
    for (uint32_t i = 0; ans->headers.type == JSON_OBJECT && i < ans->headers.n; i++)
        (void)http_res_header(res, json_view(ans->headers.u.members[i].key),
                              json_text(ans->headers.u.members[i].value, TL_SV("")), NULL);
}

static enum tl_rc answer(struct sfsim *s, struct task *task, struct http_req *req, struct http_res *res,
                         struct tl_err *err)
{
    struct work w = {.s = s};
    enum tl_rc rc = TL_OK;
    int64_t ms = s->opt.delay_ms + (s->opt.jitter_ms > 0 ? (int64_t)(sfsim_chance(s) * (double)s->opt.jitter_ms) : 0);

    if (refused(s, req, res)) {
        s->counts.refused++;
        return TL_OK;
    }
    if (!read_head(&w, req))
        return error(req, res, 410, "UNSUPPORTED_API_VERSION", "this version of the API was retired");
    task_on_main_stack(task, carry_out, &w);
    if (ms > 0)
        rc = task_sleep_ms(task, (uint64_t)ms, err);
    if (rc != TL_OK)
        return rc;
    if (happens(s, s->opt.drop)) { /* carried out, and nobody hears of it */
        res->cut = true;
        return TL_OK;
    }
    if (happens(s, s->opt.hang))
        rc = task_sleep_ms(task, (uint64_t)s->opt.hang_ms, err);
    if (rc != TL_OK)
        return rc;
    put_headers(&w.ans, res);
    if (w.ans.body.type != JSON_UNDEFINED)
        connector_sim_json(req, res, w.ans.status, JSON_TYPE, w.ans.body);
    else
        http_res_set(res, w.ans.status, w.ans.text.p ? w.ans.type : NULL, w.ans.text);
    if (s->opt.truncate_every > 0 && res->body.n > 100 && ++s->cut % (uint64_t)s->opt.truncate_every == 0)
        return send_half(task, res, err);
    return TL_OK;
}

static enum tl_rc api(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct sfsim *s = arg;
    enum tl_rc rc;

    s->counts.requests++;
    s->in_flight++;
    rc = answer(s, task, req, res, err);
    s->in_flight--;
    sfsim_outbound_go(s, task);
    return rc;
}

static enum tl_rc versions(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    static const struct {
        const char *label, *version;
    } known[] = {{"Spring '23", "57.0"}, {"Spring '24", "60.0"}, {"Spring '25", "63.0"}, {"Spring '26", "66.0"}};
    struct json_builder list;

    (void)task, (void)arg, (void)err;
    json_array_begin(&list, req->arena, 4);
    for (size_t i = 0; i < TL_COUNT(known); i++) {
        struct json_builder b;

        json_object_begin(&b, req->arena, 3);
        (void)json_adds(&b, "label", json_str(known[i].label));
        (void)json_adds(&b, "url", json_printf(req->arena, "/services/data/v%s", known[i].version));
        (void)json_adds(&b, "version", json_str(known[i].version));
        (void)json_push(&list, json_end(&b));
    }
    connector_sim_json(req, res, 200, JSON_TYPE, json_end(&list));
    return TL_OK;
}

size_t sfsim_routes(struct sfsim *s, struct http_route *routes, size_t most)
{
    const struct http_route all[] = {
        {.methods = "POST", .pattern = "/services/oauth2/token", .handler = sfsim_token, .arg = s},
        {.methods = "GET", .pattern = "/services/oauth2/authorize", .handler = sfsim_authorize, .arg = s},
        {.methods = "GET,POST", .pattern = "/services/oauth2/revoke", .handler = sfsim_revoke, .arg = s},
        {.methods = "GET,POST", .pattern = "/services/oauth2/userinfo", .handler = sfsim_userinfo, .arg = s},
        {.methods = "GET,POST", .pattern = "/id/{org}/{user}", .handler = sfsim_identity, .arg = s},
        {.methods = "POST", .pattern = "/services/Soap/u/{version*}", .handler = sfsim_soap_login, .arg = s},
        {.methods = "POST", .pattern = "/services/Soap/m/{version*}", .handler = sfsim_metadata_soap, .arg = s},
        {.methods = "POST", .pattern = "/cometd/{version*}", .handler = sfsim_cometd, .arg = s},
        {.methods = "GET", .pattern = "/services/data", .handler = versions, .arg = s},
        {.methods = "*", .pattern = "/services/data/{path*}", .handler = api, .arg = s, .body_limit = 160 << 20},
    };

    assert(TL_COUNT(all) <= most);
    memcpy(routes, all, sizeof all);
    return TL_COUNT(all);
}

/* ---- the org ---- */

void sfsim_options_default(struct sfsim_options *o)
{
    *o = (struct sfsim_options){.port = 8082,
                                .seed_number = 1,
                                .daily = 100000,
                                .concurrent = 25,
                                .long_ms = 20000,
                                .cursors = 10,
                                .session_ms = 7200000,
                                .hold_ms = 110000,
                                .hang_ms = 150000,
                                .job_ms = 1000,
                                .client_id = "tieline-demo",
                                .client_secret = "demo-secret",
                                .user = "integration@sim.example",
                                .password = "demo-password"};
}

static char *read_file(const char *path, size_t *ret_n, struct tl_err *err)
{
    FILE *f = fopen(path, "rbe");
    struct tl_buf b;
    size_t n = 0;

    if (!f) {
        (void)tl_fail(err, TL_CONFIG, "cannot open %s", path);
        return NULL;
    }
    tl_buf_init(&b, 1 << 20);
    do {
        char *to = tl_buf_reserve(&b, 4096);

        n = to ? fread(to, 1, 4096, f) : 0;
        tl_buf_added(&b, n);
    } while (n > 0);
    (void)fclose(f);
    if (b.failed) {
        tl_buf_done(&b);
        (void)tl_fail(err, TL_LIMIT, "%s is larger than 1 MB", path);
        return NULL;
    }
    return tl_buf_take(&b, ret_n);
}

static enum tl_rc load_certificate(struct sfsim *s, struct tl_err *err)
{
    TL_CLEANUP(tl_freep) char *pem = NULL;
    TL_CLEANUP(crypto_key_unrefp) struct crypto_key *key = NULL;
    size_t n = 0;
    enum tl_rc rc;

    if (!s->opt.certificate)
        return TL_OK;
    pem = read_file(s->opt.certificate, &n, err);
    if (!pem)
        return err ? err->rc : TL_CONFIG;
    rc = crypto_key_from_pem(s->crypto, tl_sv(pem, n), TL_SV_NULL, &key, err);
    if (rc == TL_OK)
        s->keys = crypto_keys_of(&key, 1);
    return rc;
}

static enum tl_rc load_schema(struct sfsim *s, struct tl_err *err)
{
    TL_CLEANUP(tl_freep) char *text = NULL;
    size_t n = 0;
    enum tl_rc rc;

    s->schema = sfsim_schema_new();
    if (!s->opt.schema)
        return TL_OK;
    text = read_file(s->opt.schema, &n, err);
    if (!text)
        return err ? err->rc : TL_CONFIG;
    rc = sfsim_schema_add(s->schema, tl_sv(text, n), err);
    return rc == TL_OK ? rc : tl_err_prefix(err, "%s", s->opt.schema);
}

static enum tl_rc add_record(struct sfsim *s, const char *type, const char *id, struct json fields, struct tl_err *err)
{
    struct sfsim_record r = {.type = sfsim_object(s->schema, tl_sv_str(type)), .fields = fields}, there;
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(1 << 20);

    if (sfsim_get(s->db, a, tl_sv_str(id), &there))
        return TL_OK;
    r.created_ms = r.modified_ms = sfsim_now(s->db);
    (void)snprintf(r.id, sizeof r.id, "%s", id);
    if (!sfsim_begin(s->db) || !sfsim_put(s->db, &r, true) || !sfsim_commit(s->db))
        return tl_fail(err, TL_IO, "the simulator cannot write its store");
    return TL_OK;
}

static enum tl_rc add_org_and_user(struct sfsim *s, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(1 << 20);
    struct json_builder user, org;
    enum tl_rc rc;

    json_object_begin(&user, a, 4);
    (void)json_adds(&user, "Username", json_str(s->opt.user));
    (void)json_adds(&user, "Name", json_str("Integration User"));
    (void)json_adds(&user, "LastName", json_str("User"));
    (void)json_adds(&user, "IsActive", json_bool(true));
    json_object_begin(&org, a, 1);
    (void)json_adds(&org, "Name", json_str("Simulated org"));
    rc = add_record(s, "User", s->user, json_end(&user), err);
    return rc == TL_OK ? add_record(s, "Organization", s->org, json_end(&org), err) : rc;
}

enum tl_rc sfsim_new(const struct sfsim_options *opt, struct sfsim **ret, struct tl_err *err)
{
    struct sfsim *s = tl_zalloc(sizeof *s);
    enum tl_rc rc;

    s->opt = *opt;
    s->clock = tl_clock_system();
    s->started_ns = tl_clock_mono_ns(s->clock);
    s->random = connector_sim_seed(opt->seed_number);
    s->sessions = tl_map_new();
    s->codes = tl_map_new();
    s->refresh = tl_map_new();
    s->clients = tl_map_new();
    s->pubsub = sfsim_pubsub_new();
    s->topics = opt->data != NULL;
    (void)sfsim_id18(TL_SV("00D5i000000SiMu"), s->org);
    (void)sfsim_id18(TL_SV("0055i000000UsEr"), s->user);
    rc = crypto_new(&s->crypto, err);
    if (rc == TL_OK)
        rc = load_certificate(s, err);
    if (rc == TL_OK)
        rc = load_schema(s, err);
    if (rc == TL_OK)
        rc = sfsim_db_open(opt->data ? opt->data : ":memory:", s->schema, s->clock, &s->db, err);
    if (rc == TL_OK)
        rc = add_org_and_user(s, err);
    if (rc == TL_OK && opt->seed)
        rc = sfsim_seed(s, opt->seed, err);
    if (rc != TL_OK) {
        sfsim_free(s);
        return rc;
    }
    *ret = s;
    return TL_OK;
}

void sfsim_free(struct sfsim *s)
{
    if (!s)
        return;
    sfsim_cursors_free(s);
    sfsim_clients_free(s);
    sfsim_pubsub_free(s->pubsub);
    sfsim_sessions_free(s);
    sfsim_db_close(s->db);
    sfsim_schema_free(s->schema);
    crypto_keys_unref(s->keys);
    crypto_free(s->crypto);
    tl_free(s->outbound.object);
    tl_free(s->outbound.url);
    tl_free(s);
}
