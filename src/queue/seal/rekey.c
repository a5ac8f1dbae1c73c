/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving what is on disk under the newest data key: what was there before the ledger was encrypted, and what is under
 * keys that are to go. Table by table in the order of the ids, a few rows a transaction, while the ledger goes on: what
 * is written meanwhile is under the newest key already. Cut off at any point, nothing is lost: each row says which key
 * it is under, and keys go when all rows have been seen.
 */
#include "queue/queue_int.h"

#define STEP_ROWS 100
#define STEP_BYTES (4u << 20)
#define COLUMNS_MAX 6

/* A table: its sealed columns stand one after another from `first`; key: the column of the key's number, 0: texts,
 * which are a BLOB when sealed. The write takes the id, the values, then the key's number. */
struct part {
    enum queue_sql read, write;
    unsigned columns, first, n, key;
    enum place_kind kinds[4];
};
static const struct part parts[] = {
    {SQL_MOVE_BODY, SQL_MOVED_BODY, 6, 2, 3, 1, {PLACE_ORDER, PLACE_META, PLACE_BODY}},
    {SQL_MOVE_CHUNK, SQL_MOVED_CHUNK, 3, 2, 1, 1, {PLACE_CHUNK}},
    {SQL_MOVE_EDIT, SQL_MOVED_EDIT, 6, 2, 2, 1, {PLACE_EDIT, PLACE_VARS}},
    {SQL_MOVE_TICKET, SQL_MOVED_TICKET, 3, 2, 1, 1, {PLACE_TICKET}},
    {SQL_MOVE_ATTEMPT, SQL_MOVED_ATTEMPT, 6, 2, 4, 1, {PLACE_TRIED, PLACE_ANSWER, PLACE_ASKED, PLACE_PAIRS}},
    {SQL_MOVE_KV, SQL_MOVED_KV, 4, 2, 1, 1, {PLACE_KV}},
    {SQL_MOVE_POSITION, SQL_MOVED_POSITION, 5, 2, 1, 1, {PLACE_POSITION}},
    {SQL_MOVE_UNIT, SQL_MOVED_UNIT, 2, 1, 1, 0, {PLACE_WHY}},
    {SQL_MOVE_CALL, SQL_MOVED_CALL, 2, 1, 1, 0, {PLACE_CALL}},
    {SQL_MOVE_FLOW, SQL_MOVED_FLOW, 2, 1, 1, 0, {PLACE_FLOW}},
    {SQL_MOVE_CONN, SQL_MOVED_CONN, 2, 1, 1, 0, {PLACE_CONNECTION}},
};

static struct place place_of(enum place_kind kind, const struct store_val *v)
{
    struct place p = {.kind = kind, .id = (uint64_t)v[0].i};

    if (kind == PLACE_BODY)
        p.more = (uint64_t)v[5].i;
    if (kind == PLACE_EDIT || kind == PLACE_VARS)
        p.id = (uint64_t)v[4].i;
    if (kind == PLACE_EDIT)
        p.more = (uint64_t)v[5].i;
    if (kind == PLACE_KV || kind == PLACE_POSITION) {
        p.id = 0;
        p.name = v[3].s;
    }
    if (kind == PLACE_POSITION)
        p.name2 = v[4].s;
    return p;
}

/* Under which key the row is, 0: none. */
static uint32_t key_of(const struct part *p, const struct store_val *v)
{
    const struct store_val *text = &v[p->first];
    uint32_t id = 0;

    if (p->key)
        return (uint32_t)v[p->key].i;
    return text->type == STORE_BLOB && crypto_sealed_key_id(text->s, &id, NULL) == TL_OK ? id : 0;
}

static void move_row(struct queue *q, const struct part *p, const struct store_val *v, uint64_t *bytes)
{
    const uint32_t now = (uint32_t)queue__key_id(q).i, before = key_of(p, v);
    struct store_val out[COLUMNS_MAX] = {store_int(v[0].i)};
    bool any = false;

    for (unsigned i = 0; i < p->n; i++)
        any = any || v[p->first + i].type != STORE_NULL;
    if (before == now || !any)
        return;
    for (unsigned i = 0; i < p->n; i++) {
        const struct store_val *from = &v[p->first + i];
        struct place place = place_of(p->kinds[i], v);
        struct tl_sv plain;

        if (!queue__open_val(q, place, before != 0, from->s, &plain)) {
            q->rekey.unreadable++; /* left as it is, and so is its key */
            return;
        }
        out[1 + i] = queue__seal(q, place, from->type == STORE_NULL ? store_null() : store_blob(plain));
        *bytes += plain.n;
    }
    out[1 + p->n] = queue__key_id(q);
    (void)queue__run(q, p->write, out, 1 + p->n + (p->key ? 1 : 0), NULL);
    q->rekey.changed++;
}

/* True: the part has ended. */
static bool step(struct queue *q, const struct part *p)
{
    struct store_val v[COLUMNS_MAX];
    uint64_t bytes = 0;
    size_t n = 0;

    if (queue__start(q, p->read, VALS(store_int(q->rekey.after), store_int(STEP_ROWS))))
        while (bytes < STEP_BYTES && queue__next(q, p->read, v, p->columns)) {
            n++;
            q->rekey.after = v[0].i;
            move_row(q, p, v, &bytes);
        }
    queue__end(q, p->read);
    return n < STEP_ROWS && bytes < STEP_BYTES;
}

struct rekey_op {
    struct op op;
    struct queue_rekey *out;
};

static enum tl_rc rekey_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct queue_rekey *out = TL_CONTAINER(op, struct rekey_op, op)->out;
    struct rekey before = q->rekey;

    if (!q->ring)
        return tl_fail(err, TL_CONFLICT,
                       "the ledger is not encrypted: set store.encrypt.key and start the server first");
    if (before.part == 0 && before.after == 0)
        q->rekey = (struct rekey){0};
    if (step(q, &parts[q->rekey.part])) {
        q->rekey.part++;
        q->rekey.after = 0;
    }
    out->done = q->rekey.part == TL_COUNT(parts);
    if (out->done && q->rekey.unreadable == 0)
        (void)RUN(q, KEY_OLD, queue__key_id(q));
    out->changed = q->rekey.changed;
    out->unreadable = q->rekey.unreadable;
    if (q->txn_rc != TL_OK)
        q->rekey = before;
    else if (out->done)
        q->rekey.part = 0;
    return q->txn_rc;
}

/* The commit failed: the rows of this step are as they were. From the beginning, then; what has moved is passed over.
 */
static void rekey_undo(struct queue *q, struct op *op)
{
    (void)op;
    q->rekey = (struct rekey){0};
}

/* On the ledger's own connection: what is overwritten or deleted from now on leaves no traces in free space. */
static enum tl_rc overwrite_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    (void)op;
    return store_exec(q->db, "PRAGMA secure_delete=ON", err);
}

enum tl_rc queue_rekey(struct queue *q, struct task *task, struct queue_rekey *ret, struct tl_err *err)
{
    static const struct op_class overwrite_class = {.apply = overwrite_apply, .read = true, .own = true};
    static const struct op_class cls = {.apply = rekey_apply, .undo = rekey_undo, .own = true};
    struct op overwrite = {.cls = &overwrite_class};
    struct rekey_op r = {.op = {.cls = &cls}, .out = ret};
    enum tl_rc rc = queue__call(q, task, &overwrite, err);

    if (rc == TL_OK)
        rc = queue__call(q, task, &r.op, err);
    /* Without a server nobody waits: pages that were freed before today go too. */
    if (rc == TL_OK && ret->done && q->o.manual)
        rc = store_exec(q->db, "VACUUM", err);
    return rc;
}
