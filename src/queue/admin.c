/* SPDX-License-Identifier: Apache-2.0 */
/* What a person does to one thing. Changes of one delivery (cancel, discard, move, replay) are shared with the bulk
 * jobs. */
#include "queue/queue_int.h"

struct admin_op {
    struct op op;
    uint64_t id;
    struct tl_sv text, by;
    uint32_t revision;
    struct row row;
};

static enum tl_rc call(struct queue *q, struct task *task, struct admin_op *a, const struct op_class *cls,
                       struct tl_err *err)
{
    a->op.cls = cls;
    return queue__call(q, task, &a->op, err);
}

/* ---- pausing ---- */
static enum tl_rc find_flow(struct queue *q, struct op *op, struct tl_err *err)
{
    const struct admin_op *a = TL_CONTAINER(op, struct admin_op, op);

    return queue__flow(q, (uint32_t)a->id) ? TL_OK : tl_fail(err, TL_NOT_FOUND, "there is no such flow");
}

static enum tl_rc find_conn(struct queue *q, struct op *op, struct tl_err *err)
{
    const struct admin_op *a = TL_CONTAINER(op, struct admin_op, op);

    return queue__conn(q, (uint32_t)a->id) ? TL_OK : tl_fail(err, TL_NOT_FOUND, "there is no such connection");
}

static void say_why(const struct admin_op *a, char *why, size_t n)
{
    (void)snprintf(why, n, "%.*s", TL_SV_ARG(a->text));
}

/* Holds are written with the same commit: they are changed in apply. A rollback keeps `save`, so the next one writes
 * them. */
static enum tl_rc pause_flow(struct queue *q, struct op *op, struct tl_err *err)
{
    struct admin_op *a = TL_CONTAINER(op, struct admin_op, op);
    enum tl_rc rc = find_flow(q, op, err);
    char why[200];

    if (rc != TL_OK)
        return rc;
    say_why(a, why, sizeof(why));
    queue__hold_flow(q, queue__flow(q, (uint32_t)a->id), QUEUE_HELD_FLOW_PAUSED, 0, why);
    return TL_OK;
}

static enum tl_rc resume_flow(struct queue *q, struct op *op, struct tl_err *err)
{
    struct admin_op *a = TL_CONTAINER(op, struct admin_op, op);
    enum tl_rc rc = find_flow(q, op, err);
    struct flow *f;

    if (rc != TL_OK)
        return rc;
    f = queue__flow(q, (uint32_t)a->id);
    if (f->held != QUEUE_HELD_NONE || !queue__accept_targets(q, f))
        queue__free_flow(q, f);
    return rc;
}

static enum tl_rc pause_conn(struct queue *q, struct op *op, struct tl_err *err)
{
    struct admin_op *a = TL_CONTAINER(op, struct admin_op, op);
    enum tl_rc rc = find_conn(q, op, err);
    char why[200];

    if (rc != TL_OK)
        return rc;
    say_why(a, why, sizeof(why));
    queue__hold_conn(q, queue__conn(q, (uint32_t)a->id), QUEUE_HELD_CONNECTION_PAUSED, why);
    return TL_OK;
}

static enum tl_rc resume_conn(struct queue *q, struct op *op, struct tl_err *err)
{
    struct admin_op *a = TL_CONTAINER(op, struct admin_op, op);
    enum tl_rc rc = find_conn(q, op, err);
    struct conn *c;

    if (rc != TL_OK)
        return rc;
    c = queue__conn(q, (uint32_t)a->id);
    queue__free_conn(q, c);
    guard_resume(c->guard);
    c->wake_ns = 0;
    return TL_OK;
}

enum tl_rc queue_pause_flow(struct queue *q, struct task *task, uint32_t flow, struct tl_sv why, struct tl_err *err)
{
    static const struct op_class cls = {.apply = pause_flow};
    struct admin_op a = {.id = flow, .text = why};

    return call(q, task, &a, &cls, err);
}

enum tl_rc queue_resume_flow(struct queue *q, struct task *task, uint32_t flow, struct tl_err *err)
{
    static const struct op_class cls = {.apply = resume_flow};
    struct admin_op a = {.id = flow};

    return call(q, task, &a, &cls, err);
}

enum tl_rc queue_pause_connection(struct queue *q, struct task *task, uint32_t connection, struct tl_sv why,
                                  struct tl_err *err)
{
    static const struct op_class cls = {.apply = pause_conn};
    struct admin_op a = {.id = connection, .text = why};

    return call(q, task, &a, &cls, err);
}

enum tl_rc queue_resume_connection(struct queue *q, struct task *task, uint32_t connection, struct tl_err *err)
{
    static const struct op_class cls = {.apply = resume_conn};
    struct admin_op a = {.id = connection};

    return call(q, task, &a, &cls, err);
}

/* ---- promote ---- */
static enum tl_rc promote_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct admin_op *a = TL_CONTAINER(op, struct admin_op, op);
    uint64_t low;
    char first[14];

    if (!queue__unit(q, a->id, &a->row))
        return q->txn_rc != TL_OK ? q->txn_rc : tl_fail(err, TL_NOT_FOUND, "there is no such delivery");
    if (queue__is_held(&a->row))
        return tl_fail(err, TL_CONFLICT, "a person holds it: release it first");
    if (a->row.live != 1)
        return tl_fail(err, TL_CONFLICT, "it is %s", queue_state_name((enum queue_state)a->row.state));
    low = a->row.keyed ? queue__lane_lowest(q, a->row.lane, a->id) : a->id;
    if (low && low != a->id)
        return tl_fail(err, TL_CONFLICT, "%s of the same key is ahead of it", tl_id32_format(low, first));
    return TL_OK;
}

static void promote_settle(struct queue *q, struct op *op)
{
    struct admin_op *a = TL_CONTAINER(op, struct admin_op, op);
    struct lane *l = queue__lane_find(q, a->row.lane);
    struct target *t = queue__target(q, a->row.target);

    if (!t || t->removed || t->flow->removed || (l && l->epoch && l->where == LANE_OUT))
        return;
    if (!l) { /* a person's wish may pass the window's cap by one */
        l = queue__lane_new(q, t, a->row.lane);
        l->row = a->row;
        l->more = true;
    }
    queue__lane_unwait(q, l);
    l->promoted = true;
    queue__lane_ready(q, l, true);
}

enum tl_rc queue_promote(struct queue *q, struct task *task, uint64_t delivery, struct tl_err *err)
{
    static const struct op_class cls = {.apply = promote_apply, .settle = promote_settle};
    struct admin_op a = {.id = delivery};

    return call(q, task, &a, &cls, err);
}

/* ---- edit ---- */
static enum tl_rc edit_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct admin_op *a = TL_CONTAINER(op, struct admin_op, op);

    if (!queue__unit(q, a->id, &a->row))
        return q->txn_rc != TL_OK ? q->txn_rc : tl_fail(err, TL_NOT_FOUND, "there is no such delivery");
    if ((a->row.state != QUEUE_DEAD && !queue__is_held(&a->row)) || a->row.kind == KIND_EXPANDED)
        return tl_fail(err, TL_CONFLICT, "only a delivery that is dead, or held by a person, can be edited; this is %s",
                       queue_state_name((enum queue_state)a->row.state));
    a->revision = a->row.rev + 1;
    queue__add_edit(q, a->id, a->revision, queue__wall(q), store_text(a->by), a->text);
    return RUN(q, UNIT_REV, store_u64(a->id), store_int(a->revision), store_int(queue__wall(q)));
}

enum tl_rc queue_edit(struct queue *q, struct task *task, uint64_t delivery, struct tl_sv body, struct tl_sv by,
                      uint32_t *ret_revision, struct tl_err *err)
{
    static const struct op_class cls = {.apply = edit_apply};
    struct admin_op a = {.id = delivery, .text = body.p ? body : TL_SV(""), .by = by};
    enum tl_rc rc = call(q, task, &a, &cls, err);

    if (rc == TL_OK && ret_revision)
        *ret_revision = a.revision;
    return rc;
}
