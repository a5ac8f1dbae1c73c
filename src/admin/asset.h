/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asset.h - the files of the console, embedded by the build (cmake/embed.cmake: a generated C file from ui/dist; an
 * empty table where that is absent). Served at / by static.c; any other path without a dot answers with /index.html.
 */
#ifndef TL_ADMIN_ASSET_H
#define TL_ADMIN_ASSET_H

#include <stdbool.h>
#include <stddef.h>

struct admin_asset {
    const char *path; /* "/index.html", "/assets/app.3f2a91.js" */
    const char *type; /* of the content: "text/javascript; charset=utf-8" */
    const char *etag; /* with its quotes; changes with the content */
    const unsigned char *bytes;
    size_t n;
    const unsigned char *gzip; /* the same, compressed; NULL: not worth it */
    size_t gzip_n;
    bool immutable; /* the name holds a hash of the content: kept for a year */
};
extern const struct admin_asset admin_assets[]; /* ends with a row of zeros that is not counted */
extern const size_t admin_assets_count;

#endif
