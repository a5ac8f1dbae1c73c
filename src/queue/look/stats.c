/* SPDX-License-Identifier: Apache-2.0 */
/* Live figures, copied by the ledger thread for whoever asks. */
#include "queue/queue_int.h"

struct stats_op {
    struct op op;
    struct tl_arena *arena;
    struct queue_stat *out;
};

/* A target that the flow has no longer, or that leads to another system, holds what waits in it. */
static bool target_hold(struct queue *q, struct target *t, struct queue_flow_stat *s)
{
    struct store_val v[2];

    if (t->stranded) {
        t->stranded = queue__one(q, SQL_READY, VALS(store_int(t->id), store_int(0), store_int(1)), v, 2);
        s->held = t->stranded ? QUEUE_HELD_FLOW_REMOVED : QUEUE_HELD_NONE;
        (void)snprintf(s->held_text, sizeof(s->held_text), "target %.80s: %s", t->name, STRANDED_TEXT);
    } else if (t->elsewhere) {
        s->held = QUEUE_HELD_TARGET_CHANGED;
        (void)snprintf(s->held_text, sizeof(s->held_text), "%s", TARGET_CHANGED_TEXT);
    }
    return s->held != QUEUE_HELD_NONE;
}

/* A full disk starts nothing, whatever it waited for last; that is over when nothing is left that may go, as of a flow
 * that is paused; not so its breaker. */
static enum queue_held conn_hold(const struct queue *q, const struct conn *c, int64_t *ret_since_ms)
{
    bool keeps = c->ring || c->first_permit, waits = c->why == QUEUE_HELD_BREAKER || keeps;
    enum queue_held why = keeps && q->full ? QUEUE_HELD_DISK : waits ? c->why : QUEUE_HELD_NONE;

    *ret_since_ms = c->held != QUEUE_HELD_NONE                         ? c->held_at
                    : why != QUEUE_HELD_NONE && why != QUEUE_HELD_DISK ? c->why_at
                                                                       : 0;
    return c->held != QUEUE_HELD_NONE ? c->held : why;
}

/* Does the flow as a whole wait, and for what? Its own hold, else that of the connection of its first waiting target.
 */
static void flow_hold(struct queue *q, const struct flow *f, struct queue_flow_stat *s)
{
    if (s->removed && s->count[QUEUE_QUEUED] + s->count[QUEUE_RETRYING] + s->count[QUEUE_HELD] == 0)
        return; /* nothing of it is left that could be held */
    s->held = queue__is_gone(q, f->removed, f->gone) ? QUEUE_HELD_FLOW_REMOVED : f->held;
    s->held_since_ms = f->held != QUEUE_HELD_NONE ? f->held_at : 0;
    (void)snprintf(s->held_text, sizeof(s->held_text), "%s", f->held_text);
    for (struct target *t = f->targets; t && s->held == QUEUE_HELD_NONE; t = t->next_of_flow)
        if (target_hold(q, t, s))
            s->held_since_ms = 0;
    for (const struct target *t = f->targets; t && s->held == QUEUE_HELD_NONE; t = t->next_of_flow) {
        struct conn *c = t->parked_on ? t->parked_on : t->conn;

        if (t->n_ready == 0 && t->n_parked == 0)
            continue;
        s->held = conn_hold(q, c, &s->held_since_ms);
        queue__conn_words(q, c, s->held, s->held_text, sizeof(s->held_text));
    }
    if (s->held == QUEUE_HELD_NONE && q->full)
        s->held = QUEUE_HELD_DISK;
    if (s->held == QUEUE_HELD_NONE && q->config_version && !atomic_load(&q->dispatch_on))
        s->held = QUEUE_HELD_DRAINING;
}

static void flow_stat(struct queue *q, const struct flow *f, struct queue_flow_stat *s)
{
    s->id = f->id;
    (void)snprintf(s->name, sizeof(s->name), "%s", f->name);
    for (unsigned i = 0; i < QUEUE_STATE_MAX; i++)
        s->count[i] = (uint64_t)(f->count[i] > 0 ? f->count[i] : 0);
    s->count[QUEUE_RUNNING] = f->running;
    for (const struct target *t = f->targets; t; t = t->next_of_flow)
        s->count[QUEUE_RUNNING] -= t->n_parked;
    s->events = (uint64_t)f->count[N_EVENTS];
    s->duplicates = (uint64_t)f->count[N_DUPLICATES];
    s->other_body = (uint64_t)f->count[N_OTHER_BODY];
    s->no_key = (uint64_t)f->count[N_NO_KEY];
    s->attempts = (uint64_t)f->count[N_ATTEMPTS];
    s->retries = (uint64_t)f->count[N_RETRIES];
    for (unsigned i = 0; i < TL_CLASS_COUNT; i++)
        s->failed[i] = (uint64_t)f->count[N_FAILED + i];
    s->died = 0;
    for (unsigned i = 0; i < TL_CLASS_COUNT; i++) {
        s->died_of[i] = (uint64_t)f->count[N_DIED + i];
        s->died += s->died_of[i];
    }
    s->delivered = (uint64_t)f->count[N_DELIVERED];
    s->skipped = (uint64_t)f->count[N_SKIPPED];
    s->trip_fingerprint = f->held_fp;
    s->removed = queue__is_gone(q, f->removed, f->gone);
    for (const struct target *t = f->targets; t; t = t->next_of_flow)
        s->in_window += t->in_window;
    flow_hold(q, f, s);
}

static void budget_stats(struct queue *q, struct conn *c, struct queue_connection_stat *s)
{
    struct guard_budget_stat b[GUARD_MAX_BUDGETS];
    uint32_t out;

    s->concurrency = guard_concurrency(c->guard, &out);
    s->n_budgets = guard_stats(c->guard, queue__now(q), queue__wall(q), b);
    for (size_t i = 0; i < s->n_budgets; i++) {
        s->budgets[i] = (struct queue_budget_stat){
            .amount = b[i].amount, .used = b[i].used, .remaining = b[i].remaining, .resets_ms = b[i].resets_wall_ms};
        (void)snprintf(s->budgets[i].name, sizeof(s->budgets[i].name), "%s", b[i].name);
    }
}

/* When the clock lets the next one try, to the second, so that it stands still; 0: not for its sake, or at once. */
static int64_t next_try(struct queue *q, const struct conn *c, enum queue_held held)
{
    uint64_t now = queue__now(q);

    if (held != QUEUE_HELD_BREAKER && held != QUEUE_HELD_RATE && held != QUEUE_HELD_QUOTA)
        return 0;
    if (c->wake_ns <= now + 1000 * NS_PER_MS || c->wake_ns == UINT64_MAX)
        return 0;
    return (queue__wall(q) + (int64_t)((c->wake_ns - now) / NS_PER_MS) + 500) / 1000 * 1000;
}

static void conn_stat(struct queue *q, struct conn *c, struct queue_connection_stat *s)
{
    const char *reason = "";
    /* A slot is given again after the commit that holds the call's outcome; that waits for the one under way. */
    struct guard_backlog b = {.waiting = c->n_permits, .between_ms = q->sync_us_avg * 1.5 / 1000};

    s->id = c->id;
    (void)snprintf(s->name, sizeof(s->name), "%s", c->name);
    s->removed = queue__is_gone(q, c->removed, c->gone);
    s->held = conn_hold(q, c, &s->held_since_ms);
    s->next_ms = next_try(q, c, s->held);
    queue__conn_words(q, c, s->held, s->held_text, sizeof(s->held_text));
    s->running = c->running;
    s->waiting = c->n_permits;
    s->calls = c->calls;
    s->last_ok_ms = c->ok_at;
    for (unsigned i = 0; i < TL_CLASS_COUNT; i++)
        s->failed[i] = c->failed[i];
    for (size_t i = 1; i <= q->n_targets; i++) {
        const struct target *t = q->targets[i];

        if (!t || t->conn != c || t->removed || t->elsewhere || t->flow->held != QUEUE_HELD_NONE)
            continue; /* the flow itself keeps it back */
        s->waiting += t->n_ready;
        if (!t->complete || t->n_ready) /* a flow with several targets counts whole: an upper bound */
            b.waiting +=
                (uint64_t)(t->flow->count[QUEUE_QUEUED] + t->flow->count[QUEUE_RETRYING] - t->flow->count[QUEUE_HELD]);
    }
    b.lanes = s->waiting + s->running;
    if (s->removed && s->waiting + s->running == 0) /* nobody waits for it any more, nor for its breaker */
        s->held = QUEUE_HELD_NONE;
    s->drain_ms = guard_drain_ms(c->guard, queue__now(q), queue__wall(q), &b, &reason);
    if (b.waiting > 0 && q->full) { /* nobody knows when that ends, or who takes the space then */
        s->drain_ms = UINT64_MAX;
        reason = queue_held_name(QUEUE_HELD_DISK);
    }
    (void)snprintf(s->drain_reason, sizeof(s->drain_reason), "%s", reason ? reason : "");
    (void)snprintf(s->breaker, sizeof(s->breaker), "%s", guard_breaker_state(c->guard));
    budget_stats(q, c, s);
}

static bool target_names(struct queue *q, struct tl_arena *a, struct queue_stat *o)
{
    o->targets = tl_arena_zalloc(a, (q->n_targets + 1) * sizeof(*o->targets));
    for (size_t i = 1; o->targets && i <= q->n_targets; i++) {
        const struct target *t = q->targets[i];
        struct queue_target_name *to = &o->targets[o->n_targets];
        const struct conn *c;

        if (!t || t->expand)
            continue;
        c = t->meant ? queue__conn(q, t->meant) : t->conn;
        *to = (struct queue_target_name){.id = t->id, .flow = t->flow->id, .name = tl_arena_strdup(a, t->name)};
        to->connection = c ? tl_arena_strdup(a, c->name) : NULL;
        if (!to->name || (c && !to->connection))
            return false;
        o->n_targets++;
    }
    return o->targets != NULL;
}

static enum tl_rc lists(struct queue *q, struct stats_op *s, struct queue_stat *o)
{
    o->flows = tl_arena_zalloc(s->arena, (q->n_flows + 1) * sizeof(*o->flows));
    o->connections = tl_arena_zalloc(s->arena, (q->n_conns + 1) * sizeof(*o->connections));
    if (!o->flows || !o->connections || !target_names(q, s->arena, o))
        return TL_LIMIT;
    for (size_t i = 1; i <= q->n_flows; i++)
        if (q->flows[i]) {
            flow_stat(q, q->flows[i], &o->flows[o->n_flows]);
            o->live += o->flows[o->n_flows].count[QUEUE_QUEUED] + o->flows[o->n_flows].count[QUEUE_RETRYING];
            o->n_flows++;
        }
    for (size_t i = 1; i <= q->n_conns; i++)
        if (q->conns[i])
            conn_stat(q, q->conns[i], &o->connections[o->n_connections++]);
    return TL_OK;
}

static enum tl_rc stats_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct stats_op *s = TL_CONTAINER(op, struct stats_op, op);
    struct queue_stat *o = s->out;

    *o = (struct queue_stat){
        .works_out = atomic_load(&q->works_out),
        .commits = q->commits,
        .sync_us_start = q->sync_us_start,
        .sync_us_avg = (uint64_t)q->sync_us_avg,
        .wal_pages = store_log_pages(q->db),
        .disk_free = q->disk_free,
        .disk_reserve = q->disk_reserve,
        .in_window = q->n_lanes,
        .due_in_memory = q->heap_n,
        .intake_stopped = atomic_load(&q->intake_stopped),
        .moved = atomic_load(&q->moved),
        .dispatch_stopped = !atomic_load(&q->dispatch_on) || q->full,
        .fatal = atomic_load(&q->fatal),
        .config_version = q->config_version,
    };
    return lists(q, s, o) == TL_OK ? TL_OK : tl_fail(err, TL_LIMIT, "the figures do not fit the arena");
}

enum tl_rc queue_stats(struct queue *q, struct task *task, struct tl_arena *arena, struct queue_stat *ret_stat,
                       struct tl_err *err)
{
    static const struct op_class cls = {.apply = stats_apply, .read = true, .own = true};
    struct queue_stat stat;
    struct stats_op s = {.op = {.cls = &cls}, .arena = arena, .out = &stat};
    enum tl_rc rc = queue__call(q, task, &s.op, err);

    if (rc == TL_OK)
        *ret_stat = stat;
    return rc;
}
