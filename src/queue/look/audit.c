/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people did: appended, never changed. Each row's hash covers the row before it, so that a changed, missing or
 * exchanged row shows; that the newest rows are missing shows only to whoever has noted a hash elsewhere (the log
 * does).
 */
#include "queue/look/reader_int.h"

#define AUDIT_TEXT 4000
#define AUDIT_N 11

static void put_number(uint8_t out[8], uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (56 - 8 * i));
}

/* hash before | id | at | each text with its length before it: no two entries give the same bytes. */
static void entry_hash(const struct crypto *c, const uint8_t before[QUEUE_AUDIT_HASH], const struct queue_audit *e,
                       uint8_t ret[QUEUE_AUDIT_HASH])
{
    const struct tl_sv texts[] = {e->who, e->role, e->how, e->origin, e->action, e->subject, e->reason, e->detail};
    struct crypto_stream *s = crypto_stream_new(c, CRYPTO_SHA256, NULL);
    uint8_t number[8], digest[CRYPTO_MAX_DIGEST];

    crypto_stream_add(s, before, QUEUE_AUDIT_HASH);
    put_number(number, e->id);
    crypto_stream_add(s, number, sizeof(number));
    put_number(number, (uint64_t)e->at_ms);
    crypto_stream_add(s, number, sizeof(number));
    for (size_t i = 0; i < TL_COUNT(texts); i++) {
        put_number(number, texts[i].n);
        crypto_stream_add(s, number, sizeof(number));
        crypto_stream_add(s, texts[i].p ? texts[i].p : "", texts[i].n);
    }
    (void)crypto_stream_end(s, digest);
    memcpy(ret, digest, QUEUE_AUDIT_HASH);
}

/* ---- appending ---- */
struct audit_op {
    struct op op;
    struct queue_audit *e;
};

static struct store_val text_val(struct tl_sv s)
{
    return store_text(s.p ? s : TL_SV(""));
}

static enum tl_rc audit_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct queue_audit *e = TL_CONTAINER(op, struct audit_op, op)->e;
    uint8_t before[QUEUE_AUDIT_HASH] = {0};
    struct store_val v[2];

    (void)err;
    e->id = 1;
    e->at_ms = queue__wall(q);
    if (queue__start(q, SQL_AUDIT_LAST, NULL, 0) && queue__next(q, SQL_AUDIT_LAST, v, 2)) {
        e->id = (uint64_t)v[0].i + 1;
        if (v[1].s.n == QUEUE_AUDIT_HASH)
            memcpy(before, v[1].s.p, QUEUE_AUDIT_HASH);
    }
    queue__end(q, SQL_AUDIT_LAST);
    entry_hash(q->crypto, before, e, e->hash);
    return RUN(q, AUDIT_ADD, store_u64(e->id), store_int(e->at_ms), text_val(e->who), text_val(e->role),
               text_val(e->how), text_val(e->origin), text_val(e->action), text_val(e->subject), text_val(e->reason),
               text_val(e->detail), store_blob(tl_sv((const char *)e->hash, QUEUE_AUDIT_HASH)));
}

enum tl_rc queue_audit(struct queue *q, struct task *task, struct queue_audit *entry, struct tl_err *err)
{
    static const struct op_class cls = {.apply = audit_apply};
    struct audit_op a = {.op = {.cls = &cls}, .e = entry};

    if (entry->reason.n > AUDIT_TEXT || entry->detail.n > AUDIT_TEXT || entry->subject.n > AUDIT_TEXT)
        return tl_fail(err, TL_LIMIT, "a reason has at most %d bytes", AUDIT_TEXT);
    return queue__call(q, task, &a.op, err);
}

/* ---- looking ---- */
static void entry_read(struct tl_arena *arena, const struct store_val *v, struct queue_audit *e)
{
    struct tl_sv *texts[] = {&e->who, &e->role, &e->how, &e->origin, &e->action, &e->subject, &e->reason, &e->detail};

    *e = (struct queue_audit){.id = (uint64_t)v[0].i, .at_ms = v[1].i};
    for (size_t i = 0; i < TL_COUNT(texts); i++)
        *texts[i] = tl_arena_sv(arena, v[2 + i].s);
    if (v[10].s.n == QUEUE_AUDIT_HASH)
        memcpy(e->hash, v[10].s.p, QUEUE_AUDIT_HASH);
}

enum tl_rc queue_audit_list(struct queue_reader *r, struct tl_arena *arena, uint64_t before, size_t limit,
                            struct queue_audit **ret_entries, size_t *ret_n, struct tl_err *err)
{
    struct queue_audit *e = tl_arena_alloc(arena, (limit + 1) * sizeof(*e));
    struct store_val v[AUDIT_N];
    size_t n = 0;
    bool row = true;
    enum tl_rc rc;

    if (!e)
        return tl_fail(err, TL_LIMIT, "more than can be shown at once");
    rc = store_query(r->st[READ_AUDIT], VALS(store_u64(before ? before : INT64_MAX), store_u64(limit)), err);
    while (rc == TL_OK && n < limit) {
        rc = store_next(r->st[READ_AUDIT], v, AUDIT_N, &row, err);
        if (rc != TL_OK || !row)
            break;
        entry_read(arena, v, &e[n++]);
    }
    store_reset(r->st[READ_AUDIT]);
    if (rc == TL_OK && tl_arena_exceeded(arena))
        rc = tl_fail(err, TL_LIMIT, "more than can be shown at once");
    *ret_entries = e;
    *ret_n = n;
    return rc;
}

struct walk {
    uint8_t before[QUEUE_AUDIT_HASH];
    uint64_t at, n, bad;
    struct queue_audit last;
};

/* A part of the chain; *ret_end: it was the last. */
static enum tl_rc walk(struct queue_reader *r, const struct crypto *c, struct walk *w, bool *ret_end,
                       struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *arena = tl_arena_new(64 << 20);
    struct store_val v[AUDIT_N];
    bool row = true;
    int n = 0;
    enum tl_rc rc = store_query(r->st[READ_AUDIT_ALL], VALS(store_u64(w->at), store_int(1000)), err);

    while (rc == TL_OK && !w->bad) {
        struct queue_audit e;
        uint8_t hash[QUEUE_AUDIT_HASH];

        rc = store_next(r->st[READ_AUDIT_ALL], v, AUDIT_N, &row, err);
        if (rc != TL_OK || !row)
            break;
        entry_read(arena, v, &e);
        entry_hash(c, w->before, &e, hash);
        if (e.id != w->at + 1 || memcmp(hash, e.hash, sizeof(hash)) != 0)
            w->bad = e.id;
        memcpy(w->before, e.hash, sizeof(w->before));
        w->at = e.id;
        w->n++;
        w->last = (struct queue_audit){.id = e.id, .at_ms = e.at_ms};
        memcpy(w->last.hash, e.hash, sizeof(e.hash));
        n++;
    }
    store_reset(r->st[READ_AUDIT_ALL]);
    *ret_end = n < 1000 || w->bad;
    return rc;
}

enum tl_rc queue_audit_verify(struct queue_reader *r, uint64_t *ret_n, uint64_t *ret_bad, struct queue_audit *ret_last,
                              struct tl_err *err)
{
    TL_CLEANUP(crypto_freep) struct crypto *c = NULL;
    struct walk w = {.at = 0};
    bool end = false;
    enum tl_rc rc = crypto_new(&c, err);

    while (rc == TL_OK && !end)
        rc = walk(r, c, &w, &end, err);
    if (rc != TL_OK)
        return rc;
    *ret_n = w.n;
    *ret_bad = w.bad;
    *ret_last = w.last;
    return TL_OK;
}
