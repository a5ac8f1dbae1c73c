/* SPDX-License-Identifier: Apache-2.0 */
/* Properties: reading CSV ends, and each row of it, written again, reads back as it was. */
#include "base/base.h"

enum { CELLS = 40 };
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_and_read(struct tl_arena *a, const struct tl_sv *cells, size_t n)
{
    struct tl_sv again[CELLS];
    struct tl_csv c;
    struct tl_buf b;
    size_t got;
    bool ok = true;

    tl_buf_init(&b, 1 << 22);
    for (size_t i = 0; i < n && ok; i++) {
        if (i > 0)
            (void)tl_buf_putc(&b, ',');
        ok = tl_csv_cell(&b, cells[i], ',');
    }
    if (ok) { /* no NUL in it */
        (void)tl_buf_putc(&b, '\n');
        tl_csv_init(&c, tl_buf_view(&b), ',');
        c.at = 0; /* a first cell may begin with what looks like a byte order mark */
        assert(tl_csv_row(&c, a, again, CELLS, &got, NULL) == TL_OK && got == n);
        for (size_t i = 0; i < n; i++)
            assert(tl_sv_eq(cells[i], again[i]));
    }
    tl_buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_arena *a = tl_arena_new(8 << 20);
    struct tl_sv cells[CELLS];
    struct tl_csv c;
    size_t n = 0;

    tl_csv_init(&c, tl_sv((const char *)data, size), ',');
    while (tl_csv_row(&c, a, cells, CELLS, &n, NULL) == TL_OK && n > 0)
        write_and_read(a, cells, n);
    tl_arena_free(a);
    return 0;
}
