/* SPDX-License-Identifier: Apache-2.0 */
/* soap_search.c - search and searchMoreWithId: conditions over the records, and the pages of one result. */
#include "netsuite/sim/soap.h"

enum { PAGE = 1000, LEAST_PAGE = 5 };

struct json nsim_soap_status(struct tl_arena *a, const char *code, const char *text)
{
    struct json_builder b, detail;

    json_object_begin(&b, a, 2);
    (void)json_adds(&b, "@isSuccess", json_bool(!code));
    if (code) {
        json_object_begin(&detail, a, 3);
        (void)json_adds(&detail, "@type", json_str("ERROR"));
        (void)json_adds(&detail, "platformCore:code", json_str(code));
        (void)json_adds(&detail, "platformCore:message", json_str_copy(a, tl_sv_str(text)));
        (void)json_adds(&b, "platformCore:statusDetail", json_end(&detail));
    }
    return json_end(&b);
}

static struct json failed(struct tl_arena *a, const char *code, const char *text)
{
    struct json_builder b;

    json_object_begin(&b, a, 1);
    (void)json_adds(&b, "platformCore:status", nsim_soap_status(a, code, text));
    return json_end(&b);
}

/* ---- conditions ---- */

static bool has_i(struct tl_sv s, struct tl_sv part, bool at_start)
{
    for (size_t i = 0; i + part.n <= s.n; i++) {
        if (tl_sv_starts_i(tl_sv_from(s, i), part))
            return true;
        if (at_start)
            break;
    }
    return false;
}

/* The text that conditions compare: of a reference or a choice its id. */
static struct tl_sv text_of(struct tl_arena *a, struct json v)
{
    if (v.type == JSON_OBJECT)
        v = json_gets(v, "id");
    if (v.type == JSON_BOOL)
        return v.u.b ? TL_SV("true") : TL_SV("false");
    if (json_is_number(v))
        return json_view(json_printf(a, "%.10g", json_number(v)));
    return v.type == JSON_STRING ? json_view(v) : TL_SV("");
}

static bool any_of(struct tl_sv s, struct json values)
{
    for (size_t i = 0; i < xml_count(values); i++) {
        struct json one = xml_at(values, i);
        struct tl_sv id = json_text(json_gets(one, "@internalId"), TL_SV_NULL);

        if (tl_sv_eq(s, id.p ? id : tl_sv_trim(xml_text(one))))
            return true;
    }
    return false;
}

static bool compare_times(struct tl_sv operator, struct tl_sv s, struct tl_sv one, struct tl_sv two, bool *ret_known)
{
    int64_t at = 0, from = 0, to = 0;
    bool has_two = tl_time_parse(two, &to);

    if (!tl_time_parse(one, &from)) {
        *ret_known = false;
        return false;
    }
    if (!tl_time_parse(s, &at))
        return false;
    if (tl_sv_eqs(operator, "within") && has_two)
        return at >= from && at <= to;
    if (tl_sv_eqs(operator, "after"))
        return at > from;
    if (tl_sv_eqs(operator, "onOrAfter"))
        return at >= from;
    if (tl_sv_eqs(operator, "before"))
        return at < from;
    if (tl_sv_eqs(operator, "onOrBefore"))
        return at <= from;
    *ret_known = false;
    return false;
}

/* *ret_known false: there is no such operator. */
static bool matches(struct tl_sv s, struct json condition, bool *ret_known)
{
    struct tl_sv operator= json_text(json_gets(condition, "@operator"), TL_SV(""));
    struct json values = json_gets(condition, "searchValue");
    struct tl_sv value = xml_text(xml_at(values, 0));

    if (operator.n == 0)
        return tl_sv_eq(s, tl_sv_trim(value));
    if (tl_sv_eqs(operator, "is") || tl_sv_eqs(operator, "equalTo"))
        return tl_sv_eqi(s, value);
    if (tl_sv_eqs(operator, "isNot"))
        return !tl_sv_eqi(s, value);
    if (tl_sv_eqs(operator, "contains"))
        return has_i(s, value, false);
    if (tl_sv_eqs(operator, "startsWith"))
        return has_i(s, value, true);
    if (tl_sv_eqs(operator, "empty"))
        return s.n == 0;
    if (tl_sv_eqs(operator, "notEmpty"))
        return s.n > 0;
    if (tl_sv_eqs(operator, "anyOf"))
        return any_of(s, values);
    if (tl_sv_eqs(operator, "noneOf"))
        return !any_of(s, values);
    return compare_times(operator, s, value, xml_text(json_gets(condition, "searchValue2")), ret_known);
}

struct finding {
    struct nsim *s;
    struct tl_arena *a;
    struct json basic;
    const char *wrong; /* what cannot be searched by */
};

static bool is_found(struct finding *f, const struct nsim_type *type, struct json shown)
{
    for (uint32_t i = 0; f->basic.type == JSON_OBJECT && i < f->basic.n; i++) {
        struct tl_sv name = json_view(f->basic.u.members[i].key);
        struct json condition = f->basic.u.members[i].value;
        bool known = true, hit;
        struct tl_sv s = TL_SV("");

        if (name.p[0] == '@')
            continue;
        if (tl_sv_eqs(name, "type"))
            s = tl_sv_str(tl_arena_printf(f->a, "_%s", type->name));
        else if (tl_sv_eqs(name, "internalId") || tl_sv_eqs(name, "externalId"))
            s = text_of(f->a, json_gets(shown, tl_sv_eqs(name, "internalId") ? "id" : "externalId"));
        else if (tl_sv_eqs(name, "lastModifiedDate") || nsim_field_find(type->fields, type->n_fields, name))
            s = text_of(f->a, json_get(shown, name));
        else
            known = false;
        hit = known && matches(s, condition, &known);
        if (!known)
            f->wrong = tl_arena_strndup(f->a, name.p, name.n);
        if (!hit)
            return false;
    }
    return true;
}

/* ---- results ---- */

static bool is_in(const struct nsim_type *type, struct tl_sv search)
{
    if (tl_sv_eqs(search, "Transaction"))
        return type->group == NSIM_TRANSACTION;
    if (tl_sv_eqs(search, "Item"))
        return type->group == NSIM_ITEM;
    return nsim_soap_type(search) == type;
}

static void keep(struct nsim_search *search, size_t type, int64_t id)
{
    if (search->n % 256 == 0) {
        search->ids = tl_reallocarray(search->ids, search->n + 256, sizeof *search->ids);
        search->types = tl_reallocarray(search->types, search->n + 256, sizeof *search->types);
    }
    search->ids[search->n] = id;
    search->types[search->n++] = (uint16_t)type;
}

static int64_t page_size(struct json preferences)
{
    int64_t n = PAGE;
    struct tl_sv text = xml_text(json_gets(preferences, "pageSize"));

    if (!text.p || !tl_sv_i64(tl_sv_trim(text), &n))
        return PAGE;
    return n < LEAST_PAGE ? LEAST_PAGE : n > PAGE ? PAGE : n;
}

static struct json one_record(struct nsim *s, struct tl_arena *a, const struct nsim_search *search, size_t i, bool body)
{
    const struct nsim_type *type = &nsim_types[search->types[i]];
    struct nsim_record r;

    if (!nsim_load(s, a, type, search->ids[i], TL_SV_NULL, &r))
        return JSON_NOTHING;
    return nsim_soap_show(a, type, nsim_show(a, &r, TL_SV(""), true, TL_SV_NULL), body);
}

static struct json page_of(struct nsim *s, struct tl_arena *a, const struct nsim_search *search, int64_t page,
                           struct json preferences)
{
    size_t size = (size_t)search->page, from = (size_t)(page - 1) * size;
    bool body = !tl_sv_eqs(tl_sv_trim(xml_text(json_gets(preferences, "bodyFieldsOnly"))), "false");
    struct json_builder b, list, records;

    assert(size > 0);
    json_array_begin(&records, a, size);
    for (size_t i = from; i < search->n && i < from + size; i++) {
        struct json v = one_record(s, a, search, i, body);

        if (v.type != JSON_UNDEFINED)
            (void)json_push(&records, v);
    }
    json_object_begin(&list, a, 1);
    (void)json_adds(&list, "platformCore:record", json_end(&records));
    json_object_begin(&b, a, 8);
    (void)json_adds(&b, "platformCore:status", nsim_soap_status(a, NULL, NULL));
    (void)json_adds(&b, "platformCore:totalRecords", json_int((int64_t)search->n));
    (void)json_adds(&b, "platformCore:pageSize", json_int((int64_t)size));
    (void)json_adds(&b, "platformCore:totalPages", json_int((int64_t)((search->n + size - 1) / size)));
    (void)json_adds(&b, "platformCore:pageIndex", json_int(page));
    (void)json_adds(&b, "platformCore:searchId", json_str_copy(a, tl_sv_str(search->id)));
    (void)json_adds(&b, "platformCore:recordList", json_end(&list));
    return json_end(&b);
}

struct json nsim_soap_search(struct nsim *s, struct tl_arena *a, struct json search_record, struct json preferences)
{
    struct tl_sv name = xml_local_name(json_text(json_gets(search_record, "@xsi:type"), TL_SV("")));
    struct nsim_search *search = &s->searches[s->n_searches++ % NSIM_SEARCHES];
    struct finding f = {.s = s, .a = a, .basic = xml_at(json_gets(search_record, "basic"), 0)};
    bool any = false;

    search->n = 0;
    search->page = page_size(preferences);
    (void)tl_uuid4(search->id);
    if (tl_sv_ends(name, TL_SV("SearchBasic"))) { /* the schema allows it where a whole search stands: netsuitesdk */
        f.basic = search_record;
        name.n -= strlen("Basic");
    }
    if (!tl_sv_ends(name, TL_SV("Search")))
        return failed(a, "INVALID_SEARCH", "This is not the type of a search.");
    name.n -= strlen("Search");
    for (size_t i = 0; i < nsim_n_types && !f.wrong; i++) {
        struct json all;

        if (!is_in(&nsim_types[i], name))
            continue;
        any = true;
        if (!nsim_may(s, &nsim_types[i]))
            return failed(a, "INSUFFICIENT_PERMISSION", "You do not have permissions to search these records.");
        all = nsim_dump(s, a, &nsim_types[i]);
        for (uint32_t k = 0; k < all.n && !f.wrong; k++) {
            int64_t id = 0;

            if (is_found(&f, &nsim_types[i], all.u.items[k]) &&
                tl_sv_i64(json_text(json_gets(all.u.items[k], "id"), TL_SV("")), &id))
                keep(search, i, id);
        }
    }
    if (!any || f.wrong)
        return failed(a, "INVALID_SEARCH",
                      tl_arena_printf(a, "The search is not valid: %s", f.wrong ? f.wrong : "its type"));
    s->counts.queries++;
    return page_of(s, a, search, 1, preferences);
}

struct json nsim_soap_more(struct nsim *s, struct tl_arena *a, struct json more, struct json preferences)
{
    struct tl_sv id = tl_sv_trim(xml_text(json_gets(more, "searchId")));
    int64_t page = 0;

    for (size_t i = 0; i < NSIM_SEARCHES; i++) {
        const struct nsim_search *search = &s->searches[i];

        if (id.n == 0 || !tl_sv_eqs(id, search->id))
            continue;
        if (!tl_sv_i64(tl_sv_trim(xml_text(json_gets(more, "pageIndex"))), &page) || page < 1 ||
            (uint64_t)(page - 1) * (uint64_t)search->page >= search->n)
            return failed(a, "INVALID_JOB_ID", "There is no such page.");
        s->counts.queries++;
        return page_of(s, a, search, page, preferences);
    }
    return failed(a, "INVALID_SEARCH", "There is no such search, or it is too old.");
}
