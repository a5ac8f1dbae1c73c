/* SPDX-License-Identifier: Apache-2.0 */
/*
 * observe.c - what calls cost and how they end, as metrics and log lines; the timed switch that shows one flow's calls.
 *
 * A line a call is written at debug level, or at info for a flow whose switch is on. It shows where (host and the path
 * as configured, before values are put in), never with which credentials. Bodies are shown under the switch only, with
 * every known secret masked.
 */
#include "flow/flow_int.h"

#include <stdio.h>
#include <string.h>

enum { BODY_LOOK = 64 << 10, BODY_SHOWN = 4096 };

/* ---- one for each name, through reloads ---- */
struct flow_watch *flow__watch(struct flow_engine *e, const char *name)
{
    struct flow_watch *w;

    pthread_mutex_lock(&e->lock);
    for (w = e->watches; w && strcmp(w->name, name) != 0;)
        w = w->next;
    if (!w) {
        w = tl_zalloc(sizeof *w);
        w->name = tl_strdup(name);
        pthread_mutex_init(&w->lock, NULL);
        w->next = e->watches;
        e->watches = w;
    }
    pthread_mutex_unlock(&e->lock);
    return w;
}

void flow__watches_free(struct flow_engine *e)
{
    for (struct flow_watch *w = e->watches, *next; w; w = next) {
        next = w->next;
        pthread_mutex_destroy(&w->lock);
        tl_free(w->outage.row);
        tl_free(w->name);
        tl_free(w);
    }
}

/* ---- the switch ---- */
bool flow_engine_debug(struct flow_engine *e, struct tl_sv flow, int64_t until_ms, bool bodies)
{
    struct flow_plan *p = flow_engine_plan(e);
    struct flow_watch *w = NULL;

    for (size_t i = 0; i < p->n_flows && !w; i++)
        w = tl_sv_eqs(flow, p->flows[i].name) ? p->flows[i].watch : NULL;
    if (w) {
        __atomic_store_n(&w->bodies, bodies, __ATOMIC_RELAXED);
        __atomic_store_n(&w->debug_until_ms, until_ms, __ATOMIC_RELAXED);
    }
    flow_plan_unref(p);
    return w != NULL;
}

int64_t flow_engine_debug_until(struct flow_engine *e, struct tl_sv flow, bool *ret_bodies)
{
    struct flow_plan *p = flow_engine_plan(e);
    int64_t until = 0;

    *ret_bodies = false;
    for (size_t i = 0; i < p->n_flows; i++) {
        if (tl_sv_eqs(flow, p->flows[i].name) && flow__debugged(&p->flows[i])) {
            until = __atomic_load_n(&p->flows[i].watch->debug_until_ms, __ATOMIC_RELAXED);
            *ret_bodies = __atomic_load_n(&p->flows[i].watch->bodies, __ATOMIC_RELAXED);
        }
    }
    flow_plan_unref(p);
    return until;
}

bool flow__debugged(const struct flow *f)
{
    int64_t until = f->watch ? __atomic_load_n(&f->watch->debug_until_ms, __ATOMIC_RELAXED) : 0;

    return until && until > tl_clock_wall_ms(flow__clock(f));
}

enum tl_level flow__debug_level(const struct flow *f)
{
    return f && flow__debugged(f) ? TL_INFO : TL_DEBUG;
}

/* Personal data in a log is there for good: masked as everywhere, and what is not JSON is left out. */
static bool veiled(struct flow_veil *v, struct tl_sv *body)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json value;

    if (!v->plan)
        return true;
    tl_buf_init(&b, body->n * 2 + 1024);
    if (json_parse(v->arena, *body, 0, NULL, &value, NULL) != TL_OK ||
        !json_write(&b, flow_veil_texts(v, flow_veil_json(v, value)), 0))
        return false;
    if (v->masked)
        *body = tl_arena_sv(v->arena, tl_buf_view(&b));
    return true;
}

static void begin_veil(struct flow_engine *e, struct flow_veil *v, struct tl_arena *a)
{
    struct flow_plan *p = flow_engine_plan(e);

    flow_veil_begin(v, p, a);
    flow_plan_unref(p);
}

/* Only so much is looked at; what a secret begins with at that cut is masked as the whole. Masks shorten the text, so
 * that cut may come into sight. */
static struct tl_sv shown(struct flow_engine *e, struct flow_veil *v, struct connector_call *call, struct tl_sv body)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_arena *a = v->arena;
    struct tl_sv text;

    if (!body.n)
        return TL_SV("");
    if (!veiled(v, &body))
        return tl_sv_str(tl_arena_printf(a, "(%zu bytes that are not JSON: they may hold personal data)", body.n));
    text = tl_sv(body.p, body.n < BODY_LOOK ? body.n : BODY_LOOK);
    if (tl_utf8_valid(text) + 4 < text.n)
        return tl_sv_str(tl_arena_printf(a, "(%zu bytes that are not text)", body.n));
    if (!e->opt.mask)
        return tl_sv_str(tl_arena_printf(a, "(%zu bytes)", body.n));
    if (call)
        text = connector_mask_cut(call, text, BODY_LOOK);
    tl_buf_init(&b, 4 * BODY_LOOK);
    tl_buf_sv(&b, text);
    e->opt.mask(e->opt.mask_arg, &b, body.n > BODY_LOOK);
    text = tl_buf_view(&b);
    if (text.n > BODY_SHOWN)
        return tl_sv_str(tl_arena_printf(a, "%.*s... (%zu bytes)", BODY_SHOWN, text.p, body.n));
    return tl_arena_sv(a, text);
}

static bool shows_bodies(const struct flow *f)
{
    return f && flow__debugged(f) && __atomic_load_n(&f->watch->bodies, __ATOMIC_RELAXED);
}

/* ---- calls ---- */
const struct flow_call_meters *flow__call_meters(struct flow_engine *e, struct tl_arena *a, const char *connection,
                                                 const char *operation)
{
    static const char *const statuses[FLOW_CALL_STATUSES] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx", "429"};
    struct flow_call_meters *m = tl_arena_must(a, sizeof *m);
    const char *values[] = {connection, operation, NULL};

    m->duration = metrics_series(e->families[FLOW_F_CALL_TIME], values);
    for (size_t i = 0; i < TL_COUNT(statuses); i++) {
        values[2] = statuses[i];
        m->status[i] = metrics_series(e->families[FLOW_F_CALLS], values);
    }
    return m;
}

static void count_call(const struct flow_call_meters *m, int status, uint64_t us)
{
    if (!m)
        return;
    metrics_observe(m->duration, us);
    /* what asks us to come later is no failure for the rule `calls_fail` */
    metrics_inc(m->status[status == 429 ? FLOW_CALL_STATUSES - 1 : status >= 100 && status < 600 ? status / 100 : 0]);
}

void flow__call_ended(const struct flow_owner *o, uint32_t status, uint64_t us)
{
    if (o->exchanges == 0) /* not HTTP: the call as a whole is all that can be seen */
        count_call(o->meters, (int)status, us);
}

/* What went wrong, without what models mark in what was sent. */
static const char *words(const struct flow_owner *o, const struct connector_call *call, const char *text)
{
    struct tl_arena *a = call->arena;
    struct flow_veil v;

    if (!o->flow || !text || !text[0])
        return text;
    flow_veil_begin(&v, o->flow->plan, a);
    for (size_t i = 0; v.plan && i < call->n && call->records; i++) {
        (void)flow_veil_json(&v, call->records[i].value);
        (void)flow_veil_json(&v, call->records[i].envelope);
    }
    (void)flow_veil_json(&v, call->input);
    text = tl_arena_printf(a, "%.*s", TL_SV_ARG(flow_veil_text(&v, tl_sv_str(text))));
    flow_veil_end(&v);
    return text;
}

void flow__observe(void *arg, struct connector_call *call, const struct connector_exchange *x)
{
    struct flow_engine *e = arg;
    struct flow_owner *o = call->owner;
    const struct http_reply *reply = x->reply;
    enum tl_level level;
    struct tl_sv sent = TL_SV(""), got = TL_SV("");
    struct connector_exchange clean = *x;
    char id[14] = "";

    if (!o)
        return;
    o->exchanges++;
    count_call(o->meters, reply->status, reply->total_us);
    level = flow__debug_level(o->flow);
    if (x->rc != TL_OK && ((o->attempt && o->attempt->on) || tl_log_on(e->opt.log, level)))
        clean.text = words(o, call, x->text);
    x = &clean;
    flow__trace_call(e, o, x);
    if (x->rc == TL_CANCELED || !tl_log_on(e->opt.log, level))
        return;
    if (shows_bodies(o->flow)) {
        struct flow_veil v;

        begin_veil(e, &v, call->arena);
        sent = shown(e, &v, call, x->request->body);
        got = shown(e, &v, call, reply->body);
        flow_veil_end(&v);
    }
    if (call->n == 1 && call->records)
        tl_id32_format(call->records[0].event, id);
    TL_LOG(e->opt.log, level, "call", x->rc == TL_OK ? "answered" : x->text,
           KV_STR("flow", o->flow ? o->flow->name : ""), KV_STR("target", o->target), KV_STR("event_id", id),
           KV_STR("connection", x->connection), KV_STR("operation", o->operation),
           KV_SV("method", x->request->method.n ? x->request->method
                           : x->request->body.n ? TL_SV("POST")
                                                : TL_SV("GET")),
           KV_SV("host", x->host), KV_SV("path", call->endpoint), KV_I64("status", reply->status),
           KV_F64("latency_ms", (double)reply->total_us / 1000),
           KV_U64("attempt", call->n == 1 && call->records ? call->records[0].attempt : 0), KV_U64("records", call->n),
           KV_U64("bytes_out", reply->bytes_out), KV_U64("bytes_in", reply->bytes_in), KV_BOOL("reused", reply->reused),
           KV_SV("trace", x->trace), KV_SV("request_id", x->request_id), KV_SV("sent", sent), KV_SV("got", got));
}

/* ---- receipts ---- */
void flow__hook_ended(const struct flow *f, int status, uint64_t us)
{
    static const char *const statuses[FLOW_HOOK_STATUSES] = {"other", "2xx", "4xx", "5xx"};
    size_t i = status / 100 == 2 ? 1 : status / 100 == 4 ? 2 : status / 100 == 5 ? 3 : 0;
    struct metric *m = __atomic_load_n(&f->meters->hook[i], __ATOMIC_ACQUIRE);

    if (!m) { /* made on first use, as most flows see one status only; asking twice gives the same series */
        const char *values[] = {f->name, statuses[i]};

        m = metrics_series(f->plan->engine->families[FLOW_F_HOOK_TIME], values);
        __atomic_store_n(&f->meters->hook[i], m, __ATOMIC_RELEASE);
    }
    metrics_observe(m, us);
}

void flow__told_no_key(struct flow *f, const struct tl_err *why, const struct queue_put *puts, size_t n)
{
    for (size_t i = 0; f->order_by && i < n; i++) {
        if (!puts[i].order_by.p && !puts[i].dead && !puts[i].ret_duplicate)
            metrics_inc(f->meters->no_order);
    }
    if (why->rc == TL_OK || __atomic_exchange_n(&f->told_no_key, true, __ATOMIC_RELAXED))
        return;
    TL_LOG(f->plan->engine->opt.log, TL_WARN, "flow.no_key", why->text, KV_STR("flow", f->name),
           KV_STR("so", "such events are taken in without it; this is told once until the next reload"));
}

void flow__log_received(const struct flow *f, struct http_req *req, const struct queue_put *put)
{
    struct flow_engine *e = f->plan->engine;
    enum tl_level level = flow__debug_level(f);
    struct connector_trace t;
    char id[14], from[HTTP_ADDR_TEXT];
    struct tl_sv got = TL_SV("");
    struct flow_veil v;

    if (!tl_log_on(e->opt.log, level))
        return;
    if (shows_bodies(f)) {
        begin_veil(e, &v, req->arena);
        got = shown(e, &v, NULL, req->body);
        flow_veil_end(&v);
    }
    connector_trace_of(flow__traceparent(req), TL_SV_NULL, http_req_header(req, "x-request-id"), put->ret_event,
                       queue_origin(flow__queue(f), put->ret_event), &t);
    TL_LOG(e->opt.log, level, "webhook.received", put->ret_duplicate ? "a known event again" : "stored",
           KV_STR("flow", f->name), KV_STR("event_id", tl_id32_format(put->ret_event, id)),
           KV_STR("from", http_addr_format(&req->client, from)), KV_U64("bytes", req->body.n), KV_STR("trace", t.id),
           KV_STR("request_id", t.request_id), KV_SV("got", got));
}
