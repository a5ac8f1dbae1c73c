/* SPDX-License-Identifier: Apache-2.0 */
/* models.c - canonical models: JSON Schema files, compiled with formats asserted. */
#include "flow/flow_int.h"

#include <fcntl.h>
#include <unistd.h>

enum { MAX_MODEL_BYTES = 4 << 20 };

bool flow__read_file(const char *path, size_t max, struct tl_buf *b)
{
    char *room;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    tl_buf_init(b, max);
    if (fd < 0)
        return false;
    while ((room = tl_buf_reserve(b, 4096)) && (got = read(fd, room, 4096)) > 0)
        tl_buf_added(b, (size_t)got);
    close(fd);
    return room && got == 0;
}

bool flow__plan_file(struct flow_plan *p, const char *path, size_t max, struct tl_buf *b)
{
    const struct tl_sv *kept = tl_map_get(p->files->texts, tl_sv_str(path));
    struct tl_sv *keep;

    if (kept) {
        tl_buf_init(b, max);
        return tl_buf_sv(b, *kept);
    }
    if (!flow__read_file(path, max, b))
        return false;
    if (p->files->complete)
        return true;
    keep = tl_arena_must(p->files->arena, sizeof *keep);
    *keep = tl_sv(tl_arena_strndup(p->files->arena, b->p ? b->p : "", b->n), b->n);
    (void)tl_map_put(p->files->texts, tl_sv_str(path), keep);
    return true;
}

/* The JSON of a file; it lives in the plan's arena. False: an error was added. */
static bool read_schema(struct flow_plan *p, const struct config_map_entry *entry, struct config_errors *e,
                        struct json *ret)
{
    const char *path = *(const char *const *)entry->value;
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct tl_err err = {0};
    struct tl_sv kept;

    if (!path) /* the parser said what is wrong with it */
        return false;
    if (!flow__plan_file(p, path, MAX_MODEL_BYTES, &text)) {
        config_error(e, entry->at, "Check the path and that it is below 4 MB.", "cannot read the model %s", path);
        return false;
    }
    kept = tl_arena_sv(p->arena, tl_buf_view(&text));
    config_errors_source(e, path, kept);
    if (json_parse(p->arena, kept, 0, NULL, ret, &err) == TL_OK)
        return true;
    config_error(e, (struct config_place){path, err.line, err.column}, NULL, "this model is not JSON: %s", err.text);
    return false;
}

/* What `schemas:` maps: address -> schema. *ret_all false: one of them could not be read. */
static struct json documents_of(struct flow_plan *p, struct config_errors *e, bool *ret_all)
{
    const struct config_map *all = &p->project->schemas;
    struct json_builder b;
    struct json v;

    json_object_begin(&b, p->arena, all->n);
    for (size_t i = 0; i < all->n; i++) {
        if (read_schema(p, &all->entries[i], e, &v))
            (void)json_adds(&b, all->entries[i].key, v);
        else
            *ret_all = false;
    }
    return all->n ? json_end(&b) : JSON_NOTHING;
}

void flow__load_models(struct flow_plan *p, struct config_errors *e)
{
    const struct config_map *all = &p->project->models;
    bool all_schemas = !config_is_faulty(e, config_get(p->node, "schemas"));
    const struct json_schema_options options = {.formats = true, .documents = documents_of(p, e, &all_schemas)};

    for (size_t i = 0; i < all->n; i++) {
        const struct config_map_entry *entry = &all->entries[i];
        struct json_schema *s = NULL;
        struct tl_err err = {0};
        struct json v;

        if (!read_schema(p, entry, e, &v))
            continue;
        if (json_schema_compile(v, &options, &s, &err) != TL_OK) {
            bool elsewhere = strstr(err.text, "$ref leads to") != NULL;

            if (!elsewhere || all_schemas)
                config_error(e, (struct config_place){*(const char *const *)entry->value, 1, 1},
                             elsewhere ? "Give its address a file under `schemas:`." : NULL,
                             "this model is not a JSON Schema: %s", err.text);
            continue;
        }
        tl_arena_on_free(p->arena, (void (*)(void *))json_schema_unref, s);
        tl_map_put(p->models, tl_sv_str(entry->key), s);
        flow__pii_model(p, v, options.documents);
    }
}
