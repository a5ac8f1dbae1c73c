/* SPDX-License-Identifier: Apache-2.0 */
/* csv.c - RFC 4180, read and written without copying where nothing is quoted twice. */
#include "base/csv.h"

void tl_csv_init(struct tl_csv *c, struct tl_sv text, char delimiter)
{
    *c = (struct tl_csv){.text = text, .delimiter = delimiter};
    if (tl_sv_starts(text, TL_SV("\xef\xbb\xbf")))
        c->at = 3;
}

static bool is_end(char ch)
{
    return ch == '\r' || ch == '\n';
}

/* From behind the opening quote to behind the closing one. */
static enum tl_rc quoted(struct tl_csv *c, struct tl_arena *a, struct tl_sv *ret, struct tl_err *err)
{
    size_t from = ++c->at, doubled = 0;
    const char *p = c->text.p;
    char *to;

    for (;; c->at++) {
        const char *quote = c->at < c->text.n ? memchr(p + c->at, '"', c->text.n - c->at) : NULL;

        if (!quote)
            return tl_fail(err, TL_PARSE, "row %llu: a quoted value does not end", (unsigned long long)c->row);
        c->at = (size_t)(quote - p);
        if (c->at + 1 >= c->text.n || p[c->at + 1] != '"')
            break;
        c->at++;
        doubled++;
    }
    *ret = tl_sv(p + from, c->at - from);
    c->at++;
    if (c->at < c->text.n && p[c->at] != c->delimiter && !is_end(p[c->at]))
        return tl_fail(err, TL_PARSE, "row %llu: text stands behind a quoted value", (unsigned long long)c->row);
    if (doubled == 0)
        return TL_OK;
    to = tl_arena_alloc_unaligned(a, ret->n);
    if (!to)
        return tl_fail(err, TL_LIMIT, "the rows need more memory than they may have");
    from = 0;
    for (size_t i = 0; i < ret->n; i++) {
        to[from++] = ret->p[i];
        i += ret->p[i] == '"';
    }
    *ret = tl_sv(to, from);
    return TL_OK;
}

static void plain(struct tl_csv *c, struct tl_sv *ret)
{
    size_t from = c->at;

    while (c->at < c->text.n && c->text.p[c->at] != c->delimiter && !is_end(c->text.p[c->at]))
        c->at++;
    *ret = tl_sv(c->text.p + from, c->at - from);
}

enum tl_rc tl_csv_row(struct tl_csv *c, struct tl_arena *a, struct tl_sv *cells, size_t most, size_t *ret_n,
                      struct tl_err *err)
{
    size_t n = 0;
    enum tl_rc rc = TL_OK;

    *ret_n = 0;
    if (c->at >= c->text.n)
        return TL_OK;
    c->row++;
    for (;;) {
        if (n == most)
            return tl_fail(err, TL_PARSE, "row %llu has more than %zu values", (unsigned long long)c->row, most);
        if (c->at < c->text.n && c->text.p[c->at] == '"')
            rc = quoted(c, a, &cells[n], err);
        else
            plain(c, &cells[n]);
        if (rc != TL_OK)
            return rc;
        n++;
        if (c->at >= c->text.n || c->text.p[c->at] != c->delimiter)
            break;
        c->at++;
    }
    if (c->at < c->text.n && c->text.p[c->at] == '\r')
        c->at++;
    if (c->at < c->text.n && c->text.p[c->at] == '\n')
        c->at++;
    *ret_n = n;
    return TL_OK;
}

bool tl_csv_cell(struct tl_buf *b, struct tl_sv value, char delimiter)
{
    bool quote = value.n == 0;

    for (size_t i = 0; i < value.n; i++) {
        char ch = value.p[i];

        if (ch == '\0')
            return false;
        quote |= ch == delimiter || ch == '"' || is_end(ch);
    }
    if (!quote)
        quote = value.p[0] == ' ' || value.p[value.n - 1] == ' ' || value.p[0] == '\t' || value.p[value.n - 1] == '\t';
    if (!quote)
        return tl_buf_sv(b, value);
    (void)tl_buf_putc(b, '"');
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '"')
            (void)tl_buf_putc(b, '"');
        (void)tl_buf_putc(b, value.p[i]);
    }
    return tl_buf_putc(b, '"');
}
