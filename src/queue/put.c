/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intake: puts, emits with positions, uploads in chunks. The caller's thread copies and hashes; the ledger thread
 * claims the idempotency key and writes the rows in one transaction.
 */
#include <sodium.h>

#include "queue/queue_int.h"

struct put_op {
    struct op op;
    struct queue_put *put;
    struct queue_blob *blob;
    struct flow *flow;
    struct row row;
    uint64_t k1, k2, body_hash, fp; /* fp: of one that is dead at once */
    bool has_key, entered;
};

/* A keyed hash: a sender must not be able to make two keys collide. */
void queue__key_hash(const unsigned char hash_key[16], struct tl_sv source, struct tl_sv key, uint64_t *ret_k1,
                     uint64_t *ret_k2)
{
    unsigned char out[16], in[512], *buf = in;
    size_t n = source.n + 1 + key.n;

    if (n > sizeof(in))
        buf = tl_alloc(n);
    if (source.n)
        memcpy(buf, source.p, source.n);
    buf[source.n] = 0;
    if (key.n)
        memcpy(buf + source.n + 1, key.p, key.n);
    (void)crypto_shorthash_siphashx24(out, buf, n, hash_key);
    memcpy(ret_k1, out, 8);
    memcpy(ret_k2, out + 8, 8);
    if (buf != in)
        tl_free(buf);
}

static void prepare(struct queue *q, struct queue_put *put, struct put_op *p)
{
    struct tl_sv same = put->same.p ? put->same : put->body;
    uint64_t seed = 0;

    *p = (struct put_op){.put = put};
    put->ret_event = 0;
    put->ret_duplicate = put->ret_other_body = false;
    p->has_key = put->key.p != NULL;
    if (p->has_key)
        queue__key_hash(q->hash_key, put->source, put->key, &p->k1, &p->k2);
    if (q->ring) /* a body must not be found out by its hash */
        memcpy(&seed, q->hash_key, sizeof(seed));
    p->body_hash = same.n ? tl_hash64(same.p, same.n, seed) : put->upload;
    p->blob = queue__blob_new(put->meta, put->upload ? TL_SV_NULL : put->body, put->order_by, TL_SV_NULL);
}

static void unprepare(struct put_op *p)
{
    queue__blob_unref(p->blob);
    p->blob = NULL;
}

/* The claim: true when the key is new, or there is none. */
static bool claim_key(struct queue *q, struct put_op *p, uint64_t id, int64_t now)
{
    struct queue__key key, owner;

    if (!p->has_key) {
        queue__count(q, p->flow, N_NO_KEY, 1);
        return true;
    }
    key = (struct queue__key){p->k1, p->k2, id, p->body_hash, now};
    if (queue__key_claim(q, &key, &owner))
        return true;
    p->put->ret_event = owner.event;
    p->put->ret_duplicate = true;
    p->put->ret_other_body = owner.body != p->body_hash;
    queue__count(q, p->flow, N_DUPLICATES, 1);
    if (p->put->ret_other_body)
        queue__count(q, p->flow, N_OTHER_BODY, 1);
    return false;
}

static bool find_upload(struct queue *q, struct put_op *p, uint64_t *ret_bytes)
{
    struct store_val v[2];

    if (!queue__one(q, SQL_UPLOAD_GET, VALS(store_u64(p->put->upload)), v, 2))
        return false;
    *ret_bytes = (uint64_t)v[1].i;
    return true;
}

static void mark_dead(struct queue *q, struct put_op *p)
{
    const struct tl_err *e = p->put->dead;
    enum tl_class cls = tl_rc_class(e->rc);

    p->fp = queue__fingerprint(cls, 0, e->rc, tl_sv_str(e->text));
    (void)RUN(q, UNIT_STATE, store_u64(p->row.id), store_int(QUEUE_DEAD), store_null(), store_int(p->row.received),
              store_int(0), store_int(0), store_int(0), store_int(0), store_int(0), store_null(), store_u64(p->fp),
              store_int(cls), store_int(e->rc),
              queue__seal(q, PLACE(WHY, .id = p->row.id), store_text(tl_sv_str(e->text))));
    queue__note_dead(q, &p->row);
    queue__count(q, p->flow, N_FAILED + (unsigned)cls, 1);
    queue__count(q, p->flow, N_DIED + (unsigned)cls, 1);
}

/* A body that never parsed blocks no key: nobody could order by what it says. */
static void write_rows(struct queue *q, struct put_op *p)
{
    struct row *r = &p->row;
    bool dead = p->put->dead != NULL;

    (void)RUN(q, UNIT_ADD, store_u64(r->id), store_int(r->flow), store_int(r->target), store_int(r->kind),
              r->keyed ? store_u64(r->lane) : store_null(), store_int((int64_t)(r->lane % 256)), store_int(r->state),
              dead ? store_null() : store_int(1), store_int(r->received), store_u64(r->bytes),
              r->upload ? store_u64(r->upload) : store_null(), r->cause ? store_u64(r->cause) : store_null(),
              p->has_key ? store_u64(p->k1) : store_null(), p->has_key ? store_u64(p->k2) : store_null());
    queue__add_body(q, r->id, r->upload, p->put->order_by, tl_sv(p->blob->bytes, p->blob->meta_n),
                    tl_sv(p->blob->bytes + p->blob->meta_n, p->blob->body_n));
    if (dead)
        mark_dead(q, p);
    else if (r->keyed)
        queue__line_add(q, r->lane, r->id);
    queue__count(q, p->flow, r->state, 1);
    queue__count(q, p->flow, N_EVENTS, 1);
}

struct target *queue__entry(struct queue *q, struct flow *f, struct tl_sv order_by)
{
    struct target *steps = f->steps_left;
    struct row head;

    if (!f->expand && steps && order_by.p && queue__lane_head(q, queue__lane_hash(steps->id, order_by), &head))
        return steps;
    return f->expand ? f->expand : f->only;
}

static enum tl_rc put_rows(struct queue *q, struct put_op *p, struct tl_err *err)
{
    struct queue_put *put = p->put;
    struct target *t;
    int64_t now = queue__wall(q);
    uint64_t id, bytes = put->body.n;

    p->entered = false;
    p->row.id = 0; /* a transaction that is repeated */
    p->flow = queue__flow(q, put->flow);
    if (!p->flow || p->flow->removed || !(p->flow->expand || p->flow->only))
        return tl_fail(err, TL_NOT_FOUND, "there is no such flow any more");
    t = queue__entry(q, p->flow, put->order_by);
    if (put->upload && !find_upload(q, p, &bytes)) /* before the key is claimed: a refused put must not own it */
        return q->txn_rc != TL_OK ? q->txn_rc : tl_fail(err, TL_NOT_FOUND, "there is no such upload");
    id = queue__take_id(q);
    put->ret_duplicate = put->ret_other_body = false;
    if (!claim_key(q, p, id, now))
        return q->txn_rc;
    p->row = (struct row){
        .id = id,
        .event = id,
        .keyed = put->order_by.p != NULL,
        .lane = put->order_by.p ? queue__lane_hash(t->id, put->order_by) : queue__own_lane(id),
        .flow = p->flow->id,
        .target = t->id,
        .kind = t->expand ? KIND_EXPAND : KIND_INLINE,
        .state = put->dead ? QUEUE_DEAD : QUEUE_QUEUED,
        .live = 1,
        .received = now,
        .bytes = bytes,
        .upload = put->upload,
        .cause = put->cause,
    };
    if (put->upload)
        (void)RUN(q, UPLOAD_DEL, store_u64(put->upload));
    write_rows(q, p);
    q->disk_spent += DISK_TIMES * (p->blob->meta_n + p->blob->body_n);
    put->ret_event = id;
    p->entered = !put->dead;
    return q->txn_rc;
}

static void put_settle_one(struct queue *q, struct put_op *p)
{
    if (p->row.id)
        queue__feed(q, p->row.id, p->row.flow, p->row.state);
    if (p->row.id && p->put->dead) {
        queue__tell_end(q, &p->row, QUEUE_DEAD, tl_rc_class(p->put->dead->rc), tl_sv_str(p->put->dead->text), NULL);
        queue__door_note(q, p->flow, p->fp, p->put->dead->text);
    }
    if (p->entered)
        queue__arrive(q, &p->row, p->blob);
}

static enum tl_rc intake_full(const struct queue *q, struct tl_err *err)
{
    (void)tl_fail(err, TL_FULL,
                  atomic_load(&q->moved) ? "the ledger's files are not in their place: nothing new is accepted"
                                         : "the disk is nearly full: nothing new is accepted");
    if (err)
        err->retry_after_ms = 5000;
    return TL_FULL;
}

static enum tl_rc intake_open(const struct queue *q, struct tl_err *err)
{
    return atomic_load(&q->intake_stopped) ? intake_full(q, err) : TL_OK;
}

/* On the ledger thread, as events and chunks are written: those of one turn may be more than is left. */
static enum tl_rc intake_has_room(struct queue *q, struct tl_err *err)
{
    if (q->disk_spent <= q->disk_room)
        return intake_open(q, err);
    q->disk_next_ns = 0;
    return intake_full(q, err);
}

static enum tl_rc put_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    enum tl_rc rc = intake_has_room(q, err);

    return rc == TL_OK ? put_rows(q, TL_CONTAINER(op, struct put_op, op), err) : rc;
}

static void put_settle(struct queue *q, struct op *op)
{
    put_settle_one(q, TL_CONTAINER(op, struct put_op, op));
}

static const struct op_class put_class = {.apply = put_apply, .settle = put_settle, .own = true};

static enum tl_rc check_put(const struct queue *q, const struct queue_put *put, struct tl_err *err)
{
    if (!put->upload && put->body.n > q->o.inline_max)
        return tl_fail(err, TL_LIMIT, "a body of %zu bytes must be uploaded in chunks", put->body.n);
    return intake_open(q, err);
}

enum tl_rc queue_put(struct queue *q, struct task *task, struct queue_put *put, struct tl_err *err)
{
    struct put_op p;
    enum tl_rc rc = check_put(q, put, err);

    if (rc != TL_OK)
        return rc;
    prepare(q, put, &p);
    p.op.cls = &put_class;
    rc = queue__call(q, task, &p.op, err);
    unprepare(&p);
    return rc;
}

/* ---- without waiting ---- */
struct put_later {
    struct put_op p;
    struct tl_err err;
    void (*done)(void *arg, struct queue_put *put, enum tl_rc rc, const struct tl_err *err);
    void *arg;
};

static void later_done(struct op *op)
{
    struct put_later *l = TL_CONTAINER(op, struct put_later, p.op);

    l->done(l->arg, l->p.put, op->rc, &l->err);
    unprepare(&l->p);
    tl_free(l);
}

void queue_put_later(struct queue *q, struct queue_put *put,
                     void (*done)(void *arg, struct queue_put *put, enum tl_rc rc, const struct tl_err *err), void *arg)
{
    struct put_later *l = tl_zalloc(sizeof(*l));

    l->done = done;
    l->arg = arg;
    prepare(q, put, &l->p);
    l->p.op.cls = &put_class;
    l->p.op.err = &l->err;
    l->p.op.on_done = later_done;
    queue__push(q, &l->p.op);
}

/* ---- emit ---- */
struct emit_op {
    struct op op;
    struct queue_emit *emit;
    struct put_op *puts;
};

static enum tl_rc check_lease(struct queue *q, const struct queue_emit *e, struct tl_err *err)
{
    struct store_val v[3];

    if (e->lease.n == 0)
        return TL_OK;
    if (!queue__one(q, SQL_LEASE_GET, VALS(store_text(e->lease)), v, 3) || (uint64_t)v[1].i != e->lease_epoch)
        return tl_fail(err, TL_STALE, "the lease of %.*s is in other hands", TL_SV_ARG(e->lease));
    return TL_OK;
}

static enum tl_rc set_position(struct queue *q, const struct queue_emit *e)
{
    struct tl_sv lease = e->lease.p ? e->lease : TL_SV(""), key = e->position_key.p ? e->position_key : TL_SV("");

    return RUN(q, POSITION_SET, store_text(lease), store_text(key),
               queue__seal(q, PLACE(POSITION, .name = lease, .name2 = key), store_blob(e->position)), queue__key_id(q));
}

/* All or nothing, although other ops share the transaction: what can fail is tried before the first row is written. */
static enum tl_rc emit_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct emit_op *e = TL_CONTAINER(op, struct emit_op, op);
    enum tl_rc rc = intake_has_room(q, err);

    if (rc == TL_OK)
        rc = check_lease(q, e->emit, err);
    for (size_t i = 0; i < e->emit->n && rc == TL_OK; i++) {
        struct flow *f = queue__flow(q, e->emit->puts[i].flow);
        struct store_val v[2];

        if (!f || f->removed)
            rc = tl_fail(err, TL_NOT_FOUND, "there is no such flow any more");
        else if (e->emit->puts[i].upload &&
                 !queue__one(q, SQL_UPLOAD_GET, VALS(store_u64(e->emit->puts[i].upload)), v, 2))
            rc = tl_fail(err, TL_NOT_FOUND, "there is no such upload");
    }
    for (size_t i = 0; i < e->emit->n && rc == TL_OK; i++)
        rc = put_rows(q, &e->puts[i], err);
    return rc == TL_OK && e->emit->position.p ? set_position(q, e->emit) : rc;
}

static void emit_settle(struct queue *q, struct op *op)
{
    struct emit_op *e = TL_CONTAINER(op, struct emit_op, op);

    for (size_t i = 0; i < e->emit->n; i++)
        put_settle_one(q, &e->puts[i]);
}

static const struct op_class emit_class = {.apply = emit_apply, .settle = emit_settle, .own = true};

enum tl_rc queue_emit(struct queue *q, struct task *task, struct queue_emit *emit, struct tl_err *err)
{
    struct emit_op e = {.op = {.cls = &emit_class}, .emit = emit};
    enum tl_rc rc = TL_OK;

    for (size_t i = 0; i < emit->n && rc == TL_OK; i++)
        rc = check_put(q, &emit->puts[i], err);
    if (rc != TL_OK)
        return rc;
    e.puts = tl_reallocarray(NULL, emit->n ? emit->n : 1, sizeof(*e.puts));
    for (size_t i = 0; i < emit->n; i++)
        prepare(q, &emit->puts[i], &e.puts[i]);
    rc = queue__call(q, task, &e.op, err);
    for (size_t i = 0; i < emit->n; i++)
        unprepare(&e.puts[i]);
    tl_free(e.puts);
    return rc;
}

/* ---- uploads ---- */
struct upload_op {
    struct op op;
    uint64_t id;
    struct tl_sv bytes;
};

static enum tl_rc upload_begin(struct queue *q, struct op *op, struct tl_err *err)
{
    struct upload_op *u = TL_CONTAINER(op, struct upload_op, op);
    enum tl_rc rc = intake_has_room(q, err);

    if (rc != TL_OK)
        return rc;
    u->id = queue__take_id(q);
    return RUN(q, UPLOAD_ADD, store_u64(u->id));
}

static enum tl_rc upload_chunk(struct queue *q, struct op *op, struct tl_err *err)
{
    struct upload_op *u = TL_CONTAINER(op, struct upload_op, op);
    enum tl_rc rc = intake_has_room(q, err);
    struct store_val v[2];

    if (rc != TL_OK)
        return rc;
    if (!queue__one(q, SQL_UPLOAD_GET, VALS(store_u64(u->id)), v, 2))
        return q->txn_rc != TL_OK ? q->txn_rc : tl_fail(err, TL_NOT_FOUND, "there is no such upload");
    if (v[0].i >= ATTEMPT_SPAN)
        return tl_fail(err, TL_LIMIT, "the body is larger than 16 GB");
    queue__add_chunk(q, u->id * ATTEMPT_SPAN + (uint64_t)v[0].i, u->bytes);
    q->disk_spent += DISK_TIMES * u->bytes.n;
    return RUN(q, UPLOAD_GROW, store_u64(u->id), store_u64(u->bytes.n));
}

static enum tl_rc upload_drop(struct queue *q, struct op *op, struct tl_err *err)
{
    struct upload_op *u = TL_CONTAINER(op, struct upload_op, op);
    struct store_val v[2];

    (void)err;
    /* One that a put has taken is no upload any more. */
    if (!queue__one(q, SQL_UPLOAD_GET, VALS(store_u64(u->id)), v, 2))
        return q->txn_rc;
    (void)RUN(q, CHUNK_DEL, store_u64(u->id * ATTEMPT_SPAN), store_u64((u->id + 1) * ATTEMPT_SPAN));
    return RUN(q, UPLOAD_DEL, store_u64(u->id));
}

static void drop_done(struct op *op)
{
    tl_free(TL_CONTAINER(op, struct upload_op, op));
}

static const struct op_class begin_class = {.apply = upload_begin, .own = true};
static const struct op_class chunk_class = {.apply = upload_chunk, .own = true};
static const struct op_class drop_class = {.apply = upload_drop, .own = true};

enum tl_rc queue_upload_begin(struct queue *q, struct task *task, uint64_t *ret_upload, struct tl_err *err)
{
    struct upload_op u = {.op = {.cls = &begin_class}};
    enum tl_rc rc = queue__call(q, task, &u.op, err);

    if (rc == TL_OK)
        *ret_upload = u.id;
    return rc;
}

enum tl_rc queue_upload_chunk(struct queue *q, struct task *task, uint64_t upload, struct tl_sv bytes,
                              struct tl_err *err)
{
    struct upload_op u = {.op = {.cls = &chunk_class}, .id = upload, .bytes = bytes};

    if (bytes.n > CHUNK_BYTES)
        return tl_fail(err, TL_LIMIT, "a chunk holds at most %u bytes", CHUNK_BYTES);
    return queue__call(q, task, &u.op, err);
}

void queue_upload_drop(struct queue *q, uint64_t upload)
{
    struct upload_op *u = tl_zalloc(sizeof(*u));

    u->op.cls = &drop_class;
    u->op.on_done = drop_done;
    u->id = upload;
    queue__push(q, &u->op);
}
