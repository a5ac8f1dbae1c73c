/* SPDX-License-Identifier: Apache-2.0 */
/* Dead deliveries by cause; the oldest that waits; copies; what a bulk action would touch. */
#include <stdlib.h>

#include "queue/look/reader_int.h"

#define GROUPS_MAX 2000
#define COUNT_MOST 10000 /* of one group; more is said to be "at least" */
#define COUNT_ALL 200000 /* of all groups of one call */

/* ---- groups ---- */
static const char *const group_states[] = {
    [QUEUE_GROUP_OPEN] = "open",
    [QUEUE_GROUP_ACKNOWLEDGED] = "acknowledged",
    [QUEUE_GROUP_IGNORED] = "ignored",
    [QUEUE_GROUP_RESOLVED] = "resolved",
};

const char *queue_group_state_name(enum queue_group_state s)
{
    return group_states[s];
}

bool queue_group_state_parse(struct tl_sv word, enum queue_group_state *ret)
{
    for (size_t i = 0; i < TL_COUNT(group_states); i++) {
        if (tl_sv_eqs(word, group_states[i])) {
            *ret = (enum queue_group_state)i;
            return true;
        }
    }
    return false;
}

static int largest_first(const void *a, const void *b)
{
    uint64_t x = ((const struct queue_group *)a)->count, y = ((const struct queue_group *)b)->count;

    return x < y ? 1 : x > y ? -1 : 0;
}

/* What people said of it. "resolved" ends by itself when one more dies of it. */
static enum tl_rc group_mark(struct queue_reader *r, struct tl_arena *arena, struct queue_group *g, struct tl_err *err)
{
    struct store_val v[5];
    bool found = false;
    enum tl_rc rc = store_query(r->st[READ_GROUP_MARK], VALS(store_int(g->flow), store_u64(g->fingerprint)), err);

    if (rc == TL_OK)
        rc = store_next(r->st[READ_GROUP_MARK], v, 5, &found, err);
    if (rc == TL_OK && found) {
        g->state = v[0].i <= QUEUE_GROUP_RESOLVED ? (enum queue_group_state)v[0].i : QUEUE_GROUP_OPEN;
        g->marked_ms = v[1].i;
        g->owner = tl_arena_sv(arena, v[2].s);
        g->note = tl_arena_sv(arena, v[3].s);
        g->by = tl_arena_sv(arena, v[4].s);
        g->again = g->state == QUEUE_GROUP_RESOLVED && g->last_ms > g->marked_ms;
        if (g->again)
            g->state = QUEUE_GROUP_OPEN;
    }
    store_reset(r->st[READ_GROUP_MARK]);
    return rc;
}

static enum tl_rc describe(struct queue_reader *r, struct tl_arena *arena, struct queue_group *g, struct tl_err *err)
{
    struct queue_row row;
    bool found;
    enum tl_rc rc = queue__row(r, g->first, &row, &found, err);

    if (rc == TL_OK && found)
        g->first_ms = row.updated_ms;
    if (rc == TL_OK)
        rc = queue__row(r, g->last, &row, &found, err);
    if (rc == TL_OK && found) {
        g->cls = row.cls;
        g->rc = row.rc;
        g->last_ms = row.updated_ms;
        (void)snprintf(g->text, sizeof(g->text), "%s", row.text);
    }
    return rc == TL_OK ? group_mark(r, arena, g, err) : rc;
}

struct gathering {
    struct queue_group *g;
    size_t n, cap;
    uint64_t left; /* to count */
};

/* From cause to cause by the index: what it costs does not depend on how many died of each. */
static enum tl_rc gather(struct queue_reader *r, struct tl_arena *arena, uint32_t flow, struct gathering *a,
                         struct tl_err *err)
{
    struct store_val v[2], at = store_int(INT64_MIN);
    bool row = true;
    enum tl_rc rc = TL_OK;

    while (rc == TL_OK && a->n < GROUPS_MAX) {
        struct queue_group *g;
        uint64_t most = a->left < COUNT_MOST ? a->left : COUNT_MOST;

        rc = store_one(r->st[READ_GROUP_NEXT], VALS(store_int(flow), at), v, 2, &row, err);
        if (rc != TL_OK || !row)
            break;
        if (a->n == a->cap) {
            g = tl_arena_grow(arena, a->g, a->cap * sizeof(*g), (a->cap + 64) * sizeof(*g));
            if (!g)
                return tl_fail(err, TL_LIMIT, "too many groups");
            a->g = g;
            a->cap += 64;
        }
        g = &a->g[a->n++];
        *g = (struct queue_group){.flow = flow, .fingerprint = (uint64_t)v[0].i, .first = (uint64_t)v[1].i};
        at = v[0];
        rc = store_one(r->st[READ_GROUP_LAST], VALS(store_int(flow), at), v, 1, &row, err);
        g->last = (uint64_t)v[0].i;
        if (rc == TL_OK)
            rc = store_one(r->st[READ_GROUP_COUNT], VALS(store_int(flow), at, store_u64(most + 1)), v, 1, &row, err);
        g->count = (uint64_t)v[0].i <= most ? (uint64_t)v[0].i : most;
        g->more = (uint64_t)v[0].i > most;
        a->left -= g->count;
    }
    return rc;
}

enum tl_rc queue_dead_groups(struct queue_reader *r, struct tl_arena *arena, const struct queue_group_query *query,
                             struct queue_group **ret_groups, size_t *ret_n, size_t *ret_more, struct tl_err *err)
{
    uint32_t *ids;
    struct gathering a = {.left = COUNT_ALL};
    size_t n_ids, n = 0, more = 0;
    enum tl_rc rc = queue__numbers(r, READ_FLOWS, query->flow, &ids, &n_ids, err);

    for (size_t i = 0; i < n_ids && rc == TL_OK; i++)
        rc = gather(r, arena, ids[i], &a, err);
    tl_free(ids);
    if (rc == TL_OK && a.n)
        qsort(a.g, a.n, sizeof(*a.g), largest_first);
    for (size_t i = 0; i < a.n && rc == TL_OK;
         i++) { /* what people said of the small ones counts too: before the cut */
        if (n < query->limit || query->state)
            rc = describe(r, arena, &a.g[i], err);
        if (rc != TL_OK || (query->state && a.g[i].state != *query->state))
            continue;
        if (n < query->limit)
            a.g[n++] = a.g[i];
        else
            more++;
    }
    if (rc != TL_OK)
        return rc;
    *ret_groups = a.g;
    *ret_n = n;
    *ret_more = more;
    return TL_OK;
}

struct mark_op {
    struct op op;
    const struct queue_mark *m;
};

static enum tl_rc mark_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    const struct queue_mark *m = TL_CONTAINER(op, struct mark_op, op)->m;

    if (!queue__flow(q, m->flow))
        return tl_fail(err, TL_NOT_FOUND, "there is no such flow");
    return RUN(q, GROUP_SET, store_int(m->flow), store_u64(m->fingerprint), store_int(m->state), store_text(m->owner),
               store_text(m->note), store_text(m->by), store_int(queue__wall(q)));
}

enum tl_rc queue_mark_group(struct queue *q, struct task *task, const struct queue_mark *mark, struct tl_err *err)
{
    static const struct op_class cls = {.apply = mark_apply};
    struct mark_op m = {.op = {.cls = &cls}, .m = mark};

    if (mark->owner.n > 200 || mark->note.n > 4000)
        return tl_fail(err, TL_LIMIT, "an owner has at most 200 bytes, a note 4,000");
    return queue__call(q, task, &m.op, err);
}

enum tl_rc queue_oldest(struct queue_reader *r, uint32_t flow, int64_t *ret_received_ms, struct tl_err *err)
{
    uint32_t *ids;
    size_t n;
    int64_t oldest = INT64_MAX;
    enum tl_rc rc = queue__numbers(r, READ_TARGETS, flow, &ids, &n, err);

    for (size_t i = 0; i < n && rc == TL_OK; i++) {
        struct store_val v;
        bool row = false;

        rc = store_one(r->st[READ_OLDEST], VALS(store_int(ids[i])), &v, 1, &row, err);
        if (rc == TL_OK && row && v.i < oldest)
            oldest = v.i;
    }
    tl_free(ids);
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
enum tl_rc queue__bulk_filter(const struct queue_filter *f, struct tl_err *err)
{
    if (f->n_targets || f->key.p || f->error.n || f->text.n)
        return tl_fail(err, TL_UNSUPPORTED,
                       "actions on many go by flow, state, class, fingerprint, event, time or ids: list what you mean, "
                       "and give the ids");
    return TL_OK;
}

#define BEHIND_MOST 1000 /* looked at; more is said to be "at least" */

struct planned {
    uint64_t lane, id;
};
struct counting {
    struct queue_reader *r;
    struct queue_plan *plan;
    uint64_t until_ns;    /* 0: to the end */
    struct planned *held; /* HOLD: what would be, of those that have a key */
    size_t n_held, cap;
};

static void note_held(struct counting *c, const struct queue_row *row)
{
    if (c->n_held == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 256;
        c->held = tl_reallocarray(c->held, c->cap, sizeof(*c->held));
    }
    c->held[c->n_held++] = (struct planned){row->lane, row->delivery};
}

/* A dead one whose lane has gone on, or has later ones that wait. */
static enum tl_rc is_superseded(struct queue_reader *r, const struct queue_row *row, bool *ret, struct tl_err *err)
{
    enum reader_after how;
    uint64_t later = 0;
    enum tl_rc rc = TL_OK;

    *ret = row->superseded;
    if (!row->keyed || row->blocks || *ret)
        return TL_OK;
    rc = queue__reader_after(r, row->lane, row->delivery, &later, &how, err);
    *ret = later != 0;
    return rc;
}

static enum tl_rc plan_row(struct counting *c, const struct queue_row *row, struct tl_err *err)
{
    struct queue_plan *plan = c->plan;
    bool found = row->unknown, superseded = false;
    struct store_val one;
    enum tl_rc rc = TL_OK;

    plan->matching++;
    plan->final += row->state >= QUEUE_DELIVERED;
    if (plan->action == QUEUE_HOLD && row->keyed)
        note_held(c, row);
    if (row->state == QUEUE_DEAD && plan->action == QUEUE_REPLAY)
        rc = is_superseded(c->r, row, &superseded, err);
    plan->superseded += superseded;
    if (rc == TL_OK && row->state >= QUEUE_DELIVERED) /* the row has forgotten it: it is over */
        rc = store_one(c->r->st[READ_UNKNOWN],
                       VALS(store_u64(row->delivery * ATTEMPT_SPAN), store_u64((row->delivery + 1) * ATTEMPT_SPAN)),
                       &one, 1, &found, err);
    plan->unknown_outcome += found;
    return rc;
}

/* As job.c does: an event with deliveries is treated by them. */
static enum tl_rc plan_event(struct counting *c, const struct queue_row *row, struct tl_err *err)
{
    struct store_val v[ROW_N];
    bool has = row->state != QUEUE_SKIPPED;
    enum tl_rc rc = TL_OK;

    if (!has)
        rc = store_one(c->r->st[READ_CHILDREN], VALS(store_u64(row->delivery), store_u64(INT64_MAX), store_int(1)), v,
                       ROW_N, &has, err);
    return rc != TL_OK || has ? rc : plan_row(c, row, err);
}

static bool is_time_up(const struct counting *c)
{
    return c->until_ns && tl_clock_mono_ns(tl_clock_system()) >= c->until_ns;
}

/* plan->more: the time was up before the end; plan->at.cursor says where. */
static enum tl_rc plan_pages(struct counting *c, const struct queue_filter *f, struct tl_err *err)
{
    struct queue_plan *plan = c->plan;
    struct queue_page page = {.more = true, .cursor = plan->at.cursor};
    enum tl_rc rc = TL_OK;

    plan->at.cursor = 0;
    while (rc == TL_OK && page.more && !plan->more) {
        struct tl_arena *arena = tl_arena_new(16u << 20);
        uint64_t cursor = page.cursor;

        rc = queue_list(c->r, arena, f, cursor, 1000, &page, err);
        for (size_t i = 0; rc == TL_OK && i < page.n; i++) {
            const struct queue_row *row = &page.rows[i];

            if (row->delivery <= plan->last_id)
                rc = row->expanded ? plan_event(c, row, err) : plan_row(c, row, err);
        }
        tl_arena_free(arena);
        if (page.more && (page.cursor == 0 || page.cursor == cursor))
            break;
        if (page.more && is_time_up(c)) {
            plan->more = true;
            plan->at.cursor = page.cursor;
        }
    }
    return rc;
}

static int by_lane_and_id(const void *x, const void *y)
{
    const struct planned *a = x, *b = y;

    if (a->lane != b->lane)
        return a->lane < b->lane ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* What stands behind the first of each lane, but those that would be held themselves. */
static enum tl_rc count_behind(struct counting *c, struct tl_err *err)
{
    size_t looked = 0;
    enum tl_rc rc = TL_OK;

    if (c->n_held)
        qsort(c->held, c->n_held, sizeof(*c->held), by_lane_and_id);
    for (size_t i = 0, next; i < c->n_held && rc == TL_OK; i = next) {
        uint64_t id = c->held[i].id, behind = 0;
        enum reader_after how;

        for (next = i + 1; next < c->n_held && c->held[next].lane == c->held[i].lane; next++)
            ;
        for (; rc == TL_OK && id && looked < BEHIND_MOST; looked++) {
            rc = queue__reader_after(c->r, c->held[i].lane, id, &id, &how, err);
            behind += rc == TL_OK && id;
        }
        c->plan->behind += behind > next - i - 1 ? behind - (next - i - 1) : 0;
        c->plan->behind_more = c->plan->behind_more || looked >= BEHIND_MOST;
    }
    return rc;
}

static enum tl_rc plan_parts(struct counting *c, struct tl_err *err)
{
    static const enum queue_state open[] = {QUEUE_QUEUED, QUEUE_RETRYING, QUEUE_DEAD, QUEUE_HELD};
    struct queue_plan *plan = c->plan;
    struct queue_filter f = plan->filter;
    enum tl_rc rc = TL_OK;

    if (queue_acts_on(plan, QUEUE_DELIVERED))
        return plan_pages(c, &f, err);
    while (rc == TL_OK && plan->at.part < TL_COUNT(open)) { /* by an index, however long the history is */
        f.state = open[plan->at.part];
        if (queue_acts_on(plan, f.state) && (!plan->filter.state || plan->filter.state == f.state))
            rc = plan_pages(c, &f, err);
        if (plan->more)
            break;
        plan->at.part++;
    }
    return rc;
}

enum tl_rc queue_plan(struct queue_reader *r, struct queue_plan *plan, struct tl_err *err)
{
    struct counting c = {.r = r, .plan = plan};
    struct store_val v;
    bool row;
    enum tl_rc rc = queue__bulk_filter(&plan->filter, err);

    if (rc != TL_OK)
        return rc;
    rc = store_one(r->st[READ_NEWEST], NULL, 0, &v, 1, &row, err);
    if (rc != TL_OK)
        return rc;
    plan->matching = plan->superseded = plan->unknown_outcome = plan->running = plan->final = plan->behind = 0;
    plan->more = plan->behind_more = false;
    if (!plan->at.part && !plan->at.cursor)
        plan->last_id = (uint64_t)v.i;
    if (plan->budget_ms)
        c.until_ns = tl_clock_mono_ns(tl_clock_system()) + plan->budget_ms * NS_PER_MS;
    rc = plan_parts(&c, err);
    if (rc == TL_OK)
        rc = count_behind(&c, err);
    tl_free(c.held);
    if (!plan->more)
        plan->at = (struct queue_plan_at){0};
    return rc;
}
