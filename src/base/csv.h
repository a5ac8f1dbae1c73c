/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csv.h - CSV: UTF-8, RFC 4180 quoting, one line end throughout.
 * Pure. Bulk jobs of Salesforce are written and read with it, and records that simulators begin with.
 */
#ifndef TL_BASE_CSV_H
#define TL_BASE_CSV_H

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/sv.h"

/* ---- reading ---- */
struct tl_csv {
    struct tl_sv text;
    size_t at;
    char delimiter;
    uint64_t row; /* of the one read last, from 1; the header is row 1 */
};
/* A byte order mark is skipped. */
void tl_csv_init(struct tl_csv *c, struct tl_sv text, char delimiter);
/* The next row's cells: views of the text, or of the arena where a quote was doubled. Both line ends are read. TL_OK
 * with *ret_n 0 at the end; an empty line is a row of one empty cell, except the last. TL_PARSE: a quote that does not
 * end, or text behind one, or more than `most` cells; TL_LIMIT: the arena. */
TL_MUST_CHECK enum tl_rc tl_csv_row(struct tl_csv *c, struct tl_arena *a, struct tl_sv *cells, size_t most,
                                    size_t *ret_n, struct tl_err *err);

/* ---- writing ---- */
/* One cell; quoted where it must be (delimiter, quote, CR, LF, blank at an end) or is empty text that must not mean
 * "leave as it is". Invalid in the vendor's jobs, so refused here: NUL. false: refused, or the buffer's limit. */
bool tl_csv_cell(struct tl_buf *b, struct tl_sv value, char delimiter);

#endif
