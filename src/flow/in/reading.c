/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reading.c - the permits of a source: one for each request of a read, so that reading passes no rate or quota and
 * stops at an open breaker; one for a listener while it connects. None is held while records are taken in, or longer
 * than a connect takes: a quiet stream must not keep deliveries from the connection.
 */
#include "flow/flow_int.h"
#include "queue/operate.h"

#include <stdio.h>

enum {
    QUIET_MS = 250, /* a wait that is worth telling of is longer */
    WAIT_MS = 5000,
    CONNECT_MS = 10000
};

static void give(struct flow_reading *r, const struct queue_permit_end *end)
{
    if (!r->held)
        return;
    r->held = false;
    async_timer_stop(&r->timer);
    queue_permit_give(r->engine->queue, &r->permit, end);
}

void flow__reading_ok(struct flow_reading *r, const struct guard_feedback *feedback)
{
    give(r, &(struct queue_permit_end){.rc = TL_OK, .feedback = feedback});
}

static void connected(struct async_timer *t)
{
    struct flow_reading *r = TL_CONTAINER(t, struct flow_reading, timer);

    flow__reading_ok(r, NULL);
    flow__source_ok(r->flow); /* nothing may come for a long time */
}

static void set_waits(const struct flow *f, int why)
{
    __atomic_store_n(&f->watch->source_waits, why, __ATOMIC_RELAXED);
}

static void tell(struct flow_reading *r, const char *why)
{
    TL_LOG(r->engine->opt.log, TL_INFO, "source.waits", why, KV_STR("flow", r->flow->name));
}

/* Asked for in short waits, so that a source whose configuration is gone ends soon. */
static enum tl_rc take(struct task *task, struct flow_reading *r, struct tl_err *err)
{
    struct tl_err own;
    enum tl_rc rc;

    err = err ? err : &own; /* a connector may not care why a request of its was not made */

    r->permit = (struct queue_permit){.connection = r->connection, .wait_ms = QUIET_MS};
    for (bool told = false;; told = true) {
        rc = queue_permit_take(r->engine->queue, task, &r->permit, err);
        if (rc != TL_BUSY)
            break;
        set_waits(r->flow, r->permit.why);
        if (!told)
            tell(r, err->text);
        if (r->over(r->arg))
            rc = TL_CANCELED;
        if (rc == TL_CANCELED)
            break;
        r->permit.wait_ms = WAIT_MS;
    }
    set_waits(r->flow, QUEUE_HELD_NONE);
    r->held = rc == TL_OK;
    r->used = false;
    if (rc == TL_OK)
        tl_err_clear(err);
    return rc;
}

enum tl_rc flow__reading_begin(struct task *task, struct flow_reading *r, struct tl_err *err)
{
    enum tl_rc rc;

    async_timer_init(&r->timer, task_loop(task), connected);
    rc = take(task, r, err);
    if (rc == TL_OK && r->listens)
        async_timer_set(&r->timer, async_loop_now(task_loop(task)) + (uint64_t)CONNECT_MS * 1000000u);
    return rc;
}

enum tl_rc flow__reading_request(struct flow_reading *r, struct task *task, struct connector_call *call,
                                 struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    if (r->used || !r->held) { /* the request before this one went well, or there would be none */
        flow__reading_ok(r, &call->feedback);
        r->further.used = true;
        rc = r->listens ? flow__further_request(&r->further, task, call, err) : take(task, r, err);
    }
    r->used = true;
    return rc;
}

void flow__reading_end(struct flow_reading *r, const struct connector_call *call, enum tl_rc rc,
                       const struct tl_err *err)
{
    give(r, &(struct queue_permit_end){.rc = rc,
                                       .not_sent = call->not_sent,
                                       .feedback = &call->feedback,
                                       .retry_after_ms = rc == TL_OK ? 0 : err->retry_after_ms,
                                       .text = rc == TL_OK ? TL_SV_NULL : tl_sv_str(err->text)});
}

/* ---- how it fares ---- */
void flow__source_ok(const struct flow *f)
{
    struct flow_watch *w = f->watch;
    int64_t now = tl_clock_wall_ms(flow__clock(f));

    pthread_mutex_lock(&w->lock);
    w->source.read_ms = now;
    w->source.failing_since_ms = 0;
    pthread_mutex_unlock(&w->lock);
    metrics_set(f->meters->read_at, (double)now / 1000);
    metrics_set(f->meters->failing_since, 0);
}

void flow__source_failed(const struct flow *f, const char *why)
{
    struct flow_watch *w = f->watch;
    int64_t now = tl_clock_wall_ms(flow__clock(f)), since;

    pthread_mutex_lock(&w->lock);
    w->source.failed_ms = now;
    if (!w->source.failing_since_ms)
        w->source.failing_since_ms = now;
    since = w->source.failing_since_ms;
    (void)snprintf(w->source.why, sizeof w->source.why, "%s", why);
    w->source.why[tl_utf8_valid(tl_sv_str(w->source.why))] = '\0'; /* cut at a character */
    pthread_mutex_unlock(&w->lock);
    metrics_set(f->meters->failing_since, (double)since / 1000);
}

void flow__source_gone(const struct flow *f)
{
    metrics_set(f->meters->failing_since, 0);
}

bool flow__source_state(const struct flow *f, struct flow_source_state *ret)
{
    if (!f->watch || (f->source != FLOW_READ && f->source != FLOW_SCHEDULE))
        return false;
    pthread_mutex_lock(&f->watch->lock);
    *ret = f->watch->source;
    pthread_mutex_unlock(&f->watch->lock);
    return ret->read_ms || ret->failed_ms;
}
