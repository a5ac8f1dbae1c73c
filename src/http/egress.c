/* SPDX-License-Identifier: Apache-2.0 */
/* egress.c - which addresses a call may go to. Registries: IANA IPv4 and IPv6 special-purpose addresses (RFC 6890). */
#include "http/client.h"

struct range {
    const char *cidr, *what;
};

static const struct range always[] = {
    {"0.0.0.0/8", "unspecified"},
    {"169.254.0.0/16", "link-local (metadata service)"},
    {"100.100.100.200", "the metadata service of Alibaba Cloud"},
    {"168.63.129.16", "the wire server of Azure"},
    {"192.0.0.192", "the metadata service of Oracle Cloud"},
    {"fd00:ec2::/32", "the metadata service of AWS"},
    {"fd20:ce::254", "the metadata service of Google Cloud"},
    {"224.0.0.0/4", "multicast"},
    {"240.0.0.0/4", "reserved"},
    {"::", "unspecified"},
    {"fe80::/10", "link-local"},
    {"ff00::/8", "multicast"},
};

static const struct range privately[] = {
    {"127.0.0.0/8", "loopback"},     {"10.0.0.0/8", "private"},   {"172.16.0.0/12", "private"},
    {"192.168.0.0/16", "private"},   {"100.64.0.0/10", "shared"}, {"192.0.0.0/24", "protocol assignments"},
    {"198.18.0.0/15", "benchmarks"}, {"::1", "loopback"},         {"fc00::/7", "unique local"},
    {"fec0::/10", "site-local"},
};

static const char *find(const struct range *ranges, size_t n, const struct http_addr *a)
{
    struct http_cidr c;

    for (size_t i = 0; i < n; i++)
        if (http_cidr_parse(tl_sv_str(ranges[i].cidr), &c) && http_cidr_has(&c, a))
            return ranges[i].what;
    return NULL;
}

static struct http_addr mapped(const uint8_t *v4)
{
    struct http_addr a = {.family = 4, .ip = {[10] = 0xff, [11] = 0xff}};

    memcpy(a.ip + 12, v4, 4);
    return a;
}

/* The IPv4 address that a translator or tunnel would go to: RFC 6052 (64:ff9b::/96), RFC 3056 (2002::/16), and the
 * obsolete ::a.b.c.d of RFC 4291 2.5.5.1. */
static bool embedded(const struct http_addr *a, struct http_addr *ret)
{
    static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b}, compatible[12] = {0};

    if (a->family != 6)
        return false;
    if (memcmp(a->ip, nat64, sizeof nat64) == 0) {
        *ret = mapped(a->ip + 12);
        return true;
    }
    if (a->ip[0] == 0x20 && a->ip[1] == 0x02) {
        *ret = mapped(a->ip + 2);
        return true;
    }
    if (memcmp(a->ip, compatible, sizeof compatible) == 0 && (a->ip[12] || a->ip[13] || a->ip[14])) {
        *ret = mapped(a->ip + 12);
        return true;
    }
    return false;
}

enum tl_rc http_egress_check(const struct http_egress *e, const struct http_addr *a, struct tl_err *err)
{
    char text[HTTP_ADDR_TEXT];
    struct http_addr inner;
    const char *what;

    if (http_cidrs_have(e->allow, e->n_allow, a))
        return TL_OK;
    (void)http_addr_format(a, text);
    if (http_cidrs_have(e->deny, e->n_deny, a))
        return tl_fail(err, TL_CONFIG, "the address %s is on the list of refused ones", text);
    what = find(always, TL_COUNT(always), a);
    if (what)
        return tl_fail(err, TL_CONFIG, "the address %s is refused: %s; name it in the allow list if it is meant", text,
                       what);
    if (!e->allow_private) {
        what = find(privately, TL_COUNT(privately), a);
        if (what)
            return tl_fail(err, TL_CONFIG, "the address %s is refused: %s; allow_private permits it", text, what);
    }
    return embedded(a, &inner) ? http_egress_check(e, &inner, err) : TL_OK;
}
