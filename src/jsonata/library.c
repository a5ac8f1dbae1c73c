/* SPDX-License-Identifier: Apache-2.0 */
#include "jsonata/library.h"

#include "jsonata/eval.h"

static const struct jsonata_native *const tables[] = {
    jsonata_sequence_functions, jsonata_object_functions, jsonata_aggregate_functions,
    jsonata_core_functions,     jsonata_string_functions, jsonata_regex_functions,
    jsonata_number_functions,   jsonata_date_functions,   jsonata_encode_functions};

static struct json native_value(struct compiler *c, const struct jsonata_native *row)
{
    struct function *f = ast_alloc(c, sizeof(*f));
    const char *code = NULL;
    uint32_t offset = 0;
    struct tl_sv value;

    f->kind = F_NATIVE;
    f->u.native.row = row;
    if (row->signature) {
        f->u.native.signature = signature_parse(c->arena, tl_sv_str(row->signature), &code, &offset, &value);
        assert(f->u.native.signature);
        f->arity = signature_params(f->u.native.signature);
    }
    /* What the reference declares without a default value, as $map and its kind see it. */
    if (strcmp(row->name, "string") == 0)
        f->arity = 1;
    else if (strcmp(row->name, "zip") == 0)
        f->arity = 0;
    return (struct json){.type = JSON_EXT, .u.ext = f};
}

struct json library_find(struct compiler *c, struct tl_sv name)
{
    struct json known = json_get(json_end(&c->functions), name);

    if (known.type != JSON_UNDEFINED)
        return known;
    for (size_t t = 0; t < TL_COUNT(tables); t++)
        for (const struct jsonata_native *row = tables[t]; row->name; row++)
            if (tl_sv_eqs(name, row->name)) {
                known = native_value(c, row);
                json_adds(&c->functions, row->name, known);
                return known;
            }
    return JSON_NOTHING;
}

struct json library_namespace(struct compiler *c, struct tl_sv name)
{
    struct json_builder b;

    if (c->options->strict)
        return JSON_NOTHING;
    for (size_t i = 0; i < c->options->namespace_count; i++) {
        const struct jsonata_namespace *space = &c->options->namespaces[i];

        if (!tl_sv_eqs(name, space->name))
            continue;
        json_object_begin(&b, c->arena, space->count);
        for (size_t k = 0; k < space->count; k++)
            json_adds(&b, space->functions[k].name, native_value(c, &space->functions[k]));
        return json_end(&b);
    }
    return JSON_NOTHING;
}
