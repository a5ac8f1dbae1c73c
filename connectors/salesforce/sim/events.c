/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events.c - what the org tells those who listen: change events, platform events, PushTopics. They are rows, written in
 * the transaction of what they tell of, so a rollback takes them along; their row ids are the replay ids.
 */
#include "salesforce/sim/sim_int.h"

#include <stdio.h>

static bool is_told(const struct sfsim_object *o)
{
    static const char *const silent[] = {"PushTopic",     "StreamingChannel",        "User",
                                         "PermissionSet", "PermissionSetAssignment", "PlatformEventChannelMember"};

    for (size_t i = 0; i < TL_COUNT(silent); i++)
        if (tl_sv_eqs(o->name, silent[i]))
            return false;
    return true;
}

void sfsim_publish(const struct sfsim_req *req, const char *channel, struct json data)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf body = {0};

    tl_buf_init(&body, 1 << 20);
    if (json_write(&body, data, 0) && sfsim_event_add(req->sim->db, channel, tl_buf_view(&body)))
        req->sim->counts.events++;
    req->sim->published++;
}

static struct json strings(struct tl_arena *a, const struct tl_sv *v, size_t n)
{
    struct json_builder b;

    json_array_begin(&b, a, n);
    for (size_t i = 0; i < n; i++)
        (void)json_push(&b, json_sv(v[i]));
    return json_end(&b);
}

struct difference {
    struct tl_sv changed[64], nulled[64];
    size_t n_changed, n_nulled;
};

static void compare(struct difference *d, const struct sfsim_record *before, const struct sfsim_record *after,
                    struct json_builder *out)
{
    for (size_t i = 0; i < after->type->n_fields; i++) {
        const struct sfsim_field *f = &after->type->fields[i];
        struct json was = before ? json_get(before->fields, f->name) : JSON_NOTHING,
                    is = json_get(after->fields, f->name);

        if (f->system || (is.type == JSON_UNDEFINED && was.type == JSON_UNDEFINED) || (before && json_equal(was, is)))
            continue;
        (void)json_add(out, f->name, is.type == JSON_UNDEFINED ? json_null() : is);
        if (d->n_changed < TL_COUNT(d->changed))
            d->changed[d->n_changed++] = f->name;
        if (is.type == JSON_UNDEFINED && d->n_nulled < TL_COUNT(d->nulled))
            d->nulled[d->n_nulled++] = f->name;
    }
}

static struct json header(const struct sfsim_req *req, const struct sfsim_record *r, const char *type,
                          const struct difference *d)
{
    struct tl_arena *a = req->arena;
    struct sfsim *s = req->sim;
    struct tl_sv id = tl_arena_sv(a, tl_sv_str(r->id));
    bool overflow = strcmp(type, "GAP_OVERFLOW") == 0, gap = strncmp(type, "GAP_", 4) == 0;
    struct json_builder b;
    char uuid[37];

    json_object_begin(&b, a, 14);
    (void)json_adds(&b, "entityName", json_sv(r->type->name));
    (void)json_adds(&b, "recordIds", strings(a, &id, overflow ? 0 : 1));
    (void)json_adds(&b, "changeType", json_str(tl_arena_strdup(a, type)));
    (void)json_adds(&b, "changeOrigin",
                    json_printf(a, "com/salesforce/api/rest/%d.0%s%.*s", req->version, req->client.n ? ";client=" : "",
                                TL_SV_ARG(req->client)));
    (void)json_adds(&b, "transactionKey", json_str(tl_arena_strdup(a, tl_uuid4(uuid))));
    (void)json_adds(&b, "sequenceNumber", json_int(1));
    (void)json_adds(&b, "commitTimestamp", json_int(r->modified_ms));
    (void)json_adds(&b, "commitNumber", json_int((int64_t)s->published + 10000000000));
    (void)json_adds(&b, "commitUser", json_str(s->user));
    (void)json_adds(&b, "nulledFields", strings(a, d->nulled, gap ? 0 : d->n_nulled));
    (void)json_adds(&b, "diffFields", strings(a, d->nulled, 0));
    (void)json_adds(&b, "changedFields", strings(a, d->changed, gap || type[0] != 'U' ? 0 : d->n_changed));
    return json_end(&b);
}

static const char *type_of(struct sfsim *s, const struct sfsim_record *before, const struct sfsim_record *after,
                           char *out, size_t size)
{
    const char *type = !before ? "CREATE" : after->deleted ? "DELETE" : "UPDATE";

    if (s->opt.overflow)
        return "GAP_OVERFLOW";
    if (s->opt.gap <= 0 || sfsim_chance(s) >= s->opt.gap)
        return type;
    (void)snprintf(out, size, "GAP_%s", type);
    return out;
}

static void change_event(const struct sfsim_req *req, const struct sfsim_record *before,
                         const struct sfsim_record *after)
{
    struct tl_arena *a = req->arena;
    struct difference d = {.n_changed = 0};
    struct json_builder fields, payload, data;
    struct tl_sv stem = after->type->name;
    char gap[20];
    const char *type = type_of(req->sim, before, after, gap, sizeof gap);

    json_object_begin(&fields, a, 16);
    compare(&d, before, after, &fields);
    if (type[0] == 'U')
        (void)json_adds(&fields, "LastModifiedDate", sfsim_datetime(a, after->modified_ms));
    json_object_begin(&payload, a, 20);
    (void)json_adds(&payload, "ChangeEventHeader", header(req, after, type, &d));
    for (uint32_t i = 0; i < json_end(&fields).n && type[0] != 'G' && type[0] != 'D'; i++)
        (void)json_add(&payload, json_view(json_end(&fields).u.members[i].key), json_end(&fields).u.members[i].value);
    json_object_begin(&data, a, 3);
    (void)json_adds(&data, "schema", json_str("Si1mUlAtEdScHeMaId000A"));
    (void)json_adds(&data, "payload", json_end(&payload));
    if (after->type->custom)
        stem.n -= 1; /* X__c: /data/X__ChangeEvent */
    sfsim_publish(req, tl_arena_printf(a, "/data/%.*sChangeEvent", TL_SV_ARG(stem)), json_end(&data));
}

/* ---- PushTopics: records that select ---- */

struct topics {
    const struct sfsim_req *req;
    const struct sfsim_record *before, *after;
    struct tl_sv names[20], queries[20];
    size_t n;
};

static bool one_topic(void *arg, const struct sfsim_record *r)
{
    struct topics *t = arg;
    const char *flag = !t->before          ? "NotifyForOperationCreate"
                       : t->after->deleted ? "NotifyForOperationDelete"
                                           : "NotifyForOperationUpdate";
    struct json wanted = json_gets(r->fields, flag);

    if (t->n < TL_COUNT(t->names) && !(wanted.type == JSON_BOOL && !wanted.u.b)) {
        t->names[t->n] = json_text(json_gets(r->fields, "Name"), TL_SV(""));
        t->queries[t->n++] = json_text(json_gets(r->fields, "Query"), TL_SV(""));
    }
    return true;
}

static bool there_is(void *arg, struct tl_sv text)
{
    (void)text;
    *(bool *)arg = true;
    return false;
}

static void topic_event(struct topics *t, size_t i)
{
    struct tl_arena *a = t->req->arena;
    struct sfsim_fault fault;
    struct sfsim_soql *q = sfsim_soql_parse(t->req->sim->schema, a, t->queries[i], &fault);
    struct json_builder event, data;
    bool fits = false;

    if (!q || q->from != t->after->type || q->aggregate)
        return;
    q->where = tl_arena_printf(a, "r.id='%s'%s%s%s", t->after->id, q->where ? " AND (" : "", q->where ? q->where : "",
                               q->where ? ")" : "");
    (void)sfsim_texts(t->req->sim->db, sfsim_soql_sql(a, q, "r.id", true), there_is, &fits, NULL);
    if (!fits)
        return;
    json_object_begin(&event, a, 3);
    (void)json_adds(&event, "createdDate", sfsim_datetime(a, t->after->modified_ms));
    (void)json_adds(&event, "type", json_str(!t->before ? "created" : t->after->deleted ? "deleted" : "updated"));
    json_object_begin(&data, a, 3);
    (void)json_adds(&data, "event", json_end(&event));
    (void)json_adds(&data, "sobject", sfsim_project(t->req, q, t->after));
    sfsim_publish(t->req, tl_arena_printf(a, "/topic/%.*s", TL_SV_ARG(t->names[i])), json_end(&data));
}

void sfsim_changed(const struct sfsim_req *req, const struct sfsim_record *before, const struct sfsim_record *after)
{
    struct topics t = {.req = req, .before = before, .after = after};

    if (!is_told(after->type)) {
        req->sim->topics |= tl_sv_eqs(after->type->name, "PushTopic");
        if (tl_sv_eqs(after->type->name, "PermissionSetAssignment"))
            sfsim_schema_show(req->sim->schema);
        return;
    }
    change_event(req, before, after);
    sfsim_outbound_note(req, after);
    if (!req->sim->topics)
        return;
    (void)sfsim_rows(req->sim->db, req->arena,
                     "SELECT id,type,deleted,created,modified,body FROM record WHERE type='PushTopic' AND deleted=0",
                     one_topic, &t, NULL);
    for (size_t i = 0; i < t.n; i++)
        topic_event(&t, i);
}

void sfsim_platform_event(const struct sfsim_req *req, const struct sfsim_object *o, struct json fields,
                          const char *uuid)
{
    struct tl_arena *a = req->arena;
    struct json_builder payload, event, data;

    json_object_begin(&payload, a, fields.n + 2);
    (void)json_adds(&payload, "CreatedDate",
                    json_printf(a, "%.23sZ", json_view(sfsim_datetime(a, sfsim_now(req->sim->db))).p));
    (void)json_adds(&payload, "CreatedById", json_str(req->sim->user));
    for (uint32_t i = 0; i < fields.n; i++)
        (void)json_add(&payload, json_view(fields.u.members[i].key), fields.u.members[i].value);
    json_object_begin(&event, a, 2);
    (void)json_adds(&event, "EventUuid", json_str(tl_arena_strdup(a, uuid)));
    json_object_begin(&data, a, 3);
    (void)json_adds(&data, "schema", json_str("Si1mUlAtEdScHeMaId000B"));
    (void)json_adds(&data, "payload", json_end(&payload));
    (void)json_adds(&data, "event", json_end(&event));
    sfsim_publish(req, tl_arena_printf(a, "/event/%.*s", TL_SV_ARG(o->name)), json_end(&data));
}
