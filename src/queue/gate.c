/* SPDX-License-Identifier: Apache-2.0 */
/* The guard of a connection, as the scheduler sees it: may a call start now, and what did it teach. */
#include "queue/queue_int.h"

struct gate {
    uint32_t concurrency;
};
struct gate_retry {
    uint32_t attempts;
    int64_t base_ms, most_ms;
};

struct gate *queue__gate_new(struct queue *q, const struct queue_connection_def *def)
{
    struct gate *g = tl_zalloc(sizeof(*g));

    (void)q;
    (void)def;
    g->concurrency = 64;
    return g;
}

void queue__gate_free(struct gate *g)
{
    tl_free(g);
}

void queue__gate_set(struct queue *q, struct conn *c, const struct queue_connection_def *def)
{
    if (!c->gate)
        c->gate = queue__gate_new(q, def);
}

bool queue__gate_take(struct queue *q, struct conn *c, uint64_t *ret_wake_ns, enum queue_held *ret_why, bool *ret_probe)
{
    (void)q;
    *ret_probe = false;
    *ret_wake_ns = UINT64_MAX;
    *ret_why = c->held;
    if (c->held != QUEUE_HELD_NONE)
        return false;
    *ret_why = QUEUE_HELD_CONCURRENCY;
    return c->running < (c->internal ? 512 : c->gate->concurrency);
}

void queue__gate_give(struct queue *q, struct conn *c, const struct work *w, enum tl_rc worst)
{
    (void)q;
    (void)c;
    (void)w;
    (void)worst;
}

bool queue__gate_closed(const struct queue *q, const struct conn *c)
{
    (void)q;
    (void)c;
    return true;
}

struct gate_retry *queue__retry_new(const struct guard_retry *retry)
{
    struct gate_retry *r = tl_zalloc(sizeof(*r));

    (void)retry;
    r->attempts = 8;
    r->base_ms = 1000;
    r->most_ms = 600000;
    return r;
}

void queue__retry_free(struct gate_retry *r)
{
    tl_free(r);
}

bool queue__retry_delay(const struct gate_retry *r, uint32_t used, int64_t age_ms, uint32_t retry_after_ms, int64_t *ret_ms)
{
    int64_t ms = r->base_ms;

    (void)age_ms;
    if (used >= r->attempts)
        return false;
    for (uint32_t i = 1; i < used && ms < r->most_ms; i++)
        ms *= 2;
    *ret_ms = retry_after_ms > ms ? retry_after_ms : ms;
    return true;
}

uint64_t queue__gate_drain_ms(struct queue *q, struct conn *c, uint64_t waiting, const char **ret_reason)
{
    (void)q;
    (void)c;
    (void)waiting;
    *ret_reason = "";
    return UINT64_MAX;
}

const char *queue__gate_breaker(const struct conn *c)
{
    (void)c;
    return "closed";
}
