/* SPDX-License-Identifier: Apache-2.0 */
/*
 * excerpt.c - the line of a source that an error is about, and places within texts.
 * A report may end up in a journal, so a line is shown without what may be a secret: the value of a key that sounds
 * like one, unless it is a reference or has keys of its own, who logs in by a URL, and what follows Bearer or Basic. A
 * line on which a literal secret was found is not shown at all (errors.c).
 */
#include "config/config_int.h"

/* ---- what sounds like a secret ---- */
static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_key_char(char c)
{
    return is_upper(c) || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* The last word of client_secret, access-token, apiKey; *rest is what stands before it. */
static struct tl_sv last_word(struct tl_sv key, struct tl_sv *rest)
{
    size_t end = key.n, at;

    while (end > 0 && (key.p[end - 1] == '_' || key.p[end - 1] == '-'))
        end--;
    for (at = end; at > 0 && key.p[at - 1] != '_' && key.p[at - 1] != '-'; at--)
        if (at < end && is_upper(key.p[at]) && !is_upper(key.p[at - 1]))
            break;
    *rest = tl_sv(key.p, at);
    return tl_sv(key.p + at, end - at);
}

static bool is_one_of(struct tl_sv word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tl_sv_eqi(word, tl_sv_str(words[i])))
            return true;
    return false;
}

/* Its last word decides: token_url and allow_private are none. */
bool config__sounds_secret(struct tl_sv key)
{
    static const char *const always[] = {"secret", "secrets", "token",      "tokens",      "password",     "passwords",
                                         "passwd", "pwd",     "passphrase", "credential",  "apikey",       "bearer",
                                         "cookie", "pass",    "privatekey", "credentials", "authorization"};
    static const char *const of_keys[] = {"api",     "private", "access",     "secret", "signing",
                                          "routing", "shared",  "encryption", "auth",   "subscription"};
    struct tl_sv rest, before, word = last_word(key, &rest);

    if (is_one_of(word, always, TL_COUNT(always)))
        return true;
    if (!tl_sv_eqi(word, TL_SV("key")) && !tl_sv_eqi(word, TL_SV("keys")))
        return false;
    return is_one_of(last_word(rest, &before), of_keys, TL_COUNT(of_keys));
}

/* ---- masking; bytes of one character become one star and blanks, so that the caret stays right ---- */
static void star(char *c)
{
    *c = ((unsigned char)*c & 0xc0) == 0x80 ? ' ' : '*';
}

static size_t skip_blanks(const char *line, size_t i, size_t n)
{
    while (i < n && line[i] == ' ')
        i++;
    return i;
}

/* One value that begins at i; quoted_only: a bare word is a path of a mapping. Returns where it ends. */
static size_t mask_scalar(char *line, size_t i, size_t n, bool in_braces, bool quoted_only)
{
    char quote = i < n && (line[i] == '"' || line[i] == '\'') ? line[i] : 0;

    if (!quote && quoted_only)
        return i;
    for (i += quote != 0; i < n; i++) {
        if (quote ? line[i] == quote : in_braces && strchr(",}]", line[i]))
            break;
        if (line[i] == '$' && i + 1 < n && line[i + 1] == '{') {
            while (i + 1 < n && line[i] != '}')
                i++;
        } else if (line[i] != ' ') {
            star(&line[i]);
        }
    }
    return quote && i < n ? i + 1 : i;
}

static size_t mask_value(char *line, size_t i, size_t n, bool in_braces, bool quoted_only)
{
    i = skip_blanks(line, i, n);
    if (i < n && line[i] == '[') {
        do {
            i = skip_blanks(line, i + 1, n);
            if (i == n || line[i] == '{') /* its keys speak for themselves */
                return i;
            i = mask_scalar(line, i, n, true, quoted_only);
            i = skip_blanks(line, i, n);
        } while (i < n && line[i] == ',');
        return i;
    }
    if (i < n && (line[i] == '{' || line[i] == '|' || line[i] == '>'))
        return i;
    return mask_scalar(line, i, n, in_braces, quoted_only);
}

/* Where the value of the key that ends at `end` begins, or 0: it is no key. *ret_quote: how it is quoted. */
static size_t after_colon(const char *line, size_t start, size_t end, size_t n, char *ret_quote)
{
    char quote = start > 0 && (line[start - 1] == '"' || line[start - 1] == '\'') ? line[start - 1] : 0;
    size_t i = end;

    if (quote && i < n && line[i] == quote)
        i++;
    else
        quote = 0;
    *ret_quote = quote;
    i = skip_blanks(line, i, n);
    return i < n && line[i] == ':' && (quote || i + 1 == n || strchr(" \"'[{$", line[i + 1])) ? i + 1 : 0;
}

/* user:password@ of an address */
static void mask_logins(char *line, size_t n)
{
    for (size_t i = 0; i + 3 < n; i++) {
        size_t end = i + 3, at = 0;

        if (memcmp(line + i, "://", 3) != 0)
            continue;
        for (; end < n && !strchr("/?#\"' ", line[end]); end++)
            if (line[end] == '@')
                at = end;
        for (size_t k = i + 3; k < at; k++)
            star(&line[k]);
    }
}

/* What follows Bearer or Basic (RFC 7235), whatever it stands under. */
static void mask_credentials(char *line, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct tl_sv rest = tl_sv(line + i, n - i);
        size_t scheme = tl_sv_starts_i(rest, TL_SV("bearer ")) ? 7 : tl_sv_starts_i(rest, TL_SV("basic ")) ? 6 : 0;

        if (scheme == 0 || (i > 0 && is_key_char(line[i - 1])))
            continue;
        for (i += scheme; i < n && !strchr(" ,}]\"'$", line[i]); i++)
            star(&line[i]);
    }
}

static void mask_secrets(char *line, size_t n)
{
    size_t depth = 0, end;

    mask_logins(line, n);
    mask_credentials(line, n);
    for (size_t i = 0; i < n; i = end) {
        char quote;
        size_t value;

        end = i + 1;
        depth += line[i] == '{' || line[i] == '[';
        if (!is_key_char(line[i]))
            continue;
        while (end < n && is_key_char(line[end]))
            end++;
        value = after_colon(line, i, end, n, &quote);
        if (value && config__sounds_secret(tl_sv(line + i, end - i)))
            end = mask_value(line, value, n, depth > 0, quote == '\'');
    }
}

/* ---- lines ---- */
static bool line_of(struct tl_sv rest, int32_t number, struct tl_sv *ret)
{
    struct tl_sv line;

    for (int32_t k = 1; number > 0 && tl_sv_cut(&rest, '\n', &line); k++) {
        if (k != number)
            continue;
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        *ret = line;
        return true;
    }
    return false;
}

/* Long lines are cut to a window around the column. */
void config__put_excerpt(const struct config_errors *e, struct config_place place, bool color, struct tl_buf *b)
{
    TL_CLEANUP(tl_freep) char *copy = NULL;
    struct tl_sv line;
    size_t at, from = 0, shown;

    if (!line_of(config__source(e, place.file), place.line, &line) || tl_utf8_valid(line) != line.n)
        return;
    copy = tl_strndup(line.p, line.n);
    mask_secrets(copy, line.n);
    at = tl_utf8_offset(line, place.column > 0 ? (size_t)place.column - 1 : 0);
    if (at > 100)
        from = tl_utf8_offset(line, tl_utf8_count(tl_sv(line.p, at)) - 60);
    shown = tl_utf8_offset(tl_sv_from(line, from), 120);
    tl_buf_puts(b, "    ");
    for (size_t i = from; i < from + shown; i++)
        tl_buf_putc(b, (unsigned char)copy[i] < 0x20 || copy[i] == 0x7f ? ' ' : copy[i]);
    tl_buf_puts(b, "\n    ");
    for (size_t i = tl_utf8_count(tl_sv(line.p + from, at - from)); i > 0; i--)
        tl_buf_putc(b, ' ');
    tl_buf_puts(b, color ? "\033[1;31m^\033[0m\n" : "^\n");
}

/* ---- places within a text ---- */

/* A block (`|`) begins in the line below and is indented; its lines stand there as they are. */
static bool in_block(struct tl_sv source, struct config_place at, struct tl_sv wanted, int32_t line,
                     struct config_place *ret)
{
    struct tl_sv below;
    size_t indent = 0;

    if (!line_of(source, at.line + line, &below))
        return false;
    while (indent < below.n && below.p[indent] == ' ' && !tl_sv_eq(tl_sv_from(below, indent), wanted))
        indent++;
    if (!tl_sv_eq(tl_sv_from(below, indent), wanted))
        return false;
    *ret = (struct config_place){at.file, at.line + line, (int32_t)indent};
    return true;
}

/* How many bytes of the source stand for the next byte of the text; 0: it is not that byte. */
static size_t width_in(struct tl_sv source, char quote, char c)
{
    static const char escapes[] = "\"\"\\\\//n\nt\t"; /* in pairs: \n is a line feed */
    const char *at;

    if (source.n == 0)
        return 0;
    if (quote == '\'' && c == '\'')
        return tl_sv_starts(source, TL_SV("''")) ? 2 : 0;
    if (quote != '"' || source.p[0] != '\\')
        return source.p[0] == c;
    for (at = escapes; source.n > 1 && *at; at += 2)
        if (at[0] == source.p[1] && at[1] == c)
            return 2;
    return 0;
}

/* A text in one line, plain or quoted: the source is walked along with it. */
static bool in_line(struct tl_sv source, struct tl_sv text, int32_t column, int32_t *ret_column)
{
    char quote = source.n && (source.p[0] == '"' || source.p[0] == '\'') ? source.p[0] : 0;
    size_t wanted = tl_utf8_offset(text, (size_t)column - 1), at = quote != 0;

    for (size_t i = 0; i < wanted; i++) {
        size_t width = width_in(tl_sv_from(source, at), quote, text.p[i]);

        if (width == 0)
            return false;
        at += width;
    }
    *ret_column = (int32_t)tl_utf8_count(tl_sv(source.p, at));
    return true;
}

bool config_text_place(const struct config_errors *e, const struct config_text *t, int32_t line, int32_t column,
                       struct config_place *ret)
{
    struct tl_sv source = config__source(e, t->at.file), first, wanted, rest;
    struct config_place place = t->at;
    int32_t more;

    if (line < 1 || column < 1 || !line_of(source, t->at.line, &first) || !line_of(tl_sv_str(t->text), line, &wanted))
        return false;
    rest = tl_sv_from(first, tl_utf8_offset(first, t->at.column > 0 ? (size_t)t->at.column - 1 : 0));
    if (rest.n && rest.p[0] == '|') {
        if (!in_block(source, t->at, wanted, line, &place))
            return false;
        place.column += column;
    } else if (line == 1 && rest.n && rest.p[0] != '>' && in_line(rest, wanted, column, &more)) {
        place.column += more;
    } else {
        return false; /* folded, or with escapes that are not known here */
    }
    *ret = place;
    return true;
}
