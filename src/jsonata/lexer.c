/* SPDX-License-Identifier: Apache-2.0 */
/* lexer.c - the text as tokens. A token's position is where it ends: that is how the language counts. */
#include "jsonata/ast.h"
#include "jsonata/token.h"

static int char_at(const struct compiler *c, size_t i)
{
    return i < c->text.n ? (unsigned char)c->text.p[i] : -1;
}

static bool is_space(int ch)
{
    return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r' || ch == '\v';
}

static bool is_operator(int ch)
{
    return ch > 0 && strchr(".[]{}(),@#;:?+-*/%|=<>^&!~", ch) != NULL;
}

static bool fail(struct compiler *c, const char *code, size_t at, struct json token)
{
    ast_fail(c, code, (int32_t)at, token, JSON_NOTHING);
    return false;
}

static bool make(struct compiler *c, enum token_type type, struct json value)
{
    c->token.type = type;
    c->token.value = value;
    c->token.pos = (int32_t)c->at;
    return true;
}

static bool make_op(struct compiler *c, int op, const char *text, size_t n)
{
    c->at += n;
    c->token.op = (uint8_t)op;
    return make(c, T_OP, json_sv(tl_sv(text, n)));
}

/* Spaces and comments. False: a comment without an end. */
static bool skip(struct compiler *c)
{
    for (;;) {
        size_t start, i;

        while (is_space(char_at(c, c->at)))
            c->at++;
        if (char_at(c, c->at) != '/' || char_at(c, c->at + 1) != '*')
            return true;
        start = c->at;
        for (i = c->at + 2; !(char_at(c, i) == '*' && char_at(c, i + 1) == '/'); i++)
            if (i >= c->text.n)
                return fail(c, "S0106", start, JSON_NOTHING);
        c->at = i + 2;
    }
}

/* ---- regex ---- */

static bool closes_regex(const struct compiler *c, size_t i, int depth)
{
    size_t backslashes = 0;

    if (c->text.p[i] != '/' || depth != 0)
        return false;
    while (i > backslashes && c->text.p[i - backslashes - 1] == '\\')
        backslashes++;
    return backslashes % 2 == 0;
}

static bool regex_end(struct compiler *c, size_t start, size_t end)
{
    bool ignore_case = false, multiline = false;
    struct tl_err err = {0};
    struct jsonata_regex *re = NULL;

    if (end == start)
        return fail(c, "S0301", end, JSON_NOTHING);
    for (c->at = end + 1; char_at(c, c->at) == 'i' || char_at(c, c->at) == 'm'; c->at++) {
        ignore_case = ignore_case || c->text.p[c->at] == 'i';
        multiline = multiline || c->text.p[c->at] == 'm';
    }
    if (jsonata_regex_new(tl_sv(c->text.p + start, end - start), ignore_case, multiline, &re, &err) != TL_OK)
        return fail(c, "S0303", c->at, json_sv(tl_sv(c->text.p + start, end - start)));
    tl_arena_on_free(c->arena, (void (*)(void *))jsonata_regex_free, re);
    c->token.regex = re;
    return make(c, T_REGEX, json_sv(tl_sv(c->text.p + start, end - start)));
}

static bool lex_regex(struct compiler *c)
{
    size_t start = ++c->at;
    int depth = 0;

    for (size_t i = start; i < c->text.n; i++) {
        char ch = c->text.p[i], before = c->text.p[i - 1];

        if (closes_regex(c, i, depth))
            return regex_end(c, start, i);
        if (before != '\\' && (ch == '(' || ch == '[' || ch == '{'))
            depth++;
        if (before != '\\' && (ch == ')' || ch == ']' || ch == '}'))
            depth--;
    }
    return fail(c, "S0302", c->text.n, JSON_NOTHING);
}

/* ---- strings ---- */

static int hex_value(int ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    if (ch >= 'a' && ch <= 'f')
        return ch - 'a' + 10;
    return ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 : -1;
}

/* Appends a UTF-16 unit; a low surrogate joins the high one just written. */
static size_t put_unit(char *out, size_t n, uint32_t unit)
{
    if (unit >= 0xDC00 && unit <= 0xDFFF && n >= 3 && (unsigned char)out[n - 3] == 0xED &&
        ((unsigned char)out[n - 2] & 0xF0) == 0xA0) {
        uint32_t high = 0xD000U | (((unsigned char)out[n - 2] & 0x3FU) << 6) | ((unsigned char)out[n - 1] & 0x3FU);

        return n - 3 + tl_utf8_encode(0x10000 + ((high - 0xD800) << 10) + (unit - 0xDC00), out + n - 3);
    }
    return n + tl_utf8_encode(unit, out + n);
}

/* The escape at c->at (after the backslash); leaves c->at on its last character. */
static bool lex_escape(struct compiler *c, char *out, size_t *n)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    int ch = char_at(c, c->at);
    const char *known = ch > 0 ? strchr(from, ch) : NULL;
    uint32_t unit = 0;

    if (known) {
        out[(*n)++] = to[known - from];
        return true;
    }
    if (ch != 'u') {
        size_t bytes = c->at < c->text.n ? 1 : 0;

        while (bytes && c->at + bytes < c->text.n && ((unsigned char)c->text.p[c->at + bytes] & 0xC0) == 0x80)
            bytes++;
        return fail(c, "S0103", c->at, json_sv(tl_sv(c->text.p + c->at, bytes)));
    }
    for (size_t i = 1; i <= 4; i++) {
        int digit = hex_value(char_at(c, c->at + i));

        if (char_at(c, c->at + i) == -1 && i > 1)
            break;
        if (digit < 0)
            return fail(c, "S0104", c->at, JSON_NOTHING);
        unit = unit * 16 + (uint32_t)digit;
    }
    c->at += 4;
    *n = put_unit(out, *n, unit);
    return true;
}

static uint8_t text_flags(struct tl_sv s)
{
    bool ascii = true, plain = true;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];

        ascii = ascii && ch < 0x80;
        plain = plain && ch >= 0x20 && ch != '"' && ch != '\\' && ch != 0x7F && ch < 0x80;
    }
    return (uint8_t)((ascii ? JSON_F_ASCII : 0) | (plain ? JSON_F_PLAIN : 0));
}

static bool lex_string(struct compiler *c)
{
    char quote = c->text.p[c->at];
    size_t start = ++c->at, n = 0;
    char *out = NULL;

    for (; c->at < c->text.n; c->at++) {
        char ch = c->text.p[c->at];

        if (ch == quote) {
            struct tl_sv text = out ? tl_sv(out, n) : tl_sv(c->text.p + start, c->at - start);
            struct json v = json_sv(text);

            c->at++;
            v.flags = text_flags(text);
            return make(c, T_STRING, v);
        }
        if (ch == '\\') {
            if (!out) { /* decoded text is never longer than its spelling */
                out = ast_alloc(c, c->text.n - start + 4);
                n = c->at - start;
                memcpy(out, c->text.p + start, n);
            }
            c->at++;
            if (!lex_escape(c, out, &n))
                return false;
        } else if (out) {
            out[n++] = ch;
        }
    }
    return fail(c, "S0101", c->text.n, JSON_NOTHING);
}

/* ---- numbers and names ---- */

static size_t digits(const struct compiler *c, size_t i)
{
    while (char_at(c, i) >= '0' && char_at(c, i) <= '9')
        i++;
    return i;
}

/* End of the number at c->at, or c->at when there is none. */
static size_t number_end(const struct compiler *c)
{
    size_t i = c->at, j;

    if (char_at(c, i) == '0')
        i++;
    else if ((i = digits(c, i)) == c->at)
        return i;
    if (char_at(c, i) == '.' && (j = digits(c, i + 1)) > i + 1)
        i = j;
    if (char_at(c, i) == 'e' || char_at(c, i) == 'E') {
        size_t k = i + 1;

        if (char_at(c, k) == '+' || char_at(c, k) == '-')
            k++;
        if ((j = digits(c, k)) > k)
            i = j;
    }
    return i;
}

static bool lex_number(struct compiler *c, size_t end)
{
    struct json spelled = {.type = JSON_DECIMAL, .n = (uint32_t)(end - c->at), .u.s = c->text.p + c->at};
    double d = json_number(spelled);

    if (isinf(d))
        return fail(c, "S0102", c->at, spelled);
    c->at = end;
    return make(c, T_NUMBER, jsonata_spelled(spelled));
}

static bool lex_quoted_name(struct compiler *c)
{
    size_t start = ++c->at;

    while (c->at < c->text.n && c->text.p[c->at] != '`')
        c->at++;
    if (c->at == c->text.n)
        return fail(c, "S0105", c->at, JSON_NOTHING);
    c->at++;
    return make(c, T_NAME, json_sv(tl_sv(c->text.p + start, c->at - 1 - start)));
}

static bool lex_name(struct compiler *c)
{
    size_t start = c->at;
    struct tl_sv name;

    while (c->at < c->text.n && !is_space(char_at(c, c->at)) && !is_operator(char_at(c, c->at)))
        c->at++;
    name = tl_sv(c->text.p + start, c->at - start);
    if (name.n && name.p[0] == '$')
        return make(c, T_VARIABLE, json_sv(tl_sv_from(name, 1)));
    c->token.op = tl_sv_eqs(name, "or") ? TO_OR : tl_sv_eqs(name, "and") ? TO_AND : TO_IN;
    if (c->token.op != TO_IN || tl_sv_eqs(name, "in"))
        return make(c, T_OP, json_sv(name));
    if (tl_sv_eqs(name, "true") || tl_sv_eqs(name, "false"))
        return make(c, T_VALUE, json_bool(name.p[0] == 't'));
    if (tl_sv_eqs(name, "null"))
        return make(c, T_VALUE, json_null());
    return make(c, T_NAME, json_sv(name));
}

static const struct {
    char text[3];
    uint8_t op;
} doubles[] = {{"..", TO_RANGE},      {":=", TO_BIND},  {"!=", TO_NE},    {">=", TO_GE},      {"<=", TO_LE},
               {"**", TO_DESCENDANT}, {"~>", TO_CHAIN}, {"?:", TO_ELVIS}, {"??", TO_COALESCE}};

bool lexer_next(struct compiler *c, bool infix)
{
    int ch;
    size_t end;

    if (c->rc != TL_OK || !skip(c))
        return false;
    ch = char_at(c, c->at);
    if (ch == -1)
        return make(c, T_END, json_str("(end)"));
    if (!infix && ch == '/')
        return lex_regex(c);
    for (size_t i = 0; i < TL_COUNT(doubles); i++)
        if (ch == doubles[i].text[0] && char_at(c, c->at + 1) == doubles[i].text[1])
            return make_op(c, doubles[i].op, doubles[i].text, 2);
    if (is_operator(ch))
        return make_op(c, ch, c->text.p + c->at, 1);
    if (ch == '"' || ch == '\'')
        return lex_string(c);
    end = number_end(c);
    if (end > c->at)
        return lex_number(c, end);
    return ch == '`' ? lex_quoted_name(c) : lex_name(c);
}
