/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at cross-references. */
#include "queue/look/reader_int.h"

static struct store_val text_val(struct tl_sv s)
{
    return store_text(s.p ? s : TL_SV(""));
}

static void read_row(struct tl_arena *arena, const struct store_val *v, struct queue_xref_row *x)
{
    *x = (struct queue_xref_row){.id = (uint64_t)v[0].i,
                                 .xref = {.model = tl_arena_sv(arena, v[1].s),
                                          .connection_a = tl_arena_sv(arena, v[2].s),
                                          .id_a = tl_arena_sv(arena, v[3].s),
                                          .connection_b = tl_arena_sv(arena, v[4].s),
                                          .id_b = tl_arena_sv(arena, v[5].s)},
                                 .at_ms = v[6].i};
    if (v[7].type != STORE_NULL)
        x->xref.mark = tl_arena_sv(arena, v[7].s);
}

enum tl_rc queue_xref_list(struct queue_reader *r, struct tl_arena *arena, struct tl_sv model, struct tl_sv connection,
                           struct tl_sv id, uint64_t before, size_t limit, struct queue_xref_row **ret_rows,
                           size_t *ret_n, struct tl_err *err)
{
    struct queue_xref_row *rows = tl_arena_zalloc(arena, (limit + 1) * sizeof(*rows));
    struct store_val v[8];
    size_t n = 0;
    bool row = true;
    enum tl_rc rc = rows ? store_query(r->st[READ_XREFS],
                                       VALS(before ? store_u64(before) : store_int(INT64_MAX), text_val(model),
                                            text_val(connection), text_val(id), store_u64(limit)),
                                       err)
                         : tl_fail(err, TL_LIMIT, "more than can be shown at once");

    while (rc == TL_OK && n < limit) {
        rc = store_next(r->st[READ_XREFS], v, 8, &row, err);
        if (rc != TL_OK || !row)
            break;
        read_row(arena, v, &rows[n++]);
    }
    store_reset(r->st[READ_XREFS]);
    if (rc == TL_OK && tl_arena_exceeded(arena))
        return tl_fail(err, TL_LIMIT, "more than can be shown at once");
    *ret_rows = rows;
    *ret_n = n;
    return rc;
}
