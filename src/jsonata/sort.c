/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sort.c - the order-by step. The terms are evaluated once for each item, before sorting: then a stable merge sort of
 * small records; the items themselves never move. Errors appear for the first pair of the run that cannot be compared.
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
};

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
        const struct key *x = &s->keys[(size_t)a * s->terms + t], *y = &s->keys[(size_t)b * s->terms + t];
        int order;

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
            order = x->d > y->d;
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

static bool make_keys(struct sorting *s, struct json in, bool tuples)
{
    struct jsonata_eval *e = s->e;
    struct env *saved = e->env;

    for (uint32_t i = 0; i < in.n; i++) {
        struct json context = in.u.items[i];

        if (!eval_tick(e))
            return false;
        if (tuples) {
            const struct env *row = context.u.ext;
            struct env *env = tuple_env(e, context, row->scope);

            if (!env) {
                eval_exhausted(e);
                return false;
            }
            e->env = env;
            context = env->slots[0];
        }
        for (uint32_t t = 0; t < s->terms; t++) {
            struct json v = eval(e, s->n->list[t]->a, context);

            if (raised(v)) {
                e->env = saved;
                return false;
            }
            s->keys[(size_t)i * s->terms + t] = key_of(v);
        }
        e->env = saved;
    }
    return true;
}

struct json run_sort(struct jsonata_eval *e, const struct node *n, struct json in, bool tuples)
{
    struct sorting s = {.e = e, .n = n, .terms = n->count};
    struct json out = {.type = JSON_ARRAY, .n = in.n};
    uint32_t *order;

    if (in.n <= 1)
        return in;
    s.keys = eval_alloc(e, (size_t)in.n * s.terms * sizeof(*s.keys));
    order = eval_alloc(e, (size_t)in.n * 2 * sizeof(*order));
    out.u.items = eval_alloc(e, (size_t)in.n * sizeof(*out.u.items));
    if (!s.keys || !order || !out.u.items)
        return eval_exhausted(e);
    if (!make_keys(&s, in, tuples))
        return RAISED;
    for (uint32_t i = 0; i < in.n; i++)
        order[i] = i;
    e->ticks -= (int64_t)in.n * 4;
    merge_sort(&s, order, in.n, order + in.n);
    if (s.failed)
        return RAISED;
    for (uint32_t i = 0; i < in.n; i++)
        out.u.items[i] = in.u.items[order[i]];
    return out;
}
