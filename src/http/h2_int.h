/* SPDX-License-Identifier: Apache-2.0 */
/* h2_int.h - what the files of HTTP/2 share: h2.c (streams), h2_conn.c (bytes), h2_client.c, h2_server.c. */
#ifndef TL_HTTP_H2_INT_H
#define TL_HTTP_H2_INT_H

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <uv.h>

#include "http/h2.h"

enum { H2_WINDOW = 1 << 20, H2_WINDOW_MAX = 64 << 20, H2_HEADERS = 16 << 10, H2_OUT = 256 << 10, H2_STREAMS = 100 };

struct http_h2 {
    struct async_loop *loop;
    nghttp2_session *session; /* NULL: TLS is not ready */
    uv_poll_t poll;
    int fd, events;
    SSL *ssl;        /* NULL: plain */
    char *authority; /* of a client: host[:port] */
    bool polling, ssl_wants_write, dead, flushing;
    struct tl_err why; /* of dead */
    uint8_t *buf;      /* what is being read */
    struct tl_buf out; /* frames the kernel has not taken */
    size_t out_at;
    struct http_h2_stream *streams;
    size_t n_streams;
    struct async_timer ping;
    uint64_t heard_ns, bytes_in, bytes_out;
    bool pinged;
    uint32_t ping_ms, ping_timeout_ms, window;
    size_t max_headers;
    struct async_wait *opening; /* who waits for TCP or TLS */
    /* a server's */
    struct http_h2_server *server;
    struct http_h2 *prev, *next;
};

struct http_h2_stream {
    struct http_h2 *conn;
    struct http_h2_stream *prev, *next;
    int32_t id;
    struct tl_arena *arena; /* of the headers */
    struct http_headers head, trailers;
    struct tl_sv path, method;
    size_t header_bytes, head_cap, trailer_cap;
    int status;
    bool head_done, ended, closed, out_end, has_trailers, detached;
    uint32_t error; /* of closed: HTTP/2 error code (RFC 9113 7) */
    struct tl_err why;
    struct tl_buf in, out;
    size_t in_at, out_at;
    struct async_wait *reader, *writer;
    struct task *task; /* of a server's handler; detached: it has ended, frames have yet to leave */
};

/* ---- h2_conn.c: sockets, TLS, the session ---- */
/* Owns fd from now on. opening may be set by the caller until http__h2_begin. */
struct http_h2 *http__h2_new(struct async_loop *loop, int fd);
void http__h2_listen(struct http_h2 *c, int events); /* while it is being opened */
/* 1: done; -EAGAIN: wait (ssl_wants_write); else refused, *err says why. */
int http__h2_handshake(struct http_h2 *c, struct tl_err *err);
void http__h2_begin(struct http_h2 *c); /* the session, its settings, the pings */
void http__h2_flush(struct http_h2 *c);
void http__h2_die(struct http_h2 *c, enum tl_rc rc, const char *text);
void http__h2_free(struct http_h2 *c);               /* closes; no stream may be left */
nghttp2_session_callbacks *http__h2_callbacks(void); /* h2.c */

/* Frames of nghttp2 behind what waits from *at on, some 64 KB at most; what was sent before *at goes away in time. 0,
 * or nghttp2's error; for the server of session.c too. */
int http__h2_gather(nghttp2_session *session, struct tl_buf *out, size_t *at);

/* ---- h2.c ---- */
static inline nghttp2_nv http__h2_pair(struct tl_sv name, struct tl_sv value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.p,
                        .namelen = name.n,
                        .value = (uint8_t *)(uintptr_t)value.p,
                        .valuelen = value.n};
}
struct http_h2_stream *http__h2_stream_new(struct http_h2 *c);
void http__h2_wake(struct http_h2_stream *s);

/* ---- h2_server.c ---- */
void http__h2_request(struct http_h2_stream *s); /* its head is there */
/* Nobody is inside of the connection: free what has ended, and the connection itself when it is dead. */
void http__h2_rest(struct http_h2 *c);

/* ---- client side helpers elsewhere ---- */
/* A context that verifies, for ALPN "h2". h2_tls.c */
TL_MUST_CHECK enum tl_rc http__h2_ctx(const struct http_client_tls *tls, SSL_CTX **ret, struct tl_err *err);
TL_MUST_CHECK enum tl_rc http__h2_ssl(SSL_CTX *ctx, const struct http_client_tls *tls, struct tl_sv host, int fd,
                                      SSL **ret, struct tl_err *err);

#endif
