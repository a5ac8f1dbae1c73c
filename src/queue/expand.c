/* SPDX-License-Identifier: Apache-2.0 */
/* The deliveries of an event whose steps have run, and checkpoints of long jobs. */
#include "queue/queue_int.h"

struct expand_op {
    struct op op;
    struct work *work;
    const struct queue_delivery_def *defs;
    size_t n;
    struct tl_sv reason;
    struct row *rows;
};

static enum tl_rc still_ours(const struct work *w, struct tl_err *err)
{
    for (size_t i = 0; i < w->pub.n; i++) {
        const struct lane *l = w->members[i].lane;

        if (l->epoch != w->pub.claims[i].epoch || l->revoked)
            return tl_fail(err, TL_STALE, "the delivery was cancelled meanwhile");
    }
    return TL_OK;
}

static void child_row(struct queue *q, const struct work *w, const struct queue_delivery_def *d, struct row *r)
{
    const struct row *event = &w->members[0].lane->row;
    struct tl_sv order_by = d->order_by.p ? d->order_by : w->pub.claims[0].order_by;
    uint64_t id = queue__take_id(q);
    bool keyed = d->order_by.p != NULL || event->keyed;

    *r = (struct row){
        .id = id,
        .event = event->id,
        .flow = event->flow,
        .target = d->target,
        .item = d->item,
        .kind = KIND_CHILD,
        .state = QUEUE_QUEUED,
        .live = 1,
        .keyed = keyed,
        .received = event->received,
        .bytes = d->body.p ? d->body.n : event->bytes,
        .upload = d->body.p ? 0 : event->upload,
        .cause = event->cause,
        .replay_of = event->replay_of,
    };
    /* The lane that a put without steps would have: a flow may get steps, or lose them, while some wait. */
    r->lane = keyed ? queue__lane_hash(d->target, order_by) : queue__own_lane(id);
}

static void write_child(struct queue *q, const struct row *r, const struct queue_delivery_def *d)
{
    (void)RUN(q, CHILD_ADD, store_u64(r->id), store_int(r->flow), store_int(r->target),
              r->keyed ? store_u64(r->lane) : store_null(), store_int((int64_t)(r->lane % 256)), store_int(r->received),
              store_u64(r->bytes), store_u64(r->event), store_int(r->item),
              r->upload ? store_u64(r->upload) : store_null(), r->cause ? store_u64(r->cause) : store_null(),
              r->replay_of ? store_u64(r->replay_of) : store_null());
    if (r->keyed)
        queue__line_add(q, r->lane, r->id);
    if (d->body.p)
        queue__add_own(q, r->id, r->received, d->body, d->vars);
}

static enum tl_rc expand_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct expand_op *e = TL_CONTAINER(op, struct expand_op, op);
    const struct row *event = &e->work->members[0].lane->row;
    struct flow *f = e->work->target->flow;
    enum tl_rc rc = still_ours(e->work, err);

    for (size_t i = 0; i < e->n && rc == TL_OK; i++) {
        struct target *t = queue__target(q, e->defs[i].target);

        if (!t || t->flow != f || t->expand)
            rc = tl_fail(err, TL_BUG, "target %u is not of flow %s", e->defs[i].target, f->name);
    }
    if (rc != TL_OK)
        return rc;
    for (size_t i = 0; i < e->n; i++) {
        child_row(q, e->work, &e->defs[i], &e->rows[i]);
        write_child(q, &e->rows[i], &e->defs[i]);
    }
    if (event->keyed)
        queue__line_end(q, event->lane, event->id);
    if (e->n == 0) {
        queue__retain_from(q, event->id);
        queue__count(q, f, N_SKIPPED, 1);
    }
    queue__count(q, f, event->state, -1);
    queue__count(q, f, e->n ? QUEUE_QUEUED : QUEUE_SKIPPED, e->n ? (int64_t)e->n : 1);
    return RUN(q, UNIT_EXPANDED, store_u64(event->id), store_int(e->n ? QUEUE_QUEUED : QUEUE_SKIPPED),
               store_int(queue__wall(q)), store_int(event->attempts), store_u64(e->n),
               queue__seal(q, PLACE(WHY, .id = event->id), store_text(e->reason)));
}

/* A new configuration may have taken the target away while the steps ran: what waits in it is told, as it is there. */
static void settle_target(struct queue *q, struct target *t)
{
    if (!t->removed || t->stranded)
        return;
    t->stranded = true;
    if (!t->flow->removed) /* else that was told */
        queue__notice(q, "flow_removed", t->flow, NULL, STRANDED_TEXT);
}

static void expand_settle(struct queue *q, struct op *op)
{
    struct expand_op *e = TL_CONTAINER(op, struct expand_op, op);

    e->work->expanded = true;
    if (e->n == 0)
        queue__tell_end(q, &e->work->members[0].lane->row, QUEUE_SKIPPED, TL_CLASS_NONE, e->reason, &e->work->pub);
    for (size_t i = 0; i < e->n; i++)
        queue__feed(q, e->rows[i].id, e->rows[i].flow, e->rows[i].state);
    for (size_t i = 0; i < e->n; i++)
        settle_target(q, queue__target(q, e->rows[i].target));
    for (size_t i = 0; i < e->n; i++)
        queue__arrive(q, &e->rows[i], e->defs[i].body.p ? NULL : e->work->pub.claims[0].blob);
}

static const struct op_class expand_class = {.apply = expand_apply, .settle = expand_settle, .own = true};

enum tl_rc queue_expand(struct queue *q, struct task *task, struct queue_work *work,
                        const struct queue_delivery_def *deliveries, size_t n, struct tl_sv reason, struct tl_err *err)
{
    struct expand_op e = {.op = {.cls = &expand_class},
                          .work = TL_CONTAINER(work, struct work, pub),
                          .defs = deliveries,
                          .n = n,
                          .reason = reason};
    enum tl_rc rc;

    assert(work->kind == QUEUE_WORK_EXPAND && work->n == 1);
    e.rows = tl_reallocarray(NULL, n ? n : 1, sizeof(*e.rows));
    rc = queue__call(q, task, &e.op, err);
    tl_free(e.rows);
    return rc;
}

/* ---- checkpoints ---- */
struct checkpoint_op {
    struct op op;
    struct work *work;
    struct tl_sv ticket;
    uint64_t id;
};

static struct row *row_of(struct member *m)
{
    return m->follower ? &m->row : &m->lane->row;
}

/* Until the job ends its members are due at once: after a crash the host asks after it, instead of beginning again. */
static enum tl_rc checkpoint_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct checkpoint_op *c = TL_CONTAINER(op, struct checkpoint_op, op);
    struct work *w = c->work;
    enum tl_rc rc = still_ours(w, err);

    if (rc != TL_OK)
        return rc;
    c->id = w->pub.ticket_id ? w->pub.ticket_id : queue__take_id(q);
    queue__add_ticket(q, c->id, w->target->id, false, c->ticket);
    for (size_t i = 0; i < w->pub.n; i++) {
        struct row *r = row_of(&w->members[i]);

        (void)RUN(q, UNIT_TICKET, store_u64(r->id), store_u64(c->id), store_int(queue__wall(q)), store_int(r->attempts),
                  store_int(queue__wall(q)), store_null());
        (void)RUN(q, MEMBER_ADD, store_u64(c->id), store_u64(r->id));
        queue__unit_done(q, r, (enum queue_state)r->state, QUEUE_RETRYING);
    }
    return q->txn_rc;
}

static void checkpoint_settle(struct queue *q, struct op *op)
{
    struct checkpoint_op *c = TL_CONTAINER(op, struct checkpoint_op, op);

    (void)q;
    c->work->pub.ticket_id = c->id;
    c->work->ticket_known = true;
    for (size_t i = 0; i < c->work->pub.n; i++) {
        struct row *r = row_of(&c->work->members[i]);

        r->ticket = c->id;
        r->state = QUEUE_RETRYING;
    }
}

static const struct op_class checkpoint_class = {.apply = checkpoint_apply, .settle = checkpoint_settle};

enum tl_rc queue_checkpoint(struct queue *q, struct task *task, struct queue_work *work, struct tl_sv ticket,
                            struct tl_err *err)
{
    struct checkpoint_op c = {
        .op = {.cls = &checkpoint_class}, .work = TL_CONTAINER(work, struct work, pub), .ticket = ticket};

    if (ticket.n > QUEUE_TICKET_MAX)
        return tl_fail(err, TL_LIMIT, "a ticket holds at most %u bytes", QUEUE_TICKET_MAX);
    return queue__call(q, task, &c.op, err);
}
