/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jsonata.h - JSONata 2.2.2: compile once, evaluate anywhere.
 *
 * A program is immutable and ref-counted: all threads may evaluate one program at the same time, each with its own
 * arena. Evaluation never suspends and never logs. It recurses on the C stack: call it on the big stack (DESIGN section
 * 4). A result may share memory with the input, the bindings, the program and the arena: it lives as long as the
 * shortest of them. The source of the language is https://docs.jsonata.org; error codes are those of its reference
 * implementation.
 */
#ifndef TL_JSONATA_JSONATA_H
#define TL_JSONATA_JSONATA_H

#include "json/json.h"

struct jsonata_program;
struct jsonata_eval;

/* What went wrong, in the terms of the language. Filled only on failure. */
struct jsonata_error {
    char code[8];     /* "T2001" */
    int32_t position; /* offset in the source in UTF-16 units, after the token, as the language counts; -1: unknown */
    bool has_token;
    char token[128];   /* cut when longer */
    int32_t index;     /* of the argument, from 1; 0: not about one */
    char function[64]; /* "encodeUrl"; "" where it doesn't matter */
    struct json value; /* the offending value or JSON_UNDEFINED; lives in the evaluation's arena or the source text */
    struct json value2;
    char text[512]; /* the message of the language, for people */
};

/*
 * A function written in C. Arguments have been checked against the signature, context filled in, and padded with
 * JSON_UNDEFINED up to the number of parameters that the signature has; n counts those that were given (or came from
 * the context). A failure is reported with jsonata_raise() (jsonata_int.h) or, by a host, with jsonata_host_fail().
 */
typedef enum tl_rc (*jsonata_fn)(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret);

struct jsonata_native {
    const char *name;      /* without $ */
    const char *signature; /* "<s-nn?:s>"; NULL: anything goes */
    jsonata_fn fn;
};

/* Functions of the host, called as $name.member(...): one constant object, "tl" for $tl.uuid(). */
struct jsonata_namespace {
    const char *name; /* without $ */
    const struct jsonata_native *functions;
    size_t count;
};

struct jsonata_options {
    const struct jsonata_namespace *namespaces; /* copied; function pointers and texts must stay for ever */
    size_t namespace_count;
    bool strict;        /* nothing but the language: namespaces are not bound */
    size_t max_source;  /* bytes; 0: 1 MB */
    uint32_t max_depth; /* nesting of the source; 0: 500 */
};

/* Compile. TL_PARSE with *ret_error filled (and line and column in err) when the text is not JSONata. */
TL_MUST_CHECK enum tl_rc jsonata_compile(struct tl_sv text, const struct jsonata_options *options,
                                         struct jsonata_program **ret, struct jsonata_error *ret_error,
                                         struct tl_err *err);
struct jsonata_program *jsonata_ref(struct jsonata_program *p);
void jsonata_unref(struct jsonata_program *p); /* NULL allowed */
void jsonata_unrefp(struct jsonata_program **p);
struct tl_sv jsonata_source(const struct jsonata_program *p);

/* Passing a budget ends the evaluation: U1001 for depth, steps, stack and time, U1002 for memory. 0 takes the default.
 */
struct jsonata_budget {
    uint64_t steps;     /* expressions evaluated and items visited; default 1,000 million */
    uint32_t depth;     /* nested function calls; default: only the stack limits */
    size_t stack_bytes; /* of the C stack from the call of jsonata_eval on; default 4 MB */
    uint32_t time_ms;   /* default 10,000 */
    /* memory: the limit of the arena that the caller gives */
};

struct jsonata_input {
    struct json data;                    /* JSON_UNDEFINED: no input */
    struct json bindings;                /* an object: variables by name without $, or JSON_UNDEFINED */
    const struct jsonata_budget *budget; /* NULL: defaults */
    const struct tl_clock *clock;        /* NULL: the system's; $now and $millis are fixed for an evaluation */
    void *host;                          /* for the host's functions: jsonata_host() */
    /* For keys, which must not be alike where a part is missing: `&`, [...], {...} and $append give nothing where one
     * of their parts is nothing or null, where the language would go on with the parts that there are. [...][0] and
     * [...][-1] join nothing: they are the first and the last that there is. */
    bool whole;
    uint64_t *ret_steps; /* NULL, or how many it took, also when it failed */
};

/*
 * Evaluate. TL_OK: *ret is the result, JSON_UNDEFINED when there is none; it has no functions in it (in arrays they
 * become null, members are left out). TL_INVALID: *ret_error says what the expression found; TL_BUDGET: a budget was
 * passed.
 */
TL_MUST_CHECK enum tl_rc jsonata_run(const struct jsonata_program *p, struct tl_arena *arena,
                                     const struct jsonata_input *in, struct json *ret, struct jsonata_error *ret_error,
                                     struct tl_err *err);

/* For host functions. */
void *jsonata_host(const struct jsonata_eval *e);
struct tl_arena *jsonata_arena(const struct jsonata_eval *e);
/* Raise an error of the host from a function of the host; code of at most 7 characters ("TL001"). Returns TL_INVALID.
 */
enum tl_rc jsonata_host_fail(struct jsonata_eval *e, const char *code, const char *fmt, ...) TL_PRINTF(3, 4);

/* ---- looking at a program: for lineage and checks ---- */

enum jsonata_kind {
    JSONATA_LITERAL,  /* value */
    JSONATA_NAME,     /* value: the member's name; also a string as a step */
    JSONATA_VARIABLE, /* value: name without $; "" is the context, "$" the input */
    JSONATA_WILDCARD,
    JSONATA_DESCENDANT,
    JSONATA_PARENT,
    JSONATA_PATH,   /* children: steps */
    JSONATA_FILTER, /* child: predicate; belongs to the node before it in the same path or parent */
    JSONATA_SORT,   /* children: terms */
    JSONATA_GROUP,  /* children: key, value, key, value ... */
    JSONATA_ARRAY,
    JSONATA_OBJECT,    /* children: key, value, key, value ... */
    JSONATA_UNARY,     /* value: operator */
    JSONATA_BINARY,    /* value: operator; children: left, right */
    JSONATA_CONDITION, /* children: condition, then, else? */
    JSONATA_BLOCK,
    JSONATA_BIND,    /* value: name; child */
    JSONATA_LAMBDA,  /* children: parameters (JSONATA_VARIABLE), then the body */
    JSONATA_CALL,    /* children: procedure, arguments */
    JSONATA_PARTIAL, /* children: procedure, arguments; a JSONATA_HOLE for each ? */
    JSONATA_HOLE,
    JSONATA_APPLY,     /* ~>  children: left, right */
    JSONATA_TRANSFORM, /* children: pattern, update, delete? */
    JSONATA_REGEX
};

struct jsonata_ast {
    enum jsonata_kind kind;
    int32_t position;
    struct json value;
    const struct jsonata_ast *const *children;
    size_t count;
    /* what binds to a step or an expression: filters, group, sort, in the order of the text */
    const struct jsonata_ast *const *stages;
    size_t stage_count;
    const char *focus; /* name bound by @$name, or NULL */
    const char *index; /* name bound by #$name, or NULL */
};

/* The tree as the language sees it; built in the arena, texts shared with the program. NULL: arena limit. */
const struct jsonata_ast *jsonata_tree(const struct jsonata_program *p, struct tl_arena *arena);
/* Names of the variables that the program reads and does not bind itself (functions of the library left out). */
size_t jsonata_free_variables(const struct jsonata_program *p, const char *const **ret_names);

/* The truth of a value as $boolean sees it: false, 0, "", null, undefined, functions, empty objects and lists without a
 * true member are false. */
bool jsonata_truth(struct json v);

#endif
