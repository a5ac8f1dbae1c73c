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

/* Column `col` of the first row of a payload's table, of `max` bytes at most, copied. .p NULL: none. */
static enum tl_rc blob_of(struct queue_reader *r, int read, const struct store_val *v, size_t n, size_t col, size_t key,
                          struct place p, size_t max, struct tl_arena *arena, struct tl_sv *ret, struct tl_err *err)
{
    struct store_val c[5];
    struct tl_sv s;
    bool row = false;
    enum tl_rc rc = store_query(r->st[read], v, n, err);

    if (rc == TL_OK)
        rc = store_next(r->st[read], c, read == READ_BODY ? 5 : read == READ_EDIT ? 3 : key + 1, &row, err);
    if (p.kind == PLACE_BODY && row)
        p.more = (uint64_t)c[4].i;
    *ret = TL_SV_NULL;
    if (rc == TL_OK && row && c[col].type != STORE_NULL) {
        rc = queue__column(r, p, c[key].i != 0, &c[col], &s, err);
        if (rc == TL_OK)
            *ret = tl_arena_sv(arena, tl_sv(s.p, s.n < max ? s.n : max));
    }
    store_reset(r->st[read]);
    return rc;
}

/* READ_BODY */
static enum tl_rc body_of(struct queue_reader *r, uint64_t event, size_t col, struct place p, size_t max,
                          struct tl_arena *arena, struct tl_sv *ret, struct tl_err *err)
{
    return blob_of(r, READ_BODY, VALS(store_u64(event)), col, 3, p, max, arena, ret, err);
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
    enum tl_rc rc = body_of(r, event, 0, PLACE(ORDER, .id = event), SIZE_MAX, arena, &d->order_by, err);

    if (rc == TL_OK)
        rc = body_of(r, event, 1, PLACE(META, .id = event), SIZE_MAX, arena, &d->meta, err);
    if (rc == TL_OK && event != d->row.delivery)
        rc = blob_of(r, READ_EDIT, VALS(store_u64(d->row.delivery), store_int(0)), 2, 1,
                     PLACE(VARS, .id = d->row.delivery), SIZE_MAX, arena, &d->vars, err);
    if (rc != TL_OK || max == 0)
        return rc;
    /* Read first also when chunks follow: it says that these chunks belong to this event. */
    rc = body_of(r, event, 2, PLACE(BODY, .id = event), max, arena, &d->original_body, err);
    if (rc == TL_OK && upload)
        rc = chunks_of(r, upload, max, arena, &d->original_body, err);
    if (rc == TL_OK)
        rc = blob_of(r, READ_EDIT, VALS(store_u64(d->row.delivery), store_int(d->row.revision)), 0, 1,
                     PLACE(EDIT, .id = d->row.delivery, .more = d->row.revision), max, arena, &d->body, err);
    if (!d->body.p)
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
        rc = blob_of(r, READ_TICKET, VALS(store_int(v[22].i)), 0, 1, PLACE(TICKET, .id = (uint64_t)v[22].i), SIZE_MAX,
                     arena, &d->ticket, err);
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
    store_rollback(r->db);
    if (rc == TL_OK && tl_arena_exceeded(arena))
        return tl_fail(err, TL_LIMIT, "more than can be shown at once");
    if (rc == TL_OK)
        *ret_detail = d;
    return rc;
}

static enum tl_rc append_one(struct queue_reader *r, int read, const struct store_val *v, size_t n, size_t col,
                             size_t key, struct place p, struct tl_buf *out, bool *ret_row, struct tl_err *err)
{
    struct store_val c[5];
    struct tl_sv s;
    enum tl_rc rc = store_query(r->st[read], v, n, err);

    *ret_row = false;
    if (rc == TL_OK)
        rc = store_next(r->st[read], c, read == READ_BODY ? 5 : key + 1, ret_row, err);
    if (p.kind == PLACE_BODY && *ret_row)
        p.more = (uint64_t)c[4].i; /* the event's own chunks, whatever the delivery says */
    if (rc == TL_OK && *ret_row)
        rc = queue__column(r, p, c[key].i != 0, &c[col], &s, err);
    if (rc == TL_OK && *ret_row && !tl_buf_sv(out, s))
        rc = too_large(err);
    store_reset(r->st[read]);
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
        rc = append_one(r, READ_EDIT, VALS(store_u64(delivery), store_int(v[5].i)), 0, 1,
                        PLACE(EDIT, .id = delivery, .more = (uint64_t)v[5].i), ret_body, &row, err);
        if (rc != TL_OK || row)
            return rc;
    }
    rc = append_one(r, READ_BODY, VALS(store_u64(event)), 2, 3, PLACE(BODY, .id = event), ret_body, &row, err);
    return rc == TL_OK && upload ? append_chunks(r, upload, ret_body, err) : rc;
}
