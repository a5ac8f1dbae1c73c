/* SPDX-License-Identifier: Apache-2.0 */
/* xml.c - XML to JSON and back by a simple, lossless-enough convention (mapping_int.h). No DTDs, no network. */
#include <libxml/parser.h>
#include <libxml/tree.h>

#include "mapping/mapping_int.h"

#define MAX_DEPTH 200

static struct json text_of(struct tl_arena *a, const xmlChar *s)
{
    return json_str_copy(a, tl_sv_str((const char *)s));
}

static struct tl_sv name_of(struct tl_arena *a, const char *before, const xmlNs *ns, const xmlChar *name)
{
    const char *prefix = ns && ns->prefix ? (const char *)ns->prefix : "";

    return tl_sv_str(tl_arena_printf(a, "%s%s%s%s", before, prefix, *prefix ? ":" : "", (const char *)name));
}

/* The array that elements of one name go to while they follow one another. */
struct series {
    struct tl_sv name;
    struct json_builder list; /* .cap 0: none yet */
};

/* A second element of one name turns the member into an array. Names that alternate copy their array each time: the
 * arena's limit bounds that. */
static void add(struct tl_arena *a, struct json_builder *b, struct series *s, struct tl_sv name, struct json v)
{
    struct json old = json_get(json_end(b), name);
    bool same = s->list.cap > 0 && tl_sv_eq(s->name, name);

    if (old.type == JSON_UNDEFINED) {
        (void)json_add(b, name, v);
        return;
    }
    if (!same) {
        json_array_begin(&s->list, a, old.type == JSON_ARRAY ? old.n * 2ul : 4);
        for (uint32_t i = 0; old.type == JSON_ARRAY && i < old.n; i++)
            (void)json_push(&s->list, old.u.items[i]);
        if (old.type != JSON_ARRAY)
            (void)json_push(&s->list, old);
        s->name = name;
    }
    (void)json_push(&s->list, v);
    (void)json_set(b, name, json_end(&s->list));
}

static struct json element(struct tl_arena *a, const xmlNode *n, int depth)
{
    struct series series = {0};
    struct json_builder b;
    struct tl_buf text;
    struct json out;

    if (depth > MAX_DEPTH)
        return json_null();
    json_object_begin(&b, a, 4);
    tl_buf_init(&text, 64u << 20);
    for (const xmlNs *ns = n->nsDef; ns; ns = ns->next)
        (void)json_add(&b, ns->prefix ? name_of(a, "@xmlns:", NULL, ns->prefix) : TL_SV("@xmlns"),
                       text_of(a, ns->href));
    for (const xmlAttr *at = n->properties; at; at = at->next) {
        xmlChar *value = xmlNodeListGetString(n->doc, at->children, 1);

        (void)json_add(&b, name_of(a, "@", at->ns, at->name), text_of(a, value));
        xmlFree(value);
    }
    for (const xmlNode *c = n->children; c; c = c->next) {
        if (c->type == XML_ELEMENT_NODE)
            add(a, &b, &series, name_of(a, "", c->ns, c->name), element(a, c, depth + 1));
        else if ((c->type == XML_TEXT_NODE || c->type == XML_CDATA_SECTION_NODE) && c->content)
            (void)tl_buf_puts(&text, (const char *)c->content);
    }
    if (json_end(&b).n == 0) {
        out = json_str_copy(a, tl_buf_view(&text));
    } else {
        if (tl_sv_trim(tl_buf_view(&text)).n > 0)
            (void)json_adds(&b, "#text", json_str_copy(a, tl_sv_trim(tl_buf_view(&text))));
        out = json_end(&b);
    }
    tl_buf_done(&text);
    return out;
}

static bool has_doctype(const xmlDoc *doc)
{
    return doc->intSubset || doc->extSubset;
}

enum tl_rc xml_to_json(struct tl_arena *a, struct tl_sv xml, struct json *ret, struct tl_err *err)
{
    xmlParserCtxtPtr ctxt = xml.n < INT32_MAX ? xmlNewParserCtxt() : NULL;
    xmlDocPtr doc;
    const xmlNode *root;
    struct json_builder b;
    enum tl_rc rc = TL_OK;

    if (!ctxt)
        return tl_fail(err, TL_LIMIT, "XML: the text is too large");
    doc = xmlCtxtReadMemory(ctxt, xml.p ? xml.p : "", (int)xml.n, NULL, NULL,
                            XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
    root = doc ? xmlDocGetRootElement(doc) : NULL;
    if (!root)
        rc = tl_fail_at(err, TL_PARSE, ctxt->lastError.line, 0, "XML: not well formed (libxml2 code %d)",
                        ctxt->lastError.code);
    else if (has_doctype(doc))
        rc = tl_fail(err, TL_INVALID, "XML: a document type declaration is not accepted");
    if (rc == TL_OK) {
        json_object_begin(&b, a, 1);
        (void)json_add(&b, name_of(a, "", root->ns, root->name), element(a, root, 0));
        if (tl_arena_exceeded(a))
            rc = tl_fail(err, TL_LIMIT, "XML: the memory limit is used up");
        else
            *ret = json_end(&b);
    }
    if (doc)
        xmlFreeDoc(doc);
    xmlFreeParserCtxt(ctxt);
    return rc;
}

/* ---- JSON to XML ---- */

struct writer {
    struct tl_buf *b;
    bool indent;
    struct tl_err *err;
};

static enum tl_rc put_element(struct writer *w, struct tl_sv name, struct json v, int depth);

static void put_escaped(struct tl_buf *b, struct tl_sv s, bool attribute)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '<')
            (void)tl_buf_puts(b, "&lt;");
        else if (c == '>')
            (void)tl_buf_puts(b, "&gt;");
        else if (c == '&')
            (void)tl_buf_puts(b, "&amp;");
        else if (attribute && c == '"')
            (void)tl_buf_puts(b, "&quot;");
        else if (c == '\r' || (attribute && (c == '\n' || c == '\t')))
            (void)tl_buf_printf(b, "&#%d;", c);
        else if ((uint8_t)c < 0x20 && c != '\n' && c != '\t')
            (void)tl_buf_puts(b, "\xef\xbf\xbd"); /* XML 1.0 has no such character */
        else
            (void)tl_buf_putc(b, c);
    }
}

static void put_scalar(struct writer *w, struct json v, bool attribute)
{
    if (v.type == JSON_STRING)
        put_escaped(w->b, json_view(v), attribute);
    else if (v.type != JSON_NULL)
        (void)json_write(w->b, v, 0);
}

/* XML 1.0 Name, as far as ASCII goes. */
static bool is_name(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

        if (!letter && c != '_' && c != ':' && (uint8_t)c < 0x80 &&
            (i == 0 || ((c < '0' || c > '9') && c != '-' && c != '.')))
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
    if (depth > MAX_DEPTH)
        return tl_fail(w->err, TL_LIMIT, "XML: nested too deeply");
    if (v.type == JSON_ARRAY) {
        for (uint32_t i = 0; i < v.n && rc == TL_OK; i++)
            rc = put_element(w, name, v.u.items[i], depth + 1);
        return rc;
    }
    if (w->b->n > 0)
        new_line(w, depth);
    (void)tl_buf_printf(w->b, "<%.*s", TL_SV_ARG(name));
    if (v.type == JSON_OBJECT)
        return put_object(w, name, v, depth);
    (void)tl_buf_putc(w->b, '>');
    put_scalar(w, v, false);
    (void)tl_buf_printf(w->b, "</%.*s>", TL_SV_ARG(name));
    return TL_OK;
}

enum tl_rc xml_from_json(struct json v, bool indent, struct tl_buf *b, struct tl_err *err)
{
    struct writer w = {b, indent, err};
    enum tl_rc rc;

    if (v.type != JSON_OBJECT || v.n != 1 || v.u.members[0].value.type == JSON_ARRAY)
        return tl_fail(err, TL_INVALID, "XML: an object with one member, the root element, is expected");
    rc = put_element(&w, json_view(v.u.members[0].key), v.u.members[0].value, 0);
    if (rc == TL_OK && b->failed)
        rc = tl_fail(err, TL_LIMIT, "XML: the document is too large");
    return rc;
}
