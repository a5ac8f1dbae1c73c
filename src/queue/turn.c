/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger thread's turn, and how calls reach it. See queue_int.h for the order of things in a turn.
 * Answers go out right after the commit; moving the log into the file comes last, so that nobody waits for it.
 */
#include <errno.h>
#include <time.h>

#include "queue/queue_int.h"

#define HEAP_AHEAD 48u /* half megabytes: SQLite's cache of 16 MB, and the window */
#define FULL_PAUSE_NS 500000000ull

uint64_t queue__now(const struct queue *q)
{
    return tl_clock_mono_ns(q->clock);
}

int64_t queue__wall(const struct queue *q)
{
    return tl_clock_wall_ms(q->clock);
}

void queue__notice(struct queue *q, const char *what, const struct flow *f, const struct conn *c, const char *text)
{
    if (q->o.notice)
        q->o.notice(q->o.arg, what, tl_sv_str(f ? f->name : ""), tl_sv_str(c ? c->name : ""), text);
}

/* ---- calls, from any thread ---- */
static void rouse(struct queue *q)
{
    if (atomic_load(&q->sleeping)) {
        (void)pthread_mutex_lock(&q->lock);
        (void)pthread_cond_signal(&q->wake);
        (void)pthread_mutex_unlock(&q->lock);
    }
}

void queue__push(struct queue *q, struct op *op)
{
    struct op *head = atomic_load_explicit(&q->inbox, memory_order_relaxed);

    do
        op->next = head;
    while (!atomic_compare_exchange_weak(&q->inbox, &head, op));
    if (!head)
        rouse(q);
}

void queue_kick(struct queue *q)
{
    atomic_store(&q->kicked, true);
    rouse(q);
}

void queue_set_dispatch(struct queue *q, bool on)
{
    atomic_store(&q->dispatch_on, on);
    queue_kick(q);
}

size_t queue_works_out(const struct queue *q)
{
    return atomic_load(&q->works_out);
}

/* The op is on the caller's stack: cancelled or late, the call still returns only when the ledger is through with it.
 */
static void op_abort(struct async_wait *w, enum tl_rc why)
{
    (void)w;
    (void)why;
}

enum tl_rc queue__call(struct queue *q, struct task *task, struct op *op, struct tl_err *err)
{
    op->err = err;
    op->waited = true;
    if (task) {
        op->loop = task_loop(task);
        async_wait_init(&op->wait, task, op_abort, NULL);
        queue__push(q, op);
        if (async_wait(&op->wait, UINT64_MAX, NULL) != TL_OK)
            assert(op->done);
        return op->rc;
    }
    queue__push(q, op);
    if (q->o.manual) {
        while (!op->done)
            (void)queue_turn(q);
        return op->rc;
    }
    (void)pthread_mutex_lock(&q->lock);
    while (!op->done)
        (void)pthread_cond_wait(&q->done_cond, &q->lock);
    (void)pthread_mutex_unlock(&q->lock);
    return op->rc;
}

/* ---- answers ---- */
static void wake_chain(void *arg)
{
    struct op *op = arg, *next;

    for (; op; op = next) {
        next = op->next;
        op->done = true;
        async_wake(&op->wait);
    }
}

static void answer_threads(struct queue *q, struct op *op)
{
    struct op *next;

    (void)pthread_mutex_lock(&q->lock);
    for (; op; op = next) {
        next = op->next;
        op->done = true;
    }
    (void)pthread_cond_broadcast(&q->done_cond);
    (void)pthread_mutex_unlock(&q->lock);
}

/* One message a loop for all of its answers. */
void queue__answer(struct queue *q, struct op *chain)
{
    struct op *threads = NULL;

    while (chain) {
        struct op *op = chain, *mine, **tail = &mine, *rest = NULL, **rest_tail = &rest, *next;
        struct async_loop *loop = op->loop;

        if (!op->waited || !loop) {
            chain = op->next;
            if (op->waited) {
                op->next = threads;
                threads = op;
            } else if (op->on_done) {
                op->on_done(op);
            }
            continue;
        }
        for (; op; op = next) {
            next = op->next;
            if (op->waited && op->loop == loop) {
                *tail = op;
                tail = &op->next;
            } else {
                *rest_tail = op;
                rest_tail = &op->next;
            }
        }
        *tail = *rest_tail = NULL;
        chain = rest;
        async_loop_post(loop, wake_chain, mine);
    }
    if (threads)
        answer_threads(q, threads);
}

void queue__fatal(struct queue *q, const struct tl_err *err)
{
    if (atomic_exchange(&q->fatal, true))
        return;
    if (q->o.fatal)
        q->o.fatal(q->o.arg, err);
}

/* ---- the turn ---- */
static struct op *take_inbox(struct queue *q)
{
    struct op *in = atomic_exchange(&q->inbox, NULL), *list = NULL;

    while (in) {
        struct op *next = in->next;

        in->next = list;
        list = in;
        in = next;
    }
    if (q->kept) { /* outcomes that could not be written: first */
        *q->kept_tail = list;
        list = q->kept;
        q->kept = NULL;
        q->kept_tail = &q->kept;
    }
    return list;
}

void queue__save_counts(struct queue *q)
{
    for (struct flow *f = q->dirty; f; f = f->next_dirty) {
        struct store_val v[1 + 7 + 6 + TL_CLASS_COUNT];
        size_t n = 0;

        v[n++] = store_int(f->id);
        for (unsigned i = QUEUE_QUEUED; i <= QUEUE_DISCARDED; i++)
            v[n++] = store_int(f->count[i] + f->delta[i]);
        for (unsigned i = N_EVENTS; i < N_SAVED; i++)
            v[n++] = store_int(f->count[i] + f->delta[i]);
        (void)queue__run(q, SQL_COUNT_SET, v, n, NULL);
    }
}

void queue__settle_counts(struct queue *q, bool committed)
{
    struct flow *f, *next;

    for (f = q->dirty; f; f = next) {
        next = f->next_dirty;
        f->dirty_count = false;
        for (unsigned i = 0; i < N_COUNTS; i++) {
            if (committed)
                f->count[i] += f->delta[i];
            f->delta[i] = 0;
        }
    }
    q->dirty = NULL;
}

/* An op that brings a delivery back, moves or cancels one must be on disk before anything starts because of it. */
static void advance_all(struct queue *q, struct op *batch)
{
    for (struct op *op = batch; op; op = op->next)
        if (!op->cls->own)
            return;
    for (struct op *op = batch; op && q->txn_rc == TL_OK; op = op->next)
        if (op->cls->advance && op->rc == TL_OK)
            op->cls->advance(q, op);
    if (q->txn_rc == TL_OK && q->advanced)
        queue__schedule(q);
}

/* Of a disk that was full: something of the size of an outcome, for nobody may have one to write. */
static void try_room(struct queue *q)
{
    int64_t now = queue__wall(q);

    (void)queue__kv_set(q, TL_SV("queue/room"), tl_sv((const char *)&now, sizeof(now)));
}

static void apply_all(struct queue *q, struct op *batch)
{
    for (struct op *op = batch; op && q->txn_rc == TL_OK; op = op->next) {
        struct tl_err err = {.rc = TL_OK};

        op->rc = op->cls->apply(q, op, op->err ? op->err : &err);
    }
    advance_all(q, batch);
    if (q->txn_rc == TL_OK)
        (void)queue__write_begins(q);
    if (q->txn_rc == TL_OK)
        (void)queue__save_holds(q);
    if (q->txn_rc == TL_OK)
        queue__gates_save(q);
    if (q->txn_rc == TL_OK)
        queue__keys_save(q);
    if (q->txn_rc == TL_OK)
        queue__lines_save(q);
    if (q->txn_rc == TL_OK)
        queue__save_counts(q);
    if (q->txn_rc == TL_OK && q->full)
        try_room(q);
}

static enum tl_rc write_batch(struct queue *q, struct op *batch)
{
    uint64_t start;
    enum tl_rc rc;

    q->txn_rc = store_begin(q->db, &q->txn_err);
    q->writing = true;
    q->advanced = false;
    q->first_new_id = q->next_id;
    if (q->txn_rc == TL_OK)
        apply_all(q, batch);
    q->writing = false;
    if (q->txn_rc == TL_OK) {
        if (q->advanced)
            queue__hand_out(q);
        start = tl_clock_mono_ns(tl_clock_system());
        rc = store_commit(q->db, &q->txn_err);
        if (rc == TL_OK) {
            q->commits++;
            q->sync_us_avg += ((double)(tl_clock_mono_ns(tl_clock_system()) - start) / 1000.0 - q->sync_us_avg) / 64.0;
            return TL_OK;
        }
        q->txn_rc = rc;
    }
    store_rollback(q->db);
    q->id_reserved = q->next_id; /* the reservation may be lost with the transaction */
    return q->txn_rc;
}

/* Returns the ops whose callers wait; settle may free the others. */
static struct op *after_commit(struct queue *q, struct op *batch)
{
    struct op *answers = NULL, **tail = &answers;

    queue__settle_counts(q, true);
    queue__keys_settle(q, true);
    queue__lines_settle(q, true);
    queue__holds_saved(q);
    queue__gates_saved(q);
    queue__begins_written(q);
    for (struct op *op = batch, *next; op; op = next) {
        bool waits = op->waited || op->on_done;

        next = op->next;
        if (op->rc == TL_OK && op->cls->settle)
            op->cls->settle(q, op);
        if (waits && !op->deferred) {
            *tail = op;
            tail = &op->next;
        }
    }
    *tail = NULL;
    return answers;
}

/* Looking needs no room, and never more than when there is none: who writes nothing does not share the fate of the
 * transaction. All others have been undone. */
static void look_anyway(struct queue *q, struct op *refused)
{
    for (struct op *op = refused; op; op = op->next) {
        struct tl_err err = {.rc = TL_OK};

        if (!op->cls->read)
            continue;
        if (op->err)
            tl_err_clear(op->err);
        q->txn_rc = TL_OK;
        op->rc = op->cls->apply(q, op, op->err ? op->err : &err);
    }
    q->txn_rc = TL_FULL;
}

static void refuse(struct queue *q, struct op *batch, enum tl_rc rc)
{
    struct op *refused = NULL, **tail = &refused, *next;

    queue__settle_counts(q, false);
    queue__keys_settle(q, false);
    queue__lines_settle(q, false);
    for (struct op *op = batch; op; op = next) {
        next = op->next;
        op->next = NULL;
        if (op->cls->undo)
            op->cls->undo(q, op);
        if (op->cls->keep) {
            *q->kept_tail = op;
            q->kept_tail = &op->next;
            continue;
        }
        op->rc = rc;
        if (op->err) {
            *op->err = q->txn_err;
            op->err->rc = rc;
        }
        *tail = op;
        tail = &op->next;
    }
    if (rc == TL_FULL)
        look_anyway(q, refused);
    queue__answer(q, refused);
}

static void write_failed(struct queue *q, struct op *batch)
{
    enum tl_rc rc = q->txn_rc == TL_FULL ? TL_FULL : TL_IO;

    if (rc == TL_FULL) {
        if (!q->full)
            queue__notice(q, "disk_full", NULL, NULL,
                          "an outcome could not be written: no delivery starts until it can");
        q->full = true;
        q->full_until_ns = queue__now(q) + FULL_PAUSE_NS;
        q->disk_next_ns = 0; /* so that intake stops, and says so, with the next turn */
    } else {
        queue__fatal(q, &q->txn_err);
    }
    refuse(q, batch, rc);
}

static bool must_write(const struct queue *q, const struct op *batch)
{
    return batch || q->full || q->begins.first || queue__lazy_due(q) || queue__gates_waiting(q) ||
           queue__holds_waiting(q);
}

static bool turn_ops(struct queue *q)
{
    struct op *batch;

    if (q->full && queue__now(q) >= q->full_until_ns)
        q->full_until_ns = 0;
    if (q->full && q->full_until_ns && atomic_load(&q->inbox) == NULL)
        return false;
    batch = take_inbox(q);
    if (atomic_load(&q->fatal)) {
        refuse(q, batch, TL_IO);
        return batch != NULL;
    }
    if (!must_write(q, batch))
        return false;
    if (write_batch(q, batch) != TL_OK) {
        write_failed(q, batch);
        return true;
    }
    if (q->full)
        queue__notice(q, "disk_again", NULL, NULL, "outcomes can be written again: deliveries start");
    q->full = false;
    queue__answer(q, after_commit(q, batch));
    return true;
}

bool queue_turn(struct queue *q)
{
    struct tl_err err;
    bool did, filling;

    atomic_store(&q->kicked, false);
    q->txn_rc = TL_OK;
    if (queue__disk_due(q))
        queue__disk_check(q);
    did = turn_ops(q);
    queue__tell_out(q); /* before anything that may end the turn early */
    if (atomic_load(&q->fatal))
        return did;
    q->txn_rc = TL_OK;
    queue__try_held(q);
    filling = queue__fill(q);
    queue__schedule(q);
    queue__read_end(q);
    if (q->txn_rc == TL_IO)
        queue__fatal(q, &q->txn_err);
    did = did || filling || q->go.first || q->begins.first;
    queue__hand_out(q);
    if (queue__upkeep(q))
        did = true;
    queue__tell_out(q);
    if (!atomic_load(&q->fatal) && store_maintain(q->db, false, &err) != TL_OK)
        queue__fatal(q, &err);
    return did;
}

static void sleep_until(struct queue *q, uint64_t at_ns)
{
    uint64_t now = queue__now(q), ns = at_ns > now ? at_ns - now : 0;
    struct timespec ts;

    if (ns == 0)
        return;
    if (ns > NEAR_NS)
        ns = NEAR_NS;
    (void)pthread_mutex_lock(&q->lock);
    atomic_store(&q->sleeping, true);
    if (!atomic_load(&q->inbox) && !atomic_load(&q->kicked) && !atomic_load(&q->stop)) {
        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        ns += (uint64_t)ts.tv_nsec;
        ts.tv_sec += (time_t)(ns / 1000000000ull);
        ts.tv_nsec = (long)(ns % 1000000000ull);
        (void)pthread_cond_timedwait(&q->wake, &q->lock, &ts);
    }
    atomic_store(&q->sleeping, false);
    (void)pthread_mutex_unlock(&q->lock);
}

int64_t queue_next_due_ms(struct queue *q)
{
    uint64_t at = queue__next_wake(q);

    return at == UINT64_MAX ? INT64_MAX : (int64_t)(at / NS_PER_MS);
}

/* malloc grows a thread's heap a page at a time, and each time the whole process waits: a start fills SQLite's cache.
 * What was once grown stays, untouched until it is used (harden in main/run.c: pieces below its threshold). */
static void grow_heap(void)
{
    void *piece[HEAP_AHEAD];

    for (size_t i = 0; i < HEAP_AHEAD; i++)
        piece[i] = tl_alloc(512 << 10);
    for (size_t i = 0; i < HEAP_AHEAD; i++)
        tl_free(piece[i]);
}

void *queue__thread(void *arg)
{
    struct queue *q = arg;

    (void)pthread_setname_np(pthread_self(), "tieline-ledger");
    grow_heap();
    while (!atomic_load(&q->stop))
        if (!queue_turn(q))
            sleep_until(q, queue__next_wake(q));
    return NULL;
}
