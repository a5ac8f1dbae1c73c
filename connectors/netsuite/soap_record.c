/* SPDX-License-Identifier: Apache-2.0 */
/* soap_record.c - records between the shape of the REST API and the elements of SuiteTalk. */
#include "netsuite/soap_int.h"

#include <stdio.h>

/* ---- types ---- */

#define ENTITY(record, type, prefix)                                                                                   \
    {                                                                                                                  \
        record, type, prefix, type, prefix, NULL                                                                       \
    }
#define ITEM(record, type)                                                                                             \
    {                                                                                                                  \
        record, type, "listAcct", "Item", "listAcct", "_" record                                                       \
    }
#define LIST(record, type)                                                                                             \
    {                                                                                                                  \
        record, type, "listAcct", type, "listAcct", NULL                                                               \
    }
#define TRAN(record, type, prefix)                                                                                     \
    {                                                                                                                  \
        record, type, prefix, "Transaction", "tranSales", "_" record                                                   \
    }
static const struct netsuite_soap_type types[] = {
    ENTITY("customer", "Customer", "listRel"),
    ENTITY("contact", "Contact", "listRel"),
    ENTITY("vendor", "Vendor", "listRel"),
    ENTITY("partner", "Partner", "listRel"),
    ENTITY("job", "Job", "listRel"),
    ENTITY("employee", "Employee", "listEmp"),
    ITEM("inventoryItem", "InventoryItem"),
    ITEM("nonInventorySaleItem", "NonInventorySaleItem"),
    ITEM("nonInventoryResaleItem", "NonInventoryResaleItem"),
    ITEM("nonInventoryPurchaseItem", "NonInventoryPurchaseItem"),
    ITEM("serviceSaleItem", "ServiceSaleItem"),
    ITEM("kitItem", "KitItem"),
    ITEM("assemblyItem", "AssemblyItem"),
    LIST("subsidiary", "Subsidiary"),
    LIST("location", "Location"),
    LIST("department", "Department"),
    LIST("currency", "Currency"),
    LIST("account", "Account"),
    TRAN("salesOrder", "SalesOrder", "tranSales"),
    TRAN("invoice", "Invoice", "tranSales"),
    TRAN("cashSale", "CashSale", "tranSales"),
    TRAN("estimate", "Estimate", "tranSales"),
    TRAN("opportunity", "Opportunity", "tranSales"),
    TRAN("itemFulfillment", "ItemFulfillment", "tranSales"),
    TRAN("purchaseOrder", "PurchaseOrder", "tranPurch"),
    TRAN("vendorBill", "VendorBill", "tranPurch"),
    TRAN("itemReceipt", "ItemReceipt", "tranPurch"),
    TRAN("creditMemo", "CreditMemo", "tranCust"),
    TRAN("customerPayment", "CustomerPayment", "tranCust"),
    TRAN("customerDeposit", "CustomerDeposit", "tranCust"),
    TRAN("returnAuthorization", "ReturnAuthorization", "tranCust"),
    TRAN("journalEntry", "JournalEntry", "tranGeneral"),
};

const struct netsuite_soap_type *netsuite__soap_type(const char *record)
{
    for (size_t i = 0; i < TL_COUNT(types); i++)
        if (strcmp(types[i].record, record) == 0)
            return &types[i];
    return NULL;
}

struct json netsuite__soap_namespaces(struct tl_arena *a)
{
    static const char *const rows[][2] = {
        {"xsi", "http://www.w3.org/2001/XMLSchema-instance"},
        {"platformMsgs", "urn:messages_2025_2.platform.webservices.netsuite.com"},
        {"platformCore", "urn:core_2025_2.platform.webservices.netsuite.com"},
        {"platformCommon", "urn:common_2025_2.platform.webservices.netsuite.com"},
        {"listRel", "urn:relationships_2025_2.lists.webservices.netsuite.com"},
        {"listEmp", "urn:employees_2025_2.lists.webservices.netsuite.com"},
        {"listAcct", "urn:accounting_2025_2.lists.webservices.netsuite.com"},
        {"tranSales", "urn:sales_2025_2.transactions.webservices.netsuite.com"},
        {"tranPurch", "urn:purchases_2025_2.transactions.webservices.netsuite.com"},
        {"tranCust", "urn:customers_2025_2.transactions.webservices.netsuite.com"},
        {"tranGeneral", "urn:general_2025_2.transactions.webservices.netsuite.com"},
    };
    struct json_builder b;

    json_object_begin(&b, a, TL_COUNT(rows));
    for (size_t i = 0; i < TL_COUNT(rows); i++)
        (void)json_adds(&b, rows[i][0], json_str(rows[i][1]));
    return json_end(&b);
}

/* ---- REST to SOAP ---- */

struct writing {
    struct tl_arena *a;
    const char *prefix; /* of the names in this element */
    const char *left_out;
    bool replace_lines;
};

static struct json fields(const struct writing *w, struct json v, struct json_builder *b);

static struct tl_sv named(struct tl_arena *a, const char *prefix, struct tl_sv name, const char *after)
{
    return tl_sv_str(tl_arena_printf(a, "%s:%.*s%s", prefix, TL_SV_ARG(name), after));
}

static bool is_custom(struct tl_sv name)
{
    static const char *const starts[] = {"custbody", "custcol", "custentity", "custitem", "custrecord", "custevent"};

    for (size_t i = 0; i < TL_COUNT(starts); i++)
        if (tl_sv_starts(name, tl_sv_str(starts[i])) && tl_sv_find(name, '_') < name.n)
            return true;
    return false;
}

/* {id, externalId, refName, type} and nothing else. */
static bool is_reference(struct json v)
{
    static const char *const names[] = {"id", "externalId", "refName", "type", "links"};

    for (uint32_t i = 0; i < v.n; i++) {
        bool known = false;

        for (size_t k = 0; k < TL_COUNT(names); k++)
            known |= tl_sv_eqs(json_view(v.u.members[i].key), names[k]);
        if (!known)
            return false;
    }
    return json_gets(v, "id").type != JSON_UNDEFINED || json_gets(v, "externalId").type != JSON_UNDEFINED;
}

static bool is_choice(struct json v)
{
    struct tl_sv id = json_text(json_gets(v, "id"), TL_SV(""));

    return id.n > 1 && id.p[0] == '_';
}

static struct json reference(struct tl_arena *a, struct json v)
{
    struct json id = json_gets(v, "id"), external = json_gets(v, "externalId");
    struct json_builder b;

    json_object_begin(&b, a, 2);
    if (id.type != JSON_UNDEFINED)
        (void)json_adds(&b, "@internalId", id);
    else
        (void)json_adds(&b, "@externalId", external);
    return json_end(&b);
}

/* A day in a member named xDate is a moment here: noon in UTC is that day from Honolulu to Auckland. */
static struct json text(const struct writing *w, struct tl_sv name, struct json v)
{
    struct tl_sv s = json_view(v);

    if (!tl_sv_ends(name, TL_SV("Date")) || s.n != 10 || s.p[4] != '-' || s.p[7] != '-')
        return v;
    return json_printf(w->a, "%.*sT12:00:00.000Z", TL_SV_ARG(s));
}

static bool all_references(struct json items)
{
    for (uint32_t i = 0; i < items.n; i++)
        if (items.u.items[i].type != JSON_OBJECT || !is_reference(items.u.items[i]))
            return false;
    return items.n > 0;
}

static void lines(const struct writing *w, struct tl_sv name, struct json items, struct json_builder *b)
{
    struct writing inner = *w;
    struct json_builder list, all;

    inner.left_out = NULL;
    if (tl_sv_eqs(name, "addressBook"))
        name = TL_SV("addressbook");
    json_array_begin(&all, w->a, items.n);
    for (uint32_t i = 0; i < items.n; i++) {
        struct json_builder one;

        json_object_begin(&one, w->a, items.u.items[i].n);
        (void)json_push(&all, fields(&inner, items.u.items[i], &one));
    }
    json_object_begin(&list, w->a, 2);
    (void)json_adds(&list, "@replaceAll", json_bool(w->replace_lines));
    (void)json_add(&list, named(w->a, w->prefix, name, ""), json_end(&all));
    (void)json_add(b, named(w->a, w->prefix, name, "List"), json_end(&list));
}

static void references(const struct writing *w, struct tl_sv name, struct json items, struct json_builder *b)
{
    struct json_builder list, all;

    json_array_begin(&all, w->a, items.n);
    for (uint32_t i = 0; i < items.n; i++)
        (void)json_push(&all, reference(w->a, items.u.items[i]));
    json_object_begin(&list, w->a, 1);
    (void)json_adds(&list, "platformCore:recordRef", json_end(&all));
    (void)json_add(b, named(w->a, w->prefix, name, ""), json_end(&list));
}

static void member(const struct writing *w, struct tl_sv name, struct json v, struct json_builder *b)
{
    struct json items = json_gets(v, "items");
    struct writing inner = *w;
    struct json_builder one;

    if (items.type == JSON_ARRAY) {
        if (all_references(items))
            references(w, name, items, b);
        else
            lines(w, name, items, b);
    } else if (v.type == JSON_OBJECT && is_choice(v)) {
        (void)json_add(b, named(w->a, w->prefix, name, ""), json_gets(v, "id"));
    } else if (v.type == JSON_OBJECT && is_reference(v)) {
        (void)json_add(b, named(w->a, w->prefix, name, ""), reference(w->a, v));
    } else if (v.type == JSON_OBJECT) { /* a subrecord: an address */
        inner.prefix = "platformCommon";
        inner.left_out = NULL;
        json_object_begin(&one, w->a, v.n);
        (void)json_add(b, named(w->a, w->prefix, name, ""), fields(&inner, v, &one));
    } else {
        (void)json_add(b, named(w->a, w->prefix, name, ""), v.type == JSON_STRING ? text(w, name, v) : v);
    }
}

/* {"@type": "Date", "value": x} says the kind of a text that is none. */
static struct json custom(const struct writing *w, struct tl_sv name, struct json v)
{
    struct json items = json_gets(v, "items"), value = json_gets(v, "value");
    struct tl_sv said = json_text(json_gets(v, "@type"), TL_SV_NULL);
    const char *kind = "String";
    struct json_builder b;
    int64_t whole;

    if (said.n > 0 && value.type != JSON_UNDEFINED) {
        kind = tl_arena_strndup(w->a, said.p, said.n);
        v = value;
    } else if (items.type == JSON_ARRAY) {
        struct json_builder all;

        kind = "MultiSelect";
        json_array_begin(&all, w->a, items.n);
        for (uint32_t i = 0; i < items.n; i++)
            (void)json_push(&all, reference(w->a, items.u.items[i]));
        v = json_end(&all);
    } else if (v.type == JSON_OBJECT) {
        kind = "Select";
        v = reference(w->a, v);
    } else if (v.type == JSON_BOOL) {
        kind = "Boolean";
    } else if (json_is_number(v)) {
        kind = json_int64(v, &whole) ? "Long" : "Double";
    }
    json_object_begin(&b, w->a, 3);
    (void)json_adds(&b, "@xsi:type", json_printf(w->a, "platformCore:%sCustomFieldRef", kind ? kind : ""));
    (void)json_adds(&b, "@scriptId", json_sv(name));
    (void)json_adds(&b, "platformCore:value", v);
    return json_end(&b);
}

static bool is_skipped(const struct writing *w, struct tl_sv name)
{
    static const char *const names[] = {"links", "refName", "id", "externalId"};

    for (size_t i = 0; i < TL_COUNT(names); i++)
        if (tl_sv_eqs(name, names[i]))
            return true;
    return w->left_out && tl_sv_eqs(name, w->left_out);
}

static void put_list(const struct writing *w, const char *prefix, const char *name, const char *item, struct json items,
                     struct json_builder *b)
{
    struct json_builder list;

    if (items.n == 0)
        return;
    json_object_begin(&list, w->a, 1);
    (void)json_adds(&list, item, items);
    (void)json_add(b, named(w->a, prefix, tl_sv_str(name), ""), json_end(&list));
}

static struct json fields(const struct writing *w, struct json v, struct json_builder *b)
{
    struct json_builder nulls, customs;

    json_array_begin(&nulls, w->a, 2);
    json_array_begin(&customs, w->a, 4);
    for (uint32_t i = 0; v.type == JSON_OBJECT && i < v.n; i++)
        if (v.u.members[i].value.type == JSON_NULL && !is_skipped(w, json_view(v.u.members[i].key)))
            (void)json_push(&nulls, v.u.members[i].key);
    put_list(w, "platformCore", "nullFieldList", "platformCore:name", json_end(&nulls), b);
    for (uint32_t i = 0; v.type == JSON_OBJECT && i < v.n; i++) {
        struct tl_sv name = json_view(v.u.members[i].key);
        struct json one = v.u.members[i].value;

        if (is_skipped(w, name) || one.type == JSON_NULL || one.type == JSON_UNDEFINED)
            continue;
        if (is_custom(name))
            (void)json_push(&customs, custom(w, name, one));
        else
            member(w, name, one, b);
    }
    put_list(w, w->prefix, "customFieldList", "platformCore:customField", json_end(&customs), b);
    return json_end(b);
}

struct json netsuite__to_soap(struct tl_arena *a, const struct netsuite_soap_type *t, struct json v,
                              const char *left_out, struct tl_sv external_id, bool replace_lines)
{
    const struct writing w = {.a = a, .prefix = t->prefix, .left_out = left_out, .replace_lines = replace_lines};
    struct json_builder b;

    json_object_begin(&b, a, v.n + 4ul);
    (void)json_adds(&b, "@xsi:type", json_printf(a, "%s:%s", t->prefix, t->type));
    (void)json_adds(&b, "@externalId", json_sv(external_id));
    return fields(&w, v, &b);
}

/* ---- SOAP to REST ---- */

static struct json value_of(struct tl_arena *a, struct json v);

static bool is_attribute(struct json key)
{
    return key.n > 0 && (key.u.s[0] == '@' || key.u.s[0] == '#');
}

static struct json from_reference(struct tl_arena *a, struct json v)
{
    struct json external = json_gets(v, "@externalId"), name = json_gets(v, "name");
    struct json_builder b;

    json_object_begin(&b, a, 3);
    (void)json_adds(&b, "id", json_gets(v, "@internalId"));
    if (external.type == JSON_STRING)
        (void)json_adds(&b, "externalId", external);
    if (name.type == JSON_STRING)
        (void)json_adds(&b, "refName", name);
    return json_end(&b);
}

static struct json items_of(struct tl_arena *a, struct json v)
{
    struct json_builder all, b;

    json_array_begin(&all, a, xml_count(v));
    for (size_t i = 0; i < xml_count(v); i++)
        (void)json_push(&all, value_of(a, xml_at(v, i)));
    json_object_begin(&b, a, 1);
    (void)json_adds(&b, "items", json_end(&all));
    return json_end(&b);
}

static void from_customs(struct tl_arena *a, struct json list, struct json_builder *b)
{
    struct json all = json_gets(list, "customField");

    for (size_t i = 0; i < xml_count(all); i++) {
        struct json one = xml_at(all, i), v = json_gets(one, "value");
        struct tl_sv name = json_text(json_gets(one, "@scriptId"), TL_SV(""));
        struct tl_sv kind = xml_local_name(json_text(json_gets(one, "@xsi:type"), TL_SV("")));

        if (name.n > 0)
            (void)json_add(b, name,
                           tl_sv_starts(kind, TL_SV("MultiSelect")) ? items_of(a, v) : value_of(a, xml_at(v, 0)));
    }
}

/* The one element in a list, whatever attributes stand beside it; NULL: there is another, or a text. */
static const struct json_member *only_element(struct json v)
{
    const struct json_member *found = NULL;

    for (uint32_t i = 0; v.type == JSON_OBJECT && i < v.n; i++) {
        if (is_attribute(v.u.members[i].key))
            continue;
        if (found)
            return NULL;
        found = &v.u.members[i];
    }
    return found;
}

static void from_member(struct tl_arena *a, struct tl_sv name, struct json v, struct json_builder *b)
{
    const struct json_member *inner = only_element(v);

    if (tl_sv_eqs(name, "customFieldList")) {
        from_customs(a, v, b);
    } else if (inner && tl_sv_eqs(json_view(inner->key), "recordRef")) {
        (void)json_add(b, name, items_of(a, inner->value));
    } else if (inner && tl_sv_ends(name, TL_SV("List")) && name.n > 4 &&
               tl_sv_eqi(json_view(inner->key), tl_sv(name.p, name.n - 4))) {
        (void)json_add(b, json_view(inner->key), items_of(a, inner->value));
    } else if (v.type == JSON_ARRAY) {
        (void)json_add(b, name, json_gets(items_of(a, v), "items"));
    } else {
        (void)json_add(b, name, value_of(a, v));
    }
}

static struct json value_of(struct tl_arena *a, struct json v)
{
    struct json_builder b;

    if (v.type != JSON_OBJECT)
        return v;
    if (json_gets(v, "@internalId").type == JSON_STRING &&
        (!only_element(v) || tl_sv_eqs(json_view(only_element(v)->key), "name")))
        return from_reference(a, v);
    if (!only_element(v) && json_gets(v, "#text").type == JSON_STRING)
        return json_gets(v, "#text");
    json_object_begin(&b, a, v.n);
    for (uint32_t i = 0; i < v.n; i++)
        if (!is_attribute(v.u.members[i].key))
            from_member(a, json_view(v.u.members[i].key), v.u.members[i].value, &b);
    return json_end(&b);
}

struct json netsuite__from_soap(struct tl_arena *a, struct json element)
{
    struct json external = json_gets(element, "@externalId");
    struct json_builder b;

    json_object_begin(&b, a, element.n + 2ul);
    (void)json_adds(&b, "id", json_gets(element, "@internalId"));
    if (external.type == JSON_STRING)
        (void)json_adds(&b, "externalId", external);
    for (uint32_t i = 0; element.type == JSON_OBJECT && i < element.n; i++)
        if (!is_attribute(element.u.members[i].key))
            from_member(a, json_view(element.u.members[i].key), element.u.members[i].value, &b);
    return json_end(&b);
}
