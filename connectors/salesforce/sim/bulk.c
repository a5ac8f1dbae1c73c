/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulk.c - Bulk API 2.0: jobs of one CSV in (bulk_query.c: out). A job is carried out when it is closed; who asks sees
 * it go through its states in the time that `--job` says. Results come in another order than the rows went in.
 */
#include "salesforce/sim/sim_int.h"

#include <stdio.h>

enum { COLUMNS = 500 };

struct rows {
    const struct sfsim_req *req;
    const struct sfsim_object *o;
    struct json job;
    struct tl_sv names[COLUMNS], cells[COLUMNS];
    size_t n_names, n;
    struct tl_buf good, bad, left;
    int64_t processed, failed;
    struct tl_sv error; /* of the job as a whole */
};

/* ---- answers ---- */

void sfsim_job_refuse(const struct sfsim_req *req, struct sfsim_answer *ans, int status, const char *code,
                      const char *text)
{
    struct sfsim_fault f;

    (void)sfsim_refuse(&f, req->arena, status, code, TL_SV_NULL, "%s", text);
    sfsim_fail(req, ans, &f);
}

struct json sfsim_with(struct tl_arena *a, struct json v, const char *name, struct json value)
{
    struct json_builder b;

    json_object_begin(&b, a, v.n + 1);
    for (uint32_t i = 0; i < v.n; i++)
        (void)json_add(&b, json_view(v.u.members[i].key), v.u.members[i].value);
    (void)json_set(&b, tl_sv_str(name), value);
    return json_end(&b);
}

bool sfsim_job_keep(const struct sfsim_req *req, struct json job)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 64 << 10);
    return json_write(&b, job, 0) &&
           sfsim_job_put(req->sim->db, json_text(json_gets(job, "id"), TL_SV("")), tl_buf_view(&b));
}

/* What a closed job looks like by now. */
struct json sfsim_job_shown(const struct sfsim_req *req, struct json job)
{
    struct tl_sv state = json_text(json_gets(job, "state"), TL_SV(""));
    int64_t closed = 0, age;
    bool done = tl_sv_eqs(state, "JobComplete") || tl_sv_eqs(state, "Failed");

    (void)json_int64(json_gets(job, "closedMs"), &closed);
    age = tl_clock_wall_ms(req->sim->clock) - closed;
    if (done && age < req->sim->opt.job_ms)
        job = sfsim_with(req->arena, job, "state",
                         json_str(age < req->sim->opt.job_ms / 2 ? "UploadComplete" : "InProgress"));
    return job;
}

/* ---- carrying out ---- */

static struct json value_of(struct tl_sv cell)
{
    return tl_sv_eqs(cell, "#N/A") ? json_null() : json_sv(cell);
}

static struct json record_of(struct rows *r, struct tl_sv skip)
{
    struct tl_arena *a = r->req->arena;
    struct json_builder b;

    json_object_begin(&b, a, r->n);
    for (size_t i = 0; i < r->n && i < r->n_names; i++) {
        struct tl_sv name = r->names[i];
        size_t dot = tl_sv_find(name, '.');
        struct json_builder parent;

        if (r->cells[i].n == 0 || tl_sv_eqi(name, skip))
            continue;
        if (dot == name.n) {
            (void)json_add(&b, name, value_of(r->cells[i]));
            continue;
        }
        json_object_begin(&parent, a, 1);
        (void)json_add(&parent, tl_sv_from(name, dot + 1), json_sv(r->cells[i]));
        (void)json_add(&b, tl_sv(name.p, dot), json_end(&parent));
    }
    return json_end(&b);
}

static struct tl_sv cell_named(struct rows *r, struct tl_sv name)
{
    for (size_t i = 0; i < r->n && i < r->n_names; i++)
        if (tl_sv_eqi(r->names[i], name))
            return r->cells[i];
    return TL_SV("");
}

static void save(struct rows *r, struct sfsim_saved *s)
{
    struct tl_sv how = json_text(json_gets(r->job, "operation"), TL_SV(""));
    struct tl_sv key = json_text(json_gets(r->job, "externalIdFieldName"), TL_SV("Id"));
    const struct sfsim_field *by = sfsim_field(r->o, key);

    *s = (struct sfsim_saved){0};
    if (tl_sv_eqs(how, "insert"))
        sfsim_create(r->req, r->o, record_of(r, TL_SV("Id")), s);
    else if (tl_sv_eqs(how, "update"))
        sfsim_update(r->req, r->o, cell_named(r, TL_SV("Id")), record_of(r, TL_SV("Id")), s);
    else if (tl_sv_eqs(how, "upsert") && by)
        sfsim_upsert(r->req, r->o, by, cell_named(r, key), record_of(r, key), false, s);
    else
        sfsim_delete(r->req, cell_named(r, TL_SV("Id")), s);
}

void sfsim_put_cells(struct tl_buf *b, const struct tl_sv *cells, size_t n, char delimiter)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            (void)tl_buf_putc(b, delimiter);
        (void)tl_buf_putc(b, '"');
        for (size_t k = 0; k < cells[i].n; k++) {
            if (cells[i].p[k] == '"')
                (void)tl_buf_putc(b, '"');
            (void)tl_buf_putc(b, cells[i].p[k]);
        }
        (void)tl_buf_putc(b, '"');
    }
    (void)tl_buf_putc(b, '\n');
}

static void put_result(struct rows *r, const struct sfsim_saved *s)
{
    struct tl_buf *b = s->ok ? &r->good : &r->bad;
    struct tl_sv field = s->fault.n_fields > 0 ? s->fault.fields[0] : TL_SV("");
    char *error = tl_arena_printf(r->req->arena, "%s:%.*s:%.*s --", s->fault.code ? s->fault.code : "",
                                  TL_SV_ARG(s->fault.message), TL_SV_ARG(field));
    const struct tl_sv head[2] = {tl_sv_str(s->ok ? s->id : ""),
                                  s->ok ? tl_sv_str(s->created ? "true" : "false") : tl_sv_str(error)};

    sfsim_put_cells(b, head, 2, ',');
    b->n--; /* the line goes on */
    (void)tl_buf_putc(b, ',');
    sfsim_put_cells(b, r->cells, r->n, ',');
    r->processed++;
    r->failed += !s->ok;
}

static void put_heads(struct rows *r)
{
    static const struct tl_sv good[] = {{"sf__Id", 6}, {"sf__Created", 11}}, bad[] = {{"sf__Id", 6}, {"sf__Error", 9}};
    struct tl_buf *all[] = {&r->good, &r->bad, &r->left};

    for (size_t i = 0; i < TL_COUNT(all); i++)
        tl_buf_init(all[i], 150 << 20);
    sfsim_put_cells(&r->good, good, 2, ',');
    sfsim_put_cells(&r->bad, bad, 2, ',');
    r->good.p[r->good.n - 1] = r->bad.p[r->bad.n - 1] = ',';
    for (size_t i = 0; i < TL_COUNT(all); i++)
        sfsim_put_cells(all[i], r->names, r->n_names, ',');
}

static bool check_header(struct rows *r)
{
    for (size_t i = 0; i < r->n_names; i++) {
        struct tl_sv name = tl_sv(r->names[i].p, tl_sv_find(r->names[i], '.'));

        if (sfsim_field(r->o, name) || sfsim_relationship(r->o, name))
            continue;
        r->error = tl_sv_str(
            tl_arena_printf(r->req->arena, "InvalidBatch : Field name not found : %.*s", TL_SV_ARG(r->names[i])));
        return false;
    }
    return true;
}

static void process(struct rows *r, struct tl_sv csv)
{
    struct tl_arena_mark mark;
    struct tl_csv c;
    struct tl_err err = {0};

    if (tl_sv_find(csv, '\r') < csv.n && tl_sv_eqs(json_text(json_gets(r->job, "lineEnding"), TL_SV("LF")), "LF"))
        r->error = TL_SV("ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF");
    else if (csv.n == 0 || tl_sv_find(csv, '\0') < csv.n)
        r->error = TL_SV("InvalidBatch : Unable to parse the data");
    else if (r->req->sim->opt.job_fails)
        r->error = TL_SV("InternalServerError : the job failed as told");
    tl_csv_init(&c, csv, ',');
    c.at = 0; /* a byte order mark becomes part of the first name, as with the vendor */
    if (r->error.n == 0 && tl_csv_row(&c, r->req->arena, r->names, COLUMNS, &r->n_names, &err) != TL_OK)
        r->error = TL_SV("InvalidBatch : Unable to parse the header");
    put_heads(r);
    if (r->error.n > 0 || !check_header(r))
        return;
    mark = tl_arena_mark(r->req->arena);
    for (;; tl_arena_rewind(r->req->arena, mark)) { /* thousands of rows would not fit into a request's memory */
        struct sfsim_saved s;

        if (tl_csv_row(&c, r->req->arena, r->cells, COLUMNS, &r->n, &err) != TL_OK) {
            r->error = tl_arena_sv(r->req->arena, tl_sv_str(err.text));
            return;
        }
        if (r->n == 0)
            return;
        if (r->req->sim->opt.unprocessed > 0 && sfsim_chance(r->req->sim) < r->req->sim->opt.unprocessed) {
            sfsim_put_cells(&r->left, r->cells, r->n, ',');
            continue;
        }
        save(r, &s);
        put_result(r, &s);
    }
}

static struct json carry_out(const struct sfsim_req *req, struct json job)
{
    struct rows *r = tl_arena_zalloc(req->arena, sizeof *r);
    struct tl_sv id = json_text(json_gets(job, "id"), TL_SV("")), csv;

    if (!r)
        return job;
    r->req = req;
    r->job = job;
    r->o = sfsim_object(req->sim->schema, json_text(json_gets(job, "object"), TL_SV("")));
    csv = sfsim_part_get(req->sim->db, req->arena, id, "data");
    process(r, csv);
    (void)sfsim_part_put(req->sim->db, id, "successfulResults", tl_buf_view(&r->good));
    (void)sfsim_part_put(req->sim->db, id, "failedResults", tl_buf_view(&r->bad));
    (void)sfsim_part_put(req->sim->db, id, "unprocessedrecords", tl_buf_view(&r->left));
    tl_buf_done(&r->good);
    tl_buf_done(&r->bad);
    tl_buf_done(&r->left);
    job = sfsim_with(req->arena, job, "state", json_str(r->error.n > 0 ? "Failed" : "JobComplete"));
    job = sfsim_with(req->arena, job, "numberRecordsProcessed", json_int(r->processed));
    job = sfsim_with(req->arena, job, "numberRecordsFailed", json_int(r->failed));
    job = sfsim_with(req->arena, job, "closedMs", json_int(tl_clock_wall_ms(req->sim->clock)));
    if (r->error.n > 0)
        job = sfsim_with(req->arena, job, "errorMessage", json_sv(r->error));
    return job;
}

/* ---- requests ---- */

static void create(const struct sfsim_req *req, struct sfsim_answer *ans)
{
    static const char *const copied[] = {"operation", "object", "externalIdFieldName", "assignmentRuleId"};
    struct tl_sv object = json_text(json_gets(req->body, "object"), TL_SV(""));
    struct tl_sv key = json_text(json_gets(req->body, "externalIdFieldName"), TL_SV(""));
    struct tl_sv how = json_text(json_gets(req->body, "operation"), TL_SV(""));
    const struct sfsim_object *o = sfsim_object(req->sim->schema, object);
    char id[SFSIM_ID18 + 1];
    struct json_builder b;

    if (!o || o->event) {
        sfsim_job_refuse(req, ans, 400, "INVALIDENTITY", "Entity is not supported by the Bulk API");
        return;
    }
    if (tl_sv_eqs(how, "upsert") && !sfsim_field(o, key)) {
        sfsim_job_refuse(req, ans, 400, "INVALIDJOB", "InvalidJob : externalIdFieldName is not a field");
        return;
    }
    sfsim_new_id(req->sim->db, "750", id);
    json_object_begin(&b, req->arena, 20);
    (void)json_adds(&b, "id", json_str(tl_arena_strdup(req->arena, id)));
    for (size_t i = 0; i < TL_COUNT(copied); i++)
        if (json_gets(req->body, copied[i]).type == JSON_STRING)
            (void)json_adds(&b, copied[i], json_gets(req->body, copied[i]));
    (void)json_adds(&b, "createdById", json_str(req->sim->user));
    (void)json_adds(&b, "createdDate", sfsim_datetime(req->arena, tl_clock_wall_ms(req->sim->clock)));
    (void)json_adds(&b, "systemModstamp", sfsim_datetime(req->arena, tl_clock_wall_ms(req->sim->clock)));
    (void)json_adds(&b, "state", json_str("Open"));
    (void)json_adds(&b, "concurrencyMode", json_str("Parallel"));
    (void)json_adds(&b, "contentType", json_str("CSV"));
    (void)json_adds(&b, "apiVersion", json_double(req->version));
    (void)json_adds(&b, "jobType", json_str("V2Ingest"));
    (void)json_adds(&b, "contentUrl",
                    json_printf(req->arena, "services/data/v%d.0/jobs/ingest/%s/batches", req->version, id));
    (void)json_adds(
        &b, "lineEnding",
        json_str(tl_sv_eqs(json_text(json_gets(req->body, "lineEnding"), TL_SV("LF")), "CRLF") ? "CRLF" : "LF"));
    (void)json_adds(&b, "columnDelimiter", json_str("COMMA"));
    (void)sfsim_job_keep(req, json_end(&b));
    req->sim->counts.jobs++;
    *ans = (struct sfsim_answer){.status = 200, .body = json_end(&b)};
}

static void change_state(const struct sfsim_req *req, struct json job, struct sfsim_answer *ans)
{
    struct tl_sv wanted = json_text(json_gets(req->body, "state"), TL_SV(""));
    struct tl_sv state = json_text(json_gets(sfsim_job_shown(req, job), "state"), TL_SV(""));

    if (tl_sv_eqs(wanted, "UploadComplete") && tl_sv_eqs(state, "Open")) {
        job = carry_out(req, job);
    } else if (tl_sv_eqs(wanted, "Aborted") && !tl_sv_eqs(state, "JobComplete") && !tl_sv_eqs(state, "Failed") &&
               !tl_sv_eqs(state, "Aborted")) {
        job = sfsim_with(req->arena, job, "state", json_str("Aborted"));
        req->sim->counts.aborted++;
    } else {
        sfsim_job_refuse(req, ans, 400, "INVALIDJOBSTATE", "InvalidJobState : the job is not in a state to do that");
        return;
    }
    (void)sfsim_job_keep(req, job);
    *ans = (struct sfsim_answer){.status = 200, .body = sfsim_job_shown(req, job)};
}

static void of_job(const struct sfsim_req *req, struct json job, struct sfsim_answer *ans)
{
    if (tl_sv_eqs(req->method, "PATCH")) {
        change_state(req, job, ans);
    } else if (tl_sv_eqs(req->method, "DELETE")) {
        sfsim_job_delete(req->sim->db, json_text(json_gets(job, "id"), TL_SV("")));
        *ans = (struct sfsim_answer){.status = 204};
    } else {
        *ans = (struct sfsim_answer){.status = 200, .body = sfsim_job_shown(req, job)};
    }
}

static void part(const struct sfsim_req *req, struct json job, struct tl_sv name, struct sfsim_answer *ans)
{
    struct tl_sv id = json_text(json_gets(job, "id"), TL_SV(""));
    struct tl_sv state = json_text(json_gets(sfsim_job_shown(req, job), "state"), TL_SV(""));
    bool done = tl_sv_eqs(state, "JobComplete") || tl_sv_eqs(state, "Failed");

    if (tl_sv_eqs(name, "batches") && tl_sv_eqs(req->method, "PUT")) {
        if (!tl_sv_eqs(state, "Open"))
            sfsim_job_refuse(req, ans, 400, "INVALIDJOBSTATE", "InvalidJobState : the job is closed");
        else if (sfsim_part_put(req->sim->db, id, "data", req->text))
            *ans = (struct sfsim_answer){.status = 201};
        return;
    }
    if (!done && !tl_sv_eqs(state, "Aborted")) {
        sfsim_job_refuse(req, ans, 400, "INVALIDJOBSTATE", "InvalidJobState : the job is not finished");
        return;
    }
    *ans = (struct sfsim_answer){
        .status = 200,
        .text = sfsim_part_get(req->sim->db, req->arena, id, tl_arena_strndup(req->arena, name.p, name.n)),
        .type = "text/csv"};
    if (!ans->text.p)
        ans->text = TL_SV("");
}

void sfsim_jobs(const struct sfsim_req *req, struct tl_sv path, struct sfsim_answer *ans)
{
    struct tl_sv kind, id, name = TL_SV_NULL, text;
    struct json job;

    bool query;

    if (!sfsim_segment(req->arena, &path, &kind) || (!tl_sv_eqs(kind, "ingest") && !tl_sv_eqs(kind, "query"))) {
        sfsim_job_refuse(req, ans, 404, "NOT_FOUND", "The requested resource does not exist");
        return;
    }
    query = tl_sv_eqs(kind, "query");
    if (!sfsim_segment(req->arena, &path, &id)) {
        if (query)
            sfsim_query_job(req, ans);
        else
            create(req, ans);
        return;
    }
    text = sfsim_job_get(req->sim->db, req->arena, id);
    if (!text.p || req->sim->opt.lose_jobs || json_parse(req->arena, text, 0, NULL, &job, NULL) != TL_OK)
        sfsim_job_refuse(req, ans, 404, "NOT_FOUND", "The requested resource does not exist");
    else if (sfsim_segment(req->arena, &path, &name) && query)
        sfsim_query_results(req, job, name, ans);
    else if (name.p)
        part(req, job, name, ans);
    else
        of_job(req, job, ans);
}
