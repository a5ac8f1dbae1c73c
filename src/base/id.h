/* SPDX-License-Identifier: Apache-2.0 */
/* id.h - random bytes and identifiers. */
#ifndef TL_BASE_ID_H
#define TL_BASE_ID_H

#include "base/macros.h"

void tl_random(void *p, size_t n); /* getrandom(2): fit for keys; aborts if the kernel has none */
uint64_t tl_random_u64(void);
double tl_random_unit(void); /* [0, 1) */

/* RFC 9562 version 4 and 7, lower case, 36 characters and NUL. Returns buf. */
char *tl_uuid4(char buf[37]);
char *tl_uuid7(int64_t wall_ms, char buf[37]);

/* Crockford base32 of 64 bits, fixed 13 characters and NUL, sorts as the number does. */
char *tl_id32_format(uint64_t id, char buf[14]);
bool tl_id32_parse(const char *s, size_t n, uint64_t *ret_id); /* case ignored; I, L, O read as 1, 1, 0 */

#endif
