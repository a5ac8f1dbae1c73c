/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window: which lane heads are in memory.
 *
 * Invariant, for each target: a live delivery that is the lowest live one of its lane is (a) in memory, or (b) beyond
 * `cursor` while `complete` is false, or (c) retrying and due beyond (due_at, due_id), or (d) dead and blocking, or
 * held by a person. A later one is reached through its lane: when the head ends, lane_next asks the store for the
 * lowest that is left.
 */
#include "queue/queue_int.h"

#define FILL_STEP 1000
#define FILL_FIRST 16 /* so that something starts at once; each step after it is twice as large */
#define LANES_STEP 200
#define PATIENCE_NS                                                                                                    \
    1000000u     /* so long a step goes on while calls wait for the turn; a whole one may take ten times it */
#define FLOOR 64 /* a target may always have this many heads, however full the window is */

struct target *queue__target(struct queue *q, uint32_t id)
{
    return id <= q->n_targets && id > 0 ? q->targets[id] : NULL;
}

struct flow *queue__flow(struct queue *q, uint32_t id)
{
    return id <= q->n_flows && id > 0 ? q->flows[id] : NULL;
}

struct conn *queue__conn(struct queue *q, uint32_t id)
{
    return id <= q->n_conns && id > 0 ? q->conns[id] : NULL;
}

static bool has_room(const struct queue *q, const struct target *t)
{
    return t->in_window < FLOOR || (t->in_window < q->o.window_per_flow && q->n_lanes < q->o.window);
}

/* The window is too small to promise FLOOR: tests. */
static bool room(const struct queue *q, const struct target *t)
{
    return has_room(q, t) && (q->o.window > FLOOR || q->n_lanes < q->o.window);
}

/* Somebody waits for this turn to end, and has waited long enough. */
static bool is_wanted(const struct queue *q, uint64_t began)
{
    return atomic_load_explicit(&q->inbox, memory_order_relaxed) && queue__now(q) - began > PATIENCE_NS;
}

static bool runs(const struct target *t)
{
    return !t->removed && !t->flow->removed;
}

static void remember_away(struct queue *q, struct target *t, const struct row *row)
{
    queue__note_away(q, row);
    if (row->next_at < t->away_next)
        t->away_next = row->next_at;
    /* The wall clock went back: what is due again must not be behind the mark. */
    if (row->next_at < t->due_at || (row->next_at == t->due_at && row->id <= t->due_id)) {
        t->due_at = row->next_at - 1;
        t->due_id = UINT64_MAX >> 1;
    }
}

void queue__place(struct queue *q, struct lane *l)
{
    int64_t ms = l->row.next_at - queue__wall(q);

    assert(l->where == LANE_OUT);
    if (!runs(l->target)) {
        queue__lane_free(q, l);
    } else if (l->row.state != QUEUE_RETRYING || ms <= 0) {
        queue__lane_ready(q, l, false);
    } else if ((uint64_t)ms * NS_PER_MS <= NEAR_NS) {
        queue__lane_due(q, l, queue__now(q) + (uint64_t)ms * NS_PER_MS);
    } else {
        remember_away(q, l->target, &l->row);
        queue__lane_free(q, l);
    }
}

static struct lane *enter(struct queue *q, const struct row *row, bool more)
{
    struct target *t = queue__target(q, row->target);
    struct lane *l = queue__lane_new(q, t, row->lane);

    l->row = *row;
    l->more = more;
    return l;
}

/* Can a lane of a complete target that is not in memory hold an earlier live delivery? Its head is (c) or (d) then. */
static bool may_have_earlier(const struct queue *q, const struct flow *f, uint64_t lane)
{
    return (f->count[QUEUE_RETRYING] > 0 && queue__may_be_away(q, lane)) ||
           (((f->block && f->count[QUEUE_DEAD] > 0) || f->count[QUEUE_HELD] > 0) && queue__may_hold_dead(q, lane));
}

void queue__arrive(struct queue *q, const struct row *row, struct queue_blob *blob)
{
    struct target *t = queue__target(q, row->target);
    struct lane *l = row->keyed ? queue__lane_find(q, row->lane) : NULL;
    uint64_t low;

    if (l) {
        l->more = true;
        return;
    }
    if (!runs(t) || !t->complete)
        return;
    if (!room(q, t)) {
        t->complete = false;
        t->cursor = row->id - 1;
        return;
    }
    if (row->keyed && may_have_earlier(q, t->flow, row->lane)) {
        queue__read_begin(q);
        low = queue__lane_lowest(q, row->lane, row->id);
        if (low && low != row->id)
            return;
    }
    l = enter(q, row, false);
    if (blob && q->cache_used + blob->meta_n + blob->body_n <= q->o.cache_max) {
        atomic_fetch_add(&blob->refs, 1);
        queue__lane_blob(q, l, blob);
    }
    queue__place(q, l);
}

bool queue__lane_go_on(struct queue *q, struct lane *l)
{
    struct row row;

    if (!l->more || !l->row.keyed || !runs(l->target) || !queue__lane_head(q, l->row.lane, &row) || row.live != 1 ||
        row.target != l->target->id || row.id >= q->first_new_id)
        return false;
    queue__lane_blob(q, l, NULL);
    l->row = row;
    l->revoked = l->promoted = false;
    queue__place(q, l);
    return true;
}

void queue__lane_next(struct queue *q, struct lane *l)
{
    struct row row;
    bool found = false;

    assert(l->where == LANE_OUT);
    queue__lane_blob(q, l, NULL);
    if (l->more && l->row.keyed && runs(l->target)) {
        queue__read_begin(q);
        found = queue__lane_head(q, l->row.lane, &row) && row.live == 1;
        if (found && row.target != l->target->id) { /* moved: its own target will find it */
            found = false;
            queue__rescan(q, queue__target(q, row.target));
        }
    }
    if (!found) {
        queue__lane_free(q, l);
        return;
    }
    l->row = row;
    l->revoked = l->promoted = false;
    queue__place(q, l);
}

void queue__rescan(struct queue *q, struct target *t)
{
    (void)q;
    t->complete = false;
    t->cursor = 0;
    t->due_at = 0;
    t->due_id = 0;
    t->away_next = 0;
}

void queue__flush(struct queue *q, struct target *t)
{
    while (t->first)
        queue__lane_free(q, t->first);
    for (size_t i = q->heap_n; i-- > 0;)
        if (i < q->heap_n && q->heap[i]->target == t) {
            queue__lane_free(q, q->heap[i]);
            i = q->heap_n;
        }
    queue__rescan(q, t);
}

/* Lanes whose lowest live delivery has been asked for within one step: thousands may wait behind one that is away. */
#define ASKED 64
struct asked {
    uint64_t lane[ASKED], low[ASKED];
};

static bool is_head(struct queue *q, struct asked *a, uint64_t lane, uint64_t id)
{
    size_t at = (size_t)(lane % ASKED);
    uint64_t low;

    if (a->low[at] == 0 || a->lane[at] != lane) {
        low = queue__lane_lowest(q, lane, id);
        if (!low)
            return true;
        a->lane[at] = lane;
        a->low[at] = low;
    }
    return a->low[at] == id;
}

/* A live row that the scans came upon: enter it if it is its lane's head and its time is near. */
static void consider(struct queue *q, struct target *t, struct asked *asked, uint64_t id, bool keyed, uint64_t lane)
{
    struct row row;
    struct lane *l;

    if (!keyed)
        lane = queue__own_lane(id);
    l = queue__lane_find(q, lane);
    if (l) {
        if (l->row.id != id)
            l->more = true;
        return;
    }
    if (keyed && !is_head(q, asked, lane, id))
        return;
    if (!queue__unit(q, id, &row) || row.live != 1 || row.target != t->id)
        return;
    if (row.state == QUEUE_RETRYING && row.next_at - queue__wall(q) > (int64_t)(NEAR_NS / NS_PER_MS)) {
        remember_away(q, t, &row);
        return;
    }
    queue__place(q, enter(q, &row, true));
}

struct found {
    uint64_t id, lane;
    int64_t at;
    bool keyed;
};

/* Read a step of ids first: `consider` runs other statements, and a query must not stay open. */
static size_t read_ready(struct queue *q, struct target *t, struct found *found, size_t max)
{
    struct store_val v[2];
    size_t n = 0;

    if (queue__start(q, SQL_READY, VALS(store_int(t->id), store_u64(t->cursor), store_int((int64_t)max))))
        while (n < max && queue__next(q, SQL_READY, v, 2))
            found[n++] = (struct found){(uint64_t)v[0].i, (uint64_t)v[1].i, 0, v[1].type == STORE_INT};
    queue__end(q, SQL_READY);
    return n;
}

/* True: there is more to read, and room for it. */
static bool fill_ready(struct queue *q, struct target *t)
{
    size_t n, i = 0, before = q->n_lanes, step;
    uint64_t began = queue__now(q);
    bool cut = false;
    struct asked asked = {0};
    struct found *found;

    if (t->complete || !runs(t) || !room(q, t))
        return false;
    t->step = !t->cursor ? FILL_FIRST : t->step * 2 < FILL_STEP ? t->step * 2 : FILL_STEP;
    step = t->step;
    found = tl_reallocarray(NULL, step, sizeof(*found));
    queue__read_begin(q);
    n = read_ready(q, t, found, step);
    for (; i < n && !cut && room(q, t) && q->txn_rc == TL_OK; i++) {
        consider(q, t, &asked, found[i].id, found[i].keyed, found[i].lane);
        t->cursor = found[i].id;
        cut = is_wanted(q, began);
    }
    if (i == n && n < step && q->txn_rc == TL_OK)
        t->complete = true;
    tl_free(found);
    if (cut) /* no more at once than was looked at in the time; it is doubled above */
        t->step = (uint32_t)(i < FILL_FIRST ? FILL_FIRST : i) / 2;
    if (!t->complete && q->n_lanes == before && !q->by_lanes &&
        !(cut && i < FILL_FIRST)) { /* they wait behind others */
        q->by_lanes = true;
        q->lane_at = (struct line_cursor){.lane = INT64_MIN};
    }
    return !t->complete && (i == n || cut);
}

/*
 * The other way to find heads: from lane to lane, one look-up each, however many wait in it. It takes over while the
 * scan by age goes through nothing but followers, so that others start at once; the scan still has to come to its end.
 */
static bool fill_by_lanes(struct queue *q)
{
    uint64_t began = queue__now(q);
    struct asked asked = {0};
    struct row row;

    if (!q->by_lanes)
        return false;
    queue__read_begin(q);
    for (size_t i = 0; i < LANES_STEP && !is_wanted(q, began); i++) {
        struct target *t;
        struct lane *l;
        uint64_t lane;

        if (q->n_lanes >= q->o.window || !queue__line_lane(q, &q->lane_at, &lane)) {
            q->by_lanes = false;
            return false;
        }
        l = queue__lane_find(q, lane);
        if (l) {
            l->more = true;
            continue;
        }
        t = queue__lane_head(q, lane, &row) && row.live == 1 ? queue__target(q, row.target) : NULL;
        if (t && runs(t) && !t->complete && room(q, t))
            consider(q, t, &asked, row.id, true, lane);
    }
    return q->txn_rc == TL_OK;
}

static size_t read_due(struct queue *q, struct target *t, int64_t until, struct found *found, size_t max)
{
    struct store_val v[2];
    size_t n = 0;

    if (queue__start(q, SQL_DUE,
                     VALS(store_int(t->id), store_int(t->due_at), store_u64(t->due_id), store_int(until),
                          store_int((int64_t)max))))
        while (n < max && queue__next(q, SQL_DUE, v, 2))
            found[n++] = (struct found){(uint64_t)v[0].i, 0, v[1].i, false};
    queue__end(q, SQL_DUE);
    return n;
}

static void fill_due(struct queue *q, struct target *t)
{
    int64_t until = queue__wall(q) + (int64_t)(NEAR_NS / NS_PER_MS);
    struct store_val next;
    struct asked asked = {0};
    struct found *found;
    struct row row;
    size_t n, i = 0;

    if (t->away_next > until || !runs(t) || !room(q, t))
        return;
    found = tl_reallocarray(NULL, FILL_STEP, sizeof(*found));
    queue__read_begin(q);
    n = read_due(q, t, until, found, FILL_STEP);
    for (; i < n && room(q, t) && q->txn_rc == TL_OK; i++) {
        if (queue__unit(q, found[i].id, &row))
            consider(q, t, &asked, row.id, row.keyed, row.lane);
        t->due_at = found[i].at;
        t->due_id = found[i].id;
    }
    if (i == n && n < FILL_STEP) {
        t->away_next = INT64_MAX;
        if (queue__one(q, SQL_DUE_NEXT, VALS(store_int(t->id), store_int(t->due_at), store_u64(t->due_id)), &next, 1))
            t->away_next = next.i;
    }
    tl_free(found);
}

bool queue__fill(struct queue *q)
{
    bool more = false;

    for (size_t i = 1; i <= q->n_targets; i++) {
        struct target *t = q->targets[i];

        if (!t || q->txn_rc != TL_OK)
            continue;
        fill_due(q, t);
        /* Half empty before reading again: steps of some size. */
        if (!t->complete && (t->in_window * 2 <= q->o.window_per_flow || t->n_ready < FLOOR))
            more = fill_ready(q, t) || more;
    }
    if (q->txn_rc == TL_OK)
        more = fill_by_lanes(q) || more;
    return more;
}
