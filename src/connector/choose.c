/* SPDX-License-Identifier: Apache-2.0 */
/* choose.c - which operation the keys of a target or source name, and the fields that are its own. */
#include "connector/connector_int.h"

enum { NAMES_MAX = 128 };

struct names {
    const char *v[NAMES_MAX];
    size_t n;
};
static void add(struct names *s, const char *name)
{
    if (s->n < NAMES_MAX)
        s->v[s->n++] = name;
}

static bool is_common(const char *const *common, const char *key)
{
    for (; common && *common; common++)
        if (strcmp(*common, key) == 0)
            return true;
    return false;
}

static bool fits(const struct connector_operation *op, unsigned kinds)
{
    return (kinds & (1u << op->kind)) != 0;
}

static const char *needs(unsigned kinds)
{
    if (kinds & (1u << CONNECTOR_CALL))
        return "a call";
    return kinds & (1u << CONNECTOR_WRITE) ? "a target" : "a source";
}

static void list(struct tl_buf *b, const struct names *s)
{
    for (size_t i = 0; i < s->n; i++)
        tl_buf_printf(b, "%s`%s`", i == 0 ? "" : i + 1 < s->n ? ", " : " or ", s->v[i]);
}

/* No key names an operation that fits. */
static void none_named(const struct connector *c, const struct config_node *node, const char *const *common,
                       unsigned kinds, struct config_errors *e)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf hint = {0};
    struct names fitting = {.n = 0};

    tl_buf_init(&hint, 2000);
    for (size_t i = 0; i < c->n_operations; i++)
        if (fits(&c->operations[i], kinds))
            add(&fitting, c->operations[i].name);
    for (uint32_t i = 0; i < node->n; i++) {
        const char *key = node->entries[i].key;
        const struct connector_operation *op = connector_operation_find(c, tl_sv_str(key));
        const char *near = is_common(common, key) ? NULL : tl_nearest(tl_sv_str(key), fitting.v, fitting.n);

        if (op && fitting.n > 0)
            list(&hint, &fitting);
        if (op) {
            config_error(e, node->entries[i].at, hint.p, "`%s` of %s is nothing that %s can use", key, c->variant.name,
                         needs(kinds));
            return;
        }
        if (near) {
            tl_buf_printf(&hint, "Did you mean `%s`?", near);
            config_error(e, node->entries[i].at, hint.p, "%s has no operation `%.80s`", c->variant.name, key);
            return;
        }
    }
    if (fitting.n == 0) {
        config_error(e, node->at, NULL, "%s has no operation that %s can use", c->variant.name, needs(kinds));
        return;
    }
    tl_buf_puts(&hint, "Add one key of ");
    list(&hint, &fitting);
    tl_buf_puts(&hint, ".");
    config_error(e, node->at, hint.p, "nothing says what to do on the connection of type %s", c->variant.name);
}

static const struct connector_operation *find(const struct connector *c, const struct config_node *node,
                                              const char *const *common, unsigned kinds, struct config_errors *e)
{
    const struct connector_operation *op = NULL;
    const struct config_entry *named = NULL;

    for (uint32_t i = 0; i < node->n; i++) {
        const struct config_entry *en = &node->entries[i];
        const struct connector_operation *o = connector_operation_find(c, tl_sv_str(en->key));

        if (!o || !fits(o, kinds) || is_common(common, en->key))
            continue;
        if (op) {
            config_error(e, en->at, "Split it into two, one for each.",
                         "both `%s` (line %d) and `%s` are named; %s does one", named->key, named->at.line, en->key,
                         needs(kinds));
            return NULL;
        }
        op = o;
        named = en;
    }
    if (!op)
        none_named(c, node, common, kinds, e);
    return op;
}

static bool has_field(const struct config_spec *spec, const char *key)
{
    for (size_t i = 0; i < spec->n_fields; i++)
        if (strcmp(spec->fields[i].name, key) == 0)
            return true;
    return false;
}

static void unknown(const struct connector *c, const struct connector_operation *op, const struct config_entry *en,
                    const char *const *common, struct config_errors *e)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf hint = {0};
    struct names all = {.n = 0};
    const char *near;

    for (size_t i = 0; i < op->spec->n_fields; i++)
        add(&all, op->spec->fields[i].name);
    for (; common && *common; common++)
        add(&all, *common);
    tl_buf_init(&hint, 4000);
    near = tl_nearest(tl_sv_str(en->key), all.v, all.n);
    tl_buf_puts(&hint, near ? "Did you mean " : "Known here: ");
    if (near)
        tl_buf_printf(&hint, "`%s`?", near);
    else
        list(&hint, &all);
    config_error(e, en->at, hint.p, "`%.80s` is not known for `%s` of %s", en->key, op->name, c->variant.name);
}

/* The keys that are the operation's own, in a map of its own; it is at fault where others stand there. */
static bool own_part(struct tl_arena *a, const struct connector *c, const struct connector_operation *op,
                     const struct config_node *node, const char *const *common, struct config_errors *e,
                     struct config_node **ret_part)
{
    struct config_node *ret = tl_arena_must(a, sizeof *ret);
    bool ok = true;

    *ret_part = ret;
    *ret = *node;
    ret->n = 0;
    ret->entries = tl_arena_must(a, (node->n + 1) * sizeof *ret->entries);
    for (uint32_t i = 0; i < node->n; i++) {
        const struct config_entry *en = &node->entries[i];

        if (has_field(op->spec, en->key)) {
            ret->entries[ret->n++] = *en;
        } else if (!is_common(common, en->key)) {
            unknown(c, op, en, common, e);
            config_mark_faulty(e, ret);
            ok = false;
        }
    }
    return ok;
}

/* Wrapped into a map, so that an error says `to.timeout` and not only `timeout`. */
static bool parse(struct tl_arena *a, const struct connector_operation *op, struct config_node *part, unsigned kinds,
                  const struct config_options *opt, struct config_errors *e, const void **ret)
{
    const struct config_field field = {.name = kinds & (1u << CONNECTOR_CALL)    ? "call"
                                               : kinds & (1u << CONNECTOR_WRITE) ? "to"
                                                                                 : "from",
                                       .type = CONFIG_OBJECT_REF,
                                       .spec = op->spec};
    const struct config_spec wrapper = {
        .name = "operation", .size = sizeof(const void *), .fields = &field, .n_fields = 1};
    struct config_entry entry = {.key = field.name, .at = part->at, .value = part};
    const struct config_node outer = {.kind = CONFIG_NODE_MAP, .at = part->at, .n = 1, .entries = &entry};
    void *conf;
    bool ok = config_parse_partly(a, &wrapper, &outer, opt, e, &conf) == TL_OK;

    *ret = conf ? *(const void *const *)conf : NULL;
    return ok && *ret;
}

bool connector_choose(struct tl_arena *a, const struct connector *c, const struct config_node *node,
                      const char *const *common, unsigned kinds, const struct config_options *opt,
                      struct config_errors *e, struct connector_chosen *ret)
{
    const struct connector_operation *op;
    struct config_node *part;
    bool ok;

    *ret = (struct connector_chosen){.operation = NULL};
    if (node->kind != CONFIG_NODE_MAP) {
        config_error(e, node->at, "Write { connection: NAME, OPERATION: ... }.", "%s is a map of keys, not %s",
                     needs(kinds), config_kind_name(node));
        return false;
    }
    op = find(c, node, common, kinds, e);
    if (!op)
        return false;
    ok = own_part(a, c, op, node, common, e, &part);
    ok &= parse(a, op, part, kinds, opt, e, &ret->conf);
    if (ret->conf)
        ret->operation = op;
    return ok;
}
