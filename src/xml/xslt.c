/* SPDX-License-Identifier: Apache-2.0 */
/* xslt.c - XSLT by libxslt: no network, no files, no documents of its own choice. */
#include <stdarg.h>
#include <stdio.h>

#include <libexslt/exslt.h>
#include <libxml/xmlerror.h>
#include <libxslt/security.h>
#include <libxslt/transform.h>
#include <libxslt/variables.h>
#include <libxslt/xsltutils.h>

#include "xml/xml_int.h"

#define MAX_TEMPLATE_DEPTH 1000
#define MAX_OPERATIONS 50000000ul
#define MAX_TEXT (256u << 20)

struct xml_xslt {
    xsltSecurityPrefsPtr prefs;
    xsltStylesheetPtr sheet;
    struct tl_buf compiled;
    char error[300];
    int texts; /* of libxslt that stand in it: the first says where, the second what */
    int line;
};

static void TL_PRINTF(2, 3) on_text(void *arg, const char *fmt, ...)
{
    struct xml_xslt *s = arg;
    size_t used = strlen(s->error);
    va_list ap;

    if ((used && s->texts != 1) || used + 3 > sizeof(s->error))
        return;
    if (used) {
        memcpy(s->error + used, ": ", 3);
        used += 2;
    }
    s->texts++;
    va_start(ap, fmt);
    (void)vsnprintf(s->error + used, sizeof(s->error) - used, fmt, ap);
    va_end(ap);
    s->error[strcspn(s->error, "\n")] = '\0';
}

static void on_error(void *arg, xmlErrorPtr e)
{
    struct xml_xslt *s = arg;

    if (s->error[0] || !e->message)
        return;
    (void)snprintf(s->error, sizeof(s->error), "%s", e->message);
    s->error[strcspn(s->error, "\n")] = '\0';
    s->line = e->line;
}

struct xml_xslt *xml_xslt_new(void)
{
    static const xsltSecurityOption all[] = {XSLT_SECPREF_READ_FILE, XSLT_SECPREF_WRITE_FILE,
                                             XSLT_SECPREF_CREATE_DIRECTORY, XSLT_SECPREF_READ_NETWORK,
                                             XSLT_SECPREF_WRITE_NETWORK};
    struct xml_xslt *s = tl_zalloc(sizeof(*s));

    xmlInitParser();
    exsltRegisterAll();
    tl_buf_init(&s->compiled, MAX_TEXT);
    s->prefs = xsltNewSecurityPrefs();
    for (size_t i = 0; i < TL_COUNT(all); i++)
        (void)xsltSetSecurityPrefs(s->prefs, all[i], xsltSecurityForbid);
    xsltSetDefaultSecurityPrefs(s->prefs);
    xmlSetStructuredErrorFunc(s, on_error);
    xsltSetGenericErrorFunc(s, on_text);
    return s;
}

void xml_xslt_free(struct xml_xslt *s)
{
    if (!s)
        return;
    if (s->sheet)
        xsltFreeStylesheet(s->sheet);
    xsltSetDefaultSecurityPrefs(NULL);
    xsltFreeSecurityPrefs(s->prefs);
    xmlSetStructuredErrorFunc(NULL, NULL);
    xsltSetGenericErrorFunc(NULL, NULL);
    tl_buf_done(&s->compiled);
    tl_free(s);
}

static enum tl_rc fail(struct xml_xslt *s, enum tl_rc rc, const char *what, struct tl_err *err)
{
    return tl_fail_at(err, rc, s->line, 0, "xslt: %s%s%s", what, s->error[0] ? ": " : "", s->error);
}

/* Nothing of what went before belongs to what comes. */
static void forget(struct xml_xslt *s)
{
    s->error[0] = '\0';
    s->texts = 0;
    s->line = 0;
}

enum tl_rc xml_xslt_compile(struct xml_xslt *s, struct tl_sv text, struct tl_err *err)
{
    xmlDocPtr doc;
    enum tl_rc rc;

    forget(s);
    if (s->sheet && tl_sv_eq(text, tl_buf_view(&s->compiled)))
        return TL_OK;
    if (s->sheet)
        xsltFreeStylesheet(s->sheet);
    s->sheet = NULL;
    rc = xml__document(text, XML_UNICODE, MAX_TEXT, &doc, err);
    if (rc != TL_OK)
        return tl_err_prefix(err, "xslt: the stylesheet");
    s->sheet = xsltParseStylesheetDoc(doc);
    if (!s->sheet || s->sheet->errors > 0) {
        if (s->sheet)
            xsltFreeStylesheet(s->sheet); /* and doc with it */
        else
            xmlFreeDoc(doc);
        s->sheet = NULL;
        return fail(s, TL_PARSE, "not a stylesheet", err);
    }
    tl_buf_clear(&s->compiled);
    (void)tl_buf_sv(&s->compiled, text);
    return TL_OK;
}

static enum tl_rc read_input(struct json input, size_t max_bytes, xmlDocPtr *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv text = input.type == JSON_STRING ? json_view(input) : TL_SV("");
    enum tl_rc rc = TL_OK;

    tl_buf_init(&b, max_bytes);
    if (input.type != JSON_STRING) {
        rc = xml_write(input, 0, &b, err);
        text = tl_buf_view(&b);
    }
    if (rc == TL_OK)
        rc = xml__document(text, XML_UNICODE, max_bytes, ret, err);
    if (rc == TL_PARSE) /* for a mapping its input is data: the place is not one in the user's files */
        rc = tl_fail(err, TL_INVALID, "xslt: the input is not XML");
    return rc;
}

static bool set_parameters(xsltTransformContextPtr ctxt, struct json bindings)
{
    for (uint32_t i = 0; bindings.type == JSON_OBJECT && i < bindings.n; i++) {
        const struct json_member *m = &bindings.u.members[i];
        TL_CLEANUP(tl_freep) char *name = tl_strndup(m->key.u.s, m->key.n);
        TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

        tl_buf_init(&b, MAX_TEXT);
        if (m->value.type == JSON_STRING)
            (void)tl_buf_sv(&b, json_view(m->value));
        else
            (void)json_write(&b, m->value, 0);
        if (b.failed || xsltQuoteOneUserParam(ctxt, (const xmlChar *)name, (const xmlChar *)(b.p ? b.p : "")) != 0)
            return false;
    }
    return true;
}

static enum tl_rc transform(struct xml_xslt *s, xmlDocPtr doc, struct json bindings, xmlDocPtr *ret, struct tl_err *err)
{
    xsltTransformContextPtr ctxt = xsltNewTransformContext(s->sheet, doc);
    xmlDocPtr out;
    bool ok;

    if (!ctxt)
        return fail(s, TL_BUDGET, "no memory", err);
    ctxt->maxTemplateDepth = MAX_TEMPLATE_DEPTH;
    ctxt->opLimit = MAX_OPERATIONS;
    xsltSetTransformErrorFunc(ctxt, s, on_text);
    (void)xsltSetCtxtSecurityPrefs(s->prefs, ctxt);
    ok = set_parameters(ctxt, bindings);
    out = ok ? xsltApplyStylesheetUser(s->sheet, doc, NULL, NULL, NULL, ctxt) : NULL;
    ok = ok && out && ctxt->state == XSLT_STATE_OK;
    xsltFreeTransformContext(ctxt);
    if (ok) {
        *ret = out;
        return TL_OK;
    }
    if (out)
        xmlFreeDoc(out);
    return fail(s, TL_INVALID, "the transformation failed", err);
}

static enum tl_rc save(struct xml_xslt *s, struct tl_arena *a, xmlDocPtr out, struct json *ret, struct tl_err *err)
{
    bool is_text = s->sheet->method && strcmp((const char *)s->sheet->method, "text") == 0;
    xmlChar *text = NULL;
    struct tl_sv copy;
    int n = 0;

    if (xsltSaveResultToString(&text, &n, out, s->sheet) != 0)
        return fail(s, TL_BUDGET, "the result can't be written", err);
    copy = n > 0 ? tl_arena_sv(a, tl_sv((const char *)text, (size_t)n)) : TL_SV("");
    xmlFree(text);
    if (!copy.p)
        return fail(s, TL_BUDGET, "the result is too large", err);
    if (!is_text || json_parse(a, copy, 0, NULL, ret, NULL) != TL_OK)
        *ret = json_sv(copy);
    return TL_OK;
}

enum tl_rc xml_xslt_run(struct xml_xslt *s, struct tl_arena *a, struct json input, struct json parameters,
                        size_t max_bytes, struct json *ret, struct tl_err *err)
{
    xmlDocPtr doc = NULL, out = NULL;
    enum tl_rc rc;

    forget(s);
    if (!s->sheet)
        return tl_fail(err, TL_BUG, "xslt: there is no stylesheet");
    rc = read_input(input, max_bytes, &doc, err);
    if (rc == TL_OK)
        rc = transform(s, doc, parameters, &out, err);
    if (rc == TL_OK)
        rc = save(s, a, out, ret, err);
    if (doc)
        xmlFreeDoc(doc);
    if (out)
        xmlFreeDoc(out);
    return rc;
}
