/* SPDX-License-Identifier: Apache-2.0 */
/* The guard of a connection, as the scheduler sees it: may a call start now, what did it teach, what must be on disk.
 */
#include "queue/queue_int.h"

#define INTERNAL_AT_ONCE 512u
#define OK_EVERY_MS 60000 /* so often is it written when a call last succeeded */

static void say_if_it_was_ahead(struct queue *q, struct conn *c)
{
    if (guard_was_ahead(c->guard))
        queue__notice(q, "clock_was_ahead", NULL, c,
                      "the clock was ahead before, or is behind now: what was spent, and what the other side said, "
                      "counts as if that "
                      "had been now");
}

bool queue__gate_take(struct queue *q, struct conn *c, uint64_t *ret_wake_ns, enum queue_held *ret_why, bool *ret_probe)
{
    static const enum queue_held why[] = {
        [GUARD_GO] = QUEUE_HELD_NONE,         [GUARD_RATE] = QUEUE_HELD_RATE,
        [GUARD_QUOTA] = QUEUE_HELD_QUOTA,     [GUARD_RESERVE] = QUEUE_HELD_QUOTA,
        [GUARD_BREAKER] = QUEUE_HELD_BREAKER, [GUARD_CONCURRENCY] = QUEUE_HELD_CONCURRENCY,
    };
    struct guard_answer a;

    *ret_probe = false;
    *ret_wake_ns = UINT64_MAX;
    if (c->internal) {
        *ret_why = QUEUE_HELD_CONCURRENCY;
        return c->running - c->n_parked < INTERNAL_AT_ONCE;
    }
    if (c->held != QUEUE_HELD_NONE && !c->trying) {
        *ret_why = c->held;
        return false;
    }
    a = guard_take(c->guard, queue__now(q), queue__wall(q), 1);
    say_if_it_was_ahead(q, c);
    *ret_why = why[a.wait];
    if (a.wait == GUARD_GO) {
        c->trying = false; /* a held connection lets one through to see */
        *ret_probe = a.probe;
        return true;
    }
    c->reserve = a.wait == GUARD_RESERVE;
    *ret_wake_ns = a.wake_ns;
    return false;
}

static double brought_to_an_end(const struct work *w)
{
    double n = 0;

    for (size_t i = 0; i < w->pub.n; i++)
        n += w->members[i].verdict == V_FINAL || w->members[i].verdict == V_DEAD;
    return n;
}

void queue__gate_give(struct queue *q, struct work *w, enum tl_rc worst, bool not_sent)
{
    struct guard_result r = {
        .rc = worst,
        .probe = w->pub.probe,
        .not_sent = not_sent,
        .cost = 1,
        .done = brought_to_an_end(w),
        .started_ns = w->started_ns,
        .feedback = w->pub.feedback,
    };

    w->conn->wake_ns = 0;
    if (worst == TL_OK && !not_sent)
        w->conn->ok_at = queue__wall(q);
    if (!w->conn->internal)
        guard_give(w->conn->guard, queue__now(q), queue__wall(q), &r);
}

bool queue__gate_closed(const struct conn *c)
{
    return c->internal || !guard_breaker_tripped(c->guard);
}

/* Not worth a transaction of its own: it goes with whatever is written. */
static void save_ok(struct queue *q, struct conn *c)
{
    char key[32], at[24];

    if (c->internal || c->ok_at == c->ok_saved || (c->ok_saved && c->ok_at - c->ok_saved < OK_EVERY_MS))
        return;
    (void)snprintf(key, sizeof(key), "ok/%u", c->id);
    (void)snprintf(at, sizeof(at), "%lld", (long long)c->ok_at);
    if (queue__kv_set(q, tl_sv_str(key), tl_sv_str(at)) == TL_OK)
        c->ok_saved = c->ok_at;
}

/* In the transaction: quota blocks that are about to be used. */
void queue__gates_save(struct queue *q)
{
    for (size_t i = 1; i <= q->n_conns; i++) {
        struct conn *c = q->conns[i];
        struct tl_buf b;
        char key[32];

        if (c)
            save_ok(q, c);
        if (!c || !c->guard || !guard_wants_save(c->guard))
            continue;
        (void)snprintf(key, sizeof(key), "guard/%u", c->id);
        tl_buf_init(&b, 4096);
        guard_save(c->guard, queue__wall(q), &b);
        c->guard_saving = queue__kv_set(q, tl_sv_str(key), tl_buf_view(&b)) == TL_OK;
        tl_buf_done(&b);
    }
}

void queue__gates_saved(struct queue *q)
{
    for (size_t i = 1; i <= q->n_conns; i++) {
        struct conn *c = q->conns[i];

        if (c && c->guard_saving) {
            guard_saved(c->guard);
            c->guard_saving = c->reserve = c->further_reserve = false;
            c->wake_ns = c->further_ns = 0;
        }
    }
}

bool queue__gates_waiting(const struct queue *q)
{
    for (size_t i = 1; i <= q->n_conns; i++)
        if (q->conns[i] && (q->conns[i]->reserve || q->conns[i]->further_reserve) &&
            guard_wants_save(q->conns[i]->guard))
            return true;
    return false;
}

static void load_ok(struct queue *q, struct conn *c)
{
    struct tl_buf b;
    uint64_t at = 0;
    char key[32];

    (void)snprintf(key, sizeof(key), "ok/%u", c->id);
    tl_buf_init(&b, 64);
    if (queue__kv_get(q, tl_sv_str(key), &b) && tl_sv_u64(tl_buf_view(&b), &at) && at < INT64_MAX)
        c->ok_at = c->ok_saved = (int64_t)at;
    tl_buf_done(&b);
}

void queue__gate_load(struct queue *q, struct conn *c)
{
    char key[32];

    (void)snprintf(key, sizeof(key), "guard/%u", c->id);
    tl_buf_init(&c->guard_before, 4096);
    (void)queue__kv_get(q, tl_sv_str(key), &c->guard_before);
    load_ok(q, c);
}

/* What was spent before a restart belongs to budgets that only the configuration names. */
void queue__gate_set(struct queue *q, struct conn *c, const struct guard_conf *conf)
{
    struct tl_err err;

    guard_set(c->guard, conf);
    if (c->guard_before.n > 0 && guard_load(c->guard, tl_buf_view(&c->guard_before), queue__wall(q), &err) != TL_OK)
        queue__notice(q, "guard_lost", NULL, c, err.text);
    say_if_it_was_ahead(q, c);
    tl_buf_done(&c->guard_before);
}
