/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preview.c - what a delivery becomes on its way, made again for somebody who looks: the body after the mapping, and
 * the request that its connector would send now. Nothing is sent, nobody is asked: steps that ask a system are refused.
 */
#include "flow/flow_int.h"

struct preview {
    struct flow_engine *engine;
    struct flow_plan *plan;
    const struct flow *flow;
    const struct flow_target *target;
    const struct flow_preview *in;
    struct tl_arena *arena;
    struct json envelope;
    const char *skip;
    /* the request, as it was caught */
    struct json sent;
    enum tl_rc rc;
    struct tl_err err;
};

static struct tl_sv key_of(const struct preview *p)
{
    const struct flow_preview *in = p->in;

    return flow__outgoing_key(p->arena, p->engine->queue, in->event, in->target, in->item, in->revision);
}

/* An event whose steps run with its delivery; else they have run, and its body is what they made. */
static enum tl_rc run_steps(struct preview *p)
{
    struct flow_outcome out;
    enum tl_rc rc;

    if (p->flow->n_steps == 0 || p->in->split)
        return TL_OK;
    rc = flow__steps(p->flow, NULL, p->arena, p->envelope, NULL, p->engine->opt.clock, false, &out, &p->err);
    if (rc != TL_OK)
        return rc;
    p->skip = out.skipped;
    for (size_t i = 0; i < out.n; i++) {
        if (&p->flow->targets[out.items[i].target] == p->target) {
            p->envelope = out.items[i].envelope;
            return TL_OK;
        }
    }
    if (!p->skip)
        p->skip = "no_route";
    return TL_OK;
}

static void map_it(void *arg)
{
    struct preview *p = arg;
    struct flow_event event = {
        .id = p->in->event, .received_ms = p->in->received_ms, .key = key_of(p), .attempt = p->in->attempt};
    struct json meta = JSON_NOTHING, body = JSON_NOTHING, vars = JSON_NOTHING;

    p->rc = p->in->meta.n ? json_parse(p->arena, p->in->meta, 0, NULL, &meta, &p->err) : TL_OK;
    if (p->rc == TL_OK)
        p->rc = flow__body(p->arena, meta, p->in->body, p->in->own_body, &body, &p->err);
    if (p->rc == TL_OK && p->in->vars.n)
        p->rc = json_parse(p->arena, p->in->vars, 0, NULL, &vars, &p->err);
    if (p->rc != TL_OK)
        return;
    p->envelope = flow__envelope(p->arena, p->flow->name, meta, body, vars, &event);
    p->rc = run_steps(p);
    if (p->rc == TL_OK && !p->skip)
        p->rc = flow__target_map(p->target, p->arena, p->envelope, p->engine->opt.clock, NULL, &p->envelope, &p->skip,
                                 &p->err);
}

/* ---- the request ---- */
static struct json masked(struct preview *p, struct tl_sv text)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, text.n + 4096);
    (void)tl_buf_sv(&b, text);
    if (p->engine->opt.mask)
        p->engine->opt.mask(p->engine->opt.mask_arg, &b, false);
    return json_str_copy(p->arena, tl_buf_view(&b));
}

static void catch_request(void *arg, struct connector_call *call, const struct connector_exchange *x)
{
    struct preview *p = arg;
    const struct http_request_out *r = x->request;
    struct json_builder b, h;

    (void)call;
    if (p->sent.type != JSON_UNDEFINED) /* the first of several is shown */
        return;
    json_object_begin(&h, p->arena, r->n_headers);
    for (size_t i = 0; i < r->n_headers; i++)
        json_add(&h, tl_arena_sv(p->arena, r->headers[i].name), masked(p, r->headers[i].value));
    json_object_begin(&b, p->arena, 4);
    json_adds(&b, "method",
              json_str_copy(p->arena, r->method.n ? r->method
                                      : r->body.n ? TL_SV("POST")
                                                  : TL_SV("GET")));
    json_adds(&b, "url", masked(p, r->url));
    json_adds(&b, "headers", json_end(&h));
    json_adds(&b, "body", r->body.n && tl_utf8_valid(r->body) == r->body.n ? masked(p, r->body) : json_null());
    p->sent = json_end(&b);
}

static void make_request(struct task *task, struct preview *p)
{
    const struct flow_connection *c = p->target->connection;
    const struct connector_host_options o = {.client = flow_engine_client(p->engine, task_loop(task)),
                                             .clock = p->engine->opt.clock,
                                             .connector = c->connector,
                                             .connection = c->conf->type.conf,
                                             .name = c->name,
                                             .secret = p->engine->opt.secret,
                                             .secret_arg = p->engine->opt.secret_arg,
                                             .observe = catch_request,
                                             .observe_arg = p,
                                             .dry = true};
    struct connector_host *host = connector_host_new(&o);
    struct connector_verdict verdict = {.end = CONNECTOR_NONE};
    const struct connector_record record = {.value = json_gets(p->envelope, "body"),
                                            .envelope = p->envelope,
                                            .key = key_of(p),
                                            .event = p->in->event,
                                            .origin = queue_origin(p->engine->queue, p->in->event),
                                            .delivery = p->in->delivery,
                                            .attempt = p->in->attempt};
    struct flow_owner owner = {.target = "", .operation = "preview"};
    struct connector_call call = {.connection = c->conf->type.conf,
                                  .operation = p->target->operation_conf,
                                  .prepared = p->target->prepared,
                                  .arena = p->arena,
                                  .records = &record,
                                  .n = 1,
                                  .verdicts = &verdict,
                                  .owner = &owner};

    connector_call_begin(&call, host, NULL);
    (void)p->target->operation->run(task, &call, &p->err);
    connector_host_free(host);
}

/* ---- */
static enum tl_rc find(struct preview *p, struct tl_err *err)
{
    p->flow = flow__by_id(p->plan, p->in->flow);
    for (size_t i = 0; p->flow && i < p->flow->n_targets; i++)
        if (p->flow->targets[i].id == p->in->target)
            p->target = &p->flow->targets[i];
    if (!p->flow)
        return tl_fail(err, TL_NOT_FOUND, "its flow is not in the configuration any more");
    if (!p->target)
        return tl_fail(err, TL_NOT_FOUND, "this event has deliveries of its own, or its target is gone: look at those");
    return TL_OK;
}

static struct json answer(struct preview *p)
{
    struct json_builder b;
    bool mapped = p->rc == TL_OK && !p->skip;

    json_object_begin(&b, p->arena, 4);
    json_adds(&b, "mapped", mapped ? json_gets(p->envelope, "body") : json_null());
    json_adds(&b, "sent", p->sent.type == JSON_UNDEFINED ? json_null() : p->sent);
    json_adds(&b, "skipped", p->skip ? json_str(p->skip) : json_null());
    json_adds(&b, "problem",
              p->rc != TL_OK                                               ? json_str(p->err.text)
              : mapped && p->sent.type == JSON_UNDEFINED && p->err.text[0] ? json_str(p->err.text)
                                                                           : json_null());
    return json_copy(p->arena, json_end(&b));
}

enum tl_rc flow_engine_preview(struct flow_engine *e, struct task *task, const struct flow_preview *in,
                               struct tl_arena *arena, struct json *ret, struct tl_err *err)
{
    struct preview p = {.engine = e, .plan = flow_engine_plan(e), .in = in, .arena = arena};
    enum tl_rc rc = find(&p, err);

    if (rc == TL_OK)
        rc = task_blocking(task, map_it, &p, NULL, err);
    if (rc == TL_OK && p.rc == TL_OK && !p.skip)
        make_request(task, &p);
    if (rc == TL_OK)
        *ret = answer(&p);
    flow_plan_unref(p.plan);
    return rc;
}
