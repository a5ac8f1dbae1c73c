/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query.c - queries and their pages. A query fixes its result (the ids) when it is made; pages are read by id. An org
 * keeps so many locators a user: one more drops the oldest, and whoever comes back for that one is told
 * INVALID_QUERY_LOCATOR.
 */
#include "salesforce/sim/sim_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { PAGE = 2000, PAGE_LEAST = 200, ROWS_MOST = 2000000 };

struct sfsim_cursor {
    struct sfsim_cursor *next; /* newest first */
    char name[SFSIM_ID18 + 1];
    char *soql;
    struct tl_buf ids; /* 18 characters each */
    size_t n, page;
    bool all;
};

static void cursor_free(struct sfsim_cursor *c)
{
    tl_free(c->soql);
    tl_buf_done(&c->ids);
    tl_free(c);
}

void sfsim_cursors_free(struct sfsim *sim)
{
    struct sfsim_cursor *c = sim->cursors, *next;

    sim->cursors = NULL;
    for (; c; c = next) {
        next = c->next;
        cursor_free(c);
    }
}

static void keep(struct sfsim *sim, struct sfsim_cursor *c)
{
    struct sfsim_cursor **at = &sim->cursors;

    sfsim_new_id(sim->db, "01g", c->name);
    c->next = sim->cursors;
    sim->cursors = c;
    for (int64_t i = 0; *at; i++) {
        if (i < sim->opt.cursors) {
            at = &(*at)->next;
            continue;
        }
        c = *at;
        *at = c->next;
        cursor_free(c);
    }
}

/* ---- one record ---- */

struct rows {
    const struct sfsim_req *req;
    const struct sfsim_soql *q;
    struct json_builder list;
};

static bool one_child(void *arg, const struct sfsim_record *r)
{
    struct rows *rows = arg;

    return json_push(&rows->list, sfsim_project(rows->req, rows->q, r));
}

static struct json children(const struct sfsim_req *req, const struct sfsim_soql *q, const struct sfsim_record *parent)
{
    struct rows rows = {.req = req, .q = q};
    struct sfsim_soql with = *q;
    struct json_builder b;

    with.where = tl_arena_printf(req->arena, "json_extract(r.body,'$.%.*s')='%s'%s%s%s", TL_SV_ARG(q->child_key->name),
                                 parent->id, q->where ? " AND (" : "", q->where ? q->where : "", q->where ? ")" : "");
    json_array_begin(&rows.list, req->arena, 4);
    if (sfsim_rows(req->sim->db, req->arena,
                   sfsim_soql_sql(req->arena, &with, "r.id,r.type,r.deleted,r.created,r.modified,r.body", false),
                   one_child, &rows, NULL) != TL_OK ||
        json_end(&rows.list).n == 0)
        return json_null();
    json_object_begin(&b, req->arena, 3);
    (void)json_adds(&b, "totalSize", json_int(json_end(&rows.list).n));
    (void)json_adds(&b, "done", json_bool(true));
    (void)json_adds(&b, "records", json_end(&rows.list));
    return json_end(&b);
}

/* Puts the value at path[k..] of a record into b; parents nest, an absent one is null. */
static void put_path(const struct sfsim_req *req, const struct sfsim_select *s, size_t k, const struct sfsim_record *r,
                     struct json_builder *b)
{
    const struct sfsim_field *f;
    struct sfsim_record parent;
    struct json id, before;
    struct json_builder inner;

    if (k + 1 == s->n_path) {
        f = sfsim_field(r->type, s->path[k]);
        if (f)
            (void)json_set(b, f->name, sfsim_value(req->arena, r, f));
        return;
    }
    f = sfsim_relationship(r->type, s->path[k]);
    id = f ? sfsim_value(req->arena, r, f) : json_null();
    if (id.type != JSON_STRING || !sfsim_get(req->sim->db, req->arena, json_view(id), &parent)) {
        (void)json_set(b, f ? f->relationship : s->path[k], json_null());
        return;
    }
    before = json_get(json_end(b), f->relationship);
    json_object_begin(&inner, req->arena, 4);
    if (before.type == JSON_OBJECT)
        for (uint32_t i = 0; i < before.n; i++)
            (void)json_add(&inner, json_view(before.u.members[i].key), before.u.members[i].value);
    else
        (void)json_adds(&inner, "attributes", sfsim_attributes(req, &parent));
    put_path(req, s, k + 1, &parent, &inner);
    (void)json_set(b, f->relationship, json_end(&inner));
}

struct json sfsim_project(const struct sfsim_req *req, const struct sfsim_soql *q, const struct sfsim_record *r)
{
    struct json_builder b;

    json_object_begin(&b, req->arena, q->n_select + 1);
    (void)json_adds(&b, "attributes", sfsim_attributes(req, r));
    for (size_t i = 0; i < q->n_select; i++) {
        if (q->select[i].child)
            (void)json_add(&b, q->select[i].child->from_name, children(req, q->select[i].child, r));
        else
            put_path(req, &q->select[i], 0, r, &b);
    }
    return json_end(&b);
}

/* ---- aggregates ---- */

static bool aggregate_columns(const struct sfsim_soql *q, struct tl_buf *b)
{
    (void)tl_buf_puts(b, "json_array(");
    for (size_t i = 0; i < q->n_select; i++) {
        const struct sfsim_select *s = &q->select[i];
        const struct sfsim_field *f = s->n_path == 1 ? sfsim_field(q->from, s->path[0]) : NULL;

        (void)tl_buf_puts(b, i ? "," : "");
        if (s->function.p && s->n_path == 0)
            (void)tl_buf_puts(b, "count(*)");
        else if (!f)
            return false;
        else if (tl_sv_eqi(s->function, TL_SV("COUNT_DISTINCT")))
            (void)tl_buf_printf(b, "count(DISTINCT json_extract(r.body,'$.%.*s'))", TL_SV_ARG(f->name));
        else if (f->type == SFSIM_ID)
            (void)tl_buf_printf(b, "%.*s(r.id)", TL_SV_ARG(s->function));
        else if (tl_sv_eqs(f->name, "SystemModstamp"))
            (void)tl_buf_printf(b, "strftime('%%Y-%%m-%%dT%%H:%%M:%%S.000+0000',%.*s(r.modified)/1000,'unixepoch')",
                                TL_SV_ARG(s->function));
        else
            (void)tl_buf_printf(b, "%.*s(json_extract(r.body,'$.%.*s'))", TL_SV_ARG(s->function), TL_SV_ARG(f->name));
    }
    return tl_buf_puts(b, ")");
}

static bool one_aggregate(void *arg, struct tl_sv text)
{
    struct rows *rows = arg;
    struct tl_arena *a = rows->req->arena;
    struct json values;
    struct json_builder b, attr;
    int unnamed = 0;

    if (json_parse(a, tl_arena_sv(a, text), 0, NULL, &values, NULL) != TL_OK)
        return false;
    json_object_begin(&attr, a, 1);
    (void)json_adds(&attr, "type", json_str("AggregateResult"));
    json_object_begin(&b, a, values.n + 1);
    (void)json_adds(&b, "attributes", json_end(&attr));
    for (size_t i = 0; i < rows->q->n_select; i++) {
        const struct sfsim_select *s = &rows->q->select[i];
        struct tl_sv name = s->alias;

        if (!name.p && s->function.p)
            name = tl_sv_str(tl_arena_printf(a, "expr%d", unnamed++));
        else if (!name.p)
            name = s->path[0];
        (void)json_add(&b, name, json_at(values, i));
    }
    return json_push(&rows->list, json_end(&b));
}

static bool first_number(void *arg, struct tl_sv text)
{
    return tl_sv_i64(text, arg);
}

static void answer(const struct sfsim_req *req, int64_t total, bool done, struct tl_sv more, struct json records,
                   struct sfsim_answer *ans)
{
    struct json_builder b;

    json_object_begin(&b, req->arena, 4);
    (void)json_adds(&b, "totalSize", json_int(total));
    (void)json_adds(&b, "done", json_bool(done));
    if (!done)
        (void)json_adds(&b, "nextRecordsUrl", json_sv(more));
    (void)json_adds(&b, "records", records);
    *ans = (struct sfsim_answer){.status = 200, .body = json_end(&b)};
}

static void refuse(const struct sfsim_req *req, const char *code, const char *text, struct sfsim_answer *ans)
{
    struct sfsim_fault f;

    (void)sfsim_refuse(&f, req->arena, 400, code, TL_SV_NULL, "%s", text);
    sfsim_fail(req, ans, &f);
}

static void aggregate(const struct sfsim_req *req, const struct sfsim_soql *q, bool all, struct sfsim_answer *ans)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf columns = {0};
    struct rows rows = {.req = req, .q = q};
    struct tl_err err = {0};
    int64_t count = 0;
    enum tl_rc rc;

    json_array_begin(&rows.list, req->arena, 8);
    if (q->count_only) {
        rc = sfsim_texts(req->sim->db, sfsim_soql_sql(req->arena, q, "CAST(count(*) AS TEXT)", all), first_number,
                         &count, &err);
    } else {
        tl_buf_init(&columns, 64 << 10);
        rc = aggregate_columns(q, &columns)
                 ? sfsim_texts(req->sim->db, sfsim_soql_sql(req->arena, q, columns.p, all), one_aggregate, &rows, &err)
                 : tl_fail(&err, TL_INVALID, "this aggregate is not understood");
        count = json_end(&rows.list).n;
    }
    if (rc == TL_OK)
        answer(req, count, true, TL_SV_NULL, json_end(&rows.list), ans);
    else
        refuse(req, "MALFORMED_QUERY", err.text, ans);
}

/* ---- pages ---- */

static bool one_id(void *arg, struct tl_sv text)
{
    struct sfsim_cursor *c = arg;

    c->n++;
    return text.n == SFSIM_ID18 && tl_buf_sv(&c->ids, text) && c->n < ROWS_MOST;
}

static void page(const struct sfsim_req *req, const struct sfsim_cursor *c, const struct sfsim_soql *q, size_t from,
                 struct sfsim_answer *ans)
{
    size_t end = from + c->page < c->n ? from + c->page : c->n;
    struct json_builder list;

    json_array_begin(&list, req->arena, end - from);
    for (size_t i = from; i < end; i++) {
        struct sfsim_record r;

        if (sfsim_get(req->sim->db, req->arena, tl_sv(c->ids.p + i * SFSIM_ID18, SFSIM_ID18), &r))
            (void)json_push(&list, sfsim_project(req, q, &r));
    }
    req->sim->counts.rows += end - from;
    answer(req, (int64_t)c->n, end == c->n,
           tl_sv_str(tl_arena_printf(req->arena, "/services/data/v%d.0/query/%s-%zu", req->version, c->name, end)),
           json_end(&list), ans);
}

void sfsim_query_run(const struct sfsim_req *req, struct tl_sv soql, bool all, struct sfsim_answer *ans)
{
    struct sfsim_fault fault;
    struct sfsim_soql *q = sfsim_soql_parse(req->sim->schema, req->arena, soql, &fault);
    struct sfsim_cursor *c;
    struct tl_err err = {0};

    req->sim->counts.queries++;
    if (!q) {
        sfsim_fail(req, ans, &fault);
        return;
    }
    if (req->sim->opt.query_timeout || (q->count_only && req->sim->opt.count_timeout)) {
        refuse(req, "QUERY_TIMEOUT", "Your query request was running for too long.", ans);
        return;
    }
    if (q->aggregate) {
        aggregate(req, q, all, ans);
        return;
    }
    c = tl_zalloc(sizeof *c);
    c->page = req->batch_size >= PAGE_LEAST && req->batch_size <= PAGE ? req->batch_size : PAGE;
    c->soql = tl_strndup(soql.p, soql.n);
    tl_buf_init(&c->ids, (size_t)ROWS_MOST * SFSIM_ID18);
    if (sfsim_texts(req->sim->db, sfsim_soql_sql(req->arena, q, "r.id", all), one_id, c, &err) != TL_OK) {
        refuse(req, "MALFORMED_QUERY", err.text, ans);
        cursor_free(c);
        return;
    }
    if (req->sim->opt.query_rows > 0 && c->n > (size_t)req->sim->opt.query_rows) {
        refuse(req, "QUERY_TIMEOUT", "Your query request was running for too long.", ans);
        cursor_free(c);
        return;
    }
    if (c->n <= c->page) {
        page(req, c, q, 0, ans);
        cursor_free(c);
        return;
    }
    keep(req->sim, c);
    page(req, c, q, 0, ans);
}

void sfsim_query_more(const struct sfsim_req *req, struct tl_sv locator, struct sfsim_answer *ans)
{
    size_t dash = tl_sv_find(locator, '-');
    struct sfsim_fault fault;
    struct sfsim_soql *q;
    uint64_t from = 0;

    if (req->sim->opt.lose_cursors)
        sfsim_cursors_free(req->sim);
    for (struct sfsim_cursor *c = req->sim->cursors; c; c = c->next) {
        if (!tl_sv_eqs(tl_sv(locator.p, dash), c->name) || !tl_sv_u64(tl_sv_from(locator, dash + 1), &from) ||
            from > c->n)
            continue;
        q = sfsim_soql_parse(req->sim->schema, req->arena, tl_sv_str(c->soql), &fault);
        if (q)
            page(req, c, q, from, ans);
        else
            sfsim_fail(req, ans, &fault);
        return;
    }
    refuse(req, "INVALID_QUERY_LOCATOR", "invalid query locator", ans);
}
