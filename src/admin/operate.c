/* SPDX-License-Identifier: Apache-2.0 */
/* operate.c - what changes something: plan -> confirm -> job, edit, promote, pause, resume, reload, snapshot. */
#include "admin/admin_int.h"

#include "http/http.h"

static const char *const actions[] = {
    [QUEUE_REPLAY] = "replay", [QUEUE_CANCEL] = "cancel", [QUEUE_DISCARD] = "discard",
    [QUEUE_MOVE] = "move",     [QUEUE_HOLD] = "hold",     [QUEUE_RELEASE] = "release"};
#define ACTIONS "replay, cancel, discard, move, hold or release"
enum { COUNT_MS = 60 }; /* of a plan, at once */

static enum tl_rc move_to(struct admin_call *c, struct json v, struct queue_plan *plan, struct tl_err *err)
{
    struct tl_sv flow = json_text(json_gets(v, "to"), TL_SV("")),
                 name = json_text(json_gets(v, "to_target"), TL_SV(""));
    struct admin_names names;
    enum tl_rc rc = admin__flow(c, flow, &plan->to_flow, err);

    if (rc == TL_OK && name.n)
        rc = admin__names(c, &names, err);
    if (rc != TL_OK || !name.n)
        return rc;
    for (size_t i = 0; i < names.n_targets && !plan->to_target; i++)
        if (tl_sv_eqs(flow, names.targets[i].flow) && tl_sv_eqs(name, names.targets[i].name))
            plan->to_target = names.targets[i].id;
    return plan->to_target
               ? TL_OK
               : tl_fail(err, TL_NOT_FOUND, "flow %.*s has no target '%.*s'", TL_SV_ARG(flow), TL_SV_ARG(name));
}

/* Where the next slice of a plan begins: part, dot, id. */
static enum tl_rc read_next(struct json v, struct queue_plan *ret, struct tl_err *err)
{
    struct tl_sv next = json_text(json_gets(v, "next"), TL_SV("")), part;
    uint64_t n;

    if (!next.n)
        return TL_OK;
    if (!ret->last_id || !tl_sv_cut(&next, '.', &part) || !tl_sv_u64(part, &n) || n > 9 ||
        !tl_id32_parse(next.p, next.n, &ret->at.cursor))
        return tl_fail(err, TL_INVALID, "next and last must be those of the answer before");
    ret->at.part = (uint32_t)n;
    return TL_OK;
}

/* {"action": "replay", "filter": {...}, "to": flow, "to_target": name, "include_superseded": true, "last": id of the
 * plan, "next": of the slice before} */
static enum tl_rc read_plan(struct admin_call *c, struct queue_plan *ret, struct tl_err *err)
{
    struct json v, superseded;
    struct tl_sv action;
    size_t i;
    enum tl_rc rc = admin__body(c, &v, err);

    if (rc != TL_OK)
        return rc;
    superseded = json_gets(v, "include_superseded");
    *ret = (struct queue_plan){.include_superseded = superseded.type == JSON_BOOL && superseded.u.b};
    action = json_text(json_gets(v, "action"), TL_SV(""));
    for (i = 0; i < TL_COUNT(actions) && !tl_sv_eqs(action, actions[i]); i++)
        ;
    if (i == TL_COUNT(actions))
        return tl_fail(err, TL_INVALID, "action must be " ACTIONS);
    ret->action = (enum queue_action)i;
    if (json_gets(v, "filter").type == JSON_UNDEFINED) /* not everything by an oversight */
        return tl_fail(err, TL_INVALID, "`filter` says which are meant: {} is everything");
    rc = admin__plan_filter(c, json_gets(v, "filter"), &ret->filter, err);
    if (rc == TL_OK && ret->action == QUEUE_MOVE)
        rc = move_to(c, v, ret, err);
    if (rc == TL_OK && json_gets(v, "last").type == JSON_STRING)
        rc = admin__id(json_view(json_gets(v, "last")), &ret->last_id, err);
    if (rc == TL_OK)
        rc = read_next(v, ret, err);
    if (rc == TL_OK)
        rc = admin__pick(c, ret, err);
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

static struct json next_json(struct tl_arena *a, const struct queue_plan *plan)
{
    char id[14];

    return json_str_copy(a, tl_sv_str(tl_arena_printf(a, "%u.%s", plan->at.part, tl_id32_format(plan->at.cursor, id))));
}

static enum tl_rc post_plan(struct admin_call *c, struct tl_err *err)
{
    struct admin *a = c->admin;
    struct queue_plan plan;
    struct planning p = {.queue = a->queue, .plan = &plan};
    struct json_builder b;
    enum tl_rc rc = read_plan(c, &plan, err);

    plan.budget_ms = COUNT_MS;
    if (rc == TL_OK)
        rc = admin__blocking(c, count_plan, &p, err);
    if (rc == TL_OK && p.rc != TL_OK) {
        *err = p.err;
        rc = p.rc;
    }
    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, c->arena, 11);
    json_adds(&b, "action", json_str(actions[plan.action]));
    json_adds(&b, "matching", json_int((int64_t)plan.matching));
    json_adds(&b, "superseded", json_int((int64_t)plan.superseded));
    json_adds(&b, "unknown_outcome", json_int((int64_t)plan.unknown_outcome));
    json_adds(&b, "running", json_int((int64_t)plan.running));
    json_adds(&b, "final", json_int((int64_t)plan.final));
    json_adds(&b, "behind", json_int((int64_t)plan.behind));
    json_adds(&b, "behind_more", json_bool(plan.behind_more));
    json_adds(&b, "last", admin__id_json(c->arena, plan.last_id));
    json_adds(&b, "next", plan.more ? next_json(c->arena, &plan) : json_null());
    return admin__answer(c, 200, json_end(&b), err);
}

/* The filter as it came, so that the log says what was meant. */
static const char *filter_text(struct admin_call *c, const struct queue_filter *f)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json v, ids;

    if (admin__body(c, &v, NULL) != TL_OK)
        return "";
    ids = json_gets(json_gets(v, "filter"), "ids");
    if (ids.type == JSON_ARRAY && f->n_ids > 20)
        return tl_arena_printf(c->arena, "%zu chosen, from %.*s", f->n_ids,
                               TL_SV_ARG(json_text(json_at(ids, 0), TL_SV(""))));
    tl_buf_init(&b, 900);
    (void)json_write(&b, admin__filter_shown(c, json_gets(v, "filter")), 0);
    return b.n ? tl_arena_strndup(c->arena, b.p, b.n) : "all";
}

static enum tl_rc post_job(struct admin_call *c, struct tl_err *err)
{
    struct admin *a = c->admin;
    struct queue_plan plan;
    struct planning p = {.queue = a->queue, .plan = &plan};
    struct json_builder b;
    struct json v;
    int64_t matching;
    uint64_t job, last;
    enum tl_rc rc = read_plan(c, &plan, err);

    if (rc == TL_OK && plan.action == QUEUE_HOLD && !c->reason.n)
        rc = tl_fail(err, TL_INVALID, "say why they are held (`reason`): whoever finds them has nothing else to go by");
    if (rc == TL_OK)
        rc = admin__body(c, &v, err);
    if (rc != TL_OK)
        return rc;
    plan.budget_ms = COUNT_MS;
    plan.at = (struct queue_plan_at){0};
    last = plan.last_id;
    if (last && json_int64(json_gets(v, "matching"), &matching) && matching >= 0) {
        plan.matching = (uint64_t)matching; /* counted before: how many there are is only shown with the progress */
    } else {
        rc = admin__blocking(c, count_plan, &p, err);
        if (rc == TL_OK && p.rc != TL_OK) {
            *err = p.err;
            rc = p.rc;
        }
        if (last) /* else not planned before: the border is now */
            plan.last_id = last;
    }
    plan.by = tl_sv_str(c->caller.who);
    plan.reason = c->reason;
    if (rc == TL_OK)
        rc = admin__act(c, err, "%s %s", actions[plan.action], filter_text(c, &plan.filter));
    if (rc == TL_OK)
        rc = queue_job_start(a->queue, c->task, &plan, &job, err);
    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, c->arena, 1);
    json_adds(&b, "job", admin__id_json(c->arena, job));
    return admin__answer(c, 202, json_end(&b), err);
}

static struct json job_json(struct tl_arena *arena, const struct queue_job *j, struct json_builder *b)
{
    json_adds(b, "job", admin__id_json(arena, j->id));
    json_adds(b, "total", json_int((int64_t)j->total));
    json_adds(b, "looked", json_int((int64_t)j->looked));
    json_adds(b, "done", json_int((int64_t)j->done));
    json_adds(b, "refused", json_int((int64_t)j->refused));
    json_adds(b, "ended", json_bool(j->ended));
    json_adds(b, "cancelled", json_bool(j->cancelled));
    json_adds(b, "first_refusal", json_str_copy(arena, tl_sv_str(j->first_refusal.text)));
    return json_end(b);
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
    j.id = id;
    json_object_begin(&b, c->arena, 8);
    return admin__answer(c, 200, job_json(c->arena, &j, &b), err);
}

/* ---- GET /v1/jobs ---- */
static enum tl_rc list_jobs(struct admin__read *l, struct queue_reader *r, struct tl_err *err)
{
    return queue_jobs(r, l->arena, l->cursor, l->limit, &l->jobs, &l->n, err);
}

static struct json job_filter_json(const struct admin_names *names, struct tl_arena *a, const struct queue_job_row *r)
{
    const struct queue_filter *f = &r->plan.filter;
    struct json_builder b;

    json_object_begin(&b, a, 8);
    if (f->flow)
        json_adds(&b, "flow", json_str(admin__flow_name(names, f->flow)));
    if (f->state)
        json_adds(&b, "state", json_str(queue_state_name(f->state)));
    if (f->cls)
        json_adds(&b, "class", json_str(tl_class_name(f->cls)));
    if (f->fingerprint)
        json_adds(&b, "fingerprint", admin__id_json(a, f->fingerprint));
    if (f->from_ms)
        json_adds(&b, "from", admin__time_json(a, f->from_ms));
    if (f->until_ms)
        json_adds(&b, "until", admin__time_json(a, f->until_ms));
    if (f->event)
        json_adds(&b, "event", admin__id_json(a, f->event));
    if (r->chosen)
        json_adds(&b, "chosen", json_bool(true));
    return json_end(&b);
}

static struct json job_row_json(const struct admin_names *names, struct tl_arena *a, const struct queue_job_row *r)
{
    struct json_builder b;

    json_object_begin(&b, a, 14);
    json_adds(&b, "at", admin__time_json(a, r->at_ms));
    json_adds(&b, "by", json_sv(r->plan.by));
    json_adds(&b, "reason", json_sv(r->plan.reason));
    json_adds(&b, "action", json_str(actions[r->plan.action]));
    json_adds(&b, "filter", job_filter_json(names, a, r));
    json_adds(&b, "to", r->plan.to_flow ? json_str(admin__flow_name(names, r->plan.to_flow)) : json_null());
    return job_json(a, &r->job, &b);
}

struct json admin__jobs_json(struct tl_arena *a, const struct admin_names *names, const struct queue_job_row *rows,
                             size_t n)
{
    struct json_builder b;

    json_array_begin(&b, a, n);
    for (size_t i = 0; i < n; i++)
        json_push(&b, job_row_json(names, a, &rows[i]));
    return json_end(&b);
}

static enum tl_rc get_jobs(struct admin_call *c, struct tl_err *err)
{
    struct admin__read l = {.fn = list_jobs};
    struct admin_names names;
    struct json_builder b;
    enum tl_rc rc = admin__page(c, &l, err);

    if (rc == TL_OK)
        rc = admin__names(c, &names, err);
    if (rc == TL_OK)
        rc = admin__read(c, &l, err);
    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, c->arena, 2);
    json_adds(&b, "jobs", admin__jobs_json(c->arena, &names, l.jobs, l.n));
    json_adds(&b, "cursor", l.n == l.limit ? admin__id_json(c->arena, l.jobs[l.n - 1].job.id) : json_null());
    return admin__answer(c, 200, json_end(&b), err);
}

static enum tl_rc cancel_job(struct admin_call *c, struct tl_err *err)
{
    struct admin *a = c->admin;
    uint64_t id;
    enum tl_rc rc = admin__id(http_req_param(c->req, "id"), &id, err);

    if (rc == TL_OK)
        rc = admin__act(c, err, "job %.*s", TL_SV_ARG(http_req_param(c->req, "id")));
    if (rc == TL_OK)
        rc = queue_job_cancel(a->queue, c->task, id, err);
    return rc == TL_OK ? admin__done(c, err) : rc;
}

static enum tl_rc no_masks(struct admin_call *c, struct json body, struct tl_err *err)
{
    struct flow_plan *p = admin__plan(c->admin);
    bool holds = flow_plan_holds_mask(p, body);

    flow_plan_unref(p);
    return holds ? tl_fail(err, TL_INVALID,
                           "the new body holds the mask `%s` where personal data stood: reveal it first", FLOW_MASK)
                 : TL_OK;
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
        rc = no_masks(c, ignored, err);
    if (rc == TL_OK)
        rc = admin__act(c, err, "event %.*s", TL_SV_ARG(http_req_param(c->req, "id")));
    if (rc == TL_OK)
        rc = queue_edit(a->queue, c->task, id, c->req->body, tl_sv_str(c->caller.who), &revision, err);
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
        rc = admin__act(c, err, "event %.*s", TL_SV_ARG(http_req_param(c->req, "id")));
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

/* {"ok": true, "held": "identity_changed", "held_reason"}: what is resumed may have been held twice. */
static enum tl_rc answer_held(struct admin_call *c, bool flow, uint32_t id, struct tl_err *err)
{
    enum queue_held held = QUEUE_HELD_NONE;
    const char *text = "";
    struct json_builder b;
    struct queue_stat s;
    enum tl_rc rc = queue_stats(c->admin->queue, c->task, c->arena, &s, err);

    for (size_t i = 0; rc == TL_OK && flow && i < s.n_flows; i++)
        if (s.flows[i].id == id && s.flows[i].held != QUEUE_HELD_NONE) {
            held = s.flows[i].held;
            text = s.flows[i].held_text;
        }
    for (size_t i = 0; rc == TL_OK && !flow && i < s.n_connections; i++)
        if (s.connections[i].id == id && s.connections[i].held != QUEUE_HELD_NONE) {
            held = s.connections[i].held;
            text = s.connections[i].held_text;
        }
    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, c->arena, 3);
    json_adds(&b, "ok", json_bool(true));
    json_adds(&b, "held", held == QUEUE_HELD_NONE ? json_null() : json_str(queue_held_name(held)));
    json_adds(&b, "held_reason", json_str(text));
    return admin__answer(c, 200, json_end(&b), err);
}

static enum tl_rc set_held(struct admin_call *c, bool flow, bool pause, struct tl_err *err)
{
    struct admin *a = c->admin;
    struct tl_sv name = http_req_param(c->req, "name"), why;
    uint32_t id;
    enum tl_rc rc;

    rc = flow ? admin__flow(c, name, &id, err) : admin__connection(c, name, &id, err);
    if (rc != TL_OK)
        return rc;
    why = c->reason.n ? c->reason : TL_SV("paused by a person");
    rc = admin__act(c, err, "%s %.*s", flow ? "flow" : "connection", TL_SV_ARG(name));
    if (rc != TL_OK)
        return rc;
    if (!flow && !pause)
        try_credentials(a, name);
    if (flow)
        rc = pause ? queue_pause_flow(a->queue, c->task, id, why, err) : queue_resume_flow(a->queue, c->task, id, err);
    else
        rc = pause ? queue_pause_connection(a->queue, c->task, id, why, err)
                   : queue_resume_connection(a->queue, c->task, id, err);
    return rc == TL_OK ? answer_held(c, flow, id, err) : rc;
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
        return tl_fail(err, TL_UNREACHABLE, "no server is running: there is nothing to be seen");
    span = json_text(json_gets(v, "for"), TL_SV("10m"));
    if (!tl_duration_parse(span, &ms) || ms < 0 || ms > DEBUG_MOST_MS)
        return tl_fail(err, TL_INVALID, "`for` must be a duration such as 10m, of at most 24h (0s: stop), not '%.*s'",
                       TL_SV_ARG(span));
    bodies = json_gets(v, "bodies");
    rc = admin__act(c, err, "flow %.*s for %.*s%s", TL_SV_ARG(name), TL_SV_ARG(span),
                    bodies.type == JSON_BOOL && bodies.u.b ? ", with bodies" : "");
    if (rc != TL_OK)
        return rc;
    until = ms ? tl_clock_wall_ms(a->clock) + ms : 0;
    if (!flow_engine_debug(a->engine, name, until, bodies.type == JSON_BOOL && bodies.u.b))
        return tl_fail(err, TL_NOT_FOUND, "flow '%.*s' is not in the configuration any more", TL_SV_ARG(name));
    json_object_begin(&b, c->arena, 1);
    json_adds(&b, "until", admin__time_json(c->arena, until));
    return admin__answer(c, 200, json_end(&b), err);
}

/* ---- configuration and snapshot ---- */
/* The file as it is now against what runs. A file with faults is an answer too. */
static enum tl_rc get_diff(struct admin_call *c, struct tl_err *err)
{
    struct json answer = JSON_NOTHING;
    struct json_builder b;
    enum tl_rc rc;

    if (!c->admin->reload)
        return tl_fail(err, TL_UNREACHABLE, "no server is running: the next `tieline run` reads the configuration");
    rc = c->admin->reload(c->admin->reload_arg, c->task, true, c->arena, &answer, err);
    if (rc != TL_OK && (rc != TL_CONFIG || answer.type != JSON_OBJECT))
        return rc;
    json_object_begin(&b, c->arena, 5);
    json_adds(&b, "running", rc == TL_OK ? json_gets(answer, "running") : json_null());
    json_adds(&b, "file", rc == TL_OK ? json_gets(answer, "file") : json_null());
    json_adds(&b, "changes", rc == TL_OK ? json_gets(answer, "changes") : json_null());
    json_adds(&b, "ledger", rc == TL_OK ? json_gets(answer, "ledger") : json_null());
    json_adds(&b, "problems", rc == TL_OK ? json_null() : json_gets(answer, "errors"));
    return admin__answer(c, 200, json_end(&b), err);
}

static enum tl_rc post_reload(struct admin_call *c, struct tl_err *err)
{
    struct admin *a = c->admin;
    struct json answer = JSON_NOTHING;
    enum tl_rc rc = TL_OK;

    if (!a->reload)
        return tl_fail(err, TL_UNREACHABLE, "no server is running: the next `tieline run` reads the configuration");
    if (!c->dry)
        rc = admin__act(c, err, "%s", a->config_path);
    if (rc != TL_OK)
        return rc;
    rc = a->reload(a->reload_arg, c->task, c->dry, c->arena, &answer, err);
    if (rc == TL_CONFIG && answer.type == JSON_OBJECT)
        return admin__answer(c, 422, answer, err);
    return rc == TL_OK ? admin__answer(c, 200, answer, err) : rc;
}

#define REKEY_ROUND_NS 2000000000ull

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
    rc = admin__act(c, err, "%.*s", TL_SV_ARG(path));
    if (rc != TL_OK)
        return rc;
    rc = admin__blocking(c, take_snapshot, &s, err);
    if (rc == TL_OK && s.rc != TL_OK) {
        *err = s.err;
        rc = s.rc;
    }
    return rc == TL_OK ? admin__done(c, err) : rc;
}

/* A round of moving rows under the newest key: the caller asks again until it is done. */
static enum tl_rc post_rekey(struct admin_call *c, struct tl_err *err)
{
    const uint64_t until = tl_clock_mono_ns(tl_clock_system()) + REKEY_ROUND_NS;
    struct queue_rekey r = {0};
    struct json_builder b;
    enum tl_rc rc = admin__act(c, err, "ledger");

    while (rc == TL_OK && !r.done && tl_clock_mono_ns(tl_clock_system()) < until)
        rc = queue_rekey(c->admin->queue, c->task, &r, err);
    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, c->arena, 3);
    json_adds(&b, "done", json_bool(r.done));
    json_adds(&b, "changed", json_int((int64_t)r.changed));
    json_adds(&b, "unreadable", json_int((int64_t)r.unreadable));
    return admin__answer(c, 200, json_end(&b), err);
}

/* Of a plan and of its job. */
#define BULK_FIELDS                                                                                                    \
    {"action", "string", ACTIONS ".", true},                                                                           \
        {"filter", "object",                                                                                           \
         "flow, state, class, fingerprint, from, until, event, ids, key, error, text, target, connection, or q, as "   \
         "for lists; {}: everything.",                                                                                 \
         true},                                                                                                        \
        {"to", "string", "move: the flow.", false},                                                                    \
        {"to_target", "string", "move: its target, where it has several.", false},                                     \
        {"include_superseded", "boolean", "replay: also where the key has gone on meanwhile.", false},                 \
    {                                                                                                                  \
        "last", "string", "Of the plan: nothing younger is touched.", false                                            \
    }
static const struct admin__field plan_body[] = {
    BULK_FIELDS, {"next", "string", "Of the answer before, with its `last`: the next slice.", false}, {0}};
static const struct admin__field job_body[] = {
    BULK_FIELDS, {"matching", "integer", "Of the plan, with its `last`: shown as the job's total.", false}, {0}};
static const struct admin__route routes[] = {
    {.methods = "GET",
     .pattern = "/v1/config/diff",
     .fn = get_diff,
     .doc = "The configuration in force beside its file.",
     .role = ADMIN_OPERATOR},
    {.methods = "POST",
     .pattern = "/v1/plan",
     .fn = post_plan,
     .doc = "Count what an action on many would touch: a slice of it at once, the next one from `next` until that is "
            "null; the sums are the plan.",
     .body = plan_body,
     .role = ADMIN_VIEWER},
    {.methods = "POST",
     .pattern = "/v1/jobs",
     .fn = post_job,
     .doc = "Act on many; runs in the background.",
     .body = job_body,
     .act = "start job",
     .role = ADMIN_OPERATOR},
    {.methods = "GET",
     .pattern = "/v1/jobs",
     .fn = get_jobs,
     .doc = "Actions on many, newest first.",
     .query = (const struct admin__field[]){{"limit", "integer", "1 to 1000; 50 when absent.", false},
                                            {"cursor", "string", "The `cursor` of the page before.", false},
                                            {0}},
     .role = ADMIN_VIEWER},
    {.methods = "GET", .pattern = "/v1/jobs/{id}", .fn = get_job, .doc = "How far one is.", .role = ADMIN_VIEWER},
    {.methods = "POST",
     .pattern = "/v1/jobs/{id}/cancel",
     .fn = cancel_job,
     .doc = "Stop it where it is.",
     .body = admin__no_fields,
     .act = "cancel job",
     .role = ADMIN_OPERATOR},
    {.methods = "POST",
     .pattern = "/v1/events/{id}/edit",
     .fn = post_edit,
     .doc = "A new revision of what a delivery will send that is dead or held; the body is the payload.",
     .act = "edit",
     .raw = true,
     .role = ADMIN_OPERATOR},
    {.methods = "POST",
     .pattern = "/v1/events/{id}/promote",
     .fn = post_promote,
     .doc = "Next of its flow, within the rules of its key.",
     .body = admin__no_fields,
     .act = "promote",
     .role = ADMIN_OPERATOR},
    {.methods = "POST",
     .pattern = "/v1/flows/{name}/pause",
     .fn = pause_flow,
     .doc = "Hold a flow; nothing is lost.",
     .body = admin__no_fields,
     .act = "pause flow",
     .role = ADMIN_OPERATOR},
    {.methods = "POST",
     .pattern = "/v1/flows/{name}/resume",
     .fn = resume_flow,
     .doc = "Let it go on.",
     .body = admin__no_fields,
     .act = "resume flow",
     .role = ADMIN_OPERATOR},
    {.methods = "POST",
     .pattern = "/v1/flows/{name}/debug",
     .fn = post_debug,
     .doc = "Log each call of a flow for a while.",
     .body = (const struct admin__field[]){{"for", "string", "A duration of at most 24h; 0s ends it.", false},
                                           {"bodies", "boolean", "Payloads too.", false},
                                           {0}},
     .act = "debug flow",
     .role = ADMIN_OPERATOR},
    {.methods = "POST",
     .pattern = "/v1/connections/{name}/pause",
     .fn = pause_connection,
     .doc = "Hold a connection.",
     .body = admin__no_fields,
     .act = "pause connection",
     .role = ADMIN_OPERATOR},
    {.methods = "POST",
     .pattern = "/v1/connections/{name}/resume",
     .fn = resume_connection,
     .doc = "Let it go on.",
     .body = admin__no_fields,
     .act = "resume connection",
     .role = ADMIN_OPERATOR},
    {.methods = "POST",
     .pattern = "/v1/reload",
     .fn = post_reload,
     .doc = "Read the configuration again.",
     .query = (const struct admin__field[]){{"dry_run", "boolean", "Only show what would change.", false}, {0}},
     .body = admin__no_fields,
     .act = "reload",
     .can_dry = true,
     .role = ADMIN_ADMIN},
    {.methods = "POST",
     .pattern = "/v1/ledger/rekey",
     .fn = post_rekey,
     .doc = "Move what is on disk under the newest encryption key; ask again until it is done.",
     .body = admin__no_fields,
     .role = ADMIN_ADMIN,
     .act = "rekey ledger"},
    {.methods = "POST",
     .pattern = "/v1/snapshot",
     .fn = post_snapshot,
     .doc = "A consistent copy of the ledger, written by the server.",
     .body = (const struct admin__field[]){{"path", "string", "Absolute path of the new file.", true}, {0}},
     .act = "snapshot",
     .role = ADMIN_ADMIN,
     .timeout_ms = UINT32_MAX},
};
const struct admin__table admin__operate_table = {routes, TL_COUNT(routes)};
