/* SPDX-License-Identifier: Apache-2.0 */
/* tree.c - a program as the language sees it, for lineage and checks: nothing of places, slots and run functions. */
#include "jsonata/eval.h"

struct growing {
    const struct jsonata_ast **v;
    size_t n, cap;
};

struct builder {
    struct tl_arena *arena;
    bool full;
};

static const struct jsonata_ast *tree(struct builder *b, const struct node *n);

static void push(struct builder *b, struct growing *g, const struct jsonata_ast *item)
{
    if (g->n == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 4;
        const struct jsonata_ast **v = tl_arena_grow(b->arena, g->v, g->cap * sizeof(*v), cap * sizeof(*v));

        if (!v) {
            b->full = true;
            return;
        }
        g->v = v;
        g->cap = cap;
    }
    if (item)
        g->v[g->n++] = item;
    else
        b->full = true;
}

static void push_node(struct builder *b, struct growing *g, const struct node *n)
{
    if (n)
        push(b, g, tree(b, n));
}

static void push_list(struct builder *b, struct growing *g, struct node *const *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        push_node(b, g, list[i]);
}

static struct jsonata_ast *make(struct builder *b, enum jsonata_kind kind, int32_t pos)
{
    struct jsonata_ast *t = tl_arena_zalloc(b->arena, sizeof(*t));

    if (!t) {
        b->full = true;
        return NULL;
    }
    t->kind = kind;
    t->position = pos;
    return t;
}

static const struct jsonata_ast *finish(struct jsonata_ast *t, const struct growing *children)
{
    t->children = children->v;
    t->count = children->n;
    return t;
}

static enum jsonata_kind kind_of(const struct node *n)
{
    static const enum jsonata_kind kinds[] = {[K_LITERAL] = JSONATA_LITERAL,
                                              [K_NAME] = JSONATA_NAME,
                                              [K_VARIABLE] = JSONATA_VARIABLE,
                                              [K_WILDCARD] = JSONATA_WILDCARD,
                                              [K_DESCENDANT] = JSONATA_DESCENDANT,
                                              [K_PARENT] = JSONATA_PARENT,
                                              [K_REGEX] = JSONATA_REGEX,
                                              [K_OPERATOR] = JSONATA_HOLE,
                                              [K_BINARY] = JSONATA_BINARY,
                                              [K_UNARY] = JSONATA_UNARY,
                                              [K_ARRAY] = JSONATA_ARRAY,
                                              [K_OBJECT] = JSONATA_OBJECT,
                                              [K_CONDITION] = JSONATA_CONDITION,
                                              [K_ELVIS] = JSONATA_CONDITION,
                                              [K_COALESCE] = JSONATA_CONDITION,
                                              [K_BLOCK] = JSONATA_BLOCK,
                                              [K_BIND] = JSONATA_BIND,
                                              [K_LAMBDA] = JSONATA_LAMBDA,
                                              [K_CALL] = JSONATA_CALL,
                                              [K_PARTIAL] = JSONATA_PARTIAL,
                                              [K_APPLY] = JSONATA_APPLY,
                                              [K_TRANSFORM] = JSONATA_TRANSFORM,
                                              [K_PATH] = JSONATA_PATH,
                                              [K_SORT] = JSONATA_SORT,
                                              [K_CONCAT] = JSONATA_BINARY};

    return kinds[n->kind];
}

static void push_children(struct builder *b, struct growing *g, const struct node *n)
{
    switch (n->kind) {
    case K_ELVIS:
    case K_COALESCE: /* the left side decides and is the result */
        push_node(b, g, n->a);
        push_node(b, g, n->a);
        push_node(b, g, n->b);
        return;
    case K_SORT:
        for (uint32_t i = 0; i < n->count; i++)
            push_node(b, g, n->list[i]->a);
        return;
    case K_BIND:
        push_node(b, g, n->b);
        return;
    case K_LAMBDA:
        push_list(b, g, n->list, n->count);
        push_node(b, g, n->a);
        return;
    case K_CALL:
    case K_PARTIAL: /* c is only a guess for an error message */
        push_node(b, g, n->a);
        push_list(b, g, n->list, n->count);
        return;
    default:
        push_node(b, g, n->a);
        push_node(b, g, n->b);
        push_node(b, g, n->c);
        push_list(b, g, n->list, n->count);
    }
}

static void push_stages(struct builder *b, struct growing *g, const struct node *n)
{
    for (uint32_t i = 0; i < n->stage_count; i++) {
        struct jsonata_ast *filter;
        struct growing inner = {0};

        if (n->stages[i].kind != STAGE_FILTER)
            continue;
        filter = make(b, JSONATA_FILTER, n->stages[i].pos);
        push_node(b, &inner, n->stages[i].expr);
        push(b, g, filter ? finish(filter, &inner) : NULL);
    }
    if (n->group) {
        struct jsonata_ast *group = make(b, JSONATA_GROUP, n->group->pos);
        struct growing inner = {0};

        push_list(b, &inner, n->group->pairs, 2 * n->group->n);
        push(b, g, group ? finish(group, &inner) : NULL);
    }
}

static const char *index_name(const struct node *n)
{
    for (uint32_t i = 0; i < n->stage_count; i++)
        if (n->stages[i].kind == STAGE_INDEX)
            return n->stages[i].index->text;
    return n->index ? n->index->text : NULL;
}

static const struct jsonata_ast *tree(struct builder *b, const struct node *n)
{
    struct jsonata_ast *t = make(b, kind_of(n), n->pos);
    struct growing children = {0}, stages = {0};

    if (!t)
        return NULL;
    t->value = n->kind == K_BINARY || n->kind == K_UNARY || n->kind == K_CONCAT ? json_str(ast_op_text((enum op)n->op))
               : n->kind == K_BIND                                              ? n->a->value
               : n->kind == K_ARRAY || n->kind == K_REGEX                       ? JSON_NOTHING
                                                                                : n->value;
    if (n->kind == K_REGEX) {
        struct tl_sv source = jsonata_regex_source(n->regex);

        t->value = json_sv(source);
    }
    push_children(b, &children, n);
    push_stages(b, &stages, n);
    t->stages = stages.v;
    t->stage_count = stages.n;
    t->focus = n->focus ? n->focus->text : NULL;
    t->index = index_name(n);
    return b->full ? NULL : finish(t, &children);
}

const struct jsonata_ast *jsonata_tree(const struct jsonata_program *p, struct tl_arena *arena)
{
    struct builder b = {.arena = arena};

    return tree(&b, p->root);
}
