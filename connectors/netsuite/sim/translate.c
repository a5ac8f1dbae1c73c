/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translate.c - SuiteQL into SQL over our views: tables, functions, ROWNUM, TOP and FETCH FIRST. A subset: what syncs
 * use.
 *
 * The traps of the real thing are kept. ROWNUM is given before ORDER BY; a date that is selected without TO_CHAR comes
 * in the user's format, without its time.
 */
#include "netsuite/sim/views.h"

#include <stdio.h>

enum word { WORD, TEXT, NUMBER, PARAM, SIGN, END };
struct token {
    enum word kind;
    struct tl_sv s;
};
enum { TOKENS = 4000, ARGS = 6, DEPTH = 30 };
struct query {
    const struct nsim *s;
    struct nsim_fault *f;
    struct token t[TOKENS + 1];
    size_t n;
    bool rownum;
};

static bool wrong(struct query *q, const char *what)
{
    return nsim_wrong(q->f, 400, "INVALID_PARAMETER", "o:errorQueryParam", TL_SV("q"),
                      "Invalid search query. Detailed unprocessed description follows. Search error occurred: %s",
                      what);
}

/* ---- tokens ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t length_of(struct tl_sv s, enum word *kind)
{
    size_t n = 1;

    *kind = SIGN;
    if (is_letter(s.p[0])) {
        *kind = WORD;
        while (n < s.n && (is_letter(s.p[n]) || is_digit(s.p[n])))
            n++;
    } else if (is_digit(s.p[0])) {
        *kind = NUMBER;
        while (n < s.n && (is_digit(s.p[n]) || s.p[n] == '.'))
            n++;
    } else if (s.p[0] == '\'') {
        *kind = TEXT;
        while (n < s.n && (s.p[n] != '\'' || (n + 1 < s.n && s.p[n + 1] == '\'')))
            n += s.p[n] == '\'' ? 2 : 1;
        n = n < s.n ? n + 1 : 0; /* without an end */
    } else if (s.p[0] == '?') {
        *kind = PARAM;
    } else if (s.n > 1 &&
               (tl_sv_starts(s, TL_SV("<=")) || tl_sv_starts(s, TL_SV(">=")) || tl_sv_starts(s, TL_SV("<>")) ||
                tl_sv_starts(s, TL_SV("!=")) || tl_sv_starts(s, TL_SV("||")))) {
        n = 2;
    } else if (!strchr("()=<>+-*/,.", s.p[0])) {
        n = 0;
    }
    return n;
}

static bool split(struct query *q, struct tl_sv s)
{
    while (s.n > 0) {
        enum word kind;
        size_t n;

        if (strchr(" \t\r\n", s.p[0])) {
            s = tl_sv_from(s, 1);
            continue;
        }
        n = length_of(s, &kind);
        if (n == 0 || q->n == TOKENS)
            return wrong(q, "Invalid or unsupported search");
        q->t[q->n++] = (struct token){kind, tl_sv(s.p, n)};
        q->rownum |= kind == WORD && tl_sv_eqi(tl_sv(s.p, n), TL_SV("ROWNUM"));
        s = tl_sv_from(s, n);
    }
    q->t[q->n] = (struct token){END, TL_SV("")};
    return true;
}

static bool is(const struct query *q, size_t i, const char *word)
{
    return i < q->n && q->t[i].kind != TEXT && tl_sv_eqi(q->t[i].s, tl_sv_str(word));
}

/* The token behind the bracket that closes the one at `open`; 0: none does. */
static size_t closing(const struct query *q, size_t open)
{
    int depth = 0;

    for (size_t i = open; i < q->n; i++) {
        depth += is(q, i, "(") ? 1 : is(q, i, ")") ? -1 : 0;
        if (depth == 0)
            return i;
    }
    return 0;
}

/* ---- functions ---- */

static bool emit(struct query *q, size_t from, size_t to, struct tl_buf *b, int depth);

/* Oracle's mask as strftime's. */
static void mask(struct tl_buf *b, struct tl_sv m)
{
    static const char *const words[][2] = {{"YYYY", "%Y"}, {"MM", "%m"}, {"DD", "%d"},
                                           {"HH24", "%H"}, {"MI", "%M"}, {"SS", "%S"}};

    while (m.n > 0) {
        size_t i = 0;

        while (i < TL_COUNT(words) && !tl_sv_starts_i(m, tl_sv_str(words[i][0])))
            i++;
        if (i < TL_COUNT(words))
            (void)tl_buf_puts(b, words[i][1]);
        else if (m.p[0] != '"')
            (void)tl_buf_putc(b, m.p[0]);
        m = tl_sv_from(m, i < TL_COUNT(words) ? strlen(words[i][0]) : 1);
    }
}

struct args {
    size_t from[ARGS], to[ARGS], n;
};

static bool split_args(struct query *q, size_t open, size_t close, struct args *a)
{
    int depth = 0;
    size_t start = open + 1;

    *a = (struct args){.n = 0};
    for (size_t i = open + 1; i <= close; i++) {
        if ((i == close || (depth == 0 && is(q, i, ","))) && i > start) {
            if (a->n == ARGS)
                return false;
            a->from[a->n] = start;
            a->to[a->n++] = i;
            start = i + 1;
        }
        depth += is(q, i, "(") ? 1 : is(q, i, ")") ? -1 : 0;
    }
    return true;
}

/* BUILTIN.DF(column): what people see instead of the id. */
static bool display(struct query *q, const struct args *a, struct tl_buf *b)
{
    size_t last = a->to[0] - 1;
    const struct nsim_field *f = nsim_column_field(q->t[last].s);

    if (!f || a->n != 1)
        return wrong(q, "BUILTIN.DF takes a column");
    (void)tl_buf_puts(b, " json_extract(");
    if (last > a->from[0])
        (void)tl_buf_printf(b, "%.*s.", TL_SV_ARG(q->t[a->from[0]].s));
    return tl_buf_printf(b, "body_,'$.%s%s')", f->name, f->kind == NSIM_REF || f->kind == NSIM_ENUM ? ".refName" : "");
}

static bool with_mask(struct query *q, const struct args *a, bool to_char, struct tl_buf *b, int depth)
{
    const struct token *m = &q->t[a->from[1]];

    if (m->kind != TEXT)
        return wrong(q, "the format must be a text");
    (void)tl_buf_puts(b, " strftime('");
    if (to_char)
        mask(b, tl_sv(m->s.p + 1, m->s.n - 2));
    else
        (void)tl_buf_puts(b, "%Y-%m-%d %H:%M:%S");
    (void)tl_buf_puts(b, "',");
    return emit(q, a->from[0], a->to[0], b, depth) && tl_buf_putc(b, ')');
}

/* A function at i, its bracket at i + 1. *ret_next: behind it. */
static bool function(struct query *q, size_t i, struct tl_buf *b, size_t *ret_next, int depth)
{
    static const char *const same[] = {"COUNT", "SUM",  "MIN",      "MAX",    "AVG",    "ABS",     "ROUND",   "UPPER",
                                       "LOWER", "TRIM", "COALESCE", "LENGTH", "SUBSTR", "REPLACE", "NULLIF",  "IN",
                                       "AND",   "OR",   "NOT",      "EXISTS", "ON",     "WHERE",   "BETWEEN", "SELECT",
                                       "WHEN",  "THEN", "ELSE",     "AS",     "FROM",   "JOIN",    "LIKE"};
    size_t open = i + 1, close = closing(q, open);
    struct tl_sv name = q->t[i].s;
    struct args a;

    if (close == 0)
        return wrong(q, "a bracket is missing");
    *ret_next = close + 1;
    if ((tl_sv_eqi(name, TL_SV("TO_CHAR")) || tl_sv_eqi(name, TL_SV("TO_DATE")) ||
         tl_sv_eqi(name, TL_SV("TO_TIMESTAMP"))) &&
        split_args(q, open, close, &a) && a.n == 2)
        return with_mask(q, &a, tl_sv_eqi(name, TL_SV("TO_CHAR")), b, depth);
    if (tl_sv_eqi(name, TL_SV("SYS_EXTRACT_UTC")) || tl_sv_eqi(name, TL_SV("TO_NUMBER")))
        return tl_buf_puts(b, " (") && emit(q, open + 1, close, b, depth) && tl_buf_putc(b, ')');
    if (tl_sv_eqi(name, TL_SV("TRUNC")))
        return tl_buf_puts(b, " date(") && emit(q, open + 1, close, b, depth) && tl_buf_putc(b, ')');
    if (tl_sv_eqi(name, TL_SV("NVL")))
        return tl_buf_puts(b, " ifnull(") && emit(q, open + 1, close, b, depth) && tl_buf_putc(b, ')');
    if (tl_sv_eqi(name, TL_SV("TO_CHAR")))
        return tl_buf_puts(b, " CAST(") && emit(q, open + 1, close, b, depth) && tl_buf_puts(b, " AS TEXT)");
    for (size_t k = 0; k < TL_COUNT(same); k++)
        if (tl_sv_eqi(name, tl_sv_str(same[k])))
            return tl_buf_printf(b, " %.*s(", TL_SV_ARG(name)) && emit(q, open + 1, close, b, depth) &&
                   tl_buf_putc(b, ')');
    return wrong(q, "Unknown function");
}

/* ---- the parts of a SELECT ---- */

/* A date as the user has set it in the preferences; without the time of day. */
static void users_date(struct query *q, struct tl_buf *b, size_t from, size_t n)
{
    const char *f = q->s->opt.date_format;
    char column[140] = "";

    for (size_t i = from; i < from + n; i++)
        (void)snprintf(column + strlen(column), sizeof column - strlen(column), "%.*s",
                       (int)(q->t[i].s.n < 60 ? q->t[i].s.n : 60), q->t[i].s.p);
    if (strcmp(f, "DD.MM.YYYY") == 0)
        (void)tl_buf_printf(b, " strftime('%%d.%%m.%%Y',%s)", column);
    else if (strcmp(f, "YYYY-MM-DD") == 0)
        (void)tl_buf_printf(b, " strftime('%%Y-%%m-%%d',%s)", column);
    else /* M/D/YYYY */
        (void)tl_buf_printf(b,
                            " (ltrim(strftime('%%m',%s),'0')||'/'||ltrim(strftime('%%d',%s),'0')||strftime('/%%Y',%s))",
                            column, column, column);
}

static bool item(struct query *q, size_t from, size_t to, struct tl_buf *b, int depth)
{
    size_t n = to - from > 1 && is(q, from + 1, ".") ? 3 : 1;
    struct tl_sv column = q->t[from + n - 1].s;
    bool alone = q->t[from].kind == WORD && from + n <= to &&
                 (from + n == to || is(q, from + n, "AS") || q->t[from + n].kind == WORD);

    if (!alone || is(q, from, "CASE") || is(q, from, "BUILTIN") || !nsim_is_time(column))
        return emit(q, from, to, b, depth);
    users_date(q, b, from, n);
    return from + n < to ? emit(q, from + n, to, b, depth) : tl_buf_printf(b, " AS %.*s", TL_SV_ARG(column));
}

/* The list of columns of the SELECT at `at`; *ret_from: its FROM. */
static bool columns(struct query *q, size_t at, size_t to, struct tl_buf *b, size_t *ret_from, int depth)
{
    size_t start = at;
    int level = 0;

    for (size_t i = at; i <= to; i++) {
        bool end = i == to || (level == 0 && is(q, i, "FROM"));

        if (end || (level == 0 && is(q, i, ","))) {
            if (i == start || !item(q, start, i, b, depth))
                return i == start ? wrong(q, "a column is missing") : false;
            if (end) {
                *ret_from = i;
                return true;
            }
            (void)tl_buf_putc(b, ',');
            start = i + 1;
        }
        level += is(q, i, "(") ? 1 : is(q, i, ")") ? -1 : 0;
    }
    return false;
}

static bool table(struct query *q, size_t i, struct tl_buf *b)
{
    struct tl_sv name = q->t[i].s;
    char shown[80], words[120];

    (void)snprintf(shown, sizeof shown, "%.*s", (int)(name.n < 60 ? name.n : 60), name.p);
    (void)snprintf(words, sizeof words, "Record '%s' was not found", shown);
    if (q->t[i].kind != WORD || !nsim_is_table(name))
        return wrong(q, words);
    for (size_t k = 0; k < nsim_n_types; k++)
        if (tl_sv_eqi(name, tl_sv_str(nsim_types[k].name)) && !nsim_may(q->s, &nsim_types[k]))
            return tl_buf_printf(b, " (SELECT * FROM v_%s WHERE 0)", shown) !=
                   false; /* rows one may not see are not there */
    (void)tl_buf_printf(b, q->rownum ? " (SELECT *,row_number() OVER () AS rownum FROM v_%s)" : " v_%s", shown);
    if (q->t[i + 1].kind != WORD || is(q, i + 1, "WHERE") || is(q, i + 1, "JOIN") || is(q, i + 1, "INNER") ||
        is(q, i + 1, "LEFT") || is(q, i + 1, "ORDER") || is(q, i + 1, "GROUP") || is(q, i + 1, "ON") ||
        is(q, i + 1, "FETCH") || is(q, i + 1, "OFFSET") || is(q, i + 1, "UNION"))
        (void)tl_buf_printf(b, " AS \"%s\"", shown);
    return true;
}

/* FETCH FIRST n ROWS ONLY, OFFSET n ROWS FETCH NEXT m ROWS ONLY. *ret_next: behind it. */
static bool fetch(struct query *q, size_t i, struct tl_buf *b, size_t *ret_next)
{
    struct tl_sv offset = TL_SV("0");

    if (is(q, i, "OFFSET") && q->t[i + 1].kind == NUMBER) {
        offset = q->t[i + 1].s;
        i += 3;
    }
    if (!is(q, i, "FETCH") || i + 4 >= q->n || q->t[i + 2].kind != NUMBER)
        return wrong(q, "FETCH FIRST n ROWS ONLY is malformed");
    *ret_next = i + 5;
    return tl_buf_printf(b, " LIMIT %.*s OFFSET %.*s", TL_SV_ARG(q->t[i + 2].s), TL_SV_ARG(offset));
}

static bool select_from(struct query *q, size_t i, size_t to, struct tl_buf *b, size_t *ret_next, struct tl_sv *top,
                        int depth)
{
    (void)tl_buf_puts(b, " SELECT");
    i++;
    if (is(q, i, "DISTINCT")) {
        (void)tl_buf_puts(b, " DISTINCT");
        i++;
    }
    if (is(q, i, "TOP") && q->t[i + 1].kind == NUMBER) {
        *top = q->t[i + 1].s;
        i += 2;
    }
    return columns(q, i, to, b, ret_next, depth);
}

/* The tokens [from, to) as SQL. */
static bool emit(struct query *q, size_t from, size_t to, struct tl_buf *b, int depth)
{
    struct tl_sv top = TL_SV_NULL;
    size_t i = from;

    if (depth == 0)
        return wrong(q, "too many brackets");
    while (i < to) {
        const struct token *t = &q->t[i];
        struct args a;

        if (is(q, i, "SELECT")) {
            if (!select_from(q, i, to, b, &i, &top, depth - 1))
                return false;
        } else if ((is(q, i, "FROM") || is(q, i, "JOIN")) && !is(q, i + 1, "(")) {
            (void)tl_buf_printf(b, " %.*s", TL_SV_ARG(t->s));
            if (!table(q, i + 1, b))
                return false;
            i += 2;
        } else if (is(q, i, "FETCH") || is(q, i, "OFFSET")) {
            if (!fetch(q, i, b, &i))
                return false;
        } else if (is(q, i, "BUILTIN") && is(q, i + 1, ".") && is(q, i + 2, "DF") && is(q, i + 3, "(")) {
            size_t close = closing(q, i + 3);

            if (close == 0 || !split_args(q, i + 3, close, &a) || !display(q, &a, b))
                return false;
            i = close + 1;
        } else if (t->kind == WORD && is(q, i + 1, "(")) {
            if (!function(q, i, b, &i, depth - 1))
                return false;
        } else if (is(q, i, "SYSDATE") || is(q, i, "CURRENT_DATE")) {
            (void)tl_buf_printf(b, " strftime('%%Y-%%m-%%d %%H:%%M:%%S',%lld,'unixepoch')",
                                (long long)nsim_now_ms(q->s) / 1000);
            i++;
        } else {
            bool quoted = t->kind == WORD && (is(q, i, "transaction") || (is(q, i, "type") && !is(q, i + 1, "(")));

            (void)tl_buf_printf(b, is(q, i, ".") || (i > from && is(q, i - 1, ".")) ? "" : " ");
            (void)tl_buf_printf(b, quoted ? "\"%.*s\"" : "%.*s", TL_SV_ARG(t->s));
            i++;
        }
    }
    if (top.p)
        (void)tl_buf_printf(b, " LIMIT %.*s", TL_SV_ARG(top));
    return !b->failed || wrong(q, "the query is too long");
}

bool nsim_suiteql_translate(const struct nsim *s, struct tl_sv text, struct tl_buf *sql, struct nsim_fault *f)
{
    struct query *q = tl_zalloc(sizeof *q);
    bool ok;

    q->s = s;
    q->f = f;
    ok = split(q, text);
    if (ok && !is(q, 0, "SELECT"))
        ok = wrong(q, "Invalid or unsupported search");
    ok = ok && emit(q, 0, q->n, sql, DEPTH);
    tl_free(q);
    return ok;
}
