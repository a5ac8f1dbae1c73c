/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Works that carry no delivery: the breaker's question to a connection that can be asked, and stopping a long job whose
 * members were all cancelled. The wish to stop is in the ticket's row, so it survives a restart; it goes away when the
 * other side has answered, and is tried again while it cannot be reached.
 */
#include "queue/queue_int.h"

#define ABORT_AGAIN_NS (30ull * 1000000000ull)
#define ABORT_SOON_NS 1000000000ull

bool queue__is_errand(const struct work *w)
{
    return w->pub.kind == QUEUE_WORK_PROBE || w->pub.kind == QUEUE_WORK_ABORT;
}

static void go(struct queue *q, struct work *w, struct conn *c, bool probe)
{
    w->begun = true; /* there is no attempt to write */
    queue__work_start(q, w, c, probe);
    queue__send_out(q, w);
}

void queue__probe(struct queue *q, struct conn *c)
{
    struct work *w = queue__work_new(q, 0);

    w->pub.kind = QUEUE_WORK_PROBE;
    go(q, w, c, true);
}

/* ---- aborts ---- */
static void abort_after(struct queue *q, uint64_t ns)
{
    uint64_t at = queue__now(q) + ns;

    q->aborts = true;
    if (q->abort_next_ns <= queue__now(q) || at < q->abort_next_ns)
        q->abort_next_ns = at;
}

/* While a work is out with the ticket (another abort, or an answer that will be refused) it is not stopped twice. */
static bool in_use(const struct queue *q, uint64_t ticket)
{
    for (const struct work *w = q->out; w; w = w->out_next)
        if (w->pub.ticket_id == ticket)
            return true;
    return false;
}

static struct work *next_abort(struct queue *q, uint64_t after)
{
    struct store_val v[4];
    struct work *w = NULL;

    if (queue__start(q, SQL_TICKET_ABORTS, VALS(store_u64(after))) && queue__next(q, SQL_TICKET_ABORTS, v, 4)) {
        w = queue__work_new(q, 0);
        w->pub.kind = QUEUE_WORK_ABORT;
        w->pub.ticket_id = (uint64_t)v[0].i;
        w->target = queue__target(q, (uint32_t)v[1].i);
        queue__take_ticket(q, w, v[3].i != 0, v[2].s);
    }
    queue__end(q, SQL_TICKET_ABORTS);
    return w;
}

static bool start_abort(struct queue *q, struct work *w)
{
    struct target *t = w->target;
    enum queue_held why;
    uint64_t wake;
    bool probe;

    if (!t || t->removed || t->flow->removed || in_use(q, w->pub.ticket_id)) {
        abort_after(q, ABORT_SOON_NS);
        return false;
    }
    if (!queue__gate_take(q, t->conn, &wake, &why, &probe)) {
        abort_after(q, ABORT_SOON_NS);
        return false;
    }
    w->pub.flow = t->flow->id;
    w->pub.target = t->id;
    go(q, w, t->conn, probe);
    return true;
}

void queue__start_aborts(struct queue *q)
{
    uint64_t at = 0;
    struct work *w;

    if (!q->aborts || q->abort_next_ns > queue__now(q))
        return;
    q->aborts = false;
    queue__read_begin(q);
    while (q->txn_rc == TL_OK && (w = next_abort(q, at)) != NULL) {
        at = w->pub.ticket_id;
        if (!start_abort(q, w))
            queue__work_free(q, w);
    }
}

/* ---- outcomes ---- */
/* A job that is not there has been stopped. */
static bool unreachable(const struct queue_outcome *o)
{
    enum tl_class cls = o->cls != TL_CLASS_NONE ? o->cls : tl_rc_class(o->rc);

    return o->end == QUEUE_END_CANCELED ||
           (o->rc != TL_OK && o->rc != TL_NOT_FOUND && cls != TL_CLASS_DATA && cls != TL_CLASS_BUG);
}

static void hold_for_auth(struct queue *q, struct work *w)
{
    const struct queue_outcome *o = &w->pub.outcome;
    enum tl_class cls = o->cls != TL_CLASS_NONE ? o->cls : tl_rc_class(o->rc);
    char text[200];

    if (o->rc == TL_OK || cls != TL_CLASS_AUTH)
        return;
    (void)snprintf(text, sizeof(text), "%.*s", TL_SV_ARG(o->text));
    if (w->conn->held == QUEUE_HELD_NONE || w->conn->held == QUEUE_HELD_CONNECTION_AUTH)
        queue__hold_conn_auth(q, w->conn, text, o->retry_after_ms);
}

void queue__errand_apply(struct queue *q, struct work *w)
{
    if (w->pub.kind == QUEUE_WORK_ABORT && !unreachable(&w->pub.outcome))
        (void)RUN(q, TICKET_DEL, store_u64(w->pub.ticket_id), store_int(1));
}

void queue__errand_settle(struct queue *q, struct work *w)
{
    const struct queue_outcome *o = &w->pub.outcome;
    char text[200];

    if (o->end != QUEUE_END_CANCELED)
        hold_for_auth(q, w);
    if (w->pub.kind != QUEUE_WORK_ABORT)
        return;
    if (unreachable(o)) {
        abort_after(q, o->end == QUEUE_END_CANCELED ? ABORT_SOON_NS : ABORT_AGAIN_NS);
    } else if (o->rc != TL_OK && o->rc != TL_NOT_FOUND) {
        (void)snprintf(text, sizeof(text), "the other side may go on with a cancelled job: %.*s", TL_SV_ARG(o->text));
        queue__notice(q, "abort_failed", w->target->flow, w->conn, text);
    }
}
