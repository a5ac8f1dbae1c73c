/* SPDX-License-Identifier: Apache-2.0 */
/* write.c - what a body does to a record: fields by name and kind, references looked up, sublists merged line by line.
 */
#include "netsuite/sim/sim_int.h"

#include <stdio.h>

struct merge {
    struct nsim *s;
    struct tl_arena *a;
    const struct nsim_write *w;
    struct nsim_fault *f;
    const char *within; /* "item.items[2]." before the names of its fields; "" */
};

static bool wrong_value(struct merge *m, const char *name)
{
    const char *path = tl_arena_printf(m->a, "%s%s", m->within, name);

    return nsim_wrong(m->f, 400, "USER_ERROR", "o:errorPath", tl_sv_str(path),
                      "Error while accessing a resource. Invalid value for the resource or sub-resource field '%s'. "
                      "Provide a valid value.",
                      name);
}

/* ---- references ---- */

static const struct nsim_type *any_of(const char *target, bool *ret_exact)
{
    static const struct {
        const char *group, *type;
    } groups[] = {{"entity", "customer"}, {"item", "inventoryItem"}, {"transaction", "salesOrder"}};

    for (size_t i = 0; i < TL_COUNT(groups); i++)
        if (strcmp(groups[i].group, target) == 0) {
            *ret_exact = false;
            return nsim_type_find(tl_sv_str(groups[i].type));
        }
    *ret_exact = true;
    return nsim_type_find(tl_sv_str(target));
}

static struct tl_sv title_of(const struct nsim_record *r)
{
    static const char *const names[] = {"companyName", "itemId", "name", "tranId", "entityId", "lastName"};

    for (size_t i = 0; i < TL_COUNT(names); i++) {
        struct tl_sv s = json_text(json_gets(r->body, names[i]), TL_SV_NULL);

        if (s.n > 0)
            return s;
    }
    return TL_SV("");
}

static bool reference(struct merge *m, const struct nsim_field *field, struct json in, struct json *ret)
{
    struct tl_sv id = json_text(json_gets(in, "id"), TL_SV_NULL),
                 ext = json_text(json_gets(in, "externalId"), TL_SV_NULL);
    struct nsim_record r;
    struct json_builder b;
    bool exact;
    const struct nsim_type *type = any_of(field->target, &exact);
    int64_t number = 0;

    if (json_gets(in, "id").type == JSON_INT)
        id = tl_sv_str(tl_arena_printf(m->a, "%lld", (long long)json_gets(in, "id").u.i));
    if (in.type != JSON_OBJECT || (!ext.p && !tl_sv_i64(id, &number)) ||
        !nsim_load(m->s, m->a, type, number, ext, &r) || (exact && r.type != type))
        return wrong_value(m, field->name);
    json_object_begin(&b, m->a, 2);
    (void)json_adds(&b, "id", json_printf(m->a, "%lld", (long long)r.id));
    (void)json_adds(&b, "refName", json_str_copy(m->a, title_of(&r)));
    *ret = json_end(&b);
    return true;
}

/* ---- values ---- */

static bool is_day(struct tl_sv s)
{
    int64_t ms;
    char text[40];

    return s.n == 10 && snprintf(text, sizeof text, "%.*sT00:00:00Z", TL_SV_ARG(s)) == 20 &&
           tl_time_parse(tl_sv_str(text), &ms);
}

static bool number(struct merge *m, const struct nsim_field *field, struct json in, struct json *ret)
{
    double d;
    int64_t i;

    if (in.type == JSON_STRING && tl_sv_double(json_view(in), &d))
        in = json_double(d);
    if (!json_is_number(in) || (field->kind == NSIM_INTEGER && !json_int64(in, &i)))
        return wrong_value(m, field->name);
    *ret = in;
    return true;
}

static bool choice(struct merge *m, const struct nsim_field *field, struct json in, struct json *ret)
{
    struct json id = in.type == JSON_OBJECT ? json_gets(in, "id") : in;
    struct json_builder b;

    if (id.type != JSON_STRING)
        return wrong_value(m, field->name);
    json_object_begin(&b, m->a, 2);
    (void)json_adds(&b, "id", id);
    (void)json_adds(&b, "refName", id);
    *ret = json_end(&b);
    return true;
}

static bool scalar(struct merge *m, const struct nsim_field *field, struct json in, struct json *ret)
{
    int64_t ms;

    *ret = in;
    switch (field->kind) {
    case NSIM_TEXT:
        return in.type == JSON_STRING || wrong_value(m, field->name);
    case NSIM_NUMBER:
    case NSIM_INTEGER:
        return number(m, field, in, ret);
    case NSIM_BOOL:
        return in.type == JSON_BOOL || wrong_value(m, field->name);
    case NSIM_DATE:
        return (in.type == JSON_STRING && is_day(json_view(in))) || wrong_value(m, field->name);
    case NSIM_TIME:
        return (in.type == JSON_STRING && tl_time_parse(json_view(in), &ms)) || wrong_value(m, field->name);
    case NSIM_REF:
        return reference(m, field, in, ret);
    case NSIM_ENUM:
        return choice(m, field, in, ret);
    case NSIM_LINES:
        break;
    }
    return wrong_value(m, field->name);
}

/* ---- fields ---- */

static bool lines(struct merge *m, const struct nsim_field *field, struct json old, struct json in, struct json *ret);

static bool unknown(struct merge *m, struct tl_sv name)
{
    const char *path = tl_arena_printf(m->a, "%s%.*s", m->within, TL_SV_ARG(name));

    if (m->w->unknown != NSIM_UNKNOWN_ERROR)
        return true; /* silently dropped: the vendor's default */
    return nsim_wrong(m->f, 400, "INVALID_CONTENT", "o:errorPath", tl_sv_str(path),
                      "Error while accessing a resource. Unknown reference or field name '%.*s' in the request body.",
                      TL_SV_ARG(name));
}

/* `in` over the members of b, by the fields. */
static bool merge_into(struct merge *m, const struct nsim_field *fields, size_t n, struct json in,
                       struct json_builder *b)
{
    static const char *const ours[] = {"id",          "links",       "refName",         "externalId",
                                       "createdDate", "dateCreated", "lastModifiedDate"};

    for (uint32_t i = 0; i < in.n; i++) {
        struct tl_sv name = json_view(in.u.members[i].key);
        const struct nsim_field *field = nsim_field_find(fields, n, name);
        struct json v = in.u.members[i].value, made = json_null();
        bool skip = field && field->read_only;

        for (size_t k = 0; k < TL_COUNT(ours) && !field; k++)
            skip |= tl_sv_eqs(name, ours[k]);
        if (skip)
            continue;
        if (!field) {
            if (!unknown(m, name))
                return false;
            continue;
        }
        if (field->kind == NSIM_LINES ? !lines(m, field, json_get(b->v, name), v, &made)
                                      : v.type != JSON_NULL && !scalar(m, field, v, &made))
            return false;
        (void)json_set(b, tl_sv_str(field->name), made);
    }
    return true;
}

static bool is_replaced(const struct merge *m, const char *name)
{
    struct tl_sv rest = m->w->replace, one;

    if (m->w->replace_all)
        return true;
    while (rest.n > 0 && tl_sv_cut(&rest, ',', &one))
        if (tl_sv_eqs(one, name))
            return true;
    return false;
}

static int64_t line_no(struct json line)
{
    int64_t n = 0;
    struct json v = json_gets(line, "line");

    if (v.type == JSON_STRING)
        return tl_sv_i64(json_view(v), &n) ? n : 0;
    return json_int64(v, &n) ? n : 0;
}

static bool needed(struct merge *m, const struct nsim_field *fields, size_t n, struct json v)
{
    for (size_t i = 0; i < n; i++) {
        struct json have = json_gets(v, fields[i].name);

        if (fields[i].required &&
            (have.type == JSON_UNDEFINED || have.type == JSON_NULL || (fields[i].kind == NSIM_LINES && have.n == 0)))
            return nsim_wrong(m->f, 400, "USER_ERROR", "o:errorPath",
                              tl_sv_str(tl_arena_printf(m->a, "%s%s", m->within, fields[i].name)),
                              "Error while accessing a resource. Please enter value(s) for: %s.", fields[i].name);
    }
    return true;
}

static void fill_amount(struct merge *m, struct json_builder *b)
{
    struct json rate = json_gets(b->v, "rate"), quantity = json_gets(b->v, "quantity");

    if (quantity.type == JSON_UNDEFINED || quantity.type == JSON_NULL) {
        quantity = json_int(1);
        (void)json_set(b, TL_SV("quantity"), quantity);
    }
    if (json_is_number(rate)) {
        double cents = json_number(rate) * json_number(quantity) * 100;

        (void)json_set(b, TL_SV("amount"), json_double((double)(int64_t)(cents + (cents < 0 ? -0.5 : 0.5)) / 100));
    }
    (void)m;
}

static bool one_line(struct merge *m, const struct nsim_field *field, struct json old, struct json in, int64_t no,
                     uint32_t at, struct json *ret)
{
    struct merge inner = *m;
    struct json_builder b;

    inner.within = tl_arena_printf(m->a, "%s.items[%u].", field->name, at);
    json_object_begin(&b, m->a, 8);
    for (uint32_t i = 0; old.type == JSON_OBJECT && i < old.n; i++)
        (void)json_add(&b, json_view(old.u.members[i].key), old.u.members[i].value);
    if (in.type != JSON_OBJECT)
        return wrong_value(m, field->name);
    if (!merge_into(&inner, field->lines, field->n_lines, in, &b))
        return false;
    (void)json_set(&b, TL_SV("line"), json_int(no));
    if (strcmp(field->name, "item") == 0)
        fill_amount(&inner, &b);
    *ret = json_end(&b);
    return needed(&inner, field->lines, field->n_lines, *ret);
}

/* Keyed lines are merged, others appended, unless the sublist is replaced; null empties it. */
static bool lines(struct merge *m, const struct nsim_field *field, struct json old, struct json in, struct json *ret)
{
    struct json items = json_gets(in, "items");
    struct json_builder b;
    int64_t last = 0;

    json_array_begin(&b, m->a, 8);
    *ret = json_end(&b);
    if (in.type == JSON_NULL)
        return true;
    if (items.type != JSON_ARRAY)
        return wrong_value(m, field->name);
    for (uint32_t i = 0; old.type == JSON_ARRAY && i < old.n && !is_replaced(m, field->name); i++) {
        (void)json_push(&b, old.u.items[i]);
        last = line_no(old.u.items[i]) > last ? line_no(old.u.items[i]) : last;
    }
    for (uint32_t i = 0; i < items.n; i++) {
        int64_t no = line_no(items.u.items[i]);
        struct json *place = NULL, made;

        for (uint32_t k = 0; no > 0 && k < b.v.n; k++)
            if (line_no(b.v.u.items[k]) == no)
                place = &b.v.u.items[k];
        if (!place && (no <= last || no > last + 1000))
            no = last + 1;
        last = no > last ? no : last;
        if (!one_line(m, field, place ? *place : JSON_NOTHING, items.u.items[i], no, i, &made))
            return false;
        if (place)
            *place = made;
        else
            (void)json_push(&b, made);
    }
    *ret = json_end(&b);
    return true;
}

/* ---- what the vendor fills in ---- */

static void fill_transaction(struct merge *m, const struct nsim_record *r, struct json_builder *b)
{
    struct json items = json_gets(b->v, "item");
    double total = 0;
    char day[TL_TIME_TEXT];

    if (json_gets(b->v, "tranDate").type == JSON_UNDEFINED)
        (void)json_adds(b, "tranDate", json_str_copy(m->a, tl_sv(tl_time_format(nsim_now_ms(m->s), day), 10)));
    for (uint32_t i = 0; items.type == JSON_ARRAY && i < items.n; i++)
        total += json_number(json_gets(items.u.items[i], "amount"));
    (void)json_set(b, TL_SV("total"), json_double(total));
    if (r->id == 0 && json_gets(b->v, "status").type == JSON_UNDEFINED) {
        struct json_builder status;
        bool order = strcmp(r->type->name, "salesOrder") == 0;

        json_object_begin(&status, m->a, 2);
        (void)json_adds(&status, "id", json_str(order ? "B" : "A"));
        (void)json_adds(&status, "refName", json_str(order ? "Pending Fulfillment" : "Open"));
        (void)json_adds(b, "status", json_end(&status));
    }
}

static bool fill_entity(struct merge *m, const struct nsim_record *r, struct json_builder *b)
{
    static const char *const sources[] = {"companyName", "lastName", "firstName"};
    struct tl_sv id = json_text(json_gets(b->v, "entityId"), TL_SV_NULL);

    for (size_t i = 0; i < TL_COUNT(sources) && id.n == 0; i++)
        id = json_text(json_gets(b->v, sources[i]), TL_SV_NULL);
    if (id.n == 0)
        return nsim_wrong(m->f, 400, "USER_ERROR", "o:errorPath", TL_SV("companyName"),
                          "Error while accessing a resource. Please enter value(s) for: companyName.");
    if (nsim_name_taken(m->s, r->id, id))
        return nsim_wrong(m->f, 400, "DUP_ENTITY", "o:errorPath", TL_SV("entityId"),
                          "Error while accessing a resource. This entity already exists: %.*s.", TL_SV_ARG(id));
    (void)json_set(b, TL_SV("entityId"), id.p ? json_str_copy(m->a, id) : json_str(""));
    return true;
}

bool nsim_write(struct nsim *s, struct tl_arena *a, struct nsim_record *r, const struct nsim_write *w,
                struct nsim_fault *f)
{
    struct merge m = {s, a, w, f, ""};
    struct json ext = json_gets(w->in, "externalId");
    bool fresh = r->id == 0;
    struct json_builder b;

    if (w->in.type != JSON_OBJECT)
        return nsim_wrong(f, 400, "INVALID_CONTENT", NULL, TL_SV_NULL, "Invalid content in the request body.");
    json_object_begin(&b, a, 16);
    for (uint32_t i = 0; r->body.type == JSON_OBJECT && i < r->body.n; i++)
        (void)json_add(&b, json_view(r->body.u.members[i].key), r->body.u.members[i].value);
    if (!merge_into(&m, r->type->fields, r->type->n_fields, w->in, &b))
        return false;
    if (ext.type == JSON_STRING)
        r->external_id = ext.n > 0 ? json_view(ext) : TL_SV_NULL;
    if (r->type->group == NSIM_TRANSACTION)
        fill_transaction(&m, r, &b);
    if (r->type->group == NSIM_ENTITY && !fill_entity(&m, r, &b))
        return false;
    r->body = json_end(&b);
    if (!needed(&m, r->type->fields, r->type->n_fields, r->body) || !nsim_save(s, r, f))
        return false;
    if (fresh && r->type->number && json_gets(r->body, "tranId").type == JSON_UNDEFINED) {
        (void)json_adds(&b, "tranId", json_printf(a, "%s%lld", r->type->number, (long long)r->id + 1000));
        r->body = json_end(&b);
        return nsim_save(s, r, f);
    }
    return true;
}
