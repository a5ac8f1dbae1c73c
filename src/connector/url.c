/* SPDX-License-Identifier: Apache-2.0 */
/* url.c - where a request goes: the connection's base address and what the operation adds to it. */
#include "connector/connector_int.h"

static bool is_absolute(struct tl_sv url)
{
    return tl_sv_starts_i(url, TL_SV("http://")) || tl_sv_starts_i(url, TL_SV("https://"));
}

enum tl_rc connector__same_origin(const char *base, struct tl_sv url, struct tl_err *err)
{
    struct http_url ours, theirs;
    enum tl_rc rc = http_url_parse(tl_sv_str(base), &ours, err);

    if (rc == TL_OK)
        rc = http_url_parse(url, &theirs, err);
    if (rc != TL_OK)
        return rc;
    if (ours.tls != theirs.tls || ours.port != theirs.port || !tl_sv_eqi(ours.host, theirs.host))
        return tl_fail(err, TL_CONFIG,
                       "the request would go to %.*s, but this connection's credentials are for %.*s only",
                       TL_SV_ARG(theirs.host), TL_SV_ARG(ours.host));
    return TL_OK;
}

/* Path goes to path and query to query, so that a base such as https://host/hook?tenant=7 works. */
static bool join(struct tl_buf *b, struct tl_sv base, struct tl_sv url)
{
    size_t q = tl_sv_find(base, '?'), rq = tl_sv_find(url, '?');
    struct tl_sv path = tl_sv(base.p, q), query = tl_sv_from(base, q + 1);
    struct tl_sv more = tl_sv(url.p, rq), more_query = tl_sv_from(url, rq + 1);

    if (more.n > 0) {
        while (path.n > 0 && path.p[path.n - 1] == '/')
            path.n--;
        tl_buf_sv(b, path);
        if (more.p[0] != '/')
            tl_buf_putc(b, '/');
        tl_buf_sv(b, more);
    } else {
        tl_buf_sv(b, path);
    }
    if (query.n > 0 || more_query.n > 0)
        tl_buf_putc(b, '?');
    tl_buf_sv(b, query);
    if (query.n > 0 && more_query.n > 0)
        tl_buf_putc(b, '&');
    tl_buf_sv(b, more_query);
    return !b->failed;
}

enum tl_rc connector__url(struct tl_arena *a, const char *base, struct tl_sv url, struct tl_sv *ret_url,
                          struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv text;
    enum tl_rc rc;

    if (is_absolute(url)) {
        rc = base ? connector__same_origin(base, url, err) : TL_OK;
        if (rc == TL_OK)
            *ret_url = url;
        return rc;
    }
    if (!base)
        return tl_fail(err, TL_CONFIG, "the connection has no address of its own, so the request needs a whole URL");
    tl_buf_init(&b, 64 << 10);
    if (!join(&b, tl_sv_str(base), url))
        return tl_fail(err, TL_LIMIT, "the URL is longer than 64 KB");
    text = tl_arena_sv(a, tl_buf_view(&b));
    if (!text.p)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    *ret_url = text;
    return TL_OK;
}
