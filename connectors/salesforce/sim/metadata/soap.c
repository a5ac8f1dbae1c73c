/* SPDX-License-Identifier: Apache-2.0 */
/*
 * soap.c - the Metadata API over SOAP, as its clients use it: describe, list and read components, create,
 * update and upsert custom objects and fields, deploy a zip and ask after it. Components are those of metadata.c. There
 * is no retrieve and no delete: a call that is not there is a fault that says so.
 */
#include "salesforce/sim/sim_int.h"

#include <stdio.h>

#define METADATA_NS "http://soap.sforce.com/2006/04/metadata"
enum { REPLY = 16 << 20, LIST_MOST = 10 };

struct call {
    struct sfsim_req req;
    struct tl_sv name;
    struct json in, out; /* out: the result, or a list of results */
    const char *fault, *text;
};

static const struct {
    const char *folder, *suffix, *name, *child;
} kinds[] = {{"objects", "object", "CustomObject", "CustomField"},
             {"permissionsets", "permissionset", "PermissionSet", NULL},
             {"platformEventChannelMembers", "platformEventChannelMember", "PlatformEventChannelMember", NULL}};

static const char *const types[] = {[SFSIM_STRING] = "Text",
                                    [SFSIM_TEXTAREA] = "LongTextArea",
                                    [SFSIM_PHONE] = "Phone",
                                    [SFSIM_URL] = "Url",
                                    [SFSIM_EMAIL] = "Email",
                                    [SFSIM_PICKLIST] = "Picklist",
                                    [SFSIM_MULTIPICKLIST] = "MultiselectPicklist",
                                    [SFSIM_BOOLEAN] = "Checkbox",
                                    [SFSIM_INT] = "Number",
                                    [SFSIM_DOUBLE] = "Number",
                                    [SFSIM_CURRENCY] = "Currency",
                                    [SFSIM_PERCENT] = "Percent",
                                    [SFSIM_DATE] = "Date",
                                    [SFSIM_DATETIME] = "DateTime",
                                    [SFSIM_REFERENCE] = "Lookup",
                                    [SFSIM_ID] = "Text"};

static void fail(struct call *c, const char *fault, const char *text)
{
    c->fault = fault;
    c->text = text;
}

/* ---- what is there ---- */

static void describe(struct call *c)
{
    struct json_builder b, list;

    json_array_begin(&list, c->req.arena, TL_COUNT(kinds));
    for (size_t i = 0; i < TL_COUNT(kinds); i++) {
        struct json_builder one;

        json_object_begin(&one, c->req.arena, 6);
        if (kinds[i].child)
            (void)json_adds(&one, "childXmlNames", json_str(kinds[i].child));
        (void)json_adds(&one, "directoryName", json_str(kinds[i].folder));
        (void)json_adds(&one, "inFolder", json_bool(false));
        (void)json_adds(&one, "metaFile", json_bool(false));
        (void)json_adds(&one, "suffix", json_str(kinds[i].suffix));
        (void)json_adds(&one, "xmlName", json_str(kinds[i].name));
        (void)json_push(&list, json_end(&one));
    }
    json_object_begin(&b, c->req.arena, 4);
    (void)json_adds(&b, "metadataObjects", json_end(&list));
    (void)json_adds(&b, "organizationNamespace", json_str(""));
    (void)json_adds(&b, "partialSaveAllowed", json_bool(true));
    (void)json_adds(&b, "testRequired", json_bool(false));
    c->out = json_end(&b);
}

static struct json properties(struct call *c, const char *type, const char *file, struct json name)
{
    static const char *const people[] = {"createdById", "lastModifiedById"};
    static const char *const times[] = {"createdDate", "lastModifiedDate"};
    struct json_builder b;

    json_object_begin(&b, c->req.arena, 10);
    for (size_t i = 0; i < TL_COUNT(people); i++) {
        (void)json_adds(&b, people[i], json_str(c->req.sim->user));
        (void)json_adds(&b, times[i], json_str("2026-01-01T00:00:00.000Z"));
    }
    (void)json_adds(&b, "createdByName", json_str("Integration User"));
    (void)json_adds(&b, "lastModifiedByName", json_str("Integration User"));
    (void)json_adds(&b, "fileName", json_str(file));
    (void)json_adds(&b, "fullName", name);
    (void)json_adds(&b, "id", json_str(""));
    (void)json_adds(&b, "type", json_str(type));
    return json_end(&b);
}

static void list_objects(struct call *c, bool fields, struct json_builder *list)
{
    struct tl_arena *a = c->req.arena;
    const struct sfsim_object *o;

    for (size_t i = 0; (o = sfsim_object_at(c->req.sim->schema, i)) != NULL; i++) {
        const char *file = tl_arena_printf(a, "objects/%.*s.object", TL_SV_ARG(o->name));

        if (!fields)
            (void)json_push(list, properties(c, "CustomObject", file, json_sv(o->name)));
        for (size_t k = 0; fields && k < o->n_fields; k++)
            if (o->fields[k].custom)
                (void)json_push(
                    list, properties(c, "CustomField", file,
                                     json_printf(a, "%.*s.%.*s", TL_SV_ARG(o->name), TL_SV_ARG(o->fields[k].name))));
    }
}

static void list(struct call *c)
{
    struct json queries = json_gets(c->in, "queries");
    struct json_builder all;

    json_array_begin(&all, c->req.arena, 64);
    for (size_t i = 0; i < xml_count(queries) && i < LIST_MOST; i++) {
        struct tl_sv type = xml_text(json_gets(xml_at(queries, i), "type"));

        if (tl_sv_eqs(type, "CustomObject") || tl_sv_eqs(type, "CustomField"))
            list_objects(c, tl_sv_eqs(type, "CustomField"), &all);
        else if (!tl_sv_eqs(type, "PermissionSet") && !tl_sv_eqs(type, "PlatformEventChannelMember"))
            fail(c, "INVALID_TYPE", "INVALID_TYPE: Unknown type name specified");
    }
    c->out = json_end(&all);
}

static struct json field_of(struct call *c, const struct sfsim_field *f, struct json name)
{
    struct json_builder b;

    json_object_begin(&b, c->req.arena, 10);
    (void)json_adds(&b, "fullName", name);
    (void)json_adds(&b, "externalId", json_bool(f->external));
    (void)json_adds(&b, "label", json_sv(f->name));
    if (f->type == SFSIM_STRING || f->type == SFSIM_TEXTAREA)
        (void)json_adds(&b, "length", json_int(f->length));
    if (f->type == SFSIM_INT || f->type == SFSIM_DOUBLE || f->type == SFSIM_CURRENCY || f->type == SFSIM_PERCENT) {
        (void)json_adds(&b, "precision", json_int(f->precision));
        (void)json_adds(&b, "scale", json_int(f->scale));
    }
    if (f->type == SFSIM_REFERENCE)
        (void)json_adds(&b, "referenceTo", json_sv(f->reference));
    (void)json_adds(&b, "required", json_bool(f->required));
    (void)json_adds(&b, "type", json_str(types[f->type]));
    (void)json_adds(&b, "unique", json_bool(f->unique));
    return json_end(&b);
}

static struct json object_of(struct call *c, const struct sfsim_object *o)
{
    struct json_builder b, fields;

    json_array_begin(&fields, c->req.arena, o->n_fields);
    for (size_t i = 0; i < o->n_fields; i++)
        if (!o->fields[i].system)
            (void)json_push(&fields, field_of(c, &o->fields[i], json_sv(o->fields[i].name)));
    json_object_begin(&b, c->req.arena, 5);
    (void)json_adds(&b, "@xsi:type", json_str("CustomObject"));
    (void)json_adds(&b, "fullName", json_sv(o->name));
    (void)json_adds(&b, "fields", json_end(&fields));
    (void)json_adds(&b, "label", json_sv(o->name));
    return json_end(&b);
}

/* The object of "Account" or "Account.Field__c", and the field; NULL: it is not there. */
static const struct sfsim_object *find(struct call *c, struct tl_sv full, struct tl_sv *ret_field,
                                       const struct sfsim_field **ret)
{
    size_t dot = tl_sv_find(full, '.');
    const struct sfsim_object *o = sfsim_object(c->req.sim->schema, tl_sv(full.p, dot));

    *ret_field = dot < full.n ? tl_sv_from(full, dot + 1) : TL_SV("");
    *ret = o && ret_field->n > 0 ? sfsim_field_any(o, *ret_field) : NULL;
    return o;
}

static struct json nil(struct tl_arena *a)
{
    struct json_builder b;

    json_object_begin(&b, a, 1);
    (void)json_adds(&b, "@xsi:nil", json_str("true"));
    return json_end(&b);
}

static void read_them(struct call *c)
{
    struct tl_sv type = xml_text(json_gets(c->in, "type")), rest;
    struct json names = json_gets(c->in, "fullNames");
    bool fields = tl_sv_eqs(type, "CustomField");
    struct json_builder all, b;

    if (!fields && !tl_sv_eqs(type, "CustomObject")) {
        fail(c, "INVALID_TYPE", "INVALID_TYPE: this simulator reads CustomObject and CustomField");
        return;
    }
    json_array_begin(&all, c->req.arena, LIST_MOST);
    for (size_t i = 0; i < xml_count(names) && i < LIST_MOST; i++) {
        struct tl_sv name = xml_text(xml_at(names, i));
        const struct sfsim_field *f;
        const struct sfsim_object *o = find(c, name, &rest, &f);
        struct json one = fields ? (f ? field_of(c, f, json_sv(name)) : nil(c->req.arena))
                          : o    ? object_of(c, o)
                                 : nil(c->req.arena);

        if (fields && f)
            one = sfsim_with(c->req.arena, one, "@xsi:type", json_str("CustomField"));
        (void)json_push(&all, one);
    }
    json_object_begin(&b, c->req.arena, 1);
    (void)json_adds(&b, "records", json_end(&all));
    c->out = json_end(&b);
}

/* ---- changing ---- */

enum how { CREATE, UPDATE, UPSERT };

static struct json saved(struct call *c, struct tl_sv name, const char *code, const char *problem, bool created)
{
    struct json_builder b, e;

    json_object_begin(&b, c->req.arena, 4);
    (void)json_adds(&b, "created", json_bool(created));
    if (code) {
        json_object_begin(&e, c->req.arena, 2);
        (void)json_adds(&e, "message", json_str(problem));
        (void)json_adds(&e, "statusCode", json_str(code));
        (void)json_adds(&b, "errors", json_end(&e));
    }
    (void)json_adds(&b, "fullName", json_sv(name));
    (void)json_adds(&b, "success", json_bool(!code));
    return json_end(&b);
}

/* A field of its own is a file of its object with this field only. */
static struct json as_file(struct call *c, struct json v, struct tl_sv field)
{
    struct json_builder b;

    json_object_begin(&b, c->req.arena, 1);
    (void)json_adds(&b, "fields", sfsim_with(c->req.arena, v, "fullName", json_sv(field)));
    return json_end(&b);
}

static struct json save_one(struct call *c, enum how how, struct json v)
{
    struct tl_sv kind = xml_local_name(json_text(json_gets(v, "@xsi:type"), TL_SV("")));
    struct tl_sv name = xml_text(json_gets(v, "fullName")), field;
    const struct sfsim_field *f;
    const struct sfsim_object *o = find(c, name, &field, &f);
    bool of_field = tl_sv_eqs(kind, "CustomField"), there = of_field ? f != NULL : o != NULL;
    const char *problem = NULL;

    if (how == CREATE && there)
        return saved(c, name, "DUPLICATE_DEVELOPER_NAME", "There is already a component of this name.", false);
    if ((how == UPDATE && !there) || (of_field && !o))
        return saved(c, name, "INVALID_CROSS_REFERENCE_KEY", "In field: fullName - no such component found", false);
    if (!sfsim_metadata_apply(&c->req, of_field ? TL_SV("CustomObject") : kind, of_field ? o->name : name,
                              of_field ? as_file(c, v, field) : v, &problem))
        return saved(c, name, "FIELD_INTEGRITY_EXCEPTION", problem, false);
    return saved(c, name, NULL, NULL, !there);
}

static void save(struct call *c, enum how how)
{
    struct json all = json_gets(c->in, "metadata");
    struct json_builder b;

    if (xml_count(all) > LIST_MOST) {
        fail(c, "LIMIT_EXCEEDED",
             "LIMIT_EXCEEDED: record limit reached. cannot submit more than 10 records into this call");
        return;
    }
    json_array_begin(&b, c->req.arena, LIST_MOST);
    for (size_t i = 0; i < xml_count(all); i++)
        (void)json_push(&b, save_one(c, how, xml_at(all, i)));
    c->out = json_end(&b);
}

/* ---- deployments ---- */

static void deploy(struct call *c)
{
    struct tl_buf zip;
    struct json kept = JSON_NOTHING;
    struct json_builder b;

    tl_buf_init(&zip, 40 << 20);
    if (tl_base64_decode(&zip, tl_sv_trim(xml_text(json_gets(c->in, "ZipFile")))))
        kept = sfsim_metadata_deploy(&c->req, tl_buf_view(&zip));
    tl_buf_done(&zip);
    if (kept.type != JSON_OBJECT) {
        fail(c, "INVALID_PARAMETER", "INVALID_PARAMETER: ZipFile is not base64");
        return;
    }
    json_object_begin(&b, c->req.arena, 3);
    (void)json_adds(&b, "done", json_bool(false));
    (void)json_adds(&b, "id", json_gets(kept, "id"));
    (void)json_adds(&b, "state", json_str("Queued"));
    c->out = json_end(&b);
}

static void check_deploy(struct call *c)
{
    if (!sfsim_metadata_deployed(&c->req, xml_text(json_gets(c->in, "asyncProcessId")), &c->out))
        fail(c, "INVALID_ID_FIELD", "INVALID_ID_FIELD: there is no deployment of this id");
}

/* ---- the call ---- */

static void operate(struct call *c)
{
    if (tl_sv_eqs(c->name, "describeMetadata"))
        describe(c);
    else if (tl_sv_eqs(c->name, "listMetadata"))
        list(c);
    else if (tl_sv_eqs(c->name, "readMetadata"))
        read_them(c);
    else if (tl_sv_eqs(c->name, "createMetadata"))
        save(c, CREATE);
    else if (tl_sv_eqs(c->name, "updateMetadata"))
        save(c, UPDATE);
    else if (tl_sv_eqs(c->name, "upsertMetadata"))
        save(c, UPSERT);
    else if (tl_sv_eqs(c->name, "deploy"))
        deploy(c);
    else if (tl_sv_eqs(c->name, "checkDeployStatus"))
        check_deploy(c);
    else
        fail(c, "INVALID_OPERATION", "INVALID_OPERATION: this simulator does not have that call");
}

static void carry_out(void *arg)
{
    struct call *c = arg;
    struct xml_soap soap;

    if (xml_soap_parse(c->req.arena, c->req.text, NULL, &soap, NULL) != TL_OK) {
        fail(c, "INVALID_SOAP", "INVALID_SOAP: this is no envelope of SOAP 1.1");
        return;
    }
    c->name = soap.name;
    c->in = soap.body;
    if (!sfsim_session_of_token(c->req.sim,
                                xml_text(json_gets(json_gets(soap.header, "SessionHeader"), "sessionId")))) {
        fail(c, "INVALID_SESSION_ID", "INVALID_SESSION_ID: Invalid Session ID found in SessionHeader");
        return;
    }
    sfsim_use(c->req.sim);
    c->req.sim->counts.api_calls++;
    if (!sfsim_begin(c->req.sim->db))
        fail(c, "UNKNOWN_EXCEPTION", "UNKNOWN_EXCEPTION: the database is not there");
    else
        operate(c);
    if (!c->fault || strcmp(c->fault, "UNKNOWN_EXCEPTION") != 0)
        (void)sfsim_commit(c->req.sim->db);
}

static struct json response_of(struct call *c)
{
    struct json_builder b, whole;

    json_object_begin(&b, c->req.arena, 2);
    (void)json_adds(&b, "@xmlns", json_str(METADATA_NS));
    (void)json_adds(&b, "result", c->out);
    json_object_begin(&whole, c->req.arena, 1);
    (void)json_adds(&whole, tl_arena_printf(c->req.arena, "%.*sResponse", TL_SV_ARG(c->name)), json_end(&b));
    return json_end(&whole);
}

static void write_fault(struct call *c, struct tl_buf *b)
{
    (void)tl_buf_printf(b,
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"" XML_SOAP_NS
                        "\" xmlns:sf=\"" METADATA_NS "\"><soapenv:Body><soapenv:Fault><faultcode>sf:%s</faultcode>"
                        "<faultstring>",
                        c->fault);
    xml_escape(b, tl_sv_str(c->text));
    (void)tl_buf_puts(b, "</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>");
}

enum tl_rc sfsim_metadata_soap(struct task *task, struct http_req *req, struct http_res *res, void *arg,
                               struct tl_err *err)
{
    struct call c = {.req = {.sim = arg, .arena = req->arena, .method = req->method_text, .text = req->body}};
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json_builder spaces;
    enum tl_rc rc = TL_OK;

    c.req.sim->counts.requests++;
    sfsim_learn_url(arg, req);
    task_on_main_stack(task, carry_out, &c);
    tl_buf_init(&b, REPLY);
    json_object_begin(&spaces, req->arena, 1);
    (void)json_adds(&spaces, "xsi", json_str("http://www.w3.org/2001/XMLSchema-instance"));
    if (c.fault)
        write_fault(&c, &b);
    else
        rc = xml_soap_write(&b, json_end(&spaces), JSON_NOTHING, response_of(&c), err);
    if (rc == TL_OK)
        http_res_set(res, c.fault ? 500 : 200, "text/xml;charset=UTF-8", tl_arena_sv(req->arena, tl_buf_view(&b)));
    return rc;
}
