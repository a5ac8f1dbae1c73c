/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow.h - sources, steps and runs: what happens between a sender and a target.
 *
 * A *plan* is a configuration made ready to run: expressions compiled, verifiers built, operations chosen. Plans are
 * immutable and ref-counted; a reload makes a new one and work in progress keeps the one it began with. The *engine*
 * runs the current plan: it answers webhooks, runs the ledger's work on the loops, and drives schedules and reads.
 */
#ifndef TL_FLOW_FLOW_H
#define TL_FLOW_FLOW_H

#include "connector/host.h"
#include "crypto/crypto.h"
#include "flow/project.h"
#include "http/router.h"
#include "mapping/mapping.h"
#include "metrics/metrics.h"
#include "otlp/otlp.h"
#include "queue/queue.h"

/* What the public listener answers itself (metrics: where they are on); no flow may have these paths. */
#define FLOW_PATH_HEALTHZ "/healthz"
#define FLOW_PATH_READYZ "/readyz"
#define FLOW_PATH_METRICS "/metrics"

/* ---- plans ---- */
struct flow_plan;
struct flow_load_options {
    struct config_options config;
    const struct crypto *crypto;
    struct mapping_workers *workers; /* NULL: jq and XSLT are refused */
    /* Resolve a secret now, blocking: webhook secrets. NULL (`check` elsewhere): verifiers are looked at as far as they
     * do not depend on it. TL_BUSY: its source has not been read yet; the webhook then answers 503 until the plan is
     * loaded again. */
    enum tl_rc (*secret)(void *arg, const struct config_secret *ref, struct tl_buf *ret, struct tl_err *err);
    void *secret_arg;
    /* Called at the end, also when there were errors (the plan then has what could be read); may add to e. NULL: not.
     */
    void (*look)(void *arg, const struct flow_plan *p, struct config_errors *e);
    void *look_arg;
    /* Not NULL: the tree of this plan and the files of its mappings and models, as they were read for it, in the place
     * of what is on disk now. For new values of secrets. */
    struct flow_plan *same;
};
/* Read, check and compile `path` (a file or a directory). All errors are in e; TL_CONFIG when there is one. */
TL_MUST_CHECK enum tl_rc flow_plan_load(const char *path, const struct flow_load_options *options,
                                        struct config_errors *e, struct flow_plan **ret_plan);
struct flow_plan *flow_plan_ref(struct flow_plan *p);
void flow_plan_unref(struct flow_plan *p); /* NULL allowed */
const struct flow_project *flow_plan_project(const struct flow_plan *p);
const struct config_node *flow_plan_node(const struct flow_plan *p); /* the tree it was read from */
uint64_t flow_plan_version(const struct flow_plan *p);               /* grows with each reload; 0: never started */
/* Every reference to a secret that stands in the files, also where nothing reads it. */
void flow_plan_each_secret(const struct flow_plan *p, void (*fn)(void *arg, const struct config_secret *ref),
                           void *arg);
/* Names in the order of the file; NULL past the end. */
/* One sentence for each flow of both plans that would read from another system now: its position is another one. */
struct json flow_plan_sources_elsewhere(const struct flow_plan *old, const struct flow_plan *now, struct tl_arena *a);
const char *flow_plan_flow_name(const struct flow_plan *p, size_t i);
/* A compiled mapping by name, for `tieline map` and the playground; NULL. */
struct mapping *flow_plan_mapping(const struct flow_plan *p, struct tl_sv name);
/* Run a flow's steps on one envelope with the targets stubbed: what would be sent where. For `tieline test` and the
 * playground; pure. *ret: {"skipped": reason} or {"deliveries": [{"target", "item", "body"}]}. */
TL_MUST_CHECK enum tl_rc flow_plan_try(const struct flow_plan *p, struct tl_sv flow, struct json envelope,
                                       struct tl_arena *arena, struct json *ret, struct tl_err *err);

/* ---- a plan as people see it (shape.c); JSON and views are the arena's and the plan's ---- */
struct flow_target_info {
    uint32_t id; /* the ledger's; 0: the plan does not run */
    const char *flow, *name, *connection, *operation;
};
size_t flow_plan_targets(const struct flow_plan *p, struct tl_arena *a,
                         struct flow_target_info **ret); /* of all flows */
/* "source": "webhook /hooks/shop", "targets": [...], "source_waits": "quota" where it does, and of a source that is
 * read or scheduled read_at, read_failed_at, read_failing_since (null: it works), read_failure (the last one); nothing
 * for a flow that is not in the plan. */
void flow_plan_add_shape(const struct flow_plan *p, struct tl_arena *a, struct tl_sv flow, struct json_builder *b);
/* "type": "netsuite", "host": "host:port" or null; nothing for a connection that is not in the plan. */
void flow_plan_add_connection(const struct flow_plan *p, struct tl_arena *a, struct tl_sv connection,
                              struct json_builder *b);
/* ---- fields that models mark with "pii": true are shown masked (pii.c, veil.c) ---- */
#define FLOW_MASK "***"
struct flow_veil { /* for one answer; values and masked are its own */
    struct flow_plan *plan;
    struct tl_arena *arena;
    struct flow_veil_values *values;
    bool masked; /* something was */
    bool hidden; /* values could not be remembered: no text is shown */
};
bool flow_plan_has_pii(const struct flow_plan *p); /* NULL: false */
void flow_veil_begin(struct flow_veil *v, struct flow_plan *p,
                     struct tl_arena *a); /* p may be NULL: nothing is masked */
void flow_veil_end(struct flow_veil *v);
struct json flow_veil_json(struct flow_veil *v, struct json value);  /* a payload; its masked values are remembered */
struct tl_sv flow_veil_text(struct flow_veil *v, struct tl_sv text); /* remembered values in what others wrote */
struct json flow_veil_texts(struct flow_veil *v, struct json value); /* the same in all texts of a value */
/* Ordering keys of a flow, ids and marks in cross-references that are made of marked fields: lists mask them whole. */
bool flow_plan_hides_key(const struct flow_plan *p, const char *flow); /* p may be NULL */
enum flow_hides { FLOW_HIDES_ID, FLOW_HIDES_MARK };
bool flow_plan_hides(const struct flow_plan *p, enum flow_hides what, struct tl_sv model, struct tl_sv connection);
bool flow_plan_holds_mask(const struct flow_plan *p, struct json body); /* a marked field is the mask itself */
/* {"name", "source", "order_by", "targets", "nodes": [{id, kind, name, detail}], "edges": [{from, to}]};
 * JSON_UNDEFINED: no such flow. */
struct json flow_plan_graph(const struct flow_plan *p, struct tl_arena *a, struct tl_sv flow);
/* [{name, language, to, file, strict, flows, source}]; source: null for jq and XSLT. */
struct json flow_plan_mappings(const struct flow_plan *p, struct tl_arena *a);

/* ---- the engine ---- */
struct flow_engine;
struct flow_engine_options {
    struct async_loop *const *loops;
    size_t n_loops;
    const struct tl_clock *clock;
    struct tl_log *log;
    struct metrics *metrics;
    const struct crypto *crypto;
    connector_secret_fn *secret; /* for connectors, on a loop */
    void *secret_arg;
    /* Authentication of a connection, made once a plan for each; NULL function or result: none. */
    struct connector_auth *(*auth)(void *arg, const struct connector *c, const char *name, const void *connection,
                                   struct tl_err *err);
    void (*auth_free)(void *arg, struct connector_auth *auth);
    void *auth_arg;
    void (*mask)(void *arg, struct tl_buf *text, bool cut); /* hide known secrets (cut: also one that the end of the
                                                             * text cuts off); NULL: bodies are never shown */
    void *mask_arg;
    void (*fatal)(void *arg, const struct tl_err *err); /* the ledger acknowledges nothing more: leave the process */
    void *fatal_arg;
    struct otlp *otlp; /* NULL: no traces */
};
/* In this order: engine_new, queue_open with the callbacks below (arg: the engine), engine_start. */
struct flow_engine *flow_engine_new(const struct flow_engine_options *options) TL_MUST_CHECK;
void flow_engine_dispatch(void *engine, unsigned loop, struct queue_work *first); /* queue_options.dispatch */
void flow_engine_notice(void *engine, const char *what, struct tl_sv flow, struct tl_sv connection, const char *text);
bool flow_engine_tells(void *engine, bool failed); /* queue_options.tells and told: a log line for each outcome */
void flow_engine_told(void *engine, struct queue_told *first);
void flow_engine_fatal(void *engine, const struct tl_err *err);
/* The loops do not run yet; queue calls block. */
TL_MUST_CHECK enum tl_rc flow_engine_start(struct flow_engine *e, struct queue *q, struct flow_plan *plan,
                                           struct tl_err *err);
/* Swap the plan. On a task, or NULL where blocking is allowed. dry_run: only the answer. */
TL_MUST_CHECK enum tl_rc flow_engine_reload(struct flow_engine *e, struct task *task, struct flow_plan *plan,
                                            bool dry_run, struct queue_config_answer *ret_answer, struct tl_err *err);
struct flow_plan *flow_engine_plan(struct flow_engine *e); /* a new reference to the current one */
/* Add the routes of the plan's webhooks to a router. */
TL_MUST_CHECK enum tl_rc flow_engine_routes(struct flow_engine *e, struct flow_plan *plan, struct http_router *router,
                                            struct tl_err *err);
/* The flow's senders are told to come again, as a secret is not here yet; why, into ret. Any thread. */
bool flow_engine_waits(struct flow_engine *e, struct tl_sv flow, char *ret, size_t size);
/* ---- one connection, for people (probe.c) ---- */
struct flow_connection_info {
    struct flow_plan *plan; /* a reference that the caller gives back */
    const struct connector *connector;
    struct auth *auth;       /* NULL: it has none */
    const char *name, *type; /* the plan's */
    const char *url;         /* where it leads; may be NULL */
    size_t index;
};
/* TL_NOT_FOUND with the nearest name. */
TL_MUST_CHECK enum tl_rc flow_engine_connection(struct flow_engine *e, struct tl_sv name,
                                                struct flow_connection_info *ret, struct tl_err *err);
/* Its connector's probe, on a loop of the engine. *ret_asked false: it has none, and only the credentials were fetched.
 * Views are the arena's. Suspends. */
TL_MUST_CHECK enum tl_rc flow_engine_probe(struct flow_engine *e, struct task *task,
                                           const struct flow_connection_info *c, struct tl_arena *arena,
                                           struct connector_identity *ret, bool *ret_asked, struct tl_err *err);
/* Whether the other side has what the flows that use this connection name: record types, fields that mappings make. A
 * list of {flow, target (null: the source), text}, empty: nothing is missing. Asks the connectors that can be asked;
 * nothing is written. The arena's. Suspends. */
TL_MUST_CHECK enum tl_rc flow_engine_verify(struct flow_engine *e, struct task *task,
                                            const struct flow_connection_info *c, struct tl_arena *arena,
                                            struct json *ret, struct tl_err *err);
/* Its connector's `prepare` over all uses of the connection by the configured flows, asked again until it is through,
 * for five minutes at most (then TL_TIMEOUT: it goes on over there). TL_UNSUPPORTED: the connector has nothing to
 * prepare. Views are the arena's. Suspends. */
TL_MUST_CHECK enum tl_rc flow_engine_prepare(struct flow_engine *e, struct task *task,
                                             const struct flow_connection_info *c, struct tl_arena *arena, bool apply,
                                             struct connector_prepare *ret, struct tl_err *err);
/* ---- one delivery, for people (preview.c) ---- */
struct flow_preview { /* as queue_show gives it */
    uint64_t event, delivery;
    uint32_t flow, target, item, revision, attempt; /* the ledger's ids; attempt: the next one's number */
    bool split;                                     /* a delivery of an event whose steps have run */
    bool own_body;                                  /* ... or one that was edited: not its event's */
    int64_t received_ms;
    struct tl_sv meta, body, vars;
};
/* What the configuration of now makes of it: {"mapped": body | null, "sent": {method, url, headers, body} | null,
 * "skipped": reason | null, "problem": text | null}. Nothing is sent; secrets are masked, authentication is not in it.
 * Suspends. TL_NOT_FOUND: its flow or target is gone. */
TL_MUST_CHECK enum tl_rc flow_engine_preview(struct flow_engine *e, struct task *task, const struct flow_preview *in,
                                             struct tl_arena *arena, struct json *ret, struct tl_err *err);
/* The ids that the ledger gave the names of the current plan; 0: none. */
uint32_t flow_engine_flow_id(struct flow_engine *e, struct tl_sv name);
uint32_t flow_engine_connection_id(struct flow_engine *e, struct tl_sv name);
struct http_client *flow_engine_client(struct flow_engine *e, const struct async_loop *loop); /* of that loop */
/* Log each call of a flow until then (0: stop), with bodies or without; false: no such flow. Any thread. */
bool flow_engine_debug(struct flow_engine *e, struct tl_sv flow, int64_t until_ms, bool bodies);
int64_t flow_engine_debug_until(struct flow_engine *e, struct tl_sv flow, bool *ret_bodies); /* 0: off */
const struct metrics_desc *flow_metrics(size_t *ret_n); /* what the engine counts, for the reference page */
/* How a flow does against its `sla:`, over the last 30 days; null: no such flow. Any thread. */
struct json flow_engine_sla(struct flow_engine *e, struct tl_arena *a, struct tl_sv flow);
/* {"month", "months": those with figures, "complete", "flows": [{"flow", ... as above}]}; month "2026-11", empty: this
 * one. Measured against what `sla:` says now. TL_INVALID, TL_NOT_FOUND: not a month that is kept. Any thread. */
TL_MUST_CHECK enum tl_rc flow_engine_sla_month(struct flow_engine *e, struct tl_arena *a, struct tl_sv month,
                                               struct json *ret, struct tl_err *err);
/* ---- alerts ---- */
/* What the engine knows for the rules: names, promises, connections, counters. The ledger's part (what waits, what is
 * held) is left at zero. Room for `more` flows is left behind the last. Any thread. */
struct flow_figures {
    struct alert_flow *flows;
    size_t n_flows;
    struct alert_connection *connections;
    size_t n_connections;
};
void flow_engine_figures(struct flow_engine *e, struct tl_arena *a, size_t more, struct flow_figures *ret);
/* Put a notice into the flow of a receiver (`alerts.NAME`). The key makes a second one the same event. TL_NOT_FOUND: no
 * such receiver; else as queue_put. Suspends until the commit. */
TL_MUST_CHECK enum tl_rc flow_engine_tell(struct flow_engine *e, struct task *task, struct tl_arena *a,
                                          struct tl_sv receiver, struct tl_sv key, struct tl_sv order_by,
                                          struct json body, uint64_t *ret_event, struct tl_err *err);
/* Sources stop, no more work is taken; returns when none is running or the task's deadline passes. */
void flow_engine_stop(struct flow_engine *e, struct task *task);
void flow_engine_free(struct flow_engine *e);

#endif
