/* SPDX-License-Identifier: Apache-2.0 */
/* inquire.c - does the other side have what the flows that use a connection name? For people, before the first event.
 */
#include "flow/flow_int.h"

enum { FIELDS = 2000 };

struct inquiry {
    struct flow_engine *e;
    struct task *task;
    const struct flow_connection_info *c;
    struct tl_arena *arena;
    unsigned loop;
    struct json_builder list;
};

/* The mapping whose result the target gets; NULL: the event as it is, or what a step makes of it that is no mapping. */
static const struct mapping *mapping_of(const struct flow *f, const struct flow_target *t)
{
    if (t->map)
        return t->map;
    for (size_t i = f->n_steps; i-- > 0;) {
        if (f->steps[i].kind == FLOW_STEP_SPLIT)
            return NULL;
        if (f->steps[i].kind == FLOW_STEP_MAP)
            return f->steps[i].expr;
    }
    return NULL;
}

static void fields_of(struct inquiry *in, const struct mapping *m, struct connector_inquiry *q)
{
    struct json v = JSON_NOTHING, list;
    struct tl_sv *fields;

    if (!m || mapping_explain(m, in->arena, JSON_NOTHING, JSON_NOTHING, &v, NULL) != TL_OK)
        return;
    list = json_gets(v, "fields");
    fields = tl_arena_alloc(in->arena, FIELDS * sizeof *fields);
    for (uint32_t i = 0; fields && list.type == JSON_ARRAY && i < list.n && q->n < FIELDS; i++) {
        struct tl_sv target = json_text(json_gets(list.u.items[i], "target"), TL_SV(""));

        if (target.n > 0)
            fields[q->n++] = target;
    }
    q->fields = fields;
}

static void add(struct inquiry *in, const struct flow *f, const char *target, struct json text)
{
    struct json_builder b;

    json_object_begin(&b, in->arena, 3);
    json_adds(&b, "flow", json_str_copy(in->arena, tl_sv_str(f->name)));
    json_adds(&b, "target", target ? json_str_copy(in->arena, tl_sv_str(target)) : json_null());
    json_adds(&b, "text", text);
    (void)json_push(&in->list, json_end(&b));
}

static enum tl_rc ask(struct inquiry *in, const struct flow *f, const char *target,
                      const struct connector_operation *op, const void *conf, void *prepared, const struct mapping *m,
                      struct tl_err *err)
{
    const struct flow_connection *connection = &in->c->plan->connections[in->c->index];
    struct flow_owner owner = {.target = "", .operation = "verify"};
    struct connector_call call = {.connection = connection->conf->type.conf,
                                  .operation = conf,
                                  .prepared = prepared,
                                  .arena = in->arena,
                                  .owner = &owner};
    struct connector_inquiry q = {.n = 0};
    struct tl_err failed = {0};
    struct json texts;
    enum tl_rc rc;

    if (!op->verify)
        return TL_OK;
    fields_of(in, m, &q);
    connector_call_begin(&call, flow__host(in->c->plan, connection, in->loop), NULL);
    rc = op->verify(in->task, &call, &q, &failed);
    texts = q.findings.arena ? json_end(&q.findings) : JSON_NOTHING;
    for (uint32_t i = 0; texts.type == JSON_ARRAY && i < texts.n; i++)
        add(in, f, target, texts.u.items[i]);
    if (rc == TL_CANCELED)
        return tl_fail(err, rc, "%s", failed.text);
    if (rc != TL_OK)
        add(in, f, target, json_printf(in->arena, "cannot be checked: %s", failed.text));
    return TL_OK;
}

static enum tl_rc of_flow(struct inquiry *in, const struct flow *f, struct tl_err *err)
{
    const struct flow_connection *connection = &in->c->plan->connections[in->c->index];
    enum tl_rc rc = TL_OK;

    if (f->read && f->read->connection == connection)
        rc = ask(in, f, NULL, f->read->operation, f->read->operation_conf, f->read->prepared, NULL, err);
    for (size_t i = 0; rc == TL_OK && i < f->n_targets; i++) {
        const struct flow_target *t = &f->targets[i];

        if (t->connection == connection)
            rc = ask(in, f, t->name, t->operation, t->operation_conf, t->prepared, mapping_of(f, t), err);
    }
    return rc;
}

enum tl_rc flow_engine_verify(struct flow_engine *e, struct task *task, const struct flow_connection_info *c,
                              struct tl_arena *arena, struct json *ret, struct tl_err *err)
{
    struct inquiry in = {.e = e, .task = task, .c = c, .arena = arena};
    enum tl_rc rc = TL_OK;

    json_array_begin(&in.list, arena, 4);
    while (in.loop < e->opt.n_loops && e->opt.loops[in.loop] != task_loop(task))
        in.loop++;
    if (in.loop == e->opt.n_loops)
        return tl_fail(err, TL_BUG, "an inquiry on a loop without connections");
    for (size_t i = 0; rc == TL_OK && i < c->plan->n_flows; i++)
        rc = of_flow(&in, &c->plan->flows[i], err);
    if (rc == TL_OK)
        *ret = json_end(&in.list);
    return rc;
}
