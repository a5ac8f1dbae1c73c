/* SPDX-License-Identifier: Apache-2.0 */
/* net.c - what names a place in a network: URLs, host:port, addresses to listen on, address ranges. No name is
 * resolved. */
#include "config/config_int.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

/* ---- host and port ---- */

static bool host_ok(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (!word && c != '-' && c != '.' && c != '_')
            return false;
    }
    return s.n > 0 && s.n <= 253 && s.p[0] != '.' && s.p[0] != '-';
}

static bool port_ok(struct tl_sv s, uint16_t *ret)
{
    uint64_t v;

    if (!tl_sv_u64(s, &v) || v == 0 || v > 65535 || s.n > 5)
        return false;
    *ret = (uint16_t)v;
    return true;
}

static bool ip_parse(struct tl_sv s, uint8_t ip[16], bool *ret_v4)
{
    char text[INET6_ADDRSTRLEN];

    if (s.n == 0 || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    memset(ip, 0, 16);
    ip[10] = ip[11] = 0xff;
    *ret_v4 = inet_pton(AF_INET, text, ip + 12) == 1;
    return *ret_v4 || inet_pton(AF_INET6, text, ip) == 1;
}

/* host, host:port, [v6], [v6]:port. *ret_port is left alone when there is none. */
static bool split(struct tl_sv s, struct tl_sv *ret_host, uint16_t *ret_port, bool *ret_has_port)
{
    size_t end = tl_sv_find(s, s.n && s.p[0] == '[' ? ']' : ':');
    struct tl_sv host = tl_sv(s.p, end), rest = tl_sv_from(s, end);
    uint8_t ip[16];
    bool v4;

    if (s.n && s.p[0] == '[') {
        host = tl_sv_from(host, 1);
        if (end == s.n || !ip_parse(host, ip, &v4) || v4)
            return false;
        rest = tl_sv_from(rest, 1);
    } else if (!host_ok(host)) {
        return false;
    }
    *ret_has_port = rest.n > 0;
    if (rest.n && (rest.p[0] != ':' || !port_ok(tl_sv_from(rest, 1), ret_port)))
        return false;
    *ret_host = host;
    return true;
}

static bool parse_host_port(const struct config__at *c, struct tl_sv s, struct config_host_port *dst)
{
    struct tl_sv host;
    uint16_t port = (uint16_t)c->f->min;
    bool has_port;
    char *copy;

    if (!split(s, &host, &port, &has_port))
        return config__not_expected(c, NULL);
    if (port == 0)
        return config__not_expected(c, "The port is missing.");
    copy = tl_arena_strndup(c->p->arena, host.p, host.n);
    if (!copy)
        return config__no_memory(c->p->e);
    *dst = (struct config_host_port){.host = copy, .port = port};
    return true;
}

static bool parse_address(const struct config__at *c, struct tl_sv s, struct config_address *dst)
{
    struct config_address a = {.text = s.p};
    struct tl_sv host;
    uint16_t port = 0;
    uint8_t ip[16];
    bool has_port, v4;

    if (tl_sv_starts(s, TL_SV(":")))
        return config__not_expected(c, "Say which address: 127.0.0.1 for this machine only, 0.0.0.0 or [::] for all.");
    if (!split(s, &host, &port, &has_port) || !has_port)
        return config__not_expected(c, NULL);
    if (tl_sv_eqs(host, "localhost"))
        host = TL_SV("127.0.0.1");
    if (!ip_parse(host, ip, &v4))
        return config__not_expected(c, "It must be an address of this machine in digits, not a name.");
    if (v4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

        memcpy(&in.sin_addr, ip + 12, 4);
        memcpy(&a.addr, &in, sizeof in);
        a.addr_len = sizeof in;
        a.loopback = ip[12] == 127;
    } else {
        struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

        memcpy(&in.sin6_addr, ip, 16);
        memcpy(&a.addr, &in, sizeof in);
        a.addr_len = sizeof in;
        a.loopback = IN6_IS_ADDR_LOOPBACK(&in.sin6_addr);
    }
    *dst = a;
    return true;
}

/* ---- address ranges ---- */

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, part = bits % 8;

    if (memcmp(a, b, whole) != 0)
        return false;
    return part == 0 || ((a[whole] ^ b[whole]) >> (8 - part)) == 0;
}

bool config_cidr_parse(struct tl_sv s, struct config_cidr *ret)
{
    size_t slash = tl_sv_find(s, '/');
    struct config_cidr c = {.bits = 128};
    uint8_t masked[16] = {0};
    uint64_t bits;
    bool v4;

    if (!ip_parse(tl_sv(s.p, slash), c.ip, &v4))
        return false;
    if (slash < s.n) {
        if (!tl_sv_u64(tl_sv_from(s, slash + 1), &bits) || bits > (v4 ? 32 : 128) || s.n - slash > 4)
            return false;
        c.bits = (uint8_t)(bits + (v4 ? 96 : 0));
    }
    memcpy(masked, c.ip, c.bits / 8);
    if (c.bits % 8)
        masked[c.bits / 8] = (uint8_t)(c.ip[c.bits / 8] & (0xff00u >> (c.bits % 8)));
    if (memcmp(masked, c.ip, 16) != 0)
        return false;
    *ret = c;
    return true;
}

bool config_cidr_has(const struct config_list *cidrs, const uint8_t ip[16])
{
    const struct config_cidr *c = cidrs->items;

    for (size_t i = 0; i < cidrs->n; i++)
        if (bits_equal(c[i].ip, ip, c[i].bits))
            return true;
    return false;
}

static bool parse_cidr(const struct config__at *c, struct tl_sv s, struct config_cidr *dst)
{
    size_t slash = tl_sv_find(s, '/');
    struct config_cidr alone;

    if (config_cidr_parse(s, dst))
        return true;
    if (slash < s.n && config_cidr_parse(tl_sv(s.p, slash), &alone))
        return config__not_expected(c, "The bits after the prefix must be zero: 10.0.0.0/8, not 10.0.0.1/8.");
    return config__not_expected(c, NULL);
}

/* ---- URLs (RFC 3986, the part that a target needs: scheme, host, port, path, query) ---- */

static bool scheme_allowed(const struct config_field *f, struct tl_sv scheme)
{
    static const char *const usual[] = {"https", "http", NULL};
    const char *const *names = f->choices ? f->choices : usual;

    for (size_t i = 0; names[i]; i++)
        if (tl_sv_eqi(scheme, tl_sv_str(names[i])))
            return true;
    return false;
}

static bool url_bytes_ok(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f || strchr("\"<>\\^`{|}", s.p[i]))
            return false;
    return true;
}

static bool parse_url(const struct config__at *c, struct tl_sv s, const char **dst)
{
    size_t colon = tl_sv_find_sv(s, TL_SV("://")), end;
    struct tl_sv rest = tl_sv_from(s, colon + 3), authority, host;
    uint16_t port = 0;
    bool has_port;

    if (colon == s.n || !scheme_allowed(c->f, tl_sv(s.p, colon)))
        return config__not_expected(c, c->f->choices ? "The scheme before :// is not one that is known here."
                                                     : "It begins with https:// or http://.");
    for (end = 0; end < rest.n && !strchr("/?#", rest.p[end]); end++)
        ;
    authority = tl_sv(rest.p, end);
    if (tl_sv_find(authority, '@') < authority.n) {
        (void)config__fault(c->p, c->path, c->n, "Put them into the auth part of the connection, as a reference.",
                            "has a user name or password in the URL");
        config__hide_line(c->p->e);
        return false;
    }
    if (!url_bytes_ok(s))
        return config__not_expected(c, "Blanks, quotes, braces and other than ASCII must be percent-encoded.");
    if (!split(authority, &host, &port, &has_port))
        return config__not_expected(c, "The host or port after :// is not right.");
    if (tl_sv_find(rest, '#') < rest.n)
        return config__not_expected(c, "A fragment (#...) is never sent; remove it.");
    *dst = s.p;
    return true;
}

bool config__parse_net(const struct config__at *c, struct tl_sv text, void *dst)
{
    if (c->f->type == CONFIG_URL)
        return parse_url(c, text, dst);
    if (c->f->type == CONFIG_HOST_PORT)
        return parse_host_port(c, text, dst);
    if (c->f->type == CONFIG_ADDRESS)
        return parse_address(c, text, dst);
    return parse_cidr(c, text, dst);
}
