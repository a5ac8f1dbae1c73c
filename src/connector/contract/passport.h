/* SPDX-License-Identifier: Apache-2.0 */
/* passport.h - calls whose credentials stand in the body: SOAP of the kind that NetSuite speaks. Part of the contract.
 */
#ifndef TL_CONNECTOR_PASSPORT_H
#define TL_CONNECTOR_PASSPORT_H

#include "connector/connector.h"

/* Writes the body of one sending into b (which has a limit). Runs on the task; must not suspend. */
typedef enum tl_rc connector_body_fn(void *arg, const struct auth_passport *passport, struct tl_buf *b,
                                     struct tl_err *err);
/*
 * As connector_http, but instead of a header the request has a passport in its body: signed for `account` with the
 * connection's oauth1 credentials, anew for each sending, as a nonce counts once. req->body is not used. TL_CONFIG: the
 * connection authenticates otherwise. What `make` returns when it fails.
 */
TL_MUST_CHECK enum tl_rc connector_http_passport(struct task *task, struct connector_call *call,
                                                 const struct http_request_out *req, const char *account,
                                                 connector_body_fn *make, void *make_arg, struct http_reply *reply,
                                                 struct tl_err *err);

#endif
