/* SPDX-License-Identifier: Apache-2.0 */
/* flow_int.h - plans, as the folder sees them. */
#ifndef TL_FLOW_FLOW_INT_H
#define TL_FLOW_FLOW_INT_H

#include <pthread.h>

#include "flow/flow.h"
#include "flow/in/refusals.h"
#include "json/schema/schema.h"
#include "webhook/webhook.h"

struct flow_connection {
    const char *name;
    const struct connector *connector;
    const struct flow_connection_conf *conf;
    struct guard_conf guard;
    uint64_t identity;
    struct config_place at;
    size_t index;
};

struct flow_read { /* a source that a connector reads */
    const struct flow_read_conf *conf;
    const struct flow_connection *connection;
    const struct connector_operation *operation;
    const void *operation_conf;
    void *prepared;
    const struct flow_call_meters *calls;
};
struct flow_route_rule {
    struct mapping *when; /* NULL: always */
    uint64_t targets;     /* bit per target */
};
struct flow_step {
    enum flow_step_kind kind;
    struct mapping *expr; /* WHEN, SPLIT, MAP */
    struct flow_route_rule *rules;
    size_t n_rules;
    const struct json_schema *model;
    struct flow_ask *ask; /* LOOKUP, CALL */
    const char *as;       /* the variable that it makes; NULL: none */
    const struct flow_xref_conf *xref;
    const struct flow_own_conf *own;
    struct mapping *id, *mark; /* XREF, OWN_WRITE */
    bool id_hidden;            /* it is made of what a model marks with pii */
};
struct flow_ask { /* a question to a system */
    const struct flow_connection *connection;
    const struct connector_operation *operation;
    const void *operation_conf;
    void *prepared;
    struct mapping *map, *value, *fallback;
    int64_t cache_ms, use_cached_ms; /* 0: not */
    bool call;                       /* it may change something */
    bool risky;                      /* and is not recognised when it comes again */
    struct tl_sv identity;           /* of what is asked, but for the event: the first part of the cache's key */
    const struct flow_call_meters *calls;
};
struct flow_target {
    const char *name;
    const struct flow_target_conf *conf;
    const struct flow_connection *connection;
    const struct connector_operation *operation;
    const void *operation_conf;
    void *prepared;
    struct connector_facilities facilities;
    struct mapping *when, *map, *xref_id, *xref_answer, *mark;
    bool id_hidden, answer_hidden, mark_hidden; /* made of what a model marks with pii */
    struct guard_retry retry;
    uint32_t id; /* of the ledger */
    const struct flow_call_meters *calls;
};
struct flow {
    const char *name;
    const struct flow_conf *conf;
    enum flow_source source;
    int receiver; /* of alerts, by its place in the configuration; -1: none */
    struct webhook_verifier *verifier;
    const char *waits; /* why there is no verifier yet: a secret's source has not been read */
    struct mapping *key, *order_by;
    bool no_key;
    bool order_by_hidden; /* made of what a model marks with pii */
    bool told_no_key;     /* atomic: that a key or an order cannot be evaluated was told */
    struct flow_read *read;
    struct flow_step *steps;
    size_t n_steps;
    struct flow_target *targets;
    size_t n_targets;
    bool expand;              /* the ledger calls the steps once, then stores deliveries */
    struct guard_retry retry; /* of its steps */
    uint32_t id;              /* of the ledger */
    bool anew;                /* atomic: its schedule was not in force just before, and what it missed then is nobody's;
                               * until it has begun */
    struct flow_plan *plan;
    struct flow_meters *meters;
    struct flow_watch *watch; /* the engine's */
};

struct flow_files { /* what was read from the disk for a plan, and for those that are loaded as it was */
    int refs;       /* atomic */
    bool complete;  /* the first load is over: it is not changed any more */
    struct tl_arena *arena;
    struct config_node *node;
    struct tl_map *texts; /* path -> struct tl_sv * */
};
struct flow_plan {
    int refs; /* atomic */
    struct tl_arena *arena;
    const struct flow_project *project;
    struct config_node *node;
    struct tl_map *mappings; /* name -> struct mapping * */
    struct tl_map *models;   /* name -> struct json_schema * */
    struct flow_files *files;
    struct flow_pii *pii; /* NULL: there is no model */
    struct flow_connection *connections;
    size_t n_connections;
    struct flow *flows;
    size_t n_flows;
    uint64_t version;
    /* The engine's, made when the plan is started: [loop * n_connections + connection]. */
    struct connector_host **hosts;
    struct connector_auth **auths;
    size_t n_hosts;
    struct flow **by_id; /* of the ledger's ids */
    size_t n_by_id;
    uint32_t *connection_ids;
    struct connector_host **dry; /* likewise, of those that steps ask; NULL: not asked */
    struct flow_engine *engine;
    bool retired; /* loop 0: its sources end */
    void (*on_free)(struct flow_plan *p);
};

struct flow_pii; /* pii.c */
enum { FLOW_PII_DEPTH = 24 };
bool flow__pii_marked(const struct flow_pii *pii, const struct tl_sv *names, size_t n);
bool flow__pii_fed(const struct flow_plan *p, const struct mapping *m); /* what it gives is made of a marked field */
/* veil.c: others' words about these payloads (or envelopes) without what their marked fields hold; the arena's. */
struct tl_sv flow__hide(struct flow_plan *p, struct tl_arena *a, const struct json *payloads, size_t n,
                        struct tl_sv text);
void flow__pii_model(struct flow_plan *p, struct json model, struct json documents);
void flow__pii_mapping(struct flow_plan *p,
                       const struct mapping *m); /* what feeds a marked field, when all are known */
void flow__log_waits(const struct flow *f);      /* engine.c: a sender was told to come again */
/* keys.c: public keys and certificates of senders, fetched and kept across reloads */
struct flow_keys;
struct flow_keys *flow__keys_new(const struct tl_clock *clock) TL_MUST_CHECK;
void flow__keys_free(struct flow_keys *k);
/* What was asked for, with references the caller gives back. Suspends. Old keys serve for a day while their place is
 * away. TL_UNREACHABLE, TL_UPSTREAM: there are none; TL_BUSY: too many unknown addresses at once. */
struct flow_material {
    struct crypto_keys *keys;
    struct crypto_cert_ref *cert;
};
TL_MUST_CHECK enum tl_rc flow__keys_get(struct flow_keys *k, struct task *task, struct http_client *client,
                                        const struct crypto *crypto, const struct webhook_need *need,
                                        struct flow_material *ret, struct tl_err *err);
/* The same for a flow, with its engine's keys, client and crypto. */
TL_MUST_CHECK enum tl_rc flow__fetch_keys(const struct flow *f, struct task *task, const struct webhook_need *need,
                                          struct flow_material *ret, struct tl_err *err);
void flow__log_no_keys(const struct flow *f, const char *why);
void flow__log_subscription(const struct flow *f, struct tl_sv type, enum tl_rc rc, const char *why);
struct http_client *flow__client(const struct flow *f, const struct task *task);
const struct crypto_cert *flow__material_cert(const struct flow_material *m);
void flow__material_done(struct flow_material *m);
/* verify.c */
void flow__build_verifier(struct flow *f, const struct flow_load_options *o, struct config_errors *e,
                          const struct config_choice *verify);
void flow__check_secrets(const struct flow_plan *p, struct config_errors *e); /* Vault is named, but not configured */
/* listeners.c; a part that is at fault is not looked at */
void flow__check_listeners(const struct flow_plan *p, struct config_errors *e);
void flow__check_tls(const struct flow_plan *p, struct config_errors *e);     /* blocks on files */
void flow__check_reserve(const struct flow_plan *p, struct config_errors *e); /* looks at the volume */
void flow__check_spans(const struct flow_plan *p, struct config_errors *e);
/* paths.c */
#define FLOW_WEBHOOK_METHODS "POST,PUT,PATCH,DELETE,GET,OPTIONS"
void flow__check_paths(const struct flow_plan *p, struct config_errors *e); /* of webhooks, when all flows are loaded */
/* places.c */
/* The end of a text whose last line is ended is shown behind that line. */
void flow__step_back(struct tl_sv text, int32_t *line, int32_t *column);
/* Where `$name(` stands; 0: nowhere. */
void flow__find_call(struct tl_sv text, struct tl_sv name, int32_t *ret_line, int32_t *ret_column);
int32_t flow__line_in(const char *words); /* jq says the line in its words; 0: it does not */
/* models.c */
/* The whole file; false when it cannot be read or is larger than max. b is initialised. */
bool flow__read_file(const char *path, size_t max, struct tl_buf *b);
/* The same for what a plan is made of: kept with it, for plans that are loaded as it was. */
bool flow__plan_file(struct flow_plan *p, const char *path, size_t max, struct tl_buf *b);
void flow__load_models(struct flow_plan *p, struct config_errors *e);

/* steps.c */
struct flow_item {
    uint32_t target, item;
    struct json envelope; /* after the steps */
    bool own_body;        /* its body is not the event's own: split or mapped */
};
struct flow_outcome {
    const char *skipped; /* reason, or NULL */
    struct flow_item *items;
    size_t n;
};
struct flow_place;
/* Run the steps over an envelope. Suspends in those that ask (place NULL: they are refused, unless the envelope has
 * their variable already); task NULL: a trial run, on a big stack already. */
TL_MUST_CHECK enum tl_rc flow__steps(const struct flow *f, struct task *task, struct tl_arena *arena,
                                     struct json envelope, struct flow_place *place, const struct tl_clock *clock,
                                     bool large, struct flow_outcome *ret, struct tl_err *err);
enum { FLOW_LARGE_BODY = 256 << 10 }; /* bodies beyond it are parsed and mapped on a worker thread */
/* The `when` and `map` of one target; on the big stack. *ret_skip: reason or NULL. turn: here and below, of
 * mapping_run, or NULL. */
TL_MUST_CHECK enum tl_rc flow__target_map(const struct flow_target *t, struct tl_arena *arena, struct json envelope,
                                          const struct tl_clock *clock, struct mapping_turn *turn,
                                          struct json *ret_envelope, const char **ret_skip, struct tl_err *err);
struct json flow__with_body(struct tl_arena *a, struct json envelope, struct json body);
TL_MUST_CHECK enum tl_rc flow__eval(const struct mapping *m, struct tl_arena *arena, struct json envelope,
                                    struct json data, const struct tl_clock *clock, struct mapping_turn *turn,
                                    struct json *ret, struct tl_err *err);

/* bodies.c: room for a stored body. A share has always room for one, whatever the others have. */
struct flow_room {
    uint32_t share;           /* whose it is: a connection, or the steps of a flow */
    uint64_t bytes, most;     /* of all together, beyond one a share */
    uint32_t wait_ms;         /* for so long at most */
    void (*waits)(void *arg); /* told once, before it waits; may be NULL */
    void *arg;
};
struct flow_bodies *flow__bodies_new(void);
void flow__bodies_free(struct flow_bodies *b); /* NULL allowed */
/* Who holds some already must not wait for more: two could wait for each other. TL_BUSY: there was none in time. */
TL_MUST_CHECK enum tl_rc flow__bodies_take(struct flow_bodies *b, struct task *task, const struct flow_room *room,
                                           struct tl_err *err);
void flow__bodies_give(struct flow_bodies *b, const struct flow_room *room);

/* envelope.c: what an event looks like to expressions, and how that is stored beside its body */
/* The stored form of all but the body: a JSON object, at most 32 KB; headers that carry secrets are left out. */
TL_MUST_CHECK enum tl_rc flow__meta_write(struct tl_arena *a, const struct http_req *req, enum webhook_body_kind kind,
                                          const struct webhook_verdict *verdict, const struct webhook_verifier *v,
                                          struct tl_sv *ret_meta, struct tl_err *err);
struct flow_event {
    uint64_t id;
    int64_t received_ms;
    struct tl_sv key; /* outgoing; empty before the targets */
    uint32_t attempt;
};
/* {body, headers, query, path, method, type, event: {id, received_at, ...}, flow}. meta: as stored. vars: members
 * besides, or JSON_UNDEFINED. */
struct json flow__envelope(struct tl_arena *a, const char *flow, struct json meta, struct json body, struct json vars,
                           const struct flow_event *event);
/* What outgoing keys of an event begin with: <origin>-<event>, in letters and digits; <event> alone where it has no
 * origin. Returns buf. */
enum { FLOW_EVENT_KEY = 25 };
const char *flow__event_key(const struct queue *q, uint64_t event, char buf[FLOW_EVENT_KEY]);
/* Of a delivery: <origin>-<event>.<target>.<item>, and .r<n> after an edit. */
struct tl_sv flow__outgoing_key(struct tl_arena *a, const struct queue *q, uint64_t event, uint32_t target,
                                uint32_t item, uint32_t revision);
/* The flow's own `key` (none where a part of it is missing) and `order_by`, into the put; on the big stack. What cannot
 * be evaluated stays as it was, for the event is worth more than its order: *why gets the first reason. */
void flow__own_keys(const struct flow *f, struct tl_arena *a, struct json envelope, struct mapping_turn *turn,
                    struct queue_put *put, struct tl_err *why);
/* After the put of such events: what has no order is counted; why is told once in the life of the plan. */
void flow__told_no_key(struct flow *f, const struct tl_err *why, const struct queue_put *puts, size_t n);
/* A key as text: strings as they are, other values as JSON, however long; .p NULL: none, or there is no memory for it.
 */
struct tl_sv flow__key_text(struct tl_arena *a, struct json v);
struct tl_sv flow__traceparent(const struct http_req *req); /* .p NULL: none, or several */
/* The body of an event as a value, by the kind in its meta. own: a delivery's (split, mapped, edited), which is JSON
 * whatever its event came as. */
TL_MUST_CHECK enum tl_rc flow__body(struct tl_arena *a, struct json meta, struct tl_sv body, bool own, struct json *ret,
                                    struct tl_err *err);

/* upload.c: put->upload gets the body if it is too large for a row; put->body stays, its hash is wanted. After the put
 * (rc: its result) what no event has taken is dropped. */
TL_MUST_CHECK enum tl_rc flow__upload(const struct flow *f, struct task *task, struct queue_put *put,
                                      struct tl_err *err);
void flow__upload_end(const struct flow *f, struct queue_put *put, enum tl_rc rc);

/* hook.c: the handler of a webhook's route; arg is a struct flow of the plan that the router belongs to */
enum tl_rc flow__hook(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err);

/* ---- engine.c ---- */
enum flow_family {
    FLOW_F_RECEIVED,
    FLOW_F_DUPLICATES,
    FLOW_F_REFUSED,
    FLOW_F_RETRIES,
    FLOW_F_DELAY,
    FLOW_F_ATTEMPTS,
    FLOW_F_FAILED,
    FLOW_F_HOOK_TIME,
    FLOW_F_CALL_TIME,
    FLOW_F_CALLS,
    FLOW_F_SOURCE_READ,
    FLOW_F_SOURCE_FAILING,
    FLOW_F_NO_ORDER,
    FLOW_FAMILIES
};
enum { FLOW_HOOK_STATUSES = 4 };
struct flow_meters {
    struct metric *received, *duplicates, *refused, *retries, *failed[TL_CLASS_COUNT];
    struct metric *read_at, *failing_since;                     /* of a source that is read or scheduled; else NULL */
    struct metric *no_order;                                    /* NULL: no `order_by` */
    struct metric *delay, *attempts, *hook[FLOW_HOOK_STATUSES]; /* hook: atomic, NULL until used */
};
struct flow_loop { /* what a loop's thread owns */
    struct flow_engine *engine;
    struct async_loop *loop;
    unsigned index;
    struct http_client *client;
    struct flow_plan *plan; /* changed by posts of the engine only */
    struct tl_arena *spare[8];
    size_t n_spare;
    size_t running;
};
struct flow_engine {
    struct flow_engine_options opt;
    struct queue *queue;
    struct flow_loop *loops;
    struct flow_plan *plan; /* under lock */
    pthread_mutex_t lock;
    struct metrics_family *families[FLOW_FAMILIES];
    struct flow_watch *watches;          /* under lock; live as long as the engine */
    struct flow_keys *keys;              /* of senders */
    struct flow_cache *cache;            /* of answers */
    struct flow_writes *writes;          /* under way */
    struct flow_bodies *bodies;          /* that deliveries have */
    struct queue_told *told, *told_last; /* under lock; to be written */
    struct async_post told_post;         /* on its way while there are some */
    size_t inline_max;                   /* as the ledger was opened with */
    bool stopping;                       /* atomic */
};
const struct tl_clock *flow__clock(const struct flow *f);
struct queue *flow__queue(const struct flow *f);
void flow__refused(const struct flow *f, const struct http_req *req, const struct webhook_verdict *v);
void flow__tell_refusals(struct flow_engine *e); /* the lines of those that were folded */
void flow__received(const struct flow *f, const struct queue_put *put);
struct flow *flow__by_id(const struct flow_plan *p, uint32_t id); /* NULL */
struct connector_host *flow__host(const struct flow_plan *p, const struct flow_connection *c, unsigned loop);
struct tl_arena *flow__arena(struct flow_loop *l);
void flow__arena_back(struct flow_loop *l, struct tl_arena *a);

/* ---- told.c ---- */
void flow__told_write(void *engine);

#define FLOW_RECEIVER_PREFIX "alerts." /* of the flow of a receiver */
/* ---- sla.c ---- */
enum { FLOW_SLA_BUCKETS = 128, FLOW_SLA_DAYS = 31, FLOW_SLA_MONTHS = 14 };
struct flow_sla_day {
    int32_t day; /* since 1970, UTC; of a month: 12 * year + its number from 0. 0: unused */
    uint32_t delivered, died, late, incidents;
    uint64_t down_ms;
    uint32_t delays[FLOW_SLA_BUCKETS];
};
/* Failed attempts in a row, of each target: one that goes well says nothing of another. Kept over a restart. */
#define FLOW_SLA_STEPS 0 /* in the place of a target: the steps */
struct flow_sla_outage {
    int64_t since_ms; /* of the incident that is open; 0: none is */
    struct flow_sla_row {
        uint32_t target, failures; /* 0: the place is free */
        int64_t since_ms;
    } * row; /* as many as ever failed at one time */
    size_t n;
};
void flow__sla_delivered(const struct flow *f, uint32_t target, int64_t now_ms, int64_t delay_ms);
void flow__sla_failed(const struct flow *f, uint32_t target, int64_t now_ms);
void flow__sla_went(const struct flow *f, int64_t now_ms); /* through the steps, whatever they made of it */
enum tl_rc flow__sla_task(struct task *task, void *engine, struct tl_err *err); /* on loop 0 */
void flow__sla_save(struct flow_engine *e, struct task *task);
/* Its figures and what fails, as they are kept: into b, and out of it (once, when the program starts). */
struct flow_watch;
void flow__sla_keep(struct flow_watch *w, struct tl_buf *b);
void flow__sla_take(struct flow_watch *w, struct tl_sv kept);

/* ---- observe.c ---- */
struct flow_source_state { /* how a read or scheduled source fares; wall ms, 0: never, or not now */
    int64_t read_ms, failed_ms, failing_since_ms;
    char why[300]; /* the last failure, also when it has passed */
};
struct flow_watch { /* what is known of a flow beyond one plan, by name */
    struct flow_watch *next;
    char *name;
    int64_t debug_until_ms; /* atomic; 0: off */
    bool bodies;            /* atomic */
    int source_waits;       /* atomic; enum queue_held: what its source waits for */
    /* sla.c */
    pthread_mutex_t lock; /* of what follows */
    bool loaded;
    struct flow_source_state source;
    struct flow_sla_day days[FLOW_SLA_DAYS], months[FLOW_SLA_MONTHS];
    uint64_t died; /* as the ledger said last */
    struct flow_sla_outage outage;
    int64_t first_ok_ms; /* the first delivery before what was kept of an outage had been read; 0: none */
    struct flow_refusals refusals;
    struct flow_refusal other_body; /* keys that came with another body, folded for the flow as a whole */
};
struct flow_watch *flow__watch(struct flow_engine *e, const char *name); /* made when it is new */
struct flow_watch *flow__first_watch(struct flow_engine *e);             /* sla.c */
void flow__watches_free(struct flow_engine *e);
bool flow__debugged(const struct flow *f);
enum tl_level flow__debug_level(const struct flow *f); /* of its lines for debugging: INFO while its switch is on */
enum { FLOW_CALL_STATUSES = 7 };
struct flow_call_meters {
    struct metric *duration, *status[FLOW_CALL_STATUSES]; /* none, 1xx .. 5xx, 429 */
};
const struct flow_call_meters *flow__call_meters(struct flow_engine *e, struct tl_arena *a, const char *connection,
                                                 const char *operation);
struct flow_attempt;
struct flow_owner {          /* connector_call.owner */
    const struct flow *flow; /* NULL: a probe */
    const char *target, *operation;
    const struct flow_call_meters *meters; /* NULL: not counted */
    unsigned exchanges;                    /* HTTP requests so far */
    const struct flow_attempt *attempt;    /* NULL: not traced */
};
void flow__observe(void *engine, struct connector_call *call, const struct connector_exchange *x); /* of a host */
void flow__call_ended(const struct flow_owner *o, uint32_t status, uint64_t us); /* counts a call that was no HTTP */
void flow__hook_ended(const struct flow *f, int status, uint64_t us);
void flow__log_received(const struct flow *f, struct http_req *req, const struct queue_put *put);

/* ---- trace.c: what happens to an event, as spans; all of it does nothing when traces are off ---- */
struct flow_times { /* of a request, monotonic ns */
    uint64_t began, verified, committed, ended;
};
void flow__trace_received(const struct flow *f, struct http_req *req, const struct queue_put *put, int status,
                          const struct flow_times *t);
struct flow_attempt {
    bool on; /* recorded */
    struct otlp_span span;
    uint64_t mapped, called; /* monotonic ns; 0: not come to */
};
void flow__trace_attempt(struct flow_attempt *a, const struct flow *f, uint64_t began, uint64_t event,
                         struct tl_sv traceparent);
void flow__trace_call(struct flow_engine *e, const struct flow_owner *owner, const struct connector_exchange *x);
void flow__trace_ended(struct flow_attempt *a, const struct flow *f, const struct flow_target *t,
                       const struct queue_claim *c);

/* run.c: the ledger's work on a loop */
void flow__run(struct flow_loop *l, struct queue_work *w);

/* ---- further.c: the requests of a call after the first, whose permit is the call's ---- */
struct flow_further {
    struct flow_engine *engine;
    uint32_t connection; /* the ledger's id */
    bool counted;        /* it has budgets */
    bool used;           /* the call's own permit, by a request */
};
struct flow_connection;
struct flow_further flow__further(const struct flow_plan *plan, const struct flow_connection *c);
/* For connector_ledger.request. Suspends. TL_QUOTA: the budgets leave no room; with a time in err where one is known.
 */
TL_MUST_CHECK enum tl_rc flow__further_request(struct flow_further *f, struct task *task, struct connector_call *call,
                                               struct tl_err *err);

/* ---- reading.c: the permits of a source ---- */
struct flow_reading { /* one run of a source's operation */
    struct flow_engine *engine;
    const struct flow *flow;
    uint32_t connection; /* the ledger's id */
    bool listens;
    bool (*over)(void *arg); /* the source is to end */
    void *arg;
    struct flow_further further; /* of a listener: what it asks for beside its stream */
    /* its own */
    struct queue_permit permit;
    bool held, used; /* used: by a request */
    struct async_timer timer;
};
/* The first permit; it serves the first request too. Suspends until there is one. TL_CANCELED: the source ends. */
TL_MUST_CHECK enum tl_rc flow__reading_begin(struct task *task, struct flow_reading *r, struct tl_err *err);
TL_MUST_CHECK enum tl_rc flow__reading_request(struct flow_reading *r, struct task *task, struct connector_call *call,
                                               struct tl_err *err);
void flow__reading_ok(struct flow_reading *r, const struct guard_feedback *feedback); /* what was asked for has come */
/* How the source of a flow fares: told after each read (or scheduled run) that ended well, and each failure. Any
 * thread. */
void flow__source_ok(const struct flow *f);
void flow__source_failed(const struct flow *f, const char *why);
void flow__source_gone(const struct flow *f); /* its plan is over: metrics say nothing of it any more */
/* False: it has no such source, or has not run yet. */
bool flow__source_state(const struct flow *f, struct flow_source_state *ret);
void flow__reading_end(struct flow_reading *r, const struct connector_call *call, enum tl_rc rc,
                       const struct tl_err *err);

/* position.c: the ledger's key of the position of a source, by what it reads from. Written under its lease. Suspends.
 */
#define FLOW_CURSOR "cursor"
enum { FLOW_POSITION_KEY = 48 };
struct flow_position {
    struct flow_engine *engine;
    const struct flow *flow;
    const char *lease;
    uint64_t epoch;
};
TL_MUST_CHECK enum tl_rc flow__position_begin(struct task *task, const struct flow_position *p,
                                              char ret_key[FLOW_POSITION_KEY], struct tl_err *err);

/* sources.c: schedules and reads, on loop 0; a new plan stops the old plan's sources */
void flow__sources_start(struct flow_engine *e, struct flow_plan *p);

/* cache.c: answers of systems, by what was asked. Any thread. */
struct flow_cache;
struct flow_cache *flow__cache_new(void) TL_MUST_CHECK;
void flow__cache_free(struct flow_cache *c); /* NULL allowed */
/* The kept answer, if it is not older than that; into the arena. */
bool flow__cache_get(struct flow_cache *c, struct tl_sv key, uint64_t now_ns, int64_t max_age_ms, struct tl_arena *a,
                     struct json *ret, int64_t *ret_age_ms);
void flow__cache_put(struct flow_cache *c, struct tl_sv key, uint64_t now_ns, struct json v);

/* ---- ask.c: steps that ask other systems ---- */
struct flow_place { /* where steps run, and what they did */
    const struct flow_plan *plan;
    unsigned loop;
    const struct flow *flow;
    struct queue_work *work;
    const struct queue_claim *claim;
    bool large; /* the event: over FLOW_LARGE_BODY */
    /* what came of it */
    struct json_builder asked;  /* [{as, connection, operation, from, age_ms, status, latency_ms}] */
    size_t n_asked;             /* also those that `asked` has no room for */
    uint32_t failed_connection; /* the ledger's id: what failed was a call on it; 0: something else */
    enum tl_class cls;          /* of that failure; NONE: its rc's */
    bool waited;                /* no permit came in time */
    struct queue_xref *adopted; /* cross-references that match_by found, ADOPTED_MAX at most; the arena's */
    size_t n_adopted;
};
/* One question for one envelope: the answer is *ret. item: its number after a split. Suspends. */
TL_MUST_CHECK enum tl_rc flow__ask(struct flow_place *place, struct task *task, const struct flow_step *s,
                                   struct json envelope, size_t item, struct tl_arena *arena, struct json *ret,
                                   struct tl_err *err);
/* What was asked, for people; .p NULL: nothing. */
struct tl_sv flow__asked_text(struct flow_place *place, struct tl_arena *a);
/* ---- xref.c: cross-references and own writes ---- */
/* The id on the other system; null: none is known. Suspends. */
TL_MUST_CHECK enum tl_rc flow__xref(struct flow_place *place, struct task *task, const struct flow_step *s,
                                    struct json envelope, size_t item, struct tl_arena *arena, struct json *ret,
                                    struct tl_err *err);
/* Does the event tell of a write of ours? Writes to the connection that are under way are waited for: their answer may
 * come later than the event. Suspends. */
TL_MUST_CHECK enum tl_rc flow__own_write(struct flow_place *place, struct task *task, const struct flow_step *s,
                                         struct json envelope, struct tl_arena *arena, bool *ret_own,
                                         struct tl_err *err);
/* Cross-references for people, [{model, from, from_id, to, to_id}]; .p NULL: n is 0. */
struct tl_sv flow__pairs_text(struct tl_arena *a, const struct queue_xref *x, size_t n);
/* What to write with an acknowledgement; on the big stack. before: the event before the target's map, sent: as it was
 * sent; answer: what is kept of the target's. id_b is empty where that gives none. False: there is no pair, err says
 * why. */
bool flow__xref_of(const struct flow_target *t, struct tl_arena *arena, struct json before, struct json sent,
                   struct tl_sv answer, const struct tl_clock *clock, struct mapping_turn *turn, struct queue_xref *ret,
                   struct tl_err *err);
/* The id there, for good. Many targets answer a PUT with nothing, or with the id of something else: where a step of the
 * flow found the id that was written to, that is it, unless `answer` gives one; where the answer has none, what the
 * ledger knows. False: there is none, err says so. Suspends. */
bool flow__xref_there(struct flow_engine *e, struct task *task, const struct flow *f, const struct flow_target *t,
                      struct json before, struct tl_arena *arena, struct queue_xref *x, struct tl_err *err);
struct flow_writes *flow__writes_new(void) TL_MUST_CHECK;
void flow__writes_free(struct flow_writes *w); /* NULL allowed */
struct flow_write {                            /* lives from begin to end */
    struct flow_write *prev, *next;
    const char *connection;
    uint64_t number;
};
void flow__write_begin(struct flow_writes *w, struct flow_write *one, const char *connection); /* any thread */
void flow__write_end(struct flow_writes *w, struct flow_write *one); /* after its outcome is the ledger's */

void flow__catch(void *arg, struct connector_call *call,
                 const struct connector_exchange *x); /* of a dry host: what would be asked */

#endif
