/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.h - the host's side of the contract: what the flow engine makes for each connection, and the ports it fills.
 * Connectors do not include this.
 */
#ifndef TL_CONNECTOR_HOST_H
#define TL_CONNECTOR_HOST_H

#include "connector/connector.h"

/* Authentication of one connection, shared by all loops; src/auth implements it. NULL: none. */
struct connector_auth {
    /* Add what the request needs (headers into the arena). Suspends while a token is fetched. TL_AUTH, TL_UNREACHABLE
     * ... */
    enum tl_rc (*apply)(struct connector_auth *auth, struct task *task, struct connector_call *call,
                        struct http_request_out *req, struct tl_err *err);
    /* An answer came; refused: it was a 401, or one that means it. True (only then): fresh credentials may help, so the
     * call is made once more. What apply put into call->auth_note is there. */
    bool (*answered)(struct connector_auth *auth, struct task *task, struct connector_call *call,
                     const struct http_reply *reply, bool refused);
};

bool connector_has_probe(const struct connector *c, const void *connection);
/* src/auth as that port, for the connection's configured choice. NULL: it has none (err untouched), or an error. */
struct connector_auth *connector_auth_new(const struct auth_world *world, const struct connector *c, const char *name,
                                          const void *connection, struct tl_err *err) TL_MUST_CHECK;
struct auth *connector_auth_of(struct connector_auth *base); /* borrowed; only of one made by connector_auth_new */
void connector_auth_free(struct connector_auth *base);       /* no call may be under way; NULL allowed */

/* Resolve a secret reference; the value is copied into ret (which the caller wipes). May suspend. */
typedef enum tl_rc connector_secret_fn(void *arg, struct task *task, const struct config_secret *ref,
                                       struct tl_buf *ret, struct tl_err *err);
/* Ports to the ledger for one call; the flow engine fills them. */
struct connector_ledger {
    enum tl_rc (*checkpoint)(void *arg, struct task *task, struct tl_sv ticket, struct tl_err *err);
    enum tl_rc (*emit)(void *arg, struct task *task, const struct connector_incoming *records, size_t n,
                       struct tl_sv position, struct tl_err *err);
    /* Before each HTTP request, also one that is made again after a 401: may it be made now? Suspends. NULL: nobody
     * counts. */
    enum tl_rc (*request)(void *arg, struct task *task, struct connector_call *call, struct tl_err *err);
    /* Part i of a read: fn with a call of its own, on this task, from the part's position on. NULL: nothing is read. */
    enum tl_rc (*part)(void *arg, struct task *task, size_t i, connector_part_fn *fn, void *fn_arg, struct tl_err *err);
    void *arg;
};

/* One HTTP request and how it ended, told on the call's task; must not suspend. The request is as it was before
 * authentication, but with the trace headers. */
struct connector_exchange {
    const char *connection;
    const struct http_request_out *request;
    const struct http_reply *reply;
    struct tl_sv host, trace, request_id; /* authority of the address; ids that went with it, or empty */
    uint64_t span;                        /* the parent-id that went with it, 0: none */
    enum tl_rc rc;
    const char *text; /* of the error */
};
typedef void connector_observe_fn(void *arg, struct connector_call *call, const struct connector_exchange *x);

/* W3C Trace Context and request id of an event: as its sender gave them (well-formed), else made from the event's id
 * (a trace also from its origin), so that every attempt of an event has the same ones. */
enum { CONNECTOR_TRACE_ID = 33, CONNECTOR_REQUEST_ID = 129 };
struct connector_trace {
    char id[CONNECTOR_TRACE_ID];           /* 32 hex digits */
    char flags[3];                         /* "01" */
    char request_id[CONNECTOR_REQUEST_ID]; /* visible ASCII */
    struct tl_sv state;                    /* tracestate; borrowed; .p NULL: none */
};
void connector_trace_of(struct tl_sv traceparent, struct tl_sv tracestate, struct tl_sv request_id, uint64_t event,
                        uint64_t origin, struct connector_trace *ret);

struct connector_host_options {
    struct http_client *client; /* of the loop; borrowed */
    const struct tl_clock *clock;
    const struct connector *connector;
    const void *connection;
    const char *name;
    struct connector_auth *auth;
    connector_secret_fn *secret; /* NULL: references cannot be resolved */
    void *secret_arg;
    connector_observe_fn *observe; /* may be NULL */
    void *observe_arg;
    bool counted; /* the other side counts calls (a quota): none is sent twice by itself, as of a delivery none is */
    bool dry;     /* nothing is sent: a request is observed (reply zero), and connector_http fails with TL_CANCELED */
};
struct connector_host *connector_host_new(const struct connector_host_options *options) TL_MUST_CHECK;
void connector_host_free(struct connector_host *h); /* no call may be under way; NULL allowed */
const char *connector_host_name(const struct connector_host *h);
/* How far the other side's clock is ahead of ours, from the Date of its last reply; 0 until there was one. */
int64_t connector_host_skew_ms(const struct connector_host *h);
/* Before the first use of a call whose arena is set. ledger: the ports of this call, or NULL. Everything else that the
 * caller has put into *call stays. */
void connector_call_begin(struct connector_call *call, struct connector_host *h, const struct connector_ledger *ledger);
/* Carry the call out with fn. What it leaves to be told or kept (verdicts' words and `shown`, job, remark, err) shows
 * no credentials of this call from here on: the one place where that is seen to, for every connector. In what goes on
 * as data (output, answers, ids) only values of 16 bytes or more are replaced. Suspends as fn does. */
TL_MUST_CHECK enum tl_rc connector_run(struct task *task, struct connector_call *call, connector_fn *fn,
                                       struct tl_err *err);

/* Choose the operation that a target or source node names. The node is split: `common` keys (NULL-terminated) stay out.
 * Errors (no operation named, two named, unknown keys, what is wrong with a field) go to e: then false. *ret is what
 * could be read also where fields are at fault, as config_parse_partly leaves it; operation NULL: nothing could. */
struct connector_chosen {
    const struct connector_operation *operation;
    const void *conf;
};
bool connector_choose(struct tl_arena *a, const struct connector *c, const struct config_node *node,
                      const char *const *common, unsigned kinds /* bit per enum connector_kind */,
                      const struct config_options *opt, struct config_errors *e, struct connector_chosen *ret);

#endif
