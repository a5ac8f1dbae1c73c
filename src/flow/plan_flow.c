/* SPDX-License-Identifier: Apache-2.0 */
/* plan_flow.c - flows of a plan: sources, targets, and the flow that each receiver of alerts is. */
#include "flow/plan_int.h"

enum { MAX_TARGETS = 64 };

/* ---- targets ---- */
static void fill_retry(const struct flow_retry_conf *c, struct guard_retry *r)
{
    *r = (struct guard_retry){.attempts = (uint32_t)c->attempts,
                              .base_ms = c->backoff.from,
                              .most_ms = c->backoff.to,
                              .jitter = (enum guard_jitter)c->jitter,
                              .max_age_ms = c->max_age_ms};
}

static void load_target(struct flow_loader *l, struct flow *f, struct flow_target *t, const struct config_node *node)
{
    struct flow_use use;

    if (!flow__is_map(l, node, "a target", "Write { connection: NAME, OPERATION: ... }."))
        return;
    t->conf = flow__parse_common(l, node, &flow_target_spec);
    if (!t->conf)
        return;
    t->name = t->conf->name ? t->conf->name : t->conf->connection.text;
    t->connection = flow__find_connection(l, &t->conf->connection);
    if (t->connection && flow__choose(l, t->connection, node, &flow_target_spec, 1u << CONNECTOR_WRITE, &use)) {
        t->operation = use.operation;
        t->operation_conf = use.conf;
        t->prepared = use.prepared;
        if (t->operation->facilities && use.sound)
            t->operation->facilities(t->connection->conf->type.conf, t->operation_conf, &t->facilities);
    }
    t->when = flow__compile(l, &t->conf->when);
    t->map = t->conf->map ? flow__use_map(l, t->conf->map, config_get(node, "map"), node->at) : NULL;
    if (t->conf->xref) {
        t->xref_id = flow__compile(l, &t->conf->xref->id);
        t->xref_answer = flow__compile(l, &t->conf->xref->answer);
        t->mark = flow__compile(l, &t->conf->xref->mark);
    }
    fill_retry(t->conf->retry ? t->conf->retry : &f->conf->retry, &t->retry);
}

static void load_targets(struct flow_loader *l, struct flow *f)
{
    const struct config_node *to = f->conf->to;
    bool list = to && to->kind == CONFIG_NODE_LIST;
    size_t n = list ? to->n : 1;

    if (!to)
        return;
    if (n == 0 || n > MAX_TARGETS) {
        config_error(l->e, to->at, NULL, "flow '%s' has %zu targets; it needs 1 to %d", f->name, n, MAX_TARGETS);
        return;
    }
    f->targets = tl_arena_zalloc(l->plan->arena, n * sizeof *f->targets);
    f->n_targets = n;
    for (size_t i = 0; i < n; i++) {
        const struct config_node *node = list ? to->items[i] : to;

        load_target(l, f, &f->targets[i], node);
        for (size_t j = 0; j < i; j++) {
            if (f->targets[i].name && f->targets[j].name && strcmp(f->targets[i].name, f->targets[j].name) == 0)
                config_error(l->e, node->at, "Give each a `name:` of its own.", "flow '%s' has two targets named '%s'",
                             f->name, f->targets[i].name);
        }
    }
}

/* ---- sources ---- */
static void load_webhook(struct flow_loader *l, struct flow *f)
{
    const struct flow_webhook_conf *w = f->conf->from.conf;
    const struct config_node *node = config_get(f->conf->from.node, "webhook");

    if (w->body_limit > l->plan->project->server.limits.body_memory)
        config_warn(
            l->e, f->conf->from.at, "Raise `server.limits.body_memory`, or lower `body_limit`.",
            "flow '%s': server.limits.body_memory has no room for one body of its body_limit: it would never be "
            "taken",
            f->name);
    if (w->verify.variant && l->opt->crypto && !config_is_faulty(l->e, config_get(node, "verify")))
        flow__build_verifier(f, l->opt, l->e, &w->verify);
    else if (!w->verify.variant && !w->open && !config_is_faulty(l->e, f->conf->from.node))
        config_error(l->e, f->conf->from.at, "Add `verify: { SCHEME: ... }`, or `unsigned: true` on a private network.",
                     "anybody could post to flow '%s'", f->name);
}

static void load_read(struct flow_loader *l, struct flow *f)
{
    struct flow_read *r = tl_arena_zalloc(l->plan->arena, sizeof *r);
    const struct config_node *node = *(const struct config_node *const *)f->conf->from.conf;
    struct flow_use use;

    f->read = r;
    if (!flow__is_map(l, node, "a read source", "Write { connection: NAME, OPERATION: ... }."))
        return;
    r->conf = flow__parse_common(l, node, &flow_read_spec);
    if (!r->conf)
        return;
    r->connection = flow__find_connection(l, &r->conf->connection);
    if (!r->connection ||
        !flow__choose(l, r->connection, node, &flow_read_spec, 1u << CONNECTOR_READ | 1u << CONNECTOR_LISTEN, &use))
        return;
    r->operation = use.operation;
    r->operation_conf = use.conf;
    r->prepared = use.prepared;
}

bool flow__knows_receivers(const struct flow_loader *l)
{
    const struct config_node *alerts = config_get(l->plan->node, "alerts"), *all = config_get(alerts, "receivers");

    return l->whole && (!alerts || alerts->kind == CONFIG_NODE_MAP) && (!all || all->kind == CONFIG_NODE_MAP);
}

static void load_flow(struct flow_loader *l, struct flow *f, const char *name, const struct flow_conf *conf,
                      enum flow_source source)
{
    f->name = name;
    f->conf = conf;
    f->plan = l->plan;
    f->source = source;
    f->receiver = -1;
    if (conf->on_dead.notify.text && flow__knows_receivers(l))
        (void)alert_receiver_check(&l->plan->project->alerts, &conf->on_dead.notify, l->e);
    if (f->source == FLOW_WEBHOOK && conf->from.variant)
        load_webhook(l, f);
    if (f->source == FLOW_READ)
        load_read(l, f);
    f->order_by = flow__compile(l, &conf->order_by);
    if (conf->idempotency) {
        f->key = flow__compile(l, &conf->idempotency->key);
        f->no_key = conf->idempotency->off;
        if (f->key && f->no_key)
            config_warn(l->e, conf->idempotency->key.at, "Leave out one of them.",
                        "flow '%s': `idempotency` has a `key`, so `off: true` is without effect", name);
    }
    load_targets(l, f);
    f->expand = f->n_targets > 1;
    fill_retry(&conf->retry, &f->retry);
    f->steps = tl_arena_zalloc(l->plan->arena, (conf->steps.n + 1) * sizeof *f->steps);
    f->n_steps = conf->steps.n;
    for (size_t i = 0; i < f->n_steps; i++)
        flow__load_step(l, f, &f->steps[i], CONFIG_AT(conf->steps, struct config_choice, i));
    /* At the end of a long job its record is made again for the cross-reference, and steps run only once. */
    for (size_t i = 0; i < f->n_targets && f->n_steps > 0; i++)
        f->expand |= f->targets[i].operation && f->targets[i].operation->resume && f->targets[i].conf->xref;
}

/* Each receiver of alerts is a flow, `alerts.NAME`: its notifications are retried, die and are replayed like any other
 * delivery. */
static void load_receiver(struct flow_loader *l, size_t i)
{
    struct flow_plan *p = l->plan;
    const struct config_map_entry *en = &p->project->alerts.receivers.entries[i];
    struct config_node *to = *(struct config_node *const *)en->value, *node = tl_arena_must(p->arena, sizeof *node);
    struct config_entry *entry = tl_arena_must(p->arena, sizeof *entry);
    const char *name = tl_arena_printf(p->arena, FLOW_RECEIVER_PREFIX "%s", en->key);
    struct flow *f = &p->flows[p->n_flows];
    void *conf;

    *entry = (struct config_entry){.key = "to", .at = en->at, .value = to};
    *node = (struct config_node){.kind = CONFIG_NODE_MAP, .at = en->at, .n = 1, .entries = entry};
    if (config_parse(p->arena, &flow_receiver_spec, node, &l->opt->config, l->e, &conf) != TL_OK)
        return;
    for (size_t k = 0; k < p->n_flows; k++) {
        if (strcmp(p->flows[k].name, name) == 0)
            config_error(l->e, en->at, "Rename the flow.", "the flow '%s' has the name of a receiver's own flow", name);
    }
    load_flow(l, f, name, conf, FLOW_RECEIVER);
    f->receiver = (int)i;
    p->n_flows++;
}

void flow__load_flows(struct flow_loader *l)
{
    struct flow_plan *p = l->plan;
    const struct config_map *all = &p->project->flows;
    size_t receivers = p->project->alerts.receivers.n;

    p->flows = tl_arena_zalloc(p->arena, (all->n + receivers + 1) * sizeof *p->flows);
    for (size_t i = 0; i < all->n; i++) {
        const struct flow_conf *conf = all->entries[i].value;

        load_flow(l, &p->flows[p->n_flows++], all->entries[i].key, conf, (enum flow_source)conf->from.index);
    }
    for (size_t i = 0; i < receivers; i++)
        load_receiver(l, i);
}
