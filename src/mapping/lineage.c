/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lineage.c - an abstract evaluation: a value is the set of source paths that it may come from, and for an object that
 * the mapping makes, its fields. Both branches of a condition are taken, functions of the program are followed.
 */
#include "mapping/lineage.h"

#define MAX_STEPS 200000u
#define MAX_DEPTH 150u
#define MAX_SET 200u

struct binding {
    const struct binding *up;
    struct tl_sv name;
    struct lval *value;
};

struct closure {
    const struct jsonata_ast *lambda;
    const struct binding *env;
};

struct walk {
    struct tl_arena *a;
    struct lineage *out;
    struct lval *input;
    uint32_t steps, depth;
    bool full;
};

static struct lval *eval(struct walk *w, const struct jsonata_ast *n, struct lval *ctx, const struct binding **env);

static struct lval *value_new(struct walk *w)
{
    struct lval *v = tl_arena_zalloc(w->a, sizeof(*v));

    if (v)
        return v;
    w->full = true;
    return w->input; /* anything: the result is thrown away */
}

static void add_name(struct walk *w, struct names **set, struct tl_sv text)
{
    struct names *n;
    size_t count = 0;

    for (; *set; set = &(*set)->next)
        if (tl_sv_eq((*set)->text, text) || ++count > MAX_SET)
            return;
    n = tl_arena_zalloc(w->a, sizeof(*n));
    if (!n) {
        w->full = true;
        return;
    }
    n->text = text;
    *set = n;
}

static void add_names(struct walk *w, struct names **set, const struct names *more)
{
    for (; more; more = more->next)
        add_name(w, set, more->text);
}

static void set_field(struct walk *w, struct lval *v, struct tl_sv name, struct lval *value)
{
    struct lfield **f = &v->fields;

    v->object = true;
    while (*f && !tl_sv_eq((*f)->name, name))
        f = &(*f)->next;
    if (!*f)
        *f = tl_arena_zalloc(w->a, sizeof(**f));
    if (!*f) {
        w->full = true;
        return;
    }
    (*f)->name = name;
    (*f)->value = value;
}

static struct lval *get_field(const struct lval *v, struct tl_sv name)
{
    for (const struct lfield *f = v->fields; f; f = f->next)
        if (tl_sv_eq(f->name, name))
            return f->value;
    return NULL;
}

/* All paths below a value are used. */
static void use(struct walk *w, const struct lval *v, const char *suffix)
{
    if (++w->depth > MAX_DEPTH) {
        w->depth--;
        return;
    }
    for (const struct names *p = v->paths; p; p = p->next)
        add_name(w, &w->out->reads,
                 *suffix ? tl_sv_str(tl_arena_printf(w->a, "%.*s%s", TL_SV_ARG(p->text), suffix)) : p->text);
    for (const struct lfield *f = v->fields; f; f = f->next)
        use(w, f->value, suffix);
    w->depth--;
}

/* Into *to: what may also be there. */
static void join(struct walk *w, struct lval *to, const struct lval *v)
{
    add_names(w, &to->paths, v->paths);
    add_names(w, &to->functions, v->functions);
    to->array |= v->array;
    to->object |= v->object;
    if (v->closure)
        to->closure = v->closure;
    for (const struct lfield *f = v->fields; f; f = f->next) {
        struct lval *old = get_field(to, f->name), *both;

        if (!old) {
            set_field(w, to, f->name, f->value);
            continue;
        }
        both = value_new(w);
        join(w, both, old);
        join(w, both, f->value);
        both->maybe = old->maybe || f->value->maybe;
        set_field(w, to, f->name, both);
    }
}

static void inexact(struct walk *w)
{
    w->out->exact = false;
}

/* ---- steps ---- */

static struct lval *step_name(struct walk *w, struct lval *ctx, struct tl_sv name)
{
    struct lval *v = value_new(w), *field = get_field(ctx, name);

    v->maybe = true;
    if (field) {
        join(w, v, field);
        v->maybe = field->maybe;
    }
    for (const struct names *p = ctx->paths; p; p = p->next)
        add_name(w, &v->paths,
                 p->text.n ? tl_sv_str(tl_arena_printf(w->a, "%.*s.%.*s", TL_SV_ARG(p->text), TL_SV_ARG(name))) : name);
    return v;
}

static struct lval *step_any(struct walk *w, struct lval *ctx, const char *mark)
{
    struct lval *v = step_name(w, ctx, tl_sv_str(mark));

    for (const struct lfield *f = ctx->fields; f; f = f->next)
        join(w, v, f->value);
    inexact(w);
    return v;
}

static struct lval *step_parent(struct walk *w, struct lval *ctx)
{
    struct lval *v = value_new(w);

    for (const struct names *p = ctx->paths; p; p = p->next) {
        size_t dot = p->text.n;

        while (dot > 0 && p->text.p[dot - 1] != '.')
            dot--;
        add_name(w, &v->paths, tl_sv(p->text.p, dot > 0 ? dot - 1 : 0));
    }
    return v;
}

static struct lval *pairs(struct walk *w, const struct jsonata_ast *n, struct lval *ctx, const struct binding **env)
{
    struct lval *v = value_new(w);

    v->object = true;
    for (size_t i = 0; i + 1 < n->count; i += 2) {
        const struct jsonata_ast *key = n->children[i];
        struct lval *value = eval(w, n->children[i + 1], ctx, env);

        if (key->kind == JSONATA_LITERAL && key->value.type == JSON_STRING) {
            set_field(w, v, json_view(key->value), value);
            continue;
        }
        use(w, eval(w, key, ctx, env), "");
        inexact(w);
        set_field(w, v, TL_SV("*"), value);
    }
    return v;
}

static struct lval *stages(struct walk *w, const struct jsonata_ast *n, struct lval *v, const struct binding **env)
{
    for (size_t i = 0; i < n->stage_count; i++) {
        const struct jsonata_ast *s = n->stages[i];

        if (s->kind == JSONATA_GROUP) {
            v = pairs(w, s, v, env);
            continue;
        }
        for (size_t k = 0; k < s->count; k++)
            if (s->children[k]->kind != JSONATA_LITERAL)
                use(w, eval(w, s->children[k], v, env), "");
        if (s->kind == JSONATA_FILTER) {
            struct lval *some = value_new(w);

            *some = *v;
            some->maybe = true;
            v = some;
        }
    }
    return v;
}

static const struct binding *bind(struct walk *w, const struct binding *up, struct tl_sv name, struct lval *v)
{
    struct binding *b = tl_arena_zalloc(w->a, sizeof(*b));

    if (!b) {
        w->full = true;
        return up;
    }
    *b = (struct binding){up, name, v};
    return b;
}

static struct lval *path(struct walk *w, const struct jsonata_ast *n, struct lval *ctx, const struct binding **env)
{
    struct lval *cur = ctx;

    for (size_t i = 0; i < n->count; i++) {
        const struct jsonata_ast *s = n->children[i];
        struct lval *next;

        if (s->kind == JSONATA_SORT) {
            for (size_t k = 0; k < s->count; k++)
                use(w, eval(w, s->children[k], cur, env), "");
            continue;
        }
        next = eval(w, s, cur, env);
        if (i > 0 && next->object && s->kind != JSONATA_NAME) { /* once for each item of what is before */
            struct lval *many = value_new(w);

            *many = *next;
            many->array = true;
            many->maybe = true;
            next = many;
        }
        if (s->focus) {
            *env = bind(w, *env, tl_sv_str(s->focus), next);
            next = cur;
        }
        if (s->index)
            *env = bind(w, *env, tl_sv_str(s->index), value_new(w));
        cur = next;
    }
    return cur;
}

/* ---- functions ---- */

static struct lval *call_closure(struct walk *w, const struct closure *c, struct lval *const *args, size_t n,
                                 struct lval *ctx)
{
    const struct binding *env = c->env;
    const struct jsonata_ast *lambda = c->lambda;

    for (size_t i = 0; i + 1 < lambda->count; i++)
        env = bind(w, env, json_view(lambda->children[i]->value), i < n ? args[i] : value_new(w));
    return lambda->count > 0 ? eval(w, lambda->children[lambda->count - 1], ctx, &env) : value_new(w);
}

static struct tl_sv function_name(struct walk *w, const struct jsonata_ast *p)
{
    if (p->kind == JSONATA_VARIABLE)
        return json_text(p->value, TL_SV(""));
    if (p->kind == JSONATA_PATH && p->count == 2 && p->children[0]->kind == JSONATA_VARIABLE &&
        p->children[1]->kind == JSONATA_NAME)
        return tl_sv_str(tl_arena_printf(w->a, "%.*s.%.*s", TL_SV_ARG(json_view(p->children[0]->value)),
                                         TL_SV_ARG(json_view(p->children[1]->value))));
    return TL_SV("");
}

static bool is_one_of(struct tl_sv name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tl_sv_eqs(name, names[i]))
            return true;
    return false;
}

/* The literal options of $tl.field: a default or a refusal means that nothing is missing. */
static bool field_is_certain(const struct jsonata_ast *spec)
{
    struct json o = spec->value;

    if (spec->kind == JSONATA_OBJECT) {
        for (size_t i = 0; i + 1 < spec->count; i += 2) {
            struct tl_sv key = json_text(spec->children[i]->value, TL_SV(""));
            struct json v = spec->children[i + 1]->value;

            if (tl_sv_eqs(key, "default") || (tl_sv_eqs(key, "required") && v.type == JSON_BOOL && v.u.b) ||
                (tl_sv_eqs(key, "missing") && !tl_sv_eqs(json_text(v, TL_SV("")), "default")))
                return true;
        }
        return false;
    }
    return json_gets(o, "default").type != JSON_UNDEFINED ||
           (json_gets(o, "required").type == JSON_BOOL && json_gets(o, "required").u.b) ||
           !tl_sv_eqs(json_text(json_gets(o, "missing"), TL_SV("default")), "default");
}

static struct lval *higher_order(struct walk *w, struct tl_sv name, struct lval *const *args, size_t n,
                                 struct lval *ctx)
{
    const struct closure *c = n > 1 ? args[1]->closure : NULL;
    struct lval *v, *result, *reduce[2];

    if (!c)
        return NULL;
    reduce[0] = n > 2 ? args[2] : args[0];
    reduce[1] = args[0];
    result = tl_sv_eqs(name, "reduce") ? call_closure(w, c, reduce, 2, ctx) : call_closure(w, c, args, 1, ctx);
    v = value_new(w);
    if (tl_sv_eqs(name, "map") || tl_sv_eqs(name, "each") || tl_sv_eqs(name, "reduce")) {
        *v = *result;
        v->array = !tl_sv_eqs(name, "reduce");
    } else {
        use(w, result, "");
        *v = *args[0];
    }
    v->maybe = true;
    return v;
}

static struct lval *apply(struct walk *w, const struct jsonata_ast *n, struct lval *const *args, size_t argc,
                          struct lval *ctx, const struct binding **env)
{
    static const char *const higher[] = {"map", "filter", "each", "sift", "reduce", "sort", "single"},
                             *const shape[] = {"merge", "append", "reverse", "distinct", "shuffle", "spread", "zip"},
                             *const certain[] = {"exists", "count",  "boolean", "not",   "now",
                                                 "millis", "random", "tl.uuid", "string"},
                             *const whether[] = {"exists", "count", "boolean", "not"};
    struct tl_sv name = function_name(w, n->children[0]);
    struct lval *v, *fn = eval(w, n->children[0], ctx, env);

    if (fn->closure)
        return call_closure(w, fn->closure, args, argc, ctx);
    v = is_one_of(name, higher, TL_COUNT(higher)) ? higher_order(w, name, args, argc, ctx) : NULL;
    if (v)
        return v;
    v = value_new(w);
    if (tl_sv_eqs(name, "lookup") && argc == 2 && n->count > 1 && n->children[n->count - 1]->kind == JSONATA_LITERAL &&
        n->children[n->count - 1]->value.type == JSON_STRING)
        return step_name(w, args[0], json_view(n->children[n->count - 1]->value));
    if (tl_sv_eqs(name, "eval"))
        inexact(w);
    for (size_t i = 0; i < argc; i++) {
        if (is_one_of(name, shape, TL_COUNT(shape))) {
            join(w, v, args[i]);
            continue;
        }
        add_names(w, &v->paths, args[i]->paths);
        add_names(w, &v->functions, args[i]->functions);
        use(w, args[i], is_one_of(name, whether, TL_COUNT(whether)) ? "#" : "");
    }
    if (name.n > 0)
        add_name(w, &v->functions, name);
    v->maybe = argc > 0 && args[0]->maybe && !is_one_of(name, certain, TL_COUNT(certain));
    if (tl_sv_eqs(name, "tl.field") && n->count > 2 && field_is_certain(n->children[2]))
        v->maybe = false;
    return v;
}

#define MAX_ARGS 32

static struct lval *call(struct walk *w, const struct jsonata_ast *n, struct lval *first, struct lval *ctx,
                         const struct binding **env)
{
    struct lval *args[MAX_ARGS];
    size_t argc = 0;

    if (first)
        args[argc++] = first;
    for (size_t i = 1; i < n->count && argc < MAX_ARGS; i++)
        args[argc++] = eval(w, n->children[i], ctx, env);
    return n->count > 0 ? apply(w, n, args, argc, ctx, env) : value_new(w);
}

static struct lval *chain(struct walk *w, const struct jsonata_ast *n, struct lval *ctx, const struct binding **env)
{
    const struct jsonata_ast *right = n->children[1];
    struct lval *left = eval(w, n->children[0], ctx, env), *v;

    if (right->kind == JSONATA_CALL)
        return call(w, right, left, ctx, env);
    v = eval(w, right, left, env);
    if (v->closure)
        return call_closure(w, v->closure, &left, 1, ctx);
    if (right->kind == JSONATA_VARIABLE) {
        struct lval *out = value_new(w);

        *out = *left;
        out->functions = NULL;
        add_names(w, &out->functions, left->functions);
        add_name(w, &out->functions, json_text(right->value, TL_SV("")));
        return out;
    }
    join(w, v, left);
    return v;
}

/* ---- everything else ---- */

static struct lval *variable(struct walk *w, const struct jsonata_ast *n, struct lval *ctx, const struct binding *env)
{
    struct tl_sv name = json_text(n->value, TL_SV(""));
    struct lval *v;

    if (name.n == 0)
        return ctx;
    if (tl_sv_eqs(name, "$"))
        return w->input;
    for (; env; env = env->up)
        if (tl_sv_eq(env->name, name))
            return env->value;
    v = value_new(w);
    v->maybe = true;
    return v;
}

static struct lval *operation(struct walk *w, const struct jsonata_ast *n, struct lval *ctx, const struct binding **env)
{
    static const char *const arithmetic[] = {"+", "-", "*", "/", "%"};
    struct lval *v = value_new(w);
    struct tl_sv op = json_text(n->value, TL_SV(""));

    for (size_t i = 0; i < n->count; i++) {
        struct lval *side = eval(w, n->children[i], ctx, env);

        add_names(w, &v->paths, side->paths);
        add_names(w, &v->functions, side->functions);
        use(w, side, "");
        v->maybe |= side->maybe && is_one_of(op, arithmetic, TL_COUNT(arithmetic));
    }
    v->array = tl_sv_eqs(op, "..");
    return v;
}

static struct lval *condition(struct walk *w, const struct jsonata_ast *n, struct lval *ctx, const struct binding **env)
{
    struct lval *v = value_new(w), *test = eval(w, n->children[0], ctx, env), *side;

    use(w, test, n->count == 3 && n->children[0] == n->children[1] ? "" : "#");
    use(w, test, "");
    v->maybe = n->count < 3;
    for (size_t i = 1; i < n->count; i++) {
        side = eval(w, n->children[i], ctx, env);
        join(w, v, side);
        v->maybe |= side->maybe;
    }
    if (!v->object)
        add_names(w, &v->paths, test->paths);
    return v;
}

static struct lval *literal(struct walk *w, struct json j)
{
    struct lval *v = value_new(w);

    if (j.type == JSON_OBJECT) {
        v->object = true;
        for (uint32_t i = 0; i < j.n; i++)
            set_field(w, v, json_view(j.u.members[i].key), literal(w, j.u.members[i].value));
    }
    v->array = j.type == JSON_ARRAY;
    return v;
}

static struct lval *array(struct walk *w, const struct jsonata_ast *n, struct lval *ctx, const struct binding **env)
{
    struct lval *v = value_new(w);

    for (size_t i = 0; i < n->count; i++)
        join(w, v, eval(w, n->children[i], ctx, env));
    v->array = true;
    return v;
}

static struct lval *block(struct walk *w, const struct jsonata_ast *n, struct lval *ctx, const struct binding *env)
{
    struct lval *v = value_new(w);

    for (size_t i = 0; i < n->count; i++)
        v = eval(w, n->children[i], ctx, &env);
    return v;
}

static struct lval *lambda(struct walk *w, const struct jsonata_ast *n, const struct binding *env)
{
    struct closure *c = tl_arena_zalloc(w->a, sizeof(*c));
    struct lval *v = value_new(w);

    if (!c) {
        w->full = true;
        return v;
    }
    *c = (struct closure){n, env};
    v->closure = c;
    return v;
}

static struct lval *assign(struct walk *w, const struct jsonata_ast *n, struct lval *ctx, const struct binding **env)
{
    struct lval *v = value_new(w), *result;

    *env = bind(w, *env, json_text(n->value, TL_SV("")), v); /* a function may call itself */
    result = n->count > 0 ? eval(w, n->children[n->count - 1], ctx, env) : v;
    *v = *result;
    return v;
}

static struct lval *plain(struct walk *w, const struct jsonata_ast *n, struct lval *ctx, const struct binding **env)
{
    switch (n->kind) {
    case JSONATA_LITERAL:
        return literal(w, n->value);
    case JSONATA_NAME:
        return step_name(w, ctx, json_text(n->value, TL_SV("")));
    case JSONATA_VARIABLE:
        return variable(w, n, ctx, *env);
    case JSONATA_WILDCARD:
        return step_any(w, ctx, "*");
    case JSONATA_DESCENDANT:
        return step_any(w, ctx, "**");
    case JSONATA_PARENT:
        return step_parent(w, ctx);
    case JSONATA_PATH:
        return path(w, n, ctx, env);
    case JSONATA_ARRAY:
        return array(w, n, ctx, env);
    case JSONATA_OBJECT:
    case JSONATA_GROUP:
        return pairs(w, n, ctx, env);
    case JSONATA_UNARY:
    case JSONATA_BINARY:
        return operation(w, n, ctx, env);
    case JSONATA_CONDITION:
        return condition(w, n, ctx, env);
    case JSONATA_BLOCK:
        return block(w, n, ctx, *env);
    case JSONATA_BIND:
        return assign(w, n, ctx, env);
    case JSONATA_LAMBDA:
        return lambda(w, n, *env);
    case JSONATA_CALL:
        return call(w, n, NULL, ctx, env);
    case JSONATA_APPLY:
        return chain(w, n, ctx, env);
    case JSONATA_TRANSFORM:
    case JSONATA_PARTIAL:
        inexact(w);
        return array(w, n, ctx, env);
    case JSONATA_FILTER:
    case JSONATA_SORT:
    case JSONATA_HOLE:
    case JSONATA_REGEX:
        break;
    }
    return value_new(w);
}

static struct lval *eval(struct walk *w, const struct jsonata_ast *n, struct lval *ctx, const struct binding **env)
{
    struct lval *v;

    if (w->full || w->depth >= MAX_DEPTH || ++w->steps > MAX_STEPS) { /* endless recursion ends here, too */
        inexact(w);
        return value_new(w);
    }
    w->depth++;
    v = stages(w, n, plain(w, n, ctx, env), env);
    w->depth--;
    return v;
}

bool lineage_of(const struct jsonata_program *p, struct tl_arena *a, struct lineage *ret)
{
    const struct jsonata_ast *tree = jsonata_tree(p, a);
    struct walk w = {.a = a, .out = ret};
    const struct binding *env = NULL;

    *ret = (struct lineage){.exact = true};
    w.input = tl_arena_zalloc(a, sizeof(*w.input));
    if (!tree || !w.input)
        return false;
    add_name(&w, &w.input->paths, TL_SV(""));
    ret->result = eval(&w, tree, w.input, &env);
    use(&w, ret->result, "");
    return !w.full;
}
