/* SPDX-License-Identifier: Apache-2.0 */
/* f_sequence.c - $map and its kind, $sort, $append, $distinct: functions over arrays. */
#include "jsonata/eval.h"

/* ---- calling back ---- */

/* The value, its index or name, and the whole, as many as the function takes. */
static enum tl_rc call_back(struct jsonata_eval *e, struct json fn, struct json item, struct json at, struct json whole,
                            struct json *ret)
{
    struct json args[3] = {item, at, whole};
    uint32_t arity = jsonata_arity(fn);

    return jsonata_call(e, fn, args, arity < 1 ? 1 : arity > 3 ? 3 : arity, ret);
}

static enum tl_rc fn_map(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    struct list out = {0};

    if (args[0].type == JSON_UNDEFINED)
        return TL_OK;
    if (args[0].n && !list_grow(e, &out, args[0].n))
        return e->rc;
    for (uint32_t i = 0; i < args[0].n; i++) {
        struct json v = JSON_NOTHING;

        if (call_back(e, args[1], args[0].u.items[i], json_int(i), args[0], &v) != TL_OK)
            return e->rc;
        if (v.type != JSON_UNDEFINED && !list_push(e, &out, v))
            return e->rc;
    }
    *ret = list_value(&out, JSON_F_SEQUENCE);
    return TL_OK;
}

static enum tl_rc fn_filter(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    struct list out = {0};

    if (args[0].type == JSON_UNDEFINED)
        return TL_OK;
    for (uint32_t i = 0; i < args[0].n; i++) {
        struct json v = JSON_NOTHING;

        if (call_back(e, args[1], args[0].u.items[i], json_int(i), args[0], &v) != TL_OK)
            return e->rc;
        if (jsonata_truth(v) && !list_push(e, &out, args[0].u.items[i]))
            return e->rc;
    }
    *ret = list_value(&out, JSON_F_SEQUENCE);
    return TL_OK;
}

static enum tl_rc fn_single(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    struct json found = JSON_NOTHING;
    uint32_t hits = 0;

    if (args[0].type == JSON_UNDEFINED)
        return TL_OK;
    for (uint32_t i = 0; i < args[0].n; i++) {
        struct json v = json_bool(true);

        if (args[1].type == JSON_EXT && call_back(e, args[1], args[0].u.items[i], json_int(i), args[0], &v) != TL_OK)
            return e->rc;
        if (!jsonata_truth(v))
            continue;
        if (hits++)
            return jsonata_raise(e, "D3138", JSON_NOTHING);
        found = args[0].u.items[i];
    }
    if (!hits)
        return jsonata_raise(e, "D3139", JSON_NOTHING);
    *ret = found;
    return TL_OK;
}

static enum tl_rc fn_reduce(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    struct json total = args[2];
    uint32_t i = 0, arity;

    if (args[0].type == JSON_UNDEFINED)
        return TL_OK;
    arity = jsonata_arity(args[1]);
    if (arity < 2)
        return jsonata_raise(e, "D3050", JSON_NOTHING);
    if (total.type == JSON_UNDEFINED && args[0].n > 0)
        total = args[0].u.items[i++];
    for (; i < args[0].n; i++) {
        struct json in[4] = {total, args[0].u.items[i], json_int(i), args[0]};

        total = JSON_NOTHING;
        if (jsonata_call(e, args[1], in, arity > 4 ? 4 : arity, &total) != TL_OK)
            return e->rc;
    }
    *ret = total;
    return TL_OK;
}

/* ---- whole arrays ---- */

static enum tl_rc fn_append(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    bool lacks = eval_lacks(e, args[0]) || eval_lacks(e, args[1]);
    struct json v = lacks ? JSON_NOTHING : run_append(e, args[0], args[1]);

    if (raised(v))
        return e->rc;
    *ret = v;
    return TL_OK;
}

static enum tl_rc new_items(struct jsonata_eval *e, uint32_t n, struct json *ret)
{
    *ret = (struct json){.type = JSON_ARRAY, .n = n, .u.items = eval_alloc(e, (n + 1) * sizeof(struct json))};
    return ret->u.items ? jsonata_tick(e, n) : jsonata_exhausted(e);
}

static enum tl_rc fn_reverse(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    struct json out;

    *ret = args[0];
    if (args[0].type == JSON_UNDEFINED || args[0].n <= 1)
        return TL_OK;
    if (new_items(e, args[0].n, &out) != TL_OK)
        return e->rc;
    for (uint32_t i = 0; i < out.n; i++)
        out.u.items[out.n - 1 - i] = args[0].u.items[i];
    *ret = out;
    return TL_OK;
}

static enum tl_rc fn_shuffle(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    struct json out;

    *ret = args[0];
    if (args[0].type == JSON_UNDEFINED || args[0].n <= 1)
        return TL_OK;
    if (new_items(e, args[0].n, &out) != TL_OK)
        return e->rc;
    for (uint32_t i = 0; i < out.n; i++) { /* Fisher and Yates, from the inside out */
        uint32_t j = (uint32_t)(tl_random_unit() * (i + 1));

        out.u.items[i] = out.u.items[j];
        out.u.items[j] = args[0].u.items[i];
    }
    *ret = out;
    return TL_OK;
}

static enum tl_rc fn_zip(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    uint32_t shortest = UINT32_MAX;
    struct json out;

    for (size_t i = 0; i < n; i++) {
        uint32_t length = args[i].type == JSON_ARRAY ? args[i].n : 0;

        shortest = length < shortest ? length : shortest;
    }
    if (n == 0)
        shortest = 0;
    if (new_items(e, shortest, &out) != TL_OK)
        return e->rc;
    for (uint32_t i = 0; i < shortest; i++) {
        if (new_items(e, (uint32_t)n, &out.u.items[i]) != TL_OK)
            return e->rc;
        for (size_t k = 0; k < n; k++)
            out.u.items[i].u.items[k] = args[k].u.items[i];
    }
    *ret = out;
    return TL_OK;
}

/* ---- distinct ---- */

static uint64_t hash_of(struct json v)
{
    double d;

    switch (v.type) {
    case JSON_INT:
    case JSON_DOUBLE:
    case JSON_DECIMAL:
        d = jsonata_double(v) + 0.0; /* -0 equals 0 */
        return tl_hash64(&d, sizeof(d), 1);
    case JSON_STRING:
        return tl_hash64(v.u.s, v.n, 2);
    case JSON_ARRAY:
    case JSON_OBJECT:
        return ((uint64_t)v.n << 8 | v.type) * 0x9E3779B97F4A7C15U;
    default:
        return (uint64_t)v.type * 0x9E3779B97F4A7C15U + (v.type == JSON_BOOL && v.u.b);
    }
}

static enum tl_rc fn_distinct(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    struct json in = args[0];
    struct list out = {0};
    uint32_t mask = 15, *slots;

    *ret = in;
    if (in.type != JSON_ARRAY || in.n <= 1)
        return TL_OK;
    while (mask / 2 < in.n)
        mask = mask * 2 + 1;
    slots = eval_alloc(e, ((size_t)mask + 1) * sizeof(*slots));
    if (!slots)
        return jsonata_exhausted(e);
    memset(slots, 0, ((size_t)mask + 1) * sizeof(*slots));
    for (uint32_t i = 0; i < in.n; i++) {
        uint32_t at = (uint32_t)(hash_of(in.u.items[i]) >> 20) & mask;

        while (slots[at] && !jsonata_equal(out.items[slots[at] - 1], in.u.items[i])) {
            at = (at + 1) & mask;
            if (!eval_tick(e))
                return e->rc;
        }
        if (slots[at])
            continue;
        if (!list_push(e, &out, in.u.items[i]))
            return e->rc;
        slots[at] = out.n;
    }
    *ret = list_value(&out, in.flags & JSON_F_SEQUENCE);
    return TL_OK;
}

/* ---- sort ---- */

struct sorter {
    struct jsonata_eval *e;
    struct json comparator; /* JSON_UNDEFINED: by value */
    bool failed;
};

/* JavaScript's truth: every array and object is true. */
static bool script_truth(struct json v)
{
    return v.type == JSON_ARRAY || v.type == JSON_OBJECT || v.type == JSON_EXT || jsonata_truth(v);
}

static bool swap(struct sorter *s, struct json a, struct json b)
{
    struct json args[2] = {a, b}, v = JSON_NOTHING;

    if (s->failed)
        return false;
    if (s->comparator.type == JSON_UNDEFINED) {
        if (a.type == JSON_STRING)
            return run_compare_text(a, b) > 0;
        return jsonata_compare_numbers(a, b) == 1;
    }
    if (jsonata_call(s->e, s->comparator, args, 2, &v) != TL_OK)
        s->failed = true;
    return script_truth(v);
}

static void merge_sort(struct sorter *s, struct json *v, uint32_t n, struct json *room)
{
    uint32_t half = n / 2, i = 0, j = half, out = 0;

    if (n < 2 || s->failed)
        return;
    merge_sort(s, v, half, room);
    merge_sort(s, v + half, n - half, room);
    memcpy(room, v, half * sizeof(*v));
    while (i < half && j < n && !s->failed)
        v[out++] = swap(s, room[i], v[j]) ? v[j++] : room[i++];
    memcpy(v + out, room + i, (half - i) * sizeof(*v));
}

static bool all_strings(struct json v)
{
    for (uint32_t i = 0; i < v.n; i++)
        if (v.u.items[i].type != JSON_STRING)
            return false;
    return true;
}

static enum tl_rc fn_sort(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    struct sorter s = {.e = e, .comparator = args[1]};
    struct json out, room;
    bool failed = false;

    *ret = args[0];
    if (args[0].type == JSON_UNDEFINED || args[0].n <= 1)
        return TL_OK;
    if (args[1].type == JSON_UNDEFINED && !array_of_numbers(e, args[0], &failed) && !failed && !all_strings(args[0]))
        return jsonata_raise(e, "D3070", JSON_NOTHING);
    if (failed || new_items(e, args[0].n, &out) != TL_OK || new_items(e, args[0].n, &room) != TL_OK)
        return e->rc;
    memcpy(out.u.items, args[0].u.items, out.n * sizeof(*out.u.items));
    merge_sort(&s, out.u.items, out.n, room.u.items);
    if (s.failed)
        return e->rc;
    *ret = out;
    return TL_OK;
}

const struct jsonata_native jsonata_sequence_functions[] = {{"map", "<af>", fn_map},
                                                            {"filter", "<af>", fn_filter},
                                                            {"single", "<af?>", fn_single},
                                                            {"reduce", "<afj?:j>", fn_reduce},
                                                            {"append", "<xx:a>", fn_append},
                                                            {"reverse", "<a:a>", fn_reverse},
                                                            {"shuffle", "<a:a>", fn_shuffle},
                                                            {"zip", "<a+>", fn_zip},
                                                            {"distinct", "<x:x>", fn_distinct},
                                                            {"sort", "<af?:a>", fn_sort},
                                                            {0}};
