/* SPDX-License-Identifier: Apache-2.0 */
/*
 * soap.h - the SOAP side of the simulator, shared by its files.
 *
 * Elements are read without regard to prefixes; what an element means is decided by the catalogue (types.c), not by the
 * code of the connector, so that a fault of the one does not hide in the other.
 */
#ifndef TL_NETSUITE_SIM_SOAP_H
#define TL_NETSUITE_SIM_SOAP_H

#include "netsuite/sim/sim_int.h"

#define NSIM_SOAP_PATH "/services/NetSuitePort_2025_2"
#define NSIM_WSDL_PATH "/wsdl/v2025_2_0/netsuite.wsdl"

/* Names in the WSDL (soap_types.c). */
const char *nsim_soap_prefix(const struct nsim_type *type);                    /* "listRel"; NULL: not over SOAP */
struct tl_sv nsim_soap_name(struct tl_arena *a, const struct nsim_type *type); /* "SalesOrder" */
const struct nsim_type *nsim_soap_type(struct tl_sv local_name);               /* of "SalesOrder"; NULL */
struct nsim_soap_space {
    const char *prefix, *uri;
};
extern const struct nsim_soap_space nsim_soap_spaces[];
extern const size_t nsim_soap_n_spaces;
struct json nsim_soap_namespaces(struct tl_arena *a);
bool nsim_is_custom(const char *field);

/* What a `record` element says, as a body of REST; *replace: sublists to be replaced, by comma. false: *f. */
bool nsim_soap_read(struct tl_arena *a, const struct nsim_type *type, struct json element, struct json *ret,
                    struct tl_sv *replace, struct nsim_fault *f);
/* A record as nsim_dump shows it, as the value of an element `record`. */
struct json nsim_soap_show(struct tl_arena *a, const struct nsim_type *type, struct json shown, bool body_only);

/* The search and one page of it: the value of searchResult (soap_search.c). */
struct json nsim_soap_search(struct nsim *s, struct tl_arena *a, struct json search_record, struct json preferences);
struct json nsim_soap_more(struct nsim *s, struct tl_arena *a, struct json more, struct json preferences);
struct json nsim_soap_status(struct tl_arena *a, const char *code, const char *text); /* code NULL: a success */

#endif
