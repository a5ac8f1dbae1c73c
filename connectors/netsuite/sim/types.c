/* SPDX-License-Identifier: Apache-2.0 */
/* types.c - the record types of the simulated account and their fields: a small part of the vendor's record catalogue.
 */
#include "netsuite/sim/sim_int.h"

#define TEXT(n)                                                                                                        \
    {                                                                                                                  \
        .name = (n), .kind = NSIM_TEXT                                                                                 \
    }
#define NUMBER(n)                                                                                                      \
    {                                                                                                                  \
        .name = (n), .kind = NSIM_NUMBER                                                                               \
    }
#define INTEGER(n)                                                                                                     \
    {                                                                                                                  \
        .name = (n), .kind = NSIM_INTEGER                                                                              \
    }
#define BOOL(n)                                                                                                        \
    {                                                                                                                  \
        .name = (n), .kind = NSIM_BOOL                                                                                 \
    }
#define DATE(n)                                                                                                        \
    {                                                                                                                  \
        .name = (n), .kind = NSIM_DATE                                                                                 \
    }
#define ENUM(n)                                                                                                        \
    {                                                                                                                  \
        .name = (n), .kind = NSIM_ENUM                                                                                 \
    }
#define REF(n, t)                                                                                                      \
    {                                                                                                                  \
        .name = (n), .kind = NSIM_REF, .target = (t)                                                                   \
    }
#define NEEDS_REF(n, t)                                                                                                \
    {                                                                                                                  \
        .name = (n), .kind = NSIM_REF, .target = (t), .required = true                                                 \
    }
#define NEEDS_TEXT(n)                                                                                                  \
    {                                                                                                                  \
        .name = (n), .kind = NSIM_TEXT, .required = true                                                               \
    }
#define MADE(n, k)                                                                                                     \
    {                                                                                                                  \
        .name = (n), .kind = NSIM_##k, .read_only = true                                                               \
    }
#define LINES(n, of)                                                                                                   \
    {                                                                                                                  \
        .name = (n), .kind = NSIM_LINES, .lines = (of), .n_lines = TL_COUNT(of)                                        \
    }
#define NEEDS_LINES(n, of)                                                                                             \
    {                                                                                                                  \
        .name = (n), .kind = NSIM_LINES, .lines = (of), .n_lines = TL_COUNT(of), .required = true                      \
    }

static const struct nsim_field order_lines[] = {
    INTEGER("line"),      NEEDS_REF("item", "item"), NUMBER("quantity"),          NUMBER("rate"),
    NUMBER("amount"),     TEXT("description"),       REF("location", "location"), TEXT("custcol_gift_note"),
    INTEGER("orderLine"), BOOL("itemReceive"),
};
static const struct nsim_field address_lines[] = {
    INTEGER("line"), BOOL("defaultShipping"), BOOL("defaultBilling"), TEXT("label"), TEXT("addr1"), TEXT("city"),
    TEXT("zip"),     TEXT("state"),           TEXT("country"),
};

#define PERSON                                                                                                         \
    TEXT("entityId"), TEXT("firstName"), TEXT("lastName"), TEXT("email"), TEXT("phone"), TEXT("comments"),             \
        BOOL("isInactive"), REF("subsidiary", "subsidiary")
static const struct nsim_field customer_fields[] = {
    PERSON,
    TEXT("companyName"),
    BOOL("isPerson"),
    REF("currency", "currency"),
    ENUM("entityStatus"),
    REF("parent", "customer"),
    NUMBER("creditLimit"),
    LINES("addressBook", address_lines),
    TEXT("custentity_lead_source"),
    TEXT("custentity_salesforce_id"),
};
static const struct nsim_field contact_fields[] = {PERSON, REF("company", "customer"), TEXT("title")};
static const struct nsim_field vendor_fields[] = {PERSON, TEXT("companyName"), REF("currency", "currency")};
static const struct nsim_field employee_fields[] = {PERSON, TEXT("title"), REF("department", "department")};

static const struct nsim_field sales_order_fields[] = {
    TEXT("tranId"),
    DATE("tranDate"),
    NEEDS_REF("entity", "customer"),
    REF("subsidiary", "subsidiary"),
    REF("currency", "currency"),
    REF("location", "location"),
    NUMBER("exchangeRate"),
    TEXT("memo"),
    TEXT("otherRefNum"),
    TEXT("email"),
    ENUM("orderStatus"),
    MADE("status", ENUM),
    MADE("total", NUMBER),
    NEEDS_LINES("item", order_lines),
    TEXT("custbody_shop_number"),
    TEXT("custbody_salesforce_opportunity"),
};
static const struct nsim_field invoice_fields[] = {
    TEXT("tranId"),
    DATE("tranDate"),
    NEEDS_REF("entity", "customer"),
    REF("createdFrom", "salesOrder"),
    TEXT("memo"),
    MADE("total", NUMBER),
    MADE("status", ENUM),
    NEEDS_LINES("item", order_lines),
    TEXT("custbody_shop_number"),
};
static const struct nsim_field fulfillment_fields[] = {
    TEXT("tranId"),
    DATE("tranDate"),
    REF("entity", "customer"),
    NEEDS_REF("createdFrom", "salesOrder"),
    ENUM("shipStatus"),
    MADE("status", ENUM),
    TEXT("memo"),
    LINES("item", order_lines),
    TEXT("custbody_shop_number"),
    TEXT("custbody_salesforce_opportunity"),
};
static const struct nsim_field item_fields[] = {
    NEEDS_TEXT("itemId"), TEXT("displayName"), TEXT("description"),
    BOOL("isInactive"),   NUMBER("basePrice"), TEXT("upcCode"),
};
static const struct nsim_field named_fields[] = {NEEDS_TEXT("name"), BOOL("isInactive"), TEXT("country"),
                                                 TEXT("symbol")};
static const struct nsim_field outbox_fields[] = {
    TEXT("name"),
    TEXT("custrecord_outbox_event"),
    TEXT("custrecord_outbox_type"),
    TEXT("custrecord_outbox_body"),
    BOOL("custrecord_outbox_sent"),
};

#define TYPE(id, words, tab, sub, no, grp, of)                                                                         \
    {                                                                                                                  \
        .name = (id), .title = (words), .table = (tab), .sql_type = (sub), .number = (no), .group = NSIM_##grp,        \
        .fields = (of), .n_fields = TL_COUNT(of)                                                                       \
    }
const struct nsim_type nsim_types[] = {
    TYPE("customer", "Customer", "customer", NULL, NULL, ENTITY, customer_fields),
    TYPE("contact", "Contact", "contact", NULL, NULL, ENTITY, contact_fields),
    TYPE("vendor", "Vendor", "vendor", NULL, NULL, ENTITY, vendor_fields),
    TYPE("employee", "Employee", "employee", NULL, NULL, ENTITY, employee_fields),
    TYPE("salesOrder", "Sales Order", "transaction", "SalesOrd", "SO", TRANSACTION, sales_order_fields),
    TYPE("invoice", "Invoice", "transaction", "CustInvc", "INV", TRANSACTION, invoice_fields),
    TYPE("itemFulfillment", "Item Fulfillment", "transaction", "ItemShip", "IF", TRANSACTION, fulfillment_fields),
    TYPE("inventoryItem", "Inventory Item", "item", "InvtPart", NULL, ITEM, item_fields),
    TYPE("nonInventorySaleItem", "Non-inventory Item for Sale", "item", "NonInvtPart", NULL, ITEM, item_fields),
    TYPE("serviceSaleItem", "Service for Sale", "item", "Service", NULL, ITEM, item_fields),
    TYPE("subsidiary", "Subsidiary", "subsidiary", NULL, NULL, OTHER, named_fields),
    TYPE("location", "Location", "location", NULL, NULL, OTHER, named_fields),
    TYPE("department", "Department", "department", NULL, NULL, OTHER, named_fields),
    TYPE("currency", "Currency", "currency", NULL, NULL, OTHER, named_fields),
    TYPE("customrecord_outbox", "Outbox", "customrecord_outbox", NULL, NULL, OTHER, outbox_fields),
};
const size_t nsim_n_types = TL_COUNT(nsim_types);

const struct nsim_type *nsim_type_find(struct tl_sv name)
{
    for (size_t i = 0; i < nsim_n_types; i++)
        if (tl_sv_eqs(name, nsim_types[i].name))
            return &nsim_types[i];
    return NULL;
}

const struct nsim_field *nsim_field_find(const struct nsim_field *f, size_t n, struct tl_sv name)
{
    for (size_t i = 0; i < n; i++)
        if (tl_sv_eqs(name, f[i].name))
            return &f[i];
    return NULL;
}
