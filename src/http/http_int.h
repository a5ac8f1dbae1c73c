/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_int.h - what the files of the server share.
 *
 * A connection (conn) lives on one loop and is in one phase. An exchange is one request with its answer; it is taken
 * from the loop's list with the first byte of a request and given back with the last of the answer, so that idle
 * connections hold neither a buffer nor an arena. Under HTTP/2 a connection has a session, and each stream an exchange.
 */
#ifndef TL_HTTP_INT_H
#define TL_HTTP_INT_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>
#include <uv.h>

#include "http/http.h"
#include "http/proxy.h"

/* RBUF_SIZE, what a connection reads into, is no option: it limits nothing. A head or a trailer that needs more gets
 * more, by limits of its own; a body does by body_limit and body_memory; an idle connection holds none. It is the
 * largest record of TLS (RFC 8446 5.1), so that one read takes a whole one, and buffers of one size go from connection
 * to connection. */
enum { RBUF_SIZE = 16384, OUT_MAX = 1 << 20, LISTEN_MAX = 16 };

enum phase {
    PH_PROXY, /* the PROXY header */
    PH_TLS,   /* the handshake */
    PH_IDLE,  /* nothing of a request yet */
    PH_HEAD,
    PH_BODY,    /* of a route that wants it whole */
    PH_HANDLER, /* a task runs; nothing is read unless it asks */
    PH_WRITE,   /* the kernel did not take all of the answer */
    PH_H2,      /* HTTP/2: see session.h */
    PH_LINGER, /* answered and shut; what still comes is thrown away, so that no RST overtakes the answer (RFC 9112 9.6)
                */
    PH_CLOSED,
};

struct listener {
    struct http_server *server;
    int fd;
    uv_poll_t poll;
    bool polling, proxy_protocol;
    uint16_t port;
    struct http_tls *tls;
    struct http_router *router; /* NULL: the server's */
    char *unix_path;
};

/* The router as one loop sees it: counted without atomics. */
struct loop_router {
    struct http_router *router;
    unsigned refs;
};

struct http_loop {
    struct http_server *server;
    struct async_loop *loop;
    struct http_server_options opt; /* in force here; what it points to is its own. Only looked at, never pointed into:
                                     * a reload puts others in its place between two events of the loop */
    atomic_uint n_conns;            /* assigned: read by the accepting loop */
    struct conn *conns;
    char *rbufs[64];
    size_t n_rbufs;
    struct exchange *free_exchanges;
    size_t n_free_exchanges;
    struct loop_router *router;
    struct tl_buf head; /* where response heads are built */
    int64_t date_second;
    char date[TL_TIME_TEXT];
    atomic_uint_fast64_t requests, bad, timeouts, tls_failures;
};

struct http_server {
    struct http_loop *loops;
    size_t n_loops;
    struct listener listeners[LISTEN_MAX];
    size_t n_listeners;
    int reserve_fd;
    BIO_METHOD *bio_method;
    atomic_bool draining;
    atomic_uint_fast64_t health_asked_ns; /* 0: never */
    atomic_uint posted;                   /* orders on their way to a loop */
    unsigned closing;                     /* listeners; loops[0] only */
    bool freed;
    atomic_uint_fast64_t accepted, active, refused_cap, refused_address, refused_fd, body_memory;
    pthread_mutex_t lock;
    struct tl_map *per_address; /* 16 bytes -> count */
};

struct conn {
    uv_poll_t poll;
    struct http_loop *l;
    struct conn *prev, *next;
    const struct listener *listener;
    int fd;
    int events; /* what is polled */
    enum phase phase;
    bool counted; /* in per_address */
    bool late;    /* it came while the server drained */
    bool ssl_wants_write;
    bool ssl_broken;
    struct async_timer timer;
    uint64_t deadline_ns;
    uint64_t window_bytes; /* moved in the current window of the rate rule */
    SSL *ssl;
    struct http_tls *tls; /* outlives ssl */
    struct http_tls_peer *tls_peer;
    struct http_addr peer, counted_as;
    uint32_t peer_uid, n_requests;
    char *rbuf;
    size_t cap, start, end; /* unconsumed bytes: rbuf[start..end) */
    size_t lingered;
    struct exchange *x;
    struct session *h2; /* NULL: HTTP/1.1 */
};

/* What an exchange needs to be a stream of HTTP/2: session_stream.c. */
struct stream {
    struct exchange *prev, *next; /* of the session */
    int32_t id;
    int status;         /* of a head that is refused; 0: fine so far */
    const char *reason; /* of status */
    struct tl_sv scheme;
    size_t head_bytes, trailer_bytes;
    bool closed;              /* at an end for nghttp2; a handler may still run */
    bool answered, end;       /* the head is submitted; nothing follows what is in iov */
    bool too_large, no_room;  /* of a body that is read in pieces */
    struct tl_buf in, held;   /* of such a body: not asked for so far; what the handler looks at */
    uint64_t since_ns, moved; /* the window of the rate rule: when it began; bytes in it */
};

struct exchange {
    struct conn *c;
    struct exchange *next_free;
    struct http_codec codec;
    struct http_limits limits; /* of the request: those in force at its first byte */
    struct http_header *slots; /* room for 2 * n_slots */
    size_t n_slots;
    struct http_req req;
    struct http_res res;
    struct http_param params[HTTP_PARAMS_MAX];
    struct tl_arena *arena;
    const struct http_route *route;
    struct loop_router *router;
    struct task *task;
    struct async_wait *wait; /* of the task, for the socket */
    bool timed, head_known, early, expect, sent_100, body_done, head_sent, chunked_out, must_close, stream_done;
    size_t head_end; /* offset in rbuf behind the head */
    char *old_rbuf;  /* holds the head when it left too little room */
    char *body;
    size_t body_n, body_cap;
    uint64_t body_limit, started_ns, bytes_in, bytes_out;
    char *out; /* rest of the head, owned, when the kernel did not take it */
    struct iovec iov[3];
    int n_iov;
    struct stream h2;
};

/* io.c: 0: the end; -EAGAIN: wait for c->ssl_wants_write ? writable : readable; other negatives: broken */
ssize_t http__recv(struct conn *c, void *p, size_t n);
ssize_t http__sendv(struct conn *c, const struct iovec *iov, int n);
/* 1: done, -EAGAIN, or broken */
int http__handshake(struct conn *c);
BIO_METHOD *http__bio_method(void);
BIO *http__bio_new(const BIO_METHOD *method, int fd);

/* conn.c */
/* takes tls (may be NULL); counted: http__take_address has counted peer */
void http__conn_adopt(struct http_loop *l, int fd, const struct listener *listener, const struct http_addr *peer,
                      bool counted, struct http_tls *tls);
void http__conn_close(struct conn *c);
void http__conn_want(struct conn *c, int events);
void http__conn_deadline(struct conn *c, uint64_t ms);
void http__conn_no_deadline(struct conn *c);
void http__conn_linger(struct conn *c);
/* Give back the exchange and go on with the next request, or close. */
void http__conn_next(struct conn *c, bool keep);
uint64_t http__rate_bytes(const struct conn *c, uint32_t window_ms);
/* Give the buffer back: nothing in it is looked at any more. */
void http__conn_done_reading(struct conn *c);
/* Make room behind the unconsumed bytes; false: there is none to make. */
bool http__conn_room(struct conn *c);
/* server.c: who may connect. May this one at all (`allow`; of a proxy the request will tell)? Has it room for one more
 * connection, and was that counted (then it is given back once, whatever the options say by then)? Refusals are
 * counted. */
bool http__may_connect(struct http_loop *l, const struct http_addr *a);
bool http__take_address(struct http_loop *l, const struct http_addr *a, bool *ret_counted);
void http__drop_address(struct http_server *s, const struct http_addr *a);

/* server.c */
void http__accept(struct listener *l); /* those that stand in line now; on the listeners' loop */
void http__loop_done(struct http_loop *l);

/* exchange.c */
void http__advance(struct conn *c);
void http__go_on(struct conn *c);
struct exchange *http__exchange_take(struct conn *c);
void http__exchange_give(struct exchange *x);
void http__exchange_free(struct exchange *x);
void http__fail(struct conn *c, int status, const char *code, const char *message);
const char *http__code_of(int status); /* of a malformed head */
/* The rest is for both versions of HTTP. */
/* Fill x->req from the head, find the route and check all that can be checked before the body. false: x->res says why
 * not, and is still to be sent. */
bool http__admit(struct exchange *x);
/* Room for more bytes of a body that is kept whole; false: the process has no more for bodies (a 503 is in x->res). */
bool http__grow_body(struct exchange *x, size_t more);
/* The handler has failed before it answered: its answer is that error. */
void http__failed(struct exchange *x, enum tl_rc rc, const struct tl_err *err);
/* Start the handler on a task; false: there are too many (a 503 is in x->res). */
bool http__start(struct exchange *x, const struct http_body_source *source, const struct http_res_sink *sink,
                 void (*done)(void *arg, enum tl_rc rc, const struct tl_err *err));
void http__busy(struct exchange *x, const char *message); /* a 503 into x->res */

/* respond.c */
void http__respond(struct exchange *x);
void http__flush(struct exchange *x);
void http__build_head(struct exchange *x, bool streaming);
bool http__wants_close(const struct exchange *x);
struct tl_sv http__date(struct http_loop *l);
bool http__has_no_body(int status);
void http__account(struct exchange *x); /* the answer is out: counters, log */

/* stream.c */
extern const struct http_body_source http__source;
extern const struct http_res_sink http__sink;
enum tl_rc http__stream_end(struct task *task, struct exchange *x, struct tl_err *err);
enum tl_rc http__gone(struct tl_err *err);
/* Suspend until something moves, in windows of the rate rule: TL_TIMEOUT when a window brought too little. events are
 * of HTTP/1.1: what the socket must be ready for. *window_end is 0 at first. */
enum tl_rc http__wait_ready(struct task *task, struct exchange *x, int events, uint32_t window_ms, uint64_t *window_end,
                            struct tl_err *err);

/* session.c */
/* Is this the preface of HTTP/2 (RFC 9113 3.4), from somebody who may speak it on a plain connection? 1: yes, all of
 * it; 0: not all of it is there; -1: no. */
int http__session_preface(const struct conn *c);
void http__session_begin(struct conn *c); /* what is in the buffer is its */
void http__session_event(struct conn *c);
void http__session_timer(struct conn *c);
void http__session_leave(struct conn *c); /* GOAWAY; ends with its streams */
bool http__session_busy(const struct conn *c);
void http__session_wake(struct conn *c);   /* the connection is closed: all that wait for it */
void http__session_cancel(struct conn *c); /* the handlers */
void http__session_free(struct session *h);

/* proxy.c */
void http__forwarded(const struct http_headers *h, const struct http_cidr *trusted, size_t n,
                     const struct http_addr *peer, bool tls, struct http_addr *ret_client, bool *ret_secure);

/* tls.c */
/* method NULL: OpenSSL's own socket. NULL: out of memory */
SSL *http__tls_accept(struct http_tls *tls, const BIO_METHOD *method, int fd);
struct http_tls_peer *http__tls_peer_new(SSL *ssl); /* NULL: no certificate. Freed with http__tls_peer_free */
void http__tls_peer_free(struct http_tls_peer *p);

static inline void http__count(atomic_uint_fast64_t *n)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1, memory_order_relaxed);
}

#endif
