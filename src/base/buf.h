/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.h - a growing byte buffer that cannot be created without a limit.
 * A write that would pass the limit writes nothing and sets `failed`; later writes do nothing. Check once, at the end.
 * The bytes are kept NUL-terminated (not counted in n), so buf.p is a C string when it holds text.
 */
#ifndef TL_BASE_BUF_H
#define TL_BASE_BUF_H

#include "base/mem.h"

struct tl_buf {
    char *p; /* NULL until the first write */
    size_t n, cap, max;
    bool failed;
};

void tl_buf_init(struct tl_buf *b, size_t max_bytes);
void tl_buf_done(struct tl_buf *b);  /* for TL_CLEANUP too */
void tl_buf_clear(struct tl_buf *b); /* n = 0, failed = false, memory kept */
bool tl_buf_put(struct tl_buf *b, const void *p, size_t n);
bool tl_buf_putc(struct tl_buf *b, char c);
bool tl_buf_puts(struct tl_buf *b, const char *s);
bool tl_buf_sv(struct tl_buf *b, struct tl_sv s);
bool tl_buf_printf(struct tl_buf *b, const char *fmt, ...) TL_PRINTF(2, 3);
/* Room for n more bytes: a pointer to write at (then add to b->n with tl_buf_added), or NULL at the limit. */
char *tl_buf_reserve(struct tl_buf *b, size_t n);
void tl_buf_added(struct tl_buf *b, size_t n);
void tl_buf_consume(struct tl_buf *b, size_t n); /* drop the first n bytes */
struct tl_sv tl_buf_view(const struct tl_buf *b);
char *tl_buf_take(struct tl_buf *b, size_t *ret_n); /* caller owns (tl_free); the buffer is empty afterwards */

/* Text encodings. Decoders are strict and return false on any byte that is not in the alphabet. */
bool tl_hex_encode(struct tl_buf *b, const void *p, size_t n);
bool tl_hex_decode(struct tl_buf *b, struct tl_sv s);
bool tl_base64_encode(struct tl_buf *b, const void *p, size_t n);    /* RFC 4648 section 4, padded */
bool tl_base64_decode(struct tl_buf *b, struct tl_sv s);             /* padding required */
bool tl_base64url_encode(struct tl_buf *b, const void *p, size_t n); /* section 5, not padded */
bool tl_base64url_decode(struct tl_buf *b, struct tl_sv s);          /* padding refused */
bool tl_percent_encode(struct tl_buf *b, struct tl_sv s);            /* RFC 3986 unreserved kept, upper-case hex */
bool tl_json_string(struct tl_buf *b, struct tl_sv s); /* in quotes; a byte that is no UTF-8 becomes U+FFFD */
bool tl_percent_decode(struct tl_buf *b, struct tl_sv s, bool plus_is_space);

#endif
