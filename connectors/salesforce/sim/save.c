/* SPDX-License-Identifier: Apache-2.0 */
/* save.c - create, update, upsert, delete of one record, and what the API says of each. */
#include "salesforce/sim/sim_int.h"

#include <stdio.h>

static bool is_locked(const struct sfsim_req *req, struct sfsim_saved *ret)
{
    struct sfsim *s = req->sim;

    s->counts.records_in++;
    if (s->opt.lock_every <= 0 || ++s->locked % (uint64_t)s->opt.lock_every != 0)
        return false;
    (void)sfsim_refuse(&ret->fault, req->arena, 400, "UNABLE_TO_LOCK_ROW", TL_SV_NULL,
                       "unable to obtain exclusive access to this record");
    return true;
}

static void stored(const struct sfsim_req *req, const struct sfsim_record *before, const struct sfsim_record *r,
                   struct sfsim_saved *ret)
{
    if (!sfsim_put(req->sim->db, r, before == NULL)) {
        (void)sfsim_refuse(&ret->fault, req->arena, 500, "UNKNOWN_EXCEPTION", TL_SV_NULL,
                           "the simulator cannot write its store");
        return;
    }
    sfsim_changed(req, before, r);
    ret->ok = true;
    ret->created = before == NULL;
    (void)snprintf(ret->id, sizeof ret->id, "%s", r->id);
    if (!before)
        req->sim->counts.created++;
    else if (r->deleted)
        req->sim->counts.deleted++;
    else
        req->sim->counts.updated++;
}

static struct json with_owner(const struct sfsim_req *req, const struct sfsim_object *o, struct json fields)
{
    struct json user = json_str(req->sim->user);
    struct json_builder b;

    json_object_begin(&b, req->arena, fields.n + 3);
    for (uint32_t i = 0; i < fields.n; i++)
        (void)json_add(&b, json_view(fields.u.members[i].key), fields.u.members[i].value);
    if (sfsim_field(o, TL_SV("OwnerId")) && json_gets(fields, "OwnerId").type == JSON_UNDEFINED)
        (void)json_adds(&b, "OwnerId", user);
    (void)json_adds(&b, "CreatedById", user);
    (void)json_adds(&b, "LastModifiedById", user);
    return json_end(&b);
}

static void publish(const struct sfsim_req *req, const struct sfsim_object *o, struct json body,
                    struct sfsim_saved *ret)
{
    struct json fields;
    char uuid[37];

    if (!sfsim_check(req, o, body, NULL, NULL, &fields, &ret->fault))
        return;
    sfsim_new_id(req->sim->db, o->prefix, ret->id);
    ret->ok = ret->created = true;
    /* A success that carries an entry of `errors`: that is how the vendor says that the event is under way. */
    ret->fault = (struct sfsim_fault){.code = "OPERATION_ENQUEUED",
                                      .message = tl_arena_sv(req->arena, tl_sv_str(tl_uuid4(uuid)))};
    sfsim_platform_event(req, o, fields, uuid);
}

void sfsim_create(const struct sfsim_req *req, const struct sfsim_object *o, struct json body, struct sfsim_saved *ret)
{
    struct sfsim_record r = {.type = o};

    *ret = (struct sfsim_saved){0};
    if (o->event) {
        publish(req, o, body, ret);
        return;
    }
    if (is_locked(req, ret) || !sfsim_check(req, o, body, NULL, NULL, &r.fields, &ret->fault))
        return;
    r.fields = with_owner(req, o, r.fields);
    sfsim_new_id(req->sim->db, o->prefix, r.id);
    r.created_ms = r.modified_ms = sfsim_now(req->sim->db);
    stored(req, NULL, &r, ret);
}

static void change(const struct sfsim_req *req, const struct sfsim_record *before, struct json body,
                   const struct sfsim_field *not_field, struct sfsim_saved *ret)
{
    struct sfsim_record r = *before;

    if (is_locked(req, ret) || !sfsim_check(req, before->type, body, before, not_field, &r.fields, &ret->fault))
        return;
    r.modified_ms = sfsim_now(req->sim->db);
    stored(req, before, &r, ret);
}

/* false: `ret` says why there is no such record. */
static bool find_live(const struct sfsim_req *req, struct tl_sv id, struct sfsim_record *r, struct sfsim_saved *ret)
{
    char id18[SFSIM_ID18 + 1];

    if (!sfsim_id18(id, id18))
        return sfsim_refuse(&ret->fault, req->arena, 400, "MALFORMED_ID", TL_SV("Id"), "bad id %.*s", TL_SV_ARG(id));
    if (!sfsim_get(req->sim->db, req->arena, tl_sv_str(id18), r))
        return sfsim_refuse(&ret->fault, req->arena, 404, "NOT_FOUND", TL_SV_NULL,
                            "Provided external ID field does not exist or is not accessible: %s", id18);
    if (r->deleted)
        return sfsim_refuse(&ret->fault, req->arena, 404, "ENTITY_IS_DELETED", TL_SV_NULL, "entity is deleted");
    return true;
}

void sfsim_update(const struct sfsim_req *req, const struct sfsim_object *o, struct tl_sv id, struct json body,
                  struct sfsim_saved *ret)
{
    struct sfsim_record before;

    *ret = (struct sfsim_saved){0};
    if (!find_live(req, id, &before, ret))
        return;
    if (o && before.type != o) {
        (void)sfsim_refuse(&ret->fault, req->arena, 404, "NOT_FOUND", TL_SV_NULL,
                           "The requested resource does not exist");
        return;
    }
    change(req, &before, body, NULL, ret);
}

/* The body with the external id put in, for a new record. */
static struct json with_key(struct tl_arena *a, struct json body, const struct sfsim_field *by, struct tl_sv value)
{
    struct json_builder b;

    json_object_begin(&b, a, body.n + 1);
    for (uint32_t i = 0; body.type == JSON_OBJECT && i < body.n; i++)
        (void)json_add(&b, json_view(body.u.members[i].key), body.u.members[i].value);
    (void)json_set(&b, by->name, json_sv(value));
    return json_end(&b);
}

void sfsim_upsert(const struct sfsim_req *req, const struct sfsim_object *o, const struct sfsim_field *by,
                  struct tl_sv value, struct json body, bool update_only, struct sfsim_saved *ret)
{
    char ids[3][SFSIM_ID18 + 1];
    struct sfsim_record before;

    *ret = (struct sfsim_saved){0};
    ret->matches = sfsim_find(req->sim->db, o, by, value, ids, TL_COUNT(ids));
    if (json_get(body, by->name).type != JSON_UNDEFINED) {
        (void)sfsim_refuse(&ret->fault, req->arena, 400, "INVALID_FIELD", by->name,
                           "The %.*s field should not be specified in the sobject data.", TL_SV_ARG(by->name));
        return;
    }
    if (ret->matches > 1) {
        (void)sfsim_refuse(&ret->fault, req->arena, 300, "DUPLICATE_EXTERNAL_ID", by->name,
                           "more than one record found for external id field");
        return;
    }
    if (ret->matches == 0 && update_only) {
        (void)sfsim_refuse(&ret->fault, req->arena, 404, "NOT_FOUND", TL_SV_NULL,
                           "The requested resource does not exist");
        return;
    }
    if (ret->matches == 0) {
        sfsim_create(req, o, with_key(req->arena, body, by, value), ret);
        return;
    }
    if (find_live(req, tl_sv_str(ids[0]), &before, ret))
        change(req, &before, body, by, ret);
}

void sfsim_delete(const struct sfsim_req *req, struct tl_sv id, struct sfsim_saved *ret)
{
    struct sfsim_record before, r;

    *ret = (struct sfsim_saved){0};
    if (!find_live(req, id, &before, ret) || is_locked(req, ret))
        return;
    r = before;
    r.deleted = true;
    r.modified_ms = sfsim_now(req->sim->db);
    stored(req, &before, &r, ret);
}

struct json sfsim_saved_json(struct tl_arena *a, const struct sfsim_saved *s, bool with_created)
{
    struct json_builder b, errors;

    json_array_begin(&errors, a, 1);
    if (s->fault.code)
        (void)json_push(&errors, sfsim_fault_json(a, &s->fault, true));
    json_object_begin(&b, a, 4);
    if (s->ok)
        (void)json_adds(&b, "id", json_sv(tl_arena_sv(a, tl_sv_str(s->id))));
    (void)json_adds(&b, "success", json_bool(s->ok));
    (void)json_adds(&b, "errors", json_end(&errors));
    if (with_created)
        (void)json_adds(&b, "created", json_bool(s->ok && s->created));
    return json_end(&b);
}
