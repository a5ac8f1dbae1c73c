/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ast.h - the tree of a program, from the parser to the evaluator.
 *
 * One node type serves all stages. The parser makes nodes; shape.c turns '.' and '[' into paths with stages and finds
 * what each '%' means; resolve.c gives every variable a place; prepare.c folds constants and chooses the function that
 * runs each node. After that the tree never changes, except for `hint`, a guess that is only ever read and written
 * whole.
 */
#ifndef TL_JSONATA_AST_H
#define TL_JSONATA_AST_H

#include "jsonata/jsonata_int.h"

enum kind {
    K_LITERAL, /* value: string, number, true, false, null; or folded */
    K_NAME,
    K_VARIABLE,
    K_WILDCARD,
    K_DESCENDANT,
    K_PARENT,
    K_REGEX,
    K_OPERATOR, /* `and`, `or`, `in` in the place of a name, and `?` in a call; parser only */
    K_END,      /* the end of the text where an operand was expected; parser only */
    K_BINARY,
    K_UNARY, /* - */
    K_ARRAY,
    K_OBJECT, /* list: key, value, ... */
    K_CONDITION,
    K_ELVIS,    /* a ?: b */
    K_COALESCE, /* a ?? b */
    K_BLOCK,
    K_BIND,
    K_LAMBDA,
    K_CALL,
    K_PARTIAL,
    K_APPLY,
    K_TRANSFORM,
    K_PATH,
    K_SORT,   /* a step of a path; list: terms */
    K_CONCAT, /* made by prepare.c of a chain of & */
};

enum op {
    OP_NONE,
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_CONCAT,
    OP_AND,
    OP_OR,
    OP_IN,
    OP_RANGE,
    OP_CHAIN,
    OP_BIND,
    OP_DOT,
    OP_FILTER,
    OP_GROUP,
    OP_SORT,
    OP_FOCUS,
    OP_INDEX,
    OP_HOLE
};

enum {
    N_KEEP_ARRAY = 1,     /* [] was written after it */
    N_CONS = 2,           /* array constructor at an end of a path: not flattened */
    N_TUPLE = 4,          /* step: binds names; path, block: gives its tuples to the path around it */
    N_KEEP_SINGLETON = 8, /* path: one result stays an array */
    N_DESCENDING = 16,    /* sort term */
    N_TAIL = 32,          /* call in tail position */
    N_CAPTURED = 64,      /* scope owner: its frame may outlive it */
    N_BOOLEAN = 128,      /* gives true, false or nothing else */
    N_CONST_KEYS = 256,   /* object: keys are distinct literals */
    N_SELF_STAGED = 512,  /* predicates that belong to the expression, not to a step */
    N_CHOICE = 1024       /* array constructor of which only its first or its last is taken */
};

/* A name in the program: equal names are equal pointers. */
struct symbol {
    struct symbol *next;
    uint32_t n;
    char text[];
};

/* What one % stands for; several may share the label of the step that they end at. */
struct ancestor {
    const struct symbol *label;
    int32_t level;
    struct ancestor *owner; /* the entry whose label counts: see shape.c */
};

struct ancestors {
    struct ancestor **v;
    uint32_t n, cap;
};

enum stage_kind { STAGE_FILTER, STAGE_INDEX };
struct stage {
    enum stage_kind kind;
    int32_t pos;
    struct node *expr;          /* filter */
    const struct symbol *index; /* index: name, and its slot in the tuple */
    uint32_t slot;
};

struct group {
    struct node **pairs; /* key, value, ... */
    uint32_t n;          /* of pairs */
    int32_t pos;
};

/* Names of one frame at run time. A path with tuples has one too: slot 0 is the item. */
struct scope {
    struct scope *up;
    const struct symbol **names;
    uint32_t n, cap;
    bool captured; /* a lambda may keep it: the frame comes from the arena */
    bool tuple;
    uint32_t params;      /* of a lambda: the first names, always bound */
    uint32_t tuple_names; /* of tuples: so many of the names belong to the tuple and go on with it */
    bool used;            /* it has names, so it exists at run time */
};

/* Where a variable is: so many frames up, that slot; when nothing was bound there yet, look at `next`. */
struct place {
    struct place *next;
    uint32_t hops, slot;
};

struct signature;
struct jsonata_eval;

typedef struct json (*run_fn)(struct jsonata_eval *e, const struct node *n, struct json in);

struct node {
    run_fn run;
    run_fn inner; /* what run_staged runs first */
    uint8_t kind, op;
    uint16_t flags;
    int32_t pos; /* bytes; after the token, as the language counts */
    uint32_t hint;
    uint32_t count;
    struct json value;
    struct node *a, *b, *c;
    struct node **list; /* steps, items, arguments, expressions, pairs, terms */
    const struct symbol *symbol;
    /* what hangs on it */
    struct stage *stages;
    uint32_t stage_count;
    uint32_t height;
    struct group *group;
    struct group *own; /* object: its pairs, when not all keys are constant */
    const struct symbol *focus, *index;
    uint32_t focus_slot, index_slot;
    struct ancestor *ancestor; /* step: the name under which a later % finds its input */
    uint32_t ancestor_slot;
    struct ancestors *seeking; /* parents not found yet (shape.c) */
    /* names */
    struct place *place;
    int32_t free;         /* variable: index among the program's free variables, or -1 */
    struct json function; /* variable: the library's function of that name, or nothing */
    struct scope *scope;
    struct scope *tuple_scope;
    struct signature *signature;
    struct jsonata_regex *regex;
    uint32_t params;
    uint32_t level; /* call: how deep in its function, as the depth of an evaluation is counted */
};

/* The text of a name, variable or string. */
static inline struct tl_sv node_key(const struct node *n)
{
    return (struct tl_sv){n->value.u.s, n->value.n};
}

/* Everything a program owns while it is compiled, and afterwards. */
struct compiler {
    struct tl_arena *arena;
    struct tl_sv text;
    struct symbol *symbols[64];
    struct jsonata_error *error;
    enum tl_rc rc; /* first failure */
    const struct jsonata_options *options;
    uint32_t max_height;
    /* lexer */
    size_t at;
    /* parser */
    struct token {
        enum token_type { T_END, T_OP, T_STRING, T_NUMBER, T_VALUE, T_NAME, T_VARIABLE, T_REGEX } type;
        uint8_t op; /* T_OP: enum token_op */
        int32_t pos;
        struct json value; /* text of the operator, name, literal */
        struct jsonata_regex *regex;
    } token;
    uint32_t nesting;
    /* shape */
    uint32_t labels;
    /* resolve */
    struct scope *scope;
    const char **free_names;
    uint32_t free_count, free_cap;
    const char **library_names;
    uint32_t library_count, library_cap;
    uint32_t level;
    struct json_builder functions; /* object: functions of the library made so far */
    bool uses_eval;
    bool dynamic;  /* compiled by $eval: names may be bound around it */
    bool may_nest; /* values may hold functions, or nest without end */
};

/* ast.c */
struct node *ast_node(struct compiler *c, enum kind kind, int32_t pos);
struct node *ast_clone(struct compiler *c, const struct node *n);
const struct symbol *ast_symbol(struct compiler *c, struct tl_sv name);
void *ast_alloc(struct compiler *c, size_t n);
/* Append to a growing list of pointers: list, count and capacity (a power of two, implied by the count). */
struct node **ast_push(struct compiler *c, struct node **list, uint32_t *count, struct node *n);
const char *ast_op_text(enum op op);
/* Record a failure (the first one counts) and return NULL. token or value may be JSON_NOTHING. */
struct node *ast_fail(struct compiler *c, const char *code, int32_t pos, struct json token, struct json value);

/* lexer.c: next token into c->token; infix: a slash is a division. */
bool lexer_next(struct compiler *c, bool infix);
/* parser.c */
struct node *parser_parse(struct compiler *c);
/* shape.c */
struct node *shape_program(struct compiler *c, struct node *n);
/* resolve.c */
bool resolve_program(struct compiler *c, struct node *n, struct scope **ret_top);
/* prepare.c */
bool prepare_program(struct compiler *c, struct node *n);

/* signature.c */
struct signature *signature_parse(struct tl_arena *a, struct tl_sv text, const char **ret_code, uint32_t *ret_offset,
                                  struct tl_sv *ret_value);
uint32_t signature_params(const struct signature *s);

/* errors.c: the message of a code with its inserts. */
void errors_message(struct jsonata_error *error, struct tl_sv message);

#endif
