/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.h - requests and responses as handlers see them; nothing here knows the version of HTTP or the socket.
 *
 * Everything in a request lives until the handler returns. Tests of handlers may fill a struct http_req by hand.
 */
#ifndef TL_HTTP_MESSAGE_H
#define TL_HTTP_MESSAGE_H

#include "async/async.h"
#include "http/codec.h"
#include "http/url.h"

#define HTTP_PARAMS_MAX 8

struct http_param {
    struct tl_sv name, value; /* value is decoded */
};

/* The verified certificate of a client (mTLS). */
struct http_tls_peer {
    struct tl_sv subject;     /* RFC 2253 text */
    struct tl_sv common_name; /* may be empty */
    struct tl_sv san;         /* first DNS or URI name; may be empty */
    uint8_t sha256[32];       /* of the certificate, DER */
};

struct http_req {
    enum http_method method;
    struct tl_sv method_text;
    struct tl_sv target;    /* as sent */
    struct tl_sv path;      /* normalized (http_path_normalize) */
    struct tl_sv query;     /* raw; .p NULL: none */
    struct tl_sv authority; /* Host; .p NULL: none (HTTP/1.0) */
    const struct http_headers *headers;
    const struct http_headers *trailers; /* complete when the body is */
    const struct http_param *params;     /* of the route's pattern */
    size_t n_params;
    struct tl_sv body;                     /* whole; empty on routes that stream (see http_req_body_next) */
    struct http_addr peer;                 /* the socket's other end, or what a listed PROXY peer said */
    struct http_addr client;               /* peer, or from X-Forwarded-For when every hop is trusted */
    bool secure;                           /* TLS here, or X-Forwarded-Proto: https from a trusted proxy */
    uint32_t peer_uid;                     /* Unix sockets (SO_PEERCRED); UINT32_MAX otherwise */
    const struct http_tls_peer *tls_peer;  /* NULL: no client certificate */
    struct tl_sv tls_name;                 /* SNI; empty: none */
    struct tl_arena *arena;                /* of this request; limited by the server's request_arena */
    void *route_arg;                       /* the route's arg, as given to the handler */
    const struct http_body_source *source; /* private; NULL: body is all there is */
    void *source_arg;
};

/* Streaming routes: the next piece, valid until the next call; empty at the end. Suspends. TL_LIMIT when the route's
 * limit is passed, TL_TIMEOUT when the sender is too slow, TL_IO when it went away, TL_PARSE when it broke the framing:
 * return the error, the server answers. On other routes: the body once, then the end. */
TL_MUST_CHECK enum tl_rc http_req_body_next(struct task *task, struct http_req *req, struct tl_sv *ret_piece,
                                            struct tl_err *err);
struct tl_sv http_req_header(const struct http_req *req, const char *lower_case_name); /* first; .p NULL: absent */
struct tl_sv http_req_param(const struct http_req *req, const char *name);             /* .p NULL: absent */

/* ---- responses ---- */
#define HTTP_RES_HEADERS_MAX 32

struct http_res {
    int status;        /* 200 unless set */
    struct tl_sv body; /* borrowed until it is written: from the arena, or static */
    struct http_header headers[HTTP_RES_HEADERS_MAX];
    size_t n_headers;
    struct tl_arena *arena;
    bool close;                       /* close the connection afterwards */
    bool cut;                         /* simulators and tests: close it without an answer */
    bool streaming;                   /* http_res_stream_begin was called */
    bool head_request;                /* body is not sent */
    const struct http_res_sink *sink; /* private */
    void *sink_arg;
    struct tl_buf *recorded; /* tests: where streamed pieces go when there is no sink; may be NULL */
};

void http_res_init(struct http_res *res, struct tl_arena *arena);
/* Name and value are copied to the arena unless they are _static. TL_INVALID when they could split the response, or for
 * Content-Length, Transfer-Encoding, Connection and Date, which are the server's; TL_LIMIT when there are too many. */
enum tl_rc http_res_header(struct http_res *res, struct tl_sv name, struct tl_sv value, struct tl_err *err);
enum tl_rc http_res_header_static(struct http_res *res, struct tl_sv name, struct tl_sv value, struct tl_err *err);
/* Status, content type (a literal) and body in one call. The body is borrowed. */
void http_res_set(struct http_res *res, int status, const char *content_type, struct tl_sv body);
/* {"error":{"code":"...","message":"..."}}, the form of every error answer of ours; Retry-After from err. */
void http_res_error(struct http_res *res, int status, const char *code, const char *message);
void http_res_rc(struct http_res *res, const struct tl_err *err);

/* Server-sent events and large answers: send the head now (chunked; in HTTP/1.0 the end is the close). */
TL_MUST_CHECK enum tl_rc http_res_stream_begin(struct task *task, struct http_res *res, struct tl_err *err);
/* Suspends until the kernel took it: that is the back-pressure. TL_IO when the client went away. */
TL_MUST_CHECK enum tl_rc http_res_stream_write(struct task *task, struct http_res *res, struct tl_sv piece,
                                               struct tl_err *err);
/* The end is written when the handler returns TL_OK; on an error the connection is cut, so that the client sees it. */

const char *http_status_text(int status);

/* The handler of a route, on a task of its own. An error that is returned becomes tl_rc_http(rc) with http_res_rc. */
typedef enum tl_rc http_handler_fn(struct task *task, struct http_req *req, struct http_res *res, void *arg,
                                   struct tl_err *err);

/* What a transport implements (HTTP/1.1 here; HTTP/2 later). */
struct http_body_source {
    enum tl_rc (*next)(struct task *task, void *arg, struct tl_sv *ret_piece, struct tl_err *err);
};
struct http_res_sink {
    enum tl_rc (*begin)(struct task *task, void *arg, struct http_res *res, struct tl_err *err);
    enum tl_rc (*write)(struct task *task, void *arg, struct tl_sv piece, struct tl_err *err);
};

#endif
