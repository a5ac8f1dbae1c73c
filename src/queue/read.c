/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking: read-only connections, one short transaction a call. A page reads by index, or over a bounded stretch of
 * ids: then it may come back short, with a cursor to go on.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "queue/queue_int.h"

#define STRETCH 20000 /* ids looked at for one page */
#define ROW_COLUMNS                                                                                                    \
    "id,event,flow,target,item,rev,attempts,used,state,kind,live,received,updated,next_at,fp,cause,replay_of,bytes,"   \
    "cls,rc,text,upload,ticket,lane,n_open,superseded,d_epoch,d_started,d_status,d_latency"
#define ROW_N 30

#define READS(X)                                                                                                       \
    X(ONE, "SELECT " ROW_COLUMNS " FROM unit WHERE id=?1")                                                             \
    X(BEFORE, "SELECT " ROW_COLUMNS " FROM unit WHERE id<?1 AND id>=?2 ORDER BY id DESC")                              \
    X(CHILDREN, "SELECT " ROW_COLUMNS " FROM unit WHERE event=?1 AND id<?2 ORDER BY id DESC LIMIT ?3")                 \
    X(DEAD, "SELECT " ROW_COLUMNS " FROM unit WHERE fp IS NOT NULL AND flow=?1 AND id<?2 ORDER BY id DESC LIMIT ?3")   \
    X(DEAD_FP,                                                                                                         \
      "SELECT " ROW_COLUMNS " FROM unit WHERE fp IS NOT NULL AND flow=?1 AND fp=?4 AND id<?2 ORDER BY id DESC LIMIT "  \
      "?3")                                                                                                            \
    X(LIVE, "SELECT " ROW_COLUMNS " FROM unit WHERE live=1 AND target=?1 AND id<?2 ORDER BY id DESC LIMIT ?3")         \
    X(TARGETS, "SELECT id FROM target WHERE ?1=0 OR flow=?1")                                                          \
    X(FLOWS, "SELECT id FROM flow WHERE ?1=0 OR id=?1")                                                                \
    X(NEWEST, "SELECT max(id) FROM unit")                                                                              \
    X(ATTEMPTS,                                                                                                        \
      "SELECT a.id,a.epoch,a.started,a.ended,a.end,a.flags,a.cls,a.rc,a.status,a.latency,a.call,a.text,"               \
      "a.answer,c.members FROM attempt a LEFT JOIN call c ON c.id=a.call WHERE a.id>=?1 AND a.id<?2 ORDER BY "         \
      "a.id")                                                                                                          \
    X(BODY, "SELECT order_by,meta,data FROM body WHERE id=?1")                                                         \
    X(EDIT, "SELECT data FROM edit WHERE unit=?1 AND rev=?2")                                                          \
    X(CHUNKS, "SELECT data FROM chunk WHERE id>=?1 AND id<?2 ORDER BY id")                                             \
    X(TICKET, "SELECT data FROM ticket WHERE id=?1")                                                                   \
    X(AHEAD, "SELECT id FROM unit WHERE lane=?1 AND live>0 ORDER BY id LIMIT 1")                                       \
    X(LATER, "SELECT id FROM unit WHERE lane=?1 AND live>0 AND id>?2 LIMIT 1")                                         \
    X(GROUPS, "SELECT flow,fp,count(*),min(id),max(id) FROM unit WHERE fp IS NOT NULL AND flow=?1 GROUP BY fp")        \
    X(OLDEST, "SELECT received FROM unit WHERE live=1 AND target=?1 ORDER BY id LIMIT 1")                              \
    X(UNKNOWN, "SELECT 1 FROM attempt WHERE id>=?1 AND id<?2 AND (flags & 2)<>0 LIMIT 1")

enum {
#define X(name, text) READ_##name,
    READS(X)
#undef X
        READ_COUNT
};
static const char *const texts[READ_COUNT] = {
#define X(name, text) text,
    READS(X)
#undef X
};

struct queue_reader {
    struct store *db;
    struct store_stmt *st[READ_COUNT];
};

enum tl_rc queue_reader_open(struct queue *q, struct queue_reader **ret_reader, struct tl_err *err)
{
    struct queue_reader *r = tl_zalloc(sizeof(*r));
    char *path = tl_sprintf("%s/ledger.db", q->dir);
    struct store_options o = {.path = path,
                              .vfs = q->o.vfs,
                              .read_only = true,
                              .busy_ms = 5000,
                              .application_id = QUEUE_APPLICATION_ID,
                              .migrations = queue__migrations,
                              .n_migrations = queue__n_migrations};
    enum tl_rc rc = store_open(&o, &r->db, err);

    for (size_t i = 0; i < READ_COUNT && rc == TL_OK; i++)
        rc = store_prepare(r->db, texts[i], &r->st[i], err);
    tl_free(path);
    if (rc != TL_OK) {
        queue_reader_close(r);
        return rc;
    }
    *ret_reader = r;
    return TL_OK;
}

void queue_reader_close(struct queue_reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < READ_COUNT; i++)
        store_stmt_free(r->st[i]);
    store_close(r->db);
    tl_free(r);
}

static void row_read(const struct store_val *v, struct queue_row *r)
{
    *r = (struct queue_row){
        .delivery = (uint64_t)v[0].i,
        .event = v[1].type == STORE_NULL ? (uint64_t)v[0].i : (uint64_t)v[1].i,
        .flow = (uint32_t)v[2].i,
        .target = (uint32_t)v[3].i,
        .item = (uint32_t)v[4].i,
        .revision = (uint32_t)v[5].i,
        .attempts = (uint32_t)v[6].i,
        .attempts_used = (uint32_t)v[7].i,
        .state = (enum queue_state)v[8].i,
        .expanded = v[9].i == KIND_EXPANDED,
        .blocks = v[10].i == 2,
        .received_ms = v[11].i,
        .updated_ms = v[12].i,
        .next_at_ms = v[8].i == QUEUE_RETRYING ? v[13].i : 0,
        .fingerprint = (uint64_t)v[14].i,
        .cause = (uint64_t)v[15].i,
        .replay_of = (uint64_t)v[16].i,
        .bytes = (uint64_t)v[17].i,
        .cls = (enum tl_class)v[18].i,
        .rc = (enum tl_rc)v[19].i,
    };
    (void)snprintf(r->text, sizeof(r->text), "%.*s", TL_SV_ARG(v[20].s));
}

static bool matches(const struct queue_filter *f, const struct queue_row *r)
{
    if (f->n_ids) {
        bool is = false;

        for (size_t i = 0; i < f->n_ids && !is; i++)
            is = f->ids[i] == r->delivery;
        if (!is)
            return false;
    }
    return (!f->flow || f->flow == r->flow) && (f->state == QUEUE_STATE_NONE || f->state == r->state) &&
           (f->cls == TL_CLASS_NONE || f->cls == r->cls) && (!f->fingerprint || f->fingerprint == r->fingerprint) &&
           (!f->from_ms || r->received_ms >= f->from_ms) && (!f->until_ms || r->received_ms < f->until_ms) &&
           (!f->event || f->event == r->event);
}

struct pager {
    struct queue_reader *r;
    const struct queue_filter *f;
    struct tl_arena *arena;
    struct queue_row *rows;
    size_t n, limit, cap;
    uint64_t last; /* the lowest id looked at */
    bool more;
};

static int newest_first(const void *a, const void *b)
{
    uint64_t x = ((const struct queue_row *)a)->delivery, y = ((const struct queue_row *)b)->delivery;

    return x < y ? 1 : x > y ? -1 : 0;
}

/* Rows of one query that match; `looked` rows at most. */
static enum tl_rc collect(struct pager *p, int read, const struct store_val *v, size_t n, size_t looked,
                          struct tl_err *err)
{
    struct store_val cols[ROW_N];
    bool row = true;
    size_t seen = 0, got = 0;
    enum tl_rc rc = store_query(p->r->st[read], v, n, err);

    while (rc == TL_OK && row && seen < looked && got < p->limit && p->n < p->cap) {
        rc = store_next(p->r->st[read], cols, ROW_N, &row, err);
        if (rc != TL_OK || !row)
            break;
        seen++;
        p->last = (uint64_t)cols[0].i;
        row_read(cols, &p->rows[p->n]);
        if (matches(p->f, &p->rows[p->n])) {
            p->n++;
            got++;
        }
    }
    store_reset(p->r->st[read]);
    if (row && (seen >= looked || got >= p->limit))
        p->more = true;
    return rc;
}

#define MANY_MAX 512
static enum tl_rc numbers(struct queue_reader *r, int read, uint32_t flow, uint32_t *ids, size_t *ret_n,
                          struct tl_err *err)
{
    struct store_val v;
    bool row = true;
    enum tl_rc rc = store_query(r->st[read], VALS(store_int(flow)), err);

    *ret_n = 0;
    while (rc == TL_OK && *ret_n < MANY_MAX) {
        rc = store_next(r->st[read], &v, 1, &row, err);
        if (rc != TL_OK || !row)
            break;
        ids[(*ret_n)++] = (uint32_t)v.i;
    }
    store_reset(r->st[read]);
    return rc;
}

/* One index a flow or target: the newest of each are put together, and cut where the first of them was cut. */
static enum tl_rc merged(struct pager *p, int names, int read, uint64_t cursor, struct tl_err *err)
{
    uint32_t ids[MANY_MAX];
    size_t n_ids;
    uint64_t cut = 0;
    enum tl_rc rc = numbers(p->r, names, p->f->flow, ids, &n_ids, err);

    p->cap = (p->limit + 1) * (n_ids + 1);
    p->rows = tl_arena_alloc(p->arena, p->cap * sizeof(*p->rows));
    if (rc == TL_OK && !p->rows)
        return tl_fail(err, TL_LIMIT, "the page is too large");
    for (size_t i = 0; i < n_ids && rc == TL_OK; i++) {
        struct store_val v[4] = {store_int(ids[i]), store_u64(cursor), store_int(STRETCH),
                                 store_u64(p->f->fingerprint)};

        p->more = false;
        rc = collect(p, read, v, read == READ_DEAD_FP ? 4 : 3, STRETCH, err);
        if (p->more && p->last > cut)
            cut = p->last;
    }
    qsort(p->rows, p->n, sizeof(*p->rows), newest_first);
    p->more = cut != 0;
    while (p->n > 0 && (p->n > p->limit || p->rows[p->n - 1].delivery < cut)) {
        p->n--;
        p->more = true;
    }
    p->last = p->n && p->n == p->limit ? p->rows[p->n - 1].delivery : cut;
    return rc;
}

static enum tl_rc by_id(struct pager *p, uint64_t cursor, struct tl_err *err)
{
    p->cap = p->limit;
    p->rows = tl_arena_alloc(p->arena, (p->cap + 1) * sizeof(*p->rows));
    if (!p->rows)
        return tl_fail(err, TL_LIMIT, "the page is too large");
    if (p->f->event && cursor > p->f->event) {
        enum tl_rc rc = collect(
            p, READ_CHILDREN, VALS(store_u64(p->f->event), store_u64(cursor), store_u64(p->limit + 1)), SIZE_MAX, err);

        if (rc != TL_OK || p->n == p->limit)
            return rc;
        p->more = false;
        return collect(p, READ_ONE, VALS(store_u64(p->f->event)), 1, err);
    }
    return collect(p, READ_BEFORE, VALS(store_u64(cursor), store_int(0)), STRETCH, err);
}

static enum tl_rc by_ids(struct pager *p, uint64_t cursor, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    p->cap = p->f->n_ids;
    p->limit = p->cap;
    p->rows = tl_arena_alloc(p->arena, (p->cap + 1) * sizeof(*p->rows));
    if (!p->rows)
        return tl_fail(err, TL_LIMIT, "the page is too large");
    for (size_t i = 0; i < p->f->n_ids && rc == TL_OK; i++)
        if (p->f->ids[i] < cursor)
            rc = collect(p, READ_ONE, VALS(store_u64(p->f->ids[i])), 1, err);
    qsort(p->rows, p->n, sizeof(*p->rows), newest_first);
    p->more = false;
    return rc;
}

static enum tl_rc list(struct pager *p, uint64_t cursor, struct tl_err *err)
{
    if (p->f->n_ids)
        return by_ids(p, cursor, err);
    if (p->f->event)
        return by_id(p, cursor, err);
    if (p->f->state == QUEUE_DEAD)
        return merged(p, READ_FLOWS, p->f->fingerprint ? READ_DEAD_FP : READ_DEAD, cursor, err);
    if (p->f->state == QUEUE_QUEUED || p->f->state == QUEUE_RETRYING)
        return merged(p, READ_TARGETS, READ_LIVE, cursor, err);
    return by_id(p, cursor, err);
}

enum tl_rc queue_list(struct queue_reader *r, struct tl_arena *arena, const struct queue_filter *filter,
                      uint64_t cursor, size_t limit, struct queue_page *ret_page, struct tl_err *err)
{
    struct pager p = {.r = r, .f = filter, .arena = arena, .limit = limit == 0 ? 50 : limit < 1000 ? limit : 1000};
    enum tl_rc rc = store_begin_read(r->db, err);

    if (rc != TL_OK)
        return rc;
    rc = list(&p, cursor ? cursor : INT64_MAX, err);
    store_rollback(r->db);
    if (rc == TL_OK)
        *ret_page = (struct queue_page){.rows = p.rows, .n = p.n, .cursor = p.last, .more = p.more};
    return rc;
}

/* ---- one ---- */
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
    struct store_val v[ROW_N], low;
    bool row = false, ahead = false;
    enum tl_rc rc = store_one(r->st[READ_ONE], VALS(store_u64(id)), v, 1, &row, err);

    if (rc == TL_OK && !row)
        return tl_fail(err, TL_NOT_FOUND, "there is no event or delivery %" PRIu64, id);
    if (rc == TL_OK)
        rc = store_query(r->st[READ_ONE], VALS(store_u64(id)), err);
    if (rc == TL_OK)
        rc = store_next(r->st[READ_ONE], v, ROW_N, &row, err);
    if (rc == TL_OK && row)
        row_read(v, &d->row);
    if (rc == TL_OK && row && v[26].type == STORE_INT && !first_attempt(arena, v, d))
        rc = tl_fail(err, TL_LIMIT, "more than can be shown at once");
    store_reset(r->st[READ_ONE]);
    if (rc == TL_OK && v[23].type == STORE_INT && v[10].i == 1) {
        rc = store_one(r->st[READ_AHEAD], VALS(store_int(v[23].i)), &low, 1, &ahead, err);
        d->ahead = ahead && (uint64_t)low.i != id ? (uint64_t)low.i : 0;
    }
    if (rc == TL_OK && v[22].i)
        rc = blob_of(r, READ_TICKET, VALS(store_int(v[22].i)), 0, SIZE_MAX, arena, &d->ticket, err);
    if (rc == TL_OK && d->n_attempts == 0)
        rc = read_attempts(r, arena, id, d, err);
    if (rc == TL_OK)
        rc = read_bodies(r, arena, (uint64_t)v[21].i, max_body, d, err);
    if (rc == TL_OK && d->row.expanded) {
        struct pager p = {.r = r, .f = &(struct queue_filter){.event = id}, .arena = arena, .limit = 1000, .cap = 1000};

        p.rows = tl_arena_alloc(arena, (p.cap + 1) * sizeof(*p.rows));
        if (!p.rows)
            return tl_fail(err, TL_LIMIT, "too many deliveries to show");
        rc = collect(&p, READ_CHILDREN, VALS(store_u64(id), store_int(INT64_MAX), store_int(1000)), SIZE_MAX, err);
        d->deliveries = p.rows;
        d->n_deliveries = p.n;
    }
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

/* ---- groups, oldest, copy ---- */
static int largest_first(const void *a, const void *b)
{
    uint64_t x = ((const struct queue_group *)a)->count, y = ((const struct queue_group *)b)->count;

    return x < y ? 1 : x > y ? -1 : 0;
}

static enum tl_rc name_groups(struct queue_reader *r, struct queue_group *g, size_t n, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    for (size_t i = 0; i < n && rc == TL_OK; i++) {
        struct store_val v[ROW_N];
        struct queue_row row;
        bool found = false;

        rc = store_query(r->st[READ_ONE], VALS(store_u64(g[i].last)), err);
        if (rc == TL_OK)
            rc = store_next(r->st[READ_ONE], v, ROW_N, &found, err);
        if (rc == TL_OK && found) {
            row_read(v, &row);
            g[i].cls = row.cls;
            g[i].rc = row.rc;
            (void)snprintf(g[i].text, sizeof(g[i].text), "%s", row.text);
        }
        store_reset(r->st[READ_ONE]);
    }
    return rc;
}

enum tl_rc queue_dead_groups(struct queue_reader *r, struct tl_arena *arena, uint32_t flow, size_t limit,
                             struct queue_group **ret_groups, size_t *ret_n, struct tl_err *err)
{
    uint32_t ids[MANY_MAX];
    struct queue_group *g = NULL;
    size_t n = 0, cap = 0, n_ids;
    struct store_val v[5];
    bool row = true;
    enum tl_rc rc = numbers(r, READ_FLOWS, flow, ids, &n_ids, err);

    for (size_t i = 0; i < n_ids && rc == TL_OK; i++) {
        rc = store_query(r->st[READ_GROUPS], VALS(store_int(ids[i])), err);
        while (rc == TL_OK) {
            rc = store_next(r->st[READ_GROUPS], v, 5, &row, err);
            if (rc != TL_OK || !row)
                break;
            if (n == cap) {
                g = tl_arena_grow(arena, g, cap * sizeof(*g), (cap + 64) * sizeof(*g));
                if (!g)
                    return tl_fail(err, TL_LIMIT, "too many groups");
                cap += 64;
            }
            g[n++] = (struct queue_group){.flow = (uint32_t)v[0].i,
                                          .fingerprint = (uint64_t)v[1].i,
                                          .count = (uint64_t)v[2].i,
                                          .first = (uint64_t)v[3].i,
                                          .last = (uint64_t)v[4].i};
        }
        store_reset(r->st[READ_GROUPS]);
    }
    if (rc != TL_OK)
        return rc;
    if (n)
        qsort(g, n, sizeof(*g), largest_first);
    n = limit && n > limit ? limit : n;
    rc = name_groups(r, g, n, err);
    *ret_groups = g;
    *ret_n = n;
    return rc;
}

enum tl_rc queue_oldest(struct queue_reader *r, uint32_t flow, int64_t *ret_received_ms, struct tl_err *err)
{
    uint32_t ids[MANY_MAX];
    size_t n;
    int64_t oldest = INT64_MAX;
    enum tl_rc rc = numbers(r, READ_TARGETS, flow, ids, &n, err);

    for (size_t i = 0; i < n && rc == TL_OK; i++) {
        struct store_val v;
        bool row = false;

        rc = store_one(r->st[READ_OLDEST], VALS(store_int(ids[i])), &v, 1, &row, err);
        if (rc == TL_OK && row && v.i < oldest)
            oldest = v.i;
    }
    if (rc == TL_OK && oldest == INT64_MAX)
        return tl_fail(err, TL_NOT_FOUND, "nothing is waiting");
    if (rc == TL_OK)
        *ret_received_ms = oldest;
    return rc;
}

enum tl_rc queue_snapshot(struct queue_reader *r, const char *path, struct tl_err *err)
{
    return store_copy(r->db, path, err);
}

/* ---- plans ---- */
static enum tl_rc plan_row(struct queue_reader *r, struct queue_plan *plan, const struct queue_row *row,
                           struct tl_err *err)
{
    struct store_val v[ROW_N], one;
    bool found = false;
    enum tl_rc rc = TL_OK;

    plan->matching++;
    plan->final += row->state >= QUEUE_DELIVERED;
    if (row->state == QUEUE_DEAD) {
        rc = store_one(r->st[READ_ONE], VALS(store_u64(row->delivery)), v, ROW_N, &found, err);
        if (rc == TL_OK && found && v[23].type == STORE_INT && v[10].i != 2) {
            rc = store_one(r->st[READ_LATER], VALS(store_int(v[23].i), store_u64(row->delivery)), &one, 1, &found, err);
            plan->superseded += found || v[25].i;
        }
    }
    if (rc == TL_OK)
        rc = store_one(r->st[READ_UNKNOWN],
                       VALS(store_u64(row->delivery * ATTEMPT_SPAN), store_u64((row->delivery + 1) * ATTEMPT_SPAN)),
                       &one, 1, &found, err);
    plan->unknown_outcome += found;
    return rc;
}

enum tl_rc queue_plan(struct queue_reader *r, struct queue_plan *plan, struct tl_err *err)
{
    struct queue_page page = {.more = true};
    struct store_val v;
    bool row;
    enum tl_rc rc = store_one(r->st[READ_NEWEST], NULL, 0, &v, 1, &row, err);

    plan->matching = plan->superseded = plan->unknown_outcome = plan->running = plan->final = 0;
    plan->last_id = rc == TL_OK ? (uint64_t)v.i : 0;
    while (rc == TL_OK && page.more) {
        struct tl_arena *arena = tl_arena_new(16u << 20);
        uint64_t cursor = page.cursor;

        rc = queue_list(r, arena, &plan->filter, cursor, 1000, &page, err);
        for (size_t i = 0; rc == TL_OK && i < page.n; i++)
            if (!page.rows[i].expanded)
                rc = plan_row(r, plan, &page.rows[i], err);
        tl_arena_free(arena);
        if (page.more && (page.cursor == 0 || page.cursor == cursor))
            break;
    }
    return rc;
}
