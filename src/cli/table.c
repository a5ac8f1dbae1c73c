/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - aligned tables for people. */
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli_int.h"

struct cell {
    char *text;
    size_t width; /* characters */
    enum cli_shade shade;
};
struct cli_table {
    const char *const *heads;
    size_t columns, n, cap;
    struct cell *cells;
};

struct cli_table *cli__table_new(const char *const *heads, size_t n)
{
    struct cli_table *t = tl_zalloc(sizeof *t);

    t->heads = heads;
    t->columns = n;
    return t;
}

void cli__table_free(struct cli_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++)
        tl_free(t->cells[i].text);
    tl_free(t->cells);
    tl_free(t);
}

/* Control characters could drive the terminal; the texts come from outside. */
static char *clean(struct tl_sv s)
{
    char *copy = tl_strndup(s.p ? s.p : "", s.n), *out = copy;
    uint32_t cp;

    for (size_t n; s.n; s = tl_sv_from(s, n)) {
        n = tl_utf8_decode(s, &cp);
        if (n == 0 || tl_utf8_steers(cp)) {
            *out++ = n && (cp == '\n' || cp == '\t') ? ' ' : '?';
        } else {
            memcpy(out, s.p, n);
            out += n;
        }
        n = n ? n : 1;
    }
    *out = '\0';
    return copy;
}

void cli__table_cell(struct cli_table *t, struct tl_sv text, enum cli_shade shade)
{
    struct cell *c;

    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->cells = tl_reallocarray(t->cells, t->cap, sizeof *t->cells);
    }
    c = &t->cells[t->n++];
    c->text = clean(text);
    c->width = tl_utf8_count(tl_sv_str(c->text));
    c->shade = shade;
}

void cli__table_json(struct cli_table *t, struct json v)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    if (v.type == JSON_STRING) {
        cli__table_cell(t, json_view(v), CLI_PLAIN);
    } else if (v.type == JSON_NULL || v.type == JSON_UNDEFINED) {
        cli__table_cell(t, TL_SV("-"), CLI_DIM);
    } else {
        tl_buf_init(&b, 65536);
        json_write(&b, v, 0);
        cli__table_cell(t, tl_buf_view(&b), CLI_PLAIN);
    }
}

size_t cli__table_rows(const struct cli_table *t)
{
    return t->n / t->columns;
}

static bool to_the_right(const struct cli_table *t, size_t column)
{
    return t->heads[column][0] == '>';
}

static const char *head(const struct cli_table *t, size_t column)
{
    return t->heads[column] + (to_the_right(t, column) ? 1 : 0);
}

static void pad(struct tl_buf *out, size_t n)
{
    while (n--)
        (void)tl_buf_putc(out, ' ');
}

struct layout {
    const size_t *widths;
    size_t room; /* of the last column; SIZE_MAX: no limit */
    bool color;
};

static void put_cell(const struct cli_table *t, const struct layout *l, size_t column, const struct cell *c,
                     struct tl_buf *out)
{
    bool last = column + 1 == t->columns, cut = last && c->width > l->room;
    size_t width = cut ? l->room : c->width, fill = l->widths[column] > width ? l->widths[column] - width : 0;
    struct tl_sv text = tl_sv_str(c->text);

    if (cut)
        text.n = tl_utf8_offset(text, l->room > 3 ? l->room - 3 : 0);
    if (to_the_right(t, column))
        pad(out, fill);
    if (c->shade != CLI_PLAIN)
        (void)tl_buf_puts(out, cli__shade(l->color, c->shade));
    (void)tl_buf_sv(out, text);
    if (cut)
        (void)tl_buf_puts(out, "...");
    if (c->shade != CLI_PLAIN)
        (void)tl_buf_puts(out, cli__shade_end(l->color));
    if (!last && !to_the_right(t, column))
        pad(out, fill);
    (void)tl_buf_puts(out, last ? "\n" : "  ");
}

void cli__table_write(const struct cli_table *t, struct tl_buf *out, bool color, size_t width)
{
    size_t *widths = tl_zalloc(t->columns * sizeof *widths), before = 0;
    struct layout l = {widths, SIZE_MAX, color};

    assert(t->columns > 0);
    for (size_t c = 0; c < t->columns; c++)
        widths[c] = tl_utf8_count(tl_sv_str(head(t, c)));
    for (size_t i = 0; i < t->n; i++) {
        if (t->cells[i].width > widths[i % t->columns])
            widths[i % t->columns] = t->cells[i].width;
    }
    for (size_t c = 0; c + 1 < t->columns; c++)
        before += widths[c] + 2;
    if (width)
        l.room = width > before + 10 ? width - before : 10;
    for (size_t c = 0; c < t->columns; c++) {
        char *text = tl_strdup(head(t, c));
        const struct cell h = {text, tl_utf8_count(tl_sv_str(text)), CLI_BOLD};

        put_cell(t, &l, c, &h, out);
        tl_free(text);
    }
    for (size_t i = 0; i + t->columns <= t->n; i += t->columns) {
        for (size_t c = 0; c < t->columns; c++)
            put_cell(t, &l, c, &t->cells[i + c], out);
    }
    tl_free(widths);
}

void cli__table_print(const struct cli_table *t)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct winsize w = {0};
    size_t width = 0;

    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0)
        width = w.ws_col;
    tl_buf_init(&b, 64 << 20);
    cli__table_write(t, &b, cli__color(stdout), width);
    (void)fwrite(b.p ? b.p : "", 1, b.n, stdout);
}
