/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.h - does the other side have what the configuration names? Part of the contract.
 *
 * `tieline connect NAME --test` asks it of every operation that a flow uses: a misspelled record type or field is found
 * by the person who writes the flow, not by the first night's orders.
 */
#ifndef TL_CONNECTOR_VERIFY_H
#define TL_CONNECTOR_VERIFY_H

#include "connector/connector.h"

struct connector_inquiry {
    /* For a write: what the flow's mapping makes, as far as it is known without running it: "memo",
     * "item.items[].rate". n 0: nothing is known. */
    const struct tl_sv *fields;
    size_t n;
    struct json_builder findings; /* texts: see connector_finding */
};
/* One thing that is not there: a sentence for people, no secret. */
void connector_finding(struct connector_call *call, struct connector_inquiry *q, const char *fmt, ...) TL_PRINTF(3, 4);
/*
 * Suspends. TL_OK with or without findings; another rc: nothing could be asked. The call has the operation and what was
 * compiled of it, no records, and no ports to the ledger: reading may be tried, nothing may be written.
 */
typedef enum tl_rc connector_verify_fn(struct task *task, struct connector_call *call, struct connector_inquiry *q,
                                       struct tl_err *err);

/*
 * The names on `path` ("item.items[].rate") looked up in a JSON Schema with `properties` and `items`; where it says no
 * more ($ref, no properties) everything is accepted below. NULL: it is there. Else the unknown name, and the nearest
 * known one (or NULL) in *ret_near. Both are the arena's.
 */
const char *connector_unknown_field(struct tl_arena *a, struct json schema, struct tl_sv path, const char **ret_near);

#endif
