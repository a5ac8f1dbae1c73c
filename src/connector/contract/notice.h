/* SPDX-License-Identifier: Apache-2.0 */
/* notice.h - a part of connector.h: for systems that take one document a record, and for those that tell people. */
#ifndef TL_CONNECTOR_NOTICE_H
#define TL_CONNECTOR_NOTICE_H

#include "connector/connector.h"

/* For systems that take one JSON document a record: a POST of `body` with these headers (and Content-Type), at most
 * 1 MB. As connector_http. */
TL_MUST_CHECK enum tl_rc connector_post_json(struct task *task, struct connector_call *call, struct tl_sv url,
                                             const struct http_header *headers, size_t n_headers, struct json body,
                                             int64_t timeout_ms, struct http_reply *reply, struct tl_err *err);
/* Where this connection may call, in call->arena: for libraries that open their own sockets and look up names. NULL:
 * the arena is full. */
const struct http_egress *connector_egress(const struct connector_call *call);
/* The first record's verdict from an rc with its text in err: what is about the record (class data) is its verdict and
 * gives TL_OK, what is about the connection is returned. answer: kept with a success. */
enum tl_rc connector_settle(struct connector_call *call, enum tl_rc rc, struct tl_sv answer, struct tl_err *err);

/* ---- notices: what an operation `notify` gets as its record, one shape for all systems that tell people ---- */
struct connector_notice { /* views into the record; texts may be empty */
    bool resolved, page;  /* it is over; it wants a person now */
    struct tl_sv key;     /* of the incident: the same for its beginning and its end */
    struct tl_sv rule, kind, subject, summary, cause, fix, owner, runbook, link, drain, at, since;
    int64_t held; /* deliveries that wait */
    struct json record;
};
/* TL_INVALID: the record is no notice (docs/alerts.md has its members). */
TL_MUST_CHECK enum tl_rc connector_notice_read(struct json record, struct connector_notice *ret, struct tl_err *err);
/* Cause, what to do, owner, what waits, runbook, link: a line each, "name: text". False: the buffer's limit. */
bool connector_notice_lines(const struct connector_notice *n, struct tl_buf *b);

#endif
