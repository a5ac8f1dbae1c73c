/* SPDX-License-Identifier: Apache-2.0 */
/* url.h - URLs, paths, queries and network addresses, read strictly. Pure functions; nothing here suspends or looks up
 * names. */
#ifndef TL_HTTP_URL_H
#define TL_HTTP_URL_H

#include "base/base.h"

/* ---- absolute URLs (RFC 3986), http and https only ---- */
struct http_url {
    bool tls;          /* https */
    struct tl_sv host; /* as written, without the brackets of an IPv6 literal */
    bool host_is_v6;   /* it had brackets */
    uint16_t port;     /* given, else 80 or 443 */
    bool port_given;
    struct tl_sv path;     /* raw, begins with '/', or is empty */
    struct tl_sv query;    /* raw, without '?'; .p NULL: there was none */
    struct tl_sv userinfo; /* .p NULL: there was none. It holds a secret: never show it */
};
/* Views into s. Refuses other schemes, empty hosts, fragments, spaces, controls, non-ASCII, bad ports, bad escapes in
 * the path. TL_INVALID with the place named; the text never repeats the URL. */
TL_MUST_CHECK enum tl_rc http_url_parse(struct tl_sv s, struct http_url *ret_url, struct tl_err *err);

/* "host", "host:port", "[v6]:port" of a Host header or authority; port 0 when absent. No userinfo, no escapes. */
bool http_authority_parse(struct tl_sv s, struct tl_sv *ret_host, uint16_t *ret_port, bool *ret_v6);

/* ---- paths ---- */
/* What routing compares: each segment percent-decoded. Refuses (TL_INVALID) what two programs could read differently:
 * dot segments in any spelling, encoded '/' or '\', controls, NUL, invalid UTF-8, characters outside RFC 3986. Empty
 * segments are kept. Memory: the arena only when something had to be decoded, else a view. */
TL_MUST_CHECK enum tl_rc http_path_normalize(struct tl_sv raw, struct tl_arena *arena, struct tl_sv *ret_path,
                                             struct tl_err *err);

/* ---- queries: application/x-www-form-urlencoded ---- */
struct http_query_iter {
    struct tl_sv rest;
    bool bad; /* an escape was malformed; iteration stopped there */
};
/* for (it = http_query_iter(q); http_query_next(&it, &name, &value);) - raw (undecoded) views; a name without '=' has
 * an empty value; empty pairs are skipped. */
struct http_query_iter http_query_iter(struct tl_sv query);
bool http_query_next(struct http_query_iter *it, struct tl_sv *ret_name, struct tl_sv *ret_value);
/* First value with this (decoded) name, decoded into the arena ('+' is a space). .p NULL: absent. TL_INVALID on a bad
 * escape anywhere before it. */
TL_MUST_CHECK enum tl_rc http_query_get(struct tl_sv query, struct tl_sv name, struct tl_arena *arena,
                                        struct tl_sv *ret_value, struct tl_err *err);

/* ---- addresses ---- */
struct http_addr {
    uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint16_t port;
    uint8_t family; /* 0: none (a Unix socket), 4, 6 */
};
#define HTTP_ADDR_TEXT 56
bool http_addr_parse(struct tl_sv ip, struct http_addr *ret_addr); /* no port, no brackets, no zone; port becomes 0 */
char *http_addr_format(const struct http_addr *a, char buf[HTTP_ADDR_TEXT]); /* without the port; "unix" for family 0 */

struct http_cidr {
    uint8_t ip[16];
    uint8_t bits; /* of 128: an IPv4 /8 is 104 */
};
struct http_cidr *http_cidrs_copy(const struct http_cidr *c, size_t n); /* to be freed; NULL: n is 0 */
bool http_cidr_parse(struct tl_sv s, struct http_cidr *ret_cidr); /* "10.0.0.0/8", "::1"; host bits must be zero */
bool http_cidr_has(const struct http_cidr *c, const struct http_addr *a);
bool http_cidrs_have(const struct http_cidr *c, size_t n, const struct http_addr *a);

#endif
