/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refusals.h - requests that are refused again and again, folded in the log: the first of a sender at once, then one
 * line a minute with the count, until a minute passes without one. Pure: the time is passed in, and the lock is the
 * caller's. A fixed table: what a stranger sends takes no memory; when it is full, further senders are counted
 * together.
 */
#ifndef TL_FLOW_REFUSALS_H
#define TL_FLOW_REFUSALS_H

#include "http/url.h"

enum { FLOW_REFUSAL_SENDERS = 32, FLOW_REFUSAL_FOLD_MS = 60000 };
struct flow_refusal {
    char from[HTTP_ADDR_TEXT]; /* "": free */
    const char *reason;        /* of the last one; static */
    uint64_t folded;           /* since the last line */
    int64_t line_ms;           /* when that was */
};
struct flow_refusals {
    struct flow_refusal senders[FLOW_REFUSAL_SENDERS + 1]; /* the last is all others */
    size_t used;                                           /* how many are not free; 0: nothing to do */
};
/* One of them alone. True: to be logged now, as the first; else it was counted. */
bool flow__fold(struct flow_refusal *s, const char *from, const char *reason, int64_t now_ms);
/* True: a line is due, copied. After a quiet minute it is free again. */
bool flow__fold_due(struct flow_refusal *s, int64_t now_ms, struct flow_refusal *ret);
/* True: to be logged now. False: it was counted, for flow_refusals_due. */
bool flow__refusals_add(struct flow_refusals *r, const char *from, const char *reason, int64_t now_ms);
/* A line that is due, copied: *ret.folded requests since the one before; false: none. Call it until it is false. */
bool flow__refusals_due(struct flow_refusals *r, int64_t now_ms, struct flow_refusal *ret);

#endif
