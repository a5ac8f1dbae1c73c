/* SPDX-License-Identifier: Apache-2.0 */
/* flows.c - one flow as a graph; what all of them promise, by month. */
#include "admin/admin_int.h"
#include "http/http.h"

static enum tl_rc get_flow(struct admin_call *c, struct tl_err *err)
{
    struct flow_plan *p = admin__plan(c->admin);
    uint32_t id;
    struct json v =
        p ? json_copy(c->arena, flow_plan_graph(p, c->arena, http_req_param(c->req, "name"))) : JSON_NOTHING;
    enum tl_rc rc = TL_OK;

    flow_plan_unref(p);
    if (v.type != JSON_UNDEFINED)
        return admin__answer(c, 200, v, err);
    rc = admin__flow(c, http_req_param(c->req, "name"), &id, err);
    return rc == TL_OK ? tl_fail(err, TL_NOT_FOUND, "flow '%.*s' is not in the configuration any more",
                                 TL_SV_ARG(http_req_param(c->req, "name")))
                       : rc;
}

static enum tl_rc get_sla(struct admin_call *c, struct tl_err *err)
{
    struct json v;
    enum tl_rc rc;

    if (!c->admin->engine)
        return tl_fail(err, TL_UNREACHABLE, "no server is running: it has the figures");
    rc = flow_engine_sla_month(c->admin->engine, c->arena, admin__query(c, "month"), &v, err);
    return rc == TL_OK ? admin__answer(c, 200, v, err) : rc;
}

static const struct admin__route routes[] = {
    {.methods = "GET",
     .pattern = "/v1/sla",
     .fn = get_sla,
     .doc = "What each flow promises and how it did, in one month (UTC).",
     .query = (const struct admin__field[]){{"month", "string", "2026-11; this one when absent.", false}, {0}},
     .role = ADMIN_VIEWER},
    {.methods = "GET",
     .pattern = "/v1/flows/{name}",
     .fn = get_flow,
     .doc = "One flow as a graph.",
     .role = ADMIN_VIEWER},
};
const struct admin__table admin__flow_table = {routes, TL_COUNT(routes)};
