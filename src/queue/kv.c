/* SPDX-License-Identifier: Apache-2.0 */
/* Small durable things: leases, positions, keys with values. */
#include "queue/queue_int.h"

#define VALUE_MAX 65536u

struct kv_op {
    struct op op;
    struct tl_sv a, b, value;
    struct tl_buf *out;
    size_t out_n; /* what it held before: a look-up may be done twice (turn.c, look_anyway) */
    int64_t ttl_ms;
    uint64_t epoch;
};

static enum tl_rc call(struct queue *q, struct task *task, struct kv_op *k, const struct op_class *cls,
                       struct tl_err *err)
{
    k->op.cls = cls;
    return queue__call(q, task, &k->op, err);
}

static enum tl_rc first_value(struct queue *q, enum queue_sql sql, const struct store_val *v, size_t n, struct place p,
                              struct tl_buf *out, struct tl_err *err)
{
    struct store_val val[2];
    bool found = queue__start(q, sql, v, n) && queue__next(q, sql, val, 2), ok = true;
    struct tl_sv s = TL_SV_NULL;

    if (found)
        ok = queue__open_val(q, p, val[1].i != 0, val[0].s, &s) && tl_buf_sv(out, s);
    queue__end(q, sql);
    if (q->txn_rc != TL_OK)
        return q->txn_rc;
    if (!ok && !out->failed)
        return tl_fail(err, TL_INVALID, "the entry in the ledger was changed or moved: it does not open with its key");
    if (!found)
        return tl_fail(err, TL_NOT_FOUND, "there is no such entry");
    return out->failed ? tl_fail(err, TL_LIMIT, "the entry is larger than the buffer") : TL_OK;
}

enum tl_rc queue__kv_set(struct queue *q, struct tl_sv key, struct tl_sv value)
{
    return RUN(q, KV_SET, store_text(key), queue__seal(q, PLACE(KV, .name = key), store_blob(value)), queue__key_id(q));
}

bool queue__kv_get(struct queue *q, struct tl_sv key, struct tl_buf *out)
{
    struct tl_err err;

    return first_value(q, SQL_KV_GET, VALS(store_text(key)), PLACE(KV, .name = key), out, &err) == TL_OK;
}

static enum tl_rc lease_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct kv_op *k = TL_CONTAINER(op, struct kv_op, op);
    int64_t now = queue__wall(q);
    struct store_val v[3];
    bool mine = false, found;

    k->epoch = 1;
    found = queue__start(q, SQL_LEASE_GET, VALS(store_text(k->a))) && queue__next(q, SQL_LEASE_GET, v, 3);
    if (found) {
        mine = tl_sv_eq(v[0].s, k->b);
        k->epoch = (uint64_t)v[1].i + 1;
    }
    queue__end(q, SQL_LEASE_GET);
    if (found && !mine && v[2].i > now)
        return tl_fail(err, TL_BUSY, "the lease of %.*s is held by another owner", TL_SV_ARG(k->a));
    return RUN(q, LEASE_SET, store_text(k->a), store_text(k->b), store_u64(k->epoch), store_int(now + k->ttl_ms));
}

static enum tl_rc position_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct kv_op *k = TL_CONTAINER(op, struct kv_op, op);

    k->out->n = k->out_n;
    return first_value(q, SQL_POSITION_GET, VALS(store_text(k->a), store_text(k->b)),
                       PLACE(POSITION, .name = k->a, .name2 = k->b), k->out, err);
}

static enum tl_rc kv_put_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct kv_op *k = TL_CONTAINER(op, struct kv_op, op);

    (void)err;
    return k->value.p ? queue__kv_set(q, k->a, k->value) : RUN(q, KV_DEL, store_text(k->a));
}

static enum tl_rc kv_get_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct kv_op *k = TL_CONTAINER(op, struct kv_op, op);

    k->out->n = k->out_n;
    return first_value(q, SQL_KV_GET, VALS(store_text(k->a)), PLACE(KV, .name = k->a), k->out, err);
}

enum tl_rc queue_lease(struct queue *q, struct task *task, struct tl_sv name, struct tl_sv owner, int64_t ttl_ms,
                       uint64_t *ret_epoch, struct tl_err *err)
{
    static const struct op_class cls = {.apply = lease_apply, .own = true};
    struct kv_op k = {.a = name, .b = owner, .ttl_ms = ttl_ms};
    enum tl_rc rc = call(q, task, &k, &cls, err);

    if (rc == TL_OK)
        *ret_epoch = k.epoch;
    return rc;
}

enum tl_rc queue_position(struct queue *q, struct task *task, struct tl_sv lease, struct tl_sv key,
                          struct tl_buf *ret_position, struct tl_err *err)
{
    static const struct op_class cls = {.apply = position_apply, .read = true, .own = true};
    struct kv_op k = {.a = lease, .b = key.p ? key : TL_SV(""), .out = ret_position, .out_n = ret_position->n};

    return call(q, task, &k, &cls, err);
}

enum tl_rc queue_kv_put(struct queue *q, struct task *task, struct tl_sv key, struct tl_sv value, struct tl_err *err)
{
    static const struct op_class cls = {.apply = kv_put_apply, .own = true};
    struct kv_op k = {.a = key, .value = value};

    if (value.n > VALUE_MAX)
        return tl_fail(err, TL_LIMIT, "a value holds at most %u bytes", VALUE_MAX);
    return call(q, task, &k, &cls, err);
}

enum tl_rc queue_kv_get(struct queue *q, struct task *task, struct tl_sv key, struct tl_buf *ret_value,
                        struct tl_err *err)
{
    static const struct op_class cls = {.apply = kv_get_apply, .read = true, .own = true};
    struct kv_op k = {.a = key, .out = ret_value, .out_n = ret_value->n};

    return call(q, task, &k, &cls, err);
}
