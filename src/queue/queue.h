/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.h - THE LEDGER: events that survive a crash, and the scheduler that delivers them.
 *
 * Promises
 *  1. When queue_put (or queue_emit) returns TL_OK, the event is on disk and synced. It will be delivered at least
 * once, or end in a state that says why not. After a failed write or sync of the log nothing more is acknowledged
 * (on_fatal).
 *  2. At any time an event has exactly one state; whenever it waits there is a reason (queue/operate.h).
 *  3. Deliveries of one lane (flow, target, ordering key) run one at a time and in the order of their arrival, also
 * while the first of them backs off. A dead one blocks its lane or is skipped, as its flow says. Where the target
 * recognises each delivery by a key of its own (queue_target_def.keyed) the next one may start when the one before it
 * is done but not yet on disk as done: after a crash in between both go again, the earlier first, and the target
 * ignores what it has had. Never for an upsert, where the earlier one would undo the later.
 *  4. An attempt is on disk before it starts where the operation has no idempotency facility, and for whatever was
 * there at a crash; elsewhere when it has been running for 50 ms (shorter ones are written with their end). An attempt
 * on disk that a crash cut off is shown as `unknown outcome`.
 *  5. An outcome counts only with the epoch of its claim: what comes late from before a restart or a cancel is refused.
 *
 * Threads. One ledger thread is the only writer and the scheduler. Calls come from any thread: with a task they suspend
 * it, with task == NULL they block the thread (start-up, command line, tests). The callbacks of queue_options run on
 * the ledger thread and must not block or call back, except queue_finish. Readers have their own connections
 * (queue/operate.h). An inline delivery has the id of its event; other deliveries have ids of their own. Ids grow with
 * time, 0 is none.
 */
#ifndef TL_QUEUE_QUEUE_H
#define TL_QUEUE_QUEUE_H

#include "async/async.h"
#include "crypto/crypto.h"
#include "guard/guard.h"

struct queue;

/* ---- states ---- */
/* name, code on disk, word. RUNNING and HELD are computed, never written. */
#define QUEUE_STATE_TABLE(X)                                                                                           \
    X(QUEUED, 2, "queued")                                                                                             \
    X(RETRYING, 3, "retrying")                                                                                         \
    X(DEAD, 4, "dead")                                                                                                 \
    X(DELIVERED, 5, "delivered")                                                                                       \
    X(SKIPPED, 6, "skipped")                                                                                           \
    X(CANCELLED, 7, "cancelled")                                                                                       \
    X(DISCARDED, 8, "discarded")                                                                                       \
    X(RUNNING, 9, "running")                                                                                           \
    X(HELD, 10, "held")
enum queue_state {
    QUEUE_STATE_NONE = 0,
#define X(name, code, word) QUEUE_##name = code,
    QUEUE_STATE_TABLE(X)
#undef X
};
#define QUEUE_STATE_MAX 11

/* The only ways from one state on disk to another: from, verb, to. Whatever is not here is refused with TL_CONFLICT.
 * `retry` covers every failed attempt that is tried again; `replay` of a final state makes a new event instead. */
#define QUEUE_TRANSITION_TABLE(X)                                                                                      \
    X(QUEUED, DONE, DELIVERED)                                                                                         \
    X(QUEUED, SKIP, SKIPPED)                                                                                           \
    X(QUEUED, RETRY, RETRYING)                                                                                         \
    X(QUEUED, DIE, DEAD)                                                                                               \
    X(QUEUED, CANCEL, CANCELLED)                                                                                       \
    X(QUEUED, DISCARD, DISCARDED)                                                                                      \
    X(QUEUED, MOVE, QUEUED)                                                                                            \
    X(RETRYING, DONE, DELIVERED)                                                                                       \
    X(RETRYING, SKIP, SKIPPED)                                                                                         \
    X(RETRYING, RETRY, RETRYING)                                                                                       \
    X(RETRYING, DIE, DEAD)                                                                                             \
    X(RETRYING, CANCEL, CANCELLED)                                                                                     \
    X(RETRYING, DISCARD, DISCARDED)                                                                                    \
    X(RETRYING, MOVE, QUEUED)                                                                                          \
    X(DEAD, REPLAY, QUEUED)                                                                                            \
    X(DEAD, DISCARD, DISCARDED)                                                                                        \
    X(DEAD, MOVE, DEAD)
enum queue_verb {
    QUEUE_DO_DONE,
    QUEUE_DO_SKIP,
    QUEUE_DO_RETRY,
    QUEUE_DO_DIE,
    QUEUE_DO_CANCEL,
    QUEUE_DO_DISCARD,
    QUEUE_DO_MOVE,
    QUEUE_DO_REPLAY,
    QUEUE_VERB_COUNT
};
bool queue_transition(enum queue_state from, enum queue_verb verb, enum queue_state *ret_to);
const char *queue_state_name(enum queue_state s);
bool queue_state_parse(struct tl_sv word, enum queue_state *ret_state);

/* ---- telling: one of these for each attempt that was decided, and for each end without one ---- */
struct queue_told {
    struct queue_told *next;
    enum queue_state state;   /* now. QUEUED or RETRYING without next_at_ms: it used no attempt and waits */
    bool failed;              /* dead, or an attempt that failed */
    uint64_t event, delivery; /* the same where an event is its own delivery, or its steps have not run */
    uint32_t attempt;         /* 0: none was made */
    enum tl_class cls;        /* of what failed */
    uint32_t status, latency_ms;
    int64_t received_ms, at_ms, next_at_ms; /* next_at_ms 0: not due at a time */
    struct tl_sv flow, target;              /* names; target "": its steps */
    struct tl_sv trace, request_id, reason;
    struct tl_sv
        meta;        /* where nobody ran to say trace and request_id: the event's own, to find them in; may be empty */
    uint64_t origin; /* the event's */
};
void queue_told_free(struct queue_told *first); /* the chain; any thread */

/* ---- opening ---- */
struct queue_work;
struct queue_options {
    const char *path;               /* the directory of the ledger; made if absent; locked by whoever opens it */
    const struct tl_clock *clock;   /* NULL: the system's */
    unsigned n_loops;               /* loops that run work, at least 1 */
    size_t key_generation;          /* idempotency keys kept in memory before they are sorted in; 0: 32,768 */
    size_t line_generation;         /* live deliveries likewise, before they are sorted in by lane; 0: 32,768 */
    size_t window, window_per_flow; /* lane heads kept in memory; 0: 200,000 and a quarter of it */
    size_t inline_max;              /* a body up to this is stored with its event, else in 256 KB chunks; 0: 64 KB */
    size_t cache_max;               /* bytes of fresh bodies kept for their first attempt; 0: 32 MB */
    uint64_t reserve_bytes;         /* intake stops below max(this, 5 % of the disk); 0: the lesser of 1 GB and 5 % */
    int64_t keep_key_ms, keep_final_ms; /* idempotency keys; final events and their payloads. 0: 7 days, 30 days */
    /* Encryption at rest: the first key seals, all of them open; ids are fingerprints. Without keys nothing is sealed,
     * and a ledger that is sealed does not open. Not kept after queue_open. What is sealed: seal.c. */
    const struct crypto_seal_key *keys;
    size_t n_keys;
    bool unsafe_no_sync; /* promise 1 holds no longer: what was acknowledged may be lost in a power cut */
    const char *vfs;     /* tests: name of the SQLite VFS */
    bool manual;         /* tests, command line: no thread; queue_turn() does one round of its work */
    /* A chain (->next) of works that may start now, for loop number `loop`. The receiver owns each until queue_finish.
     */
    void (*dispatch)(void *arg, unsigned loop, struct queue_work *first);
    /* Something a person should hear of: trip, pause, resume, disk, identity. flow or connection may be empty. */
    void (*notice)(void *arg, const char *what, struct tl_sv flow, struct tl_sv connection, const char *text);
    /* What became of deliveries, after the commit and in its order: a chain that is the receiver's (queue_told_free).
     * `tells` is asked before anything is made of an outcome; NULL: nothing is told. */
    bool (*tells)(void *arg, bool failed);
    void (*told)(void *arg, struct queue_told *first);
    void (*fatal)(void *arg, const struct tl_err *err); /* the ledger acknowledges nothing more: leave the process */
    bool (*disk_free)(void *arg, uint64_t *ret_free, uint64_t *ret_total); /* tests; NULL: statvfs(path) */
    void *arg;
};
/* Errors: TL_BUSY (another process has it), TL_IO, TL_CONFIG (made by a newer version, not a ledger, not its key). */
TL_MUST_CHECK enum tl_rc queue_open(const struct queue_options *options, struct queue **ret_queue, struct tl_err *err);
/* Hand out no more work (draining), or again. */
void queue_set_dispatch(struct queue *q, bool on);
size_t queue_works_out(const struct queue *q); /* any thread */
/* Stops the thread. Works still out must not be finished afterwards; their attempts become `unknown outcome`. */
void queue_close(struct queue *q);
/* Random bits (50, never 0) that go with this event's number outside the ledger: numbers begin anew in each ledger and
 * count on from where a copy of it was made, bits are drawn at each start for the events that come then. 0: the event
 * is older than that. The same in every later process. Any thread. */
uint64_t queue_origin(const struct queue *q, uint64_t event);
bool queue_turn(struct queue *q);           /* manual only: true when something was done */
void queue_kick(struct queue *q);           /* look at the clock again (tests turn its hands) */
int64_t queue_next_due_ms(struct queue *q); /* manual only: monotonic ms of the next timer, INT64_MAX: none */

/* ---- configuration: a whole snapshot replaces the one before ---- */
struct queue_connection_def {
    struct tl_sv name;
    uint64_t identity;              /* hash of type, account, host; a change holds queued deliveries until accepted */
    const struct guard_conf *guard; /* copied; NULL: no limits but the default breaker */
    bool accept_identity;           /* the person said: it is the same system */
    bool has_probe;                 /* it can be asked without a delivery: WORK_PROBE; else the oldest head asks */
    uint32_t ret_id;                /* filled: stable for the name over restarts */
};
struct queue_target_def {
    /* Unique in its flow; connection "": none (runs without permits). The one target of a flow that had one before
     * keeps what waits, whatever its name; else what waits in a target that is gone is held (flow_removed). What waits
     * is held (target_changed) where its target has another connection now and that leads to another system. */
    struct tl_sv name, connection;
    const struct guard_retry *retry; /* copied; NULL: the default policy */
    uint32_t cost_class;             /* for guards that weigh calls */
    bool idempotent;                 /* a repeated call changes nothing: the attempt's begin is not waited for */
    bool keyed; /* it changes nothing even when later ones have come in between: promise 3, the second sentence */
    bool ordered_batch; /* a batch may carry several deliveries of one lane: they stand together, in order. Whoever runs
                         * it lets none of them be done after one that is not (the rest is INNOCENT) */
    uint32_t batch_count, batch_linger_ms; /* 0: 1 and 20 ms */
    uint64_t batch_bytes;                  /* 0: 4 MB */
    uint32_t ret_id;
};
struct queue_flow_def {
    struct tl_sv name;
    struct queue_target_def *targets;
    size_t n_targets;
    bool expand; /* several targets, a condition or a split: queue_expand decides; else targets[0] */
    const struct guard_retry *retry;      /* of its steps, with expand; copied; NULL: the default policy */
    bool block_on_dead;                   /* a dead delivery blocks its key; else the key goes on without it */
    uint32_t priority;                    /* weight in the round robin, 0: 1 */
    uint32_t trip_in_a_row, trip_half_of; /* same fingerprint; 0: 20 and 200 */
    uint32_t ret_id;
    bool ret_back; /* it was there once, and the configuration before this one did not have it */
};
struct queue_keep { /* as in queue_options; positive, reserve_bytes may be 0. What is kept shorter is swept at once */
    int64_t key_ms, final_ms;
    uint64_t reserve_bytes;
};
struct queue_config {
    uint64_t version;
    const struct queue_keep *keep; /* NULL: as before */
    struct queue_flow_def *flows;
    size_t n_flows;
    struct queue_connection_def *connections;
    size_t n_connections;
};
struct queue_config_answer { /* what a reload must tell; deliveries, not flows, where not said otherwise */
    uint64_t flows_added, flows_removed, flows_back, connections_added, connections_removed;
    uint64_t held_flow_removed, held_identity, released, live;
};
/* Define or replace all flows and connections. Events of a flow that is gone are held (`flow_removed`); lanes stay as
 * stored. In dry_run nothing changes and the answer says what would. */
TL_MUST_CHECK enum tl_rc queue_configure(struct queue *q, struct task *task, struct queue_config *config, bool dry_run,
                                         struct queue_config_answer *ret_answer, struct tl_err *err);

/* ---- intake ---- */
struct queue_put {
    uint32_t flow;            /* queue_flow_def.ret_id */
    struct tl_sv source, key; /* idempotency: key.p NULL means none */
    struct tl_sv order_by;    /* ordering key; .p NULL: the event is its own lane */
    struct tl_sv same;        /* two with one key and this alike have the same body; .p NULL: the body itself says it */
    struct tl_sv meta, body;  /* meta: the flow engine's own (headers, content type, trace); both borrowed */
    uint64_t upload;          /* a body stored by queue_upload instead of `body` */
    const struct tl_err *dead; /* store as dead at once (a verified body that does not parse) */
    uint64_t cause;            /* the event whose delivery led to this one, 0: none */
    /* answer */
    uint64_t ret_event;                 /* the new event, or the first one with this key */
    bool ret_duplicate, ret_other_body; /* the same key came with another body: worth a warning */
};
/* Suspends until the commit. Errors: TL_FULL (disk reserve: answer 503), TL_NOT_FOUND (flow), TL_IO (fatal). */
TL_MUST_CHECK enum tl_rc queue_put(struct queue *q, struct task *task, struct queue_put *put, struct tl_err *err);

/* The same without waiting: `done` is called on the ledger thread; `put` and what it points to must live until then,
 * but meta, body and order_by are copied at once. */
void queue_put_later(struct queue *q, struct queue_put *put,
                     void (*done)(void *arg, struct queue_put *put, enum tl_rc rc, const struct tl_err *err),
                     void *arg);

/* Large bodies: chunks are committed as they come; they belong to nobody until a put names the upload. */
TL_MUST_CHECK enum tl_rc queue_upload_begin(struct queue *q, struct task *task, uint64_t *ret_upload,
                                            struct tl_err *err);
TL_MUST_CHECK enum tl_rc queue_upload_chunk(struct queue *q, struct task *task, uint64_t upload, struct tl_sv bytes,
                                            struct tl_err *err); /* at most 256 KB; several may wait at once in order */
void queue_upload_drop(struct queue *q, uint64_t upload);        /* does not wait */

/* Sources: records and the position after them, in one transaction. */
struct queue_emit {
    struct queue_put *puts;
    size_t n;
    struct tl_sv lease;                  /* name of the source instance */
    uint64_t lease_epoch;                /* a newer epoch exists: TL_STALE, nothing is written */
    struct tl_sv position_key, position; /* key within the lease; position.p NULL: unchanged */
};
TL_MUST_CHECK enum tl_rc queue_emit(struct queue *q, struct task *task, struct queue_emit *emit, struct tl_err *err);
/* Take or renew the named lease; each taking has a higher epoch. TL_BUSY: another owner's lease has not run out. */
TL_MUST_CHECK enum tl_rc queue_lease(struct queue *q, struct task *task, struct tl_sv name, struct tl_sv owner,
                                     int64_t ttl_ms, uint64_t *ret_epoch, struct tl_err *err);
TL_MUST_CHECK enum tl_rc queue_position(struct queue *q, struct task *task, struct tl_sv lease, struct tl_sv key,
                                        struct tl_buf *ret_position, struct tl_err *err); /* TL_NOT_FOUND */

/* ---- work ---- */
enum queue_work_kind {
    QUEUE_WORK_DELIVER, /* map and call the target, for each claim */
    QUEUE_WORK_EXPAND,  /* run the steps up to the targets, then queue_expand */
    QUEUE_WORK_RESUME,  /* ask after the job `ticket`: the claims are its members */
    QUEUE_WORK_ABORT,   /* the job's members were cancelled: stop it */
    QUEUE_WORK_PROBE    /* the breaker asks: one cheap call; no claims; the outcome is outcome of the work */
};
struct queue_blob; /* ref-counted bytes */
struct queue_xref {
    struct tl_sv model, connection_a, id_a, connection_b, id_b;
    struct tl_sv mark; /* what a write of ours made of the record at b, for queue_own_write; empty: not told */
};
enum queue_end {
    QUEUE_END_NONE, /* no verdict: counts as unknown outcome */
    QUEUE_END_DONE,
    QUEUE_END_SKIP,     /* filtered, no_route, duplicate: text says which */
    QUEUE_END_FAILED,   /* cls and rc decide what happens */
    QUEUE_END_INNOCENT, /* rolled back with others: again, without using an attempt, in half the batch */
    QUEUE_END_CANCELED, /* we are stopping: as if it had never started (only if nothing was sent) */
    QUEUE_END_PENDING,  /* a long job goes on: ticket and next_poll_ms of the work */
    QUEUE_END_WAITED /* what it needs was not there in time (a permit of a step, memory): again, after others, without
                      * using an attempt or keeping one */
};
/* All views are copied by queue_finish. */
struct queue_outcome {
    enum queue_end end;
    enum tl_rc rc;
    enum tl_class cls; /* TL_CLASS_NONE: the class of rc */
    uint32_t status;   /* HTTP or the like, 0: none */
    uint32_t retry_after_ms;
    uint32_t
        connection; /* FAILED: a step's call on it failed, the permit's end has told its guard; 0: the work's own */
    uint64_t fingerprint; /* 0: made from class, status and the text without its numbers and quoted parts */
    struct tl_sv text;    /* at most 400 bytes are kept */
    struct tl_sv answer;  /* what the target said of the record (an id), at most 4 KB are kept */
    struct tl_sv asked;   /* what its steps asked other systems, JSON for people; dropped where it is over 4 KB */
    struct tl_sv pairs;   /* the cross-references that it wrote, likewise */
    const struct queue_xref *xrefs;
    size_t n_xrefs;
};
struct queue_claim {
    uint64_t event, delivery, epoch;
    uint32_t attempt, attempts_used; /* number of this attempt, from 1; those that counted before */
    uint32_t target, item,
        revision; /* item of a split; outgoing key:
                   * <event>.<target>.<item>[.r<revision>][.p<delivery>: a replay of one of several] */
    int64_t received_ms;
    uint64_t cause, replay_of;
    bool unknown_before;     /* an earlier attempt has an unknown outcome: look before you insert */
    struct tl_sv meta, body; /* valid until queue_finish; body.p NULL with upload != 0: queue_read_body */
    bool own_body;           /* not its event's: what its steps made (queue_delivery_def.body), or a person */
    struct tl_sv order_by;   /* as it came */
    struct tl_sv vars;       /* of a delivery: queue_delivery_def.vars */
    uint64_t upload, upload_bytes;
    bool unreadable; /* its bytes do not open with the ledger's keys: they were changed on the disk; never to be sent */
    struct queue_blob *blob;
    struct queue_outcome outcome; /* filled by the runner */
    void *lane;                   /* the ledger's */
};
struct queue_work {
    struct queue_work *next;
    enum queue_work_kind kind;
    uint32_t flow, target, connection;
    uint64_t config_version;
    unsigned loop;
    bool probe;          /* a half-open breaker lets this one through */
    struct tl_sv ticket; /* RESUME, ABORT */
    uint64_t ticket_id;
    size_t n;
    struct queue_claim *claims;
    /* filled by the runner */
    struct queue_outcome outcome;    /* PROBE, or the call as a whole: status, rc, text */
    struct guard_feedback *feedback; /* what the response said of budgets; may be NULL */
    uint32_t latency_ms;             /* of the call itself */
    bool not_sent;                   /* nothing reached the other side: what the call would have cost is given back */
    struct tl_sv trace, request_id;  /* told with its outcomes; may be empty */
    struct tl_sv ret_ticket;         /* PENDING: at most QUEUE_TICKET_MAX bytes, copied; .p NULL: the last one stays */
    int64_t next_poll_ms;            /* PENDING: from now */
};
/* What a work that is out waits for before anything is called, as a sentence that stays (not copied); NULL: it goes on.
 * Meanwhile its delivery is shown as held, and no attempt is begun. From any thread; does not wait. */
void queue_wants(struct queue *q, struct queue_work *work, const char *what);
/* Give the work back with its outcomes; from any thread; does not wait; the work is gone afterwards. */
void queue_finish(struct queue *q, struct queue_work *work);
#define QUEUE_TICKET_MAX (256u << 10) /* kept once a job, whatever the number of its members */
/* A step that can't be undone follows (job created, closed): suspends until the ticket is on disk. TL_STALE: cancelled.
 */
TL_MUST_CHECK enum tl_rc queue_checkpoint(struct queue *q, struct task *task, struct queue_work *work,
                                          struct tl_sv ticket, struct tl_err *err);

/* ---- permits: a call on a connection that is not the work's own (a step's look-up), or of no work (a source) ---- */
struct queue_permit {
    uint32_t connection;     /* queue_connection_def.ret_id */
    struct queue_work *work; /* of the step that asks; NULL: a source. While it waits, the delivery is shown as held */
    int64_t wait_ms;         /* for so long at most; 0: now or not at all */
    bool risky;              /* a repeated call may do harm: the attempt is on disk before the permit is given */
    bool unless_down;        /* do not wait for a connection that is held or whose breaker is open */
    bool further;            /* a request more of a call that is under way: it has a slot, so only budgets (and a
                              * Retry-After) are asked, and nothing is given back */
    /* answer, and for queue_permit_give */
    bool probe;
    int why;           /* enum queue_held: TL_BUSY: what it waited for */
    uint32_t retry_ms; /* of a further one, TL_BUSY: not before that; 0: not known */
    uint64_t started_ns;
};
/* One call may start when this returns TL_OK, and queue_permit_give must follow. Suspends. TL_BUSY: none was free in
 * time, or a further one cannot be (text and `why` say what for). TL_CANCELED: the ledger hands out no more, or the
 * connection is gone. */
TL_MUST_CHECK enum tl_rc queue_permit_take(struct queue *q, struct task *task, struct queue_permit *permit,
                                           struct tl_err *err);
struct queue_permit_end {
    enum tl_rc rc;
    enum tl_class cls;                     /* NONE: the class of rc. auth pauses the connection */
    bool not_sent;                         /* nothing was called: the cost is given back */
    const struct guard_feedback *feedback; /* may be NULL; copied */
    uint32_t retry_after_ms;
    struct tl_sv text; /* why, for people; copied */
};
/* Any thread; does not wait. For a work: before its queue_finish. */
void queue_permit_give(struct queue *q, const struct queue_permit *permit, const struct queue_permit_end *end);

/* The steps of an event have run: its deliveries, in one transaction. Then queue_finish the EXPAND work with END_DONE.
 */
struct queue_delivery_def {
    uint32_t target, item;
    struct tl_sv order_by; /* .p NULL: as the event's */
    struct tl_sv body;     /* .p NULL: the event's; else this item's own (split) */
    struct tl_sv vars;     /* with a body of its own: what steps found out beside it; comes back with each claim */
};
/* n == 0: the event is skipped, `reason` says why (filtered, no_route, duplicate). */
TL_MUST_CHECK enum tl_rc queue_expand(struct queue *q, struct task *task, struct queue_work *work,
                                      const struct queue_delivery_def *deliveries, size_t n, struct tl_sv reason,
                                      struct tl_err *err);

/* ---- small durable things ---- */
/* value.p NULL deletes. Suspends until the commit. Keys "<folder>/<name>"; values up to 64 KB. */
TL_MUST_CHECK enum tl_rc queue_kv_put(struct queue *q, struct task *task, struct tl_sv key, struct tl_sv value,
                                      struct tl_err *err);
TL_MUST_CHECK enum tl_rc queue_kv_get(struct queue *q, struct task *task, struct tl_sv key, struct tl_buf *ret_value,
                                      struct tl_err *err);
TL_MUST_CHECK enum tl_rc queue_xref_put(struct queue *q, struct task *task, const struct queue_xref *xref,
                                        struct tl_err *err);
/* The id on the other side: id_a of connection_a is known, *ret_id gets id_b on connection_b. TL_NOT_FOUND. */
TL_MUST_CHECK enum tl_rc queue_xref_get(struct queue *q, struct task *task, const struct queue_xref *known,
                                        struct tl_buf *ret_id, struct tl_err *err);
/* Is this what a write of ours made of the record (model, connection, id)? A record that has become something else
 * meanwhile is nobody's any more: its marks are forgotten, so that a later return to the same is a change like any
 * other. The marks of a record's last 8 writes are kept. */
TL_MUST_CHECK enum tl_rc queue_own_write(struct queue *q, struct task *task, struct tl_sv model,
                                         struct tl_sv connection, struct tl_sv id, struct tl_sv mark, bool *ret_own,
                                         struct tl_err *err);

#endif
