/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2.h - HTTP/2 connections whose streams carry bytes both ways at the same time (RFC 9113): what gRPC needs. nghttp2
 * frames, OpenSSL encrypts; plain http is HTTP/2 with prior knowledge (3.3), https wants ALPN "h2".
 *
 * Promises:
 *  - A connection and its streams belong to one loop. Connecting, sending and receiving suspend; opening, closing and
 *    freeing do not. One task may receive on a stream while another one sends; never two of a kind.
 *  - What the other side may make us hold: `window` unread bytes a stream (flow control; it gets credit only for what
 *    was consumed), `max_headers` bytes a head, 100 streams a connection of a server, 1,000 unanswered control frames.
 *  - What we may be made to hold for it: 256 KB a stream, then http_h2_send waits.
 *  - An address is used only if the egress policy of the client allows it, names are looked up as for other calls
 *    (client.h), TLS is 1.2 or later and verified. Through a proxy: not so far, TL_UNSUPPORTED.
 *  - A connection that says nothing for ping_ms is asked (PING, 6.7); one that does not answer within ping_timeout_ms
 * is dead: TL_UNREACHABLE on all its streams.
 *  - GOAWAY (6.8): streams that the other side will not look at end with TL_UNREACHABLE (safe to repeat), others go on;
 *    new ones are refused with TL_UNREACHABLE.
 *  - The process must ignore SIGPIPE (as for client.h).
 */
#ifndef TL_HTTP_H2_H
#define TL_HTTP_H2_H

#include "http/client.h"
#include "http/tls.h"

struct http_h2;
struct http_h2_stream;

struct http_h2_options {               /* zero: the defaults */
    const struct http_client_tls *tls; /* NULL: the client's; borrowed for the call */
    uint32_t connect_timeout_ms;       /* name, TCP and TLS together; 0: the client's */
    uint32_t ping_ms;                  /* 0: 30 s */
    uint32_t ping_timeout_ms;          /* 0: 20 s */
    uint32_t window;                   /* bytes; 0: 1 MB; at most 64 MB */
    size_t max_headers;                /* 0: 16 KB */
};
/* A connection to the host of the URL; its path is not looked at. Suspends. TL_UNREACHABLE (name, connection, TLS, no
 * HTTP/2 there), TL_TIMEOUT, TL_CANCELED, TL_INVALID (the URL), TL_CONFIG (address refused, certificate files),
 * TL_UNSUPPORTED (a proxy is configured). */
TL_MUST_CHECK enum tl_rc http_h2_connect(struct task *t, struct http_client *client, struct tl_sv url,
                                         const struct http_h2_options *options, struct http_h2 **ret,
                                         struct tl_err *err);
/* Says GOAWAY and closes. All streams must have been freed. NULL allowed. */
void http_h2_close(struct http_h2 *c);
bool http_h2_usable(const struct http_h2 *c); /* a new stream may be opened */
/* What went over the connection so far. */
void http_h2_bytes(const struct http_h2 *c, uint64_t *ret_in, uint64_t *ret_out);

/* A request: its head leaves now, its body with http_h2_send. Headers: names in lower case, none of the connection's
 * own. TL_UNREACHABLE: the connection is gone or going, nothing was sent; TL_INVALID: a header cannot be sent. */
TL_MUST_CHECK enum tl_rc http_h2_open(struct http_h2 *c, struct tl_sv method, struct tl_sv path,
                                      const struct http_header *headers, size_t n, struct http_h2_stream **ret,
                                      struct tl_err *err);
/* A stream that has not ended is reset (CANCEL). NULL allowed. */
void http_h2_free(struct http_h2_stream *s);

/* Suspends while 256 KB are waiting to be sent. end: nothing more follows. The errors are those of http_h2_recv;
 * TL_UPSTREAM also when the other side has reset the stream. */
TL_MUST_CHECK enum tl_rc http_h2_send(struct task *t, struct http_h2_stream *s, struct tl_sv data, bool end,
                                      uint64_t until_ns, struct tl_err *err);
/* Suspends until there are more than `have` unread bytes, or the other side has ended. *ret: all that is unread, valid
 * until this task waits again or consumes; not more than `have` bytes: nothing more will come, and the head and the
 * trailers are complete. TL_TIMEOUT (until_ns), TL_CANCELED, TL_UNREACHABLE (the connection is dead, or the stream was
 * refused unseen), TL_UPSTREAM (it was reset), TL_LIMIT (headers too large). */
TL_MUST_CHECK enum tl_rc http_h2_recv(struct task *t, struct http_h2_stream *s, size_t have, uint64_t until_ns,
                                      struct tl_sv *ret, struct tl_err *err);
struct tl_sv http_h2_unread(const struct http_h2_stream *s); /* without waiting */
void http_h2_consume(struct http_h2_stream *s, size_t n);    /* gives the other side credit for n more bytes */
/* Suspends until the head is there. */
TL_MUST_CHECK enum tl_rc http_h2_wait_head(struct task *t, struct http_h2_stream *s, uint64_t until_ns,
                                           struct tl_err *err);
int http_h2_status(const struct http_h2_stream *s);                          /* 0: no head yet */
const struct http_headers *http_h2_head(const struct http_h2_stream *s);     /* without pseudo headers */
const struct http_headers *http_h2_trailers(const struct http_h2_stream *s); /* complete at the end */
struct tl_sv http_h2_path(const struct http_h2_stream *s);                   /* of a server's stream: raw, with query */
struct tl_sv http_h2_method(const struct http_h2_stream *s);
bool http_h2_is_over(const struct http_h2_stream *s); /* closed, reset or the connection is dead */

/* ---- the server's side: small, for simulators and tests ---- */
/* One stream, on a task of its own; it is freed when this returns. An error resets it (INTERNAL_ERROR). */
typedef enum tl_rc http_h2_handler_fn(struct task *t, struct http_h2_stream *s, void *arg, struct tl_err *err);
struct http_h2_server_options {
    const char *host;                 /* NULL: 127.0.0.1 */
    uint16_t port;                    /* 0: any */
    const char *cert_file, *key_file; /* PEM; NULL: without TLS */
    uint32_t window;                  /* as above */
    size_t max_headers;
    http_h2_handler_fn *handler;
    void *arg;
};
struct http_h2_server;
TL_MUST_CHECK enum tl_rc http_h2_server_new(struct async_loop *loop, const struct http_h2_server_options *options,
                                            struct http_h2_server **ret, struct tl_err *err);
uint16_t http_h2_server_port(const struct http_h2_server *s);
/* Accepts no more, cancels the handlers and waits for them. Suspends. */
void http_h2_server_stop(struct task *t, struct http_h2_server *s);
/* Cut every connection now, as a network would: for tests of clients. */
void http_h2_server_cut(struct http_h2_server *s);
/* Say GOAWAY on every connection; streams that run go on. */
void http_h2_server_goaway(struct http_h2_server *s);
void http_h2_server_free(struct http_h2_server *s); /* after stop, or when the loop does not run any more */
/* The head of the answer; end: it has no body. */
TL_MUST_CHECK enum tl_rc http_h2_respond(struct http_h2_stream *s, int status, const struct http_header *headers,
                                         size_t n, bool end, struct tl_err *err);
/* The end of the answer, behind all that was sent. */
TL_MUST_CHECK enum tl_rc http_h2_finish(struct http_h2_stream *s, const struct http_header *trailers, size_t n,
                                        struct tl_err *err);

#endif
