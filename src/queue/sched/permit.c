/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Permits for calls that are not a delivery's own: look-ups of a step, reads of a source. They wait in their
 * connection's queue, beside the targets that wait for the same guard, and both take turns. A work whose step waits
 * keeps no permit of a target (its steps run in a work of their own), so nothing here waits for something that waits
 * for it; each wait has an end, and only few works of a flow wait at once: the rest of the flow waits on disk.
 */
#include "queue/queue_int.h"

struct take_op {
    struct op op;
    struct queue_permit *permit;
    struct waiting w;
};

static struct take_op *of(struct waiting *w)
{
    return TL_CONTAINER(w, struct take_op, w);
}

/* ---- the queue of a connection ---- */
static void enqueue(struct conn *c, struct waiting *w)
{
    w->conn = c;
    w->prev = c->last_permit;
    w->next = NULL;
    if (c->last_permit)
        c->last_permit->next = w;
    else
        c->first_permit = w;
    c->last_permit = w;
    c->n_permits++;
}

static void dequeue(struct waiting *w)
{
    struct conn *c = w->conn;

    if (w->prev)
        w->prev->next = w->next;
    else
        c->first_permit = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        c->last_permit = w->prev;
    c->n_permits--;
}

/* ---- works whose step waits ---- */
static void park(struct queue *q, struct work *w, struct waiting *by)
{
    struct target *t = w->target;

    if (w->lazy) { /* nothing has been called on behalf of it since: a crash would have harmed nothing */
        queue__list_remove(&q->lazy, w);
        w->lazy = false;
    }
    w->waits = by;
    w->conn->n_parked++;
    t->n_parked++;
    t->parked_on = by->conn;
    queue__ring_update(q, t);
}

static void unpark(struct queue *q, struct work *w)
{
    struct target *t = w->target;

    w->waits = NULL;
    w->conn->n_parked--;
    w->conn->wake_ns = 0;
    t->n_parked--;
    if (t->n_parked == 0)
        t->parked_on = NULL;
    queue__ring_update(q, t);
}

static void respond(struct queue *q, struct waiting *w, enum tl_rc rc)
{
    struct take_op *t = of(w);

    t->op.rc = rc;
    t->op.next = NULL;
    queue__answer(q, &t->op);
}

/* The wait ends without a permit. */
static void refuse(struct queue *q, struct waiting *w, enum tl_rc rc, enum queue_held why)
{
    struct take_op *t = of(w);
    struct conn *c = w->conn;

    dequeue(w);
    if (t->permit->work)
        unpark(q, TL_CONTAINER(t->permit->work, struct work, pub));
    t->permit->why = (int)why;
    if (rc == TL_BUSY)
        (void)tl_fail(t->op.err, rc, "connection %s: %s%s%s", c->name, queue_held_name(why),
                      c->held != QUEUE_HELD_NONE && c->held_text[0] ? ": " : "",
                      c->held != QUEUE_HELD_NONE ? c->held_text : "");
    else
        (void)tl_fail(t->op.err, rc, "the wait for connection %s was ended", c->name);
    respond(q, w, rc);
}

void queue__permit_ready(struct queue *q, struct work *w)
{
    struct waiting *by = w->waits;

    unpark(q, w);
    respond(q, by, TL_OK);
}

void queue__permit_grant(struct queue *q, struct conn *c, bool probe)
{
    struct waiting *w = c->first_permit;
    struct queue_permit *p = of(w)->permit;
    struct work *work = p->work ? TL_CONTAINER(p->work, struct work, pub) : NULL;

    dequeue(w);
    c->running++;
    c->calls++;
    p->probe = probe;
    p->why = QUEUE_HELD_NONE;
    p->started_ns = queue__now(q);
    if (work && p->risky && !work->begun) { /* answered when its begin is on disk */
        queue__list_add(&q->begins, work);
        return;
    }
    if (work && !work->begun) {
        queue__list_add(&q->lazy, work);
        work->lazy = true;
    }
    if (work)
        unpark(q, work);
    respond(q, w, TL_OK);
}

/* Those that do not wait for what is down, and those whose time is over. */
void queue__permits_expire(struct queue *q, struct conn *c, bool draining)
{
    bool down = c->held != QUEUE_HELD_NONE || c->why == QUEUE_HELD_BREAKER;
    enum queue_held why = c->held != QUEUE_HELD_NONE ? c->held : c->why;
    uint64_t now = queue__now(q);
    struct waiting *next;

    for (struct waiting *w = c->first_permit; w; w = next) {
        next = w->next;
        if (draining || c->removed)
            refuse(q, w, TL_CANCELED, QUEUE_HELD_DRAINING);
        else if (w->until_ns <= now || (down && of(w)->permit->unless_down))
            refuse(q, w, TL_BUSY, why);
    }
    if (!c->ring && !c->first_permit)
        c->why = QUEUE_HELD_NONE;
}

uint64_t queue__permits_wake(const struct conn *c)
{
    uint64_t at = UINT64_MAX;

    for (const struct waiting *w = c->first_permit; w; w = w->next)
        at = w->until_ns < at ? w->until_ns : at;
    return at;
}

/* ---- asking ---- */
static enum tl_rc take_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    const struct queue_permit *p = TL_CONTAINER(op, struct take_op, op)->permit;
    const struct conn *c = queue__conn(q, p->connection);

    if (!c || c->removed)
        return tl_fail(err, TL_CANCELED, "the connection is not in the configuration any more");
    return TL_OK;
}

static void take_settle(struct queue *q, struct op *op)
{
    struct take_op *t = TL_CONTAINER(op, struct take_op, op);
    struct conn *c = queue__conn(q, t->permit->connection);
    uint64_t wait = (uint64_t)(t->permit->wait_ms > 0 ? t->permit->wait_ms : 0) * NS_PER_MS;

    op->deferred = true;
    t->w.until_ns = queue__now(q) + wait;
    enqueue(c, &t->w);
    if (t->permit->work)
        park(q, TL_CONTAINER(t->permit->work, struct work, pub), &t->w);
}

enum tl_rc queue_permit_take(struct queue *q, struct task *task, struct queue_permit *permit, struct tl_err *err)
{
    static const struct op_class cls = {.apply = take_apply, .settle = take_settle, .own = true};
    struct take_op t = {.op = {.cls = &cls}, .permit = permit};

    if (permit->further)
        return queue__further_take(q, task, permit, err);
    return queue__call(q, task, &t.op, err);
}

/* ---- giving back ---- */
struct give_op {
    struct op op;
    struct queue_permit permit;
    struct queue_permit_end end;
    struct guard_feedback feedback;
    char text[200];
    bool done;
};

static void act_on_class(struct queue *q, struct conn *c, const struct give_op *g)
{
    enum tl_class cls = g->end.cls != TL_CLASS_NONE ? g->end.cls : tl_rc_class(g->end.rc);

    if (g->end.rc == TL_OK && !g->end.not_sent && c->held == QUEUE_HELD_CONNECTION_AUTH) {
        queue__free_conn(q, c);
        c->try_step_ms = 0;
    }
    if (g->end.rc == TL_OK || cls == TL_CLASS_NONE || cls >= TL_CLASS_COUNT)
        return;
    c->failed[cls]++;
    if (cls == TL_CLASS_AUTH && (c->held == QUEUE_HELD_NONE || c->held == QUEUE_HELD_CONNECTION_AUTH))
        queue__hold_conn_auth(q, c, g->text, g->end.retry_after_ms);
}

/* Once, however often its transaction has to be repeated. */
static enum tl_rc give_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct give_op *g = TL_CONTAINER(op, struct give_op, op);
    struct conn *c = queue__conn(q, g->permit.connection);
    struct guard_result r = {.rc = g->end.rc,
                             .probe = g->permit.probe,
                             .not_sent = g->end.not_sent,
                             .cost = 1,
                             .started_ns = g->permit.started_ns,
                             .feedback = g->end.feedback ? &g->feedback : NULL};

    (void)err;
    if (g->done || !c)
        return TL_OK;
    g->done = true;
    c->running--;
    c->wake_ns = 0;
    if (g->end.rc == TL_OK && !g->end.not_sent)
        c->ok_at = queue__wall(q);
    if (g->permit.work)
        TL_CONTAINER(g->permit.work, struct work, pub)->step_counts = !g->permit.probe && queue__gate_closed(c);
    guard_give(c->guard, queue__now(q), queue__wall(q), &r);
    act_on_class(q, c, g);
    return TL_OK;
}

static void give_settle(struct queue *q, struct op *op)
{
    (void)q;
    tl_free(TL_CONTAINER(op, struct give_op, op));
}

void queue_permit_give(struct queue *q, const struct queue_permit *permit, const struct queue_permit_end *end)
{
    static const struct op_class cls = {.apply = give_apply, .settle = give_settle, .keep = true, .own = true};
    struct give_op *g = tl_zalloc(sizeof(*g));

    g->op.cls = &cls;
    g->permit = *permit;
    g->end = *end;
    if (end->feedback)
        g->feedback = *end->feedback;
    (void)snprintf(g->text, sizeof(g->text), "%.*s", TL_SV_ARG(end->text));
    queue__push(q, &g->op);
}
