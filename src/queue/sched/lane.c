/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lanes in memory. A lane whose head waits is in exactly one place: its target's ready list (served through the ring of
 * the connection) or the due heap; one whose head runs is in neither. Blocked lanes and those due far off are not in
 * memory.
 */
#include "queue/queue_int.h"

#define SLAB 512u

/* ---- what lanes outside of memory may hold ---- */
#define DEAD_LANES_MAX 10000 /* more are not read at the start: then the ledger is asked, as slow as it is */

static void bit_set(struct lane_bits *b, uint64_t lane)
{
    b->word[lane % LANE_BITS / 64] |= 1ull << lane % 64;
}

static bool bit_is_set(const struct lane_bits *b, uint64_t lane)
{
    return b->word[lane % LANE_BITS / 64] >> lane % 64 & 1;
}

static bool any(const struct queue *q, enum queue_state s)
{
    for (size_t i = 1; i <= q->n_flows; i++)
        if (q->flows[i] && q->flows[i]->count[s] + q->flows[i]->delta[s] > 0)
            return true;
    return false;
}

void queue__load_dead_lanes(struct queue *q)
{
    struct store_val lane;
    int n = 0;

    if (any(q, QUEUE_DEAD) && queue__start(q, SQL_DEAD_LANES, VALS(store_int(DEAD_LANES_MAX + 1))))
        for (; queue__next(q, SQL_DEAD_LANES, &lane, 1); n++)
            bit_set(&q->dead, (uint64_t)lane.i);
    queue__end(q, SQL_DEAD_LANES);
    q->dead_known = n <= DEAD_LANES_MAX && q->txn_rc == TL_OK;
}

void queue__note_dead(struct queue *q, const struct row *row)
{
    if (row->keyed)
        bit_set(&q->dead, row->lane);
}

bool queue__may_hold_dead(const struct queue *q, uint64_t lane)
{
    return !q->dead_known || bit_is_set(&q->dead, lane);
}

void queue__note_away(struct queue *q, const struct row *row)
{
    if (row->keyed)
        bit_set(&q->away, row->lane);
}

bool queue__may_be_away(const struct queue *q, uint64_t lane)
{
    return bit_is_set(&q->away, lane);
}

void queue__bits_tidy(struct queue *q)
{
    if (!any(q, QUEUE_RETRYING))
        memset(&q->away, 0, sizeof(q->away));
    if (!any(q, QUEUE_DEAD) && !any(q, QUEUE_HELD)) {
        memset(&q->dead, 0, sizeof(q->dead));
        q->dead_known = true;
    }
}

/* ---- the table ---- */
static void table_grow(struct queue *q)
{
    size_t n = q->table_n ? q->table_n * 2 : 1024;
    struct lane **table = tl_zalloc(n * sizeof(struct lane *));

    for (size_t i = 0; i < q->table_n; i++) {
        struct lane *next;

        for (struct lane *l = q->table[i]; l; l = next) {
            next = l->hnext;
            l->hnext = table[l->row.lane & (n - 1)];
            table[l->row.lane & (n - 1)] = l;
        }
    }
    tl_free(q->table);
    q->table = table;
    q->table_n = n;
}

struct lane *queue__lane_find(struct queue *q, uint64_t hash)
{
    if (q->table_n == 0)
        return NULL;
    for (struct lane *l = q->table[hash & (q->table_n - 1)]; l; l = l->hnext)
        if (l->row.lane == hash)
            return l;
    return NULL;
}

static struct lane *lane_take(struct queue *q)
{
    struct lane *l;

    if (!q->lane_free) {
        struct lane *slab = tl_alloc(SLAB * sizeof(*slab));

        q->slabs = tl_reallocarray(q->slabs, q->n_slabs + 1, sizeof(void *));
        q->slabs[q->n_slabs++] = slab;
        for (size_t i = 0; i < SLAB; i++) {
            slab[i].hnext = q->lane_free;
            q->lane_free = &slab[i];
        }
    }
    l = q->lane_free;
    q->lane_free = l->hnext;
    return l;
}

/* In no place yet: the caller puts it into one. */
struct lane *queue__lane_new(struct queue *q, struct target *t, uint64_t hash)
{
    struct lane *l;

    if (q->n_lanes >= q->table_n)
        table_grow(q);
    l = lane_take(q);
    memset(l, 0, sizeof(*l));
    l->where = LANE_OUT;
    l->target = t;
    l->row.lane = hash;
    l->hnext = q->table[hash & (q->table_n - 1)];
    q->table[hash & (q->table_n - 1)] = l;
    q->n_lanes++;
    t->in_window++;
    return l;
}

void queue__lane_blob(struct queue *q, struct lane *l, struct queue_blob *blob)
{
    if (l->blob) {
        q->cache_used -= l->blob->meta_n + l->blob->body_n;
        queue__blob_unref(l->blob);
    }
    l->blob = blob;
    if (blob)
        q->cache_used += blob->meta_n + blob->body_n;
}

void queue__lane_free(struct queue *q, struct lane *l)
{
    struct lane **at = &q->table[l->row.lane & (q->table_n - 1)];

    queue__lane_unwait(q, l);
    queue__lane_blob(q, l, NULL);
    while (*at != l)
        at = &(*at)->hnext;
    *at = l->hnext;
    l->target->in_window--;
    q->n_lanes--;
    l->hnext = q->lane_free;
    q->lane_free = l;
}

/* ---- the due heap ---- */
static void heap_set(struct queue *q, size_t i, struct lane *l)
{
    q->heap[i] = l;
    l->heap_at = (uint32_t)i;
}

static void heap_up(struct queue *q, size_t i, struct lane *l)
{
    while (i > 0 && q->heap[(i - 1) / 2]->due_ns > l->due_ns) {
        heap_set(q, i, q->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_set(q, i, l);
}

static void heap_down(struct queue *q, size_t i, struct lane *l)
{
    for (;;) {
        size_t c = 2 * i + 1;

        if (c >= q->heap_n)
            break;
        if (c + 1 < q->heap_n && q->heap[c + 1]->due_ns < q->heap[c]->due_ns)
            c++;
        if (q->heap[c]->due_ns >= l->due_ns)
            break;
        heap_set(q, i, q->heap[c]);
        i = c;
    }
    heap_set(q, i, l);
}

static void heap_remove(struct queue *q, struct lane *l)
{
    size_t i = l->heap_at;
    struct lane *last = q->heap[--q->heap_n];

    if (last == l)
        return;
    if (i > 0 && q->heap[(i - 1) / 2]->due_ns > last->due_ns)
        heap_up(q, i, last);
    else
        heap_down(q, i, last);
}

struct lane *queue__due_top(struct queue *q)
{
    return q->heap_n ? q->heap[0] : NULL;
}

void queue__lane_due(struct queue *q, struct lane *l, uint64_t due_ns)
{
    assert(l->where == LANE_OUT);
    if (q->heap_n == q->heap_cap) {
        q->heap_cap = q->heap_cap ? q->heap_cap * 2 : 256;
        q->heap = tl_reallocarray(q->heap, q->heap_cap, sizeof(struct lane *));
    }
    l->where = LANE_DUE;
    l->due_ns = due_ns;
    heap_up(q, q->heap_n++, l);
}

/* ---- ready lists and rings ---- */
static void ring_remove(struct conn *c, struct target *t)
{
    if (t->ring_next == t) {
        c->ring = NULL;
    } else {
        t->ring_prev->ring_next = t->ring_next;
        t->ring_next->ring_prev = t->ring_prev;
        if (c->ring == t)
            c->ring = t->ring_next;
    }
    t->ring_next = t->ring_prev = NULL;
    t->deficit = 0;
    c->n_ready -= t->n_ready;
}

static void ring_add(struct conn *c, struct target *t)
{
    if (!c->ring) {
        c->ring = t->ring_next = t->ring_prev = t;
    } else { /* last in the turn */
        t->ring_next = c->ring;
        t->ring_prev = c->ring->ring_prev;
        t->ring_prev->ring_next = t;
        t->ring_next->ring_prev = t;
    }
    c->n_ready += t->n_ready;
}

void queue__ring_update(struct queue *q, struct target *t)
{
    bool want = t->n_ready > 0 && !t->removed && !t->flow->removed && t->flow->held == QUEUE_HELD_NONE &&
                !t->elsewhere && t->n_parked < PARKED_MAX;
    bool is = t->ring_next != NULL;

    (void)q;
    if (want && !is)
        ring_add(t->conn, t);
    else if (!want && is)
        ring_remove(t->conn, t);
}

void queue__lane_ready(struct queue *q, struct lane *l, bool front)
{
    struct target *t = l->target;

    assert(l->where == LANE_OUT);
    l->where = LANE_READY;
    l->due_ns = queue__now(q);
    l->prev = l->next = NULL;
    if (!t->first) {
        t->first = t->last = l;
    } else if (front) {
        l->next = t->first;
        t->first->prev = l;
        t->first = l;
    } else {
        l->prev = t->last;
        t->last->next = l;
        t->last = l;
    }
    t->n_ready++;
    if (t->ring_next)
        t->conn->n_ready++;
    else
        queue__ring_update(q, t);
}

static void ready_remove(struct queue *q, struct lane *l)
{
    struct target *t = l->target;

    if (l->prev)
        l->prev->next = l->next;
    else
        t->first = l->next;
    if (l->next)
        l->next->prev = l->prev;
    else
        t->last = l->prev;
    l->prev = l->next = NULL;
    t->n_ready--;
    if (t->ring_next) {
        t->conn->n_ready--;
        if (t->n_ready == 0)
            queue__ring_update(q, t);
    }
}

void queue__lane_unwait(struct queue *q, struct lane *l)
{
    if (l->where == LANE_READY)
        ready_remove(q, l);
    else if (l->where == LANE_DUE)
        heap_remove(q, l);
    l->where = LANE_OUT;
}

void queue__lane_out(struct queue *q, struct lane *l)
{
    assert(l->where == LANE_READY);
    queue__lane_unwait(q, l);
}
