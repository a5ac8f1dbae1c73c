/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Works that are out and cannot go on yet, for want of something that is not the ledger's: the flow says so, and what
 * for. Nothing has been called on behalf of them, so no attempt is begun meanwhile, and they are shown as waiting.
 */
#include "queue/queue_int.h"

struct wants_op {
    struct op op;
    struct work *w;
    const char *what; /* NULL: it goes on */
};

/* Before the begins of this transaction are written. */
static enum tl_rc wants_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    const struct wants_op *o = TL_CONTAINER(op, struct wants_op, op);
    struct work *w = o->w;

    (void)err;
    if (!o->what)
        return TL_OK;
    if (w->lazy) { /* a crash would have harmed nothing */
        queue__list_remove(&q->lazy, w);
        w->lazy = false;
    }
    q->n_wants += w->wants == NULL;
    w->wants = o->what;
    return TL_OK;
}

/* After those were noted: from here on it is begun like any other. */
static void wants_settle(struct queue *q, struct op *op)
{
    struct wants_op *o = TL_CONTAINER(op, struct wants_op, op);

    if (!o->what && o->w->wants) {
        queue__wants_end(q, o->w);
        if (!o->w->begun) {
            queue__list_add(&q->lazy, o->w);
            o->w->lazy = true;
        }
    }
    tl_free(o);
}

void queue__wants_end(struct queue *q, struct work *w)
{
    q->n_wants -= w->wants != NULL;
    w->wants = NULL;
}

void queue_wants(struct queue *q, struct queue_work *work, const char *what)
{
    static const struct op_class cls = {.apply = wants_apply, .settle = wants_settle, .keep = true, .own = true};
    struct wants_op *o = tl_zalloc(sizeof *o);

    o->op.cls = &cls;
    o->w = TL_CONTAINER(work, struct work, pub);
    o->what = what;
    queue__push(q, &o->op);
}
