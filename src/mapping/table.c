/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.c - field tables: what a business analyst writes, as JSONata.
 *
 *     missing: default                  # for all fields: default (left out), null, reject
 *     lookups: { status: { paid: P, open: O } }
 *     each: order.lines                 # optional: one result for each item
 *     fields:
 *       orderNumber: order.id           # short for { from: order.id }
 *       customer.email: { from: order.customer.email, required: true }
 *       total: { from: order.total, type: decimal, scale: 2 }
 *       ordered: { from: order.createdAt, type: date }
 *       due: { from: order.due, picture: "[D01].[M01].[Y0001]", type: date }
 *       channel: { value: web }
 *       status: { from: order.status, lookup: status, default: O }
 *       lines: { each: order.lines, fields: { sku: sku, qty: { from: quantity, type: integer } } }
 *
 * A dot in a target name makes an object. `from` is any JSONata expression; with `each`, from the item's view. The
 * result is one expression, so there is one evaluator, one set of budgets and one lineage.
 */
#include "config/config.h"
#include "mapping/mapping_int.h"

#define MAX_DEPTH 20

struct table {
    struct tl_buf *out;
    struct json missing; /* the policy for all, or JSON_UNDEFINED */
    struct tl_err *err;
    int depth;
};

static enum tl_rc put_fields(struct table *t, struct json fields, struct tl_sv prefix);

static const char *const field_keys[] = {"from",  "value",    "type",    "default", "required", "lookup", "missing",
                                         "scale", "rounding", "country", "form",    "picture",  "each",   "fields"};
static const char *const field_types[] = {"any",  "string",   "integer", "number",   "decimal", "boolean",
                                          "date", "datetime", "epoch",   "epoch_ms", "phone",   "country"};
static const char *const policies[] = {"default", "null", "reject"};

static bool among(struct tl_sv word, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tl_sv_eqs(word, names[i]))
            return true;
    return false;
}

static enum tl_rc refuse(struct table *t, struct tl_sv target, const char *what, struct tl_sv word,
                         const char *const *names, size_t n)
{
    const char *near = names ? tl_nearest(word, names, n) : NULL;

    return tl_fail(t->err, TL_CONFIG, "field table: field \"%.*s\": %s \"%.*s\"%s%s%s", TL_SV_ARG(target), what,
                   TL_SV_ARG(word), near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static enum tl_rc check_field(struct table *t, struct tl_sv target, struct json spec)
{
    struct json type = json_gets(spec, "type"), missing = json_gets(spec, "missing");
    int sources = (json_gets(spec, "from").type != JSON_UNDEFINED) + (json_gets(spec, "value").type != JSON_UNDEFINED) +
                  (json_gets(spec, "fields").type != JSON_UNDEFINED);

    for (uint32_t i = 0; i < spec.n; i++)
        if (!among(json_view(spec.u.members[i].key), field_keys, TL_COUNT(field_keys)))
            return refuse(t, target, "unknown key", json_view(spec.u.members[i].key), field_keys, TL_COUNT(field_keys));
    if (type.type != JSON_UNDEFINED && !among(json_text(type, TL_SV("")), field_types, TL_COUNT(field_types)))
        return refuse(t, target, "unknown type", json_text(type, TL_SV("")), field_types, TL_COUNT(field_types));
    if (missing.type != JSON_UNDEFINED && !among(json_text(missing, TL_SV("")), policies, TL_COUNT(policies)))
        return refuse(t, target, "unknown policy", json_text(missing, TL_SV("")), policies, TL_COUNT(policies));
    if (sources != 1)
        return refuse(t, target, "exactly one of from, value and fields is needed, not",
                      tl_sv_str(sources ? "several" : "none"), NULL, 0);
    return TL_OK;
}

/* The options of a field that $tl.field reads, as a JSON object, which is JSONata. */
static void put_options(struct table *t, struct json spec)
{
    bool any = false;

    (void)tl_buf_putc(t->out, '{');
    for (uint32_t i = 0; i < spec.n; i++) {
        struct tl_sv key = json_view(spec.u.members[i].key);

        if (tl_sv_eqs(key, "from") || tl_sv_eqs(key, "value") || tl_sv_eqs(key, "picture"))
            continue;
        (void)tl_buf_puts(t->out, any ? "," : "");
        (void)json_write(t->out, spec.u.members[i].key, 0);
        (void)tl_buf_putc(t->out, ':');
        (void)json_write(t->out, spec.u.members[i].value, 0);
        any = true;
    }
    if (json_gets(spec, "missing").type == JSON_UNDEFINED && t->missing.type == JSON_STRING) {
        (void)tl_buf_puts(t->out, any ? ",\"missing\":" : "\"missing\":");
        (void)json_write(t->out, t->missing, 0);
    }
    (void)tl_buf_putc(t->out, '}');
}

static void put_source(struct table *t, struct json spec)
{
    struct json from = json_gets(spec, "from"), value = json_gets(spec, "value"), picture = json_gets(spec, "picture");

    if (value.type != JSON_UNDEFINED) {
        (void)json_write(t->out, value, 0);
        return;
    }
    (void)tl_buf_puts(t->out, picture.type == JSON_STRING ? "$toMillis(" : "(");
    (void)tl_buf_sv(t->out, json_text(from, TL_SV_NULL));
    if (picture.type == JSON_STRING) {
        (void)tl_buf_putc(t->out, ',');
        (void)json_write(t->out, picture, 0);
    }
    (void)tl_buf_putc(t->out, ')');
}

static enum tl_rc put_each(struct table *t, struct json spec)
{
    struct json each = json_gets(spec, "each");
    enum tl_rc rc;

    if (each.type == JSON_STRING)
        (void)tl_buf_printf(t->out, "[(%.*s).", TL_SV_ARG(json_view(each)));
    rc = put_fields(t, json_gets(spec, "fields"), TL_SV(""));
    if (each.type == JSON_STRING)
        (void)tl_buf_putc(t->out, ']');
    return rc;
}

/* Each expression by itself, so that the message names the field. */
static enum tl_rc check_expression(struct table *t, struct tl_sv target, struct json from)
{
    TL_CLEANUP(jsonata_unrefp) struct jsonata_program *p = NULL;
    TL_CLEANUP(tl_freep) struct jsonata_error *detail = NULL;
    struct jsonata_options options = {.namespaces = &mapping_tl, .namespace_count = 1};

    if (from.type == JSON_UNDEFINED)
        return TL_OK;
    if (from.type != JSON_STRING)
        return refuse(t, target, "an expression is expected, not", tl_sv_str(json_type_name(from)), NULL, 0);
    detail = tl_zalloc(sizeof(*detail));
    if (jsonata_compile(json_view(from), &options, &p, detail, NULL) == TL_OK)
        return TL_OK;
    return refuse(t, target, detail->text, json_view(from), NULL, 0);
}

static enum tl_rc put_field(struct table *t, struct tl_sv target, struct json spec)
{
    struct json_member from = {json_str("from"), spec};
    enum tl_rc rc;

    if (spec.type == JSON_STRING)
        spec = (struct json){.type = JSON_OBJECT, .n = 1, .u.members = &from};
    if (spec.type != JSON_OBJECT)
        return refuse(t, target, "a text or a map is expected, not", tl_sv_str(json_type_name(spec)), NULL, 0);
    rc = check_field(t, target, spec);
    if (rc == TL_OK)
        rc = check_expression(t, target, json_gets(spec, "from"));
    if (rc == TL_OK)
        rc = check_expression(t, target, json_gets(spec, "each"));
    if (rc != TL_OK)
        return rc;
    if (json_gets(spec, "fields").type != JSON_UNDEFINED)
        return put_each(t, spec);
    (void)tl_buf_puts(t->out, "$tl.field(");
    put_source(t, spec);
    (void)tl_buf_putc(t->out, ',');
    put_options(t, spec);
    (void)tl_buf_putc(t->out, ',');
    (void)json_write(t->out, json_sv(target), 0);
    (void)tl_buf_putc(t->out, ')');
    return TL_OK;
}

/* The part of a dotted name below the prefix, up to the next dot; false when the name is not below it. */
static bool next_part(struct tl_sv name, struct tl_sv prefix, struct tl_sv *ret_part, bool *ret_leaf)
{
    if (!tl_sv_starts(name, prefix))
        return false;
    name = tl_sv_from(name, prefix.n);
    *ret_part = tl_sv(name.p, tl_sv_find(name, '.'));
    *ret_leaf = ret_part->n == name.n;
    return true;
}

/* An earlier target with the same part below the prefix: it was written with that one. */
static bool seen_before(struct json fields, uint32_t i, struct tl_sv prefix, struct tl_sv part, bool *ret_leaf)
{
    struct tl_sv other;

    for (uint32_t k = 0; k < i; k++)
        if (next_part(json_view(fields.u.members[k].key), prefix, &other, ret_leaf) && tl_sv_eq(other, part))
            return true;
    return false;
}

static enum tl_rc put_fields(struct table *t, struct json fields, struct tl_sv prefix)
{
    enum tl_rc rc = TL_OK;
    bool any = false;

    if (fields.type != JSON_OBJECT)
        return tl_fail(t->err, TL_CONFIG, "field table: `fields` is a map from target to source");
    if (++t->depth > MAX_DEPTH)
        return tl_fail(t->err, TL_LIMIT, "field table: nested too deeply");
    (void)tl_buf_putc(t->out, '{');
    for (uint32_t i = 0; i < fields.n && rc == TL_OK; i++) {
        struct tl_sv name = json_view(fields.u.members[i].key), part;
        bool leaf, other_leaf;

        if (!next_part(name, prefix, &part, &leaf))
            continue;
        if (part.n == 0)
            return refuse(t, name, "not a name of a field:", name, NULL, 0);
        if (seen_before(fields, i, prefix, part, &other_leaf)) {
            if (leaf || other_leaf)
                return refuse(t, name, "another field gives this name another shape:", part, NULL, 0);
            continue;
        }
        (void)tl_buf_puts(t->out, any ? "," : "");
        any = true;
        (void)json_write(t->out, json_sv(part), 0);
        (void)tl_buf_putc(t->out, ':');
        rc = leaf ? put_field(t, name, fields.u.members[i].value)
                  : put_fields(t, fields, tl_sv(name.p, prefix.n + part.n + 1));
    }
    t->depth--;
    (void)tl_buf_putc(t->out, '}');
    return rc;
}

static enum tl_rc read_text(struct tl_arena *a, struct tl_sv text, struct json *ret, struct tl_err *err)
{
    TL_CLEANUP(config_errors_freep) struct config_errors *errors = NULL;
    struct config_node *node;

    if (tl_sv_starts(tl_sv_trim(text), TL_SV("{")) && json_parse(a, text, 0, NULL, ret, NULL) == TL_OK)
        return TL_OK;
    errors = config_errors_new();
    if (config_parse_yaml(a, "field table", text, errors, &node) != TL_OK)
        return config_errors_first(errors, err);
    *ret = config_to_json(a, node);
    return TL_OK;
}

enum tl_rc table_compile(struct tl_arena *a, struct tl_sv text, struct tl_sv *ret_source, struct json *ret_lookups,
                         struct tl_err *err)
{
    static const char *const keys[] = {"missing", "lookups", "each", "fields"};
    TL_CLEANUP(tl_buf_done) struct tl_buf out = {0};
    struct table t = {.out = &out, .err = err};
    struct json table;
    enum tl_rc rc;

    tl_buf_init(&out, 1u << 20);
    rc = read_text(a, text, &table, err);
    if (rc != TL_OK)
        return rc;
    for (uint32_t i = 0; table.type == JSON_OBJECT && i < table.n; i++)
        if (!among(json_view(table.u.members[i].key), keys, TL_COUNT(keys)))
            return refuse(&t, TL_SV(""), "unknown key", json_view(table.u.members[i].key), keys, TL_COUNT(keys));
    t.missing = json_gets(table, "missing");
    if (t.missing.type != JSON_UNDEFINED && !among(json_text(t.missing, TL_SV("")), policies, TL_COUNT(policies)))
        return refuse(&t, TL_SV(""), "unknown policy", json_text(t.missing, TL_SV("")), policies, TL_COUNT(policies));
    rc = put_each(&t, table);
    if (rc != TL_OK)
        return rc;
    if (out.failed)
        return tl_fail(err, TL_LIMIT, "field table: too large");
    if (json_gets(table, "lookups").type == JSON_OBJECT)
        *ret_lookups = json_gets(table, "lookups");
    *ret_source = tl_arena_sv(a, tl_buf_view(&out));
    return TL_OK;
}
