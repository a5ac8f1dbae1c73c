/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc.h - gRPC over a stream of HTTP/2: frames of messages, statuses (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md and
 * doc/http-grpc-status-mapping.md). What a message holds is the caller's: protobuf-c.
 *
 * Messages are not compressed: we say so (grpc-accept-encoding: identity), and a compressed one is refused.
 */
#ifndef TL_HTTP_GRPC_H
#define TL_HTTP_GRPC_H

#include "http/h2.h"

enum { HTTP_GRPC_PREFIX = 5, HTTP_GRPC_MAX = 4 << 20 /* the usual limit of a message */ };

/* ---- pure functions ---- */
enum http_grpc_step { HTTP_GRPC_MORE, HTTP_GRPC_MESSAGE, HTTP_GRPC_BAD };
/* The first message of `in`, a view; it takes HTTP_GRPC_PREFIX + message.n bytes. BAD: compressed (TL_UNSUPPORTED), or
 * longer than max (TL_LIMIT), in err. */
enum http_grpc_step http_grpc_next(struct tl_sv in, size_t max, struct tl_sv *ret_message, struct tl_err *err);
void http_grpc_prefix(size_t message_n, char out[HTTP_GRPC_PREFIX]);
enum tl_rc http_grpc_rc(int code);         /* what a status means; codes that are not known are TL_UPSTREAM */
const char *http_grpc_code_name(int code); /* "INVALID_ARGUMENT"; "status" where it is not known */
/* What the end of a stream says, from its head (Trailers-Only) or its trailers; *ret_code -1: no gRPC status was told,
 * then by the status of HTTP. The text is "UNAVAILABLE: message", one line. */
enum tl_rc http_grpc_verdict(int http_status, const struct http_headers *head, const struct http_headers *trailers,
                             int *ret_code, struct tl_err *err);

/* ---- calls ---- */
struct http_grpc {
    struct http_h2_stream *stream;
    size_t max; /* bytes of a message */
    size_t used;
    int code; /* status, when it has ended; -1 */
};
/* The connection's window must hold a whole message: http_grpc_window(max). path: "/package.Service/Method". metadata:
 * headers of the call. Errors as http_h2_open. The stream is freed with http_grpc_free. */
uint32_t http_grpc_window(size_t max);
TL_MUST_CHECK enum tl_rc http_grpc_open(struct http_h2 *c, struct tl_sv path, const struct http_header *metadata,
                                        size_t n, size_t max, struct http_grpc *ret, struct tl_err *err);
void http_grpc_free(struct http_grpc *g); /* all zero allowed */
/* Suspends as http_h2_send does; last: no more messages follow. */
TL_MUST_CHECK enum tl_rc http_grpc_send(struct task *t, struct http_grpc *g, struct tl_sv message, bool last,
                                        uint64_t until_ns, struct tl_err *err);
TL_MUST_CHECK enum tl_rc http_grpc_send_end(struct task *t, struct http_grpc *g, struct tl_err *err);
/* Suspends until the next message; the view is good until the next wait of this task. .p NULL: the call has ended with
 * OK. Else http_grpc_rc of its status, or the errors of http_h2_recv. A server's side gets the requests this way. */
TL_MUST_CHECK enum tl_rc http_grpc_recv(struct task *t, struct http_grpc *g, uint64_t until_ns,
                                        struct tl_sv *ret_message, struct tl_err *err);
/* Is there one more whole message, without waiting? */
bool http_grpc_has_more(const struct http_grpc *g);
/* One request, one answer (a view, see above). */
TL_MUST_CHECK enum tl_rc http_grpc_unary(struct task *t, struct http_grpc *g, struct tl_sv request, uint64_t until_ns,
                                         struct tl_sv *ret_answer, struct tl_err *err);

/* ---- the server's side ---- */
TL_MUST_CHECK enum tl_rc http_grpc_accept(struct http_h2_stream *s, size_t max, struct http_grpc *ret,
                                          struct tl_err *err);
/* message NULL: none. more: trailers of the service. */
TL_MUST_CHECK enum tl_rc http_grpc_end(struct http_grpc *g, int code, const char *message,
                                       const struct http_header *more, size_t n, struct tl_err *err);

#endif
