/* SPDX-License-Identifier: Apache-2.0 */
/* orders.c - what becomes of a sales order: the transforms into a fulfilment or an invoice, and seed data. */
#include "netsuite/sim/sim_int.h"

static struct json state(struct tl_arena *a, const char *id, const char *name)
{
    struct json_builder b;

    json_object_begin(&b, a, 2);
    (void)json_adds(&b, "id", json_str(id));
    (void)json_adds(&b, "refName", json_str(name));
    return json_end(&b);
}

static struct json copied_lines(struct tl_arena *a, struct json lines, bool shipped)
{
    struct json_builder list;

    json_array_begin(&list, a, lines.n + 1);
    for (uint32_t i = 0; lines.type == JSON_ARRAY && i < lines.n; i++) {
        struct json_builder one;

        json_object_begin(&one, a, 8);
        for (uint32_t k = 0; k < lines.u.items[i].n; k++)
            (void)json_add(&one, json_view(lines.u.items[i].u.members[k].key), lines.u.items[i].u.members[k].value);
        (void)json_set(&one, TL_SV("orderLine"), json_gets(lines.u.items[i], "line"));
        if (shipped)
            (void)json_set(&one, TL_SV("itemReceive"), json_bool(true));
        (void)json_push(&list, json_end(&one));
    }
    return json_end(&list);
}

bool nsim_transform(struct nsim *s, struct tl_arena *a, const struct nsim_record *from, const struct nsim_type *to,
                    struct nsim_record *ret, struct nsim_fault *f)
{
    static const char *const kept[] = {"entity", "custbody_shop_number", "custbody_salesforce_opportunity"};
    bool ships = strcmp(to->name, "itemFulfillment") == 0;
    struct nsim_record order = *from;
    struct json_builder b, ref, next;

    if (strcmp(from->type->name, "salesOrder") != 0 || (!ships && strcmp(to->name, "invoice") != 0))
        return nsim_wrong(f, 400, "INVALID_REQUEST", NULL, TL_SV_NULL, "A %s cannot be transformed into a %s.",
                          from->type->name, to->name);
    if (ships && !tl_sv_eqs(json_text(json_gets(json_gets(from->body, "status"), "id"), TL_SV("")), "B"))
        return nsim_wrong(f, 400, "USER_ERROR", NULL, TL_SV_NULL,
                          "Error while accessing a resource. This order has nothing left to be fulfilled.");
    json_object_begin(&ref, a, 2);
    (void)json_adds(&ref, "id", json_printf(a, "%lld", (long long)from->id));
    (void)json_adds(&ref, "refName", json_gets(from->body, "tranId"));
    json_object_begin(&b, a, 8);
    (void)json_adds(&b, "createdFrom", json_end(&ref));
    for (size_t i = 0; i < TL_COUNT(kept); i++) {
        struct json v = json_gets(from->body, kept[i]);

        if (v.type != JSON_UNDEFINED && nsim_field_find(to->fields, to->n_fields, tl_sv_str(kept[i])))
            (void)json_adds(&b, kept[i], v);
    }
    (void)json_adds(&b, "item", copied_lines(a, json_gets(from->body, "item"), ships));
    (void)json_adds(&b, "status", ships ? state(a, "C", "Shipped") : state(a, "A", "Open"));
    *ret = (struct nsim_record){.type = to, .body = json_end(&b)};
    json_object_begin(&next, a, from->body.n);
    for (uint32_t i = 0; i < from->body.n; i++)
        (void)json_add(&next, json_view(from->body.u.members[i].key), from->body.u.members[i].value);
    (void)json_set(&next, TL_SV("status"), ships ? state(a, "F", "Pending Billing") : state(a, "G", "Billed"));
    order.body = json_end(&next);
    return nsim_save(s, &order, f);
}

static bool seed_one(struct nsim *s, const struct nsim_type *type, struct json v, struct nsim_fault *f)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(64 << 20);
    struct nsim_record r = {.type = type};
    const struct nsim_write w = {.in = v, .unknown = NSIM_UNKNOWN_ERROR};

    return nsim_write(s, a, &r, &w, f);
}

bool nsim_seed(struct nsim *s, struct json all, struct nsim_fault *f)
{
    for (uint32_t i = 0; all.type == JSON_OBJECT && i < all.n; i++) {
        struct tl_sv name = json_view(all.u.members[i].key);
        const struct nsim_type *type = nsim_type_find(name);
        struct json list = all.u.members[i].value;

        if (!type || list.type != JSON_ARRAY)
            return nsim_wrong(f, 400, "INVALID_CONTENT", NULL, TL_SV_NULL,
                              "%.*s is no record type with a list of records", TL_SV_ARG(name));
        for (uint32_t k = 0; k < list.n; k++)
            if (!seed_one(s, type, list.u.items[k], f))
                return false;
    }
    return all.type == JSON_OBJECT ||
           nsim_wrong(f, 400, "INVALID_CONTENT", NULL, TL_SV_NULL, "seed data is an object of lists");
}
