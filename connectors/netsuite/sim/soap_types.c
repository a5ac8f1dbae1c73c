/* SPDX-License-Identifier: Apache-2.0 */
/* soap_types.c - record types and values under the names that SuiteTalk gives them. */
#include "netsuite/sim/soap.h"

const struct nsim_soap_space nsim_soap_spaces[] = {
    {"platformMsgs", "urn:messages_2025_2.platform.webservices.netsuite.com"},
    {"platformCore", "urn:core_2025_2.platform.webservices.netsuite.com"},
    {"platformCommon", "urn:common_2025_2.platform.webservices.netsuite.com"},
    {"platformFaults", "urn:faults_2025_2.platform.webservices.netsuite.com"},
    {"listRel", "urn:relationships_2025_2.lists.webservices.netsuite.com"},
    {"listEmp", "urn:employees_2025_2.lists.webservices.netsuite.com"},
    {"listAcct", "urn:accounting_2025_2.lists.webservices.netsuite.com"},
    {"tranSales", "urn:sales_2025_2.transactions.webservices.netsuite.com"},
};
const size_t nsim_soap_n_spaces = TL_COUNT(nsim_soap_spaces);

struct json nsim_soap_namespaces(struct tl_arena *a)
{
    struct json_builder b;

    json_object_begin(&b, a, TL_COUNT(nsim_soap_spaces) + 2);
    for (size_t i = 0; i < TL_COUNT(nsim_soap_spaces); i++)
        (void)json_adds(&b, nsim_soap_spaces[i].prefix, json_str(nsim_soap_spaces[i].uri));
    (void)json_adds(&b, "xsi", json_str("http://www.w3.org/2001/XMLSchema-instance"));
    (void)json_adds(&b, "axis", json_str("http://xml.apache.org/axis/"));
    return json_end(&b);
}

const char *nsim_soap_prefix(const struct nsim_type *type)
{
    switch (type->group) {
    case NSIM_ENTITY:
        return strcmp(type->name, "employee") == 0 ? "listEmp" : "listRel";
    case NSIM_TRANSACTION:
        return "tranSales";
    case NSIM_ITEM:
        return "listAcct";
    case NSIM_EVENT:
    case NSIM_OTHER:
        break;
    }
    return strncmp(type->name, "custom", 6) == 0 ? NULL : "listAcct";
}

struct tl_sv nsim_soap_name(struct tl_arena *a, const struct nsim_type *type)
{
    char *name = tl_arena_strdup(a, type->name);

    if (name)
        name[0] = (char)(name[0] - 32);
    return tl_sv_str(name);
}

const struct nsim_type *nsim_soap_type(struct tl_sv local_name)
{
    for (size_t i = 0; i < nsim_n_types; i++)
        if (local_name.n > 0 && local_name.p[0] >= 'A' && local_name.p[0] <= 'Z' && nsim_soap_prefix(&nsim_types[i]) &&
            tl_sv_eqs(tl_sv_from(local_name, 1), nsim_types[i].name + 1) &&
            local_name.p[0] + 32 == nsim_types[i].name[0])
            return &nsim_types[i];
    return NULL;
}

bool nsim_is_custom(const char *field)
{
    return strncmp(field, "cust", 4) == 0 && strchr(field, '_') != NULL;
}

/* ---- an element as a body of REST ---- */

struct reading {
    struct tl_arena *a;
    struct nsim_fault *f;
    struct tl_buf replace;
};

static bool invalid(struct reading *r, struct tl_sv name)
{
    return nsim_wrong(r->f, 500, "SAX", NULL, TL_SV_NULL,
                      "org.xml.sax.SAXException: Invalid element in the record - %.*s", TL_SV_ARG(name));
}

static struct json reference(struct tl_arena *a, struct json v)
{
    struct json_builder b;

    json_object_begin(&b, a, 2);
    if (json_gets(v, "@internalId").type == JSON_STRING)
        (void)json_adds(&b, "id", json_gets(v, "@internalId"));
    if (json_gets(v, "@externalId").type == JSON_STRING)
        (void)json_adds(&b, "externalId", json_gets(v, "@externalId"));
    return json_end(&b);
}

static struct json number_of(struct tl_arena *a, struct tl_sv text)
{
    struct json v = JSON_NOTHING;

    return json_parse(a, text, 0, NULL, &v, NULL) == TL_OK && json_is_number(v) ? v : json_sv(text);
}

/* By the kind of the field; what does not fit stays a text, which the record service refuses. */
static struct json value_of(struct tl_arena *a, const struct nsim_field *field, struct json v)
{
    struct tl_sv text = tl_sv_trim(xml_text(v));
    struct json_builder b;

    switch (field->kind) {
    case NSIM_NUMBER:
    case NSIM_INTEGER:
        return number_of(a, text);
    case NSIM_BOOL:
        return tl_sv_eqs(text, "true") || tl_sv_eqs(text, "1")    ? json_bool(true)
               : tl_sv_eqs(text, "false") || tl_sv_eqs(text, "0") ? json_bool(false)
                                                                  : json_sv(text);
    case NSIM_DATE: /* a moment; the account's day of it is taken to be that of UTC */
        return json_sv(tl_sv(text.p, text.n > 10 && text.p[10] == 'T' ? 10 : text.n));
    case NSIM_REF:
        return reference(a, v);
    case NSIM_ENUM:
        json_object_begin(&b, a, 1);
        (void)json_adds(&b, "id", json_sv(text));
        return json_end(&b);
    case NSIM_TEXT:
        return json_sv(xml_text(v).p ? xml_text(v) : TL_SV(""));
    case NSIM_TIME:
    case NSIM_LINES:
        break;
    }
    return json_sv(text);
}

static bool members(struct reading *r, const struct nsim_field *fields, size_t n, struct json element,
                    struct json_builder *b);

static bool lines(struct reading *r, const struct nsim_field *field, struct json list, struct json_builder *b)
{
    struct json_builder all, one, items;

    json_array_begin(&all, r->a, 8);
    for (uint32_t i = 0; list.type == JSON_OBJECT && i < list.n; i++) {
        struct tl_sv name = json_view(list.u.members[i].key);
        struct json v = list.u.members[i].value;

        if (name.p[0] == '@')
            continue;
        if (!tl_sv_eqi(name, tl_sv_str(field->name)))
            return invalid(r, name);
        for (size_t k = 0; k < xml_count(v); k++) {
            json_object_begin(&one, r->a, 8);
            if (!members(r, field->lines, field->n_lines, xml_at(v, k), &one))
                return false;
            (void)json_push(&all, json_end(&one));
        }
    }
    if (!tl_sv_eqs(json_text(json_gets(list, "@replaceAll"), TL_SV("true")), "false"))
        (void)tl_buf_printf(&r->replace, "%s%s", r->replace.n > 0 ? "," : "", field->name);
    json_object_begin(&items, r->a, 1);
    (void)json_adds(&items, "items", json_end(&all));
    (void)json_adds(b, field->name, json_end(&items));
    return true;
}

static bool customs(struct reading *r, const struct nsim_field *fields, size_t n, struct json list,
                    struct json_builder *b)
{
    struct json all = json_gets(list, "customField");

    for (size_t i = 0; i < xml_count(all); i++) {
        struct json one = xml_at(all, i);
        struct tl_sv name = json_text(json_gets(one, "@scriptId"), TL_SV(""));
        const struct nsim_field *field = nsim_field_find(fields, n, name);

        if (!tl_sv_ends(json_text(json_gets(one, "@xsi:type"), TL_SV("")), TL_SV("CustomFieldRef")))
            return invalid(r, TL_SV("customField"));
        if (!field || !nsim_is_custom(field->name))
            return nsim_wrong(r->f, 200, "INVALID_KEY_OR_REF", NULL, TL_SV_NULL, "Invalid custom field %.*s.",
                              TL_SV_ARG(name));
        (void)json_adds(b, field->name, value_of(r->a, field, xml_at(json_gets(one, "value"), 0)));
    }
    return true;
}

static bool nulls(struct reading *r, const struct nsim_field *fields, size_t n, struct json list,
                  struct json_builder *b)
{
    struct json names = json_gets(list, "name");

    for (size_t i = 0; i < xml_count(names); i++) {
        const struct nsim_field *field = nsim_field_find(fields, n, xml_text(xml_at(names, i)));

        if (!field)
            return invalid(r, xml_text(xml_at(names, i)));
        (void)json_adds(b, field->name, json_null());
    }
    return true;
}

/* The field behind "itemList", "addressbookList"; NULL. */
static const struct nsim_field *list_field(const struct nsim_field *fields, size_t n, struct tl_sv name)
{
    if (!tl_sv_ends(name, TL_SV("List")))
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (fields[i].kind == NSIM_LINES && tl_sv_eqi(tl_sv(name.p, name.n - 4), tl_sv_str(fields[i].name)))
            return &fields[i];
    return NULL;
}

static bool members(struct reading *r, const struct nsim_field *fields, size_t n, struct json element,
                    struct json_builder *b)
{
    for (uint32_t i = 0; element.type == JSON_OBJECT && i < element.n; i++) {
        struct tl_sv name = json_view(element.u.members[i].key);
        struct json v = element.u.members[i].value;
        const struct nsim_field *field = nsim_field_find(fields, n, name), *list = list_field(fields, n, name);
        bool ok = true;

        if (name.p[0] == '@' || name.p[0] == '#')
            continue;
        if (tl_sv_eqs(name, "customFieldList"))
            ok = customs(r, fields, n, v, b);
        else if (tl_sv_eqs(name, "nullFieldList"))
            ok = nulls(r, fields, n, v, b);
        else if (list)
            ok = lines(r, list, v, b);
        else if (!field || field->kind == NSIM_LINES || nsim_is_custom(field->name) || v.type == JSON_ARRAY)
            ok = invalid(r, name);
        else
            (void)json_adds(b, field->name, value_of(r->a, field, v));
        if (!ok)
            return false;
    }
    return true;
}

bool nsim_soap_read(struct tl_arena *a, const struct nsim_type *type, struct json element, struct json *ret,
                    struct tl_sv *replace, struct nsim_fault *f)
{
    struct reading r = {.a = a, .f = f};
    struct json_builder b;
    bool ok;

    tl_buf_init(&r.replace, 4096);
    json_object_begin(&b, a, 16);
    ok = members(&r, type->fields, type->n_fields, element, &b);
    *replace = r.replace.n > 0 ? tl_arena_sv(a, tl_buf_view(&r.replace)) : TL_SV("");
    tl_buf_done(&r.replace);
    *ret = json_end(&b);
    return ok;
}

/* ---- a record as an element ---- */

struct showing {
    struct tl_arena *a;
    const char *prefix;
    bool body_only;
};

static void show_fields(const struct showing *w, const struct nsim_field *fields, size_t n, struct json shown,
                        struct json_builder *b);

static struct json show_reference(struct tl_arena *a, struct json v)
{
    struct json_builder b;

    json_object_begin(&b, a, 2);
    (void)json_adds(&b, "@internalId", json_gets(v, "id"));
    (void)json_adds(&b, "platformCore:name", json_gets(v, "refName"));
    return json_end(&b);
}

static struct json show_lines(const struct showing *w, const struct nsim_field *field, struct json items)
{
    struct json_builder all, list, one;

    json_array_begin(&all, w->a, items.n);
    for (uint32_t i = 0; i < items.n; i++) {
        json_object_begin(&one, w->a, 8);
        show_fields(w, field->lines, field->n_lines, items.u.items[i], &one);
        (void)json_push(&all, json_end(&one));
    }
    json_object_begin(&list, w->a, 1);
    (void)json_adds(&list, tl_arena_printf(w->a, "%s:%s", w->prefix, field->name), json_end(&all));
    return json_end(&list);
}

static struct json show_custom(struct tl_arena *a, const struct nsim_field *field, struct json v)
{
    struct json_builder b;

    json_object_begin(&b, a, 3);
    (void)json_adds(&b, "@xsi:type",
                    json_str(field->kind == NSIM_BOOL ? "platformCore:BooleanCustomFieldRef"
                                                      : "platformCore:StringCustomFieldRef"));
    (void)json_adds(&b, "@scriptId", json_str(field->name));
    (void)json_adds(&b, "platformCore:value", v);
    return json_end(&b);
}

static void show_fields(const struct showing *w, const struct nsim_field *fields, size_t n, struct json shown,
                        struct json_builder *b)
{
    struct json_builder customs_, list;

    json_array_begin(&customs_, w->a, 4);
    for (size_t i = 0; i < n; i++) {
        const struct nsim_field *f = &fields[i];
        struct json v = json_gets(shown, f->name);
        const char *name = tl_arena_printf(w->a, "%s:%s", w->prefix, f->name);

        if (v.type == JSON_UNDEFINED || v.type == JSON_NULL)
            continue;
        if (nsim_is_custom(f->name))
            (void)json_push(&customs_, show_custom(w->a, f, v));
        else if (f->kind == NSIM_LINES && w->body_only)
            continue;
        else if (f->kind == NSIM_LINES)
            (void)json_adds(b, tl_arena_printf(w->a, "%sList", name), show_lines(w, f, json_gets(v, "items")));
        else if (f->kind == NSIM_REF)
            (void)json_adds(b, name, show_reference(w->a, v));
        else if (f->kind == NSIM_ENUM)
            (void)json_adds(b, name, json_gets(v, "id"));
        else if (f->kind == NSIM_DATE)
            (void)json_adds(b, name, json_printf(w->a, "%.*sT00:00:00.000Z", TL_SV_ARG(json_text(v, TL_SV("")))));
        else
            (void)json_adds(b, name, v);
    }
    if (json_end(&customs_).n == 0)
        return;
    json_object_begin(&list, w->a, 1);
    (void)json_adds(&list, "platformCore:customField", json_end(&customs_));
    (void)json_adds(b, tl_arena_printf(w->a, "%s:customFieldList", w->prefix), json_end(&list));
}

struct json nsim_soap_show(struct tl_arena *a, const struct nsim_type *type, struct json shown, bool body_only)
{
    const struct showing w = {a, nsim_soap_prefix(type), body_only};
    struct json external = json_gets(shown, "externalId");
    struct json_builder b;

    json_object_begin(&b, a, 16);
    (void)json_adds(&b, "@xsi:type", json_printf(a, "%s:%.*s", w.prefix, TL_SV_ARG(nsim_soap_name(a, type))));
    (void)json_adds(&b, "@internalId", json_gets(shown, "id"));
    if (external.type == JSON_STRING)
        (void)json_adds(&b, "@externalId", external);
    (void)json_adds(&b,
                    tl_arena_printf(a, "%s:%s", w.prefix, type->group == NSIM_ENTITY ? "dateCreated" : "createdDate"),
                    json_gets(shown, "createdDate"));
    (void)json_adds(&b, tl_arena_printf(a, "%s:lastModifiedDate", w.prefix), json_gets(shown, "lastModifiedDate"));
    show_fields(&w, type->fields, type->n_fields, shown, &b);
    return json_end(&b);
}
