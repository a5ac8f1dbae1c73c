/* SPDX-License-Identifier: Apache-2.0 */
/*
 * soap_int.h - shared by the SOAP files of this folder.
 *
 * The endpoint is that of 2025.2, the last one. Requests carry a tokenPassport, so the connection must use token-based
 * authentication (oauth1). Records keep the shape that they have in the REST API; soap_record.c turns them into
 * elements and back.
 */
#ifndef TL_NETSUITE_SOAP_INT_H
#define TL_NETSUITE_SOAP_INT_H

#include "netsuite/netsuite_int.h"

/* ---- record types and shapes (soap_record.c) ---- */
struct netsuite_soap_type {
    const char *record;        /* REST: "salesOrder" */
    const char *type, *prefix; /* "SalesOrder" in "tranSales" */
    const char *search, *search_prefix,
        *of; /* "Transaction" in "tranSales" with type "_salesOrder"; of NULL: no type */
};
const struct netsuite_soap_type *
netsuite__soap_type(const char *record); /* NULL: REST takes it, SOAP of ours does not */
/* Prefix -> URI of all that we use. */
struct json netsuite__soap_namespaces(struct tl_arena *a);
/*
 * A record as REST has it -> the value of an element `record`. Null members go into nullFieldList, names like
 * custbody_x into customFieldList, sublists become xList, {id: "_x"} is an enumeration, a date in a member whose name
 * ends in Date is noon in UTC of that day. left_out: a member that is not sent; NULL: none. Pure; recurses.
 */
struct json netsuite__to_soap(struct tl_arena *a, const struct netsuite_soap_type *t, struct json v,
                              const char *left_out, struct tl_sv external_id, bool replace_lines);
/* The way back, of an element read with XML_LOCAL. Values are texts, as XML has no types. Pure; recurses. */
struct json netsuite__from_soap(struct tl_arena *a, struct json element);

/* ---- one request (soap.c) ---- */
struct netsuite_soap {
    const char *action; /* "upsertList": SOAPAction, and the element in the body */
    struct json body;   /* its value */
    bool searching;     /* with searchPreferences */
    bool whole;         /* sublists, too */
    int64_t page, timeout_ms;
};
/*
 * TL_OK with no->rc TL_OK: *ret is the value of the answer's element (XML_LOCAL). TL_OK with another no->rc: a fault
 * that speaks of what was sent. Else the call has failed; all these requests may be repeated.
 */
TL_MUST_CHECK enum tl_rc netsuite__soap(struct task *task, struct connector_call *call, const struct netsuite_soap *r,
                                        struct json *ret, struct netsuite_refusal *no, struct tl_err *err);
/* What <status isSuccess="false"> says; rc TL_OK: it was a success. */
struct netsuite_refusal netsuite__soap_status(struct connector_call *call, struct json status);
/* Checks what both operations need; adds to e. */
void netsuite__soap_check(const void *connection, const struct config_text *record, struct config_errors *e);

#endif
