/* SPDX-License-Identifier: Apache-2.0 */
/* addr.c - IP addresses and ranges. Both families live in one 128-bit space, so that ::ffff:10.0.0.1 cannot slip past a
 * rule written for 10.0.0.0/8. */
#include "http/url.h"

#include <arpa/inet.h>
#include <stdio.h>

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool http_addr_parse(struct tl_sv ip, struct http_addr *ret_addr)
{
    struct http_addr a = {.family = 4};
    char text[INET6_ADDRSTRLEN];

    if (ip.n == 0 || ip.n >= sizeof text)
        return false;
    memcpy(text, ip.p, ip.n);
    text[ip.n] = '\0';
    if (memchr(text, '\0', ip.n))
        return false;
    if (memchr(text, ':', ip.n)) {
        if (inet_pton(AF_INET6, text, a.ip) != 1)
            return false;
        a.family = memcmp(a.ip, v4_prefix, sizeof v4_prefix) == 0 ? 4 : 6;
    } else {
        memcpy(a.ip, v4_prefix, sizeof v4_prefix);
        if (inet_pton(AF_INET, text, a.ip + 12) != 1)
            return false;
    }
    *ret_addr = a;
    return true;
}

char *http_addr_format(const struct http_addr *a, char buf[HTTP_ADDR_TEXT])
{
    if (a->family == 4)
        (void)inet_ntop(AF_INET, a->ip + 12, buf, HTTP_ADDR_TEXT);
    else if (a->family == 6)
        (void)inet_ntop(AF_INET6, a->ip, buf, HTTP_ADDR_TEXT);
    else
        (void)snprintf(buf, HTTP_ADDR_TEXT, "unix");
    return buf;
}

static bool prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    return memcmp(a, b, whole) == 0 && (rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0);
}

struct http_cidr *http_cidrs_copy(const struct http_cidr *c, size_t n)
{
    struct http_cidr *copy = n ? tl_reallocarray(NULL, n, sizeof *copy) : NULL;

    if (n)
        memcpy(copy, c, n * sizeof *copy);
    return copy;
}

bool http_cidr_parse(struct tl_sv s, struct http_cidr *ret_cidr)
{
    struct http_cidr c = {.bits = 128};
    size_t slash = tl_sv_find(s, '/');
    struct http_addr a;
    uint64_t bits;

    if (!http_addr_parse(tl_sv(s.p, slash), &a))
        return false;
    memcpy(c.ip, a.ip, sizeof c.ip);
    if (slash < s.n) {
        bool v4_text = tl_sv_find(s, ':') == s.n;

        if (!tl_sv_u64(tl_sv_from(s, slash + 1), &bits) || bits > (v4_text ? 32 : 128))
            return false;
        c.bits = (uint8_t)(bits + (v4_text ? 96 : 0));
    }
    for (unsigned i = c.bits; i < 128; i++)
        if (c.ip[i / 8] & (0x80 >> (i % 8)))
            return false;
    *ret_cidr = c;
    return true;
}

bool http_cidr_has(const struct http_cidr *c, const struct http_addr *a)
{
    return a->family != 0 && prefix_equal(c->ip, a->ip, c->bits);
}

bool http_cidrs_have(const struct http_cidr *c, size_t n, const struct http_addr *a)
{
    for (size_t i = 0; i < n; i++)
        if (http_cidr_has(&c[i], a))
            return true;
    return false;
}
