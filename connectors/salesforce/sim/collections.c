/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collections.c - /composite/sobjects: up to 200 records in one call, a result for each in their order, HTTP 200 even
 * when all of them failed; allOrNone rolls the innocent back.
 */
#include "salesforce/sim/sim_int.h"

enum { RECORDS = 200, RUNS = 10 };

struct bulk {
    const struct sfsim_req *req;
    const struct sfsim_object *by_object; /* upsert */
    const struct sfsim_field *by;
    bool all_or_none;
    struct sfsim_saved *saved;
    size_t n;
};

static void refuse(const struct sfsim_req *req, struct sfsim_answer *ans, int status, const char *code,
                   const char *text)
{
    struct sfsim_fault f;

    (void)sfsim_refuse(&f, req->arena, status, code, TL_SV_NULL, "%s", text);
    sfsim_fail(req, ans, &f);
}

/* Two records with one external id in a call: the vendor refuses both, it does not choose. */
static bool is_repeated(struct bulk *b, struct json records, uint32_t i)
{
    struct tl_sv mine = sfsim_scalar(b->req->arena, json_get(records.u.items[i], b->by->name));

    for (uint32_t k = 0; k < records.n && mine.p; k++)
        if (k != i && tl_sv_eqi(mine, sfsim_scalar(b->req->arena, json_get(records.u.items[k], b->by->name))))
            return true;
    return false;
}

static struct json without(struct tl_arena *a, struct json v, struct tl_sv name)
{
    struct json_builder b;

    json_object_begin(&b, a, v.n);
    for (uint32_t i = 0; i < v.n; i++)
        if (!tl_sv_eqi(json_view(v.u.members[i].key), name))
            (void)json_add(&b, json_view(v.u.members[i].key), v.u.members[i].value);
    return json_end(&b);
}

static void upsert_one(struct bulk *b, struct json records, uint32_t i)
{
    struct tl_sv value = sfsim_scalar(b->req->arena, json_get(records.u.items[i], b->by->name));
    struct sfsim_saved *s = &b->saved[i];

    *s = (struct sfsim_saved){0};
    if (b->by->type == SFSIM_ID && value.n > 0)
        sfsim_update(b->req, b->by_object, value, records.u.items[i], s);
    else if (b->by->type == SFSIM_ID)
        sfsim_create(b->req, b->by_object, records.u.items[i], s);
    else if (!value.p || value.n == 0)
        (void)sfsim_refuse(&s->fault, b->req->arena, 400, "MISSING_ARGUMENT", b->by->name, "%.*s not specified",
                           TL_SV_ARG(b->by->name));
    else if (is_repeated(b, records, i))
        (void)sfsim_refuse(&s->fault, b->req->arena, 400, "DUPLICATE_VALUE", b->by->name,
                           "Duplicate external id specified: %.*s", TL_SV_ARG(value));
    else
        sfsim_upsert(b->req, b->by_object, b->by, value, without(b->req->arena, records.u.items[i], b->by->name), false,
                     s);
}

static void save_one(struct bulk *b, struct json records, uint32_t i)
{
    struct json r = records.u.items[i];
    struct tl_sv type = json_text(json_gets(json_gets(r, "attributes"), "type"), TL_SV(""));
    const struct sfsim_object *o = sfsim_object(b->req->sim->schema, type);
    struct sfsim_saved *s = &b->saved[i];

    *s = (struct sfsim_saved){0};
    if (!o)
        (void)sfsim_refuse(&s->fault, b->req->arena, 400, "INVALID_TYPE", TL_SV_NULL,
                           "sObject type '%.*s' is not supported.", TL_SV_ARG(type));
    else if (tl_sv_eqs(b->req->method, "POST"))
        sfsim_create(b->req, o, r, s);
    else
        sfsim_update(b->req, o, json_text(json_gets(r, "Id"), json_text(json_gets(r, "id"), TL_SV(""))), r, s);
}

static void roll_back(struct bulk *b)
{
    bool bad = false;

    for (size_t i = 0; i < b->n; i++)
        bad |= !b->saved[i].ok;
    if (!b->all_or_none || !bad)
        return;
    sfsim_rollback(b->req->sim->db);
    (void)sfsim_begin(b->req->sim->db);
    for (size_t i = 0; i < b->n; i++) {
        if (!b->saved[i].ok)
            continue;
        b->saved[i].ok = false;
        (void)sfsim_refuse(&b->saved[i].fault, b->req->arena, 400, "ALL_OR_NONE_OPERATION_ROLLED_BACK", TL_SV_NULL,
                           "Record rolled back because not all records were valid and the request was using "
                           "AllOrNone header");
    }
}

/* What cannot be read as JSON of the field's type fails the request, not the record: nothing of it is saved. */
static bool unreadable(struct bulk *b, struct sfsim_answer *ans)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->saved[i].ok || strcmp(b->saved[i].fault.code, "JSON_PARSER_ERROR") != 0)
            continue;
        sfsim_rollback(b->req->sim->db);
        (void)sfsim_begin(b->req->sim->db);
        sfsim_fail(b->req, ans, &b->saved[i].fault);
        return true;
    }
    return false;
}

static void results(struct bulk *b, struct sfsim_answer *ans)
{
    struct json_builder list;

    if (unreadable(b, ans))
        return;
    roll_back(b);
    json_array_begin(&list, b->req->arena, b->n);
    for (size_t i = 0; i < b->n; i++)
        (void)json_push(&list, sfsim_saved_json(b->req->arena, &b->saved[i], b->by != NULL));
    *ans = (struct sfsim_answer){.status = 200, .body = json_end(&list)};
}

static bool too_mixed(struct json records)
{
    struct tl_sv last = TL_SV_NULL;
    int runs = 0;

    for (uint32_t i = 0; i < records.n; i++) {
        struct tl_sv type = json_text(json_gets(json_gets(records.u.items[i], "attributes"), "type"), TL_SV(""));

        runs += i == 0 || !tl_sv_eqi(type, last);
        last = type;
    }
    return runs > RUNS;
}

/* For the results of a call; false: the answer says that there is none. */
static bool room(struct bulk *b, struct sfsim_answer *ans)
{
    b->saved = tl_arena_zalloc(b->req->arena, RECORDS * sizeof *b->saved);
    if (!b->saved)
        refuse(b->req, ans, 503, "SERVER_UNAVAILABLE", "the simulator has no memory left for this request");
    return b->saved != NULL;
}

static void save(const struct sfsim_req *req, const struct sfsim_object *o, const struct sfsim_field *by,
                 struct sfsim_answer *ans)
{
    struct json records = json_gets(req->body, "records");
    struct bulk b = {.req = req, .by_object = o, .by = by};

    if (records.type != JSON_ARRAY || records.n > RECORDS) {
        refuse(req, ans, 400, records.type == JSON_ARRAY ? "EXCEEDED_ID_LIMIT" : "JSON_PARSER_ERROR",
               records.type == JSON_ARRAY ? "record limit reached. cannot submit more than 200 records in this request"
                                          : "the request has no records");
        return;
    }
    if (too_mixed(records)) {
        refuse(req, ans, 400, "LIMIT_EXCEEDED", "Cannot have more than 10 chunks in a single operation");
        return;
    }
    b.all_or_none = json_gets(req->body, "allOrNone").type == JSON_BOOL && json_gets(req->body, "allOrNone").u.b;
    if (!room(&b, ans))
        return;
    b.n = records.n;
    for (uint32_t i = 0; i < records.n; i++) {
        if (by)
            upsert_one(&b, records, i);
        else
            save_one(&b, records, i);
    }
    results(&b, ans);
}

static void delete_all(const struct sfsim_req *req, struct sfsim_answer *ans)
{
    struct bulk b = {.req = req, .all_or_none = tl_sv_eqs(sfsim_query(req, "allOrNone"), "true")};
    struct tl_sv ids = sfsim_query(req, "ids"), id;

    if (!room(&b, ans))
        return;
    while (ids.n > 0 && tl_sv_cut(&ids, ',', &id)) {
        if (b.n == RECORDS) {
            refuse(req, ans, 400, "EXCEEDED_ID_LIMIT", "cannot delete more than 200 records in this request");
            return;
        }
        sfsim_delete(req, id, &b.saved[b.n++]);
    }
    results(&b, ans);
}

/* POST /composite/sobjects/{T} {ids, fields} */
static void retrieve(const struct sfsim_req *req, const struct sfsim_object *o, struct sfsim_answer *ans)
{
    struct json ids = json_gets(req->body, "ids"), fields = json_gets(req->body, "fields");
    struct json_builder list;

    json_array_begin(&list, req->arena, ids.type == JSON_ARRAY ? ids.n : 0);
    for (uint32_t i = 0; ids.type == JSON_ARRAY && i < ids.n; i++) {
        struct sfsim_record r;
        struct json_builder b;

        if (!sfsim_get(req->sim->db, req->arena, json_text(ids.u.items[i], TL_SV("")), &r) || r.type != o ||
            r.deleted) {
            (void)json_push(&list, json_null());
            continue;
        }
        json_object_begin(&b, req->arena, 8);
        (void)json_adds(&b, "attributes", sfsim_attributes(req, &r));
        for (uint32_t k = 0; fields.type == JSON_ARRAY && k < fields.n; k++) {
            const struct sfsim_field *f = sfsim_field(o, json_text(fields.u.items[k], TL_SV("")));

            if (f)
                (void)json_set(&b, f->name, sfsim_value(req->arena, &r, f));
        }
        (void)json_push(&list, json_end(&b));
    }
    *ans = (struct sfsim_answer){.status = 200, .body = json_end(&list)};
}

void sfsim_collections(const struct sfsim_req *req, struct tl_sv path, struct sfsim_answer *ans)
{
    struct tl_sv name, field;
    const struct sfsim_object *o = NULL;
    const struct sfsim_field *by = NULL;

    if (sfsim_segment(req->arena, &path, &name)) {
        o = sfsim_object(req->sim->schema, name);
        if (o && sfsim_segment(req->arena, &path, &field))
            by = sfsim_field(o, field);
        if (!o || (tl_sv_eqs(req->method, "PATCH") && (!by || !(by->external || by->type == SFSIM_ID)))) {
            refuse(req, ans, 404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible");
            return;
        }
    }
    if (tl_sv_eqs(req->method, "DELETE"))
        delete_all(req, ans);
    else if (tl_sv_eqs(req->method, "PATCH"))
        save(req, o, by, ans);
    else if (tl_sv_eqs(req->method, "POST") && o)
        retrieve(req, o, ans);
    else if (tl_sv_eqs(req->method, "POST"))
        save(req, NULL, NULL, ans);
    else
        refuse(req, ans, 405, "METHOD_NOT_ALLOWED", "HTTP Method not allowed");
}
