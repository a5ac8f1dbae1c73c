/* SPDX-License-Identifier: Apache-2.0 */
/*
 * told.c - one log line for each outcome, as the ledger decided it. The ledger thread only puts them into a list; the
 * last loop writes them, and what a stopped loop leaves is written when the engine goes.
 */
#include "flow/flow_int.h"

/* What went with the event and its attempts, of one that ended without one. */
static void trace_of(const struct queue_told *t, struct connector_trace *ret)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(1 << 20);
    struct json meta = JSON_NOTHING, h;

    if (t->meta.n && json_parse(a, t->meta, 0, NULL, &meta, NULL) != TL_OK)
        meta = JSON_NOTHING;
    h = json_gets(meta, "h");
    connector_trace_of(json_text(json_gets(h, "traceparent"), TL_SV_NULL), TL_SV_NULL,
                       json_text(json_gets(h, "x-request-id"), TL_SV_NULL), t->event, t->origin, ret);
}

static void write_line(struct flow_engine *e, const struct queue_told *t)
{
    struct connector_trace made;
    bool make = !t->trace.n && t->meta.n;
    char event[14], delivery[14] = "", next[TL_TIME_TEXT] = "";
    const char *outcome = queue_state_name(t->state);

    if (t->delivery != t->event)
        tl_id32_format(t->delivery, delivery);
    if (t->next_at_ms)
        tl_time_format(t->next_at_ms, next);
    if (make)
        trace_of(t, &made);
    TL_LOG(e->opt.log, t->failed ? TL_WARN : TL_INFO, "delivery.outcome", outcome, KV_STR("outcome", outcome),
           KV_SV("flow", t->flow), KV_SV("target", t->target), KV_STR("event_id", tl_id32_format(t->event, event)),
           KV_STR("delivery", delivery), KV_U64("attempt", t->attempt),
           KV_STR("class", t->cls ? tl_class_name(t->cls) : ""), KV_U64("status", t->status), KV_STR("next_at", next),
           KV_I64("delay_ms", t->at_ms - t->received_ms), KV_U64("latency_ms", t->latency_ms),
           KV_SV("trace", make ? tl_sv_str(made.id) : t->trace),
           KV_SV("request_id", make ? tl_sv_str(made.request_id) : t->request_id), KV_SV("reason", t->reason));
}

void flow__told_write(void *engine)
{
    struct flow_engine *e = engine;
    struct queue_told *first;

    pthread_mutex_lock(&e->lock);
    first = e->told;
    e->told = e->told_last = NULL;
    pthread_mutex_unlock(&e->lock);
    for (const struct queue_told *t = first; t; t = t->next)
        write_line(e, t);
    queue_told_free(first);
}

bool flow_engine_tells(void *engine, bool failed)
{
    const struct flow_engine *e = engine;

    return tl_log_on(e->opt.log, failed ? TL_WARN : TL_INFO);
}

void flow_engine_told(void *engine, struct queue_told *first)
{
    struct flow_engine *e = engine;
    struct queue_told *last = first;
    bool post;

    while (last->next)
        last = last->next;
    pthread_mutex_lock(&e->lock);
    post = !e->told;
    if (post)
        e->told = first;
    else
        e->told_last->next = first;
    e->told_last = last;
    pthread_mutex_unlock(&e->lock);
    if (post)
        async_loop_post_at(e->loops[e->opt.n_loops - 1].loop, &e->told_post);
}
