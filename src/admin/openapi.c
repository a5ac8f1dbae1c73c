/* SPDX-License-Identifier: Apache-2.0 */
/* openapi.c - the description of the API (OpenAPI 3.1), made from the tables that the routes are mounted from. */
#include "admin/admin_int.h"
#include "http/http.h"

const struct admin__field admin__no_fields[] = {{0}};

static struct json one(struct tl_arena *a, const char *name, struct json v)
{
    struct json_builder b;

    json_object_begin(&b, a, 1);
    json_adds(&b, name, v);
    return json_end(&b);
}

static struct json schema_of(struct tl_arena *a, const struct admin__field *f)
{
    struct json_builder b;

    json_object_begin(&b, a, 2);
    if (strcmp(f->type, "any") != 0)
        json_adds(&b, "type", json_str(f->type));
    json_adds(&b, "description", json_str(f->doc));
    return json_end(&b);
}

static struct json parameter(struct tl_arena *a, const char *in, struct tl_sv name, struct json schema, bool required)
{
    struct json_builder b;

    json_object_begin(&b, a, 4);
    json_adds(&b, "name", json_sv(name));
    json_adds(&b, "in", json_str(in));
    json_adds(&b, "required", json_bool(required));
    json_adds(&b, "schema", schema);
    return json_end(&b);
}

static const struct admin__field reason = {"reason", "string", "Why; goes into the audit log.", true},
                                 unread = {"reason", "string", "Allowed and not kept: nothing is changed.", false},
                                 why = {"why", "string", "Another name of `reason`.", false},
                                 name_in_path = {"", "string", "", true};

static struct json parameters(struct tl_arena *a, const struct admin__route *r)
{
    struct tl_sv rest = tl_sv_str(r->pattern), segment;
    struct json_builder b;

    json_array_begin(&b, a, 8);
    while (tl_sv_cut(&rest, '/', &segment))
        if (segment.n > 2 && segment.p[0] == '{')
            json_push(&b, parameter(a, "path", tl_sv(segment.p + 1, segment.n - 2), schema_of(a, &name_in_path), true));
    for (const struct admin__field *f = r->query; f && f->name; f++)
        json_push(&b, parameter(a, "query", tl_sv_str(f->name), schema_of(a, f), f->required));
    if (r->act && !r->body && !r->no_reason)
        json_push(&b, parameter(a, "query", TL_SV("reason"), schema_of(a, &reason), true));
    return json_end(&b);
}

static struct json object_schema(struct tl_arena *a, const struct admin__route *r)
{
    struct json_builder b, properties, required;
    bool asks = r->act && !r->no_reason;

    json_object_begin(&properties, a, 8);
    json_array_begin(&required, a, 4);
    for (const struct admin__field *f = r->body; f && f->name; f++) {
        json_adds(&properties, f->name, schema_of(a, f));
        if (f->required)
            json_push(&required, json_str(f->name));
    }
    json_adds(&properties, "reason", schema_of(a, r->act ? &reason : &unread));
    json_adds(&properties, "why", schema_of(a, &why));
    if (asks && !r->can_dry)
        json_push(&required, json_str("reason"));
    json_object_begin(&b, a, 4);
    json_adds(&b, "type", json_str("object"));
    json_adds(&b, "properties", json_end(&properties));
    json_adds(&b, "additionalProperties", json_bool(false));
    if (required.v.n)
        json_adds(&b, "required", json_end(&required));
    return json_end(&b);
}

static struct json body_of(struct tl_arena *a, const struct admin__route *r)
{
    struct json schema = r->raw ? one(a, "description", json_str("The payload: any JSON.")) : object_schema(a, r);
    struct json_builder b;

    json_object_begin(&b, a, 2);
    json_adds(&b, "required", json_bool(true));
    json_adds(&b, "content", one(a, "application/json", one(a, "schema", schema)));
    return json_end(&b);
}

static struct json response(struct tl_arena *a, const char *text, const char *type, const char *ref)
{
    struct json_builder b;
    struct json schema = ref ? one(a, "$ref", json_str(ref)) : one(a, "type", json_str("object"));

    json_object_begin(&b, a, 2);
    json_adds(&b, "description", json_str(text));
    json_adds(
        &b, "content",
        one(a, type,
            one(a, "schema", strcmp(type, "application/json") == 0 ? schema : one(a, "type", json_str("string")))));
    return json_end(&b);
}

static struct json responses(struct tl_arena *a, const struct admin__route *r)
{
    const char *type = strcmp(r->pattern, "/v1/stream") == 0   ? "text/event-stream"
                       : strcmp(r->pattern, "/v1/config") == 0 ? "application/yaml"
                                                               : "application/json";
    struct json_builder b;

    json_object_begin(&b, a, 3);
    json_adds(&b, "2XX", response(a, "Done.", type, NULL));
    json_adds(&b, "4XX", response(a, "Refused: the error says why.", "application/json", "#/components/schemas/Error"));
    json_adds(&b, "5XX", response(a, "Not possible now.", "application/json", "#/components/schemas/Error"));
    return json_end(&b);
}

static struct json operation(struct tl_arena *a, const struct admin__route *r)
{
    struct json_builder b;
    struct json list;

    json_object_begin(&b, a, 8);
    json_adds(&b, "summary", json_str(r->doc));
    json_adds(&b, "x-role", json_str(admin__role_name(r->role)));
    list = parameters(a, r);
    if (list.n)
        json_adds(&b, "parameters", list);
    if (r->body || r->raw)
        json_adds(&b, "requestBody", body_of(a, r));
    json_adds(&b, "responses", responses(a, r));
    if (r->role == ADMIN_NOBODY) {
        struct json_builder none;

        json_array_begin(&none, a, 1);
        json_adds(&b, "security", json_end(&none));
    }
    return json_end(&b);
}

static void add_path(struct tl_arena *a, struct json_builder *paths, const struct admin__route *r)
{
    const char *method = strcmp(r->methods, "GET") == 0 ? "get" : strcmp(r->methods, "POST") == 0 ? "post" : "delete";
    struct json known = json_get(json_end(paths), tl_sv_str(r->pattern));
    struct json_builder b;

    json_object_begin(&b, a, known.n + 1);
    for (uint32_t i = 0; known.type == JSON_OBJECT && i < known.n; i++)
        json_add(&b, json_view(known.u.members[i].key), known.u.members[i].value);
    json_adds(&b, method, operation(a, r));
    json_set(paths, tl_sv_str(r->pattern), json_end(&b));
}

static struct json all_paths(struct tl_arena *a)
{
    static const struct admin__table *const web[] = {&admin__sign_in_table, &admin__oidc_table, &admin__stream_table,
                                                     NULL};
    const struct admin__table *const *both[] = {admin__shared, web};
    struct json_builder b;

    json_object_begin(&b, a, 64);
    for (size_t k = 0; k < TL_COUNT(both); k++)
        for (size_t i = 0; both[k][i]; i++)
            for (size_t n = 0; n < both[k][i]->n; n++)
                add_path(a, &b, &both[k][i]->routes[n]);
    return json_end(&b);
}

static struct json components(struct tl_arena *a)
{
    struct json_builder b, error, bearer;

    json_object_begin(&error, a, 3);
    json_adds(&error, "type", json_str("object"));
    json_adds(&error, "properties", one(a, "error", one(a, "type", json_str("object"))));
    json_object_begin(&bearer, a, 2);
    json_adds(&bearer, "type", json_str("http"));
    json_adds(&bearer, "scheme", json_str("bearer"));
    json_object_begin(&b, a, 2);
    json_adds(&b, "schemas", one(a, "Error", json_end(&error)));
    json_adds(&b, "securitySchemes", one(a, "token", json_end(&bearer)));
    return json_end(&b);
}

struct json admin__openapi(struct tl_arena *a)
{
    struct json_builder b, info, security, scopes;

    json_object_begin(&info, a, 3);
    json_adds(&info, "title", json_str("Tieline, the operator's API"));
    json_adds(&info, "version", json_str(TIELINE_VERSION));
    json_array_begin(&scopes, a, 1);
    json_array_begin(&security, a, 1);
    json_push(&security, one(a, "token", json_end(&scopes)));
    json_object_begin(&b, a, 6);
    json_adds(&b, "openapi", json_str("3.1.0"));
    json_adds(&b, "info", json_end(&info));
    json_adds(&b, "security", json_end(&security));
    json_adds(&b, "paths", all_paths(a));
    json_adds(&b, "components", components(a));
    return json_end(&b);
}

static enum tl_rc get_openapi(struct admin_call *c, struct tl_err *err)
{
    return admin__answer(c, 200, admin__openapi(c->arena), err);
}

static const struct admin__route routes[] = {
    {.methods = "GET",
     .pattern = "/v1/openapi.json",
     .fn = get_openapi,
     .doc = "This description.",
     .role = ADMIN_VIEWER},
};
const struct admin__table admin__openapi_table = {routes, TL_COUNT(routes)};
