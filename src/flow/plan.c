/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.c - from a configuration to a plan: names looked up, expressions compiled, verifiers built. All errors are found
 * in one reading: a plan is loaded also from what has errors, as far as it could be read, and thrown away at the end.
 * So what is required may be absent here, and where something is at fault already, what follows from it is not said.
 */
#include "flow/plan_int.h"

bool flow__is_missing(const struct flow_loader *l, const char *section, const char *name)
{
    const struct config_node *all = config_get(l->plan->node, section);

    return l->whole && (!all || (all->kind == CONFIG_NODE_MAP && !config_get(all, name)));
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
static void assume_version(struct flow_loader *l, struct config_node *root)
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

static void load_parts(struct flow_loader *l)
{
    struct flow_plan *p = l->plan;

    flow__check_listeners(p, l->e);
    if (flow__knows_receivers(l))
        alert_names_check(&p->project->alerts, l->e);
    if (l->whole)
        flow__check_secrets(p, l->e);
    flow__load_models(p, l->e);
    flow__load_mappings(l);
    flow__load_connections(l);
    flow__load_flows(l);
    flow__check_paths(p, l->e);
    flow__check_all_own(l);
    if (l->opt->config.check_files) {
        flow__check_tls(p, l->e);
        flow__check_reserve(p, l->e);
    }
    flow__check_spans(p, l->e);
}

/* From the files; or as it was read for another plan. NULL: there is nothing to be read. */
static struct config_node *take_tree(struct flow_loader *l, const char *path)
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
    struct flow_loader l = {.plan = p, .opt = options, .e = e};
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
