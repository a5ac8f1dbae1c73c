/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at one event or delivery: its attempts, its body, what is ahead of it. */
#include <inttypes.h>

#include "queue/look/reader_int.h"

#define WROTE_MAX 200u

/* For people: what does not open says so. */
static struct tl_sv opened(struct queue_reader *r, struct tl_arena *arena, struct place p, const struct store_val *key,
                           const struct store_val *v)
{
    struct tl_err err;
    struct tl_sv s;

    if (queue__column(r, p, key->i != 0, v, &s, &err) != TL_OK)
        s = tl_sv_str(err.text);
    return tl_arena_sv(arena, s);
}

static enum tl_rc read_attempts(struct queue_reader *r, struct tl_arena *arena, uint64_t id, struct queue_detail *d,
                                struct tl_err *err)
{
    struct store_val v[17];
    size_t cap = 0;
    bool row;
    enum tl_rc rc =
        store_query(r->st[READ_ATTEMPTS], VALS(store_u64(id * ATTEMPT_SPAN), store_u64((id + 1) * ATTEMPT_SPAN)), err);

    while (rc == TL_OK) {
        struct queue_attempt_row *a;

        rc = store_next(r->st[READ_ATTEMPTS], v, 17, &row, err);
        if (rc != TL_OK || !row)
            break;
        if (d->n_attempts == cap) {
            a = tl_arena_grow(arena, d->attempts, cap * sizeof(*a), (cap + 16) * sizeof(*a));
            if (!a) {
                rc = tl_fail(err, TL_LIMIT, "too many attempts to show");
                break;
            }
            d->attempts = a;
            cap += 16;
        }
        a = &d->attempts[d->n_attempts++];
        *a = (struct queue_attempt_row){.number = (uint32_t)((uint64_t)v[0].i % ATTEMPT_SPAN),
                                        .epoch = (uint64_t)v[1].i,
                                        .started_ms = v[2].i,
                                        .ended_ms = v[3].i,
                                        .end = (enum queue_end)v[4].i,
                                        .counted = (v[5].i & FLAG_COUNTED) != 0,
                                        .unknown = (v[5].i & FLAG_UNKNOWN) != 0,
                                        .cls = (enum tl_class)v[6].i,
                                        .rc = (enum tl_rc)v[7].i,
                                        .status = (uint32_t)v[8].i,
                                        .latency_ms = (uint32_t)v[9].i,
                                        .call = (uint64_t)v[10].i,
                                        .call_members = (uint32_t)v[13].i};
        a->text = opened(r, arena, PLACE(TRIED, .id = (uint64_t)v[0].i), &v[14], &v[11]);
        a->answer = opened(r, arena, PLACE(ANSWER, .id = (uint64_t)v[0].i), &v[14], &v[12]);
        a->asked = opened(r, arena, PLACE(ASKED, .id = (uint64_t)v[0].i), &v[14], &v[15]);
        a->pairs = opened(r, arena, PLACE(PAIRS, .id = (uint64_t)v[0].i), &v[14], &v[16]);
    }
    store_reset(r->st[READ_ATTEMPTS]);
    return rc;
}

static enum tl_rc read_wrote(struct queue_reader *r, struct tl_arena *arena, uint64_t event, struct queue_detail *d,
                             struct tl_err *err)
{
    struct store_val v[3];
    bool row = true;
    enum tl_rc rc =
        store_query(r->st[READ_PAIRS], VALS(store_u64(event), store_u64(ATTEMPT_SPAN), store_u64(WROTE_MAX)), err);

    d->wrote = tl_arena_alloc(arena, WROTE_MAX * sizeof(*d->wrote));
    if (!d->wrote)
        rc = tl_fail(err, TL_LIMIT, "more than can be shown at once");
    while (rc == TL_OK && row) {
        rc = store_next(r->st[READ_PAIRS], v, 3, &row, err);
        if (rc == TL_OK && row && d->n_wrote < WROTE_MAX)
            d->wrote[d->n_wrote++] =
                (struct queue_wrote){.delivery = (uint64_t)v[0].i / ATTEMPT_SPAN,
                                     .attempt = (uint32_t)((uint64_t)v[0].i % ATTEMPT_SPAN),
                                     .pairs = opened(r, arena, PLACE(PAIRS, .id = (uint64_t)v[0].i), &v[1], &v[2])};
    }
    store_reset(r->st[READ_PAIRS]);
    return rc;
}

/* Where the payload of a place stands: the statement that finds its row, and which columns that gives. */
struct payload {
    int read;
    size_t columns, text, key; /* how many; the payload's own, and that of the key it is sealed with */
    size_t params; /* 1: found by place.id; 2: and by place.more, the revision (0 for what steps found out) */
};
static const struct payload payloads[] = {
    [PLACE_ORDER] = {READ_BODY, 5, 0, 3, 1}, [PLACE_META] = {READ_BODY, 5, 1, 3, 1},
    [PLACE_BODY] = {READ_BODY, 5, 2, 3, 1},  [PLACE_EDIT] = {READ_EDIT, 3, 0, 1, 2},
    [PLACE_VARS] = {READ_EDIT, 3, 2, 1, 2},  [PLACE_TICKET] = {READ_TICKET, 2, 0, 1, 1},
};

/* The payload of a place, opened: good until found(). .p NULL: there is none; *ret_row says whether there is a row. */
static enum tl_rc find(struct queue_reader *r, struct place p, struct tl_sv *ret, bool *ret_row, struct tl_err *err)
{
    const struct payload *l = &payloads[p.kind];
    struct store_stmt *st = r->st[l->read];
    struct store_val c[5];
    enum tl_rc rc = store_query(st, (struct store_val[]){store_u64(p.id), store_u64(p.more)}, l->params, err);

    *ret = TL_SV_NULL;
    *ret_row = false;
    if (rc == TL_OK)
        rc = store_next(st, c, l->columns, ret_row, err);
    if (rc != TL_OK || !*ret_row || c[l->text].type == STORE_NULL)
        return rc;
    if (p.kind == PLACE_BODY)
        p.more = (uint64_t)c[4].i; /* the event's own chunks, whatever the delivery says */
    return queue__column(r, p, c[l->key].i != 0, &c[l->text], ret, err);
}

/* After what find() gave was copied. */
static void found(struct queue_reader *r, struct place p)
{
    store_reset(r->st[payloads[p.kind].read]);
}

/* The first `max` bytes of the payload of a place, copied. .p NULL: none. */
static enum tl_rc copy_of(struct queue_reader *r, struct place p, size_t max, struct tl_arena *arena, struct tl_sv *ret,
                          struct tl_err *err)
{
    struct tl_sv s;
    bool row;
    enum tl_rc rc = find(r, p, &s, &row, err);

    *ret = rc == TL_OK && s.p ? tl_arena_sv(arena, tl_sv(s.p, s.n < max ? s.n : max)) : TL_SV_NULL;
    found(r, p);
    return rc;
}

static enum tl_rc too_large(struct tl_err *err)
{
    return tl_fail(err, TL_LIMIT, "the body is larger than asked for");
}

/* A body in chunks, as far as it fits into out (then TL_LIMIT). */
static enum tl_rc append_chunks(struct queue_reader *r, uint64_t upload, struct tl_buf *out, struct tl_err *err)
{
    struct store_val c[3];
    struct tl_sv s;
    bool row = true;
    enum tl_rc rc = store_query(r->st[READ_CHUNKS],
                                VALS(store_u64(upload * ATTEMPT_SPAN), store_u64((upload + 1) * ATTEMPT_SPAN)), err);

    while (rc == TL_OK) {
        rc = store_next(r->st[READ_CHUNKS], c, 3, &row, err);
        if (rc != TL_OK || !row)
            break;
        rc = queue__column(r, PLACE(CHUNK, .id = (uint64_t)c[2].i), c[1].i != 0, &c[0], &s, err);
        if (rc == TL_OK && !tl_buf_sv(out, s))
            rc = too_large(err);
    }
    store_reset(r->st[READ_CHUNKS]);
    return rc;
}

/* Those that fit into max. */
static enum tl_rc chunks_of(struct queue_reader *r, uint64_t upload, size_t max, struct tl_arena *arena,
                            struct tl_sv *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    enum tl_rc rc;

    tl_buf_init(&b, max);
    rc = append_chunks(r, upload, &b, err);
    if (rc == TL_OK || rc == TL_LIMIT)
        *ret = tl_arena_sv(arena, tl_buf_view(&b));
    return rc == TL_LIMIT ? TL_OK : rc;
}

static enum tl_rc read_bodies(struct queue_reader *r, struct tl_arena *arena, uint64_t upload, size_t max,
                              struct queue_detail *d, struct tl_err *err)
{
    uint64_t event = d->row.event;
    enum tl_rc rc = copy_of(r, PLACE(ORDER, .id = event), SIZE_MAX, arena, &d->order_by, err);

    if (rc == TL_OK)
        rc = copy_of(r, PLACE(META, .id = event), SIZE_MAX, arena, &d->meta, err);
    if (rc == TL_OK && event != d->row.delivery)
        rc = copy_of(r, PLACE(VARS, .id = d->row.delivery), SIZE_MAX, arena, &d->vars, err);
    if (rc != TL_OK || max == 0)
        return rc;
    /* Read first also when chunks follow: it says that these chunks belong to this event. */
    rc = copy_of(r, PLACE(BODY, .id = event), max, arena, &d->original_body, err);
    if (rc == TL_OK && upload)
        rc = chunks_of(r, upload, max, arena, &d->original_body, err);
    if (rc == TL_OK)
        rc = copy_of(r, PLACE(EDIT, .id = d->row.delivery, .more = d->row.revision), max, arena, &d->body, err);
    d->own_body = d->body.p != NULL;
    if (!d->own_body)
        d->body = d->original_body;
    return rc;
}

/* What was done at the first attempt keeps it in its own row. */
static bool first_attempt(struct tl_arena *arena, const struct store_val *v, struct queue_detail *d)
{
    struct queue_attempt_row *a = tl_arena_alloc(arena, sizeof(*a));

    if (!a)
        return false;
    *a = (struct queue_attempt_row){.number = 1,
                                    .epoch = (uint64_t)v[26].i,
                                    .started_ms = v[27].i,
                                    .ended_ms = d->row.updated_ms,
                                    .end = QUEUE_END_DONE,
                                    .counted = true,
                                    .status = (uint32_t)v[28].i,
                                    .latency_ms = (uint32_t)v[29].i};
    d->attempts = a;
    d->n_attempts = 1;
    return true;
}

static enum tl_rc no_such(uint64_t id, struct tl_err *err)
{
    char text[14];

    return tl_fail(err, TL_NOT_FOUND, "there is no event or delivery %s", tl_id32_format(id, text));
}

static enum tl_rc show(struct queue_reader *r, struct tl_arena *arena, uint64_t id, size_t max_body,
                       struct queue_detail *d, struct tl_err *err)
{
    struct store_val v[ROW_N];
    bool row = false;
    enum tl_rc rc = store_one(r->st[READ_ONE], VALS(store_u64(id)), v, 1, &row, err);

    if (rc == TL_OK && !row)
        return no_such(id, err);
    if (rc == TL_OK)
        rc = store_query(r->st[READ_ONE], VALS(store_u64(id)), err);
    if (rc == TL_OK)
        rc = store_next(r->st[READ_ONE], v, ROW_N, &row, err);
    if (rc == TL_OK && row)
        queue__row_read(r, v, &d->row);
    if (rc == TL_OK && row && v[26].type == STORE_INT && !first_attempt(arena, v, d))
        rc = tl_fail(err, TL_LIMIT, "more than can be shown at once");
    store_reset(r->st[READ_ONE]);
    if (rc == TL_OK)
        rc = queue__ahead(r, &d->row, err);
    if (rc == TL_OK && v[22].i)
        rc = copy_of(r, PLACE(TICKET, .id = (uint64_t)v[22].i), SIZE_MAX, arena, &d->ticket, err);
    if (rc == TL_OK && d->n_attempts == 0)
        rc = read_attempts(r, arena, id, d, err);
    if (rc == TL_OK)
        rc = read_bodies(r, arena, (uint64_t)v[21].i, max_body, d, err);
    if (rc == TL_OK && d->row.expanded)
        rc = queue__children(r, arena, id, 1000, &d->deliveries, &d->n_deliveries, err);
    if (rc == TL_OK && d->row.expanded)
        rc = read_wrote(r, arena, id, d, err);
    for (size_t i = 0; i < d->n_deliveries && rc == TL_OK; i++)
        rc = queue__ahead(r, &d->deliveries[i], err);
    return rc;
}

enum tl_rc queue_show(struct queue_reader *r, struct tl_arena *arena, uint64_t delivery, size_t max_body,
                      struct queue_detail *ret_detail, struct tl_err *err)
{
    struct queue_detail d = {0};
    enum tl_rc rc = store_begin_read(r->db, err);

    if (rc != TL_OK)
        return rc;
    queue__reader_line_forget(r);
    rc = show(r, arena, delivery, max_body, &d, err);
    if (rc == TL_OK)
        rc = queue__decorate(r, arena, &d.row, err);
    for (size_t i = 0; i < d.n_deliveries && rc == TL_OK; i++)
        rc = queue__decorate(r, arena, &d.deliveries[i], err);
    store_rollback(r->db);
    if (rc == TL_OK && tl_arena_exceeded(arena))
        return tl_fail(err, TL_LIMIT, "more than can be shown at once");
    if (rc == TL_OK)
        *ret_detail = d;
    return rc;
}

/* The payload of a place behind what is in `out`. *ret_row: as of find(). */
static enum tl_rc append(struct queue_reader *r, struct place p, struct tl_buf *out, bool *ret_row, struct tl_err *err)
{
    struct tl_sv s;
    enum tl_rc rc = find(r, p, &s, ret_row, err);

    if (rc == TL_OK && *ret_row && !tl_buf_sv(out, s))
        rc = too_large(err);
    found(r, p);
    return rc;
}

enum tl_rc queue_read_body(struct queue_reader *r, uint64_t delivery, bool original, struct tl_buf *ret_body,
                           struct tl_err *err)
{
    struct store_val v[ROW_N];
    bool row = false;
    uint64_t event, upload;
    enum tl_rc rc = store_one(r->st[READ_ONE], VALS(store_u64(delivery)), v, ROW_N, &row, err);

    if (rc != TL_OK)
        return rc;
    if (!row)
        return no_such(delivery, err);
    event = v[1].type == STORE_NULL ? delivery : (uint64_t)v[1].i;
    upload = (uint64_t)v[21].i;
    if (!original) {
        rc = append(r, PLACE(EDIT, .id = delivery, .more = (uint64_t)v[5].i), ret_body, &row, err);
        if (rc != TL_OK || row)
            return rc;
    }
    rc = append(r, PLACE(BODY, .id = event), ret_body, &row, err);
    return rc == TL_OK && upload ? append_chunks(r, upload, ret_body, err) : rc;
}
