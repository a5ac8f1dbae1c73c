/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at cross-references. An id alone is found by an index, on either side; without one the newest are walked, so
 * many rows a page. */
#include "queue/look/reader_int.h"

#define LOOKED_MAX 2000u

static bool is_or_any(struct tl_sv wanted, struct tl_sv s)
{
    return !wanted.n || tl_sv_eq(wanted, s);
}

static bool wanted(const struct queue_xref_page *p, const struct store_val *v)
{
    return is_or_any(p->model, v[1].s) && ((is_or_any(p->connection, v[2].s) && is_or_any(p->id, v[3].s)) ||
                                           (is_or_any(p->connection, v[4].s) && is_or_any(p->id, v[5].s)));
}

static enum tl_rc read_row(struct queue_reader *r, struct tl_arena *arena, const struct store_val *v,
                           struct queue_xref_row *x, struct tl_err *err)
{
    struct store_val mark;
    bool row = false;
    enum tl_rc rc =
        store_query(r->st[READ_MARK], VALS(store_text(v[1].s), store_text(v[4].s), store_text(v[5].s)), err);

    *x = (struct queue_xref_row){.id = (uint64_t)v[0].i,
                                 .xref = {.model = tl_arena_sv(arena, v[1].s),
                                          .connection_a = tl_arena_sv(arena, v[2].s),
                                          .id_a = tl_arena_sv(arena, v[3].s),
                                          .connection_b = tl_arena_sv(arena, v[4].s),
                                          .id_b = tl_arena_sv(arena, v[5].s)},
                                 .at_ms = v[6].i};
    if (rc == TL_OK)
        rc = store_next(r->st[READ_MARK], &mark, 1, &row, err);
    if (rc == TL_OK && row)
        x->xref.mark = tl_arena_sv(arena, mark.s);
    store_reset(r->st[READ_MARK]);
    return rc;
}

enum tl_rc queue_xref_list(struct queue_reader *r, struct tl_arena *arena, struct queue_xref_page *page,
                           struct tl_err *err)
{
    const int read = page->id.n ? READ_XREFS_ID : READ_XREFS;
    struct store_val v[7];
    bool row = true;
    const struct store_val before = page->before ? store_u64(page->before) : store_int(INT64_MAX);
    enum tl_rc rc = page->id.n ? store_query(r->st[read], VALS(before, store_text(page->id)), err)
                               : store_query(r->st[read], VALS(before), err);

    page->n = 0;
    page->next = 0;
    page->rows = tl_arena_zalloc(arena, (page->limit + 1) * sizeof(*page->rows));
    if (!page->rows)
        rc = tl_fail(err, TL_LIMIT, "more than can be shown at once");
    for (size_t looked = 0; rc == TL_OK; looked++) {
        rc = store_next(r->st[read], v, 7, &row, err);
        if (rc != TL_OK || !row)
            break;
        if (page->n == page->limit || looked == LOOKED_MAX) { /* there is one more */
            page->next = (uint64_t)v[0].i + 1;
            break;
        }
        if (wanted(page, v))
            rc = read_row(r, arena, v, &page->rows[page->n++], err);
    }
    store_reset(r->st[read]);
    return rc == TL_OK && tl_arena_exceeded(arena) ? tl_fail(err, TL_LIMIT, "more than can be shown at once") : rc;
}
