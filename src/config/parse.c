/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse.c - tree + table -> struct. Goes on after a fault, so that one reading finds them all; a struct is handed out
 * only when there was none. Depth is bounded by the tree's (CONFIG_MAX_DEPTH); tables recurse only through references.
 */
#include "config/config_int.h"

#include <stdio.h>

static bool parse_value(struct config__parse *p, const struct config__path *path, const struct config_field *f,
                        const struct config_node *n, void *dst);
static bool parse_object(struct config__parse *p, const struct config__path *path, const struct config_spec *spec,
                         const struct config_node *n, void *conf);

char *config__path_text(const struct config__path *path, char buf[CONFIG_PATH_TEXT])
{
    const struct config__path *stack[2 * CONFIG_MAX_DEPTH + 8];
    size_t n = 0, at = 0;

    buf[0] = '\0';
    for (; path && n < TL_COUNT(stack); path = path->up)
        stack[n++] = path;
    while (n > 0 && at < CONFIG_PATH_TEXT - 1) {
        int wrote;

        path = stack[--n];
        if (path->name)
            wrote = snprintf(buf + at, CONFIG_PATH_TEXT - at, "%s%s", at ? "." : "", path->name);
        else
            wrote = snprintf(buf + at, CONFIG_PATH_TEXT - at, "[%zu]", path->index);
        at += wrote > 0 ? (size_t)wrote : 0;
    }
    return buf;
}

bool config__fault(struct config__parse *p, const struct config__path *path, const struct config_node *n,
                   const char *hint, const char *fmt, ...)
{
    const char *whole = p->opt->whole ? p->opt->whole : "the configuration";
    char where[CONFIG_PATH_TEXT], text[400];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    config__path_text(path, where);
    config_error(p->e, n->at, hint, "%s %s", *where ? where : whole, text);
    return false;
}

/* ---- lists and maps ---- */

static bool count_ok(struct config__parse *p, const struct config__path *path, const struct config_field *f,
                     const struct config_node *n, size_t count)
{
    if (f->min > 0 && count < (size_t)f->min)
        return config__fault(p, path, n, NULL, "must have at least %lld, and has %zu", (long long)f->min, count);
    if (f->max > 0 && count > (size_t)f->max)
        return config__fault(p, path, n, NULL, "may have at most %lld, and has %zu", (long long)f->max, count);
    return true;
}

static bool parse_list(struct config__parse *p, const struct config__path *path, const struct config_field *f,
                       const struct config_node *n, struct config_list *dst)
{
    struct config_node *single = NULL;
    size_t count = n->n, size = config__size(f->item);
    bool ok = true;
    char *items;

    if (n->kind != CONFIG_NODE_LIST) {
        if (!f->one_or_many || n->kind == CONFIG_NODE_NULL)
            return config__fault(p, path, n, n->kind == CONFIG_NODE_NULL ? "Remove the key, or write []." : NULL,
                                 "must be a list, not %s", config_kind_name(n));
        count = 1;
        memcpy(&single, &n, sizeof single); /* only read */
    }
    if (!count_ok(p, path, f, n, count))
        return false;
    items = tl_arena_zalloc(p->arena, count * size + 1);
    if (!items)
        return config__no_memory(p->e);
    for (size_t i = 0; i < count; i++) {
        struct config__path here = {.up = path, .index = i};

        ok &= parse_value(p, single ? path : &here, f->item, single ? single : n->items[i], items + i * size);
    }
    *dst = (struct config_list){.items = items, .n = count};
    return ok;
}

static bool name_ok(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_.-");

    return n > 0 && n <= 64 && s[n] == '\0' && strchr("_.-", s[0]) == NULL;
}

static bool parse_map(struct config__parse *p, const struct config__path *path, const struct config_field *f,
                      const struct config_node *n, struct config_map *dst)
{
    struct config_map_entry *entries;
    bool ok = true;

    if (n->kind != CONFIG_NODE_MAP)
        return config__fault(p, path, n, n->kind == CONFIG_NODE_NULL ? "Remove the key, or write {}." : NULL,
                             "must be a map of keys, not %s", config_kind_name(n));
    if (!count_ok(p, path, f, n, n->n))
        return false;
    entries = tl_arena_zalloc(p->arena, n->n * sizeof *entries + 1);
    if (!entries)
        return config__no_memory(p->e);
    for (size_t i = 0; i < n->n; i++) {
        const struct config_entry *from = &n->entries[i];
        struct config__path here = {.up = path, .name = from->key};

        entries[i] = (struct config_map_entry){.key = tl_arena_strdup(p->arena, from->key), .at = from->at};
        entries[i].value = tl_arena_zalloc(p->arena, config__size(f->item));
        if (!entries[i].value || !entries[i].key)
            return config__no_memory(p->e);
        if (f->names && !name_ok(from->key)) {
            config_error(p->e, from->at, "A name has up to 64 of a-z, 0-9, _ . - and begins with a letter or digit.",
                         "`%.80s` is not a name", from->key);
            ok = false;
        }
        ok &= parse_value(p, &here, f->item, from->value, entries[i].value);
    }
    *dst = (struct config_map){.entries = entries, .n = n->n};
    return ok;
}

void *config_map_get(const struct config_map *m, const char *key)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->entries[i].key, key) == 0)
            return m->entries[i].value;
    return NULL;
}

/* ---- choices ---- */

static bool unknown_key(struct config__parse *p, const struct config__path *path, struct config_place at,
                        const char *key, const struct config__names *names)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf hint = {0};
    char where[CONFIG_PATH_TEXT];
    const char *near;

    key = key ? key : ""; /* an empty text has no address */
    tl_buf_init(&hint, 4000);
    config__suggest(tl_sv_str(key), names->names, names->n, &hint);
    config__path_text(path, where);
    config_error(p->e, at, hint.p, "`%.80s` is not known%s%s", key, *where ? " in " : " at the top", where);
    near = tl_nearest(tl_sv_str(key), names->names, names->n);
    if (near && config__sounds_secret(tl_sv_str(near))) /* `pasword: hunter2` */
        config__hide_line(p->e);
    return false;
}

/* An alias stands there: its reader said so, and what follows from it is not said, too. */
static bool is_told(const struct config__parse *p, const struct config_node *n)
{
    return n->kind == CONFIG_NODE_NULL && config_is_faulty(p->e, n);
}

/* The value of one variant: its struct itself for objects, else memory of its type. */
static bool parse_variant(struct config__parse *p, const struct config__path *path, const struct config_field *v,
                          const struct config_node *n, const void **ret_conf)
{
    bool object = v->type == CONFIG_OBJECT || v->type == CONFIG_OBJECT_REF;
    void *conf = tl_arena_zalloc(p->arena, (object ? v->spec->size : config__size(v)) + 1);

    if (!conf)
        return config__no_memory(p->e);
    *ret_conf = conf;
    if (object && is_told(p, n))
        return false;
    return object ? parse_object(p, path, v->spec, n, conf) : parse_value(p, path, v, n, conf);
}

/* The choice is handed out also where its value is at fault. */
static bool chosen(struct config__parse *p, const struct config__path *path, const struct config_node *value,
                   struct config_choice *ch, struct config_choice *dst)
{
    bool ok = parse_variant(p, path, ch->variant, value, &ch->conf);

    if (ch->conf)
        *dst = *ch;
    return ok;
}

static bool not_one_key(struct config__parse *p, const struct config__path *path, const struct config_node *n,
                        const struct config__names *names, const char *what)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf hint = {0};

    tl_buf_init(&hint, 4000);
    config__suggest(TL_SV(""), names->names, names->n, &hint);
    return config__fault(p, path, n, hint.p, "%s", what);
}

static bool parse_one_of(struct config__parse *p, const struct config__path *path, const struct config_field *f,
                         const struct config_node *n, struct config_choice *dst)
{
    struct config_choice ch = {.node = n, .at = n->at};
    const struct config_node *value = NULL;
    struct config__names names = {.n = 0};
    struct config__path here = {.up = path};
    const char *key = NULL;

    config__names_variants(&names, f->variants);
    if (n->kind == CONFIG_NODE_STRING) { /* `verify: none` is `verify: {none: {}}` */
        key = n->text.p;
        value = config__node(p->arena, CONFIG_NODE_MAP, n->at);
    } else if (n->kind == CONFIG_NODE_MAP && n->n == 1) {
        key = n->entries[0].key;
        value = n->entries[0].value;
        ch.at = n->entries[0].at;
    } else {
        return not_one_key(p, path, n, &names,
                           n->kind == CONFIG_NODE_MAP && n->n > 1 ? "must have exactly one key, and has more"
                                                                  : "must have exactly one key, and has none");
    }
    ch.variant = config__variant_named(f->variants, tl_sv_str(key), &ch.index);
    if (!ch.variant && n->kind == CONFIG_NODE_STRING && !tl_nearest(n->text, names.names, names.n)) {
        (void)not_one_key(p, path, n, &names, "must be a map with one of the known keys");
        config__hide_line(p->e); /* `auth: hunter2`: it may be a secret in the wrong place */
        return false;
    }
    if (!ch.variant)
        return unknown_key(p, path, ch.at, key, &names);
    if (!value)
        return config__no_memory(p->e);
    here.name = ch.name = ch.variant->name;
    if (n->kind == CONFIG_NODE_STRING && ch.variant->type != CONFIG_OBJECT && ch.variant->type != CONFIG_OBJECT_REF)
        return config__fault(p, path, n, NULL, "needs a value: write {%s: ...}", ch.name);
    return chosen(p, &here, value, &ch, dst);
}

/* ---- objects ---- */

static bool parse_ref(struct config__parse *p, const struct config__path *path, const struct config_spec *spec,
                      const struct config_node *n, const void **dst)
{
    void *conf = tl_arena_zalloc(p->arena, spec->size + 1);

    if (!conf)
        return config__no_memory(p->e);
    *dst = conf;
    return parse_object(p, path, spec, n, conf);
}

static bool read_value(struct config__parse *p, const struct config__path *path, const struct config_field *f,
                       const struct config_node *n, void *dst)
{
    struct config__at c = {.p = p, .path = path, .f = f, .n = n};

    switch (f->type) {
    case CONFIG_SECRET:
        return config__parse_secret(&c, dst);
    case CONFIG_ANY:
        return true; /* parse_value() did it */
    case CONFIG_LIST:
        return parse_list(p, path, f, n, dst);
    case CONFIG_MAP:
        return parse_map(p, path, f, n, dst);
    case CONFIG_OBJECT:
        return parse_object(p, path, f->spec, n, dst);
    case CONFIG_OBJECT_REF:
        return parse_ref(p, path, f->spec, n, dst);
    case CONFIG_ONE_OF:
        return parse_one_of(p, path, f, n, dst);
    case CONFIG_STRING:
    case CONFIG_TEXT:
    case CONFIG_EXPR:
    case CONFIG_INT:
    case CONFIG_DOUBLE:
    case CONFIG_BOOL:
    case CONFIG_PERCENT:
    case CONFIG_DURATION:
    case CONFIG_DURATION_RANGE:
    case CONFIG_SIZE:
    case CONFIG_ENUM:
    case CONFIG_URL:
    case CONFIG_HOST_PORT:
    case CONFIG_ADDRESS:
    case CONFIG_CIDR:
    case CONFIG_FILE:
    case CONFIG_CRON:
    case CONFIG_ZONE:
        break;
    }
    return config__parse_scalar(&c, dst);
}

static bool parse_value(struct config__parse *p, const struct config__path *path, const struct config_field *f,
                        const struct config_node *n, void *dst)
{
    size_t before = p->unknown;
    bool ok;

    if (f->type == CONFIG_ANY) /* whatever it is: who asks for a node finds one where something is written */
        *(const struct config_node **)dst = n;
    if (is_told(p, n))
        return false;
    ok = read_value(p, path, f, n, dst);
    if (!ok || p->unknown != before)
        config_mark_faulty(p->e, n);
    return ok;
}

static bool parse_field(struct config__parse *p, const struct config__path *path, const struct config_field *f,
                        const struct config_node *object, char *conf)
{
    const struct config_node *n = config_get(object, f->name);
    struct config__path here = {.up = path, .name = f->name};
    struct config_node *absent = NULL;

    if (n && f->deprecated)
        config_warn(p->e, n->at, f->deprecated, "`%s` is out of date", f->name);
    if (n)
        return parse_value(p, &here, f, n, conf + f->offset);
    if (f->required)
        return config__fault(p, path, object, f->doc, "lacks `%s`", f->name);
    if (f->fallback)
        absent = config__fallback(p->arena, f, object->at, p->e);
    else if (f->type == CONFIG_OBJECT)
        absent = config__node(p->arena, CONFIG_NODE_MAP, object->at);
    else
        return true;
    return absent ? parse_value(p, &here, f, absent, conf + f->offset) : config__no_memory(p->e);
}

/* Tagged objects: the keys that the common fields lack go to the variant that the tag names. */
static bool parse_tagged(struct config__parse *p, const struct config__path *path, const struct config_spec *spec,
                         const struct config_node *n, struct config_choice *dst)
{
    const struct config_node *tag = config_get(n, spec->tag);
    struct config_node *rest = config__node(p->arena, CONFIG_NODE_MAP, n->at);
    struct config_choice ch = {.node = rest, .at = n->at};
    struct config__names names = {.n = 0};

    config__names_variants(&names, spec->variants);
    if (!tag || tag->kind == CONFIG_NODE_LIST || tag->kind == CONFIG_NODE_MAP) {
        TL_CLEANUP(tl_buf_done) struct tl_buf hint = {0};

        tl_buf_init(&hint, 4000);
        config__suggest(TL_SV(""), names.names, names.n, &hint);
        return config__fault(p, path, tag ? tag : n, hint.p, tag ? "must have a name as `%s`" : "lacks `%s`",
                             spec->tag);
    }
    ch.at = tag->at;
    ch.variant = config__variant_named(spec->variants, tag->text, &ch.index);
    if (!ch.variant)
        return unknown_key(p, &(struct config__path){.up = path, .name = spec->tag}, tag->at, tag->text.p, &names);
    ch.name = ch.variant->name;
    for (uint32_t i = 0; rest && i < n->n; i++) {
        const struct config_entry *en = &n->entries[i];

        if (strcmp(en->key, spec->tag) == 0 || config__field_named(spec, tl_sv_str(en->key)))
            continue;
        if (!config__field_named(ch.variant->spec, tl_sv_str(en->key))) {
            names.n = 0;
            config__names_spec(&names, spec);
            config__names_spec(&names, ch.variant->spec);
            (void)unknown_key(p, path, en->at, en->key, &names);
            config_mark_faulty(p->e, rest);
        } else if (!config__add(p->arena, rest, en->key, en->at, en->value)) {
            return config__no_memory(p->e);
        }
    }
    return rest ? chosen(p, path, rest, &ch, dst) : config__no_memory(p->e);
}

static bool all_known(struct config__parse *p, const struct config__path *path, const struct config_spec *spec,
                      const struct config_node *n)
{
    struct config__names names = {.n = 0};
    bool ok = true;

    config__names_spec(&names, spec);
    for (uint32_t i = 0; i < n->n; i++)
        if (!config__field_named(spec, tl_sv_str(n->entries[i].key)))
            ok = unknown_key(p, path, n->entries[i].at, n->entries[i].key, &names);
    return ok;
}

/* `schedule: "@hourly"` is `schedule: {cron: "@hourly"}` where the table says so. */
static const struct config_node *as_map(struct config__parse *p, const struct config_spec *spec,
                                        const struct config_node *n)
{
    struct config_node *map, *value;

    if (!spec->scalar || !config__is_scalar(n) || n->kind == CONFIG_NODE_NULL)
        return n;
    map = config__node(p->arena, CONFIG_NODE_MAP, n->at);
    memcpy(&value, &n, sizeof value); /* only read */
    return map && config__add(p->arena, map, spec->scalar, n->at, value) ? map : n;
}

static void run_checks(const struct config__parse *p, const struct config_spec *spec, const struct config_node *n,
                       const bool *sound, void *conf)
{
    for (size_t i = 0; i < spec->n_checks; i++) {
        struct tl_sv rest = tl_sv_str(spec->checks[i].reads), name;
        bool all = true;

        while (all && tl_sv_cut(&rest, ' ', &name)) {
            const struct config_field *f = config__field_named(spec, name);

            all = f && sound[f - spec->fields];
        }
        if (all)
            spec->checks[i].run(conf, n, p->e);
    }
}

/* Which of the fields are sound, as checks understand it: into `sound`. known: no key stands there that nobody knows.
 */
static bool parse_fields(struct config__parse *p, const struct config__path *path, const struct config_spec *spec,
                         const struct config_node *n, bool known, void *conf, bool *sound)
{
    bool all = true;

    for (size_t i = 0; i < spec->n_fields; i++) {
        size_t unknown = p->unknown;
        bool ok = parse_field(p, path, &spec->fields[i], n, conf);

        sound[i] = ok && p->unknown == unknown && (known || config_get(n, spec->fields[i].name));
        all &= ok;
    }
    return all;
}

static bool parse_object(struct config__parse *p, const struct config__path *path, const struct config_spec *spec,
                         const struct config_node *n, void *conf)
{
    size_t before = config_errors_count(p->e);
    bool ok = true, known = !config_is_faulty(p->e, n), *sound;

    n = as_map(p, spec, n);
    if (n->kind != CONFIG_NODE_MAP)
        return config__fault(p, path, n, n->kind == CONFIG_NODE_NULL ? "Remove the key, or write {}." : NULL,
                             "must be a map of keys, not %s", config_kind_name(n));
    if (spec->tag)
        known &= parse_tagged(p, path, spec, n, (struct config_choice *)(void *)((char *)conf + spec->choice_offset));
    else
        known &= all_known(p, path, spec, n);
    sound = tl_arena_zalloc(p->arena, spec->n_fields + 1);
    if (!sound)
        return config__no_memory(p->e);
    ok = parse_fields(p, path, spec, n, known, conf, sound);
    run_checks(p, spec, n, sound, conf);
    return ok && config_errors_count(p->e) == before;
}

enum tl_rc config_parse_partly(struct tl_arena *a, const struct config_spec *spec, const struct config_node *node,
                               const struct config_options *opt, struct config_errors *e, void **ret_conf)
{
    static const struct config_options none = {0};
    struct config__parse p = {.arena = a, .opt = opt ? opt : &none, .e = e};
    void *conf = tl_arena_zalloc(a, spec->size + 1);

    *ret_conf = conf;
    if (!conf)
        (void)config__no_memory(e);
    if (conf && parse_object(&p, NULL, spec, node, conf))
        return TL_OK;
    config_mark_faulty(e, node);
    return TL_CONFIG;
}

enum tl_rc config_parse(struct tl_arena *a, const struct config_spec *spec, const struct config_node *node,
                        const struct config_options *opt, struct config_errors *e, void **ret_conf)
{
    void *conf;

    if (config_parse_partly(a, spec, node, opt, e, &conf) != TL_OK)
        return TL_CONFIG;
    *ret_conf = conf;
    return TL_OK;
}
