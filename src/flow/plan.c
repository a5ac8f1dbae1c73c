/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.c - from a configuration to a plan: names looked up, expressions compiled, verifiers built. All errors are found
 * in one reading: a plan is loaded also from what has errors, as far as it could be read, and thrown away at the end.
 * So what is required may be absent here, and where something is at fault already, what follows from it is not said.
 */
#include "flow/flow_int.h"

#include <stdio.h>

struct loader {
    struct flow_plan *plan;
    const struct flow_load_options *opt;
    struct config_errors *e;
    bool whole; /* all files could be read */
};

enum { MAX_TARGETS = 64, MAX_MAPPING_BYTES = 1 << 20 };

/* Is a name nowhere? Not where it stands with a fault of its own, or may stand in what could not be read. */
static bool is_missing(const struct loader *l, const char *section, const char *name)
{
    const struct config_node *all = config_get(l->plan->node, section);

    return l->whole && (!all || (all->kind == CONFIG_NODE_MAP && !config_get(all, name)));
}

/* ---- mappings ---- */
struct text {
    struct tl_sv text;
    const char *file;             /* the text is all of it; or ... */
    const struct config_text *in; /* ... it stands in the configuration */
};

/* The place of a line and column of the text (0: unknown) in a file; false: of the text as a whole. */
static bool place_in(const struct loader *l, const struct text *t, int32_t line, int32_t column,
                     struct config_place *ret)
{
    *ret = t->in ? t->in->at : (struct config_place){.file = t->file, .line = 1, .column = 1};
    if (line < 1)
        return false;
    flow__step_back(t->text, &line, &column);
    if (t->in)
        return config_text_place(l->e, t->in, line, column, ret);
    *ret = (struct config_place){.file = t->file, .line = line, .column = column > 0 ? column : 1};
    return true;
}

static void does_not_compile(struct loader *l, enum mapping_kind kind, const struct text *t, const struct tl_err *err)
{
    struct config_place at;
    int32_t line = err->line > 0 || kind != MAPPING_JQ ? err->line : flow__line_in(err->text);

    if (place_in(l, t, line, err->column, &at) || err->line <= 0)
        config_error(l->e, at, NULL, "this %s does not compile: %s", mapping_kind_name(kind), err->text);
    else
        config_error(l->e, at, NULL, "this %s does not compile (its line %d, column %d): %s", mapping_kind_name(kind),
                     err->line, err->column, err->text);
}

static struct mapping *compile_text(struct loader *l, enum mapping_kind kind, const struct text *t, bool strict)
{
    struct mapping_options options = {.strict = strict, .workers = l->opt->workers};
    struct mapping *m = NULL;
    struct tl_err err = {0};
    struct tl_sv unknown;
    struct config_place at;
    int32_t line, column;

    if (mapping_compile(kind, t->text, &options, &m, &err) != TL_OK) {
        does_not_compile(l, kind, t, &err);
        return NULL;
    }
    tl_arena_on_free(l->plan->arena, (void (*)(void *))mapping_unref, m);
    unknown = mapping_unknown_function(m);
    if (unknown.n) {
        flow__find_call(t->text, unknown, &line, &column);
        (void)place_in(l, t, line, column, &at);
        config_error(l->e, at, "The functions are in docs/map-data.md.",
                     "this %s calls $%.*s, and there is no such function", mapping_kind_name(kind), TL_SV_ARG(unknown));
    }
    return m;
}

static struct mapping *compile_strict(struct loader *l, const struct config_text *t, bool strict)
{
    return compile_text(l, MAPPING_JSONATA, &(struct text){.text = tl_sv_str(t->text), .in = t}, strict);
}

static struct mapping *compile_expr(struct loader *l, const struct config_text *t)
{
    return t->text ? compile_strict(l, t, false) : NULL;
}

static struct mapping *compile_file(struct loader *l, enum mapping_kind kind, const char *path, bool strict,
                                    struct config_place at)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    if (!flow__plan_file(l->plan, path, MAX_MAPPING_BYTES, &b)) {
        config_error(l->e, at, "Check the path (relative to the file it is written in) and that it is below 1 MB.",
                     "cannot read %s", path);
        return NULL;
    }
    config_errors_source(l->e, path, tl_buf_view(&b));
    return compile_text(l, kind, &(struct text){.text = tl_buf_view(&b), .file = path}, strict);
}

static void load_mappings(struct loader *l)
{
    const struct config_map *all = &l->plan->project->mappings;

    for (size_t i = 0; i < all->n; i++) {
        const struct flow_mapping_conf *c = all->entries[i].value;
        const char *files[MAPPING_KIND_COUNT] = {
            [MAPPING_JSONATA] = c->jsonata, [MAPPING_TABLE] = c->table, [MAPPING_JQ] = c->jq, [MAPPING_XSLT] = c->xslt};
        struct mapping *m = NULL;
        int given = c->text.text != NULL;

        for (int k = 0; k < MAPPING_KIND_COUNT; k++)
            given += files[k] != NULL;
        if (given != 1 &&
            config_is_faulty(l->e, config_get(config_get(l->plan->node, "mappings"), all->entries[i].key)))
            continue;
        if (given != 1) {
            config_error(l->e, all->entries[i].at, "Give exactly one of jsonata, table, jq, xslt, text.",
                         "mapping '%s' has %s", all->entries[i].key, given ? "more than one language" : "no text");
            continue;
        }
        if (c->text.text)
            m = compile_strict(l, &c->text, c->strict);
        for (int k = 0; k < MAPPING_KIND_COUNT; k++) {
            if (files[k])
                m = compile_file(l, (enum mapping_kind)k, files[k], c->strict, all->entries[i].at);
        }
        if (m)
            tl_map_put(l->plan->mappings, tl_sv_str(all->entries[i].key), m);
    }
}

/* map: the node that c was read from. */
static struct mapping *use_map(struct loader *l, const struct flow_map_conf *c, const struct config_node *map,
                               struct config_place at)
{
    int given = (c->use.text != NULL) + (c->jsonata.text != NULL) + (c->file != NULL);
    struct mapping *m;

    if (given != 1 && config_is_faulty(l->e, map))
        return NULL;
    if (given != 1) {
        config_error(l->e, at, "Write `map: NAME`, or `map: { jsonata: ... }`, or `map: { file: ... }`.",
                     "a map needs exactly one of use, jsonata, file");
        return NULL;
    }
    if (c->jsonata.text)
        return compile_expr(l, &c->jsonata);
    if (c->file)
        return compile_file(l, MAPPING_JSONATA, c->file, false, at);
    m = tl_map_get(l->plan->mappings, tl_sv_str(c->use.text));
    if (!m && is_missing(l, "mappings", c->use.text))
        config_error(l->e, c->use.at, "Define it under `mappings:`.", "there is no mapping '%s'", c->use.text);
    return m;
}

/* ---- connections ---- */
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
static bool is_sound(const struct loader *l, const struct flow_connection *c)
{
    return c->connector && !config_is_faulty(l->e, config_get(config_get(l->plan->node, "connections"), c->name));
}

static void fill_guard(struct loader *l, struct flow_connection *c)
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

static void load_connections(struct loader *l)
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

/* NULL also where it is there, but of no type that is known. */
static const struct flow_connection *find_connection(struct loader *l, const struct config_text *name)
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
    if (!is_missing(l, "connections", name->text))
        return NULL;
    near = tl_nearest(tl_sv_str(name->text), names, n);
    if (near)
        config_error(l->e, name->at, NULL, "there is no connection '%s'; did you mean '%s'?", name->text, near);
    else
        config_error(l->e, name->at, "Define it under `connections:`.", "there is no connection '%s'", name->text);
    return NULL;
}

/* ---- targets ---- */
static void fill_retry(const struct flow_retry_conf *c, struct guard_retry *r)
{
    *r = (struct guard_retry){.attempts = (uint32_t)c->attempts,
                              .base_ms = c->backoff.from,
                              .most_ms = c->backoff.to,
                              .jitter = (enum guard_jitter)c->jitter,
                              .max_age_ms = c->max_age_ms};
}

/* The part of a target or source that is not its operation's, as a map node of its own. */
static struct config_node *common_part(struct loader *l, const struct config_node *node, const struct config_spec *spec)
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

/* That part as far as it can be read; NULL: no memory. */
static void *parse_common(struct loader *l, const struct config_node *node, const struct config_spec *spec)
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

static bool choose(struct loader *l, const struct flow_connection *c, const struct config_node *node,
                   const struct config_spec *common_spec, unsigned kinds, struct connector_chosen *ret)
{
    const char *common[16] = {0};

    for (size_t i = 0; i < common_spec->n_fields; i++)
        common[i] = common_spec->fields[i].name;
    return connector_choose(l->plan->arena, c->connector, node, common, kinds, &l->opt->config, l->e, ret);
}

/* Nor an operation: node is where its fields stand. */
static bool is_sound_use(const struct loader *l, const struct flow_connection *c, const struct config_node *node)
{
    bool sound = is_sound(l, c);

    for (uint32_t i = 0; i < node->n && sound; i++)
        sound = !config_is_faulty(l->e, node->entries[i].value);
    return sound;
}

/* What the operation makes of its configuration lives as long as the plan. */
static void *compile_operation(struct loader *l, const struct flow_connection *c, const struct connector_chosen *chosen,
                               const struct config_node *node)
{
    struct prepared *p;
    void *what;

    if (!chosen->operation->compile || !is_sound_use(l, c, node))
        return NULL;
    what = chosen->operation->compile(c->conf->type.conf, chosen->conf, l->e);
    if (what && chosen->operation->release) {
        p = tl_arena_must(l->plan->arena, sizeof *p);
        *p = (struct prepared){chosen->operation->release, what};
        tl_arena_on_free(l->plan->arena, release_prepared, p);
    }
    return what;
}

static void load_target(struct loader *l, struct flow *f, struct flow_target *t, const struct config_node *node)
{
    struct connector_chosen chosen;

    if (node->kind != CONFIG_NODE_MAP) {
        config_error(l->e, node->at, "Write { connection: NAME, OPERATION: ... }.", "a target is a map, this is %s",
                     config_kind_name(node));
        return;
    }
    t->conf = parse_common(l, node, &flow_target_spec);
    if (!t->conf)
        return;
    t->name = t->conf->name ? t->conf->name : t->conf->connection.text;
    t->connection = find_connection(l, &t->conf->connection);
    if (t->connection && choose(l, t->connection, node, &flow_target_spec, 1u << CONNECTOR_WRITE, &chosen)) {
        t->operation = chosen.operation;
        t->operation_conf = chosen.conf;
        if (t->operation->facilities && is_sound_use(l, t->connection, node))
            t->operation->facilities(t->connection->conf->type.conf, t->operation_conf, &t->facilities);
        t->prepared = compile_operation(l, t->connection, &chosen, node);
    }
    t->when = compile_expr(l, &t->conf->when);
    t->map = t->conf->map ? use_map(l, t->conf->map, config_get(node, "map"), node->at) : NULL;
    if (t->conf->xref) {
        t->xref_id = compile_expr(l, &t->conf->xref->id);
        t->xref_answer = compile_expr(l, &t->conf->xref->answer);
        t->mark = compile_expr(l, &t->conf->xref->mark);
    }
    fill_retry(t->conf->retry ? t->conf->retry : &f->conf->retry, &t->retry);
}

static void load_targets(struct loader *l, struct flow *f)
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

/* ---- steps ---- */
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

static void load_route(struct loader *l, struct flow *f, struct flow_step *s, const struct config_choice *c)
{
    const struct config_list *rules = c->conf;

    s->rules = tl_arena_zalloc(l->plan->arena, (rules->n + 1) * sizeof *s->rules);
    s->n_rules = rules->n;
    for (size_t i = 0; i < rules->n; i++) {
        const struct flow_when_conf *w = CONFIG_AT(*rules, struct flow_when_conf, i);

        s->rules[i].when = compile_expr(l, &w->when);
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

static void check_variable(struct loader *l, const char *as, struct config_place at)
{
    if (as && !good_variable(as))
        config_error(l->e, at, "Use letters, digits and _, and none of the names that an event has.",
                     "`as: %s` cannot be the name of a variable", as);
}

/* `path: X` is what `get: X` was called before. */
static const struct config_node *with_get(struct loader *l, const struct config_node *node)
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

static void load_unavailable(struct loader *l, struct flow_ask *ask, const struct flow_ask_conf *conf,
                             const struct config_choice *c, const struct config_node *node)
{
    const struct flow_unavailable_conf *u = &conf->unavailable;
    int64_t day = 86400000;

    ask->use_cached_ms = u->use_cached_ms;
    if (u->then == FLOW_USE_CACHED && !ask->use_cached_ms)
        ask->use_cached_ms = conf->max_age_ms ? conf->max_age_ms : day;
    ask->fallback = compile_expr(l, u->fallback.text ? &u->fallback : &conf->fallback);
    if (u->then == FLOW_DEFAULT && !u->fallback.text && !conf->fallback.text && !config_is_faulty(l->e, node))
        config_error(l->e, c->at, "Write `on_unavailable: { default: EXPRESSION }`.",
                     "on_unavailable is default, but there is no default");
}

static bool is_recognised(const struct loader *l, const struct flow_ask *ask, const struct config_node *node)
{
    struct connector_facilities f = {.idempotency = CONNECTOR_IDEMPOTENT_NONE};

    if (ask->operation->facilities && is_sound_use(l, ask->connection, node))
        ask->operation->facilities(ask->connection->conf->type.conf, ask->operation_conf, &f);
    return f.idempotency == CONNECTOR_IDEMPOTENT_KEY || f.idempotency == CONNECTOR_IDEMPOTENT_UPSERT;
}

/* Two steps that are written alike on one connection ask the same, in whatever flow they stand. */
static struct tl_sv identity_of(struct loader *l, const struct flow_ask *ask, const struct config_node *node)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 1 << 20);
    tl_buf_printf(&b, "%s %016llx ", ask->connection->name, (unsigned long long)ask->connection->identity);
    (void)json_write(&b, config_to_json(l->plan->arena, node), JSON_WRITE_SORTED);
    return tl_arena_sv(l->plan->arena, tl_buf_view(&b));
}

/* A question to a system: the part of `node` that is an operation of that connection. */
static void load_question(struct loader *l, struct flow_ask *ask, const struct config_text *connection,
                          const struct config_node *node, const struct config_spec *common, unsigned kinds)
{
    struct connector_chosen chosen;

    ask->connection = find_connection(l, connection);
    if (!ask->connection || !choose(l, ask->connection, node, common, kinds, &chosen))
        return;
    ask->operation = chosen.operation;
    ask->operation_conf = chosen.conf;
    ask->prepared = compile_operation(l, ask->connection, &chosen, node);
    ask->risky = ask->call && !is_recognised(l, ask, node);
    ask->identity = identity_of(l, ask, node);
}

static void load_ask(struct loader *l, struct flow_step *s, const struct config_choice *c)
{
    const struct config_node *node = with_get(l, *(const struct config_node *const *)c->conf);
    const struct config_spec *spec = s->kind == FLOW_STEP_CALL ? &flow_call_spec : &flow_lookup_spec;
    unsigned kinds = 1u << CONNECTOR_CALL | (s->kind == FLOW_STEP_CALL ? 1u << CONNECTOR_WRITE : 0);
    const struct flow_ask_conf *conf;

    if (node->kind != CONFIG_NODE_MAP) {
        config_error(l->e, node->at, "Write { connection: NAME, OPERATION: ..., as: NAME }.",
                     "a %s is a map, this is %s", c->name, config_kind_name(node));
        return;
    }
    conf = parse_common(l, *(const struct config_node *const *)c->conf, spec);
    if (!conf)
        return;
    s->as = conf->as;
    check_variable(l, s->as, c->at);
    s->ask = tl_arena_zalloc(l->plan->arena, sizeof *s->ask);
    s->ask->call = s->kind == FLOW_STEP_CALL;
    s->ask->cache_ms = conf->cache_ms;
    load_question(l, s->ask, &conf->connection, node, spec, kinds);
    s->ask->value = compile_expr(l, &conf->value);
    s->ask->map = conf->map ? use_map(l, conf->map, config_get(node, "map"), c->at) : NULL;
    load_unavailable(l, s->ask, conf, c, config_get(node, "on_unavailable"));
}

static void load_match(struct loader *l, struct flow_step *s, const struct config_node *node)
{
    const struct flow_match_conf *conf;

    if (node->kind != CONFIG_NODE_MAP) {
        config_error(l->e, node->at, "Write { OPERATION: ..., value: EXPRESSION }.", "match_by is a map, this is %s",
                     config_kind_name(node));
        return;
    }
    conf = parse_common(l, node, &flow_match_spec);
    if (!conf)
        return;
    s->ask = tl_arena_zalloc(l->plan->arena, sizeof *s->ask);
    load_question(l, s->ask, &s->xref->to, node, &flow_match_spec, 1u << CONNECTOR_CALL);
    s->ask->value = compile_expr(l, &conf->value);
}

static void load_xref(struct loader *l, struct flow_step *s, const struct config_choice *c)
{
    s->xref = c->conf;
    s->as = s->xref->as;
    s->id = compile_expr(l, &s->xref->id);
    check_variable(l, s->as, c->at);
    if (s->xref->match_by)
        load_match(l, s, s->xref->match_by);
}

static bool is_same(const char *a, const char *b)
{
    return !a || !b || strcmp(a, b) == 0; /* what is at fault may have been meant */
}

/* Nobody would ever write what the step compares with. */
static void check_own(struct loader *l, const struct flow_own_conf *own, struct config_place at)
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

static void check_all_own(struct loader *l)
{
    for (size_t i = 0; i < l->plan->n_flows; i++)
        for (size_t k = 0; k < l->plan->flows[i].n_steps; k++)
            if (l->plan->flows[i].steps[k].own)
                check_own(l, l->plan->flows[i].steps[k].own,
                          CONFIG_AT(l->plan->flows[i].conf->steps, struct config_choice, k)->at);
}

static void load_validate(struct loader *l, struct flow_step *s, const struct config_text *model)
{
    s->model = model->text ? tl_map_get(l->plan->models, tl_sv_str(model->text)) : NULL;
    if (!s->model && model->text && is_missing(l, "models", model->text))
        config_error(l->e, model->at, "Define it under `models:`.", "there is no model '%s'", model->text);
}

static void load_step(struct loader *l, struct flow *f, struct flow_step *s, const struct config_choice *c)
{
    if (!c->variant)
        return;
    s->kind = (enum flow_step_kind)c->index;
    switch (s->kind) {
    case FLOW_STEP_WHEN:
    case FLOW_STEP_SPLIT:
        s->expr = compile_expr(l, c->conf);
        f->expand |= s->kind == FLOW_STEP_SPLIT;
        break;
    case FLOW_STEP_MAP:
        s->expr = use_map(l, c->conf, config_get(c->node, "map"), c->at);
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
        s->id = compile_expr(l, &s->own->id);
        s->mark = compile_expr(l, &s->own->mark);
        f->expand = true;
        break;
    }
}

/* ---- sources ---- */
static void load_webhook(struct loader *l, struct flow *f)
{
    const struct flow_webhook_conf *w = f->conf->from.conf;
    const struct config_node *node = config_get(f->conf->from.node, "webhook");

    if (w->path && w->path[0] != '/')
        config_error(l->e, f->conf->from.at, NULL, "the path of flow '%s' must begin with /", f->name);
    for (const struct flow *other = l->plan->flows; other < f && w->path; other++) {
        const struct flow_webhook_conf *theirs = other->conf->from.conf;

        if (other->source == FLOW_WEBHOOK && theirs && theirs->path && strcmp(theirs->path, w->path) == 0)
            config_error(l->e, f->conf->from.at, "Give each a path of its own.",
                         "flows '%s' and '%s' have the same path %s", other->name, f->name, w->path);
    }
    if (w->body_limit > l->plan->project->server.limits.body_memory)
        config_warn(
            l->e, f->conf->from.at, "Raise `server.limits.body_memory`, or lower `body_limit`.",
            "flow '%s': server.limits.body_memory has no room for one body of its body_limit: it would never be "
            "taken",
            f->name);
    if (w->verify.variant && l->opt->secret && !config_is_faulty(l->e, config_get(node, "verify")))
        flow__build_verifier(f, l->opt, l->e, &w->verify);
    else if (!w->verify.variant && !w->open && !config_is_faulty(l->e, f->conf->from.node))
        config_error(l->e, f->conf->from.at, "Add `verify: { SCHEME: ... }`, or `unsigned: true` on a private network.",
                     "anybody could post to flow '%s'", f->name);
}

static void load_read(struct loader *l, struct flow *f)
{
    struct flow_read *r = tl_arena_zalloc(l->plan->arena, sizeof *r);
    const struct config_node *node = *(const struct config_node *const *)f->conf->from.conf;
    struct connector_chosen chosen;

    f->read = r;
    if (node->kind != CONFIG_NODE_MAP) {
        config_error(l->e, node->at, "Write { connection: NAME, OPERATION: ... }.",
                     "a read source is a map, this is %s", config_kind_name(node));
        return;
    }
    r->conf = parse_common(l, node, &flow_read_spec);
    if (!r->conf)
        return;
    r->connection = find_connection(l, &r->conf->connection);
    if (!r->connection ||
        !choose(l, r->connection, node, &flow_read_spec, 1u << CONNECTOR_READ | 1u << CONNECTOR_LISTEN, &chosen))
        return;
    r->operation = chosen.operation;
    r->operation_conf = chosen.conf;
    r->prepared = compile_operation(l, r->connection, &chosen, node);
}

static bool knows_receivers(const struct loader *l)
{
    const struct config_node *alerts = config_get(l->plan->node, "alerts"), *all = config_get(alerts, "receivers");

    return l->whole && (!alerts || alerts->kind == CONFIG_NODE_MAP) && (!all || all->kind == CONFIG_NODE_MAP);
}

static void load_flow(struct loader *l, struct flow *f, const char *name, const struct flow_conf *conf,
                      enum flow_source source)
{
    f->name = name;
    f->conf = conf;
    f->plan = l->plan;
    f->source = source;
    f->receiver = -1;
    if (conf->on_dead.notify.text && knows_receivers(l))
        (void)alert_receiver_check(&l->plan->project->alerts, &conf->on_dead.notify, l->e);
    if (f->source == FLOW_WEBHOOK && conf->from.variant)
        load_webhook(l, f);
    if (f->source == FLOW_READ)
        load_read(l, f);
    f->order_by = compile_expr(l, &conf->order_by);
    if (conf->idempotency) {
        f->key = compile_expr(l, &conf->idempotency->key);
        f->no_key = conf->idempotency->off;
    }
    load_targets(l, f);
    f->expand = f->n_targets > 1;
    fill_retry(&conf->retry, &f->retry);
    f->steps = tl_arena_zalloc(l->plan->arena, (conf->steps.n + 1) * sizeof *f->steps);
    f->n_steps = conf->steps.n;
    for (size_t i = 0; i < f->n_steps; i++)
        load_step(l, f, &f->steps[i], CONFIG_AT(conf->steps, struct config_choice, i));
    /* At the end of a long job its record is made again for the cross-reference, and steps run only once. */
    for (size_t i = 0; i < f->n_targets && f->n_steps > 0; i++)
        f->expand |= f->targets[i].operation && f->targets[i].operation->resume && f->targets[i].conf->xref;
}

/* Each receiver of alerts is a flow, `alerts.NAME`: its notifications are retried, die and are replayed like any other
 * delivery. */
static void load_receiver(struct loader *l, size_t i)
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

static void load_flows(struct loader *l)
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

/* Twice, as one mapping may feed from what another makes. */
static void mark_sources(struct flow_plan *p)
{
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < p->n_flows; i++) {
            const struct flow *f = &p->flows[i];

            for (size_t k = 0; k < f->n_steps; k++)
                if (f->steps[k].kind == FLOW_STEP_MAP && f->steps[k].expr)
                    flow__pii_mapping(p, f->steps[k].expr);
            for (size_t k = 0; k < f->n_targets; k++)
                if (f->targets[k].map)
                    flow__pii_mapping(p, f->targets[k].map);
        }
    }
}

/* Keys and ids stand in lists, where nobody knows the payload that they were made of. */
static void mark_keys(struct flow_plan *p)
{
    for (size_t i = 0; i < p->n_flows; i++) {
        struct flow *f = &p->flows[i];

        f->order_by_hidden = flow__pii_fed(p, f->order_by);
        for (size_t k = 0; k < f->n_steps; k++)
            f->steps[k].id_hidden = flow__pii_fed(p, f->steps[k].id);
        for (size_t k = 0; k < f->n_targets; k++) {
            f->targets[k].id_hidden = flow__pii_fed(p, f->targets[k].xref_id);
            f->targets[k].answer_hidden = flow__pii_fed(p, f->targets[k].xref_answer);
            f->targets[k].mark_hidden = flow__pii_fed(p, f->targets[k].mark);
        }
    }
}

/* `version` may stand in the file that could not be read. */
static void assume_version(struct loader *l, struct config_node *root)
{
    struct config_entry *entries;
    struct config_node *one;

    if (l->whole || config_get(root, "version"))
        return;
    entries = tl_arena_must(l->plan->files->arena, (root->n + 1) * sizeof *entries);
    one = tl_arena_must(l->plan->files->arena, sizeof *one);
    *one = (struct config_node){.kind = CONFIG_NODE_NUMBER, .at = root->at, .text = TL_SV("1")};
    if (root->n)
        memcpy(entries, root->entries, root->n * sizeof *entries);
    entries[root->n++] = (struct config_entry){.key = "version", .at = root->at, .value = one};
    root->entries = entries;
}

static void load_parts(struct loader *l)
{
    struct flow_plan *p = l->plan;

    flow__check_listeners(p, l->e);
    if (knows_receivers(l))
        alert_names_check(&p->project->alerts, l->e);
    if (l->whole)
        flow__check_secrets(p, l->e);
    flow__load_models(p, l->e);
    load_mappings(l);
    load_connections(l);
    load_flows(l);
    check_all_own(l);
    if (l->opt->config.check_files)
        flow__check_tls(p, l->e);
    flow__check_spans(p, l->e);
}

/* From the files; or as it was read for another plan. NULL: there is nothing to be read. */
static struct config_node *take_tree(struct loader *l, const char *path)
{
    struct flow_plan *p = l->plan;
    struct config_node *root = NULL;

    if (l->opt->same) {
        p->files = l->opt->same->files;
        __atomic_add_fetch(&p->files->refs, 1, __ATOMIC_RELAXED);
        l->whole = true;
        return p->files->node;
    }
    p->files = tl_zalloc(sizeof *p->files);
    *p->files = (struct flow_files){.refs = 1, .arena = tl_arena_new((size_t)1 << 30), .texts = tl_map_new()};
    (void)!config_load_partly(p->files->arena, path, l->e, &root, &l->whole);
    if (root)
        assume_version(l, root);
    p->files->node = root;
    return root;
}

static void files_unref(struct flow_files *f)
{
    if (!f || __atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    tl_arena_free(f->arena);
    tl_map_free(f->texts);
    tl_free(f);
}

enum tl_rc flow_plan_load(const char *path, const struct flow_load_options *options, struct config_errors *e,
                          struct flow_plan **ret_plan)
{
    struct flow_plan *p = tl_zalloc(sizeof *p);
    struct loader l = {.plan = p, .opt = options, .e = e};
    struct config_node *root;
    void *project = NULL;

    p->refs = 1;
    p->arena = tl_arena_new((size_t)1 << 30);
    p->mappings = tl_map_new();
    p->models = tl_map_new();
    root = take_tree(&l, path);
    if (root) {
        p->node = root;
        (void)!config_parse_partly(p->arena, &flow_project_spec, root, &options->config, e, &project);
    }
    p->project = project;
    if (project)
        load_parts(&l);
    if (project && options->look)
        options->look(options->look_arg, p, e);
    if (config_errors_count(e)) {
        flow_plan_unref(p);
        return TL_CONFIG;
    }
    mark_sources(p);
    mark_keys(p);
    if (!options->same)
        p->files->complete = true;
    *ret_plan = p;
    return TL_OK;
}

struct flow_plan *flow_plan_ref(struct flow_plan *p)
{
    __atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
    return p;
}

void flow_plan_unref(struct flow_plan *p)
{
    if (!p || __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (p->on_free)
        p->on_free(p);
    tl_arena_free(p->arena);
    tl_map_free(p->mappings);
    tl_map_free(p->models);
    files_unref(p->files);
    tl_free(p);
}

const struct flow_project *flow_plan_project(const struct flow_plan *p)
{
    return p->project;
}

const struct config_node *flow_plan_node(const struct flow_plan *p)
{
    return p->node;
}

uint64_t flow_plan_version(const struct flow_plan *p)
{
    return p->version;
}

const char *flow_plan_flow_name(const struct flow_plan *p, size_t i)
{
    return i < p->n_flows ? p->flows[i].name : NULL;
}

struct mapping *flow_plan_mapping(const struct flow_plan *p, struct tl_sv name)
{
    return tl_map_get(p->mappings, name);
}
