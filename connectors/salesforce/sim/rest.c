/* SPDX-License-Identifier: Apache-2.0 */
/* rest.c - the REST API below /services/data/vNN.N: which function answers, sobject resources, describe, limits. */
#include "salesforce/sim/sim_int.h"

#include <stdio.h>

/* ---- answers ---- */

struct json sfsim_fault_json(struct tl_arena *a, const struct sfsim_fault *f, bool of_record)
{
    struct json_builder b, fields;

    json_array_begin(&fields, a, f->n_fields);
    for (size_t i = 0; i < f->n_fields; i++)
        (void)json_push(&fields, json_sv(f->fields[i]));
    json_object_begin(&b, a, 5);
    if (f->duplicates.type == JSON_OBJECT)
        (void)json_adds(&b, "duplicateResult", f->duplicates);
    (void)json_adds(&b, "message", json_sv(f->message));
    (void)json_adds(&b, of_record ? "statusCode" : "errorCode", json_str(f->code));
    if (of_record || f->n_fields > 0)
        (void)json_adds(&b, "fields", json_end(&fields));
    return json_end(&b);
}

void sfsim_fail(const struct sfsim_req *req, struct sfsim_answer *ans, const struct sfsim_fault *f)
{
    struct json_builder list;

    json_array_begin(&list, req->arena, 1);
    (void)json_push(&list, sfsim_fault_json(req->arena, f, false));
    *ans = (struct sfsim_answer){.status = f->status, .body = json_end(&list)};
}

static void fail(const struct sfsim_req *req, struct sfsim_answer *ans, int status, const char *code, const char *text)
{
    struct sfsim_fault f;

    (void)sfsim_refuse(&f, req->arena, status, code, TL_SV_NULL, "%s", text);
    sfsim_fail(req, ans, &f);
}

static void not_found(const struct sfsim_req *req, struct sfsim_answer *ans)
{
    fail(req, ans, 404, "NOT_FOUND", "The requested resource does not exist");
}

static void not_allowed(const struct sfsim_req *req, struct sfsim_answer *ans)
{
    fail(req, ans, 405, "METHOD_NOT_ALLOWED", "HTTP Method not allowed for this resource");
}

struct tl_sv sfsim_query(const struct sfsim_req *req, const char *name)
{
    struct tl_sv v;

    if (req->query.p && http_query_get(req->query, tl_sv_str(name), req->arena, &v, NULL) == TL_OK)
        return v;
    return TL_SV_NULL;
}

bool sfsim_segment(struct tl_arena *a, struct tl_sv *path, struct tl_sv *ret)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv part;

    while (path->n > 0 && path->p[0] == '/')
        *path = tl_sv_from(*path, 1);
    if (path->n == 0)
        return false;
    part = tl_sv(path->p, tl_sv_find(*path, '/'));
    *path = tl_sv_from(*path, part.n);
    tl_buf_init(&b, part.n + 1);
    if (!tl_percent_decode(&b, part, false))
        return false;
    *ret = tl_arena_sv(a, tl_buf_view(&b));
    return ret->p != NULL;
}

static const char *version_text(const struct sfsim_req *req)
{
    return tl_arena_printf(req->arena, "%d.0", req->version);
}

/* ---- one record ---- */

static void saved(const struct sfsim_req *req, const struct sfsim_saved *s, bool upsert, struct sfsim_answer *ans)
{
    struct json_builder headers;

    if (!s->ok) {
        sfsim_fail(req, ans, &s->fault);
        return;
    }
    *ans = (struct sfsim_answer){.status = s->created ? 201 : 200,
                                 .body = sfsim_saved_json(req->arena, s, upsert && req->version >= 46)};
    if (!s->created && (!upsert || req->version < 46)) {
        *ans = (struct sfsim_answer){.status = 204};
        return;
    }
    if (s->created) {
        const struct sfsim_object *o = sfsim_object_of_id(req->sim->schema, tl_sv_str(s->id));

        json_object_begin(&headers, req->arena, 1);
        (void)json_adds(&headers, "Location",
                        json_printf(req->arena, "/services/data/v%d.0/sobjects/%.*s/%s", req->version,
                                    o ? (int)o->name.n : 0, o ? o->name.p : "", s->id));
        ans->headers = json_end(&headers);
    }
}

struct json sfsim_attributes(const struct sfsim_req *req, const struct sfsim_record *r)
{
    struct json_builder b;

    json_object_begin(&b, req->arena, 2);
    (void)json_adds(&b, "type", json_sv(r->type->name));
    (void)json_adds(&b, "url",
                    json_printf(req->arena, "/services/data/v%d.0/sobjects/%.*s/%s", req->version,
                                TL_SV_ARG(r->type->name), r->id));
    return json_end(&b);
}

static void read_record(const struct sfsim_req *req, const struct sfsim_record *r, struct sfsim_answer *ans)
{
    struct tl_sv wanted = sfsim_query(req, "fields"), name;
    struct json_builder b;
    struct sfsim_fault fault;

    json_object_begin(&b, req->arena, r->type->n_fields + 1);
    (void)json_adds(&b, "attributes", sfsim_attributes(req, r));
    if (wanted.n == 0) {
        for (size_t i = 0; i < r->type->n_fields; i++)
            (void)json_add(&b, r->type->fields[i].name, sfsim_value(req->arena, r, &r->type->fields[i]));
    }
    while (wanted.n > 0 && tl_sv_cut(&wanted, ',', &name)) {
        const struct sfsim_field *f = sfsim_field(r->type, tl_sv_trim(name));

        if (!f) {
            (void)sfsim_refuse(&fault, req->arena, 400, "INVALID_FIELD", TL_SV_NULL,
                               "No such column '%.*s' on entity '%.*s'", TL_SV_ARG(name), TL_SV_ARG(r->type->name));
            sfsim_fail(req, ans, &fault);
            return;
        }
        (void)json_set(&b, f->name, sfsim_value(req->arena, r, f));
    }
    *ans = (struct sfsim_answer){.status = 200, .body = json_end(&b)};
}

static void record_by_id(const struct sfsim_req *req, const struct sfsim_object *o, struct tl_sv id,
                         struct sfsim_answer *ans)
{
    struct sfsim_saved s;
    struct sfsim_record r;
    int64_t since;

    if (tl_sv_eqs(req->method, "PATCH")) {
        sfsim_update(req, o, id, req->body, &s);
        saved(req, &s, false, ans);
    } else if (tl_sv_eqs(req->method, "DELETE")) {
        sfsim_delete(req, id, &s);
        saved(req, &s, false, ans);
    } else if (!tl_sv_eqs(req->method, "GET") && !tl_sv_eqs(req->method, "HEAD")) {
        not_allowed(req, ans);
    } else if (!sfsim_get(req->sim->db, req->arena, id, &r) || r.type != o) {
        not_found(req, ans);
    } else if (r.deleted) {
        fail(req, ans, 404, "ENTITY_IS_DELETED", "entity is deleted");
    } else if (req->if_modified.p && tl_http_date_parse(req->if_modified, &since) && r.modified_ms <= since) {
        *ans = (struct sfsim_answer){.status = 304};
    } else {
        read_record(req, &r, ans);
    }
}

static void many_matches(const struct sfsim_req *req, const struct sfsim_object *o, const struct sfsim_field *by,
                         struct tl_sv value, struct sfsim_answer *ans)
{
    char ids[10][SFSIM_ID18 + 1];
    size_t n = sfsim_find(req->sim->db, o, by, value, ids, TL_COUNT(ids));
    struct json_builder list;

    json_array_begin(&list, req->arena, n);
    for (size_t i = 0; i < n; i++)
        (void)json_push(&list, json_printf(req->arena, "/services/data/v%d.0/sobjects/%.*s/%s", req->version,
                                           TL_SV_ARG(o->name), ids[i]));
    *ans = (struct sfsim_answer){.status = 300, .body = json_end(&list)};
}

static void record_by_key(const struct sfsim_req *req, const struct sfsim_object *o, struct tl_sv field,
                          struct tl_sv value, struct sfsim_answer *ans)
{
    const struct sfsim_field *by = sfsim_field(o, field);
    char ids[2][SFSIM_ID18 + 1];
    struct sfsim_saved s;

    if (by && by->type == SFSIM_ID) {
        record_by_id(req, o, value, ans);
        return;
    }
    if (!by || !by->external) {
        struct sfsim_fault f;

        (void)sfsim_refuse(&f, req->arena, by ? 400 : 404, by ? "INVALID_FIELD" : "NOT_FOUND", TL_SV_NULL,
                           "Provided external ID field does not exist or is not accessible: %.*s", TL_SV_ARG(field));
        sfsim_fail(req, ans, &f);
        return;
    }
    if (tl_sv_eqs(req->method, "PATCH")) {
        sfsim_upsert(req, o, by, value, req->body, tl_sv_eqs(sfsim_query(req, "updateOnly"), "true"), &s);
        if (s.fault.status == 300)
            many_matches(req, o, by, value, ans);
        else
            saved(req, &s, true, ans);
        return;
    }
    switch (sfsim_find(req->sim->db, o, by, value, ids, 2)) {
    case 0:
        not_found(req, ans);
        break;
    case 1:
        record_by_id(req, o, tl_sv_str(ids[0]), ans);
        break;
    default:
        many_matches(req, o, by, value, ans);
    }
}

/* ---- what changed since ---- */

struct changes {
    const struct sfsim_req *req;
    struct json_builder list;
    bool deleted;
};

static bool one_change(void *arg, const struct sfsim_record *r)
{
    struct changes *c = arg;
    struct json_builder b;

    if (!c->deleted)
        return json_push(&c->list, json_sv(tl_arena_sv(c->req->arena, tl_sv_str(r->id))));
    json_object_begin(&b, c->req->arena, 2);
    (void)json_adds(&b, "id", json_sv(tl_arena_sv(c->req->arena, tl_sv_str(r->id))));
    (void)json_adds(&b, "deletedDate", sfsim_datetime(c->req->arena, r->modified_ms));
    return json_push(&c->list, json_end(&b));
}

static void changes_of(const struct sfsim_req *req, const struct sfsim_object *o, bool deleted,
                       struct sfsim_answer *ans)
{
    struct changes c = {.req = req, .deleted = deleted};
    int64_t from, to;
    struct json_builder b;
    struct tl_err err = {0};

    if (!sfsim_datetime_read(sfsim_query(req, "start"), &from) || !sfsim_datetime_read(sfsim_query(req, "end"), &to) ||
        from >= to) {
        fail(req, ans, 400, "INVALID_REPLICATION_DATE", "startDate must be before endDate, both as ISO 8601");
        return;
    }
    json_array_begin(&c.list, req->arena, 64);
    if (sfsim_rows(req->sim->db, req->arena,
                   tl_arena_printf(req->arena,
                                   "SELECT id,type,deleted,created,modified,body FROM record WHERE type='%.*s' AND "
                                   "deleted=%d AND modified>=%lld AND modified<%lld ORDER BY modified,id",
                                   TL_SV_ARG(o->name), deleted, (long long)from, (long long)to),
                   one_change, &c, &err) != TL_OK) {
        fail(req, ans, 500, "UNKNOWN_EXCEPTION", err.text);
        return;
    }
    json_object_begin(&b, req->arena, 3);
    (void)json_adds(&b, deleted ? "deletedRecords" : "ids", json_end(&c.list));
    if (deleted)
        (void)json_adds(&b, "earliestDateAvailable", sfsim_datetime(req->arena, from - 86400000));
    (void)json_adds(&b, "latestDateCovered", sfsim_datetime(req->arena, to));
    *ans = (struct sfsim_answer){.status = 200, .body = json_end(&b)};
}

/* ---- /sobjects ---- */

static void list_objects(const struct sfsim_req *req, struct sfsim_answer *ans)
{
    struct json_builder b, list;
    const struct sfsim_object *o;

    json_array_begin(&list, req->arena, 32);
    for (size_t i = 0; (o = sfsim_object_at(req->sim->schema, i)); i++)
        (void)json_push(&list, sfsim_describe_brief(o, req->arena, version_text(req)));
    json_object_begin(&b, req->arena, 3);
    (void)json_adds(&b, "encoding", json_str("UTF-8"));
    (void)json_adds(&b, "maxBatchSize", json_int(200));
    (void)json_adds(&b, "sobjects", json_end(&list));
    *ans = (struct sfsim_answer){.status = 200, .body = json_end(&b)};
}

static void of_object(const struct sfsim_req *req, const struct sfsim_object *o, struct sfsim_answer *ans)
{
    struct json_builder b, none;
    struct sfsim_saved s;

    if (tl_sv_eqs(req->method, "POST")) {
        sfsim_create(req, o, req->body, &s);
        saved(req, &s, false, ans);
        return;
    }
    if (!tl_sv_eqs(req->method, "GET")) {
        not_allowed(req, ans);
        return;
    }
    json_array_begin(&none, req->arena, 1);
    json_object_begin(&b, req->arena, 2);
    (void)json_adds(&b, "objectDescribe", sfsim_describe_brief(o, req->arena, version_text(req)));
    (void)json_adds(&b, "recentItems", json_end(&none));
    *ans = (struct sfsim_answer){.status = 200, .body = json_end(&b)};
}

static void describe(const struct sfsim_req *req, const struct sfsim_object *o, struct sfsim_answer *ans)
{
    int64_t since;

    /* The schema of this org is as old as the simulator. */
    if (req->if_modified.p && tl_http_date_parse(req->if_modified, &since) &&
        since >= tl_clock_wall_ms(req->sim->clock) -
                     (int64_t)((tl_clock_mono_ns(req->sim->clock) - req->sim->started_ns) / 1000000))
        *ans = (struct sfsim_answer){.status = 304};
    else
        *ans = (struct sfsim_answer){.status = 200,
                                     .body = sfsim_describe(req->sim->schema, o, req->arena, version_text(req))};
}

static void sobjects(const struct sfsim_req *req, struct tl_sv path, struct sfsim_answer *ans)
{
    struct tl_sv name, second, third;
    const struct sfsim_object *o;

    if (!sfsim_segment(req->arena, &path, &name)) {
        list_objects(req, ans);
        return;
    }
    o = sfsim_object(req->sim->schema, name);
    if (!o) {
        not_found(req, ans);
        return;
    }
    if (!sfsim_segment(req->arena, &path, &second))
        of_object(req, o, ans);
    else if (sfsim_segment(req->arena, &path, &third))
        record_by_key(req, o, second, third, ans);
    else if (tl_sv_eqs(second, "describe"))
        describe(req, o, ans);
    else if (tl_sv_eqs(second, "updated") || tl_sv_eqs(second, "deleted"))
        changes_of(req, o, tl_sv_eqs(second, "deleted"), ans);
    else
        record_by_id(req, o, second, ans);
}

/* ---- the rest ---- */

static void resources(const struct sfsim_req *req, struct sfsim_answer *ans)
{
    static const char *const names[] = {"sobjects",  "query", "queryAll", "limits",
                                        "composite", "jobs",  "tooling",  "metadata"};
    struct json_builder b;

    json_object_begin(&b, req->arena, 10);
    for (size_t i = 0; i < TL_COUNT(names); i++)
        (void)json_adds(&b, names[i], json_printf(req->arena, "/services/data/v%d.0/%s", req->version, names[i]));
    (void)json_adds(&b, "identity",
                    json_printf(req->arena, "%s/id/%s/%s", req->sim->url, req->sim->org, req->sim->user));
    *ans = (struct sfsim_answer){.status = 200, .body = json_end(&b)};
}

static void queries(const struct sfsim_req *req, struct tl_sv path, bool all, struct sfsim_answer *ans)
{
    struct tl_sv locator, soql = sfsim_query(req, "q");

    if (sfsim_segment(req->arena, &path, &locator))
        sfsim_query_more(req, locator, ans);
    else if (soql.p)
        sfsim_query_run(req, soql, all, ans);
    else
        fail(req, ans, 400, "MALFORMED_QUERY", "SOQL query is missing");
}

static void composites(const struct sfsim_req *req, struct tl_sv path, struct sfsim_answer *ans)
{
    struct tl_sv kind, object = TL_SV_NULL;

    if (!sfsim_segment(req->arena, &path, &kind)) {
        sfsim_composite(req, ans);
        return;
    }
    if (tl_sv_eqs(kind, "sobjects"))
        sfsim_collections(req, path, ans);
    else if (tl_sv_eqs(kind, "batch"))
        sfsim_composite_batch(req, ans);
    else if (tl_sv_eqs(kind, "graph"))
        sfsim_composite_graph(req, ans);
    else if (tl_sv_eqs(kind, "tree") && sfsim_segment(req->arena, &path, &object))
        sfsim_composite_tree(req, object, ans);
    else
        not_found(req, ans);
}

void sfsim_handle(const struct sfsim_req *req, struct sfsim_answer *ans)
{
    struct tl_sv path = req->path, first;

    *ans = (struct sfsim_answer){0};
    if (!sfsim_segment(req->arena, &path, &first))
        resources(req, ans);
    else if (tl_sv_eqs(first, "sobjects"))
        sobjects(req, path, ans);
    else if (tl_sv_eqs(first, "query") || tl_sv_eqs(first, "queryAll"))
        queries(req, path, first.n > 5, ans);
    else if (tl_sv_eqs(first, "composite"))
        composites(req, path, ans);
    else if (tl_sv_eqs(first, "jobs"))
        sfsim_jobs(req, path, ans);
    else if (tl_sv_eqs(first, "metadata"))
        sfsim_metadata(req, path, ans);
    else if (tl_sv_eqs(first, "tooling") && sfsim_segment(req->arena, &path, &first) && tl_sv_eqs(first, "query"))
        queries(req, path, false, ans);
    else if (tl_sv_eqs(first, "limits"))
        *ans = (struct sfsim_answer){.status = 200, .body = sfsim_limits(req->sim, req->arena)};
    else
        not_found(req, ans);
}
