/* SPDX-License-Identifier: Apache-2.0 */
/* reference.c - the tables as a Markdown page and as words for completion. */
#include "config/config_int.h"

#include <stdlib.h>

/* ---- all tables ---- */

struct walk {
    const struct config_spec **list;
    size_t n, max;
};

static void add_spec(struct walk *w, const struct config_spec *spec)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->list[i] == spec)
            return;
    if (w->n < w->max)
        w->list[w->n++] = spec;
}

static void add_field(struct walk *w, const struct config_field *f)
{
    const struct config_field *v;

    if (f->spec)
        add_spec(w, f->spec);
    if (f->item)
        add_field(w, f->item);
    for (size_t i = 0; f->variants && (v = config__variant(f->variants, i)) != NULL; i++)
        add_field(w, v);
}

size_t config__specs(const struct config_spec *spec, const struct config_spec **list, size_t max)
{
    struct walk w = {.list = list, .max = max};
    const struct config_field *v;

    add_spec(&w, spec);
    for (size_t k = 0; k < w.n; k++) {
        for (size_t i = 0; i < list[k]->n_fields; i++)
            add_field(&w, &list[k]->fields[i]);
        for (size_t i = 0; list[k]->variants && (v = config__variant(list[k]->variants, i)) != NULL; i++)
            add_field(&w, v);
    }
    return w.n;
}

bool config__has_required(const struct config_spec *spec)
{
    for (size_t i = 0; i < spec->n_fields; i++)
        if (spec->fields[i].required)
            return true;
    return false;
}

/* ---- Markdown ---- */

static void put_cell(struct tl_buf *b, const char *s)
{
    for (; *s; s++) {
        if (*s == '|')
            tl_buf_putc(b, '\\');
        tl_buf_putc(b, *s == '\n' ? ' ' : *s);
    }
}

/* GitHub's anchors: lower case, blanks to '-', of the rest only letters, digits, '-' and '_'. */
static void put_link(struct tl_buf *b, const char *text, const char *name)
{
    tl_buf_printf(b, "[%s](#", text);
    for (; *name; name++)
        if ((*name >= 'a' && *name <= 'z') || (*name >= '0' && *name <= '9') || *name == '_' || *name == '-')
            tl_buf_putc(b, *name);
        else if (*name >= 'A' && *name <= 'Z')
            tl_buf_putc(b, (char)(*name | 0x20));
    tl_buf_putc(b, ')');
}

static void put_type(struct tl_buf *b, const struct config_field *f)
{
    const struct config_field *v, *inner = f;

    config__type_name(f, b);
    while (inner->item)
        inner = inner->item;
    if (inner->spec) {
        tl_buf_putc(b, ' ');
        put_link(b, inner->spec->name, inner->spec->name);
    }
    for (size_t i = 0; inner->variants && (v = config__variant(inner->variants, i)) != NULL; i++) {
        tl_buf_puts(b, i ? ", " : " ");
        if (v->spec)
            put_link(b, v->name, v->spec->name);
        else
            tl_buf_printf(b, "`%s`", v->name);
    }
}

static void put_bounds(struct tl_buf *b, const struct config_field *f)
{
    char low[32], high[32];

    if (f->type == CONFIG_INT && (f->min || f->max))
        tl_buf_printf(b, f->max ? " From %lld to %lld." : " At least %lld.", (long long)f->min, (long long)f->max);
    if (f->type == CONFIG_DURATION && f->max)
        tl_buf_printf(b, " From %s to %s.", tl_duration_format(f->min, low), tl_duration_format(f->max, high));
    if (f->type == CONFIG_SIZE && f->max)
        tl_buf_printf(b, " At most %s.", tl_size_format((uint64_t)f->max, high));
}

static bool lives_within(const struct config_field *f)
{
    for (size_t i = 0; f->spec && i < f->spec->n_fields; i++)
        if (f->spec->fields[i].reload == CONFIG_RELOAD_APPLIES)
            return true;
    return false;
}

static void put_row(struct tl_buf *b, const struct config_field *f)
{
    tl_buf_printf(b, "| `%s` | ", f->name);
    put_type(b, f);
    tl_buf_puts(b, " | ");
    if (f->required)
        tl_buf_puts(b, "required");
    else if (f->fallback)
        tl_buf_printf(b, "`%s`", f->fallback);
    tl_buf_puts(b, " | ");
    put_cell(b, f->doc ? f->doc : "");
    put_bounds(b, f);
    if (f->example) {
        tl_buf_puts(b, " Example: `");
        put_cell(b, f->example);
        tl_buf_putc(b, '`');
    }
    if (f->deprecated)
        tl_buf_printf(b, " Out of date: %s", f->deprecated);
    if (f->identity)
        tl_buf_puts(b, " Part of the identity: a change holds what is queued.");
    if (f->reload == CONFIG_RELOAD_RESTART)
        tl_buf_puts(b, lives_within(f) ? " To add or remove it needs a restart; what is in it does not."
                                       : " A change needs a restart.");
    tl_buf_puts(b, " |\n");
}

static void put_section(struct tl_buf *b, const struct config_spec *spec)
{
    const struct config_field *v;

    tl_buf_printf(b, "\n## %s\n\n%s\n", spec->name, spec->doc ? spec->doc : "");
    if (spec->scalar)
        tl_buf_printf(b, "\nA bare value stands for `{ %s: value }`.\n", spec->scalar);
    if (spec->tag) {
        tl_buf_printf(b, "\n`%s` (required) says which:\n\n", spec->tag);
        for (size_t i = 0; (v = config__variant(spec->variants, i)) != NULL; i++) {
            tl_buf_printf(b, "- `%s`: %s ", v->name, v->doc ? v->doc : "");
            put_link(b, v->spec->name, v->spec->name);
            tl_buf_putc(b, '\n');
        }
    }
    if (spec->n_fields == 0)
        return;
    tl_buf_puts(b, "\n| key | type | default | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < spec->n_fields; i++)
        if (!spec->fields[i].advanced)
            put_row(b, &spec->fields[i]);
    for (size_t i = 0; i < spec->n_fields; i++)
        if (spec->fields[i].advanced)
            put_row(b, &spec->fields[i]);
}

bool config_reference(const struct config_spec *spec, const char *title, struct tl_buf *b)
{
    const struct config_spec **specs = tl_reallocarray(NULL, CONFIG_MAX_SPECS, sizeof *specs);
    size_t n = config__specs(spec, specs, CONFIG_MAX_SPECS);

    tl_buf_printf(b, "# %s\n", title);
    for (size_t i = 0; i < n; i++)
        put_section(b, specs[i]);
    tl_free(specs);
    return !b->failed;
}

/* ---- words ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct words {
    const char **list;
    size_t n, cap;
};

static void add_word(struct words *w, const char *s)
{
    if (w->n == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 256;
        w->list = tl_reallocarray(w->list, w->cap, sizeof *w->list);
    }
    w->list[w->n++] = s;
}

static void field_words(struct words *w, const struct config_field *f)
{
    const struct config_field *v;

    if (f->name)
        add_word(w, f->name);
    for (size_t i = 0; f->type == CONFIG_ENUM && f->choices[i]; i++)
        add_word(w, f->choices[i]);
    if (f->item)
        field_words(w, f->item);
    for (size_t i = 0; f->variants && (v = config__variant(f->variants, i)) != NULL; i++)
        field_words(w, v);
}

bool config_words(const struct config_spec *spec, struct tl_buf *b)
{
    const struct config_spec **specs = tl_reallocarray(NULL, CONFIG_MAX_SPECS, sizeof *specs);
    size_t n = config__specs(spec, specs, CONFIG_MAX_SPECS);
    const struct config_field *v;
    struct words w = {0};

    for (size_t k = 0; k < n; k++) {
        if (specs[k]->tag)
            add_word(&w, specs[k]->tag);
        for (size_t i = 0; i < specs[k]->n_fields; i++)
            field_words(&w, &specs[k]->fields[i]);
        for (size_t i = 0; specs[k]->variants && (v = config__variant(specs[k]->variants, i)) != NULL; i++)
            add_word(&w, v->name);
    }
    if (w.n)
        qsort(w.list, w.n, sizeof *w.list, by_text);
    for (size_t i = 0; i < w.n; i++)
        if (i == 0 || strcmp(w.list[i], w.list[i - 1]) != 0)
            tl_buf_printf(b, "%s\n", w.list[i]);
    tl_free(w.list);
    tl_free(specs);
    return !b->failed;
}
