/* SPDX-License-Identifier: Apache-2.0 */
/* proxy.c - who is really calling: PROXY protocol version 2 (haproxy, doc/proxy-protocol.txt, 2.2) and X-Forwarded-For.
 */
#include "http/http_int.h"

enum { V2_HEAD = 16, V2_MAX = 1024 };

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

int http__proxy_v2(const uint8_t *p, size_t n, struct http_addr *peer)
{
    static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 'Q', 'U', 'I', 'T', 0x0a};
    size_t len;

    if (memcmp(p, signature, n < sizeof signature ? n : sizeof signature) != 0)
        return -1;
    if (n < V2_HEAD)
        return V2_HEAD;
    len = (size_t)p[14] << 8 | p[15];
    if ((p[12] != 0x20 && p[12] != 0x21) || len > V2_MAX)
        return -1;
    if (n < V2_HEAD + len)
        return (int)(V2_HEAD + len);
    if (p[12] == 0x20) /* LOCAL: a health check of the proxy itself */
        return 0;
    switch (p[13]) {
    case 0x11:
        if (len < 12)
            return -1;
        addr_v4(peer, p + 16, p + 24);
        return 0;
    case 0x21:
        if (len < 36)
            return -1;
        addr_v6(peer, p + 16, p + 48);
        return 0;
    case 0x00:
        return 0; /* UNSPEC: the real addresses stay */
    default:
        return -1; /* UDP and Unix senders have no business here */
    }
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
