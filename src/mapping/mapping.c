/* SPDX-License-Identifier: Apache-2.0 */
/* mapping.c - one object for all languages: made, counted, evaluated. */
#include "mapping/mapping_int.h"

#include <math.h>

#define TEXT_MAX (8u << 20)

static struct json request(struct tl_arena *a, const struct mapping *m, struct json input, struct json bindings,
                           bool check)
{
    struct json_builder b;

    json_object_begin(&b, a, 4);
    (void)json_adds(&b, "text", json_sv(m->text));
    if (check)
        (void)json_adds(&b, "check", json_bool(true));
    (void)json_adds(&b, "input", input);
    (void)json_adds(&b, "bindings", bindings);
    return json_end(&b);
}

static enum tl_rc check_in_worker(struct mapping *m, struct tl_err *err)
{
    struct tl_arena *a;
    struct json nothing;
    enum tl_rc rc;

    if (!m->workers)
        return tl_fail(err, TL_UNSUPPORTED, "%s mappings need worker processes", mapping_kind_name(m->kind));
    a = tl_arena_new(1u << 20);
    rc = mapping_workers_ask(m->workers, m->kind, request(a, m, JSON_NOTHING, JSON_NOTHING, true), 0, a, &nothing, err);
    tl_arena_free(a);
    return rc;
}

static enum tl_rc compile_jsonata(struct mapping *m, struct tl_sv source, const struct mapping_options *o,
                                  struct tl_err *err)
{
    struct jsonata_options options = {.namespaces = &mapping_tl, .namespace_count = 1, .strict = o->strict};
    struct jsonata_error *scratch = NULL, *detail = o->detail;
    enum tl_rc rc;

    rc = crypto_new(&m->crypto, err);
    if (rc != TL_OK)
        return rc;
    if (!detail)
        detail = scratch = tl_zalloc(sizeof(*scratch));
    rc = jsonata_compile(source, &options, &m->program, detail, err);
    tl_free(scratch);
    return rc;
}

static enum tl_rc compile(struct mapping *m, const struct mapping_options *o, struct tl_err *err)
{
    struct mapping_options table = *o;
    struct tl_sv source;
    enum tl_rc rc;

    switch (m->kind) {
    case MAPPING_JSONATA:
        return compile_jsonata(m, m->text, o, err);
    case MAPPING_TABLE:
        table.strict = false;
        rc = table_compile(m->arena, m->text, &source, &m->lookups, err);
        return rc == TL_OK ? compile_jsonata(m, source, &table, err) : rc;
    case MAPPING_JQ:
    case MAPPING_XSLT:
        return check_in_worker(m, err);
    case MAPPING_KIND_COUNT:
        break;
    }
    return tl_fail(err, TL_BUG, "no such kind of mapping");
}

enum tl_rc mapping_compile(enum mapping_kind kind, struct tl_sv text, const struct mapping_options *options,
                           struct mapping **ret, struct tl_err *err)
{
    TL_CLEANUP(mapping_unrefp) struct mapping *m = NULL;
    struct mapping_options o = options ? *options : (struct mapping_options){0};
    enum tl_rc rc;

    if (text.n > TEXT_MAX)
        return tl_fail(err, TL_LIMIT, "the mapping is longer than %u bytes", TEXT_MAX);
    m = tl_zalloc(sizeof(*m));
    m->refs = 1;
    m->kind = kind;
    m->workers = o.workers;
    m->arena = tl_arena_new(64u << 20);
    m->text = text.n ? tl_arena_sv(m->arena, text) : TL_SV("");
    m->lookups = json_copy(m->arena, o.lookups);
    rc = compile(m, &o, err);
    if (rc != TL_OK)
        return rc;
    *ret = TL_STEAL(&m);
    return TL_OK;
}

struct mapping *mapping_ref(struct mapping *m)
{
    (void)__atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
    return m;
}

void mapping_unref(struct mapping *m)
{
    if (!m || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    jsonata_unref(m->program);
    crypto_free(m->crypto);
    tl_arena_free(m->arena);
    tl_free(m);
}

void mapping_unrefp(struct mapping **m)
{
    mapping_unref(*m);
}

enum mapping_kind mapping_kind_of(const struct mapping *m)
{
    return m->kind;
}

struct tl_sv mapping_source(const struct mapping *m)
{
    return m->program ? jsonata_source(m->program) : TL_SV_NULL;
}

/* ---- what JSON has no number for ---- */
enum { MOST_VALUES = 8 << 20, DEEPEST = 2000, VALUES_A_STEP = 8 /* are looked at in the time of a step */ };
struct search {
    size_t left; /* of values to look at: a result may hold one of its parts any number of times */
    unsigned depth;
    bool cut;            /* there were more than that */
    struct tl_sv member; /* the name that is nearest to the find */
};

static bool has_no_json(struct search *s, struct json v)
{
    bool found = false;

    if (v.type == JSON_DOUBLE)
        return !isfinite(v.u.d);
    if (s->depth == DEEPEST || (v.type != JSON_ARRAY && v.type != JSON_OBJECT))
        return false;
    s->depth++;
    for (uint32_t i = 0; i < v.n && !found && !s->cut; i++) {
        s->cut = s->left == 0;
        if (s->cut)
            break;
        s->left--;
        found = has_no_json(s, v.type == JSON_ARRAY ? v.u.items[i] : v.u.members[i].value);
        if (found && v.type == JSON_OBJECT && !s->member.p)
            s->member = json_view(v.u.members[i].key);
    }
    s->depth--;
    return found;
}

/*
 * Written, it would be null: a price that is gone. The language itself refuses it only where it is calculated with.
 * Looking takes of the turn as evaluating does. *steps: how many that took.
 */
static enum tl_rc refuse_infinite(struct json v, const struct mapping_turn *turn, uint64_t *steps, struct tl_err *err)
{
    uint64_t rest = !turn ? UINT64_MAX : turn->steps > *steps ? turn->steps - *steps : 0;
    bool all = rest >= MOST_VALUES / VALUES_A_STEP;
    size_t most = all ? MOST_VALUES : (size_t)rest * VALUES_A_STEP;
    struct search s = {.left = most};
    bool found = has_no_json(&s, v);

    *steps += (most - s.left) / VALUES_A_STEP;
    if (s.cut && !all)
        return tl_fail(err, TL_BUDGET, "mapping: not on this thread");
    if (!found)
        return TL_OK;
    return tl_fail(err, TL_INVALID, "mapping: %s%.*s%s is no number that JSON has: was something divided by zero?",
                   s.member.p ? "'" : "the result", (int)(s.member.n < 80 ? s.member.n : 80),
                   s.member.p ? s.member.p : "", s.member.p ? "'" : "");
}

static enum tl_rc eval_jsonata(const struct mapping *m, struct tl_arena *a, const struct mapping_input *in,
                               struct json *ret, struct tl_err *err)
{
    struct mapping_budget b = in->budget ? *in->budget : (struct mapping_budget){0};
    struct jsonata_budget budget = {b.steps, b.depth, b.stack_bytes, b.time_ms};
    struct jsonata_error *detail = in->detail;
    uint64_t steps = 0;
    struct json v;
    enum tl_rc rc;
    struct jsonata_input input = {.data = in->data,
                                  .bindings = in->bindings,
                                  .budget = &budget,
                                  .clock = in->clock,
                                  .host = (void *)(uintptr_t)m,
                                  .whole = in->whole,
                                  .ret_steps = &steps};

    if (!detail) {
        detail = tl_arena_alloc(a, sizeof(*detail));
        if (!detail)
            return tl_fail(err, TL_BUDGET, "mapping: the memory limit is used up");
    }
    if (in->turn && (budget.steps == 0 || budget.steps > in->turn->steps))
        budget.steps = in->turn->steps;
    rc = jsonata_run(m->program, a, &input, &v, detail, err);
    if (rc == TL_OK)
        rc = refuse_infinite(v, in->turn, &steps, err);
    if (in->turn)
        turn_took(m, in->turn, steps, rc);
    if (rc == TL_OK)
        *ret = v;
    return rc;
}

enum tl_rc mapping_eval(const struct mapping *m, struct tl_arena *a, const struct mapping_input *in, struct json *ret,
                        struct tl_err *err)
{
    if (in->turn && turn_refuses(m, in->turn))
        return tl_fail(err, TL_BUDGET, "mapping: not on this thread");
    if (m->program)
        return eval_jsonata(m, a, in, ret, err);
    return mapping_workers_ask(m->workers, m->kind, request(a, m, in->data, in->bindings, false),
                               in->budget ? in->budget->time_ms : 0, a, ret, err);
}
