/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.c - files. A configuration is one file, a directory, or a file that includes others; at the top, maps of the
 * same key (flows, connections) are put together, and nothing may be said twice.
 */
#include "config/config_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct loader {
    struct tl_arena *arena;
    struct config_errors *e;
    struct config_node *root;
    char *files[CONFIG_MAX_FILES]; /* resolved, so that a file included twice is read once */
    size_t n_files, bytes;
    bool partly; /* something of it could not be read */
};

static void load_path(struct loader *l, const char *path, struct config_place from, unsigned depth);

static bool read_file(struct loader *l, const char *path, struct config_place from, struct tl_buf *b)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    ssize_t got = 0;
    char *room;

    if (fd < 0 || fstat(fd, &st) != 0) {
        config_error(l->e, from,
                     errno == ENOENT && !from.file ? "Name another one; `tieline init` makes one to begin with." : NULL,
                     "the file %s cannot be read: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        config_error(l->e, from, NULL, "%s is not a file", path);
    } else if (st.st_size > CONFIG_MAX_FILE || (l->bytes += (size_t)st.st_size) > CONFIG_MAX_TOTAL) {
        config_error(l->e, from, "Split the file; all together may have 16 MB.",
                     "the file %s is larger than 4 MB, or the files together are too large", path);
    } else {
        while ((room = tl_buf_reserve(b, 65536)) != NULL && (got = read(fd, room, 65536)) > 0)
            tl_buf_added(b, (size_t)got);
        if (got < 0 || !room)
            config_error(l->e, from, NULL, "the file %s cannot be read: %s", path,
                         room ? strerror(errno) : "too large");
        (void)close(fd);
        return got == 0 && room;
    }
    if (fd >= 0)
        (void)close(fd);
    return false;
}

/* ---- putting the tops together ---- */

static void merge_maps(struct loader *l, const char *name, struct config_node *into, const struct config_node *from)
{
    TL_CLEANUP(config__keys_done) struct config__keys keys = {0};

    for (uint32_t i = 0; i < from->n; i++) {
        const struct config_entry *en = &from->entries[i];
        size_t earlier = config__keys_seen(&keys, into, en->key);

        if (earlier != SIZE_MAX)
            config_error(l->e, en->at, "Remove or rename one of them.", "`%s.%.80s` is also given in %s, line %d", name,
                         en->key, into->entries[earlier].at.file, into->entries[earlier].at.line);
        else if (!config__add(l->arena, into, en->key, en->at, en->value))
            (void)config__no_memory(l->e);
    }
}

static void merge_entry(struct loader *l, const struct config_entry *en)
{
    struct config_entry *there = config__entry(l->root, en->key);

    if (!there) {
        if (!config__add(l->arena, l->root, en->key, en->at, en->value))
            (void)config__no_memory(l->e);
    } else if (there->value->kind == CONFIG_NODE_MAP && en->value->kind == CONFIG_NODE_MAP) {
        merge_maps(l, en->key, there->value, en->value);
    } else if (!(strcmp(en->key, "version") == 0 && config__is_scalar(en->value) &&
                 tl_sv_eq(en->value->text, there->value->text))) {
        config_error(l->e, en->at, "Keep one of them.", "`%.80s` is also given in %s, line %d", en->key, there->at.file,
                     there->at.line);
    }
}

/* ---- include ---- */

static void include_pattern(struct loader *l, const char *pattern, struct config_place at, unsigned depth)
{
    glob_t g = {0};
    int rc;

    if (!strpbrk(pattern, "*?[")) {
        load_path(l, pattern, at, depth + 1);
        return;
    }
    rc = glob(pattern, 0, NULL, &g);
    if (rc == GLOB_NOMATCH || (rc == 0 && g.gl_pathc == 0))
        config_error(l->e, at, "The path is relative to the file it is written in.", "no file matches %.200s", pattern);
    else if (rc != 0)
        config_error(l->e, at, NULL, "the directory of %.200s cannot be read", pattern);
    for (size_t i = 0; rc == 0 && i < g.gl_pathc; i++)
        load_path(l, g.gl_pathv[i], at, depth + 1);
    globfree(&g);
}

static void include_one(struct loader *l, const struct config_node *n, unsigned depth)
{
    const char *path;

    if (!config__is_scalar(n) || n->text.n == 0) {
        config_error(l->e, n->at, "Write `include: [flows/*.yaml]`.", "include must be paths, not %s",
                     config_kind_name(n));
        return;
    }
    path = config__relative(l->arena, n->at, n->text);
    if (path)
        include_pattern(l, path, n->at, depth);
    else
        (void)config__no_memory(l->e);
}

static void include(struct loader *l, const struct config_node *n, unsigned depth)
{
    size_t before = config_errors_count(l->e);

    if (depth >= 8)
        config_error(l->e, n->at, NULL, "files include each other more than 8 deep");
    else if (n->kind != CONFIG_NODE_LIST)
        include_one(l, n, depth);
    else
        for (uint32_t i = 0; i < n->n; i++)
            include_one(l, n->items[i], depth);
    l->partly |= config_errors_count(l->e) != before;
}

/* ---- files and directories ---- */

/* True when it was read before (or there are too many): a file that two patterns match counts once. */
static bool seen(struct loader *l, const char *path, struct config_place from)
{
    char *real = realpath(path, NULL);
    char *copy = real ? tl_arena_strdup(l->arena, real) : NULL;

    tl_free(real); /* realpath allocates */
    if (!copy)
        return false; /* reading it will say why */
    for (size_t i = 0; i < l->n_files; i++)
        if (strcmp(l->files[i], copy) == 0)
            return true;
    if (l->n_files == CONFIG_MAX_FILES) {
        config_error(l->e, from, "Put some of them together.", "the configuration has more than %d files",
                     CONFIG_MAX_FILES);
        return true;
    }
    l->files[l->n_files++] = copy;
    return false;
}

static void load_file(struct loader *l, const char *path, struct config_place from, unsigned depth)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct config_node *n;

    if (seen(l, path, from))
        return;
    tl_buf_init(&b, CONFIG_MAX_FILE + 65536);
    if (!read_file(l, path, from, &b)) {
        l->partly = true;
        return;
    }
    if (config__parse_yaml(l->arena, path, tl_buf_view(&b), l->e, &n) != TL_OK && !n) {
        l->partly = true;
        return;
    }
    if (n->kind != CONFIG_NODE_MAP) {
        l->partly = true;
        config_error(l->e, n->at, "Begin with `version: 1`.", "a configuration is a map of keys, not %s",
                     config_kind_name(n));
        return;
    }
    for (uint32_t i = 0; i < n->n; i++)
        if (strcmp(n->entries[i].key, "include") != 0)
            merge_entry(l, &n->entries[i]);
    for (uint32_t i = 0; i < n->n; i++)
        if (strcmp(n->entries[i].key, "include") == 0)
            include(l, n->entries[i].value, depth);
}

static int is_yaml(const struct dirent *d)
{
    struct tl_sv name = tl_sv_str(d->d_name);

    return name.p[0] != '.' && (tl_sv_ends(name, TL_SV(".yaml")) || tl_sv_ends(name, TL_SV(".yml")));
}

static void load_dir(struct loader *l, const char *path, struct config_place from, unsigned depth)
{
    struct dirent **list = NULL;
    int n = scandir(path, &list, is_yaml, alphasort);
    size_t len = strlen(path);

    l->partly |= n <= 0;
    if (n < 0)
        config_error(l->e, from, NULL, "the directory %s cannot be read: %s", path, strerror(errno));
    if (n == 0)
        config_error(l->e, from, NULL, "the directory %s has no file *.yaml", path);
    for (int i = 0; i < n; i++) {
        const char *file =
            tl_arena_printf(l->arena, "%s%s%s", path, len && path[len - 1] == '/' ? "" : "/", list[i]->d_name);

        if (file)
            load_file(l, file, from, depth);
        tl_free(list[i]); /* scandir allocates */
    }
    tl_free(list);
}

static void load_path(struct loader *l, const char *path, struct config_place from, unsigned depth)
{
    struct stat st;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        load_dir(l, path, from, depth);
    else
        load_file(l, path, from, depth);
}

enum tl_rc config_load_partly(struct tl_arena *a, const char *path, struct config_errors *e, struct config_node **ret,
                              bool *ret_whole)
{
    struct loader *l = tl_zalloc(sizeof *l);
    size_t before = config_errors_count(e);
    struct stat st;
    bool dir = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    /* With the slash, what is relative to "the file" is relative to the directory. */
    const char *copy = tl_arena_printf(a, "%s%s", path, dir ? "/" : "");
    struct config_node *root = NULL;

    *l = (struct loader){.arena = a, .e = e};
    if (copy)
        l->root = root = config__node(a, CONFIG_NODE_MAP, (struct config_place){.file = copy});
    if (root)
        load_path(l, path, (struct config_place){0}, 0);
    else
        (void)config__no_memory(e);
    if (root && !dir) /* what is missing at the top is shown in the file */
        root->at = (struct config_place){.file = copy, .line = 1, .column = 1};
    *ret = root;
    *ret_whole = root && !l->partly;
    tl_free(l);
    return config_errors_count(e) == before ? TL_OK : TL_CONFIG;
}

enum tl_rc config_load(struct tl_arena *a, const char *path, struct config_errors *e, struct config_node **ret)
{
    struct config_node *root;
    bool whole;

    if (config_load_partly(a, path, e, &root, &whole) != TL_OK)
        return TL_CONFIG;
    *ret = root;
    return TL_OK;
}
