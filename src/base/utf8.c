/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.c - RFC 3629. */
#include "base/utf8.h"

size_t tl_utf8_decode(struct tl_sv s, uint32_t *ret_cp)
{
    const unsigned char *p = (const unsigned char *)s.p;
    uint32_t cp;
    size_t need;

    if (s.n == 0)
        return 0;
    if (p[0] < 0x80) {
        *ret_cp = p[0];
        return 1;
    }
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    need = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (s.n < need)
        return 0;
    cp = p[0] & (0x7fu >> need);
    for (size_t i = 1; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        cp = cp << 6 | (p[i] & 0x3fu);
    }
    if ((need == 3 && (cp < 0x800 || (cp >= 0xd800 && cp <= 0xdfff))) || (need == 4 && (cp < 0x10000 || cp > 0x10ffff)))
        return 0;
    *ret_cp = cp;
    return need;
}

size_t tl_utf8_valid(struct tl_sv s)
{
    size_t i = 0;

    while (i < s.n) {
        uint64_t word;
        uint32_t cp;
        size_t step;

        while (i + 8 <= s.n) {
            memcpy(&word, s.p + i, 8);
            if (word & 0x8080808080808080u)
                break;
            i += 8;
        }
        if (i == s.n)
            break;
        step = tl_utf8_decode(tl_sv_from(s, i), &cp);
        if (step == 0)
            return i;
        i += step;
    }
    return i;
}

size_t tl_utf8_count(struct tl_sv s)
{
    size_t count = 0;

    for (size_t i = 0; i < s.n; i++)
        count += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return count;
}

size_t tl_utf8_encode(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

size_t tl_utf8_offset(struct tl_sv s, size_t index)
{
    size_t i = 0;

    while (i < s.n && index) {
        i++;
        while (i < s.n && ((unsigned char)s.p[i] & 0xc0) == 0x80)
            i++;
        index--;
    }
    return i;
}

struct tl_sv tl_utf8_cut(struct tl_sv s, size_t most)
{
    if (s.n <= most)
        return s;
    for (s.n = most; s.n > 0 && ((unsigned char)s.p[s.n] & 0xc0) == 0x80;)
        s.n--;
    return s;
}

bool tl_utf8_steers(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
}
