/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.c - the plan that runs: how it is started, swapped and left.
 * Each loop has a pointer to the plan of its own, changed by a post, so that work takes a reference without a lock.
 */
#include "flow/flow_int.h"

#include <stdio.h>

enum { ARENA_LIMIT = 256 << 20 };

/* ---- meters ---- */
static const struct metrics_desc descs[] = {
    [FLOW_F_RECEIVED] =
        {"tieline_events_received_total", "Events accepted into the ledger.", METRICS_COUNTER, {"flow"}, 0, 0},
    [FLOW_F_DUPLICATES] =
        {"tieline_events_duplicate_total", "Requests that repeated a known event.", METRICS_COUNTER, {"flow"}, 0, 0},
    [FLOW_F_REFUSED] =
        {"tieline_webhooks_refused_total", "Requests whose signature was not good.", METRICS_COUNTER, {"flow"}, 0, 0},
    [FLOW_F_RETRIES] = {"tieline_retries_total", "Attempts after the first.", METRICS_COUNTER, {"flow"}, 0, 0},
    [FLOW_F_DELAY] =
        {"tieline_delivery_delay_seconds", "From received to delivered.", METRICS_HISTOGRAM, {"flow"}, 0, 1e-6},
    [FLOW_F_ATTEMPTS] =
        {"tieline_delivery_attempts", "Attempts that a delivered event took.", METRICS_HISTOGRAM, {"flow"}, 0, 1},
    [FLOW_F_FAILED] =
        {"tieline_attempts_failed_total", "Attempts that failed, by class.", METRICS_COUNTER, {"flow", "class"}, 0, 0},
    [FLOW_F_HOOK_TIME] = {"tieline_webhook_duration_seconds",
                          "From a whole request to its answer, the commit included.",
                          METRICS_HISTOGRAM,
                          {"flow", "status"},
                          0,
                          1e-6},
    [FLOW_F_CALL_TIME] = {"tieline_call_duration_seconds",
                          "Calls to other systems.",
                          METRICS_HISTOGRAM,
                          {"connection", "operation"},
                          0,
                          1e-6},
    [FLOW_F_CALLS] = {"tieline_calls_total",
                      "Calls to other systems by class of their status, 429 by itself; none: no answer, or not HTTP.",
                      METRICS_COUNTER,
                      {"connection", "operation", "status"},
                      0,
                      0},
    [FLOW_F_SOURCE_READ] = {"tieline_source_last_read_timestamp_seconds",
                            "When the source of a flow was last read without failure, in seconds since 1970; 0: never.",
                            METRICS_GAUGE,
                            {"flow"},
                            0,
                            0},
    [FLOW_F_SOURCE_FAILING] = {"tieline_source_failing_since_timestamp_seconds",
                               "Since when every read of the source has failed, in seconds since 1970; 0: it works.",
                               METRICS_GAUGE,
                               {"flow"},
                               0,
                               0},
    [FLOW_F_NO_ORDER] = {"tieline_events_no_order_total",
                         "Events for which `order_by` has no value: they are delivered in no order.",
                         METRICS_COUNTER,
                         {"flow"},
                         0,
                         0},
};

const struct metrics_desc *flow_metrics(size_t *ret_n)
{
    *ret_n = TL_COUNT(descs);
    return descs;
}

static struct metric *series(struct flow_engine *e, enum flow_family f, const char *flow, const char *second)
{
    const char *values[] = {flow, second};

    return metrics_series(e->families[f], values);
}

static void give_meters(struct flow_engine *e, struct flow *f)
{
    struct flow_meters *m = tl_arena_must(f->plan->arena, sizeof *m);

    *m = (struct flow_meters){0};
    m->received = series(e, FLOW_F_RECEIVED, f->name, NULL);
    m->duplicates = series(e, FLOW_F_DUPLICATES, f->name, NULL);
    m->refused = series(e, FLOW_F_REFUSED, f->name, NULL);
    m->retries = series(e, FLOW_F_RETRIES, f->name, NULL);
    m->delay = series(e, FLOW_F_DELAY, f->name, NULL);
    m->attempts = series(e, FLOW_F_ATTEMPTS, f->name, NULL);
    for (int c = 0; c < TL_CLASS_COUNT; c++)
        m->failed[c] = series(e, FLOW_F_FAILED, f->name, tl_class_name((enum tl_class)c));
    if (f->source == FLOW_READ || f->source == FLOW_SCHEDULE) {
        m->read_at = series(e, FLOW_F_SOURCE_READ, f->name, NULL);
        m->failing_since = series(e, FLOW_F_SOURCE_FAILING, f->name, NULL);
    }
    if (f->order_by)
        m->no_order = series(e, FLOW_F_NO_ORDER, f->name, NULL);
    f->meters = m;
    f->watch = flow__watch(e, f->name);
    for (size_t i = 0; i < f->n_targets; i++)
        f->targets[i].calls =
            flow__call_meters(e, f->plan->arena, f->targets[i].connection->name, f->targets[i].operation->name);
    for (size_t i = 0; i < f->n_steps; i++) {
        struct flow_ask *ask = f->steps[i].ask;

        if (ask)
            ask->calls = flow__call_meters(e, f->plan->arena, ask->connection->name, ask->operation->name);
    }
    if (f->read)
        f->read->calls = flow__call_meters(e, f->plan->arena, f->read->connection->name, f->read->operation->name);
}

/* ---- small services ---- */
const struct tl_clock *flow__clock(const struct flow *f)
{
    return f->plan->engine->opt.clock;
}

struct queue *flow__queue(const struct flow *f)
{
    return f->plan->engine->queue;
}

void flow__refused(const struct flow *f, const struct http_req *req, const struct webhook_verdict *v)
{
    const char *reason = v->reason ? v->reason : "not verified";
    struct flow_watch *w = f->watch;
    char from[HTTP_ADDR_TEXT];
    bool first;

    metrics_inc(f->meters->refused);
    (void)http_addr_format(&req->client, from);
    pthread_mutex_lock(&w->lock);
    first = flow__refusals_add(&w->refusals, from, reason, (int64_t)tl_clock_mono_ms(flow__clock(f)));
    pthread_mutex_unlock(&w->lock);
    if (first)
        TL_LOG(f->plan->engine->opt.log, TL_WARN, "webhook.refused", reason, KV_STR("flow", f->name),
               KV_STR("why", v->why), KV_STR("from", from));
}

#define OTHER_BODY "the same key came with another body"

static void tell_other_bodies(struct flow_engine *e, struct flow_watch *w)
{
    struct flow_refusal line;
    bool due;

    pthread_mutex_lock(&w->lock);
    due = flow__fold_due(&w->other_body, (int64_t)tl_clock_mono_ms(e->opt.clock), &line);
    pthread_mutex_unlock(&w->lock);
    if (due)
        TL_LOG(e->opt.log, TL_WARN, "webhook.other_body", line.reason, KV_STR("flow", w->name),
               KV_U64("more", line.folded));
}

void flow__tell_refusals(struct flow_engine *e)
{
    struct flow_refusal line;

    for (struct flow_watch *w = flow__first_watch(e); w; w = w->next) {
        tell_other_bodies(e, w);
        for (bool due = true; due;) {
            pthread_mutex_lock(&w->lock);
            due = flow__refusals_due(&w->refusals, (int64_t)tl_clock_mono_ms(e->opt.clock), &line);
            pthread_mutex_unlock(&w->lock);
            if (due)
                TL_LOG(e->opt.log, TL_WARN, "webhook.refused", line.reason, KV_STR("flow", w->name),
                       KV_STR("from", line.from), KV_U64("more", line.folded));
        }
    }
}

void flow__log_waits(const struct flow *f)
{
    TL_LOG(f->plan->engine->opt.log, TL_WARN, "webhook.not_ready", f->waits, KV_STR("flow", f->name));
}

void flow__received(const struct flow *f, const struct queue_put *put)
{
    struct flow_watch *w = f->watch;
    char id[14];
    bool first;

    metrics_inc(put->ret_duplicate ? f->meters->duplicates : f->meters->received);
    if (!put->ret_other_body)
        return;
    pthread_mutex_lock(&w->lock);
    first = flow__fold(&w->other_body, "anybody", OTHER_BODY, (int64_t)tl_clock_mono_ms(flow__clock(f)));
    pthread_mutex_unlock(&w->lock);
    if (first)
        TL_LOG(f->plan->engine->opt.log, TL_WARN, "webhook.other_body", OTHER_BODY, KV_STR("flow", f->name),
               KV_STR("event_id", tl_id32_format(put->ret_event, id)));
}

struct flow *flow__by_id(const struct flow_plan *p, uint32_t id)
{
    return id < p->n_by_id ? p->by_id[id] : NULL;
}

struct connector_host *flow__host(const struct flow_plan *p, const struct flow_connection *c, unsigned loop)
{
    return p->hosts[loop * p->n_connections + c->index];
}

struct tl_arena *flow__arena(struct flow_loop *l)
{
    return l->n_spare ? l->spare[--l->n_spare] : tl_arena_new(ARENA_LIMIT);
}

void flow__arena_back(struct flow_loop *l, struct tl_arena *a)
{
    if (l->n_spare == TL_COUNT(l->spare)) {
        tl_arena_free(a);
        return;
    }
    tl_arena_reset(a);
    l->spare[l->n_spare++] = a;
}

/* ---- making and starting ---- */
struct flow_engine *flow_engine_new(const struct flow_engine_options *options)
{
    struct flow_engine *e = tl_zalloc(sizeof *e);

    e->opt = *options;
    if (!e->opt.clock)
        e->opt.clock = tl_clock_system();
    pthread_mutex_init(&e->lock, NULL);
    e->keys = flow__keys_new(e->opt.clock);
    e->cache = flow__cache_new();
    e->writes = flow__writes_new();
    e->bodies = flow__bodies_new();
    e->told_post = (struct async_post){.fn = flow__told_write, .arg = e};
    e->loops = tl_zalloc(options->n_loops * sizeof *e->loops);
    for (size_t i = 0; i < options->n_loops; i++) {
        e->loops[i].engine = e;
        e->loops[i].loop = options->loops[i];
        e->loops[i].index = (unsigned)i;
    }
    for (size_t i = 0; i < TL_COUNT(descs); i++)
        e->families[i] = metrics_family(options->metrics, &descs[i]);
    return e;
}

struct chain {
    struct flow_engine *engine;
    struct queue_work *first;
    unsigned loop;
};

static void start_chain(void *arg)
{
    struct chain *c = arg;
    struct queue_work *next;

    for (struct queue_work *w = c->first; w; w = next) {
        next = w->next;
        flow__run(&c->engine->loops[c->loop], w);
    }
    tl_free(c);
}

void flow_engine_dispatch(void *engine, unsigned loop, struct queue_work *first)
{
    struct flow_engine *e = engine;
    struct chain *c = tl_alloc(sizeof *c);

    *c = (struct chain){e, first, loop};
    async_loop_post(e->loops[loop].loop, start_chain, c);
}

void flow_engine_notice(void *engine, const char *what, struct tl_sv flow, struct tl_sv connection, const char *text)
{
    struct flow_engine *e = engine;

    TL_LOG(e->opt.log, TL_WARN, "ledger.notice", text, KV_STR("what", what), KV_SV("flow", flow),
           KV_SV("connection", connection));
}

void flow_engine_fatal(void *engine, const struct tl_err *err)
{
    struct flow_engine *e = engine;

    if (e->opt.fatal)
        e->opt.fatal(e->opt.fatal_arg, err);
}

/* ---- plans: what the ledger must know, and the hosts of each loop ---- */
static void fill_target(const struct flow_target *t, struct queue_target_def *d)
{
    *d = (struct queue_target_def){.name = tl_sv_str(t->name),
                                   .connection = tl_sv_str(t->connection->name),
                                   .retry = &t->retry,
                                   .idempotent = t->facilities.idempotency == CONNECTOR_IDEMPOTENT_KEY ||
                                                 t->facilities.idempotency == CONNECTOR_IDEMPOTENT_UPSERT,
                                   .keyed = t->facilities.idempotency == CONNECTOR_IDEMPOTENT_KEY,
                                   .ordered_batch = t->facilities.ordered_batch,
                                   .batch_count = t->facilities.batch_count,
                                   .batch_bytes = t->facilities.batch_bytes,
                                   .batch_linger_ms = (uint32_t)t->conf->linger_ms};
}

/* One that has not begun yet was not in force either. */
static bool had_schedule(const struct flow_plan *p, const char *name)
{
    for (size_t i = 0; i < p->n_flows; i++)
        if (p->flows[i].source == FLOW_SCHEDULE && strcmp(p->flows[i].name, name) == 0)
            return !__atomic_load_n(&p->flows[i].anew, __ATOMIC_RELAXED);
    return false;
}

static enum tl_rc configure(struct flow_engine *e, struct task *task, struct flow_plan *p, bool dry_run,
                            struct queue_config_answer *ret_answer, struct tl_err *err)
{
    const struct flow_store_conf *store = &p->project->store;
    const struct queue_keep keep = {
        .key_ms = store->keep_keys_ms, .final_ms = store->keep_events_ms, .reserve_bytes = store->reserve};
    struct queue_config c = {
        .version = p->version, .keep = &keep, .n_flows = p->n_flows, .n_connections = p->n_connections};
    enum tl_rc rc;

    c.flows = tl_arena_zalloc(p->arena, (p->n_flows + 1) * sizeof *c.flows);
    c.connections = tl_arena_zalloc(p->arena, (p->n_connections + 1) * sizeof *c.connections);
    for (size_t i = 0; i < p->n_connections; i++)
        c.connections[i] = (struct queue_connection_def){
            .name = tl_sv_str(p->connections[i].name),
            .identity = p->connections[i].identity,
            .guard = &p->connections[i].guard,
            .accept_identity = p->connections[i].conf->accept_identity,
            .has_probe = connector_has_probe(p->connections[i].connector, p->connections[i].conf->type.conf)};
    for (size_t i = 0; i < p->n_flows; i++) {
        const struct flow *f = &p->flows[i];
        struct queue_flow_def *d = &c.flows[i];

        *d = (struct queue_flow_def){.name = tl_sv_str(f->name),
                                     .n_targets = f->n_targets,
                                     .expand = f->expand,
                                     .retry = &f->retry,
                                     .block_on_dead = f->conf->on_dead.key == 1,
                                     .priority = (uint32_t)f->conf->priority,
                                     .trip_in_a_row = (uint32_t)f->conf->on_dead.trip_in_a_row,
                                     .trip_half_of = (uint32_t)f->conf->on_dead.trip_half_of};
        d->targets = tl_arena_zalloc(p->arena, f->n_targets * sizeof *d->targets);
        for (size_t t = 0; t < f->n_targets; t++)
            fill_target(&f->targets[t], &d->targets[t]);
    }
    rc = queue_configure(e->queue, task, &c, dry_run, ret_answer, err);
    if (rc != TL_OK || dry_run)
        return rc;
    p->connection_ids = tl_arena_zalloc(p->arena, (p->n_connections + 1) * sizeof *p->connection_ids);
    for (size_t i = 0; i < p->n_connections; i++)
        p->connection_ids[i] = c.connections[i].ret_id;
    for (size_t i = 0; i < p->n_flows; i++) {
        p->flows[i].id = c.flows[i].ret_id;
        p->flows[i].anew = c.flows[i].ret_back || (e->plan && !had_schedule(e->plan, p->flows[i].name));
        if (p->flows[i].id >= p->n_by_id)
            p->n_by_id = p->flows[i].id + 1;
        for (size_t t = 0; t < p->flows[i].n_targets; t++)
            p->flows[i].targets[t].id = c.flows[i].targets[t].ret_id;
    }
    p->by_id = tl_arena_zalloc(p->arena, (p->n_by_id + 1) * sizeof(struct flow *));
    for (size_t i = 0; i < p->n_flows; i++)
        p->by_id[p->flows[i].id] = &p->flows[i];
    return TL_OK;
}

static void plan_gone(struct flow_plan *p)
{
    for (size_t i = 0; i < p->n_hosts; i++)
        connector_host_free(p->hosts[i]);
    for (size_t i = 0; i < p->n_hosts && p->dry; i++)
        connector_host_free(p->dry[i]);
    for (size_t i = 0; p->auths && i < p->n_connections; i++) {
        if (p->auths[i] && p->engine->opt.auth_free)
            p->engine->opt.auth_free(p->engine->opt.auth_arg, p->auths[i]);
    }
}

static bool is_asked(const struct flow_plan *p, const struct flow_connection *c)
{
    for (size_t i = 0; i < p->n_flows; i++)
        for (size_t k = 0; k < p->flows[i].n_steps; k++)
            if (p->flows[i].steps[k].ask && p->flows[i].steps[k].ask->connection == c)
                return true;
    return false;
}

/* One that sends, and for a connection that steps ask one that only tells what would be sent. */
static void make_host(struct flow_engine *e, struct flow_plan *p, size_t loop, const struct flow_connection *c)
{
    struct connector_host_options o = {.client = e->loops[loop].client,
                                       .clock = e->opt.clock,
                                       .connector = c->connector,
                                       .connection = c->conf->type.conf,
                                       .name = c->name,
                                       .counted = guard_has_quota(&c->guard),
                                       .auth = p->auths[c->index],
                                       .secret = e->opt.secret,
                                       .secret_arg = e->opt.secret_arg,
                                       .observe = flow__observe,
                                       .observe_arg = e};

    p->hosts[p->n_hosts] = connector_host_new(&o);
    if (is_asked(p, c)) {
        o.auth = NULL;
        o.observe = flow__catch;
        o.dry = true;
        p->dry[p->n_hosts] = connector_host_new(&o);
    }
    p->n_hosts++;
}

static enum tl_rc make_hosts(struct flow_engine *e, struct flow_plan *p, struct tl_err *err)
{
    p->engine = e;
    p->on_free = plan_gone;
    p->auths = tl_arena_zalloc(p->arena, (p->n_connections + 1) * sizeof(struct connector_auth *));
    p->hosts = tl_arena_zalloc(p->arena, (p->n_connections * e->opt.n_loops + 1) * sizeof(struct connector_host *));
    p->dry = tl_arena_zalloc(p->arena, (p->n_connections * e->opt.n_loops + 1) * sizeof(struct connector_host *));
    for (size_t i = 0; i < p->n_connections && e->opt.auth; i++) {
        const struct flow_connection *c = &p->connections[i];

        tl_err_clear(err);
        p->auths[i] = e->opt.auth(e->opt.auth_arg, c->connector, c->name, c->conf->type.conf, err);
        if (!p->auths[i] && err->rc != TL_OK)
            return tl_err_prefix(err, "connection %s", c->name);
    }
    for (size_t l = 0; l < e->opt.n_loops; l++)
        for (size_t i = 0; i < p->n_connections; i++)
            make_host(e, p, l, &p->connections[i]);
    for (size_t i = 0; i < p->n_flows; i++)
        give_meters(e, &p->flows[i]);
    return TL_OK;
}

static struct http_egress egress_of(const struct flow_project *p)
{
    const struct flow_egress_conf *c = &p->egress;

    return (struct http_egress){.allow_private = c->allow_private,
                                .allow = (const struct http_cidr *)c->allow.items,
                                .n_allow = c->allow.n,
                                .deny = (const struct http_cidr *)c->deny.items,
                                .n_deny = c->deny.n};
}

static enum tl_rc make_clients(struct flow_engine *e, const struct flow_project *c, struct tl_err *err)
{
    const struct http_client_options o = {.egress = egress_of(c)};

    for (size_t i = 0; i < e->opt.n_loops; i++) {
        enum tl_rc rc = http_client_new(e->loops[i].loop, &o, &e->loops[i].client, err);

        if (rc != TL_OK)
            return rc;
    }
    return TL_OK;
}

enum tl_rc flow_engine_start(struct flow_engine *e, struct queue *q, struct flow_plan *plan, struct tl_err *err)
{
    struct queue_config_answer answer;
    enum tl_rc rc;

    e->queue = q;
    e->inline_max = (size_t)plan->project->store.inline_max;
    plan->version = 1;
    rc = make_clients(e, plan->project, err);
    if (rc == TL_OK)
        rc = make_hosts(e, plan, err);
    if (rc == TL_OK)
        rc = configure(e, NULL, plan, false, &answer, err);
    if (rc != TL_OK)
        return rc;
    e->plan = flow_plan_ref(plan);
    for (size_t i = 0; i < e->opt.n_loops; i++)
        e->loops[i].plan = flow_plan_ref(plan);
    flow__sources_start(e, plan);
    return task_start(e->loops[0].loop, "sla", 0, flow__sla_task, e, NULL, NULL, err);
}

/* ---- swapping ---- */
struct swap {
    struct flow_loop *loop;
    struct flow_plan *plan;
};
static void swap_plan(void *arg)
{
    struct swap *s = arg;
    struct flow_plan *old = s->loop->plan;
    const struct http_egress egress = egress_of(s->plan->project);

    s->loop->plan = s->plan;
    http_client_set_egress(s->loop->client, &egress);
    if (s->loop->index == 0) {
        old->retired = true;
        flow__sources_start(s->loop->engine, s->plan);
    }
    flow_plan_unref(old);
    tl_free(s);
}

enum tl_rc flow_engine_reload(struct flow_engine *e, struct task *task, struct flow_plan *plan, bool dry_run,
                              struct queue_config_answer *ret_answer, struct tl_err *err)
{
    struct flow_plan *old;
    enum tl_rc rc;

    if (dry_run)
        return configure(e, task, plan, true, ret_answer, err);
    plan->version = e->plan->version + 1;
    rc = make_hosts(e, plan, err);
    if (rc == TL_OK)
        rc = configure(e, task, plan, false, ret_answer, err);
    if (rc != TL_OK)
        return rc;
    pthread_mutex_lock(&e->lock);
    old = e->plan;
    e->plan = flow_plan_ref(plan);
    pthread_mutex_unlock(&e->lock);
    flow_plan_unref(old);
    for (size_t i = 0; i < e->opt.n_loops; i++) {
        struct swap *s = tl_alloc(sizeof *s);

        *s = (struct swap){&e->loops[i], flow_plan_ref(plan)};
        async_loop_post(e->loops[i].loop, swap_plan, s);
    }
    return TL_OK;
}

struct flow_plan *flow_engine_plan(struct flow_engine *e)
{
    struct flow_plan *p;

    pthread_mutex_lock(&e->lock);
    p = flow_plan_ref(e->plan);
    pthread_mutex_unlock(&e->lock);
    return p;
}

enum tl_rc flow_engine_routes(struct flow_engine *e, struct flow_plan *plan, struct http_router *router,
                              struct tl_err *err)
{
    (void)e;
    for (size_t i = 0; i < plan->n_flows; i++) {
        struct flow *f = &plan->flows[i];
        const struct flow_webhook_conf *w = f->conf->from.conf;
        struct http_route r = {.methods = FLOW_WEBHOOK_METHODS, .handler = flow__hook, .arg = f};
        enum tl_rc rc;

        if (f->source != FLOW_WEBHOOK)
            continue;
        r.pattern = w->path;
        r.body_limit = w->body_limit;
        r.allow = (const struct http_cidr *)w->allow.items;
        r.n_allow = w->allow.n;
        rc = http_router_add(router, &r, err);
        if (rc != TL_OK)
            return tl_err_prefix(err, "flow %s", f->name);
    }
    http_router_on_free(router, (void (*)(void *))flow_plan_unref, flow_plan_ref(plan));
    return TL_OK;
}

struct http_client *flow_engine_client(struct flow_engine *e, const struct async_loop *loop)
{
    for (size_t i = 0; i < e->opt.n_loops; i++) {
        if (e->loops[i].loop == loop)
            return e->loops[i].client;
    }
    return NULL;
}

bool flow_engine_waits(struct flow_engine *e, struct tl_sv name, char *ret, size_t size)
{
    struct flow_plan *p = flow_engine_plan(e);
    bool waits = false;

    for (size_t i = 0; i < p->n_flows && !waits; i++) {
        waits = p->flows[i].waits != NULL && tl_sv_eqs(name, p->flows[i].name);
        if (waits)
            (void)snprintf(ret, size, "%s", p->flows[i].waits);
    }
    flow_plan_unref(p);
    return waits;
}

uint32_t flow_engine_flow_id(struct flow_engine *e, struct tl_sv name)
{
    struct flow_plan *p = flow_engine_plan(e);
    uint32_t id = 0;

    for (size_t i = 0; i < p->n_flows && !id; i++)
        id = tl_sv_eqs(name, p->flows[i].name) ? p->flows[i].id : 0;
    flow_plan_unref(p);
    return id;
}

uint32_t flow_engine_connection_id(struct flow_engine *e, struct tl_sv name)
{
    struct flow_plan *p = flow_engine_plan(e);
    uint32_t id = 0;

    for (size_t i = 0; i < p->n_connections && !id; i++)
        id = tl_sv_eqs(name, p->connections[i].name) ? p->connection_ids[i] : 0;
    flow_plan_unref(p);
    return id;
}

/* ---- leaving ---- */
void flow_engine_stop(struct flow_engine *e, struct task *task)
{
    struct tl_err err;

    __atomic_store_n(&e->stopping, true, __ATOMIC_RELAXED);
    queue_set_dispatch(e->queue, false);
    while (queue_works_out(e->queue) > 0 && task_sleep_ms(task, 10, &err) == TL_OK)
        ;
    flow__sla_save(e, task);
}

void flow_engine_free(struct flow_engine *e)
{
    if (!e)
        return;
    flow__told_write(e);
    for (size_t i = 0; i < e->opt.n_loops; i++) {
        flow_plan_unref(e->loops[i].plan);
        while (e->loops[i].n_spare)
            tl_arena_free(e->loops[i].spare[--e->loops[i].n_spare]);
    }
    flow_plan_unref(e->plan);
    for (size_t i = 0; i < e->opt.n_loops; i++)
        http_client_free(e->loops[i].client);
    tl_free(e->loops);
    flow__keys_free(e->keys);
    flow__cache_free(e->cache);
    flow__writes_free(e->writes);
    flow__bodies_free(e->bodies);
    flow__watches_free(e);
    pthread_mutex_destroy(&e->lock);
    tl_free(e);
}
