/* SPDX-License-Identifier: Apache-2.0 */
/* uri.c - RFC 3986 reference resolution, for $id and $ref. */
#include "json/schema/schema_int.h"

struct uri {
    struct tl_sv scheme, authority, path, query; /* .p NULL: not there (path is always there) */
};

static bool scheme_char(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '+' || c == '-' || c == '.';
}

static struct uri split(struct tl_sv s)
{
    struct uri u = {.scheme = TL_SV_NULL};
    size_t i = 0;

    while (i < s.n && scheme_char(s.p[i]))
        i++;
    if (i > 0 && i < s.n && s.p[i] == ':') {
        u.scheme = tl_sv(s.p, i);
        s = tl_sv_from(s, i + 1);
    }
    if (s.n >= 2 && s.p[0] == '/' && s.p[1] == '/') {
        for (i = 2; i < s.n && s.p[i] != '/' && s.p[i] != '?'; i++)
            ;
        u.authority = tl_sv(s.p + 2, i - 2);
        s = tl_sv_from(s, i);
    }
    i = tl_sv_find(s, '?');
    u.path = tl_sv(s.p, i);
    if (i < s.n)
        u.query = tl_sv(s.p + i + 1, s.n - i - 1);
    return u;
}

/* Section 5.2.4 on the bytes of b from `start`. */
static void remove_dots(struct tl_buf *b, size_t start)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf copy = {0};
    struct tl_sv rest, segment;
    bool slash;

    tl_buf_init(&copy, b->n + 1);
    (void)tl_buf_sv(&copy, tl_sv_from(tl_buf_view(b), start));
    rest = tl_buf_view(&copy);
    b->n = start;
    slash = rest.n > 0 && rest.p[0] == '/';
    if (slash)
        rest = tl_sv_from(rest, 1);
    for (;;) {
        size_t end = tl_sv_find(rest, '/');
        bool last = end == rest.n;

        segment = tl_sv(rest.p, end);
        if (tl_sv_eqs(segment, "..")) {
            while (b->n > start && b->p[b->n - 1] != '/')
                b->n--;
            if (b->n > start)
                b->n--;
            while (b->n > start && b->p[b->n - 1] != '/')
                b->n--;
            if (b->n > start)
                b->n--;
            if (last && slash)
                (void)tl_buf_putc(b, '/');
        } else if (!tl_sv_eqs(segment, ".") || last) {
            if (slash || b->n > start)
                (void)tl_buf_putc(b, '/');
            if (!tl_sv_eqs(segment, "."))
                (void)tl_buf_sv(b, segment);
        }
        if (last)
            break;
        rest = tl_sv_from(rest, end + 1);
        slash = true;
    }
}

static void put_path(struct tl_buf *b, const struct uri *base, const struct uri *ref)
{
    size_t start = b->n, cut;

    if (ref->path.n > 0 && ref->path.p[0] == '/') {
        (void)tl_buf_sv(b, ref->path);
    } else {
        if (base->authority.p && base->path.n == 0)
            (void)tl_buf_putc(b, '/');
        for (cut = base->path.n; cut > 0 && base->path.p[cut - 1] != '/'; cut--)
            ;
        (void)tl_buf_sv(b, tl_sv(base->path.p, cut));
        (void)tl_buf_sv(b, ref->path);
    }
    remove_dots(b, start);
}

static void put(struct tl_buf *b, const char *before, struct tl_sv part, const char *after)
{
    if (!part.p)
        return;
    (void)tl_buf_puts(b, before);
    (void)tl_buf_sv(b, part);
    (void)tl_buf_puts(b, after);
}

struct tl_sv uri_resolve(struct tl_arena *a, struct tl_sv base, struct tl_sv reference, struct tl_sv *ret_fragment)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    size_t hash = tl_sv_find(reference, '#');
    struct tl_sv fragment = tl_sv_from(reference, hash + 1);
    struct uri r = split(tl_sv(reference.p, hash)), u = split(base);

    tl_buf_init(&b, base.n + reference.n + 16);
    if (ret_fragment)
        *ret_fragment = fragment;
    if (hash == 0)
        return base;
    if (r.scheme.p) {
        (void)tl_buf_sv(&b, tl_sv(reference.p, hash));
    } else {
        put(&b, "", u.scheme, ":");
        put(&b, "//", r.authority.p ? r.authority : u.authority, "");
        if (r.authority.p)
            (void)tl_buf_sv(&b, r.path);
        else if (r.path.n == 0)
            (void)tl_buf_sv(&b, u.path);
        else
            put_path(&b, &u, &r);
        put(&b, "?", r.query.p || r.path.n || r.authority.p ? r.query : u.query, "");
    }
    return b.n ? tl_arena_sv(a, tl_buf_view(&b)) : TL_SV("");
}
