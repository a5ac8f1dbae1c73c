/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector.h - THE CONTRACT between the host and a connector.
 *
 * A connector is one folder and one const table. It never reads a secret, sleeps, retries, logs a payload or opens a
 * socket by itself: the host does, through the services below. It may include this header and its vendor's library,
 * nothing else of ours. The host derives parsing, lint, reference pages, forms and contract tests from the table.
 *
 * What a function of a connector may rely on
 *  - It runs on a task with a deadline; everything it allocates in call->arena lives until the call has ended.
 *  - It is called only with permits in hand: budgets, concurrency and breaker have agreed. connector_http takes those
 * of every further request: a `read` has one for each, whatever else makes a call draws on its budgets (TL_QUOTA: they
 *    leave no room, and nothing was sent). A `listen` has its first while it connects.
 *  - A return other than TL_OK is the verdict on the call as a whole and holds for every record without a verdict of
 * its own. A record left without verdict by a call that returns TL_OK counts as `unknown outcome`.
 *  - After a cut (crash, TL_UNKNOWN_OUTCOME, time-out after sending) the same record comes again with `unknown_before`.
 *
 * What it owes
 *  - One verdict a record. Per-record permission errors are class data, not auth: one bad record must not pause the
 * system.
 *  - Before a step that cannot be undone in a long job: connector_checkpoint(), and after a restart `resume` must be
 * able to go on from that ticket.
 *  - In `listen` and `read`: acknowledge upstream only after connector_emit() returned TL_OK.
 */
#ifndef TL_CONNECTOR_CONNECTOR_H
#define TL_CONNECTOR_CONNECTOR_H

#include "async/async.h"
#include "auth/auth.h"
#include "config/config.h"
#include "connector/contract/record.h"
#include "guard/guard.h"
#include "http/client.h"
#include "json/json.h"
#include "xml/xml.h"

#define CONNECTOR_CONTRACT 1
#define CONNECTOR_POSITION_MAX (64 << 10) /* bytes of one position of a source */

struct connector_host; /* the connection, as the host sees it: one for each configured connection and loop */

/* ---- one call of an operation ---- */
struct connector_ledger; /* host.h */
struct connector_view;   /* the host's notes on one call: what was sent, which values no text may show */
struct connector_call {
    struct connector_host *host;
    const struct connector_ledger *ledger; /* the host's */
    struct connector_view *view;           /* the host's */
    void *owner;                           /* the host's: whose call this is, for logs and metrics */
    uint64_t auth_note[4];                 /* of its authentication: which credentials this call uses */
    struct auth_passport *passport;        /* the host's: wanted for the request under way, or NULL */
    struct tl_sv base; /* where its requests go: what the last token's answer said, "https://host"; empty: base_url */
    struct tl_sv endpoint;  /* the path as configured, before values are put in: what logs show; may stay empty */
    const void *connection; /* the connection's struct, of connector.spec */
    const void *operation;  /* the target's struct, of connector_operation.spec */
    void *prepared;         /* what operation.compile made of it, or NULL */
    struct tl_arena *arena;
    /* write */
    const struct connector_record *records;
    size_t n;
    struct connector_verdict *verdicts; /* one for each record, zeroed */
    /* long jobs: in resume and abort the last ticket, and records with their ids only: no value, envelope or key. What
     * a ticket was written for but did not happen is CONNECTOR_INNOCENT: the records then come again whole. Out with
     * pending. In read the job is part of the position: `run` comes again after next_poll_ms instead of `every`. */
    struct tl_sv ticket;
    bool pending;            /* set to say: the job goes on */
    struct tl_sv job;        /* and what it is called over there, for people: "bulk job 750..." */
    struct tl_sv new_ticket; /* at most 256 KB; .p NULL: the last one stays */
    int64_t next_poll_ms;
    /* read, listen */
    struct tl_sv source;   /* name of the source instance */
    struct tl_sv position; /* where the last emit stopped; empty: from the start */
    struct tl_sv remark;   /* out: what somebody should know though all went well; logged once; the arena's */
    /* Of the steps `lookup` and `call`: what they ask over, and the answer. A write has an input in the step `call`
     * only, and may leave the reply of its one record in `output` for it. */
    struct json input, output;
    /* for people and the guard */
    struct guard_feedback feedback;
    uint32_t status;     /* of the call as a whole (HTTP) */
    uint64_t latency_us; /* of the remote's part; 0: the host measures the whole */
    bool not_sent;       /* nothing reached the other side; connector_http says so for what goes through it */
    bool uncounted;      /* the connector's: requests made while it is set count for nothing over there (a stream's) */
};

/* TL_OK, or what went wrong with the call as a whole (text for people in err). Suspends. */
typedef enum tl_rc connector_fn(struct task *task, struct connector_call *call, struct tl_err *err);

enum connector_kind { CONNECTOR_WRITE, CONNECTOR_READ, CONNECTOR_LISTEN, CONNECTOR_CALL };
enum connector_idempotency {
    CONNECTOR_IDEMPOTENT_NONE,   /* a repeated write may double: the attempt's row is waited for */
    CONNECTOR_IDEMPOTENT_KEY,    /* the target recognises record.key */
    CONNECTOR_IDEMPOTENT_UPSERT, /* by external id */
    CONNECTOR_IDEMPOTENT_LOOKUP  /* the connector looks before it inserts when unknown_before: likewise waited for */
};
struct connector_facilities {
    enum connector_idempotency idempotency;
    uint32_t batch_count; /* records a call takes at most; 0: 1 */
    uint64_t batch_bytes; /* 0: no limit of its own */
    bool ordered_batch;   /* records of one key may share a call: it applies them in order */
};
struct connector_inquiry; /* verify.h */
struct connector_operation {
    const char *name; /* the key that chooses it in a flow: `to: { connection: erp, upsert: salesOrder }` */
    enum connector_kind kind;
    const char *doc;
    const struct config_spec *spec; /* fields of the target (or source); among them one with the operation's name */
    /* The facilities of this target as configured. */
    void (*facilities)(const void *connection, const void *operation, struct connector_facilities *ret);
    /* Check and compile what the configuration says (templates, expressions), once a reload; errors with config_error.
     * What it returns is shared by all threads and freed with `release`. NULL: nothing to compile.
     * It is shown what has faults too, to find the others in the same round: what is at fault is zero there, as if it
     * were absent, in either struct and also where it is required. So it says nothing of what is absent: the checks of
     * the fields do. */
    void *(*compile)(const void *connection, const void *operation, struct config_errors *e);
    void (*release)(void *prepared);
    connector_fn *run;    /* write, read, listen, call */
    connector_fn *resume; /* of a pending job; NULL: the operation has none */
    connector_fn *abort;
    /* Whether the other side has what is configured (verify.h); NULL: it can't be asked. */
    enum tl_rc (*verify)(struct task *task, struct connector_call *call, struct connector_inquiry *q,
                         struct tl_err *err);
};

/* What a probe found: `tieline connect NAME --test` prints it. */
struct connector_identity {
    struct tl_sv who, where, details; /* "integration@acme.example", "production, EU12", ... */
};

struct connector_prepare; /* prepare.h */

struct connector {
    int contract;      /* CONNECTOR_CONTRACT */
    const char *title; /* "NetSuite" */
    /* {.name = NAME, .type = CONFIG_OBJECT_REF, .spec = fields of `connections: { x: { type: NAME, ... } }` with the
     * identity fields marked, .doc = ...}: the name is the folder's. */
    struct config_field variant;
    const struct config_variants *auth; /* the choices of its `auth:`; NULL: none */
    size_t auth_offset;                 /* of the struct config_choice in the connection's struct */
    /* What is known about the connection's authorization server: its addresses, where `auth:` does not name them. NULL:
     * nothing. */
    void (*auth_defaults)(const void *connection, struct auth_defaults *ret);
    /* With auth_defaults' base_member: may the credentials go to this address that a token's answer names? Requests for
     * base_url then go there (call->base). What refuses says in err what the person should look at. NULL: never. */
    enum tl_rc (*base_allowed)(const void *connection, struct tl_sv base, struct tl_err *err);
    /* A 401 that does not speak of the credentials (NetSuite says so under load): not told to authentication, so that
     * the connection goes on. NULL: there is none. */
    bool (*false_401)(const void *connection, const struct http_reply *reply);
    /* A reply without 401 that speaks of the credentials all the same (a SOAP fault): told to authentication as a 401
     * is. NULL: there is none. */
    bool (*refused_login)(const void *connection, const struct http_reply *reply);
    const struct connector_operation *operations;
    size_t n_operations;
    /* Budgets known in advance, added to those of `limits:`, and conf->concurrency where it is 0 (nobody has written
     * it); NULL: none. */
    void (*budgets)(const void *connection, struct guard_conf *conf);
    /* One cheap call: is it there, who are we, what is left of the budgets. NULL: none. */
    enum tl_rc (*probe)(struct task *task, struct connector_call *call, struct connector_identity *ret,
                        struct tl_err *err);
    /* What the configured flows need of the system, and making it: prepare.h. Suspends. NULL: nothing to prepare. */
    enum tl_rc (*prepare)(struct task *task, struct connector_call *call, struct connector_prepare *p,
                          struct tl_err *err);
    bool (*has_probe)(const void *connection); /* as configured; NULL: it has one when `probe` is there */
    /* The base URL (or host) the connection's credentials may be sent to; for auth and egress. May be NULL. */
    const char *(*base_url)(const void *connection);
    /* Further addresses of the same system that may have the credentials: i = 0, 1, ... until NULL. NULL: none. */
    const char *(*other_url)(const void *connection, size_t i);
    int (*sim)(int argc, char **argv); /* `tieline sim NAME`; NULL: none */
};
#define CONNECTOR_SIM_WORDS "--words" /* a simulator prints its options, one a line: for completion */

/* Made by the build from the folders under connectors/: connectors/NAME/NAME.c defines NAME_connector. */
extern const struct connector *const connector_registry[];
extern const size_t connector_registry_count;
extern const struct config_variants connector_types;       /* the registry as the choices of `type:` */
const struct connector *connector_find(struct tl_sv name); /* NULL */
const struct connector_operation *connector_operation_find(const struct connector *c, struct tl_sv name); /* NULL */

/* ---- what a connector may ask of the host ---- */
const struct tl_clock *connector_clock(const struct connector_host *h);
/* An HTTP call of this connection: the host adds authentication, checks the egress policy, bounds sizes, reads the
 * clock skew, refreshes a token after a 401 and tries once more. req->url may be relative to base_url. Errors as
 * http_client_call; TL_AUTH when no token can be had. */
TL_MUST_CHECK enum tl_rc connector_http(struct task *task, struct connector_call *call,
                                        const struct http_request_out *req, struct http_reply *reply,
                                        struct tl_err *err);
/* Fill feedback, status and err from a reply by the general rules (http_status_rc, Retry-After, RateLimit headers of
 * the IETF draft and their X- forebears): what most REST systems need after connector_http. TL_OK for 2xx; call it for
 * those too, as they carry what is left of the budgets. A 403 is TL_FORBIDDEN: a connector that knows it to be about
 * one record gives that record the class data. */
enum tl_rc connector_classify(struct connector_call *call, const struct http_reply *reply, struct tl_err *err);
/* What the body of a failed reply says to people, one line of at most 200 bytes, secrets of this call masked; the
 * arena's. Known shapes: {error: {message}}, {error, error_description}, {message}, {errors: [...]}, [{message}], RFC
 * 9457, {fault: {faultstring}}, XML fault, the title of an HTML page, else the text itself. Empty: nothing to say. */
struct tl_sv connector_reply_text(struct connector_call *call, const struct http_reply *reply);
/* The text with every secret of this call masked, and what a name says is one (?sig=, "access_token": ""); the arena's.
 */
struct tl_sv connector_mask(struct connector_call *call, struct tl_sv text);
/* The same of a text that is cut to max bytes, or came cut when it has them all: half a secret at the cut is one too.
 * Always instead of cutting first. */
struct tl_sv connector_mask_cut(struct connector_call *call, struct tl_sv text, size_t max);
/* The ticket is on disk when this returns TL_OK. TL_STALE: the job was cancelled meanwhile. */
TL_MUST_CHECK enum tl_rc connector_checkpoint(struct task *task, struct connector_call *call, struct tl_sv ticket,
                                              struct tl_err *err);
/* Records and the position after them, durable in one transaction when this returns TL_OK; suspends meanwhile: that is
 * the back-pressure. keys: idempotency keys or NULL. TL_STALE: another instance reads this source now. */
struct connector_incoming {
    struct json value;
    struct tl_sv key, order_by; /* .p NULL: none */
    struct json headers;        /* an object or undefined: shown to expressions as $headers */
};
TL_MUST_CHECK enum tl_rc connector_emit(struct task *task, struct connector_call *call,
                                        const struct connector_incoming *records, size_t n, struct tl_sv position,
                                        struct tl_err *err);
/* For a long read, page by page: what was allocated in call->arena since _begin is given back by _end. */
struct connector_scratch {
    struct tl_arena_mark mark;
    size_t notes;
};
struct connector_scratch connector_scratch_begin(struct connector_call *call);
void connector_scratch_end(struct connector_call *call, struct connector_scratch s);
/* Run fn on a worker thread and wait: for libraries that block. */
TL_MUST_CHECK enum tl_rc connector_blocking(struct task *task, struct connector_call *call, void (*fn)(void *arg),
                                            void *arg, struct tl_err *err);
/* The resolved value behind a secret reference of this connection's configuration, for libraries that need it
 * themselves (never to be logged, stored or put into an error). Valid for the call; connector_mask hides it from then
 * on. */
TL_MUST_CHECK enum tl_rc connector_secret(struct task *task, struct connector_call *call,
                                          const struct config_secret *ref, struct tl_sv *ret_value, struct tl_err *err);

/* parts of the contract, in files of their own */
#include "connector/contract/duplex.h"
#include "connector/contract/notice.h"
#include "connector/contract/parts.h"
#include "connector/contract/passport.h"
#include "connector/contract/prepare.h"
#include "connector/contract/template.h"
#include "connector/contract/verify.h"

#endif
