/* SPDX-License-Identifier: Apache-2.0 */
/* value.c - values as the language sees them: members, truth, equality, order; and the arrays and objects it makes. */
#include <stdlib.h>

#include "jsonata/eval.h"

/* Values that an expression nests deeper than this are equal to nothing: comparing recurses. */
#define COMPARE_DEPTH 4000

/* ---- memory ---- */

void *eval_alloc_slow(struct jsonata_eval *e, size_t n)
{
    size_t want = e->next_chunk;
    char *p;

    if (n > want / 4) /* a large one gets its own place, so that the rest of the piece is not lost */
        return tl_arena_alloc(e->arena, n);
    p = tl_arena_alloc(e->arena, want);
    if (!p)
        return NULL;
    if (e->next_chunk < 256 * (size_t)1024)
        e->next_chunk *= 2;
    e->bump = p + n;
    e->bump_end = p + want;
    return p;
}

void *jsonata_alloc(struct jsonata_eval *e, size_t n)
{
    return eval_alloc(e, n);
}

char *jsonata_alloc_text(struct jsonata_eval *e, size_t n)
{
    char *p = e->bump;

    if (n <= (size_t)(e->bump_end - p) && n < 4096) {
        e->bump = p + n;
        e->bump = (char *)(((uintptr_t)e->bump + 15) & ~(uintptr_t)15);
        if (e->bump > e->bump_end)
            e->bump = e->bump_end;
        return p;
    }
    return eval_alloc(e, n);
}

bool list_grow(struct jsonata_eval *e, struct list *l, uint32_t room)
{
    uint64_t cap = l->cap ? (uint64_t)l->cap * 2 : 8;
    struct json *items;

    while (cap < (uint64_t)l->n + room)
        cap *= 2;
    if (cap > UINT32_MAX / 2) {
        eval_exhausted(e);
        return false;
    }
    /* the newest allocation grows where it is */
    if (l->items && (char *)(l->items + l->cap) == e->bump &&
        (size_t)(e->bump_end - e->bump) >= (cap - l->cap) * sizeof(*items)) {
        e->bump += (cap - l->cap) * sizeof(*items);
        l->cap = (uint32_t)cap;
        return true;
    }
    items = eval_alloc(e, cap * sizeof(*items));
    if (!items) {
        eval_exhausted(e);
        return false;
    }
    if (l->n)
        memcpy(items, l->items, l->n * sizeof(*items));
    l->items = items;
    l->cap = (uint32_t)cap;
    return true;
}

bool list_push_all(struct jsonata_eval *e, struct list *l, struct json array)
{
    if (array.n == 0)
        return true;
    if (l->cap - l->n < array.n && !list_grow(e, l, array.n))
        return false;
    memcpy(l->items + l->n, array.u.items, array.n * sizeof(*l->items));
    l->n += array.n;
    return true;
}

struct json array_of(struct jsonata_eval *e, struct json v, uint8_t flags)
{
    struct json *item = eval_alloc(e, sizeof(*item));

    if (!item)
        return eval_exhausted(e);
    *item = v;
    return (struct json){.type = JSON_ARRAY, .flags = flags, .n = 1, .u.items = item};
}

struct json run_append(struct jsonata_eval *e, struct json a, struct json b)
{
    struct list l = {0};
    uint64_t total;

    if (a.type == JSON_UNDEFINED)
        return b;
    if (b.type == JSON_UNDEFINED)
        return a;
    total = (uint64_t)(a.type == JSON_ARRAY ? a.n : 1) + (b.type == JSON_ARRAY ? b.n : 1);
    e->ticks -= (int64_t)(total / 8);
    if (total > UINT32_MAX / 2 || !eval_tick(e))
        return eval_exhausted(e);
    if (total && !list_grow(e, &l, (uint32_t)total))
        return RAISED;
    if (a.type == JSON_ARRAY ? !list_push_all(e, &l, a) : !list_push(e, &l, a))
        return RAISED;
    if (b.type == JSON_ARRAY ? !list_push_all(e, &l, b) : !list_push(e, &l, b))
        return RAISED;
    return list_value(&l, 0);
}

/* ---- members ---- */

struct json run_member(struct json object, struct tl_sv key)
{
    if (object.flags & JSON_F_INDEXED)
        return json_get(object, key);
    for (uint32_t i = 0; i < object.n; i++) {
        const struct json_member *m = &object.u.members[i];

        if (m->key.n == key.n && same_bytes(m->key.u.s, key.p, m->key.n))
            return m->value;
    }
    return JSON_NOTHING;
}

struct json run_member_search(const struct json *object, const struct node *n)
{
    uint32_t *hint = (uint32_t *)(uintptr_t)&n->hint; /* the one part of a tree that changes */

    if (object->flags & JSON_F_INDEXED)
        return json_get(*object, node_key(n));
    for (uint32_t i = 0; i < object->n; i++) {
        const struct json_member *m = &object->u.members[i];

        if (m->key.n == n->value.n && same_bytes(m->key.u.s, n->value.u.s, m->key.n)) {
            __atomic_store_n(hint, i, __ATOMIC_RELAXED);
            return m->value;
        }
    }
    return JSON_NOTHING;
}

struct json run_lookup(struct jsonata_eval *e, struct json v, struct tl_sv key)
{
    struct list l = {0};

    if (v.type == JSON_OBJECT)
        return run_member(v, key);
    if (v.type != JSON_ARRAY)
        return JSON_NOTHING;
    if (!eval_stack_ok(e))
        return eval_exhausted(e);
    for (uint32_t i = 0; i < v.n; i++) {
        struct json found = run_lookup(e, v.u.items[i], key);

        if (found.type == JSON_UNDEFINED)
            continue;
        if (raised(found) || !eval_tick(e))
            return RAISED;
        if (found.type == JSON_ARRAY ? !list_push_all(e, &l, found) : !list_push(e, &l, found))
            return RAISED;
    }
    return list_value(&l, JSON_F_SEQUENCE);
}

/* JavaScript lists names that are array indexes (0 ... 2^32 - 2, no leading zero) first, in their order. */
static bool array_index(struct json key, uint64_t *ret)
{
    uint64_t v = 0;

    if (key.n == 0 || key.n > 10 || (key.u.s[0] == '0' && key.n > 1))
        return false;
    for (uint32_t i = 0; i < key.n; i++) {
        if (key.u.s[i] < '0' || key.u.s[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(key.u.s[i] - '0');
    }
    *ret = v;
    return v < UINT32_MAX;
}

static int by_index(const void *a, const void *b)
{
    uint64_t x = 0, y = 0;

    array_index(((const struct json_member *)a)->key, &x);
    array_index(((const struct json_member *)b)->key, &y);
    return x < y ? -1 : x > y;
}

const struct json_member *run_ordered_members(struct jsonata_eval *e, struct json object)
{
    const struct json_member *m = object.u.members;
    struct json_member *sorted;
    uint32_t count = 0, at = 0;
    uint64_t index;

    for (uint32_t i = 0; i < object.n; i++)
        if (m[i].key.n && m[i].key.u.s[0] <= '9' && array_index(m[i].key, &index))
            count++;
    if (count == 0)
        return m ? m : (const struct json_member *)e; /* any address: there are no members */
    sorted = eval_alloc(e, object.n * sizeof(*sorted));
    if (!sorted)
        return NULL;
    for (uint32_t i = 0; i < object.n; i++)
        if (array_index(m[i].key, &index))
            sorted[at++] = m[i];
    qsort(sorted, at, sizeof(*sorted), by_index);
    for (uint32_t i = 0; i < object.n; i++)
        if (!array_index(m[i].key, &index))
            sorted[at++] = m[i];
    return sorted;
}

/* ---- copies ---- */

struct json run_deep_clone(struct jsonata_eval *e, struct json v)
{
    struct json copy = v;

    if (!eval_stack_ok(e) || !eval_tick(e))
        return eval_exhausted(e);
    if (v.type == JSON_ARRAY) {
        copy.flags = 0;
        copy.u.items = eval_alloc(e, (v.n + !v.n) * sizeof(*v.u.items));
        if (!copy.u.items)
            return eval_exhausted(e);
        for (uint32_t i = 0; i < v.n; i++) {
            copy.u.items[i] = run_deep_clone(e, v.u.items[i]);
            if (raised(copy.u.items[i]))
                return RAISED;
            if (copy.u.items[i].type == JSON_UNDEFINED)
                copy.u.items[i] = json_null();
        }
    } else if (v.type == JSON_OBJECT) {
        copy.flags = 0;
        copy.n = 0;
        copy.u.members = eval_alloc(e, (v.n + !v.n) * sizeof(*v.u.members));
        if (!copy.u.members)
            return eval_exhausted(e);
        for (uint32_t i = 0; i < v.n; i++) {
            struct json_member m = {v.u.members[i].key, run_deep_clone(e, v.u.members[i].value)};

            if (raised(m.value))
                return RAISED;
            if (m.value.type != JSON_UNDEFINED)
                copy.u.members[copy.n++] = m;
        }
    } else if (v.type == JSON_EXT) {
        return json_str(""); /* a clone goes through text, where functions are empty */
    }
    return copy;
}

static bool flatten_into(struct jsonata_eval *e, struct list *l, struct json v)
{
    if (v.type != JSON_ARRAY)
        return list_push(e, l, v);
    if (!eval_stack_ok(e)) {
        eval_exhausted(e);
        return false;
    }
    for (uint32_t i = 0; i < v.n; i++)
        if (!flatten_into(e, l, v.u.items[i]))
            return false;
    return true;
}

struct json run_flatten(struct jsonata_eval *e, struct json v)
{
    struct list l = {0};

    return flatten_into(e, &l, v) ? list_value(&l, 0) : RAISED;
}

/* ---- truth, equality, order ---- */

static bool truth(struct json v, int depth)
{
    double d;

    switch (v.type) {
    case JSON_BOOL:
        return v.u.b;
    case JSON_INT:
        return v.u.i != 0;
    case JSON_DOUBLE:
    case JSON_DECIMAL:
        d = jsonata_double(v);
        return d < 0 || d > 0;
    case JSON_STRING:
    case JSON_OBJECT:
        return v.n > 0;
    case JSON_ARRAY:
        for (uint32_t i = 0; i < v.n && depth < COMPARE_DEPTH; i++)
            if (truth(v.u.items[i], depth + 1))
                return true;
        return false;
    default:
        return false;
    }
}

bool jsonata_truth(struct json v)
{
    return truth(v, 0);
}

static bool is_all_digits(struct tl_sv s)
{
    size_t i = s.n > 0 && s.p[0] == '-';

    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
        i++;
    return i == s.n;
}

struct json jsonata_spelled(struct json spelled)
{
    double d = json_number(spelled);
    int64_t i;

    if (spelled.type != JSON_DECIMAL || !isfinite(d) || fabs(d) < 9007199254740992.0)
        return jsonata_number(d);
    if (json_int64(spelled, &i))
        return json_int(i);
    return is_all_digits(json_view(spelled)) ? spelled : jsonata_number(d); /* 1e20 is no id */
}

int jsonata_compare_numbers(struct json a, struct json b)
{
    double x = jsonata_double(a), y = jsonata_double(b);

    if (isnan(x) || isnan(y))
        return 2;
    if (x < y || x > y)
        return x < y ? -1 : 1;
    return a.type == JSON_DOUBLE || b.type == JSON_DOUBLE ? 0 : json_number_cmp(a, b);
}

bool run_same_value(struct json a, struct json b)
{
    if (json_is_number(a))
        return json_is_number(b) && jsonata_compare_numbers(a, b) == 0;
    if (a.type != b.type)
        return false;
    switch (a.type) {
    case JSON_STRING:
        return a.n == b.n && (a.u.s == b.u.s || same_bytes(a.u.s, b.u.s, a.n));
    case JSON_BOOL:
        return a.u.b == b.u.b;
    case JSON_NULL:
        return true;
    case JSON_ARRAY:
    case JSON_OBJECT:
        return a.n == b.n && a.u.items && a.u.items == b.u.items; /* the same one, not an equal one */
    case JSON_EXT:
        return a.u.ext == b.u.ext;
    default:
        return false;
    }
}

static bool equal(struct json a, struct json b, int depth)
{
    if (depth > COMPARE_DEPTH)
        return false;
    if (a.type != b.type || (a.type != JSON_ARRAY && a.type != JSON_OBJECT))
        return run_same_value(a, b);
    if (a.n != b.n)
        return false;
    if (a.type == JSON_ARRAY) {
        for (uint32_t i = 0; i < a.n; i++)
            if (!equal(a.u.items[i], b.u.items[i], depth + 1))
                return false;
        return true;
    }
    for (uint32_t i = 0; i < a.n; i++) {
        const struct json_member *m = &a.u.members[i];
        struct json other;

        /* most objects that are compared have their members in one order */
        if (b.u.members[i].key.n == m->key.n && same_bytes(b.u.members[i].key.u.s, m->key.u.s, m->key.n))
            other = b.u.members[i].value;
        else
            other = run_member(b, json_view(m->key));
        if (other.type == JSON_UNDEFINED || !equal(m->value, other, depth + 1))
            return false;
    }
    return true;
}

bool jsonata_equal(struct json a, struct json b)
{
    return equal(a, b, 0);
}

int run_compare_text(struct json a, struct json b)
{
    uint32_t n = a.n < b.n ? a.n : b.n, i = 0;

    while (i < n && a.u.s[i] == b.u.s[i])
        i++;
    if (i == n)
        return a.n < b.n ? -1 : a.n > b.n;
    /* Bytes order as code points; UTF-16 puts surrogates (lead byte F0 and up) before U+E000 ... U+FFFF (EE, EF). */
    {
        unsigned char x = (unsigned char)a.u.s[i], y = (unsigned char)b.u.s[i];

        if ((x >= 0xF0) != (y >= 0xF0) && x >= 0xEE && y >= 0xEE)
            return x >= 0xF0 ? -1 : 1;
        return x < y ? -1 : 1;
    }
}

int run_is_numeric(struct jsonata_eval *e, struct json v)
{
    double d;

    if (v.type == JSON_INT)
        return 1;
    if (v.type != JSON_DOUBLE && v.type != JSON_DECIMAL)
        return 0;
    d = jsonata_double(v);
    if (isnan(d))
        return 0;
    if (isinf(d)) {
        eval_raise(e, "D1001", v);
        return -1;
    }
    return 1;
}

bool array_of_numbers(struct jsonata_eval *e, struct json v, bool *ret_raised)
{
    for (uint32_t i = 0; i < v.n; i++) {
        int numeric = run_is_numeric(e, v.u.items[i]);

        if (numeric < 0)
            *ret_raised = true;
        if (numeric <= 0)
            return false;
    }
    return true;
}
