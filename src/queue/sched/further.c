/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Permits for the requests of a call after its first one. The call has its slot, so only the budgets of the connection
 * are asked. They come before all other permits of the connection: who waits here keeps a slot that others wait for. No
 * breaker and no pause of the connection holds them up either: a call that has begun must be able to come to its end.
 */
#include "queue/queue_int.h"

struct further_op {
    struct op op;
    struct queue_permit *permit;
    struct waiting w;
};

static void answer(struct queue *q, struct conn *c, enum tl_rc rc)
{
    struct further_op *f = TL_CONTAINER(c->first_further, struct further_op, w);

    c->first_further = f->w.next;
    if (!c->first_further)
        c->last_further = NULL;
    f->op.rc = rc;
    f->op.next = NULL;
    queue__answer(q, &f->op);
}

static void refuse(struct queue *q, struct conn *c, const struct guard_answer *a)
{
    struct further_op *f = TL_CONTAINER(c->first_further, struct further_op, w);
    uint64_t now = queue__now(q),
             ms = a->wake_ns != UINT64_MAX && a->wake_ns > now ? (a->wake_ns - now) / NS_PER_MS : 0;

    f->permit->why = a->wait == GUARD_RATE ? QUEUE_HELD_RATE : QUEUE_HELD_QUOTA;
    f->permit->retry_ms = ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
    answer(q, c,
           tl_fail(f->op.err, TL_BUSY, "connection %s: %s leaves no room for the further requests of this call",
                   c->name, a->budget ? a->budget : "its budget"));
}

void queue__furthers_serve(struct queue *q, struct conn *c, bool ends)
{
    uint64_t now = queue__now(q);

    c->further_ns = UINT64_MAX;
    c->further_reserve = false;
    while (c->first_further) {
        struct guard_answer a = guard_more(c->guard, now, queue__wall(q), 1);
        uint64_t until = c->first_further->until_ns;

        if (a.wait == GUARD_GO) {
            TL_CONTAINER(c->first_further, struct further_op, w)->permit->why = QUEUE_HELD_NONE;
            answer(q, c, TL_OK);
        } else if (until <= now || (ends && a.wait != GUARD_RESERVE) || atomic_load(&q->fatal) ||
                   (a.wake_ns != UINT64_MAX && a.wake_ns > until)) {
            refuse(q, c, &a);
        } else {
            c->further_reserve = a.wait == GUARD_RESERVE;
            c->further_ns = a.wake_ns < until ? a.wake_ns : until;
            return;
        }
    }
}

static enum tl_rc further_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    const struct queue_permit *p = TL_CONTAINER(op, struct further_op, op)->permit;

    return queue__conn(q, p->connection) ? TL_OK : tl_fail(err, TL_BUG, "there is no connection %u", p->connection);
}

static void further_settle(struct queue *q, struct op *op)
{
    struct further_op *f = TL_CONTAINER(op, struct further_op, op);
    struct conn *c = queue__conn(q, f->permit->connection);

    op->deferred = true;
    f->w = (struct waiting){
        .conn = c, .until_ns = queue__now(q) + (uint64_t)(f->permit->wait_ms > 0 ? f->permit->wait_ms : 0) * NS_PER_MS};
    if (c->last_further)
        c->last_further->next = &f->w;
    else
        c->first_further = &f->w;
    c->last_further = &f->w;
    c->further_ns = 0;
}

enum tl_rc queue__further_take(struct queue *q, struct task *task, struct queue_permit *permit, struct tl_err *err)
{
    static const struct op_class cls = {.apply = further_apply, .settle = further_settle, .own = true};
    struct further_op f = {.op = {.cls = &cls}, .permit = permit};

    return queue__call(q, task, &f.op, err);
}
