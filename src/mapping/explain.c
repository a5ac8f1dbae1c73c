/* SPDX-License-Identifier: Apache-2.0 */
/* explain.c - the report on a mapping: fields with their sources, unused parts of a sample, required fields that may be
 * missing. */
#include <stdlib.h>

#include "mapping/lineage.h"

#define MAX_DEPTH 60

struct report {
    struct tl_arena *a;
    struct json_builder list;
    bool ok;
};

static void push(struct report *r, struct json v)
{
    r->ok = r->ok && v.type != JSON_UNDEFINED && json_push(&r->list, v);
}

static struct json list_of(struct tl_arena *a, const struct names *n, bool *ok)
{
    struct json_builder b;

    json_array_begin(&b, a, 4);
    for (; n; n = n->next)
        *ok = *ok && json_push(&b, json_sv(n->text.n ? n->text : TL_SV("$")));
    return json_end(&b);
}

static struct tl_sv below(struct tl_arena *a, struct tl_sv path, struct tl_sv name, bool array)
{
    return tl_sv_str(
        tl_arena_printf(a, "%.*s%s%.*s%s", TL_SV_ARG(path), path.n ? "." : "", TL_SV_ARG(name), array ? "[]" : ""));
}

/* ---- fields ---- */

static void put_fields(struct report *r, const struct lval *v, struct tl_sv target, int depth)
{
    struct json_builder b;

    for (const struct lfield *f = v->fields; f && depth < MAX_DEPTH; f = f->next)
        put_fields(r, f->value, below(r->a, target, f->name, f->value->array), depth + 1);
    if (v->object && (v->fields || !v->paths))
        return;
    json_object_begin(&b, r->a, 3);
    (void)json_adds(&b, "target", json_sv(target.n ? target : TL_SV("$")));
    (void)json_adds(&b, "sources", list_of(r->a, v->paths, &r->ok));
    if (v->functions)
        (void)json_adds(&b, "functions", list_of(r->a, v->functions, &r->ok));
    push(r, json_end(&b));
}

static int by_text(const void *a, const void *b)
{
    const struct json *x = a, *y = b;

    return tl_sv_cmp(json_view(*x), json_view(*y));
}

/* Every path that is read, without the marks of "is it there", each once. */
static struct json sources(struct tl_arena *a, const struct names *reads, bool *ok)
{
    struct json_builder b;
    uint32_t kept = 0;

    json_array_begin(&b, a, 16);
    for (; reads; reads = reads->next) {
        struct tl_sv s = reads->text;

        if (s.n > 0 && s.p[s.n - 1] == '#')
            s.n--;
        *ok = *ok && json_push(&b, json_sv(s.n ? s : TL_SV("$")));
    }
    if (b.v.n > 1)
        qsort(b.v.u.items, b.v.n, sizeof(struct json), by_text);
    for (uint32_t i = 0; i < b.v.n; i++)
        if (kept == 0 || !tl_sv_eq(json_view(b.v.u.items[i]), json_view(b.v.u.items[kept - 1])))
            b.v.u.items[kept++] = b.v.u.items[i];
    b.v.n = kept;
    return json_end(&b);
}

/* ---- what the sample has and nobody reads ---- */

/* The path, a part above it, or a wildcard that covers it. */
static bool covers(struct tl_sv read, struct tl_sv leaf)
{
    bool only = read.n > 0 && read.p[read.n - 1] == '#';
    size_t star = tl_sv_find(read, '*');

    if (only)
        return tl_sv_eq(tl_sv(read.p, read.n - 1), leaf);
    if (star < read.n)
        return tl_sv_starts(leaf, tl_sv(read.p, star));
    return read.n == 0 || tl_sv_eq(read, leaf) ||
           (tl_sv_starts(leaf, read) && leaf.n > read.n && leaf.p[read.n] == '.');
}

static void put_unused(struct report *r, const struct names *reads, struct json v, struct tl_sv path, int depth)
{
    if (depth > MAX_DEPTH || r->list.v.n > 10000)
        return;
    if (v.type == JSON_ARRAY) {
        for (uint32_t i = 0; i < v.n; i++)
            put_unused(r, reads, v.u.items[i], path, depth + 1);
        if (v.n > 0)
            return;
    }
    if (v.type == JSON_OBJECT && v.n > 0) {
        for (uint32_t i = 0; i < v.n; i++)
            put_unused(r, reads, v.u.members[i].value, below(r->a, path, json_view(v.u.members[i].key), false),
                       depth + 1);
        return;
    }
    for (; reads; reads = reads->next)
        if (covers(reads->text, path))
            return;
    for (uint32_t i = 0; i < r->list.v.n; i++)
        if (tl_sv_eq(json_view(r->list.v.u.items[i]), path))
            return;
    push(r, json_sv(path.n ? path : TL_SV("$")));
}

/* ---- what the model requires ---- */

static struct json follow(struct json root, struct json schema)
{
    struct json ref, found = schema;

    for (int i = 0; i < 20; i++) {
        ref = json_gets(found, "$ref");
        if (ref.type != JSON_STRING || ref.n == 0 || ref.u.s[0] != '#')
            break;
        if (json_pointer_get(root, tl_sv_from(json_view(ref), 1), &found, NULL) != TL_OK)
            return JSON_NOTHING;
    }
    return found;
}

static const struct lval *field_of(const struct lval *v, struct tl_sv name)
{
    for (const struct lfield *f = v->fields; f; f = f->next)
        if (tl_sv_eq(f->name, name))
            return f->value;
    return NULL;
}

static void put_one(struct report *r, struct tl_sv target, const char *why)
{
    struct json_builder b;

    json_object_begin(&b, r->a, 2);
    (void)json_adds(&b, "target", json_sv(target));
    (void)json_adds(&b, "why", json_str(why));
    push(r, json_end(&b));
}

static void put_missing(struct report *r, struct json root, struct json schema, const struct lval *v, struct tl_sv path,
                        int depth)
{
    struct json required, properties;

    schema = follow(root, schema);
    if (depth > MAX_DEPTH || !v)
        return;
    if (v->array && json_gets(schema, "items").type == JSON_OBJECT)
        schema = follow(root, json_gets(schema, "items"));
    required = json_gets(schema, "required");
    properties = json_gets(schema, "properties");
    if (!v->object || field_of(v, TL_SV("*")))
        return; /* a copy of something: only a run can tell */
    for (uint32_t i = 0; required.type == JSON_ARRAY && i < required.n; i++) {
        struct tl_sv name = json_text(required.u.items[i], TL_SV(""));
        const struct lval *f = field_of(v, name);

        if (!f)
            put_one(r, below(r->a, path, name, false), "it is not mapped");
        else if (f->maybe)
            put_one(r, below(r->a, path, name, false), "its source may be missing and there is no default");
    }
    for (uint32_t i = 0; properties.type == JSON_OBJECT && i < properties.n; i++) {
        struct tl_sv name = json_view(properties.u.members[i].key);
        const struct lval *f = field_of(v, name);

        if (f)
            put_missing(r, root, properties.u.members[i].value, f, below(r->a, path, name, f->array), depth + 1);
    }
}

enum tl_rc mapping_explain(const struct mapping *m, struct tl_arena *a, struct json sample, struct json target_schema,
                           struct json *ret, struct tl_err *err)
{
    struct report fields = {a, {0}, true}, unused = {a, {0}, true}, missing = {a, {0}, true};
    struct json_builder out;
    struct lineage l;
    bool ok = true;

    if (!m->program)
        return tl_fail(err, TL_UNSUPPORTED, "only JSONata and field tables can be explained, not %s",
                       mapping_kind_name(m->kind));
    if (!lineage_of(m->program, a, &l))
        return tl_fail(err, TL_LIMIT, "explaining the mapping: the memory limit is used up");
    json_array_begin(&fields.list, a, 16);
    json_array_begin(&unused.list, a, 16);
    json_array_begin(&missing.list, a, 16);
    put_fields(&fields, l.result, TL_SV(""), 0);
    json_object_begin(&out, a, 5);
    (void)json_adds(&out, "fields", json_end(&fields.list));
    (void)json_adds(&out, "sources", sources(a, l.reads, &ok));
    (void)json_adds(&out, "exact", json_bool(l.exact));
    if (sample.type != JSON_UNDEFINED) {
        put_unused(&unused, l.reads, sample, TL_SV(""), 0);
        (void)json_adds(&out, "unused", json_end(&unused.list));
    }
    if (target_schema.type != JSON_UNDEFINED) {
        put_missing(&missing, target_schema, target_schema, l.result, TL_SV(""), 0);
        (void)json_adds(&out, "missing", json_end(&missing.list));
    }
    if (!ok || !fields.ok || !unused.ok || !missing.ok || tl_arena_exceeded(a))
        return tl_fail(err, TL_LIMIT, "explaining the mapping: the memory limit is used up");
    *ret = json_end(&out);
    return TL_OK;
}
