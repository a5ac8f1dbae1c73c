/* SPDX-License-Identifier: Apache-2.0 */
/*
 * soap_search.c - records that were changed, by a search.
 *
 * A search says nothing of the order of its results, so a run takes a span of time that is over: from a little before
 * where the last one ended (overlap) to now less `lag`, page by page of one search. The position moves when the last
 * page is stored; a run that breaks off is made again, and the key TYPE/ID/CHANGED lets the ledger recognise what it
 * has.
 */
#include "netsuite/soap_int.h"

enum { PAGES = 10000, CRITERIA = 20, SECOND = 1000 };

struct criterion { /* views into `texts` */
    struct tl_sv field, operator, values;
};
struct search { /* compiled */
    const struct netsuite_soap_type *type;
    struct criterion where[CRITERIA];
    size_t n;
    char *texts[CRITERIA];
};

void netsuite__soap_search_release(void *prepared)
{
    struct search *s = prepared;

    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        tl_free(s->texts[i]);
    tl_free(s);
}

static bool is_word(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') || (s.p[i] >= '0' && s.p[i] <= '9')))
            return false;
    return s.n > 0;
}

/* "email contains @acme", "isInactive = false", "subsidiary anyOf 1,2". */
static bool read_criterion(struct tl_sv text, struct criterion *ret)
{
    struct tl_sv rest = tl_sv_trim(text);

    if (!tl_sv_cut(&rest, ' ', &ret->field))
        return false;
    rest = tl_sv_trim(rest);
    if (!tl_sv_cut(&rest, ' ', &ret->operator))
        return false;
    ret->values = tl_sv_trim(rest);
    return is_word(ret->field) && (is_word(ret->operator) || tl_sv_eqs(ret->operator, "=")) &&
           (ret->values.n > 0 || tl_sv_eqs(ret->operator, "empty") || tl_sv_eqs(ret->operator, "notEmpty"));
}

void *netsuite__soap_search_compile(const void *connection, const void *operation, struct config_errors *e)
{
    const struct netsuite_soap_search *conf = operation;
    struct search *s = tl_zalloc(sizeof *s);
    int64_t at;

    netsuite__soap_check(connection, &conf->record, e);
    if (conf->start && !tl_time_parse(tl_sv_str(conf->start), &at))
        config_error(e, conf->record.at, "Write it like 2026-01-31T00:00:00Z.", "`start: %.40s` is no time",
                     conf->start);
    s->type = conf->record.text ? netsuite__soap_type(conf->record.text) : NULL;
    for (size_t i = 0; i < conf->where.n && s->n < CRITERIA; i++) {
        const char *text = *CONFIG_AT(conf->where, const char *, i);

        if (!text)
            continue;
        s->texts[s->n] = tl_strdup(text);
        if (!read_criterion(tl_sv_str(s->texts[s->n]), &s->where[s->n]))
            config_error(e, conf->record.at,
                         "Write FIELD OPERATOR VALUE: `email contains @acme`, `isInactive = false`, "
                         "`subsidiary anyOf 1,2`.",
                         "`%.60s` is no condition of a search", s->texts[s->n]);
        s->n++;
    }
    return s;
}

/* ---- the search ---- */

struct run {
    struct connector_call *call;
    const struct netsuite_soap_search *conf;
    const struct search *s;
    char from[TL_TIME_TEXT], until[TL_TIME_TEXT]; /* from empty: no beginning */
    struct json body;
    struct json reply; /* searchResult */
    struct connector_incoming *records;
    size_t n;
};

static bool is_list(struct tl_sv operator)
{
    return tl_sv_eqs(operator, "anyOf") || tl_sv_eqs(operator, "noneOf");
}

static struct json condition(struct tl_arena *a, const struct criterion *c)
{
    struct json_builder b, all, one;
    struct tl_sv rest = c->values, value;

    json_object_begin(&b, a, 2);
    if (!tl_sv_eqs(c->operator, "="))
        (void)json_adds(&b, "@operator", json_sv(c->operator));
    json_array_begin(&all, a, 4);
    while (is_list(c->operator) && tl_sv_cut(&rest, ',', &value)) {
        value = tl_sv_trim(value);
        json_object_begin(&one, a, 1);
        (void)json_adds(&one, "@internalId", json_sv(value));
        (void)json_push(&all, value.n > 0 && value.p[0] == '_' ? json_sv(value) : json_end(&one));
    }
    if (!is_list(c->operator) && c->values.n > 0)
        (void)json_push(&all, json_sv(c->values));
    (void)json_adds(&b, "platformCore:searchValue", json_end(&all));
    return json_end(&b);
}

static struct json basic(struct run *r)
{
    struct tl_arena *a = r->call->arena;
    struct json_builder b, changed, of;

    json_object_begin(&b, a, r->s->n + 2);
    for (size_t i = 0; i < r->s->n; i++)
        (void)json_adds(&b, tl_arena_printf(a, "platformCommon:%.*s", TL_SV_ARG(r->s->where[i].field)),
                        condition(a, &r->s->where[i]));
    json_object_begin(&changed, a, 3);
    (void)json_adds(&changed, "@operator", json_str(*r->from ? "within" : "onOrBefore"));
    (void)json_adds(&changed, "platformCore:searchValue", json_str(*r->from ? r->from : r->until));
    if (*r->from)
        (void)json_adds(&changed, "platformCore:searchValue2", json_str(r->until));
    (void)json_adds(&b, tl_arena_printf(a, "platformCommon:%s", r->conf->modified), json_end(&changed));
    if (r->s->type->of) {
        json_object_begin(&of, a, 2);
        (void)json_adds(&of, "@operator", json_str("anyOf"));
        (void)json_adds(&of, "platformCore:searchValue", json_str(r->s->type->of));
        (void)json_adds(&b, "platformCommon:type", json_end(&of));
    }
    return json_end(&b);
}

static struct json search_body(struct run *r)
{
    const struct netsuite_soap_type *t = r->s->type;
    struct tl_arena *a = r->call->arena;
    struct json_builder record, b;

    json_object_begin(&record, a, 2);
    (void)json_adds(&record, "@xsi:type", json_printf(a, "%s:%sSearch", t->search_prefix, t->search));
    (void)json_adds(&record, tl_arena_printf(a, "%s:basic", t->search_prefix), basic(r));
    json_object_begin(&b, a, 1);
    (void)json_adds(&b, "platformMsgs:searchRecord", json_end(&record));
    return json_end(&b);
}

static struct json more_body(struct tl_arena *a, struct tl_sv search_id, int64_t page)
{
    struct json_builder b;

    json_object_begin(&b, a, 2);
    (void)json_adds(&b, "platformMsgs:searchId", json_sv(search_id));
    (void)json_adds(&b, "platformMsgs:pageIndex", json_int(page));
    return json_end(&b);
}

/* ---- a page ---- */

static void take_records(void *arg)
{
    struct run *r = arg;
    struct tl_arena *a = r->call->arena;
    struct json list = json_gets(json_gets(r->reply, "recordList"), "record");

    r->n = 0;
    r->records = tl_arena_zalloc(a, (xml_count(list) + 1) * sizeof *r->records);
    for (size_t i = 0; r->records && i < xml_count(list); i++) {
        struct json v = netsuite__from_soap(a, xml_at(list, i));
        struct tl_sv id = json_text(json_gets(v, "id"), TL_SV(""));
        struct tl_sv changed = json_text(json_gets(v, r->conf->modified), tl_sv_str(r->until));

        r->records[r->n++] = (struct connector_incoming){
            .value = v,
            .key =
                tl_sv_str(tl_arena_printf(a, "%s/%.*s/%.*s", r->conf->record.text, TL_SV_ARG(id), TL_SV_ARG(changed)))};
    }
}

static enum tl_rc ask(struct task *task, struct run *r, const char *action, struct json body, struct tl_err *err)
{
    const struct netsuite_soap request = {.action = action,
                                          .body = body,
                                          .searching = true,
                                          .whole = r->conf->whole,
                                          .page = r->conf->page,
                                          .timeout_ms = r->conf->timeout_ms};
    struct netsuite_refusal no;
    struct json reply;
    enum tl_rc rc = netsuite__soap(task, r->call, &request, &reply, &no, err);

    if (rc != TL_OK)
        return rc;
    if (no.rc == TL_OK) {
        r->reply = json_gets(reply, "searchResult");
        no = netsuite__soap_status(r->call, json_gets(r->reply, "status"));
    }
    if (no.rc != TL_OK) {
        no.rc = no.rc == TL_FORBIDDEN ? TL_CONFIG : no.rc; /* it is about these records: others go on */
        return netsuite__fail(&no, err);
    }
    task_on_main_stack(task, take_records, r);
    return r->records ? TL_OK : tl_fail(err, TL_LIMIT, "the page needs more memory than a call may have");
}

static int64_t number_of(struct json v, const char *name)
{
    int64_t n = 0;

    return tl_sv_i64(json_text(json_gets(v, name), TL_SV("")), &n) ? n : 0;
}

static struct tl_sv position_after(struct run *r, bool last)
{
    if (last)
        return tl_sv_str(tl_arena_printf(r->call->arena, "{\"until\":\"%s\"}", r->until));
    return r->call->position.n > 0 ? r->call->position : TL_SV("{}");
}

/* ---- a run ---- */

/* *ret_over false: where it begins lies ahead, because the lag was raised or a clock went back. */
static enum tl_rc span(struct run *r, bool *ret_over, struct tl_err *err)
{
    int64_t from, until = netsuite__read_end(r->call, r->conf->lag_ms) - SECOND; /* `within` takes this one, too */
    struct json v = JSON_NOTHING;
    struct tl_sv before;

    if (r->call->position.n > 0 && json_parse(r->call->arena, r->call->position, 0, NULL, &v, NULL) != TL_OK)
        return tl_fail(err, TL_CONFIG, "the position of this source is not one of a search");
    before = json_text(json_gets(v, "until"), TL_SV(""));
    (void)tl_time_format(until, r->until);
    r->from[0] = '\0';
    if (before.n == 0 && r->conf->start)
        before = tl_sv_str(r->conf->start);
    if (before.n == 0)
        return TL_OK;
    if (!tl_time_parse(before, &from))
        return tl_fail(err, TL_CONFIG, "the position of this source is not one of a search");
    (void)tl_time_format(from - r->conf->overlap_ms, r->from);
    *ret_over = from <= until;
    return TL_OK;
}

enum tl_rc netsuite__soap_search(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct run *r = tl_arena_must(call->arena, sizeof *r);
    struct tl_sv search_id = TL_SV("");
    int64_t page = 1, pages = 1;
    bool over = true;
    enum tl_rc rc;

    *r = (struct run){.call = call, .conf = call->operation, .s = call->prepared};
    rc = span(r, &over, err);
    if (!over) /* the position never goes back */
        return rc;
    for (; rc == TL_OK && page <= pages && page <= PAGES; page++) {
        struct connector_scratch scratch = connector_scratch_begin(call);

        rc = page == 1 ? ask(task, r, "search", search_body(r), err)
                       : ask(task, r, "searchMoreWithId", more_body(call->arena, search_id, page), err);
        if (rc == TL_OK) {
            pages = number_of(r->reply, "totalPages");
            rc = connector_emit(task, call, r->records, r->n, position_after(r, page >= pages), err);
        }
        if (rc == TL_OK && page == 1 && pages > 1) { /* it outlives the page */
            TL_CLEANUP(tl_freep) char *id = NULL;
            struct tl_sv s = json_text(json_gets(r->reply, "searchId"), TL_SV(""));

            id = tl_strndup(s.p ? s.p : "", s.n);
            connector_scratch_end(call, scratch);
            search_id = tl_sv_str(tl_arena_strdup(call->arena, id));
            continue;
        }
        connector_scratch_end(call, scratch);
    }
    return rc;
}
