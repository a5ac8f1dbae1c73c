/* SPDX-License-Identifier: Apache-2.0 */
/* fields_soap.c - what can be written about the operations over SOAP. */
#include "netsuite/netsuite_int.h"

#define AT(type, member) .offset = offsetof(struct type, member)
enum { HOUR = 3600000, DAY = 86400000, BATCH = 100, PAGE = 1000 };

#define TIMEOUT(of)                                                                                                    \
    {                                                                                                                  \
        .name = "timeout", .type = CONFIG_DURATION, AT(of, timeout_ms), .min = 1, .max = HOUR,                         \
        .doc = "Longest wait for a whole reply; absent: the connection's.", .example = "30s"                           \
    }

static const char *const lines_choices[] = {"default", "replace", "keyed", NULL};
static const struct config_field upsert_fields[] = {
    {.name = "soap_upsert",
     .type = CONFIG_TEXT,
     AT(netsuite_soap_upsert, record),
     .required = true,
     .doc = "The record type to create or update, in the name of the REST API; records have the shape of the REST API, "
            "too.",
     .example = "customer"},
    {.name = "external_id",
     .type = CONFIG_EXPR,
     AT(netsuite_soap_upsert, external_id),
     .required = true,
     .doc = "Over the record: the external id. A plain name is taken out of what is sent.",
     .example = "number"},
    {.name = "lines",
     .type = CONFIG_ENUM,
     .choices = lines_choices,
     .fallback = "default",
     AT(netsuite_soap_upsert, lines),
     .doc =
         "Sublists in the record: `replace` (the default) replaces the whole sublist; `keyed` changes the lines that "
         "give their `line`."},
    {.name = "batch",
     .type = CONFIG_INT,
     AT(netsuite_soap_upsert, batch),
     .fallback = "50",
     .min = 1,
     .max = BATCH,
     .doc = "So many records in one request (upsertList); a request is one of the account's few at one time."},
    TIMEOUT(netsuite_soap_upsert),
};
const struct config_spec netsuite_soap_upsert_spec =
    CONFIG_SPEC("netsuite.soap_upsert", struct netsuite_soap_upsert, upsert_fields,
                "Creates or updates records over SOAP; needs token-based authentication.");

static const struct config_field where_item = {
    .type = CONFIG_STRING, .raw = true, .min = 1, .max = 500, .doc = "FIELD OPERATOR VALUE."};
static const struct config_field search_fields[] = {
    {.name = "soap_search",
     .type = CONFIG_TEXT,
     AT(netsuite_soap_search, record),
     .required = true,
     .doc = "The record type whose new and changed records are read, in the name of the REST API.",
     .example = "salesOrder"},
    {.name = "where",
     .type = CONFIG_LIST,
     .item = &where_item,
     .max = 20,
     AT(netsuite_soap_search, where),
     .doc =
         "Conditions of the search, in the words of SuiteTalk: FIELD OPERATOR VALUE; after anyOf and noneOf internal "
         "ids by comma; `=` for what has no operator.",
     .example = "[ \"email contains @acme\", \"isInactive = false\" ]"},
    {.name = "whole",
     .type = CONFIG_BOOL,
     AT(netsuite_soap_search, whole),
     .fallback = "false",
     .doc = "With sublists."},
    {.name = "modified",
     .type = CONFIG_STRING,
     AT(netsuite_soap_search, modified),
     .fallback = "lastModifiedDate",
     .max = 60,
     .doc = "The field with the time of the last change."},
    {.name = "start",
     .type = CONFIG_STRING,
     AT(netsuite_soap_search, start),
     .max = 40,
     .doc = "Changes from this time on are read at the very first run; absent: all.",
     .example = "2026-01-31T00:00:00Z"},
    {.name = "overlap",
     .type = CONFIG_DURATION,
     AT(netsuite_soap_search, overlap_ms),
     .fallback = "2m",
     .max = DAY,
     .doc =
         "Each run begins so much before where the last one ended, for what was saved late; what is known already is "
         "recognised."},
    {.name = "page",
     .type = CONFIG_INT,
     AT(netsuite_soap_search, page),
     .fallback = "200",
     .min = 5,
     .max = PAGE,
     .doc = "Records of a request."},
    NETSUITE_LAG(netsuite_soap_search),
    TIMEOUT(netsuite_soap_search),
};
const struct config_spec netsuite_soap_search_spec =
    CONFIG_SPEC("netsuite.soap_search", struct netsuite_soap_search, search_fields,
                "New and changed records by a search over SOAP, as a source; needs token-based authentication.");
