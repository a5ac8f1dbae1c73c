/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upkeep in small steps: space on the disk, old final events, old idempotency keys. Live and dead deliveries are never
 * swept.
 */
#include <sys/statvfs.h>

#include "queue/queue_int.h"

#define STEP 200
#define KEY_STEP 200
#define DISK_EVERY_NS 1000000000ull
#define SWEEP_EVERY_NS (600ull * 1000000000ull)
#define KEYS_EVERY_MS(q) ((q)->o.keep_key_ms / 24 < 21600000 ? (q)->o.keep_key_ms / 24 : 21600000)
#define LOG_PAGE UINT64_C(8192)
#define GB (1024ull * 1024 * 1024)

static bool disk_free(struct queue *q, uint64_t *ret_free, uint64_t *ret_total)
{
    struct statvfs s;

    if (q->o.disk_free)
        return q->o.disk_free(q->o.arg, ret_free, ret_total);
    if (statvfs(q->dir, &s) != 0)
        return false;
    *ret_free = (uint64_t)s.f_bavail * s.f_frsize;
    *ret_total = (uint64_t)s.f_blocks * s.f_frsize;
    return true;
}

/* Once a second is too seldom where little is left: what was written since counts, too. The log grows by pages, and
 * when they are moved the file grows by about as many. */
bool queue__disk_due(struct queue *q)
{
    uint64_t pages = store_log_pages(q->db);

    q->disk_spent += LOG_PAGE * (pages > q->log_pages ? pages - q->log_pages : q->log_pages - pages);
    q->log_pages = pages;
    return queue__now(q) >= q->disk_next_ns || q->disk_spent > q->disk_room / 8;
}

/* The reserve is for outcomes: intake stops while it is still there. */
static void look_at_room(struct queue *q)
{
    uint64_t left = 0, total = 0, reserve = q->o.reserve_bytes;

    q->disk_room = UINT64_MAX;
    if (!disk_free(q, &left, &total))
        return;
    q->disk_free = left;
    if (reserve == 0)
        reserve = total / 20 < GB ? total / 20 : GB;
    q->disk_reserve = reserve;
    q->disk_short = left < reserve;
    q->disk_room = q->disk_short ? 0 : left - reserve;
}

/* What is out goes on while its files are not in their place: this process is all that knows of it. */
void queue__disk_check(struct queue *q)
{
    struct tl_err err;
    bool moved = store_in_place(q->db, &err) != TL_OK, stop, news;

    q->disk_next_ns = queue__now(q) + DISK_EVERY_NS;
    q->disk_spent = 0;
    queue__bits_tidy(q);
    queue__clock_check(q);
    look_at_room(q);
    stop = moved || q->disk_short;
    news = stop != atomic_load(&q->intake_stopped) || (moved && !atomic_load(&q->moved));
    atomic_store(&q->moved, moved);
    atomic_store(&q->intake_stopped, stop);
    if (news)
        queue__notice(q, stop ? "intake_stopped" : "intake_again", NULL, NULL,
                      moved  ? err.text
                      : stop ? "the disk is nearly full: senders get 503 until there is space"
                             : "what stopped it is over: events are taken in");
}

struct old {
    uint64_t id, upload, lane;
    bool go, later, keyed;
};

static size_t read_old(struct queue *q, struct old *old, bool *ret_end)
{
    int64_t before = queue__wall(q) - q->o.keep_final_ms;
    struct store_val v[10];
    size_t n = 0;

    *ret_end = true;
    if (queue__start(q, SQL_OLD, VALS(store_u64(q->retain_at), store_int(STEP))))
        while (queue__next(q, SQL_OLD, v, 10)) {
            bool parent = v[1].i == KIND_EXPANDED;

            *ret_end = v[4].i >= before;
            if (*ret_end)
                break;
            bool final = v[2].i >= QUEUE_DELIVERED && v[3].type == STORE_NULL && !(parent && v[6].i > 0);

            old[n++] = (struct old){.id = (uint64_t)v[0].i,
                                    .upload = v[7].type == STORE_NULL ? (uint64_t)v[5].i : 0,
                                    .lane = (uint64_t)v[9].i,
                                    .keyed = v[9].type == STORE_INT,
                                    .go = final && v[8].i < before,
                                    .later = final && v[8].i >= before};
        }
    queue__end(q, SQL_OLD);
    *ret_end = *ret_end || n < STEP;
    return n;
}

static void delete_unit(struct queue *q, const struct old *o)
{
    (void)RUN(q, UNIT_DEL, store_u64(o->id));
    if (o->keyed) /* what a crash has left there */
        (void)RUN(q, LINE_DEL, store_u64(o->lane), store_u64(o->id), store_u64(o->id));
    (void)RUN(q, BODY_DEL, store_u64(o->id));
    (void)RUN(q, EDIT_DEL, store_u64(o->id));
    (void)RUN(q, ATTEMPT_DEL, store_u64(o->id * ATTEMPT_SPAN), store_u64((o->id + 1) * ATTEMPT_SPAN));
    if (o->upload)
        (void)RUN(q, CHUNK_DEL, store_u64(o->upload * ATTEMPT_SPAN), store_u64((o->upload + 1) * ATTEMPT_SPAN));
}

/* Old ones that are live or dead stay, and no sweep looks at them again before they have ended. */
void queue__retain_from(struct queue *q, uint64_t id)
{
    if (id <= q->retain_low)
        q->retain_low = id - 1;
}

static void step_events(struct queue *q, bool *ret_end)
{
    struct old old[STEP];
    size_t n = read_old(q, old, ret_end);

    for (size_t i = 0; i < n; i++) {
        if (old[i].go)
            delete_unit(q, &old[i]);
        if (old[i].later)
            queue__retain_from(q, old[i].id);
        q->retain_at = old[i].id;
    }
}

/* What batches had in common, as old as the oldest events that are kept. Of older dead ones it is shown no longer. */
static void step_calls(struct queue *q, bool *ret_end)
{
    uint64_t n = 0;

    (void)queue__run(q, SQL_CALL_OLD, VALS(store_int(queue__wall(q) - q->o.keep_final_ms), store_int(STEP)), &n);
    *ret_end = n < STEP;
}

static void step_keys(struct queue *q, bool *ret_end)
{
    int64_t before = queue__wall(q) - q->o.keep_key_ms;
    struct store_val v[3];
    struct {
        int64_t k1, k2;
        bool old;
    } keys[KEY_STEP];
    size_t n = 0;

    *ret_end = false;
    if (!queue__keys_move_all(q, KEY_STEP, q->keys_until))
        return;
    if (queue__start(q, SQL_IDEM_SCAN, VALS(store_int(q->idem_at), store_int(KEY_STEP))))
        while (n < KEY_STEP && queue__next(q, SQL_IDEM_SCAN, v, 3)) {
            keys[n].k1 = v[0].i;
            keys[n].k2 = v[1].i;
            keys[n++].old = v[2].i < before;
        }
    queue__end(q, SQL_IDEM_SCAN);
    for (size_t i = 0; i < n; i++) {
        if (keys[i].old)
            (void)RUN(q, IDEM_OLD, store_int(keys[i].k1), store_int(keys[i].k2));
        q->idem_at = keys[i].k1;
    }
    *ret_end = n < KEY_STEP;
}

static bool sweep_step(struct queue *q)
{
    bool events_end = true, keys_end = true;

    if (!q->sweeping) {
        if (queue__now(q) < q->sweep_next_ns)
            return false;
        q->sweeping = true;
        q->retain_at = q->retain_low;
        q->retain_low = UINT64_MAX;
        q->idem_at = INT64_MIN;
        q->keys_until = q->next_id;
        q->events_swept = false;
        q->keys_swept = queue__wall(q) < q->keys_next_ms;
    }
    if (!q->events_swept) {
        step_events(q, &events_end);
        if (events_end && q->txn_rc == TL_OK)
            step_calls(q, &events_end);
    } else {
        step_keys(q, &keys_end);
    }
    if (q->txn_rc != TL_OK)
        return false;
    if (!q->events_swept) {
        q->events_swept = events_end;
    } else {
        q->keys_swept = keys_end;
        if (keys_end)
            q->keys_next_ms = queue__wall(q) + KEYS_EVERY_MS(q);
    }
    if (q->events_swept && q->keys_swept) {
        q->retain_low = q->retain_low < q->retain_at ? q->retain_low : q->retain_at;
        q->sweeping = false;
        q->sweep_next_ns = queue__now(q) + SWEEP_EVERY_NS;
    }
    return q->sweeping;
}

/* Between the turns' own transactions, and never when somebody waits for the next one too long: a step is small. */
bool queue__upkeep(struct queue *q)
{
    bool more = false, clock = q->clock_back;
    struct tl_err err;
    enum tl_rc rc;

    if (atomic_load(&q->fatal) || q->full)
        return false;
    if (!clock && !q->job_open && !q->sweeping && queue__now(q) < q->sweep_next_ns)
        return false;
    q->txn_rc = store_begin(q->db, &q->txn_err);
    if (q->txn_rc == TL_OK) {
        if (clock)
            more = queue__clock_step(q);
        else if (q->job_open)
            more = queue__job_step(q);
        else
            more = sweep_step(q);
    }
    if (q->txn_rc == TL_OK)
        queue__keys_save(q);
    if (q->txn_rc == TL_OK)
        queue__lines_save(q);
    if (q->txn_rc == TL_OK)
        queue__save_counts(q);
    rc = q->txn_rc == TL_OK ? store_commit(q->db, &err) : q->txn_rc;
    queue__settle_counts(q, rc == TL_OK);
    queue__keys_settle(q, rc == TL_OK);
    queue__lines_settle(q, rc == TL_OK);
    if (rc != TL_OK) {
        store_rollback(q->db);
        q->id_reserved = q->next_id;
        q->job_settle_n = 0;
        if (rc != TL_FULL)
            queue__fatal(q, q->txn_rc == TL_OK ? &err : &q->txn_err);
        return false;
    }
    if (clock)
        queue__clock_settle(q, more);
    queue__job_settle(q);
    return more || clock;
}
