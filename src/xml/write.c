/* SPDX-License-Identifier: Apache-2.0 */
/* write.c - JSON to XML by the rules of xml.h. */
#include "xml/xml_int.h"

struct writer {
    struct tl_buf *b;
    bool indent;
    struct tl_err *err;
    size_t start; /* of the root in b */
};

static enum tl_rc put_element(struct writer *w, struct tl_sv name, struct json v, int depth);

/* Bytes at the start of s that are a character which XML 1.0 does not have (section 2.2): controls, U+FFFE, U+FFFF, and
 * lone surrogates, which our JSON may hold. 0: none. */
static size_t not_xml(struct tl_sv s)
{
    const uint8_t *p = (const uint8_t *)s.p;

    if (p[0] < 0x20)
        return p[0] != '\n' && p[0] != '\t' && p[0] != '\r';
    if (s.n >= 3 && ((p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe) || (p[0] == 0xed && p[1] >= 0xa0)))
        return 3;
    return 0;
}

static void put_escaped(struct tl_buf *b, struct tl_sv s, bool attribute)
{
    for (size_t i = 0; i < s.n; i++) {
        size_t odd = not_xml(tl_sv_from(s, i));
        char c = s.p[i];

        if (odd > 0) {
            (void)tl_buf_puts(b, "\xef\xbf\xbd");
            i += odd - 1;
        } else if (c == '<') {
            (void)tl_buf_puts(b, "&lt;");
        } else if (c == '>') {
            (void)tl_buf_puts(b, "&gt;");
        } else if (c == '&') {
            (void)tl_buf_puts(b, "&amp;");
        } else if (attribute && c == '"') {
            (void)tl_buf_puts(b, "&quot;");
        } else if (c == '\r' || (attribute && (c == '\n' || c == '\t'))) {
            (void)tl_buf_printf(b, "&#%d;", c); /* sections 2.11 and 3.3.3 would make them something else */
        } else {
            (void)tl_buf_putc(b, c);
        }
    }
}

static void put_scalar(struct writer *w, struct json v, bool attribute)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};

    if (v.type == JSON_STRING)
        put_escaped(w->b, json_view(v), attribute);
    if (v.type == JSON_STRING || v.type == JSON_NULL || v.type == JSON_UNDEFINED)
        return;
    tl_buf_init(&text, w->b->max);
    if (!json_write(&text, v, 0))
        w->b->failed = true;
    put_escaped(w->b, tl_buf_view(&text), attribute);
}

/* XML 1.0 section 2.3, NameStartChar and what NameChar adds, above ASCII. */
static bool is_name_character(uint32_t c, bool first)
{
    static const uint32_t ranges[][2] = {{0xc0, 0xd6},     {0xd8, 0xf6},     {0xf8, 0x2ff},    {0x370, 0x37d},
                                         {0x37f, 0x1fff},  {0x200c, 0x200d}, {0x2070, 0x218f}, {0x2c00, 0x2fef},
                                         {0x3001, 0xd7ff}, {0xf900, 0xfdcf}, {0xfdf0, 0xfffd}, {0x10000, 0xeffff}};

    for (size_t i = 0; i < TL_COUNT(ranges); i++)
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return true;
    return !first && (c == 0xb7 || (c >= 0x300 && c <= 0x36f) || c == 0x203f || c == 0x2040);
}

static bool is_name(struct tl_sv s)
{
    for (size_t i = 0, n = 0; i < s.n; i += n) {
        uint32_t c = 0;
        bool ok;

        n = tl_utf8_decode(tl_sv_from(s, i), &c);
        if (n == 0)
            return false;
        if (c >= 0x80)
            ok = is_name_character(c, i == 0);
        else if (((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c == ':')
            ok = true;
        else
            ok = i > 0 && ((c >= '0' && c <= '9') || c == '-' || c == '.');
        if (!ok)
            return false;
    }
    return s.n > 0;
}

static void new_line(struct writer *w, int depth)
{
    if (!w->indent)
        return;
    (void)tl_buf_putc(w->b, '\n');
    for (int i = 0; i < depth; i++)
        (void)tl_buf_puts(w->b, "  ");
}

static bool starts_with(struct json key, char c)
{
    return key.n > 0 && key.u.s[0] == c;
}

static enum tl_rc put_content(struct writer *w, struct json v, int depth, bool *ret_elements)
{
    enum tl_rc rc = TL_OK;

    for (uint32_t i = 0; i < v.n && rc == TL_OK; i++) {
        const struct json_member *m = &v.u.members[i];

        if (starts_with(m->key, '@') || m->value.type == JSON_UNDEFINED)
            continue;
        if (starts_with(m->key, '#')) {
            put_scalar(w, m->value, false);
            continue;
        }
        *ret_elements = true;
        rc = put_element(w, json_view(m->key), m->value, depth + 1);
    }
    return rc;
}

static enum tl_rc put_object(struct writer *w, struct tl_sv name, struct json v, int depth)
{
    bool elements = false;
    enum tl_rc rc;

    for (uint32_t i = 0; i < v.n; i++) {
        const struct json_member *m = &v.u.members[i];

        if (!starts_with(m->key, '@') || m->value.type == JSON_UNDEFINED)
            continue;
        if (!is_name(tl_sv_from(json_view(m->key), 1)))
            return tl_fail(w->err, TL_INVALID, "XML: a member is no attribute name");
        (void)tl_buf_printf(w->b, " %.*s=\"", TL_SV_ARG(tl_sv_from(json_view(m->key), 1)));
        put_scalar(w, m->value, true);
        (void)tl_buf_putc(w->b, '"');
    }
    (void)tl_buf_putc(w->b, '>');
    rc = put_content(w, v, depth, &elements);
    if (elements)
        new_line(w, depth);
    (void)tl_buf_printf(w->b, "</%.*s>", TL_SV_ARG(name));
    return rc;
}

static enum tl_rc put_element(struct writer *w, struct tl_sv name, struct json v, int depth)
{
    enum tl_rc rc = TL_OK;

    if (!is_name(name))
        return tl_fail(w->err, TL_INVALID, "XML: a member is no element name");
    if (depth > XML_DEPTH)
        return tl_fail(w->err, TL_LIMIT, "XML: nested too deeply");
    if (v.type == JSON_ARRAY) {
        for (uint32_t i = 0; i < v.n && rc == TL_OK; i++)
            rc = put_element(w, name, v.u.items[i], depth + 1);
        return rc;
    }
    if (w->b->n > w->start)
        new_line(w, depth);
    (void)tl_buf_printf(w->b, "<%.*s", TL_SV_ARG(name));
    if (v.type == JSON_OBJECT)
        return put_object(w, name, v, depth);
    (void)tl_buf_putc(w->b, '>');
    put_scalar(w, v, false);
    (void)tl_buf_printf(w->b, "</%.*s>", TL_SV_ARG(name));
    return TL_OK;
}

enum tl_rc xml_write(struct json v, unsigned flags, struct tl_buf *b, struct tl_err *err)
{
    struct writer w = {.b = b, .indent = (flags & XML_INDENT) != 0, .err = err};
    enum tl_rc rc;

    if (v.type != JSON_OBJECT || v.n != 1 || v.u.members[0].value.type == JSON_ARRAY)
        return tl_fail(err, TL_INVALID, "XML: an object with one member, the root element, is expected");
    if (flags & XML_DECLARATION)
        (void)tl_buf_puts(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    w.start = b->n;
    rc = put_element(&w, json_view(v.u.members[0].key), v.u.members[0].value, 0);
    if (rc == TL_OK && b->failed)
        rc = tl_fail(err, TL_LIMIT, "XML: the document is too large");
    return rc;
}

void xml_escape(struct tl_buf *b, struct tl_sv text)
{
    put_escaped(b, text, true);
}
