/* SPDX-License-Identifier: Apache-2.0 */
/* Why a delivery waits: what a reader saw of it, beside what the ledger thread has in memory. */
#include "queue/queue_int.h"

struct why_op {
    struct op op;
    struct queue_row *rows;
    size_t n;
};

static enum queue_held behind(struct queue_row *r)
{
    if (r->ahead_held)
        (void)snprintf(r->held_text, sizeof(r->held_text), "a person holds the one ahead of it");
    return QUEUE_HELD_BEHIND;
}

static enum queue_held of_conn(const struct queue *q, const struct conn *c, struct queue_row *r)
{
    if (c->held != QUEUE_HELD_NONE) {
        (void)snprintf(r->held_text, sizeof(r->held_text), "%s", c->held_text);
        return c->held;
    }
    if (r->ahead)
        return r->ahead_dead ? QUEUE_HELD_KEY_BLOCKED : behind(r);
    if (r->job) { /* it is under way over there, whether we ask just now or later */
        r->running = true;
        return QUEUE_HELD_NONE;
    }
    if (r->state == QUEUE_RETRYING && r->next_at_ms > queue__wall(q))
        return QUEUE_HELD_BACKOFF;
    if (q->full)
        return QUEUE_HELD_DISK;
    if (q->config_version && !atomic_load(&q->dispatch_on))
        return QUEUE_HELD_DRAINING;
    return c->why;
}

/* Its step waits for a permit: what for, and of which connection. */
static bool waits_in_a_step(const struct queue *q, const struct lane *l, struct queue_row *r)
{
    for (const struct work *w = q->out; w && l->target->n_parked > 0; w = w->out_next) {
        if (!w->waits || w->target != l->target || w->members[0].lane != l)
            continue;
        r->held = w->waits->conn->held != QUEUE_HELD_NONE ? w->waits->conn->held : w->waits->conn->why;
        (void)snprintf(r->held_text, sizeof(r->held_text), "connection %.60s%s%.100s", w->waits->conn->name,
                       w->waits->conn->held_text[0] ? ": " : "", w->waits->conn->held_text);
        return r->held != QUEUE_HELD_NONE;
    }
    return false;
}

/* It has a permit, and waits for something that is not the ledger's. */
static bool wants(const struct queue *q, const struct lane *l, struct queue_row *r)
{
    for (const struct work *w = q->out; w && q->n_wants > 0; w = w->out_next) {
        bool its = false;

        for (size_t i = 0; w->wants && i < w->pub.n && !its; i++)
            its = w->members[i].lane == l;
        if (!its)
            continue;
        r->held = QUEUE_HELD_CONCURRENCY;
        (void)snprintf(r->held_text, sizeof(r->held_text), "%s", w->wants);
        return true;
    }
    return false;
}

/* The breaker waits for the target; that the gateway may mean this one alone is said beside. */
static void say_refused(struct queue_row *r)
{
    if (r->held == QUEUE_HELD_BREAKER && r->refused && !r->held_text[0])
        (void)snprintf(r->held_text, sizeof(r->held_text),
                       "refused with HTTP 502 to 504, %u time%s: that uses no attempt while nothing else goes through",
                       r->refused, r->refused == 1 ? "" : "s");
}

static void why(struct queue *q, struct queue_row *r)
{
    const struct flow *f = queue__flow(q, r->flow);
    const struct target *t = queue__target(q, r->target);
    const struct lane *l = queue__lane_find(q, r->lane);

    if ((r->state != QUEUE_QUEUED && r->state != QUEUE_RETRYING) || r->expanded || !f || !t)
        return;
    r->running = l && l->row.id == r->delivery && l->where == LANE_OUT && l->epoch != 0 && !l->revoked;
    if (r->running && !waits_in_a_step(q, l, r) && !wants(q, l, r))
        return;
    r->running = false;
    if (r->held != QUEUE_HELD_NONE) /* by a person (the reader knows), or in a step */
        return;
    if (queue__is_gone(q, f->removed || t->removed, f->gone)) {
        r->held = QUEUE_HELD_FLOW_REMOVED;
        if (!f->removed)
            (void)snprintf(r->held_text, sizeof(r->held_text), "target %.80s: %s", t->name, STRANDED_TEXT);
    } else if (f->held != QUEUE_HELD_NONE) {
        r->held = f->held;
        (void)snprintf(r->held_text, sizeof(r->held_text), "%s", f->held_text);
    } else if (t->elsewhere) {
        r->held = QUEUE_HELD_TARGET_CHANGED;
        (void)snprintf(r->held_text, sizeof(r->held_text), "%s", TARGET_CHANGED_TEXT);
    } else {
        r->held = of_conn(q, t->conn, r);
        if (r->held == QUEUE_HELD_NONE && t->n_parked >= PARKED_MAX) /* more, where they began at once */
            r->held = of_conn(q, t->parked_on, r);
        say_refused(r);
    }
}

static enum tl_rc why_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct why_op *w = TL_CONTAINER(op, struct why_op, op);

    (void)err;
    for (size_t i = 0; i < w->n; i++)
        why(q, &w->rows[i]);
    return TL_OK;
}

enum tl_rc queue_why(struct queue *q, struct task *task, struct queue_row *rows, size_t n, struct tl_err *err)
{
    static const struct op_class cls = {.apply = why_apply, .read = true, .own = true};
    struct why_op w = {.op = {.cls = &cls}, .rows = rows, .n = n};

    return queue__call(q, task, &w.op, err);
}
