/* SPDX-License-Identifier: Apache-2.0 */
/* punycode.c - RFC 3492: labels of host names beyond ASCII. Only the one spelling that encoding gives is accepted. */
#include "json/schema/schema_int.h"

#define MAX 63 /* of a label, in bytes and in code points */

/* Section 6.1; n: code points so far, the new one included. */
static uint32_t adapt(uint32_t delta, size_t n, bool first)
{
    uint32_t bias = 0;

    delta = first ? delta / 700 : delta / 2;
    delta += delta / (uint32_t)n;
    for (; delta > 455; bias += 36)
        delta /= 35;
    return bias + 36 * delta / (delta + 38);
}

static uint32_t threshold(uint32_t k, uint32_t bias)
{
    return k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
}

/* 0 to 35, or 36 for a character that is no digit. */
static uint32_t digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 26;
    c |= 0x20;
    return c >= 'a' && c <= 'z' ? (uint32_t)(c - 'a') : 36;
}

/* Section 6.2 */
static bool decode(struct tl_sv s, uint32_t *out, size_t *ret_n)
{
    size_t n = 0, dash = s.n, in;
    uint32_t cp = 128, i = 0, bias = 72;

    while (dash > 0 && s.p[dash - 1] != '-')
        dash--;
    for (size_t k = 0; k + 1 < dash; k++)
        out[n++] = (uint8_t)s.p[k];
    for (in = dash; in < s.n;) {
        uint32_t old = i, w = 1;

        for (uint32_t k = 36;; k += 36) {
            uint32_t t = threshold(k, bias), d = in < s.n ? digit_of(s.p[in++]) : 36;

            if (d == 36 || d > (UINT32_MAX - i) / w)
                return false;
            i += d * w;
            if (d < t)
                break;
            if (w > UINT32_MAX / 36)
                return false;
            w *= 36 - t;
        }
        bias = adapt(i - old, n + 1, old == 0);
        cp += i / (uint32_t)(n + 1);
        i %= (uint32_t)(n + 1);
        if (cp > 0x10ffff || n >= MAX)
            return false;
        memmove(out + i + 1, out + i, (n - i) * sizeof(*out));
        out[i++] = cp;
        n++;
    }
    *ret_n = n;
    return true;
}

static bool put_digit(char *out, size_t *n, uint32_t d)
{
    if (*n == MAX)
        return false;
    out[(*n)++] = (char)(d < 26 ? 'a' + d : '0' + d - 26);
    return true;
}

/* One delta as a number of variable length. */
static bool put_delta(char *out, size_t *n, uint32_t delta, uint32_t bias)
{
    for (uint32_t k = 36;; k += 36) {
        uint32_t t = threshold(k, bias);

        if (delta < t)
            return put_digit(out, n, delta);
        if (!put_digit(out, n, t + (delta - t) % (36 - t)))
            return false;
        delta = (delta - t) / (36 - t);
    }
}

/* Section 6.3. false: longer than a label may be. cp comes from decode(), so nothing overflows. */
static bool encode(const uint32_t *cp, size_t n, char *out, size_t *ret_n)
{
    uint32_t next = 128, delta = 0, bias = 72;
    size_t done = 0, at = 0, basic;

    for (size_t i = 0; i < n; i++)
        if (cp[i] < 128)
            out[at++] = (char)cp[i];
    basic = done = at;
    if (basic)
        out[at++] = '-';
    while (done < n) {
        uint32_t least = UINT32_MAX;

        for (size_t i = 0; i < n; i++)
            if (cp[i] >= next && cp[i] < least)
                least = cp[i];
        delta += (least - next) * (uint32_t)(done + 1);
        next = least;
        for (size_t i = 0; i < n; i++) {
            delta += cp[i] < next;
            if (cp[i] != next)
                continue;
            if (!put_delta(out, &at, delta, bias))
                return false;
            bias = adapt(delta, done + 1, done == basic);
            delta = 0;
            done++;
        }
        delta++;
        next++;
    }
    *ret_n = at;
    return true;
}

bool punycode_decode(struct tl_sv s, uint32_t *out, size_t *ret_n)
{
    char again[MAX + 1];
    size_t n;

    return decode(s, out, ret_n) && encode(out, *ret_n, again, &n) && tl_sv_eqi(tl_sv(again, n), s);
}
