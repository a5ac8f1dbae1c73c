/* SPDX-License-Identifier: Apache-2.0 */
/* operate.c - what changes something: plan -> confirm -> job, edit, promote, pause, resume, reload, snapshot. */
#include "admin/admin_int.h"

#include "http/http.h"

static const char *const actions[] = {
    [QUEUE_REPLAY] = "replay", [QUEUE_CANCEL] = "cancel", [QUEUE_DISCARD] = "discard", [QUEUE_MOVE] = "move"};

/* {"action": "replay", "filter": {...}, "to": flow, "include_superseded": true, "last": id of the plan} */
static enum tl_rc read_plan(struct admin_call *c, struct queue_plan *ret, struct tl_err *err)
{
    struct json v;
    struct tl_sv action, to;
    size_t i;
    enum tl_rc rc = admin__body(c, &v, err);

    if (rc != TL_OK)
        return rc;
    *ret = (struct queue_plan){.include_superseded = json_gets(v, "include_superseded").u.b};
    action = json_text(json_gets(v, "action"), TL_SV(""));
    for (i = 0; i < TL_COUNT(actions) && !tl_sv_eqs(action, actions[i]); i++)
        ;
    if (i == TL_COUNT(actions))
        return tl_fail(err, TL_INVALID, "action must be replay, cancel, discard or move");
    ret->action = (enum queue_action)i;
    rc = admin__filter(c, json_gets(v, "filter"), &ret->filter, err);
    to = json_text(json_gets(v, "to"), TL_SV(""));
    if (rc == TL_OK && ret->action == QUEUE_MOVE)
        rc = admin__flow(c, to, &ret->to_flow, err);
    if (rc == TL_OK && json_gets(v, "last").type == JSON_STRING)
        rc = admin__id(json_view(json_gets(v, "last")), &ret->last_id, err);
    return rc;
}

struct planning {
    struct queue *queue;
    struct queue_plan *plan;
    enum tl_rc rc;
    struct tl_err err;
};
static void count_plan(void *arg)
{
    struct planning *p = arg;
    struct queue_reader *r;

    p->rc = queue_reader_open(p->queue, &r, &p->err);
    if (p->rc != TL_OK)
        return;
    p->rc = queue_plan(r, p->plan, &p->err);
    queue_reader_close(r);
}

static enum tl_rc post_plan(struct admin_call *c, struct tl_err *err)
{
    struct admin *a = c->admin;
    struct queue_plan plan;
    struct planning p = {.queue = a->queue, .plan = &plan};
    struct json_builder b;
    enum tl_rc rc = read_plan(c, &plan, err);

    if (rc == TL_OK)
        rc = admin__blocking(c, count_plan, &p, err);
    if (rc == TL_OK && p.rc != TL_OK) {
        *err = p.err;
        rc = p.rc;
    }
    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, c->arena, 8);
    json_adds(&b, "action", json_str(actions[plan.action]));
    json_adds(&b, "matching", json_int((int64_t)plan.matching));
    json_adds(&b, "superseded", json_int((int64_t)plan.superseded));
    json_adds(&b, "unknown_outcome", json_int((int64_t)plan.unknown_outcome));
    json_adds(&b, "running", json_int((int64_t)plan.running));
    json_adds(&b, "final", json_int((int64_t)plan.final));
    json_adds(&b, "last", admin__id_json(c->arena, plan.last_id));
    return admin__answer(c, 200, json_end(&b), err);
}

static enum tl_rc post_job(struct admin_call *c, struct tl_err *err)
{
    struct admin *a = c->admin;
    struct queue_plan plan;
    struct planning p = {.queue = a->queue, .plan = &plan};
    struct json_builder b;
    uint64_t job;
    enum tl_rc rc = read_plan(c, &plan, err);

    if (rc == TL_OK && !plan.last_id) { /* not planned before: the border is now */
        rc = admin__blocking(c, count_plan, &p, err);
        if (rc == TL_OK && p.rc != TL_OK) {
            *err = p.err;
            rc = p.rc;
        }
    }
    if (rc == TL_OK)
        rc = queue_job_start(a->queue, c->task, &plan, &job, err);
    if (rc != TL_OK)
        return rc;
    TL_LOG(a->log, TL_INFO, "admin.job", "a person acts on many events", KV_STR("action", actions[plan.action]),
           KV_U64("job", job));
    json_object_begin(&b, c->arena, 1);
    json_adds(&b, "job", admin__id_json(c->arena, job));
    return admin__answer(c, 202, json_end(&b), err);
}

static enum tl_rc get_job(struct admin_call *c, struct tl_err *err)
{
    struct admin *a = c->admin;
    struct queue_job j;
    struct json_builder b;
    uint64_t id;
    enum tl_rc rc = admin__id(http_req_param(c->req, "id"), &id, err);

    if (rc == TL_OK)
        rc = queue_job_get(a->queue, c->task, id, &j, err);
    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, c->arena, 8);
    json_adds(&b, "job", admin__id_json(c->arena, id));
    json_adds(&b, "total", json_int((int64_t)j.total));
    json_adds(&b, "looked", json_int((int64_t)j.looked));
    json_adds(&b, "done", json_int((int64_t)j.done));
    json_adds(&b, "refused", json_int((int64_t)j.refused));
    json_adds(&b, "ended", json_bool(j.ended));
    json_adds(&b, "cancelled", json_bool(j.cancelled));
    json_adds(&b, "first_refusal", json_str_copy(c->arena, tl_sv_str(j.first_refusal.text)));
    return admin__answer(c, 200, json_end(&b), err);
}

static enum tl_rc cancel_job(struct admin_call *c, struct tl_err *err)
{
    struct admin *a = c->admin;
    uint64_t id;
    enum tl_rc rc = admin__id(http_req_param(c->req, "id"), &id, err);

    if (rc == TL_OK)
        rc = queue_job_cancel(a->queue, c->task, id, err);
    return rc == TL_OK ? admin__done(c, err) : rc;
}

/* The body of the request is the new body of the delivery, byte for byte. */
static enum tl_rc post_edit(struct admin_call *c, struct tl_err *err)
{
    struct admin *a = c->admin;
    struct json_builder b;
    struct json ignored;
    uint32_t revision;
    uint64_t id;
    enum tl_rc rc = admin__id(http_req_param(c->req, "id"), &id, err);

    if (rc == TL_OK && json_parse(c->arena, c->req->body, 0, NULL, &ignored, err) != TL_OK)
        rc = tl_err_prefix(err, "the new body is not JSON (line %d, column %d)", err->line, err->column);
    if (rc == TL_OK)
        rc = queue_edit(a->queue, c->task, id, c->req->body, TL_SV("operator"), &revision, err);
    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, c->arena, 1);
    json_adds(&b, "revision", json_int(revision));
    return admin__answer(c, 200, json_end(&b), err);
}

static enum tl_rc post_promote(struct admin_call *c, struct tl_err *err)
{
    struct admin *a = c->admin;
    uint64_t id;
    enum tl_rc rc = admin__id(http_req_param(c->req, "id"), &id, err);

    if (rc == TL_OK)
        rc = queue_promote(a->queue, c->task, id, err);
    return rc == TL_OK ? admin__done(c, err) : rc;
}

/* ---- pause and resume ---- */
/* Who resumes by hand has mended something: the credentials are tried now, whatever their schedule says. */
static void try_credentials(struct admin *a, struct tl_sv name)
{
    struct flow_connection_info info;

    if (!a->engine || flow_engine_connection(a->engine, name, &info, NULL) != TL_OK)
        return;
    if (info.auth)
        auth_resume(info.auth);
    flow_plan_unref(info.plan);
}

static enum tl_rc set_held(struct admin_call *c, bool flow, bool pause, struct tl_err *err)
{
    struct admin *a = c->admin;
    struct tl_sv name = http_req_param(c->req, "name"), why;
    struct json v;
    uint32_t id;
    enum tl_rc rc = admin__body(c, &v, err);

    if (rc == TL_OK)
        rc = flow ? admin__flow(c, name, &id, err) : admin__connection(c, name, &id, err);
    if (rc != TL_OK)
        return rc;
    why = json_text(json_gets(v, "why"), TL_SV("paused by a person"));
    if (!flow && !pause)
        try_credentials(a, name);
    if (flow)
        rc = pause ? queue_pause_flow(a->queue, c->task, id, why, err) : queue_resume_flow(a->queue, c->task, id, err);
    else
        rc = pause ? queue_pause_connection(a->queue, c->task, id, why, err)
                   : queue_resume_connection(a->queue, c->task, id, err);
    if (rc != TL_OK)
        return rc;
    TL_LOG(a->log, TL_INFO, pause ? "admin.pause" : "admin.resume", "a person acts",
           KV_SV(flow ? "flow" : "connection", name));
    return admin__done(c, err);
}
static enum tl_rc pause_flow(struct admin_call *c, struct tl_err *err)
{
    return set_held(c, true, true, err);
}
static enum tl_rc resume_flow(struct admin_call *c, struct tl_err *err)
{
    return set_held(c, true, false, err);
}
static enum tl_rc pause_connection(struct admin_call *c, struct tl_err *err)
{
    return set_held(c, false, true, err);
}
static enum tl_rc resume_connection(struct admin_call *c, struct tl_err *err)
{
    return set_held(c, false, false, err);
}

/* ---- debugging one flow ---- */
enum { DEBUG_MOST_MS = 24 * 3600 * 1000 };

static enum tl_rc post_debug(struct admin_call *c, struct tl_err *err)
{
    struct admin *a = c->admin;
    struct tl_sv name = http_req_param(c->req, "name"), span;
    struct json v, bodies;
    struct json_builder b;
    int64_t ms, until;
    uint32_t id;
    enum tl_rc rc = admin__body(c, &v, err);

    if (rc == TL_OK)
        rc = admin__flow(c, name, &id, err);
    if (rc != TL_OK)
        return rc;
    if (!a->engine)
        return tl_fail(err, TL_UNSUPPORTED, "no server is running: there is nothing to be seen");
    span = json_text(json_gets(v, "for"), TL_SV("10m"));
    if (!tl_duration_parse(span, &ms) || ms < 0 || ms > DEBUG_MOST_MS)
        return tl_fail(err, TL_INVALID, "`for` must be a duration of at most 24h (0s: stop), not '%.*s'",
                       TL_SV_ARG(span));
    bodies = json_gets(v, "bodies");
    until = ms ? tl_clock_wall_ms(a->clock) + ms : 0;
    if (!flow_engine_debug(a->engine, name, until, bodies.type == JSON_BOOL && bodies.u.b))
        return tl_fail(err, TL_NOT_FOUND, "flow '%.*s' is not in the configuration any more", TL_SV_ARG(name));
    TL_LOG(a->log, TL_INFO, ms ? "admin.debug" : "admin.debug_off", "a person acts", KV_SV("flow", name),
           KV_SV("for", span), KV_BOOL("bodies", bodies.type == JSON_BOOL && bodies.u.b));
    json_object_begin(&b, c->arena, 1);
    json_adds(&b, "until", admin__time_json(c->arena, until));
    return admin__answer(c, 200, json_end(&b), err);
}

/* ---- configuration and snapshot ---- */
static enum tl_rc post_reload(struct admin_call *c, struct tl_err *err)
{
    struct admin *a = c->admin;
    struct json answer = JSON_NOTHING;
    enum tl_rc rc;

    if (!a->reload)
        return tl_fail(err, TL_UNSUPPORTED, "no server is running: the next `tieline run` reads the configuration");
    rc = a->reload(a->reload_arg, c->task, tl_sv_eqs(admin__query(c, "dry_run"), "true"), c->arena, &answer, err);
    if (rc == TL_CONFIG && answer.type == JSON_OBJECT)
        return admin__answer(c, 422, answer, err);
    return rc == TL_OK ? admin__answer(c, 200, answer, err) : rc;
}

struct snapshot {
    struct queue *queue;
    const char *path;
    enum tl_rc rc;
    struct tl_err err;
};
static void take_snapshot(void *arg)
{
    struct snapshot *s = arg;
    struct queue_reader *r;

    s->rc = queue_reader_open(s->queue, &r, &s->err);
    if (s->rc != TL_OK)
        return;
    s->rc = queue_snapshot(r, s->path, &s->err);
    queue_reader_close(r);
}

static enum tl_rc post_snapshot(struct admin_call *c, struct tl_err *err)
{
    struct admin *a = c->admin;
    struct snapshot s = {.queue = a->queue};
    struct json v;
    struct tl_sv path;
    enum tl_rc rc = admin__body(c, &v, err);

    if (rc != TL_OK)
        return rc;
    path = json_text(json_gets(v, "path"), TL_SV(""));
    if (path.n == 0 || path.p[0] != '/')
        return tl_fail(err, TL_INVALID, "path must be absolute: the server writes the file");
    s.path = tl_arena_strndup(c->arena, path.p, path.n);
    rc = admin__blocking(c, take_snapshot, &s, err);
    if (rc == TL_OK && s.rc != TL_OK) {
        *err = s.err;
        rc = s.rc;
    }
    return rc == TL_OK ? admin__done(c, err) : rc;
}

static const struct admin__route routes[] = {
    {.methods = "POST", .pattern = "/v1/plan", .fn = post_plan, .role = ADMIN_VIEWER},
    {.methods = "POST", .pattern = "/v1/jobs", .fn = post_job, .role = ADMIN_OPERATOR},
    {.methods = "GET", .pattern = "/v1/jobs/{id}", .fn = get_job, .role = ADMIN_VIEWER},
    {.methods = "POST", .pattern = "/v1/jobs/{id}/cancel", .fn = cancel_job, .role = ADMIN_OPERATOR},
    {.methods = "POST", .pattern = "/v1/events/{id}/edit", .fn = post_edit, .role = ADMIN_OPERATOR},
    {.methods = "POST", .pattern = "/v1/events/{id}/promote", .fn = post_promote, .role = ADMIN_OPERATOR},
    {.methods = "POST", .pattern = "/v1/flows/{name}/pause", .fn = pause_flow, .role = ADMIN_OPERATOR},
    {.methods = "POST", .pattern = "/v1/flows/{name}/resume", .fn = resume_flow, .role = ADMIN_OPERATOR},
    {.methods = "POST", .pattern = "/v1/flows/{name}/debug", .fn = post_debug, .role = ADMIN_OPERATOR},
    {.methods = "POST", .pattern = "/v1/connections/{name}/pause", .fn = pause_connection, .role = ADMIN_OPERATOR},
    {.methods = "POST", .pattern = "/v1/connections/{name}/resume", .fn = resume_connection, .role = ADMIN_OPERATOR},
    {.methods = "POST", .pattern = "/v1/reload", .fn = post_reload, .role = ADMIN_ADMIN},
    {.methods = "POST", .pattern = "/v1/snapshot", .fn = post_snapshot, .role = ADMIN_ADMIN, .timeout_ms = UINT32_MAX},
};
const struct admin__table admin__operate_table = {routes, TL_COUNT(routes)};
