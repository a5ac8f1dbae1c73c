/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restlet.c - RESTlets: what suitescript/tieline_restlet.js does, done here, and one that echoes. Names are
 * SuiteScript's: lower case, references as plain ids.
 */
#include "netsuite/sim/sim_int.h"

void nsim_restlet_error(struct http_req *req, struct http_res *res, int status, const char *code, const char *message)
{
    struct json_builder b, e;

    json_object_begin(&e, req->arena, 2);
    (void)json_adds(&e, "code", json_str(code));
    (void)json_adds(&e, "message", json_str(message));
    json_object_begin(&b, req->arena, 1);
    (void)json_adds(&b, "error", json_end(&e));
    connector_sim_json(req, res, status, NULL, json_end(&b));
}

static const struct nsim_type *type_by_id(struct tl_sv id)
{
    for (size_t i = 0; i < nsim_n_types; i++)
        if (tl_sv_eqi(id, tl_sv_str(nsim_types[i].name)))
            return &nsim_types[i];
    return NULL;
}

static const struct nsim_field *field_by_id(const struct nsim_field *f, size_t n, struct tl_sv id)
{
    for (size_t i = 0; i < n; i++)
        if (tl_sv_eqi(id, tl_sv_str(f[i].name)))
            return &f[i];
    return NULL;
}

/* SuiteScript's values as the record service has them. */
static void add_values(struct tl_arena *a, const struct nsim_field *f, size_t n, struct json values,
                       struct json_builder *to)
{
    for (uint32_t i = 0; values.type == JSON_OBJECT && i < values.n; i++) {
        struct json v = values.u.members[i].value;
        const struct nsim_field *field = field_by_id(f, n, json_view(values.u.members[i].key));
        struct json_builder ref;

        if (field && (field->kind == NSIM_REF || field->kind == NSIM_ENUM) && v.type != JSON_OBJECT &&
            v.type != JSON_NULL) {
            json_object_begin(&ref, a, 1);
            (void)json_adds(&ref, "id", v);
            v = json_end(&ref);
        }
        (void)json_set(to, field ? tl_sv_str(field->name) : json_view(values.u.members[i].key), v);
    }
}

static struct json rest_body(struct tl_arena *a, const struct nsim_type *type, struct json one)
{
    struct json lines = json_gets(one, "lines");
    struct json_builder b;

    json_object_begin(&b, a, 16);
    add_values(a, type->fields, type->n_fields, json_gets(one, "values"), &b);
    for (uint32_t i = 0; lines.type == JSON_OBJECT && i < lines.n; i++) {
        struct tl_sv name = json_view(lines.u.members[i].key);
        const struct nsim_field *field = field_by_id(type->fields, type->n_fields, name);
        struct json list = lines.u.members[i].value;
        struct json_builder items, sub;

        json_array_begin(&items, a, list.n + 1);
        for (uint32_t k = 0; field && list.type == JSON_ARRAY && k < list.n; k++) {
            struct json_builder line;

            json_object_begin(&line, a, 8);
            add_values(a, field->lines, field->n_lines, list.u.items[k], &line);
            (void)json_push(&items, json_end(&line));
        }
        json_object_begin(&sub, a, 1);
        (void)json_adds(&sub, "items", json_end(&items));
        (void)json_add(&b, field ? tl_sv_str(field->name) : name, json_end(&sub));
    }
    return json_end(&b);
}

static struct json result(struct tl_arena *a, bool ok, struct json id, const struct nsim_fault *f)
{
    struct json_builder b;

    json_object_begin(&b, a, 3);
    (void)json_adds(&b, "ok", json_bool(ok));
    if (ok) {
        (void)json_adds(&b, "id", id);
    } else {
        (void)json_adds(&b, "code", json_str(f->code));
        (void)json_adds(&b, "message", json_str_copy(a, tl_sv_str(f->text)));
    }
    return json_end(&b);
}

static struct json upsert(struct nsim *s, struct tl_arena *a, struct json one)
{
    const struct nsim_type *type = type_by_id(json_text(json_gets(one, "type"), TL_SV("")));
    struct tl_sv ext = json_text(json_gets(one, "externalId"), TL_SV_NULL);
    struct nsim_write w = {.unknown = NSIM_UNKNOWN_ERROR, .replace_all = true};
    struct nsim_record r;
    struct nsim_fault f = {0};
    bool fresh;

    if (!type || ext.n == 0) {
        (void)nsim_wrong(&f, 400, "MISSING_REQD_ARGUMENT", NULL, TL_SV_NULL, "type and externalId are needed");
        return result(a, false, JSON_NOTHING, &f);
    }
    if (!nsim_may(s, type)) {
        (void)nsim_wrong(&f, 403, "INSUFFICIENT_PERMISSION", NULL, TL_SV_NULL,
                         "You do not have permissions for %s records.", type->title);
        return result(a, false, JSON_NOTHING, &f);
    }
    fresh = !nsim_load(s, a, type, 0, ext, &r) || r.type != type;
    if (fresh)
        r = (struct nsim_record){.type = type, .external_id = ext};
    w.in = rest_body(a, type, one);
    if (!nsim_write(s, a, &r, &w, &f))
        return result(a, false, JSON_NOTHING, &f);
    *(fresh ? &s->counts.created : &s->counts.updated) += 1;
    return result(a, true, json_printf(a, "%lld", (long long)r.id), NULL);
}

void nsim_restlet(struct nsim *s, struct http_req *req, struct http_res *res)
{
    struct tl_sv script = nsim_query(req, "script"), deploy = nsim_query(req, "deploy"),
                 type = http_req_header(req, "content-type");
    bool echo = tl_sv_eqs(script, "customscript_echo");
    struct json_builder b, results;
    struct json v, list;

    if ((!echo && !tl_sv_eqs(script, "customscript_tieline")) || deploy.n == 0) {
        nsim_restlet_error(req, res, 400, "SSS_INVALID_SCRIPTLET_ID",
                           "That Suitelet is invalid, disabled, or no longer exists.");
        return;
    }
    if (req->method == HTTP_GET && echo && tl_sv_starts_i(type, TL_SV("application/json"))) {
        http_res_set(res, 200, "application/json", TL_SV("{\"ok\":true}"));
        return;
    }
    if (req->method != HTTP_POST) {
        nsim_restlet_error(req, res, 405, "SSS_INVALID_SCRIPTLET_METHOD", "The script does not have this method.");
        return;
    }
    if (!tl_sv_starts_i(type, TL_SV("application/json"))) {
        nsim_restlet_error(req, res, 415, "INVALID_REQUEST", "The content type is not supported.");
        return;
    }
    if (json_parse(req->arena, req->body, 0, NULL, &v, NULL) != TL_OK) {
        nsim_restlet_error(req, res, 400, "INVALID_REQUEST", "The request body is not JSON.");
        return;
    }
    if (echo) {
        connector_sim_json(req, res, 200, NULL, v);
        return;
    }
    list = json_gets(v, "records");
    json_array_begin(&results, req->arena, list.n + 1);
    for (uint32_t i = 0; list.type == JSON_ARRAY && i < list.n; i++)
        (void)json_push(&results, upsert(s, req->arena, list.u.items[i]));
    json_object_begin(&b, req->arena, 1);
    (void)json_adds(&b, "results", json_end(&results));
    connector_sim_json(req, res, 200, NULL, json_end(&b));
}
