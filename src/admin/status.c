/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - the whole on one page: flows, connections, the ledger; and the configuration in force. */
#include "admin/admin_int.h"

#include <unistd.h>

#include "http/http.h"

static struct json counts_json(struct tl_arena *a, const struct queue_flow_stat *f)
{
    static const enum queue_state shown[] = {QUEUE_QUEUED,  QUEUE_RUNNING,   QUEUE_RETRYING,
                                             QUEUE_HELD,    QUEUE_DEAD,      QUEUE_DELIVERED,
                                             QUEUE_SKIPPED, QUEUE_CANCELLED, QUEUE_DISCARDED};
    struct json_builder b;

    json_object_begin(&b, a, TL_COUNT(shown));
    for (size_t i = 0; i < TL_COUNT(shown); i++)
        json_adds(&b, queue_state_name(shown[i]), json_int((int64_t)f->count[shown[i]]));
    return json_end(&b);
}

static struct json failed_json(struct tl_arena *a, const uint64_t failed[TL_CLASS_COUNT])
{
    struct json_builder b;

    json_object_begin(&b, a, TL_CLASS_COUNT);
    for (int c = 1; c < TL_CLASS_COUNT; c++)
        json_adds(&b, tl_class_name((enum tl_class)c), json_int((int64_t)failed[c]));
    return json_end(&b);
}

/* The plan may go before the answer is written: a copy. */
static void add_shape(const struct flow_plan *p, struct tl_arena *a, const char *flow, struct json_builder *b)
{
    struct json_builder shape;
    struct json v;

    json_object_begin(&shape, a, 2);
    flow_plan_add_shape(p, a, tl_sv_str(flow), &shape);
    v = json_copy(a, json_end(&shape));
    for (uint32_t i = 0; v.type == JSON_OBJECT && i < v.n; i++)
        json_add(b, json_view(v.u.members[i].key), v.u.members[i].value);
}

/* As the series found it last, at most ten seconds ago: no query here. */
static struct json oldest_json(struct admin *admin, const struct queue_flow_stat *f)
{
    int64_t now = tl_clock_wall_ms(admin->clock), received = admin__series_oldest(admin, f->name);

    if (f->count[QUEUE_QUEUED] + f->count[QUEUE_RETRYING] == 0 || !received)
        return json_null();
    return json_int(received < now ? now - received : 0);
}

static struct json flow_json(struct admin *admin, const struct flow_plan *p, struct tl_arena *a,
                             const struct queue_flow_stat *f)
{
    struct json_builder b;
    bool bodies = false;
    char waits[300];
    int64_t debug = admin->engine ? flow_engine_debug_until(admin->engine, tl_sv_str(f->name), &bodies) : 0;

    json_object_begin(&b, a, 26);
    json_adds(&b, "name", json_str(f->name));
    json_adds(&b, "counts", counts_json(a, f));
    json_adds(&b, "events", json_int((int64_t)f->events));
    json_adds(&b, "duplicates", json_int((int64_t)f->duplicates));
    json_adds(&b, "other_body", json_int((int64_t)f->other_body));
    json_adds(&b, "no_key", json_int((int64_t)f->no_key));
    json_adds(&b, "attempts", json_int((int64_t)f->attempts));
    json_adds(&b, "retries", json_int((int64_t)f->retries));
    json_adds(&b, "failed", failed_json(a, f->failed));
    json_adds(&b, "removed", json_bool(f->removed));
    json_adds(&b, "held", f->held ? json_str(queue_held_name(f->held)) : json_null());
    json_adds(&b, "held_reason", json_str(f->held_text));
    json_adds(&b, "held_since", admin__time_json(a, f->held_since_ms));
    json_adds(&b, "not_ready",
              admin->engine && flow_engine_waits(admin->engine, tl_sv_str(f->name), waits, sizeof waits)
                  ? json_str_copy(a, tl_sv_str(waits))
                  : json_null());
    json_adds(&b, "died", json_int((int64_t)f->died));
    json_adds(&b, "debug_until", admin__time_json(a, debug));
    json_adds(&b, "debug_bodies", json_bool(bodies));
    if (p)
        add_shape(p, a, f->name, &b);
    json_adds(&b, "oldest_ms", oldest_json(admin, f));
    admin__series_now(admin, &b, f->name, false);
    json_adds(&b, "sla", admin->engine ? flow_engine_sla(admin->engine, a, tl_sv_str(f->name)) : json_null());
    return json_end(&b);
}

struct json admin__budgets_json(struct tl_arena *a, const struct queue_connection_stat *c)
{
    struct json_builder list, b;

    json_array_begin(&list, a, c->n_budgets);
    for (size_t i = 0; i < c->n_budgets; i++) {
        const struct queue_budget_stat *s = &c->budgets[i];

        json_object_begin(&b, a, 5);
        json_adds(&b, "name", json_str(s->name));
        json_adds(&b, "limit", json_double(s->amount));
        json_adds(&b, "used", json_double(s->used));
        json_adds(&b, "remaining", json_double(s->remaining));
        json_adds(&b, "resets_at", admin__time_json(a, s->resets_ms));
        json_push(&list, json_end(&b));
    }
    return json_end(&list);
}

struct json admin__credentials_json(const struct admin *admin, struct tl_arena *a, const char *connection)
{
    const struct alert_credential *all = NULL;
    int64_t now = tl_clock_wall_ms(admin->clock);
    struct json_builder list, b;
    size_t n = 0;

    if (admin->credentials)
        admin->credentials(admin->credentials_arg, connection, a, &all, &n);
    json_array_begin(&list, a, n);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&b, a, 6);
        json_adds(&b, "what", json_str(all[i].what));
        json_adds(&b, "renews", json_bool(all[i].renews));
        json_adds(&b, "since", admin__time_json(a, all[i].since_ms));
        json_adds(&b, "age_ms", all[i].since_ms ? json_int(now - all[i].since_ms) : json_null());
        json_adds(&b, "expires_at", admin__time_json(a, all[i].expires_ms));
        json_adds(&b, "expires_in_ms", all[i].expires_ms ? json_int(all[i].expires_ms - now) : json_null());
        json_push(&list, json_end(&b));
    }
    return json_end(&list);
}

static struct json connection_json(struct admin *admin, const struct flow_plan *p, struct tl_arena *a,
                                   const struct queue_connection_stat *c)
{
    struct json_builder b;

    json_object_begin(&b, a, 24);
    json_adds(&b, "name", json_str(c->name));
    if (p)
        flow_plan_add_connection(p, a, tl_sv_str(c->name), &b);
    json_adds(&b, "last_success_at", admin__time_json(a, c->last_ok_ms));
    json_adds(&b, "credentials", admin__credentials_json(admin, a, c->name));
    json_adds(&b, "breaker", json_str(c->breaker));
    json_adds(&b, "waiting", json_int((int64_t)c->waiting));
    json_adds(&b, "running", json_int((int64_t)c->running));
    json_adds(&b, "concurrency", json_int(c->concurrency));
    json_adds(&b, "budgets", admin__budgets_json(a, c));
    json_adds(&b, "calls", json_int((int64_t)c->calls));
    json_adds(&b, "failed", failed_json(a, c->failed));
    json_adds(&b, "drain_ms", c->drain_ms == UINT64_MAX ? json_null() : json_int((int64_t)c->drain_ms));
    json_adds(&b, "drain_reason", json_str(c->drain_reason));
    admin__series_now(admin, &b, c->name, true);
    json_adds(&b, "removed", json_bool(c->removed));
    json_adds(&b, "held", c->held ? json_str(queue_held_name(c->held)) : json_null());
    json_adds(&b, "held_reason", json_str(c->held_text));
    json_adds(&b, "held_since", admin__time_json(a, c->held_since_ms));
    json_adds(&b, "next_try_at", admin__time_json(a, c->next_ms));
    return json_end(&b);
}

static struct json connections_json(struct admin *admin, const struct flow_plan *p, struct tl_arena *a,
                                    const struct queue_stat *s)
{
    struct json_builder list;

    json_array_begin(&list, a, s->n_connections);
    for (size_t i = 0; i < s->n_connections; i++)
        json_push(&list, connection_json(admin, p, a, &s->connections[i]));
    return json_end(&list);
}

static struct json ledger_json(struct tl_arena *a, const struct queue_stat *s)
{
    struct json_builder b;

    json_object_begin(&b, a, 12);
    json_adds(&b, "live", json_int((int64_t)s->live));
    json_adds(&b, "in_flight", json_int((int64_t)s->works_out));
    json_adds(&b, "in_window", json_int((int64_t)s->in_window));
    json_adds(&b, "commits", json_int((int64_t)s->commits));
    json_adds(&b, "sync_us_at_start", json_int((int64_t)s->sync_us_start));
    json_adds(&b, "sync_us", json_int((int64_t)s->sync_us_avg));
    json_adds(&b, "wal_pages", json_int((int64_t)s->wal_pages));
    json_adds(&b, "disk_free", json_int((int64_t)s->disk_free));
    json_adds(&b, "disk_reserve", json_int((int64_t)s->disk_reserve));
    json_adds(&b, "intake_stopped", json_bool(s->intake_stopped));
    json_adds(&b, "moved", json_bool(s->moved));
    json_adds(&b, "config_version", json_int((int64_t)s->config_version));
    return json_end(&b);
}

static struct json vault_json(struct admin *admin, struct tl_arena *a)
{
    struct secret_vault_status s = {0};
    struct json_builder b;

    if (admin->vault)
        secret_vault_get_status(admin->vault, &s);
    if (!s.configured)
        return json_null();
    json_object_begin(&b, a, 7);
    json_adds(&b, "address", json_str_copy(a, tl_sv_str(s.address)));
    json_adds(&b, "ok", json_bool(s.ok));
    json_adds(&b, "references", json_int((int64_t)s.references));
    json_adds(&b, "waiting", json_int((int64_t)s.waiting));
    json_adds(&b, "age_ms", s.age_ms < 0 ? json_null() : json_int(s.age_ms));
    json_adds(&b, "last_ok_ms", s.since_ok_ms < 0 ? json_null() : json_int(s.since_ok_ms));
    json_adds(&b, "reason", json_str_copy(a, tl_sv_str(s.reason)));
    return json_end(&b);
}

struct json admin__status_json(struct admin_call *c, struct tl_err *err)
{
    struct admin *a = c->admin;
    struct tl_arena *arena = c->arena;
    struct json_builder b, list;
    struct queue_stat s;
    struct flow_plan *p;

    if (queue_stats(a->queue, c->task, arena, &s, err) != TL_OK)
        return JSON_NOTHING;
    p = admin__plan(a);
    json_object_begin(&b, arena, 10);
    json_adds(&b, "version", json_str(TIELINE_VERSION));
    json_adds(&b, "running", json_bool(a->engine != NULL));
    json_adds(&b, "pid", json_int(getpid()));
    json_adds(&b, "started_at", admin__time_json(arena, a->started_ms));
    json_adds(&b, "ledger", ledger_json(arena, &s));
    json_adds(&b, "vault", vault_json(a, arena));
    json_array_begin(&list, arena, s.n_flows);
    for (size_t i = 0; i < s.n_flows; i++)
        json_push(&list, flow_json(a, p, arena, &s.flows[i]));
    json_adds(&b, "flows", json_end(&list));
    json_adds(&b, "connections", connections_json(a, p, arena, &s));
    admin__series_now(a, &b, "", false);
    flow_plan_unref(p);
    return json_end(&b);
}

static enum tl_rc get_status(struct admin_call *c, struct tl_err *err)
{
    struct json v = admin__status_json(c, err);

    return v.type == JSON_UNDEFINED ? err->rc : admin__answer(c, 200, v, err);
}

static enum tl_rc get_connections(struct admin_call *c, struct tl_err *err)
{
    struct json_builder b;
    struct queue_stat s;
    struct flow_plan *p;
    struct json list;
    enum tl_rc rc = queue_stats(c->admin->queue, c->task, c->arena, &s, err);

    if (rc != TL_OK)
        return rc;
    p = admin__plan(c->admin);
    list = connections_json(c->admin, p, c->arena, &s);
    flow_plan_unref(p);
    json_object_begin(&b, c->arena, 1);
    json_adds(&b, "connections", list);
    return admin__answer(c, 200, json_end(&b), err);
}

static enum tl_rc get_config(struct admin_call *c, struct tl_err *err)
{
    struct admin *a = c->admin;
    struct flow_plan *p = a->engine ? flow_engine_plan(a->engine) : a->plan ? flow_plan_ref(a->plan) : NULL;
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};

    if (!p)
        return tl_fail(err, TL_NOT_FOUND, "no configuration was read");
    tl_buf_init(&text, 8 << 20);
    config_print_effective(&flow_project_spec, flow_plan_node(p), &text);
    flow_plan_unref(p);
    http_res_set(c->res, 200, "application/yaml", tl_arena_sv(c->arena, tl_buf_view(&text)));
    return TL_OK;
}

static const struct admin__route routes[] = {
    {.methods = "GET",
     .pattern = "/v1/status",
     .fn = get_status,
     .doc = "Everything at a glance: flows, connections, the ledger.",
     .role = ADMIN_VIEWER},
    {.methods = "GET",
     .pattern = "/v1/connections",
     .fn = get_connections,
     .doc = "Each connection: type, host, breaker, limits, what waits, last success, credentials and when they end.",
     .role = ADMIN_VIEWER},
    {.methods = "GET",
     .pattern = "/v1/config",
     .fn = get_config,
     .doc = "The configuration in force, secrets as references.",
     .role = ADMIN_VIEWER},
};
const struct admin__table admin__status_table = {routes, TL_COUNT(routes)};
