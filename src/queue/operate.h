/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operate.h - what people do with the ledger: look, pause, replay, edit, discard, move. The run path is queue/queue.h.
 *
 * Looking never disturbs the ledger thread: a reader has its own read-only connection and short transactions, pages by
 * cursor and reads by index or over a bounded stretch of ids. A reader belongs to one thread at a time and blocks: from
 * a loop call it inside task_blocking or on the main stack. Acting goes through the ledger thread, like everything that
 * writes.
 */
#ifndef TL_QUEUE_OPERATE_H
#define TL_QUEUE_OPERATE_H

#include "queue/queue.h"

/* ---- live figures, kept by the ledger thread; any thread, a consistent copy ---- */
enum queue_held { /* why the oldest waiting delivery waits */
                  QUEUE_HELD_NONE,
                  QUEUE_HELD_FLOW_PAUSED,
                  QUEUE_HELD_FLOW_TRIPPED,
                  QUEUE_HELD_FLOW_CONFIG,
                  QUEUE_HELD_FLOW_REMOVED,
                  QUEUE_HELD_CONNECTION_PAUSED,
                  QUEUE_HELD_CONNECTION_AUTH,
                  QUEUE_HELD_IDENTITY,
                  QUEUE_HELD_BREAKER,
                  QUEUE_HELD_RATE,
                  QUEUE_HELD_QUOTA,
                  QUEUE_HELD_CONCURRENCY,
                  QUEUE_HELD_BACKOFF,
                  QUEUE_HELD_KEY_BLOCKED,
                  QUEUE_HELD_BEHIND,
                  QUEUE_HELD_DISK,
                  QUEUE_HELD_DRAINING,
                  QUEUE_HELD_TARGET_CHANGED,
                  QUEUE_HELD_EVENT /* a person holds this one */
};
const char *queue_held_name(enum queue_held h); /* "flow_paused" */

struct queue_flow_stat {
    uint32_t id;
    char name[128];
    uint64_t count[QUEUE_STATE_MAX]; /* by state on disk, RUNNING, and HELD: of those that wait, so many a person holds;
                                        deliveries, plus events whose steps have not run */
    uint64_t events, duplicates, other_body, no_key; /* since the ledger was made */
    uint64_t attempts, retries;
    uint64_t failed[TL_CLASS_COUNT];
    /* since the process began: deliveries that became dead (also those replayed meanwhile), by class; good ends */
    uint64_t died, died_of[TL_CLASS_COUNT], delivered, skipped;
    enum queue_held held; /* of the flow as a whole; QUEUE_HELD_NONE: it flows */
    char held_text[200];
    int64_t held_since_ms;
    uint64_t trip_fingerprint;
    size_t in_window;
    bool removed;
};
struct queue_connection_stat {
    uint32_t id;
    char name[128];
    enum queue_held held;
    char held_text[200];
    int64_t held_since_ms;
    int64_t next_ms; /* BREAKER, RATE, QUOTA: wall clock at which one is tried again, to the second; 0: not known, or
                        soon */
    uint64_t waiting, running; /* lane heads in memory */
    uint64_t calls, failed[TL_CLASS_COUNT];
    int64_t last_ok_ms; /* when a call last succeeded; 0: never. Of an earlier run: to a minute */
    uint64_t
        drain_ms; /* for what waits, at the tightest limit; of what is held: once it goes on. UINT64_MAX: unknown */
    char drain_reason[80]; /* that limit, or "disk" */
    char breaker[16];
    uint32_t concurrency; /* calls at once that are allowed now */
    struct queue_budget_stat {
        char name[GUARD_NAME];
        double amount, used, remaining; /* of the window; a bucket's level is `remaining` */
        int64_t resets_ms;              /* wall clock; 0: continuous */
    } budgets[GUARD_MAX_BUDGETS];
    size_t n_budgets;
    bool removed;
};
struct queue_target_name { /* also of one that the configuration has no longer */
    uint32_t id, flow;
    const char *name;
    const char *connection; /* that what waits in it was meant for, or to which it led last; NULL: not known */
};
struct queue_stat {
    uint64_t live, works_out, commits, sync_us_start, sync_us_avg, wal_pages, disk_free, disk_reserve;
    size_t in_window, due_in_memory;
    bool intake_stopped, dispatch_stopped, fatal;
    bool moved; /* its files are not in their place: why intake is stopped, if it is not the disk */
    uint64_t config_version;
    struct queue_flow_stat *flows;
    size_t n_flows;
    struct queue_connection_stat *connections;
    size_t n_connections;
    struct queue_target_name *targets;
    size_t n_targets;
};
/* Everything is allocated in the arena. */
TL_MUST_CHECK enum tl_rc queue_stats(struct queue *q, struct task *task, struct tl_arena *arena,
                                     struct queue_stat *ret_stat, struct tl_err *err);

/* ---- looking ---- */
struct queue_reader;
TL_MUST_CHECK enum tl_rc queue_reader_open(struct queue *q, struct queue_reader **ret_reader, struct tl_err *err);
void queue_reader_close(struct queue_reader *r);

struct queue_filter {
    uint32_t flow; /* 0: all */
    /* On disk, without those that a person holds; HELD: those; NONE: all (plans: but those that a person holds). */
    enum queue_state state;
    enum tl_class cls;         /* of dead ones; NONE: all */
    uint64_t fingerprint;      /* of dead ones; 0: all */
    int64_t from_ms, until_ms; /* received; 0: open */
    uint64_t event;            /* this event and its deliveries; 0: all */
    const uint64_t *ids;       /* these deliveries only */
    size_t n_ids;
    /* Of lists only: plans and jobs refuse them (TL_UNSUPPORTED). */
    const uint32_t *targets; /* one of these; n 0: all */
    size_t n_targets;
    struct tl_sv key;   /* ordering key; .p NULL: all */
    struct tl_sv error; /* in the reason; case ignored */
    struct tl_sv text;  /* in the payload as it came, where it is stored with its event; or what this says of it: */
    bool (*has_text)(void *arg, struct tl_sv body, struct tl_sv text); /* on the reader's thread; NULL: it is in it */
    void *has_text_arg;
    bool details;       /* fill key, status and latency of the rows */
    uint32_t budget_ms; /* where no index leads to them: look for so long; 0: at 20,000 ids */
};
struct queue_row {
    uint64_t delivery, event;
    uint32_t flow, target, item, revision, attempts, attempts_used;
    enum queue_state state; /* on disk; for an event with deliveries of its own: derived from them */
    bool expanded, blocks;
    int64_t received_ms, updated_ms, next_at_ms;
    uint64_t fingerprint, cause, replay_of, bytes;
    enum tl_class cls;
    enum tl_rc rc;
    char text[402];
    bool job;                    /* a long job over there goes on: text names it, updated_ms: asked last */
    bool done_at_once;           /* at the first attempt: status and latency are known without looking */
    uint32_t refused;            /* so many attempts were answered with 502 to 504; of one that waits */
    uint32_t status, latency_ms; /* of the last attempt, and ... */
    struct tl_sv key;            /* ... the first 200 bytes of the ordering key, where `details` were asked for */
    /* of one that waits */
    bool keyed, superseded, unknown; /* unknown: an attempt of it has an unknown outcome */
    uint64_t lane, ahead; /* ahead: lowest live delivery of its lane if that is another one, 0: this is the head */
    bool ahead_dead;      /* that one is dead and blocks the lane */
    bool ahead_held;      /* that one a person holds */
    bool running;         /* filled by queue_why, and ... */
    enum queue_held held; /* ... why it waits; NONE: it does not, or it is about to start */
    char held_text[200];  /* in words, where the flow or connection has a reason of its own */
    char held_by[100];    /* EVENT: who holds it, why (held_text), ... */
    int64_t held_at_ms;   /* ... and since when */
};
struct queue_page {
    struct queue_row *rows; /* in the arena, newest first */
    size_t n;
    uint64_t cursor;   /* give it back for the next page */
    bool more;         /* may be true with few or no rows: a page looks at a bounded number of ids */
    size_t looked;     /* rows looked at */
    int64_t looked_ms; /* more: everything received after this was looked at */
};
TL_MUST_CHECK enum tl_rc queue_list(struct queue_reader *r, struct tl_arena *arena, const struct queue_filter *filter,
                                    uint64_t cursor, size_t limit, struct queue_page *ret_page, struct tl_err *err);

/* Why each of these rows waits, as far as only the ledger thread knows; the first reason that would have to go: flow,
 * connection, the one ahead, its own time, the disk, the connection's limits. Rows that have ended are left alone. */
TL_MUST_CHECK enum tl_rc queue_why(struct queue *q, struct task *task, struct queue_row *rows, size_t n,
                                   struct tl_err *err);

/* The event that came with this idempotency key. TL_NOT_FOUND: none, or the key is no longer kept. */
TL_MUST_CHECK enum tl_rc queue_find_key(struct queue_reader *r, struct tl_sv source, struct tl_sv key,
                                        uint64_t *ret_event, struct tl_err *err);

/* ---- what changes, as it changes: a ring of the last ids, for whoever shows them live; any thread ---- */
/* While anybody watches (calls of watch with true and false are counted) the ledger notes each event and delivery that
 * came, moved or ended, after its commit. It costs a store a change; nothing when nobody watches. */
void queue_watch(struct queue *q, bool on);
struct queue_change {
    uint64_t id; /* event or delivery */
    uint32_t flow;
    enum queue_state state; /* then; read the row for what it is now */
};
/* Noted since *cursor (0: from now), oldest first, at most max; an id may come again. *ret_missed: noted and
 * overwritten before you came. Moves the cursor. */
size_t queue_changes(struct queue *q, uint64_t *cursor, struct queue_change *changes, size_t max, uint64_t *ret_missed);

struct queue_attempt_row {
    uint32_t number, status, latency_ms;
    uint64_t epoch, call; /* call: shared by the members of a batch, 0: none */
    uint32_t call_members;
    int64_t started_ms, ended_ms; /* ended 0: running, or cut off */
    enum queue_end end;
    bool counted, unknown;
    enum tl_class cls;
    enum tl_rc rc;
    struct tl_sv text, answer, asked, pairs; /* asked: JSON, what its steps asked other systems; pairs: likewise, the
                                                cross-references that it wrote */
};
struct queue_wrote {
    uint64_t delivery;
    uint32_t attempt;
    struct tl_sv pairs;
};
struct queue_detail {
    struct queue_row row;
    struct queue_attempt_row *attempts;
    size_t n_attempts;
    struct queue_row *deliveries; /* of an event that has its own */
    size_t n_deliveries;
    struct queue_wrote *wrote; /* the cross-references of those deliveries, at most 200 */
    size_t n_wrote;
    struct tl_sv meta, body, original_body; /* body: newest revision; only when asked for and at most max_body */
    bool own_body;                          /* that is not its event's: what its steps made, or a person */
    struct tl_sv order_by, ticket, vars;    /* vars: queue_delivery_def.vars */
};
TL_MUST_CHECK enum tl_rc queue_show(struct queue_reader *r, struct tl_arena *arena, uint64_t delivery, size_t max_body,
                                    struct queue_detail *ret_detail, struct tl_err *err); /* TL_NOT_FOUND */
/* The whole body, chunk by chunk. */
TL_MUST_CHECK enum tl_rc queue_read_body(struct queue_reader *r, uint64_t delivery, bool original,
                                         struct tl_buf *ret_body, struct tl_err *err);

/* What people say of a cause of death. */
enum queue_group_state { QUEUE_GROUP_OPEN, QUEUE_GROUP_ACKNOWLEDGED, QUEUE_GROUP_IGNORED, QUEUE_GROUP_RESOLVED };
const char *queue_group_state_name(enum queue_group_state s);
bool queue_group_state_parse(struct tl_sv word, enum queue_group_state *ret);
struct queue_group {
    uint32_t flow;
    uint64_t fingerprint, count, first, last; /* deliveries */
    bool more;                                /* there are more than `count` */
    int64_t first_ms, last_ms;                /* when those died */
    enum tl_class cls;
    enum tl_rc rc;
    char text[402];
    enum queue_group_state state;
    bool again; /* it was resolved, and then one more died of it: open again */
    struct tl_sv owner, note, by;
    int64_t marked_ms; /* 0: nobody has said anything */
};
/* Dead deliveries by flow and fingerprint, the largest groups first. Counts stop at 10,000 a group. */
struct queue_group_query {
    uint32_t flow;                       /* 0: all */
    const enum queue_group_state *state; /* NULL: all */
    size_t limit;                        /* of those in that state */
};
/* *ret_more: how many more there are; at least, where there are thousands. */
TL_MUST_CHECK enum tl_rc queue_dead_groups(struct queue_reader *r, struct tl_arena *arena,
                                           const struct queue_group_query *query, struct queue_group **ret_groups,
                                           size_t *ret_n, size_t *ret_more, struct tl_err *err);
struct queue_mark {
    uint32_t flow;
    uint64_t fingerprint;
    enum queue_group_state state;
    struct tl_sv owner, note, by;
};
TL_MUST_CHECK enum tl_rc queue_mark_group(struct queue *q, struct task *task, const struct queue_mark *mark,
                                          struct tl_err *err);
TL_MUST_CHECK enum tl_rc queue_oldest(struct queue_reader *r, uint32_t flow, int64_t *ret_received_ms,
                                      struct tl_err *err); /* of live ones; TL_NOT_FOUND: none */

/* ---- acting on one thing ---- */
/* Resuming takes away what is shown, one thing at a time: a person's pause, and only a second time what was held behind
 * it. Of a connection also refused credentials and (accepting it) another identity; of a flow a trip and (accepting it)
 * a target that leads to another system. */
TL_MUST_CHECK enum tl_rc queue_pause_flow(struct queue *q, struct task *task, uint32_t flow, struct tl_sv why,
                                          struct tl_err *err);
TL_MUST_CHECK enum tl_rc queue_resume_flow(struct queue *q, struct task *task, uint32_t flow, struct tl_err *err);
TL_MUST_CHECK enum tl_rc queue_pause_connection(struct queue *q, struct task *task, uint32_t connection,
                                                struct tl_sv why, struct tl_err *err);
TL_MUST_CHECK enum tl_rc queue_resume_connection(struct queue *q, struct task *task, uint32_t connection,
                                                 struct tl_err *err);
/* Next of its flow, within its lane's rules. TL_CONFLICT: not the head of its lane (err says what is ahead). */
TL_MUST_CHECK enum tl_rc queue_promote(struct queue *q, struct task *task, uint64_t delivery, struct tl_err *err);
/* A new revision of what will be sent; the original stays. Of dead deliveries, and of those that a person holds. */
TL_MUST_CHECK enum tl_rc queue_edit(struct queue *q, struct task *task, uint64_t delivery, struct tl_sv body,
                                    struct tl_sv by, uint32_t *ret_revision, struct tl_err *err);

/* ---- acting on many: plan, confirm, job ---- */
/* HOLD: one that waits is not handed out, nor what stands behind it in its lane, until RELEASE; it can be cancelled,
 * discarded and moved, and stays held where it goes. One that runs just now is refused. */
enum queue_action { QUEUE_REPLAY, QUEUE_CANCEL, QUEUE_DISCARD, QUEUE_MOVE, QUEUE_HOLD, QUEUE_RELEASE };
#define QUEUE_HELD_MOST 10000 /* at once: for more there is the flow's pause */
struct queue_plan {
    enum queue_action action;
    struct queue_filter filter;
    /* MOVE. Within its own flow one of an event's several deliveries goes to another target, if the flow has its own no
     * longer. Name 0 where the flow has only one. */
    uint32_t to_flow, to_target;
    bool include_superseded; /* REPLAY: also where the lane has gone on meanwhile */
    struct tl_sv by, reason; /* kept with the job */
    /* counted by queue_plan */
    uint64_t matching, superseded, unknown_outcome, running, final; /* final: replay makes new events */
    uint64_t behind;  /* HOLD: others that would wait behind them, of the same keys */
    bool behind_more; /* ... at least */
    uint64_t last_id; /* a job touches nothing younger */
    /* Counting in slices: so long at a time (0: to the end), beginning here ({0}: at the beginning). After it, `more`
     * and where the next one begins; the counts are of the slice. */
    uint32_t budget_ms;
    struct queue_plan_at {
        uint32_t part;
        uint64_t cursor;
    } at;
    bool more;
};
/* Count what the action would touch: where the filter names no state, event or ids, what it can do something about
 * (cancel and move: what waits; discard: the dead too), and a job leaves the rest alone. Of what waits, what a person
 * holds is left alone unless it is named. Blocks; any thread. */
TL_MUST_CHECK enum tl_rc queue_plan(struct queue_reader *r, struct queue_plan *plan, struct tl_err *err);
/* What a filter without a state, an event or ids stands for: what the action can do something about. */
bool queue_acts_on(const struct queue_plan *p, enum queue_state state);
struct queue_job {
    uint64_t id, total, looked, done, refused;
    bool ended, cancelled;
    struct tl_err first_refusal;
};
struct queue_job_row { /* of the list */
    struct queue_job job;
    struct queue_plan plan; /* by and reason included; ids are not: `chosen` says that there were some */
    bool chosen;
    int64_t at_ms; /* 0: made by an older version */
};
/* Newest first, with ids below `before` (0: all). */
TL_MUST_CHECK enum tl_rc queue_jobs(struct queue_reader *r, struct tl_arena *arena, uint64_t before, size_t limit,
                                    struct queue_job_row **ret_rows, size_t *ret_n, struct tl_err *err);
/* Start it; runs in small steps between other work, and goes on after a restart. */
TL_MUST_CHECK enum tl_rc queue_job_start(struct queue *q, struct task *task, const struct queue_plan *plan,
                                         uint64_t *ret_job, struct tl_err *err);
TL_MUST_CHECK enum tl_rc queue_job_get(struct queue *q, struct task *task, uint64_t job, struct queue_job *ret_job,
                                       struct tl_err *err);
TL_MUST_CHECK enum tl_rc queue_job_cancel(struct queue *q, struct task *task, uint64_t job, struct tl_err *err);

/* ---- what people did ---- */
#define QUEUE_AUDIT_HASH 32
struct queue_audit {
    uint64_t id;
    int64_t at_ms;
    struct tl_sv who, role, how, origin, action, subject, reason, detail;
    uint8_t hash[QUEUE_AUDIT_HASH]; /* SHA-256 of the entry before's hash and this entry */
};
/* Append; suspends until it is on disk. at_ms, id and hash are filled. TL_LIMIT: a text over 4,000 bytes. */
TL_MUST_CHECK enum tl_rc queue_audit(struct queue *q, struct task *task, struct queue_audit *entry, struct tl_err *err);
/* Newest first, with ids below `before` (0: all). */
TL_MUST_CHECK enum tl_rc queue_audit_list(struct queue_reader *r, struct tl_arena *arena, uint64_t before, size_t limit,
                                          struct queue_audit **ret_entries, size_t *ret_n, struct tl_err *err);
/* Calculate the whole chain again. *ret_bad: the first entry that does not follow from the one before it, 0: none.
 * *ret_last: the newest. Blocks, for long when there are many. */
TL_MUST_CHECK enum tl_rc queue_audit_verify(struct queue_reader *r, uint64_t *ret_n, uint64_t *ret_bad,
                                            struct queue_audit *ret_last, struct tl_err *err);

/* ---- cross-references ---- */
struct queue_xref_row {
    uint64_t id;
    struct queue_xref xref; /* the arena's; mark: of the last write of ours, empty: none is known */
    int64_t at_ms;
};
struct queue_xref_page {
    struct tl_sv model, connection, id; /* empty: all; connection and id may be of either side */
    uint64_t before;                    /* row ids below it; 0: all */
    size_t limit;
    /* out: newest first, the arena's */
    struct queue_xref_row *rows;
    size_t n;
    uint64_t next; /* `before` of the page after, 0: this was the last. A page looks at a bounded number of rows: it may
                      have few or none and yet a next one, unless an id was given */
};
TL_MUST_CHECK enum tl_rc queue_xref_list(struct queue_reader *r, struct tl_arena *arena, struct queue_xref_page *page,
                                         struct tl_err *err);
/* All that is known of this record: its pairs and marks. */
TL_MUST_CHECK enum tl_rc queue_xref_forget(struct queue *q, struct task *task, struct tl_sv model,
                                           struct tl_sv connection, struct tl_sv id, uint64_t *ret_n,
                                           struct tl_err *err);

/* A consistent copy for other tools. Blocks; any thread; the ledger goes on. TL_EXISTS: the file is there. */
TL_MUST_CHECK enum tl_rc queue_snapshot(struct queue_reader *r, const char *path, struct tl_err *err);

/* Move what is on disk under the newest key (queue_options.keys; plain rows too), a step at a time: call it until done.
 * Then older keys are needed no longer, but for rows that do not open: they stay as they are and are counted. Restarts
 * from the beginning after a crash. TL_CONFLICT: the ledger is not encrypted. */
struct queue_rekey {
    uint64_t changed, unreadable; /* rows, since the beginning */
    bool done;
};
TL_MUST_CHECK enum tl_rc queue_rekey(struct queue *q, struct task *task, struct queue_rekey *ret, struct tl_err *err);

#endif
