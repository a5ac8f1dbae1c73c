/* SPDX-License-Identifier: Apache-2.0 */
/* sv.c - string views. */
#include "base/sv.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

bool tl_sv_eqi(struct tl_sv a, struct tl_sv b)
{
    return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

bool tl_sv_starts(struct tl_sv s, struct tl_sv prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool tl_sv_starts_i(struct tl_sv s, struct tl_sv prefix)
{
    return s.n >= prefix.n && tl_sv_eqi(tl_sv(s.p, prefix.n), prefix);
}

bool tl_sv_ends(struct tl_sv s, struct tl_sv suffix)
{
    return s.n >= suffix.n && (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

int tl_sv_cmp(struct tl_sv a, struct tl_sv b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;

    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct tl_sv tl_sv_trim(struct tl_sv s)
{
    while (s.n && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

struct tl_sv tl_sv_from(struct tl_sv s, size_t at)
{
    if (at >= s.n)
        return tl_sv(s.p ? s.p + s.n : NULL, 0);
    return tl_sv(s.p + at, s.n - at);
}

size_t tl_sv_find(struct tl_sv s, char c)
{
    const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;

    return hit ? (size_t)(hit - s.p) : s.n;
}

size_t tl_sv_find_sv(struct tl_sv s, struct tl_sv needle)
{
    const char *hit = s.n && needle.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;

    if (needle.n == 0)
        return 0;
    return hit ? (size_t)(hit - s.p) : s.n;
}

/* A view with p == NULL marks "exhausted": the last part, even an empty one, has been given. */
bool tl_sv_cut(struct tl_sv *rest, char sep, struct tl_sv *ret_part)
{
    size_t at;

    if (!rest->p)
        return false;
    at = tl_sv_find(*rest, sep);
    *ret_part = tl_sv(rest->p, at);
    *rest = at < rest->n ? tl_sv(rest->p + at + 1, rest->n - at - 1) : TL_SV_NULL;
    return true;
}

bool tl_sv_u64(struct tl_sv s, uint64_t *ret_value)
{
    uint64_t v = 0;

    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return false;
    }
    *ret_value = v;
    return true;
}

bool tl_sv_i64(struct tl_sv s, int64_t *ret_value)
{
    bool negative = s.n && s.p[0] == '-';
    uint64_t v;

    if (!tl_sv_u64(negative ? tl_sv_from(s, 1) : s, &v) || v > (uint64_t)INT64_MAX + negative)
        return false;
    *ret_value = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

bool tl_sv_double(struct tl_sv s, double *ret_value)
{
    char text[64], *end;
    double v;

    if (s.n == 0 || s.n >= sizeof text || !((s.p[0] >= '0' && s.p[0] <= '9') || s.p[0] == '-' || s.p[0] == '.'))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    if (strspn(text, "0123456789+-.eE") != s.n)
        return false;
    v = strtod(text, &end);
    if (*end != '\0' || end == text)
        return false;
    *ret_value = v;
    return true;
}

bool tl_sv_eq_secret(struct tl_sv a, struct tl_sv b)
{
    volatile unsigned char diff = 0;

    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        diff = (unsigned char)(diff | ((unsigned char)a.p[i] ^ (unsigned char)b.p[i]));
    return diff == 0;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load(const unsigned char *p, size_t n)
{
    uint64_t v = 0;

    if (n > 0) /* p may be NULL then */
        memcpy(&v, p, n);
    return v;
}

/* Folded 64x64 multiplication, 16 bytes a round. The constants are odd with about half of their bits set. */
uint64_t tl_hash64(const void *data, size_t n, uint64_t seed)
{
    const unsigned char *p = data;
    uint64_t h = seed ^ 0x9e3779b97f4a7c15u ^ n;
    size_t left = n;

    for (; left > 16; left -= 16, p += 16)
        h = mix(load(p, 8) ^ 0xa0761d6478bd642fu ^ h, load(p + 8, 8) ^ 0xe7037ed1a0b428dbu);
    if (left > 8)
        h = mix(load(p, 8) ^ 0xa0761d6478bd642fu ^ h, load(p + 8, left - 8) ^ 0x8ebc6af09c88c6e3u);
    else
        h = mix(load(p, left) ^ 0x589965cc75374cc3u, h ^ 0x1d8e4e27c47d124fu);
    return mix(h ^ 0xeb44accab455d165u, 0x9e3779b97f4a7c15u ^ n);
}

/* Levenshtein distance, with one row; words are short names of ours. */
static size_t edit_distance(struct tl_sv a, struct tl_sv b)
{
    size_t row[65];

    if (a.n > 64 || b.n > 64)
        return 64;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t change = diagonal + (a.p[i - 1] != b.p[j - 1]);
            size_t best = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;

            diagonal = row[j];
            row[j] = best < change ? best : change;
        }
    }
    return row[b.n];
}

const char *tl_nearest(struct tl_sv word, const char *const *names, size_t n)
{
    size_t best = word.n / 3 + 1;
    const char *nearest = NULL;

    for (size_t i = 0; i < n; i++) {
        size_t d = edit_distance(word, tl_sv_str(names[i]));

        if (d <= best && (!nearest || d < best)) {
            best = d;
            nearest = names[i];
        }
    }
    return nearest;
}
