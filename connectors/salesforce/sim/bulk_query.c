/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulk_query.c - Bulk API 2.0, query jobs. The result's ids are fixed when the job is made; a page is written when it
 * is asked for. A locator is opaque to clients; here it is the number of rows before the page, told in base 36.
 */
#include "salesforce/sim/sim_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { PAGE = 50000, COLUMNS = 2100, IDS_MOST = 2000000 };

/* ---- making one ---- */

static bool one_id(void *arg, struct tl_sv text)
{
    struct tl_buf *ids = arg;

    return text.n == SFSIM_ID18 && tl_buf_sv(ids, text);
}

static bool plain(const struct sfsim_soql *q)
{
    for (size_t i = 0; i < q->n_select; i++)
        if (q->select[i].child)
            return false;
    return !q->aggregate && q->group == NULL && q->offset <= 0;
}

static struct json describe(const struct sfsim_req *req, const struct sfsim_soql *q, struct tl_sv soql, const char *id,
                            bool all)
{
    struct tl_sv delimiter = json_text(json_gets(req->body, "columnDelimiter"), TL_SV("COMMA"));
    struct tl_sv ending = json_text(json_gets(req->body, "lineEnding"), TL_SV("LF"));
    int64_t now = tl_clock_wall_ms(req->sim->clock);
    struct json_builder b;

    json_object_begin(&b, req->arena, 20);
    (void)json_adds(&b, "id", json_str(tl_arena_strdup(req->arena, id)));
    (void)json_adds(&b, "operation", json_str(all ? "queryAll" : "query"));
    (void)json_adds(&b, "object", json_sv(q->from->name));
    (void)json_adds(&b, "createdById", json_str(req->sim->user));
    (void)json_adds(&b, "createdDate", sfsim_datetime(req->arena, now));
    (void)json_adds(&b, "systemModstamp", sfsim_datetime(req->arena, now));
    (void)json_adds(&b, "state", json_str(req->sim->opt.job_fails ? "Failed" : "JobComplete"));
    (void)json_adds(&b, "concurrencyMode", json_str("Parallel"));
    (void)json_adds(&b, "contentType", json_str("CSV"));
    (void)json_adds(&b, "apiVersion", json_double(req->version));
    (void)json_adds(&b, "jobType", json_str("V2Query"));
    (void)json_adds(&b, "lineEnding", json_sv(ending));
    (void)json_adds(&b, "columnDelimiter", json_sv(delimiter));
    (void)json_adds(&b, "soql", json_sv(soql));
    (void)json_adds(&b, "closedMs", json_int(now));
    if (req->sim->opt.job_fails)
        (void)json_adds(&b, "errorMessage", json_str("InternalServerError : the job failed as told"));
    return json_end(&b);
}

void sfsim_query_job(const struct sfsim_req *req, struct sfsim_answer *ans)
{
    struct tl_sv soql = json_text(json_gets(req->body, "query"), TL_SV(""));
    struct tl_sv how = json_text(json_gets(req->body, "operation"), TL_SV(""));
    bool all = tl_sv_eqs(how, "queryAll");
    TL_CLEANUP(tl_buf_done) struct tl_buf ids = {0};
    char id[SFSIM_ID18 + 1];
    struct sfsim_fault fault;
    struct tl_err err = {0};
    struct sfsim_soql *q;
    struct json job;

    if (!tl_sv_eqs(req->method, "POST") || (!all && !tl_sv_eqs(how, "query"))) {
        sfsim_job_refuse(req, ans, 400, "INVALIDJOB", "InvalidJob : operation must be query or queryAll");
        return;
    }
    q = sfsim_soql_parse(req->sim->schema, req->arena, soql, &fault);
    if (!q) {
        sfsim_fail(req, ans, &fault);
        return;
    }
    if (req->sim->opt.no_query_jobs || q->from->event) {
        sfsim_job_refuse(req, ans, 400, "INVALIDENTITY", "InvalidEntity : Entity is not supported by the Bulk API");
        return;
    }
    tl_buf_init(&ids, (size_t)IDS_MOST * SFSIM_ID18);
    if (!plain(q) ||
        sfsim_texts(req->sim->db, sfsim_soql_sql(req->arena, q, "r.id", all), one_id, &ids, &err) != TL_OK) {
        sfsim_job_refuse(req, ans, 400, "API_ERROR",
                         err.text[0] ? err.text : "Aggregates and nested queries are not supported in Bulk Query");
        return;
    }
    sfsim_new_id(req->sim->db, "750", id);
    job = describe(req, q, soql, id, all);
    job = sfsim_with(req->arena, job, "numberRecordsProcessed", json_int((int64_t)(ids.n / SFSIM_ID18)));
    if (!sfsim_job_keep(req, job) || !sfsim_part_put(req->sim->db, tl_sv_str(id), "ids", tl_buf_view(&ids)))
        return;
    req->sim->counts.query_jobs++;
    /* as the vendor says when it is asked for the first time */
    *ans =
        (struct sfsim_answer){.status = 200, .body = sfsim_with(req->arena, job, "state", json_str("UploadComplete"))};
}

/* ---- a page ---- */

struct page {
    const struct sfsim_req *req;
    const struct sfsim_soql *q;
    struct tl_buf csv;
    char delimiter;
    bool crlf;
    uint64_t n;
};

static char delimiter_of(struct json job)
{
    static const struct {
        const char *name;
        char c;
    } all[] = {{"TAB", '\t'}, {"PIPE", '|'}, {"SEMICOLON", ';'}, {"CARET", '^'}, {"BACKQUOTE", '`'}};
    struct tl_sv name = json_text(json_gets(job, "columnDelimiter"), TL_SV(""));

    for (size_t i = 0; i < TL_COUNT(all); i++)
        if (tl_sv_eqs(name, all[i].name))
            return all[i].c;
    return ',';
}

static void put_line(struct page *p, const struct tl_sv *cells, size_t n)
{
    sfsim_put_cells(&p->csv, cells, n, p->delimiter);
    if (p->crlf) {
        p->csv.n--;
        (void)tl_buf_puts(&p->csv, "\r\n");
    }
}

static struct tl_sv heading(struct page *p, const struct sfsim_select *s)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    const struct sfsim_field *f = s->n_path == 1 ? sfsim_field(p->q->from, s->path[0]) : NULL;

    if (f)
        return f->name;
    tl_buf_init(&b, 1024);
    for (size_t i = 0; i < s->n_path; i++)
        (void)tl_buf_printf(&b, "%s%.*s", i ? "." : "", TL_SV_ARG(s->path[i]));
    return tl_arena_sv(p->req->arena, tl_buf_view(&b));
}

/* Text as a job writes it: times with Z, nothing for null. */
static struct tl_sv text_of(struct page *p, struct json v, bool time)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    if (v.type == JSON_NULL || v.type == JSON_UNDEFINED)
        return TL_SV("");
    if (v.type == JSON_STRING && time && v.n > 5)
        return tl_sv_str(tl_arena_printf(p->req->arena, "%.*sZ", (int)v.n - 5, v.u.s));
    if (v.type == JSON_STRING)
        return json_view(v);
    tl_buf_init(&b, 1 << 20);
    (void)json_write(&b, v, 0);
    return tl_arena_sv(p->req->arena, tl_buf_view(&b));
}

static struct tl_sv cell_of(struct page *p, const struct sfsim_select *s, const struct sfsim_record *r,
                            struct json shown)
{
    const struct sfsim_object *o = r->type;
    const struct sfsim_field *f = NULL;

    for (size_t i = 0; i < s->n_path && o; i++) {
        f = i + 1 == s->n_path ? sfsim_field(o, s->path[i]) : sfsim_relationship(o, s->path[i]);
        if (i + 1 == s->n_path)
            break;
        shown = f ? json_get(shown, f->relationship) : JSON_NOTHING;
        o = f ? sfsim_object(p->req->sim->schema, f->reference) : NULL;
    }
    return f ? text_of(p, json_get(shown, f->name), f->type == SFSIM_DATETIME) : TL_SV("");
}

static bool put_rows(struct page *p, struct tl_sv ids, uint64_t from, uint64_t most)
{
    struct tl_sv *cells = tl_arena_alloc(p->req->arena, COLUMNS * sizeof *cells);
    size_t n = p->q->n_select < COLUMNS ? p->q->n_select : COLUMNS;

    if (!cells)
        return false;
    for (size_t i = 0; i < n; i++)
        cells[i] = heading(p, &p->q->select[i]);
    put_line(p, cells, n);
    for (uint64_t at = from; at < ids.n / SFSIM_ID18 && at < from + most; at++) {
        struct tl_arena_mark mark = tl_arena_mark(p->req->arena);
        struct sfsim_record r;

        if (sfsim_get(p->req->sim->db, p->req->arena, tl_sv(ids.p + at * SFSIM_ID18, SFSIM_ID18), &r)) {
            struct json shown = sfsim_project(p->req, p->q, &r);

            for (size_t i = 0; i < n; i++)
                cells[i] = cell_of(p, &p->q->select[i], &r, shown);
            put_line(p, cells, n);
            p->n++;
        }
        tl_arena_rewind(p->req->arena, mark);
    }
    p->req->sim->counts.rows += p->n;
    return !p->csv.failed;
}

static struct tl_sv locator_of(struct tl_arena *a, uint64_t row)
{
    char text[16];
    size_t at = sizeof text;

    for (; row > 0 && at > 0; row /= 36)
        text[--at] = "0123456789abcdefghijklmnopqrstuvwxyz"[row % 36];
    return tl_arena_sv(a, tl_sv(text + at, sizeof text - at));
}

static void write_page(const struct sfsim_req *req, struct json job, struct tl_sv ids, uint64_t from, uint64_t most,
                       struct sfsim_answer *ans)
{
    struct tl_sv soql = json_text(json_gets(job, "soql"), TL_SV(""));
    struct sfsim_fault fault;
    struct page p = {.req = req,
                     .q = sfsim_soql_parse(req->sim->schema, req->arena, soql, &fault),
                     .delimiter = delimiter_of(job),
                     .crlf = tl_sv_eqs(json_text(json_gets(job, "lineEnding"), TL_SV("")), "CRLF")};
    bool more = from + most < ids.n / SFSIM_ID18;
    struct json_builder headers;

    if (!p.q) {
        sfsim_fail(req, ans, &fault);
        return;
    }
    tl_buf_init(&p.csv, 150 << 20);
    if (put_rows(&p, ids, from, most)) {
        json_object_begin(&headers, req->arena, 2);
        (void)json_adds(&headers, "Sforce-Locator",
                        more ? json_sv(locator_of(req->arena, from + most)) : json_str("null"));
        (void)json_adds(&headers, "Sforce-NumberOfRecords", json_printf(req->arena, "%llu", (unsigned long long)p.n));
        *ans = (struct sfsim_answer){.status = 200,
                                     .headers = json_end(&headers),
                                     .text = tl_arena_sv(req->arena, tl_buf_view(&p.csv)),
                                     .type = "text/csv"};
    }
    tl_buf_done(&p.csv);
}

void sfsim_query_results(const struct sfsim_req *req, struct json job, struct tl_sv name, struct sfsim_answer *ans)
{
    struct tl_sv state = json_text(json_gets(sfsim_job_shown(req, job), "state"), TL_SV(""));
    struct tl_sv locator = sfsim_query(req, "locator"), ids;
    uint64_t most = PAGE, from;

    if (!tl_sv_eqs(name, "results")) {
        sfsim_job_refuse(req, ans, 404, "NOT_FOUND", "The requested resource does not exist");
        return;
    }
    if (!tl_sv_eqs(state, "JobComplete")) {
        sfsim_job_refuse(req, ans, 400, "INVALIDJOBSTATE", "InvalidJobState : the job is not finished");
        return;
    }
    (void)tl_sv_u64(sfsim_query(req, "maxRecords"), &most);
    from = locator.n > 0 ? strtoull(tl_arena_strndup(req->arena, locator.p, locator.n), NULL, 36) : 0;
    ids = sfsim_part_get(req->sim->db, req->arena, json_text(json_gets(job, "id"), TL_SV("")), "ids");
    if (most == 0 || (locator.n > 0 && (req->sim->opt.lose_cursors || from == 0 || from >= ids.n / SFSIM_ID18))) {
        sfsim_job_refuse(req, ans, 400, "INVALIDQUERYLOCATOR", "InvalidQueryLocator : the locator is not known");
        return;
    }
    write_page(req, job, ids, from, most, ans);
}
