/* SPDX-License-Identifier: Apache-2.0 */
/* gauges.c - the ledger's figures as metrics, set when somebody asks for them. */
#include "admin/admin_int.h"

enum gauge { G_BACKLOG, G_DEAD, G_OLDEST, G_FLOW_HELD, G_BREAKER, G_CONNECTION_HELD, G_WAITING, G_RUNNING, G_COUNT };
static const struct metrics_desc descs[G_COUNT] = {
    [G_BACKLOG] = {"tieline_backlog", "Deliveries that are not final.", METRICS_GAUGE, {"flow", "state"}, 0, 0},
    [G_DEAD] = {"tieline_dead", "Dead letters.", METRICS_GAUGE, {"flow"}, 0, 0},
    [G_OLDEST] =
        {"tieline_oldest_seconds", "Age of the oldest event that is not final.", METRICS_GAUGE, {"flow"}, 0, 0},
    [G_FLOW_HELD] = {"tieline_flow_held", "1: the flow as a whole waits.", METRICS_GAUGE, {"flow"}, 0, 0},
    [G_BREAKER] = {"tieline_breaker_state", "0 closed, 1 half open, 2 open.", METRICS_GAUGE, {"connection"}, 0, 0},
    [G_CONNECTION_HELD] =
        {"tieline_connection_held", "1: the connection as a whole waits.", METRICS_GAUGE, {"connection"}, 0, 0},
    [G_WAITING] =
        {"tieline_connection_waiting", "Deliveries that wait for a permit.", METRICS_GAUGE, {"connection"}, 0, 0},
    [G_RUNNING] = {"tieline_connection_running", "Calls under way.", METRICS_GAUGE, {"connection"}, 0, 0},
};

static void set(struct metrics *m, enum gauge g, const char *name, const char *second, double v)
{
    const char *values[] = {name, second};

    metrics_set(metrics_series(metrics_family(m, &descs[g]), values), v);
}

static void set_single(struct metrics *m, const char *name, const char *help, double v)
{
    metrics_set(metrics_single(m, METRICS_GAUGE, name, help), v);
}

static void flow_gauges(struct metrics *m, const struct queue_flow_stat *f, struct queue_reader *r, int64_t now_ms)
{
    static const enum queue_state states[] = {QUEUE_QUEUED, QUEUE_RUNNING, QUEUE_RETRYING};
    int64_t received;
    double age = 0;

    for (size_t i = 0; i < TL_COUNT(states); i++)
        set(m, G_BACKLOG, f->name, queue_state_name(states[i]), (double)f->count[states[i]]);
    set(m, G_DEAD, f->name, NULL, (double)f->count[QUEUE_DEAD]);
    set(m, G_FLOW_HELD, f->name, NULL, f->held != QUEUE_HELD_NONE);
    if (queue_oldest(r, f->id, &received, NULL) == TL_OK && now_ms > received)
        age = (double)(now_ms - received) / 1000;
    set(m, G_OLDEST, f->name, NULL, age);
}

static void connection_gauges(struct metrics *m, const struct queue_connection_stat *c)
{
    struct tl_sv breaker = tl_sv_str(c->breaker);

    set(m, G_BREAKER, c->name, NULL, tl_sv_eqs(breaker, "open") ? 2 : tl_sv_eqs(breaker, "half_open") ? 1 : 0);
    set(m, G_CONNECTION_HELD, c->name, NULL, c->held != QUEUE_HELD_NONE);
    set(m, G_WAITING, c->name, NULL, (double)c->waiting);
    set(m, G_RUNNING, c->name, NULL, (double)c->running);
}

enum tl_rc admin__gauges(struct admin *a, const struct queue_stat *s, struct tl_err *err)
{
    struct metrics *m = a->metrics;
    struct queue_reader *r;
    enum tl_rc rc = queue_reader_open(a->queue, &r, err);

    if (rc != TL_OK)
        return rc;
    for (size_t i = 0; i < s->n_flows; i++)
        flow_gauges(m, &s->flows[i], r, tl_clock_wall_ms(a->clock));
    queue_reader_close(r);
    for (size_t i = 0; i < s->n_connections; i++)
        connection_gauges(m, &s->connections[i]);
    set_single(m, "tieline_ledger_sync_seconds", "Time of a sync of the ledger, averaged.",
               (double)s->sync_us_avg / 1e6);
    set_single(m, "tieline_disk_free_bytes", "Free on the disk of the ledger.", (double)s->disk_free);
    set_single(m, "tieline_intake_stopped", "1: the disk is nearly full and nothing new is accepted.",
               s->intake_stopped);
    return TL_OK;
}
