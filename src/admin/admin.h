/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin.h - the operator's API: the same handlers on the control socket, on TCP, and, without a running server, called
 * by the command line in its own process.
 *
 * JSON in and out. Handlers take a task when they run on a loop; with task == NULL they may block (command line).
 */
#ifndef TL_ADMIN_ADMIN_H
#define TL_ADMIN_ADMIN_H

#include "flow/flow.h"
#include "http/router.h"
#include "http/server.h"
#include "queue/operate.h"
#include "secret/secret.h"

struct admin_web;
struct admin_readers;
struct admin_series;
struct admin {
    struct queue *queue;
    struct flow_engine *engine; /* NULL: no server runs (command line) */
    struct flow_plan *plan;     /* without an engine: the configuration as read; may be NULL */
    struct metrics *metrics;
    struct secret_box *secrets;
    const struct crypto *crypto;
    struct secret_vault *vault;    /* NULL: none */
    const struct auth_world *auth; /* for sign-in by OpenID Connect; NULL: none */
    const struct tl_clock *clock;
    struct tl_log *log;
    int64_t started_ms;
    const char *config_path, *data_path;
    /* Read the configuration again and swap it; the answer's JSON goes to the arena. Given by main. */
    enum tl_rc (*reload)(void *arg, struct task *task, bool dry_run, struct tl_arena *arena, struct json *ret,
                         struct tl_err *err);
    void *reload_arg;
    const struct http_server *public_server, *control_server; /* for their figures; NULL: none (yet) */
    struct mapping_workers *workers;                          /* for the playground; NULL: no jq, no XSLT */
    struct admin_readers *readers;                            /* NULL: each look opens its own (command line) */
    struct admin_series *series;                              /* NULL: none (command line) */
    const bool *stopping;                                     /* NULL, or true: streams end */
    struct admin_web *web;                                    /* NULL: none (command line) */
    struct alert_book *alerts;                                /* NULL: nothing watches (command line) */
    /* Since when and until when what a connection has is good, in the arena; any thread. NULL: not known. Given by
     * main.
     */
    void (*credentials)(void *arg, const char *connection, struct tl_arena *arena, const struct alert_credential **ret,
                        size_t *ret_n);
    void *credentials_arg;
};
/* Readers of the ledger that are kept open; freed before the ledger is closed. */
struct admin_readers *admin_readers_new(void) TL_MUST_CHECK;
void admin_readers_free(struct admin_readers *r); /* NULL allowed */
/* The last 24 hours by flow and connection, at most 2400 series (some 50 MB; 140 KB a flow). tick: every ten seconds,
 * blocks (a worker thread); nothing ticks or reads when it is freed. */
struct admin_series *admin_series_new(struct admin *a) TL_MUST_CHECK;
void admin_series_tick(struct admin_series *s);
void admin_series_free(struct admin_series *s); /* NULL allowed */
/* Add /v1/... to a router; a must outlive it. */
TL_MUST_CHECK enum tl_rc admin_routes(struct admin *a, struct http_router *router, struct tl_err *err);

/* ---- over TCP: each call says who it is, and each row of the route tables which role it needs ---- */
enum admin_role { ADMIN_NOBODY, ADMIN_VIEWER, ADMIN_OPERATOR, ADMIN_ADMIN };
/* Tokens, sessions of browsers, client certificates. Belongs to one loop, that of the listener: one for each process. a
 * must outlive it. */
TL_MUST_CHECK enum tl_rc admin_web_new(struct admin *a, struct admin_web **ret_web, struct tl_err *err);
void admin_web_free(struct admin_web *w); /* NULL allowed */
/* Who may enter by a configuration: read beforehand, and used when the rest of it is in force. Sessions whose token is
 * gone end then. TL_CONFIG: a token is short or its secret cannot be had. */
struct admin_access;
TL_MUST_CHECK enum tl_rc admin_web_read(struct admin_web *w, struct flow_plan *plan, struct admin_access **ret,
                                        struct tl_err *err);
void admin_web_use(struct admin_web *w, const struct admin_access *a);
void admin_access_free(struct admin_access *a); /* NULL allowed */
/* At start: both, and the tokens in the ledger. Blocks. */
TL_MUST_CHECK enum tl_rc admin_web_configure(struct admin_web *w, struct flow_plan *plan, struct tl_err *err);
/* The token for this machine: <data>/admin.token (0600) is written when it is not there, else read. Blocks.
 * TL_CONFIG: the file can be read by others, or is damaged. */
TL_MUST_CHECK enum tl_rc admin_web_first_token(struct admin_web *w, struct tl_err *err);
/* Add /v1/... and the console at / to a router. Its server gives each answer admin_web_headers. */
TL_MUST_CHECK enum tl_rc admin_web_routes(struct admin *a, struct admin_web *web, struct http_router *router,
                                          struct tl_err *err);
/* What browsers are told with each answer: http_server_options.headers. */
const struct http_header *admin_web_headers(size_t *ret_n);

/* /healthz and /readyz: on every listener. draining may be NULL. */
TL_MUST_CHECK enum tl_rc admin_health_routes(struct admin *a, struct http_router *router, bool (*draining)(void *arg),
                                             void *arg, struct tl_err *err);
/* GET /metrics, for those whose address is in allow (copied); n_allow 0: for everybody. */
TL_MUST_CHECK enum tl_rc admin_metrics_route(struct admin *a, struct http_router *router, const struct http_cidr *allow,
                                             size_t n_allow, struct tl_err *err);

/* The state of ledger, connections, servers and process in a->metrics, read when it is collected; a and what it names
 * must live until then, and so must the result. */
struct admin_gauges;
struct admin_gauges *admin_gauges_new(struct admin *a) TL_MUST_CHECK;
const struct metrics_desc *admin_metrics(size_t *ret_n); /* what they are, for the reference page */
void admin_gauges_free(struct admin_gauges *g);          /* nothing collects any more; NULL allowed */

#endif
