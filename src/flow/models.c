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

static struct json_schema *load_model(struct flow_plan *p, const char *path, struct config_place at,
                                      struct config_errors *e)
{
    const struct json_schema_options options = {.formats = true};
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct json_schema *s = NULL;
    struct tl_err err = {0};
    struct json v;

    if (!flow__read_file(path, MAX_MODEL_BYTES, &text)) {
        config_error(e, at, "Check the path and that it is below 4 MB.", "cannot read the model %s", path);
        return NULL;
    }
    config_errors_source(e, path, tl_buf_view(&text));
    if (json_parse(p->arena, tl_buf_view(&text), 0, NULL, &v, &err) != TL_OK) {
        config_error(e, (struct config_place){path, err.line, err.column}, NULL, "this model is not JSON: %s",
                     err.text);
        return NULL;
    }
    if (json_schema_compile(v, &options, &s, &err) != TL_OK)
        config_error(e, (struct config_place){path, 1, 1}, NULL, "this model is not a JSON Schema: %s", err.text);
    return s;
}

void flow__load_models(struct flow_plan *p, struct config_errors *e)
{
    const struct config_map *all = &p->project->models;

    for (size_t i = 0; i < all->n; i++) {
        struct json_schema *s = load_model(p, *(const char *const *)all->entries[i].value, all->entries[i].at, e);

        if (!s)
            continue;
        tl_arena_on_free(p->arena, (void (*)(void *))json_schema_unref, s);
        tl_map_put(p->models, tl_sv_str(all->entries[i].key), s);
    }
}
