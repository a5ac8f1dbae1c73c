/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cross-references: one thing's ids on two systems, written with the acknowledgement of the write that made it there.
 * And what our writes made of a record, so that the event by which the other system tells us of it is known for what it
 * is. That is compared by content and not by time: an event that comes late, twice or out of order is recognised, and
 * a change by somebody else in between is not mistaken for ours.
 */
#include "queue/queue_int.h"

#define MARKS_KEPT 8
#define TEXT_MAX 1000u

struct xref_op {
    struct op op;
    const struct queue_xref *xref;
    struct tl_sv model, connection, id, mark;
    struct tl_buf *out;
    size_t out_n; /* what it held before: a look-up may be done twice (turn.c, look_anyway) */
    uint64_t n;
    bool own;
};

/* An id that nothing may have is left out: it would be found by everybody who has none either. */
static bool fits(const struct queue_xref *x)
{
    return x->model.n && x->connection_a.n && x->id_a.n && x->connection_b.n && x->id_b.n && x->id_a.n <= TEXT_MAX &&
           x->id_b.n <= TEXT_MAX && x->mark.n <= TEXT_MAX;
}

void queue__xref_write(struct queue *q, const struct queue_xref *x, int64_t now)
{
    if (!fits(x))
        return;
    (void)RUN(q, XREF_SET, store_text(x->model), store_text(x->connection_a), store_text(x->id_a),
              store_text(x->connection_b), store_text(x->id_b), store_int(now));
    if (!x->mark.n)
        return;
    (void)RUN(q, OWN_ADD, store_text(x->model), store_text(x->connection_b), store_text(x->id_b), store_text(x->mark),
              store_int(now));
    (void)RUN(q, OWN_TRIM, store_text(x->model), store_text(x->connection_b), store_text(x->id_b),
              store_int(MARKS_KEPT));
}

static enum tl_rc put_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    (void)err;
    queue__xref_write(q, TL_CONTAINER(op, struct xref_op, op)->xref, queue__wall(q));
    return q->txn_rc;
}

static bool find(struct queue *q, enum queue_sql sql, const struct queue_xref *x, struct tl_buf *out)
{
    struct store_val v;
    bool found = queue__start(q, sql,
                              VALS(store_text(x->model), store_text(x->connection_a), store_text(x->id_a),
                                   store_text(x->connection_b))) &&
                 queue__next(q, sql, &v, 1);

    if (found)
        (void)tl_buf_sv(out, v.s);
    queue__end(q, sql);
    return found;
}

/* Written in one direction, read in both. */
static enum tl_rc get_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct xref_op *k = TL_CONTAINER(op, struct xref_op, op);
    bool found;

    k->out->n = k->out_n;
    found = find(q, SQL_XREF_GET, k->xref, k->out) || find(q, SQL_XREF_BACK, k->xref, k->out);
    if (q->txn_rc != TL_OK)
        return q->txn_rc;
    if (!found)
        return tl_fail(err, TL_NOT_FOUND, "there is no such entry");
    return k->out->failed ? tl_fail(err, TL_LIMIT, "the entry is larger than the buffer") : TL_OK;
}

static enum tl_rc own_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct xref_op *k = TL_CONTAINER(op, struct xref_op, op);
    struct store_val v;
    bool any = false;

    (void)err;
    k->own = false;
    if (queue__start(q, SQL_OWN_HAS, VALS(store_text(k->model), store_text(k->connection), store_text(k->id))))
        while (!k->own && queue__next(q, SQL_OWN_HAS, &v, 1)) {
            any = true;
            k->own = tl_sv_eq(v.s, k->mark);
        }
    queue__end(q, SQL_OWN_HAS);
    /* All of them, also those of writes whose own event is still to come: what is no write of ours goes to the other
     * side, which then no longer holds what it gave us. The event of our write must follow it there, or a change that
     * came late would stay. */
    if (any && !k->own)
        (void)RUN(q, OWN_DEL, store_text(k->model), store_text(k->connection), store_text(k->id));
    return q->txn_rc;
}

static enum tl_rc forget_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct xref_op *k = TL_CONTAINER(op, struct xref_op, op);

    (void)err;
    (void)RUN(q, OWN_DEL_PAIRS, store_text(k->model), store_text(k->connection), store_text(k->id));
    (void)queue__run(q, SQL_XREF_DEL, VALS(store_text(k->model), store_text(k->connection), store_text(k->id)), &k->n);
    return RUN(q, OWN_DEL, store_text(k->model), store_text(k->connection), store_text(k->id));
}

static enum tl_rc call(struct queue *q, struct task *task, struct xref_op *k, const struct op_class *cls,
                       struct tl_err *err)
{
    k->op.cls = cls;
    return queue__call(q, task, &k->op, err);
}

enum tl_rc queue_xref_put(struct queue *q, struct task *task, const struct queue_xref *xref, struct tl_err *err)
{
    static const struct op_class cls = {.apply = put_apply, .own = true};
    struct xref_op k = {.xref = xref};

    if (!fits(xref))
        return tl_fail(err, TL_INVALID, "a cross-reference needs two ids of at most %u bytes", TEXT_MAX);
    return call(q, task, &k, &cls, err);
}

enum tl_rc queue_xref_get(struct queue *q, struct task *task, const struct queue_xref *known, struct tl_buf *ret_id,
                          struct tl_err *err)
{
    static const struct op_class cls = {.apply = get_apply, .read = true, .own = true};
    struct xref_op k = {.xref = known, .out = ret_id, .out_n = ret_id->n};

    return call(q, task, &k, &cls, err);
}

enum tl_rc queue_own_write(struct queue *q, struct task *task, struct tl_sv model, struct tl_sv connection,
                           struct tl_sv id, struct tl_sv mark, bool *ret_own, struct tl_err *err)
{
    static const struct op_class cls = {.apply = own_apply, .own = true};
    struct xref_op k = {.model = model, .connection = connection, .id = id, .mark = mark};
    enum tl_rc rc = call(q, task, &k, &cls, err);

    if (rc == TL_OK)
        *ret_own = k.own;
    return rc;
}

enum tl_rc queue_xref_forget(struct queue *q, struct task *task, struct tl_sv model, struct tl_sv connection,
                             struct tl_sv id, uint64_t *ret_n, struct tl_err *err)
{
    static const struct op_class cls = {.apply = forget_apply, .own = true};
    struct xref_op k = {.model = model, .connection = connection, .id = id};
    enum tl_rc rc = call(q, task, &k, &cls, err);

    if (rc == TL_OK)
        *ret_n = k.n;
    return rc;
}
