/* SPDX-License-Identifier: Apache-2.0 */
/* told.c - what became of deliveries, for the log: noted where it is decided, handed over once a turn, so that the
 * ledger thread writes no line itself. Nothing is made of what nobody wants to hear. */
#include "queue/queue_int.h"

static bool wanted(const struct queue *q, bool failed)
{
    return q->o.told && q->o.tells && q->o.tells(q->o.arg, failed);
}

static void put_sv(struct tl_sv *s, char **at)
{
    if (s->n)
        memcpy(*at, s->p, s->n);
    s->p = *at;
    *at += s->n;
}

static void note(struct queue *q, const struct queue_told *t)
{
    struct queue_told *own =
        tl_alloc(sizeof(*own) + t->flow.n + t->target.n + t->trace.n + t->request_id.n + t->reason.n + t->meta.n);
    char *at = (char *)(own + 1);

    *own = *t;
    put_sv(&own->flow, &at);
    put_sv(&own->target, &at);
    put_sv(&own->trace, &at);
    put_sv(&own->request_id, &at);
    put_sv(&own->reason, &at);
    put_sv(&own->meta, &at);
    own->origin = queue_origin(q, t->event);
    own->next = NULL;
    if (!q->told)
        q->told_tail = &q->told;
    *q->told_tail = own;
    q->told_tail = &own->next;
}

void queue__tell_attempt(struct queue *q, const struct work *w, size_t i)
{
    const struct queue_claim *c = &w->pub.claims[i];
    const struct member *m = &w->members[i];
    const struct queue_outcome *o = &c->outcome;
    bool failed = o->end == QUEUE_END_FAILED || o->end == QUEUE_END_NONE;
    bool waits = m->verdict == V_RETRY || m->verdict == V_PENDING;

    if (m->verdict == V_STALE || m->verdict == V_NONE || (m->verdict == V_BACK && !failed))
        return; /* it was cancelled, which has been told; or nothing was done */
    if ((w->expanded && !failed) || !wanted(q, failed))
        return;
    note(q,
         &(struct queue_told){
             .state = (enum queue_state)m->row.state,
             .failed = failed,
             .event = m->row.event,
             .delivery = m->row.id,
             .attempt = c->attempt,
             .cls = failed ? m->cls : TL_CLASS_NONE,
             .status = o->status,
             .latency_ms = w->pub.latency_ms,
             .received_ms = m->row.received,
             .at_ms = w->ended_ms,
             .next_at_ms = waits ? m->row.next_at : 0,
             .flow = tl_sv_str(w->target->flow->name),
             .target = tl_sv_str(w->target->name),
             .trace = w->pub.trace,
             .request_id = w->pub.request_id,
             .meta = w->pub.n == 1 && !w->pub.trace.n ? c->meta : TL_SV_NULL, /* it ended before it was looked into */
             .reason = m->verdict == V_PENDING && !o->text.n ? TL_SV("a long job goes on") : o->text,
         });
}

static void tell_end(struct queue *q, const struct row *row, enum queue_state to, enum tl_class cls,
                     struct tl_sv reason, const struct queue_work *work, struct tl_sv meta)
{
    const struct flow *f = queue__flow(q, row->flow);
    const struct target *t = queue__target(q, row->target);

    note(q, &(struct queue_told){
                .state = to,
                .failed = to == QUEUE_DEAD,
                .event = row->event,
                .delivery = row->id,
                .attempt = work && work->n ? work->claims[0].attempt : 0,
                .cls = cls,
                .received_ms = row->received,
                .at_ms = queue__wall(q),
                .flow = tl_sv_str(f ? f->name : ""),
                .target = tl_sv_str(t ? t->name : ""),
                .trace = work ? work->trace : TL_SV_NULL,
                .request_id = work ? work->request_id : TL_SV_NULL,
                .reason = reason,
                .meta = meta,
            });
}

void queue__tell_end(struct queue *q, const struct row *row, enum queue_state to, enum tl_class cls,
                     struct tl_sv reason, const struct queue_work *work)
{
    struct tl_sv meta = TL_SV_NULL;
    struct store_val v[2];

    if (!wanted(q, to == QUEUE_DEAD))
        return;
    if (work && work->trace.n) {
        tell_end(q, row, to, cls, reason, work, meta);
        return;
    }
    if (!queue__start(q, SQL_BODY_META, VALS(store_u64(row->event))) || !queue__next(q, SQL_BODY_META, v, 2) ||
        !queue__open_val(q, PLACE(META, .id = row->event), v[1].i != 0, v[0].s, &meta))
        meta = TL_SV_NULL;
    tell_end(q, row, to, cls, reason, work, meta);
    queue__end(q, SQL_BODY_META);
}

void queue__tell_out(struct queue *q)
{
    struct queue_told *first = q->told;

    q->told = NULL;
    if (first)
        q->o.told(q->o.arg, first);
}

void queue_told_free(struct queue_told *first)
{
    for (struct queue_told *next; first; first = next) {
        next = first->next;
        tl_free(first);
    }
}
