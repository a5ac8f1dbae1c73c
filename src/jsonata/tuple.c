/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tuple.c - paths that bind names: '@' and '#', and the steps that a '%' looks back to. Such a path carries a stream of
 * tuples: the item and all names bound so far. A tuple has the shape of a frame, and is the frame of what is evaluated
 * for it.
 */
#include "jsonata/ops.h"

struct env *env_new(struct jsonata_eval *e, const struct scope *scope, struct env *up)
{
    size_t size = sizeof(struct env) + scope->n * sizeof(struct json);
    struct env *env;

    if (!scope->captured && size <= (size_t)(e->frames_end - e->frames)) {
        env = (struct env *)(void *)e->frames;
        e->frames += (size + 15) & ~(size_t)15;
    } else {
        env = eval_alloc(e, size);
        if (!env)
            return NULL;
    }
    env->up = up;
    env->scope = scope;
    for (uint32_t i = 0; i < scope->n; i++)
        env->slots[i] = UNBOUND;
    return env;
}

static struct env *row_of(struct json tuple)
{
    return tuple.u.ext;
}

static struct json tuple_value(struct env *row)
{
    return (struct json){.type = V_TUPLE, .u.ext = row};
}

/* The names of one tuple into another, which knows at least those; what `:=` bound stays where it was bound. */
static void assign(struct env *to, const struct env *from)
{
    if (to->scope == from->scope) {
        for (uint32_t i = 0; i < from->scope->tuple_names; i++)
            if (from->slots[i].type != V_UNBOUND)
                to->slots[i] = from->slots[i];
        return;
    }
    for (uint32_t i = 0; i < from->scope->tuple_names; i++)
        for (uint32_t k = 0; k < to->scope->tuple_names && from->slots[i].type != V_UNBOUND; k++)
            if (to->scope->names[k] == from->scope->names[i])
                to->slots[k] = from->slots[i];
}

struct env *tuple_env(struct jsonata_eval *e, struct json tuple, const struct scope *scope)
{
    struct env *env;

    if (tuple.type == V_TUPLE && row_of(tuple)->scope == scope && row_of(tuple)->up == e->env &&
        scope->n == scope->tuple_names)
        return row_of(tuple);
    env = env_new(e, scope, e->env);
    if (env && tuple.type == V_TUPLE)
        assign(env, row_of(tuple));
    return env;
}

static struct env *new_row(struct jsonata_eval *e, const struct node *path, const struct env *from, struct json item)
{
    struct env *row = env_new(e, path->tuple_scope, e->env);

    if (!row)
        return NULL;
    if (from)
        assign(row, from);
    row->slots[0] = item;
    return row;
}

static bool push_row(struct jsonata_eval *e, struct list *out, struct env *row)
{
    if (row)
        return list_push(e, out, tuple_value(row));
    eval_exhausted(e);
    return false;
}

/* A tuple for each item of an array. */
static bool rows_of(struct jsonata_eval *e, const struct node *path, struct json items, struct list *out)
{
    for (uint32_t i = 0; i < items.n; i++)
        if (!eval_tick(e) || !push_row(e, out, new_row(e, path, NULL, items.u.items[i])))
            return false;
    return true;
}

/* What the step gave for one tuple: a new tuple for each of its items. */
static bool spread_result(struct jsonata_eval *e, const struct node *path, const struct node *step,
                          const struct env *from, struct json res, struct list *out)
{
    const struct json *items = res.type == JSON_ARRAY ? res.u.items : &res;
    uint32_t n = res.type == JSON_ARRAY ? res.n : 1;

    for (uint32_t i = 0; i < n; i++) {
        struct env *row = new_row(e, path, from, from->slots[0]);

        if (!eval_tick(e) || !push_row(e, out, row))
            return false;
        if (items[i].type == V_TUPLE) {
            assign(row, row_of(items[i]));
            continue;
        }
        if (step->focus)
            row->slots[step->focus_slot] = items[i];
        else
            row->slots[0] = items[i];
        if (step->index)
            row->slots[step->index_slot] = json_int(i);
        if (step->ancestor && step->kind != K_PARENT)
            row->slots[step->ancestor_slot] = from->slots[0];
    }
    return true;
}

static struct json run_stages(struct jsonata_eval *e, const struct node *path, const struct node *step,
                              struct json rows)
{
    for (uint32_t k = 0; k < step->stage_count && !raised(rows); k++) {
        const struct stage *stage = &step->stages[k];

        if (stage->kind == STAGE_FILTER) {
            rows = run_filter(e, stage->expr, rows, path->tuple_scope);
            continue;
        }
        for (uint32_t i = 0; i < rows.n; i++)
            if (rows.u.items[i].type == V_TUPLE)
                row_of(rows.u.items[i])->slots[stage->slot] = json_int(i);
    }
    return rows;
}

static struct json sort_rows(struct jsonata_eval *e, const struct node *step, struct json rows, bool first)
{
    rows = run_sort(e, step, rows, true);
    if (raised(rows))
        return rows;
    rows.flags = JSON_F_SEQUENCE | V_F_TUPLES;
    for (uint32_t i = 0; first && step->index && i < rows.n; i++)
        row_of(rows.u.items[i])->slots[step->index_slot] = json_int(i);
    return rows;
}

static struct json tuple_step(struct jsonata_eval *e, const struct node *path, const struct node *step,
                              struct json rows, bool first)
{
    struct list out = {0};
    struct env *saved = e->env;

    if (step->kind == K_SORT) {
        rows = sort_rows(e, step, rows, first);
        return raised(rows) ? rows : run_stages(e, path, step, rows);
    }
    for (uint32_t i = 0; i < rows.n; i++) {
        struct env *env = tuple_env(e, rows.u.items[i], path->tuple_scope);
        struct json res;
        bool ok;

        if (!env)
            return eval_exhausted(e);
        e->env = env;
        res = eval(e, step, env->slots[0]);
        e->env = saved;
        ok = !raised(res) && (res.type == JSON_UNDEFINED || spread_result(e, path, step, env, res, &out));
        if (!ok)
            return RAISED;
    }
    rows = list_value(&out, JSON_F_SEQUENCE | V_F_TUPLES);
    return step->flags & N_SELF_STAGED ? rows : run_stages(e, path, step, rows);
}

/* The steps before the first one with tuples, as an ordinary path would run them. */
static struct json plain_steps(struct jsonata_eval *e, const struct node *path, uint32_t count, struct json in)
{
    struct node head = *path;

    head.count = count;
    head.group = NULL;
    head.flags &= (uint16_t) ~(N_TUPLE | N_KEEP_SINGLETON);
    return run_path(e, &head, in);
}

static struct json items_of(struct jsonata_eval *e, const struct node *path, uint32_t first, struct json in)
{
    if (first > 0) {
        in = plain_steps(e, path, first, in);
        if (in.type == JSON_UNDEFINED)
            return (struct json){.type = JSON_ARRAY};
        if (in.type == JSON_ARRAY || raised(in))
            return in;
        return array_of(e, in, 0);
    }
    if (in.type == JSON_ARRAY && path->list[0]->kind != K_VARIABLE)
        return in;
    return array_of(e, in, JSON_F_SEQUENCE);
}

static struct json items_out(struct jsonata_eval *e, struct json rows)
{
    struct list out = {0};

    for (uint32_t i = 0; i < rows.n; i++)
        if (!list_push(e, &out, row_of(rows.u.items[i])->slots[0]))
            return RAISED;
    return list_value(&out, JSON_F_SEQUENCE);
}

/* An array constructor as first step is evaluated once and binds nothing; with @ the steps after it see the context. */
static struct json constructed_items(struct jsonata_eval *e, const struct node *step, struct json items)
{
    struct json v = eval(e, step, items);

    if (raised(v) || (v.type == JSON_ARRAY && !step->focus))
        return v;
    return v.type == JSON_ARRAY ? items : (struct json){.type = JSON_ARRAY};
}

struct json run_tuple_path(struct jsonata_eval *e, const struct node *n, struct json in)
{
    uint32_t first = 0;
    struct list rows = {0};
    struct json tuples, v;

    while (!(n->list[first]->flags & N_TUPLE))
        first++;
    in = items_of(e, n, first, in);
    if (!raised(in) && first == 0 && n->count > 1 && n->list[0]->flags & N_CONS)
        in = constructed_items(e, n->list[first++], in);
    if (raised(in))
        return in;
    if (first > 0 && in.n == 0) {
        bool whole =
            (n->list[0]->flags & (N_CONS | N_TUPLE)) == N_CONS && first == 1; /* an empty array, as it stands */

        if (n->group)
            return run_group(e, n->group, JSON_NOTHING, n->tuple_scope);
        return whole ? in : JSON_NOTHING;
    }
    if (!rows_of(e, n, in, &rows))
        return RAISED;
    tuples = list_value(&rows, JSON_F_SEQUENCE | V_F_TUPLES);
    for (uint32_t i = first; i < n->count; i++) {
        tuples = tuple_step(e, n, n->list[i], tuples, i == first);
        if (raised(tuples))
            return tuples;
    }
    if (n->group)
        return run_group(e, n->group, tuples, n->tuple_scope);
    v = n->flags & N_TUPLE ? tuples : items_out(e, tuples);
    if (!raised(v) && (n->flags & N_KEEP_SINGLETON))
        v.flags |= JSON_F_KEEP;
    return v;
}

struct json run_reduce_tuples(struct jsonata_eval *e, struct json tuples, const struct scope *scope)
{
    struct env *all;

    if (tuples.type != JSON_ARRAY)
        return tuples;
    all = tuple_env(e, JSON_NOTHING, scope);
    if (!all)
        return eval_exhausted(e);
    for (uint32_t i = 0; i < tuples.n; i++) {
        const struct env *row = row_of(tuples.u.items[i]);

        for (uint32_t k = 0; k < scope->tuple_names; k++) {
            struct json v = k < row->scope->tuple_names ? row->slots[k] : UNBOUND;

            if (v.type == V_UNBOUND)
                continue;
            all->slots[k] = all->slots[k].type == V_UNBOUND ? v : run_append(e, all->slots[k], v);
            if (raised(all->slots[k]))
                return RAISED;
        }
    }
    return tuple_value(all);
}
