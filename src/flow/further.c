/* SPDX-License-Identifier: Apache-2.0 */
/*
 * further.c - every request of a call after its first takes from the connection's budgets, whatever the connector does:
 * a write of many records may need several, and the other side counts each.
 */
#include "flow/flow_int.h"

enum { WAIT_MS = 60000 }; /* the call keeps its slot so long; for more it comes again */

struct flow_further flow__further(const struct flow_plan *plan, const struct flow_connection *c)
{
    return (struct flow_further){
        .engine = plan->engine, .connection = plan->connection_ids[c->index], .counted = c->guard.n_budgets > 0};
}

enum tl_rc flow__further_request(struct flow_further *f, struct task *task, struct connector_call *call,
                                 struct tl_err *err)
{
    struct queue_permit permit = {.connection = f->connection, .wait_ms = WAIT_MS, .further = true};
    struct guard_feedback *b = &call->feedback;
    enum tl_rc rc;

    if (call->uncounted)
        return TL_OK;
    if (!f->used) { /* the call's own permit */
        f->used = true;
        return TL_OK;
    }
    if (!f->counted)
        return TL_OK;
    rc = queue_permit_take(f->engine->queue, task, &permit, err);
    if (rc == TL_BUSY) {
        if (err) {
            err->rc = TL_QUOTA;
            err->retry_after_ms = permit.retry_ms;
        }
        return TL_QUOTA;
    }
    for (size_t i = 0; rc == TL_OK && i < b->n_readings; i++) /* what was left before this one */
        if (b->readings[i].remaining >= 1)
            b->readings[i].remaining -= 1;
    return rc;
}
