/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex_translate.c - a pattern of JavaScript (ECMA-262 22.2.1 with annex B.1.2, no u flag) in the syntax of PCRE2.
 * Every construct that means something else, or nothing, in the other language is spelled out: what PCRE2 adds
 * (possessive quantifiers, verbs, \Q, \h ...) is an error or a letter, as it is in JavaScript.
 */
#include "jsonata/functions/regex_int.h"

/* \s beyond ASCII, and the same for classes turned around. */
#define SPACES "\\s\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}"
#define NO_SPACES                                                                                                      \
    "\\x00-\\x08\\x0e-\\x1f\\x21-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}"    \
    "\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}"

struct translator {
    struct tl_sv s;
    size_t at;
    struct tl_buf *out;
    bool multiline, bytes, refused;
    uint32_t groups; /* in all */
    bool named;
    struct tl_err *err;
};

static bool fail(struct translator *t, const char *why)
{
    (void)tl_fail(t->err, TL_PARSE, "regular expression: %s", why);
    return false;
}

static char peek(const struct translator *t, size_t ahead)
{
    return t->at + ahead < t->s.n ? t->s.p[t->at + ahead] : '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* n hexadecimal digits `ahead` of here; -1: not so. */
static int32_t hex_at(const struct translator *t, size_t ahead, size_t n)
{
    int32_t v = 0;

    for (size_t i = 0; i < n; i++) {
        int d = hex_value(peek(t, ahead + i));

        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

/* Skip a class; t->at is behind the bracket. */
static size_t class_end(struct tl_sv s, size_t at)
{
    while (at < s.n && s.p[at] != ']')
        at += s.p[at] == '\\' ? 2 : 1;
    return at;
}

/* Count groups first: whether \3 is a back reference depends on it, and \k on there being names. */
static void count_groups(struct translator *t)
{
    for (size_t i = 0; i < t->s.n; i++) {
        char c = t->s.p[i];

        if (c == '\\') {
            i++;
        } else if (c == '[') {
            i = class_end(t->s, i + 1);
        } else if (c == '(') {
            char next = i + 1 < t->s.n ? t->s.p[i + 1] : '\0', mark = i + 2 < t->s.n ? t->s.p[i + 2] : '\0';
            char look = i + 3 < t->s.n ? t->s.p[i + 3] : '\0';
            bool name = next == '?' && mark == '<' && look != '=' && look != '!';

            t->groups += next != '?' || name;
            t->named |= name;
        }
    }
}

static uint32_t group_named(const struct translator *t, struct tl_sv name)
{
    uint32_t index = 0;

    for (size_t i = 0; i < t->s.n; i++) {
        char c = t->s.p[i];

        if (c == '\\') {
            i++;
        } else if (c == '[') {
            i = class_end(t->s, i + 1);
        } else if (c == '(') {
            struct tl_sv rest = tl_sv_from(t->s, i + 1);
            bool special = rest.n && rest.p[0] == '?';
            bool named = special && rest.n > 2 && rest.p[1] == '<' && rest.p[2] != '=' && rest.p[2] != '!';

            index += !special || named;
            if (named && rest.n > name.n + 2 && rest.p[name.n + 2] == '>' && tl_sv_eq(tl_sv(rest.p + 2, name.n), name))
                return index;
        }
    }
    return 0;
}

static void put(struct translator *t, const char *s)
{
    (void)tl_buf_puts(t->out, s);
}

/* A character as itself, outside and inside of classes. */
static void put_cp(struct translator *t, uint32_t cp)
{
    if (cp >= 0x80)
        t->refused |= t->bytes;
    if ((cp >= '0' && cp <= '9') || (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z') || cp == '_' || cp == ' ')
        (void)tl_buf_putc(t->out, (char)cp);
    else
        (void)tl_buf_printf(t->out, "\\x{%x}", cp);
}

/* \uD83D\uDE00 is one character here. */
static uint32_t unicode_escape(struct translator *t, int32_t unit)
{
    if (unit >= 0xd800 && unit <= 0xdbff && peek(t, 5) == '\\' && peek(t, 6) == 'u') {
        int32_t low = hex_at(t, 7, 4);

        if (low >= 0xdc00 && low <= 0xdfff) {
            t->at += 6;
            return 0x10000u + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
        }
    }
    return (uint32_t)unit;
}

static uint32_t octal_escape(struct translator *t)
{
    uint32_t v = 0;

    for (int i = 0; i < 3 && peek(t, 0) >= '0' && peek(t, 0) <= '7' && v * 8 + (uint32_t)(peek(t, 0) - '0') < 256; i++)
        v = v * 8 + (uint32_t)(t->s.p[t->at++] - '0');
    return v;
}

/* The character that an escape stands for; t->at is on the letter behind the backslash and moves past it all. */
static uint32_t character_escape(struct translator *t)
{
    char c = peek(t, 0);
    int32_t v;
    uint32_t cp;

    if (c >= '0' && c <= '7')
        return octal_escape(t);
    switch (c) {
    case 't':
        t->at++;
        return '\t';
    case 'n':
        t->at++;
        return '\n';
    case 'v':
        t->at++;
        return '\v';
    case 'f':
        t->at++;
        return '\f';
    case 'r':
        t->at++;
        return '\r';
    case 'c':
        if ((peek(t, 1) | 0x20) >= 'a' && (peek(t, 1) | 0x20) <= 'z') {
            t->at += 2;
            return (uint32_t)t->s.p[t->at - 1] & 31;
        }
        return '\\'; /* annex B: the backslash itself, the c follows */
    case 'x':
        v = hex_at(t, 1, 2);
        t->at += v >= 0 ? 3 : 1;
        return v >= 0 ? (uint32_t)v : 'x';
    case 'u':
        v = hex_at(t, 1, 4);
        if (v < 0) {
            t->at++;
            return 'u';
        }
        cp = unicode_escape(t, v);
        t->at += 5;
        return cp;
    default:
        t->at += jsonata_cp_at(t->s, t->at, &cp);
        return cp;
    }
}

/* d D w W s S; inside a class without brackets. */
static bool class_escape(struct translator *t, bool inside)
{
    char c = peek(t, 0);

    if (!c || !strchr("dDwWsS", c))
        return false;
    t->at++;
    if (t->bytes || (c != 's' && c != 'S')) {
        (void)tl_buf_printf(t->out, "\\%c", c);
        return true;
    }
    if (inside)
        put(t, c == 's' ? SPACES : NO_SPACES);
    else
        put(t, c == 's' ? "[" SPACES "]" : "[^" SPACES "]");
    return true;
}

/* One atom of a class; false when it was a set such as \d. */
static bool class_atom(struct translator *t, uint32_t *ret_cp)
{
    if (peek(t, 0) != '\\') {
        t->at += jsonata_cp_at(t->s, t->at, ret_cp);
        return true;
    }
    t->at++;
    if (class_escape(t, true))
        return false;
    if (peek(t, 0) == 'b') {
        t->at++;
        *ret_cp = '\b';
        return true;
    }
    *ret_cp = character_escape(t);
    return true;
}

static bool translate_class(struct translator *t)
{
    bool negated = peek(t, 0) == '^';

    t->at += negated;
    if (peek(t, 0) == ']' && t->at < t->s.n) { /* [] matches nothing, [^] anything */
        t->at++;
        put(t, negated ? "(?s:.)" : "(?!)");
        return true;
    }
    put(t, negated ? "[^" : "[");
    while (t->at < t->s.n && peek(t, 0) != ']') {
        uint32_t from, to;
        bool single = class_atom(t, &from);

        if (single)
            put_cp(t, from);
        if (peek(t, 0) != '-' || peek(t, 1) == ']' || t->at + 1 >= t->s.n)
            continue;
        t->at++;
        if (!single) {
            put(t, "\\-");
            continue;
        }
        if (!class_atom(t, &to)) { /* annex B: [a-\d] is a, hyphen, digits */
            put(t, "\\-");
            continue;
        }
        if (to < from)
            return fail(t, "range out of order in a character class");
        put(t, "-");
        put_cp(t, to);
    }
    if (t->at >= t->s.n)
        return fail(t, "unterminated character class");
    t->at++;
    put(t, "]");
    return true;
}

/* *ret: an atom that may be repeated was written. */
static bool translate_escape(struct translator *t, bool *ret_atom)
{
    char c = peek(t, 0);

    *ret_atom = true;
    if (t->at >= t->s.n)
        return fail(t, "\\ at the end of the pattern");
    if (c == 'b' || c == 'B') {
        t->at++;
        *ret_atom = false;
        (void)tl_buf_printf(t->out, "\\%c", c);
        return true;
    }
    if (class_escape(t, false))
        return true;
    if (c >= '1' && c <= '9') {
        size_t end = t->at;
        uint64_t index = 0;

        while (end < t->s.n && is_digit(t->s.p[end]) && index < 100000)
            index = index * 10 + (uint64_t)(t->s.p[end++] - '0');
        if (index <= t->groups) {
            t->at = end;
            (void)tl_buf_printf(t->out, "\\g{%u}", (unsigned)index);
            return true;
        }
    }
    if (c == 'k' && t->named) {
        struct tl_sv rest = tl_sv_from(t->s, t->at + 2);
        size_t end = tl_sv_find(rest, '>');
        uint32_t index = peek(t, 1) == '<' && end < rest.n ? group_named(t, tl_sv(rest.p, end)) : 0;

        if (!index)
            return fail(t, "invalid named reference");
        t->at += end + 3;
        (void)tl_buf_printf(t->out, "\\g{%u}", index);
        return true;
    }
    put_cp(t, character_escape(t));
    return true;
}

static bool translate_group(struct translator *t)
{
    if (peek(t, 0) != '?') {
        put(t, "(");
        return true;
    }
    static const char *const kinds[] = {"?:", "?=", "?!", "?<=", "?<!"};
    struct tl_sv rest = tl_sv_from(t->s, t->at);

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (tl_sv_starts(rest, tl_sv_str(kinds[i]))) {
            t->at += strlen(kinds[i]);
            put(t, "(");
            put(t, kinds[i]);
            return true;
        }
    size_t end = tl_sv_find(rest, '>');

    if (rest.n < 4 || rest.p[1] != '<' || end == rest.n || end == 2)
        return fail(t, "invalid group");
    t->at += end + 1; /* names don't matter: groups are numbered */
    put(t, "(");
    return true;
}

/* {2}, {2,}, {2,5}: its length; 0: the brace is a character. */
static size_t braces(const struct translator *t)
{
    size_t i = 1;

    if (!is_digit(peek(t, i)))
        return 0;
    while (is_digit(peek(t, i)))
        i++;
    if (peek(t, i) == ',') {
        i++;
        while (is_digit(peek(t, i)))
            i++;
    }
    return peek(t, i) == '}' ? i + 1 : 0;
}

/* A quantifier at t->at, if there is one. */
static bool translate_quantifier(struct translator *t, bool repeatable, bool *ret_done)
{
    char c = peek(t, 0);
    size_t n = c == '*' || c == '+' || c == '?' ? 1 : c == '{' ? braces(t) : 0;

    *ret_done = n > 0;
    if (!n)
        return true;
    if (!repeatable)
        return fail(t, "nothing to repeat");
    if (peek(t, n) == '?')
        n++;
    (void)tl_buf_put(t->out, t->s.p + t->at, n);
    t->at += n;
    return true;
}

static bool translate_one(struct translator *t, bool *atom)
{
    char c = peek(t, 0);
    uint32_t cp;

    *atom = false;
    switch (c) {
    case '\\':
        t->at++;
        return translate_escape(t, atom);
    case '[':
        t->at++;
        *atom = true;
        return translate_class(t);
    case '(':
        t->at++;
        return translate_group(t);
    case ')':
        t->at++;
        *atom = true;
        put(t, ")");
        return true;
    case '|':
        t->at++;
        put(t, "|");
        return true;
    case '.':
        t->at++;
        *atom = true;
        put(t, t->bytes ? "[^\\n\\r]" : "[^\\n\\r\\x{2028}\\x{2029}]");
        return true;
    case '^':
        t->at++;
        put(t, !t->multiline ? "\\A" : t->bytes ? "(?:\\A|(?<=[\\n\\r]))" : "(?:\\A|(?<=[\\n\\r\\x{2028}\\x{2029}]))");
        return true;
    case '$':
        t->at++;
        put(t, !t->multiline ? "\\z" : t->bytes ? "(?=[\\n\\r]|\\z)" : "(?=[\\n\\r\\x{2028}\\x{2029}]|\\z)");
        return true;
    default:
        t->at += jsonata_cp_at(t->s, t->at, &cp);
        *atom = true;
        put_cp(t, cp);
        return true;
    }
}

enum tl_rc jsonata_regex_translate(struct tl_sv pattern, bool multiline, bool bytes, struct tl_buf *out,
                                   uint32_t *ret_groups, struct tl_err *err)
{
    struct translator t = {.s = pattern, .out = out, .multiline = multiline, .bytes = bytes, .err = err};
    bool atom = false;

    count_groups(&t);
    while (t.at < t.s.n) {
        bool done;

        if (!translate_quantifier(&t, atom, &done))
            return TL_PARSE;
        if (done)
            atom = false;
        else if (!translate_one(&t, &atom))
            return TL_PARSE;
    }
    if (t.refused)
        return TL_UNSUPPORTED;
    if (out->failed)
        return tl_fail(err, TL_LIMIT, "regular expression: too long");
    *ret_groups = t.groups;
    return TL_OK;
}
