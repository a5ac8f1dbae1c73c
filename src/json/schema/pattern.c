/* SPDX-License-Identifier: Apache-2.0 */
/* pattern.c - regular expressions of ECMA-262 (with the u flag) on PCRE2, and a bound on their work. */
#include "json/schema/schema_int.h"

#define MATCH_LIMIT 1000000u
#define SPACES                                                                                                         \
    "\\t\\n\\x0b\\f\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}"

/* General categories that ECMA-262 also knows by their long names. */
static const char *const categories[][2] = {
    {"Letter", "L"},
    {"Uppercase_Letter", "Lu"},
    {"Lowercase_Letter", "Ll"},
    {"Titlecase_Letter", "Lt"},
    {"Modifier_Letter", "Lm"},
    {"Other_Letter", "Lo"},
    {"Mark", "M"},
    {"Nonspacing_Mark", "Mn"},
    {"Spacing_Mark", "Mc"},
    {"Enclosing_Mark", "Me"},
    {"Number", "N"},
    {"Decimal_Number", "Nd"},
    {"digit", "Nd"},
    {"Letter_Number", "Nl"},
    {"Other_Number", "No"},
    {"Punctuation", "P"},
    {"punct", "P"},
    {"Symbol", "S"},
    {"Math_Symbol", "Sm"},
    {"Currency_Symbol", "Sc"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Other", "C"},
    {"Control", "Cc"},
    {"Format", "Cf"},
    {"Unassigned", "Cn"},
    {"Private_Use", "Co"},
    {"Any", "Any"},
    {"ASCII", ""},
};

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* \p{...} with the reference implementation's names; p is at the brace. Returns the bytes used, 0 when malformed. */
static size_t property(struct tl_buf *b, struct tl_sv rest, char letter)
{
    size_t close = tl_sv_find(rest, '}');
    struct tl_sv name;

    if (rest.n < 3 || rest.p[0] != '{' || close == rest.n)
        return 0;
    name = tl_sv(rest.p + 1, close - 1);
    if (tl_sv_starts(name, TL_SV("General_Category=")))
        name = tl_sv_from(name, 17);
    else if (tl_sv_starts(name, TL_SV("gc=")))
        name = tl_sv_from(name, 3);
    else if (tl_sv_starts(name, TL_SV("Script=")))
        name = tl_sv_from(name, 7);
    else if (tl_sv_starts(name, TL_SV("sc=")))
        name = tl_sv_from(name, 3);
    for (size_t i = 0; i < TL_COUNT(categories); i++)
        if (tl_sv_eqs(name, categories[i][0]) && categories[i][1][0])
            name = tl_sv_str(categories[i][1]);
    (void)tl_buf_printf(b, "\\%c{%.*s}", letter, TL_SV_ARG(name));
    return close + 1;
}

/* \uXXXX and \u{...}; a surrogate pair is one character. Returns the bytes used after "\u", 0 when malformed. */
static size_t unicode(struct tl_buf *b, struct tl_sv rest)
{
    uint32_t cp = 0, low = 0;
    size_t i = 0;

    if (rest.n > 2 && rest.p[0] == '{') {
        for (i = 1; i < rest.n && is_hex(rest.p[i]) && cp <= 0x10ffff; i++)
            cp = cp << 4 | (uint32_t)((rest.p[i] & 15) + (rest.p[i] > '9' ? 9 : 0));
        if (i == 1 || i == rest.n || rest.p[i] != '}' || cp > 0x10ffff)
            return 0;
        i++;
    } else {
        for (; i < 4; i++) {
            if (i >= rest.n || !is_hex(rest.p[i]))
                return 0;
            cp = cp << 4 | (uint32_t)((rest.p[i] & 15) + (rest.p[i] > '9' ? 9 : 0));
        }
        if (cp >= 0xd800 && cp <= 0xdbff && rest.n >= 10 && rest.p[4] == '\\' && rest.p[5] == 'u') {
            for (size_t k = 6; k < 10; k++)
                low = low << 4 | (uint32_t)((rest.p[k] & 15) + (rest.p[k] > '9' ? 9 : 0));
            if (low >= 0xdc00 && low <= 0xdfff) {
                cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
                i = 10;
            }
        }
    }
    if (cp >= 0xd800 && cp <= 0xdfff) /* never part of well-formed text: matches nothing */
        (void)tl_buf_puts(b, "(?!)");
    else
        (void)tl_buf_printf(b, "\\x{%x}", cp);
    return i;
}

/* One escape, p behind the backslash. Returns the bytes used, 0 when ECMA-262 has no such escape. */
static size_t escape(struct tl_buf *b, struct tl_sv rest, bool in_class)
{
    char c = rest.n ? rest.p[0] : '\0';
    size_t n;

    switch (c) {
    case 's':
        (void)tl_buf_puts(b, in_class ? SPACES : "[" SPACES "]");
        return 1;
    case 'S':
        (void)tl_buf_puts(b, in_class ? "\\S" : "[^" SPACES "]");
        return 1;
    case 'p':
    case 'P':
        n = property(b, tl_sv_from(rest, 1), c);
        return n ? n + 1 : 0;
    case 'u':
        n = unicode(b, tl_sv_from(rest, 1));
        return n ? n + 1 : 0;
    case 'x':
        if (rest.n < 3 || !is_hex(rest.p[1]) || !is_hex(rest.p[2]))
            return 0;
        (void)tl_buf_printf(b, "\\x%.2s", rest.p + 1);
        return 3;
    case 'v':
        (void)tl_buf_puts(b, "\\x0b");
        return 1;
    case 'c':
        if (rest.n < 2 || (rest.p[1] | 0x20) < 'a' || (rest.p[1] | 0x20) > 'z')
            return 0;
        (void)tl_buf_printf(b, "\\x%02x", rest.p[1] & 31);
        return 2;
    case '0':
        (void)tl_buf_puts(b, "\\x00");
        return 1;
    default:
        /* 'k' names a group; the rest are character classes, controls, back references and syntax characters. */
        if (c == '\0' || !strchr("dDwWbBfnrtk123456789^$\\.*+?()[]{}|/-", c))
            return 0;
        (void)tl_buf_printf(b, "\\%c", c);
        return 1;
    }
}

/* What may follow "(?": PCRE2 has more kinds of groups than ECMA-262. */
static bool group_is_known(struct tl_sv rest)
{
    size_t i = 0;

    if (rest.n > 0 && (rest.p[0] == '=' || rest.p[0] == '!'))
        return true;
    if (rest.n > 1 && rest.p[0] == '<')
        return rest.p[1] != '(' && rest.p[1] != '>';
    while (i < rest.n && (rest.p[i] == 'i' || rest.p[i] == 'm' || rest.p[i] == 's' || rest.p[i] == '-'))
        i++;
    return i < rest.n && rest.p[i] == ':';
}

/* The pattern as PCRE2 spells the same thing. */
static bool translate(struct tl_sv text, struct tl_buf *b)
{
    bool in_class = false;

    for (size_t i = 0; i < text.n;) {
        char c = text.p[i];

        if (c == '\\') {
            size_t n = escape(b, tl_sv_from(text, i + 1), in_class);

            if (n == 0)
                return false;
            i += n + 1;
            continue;
        }
        if (!in_class && c == '(' && i + 1 < text.n &&
            (text.p[i + 1] == '*' || (text.p[i + 1] == '?' && !group_is_known(tl_sv_from(text, i + 2)))))
            return false;
        if (in_class && c == '[')
            (void)tl_buf_putc(b, '\\'); /* no POSIX classes inside */
        else if (!in_class && c == '[')
            in_class = true;
        else if (in_class && c == ']')
            in_class = false;
        if (!in_class && c == '.') /* every line terminator of ECMA-262 is left out */
            (void)tl_buf_puts(b, "[^\\n\\r\\x{2028}\\x{2029}]");
        else
            (void)tl_buf_putc(b, c);
        i++;
    }
    return !b->failed;
}

/* *ret_error: PCRE2's, or 0 when the text did not get so far. */
static pcre2_code *compile(struct tl_sv text, int *ret_error)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    pcre2_compile_context *context;
    pcre2_code *code = NULL;
    PCRE2_SIZE at;

    *ret_error = 0;
    tl_buf_init(&b, 1u << 20);
    if (text.n > 64u << 10 || !translate(text, &b))
        return NULL;
    context = pcre2_compile_context_create(NULL);
    if (!context)
        return NULL;
    (void)pcre2_set_max_pattern_length(context, 1u << 20);
    (void)pcre2_set_parens_nest_limit(context, 200);
    code = pcre2_compile((PCRE2_SPTR)(b.p ? b.p : ""), b.n,
                         PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF |
                             PCRE2_NEVER_BACKSLASH_C,
                         ret_error, &at, context);
    pcre2_compile_context_free(context);
    return code;
}

pcre2_code *pattern_compile(struct tl_sv text)
{
    int error;

    return compile(text, &error);
}

bool pattern_valid(struct tl_sv text)
{
    int error;
    pcre2_code *code = compile(text, &error);
    bool valid = code || error == PCRE2_ERROR_LOOKBEHIND_NOT_FIXED_LENGTH;

    pcre2_code_free(code);
    return valid;
}

int pattern_match(const pcre2_code *code, struct tl_sv text)
{
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int rc = PCRE2_ERROR_NOMEMORY;

    if (context && data) {
        (void)pcre2_set_match_limit(context, MATCH_LIMIT);
        (void)pcre2_set_heap_limit(context, 20000);
        rc = pcre2_match(code, (PCRE2_SPTR)(text.p ? text.p : ""), text.n, 0, 0, data, context);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    if (rc >= 0)
        return 1;
    /* A text with a lone surrogate is not UTF-8: no pattern says anything about it. */
    return rc == PCRE2_ERROR_NOMATCH || (rc <= PCRE2_ERROR_UTF8_ERR1 && rc >= PCRE2_ERROR_UTF8_ERR21) ? 0 : -1;
}
