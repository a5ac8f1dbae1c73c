/* SPDX-License-Identifier: Apache-2.0 */
/* metadata.c - the metadata catalogue: which record types there are, and the fields of one as JSON Schema. */
#include "netsuite/sim/sim_int.h"

static struct json schema_of(struct tl_arena *a, const struct nsim_field *fields, size_t n);

static struct json field_schema(struct tl_arena *a, const struct nsim_field *f)
{
    static const char *const types[] = {"string", "number", "integer", "boolean", "string",
                                        "string", "object", "object",  "object"};
    struct json_builder b;

    json_object_begin(&b, a, 6);
    (void)json_adds(&b, "type", json_str(types[f->kind]));
    (void)json_adds(&b, "title", json_str(f->name));
    if (f->kind == NSIM_DATE || f->kind == NSIM_TIME)
        (void)json_adds(&b, "format", json_str(f->kind == NSIM_DATE ? "date" : "date-time"));
    if (f->kind == NSIM_LINES) {
        struct json_builder props, items;

        json_object_begin(&items, a, 2);
        (void)json_adds(&items, "type", json_str("array"));
        (void)json_adds(&items, "items", schema_of(a, f->lines, f->n_lines));
        json_object_begin(&props, a, 1);
        (void)json_adds(&props, "items", json_end(&items));
        (void)json_adds(&b, "properties", json_end(&props));
    }
    (void)json_adds(&b, "nullable", json_bool(!f->required));
    (void)json_adds(&b, "readOnly", json_bool(f->read_only));
    if (tl_sv_starts(tl_sv_str(f->name), TL_SV("cust")) && tl_sv_find(tl_sv_str(f->name), '_') < strlen(f->name))
        (void)json_adds(&b, "x-ns-custom-field", json_bool(true));
    (void)json_adds(&b, "x-ns-filterable", json_bool(f->kind != NSIM_LINES));
    return json_end(&b);
}

static struct json schema_of(struct tl_arena *a, const struct nsim_field *fields, size_t n)
{
    struct json_builder b, props;

    json_object_begin(&props, a, n);
    for (size_t i = 0; i < n; i++)
        (void)json_adds(&props, fields[i].name, field_schema(a, &fields[i]));
    json_object_begin(&b, a, 3);
    (void)json_adds(&b, "type", json_str("object"));
    (void)json_adds(&b, "properties", json_end(&props));
    return json_end(&b);
}

static struct json type_list(struct nsim *s, struct http_req *req)
{
    struct json_builder list, b;

    json_array_begin(&list, req->arena, nsim_n_types);
    for (size_t i = 0; i < nsim_n_types; i++) {
        struct json_builder one, links, link;

        if (!nsim_may(s, &nsim_types[i]))
            continue;
        json_object_begin(&link, req->arena, 3);
        (void)json_adds(&link, "rel", json_str("canonical"));
        (void)json_adds(&link, "href",
                        json_printf(req->arena, "%.*s/services/rest/record/v1/metadata-catalog/%s",
                                    TL_SV_ARG(nsim_base(req)), nsim_types[i].name));
        json_array_begin(&links, req->arena, 1);
        (void)json_push(&links, json_end(&link));
        json_object_begin(&one, req->arena, 2);
        (void)json_adds(&one, "name", json_str(nsim_types[i].name));
        (void)json_adds(&one, "links", json_end(&links));
        (void)json_push(&list, json_end(&one));
    }
    json_object_begin(&b, req->arena, 1);
    (void)json_adds(&b, "items", json_end(&list));
    return json_end(&b);
}

bool nsim_metadata(struct nsim *s, struct http_req *req, struct http_res *res, struct tl_sv path, struct nsim_fault *f)
{
    struct tl_sv name = tl_sv_from(path, strlen("/metadata-catalog/"));
    const struct nsim_type *type = nsim_type_find(name);

    if (name.n == 0) {
        connector_sim_json(req, res, 200, NULL, type_list(s, req));
        return true;
    }
    if (!type || !nsim_may(s, type))
        return nsim_wrong(f, 404, "INVALID_PARAMETER", "o:errorUrl", name, "Record type '%.*s' does not exist.",
                          TL_SV_ARG(name));
    connector_sim_json(req, res, 200, "application/schema+json", schema_of(req->arena, type->fields, type->n_fields));
    return true;
}
