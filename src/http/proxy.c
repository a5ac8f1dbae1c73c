/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy.c - who is really calling: the PROXY protocol (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt; the
 * numbers below are its sections) and X-Forwarded-For. Version 2 only: it says its length, so that not a byte of what
 * follows is read along with it.
 */
#include "http/http_int.h"

enum { V2_HEAD = 16, V2_MAX = 1024, V2_LOCAL = 0x20, V2_PROXY = 0x21 };
enum { TCP_OVER_V4 = 0x11, TCP_OVER_V6 = 0x21, TLV_CRC32C = 3 };

static void addr_v4(struct http_addr *a, const uint8_t *ip, const uint8_t *port)
{
    *a = (struct http_addr){.family = 4, .port = (uint16_t)(port[0] << 8 | port[1])};
    a->ip[10] = a->ip[11] = 0xff;
    memcpy(a->ip + 12, ip, 4);
}

static void addr_v6(struct http_addr *a, const uint8_t *ip, const uint8_t *port)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    *a = (struct http_addr){.family = 6, .port = (uint16_t)(port[0] << 8 | port[1])};
    memcpy(a->ip, ip, 16);
    if (memcmp(ip, mapped, sizeof mapped) == 0)
        a->family = 4;
}

/* CRC-32C (RFC 3309), a bit at a time: a header has some hundred bytes, once a connection. */
static uint32_t crc32c(uint32_t crc, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return crc;
}

/* 2.2.3: over the whole header, with zeros where the sum itself stands. */
static bool sum_fits(const uint8_t *p, size_t n, size_t at)
{
    static const uint8_t zeros[4];
    uint32_t said = (uint32_t)p[at] << 24 | (uint32_t)p[at + 1] << 16 | (uint32_t)p[at + 2] << 8 | p[at + 3];
    uint32_t crc = crc32c(crc32c(UINT32_MAX, p, at), zeros, sizeof zeros);

    return (crc32c(crc, p + at + 4, n - at - 4) ^ UINT32_MAX) == said;
}

/* 2.2: what follows the addresses is whole, type by type, and where there is a checksum it is right. */
static bool extras_fit(const uint8_t *p, size_t n, size_t at)
{
    while (at < n) {
        size_t len;

        if (n - at < 3)
            return false;
        len = (size_t)p[at + 1] << 8 | p[at + 2];
        if (len > n - at - 3)
            return false;
        if (p[at] == TLV_CRC32C && (len != 4 || !sum_fits(p, n, at + 3)))
            return false;
        at += 3 + len;
    }
    return true;
}

int http_proxy_v2(const uint8_t *p, size_t n, struct http_addr *peer)
{
    static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 'Q', 'U', 'I', 'T', 0x0a};
    size_t len, whole;

    if (memcmp(p, signature, n < sizeof signature ? n : sizeof signature) != 0)
        return -1;
    if (n < V2_HEAD)
        return V2_HEAD;
    len = (size_t)p[14] << 8 | p[15];
    whole = V2_HEAD + len;
    if ((p[12] != V2_LOCAL && p[12] != V2_PROXY) || len > V2_MAX)
        return -1;
    if (n < whole)
        return (int)whole;
    if (p[12] == V2_LOCAL) /* a health check of the proxy itself; what else stands there is to be ignored */
        return 0;
    if (p[13] == TCP_OVER_V4 && len >= 12 && extras_fit(p, whole, V2_HEAD + 12)) {
        addr_v4(peer, p + 16, p + 24);
        return 0;
    }
    if (p[13] == TCP_OVER_V6 && len >= 36 && extras_fit(p, whole, V2_HEAD + 36)) {
        addr_v6(peer, p + 16, p + 48);
        return 0;
    }
    /* UDP and Unix senders have no business here. UNSPEC may be refused, and is: a client that nobody names would count
     * as the proxy, and be believed what it writes into X-Forwarded-For. */
    return -1;
}

/* "1.2.3.4", "1.2.3.4:5", "::1", "[::1]:5" */
static bool hop(struct tl_sv s, struct http_addr *ret)
{
    size_t colon = tl_sv_find(s, ':');

    if (s.n && s.p[0] == '[')
        return tl_sv_find(s, ']') < s.n && http_addr_parse(tl_sv(s.p + 1, tl_sv_find(s, ']') - 1), ret);
    if (colon < s.n && tl_sv_find(tl_sv_from(s, colon + 1), ':') == s.n - colon - 1)
        return http_addr_parse(tl_sv(s.p, colon), ret);
    return http_addr_parse(s, ret);
}

/* From the nearest hop outwards, as long as the one that vouches is trusted. What cannot be read ends the walk. */
void http__forwarded(const struct http_headers *h, const struct http_cidr *trusted, size_t n,
                     const struct http_addr *peer, bool tls, struct http_addr *ret_client, bool *ret_secure)
{
    struct http_addr client = *peer, next;

    *ret_client = *peer;
    *ret_secure = tls;
    if (n == 0 || !http_cidrs_have(trusted, n, peer))
        return;
    *ret_secure = tl_sv_eqi(http_header_get(h, "x-forwarded-proto"), TL_SV("https"));
    for (size_t i = h->n; i-- > 0;) {
        struct tl_sv rest = h->v[i].value;

        if (!tl_sv_eqs(h->v[i].name, "x-forwarded-for"))
            continue;
        while (rest.p) {
            size_t comma = rest.n;

            while (comma > 0 && rest.p[comma - 1] != ',')
                comma--;
            if (!hop(tl_sv_trim(tl_sv_from(rest, comma)), &next)) {
                *ret_client = client;
                return;
            }
            client = next;
            *ret_client = client;
            if (!http_cidrs_have(trusted, n, &client))
                return;
            rest = comma > 0 ? tl_sv(rest.p, comma - 1) : TL_SV_NULL;
        }
    }
}
