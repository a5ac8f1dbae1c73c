/* SPDX-License-Identifier: Apache-2.0 */
/*
 * avro.c - events as the Pub/Sub API sends them: a schema for each object, made of its fields, and rows of the event
 * store as Avro. What the vendor's schemas look like is followed where it is known: nullable unions, dates and times as
 * long with the type in `doc`, changed fields as bitmaps.
 */
#include "salesforce/sim/pubsub.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- schemas ---- */
static struct json field(struct tl_arena *a, struct tl_sv name, struct json type, struct json doc, bool nullable)
{
    struct json_builder b, branches;

    json_object_begin(&b, a, 4);
    (void)json_adds(&b, "name", json_sv(name));
    if (nullable) {
        json_array_begin(&branches, a, 2);
        (void)json_push(&branches, json_str("null"));
        (void)json_push(&branches, type);
        type = json_end(&branches);
    }
    (void)json_adds(&b, "type", type);
    (void)json_adds(&b, "doc", doc);
    if (nullable)
        (void)json_adds(&b, "default", json_null());
    return json_end(&b);
}

static struct json named(struct tl_arena *a, const char *type, const char *name, const char *list_name,
                         struct json list)
{
    struct json_builder b;

    json_object_begin(&b, a, 4);
    (void)json_adds(&b, "type", json_str(type));
    if (name)
        (void)json_adds(&b, "name", json_str(name));
    (void)json_adds(&b, list_name, list);
    return json_end(&b);
}

static struct json logical(struct tl_arena *a, const char *type, const char *logical_type)
{
    return named(a, type, NULL, "logicalType", json_str(logical_type));
}

static struct json type_of(struct tl_arena *a, const struct sfsim_field *f, const char **ret_doc)
{
    switch (f->type) {
    case SFSIM_BOOLEAN:
        *ret_doc = "Boolean";
        return json_str("boolean");
    case SFSIM_INT:
        *ret_doc = "Integer";
        return json_str("int");
    case SFSIM_DOUBLE:
    case SFSIM_CURRENCY:
    case SFSIM_PERCENT:
        *ret_doc = "Double";
        return json_str("double");
    case SFSIM_DATETIME:
        *ret_doc = "DateTime";
        return json_str("long");
    case SFSIM_DATE:
        *ret_doc = "DateOnly";
        return logical(a, "int", "date");
    case SFSIM_REFERENCE:
    case SFSIM_ID:
        *ret_doc = "EntityId";
        return json_str("string");
    case SFSIM_STRING:
    case SFSIM_TEXTAREA:
    case SFSIM_PHONE:
    case SFSIM_URL:
    case SFSIM_EMAIL:
    case SFSIM_PICKLIST:
    case SFSIM_MULTIPICKLIST:
    default:
        *ret_doc = "Text";
        return json_str("string");
    }
}

static struct json change_header(struct tl_arena *a)
{
    static const char *const types[] = {"CREATE",     "UPDATE",     "DELETE",       "UNDELETE",    "GAP_CREATE",
                                        "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW"};
    static const char *const rows[][2] = {
        {"entityName", "string"},    {"recordIds", "array"},       {"changeType", "enum"},
        {"changeOrigin", "string"},  {"transactionKey", "string"}, {"sequenceNumber", "int"},
        {"commitTimestamp", "long"}, {"commitNumber", "long"},     {"commitUser", "string"},
        {"nulledFields", "array"},   {"diffFields", "array"},      {"changedFields", "array"}};
    struct json_builder fields, symbols;

    json_array_begin(&symbols, a, TL_COUNT(types));
    for (size_t i = 0; i < TL_COUNT(types); i++)
        (void)json_push(&symbols, json_str(types[i]));
    json_array_begin(&fields, a, TL_COUNT(rows));
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct json type = json_str(rows[i][1]);

        if (strcmp(rows[i][1], "array") == 0)
            type = named(a, "array", NULL, "items", json_str("string"));
        if (strcmp(rows[i][1], "enum") == 0)
            type = named(a, "enum", "ChangeType", "symbols", json_end(&symbols));
        (void)json_push(&fields, field(a, tl_sv_str(rows[i][0]), type, json_str(""), false));
    }
    return named(a, "record", "ChangeEventHeader", "fields", json_end(&fields));
}

static struct json schema_of(struct tl_arena *a, const struct sfsim_object *o, const char *name)
{
    struct json_builder b, fields;

    json_array_begin(&fields, a, o->n_fields + 2);
    if (o->event) {
        (void)json_push(&fields,
                        field(a, TL_SV("CreatedDate"), json_str("long"), json_str("CreatedDate:DateTime"), false));
        (void)json_push(&fields,
                        field(a, TL_SV("CreatedById"), json_str("string"), json_str("CreatedBy:EntityId"), false));
    } else {
        (void)json_push(&fields, field(a, TL_SV("ChangeEventHeader"), change_header(a), json_str(""), false));
    }
    for (size_t i = 0; i < o->n_fields; i++) {
        const struct sfsim_field *f = &o->fields[i];
        const char *doc;
        struct json type = type_of(a, f, &doc);

        if (!f->system || (!o->event && tl_sv_eqs(f->name, "LastModifiedDate")))
            (void)json_push(&fields, field(a, f->name, type, json_printf(a, "Data:%s:00NRM0000%05zu", doc, i), true));
    }
    json_object_begin(&b, a, 5);
    (void)json_adds(&b, "name", json_str(name));
    (void)json_adds(&b, "namespace", json_str("com.sforce.eventbus"));
    (void)json_adds(&b, "type", json_str("record"));
    (void)json_adds(&b, "fields", json_end(&fields));
    return json_end(&b);
}

static struct sfsim_schema_of *make(struct sfsim_pubsub *p, const struct sfsim_object *o)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(16 << 20);
    struct sfsim_schema_of *s = tl_zalloc(sizeof *s);
    struct tl_sv stem = o->name;
    struct json v;
    struct tl_buf text;

    if (o->custom && !o->event)
        stem.n -= 1;
    v = schema_of(a, o, tl_arena_printf(a, o->event ? "%.*s" : "%.*sChangeEvent", TL_SV_ARG(stem)));
    tl_buf_init(&text, 16 << 20);
    if (!json_write(&text, v, 0) || sf_avro_new(v, &s->avro, NULL) != TL_OK)
        abort(); /* our own schema */
    (void)snprintf(s->id, sizeof s->id, "Sim%016llx000A", (unsigned long long)tl_hash64(text.p, text.n, 1));
    s->text = tl_buf_take(&text, &s->text_n);
    s->object = o;
    s->n_fields = o->n_fields;
    s->next = p->schemas;
    p->schemas = s;
    return s;
}

/* As it is now: a field that was added makes a new one. */
const struct sfsim_schema_of *sfsim_schema_of_object(struct sfsim_pubsub *p, const struct sfsim_object *o)
{
    for (struct sfsim_schema_of *s = p->schemas; s; s = s->next)
        if (s->object == o && s->n_fields == o->n_fields)
            return s;
    return make(p, o);
}

const struct sfsim_schema_of *sfsim_schema_of_id(struct sfsim_pubsub *p, const char *id)
{
    for (struct sfsim_schema_of *s = p->schemas; s; s = s->next)
        if (strcmp(s->id, id) == 0)
            return s;
    return NULL;
}

/* ---- events ---- */
static struct json value_of(struct tl_arena *a, const struct sfsim_object *o, struct tl_sv name, struct json v)
{
    const struct sfsim_field *f = sfsim_field(o, name);
    int64_t ms;

    if (v.type == JSON_NULL)
        return v;
    if ((tl_sv_eqs(name, "CreatedDate") || (f && f->type == SFSIM_DATETIME)) && v.type == JSON_STRING)
        return sfsim_datetime_read(json_view(v), &ms) ? json_int(ms) : json_null();
    if (f && v.type != JSON_STRING && f->type != SFSIM_BOOLEAN && f->type != SFSIM_INT && f->type != SFSIM_DOUBLE &&
        f->type != SFSIM_CURRENCY && f->type != SFSIM_PERCENT)
        return json_sv(sfsim_scalar(a, v));
    return v;
}

static struct json header_of(struct tl_arena *a, const struct sf_avro *avro, struct json header)
{
    struct json_builder b;

    json_object_begin(&b, a, header.n);
    for (uint32_t i = 0; i < header.n; i++) {
        struct tl_sv name = json_view(header.u.members[i].key);
        struct json v = header.u.members[i].value;

        (void)json_add(&b, name, tl_sv_ends(name, TL_SV("Fields")) ? sf_avro_bitmaps(avro, v, a) : v);
    }
    return json_end(&b);
}

/* The object that a channel is about. */
const struct sfsim_object *sfsim_object_of_channel(struct sfsim *s, struct tl_sv channel)
{
    char custom[120];

    if (tl_sv_starts(channel, TL_SV("/event/")))
        return sfsim_object(s->schema, tl_sv_from(channel, 7));
    if (!tl_sv_starts(channel, TL_SV("/data/")) || !tl_sv_ends(channel, TL_SV("ChangeEvent")))
        return NULL;
    channel = tl_sv(channel.p + 6, channel.n - 6 - 11);
    if (!tl_sv_ends(channel, TL_SV("__")) || channel.n + 2 > sizeof custom)
        return sfsim_object(s->schema, channel);
    (void)snprintf(custom, sizeof custom, "%.*sc", TL_SV_ARG(channel));
    return sfsim_object(s->schema, tl_sv_str(custom));
}

bool sfsim_event_avro(struct sfsim *s, struct tl_arena *a, struct tl_sv channel, struct tl_sv body,
                      struct sfsim_avro_event *ret)
{
    const struct sfsim_object *o = sfsim_object_of_channel(s, channel);
    struct json v, payload;
    struct json_builder b;
    struct tl_buf out;
    bool good;

    if (!o || json_parse(a, tl_arena_sv(a, body), 0, NULL, &v, NULL) != TL_OK)
        return false;
    *ret = (struct sfsim_avro_event){.schema = sfsim_schema_of_object(s->pubsub, o)};
    payload = json_gets(v, "payload");
    json_object_begin(&b, a, payload.n);
    for (uint32_t i = 0; payload.type == JSON_OBJECT && i < payload.n; i++) {
        struct tl_sv name = json_view(payload.u.members[i].key);
        struct json m = payload.u.members[i].value;

        (void)json_add(&b, name,
                       tl_sv_eqs(name, "ChangeEventHeader") ? header_of(a, ret->schema->avro, m)
                                                            : value_of(a, o, name, m));
    }
    tl_buf_init(&out, 2 << 20);
    good = sf_avro_encode(ret->schema->avro, json_end(&b), &out, NULL) == TL_OK;
    ret->payload = tl_arena_sv(a, out.n > 0 ? tl_buf_view(&out) : TL_SV(""));
    tl_buf_done(&out);
    ret->uuid = json_text(json_gets(json_gets(v, "event"), "EventUuid"), TL_SV(""));
    return good && ret->payload.p;
}
