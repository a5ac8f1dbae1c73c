/* SPDX-License-Identifier: Apache-2.0 */
/* route.c - the tables of routes, mounted twice: on the control socket, where everybody is admin, and on TCP, where
 * each call says who it is. */
#include "admin/admin_int.h"

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

static enum tl_rc on_socket(struct task *task, struct http_req *req, struct http_res *res, void *arg,
                            struct tl_err *err)
{
    const struct mount *m = arg;
    struct admin_call c = {
        .admin = m->admin, .task = task, .req = req, .res = res, .arena = req->arena, .route = m->route};

    local_caller(&c);
    return m->route->fn(&c, err);
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
    json_adds(&how, "oidc", json_null());
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

    admin__secure(res);
    rc = admin__enter(m->web, &c, err);
    if (rc == TL_OK)
        rc = m->route->fn(&c, err);
    if (rc == TL_OK || res->streaming || task_is_canceled(task))
        return rc;
    err->rc = rc;
    http_res_rc(res, err);
    admin__secure(res);
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

static const struct admin__table *const shared[] = {&admin__event_table,   &admin__operate_table, &admin__status_table,
                                                    &admin__session_table, &admin__token_table,   &admin__alert_table,
                                                    &admin__connect_table};

enum tl_rc admin_routes(struct admin *a, struct http_router *router, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    for (size_t i = 0; i < TL_COUNT(shared) && rc == TL_OK; i++)
        rc = mount(a, NULL, router, shared[i], err);
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
    for (size_t i = 0; i < TL_COUNT(shared) && rc == TL_OK; i++)
        rc = mount(a, web, router, shared[i], err);
    return rc;
}
