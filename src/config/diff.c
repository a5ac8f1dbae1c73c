/* SPDX-License-Identifier: Apache-2.0 */
/* diff.c - which paths two trees differ in, and which of them need a restart. Values are never told: one of them may be
 * a secret. */
#include "config/config_int.h"

#include <stdlib.h>

struct differ {
    struct tl_arena *arena;
    struct config_change *list;
    size_t n, max;
    const struct config_spec *only_restart; /* NULL: all changes */
};

/* The last field on the way that says anything has the word: `server.tls` is for a start, `server.tls.key` is not. */
static bool needs_restart(const struct config_spec *spec, const char *path)
{
    enum config_reload said = CONFIG_RELOAD_UNSAID;

    while (spec) {
        size_t n = strcspn(path, ".[");
        const struct config_field *f = config__field_named(spec, tl_sv(path, n));

        if (!f)
            break;
        if (f->reload != CONFIG_RELOAD_UNSAID)
            said = f->reload;
        path += path[n] == '.' ? n + 1 : n;
        spec = f->type == CONFIG_OBJECT || f->type == CONFIG_OBJECT_REF ? f->spec : NULL;
    }
    return said != CONFIG_RELOAD_APPLIES;
}

static void put(struct differ *d, int what, const struct config__path *path, struct config_place at)
{
    char text[CONFIG_PATH_TEXT];
    const char *copy;

    if (d->n == d->max)
        return;
    (void)config__path_text(path, text);
    if (d->only_restart && !needs_restart(d->only_restart, text))
        return;
    copy = tl_arena_strdup(d->arena, text);
    if (!copy)
        return;
    d->list[d->n].what = what;
    d->list[d->n].path = copy;
    d->list[d->n++].at = at;
}

static void compare(struct differ *d, const struct config__path *path, const struct config_node *a,
                    const struct config_node *b);

static void compare_lists(struct differ *d, const struct config__path *path, const struct config_node *a,
                          const struct config_node *b)
{
    for (uint32_t i = 0; i < a->n || i < b->n; i++) {
        struct config__path here = {.up = path, .index = i};

        if (i >= b->n)
            put(d, CONFIG_REMOVED, &here, a->items[i]->at);
        else if (i >= a->n)
            put(d, CONFIG_ADDED, &here, b->items[i]->at);
        else
            compare(d, &here, a->items[i], b->items[i]);
    }
}

static void compare_maps(struct differ *d, const struct config__path *path, const struct config_node *a,
                         const struct config_node *b)
{
    struct tl_map *index = tl_map_new(); /* of b; what a has too is taken out of it */
    struct config_entry *en;
    struct tl_sv key;
    void *value;

    for (uint32_t i = 0; i < b->n; i++)
        (void)tl_map_put(index, tl_sv_str(b->entries[i].key), &b->entries[i]);
    for (uint32_t i = 0; i < a->n; i++) {
        struct config__path here = {.up = path, .name = a->entries[i].key};

        en = tl_map_remove(index, tl_sv_str(here.name));
        if (en)
            compare(d, &here, a->entries[i].value, en->value);
        else
            put(d, CONFIG_REMOVED, &here, a->entries[i].at);
    }
    for (size_t i = 0; tl_map_next(index, &i, &key, &value);) {
        en = value;
        put(d, CONFIG_ADDED, &(struct config__path){.up = path, .name = en->key}, en->at);
    }
    tl_map_free(index);
}

static void compare(struct differ *d, const struct config__path *path, const struct config_node *a,
                    const struct config_node *b)
{
    bool scalars = config__is_scalar(a) && config__is_scalar(b);

    if (scalars && tl_sv_eq(a->text, b->text) && (a->kind == CONFIG_NODE_NULL) == (b->kind == CONFIG_NODE_NULL))
        return;
    if (a->kind == CONFIG_NODE_LIST && b->kind == CONFIG_NODE_LIST)
        compare_lists(d, path, a, b);
    else if (a->kind == CONFIG_NODE_MAP && b->kind == CONFIG_NODE_MAP)
        compare_maps(d, path, a, b);
    else
        put(d, CONFIG_CHANGED, path, b->at);
}

static int by_path(const void *va, const void *vb)
{
    const struct config_change *a = va, *b = vb;
    int c = strcmp(a->path, b->path);

    return c ? c : (a->what > b->what) - (a->what < b->what);
}

static struct config_change *all(struct differ *d, const struct config_node *before, const struct config_node *after,
                                 size_t *ret_n)
{
    d->list = tl_arena_zalloc(d->arena, d->max * sizeof *d->list + 1);
    if (!d->list)
        d->max = 0;
    compare(d, NULL, before, after);
    if (d->n)
        qsort(d->list, d->n, sizeof *d->list, by_path);
    *ret_n = d->n;
    return d->list;
}

struct config_change *config_diff(struct tl_arena *a, const struct config_node *before, const struct config_node *after,
                                  size_t max, size_t *ret_n)
{
    struct differ d = {.arena = a, .max = max};

    return all(&d, before, after, ret_n);
}

struct config_change *config_needs_restart(struct tl_arena *a, const struct config_spec *spec,
                                           const struct config_node *before, const struct config_node *after,
                                           size_t max, size_t *ret_n)
{
    struct tl_arena *scratch = tl_arena_new(128 << 20);
    const struct config_node *was = config__effective(scratch, true, spec, before);
    const struct config_node *is = config__effective(scratch, true, spec, after);
    struct differ d = {.arena = a, .max = max, .only_restart = spec};
    struct config_change *list = all(&d, was ? was : before, is ? is : after, ret_n);

    tl_arena_free(scratch);
    return list;
}

struct json config_diff_json(struct tl_arena *a, const struct config_change *c, size_t n)
{
    static const char *const names[] = {"added", "removed", "changed"};
    struct json_builder all, one;

    json_array_begin(&all, a, n);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&one, a, 4);
        json_adds(&one, "change", json_str(names[c[i].what]));
        json_adds(&one, "path", json_str(c[i].path));
        if (c[i].at.file)
            json_adds(&one, "file", json_str(c[i].at.file));
        if (c[i].at.line > 0)
            json_adds(&one, "line", json_int(c[i].at.line));
        json_push(&all, json_end(&one));
    }
    return json_end(&all);
}
