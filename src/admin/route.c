/* SPDX-License-Identifier: Apache-2.0 */
/* route.c - the tables of routes, mounted twice: on the control socket, where everybody is admin, and on TCP, where
 * each call says who it is. */
#include "admin/admin_int.h"

#include <stdio.h>

#include "http/http.h"

struct mount {
    struct admin *admin;
    struct admin_web *web;
    const struct admin__route *route;
};

static void local_caller(struct admin_call *c)
{
    c->caller = (struct admin_caller){.role = ADMIN_ADMIN, .who = "command line", .how = "command line", .from = ""};
    if (c->req->peer_uid == UINT32_MAX)
        return;
    c->caller.how = "socket";
    c->caller.who = tl_arena_printf(c->arena, "uid %u", c->req->peer_uid);
}

/* ---- what a body may hold: what the route's table says, which the description is made of ---- */
static const struct admin__field reasons[] = {{"reason", "string", "", false}, {"why", "string", "", false}, {0}};

static const struct admin__field *field_of(const struct admin__field *f, struct tl_sv name)
{
    for (; f && f->name; f++)
        if (tl_sv_eqs(name, f->name))
            return f;
    return NULL;
}

static enum tl_rc no_member(const struct admin__route *r, struct tl_sv name, struct tl_err *err)
{
    const char *names[32], *near;
    size_t n = 0;

    for (const struct admin__field *f = r->body; f && f->name && n < TL_COUNT(names) - 1; f++)
        names[n++] = f->name;
    names[n++] = "reason";
    near = tl_nearest(name, names, n);
    return tl_fail(err, TL_INVALID, "the body has `%.*s`, which %s does not know%s%s%s; nothing was done",
                   (int)(name.n < 60 ? name.n : 60), name.p, r->pattern, near ? "; did you mean `" : "",
                   near ? near : "", near ? "`?" : "");
}

static bool has_type(const struct admin__field *f, struct json v)
{
    static const struct {
        const char *word;
        enum json_type type;
    } types[] = {{"string", JSON_STRING}, {"boolean", JSON_BOOL}, {"object", JSON_OBJECT}};
    int64_t whole;

    if (strcmp(f->type, "any") == 0 || (v.type == JSON_NULL && !f->required)) /* null: as if it were absent */
        return true;
    for (size_t i = 0; i < TL_COUNT(types); i++)
        if (strcmp(f->type, types[i].word) == 0)
            return v.type == types[i].type;
    assert(strcmp(f->type, "integer") == 0);
    return json_int64(v, &whole);
}

/* What a handler does not know would be left out without a word, and a filter that is left out is everything. */
static enum tl_rc check_body(struct admin_call *c, struct tl_err *err)
{
    struct json v;
    enum tl_rc rc;

    if (c->route->raw || !(c->route->body || c->route->act) || c->req->body.n == 0)
        return TL_OK;
    rc = admin__body(c, &v, err);
    for (uint32_t i = 0; rc == TL_OK && i < v.n; i++) {
        struct tl_sv name = json_view(v.u.members[i].key);
        const struct admin__field *f = field_of(c->route->body, name);

        f = f ? f : field_of(reasons, name);
        if (!f)
            rc = no_member(c->route, name, err);
        else if (!has_type(f, v.u.members[i].value))
            rc = tl_fail(err, TL_INVALID, "`%s` must be %s %s; nothing was done", f->name,
                         strchr("aeiou", f->type[0]) ? "an" : "a", f->type);
    }
    return rc;
}

/* ---- changes: why, and what is noted of them ---- */
/* From the body, the header or the query, the first that says something. */
static enum tl_rc read_reason(struct admin_call *c, struct tl_err *err)
{
    struct json v;

    c->reason = tl_sv_trim(http_req_header(c->req, "x-tieline-reason"));
    if (!c->reason.n)
        c->reason = tl_sv_trim(admin__query(c, "reason"));
    if (!c->reason.n && !c->route->raw) {
        enum tl_rc rc = admin__body(c, &v, err);

        if (rc != TL_OK)
            return rc;
        c->reason = tl_sv_trim(json_text(json_gets(v, "reason"), json_text(json_gets(v, "why"), TL_SV(""))));
    }
    if (c->reason.n > 2000)
        return tl_fail(err, TL_LIMIT, "a reason has at most 2,000 bytes");
    c->dry = c->route->can_dry && tl_sv_eqs(admin__query(c, "dry_run"), "true");
    if (!c->reason.n && c->web && !c->route->no_reason && !c->dry)
        return tl_fail(err, TL_INVALID,
                       "say why: `reason` in the body, in the query, or the header X-Tieline-Reason; it goes into the "
                       "audit log");
    return tl_utf8_valid(c->reason) == c->reason.n ? TL_OK : tl_fail(err, TL_INVALID, "the reason is not UTF-8");
}

static enum tl_rc note(struct admin_call *c, const char *detail, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf hash = {0};
    struct queue_audit e = {.who = tl_sv_str(c->caller.who),
                            .role = tl_sv_str(admin__role_name(c->caller.role)),
                            .how = tl_sv_str(c->caller.how),
                            .origin = tl_sv_str(c->caller.from),
                            .action = tl_sv_str(c->route->act),
                            .subject = tl_sv_str(c->subject),
                            .reason = c->reason,
                            .detail = tl_sv_str(detail)};
    enum tl_rc rc = queue_audit(c->admin->queue, c->task, &e, err);

    if (rc != TL_OK)
        return rc;
    c->audited = e.id;
    tl_buf_init(&hash, 2 * QUEUE_AUDIT_HASH);
    (void)tl_hex_encode(&hash, e.hash, QUEUE_AUDIT_HASH);
    TL_LOG(c->admin->log, TL_INFO, "admin.audit", *detail ? "it failed" : "a person acts", KV_U64("entry", e.id),
           KV_STR("who", c->caller.who), KV_STR("action", c->route->act), KV_STR("subject", c->subject),
           KV_SV("reason", c->reason), KV_STR("from", c->caller.from), KV_SV("hash", tl_buf_view(&hash)));
    return TL_OK;
}

enum tl_rc admin__act(struct admin_call *c, struct tl_err *err, const char *subject, ...)
{
    char text[1000];
    va_list ap;

    assert(c->route->act && !c->audited);
    va_start(ap, subject);
    (void)vsnprintf(text, sizeof text, subject, ap);
    va_end(ap);
    c->subject = tl_arena_strdup(c->arena, text);
    return c->subject ? note(c, "", err) : tl_fail(err, TL_LIMIT, "the request is too large");
}

void admin__act_failed(struct admin_call *c, const char *why)
{
    struct tl_err ignored;

    if (c->audited)
        (void)note(c, why, &ignored);
}

static enum tl_rc run(struct admin_call *c, struct tl_err *err)
{
    enum tl_rc rc = check_body(c, err);

    if (rc == TL_OK && c->route->act)
        rc = read_reason(c, err);
    if (rc == TL_OK)
        rc = c->route->fn(c, err);
    if (rc != TL_OK)
        admin__act_failed(c, err->text);
    /* A change that nobody noted is a fault of ours, whoever made it. */
    assert(rc != TL_OK || !c->route->act || c->route->sometimes || c->audited || c->dry || c->res->status >= 400);
    return rc;
}

static enum tl_rc on_socket(struct task *task, struct http_req *req, struct http_res *res, void *arg,
                            struct tl_err *err)
{
    const struct mount *m = arg;
    struct admin_call c = {
        .admin = m->admin, .task = task, .req = req, .res = res, .arena = req->arena, .route = m->route};

    local_caller(&c);
    return run(&c, err);
}

/* A 401 tells the console what it may offer. */
static void say_how(struct admin_call *c, const struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct json_builder e, how, b;

    json_object_begin(&e, c->arena, 2);
    json_adds(&e, "code", json_str(tl_rc_name(err->rc)));
    json_adds(&e, "message", json_str_copy(c->arena, tl_sv_str(err->text)));
    json_object_begin(&how, c->arena, 2);
    json_adds(&how, "token", json_bool(true));
    json_adds(&how, "oidc", admin__oidc_offer(c->arena, c->web));
    json_object_begin(&b, c->arena, 2);
    json_adds(&b, "error", json_end(&e));
    json_adds(&b, "sign_in", json_end(&how));
    tl_buf_init(&text, 4096);
    if (json_write(&text, json_end(&b), 0))
        c->res->body = tl_arena_sv(c->arena, tl_buf_view(&text));
    (void)http_res_header_static(c->res, TL_SV("WWW-Authenticate"), TL_SV("Bearer realm=\"tieline\""), NULL);
}

static enum tl_rc on_web(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    const struct mount *m = arg;
    struct admin_call c = {
        .admin = m->admin, .web = m->web, .task = task, .req = req, .res = res, .arena = req->arena, .route = m->route};
    enum tl_rc rc;

    rc = admin__enter(m->web, &c, err);
    if (rc == TL_OK)
        rc = run(&c, err);
    if (rc == TL_OK || res->streaming || task_is_canceled(task))
        return rc;
    err->rc = rc;
    http_res_rc(res, err);
    if (rc == TL_AUTH)
        say_how(&c, err);
    return TL_OK;
}

static enum tl_rc mount(struct admin *a, struct admin_web *web, struct http_router *router,
                        const struct admin__table *t, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    for (size_t i = 0; i < t->n && rc == TL_OK; i++) {
        const struct admin__route *from = &t->routes[i];
        struct mount *m = tl_alloc(sizeof *m);
        const struct http_route r = {.methods = from->methods,
                                     .pattern = from->pattern,
                                     .handler = web ? on_web : on_socket,
                                     .arg = m,
                                     .timeout_ms = from->timeout_ms,
                                     .body_limit = from->body_limit};

        *m = (struct mount){a, web, from};
        http_router_on_free(router, tl_free, m);
        rc = http_router_add(router, &r, err);
    }
    return rc;
}

static enum tl_rc no_route(struct admin_call *c, struct tl_err *err)
{
    return tl_fail(err, TL_NOT_FOUND, "the API has no %.*s %.*s: see /v1/openapi.json", TL_SV_ARG(c->req->method_text),
                   TL_SV_ARG(c->req->path));
}

const struct admin__table *const admin__shared[] = {&admin__event_table,
                                                    &admin__operate_table,
                                                    &admin__status_table,
                                                    &admin__session_table,
                                                    &admin__token_table,
                                                    &admin__audit_table,
                                                    &admin__dead_table,
                                                    &admin__alert_table,
                                                    &admin__connect_table,
                                                    &admin__series_table,
                                                    &admin__flow_table,
                                                    &admin__payload_table,
                                                    &admin__mapping_table,
                                                    &admin__openapi_table,
                                                    &admin__sample_table,
                                                    &admin__xref_table,
                                                    NULL};

enum tl_rc admin_routes(struct admin *a, struct http_router *router, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    for (size_t i = 0; admin__shared[i] && rc == TL_OK; i++)
        rc = mount(a, NULL, router, admin__shared[i], err);
    return rc;
}

enum tl_rc admin_web_routes(struct admin *a, struct admin_web *web, struct http_router *router, struct tl_err *err)
{
    static const struct admin__route own[] = {
        {.methods = "*", .pattern = "/v1/{rest*}", .fn = no_route, .role = ADMIN_VIEWER},
        {.methods = "GET", .pattern = "/", .fn = admin__static, .role = ADMIN_NOBODY},
        {.methods = "GET", .pattern = "/{path*}", .fn = admin__static, .role = ADMIN_NOBODY},
    };
    const struct admin__table table = {own, TL_COUNT(own)};
    enum tl_rc rc = mount(a, web, router, &table, err);

    if (rc == TL_OK)
        rc = mount(a, web, router, &admin__sign_in_table, err);
    if (rc == TL_OK)
        rc = mount(a, web, router, &admin__oidc_table, err);
    if (rc == TL_OK)
        rc = mount(a, web, router, &admin__stream_table, err);
    for (size_t i = 0; admin__shared[i] && rc == TL_OK; i++)
        rc = mount(a, web, router, admin__shared[i], err);
    return rc;
}
