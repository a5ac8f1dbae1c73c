/* SPDX-License-Identifier: Apache-2.0 */
/* tl_formats.c - $tl functions that read and write CSV, XML and JSON inside a text. */
#include "mapping/tl_int.h"

struct csv {
    struct tl_arena *arena;
    const char *p, *end;
    char separator;
};

/* One field (RFC 4180 section 2); false at the arena's limit. *ret_last: a record ends behind it. */
static bool csv_field(struct csv *c, struct json *ret, bool *ret_last)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    bool quoted = c->p < c->end && *c->p == '"';

    tl_buf_init(&b, 64u << 20);
    c->p += quoted;
    while (c->p < c->end) {
        if (quoted && *c->p == '"') {
            if (c->p + 1 == c->end || c->p[1] != '"') {
                quoted = false;
                c->p++;
                continue;
            }
            c->p++;
        } else if (!quoted && (*c->p == c->separator || *c->p == '\n' || *c->p == '\r')) {
            break;
        }
        (void)tl_buf_putc(&b, *c->p++);
    }
    *ret_last = c->p == c->end || *c->p != c->separator;
    if (c->p < c->end && *c->p == '\r')
        c->p++;
    if (c->p < c->end && (!*ret_last || *c->p == '\n'))
        c->p++;
    *ret = json_str_copy(c->arena, tl_buf_view(&b));
    return ret->type != JSON_UNDEFINED;
}

static bool csv_record(struct csv *c, struct json *ret)
{
    struct json_builder b;
    struct json v;
    bool last = false;

    json_array_begin(&b, c->arena, 8);
    while (!last)
        if (!csv_field(c, &v, &last) || !json_push(&b, v))
            return false;
    *ret = json_end(&b);
    return true;
}

static struct json csv_object(struct tl_arena *a, struct json header, struct json record)
{
    struct json_builder b;

    json_object_begin(&b, a, header.n);
    for (uint32_t i = 0; i < header.n && i < record.n; i++)
        if (!json_set(&b, json_view(json_at(header, i)), json_at(record, i)))
            return JSON_NOTHING;
    return json_end(&b);
}

/* parseCsv(text, {"separator": ",", "header": true}) */
enum tl_rc mapping_tl_parse_csv(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    struct json text = tl_arg(args, n, 0), options = tl_arg(args, n, 1), header = JSON_NOTHING, record;
    struct tl_sv separator = json_text(json_gets(options, "separator"), TL_SV(","));
    struct json with_header = json_gets(options, "header");
    struct csv c = {.arena = jsonata_arena(e)};
    struct json_builder rows;

    if (text.type == JSON_UNDEFINED)
        return TL_OK;
    if (text.type != JSON_STRING || separator.n != 1)
        return tl_bad_argument(e, "parseCsv",
                               "a text, then optionally {\"separator\": one character, \"header\": boolean}");
    c.p = text.u.s;
    c.end = text.u.s + text.n;
    c.separator = separator.p[0];
    json_array_begin(&rows, c.arena, 16);
    while (c.p < c.end) {
        if (!csv_record(&c, &record))
            return tl_no_memory(e);
        if (record.n == 1 && json_at(record, 0).n == 0)
            continue; /* an empty line */
        if (header.type == JSON_UNDEFINED && !(with_header.type == JSON_BOOL && !with_header.u.b)) {
            header = record;
            continue;
        }
        if (header.type == JSON_ARRAY)
            record = csv_object(c.arena, header, record);
        if (record.type == JSON_UNDEFINED || !json_push(&rows, record))
            return tl_no_memory(e);
    }
    *ret = json_end(&rows);
    return TL_OK;
}

static void csv_put(struct tl_buf *b, struct json v, char separator)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct tl_sv s;

    tl_buf_init(&text, 64u << 20);
    if (v.type == JSON_STRING)
        (void)tl_buf_sv(&text, json_view(v));
    else if (v.type != JSON_NULL)
        (void)json_write(&text, v, 0);
    s = tl_buf_view(&text);
    if (tl_sv_find(s, '"') == s.n && tl_sv_find(s, separator) == s.n && tl_sv_find(s, '\n') == s.n &&
        tl_sv_find(s, '\r') == s.n) {
        (void)tl_buf_sv(b, s);
        return;
    }
    (void)tl_buf_putc(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            (void)tl_buf_putc(b, '"');
        (void)tl_buf_putc(b, s.p[i]);
    }
    (void)tl_buf_putc(b, '"');
}

/* toCsv(array of objects, {"separator": ","}): the columns are the names of the first object. */
enum tl_rc mapping_tl_to_csv(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json rows = tl_arg(args, n, 0), columns;
    struct tl_sv separator = json_text(json_gets(tl_arg(args, n, 1), "separator"), TL_SV(","));

    if (rows.type == JSON_UNDEFINED)
        return TL_OK;
    if (rows.type == JSON_OBJECT)
        rows = (struct json){.type = JSON_ARRAY, .n = 1, .u.items = &rows};
    columns = json_at(rows, 0);
    if (rows.type != JSON_ARRAY || columns.type != JSON_OBJECT || separator.n != 1)
        return tl_bad_argument(e, "toCsv", "an array of objects, then optionally {\"separator\": one character}");
    tl_buf_init(&b, 64u << 20);
    for (uint32_t i = 0; i < columns.n; i++) {
        if (i > 0)
            (void)tl_buf_putc(&b, separator.p[0]);
        csv_put(&b, columns.u.members[i].key, separator.p[0]);
    }
    for (uint32_t r = 0; r < rows.n; r++) {
        (void)tl_buf_puts(&b, "\r\n");
        for (uint32_t i = 0; i < columns.n; i++) {
            if (i > 0)
                (void)tl_buf_putc(&b, separator.p[0]);
            csv_put(&b, json_get(json_at(rows, r), json_view(columns.u.members[i].key)), separator.p[0]);
        }
    }
    (void)tl_buf_puts(&b, "\r\n");
    if (b.failed)
        return tl_no_memory(e);
    return tl_return_text(e, tl_buf_view(&b), ret);
}

enum tl_rc mapping_tl_parse_xml(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    struct json text = tl_arg(args, n, 0);
    struct tl_err err = {0};

    if (text.type == JSON_UNDEFINED)
        return TL_OK;
    if (text.type == JSON_OBJECT && text.n == 1) { /* read already: the body of an XML event */
        *ret = text;
        return TL_OK;
    }
    if (text.type != JSON_STRING)
        return tl_bad_argument(e, "parseXml", "a text");
    if (xml_parse(jsonata_arena(e), json_view(text), XML_UNICODE, &xml_payload_limits, ret, &err) != TL_OK)
        return jsonata_host_fail(e, "TL006", "%s", err.text);
    return TL_OK;
}

/* toXml({root: ...}, indent = false) */
enum tl_rc mapping_tl_to_xml(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_err err = {0};
    struct json indent = tl_arg(args, n, 1);

    if (tl_arg(args, n, 0).type == JSON_UNDEFINED)
        return TL_OK;
    tl_buf_init(&b, 64u << 20);
    if (xml_write(args[0], indent.type == JSON_BOOL && indent.u.b ? XML_INDENT : 0, &b, &err) != TL_OK)
        return jsonata_host_fail(e, "TL006", "%s", err.text);
    return tl_return_text(e, tl_buf_view(&b), ret);
}

enum tl_rc mapping_tl_parse_json(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    struct json text = tl_arg(args, n, 0);
    struct tl_err err = {0};

    if (text.type == JSON_UNDEFINED)
        return TL_OK;
    if (text.type != JSON_STRING)
        return tl_bad_argument(e, "parseJson", "a text");
    if (json_parse(jsonata_arena(e), json_view(text), JSON_PARSE_LONE_SURROGATES, NULL, ret, &err) != TL_OK)
        return jsonata_host_fail(e, "TL006", "%s (line %d, column %d)", err.text, err.line, err.column);
    return TL_OK;
}
