/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.c - is this what a field may hold? From what a client sent to what is stored: names, types, lengths, picklists,
 * references by external id, required fields, uniqueness, validation rules, the duplicate rule.
 */
#include "salesforce/sim/sim_int.h"

#include <stdio.h>

struct check {
    const struct sfsim_req *req;
    const struct sfsim_object *o;
    const struct sfsim_record *existing; /* NULL: a new record */
    struct json_builder *out;
    struct sfsim_fault *fault;
};

bool(sfsim_refuse)(struct sfsim_fault *f, struct tl_arena *a, int status, const char *code, struct tl_sv field,
                   const char *fmt, ...)
{
    char text[600];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    *f = (struct sfsim_fault){.status = status, .code = code, .message = tl_arena_sv(a, tl_sv_str(text))};
    if (field.n > 0)
        f->fields[f->n_fields++] = tl_arena_sv(a, field);
    return false;
}

#define REFUSE(c, code, field, ...) sfsim_refuse((c)->fault, (c)->req->arena, 400, code, field, __VA_ARGS__)

struct tl_sv sfsim_scalar(struct tl_arena *a, struct json v)
{
    if (v.type == JSON_STRING || v.type == JSON_DECIMAL)
        return json_view(v);
    if (v.type == JSON_INT)
        return tl_sv_str(tl_arena_printf(a, "%lld", (long long)v.u.i));
    if (v.type == JSON_BOOL)
        return v.u.b ? TL_SV("true") : TL_SV("false");
    return TL_SV_NULL;
}

/* ---- by type ---- */

static bool check_text(struct check *c, const struct sfsim_field *f, struct json *v)
{
    struct tl_sv s = sfsim_scalar(c->req->arena, *v);

    if (!s.p)
        return REFUSE(c, "JSON_PARSER_ERROR", f->name, "Cannot deserialize instance of string from %s value",
                      json_type_name(*v));
    if (tl_utf8_count(s) > f->length)
        return REFUSE(c, "STRING_TOO_LONG", f->name, "%.*s: data value too large: %.80s (max length=%u)",
                      TL_SV_ARG(f->name), s.p, f->length);
    s = tl_sv_trim(s); /* the vendor trims what is typed in */
    *v = s.n == 0 ? json_null() : json_sv(s);
    return true;
}

static bool check_email(struct check *c, const struct sfsim_field *f, struct json *v)
{
    struct tl_sv s;
    size_t at;

    if (!check_text(c, f, v))
        return false;
    if (v->type != JSON_STRING)
        return true;
    s = json_view(*v);
    at = tl_sv_find(s, '@');
    if (at == 0 || at + 3 >= s.n || tl_sv_find(s, ' ') < s.n || tl_sv_find(tl_sv_from(s, at), '.') == s.n - at)
        return REFUSE(c, "INVALID_EMAIL_ADDRESS", f->name, "%.*s: invalid email address: %.*s", TL_SV_ARG(f->name),
                      TL_SV_ARG(s));
    return true;
}

static bool is_listed(struct tl_sv list, struct tl_sv value)
{
    struct tl_sv one;

    while (list.n > 0 && tl_sv_cut(&list, '|', &one))
        if (tl_sv_eq(one, value))
            return true;
    return false;
}

static bool check_picklist(struct check *c, const struct sfsim_field *f, struct json *v)
{
    if (!check_text(c, f, v))
        return false;
    if (v->type == JSON_STRING && f->restricted && !is_listed(f->values, json_view(*v)))
        return REFUSE(c, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", f->name,
                      "%.*s: bad value for restricted picklist field: %.*s", TL_SV_ARG(f->name),
                      TL_SV_ARG(json_view(*v)));
    return true;
}

static bool check_number(struct check *c, const struct sfsim_field *f, struct json *v)
{
    double d, most = 1;

    if (v->type == JSON_STRING && tl_sv_double(json_view(*v), &d)) /* CSV, and clients that quote numbers */
        *v = (struct json){.type = JSON_DECIMAL, .n = v->n, .u.s = v->u.s};
    if (!json_is_number(*v))
        return REFUSE(c, "JSON_PARSER_ERROR", f->name, "Cannot deserialize instance of %s from %s value %s",
                      f->type == SFSIM_INT ? "int" : "double", json_type_name(*v), "");
    for (uint32_t i = f->scale; i < f->precision; i++)
        most *= 10;
    d = json_number(*v);
    if (d >= most || d <= -most)
        return REFUSE(c, "NUMBER_OUTSIDE_VALID_RANGE", f->name,
                      "%.*s: value outside of valid range on numeric field: %g", TL_SV_ARG(f->name), d);
    return true;
}

static bool check_boolean(struct check *c, const struct sfsim_field *f, struct json *v)
{
    if (v->type == JSON_STRING && (tl_sv_eqi(json_view(*v), TL_SV("true")) || tl_sv_eqs(json_view(*v), "1")))
        *v = json_bool(true);
    else if (v->type == JSON_STRING && (tl_sv_eqi(json_view(*v), TL_SV("false")) || tl_sv_eqs(json_view(*v), "0")))
        *v = json_bool(false);
    if (v->type != JSON_BOOL)
        return REFUSE(c, "JSON_PARSER_ERROR", f->name, "Cannot deserialize instance of boolean from %s value",
                      json_type_name(*v));
    return true;
}

static bool check_time(struct check *c, const struct sfsim_field *f, struct json *v)
{
    int64_t ms;
    struct tl_sv s = v->type == JSON_STRING ? json_view(*v) : TL_SV_NULL;

    if (!s.p || !sfsim_datetime_read(s, &ms) || (f->type == SFSIM_DATETIME && s.n == 10))
        return REFUSE(c, "JSON_PARSER_ERROR", f->name, "Cannot deserialize instance of %s from %s value %.60s",
                      f->type == SFSIM_DATE ? "date" : "datetime", json_type_name(*v), s.p ? s.p : "");
    if (f->type == SFSIM_DATE)
        *v = json_sv(tl_sv(s.p, 10));
    else
        *v = sfsim_datetime(c->req->arena, ms);
    return true;
}

static bool check_reference(struct check *c, const struct sfsim_field *f, struct json *v)
{
    struct sfsim_record target;
    char id[SFSIM_ID18 + 1];

    if (v->type == JSON_STRING && v->n == 0) {
        *v = json_null();
        return true;
    }
    if (v->type != JSON_STRING || !sfsim_id18(json_view(*v), id))
        return REFUSE(c, "MALFORMED_ID", f->name, "%.*s: id value of incorrect type: %.*s", TL_SV_ARG(f->name),
                      TL_SV_ARG(v->type == JSON_STRING ? json_view(*v) : TL_SV("")));
    if (!tl_sv_eqs(f->reference, "User")) {
        if (!sfsim_get(c->req->sim->db, c->req->arena, tl_sv_str(id), &target))
            return REFUSE(c, "INVALID_CROSS_REFERENCE_KEY", f->name, "invalid cross reference id");
        if (target.deleted)
            return REFUSE(c, "ENTITY_IS_DELETED", TL_SV_NULL, "entity is deleted");
    }
    *v = json_sv(tl_arena_sv(c->req->arena, tl_sv_str(id)));
    return true;
}

static bool check_value(struct check *c, const struct sfsim_field *f, struct json *v)
{
    if (v->type == JSON_NULL)
        return true;
    switch (f->type) {
    case SFSIM_STRING:
    case SFSIM_TEXTAREA:
    case SFSIM_PHONE:
    case SFSIM_URL:
    case SFSIM_MULTIPICKLIST:
        return check_text(c, f, v);
    case SFSIM_EMAIL:
        return check_email(c, f, v);
    case SFSIM_PICKLIST:
        return check_picklist(c, f, v);
    case SFSIM_BOOLEAN:
        return check_boolean(c, f, v);
    case SFSIM_INT:
    case SFSIM_DOUBLE:
    case SFSIM_CURRENCY:
    case SFSIM_PERCENT:
        return check_number(c, f, v);
    case SFSIM_DATE:
    case SFSIM_DATETIME:
        return check_time(c, f, v);
    case SFSIM_REFERENCE:
    case SFSIM_ID:
        return check_reference(c, f, v);
    }
    return true;
}

/* ---- by member ---- */

/* {"Account": {"ERP_Id__c": "A1"}}: the record that has this external id. */
static bool by_external_id(struct check *c, const struct sfsim_field *f, struct json v)
{
    const struct sfsim_object *parent = sfsim_object(c->req->sim->schema, f->reference);
    struct tl_arena *a = c->req->arena;
    char ids[2][SFSIM_ID18 + 1];

    for (uint32_t i = 0; parent && v.type == JSON_OBJECT && i < v.n; i++) {
        struct tl_sv name = json_view(v.u.members[i].key), value = sfsim_scalar(a, v.u.members[i].value);
        const struct sfsim_field *key = sfsim_field(parent, name);
        size_t n;

        if (tl_sv_eqs(name, "attributes"))
            continue;
        if (!key || !key->external || !value.p)
            return REFUSE(c, "INVALID_FIELD", name, "Foreign key external ID: %.*s is not an external id of %.*s",
                          TL_SV_ARG(name), TL_SV_ARG(parent->name));
        n = sfsim_find(c->req->sim->db, parent, key, value, ids, 2);
        if (n != 1)
            return REFUSE(c, "INVALID_FIELD", TL_SV_NULL,
                          "Foreign key external ID: %.*s %s for field %.*s in entity %.*s", TL_SV_ARG(value),
                          n == 0 ? "not found" : "is not unique", TL_SV_ARG(key->name), TL_SV_ARG(parent->name));
        (void)json_set(c->out, f->name, json_sv(tl_arena_sv(a, tl_sv_str(ids[0]))));
        return true;
    }
    return REFUSE(c, "JSON_PARSER_ERROR", TL_SV_NULL, "Cannot deserialize %.*s: give its external id",
                  TL_SV_ARG(f->relationship));
}

static bool check_member(struct check *c, struct tl_sv name, struct json v, const struct sfsim_field *not_field)
{
    const struct sfsim_field *f = sfsim_field(c->o, name);
    const struct sfsim_field *relation = f ? NULL : sfsim_relationship(c->o, name);

    if (relation && !relation->system)
        return by_external_id(c, relation, v);
    if (!f)
        return REFUSE(c, "INVALID_FIELD", TL_SV_NULL, "No such column '%.*s' on sobject of type %.*s", TL_SV_ARG(name),
                      TL_SV_ARG(c->o->name));
    if (f == not_field)
        return REFUSE(c, "INVALID_FIELD", f->name, "The %.*s field should not be specified in the sobject data.",
                      TL_SV_ARG(f->name));
    if (f->system || f->read_only)
        return REFUSE(c, "INVALID_FIELD_FOR_INSERT_UPDATE", f->name,
                      "Unable to create/update fields: %.*s. Please check the security settings of this field and "
                      "verify that it is read/write for your profile or permission set.",
                      TL_SV_ARG(f->name));
    if (!check_value(c, f, &v))
        return false;
    (void)json_set(c->out, f->name, v);
    return true;
}

/* ---- the record as a whole ---- */

static bool check_required(struct check *c, struct json all)
{
    char missing[300] = "";
    struct tl_sv first[4];
    size_t n = 0, at = 0;

    for (size_t i = 0; i < c->o->n_fields; i++) {
        const struct sfsim_field *f = &c->o->fields[i];

        if (!f->required || json_get(all, f->name).type > JSON_NULL)
            continue;
        if (n < TL_COUNT(first))
            first[n++] = f->name;
        at += (size_t)snprintf(missing + at, sizeof missing - at, "%s%.*s", at ? ", " : "", TL_SV_ARG(f->name));
        missing[at < sizeof missing ? at : 0] = '\0';
        if (at > 200)
            break;
    }
    if (n == 0)
        return true;
    (void)REFUSE(c, "REQUIRED_FIELD_MISSING", first[0], "Required fields are missing: [%s]", missing);
    for (size_t i = 1; i < n; i++)
        c->fault->fields[c->fault->n_fields++] = first[i];
    return false;
}

static bool check_unique(struct check *c, struct json all)
{
    char ids[2][SFSIM_ID18 + 1];

    for (size_t i = 0; i < c->o->n_fields; i++) {
        const struct sfsim_field *f = &c->o->fields[i];
        struct tl_sv value = f->unique ? sfsim_scalar(c->req->arena, json_get(all, f->name)) : TL_SV_NULL;
        size_t n = value.p ? sfsim_find(c->req->sim->db, c->o, f, value, ids, 2) : 0;

        if (n > 0 && !(c->existing && strcmp(ids[0], c->existing->id) == 0))
            return REFUSE(c, "DUPLICATE_VALUE", TL_SV_NULL,
                          "duplicate value found: %.*s duplicates value on record with id: %.15s", TL_SV_ARG(f->name),
                          ids[0]);
    }
    return true;
}

static int compare(struct json v, struct tl_sv with)
{
    double d;

    if (json_is_number(v) && tl_sv_double(with, &d))
        return json_number(v) < d ? -1 : json_number(v) > d;
    return v.type == JSON_STRING ? tl_sv_cmp(json_view(v), with) : -1;
}

static bool holds(const struct sfsim_rule *r, struct json v)
{
    int order = compare(v, r->value);

    if (v.type <= JSON_NULL)
        return false;
    switch (r->op) {
    case SFSIM_EQ:
        return order == 0;
    case SFSIM_NE:
        return order != 0;
    case SFSIM_LT:
        return order < 0;
    case SFSIM_LE:
        return order <= 0;
    case SFSIM_GT:
        return order > 0;
    case SFSIM_GE:
        return order >= 0;
    }
    return false;
}

static bool check_rules(struct check *c, struct json all)
{
    for (size_t i = 0; i < c->o->n_rules; i++)
        if (holds(&c->o->rules[i], json_get(all, c->o->rules[i].field)))
            return REFUSE(c, "FIELD_CUSTOM_VALIDATION_EXCEPTION", c->o->rules[i].field, "%.*s",
                          TL_SV_ARG(c->o->rules[i].message));
    return true;
}

struct same {
    char id[SFSIM_ID18 + 1];
};
static bool first_id(void *arg, struct tl_sv text)
{
    (void)snprintf(((struct same *)arg)->id, SFSIM_ID18 + 1, "%.*s", TL_SV_ARG(text));
    return false;
}

static struct json duplicate_result(struct check *c, const char *id)
{
    struct tl_arena *a = c->req->arena;
    struct json_builder b, match, record, list, records, attributes;

    json_object_begin(&attributes, a, 2);
    (void)json_adds(&attributes, "type", json_sv(c->o->name));
    json_object_begin(&record, a, 2);
    (void)json_adds(&record, "attributes", json_end(&attributes));
    (void)json_adds(&record, "Id", json_sv(tl_arena_sv(a, tl_sv_str(id))));
    json_object_begin(&match, a, 4);
    (void)json_adds(&match, "matchConfidence", json_double(100.0));
    (void)json_adds(&match, "record", json_end(&record));
    json_array_begin(&records, a, 1);
    (void)json_push(&records, json_end(&match));
    json_object_begin(&match, a, 8);
    (void)json_adds(&match, "entityType", json_sv(c->o->name));
    (void)json_adds(&match, "matchEngine", json_str("ExactMatchEngine"));
    (void)json_adds(&match, "matchRecords", json_end(&records));
    (void)json_adds(&match, "rule", json_str("Simulated_Matching_Rule"));
    (void)json_adds(&match, "size", json_int(1));
    (void)json_adds(&match, "success", json_bool(true));
    json_array_begin(&list, a, 1);
    (void)json_push(&list, json_end(&match));
    json_object_begin(&b, a, 6);
    (void)json_adds(&b, "allowSave", json_bool(!c->o->block));
    (void)json_adds(&b, "duplicateRule", json_str("Simulated_Duplicate_Rule"));
    (void)json_adds(&b, "duplicateRuleEntityType", json_sv(c->o->name));
    (void)json_adds(&b, "errorMessage", json_str("Use one of these records?"));
    (void)json_adds(&b, "matchResults", json_end(&list));
    return json_end(&b);
}

static bool check_duplicates(struct check *c, struct json all)
{
    struct tl_arena *a = c->req->arena;
    struct json v = json_get(all, c->o->duplicates);
    TL_CLEANUP(tl_buf_done) struct tl_buf sql = {0};
    struct same same = {""};

    if (!c->o->duplicates.p || v.type != JSON_STRING || (c->req->allow_duplicates && !c->o->block))
        return true;
    tl_buf_init(&sql, 64 << 10);
    (void)tl_buf_printf(
        &sql, "SELECT id FROM record WHERE type='%.*s' AND deleted=0 AND id<>'%s' AND json_extract(body,'$.%.*s')='",
        TL_SV_ARG(c->o->name), c->existing ? c->existing->id : "", TL_SV_ARG(c->o->duplicates));
    for (uint32_t i = 0; i < v.n; i++)
        (void)(v.u.s[i] == '\'' ? tl_buf_puts(&sql, "''") : tl_buf_putc(&sql, v.u.s[i]));
    (void)tl_buf_puts(&sql, "' LIMIT 1");
    if (sql.failed || sfsim_texts(c->req->sim->db, sql.p, first_id, &same, NULL) != TL_OK || !same.id[0])
        return true;
    (void)REFUSE(c, "DUPLICATES_DETECTED", TL_SV_NULL, "Use one of these records?");
    c->fault->duplicates = duplicate_result(c, same.id);
    (void)a;
    return false;
}

static void add_defaults(struct check *c)
{
    for (size_t i = 0; i < c->o->n_fields; i++) {
        const struct sfsim_field *f = &c->o->fields[i];

        if (f->fallback.n > 0 && json_get(json_end(c->out), f->name).type == JSON_UNDEFINED)
            (void)json_add(c->out, f->name, json_sv(f->fallback));
    }
}

static struct json without_nulls(struct tl_arena *a, struct json v)
{
    struct json_builder b;

    json_object_begin(&b, a, v.n);
    for (uint32_t i = 0; i < v.n; i++)
        if (v.u.members[i].value.type > JSON_NULL)
            (void)json_add(&b, json_view(v.u.members[i].key), v.u.members[i].value);
    return json_end(&b);
}

bool sfsim_check(const struct sfsim_req *req, const struct sfsim_object *o, struct json body,
                 const struct sfsim_record *existing, const struct sfsim_field *not_field, struct json *ret_fields,
                 struct sfsim_fault *fault)
{
    struct json_builder out;
    struct check c = {.req = req, .o = o, .existing = existing, .out = &out, .fault = fault};
    struct json all;

    if (body.type != JSON_OBJECT)
        return REFUSE(&c, "JSON_PARSER_ERROR", TL_SV_NULL, "The request body is not an object");
    json_object_begin(&out, req->arena, body.n + 8);
    for (uint32_t i = 0; existing && i < existing->fields.n; i++)
        (void)json_add(&out, json_view(existing->fields.u.members[i].key), existing->fields.u.members[i].value);
    for (uint32_t i = 0; i < body.n; i++) {
        struct tl_sv name = json_view(body.u.members[i].key);

        if (tl_sv_eqi(name, TL_SV("attributes")) || tl_sv_eqi(name, TL_SV("Id")))
            continue;
        if (!check_member(&c, name, body.u.members[i].value, not_field))
            return false;
    }
    if (!existing)
        add_defaults(&c);
    all = without_nulls(req->arena, json_end(&out));
    if (!check_required(&c, all) || !check_rules(&c, all))
        return false;
    if (!o->event && (!check_unique(&c, all) || !check_duplicates(&c, all)))
        return false;
    *ret_fields = all;
    return true;
}
