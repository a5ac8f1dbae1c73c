/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call.c - calling: lambdas, library functions, partial application, `~>`. A call in tail position does not recurse: it
 * leaves function and arguments in the evaluation and returns V_TAIL to the loop in run_function().
 */
#include "jsonata/ops.h"

#define ARGS 8
#define PLACED 1 /* aux of RAISED: the error's position stands */

static struct json function_value(const struct function *f)
{
    return (struct json){.type = JSON_EXT, .u.ext = (void *)(uintptr_t)f};
}

static struct function *new_function(struct jsonata_eval *e, enum function_kind kind, uint32_t arity)
{
    struct function *f = eval_alloc(e, sizeof(*f));

    if (!f) {
        eval_exhausted(e);
        return NULL;
    }
    f->kind = (uint8_t)kind;
    f->arity = arity;
    return f;
}

static struct tl_sv procedure_name(const struct node *call)
{
    const struct node *p = call->a->kind == K_PATH ? call->a->list[0] : call->a;

    return p->value.type == JSON_STRING ? node_key(p) : TL_SV_NULL;
}

/* An error on its way through a call is shown at the call; the innermost function gives the token. placed: a call in
 * tail position has shown it already. */
static struct json blame_call(struct jsonata_eval *e, const struct node *site, bool placed)
{
    if (placed || site->pos == 0)
        eval_blame_default(e, site->pos, procedure_name(site));
    else
        eval_blame(e, site->pos, e->error.has_token ? TL_SV_NULL : procedure_name(site));
    return RAISED;
}

/* ---- one call, without the loop ---- */

static struct json call_body(struct jsonata_eval *e, const struct function *f, struct env *env)
{
    struct env *saved = e->env;
    struct json v;

    if (!eval_stack_ok(e) || !eval_tick(e) || e->depth >= e->max_depth)
        return eval_exhausted(e);
    e->env = env;
    v = eval(e, f->u.lambda.n->a, f->u.lambda.input);
    e->env = saved;
    return v;
}

static struct json call_lambda(struct jsonata_eval *e, const struct function *f, const struct json *args, uint32_t n,
                               struct json context, bool check)
{
    const struct node *lambda = f->u.lambda.n;
    char *frames = e->frames;
    struct env *env = f->u.lambda.env;
    struct json v;

    if (check && lambda->signature && !signature_check(e, lambda->signature, &args, &n, context))
        return RAISED;
    if (lambda->scope->used) {
        env = env_new(e, lambda->scope, env);
        if (!env)
            return eval_exhausted(e);
        for (uint32_t i = 0; i < lambda->params; i++)
            env->slots[lambda->list[i]->place->slot] = i < n ? args[i] : JSON_NOTHING;
    }
    v = call_body(e, f, env);
    e->frames = frames;
    return v;
}

static struct json call_native(struct jsonata_eval *e, const struct function *f, const struct json *args, uint32_t n,
                               struct json context)
{
    const struct signature *s = f->u.native.signature;
    struct json padded[ARGS], ret = JSON_NOTHING, saved = e->context;
    enum tl_rc rc;

    if (!eval_stack_ok(e) || !eval_tick(e))
        return eval_exhausted(e);
    if (s) {
        if (!signature_check(e, s, &args, &n, context))
            return RAISED;
        if (n < signature_params(s) && signature_params(s) <= ARGS) {
            memset(padded, 0, sizeof(padded));
            memcpy(padded, args, n * sizeof(*args));
            args = padded;
        }
    }
    e->context = context;
    rc = f->u.native.row->fn(e, args, n, &ret);
    e->context = saved;
    return rc == TL_OK ? ret : RAISED;
}

static struct json call_partial(struct jsonata_eval *e, const struct function *f, const struct json *args, uint32_t n,
                                struct json context);

static struct json call_once(struct jsonata_eval *e, const struct function *f, const struct json *args, uint32_t n,
                             struct json context, bool check)
{
    struct json ret = JSON_NOTHING;

    switch (f->kind) {
    case F_LAMBDA:
        return call_lambda(e, f, args, n, context, check);
    case F_NATIVE:
        return call_native(e, f, args, n, context);
    case F_PARTIAL:
        return call_partial(e, f, args, n, context);
    case F_REGEX:
        return jsonata_regex_call(e, f->u.regex.n->regex, args, n, &ret) == TL_OK ? ret : RAISED;
    case F_CLOSURE:
        return f->u.closure.fn(e, f->u.closure.data, args, n, &ret) == TL_OK ? ret : RAISED;
    case F_TRANSFORM: {
        struct env *saved = e->env;

        if (n > 0 && args[0].type != JSON_OBJECT && args[0].type != JSON_ARRAY && args[0].type != JSON_UNDEFINED) {
            ret = eval_raise(e, "T0410", args[0]);
            e->error.index = 1;
            return ret;
        }
        e->env = f->u.lambda.env;
        ret = run_call_transform(e, f->u.lambda.n, n > 0 ? args[0] : JSON_NOTHING);
        e->env = saved;
        return ret;
    }
    default: /* F_COMPOSE */
        ret = settle(run_function(e, f->u.compose.first, args, n ? 1 : 0, json_null()));
        return raised(ret) ? ret : run_function(e, f->u.compose.then, &ret, 1, json_null());
    }
}

static struct json call_partial(struct jsonata_eval *e, const struct function *f, const struct json *args, uint32_t n,
                                struct json context)
{
    uint32_t given = 0;
    struct json *all = eval_alloc(e, (f->u.partial.count + 1) * sizeof(*all));

    if (!all || !eval_stack_ok(e))
        return eval_exhausted(e);
    for (uint32_t i = 0; i < f->u.partial.count; i++) {
        all[i] = f->u.partial.args[i];
        if (all[i].type == V_UNBOUND) {
            all[i] = given < n ? args[given] : JSON_NOTHING;
            given++;
        }
    }
    return call_once(e, FUNCTION(f->u.partial.fn), all, f->u.partial.count, context, false);
}

/* As above for a call in tail position, which is shown at its procedure. The result says so to the call that loops. */
static struct json blame_tail(struct jsonata_eval *e, const struct node *site)
{
    struct json v = RAISED;

    if (site->a->kind != K_PATH && site->a->pos > 0)
        eval_blame(e, site->a->pos, TL_SV_NULL);
    if (site->a->kind == K_VARIABLE)
        eval_blame_default(e, -1, node_key(site->a));
    v.aux = PLACED;
    return v;
}

/* What stands in e->tail, until no call is left. */
static struct json finish_tail(struct jsonata_eval *e, struct json context)
{
    struct json room[TAIL_ARGS], v = {.type = V_TAIL};

    while (v.type == V_TAIL) {
        const struct node *site = e->tail.n;
        struct json fn = e->tail.fn, *args = e->tail.args;
        uint32_t n = e->tail.count;

        if (args == e->tail.room) {
            memcpy(room, args, n * sizeof(*args));
            args = room;
        }
        v = call_once(e, FUNCTION(fn), args, n, fn.aux & FN_WRAPPED ? json_null() : context, true);
        if (raised(v))
            return blame_tail(e, site);
    }
    return v;
}

struct json run_function(struct jsonata_eval *e, struct json fn, const struct json *args, uint32_t n,
                         struct json context)
{
    struct json v = call_once(e, FUNCTION(fn), args, n, context, true);

    return v.type == V_TAIL ? finish_tail(e, context) : v;
}

enum tl_rc jsonata_call(struct jsonata_eval *e, struct json fn, const struct json *args, size_t n, struct json *ret)
{
    bool bare;
    struct json v;

    if (fn.type != JSON_EXT) /* an argument that a signature lets be missing */
        return jsonata_raise(e, "T1006", JSON_NOTHING);
    bare = !(fn.aux & FN_WRAPPED) && FUNCTION(fn)->kind == F_LAMBDA;
    v = run_function(e, fn, args, (uint32_t)n, bare ? FUNCTION(fn)->u.lambda.input : json_null());
    if (raised(v))
        return e->rc;
    *ret = v;
    return TL_OK;
}

uint32_t jsonata_arity(struct json fn)
{
    return fn.type == JSON_EXT ? FUNCTION(fn)->arity : 0;
}

const struct jsonata_regex *jsonata_regex_of(struct json fn)
{
    return fn.type == JSON_EXT && FUNCTION(fn)->kind == F_REGEX ? FUNCTION(fn)->u.regex.n->regex : NULL;
}

struct json jsonata_closure(struct jsonata_eval *e, jsonata_closure_fn fn, void *data, uint32_t arity)
{
    struct function *f = new_function(e, F_CLOSURE, arity);

    if (!f)
        return JSON_NOTHING;
    f->u.closure.fn = fn;
    f->u.closure.data = data;
    return function_value(f);
}

/* ---- the nodes ---- */

static struct json procedure_of(struct jsonata_eval *e, const struct node *n, struct json in, const char *code)
{
    struct json fn = eval(e, n->a, in);

    if (fn.type == JSON_UNDEFINED && n->c) {
        struct json named = run_variable(e, n->c, in);

        if (named.type != JSON_UNDEFINED) {
            eval_raise(e, code, JSON_NOTHING);
            eval_blame(e, n->pos, procedure_name(n));
            return RAISED;
        }
    }
    return fn;
}

/* Arguments into room (of ARGS) or, when they are more, into the arena. extra: one that comes first. */
static struct json *arguments(struct jsonata_eval *e, const struct node *n, struct json in, const struct json *extra,
                              struct json *room, bool wrap)
{
    uint32_t at = 0, count = n->count + (extra ? 1 : 0);
    struct json *args = count > ARGS ? eval_alloc(e, count * sizeof(*args)) : room;

    if (!args) {
        eval_exhausted(e);
        return NULL;
    }
    if (extra)
        args[at++] = *extra;
    for (uint32_t i = 0; i < n->count; i++, at++) {
        args[at] = eval(e, n->list[i], in);
        if (raised(args[at]))
            return NULL;
        if (wrap && args[at].type == JSON_EXT)
            args[at].aux |= FN_WRAPPED;
    }
    return args;
}

static struct json not_a_function(struct jsonata_eval *e, const struct node *n, const char *code)
{
    struct tl_sv name = procedure_name(n);
    char text[40];

    if (!name.p && n->a->kind == K_LITERAL && json_is_number(n->a->value))
        name = tl_sv(text, json_format_double(json_number(n->a->value), text));
    eval_raise(e, code, JSON_NOTHING);
    eval_blame(e, n->pos, name);
    return RAISED;
}

static struct json invoke(struct jsonata_eval *e, const struct node *n, struct json in, const struct json *extra)
{
    struct json room[ARGS], *args, v;
    struct json fn = procedure_of(e, n, in, "T1005");
    bool wrapped = fn.type == JSON_EXT && (fn.aux & FN_WRAPPED);

    if (raised(fn))
        return fn;
    args = arguments(e, n, in, extra, room, true);
    if (!args)
        return RAISED;
    if (fn.type != JSON_EXT)
        return not_a_function(e, n, "T1006");
    e->depth += n->level;
    v = run_function(e, fn, args, n->count + (extra ? 1 : 0), wrapped ? json_null() : in);
    e->depth -= n->level;
    return raised(v) ? blame_call(e, n, wrapped || v.aux == PLACED) : v;
}

/* The usual call of a lambda: its arguments are evaluated straight into its frame. */
static struct json invoke_lambda(struct jsonata_eval *e, const struct node *n, struct json in, const struct function *f,
                                 bool wrapped)
{
    const struct node *lambda = f->u.lambda.n;
    char *frames = e->frames;
    struct env *env = env_new(e, lambda->scope, f->u.lambda.env);
    struct json v;

    if (!env)
        return eval_exhausted(e);
    for (uint32_t i = 0; i < n->count; i++) {
        v = eval(e, n->list[i], in);
        if (raised(v)) {
            e->frames = frames;
            return v;
        }
        if (v.type == JSON_EXT)
            v.aux |= FN_WRAPPED;
        if (i < lambda->params)
            env->slots[lambda->list[i]->place->slot] = v;
    }
    for (uint32_t i = n->count; i < lambda->params; i++)
        env->slots[lambda->list[i]->place->slot] = JSON_NOTHING;
    e->depth += n->level;
    v = call_body(e, f, env);
    e->frames = frames;
    if (v.type == V_TAIL)
        v = finish_tail(e, wrapped ? json_null() : in);
    e->depth -= n->level;
    return raised(v) ? blame_call(e, n, wrapped || v.aux == PLACED) : v;
}

struct json run_call(struct jsonata_eval *e, const struct node *n, struct json in)
{
    if (n->a->kind == K_VARIABLE) {
        struct json fn = n->a->run(e, n->a, in);

        if (fn.type == JSON_EXT && FUNCTION(fn)->kind == F_LAMBDA && !FUNCTION(fn)->u.lambda.n->signature &&
            FUNCTION(fn)->u.lambda.n->scope->used)
            return invoke_lambda(e, n, in, FUNCTION(fn), fn.aux & FN_WRAPPED);
    }
    return invoke(e, n, in, NULL);
}

struct json run_tail_call(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json room[ARGS], *args;
    struct json fn = eval(e, n->a, in);

    if (raised(fn))
        return fn;
    args = arguments(e, n, in, NULL, room, false);
    if (!args)
        return RAISED;
    if (fn.type != JSON_EXT)
        return not_a_function(e, n, "T1006");
    e->tail.n = n;
    e->tail.fn = fn;
    e->tail.count = n->count;
    e->tail.args = args;
    if (args == room) {
        memcpy(e->tail.room, room, n->count * sizeof(*room));
        e->tail.args = e->tail.room;
    }
    return (struct json){.type = V_TAIL};
}

struct json run_partial(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json *args = eval_alloc(e, (n->count + 1) * sizeof(*args)), fn;
    struct function *f;
    uint32_t count;

    if (!args)
        return eval_exhausted(e);
    for (uint32_t i = 0; i < n->count; i++) {
        args[i] = n->list[i]->kind == K_OPERATOR ? UNBOUND : eval(e, n->list[i], in);
        if (raised(args[i]))
            return RAISED;
    }
    fn = procedure_of(e, n, in, "T1007");
    if (raised(fn))
        return fn;
    if (fn.type != JSON_EXT)
        return not_a_function(e, n, "T1008");
    f = new_function(e, F_PARTIAL, 0);
    if (!f)
        return RAISED;
    count = FUNCTION(fn)->kind == F_LAMBDA ? FUNCTION(fn)->u.lambda.n->params : n->count;
    if (count > n->count)
        count = n->count;
    for (uint32_t i = 0; i < count; i++)
        f->arity += args[i].type == V_UNBOUND;
    f->u.partial.fn = fn;
    f->u.partial.args = args;
    f->u.partial.count = count;
    return function_value(f);
}

struct json run_apply(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json left = eval(e, n->a, in), fn;
    struct function *f;

    if (raised(left))
        return left;
    if (n->b->kind == K_CALL)
        return invoke(e, n->b, in, &left);
    fn = eval(e, n->b, in);
    if (raised(fn))
        return fn;
    if (fn.type != JSON_EXT) {
        eval_raise(e, "T2006", fn);
        eval_blame(e, n->pos, TL_SV_NULL);
        return RAISED;
    }
    if (left.type != JSON_EXT)
        return run_function(e, fn, &left, 1, json_null());
    f = new_function(e, F_COMPOSE, 1);
    if (!f)
        return RAISED;
    f->u.compose.first = left;
    f->u.compose.then = fn;
    return function_value(f);
}

struct json run_lambda(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct function *f =
        new_function(e, n->kind == K_LAMBDA ? F_LAMBDA : F_TRANSFORM, n->kind == K_LAMBDA ? n->params : 1);

    if (!f)
        return RAISED;
    f->u.lambda.n = n;
    f->u.lambda.env = e->env;
    f->u.lambda.input = in;
    return function_value(f);
}
