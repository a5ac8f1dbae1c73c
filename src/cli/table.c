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
    char *copy, *out;
    uint32_t cp;

    s = s.p ? s : TL_SV("");
    copy = out = tl_strndup(s.p, s.n);
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

/* ---- fitting ---- */
/* What may be cut where a line is too long. */
enum column {
    COLUMN_TEXT,
    COLUMN_NUMBER, /* its head */
    COLUMN_TIME,   /* its fraction of a second */
    COLUMN_ID      /* nothing: it is copied into the next command */
};
enum { TIME_FULL = 24, DOTS_FROM = 8, GAP = 2 };

static bool is_time(const struct cell *c)
{
    return c->width == TIME_FULL && c->text[10] == 'T' && c->text[TIME_FULL - 1] == 'Z';
}

static enum column kind_of(const struct cli_table *t, size_t column)
{
    static const char *const ids[] = {"id", "event", "delivery", "fingerprint", "job"};
    bool time = t->n > 0;

    if (to_the_right(t, column))
        return COLUMN_NUMBER;
    for (size_t i = 0; i < TL_COUNT(ids); i++)
        if (strcmp(t->heads[column], ids[i]) == 0)
            return COLUMN_ID;
    for (size_t i = column; i < t->n && time; i += t->columns)
        time = is_time(&t->cells[i]) || strcmp(t->cells[i].text, "-") == 0;
    return time ? COLUMN_TIME : COLUMN_TEXT;
}

struct layout {
    size_t *widths;
    size_t gap; /* between two columns */
    bool color;
};

static size_t sum(const struct cli_table *t, const struct layout *l)
{
    size_t all = l->gap * (t->columns - 1);

    for (size_t c = 0; c < t->columns; c++)
        all += l->widths[c];
    return all;
}

/* The widest of a kind first, as long as the line is too long and one is wider than its least. */
static void shrink(const struct cli_table *t, struct layout *l, size_t width, enum column kind, const size_t *least)
{
    for (size_t over = sum(t, l); over > width; over--) {
        size_t widest = t->columns;

        for (size_t c = 0; c < t->columns; c++)
            if (kind_of(t, c) == kind && l->widths[c] > least[c] &&
                (widest == t->columns || l->widths[c] > l->widths[widest]))
                widest = c;
        if (widest == t->columns)
            return;
        l->widths[widest]--;
    }
}

/* Step by step; what does not fit after the last one is longer than the terminal. */
static void fit(const struct cli_table *t, struct layout *l, size_t width)
{
    static const struct {
        enum column kind;
        size_t least, gap;
    } steps[] = {{COLUMN_TIME, 19, GAP}, {COLUMN_TEXT, 12, GAP}, {COLUMN_NUMBER, 5, GAP}, {COLUMN_TEXT, 6, GAP},
                 {COLUMN_NUMBER, 3, 1},  {COLUMN_TIME, 10, 1},   {COLUMN_TEXT, 4, 1}};
    size_t *least = tl_zalloc(t->columns * sizeof *least);

    for (size_t i = 0; i < TL_COUNT(steps) && sum(t, l) > width; i++) {
        for (size_t c = 0; c < t->columns; c++)
            least[c] = steps[i].least;
        for (size_t k = 0; k < t->n && steps[i].kind == COLUMN_NUMBER; k++) /* a number is whole */
            if (t->cells[k].width > least[k % t->columns])
                least[k % t->columns] = t->cells[k].width;
        l->gap = steps[i].gap;
        shrink(t, l, width, steps[i].kind, least);
    }
    tl_free(least);
}

static void put_cell(const struct cli_table *t, const struct layout *l, size_t column, const struct cell *c,
                     struct tl_buf *out)
{
    bool last = column + 1 == t->columns, cut = c->width > l->widths[column];
    bool dots = cut && !is_time(c) && !to_the_right(t, column) && l->widths[column] >= DOTS_FROM;
    size_t width = cut ? l->widths[column] : c->width, fill = l->widths[column] - width;
    struct tl_sv text = tl_sv_str(c->text);

    if (cut)
        text.n = tl_utf8_offset(text, dots ? width - 3 : width);
    if (to_the_right(t, column))
        pad(out, fill);
    if (c->shade != CLI_PLAIN)
        (void)tl_buf_puts(out, cli__shade(l->color, c->shade));
    (void)tl_buf_sv(out, text);
    if (dots)
        (void)tl_buf_puts(out, "...");
    if (c->shade != CLI_PLAIN)
        (void)tl_buf_puts(out, cli__shade_end(l->color));
    if (!last && !to_the_right(t, column))
        pad(out, fill);
    if (last)
        (void)tl_buf_putc(out, '\n');
    else
        pad(out, l->gap);
}

void cli__table_write(const struct cli_table *t, struct tl_buf *out, bool color, size_t width)
{
    struct layout l = {tl_zalloc(t->columns * sizeof *l.widths), GAP, color};

    assert(t->columns > 0);
    for (size_t c = 0; c < t->columns; c++)
        l.widths[c] = tl_utf8_count(tl_sv_str(head(t, c)));
    for (size_t i = 0; i < t->n; i++) {
        if (t->cells[i].width > l.widths[i % t->columns])
            l.widths[i % t->columns] = t->cells[i].width;
    }
    if (width)
        fit(t, &l, width);
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
    tl_free(l.widths);
}

size_t cli__terminal_width(void)
{
    struct winsize w = {0};

    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

void cli__table_print(const struct cli_table *t)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 64 << 20);
    cli__table_write(t, &b, cli__color(stdout), cli__terminal_width());
    (void)fwrite(b.p ? b.p : "", 1, b.n, stdout);
}
