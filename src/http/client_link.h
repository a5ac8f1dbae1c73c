/* SPDX-License-Identifier: Apache-2.0 */
/* client_link.h - connections of our own to HTTP servers: client_link.c keeps them, client_direct.c makes calls. */
#ifndef TL_HTTP_CLIENT_LINK_H
#define TL_HTTP_CLIENT_LINK_H

#include "http/client_int.h"
#include "http/reply.h"

enum { LINK_HOSTS = 64, LINK_HEADERS = 200 };

struct link {
    uv_poll_t poll;
    struct http_direct *d;
    struct host *host;
    struct http_call *call; /* NULL: idle */
    struct link *next;      /* idle, newest first */
    struct http_addr addr;
    uint64_t idle_since_ns;
    int fd, events, error; /* error: errno of what ended it */
    bool connecting, closed, reused;
    struct tl_sv out[2]; /* what is left of head and body to write */
    uint64_t sent, received;
    char *in;
    size_t in_n, in_cap;
    struct http_reader reader;
    bool done; /* the whole reply is there */
};

/* Calls to one host and port: their idle links, and those who wait because there are too many. */
struct host {
    struct host *next;
    char *name;
    uint16_t port;
    size_t links; /* all, also those in use */
    size_t users; /* calls */
    struct link *idle;
    struct host_waiter *first, **last;
};

struct host_waiter {
    struct async_wait wait;
    struct host_waiter *next;
};

struct http_direct {
    struct http_client *client;
    struct host *hosts[LINK_HOSTS];
    size_t links, most, most_a_host;
    struct http_header *slots; /* of the reply that is being read: headers are copied at once */
};

/* ---- client_link.c ---- */
struct host *http__host(struct http_direct *d, const struct http_url *url);
void http__host_rest(struct http_direct *d, struct host *h); /* frees it when nobody uses it */
/* A connected link for this call: an idle one (not if fresh), or a new one; waits where there are as many as may be. */
TL_MUST_CHECK enum tl_rc http__link_get(struct task *t, struct http_call *call, struct host *h,
                                        const struct http_url *url, bool fresh, uint64_t until_ns,
                                        struct link **ret_link, struct tl_err *err);
void http__link_rest(struct link *l);  /* it may serve another call */
void http__link_close(struct link *l); /* frees it */
/* Suspends until http__link_end(), the deadline or cancellation; meanwhile http__link_ready is called. */
TL_MUST_CHECK enum tl_rc http__link_wait(struct task *t, struct link *l, int events, uint64_t until_ns,
                                         struct tl_err *err);
void http__link_listen(struct link *l, int events);
void http__link_end(struct link *l);
enum tl_rc http__unreachable(const struct http_url *url, int error, struct tl_err *err);

/* ---- client_direct.c ---- */
void http__link_ready(struct link *l, int status, int events); /* of a connected one with a call */

#endif
