/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holding one delivery. On disk that is two things, in one transaction: its row is live as that of a dead one that
 * blocks its lane (2), so that no scan for what is ready finds it and nothing behind it in its lane is the head; and
 * an entry held/<id> says who, why and since when. The entries in their order are also the list of all that are held.
 */
#include <inttypes.h>

#include "queue/queue_int.h"

#define REASON_MAX 1000u

struct tl_sv queue__held_key(uint64_t id, char buf[32])
{
    int n = snprintf(buf, 32, "held/%020" PRIu64, id); /* so that their order is that of the ids */

    return tl_sv(buf, (size_t)n);
}

void queue__held_read(struct tl_sv value, int64_t *ret_at_ms, struct tl_sv *ret_by, struct tl_sv *ret_reason)
{
    struct tl_sv at;

    *ret_at_ms = 0;
    *ret_by = TL_SV("");
    if (tl_sv_cut(&value, '\n', &at))
        (void)tl_sv_i64(at, ret_at_ms);
    (void)tl_sv_cut(&value, '\n', ret_by);
    *ret_reason = value;
}

static int64_t all_held(const struct queue *q)
{
    int64_t n = 0;

    for (size_t i = 1; i <= q->n_flows; i++)
        if (q->flows[i])
            n += q->flows[i]->count[QUEUE_HELD] + q->flows[i]->delta[QUEUE_HELD];
    return n;
}

/* Between turns, where jobs step: what is out is being delivered, the first of its lane or a member of a batch. */
static bool is_out(struct queue *q, const struct row *r)
{
    const struct lane *l = queue__lane_find(q, r->lane);

    if (!l || l->where != LANE_OUT || !l->epoch)
        return false;
    if (l->row.id == r->id)
        return !l->revoked;
    for (const struct work *w = q->out; w; w = w->out_next)
        for (size_t i = 0; i < w->pub.n; i++)
            if (w->members[i].lane == l && w->members[i].row.id == r->id)
                return true;
    return false;
}

enum tl_rc queue__hold_one(struct queue *q, const struct row *r, struct tl_sv by, struct tl_sv reason,
                           struct tl_err *err)
{
    char key[32], id[14], value[REASON_MAX + 200];
    int n;

    (void)tl_id32_format(r->id, id);
    by = tl_utf8_cut(by, 99);
    reason = tl_utf8_cut(reason, REASON_MAX);
    if (queue__is_held(r))
        return tl_fail(err, TL_CONFLICT, "%s is held already", id);
    if (r->live != 1)
        return tl_fail(err, TL_CONFLICT, "%s is %s: only what waits can be held", id,
                       queue_state_name((enum queue_state)r->state));
    if (is_out(q, r))
        return tl_fail(err, TL_CONFLICT, "%s is being delivered just now: hold it if it comes back", id);
    if (r->ticket)
        return tl_fail(err, TL_CONFLICT, "%s is in a long job of the other side: wait for it, or cancel it", id);
    if (all_held(q) >= QUEUE_HELD_MOST)
        return tl_fail(err, TL_LIMIT, "%d events are held one by one already: pause the flow instead", QUEUE_HELD_MOST);
    n = snprintf(value, sizeof(value), "%" PRId64 "\n%.*s\n%.*s", queue__wall(q), TL_SV_ARG(by), TL_SV_ARG(reason));
    (void)queue__kv_set(q, queue__held_key(r->id, key), tl_sv(value, (size_t)n));
    (void)RUN(q, UNIT_LIVE, store_u64(r->id), store_int(2), store_int(queue__wall(q)));
    if (r->keyed)
        queue__line_keep(q, r->lane, r->id);
    queue__note_dead(q, r);
    queue__count(q, queue__flow(q, r->flow), QUEUE_HELD, 1);
    return q->txn_rc;
}

void queue__held_gone(struct queue *q, const struct row *r)
{
    char key[32];

    (void)RUN(q, KV_DEL, store_text(queue__held_key(r->id, key)));
    queue__count(q, queue__flow(q, r->flow), QUEUE_HELD, -1);
}

enum tl_rc queue__release_one(struct queue *q, const struct row *r, struct tl_err *err)
{
    char id[14];

    if (!queue__is_held(r))
        return tl_fail(err, TL_CONFLICT, "%s is %s and nobody holds it", tl_id32_format(r->id, id),
                       queue_state_name((enum queue_state)r->state));
    queue__held_gone(q, r);
    return RUN(q, UNIT_LIVE, store_u64(r->id), store_int(1), store_int(queue__wall(q)));
}

void queue__load_held(struct queue *q)
{
    struct store_val v[2];
    struct flow *f;

    if (queue__start(q, SQL_HELD_ALL, NULL, 0))
        while (queue__next(q, SQL_HELD_ALL, v, 2)) {
            f = queue__flow(q, (uint32_t)v[0].i);
            if (f)
                f->count[QUEUE_HELD]++;
            if (v[1].type == STORE_INT)
                queue__note_dead(q, &(struct row){.keyed = true, .lane = (uint64_t)v[1].i});
        }
    queue__end(q, SQL_HELD_ALL);
}
