/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wall clock is only on disk, and may have been ahead when what waits there was written. A row that was written
 * later than now, and that waits longer than its target ever pauses by itself, would wait for as long as the clock was
 * wrong: it waits as long as it was meant to, from now on. Looked for at each configuration and after a step back.
 */
#include "queue/queue_int.h"

#define SLACK_MS 1000 /* the clock is put right by a little now and then */
#define STEP 500
#define MOST_MS 600000           /* as in guard_retry_delay */
#define NOT_SET_MS 1577836800000 /* 2020: before it, the clock itself is wrong, and what is on disk is not */

void queue__clock_check(struct queue *q)
{
    int64_t lead = queue__wall(q) - (int64_t)(queue__now(q) / NS_PER_MS);

    q->clock_back = q->clock_back || lead < q->clock_lead - SLACK_MS;
    q->clock_lead = lead;
}

bool queue__clock_step(struct queue *q)
{
    int64_t now = queue__wall(q);
    uint64_t n = 0;

    if (now < NOT_SET_MS)
        return false;
    for (size_t i = 1; i <= q->n_targets && n == 0 && q->txn_rc == TL_OK; i++) {
        struct target *t = q->targets[i];
        int64_t most = t && t->retry.most_ms > 0 ? t->retry.most_ms : MOST_MS;

        if (!t ||
            queue__run(q, SQL_UNIT_BACK,
                       VALS(store_int(t->id), store_int(now), store_int(now + most), store_int(now + SLACK_MS),
                            store_int(STEP)),
                       &n) != TL_OK ||
            n == 0)
            continue;
        t->due_at = t->away_next = 0; /* what is due is looked for anew */
        t->due_id = 0;
    }
    q->clock_moved += n;
    return n > 0;
}

void queue__clock_settle(struct queue *q, bool more)
{
    char text[200];

    if (more)
        return;
    q->clock_back = false;
    if (q->clock_moved == 0)
        return;
    (void)snprintf(text, sizeof(text),
                   "the clock was ahead before, or is behind now: %llu deliveries that would have waited until then "
                   "are tried after their pause from now",
                   (unsigned long long)q->clock_moved);
    q->clock_moved = 0;
    queue__notice(q, "clock_was_ahead", NULL, NULL, text);
}
