/* SPDX-License-Identifier: Apache-2.0 */
/* plan_step.c - steps of a flow in a plan: routes, look-ups and calls, cross-references. */
#include "flow/plan_int.h"

/* Also where a target has no name, because it is at fault: it may have been meant. */
static bool has_target(const struct flow *f, const char *name, uint64_t *targets)
{
    bool found = f->n_targets == 0;

    for (size_t k = 0; k < f->n_targets; k++) {
        bool same = f->targets[k].name && strcmp(f->targets[k].name, name) == 0;

        *targets |= same ? 1ull << k : 0;
        found |= same || !f->targets[k].name;
    }
    return found;
}

/* Each line that holds adds its targets; behind conditions, one without any reads as what it is not. */
static void remark_else(struct flow_loader *l, const struct flow *f, const struct config_choice *c)
{
    const struct config_list *rules = c->conf;
    const struct config_node *list = config_get(c->node, "route");
    bool conditions = false;

    for (size_t i = 0; i < rules->n; i++) {
        const struct flow_when_conf *w = CONFIG_AT(*rules, struct flow_when_conf, i);
        const struct config_node *one = list && list->kind == CONFIG_NODE_LIST && i < list->n ? list->items[i] : NULL;

        if (conditions && !w->when.text && one && !config_is_faulty(l->e, one))
            config_warn(l->e, one->at, "Give it a `when` of its own, or write it before the others.",
                        "flow '%s': this line of `route` holds for every event: it is no 'else'", f->name);
        conditions = conditions || w->when.text;
    }
}

static void load_route(struct flow_loader *l, struct flow *f, struct flow_step *s, const struct config_choice *c)
{
    const struct config_list *rules = c->conf;

    s->rules = tl_arena_zalloc(l->plan->arena, (rules->n + 1) * sizeof *s->rules);
    s->n_rules = rules->n;
    remark_else(l, f, c);
    for (size_t i = 0; i < rules->n; i++) {
        const struct flow_when_conf *w = CONFIG_AT(*rules, struct flow_when_conf, i);

        s->rules[i].when = flow__compile(l, &w->when);
        for (size_t t = 0; t < w->to.n; t++) {
            const char *name = *CONFIG_AT(w->to, const char *, t);

            if (name && !has_target(f, name, &s->rules[i].targets))
                config_error(l->e, c->at, "Targets are named by `name:` or by their connection.",
                             "flow '%s' has no target '%s'", f->name, name);
        }
    }
}

/* Expressions see it beside what the event brought along. */
static bool good_variable(const char *name)
{
    static const char *const taken[] = {"body", "headers", "query", "path", "method", "type", "event", "flow"};

    for (size_t i = 0; i < TL_COUNT(taken); i++)
        if (strcmp(name, taken[i]) == 0)
            return false;
    for (size_t i = 0; name[i]; i++)
        if (name[i] != '_' && !(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= 'A' && name[i] <= 'Z') &&
            !(i > 0 && name[i] >= '0' && name[i] <= '9'))
            return false;
    return true;
}

static void check_variable(struct flow_loader *l, const char *as, struct config_place at)
{
    if (as && !good_variable(as))
        config_error(l->e, at, "Use letters, digits and _, and none of the names that an event has.",
                     "`as: %s` cannot be the name of a variable", as);
}

/* `path: X` is what `get: X` was called before. */
static const struct config_node *with_get(struct flow_loader *l, const struct config_node *node)
{
    struct config_node *copy;

    if (!config_get(node, "path"))
        return node;
    copy = tl_arena_must(l->plan->arena, sizeof *copy);
    *copy = *node;
    copy->entries = tl_arena_must(l->plan->arena, (node->n + 1) * sizeof *copy->entries);
    for (uint32_t i = 0; i < node->n; i++) {
        copy->entries[i] = node->entries[i];
        if (strcmp(node->entries[i].key, "path") == 0)
            copy->entries[i].key = "get";
    }
    return copy;
}

static void load_unavailable(struct flow_loader *l, struct flow_ask *ask, const struct flow_ask_conf *conf,
                             const struct config_choice *c, const struct config_node *node)
{
    const struct flow_unavailable_conf *u = &conf->unavailable;
    int64_t day = 86400000;

    ask->use_cached_ms = u->use_cached_ms;
    if (u->then == FLOW_USE_CACHED && !ask->use_cached_ms)
        ask->use_cached_ms = conf->max_age_ms ? conf->max_age_ms : day;
    ask->fallback = flow__compile(l, u->fallback.text ? &u->fallback : &conf->fallback);
    if (u->then == FLOW_DEFAULT && !u->fallback.text && !conf->fallback.text && !config_is_faulty(l->e, node))
        config_error(l->e, c->at, "Write `on_unavailable: { default: EXPRESSION }`.",
                     "on_unavailable is default, but there is no default");
}

static bool is_recognised(const struct flow_ask *ask, bool sound)
{
    struct connector_facilities f = {.idempotency = CONNECTOR_IDEMPOTENT_NONE};

    if (ask->operation->facilities && sound)
        ask->operation->facilities(ask->connection->conf->type.conf, ask->operation_conf, &f);
    return f.idempotency == CONNECTOR_IDEMPOTENT_KEY || f.idempotency == CONNECTOR_IDEMPOTENT_UPSERT;
}

/* Two steps that are written alike on one connection ask the same, in whatever flow they stand. */
static struct tl_sv identity_of(struct flow_loader *l, const struct flow_ask *ask, const struct config_node *node)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 1 << 20);
    tl_buf_printf(&b, "%s %016llx ", ask->connection->name, (unsigned long long)ask->connection->identity);
    (void)json_write(&b, config_to_json(l->plan->arena, node), JSON_WRITE_SORTED);
    return tl_arena_sv(l->plan->arena, tl_buf_view(&b));
}

/* A question to a system: the part of `node` that is an operation of that connection. */
static void load_question(struct flow_loader *l, struct flow_ask *ask, const struct config_text *connection,
                          const struct config_node *node, const struct config_spec *common, unsigned kinds)
{
    struct flow_use use;

    ask->connection = flow__find_connection(l, connection);
    if (!ask->connection || !flow__choose(l, ask->connection, node, common, kinds, &use))
        return;
    ask->operation = use.operation;
    ask->operation_conf = use.conf;
    ask->prepared = use.prepared;
    ask->risky = ask->call && !is_recognised(ask, use.sound);
    ask->identity = identity_of(l, ask, node);
}

static void load_ask(struct flow_loader *l, struct flow_step *s, const struct config_choice *c)
{
    const struct config_node *node = with_get(l, *(const struct config_node *const *)c->conf);
    const struct config_spec *spec = s->kind == FLOW_STEP_CALL ? &flow_call_spec : &flow_lookup_spec;
    unsigned kinds = 1u << CONNECTOR_CALL | (s->kind == FLOW_STEP_CALL ? 1u << CONNECTOR_WRITE : 0);
    const struct flow_ask_conf *conf;

    if (!flow__is_map(l, node, s->kind == FLOW_STEP_CALL ? "a call" : "a lookup",
                      "Write { connection: NAME, OPERATION: ..., as: NAME }."))
        return;
    conf = flow__parse_common(l, *(const struct config_node *const *)c->conf, spec);
    if (!conf)
        return;
    s->as = conf->as;
    check_variable(l, s->as, c->at);
    s->ask = tl_arena_zalloc(l->plan->arena, sizeof *s->ask);
    s->ask->call = s->kind == FLOW_STEP_CALL;
    s->ask->cache_ms = conf->cache_ms;
    load_question(l, s->ask, &conf->connection, node, spec, kinds);
    s->ask->value = flow__compile(l, &conf->value);
    s->ask->map = conf->map ? flow__use_map(l, conf->map, config_get(node, "map"), c->at) : NULL;
    load_unavailable(l, s->ask, conf, c, config_get(node, "on_unavailable"));
}

static void load_match(struct flow_loader *l, struct flow_step *s, const struct config_node *node)
{
    const struct flow_match_conf *conf;

    if (!flow__is_map(l, node, "match_by", "Write { OPERATION: ..., value: EXPRESSION }."))
        return;
    conf = flow__parse_common(l, node, &flow_match_spec);
    if (!conf)
        return;
    s->ask = tl_arena_zalloc(l->plan->arena, sizeof *s->ask);
    load_question(l, s->ask, &s->xref->to, node, &flow_match_spec, 1u << CONNECTOR_CALL);
    s->ask->value = flow__compile(l, &conf->value);
}

static void load_xref(struct flow_loader *l, struct flow_step *s, const struct config_choice *c)
{
    s->xref = c->conf;
    s->as = s->xref->as;
    s->id = flow__compile(l, &s->xref->id);
    check_variable(l, s->as, c->at);
    if (s->xref->match_by)
        load_match(l, s, s->xref->match_by);
}

static bool is_same(const char *a, const char *b)
{
    return !a || !b || strcmp(a, b) == 0; /* what is at fault may have been meant */
}

/* Nobody would ever write what the step compares with. */
static void check_own(struct flow_loader *l, const struct flow_own_conf *own, struct config_place at)
{
    const struct flow_plan *p = l->plan;

    for (size_t i = 0; i < p->n_flows; i++)
        for (size_t k = 0; k < p->flows[i].n_targets; k++) {
            const struct flow_target_conf *t = p->flows[i].targets[k].conf;

            if (!t || (t->xref && t->xref->mark.text && is_same(t->connection.text, own->connection) &&
                       is_same(t->xref->model, own->model)))
                return;
        }
    if (l->whole && own->connection && own->model)
        config_error(l->e, at, "Give the target that writes there `xref: { model, from, id, mark }`.",
                     "no target of connection '%s' leaves a mark of model '%s'", own->connection, own->model);
}

void flow__check_all_own(struct flow_loader *l)
{
    for (size_t i = 0; i < l->plan->n_flows; i++)
        for (size_t k = 0; k < l->plan->flows[i].n_steps; k++)
            if (l->plan->flows[i].steps[k].own)
                check_own(l, l->plan->flows[i].steps[k].own,
                          CONFIG_AT(l->plan->flows[i].conf->steps, struct config_choice, k)->at);
}

static void load_validate(struct flow_loader *l, struct flow_step *s, const struct config_text *model)
{
    s->model = model->text ? tl_map_get(l->plan->models, tl_sv_str(model->text)) : NULL;
    if (!s->model && model->text && flow__is_missing(l, "models", model->text))
        config_error(l->e, model->at, "Define it under `models:`.", "there is no model '%s'", model->text);
}

void flow__load_step(struct flow_loader *l, struct flow *f, struct flow_step *s, const struct config_choice *c)
{
    if (!c->variant)
        return;
    s->kind = (enum flow_step_kind)c->index;
    switch (s->kind) {
    case FLOW_STEP_WHEN:
    case FLOW_STEP_SPLIT:
        s->expr = flow__compile(l, c->conf);
        f->expand |= s->kind == FLOW_STEP_SPLIT;
        break;
    case FLOW_STEP_MAP:
        s->expr = flow__use_map(l, c->conf, config_get(c->node, "map"), c->at);
        break;
    case FLOW_STEP_ROUTE:
        load_route(l, f, s, c);
        f->expand = true;
        break;
    case FLOW_STEP_VALIDATE:
        load_validate(l, s, c->conf);
        break;
    case FLOW_STEP_LOOKUP:
    case FLOW_STEP_CALL:
        load_ask(l, s, c);
        f->expand = true; /* it may wait, and keeps no permit of a target meanwhile */
        break;
    case FLOW_STEP_XREF:
        load_xref(l, s, c);
        f->expand = true;
        break;
    case FLOW_STEP_OWN_WRITE:
        s->own = c->conf;
        s->id = flow__compile(l, &s->own->id);
        s->mark = flow__compile(l, &s->own->mark);
        f->expand = true;
        break;
    }
}
