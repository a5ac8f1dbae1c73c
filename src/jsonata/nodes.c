/* SPDX-License-Identifier: Apache-2.0 */
/* nodes.c - literals, names, variables, blocks, conditions, array constructors, and what may hang on an expression. */
#include "jsonata/ops.h"

struct json run_literal(struct jsonata_eval *e TL_UNUSED, const struct node *n, struct json in TL_UNUSED)
{
    return n->value;
}

struct json run_context(struct jsonata_eval *e TL_UNUSED, const struct node *n TL_UNUSED, struct json in)
{
    return in.type == JSON_ARRAY && (in.flags & V_F_OUTER) ? in.u.items[0] : in;
}

struct json run_root(struct jsonata_eval *e, const struct node *n TL_UNUSED, struct json in TL_UNUSED)
{
    return e->root;
}

struct json run_slot(struct jsonata_eval *e, const struct node *n, struct json in TL_UNUSED)
{
    struct json v = env_at(e->env, n->place->hops)->slots[n->place->slot];

    return TL_LIKELY(v.type != V_UNBOUND) ? v : JSON_NOTHING;
}

struct json run_variable(struct jsonata_eval *e, const struct node *n, struct json in TL_UNUSED)
{
    for (const struct place *p = n->place; p; p = p->next) {
        struct json v = env_at(e->env, p->hops)->slots[p->slot];

        if (v.type != V_UNBOUND)
            return v;
    }
    if (e->shadowed && n->kind == K_VARIABLE) {
        struct json v = json_get(e->bindings, node_key(n));

        if (v.type != JSON_UNDEFINED)
            return v;
    }
    return n->function;
}

struct json run_name(struct jsonata_eval *e, const struct node *n, struct json in)
{
    if (TL_LIKELY(in.type == JSON_OBJECT))
        return member_hint(&in, n);
    return in.type == JSON_ARRAY ? run_lookup(e, in, node_key(n)) : JSON_NOTHING;
}

static bool add_flattened(struct jsonata_eval *e, struct list *l, struct json v, uint8_t *flags)
{
    if (v.type != JSON_ARRAY)
        return list_push(e, l, v);
    *flags = 0; /* appended to: no sequence any more */
    v = run_flatten(e, v);
    return !raised(v) && list_push_all(e, l, v);
}

struct json run_wildcard(struct jsonata_eval *e, const struct node *n TL_UNUSED, struct json in)
{
    struct list l = {0};
    uint8_t flags = JSON_F_SEQUENCE;
    const struct json_member *m = NULL;

    if (in.type == JSON_ARRAY && (in.flags & V_F_OUTER) && in.n > 0)
        in = in.u.items[0];
    for (uint32_t i = 0; in.type == JSON_ARRAY && i < in.n; i++)
        if (!add_flattened(e, &l, in.u.items[i], &flags))
            return RAISED;
    /* In the reference a sequence's own mark is a member that `*` sees. */
    if (in.type == JSON_ARRAY && (in.flags & JSON_F_SEQUENCE) && !list_push(e, &l, json_bool(true)))
        return RAISED;
    if (in.type == JSON_OBJECT && !(m = run_ordered_members(e, in)))
        return eval_exhausted(e);
    for (uint32_t i = 0; m && i < in.n; i++)
        if (!add_flattened(e, &l, m[i].value, &flags))
            return RAISED;
    return list_value(&l, flags);
}

static bool descend(struct jsonata_eval *e, struct list *l, struct json v)
{
    const struct json_member *m;

    if (!eval_stack_ok(e) || !eval_tick(e)) {
        eval_exhausted(e);
        return false;
    }
    if (v.type != JSON_ARRAY && !list_push(e, l, v))
        return false;
    if (v.type == JSON_ARRAY)
        for (uint32_t i = 0; i < v.n; i++)
            if (!descend(e, l, v.u.items[i]))
                return false;
    if (v.type != JSON_OBJECT)
        return true;
    m = run_ordered_members(e, v);
    for (uint32_t i = 0; m && i < v.n; i++)
        if (!descend(e, l, m[i].value))
            return false;
    return m || (eval_exhausted(e), false);
}

struct json run_descendants(struct jsonata_eval *e, const struct node *n TL_UNUSED, struct json in)
{
    struct list l = {0};

    if (in.type == JSON_UNDEFINED)
        return in;
    if (!descend(e, &l, in))
        return RAISED;
    return l.n == 1 ? l.items[0] : list_value(&l, JSON_F_SEQUENCE);
}

struct json run_array(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct list l = {0};

    if (n->count && !list_grow(e, &l, n->count))
        return RAISED;
    for (uint32_t i = 0; i < n->count; i++) {
        const struct node *item = n->list[i];
        struct json v = eval(e, item, in);

        if (raised(v) || (eval_lacks(e, v) && !(n->flags & N_CHOICE)))
            return raised(v) ? v : JSON_NOTHING;
        if (v.type == JSON_UNDEFINED)
            continue;
        if (v.type != JSON_ARRAY || item->kind == K_ARRAY) {
            if (!list_push(e, &l, v))
                return RAISED;
        } else if (!list_push_all(e, &l, v)) {
            return RAISED;
        }
    }
    return list_value(&l, n->flags & N_CONS ? JSON_F_CONS : 0);
}

struct json run_condition(struct jsonata_eval *e, const struct node *n, struct json in)
{
    int t = eval_truth(e, n->a, in);

    if (t < 0)
        return RAISED;
    if (t)
        return eval(e, n->b, in);
    return n->c ? eval(e, n->c, in) : JSON_NOTHING;
}

struct json run_elvis(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json v = eval(e, n->a, in);

    if (raised(v) || jsonata_truth(v))
        return v;
    return eval(e, n->b, in);
}

struct json run_coalesce(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json v = eval(e, n->a, in);

    return v.type != JSON_UNDEFINED ? v : eval(e, n->b, in);
}

struct json run_block(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json v = JSON_NOTHING;
    struct env *saved = e->env;
    char *frames = e->frames;

    if (n->scope) {
        struct env *env = env_new(e, n->scope, saved);

        if (!env)
            return eval_exhausted(e);
        e->env = env;
    }
    for (uint32_t i = 0; i < n->count; i++) {
        v = eval(e, n->list[i], in);
        if (raised(v))
            break;
    }
    e->env = saved;
    e->frames = frames;
    return v;
}

struct json run_single(struct jsonata_eval *e, const struct node *n, struct json in)
{
    return eval(e, n->list[0], in);
}

struct json run_bind(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json v = eval(e, n->b, in);

    if (!raised(v))
        e->env->slots[n->a->place->slot] = v;
    return v;
}

struct json run_staged(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json v = n->inner(e, n, in);

    if (n->flags & N_SELF_STAGED)
        for (uint32_t i = 0; i < n->stage_count && !raised(v); i++)
            v = run_filter(e, n->stages[i].expr, v, n->tuple_scope);
    if (n->group && n->kind != K_PATH && !raised(v))
        v = run_group(e, n->group, v, n->tuple_scope);
    if ((n->flags & N_KEEP_ARRAY) && v.type == JSON_ARRAY && (v.flags & JSON_F_SEQUENCE))
        v.flags |= JSON_F_KEEP;
    return v;
}
