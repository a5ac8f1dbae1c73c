/* SPDX-License-Identifier: Apache-2.0 */
#include "jsonata/ast.h"

void *ast_alloc(struct compiler *c, size_t n)
{
    void *p = tl_arena_must(c->arena, n);

    memset(p, 0, n);
    return p;
}

struct node *ast_node(struct compiler *c, enum kind kind, int32_t pos)
{
    struct node *n = ast_alloc(c, sizeof(*n));

    n->kind = (uint8_t)kind;
    n->pos = pos;
    n->free = -1;
    n->height = 1;
    return n;
}

struct node **ast_push(struct compiler *c, struct node **list, uint32_t *count, struct node *n)
{
    uint32_t at = *count;

    if ((at & (at - 1)) == 0) { /* 0, 1, 2, 4, ...: full */
        struct node **bigger = ast_alloc(c, (at ? 2 * (size_t)at : 1) * sizeof(struct node *));

        if (at)
            memcpy(bigger, list, at * sizeof(struct node *));
        list = bigger;
    }
    list[at] = n;
    *count = at + 1;
    return list;
}

const struct symbol *ast_symbol(struct compiler *c, struct tl_sv name)
{
    struct symbol **bucket = &c->symbols[tl_hash64(name.p, name.n, 0) % TL_COUNT(c->symbols)];
    struct symbol *s;

    for (s = *bucket; s; s = s->next)
        if (tl_sv_eq(name, tl_sv(s->text, s->n)))
            return s;
    s = ast_alloc(c, sizeof(*s) + name.n + 1);
    s->n = (uint32_t)name.n;
    if (name.n)
        memcpy(s->text, name.p, name.n);
    s->next = *bucket;
    *bucket = s;
    return s;
}

/* Only what the parser makes: later stages never copy a tree. */
struct node *ast_clone(struct compiler *c, const struct node *n)
{
    struct node *copy;

    if (!n)
        return NULL;
    copy = ast_node(c, n->kind, n->pos);
    *copy = *n;
    copy->a = ast_clone(c, n->a);
    copy->b = ast_clone(c, n->b);
    copy->c = ast_clone(c, n->c);
    if (n->list) {
        uint32_t count = 0;

        copy->list = NULL;
        for (uint32_t i = 0; i < n->count; i++)
            copy->list = ast_push(c, copy->list, &count, ast_clone(c, n->list[i]));
    }
    return copy;
}

static const char *const op_texts[] = {
    [OP_NONE] = "",    [OP_ADD] = "+",   [OP_SUB] = "-",    [OP_MUL] = "*",   [OP_DIV] = "/",    [OP_MOD] = "%",
    [OP_EQ] = "=",     [OP_NE] = "!=",   [OP_LT] = "<",     [OP_LE] = "<=",   [OP_GT] = ">",     [OP_GE] = ">=",
    [OP_CONCAT] = "&", [OP_AND] = "and", [OP_OR] = "or",    [OP_IN] = "in",   [OP_RANGE] = "..", [OP_CHAIN] = "~>",
    [OP_BIND] = ":=",  [OP_DOT] = ".",   [OP_FILTER] = "[", [OP_GROUP] = "{", [OP_SORT] = "^",   [OP_FOCUS] = "@",
    [OP_INDEX] = "#",  [OP_HOLE] = "?"};

const char *ast_op_text(enum op op)
{
    return op_texts[op];
}

static void put_token(struct jsonata_error *error, struct json token)
{
    char number[32];
    struct tl_sv text = {number, 0};

    switch (token.type) {
    case JSON_STRING:
    case JSON_DECIMAL:
        text = json_view(token);
        break;
    case JSON_INT:
    case JSON_DOUBLE:
        text.n = json_format_double(jsonata_double(token), number);
        break;
    case JSON_BOOL:
        text = token.u.b ? TL_SV("true") : TL_SV("false");
        break;
    case JSON_NULL:
        text = TL_SV("null");
        break;
    default:
        return;
    }
    if (text.n >= sizeof(error->token))
        text.n = sizeof(error->token) - 1;
    memcpy(error->token, text.p, text.n);
    error->token[text.n] = '\0';
    error->has_token = true;
}

struct node *ast_fail(struct compiler *c, const char *code, int32_t pos, struct json token, struct json value)
{
    if (c->rc != TL_OK)
        return NULL;
    c->rc = TL_PARSE;
    memset(c->error, 0, sizeof(*c->error));
    memcpy(c->error->code, code, strlen(code) + 1);
    c->error->position = pos;
    put_token(c->error, token);
    c->error->value = value;
    errors_message(c->error, TL_SV_NULL);
    return NULL;
}
