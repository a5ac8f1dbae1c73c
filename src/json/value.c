/* SPDX-License-Identifier: Apache-2.0 */
/* value.c - reading, comparing and copying values. */
#include <stdarg.h>
#include <stdio.h>

#include "json/json_int.h"

struct json json_str_copy(struct tl_arena *a, struct tl_sv s)
{
    struct tl_sv copy;

    if (s.n > UINT32_MAX)
        return JSON_NOTHING;
    if (s.n == 0)
        return json_sv(TL_SV(""));
    copy = tl_arena_sv(a, s);
    return copy.p ? json_sv(copy) : JSON_NOTHING;
}

struct json json_printf(struct tl_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    int n;
    char *p;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    p = n < 0 ? NULL : tl_arena_alloc_unaligned(a, (size_t)n + 1);
    if (p)
        (void)vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p ? json_sv(tl_sv(p, (size_t)n)) : JSON_NOTHING;
}

struct json json_get(struct json v, struct tl_sv key)
{
    if (v.type != JSON_OBJECT)
        return JSON_NOTHING;
    if (v.flags & JSON_F_INDEXED) {
        uint32_t at = json_index_find(json_index_header(v.u.members)->index, v.u.members, v.n, key, NULL);

        return at == UINT32_MAX ? JSON_NOTHING : v.u.members[at].value;
    }
    for (uint32_t i = 0; i < v.n; i++)
        if (json_key_is(&v.u.members[i].key, key))
            return v.u.members[i].value;
    return JSON_NOTHING;
}

struct json json_gets(struct json v, const char *key)
{
    return json_get(v, tl_sv_str(key));
}

struct tl_sv json_text(struct json v, struct tl_sv fallback)
{
    return v.type == JSON_STRING ? json_view(v) : fallback;
}

const char *json_type_name(struct json v)
{
    static const char *const names[] = {"undefined", "null",   "boolean", "number", "number",
                                        "number",    "string", "array",   "object", "function"};

    return v.type < TL_COUNT(names) ? names[v.type] : "undefined";
}

static bool equal(struct json a, struct json b, uint32_t depth);

static bool array_equal(struct json a, struct json b, uint32_t depth)
{
    if (a.n != b.n)
        return false;
    for (uint32_t i = 0; i < a.n; i++)
        if (!equal(a.u.items[i], b.u.items[i], depth))
            return false;
    return true;
}

/* Objects that evaluators made carry no index: a temporary one keeps the comparison from becoming quadratic. */
static struct json_index *index_for(struct json v)
{
    struct json_index *ix = json_index_new(NULL, v.n);

    for (uint32_t i = 0; i < v.n; i++) {
        uint32_t slot;

        if (json_index_find(ix, v.u.members, v.n, json_view(v.u.members[i].key), &slot) == UINT32_MAX)
            ix->slots[slot] = i + 1;
    }
    return ix;
}

static bool object_equal(struct json a, struct json b, uint32_t depth)
{
    TL_CLEANUP(tl_freep) struct json_index *ix = NULL;

    if (a.n != b.n)
        return false;
    if (b.n > 4 * JSON_INDEX_MIN && !(b.flags & JSON_F_INDEXED))
        ix = index_for(b);
    for (uint32_t i = 0; i < a.n; i++) {
        const struct json_member *m = &a.u.members[i];
        struct tl_sv key = json_view(m->key);
        struct json other;

        if (ix) {
            uint32_t at = json_index_find(ix, b.u.members, b.n, key, NULL);

            other = at == UINT32_MAX ? JSON_NOTHING : b.u.members[at].value;
        } else {
            /* Most objects that are compared were written in the same order. */
            other = json_key_is(&b.u.members[i].key, key) ? b.u.members[i].value : json_get(b, key);
        }
        if (other.type == JSON_UNDEFINED ? m->value.type != JSON_UNDEFINED : !equal(m->value, other, depth))
            return false;
    }
    return true;
}

static bool equal(struct json a, struct json b, uint32_t depth)
{
    if (json_is_number(a) && json_is_number(b))
        return json_number_cmp(a, b) == 0;
    if (a.type != b.type || depth == 0)
        return false;
    switch ((enum json_type)a.type) {
    case JSON_UNDEFINED:
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return a.u.b == b.u.b;
    case JSON_STRING:
        return a.n == b.n && (a.n == 0 || memcmp(a.u.s, b.u.s, a.n) == 0);
    case JSON_ARRAY:
        return array_equal(a, b, depth - 1);
    case JSON_OBJECT:
        return object_equal(a, b, depth - 1);
    case JSON_EXT:
        return a.u.ext == b.u.ext;
    case JSON_INT:
    case JSON_DOUBLE:
    case JSON_DECIMAL:
        break;
    }
    return false;
}

bool json_equal(struct json a, struct json b)
{
    return equal(a, b, JSON_DEPTH_MAX);
}

static struct json copy(struct tl_arena *a, struct json v, uint32_t depth);

static struct json copy_array(struct tl_arena *a, struct json v, uint32_t depth)
{
    struct json *items = tl_arena_alloc(a, v.n * sizeof(*items));

    if (!items)
        return JSON_NOTHING;
    for (uint32_t i = 0; i < v.n; i++) {
        items[i] = copy(a, v.u.items[i], depth);
        if (items[i].type == JSON_UNDEFINED && v.u.items[i].type != JSON_UNDEFINED)
            return JSON_NOTHING;
    }
    v.u.items = items;
    return v;
}

static struct json copy_object(struct tl_arena *a, struct json v, uint32_t depth)
{
    struct json_builder b;

    json_object_begin(&b, a, v.n);
    for (uint32_t i = 0; i < v.n; i++) {
        const struct json_member *m = &v.u.members[i];
        struct json key = copy(a, m->key, depth), value = copy(a, m->value, depth);

        if (key.type == JSON_UNDEFINED || (value.type == JSON_UNDEFINED && m->value.type != JSON_UNDEFINED) ||
            !json_add(&b, json_view(key), value))
            return JSON_NOTHING;
        b.v.u.members[i].key = key;
    }
    b.v.aux = v.aux;
    return v.flags & JSON_F_INDEXED ? json_indexed(a, b.v) : b.v;
}

static struct json copy(struct tl_arena *a, struct json v, uint32_t depth)
{
    struct tl_sv text;

    if (depth == 0)
        return JSON_NOTHING;
    if (v.type == JSON_ARRAY && v.n > 0)
        return copy_array(a, v, depth - 1);
    if (v.type == JSON_OBJECT && v.n > 0)
        return copy_object(a, v, depth - 1);
    if (v.type != JSON_STRING && v.type != JSON_DECIMAL)
        return v;
    if (v.n == 0) {
        v.u.s = "";
        return v;
    }
    text = tl_arena_sv(a, json_view(v));
    v.u.s = text.p;
    return text.p ? v : JSON_NOTHING;
}

struct json json_copy(struct tl_arena *a, struct json v)
{
    return copy(a, v, JSON_DEPTH_MAX);
}
