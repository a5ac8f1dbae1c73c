/* SPDX-License-Identifier: Apache-2.0 */
/* scan.h - runs of bytes that need no attention, sixteen at a time with SSE2, eight at a time elsewhere. */
#ifndef TL_JSON_SCAN_H
#define TL_JSON_SCAN_H

#include "base/base.h"

#if defined(__SSE2__)
#include <emmintrin.h>

/* Bit i is set when byte i ends a run: quote, backslash, control or (signed compare) above 0x7f. */
static inline uint32_t json_stops_(__m128i v)
{
    __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));

    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(stop, _mm_cmplt_epi8(v, _mm_set1_epi8(0x20))));
}
static inline const char *json_scan_wide_(const char *p, const char *end)
{
    while (end - p >= 16) {
        uint32_t stops = json_stops_(_mm_loadu_si128((const __m128i *)(const void *)p));

        if (stops)
            return p + __builtin_ctz(stops);
        p += 16;
    }
    return p;
}
static inline const char *json_space_wide_(const char *p, const char *end)
{
    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i a = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\n')));
        __m128i b = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\r')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\t')));
        uint32_t other = (uint32_t)_mm_movemask_epi8(_mm_or_si128(a, b)) ^ 0xffff;

        if (other)
            return p + __builtin_ctz(other);
        p += 16;
    }
    return p;
}
#else
#define JSON_ONES_ 0x0101010101010101ull
#define JSON_HIGHS_ 0x8080808080808080ull

/* High bit of each byte that is zero (exact for the lowest such byte, which is all a yes-or-no needs). */
static inline uint64_t json_zero_bytes_(uint64_t v)
{
    return (v - JSON_ONES_) & ~v & JSON_HIGHS_;
}
static inline const char *json_scan_wide_(const char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t v, stops;

        memcpy(&v, p, 8);
        stops = (v & JSON_HIGHS_) | json_zero_bytes_(v ^ JSON_ONES_ * '"') | json_zero_bytes_(v ^ JSON_ONES_ * '\\') |
                ((v - JSON_ONES_ * 0x20) & ~v & JSON_HIGHS_);
        if (stops)
            break;
        p += 8;
    }
    return p;
}
static inline const char *json_space_wide_(const char *p, const char *end)
{
    uint64_t v;

    for (; end - p >= 8; p += 8) {
        memcpy(&v, p, 8);
        if (v != JSON_ONES_ * ' ')
            break;
    }
    return p;
}
#endif

/* The first byte that a JSON string cannot simply contain: '"', '\', a control character, or one above 0x7f. */
static inline const char *json_scan(const char *p, const char *end)
{
    p = json_scan_wide_(p, end);
    while (p < end && (uint8_t)*p >= 0x20 && (uint8_t)*p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

static inline bool json_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
static inline const char *json_space(const char *p, const char *end)
{
    if (p < end && (uint8_t)*p > ' ')
        return p;
    if (p + 1 < end && json_is_space(*p) && (uint8_t)p[1] > ' ')
        return p + 1;
    p = json_space_wide_(p, end);
    while (p < end && json_is_space(*p))
        p++;
    return p;
}

#endif
