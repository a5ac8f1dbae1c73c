/* SPDX-License-Identifier: Apache-2.0 */
/* connector_int.h - shared inside src/connector only. */
#ifndef TL_CONNECTOR_CONNECTOR_INT_H
#define TL_CONNECTOR_CONNECTOR_INT_H

#include "connector/host.h"

struct connector_host {
    struct connector_host_options opt;
    char *name;
    int64_t skew_ms;
};

enum { CONNECTOR_MASKS = 32, CONNECTOR_PLAIN = AUTH_PLAIN, CONNECTOR_TEXT = 200, CONNECTOR_BASE = 300 };
struct connector_view {
    bool sent; /* some request of this call left us */
    struct tl_sv masks[CONNECTOR_MASKS];
    size_t n_masks;
    struct tl_sv plain[CONNECTOR_PLAIN]; /* of the request that is being authenticated */
    size_t n_plain;
    char base[CONNECTOR_BASE]; /* what call->base shows */
};
/* No text may show this value from now on; shorter ones than 4 bytes are no secrets and would tear texts apart. */
void connector__hide(struct connector_call *call, struct tl_sv value);
/* For what authenticates: this value, which it adds to the request, is no secret (an id, a time). */
void connector__plain(struct connector_call *call, struct tl_sv value);

/* The records without this call's credentials; the same where there are none. mask.c */
const struct connector_incoming *connector__clean_records(struct task *task, struct connector_call *call,
                                                          const struct connector_incoming *records, size_t n);

/* The address of a request: `url` joined to `base` (NULL: must be absolute), in the arena. TL_CONFIG when it is another
 * host's: the connection's credentials must not go there. */
TL_MUST_CHECK enum tl_rc connector__url(struct tl_arena *a, const char *base, struct tl_sv url, struct tl_sv *ret_url,
                                        struct tl_err *err);
/* The whole address, which must be one of this system's (base_url, other_url); host.c */
TL_MUST_CHECK enum tl_rc connector__address(struct connector_call *call, struct tl_sv url, struct tl_sv *ret_url,
                                            struct tl_err *err);
/* What the request needs by way of credentials; no text shows it from now on. Suspends. host.c */
TL_MUST_CHECK enum tl_rc connector__authenticate(struct task *task, struct connector_call *call,
                                                 struct http_request_out *out, struct tl_err *err);
/* The address goes to the host of `base`. TL_CONFIG. */
TL_MUST_CHECK enum tl_rc connector__same_origin(const char *base, struct tl_sv url, struct tl_err *err);

#endif
