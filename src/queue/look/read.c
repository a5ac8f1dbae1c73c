/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking: read-only connections, one short transaction a call. A page reads by index, or over a bounded stretch of
 * ids: then it may come back short, with a cursor to go on.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "queue/look/reader_int.h"

#define STRETCH 20000 /* ids looked at for one page */

static const char *const texts[READ_COUNT] = {
#define X(name, text) text,
    READS(X)
#undef X
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
    memcpy(r->hash_key, q->hash_key, sizeof(r->hash_key));
    r->ring = q->ring;
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
    tl_buf_done(&r->opened);
    queue__reader_line_forget(r);
    tl_free(r);
}

/* Who holds it, and why. */
static void read_held(struct queue_reader *r, struct queue_row *row)
{
    char buf[32];
    struct tl_sv key = queue__held_key(row->delivery, buf), value, by, reason;
    struct tl_err err;
    struct store_val v[2];
    bool found = false;

    if (store_query(r->st[READ_KV], VALS(store_text(key)), &err) == TL_OK &&
        store_next(r->st[READ_KV], v, 2, &found, &err) == TL_OK && found) {
        if (queue__column(r, PLACE(KV, .name = key), v[1].i != 0, &v[0], &value, &err) == TL_OK) {
            queue__held_read(value, &row->held_at_ms, &by, &reason);
            by = tl_utf8_cut(by, sizeof(row->held_by) - 1);
            reason = tl_utf8_cut(reason, sizeof(row->held_text) - 1);
            (void)snprintf(row->held_by, sizeof(row->held_by), "%.*s", TL_SV_ARG(by));
            (void)snprintf(row->held_text, sizeof(row->held_text), "%.*s", TL_SV_ARG(reason));
        } else {
            (void)snprintf(row->held_text, sizeof(row->held_text), "%.199s", err.text);
        }
    }
    store_reset(r->st[READ_KV]);
}

void queue__row_read(struct queue_reader *reader, const struct store_val *v, struct queue_row *r)
{
    struct tl_err err;
    struct tl_sv text;

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
        .blocks = v[10].i == 2 && v[8].i == QUEUE_DEAD,
        .held = v[10].i == 2 && v[8].i != QUEUE_DEAD ? QUEUE_HELD_EVENT : QUEUE_HELD_NONE,
        .received_ms = v[11].i,
        .updated_ms = v[12].i,
        .next_at_ms = v[8].i == QUEUE_RETRYING ? v[13].i : 0,
        .job = v[8].i == QUEUE_RETRYING && v[22].type == STORE_INT && v[22].i != 0,
        .fingerprint = (uint64_t)v[14].i,
        .cause = (uint64_t)v[15].i,
        .replay_of = (uint64_t)v[16].i,
        .bytes = (uint64_t)v[17].i,
        .cls = (enum tl_class)v[18].i,
        .rc = (enum tl_rc)v[19].i,
        .done_at_once = v[26].type == STORE_INT,
        .status = (uint32_t)v[28].i,
        .latency_ms = (uint32_t)v[29].i,
        .keyed = v[23].type == STORE_INT,
        .lane = v[23].type == STORE_INT ? (uint64_t)v[23].i : queue__own_lane((uint64_t)v[0].i),
        .superseded = v[25].i != 0,
        .unknown = v[30].i != 0,
    };
    if (r->held == QUEUE_HELD_EVENT)
        read_held(reader, r);
    if (r->state == QUEUE_DELIVERED) { /* the row keeps the class and words of a failure before that */
        r->cls = TL_CLASS_NONE;
        r->rc = TL_OK;
        return;
    }
    if (queue__column(reader, PLACE(WHY, .id = r->delivery), v[20].type == STORE_BLOB, &v[20], &text, &err) == TL_OK)
        (void)snprintf(r->text, sizeof(r->text), "%.*s", TL_SV_ARG(text));
    else
        (void)snprintf(r->text, sizeof(r->text), "%s", err.text);
}

/* Those that used an attempt are over, or to come. */
static enum tl_rc read_refused(struct queue_reader *r, struct queue_row *row, struct tl_err *err)
{
    struct store_val v;
    bool found;
    enum tl_rc rc;

    if (row->attempts <= row->attempts_used)
        return TL_OK;
    rc = store_one(r->st[READ_REFUSED],
                   VALS(store_u64(row->delivery * ATTEMPT_SPAN), store_u64((row->delivery + 1) * ATTEMPT_SPAN)), &v, 1,
                   &found, err);
    row->refused = rc == TL_OK && found ? (uint32_t)v.i : 0;
    return rc;
}

enum tl_rc queue__ahead(struct queue_reader *r, struct queue_row *row, struct tl_err *err)
{
    enum reader_after how;
    uint64_t first;
    enum tl_rc rc;

    if ((row->state != QUEUE_QUEUED && row->state != QUEUE_RETRYING) || row->expanded)
        return TL_OK;
    rc = queue__reader_after(r, row->lane, 0, &first, &how, err);
    if (rc == TL_OK && first && first != row->delivery) {
        row->ahead = first;
        row->ahead_dead = how == AFTER_DEAD;
        row->ahead_held = how == AFTER_HELD;
    }
    return rc == TL_OK ? read_refused(r, row, err) : rc;
}

#define LANES_MAX 8192u /* a look-up each; of more it is faster to read what waits */

/* ---- what matches ---- */
struct pager {
    struct queue_reader *r;
    const struct queue_filter *f;
    struct tl_arena *arena;
    struct queue_row *rows;
    size_t n, limit, cap;
    uint64_t last; /* the lowest id looked at */
    bool more;
    uint64_t until_ns, *lanes; /* 0: by number of ids; the lanes that the ordering key may have, sorted */
    size_t n_lanes, looked;
    int64_t looked_ms;
};

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y ? 1 : 0;
}

static bool has_number(const uint32_t *v, size_t n, uint32_t wanted)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] == wanted)
            return true;
    return false;
}

static bool has_text(struct tl_sv s, struct tl_sv part)
{
    for (size_t i = 0; part.n <= s.n && i <= s.n - part.n; i++)
        if (tl_sv_starts_i(tl_sv_from(s, i), part))
            return true;
    return false;
}

/* Those that a person holds are a kind of their own: whoever asks for what is queued means what can go. */
static bool has_state(const struct queue_row *r, enum queue_state wanted)
{
    enum queue_state s = r->held == QUEUE_HELD_EVENT ? QUEUE_HELD : r->state;

    return wanted == QUEUE_STATE_NONE || wanted == s;
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
    return (!f->flow || f->flow == r->flow) && has_state(r, f->state) &&
           (f->cls == TL_CLASS_NONE || f->cls == r->cls) && (!f->fingerprint || f->fingerprint == r->fingerprint) &&
           (!f->from_ms || r->received_ms >= f->from_ms) && (!f->until_ms || r->received_ms < f->until_ms) &&
           (!f->event || f->event == r->event) && (!f->n_targets || has_number(f->targets, f->n_targets, r->target)) &&
           (!f->error.n || has_text(tl_sv_str(r->text), f->error));
}

static bool may_look(const struct pager *p, size_t seen, size_t most)
{
    if (!p->until_ns)
        return seen < most;
    return seen % 64 != 0 || tl_clock_mono_ns(tl_clock_system()) < p->until_ns;
}

/* Every row that is older than `from` ends a walk back; deliveries that were split off have the time of their event. */
static bool too_old(const struct pager *p, const struct queue_row *r)
{
    return p->f->from_ms && r->event == r->delivery && r->received_ms < p->f->from_ms - 60000;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = ((const struct queue_row *)a)->delivery, y = ((const struct queue_row *)b)->delivery;

    return x < y ? 1 : x > y ? -1 : 0;
}

static bool has_lane(const struct pager *p, const struct store_val *lane)
{
    if (!p->f->key.p)
        return true;
    return lane->type == STORE_INT && p->n_lanes > 0 &&
           bsearch(&lane->i, p->lanes, p->n_lanes, sizeof(*p->lanes), by_value) != NULL;
}

/* Rows of one query that match; `looked` rows at most, or until the time is up. */
static enum tl_rc collect(struct pager *p, int read, const struct store_val *v, size_t n, size_t looked,
                          struct tl_err *err)
{
    struct store_val cols[ROW_N];
    bool row = true, old = false;
    size_t seen = 0, got = 0;
    enum tl_rc rc = store_query(p->r->st[read], v, n, err);

    while (rc == TL_OK && row && got < p->limit && p->n < p->cap && may_look(p, seen, looked)) {
        rc = store_next(p->r->st[read], cols, ROW_N, &row, err);
        if (rc != TL_OK || !row)
            break;
        seen++;
        p->last = (uint64_t)cols[0].i;
        queue__row_read(p->r, cols, &p->rows[p->n]);
        p->looked_ms = p->rows[p->n].received_ms;
        old = too_old(p, &p->rows[p->n]);
        if (old)
            break;
        if (has_lane(p, &cols[23]) && matches(p->f, &p->rows[p->n])) {
            p->n++;
            got++;
        }
    }
    store_reset(p->r->st[read]);
    p->looked += seen;
    if (rc == TL_OK && row && !old)
        p->more = true;
    return rc;
}

enum tl_rc queue__row(struct queue_reader *r, uint64_t id, struct queue_row *ret, bool *ret_found, struct tl_err *err)
{
    struct store_val v[ROW_N];
    enum tl_rc rc = store_query(r->st[READ_ONE], VALS(store_u64(id)), err);

    *ret_found = false;
    if (rc == TL_OK)
        rc = store_next(r->st[READ_ONE], v, ROW_N, ret_found, err);
    if (rc == TL_OK && *ret_found)
        queue__row_read(r, v, ret);
    store_reset(r->st[READ_ONE]);
    return rc;
}

enum tl_rc queue__children(struct queue_reader *r, struct tl_arena *arena, uint64_t event, size_t limit,
                           struct queue_row **ret, size_t *ret_n, struct tl_err *err)
{
    struct pager p = {
        .r = r, .f = &(struct queue_filter){.event = event}, .arena = arena, .limit = limit, .cap = limit};
    enum tl_rc rc;

    p.rows = tl_arena_alloc(arena, (p.cap + 1) * sizeof(*p.rows));
    if (!p.rows)
        return tl_fail(err, TL_LIMIT, "too many deliveries to show");
    rc = collect(&p, READ_CHILDREN, VALS(store_u64(event), store_int(INT64_MAX), store_u64(limit)), SIZE_MAX, err);
    *ret = p.rows;
    *ret_n = p.n;
    return rc;
}

enum tl_rc queue__numbers(struct queue_reader *r, int read, uint32_t flow, uint32_t **ret, size_t *ret_n,
                          struct tl_err *err)
{
    struct store_val v;
    size_t cap = 0;
    bool row = true;
    enum tl_rc rc = store_query(r->st[read], VALS(store_int(flow)), err);

    *ret = NULL;
    *ret_n = 0;
    while (rc == TL_OK) {
        rc = store_next(r->st[read], &v, 1, &row, err);
        if (rc != TL_OK || !row)
            break;
        if (*ret_n == cap)
            *ret = tl_reallocarray(*ret, cap = cap ? cap * 2 : 16, sizeof(**ret));
        (*ret)[(*ret_n)++] = (uint32_t)v.i;
    }
    store_reset(r->st[read]);
    return rc;
}

/* ---- pages ---- */
/* The newest `limit` so far; what is older than the last of them waits for the next page. */
static void keep_newest(struct pager *p, uint64_t *cut)
{
    if (p->n <= p->limit)
        return;
    qsort(p->rows, p->n, sizeof(*p->rows), newest_first);
    p->n = p->limit;
    if (p->rows[p->n - 1].delivery > *cut)
        *cut = p->rows[p->n - 1].delivery;
}

/* One index a flow, target or lane: the newest of each are put together, and cut where the first of them was cut. */
static enum tl_rc merged(struct pager *p, int read, const uint64_t *ids, size_t n_ids, uint64_t cursor,
                         struct tl_err *err)
{
    uint64_t cut = 0;
    enum tl_rc rc = TL_OK;

    p->cap = 2 * p->limit;
    p->rows = tl_arena_alloc(p->arena, (p->cap + 1) * sizeof(*p->rows));
    if (!p->rows)
        return tl_fail(err, TL_LIMIT, "the page is too large");
    for (size_t i = 0; i < n_ids && rc == TL_OK; i++) {
        struct store_val v[4] = {store_u64(ids[i]), store_u64(cursor), store_int(STRETCH),
                                 store_u64(p->f->fingerprint)};

        p->more = false;
        rc = collect(p, read, v, read == READ_DEAD_FP ? 4 : 3, STRETCH, err);
        if (p->more && p->last > cut)
            cut = p->last;
        keep_newest(p, &cut);
    }
    if (p->n)
        qsort(p->rows, p->n, sizeof(*p->rows), newest_first);
    p->more = cut != 0;
    while (p->n > 0 && p->rows[p->n - 1].delivery < cut)
        p->n--;
    p->last = p->n && p->n == p->limit ? p->rows[p->n - 1].delivery : cut;
    return rc;
}

static enum tl_rc by_names(struct pager *p, int names, int read, uint64_t cursor, struct tl_err *err)
{
    uint32_t *ids;
    uint64_t *wide;
    size_t n;
    enum tl_rc rc = queue__numbers(p->r, names, p->f->flow, &ids, &n, err);

    wide = tl_reallocarray(NULL, n + 1, sizeof(*wide));
    for (size_t i = 0; i < n; i++)
        wide[i] = ids[i];
    if (rc == TL_OK)
        rc = merged(p, read, wide, n, cursor, err);
    tl_free(wide);
    tl_free(ids);
    return rc;
}

static bool room(struct pager *p, size_t cap)
{
    p->cap = cap;
    p->rows = tl_arena_alloc(p->arena, (cap + 1) * sizeof(*p->rows));
    return p->rows != NULL;
}

/* READ_BODIES; one that does not open has no text. */
static bool body_has(struct pager *p, const struct store_val *v)
{
    struct place place = PLACE(BODY, .id = (uint64_t)v[0].i, .more = (uint64_t)v[4].i);
    struct tl_err err;
    struct tl_sv body;

    if (queue__column(p->r, place, v[3].i != 0, &v[2], &body, &err) != TL_OK)
        return false;
    return p->f->has_text ? p->f->has_text(p->f->has_text_arg, body, p->f->text)
                          : tl_sv_find_sv(body, p->f->text) != body.n;
}

/* Back through the ids by what an index row says of them; only what fits is read whole. */
static enum tl_rc by_light(struct pager *p, int read, uint64_t cursor, struct tl_err *err)
{
    struct store_val v[5];
    bool row = true, old = false, found;
    size_t seen = 0;
    enum tl_rc rc = store_query(p->r->st[read], VALS(store_u64(cursor)), err);

    while (rc == TL_OK && p->n < p->limit && may_look(p, seen, STRETCH)) {
        rc = store_next(p->r->st[read], v, 5, &row, err);
        if (rc != TL_OK || !row)
            break;
        seen++;
        p->last = (uint64_t)v[0].i;
        p->looked_ms = v[1].i;
        old = p->f->from_ms && v[1].i < p->f->from_ms - 60000;
        if (old)
            break;
        if (read == READ_BODIES ? !body_has(p, v) : !has_lane(p, &v[2]))
            continue;
        rc = queue__row(p->r, p->last, &p->rows[p->n], &found, err);
        if (rc == TL_OK && found && matches(p->f, &p->rows[p->n]))
            p->n++;
    }
    store_reset(p->r->st[read]);
    p->looked += seen;
    p->more = rc == TL_OK && row && !old;
    return rc;
}

/* Ids grow with time: the first one received at `until` or later, give or take a minute. */
static enum tl_rc before_time(struct pager *p, uint64_t *cursor, struct tl_err *err)
{
    struct store_val v[2];
    uint64_t low = 0, high = *cursor;
    bool row;
    enum tl_rc rc = store_one(p->r->st[READ_NEWEST], NULL, 0, v, 1, &row, err);

    if (rc == TL_OK && (uint64_t)v[0].i < high)
        high = (uint64_t)v[0].i + 1;
    while (rc == TL_OK && low + 1 < high) {
        uint64_t mid = low + (high - low) / 2;

        rc = store_one(p->r->st[READ_FROM], VALS(store_u64(mid)), v, 2, &row, err);
        if (rc == TL_OK && row && v[1].i < p->f->until_ms + 60000)
            low = (uint64_t)v[0].i < high ? (uint64_t)v[0].i : mid;
        else
            high = mid;
    }
    if (high + 1 < *cursor)
        *cursor = high + 1;
    return rc;
}

static enum tl_rc by_id(struct pager *p, uint64_t cursor, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    if (!room(p, p->limit))
        return tl_fail(err, TL_LIMIT, "the page is too large");
    if (p->f->event && cursor > p->f->event) {
        rc = collect(p, READ_CHILDREN, VALS(store_u64(p->f->event), store_u64(cursor), store_u64(p->limit + 1)),
                     SIZE_MAX, err);
        if (rc != TL_OK || p->n == p->limit)
            return rc;
        p->more = false;
        return collect(p, READ_ONE, VALS(store_u64(p->f->event)), 1, err);
    }
    if (p->f->until_ms)
        rc = before_time(p, &cursor, err);
    if (rc == TL_OK && p->f->text.n)
        return by_light(p, READ_BODIES, cursor, err);
    if (rc == TL_OK && p->f->key.p)
        return by_light(p, READ_LANES, cursor, err);
    return rc == TL_OK ? collect(p, READ_BEFORE, VALS(store_u64(cursor), store_int(0)), STRETCH, err) : rc;
}

static enum tl_rc by_ids(struct pager *p, uint64_t cursor, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    p->limit = p->f->n_ids;
    if (!room(p, p->f->n_ids))
        return tl_fail(err, TL_LIMIT, "the page is too large");
    for (size_t i = 0; i < p->f->n_ids && rc == TL_OK; i++)
        if (p->f->ids[i] < cursor)
            rc = collect(p, READ_ONE, VALS(store_u64(p->f->ids[i])), 1, err);
    qsort(p->rows, p->n, sizeof(*p->rows), newest_first);
    p->more = false;
    return rc;
}

/* The lanes of the key in one flow: of each target. */
static enum tl_rc add_lanes(struct pager *p, uint32_t flow, size_t *cap, struct tl_err *err)
{
    uint32_t *targets;
    size_t n;
    enum tl_rc rc = queue__numbers(p->r, READ_TARGETS, flow, &targets, &n, err);

    if (rc == TL_OK) {
        p->lanes = tl_arena_grow(p->arena, p->lanes, *cap * sizeof(*p->lanes), (*cap + n) * sizeof(*p->lanes));
        if (!p->lanes)
            rc = tl_fail(err, TL_LIMIT, "too many flows to look for a key in all of them: name one");
        *cap += n;
    }
    for (size_t k = 0; k < n && rc == TL_OK; k++)
        p->lanes[p->n_lanes++] = queue__lane_hash(targets[k], p->f->key);
    tl_free(targets);
    return rc;
}

static enum tl_rc find_lanes(struct pager *p, struct tl_err *err)
{
    uint32_t *flows;
    size_t n_flows, cap = 0;
    enum tl_rc rc = queue__numbers(p->r, READ_FLOWS, p->f->flow, &flows, &n_flows, err);

    for (size_t i = 0; i < n_flows && rc == TL_OK; i++)
        rc = add_lanes(p, flows[i], &cap, err);
    tl_free(flows);
    if (p->n_lanes)
        qsort(p->lanes, p->n_lanes, sizeof(*p->lanes), by_value);
    return rc;
}

/* Live ones of these lanes: first those that are not in the table `line` yet, which came last. */
static enum tl_rc in_lanes(struct pager *p, uint64_t cursor, struct tl_err *err)
{
    uint64_t *ids, from;
    size_t n, i = 0;
    struct pager older = *p;
    enum tl_rc rc = queue__reader_young(p->r, p->arena, p->lanes, p->n_lanes, cursor, &ids, &n, &from, err);

    if (rc == TL_OK && !room(p, p->limit))
        rc = tl_fail(err, TL_LIMIT, "the page is too large");
    for (; i < n && rc == TL_OK && p->n < p->limit && may_look(p, i, STRETCH); i++) {
        rc = collect(p, READ_ONE, VALS(store_u64(ids[i])), 1, err);
        p->last = ids[i];
    }
    p->more = i < n;
    if (rc != TL_OK || p->more || p->n == p->limit) {
        p->more = p->more || p->n == p->limit;
        return rc;
    }
    older.limit -= p->n;
    rc = merged(&older, READ_LIVE_LANE, p->lanes, p->n_lanes, cursor < from ? cursor : from, err);
    for (i = 0; rc == TL_OK && i < older.n && p->n < p->limit; i++)
        p->rows[p->n++] = older.rows[i];
    p->more = older.more;
    p->last = older.last;
    p->looked += older.looked;
    p->looked_ms = older.looked_ms;
    return rc;
}

static enum tl_rc held_ones(struct pager *p, uint64_t cursor, struct tl_err *err)
{
    if (!room(p, p->limit))
        return tl_fail(err, TL_LIMIT, "the page is too large");
    return collect(p, READ_HELD, VALS(store_u64(cursor)), QUEUE_HELD_MOST, err);
}

static enum tl_rc list(struct pager *p, uint64_t cursor, struct tl_err *err)
{
    const struct queue_filter *f = p->f;
    enum tl_rc rc = f->key.p ? find_lanes(p, err) : TL_OK;

    if (rc != TL_OK)
        return rc;
    if (f->n_ids)
        return by_ids(p, cursor, err);
    if (f->event)
        return by_id(p, cursor, err);
    if (f->text.n)
        return by_id(p, cursor, err);
    if (f->state == QUEUE_HELD)
        return held_ones(p, cursor, err);
    if (f->state == QUEUE_DEAD && f->key.p && p->n_lanes <= LANES_MAX)
        return merged(p, READ_DEAD_LANE, p->lanes, p->n_lanes, cursor, err);
    if ((f->state == QUEUE_QUEUED || f->state == QUEUE_RETRYING) && f->key.p && p->n_lanes <= LANES_MAX)
        return in_lanes(p, cursor, err);
    if (f->state == QUEUE_DEAD)
        return by_names(p, READ_FLOWS, f->fingerprint ? READ_DEAD_FP : READ_DEAD, cursor, err);
    if (f->state == QUEUE_QUEUED || f->state == QUEUE_RETRYING)
        return by_names(p, READ_TARGETS, READ_LIVE, cursor, err);
    return by_id(p, cursor, err);
}

enum tl_rc queue__decorate(struct queue_reader *r, struct tl_arena *arena, struct queue_row *row, struct tl_err *err)
{
    struct store_val v[2];
    struct tl_err unread;
    bool found = false;
    struct tl_sv key;
    enum tl_rc rc = store_query(r->st[READ_KEY], VALS(store_u64(row->event)), err);

    if (rc == TL_OK)
        rc = store_next(r->st[READ_KEY], v, 2, &found, err);
    if (rc == TL_OK && found && v[0].type != STORE_NULL &&
        queue__column(r, PLACE(ORDER, .id = row->event), v[1].i != 0, &v[0], &key, &unread) == TL_OK)
        row->key = tl_arena_sv(arena, tl_sv(key.p, key.n < 200 ? key.n : 200));
    store_reset(r->st[READ_KEY]);
    if (rc != TL_OK || row->done_at_once || !row->attempts)
        return rc;
    rc = store_one(r->st[READ_LAST_ATTEMPT],
                   VALS(store_u64(row->delivery * ATTEMPT_SPAN), store_u64((row->delivery + 1) * ATTEMPT_SPAN)), v, 2,
                   &found, err);
    if (rc == TL_OK && found) {
        row->status = (uint32_t)v[0].i;
        row->latency_ms = (uint32_t)v[1].i;
    }
    return rc;
}

enum tl_rc queue_list(struct queue_reader *r, struct tl_arena *arena, const struct queue_filter *filter,
                      uint64_t cursor, size_t limit, struct queue_page *ret_page, struct tl_err *err)
{
    struct pager p = {.r = r, .f = filter, .arena = arena, .limit = limit == 0 ? 50 : limit < 1000 ? limit : 1000};
    enum tl_rc rc = store_begin_read(r->db, err);

    if (rc != TL_OK)
        return rc;
    queue__reader_line_forget(r);
    if (filter->budget_ms)
        p.until_ns = tl_clock_mono_ns(tl_clock_system()) + filter->budget_ms * NS_PER_MS;
    rc = list(&p, cursor ? cursor : INT64_MAX, err);
    for (size_t i = 0; i < p.n && rc == TL_OK; i++)
        rc = queue__ahead(r, &p.rows[i], err);
    for (size_t i = 0; i < p.n && rc == TL_OK && filter->details; i++)
        rc = queue__decorate(r, arena, &p.rows[i], err);
    store_rollback(r->db);
    if (rc == TL_OK)
        *ret_page = (struct queue_page){.rows = p.rows,
                                        .n = p.n,
                                        .cursor = p.last,
                                        .more = p.more,
                                        .looked = p.looked,
                                        .looked_ms = p.more ? p.looked_ms : 0};
    return rc;
}

/* Some thousand rows at most (keys.c). The last word on the key counts. */
static enum tl_rc find_new_key(struct queue_reader *r, uint64_t k1, uint64_t k2, uint64_t *ret_event, bool *ret_found,
                               struct tl_err *err)
{
    struct store_stmt *st = r->st[READ_IDEM_NEW];
    struct queue__key k;
    struct store_val v;
    bool more = true;
    enum tl_rc rc = store_query(st, NULL, 0, err);

    *ret_event = 0;
    *ret_found = false;
    while (rc == TL_OK && (rc = store_next(st, &v, 1, &more, err)) == TL_OK && more)
        for (size_t at = 0; queue__key_next(v.s, &at, &k);)
            if (k.k1 == k1 && k.k2 == k2) {
                *ret_event = k.event;
                *ret_found = true;
            }
    store_reset(st);
    return rc;
}

enum tl_rc queue_find_key(struct queue_reader *r, struct tl_sv source, struct tl_sv key, uint64_t *ret_event,
                          struct tl_err *err)
{
    struct store_val v;
    uint64_t k1, k2, event = 0;
    bool found = false;
    enum tl_rc rc;

    queue__key_hash(r->hash_key, source, key, &k1, &k2);
    rc = find_new_key(r, k1, k2, &event, &found, err);
    if (rc == TL_OK && !found) {
        rc = store_one(r->st[READ_IDEM], VALS(store_u64(k1), store_u64(k2)), &v, 1, &found, err);
        event = found ? (uint64_t)v.i : 0;
    }
    if (rc == TL_OK && !event)
        return tl_fail(err, TL_NOT_FOUND, "no event came with this id, or it is too long ago");
    if (rc == TL_OK)
        *ret_event = event;
    return rc;
}
