/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval.h - what the files of the evaluator share.
 *
 * run functions return a raw value: perhaps a sequence of one item or none. eval() gives what the language calls the
 * value of an expression: a sequence of one is its item, an empty one is nothing, unless it is to stay an array. A
 * failure is the value RAISED; what happened stands in the evaluation (e->error).
 */
#ifndef TL_JSONATA_EVAL_H
#define TL_JSONATA_EVAL_H

#include "jsonata/ast.h"

/* Types of values that never leave the evaluator. */
enum { V_RAISED = 255, V_UNBOUND = 254, V_TAIL = 253, V_TUPLE = 252 };
/* More flags of arrays. */
enum { V_F_TUPLES = 64, /* items are tuples */ V_F_OUTER = 128 /* the input was an array: a sequence around it */ };
#define V_F_ALL (JSON_F_SEQUENCE | JSON_F_KEEP | JSON_F_CONS | V_F_TUPLES | V_F_OUTER)

#define RAISED ((struct json){.type = V_RAISED})
#define UNBOUND ((struct json){.type = V_UNBOUND})

/* A frame of variables, or a tuple: then slot 0 is the item. */
struct env {
    struct env *up;
    const struct scope *scope;
    struct json slots[];
};

enum function_kind { F_NATIVE, F_LAMBDA, F_PARTIAL, F_REGEX, F_CLOSURE, F_TRANSFORM, F_COMPOSE };

struct function {
    uint8_t kind;
    uint32_t arity;
    union {
        struct {
            const struct jsonata_native *row;
            struct signature *signature;
        } native;
        struct {
            const struct node *n; /* lambda or transform */
            struct env *env;
            struct json input;
        } lambda;
        struct {
            struct json fn;
            struct json *args; /* V_UNBOUND where a value is still missing */
            uint32_t count;
        } partial;
        struct {
            const struct node *n;
        } regex;
        struct {
            jsonata_closure_fn fn;
            void *data;
        } closure;
        struct {
            struct json first, then;
        } compose;
    } u;
};
/* aux of a function value: it came as an argument, so it is called without a context, as the language has it. */
enum { FN_WRAPPED = 1 };

#define FUNCTION(v) ((const struct function *)(v).u.ext)

struct stack_chunk {
    struct stack_chunk *up;
    char *end;
};

#define TAIL_ARGS 8

struct jsonata_eval {
    struct env *env;
    /* memory: a piece of the arena, cut up here */
    char *bump, *bump_end;
    struct tl_arena *arena;
    size_t next_chunk;
    /* frames that nobody keeps */
    char *frames, *frames_end;
    /* budgets */
    int64_t ticks; /* until the next look at the clock */
    uint64_t steps_left;
    char *stack_floor;
    uint32_t depth, max_depth;
    uint64_t deadline_ns;
    uint32_t time_ms;
    bool whole;    /* see jsonata_input */
    bool shadowed; /* a binding has the name of a library function that the program uses */
    /* a call in tail position, on its way to whoever runs the loop */
    struct {
        const struct node *n;
        struct json fn;
        struct json *args;
        uint32_t count;
        struct json room[TAIL_ARGS];
    } tail;
    struct json root, bindings;
    const struct tl_clock *clock;
    int64_t now_ms;
    const struct jsonata_program *program;
    const struct jsonata_options *options;
    void *host;
    void *regex_scratch;
    enum tl_rc rc;
    struct jsonata_error error;
    struct json context; /* of the native call being made: what $eval takes as its input */
};

struct jsonata_program {
    uint32_t refs;
    struct tl_arena *arena;
    struct tl_sv text;
    struct node *root;
    struct scope *top;
    const char **library_names;
    uint32_t library_count;
    const char **free_names;
    uint32_t free_count;
    bool may_nest;
    struct jsonata_options options;
};

/* Of a key: a part without which it would be that of another event too. */
static inline bool eval_lacks(const struct jsonata_eval *e, struct json part)
{
    return TL_UNLIKELY(e->whole) && (part.type == JSON_UNDEFINED || part.type == JSON_NULL);
}

/* ---- memory ---- */
void *eval_alloc_slow(struct jsonata_eval *e, size_t n);
static inline void *eval_alloc(struct jsonata_eval *e, size_t n)
{
    char *p = e->bump;

    n = (n + 15) & ~(size_t)15;
    if (TL_LIKELY(n <= (size_t)(e->bump_end - p))) {
        e->bump = p + n;
        return p;
    }
    return eval_alloc_slow(e, n);
}

/* ---- failures ---- */
struct json eval_raise(struct jsonata_eval *e, const char *code, struct json value);
struct json eval_raise2(struct jsonata_eval *e, const char *code, struct json value, struct json value2);
struct json eval_exhausted(struct jsonata_eval *e);
/* Give the error the place and token of n, replacing what it has, or only where it has none. */
void eval_blame(struct jsonata_eval *e, int32_t pos, struct tl_sv token);
void eval_blame_default(struct jsonata_eval *e, int32_t pos, struct tl_sv token);

static inline bool raised(struct json v)
{
    return TL_UNLIKELY(v.type == V_RAISED);
}

/* ---- budgets ---- */
#define EVAL_TICKS 16384 /* between two looks at the clock */
bool eval_tick_slow(struct jsonata_eval *e);
static inline bool eval_tick(struct jsonata_eval *e)
{
    return TL_LIKELY(--e->ticks > 0) || eval_tick_slow(e);
}
static inline bool eval_stack_ok(const struct jsonata_eval *e)
{
    char here;

    return TL_LIKELY(&here > e->stack_floor);
}

/* ---- running ---- */
/* What a sequence is as a value; keep_array: the expression was followed by []. */
static inline struct json settle(struct json v)
{
    if (TL_UNLIKELY(v.type == JSON_ARRAY && (v.flags & JSON_F_SEQUENCE) && v.n <= 1 && !(v.flags & V_F_TUPLES))) {
        if (v.n == 0)
            return JSON_NOTHING;
        if (!(v.flags & JSON_F_KEEP))
            return v.u.items[0];
    }
    return v;
}
static inline struct json eval(struct jsonata_eval *e, const struct node *n, struct json in)
{
    return settle(n->run(e, n, in));
}
/* The truth of an expression: 0, 1, or -1 when it failed. */
int eval_truth(struct jsonata_eval *e, const struct node *n, struct json in);

/* ---- growing arrays ---- */
struct list {
    struct json *items;
    uint32_t n, cap;
};
bool list_grow(struct jsonata_eval *e, struct list *l, uint32_t room);
static inline bool list_push(struct jsonata_eval *e, struct list *l, struct json v)
{
    if (TL_UNLIKELY(l->n == l->cap) && !list_grow(e, l, 1))
        return false;
    l->items[l->n++] = v;
    return true;
}
bool list_push_all(struct jsonata_eval *e, struct list *l, struct json array);
static inline struct json list_value(const struct list *l, uint8_t flags)
{
    return (struct json){.type = JSON_ARRAY, .flags = flags, .n = l->n, .u.items = l->items};
}
/* An array of one. */
struct json array_of(struct jsonata_eval *e, struct json v, uint8_t flags);
/* The language's $append of two values. */
struct json run_append(struct jsonata_eval *e, struct json a, struct json b);

/* ---- value.c ---- */
/* Member of an object, or of each object in an array (a sequence, raw). */
struct json run_lookup(struct jsonata_eval *e, struct json v, struct tl_sv key);
struct json run_member(struct json object, struct tl_sv key);
static inline bool same_bytes(const char *a, const char *b, uint32_t n)
{
    uint64_t x, y;
    uint32_t u, v;

    if (n >= 8) {
        memcpy(&x, a, 8);
        memcpy(&y, b, 8);
        if (x != y)
            return false;
        if (n > 16)
            return memcmp(a + 8, b + 8, n - 8) == 0;
        memcpy(&x, a + n - 8, 8);
        memcpy(&y, b + n - 8, 8);
        return x == y;
    }
    if (n >= 4) {
        memcpy(&u, a, 4);
        memcpy(&v, b, 4);
        if (u != v)
            return false;
        memcpy(&u, a + n - 4, 4);
        memcpy(&v, b + n - 4, 4);
        return u == v;
    }
    return n == 0 || (a[0] == b[0] && a[n - 1] == b[n - 1] && (n < 3 || a[1] == b[1]));
}

struct json run_member_search(const struct json *object, const struct node *n);
/* Member of an object through the guess of its index that its place in the program keeps. */
static inline struct json member_hint(const struct json *object, const struct node *n)
{
    uint32_t i = __atomic_load_n(&n->hint, __ATOMIC_RELAXED);

    if (TL_LIKELY(i < object->n)) {
        const struct json_member *m = &object->u.members[i];

        if (TL_LIKELY(m->key.n == n->value.n && same_bytes(m->key.u.s, n->value.u.s, m->key.n)))
            return m->value;
    }
    return run_member_search(object, n);
}
/* Members in the order of the language: names that are array indexes first. NULL: arena limit. */
const struct json_member *run_ordered_members(struct jsonata_eval *e, struct json object);
int run_compare_text(struct json a, struct json b); /* by UTF-16 units */
bool run_same_value(struct json a, struct json b);  /* === of the language */
/* 1: finite number; 0: not a number (NaN too); -1: infinite, D1001 raised. */
int run_is_numeric(struct jsonata_eval *e, struct json v);
struct json run_flatten(struct jsonata_eval *e, struct json v);
struct json run_deep_clone(struct jsonata_eval *e, struct json v);
bool array_of_numbers(struct jsonata_eval *e, struct json v, bool *ret_raised);

/* ---- frames ---- */
struct env *env_new(struct jsonata_eval *e, const struct scope *scope, struct env *up);
static inline struct env *env_at(struct env *env, uint32_t hops)
{
    while (hops--)
        env = env->up;
    return env;
}

/* ---- path.c, tuple.c, sort.c, group.c, call.c ---- */
struct json run_path(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_tuple_path(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_filter(struct jsonata_eval *e, const struct node *predicate, struct json in,
                       const struct scope *tuple_scope);
struct json run_sort(struct jsonata_eval *e, const struct node *n, struct json in, bool tuples);
struct json run_group(struct jsonata_eval *e, const struct group *g, struct json in, const struct scope *tuple_scope);
struct json run_object(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_wildcard(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_descendants(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_call(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_tail_call(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_partial(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_apply(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_lambda(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_transform(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_regex(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_call_transform(struct jsonata_eval *e, const struct node *n, struct json value);
/* Call a function value with a context (JSON null when it has none). */
struct json run_function(struct jsonata_eval *e, struct json fn, const struct json *args, uint32_t n,
                         struct json context);
/* A tuple as the frame of what is evaluated for it. */
struct env *tuple_env(struct jsonata_eval *e, struct json tuple, const struct scope *scope);
/* The frames of a tuple stream run together: each name holds the values of all. RAISED on failure. */
struct json run_reduce_tuples(struct jsonata_eval *e, struct json tuples, const struct scope *scope);
/* $sum, $count, $max, $min, $average of a path in one pass: prepare.c puts this where it fits. */
struct json run_aggregate(struct jsonata_eval *e, const struct node *n, struct json in);

/* ---- signature.c ---- */
/* Checks and completes arguments: *args may be replaced. False: raised. */
bool signature_check(struct jsonata_eval *e, const struct signature *s, const struct json **args, uint32_t *n,
                     struct json context);

/* ---- program.c, run.c ---- */
enum tl_rc program_compile(struct tl_sv text, const struct jsonata_options *options, bool dynamic,
                           struct jsonata_program **ret, struct jsonata_error *ret_error, struct tl_err *err);
/* An array as input is one input: a sequence around it. */
struct json run_outer_input(struct jsonata_eval *e, struct json data);
/* Run a program inside an evaluation; up: the frames whose names it sees. */
struct json eval_program(struct jsonata_eval *e, const struct jsonata_program *p, struct json in, struct env *up);

#endif
