/* SPDX-License-Identifier: Apache-2.0 */
/* Statements and rows of the writer. A failed statement marks the transaction (txn_rc); what follows in it does
 * nothing. */
#include <sodium.h>

#include "queue/queue_int.h"

void queue__spoil(struct queue *q, enum tl_rc rc, const struct tl_err *err)
{
    if (q->txn_rc == TL_OK) {
        q->txn_rc = rc;
        q->txn_err = *err;
    }
}

static enum tl_rc spoil(struct queue *q, enum tl_rc rc, const struct tl_err *err)
{
    queue__spoil(q, rc, err);
    return rc;
}

enum tl_rc queue__run(struct queue *q, enum queue_sql sql, const struct store_val *v, size_t n, uint64_t *ret_changed)
{
    struct tl_err err;
    enum tl_rc rc;

    if (q->txn_rc != TL_OK)
        return q->txn_rc;
    rc = store_run(q->sql[sql], v, n, ret_changed, &err);
    return TL_LIKELY(rc == TL_OK) ? TL_OK : spoil(q, rc, &err);
}

bool queue__one(struct queue *q, enum queue_sql sql, const struct store_val *v, size_t n, struct store_val *row,
                size_t n_row)
{
    struct tl_err err;
    bool found = false;
    enum tl_rc rc;

    if (q->txn_rc != TL_OK)
        return false;
    rc = store_one(q->sql[sql], v, n, row, n_row, &found, &err);
    if (rc != TL_OK) {
        (void)spoil(q, rc, &err);
        return false;
    }
    return found;
}

bool queue__start(struct queue *q, enum queue_sql sql, const struct store_val *v, size_t n)
{
    struct tl_err err;
    enum tl_rc rc;

    if (q->txn_rc != TL_OK)
        return false;
    rc = store_query(q->sql[sql], v, n, &err);
    if (rc != TL_OK) {
        store_reset(q->sql[sql]);
        (void)spoil(q, rc, &err);
    }
    return rc == TL_OK;
}

bool queue__next(struct queue *q, enum queue_sql sql, struct store_val *row, size_t n_row)
{
    struct tl_err err;
    bool found = false;
    enum tl_rc rc = store_next(q->sql[sql], row, n_row, &found, &err);

    if (rc != TL_OK) {
        (void)spoil(q, rc, &err);
        found = false;
    }
    return found;
}

void queue__end(struct queue *q, enum queue_sql sql)
{
    store_reset(q->sql[sql]);
}

void queue__read_begin(struct queue *q)
{
    struct tl_err err;

    if (!q->reading && !q->writing)
        q->reading = store_begin_read(q->db, &err) == TL_OK;
}

void queue__read_end(struct queue *q)
{
    struct tl_err err;

    if (q->reading && store_commit(q->db, &err) != TL_OK)
        store_rollback(q->db);
    q->reading = false;
}

static void row_from(const struct store_val *v, struct row *r)
{
    *r = (struct row){
        .id = (uint64_t)v[0].i,
        .flow = (uint32_t)v[1].i,
        .target = (uint32_t)v[2].i,
        .kind = (uint8_t)v[3].i,
        .keyed = v[4].type == STORE_INT,
        .lane = (uint64_t)v[4].i,
        .state = (uint8_t)v[5].i,
        .live = (uint8_t)v[6].i,
        .received = v[7].i,
        .bytes = (uint64_t)v[8].i,
        .event = (uint64_t)v[9].i,
        .item = (uint32_t)v[10].i,
        .upload = (uint64_t)v[11].i,
        .cause = (uint64_t)v[12].i,
        .replay_of = (uint64_t)v[13].i,
        .attempts = (uint32_t)v[14].i,
        .used = (uint32_t)v[15].i,
        .unknown = (uint8_t)v[16].i,
        .age = v[17].i,
        .next_at = v[18].i,
        .rev = (uint32_t)v[19].i,
        .ticket = (uint64_t)v[20].i,
        .idem1 = (uint64_t)v[21].i,
        .idem2 = (uint64_t)v[22].i,
    };
    if (r->event == 0)
        r->event = r->id;
    if (!r->keyed)
        r->lane = queue__own_lane(r->id);
}

bool queue__unit(struct queue *q, uint64_t id, struct row *ret_row)
{
    struct store_val v[23];

    if (!queue__one(q, SQL_UNIT_GET, VALS(store_u64(id)), v, 23))
        return false;
    row_from(v, ret_row);
    return true;
}

static bool stands(struct queue *q, uint64_t lane, uint64_t id, struct row *ret_row)
{
    return queue__unit(q, id, ret_row) && ret_row->live > 0 && ret_row->keyed && ret_row->lane == lane;
}

bool queue__lane_after(struct queue *q, uint64_t lane, uint64_t id, struct row *ret_row)
{
    while ((id = queue__line_next(q, lane, id)) != 0)
        if (stands(q, lane, id, ret_row))
            return true;
    return false;
}

bool queue__lane_head(struct queue *q, uint64_t lane, struct row *ret_row)
{
    for (uint64_t id = 0; (id = queue__line_next(q, lane, id)) != 0;) {
        if (stands(q, lane, id, ret_row))
            return true;
        if (q->txn_rc != TL_OK)
            return false;
        queue__line_stale(q, lane, id);
    }
    return false;
}

uint64_t queue__lane_lowest(struct queue *q, uint64_t lane, uint64_t known)
{
    uint64_t id = queue__line_next(q, lane, 0);
    struct row row;

    if (id == known || id == 0)
        return id;
    return queue__lane_head(q, lane, &row) ? row.id : 0;
}

uint64_t queue__take_id(struct queue *q)
{
    if (q->next_id >= q->id_reserved) {
        q->id_reserved = q->next_id + ID_BLOCK;
        (void)RUN(q, META_SET, store_text(TL_SV("next_id")), store_u64(q->id_reserved));
    }
    return q->next_id++;
}

/* Kept on disk: never change these two. */
uint64_t queue__lane_hash(uint32_t target, struct tl_sv order_by)
{
    return tl_hash64(order_by.p, order_by.n, 0x6c616e6500000000ull + target);
}

uint64_t queue__own_lane(uint64_t id)
{
    uint64_t x = id + 0x9e3779b97f4a7c15ull; /* splitmix64: a permutation, so two ids never share a lane */

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

void queue__count(struct queue *q, struct flow *f, unsigned what, int64_t n)
{
    f->delta[what] += n;
    if (!f->dirty_count) {
        f->dirty_count = true;
        f->next_dirty = q->dirty;
        q->dirty = f;
    }
}

struct queue_blob *queue__blob_new(struct tl_sv meta, struct tl_sv body, struct tl_sv order_by, struct tl_sv vars)
{
    struct queue_blob *b = tl_alloc(sizeof(*b) + meta.n + body.n + order_by.n + vars.n + 1);

    atomic_init(&b->refs, 1);
    b->meta_n = meta.n;
    b->body_n = body.n;
    b->order_n = order_by.n;
    b->vars_n = vars.n;
    b->has_order = order_by.p != NULL;
    b->own = false;
    if (meta.n)
        memcpy(b->bytes, meta.p, meta.n);
    if (body.n)
        memcpy(b->bytes + meta.n, body.p, body.n);
    if (b->has_order)
        memcpy(b->bytes + meta.n + body.n, order_by.p, order_by.n);
    if (vars.n)
        memcpy(b->bytes + meta.n + body.n + order_by.n, vars.p, vars.n);
    return b;
}

void queue__blob_unref(struct queue_blob *b)
{
    if (b && atomic_fetch_sub(&b->refs, 1) == 1)
        tl_free(b);
}

void queue__add_body(struct queue *q, uint64_t event, uint64_t upload, struct tl_sv order_by, struct tl_sv meta,
                     struct tl_sv body)
{
    struct store_val o = queue__seal(q, PLACE(ORDER, .id = event), store_blob(order_by)),
                     m = queue__seal(q, PLACE(META, .id = event), store_blob(meta)),
                     b = queue__seal(q, PLACE(BODY, .id = event, .more = upload), store_blob(body));

    (void)RUN(q, BODY_ADD, store_u64(event), o, m, b, queue__key_id(q));
}

void queue__add_chunk(struct queue *q, uint64_t id, struct tl_sv bytes)
{
    (void)RUN(q, CHUNK_ADD, store_u64(id), queue__seal(q, PLACE(CHUNK, .id = id), store_blob(bytes)), queue__key_id(q));
}

void queue__add_edit(struct queue *q, uint64_t unit, uint32_t rev, int64_t at, struct store_val who, struct tl_sv body)
{
    (void)RUN(q, EDIT_ADD, store_u64(unit), store_int(rev), store_int(at), who,
              queue__seal(q, PLACE(EDIT, .id = unit, .more = rev), store_blob(body)), queue__key_id(q));
}

void queue__add_own(struct queue *q, uint64_t unit, int64_t at, struct tl_sv body, struct tl_sv vars)
{
    (void)RUN(q, CHILD_OWN, store_u64(unit), store_int(at), queue__seal(q, PLACE(EDIT, .id = unit), store_blob(body)),
              queue__seal(q, PLACE(VARS, .id = unit), vars.n ? store_blob(vars) : store_null()), queue__key_id(q));
}

#define VARS_MAX (64u << 20) /* as large as what the steps may make */

/* A revision of a delivery's body; of 0, its own, also what its steps found out, into `vars`. False: it is there and
 * does not open. */
static bool edit_of(struct queue *q, const struct row *row, uint32_t rev, bool *ret_has, struct tl_sv *ret,
                    struct tl_buf *vars)
{
    struct store_val v[3];
    struct tl_sv found;

    queue__end(q, SQL_EDIT_GET);
    if (!queue__start(q, SQL_EDIT_GET, VALS(store_u64(row->id), store_int(rev))))
        return true;
    *ret_has = queue__next(q, SQL_EDIT_GET, v, 3);
    if (!*ret_has)
        return true;
    if (vars && v[2].type != STORE_NULL) {
        if (!queue__open_val(q, PLACE(VARS, .id = row->id), v[1].i, v[2].s, &found))
            return false;
        (void)tl_buf_sv(vars, found);
    }
    return queue__open_val(q, PLACE(EDIT, .id = row->id, .more = rev), v[1].i, v[0].s, ret);
}

/* The body a delivery will send: its newest revision, else its own (split item), else its event's. What its steps found
 * out stands beside the body that they made (revision 0), whatever a person has made of that since. */
bool queue__load_blob(struct queue *q, struct row *row, struct queue_blob **ret_blob)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf vars = {0};
    struct store_val v[4];
    struct queue_blob *b = NULL;
    struct tl_sv own = TL_SV_NULL, body, meta, order_by;
    bool has_own = false, ok = true;

    tl_buf_init(&vars, VARS_MAX);
    if (row->event != row->id && row->upload == 0)
        ok = edit_of(q, row, 0, &has_own, &own, &vars);
    if (ok && row->rev > 0)
        ok = edit_of(q, row, row->rev, &has_own, &own, NULL);
    if (ok && queue__start(q, SQL_BODY_GET, VALS(store_u64(row->event)))) {
        if (queue__next(q, SQL_BODY_GET, v, 4) &&
            queue__open_val(q, PLACE(ORDER, .id = row->event), v[3].i, v[0].s, &order_by) &&
            queue__open_val(q, PLACE(META, .id = row->event), v[3].i, v[1].s, &meta) &&
            (has_own ||
             queue__open_val(q, PLACE(BODY, .id = row->event, .more = row->upload), v[3].i, v[2].s, &body))) {
            b = queue__blob_new(meta, has_own ? own : body, order_by, tl_buf_view(&vars));
            b->own = has_own;
            if (has_own)
                row->upload = 0;
        }
        queue__end(q, SQL_BODY_GET);
    }
    queue__end(q, SQL_EDIT_GET);
    *ret_blob = b;
    return b != NULL;
}
