/* SPDX-License-Identifier: Apache-2.0 */
/* http.c - the table of the http connector: any system that takes requests over HTTP. */
#include "http/httpc_int.h"

static const struct connector_operation operations[] = {
    {.name = "post",
     .kind = CONNECTOR_WRITE,
     .doc = "Sends each record, or a batch of them, with POST.",
     .spec = &httpc_post_spec,
     .facilities = httpc__facilities,
     .compile = httpc__post_compile,
     .release = httpc__write_release,
     .run = httpc__write},
    {.name = "put",
     .kind = CONNECTOR_WRITE,
     .doc = "Sends each record with PUT; a repeated one does no harm.",
     .spec = &httpc_put_spec,
     .facilities = httpc__facilities,
     .compile = httpc__put_compile,
     .release = httpc__write_release,
     .run = httpc__write},
    {.name = "patch",
     .kind = CONNECTOR_WRITE,
     .doc = "Sends each record with PATCH.",
     .spec = &httpc_patch_spec,
     .facilities = httpc__facilities,
     .compile = httpc__patch_compile,
     .release = httpc__write_release,
     .run = httpc__write},
    {.name = "delete",
     .kind = CONNECTOR_WRITE,
     .doc = "Sends a DELETE for each record; a repeated one does no harm.",
     .spec = &httpc_delete_spec,
     .facilities = httpc__facilities,
     .compile = httpc__delete_compile,
     .release = httpc__write_release,
     .run = httpc__write},
    {.name = "get",
     .kind = CONNECTOR_CALL,
     .doc = "Fetches one thing with GET, for look-ups.",
     .spec = &httpc_get_spec,
     .compile = httpc__get_compile,
     .release = httpc__get_release,
     .run = httpc__get},
    {.name = "poll",
     .kind = CONNECTOR_READ,
     .doc = "Fetches records page by page with GET, from a cursor on.",
     .spec = &httpc_poll_spec,
     .compile = httpc__poll_compile,
     .release = httpc__poll_release,
     .run = httpc__poll},
};

static bool has_probe(const void *connection)
{
    return ((const struct httpc_connection *)connection)->probe != NULL;
}

static const char *base_url(const void *connection)
{
    return ((const struct httpc_connection *)connection)->url;
}

extern const struct connector http_connector;
const struct connector http_connector = {
    .contract = CONNECTOR_CONTRACT,
    .title = "HTTP",
    .variant = {.name = "http",
                .type = CONFIG_OBJECT_REF,
                .spec = &httpc_connection_spec,
                .doc = "Any system that takes requests over HTTP."},
    .operations = operations,
    .n_operations = TL_COUNT(operations),
    .auth = &auth_schemes,
    .auth_offset = offsetof(struct httpc_connection, auth),
    .probe = httpc__probe,
    .has_probe = has_probe,
    .base_url = base_url,
    .sim = httpc__sim,
};
