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

struct admin {
    struct queue *queue;
    struct flow_engine *engine; /* NULL: no server runs (command line) */
    struct flow_plan *plan;     /* without an engine: the configuration as read; may be NULL */
    struct metrics *metrics;
    struct secret_box *secrets;
    const struct tl_clock *clock;
    struct tl_log *log;
    int64_t started_ms;
    const char *config_path, *data_path;
    /* Read the configuration again and swap it; the answer's JSON goes to the arena. Given by main. */
    enum tl_rc (*reload)(void *arg, struct task *task, bool dry_run, struct tl_arena *arena, struct json *ret,
                         struct tl_err *err);
    void *reload_arg;
    const struct http_server *public_server, *control_server; /* for their figures; NULL: none (yet) */
};
/* Add /v1/... to a router; a must outlive it. */
TL_MUST_CHECK enum tl_rc admin_routes(struct admin *a, struct http_router *router, struct tl_err *err);
/* /metrics, /healthz, /readyz: also on the public listener. draining may be NULL. */
TL_MUST_CHECK enum tl_rc admin_health_routes(struct admin *a, struct http_router *router, bool (*draining)(void *arg),
                                             void *arg, struct tl_err *err);

/* The state of ledger, connections, servers and process in a->metrics, read when it is collected; a and what it names
 * must live until then, and so must the result. */
struct admin_gauges;
struct admin_gauges *admin_gauges_new(struct admin *a) TL_MUST_CHECK;
const struct metrics_desc *admin_metrics(size_t *ret_n); /* what they are, for the reference page */
void admin_gauges_free(struct admin_gauges *g);          /* nothing collects any more; NULL allowed */

#endif
