/* SPDX-License-Identifier: Apache-2.0 */
/* shape.c - a plan as people see it: where a flow begins, its steps, its targets; which mappings there are. */
#include "flow/flow_int.h"
#include "queue/operate.h"

#include "http/url.h"

static const char *source_of(struct tl_arena *a, const struct flow *f)
{
    switch (f->source) {
    case FLOW_WEBHOOK: {
        const struct flow_webhook_conf *w = f->conf->from.conf;

        return tl_arena_printf(a, "webhook %s", w->path);
    }
    case FLOW_SCHEDULE:
        return "schedule";
    case FLOW_READ:
        return f->read && f->read->connection
                   ? tl_arena_printf(a, "%s %s", f->read->operation->name, f->read->connection->name)
                   : "read";
    case FLOW_RECEIVER:
        break;
    }
    return "alerts";
}

size_t flow_plan_targets(const struct flow_plan *p, struct tl_arena *a, struct flow_target_info **ret)
{
    size_t n = 0, at = 0;

    for (size_t i = 0; i < p->n_flows; i++)
        n += p->flows[i].n_targets;
    *ret = tl_arena_must(a, (n + 1) * sizeof **ret);
    for (size_t i = 0; i < p->n_flows; i++)
        for (size_t k = 0; k < p->flows[i].n_targets; k++) {
            const struct flow_target *t = &p->flows[i].targets[k];

            (*ret)[at++] = (struct flow_target_info){.id = t->id,
                                                     .flow = p->flows[i].name,
                                                     .name = t->name,
                                                     .connection = t->connection->name,
                                                     .operation = t->operation->name};
        }
    return n;
}

/* ---- the graph ---- */
struct graph {
    struct tl_arena *a;
    struct json_builder nodes, edges;
};

static const char *add_node(struct graph *g, const char *id, const char *kind, const char *name, const char *detail)
{
    struct json_builder b;

    json_object_begin(&b, g->a, 4);
    json_adds(&b, "id", json_str(id));
    json_adds(&b, "kind", json_str(kind));
    json_adds(&b, "name", json_str(name));
    json_adds(&b, "detail", json_str(detail ? detail : ""));
    json_push(&g->nodes, json_end(&b));
    return id;
}

static void add_edge(struct graph *g, const char *from, const char *to)
{
    struct json_builder b;

    json_object_begin(&b, g->a, 2);
    json_adds(&b, "from", json_str(from));
    json_adds(&b, "to", json_str(to));
    json_push(&g->edges, json_end(&b));
}

static const char *step_detail(struct tl_arena *a, const struct flow_step *s, const struct config_choice *c)
{
    switch (s->kind) {
    case FLOW_STEP_WHEN:
    case FLOW_STEP_SPLIT:
    case FLOW_STEP_VALIDATE:
        return ((const struct config_text *)c->conf)->text;
    case FLOW_STEP_MAP: {
        const struct flow_map_conf *m = c->conf;

        return m->use.text ? m->use.text : m->file ? m->file : m->jsonata.text;
    }
    case FLOW_STEP_LOOKUP:
    case FLOW_STEP_CALL:
        return tl_arena_printf(a, "%s %s as $%s", s->ask->connection->name, s->ask->operation->name, s->as);
    case FLOW_STEP_XREF:
        return tl_arena_printf(a, "%s of %s on %s as $%s", s->xref->model, s->xref->from, s->xref->to.text, s->as);
    case FLOW_STEP_OWN_WRITE:
        return tl_arena_printf(a, "%s on %s", s->own->model, s->own->connection);
    case FLOW_STEP_ROUTE:
        break;
    }
    return "";
}

static void add_connection(struct graph *g, const struct flow_connection *c, const char **seen, size_t *n_seen)
{
    const char *id = tl_arena_printf(g->a, "connection:%s", c->name);

    for (size_t i = 0; i < *n_seen; i++)
        if (strcmp(seen[i], c->name) == 0)
            return;
    seen[(*n_seen)++] = c->name;
    (void)add_node(g, id, "connection", c->name, c->conf->type.name);
}

static struct json target_json(struct tl_arena *a, const struct flow_target *t)
{
    struct json_builder b;

    json_object_begin(&b, a, 6);
    json_adds(&b, "name", json_str(t->name));
    json_adds(&b, "connection", json_str(t->connection->name));
    json_adds(&b, "type", json_str(t->connection->conf->type.name));
    json_adds(&b, "operation", json_str(t->operation->name));
    json_adds(&b, "when", t->conf->when.text ? json_str(t->conf->when.text) : json_null());
    json_adds(&b, "attempts", json_int(t->retry.attempts));
    return json_end(&b);
}

static struct json targets_json(struct tl_arena *a, const struct flow *f)
{
    struct json_builder b;

    json_array_begin(&b, a, f->n_targets);
    for (size_t i = 0; i < f->n_targets; i++)
        json_push(&b, target_json(a, &f->targets[i]));
    return json_end(&b);
}

static void draw(struct graph *g, const struct flow *f)
{
    const char *at = add_node(g, "source", "source", source_of(g->a, f), ""), *seen[128];
    size_t n_seen = 0;

    for (size_t i = 0; i < f->n_steps; i++) {
        const struct config_choice *c = CONFIG_AT(f->conf->steps, struct config_choice, i);
        const char *id = tl_arena_printf(g->a, "step:%zu", i);

        (void)add_node(g, id, "step", c->name, step_detail(g->a, &f->steps[i], c));
        add_edge(g, at, id);
        at = id;
        if (f->steps[i].ask && n_seen < TL_COUNT(seen)) {
            add_connection(g, f->steps[i].ask->connection, seen, &n_seen);
            add_edge(g, tl_arena_printf(g->a, "connection:%s", f->steps[i].ask->connection->name), id);
        }
    }
    for (size_t i = 0; i < f->n_targets; i++) {
        const struct flow_target *t = &f->targets[i];
        const char *id = tl_arena_printf(g->a, "target:%s", t->name);

        (void)add_node(g, id, "target", t->name, t->operation->name);
        add_edge(g, at, id);
        if (n_seen < TL_COUNT(seen))
            add_connection(g, t->connection, seen, &n_seen);
        add_edge(g, id, tl_arena_printf(g->a, "connection:%s", t->connection->name));
    }
}

static const struct flow *find(const struct flow_plan *p, struct tl_sv name)
{
    for (size_t i = 0; i < p->n_flows; i++)
        if (tl_sv_eqs(name, p->flows[i].name))
            return &p->flows[i];
    return NULL;
}

static struct json time_json(struct tl_arena *a, int64_t ms)
{
    char text[TL_TIME_TEXT];

    return ms ? json_str_copy(a, tl_sv_str(tl_time_format(ms, text))) : json_null();
}

void flow_plan_add_shape(const struct flow_plan *p, struct tl_arena *a, struct tl_sv name, struct json_builder *b)
{
    const struct flow *f = find(p, name);
    int waits = f && f->watch ? __atomic_load_n(&f->watch->source_waits, __ATOMIC_RELAXED) : QUEUE_HELD_NONE;
    struct flow_source_state state;

    if (!f)
        return;
    json_adds(b, "source", json_str(source_of(a, f)));
    json_adds(b, "targets", targets_json(a, f));
    if (flow__source_state(f, &state)) {
        json_adds(b, "read_at", time_json(a, state.read_ms));
        json_adds(b, "read_failed_at", time_json(a, state.failed_ms));
        json_adds(b, "read_failing_since", time_json(a, state.failing_since_ms));
        json_adds(b, "read_failure", state.failed_ms ? json_str_copy(a, tl_sv_str(state.why)) : json_null());
    }
    if (waits != QUEUE_HELD_NONE)
        json_adds(b, "source_waits", json_str(queue_held_name((enum queue_held)waits)));
}

/* Scheme, path and what stands before an @ are left out: the last may be a secret. */
static struct json host_json(struct tl_arena *a, const char *url)
{
    struct http_url u;

    if (!url || http_url_parse(tl_sv_str(url), &u, NULL) != TL_OK)
        return json_null();
    if (!u.port_given)
        return json_str_copy(a, u.host);
    return json_str(tl_arena_printf(a, u.host_is_v6 ? "[%.*s]:%u" : "%.*s:%u", TL_SV_ARG(u.host), u.port));
}

void flow_plan_add_connection(const struct flow_plan *p, struct tl_arena *a, struct tl_sv name, struct json_builder *b)
{
    for (size_t i = 0; i < p->n_connections; i++) {
        const struct flow_connection *c = &p->connections[i];

        if (!tl_sv_eqs(name, c->name))
            continue;
        json_adds(b, "type", json_str_copy(a, tl_sv_str(c->conf->type.name)));
        json_adds(b, "host", host_json(a, c->connector->base_url ? c->connector->base_url(c->conf->type.conf) : NULL));
        return;
    }
}

struct json flow_plan_graph(const struct flow_plan *p, struct tl_arena *a, struct tl_sv name)
{
    const struct flow *f = find(p, name);
    struct graph g = {.a = a};
    struct json_builder b;

    if (!f)
        return JSON_NOTHING;
    json_array_begin(&g.nodes, a, 16);
    json_array_begin(&g.edges, a, 16);
    draw(&g, f);
    json_object_begin(&b, a, 6);
    json_adds(&b, "name", json_str(f->name));
    json_adds(&b, "source", json_str(source_of(a, f)));
    json_adds(&b, "order_by", f->conf->order_by.text ? json_str(f->conf->order_by.text) : json_null());
    json_adds(&b, "targets", targets_json(a, f));
    json_adds(&b, "nodes", json_end(&g.nodes));
    json_adds(&b, "edges", json_end(&g.edges));
    return json_end(&b);
}

/* ---- mappings ---- */
static bool uses(const struct flow *f, const char *mapping)
{
    for (size_t i = 0; i < f->n_steps; i++) {
        const struct config_choice *c = CONFIG_AT(f->conf->steps, struct config_choice, i);
        const struct flow_map_conf *m = f->steps[i].kind == FLOW_STEP_MAP ? c->conf : NULL;

        if (m && m->use.text && strcmp(m->use.text, mapping) == 0)
            return true;
    }
    for (size_t i = 0; i < f->n_targets; i++) {
        const struct flow_map_conf *m = f->targets[i].conf->map;

        if (m && m->use.text && strcmp(m->use.text, mapping) == 0)
            return true;
    }
    return false;
}

static struct json mapping_json(const struct flow_plan *p, struct tl_arena *a, const struct config_map_entry *e)
{
    const struct flow_mapping_conf *conf = e->value;
    const struct mapping *m = flow_plan_mapping(p, tl_sv_str(e->key));
    const char *file = conf->jsonata ? conf->jsonata : conf->table ? conf->table : conf->jq ? conf->jq : conf->xslt;
    struct json_builder b, flows;

    json_array_begin(&flows, a, 4);
    for (size_t i = 0; i < p->n_flows; i++)
        if (uses(&p->flows[i], e->key))
            json_push(&flows, json_str(p->flows[i].name));
    json_object_begin(&b, a, 6);
    json_adds(&b, "name", json_str(e->key));
    json_adds(&b, "language", m ? json_str(mapping_kind_name(mapping_kind_of(m))) : json_null());
    json_adds(&b, "to", conf->to ? json_str(conf->to) : json_null());
    json_adds(&b, "file", file ? json_str(file) : json_null());
    json_adds(&b, "strict", json_bool(conf->strict));
    json_adds(&b, "flows", json_end(&flows));
    json_adds(&b, "source", m && mapping_source(m).p ? json_sv(mapping_source(m)) : json_null());
    return json_end(&b);
}

struct json flow_plan_mappings(const struct flow_plan *p, struct tl_arena *a)
{
    const struct config_map *all = &p->project->mappings;
    struct json_builder b;

    json_array_begin(&b, a, all->n);
    for (size_t i = 0; i < all->n; i++)
        json_push(&b, mapping_json(p, a, &all->entries[i]));
    return json_end(&b);
}
