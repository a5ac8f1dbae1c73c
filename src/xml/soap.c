/* SPDX-License-Identifier: Apache-2.0 */
/* soap.c - envelopes of SOAP 1.1: who is in them, and how to make one. */
#include "xml/xml_int.h"

static struct tl_sv part(struct json fault, const char *name)
{
    struct tl_sv s = xml_text(json_gets(fault, name));

    return s.p ? tl_sv_trim(s) : TL_SV("");
}

static void read_fault(struct json fault, struct xml_soap *s)
{
    s->is_fault = true;
    s->fault_code = xml_local_name(part(fault, "faultcode"));
    s->fault_text = part(fault, "faultstring");
    s->fault_detail = json_gets(fault, "detail");
}

enum tl_rc xml_soap_parse(struct tl_arena *a, struct tl_sv text, const struct xml_limits *limits, struct xml_soap *ret,
                          struct tl_err *err)
{
    struct xml_places at = {.body = false};
    struct xml_soap s = {.is_fault = false};
    struct json v = JSON_NOTHING, body;
    enum tl_rc rc = xml__parse(a, text, XML_LOCAL, limits, &at, &v, err);

    if (rc != TL_OK)
        return rc;
    if (!tl_sv_eqs(at.root, "Envelope") || !tl_sv_eqs(at.root_ns, XML_SOAP_NS))
        return tl_fail(err, TL_INVALID, "SOAP: the root is no Envelope of SOAP 1.1");
    if (!at.body)
        return tl_fail(err, TL_INVALID, "SOAP: the envelope has no Body");
    s.header = json_gets(json_gets(v, "Envelope"), "Header");
    if (s.header.type != JSON_OBJECT)
        s.header = JSON_NOTHING;
    body = xml_at(json_gets(json_gets(v, "Envelope"), "Body"), 0);
    s.name = at.payload.n > 0 ? at.payload : TL_SV("");
    s.ns = at.payload_ns.n > 0 ? at.payload_ns : TL_SV("");
    s.body = s.name.n > 0 ? xml_at(json_get(body, s.name), 0) : JSON_NOTHING;
    if (tl_sv_eqs(s.name, "Fault") && tl_sv_eqs(s.ns, XML_SOAP_NS))
        read_fault(s.body, &s);
    *ret = s;
    return TL_OK;
}

/* ---- writing ---- */

static struct json under(struct tl_arena *a, const char *name, struct json v)
{
    struct json_builder b;

    json_object_begin(&b, a, 1);
    (void)json_adds(&b, name, v);
    return json_end(&b);
}

static struct json envelope(struct tl_arena *a, struct json namespaces, struct json header, struct json body)
{
    struct json_builder e;

    json_object_begin(&e, a, namespaces.n + 3ul);
    (void)json_adds(&e, "@xmlns:soapenv", json_str(XML_SOAP_NS));
    for (uint32_t i = 0; namespaces.type == JSON_OBJECT && i < namespaces.n; i++) {
        const struct json_member *m = &namespaces.u.members[i];
        const char *name = tl_arena_printf(a, "@xmlns:%.*s", TL_SV_ARG(json_view(m->key)));

        (void)json_adds(&e, name ? name : "", m->value);
    }
    if (header.type == JSON_OBJECT && header.n > 0)
        (void)json_adds(&e, "soapenv:Header", header);
    (void)json_adds(&e, "soapenv:Body", body.type == JSON_OBJECT ? body : json_null());
    return under(a, "soapenv:Envelope", json_end(&e));
}

enum tl_rc xml_soap_write(struct tl_buf *b, struct json namespaces, struct json header, struct json body,
                          struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(1u << 20); /* the envelope, not what is in it */
    struct json v = envelope(a, namespaces, header, body);

    if (tl_arena_exceeded(a))
        return tl_fail(err, TL_LIMIT, "SOAP: too many namespaces");
    return xml_write(v, XML_DECLARATION, b, err);
}

enum tl_rc xml_soap_write_fault(struct tl_buf *b, struct json namespaces, const char *code, struct tl_sv text,
                                struct json detail, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(1u << 20);
    struct json_builder f;

    json_object_begin(&f, a, 3);
    (void)json_adds(&f, "faultcode", json_printf(a, "soapenv:%s", code));
    (void)json_adds(&f, "faultstring", json_sv(text));
    if (detail.type != JSON_UNDEFINED)
        (void)json_adds(&f, "detail", detail);
    return xml_soap_write(b, namespaces, JSON_NOTHING, under(a, "soapenv:Fault", json_end(&f)), err);
}
