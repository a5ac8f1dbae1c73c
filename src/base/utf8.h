/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.h - UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef TL_BASE_UTF8_H
#define TL_BASE_UTF8_H

#include "base/buf.h"

/* Bytes of the longest valid prefix; == s.n when all of it is valid. ASCII runs are skipped 8 bytes at a time. */
size_t tl_utf8_valid(struct tl_sv s);
/* Number of code points in valid UTF-8. */
size_t tl_utf8_count(struct tl_sv s);
/* Decode one code point at s.p; returns its bytes (1-4), or 0 when s is empty or malformed there. */
size_t tl_utf8_decode(struct tl_sv s, uint32_t *ret_cp);
/* A terminal obeys it, or shows what follows in another order than it is in: C0, DEL, C1 controls (ECMA-48: U+009B is
 * ESC [), and Unicode's bidirectional overrides, embeddings and isolates (CVE-2021-42574). */
bool tl_utf8_steers(uint32_t cp);
/* Encode; returns the bytes written to out[4] (surrogates are written as three bytes: callers must refuse them). */
size_t tl_utf8_encode(uint32_t cp, char out[4]);
/* Byte offset of the code point with this index; s.n when past the end. */
size_t tl_utf8_offset(struct tl_sv s, size_t index);
/* At most so many bytes of it, cut between two code points. */
struct tl_sv tl_utf8_cut(struct tl_sv s, size_t most);

#endif
