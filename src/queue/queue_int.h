/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue_int.h - what the files of the ledger share. All of it belongs to the ledger thread, except where `any thread`
 * is said. Prefix queue__ for what is shared inside the folder.
 *
 * One turn: take the inbox; in one transaction `apply` every op and write begins, holds and counters; commit; then
 * `settle` every op (only now does memory change) and answer it; then fill the window, hand out what has its permits.
 * If the commit fails memory has not changed: outcomes are kept and applied again, everything else is refused.
 * The one exception is `advance`, before the commit: lanes of keyed targets whose head is done go on to the next one
 * that earlier transactions have put there. That holds whether the commit succeeds or not: the outcome is decided.
 */
#ifndef TL_QUEUE_QUEUE_INT_H
#define TL_QUEUE_QUEUE_INT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "crypto/crypto.h"
#include "guard/guard.h"
#include "queue/operate.h"
#include "queue/sql/statements.h"
#include "store/store.h"

#define QUEUE_APPLICATION_ID 0x546c6e31u /* "Tln1" */
#define CHUNK_BYTES (256u * 1024)
#define ATTEMPT_SPAN 65536u /* attempt ids of one unit */
#define ID_BLOCK 20000u
#define NEAR_NS 1000000000ull /* heads due later than this leave memory */
#define LAZY_NS 50000000ull   /* an attempt that is not begun on disk by now will be */
#define NS_PER_MS 1000000ull
#define TRIP_RING_MAX 1000u
#define FEED_MAX 16384u
#define TARGET_CHANGED_TEXT                                                                                            \
    "its target leads to another account or host than what is queued was meant for: resume the flow if that is right"
#define STRANDED_TEXT "what is queued for a target that the flow has no longer is held: move or discard it"
#define PARKED_MAX 32u /* works of one target whose step waits for a permit; the rest waits on disk */

extern const struct store_migration queue__migrations[];
extern const size_t queue__n_migrations;

enum unit_kind { KIND_INLINE, KIND_EXPAND, KIND_EXPANDED, KIND_CHILD };
enum attempt_flag { FLAG_COUNTED = 1, FLAG_UNKNOWN = 2, FLAG_PROBE = 4, FLAG_STALE = 8 };
/* Positions in a flow's counters: 0..10 by state on disk, then these. */
enum {
    N_EVENTS = QUEUE_STATE_MAX,
    N_DUPLICATES,
    N_OTHER_BODY,
    N_NO_KEY,
    N_ATTEMPTS,
    N_RETRIES,
    N_FAILED,
    N_SAVED = N_FAILED + TL_CLASS_COUNT, /* what follows is counted from the start of the process only */
    N_DIED = N_SAVED,                    /* by class */
    N_DELIVERED = N_DIED + TL_CLASS_COUNT,
    N_SKIPPED,
    N_COUNTS
};

struct origin { /* origin.c */
    uint64_t first, bits;
};

/* ---- ops: everything that reaches the ledger thread ---- */
struct op;
struct op_class {
    enum tl_rc (*apply)(struct queue *q, struct op *op, struct tl_err *err); /* in the transaction */
    void (*settle)(struct queue *q, struct op *op);  /* after the commit and only if apply said TL_OK; may be NULL */
    void (*undo)(struct queue *q, struct op *op);    /* the commit failed: memory as before; may be NULL */
    void (*advance)(struct queue *q, struct op *op); /* all are applied, not yet committed; may be NULL */
    bool keep;                                       /* an outcome: never refused, tried again until it is on disk */
    bool own;                                        /* touches no live delivery but those it brings or ends itself */
    bool read;                                       /* writes nothing */
};
struct op {
    struct op *next;
    const struct op_class *cls;
    enum tl_rc rc;
    struct tl_err *err;
    struct async_loop *loop; /* whose task waits */
    struct async_wait wait;
    bool waited, done;              /* done: under done_lock */
    bool deferred;                  /* settle keeps it: its answer comes later (permit.c) */
    void (*on_done)(struct op *op); /* instead of a waiter; on the ledger thread */
};

struct queue_blob {
    atomic_uint refs;
    size_t meta_n, body_n, order_n, vars_n;
    bool has_order, own; /* own: the body is the delivery's, not its event's */
    char bytes[];        /* meta, body, order, vars */
};

/* ---- rows in memory ---- */
struct row {
    uint64_t id, event, lane, upload, cause, replay_of, ticket, idem1, idem2, bytes;
    int64_t received, next_at, age;
    uint32_t flow, target, item, attempts, used, rev;
    uint8_t kind, state, live, unknown;
    bool keyed;
};
/* A person holds it: like a dead one that blocks its lane it is not `ready` on disk, in no lane in memory, and the next
 * of its lane is not that lane's head. Who, why and since when: hold_one.c. */
static inline bool queue__is_held(const struct row *r)
{
    return r->live == 2 && r->state != QUEUE_DEAD;
}

/* Which lanes may hold something: never says no when it is yes. One bit for many lanes. */
#define LANE_BITS 65536u
struct lane_bits {
    uint64_t word[LANE_BITS / 64];
};

enum where { LANE_READY, LANE_DUE, LANE_OUT };
struct lane {
    struct lane *hnext;
    struct lane *prev, *next; /* its target's ready list */
    struct target *target;
    struct queue_blob *blob;
    uint64_t epoch, due_ns; /* due_ns: DUE; READY: since when */
    uint32_t heap_at;
    uint8_t where;
    bool more;    /* the ledger may hold later live deliveries of this lane */
    bool revoked; /* out, but its outcome is no longer wanted */
    bool promoted;
    struct row row;
};

struct target {
    uint32_t id;
    char *name;
    struct flow *flow;
    struct conn *conn;
    struct target *next_of_flow;
    bool removed, idempotent, keyed, ordered, expand, save;
    bool stranded;     /* removed, and deliveries wait in it */
    uint32_t meant;    /* the connection that what waits was meant for; 0: not known */
    uint64_t identity; /* ... and what that led to */
    int64_t took_ms;   /* wall ms: its last delivery, since the start; 0: none */
    bool elsewhere;    /* its connection leads to another system: held until a person agrees */
    uint32_t batch_count, batch_linger_ms, batch_now;
    uint64_t batch_bytes;
    struct guard_retry retry;
    /* waiting */
    struct lane *first, *last;
    size_t n_ready, in_window;
    struct target *ring_prev, *ring_next; /* of the connection; NULL: not in it */
    size_t n_parked;                      /* of its works: their step waits for a permit of ... */
    struct conn *parked_on;               /* ... this connection (the last to be asked) */
    int64_t deficit;
    struct { /* what the last ones died of, 0: they did not; and how many of the last in a row died alike */
        uint64_t fp[TRIP_RING_MAX], row_fp;
        uint32_t at, n, row_n;
    } ends;
    /* window */
    bool complete;   /* every live head is in memory, but those whose time has not come or that are blocked */
    uint64_t cursor; /* live heads up to here are in memory or reached through their lane */
    uint32_t step;   /* so many were read at once last */
    int64_t due_at;
    uint64_t due_id;   /* heads due up to (due_at, due_id) likewise */
    int64_t away_next; /* wall ms of the next head due that is not in memory; INT64_MAX: none */
};

struct flow {
    uint32_t id;
    char *name;
    bool removed, gone, block, defined, dirty_count, save; /* gone: as the configuration before left it on disk */
    bool unblocked; /* by the open transaction: what is written later in it does not block either */
    uint32_t priority;
    struct target *targets; /* by next_of_flow */
    struct target *expand, *only;
    struct target *steps_left; /* the flow has no steps any more, but some still wait for them */
    enum queue_held held;
    char held_text[200];
    int64_t held_at;
    uint64_t held_fp;
    uint64_t try_ns, try_step_ms; /* config: when one is let through to see */
    int64_t count[N_COUNTS], delta[N_COUNTS];
    uint32_t running;
    struct flow *next_dirty;
    uint32_t trip_row, trip_of;
    struct { /* bodies that were dead when they came: what they died of, the last ones, and how many */
        uint64_t fp, n;
    } door[8];
};

struct conn {
    uint32_t id;
    char *name;
    uint64_t identity, identity_new;
    bool removed, gone, defined, save, internal;
    bool elsewhere; /* identity_new is not what waits was meant for: IDENTITY, if need be behind a person's pause */
    enum queue_held held;
    char held_text[200];
    int64_t held_at;
    uint64_t try_ns, try_step_ms; /* auth: when one is let through to see */
    bool trying;
    struct target *ring; /* targets that have lanes ready and may run */
    size_t n_ready;
    uint32_t running, n_parked; /* parked: of the running ones, those whose step waits for another's permit */
    struct waiting *first_permit, *last_permit;
    size_t n_permits;
    struct waiting *first_further, *last_further; /* requests more of calls that are out: before all others */
    uint64_t further_ns;                          /* when to look at them again */
    bool further_reserve;                         /* they wait for a block of quota */
    bool permit_next;                             /* permits and targets take turns */
    uint64_t wake_ns;                             /* nothing to try before; 0: try */
    enum queue_held why, why_last;                /* what it waits for, and did last */
    int64_t why_at; /* since when (wall ms) it has waited for that and nothing has gone well */
    struct guard *guard;
    bool has_probe;
    bool reserve, guard_saving; /* a block of quota must be, is being written */
    struct tl_buf guard_before; /* as it was saved, until the configuration has named the budgets */
    uint64_t calls, failed[TL_CLASS_COUNT];
    uint64_t refused_id;     /* since it last took one: which a gateway has refused most often, and ... */
    uint32_t refused;        /* ... how often; 0: none */
    int64_t ok_at, ok_saved; /* wall clock of the last call that succeeded; as it is on disk */
};

/* A permit that is waited for. Lives on the stack of who asked. */
struct waiting {
    struct waiting *prev, *next; /* of its connection */
    struct conn *conn;
    uint64_t until_ns;
};

enum verdict { V_NONE, V_FINAL, V_RETRY, V_DEAD, V_BACK, V_PENDING, V_STALE };
struct member {
    struct lane *lane;
    struct row row; /* as it will be after the commit; of a follower until the outcome: as it was at the start */
    uint8_t verdict;
    bool counted, unknown;
    bool advanced;    /* its lane has gone on already and is not this member's any more */
    bool behind;      /* comes again after all others of its target */
    bool follower;    /* not the head of its lane: the members of a lane stand together, in order (ordered batches) */
    uint8_t from;     /* its state before */
    uint32_t refused; /* so often by a gateway, of one that this used no attempt of */
    uint64_t fp;
    enum tl_class cls;
};
struct work {
    struct queue_work pub;
    struct op op;
    struct queue *q;
    struct work *prev, *next;         /* of the list it is in */
    struct work *out_prev, *out_next; /* all that are out */
    struct target *target;
    struct conn *conn;
    struct member *members;
    bool begun, decided, lazy, expanded, ticket_known;
    bool step_counts;      /* a failure of its last step's call counts as an attempt */
    struct waiting *waits; /* its step waits for a permit */
    const char *wants;     /* or it waits for something that the flow knows */
    struct guard_feedback feedback;
    uint64_t started_ns, call_id;
    int64_t started_ms, ended_ms;
    char *copy, *ticket; /* the outcome's bytes; those of the job */
    struct queue_claim one_claim;
    struct member one_member;
};
struct work_list {
    struct work *first, *last;
    size_t n;
};

/* Where a walk from lane to lane is (line.c). */
struct line_cursor {
    unsigned part;
    int64_t lane;
    size_t at;
};

/* How far queue_rekey has come. */
struct rekey {
    unsigned part;
    int64_t after;
    uint64_t changed, unreadable;
};

struct queue {
    struct queue_options o;
    const struct tl_clock *clock;
    char *dir;
    struct store *db;
    struct store_stmt *sql[SQL_COUNT];
    enum tl_rc txn_rc; /* what made the transaction unusable */
    struct tl_err txn_err;
    bool reading, writing, dead_known;
    bool advanced;         /* by the open transaction: there may be something to hand out before its commit */
    uint64_t first_new_id; /* units from here on are of the transaction that is open */
    unsigned char hash_key[16];

    pthread_t thread;
    bool has_thread, opened;
    _Atomic(struct op *) inbox; /* any thread */
    atomic_bool stop, sleeping, kicked, dispatch_on, fatal, intake_stopped, moved;
    atomic_size_t works_out;
    pthread_mutex_t lock; /* any thread: sleeping and done */
    pthread_cond_t wake, done_cond;

    struct op *kept, **kept_tail;
    uint64_t next_id, id_reserved, epoch;
    struct origin *origins; /* by `first`; not changed after the start */
    size_t n_origins;
    uint64_t full_until_ns, disk_next_ns, disk_free, disk_reserve;
    bool clock_back;    /* sched/clock.c is to look */
    int64_t clock_lead; /* of the wall clock before the other one, ms */
    uint64_t clock_moved;
    bool disk_short;                /* less than the reserve is free */
    uint64_t disk_room, disk_spent; /* free above the reserve when it was looked at last; written since, about */
    uint64_t log_pages;             /* of the store when they were counted into disk_spent last */
    bool full;

    struct flow **flows;
    struct target **targets;
    struct conn **conns;
    size_t n_flows, n_targets, n_conns; /* by id: arrays of n + 1 */
    struct conn internal;
    struct flow *dirty;
    uint64_t config_version;

    struct lane **table;
    size_t table_n, n_lanes;
    struct lane *lane_free;
    void **slabs;
    size_t n_slabs;
    struct lane **heap;
    size_t heap_n, heap_cap;
    size_t cache_used;
    struct lane_bits away; /* lanes whose head waits for its time outside of memory; whole for complete targets */
    struct lane_bits dead; /* lanes that hold a dead delivery, if dead_known */
    struct line_cursor lane_at;
    struct lines *lines; /* line.c */

    struct work *work_free;
    size_t n_work_free;
    struct work_list begins; /* their begin must be committed before they go */
    struct work_list lazy;   /* begin not yet written, already gone; oldest first */
    uint32_t n_wants;        /* of those that are out: wants.c */
    uint64_t lazy_until_ns;  /* those started until then are begun by this transaction */
    uint64_t careful_below;  /* units before this one may have been out at a crash: begun before they go */
    struct work *out;        /* all works that have started */
    struct work_list go;     /* may go now */
    size_t *loop_load;
    uint64_t commits, sync_us_start;
    double sync_us_avg;
    uint64_t sweep_next_ns;
    uint64_t retain_at, retain_low; /* the sweep is here; the next one begins after that */
    int64_t keys_next_ms;
    int64_t idem_at;
    uint64_t keys_until; /* what came before this sweep */
    struct keys *keys;   /* keys.c */
    bool sweeping, events_swept, keys_swept, job_open;
    bool by_lanes;          /* window.c: heads are looked for from lane to lane, from here */
    bool aborts;            /* there may be long jobs to stop */
    uint64_t abort_next_ns; /* not before */
    size_t job_settle_n;
    struct queue__change *changes;
    char job_why[1120]; /* of the ends among them: a person's words, and who it was */

    struct crypto *crypto; /* audit.c, seal.c */

    struct queue__ring *ring; /* seal.c; NULL: nothing is encrypted. Made at the start, then unchanged: any thread */
    struct tl_buf sealed[6];
    unsigned sealed_at;
    struct rekey rekey;

    struct queue_told *told, **told_tail; /* not handed over so far */

    /* feed.c: ids of what changed, for those who watch */
    atomic_uint watchers;
    _Atomic(uint64_t) feed_head;
    _Atomic(uint64_t) feed[FEED_MAX], feed_what[FEED_MAX];
};

/* ---- turn.c ---- */
enum tl_rc queue__call(struct queue *q, struct task *task, struct op *op, struct tl_err *err); /* any thread */
void queue__push(struct queue *q, struct op *op);                                              /* any thread */
void queue__answer(struct queue *q, struct op *chain);
void queue__fatal(struct queue *q, const struct tl_err *err);
void *queue__thread(void *arg);
uint64_t queue__now(const struct queue *q);
int64_t queue__wall(const struct queue *q);
void queue__notice(struct queue *q, const char *what, const struct flow *f, const struct conn *c, const char *text);

/* What people are told, and what is kept: a ledger that has not been configured (the command line without a server)
 * runs nothing, and knows of removals what it was told last. */
static inline bool queue__is_gone(const struct queue *q, bool removed, bool gone)
{
    return q->config_version ? removed : gone;
}

void queue__save_counts(struct queue *q);
void queue__settle_counts(struct queue *q, bool committed);

/* ---- rows.c: statements ---- */
enum tl_rc queue__run(struct queue *q, enum queue_sql sql, const struct store_val *v, size_t n, uint64_t *ret_changed);
/* One row; false: none, or the store failed (txn_rc). Numbers only survive. */
bool queue__one(struct queue *q, enum queue_sql sql, const struct store_val *v, size_t n, struct store_val *row,
                size_t n_row);
bool queue__start(struct queue *q, enum queue_sql sql, const struct store_val *v, size_t n);
bool queue__next(struct queue *q, enum queue_sql sql, struct store_val *row, size_t n_row);
void queue__end(struct queue *q, enum queue_sql sql);
void queue__read_begin(struct queue *q); /* group the reads that follow; ended by the turn */
void queue__read_end(struct queue *q);
bool queue__unit(struct queue *q, uint64_t id, struct row *ret_row);
bool queue__lane_head(struct queue *q, uint64_t lane, struct row *ret_row); /* its lowest live one, blocking ones too */
/* That one's id; `known` to be live need not be looked at. 0: none. */
uint64_t queue__lane_lowest(struct queue *q, uint64_t lane, uint64_t known);
bool queue__lane_after(struct queue *q, uint64_t lane, uint64_t id, struct row *ret_row); /* the next live one */
uint64_t queue__take_id(struct queue *q);
uint64_t queue__lane_hash(uint32_t target, struct tl_sv order_by);
uint64_t queue__own_lane(uint64_t id);
void queue__count(struct queue *q, struct flow *f, unsigned what, int64_t n);
bool queue__load_blob(struct queue *q, struct row *row, struct queue_blob **ret_blob);
/* Payloads into their tables, sealed when the ledger is encrypted. upload: whose chunks are the body, 0: none. */
void queue__add_body(struct queue *q, uint64_t event, uint64_t upload, struct tl_sv order_by, struct tl_sv meta,
                     struct tl_sv body);
void queue__add_chunk(struct queue *q, uint64_t id, struct tl_sv bytes);
void queue__add_edit(struct queue *q, uint64_t unit, uint32_t rev, int64_t at, struct store_val who, struct tl_sv body);
/* What steps made for a delivery of several: its body, and beside it what they found out. */
void queue__add_own(struct queue *q, uint64_t unit, int64_t at, struct tl_sv body, struct tl_sv vars);
struct queue_blob *queue__blob_new(struct tl_sv meta, struct tl_sv body, struct tl_sv order_by,
                                   struct tl_sv vars); /* any thread */
void queue__blob_unref(struct queue_blob *b);          /* NULL allowed; any thread */
#define VALS(...)                                                                                                      \
    ((struct store_val[]){__VA_ARGS__}), sizeof((struct store_val[]){__VA_ARGS__}) / sizeof(struct store_val)
#define RUN(q, name, ...) queue__run((q), SQL_##name, VALS(__VA_ARGS__), NULL)

void queue__spoil(struct queue *q, enum tl_rc rc, const struct tl_err *err); /* the transaction is unusable */

/* ---- seal.c: what is encrypted at rest ---- */
#define SEALED_MAX (80u << 20)
/* Kept on disk (bound into what is sealed): never change these. */
enum place_kind {
    PLACE_ORDER = 'o',
    PLACE_META = 'm',
    PLACE_BODY = 'd', /* more: the upload whose chunks belong to it, else 0 */
    PLACE_CHUNK = 'c',
    PLACE_EDIT = 'e', /* id: unit; more: revision */
    PLACE_TRIED = 't',
    PLACE_ANSWER = 'a',
    PLACE_ASKED = 's',
    PLACE_PAIRS = 'x',
    PLACE_VARS = 'r', /* id: unit */
    PLACE_TICKET = 'k',
    PLACE_WHY = 'w', /* unit.text */
    PLACE_CALL = 'l',
    PLACE_FLOW = 'f',
    PLACE_CONNECTION = 'n',
    PLACE_KV = 'v',
    PLACE_POSITION = 'p',
    PLACE_KEY = 'K'
};
struct place {
    enum place_kind kind;
    uint64_t id, more;
    struct tl_sv name, name2;
};
#define PLACE(k, ...) ((struct place){.kind = PLACE_##k, __VA_ARGS__})
/* Columns with a key_id hold its number (0: as it is); texts without one are a BLOB when they are sealed. */
struct store_val queue__key_id(const struct queue *q);
/* For a statement's parameter: sealed when the ledger is encrypted. Lives until six more have been sealed or opened. */
struct store_val queue__seal(struct queue *q, struct place p, struct store_val plain);
/* *ret: in `out`, or `in` itself when it is not sealed. ring NULL: not encrypted. Any thread. */
enum tl_rc queue__unseal(const struct queue__ring *ring, struct place p, bool sealed, struct tl_sv in,
                         struct tl_buf *out, struct tl_sv *ret, struct tl_err *err);
/* The ledger thread's; lives as queue__seal's does. False: it does not open, which has been said; *ret is empty. */
bool queue__open_val(struct queue *q, struct place p, bool sealed, struct tl_sv in, struct tl_sv *ret);
enum tl_rc queue__load_keys(struct queue *q, struct tl_err *err); /* in the transaction of the start, before all else */
void queue__free_keys(struct queue *q);

/* ---- kv.c ---- */
enum tl_rc queue__kv_set(struct queue *q, struct tl_sv key, struct tl_sv value);
bool queue__kv_get(struct queue *q, struct tl_sv key, struct tl_buf *out); /* false: there is none */

/* ---- lane.c ---- */
struct lane *queue__lane_find(struct queue *q, uint64_t hash);
struct lane *queue__lane_new(struct queue *q, struct target *t, uint64_t hash);
void queue__lane_free(struct queue *q, struct lane *l);
void queue__lane_ready(struct queue *q, struct lane *l, bool front);
void queue__lane_due(struct queue *q, struct lane *l, uint64_t due_ns);
void queue__lane_out(struct queue *q, struct lane *l);    /* from READY */
void queue__lane_unwait(struct queue *q, struct lane *l); /* out of the list or heap it is in */
struct lane *queue__due_top(struct queue *q);
void queue__ring_update(struct queue *q, struct target *t); /* after a change of hold, removal or ready lanes */
/* ---- keys.c: idempotency keys. In a transaction, but for load, settle and free ---- */
struct queue__key {               /* as the rows of idem_new have it */
    uint64_t k1, k2, event, body; /* event 0: released. body: its hash */
    int64_t at;                   /* wall ms */
};
/* True: it is the event's now, if the transaction commits. False: ret_owner says whose (event, body). */
bool queue__key_claim(struct queue *q, const struct queue__key *key, struct queue__key *ret_owner);
void queue__key_release(struct queue *q, uint64_t k1, uint64_t k2, uint64_t event); /* if the event has it */
void queue__keys_save(struct queue *q); /* after the last change; and some earlier ones to their place in `idem` */
/* A step of about n for the keys of events before `until`; true: they all are in `idem`. */
bool queue__keys_move_all(struct queue *q, size_t n, uint64_t until);
void queue__keys_settle(struct queue *q, bool committed); /* after every transaction */
void queue__keys_load(struct queue *q);                   /* at the start, in its transaction */
void queue__keys_free(struct queue *q);
/* The keys in a row of idem_new, one after another; *at is 0 at first. */
bool queue__key_next(struct tl_sv row, size_t *at, struct queue__key *ret_key);

/* ---- line.c: which live deliveries stand in each lane. In a transaction, but for next, lane, stale, load, settle and
 * free. Of keyed ones only: one without a key stands alone. ---- */
void queue__line_add(struct queue *q, uint64_t lane, uint64_t id);  /* it is live now */
void queue__line_keep(struct queue *q, uint64_t lane, uint64_t id); /* it is dead and blocks its lane */
void queue__line_end(struct queue *q, uint64_t lane, uint64_t id);  /* it does not stand there any more */
/* The lowest behind `after`; 0: none. A crash leaves some that have ended: look at the unit, and if it is not live and
 * all before it were not either, say so (stale). queue__lane_head and queue__lane_after do. */
uint64_t queue__line_next(struct queue *q, uint64_t lane, uint64_t after);
void queue__line_stale(struct queue *q, uint64_t lane, uint64_t id);
/* Lane after lane, beginning with {.lane = INT64_MIN}; false: that was the last. What changes meanwhile may be missed.
 */
bool queue__line_lane(struct queue *q, struct line_cursor *c, uint64_t *ret_lane);
void queue__lines_save(struct queue *q); /* after the last change; and some earlier ones to their place in `line` */
void queue__lines_settle(struct queue *q, bool committed); /* after every transaction */
void queue__lines_load(struct queue *q);                   /* at the start, in its transaction, after the names */
void queue__lines_free(struct queue *q);

/* ---- put.c ---- */
/* Where an event of this key begins: its steps, or the only target. NULL: the flow has neither. */
struct target *queue__entry(struct queue *q, struct flow *f, struct tl_sv order_by);
void queue__key_hash(const unsigned char hash_key[16], struct tl_sv source, struct tl_sv key, uint64_t *ret_k1,
                     uint64_t *ret_k2);

/* ---- dead.c ---- */
enum tl_rc queue__bulk_filter(const struct queue_filter *f, struct tl_err *err); /* TL_UNSUPPORTED: for lists only */

/* ---- told.c: after the commit ---- */
void queue__tell_attempt(struct queue *q, const struct work *w, size_t i);
/* An end without an attempt, or of the steps; reason may be empty. */
void queue__tell_end(struct queue *q, const struct row *row, enum queue_state to, enum tl_class cls,
                     struct tl_sv reason, const struct queue_work *work);
void queue__tell_out(struct queue *q); /* what has come together goes to its receiver */

/* ---- feed.c ---- */
void queue__feed(struct queue *q, uint64_t id, uint32_t flow, unsigned state); /* after the commit */

/* ---- lane.c, the blobs ---- */
void queue__lane_blob(struct queue *q, struct lane *l, struct queue_blob *blob); /* takes it; NULL: drop */

/* The bits: see struct lane_bits. */
void queue__load_dead_lanes(struct queue *q); /* in a transaction, after the counters */
void queue__note_dead(struct queue *q, const struct row *row);
bool queue__may_hold_dead(const struct queue *q, uint64_t lane);
void queue__note_away(struct queue *q, const struct row *row);
bool queue__may_be_away(const struct queue *q, uint64_t lane); /* of a complete target */
void queue__bits_tidy(struct queue *q);                        /* forget what no flow can hold any more */

/* ---- window.c ---- */
void queue__arrive(struct queue *q, const struct row *row,
                   struct queue_blob *blob); /* takes a reference if it keeps it */
void queue__lane_next(struct queue *q,
                      struct lane *l); /* its head is final, dead or far off: the next one, or free it */
/* In the transaction, its head is done in it: to the next one, if that is on disk already. False: as before. */
bool queue__lane_go_on(struct queue *q, struct lane *l);
void queue__place(struct queue *q, struct lane *l);    /* by state and next_at: ready, due, or away */
void queue__rescan(struct queue *q, struct target *t); /* look at all its live rows again */
void queue__flush(struct queue *q, struct target *t);  /* forget its waiting lanes */
bool queue__fill(struct queue *q);                     /* due and ready heads from disk, within the caps */
struct target *queue__target(struct queue *q, uint32_t id);
struct flow *queue__flow(struct queue *q, uint32_t id);
struct conn *queue__conn(struct queue *q, uint32_t id);

/* ---- dispatch.c ---- */
void queue__schedule(struct queue *q);
uint64_t queue__next_wake(struct queue *q); /* mono ns; UINT64_MAX: nothing to wait for */
void queue__hand_out(struct queue *q);
enum tl_rc queue__write_begins(struct queue *q);
void queue__begins_written(struct queue *q);
bool queue__lazy_due(const struct queue *q);
void queue__wants_end(struct queue *q, struct work *w);
void queue__list_remove(struct work_list *list, struct work *w);
void queue__list_add(struct work_list *list, struct work *w);
struct work *queue__work_new(struct queue *q, size_t n);
void queue__work_start(struct queue *q, struct work *w, struct conn *c, bool probe);
void queue__send_out(struct queue *q, struct work *w);
void queue__work_free(struct queue *q, struct work *w);

/* ---- permit.c ---- */
void queue__permit_grant(struct queue *q, struct conn *c,
                         bool probe);                      /* to the first that waits; the gate has agreed */
void queue__permit_ready(struct queue *q, struct work *w); /* its begin is on disk */
void queue__permits_expire(struct queue *q, struct conn *c, bool draining);
uint64_t queue__permits_wake(const struct conn *c); /* mono ns of the next that gives up */
/* Those that budgets allow go on; with `ends` nobody waits on. */
void queue__furthers_serve(struct queue *q, struct conn *c, bool ends);
TL_MUST_CHECK enum tl_rc queue__further_take(struct queue *q, struct task *task, struct queue_permit *permit,
                                             struct tl_err *err);

/* ---- xref.c ---- */
void queue__xref_write(struct queue *q, const struct queue_xref *x, int64_t now); /* in the transaction */

/* ---- errand.c: works that carry no delivery ---- */
void queue__probe(struct queue *q, struct conn *c); /* its permit is taken */
void queue__start_aborts(struct queue *q);
void queue__errand_apply(struct queue *q, struct work *w);
void queue__errand_settle(struct queue *q, struct work *w);
bool queue__is_errand(const struct work *w);

/* ---- outcome.c ---- */
void queue__add_ticket(struct queue *q, uint64_t id, uint32_t target, bool abort, struct tl_sv ticket);
void queue__take_ticket(struct queue *q, struct work *w, bool sealed, struct tl_sv data);
void queue__unit_done(struct queue *q, const struct row *row, enum queue_state from,
                      enum queue_state to); /* counters, parent */
void queue__recover(struct queue *q);       /* attempts cut off by the last crash; inside a transaction */
uint64_t queue__fingerprint(enum tl_class cls, uint32_t status, enum tl_rc rc, struct tl_sv text);

/* ---- refused.c: what a gateway answers while nothing goes through ---- */
static inline bool queue__is_gateway(uint32_t status)
{
    return status >= 502 && status <= 504;
}
/* In the transaction. Its last attempt before this one failed without being counted, and its target has taken another
 * one since. */
bool queue__went_since(struct queue *q, const struct target *t, const struct row *r);
void queue__refused_count(struct queue *q, struct member *m,
                          const struct queue_outcome *o);         /* its attempt is written */
void queue__refused_note(struct conn *c, const struct member *m); /* after the commit */
/* Why it waits, where it has words for that. */
void queue__conn_words(struct queue *q, struct conn *c, enum queue_held held, char *ret, size_t n);

/* ---- hold.c ---- */
void queue__hold_flow(struct queue *q, struct flow *f, enum queue_held why, uint64_t fp, const char *text);
void queue__hold_conn_auth(struct queue *q, struct conn *c, const char *text, uint32_t retry_after_ms); /* 0: unknown */
void queue__hold_conn(struct queue *q, struct conn *c, enum queue_held why, const char *text);
void queue__hold_identity(struct queue *q, struct conn *c, bool elsewhere); /* beside a pause, not instead of it */
/* What waits in its targets goes to where they lead now. False: that was so already. */
bool queue__accept_targets(struct queue *q, struct flow *f);
void queue__free_flow(struct queue *q, struct flow *f);
void queue__free_conn(struct queue *q, struct conn *c);
void queue__trip_note(struct queue *q, struct target *t, uint64_t fp, const char *text); /* fp 0: a success */
/* One was dead when it came. It holds nothing: what others send may be good. The first of a cause is told, then each
 * time that there are ten times as many. */
void queue__door_note(struct queue *q, struct flow *f, uint64_t fp, const char *text);
enum tl_rc queue__save_holds(struct queue *q);
bool queue__holds_waiting(const struct queue *q);
void queue__holds_saved(struct queue *q);
void queue__try_held(struct queue *q); /* let one through where a hold ends by itself */

/* ---- hold_one.c: one delivery that a person holds; in the transaction ---- */
TL_MUST_CHECK enum tl_rc queue__hold_one(struct queue *q, const struct row *r, struct tl_sv by, struct tl_sv reason,
                                         struct tl_err *err);
TL_MUST_CHECK enum tl_rc queue__release_one(struct queue *q, const struct row *r, struct tl_err *err);
void queue__held_gone(struct queue *q, const struct row *r); /* it has ended: forget that it was held */
void queue__load_held(struct queue *q);                      /* at the start, after the counters */
struct tl_sv queue__held_key(uint64_t id, char buf[32]);
/* What is kept of it: the views are of `value`. */
void queue__held_read(struct tl_sv value, int64_t *ret_at_ms, struct tl_sv *ret_by, struct tl_sv *ret_reason);

/* ---- config.c ---- */
enum tl_rc queue__load_names(struct queue *q, struct tl_err *err);
void queue__free_names(struct queue *q);

/* ---- gate.c: the guard of a connection ---- */
/* May one more call start? false: not before *ret_wake_ns (UINT64_MAX: when something ends), for the reason. */
bool queue__gate_take(struct queue *q, struct conn *c, uint64_t *ret_wake_ns, enum queue_held *ret_why,
                      bool *ret_probe);
void queue__gate_give(struct queue *q, struct work *w, enum tl_rc worst, bool not_sent);
bool queue__gate_closed(const struct conn *c); /* the breaker lets everything through */
void queue__gates_save(struct queue *q);
void queue__gates_saved(struct queue *q);
bool queue__gates_waiting(const struct queue *q);
void queue__gate_load(struct queue *q, struct conn *c);
void queue__gate_set(struct queue *q, struct conn *c, const struct guard_conf *conf);

/* ---- sched/clock.c ---- */
void queue__clock_check(struct queue *q);             /* now and then: was it set back? Then clock_back */
bool queue__clock_step(struct queue *q);              /* in a transaction; true: there may be more */
void queue__clock_settle(struct queue *q, bool more); /* after it */

/* ---- retain.c ---- */
bool queue__upkeep(
    struct queue *q); /* one small step of sweeping or of a job, in its own transaction; true: there is more */
bool queue__disk_due(struct queue *q); /* is it time for the next one? Once a turn */
void queue__disk_check(struct queue *q);
enum { DISK_TIMES = 2 }; /* what is stored is written into the log and then into the file */
void queue__retain_from(struct queue *q, uint64_t id); /* it is final now: the sweep may have passed it */

/* ---- job.c ---- */
void queue__load_jobs(struct queue *q);
void queue__load_origins(struct queue *q); /* origin.c: in the transaction of the start */
bool queue__job_step(struct queue *q);     /* in a transaction */
void queue__job_settle(struct queue *q);

#endif
