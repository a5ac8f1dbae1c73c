/* SPDX-License-Identifier: Apache-2.0 */
/* record.h - a part of the contract: what a target is given, and what it says of each of them. */
#ifndef TL_CONNECTOR_RECORD_H
#define TL_CONNECTOR_RECORD_H

#include "json/json.h"

struct connector_record {
    struct json value; /* the mapped record */
    struct json
        envelope;     /* what expressions see: {body, headers, query, event: {id, received_at, key, attempt}, flow} */
    struct tl_sv key; /* outgoing idempotency key: <origin>-<event>.<target>.<item>[.r<n>], at most 64 bytes */
    uint64_t event, delivery;
    uint64_t origin; /* random bits that make the event's number unique beyond its ledger; 0: none */
    uint32_t attempt;
    bool unknown_before; /* an earlier attempt's outcome is not known: look before you insert */
};

enum connector_end {
    CONNECTOR_NONE,     /* no verdict yet */
    CONNECTOR_DONE,     /* the target has it */
    CONNECTOR_FAILED,   /* rc (and cls, if it differs from rc's) decide */
    CONNECTOR_INNOCENT, /* rolled back together with a bad one: again, without using an attempt */
    CONNECTOR_SKIPPED   /* nothing to do (already there in this state) */
};
struct connector_xref {
    struct tl_sv model, here, there_connection, there; /* ids of one thing on two systems */
};
struct connector_verdict {
    enum connector_end end;
    enum tl_rc rc;
    enum tl_class cls; /* NONE: the class of rc */
    uint32_t status, retry_after_ms;
    struct tl_sv text;   /* for people, no secret: the vendor's words */
    struct tl_sv answer; /* what the target said of the record: its id, its URL; as it is, for others go by it */
    struct tl_sv shown;  /* by connector_run: the answer as it is kept and shown, no secret */
    const struct connector_xref *xrefs;
    size_t n_xrefs;
};

#endif
