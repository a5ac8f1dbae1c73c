/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c - one connection looked at by a person: who are we there, does it let us in, has it what our flows need? */
#include "flow/flow_int.h"

enum { PREPARE_USES = 1000, PREPARE_MS = 300000 };

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

static bool begin(struct flow_engine *e, struct task *task, const struct flow_connection_info *c,
                  struct connector_call *call)
{
    for (size_t i = 0; i < e->opt.n_loops; i++) {
        if (e->opt.loops[i] != task_loop(task))
            continue;
        connector_call_begin(call, flow__host(c->plan, &c->plan->connections[c->index], (unsigned)i), NULL);
        return true;
    }
    return false;
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
    if (!begin(e, task, c, &call))
        return tl_fail(err, TL_BUG, "a probe was asked for on a loop without connections");
    return c->connector->probe(task, &call, ret, err);
}

/* ---- prepare ---- */

static void add_use(struct connector_use *uses, size_t *n, const struct connector_operation *operation,
                    const void *conf)
{
    if (*n < PREPARE_USES)
        uses[(*n)++] = (struct connector_use){operation, conf};
}

static size_t uses_of(const struct flow_connection_info *c, struct connector_use *uses)
{
    const struct flow_connection *connection = &c->plan->connections[c->index];
    size_t n = 0;

    for (size_t i = 0; i < c->plan->n_flows; i++) {
        const struct flow *f = &c->plan->flows[i];

        if (f->read && f->read->connection == connection)
            add_use(uses, &n, f->read->operation, f->read->operation_conf);
        for (size_t k = 0; k < f->n_targets; k++)
            if (f->targets[k].connection == connection)
                add_use(uses, &n, f->targets[k].operation, f->targets[k].operation_conf);
    }
    return n;
}

enum tl_rc flow_engine_prepare(struct flow_engine *e, struct task *task, const struct flow_connection_info *c,
                               struct tl_arena *arena, bool apply, struct connector_prepare *ret, struct tl_err *err)
{
    struct connector_use *uses = tl_arena_must(arena, PREPARE_USES * sizeof *uses);
    int64_t end = tl_clock_wall_ms(e->opt.clock) + PREPARE_MS;
    struct tl_sv ticket = TL_SV("");
    enum tl_rc rc;

    if (!c->connector->prepare)
        return tl_fail(err, TL_UNSUPPORTED, "%s: there is nothing that could be prepared in a system of type %s",
                       c->name, c->type);
    *ret = (struct connector_prepare){.uses = uses, .n_uses = uses_of(c, uses), .apply = apply};
    for (;;) {
        struct flow_owner owner = {.target = "", .operation = "prepare"};
        struct connector_call call = {
            .connection = c->plan->connections[c->index].conf->type.conf, .arena = arena, .owner = &owner};

        if (!begin(e, task, c, &call))
            return tl_fail(err, TL_BUG, "a loop without connections was to prepare one");
        call.ticket = ticket;
        rc = c->connector->prepare(task, &call, ret, err);
        if (rc != TL_OK || !call.pending)
            return rc;
        ticket = call.new_ticket.p ? call.new_ticket : ticket;
        if (tl_clock_wall_ms(e->opt.clock) >= end)
            return tl_fail(err, TL_TIMEOUT, "it is still going on over there; look again later");
        rc = task_sleep_ms(task, (uint64_t)(call.next_poll_ms > 0 ? call.next_poll_ms : 1000), err);
        if (rc != TL_OK)
            return rc;
    }
}
