/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbound.c - outbound messages of Salesforce workflows and flows: SOAP 1.1, up to 100 notifications in one request
 * (developer.salesforce.com, SOAP API guide, "Outbound Messaging").
 *
 * Nothing signs them. What is there to go by: the organization in the message, the client certificate of the vendor
 * (mutual TLS), and the addresses of the vendor (`allow` of the source). Each notification is an event of its own whose
 * key is its id: the vendor sends a message again until it sees Ack, for a day, in any order and bundled anew.
 * SessionId is a live credential: it is dropped here and goes into no event, log or error.
 */
#include <stdio.h>

#include "webhook/webhook_int.h"
#include "xml/xml.h"

enum { NOTIFICATIONS = 100, MAX_BYTES = 8 << 20, MAX_DEPTH = 12, MAX_NODES = 200000 };

static const char ack[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<soapenv:Envelope xmlns:soapenv=\"" XML_SOAP_NS "\"><soapenv:Body>"
    "<notificationsResponse xmlns=\"" WEBHOOK_OUTBOUND_NS "\"><Ack>true</Ack></notificationsResponse>"
    "</soapenv:Body></soapenv:Envelope>\n";

bool webhook_is_many(const struct webhook_verifier *v, const struct webhook_request *req)
{
    return (v && v->s.proof == PROOF_OUTBOUND) || webhook__is_ce(v, req);
}

bool webhook_receipt(const struct webhook_verifier *v, struct webhook_answer *ret)
{
    if (v->s.proof != PROOF_OUTBOUND)
        return false;
    *ret = (struct webhook_answer){
        .status = 200, .content_type = "text/xml; charset=utf-8", .body = tl_sv(ack, sizeof ack - 1)};
    return true;
}

static bool refuse(struct webhook_verdict *verdict, int status, const char *reason, const char *why)
{
    webhook__refuse(verdict, status, reason, why);
    return false;
}

/* Ids are 15 characters, or 18 with a check of their letters' case behind them: the same thing. */
static bool same_id(struct tl_sv a, struct tl_sv b)
{
    return (a.n == 15 || a.n == 18) && (b.n == 15 || b.n == 18) && tl_sv_eq(tl_sv(a.p, 15), tl_sv(b.p, 15));
}

static bool is_ours(const struct webhook_verifier *v, struct tl_sv organization)
{
    for (size_t i = 0; i < v->n_organizations; i++)
        if (same_id(organization, v->organizations[i]))
            return true;
    return false;
}

/* {"type": "Account", "Id": ..., "Name": ...}: the fields as text; null ones are left out by the vendor. */
static struct json record_of(struct tl_arena *a, struct json sobject)
{
    struct json_builder b;

    json_object_begin(&b, a, sobject.n + 1);
    (void)json_adds(&b, "type", json_sv(xml_local_name(json_text(json_gets(sobject, "@xsi:type"), TL_SV("")))));
    for (uint32_t i = 0; i < sobject.n; i++) {
        struct tl_sv name = json_view(sobject.u.members[i].key);

        if (name.n > 0 && name.p[0] != '@' && !tl_sv_eqs(name, "type"))
            (void)json_add(&b, name, sobject.u.members[i].value);
    }
    return json_end(&b);
}

static bool one_event(struct tl_arena *a, struct json message, struct json notification, struct webhook_event *ret)
{
    static const char *const kept[] = {"OrganizationId", "ActionId", "EnterpriseUrl", "PartnerUrl"};
    struct json sobject = json_gets(notification, "sObject");
    struct json_builder b;

    ret->delivery_id = xml_text(json_gets(notification, "Id"));
    if (ret->delivery_id.n == 0 || ret->delivery_id.n > WEBHOOK_MAX_ID || sobject.type != JSON_OBJECT)
        return false;
    json_object_begin(&b, a, 6);
    (void)json_adds(&b, "Id", json_sv(ret->delivery_id));
    for (size_t i = 0; i < TL_COUNT(kept); i++) {
        struct tl_sv value = xml_text(json_gets(message, kept[i]));

        if (value.p)
            (void)json_adds(&b, kept[i], json_sv(value));
    }
    (void)json_adds(&b, "sObject", record_of(a, sobject));
    ret->body = json_end(&b);
    ret->event_type = json_text(json_gets(json_gets(ret->body, "sObject"), "type"), TL_SV(""));
    return true;
}

static bool notifications(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                          struct webhook_verdict *verdict, struct webhook_event **ret, size_t *ret_n)
{
    const struct xml_limits limits = {.max_bytes = MAX_BYTES, .max_depth = MAX_DEPTH, .max_nodes = MAX_NODES};
    struct xml_soap soap;
    struct json list;
    size_t n;
    struct tl_err err = {.rc = TL_OK};

    if (xml_soap_parse(a, req->body, &limits, &soap, &err) != TL_OK) {
        (void)refuse(verdict, 400, "this is not an outbound message", "");
        (void)snprintf(verdict->why, sizeof verdict->why, "%.150s", err.text);
        return false;
    }
    if (!tl_sv_eqs(soap.name, "notifications") || !tl_sv_eqs(soap.ns, WEBHOOK_OUTBOUND_NS))
        return refuse(verdict, 400, "this is not an outbound message", "another element than `notifications`");
    if (!is_ours(v, xml_text(json_gets(soap.body, "OrganizationId"))))
        return refuse(verdict, 401, "the organization is not accepted", "OrganizationId is not the one configured");
    list = json_gets(soap.body, "Notification");
    n = xml_count(list);
    if (n == 0 || n > NOTIFICATIONS)
        return refuse(verdict, 400, "this is not an outbound message", "not 1 to 100 notifications");
    *ret = tl_arena_zalloc(a, n * sizeof **ret);
    for (size_t i = 0; *ret && i < n; i++)
        if (!one_event(a, soap.body, xml_at(list, i), &(*ret)[i]))
            return refuse(verdict, 400, "this is not an outbound message", "a notification has no Id or no sObject");
    if (!*ret)
        return refuse(verdict, 413, "the message is too large", "the request's memory");
    *ret_n = n;
    return true;
}

bool webhook_events(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                    struct webhook_verdict *verdict, struct webhook_event **ret, size_t *ret_n)
{
    return v && v->s.proof == PROOF_OUTBOUND ? notifications(v, a, req, verdict, ret, ret_n)
                                             : webhook__ce_events(a, req, verdict, ret, ret_n);
}
