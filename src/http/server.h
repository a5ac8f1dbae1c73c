/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.h - the server for HTTP/1.1 and HTTP/2 on one or more loops.
 *
 * HTTP/2 where the client chooses "h2" (ALPN) or, on a plain listener, where one of trusted_proxies (or who stands
 * behind it, on a listener with PROXY headers) begins with its preface (RFC 9113 3.3): a browser cannot, and a stranger
 * on a plain port has no reason to. Handlers, routes and limits are the same for both; session.h says what else HTTP/2
 * is held to.
 *
 * Promise: a connection of HTTP/1.1 has one request at a time; while it runs nothing is read, and at most 16 KB of what
 * follows is held. One of HTTP/2 has 100, each with 256 KB of a body that nobody has asked for. Every wait for the
 * other side has a time-out. A refusal that can be made from the head is made before the body is invited.
 */
#ifndef TL_HTTP_SERVER_H
#define TL_HTTP_SERVER_H

#include "http/router.h"
#include "http/tls.h"

struct http_server;
#define HTTP_SERVER_HEADERS_MAX 16

struct http_listen {
    const char *host;           /* IP literal; NULL with unix_path */
    uint16_t port;              /* 0: any, see http_server_port */
    const char *unix_path;      /* created with mode 0600; a left-over socket is replaced */
    struct http_tls *tls;       /* NULL: plain; borrowed for the call */
    struct http_router *router; /* NULL: the server's */
    /* Every connection comes from one of options.trusted_proxies, others are refused, and begins with a PROXY header of
     * version 2 (proxy.c), before TLS. The address in it is the peer's from then on: for allow, caps and logs. */
    bool proxy_protocol;
};

/* Zero means the default in the comment. */
struct http_server_options {
    struct http_limits limits;        /* http_limits_default where zero */
    uint64_t body_limit;              /* 10 MB, where the route has none */
    uint64_t body_memory;             /* 256 MB held for bodies in all; beyond: 503 */
    uint64_t request_arena;           /* 16 MB for one request's arena */
    uint32_t handshake_ms;            /* 10 s for PROXY header and TLS handshake */
    uint32_t headers_ms;              /* 10 s for a head, from its first byte */
    uint32_t body_grace_ms;           /* 10 s: the window in which ... */
    uint32_t body_rate;               /* ... 1024 bytes a second must have come */
    uint32_t write_ms;                /* 30 s for the client to take what is written, at body_rate at least */
    uint32_t idle_ms;                 /* 60 s between requests */
    uint32_t linger_ms;               /* 2 s of reading on after an early error, 256 KB at most */
    uint32_t handler_ms;              /* 60 s, where the route has none */
    uint32_t drain_ms;                /* 30 s */
    uint32_t drain_announce_ms;       /* 0: how long a drain goes on accepting, half of drain_ms at most, so that it is
                                       * seen: only if somebody asked a health route in the last minute */
    uint32_t requests_per_connection; /* 1000 */
    uint32_t connections;             /* 10000 in all */
    uint32_t connections_per_address; /* 256 (Unix sockets and trusted_proxies: no cap) */
    uint32_t streams;                 /* HTTP/2: 100 at once */
    uint32_t stream_window;           /* HTTP/2: 256 KB unread of a request */
    uint32_t session_window;          /* HTTP/2: 1 MB unread of all requests of a connection */
    uint32_t control_frames;          /* HTTP/2: 1000 that ask for nothing, at once (session.h); then GOAWAY */
    uint32_t control_rate;            /* HTTP/2: 50 of them come back each second */
    const struct http_cidr *allow;    /* n 0: everybody. Others are closed at once, behind a proxy 403. Copied */
    size_t n_allow;
    const struct http_cidr *trusted_proxies; /* whose X-Forwarded-For/-Proto and PROXY headers count. Copied */
    size_t n_trusted_proxies;
    const char *server_name; /* Server header; NULL: none. Copied */
    /* What each answer carries, whoever makes it: a handler, or the server itself for what no handler sees (a malformed
     * or slow head, a path or method that is not there, no room). Constant texts, borrowed for ever; a handler sets
     * none of these names. At most HTTP_SERVER_HEADERS_MAX. */
    const struct http_header *headers;
    size_t n_headers;
    bool http1_only; /* no HTTP/2 on plain connections from trusted_proxies; over TLS ALPN decides: see tls.h */
    /* After each response, on its loop; must not block. req is NULL when no head could be read. */
    void (*on_response)(void *arg, const struct http_req *req, int status, uint64_t bytes_in, uint64_t bytes_out,
                        uint64_t duration_us);
    void *on_response_arg;
};

struct http_server_stats {
    uint64_t accepted, active, requests;
    uint64_t refused_cap, refused_address, refused_fd; /* connections closed at the door */
    uint64_t bad_requests, timeouts, tls_failures;
    uint64_t body_memory;
};

/* loops[0] accepts. The options are copied; the router is referenced. TL_CONFIG: the limits of a head are too large,
 * or it has too many headers. */
TL_MUST_CHECK enum tl_rc http_server_new(struct async_loop *const *loops, size_t n_loops,
                                         const struct http_server_options *options, struct http_router *router,
                                         struct http_server **ret_server, struct tl_err *err);
/* Would these be taken? TL_CONFIG as in http_server_new. */
TL_MUST_CHECK enum tl_rc http_server_options_check(const struct http_server_options *options, struct tl_err *err);
/* Before the loops run, or on loops[0]. TL_CONFIG with the address and the reason. */
TL_MUST_CHECK enum tl_rc http_server_listen(struct http_server *s, const struct http_listen *listen,
                                            struct tl_err *err);
uint16_t http_server_port(const struct http_server *s, size_t index); /* of the index-th listener */
/* Other options, from loops[0]; each loop takes them up in its next round, nothing is cut off for them. The next
 * request is judged by them, on connections that stand too (limits, allow, trusted_proxies, body_limit); a wait that
 * has begun ends as it was to end, the next one is theirs; connections that are too many by them are let go on. HTTP/2
 * keeps the windows and the number of streams that a connection was told. request_arena stays. TL_CONFIG as in
 * http_server_new: nothing has changed. */
TL_MUST_CHECK enum tl_rc http_server_set_options(struct http_server *s, const struct http_server_options *options,
                                                 struct tl_err *err);
/* From loops[0]: new requests (router) and new connections (TLS) use the new ones. */
void http_server_set_router(struct http_server *s, struct http_router *router);
void http_server_set_tls(struct http_server *s, size_t index, struct http_tls *tls);
/* From any thread. From now on answers carry Connection: close and connections that wait for a further request are
 * closed; what comes by a new one is answered 503 with Retry-After, but for health routes. */
void http_server_drain(struct http_server *s);
bool http_server_is_draining(const struct http_server *s); /* what readyz answers */
/* Drain, wait for the requests in progress, cut the rest after drain_ms. Suspends; on a task of loops[0]; the task's
 * deadline bounds it too. Afterwards no connection is left. */
void http_server_stop(struct task *task, struct http_server *s);
/* After http_server_stop, or when the loops do not run any more (connections left are closed). NULL allowed. */
void http_server_free(struct http_server *s);
void http_server_stats(const struct http_server *s, struct http_server_stats *ret_stats); /* any thread */

#endif
