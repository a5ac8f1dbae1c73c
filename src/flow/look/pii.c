/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pii.c - `"pii": true` in models: which fields of payloads are shown masked.
 * A mark is a path from the root of its model, and holds for every payload in which a path ends so (indices of arrays
 * do not count): the model's own form, an envelope around it, what is sent. What a mapping feeds a marked field from is
 * marked too. Too much masked is put right by a person with the right to; too little is not. Masking itself: veil.c.
 */
#include "flow/flow_int.h"

enum { PATHS_MAX = 4000, DEPTH_MAX = FLOW_PII_DEPTH };

struct path {
    struct path *next; /* with the same last name */
    struct tl_sv *names;
    size_t n;
};
struct flow_pii {
    struct tl_arena *arena;
    struct tl_map *by_last; /* lower case -> struct path * */
    size_t n;
};

/* ---- finding the marks ---- */
struct walk {
    struct flow_pii *pii;
    struct json root, documents;
    struct tl_sv names[DEPTH_MAX];
    size_t n;
    int depth;
};

static char small(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static struct tl_sv lower(struct tl_arena *a, struct tl_sv s)
{
    char *p = tl_arena_must(a, s.n + 1);

    for (size_t i = 0; i < s.n; i++)
        p[i] = small(s.p[i]);
    return tl_sv(p, s.n);
}

static void add_path(struct flow_pii *pii, const struct tl_sv *names, size_t n)
{
    struct path *p, *first;

    if (n == 0 || pii->n == PATHS_MAX)
        return;
    p = tl_arena_zalloc(pii->arena, sizeof *p);
    p->names = tl_arena_must(pii->arena, n * sizeof *p->names);
    for (size_t i = 0; i < n; i++)
        p->names[i] = lower(pii->arena, tl_arena_sv(pii->arena, names[i]));
    p->n = n;
    first = tl_map_get(pii->by_last, p->names[n - 1]);
    p->next = first;
    (void)tl_map_put(pii->by_last, p->names[n - 1], p);
    pii->n++;
}

static void walk(struct walk *w, struct json schema);

static void walk_named(struct walk *w, struct json subs, bool any)
{
    for (uint32_t i = 0; subs.type == JSON_OBJECT && i < subs.n && w->n < DEPTH_MAX; i++) {
        w->names[w->n++] = any ? TL_SV("*") : json_view(subs.u.members[i].key);
        walk(w, subs.u.members[i].value);
        w->n--;
    }
}

/* "#/$defs/x", or "ADDRESS#/..." with the address among `schemas:`. */
static void walk_ref(struct walk *w, struct tl_sv ref)
{
    struct tl_sv at = tl_sv(ref.p, tl_sv_find(ref, '#')),
                 pointer = at.n < ref.n ? tl_sv_from(ref, at.n + 1) : TL_SV("");
    struct json doc = at.n == 0                          ? w->root
                      : w->documents.type == JSON_OBJECT ? json_get(w->documents, at)
                                                         : JSON_NOTHING;
    struct json before = w->root, to;

    if (doc.type == JSON_UNDEFINED || json_pointer_get(doc, pointer, &to, NULL) != TL_OK)
        return;
    w->root = doc;
    walk(w, to);
    w->root = before;
}

static void walk(struct walk *w, struct json s)
{
    static const char *const same[] = {"items", "contains", "if", "then", "else", "unevaluatedItems"};
    static const char *const lists[] = {"allOf", "anyOf", "oneOf", "prefixItems"};
    struct json mark = json_gets(s, "pii"), v;

    if (s.type != JSON_OBJECT || w->depth >= DEPTH_MAX) /* a model may hold itself */
        return;
    w->depth++;
    if (mark.type == JSON_BOOL && mark.u.b)
        add_path(w->pii, w->names, w->n);
    if (json_gets(s, "$ref").type == JSON_STRING)
        walk_ref(w, json_view(json_gets(s, "$ref")));
    walk_named(w, json_gets(s, "properties"), false);
    walk_named(w, json_gets(s, "patternProperties"), true);
    for (size_t i = 0; i < TL_COUNT(same); i++)
        walk(w, json_gets(s, same[i]));
    for (size_t i = 0; i < TL_COUNT(lists); i++) {
        v = json_gets(s, lists[i]);
        for (uint32_t k = 0; v.type == JSON_ARRAY && k < v.n; k++)
            walk(w, json_at(v, k));
    }
    v = json_gets(s, "additionalProperties");
    if (v.type == JSON_OBJECT && w->n < DEPTH_MAX) {
        w->names[w->n++] = TL_SV("*");
        walk(w, v);
        w->n--;
    }
    w->depth--;
}

void flow__pii_model(struct flow_plan *p, struct json model, struct json documents)
{
    struct walk w = {.root = model, .documents = documents};

    if (!p->pii) {
        p->pii = tl_arena_zalloc(p->arena, sizeof *p->pii);
        p->pii->arena = p->arena;
        p->pii->by_last = tl_map_new();
        tl_arena_on_free(p->arena, (void (*)(void *))tl_map_free, p->pii->by_last);
    }
    w.pii = p->pii;
    walk(&w, model);
}

/* "order.lines[].sku" -> names; false: too deep. */
static bool split(struct tl_sv text, struct tl_sv names[DEPTH_MAX], size_t *ret_n)
{
    struct tl_sv one;

    *ret_n = 0;
    while (tl_sv_cut(&text, '.', &one)) {
        one = tl_sv(one.p, tl_sv_find(one, '['));
        if (one.n == 0 || *ret_n == DEPTH_MAX)
            return false;
        names[(*ret_n)++] = one;
    }
    return *ret_n > 0;
}

void flow__pii_mapping(struct flow_plan *p, const struct mapping *m)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = NULL;
    struct tl_sv names[DEPTH_MAX];
    struct json report, fields;
    size_t n;

    if (!p->pii || p->pii->n == 0 || !mapping_source(m).p)
        return;
    a = tl_arena_new(16 << 20);
    if (mapping_explain(m, a, JSON_NOTHING, JSON_NOTHING, &report, NULL) != TL_OK)
        return;
    fields = json_gets(report, "fields");
    for (uint32_t i = 0; fields.type == JSON_ARRAY && i < fields.n; i++) {
        struct json from = json_gets(json_at(fields, i), "sources");

        if (!split(json_text(json_gets(json_at(fields, i), "target"), TL_SV("")), names, &n) ||
            !flow__pii_marked(p->pii, names, n))
            continue;
        for (uint32_t k = 0; from.type == JSON_ARRAY && k < from.n; k++)
            if (split(json_text(json_at(from, k), TL_SV("")), names, &n))
                add_path(p->pii, names, n);
    }
}

bool flow__pii_fed(const struct flow_plan *p, const struct mapping *m)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = NULL;
    struct tl_sv names[DEPTH_MAX];
    struct json report, from;
    size_t n;

    if (!flow_plan_has_pii(p) || !m || !mapping_source(m).p)
        return false;
    a = tl_arena_new(16 << 20);
    if (mapping_explain(m, a, JSON_NOTHING, JSON_NOTHING, &report, NULL) != TL_OK)
        return true; /* nobody knows */
    from = json_gets(report, "sources");
    for (uint32_t k = 0; from.type == JSON_ARRAY && k < from.n; k++)
        if (split(json_text(json_at(from, k), TL_SV("")), names, &n) && flow__pii_marked(p->pii, names, n))
            return true;
    return false;
}

bool flow_plan_has_pii(const struct flow_plan *p)
{
    return p && p->pii && p->pii->n > 0;
}

/* ---- masking ---- */
static bool ends_so(const struct path *p, const struct tl_sv *names, size_t n)
{
    if (p->n > n)
        return false;
    for (size_t i = 0; i < p->n; i++) {
        struct tl_sv want = p->names[p->n - 1 - i];

        if (!tl_sv_eqs(want, "*") && !tl_sv_eqi(want, names[n - 1 - i]))
            return false;
    }
    return true;
}

bool flow__pii_marked(const struct flow_pii *pii, const struct tl_sv *names, size_t n)
{
    char text[256] = {0};
    size_t most = names[n - 1].n < sizeof text ? names[n - 1].n : sizeof text;
    struct tl_sv last[] = {tl_sv(text, most), TL_SV("*")};

    for (size_t i = 0; i < most; i++)
        text[i] = small(names[n - 1].p[i]);
    for (size_t i = 0; i < TL_COUNT(last); i++) {
        for (const struct path *p = tl_map_get(pii->by_last, last[i]); p; p = p->next)
            if (ends_so(p, names, n))
                return true;
    }
    return false;
}

/* ---- an edit made of what was shown would write masks into the payload ---- */
struct names {
    struct tl_sv names[DEPTH_MAX];
    size_t n;
};

static bool holds_mask(const struct flow_pii *pii, struct names *w, struct json value)
{
    for (uint32_t i = 0; value.type == JSON_ARRAY && i < value.n; i++)
        if (holds_mask(pii, w, json_at(value, i)))
            return true;
    for (uint32_t i = 0; value.type == JSON_OBJECT && i < value.n && w->n < DEPTH_MAX; i++) {
        struct json to = value.u.members[i].value;
        bool bad;

        w->names[w->n++] = json_view(value.u.members[i].key);
        bad = to.type == JSON_STRING && tl_sv_eqs(json_view(to), FLOW_MASK) ? flow__pii_marked(pii, w->names, w->n)
                                                                            : holds_mask(pii, w, to);
        w->n--;
        if (bad)
            return true;
    }
    return false;
}

bool flow_plan_holds_mask(const struct flow_plan *p, struct json body)
{
    struct names w = {.n = 0};

    return flow_plan_has_pii(p) && holds_mask(p->pii, &w, body);
}

/* ---- what lists show ---- */
bool flow_plan_hides_key(const struct flow_plan *p, const char *flow)
{
    for (size_t i = 0; flow_plan_has_pii(p) && i < p->n_flows; i++)
        if (p->flows[i].order_by_hidden && strcmp(p->flows[i].name, flow) == 0)
            return true;
    return false;
}

static bool target_hides(const struct flow_target *t, enum flow_hides what, struct tl_sv model, struct tl_sv connection)
{
    const struct flow_target_xref_conf *x = t->conf->xref;

    if (!x || !tl_sv_eqs(model, x->model))
        return false;
    if (what == FLOW_HIDES_MARK)
        return t->mark_hidden && tl_sv_eqs(connection, t->connection->name);
    return (t->id_hidden && tl_sv_eqs(connection, x->from)) ||
           (t->answer_hidden && tl_sv_eqs(connection, t->connection->name));
}

static bool step_hides(const struct flow_step *s, struct tl_sv model, struct tl_sv connection)
{
    return s->id_hidden && ((s->xref && tl_sv_eqs(model, s->xref->model) && tl_sv_eqs(connection, s->xref->from)) ||
                            (s->own && tl_sv_eqs(model, s->own->model) && tl_sv_eqs(connection, s->own->connection)));
}

bool flow_plan_hides(const struct flow_plan *p, enum flow_hides what, struct tl_sv model, struct tl_sv connection)
{
    for (size_t i = 0; flow_plan_has_pii(p) && i < p->n_flows; i++) {
        for (size_t k = 0; k < p->flows[i].n_targets; k++)
            if (target_hides(&p->flows[i].targets[k], what, model, connection))
                return true;
        for (size_t k = 0; what == FLOW_HIDES_ID && k < p->flows[i].n_steps; k++)
            if (step_hides(&p->flows[i].steps[k], model, connection))
                return true;
    }
    return false;
}
