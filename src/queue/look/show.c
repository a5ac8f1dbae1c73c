/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at one event or delivery: its attempts, its body, what is ahead of it. */
#include <inttypes.h>

#include "queue/look/reader_int.h"

static enum tl_rc read_attempts(struct queue_reader *r, struct tl_arena *arena, uint64_t id, struct queue_detail *d,
                                struct tl_err *err)
{
    struct store_val v[14];
    size_t cap = 0;
    bool row;
    enum tl_rc rc =
        store_query(r->st[READ_ATTEMPTS], VALS(store_u64(id * ATTEMPT_SPAN), store_u64((id + 1) * ATTEMPT_SPAN)), err);

    while (rc == TL_OK) {
        struct queue_attempt_row *a;

        rc = store_next(r->st[READ_ATTEMPTS], v, 14, &row, err);
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
                                        .text = tl_arena_sv(arena, v[11].s),
                                        .answer = tl_arena_sv(arena, v[12].s),
                                        .call_members = (uint32_t)v[13].i};
    }
    store_reset(r->st[READ_ATTEMPTS]);
    return rc;
}

/* The first column of the first row, copied. .p NULL: none. */
static enum tl_rc blob_of(struct queue_reader *r, int read, const struct store_val *v, size_t n, size_t col, size_t max,
                          struct tl_arena *arena, struct tl_sv *ret, struct tl_err *err)
{
    struct store_val c[3];
    bool row = false;
    enum tl_rc rc = store_query(r->st[read], v, n, err);

    if (rc == TL_OK)
        rc = store_next(r->st[read], c, col + 1, &row, err);
    *ret = TL_SV_NULL;
    if (rc == TL_OK && row && c[col].type != STORE_NULL)
        *ret = tl_arena_sv(arena, tl_sv(c[col].s.p, c[col].s.n < max ? c[col].s.n : max));
    store_reset(r->st[read]);
    return rc;
}

static enum tl_rc append_all(struct queue_reader *r, int read, const struct store_val *v, size_t n, size_t col,
                             struct tl_buf *out, size_t *ret_rows, struct tl_err *err)
{
    struct store_val c[3];
    bool row = true;
    enum tl_rc rc = store_query(r->st[read], v, n, err);

    *ret_rows = 0;
    while (rc == TL_OK) {
        rc = store_next(r->st[read], c, col + 1, &row, err);
        if (rc != TL_OK || !row)
            break;
        (*ret_rows)++;
        if (!tl_buf_sv(out, c[col].s)) {
            rc = tl_fail(err, TL_LIMIT, "the body is larger than asked for");
            break;
        }
    }
    store_reset(r->st[read]);
    return rc;
}

/* A body in chunks: those that fit into max. */
static enum tl_rc chunks_of(struct queue_reader *r, uint64_t upload, size_t max, struct tl_arena *arena,
                            struct tl_sv *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    size_t n;
    enum tl_rc rc;

    tl_buf_init(&b, max);
    rc = append_all(r, READ_CHUNKS, VALS(store_u64(upload * ATTEMPT_SPAN), store_u64((upload + 1) * ATTEMPT_SPAN)), 0,
                    &b, &n, err);
    if (rc == TL_OK || rc == TL_LIMIT)
        *ret = tl_arena_sv(arena, tl_buf_view(&b));
    return rc == TL_LIMIT ? TL_OK : rc;
}

static enum tl_rc read_bodies(struct queue_reader *r, struct tl_arena *arena, uint64_t upload, size_t max,
                              struct queue_detail *d, struct tl_err *err)
{
    uint64_t event = d->row.event;
    enum tl_rc rc = blob_of(r, READ_BODY, VALS(store_u64(event)), 0, SIZE_MAX, arena, &d->order_by, err);

    if (rc == TL_OK)
        rc = blob_of(r, READ_BODY, VALS(store_u64(event)), 1, SIZE_MAX, arena, &d->meta, err);
    if (rc != TL_OK || max == 0)
        return rc;
    if (upload)
        rc = chunks_of(r, upload, max, arena, &d->original_body, err);
    else
        rc = blob_of(r, READ_BODY, VALS(store_u64(event)), 2, max, arena, &d->original_body, err);
    if (rc == TL_OK)
        rc = blob_of(r, READ_EDIT, VALS(store_u64(d->row.delivery), store_int(d->row.revision)), 0, max, arena,
                     &d->body, err);
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

static enum tl_rc show(struct queue_reader *r, struct tl_arena *arena, uint64_t id, size_t max_body,
                       struct queue_detail *d, struct tl_err *err)
{
    struct store_val v[ROW_N];
    bool row = false;
    enum tl_rc rc = store_one(r->st[READ_ONE], VALS(store_u64(id)), v, 1, &row, err);

    if (rc == TL_OK && !row)
        return tl_fail(err, TL_NOT_FOUND, "there is no event or delivery %" PRIu64, id);
    if (rc == TL_OK)
        rc = store_query(r->st[READ_ONE], VALS(store_u64(id)), err);
    if (rc == TL_OK)
        rc = store_next(r->st[READ_ONE], v, ROW_N, &row, err);
    if (rc == TL_OK && row)
        queue__row_read(v, &d->row);
    if (rc == TL_OK && row && v[26].type == STORE_INT && !first_attempt(arena, v, d))
        rc = tl_fail(err, TL_LIMIT, "more than can be shown at once");
    store_reset(r->st[READ_ONE]);
    if (rc == TL_OK)
        rc = queue__ahead(r, &d->row, err);
    if (rc == TL_OK && v[22].i)
        rc = blob_of(r, READ_TICKET, VALS(store_int(v[22].i)), 0, SIZE_MAX, arena, &d->ticket, err);
    if (rc == TL_OK && d->n_attempts == 0)
        rc = read_attempts(r, arena, id, d, err);
    if (rc == TL_OK)
        rc = read_bodies(r, arena, (uint64_t)v[21].i, max_body, d, err);
    if (rc == TL_OK && d->row.expanded)
        rc = queue__children(r, arena, id, 1000, &d->deliveries, &d->n_deliveries, err);
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
    rc = show(r, arena, delivery, max_body, &d, err);
    store_rollback(r->db);
    if (rc == TL_OK && tl_arena_exceeded(arena))
        return tl_fail(err, TL_LIMIT, "more than can be shown at once");
    if (rc == TL_OK)
        *ret_detail = d;
    return rc;
}

enum tl_rc queue_read_body(struct queue_reader *r, uint64_t delivery, bool original, struct tl_buf *ret_body,
                           struct tl_err *err)
{
    struct store_val v[ROW_N];
    bool row = false;
    size_t n = 0;
    uint64_t event, upload;
    enum tl_rc rc = store_one(r->st[READ_ONE], VALS(store_u64(delivery)), v, ROW_N, &row, err);

    if (rc != TL_OK)
        return rc;
    if (!row)
        return tl_fail(err, TL_NOT_FOUND, "there is no event or delivery %" PRIu64, delivery);
    event = v[1].type == STORE_NULL ? delivery : (uint64_t)v[1].i;
    upload = (uint64_t)v[21].i;
    if (!original) {
        rc = append_all(r, READ_EDIT, VALS(store_u64(delivery), store_int(v[5].i)), 0, ret_body, &n, err);
        if (rc != TL_OK || n > 0)
            return rc;
    }
    if (upload)
        return append_all(r, READ_CHUNKS,
                          VALS(store_u64(upload * ATTEMPT_SPAN), store_u64((upload + 1) * ATTEMPT_SPAN)), 0, ret_body,
                          &n, err);
    return append_all(r, READ_BODY, VALS(store_u64(event)), 2, ret_body, &n, err);
}
