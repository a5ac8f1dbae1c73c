/* SPDX-License-Identifier: Apache-2.0 */
/* node.c - the tree: building, looking up, to and from JSON. */
#include "config/config_int.h"

struct config_node *config__node(struct tl_arena *a, enum config_kind kind, struct config_place at)
{
    struct config_node *n = tl_arena_zalloc(a, sizeof *n);

    if (n) {
        n->kind = kind;
        n->at = at;
    }
    return n;
}

static size_t digits(struct tl_sv s, size_t *i)
{
    size_t from = *i;

    while (*i < s.n && s.p[*i] >= '0' && s.p[*i] <= '9')
        ++*i;
    return *i - from;
}

/* JSON's number grammar: what other YAML readers also call numbers (0x1f, 1_000, .inf, 012) stays text here. */
static bool is_number(struct tl_sv s)
{
    size_t i = s.n > 0 && s.p[0] == '-', first = i, whole = digits(s, &i);

    if (whole == 0 || (whole > 1 && s.p[first] == '0'))
        return false;
    if (i < s.n && s.p[i] == '.') {
        i++;
        if (digits(s, &i) == 0)
            return false;
    }
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        i++;
        if (i < s.n && (s.p[i] == '+' || s.p[i] == '-'))
            i++;
        if (digits(s, &i) == 0)
            return false;
    }
    return i == s.n;
}

static enum config_kind classify(struct tl_sv s)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE"};

    for (size_t i = 0; i < TL_COUNT(nulls); i++)
        if (tl_sv_eqs(s, nulls[i]))
            return CONFIG_NODE_NULL;
    for (size_t i = 0; i < TL_COUNT(bools); i++)
        if (tl_sv_eqs(s, bools[i]))
            return CONFIG_NODE_BOOL;
    return is_number(s) ? CONFIG_NODE_NUMBER : CONFIG_NODE_STRING;
}

struct config_node *config__scalar(struct tl_arena *a, struct tl_sv text, bool quoted, struct config_place at)
{
    struct config_node *n = config__node(a, quoted ? CONFIG_NODE_STRING : classify(text), at);
    char *copy = tl_arena_strndup(a, text.p ? text.p : "", text.n);

    if (!n || !copy)
        return NULL;
    n->quoted = quoted;
    n->text = tl_sv(copy, text.n);
    return n;
}

/* Arrays double from 4; a power of two tells that the array is full. */
static void *more(struct tl_arena *a, void *p, size_t n, size_t size)
{
    if (n == 0)
        return tl_arena_alloc(a, 4 * size);
    if (n < 4 || (n & (n - 1)) != 0)
        return p;
    return tl_arena_grow(a, p, n * size, 2 * n * size);
}

bool config__push(struct tl_arena *a, struct config_node *list, struct config_node *item)
{
    struct config_node **items = more(a, list->items, list->n, sizeof *items);

    if (!items || !item)
        return false;
    list->items = items;
    items[list->n++] = item;
    return true;
}

bool config__add(struct tl_arena *a, struct config_node *map, const char *key, struct config_place at,
                 struct config_node *value)
{
    struct config_entry *entries = more(a, map->entries, map->n, sizeof *entries);

    if (!entries || !key || !value)
        return false;
    map->entries = entries;
    entries[map->n++] = (struct config_entry){.key = key, .at = at, .value = value};
    return true;
}

struct config_node *config_copy(struct tl_arena *a, const struct config_node *n)
{
    struct config_node *out = n ? config__node(a, n->kind, (struct config_place){0}) : NULL;

    if (!out)
        return NULL;
    out->quoted = n->quoted;
    if (config__is_scalar(n)) {
        const char *text = tl_arena_strndup(a, n->text.p ? n->text.p : "", n->text.n);

        out->text = tl_sv(text, n->text.n);
        return text ? out : NULL;
    }
    for (uint32_t i = 0; n->kind == CONFIG_NODE_LIST && i < n->n; i++)
        if (!config__push(a, out, config_copy(a, n->items[i])))
            return NULL;
    for (uint32_t i = 0; n->kind == CONFIG_NODE_MAP && i < n->n; i++)
        if (!config__add(a, out, tl_arena_strdup(a, n->entries[i].key), (struct config_place){0},
                         config_copy(a, n->entries[i].value)))
            return NULL;
    return out;
}

struct config_entry *config__entry(const struct config_node *map, const char *key)
{
    if (!map || map->kind != CONFIG_NODE_MAP)
        return NULL;
    for (uint32_t i = 0; i < map->n; i++)
        if (strcmp(map->entries[i].key, key) == 0)
            return &map->entries[i];
    return NULL;
}

const struct config_node *config_get(const struct config_node *map, const char *key)
{
    const struct config_entry *entry = config__entry(map, key);

    return entry ? entry->value : NULL;
}

bool config__is_scalar(const struct config_node *n)
{
    return n->kind != CONFIG_NODE_LIST && n->kind != CONFIG_NODE_MAP;
}

const char *config_kind_name(const struct config_node *n)
{
    switch (n->kind) {
    case CONFIG_NODE_NULL:
        return "nothing";
    case CONFIG_NODE_BOOL:
        return "true or false";
    case CONFIG_NODE_NUMBER:
        return "a number";
    case CONFIG_NODE_STRING:
        return "text";
    case CONFIG_NODE_LIST:
        return "a list";
    case CONFIG_NODE_MAP:
        return "a map of keys";
    }
    return "something";
}

void config__keys_done(struct config__keys *k)
{
    tl_map_free(k->map);
}

size_t config__keys_seen(struct config__keys *k, const struct config_node *map, const char *key)
{
    void *at;

    /* Most maps are short; a long one gets an index, so that a file of a million keys stays linear. */
    if (!k->map && map->n < 16) {
        const struct config_entry *entry = config__entry(map, key);

        return entry ? (size_t)(entry - map->entries) : SIZE_MAX;
    }
    if (!k->map) {
        k->map = tl_map_new();
        for (size_t i = 0; i < map->n; i++)
            (void)tl_map_put(k->map, tl_sv_str(map->entries[i].key), (void *)(i + 1));
    }
    at = tl_map_get(k->map, tl_sv_str(key));
    if (at)
        return (size_t)at - 1;
    (void)tl_map_put(k->map, tl_sv_str(key), (void *)((size_t)map->n + 1));
    return SIZE_MAX;
}

/* ---- JSON ---- */

struct json config_to_json(struct tl_arena *a, const struct config_node *n)
{
    struct json_builder b;

    switch (n->kind) {
    case CONFIG_NODE_NULL:
        return json_null();
    case CONFIG_NODE_BOOL:
        return json_bool(n->text.p[0] == 't' || n->text.p[0] == 'T');
    case CONFIG_NODE_NUMBER: {
        struct json v = json_sv(n->text);
        int64_t i;

        if (tl_sv_i64(n->text, &i) && !(i == 0 && n->text.p[0] == '-'))
            return json_int(i);
        v.type = JSON_DECIMAL;
        return v;
    }
    case CONFIG_NODE_STRING:
        return json_sv(n->text);
    case CONFIG_NODE_LIST:
        json_array_begin(&b, a, n->n);
        for (uint32_t i = 0; i < n->n; i++)
            json_push(&b, config_to_json(a, n->items[i]));
        return json_end(&b);
    case CONFIG_NODE_MAP:
        json_object_begin(&b, a, n->n);
        for (uint32_t i = 0; i < n->n; i++)
            json_adds(&b, n->entries[i].key, config_to_json(a, n->entries[i].value));
        return json_end(&b);
    }
    return JSON_NOTHING;
}

struct from_json {
    struct tl_arena *arena;
    struct config_errors *e;
    struct config_place at;
    size_t nodes;
};

static struct config_node *from_json(struct from_json *f, struct json v, unsigned depth);

static struct config_node *map_from_json(struct from_json *f, struct json v, unsigned depth)
{
    struct config_node *n = config__node(f->arena, CONFIG_NODE_MAP, f->at);

    for (uint32_t i = 0; n && i < v.n; i++) {
        struct tl_sv key = json_view(v.u.members[i].key);
        char *copy = tl_arena_strndup(f->arena, key.p, key.n);
        struct config_node *item;

        if (memchr(key.p, 0, key.n)) {
            config_error(f->e, f->at, NULL, "a key holds a NUL character");
            return NULL;
        }
        item = from_json(f, v.u.members[i].value, depth + 1);
        if (!item || !config__add(f->arena, n, copy, f->at, item))
            return NULL;
    }
    return n;
}

static struct config_node *scalar_from_json(struct from_json *f, struct json v)
{
    char number[32];

    switch ((enum json_type)v.type) {
    case JSON_BOOL:
        return config__scalar(f->arena, v.u.b ? TL_SV("true") : TL_SV("false"), false, f->at);
    case JSON_INT:
    case JSON_DOUBLE:
    case JSON_DECIMAL:
        if (v.type == JSON_DECIMAL)
            return config__scalar(f->arena, json_view(v), false, f->at);
        if (v.type == JSON_DOUBLE)
            return config__scalar(f->arena, tl_sv(number, json_format_double(v.u.d, number)), false, f->at);
        return config__scalar(f->arena, tl_sv_str(tl_arena_printf(f->arena, "%lld", (long long)v.u.i)), false, f->at);
    case JSON_STRING:
        if (v.n && memchr(v.u.s, 0, v.n)) {
            config_error(f->e, f->at, NULL, "a text holds a NUL character");
            return NULL;
        }
        return config__scalar(f->arena, json_view(v), true, f->at);
    case JSON_UNDEFINED:
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
    case JSON_EXT:
        break;
    }
    return config__node(f->arena, CONFIG_NODE_NULL, f->at);
}

static struct config_node *from_json(struct from_json *f, struct json v, unsigned depth)
{
    struct config_node *n;

    if (depth > CONFIG_MAX_DEPTH || ++f->nodes > CONFIG_MAX_NODES) {
        config_error(f->e, f->at, NULL, "the configuration is nested deeper than %d levels or has more than %d values",
                     CONFIG_MAX_DEPTH, CONFIG_MAX_NODES);
        return NULL;
    }
    if (v.type == JSON_OBJECT)
        return map_from_json(f, v, depth);
    if (v.type != JSON_ARRAY)
        return scalar_from_json(f, v);
    n = config__node(f->arena, CONFIG_NODE_LIST, f->at);
    for (uint32_t i = 0; n && i < v.n; i++)
        if (!config__push(f->arena, n, from_json(f, v.u.items[i], depth + 1)))
            return NULL;
    return n;
}

enum tl_rc config_from_json(struct tl_arena *a, const char *label, struct json v, struct config_errors *e,
                            struct config_node **ret)
{
    struct from_json f = {.arena = a, .e = e, .at = {.file = label ? tl_arena_strdup(a, label) : NULL}};
    size_t before = config_errors_count(e);
    struct config_node *n = from_json(&f, v, 0);

    if (!n && config_errors_count(e) == before)
        (void)config__no_memory(e);
    if (!n)
        return TL_CONFIG;
    *ret = n;
    return TL_OK;
}
