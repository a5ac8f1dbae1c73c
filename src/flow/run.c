/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - the ledger's work on a loop: one task a work. Steps and mapping, the connector's call, the verdicts as
 * outcomes. Whatever happens in between, the work goes back to the ledger exactly once.
 */
#include "flow/flow_int.h"

#include "queue/operate.h"

enum { WORK_DEADLINE_MS = 300000, SEEN_EACH = 4, HIDE_MEMORY = 256 << 20, BODY_MAX = 256 << 20, ROOM_MS = 2000 };

struct run {
    struct flow_loop *loop;
    struct queue_work *work;
    struct flow_plan *plan;
    struct flow *flow; /* NULL: gone meanwhile */
    struct flow_target *target;
    struct tl_arena *arena;
    struct guard_feedback feedback;
    struct connector_trace trace; /* of the one event of this work; .id empty: there are several */
    struct flow_attempt attempt;  /* the same as spans */
    uint64_t began;
    struct json *seen; /* payloads and envelopes of this work, which the words of others may repeat; NULL: not kept */
    size_t n_seen;
    bool large;            /* one of them is */
    struct flow_room room; /* .bytes: what it holds of the memory for bodies */
    bool waits, no_room;   /* for that: it has said so; in vain */
    struct json *before;   /* of each record, before its target's map; NULL: a job that goes on */
    struct flow_write write;
    bool writes; /* `write` is in the engine's list */
    struct flow_further further;
};

/* At most SEEN_EACH of a claim. */
static void see(struct run *r, struct json v)
{
    if (r->seen && r->n_seen < r->work->n * SEEN_EACH)
        r->seen[r->n_seen++] = v;
}

static void give_up(struct queue_outcome *o, enum tl_rc rc, const struct tl_err *err)
{
    *o = (struct queue_outcome){.end = rc == TL_CANCELED ? QUEUE_END_CANCELED : QUEUE_END_FAILED,
                                .rc = rc,
                                .retry_after_ms = err->retry_after_ms,
                                .text = tl_sv_str(err->text),
                                .asked = o->asked, /* what the steps did stands */
                                .xrefs = o->xrefs,
                                .n_xrefs = o->n_xrefs};
}

/* The text of a failure must outlive this frame. */
static void fail_claim(struct run *r, struct queue_claim *c, enum tl_rc rc, const struct tl_err *err)
{
    give_up(&c->outcome, rc, err);
    c->outcome.text = tl_arena_sv(r->arena, tl_sv_str(err->text));
}

/* ---- from a claim to an envelope ---- */
struct fetch_body {
    struct queue *queue;
    uint64_t delivery;
    size_t bytes;
    struct tl_buf body;
    enum tl_rc rc;
    struct tl_err err;
};
static void fetch_body(void *arg)
{
    struct fetch_body *f = arg;
    struct queue_reader *reader;

    f->rc = queue_reader_open(f->queue, &reader, &f->err);
    if (f->rc != TL_OK)
        return;
    (void)tl_buf_reserve(&f->body, f->bytes);
    f->rc = queue_read_body(reader, f->delivery, false, &f->body, &f->err);
    queue_reader_close(reader);
}

struct prepare {
    struct run *r;
    struct queue_claim *claim;
    struct tl_sv body;
    struct json envelope;
    const char *skip;
    bool target_map;
    enum tl_rc rc;
    struct tl_err *err;
};

/* A replay of one delivery of several has the event, target and item of the one before it: its own id makes its key
 * another one, or a target that knows the first would take it for a repetition. */
static struct tl_sv outgoing_key(struct run *r, const struct queue_claim *c)
{
    struct tl_sv key = flow__outgoing_key(r->arena, r->loop->engine->queue, c->event, c->target, c->item, c->revision);
    char own[14];

    if (c->replay_of && c->delivery != c->event)
        key = tl_sv_str(tl_arena_printf(r->arena, "%.*s.p%s", TL_SV_ARG(key), tl_id32_format(c->delivery, own)));
    return key;
}

static void make_envelope(void *arg, struct mapping_turn *turn)
{
    struct prepare *p = arg;
    struct tl_arena *a = p->r->arena;
    struct flow_event event = {
        .id = p->claim->event, .received_ms = p->claim->received_ms, .attempt = p->claim->attempt};
    struct json meta = JSON_NOTHING, body = JSON_NOTHING, vars = JSON_NOTHING;

    (void)turn; /* parsing takes as long as the body is large */
    if (p->r->work->kind == QUEUE_WORK_DELIVER)
        event.key = outgoing_key(p->r, p->claim);
    p->rc = p->claim->meta.n ? json_parse(a, p->claim->meta, 0, NULL, &meta, p->err) : TL_OK;
    if (p->rc == TL_OK)
        p->rc = flow__body(a, meta, p->body, p->claim->own_body, &body, p->err);
    if (p->rc == TL_OK && p->claim->vars.n)
        p->rc = json_parse(a, p->claim->vars, 0, NULL, &vars, p->err);
    if (p->rc == TL_OK)
        p->envelope = flow__envelope(a, p->r->flow->name, meta, body, vars, &event);
}

static void map_target(void *arg, struct mapping_turn *turn)
{
    struct prepare *p = arg;

    p->rc = flow__target_map(p->r->target, p->r->arena, p->envelope, p->r->loop->engine->opt.clock, turn, &p->envelope,
                             &p->skip, p->err);
}

static void wants_room(void *arg)
{
    struct run *r = arg;

    r->waits = true;
    queue_wants(r->loop->engine->queue, r->work,
                "large bodies on their way take all the memory that there is for them (server.limits.body_memory)");
}

/* A permit is held meanwhile, so not for long: small events of the connection go on. What finds no room goes back to
 * the ledger and comes again after the others that wait. */
static enum tl_rc take_room(struct task *task, struct run *r, uint64_t bytes, struct tl_err *err)
{
    struct flow_room room = {.share = r->target ? r->plan->connection_ids[r->target->connection->index]
                                                : UINT32_MAX - r->flow->id,
                             .bytes = bytes,
                             .most = flow_plan_project(r->plan)->server.limits.body_memory,
                             .wait_ms = ROOM_MS,
                             .waits = wants_room,
                             .arg = r};
    enum tl_rc rc;

    if (r->no_room) /* one of a batch has waited for all */
        return tl_fail(err, TL_BUSY, "there was no memory for the body");
    rc = flow__bodies_take(r->loop->engine->bodies, task, &room, err);
    r->no_room = rc == TL_BUSY;
    if (rc != TL_OK)
        return rc;
    r->room = room;
    if (r->waits)
        queue_wants(r->loop->engine->queue, r->work, NULL);
    return TL_OK;
}

static void no_body(struct run *r, struct queue_claim *c, enum tl_rc rc, const struct tl_err *err)
{
    if (rc == TL_BUSY && r->no_room)
        c->outcome = (struct queue_outcome){.end = QUEUE_END_WAITED};
    else
        fail_claim(r, c, rc, err);
}

static enum tl_rc whole_body(struct task *task, struct run *r, const struct queue_claim *c, struct tl_sv *ret_body,
                             struct tl_err *err)
{
    struct fetch_body f = {.queue = r->loop->engine->queue, .delivery = c->delivery, .bytes = (size_t)c->upload_bytes};
    enum tl_rc rc;

    *ret_body = c->body;
    if (c->unreadable)
        return tl_fail(err, TL_INVALID,
                       "what the ledger keeps of this event cannot be read: it was changed on the disk");
    if (c->body.p || !c->upload)
        return TL_OK;
    if (c->upload_bytes > BODY_MAX)
        return tl_fail(err, TL_LIMIT, "the body is too large to be mapped");
    rc = r->room.bytes ? TL_OK : take_room(task, r, c->upload_bytes, err); /* a batch has bounds of its own */
    if (rc != TL_OK)
        return rc;
    tl_buf_init(&f.body, (size_t)c->upload_bytes + 1);
    rc = task_blocking(task, fetch_body, &f, NULL, err);
    if (rc == TL_OK)
        rc = f.rc == TL_OK ? TL_OK : tl_fail(err, f.rc, "%s", f.err.text);
    if (rc == TL_OK) { /* no second copy, not for a moment */
        ret_body->p = tl_buf_take(&f.body, &ret_body->n);
        tl_arena_on_free(r->arena, tl_free, (void *)(uintptr_t)ret_body->p);
    }
    tl_buf_done(&f.body);
    return rc;
}

static enum tl_rc prepare(struct task *task, struct prepare *p)
{
    enum tl_rc rc = whole_body(task, p->r, p->claim, &p->body, p->err);

    if (rc != TL_OK)
        return rc;
    p->r->large = p->r->large || p->body.n > FLOW_LARGE_BODY;
    rc = mapping_run(task, p->body.n > FLOW_LARGE_BODY, make_envelope, p, p->err);
    if (rc == TL_OK && p->rc == TL_OK)
        see(p->r, p->envelope);
    return rc == TL_OK ? p->rc : rc;
}

/* ---- delivering ---- */
static void trace(struct run *r, const struct queue_claim *c, struct json envelope)
{
    struct json h = json_gets(envelope, "headers");
    struct tl_sv traceparent = json_text(json_gets(h, "traceparent"), TL_SV_NULL);

    if (r->work->n > 1)
        return;
    connector_trace_of(traceparent, TL_SV_NULL, json_text(json_gets(h, "x-request-id"), TL_SV_NULL), c->event,
                       queue_origin(r->loop->engine->queue, c->event), &r->trace);
    if (tl_log_on(r->loop->engine->opt.log, TL_INFO)) {
        r->work->trace = tl_sv_str(r->trace.id);
        r->work->request_id = tl_sv_str(r->trace.request_id);
    }
    if (r->work->kind == QUEUE_WORK_EXPAND)
        return;
    flow__trace_attempt(&r->attempt, r->flow, r->began, c->event, traceparent);
}

static struct flow_place place_of(struct run *r, const struct queue_claim *c)
{
    return (struct flow_place){
        .plan = r->plan, .loop = r->loop->index, .flow = r->flow, .work = r->work, .claim = c, .large = r->large};
}

/* What a step's question came to, whether the steps went through or not. */
static void tell_place(struct run *r, struct flow_place *place, struct queue_claim *c)
{
    c->outcome.asked = flow__asked_text(place, r->arena);
    c->outcome.xrefs = place->adopted;
    c->outcome.n_xrefs = place->n_adopted;
    if (c->outcome.end != QUEUE_END_FAILED)
        return;
    c->outcome.connection = place->failed_connection;
    c->outcome.cls = place->failed_connection ? place->cls : TL_CLASS_NONE;
    if (place->waited)
        c->outcome.end = QUEUE_END_WAITED;
}

/* The item that is this target's. An event that is stored with its one delivery, whatever the flow has become since. */
static enum tl_rc own_item(struct run *r, const struct flow_outcome *out, struct prepare *p, struct tl_err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < out->n; i++) {
        if (&r->flow->targets[out->items[i].target] != r->target)
            continue;
        p->envelope = out->items[i].envelope;
        n++;
    }
    if (n > 1)
        return tl_fail(err, TL_CONFIG,
                       "the flow makes several deliveries of an event now, and this one came before: "
                       "move it with `tieline events move --to %s`",
                       r->flow->name);
    p->skip = n ? NULL : out->skipped ? out->skipped : "no_route";
    return TL_OK;
}

static enum tl_rc own_steps(struct task *task, struct run *r, struct queue_claim *c, struct prepare *p,
                            struct tl_err *err)
{
    struct flow_place place = place_of(r, c);
    struct flow_outcome out;
    enum tl_rc rc = flow__steps(r->flow, task, r->arena, p->envelope, &place, r->loop->engine->opt.clock,
                                p->body.n > FLOW_LARGE_BODY, &out, err);

    if (rc == TL_OK)
        rc = own_item(r, &out, p, err);
    if (rc != TL_OK)
        fail_claim(r, c, rc, err);
    tell_place(r, &place, c);
    return rc;
}

static enum tl_rc to_record(struct task *task, struct run *r, struct queue_claim *c, struct connector_record *rec,
                            struct json *ret_before, const char **ret_skip, struct tl_err *err)
{
    struct prepare p = {.r = r, .claim = c, .err = err};
    enum tl_rc rc = prepare(task, &p);
    bool whole = c->delivery == c->event; /* an event that is its own delivery: its steps have not run */

    if (rc == TL_OK)
        trace(r, c, p.envelope);
    if (rc != TL_OK)
        no_body(r, c, rc, err);
    else if (whole && r->flow->n_steps)
        rc = own_steps(task, r, c, &p, err);
    *ret_skip = p.skip;
    *ret_before = p.envelope;
    if (rc != TL_OK || p.skip)
        return rc;
    if (whole)
        see(r, p.envelope);
    if (r->target->map || (whole && r->target->when)) {
        rc = mapping_run(task, p.body.n > FLOW_LARGE_BODY, map_target, &p, err);
        rc = rc == TL_OK ? p.rc : rc;
        if (rc != TL_OK)
            fail_claim(r, c, rc, err);
        *ret_skip = p.skip;
        if (rc != TL_OK || p.skip)
            return rc;
    }
    if (r->target->map)
        see(r, p.envelope);
    r->attempt.mapped = async_loop_now(r->loop->loop);
    *rec = (struct connector_record){.value = json_gets(p.envelope, "body"),
                                     .envelope = p.envelope,
                                     .key = json_view(json_gets(json_gets(p.envelope, "event"), "key")),
                                     .event = c->event,
                                     .origin = queue_origin(r->loop->engine->queue, c->event),
                                     .delivery = c->delivery,
                                     .attempt = c->attempt,
                                     .unknown_before = c->unknown_before};
    return TL_OK;
}

static enum tl_rc checkpoint(void *arg, struct task *task, struct tl_sv ticket, struct tl_err *err)
{
    struct run *r = arg;

    return queue_checkpoint(r->loop->engine->queue, task, r->work, ticket, err);
}

static enum tl_rc further(void *arg, struct task *task, struct connector_call *call, struct tl_err *err)
{
    return flow__further_request(&((struct run *)arg)->further, task, call, err);
}

static const enum queue_end ends[] = {
    [CONNECTOR_NONE] = QUEUE_END_NONE,     [CONNECTOR_DONE] = QUEUE_END_DONE,
    [CONNECTOR_FAILED] = QUEUE_END_FAILED, [CONNECTOR_INNOCENT] = QUEUE_END_INNOCENT,
    [CONNECTOR_SKIPPED] = QUEUE_END_SKIP,
};

static void give_xrefs(struct run *r, const struct connector_verdict *v, struct queue_outcome *o)
{
    struct queue_xref *x = v->n_xrefs ? tl_arena_alloc(r->arena, (o->n_xrefs + v->n_xrefs) * sizeof *x) : NULL;

    if (!x)
        return;
    if (o->n_xrefs)
        memcpy(x, o->xrefs, o->n_xrefs * sizeof *x);
    for (size_t i = 0; i < v->n_xrefs; i++)
        x[o->n_xrefs++] = (struct queue_xref){.model = v->xrefs[i].model,
                                              .connection_a = tl_sv_str(r->target->connection->name),
                                              .id_a = v->xrefs[i].here,
                                              .connection_b = v->xrefs[i].there_connection,
                                              .id_b = v->xrefs[i].there};
    o->xrefs = x;
}

/* An outcome that nobody knows needs a reason too. */
static struct tl_sv words_of(const struct connector_call *call, const struct connector_verdict *v)
{
    if (v->end != CONNECTOR_NONE || v->text.n)
        return v->text;
    return call->pending ? call->job : TL_SV("the target's answer has no verdict for this record");
}

static void to_outcome(struct run *r, const struct connector_call *call, const struct connector_verdict *v,
                       enum tl_rc rc, const struct tl_err *err, struct queue_claim *c)
{
    struct queue_outcome *o = &c->outcome;
    struct queue_outcome before = *o;

    if (v->end == CONNECTOR_NONE && rc != TL_OK) {
        fail_claim(r, c, rc, err);
        o->status = call->status;
        return;
    }
    *o = (struct queue_outcome){.end = v->end == CONNECTOR_NONE && call->pending ? QUEUE_END_PENDING : ends[v->end],
                                .rc = v->rc,
                                .cls = v->cls,
                                .status = v->status ? v->status : call->status,
                                .retry_after_ms = v->retry_after_ms,
                                .text = words_of(call, v),
                                .answer = v->shown,
                                .asked = before.asked,
                                .xrefs = before.xrefs,
                                .n_xrefs = before.n_xrefs};
    give_xrefs(r, v, o);
}

/* ---- which ids are one thing ---- */
struct pair {
    struct run *r;
    struct json before, sent;
    struct tl_sv answer;
    struct queue_xref xref;
    bool made;
    struct tl_err err;
};
static void make_pair(void *arg, struct mapping_turn *turn)
{
    struct pair *p = arg;

    p->made = flow__xref_of(p->r->target, p->r->arena, p->before, p->sent, p->answer, p->r->loop->engine->opt.clock,
                            turn, &p->xref, &p->err);
}

/* Of a job that went on: its records are made again. */
static bool made_again(struct task *task, struct run *r, struct queue_claim *c, struct pair *p)
{
    struct prepare again = {.r = r, .claim = c, .err = &p->err};

    if (c->delivery == c->event && r->flow->n_steps) {
        (void)tl_fail(&p->err, TL_UNSUPPORTED, "the steps of a long job are not run again");
        return false;
    }
    if (prepare(task, &again) != TL_OK)
        return false;
    p->before = again.envelope;
    if (r->target->map && (mapping_run(task, true, map_target, &again, &p->err) != TL_OK || again.rc != TL_OK))
        return false;
    p->sent = again.envelope;
    return true;
}

/* The target has the record; that a pair cannot be made changes nothing about that, but is told. */
static void keep_pair(struct task *task, struct run *r, struct connector_call *call, size_t i, struct queue_claim *c)
{
    struct pair p = {.r = r, .answer = call->verdicts[i].answer};
    struct queue_xref *all;
    char id[14];

    if (r->before) {
        p.before = r->before[i];
        p.sent = call->records[i].envelope;
    }
    if ((r->before || made_again(task, r, c, &p)) && mapping_run(task, false, make_pair, &p, &p.err) != TL_OK)
        p.made = false;
    p.made = p.made && flow__xref_there(r->loop->engine, task, r->flow, r->target, p.before, r->arena, &p.xref, &p.err);
    all = p.made ? tl_arena_alloc(r->arena, (c->outcome.n_xrefs + 1) * sizeof *all) : NULL;
    if (!all) {
        const struct json of[] = {p.before, p.sent};
        struct tl_sv text = connector_mask_cut(call, tl_sv_str(p.err.text), sizeof p.err.text - 1);
        const char *why =
            tl_arena_printf(r->arena, "%.*s", TL_SV_ARG(flow__hide(r->plan, r->arena, of, TL_COUNT(of), text)));

        TL_LOG(r->loop->engine->opt.log, TL_WARN, "xref.not_written", why, KV_STR("flow", r->flow->name),
               KV_STR("target", r->target->name), KV_STR("event_id", tl_id32_format(c->event, id)));
        return;
    }
    if (c->outcome.n_xrefs)
        memcpy(all, c->outcome.xrefs, c->outcome.n_xrefs * sizeof *all);
    all[c->outcome.n_xrefs++] = p.xref;
    c->outcome.xrefs = all;
}

static void call_target(struct task *task, struct run *r, connector_fn *fn, const struct connector_record *records,
                        size_t n, struct queue_claim **claims, struct tl_err *err)
{
    const struct connector_ledger ledger = {.checkpoint = checkpoint, .request = further, .arg = r};
    struct connector_verdict *verdicts = tl_arena_zalloc(r->arena, (n + 1) * sizeof *verdicts);
    struct flow_owner owner = {.flow = r->flow,
                               .target = r->target->name,
                               .operation = r->target->operation->name,
                               .meters = r->target->calls,
                               .attempt = &r->attempt};
    struct connector_call call = {.connection = r->target->connection->conf->type.conf,
                                  .operation = r->target->operation_conf,
                                  .prepared = r->target->prepared,
                                  .arena = r->arena,
                                  .records = records,
                                  .n = n,
                                  .verdicts = verdicts,
                                  .ticket = r->work->ticket,
                                  .owner = &owner};
    uint64_t began = async_loop_now(r->loop->loop);
    enum tl_rc rc;

    r->further = flow__further(r->plan, r->target->connection);
    connector_call_begin(&call, flow__host(r->plan, r->target->connection, r->loop->index), &ledger);
    tl_err_clear(err);
    r->writes = r->target->mark != NULL;
    if (r->writes)
        flow__write_begin(r->loop->engine->writes, &r->write, r->target->connection->name);
    rc = connector_run(task, &call, fn, err);
    if (!call.latency_us)
        call.latency_us = (async_loop_now(r->loop->loop) - began) / 1000;
    r->attempt.called = async_loop_now(r->loop->loop);
    flow__call_ended(&owner, call.status, call.latency_us);
    r->work->latency_ms = (uint32_t)(call.latency_us / 1000);
    r->work->not_sent = call.not_sent;
    r->feedback = call.feedback;
    r->work->feedback = &r->feedback;
    r->work->outcome =
        (struct queue_outcome){.end = rc == TL_OK ? QUEUE_END_DONE : QUEUE_END_FAILED,
                               .rc = rc,
                               .status = call.status,
                               .retry_after_ms = rc == TL_OK ? 0 : err->retry_after_ms,
                               .text = rc == TL_OK ? TL_SV_NULL : tl_arena_sv(r->arena, tl_sv_str(err->text))};
    r->work->ret_ticket = call.new_ticket;
    r->work->next_poll_ms = call.next_poll_ms;
    for (size_t i = 0; i < n; i++)
        to_outcome(r, &call, &verdicts[i], rc, err, claims[i]);
    for (size_t i = 0; r->target->xref_id && i < n; i++)
        if (claims[i]->outcome.end == QUEUE_END_DONE)
            keep_pair(task, r, &call, i, claims[i]);
}

static void deliver(struct task *task, struct run *r, struct tl_err *err)
{
    struct queue_work *w = r->work;
    struct connector_record *records = tl_arena_must(r->arena, (w->n + 1) * sizeof *records);
    struct queue_claim **claims = tl_arena_must(r->arena, (w->n + 1) * sizeof(struct queue_claim *));
    size_t n = 0;

    r->before = tl_arena_must(r->arena, (w->n + 1) * sizeof *r->before);
    for (size_t i = 0; i < w->n; i++) {
        struct queue_claim *c = &w->claims[i];
        const char *skip = NULL;
        enum tl_rc rc = to_record(task, r, c, &records[n], &r->before[n], &skip, err);

        if (rc != TL_OK)
            continue; /* its outcome says why */
        if (skip)
            c->outcome = (struct queue_outcome){.end = QUEUE_END_SKIP,
                                                .text = tl_sv_str(skip),
                                                .asked = c->outcome.asked,
                                                .xrefs = c->outcome.xrefs,
                                                .n_xrefs = c->outcome.n_xrefs};
        else
            claims[n++] = c;
    }
    if (r->no_room && n > 0) /* the others go on */
        queue_wants(r->loop->engine->queue, w, NULL);
    if (n == 0) /* nothing was called: the guard gets its permit back */
        w->outcome = (struct queue_outcome){.end = QUEUE_END_CANCELED};
    else
        call_target(task, r, r->target->operation->run, records, n, claims, err);
}

/* A long job: resume and abort see the ticket, not the records. */
static void go_on(struct task *task, struct run *r, connector_fn *fn, struct tl_err *err)
{
    struct queue_work *w = r->work;
    struct connector_record *records = tl_arena_zalloc(r->arena, (w->n + 1) * sizeof *records);
    struct queue_claim **claims = tl_arena_must(r->arena, (w->n + 1) * sizeof(struct queue_claim *));

    for (size_t i = 0; i < w->n; i++) {
        claims[i] = &w->claims[i];
        records[i] = (struct connector_record){.event = w->claims[i].event,
                                               .origin = queue_origin(r->loop->engine->queue, w->claims[i].event),
                                               .delivery = w->claims[i].delivery,
                                               .attempt = w->claims[i].attempt,
                                               .key = outgoing_key(r, &w->claims[i])};
    }
    if (!fn) {
        tl_fail(err, TL_BUG, "the operation has a pending job and no way to go on with it");
        for (size_t i = 0; i < w->n; i++)
            fail_claim(r, claims[i], TL_BUG, err);
        return;
    }
    call_target(task, r, fn, records, w->n, claims, err);
}

static void probe(struct task *task, struct run *r, const struct flow_connection *c, struct tl_err *err)
{
    const struct connector_ledger ledger = {.request = further, .arg = r};
    struct flow_owner owner = {.target = "", .operation = "probe"};
    struct connector_call call = {.connection = c->conf->type.conf, .arena = r->arena, .owner = &owner};
    struct connector_identity who = {0};
    enum tl_rc rc = TL_OK;

    r->further = flow__further(r->plan, c);
    connector_call_begin(&call, flow__host(r->plan, c, r->loop->index), &ledger);
    tl_err_clear(err);
    if (c->connector->probe)
        rc = c->connector->probe(task, &call, &who, err);
    r->feedback = call.feedback;
    r->work->feedback = &r->feedback;
    r->work->outcome = (struct queue_outcome){.end = rc == TL_OK ? QUEUE_END_DONE : QUEUE_END_FAILED,
                                              .rc = rc,
                                              .retry_after_ms = err->retry_after_ms,
                                              .text = tl_arena_sv(r->arena, tl_sv_str(err->text))};
}

/* ---- expanding ---- */
static enum tl_rc written(struct run *r, struct json v, struct tl_sv *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 64 << 20);
    if (!json_write(&b, v, 0))
        return tl_fail(err, TL_LIMIT, "an item of the split is larger than 64 MB");
    *ret = tl_arena_sv(r->arena, tl_buf_view(&b));
    return ret->p ? TL_OK : tl_fail(err, TL_LIMIT, "the split needs too much memory");
}

/* The variables that the steps made. */
static struct json vars_of(struct run *r, struct json envelope)
{
    struct json_builder b;

    json_object_begin(&b, r->arena, 4);
    for (size_t i = 0; i < r->flow->n_steps; i++) {
        const char *as = r->flow->steps[i].as;

        if (as && json_gets(envelope, as).type != JSON_UNDEFINED)
            json_set(&b, tl_sv_str(as), json_gets(envelope, as));
    }
    return json_end(&b);
}

/* What a delivery has of its own: its body, and beside it what the steps found out. */
static enum tl_rc item_parts(struct run *r, const struct flow_item *item, struct queue_delivery_def *d,
                             struct tl_err *err)
{
    struct json vars = vars_of(r, item->envelope);
    enum tl_rc rc = TL_OK;

    if (item->own_body || vars.n)
        rc = written(r, json_gets(item->envelope, "body"), &d->body, err);
    if (rc == TL_OK && vars.n)
        rc = written(r, vars, &d->vars, err);
    return rc;
}

static enum tl_rc expand(struct task *task, struct run *r, struct queue_claim *c, struct flow_place *place,
                         struct tl_err *err)
{
    struct prepare p = {.r = r, .claim = c, .err = err};
    struct queue_delivery_def *defs;
    struct flow_outcome out;
    enum tl_rc rc = prepare(task, &p);

    if (rc == TL_OK && tl_log_on(r->loop->engine->opt.log, TL_INFO))
        trace(r, c, p.envelope);
    if (rc == TL_OK)
        rc = flow__steps(r->flow, task, r->arena, p.envelope, place, r->loop->engine->opt.clock,
                         p.body.n > FLOW_LARGE_BODY, &out, err);
    if (rc != TL_OK)
        return rc;
    defs = tl_arena_zalloc(r->arena, (out.n + 1) * sizeof *defs);
    if (!defs)
        return tl_fail(err, TL_LIMIT, "the event has too many deliveries");
    for (size_t i = 0; i < out.n; i++) {
        defs[i].target = r->flow->targets[out.items[i].target].id;
        defs[i].item = out.items[i].item;
        rc = item_parts(r, &out.items[i], &defs[i], err);
        if (rc != TL_OK)
            return rc;
    }
    rc = queue_expand(r->loop->engine->queue, task, r->work, defs, out.n, tl_sv_str(out.skipped), err);
    if (rc == TL_OK)
        c->outcome = (struct queue_outcome){.end = QUEUE_END_DONE};
    return rc;
}

/* ---- hiding ---- */
/* What others say may repeat what they were sent, and lists, alerts and logs do not know the payload any more: what a
 * model marks is masked before anything is kept or told. What is kept of an answer stays, and is masked where shown. */
static void hide_one(struct run *r, struct flow_veil *v, struct tl_sv *text)
{
    if (text->n)
        *text = tl_arena_sv(r->arena, flow_veil_text(v, *text));
}

static void hide_texts(void *arg, struct mapping_turn *turn)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *scratch = tl_arena_new(HIDE_MEMORY); /* a batch may have seen much */
    struct run *r = arg;
    struct flow_veil v;

    (void)turn; /* nothing is evaluated */
    flow_veil_begin(&v, r->plan, scratch);
    for (size_t i = 0; i < r->n_seen; i++)
        (void)flow_veil_json(&v, r->seen[i]);
    hide_one(r, &v, &r->work->outcome.text);
    for (size_t i = 0; i < r->work->n; i++) {
        struct queue_outcome *o = &r->work->claims[i].outcome;

        if (o->end != QUEUE_END_SKIP)
            hide_one(r, &v, &o->text);
    }
    flow_veil_end(&v);
}

static void hide(struct task *task, struct run *r)
{
    struct tl_err ignored;
    bool any = r->work->outcome.text.n > 0;

    for (size_t i = 0; i < r->work->n && !any; i++)
        any = r->work->claims[i].outcome.text.n > 0;
    if (!any || !r->seen)
        return;
    if (r->work->kind == QUEUE_WORK_RESUME || r->work->kind == QUEUE_WORK_ABORT) /* they see the ticket only */
        for (size_t i = 0; i < r->work->n; i++)
            (void)prepare(task, &(struct prepare){.r = r, .claim = &r->work->claims[i], .err = &ignored});
    if (mapping_run(task, r->large, hide_texts, r, &ignored) == TL_OK)
        return;
    r->work->outcome.text = TL_SV_NULL; /* we are stopping */
    for (size_t i = 0; i < r->work->n; i++)
        r->work->claims[i].outcome.text = TL_SV_NULL;
}

static void tell_pairs(struct run *r, struct queue_outcome *o)
{
    o->pairs = flow__pairs_text(r->arena, o->xrefs, o->n_xrefs);
}

/* ---- counting: the outcome itself is told by the ledger, which decides it (told.c) ---- */
static void count(struct run *r, const struct queue_claim *c, int64_t now_ms)
{
    const struct queue_outcome *o = &c->outcome;
    struct flow_meters *m = r->flow->meters;
    int64_t delay = now_ms - c->received_ms;

    if (c->attempt > 1)
        metrics_inc(m->retries);
    if (o->end == QUEUE_END_DONE) {
        metrics_observe(m->delay, delay > 0 ? (uint64_t)delay * 1000 : 0);
        metrics_observe(m->attempts, c->attempts_used + 1);
        flow__sla_delivered(r->flow, r->work->target, now_ms, delay);
    } else if (o->end == QUEUE_END_FAILED || o->end == QUEUE_END_NONE) {
        enum tl_class cls = o->cls ? o->cls : tl_rc_class(o->rc);

        metrics_inc(m->failed[cls]);
        if (cls != TL_CLASS_RATE_LIMIT)
            flow__sla_failed(r->flow, r->work->kind == QUEUE_WORK_EXPAND ? FLOW_SLA_STEPS : r->work->target, now_ms);
    }
}

/* ---- the task ---- */
static struct flow_target *find_target(struct flow *f, uint32_t id)
{
    for (size_t i = 0; i < f->n_targets; i++) {
        if (f->targets[i].id == id)
            return &f->targets[i];
    }
    return NULL;
}

static const struct flow_connection *find_connection_id(const struct flow_plan *p, uint32_t id)
{
    for (size_t i = 0; i < p->n_connections; i++) {
        if (p->connection_ids[i] == id)
            return &p->connections[i];
    }
    return NULL;
}

static void run_known(struct task *task, struct run *r, struct tl_err *err)
{
    struct flow_place place = place_of(r, r->work->n ? &r->work->claims[0] : NULL);
    enum tl_rc rc;

    switch (r->work->kind) {
    case QUEUE_WORK_DELIVER:
        deliver(task, r, err);
        break;
    case QUEUE_WORK_EXPAND:
        rc = expand(task, r, &r->work->claims[0], &place, err);
        if (rc != TL_OK)
            no_body(r, &r->work->claims[0], rc, err);
        tell_place(r, &place, &r->work->claims[0]);
        break;
    case QUEUE_WORK_RESUME:
        go_on(task, r, r->target->operation->resume, err);
        break;
    case QUEUE_WORK_ABORT:
        go_on(task, r, r->target->operation->abort, err);
        break;
    case QUEUE_WORK_PROBE:
        break;
    }
}

/* The flow or target went away between the ledger's decision and now: as if it had never started. */
static void put_back(struct queue_work *w)
{
    w->outcome = (struct queue_outcome){.end = QUEUE_END_CANCELED};
    for (size_t i = 0; i < w->n; i++)
        w->claims[i].outcome = (struct queue_outcome){.end = QUEUE_END_CANCELED};
}

static enum tl_rc run_task(struct task *task, void *arg, struct tl_err *err)
{
    struct run *r = arg;
    struct flow_loop *l = r->loop;
    const struct flow_connection *c;
    int64_t now_ms;

    if (r->work->kind == QUEUE_WORK_PROBE) {
        c = find_connection_id(r->plan, r->work->connection);
        if (c)
            probe(task, r, c, err);
        else
            put_back(r->work);
    } else if (r->target || (r->flow && r->work->kind == QUEUE_WORK_EXPAND)) {
        if (flow_plan_has_pii(r->plan))
            r->seen = tl_arena_must(r->arena, (r->work->n + 1) * SEEN_EACH * sizeof *r->seen);
        run_known(task, r, err);
        hide(task, r);
        for (size_t i = 0; i < r->work->n; i++)
            tell_pairs(r, &r->work->claims[i].outcome);
        now_ms = tl_clock_wall_ms(l->engine->opt.clock);
        for (size_t i = 0; i < r->work->n; i++) {
            enum queue_end end = r->work->claims[i].outcome.end;

            if (r->work->kind != QUEUE_WORK_EXPAND || end == QUEUE_END_FAILED)
                count(r, &r->work->claims[i], now_ms);
            else if (end == QUEUE_END_DONE || end == QUEUE_END_SKIP) /* a delivery it is only where one follows */
                flow__sla_went(r->flow, now_ms);
        }
        if (r->attempt.on && r->target)
            flow__trace_ended(&r->attempt, r->flow, r->target, &r->work->claims[0]);
    } else {
        put_back(r->work);
    }
    queue_finish(l->engine->queue, r->work);
    if (r->writes)
        flow__write_end(l->engine->writes, &r->write);
    flow__arena_back(l, r->arena);
    if (r->room.bytes)
        flow__bodies_give(l->engine->bodies, &r->room);
    flow_plan_unref(r->plan);
    l->running--;
    tl_free(r);
    return TL_OK;
}

void flow__run(struct flow_loop *l, struct queue_work *w)
{
    struct run *r = tl_alloc(sizeof *r);
    uint64_t deadline = async_loop_now(l->loop) + (uint64_t)WORK_DEADLINE_MS * 1000000u;
    struct task *task;
    struct tl_err err;

    *r = (struct run){.loop = l, .work = w, .plan = flow_plan_ref(l->plan), .began = async_loop_now(l->loop)};
    r->flow = flow__by_id(r->plan, w->flow);
    r->target = r->flow ? find_target(r->flow, w->target) : NULL;
    r->arena = flow__arena(l);
    l->running++;
    if (task_start(l->loop, "work", deadline, run_task, r, NULL, &task, &err) == TL_OK)
        return;
    put_back(w); /* no stack is free: the ledger offers it again */
    queue_finish(l->engine->queue, w);
    flow__arena_back(l, r->arena);
    flow_plan_unref(r->plan);
    l->running--;
    tl_free(r);
}
