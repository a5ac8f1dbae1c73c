/* SPDX-License-Identifier: Apache-2.0 */
/* rest.c - the REST record service: one record a request, lists, sublists, transforms. */
#include "netsuite/sim/sim_int.h"

#include <stdio.h>

#define RESOURCE "application/vnd.oracle.resource+json; type=singular"
#define COLLECTION "application/vnd.oracle.resource+json; type=collection"
enum { PAGE = 1000 };

struct target { /* what a path names */
    const struct nsim_type *type;
    struct nsim_record record; /* .type NULL: the collection, or not there yet */
    struct tl_sv external_id;  /* of the address; .p NULL: none */
    struct tl_sv more;         /* what follows the id: "!transform/invoice", "item" */
    bool has_id;
};

/* ---- showing ---- */

static struct json self_link(struct tl_arena *a, const char *href)
{
    struct json_builder list, one;

    json_object_begin(&one, a, 2);
    (void)json_adds(&one, "rel", json_str("self"));
    (void)json_adds(&one, "href", json_str(href));
    json_array_begin(&list, a, 1);
    (void)json_push(&list, json_end(&one));
    return json_end(&list);
}

static struct json show_lines(struct tl_arena *a, struct json lines, const char *href, bool expand)
{
    struct json_builder b;

    json_object_begin(&b, a, 3);
    (void)json_adds(&b, "links", self_link(a, href));
    if (expand) {
        (void)json_adds(&b, "items", lines);
        (void)json_adds(&b, "totalResults", json_int(lines.n));
    }
    return json_end(&b);
}

static bool is_wanted(struct tl_sv fields, struct tl_sv name)
{
    struct tl_sv one;

    if (fields.n == 0)
        return true;
    while (tl_sv_cut(&fields, ',', &one))
        if (tl_sv_eq(one, name))
            return true;
    return false;
}

struct json nsim_show(struct tl_arena *a, const struct nsim_record *r, struct tl_sv base, bool expand,
                      struct tl_sv fields)
{
    const char *href =
        tl_arena_printf(a, "%.*s/services/rest/record/v1/%s/%lld", TL_SV_ARG(base), r->type->name, (long long)r->id);
    char made[TL_TIME_TEXT], changed[TL_TIME_TEXT];
    struct json_builder b;

    json_object_begin(&b, a, 16);
    (void)json_adds(&b, "links", self_link(a, href));
    (void)json_adds(&b, "id", json_printf(a, "%lld", (long long)r->id));
    if (r->external_id.p)
        (void)json_adds(&b, "externalId", json_sv(r->external_id));
    (void)json_adds(&b, "createdDate", json_str_copy(a, tl_sv_str(tl_time_format(r->created_ms, made))));
    (void)json_adds(&b, "lastModifiedDate", json_str_copy(a, tl_sv_str(tl_time_format(r->modified_ms, changed))));
    for (uint32_t i = 0; i < r->body.n; i++) {
        struct tl_sv name = json_view(r->body.u.members[i].key);
        struct json v = r->body.u.members[i].value;

        if (v.type == JSON_NULL || !is_wanted(fields, name))
            continue;
        if (v.type == JSON_ARRAY)
            v = show_lines(a, v, tl_arena_printf(a, "%s/%.*s", href, TL_SV_ARG(name)), expand);
        (void)json_add(&b, name, v);
    }
    return json_end(&b);
}

/* ---- addresses ---- */

static bool is_plain(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return s.n > 0;
}

static bool not_there(struct nsim_fault *f, const struct target *t, struct tl_sv id)
{
    return nsim_wrong(f, 404, "NONEXISTENT_ID", "o:errorUrl", id,
                      "The record instance does not exist. Provide a valid record instance ID.") &&
           t;
}

static bool resolve(struct nsim *s, struct http_req *req, struct tl_sv path, struct target *t, struct nsim_fault *f)
{
    struct tl_sv type, id;
    int64_t number = 0;

    path = tl_sv_from(path, path.n > 0 && path.p[0] == '/');
    (void)tl_sv_cut(&path, '/', &type);
    t->type = nsim_type_find(type);
    if (!t->type)
        return nsim_wrong(f, 404, "INVALID_PARAMETER", "o:errorUrl", type, "Record type '%.*s' does not exist.",
                          TL_SV_ARG(type));
    if (!nsim_may(s, t->type))
        return nsim_wrong(f, 403, "INSUFFICIENT_PERMISSION", NULL, TL_SV_NULL,
                          "Permission Violation: The role does not have permission for %s records. Contact your "
                          "account administrator.",
                          t->type->title);
    if (path.n == 0)
        return true;
    (void)tl_sv_cut(&path, '/', &id);
    t->has_id = true;
    t->more = path;
    if (tl_sv_starts(id, TL_SV("eid:"))) {
        t->external_id = tl_sv_from(id, 4);
        if (!is_plain(t->external_id))
            return nsim_wrong(f, 400, "INVALID_PARAMETER", "o:errorUrl", id,
                              "The external ID in the address is not valid.");
    } else if (!tl_sv_i64(id, &number)) {
        return not_there(f, t, id);
    }
    if (!nsim_load(s, req->arena, t->type, number, t->external_id, &t->record) || t->record.type != t->type) {
        if (t->record.type && t->external_id.p && req->method == HTTP_PUT)
            return nsim_wrong(f, 400, "DUP_RCRD", "o:errorUrl", id,
                              "This record already exists: a %s has this external ID.", t->record.type->title);
        t->record = (struct nsim_record){.type = NULL};
    }
    return t->record.type || req->method == HTTP_PUT || not_there(f, t, id);
}

/* ---- writing ---- */

static enum nsim_unknown mode(struct http_req *req)
{
    struct tl_sv v = http_req_header(req, "x-netsuite-propertynamevalidation");

    return tl_sv_eqi(v, TL_SV("error"))    ? NSIM_UNKNOWN_ERROR
           : tl_sv_eqi(v, TL_SV("ignore")) ? NSIM_UNKNOWN_IGNORE
                                           : NSIM_UNKNOWN_WARN;
}

static bool body_of(struct http_req *req, struct json *ret, struct nsim_fault *f)
{
    struct tl_sv type = http_req_header(req, "content-type");

    if (type.p && !tl_sv_starts_i(type, TL_SV("application/json")) &&
        !tl_sv_starts_i(type, TL_SV("application/vnd.oracle.resource+json")))
        return nsim_wrong(f, 415, "INVALID_HEADER", "o:errorHeader", TL_SV("Content-Type"), "Unsupported media type.");
    if (json_parse(req->arena, req->body, 0, NULL, ret, NULL) != TL_OK || ret->type != JSON_OBJECT)
        return nsim_wrong(f, 400, "INVALID_CONTENT", NULL, TL_SV_NULL,
                          "Invalid content in the request body. It is not a JSON object.");
    return true;
}

static void told(struct nsim *s, const char *what, const struct nsim_record *r)
{
    if (s->opt.watch && !s->opt.quiet)
        (void)printf("%s %s %lld %.*s\n", what, r->type->name, (long long)r->id, TL_SV_ARG(r->external_id));
}

static bool write_record(struct nsim *s, struct http_req *req, struct http_res *res, struct nsim_record *r,
                         struct nsim_fault *f)
{
    struct nsim_write w = {.replace = nsim_query(req, "replace"), .unknown = mode(req)};
    bool fresh = r->id == 0;
    struct tl_sv before = r->external_id;

    if (!body_of(req, &w.in, f))
        return false;
    if (fresh && before.p && json_gets(w.in, "externalId").type == JSON_STRING &&
        !tl_sv_eqi(json_view(json_gets(w.in, "externalId")), before))
        return nsim_wrong(f, 400, "INVALID_CONTENT", "o:errorPath", TL_SV("externalId"),
                          "The external ID of the body and of the address differ.");
    /* Whether an upsert appends lines without a key is not documented: it replaces them, unless told otherwise. */
    w.replace_all = req->method == HTTP_PUT && !s->opt.put_appends;
    if (!nsim_write(s, req->arena, r, &w, f))
        return false;
    *(fresh ? &s->counts.created : &s->counts.updated) += 1;
    told(s, fresh ? "created" : "updated", r);
    nsim_created(req, res, r->type, r->id);
    return true;
}

static bool transform(struct nsim *s, struct http_req *req, struct http_res *res, struct target *t,
                      struct nsim_fault *f)
{
    const struct nsim_type *to = nsim_type_find(tl_sv_from(t->more, strlen("!transform/")));
    struct nsim_record made;
    struct nsim_write w = {.unknown = mode(req)};

    if (!to || !nsim_transform(s, req->arena, &t->record, to, &made, f))
        return to ? false
                  : nsim_wrong(f, 404, "INVALID_PARAMETER", "o:errorUrl", t->more,
                               "This record cannot be transformed into that.");
    if (req->body.n > 0 && !body_of(req, &w.in, f))
        return false;
    if (req->body.n == 0)
        w.in = (struct json){.type = JSON_OBJECT};
    if (!nsim_write(s, req->arena, &made, &w, f))
        return false;
    s->counts.created++;
    told(s, "created", &made);
    nsim_created(req, res, to, made.id);
    return true;
}

/* ---- reading ---- */

static bool list(struct nsim *s, struct http_req *req, struct http_res *res, const struct nsim_type *type,
                 struct nsim_fault *f)
{
    struct tl_sv l = nsim_query(req, "limit"), o = nsim_query(req, "offset");
    struct json all = nsim_dump(s, req->arena, type);
    struct json_builder b, items;
    uint64_t limit = PAGE, offset = 0;

    if ((l.p && !tl_sv_u64(l, &limit)) || limit == 0 || limit > PAGE || (o.p && !tl_sv_u64(o, &offset)) ||
        offset % limit != 0)
        return nsim_wrong(f, 400, "INVALID_PARAMETER", "o:errorQueryParam", l.p ? TL_SV("limit") : TL_SV("offset"),
                          "The limit is from 1 to 1000, and the offset a multiple of it.");
    json_array_begin(&items, req->arena, limit);
    for (uint64_t i = offset; i < all.n && i < offset + limit; i++) {
        struct tl_sv id = json_view(json_gets(all.u.items[i], "id"));
        struct json_builder one;

        json_object_begin(&one, req->arena, 2);
        (void)json_adds(&one, "links",
                        self_link(req->arena, tl_arena_printf(req->arena, "%.*s/services/rest/record/v1/%s/%.*s",
                                                              TL_SV_ARG(nsim_base(req)), type->name, TL_SV_ARG(id))));
        (void)json_adds(&one, "id", json_sv(id));
        (void)json_push(&items, json_end(&one));
    }
    json_object_begin(&b, req->arena, 6);
    (void)json_adds(&b, "links",
                    self_link(req->arena, tl_arena_printf(req->arena, "%.*s%.*s", TL_SV_ARG(nsim_base(req)),
                                                          TL_SV_ARG(req->target))));
    (void)json_adds(&b, "count", json_int(items.v.n));
    (void)json_adds(&b, "hasMore", json_bool(offset + limit < all.n));
    (void)json_adds(&b, "items", json_end(&items));
    (void)json_adds(&b, "offset", json_int((int64_t)offset));
    (void)json_adds(&b, "totalResults", json_int(all.n));
    connector_sim_json(req, res, 200, COLLECTION, json_end(&b));
    return true;
}

static bool read_record(struct nsim *s, struct http_req *req, struct http_res *res, const struct target *t,
                        struct nsim_fault *f)
{
    bool expand = tl_sv_eqs(nsim_query(req, "expandSubResources"), "true");
    struct json v;

    s->counts.read++;
    if (t->more.n == 0) {
        connector_sim_json(req, res, 200, RESOURCE,
                           nsim_show(req->arena, &t->record, nsim_base(req), expand, nsim_query(req, "fields")));
        return true;
    }
    v = json_get(t->record.body, t->more);
    if (v.type != JSON_ARRAY)
        return nsim_wrong(f, 404, "NONEXISTENT_ID", "o:errorUrl", t->more, "There is no such sublist.");
    connector_sim_json(req, res, 200, COLLECTION, show_lines(req->arena, v, "", true));
    return true;
}

/* ---- one request ---- */

static bool on_record(struct nsim *s, struct http_req *req, struct http_res *res, struct target *t,
                      struct nsim_fault *f)
{
    struct nsim_record *r = &t->record;

    if (req->method == HTTP_GET)
        return read_record(s, req, res, t, f);
    if (req->method == HTTP_PATCH)
        return write_record(s, req, res, r, f);
    if (req->method == HTTP_PUT && t->external_id.p) {
        if (!r->type)
            *r = (struct nsim_record){.type = t->type, .external_id = t->external_id};
        return write_record(s, req, res, r, f);
    }
    if (req->method == HTTP_DELETE) {
        if (!nsim_remove(s, r, f))
            return false;
        s->counts.removed++;
        told(s, "deleted", r);
        res->status = 204;
        return true;
    }
    if (req->method == HTTP_POST && tl_sv_starts(t->more, TL_SV("!transform/")))
        return transform(s, req, res, t, f);
    return nsim_wrong(f, 405, "INVALID_REQUEST", NULL, TL_SV_NULL, "This method is not allowed here.");
}

bool nsim_rest(struct nsim *s, struct http_req *req, struct http_res *res, struct tl_sv path, struct nsim_fault *f)
{
    struct target t = {.type = NULL};
    struct nsim_record fresh;

    if (!resolve(s, req, path, &t, f))
        return false;
    if (t.has_id)
        return on_record(s, req, res, &t, f);
    if (req->method == HTTP_GET)
        return list(s, req, res, t.type, f);
    if (req->method != HTTP_POST)
        return nsim_wrong(f, 405, "INVALID_REQUEST", NULL, TL_SV_NULL, "This method is not allowed here.");
    fresh = (struct nsim_record){.type = t.type};
    return write_record(s, req, res, &fresh, f);
}
