/* SPDX-License-Identifier: Apache-2.0 */
/* What changes, as it changes: the ledger thread writes ids into a ring, readers copy them. An entry is one word, so
 * the worst that a slow reader can meet is a newer id. */
#include "queue/queue_int.h"

void queue__feed(struct queue *q, uint64_t id, uint32_t flow, unsigned state)
{
    uint64_t at;

    if (TL_LIKELY(atomic_load_explicit(&q->watchers, memory_order_relaxed) == 0))
        return;
    at = atomic_load_explicit(&q->feed_head, memory_order_relaxed);
    atomic_store_explicit(&q->feed[at % FEED_MAX], id, memory_order_relaxed);
    atomic_store_explicit(&q->feed_what[at % FEED_MAX], (uint64_t)flow << 8 | (state & 0xff), memory_order_relaxed);
    atomic_store_explicit(&q->feed_head, at + 1, memory_order_release);
}

void queue_watch(struct queue *q, bool on)
{
    if (on)
        atomic_fetch_add(&q->watchers, 1);
    else
        atomic_fetch_sub(&q->watchers, 1);
}

size_t queue_changes(struct queue *q, uint64_t *cursor, struct queue_change *changes, size_t max, uint64_t *ret_missed)
{
    uint64_t head = atomic_load_explicit(&q->feed_head, memory_order_acquire), from = *cursor;
    size_t n = 0;

    *ret_missed = 0;
    if (from == 0 || from > head + 1) { /* a cursor is one more than the entries before it */
        *cursor = head + 1;
        return 0;
    }
    from--;
    if (head - from > FEED_MAX) {
        *ret_missed = head - from - FEED_MAX;
        from = head - FEED_MAX;
    }
    for (; from < head && n < max; from++) {
        uint64_t what = atomic_load_explicit(&q->feed_what[from % FEED_MAX], memory_order_relaxed);

        changes[n++] =
            (struct queue_change){.id = atomic_load_explicit(&q->feed[from % FEED_MAX], memory_order_relaxed),
                                  .flow = (uint32_t)(what >> 8),
                                  .state = (enum queue_state)(what & 0xff)};
    }
    *cursor = from + 1;
    return n;
}
