/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 502 to 504, and nobody there, are signs of an outage: while nothing goes through they use no attempt, so that an
 * outage kills nothing. One that is always answered like that alone would wait for ever, and nobody would see why. So
 * how often it was refused is said where it waits and of its connection, and as soon as its target has taken another
 * one since, it has its attempts like any other.
 */
#include <inttypes.h>

#include "queue/queue_int.h"

bool queue__went_since(struct queue *q, const struct target *t, const struct row *r)
{
    struct store_val v;

    return t->took_ms &&
           queue__one(q, SQL_ATTEMPT_BACK,
                      VALS(store_u64(r->id * ATTEMPT_SPAN), store_u64(r->id * ATTEMPT_SPAN + r->attempts),
                           store_int(QUEUE_END_FAILED), store_int(FLAG_COUNTED), store_int(TL_CLASS_TRANSIENT)),
                      &v, 1) &&
           v.i && t->took_ms > v.i;
}

void queue__refused_count(struct queue *q, struct member *m, const struct queue_outcome *o)
{
    struct store_val v;

    m->refused = 0;
    if (m->verdict == V_BACK && o->end == QUEUE_END_FAILED && queue__is_gateway(o->status) &&
        queue__one(q, SQL_ATTEMPT_REFUSED,
                   VALS(store_u64(m->row.id * ATTEMPT_SPAN), store_u64((m->row.id + 1) * ATTEMPT_SPAN)), &v, 1))
        m->refused = (uint32_t)v.i;
}

void queue__refused_note(struct conn *c, const struct member *m)
{
    if (m->verdict == V_FINAL && m->row.state == QUEUE_DELIVERED) {
        c->refused = 0;
    } else if (m->refused && (m->row.id == c->refused_id || m->refused > c->refused)) {
        c->refused_id = m->row.id;
        c->refused = m->refused;
    }
}

void queue__conn_words(struct queue *q, struct conn *c, enum queue_held held, char *ret, size_t n)
{
    struct row r;
    char id[14];

    (void)snprintf(ret, n, "%s", c->held_text);
    if (held != QUEUE_HELD_BREAKER || !c->refused)
        return;
    if (!queue__unit(q, c->refused_id, &r) || r.live != 1) { /* a person has put an end to it */
        c->refused = 0;
        return;
    }
    (void)snprintf(
        ret, n, "nothing goes through; most often %s was tried, and refused with HTTP 502 to 504, %" PRIu32 " time%s",
        tl_id32_format(c->refused_id, id), c->refused, c->refused == 1 ? "" : "s");
}
