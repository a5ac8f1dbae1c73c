/* SPDX-License-Identifier: Apache-2.0 */
/*
 * router.h - from method and path to a handler.
 *
 * Patterns are paths whose segments are literal, "{name}" (one non-empty segment) or, last, "{name*}" (the rest, may be
 * empty). Where several match, the one whose first differing segment is literal wins, then {name}, then {name*}.
 * Routers are built once, then immutable and ref-counted: a reload gives the server a new one.
 */
#ifndef TL_HTTP_ROUTER_H
#define TL_HTTP_ROUTER_H

#include "http/message.h"

struct http_route {
    const char *methods; /* "POST" or "GET,HEAD"; "*": any. HEAD is answered by GET routes */
    const char *pattern; /* copied */
    http_handler_fn *handler;
    void *arg;
    uint64_t body_limit;           /* 0: the server's (10 MB) */
    uint32_t timeout_ms;           /* of the handler; 0: the server's; UINT32_MAX: none (server-sent events) */
    bool health;                   /* served while the server drains, where others are 503; see drain_announce_ms */
    bool stream_body;              /* the handler starts at the head and calls http_req_body_next */
    bool require_client_cert;      /* 403 without a verified one */
    const struct http_cidr *allow; /* copied; n_allow 0: everybody. Checked against req->client before 100-continue */
    size_t n_allow;
};

struct http_router;

struct http_router *http_router_new(void) TL_MUST_CHECK;
struct http_router *http_router_ref(struct http_router *r);
void http_router_unref(struct http_router *r); /* NULL allowed */
/* TL_INVALID: a bad pattern or method. TL_EXISTS: the same pattern and method twice. */
TL_MUST_CHECK enum tl_rc http_router_add(struct http_router *r, const struct http_route *route, struct tl_err *err);
/* When the router (and all who use it) is gone: for what the routes' args point to. */
void http_router_on_free(struct http_router *r, void (*fn)(void *arg), void *arg);

enum http_match { HTTP_MATCH, HTTP_NO_PATH, HTTP_NO_METHOD };
/* path is normalized; params are views into it, in the pattern's order. HTTP_NO_METHOD: ret_allow gets the methods for
 * Allow
 * ("GET, HEAD, POST"), in `arena`. */
enum http_match http_router_find(const struct http_router *r, enum http_method method, struct tl_sv method_text,
                                 struct tl_sv path, const struct http_route **ret_route, struct http_param *params,
                                 size_t *ret_n_params, struct tl_arena *arena, struct tl_sv *ret_allow);

#endif
