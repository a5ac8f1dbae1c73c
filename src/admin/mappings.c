/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mappings.c - the playground: mappings of the configuration, one evaluated on an input, its lineage, and an edited one
 * beside the one in force over the last events of a flow. All of it on worker threads, within budgets.
 */
#include "admin/admin_int.h"
#include "http/http.h"
#include "mapping/mapping.h"

enum { EVAL_MS = 3000, SHADOW_MS = 15000, SHADOW_MOST = 200, SOURCE_MAX = 1 << 20, SHOWN = 20, ONE_MOST = 64 << 20 };
#define EVAL_STEPS 50000000u

static enum tl_rc get_mappings(struct admin_call *c, struct tl_err *err)
{
    struct flow_plan *p = admin__plan(c->admin);
    struct json_builder b;
    struct json list;

    if (!p)
        return tl_fail(err, TL_NOT_FOUND, "no configuration was read");
    list = json_copy(c->arena, flow_plan_mappings(p, c->arena));
    flow_plan_unref(p);
    json_object_begin(&b, c->arena, 1);
    json_adds(&b, "mappings", list);
    return admin__answer(c, 200, json_end(&b), err);
}

/* ---- which mapping ---- */
static enum tl_rc compile(struct admin_call *c, struct tl_sv source, struct tl_sv language, struct mapping **ret,
                          struct tl_err *err)
{
    const struct mapping_options o = {.workers = c->admin->workers};
    enum mapping_kind kind = MAPPING_JSONATA;

    if (source.n > SOURCE_MAX)
        return tl_fail(err, TL_LIMIT, "a mapping has at most 1 MB");
    if (language.n && !mapping_kind_parse(language, &kind))
        return tl_fail(err, TL_INVALID, "language must be jsonata, table, jq or xslt");
    return mapping_compile(kind, source, &o, ret, err);
}

static enum tl_rc by_name(struct admin_call *c, struct tl_sv name, struct mapping **ret, struct tl_err *err)
{
    struct flow_plan *p = admin__plan(c->admin);
    struct mapping *m = p ? flow_plan_mapping(p, name) : NULL;
    enum tl_rc rc = m ? TL_OK : tl_fail(err, TL_NOT_FOUND, "there is no mapping '%.*s'", TL_SV_ARG(name));

    if (m)
        *ret = mapping_ref(m);
    flow_plan_unref(p);
    return rc;
}

static struct json error_json(struct tl_arena *a, const struct tl_err *err)
{
    struct json_builder b;

    json_object_begin(&b, a, 4);
    json_adds(&b, "code", json_str(tl_rc_name(err->rc)));
    json_adds(&b, "text", json_str_copy(a, tl_sv_str(err->text)));
    json_adds(&b, "line", err->line ? json_int(err->line) : json_null());
    json_adds(&b, "column", err->column ? json_int(err->column) : json_null());
    return json_end(&b);
}

/* ---- one input ---- */
struct evaluation {
    struct mapping *m;
    struct tl_arena *arena;
    const struct tl_clock *clock;
    struct json input, output, explained;
    uint64_t us;
    enum tl_rc rc;
    struct tl_err err;
};

static void evaluate(void *arg)
{
    struct evaluation *e = arg;
    const struct mapping_budget budget = {.steps = EVAL_STEPS, .time_ms = EVAL_MS};
    const struct mapping_input in = {.data = e->input, .budget = &budget, .clock = e->clock};
    uint64_t began = tl_clock_mono_ns(tl_clock_system());
    struct tl_err ignored;

    e->rc = mapping_eval(e->m, e->arena, &in, &e->output, &e->err);
    e->us = (tl_clock_mono_ns(tl_clock_system()) - began) / 1000;
    if (mapping_source(e->m).p &&
        mapping_explain(e->m, e->arena, e->input, JSON_NOTHING, &e->explained, &ignored) != TL_OK)
        e->explained = JSON_NOTHING;
}

static enum tl_rc post_evaluate(struct admin_call *c, struct tl_err *err)
{
    TL_CLEANUP(mapping_unrefp) struct mapping *m = NULL;
    struct evaluation e = {.arena = c->arena, .clock = c->admin->clock};
    struct tl_sv name, source;
    struct json v;
    struct json_builder b;
    enum tl_rc rc = admin__body(c, &v, err);

    if (rc != TL_OK)
        return rc;
    name = json_text(json_gets(v, "name"), TL_SV_NULL);
    source = json_text(json_gets(v, "source"), TL_SV_NULL);
    if (!name.p == !source.p)
        return tl_fail(err, TL_INVALID, "give the `name` of a mapping or the `source` of one, and an `input`");
    e.rc = name.p ? by_name(c, name, &m, &e.err)
                  : compile(c, source, json_text(json_gets(v, "language"), TL_SV("")), &m, &e.err);
    if (e.rc == TL_NOT_FOUND)
        return tl_fail(err, TL_NOT_FOUND, "%s", e.err.text);
    if (e.rc == TL_OK) {
        e.m = m;
        e.input = json_gets(v, "input");
        rc = admin__blocking(c, evaluate, &e, err);
    }
    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, c->arena, 5);
    json_adds(&b, "output", e.rc == TL_OK && e.output.type != JSON_UNDEFINED ? e.output : json_null());
    json_adds(&b, "error", e.rc == TL_OK ? json_null() : error_json(c->arena, &e.err));
    json_adds(&b, "lineage", e.explained.type == JSON_OBJECT ? json_gets(e.explained, "fields") : json_null());
    json_adds(&b, "explained", e.explained.type == JSON_OBJECT ? e.explained : json_null());
    json_adds(&b, "us", json_int((int64_t)e.us));
    return admin__answer(c, 200, json_end(&b), err);
}

/* ---- an edited one beside the one in force ---- */
struct shadow {
    struct mapping *now, *then; /* then: the edited one */
    const struct tl_clock *clock;
    uint64_t same, failed, looked;
    struct json_builder different, failures;
    size_t most;
    bool masked; /* both see what the caller may */
    struct flow_plan *plan;
};

static enum tl_rc run_one(struct shadow *s, struct mapping *m, struct tl_arena *a, struct json in, struct json *ret,
                          struct tl_err *err)
{
    const struct mapping_budget budget = {.steps = EVAL_STEPS, .time_ms = 500};
    const struct mapping_input input = {.data = in, .budget = &budget, .clock = s->clock};

    return mapping_eval(m, a, &input, ret, err);
}

/* Copied: a result shares its texts with the mapping, and what it was made of is gone before the answer is written. */
static struct json shown(struct flow_veil *veil, struct tl_arena *keep, enum tl_rc rc, struct json result)
{
    return rc == TL_OK ? json_copy(keep, flow_veil_texts(veil, flow_veil_json(veil, result))) : json_null();
}

/* a: for this event alone; keep: what is answered. */
static void compare(struct shadow *s, struct tl_arena *a, struct tl_arena *keep, uint64_t id, struct tl_sv body)
{
    TL_CLEANUP(flow_veil_end) struct flow_veil veil;
    struct json in, before = JSON_NOTHING, after = JSON_NOTHING;
    struct json_builder b;
    struct tl_err err = {0}, old = {0};
    enum tl_rc rc_before, rc_after;

    flow_veil_begin(&veil, s->plan, a);
    if (json_parse(a, body, 0, NULL, &in, NULL) != TL_OK)
        return;
    s->looked++;
    if (s->masked) /* a mapping can write what it sees so that no veil knows it again */
        in = flow_veil_json(&veil, in);
    rc_before = run_one(s, s->now, a, in, &before, &old);
    rc_after = run_one(s, s->then, a, in, &after, &err);
    if (rc_after == TL_OK && rc_before == TL_OK && json_equal(before, after)) {
        s->same++;
        return;
    }
    s->failed += rc_after != TL_OK;
    if ((rc_after != TL_OK ? s->failures.v.n : s->different.v.n) >= SHOWN)
        return;
    if (!s->masked)
        (void)flow_veil_json(&veil, in);
    json_object_begin(&b, keep, 4);
    json_adds(&b, "id", admin__id_json(keep, id));
    json_adds(&b, "before", shown(&veil, keep, rc_before, before));
    json_adds(&b, "after", shown(&veil, keep, rc_after, after));
    json_adds(&b, "error",
              rc_after == TL_OK ? json_null() : json_copy(keep, flow_veil_texts(&veil, error_json(a, &err))));
    json_push(rc_after != TL_OK ? &s->failures : &s->different, json_end(&b));
}

static enum tl_rc run_shadow(struct admin__read *l, struct queue_reader *r, struct tl_err *err)
{
    struct shadow *s = l->arg;
    uint64_t until = tl_clock_mono_ms(tl_clock_system()) + SHADOW_MS;
    enum tl_rc rc = queue_list(r, l->arena, &l->filter, 0, s->most, &l->page, err);

    for (size_t i = 0; rc == TL_OK && i < l->page.n && tl_clock_mono_ms(tl_clock_system()) < until; i++) {
        TL_CLEANUP(tl_arena_freep) struct tl_arena *one = NULL; /* the rows of 200 events are more than a request's */
        struct queue_detail d;

        if (l->page.rows[i].delivery != l->page.rows[i].event || l->page.rows[i].bytes > SOURCE_MAX)
            continue;
        one = tl_arena_new(ONE_MOST);
        rc = queue_show(r, one, l->page.rows[i].delivery, SOURCE_MAX, &d, err);
        if (rc == TL_OK)
            compare(s, one, l->arena, l->page.rows[i].delivery, d.body);
    }
    return rc;
}

static enum tl_rc read_shadow(struct admin_call *c, struct json v, struct shadow *s, struct admin__read *l,
                              struct tl_err *err)
{
    int64_t last = 100;
    struct tl_sv language = json_text(json_gets(v, "language"), TL_SV(""));
    struct tl_sv flow = json_text(json_gets(v, "flow"), TL_SV(""));
    enum tl_rc rc = admin__flow(c, flow, &l->filter.flow, err);

    if (rc == TL_OK && json_gets(v, "last").type != JSON_UNDEFINED &&
        (!json_int64(json_gets(v, "last"), &last) || last < 1 || last > SHADOW_MOST))
        return tl_fail(err, TL_INVALID, "last must be 1 to %d", SHADOW_MOST);
    s->most = (size_t)last;
    if (rc == TL_OK)
        rc = by_name(c, json_text(json_gets(v, "name"), TL_SV("")), &s->now, err);
    if (rc == TL_OK)
        rc = compile(c, json_text(json_gets(v, "source"), TL_SV("")),
                     language.n ? language : tl_sv_str(mapping_kind_name(mapping_kind_of(s->now))), &s->then, err);
    return rc;
}

static enum tl_rc post_shadow(struct admin_call *c, struct tl_err *err)
{
    struct shadow s = {.clock = c->admin->clock};
    struct admin__read l = {.fn = run_shadow, .arg = &s};
    struct json_builder b;
    struct tl_err ignored;
    struct json v;
    bool pii;
    enum tl_rc rc = admin__body(c, &v, err);

    json_array_begin(&s.different, c->arena, SHOWN);
    json_array_begin(&s.failures, c->arena, SHOWN);
    if (rc == TL_OK)
        rc = read_shadow(c, v, &s, &l, err);
    s.plan = admin__plan(c->admin);
    pii = flow_plan_has_pii(s.plan);
    s.masked = pii && admin__may_reveal(c, &ignored) != TL_OK;
    if (rc == TL_OK && pii && !s.masked)
        rc = admin__act(c, err, "mapping %.*s over flow %.*s", TL_SV_ARG(json_text(json_gets(v, "name"), TL_SV(""))),
                        TL_SV_ARG(json_text(json_gets(v, "flow"), TL_SV(""))));
    if (rc == TL_OK)
        rc = admin__read(c, &l, err);
    flow_plan_unref(s.plan);
    mapping_unref(s.now);
    mapping_unref(s.then);
    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, c->arena, 6);
    json_adds(&b, "masked", json_bool(s.masked));
    json_adds(&b, "looked", json_int((int64_t)s.looked));
    json_adds(&b, "same", json_int((int64_t)s.same));
    json_adds(&b, "changed", json_int((int64_t)(s.looked - s.same - s.failed)));
    json_adds(&b, "different", json_end(&s.different));
    json_adds(&b, "failed", json_end(&s.failures));
    return admin__answer(c, 200, json_end(&b), err);
}

static const struct admin__route routes[] = {
    {.methods = "GET",
     .pattern = "/v1/mappings",
     .fn = get_mappings,
     .doc = "The mappings of the configuration.",
     .role = ADMIN_VIEWER},
    {.methods = "POST",
     .pattern = "/v1/mappings/evaluate",
     .fn = post_evaluate,
     .doc = "Run a mapping on an input.",
     .body = (const struct admin__field[]){{"name", "string", "Of a mapping of the configuration; or ...", false},
                                           {"source", "string", "... the text of one.", false},
                                           {"language", "string", "jsonata, table, jq or xslt.", false},
                                           {"input", "any", "What it maps.", false},
                                           {0}},
     .role = ADMIN_OPERATOR,
     .body_limit = 4 << 20},
    {.methods = "POST",
     .pattern = "/v1/mappings/shadow",
     .fn = post_shadow,
     .doc = "An edited mapping beside the one in force, over the last events; over masked ones for whoever may not "
            "reveal.",
     .act = "compare mappings",
     .no_reason = true,
     .sometimes = true,
     .body = (const struct admin__field[]){{"name", "string", "The one in force.", true},
                                           {"source", "string", "The edited one.", true},
                                           {"language", "string", "Its language; that of `name` when absent.", false},
                                           {"flow", "string", "Whose events.", true},
                                           {"last", "integer", "1 to 200; 100 when absent.", false},
                                           {0}},
     .role = ADMIN_OPERATOR,
     .body_limit = 2 << 20},
};
const struct admin__table admin__mapping_table = {routes, TL_COUNT(routes)};
