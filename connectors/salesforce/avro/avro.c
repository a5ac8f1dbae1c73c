/* SPDX-License-Identifier: Apache-2.0 */
/* avro.c - schemas: from JSON to nodes; and the bitmaps of change events, which count fields of a schema. */
#include "salesforce/avro/avro_int.h"

#include <stdio.h>

enum { ARENA = 16 << 20, NAME = 512, BITMAPS = 1000, HEX = 4096 };

struct compiling {
    struct sf_avro *s;
    struct tl_err *err;
};

static struct avro_node *compile(struct compiling *c, struct json v, struct tl_sv space, unsigned depth);

static void *nothing(struct compiling *c, enum tl_rc rc, const char *what, struct tl_sv where)
{
    (void)tl_fail(c->err, rc, "the schema cannot be used: %s%s%.*s", what, where.n ? " at " : "",
                  where.n < 100 ? (int)where.n : 100, where.p ? where.p : "");
    return NULL;
}

static struct avro_node *new_node(struct compiling *c, enum avro_type type)
{
    struct avro_node *n = ++c->s->nodes <= AVRO_NODES ? tl_arena_zalloc(c->s->arena, sizeof *n) : NULL;

    if (!n)
        return nothing(c, TL_LIMIT, "it is too large", TL_SV_NULL);
    n->type = type;
    return n;
}

static const char *const primitives[] = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"};

static int primitive(struct tl_sv name)
{
    for (size_t i = 0; i < TL_COUNT(primitives); i++)
        if (tl_sv_eqs(name, primitives[i]))
            return (int)i;
    return -1;
}

/* "Names": a name with a dot is whole, any other is in the enclosing namespace. */
static struct tl_sv full_name(struct tl_sv name, struct tl_sv space, char out[NAME])
{
    if (tl_sv_find(name, '.') < name.n || space.n == 0)
        return name;
    (void)snprintf(out, NAME, "%.*s.%.*s", TL_SV_ARG(space), TL_SV_ARG(name));
    return tl_sv_str(out);
}

static struct avro_node *by_name(struct compiling *c, struct tl_sv name, struct tl_sv space)
{
    char text[NAME];
    int p = primitive(name);
    struct avro_node *n;

    if (p >= 0)
        return new_node(c, (enum avro_type)p);
    n = tl_map_get(c->s->named, full_name(name, space, text));
    if (!n)
        n = tl_map_get(c->s->named, name);
    return n ? n : nothing(c, TL_INVALID, "an unknown type", name);
}

static bool room(struct compiling *c, struct avro_node *n, uint32_t count, bool children, bool names)
{
    n->n = count;
    if (children)
        n->child = tl_arena_zalloc(c->s->arena, (count + 1) * sizeof *n->child);
    if (names)
        n->names = tl_arena_zalloc(c->s->arena, (count + 1) * sizeof *n->names);
    return ((!children || n->child) && (!names || n->names)) || nothing(c, TL_LIMIT, "it is too large", TL_SV_NULL);
}

static struct avro_node *compile_union(struct compiling *c, struct json v, struct tl_sv space, unsigned depth)
{
    struct avro_node *n = new_node(c, AVRO_UNION);

    if (!n || !room(c, n, v.n, true, false))
        return NULL;
    if (v.n == 0)
        return nothing(c, TL_INVALID, "a union without branches", TL_SV_NULL);
    for (uint32_t i = 0; i < v.n; i++) {
        n->child[i] = compile(c, v.u.items[i], space, depth + 1);
        if (!n->child[i])
            return NULL;
        if (n->child[i]->type == AVRO_UNION)
            return nothing(c, TL_INVALID, "a union within a union", TL_SV_NULL);
    }
    return n;
}

/* The vendor's types for dates are plain longs; what they hold stands in the documentation of the field, whose second
 * part is the type ("Data:DateTime:00NRM000001"). */
static void look_at_doc(struct avro_node *n, struct tl_sv doc)
{
    struct tl_sv part;

    if (!tl_sv_cut(&doc, ':', &part) || !tl_sv_cut(&doc, ':', &part) || !tl_sv_eqs(part, "DateTime"))
        return;
    for (uint32_t i = 0; n->type == AVRO_UNION && i < n->n; i++)
        if (n->child[i]->type == AVRO_LONG)
            n->child[i]->logical = AVRO_TIMESTAMP_MS;
    if (n->type == AVRO_LONG)
        n->logical = AVRO_TIMESTAMP_MS;
}

static bool compile_fields(struct compiling *c, struct avro_node *n, struct json fields, struct tl_sv space,
                           unsigned depth)
{
    if (fields.type != JSON_ARRAY)
        return nothing(c, TL_INVALID, "a record without fields", TL_SV_NULL);
    if (!room(c, n, fields.n, true, true))
        return false;
    n->defaults = tl_arena_zalloc(c->s->arena, (fields.n + 1) * sizeof *n->defaults);
    for (uint32_t i = 0; i < fields.n; i++) {
        struct json f = fields.u.items[i], fallback = json_gets(f, "default");
        struct tl_sv name = json_text(json_gets(f, "name"), TL_SV(""));

        n->names[i] = tl_arena_sv(c->s->arena, name);
        if (name.n == 0 || !n->names[i].p || !n->defaults)
            return nothing(c, TL_INVALID, "a field without a name", TL_SV_NULL);
        n->child[i] = compile(c, json_gets(f, "type"), space, depth + 1);
        if (!n->child[i])
            return false;
        if (fallback.type != JSON_UNDEFINED)
            n->defaults[i] = json_copy(c->s->arena, fallback);
        look_at_doc(n->child[i], json_text(json_gets(f, "doc"), TL_SV("")));
    }
    return true;
}

static bool compile_symbols(struct compiling *c, struct avro_node *n, struct json symbols)
{
    if (symbols.type != JSON_ARRAY || !room(c, n, symbols.n, false, true))
        return nothing(c, TL_INVALID, "an enum without symbols", TL_SV_NULL);
    for (uint32_t i = 0; i < symbols.n; i++) {
        n->names[i] = tl_arena_sv(c->s->arena, json_text(symbols.u.items[i], TL_SV("")));
        if (!n->names[i].p)
            return nothing(c, TL_LIMIT, "it is too large", TL_SV_NULL);
    }
    return true;
}

static struct avro_node *compile_named(struct compiling *c, struct json v, struct tl_sv space, enum avro_type type,
                                       unsigned depth)
{
    struct tl_sv name = json_text(json_gets(v, "name"), TL_SV(""));
    struct tl_sv own = json_text(json_gets(v, "namespace"), space), full;
    struct avro_node *n = new_node(c, type);
    char text[NAME];
    int64_t size = -1;
    size_t dot;

    if (!n)
        return NULL;
    full = full_name(name, own, text);
    if (name.n == 0 || full.n >= NAME || tl_map_get(c->s->named, full))
        return nothing(c, TL_INVALID, "a type without a name of its own", name);
    (void)tl_map_put(c->s->named, full, n);
    dot = full.n;
    while (dot > 0 && full.p[dot - 1] != '.')
        dot--;
    if (dot > 0)
        own = tl_arena_sv(c->s->arena, tl_sv(full.p, dot - 1)); /* what is inside is in this one's namespace */
    if (type == AVRO_RECORD)
        return compile_fields(c, n, json_gets(v, "fields"), own, depth) ? n : NULL;
    if (type == AVRO_ENUM)
        return compile_symbols(c, n, json_gets(v, "symbols")) ? n : NULL;
    if (!json_int64(json_gets(v, "size"), &size) || size < 0 || size > 1 << 20)
        return nothing(c, TL_INVALID, "a fixed type without a size", name);
    n->size = (uint32_t)size;
    return n;
}

static struct avro_node *compile_items(struct compiling *c, struct json v, struct tl_sv space, enum avro_type type,
                                       unsigned depth)
{
    struct avro_node *n = new_node(c, type);

    if (!n || !room(c, n, 1, true, false))
        return NULL;
    n->child[0] = compile(c, json_gets(v, type == AVRO_ARRAY ? "items" : "values"), space, depth + 1);
    return n->child[0] ? n : NULL;
}

static void set_logical(struct avro_node *n, struct json v)
{
    static const struct {
        const char *name;
        enum avro_type type;
        enum avro_logical logical;
    } rows[] = {{"timestamp-millis", AVRO_LONG, AVRO_TIMESTAMP_MS},
                {"timestamp-micros", AVRO_LONG, AVRO_TIMESTAMP_US},
                {"local-timestamp-millis", AVRO_LONG, AVRO_LOCAL_MS},
                {"local-timestamp-micros", AVRO_LONG, AVRO_LOCAL_US},
                {"date", AVRO_INT, AVRO_DATE},
                {"time-millis", AVRO_INT, AVRO_TIME_MS},
                {"time-micros", AVRO_LONG, AVRO_TIME_US},
                {"decimal", AVRO_BYTES, AVRO_BIG_DECIMAL},
                {"decimal", AVRO_FIXED, AVRO_BIG_DECIMAL}};
    struct tl_sv name = json_text(json_gets(v, "logicalType"), TL_SV(""));
    int64_t scale = 0;

    for (size_t i = 0; i < TL_COUNT(rows); i++)
        if (rows[i].type == n->type && tl_sv_eqs(name, rows[i].name))
            n->logical = rows[i].logical;
    (void)json_int64(json_gets(v, "scale"), &scale);
    if (scale < 0 || scale > 100) /* not ours to guess: shown as bytes */
        n->logical = AVRO_PLAIN;
    n->scale = (uint32_t)scale;
}

static struct avro_node *compile_object(struct compiling *c, struct json v, struct tl_sv space, unsigned depth)
{
    struct json type = json_gets(v, "type");
    struct tl_sv name = json_text(type, TL_SV(""));
    struct avro_node *n;

    if (type.type == JSON_OBJECT || type.type == JSON_ARRAY)
        return compile(c, type, space, depth + 1);
    if (tl_sv_eqs(name, "record") || tl_sv_eqs(name, "error"))
        return compile_named(c, v, space, AVRO_RECORD, depth);
    if (tl_sv_eqs(name, "enum"))
        return compile_named(c, v, space, AVRO_ENUM, depth);
    if (tl_sv_eqs(name, "array"))
        return compile_items(c, v, space, AVRO_ARRAY, depth);
    if (tl_sv_eqs(name, "map"))
        return compile_items(c, v, space, AVRO_MAP, depth);
    if (tl_sv_eqs(name, "fixed"))
        n = compile_named(c, v, space, AVRO_FIXED, depth);
    else
        n = by_name(c, name, space);
    if (n && (primitive(name) >= 0 || n->type == AVRO_FIXED)) /* a reference to a named type is that type */
        set_logical(n, v);
    return n;
}

static struct avro_node *compile(struct compiling *c, struct json v, struct tl_sv space, unsigned depth)
{
    if (depth > AVRO_LEVELS)
        return nothing(c, TL_LIMIT, "it is nested too deeply", TL_SV_NULL);
    if (v.type == JSON_STRING)
        return by_name(c, json_view(v), space);
    if (v.type == JSON_ARRAY)
        return compile_union(c, v, space, depth);
    if (v.type == JSON_OBJECT)
        return compile_object(c, v, space, depth);
    return nothing(c, TL_INVALID, "no type where one should be", TL_SV_NULL);
}

enum tl_rc sf_avro_new(struct json schema, struct sf_avro **ret, struct tl_err *err)
{
    struct sf_avro *s = tl_zalloc(sizeof *s);
    struct tl_err local = {0};
    struct compiling c = {s, err ? err : &local};

    s->arena = tl_arena_new(ARENA);
    s->named = tl_map_new();
    s->root = compile(&c, schema, TL_SV(""), 0);
    if (s->root) {
        *ret = s;
        return TL_OK;
    }
    sf_avro_free(s);
    return c.err->rc;
}

void sf_avro_free(struct sf_avro *s)
{
    if (!s)
        return;
    tl_map_free(s->named);
    tl_arena_free(s->arena);
    tl_free(s);
}

/* ---- bitmaps ---- */
const struct avro_node *sf_avro_record(const struct avro_node *n)
{
    for (uint32_t i = 0; n->type == AVRO_UNION && i < n->n; i++)
        if (n->child[i]->type == AVRO_RECORD)
            return n->child[i];
    return n->type == AVRO_RECORD ? n : NULL;
}

static int nibble(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool is_hex(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (nibble(s.p[i]) < 0)
            return false;
    return s.n > 0 && s.n <= HEX;
}

static void expand(struct json_builder *b, const struct avro_node *record, struct tl_sv prefix, struct tl_sv hex)
{
    for (uint32_t i = 0; i < record->n && i / 4 < hex.n; i++) {
        if (!(nibble(hex.p[hex.n - 1 - i / 4]) >> (i % 4) & 1))
            continue;
        if (prefix.n == 0)
            (void)json_push(b, json_sv(record->names[i]));
        else
            (void)json_push(b, json_printf(b->arena, "%.*s.%.*s", TL_SV_ARG(prefix), TL_SV_ARG(record->names[i])));
    }
}

struct json sf_avro_names(const struct sf_avro *s, struct json list, struct tl_arena *a)
{
    const struct avro_node *top = sf_avro_record(s->root), *inner;
    struct json_builder b;

    if (list.type != JSON_ARRAY || !top || list.n > BITMAPS)
        return list;
    json_array_begin(&b, a, 8);
    for (uint32_t i = 0; i < list.n; i++) {
        struct tl_sv text = json_text(list.u.items[i], TL_SV(""));
        size_t dash = tl_sv_find(text, '-');
        struct tl_sv hex = tl_sv_from(text, dash < text.n ? dash + 3 : 2),
                     mark = tl_sv_from(text, dash < text.n ? dash + 1 : 0);
        uint64_t parent;

        if (!tl_sv_starts_i(mark, TL_SV("0x")) || !is_hex(hex))
            (void)json_push(&b, list.u.items[i]);
        else if (dash == text.n)
            expand(&b, top, TL_SV(""), hex);
        else if (tl_sv_u64(tl_sv(text.p, dash), &parent) && parent < top->n &&
                 (inner = sf_avro_record(top->child[parent])) != NULL)
            expand(&b, inner, top->names[parent], hex);
        else
            (void)json_push(&b, list.u.items[i]);
    }
    return json_end(&b);
}

/* Bit i for the i-th member; four to each of n nibbles, the last one has the lowest. */
static bool mark(const struct avro_node *record, struct tl_sv name, char *nibbles, size_t n)
{
    for (uint32_t i = 0; i < record->n; i++)
        if (tl_sv_eq(record->names[i], name)) {
            nibbles[n - 1 - i / 4] |= (char)(1 << (i % 4));
            return true;
        }
    return false;
}

static struct json bitmap(struct tl_arena *a, const struct avro_node *record, const struct tl_sv *prefix, int64_t index,
                          struct json names)
{
    size_t n = (record->n + 3) / 4;
    char *hex = tl_arena_alloc(a, n + 1);
    bool any = false;

    if (!hex || n == 0)
        return JSON_NOTHING;
    memset(hex, 0, n + 1);
    for (uint32_t i = 0; i < names.n; i++) {
        struct tl_sv name = json_text(names.u.items[i], TL_SV(""));

        if (!prefix)
            any |= mark(record, name, hex, n);
        else if (tl_sv_starts(name, *prefix) && name.n > prefix->n && name.p[prefix->n] == '.')
            any |= mark(record, tl_sv_from(name, prefix->n + 1), hex, n);
    }
    if (!any)
        return JSON_NOTHING;
    for (size_t i = 0; i < n; i++)
        hex[i] = "0123456789ABCDEF"[hex[i] & 0xf];
    return prefix ? json_printf(a, "%lld-0x%s", (long long)index, hex) : json_printf(a, "0x%s", hex);
}

struct json sf_avro_bitmaps(const struct sf_avro *s, struct json names, struct tl_arena *a)
{
    const struct avro_node *top = sf_avro_record(s->root);
    struct json_builder b;
    struct json one;

    json_array_begin(&b, a, 2);
    if (!top || names.type != JSON_ARRAY)
        return json_end(&b);
    one = bitmap(a, top, NULL, 0, names);
    if (one.type == JSON_STRING)
        (void)json_push(&b, one);
    for (uint32_t i = 0; i < top->n; i++) {
        const struct avro_node *inner = sf_avro_record(top->child[i]);

        one = inner ? bitmap(a, inner, &top->names[i], i, names) : JSON_NOTHING;
        if (one.type == JSON_STRING)
            (void)json_push(&b, one);
    }
    return json_end(&b);
}
