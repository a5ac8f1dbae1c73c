/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape.c - gives the parser's tree its meaning: '.' and '[' become paths of steps with stages, '^' a step, '{' a
 * group; each '%' looks for the step whose input it stands for (that step then binds a label in its tuples); calls in
 * tail position are marked. The rules, oddities included, are those of the language's reference implementation.
 */
#include <stdio.h>

#include "jsonata/ast.h"

static struct node *shape(struct compiler *c, struct node *n);

static const char *kind_text(const struct node *n)
{
    static const char *const texts[] = {[K_LITERAL] = "value",
                                        [K_NAME] = "name",
                                        [K_VARIABLE] = "variable",
                                        [K_WILDCARD] = "wildcard",
                                        [K_DESCENDANT] = "descendant",
                                        [K_PARENT] = "parent",
                                        [K_REGEX] = "regex",
                                        [K_OPERATOR] = "operator",
                                        [K_END] = "(end)",
                                        [K_BINARY] = "binary",
                                        [K_UNARY] = "unary",
                                        [K_ARRAY] = "unary",
                                        [K_OBJECT] = "unary",
                                        [K_CONDITION] = "condition",
                                        [K_ELVIS] = "condition",
                                        [K_COALESCE] = "condition",
                                        [K_BLOCK] = "block",
                                        [K_BIND] = "bind",
                                        [K_LAMBDA] = "lambda",
                                        [K_CALL] = "function",
                                        [K_PARTIAL] = "partial",
                                        [K_APPLY] = "apply",
                                        [K_TRANSFORM] = "transform",
                                        [K_PATH] = "path",
                                        [K_SORT] = "sort",
                                        [K_CONCAT] = "binary"};

    if (n->kind == K_LITERAL)
        return n->value.type == JSON_STRING ? "string" : json_is_number(n->value) ? "number" : "value";
    return texts[n->kind];
}

/* ---- parents ---- */

static void seeking_add(struct compiler *c, struct node *n, struct ancestor *slot)
{
    struct ancestors *s = n->seeking;

    if (!s)
        s = n->seeking = ast_alloc(c, sizeof(*s));
    if (s->n == s->cap) {
        struct ancestor **v = ast_alloc(c, (size_t)(s->cap * 2 + 4) * sizeof(struct ancestor *));

        if (s->n)
            memcpy(v, s->v, s->n * sizeof(struct ancestor *));
        s->v = v;
        s->cap = s->cap * 2 + 4;
    }
    s->v[s->n++] = slot;
}

/* What `value` still looks for, `result` looks for too. */
static void push_ancestry(struct compiler *c, struct node *result, const struct node *value)
{
    uint32_t n = value->seeking ? value->seeking->n : 0;

    for (uint32_t i = 0; i < n; i++)
        seeking_add(c, result, value->seeking->v[i]);
    if (value->kind == K_PARENT)
        seeking_add(c, result, value->ancestor);
}

/* The language gives paths and parents no position. */
static void *no_parent(struct compiler *c, const struct node *n)
{
    return ast_fail(c, "S0217", n->kind == K_PATH || n->kind == K_PARENT ? -1 : n->pos, json_str(kind_text(n)),
                    JSON_NOTHING);
}

static void seek_parent(struct compiler *c, struct node *n, struct ancestor *slot)
{
    uint32_t i;

    switch (n->kind) {
    case K_NAME:
    case K_WILDCARD:
        if (--slot->level == 0) {
            if (n->ancestor)
                slot->label = n->ancestor->label;
            n->ancestor = slot;
            n->flags |= N_TUPLE;
        }
        return;
    case K_PARENT:
        slot->level++;
        return;
    case K_BLOCK:
        if (n->count) {
            n->flags |= N_TUPLE;
            seek_parent(c, n->list[n->count - 1], slot);
        }
        return;
    case K_PATH:
        n->flags |= N_TUPLE;
        i = n->count - 1;
        seek_parent(c, n->list[i], slot);
        while (slot->level > 0 && i > 0 && c->rc == TL_OK)
            seek_parent(c, n->list[--i], slot);
        return;
    default:
        (void)no_parent(c, n);
    }
}

/* The parents that the last step of a path looks for are searched among the steps before it. */
static void resolve_ancestry(struct compiler *c, struct node *path)
{
    struct node *last = path->list[path->count - 1];
    struct node found = {0};

    push_ancestry(c, &found, last);
    for (uint32_t i = 0; found.seeking && i < found.seeking->n && c->rc == TL_OK; i++) {
        struct ancestor *slot = found.seeking->v[i];
        int64_t index = (int64_t)path->count - 2;

        while (slot->level > 0 && c->rc == TL_OK) {
            struct node *step;

            if (index < 0) {
                seeking_add(c, path, slot);
                break;
            }
            step = path->list[index--];
            while (index >= 0 && step->focus && path->list[index]->focus)
                step = path->list[index--];
            seek_parent(c, step, slot);
        }
    }
}

static struct node *shape_parent(struct compiler *c, struct node *n)
{
    char label[16];
    int len = snprintf(label, sizeof(label), "!%u", c->labels++);

    n->ancestor = ast_alloc(c, sizeof(*n->ancestor));
    n->ancestor->label = ast_symbol(c, tl_sv(label, (size_t)len));
    n->ancestor->level = 1;
    return n;
}

/* ---- paths ---- */

static struct node *as_path(struct compiler *c, struct node *n)
{
    struct node *path;

    if (n->kind == K_PATH)
        return n;
    path = ast_node(c, K_PATH, n->pos);
    path->list = ast_push(c, path->list, &path->count, n);
    return path;
}

static struct node *last_step(struct node *n)
{
    return n->kind == K_PATH ? n->list[n->count - 1] : n;
}

static bool check_steps(struct compiler *c, struct node *path)
{
    for (uint32_t i = 0; i < path->count; i++) {
        struct node *step = path->list[i];

        if (step->kind == K_LITERAL && step->value.type != JSON_STRING) {
            ast_fail(c, "S0213", step->pos, JSON_NOTHING, step->value);
            return false;
        }
        if (step->kind == K_LITERAL)
            step->kind = K_NAME;
        if (step->flags & N_KEEP_ARRAY)
            path->flags |= N_KEEP_SINGLETON;
    }
    if (path->list[0]->kind == K_ARRAY)
        path->list[0]->flags |= N_CONS;
    if (last_step(path)->kind == K_ARRAY)
        last_step(path)->flags |= N_CONS;
    return true;
}

/* $tl.round(price): a function of the host, whose arguments belong to the context, not to the object $tl. */
static bool is_host_call(const struct compiler *c, const struct node *object, const struct node *rest)
{
    if (c->options->strict || object->kind != K_VARIABLE || object->stage_count || object->focus || object->index)
        return false;
    if ((rest->kind != K_CALL && rest->kind != K_PARTIAL) || rest->a->kind != K_PATH || rest->a->count != 1)
        return false;
    for (size_t i = 0; i < c->options->namespace_count; i++)
        if (tl_sv_eqs(node_key(object), c->options->namespaces[i].name))
            return true;
    return false;
}

static struct node *host_call(struct compiler *c, struct node *object, struct node *call)
{
    struct node *path = as_path(c, object);

    path->list = ast_push(c, path->list, &path->count, call->a->list[0]);
    call->a = path;
    return call;
}

static struct node *shape_dot(struct compiler *c, struct node *n)
{
    struct node *left = shape(c, n->a), *path, *rest;

    if (!left)
        return NULL;
    rest = shape(c, n->b);
    if (!rest)
        return NULL;
    if (is_host_call(c, last_step(left), rest)) {
        rest = host_call(c, last_step(left), rest);
        if (left->kind != K_PATH)
            return rest;
        left->count--; /* the object was a step */
    }
    path = as_path(c, left);
    if (left->kind == K_PARENT) {
        path->seeking = NULL;
        seeking_add(c, path, left->ancestor);
    }
    if (rest->kind == K_PATH) {
        for (uint32_t i = 0; i < rest->count; i++)
            path->list = ast_push(c, path->list, &path->count, rest->list[i]);
    } else {
        rest->flags &= (uint16_t)~N_SELF_STAGED;
        path->list = ast_push(c, path->list, &path->count, rest);
    }
    if (!check_steps(c, path))
        return NULL;
    resolve_ancestry(c, path);
    return path;
}

static void add_stage(struct compiler *c, struct node *step, struct stage stage)
{
    struct stage *v = ast_alloc(c, (step->stage_count + 1) * sizeof(*v));

    if (step->stage_count)
        memcpy(v, step->stages, step->stage_count * sizeof(*v));
    v[step->stage_count++] = stage;
    step->stages = v;
}

/* [a, b][0] and [a, b][-1] join nothing: they choose what there is, as a ?? b does. [a, b][1] does not: without a it
 * would be the place of another. */
static void mark_choice(struct node *n, const struct node *predicate)
{
    double at = predicate->kind == K_LITERAL && json_is_number(predicate->value) ? jsonata_double(predicate->value) : 1;

    while (n->kind == K_BLOCK && n->count == 1 && !n->stage_count)
        n = n->list[0];
    if (n->kind == K_ARRAY && !n->stage_count && !n->focus && !n->index && (at == 0 || at == -1))
        n->flags |= N_CHOICE;
}

static struct node *shape_filter(struct compiler *c, struct node *n)
{
    struct node *result = shape(c, n->a), *step, *predicate;

    if (!result)
        return NULL;
    step = last_step(result);
    if (step->group)
        return ast_fail(c, "S0209", n->pos, JSON_NOTHING, JSON_NOTHING);
    predicate = shape(c, n->b);
    if (!predicate)
        return NULL;
    if (predicate->seeking) {
        for (uint32_t i = 0; i < predicate->seeking->n; i++) {
            struct ancestor *slot = predicate->seeking->v[i];

            if (slot->level == 1)
                seek_parent(c, step, slot);
            else
                slot->level--;
        }
        push_ancestry(c, step, predicate);
    }
    if (result->kind != K_PATH)
        result->flags |= N_SELF_STAGED;
    mark_choice(step, predicate);
    add_stage(c, step, (struct stage){.kind = STAGE_FILTER, .pos = n->pos, .expr = predicate});
    return c->rc == TL_OK ? result : NULL;
}

static struct node *shape_group(struct compiler *c, struct node *n)
{
    struct node *result = shape(c, n->a);

    if (!result)
        return NULL;
    if (result->group)
        return ast_fail(c, "S0210", n->pos, JSON_NOTHING, JSON_NOTHING);
    result->group = ast_alloc(c, sizeof(*result->group));
    result->group->pos = n->pos;
    result->group->pairs = n->list;
    result->group->n = n->count / 2;
    for (uint32_t i = 0; i < n->count; i++)
        if (!(n->list[i] = shape(c, n->list[i])))
            return NULL;
    return result;
}

static struct node *shape_sort(struct compiler *c, struct node *n)
{
    struct node *result = shape(c, n->a), *sort;

    if (!result)
        return NULL;
    result = as_path(c, result);
    sort = ast_node(c, K_SORT, n->pos);
    for (uint32_t i = 0; i < n->count; i++) {
        struct node *term = shape(c, n->list[i]->a);

        if (!term)
            return NULL;
        push_ancestry(c, sort, term);
        n->list[i]->a = term;
    }
    sort->list = n->list;
    sort->count = n->count;
    result->list = ast_push(c, result->list, &result->count, sort);
    resolve_ancestry(c, result);
    return result;
}

static struct node *shape_focus(struct compiler *c, struct node *n)
{
    struct node *result = shape(c, n->a), *step;

    if (!result)
        return NULL;
    step = last_step(result);
    if (step->stage_count)
        return ast_fail(c, "S0215", n->pos, JSON_NOTHING, JSON_NOTHING);
    if (step->kind == K_SORT)
        return ast_fail(c, "S0216", n->pos, JSON_NOTHING, JSON_NOTHING);
    step->flags |= (uint16_t)(n->flags & N_KEEP_ARRAY);
    step->focus = n->b->symbol;
    step->flags |= N_TUPLE;
    return result;
}

static struct node *shape_index(struct compiler *c, struct node *n)
{
    struct node *result = shape(c, n->a), *step;

    if (!result)
        return NULL;
    step = last_step(result);
    if (result->kind != K_PATH) {
        result = as_path(c, result);
        step->flags &= (uint16_t)~N_SELF_STAGED;
    }
    if (!step->stage_count)
        step->index = n->b->symbol;
    else
        add_stage(c, step, (struct stage){.kind = STAGE_INDEX, .pos = n->pos, .index = n->b->symbol});
    step->flags |= N_TUPLE;
    return result;
}

/* ---- the rest ---- */

static struct node *shape_children(struct compiler *c, struct node *n)
{
    struct node **direct[] = {&n->a, &n->b, &n->c};

    for (size_t i = 0; i < TL_COUNT(direct); i++) {
        if (!*direct[i])
            continue;
        if (!(*direct[i] = shape(c, *direct[i])))
            return NULL;
        push_ancestry(c, n, *direct[i]);
    }
    for (uint32_t i = 0; i < n->count; i++) {
        if (!(n->list[i] = shape(c, n->list[i])))
            return NULL;
        push_ancestry(c, n, n->list[i]);
    }
    return n;
}

static struct node *shape_binary(struct compiler *c, struct node *n)
{
    switch (n->op) {
    case OP_DOT:
        return shape_dot(c, n);
    case OP_FILTER:
        return shape_filter(c, n);
    case OP_GROUP:
        return shape_group(c, n);
    case OP_SORT:
        return shape_sort(c, n);
    case OP_FOCUS:
        return shape_focus(c, n);
    case OP_INDEX:
        return shape_index(c, n);
    case OP_CHAIN:
        n->kind = K_APPLY;
        n->a = shape(c, n->a);
        n->b = n->a ? shape(c, n->b) : NULL;
        if (n->b)
            n->flags |= (uint16_t)((n->a->flags | n->b->flags) & N_KEEP_ARRAY);
        return n->b ? n : NULL;
    default:
        return shape_children(c, n);
    }
}

/* Literals come without a sign, and as -n when a minus before this one was folded. */
static void negate_literal(struct compiler *c, struct json *v)
{
    char *text;

    if (v->type != JSON_DECIMAL) {
        bool exact = v->type == JSON_INT && v->u.i != 0 && v->u.i != INT64_MIN; /* -0 is a double */

        *v = exact ? json_int(-v->u.i) : jsonata_number(-jsonata_double(*v));
        return;
    }
    if (v->u.s[0] == '-') {
        v->u.s++;
        v->n--;
        return;
    }
    text = ast_alloc(c, (size_t)v->n + 1);
    text[0] = '-';
    memcpy(text + 1, v->u.s, v->n);
    v->u.s = text;
    v->n++;
}

static struct node *shape_minus(struct compiler *c, struct node *n)
{
    struct node *inner = shape(c, n->a);

    if (!inner)
        return NULL;
    if (inner->kind == K_LITERAL && json_is_number(inner->value)) {
        negate_literal(c, &inner->value);
        return inner;
    }
    n->a = inner;
    push_ancestry(c, n, inner);
    return n;
}

static struct node *shape_block(struct compiler *c, struct node *n)
{
    if (!shape_children(c, n))
        return NULL;
    for (uint32_t i = 0; i < n->count; i++) {
        const struct node *part = n->list[i];

        if ((part->flags & N_CONS) || (part->kind == K_PATH && (part->list[0]->flags & N_CONS)))
            n->flags |= N_CONS;
    }
    return n;
}

static void mark_tail(struct node *n)
{
    if (n->stage_count || n->group)
        return;
    if (n->kind == K_CALL)
        n->flags |= N_TAIL;
    if (n->kind == K_CONDITION) {
        mark_tail(n->b);
        if (n->c)
            mark_tail(n->c);
    }
    if (n->kind == K_ELVIS || n->kind == K_COALESCE)
        mark_tail(n->b);
    if (n->kind == K_BLOCK && n->count)
        mark_tail(n->list[n->count - 1]);
}

static struct node *shape_call(struct compiler *c, struct node *n)
{
    struct node *procedure = n->a;

    n->a = NULL;
    if (!shape_children(c, n))
        return NULL;
    n->a = shape(c, procedure);
    return n->a ? n : NULL;
}

static struct node *shape_name(struct compiler *c, struct node *n)
{
    struct node *path = as_path(c, n);

    if (n->flags & N_KEEP_ARRAY)
        path->flags |= N_KEEP_SINGLETON;
    return path;
}

static struct node *shape_operator(struct compiler *c, struct node *n)
{
    if (n->op == OP_HOLE)
        return n;
    n->kind = K_NAME;
    n->symbol = ast_symbol(c, node_key(n));
    return shape_name(c, n);
}

static struct node *shape_kind(struct compiler *c, struct node *n)
{
    switch (n->kind) {
    case K_BINARY:
        return shape_binary(c, n);
    case K_UNARY:
        return shape_minus(c, n);
    case K_CALL:
    case K_PARTIAL:
        return shape_call(c, n);
    case K_LAMBDA:
        n->a = shape(c, n->a);
        if (n->a)
            mark_tail(n->a);
        return n->a ? n : NULL;
    case K_BIND:
        n->b = shape(c, n->b);
        if (n->b)
            push_ancestry(c, n, n->b);
        return n->b ? n : NULL;
    case K_TRANSFORM:
        if (!(n->a = shape(c, n->a)) || !(n->b = shape(c, n->b)) || (n->c && !(n->c = shape(c, n->c))))
            return NULL;
        return n;
    case K_BLOCK:
        return shape_block(c, n);
    case K_NAME:
        return shape_name(c, n);
    case K_PARENT:
        return shape_parent(c, n);
    case K_OPERATOR:
        return shape_operator(c, n);
    case K_END:
        return ast_fail(c, "S0207", n->pos, n->value, JSON_NOTHING);
    case K_ARRAY:
    case K_OBJECT:
    case K_CONDITION:
    case K_ELVIS:
    case K_COALESCE:
        return shape_children(c, n);
    default:
        return n;
    }
}

static struct node *shape(struct compiler *c, struct node *n)
{
    struct node *result = c->rc == TL_OK ? shape_kind(c, n) : NULL;

    if (result && c->rc == TL_OK)
        result->flags |= (uint16_t)(n->flags & N_KEEP_ARRAY);
    return c->rc == TL_OK ? result : NULL;
}

struct node *shape_program(struct compiler *c, struct node *n)
{
    n = shape(c, n);
    if (n && (n->kind == K_PARENT || n->seeking))
        return no_parent(c, n);
    return n;
}
