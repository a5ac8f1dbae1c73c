/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c - one connection looked at by a person: who are we there, and does it let us in? */
#include "flow/flow_int.h"

enum tl_rc flow_engine_connection(struct flow_engine *e, struct tl_sv name, struct flow_connection_info *ret,
                                  struct tl_err *err)
{
    struct flow_plan *p = flow_engine_plan(e);
    const char *names[256], *near;
    size_t n = 0;

    for (size_t i = 0; i < p->n_connections; i++) {
        const struct flow_connection *c = &p->connections[i];

        if (n < TL_COUNT(names))
            names[n++] = c->name;
        if (!tl_sv_eqs(name, c->name))
            continue;
        *ret = (struct flow_connection_info){.plan = p,
                                             .connector = c->connector,
                                             .auth = connector_auth_of(p->auths[i]),
                                             .name = c->name,
                                             .type = c->conf->type.name,
                                             .index = i};
        if (c->connector->base_url)
            ret->url = c->connector->base_url(c->conf->type.conf);
        return TL_OK;
    }
    near = tl_nearest(name, names, n);
    (void)tl_fail(err, TL_NOT_FOUND, "there is no connection '%.*s'%s%s%s", TL_SV_ARG(name),
                  near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    flow_plan_unref(p);
    return TL_NOT_FOUND;
}

enum tl_rc flow_engine_probe(struct flow_engine *e, struct task *task, const struct flow_connection_info *c,
                             struct tl_arena *arena, struct connector_identity *ret, bool *ret_asked,
                             struct tl_err *err)
{
    const struct flow_connection *connection = &c->plan->connections[c->index];
    struct flow_owner owner = {.target = "", .operation = "probe"};
    struct connector_call call = {.connection = connection->conf->type.conf, .arena = arena, .owner = &owner};

    *ret = (struct connector_identity){.who = TL_SV("")};
    *ret_asked = connector_has_probe(c->connector, call.connection);
    if (!*ret_asked)
        return c->auth ? auth_try(task, c->auth, err) : TL_OK;
    for (size_t i = 0; i < e->opt.n_loops; i++) {
        if (e->opt.loops[i] != task_loop(task))
            continue;
        connector_call_begin(&call, flow__host(c->plan, connection, (unsigned)i), NULL);
        return c->connector->probe(task, &call, ret, err);
    }
    return tl_fail(err, TL_BUG, "a probe was asked for on a loop without connections");
}
