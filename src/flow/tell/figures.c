/* SPDX-License-Identifier: Apache-2.0 */
/* figures.c - what the engine knows for the alert rules, and the notices that it takes into the ledger. */
#include "flow/flow_int.h"

#include <math.h>

/* ---- figures ---- */
static void add_connection(const char **names, size_t *n, const struct flow_connection *c)
{
    for (size_t i = 0; i < *n; i++) {
        if (names[i] == c->name)
            return;
    }
    names[(*n)++] = c->name;
}

static const char *const *connections_of(const struct flow *f, struct tl_arena *a, size_t *ret_n)
{
    const char **names = tl_arena_must(a, (f->n_targets + f->n_steps + 1) * sizeof *names);
    size_t n = 0;

    for (size_t i = 0; i < f->n_targets; i++)
        add_connection(names, &n, f->targets[i].connection);
    for (size_t i = 0; i < f->n_steps; i++) {
        if (f->steps[i].ask)
            add_connection(names, &n, f->steps[i].ask->connection);
    }
    if (f->read)
        add_connection(names, &n, f->read->connection);
    for (size_t i = 0; i < n; i++)
        names[i] = tl_arena_strdup(a, names[i]); /* the plan may be gone before the figures are */
    *ret_n = n;
    return names;
}

static const char *copied(struct tl_arena *a, const char *text)
{
    return text ? tl_arena_strdup(a, text) : NULL;
}

static uint64_t count(const struct metric *m)
{
    return (uint64_t)metrics_value(m);
}

static void flow_figures(const struct flow *f, struct tl_arena *a, struct alert_flow *to)
{
    const struct flow_meters *m = f->meters;
    struct metrics_hist *delay = tl_arena_must(a, sizeof *delay);
    struct flow_source_state source;

    metrics_hist_read(m->delay, delay);
    *to = (struct alert_flow){.name = tl_arena_strdup(a, f->name),
                              .owner = copied(a, f->conf->sla.owner),
                              .runbook = copied(a, f->conf->sla.runbook),
                              .notify = copied(a, f->conf->on_dead.notify.text),
                              .receiver = f->receiver,
                              .objective_s = (double)f->conf->sla.delay_p95_ms / 1000,
                              .error_budget_left = (double)NAN,
                              .received = count(m->received),
                              .refused = count(m->refused),
                              .retries = count(m->retries),
                              .delay = delay};
    to->connections = connections_of(f, a, &to->n_connections);
    if (flow__source_state(f, &source) && source.failing_since_ms) {
        to->source_failing_s = (double)(tl_clock_wall_ms(flow__clock(f)) - source.failing_since_ms) / 1000;
        to->source_failure = tl_arena_strdup(a, source.why);
    }
}

struct seen { /* series that were counted: two targets with one operation share theirs */
    const struct metric **v;
    size_t n;
};
static void add_latency(const struct flow_call_meters *m, struct metrics_hist *sum, struct metrics_hist *one,
                        struct seen *seen)
{
    if (!m)
        return;
    for (size_t i = 0; i < seen->n; i++) {
        if (seen->v[i] == m->duration)
            return;
    }
    seen->v[seen->n++] = m->duration;
    metrics_hist_read(m->duration, one);
    metrics_hist_merge(sum, one);
}

static void latencies(const struct flow_plan *p, struct tl_arena *a, struct alert_connection *list)
{
    struct metrics_hist *one = tl_arena_must(a, sizeof *one);
    struct seen seen = {0};
    size_t most = 1;

    for (size_t i = 0; i < p->n_flows; i++)
        most += p->flows[i].n_targets + p->flows[i].n_steps + 1;
    seen.v = tl_arena_must(a, most * sizeof(struct metric *));
    for (size_t i = 0; i < p->n_flows; i++) {
        const struct flow *f = &p->flows[i];

#define SUM(connection) ((struct metrics_hist *)(uintptr_t)list[(connection)->index].latency) /* ours, made above */
        for (size_t k = 0; k < f->n_targets; k++)
            add_latency(f->targets[k].calls, SUM(f->targets[k].connection), one, &seen);
        for (size_t k = 0; k < f->n_steps; k++) {
            if (f->steps[k].ask)
                add_latency(f->steps[k].ask->calls, SUM(f->steps[k].ask->connection), one, &seen);
        }
        if (f->read)
            add_latency(f->read->calls, SUM(f->read->connection), one, &seen);
#undef SUM
    }
}

void flow_engine_figures(struct flow_engine *e, struct tl_arena *a, size_t more, struct flow_figures *ret)
{
    struct flow_plan *p = flow_engine_plan(e);

    *ret = (struct flow_figures){.n_flows = p->n_flows, .n_connections = p->n_connections};
    ret->flows = tl_arena_must(a, (p->n_flows + more + 1) * sizeof *ret->flows);
    ret->connections = tl_arena_zalloc(a, (p->n_connections + 1) * sizeof *ret->connections);
    for (size_t i = 0; i < p->n_flows; i++)
        flow_figures(&p->flows[i], a, &ret->flows[i]);
    for (size_t i = 0; i < p->n_connections; i++) {
        struct metrics_hist *h = tl_arena_zalloc(a, sizeof *h);

        ret->connections[i] = (struct alert_connection){.name = tl_arena_strdup(a, p->connections[i].name),
                                                        .breaker = "closed",
                                                        .drain_reason = "",
                                                        .drain_ms = UINT64_MAX,
                                                        .latency = h};
    }
    latencies(p, a, ret->connections);
    flow_plan_unref(p);
}

/* ---- notices ---- */
static enum tl_rc put_notice(struct task *task, struct flow *f, struct tl_arena *a, struct tl_sv key,
                             struct tl_sv order_by, struct json body, uint64_t *ret_event, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct queue_put put = {.flow = f->id,
                            .source = tl_sv_str(f->name),
                            .key = key,
                            .order_by = order_by,
                            .meta = TL_SV("{\"k\":\"json\"}")};
    enum tl_rc rc;

    tl_buf_init(&text, 1 << 20);
    if (!json_write(&text, body, 0))
        return tl_fail(err, TL_LIMIT, "a notice is larger than 1 MB");
    put.body = tl_arena_sv(a, tl_buf_view(&text));
    rc = flow__upload(f, task, &put, err);
    if (rc == TL_OK)
        rc = queue_put(flow__queue(f), task, &put, err);
    flow__upload_end(f, &put, rc);
    if (rc != TL_OK)
        return rc;
    flow__received(f, &put);
    *ret_event = put.ret_event;
    return TL_OK;
}

enum tl_rc flow_engine_tell(struct flow_engine *e, struct task *task, struct tl_arena *a, struct tl_sv receiver,
                            struct tl_sv key, struct tl_sv order_by, struct json body, uint64_t *ret_event,
                            struct tl_err *err)
{
    struct flow_plan *p = flow_engine_plan(e);
    enum tl_rc rc = tl_fail(err, TL_NOT_FOUND, "there is no receiver '%.*s'", TL_SV_ARG(receiver));

    for (size_t i = 0; i < p->n_flows; i++) {
        struct flow *f = &p->flows[i];

        if (f->receiver >= 0 && tl_sv_eqs(receiver, p->project->alerts.receivers.entries[f->receiver].key)) {
            tl_err_clear(err);
            rc = put_notice(task, f, a, key, order_by, body, ret_event, err);
            break;
        }
    }
    flow_plan_unref(p);
    return rc;
}
