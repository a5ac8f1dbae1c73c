/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim.c - `tieline sim http`: a target that can be told to fail, and counts what it got.
 *
 * Every request is counted when it has come whole. It is *accepted* when it is carried out: answered 2xx, or carried
 * out and then dropped without an answer, as a target that dies at the wrong moment would. Keys and order are looked at
 * on accepted requests only, so doubles are those that a target without idempotency would really have.
 */
#include "connector/sim.h"
#include "http/httpc_int.h"

#include <stdio.h>

#define AT(member) .offset = offsetof(struct options, member)
enum { STATUSES = 600, PAGE = 100, PAGE_MOST = 1000 };

struct options {
    int64_t port, limit, seed, items;
    const char *host, *key, *order_by, *seq;
    bool quiet;
    double fail, drop, rate, outage[2];
    int64_t status, delay, jitter, retry_after;
};

static const struct connector_sim_option table[] = {
    {"port", CONNECTOR_SIM_INT, AT(port), "N", "port to listen on; 0: any", true},
    {"host", CONNECTOR_SIM_TEXT, AT(host), "ADDRESS", "address to listen on (127.0.0.1)", true},
    {"fail", CONNECTOR_SIM_PERCENT, AT(fail), "PERCENT", "so many requests fail", false},
    {"status", CONNECTOR_SIM_INT, AT(status), "N", "status of failures (503); alone: every request fails", false},
    {"retry-after", CONNECTOR_SIM_INT, AT(retry_after), "SECONDS",
     "Retry-After of failures, of the outage and of --rate (there 1); 0: none", false},
    {"delay", CONNECTOR_SIM_MS, AT(delay), "MS", "wait before each answer", false},
    {"jitter", CONNECTOR_SIM_MS, AT(jitter), "MS", "random addition to the delay", false},
    {"drop", CONNECTOR_SIM_PERCENT, AT(drop), "PERCENT", "so many are carried out, then cut off unanswered", false},
    {"rate", CONNECTOR_SIM_RATE, AT(rate), "N/s", "429 with Retry-After beyond; 0: no limit", false},
    {"outage", CONNECTOR_SIM_SPAN, AT(outage), "FROM..TO", "503 for all, in seconds since the start", false},
    {"key", CONNECTOR_SIM_TEXT, AT(key), "HEADER", "idempotency key: a header, or a JSON pointer (/id)", true},
    {"order-by", CONNECTOR_SIM_TEXT, AT(order_by), "POINTER", "check the order within this (/customer/id) ...", true},
    {"seq", CONNECTOR_SIM_TEXT, AT(seq), "POINTER", "... by this number (/seq)", true},
    {"items", CONNECTOR_SIM_INT, AT(items), "N", "GET gives N records by page (?after=, ?limit=)", false},
    {"seed", CONNECTOR_SIM_INT, AT(seed), "N", "of the random choices (1)", true},
    {"limit", CONNECTOR_SIM_INT, AT(limit), "N", "keys kept at most (10000000)", true},
    {"quiet", CONNECTOR_SIM_FLAG, AT(quiet), NULL, "print nothing", true},
};

struct counts {
    uint64_t received, bytes, accepted, records, unique, doubles, without_key, out_of_order, repeats, dropped;
    uint64_t by_status[STATUSES];
    uint64_t in_flight;
};
struct sim {
    struct options opt;
    struct counts counts;
    struct connector_sim_set keys, orders;
    uint64_t random, started_ns, tokens_ns;
    double tokens;
    const struct tl_clock *clock;
    struct tl_arena *scratch;
};

/* ---- counting ---- */

static uint64_t hash_value(struct json v, uint64_t seed)
{
    char text[32];
    int n;

    if (v.type == JSON_STRING || v.type == JSON_DECIMAL)
        return tl_hash64(v.u.s, v.n, seed);
    n = snprintf(text, sizeof text, "%lld", (long long)(v.type == JSON_INT ? v.u.i : 0));
    return tl_hash64(text, (size_t)n, seed);
}

static bool is_new(struct sim *s, uint64_t hash)
{
    bool fresh;
    uint64_t *seen = connector_sim_set_at(&s->keys, hash, &fresh);

    if (!seen)
        return true;
    s->counts.unique += fresh;
    s->counts.doubles += !fresh;
    return fresh;
}

static void check_order(struct sim *s, struct json record)
{
    struct json by, seq;
    int64_t number;
    uint64_t *last;
    bool fresh;

    if (!s->opt.order_by || !s->opt.seq || json_pointer_get(record, tl_sv_str(s->opt.order_by), &by, NULL) != TL_OK ||
        json_pointer_get(record, tl_sv_str(s->opt.seq), &seq, NULL) != TL_OK || !json_int64(seq, &number))
        return;
    last = connector_sim_set_at(&s->orders, hash_value(by, 1), &fresh);
    if (!last)
        return;
    if (!fresh && number < (int64_t)*last)
        s->counts.out_of_order++;
    else if (!fresh && number == (int64_t)*last)
        s->counts.repeats++;
    if (fresh || number > (int64_t)*last)
        *last = (uint64_t)number;
}

static bool key_in_body(const struct sim *s)
{
    return s->opt.key && s->opt.key[0] == '/';
}

/* true: not seen before, or without a key. */
static bool take_record(struct sim *s, struct json record)
{
    struct json key;

    s->counts.records++;
    if (key_in_body(s)) {
        if (json_pointer_get(record, tl_sv_str(s->opt.key), &key, NULL) != TL_OK)
            s->counts.without_key++;
        else if (!is_new(s, hash_value(key, 0)))
            return false;
    }
    check_order(s, record);
    return true;
}

static bool is_ndjson(const struct http_req *req)
{
    return tl_sv_starts_i(http_req_header(req, "content-type"), TL_SV("application/x-ndjson"));
}

/* The records of a body, where somebody wants to know what is in them. */
static void take_body(struct sim *s, const struct http_req *req)
{
    struct tl_sv body = req->body;
    struct json v;
    size_t pos = 0;

    tl_arena_reset(s->scratch);
    if (is_ndjson(req)) {
        while (json_parse_next(s->scratch, body, &pos, JSON_PARSE_DUP_LAST, NULL, &v, NULL) == TL_OK &&
               v.type != JSON_UNDEFINED)
            (void)take_record(s, v);
        return;
    }
    if (json_parse(s->scratch, body, JSON_PARSE_DUP_LAST, NULL, &v, NULL) != TL_OK)
        v = JSON_NOTHING;
    if (v.type != JSON_ARRAY) {
        (void)take_record(s, v);
        return;
    }
    for (uint32_t i = 0; i < v.n; i++)
        (void)take_record(s, v.u.items[i]);
}

struct taking {
    struct sim *s;
    const struct http_req *req;
};
static void take_on_big_stack(void *arg)
{
    struct taking *t = arg;

    take_body(t->s, t->req);
}

/* The request is carried out; its key's hash, 0: none. */
static uint64_t accept_request(struct sim *s, struct task *task, const struct http_req *req)
{
    struct tl_sv key = key_in_body(s) || !s->opt.key ? TL_SV_NULL : http_req_header(req, s->opt.key);
    uint64_t hash = key.n > 0 ? tl_hash64(key.p, key.n, 0) : 0;
    bool look = key_in_body(s) || s->opt.order_by || is_ndjson(req) || (req->body.n > 0 && req->body.p[0] == '[');
    struct taking t = {s, req};

    s->counts.accepted++;
    if (hash && !is_new(s, hash))
        return hash; /* a repetition: answered as the first was, not carried out again */
    s->counts.without_key += !hash && !key_in_body(s);
    if (look)
        task_on_main_stack(task, take_on_big_stack, &t);
    else
        s->counts.records++;
    return hash;
}

/* ---- refusing ---- */

static bool in_outage(const struct sim *s)
{
    return connector_sim_within(s->opt.outage, s->clock, s->started_ns);
}

/* A bucket of one second's worth. */
static bool over_rate(struct sim *s)
{
    uint64_t now = tl_clock_mono_ns(s->clock);
    double burst = s->opt.rate < 1 ? 1 : s->opt.rate;

    if (s->opt.rate <= 0)
        return false;
    s->tokens += (double)(now - s->tokens_ns) / 1e9 * s->opt.rate;
    s->tokens_ns = now;
    if (s->tokens > burst)
        s->tokens = burst;
    if (s->tokens < 1)
        return true;
    s->tokens -= 1;
    return false;
}

/* retry_after: seconds; 0: the sender is not told. */
static enum tl_rc refuse(struct sim *s, struct http_req *req, struct http_res *res, int status, int64_t retry_after,
                         const char *why, struct tl_err *err)
{
    s->counts.by_status[status]++;
    http_res_error(res, status, "simulated", why);
    if (retry_after <= 0)
        return TL_OK;
    return http_res_header_static(res, TL_SV("Retry-After"),
                                  tl_sv_str(tl_arena_printf(req->arena, "%lld", (long long)retry_after)), err);
}

static enum tl_rc pause_before(struct sim *s, struct task *task, struct tl_err *err)
{
    int64_t ms =
        s->opt.delay + (s->opt.jitter > 0 ? (int64_t)(connector_sim_chance(&s->random) * (double)s->opt.jitter) : 0);

    return ms > 0 ? task_sleep_ms(task, (uint64_t)ms, err) : TL_OK;
}

static bool should_fail(struct sim *s)
{
    return s->opt.fail > 0 && connector_sim_chance(&s->random) < s->opt.fail;
}

/* ---- handlers ---- */

static enum tl_rc answer(struct sim *s, struct task *task, struct http_req *req, struct http_res *res,
                         struct tl_err *err)
{
    bool drop;
    uint64_t hash;
    enum tl_rc rc;
    char id[14];

    if (in_outage(s))
        return refuse(s, req, res, 503, s->opt.retry_after, "simulated outage", err);
    if (over_rate(s))
        return refuse(s, req, res, 429, s->opt.retry_after ? s->opt.retry_after : 1, "simulated rate limit", err);
    if (should_fail(s)) {
        rc = pause_before(s, task, err);
        return rc == TL_OK ? refuse(s, req, res, (int)s->opt.status, s->opt.retry_after, "simulated failure", err) : rc;
    }
    hash = accept_request(s, task, req);
    drop = s->opt.drop > 0 && connector_sim_chance(&s->random) < s->opt.drop;
    rc = pause_before(s, task, err);
    if (rc != TL_OK)
        return rc;
    if (drop) {
        s->counts.dropped++;
        res->cut = true;
        return TL_OK;
    }
    s->counts.by_status[200]++;
    (void)tl_id32_format(hash ? hash : s->counts.accepted, id);
    http_res_set(res, 200, "application/json",
                 tl_sv_str(tl_arena_printf(req->arena, "{\"ok\":true,\"id\":\"%s\"}", id)));
    return TL_OK;
}

static enum tl_rc any_write(struct task *task, struct http_req *req, struct http_res *res, void *arg,
                            struct tl_err *err)
{
    struct sim *s = arg;
    enum tl_rc rc;

    s->counts.received++;
    s->counts.bytes += req->body.n;
    s->counts.in_flight++;
    rc = answer(s, task, req, res, err);
    s->counts.in_flight--;
    return rc;
}

static uint64_t number_in(const struct http_req *req, struct tl_sv name, uint64_t fallback)
{
    struct tl_sv text;
    uint64_t v;

    if (http_query_get(req->query, name, req->arena, &text, NULL) != TL_OK || !text.p || !tl_sv_u64(text, &v))
        return fallback;
    return v;
}

/* {"items": [{"id", "name"}], "next"}: what a poll reads. */
static enum tl_rc any_get(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct sim *s = arg;
    uint64_t after = number_in(req, TL_SV("after"), 0), limit = number_in(req, TL_SV("limit"), PAGE);
    struct tl_buf b;
    enum tl_rc rc;

    if (in_outage(s) || should_fail(s))
        return refuse(s, req, res, in_outage(s) ? 503 : (int)s->opt.status, s->opt.retry_after, "simulated failure",
                      err);
    rc = pause_before(s, task, err);
    if (rc != TL_OK)
        return rc;
    limit = limit < PAGE_MOST ? limit : PAGE_MOST;
    tl_buf_init(&b, 1 << 20);
    (void)tl_buf_puts(&b, "{\"items\":[");
    for (uint64_t i = after; i < (uint64_t)s->opt.items && i < after + limit; i++)
        (void)tl_buf_printf(&b, "%s{\"id\":%llu,\"name\":\"item %llu\"}", i > after ? "," : "",
                            (unsigned long long)i + 1, (unsigned long long)i + 1);
    after = after + limit < (uint64_t)s->opt.items ? after + limit : (uint64_t)s->opt.items;
    (void)tl_buf_printf(&b, "],\"next\":%llu}", (unsigned long long)after);
    s->counts.by_status[200]++;
    http_res_set(res, 200, "application/json", tl_arena_sv(req->arena, tl_buf_view(&b)));
    tl_buf_done(&b);
    return TL_OK;
}

static void add_count(struct json_builder *b, const char *name, uint64_t v)
{
    (void)json_adds(b, name, json_int((int64_t)v));
}

static struct json stats(struct sim *s, struct tl_arena *a)
{
    const struct counts *c = &s->counts;
    struct json_builder b, by;

    json_object_begin(&by, a, 8);
    for (int i = 0; i < STATUSES; i++)
        if (c->by_status[i] > 0)
            add_count(&by, tl_arena_printf(a, "%d", i), c->by_status[i]);
    json_object_begin(&b, a, 20);
    add_count(&b, "received", c->received);
    add_count(&b, "accepted", c->accepted);
    add_count(&b, "unique", c->unique);
    add_count(&b, "doubles", c->doubles);
    add_count(&b, "without_key", c->without_key);
    add_count(&b, "records", c->records);
    add_count(&b, "out_of_order", c->out_of_order);
    add_count(&b, "repeats", c->repeats);
    add_count(&b, "dropped", c->dropped);
    (void)json_adds(&b, "by_status", json_end(&by));
    add_count(&b, "bytes", c->bytes);
    add_count(&b, "in_flight", c->in_flight);
    (void)json_adds(&b, "keys_full", json_bool(s->keys.full || s->orders.full));
    add_count(&b, "uptime_ms", (tl_clock_mono_ns(s->clock) - s->started_ns) / 1000000);
    (void)json_adds(&b, "options", connector_sim_show(table, TL_COUNT(table), &s->opt, a));
    return json_end(&b);
}

static void answer_json(struct http_req *req, struct http_res *res, struct json v)
{
    struct tl_buf b;

    tl_buf_init(&b, 64 << 10);
    (void)json_write(&b, v, JSON_WRITE_INDENT);
    (void)tl_buf_putc(&b, '\n');
    http_res_set(res, 200, "application/json", tl_arena_sv(req->arena, tl_buf_view(&b)));
    tl_buf_done(&b);
}

static enum tl_rc get_stats(struct task *task, struct http_req *req, struct http_res *res, void *arg,
                            struct tl_err *err)
{
    (void)task, (void)err;
    answer_json(req, res, stats(arg, req->arena));
    return TL_OK;
}

static enum tl_rc control(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct sim *s = arg;
    enum tl_rc rc = connector_sim_controlled(task, req, res, table, TL_COUNT(table), &s->opt, err);

    if (rc == TL_OK && (s->opt.status < 400 || s->opt.status >= STATUSES)) {
        s->opt.status = 503; /* and the answer says so */
        answer_json(req, res, connector_sim_show(table, TL_COUNT(table), &s->opt, req->arena));
    }
    return rc;
}

static enum tl_rc reset(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct sim *s = arg;
    uint64_t in_flight = s->counts.in_flight;

    (void)task, (void)err;
    s->counts = (struct counts){.in_flight = in_flight};
    connector_sim_set_done(&s->keys);
    connector_sim_set_done(&s->orders);
    answer_json(req, res, stats(s, req->arena));
    return TL_OK;
}

/* ---- start ---- */

static void print_stats(void *arg)
{
    struct sim *s = arg;
    struct tl_buf b;

    if (s->opt.quiet)
        return;
    tl_buf_init(&b, 64 << 10);
    tl_arena_reset(s->scratch);
    (void)json_write(&b, stats(s, s->scratch), JSON_WRITE_INDENT);
    (void)printf("%.*s\n", (int)b.n, b.p ? b.p : "");
    tl_buf_done(&b);
}

static int check(const struct options *o, const struct connector_sim_server *server) /* -1: go on */
{
    const char *wrong = NULL;

    if (o->status != 0 && (o->status < 400 || o->status >= STATUSES))
        wrong = "--status is from 400 to 599";
    else if ((o->order_by != NULL) != (o->seq != NULL))
        wrong = "--order-by and --seq belong together";
    return wrong ? connector_sim_wrong(server, "%s", wrong) : -1;
}

/* As the server hands headers out. */
static const char *lower_case(const char *name, char *to, size_t size)
{
    size_t i = 0;

    for (; name[i] && i + 1 < size; i++)
        to[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + ('a' - 'A') : name[i]);
    to[i] = '\0';
    return to;
}

int httpc__sim(int argc, char **argv)
{
    struct sim *s = tl_zalloc(sizeof *s);
    const struct http_route routes[] = {
        {.methods = "GET", .pattern = "/__stats", .handler = get_stats, .arg = s},
        {.methods = "POST", .pattern = "/__control", .handler = control, .arg = s},
        {.methods = "POST", .pattern = "/__reset", .handler = reset, .arg = s},
        {.methods = "GET", .pattern = "/{path*}", .handler = any_get, .arg = s},
        {.methods = "POST,PUT,PATCH,DELETE", .pattern = "/{path*}", .handler = any_write, .arg = s},
    };
    struct connector_sim_server server = {.name = "http", .routes = routes, .n_routes = TL_COUNT(routes)};
    char key[256];
    int status;

    s->opt = (struct options){.port = 8081, .key = "idempotency-key", .limit = 10000000, .seed = 1};
    status = connector_sim_parse(table, TL_COUNT(table), "tieline sim http: a target that counts, and fails as told",
                                 argc, argv, &s->opt, &server);
    if (status < 0)
        status = check(&s->opt, &server);
    if (status < 0) {
        if (!key_in_body(s))
            s->opt.key = lower_case(s->opt.key, key, sizeof key);
        if (s->opt.status != 0 && s->opt.fail <= 0)
            s->opt.fail = 1;
        s->opt.status = s->opt.status ? s->opt.status : 503;
        s->clock = tl_clock_system();
        s->started_ns = s->tokens_ns = tl_clock_mono_ns(s->clock);
        s->tokens = 1e9; /* full: capped at the first look */
        s->random = connector_sim_seed(s->opt.seed);
        s->scratch = tl_arena_new(256 << 20);
        connector_sim_set_init(&s->keys, (size_t)s->opt.limit);
        connector_sim_set_init(&s->orders, (size_t)s->opt.limit);
        status = connector_sim_run(&server, print_stats, s);
        connector_sim_set_done(&s->keys);
        connector_sim_set_done(&s->orders);
        tl_arena_free(s->scratch);
    }
    tl_free(s);
    return status;
}
