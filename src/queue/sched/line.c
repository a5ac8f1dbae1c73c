/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines: which live deliveries stand in each lane, the oldest first. Lanes are hashes, so a table that is ordered by
 * them is written at random, a page for every delivery that comes and one for every one that ends. So nothing goes
 * there at once: those that came last are the young ones and stand in memory; most end there. When a generation of them
 * has come it leaves: what still stands is put in order and moved, a few a turn, into the table `line`, where
 * neighbours share a page. Those that end in the table leave it in the same way: of a lane it is kept in memory up to
 * which one all have ended, and the rows go, in order, when that generation leaves.
 *
 * What is in memory is read again from `unit` at the start, by the index unit_ready: live units from `line_from` (meta)
 * on, which are two spans of ids at most. One that is dead and blocks its lane is not in that index, so it is in the
 * table always. The table may have rows of units that are not live any more: those that ended shortly before a crash;
 * nothing rests on them, because a unit is looked at before it is taken (rows.c), and retention sweeps them.
 */
#include <stdlib.h>

#include "queue/queue_int.h"

#define GENERATION_DEFAULT 32768u /* more of them: a put writes less, a start reads more */
#define SPAN 2u        /* generations of ids: it leaves then, however few still stand, so that a start reads few */
#define MOVE_PER_ID 3u /* it has left long before the next one has come */
#define LEAST_STEP 32u
#define LEAST_SLOTS 1024u
#define HEAP_BITS 14u /* of a generation: heaps of four */
#define FEW 24u
#define WALK_MAX 4096u /* one that ends in the middle of its lane is looked for so far */

/* A lane with young ones, or with some that have ended in the table. */
struct slot {
    uint64_t lane, gone;  /* gone: up to this one all rows of the table have ended; 0: nothing is known */
    uint32_t first, last; /* numbers of nodes; 0: none */
};
struct node {
    uint64_t id;
    uint32_t next;
};
struct stand {
    uint64_t lane, id;
};
struct undo {
    uint64_t lane, id; /* id: that stood there, or `gone` as it was */
    enum { UNDO_ADD, UNDO_YOUNG, UNDO_LEAVING, UNDO_GONE } what;
};
struct lines {
    size_t generation;
    /* young: open addressing, at most three quarters full */
    struct slot *slot;
    size_t n_slot, slots; /* n_slot: taken */
    unsigned shift;
    struct node *node; /* from 1 on */
    uint32_t n_node, node_cap, node_free;
    size_t n_young, n_gone;
    uint64_t from; /* the first id of the young ones */
    /* leaving: sorted, by lane as SQLite sorts it and by id */
    bool leaving, again; /* again: read at a start, so that any may be in the table already */
    struct stand *stand, *gone;
    uint32_t *skip; /* of `stand`: 0, it stands there; else so many places on is the next that may */
    size_t n_stand, n_leaving_gone;
    size_t at, at_to, gone_at, gone_to; /* moved before the open transaction, and with it */
    bool left;                          /* with the open transaction nothing is left of it */
    bool any, any_left;                 /* there may be something in the table; when it is left */
    uint64_t ids;                       /* next_id at the end of the last transaction */
    struct undo *undo;                  /* what the open transaction has changed in memory */
    size_t n_undo, undo_cap;
};

/* ---- the young ones ---- */
static size_t place_of(const struct lines *s, uint64_t lane)
{
    return (size_t)((lane * 0x9e3779b97f4a7c15ull) >> s->shift);
}

static bool is_taken(const struct slot *s)
{
    return s->first || s->gone;
}

/* The slot of the lane, or the empty one where it belongs. */
static struct slot *find(const struct lines *s, uint64_t lane)
{
    size_t i = place_of(s, lane);

    while (is_taken(&s->slot[i]) && s->slot[i].lane != lane)
        i = (i + 1) & (s->slots - 1);
    return &s->slot[i];
}

static void size_slots(struct lines *s, size_t slots)
{
    struct slot *old = s->slot;
    size_t n = s->slots;

    s->slot = tl_zalloc(slots * sizeof(*s->slot));
    s->slots = slots;
    for (s->shift = 64; slots > 1; slots /= 2)
        s->shift--;
    for (size_t i = 0; i < n; i++)
        if (is_taken(&old[i]))
            *find(s, old[i].lane) = old[i];
    tl_free(old);
}

static struct slot *take_slot(struct lines *s, uint64_t lane)
{
    struct slot *e;

    if (s->n_slot >= s->slots / 4 * 3)
        size_slots(s, s->slots * 2);
    e = find(s, lane);
    if (!is_taken(e)) {
        *e = (struct slot){.lane = lane};
        s->n_slot++;
    }
    return e;
}

/* It holds nothing any more: those behind it that would not be found now move up. */
static void drop_slot(struct lines *s, struct slot *e)
{
    size_t hole = (size_t)(e - s->slot), mask = s->slots - 1;

    if (is_taken(e))
        return;
    s->n_slot--;
    for (size_t i = (hole + 1) & mask; is_taken(&s->slot[i]); i = (i + 1) & mask) {
        size_t home = place_of(s, s->slot[i].lane);

        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        s->slot[hole] = s->slot[i];
        s->slot[i] = (struct slot){0};
        hole = i;
    }
}

static uint32_t take_node(struct lines *s, uint64_t id)
{
    uint32_t n = s->node_free;

    if (n) {
        s->node_free = s->node[n].next;
    } else {
        if (s->n_node + 1 >= s->node_cap) {
            s->node_cap = s->node_cap ? s->node_cap * 2 : 1024;
            s->node = tl_reallocarray(s->node, s->node_cap, sizeof(*s->node));
        }
        n = ++s->n_node;
    }
    s->node[n] = (struct node){.id = id};
    return n;
}

static void young_add(struct lines *s, uint64_t lane, uint64_t id)
{
    struct slot *e = take_slot(s, lane);
    uint32_t n = take_node(s, id), before = 0, at = e->first;

    if (e->last && s->node[e->last].id < id)
        before = e->last, at = 0;
    while (at && s->node[at].id < id) {
        before = at;
        at = s->node[at].next;
    }
    s->node[n].next = at;
    if (before)
        s->node[before].next = n;
    else
        e->first = n;
    if (!at)
        e->last = n;
    s->n_young++;
}

static bool young_remove(struct lines *s, uint64_t lane, uint64_t id)
{
    struct slot *e = find(s, lane);
    uint32_t before = 0, at = e->first;

    for (unsigned i = 0; at && s->node[at].id < id && i < WALK_MAX; i++) {
        before = at;
        at = s->node[at].next;
    }
    if (!at || s->node[at].id != id)
        return false;
    if (before)
        s->node[before].next = s->node[at].next;
    else
        e->first = s->node[at].next;
    if (e->last == at)
        e->last = before;
    s->node[at].next = s->node_free;
    s->node_free = at;
    s->n_young--;
    drop_slot(s, e);
    return true;
}

static uint64_t young_next(const struct lines *s, uint64_t lane, uint64_t after)
{
    const struct slot *e = find(s, lane);
    uint32_t at = e->first;

    if (!at || s->node[e->last].id <= after)
        return 0;
    while (at && s->node[at].id <= after)
        at = s->node[at].next;
    return at ? s->node[at].id : 0;
}

/* ---- the leaving ones ---- */
static int by_lane(const void *x, const void *y)
{
    const struct stand *a = x, *b = y;

    if (a->lane != b->lane)
        return (int64_t)a->lane < (int64_t)b->lane ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static void order_few(struct stand *s, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct stand one = s[i];
        size_t at = i;

        for (; at > 0 && by_lane(&s[at - 1], &one) > 0; at--)
            s[at] = s[at - 1];
        s[at] = one;
    }
}

static size_t heap_of(const struct stand *s, unsigned bits)
{
    return (size_t)((s->lane ^ (1ull << 63)) >> (64 - bits)); /* SQLite's integers have a sign */
}

/* Lanes are hashes: by their highest bits they fall into heaps of a few each, in less time than qsort takes,
 * and everybody waits for it. A lane in which thousands stand makes a large heap. */
static void put_in_order(struct stand *s, size_t n)
{
    unsigned bits = 1;
    uint32_t *end, from = 0; /* of each heap */
    struct stand *copy;

    if (n < 2)
        return;
    while (bits < HEAP_BITS && n >> (bits + 2))
        bits++;
    end = tl_zalloc(sizeof(*end) << bits);
    copy = tl_reallocarray(NULL, n, sizeof(*copy));
    memcpy(copy, s, n * sizeof(*s));
    for (size_t i = 0; i < n; i++)
        end[heap_of(&s[i], bits)]++;
    for (size_t h = 0; h < (size_t)1 << bits; h++) {
        uint32_t count = end[h];

        end[h] = from;
        from += count;
    }
    for (size_t i = 0; i < n; i++)
        s[end[heap_of(&copy[i], bits)]++] = copy[i];
    from = 0;
    for (size_t h = 0; h < (size_t)1 << bits; from = end[h++]) {
        if (end[h] - from <= FEW)
            order_few(s + from, end[h] - from);
        else
            qsort(s + from, end[h] - from, sizeof(*s), by_lane);
    }
    tl_free(copy);
    tl_free(end);
}

/* The first at or behind (lane, id). */
static size_t lower(const struct stand *s, size_t n, uint64_t lane, uint64_t id)
{
    const struct stand key = {lane, id};
    size_t low = 0;

    while (low < n) {
        size_t mid = low + (n - low) / 2;

        if (by_lane(&s[mid], &key) < 0)
            low = mid + 1;
        else
            n = mid;
    }
    return low;
}

/* The first that still stands, from here on; what was walked over is walked over in fewer steps the next time. */
static size_t standing(struct lines *s, size_t i)
{
    size_t from = i, next;

    while (i < s->n_stand && s->skip[i])
        i += s->skip[i];
    for (; from < i; from = next) {
        next = from + s->skip[from];
        s->skip[from] = (uint32_t)(i - from);
    }
    return i;
}

static uint64_t leaving_next(struct lines *s, uint64_t lane, uint64_t after)
{
    size_t i;

    if (s->at >= s->n_stand)
        return 0;
    i = lower(s->stand, s->n_stand, lane, after + 1);
    i = standing(s, i < s->at ? s->at : i);
    return i < s->n_stand && s->stand[i].lane == lane ? s->stand[i].id : 0;
}

static bool leaving_remove(struct lines *s, uint64_t lane, uint64_t id)
{
    size_t i = lower(s->stand, s->n_stand, lane, id);

    if (i < s->at || i >= s->n_stand || s->stand[i].lane != lane || s->stand[i].id != id || s->skip[i])
        return false;
    s->skip[i] = 1;
    return true;
}

static void begin_leaving(struct lines *s, uint64_t next_id)
{
    size_t n = 0, g = 0;

    s->stand = tl_reallocarray(s->stand, s->n_young + 1, sizeof(*s->stand));
    s->gone = tl_reallocarray(s->gone, s->n_gone + 1, sizeof(*s->gone));
    for (size_t i = 0; i < s->slots; i++) {
        if (s->slot[i].gone)
            s->gone[g++] = (struct stand){s->slot[i].lane, s->slot[i].gone};
        for (uint32_t at = s->slot[i].first; at; at = s->node[at].next)
            s->stand[n++] = (struct stand){s->slot[i].lane, s->node[at].id};
    }
    put_in_order(s->stand, n);
    put_in_order(s->gone, g);
    s->skip = tl_reallocarray(s->skip, n + 1, sizeof(*s->skip));
    memset(s->skip, 0, (n + 1) * sizeof(*s->skip));
    s->n_stand = n;
    s->n_leaving_gone = g;
    s->at = s->at_to = s->gone_at = s->gone_to = 0;
    s->leaving = true;
    s->again = false;
    memset(s->slot, 0, s->slots * sizeof(*s->slot));
    s->n_slot = s->n_young = s->n_gone = 0;
    s->n_node = s->node_free = 0;
    s->from = next_id;
}

static void end_leaving(struct lines *s)
{
    tl_free(s->stand);
    tl_free(s->gone);
    tl_free(s->skip);
    s->stand = s->gone = NULL;
    s->skip = NULL;
    s->n_stand = s->n_leaving_gone = 0;
    s->at = s->at_to = s->gone_at = s->gone_to = 0;
    s->leaving = s->left = s->again = false;
}

/* ---- changes ---- */
static void note(struct lines *s, const struct undo *u)
{
    if (s->n_undo == s->undo_cap) {
        s->undo_cap = s->undo_cap ? s->undo_cap * 2 : 256;
        s->undo = tl_reallocarray(s->undo, s->undo_cap, sizeof(*s->undo));
    }
    s->undo[s->n_undo++] = *u;
}

static void set_gone(struct lines *s, uint64_t lane, uint64_t gone)
{
    struct slot *e = gone ? take_slot(s, lane) : find(s, lane);

    if (!gone && !is_taken(e)) /* a slot that was taken for it looks empty until it is set */
        return;
    s->n_gone += (gone != 0);
    s->n_gone -= (e->gone != 0);
    e->gone = gone;
    drop_slot(s, e);
}

/* Up to which one all rows of the table have ended. */
static uint64_t gone_of(const struct lines *s, uint64_t lane)
{
    const struct slot *e = find(s, lane);
    size_t i;

    if (e->gone)
        return e->gone;
    i = lower(s->gone, s->n_leaving_gone, lane, 0);
    return i >= s->gone_at && i < s->n_leaving_gone && s->gone[i].lane == lane ? s->gone[i].id : 0;
}

uint64_t queue__line_next(struct queue *q, uint64_t lane, uint64_t after)
{
    struct lines *s = q->lines;
    uint64_t id = leaving_next(s, lane, after), other = young_next(s, lane, after), gone;
    struct store_val v;

    if (id == 0 || (other && other < id))
        id = other;
    if (!s->any)
        return id;
    gone = gone_of(s, lane);
    if (queue__one(q, SQL_LINE_NEXT, VALS(store_u64(lane), store_u64(gone > after ? gone : after)), &v, 1) &&
        (id == 0 || (uint64_t)v.i < id))
        id = (uint64_t)v.i;
    return id;
}

/* From memory, until the transaction is rolled back. */
static bool leave_memory(struct lines *s, uint64_t lane, uint64_t id)
{
    if (id >= s->from && young_remove(s, lane, id))
        note(s, &(struct undo){lane, id, UNDO_YOUNG});
    else if (leaving_remove(s, lane, id))
        note(s, &(struct undo){lane, id, UNDO_LEAVING});
    else
        return false;
    return true;
}

void queue__line_keep(struct queue *q, uint64_t lane, uint64_t id)
{
    uint64_t gone = gone_of(q->lines, lane);

    (void)leave_memory(q->lines, lane, id);
    if (gone >= id) { /* an old one comes back: what is known of its lane becomes true first */
        (void)RUN(q, LINE_DEL, store_u64(lane), store_int(0), store_u64(gone));
        for (size_t i = lower(q->lines->gone, q->lines->n_leaving_gone, lane, 0);
             i < q->lines->n_leaving_gone && q->lines->gone[i].lane == lane; i++)
            q->lines->gone[i].id = 0;
        set_gone(q->lines, lane, 0);
    }
    q->lines->any = true;
    (void)RUN(q, LINE_ADD, store_u64(lane), store_u64(id));
}

void queue__line_add(struct queue *q, uint64_t lane, uint64_t id)
{
    if (id < q->lines->from) {
        queue__line_keep(q, lane, id);
        return;
    }
    young_add(q->lines, lane, id);
    note(q->lines, &(struct undo){lane, id, UNDO_ADD});
}

/* A row of the table. */
static void end_in_table(struct queue *q, uint64_t lane, uint64_t id)
{
    struct lines *s = q->lines;
    uint64_t first = queue__line_next(q, lane, 0);

    if (first && first < id) { /* others stand ahead of it */
        (void)RUN(q, LINE_DEL, store_u64(lane), store_u64(id), store_u64(id));
        return;
    }
    note(s, &(struct undo){lane, find(s, lane)->gone, UNDO_GONE});
    set_gone(s, lane, id);
}

void queue__line_end(struct queue *q, uint64_t lane, uint64_t id)
{
    struct lines *s = q->lines;

    if ((!leave_memory(s, lane, id) || (s->again && id < s->from)) && s->any)
        end_in_table(q, lane, id);
}

void queue__line_stale(struct queue *q, uint64_t lane, uint64_t id)
{
    struct lines *s = q->lines;

    if (!(id >= s->from && young_remove(s, lane, id)) && !leaving_remove(s, lane, id) && s->any)
        set_gone(s, lane, id);
}

/* ---- with each transaction ---- */
static void move_some(struct queue *q, size_t budget)
{
    struct lines *s = q->lines;
    struct store_val v;

    for (; budget > 0 && (s->at_to < s->n_stand || s->gone_to < s->n_leaving_gone); budget--) {
        const struct stand *g = s->gone + s->gone_to, *t = s->stand + s->at_to;

        if (s->gone_to < s->n_leaving_gone && (s->at_to >= s->n_stand || (int64_t)g->lane <= (int64_t)t->lane)) {
            if (g->id)
                (void)RUN(q, LINE_DEL, store_u64(g->lane), store_int(0), store_u64(g->id));
            s->gone_to++;
            continue;
        }
        if (!s->skip[s->at_to]) {
            s->any = true;
            (void)RUN(q, LINE_ADD, store_u64(t->lane), store_u64(t->id));
        }
        s->at_to++;
    }
    if (s->at_to < s->n_stand || s->gone_to < s->n_leaving_gone)
        return;
    (void)RUN(q, META_SET, store_text(TL_SV("line_from")), store_u64(s->from));
    s->any_left = queue__one(q, SQL_LINE_ANY, NULL, 0, &v, 1);
    s->left = q->txn_rc == TL_OK;
}

void queue__lines_save(struct queue *q)
{
    struct lines *s = q->lines;

    if (s->leaving && (s->n_undo || q->next_id != s->ids)) /* it costs pages: no more of them than others write */
        move_some(q, (size_t)(q->next_id - s->ids) * MOVE_PER_ID + s->n_undo + LEAST_STEP);
}

static void roll_back(struct lines *s)
{
    bool leaving = false;

    for (const struct undo *u = s->undo + s->n_undo; u > s->undo;) {
        u--;
        if (u->what == UNDO_ADD) {
            (void)young_remove(s, u->lane, u->id);
        } else if (u->what == UNDO_YOUNG) {
            young_add(s, u->lane, u->id);
        } else if (u->what == UNDO_GONE) {
            set_gone(s, u->lane, u->id);
        } else {
            s->skip[lower(s->stand, s->n_stand, u->lane, u->id)] = 0;
            leaving = true;
        }
    }
    for (size_t i = 0; leaving && i < s->n_stand; i++)
        s->skip[i] = s->skip[i] != 0; /* none jumps over those that are back */
    s->at_to = s->at;
    s->gone_to = s->gone_at;
    s->left = false;
}

void queue__lines_settle(struct queue *q, bool committed)
{
    struct lines *s = q->lines;

    if (!committed) {
        roll_back(s);
    } else if (s->left) {
        s->any = s->any_left;
        end_leaving(s);
    }
    s->at = s->at_to;
    s->gone_at = s->gone_to;
    s->n_undo = 0;
    s->ids = q->next_id;
    if (!s->leaving && (s->n_young + s->n_gone >= s->generation || q->next_id - s->from >= SPAN * s->generation))
        begin_leaving(s, q->next_id);
}

/* ---- from lane to lane ---- */
bool queue__line_lane(struct queue *q, struct line_cursor *c, uint64_t *ret_lane)
{
    struct lines *s = q->lines;
    struct store_val v;

    if (c->part == 0) {
        if (s->any && queue__one(q, SQL_LINE_AFTER, VALS(store_int(c->lane)), &v, 1)) {
            c->lane = v.i;
            *ret_lane = (uint64_t)v.i;
            return true;
        }
        *c = (struct line_cursor){.part = 1};
    }
    if (c->part == 1) {
        size_t i = standing(s, c->at < s->at ? s->at : c->at);

        if (i < s->n_stand) {
            *ret_lane = s->stand[i].lane;
            c->at = lower(s->stand, s->n_stand, *ret_lane, UINT64_MAX);
            return true;
        }
        *c = (struct line_cursor){.part = 2};
    }
    for (; c->at < s->slots; c->at++)
        if (s->slot[c->at].first) {
            *ret_lane = s->slot[c->at++].lane;
            return true;
        }
    return false;
}

/* ---- start and end ---- */
static void load_one(struct queue *q, uint32_t target, size_t *cap)
{
    struct lines *s = q->lines;
    struct store_val v[2];

    if (queue__start(q, SQL_LINE_YOUNG, VALS(store_int(target), store_u64(s->from))))
        while (queue__next(q, SQL_LINE_YOUNG, v, 2)) {
            if (v[1].type != STORE_INT)
                continue;
            if (s->n_stand == *cap)
                s->stand = tl_reallocarray(s->stand, *cap = *cap ? *cap * 2 : 1024, sizeof(*s->stand));
            s->stand[s->n_stand++] = (struct stand){(uint64_t)v[1].i, (uint64_t)v[0].i};
        }
    queue__end(q, SQL_LINE_YOUNG);
}

void queue__lines_load(struct queue *q)
{
    struct lines *s = q->lines = tl_zalloc(sizeof(*s));
    struct store_val v;
    size_t cap = 0;

    s->generation = q->o.line_generation ? q->o.line_generation : GENERATION_DEFAULT;
    size_slots(s, LEAST_SLOTS);
    if (queue__one(q, SQL_META_GET, VALS(store_text(TL_SV("line_from"))), &v, 1))
        s->from = (uint64_t)v.i;
    s->any = queue__one(q, SQL_LINE_ANY, NULL, 0, &v, 1);
    for (size_t i = 1; i <= q->n_targets; i++)
        load_one(q, (uint32_t)i, &cap);
    if (s->n_stand) {
        put_in_order(s->stand, s->n_stand);
        s->skip = tl_zalloc((s->n_stand + 1) * sizeof(*s->skip));
        s->leaving = true;
        s->again = s->any;
    }
    if (s->leaving)
        s->from = q->next_id;
    s->ids = q->next_id;
}

void queue__lines_free(struct queue *q)
{
    if (!q->lines)
        return;
    end_leaving(q->lines);
    tl_free(q->lines->slot);
    tl_free(q->lines->node);
    tl_free(q->lines->undo);
    tl_free(q->lines);
}
