/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parser.c - tokens to a tree, by operator precedence (V. R. Pratt, "Top down operator precedence", 1973). The binding
 * powers and what may stand where are those of the language; errors are reported where its parser reports them.
 */
#include "jsonata/ast.h"
#include "jsonata/token.h"

static struct node *expression(struct compiler *c, int power);

static struct json token_text(const struct compiler *c)
{
    return c->token.value;
}

static bool is_op(const struct compiler *c, int op)
{
    return c->token.type == T_OP && c->token.op == op;
}

static bool advance(struct compiler *c, bool infix)
{
    if (!lexer_next(c, infix))
        return false;
    if (c->token.type == T_OP && (c->token.op == '!' || c->token.op == '~')) {
        ast_fail(c, "S0204", c->token.pos, token_text(c), JSON_NOTHING);
        return false;
    }
    return true;
}

/* The token has to be this operator; then go on to the next one. */
static bool expect(struct compiler *c, const char *text, int op, bool infix)
{
    if (c->rc != TL_OK)
        return false;
    if (!is_op(c, op)) {
        ast_fail(c, c->token.type == T_END ? "S0203" : "S0202", c->token.pos, token_text(c), json_str(text));
        return false;
    }
    return advance(c, infix);
}

static struct node *with_height(struct compiler *c, struct node *n)
{
    uint32_t h = 0;

    if (!n || c->rc != TL_OK)
        return NULL;
    if (n->a && n->a->height > h)
        h = n->a->height;
    if (n->b && n->b->height > h)
        h = n->b->height;
    if (n->c && n->c->height > h)
        h = n->c->height;
    for (uint32_t i = 0; i < n->count; i++)
        if (n->list[i]->height > h)
            h = n->list[i]->height;
    n->height = h + 1;
    if (n->height > c->max_height)
        return ast_fail(c, "S0501", n->pos, JSON_NOTHING, JSON_NOTHING);
    return n;
}

/* ---- what may begin an operand ---- */

static struct node *parse_block(struct compiler *c, int32_t pos)
{
    struct node *n = ast_node(c, K_BLOCK, pos);

    while (c->rc == TL_OK && !is_op(c, ')')) {
        struct node *item = expression(c, 0);

        if (!item)
            return NULL;
        n->list = ast_push(c, n->list, &n->count, item);
        if (!is_op(c, ';'))
            break;
        if (!advance(c, false))
            return NULL;
    }
    return expect(c, ")", ')', true) ? n : NULL;
}

static struct node *parse_array(struct compiler *c, int32_t pos)
{
    struct node *n = ast_node(c, K_ARRAY, pos);

    for (bool more = !is_op(c, ']'); more; more = is_op(c, ',') && advance(c, false)) {
        struct node *item = expression(c, 0);

        if (item && is_op(c, TO_RANGE)) {
            struct node *range = ast_node(c, K_BINARY, c->token.pos);

            range->op = OP_RANGE;
            range->a = item;
            range->b = advance(c, false) ? expression(c, 0) : NULL;
            item = range->b ? with_height(c, range) : NULL;
        }
        if (!item)
            return NULL;
        n->list = ast_push(c, n->list, &n->count, item);
    }
    return expect(c, "]", ']', true) ? n : NULL;
}

/* The inside of {...}: key, value, key, value into n->list. */
static bool parse_pairs(struct compiler *c, struct node *n)
{
    for (bool more = !is_op(c, '}'); more; more = is_op(c, ',') && advance(c, false)) {
        struct node *key = expression(c, 0), *value = NULL;

        if (key && expect(c, ":", ':', false))
            value = expression(c, 0);
        if (!value)
            return false;
        n->list = ast_push(c, n->list, &n->count, key);
        n->list = ast_push(c, n->list, &n->count, value);
    }
    return expect(c, "}", '}', true);
}

static struct node *parse_transform(struct compiler *c, int32_t pos)
{
    struct node *n = ast_node(c, K_TRANSFORM, pos);

    n->a = expression(c, 0);
    if (!n->a || !expect(c, "|", '|', false))
        return NULL;
    n->b = expression(c, 0);
    if (!n->b)
        return NULL;
    if (is_op(c, ',') && (!advance(c, false) || !(n->c = expression(c, 0))))
        return NULL;
    return expect(c, "|", '|', false) ? n : NULL;
}

static struct node *parse_prefix_op(struct compiler *c, const struct token *t)
{
    struct node *n;

    switch (t->op) {
    case '(':
        return parse_block(c, t->pos);
    case '[':
        return parse_array(c, t->pos);
    case '{':
        n = ast_node(c, K_OBJECT, t->pos);
        return parse_pairs(c, n) ? n : NULL;
    case '|':
        return parse_transform(c, t->pos);
    case '-':
        n = ast_node(c, K_UNARY, t->pos);
        n->op = OP_SUB;
        n->a = expression(c, 70);
        return n->a ? n : NULL;
    case '*':
        return ast_node(c, K_WILDCARD, t->pos);
    case TO_DESCENDANT:
        return ast_node(c, K_DESCENDANT, t->pos);
    case '%':
        return ast_node(c, K_PARENT, t->pos);
    case TO_AND:
    case TO_OR:
    case TO_IN:
        n = ast_node(c, K_OPERATOR, t->pos);
        n->value = t->value;
        return n;
    default:
        return ast_fail(c, "S0211", t->pos, t->value, JSON_NOTHING);
    }
}

static struct node *parse_operand(struct compiler *c, const struct token *t)
{
    static const uint8_t kinds[] = {
        [T_END] = K_END,   [T_STRING] = K_LITERAL,    [T_NUMBER] = K_LITERAL, [T_VALUE] = K_LITERAL,
        [T_NAME] = K_NAME, [T_VARIABLE] = K_VARIABLE, [T_REGEX] = K_REGEX};
    struct node *n;

    if (t->type == T_OP)
        return parse_prefix_op(c, t);
    n = ast_node(c, kinds[t->type], t->pos);
    n->value = t->value;
    if (n->kind == K_NAME || n->kind == K_VARIABLE)
        n->symbol = ast_symbol(c, json_view(n->value));
    n->regex = t->regex;
    return n;
}

/* ---- what may follow an operand ---- */

/* The text of a signature is put together again from its tokens, as the language does. */
static bool parse_signature(struct compiler *c, struct node *lambda)
{
    int32_t pos = c->token.pos;
    struct tl_buf text TL_CLEANUP(tl_buf_done);
    const char *code = NULL;
    uint32_t offset = 0;
    struct tl_sv value = {0};
    int depth = 1;

    tl_buf_init(&text, c->text.n + 64);
    tl_buf_putc(&text, '<');
    while (depth > 0 && !is_op(c, '{') && c->token.type != T_END) {
        if (!advance(c, false))
            return false;
        depth += is_op(c, '<') - is_op(c, '>');
        if (c->token.value.type == JSON_STRING)
            tl_buf_sv(&text, json_view(c->token.value));
    }
    if (!expect(c, ">", '>', false))
        return false;
    lambda->signature = signature_parse(c->arena, tl_buf_view(&text), &code, &offset, &value);
    if (!lambda->signature)
        ast_fail(c, code, pos + (int32_t)offset, JSON_NOTHING, JSON_NOTHING);
    return c->rc == TL_OK;
}

static struct node *parse_lambda(struct compiler *c, struct node *n)
{
    n->kind = K_LAMBDA;
    for (uint32_t i = 0; i < n->count; i++)
        if (n->list[i]->kind != K_VARIABLE)
            return ast_fail(c, "S0208", n->list[i]->pos, n->list[i]->value, json_int(i + 1));
    n->params = n->count;
    if (is_op(c, '<') && !parse_signature(c, n))
        return NULL;
    if (!expect(c, "{", '{', false))
        return NULL;
    n->a = expression(c, 0);
    return n->a && expect(c, "}", '}', false) ? n : NULL;
}

static struct node *parse_call(struct compiler *c, struct node *left, int32_t pos)
{
    struct node *n = ast_node(c, K_CALL, pos);

    for (bool more = !is_op(c, ')'); more; more = is_op(c, ',') && advance(c, false)) {
        struct node *arg;

        if (is_op(c, '?')) {
            n->kind = K_PARTIAL;
            arg = ast_node(c, K_OPERATOR, c->token.pos);
            arg->op = OP_HOLE;
            arg->value = c->token.value;
            if (!advance(c, false))
                return NULL;
        } else {
            arg = expression(c, 0);
        }
        if (!arg)
            return NULL;
        n->list = ast_push(c, n->list, &n->count, arg);
    }
    if (!expect(c, ")", ')', true))
        return NULL;
    if (left->kind == K_NAME && (tl_sv_eqs(node_key(left), "function") || tl_sv_eqs(node_key(left), "\xCE\xBB")))
        return parse_lambda(c, n);
    n->a = left;
    return n;
}

static struct node *parse_filter(struct compiler *c, struct node *left, int32_t pos)
{
    struct node *n, *step = left;

    if (is_op(c, ']')) { /* a[]: one result stays an array */
        while (step->kind == K_BINARY && step->op == OP_FILTER)
            step = step->a;
        step->flags |= N_KEEP_ARRAY;
        return advance(c, false) ? left : NULL;
    }
    n = ast_node(c, K_BINARY, pos);
    n->op = OP_FILTER;
    n->a = left;
    n->b = expression(c, 0);
    return n->b && expect(c, "]", ']', true) ? n : NULL;
}

static struct node *parse_sort(struct compiler *c, struct node *left, int32_t pos)
{
    struct node *n = ast_node(c, K_BINARY, pos);

    n->op = OP_SORT;
    n->a = left;
    if (!expect(c, "(", '(', false))
        return NULL;
    for (bool more = true; more; more = is_op(c, ',') && advance(c, false)) {
        bool descending = is_op(c, '>');
        struct node *term = ast_node(c, K_UNARY, c->token.pos);

        if ((descending || is_op(c, '<')) && !advance(c, false))
            return NULL;
        term->a = expression(c, 0);
        if (!term->a)
            return NULL;
        if (descending)
            term->flags |= N_DESCENDING;
        n->list = ast_push(c, n->list, &n->count, with_height(c, term));
    }
    return expect(c, ")", ')', false) ? n : NULL;
}

static struct node *parse_condition(struct compiler *c, struct node *left, int32_t pos)
{
    struct node *n = ast_node(c, K_CONDITION, pos);

    n->a = left;
    n->b = expression(c, 0);
    if (n->b && is_op(c, ':'))
        n->c = advance(c, false) ? expression(c, 0) : NULL;
    return n->b && c->rc == TL_OK ? n : NULL;
}

static struct node *parse_binary(struct compiler *c, struct node *left, int32_t pos, enum op op, int power)
{
    struct node *n = ast_node(c, K_BINARY, pos);

    n->op = (uint8_t)op;
    n->a = left;
    n->b = expression(c, power);
    if (n->b && (op == OP_FOCUS || op == OP_INDEX) && n->b->kind != K_VARIABLE)
        return ast_fail(c, "S0214", n->b->pos, json_str(ast_op_text(op)), JSON_NOTHING);
    return n->b ? n : NULL;
}

static struct node *parse_bind(struct compiler *c, struct node *left, int32_t pos)
{
    struct node *n = ast_node(c, K_BIND, pos);

    if (left->kind != K_VARIABLE)
        return ast_fail(c, "S0212", left->pos, left->value, JSON_NOTHING);
    n->a = left;
    n->b = expression(c, 9); /* right associative */
    return n->b ? n : NULL;
}

static const struct infix {
    uint8_t token;
    uint8_t power;
    uint8_t op;
} infixes[] = {{'.', 75, OP_DOT},    {'[', 80, OP_FILTER},     {'(', 80, OP_NONE},      {'{', 70, OP_GROUP},
               {'@', 80, OP_FOCUS},  {'#', 80, OP_INDEX},      {'?', 20, OP_NONE},      {'+', 50, OP_ADD},
               {'-', 50, OP_SUB},    {'*', 60, OP_MUL},        {'/', 60, OP_DIV},       {'%', 60, OP_MOD},
               {'=', 40, OP_EQ},     {'<', 40, OP_LT},         {'>', 40, OP_GT},        {'^', 40, OP_SORT},
               {'&', 50, OP_CONCAT}, {TO_BIND, 10, OP_BIND},   {TO_NE, 40, OP_NE},      {TO_LE, 40, OP_LE},
               {TO_GE, 40, OP_GE},   {TO_CHAIN, 40, OP_CHAIN}, {TO_ELVIS, 40, OP_NONE}, {TO_COALESCE, 40, OP_NONE},
               {TO_AND, 30, OP_AND}, {TO_OR, 25, OP_OR},       {TO_IN, 40, OP_IN}};

static const struct infix *infix_of(const struct token *t)
{
    if (t->type == T_OP)
        for (size_t i = 0; i < TL_COUNT(infixes); i++)
            if (infixes[i].token == t->op)
                return &infixes[i];
    return NULL;
}

static struct node *parse_infix(struct compiler *c, struct node *left, const struct token *t, const struct infix *in)
{
    struct node *n;

    switch (t->op) {
    case '[':
        return parse_filter(c, left, t->pos);
    case '(':
        return parse_call(c, left, t->pos);
    case '{':
        n = ast_node(c, K_BINARY, t->pos);
        n->op = OP_GROUP;
        n->a = left;
        return parse_pairs(c, n) ? n : NULL;
    case '^':
        return parse_sort(c, left, t->pos);
    case '?':
        return parse_condition(c, left, t->pos);
    case TO_ELVIS:
    case TO_COALESCE:
        n = ast_node(c, t->op == TO_ELVIS ? K_ELVIS : K_COALESCE, t->pos);
        n->a = left;
        n->b = expression(c, 0);
        return n->b ? n : NULL;
    case TO_BIND:
        return parse_bind(c, left, t->pos);
    default:
        return parse_binary(c, left, t->pos, (enum op)in->op, in->power);
    }
}

static struct node *expression(struct compiler *c, int power)
{
    struct token t = c->token;
    struct node *left;
    const struct infix *in;

    if (c->rc != TL_OK)
        return NULL;
    if (++c->nesting > c->max_height)
        return ast_fail(c, "S0501", t.pos, JSON_NOTHING, JSON_NOTHING);
    if (!advance(c, true))
        return NULL;
    left = with_height(c, parse_operand(c, &t));
    while (left && (in = infix_of(&c->token)) && power < in->power) {
        t = c->token;
        if (!advance(c, false))
            return NULL;
        left = with_height(c, parse_infix(c, left, &t, in));
    }
    c->nesting--;
    return left;
}

struct node *parser_parse(struct compiler *c)
{
    struct node *n;

    if (!advance(c, false))
        return NULL;
    n = expression(c, 0);
    if (n && c->token.type != T_END)
        return ast_fail(c, "S0201", c->token.pos, token_text(c), JSON_NOTHING);
    return n;
}
