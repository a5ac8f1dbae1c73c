/* SPDX-License-Identifier: Apache-2.0 */
/* static.c - the console's files out of the program itself; nothing is read from the disk. */
#include "admin/admin_int.h"
#include "admin/asset.h"
#include "http/http.h"

static const char no_console[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tieline</title>"
    "<h1>Tieline</h1><p>This program was built without the web console: run <code>make ui</code>, then build again."
    "<p>The API is at <a href=\"/v1/openapi.json\">/v1</a>; <code>tieline status</code> shows the same in a terminal.";

static const struct admin_asset *find(const struct admin_asset *all, size_t n, struct tl_sv path)
{
    for (size_t i = 0; i < n; i++)
        if (tl_sv_eqs(path, all[i].path))
            return &all[i];
    return NULL;
}

/* A page of the console (/events/0ABC...) is known to the console only; a file has a dot in its name. */
static bool is_page(struct tl_sv path)
{
    struct tl_sv segment;

    while (tl_sv_cut(&path, '/', &segment))
        if (!path.p)
            return tl_sv_find(segment, '.') == segment.n;
    return true;
}

static bool takes_gzip(const struct http_req *req)
{
    struct tl_sv rest = http_req_header(req, "accept-encoding"), one, name;

    while (rest.p && tl_sv_cut(&rest, ',', &one)) {
        one = tl_sv_trim(one);
        if (tl_sv_cut(&one, ';', &name) && tl_sv_eqi(tl_sv_trim(name), TL_SV("gzip")))
            return !one.p || !tl_sv_eqi(tl_sv_trim(one), TL_SV("q=0"));
    }
    return false;
}

enum tl_rc admin__asset(struct admin_call *c, const struct admin_asset *all, size_t n, struct tl_err *err)
{
    const struct admin_asset *f = find(all, n, tl_sv_eqs(c->req->path, "/") ? TL_SV("/index.html") : c->req->path);
    bool gzip;

    if (!f && is_page(c->req->path))
        f = find(all, n, TL_SV("/index.html"));
    if (!f && is_page(c->req->path)) {
        http_res_set(c->res, 200, "text/html; charset=utf-8", tl_sv(no_console, sizeof no_console - 1));
        return TL_OK;
    }
    if (!f)
        return tl_fail(err, TL_NOT_FOUND, "the console has no such file");
    (void)http_res_header_static(c->res, TL_SV("ETag"), tl_sv_str(f->etag), NULL);
    (void)http_res_header_static(c->res, TL_SV("Vary"), TL_SV("Accept-Encoding"), NULL);
    (void)http_res_header_static(c->res, TL_SV("Cache-Control"),
                                 f->immutable ? TL_SV("public, max-age=31536000, immutable") : TL_SV("no-cache"), NULL);
    if (tl_sv_eqs(http_req_header(c->req, "if-none-match"), f->etag)) {
        http_res_set(c->res, 304, NULL, TL_SV(""));
        return TL_OK;
    }
    gzip = f->gzip && takes_gzip(c->req);
    if (gzip)
        (void)http_res_header_static(c->res, TL_SV("Content-Encoding"), TL_SV("gzip"), NULL);
    http_res_set(c->res, 200, f->type,
                 gzip ? tl_sv((const char *)f->gzip, f->gzip_n) : tl_sv((const char *)f->bytes, f->n));
    return TL_OK;
}

enum tl_rc admin__static(struct admin_call *c, struct tl_err *err)
{
    return admin__asset(c, admin_assets, admin_assets_count, err);
}
