/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve.c - gives every variable a place (frames up, slot), so that evaluation never looks a name up.
 *
 * A frame is made for the program, for a block or lambda that binds names, and for each tuple of a path with '@', '#'
 * or
 * '%'. Binding is dynamic in the language: before `$x := 1` has run, $x in the same block still means an outer $x. So a
 * variable has a chain of places, and a slot that was not bound yet sends the reader on to the next.
 */
#include "jsonata/ast.h"
#include "jsonata/library.h"

static void visit(struct compiler *c, struct node *n);

/* ---- scopes ---- */

static uint32_t scope_find(const struct scope *s, const struct symbol *name)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (s->names[i] == name)
            return i;
    return UINT32_MAX;
}

static uint32_t scope_add(struct compiler *c, struct scope *s, const struct symbol *name)
{
    uint32_t i = scope_find(s, name);

    if (i != UINT32_MAX)
        return i;
    if (s->n == s->cap) {
        const struct symbol **names = ast_alloc(c, (size_t)(s->cap * 2 + 4) * sizeof(*names));

        if (s->n)
            memcpy(names, s->names, s->n * sizeof(*names));
        s->names = names;
        s->cap = s->cap * 2 + 4;
    }
    s->names[s->n] = name;
    return s->n++;
}

static struct scope *scope_push(struct compiler *c)
{
    struct scope *s = ast_alloc(c, sizeof(*s));

    s->up = c->scope;
    c->scope = s;
    return s;
}

static void scope_pop(struct compiler *c)
{
    c->scope = c->scope->up;
}

/* A function value made here may keep every frame around it. */
static void capture(struct compiler *c)
{
    for (struct scope *s = c->scope; s; s = s->up)
        s->captured = true;
}

/* ---- which names a frame has ---- */

static bool has_tuples(const struct node *path)
{
    for (uint32_t i = 0; i < path->count; i++)
        if (path->list[i]->flags & N_TUPLE)
            return true;
    return false;
}

/* The path whose tuples come out of this expression, or NULL. */
static const struct node *tuple_source(const struct node *n)
{
    while (n->kind == K_BLOCK && (n->flags & N_TUPLE) && n->count)
        n = n->list[n->count - 1];
    return n->kind == K_PATH && (n->flags & N_TUPLE) && has_tuples(n) ? n : NULL;
}

static void tuple_names(struct compiler *c, struct scope *s, const struct node *path)
{
    for (uint32_t i = 0; i < path->count; i++) {
        const struct node *step = path->list[i], *inner;

        if (step->focus)
            scope_add(c, s, step->focus);
        if (step->index)
            scope_add(c, s, step->index);
        if (step->ancestor && step->kind != K_PARENT)
            scope_add(c, s, step->ancestor->label);
        for (uint32_t k = 0; k < step->stage_count; k++)
            if (step->stages[k].kind == STAGE_INDEX)
                scope_add(c, s, step->stages[k].index);
        inner = step->kind == K_BLOCK ? tuple_source(step) : NULL;
        if (inner)
            tuple_names(c, s, inner);
    }
}

static struct scope *tuple_scope(struct compiler *c, const struct node *path)
{
    struct scope *s = scope_push(c);

    s->tuple = s->used = s->captured = true;
    scope_add(c, s, ast_symbol(c, TL_SV("@")));
    tuple_names(c, s, path);
    s->tuple_names = s->n;
    return s;
}

/* Names bound by `:=` in n that belong to the frame around it, not to one of n's own. */
static void bound_names(struct compiler *c, struct scope *s, const struct node *n)
{
    const struct node *direct[] = {n->a, n->b, n->c};
    bool tuples = false;

    if (n->kind == K_BIND)
        scope_add(c, s, n->a->symbol);
    if (n->kind != K_BLOCK && n->kind != K_LAMBDA) {
        for (size_t i = 0; i < TL_COUNT(direct); i++)
            if (direct[i])
                bound_names(c, s, direct[i]);
        for (uint32_t i = 0; i < n->count && !tuples; i++) {
            tuples = n->kind == K_PATH && (n->list[i]->flags & N_TUPLE);
            if (!tuples)
                bound_names(c, s, n->list[i]);
        }
    }
    if (tuples || tuple_source(n))
        return; /* the rest runs in frames of tuples */
    for (uint32_t i = 0; i < n->stage_count; i++)
        if (n->stages[i].kind == STAGE_FILTER)
            bound_names(c, s, n->stages[i].expr);
    for (uint32_t i = 0; n->group && i < 2 * n->group->n; i++)
        bound_names(c, s, n->group->pairs[i]);
}

/* ---- variables ---- */

static struct place *find_places(struct compiler *c, const struct symbol *name)
{
    struct place *first = NULL, **link = &first;
    uint32_t hops = 0;

    for (struct scope *s = c->scope; s; s = s->up) {
        uint32_t slot = scope_find(s, name);

        if (slot != UINT32_MAX) {
            struct place *p = ast_alloc(c, sizeof(*p));

            p->hops = hops;
            p->slot = slot;
            *link = p;
            link = &p->next;
            if (slot < s->params)
                break;
        }
        hops += s->used ? 1 : 0;
    }
    return first;
}

static struct scope *top_scope(struct compiler *c, uint32_t *ret_hops)
{
    struct scope *s = c->scope;

    for (*ret_hops = 0; s->up; s = s->up)
        *ret_hops += s->used ? 1 : 0;
    return s;
}

static const char **add_name(struct compiler *c, const char **names, uint32_t *n, uint32_t *cap, const char *name)
{
    for (uint32_t i = 0; i < *n; i++)
        if (names[i] == name)
            return names;
    if (*n == *cap) {
        const char **v = ast_alloc(c, (size_t)(*cap * 2 + 8) * sizeof(*v));

        if (*n)
            memcpy(v, names, *n * sizeof(*v));
        names = v;
        *cap = *cap * 2 + 8;
    }
    names[(*n)++] = name;
    return names;
}

static void note_library_name(struct compiler *c, const struct symbol *name)
{
    c->library_names = add_name(c, c->library_names, &c->library_count, &c->library_cap, name->text);
}

static void note_free_name(struct compiler *c, const struct symbol *name)
{
    c->free_names = add_name(c, c->free_names, &c->free_count, &c->free_cap, name->text);
}

/* A variable that nothing in the program binds becomes a slot of the program's own frame, filled when a run begins. */
static void bind_free(struct compiler *c, struct node *n)
{
    struct place *p = ast_alloc(c, sizeof(*p)), **link = &n->place;
    struct scope *top = top_scope(c, &p->hops);

    if (!n->place && n->function.type == JSON_UNDEFINED)
        note_free_name(c, n->symbol);
    p->slot = scope_add(c, top, n->symbol);
    while (*link)
        link = &(*link)->next;
    *link = p;
}

/* A parameter, or a name whose last place is the program's own frame already. */
static bool always_bound(struct compiler *c, const struct node *n)
{
    const struct place *p = n->place;
    const struct scope *s = c->scope;
    uint32_t hops = 0;

    while (p && p->next)
        p = p->next;
    if (!p)
        return false;
    while (s->up && !(s->used && hops == p->hops)) {
        hops += s->used ? 1 : 0;
        s = s->up;
    }
    return !s->up || p->slot < s->params;
}

static void visit_variable(struct compiler *c, struct node *n, bool may_be_free)
{
    if (n->symbol->n == 0 || tl_sv_eqs(node_key(n), "$"))
        return;
    n->place = find_places(c, n->symbol);
    n->function = library_find(c, node_key(n));
    if (n->function.type == JSON_UNDEFINED)
        n->function = library_namespace(c, node_key(n));
    if (may_be_free && (n->function.type == JSON_UNDEFINED || c->dynamic) && !always_bound(c, n))
        bind_free(c, n);
    if (n->function.type != JSON_UNDEFINED)
        note_library_name(c, n->symbol);
    if (tl_sv_eqs(node_key(n), "eval"))
        c->uses_eval = true;
}

/* `:=` always writes to the frame it runs in; one of tuples did not hear of the name beforehand. */
static struct place *bind_place(struct compiler *c, const struct symbol *name)
{
    struct place *p = ast_alloc(c, sizeof(*p));
    struct scope *s = c->scope;

    while (!s->used)
        s = s->up;
    p->slot = scope_add(c, s, name);
    return p;
}

/* ---- the walk ---- */

static void visit_stages(struct compiler *c, struct node *n)
{
    for (uint32_t i = 0; i < n->stage_count; i++)
        if (n->stages[i].kind == STAGE_FILTER)
            visit(c, n->stages[i].expr);
        else if (c->scope->tuple)
            n->stages[i].slot = scope_find(c->scope, n->stages[i].index);
}

static void visit_group(struct compiler *c, struct node *n)
{
    for (uint32_t i = 0; n->group && i < 2 * n->group->n; i++)
        visit(c, n->group->pairs[i]);
}

static void visit_step(struct compiler *c, struct node *step)
{
    if (step->flags & N_SELF_STAGED) {
        visit(c, step);
        return;
    }
    /* stages are visited here and not as the expression's own */
    uint32_t stages = step->stage_count;

    step->stage_count = 0;
    visit(c, step);
    step->stage_count = stages;
    visit_stages(c, step);
}

static void visit_path(struct compiler *c, struct node *n)
{
    struct scope *s = NULL;

    for (uint32_t i = 0; i < n->count; i++) {
        struct node *step = n->list[i];

        if (!s && (step->flags & N_TUPLE))
            s = n->tuple_scope = tuple_scope(c, n);
        visit_step(c, step);
        if (!s)
            continue;
        step->focus_slot = step->focus ? scope_find(s, step->focus) : 0;
        step->index_slot = step->index ? scope_find(s, step->index) : 0;
        if (step->ancestor && step->kind != K_PARENT)
            step->ancestor_slot = scope_find(s, step->ancestor->label);
    }
    visit_group(c, n);
    if (s)
        scope_pop(c);
}

static void visit_block(struct compiler *c, struct node *n)
{
    struct scope *s = scope_push(c);

    for (uint32_t i = 0; i < n->count; i++)
        bound_names(c, s, n->list[i]);
    s->used = s->n > 0;
    for (uint32_t i = 0; i < n->count; i++)
        visit(c, n->list[i]);
    n->scope = s->used ? s : NULL;
    scope_pop(c);
}

static void visit_lambda(struct compiler *c, struct node *n)
{
    struct scope *s;

    capture(c);
    s = scope_push(c);
    s->params = n->params;
    for (uint32_t i = 0; i < n->params; i++) {
        n->list[i]->place = ast_alloc(c, sizeof(struct place));
        n->list[i]->place->slot = scope_add(c, s, n->list[i]->symbol);
    }
    bound_names(c, s, n->a);
    s->used = s->n > 0;
    c->level = 0;
    visit(c, n->a);
    n->scope = s;
    scope_pop(c);
}

static void visit_call(struct compiler *c, struct node *n)
{
    const struct node *first = n->a->kind == K_PATH ? n->a->list[0] : NULL;

    visit(c, n->a);
    for (uint32_t i = 0; i < n->count; i++)
        if (n->list[i]->kind != K_OPERATOR)
            visit(c, n->list[i]);
    if (first && first->kind == K_NAME) { /* for "did you forget the $?" */
        n->c = ast_node(c, K_VARIABLE, n->pos);
        n->c->symbol = first->symbol ? first->symbol : ast_symbol(c, node_key(first));
        n->c->value = first->value;
        visit_variable(c, n->c, false);
    }
}

static void visit_children(struct compiler *c, struct node *n)
{
    struct node *direct[] = {n->a, n->b, n->c};

    for (size_t i = 0; i < TL_COUNT(direct); i++)
        if (direct[i])
            visit(c, direct[i]);
    for (uint32_t i = 0; i < n->count; i++)
        visit(c, n->list[i]);
}

static void visit_kind(struct compiler *c, struct node *n)
{
    switch (n->kind) {
    case K_VARIABLE:
        visit_variable(c, n, true);
        return;
    case K_PARENT:
        n->place = find_places(c, n->ancestor->label);
        return;
    case K_BIND:
        visit(c, n->b);
        n->a->place = bind_place(c, n->a->symbol);
        return;
    case K_PATH:
        visit_path(c, n);
        return;
    case K_BLOCK:
        visit_block(c, n);
        return;
    case K_LAMBDA:
        visit_lambda(c, n);
        return;
    case K_CALL:
    case K_PARTIAL:
        visit_call(c, n);
        return;
    case K_TRANSFORM:
        capture(c);
        visit_children(c, n);
        return;
    default:
        visit_children(c, n);
    }
}

static void visit(struct compiler *c, struct node *n)
{
    const struct node *source = n->kind == K_BLOCK && (n->stage_count || n->group) ? tuple_source(n) : NULL;

    n->level = ++c->level;
    visit_kind(c, n);
    c->level = n->level - 1;
    if (n->kind == K_PATH)
        return; /* its group was visited with the tuples; stages hang on its steps */
    if (source)
        n->tuple_scope = tuple_scope(c, source);
    visit_stages(c, n);
    visit_group(c, n);
    if (source)
        scope_pop(c);
}

static void capture_all(struct node *n);

static void capture_list(struct node *const *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        capture_all(list[i]);
}

/* $eval sees the names around it: no frame may go away early. */
static void capture_all(struct node *n)
{
    struct node *direct[] = {n->a, n->b, n->c};

    if (n->scope)
        n->scope->captured = true;
    for (size_t i = 0; i < TL_COUNT(direct); i++)
        if (direct[i])
            capture_all(direct[i]);
    capture_list(n->list, n->count);
    for (uint32_t i = 0; i < n->stage_count; i++)
        if (n->stages[i].kind == STAGE_FILTER)
            capture_all(n->stages[i].expr);
    if (n->group)
        capture_list(n->group->pairs, 2 * n->group->n);
}

bool resolve_program(struct compiler *c, struct node *n, struct scope **ret_top)
{
    struct scope *top = scope_push(c);

    top->used = top->captured = true;
    bound_names(c, top, n);
    visit(c, n);
    if (c->uses_eval)
        capture_all(n);
    scope_pop(c);
    *ret_top = top;
    return c->rc == TL_OK;
}
