/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idempotency keys. They are hashes, so each new one falls on another page of the table that is ordered by them:
 * written at once, 64 puts of 1 KB would write half a megabyte of its pages. So the keys of a transaction are one row
 * at the end of `idem_new`, and kept in memory, in a table whose slots are in the order of the keys. When a generation
 * of them has come it leaves: it is walked in order, a few keys a turn, into `idem`, where neighbours share a page, and
 * then its rows of idem_new go. A key is looked for in the young ones, those that leave, and `idem`; after a crash
 * idem_new says which were in memory, and a key that had moved already is moved again.
 */
#include "queue/queue_int.h"

#define GENERATION_DEFAULT 32768u
#define MOVE_PER_CLAIM 2u   /* a generation has left before the next one is half there */
#define FORGET_PER_CLAIM 8u /* rows of idem_new */
#define LEAST_STEP 32u
#define LEAST_SLOTS 1024u

/* Open addressing, at most three quarters full. at 0: an empty slot; event 0: released, others may lie behind it. A
 * key's slot is given by its highest bits. */
struct table {
    struct queue__key *slot;
    size_t n, slots; /* n: taken, released ones included */
    unsigned shift;
    uint64_t first, last; /* event, row */
};
struct undo {
    struct table *in;
    struct queue__key key;
    uint64_t before; /* the event it was of */
};
struct keys {
    struct table *young, *leaving, tables[2];
    size_t generation;
    size_t walk, walk_to; /* of `leaving`: moved before the open transaction, and with it */
    bool forgotten;       /* the rows of the leaving ones are gone with the open transaction */
    bool any_moved;       /* there may be something in idem */
    uint64_t row;         /* the last one of idem_new */
    struct undo *undo;    /* what the open transaction has changed in memory */
    size_t n_undo, undo_cap;
};

/* The slot that holds the key, or the empty one where it belongs. */
static size_t place_of(const struct table *t, uint64_t k1)
{
    return (size_t)((k1 ^ (1ull << 63)) >> t->shift); /* SQLite's integers have a sign */
}

static struct queue__key *find(const struct table *t, uint64_t k1, uint64_t k2)
{
    size_t i = place_of(t, k1);

    while (t->slot[i].at && (t->slot[i].k1 != k1 || t->slot[i].k2 != k2))
        i = (i + 1) & (t->slots - 1);
    return &t->slot[i];
}

static void size_table(struct table *t, size_t slots)
{
    struct queue__key *old = t->slot;
    size_t n = t->slots;

    t->slot = tl_zalloc(slots * sizeof(*t->slot));
    t->slots = slots;
    for (t->shift = 64; slots > 1; slots /= 2)
        t->shift--;
    for (size_t i = 0; i < n; i++)
        if (old[i].at)
            *find(t, old[i].k1, old[i].k2) = old[i];
    tl_free(old);
}

static void set_event(struct keys *ks, struct table *t, struct queue__key *k, uint64_t event)
{
    if (ks->n_undo == ks->undo_cap) {
        ks->undo_cap = ks->undo_cap ? ks->undo_cap * 2 : 256;
        ks->undo = tl_reallocarray(ks->undo, ks->undo_cap, sizeof(*ks->undo));
    }
    ks->undo[ks->n_undo] = (struct undo){t, *k, k->event};
    k->event = ks->undo[ks->n_undo++].key.event = event;
}

static void add(struct keys *ks, const struct queue__key *key)
{
    struct table *t = ks->young;
    struct queue__key *k;

    if (t->n >= t->slots / 4 * 3)
        size_table(t, t->slots * 2);
    k = find(t, key->k1, key->k2);
    t->n += k->at == 0;
    *k = *key;
    k->at = key->at ? key->at : 1;
    k->event = 0;
    t->first = t->n == 1 ? key->event : t->first;
    set_event(ks, t, k, key->event);
}

/* Between transactions, or in one that has touched no key. */
static void begin_leaving(struct keys *ks)
{
    struct table *t = ks->leaving;

    ks->leaving = ks->young;
    ks->young = t;
    ks->walk = ks->walk_to = 0;
}

static const struct queue__key *look(const struct keys *ks, uint64_t k1, uint64_t k2)
{
    const struct queue__key *k = find(ks->young, k1, k2);

    if (!k->event && ks->leaving->n)
        k = find(ks->leaving, k1, k2);
    return k->event ? k : NULL;
}

bool queue__key_claim(struct queue *q, const struct queue__key *key, struct queue__key *ret_owner)
{
    struct keys *ks = q->keys;
    const struct queue__key *k = look(ks, key->k1, key->k2);
    struct store_val v[2];

    if (k) {
        *ret_owner = *k;
        return false;
    }
    if (ks->any_moved && queue__one(q, SQL_IDEM_GET, VALS(store_u64(key->k1), store_u64(key->k2)), v, 2)) {
        *ret_owner = (struct queue__key){.event = (uint64_t)v[0].i, .body = (uint64_t)v[1].i};
        return false;
    }
    add(ks, key);
    return true;
}

static void release_in(struct keys *ks, struct table *t, uint64_t k1, uint64_t k2, uint64_t event)
{
    struct queue__key *k = find(t, k1, k2);

    if (k->event == event)
        set_event(ks, t, k, 0);
}

void queue__key_release(struct queue *q, uint64_t k1, uint64_t k2, uint64_t event)
{
    release_in(q->keys, q->keys->young, k1, k2, event);
    release_in(q->keys, q->keys->leaving, k1, k2, event);
    (void)RUN(q, IDEM_DEL, store_u64(k1), store_u64(k2), store_u64(event));
}

static void move_some(struct queue *q, size_t n)
{
    struct keys *ks = q->keys;
    struct table *t = ks->leaving;
    uint64_t gone = 0;

    for (size_t budget = n * MOVE_PER_CLAIM; budget > 0 && ks->walk_to < t->slots; ks->walk_to++) {
        const struct queue__key *k = &t->slot[ks->walk_to];

        if (!k->event)
            continue;
        (void)RUN(q, IDEM_ADD, store_u64(k->k1), store_u64(k->k2), store_u64(k->event), store_u64(k->body),
                  store_int(k->at));
        ks->any_moved = true;
        budget--;
    }
    if (ks->walk < t->slots)
        return; /* the rows go in a transaction after the one that moved the last key */
    (void)queue__run(q, SQL_NEW_DEL, VALS(store_u64(t->last), store_u64(n * FORGET_PER_CLAIM)), &gone);
    ks->forgotten = q->txn_rc == TL_OK && gone < n * FORGET_PER_CLAIM;
}

void queue__keys_save(struct queue *q)
{
    struct keys *ks = q->keys;
    struct queue__key *row;

    if (ks->n_undo == 0)
        return;
    row = tl_reallocarray(NULL, ks->n_undo, sizeof(*row));
    for (size_t i = 0; i < ks->n_undo; i++)
        row[i] = ks->undo[i].key;
    ks->young->last = ++ks->row;
    (void)RUN(q, NEW_ADD, store_u64(ks->row), store_blob(tl_sv((const char *)row, ks->n_undo * sizeof(*row))));
    tl_free(row);
    if (ks->leaving->n)
        move_some(q, ks->n_undo + LEAST_STEP);
}

bool queue__keys_move_all(struct queue *q, size_t n, uint64_t until)
{
    struct keys *ks = q->keys;

    if (!ks->leaving->n && ks->young->n && ks->young->first < until && !ks->n_undo)
        begin_leaving(ks);
    if (!ks->leaving->n || ks->leaving->first >= until)
        return true;
    move_some(q, n);
    return false;
}

void queue__keys_settle(struct queue *q, bool committed)
{
    struct keys *ks = q->keys;

    if (!committed) {
        for (const struct undo *u = ks->undo + ks->n_undo; u > ks->undo;) {
            u--;
            find(u->in, u->key.k1, u->key.k2)->event = u->before;
        }
        ks->walk_to = ks->walk;
    } else if (ks->forgotten) {
        memset(ks->leaving->slot, 0, ks->leaving->slots * sizeof(*ks->leaving->slot));
        ks->leaving->n = 0;
    }
    ks->walk = ks->walk_to;
    ks->n_undo = 0;
    ks->forgotten = false;
    if (ks->young->n >= ks->generation && ks->leaving->n == 0)
        begin_leaving(ks);
}

bool queue__key_next(struct tl_sv row, size_t *at, struct queue__key *ret_key)
{
    if (row.n - *at < sizeof(*ret_key))
        return false;
    memcpy(ret_key, row.p + *at, sizeof(*ret_key));
    *at += sizeof(*ret_key);
    return true;
}

/* A start waits for memory more than for anything else: the slots of so many are asked for ahead. */
#define AHEAD 12u

static void load_row(struct keys *ks, struct tl_sv row)
{
    struct queue__key k;

    for (size_t at = 0, soon = 0; at + sizeof(k) <= row.n;) {
        while (soon < at + AHEAD * sizeof(k) && queue__key_next(row, &soon, &k))
            __builtin_prefetch(&ks->young->slot[place_of(ks->young, k.k1)], 1);
        (void)queue__key_next(row, &at, &k);
        if (k.event) {
            add(ks, &k);
            continue;
        }
        find(ks->young, k.k1, k.k2)->event = 0;
        find(ks->leaving, k.k1, k.k2)->event = 0;
    }
}

/* So that they need not be laid out anew again and again while they come. */
static size_t slots_for(size_t n, size_t generation)
{
    size_t slots = LEAST_SLOTS;

    while (slots / 4 * 3 <= (n < generation ? n : generation))
        slots *= 2;
    return slots;
}

/* At most twice a generation, by the pace of moving. */
void queue__keys_load(struct queue *q)
{
    struct keys *ks = q->keys = tl_zalloc(sizeof(*ks));
    struct store_val v[2];
    size_t n = 0;

    ks->generation = q->o.key_generation ? q->o.key_generation : GENERATION_DEFAULT;
    ks->young = &ks->tables[0];
    ks->leaving = &ks->tables[1];
    if (queue__one(q, SQL_NEW_BYTES, NULL, 0, v, 1))
        n = (size_t)v[0].i / sizeof(struct queue__key);
    size_table(ks->young, slots_for(n, ks->generation));
    size_table(ks->leaving, slots_for(n > ks->generation ? n - ks->generation : 0, ks->generation));
    if (queue__start(q, SQL_NEW_ALL, NULL, 0))
        while (queue__next(q, SQL_NEW_ALL, v, 2)) {
            load_row(ks, v[1].s);
            ks->young->last = ks->row = (uint64_t)v[0].i;
            queue__keys_settle(q, true);
        }
    queue__end(q, SQL_NEW_ALL);
    ks->any_moved = queue__one(q, SQL_IDEM_ANY, NULL, 0, v, 1);
}

void queue__keys_free(struct queue *q)
{
    if (!q->keys)
        return;
    tl_free(q->keys->tables[0].slot);
    tl_free(q->keys->tables[1].slot);
    tl_free(q->keys->undo);
    tl_free(q->keys);
}
