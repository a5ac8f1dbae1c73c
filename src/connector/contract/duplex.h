/* SPDX-License-Identifier: Apache-2.0 */
/*
 * duplex.h - part of the contract: connections whose streams carry messages both ways at the same time (gRPC over
 * HTTP/2). The host connects and puts the credentials on each call; with what comes back the connector goes on by
 * itself: http/grpc.h, whose waits suspend and whose limits hold here too.
 *
 * As with connector_http the address must be one of this system's (base_url, other_url), the egress policy is checked,
 * and no text shows a credential. A stream that is reopened after its end is the connector's business, as is a silence
 * that lasts too long.
 */
#ifndef TL_CONNECTOR_DUPLEX_H
#define TL_CONNECTOR_DUPLEX_H

#include "http/grpc.h"

struct connector_call;

/* Suspends. Close it with http_h2_close after its streams. url: whole, or empty for base_url. options may be NULL; its
 * tls is the host's to fill. Errors as http_h2_connect; TL_AUTH when no token can be had; TL_CANCELED in a dry run. */
TL_MUST_CHECK enum tl_rc connector_duplex_connect(struct task *task, struct connector_call *call, struct tl_sv url,
                                                  const struct http_h2_options *options, struct http_h2 **ret,
                                                  struct tl_err *err);
struct connector_grpc_call {
    struct tl_sv url;                   /* as for the connection */
    const char *path;                   /* "/package.Service/Method" */
    const struct http_header *metadata; /* at most 10 */
    size_t n_metadata;
    const char *token_name; /* the credentials go under this name, alone ("accesstoken"), not as `authorization: Bearer
                               x`; NULL: as they are */
    size_t max;             /* bytes of a message; 0: HTTP_GRPC_MAX */
};
/* Suspends while a token is fetched. Free it with http_grpc_free, and tell first how it ended: connector_grpc_ended. */
TL_MUST_CHECK enum tl_rc connector_grpc_open(struct task *task, struct connector_call *call, struct http_h2 *conn,
                                             const struct connector_grpc_call *what, struct http_grpc *ret,
                                             struct tl_err *err);
/* True: it was refused for its credentials (UNAUTHENTICATED, HTTP 401), and a new call may go better, as they are
 * renewed. Also to be called when a stream begins to deliver: the credentials are good then. */
bool connector_grpc_ended(struct task *task, struct connector_call *call, const struct http_grpc *g);

#endif
