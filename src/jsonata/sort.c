/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sort.c - the order-by step. The terms are evaluated once for each item, before sorting: then a stable merge sort of
 * small records; the items themselves never move. When anything fails on that way, the sort is done over as the
 * language does it - terms evaluated while comparing, halves cut and merged in its order - to fail, or not, where it
 * does.
 */
#include "jsonata/ops.h"

struct key {
    uint8_t type; /* JSON_UNDEFINED, JSON_DOUBLE, JSON_STRING; else: cannot be ordered */
    double d;
    struct json value; /* as it was */
};

struct sorting {
    struct jsonata_eval *e;
    const struct node *n;
    struct key *keys; /* terms of item i from i * count */
    uint32_t terms;
    bool failed;
    bool lazy; /* keys are evaluated when they are compared */
    bool tuples;
    const struct json *items;
};

enum { NOT_YET = 251 }; /* type of a key that has not been evaluated */

static struct key key_of(struct json v)
{
    struct key k = {.type = v.type, .value = v};

    if (json_is_number(v)) {
        k.type = JSON_DOUBLE;
        k.d = jsonata_double(v);
    }
    return k;
}

static bool orderable(const struct key *k)
{
    return k->type == JSON_DOUBLE || k->type == JSON_STRING;
}

/* The frame and the context that the terms of item i are evaluated in; the caller puts e->env back. */
static bool enter(struct sorting *s, uint32_t i, struct json *ret_context)
{
    struct json item = s->items[i];
    struct env *env;

    *ret_context = item;
    if (!s->tuples)
        return true;
    env = tuple_env(s->e, item, ((const struct env *)item.u.ext)->scope);
    if (!env) {
        eval_exhausted(s->e);
        return false;
    }
    s->e->env = env;
    *ret_context = env->slots[0];
    return true;
}

static bool make_keys(struct sorting *s, uint32_t n)
{
    struct jsonata_eval *e = s->e;
    struct env *saved = e->env;

    for (uint32_t i = 0; i < n; i++) {
        struct json context;
        bool ok = eval_tick(e) && enter(s, i, &context);

        for (uint32_t t = 0; t < s->terms && ok; t++) {
            struct json v = eval(e, s->n->list[t]->a, context);

            ok = !raised(v);
            s->keys[(size_t)i * s->terms + t] = key_of(v);
        }
        e->env = saved;
        if (!ok)
            return false;
    }
    return true;
}

/* Term t of item i, evaluated now if that was not needed before. NULL: raised. */
static const struct key *key_at(struct sorting *s, uint32_t i, uint32_t t)
{
    struct key *k = &s->keys[(size_t)i * s->terms + t];
    struct env *saved = s->e->env;
    struct json context, v = RAISED;

    if (!s->lazy || k->type != NOT_YET)
        return k;
    if (eval_tick(s->e) && enter(s, i, &context))
        v = eval(s->e, s->n->list[t]->a, context);
    s->e->env = saved;
    if (raised(v)) {
        s->failed = true;
        return NULL;
    }
    *k = key_of(v);
    return k;
}

/* What cannot be compared. */
static int fail(struct sorting *s, const struct key *a, const struct key *b)
{
    s->failed = true;
    if (!orderable(a) || !orderable(b))
        eval_raise(s->e, "T2008", !orderable(a) ? a->value : b->value);
    else
        eval_raise2(s->e, "T2007", a->value, b->value);
    eval_blame_default(s->e, s->n->pos, TL_SV_NULL);
    return 0;
}

/* Is item a to stand after item b? */
static bool after(struct sorting *s, uint32_t a, uint32_t b)
{
    for (uint32_t t = 0; t < s->terms; t++) {
        const struct key *x = key_at(s, a, t), *y = x ? key_at(s, b, t) : NULL;
        int order;

        if (!y)
            return false;
        if (x->type == JSON_UNDEFINED || y->type == JSON_UNDEFINED) { /* last, in both directions */
            if (x->type == y->type)
                continue;
            return x->type == JSON_UNDEFINED;
        }
        if (x->type != y->type || !orderable(x))
            return fail(s, x, y);
        if (x->type == JSON_STRING)
            order = run_compare_text(x->value, y->value);
        else if (x->d < y->d)
            order = -1;
        else
            order = jsonata_compare_numbers(x->value, y->value);
        if (order == 2) /* NaN */
            order = 0;
        if (order)
            return (s->n->list[t]->flags & N_DESCENDING ? -order : order) > 0;
    }
    return false;
}

/* Stable: an item of the left half moves back only when it has to. */
static void merge_sort(struct sorting *s, uint32_t *v, uint32_t n, uint32_t *room)
{
    uint32_t half = n / 2, i = 0, j = half, out = 0;

    if (n < 2 || s->failed)
        return;
    if (n <= 8) {
        for (uint32_t k = 1; k < n; k++) {
            uint32_t item = v[k], at = k;

            for (; at > 0 && !s->failed && after(s, v[at - 1], item); at--)
                v[at] = v[at - 1];
            v[at] = item;
        }
        return;
    }
    merge_sort(s, v, half, room);
    merge_sort(s, v + half, n - half, room);
    if (s->failed || !after(s, v[half - 1], v[half]))
        return;
    memcpy(room, v, half * sizeof(*v));
    while (i < half && j < n && !s->failed)
        v[out++] = after(s, room[i], v[j]) ? v[j++] : room[i++];
    memcpy(v + out, room + i, (half - i) * sizeof(*v));
}

/* The language's own way of sorting: as merge_sort, without its short cuts. */
static void plain_merge_sort(struct sorting *s, uint32_t *v, uint32_t n, uint32_t *room)
{
    uint32_t half = n / 2, i = 0, j = half, out = 0;

    if (n < 2 || s->failed)
        return;
    plain_merge_sort(s, v, half, room);
    plain_merge_sort(s, v + half, n - half, room);
    memcpy(room, v, half * sizeof(*v));
    while (i < half && j < n && !s->failed)
        v[out++] = after(s, room[i], v[j]) ? v[j++] : room[i++];
    memcpy(v + out, room + i, (half - i) * sizeof(*v));
}

static bool sort_lazily(struct sorting *s, uint32_t *order, uint32_t n)
{
    if (s->e->rc == TL_BUDGET)
        return false;
    s->e->rc = TL_OK;
    s->failed = false;
    s->lazy = true;
    for (size_t k = 0; k < (size_t)n * s->terms; k++)
        s->keys[k].type = NOT_YET;
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    plain_merge_sort(s, order, n, order + n);
    return !s->failed;
}

struct json run_sort(struct jsonata_eval *e, const struct node *n, struct json in, bool tuples)
{
    struct sorting s = {.e = e, .n = n, .terms = n->count, .tuples = tuples, .items = in.u.items};
    struct json out = {.type = JSON_ARRAY, .n = in.n};
    uint32_t *order;
    bool ok;

    if (in.n <= 1)
        return in;
    s.keys = eval_alloc(e, (size_t)in.n * s.terms * sizeof(*s.keys));
    order = eval_alloc(e, (size_t)in.n * 2 * sizeof(*order));
    out.u.items = eval_alloc(e, (size_t)in.n * sizeof(*out.u.items));
    if (!s.keys || !order || !out.u.items)
        return eval_exhausted(e);
    for (uint32_t i = 0; i < in.n; i++)
        order[i] = i;
    ok = make_keys(&s, in.n);
    if (ok) {
        e->ticks -= (int64_t)in.n * 4;
        merge_sort(&s, order, in.n, order + in.n);
        ok = !s.failed;
    }
    if (!ok && !sort_lazily(&s, order, in.n))
        return RAISED;
    for (uint32_t i = 0; i < in.n; i++)
        out.u.items[i] = in.u.items[order[i]];
    return out;
}
