/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.c - an event as spans: receive (verify, commit) at the door, then for each attempt deliver (wait, map, call,
 * acknowledge). The trace is the sender's, or made from the event's id, so that it needs no storage; so is the id of
 * the receive span, the parent of all attempts, also of those after a restart.
 */
#include "flow/flow_int.h"

#include <stdio.h>

enum { PARENT_AT = 36 }; /* version-traceid-parentid-flags */

static uint64_t receive_span(uint64_t event)
{
    return tl_hash64(&event, sizeof event, 29) | 1;
}

static bool hex_u64(struct tl_sv s, uint64_t *ret)
{
    uint64_t v = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
        v = v << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *ret = v;
    return s.n == 16;
}

static bool is_odd(char hex) /* 'b', 'd' and 'f' are even as characters, odd as digits */
{
    return hex <= '9' ? hex & 1 : !(hex & 1);
}

/* False: not recorded. */
static bool begin(const struct flow *f, struct tl_sv traceparent, uint64_t event, struct otlp_span *s)
{
    struct connector_trace t;
    uint64_t high, low;
    bool given;

    connector_trace_of(traceparent, TL_SV_NULL, TL_SV_NULL, event, queue_origin(flow__queue(f), event), &t);
    given = traceparent.n >= PARENT_AT + 16 && memcmp(traceparent.p + 3, t.id, 32) == 0;
    if (!hex_u64(tl_sv(t.id, 16), &high) || !hex_u64(tl_sv(t.id + 16, 16), &low))
        return false;
    *s = (struct otlp_span){.kind = OTLP_INTERNAL};
    for (size_t i = 0; i < 8; i++) {
        s->trace[i] = (uint8_t)(high >> (56 - 8 * i));
        s->trace[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    }
    if (given)
        (void)hex_u64(tl_sv(traceparent.p + PARENT_AT, 16), &s->parent);
    return otlp_sampled(f->plan->engine->opt.otlp, s->trace, given, given && is_odd(t.flags[1]));
}

static void child(struct otlp *o, const struct otlp_span *of, const char *name, uint64_t from_ns, uint64_t to_ns)
{
    struct otlp_span s = {.id = tl_random_u64() | 1,
                          .parent = of->id,
                          .name = name,
                          .kind = OTLP_INTERNAL,
                          .start_ns = from_ns,
                          .end_ns = to_ns};

    memcpy(s.trace, of->trace, sizeof s.trace);
    otlp_give(o, &s);
}

static void put_text(struct otlp_span *s, struct tl_sv text)
{
    text = tl_utf8_cut(text, sizeof s->text - 1);
    (void)snprintf(s->text, sizeof s->text, "%.*s", TL_SV_ARG(text));
}

static void put_event(struct otlp_span *s, uint64_t event)
{
    char id[14];

    otlp_text(s, "tieline.event", tl_sv_str(tl_id32_format(event, id)));
}

void flow__trace_received(const struct flow *f, struct http_req *req, const struct queue_put *put, int status,
                          const struct flow_times *t)
{
    struct otlp *o = f->plan->engine->opt.otlp;
    struct otlp_span s;

    if (!o || !put->ret_event || put->ret_duplicate || !begin(f, flow__traceparent(req), put->ret_event, &s))
        return;
    s.id = receive_span(put->ret_event);
    s.name = "receive";
    s.kind = OTLP_SERVER;
    s.start_ns = otlp_unix_ns(o, t->began);
    s.end_ns = otlp_unix_ns(o, t->ended);
    otlp_text(&s, "tieline.flow", tl_sv_str(f->name));
    put_event(&s, put->ret_event);
    otlp_text(&s, "http.request.method", req->method_text);
    otlp_number(&s, "http.response.status_code", status);
    otlp_number(&s, "http.request.body.size", (int64_t)req->body.n);
    otlp_give(o, &s);
    child(o, &s, "verify", s.start_ns, otlp_unix_ns(o, t->verified));
    child(o, &s, "commit", otlp_unix_ns(o, t->verified), otlp_unix_ns(o, t->committed));
}

void flow__trace_attempt(struct flow_attempt *a, const struct flow *f, uint64_t began, uint64_t event,
                         struct tl_sv traceparent)
{
    struct otlp *o = f->plan->engine->opt.otlp;

    if (!o || !begin(f, traceparent, event, &a->span))
        return;
    a->on = true;
    a->span.id = tl_random_u64() | 1;
    a->span.name = "deliver";
    a->span.kind = OTLP_CONSUMER;
    a->span.start_ns = otlp_unix_ns(o, began);
    if (f->source == FLOW_WEBHOOK)
        a->span.parent = receive_span(event);
    otlp_text(&a->span, "tieline.flow", tl_sv_str(f->name));
    put_event(&a->span, event);
}

void flow__trace_call(struct flow_engine *e, const struct flow_owner *owner, const struct connector_exchange *x)
{
    const struct flow_attempt *a = owner->attempt;
    struct otlp_span s = {.id = x->span, .name = "call", .kind = OTLP_CLIENT};

    if (!a || !a->on || !x->span)
        return;
    memcpy(s.trace, a->span.trace, sizeof s.trace);
    s.parent = a->span.id;
    s.end_ns = otlp_unix_ns(e->opt.otlp, tl_clock_mono_ns(tl_clock_system()));
    s.start_ns = s.end_ns - x->reply->total_us * 1000;
    otlp_text(&s, "tieline.connection", tl_sv_str(x->connection));
    otlp_text(&s, "tieline.operation", tl_sv_str(owner->operation));
    otlp_text(&s, "server.address", x->host);
    otlp_text(&s, "http.request.method", x->request->method.n ? x->request->method : TL_SV("POST"));
    if (x->reply->status)
        otlp_number(&s, "http.response.status_code", x->reply->status);
    s.failed = x->rc != TL_OK || x->reply->status >= 400;
    put_text(&s, tl_sv_str(x->text));
    otlp_give(e->opt.otlp, &s);
}

void flow__trace_ended(struct flow_attempt *a, const struct flow *f, const struct flow_target *t,
                       const struct queue_claim *c)
{
    const struct queue_outcome *out = &c->outcome;
    struct otlp *o = f->plan->engine->opt.otlp;
    uint64_t now;

    if (!a->on || out->end == QUEUE_END_CANCELED)
        return;
    now = otlp_unix_ns(o, tl_clock_mono_ns(tl_clock_system()));
    a->span.end_ns = now;
    otlp_text(&a->span, "tieline.target", tl_sv_str(t->name));
    otlp_number(&a->span, "tieline.attempt", c->attempt);
    if (out->status)
        otlp_number(&a->span, "tieline.status", out->status);
    a->span.failed = out->end == QUEUE_END_FAILED || out->end == QUEUE_END_NONE;
    if (a->span.failed) {
        otlp_text(&a->span, "tieline.class", tl_sv_str(tl_class_name(out->cls ? out->cls : tl_rc_class(out->rc))));
        put_text(&a->span, out->text);
    }
    otlp_give(o, &a->span);
    if (c->attempt == 1) /* later attempts wait for their back-off, which the gap between them shows */
        child(o, &a->span, "wait", (uint64_t)c->received_ms * 1000000u, a->span.start_ns);
    if (a->mapped)
        child(o, &a->span, "map", a->span.start_ns, otlp_unix_ns(o, a->mapped));
    if (a->called)
        child(o, &a->span, "acknowledge", otlp_unix_ns(o, a->called), now);
}
