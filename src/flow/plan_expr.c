/* SPDX-License-Identifier: Apache-2.0 */
/* plan_expr.c - expressions and mappings of a plan: compiled, and where in a file a fault of theirs stands. */
#include "flow/plan_int.h"

enum { MAX_MAPPING_BYTES = 1 << 20 };

struct text {
    struct tl_sv text;
    const char *file;             /* the text is all of it; or ... */
    const struct config_text *in; /* ... it stands in the configuration */
};

/* The place of a line and column of the text (0: unknown) in a file; false: of the text as a whole. */
static bool place_in(const struct flow_loader *l, const struct text *t, int32_t line, int32_t column,
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

static void does_not_compile(struct flow_loader *l, enum mapping_kind kind, const struct text *t,
                             const struct tl_err *err)
{
    struct config_place at;
    int32_t line = err->line > 0 || kind != MAPPING_JQ ? err->line : flow__line_in(err->text);

    if (place_in(l, t, line, err->column, &at) || err->line <= 0)
        config_error(l->e, at, NULL, "this %s does not compile: %s", mapping_kind_name(kind), err->text);
    else
        config_error(l->e, at, NULL, "this %s does not compile (its line %d, column %d): %s", mapping_kind_name(kind),
                     err->line, err->column, err->text);
}

static struct mapping *compile_text(struct flow_loader *l, enum mapping_kind kind, const struct text *t, bool strict)
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

static struct mapping *compile_strict(struct flow_loader *l, const struct config_text *t, bool strict)
{
    return compile_text(l, MAPPING_JSONATA, &(struct text){.text = tl_sv_str(t->text), .in = t}, strict);
}

struct mapping *flow__compile(struct flow_loader *l, const struct config_text *t)
{
    return t->text ? compile_strict(l, t, false) : NULL;
}

static struct mapping *compile_file(struct flow_loader *l, enum mapping_kind kind, const char *path, bool strict,
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

void flow__load_mappings(struct flow_loader *l)
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

struct mapping *flow__use_map(struct flow_loader *l, const struct flow_map_conf *c, const struct config_node *map,
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
        return flow__compile(l, &c->jsonata);
    if (c->file)
        return compile_file(l, MAPPING_JSONATA, c->file, false, at);
    m = tl_map_get(l->plan->mappings, tl_sv_str(c->use.text));
    if (!m && flow__is_missing(l, "mappings", c->use.text))
        config_error(l->e, c->use.at, "Define it under `mappings:`.", "there is no mapping '%s'", c->use.text);
    return m;
}
