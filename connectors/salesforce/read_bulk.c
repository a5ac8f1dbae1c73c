/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read_bulk.c - a read as a query job of Bulk API 2.0: made, asked after, its pages taken in.
 *
 * The job is in the position (read.h) before anything is taken in, and each page's locator in the transaction of the
 * page's records. Rows come in no order, so the place stays where it was until the last page: then it is the job's end.
 * A job that was made but whose position did not get to the disk is aborted, or, after a crash, ends by itself: it only
 * reads.
 */
#include "salesforce/bulk.h"
#include "salesforce/read.h"

#include <stdio.h>

enum { PAGE_TIMES = 5, PAGE_LEAST = 100, COLUMNS = 2100, FAILED_PAUSE_MS = 60000 };

static struct tl_sv code_of(const struct sf_reply *reply)
{
    return json_text(json_gets(sf_first_error(reply->body), "errorCode"), TL_SV(""));
}

static void forget(struct sf_reading *r)
{
    r->job[0] = r->locator[0] = '\0';
}

/* ---- making one ---- */

/* Is there anything to read? A job for nothing would count against the org's 10,000 a day. */
static enum sf_next look(struct sf_reading *r, int64_t end, struct tl_err *err)
{
    struct sf_reply reply;
    int64_t n = -1;
    enum tl_rc rc = sf_read_ask(r, "COUNT()", "", end, &reply, err);

    if (rc != TL_OK && tl_sv_eqs(code_of(&reply), "QUERY_TIMEOUT")) {
        tl_err_clear(err); /* more than it can count at once */
        return SF_NEXT_AGAIN;
    }
    if (rc != TL_OK)
        return SF_NEXT_FAILED;
    return json_int64(json_gets(reply.body, "totalSize"), &n) && n == 0 ? SF_NEXT_DONE : SF_NEXT_AGAIN;
}

static bool question(struct sf_reading *r, int64_t end, struct tl_buf *body)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf soql = {0};
    struct json_builder b;

    tl_buf_init(&soql, 100000); /* the vendor's limit for SOQL */
    (void)tl_buf_printf(&soql, "SELECT Id,SystemModstamp%s%s%.*s", r->conf->deleted ? ",IsDeleted" : "",
                        r->fields.n ? "," : "", TL_SV_ARG(r->fields));
    if (!sf_read_condition(r, &soql, end))
        return false;
    json_object_begin(&b, r->call->arena, 5);
    (void)json_adds(&b, "operation", json_str(r->conf->deleted ? "queryAll" : "query"));
    (void)json_adds(&b, "query", json_sv(tl_buf_view(&soql)));
    (void)json_adds(&b, "contentType", json_str("CSV"));
    (void)json_adds(&b, "columnDelimiter", json_str("COMMA"));
    (void)json_adds(&b, "lineEnding", json_str("LF"));
    return json_write(body, json_end(&b), 0);
}

/* "INVALIDENTITY: ... is not supported by the Bulk API" and the like: of this object, for good. */
static bool takes_no_jobs(const struct sf_reply *reply)
{
    struct tl_sv code = code_of(reply);
    struct tl_sv text = json_text(json_gets(sf_first_error(reply->body), "message"), TL_SV(""));

    return reply->http.status == 400 &&
           (tl_sv_eqs(code, "INVALIDENTITY") || tl_sv_find_sv(text, TL_SV("not supported by the Bulk API")) < text.n ||
            tl_sv_find_sv(text, TL_SV("not supported in Bulk Query")) < text.n);
}

static enum sf_next create(struct sf_reading *r, int64_t end, struct tl_err *err)
{
    struct sf_request req = {.method = "POST", .path = "/jobs/query"};
    TL_CLEANUP(tl_buf_done) struct tl_buf body = {0};
    struct sf_reply reply;
    struct tl_sv id;
    enum tl_rc rc;

    tl_buf_init(&body, 256 << 10);
    if (!question(r, end, &body)) {
        (void)tl_fail(err, TL_LIMIT, "the query is longer than a job may have; name the fields you need");
        return SF_NEXT_FAILED;
    }
    req.body = tl_buf_view(&body);
    rc = sf_http(r->task, r->call, &req, &reply, err);
    if (rc != TL_OK && takes_no_jobs(&reply) && r->conf->mode == SF_MODE_AUTO) {
        sf_set_no_jobs(r->cache);
        tl_err_clear(err);
        return SF_NEXT_AGAIN;
    }
    if (rc == TL_UNKNOWN_OUTCOME && err) /* a job nobody asks after harms nobody */
        err->rc = TL_UPSTREAM;
    if (rc != TL_OK)
        return SF_NEXT_FAILED;
    id = json_text(json_gets(reply.body, "id"), TL_SV(""));
    if (id.n < 15 || id.n >= sizeof r->job || tl_sv_find(id, ' ') < id.n) {
        (void)tl_fail(err, TL_UPSTREAM, "the new query job has no id");
        return SF_NEXT_FAILED;
    }
    (void)snprintf(r->job, sizeof r->job, "%.*s", TL_SV_ARG(id));
    r->locator[0] = '\0';
    r->job_end_ms = end;
    r->job_shape = sf_read_shape(r);
    return SF_NEXT_DONE;
}

/* Nobody will fetch its results. What comes of it is nobody's concern: it ends, done or aborted. */
static void give_up(struct sf_reading *r)
{
    struct sf_request req = {.method = "PATCH", .idempotent = true, .body = TL_SV("{\"state\":\"Aborted\"}")};
    struct sf_reply reply;
    enum tl_rc rc;

    req.path = tl_arena_printf(r->call->arena, "/jobs/query/%s", r->job);
    rc = sf_http(r->task, r->call, &req, &reply, NULL);
    (void)rc;
    forget(r);
}

enum sf_next sf_job_start(struct sf_reading *r, struct tl_err *err)
{
    int64_t end = sf_read_end(r);
    enum sf_next next = SF_NEXT_AGAIN;

    if (r->conf->mode == SF_MODE_BULK)
        next = look(r, end, err);
    if (next != SF_NEXT_AGAIN)
        return next;
    if (sf_read_fields(r, false, true, err) != TL_OK)
        return SF_NEXT_FAILED;
    next = create(r, end, err);
    if (next != SF_NEXT_DONE)
        return next;
    if (sf_read_emit(r, NULL, 0, err) != TL_OK) {
        if (!err || err->rc != TL_CANCELED)
            give_up(r);
        return SF_NEXT_FAILED;
    }
    r->call->pending = true;
    r->call->next_poll_ms = sf_bulk_wait_ms(0);
    return SF_NEXT_DONE;
}

/* ---- its pages ---- */

enum kind { TEXT, FLAG, NUMBER, TIME };

/* A query gives JSON values, a job text alone: what a field is says its description. */
static enum kind kind_of(struct tl_sv types, struct tl_sv name)
{
    static const char *const numbers[] = {"int", "long", "double", "currency", "percent"};
    struct tl_sv part;

    while (types.n > 0 && tl_sv_cut(&types, ',', &part)) {
        size_t eq = tl_sv_find(part, '=');
        struct tl_sv type = tl_sv_from(part, eq + 1);

        if (!tl_sv_eqi(tl_sv(part.p, eq), name))
            continue;
        for (size_t i = 0; i < TL_COUNT(numbers); i++)
            if (tl_sv_eqs(type, numbers[i]))
                return NUMBER;
        return tl_sv_eqs(type, "boolean") ? FLAG : tl_sv_eqs(type, "datetime") ? TIME : TEXT;
    }
    return TEXT;
}

static struct json value_of(struct tl_arena *a, enum kind kind, struct tl_sv cell)
{
    struct json v;

    if (cell.n == 0)
        return json_null();
    if (kind == FLAG)
        return json_bool(tl_sv_eqi(cell, TL_SV("true")));
    if (kind == NUMBER && json_parse(a, cell, 0, NULL, &v, NULL) == TL_OK && json_is_number(v))
        return v;
    if (kind == TIME && cell.n == 24 && cell.p[23] == 'Z') /* as a query spells it */
        return json_printf(a, "%.23s+0000", cell.p);
    return json_sv(cell);
}

struct page {
    struct sf_reading *r;
    struct tl_sv text;
    struct connector_incoming *records;
    size_t n, cap;
    struct tl_sv names[COLUMNS], cells[COLUMNS];
    enum kind kinds[COLUMNS];
    size_t n_names;
    enum tl_rc rc;
    struct tl_err *err;
};

static bool keep(struct page *p, size_t n)
{
    struct tl_arena *a = p->r->call->arena;
    struct json_builder b;

    if (n != p->n_names)
        return p->rc = tl_fail(p->err, TL_UPSTREAM, "row %zu of the job's result has %zu values for %zu columns", p->n,
                               n, p->n_names),
               false;
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 256;
        struct connector_incoming *more = tl_arena_zalloc(a, cap * sizeof *more);

        if (!more)
            return p->rc = tl_fail(p->err, TL_LIMIT, "the page needs more memory than a call may have"), false;
        if (p->n > 0)
            memcpy(more, p->records, p->n * sizeof *more);
        p->records = more;
        p->cap = cap;
    }
    json_object_begin(&b, a, n);
    for (size_t i = 0; i < n; i++)
        (void)json_add(&b, p->names[i], value_of(a, p->kinds[i], p->cells[i]));
    p->records[p->n].value = json_end(&b);
    if (json_text(json_gets(json_end(&b), "Id"), TL_SV("")).n == 0)
        return p->rc = tl_fail(p->err, TL_UPSTREAM, "row %zu of the job's result has no Id", p->n), false;
    p->n++;
    return true;
}

static void read_page(void *arg)
{
    struct page *p = arg;
    struct tl_arena *a = p->r->call->arena;
    struct tl_csv c;
    size_t n = 1;

    if (tl_utf8_valid(p->text) != p->text.n) {
        p->rc = tl_fail(p->err, TL_UPSTREAM, "the job's result is not UTF-8");
        return;
    }
    tl_csv_init(&c, p->text, ',');
    p->rc = tl_csv_row(&c, a, p->names, COLUMNS, &p->n_names, p->err);
    for (size_t i = 0; i < p->n_names; i++)
        p->kinds[i] = kind_of(p->r->types, p->names[i]);
    while (p->rc == TL_OK && n > 0) {
        p->rc = tl_csv_row(&c, a, p->cells, COLUMNS, &n, p->err);
        if (p->rc == TL_OK && n > 0 && !keep(p, n))
            return;
    }
    if (p->rc == TL_PARSE) /* broken off on its way */
        p->rc = p->err->rc = TL_UPSTREAM;
}

/* "null": there is no further page. */
static bool note_locator(struct sf_reading *r, const struct http_reply *reply, bool *ret_last, struct tl_err *err)
{
    struct tl_sv next = http_header_get(&reply->headers, "sforce-locator");

    *ret_last = next.n == 0 || tl_sv_eqs(next, "null");
    if (*ret_last)
        return true;
    if (next.n >= sizeof r->locator || tl_sv_find(next, ' ') < next.n) {
        (void)tl_fail(err, TL_UPSTREAM, "the locator of the job's next page is not understood");
        return false;
    }
    (void)snprintf(r->locator, sizeof r->locator, "%.*s", TL_SV_ARG(next));
    return true;
}

/* All is read before the job's end; the next question begins there. */
static void arrive(struct sf_reading *r)
{
    (void)tl_time_format(r->job_end_ms, r->at.time);
    r->at.id[0] = '\0';
    forget(r);
}

static enum tl_rc take(struct sf_reading *r, const struct http_reply *reply, bool *ret_last, struct tl_err *err)
{
    struct page *p = tl_arena_zalloc(r->call->arena, sizeof *p);
    struct tl_sv said = http_header_get(&reply->headers, "sforce-numberofrecords");
    uint64_t n;

    if (!p)
        return tl_fail(err, TL_LIMIT, "the page needs more memory than a call may have");
    p->r = r;
    p->text = reply->body;
    p->err = err;
    task_on_main_stack(r->task, read_page, p);
    if (p->rc != TL_OK)
        return p->rc;
    if (tl_sv_u64(said, &n) && n != p->n)
        return tl_fail(err, TL_UPSTREAM, "a page of the job has %zu records, not the %llu that it speaks of", p->n,
                       (unsigned long long)n);
    if (!note_locator(r, reply, ret_last, err))
        return TL_UPSTREAM;
    if (*ret_last)
        arrive(r);
    return sf_read_emit(r, p->records, p->n, err);
}

static enum tl_rc fetch(struct sf_reading *r, int rows, struct sf_reply *ret, struct tl_err *err)
{
    struct sf_request req = {.method = "GET", .idempotent = true, .raw = true, .timeout_ms = 600000};

    req.path =
        tl_arena_printf(r->call->arena, "/jobs/query/%s/results?maxRecords=%d%s%.*s", r->job, rows,
                        r->locator[0] ? "&locator=" : "", TL_SV_ARG(sf_encoded(r->call->arena, tl_sv_str(r->locator))));
    return sf_http(r->task, r->call, &req, ret, err);
}

static enum sf_next pages(struct sf_reading *r, struct tl_err *err)
{
    bool last = false, from_start = r->locator[0] == '\0';
    int rows = PAGE_TIMES * (int)r->conf->page;

    while (!last) {
        struct connector_scratch scratch = connector_scratch_begin(r->call);
        struct sf_reply reply;
        enum tl_rc rc = fetch(r, rows, &reply, err);
        bool came = rc == TL_OK;

        if (came)
            rc = take(r, &reply.http, &last, err);
        connector_scratch_end(r->call, scratch);
        if (came && rc == TL_OK)
            continue;
        if (!came && reply.http.status == 404) /* the org has thrown it away */
            forget(r);
        else if (!came && rc == TL_LIMIT && rows > PAGE_LEAST)
            rows /= 2;
        else if (!came && reply.http.status == 400 && !from_start) /* the locator: what was taken in is recognised */
            r->locator[0] = '\0', from_start = true;
        else
            return SF_NEXT_FAILED;
        tl_err_clear(err);
        if (!r->job[0])
            return SF_NEXT_AGAIN;
    }
    return SF_NEXT_DONE;
}

/* ---- asking after it ---- */

static enum sf_next failed(struct sf_reading *r, struct json job, struct tl_sv state, struct tl_err *err)
{
    struct tl_sv why = json_text(json_gets(job, "errorMessage"), TL_SV("without a reason"));
    char id[SF_JOB_ID];

    (void)snprintf(id, sizeof id, "%s", r->job);
    why = connector_mask_cut(r->call, why, 300);
    forget(r);
    if (sf_read_emit(r, NULL, 0, err) != TL_OK)
        return SF_NEXT_FAILED;
    (void)tl_fail(err, TL_UPSTREAM, "the query job %s ended as %.*s: %.*s", id, TL_SV_ARG(state), TL_SV_ARG(why));
    if (err)
        err->retry_after_ms = FAILED_PAUSE_MS;
    return SF_NEXT_FAILED;
}

enum sf_next sf_job_go_on(struct sf_reading *r, struct tl_err *err)
{
    struct sf_request req = {.method = "GET", .idempotent = true, .timeout_ms = r->conf->timeout_ms};
    struct sf_reply reply;
    struct tl_sv state;
    enum tl_rc rc;

    if (r->conf->mode == SF_MODE_REST || r->job_shape != sf_read_shape(r)) {
        give_up(r);
        return SF_NEXT_AGAIN;
    }
    req.path = tl_arena_printf(r->call->arena, "/jobs/query/%s", r->job);
    rc = sf_http(r->task, r->call, &req, &reply, err);
    if (rc != TL_OK && reply.http.status == 404) { /* the org keeps jobs for seven days */
        tl_err_clear(err);
        forget(r);
        return SF_NEXT_AGAIN;
    }
    if (rc != TL_OK)
        return SF_NEXT_FAILED;
    state = json_text(json_gets(reply.body, "state"), TL_SV(""));
    if (tl_sv_eqs(state, "Failed") || tl_sv_eqs(state, "Aborted"))
        return failed(r, reply.body, state, err);
    if (!tl_sv_eqs(state, "JobComplete")) {
        r->call->pending = true;
        r->call->next_poll_ms = sf_bulk_wait_ms(sf_bulk_age_ms(r->call, reply.body));
        return SF_NEXT_DONE;
    }
    return sf_read_fields(r, false, true, err) == TL_OK ? pages(r, err) : SF_NEXT_FAILED;
}
