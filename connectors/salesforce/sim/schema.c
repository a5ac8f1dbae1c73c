/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.c - the objects of the org and their fields, from lines of text: those of the standard objects below, a file
 * of the user's, and what is added while the simulator runs.
 */
#include "salesforce/sim/sim_int.h"

#include <stdio.h>

enum { OBJECTS = 400, FIELDS = 800 };
struct sfsim_schema {
    struct tl_arena *arena;
    struct sfsim_object *objects[OBJECTS];
    size_t n, customs, events;
};

static const char *const standard[] = {
    "object Account 001: Name string(255) required; AccountNumber string(40); Type picklist(Prospect|Customer - "
    "Direct|Customer - Channel|Partner|Other); Industry "
    "picklist(Agriculture|Banking|Energy|Manufacturing|Retail|Technology|Other); AnnualRevenue currency(18,0); "
    "NumberOfEmployees int(8); Phone phone(40); Fax phone(40); Website url(255); Description textarea(32000); Site "
    "string(80); BillingStreet textarea(255); BillingCity string(40); BillingState string(80); BillingPostalCode "
    "string(20); BillingCountry string(80); ShippingStreet textarea(255); ShippingCity string(40); ShippingPostalCode "
    "string(20); ShippingCountry string(80); ParentId reference(Account,Parent); OwnerId reference(User,Owner); "
    "ERP_Id__c string(80) external unique",
    "object Contact 003: LastName string(80) required; FirstName string(40); AccountId reference(Account,Account); "
    "Email email(80); Phone phone(40); MobilePhone phone(40); Title string(128); Department string(80); MailingStreet "
    "textarea(255); MailingCity string(40); MailingPostalCode string(20); MailingCountry string(80); Birthdate date; "
    "OwnerId reference(User,Owner); ERP_Id__c string(80) external unique",
    "object Lead 00Q: LastName string(80) required; FirstName string(40); Company string(255) required; Email "
    "email(80); Phone phone(40); Title string(128); Status picklist(Open - Not Contacted|Working - Contacted|Closed - "
    "Converted|Closed - Not Converted) default(Open - Not Contacted); LeadSource picklist(Web|Phone "
    "Inquiry|Partner|Other); Street textarea(255); City string(40); PostalCode string(20); Country string(80); "
    "Industry string(40); AnnualRevenue currency(18,0); OwnerId reference(User,Owner); ERP_Id__c string(80) external "
    "unique",
    "object Opportunity 006: Name string(120) required; AccountId reference(Account,Account); StageName "
    "picklist(Prospecting|Qualification|Proposal|Negotiation|Closed Won|Closed Lost) required restricted; CloseDate "
    "date required; Amount currency(18,2); Probability percent(3,0); Type string(40); Description textarea(32000); "
    "LeadSource string(40); NextStep string(255); OwnerId reference(User,Owner); ERP_Id__c string(80) external unique",
    "object Order 801: AccountId reference(Account,Account) required; EffectiveDate date required; Status "
    "picklist(Draft|Activated) required; OrderNumber string(30); TotalAmount currency(18,2); Description "
    "textarea(32000); PoNumber string(80); ERP_Id__c string(80) external unique",
    "object OrderItem 802: OrderId reference(Order,Order) required; Product2Id reference(Product2,Product2); Quantity "
    "double(16,2) required; UnitPrice currency(16,2); Description string(255); ERP_Id__c string(80) external unique",
    "object Product2 01t: Name string(255) required; ProductCode string(255); IsActive boolean; Description "
    "textarea(4000); Family string(40); ERP_Id__c string(80) external unique",
    "object Case 500: Subject string(255); Status picklist(New|Working|Escalated|Closed) default(New); Priority "
    "picklist(High|Medium|Low); Origin picklist(Phone|Email|Web); Description textarea(32000); AccountId "
    "reference(Account,Account); ContactId reference(Contact,Contact); ERP_Id__c string(80) external unique",
    "object Task 00T: Subject string(255); Status picklist(Not Started|In Progress|Completed) default(Not Started); "
    "Priority picklist(High|Normal|Low) default(Normal); ActivityDate date; Description textarea(32000); WhatId "
    "reference(Account,What); WhoId reference(Contact,Who)",
    "object User 005: Username string(80) required unique; Name string(121); LastName string(80) required; FirstName "
    "string(40); Email email(128); IsActive boolean; Alias string(8)",
    "object Organization 00D: Name string(80) required; InstanceName string(5)",
    "object PushTopic 0IF: Name string(25) required unique; Query textarea(1300) required; ApiVersion double(4,1) "
    "required; NotifyForOperationCreate boolean; NotifyForOperationUpdate boolean; NotifyForOperationDelete boolean; "
    "NotifyForOperationUndelete boolean; NotifyForFields picklist(All|Referenced|Select|Where) default(Referenced); "
    "IsActive boolean; Description textarea(400)",
    "object StreamingChannel 0M6: Name string(80) required unique; Description textarea(400)",
    "object PermissionSet 0PS: Name string(80) required external unique; Label string(80) required",
    "object PermissionSetAssignment 0Pa: PermissionSetId reference(PermissionSet,PermissionSet) required; AssigneeId "
    "reference(User,Assignee) required",
    "object PlatformEventChannelMember 0v8: DeveloperName string(80); EventChannel string(80); SelectedEntity "
    "string(80) external unique",
    "event Order_Placed__e: Order_Number__c string(80) required; Amount__c double(16,2); Status__c string(40)",
};

/* ---- looking ---- */

const struct sfsim_object *sfsim_object(const struct sfsim_schema *s, struct tl_sv name)
{
    for (size_t i = 0; i < s->n; i++)
        if (tl_sv_eqi(s->objects[i]->name, name))
            return s->objects[i];
    return NULL;
}

const struct sfsim_object *sfsim_object_at(const struct sfsim_schema *s, size_t i)
{
    return i < s->n ? s->objects[i] : NULL;
}

const struct sfsim_object *sfsim_object_of_id(const struct sfsim_schema *s, struct tl_sv id)
{
    for (size_t i = 0; i < s->n && id.n >= 3; i++)
        if (memcmp(s->objects[i]->prefix, id.p, 3) == 0)
            return s->objects[i];
    return NULL;
}

const struct sfsim_field *sfsim_field_any(const struct sfsim_object *o, struct tl_sv name)
{
    for (size_t i = 0; i < o->n_fields; i++)
        if (tl_sv_eqi(o->fields[i].name, name))
            return &o->fields[i];
    return NULL;
}

const struct sfsim_field *sfsim_field(const struct sfsim_object *o, struct tl_sv name)
{
    const struct sfsim_field *f = sfsim_field_any(o, name);

    return f && !f->hidden ? f : NULL;
}

const struct sfsim_field *sfsim_relationship(const struct sfsim_object *o, struct tl_sv name)
{
    for (size_t i = 0; i < o->n_fields; i++)
        if (o->fields[i].relationship.n > 0 && tl_sv_eqi(o->fields[i].relationship, name))
            return &o->fields[i];
    return NULL;
}

/* ---- reading lines ---- */

struct type_name {
    const char *name, *api, *soap;
    uint32_t length;
};
static const struct type_name types[] = {
    [SFSIM_STRING] = {"string", "string", "xsd:string", 255},
    [SFSIM_TEXTAREA] = {"textarea", "textarea", "xsd:string", 255},
    [SFSIM_PHONE] = {"phone", "phone", "xsd:string", 40},
    [SFSIM_URL] = {"url", "url", "xsd:string", 255},
    [SFSIM_EMAIL] = {"email", "email", "xsd:string", 80},
    [SFSIM_PICKLIST] = {"picklist", "picklist", "xsd:string", 255},
    [SFSIM_MULTIPICKLIST] = {"multipicklist", "multipicklist", "xsd:string", 4099},
    [SFSIM_BOOLEAN] = {"boolean", "boolean", "xsd:boolean", 0},
    [SFSIM_INT] = {"int", "int", "xsd:int", 0},
    [SFSIM_DOUBLE] = {"double", "double", "xsd:double", 0},
    [SFSIM_CURRENCY] = {"currency", "currency", "xsd:double", 0},
    [SFSIM_PERCENT] = {"percent", "percent", "xsd:double", 0},
    [SFSIM_DATE] = {"date", "date", "xsd:date", 0},
    [SFSIM_DATETIME] = {"datetime", "datetime", "xsd:dateTime", 0},
    [SFSIM_REFERENCE] = {"reference", "reference", "tns:ID", 18},
    [SFSIM_ID] = {"id", "id", "tns:ID", 18},
};

/* "word" or "word(argument)": a space inside the brackets belongs to the argument. */
static bool next_word(struct tl_sv *rest, struct tl_sv *ret_word, struct tl_sv *ret_argument)
{
    size_t n = 0;

    *rest = tl_sv_trim(*rest);
    *ret_argument = TL_SV_NULL;
    if (rest->n == 0)
        return false;
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '(')
        n++;
    *ret_word = tl_sv(rest->p, n);
    if (n < rest->n && rest->p[n] == '(') {
        size_t end = n + tl_sv_find(tl_sv_from(*rest, n), ')');

        *ret_argument = tl_sv(rest->p + n + 1, end - n - 1 < rest->n - n - 1 ? end - n - 1 : rest->n - n - 1);
        n = end + 1;
    }
    *rest = tl_sv_from(*rest, n);
    return true;
}

static uint32_t number(struct tl_sv s, uint32_t fallback)
{
    uint64_t v;

    return tl_sv_u64(tl_sv_trim(s), &v) && v < UINT32_MAX ? (uint32_t)v : fallback;
}

static bool set_type(struct sfsim_field *f, struct tl_sv word, struct tl_sv argument)
{
    size_t comma = tl_sv_find(argument, ',');
    struct tl_sv first = tl_sv(argument.p, comma), second = tl_sv_from(argument, comma + 1);

    for (size_t i = 0; i < TL_COUNT(types); i++) {
        if (!tl_sv_eqs(word, types[i].name))
            continue;
        f->type = (enum sfsim_type)i;
        f->length = types[i].length;
        if (f->type == SFSIM_REFERENCE) {
            f->reference = tl_sv_trim(first);
            f->relationship = tl_sv_trim(second);
        } else if (f->type == SFSIM_PICKLIST || f->type == SFSIM_MULTIPICKLIST) {
            f->values = argument;
        } else if (f->length > 0) {
            f->length = number(first, f->length);
        } else {
            f->precision = number(first, 18);
            f->scale = number(second, 0);
        }
        return true;
    }
    return false;
}

static bool set_word(struct sfsim_field *f, struct tl_sv word, struct tl_sv argument)
{
    if (tl_sv_eqs(word, "required"))
        f->required = true;
    else if (tl_sv_eqs(word, "external"))
        f->external = true;
    else if (tl_sv_eqs(word, "hidden"))
        f->hidden = true;
    else if (tl_sv_eqs(word, "unique"))
        f->unique = true;
    else if (tl_sv_eqs(word, "cs"))
        f->case_sensitive = true;
    else if (tl_sv_eqs(word, "restricted"))
        f->restricted = true;
    else if (tl_sv_eqs(word, "readonly"))
        f->read_only = true;
    else if (tl_sv_eqs(word, "default"))
        f->fallback = argument;
    else
        return false;
    return true;
}

static enum tl_rc add_field(struct sfsim_schema *s, struct sfsim_object *o, struct tl_sv text, struct tl_err *err)
{
    struct sfsim_field f = {.type = SFSIM_STRING}, *all;
    struct tl_sv word, argument;

    if (!next_word(&text, &f.name, &argument))
        return TL_OK;
    f.custom = tl_sv_ends(f.name, TL_SV("__c"));
    if (!next_word(&text, &word, &argument) || !set_type(&f, word, argument))
        return tl_fail(err, TL_INVALID, "field %.*s has no type that is known here", TL_SV_ARG(f.name));
    if (f.type == SFSIM_REFERENCE && f.relationship.n == 0 && f.custom) /* Parent__c -> Parent__r */
        f.relationship = tl_sv_str(tl_arena_printf(s->arena, "%.*s__r", (int)f.name.n - 3, f.name.p));
    while (next_word(&text, &word, &argument))
        if (!set_word(&f, word, argument))
            return tl_fail(err, TL_INVALID, "field %.*s: `%.*s` is not known", TL_SV_ARG(f.name), TL_SV_ARG(word));
    for (size_t i = 0; i < o->n_fields; i++) {
        if (tl_sv_eqi(o->fields[i].name, f.name)) {
            o->fields[i] = f;
            return TL_OK;
        }
    }
    if (o->n_fields == FIELDS)
        return tl_fail(err, TL_LIMIT, "%.*s has %d fields already", TL_SV_ARG(o->name), FIELDS);
    all = tl_arena_must(s->arena, (o->n_fields + 1) * sizeof *all);
    if (o->n_fields > 0)
        memcpy(all, o->fields, o->n_fields * sizeof *all);
    all[o->n_fields++] = f;
    o->fields = all;
    return TL_OK;
}

static enum tl_rc add_fields(struct sfsim_schema *s, struct sfsim_object *o, struct tl_sv text, struct tl_err *err)
{
    struct tl_sv part;
    enum tl_rc rc = TL_OK;

    while (rc == TL_OK && tl_sv_cut(&text, ';', &part))
        rc = add_field(s, o, part, err);
    return rc;
}

static void add_system(struct sfsim_schema *s, struct sfsim_object *o)
{
    static const struct {
        const char *name;
        enum sfsim_type type;
    } system[] = {{"Id", SFSIM_ID},
                  {"IsDeleted", SFSIM_BOOLEAN},
                  {"CreatedDate", SFSIM_DATETIME},
                  {"CreatedById", SFSIM_REFERENCE},
                  {"LastModifiedDate", SFSIM_DATETIME},
                  {"LastModifiedById", SFSIM_REFERENCE},
                  {"SystemModstamp", SFSIM_DATETIME}};

    o->fields = tl_arena_must(s->arena, TL_COUNT(system) * sizeof *o->fields);
    for (size_t i = 0; i < TL_COUNT(system); i++) {
        struct sfsim_field *f = &o->fields[o->n_fields++];

        *f = (struct sfsim_field){
            .name = tl_sv_str(system[i].name), .type = system[i].type, .system = true, .read_only = true};
        if (f->type == SFSIM_REFERENCE) {
            f->reference = TL_SV("User");
            f->relationship = i == 3 ? TL_SV("CreatedBy") : TL_SV("LastModifiedBy");
        }
    }
}

static enum tl_rc add_object(struct sfsim_schema *s, struct tl_sv head, struct tl_sv fields, bool event,
                             struct tl_err *err)
{
    struct tl_sv name, prefix = TL_SV_NULL, none;
    struct sfsim_object *o;
    bool has_name = false;
    enum tl_rc rc;

    if (!next_word(&head, &name, &none) || s->n == OBJECTS)
        return tl_fail(err, TL_INVALID, "an object needs a name, and there are at most %d", OBJECTS);
    (void)next_word(&head, &prefix, &none);
    if (sfsim_object(s, name))
        return tl_fail(err, TL_EXISTS, "%.*s is there already; add to it with `field`", TL_SV_ARG(name));
    o = tl_arena_zalloc(s->arena, sizeof *o);
    assert(o);
    o->name = name;
    o->custom = tl_sv_ends(name, TL_SV("__c"));
    o->event = event;
    if (prefix.n == 3)
        (void)snprintf(o->prefix, sizeof o->prefix, "%.3s", prefix.p);
    else
        (void)snprintf(o->prefix, sizeof o->prefix, "%c%02u", event ? 'e' : 'a',
                       (unsigned)(event ? s->events++ : s->customs++) % 100u);
    add_system(s, o);
    rc = add_fields(s, o, fields, err);
    for (size_t i = 0; i < o->n_fields; i++)
        has_name |= tl_sv_eqs(o->fields[i].name, "Name");
    if (rc == TL_OK && o->custom && !event && !has_name)
        rc = add_field(s, o, TL_SV("Name string(80)"), err);
    if (rc == TL_OK)
        s->objects[s->n++] = o;
    return rc;
}

static struct sfsim_object *known(struct sfsim_schema *s, struct tl_sv name)
{
    for (size_t i = 0; i < s->n; i++)
        if (tl_sv_eqi(s->objects[i]->name, tl_sv_trim(name)))
            return s->objects[i];
    return NULL;
}

/* "Amount < 0: words" */
static enum tl_rc add_rule(struct sfsim_object *o, struct tl_sv text, struct tl_err *err)
{
    static const struct {
        const char *text;
        enum sfsim_op op;
    } ops[] = {{"<=", SFSIM_LE}, {">=", SFSIM_GE}, {"!=", SFSIM_NE}, {"<", SFSIM_LT}, {">", SFSIM_GT}, {"=", SFSIM_EQ}};
    size_t colon = tl_sv_find(text, ':');
    struct tl_sv condition = tl_sv(text.p, colon), message = tl_sv_trim(tl_sv_from(text, colon + 1));

    if (o->n_rules == TL_COUNT(o->rules) || message.n == 0)
        return tl_fail(err, TL_INVALID, "a rule is `rule OBJECT: FIELD < VALUE: MESSAGE`, at most %zu for an object",
                       TL_COUNT(o->rules));
    for (size_t i = 0; i < TL_COUNT(ops); i++) {
        size_t at = tl_sv_find_sv(condition, tl_sv_str(ops[i].text));

        if (at == condition.n)
            continue;
        o->rules[o->n_rules++] =
            (struct sfsim_rule){.field = tl_sv_trim(tl_sv(condition.p, at)),
                                .value = tl_sv_trim(tl_sv_from(condition, at + strlen(ops[i].text))),
                                .message = message,
                                .op = ops[i].op};
        return TL_OK;
    }
    return tl_fail(err, TL_INVALID, "the rule of %.*s compares nothing", TL_SV_ARG(o->name));
}

static enum tl_rc add_line(struct sfsim_schema *s, struct tl_sv line, struct tl_err *err)
{
    struct tl_sv word, none, rest = line, head, tail;
    struct sfsim_object *o;
    size_t colon;

    if (!next_word(&rest, &word, &none) || word.p[0] == '#')
        return TL_OK;
    colon = tl_sv_find(rest, ':');
    head = tl_sv(rest.p, colon);
    tail = tl_sv_trim(tl_sv_from(rest, colon + 1));
    if (tl_sv_eqs(word, "object") || tl_sv_eqs(word, "event"))
        return add_object(s, head, tail, tl_sv_eqs(word, "event"), err);
    o = known(s, head);
    if (!o)
        return tl_fail(err, TL_INVALID, "there is no object `%.*s`", TL_SV_ARG(tl_sv_trim(head)));
    if (tl_sv_eqs(word, "field"))
        return add_fields(s, o, tail, err);
    if (tl_sv_eqs(word, "rule"))
        return add_rule(o, tail, err);
    if (!tl_sv_eqs(word, "duplicates"))
        return tl_fail(err, TL_INVALID, "`%.*s` is none of object, event, field, rule, duplicates", TL_SV_ARG(word));
    (void)next_word(&tail, &o->duplicates, &none);
    o->block = tl_sv_eqs(tl_sv_trim(tail), "block");
    return TL_OK;
}

enum tl_rc sfsim_schema_add(struct sfsim_schema *s, struct tl_sv text, struct tl_err *err)
{
    struct tl_sv rest = tl_arena_sv(s->arena, text), line;
    enum tl_rc rc = TL_OK;

    if (!rest.p && text.n > 0)
        return tl_fail(err, TL_LIMIT, "the schema is larger than 64 MB");
    for (int n = 1; rc == TL_OK && tl_sv_cut(&rest, '\n', &line); n++) {
        rc = add_line(s, line, err);
        if (rc != TL_OK)
            return tl_err_prefix(err, "line %d", n);
    }
    return rc;
}

void sfsim_schema_grant(struct sfsim_schema *s, struct tl_sv path)
{
    size_t dot = tl_sv_find(path, '.');
    struct sfsim_object *o = known(s, tl_sv(path.p, dot));

    for (size_t i = 0; o && i < o->n_fields; i++)
        if (tl_sv_eqi(o->fields[i].name, tl_sv_from(path, dot + 1)))
            o->fields[i].granted = true;
}

void sfsim_schema_show(struct sfsim_schema *s)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->objects[i]->n_fields; k++)
            s->objects[i]->fields[k].hidden &= !s->objects[i]->fields[k].granted;
}

struct sfsim_schema_mark {
    size_t n, customs, n_fields[OBJECTS];
};

struct sfsim_schema_mark *sfsim_schema_mark(const struct sfsim_schema *s, struct tl_arena *a)
{
    struct sfsim_schema_mark *m = tl_arena_zalloc(a, sizeof *m);

    if (!m)
        return NULL;
    m->n = s->n;
    m->customs = s->customs;
    for (size_t i = 0; i < s->n; i++)
        m->n_fields[i] = s->objects[i]->n_fields;
    return m;
}

void sfsim_schema_rewind(struct sfsim_schema *s, const struct sfsim_schema_mark *m)
{
    s->n = m->n;
    s->customs = m->customs;
    for (size_t i = 0; i < s->n; i++) /* fields are only ever added at the end */
        s->objects[i]->n_fields = m->n_fields[i];
}

struct sfsim_schema *sfsim_schema_new(void)
{
    struct sfsim_schema *s = tl_zalloc(sizeof *s);
    s->arena = tl_arena_new(64 << 20);
    for (size_t i = 0; i < TL_COUNT(standard); i++) {
        enum tl_rc rc = sfsim_schema_add(s, tl_sv_str(standard[i]), NULL);

        assert(rc == TL_OK);
        (void)rc;
    }
    return s;
}

void sfsim_schema_free(struct sfsim_schema *s)
{
    if (!s)
        return;
    tl_arena_free(s->arena);
    tl_free(s);
}

/* ---- describe ---- */

static struct json picklist(const struct sfsim_field *f, struct tl_arena *a)
{
    struct json_builder list;
    struct tl_sv rest = f->values, value;

    json_array_begin(&list, a, 8);
    while (rest.n > 0 && tl_sv_cut(&rest, '|', &value)) {
        struct json_builder b;

        json_object_begin(&b, a, 4);
        (void)json_adds(&b, "active", json_bool(true));
        (void)json_adds(&b, "defaultValue", json_bool(tl_sv_eq(value, f->fallback)));
        (void)json_adds(&b, "label", json_sv(value));
        (void)json_adds(&b, "value", json_sv(value));
        (void)json_push(&list, json_end(&b));
    }
    return json_end(&list);
}

static struct json describe_field(const struct sfsim_field *f, struct tl_arena *a)
{
    struct json_builder b, refs;
    bool writable = !f->read_only && !f->system;

    json_array_begin(&refs, a, 1);
    if (f->reference.n > 0)
        (void)json_push(&refs, json_sv(f->reference));
    json_object_begin(&b, a, 32);
    (void)json_adds(&b, "name", json_sv(f->name));
    (void)json_adds(&b, "label", json_sv(f->name));
    (void)json_adds(&b, "type", json_str(types[f->type].api));
    (void)json_adds(&b, "soapType", json_str(types[f->type].soap));
    (void)json_adds(&b, "length", json_int(f->length));
    (void)json_adds(&b, "byteLength", json_int((int64_t)f->length * 3));
    (void)json_adds(&b, "precision", json_int(f->precision));
    (void)json_adds(&b, "scale", json_int(f->scale));
    (void)json_adds(&b, "digits", json_int(f->type == SFSIM_INT ? f->precision : 0));
    (void)json_adds(&b, "nillable", json_bool(!f->required && !f->system && f->type != SFSIM_BOOLEAN));
    (void)json_adds(&b, "createable", json_bool(writable));
    (void)json_adds(&b, "updateable", json_bool(writable));
    (void)json_adds(&b, "defaultedOnCreate", json_bool(f->system || f->fallback.n > 0 || f->type == SFSIM_BOOLEAN));
    (void)json_adds(&b, "externalId", json_bool(f->external));
    (void)json_adds(&b, "idLookup", json_bool(f->external || f->type == SFSIM_ID));
    (void)json_adds(&b, "unique", json_bool(f->unique));
    (void)json_adds(&b, "caseSensitive", json_bool(f->case_sensitive));
    (void)json_adds(&b, "calculated", json_bool(false));
    (void)json_adds(&b, "autoNumber", json_bool(false));
    (void)json_adds(&b, "custom", json_bool(f->custom));
    (void)json_adds(&b, "filterable", json_bool(f->type != SFSIM_TEXTAREA || f->length <= 255));
    (void)json_adds(&b, "sortable", json_bool(f->type != SFSIM_TEXTAREA || f->length <= 255));
    (void)json_adds(&b, "restrictedPicklist", json_bool(f->restricted));
    (void)json_adds(&b, "picklistValues", picklist(f, a));
    (void)json_adds(&b, "referenceTo", json_end(&refs));
    (void)json_adds(&b, "relationshipName", f->relationship.n > 0 ? json_sv(f->relationship) : json_null());
    (void)json_adds(&b, "compoundFieldName", json_null());
    return json_end(&b);
}

/* "Contact" -> "Contacts", "Opportunity" -> "Opportunities", "Line__c" -> "Line__r": what a child query names. */
static struct json plural(const struct sfsim_object *o, struct tl_arena *a)
{
    struct tl_sv n = o->name;

    if (o->custom)
        return json_printf(a, "%.*s__r", (int)n.n - 3, n.p);
    if (n.p[n.n - 1] == 'y')
        return json_printf(a, "%.*sies", (int)n.n - 1, n.p);
    return json_printf(a, "%.*ss", TL_SV_ARG(n));
}

static struct json children(const struct sfsim_schema *s, const struct sfsim_object *o, struct tl_arena *a)
{
    struct json_builder list;

    json_array_begin(&list, a, 8);
    for (size_t i = 0; i < s->n; i++) {
        for (size_t k = 0; k < s->objects[i]->n_fields; k++) {
            const struct sfsim_field *f = &s->objects[i]->fields[k];
            struct json_builder b;

            if (f->system || !tl_sv_eq(f->reference, o->name))
                continue;
            json_object_begin(&b, a, 6);
            (void)json_adds(&b, "cascadeDelete", json_bool(false));
            (void)json_adds(&b, "childSObject", json_sv(s->objects[i]->name));
            (void)json_adds(&b, "field", json_sv(f->name));
            (void)json_adds(&b, "relationshipName", plural(s->objects[i], a));
            (void)json_push(&list, json_end(&b));
        }
    }
    return json_end(&list);
}

static void describe_head(struct json_builder *b, const struct sfsim_object *o, struct tl_arena *a, const char *version)
{
    struct json_builder urls;

    (void)json_adds(b, "name", json_sv(o->name));
    (void)json_adds(b, "label", json_sv(o->name));
    (void)json_adds(b, "labelPlural", plural(o, a));
    (void)json_adds(b, "keyPrefix", json_sv(tl_arena_sv(a, tl_sv_str(o->prefix))));
    (void)json_adds(b, "custom", json_bool(o->custom || o->event));
    (void)json_adds(b, "createable", json_bool(true));
    (void)json_adds(b, "updateable", json_bool(!o->event));
    (void)json_adds(b, "deletable", json_bool(!o->event));
    (void)json_adds(b, "queryable", json_bool(!o->event));
    (void)json_adds(b, "retrieveable", json_bool(!o->event));
    (void)json_adds(b, "replicateable", json_bool(!o->event));
    (void)json_adds(b, "searchable", json_bool(false));
    (void)json_adds(b, "layoutable", json_bool(false));
    (void)json_adds(b, "triggerable", json_bool(true));
    (void)json_adds(b, "customSetting", json_bool(false));
    json_object_begin(&urls, a, 4);
    (void)json_adds(&urls, "sobject", json_printf(a, "/services/data/v%s/sobjects/%.*s", version, TL_SV_ARG(o->name)));
    (void)json_adds(&urls, "describe",
                    json_printf(a, "/services/data/v%s/sobjects/%.*s/describe", version, TL_SV_ARG(o->name)));
    (void)json_adds(&urls, "rowTemplate",
                    json_printf(a, "/services/data/v%s/sobjects/%.*s/{ID}", version, TL_SV_ARG(o->name)));
    (void)json_adds(b, "urls", json_end(&urls));
}

struct json sfsim_describe_brief(const struct sfsim_object *o, struct tl_arena *a, const char *version)
{
    struct json_builder b;

    json_object_begin(&b, a, 24);
    describe_head(&b, o, a, version);
    return json_end(&b);
}

struct json sfsim_describe(const struct sfsim_schema *s, const struct sfsim_object *o, struct tl_arena *a,
                           const char *version)
{
    struct json_builder b, fields, none;

    json_array_begin(&fields, a, o->n_fields);
    for (size_t i = 0; i < o->n_fields; i++)
        if (!o->fields[i].hidden)
            (void)json_push(&fields, describe_field(&o->fields[i], a));
    json_array_begin(&none, a, 1);
    json_object_begin(&b, a, 24);
    describe_head(&b, o, a, version);
    (void)json_adds(&b, "fields", json_end(&fields));
    (void)json_adds(&b, "childRelationships", children(s, o, a));
    (void)json_adds(&b, "recordTypeInfos", json_end(&none));
    return json_end(&b);
}
