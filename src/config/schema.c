/* SPDX-License-Identifier: Apache-2.0 */
/* schema.c - the tables as JSON Schema (draft 2020-12), for editors: one definition a table. A text may always hold
 * ${env:NAME}, so patterns let that through. */
#include "config/config_int.h"

#include <stdio.h>

#define ENV "|.*\\$\\{env:.+"

static const char *const patterns[] = {
    [CONFIG_PERCENT] = "^([0-9.]+%" ENV ")$",
    [CONFIG_DURATION] = "^(0|([0-9.]+(ms|s|m|h|d))+" ENV ")$",
    [CONFIG_DURATION_RANGE] = "^([0-9.a-z]+ *\\.\\. *[0-9.a-z]+" ENV ")$",
    [CONFIG_SIZE] = "^([0-9.]+ *([KMGT]?B)?" ENV ")$",
    [CONFIG_URL] = "^([a-z][a-z0-9+.-]*://.+" ENV ")$",
    [CONFIG_HOST_PORT] = "^(.+(:[0-9]+)?)$",
    [CONFIG_ADDRESS] = "^(.+:[0-9]+" ENV ")$",
    [CONFIG_CIDR] = "^([0-9a-fA-F.:]+(/[0-9]+)?" ENV ")$",
    [CONFIG_SECRET] = "^\\$\\{(env|file|vault|systemd|store):.+\\}$",
};

struct schema {
    struct tl_arena *a;
};

static struct json value(struct schema *s, const struct config_field *f);

static struct json object1(struct schema *s, const char *key, struct json v)
{
    struct json_builder b;

    json_object_begin(&b, s->a, 1);
    json_adds(&b, key, v);
    return json_end(&b);
}

static struct json ref(struct schema *s, const char *name)
{
    return object1(s, "$ref", json_printf(s->a, "#/$defs/%s", name));
}

/* {"anyOf": [{"type": type, ...bounds}, {"type": "string", "pattern": ...}]} for what may come from the environment. */
static struct json number(struct schema *s, const struct config_field *f, const char *type)
{
    struct json_builder b, any, text;

    json_object_begin(&b, s->a, 3);
    json_adds(&b, "type", json_str(type));
    if (f->type != CONFIG_BOOL && (f->min || f->max))
        json_adds(&b, "minimum", json_int(f->min));
    if (f->type != CONFIG_BOOL && (f->max > 0 || f->min < 0))
        json_adds(&b, "maximum", json_int(f->max));
    json_object_begin(&text, s->a, 2);
    json_adds(&text, "type", json_str("string"));
    json_adds(&text, "pattern", json_str("\\$\\{env:.+\\}"));
    json_array_begin(&any, s->a, 2);
    json_push(&any, json_end(&b));
    json_push(&any, json_end(&text));
    return object1(s, "anyOf", json_end(&any));
}

static struct json scalar(struct schema *s, const struct config_field *f)
{
    struct json_builder b, types;

    json_object_begin(&b, s->a, 3);
    if (f->type == CONFIG_ENUM) {
        json_array_begin(&types, s->a, 4);
        for (size_t i = 0; f->choices[i]; i++)
            json_push(&types, json_str(f->choices[i]));
        json_adds(&b, "enum", json_end(&types));
        return json_end(&b);
    }
    json_array_begin(&types, s->a, 3);
    json_push(&types, json_str("string"));
    if (f->type == CONFIG_STRING || f->type == CONFIG_TEXT || f->type == CONFIG_SIZE || f->type == CONFIG_DURATION)
        json_push(&types, json_str("number"));
    if (f->type == CONFIG_STRING || f->type == CONFIG_TEXT)
        json_push(&types, json_str("boolean"));
    json_adds(&b, "type", json_end(&types));
    if (f->type < TL_COUNT(patterns) && patterns[f->type] && !f->raw)
        json_adds(&b, "pattern", json_str(patterns[f->type]));
    return json_end(&b);
}

static struct json one_of(struct schema *s, const struct config_field *f)
{
    struct json_builder all, one;
    const struct config_field *v;

    json_array_begin(&all, s->a, 8);
    for (size_t i = 0; (v = config__variant(f->variants, i)) != NULL; i++) {
        struct json_builder required;

        json_array_begin(&required, s->a, 1);
        json_push(&required, json_str(v->name));
        json_object_begin(&one, s->a, 5);
        json_adds(&one, "type", json_str("object"));
        json_adds(&one, "description", json_str(v->doc));
        json_adds(&one, "properties", object1(s, v->name, value(s, v)));
        json_adds(&one, "required", json_end(&required));
        json_adds(&one, "additionalProperties", json_bool(false));
        json_push(&all, json_end(&one));
        if ((v->type == CONFIG_OBJECT || v->type == CONFIG_OBJECT_REF) && !config__has_required(v->spec))
            json_push(&all, object1(s, "const", json_str(v->name)));
    }
    return object1(s, "oneOf", json_end(&all));
}

static struct json list(struct schema *s, const struct config_field *f)
{
    struct json_builder b, any;

    json_object_begin(&b, s->a, 4);
    json_adds(&b, "type", json_str("array"));
    json_adds(&b, "items", value(s, f->item));
    if (f->min > 0)
        json_adds(&b, "minItems", json_int(f->min));
    if (f->max > 0)
        json_adds(&b, "maxItems", json_int(f->max));
    if (!f->one_or_many)
        return json_end(&b);
    json_array_begin(&any, s->a, 2);
    json_push(&any, json_end(&b));
    json_push(&any, value(s, f->item));
    return object1(s, "anyOf", json_end(&any));
}

static struct json map(struct schema *s, const struct config_field *f)
{
    struct json_builder b;

    json_object_begin(&b, s->a, 4);
    json_adds(&b, "type", json_str("object"));
    json_adds(&b, "additionalProperties", value(s, f->item));
    if (f->names)
        json_adds(&b, "propertyNames", object1(s, "pattern", json_str("^[a-z0-9][a-z0-9_.-]{0,63}$")));
    return json_end(&b);
}

static struct json value(struct schema *s, const struct config_field *f)
{
    struct json_builder any;

    switch (f->type) {
    case CONFIG_INT:
        return number(s, f, "integer");
    case CONFIG_DOUBLE:
        return number(s, f, "number");
    case CONFIG_BOOL:
        return number(s, f, "boolean");
    case CONFIG_ANY:
        return json_bool(true);
    case CONFIG_LIST:
        return list(s, f);
    case CONFIG_MAP:
        return map(s, f);
    case CONFIG_ONE_OF:
        return one_of(s, f);
    case CONFIG_OBJECT:
    case CONFIG_OBJECT_REF:
        if (!f->spec->scalar)
            return ref(s, f->spec->name);
        json_array_begin(&any, s->a, 2);
        json_push(&any, ref(s, f->spec->name));
        json_push(&any, value(s, config__field_named(f->spec, tl_sv_str(f->spec->scalar))));
        return object1(s, "anyOf", json_end(&any));
    case CONFIG_STRING:
    case CONFIG_TEXT:
    case CONFIG_EXPR:
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
    case CONFIG_SECRET:
        break;
    }
    return scalar(s, f);
}

static void properties(struct schema *s, const struct config_spec *spec, struct json_builder *props,
                       struct json_builder *required)
{
    for (size_t i = 0; i < spec->n_fields; i++) {
        const struct config_field *f = &spec->fields[i];
        struct json_builder all, one;

        /* Beside a $ref: allOf keeps the description apart from what it describes. */
        json_array_begin(&all, s->a, 1);
        json_push(&all, value(s, f));
        json_object_begin(&one, s->a, 3);
        json_adds(&one, "description", json_str(f->doc));
        if (f->fallback)
            json_adds(&one, "default", json_str(f->fallback));
        json_adds(&one, "allOf", json_end(&all));
        json_adds(props, f->name, json_end(&one));
        if (f->required)
            json_push(required, json_str(f->name));
    }
}

static struct json object(struct schema *s, const struct config_spec *spec, const struct config_field *variant)
{
    struct json_builder b, props, required;

    json_object_begin(&b, s->a, 5);
    json_object_begin(&props, s->a, spec->n_fields + 1);
    json_array_begin(&required, s->a, 4);
    if (variant) {
        json_adds(&props, spec->tag, object1(s, "const", json_str(variant->name)));
        json_push(&required, json_str(spec->tag));
        properties(s, variant->spec, &props, &required);
    }
    properties(s, spec, &props, &required);
    json_adds(&b, "type", json_str("object"));
    json_adds(&b, "description", json_str(variant ? variant->doc : spec->doc));
    json_adds(&b, "properties", json_end(&props));
    json_adds(&b, "required", json_end(&required));
    json_adds(&b, "additionalProperties", json_bool(false));
    return json_end(&b);
}

static struct json definition(struct schema *s, const struct config_spec *spec)
{
    struct json_builder all;
    const struct config_field *v;

    if (!spec->tag)
        return object(s, spec, NULL);
    json_array_begin(&all, s->a, 8);
    for (size_t i = 0; (v = config__variant(spec->variants, i)) != NULL; i++)
        json_push(&all, object(s, spec, v));
    return object1(s, "oneOf", json_end(&all));
}

struct json config_schema(struct tl_arena *a, const struct config_spec *spec, const char *title)
{
    const struct config_spec **specs = tl_reallocarray(NULL, CONFIG_MAX_SPECS, sizeof *specs);
    size_t n = config__specs(spec, specs, CONFIG_MAX_SPECS);
    struct schema s = {.a = a};
    struct json_builder top, defs;

    json_object_begin(&defs, a, n);
    for (size_t i = 0; i < n; i++)
        json_adds(&defs, specs[i]->name, definition(&s, specs[i]));
    json_object_begin(&top, a, 4);
    json_adds(&top, "$schema", json_str("https://json-schema.org/draft/2020-12/schema"));
    json_adds(&top, "title", json_str(title));
    json_adds(&top, "$ref", json_printf(a, "#/$defs/%s", spec->name));
    json_adds(&top, "$defs", json_end(&defs));
    tl_free(specs);
    return json_end(&top);
}
