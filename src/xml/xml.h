/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml.h - XML as JSON values, SOAP 1.1 envelopes, XSLT. The one folder that uses libxml2 and libxslt.
 *
 * Reading is safe for texts of strangers: a document type declaration is refused where it begins, so there are no
 * entities but the five of XML 1.0 section 4.6 and no outside parts; nothing is fetched; bytes, depth and the number of
 * elements are limited, and all memory of the result is the arena's. Nothing here suspends; a large text belongs on the
 * main stack or a worker like any pure work.
 *
 * XML and JSON, both ways
 *   <a>x</a>                    {"a": "x"}                  an element without attributes and elements is its text,
 *   <a/>                        {"a": ""}                   spaces and all
 *   <a id="7">x</a>             {"a": {"@id": "7", "#text": "x"}}           text beside others is trimmed; none: absent
 *   <a><b>1</b><c/><b>2</b></a> {"a": {"b": ["1", "2"], "c": ""}}           several of one name: a list, at the first
 *   <p:a xmlns:p="urn:x"/>      {"p:a": {"@xmlns:p": "urn:x"}}              names with their prefixes, as spelled
 * Comments and processing instructions are dropped; CDATA is text; mixed content loses the order of its texts. The way
 * back takes any value: null is an empty element, true and 7 their spelling, a list one element for each item.
 *
 * XML_LOCAL reads what others' prefixes must not matter in (SOAP, feeds): names lose their prefix, declarations of
 * namespaces are left out, attributes of XMLSchema-instance are "@xsi:NAME" whatever their prefix, and an element with
 * xsi:nil is null.
 */
#ifndef TL_XML_XML_H
#define TL_XML_XML_H

#include "json/json.h"

/* ---- reading ---- */
enum {
    XML_LOCAL = 1,
    XML_UNICODE = 2 /* the text is UTF-8 whatever its declaration says: it went through a JSON string */
};
struct xml_limits {
    size_t max_bytes;   /* 0: 16 MB */
    uint32_t max_depth; /* 0: 100; at most 200 */
    uint32_t max_nodes; /* elements and attributes; 0: 500,000 */
};
/* Of what an event brings, in a body or in a text within: those of $tl.parseXml. */
extern const struct xml_limits xml_payload_limits;
/*
 * {root name: root}. limits NULL: the defaults. TL_PARSE with line and column: not well formed (in words of ours: no
 * part of the text gets into an error). TL_INVALID: a document type declaration. TL_LIMIT: a limit or the arena's.
 */
TL_MUST_CHECK enum tl_rc xml_parse(struct tl_arena *a, struct tl_sv text, unsigned flags,
                                   const struct xml_limits *limits, struct json *ret, struct tl_err *err);
/* What may occur several times: the number of them and one of them, be it absent, one or a list. */
size_t xml_count(struct json v);
struct json xml_at(struct json v, size_t i);
/* The text of an element, with attributes or without; .p NULL: none (absent, null, a list, elements only). */
struct tl_sv xml_text(struct json v);
/* "Customer" of "listRel:Customer": the value of an xsi:type without its prefix. */
struct tl_sv xml_local_name(struct tl_sv qualified);

/* ---- writing ---- */
enum { XML_INDENT = 1, XML_DECLARATION = 2 /* <?xml version="1.0" encoding="UTF-8"?> before it */ };
/*
 * v: an object with one member, the root. Appends to b. TL_INVALID: no such object, or a name that XML does not have.
 * TL_LIMIT: deeper than 200, or b's limit. Characters that XML 1.0 does not have (section 2.2) become U+FFFD.
 */
TL_MUST_CHECK enum tl_rc xml_write(struct json v, unsigned flags, struct tl_buf *b, struct tl_err *err);
/* Text with < > & " and control characters made harmless, for content and for attributes. */
void xml_escape(struct tl_buf *b, struct tl_sv text);

/* ---- SOAP 1.1 (W3C Note of 8 May 2000) ---- */
#define XML_SOAP_NS "http://schemas.xmlsoap.org/soap/envelope/"
struct xml_soap {
    struct json header;                  /* the Header's children by XML_LOCAL; JSON_UNDEFINED: none */
    struct tl_sv name, ns;               /* of the first element in Body; name.n 0: an empty Body */
    struct json body;                    /* its value by XML_LOCAL; JSON_UNDEFINED: none */
    bool is_fault;                       /* then: section 4.4; absent parts are empty */
    struct tl_sv fault_code, fault_text; /* fault_code without its prefix: "Client", "Server.userException" */
    struct json fault_detail;            /* by XML_LOCAL; JSON_UNDEFINED: none */
};
/* As xml_parse. TL_INVALID too: XML, but no envelope of SOAP 1.1. What it points to is the arena's. */
TL_MUST_CHECK enum tl_rc xml_soap_parse(struct tl_arena *a, struct tl_sv text, const struct xml_limits *limits,
                                        struct xml_soap *ret, struct tl_err *err);
/*
 * An envelope around `body` (an object with one member, or JSON_UNDEFINED for an empty Body) with `header` (an object
 * of any number; JSON_UNDEFINED: none). namespaces: an object prefix -> URI, declared on the envelope whose own prefix
 * is "soapenv"; or JSON_UNDEFINED. Errors as xml_write.
 */
TL_MUST_CHECK enum tl_rc xml_soap_write(struct tl_buf *b, struct json namespaces, struct json header, struct json body,
                                        struct tl_err *err);
/* An envelope with a Fault; code: "Client" or "Server" and what follows with a dot; detail: its content, or
 * JSON_UNDEFINED. */
TL_MUST_CHECK enum tl_rc xml_soap_write_fault(struct tl_buf *b, struct json namespaces, const char *code,
                                              struct tl_sv text, struct json detail, struct tl_err *err);

/* ---- XSLT 1.0 with EXSLT ---- */
/*
 * For a process of its own (src/mapping's child): libxslt can be made to work for hours, and _new sets process-wide
 * defaults: no files, no network, no documents of the stylesheet's choice.
 */
struct xml_xslt;
struct xml_xslt *xml_xslt_new(void) TL_MUST_CHECK;
void xml_xslt_free(struct xml_xslt *x); /* NULL allowed */
/* Takes the place of the stylesheet before it, unless it is the same. TL_PARSE with the line, TL_INVALID as xml_parse.
 */
TL_MUST_CHECK enum tl_rc xml_xslt_compile(struct xml_xslt *x, struct tl_sv stylesheet, struct tl_err *err);
/*
 * input: a text is the XML, anything else becomes XML first. parameters: an object or JSON_UNDEFINED; texts as they
 * are, the rest as JSON. *ret: a text, or the JSON in it where the output method is "text" and it is JSON. TL_INVALID:
 * the transformation refuses the input; TL_BUDGET.
 */
TL_MUST_CHECK enum tl_rc xml_xslt_run(struct xml_xslt *x, struct tl_arena *a, struct json input, struct json parameters,
                                      size_t max_bytes, struct json *ret, struct tl_err *err);

#endif
