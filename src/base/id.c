/* SPDX-License-Identifier: Apache-2.0 */
/* id.c - random bytes and identifiers. */
#include "base/id.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void tl_random(void *p, size_t n)
{
    unsigned char *to = p;

    while (n) {
        ssize_t got = getrandom(to, n, 0);

        if (got < 0) {
            if (errno == EINTR)
                continue;
            abort(); /* a kernel without randomness: nothing that follows would be safe */
        }
        to += got;
        n -= (size_t)got;
    }
}

uint64_t tl_random_u64(void)
{
    uint64_t v;

    tl_random(&v, sizeof v);
    return v;
}

double tl_random_unit(void)
{
    return (double)(tl_random_u64() >> 11) * 0x1p-53;
}

static char *uuid_text(const unsigned char b[16], char buf[37])
{
    snprintf(buf, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3],
             b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    return buf;
}

char *tl_uuid4(char buf[37])
{
    unsigned char b[16];

    tl_random(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    return uuid_text(b, buf);
}

char *tl_uuid7(int64_t wall_ms, char buf[37])
{
    unsigned char b[16];

    tl_random(b, sizeof b);
    for (int i = 0; i < 6; i++)
        b[i] = (unsigned char)((uint64_t)wall_ms >> (40 - 8 * i));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x70);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    return uuid_text(b, buf);
}

static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

char *tl_id32_format(uint64_t id, char buf[14])
{
    for (int i = 12; i >= 0; i--) {
        buf[i] = crockford[id & 31];
        id >>= 5;
    }
    buf[13] = '\0';
    return buf;
}

static int crockford_value(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    if (c == 'O')
        c = '0';
    if (c == 'I' || c == 'L')
        c = '1';
    for (int v = 0; v < 32; v++) {
        if (crockford[v] == c)
            return v;
    }
    return -1;
}

bool tl_id32_parse(const char *s, size_t n, uint64_t *ret_id)
{
    uint64_t id = 0;

    if (n != 13 || crockford_value(s[0]) > 15) /* 13 digits hold 65 bits */
        return false;
    for (size_t i = 0; i < n; i++) {
        int v = crockford_value(s[i]);

        if (v < 0)
            return false;
        id = id << 5 | (uint64_t)v;
    }
    *ret_id = id;
    return true;
}
