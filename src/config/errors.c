/* SPDX-License-Identifier: Apache-2.0 */
/* errors.c - the collected errors of one reading, and how they are shown. Everything is copied: a report outlives the
 * arena of the tree it speaks of. */
#include "config/config_int.h"

#include <stdio.h>
#include <stdlib.h>

struct problem {
    bool warning, secret;
    struct config_place at;
    const char *message, *hint;
    size_t order;
};

struct source {
    const char *file;
    struct tl_sv text;
    int32_t *secret_lines;
    size_t n_secret_lines;
};

struct config_errors {
    struct tl_arena *arena;
    struct problem list[CONFIG_MAX_ERRORS * 2]; /* warnings have their own room */
    size_t n;
    size_t errors, warnings; /* all of them, also those not kept */
    struct source sources[CONFIG_MAX_FILES];
    size_t n_sources;
    const struct config_node **faulty; /* compared, never looked into */
    size_t n_faulty;
    bool no_memory;
};

struct config_errors *config_errors_new(void)
{
    struct config_errors *e = tl_zalloc(sizeof *e);

    e->arena = tl_arena_new(2 * (size_t)CONFIG_MAX_TOTAL + (1 << 20));
    return e;
}

void config_errors_free(struct config_errors *e)
{
    if (!e)
        return;
    tl_arena_free(e->arena);
    for (size_t i = 0; i < e->n_sources; i++)
        tl_free(e->sources[i].secret_lines);
    tl_free(e->faulty);
    tl_free(e);
}

void config_errors_freep(struct config_errors **e)
{
    config_errors_free(*e);
}

static void add(struct config_errors *e, bool warning, struct config_place at, const char *hint, const char *fmt,
                va_list ap) TL_PRINTF(5, 0);

static void add(struct config_errors *e, bool warning, struct config_place at, const char *hint, const char *fmt,
                va_list ap)
{
    char text[600];
    struct problem *p;
    size_t before = warning ? e->warnings++ : e->errors++;

    if (before >= CONFIG_MAX_ERRORS)
        return;
    (void)vsnprintf(text, sizeof text, fmt, ap);
    p = &e->list[e->n];
    *p = (struct problem){.warning = warning, .at = at, .order = e->n};
    p->message = tl_arena_strdup(e->arena, text);
    p->hint = hint ? tl_arena_strdup(e->arena, hint) : NULL;
    p->at.file = at.file ? tl_arena_strdup(e->arena, at.file) : NULL;
    if (p->message)
        e->n++;
}

void config_error(struct config_errors *e, struct config_place at, const char *hint, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(e, false, at, hint, fmt, ap);
    va_end(ap);
}

void config_warn(struct config_errors *e, struct config_place at, const char *hint, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(e, true, at, hint, fmt, ap);
    va_end(ap);
}

bool config__no_memory(struct config_errors *e)
{
    if (!e->no_memory)
        config_error(e, (struct config_place){0}, "Split it, or remove what is not used.",
                     "the configuration needs more memory than it may have");
    e->no_memory = true;
    return false;
}

size_t config_errors_count(const struct config_errors *e)
{
    return e->errors;
}

size_t config_warnings_count(const struct config_errors *e)
{
    return e->warnings;
}

void config_errors_source(struct config_errors *e, const char *file, struct tl_sv text)
{
    struct source *s = &e->sources[e->n_sources];

    if (e->n_sources == TL_COUNT(e->sources) || text.n > CONFIG_MAX_FILE)
        return;
    s->file = tl_arena_strdup(e->arena, file);
    s->text = tl_arena_sv(e->arena, text);
    if (s->file && (s->text.p || text.n == 0))
        e->n_sources++;
}

static const struct source *source_of(const struct config_errors *e, const char *file)
{
    for (size_t i = 0; file && i < e->n_sources; i++)
        if (strcmp(e->sources[i].file, file) == 0)
            return &e->sources[i];
    return NULL;
}

struct tl_sv config__source(const struct config_errors *e, const char *file)
{
    const struct source *s = source_of(e, file);

    return s ? s->text : TL_SV_NULL;
}

void config__secret_line(struct config_errors *e, struct config_place at)
{
    const struct source *found = source_of(e, at.file);
    struct source *s = found ? &e->sources[found - e->sources] : NULL;

    if (!s) /* no line of it is shown */
        return;
    if (s->n_secret_lines % 64 == 0)
        s->secret_lines = tl_reallocarray(s->secret_lines, s->n_secret_lines + 64, sizeof *s->secret_lines);
    s->secret_lines[s->n_secret_lines++] = at.line;
}

void config_mark_faulty(struct config_errors *e, const struct config_node *n)
{
    if (config_is_faulty(e, n))
        return;
    if (e->n_faulty % 64 == 0)
        e->faulty = tl_reallocarray(e->faulty, e->n_faulty + 64, sizeof *e->faulty);
    e->faulty[e->n_faulty++] = n;
}

bool config_is_faulty(const struct config_errors *e, const struct config_node *n)
{
    for (size_t i = 0; n && i < e->n_faulty; i++)
        if (e->faulty[i] == n)
            return true;
    return false;
}

static int by_place(const void *va, const void *vb)
{
    const struct problem *a = va, *b = vb;
    int c;

    if (!a->at.file || !b->at.file)
        c = (a->at.file != NULL) - (b->at.file != NULL);
    else
        c = strcmp(a->at.file, b->at.file);
    if (c == 0)
        c = (a->at.line > b->at.line) - (a->at.line < b->at.line);
    if (c == 0)
        c = (a->at.column > b->at.column) - (a->at.column < b->at.column);
    return c ? c : (a->order > b->order) - (a->order < b->order);
}

static struct problem *sorted(const struct config_errors *e)
{
    struct problem *copy = tl_reallocarray(NULL, e->n + 1, sizeof *copy);

    memcpy(copy, e->list, e->n * sizeof *copy);
    qsort(copy, e->n, sizeof *copy, by_place);
    return copy;
}

static bool hidden(const struct config_errors *e, struct config_place at)
{
    const struct source *s = source_of(e, at.file);

    for (size_t i = 0; s && i < s->n_secret_lines; i++)
        if (s->secret_lines[i] == at.line)
            return true;
    for (size_t i = 0; i < e->n; i++)
        if (e->list[i].secret && at.file && e->list[i].at.file && e->list[i].at.line == at.line &&
            strcmp(e->list[i].at.file, at.file) == 0)
            return true;
    return false;
}

void config__hide_line(struct config_errors *e)
{
    if (e->n)
        e->list[e->n - 1].secret = true;
}

static void put_problem(const struct config_errors *e, const struct problem *p, bool color, struct tl_buf *b)
{
    if (color)
        tl_buf_puts(b, "\033[1m");
    if (p->at.file && p->at.line > 0)
        tl_buf_printf(b, "%s:%d:%d: ", p->at.file, p->at.line, p->at.column);
    else if (p->at.file)
        tl_buf_printf(b, "%s: ", p->at.file);
    if (color)
        tl_buf_puts(b, p->warning ? "\033[33m" : "\033[31m");
    tl_buf_puts(b, p->warning ? "warning: " : "error: ");
    if (color)
        tl_buf_puts(b, "\033[0m");
    tl_buf_printf(b, "%s\n", p->message);
    if (!hidden(e, p->at))
        config__put_excerpt(e, p->at, color, b);
    if (p->hint && *p->hint)
        tl_buf_printf(b, "    %s\n", p->hint);
}

bool config_errors_text(const struct config_errors *e, bool color, struct tl_buf *b)
{
    TL_CLEANUP(tl_freep) struct problem *list = sorted(e);
    size_t kept = 0;

    for (size_t i = 0; i < e->n; i++) {
        put_problem(e, &list[i], color, b);
        kept += !list[i].warning;
    }
    if (e->errors > kept)
        tl_buf_printf(b, "and %zu more errors\n", e->errors - kept);
    return !b->failed;
}

struct json config_errors_json(const struct config_errors *e, struct tl_arena *a)
{
    TL_CLEANUP(tl_freep) struct problem *list = sorted(e);
    struct json_builder all, one;

    json_array_begin(&all, a, e->n);
    for (size_t i = 0; i < e->n; i++) {
        const struct problem *p = &list[i];

        json_object_begin(&one, a, 6);
        json_adds(&one, "severity", json_str(p->warning ? "warning" : "error"));
        if (p->at.file)
            json_adds(&one, "file", json_str_copy(a, tl_sv_str(p->at.file)));
        if (p->at.line > 0) {
            json_adds(&one, "line", json_int(p->at.line));
            json_adds(&one, "column", json_int(p->at.column));
        }
        json_adds(&one, "message", json_str_copy(a, tl_sv_str(p->message)));
        if (p->hint && *p->hint)
            json_adds(&one, "hint", json_str_copy(a, tl_sv_str(p->hint)));
        json_push(&all, json_end(&one));
    }
    return json_end(&all);
}

enum tl_rc(config_errors_first)(const struct config_errors *e, struct tl_err *err)
{
    TL_CLEANUP(tl_freep) struct problem *list = sorted(e);
    const struct problem *p = list;
    char more[40] = "";

    if (e->errors == 0)
        return TL_OK;
    while (p < list + e->n && p->warning)
        p++;
    if (e->errors > 1)
        (void)snprintf(more, sizeof more, " (and %zu more)", e->errors - 1);
    if (p == list + e->n)
        return tl_fail(err, TL_CONFIG, "the configuration has errors");
    return tl_fail_at(err, TL_CONFIG, p->at.line, p->at.column, "%s%s%s%s", p->at.file ? p->at.file : "",
                      p->at.file ? ": " : "", p->message, more);
}
