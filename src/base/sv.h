/* SPDX-License-Identifier: Apache-2.0 */
/* sv.h - string views: pointer and length, borrowed, not NUL-terminated. The type of every text from outside. */
#ifndef TL_BASE_SV_H
#define TL_BASE_SV_H

#include <string.h>

#include "base/macros.h"

struct tl_sv {
    const char *p; /* NULL only where n is 0 */
    size_t n;
};

#define TL_SV(literal) ((struct tl_sv){"" literal, sizeof(literal) - 1})
#define TL_SV_NULL ((struct tl_sv){NULL, 0})
/* For printf("%.*s", TL_SV_ARG(s)). */
#define TL_SV_ARG(s) ((int)(s).n), ((s).n ? (s).p : "")

static inline struct tl_sv tl_sv(const char *p, size_t n)
{
    return (struct tl_sv){p, n};
}
static inline struct tl_sv tl_sv_str(const char *s) /* NULL gives the empty view */
{
    return (struct tl_sv){s, s ? strlen(s) : 0};
}
static inline bool tl_sv_eq(struct tl_sv a, struct tl_sv b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool tl_sv_eqs(struct tl_sv a, const char *s)
{
    return tl_sv_eq(a, tl_sv_str(s));
}
bool tl_sv_eqi(struct tl_sv a, struct tl_sv b); /* ASCII case ignored */
bool tl_sv_starts(struct tl_sv s, struct tl_sv prefix);
bool tl_sv_starts_i(struct tl_sv s, struct tl_sv prefix);
bool tl_sv_ends(struct tl_sv s, struct tl_sv suffix);
int tl_sv_cmp(struct tl_sv a, struct tl_sv b);      /* bytes, as memcmp */
struct tl_sv tl_sv_trim(struct tl_sv s);            /* space, tab, CR, LF at both ends */
struct tl_sv tl_sv_from(struct tl_sv s, size_t at); /* the rest from `at`; empty past the end */
/* Index of the first `c`, or s.n. */
size_t tl_sv_find(struct tl_sv s, char c);
size_t tl_sv_find_sv(struct tl_sv s, struct tl_sv needle);
/* Cut the part up to `sep` off *rest; false when *rest was exhausted before (a last empty part is given once). */
bool tl_sv_cut(struct tl_sv *rest, char sep, struct tl_sv *ret_part);
/* Strict decimal: digits only, no sign unless the type is signed, no overflow. */
bool tl_sv_u64(struct tl_sv s, uint64_t *ret_value);
bool tl_sv_i64(struct tl_sv s, int64_t *ret_value);
bool tl_sv_double(struct tl_sv s, double *ret_value);
/* Constant-time compare of secrets: time depends on the lengths only. */
bool tl_sv_eq_secret(struct tl_sv a, struct tl_sv b);
/* 64-bit hash (not cryptographic); different seeds give independent functions. */
uint64_t tl_hash64(const void *p, size_t n, uint64_t seed);
/* The nearest of `n` names by edit distance (at most 1/3 of the length), or NULL: "did you mean ...?" */
const char *tl_nearest(struct tl_sv word, const char *const *names, size_t n);

#endif
