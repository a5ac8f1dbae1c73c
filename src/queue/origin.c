/* SPDX-License-Identifier: Apache-2.0 */
/*
 * origin.c - what makes an event's number unique beyond this ledger.
 *
 * Numbers begin at 1 in each ledger, and a ledger that is put back from a copy counts on from the copy. A target that
 * remembers keys would take the new events for old ones. So each start draws random bits for the numbers that it gives
 * out: an origin holds from its `first` number to the next origin's. Events that are there already keep theirs, for
 * they may have been sent; those of a ledger made before there were origins have none. Which start a number is from is
 * found here and not in its row: a start costs 16 bytes, and goes when none of its events are left.
 */
#include "queue/queue_int.h"

#define ORIGINS TL_SV("queue/origins")
#define ORIGIN_BITS 50
#define ORIGINS_MAX (64u << 20) /* bytes */

static bool has_events(struct queue *q, const struct origin *o, uint64_t end)
{
    struct store_val v;

    return queue__one(q, SQL_UNIT_BETWEEN, VALS(store_u64(o->first), store_u64(end)), &v, 1);
}

void queue__load_origins(struct queue *q)
{
    struct tl_buf v;
    size_t n = 0, kept = 0;

    tl_buf_init(&v, ORIGINS_MAX);
    if (queue__kv_get(q, ORIGINS, &v))
        n = v.n / sizeof(*q->origins);
    q->origins = tl_alloc((n + 1) * sizeof(*q->origins));
    if (n)
        memcpy(q->origins, v.p, n * sizeof(*q->origins));
    tl_buf_done(&v);
    for (size_t i = 0; i < n; i++)
        if (has_events(q, &q->origins[i], i + 1 < n ? q->origins[i + 1].first : q->next_id))
            q->origins[kept++] = q->origins[i];
    q->origins[kept++] =
        (struct origin){.first = q->next_id, .bits = (tl_random_u64() & ((1ull << ORIGIN_BITS) - 1)) | 1};
    q->n_origins = kept;
    (void)queue__kv_set(q, ORIGINS, tl_sv((const char *)q->origins, kept * sizeof(*q->origins)));
}

uint64_t queue_origin(const struct queue *q, uint64_t event)
{
    size_t lo = 0, hi = q->n_origins;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (q->origins[mid].first <= event)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo ? q->origins[lo - 1].bits : 0;
}
