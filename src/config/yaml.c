/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml.c - libyaml's events into our tree, refusing what makes YAML surprising or dangerous: anchors and aliases (also
 * the "billion laughs"), tags, merge keys, several documents, duplicate keys, depth and size without end.
 */
#include "config/config_int.h"

#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    struct tl_arena *arena;
    struct config_errors *e;
    const char *file;
    struct tl_sv text;
    size_t nodes;
};

static struct config_place place(const struct reader *r, yaml_mark_t m)
{
    return (struct config_place){.file = r->file, .line = (int32_t)m.line + 1, .column = (int32_t)m.column + 1};
}

static struct config_place place_of_byte(const char *file, struct tl_sv text, size_t at)
{
    struct config_place p = {.file = file, .line = 1};
    size_t start = 0;

    for (size_t i = 0; i < at; i++)
        if (text.p[i] == '\n') {
            p.line++;
            start = i + 1;
        }
    p.column = (int32_t)tl_utf8_count(tl_sv(text.p + start, at - start)) + 1;
    return p;
}

static bool check_bytes(struct config_errors *e, const char *file, struct tl_sv text)
{
    size_t valid;

    if (text.n >= 2 && (memcmp(text.p, "\xff\xfe", 2) == 0 || memcmp(text.p, "\xfe\xff", 2) == 0)) {
        config_error(e, (struct config_place){.file = file}, "Save it as UTF-8.", "the file is UTF-16, not UTF-8");
        return false;
    }
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
            config_error(e, place_of_byte(file, text, i), "Remove it; in a quoted text it can be written as \\xNN.",
                         "a control character (byte 0x%02x) is in the text", (unsigned)c);
            return false;
        }
    }
    valid = tl_utf8_valid(text);
    if (valid < text.n) {
        config_error(e, place_of_byte(file, text, valid), "Save the file as UTF-8.",
                     "byte 0x%02x is not valid UTF-8 here", (unsigned)(unsigned char)text.p[valid]);
        return false;
    }
    return true;
}

/* ---- syntax errors, in words that help ---- */

static struct tl_sv line_at(const struct reader *r, size_t line)
{
    struct tl_sv rest = r->text, part = TL_SV_NULL;

    for (size_t i = 0; i <= line; i++)
        if (!tl_sv_cut(&rest, '\n', &part))
            return TL_SV_NULL;
    return part;
}

static bool tab_indents(struct tl_sv line, int32_t *ret_column)
{
    for (size_t i = 0; i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'); i++)
        if (line.p[i] == '\t') {
            *ret_column = (int32_t)i + 1;
            return true;
        }
    return false;
}

static const char *syntax_hint(const char *problem)
{
    static const struct {
        const char *part, *hint;
    } hints[] = {
        {"mapping values are not allowed",
         "A text that contains ': ' needs quotes; or the line before lacks its colon."},
        {"could not find expected ':'", "A colon is missing after the key, or a text over several lines needs quotes."},
        {"did not find expected key", "Check the indentation of this line, and quotes and brackets above it."},
        {"did not find expected '-' indicator", "Check the indentation: the items of a list begin in one column."},
        {"did not find expected ',' or",
         "A bracket is not closed, or a comma is missing. Put ${...} in quotes inside { } and [ ]."},
        {"cannot start any token", "A text that begins with @, ` or % needs quotes."},
        {"unexpected end of stream", "A quote is not closed."},
        {"unknown escape character", "In double quotes write \\\\ for a backslash, or use single quotes."},
    };

    for (size_t i = 0; i < TL_COUNT(hints); i++)
        if (problem && strstr(problem, hints[i].part))
            return hints[i].hint;
    return NULL;
}

static void syntax_error(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    struct config_place at = place(r, p->problem_mark);
    int32_t column;

    if (p->error == YAML_READER_ERROR)
        at = place_of_byte(r->file, r->text, p->problem_offset < r->text.n ? p->problem_offset : r->text.n);
    if (p->error == YAML_MEMORY_ERROR) {
        config_error(r->e, at, NULL, "the YAML reader ran out of memory");
    } else if (tab_indents(line_at(r, p->problem_mark.line), &column)) {
        at.column = column;
        config_error(r->e, at, "Use spaces.", "a tab indents this line; YAML allows only spaces there");
    } else {
        config_error(r->e, at, syntax_hint(p->problem), "this is not valid YAML: %s%s%s",
                     p->problem ? p->problem : "unknown fault", p->context ? ", " : "", p->context ? p->context : "");
    }
}

static bool next(struct reader *r, yaml_event_t *ev)
{
    if (yaml_parser_parse(&r->parser, ev))
        return true;
    syntax_error(r);
    return false;
}

/* ---- nodes ---- */

static struct config_node *read_node(struct reader *r, yaml_event_t *ev, unsigned depth);

static bool refuse_extras(struct reader *r, const yaml_event_t *ev, const unsigned char *anchor,
                          const unsigned char *tag)
{
    if (anchor)
        config_error(r->e, place(r, ev->start_mark), "Remove &name, and write the value where it is used.",
                     "anchors (&name) are not read here");
    if (tag)
        config_error(r->e, place(r, ev->start_mark), "Remove the tag; put a text in quotes.",
                     "tags (%.40s) are not read here", (const char *)tag);
    return !anchor && !tag;
}

static bool scalar_ok(struct reader *r, const yaml_event_t *ev)
{
    struct tl_sv s = tl_sv((const char *)ev->data.scalar.value, ev->data.scalar.length);

    if (!refuse_extras(r, ev, ev->data.scalar.anchor, ev->data.scalar.tag))
        return false;
    if (memchr(s.p, 0, s.n)) {
        config_error(r->e, place(r, ev->start_mark), "Remove \\0.", "a text holds a NUL character");
        return false;
    }
    return true;
}

static struct config_node *read_scalar(struct reader *r, const yaml_event_t *ev)
{
    struct tl_sv s = tl_sv((const char *)ev->data.scalar.value, ev->data.scalar.length);

    (void)scalar_ok(r, ev); /* reported; reading goes on, to find the rest */
    return config__scalar(r->arena, s, ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE, place(r, ev->start_mark));
}

static struct config_node *read_list(struct reader *r, const yaml_event_t *start, unsigned depth)
{
    struct config_node *list = config__node(r->arena, CONFIG_NODE_LIST, place(r, start->start_mark));

    (void)refuse_extras(r, start, start->data.sequence_start.anchor, start->data.sequence_start.tag);
    while (list) {
        TL_CLEANUP(yaml_event_delete) yaml_event_t ev = {0};
        struct config_node *item;

        if (!next(r, &ev))
            return NULL;
        if (ev.type == YAML_SEQUENCE_END_EVENT)
            return list;
        item = read_node(r, &ev, depth + 1);
        if (!item || !config__push(r->arena, list, item))
            return NULL;
    }
    return NULL;
}

/* The key, or NULL after a report. *ret_usable is false for a key that is wrong but lets reading go on. */
static const char *read_key(struct reader *r, const yaml_event_t *ev, bool *ret_usable)
{
    struct tl_sv s = tl_sv((const char *)ev->data.scalar.value, ev->data.scalar.length);

    if (ev->type != YAML_SCALAR_EVENT) {
        config_error(r->e, place(r, ev->start_mark), "Put a text in quotes if it begins with [, {, * or &.",
                     "a key must be a plain text");
        return NULL;
    }
    *ret_usable = scalar_ok(r, ev);
    if (s.n == 0 || s.n > 1000) {
        config_error(r->e, place(r, ev->start_mark), NULL, s.n ? "a key is longer than 1,000 bytes" : "a key is empty");
        *ret_usable = false;
    }
    if (tl_sv_eqs(s, "<<") && ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        config_error(r->e, place(r, ev->start_mark), "Write the keys out.", "merge keys (<<) are not read here");
        *ret_usable = false;
    }
    return tl_arena_strndup(r->arena, s.p, s.n);
}

static bool read_entry(struct reader *r, struct config_node *map, struct config__keys *keys, const yaml_event_t *key_ev,
                       unsigned depth)
{
    TL_CLEANUP(yaml_event_delete) yaml_event_t ev = {0};
    struct config_place at = place(r, key_ev->start_mark);
    struct config_node *value;
    bool usable = true;
    const char *key = read_key(r, key_ev, &usable);
    size_t earlier;

    if (!key || !next(r, &ev))
        return false;
    value = read_node(r, &ev, depth + 1);
    if (!value)
        return false;
    if (!usable)
        return true;
    earlier = config__keys_seen(keys, map, key);
    if (earlier != SIZE_MAX) {
        config_error(r->e, at, "Remove one of them, or put them together.", "`%.80s` is given twice, first in line %d",
                     key, map->entries[earlier].at.line);
        return true;
    }
    return config__add(r->arena, map, key, at, value);
}

static struct config_node *read_map(struct reader *r, const yaml_event_t *start, unsigned depth)
{
    struct config_node *map = config__node(r->arena, CONFIG_NODE_MAP, place(r, start->start_mark));
    TL_CLEANUP(config__keys_done) struct config__keys keys = {0};

    (void)refuse_extras(r, start, start->data.mapping_start.anchor, start->data.mapping_start.tag);
    while (map) {
        TL_CLEANUP(yaml_event_delete) yaml_event_t ev = {0};

        if (!next(r, &ev))
            return NULL;
        if (ev.type == YAML_MAPPING_END_EVENT)
            return map;
        if (!read_entry(r, map, &keys, &ev, depth))
            return NULL;
    }
    return NULL;
}

/* What stands for it is at fault already: that it has no value is not said, too. */
static struct config_node *alias(struct reader *r, const yaml_event_t *ev)
{
    struct config_node *n = config__node(r->arena, CONFIG_NODE_NULL, place(r, ev->start_mark));

    if (n)
        config_mark_faulty(r->e, n);
    return n;
}

static struct config_node *read_node(struct reader *r, yaml_event_t *ev, unsigned depth)
{
    if (depth > CONFIG_MAX_DEPTH) {
        config_error(r->e, place(r, ev->start_mark), NULL, "this is nested deeper than %d levels", CONFIG_MAX_DEPTH);
        return NULL;
    }
    if (++r->nodes > CONFIG_MAX_NODES) {
        config_error(r->e, place(r, ev->start_mark), "Split the file.", "the file has more than %d values",
                     CONFIG_MAX_NODES);
        return NULL;
    }
    if (ev->type == YAML_SCALAR_EVENT)
        return read_scalar(r, ev);
    if (ev->type == YAML_SEQUENCE_START_EVENT)
        return read_list(r, ev, depth);
    if (ev->type == YAML_MAPPING_START_EVENT)
        return read_map(r, ev, depth);
    if (ev->type == YAML_ALIAS_EVENT) {
        config_error(r->e, place(r, ev->start_mark), "Write the value out; quote a text that begins with *.",
                     "aliases (*name) are not read here");
        return alias(r, ev);
    }
    config_error(r->e, place(r, ev->start_mark), NULL, "a value is missing here");
    return NULL;
}

static struct config_node *read_document(struct reader *r)
{
    struct config_node *root = NULL;

    for (;;) {
        TL_CLEANUP(yaml_event_delete) yaml_event_t ev = {0};

        if (!next(r, &ev))
            return NULL;
        if (ev.type == YAML_STREAM_START_EVENT || ev.type == YAML_DOCUMENT_END_EVENT)
            continue;
        if (ev.type == YAML_STREAM_END_EVENT) /* an empty file is an empty map */
            return root ? root : config__node(r->arena, CONFIG_NODE_MAP, (struct config_place){r->file, 1, 1});
        if (ev.type == YAML_DOCUMENT_START_EVENT) {
            if (!root)
                continue;
            config_error(r->e, place(r, ev.start_mark), "Move it to a file of its own and name that under `include`.",
                         "a second document begins here; a file holds one");
            return NULL;
        }
        root = read_node(r, &ev, 0);
        if (!root)
            return NULL;
    }
}

enum tl_rc config__parse_yaml(struct tl_arena *a, const char *file, struct tl_sv text, struct config_errors *e,
                              struct config_node **ret)
{
    struct reader r = {.arena = a, .e = e, .file = file ? tl_arena_strdup(a, file) : NULL, .text = text};
    size_t before = config_errors_count(e);
    struct config_node *root;

    *ret = NULL;
    if (text.n > CONFIG_MAX_FILE) {
        config_error(e, (struct config_place){.file = r.file},
                     "Move a part to a file of its own and name that under `include`.", "the file is larger than %d MB",
                     CONFIG_MAX_FILE >> 20);
        return TL_CONFIG;
    }
    if (tl_sv_starts(r.text, TL_SV("\xef\xbb\xbf")))
        r.text = tl_sv_from(r.text, 3);
    if (r.file)
        config_errors_source(e, r.file, r.text);
    if (!check_bytes(e, r.file, r.text))
        return TL_CONFIG;
    if (!yaml_parser_initialize(&r.parser)) {
        (void)config__no_memory(e);
        return TL_CONFIG;
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(r.text.p ? r.text.p : ""), r.text.n);
    root = read_document(&r);
    yaml_parser_delete(&r.parser);
    if (!root && config_errors_count(e) == before)
        (void)config__no_memory(e);
    *ret = root;
    return root && config_errors_count(e) == before ? TL_OK : TL_CONFIG;
}

enum tl_rc config_parse_yaml(struct tl_arena *a, const char *file, struct tl_sv text, struct config_errors *e,
                             struct config_node **ret)
{
    struct config_node *root;

    if (config__parse_yaml(a, file, text, e, &root) != TL_OK)
        return TL_CONFIG;
    *ret = root;
    return TL_OK;
}
