/* SPDX-License-Identifier: Apache-2.0 */
/* child_xslt.c - XSLT in the child. */
#include "mapping/mapping_int.h"

static void *open_xslt(void)
{
    return xml_xslt_new();
}

static enum tl_rc run(void *state, struct tl_arena *a, struct json request, struct json *ret, struct tl_err *err)
{
    enum tl_rc rc = xml_xslt_compile(state, json_view(json_gets(request, "text")), err);

    if (rc != TL_OK || json_gets(request, "check").type == JSON_BOOL)
        return rc;
    return xml_xslt_run(state, a, json_gets(request, "input"), json_gets(request, "bindings"), FRAME_MAX, ret, err);
}

const struct child_language child_xslt = {"xslt", open_xslt, run};
