/* SPDX-License-Identifier: Apache-2.0 */
/* plan_connection.c - connections of a plan, and the operations that their users (targets, sources, steps) choose. */
#include "flow/plan_int.h"

#include <stdio.h>

static bool parse_rate(const char *text, struct guard_budget *b)
{
    struct tl_sv s = tl_sv_str(text), amount;

    if (!tl_sv_cut(&s, '/', &amount) || !tl_sv_double(tl_sv_trim(amount), &b->amount) || b->amount <= 0)
        return false;
    s = tl_sv_trim(s);
    b->per_ms = tl_sv_eqs(s, "s") ? 1000 : tl_sv_eqs(s, "m") ? 60000 : tl_sv_eqs(s, "h") ? 3600000 : 0;
    return b->per_ms > 0;
}

static void calendar_day(const void *zone, int64_t wall_ms, int64_t *ret_start, int64_t *ret_end)
{
    struct tl_civil c;

    config_zone_local(zone, wall_ms, &c);
    c.hour = c.minute = c.second = c.ms = 0;
    *ret_start = config_zone_utc_ms(zone, &c);
    tl_civil_from_days(tl_days_from_civil(c.year, c.month, c.day) + 1, &c.year, &c.month, &c.day);
    *ret_end = config_zone_utc_ms(zone, &c);
}

/* A connector is not shown a connection that has errors: it relies on what is required. */
static bool is_sound(const struct flow_loader *l, const struct flow_connection *c)
{
    return c->connector && !config_is_faulty(l->e, config_get(config_get(l->plan->node, "connections"), c->name));
}

static void fill_guard(struct flow_loader *l, struct flow_connection *c)
{
    const struct flow_limits_conf *limits = &c->conf->limits;
    struct guard_conf *g = &c->guard;

    g->concurrency = (uint32_t)limits->concurrency;
    g->fixed = limits->fixed;
    g->breaker_failures = (uint32_t)limits->breaker_failures;
    g->breaker_open_ms = limits->breaker_open_ms;
    g->breaker_most_ms = limits->breaker_most_ms;
    if (is_sound(l, c) && c->connector->budgets)
        c->connector->budgets(c->conf->type.conf, g);
    if (limits->rate && g->n_budgets < GUARD_MAX_BUDGETS) {
        struct guard_budget *b = &g->budgets[g->n_budgets++];

        *b = (struct guard_budget){.name = "rate", .kind = GUARD_BUCKET, .burst = (double)limits->burst};
        if (!parse_rate(limits->rate, b))
            config_error(l->e, c->at, "Write a number and a unit: 100/s, 3000/m, 10000/h.",
                         "the rate '%s' of connection '%s' is not readable", limits->rate, c->name);
    }
    for (size_t i = 0; i < limits->quotas.n; i++) {
        const struct flow_quota_conf *q = CONFIG_AT(limits->quotas, struct flow_quota_conf, i);
        struct guard_budget *b = &g->budgets[g->n_budgets];

        if (!q->name)
            continue;
        if (g->n_budgets == GUARD_MAX_BUDGETS) {
            config_error(l->e, c->at, "Leave one of its `quotas` out.",
                         "connection '%s' has more than %d budgets, the connector's own among them", c->name,
                         GUARD_MAX_BUDGETS);
            break;
        }
        /* What was used is kept and corrected by name: two of one name would share it. */
        if (guard_has_budget(g, q->name))
            config_error(l->e, c->at, "Give each of `quotas` a `name` of its own.",
                         "connection '%s' has two budgets with the name '%s'", c->name, q->name);
        g->n_budgets++;
        *b = (struct guard_budget){.kind = q->day ? GUARD_CALENDAR : GUARD_ROLLING,
                                   .amount = (double)q->amount,
                                   .per_ms = q->per_ms,
                                   .window = calendar_day,
                                   .zone = q->zone,
                                   .keep = q->keep};
        snprintf(b->name, sizeof b->name, "%s", q->name);
    }
}

void flow__load_connections(struct flow_loader *l)
{
    struct flow_plan *p = l->plan;
    const struct config_map *all = &p->project->connections;
    const struct config_node *nodes = config_get(p->node, "connections");

    p->connections = tl_arena_zalloc(p->arena, (all->n + 1) * sizeof *p->connections);
    for (size_t i = 0; i < all->n; i++) {
        struct flow_connection *c = &p->connections[p->n_connections];
        TL_CLEANUP(tl_buf_done) struct tl_buf identity = {0};

        tl_buf_init(&identity, 65536);
        c->conf = all->entries[i].value;
        c->connector = c->conf->type.variant ? connector_find(tl_sv_str(c->conf->type.name)) : NULL;
        c->name = all->entries[i].key;
        c->at = all->entries[i].at;
        c->index = p->n_connections++;
        fill_guard(l, c);
        if (!is_sound(l, c))
            continue;
        tl_buf_printf(&identity, "type=%s ", c->conf->type.name);
        config_identity(c->connector->variant.spec, config_get(nodes, c->name), &identity);
        c->identity = tl_hash64(identity.p, identity.n, 7);
    }
}

const struct flow_connection *flow__find_connection(struct flow_loader *l, const struct config_text *name)
{
    const char *names[256];
    size_t n = 0;
    const char *near;

    if (!name->text)
        return NULL;
    for (size_t i = 0; i < l->plan->n_connections; i++) {
        if (strcmp(l->plan->connections[i].name, name->text) == 0)
            return l->plan->connections[i].connector ? &l->plan->connections[i] : NULL;
        if (n < TL_COUNT(names))
            names[n++] = l->plan->connections[i].name;
    }
    if (!flow__is_missing(l, "connections", name->text))
        return NULL;
    near = tl_nearest(tl_sv_str(name->text), names, n);
    if (near)
        config_error(l->e, name->at, NULL, "there is no connection '%s'; did you mean '%s'?", name->text, near);
    else
        config_error(l->e, name->at, "Define it under `connections:`.", "there is no connection '%s'", name->text);
    return NULL;
}

/* ---- their use ---- */
/* The part of a target or source that is not its operation's, as a map node of its own. */
static struct config_node *common_part(struct flow_loader *l, const struct config_node *node,
                                       const struct config_spec *spec)
{
    struct config_node *part = tl_arena_must(l->plan->arena, sizeof *part);

    *part = *node;
    part->n = 0;
    part->entries = tl_arena_must(l->plan->arena, (node->n + 1) * sizeof *part->entries);
    for (uint32_t i = 0; i < node->n; i++) {
        for (size_t f = 0; f < spec->n_fields; f++) {
            if (strcmp(node->entries[i].key, spec->fields[f].name) == 0)
                part->entries[part->n++] = node->entries[i];
        }
    }
    return part;
}

bool flow__is_map(struct flow_loader *l, const struct config_node *node, const char *what, const char *hint)
{
    if (node->kind == CONFIG_NODE_MAP)
        return true;
    if (node->kind != CONFIG_NODE_NULL || !config_is_faulty(l->e, node)) /* else an alias */
        config_error(l->e, node->at, hint, "%s is a map, this is %s", what, config_kind_name(node));
    return false;
}

void *flow__parse_common(struct flow_loader *l, const struct config_node *node, const struct config_spec *spec)
{
    struct config_options o = l->opt->config;
    void *conf;

    o.whole = tl_arena_printf(l->plan->arena, "the %s", spec->name);
    (void)!config_parse_partly(l->plan->arena, spec, common_part(l, node, spec), &o, l->e, &conf);
    return conf;
}

struct prepared {
    void (*release)(void *);
    void *what;
};
static void release_prepared(void *arg)
{
    struct prepared *p = arg;

    p->release(p->what);
}

/* What the operation makes of its configuration lives as long as the plan. */
static void *compile(struct flow_loader *l, const struct flow_connection *c, const struct connector_chosen *chosen)
{
    struct prepared *p;
    void *what;

    if (!chosen->operation->compile)
        return NULL;
    what = chosen->operation->compile(c->conf->type.conf, chosen->conf, l->e);
    if (what && chosen->operation->release) {
        p = tl_arena_must(l->plan->arena, sizeof *p);
        *p = (struct prepared){chosen->operation->release, what};
        tl_arena_on_free(l->plan->arena, release_prepared, p);
    }
    return what;
}

/* No field of the operation waits for a variable that is missing here. */
static bool all_known(const struct flow_loader *l, const struct config_spec *spec, const struct config_node *node)
{
    bool known = true;

    for (size_t i = 0; i < spec->n_fields && known; i++)
        known = !config_is_faulty(l->e, config_get(node, spec->fields[i].name));
    return known;
}

bool flow__choose(struct flow_loader *l, const struct flow_connection *c, const struct config_node *node,
                  const struct config_spec *common_spec, unsigned kinds, struct flow_use *ret)
{
    const char *common[16] = {0};
    struct connector_chosen chosen;
    bool ok;

    *ret = (struct flow_use){.sound = false};
    for (size_t i = 0; i < common_spec->n_fields; i++)
        common[i] = common_spec->fields[i].name;
    ok = connector_choose(l->plan->arena, c->connector, node, common, kinds, &l->opt->config, l->e, &chosen);
    if (!chosen.operation)
        return false;
    *ret = (struct flow_use){.operation = chosen.operation, .conf = chosen.conf, .prepared = compile(l, c, &chosen)};
    ret->sound = ok && is_sound(l, c) && all_known(l, chosen.operation->spec, node);
    return ok;
}
