/* SPDX-License-Identifier: Apache-2.0 */
/* soap.c - the SOAP endpoint: who is it (tokenPassport), which operation, what became of each record. */
#include "netsuite/sim/soap.h"

#include <stdio.h>

enum { BATCH = 100, REPLY = 64 << 20 };

bool nsim_is_soap(const struct http_req *req)
{
    return tl_sv_starts(req->path, TL_SV("/services/NetSuitePort_"));
}

static struct tl_sv action_of(const struct http_req *req)
{
    struct tl_sv s = http_req_header(req, "soapaction");

    return s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"' ? tl_sv(s.p + 1, s.n - 2) : s;
}

bool nsim_soap_writes(const struct http_req *req)
{
    return tl_sv_starts(action_of(req), TL_SV("upsert")) || tl_sv_eqs(action_of(req), "delete");
}

/* ---- answers ---- */

static struct json under(struct tl_arena *a, const char *name, struct json v)
{
    struct json_builder b;

    json_object_begin(&b, a, 1);
    (void)json_adds(&b, name, v);
    return json_end(&b);
}

static void send_xml(struct http_req *req, struct http_res *res, int status, struct tl_buf *b)
{
    http_res_set(res, status, "text/xml; charset=utf-8", tl_arena_sv(req->arena, tl_buf_view(b)));
}

void nsim_soap_fault(struct http_req *req, struct http_res *res, const char *name, const char *code, const char *text)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json detail = JSON_NOTHING;
    struct json_builder one, all;

    if (name) {
        json_object_begin(&one, req->arena, 2);
        (void)json_adds(&one, "platformFaults:code", json_str(code));
        (void)json_adds(&one, "platformFaults:message", json_str(text));
        json_object_begin(&all, req->arena, 2);
        (void)json_adds(&all, tl_arena_printf(req->arena, "platformFaults:%s", name), json_end(&one));
        (void)json_adds(&all, "axis:hostname", json_str("simulator"));
        detail = json_end(&all);
    }
    tl_buf_init(&b, 1 << 20);
    if (xml_soap_write_fault(&b, nsim_soap_namespaces(req->arena), "Server.userException", tl_sv_str(text), detail,
                             NULL) == TL_OK)
        send_xml(req, res, 500, &b);
    else
        http_res_error(res, 500, "soap", "the fault cannot be written");
}

static void answer(struct http_req *req, struct http_res *res, const char *name, struct json v)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json header = under(req->arena, "platformMsgs:documentInfo",
                               under(req->arena, "platformMsgs:nsId", json_str("WEBSERVICES_simulator")));

    tl_buf_init(&b, REPLY);
    if (xml_soap_write(&b, nsim_soap_namespaces(req->arena), header, under(req->arena, name, v), NULL) == TL_OK)
        send_xml(req, res, 200, &b);
    else
        nsim_soap_fault(req, res, "exceededRequestSizeFault", "EXCEEDED_REQUEST_SIZE", "The answer is too large.");
}

/* ---- who is it ---- */

static struct tl_sv part(struct json passport, const char *name)
{
    struct tl_sv s = xml_text(json_gets(passport, name));

    return s.p ? tl_sv_trim(s) : TL_SV("");
}

const char *nsim_soap_passport(struct nsim *s, struct http_req *req)
{
    struct xml_soap soap;
    struct json p, signature;
    struct tl_sv base;

    if (xml_soap_parse(req->arena, req->body, NULL, &soap, NULL) != TL_OK)
        return "the request is no envelope of SOAP 1.1";
    p = json_gets(soap.header, "tokenPassport");
    signature = json_gets(p, "signature");
    if (part(p, "account").n == 0 || part(p, "consumerKey").n == 0 || part(p, "token").n == 0 ||
        part(p, "nonce").n == 0 || part(p, "timestamp").n == 0 || part(p, "signature").n == 0)
        return "MissingTokenPassportRequiredFields";
    if (!tl_sv_eqs(json_text(json_gets(signature, "@algorithm"), TL_SV("")), "HMAC-SHA256"))
        return "UnknownAlgorithm";
    if (!tl_sv_eqs(part(p, "account"), s->opt.account))
        return "account is not the account id (upper case, with _)";
    if (!tl_sv_eqs(part(p, "consumerKey"), s->opt.consumer_key))
        return "consumer_key_unknown";
    if (!tl_sv_eqs(part(p, "token"), s->opt.token))
        return "token_rejected";
    if (auth_netsuite_base(req->arena, part(p, "account"), part(p, "consumerKey"), part(p, "token"), part(p, "nonce"),
                           part(p, "timestamp"), &base, NULL) != TL_OK ||
        !nsim_signed(s, req->arena, base, part(p, "signature")))
        return "InvalidSignature";
    return nsim_fresh(s, part(p, "nonce"), part(p, "timestamp"));
}

/* ---- upsert ---- */

struct writing {
    struct nsim *s;
    struct http_req *req;
    struct http_res *res;
    struct nsim_fault f; /* code "SAX": the whole request is refused */
};

/* r NULL: refused, as f says. */
static struct json write_response(struct tl_arena *a, const struct nsim_fault *f, const struct nsim_record *r)
{
    struct json_builder b, ref;

    json_object_begin(&b, a, 2);
    (void)json_adds(&b, "platformCore:status", nsim_soap_status(a, f->code, f->text));
    if (r) {
        json_object_begin(&ref, a, 4);
        (void)json_adds(&ref, "@xsi:type", json_str("platformCore:RecordRef"));
        (void)json_adds(&ref, "@internalId", json_printf(a, "%lld", (long long)r->id));
        (void)json_adds(&ref, "@externalId", json_sv(r->external_id));
        (void)json_adds(&ref, "@type", json_str(r->type->name));
        (void)json_adds(&b, "platformMsgs:baseRef", json_end(&ref));
    }
    return json_end(&b);
}

static bool find_or_make(struct nsim *s, struct tl_arena *a, const struct nsim_type *type, struct tl_sv external_id,
                         struct nsim_record *r, struct nsim_fault *f)
{
    if (!nsim_load(s, a, type, 0, external_id, r)) {
        *r = (struct nsim_record){.type = type, .external_id = external_id};
        return true;
    }
    return r->type == type || nsim_wrong(f, 200, "DUP_RCRD", NULL, TL_SV_NULL,
                                         "This record already exists: a %s has this external ID.", r->type->title);
}

static bool one_record(struct writing *w, struct json element, struct nsim_record *r)
{
    struct tl_sv external_id = json_text(json_gets(element, "@externalId"), TL_SV_NULL);
    const struct nsim_type *type =
        nsim_soap_type(xml_local_name(json_text(json_gets(element, "@xsi:type"), TL_SV(""))));
    struct nsim_write write = {.unknown = NSIM_UNKNOWN_ERROR};
    struct tl_arena *a = w->req->arena;
    bool fresh;

    if (!type)
        return nsim_wrong(&w->f, 500, "SAX", NULL, TL_SV_NULL,
                          "org.xml.sax.SAXException: The record has no xsi:type that is known.");
    if (!nsim_may(w->s, type))
        return nsim_wrong(&w->f, 200, "INSUFFICIENT_PERMISSION", NULL, TL_SV_NULL,
                          "You do not have permissions to set a value for element %s.", type->title);
    if (external_id.n == 0)
        return nsim_wrong(&w->f, 200, "USER_ERROR", NULL, TL_SV_NULL, "The external ID is missing.");
    if (w->s->opt.lock > 0 && nsim_chance(w->s) < w->s->opt.lock)
        return nsim_wrong(&w->f, 200, "RCRD_HAS_BEEN_CHANGED", NULL, TL_SV_NULL, "Record has been changed.");
    if (!nsim_soap_read(a, type, element, &write.in, &write.replace, &w->f) ||
        !find_or_make(w->s, a, type, external_id, r, &w->f))
        return false;
    fresh = r->id == 0;
    if (!nsim_write(w->s, a, r, &write, &w->f))
        return false;
    *(fresh ? &w->s->counts.created : &w->s->counts.updated) += 1;
    if (w->s->opt.watch && !w->s->opt.quiet)
        (void)printf("%s %s %lld %.*s\n", fresh ? "created" : "updated", r->type->name, (long long)r->id,
                     TL_SV_ARG(r->external_id));
    return true;
}

/* false: the whole request was refused, and *res says so. */
static bool upsert_all(struct writing *w, struct json records, struct json *ret)
{
    struct json_builder all;

    json_array_begin(&all, w->req->arena, xml_count(records));
    for (size_t i = 0; i < xml_count(records); i++) {
        struct nsim_record r = {.id = 0};
        bool ok;

        w->f = (struct nsim_fault){.code = NULL};
        ok = one_record(w, xml_at(records, i), &r);
        if (w->f.code && strcmp(w->f.code, "SAX") == 0) {
            nsim_soap_fault(w->req, w->res, NULL, NULL, w->f.text);
            return false;
        }
        (void)json_push(&all, write_response(w->req->arena, &w->f, ok ? &r : NULL));
    }
    *ret = json_end(&all);
    return true;
}

static void upsert(struct writing *w, struct json body)
{
    struct json one;

    if (upsert_all(w, xml_at(json_gets(body, "record"), 0), &one))
        answer(w->req, w->res, "platformMsgs:upsertResponse",
               under(w->req->arena, "platformMsgs:writeResponse", json_at(one, 0)));
}

static void upsert_list(struct writing *w, struct json body)
{
    struct json records = json_gets(body, "record"), all;
    struct json_builder b;

    if (xml_count(records) > BATCH) {
        nsim_soap_fault(w->req, w->res, "exceededRecordCountFault", "MAX_RCRDS_EXCEEDED",
                        "The maximum number of records allowed is 100.");
        return;
    }
    if (!upsert_all(w, records, &all))
        return;
    json_object_begin(&b, w->req->arena, 2);
    (void)json_adds(&b, "platformCore:status", nsim_soap_status(w->req->arena, NULL, NULL));
    (void)json_adds(&b, "platformMsgs:writeResponse", all);
    answer(w->req, w->res, "platformMsgs:upsertListResponse",
           under(w->req->arena, "platformMsgs:writeResponseList", json_end(&b)));
}

/* ---- one record by a reference ---- */

/* false: w->f says why. */
static bool referred(struct writing *w, struct json ref, struct nsim_record *r)
{
    struct tl_sv name = json_text(json_gets(ref, "@type"), TL_SV("")),
                 id = json_text(json_gets(ref, "@internalId"), TL_SV(""));
    struct tl_sv external_id = json_text(json_gets(ref, "@externalId"), TL_SV_NULL);
    const struct nsim_type *type = nsim_type_find(name);
    int64_t number = 0;

    if (!type || !nsim_soap_prefix(type))
        return nsim_wrong(&w->f, 200, "INVALID_RCRD_TYPE", NULL, TL_SV_NULL, "The record type '%.*s' is invalid.",
                          TL_SV_ARG(name));
    if (!nsim_may(w->s, type))
        return nsim_wrong(&w->f, 200, "INSUFFICIENT_PERMISSION", NULL, TL_SV_NULL,
                          "You do not have permissions for %s.", type->title);
    if ((id.n > 0 ? tl_sv_i64(id, &number) : external_id.n > 0) &&
        nsim_load(w->s, w->req->arena, type, number, id.n > 0 ? TL_SV_NULL : external_id, r) && r->type == type)
        return true;
    return nsim_wrong(&w->f, 200, "RCRD_DSNT_EXIST", NULL, TL_SV_NULL, "That record does not exist.");
}

static void get(struct writing *w, struct json body)
{
    struct tl_arena *a = w->req->arena;
    struct nsim_record r = {.id = 0};
    bool there = referred(w, json_gets(body, "baseRef"), &r);
    struct json_builder b;

    json_object_begin(&b, a, 2);
    (void)json_adds(&b, "platformCore:status", nsim_soap_status(a, w->f.code, w->f.text));
    if (there)
        (void)json_adds(&b, "platformMsgs:record",
                        nsim_soap_show(a, r.type, nsim_show(a, &r, TL_SV(""), true, TL_SV_NULL), false));
    w->s->counts.read += there;
    answer(w->req, w->res, "platformMsgs:getResponse", under(a, "platformMsgs:readResponse", json_end(&b)));
}

static void delete (struct writing *w, struct json body)
{
    struct tl_arena *a = w->req->arena;
    struct nsim_record r = {.id = 0};
    bool gone = referred(w, json_gets(body, "baseRef"), &r) && nsim_remove(w->s, &r, &w->f);

    w->s->counts.removed += gone;
    answer(w->req, w->res, "platformMsgs:deleteResponse",
           under(a, "platformMsgs:writeResponse", write_response(a, &w->f, gone ? &r : NULL)));
}

/* ---- the rest ---- */

static void server_time(struct writing *w)
{
    char at[TL_TIME_TEXT];
    struct json_builder b;

    (void)tl_time_format(nsim_now_ms(w->s), at);
    json_object_begin(&b, w->req->arena, 2);
    (void)json_adds(&b, "platformCore:status", nsim_soap_status(w->req->arena, NULL, NULL));
    (void)json_adds(&b, "platformCore:serverTime", json_str(at));
    answer(w->req, w->res, "platformMsgs:getServerTimeResponse",
           under(w->req->arena, "platformCore:getServerTimeResult", json_end(&b)));
}

static void operate(struct writing *w, struct tl_sv name, struct json body)
{
    if (tl_sv_eqs(name, "upsert"))
        upsert(w, body);
    else if (tl_sv_eqs(name, "upsertList"))
        upsert_list(w, body);
    else if (tl_sv_eqs(name, "get"))
        get(w, body);
    else if (tl_sv_eqs(name, "delete"))
        delete (w, body);
    else if (tl_sv_eqs(name, "getServerTime"))
        server_time(w);
    else
        nsim_soap_fault(w->req, w->res, NULL, NULL, "There is no such operation.");
}

void nsim_soap(struct nsim *s, struct http_req *req, struct http_res *res)
{
    struct writing w = {.s = s, .req = req, .res = res};
    struct xml_soap soap;
    struct json preferences;

    if (!tl_sv_eqs(req->path, NSIM_SOAP_PATH)) {
        nsim_soap_fault(req, res, "invalidVersionFault", "INVALID_VERSION",
                        "This version of the endpoint is not there.");
        return;
    }
    if (xml_soap_parse(req->arena, req->body, NULL, &soap, NULL) != TL_OK) {
        nsim_soap_fault(req, res, NULL, NULL, "org.xml.sax.SAXParseException: This is no envelope of SOAP 1.1.");
        return;
    }
    preferences = json_gets(soap.header, "searchPreferences");
    if (!tl_sv_eq(action_of(req), soap.name) || !tl_sv_eqs(soap.ns, nsim_soap_spaces[0].uri))
        nsim_soap_fault(req, res, NULL, NULL, "The SOAPAction and the operation in the body differ.");
    else if (tl_sv_eqs(soap.name, "search"))
        answer(req, res, "platformMsgs:searchResponse",
               under(req->arena, "platformCore:searchResult",
                     nsim_soap_search(s, req->arena, json_gets(soap.body, "searchRecord"), preferences)));
    else if (tl_sv_eqs(soap.name, "searchMoreWithId"))
        answer(req, res, "platformMsgs:searchMoreWithIdResponse",
               under(req->arena, "platformCore:searchResult", nsim_soap_more(s, req->arena, soap.body, preferences)));
    else
        operate(&w, soap.name, soap.body);
}
