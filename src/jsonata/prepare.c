/* SPDX-License-Identifier: Apache-2.0 */
/* prepare.c - chooses the function that runs each node, and does at once what needs no input. */
#include "jsonata/ops.h"

static void prepare(struct compiler *c, struct node *n);

static void prepare_list(struct compiler *c, struct node *const *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        prepare(c, list[i]);
}

static void prepare_variable(struct compiler *c, struct node *n)
{
    if (n->kind == K_VARIABLE && n->value.n == 0)
        n->run = run_context;
    else if (n->kind == K_VARIABLE && tl_sv_eqs(node_key(n), "$"))
        n->run = run_root;
    else if (n->place && !n->place->next && n->function.type == JSON_UNDEFINED)
        n->run = run_slot;
    else
        n->run = run_variable;
    c->may_nest = c->may_nest || n->function.type == JSON_OBJECT;
}

static bool is_literal(const struct node *n)
{
    return n->kind == K_LITERAL && !n->stage_count && !n->group && !(n->flags & N_KEEP_ARRAY);
}

static bool is_number(const struct node *n)
{
    return is_literal(n) && json_is_number(n->value);
}

static void prepare_arithmetic(struct node *n)
{
    struct json v;

    n->run = run_arithmetic;
    if (!is_number(n->a) || !is_number(n->b))
        return;
    v = run_fold_arithmetic((enum op)n->op, n->a->value, n->b->value);
    if (!isfinite(jsonata_double(v)))
        return;          /* an error, but only when it is reached */
    n->kind = K_LITERAL; /* op stays: a computed index is no literal one */
    n->value = v;
    n->run = run_literal;
}

#define CONCAT_PARTS 16

static void prepare_concat(struct compiler *c, struct node *n)
{
    struct node *left = n->a;

    n->run = run_concat;
    if (left->kind == K_CONCAT && left->run == run_concat && left->count < CONCAT_PARTS)
        for (uint32_t i = 0; i < left->count; i++)
            n->list = ast_push(c, n->list, &n->count, left->list[i]);
    else
        n->list = ast_push(c, n->list, &n->count, left);
    n->list = ast_push(c, n->list, &n->count, n->b);
    n->kind = K_CONCAT;
    n->a = n->b = NULL;
}

static void prepare_binary(struct compiler *c, struct node *n)
{
    switch (n->op) {
    case OP_EQ:
    case OP_NE:
        n->run = run_equality;
        n->flags |= N_BOOLEAN;
        return;
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
        n->run = run_comparison;
        n->flags |= N_BOOLEAN;
        return;
    case OP_AND:
    case OP_OR:
        n->run = run_logic;
        n->flags |= N_BOOLEAN;
        return;
    case OP_IN:
        n->run = run_in;
        n->flags |= N_BOOLEAN;
        return;
    case OP_CONCAT:
        prepare_concat(c, n);
        return;
    case OP_RANGE:
        n->run = run_range;
        return;
    default:
        prepare_arithmetic(n);
    }
}

/* ['a', 'b']: made once, shared by all. */
static void prepare_array(struct compiler *c, struct node *n)
{
    struct json *items;

    n->run = run_array;
    for (uint32_t i = 0; i < n->count; i++)
        if (!is_literal(n->list[i]))
            return;
    items = ast_alloc(c, (n->count + 1) * sizeof(*items));
    for (uint32_t i = 0; i < n->count; i++)
        items[i] = n->list[i]->value;
    n->value = (struct json){
        .type = JSON_ARRAY, .flags = n->flags & N_CONS ? JSON_F_CONS : 0, .n = n->count, .u.items = items};
    n->run = run_literal;
}

static bool constant_keys(const struct node *n)
{
    for (uint32_t i = 0; i < n->count; i += 2) {
        const struct node *key = n->list[i];

        if (!is_literal(key) || key->value.type != JSON_STRING)
            return false;
        for (uint32_t k = 0; k < i; k += 2)
            if (tl_sv_eq(node_key(key), node_key(n->list[k])))
                return false;
    }
    return n->count < 1000;
}

static void prepare_object(struct compiler *c, struct node *n)
{
    n->run = run_object;
    if (constant_keys(n)) {
        n->flags |= N_CONST_KEYS;
        return;
    }
    n->own = ast_alloc(c, sizeof(*n->own));
    n->own->pairs = n->list;
    n->own->n = n->count / 2;
    n->own->pos = n->pos;
}

static void prepare_path(struct node *n)
{
    n->run = n->tuple_scope ? run_tuple_path : run_path;
    if (n->tuple_scope || n->group || (n->flags & (N_KEEP_SINGLETON | N_TUPLE)))
        return;
    for (uint32_t i = 0; i < n->count; i++)
        if (n->list[i]->run != run_name || n->list[i]->stage_count)
            return;
    n->run = run_names;
}

/* $sum(path) and the like need no array. */
static void prepare_aggregate(struct node *n)
{
    static const struct {
        const char *name;
        uint8_t op;
    } names[] = {{"sum", 's'}, {"count", 'c'}, {"max", 'x'}, {"min", 'n'}, {"average", 'a'}};
    const struct node *arg = n->count == 1 ? n->list[0] : NULL;

    if (!arg || arg->kind != K_PATH || arg->tuple_scope || arg->group || n->a->kind != K_VARIABLE || n->a->place)
        return;
    if (n->a->stage_count || n->a->function.type == JSON_UNDEFINED)
        return;
    for (size_t i = 0; i < TL_COUNT(names); i++)
        if (tl_sv_eqs(node_key(n->a), names[i].name)) {
            n->op = names[i].op;
            n->run = run_aggregate;
        }
}

static void prepare_regex(struct compiler *c, struct node *n)
{
    struct function *f = ast_alloc(c, sizeof(*f));

    f->kind = F_REGEX;
    f->arity = 2;
    f->u.regex.n = n;
    n->value = (struct json){.type = JSON_EXT, .u.ext = f};
    n->run = run_literal;
}

static void choose(struct compiler *c, struct node *n)
{
    static const run_fn runs[] = {[K_LITERAL] = run_literal,   [K_NAME] = run_name,
                                  [K_WILDCARD] = run_wildcard, [K_DESCENDANT] = run_descendants,
                                  [K_UNARY] = run_negate,      [K_CONDITION] = run_condition,
                                  [K_ELVIS] = run_elvis,       [K_COALESCE] = run_coalesce,
                                  [K_BIND] = run_bind,         [K_LAMBDA] = run_lambda,
                                  [K_PARTIAL] = run_partial,   [K_APPLY] = run_apply,
                                  [K_TRANSFORM] = run_lambda,  [K_CONCAT] = NULL};

    switch (n->kind) {
    case K_VARIABLE:
    case K_PARENT:
        prepare_variable(c, n);
        return;
    case K_REGEX:
        prepare_regex(c, n);
        return;
    case K_BINARY:
        assert(n->a && n->b); /* as the parser makes them */
        prepare_binary(c, n);
        return;
    case K_ARRAY:
        prepare_array(c, n);
        return;
    case K_OBJECT:
        prepare_object(c, n);
        return;
    case K_BLOCK:
        n->run = n->count == 1 && !n->scope ? run_single : run_block;
        return;
    case K_CALL:
        assert(n->a); /* what is called */
        n->run = n->flags & N_TAIL ? run_tail_call : run_call;
        prepare_aggregate(n);
        return;
    case K_PATH:
        prepare_path(n);
        return;
    default:
        n->run = runs[n->kind];
    }
}

static void prepare(struct compiler *c, struct node *n)
{
    struct node *direct[] = {n->a, n->b, n->c};

    c->may_nest = c->may_nest || n->kind == K_LAMBDA || n->kind == K_PARTIAL || n->kind == K_TRANSFORM ||
                  n->kind == K_REGEX || n->kind == K_APPLY;
    for (size_t i = 0; i < TL_COUNT(direct); i++)
        if (direct[i])
            prepare(c, direct[i]);
    prepare_list(c, n->list, n->count);
    for (uint32_t i = 0; i < n->stage_count; i++)
        if (n->stages[i].kind == STAGE_FILTER)
            prepare(c, n->stages[i].expr);
    if (n->group)
        prepare_list(c, n->group->pairs, 2 * n->group->n);
    choose(c, n);
    n->inner = n->run;
    if (n->run == run_tail_call)
        return;
    if (((n->flags & N_SELF_STAGED) && n->stage_count) || (n->group && n->kind != K_PATH) ||
        (n->flags & N_KEEP_ARRAY)) {
        n->run = run_staged;
        n->flags &= (uint16_t)~N_BOOLEAN;
    }
}

bool prepare_program(struct compiler *c, struct node *n)
{
    prepare(c, n);
    return c->rc == TL_OK;
}
