/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask.c - the steps that ask other systems, `lookup` and `call`: an operation of a connection, run with a permit of
 * that connection. What may be answered from the cache is known by the request that it would be: the operation runs
 * once without sending. A failure acts on the connection that was asked; the event waits, takes an older answer, or
 * the default.
 */
#include "flow/flow_int.h"

#include <stdio.h>

enum {
    WAIT_MS = 120000,         /* for a permit, before the event goes back to the ledger */
    WAIT_OTHERWISE_MS = 2000, /* the same where an older answer or a default will do */
    AGAIN_MS = 1000,
    ASKED_SHOWN = 16
};

struct question {
    struct flow_place *place;
    const struct flow_step *s;
    const struct flow_ask *ask;
    struct json envelope;
    struct connector_record record;
    struct tl_arena *arena;
    struct tl_sv key; /* of the cache; empty: it cannot be kept */
    struct json got, *ret;
    enum tl_rc rc;
    bool large;
    char hidden[sizeof((struct tl_err *)0)->text];
    struct tl_err *err;
};

static struct flow_engine *engine_of(const struct question *q)
{
    return q->place->plan->engine;
}

static uint64_t now_ns(const struct question *q)
{
    return async_loop_now(engine_of(q)->loops[q->place->loop].loop);
}

/* ---- telling ---- */
static struct json_builder *note(struct question *q, const char *from)
{
    struct json_builder *b = tl_arena_must(q->arena, sizeof *b);

    json_object_begin(b, q->arena, 8);
    json_adds(b, "as", json_str(q->s->as));
    json_adds(b, "connection", json_str(q->ask->connection->name));
    json_adds(b, "operation", json_str(q->ask->operation->name));
    json_adds(b, "from", json_str(from));
    return b;
}

static void noted(struct question *q, struct json_builder *b)
{
    struct flow_place *p = q->place;

    if (p->n_asked == 0)
        json_array_begin(&p->asked, q->arena, ASKED_SHOWN);
    if (p->n_asked++ < ASKED_SHOWN)
        json_push(&p->asked, json_end(b));
}

struct tl_sv flow__asked_text(struct flow_place *place, struct tl_arena *a)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    if (place->n_asked == 0)
        return TL_SV_NULL;
    tl_buf_init(&b, 65536);
    return json_write(&b, json_end(&place->asked), 0) ? tl_arena_sv(a, tl_buf_view(&b)) : TL_SV_NULL;
}

/* ---- what would be asked ---- */
struct caught {
    struct question *q;
    bool caught;
};

static bool is_of_event(struct tl_sv name)
{
    return tl_sv_eqi(name, TL_SV("traceparent")) || tl_sv_eqi(name, TL_SV("tracestate")) ||
           tl_sv_eqi(name, TL_SV("x-request-id"));
}

/* Headers may hold secrets, so the cache knows a digest only. */
void flow__catch(void *arg, struct connector_call *call, const struct connector_exchange *x)
{
    const struct flow_engine *e = arg;
    struct caught *c = call->owner;
    struct question *q = c->q;
    const struct http_request_out *r = x->request;
    struct tl_sv *parts = tl_arena_alloc(q->arena, (r->n_headers * 4 + 8) * sizeof *parts);
    uint8_t digest[CRYPTO_MAX_DIGEST];
    size_t n = 0;

    if (c->caught || !parts)
        return;
    c->caught = true;
    parts[n++] = q->ask->identity;
    parts[n++] = TL_SV("\n");
    parts[n++] = r->method;
    parts[n++] = TL_SV(" ");
    parts[n++] = r->url;
    for (size_t i = 0; i < r->n_headers; i++) {
        if (is_of_event(r->headers[i].name))
            continue;
        parts[n++] = TL_SV("\n");
        parts[n++] = r->headers[i].name;
        parts[n++] = TL_SV(":");
        parts[n++] = r->headers[i].value;
    }
    parts[n++] = TL_SV("\n\n");
    parts[n++] = r->body;
    q->key =
        tl_arena_sv(q->arena, tl_sv((char *)digest, crypto_digest(e->opt.crypto, CRYPTO_SHA256, parts, n, digest)));
}

static struct connector_call call_of(struct question *q, struct connector_verdict *verdict, void *owner)
{
    return (struct connector_call){.connection = q->ask->connection->conf->type.conf,
                                   .operation = q->ask->operation_conf,
                                   .prepared = q->ask->prepared,
                                   .arena = q->arena,
                                   .records = &q->record,
                                   .n = 1,
                                   .verdicts = verdict,
                                   .input = q->envelope,
                                   .owner = owner};
}

/* An event that cannot be made into a question fails here, without a permit. */
static enum tl_rc find_key(struct task *task, struct question *q)
{
    struct tl_sv key = q->record.key;
    struct caught c = {.q = q};
    struct connector_verdict verdict = {.end = CONNECTOR_NONE};
    struct connector_call call = call_of(q, &verdict, &c);
    const struct flow_plan *p = q->place->plan;
    enum tl_rc rc;

    q->record.key = TL_SV_NULL; /* it is another one for each event */
    connector_call_begin(&call, p->dry[q->place->loop * p->n_connections + q->ask->connection->index], NULL);
    rc = q->ask->operation->run(task, &call, q->err);
    q->record.key = key;
    if (!c.caught && rc != TL_OK && tl_rc_class(rc) == TL_CLASS_DATA)
        return rc;
    tl_err_clear(q->err);
    return TL_OK;
}

/* ---- answers ---- */
static void take_value(void *arg, struct mapping_turn *turn)
{
    struct question *q = arg;

    *q->ret = q->got;
    q->rc = TL_OK;
    if (q->ask->value)
        q->rc = flow__eval(q->ask->value, q->arena, q->envelope, q->got, engine_of(q)->opt.clock, turn, q->ret, q->err);
    /* What is not there is null, also the part of it that was wanted. */
    if (q->rc == TL_OK && q->ret->type == JSON_UNDEFINED && q->got.type == JSON_NULL)
        *q->ret = json_null();
}

static void take_default(void *arg, struct mapping_turn *turn)
{
    struct question *q = arg;

    q->rc =
        flow__eval(q->ask->fallback, q->arena, q->envelope, q->envelope, engine_of(q)->opt.clock, turn, q->ret, q->err);
}

static enum tl_rc answered(struct task *task, struct question *q)
{
    enum tl_rc rc = mapping_run(task, q->large, take_value, q, q->err);

    rc = rc == TL_OK ? q->rc : rc;
    return rc == TL_OK ? TL_OK : tl_err_prefix(q->err, "value");
}

static void take_map(void *arg, struct mapping_turn *turn)
{
    struct question *q = arg;
    struct json body;

    q->rc = flow__eval(q->ask->map, q->arena, q->envelope, json_gets(q->envelope, "body"), engine_of(q)->opt.clock,
                       turn, &body, q->err);
    if (q->rc == TL_OK && body.type == JSON_UNDEFINED)
        q->rc = tl_fail(q->err, TL_INVALID, "the mapping gave nothing for this event");
    if (q->rc == TL_OK)
        q->envelope = flow__with_body(q->arena, q->envelope, body);
}

static enum tl_rc mapped(struct task *task, struct question *q)
{
    enum tl_rc rc = TL_OK;

    if (q->ask->map)
        rc = mapping_run(task, q->large, take_map, q, q->err);
    rc = rc == TL_OK ? q->rc : rc;
    q->record.envelope = q->envelope;
    q->record.value = json_gets(q->envelope, "body");
    return rc == TL_OK ? TL_OK : tl_err_prefix(q->err, "map");
}

static bool is_kept(struct question *q, int64_t max_age_ms, int64_t *ret_age_ms)
{
    return max_age_ms && q->key.n &&
           flow__cache_get(engine_of(q)->cache, q->key, now_ns(q), max_age_ms, q->arena, &q->got, ret_age_ms);
}

static bool recall(struct question *q, int64_t max_age_ms)
{
    struct json_builder *b;
    int64_t age;

    if (!is_kept(q, max_age_ms, &age))
        return false;
    b = note(q, "cache");
    json_adds(b, "age_ms", json_int(age));
    noted(q, b);
    return true;
}

/* The system could not be asked: an older answer, the default, or the failure. */
static enum tl_rc otherwise(struct task *task, struct question *q, enum tl_rc rc)
{
    if (rc == TL_CANCELED || tl_rc_class(rc) == TL_CLASS_DATA || q->place->cls == TL_CLASS_DATA)
        return rc;
    if (recall(q, q->ask->use_cached_ms)) {
        tl_err_clear(q->err);
        return answered(task, q);
    }
    if (!q->ask->fallback)
        return rc;
    tl_err_clear(q->err);
    noted(q, note(q, "default"));
    rc = mapping_run(task, q->large, take_default, q, q->err);
    rc = rc == TL_OK ? q->rc : rc;
    return rc == TL_OK ? TL_OK : tl_err_prefix(q->err, "default");
}

/* ---- asking ---- */
/* What a write says of its one record. */
static enum tl_rc judge(struct question *q, const struct connector_call *call, const struct connector_verdict *v)
{
    switch (v->end) {
    case CONNECTOR_DONE:
    case CONNECTOR_SKIPPED:
        q->got = call->output.type != JSON_UNDEFINED ? call->output : v->answer.p ? json_sv(v->answer) : json_null();
        return TL_OK;
    case CONNECTOR_FAILED:
        q->place->cls = v->cls;
        (void)tl_fail(q->err, v->rc, "%.*s", TL_SV_ARG(v->text));
        q->err->retry_after_ms = v->retry_after_ms;
        return v->rc;
    case CONNECTOR_INNOCENT:
        return tl_fail(q->err, TL_CONFLICT, "it was rolled back");
    case CONNECTOR_NONE:
        break;
    }
    if (call->pending)
        return tl_fail(q->err, TL_UNSUPPORTED, "%s became a long job: make it a target", q->ask->operation->name);
    return tl_fail(q->err, TL_UNKNOWN_OUTCOME, "nothing was said of the record");
}

static enum tl_rc further(void *arg, struct task *task, struct connector_call *call, struct tl_err *err)
{
    return flow__further_request(arg, task, call, err);
}

/* Its failure may hold the connection, with its words as the reason for everybody. */
static void hide(void *arg, struct mapping_turn *turn)
{
    struct question *q = arg;
    const struct json of[] = {q->envelope, q->record.value};
    struct tl_sv text =
        flow__hide(q->place->flow->plan, q->arena, of, TL_COUNT(of), tl_arena_sv(q->arena, tl_sv_str(q->err->text)));

    (void)turn; /* it takes as long as the event is large */
    (void)snprintf(q->hidden, sizeof q->hidden, "%.*s", TL_SV_ARG(text));
}

static void hide_error(struct task *task, struct question *q)
{
    struct tl_err ignored;

    if (mapping_run(task, q->large, hide, q, &ignored) != TL_OK)
        (void)snprintf(q->hidden, sizeof q->hidden, "it was not told: the server is stopping");
    (void)snprintf(q->err->text, sizeof q->err->text, "%s", q->hidden);
}

static enum tl_rc run(struct task *task, struct question *q, const struct queue_permit *permit)
{
    const struct flow_ask *ask = q->ask;
    struct flow_further more = flow__further(q->place->plan, ask->connection);
    const struct connector_ledger ledger = {.request = further, .arg = &more};
    struct flow_owner owner = {
        .flow = q->place->flow, .target = q->s->as, .operation = ask->operation->name, .meters = ask->calls};
    struct connector_verdict verdict = {.end = CONNECTOR_NONE};
    struct connector_call call = call_of(q, &verdict, &owner);
    uint64_t began = now_ns(q);
    struct json_builder *b = note(q, "answer");
    struct queue_permit_end end;
    enum tl_rc rc;

    connector_call_begin(&call, flow__host(q->place->plan, ask->connection, q->place->loop), &ledger);
    rc = connector_run(task, &call, ask->operation->run, q->err);
    if (rc == TL_OK && ask->operation->kind == CONNECTOR_WRITE)
        rc = judge(q, &call, &verdict);
    else
        q->got = call.output.type == JSON_UNDEFINED ? json_null() : call.output;
    if (rc != TL_OK)
        hide_error(task, q);
    if (!call.latency_us)
        call.latency_us = (now_ns(q) - began) / 1000;
    flow__call_ended(&owner, call.status, call.latency_us);
    end = (struct queue_permit_end){.rc = rc,
                                    .cls = q->place->cls,
                                    .not_sent = call.not_sent,
                                    .feedback = &call.feedback,
                                    .retry_after_ms = rc == TL_OK ? 0 : q->err->retry_after_ms,
                                    .text = rc == TL_OK ? TL_SV_NULL : tl_sv_str(q->err->text)};
    queue_permit_give(engine_of(q)->queue, permit, &end);
    if (call.not_sent)
        return rc;
    if (call.status)
        json_adds(b, "status", json_int(call.status));
    json_adds(b, "latency_ms", json_int((int64_t)(call.latency_us / 1000)));
    if (rc != TL_OK)
        json_adds(b, "error", json_str(tl_rc_name(rc)));
    noted(q, b);
    return rc;
}

/* A delivery that runs its steps itself (it was stored before the configuration changed) holds a permit of its target:
 * it comes again instead of waiting. */
static enum tl_rc no_permit(struct question *q, enum tl_rc rc)
{
    q->place->waited = rc == TL_BUSY && q->place->work->kind == QUEUE_WORK_EXPAND;
    if (rc != TL_BUSY || q->place->waited)
        return rc;
    q->err->retry_after_ms = AGAIN_MS;
    q->err->rc = TL_RATE_LIMITED;
    return TL_RATE_LIMITED;
}

static enum tl_rc ask(struct task *task, struct question *q)
{
    const struct flow_place *place = q->place;
    int64_t age;
    bool alternative = q->ask->fallback || is_kept(q, q->ask->use_cached_ms, &age);
    struct queue_permit permit = {.connection = place->plan->connection_ids[q->ask->connection->index],
                                  .work = place->work,
                                  .risky = q->ask->risky,
                                  .unless_down = alternative};
    enum tl_rc rc;

    if (place->work->kind == QUEUE_WORK_EXPAND)
        permit.wait_ms = alternative ? WAIT_OTHERWISE_MS : WAIT_MS;
    rc = queue_permit_take(engine_of(q)->queue, task, &permit, q->err);
    if (rc != TL_OK)
        rc = otherwise(task, q, rc == TL_BUSY && !alternative ? no_permit(q, rc) : rc);
    else if ((rc = run(task, q, &permit)) == TL_OK) {
        if (q->key.n)
            flow__cache_put(engine_of(q)->cache, q->key, now_ns(q), q->got);
        return answered(task, q);
    } else {
        rc = otherwise(task, q, rc);
    }
    if (rc != TL_OK)
        q->place->failed_connection = permit.connection;
    return rc;
}

/* The same at each attempt, whatever comes before the step in the configuration. */
static struct tl_sv key_of(const struct question *q, size_t item)
{
    char event[FLOW_EVENT_KEY];

    flow__event_key(engine_of(q)->queue, q->place->claim->event, event);
    return tl_sv_str(tl_arena_printf(q->arena, "%s.%s.%zu", event, q->s->as, item));
}

enum tl_rc flow__ask(struct flow_place *place, struct task *task, const struct flow_step *s, struct json envelope,
                     size_t item, struct tl_arena *arena, struct json *ret, struct tl_err *err)
{
    struct question q = {.place = place,
                         .s = s,
                         .ask = s->ask,
                         .envelope = envelope,
                         .arena = arena,
                         .ret = ret,
                         .large = place->large,
                         .err = err};
    enum tl_rc rc;

    q.record = (struct connector_record){.event = place->claim->event,
                                         .origin = queue_origin(engine_of(&q)->queue, place->claim->event),
                                         .delivery = place->claim->delivery,
                                         .attempt = place->claim->attempt,
                                         .unknown_before = place->claim->unknown_before};
    if (s->ask->call)
        q.record.key = key_of(&q, item);
    rc = mapped(task, &q);
    if (rc == TL_OK && (s->ask->cache_ms || s->ask->use_cached_ms))
        rc = find_key(task, &q);
    if (rc == TL_OK)
        rc = recall(&q, s->ask->cache_ms) ? answered(task, &q) : ask(task, &q);
    return rc == TL_OK ? TL_OK : tl_err_prefix(err, "%s of $%s", s->ask->call ? "call" : "look-up", s->as);
}
