/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse.c - the parser's one set-up, and XML to JSON in one pass over libxml2's SAX events, without a tree of its own.
 *
 * Open elements are frames; what is known of them so far, attributes and finished children, are entries on a stack, and
 * their text is the end of one buffer. A finished element gathers its entries by name with a hash, so that neither many
 * children of one name nor many names cost more than their number.
 */
#include "xml/xml_int.h"

#define XSI_NS "http://www.w3.org/2001/XMLSchema-instance"
const struct xml_limits xml_payload_limits = {.max_bytes = 64u << 20, .max_depth = 200, .max_nodes = 5000000};
enum { DEFAULT_BYTES = 16 << 20, DEFAULT_DEPTH = 100, DEFAULT_NODES = 500000, FEW = 8, INDEXED = 12 };

struct entry { /* an attribute or a child */
    struct tl_sv name;
    struct json value;
    uint32_t first, count; /* of its name: the first one's place; there the number of them */
};
struct frame {
    struct tl_sv name;
    size_t entries, text; /* where its own begin */
    bool nil;
};
struct reading {
    struct tl_arena *arena;
    unsigned flags;
    struct xml_limits limits;
    struct xml_places *places;
    struct frame frames[XML_DEPTH + 1];
    uint32_t depth, nodes;
    struct entry *entries;
    size_t n, cap;
    struct tl_buf text;
    enum tl_rc rc; /* why we stopped */
    const char *why;
    int line, column, code; /* code: libxml2's, of what made it not well formed */
};

/* ---- errors ---- */

static const char *words(int code)
{
    static const struct {
        int code;
        const char *text;
    } rows[] = {
        {XML_ERR_DOCUMENT_EMPTY, "it does not begin with an element"},
        {XML_ERR_DOCUMENT_END, "something follows the root element"},
        {XML_ERR_TAG_NAME_MISMATCH, "an end tag does not fit its start tag"},
        {XML_ERR_TAG_NOT_FINISHED, "it ends within an element"},
        {XML_ERR_GT_REQUIRED, "a tag has no end"},
        {XML_ERR_NAME_REQUIRED, "a name is missing"},
        {XML_ERR_ATTRIBUTE_REDEFINED, "an attribute stands twice in one tag"},
        {XML_ERR_ATTRIBUTE_NOT_STARTED, "the value of an attribute needs quotation marks"},
        {XML_ERR_ATTRIBUTE_WITHOUT_VALUE, "an attribute has no value"},
        {XML_ERR_ATTRIBUTE_NOT_FINISHED, "the value of an attribute does not end"},
        {XML_ERR_LT_IN_ATTRIBUTE, "a < in the value of an attribute is written &lt;"},
        {XML_ERR_ENTITYREF_SEMICOL_MISSING, "a & is written &amp;"},
        {XML_ERR_UNDECLARED_ENTITY, "an entity that is not one of &lt; &gt; &amp; &quot; &apos;"},
        {XML_ERR_INVALID_CHAR, "a character that XML does not have, or bytes that are not text in its encoding"},
        {XML_ERR_INVALID_ENCODING, "bytes that are not text in its encoding"},
        {XML_ERR_UNSUPPORTED_ENCODING, "an encoding that is not known"},
        {XML_ERR_CDATA_NOT_FINISHED, "a CDATA section does not end"},
        {XML_ERR_COMMENT_NOT_FINISHED, "a comment does not end"},
    };

    for (size_t i = 0; i < TL_COUNT(rows); i++)
        if (rows[i].code == code)
            return rows[i].text;
    return NULL;
}

/* The first one counts: those after it come of it. */
static void on_error(void *arg, xmlErrorPtr e)
{
    struct reading *r = ((xmlParserCtxt *)arg)->_private;

    if (e->level != XML_ERR_FATAL || r->code != 0 || r->rc != TL_OK)
        return;
    r->code = e->code;
    r->line = e->line;
    r->column = e->int2;
}

static enum tl_rc not_well_formed(const struct reading *r, struct tl_err *err)
{
    const char *text = words(r->code);

    if (text)
        return tl_fail_at(err, TL_PARSE, r->line, r->column, "XML: not well formed: %s", text);
    return tl_fail_at(err, TL_PARSE, r->line, r->column, "XML: not well formed (libxml2 code %d)", r->code);
}

static void stop(xmlParserCtxt *ctxt, struct reading *r, enum tl_rc rc, const char *why)
{
    if (r->rc == TL_OK) {
        r->rc = rc;
        r->why = why;
        r->line = ctxt->input ? ctxt->input->line : 0;
        r->column = ctxt->input ? ctxt->input->col : 0;
    }
    xmlStopParser(ctxt);
}

/* ---- names and values ---- */

static struct tl_sv of_xml(const xmlChar *s)
{
    return tl_sv_str((const char *)s);
}

static struct tl_sv joined(struct reading *r, const char *before, struct tl_sv prefix, struct tl_sv name)
{
    char *s =
        tl_arena_printf(r->arena, "%s%.*s%s%.*s", before, TL_SV_ARG(prefix), prefix.n > 0 ? ":" : "", TL_SV_ARG(name));

    return tl_sv_str(s ? s : "");
}

static bool push(xmlParserCtxt *ctxt, struct reading *r, struct tl_sv name, struct json value)
{
    if (r->nodes >= r->limits.max_nodes) {
        stop(ctxt, r, TL_LIMIT, "it has more elements and attributes than its limit");
        return false;
    }
    r->nodes++;
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 64;
        r->entries = tl_reallocarray(r->entries, r->cap, sizeof *r->entries);
    }
    r->entries[r->n++] = (struct entry){.name = name, .value = value};
    return true;
}

/* Gives each entry the place of the first of its name; the number of names. */
static uint32_t gather(struct entry *e, uint32_t n)
{
    uint32_t names = 0, mask = 1;
    TL_CLEANUP(tl_freep) uint32_t *slots = NULL; /* place + 1 */

    while (n > FEW && mask < n * 2)
        mask *= 2;
    if (n > FEW)
        slots = tl_zalloc(mask * sizeof *slots);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = i, slot = 0;

        if (slots) {
            slot = (uint32_t)tl_hash64(e[i].name.p, e[i].name.n, 0x786d6c) & (mask - 1);
            while (slots[slot] != 0 && !tl_sv_eq(e[slots[slot] - 1].name, e[i].name))
                slot = (slot + 1) & (mask - 1);
            at = slots[slot] ? slots[slot] - 1 : i;
            slots[slot] = at + 1;
        } else {
            for (uint32_t k = 0; k < i && at == i; k++)
                at = tl_sv_eq(e[k].name, e[i].name) ? k : at;
        }
        e[i].first = at;
        e[i].count = 0;
        e[at].count++;
        names += at == i;
    }
    return names;
}

static struct json object_of(struct reading *r, struct entry *e, uint32_t n)
{
    uint32_t names = gather(e, n);
    struct json_builder b;

    json_object_begin(&b, r->arena, names);
    for (uint32_t i = 0; i < n; i++) {
        struct entry *first = &e[e[i].first];

        if (first->count == 1)
            continue;
        if (i == e[i].first) { /* its value moves into the list that takes its place */
            struct json *items = tl_arena_alloc(r->arena, first->count * sizeof *items);

            if (!items)
                return JSON_NOTHING;
            items[0] = first->value;
            first->value = (struct json){.type = JSON_ARRAY, .n = 1, .u.items = items};
        } else {
            first->value.u.items[first->value.n++] = e[i].value;
        }
    }
    for (uint32_t i = 0; i < n; i++)
        if (e[i].first == i)
            (void)json_add(&b, e[i].name, e[i].value);
    return names > INDEXED ? json_indexed(r->arena, json_end(&b)) : json_end(&b);
}

static struct json value_of(xmlParserCtxt *ctxt, struct reading *r, const struct frame *f)
{
    struct tl_sv text = r->text.n > f->text ? tl_sv(r->text.p + f->text, r->text.n - f->text) : TL_SV("");

    if (f->nil)
        return json_null();
    if (r->n == f->entries)
        return json_str_copy(r->arena, text);
    text = tl_sv_trim(text);
    if (text.n > 0 && !push(ctxt, r, TL_SV("#text"), json_str_copy(r->arena, text)))
        return JSON_NOTHING;
    return object_of(r, r->entries + f->entries, (uint32_t)(r->n - f->entries));
}

/* ---- events ---- */

static void note_places(struct reading *r, struct tl_sv name, const xmlChar *uri)
{
    struct xml_places *p = r->places;
    struct tl_sv ns = of_xml(uri);

    if (r->depth == 0) {
        p->root = tl_arena_sv(r->arena, name);
        p->root_ns = tl_arena_sv(r->arena, ns);
    } else if (r->depth == 1 && tl_sv_eqs(name, "Body") && tl_sv_eq(ns, p->root_ns)) {
        p->body = true;
    } else if (r->depth == 2 && p->payload.n == 0 && p->body && tl_sv_eqs(r->frames[1].name, "Body")) {
        p->payload = tl_arena_sv(r->arena, name);
        p->payload_ns = tl_arena_sv(r->arena, ns);
    }
}

static bool is_true(struct tl_sv s)
{
    s = tl_sv_trim(s);
    return tl_sv_eqs(s, "true") || tl_sv_eqs(s, "1");
}

static bool attribute(xmlParserCtxt *ctxt, struct reading *r, struct frame *f, const xmlChar *const *at)
{
    bool local = (r->flags & XML_LOCAL) != 0, xsi = tl_sv_eqs(of_xml(at[2]), XSI_NS);
    struct tl_sv prefix = of_xml(at[1]), value = tl_sv((const char *)at[3], (size_t)(at[4] - at[3]));

    if (local && xsi && tl_sv_eqs(of_xml(at[0]), "nil")) {
        f->nil = is_true(value);
        return true;
    }
    if (local)
        prefix = xsi ? TL_SV("xsi") : TL_SV("");
    return push(ctxt, r, joined(r, "@", prefix, of_xml(at[0])), json_str_copy(r->arena, value));
}

static void on_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int n_namespaces,
                     const xmlChar **namespaces, int n_attributes, int n_defaulted, const xmlChar **attributes)
{
    xmlParserCtxt *ctxt = arg;
    struct reading *r = ctxt->_private;
    struct frame *f = &r->frames[r->depth];
    bool local = (r->flags & XML_LOCAL) != 0;

    (void)n_defaulted; /* there is no document type that could */
    if (r->depth >= r->limits.max_depth) {
        stop(ctxt, r, TL_LIMIT, "it is nested deeper than its limit");
        return;
    }
    if (r->places)
        note_places(r, of_xml(name), uri);
    *f = (struct frame){
        .name = joined(r, "", local ? TL_SV("") : of_xml(prefix), of_xml(name)), .entries = r->n, .text = r->text.n};
    r->depth++;
    for (int i = 0; i < n_namespaces && !local; i++) {
        struct tl_sv declared = of_xml(namespaces[2 * i]);

        if (!push(ctxt, r, declared.n > 0 ? joined(r, "@xmlns:", TL_SV(""), declared) : TL_SV("@xmlns"),
                  json_str_copy(r->arena, of_xml(namespaces[2 * i + 1]))))
            return;
    }
    for (int i = 0; i < n_attributes; i++)
        if (!attribute(ctxt, r, f, attributes + 5 * i))
            return;
}

static void on_end(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    xmlParserCtxt *ctxt = arg;
    struct reading *r = ctxt->_private;
    struct frame *f;
    struct json v;

    (void)name, (void)prefix, (void)uri;
    if (r->rc != TL_OK || r->depth == 0)
        return;
    f = &r->frames[--r->depth];
    v = value_of(ctxt, r, f);
    if (tl_arena_exceeded(r->arena)) {
        stop(ctxt, r, TL_LIMIT, "the memory limit is used up");
        return;
    }
    r->n = f->entries;
    r->text.n = f->text < r->text.n ? f->text : r->text.n;
    if (r->rc == TL_OK)
        (void)push(ctxt, r, f->name, v);
}

static void on_text(void *arg, const xmlChar *text, int n)
{
    xmlParserCtxt *ctxt = arg;
    struct reading *r = ctxt->_private;

    if (n > 0 && !tl_buf_put(&r->text, text, (size_t)n))
        stop(ctxt, r, TL_LIMIT, "its text is larger than its limit");
}

static void on_doctype(void *arg, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
    xmlParserCtxt *ctxt = arg;
    struct reading *r = ctxt->_private;

    (void)name, (void)external, (void)system;
    stop(ctxt, r, TL_INVALID,
         "a document type declaration is not accepted (write &#160; for &nbsp;, and leave out <!DOCTYPE>)");
}

/* ---- the set-up ---- */

/* NOENT: references in attributes come resolved; it concerns the five and characters only, as there are no others. */
static int options_of(unsigned flags)
{
    return XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOENT | XML_PARSE_COMPACT |
           (flags & XML_UNICODE ? XML_PARSE_IGNORE_ENC : 0);
}

static enum tl_rc check_size(struct tl_sv text, size_t max_bytes, struct tl_err *err)
{
    if (text.n > max_bytes || text.n > INT32_MAX)
        return tl_fail(err, TL_LIMIT, "XML: it is larger than %zu bytes", max_bytes);
    if (text.n == 0)
        return tl_fail(err, TL_PARSE, "XML: there is no text");
    return TL_OK;
}

/* Runs the parser with `sax` (NULL: libxml2's own, which builds a tree). */
static enum tl_rc run(struct reading *r, struct tl_sv text, const xmlSAXHandler *sax, xmlDocPtr *ret_doc,
                      struct tl_err *err)
{
    xmlParserCtxt *ctxt = xmlNewParserCtxt();
    enum tl_rc rc = TL_OK;

    if (!ctxt)
        return tl_fail(err, TL_LIMIT, "XML: no memory");
    if (sax)
        *ctxt->sax = *sax;
    ctxt->sax->internalSubset = on_doctype;
    ctxt->sax->serror = on_error;
    ctxt->_private = r;
    *ret_doc = xmlCtxtReadMemory(ctxt, text.p, (int)text.n, NULL, NULL, options_of(r->flags));
    if (r->rc != TL_OK)
        rc = tl_fail_at(err, r->rc, r->line, r->column, "XML: %s", r->why);
    else if (!ctxt->wellFormed)
        rc = not_well_formed(r, err);
    if (rc != TL_OK && *ret_doc) {
        xmlFreeDoc(*ret_doc);
        *ret_doc = NULL;
    }
    xmlFreeParserCtxt(ctxt);
    return rc;
}

static struct xml_limits limits_of(const struct xml_limits *limits)
{
    struct xml_limits l = limits ? *limits : (struct xml_limits){0};

    l.max_bytes = l.max_bytes ? l.max_bytes : DEFAULT_BYTES;
    l.max_depth = l.max_depth ? l.max_depth : DEFAULT_DEPTH;
    l.max_depth = l.max_depth < XML_DEPTH ? l.max_depth : XML_DEPTH;
    l.max_nodes = l.max_nodes ? l.max_nodes : DEFAULT_NODES;
    return l;
}

enum tl_rc xml__parse(struct tl_arena *a, struct tl_sv text, unsigned flags, const struct xml_limits *limits,
                      struct xml_places *places, struct json *ret, struct tl_err *err)
{
    static const xmlSAXHandler sax = {.initialized = XML_SAX2_MAGIC,
                                      .startElementNs = on_start,
                                      .endElementNs = on_end,
                                      .characters = on_text,
                                      .ignorableWhitespace = on_text,
                                      .cdataBlock = on_text};
    struct xml_limits l = limits_of(limits);
    struct reading *r;
    xmlDocPtr none = NULL;
    struct json_builder b;
    enum tl_rc rc = check_size(text, l.max_bytes, err);

    if (rc != TL_OK)
        return rc;
    r = tl_zalloc(sizeof *r);
    r->arena = a;
    r->flags = flags;
    r->limits = l;
    r->places = places;
    tl_buf_init(&r->text, l.max_bytes * 4); /* UTF-8 of a text in another encoding */
    rc = run(r, text, &sax, &none, err);
    if (none)
        xmlFreeDoc(none);
    if (rc == TL_OK && r->n != 1)
        rc = tl_fail(err, TL_PARSE, "XML: there is no element");
    if (rc == TL_OK) {
        json_object_begin(&b, a, 1);
        (void)json_add(&b, r->entries[0].name, r->entries[0].value);
        if (tl_arena_exceeded(a))
            rc = tl_fail(err, TL_LIMIT, "XML: the memory limit is used up");
        else
            *ret = json_end(&b);
    }
    tl_buf_done(&r->text);
    tl_free(r->entries);
    tl_free(r);
    return rc;
}

enum tl_rc xml_parse(struct tl_arena *a, struct tl_sv text, unsigned flags, const struct xml_limits *limits,
                     struct json *ret, struct tl_err *err)
{
    return xml__parse(a, text, flags, limits, NULL, ret, err);
}

enum tl_rc xml__document(struct tl_sv text, unsigned flags, size_t max_bytes, xmlDocPtr *ret, struct tl_err *err)
{
    struct reading *r;
    xmlDocPtr doc = NULL;
    enum tl_rc rc = check_size(text, max_bytes, err);

    if (rc != TL_OK)
        return rc;
    r = tl_zalloc(sizeof *r);
    r->flags = flags;
    rc = run(r, text, NULL, &doc, err);
    tl_free(r);
    if (rc == TL_OK)
        *ret = doc;
    return rc;
}

/* ---- reading what was parsed ---- */

size_t xml_count(struct json v)
{
    return v.type == JSON_UNDEFINED ? 0 : v.type == JSON_ARRAY ? v.n : 1;
}

struct json xml_at(struct json v, size_t i)
{
    return v.type == JSON_ARRAY ? json_at(v, i) : i == 0 ? v : JSON_NOTHING;
}

struct tl_sv xml_text(struct json v)
{
    if (v.type == JSON_OBJECT)
        v = json_gets(v, "#text");
    return v.type == JSON_STRING ? json_view(v) : TL_SV_NULL;
}

struct tl_sv xml_local_name(struct tl_sv qualified)
{
    size_t at = tl_sv_find(qualified, ':');

    return at < qualified.n ? tl_sv_from(qualified, at + 1) : qualified;
}
