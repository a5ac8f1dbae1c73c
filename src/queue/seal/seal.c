/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encryption at rest. Rows are sealed with data keys that the ledger makes itself (32 random bytes, numbered); the
 * table data_key keeps them sealed with the operator's key. So another key of the operator's means sealing a few small
 * rows anew, in the transaction of the start, and no power cut finds a ledger between two keys. With another key of the
 * operator's comes a new data key; queue_rekey moves what is on disk under it.
 *
 * A sealed value is bound to its place: kind of column, id of the row, for a body also the chunks that belong to it.
 * What was copied over another row does not open. Not sealed: ids, times, states, figures, the 64-bit hashes of
 * ordering keys (lanes), cross-references, names, the audit log.
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>

#include "queue/queue_int.h"

struct queue__ring {
    const struct crypto *crypto;
    struct crypto_seal_key *keys; /* data keys, by number; in locked memory */
    size_t n;
};

struct context {
    char bytes[1 + 8 + 8 + 32 + 32];
};

/* Numbers little-endian, names as their hashes: the same length for all. */
static struct tl_sv context_of(const struct place *p, struct context *c)
{
    const struct tl_sv names[2] = {p->name, p->name2};

    memset(c, 0, sizeof(*c));
    c->bytes[0] = (char)p->kind;
    for (unsigned i = 0; i < 8; i++) {
        c->bytes[1 + i] = (char)(p->id >> (8 * i));
        c->bytes[9 + i] = (char)(p->more >> (8 * i));
    }
    for (unsigned i = 0; i < 2; i++)
        if (names[i].p)
            (void)crypto_generichash((unsigned char *)c->bytes + 17 + 32 * i, 32, (const unsigned char *)names[i].p,
                                     names[i].n, NULL, 0);
    return tl_sv(c->bytes, sizeof(c->bytes));
}

static struct tl_buf *scratch(struct queue *q)
{
    struct tl_buf *b = &q->sealed[q->sealed_at++ % TL_COUNT(q->sealed)];

    if (b->max == 0)
        tl_buf_init(b, SEALED_MAX);
    tl_buf_clear(b);
    return b;
}

struct store_val queue__key_id(const struct queue *q)
{
    return store_int(q->ring ? q->ring->keys[q->ring->n - 1].id : 0);
}

struct store_val queue__seal(struct queue *q, struct place p, struct store_val plain)
{
    struct context c;
    struct tl_buf *out;
    enum tl_rc rc;
    struct tl_err err;

    if (!q->ring || plain.type == STORE_NULL)
        return plain;
    out = scratch(q);
    rc = crypto_seal(q->crypto, CRYPTO_XCHACHA20_POLY1305, &q->ring->keys[q->ring->n - 1], context_of(&p, &c), plain.s,
                     out, &err);
    if (rc == TL_OK)
        return store_blob(tl_buf_view(out));
    queue__spoil(q, rc, &err);
    return store_null();
}

enum tl_rc queue__unseal(const struct queue__ring *ring, struct place p, bool sealed, struct tl_sv in,
                         struct tl_buf *out, struct tl_sv *ret, struct tl_err *err)
{
    struct context c;
    enum tl_rc rc;

    *ret = in;
    if (!sealed || in.p == NULL)
        return TL_OK;
    if (!ring)
        return tl_fail(err, TL_CONFIG, "the ledger is encrypted and its key is not configured (store.encrypt.key)");
    if (out->max == 0)
        tl_buf_init(out, SEALED_MAX);
    tl_buf_clear(out);
    rc = crypto_open(ring->crypto, ring->keys, ring->n, context_of(&p, &c), in, out, err);
    *ret = rc == TL_OK ? tl_sv(out->p ? out->p : "", out->n) : TL_SV_NULL;
    return rc == TL_OK ? rc : tl_err_prefix(err, "the ledger's row %" PRIu64 " cannot be read", p.id);
}

bool queue__open_val(struct queue *q, struct place p, bool sealed, struct tl_sv in, struct tl_sv *ret)
{
    struct tl_err err;

    if (queue__unseal(q->ring, p, sealed, in, scratch(q), ret, &err) == TL_OK)
        return true;
    queue__notice(q, "unreadable", NULL, NULL, err.text);
    return false;
}

/* ---- the keys ---- */

static struct place key_place(uint64_t id)
{
    return (struct place){.kind = PLACE_KEY, .id = id};
}

static void seal_key(struct queue *q, uint64_t id, const uint8_t key[CRYPTO_SEAL_KEY], bool is_new)
{
    struct place p = key_place(id);
    struct context c;
    struct tl_buf out;
    struct tl_err err;

    tl_buf_init(&out, 4096);
    if (crypto_seal(q->crypto, CRYPTO_XCHACHA20_POLY1305, &q->o.keys[0], context_of(&p, &c),
                    tl_sv((const char *)key, CRYPTO_SEAL_KEY), &out, &err) != TL_OK)
        queue__spoil(q, err.rc, &err);
    else if (is_new)
        (void)RUN(q, KEY_ADD, store_u64(id), store_int(queue__wall(q)), store_blob(tl_buf_view(&out)));
    else
        (void)RUN(q, KEY_SET, store_u64(id), store_blob(tl_buf_view(&out)));
    tl_buf_done(&out);
}

static void ring_add(struct queue__ring *r, uint64_t id, const char key[CRYPTO_SEAL_KEY])
{
    struct crypto_seal_key *keys = sodium_allocarray(r->n + 1, sizeof(*keys));

    if (!keys)
        abort();
    if (r->n)
        memcpy(keys, r->keys, r->n * sizeof(*keys));
    keys[r->n].id = (uint32_t)id;
    memcpy(keys[r->n].key, key, CRYPTO_SEAL_KEY);
    sodium_free(r->keys);
    r->keys = keys;
    r->n++;
}

/* One data key, opened with one of the operator's. */
static enum tl_rc take_key(struct queue *q, uint64_t id, struct tl_sv sealed, bool *ret_old, struct tl_err *err)
{
    struct place p = key_place(id);
    struct context c;
    uint32_t master = 0;
    struct tl_buf out;
    enum tl_rc rc = crypto_sealed_key_id(sealed, &master, err);

    if (rc == TL_OK && q->o.n_keys == 0)
        return tl_fail(err, TL_CONFIG,
                       "the ledger in %s is encrypted (key %08" PRIx32 "): set store.encrypt.key to its key", q->dir,
                       master);
    tl_buf_init(&out, 4096);
    if (rc == TL_OK)
        rc = crypto_open(q->crypto, q->o.keys, q->o.n_keys, context_of(&p, &c), sealed, &out, err);
    if (rc == TL_NOT_FOUND)
        rc = tl_fail(err, TL_CONFIG,
                     "the ledger in %s is encrypted with key %08" PRIx32 ", and store.encrypt has key %08" PRIx32
                     " only: configure that key, or name it under store.encrypt.old_keys to change to this one",
                     q->dir, master, q->o.keys[0].id);
    else if (rc != TL_OK)
        rc = tl_fail(err, TL_CONFIG, "a key of the ledger in %s is damaged: restore it from a snapshot", q->dir);
    if (rc == TL_OK)
        ring_add(q->ring, id, out.p);
    *ret_old = master != (q->o.n_keys ? q->o.keys[0].id : 0);
    if (out.p)
        tl_wipe(out.p, out.n);
    tl_buf_done(&out);
    return rc;
}

/* Under the operator's first key: all of them, and if one was not, a new one that seals from now on. */
static void renew_keys(struct queue *q, bool any_old)
{
    uint8_t key[CRYPTO_SEAL_KEY];
    uint64_t id = q->ring->n ? q->ring->keys[q->ring->n - 1].id + 1u : 1;

    if (q->ring->n && !any_old)
        return;
    for (size_t i = 0; i < q->ring->n; i++)
        seal_key(q, q->ring->keys[i].id, q->ring->keys[i].key, false);
    tl_random(key, sizeof(key));
    seal_key(q, id, key, true);
    ring_add(q->ring, id, (const char *)key);
    tl_wipe(key, sizeof(key));
}

enum tl_rc queue__load_keys(struct queue *q, struct tl_err *err)
{
    struct store_val v[2];
    bool any_old = false, old = false;
    enum tl_rc rc = TL_OK;

    q->ring = tl_zalloc(sizeof(*q->ring));
    q->ring->crypto = q->crypto;
    if (queue__start(q, SQL_KEY_ALL, NULL, 0))
        while (rc == TL_OK && queue__next(q, SQL_KEY_ALL, v, 2)) {
            rc = take_key(q, (uint64_t)v[0].i, v[1].s, &old, err);
            any_old = any_old || old;
        }
    queue__end(q, SQL_KEY_ALL);
    if (rc == TL_OK && q->o.n_keys)
        renew_keys(q, any_old);
    if (q->ring->n == 0)
        queue__free_keys(q);
    return rc;
}

void queue__free_keys(struct queue *q)
{
    if (q->ring)
        sodium_free(q->ring->keys);
    tl_free(q->ring);
    q->ring = NULL;
    for (size_t i = 0; i < TL_COUNT(q->sealed); i++)
        tl_buf_done(&q->sealed[i]);
}
