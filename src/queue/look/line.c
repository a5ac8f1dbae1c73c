/* SPDX-License-Identifier: Apache-2.0 */
/* Who stands in a lane, for readers: the table `line`, and those that have not come there yet (sched/line.c). These are
 * read once a call, when somebody asks. */
#include <stdlib.h>

#include "queue/look/reader_int.h"

struct young {
    uint64_t lane, id;
};
struct reader_line {
    uint64_t from;
    struct young *young; /* by lane, then id */
    size_t n;
};

static int by_lane(const void *x, const void *y)
{
    const struct young *a = x, *b = y;

    if (a->lane != b->lane)
        return a->lane < b->lane ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static enum tl_rc read_target(struct queue_reader *r, uint32_t target, size_t *cap, struct tl_err *err)
{
    struct reader_line *l = r->line;
    struct store_val v[2];
    bool row = true;
    enum tl_rc rc = store_query(r->st[READ_YOUNG], VALS(store_int(target), store_u64(l->from)), err);

    while (rc == TL_OK) {
        rc = store_next(r->st[READ_YOUNG], v, 2, &row, err);
        if (rc != TL_OK || !row)
            break;
        if (v[1].type != STORE_INT)
            continue;
        if (l->n == *cap)
            l->young = tl_reallocarray(l->young, *cap = *cap ? *cap * 2 : 256, sizeof(*l->young));
        l->young[l->n++] = (struct young){(uint64_t)v[1].i, (uint64_t)v[0].i};
    }
    store_reset(r->st[READ_YOUNG]);
    return rc;
}

static enum tl_rc read_young(struct queue_reader *r, struct tl_err *err)
{
    uint32_t *targets = NULL;
    struct store_val v = {0};
    size_t n = 0, cap = 0;
    bool row = false;
    enum tl_rc rc;

    if (r->line)
        return TL_OK;
    r->line = tl_zalloc(sizeof(*r->line));
    rc = store_one(r->st[READ_LINE_FROM], NULL, 0, &v, 1, &row, err);
    r->line->from = row ? (uint64_t)v.i : 0;
    if (rc == TL_OK)
        rc = queue__numbers(r, READ_TARGETS, 0, &targets, &n, err);
    for (size_t i = 0; i < n && rc == TL_OK; i++)
        rc = read_target(r, targets[i], &cap, err);
    tl_free(targets);
    if (r->line->n)
        qsort(r->line->young, r->line->n, sizeof(*r->line->young), by_lane);
    return rc;
}

void queue__reader_line_forget(struct queue_reader *r)
{
    if (r->line)
        tl_free(r->line->young);
    tl_free(r->line);
    r->line = NULL;
}

/* The first at or behind (lane, id). */
static size_t lower(const struct reader_line *l, uint64_t lane, uint64_t id)
{
    const struct young key = {lane, id};
    size_t low = 0, high = l->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (by_lane(&l->young[mid], &key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

enum tl_rc queue__reader_after(struct queue_reader *r, uint64_t lane, uint64_t after, uint64_t *ret_id,
                               enum reader_after *ret_how, struct tl_err *err)
{
    struct store_val v[2];
    bool found = false;
    size_t i;
    enum tl_rc rc = store_one(r->st[READ_AFTER], VALS(store_u64(lane), store_u64(after)), v, 2, &found, err);

    if (rc == TL_OK)
        rc = read_young(r, err);
    if (rc != TL_OK)
        return rc;
    *ret_id = found ? (uint64_t)v[0].i : 0;
    *ret_how = found ? (enum reader_after)v[1].i : AFTER_GOES;
    i = lower(r->line, lane, after + 1);
    if (i < r->line->n && r->line->young[i].lane == lane && (!found || r->line->young[i].id < *ret_id)) {
        *ret_id = r->line->young[i].id;
        *ret_how = AFTER_GOES;
    }
    return TL_OK;
}

static int newest(const void *x, const void *y)
{
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

    return a > b ? -1 : a < b;
}

enum tl_rc queue__reader_young(struct queue_reader *r, struct tl_arena *arena, const uint64_t *lanes, size_t n_lanes,
                               uint64_t before, uint64_t **ret, size_t *ret_n, uint64_t *ret_from, struct tl_err *err)
{
    enum tl_rc rc = read_young(r, err);
    const struct reader_line *l = r->line;
    size_t n = 0;

    if (rc != TL_OK)
        return rc;
    *ret_from = l->from;
    *ret = tl_arena_alloc(arena, (l->n + 1) * sizeof(**ret));
    if (!*ret)
        return tl_fail(err, TL_LIMIT, "the page is too large");
    for (size_t k = 0; k < n_lanes; k++)
        for (size_t i = lower(l, lanes[k], 0); i < l->n && l->young[i].lane == lanes[k] && l->young[i].id < before; i++)
            if (k == 0 || lanes[k] != lanes[k - 1])
                (*ret)[n++] = l->young[i].id;
    qsort(*ret, n, sizeof(**ret), newest);
    *ret_n = n;
    return TL_OK;
}
