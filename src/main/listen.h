/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen.h - one listener of a `server` or `admin` block: what the block says as options of the HTTP server, and its
 * certificates, which come into force again when their files change or `reload` names others. A pair that cannot be
 * used leaves the one in use.
 */
#ifndef TL_MAIN_LISTEN_H
#define TL_MAIN_LISTEN_H

#include "async/async.h"
#include "flow/flow.h"
#include "http/http.h"

struct main_listener {
    struct http_server *server; /* borrowed */
    struct http_tls *tls;       /* NULL: plain */
    uint64_t stamp, wrong;      /* of files and ALPN in use; of those that could not be used and were told of */
};

/* What the block says of requests and connections, for http_server_new and http_server_set_options. Points into c. */
struct http_server_options main_server_options(const struct flow_server_conf *c);
/* Of the public listener, which a load balancer may watch. */
struct http_server_options main_public_options(const struct flow_server_conf *c);

/* Starts to listen. Errors: TL_CONFIG (a file of `tls`, named), TL_BUSY (the port is taken), TL_IO. Blocks on files. */
TL_MUST_CHECK enum tl_rc main_listen(struct main_listener *l, const struct flow_server_conf *c,
                                     struct http_server *server, struct tl_err *err);
void main_listen_done(struct main_listener *l);

struct main_certificates {
    struct http_tls *tls; /* NULL: those in use go on */
    uint64_t stamp;       /* of the files before they were read; 0: they were not */
};
/* The certificates that c names, read on a worker thread; ret->tls is NULL when they are those in use, or when the
 * listener is plain. Suspends. TL_CONFIG: they cannot be used; ret->stamp then says which. */
TL_MUST_CHECK enum tl_rc main_certificates(struct task *task, const struct main_listener *l,
                                           const struct flow_server_conf *c, struct main_certificates *ret,
                                           struct tl_err *err);
/* Takes them into use, and the reference; new connections get them. On the accepting loop. */
void main_certificates_use(struct main_listener *l, struct main_certificates *read);
/* They could not be used, and that was told: not again until the files change. */
void main_certificates_wrong(struct main_listener *l, const struct main_certificates *read);
void main_certificates_done(struct main_certificates *read);
/* Whether the files are others than those in use, or than those that could not be used. Looks at their times only. */
bool main_certificates_changed(const struct main_listener *l, const struct flow_server_conf *c);

#endif
