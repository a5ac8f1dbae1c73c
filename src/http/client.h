/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - HTTP calls to other systems, from tasks. Plain http goes over connections of our own (client_direct.c),
 * all else (TLS, proxies, cookies, compression, bodies from a source) through libcurl.
 *
 * Promises:
 *  - A request that is not idempotent is sent at most once. When it was sent, also in part, and no whole reply came,
 * the result is TL_UNKNOWN_OUTCOME (TL_TIMEOUT and TL_CANCELED keep their names: look at reply->sent). Idempotent are
 * GET, HEAD and OPTIONS (RFC 9110 9.2.1), and what the caller declares to be; these alone may be sent again
 * when a reused connection turns out to be dead.
 *  - A connection is made only to an address that the egress policy allows; the address that was checked is the address
 *    that is used. Names are looked up on a worker thread and kept for 60 s (failures 5 s). Behind a proxy the name is
 * the proxy's to look up: there the policy sees the proxy only (and IP addresses written in the URL).
 *  - Redirects are not followed: a 3xx is a reply. Environment variables are not read. TLS is 1.2 or later, verified.
 *  - Any status is a success of the call; http_status_rc() says what it means.
 */
#ifndef TL_HTTP_CLIENT_H
#define TL_HTTP_CLIENT_H

#include "async/async.h"
#include "http/codec.h"
#include "http/url.h"

/* ---- where calls may go ---- */
/* Refused always: unspecified, link-local (metadata services), multicast and reserved addresses, metadata services at
 * other addresses. Refused unless allow_private: loopback, private, shared and unique-local ranges. An IPv4 address
 * within an IPv6 one (mapped, NAT64, 6to4) is judged as itself. `allow` (borrowed) overrules all, `deny` comes second.
 */
struct http_egress {
    bool allow_private;
    const struct http_cidr *allow;
    size_t n_allow;
    const struct http_cidr *deny;
    size_t n_deny;
};
/* TL_FORBIDDEN would pause the credentials: a refused address is TL_CONFIG. */
TL_MUST_CHECK enum tl_rc http_egress_check(const struct http_egress *e, const struct http_addr *a, struct tl_err *err);

/* ---- the client: one a loop ---- */
struct http_client_tls {          /* all borrowed; files are PEM */
    bool insecure;                /* do not verify: for tests, never by default */
    const char *ca_file, *ca_dir; /* NULL: the system's */
    const char *cert_file, *key_file, *key_password;
    struct tl_sv ca_pem, cert_pem, key_pem; /* the same from memory; win over files */
};

enum { HTTP_LOOKUP_MAX = 8 };
/* Look up a name; blocks; called on worker threads. Number of addresses, or -1 with a text of at most n bytes. */
typedef int http_lookup_fn(const char *host, struct http_addr addrs[HTTP_LOOKUP_MAX], char *text, size_t n);

struct http_client_options { /* zero: the defaults */
    struct http_egress egress;
    struct http_client_tls tls;
    const char *proxy;           /* "http://host:port"; NULL: none */
    const char *user_agent;      /* NULL: "tieline/VERSION" */
    uint32_t connections;        /* in all; 0: 1000 */
    uint32_t connections_a_host; /* 0: 64 */
    uint32_t timeout_ms;         /* of a call; 0: 30 s */
    uint32_t connect_timeout_ms; /* 0: 10 s */
    http_lookup_fn *lookup;      /* NULL: getaddrinfo */
};
struct http_client;

/* The process must ignore SIGPIPE: OpenSSL writes to sockets that the other side may have closed. libcurl is not
 * touched before the first call that needs it (all but plain http), which lets a worker thread start it. Strings and
 * lists of the options are copied, except those of tls: these must outlive the client. */
TL_MUST_CHECK enum tl_rc http_client_new(struct async_loop *loop, const struct http_client_options *options,
                                         struct http_client **ret_client, struct tl_err *err);
/* Another policy, copied, on the client's loop: the next call is judged by it, kept connections or not; a call that is
 * under way, and a stream of HTTP/2 that stands, go on. */
void http_client_set_egress(struct http_client *c, const struct http_egress *e);
/* The policy now in force, as a copy in `a` that may be taken along. NULL: the arena is full. */
struct http_egress *http_client_egress(const struct http_client *c, struct tl_arena *a);
void http_client_free(struct http_client *c); /* no call may be under way; NULL allowed; before the loop is freed */

/* A cookie jar, for one login; used by one loop only. */
struct http_jar;
struct http_jar *http_jar_new(void) TL_MUST_CHECK;
void http_jar_free(struct http_jar *jar); /* NULL allowed */

/* ---- a call ---- */
/* Both run on the loop's own stack and must neither suspend nor block for long. An error ends the call with that rc. */
typedef enum tl_rc http_source_fn(void *arg, char *p, size_t max, size_t *ret_n, struct tl_err *err); /* 0: the end */
typedef enum tl_rc http_sink_fn(void *arg, struct tl_sv piece, struct tl_err *err);

struct http_reply;
struct http_request_out {              /* zero: the defaults. All borrowed until the call returns */
    struct tl_sv method;               /* empty: GET, or POST when there is a body */
    struct tl_sv url;                  /* http or https, no userinfo, no fragment */
    const struct http_header *headers; /* any case. Not Content-Length, Transfer-Encoding, Connection, Expect */
    size_t n_headers;
    struct tl_sv body;
    http_source_fn *source; /* instead of body */
    void *source_arg;
    uint64_t source_bytes; /* UINT64_MAX: unknown, sent in chunks */
    http_sink_fn *sink;    /* instead of reply->body, for 2xx only: other bodies go to reply->body */
    void *sink_arg;
    bool idempotent;                   /* may be sent twice: the target recognises the second one */
    bool once;                         /* not by itself, though: it carries a nonce, or each counts (TL_UPSTREAM) */
    bool compressed;                   /* ask for gzip; limits count what comes out */
    uint32_t timeout_ms;               /* 0: the client's. The task's deadline bounds it */
    uint64_t max_body;                 /* 0: 10 MB; with a sink: of the stream, 0 is no limit */
    size_t max_headers;                /* bytes; 0: 64 KB */
    const struct http_client_tls *tls; /* NULL: the client's */
    struct http_jar *jar;              /* NULL: no cookies */
};

struct http_reply {
    int status;                  /* 0: none came */
    struct http_headers headers; /* names lower case: use http_header_get */
    struct tl_sv body;
    bool sent;   /* at least one byte of the request left */
    bool reused; /* on a connection that was there */
    struct http_addr remote;
    uint64_t bytes_out, bytes_in;                                 /* of the bodies */
    uint64_t dns_us, connect_us, tls_us, first_byte_us, total_us; /* each from the start of the call */
};

/* A header that says where the message ends or how the connection goes on, which the client alone writes: a call that
 * brings one is TL_INVALID. Any case of letters. */
bool http_client_writes(struct tl_sv name);

bool http_client_is_safe(const struct http_request_out *req); /* it only looks: GET, HEAD, OPTIONS (RFC 9110 9.2.1) */

/* Suspends until the whole reply is there. *reply is written in every case (an exception to the rule of the house: a
 * failed call must tell whether it was sent); its memory is the arena's.
 * TL_UNREACHABLE (name, connection, TLS), TL_TIMEOUT, TL_CANCELED, TL_UNKNOWN_OUTCOME, TL_UPSTREAM (an idempotent call
 * broke off), TL_LIMIT (reply too large), TL_INVALID (request malformed), TL_CONFIG (address refused, certificate
 * files). */
TL_MUST_CHECK enum tl_rc http_client_call(struct task *t, struct http_client *c, const struct http_request_out *req,
                                          struct tl_arena *arena, struct http_reply *reply, struct tl_err *err);

/* ---- what a reply means ---- */
enum tl_rc http_status_rc(int status); /* the table with reasons is in client_status.c; connectors may know better */
/* RFC 9110 10.2.3: seconds or HTTP-date; dates in the past give 0. false: neither. At most 7 days. */
bool http_retry_after_ms(struct tl_sv value, int64_t wall_now_ms, uint64_t *ret_ms);
/* http_status_rc with the text "HTTP 503" and Retry-After put into err; TL_OK for 2xx. */
enum tl_rc http_reply_rc(const struct http_reply *reply, const struct tl_clock *clock, struct tl_err *err);

#endif
