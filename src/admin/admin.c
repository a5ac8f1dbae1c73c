/* SPDX-License-Identifier: Apache-2.0 */
/* admin.c - what all handlers need: JSON in and out, ids, names, filters; health and metrics. */
#include "admin/admin_int.h"

#include "http/http.h"

enum { MAX_ANSWER = 64 << 20 };

enum tl_rc admin__blocking(const struct admin_call *c, void (*fn)(void *arg), void *arg, struct tl_err *err)
{
    if (c->task)
        return task_blocking(c->task, fn, arg, NULL, err);
    fn(arg);
    return TL_OK;
}

enum tl_rc admin__answer(struct admin_call *c, int status, struct json v, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv text;

    tl_buf_init(&b, MAX_ANSWER);
    if (!json_write(&b, v, 0))
        return tl_fail(err, TL_LIMIT, "the answer is larger than 64 MB; ask for less at a time");
    text = tl_arena_sv(c->arena, tl_buf_view(&b));
    if (!text.p)
        return tl_fail(err, TL_LIMIT, "the answer needs too much memory; ask for less at a time");
    http_res_set(c->res, status, "application/json", text);
    return TL_OK;
}

enum tl_rc admin__done(struct admin_call *c, struct tl_err *err)
{
    struct json_builder b;

    json_object_begin(&b, c->arena, 1);
    json_adds(&b, "ok", json_bool(true));
    return admin__answer(c, 200, json_end(&b), err);
}

enum tl_rc admin__body(struct admin_call *c, struct json *ret, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    if (c->body.type == JSON_UNDEFINED && c->req->body.n == 0)
        c->body = (struct json){.type = JSON_OBJECT};
    if (c->body.type == JSON_UNDEFINED)
        rc = json_parse(c->arena, c->req->body, 0, NULL, &c->body, err);
    if (rc == TL_OK && c->body.type != JSON_OBJECT)
        rc = tl_fail(err, TL_INVALID, "the body must be a JSON object");
    if (rc == TL_OK)
        *ret = c->body;
    return rc;
}

struct tl_sv admin__query(const struct admin_call *c, const char *name)
{
    struct tl_sv rest = c->req->query, pair, key;

    while (rest.p && tl_sv_cut(&rest, '&', &pair)) {
        TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

        if (!pair.n || !tl_sv_cut(&pair, '=', &key) || !tl_sv_eqs(key, name))
            continue;
        tl_buf_init(&b, 65536);
        if (pair.p && tl_percent_decode(&b, pair, true))
            return tl_arena_sv(c->arena, tl_buf_view(&b));
        return TL_SV("");
    }
    return TL_SV_NULL;
}

enum tl_rc admin__id(struct tl_sv text, uint64_t *ret_id, struct tl_err *err)
{
    if (tl_id32_parse(text.p, text.n, ret_id) && *ret_id)
        return TL_OK;
    return tl_fail(err, TL_INVALID, "'%.*s' is not an id: 13 letters and digits, as the lists show them",
                   TL_SV_ARG(text));
}

struct json admin__id_json(struct tl_arena *a, uint64_t id)
{
    char text[14];

    return id ? json_str_copy(a, tl_sv_str(tl_id32_format(id, text))) : json_null();
}

struct json admin__time_json(struct tl_arena *a, int64_t ms)
{
    char text[TL_TIME_TEXT];

    return ms ? json_str_copy(a, tl_sv_str(tl_time_format(ms, text))) : json_null();
}

/* ---- names ---- */
static enum tl_rc not_found(const char *what, struct tl_sv name, const char *const *names, size_t n, struct tl_err *err)
{
    const char *near = tl_nearest(name, names, n);

    if (near)
        return tl_fail(err, TL_NOT_FOUND, "there is no %s '%.*s'; did you mean '%s'?", what, TL_SV_ARG(name), near);
    return tl_fail(err, TL_NOT_FOUND, "there is no %s '%.*s'", what, TL_SV_ARG(name));
}

enum tl_rc admin__flow(struct admin_call *c, struct tl_sv name, uint32_t *ret_id, struct tl_err *err)
{
    const char **names;
    struct queue_stat s;
    enum tl_rc rc = queue_stats(c->admin->queue, c->task, c->arena, &s, err);

    if (rc != TL_OK)
        return rc;
    names = tl_arena_must(c->arena, (s.n_flows + 1) * sizeof *names);
    for (size_t i = 0; i < s.n_flows; i++) {
        names[i] = s.flows[i].name;
        if (tl_sv_eqs(name, s.flows[i].name)) {
            *ret_id = s.flows[i].id;
            return TL_OK;
        }
    }
    return not_found("flow", name, names, s.n_flows, err);
}

enum tl_rc admin__connection(struct admin_call *c, struct tl_sv name, uint32_t *ret_id, struct tl_err *err)
{
    const char **names;
    struct queue_stat s;
    enum tl_rc rc = queue_stats(c->admin->queue, c->task, c->arena, &s, err);

    if (rc != TL_OK)
        return rc;
    names = tl_arena_must(c->arena, (s.n_connections + 1) * sizeof *names);
    for (size_t i = 0; i < s.n_connections; i++) {
        names[i] = s.connections[i].name;
        if (tl_sv_eqs(name, s.connections[i].name)) {
            *ret_id = s.connections[i].id;
            return TL_OK;
        }
    }
    return not_found("connection", name, names, s.n_connections, err);
}

const char *admin__flow_name(const struct admin_names *n, uint32_t id)
{
    for (size_t i = 0; i < n->n; i++) {
        if (n->flows[i].id == id)
            return n->flows[i].name;
    }
    return "";
}

/* ---- filters ---- */
static enum tl_rc filter_ids(struct tl_arena *arena, struct json v, struct queue_filter *f, struct tl_err *err)
{
    uint64_t *ids = tl_arena_alloc(arena, (v.n + 1) * sizeof *ids);

    if (v.type != JSON_ARRAY || !ids)
        return tl_fail(err, TL_INVALID, "ids must be a list");
    if (v.n == 0)
        return tl_fail(err, TL_INVALID, "ids is empty: nothing was chosen");
    for (uint32_t i = 0; i < v.n; i++) {
        enum tl_rc rc = admin__id(json_text(v.u.items[i], TL_SV("")), &ids[i], err);

        if (rc != TL_OK)
            return rc;
    }
    f->ids = ids;
    f->n_ids = v.n;
    return TL_OK;
}

enum tl_rc admin__time(struct tl_sv text, const char *name, int64_t now_ms, int64_t *ret, struct tl_err *err)
{
    int64_t ago;

    if (tl_time_parse(text, ret))
        return TL_OK;
    if (tl_duration_parse(text, &ago)) { /* "2h": two hours ago */
        *ret = now_ms - ago;
        return TL_OK;
    }
    return tl_fail(err, TL_INVALID, "%s must be a time (2026-11-24T18:00:00Z) or a duration (2h), not '%.*s'", name,
                   TL_SV_ARG(text));
}

static const char *state_word(unsigned i)
{
    return i + 1 < QUEUE_STATE_MAX ? queue_state_name((enum queue_state)(i + 1)) : NULL;
}

static const char *class_word(unsigned i)
{
    return i + 1 < TL_CLASS_COUNT ? tl_class_name((enum tl_class)(i + 1)) : NULL;
}

/* With all that there are: they are few. */
static enum tl_rc no_word(const char *what, struct tl_sv text, const char *(*word)(unsigned i), struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    const char *w;

    tl_buf_init(&b, 1000);
    for (unsigned i = 0; (w = word(i)) != NULL; i++)
        if (strcmp(w, "none") != 0)
            (void)tl_buf_printf(&b, "%s%s", b.n ? ", " : "", w);
    return tl_fail(err, TL_INVALID, "there is no %s '%.*s'; there are %.*s", what, TL_SV_ARG(text), (int)b.n, b.p);
}

static enum tl_rc filter_member(struct admin_call *c, struct tl_sv name, struct json value, struct queue_filter *f,
                                struct tl_err *err)
{
    static const char *const names[] = {"flow", "state", "class", "fingerprint", "from",   "until",     "event",
                                        "ids",  "key",   "error", "text",        "target", "connection"};
    struct tl_sv text = json_text(value, TL_SV(""));
    int64_t now = tl_clock_wall_ms(c->admin->clock);
    const char *near;

    if (tl_sv_eqs(name, "ids"))
        return filter_ids(c->arena, value, f, err);
    if (tl_sv_eqs(name, "flow"))
        return admin__flow(c, text, &f->flow, err);
    if (tl_sv_eqs(name, "event"))
        return admin__id(text, &f->event, err);
    if (tl_sv_eqs(name, "fingerprint"))
        return admin__id(text, &f->fingerprint, err);
    if (tl_sv_eqs(name, "from"))
        return admin__time(text, "from", now, &f->from_ms, err);
    if (tl_sv_eqs(name, "until"))
        return admin__time(text, "until", now, &f->until_ms, err);
    if (tl_sv_eqs(name, "state"))
        return queue_state_parse(text, &f->state) ? TL_OK : no_word("state", text, state_word, err);
    if (tl_sv_eqs(name, "class")) {
        char *word = tl_arena_strndup(c->arena, text.p, text.n);

        return word && tl_class_parse(word, &f->cls) ? TL_OK : no_word("class", text, class_word, err);
    }
    near = tl_nearest(name, names, TL_COUNT(names));
    return tl_fail(err, TL_INVALID, "there is no filter '%.*s'%s%s%s", TL_SV_ARG(name), near ? "; did you mean '" : "",
                   near ? near : "", near ? "'?" : "");
}

enum tl_rc admin__filter(struct admin_call *c, struct json v, struct queue_filter *ret, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    if (v.type == JSON_UNDEFINED)
        return TL_OK;
    if (v.type != JSON_OBJECT)
        return tl_fail(err, TL_INVALID, "a filter is an object");
    for (uint32_t i = 0; i < v.n && rc == TL_OK; i++)
        rc = filter_member(c, json_view(v.u.members[i].key), v.u.members[i].value, ret, err);
    return rc;
}

/* ---- health and metrics ---- */
struct health {
    struct admin *admin;
    bool (*draining)(void *arg);
    void *arg;
};

static enum tl_rc healthz(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    (void)task;
    (void)req;
    (void)arg;
    (void)err;
    http_res_set(res, 200, "text/plain", TL_SV("ok\n"));
    return TL_OK;
}

static enum tl_rc readyz(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    const struct health *h = arg;
    struct queue_stat s;
    enum tl_rc rc;

    if (h->draining && h->draining(h->arg)) {
        http_res_set(res, 503, "text/plain", TL_SV("draining\n"));
        return TL_OK;
    }
    rc = queue_stats(h->admin->queue, task, req->arena, &s, err);
    if (rc != TL_OK)
        return rc;
    if (s.fatal || s.intake_stopped)
        http_res_set(res, 503, "text/plain",
                     s.fatal   ? TL_SV("the ledger cannot be written\n")
                     : s.moved ? TL_SV("the ledger's files are not in their place\n")
                               : TL_SV("the disk is full\n"));
    else
        http_res_set(res, 200, "text/plain", TL_SV("ready\n"));
    return TL_OK;
}

struct exposition {
    struct metrics *m;
    struct tl_buf text;
    bool ok;
};
static void expose(void *arg)
{
    struct exposition *x = arg;

    x->ok = metrics_prometheus(x->m, &x->text);
}

static enum tl_rc metrics(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    const struct admin *admin = arg;
    struct exposition x = {.m = admin->metrics};
    enum tl_rc rc;

    tl_buf_init(&x.text, MAX_ANSWER);
    rc = admin__blocking(&(struct admin_call){.task = task}, expose, &x, err);
    if (rc == TL_OK && !x.ok)
        rc = tl_fail(err, TL_LIMIT, "the metrics are larger than 64 MB");
    if (rc == TL_OK)
        http_res_set(res, 200, "text/plain; version=0.0.4", tl_arena_sv(req->arena, tl_buf_view(&x.text)));
    tl_buf_done(&x.text);
    return rc;
}

enum tl_rc admin_health_routes(struct admin *a, struct http_router *router, bool (*draining)(void *arg), void *arg,
                               struct tl_err *err)
{
    struct health *h = tl_alloc(sizeof *h);
    const struct http_route routes[] = {
        {.methods = "GET", .pattern = FLOW_PATH_HEALTHZ, .handler = healthz, .arg = h, .health = true},
        {.methods = "GET", .pattern = FLOW_PATH_READYZ, .handler = readyz, .arg = h, .health = true},
    };
    enum tl_rc rc = TL_OK;

    *h = (struct health){a, draining, arg};
    http_router_on_free(router, tl_free, h);
    for (size_t i = 0; i < TL_COUNT(routes) && rc == TL_OK; i++)
        rc = http_router_add(router, &routes[i], err);
    return rc;
}

enum tl_rc admin_metrics_route(struct admin *a, struct http_router *router, const struct http_cidr *allow,
                               size_t n_allow, struct tl_err *err)
{
    const struct http_route route = {.methods = "GET",
                                     .pattern = FLOW_PATH_METRICS,
                                     .handler = metrics,
                                     .arg = a,
                                     .allow = allow,
                                     .n_allow = n_allow};

    return http_router_add(router, &route, err);
}
