/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steps.c - what happens to an event before its targets: pure, on the big stack or, if it takes long, on a worker
 * thread. Expressions see the envelope {body, headers, query, path, event, flow}; a mapping sees the body, and the
 * envelope's other members as variables.
 */
#include "flow/flow_int.h"
#include "jsonata/jsonata.h"

enum { MAX_ITEMS = 10000 };

struct json flow__with_body(struct tl_arena *a, struct json envelope, struct json body)
{
    struct json_builder b;

    json_object_begin(&b, a, envelope.n + 1);
    json_adds(&b, "body", body);
    for (uint32_t i = 0; i < envelope.n; i++) {
        if (!tl_sv_eqs(json_view(envelope.u.members[i].key), "body"))
            json_add(&b, json_view(envelope.u.members[i].key), envelope.u.members[i].value);
    }
    return json_end(&b);
}

enum tl_rc flow__eval(const struct mapping *m, struct tl_arena *arena, struct json envelope, struct json data,
                      const struct tl_clock *clock, struct mapping_turn *turn, struct json *ret, struct tl_err *err)
{
    struct mapping_input in = {.data = data, .bindings = envelope, .clock = clock, .turn = turn};

    return mapping_eval(m, arena, &in, ret, err);
}

static enum tl_rc truth_of(const struct mapping *m, struct tl_arena *arena, struct json envelope,
                           const struct tl_clock *clock, struct mapping_turn *turn, bool *ret_truth, struct tl_err *err)
{
    struct json v;
    enum tl_rc rc = flow__eval(m, arena, envelope, envelope, clock, turn, &v, err);

    if (rc == TL_OK)
        *ret_truth = jsonata_truth(v);
    return rc;
}

static enum tl_rc validate(const struct flow_step *s, struct tl_arena *arena, struct json body, struct tl_err *err)
{
    const struct json_schema_budget budget = {.max_issues = 3};
    struct json_schema_result r;
    enum tl_rc rc = json_schema_validate(s->model, arena, body, &budget, &r, err);

    if (rc != TL_OK || r.valid)
        return rc;
    return tl_fail(err, TL_INVALID, "the body does not fit the model at '%.*s': %.*s%s",
                   TL_SV_ARG(r.issues[0].instance), TL_SV_ARG(r.issues[0].text), r.count > 1 ? " (and more)" : "");
}

struct run {
    const struct flow *f;
    struct tl_arena *arena;
    struct task *task; /* NULL: a trial run */
    struct flow_place *place;
    const struct tl_clock *clock;
    struct mapping_turn *turn; /* of the step; what it gave is kept only when it is not over */
    struct json *envelopes;    /* one, or one for each item after a split */
    size_t n;
    bool split, mapped, large;
    uint64_t *routes; /* targets of each item */
    uint64_t all;
};

/* Items that the condition drops are taken out; with none left the event is skipped. */
static enum tl_rc filter(struct run *r, const struct flow_step *s, struct tl_err *err)
{
    struct json *envelopes = tl_arena_must(r->arena, (r->n + 1) * sizeof *envelopes);
    uint64_t *routes = tl_arena_must(r->arena, (r->n + 1) * sizeof *routes);
    size_t kept = 0;

    for (size_t i = 0; i < r->n; i++) {
        bool truth = false;
        enum tl_rc rc = truth_of(s->expr, r->arena, r->envelopes[i], r->clock, r->turn, &truth, err);

        if (rc != TL_OK)
            return rc;
        if (truth) {
            routes[kept] = r->routes[i];
            envelopes[kept++] = r->envelopes[i];
        }
    }
    r->routes = routes;
    r->envelopes = envelopes;
    r->n = kept;
    return TL_OK;
}

static enum tl_rc map(struct run *r, const struct flow_step *s, struct tl_err *err)
{
    struct json *envelopes = tl_arena_must(r->arena, (r->n + 1) * sizeof *envelopes);

    for (size_t i = 0; i < r->n; i++) {
        struct json body;
        enum tl_rc rc = flow__eval(s->expr, r->arena, r->envelopes[i], json_gets(r->envelopes[i], "body"), r->clock,
                                   r->turn, &body, err);

        if (rc != TL_OK)
            return rc;
        if (body.type == JSON_UNDEFINED)
            return tl_fail(err, TL_INVALID, "the mapping gave nothing for this event");
        envelopes[i] = flow__with_body(r->arena, r->envelopes[i], body);
    }
    r->envelopes = envelopes;
    r->mapped = true;
    return TL_OK;
}

static enum tl_rc split(struct run *r, const struct flow_step *s, struct tl_err *err)
{
    struct json *out = NULL;
    uint64_t *routes;
    size_t n = 0, cap = 0;

    for (size_t i = 0; i < r->n; i++) {
        struct json v;
        enum tl_rc rc = flow__eval(s->expr, r->arena, r->envelopes[i], r->envelopes[i], r->clock, r->turn, &v, err);
        size_t items = v.type == JSON_ARRAY ? v.n : 1;

        if (rc != TL_OK)
            return rc;
        if (v.type == JSON_UNDEFINED ||
            v.type == JSON_NULL) /* a renamed member must not pass for an order without lines */
            return tl_fail(
                err, TL_INVALID,
                "the split finds nothing in this event; where no item is right, let it give an empty array: [...]");
        if (n + items > MAX_ITEMS)
            return tl_fail(err, TL_LIMIT, "the split gives more than %d items", MAX_ITEMS);
        if (n + items > cap) {
            out = tl_arena_grow(r->arena, out, cap * sizeof *out, (n + items) * 2 * sizeof *out);
            cap = (n + items) * 2;
            if (!out)
                return tl_fail(err, TL_LIMIT, "the split needs too much memory");
        }
        for (size_t k = 0; k < items; k++)
            out[n++] = flow__with_body(r->arena, r->envelopes[i], v.type == JSON_ARRAY ? v.u.items[k] : v);
    }
    routes = tl_arena_must(r->arena, (n + 1) * sizeof *routes);
    for (size_t i = 0; i < n; i++)
        routes[i] = r->all;
    r->envelopes = out;
    r->routes = routes;
    r->n = n;
    r->split = true;
    return TL_OK;
}

/* Every rule that holds adds its targets; an item without any is not routed. */
static enum tl_rc route(struct run *r, const struct flow_step *s, struct tl_err *err)
{
    for (size_t i = 0; i < r->n; i++) {
        uint64_t chosen = 0;

        for (size_t k = 0; k < s->n_rules; k++) {
            bool truth = true;
            enum tl_rc rc = TL_OK;

            if (s->rules[k].when)
                rc = truth_of(s->rules[k].when, r->arena, r->envelopes[i], r->clock, r->turn, &truth, err);
            if (rc != TL_OK)
                return rc;
            if (truth)
                chosen |= s->rules[k].targets;
        }
        r->routes[i] &= chosen;
    }
    return TL_OK;
}

/* In a trial run nobody is asked: what the answer would be stands in the envelope. */
static enum tl_rc answer_to(struct run *r, const struct flow_step *s, size_t i, struct json *ret, struct tl_err *err)
{
    if (r->place && s->kind == FLOW_STEP_XREF)
        return flow__xref(r->place, r->task, s, r->envelopes[i], i, r->arena, ret, err);
    if (r->place)
        return flow__ask(r->place, r->task, s, r->envelopes[i], i, r->arena, ret, err);
    *ret = json_gets(r->envelopes[i], s->as);
    return ret->type == JSON_UNDEFINED
               ? tl_fail(err, TL_UNSUPPORTED, "nobody is asked in a trial run: give it the value of $%s", s->as)
               : TL_OK;
}

static enum tl_rc ask(struct run *r, const struct flow_step *s, struct tl_err *err)
{
    for (size_t i = 0; i < r->n; i++) {
        struct json_builder b;
        struct json v;
        enum tl_rc rc = answer_to(r, s, i, &v, err);

        if (rc != TL_OK)
            return rc;
        json_object_begin(&b, r->arena, r->envelopes[i].n + 1);
        for (uint32_t k = 0; k < r->envelopes[i].n; k++)
            json_add(&b, json_view(r->envelopes[i].u.members[k].key), r->envelopes[i].u.members[k].value);
        json_set(&b, tl_sv_str(s->as), v);
        r->envelopes[i] = json_end(&b);
    }
    return TL_OK;
}

/* Items that tell of our own writes are taken out. In a trial run there are none. */
static enum tl_rc own_write(struct run *r, const struct flow_step *s, struct tl_err *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->n; i++) {
        bool own = false;
        enum tl_rc rc = r->place ? flow__own_write(r->place, r->task, s, r->envelopes[i], r->arena, &own, err) : TL_OK;

        if (rc != TL_OK)
            return rc;
        if (!own) {
            r->routes[kept] = r->routes[i];
            r->envelopes[kept++] = r->envelopes[i];
        }
    }
    r->n = kept;
    return TL_OK;
}

static enum tl_rc one_step(struct run *r, const struct flow_step *s, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    switch (s->kind) {
    case FLOW_STEP_WHEN:
        return filter(r, s, err);
    case FLOW_STEP_MAP:
        return map(r, s, err);
    case FLOW_STEP_SPLIT:
        return split(r, s, err);
    case FLOW_STEP_ROUTE:
        return route(r, s, err);
    case FLOW_STEP_VALIDATE:
        for (size_t i = 0; i < r->n && rc == TL_OK; i++)
            rc = validate(s, r->arena, json_gets(r->envelopes[i], "body"), err);
        return rc;
    case FLOW_STEP_LOOKUP:
    case FLOW_STEP_CALL:
    case FLOW_STEP_XREF:
        return ask(r, s, err);
    case FLOW_STEP_OWN_WRITE:
        return own_write(r, s, err);
    }
    return TL_OK;
}

static enum tl_rc fan_out(struct run *r, struct flow_outcome *ret, struct tl_err *err)
{
    const struct flow *f = r->f;

    ret->n = 0;
    ret->items = tl_arena_alloc(r->arena, (r->n * f->n_targets + 1) * sizeof *ret->items);
    if (!ret->items)
        return tl_fail(err, TL_LIMIT, "the event has too many deliveries");
    for (size_t i = 0; i < r->n; i++) {
        for (size_t t = 0; t < f->n_targets; t++) {
            bool truth = (r->routes[i] >> t) & 1;

            if (truth && f->expand && f->targets[t].when) {
                enum tl_rc rc = truth_of(f->targets[t].when, r->arena, r->envelopes[i], r->clock, r->turn, &truth, err);

                if (rc != TL_OK)
                    return rc;
            }
            if (truth)
                ret->items[ret->n++] = (struct flow_item){.target = (uint32_t)t,
                                                          .item = (uint32_t)i,
                                                          .envelope = r->envelopes[i],
                                                          .own_body = r->split || r->mapped};
        }
    }
    if (ret->n == 0)
        ret->skipped = "no_route";
    return TL_OK;
}

/* Pure steps run on the big stack, or on a worker thread when they take long; a look-up waits on the task's own. */
struct step_call {
    struct run *r;
    const struct flow_step *s; /* this step; or, */
    struct flow_outcome *out;  /* not NULL: behind the last one, fan out into it */
    enum tl_rc rc;
    struct tl_err *err;
};
static void call_step(void *arg, struct mapping_turn *turn)
{
    struct step_call *c = arg;

    c->r->turn = turn;
    c->rc = c->out ? fan_out(c->r, c->out, c->err) : one_step(c->r, c->s, c->err);
}

static enum tl_rc run_step(struct step_call *c)
{
    enum tl_rc rc = TL_OK;

    if (!c->r->task || (!c->out && (c->s->as || c->s->own)))
        call_step(c, NULL);
    else
        rc = mapping_run(c->r->task, c->r->large, call_step, c, c->err);
    return rc == TL_OK ? c->rc : rc;
}

enum tl_rc flow__steps(const struct flow *f, struct task *task, struct tl_arena *arena, struct json envelope,
                       struct flow_place *place, const struct tl_clock *clock, bool large, struct flow_outcome *ret,
                       struct tl_err *err)
{
    uint64_t all = f->n_targets == 64 ? UINT64_MAX : (1ull << f->n_targets) - 1;
    struct run r = {.f = f,
                    .arena = arena,
                    .task = task,
                    .place = place,
                    .large = large,
                    .clock = clock,
                    .envelopes = &envelope,
                    .n = 1,
                    .routes = &(uint64_t){all},
                    .all = all};

    *ret = (struct flow_outcome){0};
    for (size_t i = 0; i < f->n_steps; i++) {
        if (run_step(&(struct step_call){.r = &r, .s = &f->steps[i], .err = err}) != TL_OK)
            return tl_err_prefix(err, "step %zu (%s)", i + 1, CONFIG_AT(f->conf->steps, struct config_choice, i)->name);
        if (r.n == 0) {
            ret->skipped = f->steps[i].own ? "own_write" : "filtered";
            return TL_OK;
        }
    }
    return run_step(&(struct step_call){.r = &r, .out = ret, .err = err});
}

enum tl_rc flow__target_map(const struct flow_target *t, struct tl_arena *arena, struct json envelope,
                            const struct tl_clock *clock, struct mapping_turn *turn, struct json *ret_envelope,
                            const char **ret_skip, struct tl_err *err)
{
    struct json body;
    bool truth = true;
    enum tl_rc rc = TL_OK;

    *ret_skip = NULL;
    if (t->when)
        rc = truth_of(t->when, arena, envelope, clock, turn, &truth, err);
    if (rc != TL_OK)
        return tl_err_prefix(err, "`when` of target %s", t->name);
    if (!truth) {
        *ret_skip = "filtered";
        return TL_OK;
    }
    *ret_envelope = envelope;
    if (!t->map)
        return TL_OK;
    rc = flow__eval(t->map, arena, envelope, json_gets(envelope, "body"), clock, turn, &body, err);
    if (rc != TL_OK)
        return tl_err_prefix(err, "map of target %s", t->name);
    if (body.type == JSON_UNDEFINED)
        return tl_fail(err, TL_INVALID, "the mapping of target %s gave nothing for this event", t->name);
    *ret_envelope = flow__with_body(arena, envelope, body);
    return TL_OK;
}

/* ---- trying a flow without its targets ---- */
enum tl_rc flow_plan_try(const struct flow_plan *p, struct tl_sv flow, struct json envelope, struct tl_arena *arena,
                         struct json *ret, struct tl_err *err)
{
    const struct flow *f = NULL;
    struct json_builder all, doc;
    struct flow_outcome out;
    enum tl_rc rc;

    for (size_t i = 0; i < p->n_flows && !f; i++)
        f = tl_sv_eqs(flow, p->flows[i].name) ? &p->flows[i] : NULL;
    if (!f)
        return tl_fail(err, TL_NOT_FOUND, "there is no flow '%.*s'", TL_SV_ARG(flow));
    rc = flow__steps(f, NULL, arena, envelope, NULL, tl_clock_system(), false, &out, err);
    if (rc != TL_OK)
        return rc;
    json_object_begin(&doc, arena, 2);
    json_array_begin(&all, arena, out.n);
    for (size_t i = 0; i < out.n; i++) {
        const struct flow_target *t = &f->targets[out.items[i].target];
        const char *skip;
        struct json mapped;
        struct json_builder d;

        rc = flow__target_map(t, arena, out.items[i].envelope, tl_clock_system(), NULL, &mapped, &skip, err);
        if (rc != TL_OK)
            return rc;
        if (skip)
            continue;
        json_object_begin(&d, arena, 3);
        json_adds(&d, "target", json_str(t->name));
        json_adds(&d, "item", json_int(out.items[i].item));
        json_adds(&d, "body", json_gets(mapped, "body"));
        json_push(&all, json_end(&d));
    }
    if (all.v.n)
        json_adds(&doc, "deliveries", json_end(&all));
    else
        json_adds(&doc, "skipped", json_str(out.skipped ? out.skipped : "filtered"));
    *ret = json_end(&doc);
    return TL_OK;
}
