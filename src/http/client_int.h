/* SPDX-License-Identifier: Apache-2.0 */
/* client_int.h - what the client's files share. */
#ifndef TL_HTTP_CLIENT_INT_H
#define TL_HTTP_CLIENT_INT_H

#include <curl/curl.h>
#include <sys/socket.h>
#include <uv.h>

#include "http/client.h"

/* ---- resolve.c ---- */
struct http_resolver;
struct http_addrs {
    size_t n;
    struct http_addr v[HTTP_LOOKUP_MAX];
};
struct http_resolver *http__resolver_new(http_lookup_fn *lookup) TL_MUST_CHECK;
void http__resolver_free(struct http_resolver *r);
/* All addresses of the host, from the cache or a worker thread. Suspends. TL_UNREACHABLE when there is none. */
TL_MUST_CHECK enum tl_rc http__resolve(struct task *t, struct http_resolver *r, struct tl_sv host,
                                       struct http_addrs *ret_addrs, struct tl_err *err);

/* ---- client.c: multi handle on the loop ---- */
enum { EASY_POOL = 64 };

struct http_client {
    struct async_loop *loop;
    CURLM *multi; /* NULL: no call has needed libcurl so far */
    uv_timer_t timer;
    struct http_client_options opt;
    struct http_resolver *resolver;
    size_t calls; /* under way */
    struct {
        CURL *easy;
        bool warm; /* has what is the same for every usual call */
    } pool[EASY_POOL];
    size_t pooled;
    struct watched **watched; /* by descriptor */
    size_t n_watched;
    struct http_addr allowed[16]; /* by the egress policy; those seen last */
    size_t n_allowed;
    struct http_direct *direct;
};

struct http_jar {
    CURLSH *share; /* NULL: not used so far */
};
CURLSH *http__jar_share(struct http_jar *jar); /* after http__start_curl. client.c */

/* ---- client_call.c ---- */
struct http_call {
    struct http_client *client;
    const struct http_request_out *req;
    struct tl_arena *arena;
    struct http_reply *reply;
    struct async_wait wait;
    CURL *easy;
    struct curl_slist *headers, *resolve;
    struct http_addrs addrs; /* the only ones a socket may be opened to */
    uint64_t begin_ns;
    bool idempotent;
    bool warm; /* of the easy handle: see the pool */
    uint64_t source_left;
    char *body;
    size_t body_cap;
    uint64_t body_n, max_body;
    size_t header_bytes, max_headers, header_cap;
    CURLcode code;
    struct tl_err own; /* set when a callback of ours ended the transfer */
    char text[CURL_ERROR_SIZE];
};
/* client_direct.c: plain HTTP/1.1 over sockets of our own: libcurl costs three times as much a call. True: the call is
 * of the kind that it can make. */
struct http_direct *http__direct_new(struct http_client *c);
void http__direct_free(struct http_direct *d); /* no call may be under way */
bool http__direct_can(const struct http_call *call, const struct http_url *url);
TL_MUST_CHECK enum tl_rc http__direct(struct task *t, struct http_call *call, struct tl_sv method,
                                      const struct http_url *url, uint64_t until_ns, struct tl_err *err);
/* libcurl is ready for this client afterwards. Suspends at the first call. client.c */
TL_MUST_CHECK enum tl_rc http__start_curl(struct task *t, struct http_client *c, struct tl_err *err);
/* The transfer has ended by itself. */
void http__call_ended(struct http_call *call, CURLcode code);
/* Set the options of call->easy, and take back what points into the call; client_setup.c. */
void http__call_setup(struct http_call *call, struct tl_sv method, const struct http_url *url);
void http__call_unset(struct http_call *call);
/* Shared with h2_client.c: a URL that a call may have, and those addresses of a host that the policy allows (NULL:
 * all), added to *ret. client_call.c */
TL_MUST_CHECK enum tl_rc http__check_url(struct tl_sv url, struct http_url *ret_url, struct tl_err *err);
TL_MUST_CHECK enum tl_rc http__addresses(struct task *t, struct http_client *c, struct tl_sv host,
                                         const struct http_egress *e, struct http_addrs *ret, struct tl_err *err);
/* The system's form of an address. client_link.c */
socklen_t http__sockaddr(const struct http_addr *a, uint16_t port, struct sockaddr_storage *ret);
/* A socket whose connection has been begun; -1: errno says why not. client_link.c */
int http__dial(const struct http_addr *a, uint16_t port);
/* Callbacks of the transfer; client_io.c. */
size_t http__on_read(char *p, size_t size, size_t n, void *arg);
int http__on_seek(void *arg, curl_off_t offset, int origin);
int http__on_request(void *arg, char *remote, char *local, int remote_port, int local_port);
/* Shared by both ways. False: call->own says why the call ends. announced: -1 when the length is not known. */
bool http__take_header(struct http_call *call, struct tl_sv name, struct tl_sv value);
bool http__take_body(struct http_call *call, struct tl_sv piece, long status, int64_t announced);
/* What the caller may not set. */
TL_MUST_CHECK enum tl_rc http__check_headers(const struct http_request_out *req, struct tl_err *err);
size_t http__on_header(char *p, size_t size, size_t n, void *arg);
size_t http__on_body(char *p, size_t size, size_t n, void *arg);
curl_socket_t http__on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address);
/* Of the client, not of a call: a connection outlives it. client.c */
int http__on_close(void *client, curl_socket_t fd);
void http__socket_is_new(struct http_client *c, curl_socket_t fd);

#endif
