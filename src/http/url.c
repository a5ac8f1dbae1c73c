/* SPDX-License-Identifier: Apache-2.0 */
/* url.c - see url.h. Invariant: nothing is repaired; what has two readings is refused. */
#include "http/url.h"

#include "http/chars.h"

static bool v6_text(struct tl_sv s)
{
    struct http_addr a;

    return tl_sv_find(s, ':') < s.n && http_addr_parse(s, &a);
}

bool http_authority_parse(struct tl_sv s, struct tl_sv *ret_host, uint16_t *ret_port, bool *ret_v6)
{
    struct tl_sv host, rest;
    uint64_t port = 0;
    bool v6 = s.n > 0 && s.p[0] == '[';
    size_t end = tl_sv_find(s, v6 ? ']' : ':');

    host = v6 ? tl_sv(s.p + 1, end > 0 ? end - 1 : 0) : tl_sv(s.p, end);
    if (v6 && (end == s.n || !v6_text(host)))
        return false;
    rest = tl_sv_from(s, v6 ? end + 1 : end);
    if (!v6 && (host.n > 255 || !http_chars_all(host, HTTP_C_HOST)))
        return false;
    if (host.n == 0)
        return false;
    if (rest.n &&
        (rest.p[0] != ':' || rest.n > 6 || !tl_sv_u64(tl_sv_from(rest, 1), &port) || port == 0 || port > 65535))
        return false;
    *ret_host = host;
    *ret_port = (uint16_t)port;
    *ret_v6 = v6;
    return true;
}

static bool escapes_ok(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '%' &&
            (s.n - i < 3 || !http_char_is(s.p[i + 1], HTTP_C_HEX) || !http_char_is(s.p[i + 2], HTTP_C_HEX)))
            return false;
    return true;
}

enum tl_rc http_url_parse(struct tl_sv s, struct http_url *ret_url, struct tl_err *err)
{
    struct http_url u = {.query = TL_SV_NULL, .userinfo = TL_SV_NULL};
    size_t skip, end, at, q;
    struct tl_sv authority, rest;

    u.tls = tl_sv_starts_i(s, TL_SV("https://"));
    skip = u.tls ? 8 : 7;
    if (!u.tls && !tl_sv_starts_i(s, TL_SV("http://")))
        return tl_fail(err, TL_INVALID, "a URL must begin with http:// or https://");
    if (s.n > 65536)
        return tl_fail(err, TL_LIMIT, "a URL may have 65536 bytes");
    for (end = skip; end < s.n && s.p[end] != '/' && s.p[end] != '?' && s.p[end] != '#'; end++)
        ;
    authority = tl_sv(s.p + skip, end - skip);
    rest = tl_sv_from(s, end);
    at = tl_sv_find(authority, '@');
    if (at < authority.n) {
        u.userinfo = tl_sv(authority.p, at);
        authority = tl_sv_from(authority, at + 1);
        if (!http_chars_all(u.userinfo, HTTP_C_PATH) || tl_sv_find(u.userinfo, '/') < u.userinfo.n ||
            !escapes_ok(u.userinfo))
            return tl_fail(err, TL_INVALID, "the user part of the URL has a character that must be escaped");
    }
    if (!http_authority_parse(authority, &u.host, &u.port, &u.host_is_v6))
        return tl_fail(err, TL_INVALID, "the host or port of the URL is malformed");
    u.port_given = u.port != 0;
    u.port = u.port ? u.port : u.tls ? 443 : 80;
    if (tl_sv_find(rest, '#') < rest.n)
        return tl_fail(err, TL_INVALID, "a URL that is called has no #fragment");
    q = tl_sv_find(rest, '?');
    u.path = tl_sv(rest.p, q);
    if (q < rest.n)
        u.query = tl_sv_from(rest, q + 1);
    if (!http_chars_all(u.path, HTTP_C_PATH) || !escapes_ok(u.path))
        return tl_fail(err, TL_INVALID, "the path of the URL has a character that must be escaped");
    if (!http_chars_all(u.query, HTTP_C_QUERY))
        return tl_fail(err, TL_INVALID, "the query of the URL has a character that must be escaped");
    *ret_url = u;
    return TL_OK;
}

/* ---- paths ---- */

static bool dot_segment(struct tl_sv seg)
{
    return tl_sv_eqs(seg, ".") || tl_sv_eqs(seg, "..");
}

/* Decode raw into out (raw.n bytes are enough). NULL: fine. */
static const char *decode_path(struct tl_sv raw, char *out, size_t *ret_n)
{
    size_t n = 0;

    for (size_t i = 0; i < raw.n; i++) {
        unsigned ch = (uint8_t)raw.p[i];

        if (ch == '%') {
            ch = http_hex_value(raw.p[i + 1]) << 4 | http_hex_value(raw.p[i + 2]);
            i += 2;
            if (ch == '/' || ch == '\\')
                return "an encoded slash in the path";
            if (ch < 0x20 || ch == 0x7f)
                return "an encoded control character in the path";
        }
        out[n++] = (char)ch;
    }
    *ret_n = n;
    return tl_utf8_valid(tl_sv(out, n)) == n ? NULL : "the path is not UTF-8";
}

enum tl_rc http_path_normalize(struct tl_sv raw, struct tl_arena *arena, struct tl_sv *ret_path, struct tl_err *err)
{
    struct tl_sv path = raw, rest, seg;
    const char *why;

    if (raw.n == 0 || raw.p[0] != '/' || !http_chars_all(raw, HTTP_C_PATH))
        return tl_fail(err, TL_INVALID, "the path has a character that must be escaped");
    if (tl_sv_find(raw, '%') < raw.n) {
        char *out;
        size_t n = 0;

        if (!escapes_ok(raw))
            return tl_fail(err, TL_INVALID, "a malformed escape in the path");
        out = tl_arena_alloc_unaligned(arena, raw.n);
        if (!out)
            return tl_fail(err, TL_LIMIT, "the path is too long");
        why = decode_path(raw, out, &n);
        if (why)
            return tl_fail(err, TL_INVALID, "%s", why);
        path = tl_sv(out, n);
    }
    if (memchr(path.p, '.', path.n))
        for (rest = tl_sv_from(path, 1); tl_sv_cut(&rest, '/', &seg);)
            if (dot_segment(seg))
                return tl_fail(err, TL_INVALID, "a dot segment in the path");
    *ret_path = path;
    return TL_OK;
}

/* ---- queries ---- */

struct http_query_iter http_query_iter(struct tl_sv query)
{
    return (struct http_query_iter){.rest = query};
}

bool http_query_next(struct http_query_iter *it, struct tl_sv *ret_name, struct tl_sv *ret_value)
{
    struct tl_sv pair;
    size_t eq;

    while (!it->bad && tl_sv_cut(&it->rest, '&', &pair)) {
        if (pair.n == 0)
            continue;
        if (!escapes_ok(pair)) {
            it->bad = true;
            return false;
        }
        eq = tl_sv_find(pair, '=');
        *ret_name = tl_sv(pair.p, eq);
        *ret_value = tl_sv_from(pair, eq + 1);
        return true;
    }
    return false;
}

/* Does the encoded text (escapes checked) decode to `plain`? */
static bool decodes_to(struct tl_sv coded, struct tl_sv plain)
{
    size_t k = 0;

    for (size_t i = 0; i < coded.n; i++, k++) {
        unsigned ch = (uint8_t)coded.p[i];

        if (ch == '%') {
            ch = http_hex_value(coded.p[i + 1]) << 4 | http_hex_value(coded.p[i + 2]);
            i += 2;
        } else if (ch == '+') {
            ch = ' ';
        }
        if (k >= plain.n || (uint8_t)plain.p[k] != ch)
            return false;
    }
    return k == plain.n;
}

enum tl_rc http_query_get(struct tl_sv query, struct tl_sv name, struct tl_arena *arena, struct tl_sv *ret_value,
                          struct tl_err *err)
{
    struct http_query_iter it = http_query_iter(query);
    struct tl_sv coded_name, coded;
    char *out;
    size_t n = 0;

    while (http_query_next(&it, &coded_name, &coded)) {
        if (!decodes_to(coded_name, name))
            continue;
        out = tl_arena_alloc_unaligned(arena, coded.n + 1);
        if (!out)
            return tl_fail(err, TL_LIMIT, "the query is too long");
        for (size_t i = 0; i < coded.n; i++) {
            if (coded.p[i] == '%') {
                out[n++] = (char)(http_hex_value(coded.p[i + 1]) << 4 | http_hex_value(coded.p[i + 2]));
                i += 2;
            } else {
                out[n++] = coded.p[i] == '+' ? ' ' : coded.p[i];
            }
        }
        out[n] = '\0';
        *ret_value = tl_sv(out, n);
        return TL_OK;
    }
    if (it.bad)
        return tl_fail(err, TL_INVALID, "a malformed escape in the query");
    *ret_value = TL_SV_NULL;
    return TL_OK;
}
