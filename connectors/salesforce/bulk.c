/* SPDX-License-Identifier: Apache-2.0 */
/* bulk.c - the life of an ingest job: open, upload, close, poll, results. See bulk.h for what must hold. */
#include "salesforce/bulk.h"

#include <stdio.h>
#include <stdlib.h>

enum { ENTRY = 16, POLL_FIRST_MS = 2000, POLL_MOST_MS = 60000, ID_MOST = 40 };
static const char *const operations[] = {"insert", "update", "upsert", "delete"};

struct member {
    uint64_t number; /* what it is looked up by: a row's identity, or a delivery */
    struct connector_verdict *verdict;
};
struct job {
    struct task *task;
    struct connector_call *call;
    const struct sf_target *t;
    enum sf_bulk_how how;
    char id[ID_MOST];
    struct tl_sv entries; /* of the ticket: ENTRY bytes a row */
    struct member *members;
    size_t n_members;
};

/* ---- the ticket: "750...\n", then (identity, delivery) of each row ---- */

static struct tl_sv ticket_of(struct job *j, const struct sf_rows *rows)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, ID_MOST + 1 + (size_t)ENTRY * SF_BULK_ROWS);
    (void)tl_buf_printf(&b, "%s\n", j->id);
    for (size_t i = 0; i < j->call->n; i++) {
        uint64_t entry[2] = {rows->identity[i], j->call->records[i].delivery};

        if (rows->identity[i] != 0)
            (void)tl_buf_put(&b, entry, sizeof entry);
    }
    return b.failed ? TL_SV_NULL : tl_arena_sv(j->call->arena, tl_buf_view(&b));
}

static bool read_ticket(struct job *j)
{
    struct tl_sv t = j->call->ticket;
    size_t end = tl_sv_find(t, '\n');

    if (end == t.n || end >= ID_MOST)
        return false;
    (void)snprintf(j->id, sizeof j->id, "%.*s", (int)end, t.p);
    j->entries = tl_sv_from(t, end + 1);
    return j->entries.n % ENTRY == 0;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = ((const struct member *)a)->number, y = ((const struct member *)b)->number;

    return x < y ? -1 : x > y;
}

/* The members in order of their rows' identities: thousands of rows look them up. */
static enum tl_rc find_members(struct job *j, struct tl_err *err)
{
    size_t n = j->call->n;
    struct member *of = tl_arena_alloc(j->call->arena, (n + 1) * sizeof *of); /* by delivery */

    j->members = tl_arena_alloc(j->call->arena, (j->entries.n / ENTRY + 1) * sizeof *j->members);
    if (!of || !j->members)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    for (size_t i = 0; i < n; i++)
        of[i] = (struct member){j->call->records[i].delivery, &j->call->verdicts[i]};
    qsort(of, n, sizeof *of, by_number);
    for (size_t at = 0; at < j->entries.n; at += ENTRY) {
        uint64_t entry[2];
        const struct member *m;

        memcpy(entry, j->entries.p + at, sizeof entry);
        m = bsearch(&(struct member){.number = entry[1]}, of, n, sizeof *of, by_number);
        if (m) /* else it was cancelled meanwhile */
            j->members[j->n_members++] = (struct member){entry[0], m->verdict};
    }
    qsort(j->members, j->n_members, sizeof *j->members, by_number);
    return TL_OK;
}

/* The verdict on the member whose row it was; NULL: none. */
static struct connector_verdict *verdict_of(struct job *j, uint64_t identity)
{
    const struct member *m =
        bsearch(&(struct member){.number = identity}, j->members, j->n_members, sizeof *j->members, by_number);

    return m ? m->verdict : NULL;
}

/* ---- requests ---- */

static enum tl_rc set_state(struct job *j, const char *state, struct sf_reply *reply, struct tl_err *err)
{
    struct sf_request req = {.method = "PATCH", .idempotent = true};

    req.path = tl_arena_printf(j->call->arena, "/jobs/ingest/%s", j->id);
    req.body = tl_sv_str(tl_arena_printf(j->call->arena, "{\"state\":\"%s\"}", state));
    return sf_http(j->task, j->call, &req, reply, err);
}

static enum tl_rc open_job(struct job *j, struct tl_err *err)
{
    struct sf_request req = {.method = "POST", .path = "/jobs/ingest"};
    struct sf_reply reply;
    struct json_builder b;
    TL_CLEANUP(tl_buf_done) struct tl_buf body = {0};
    struct tl_sv id;
    enum tl_rc rc;

    json_object_begin(&b, j->call->arena, 8);
    (void)json_adds(&b, "object", json_str(j->t->object));
    (void)json_adds(&b, "operation", json_str(operations[j->how]));
    if (j->how == SF_BULK_UPSERT)
        (void)json_adds(&b, "externalIdFieldName", json_str(j->t->external_id));
    (void)json_adds(&b, "contentType", json_str("CSV"));
    (void)json_adds(&b, "lineEnding", json_str("LF"));
    (void)json_adds(&b, "columnDelimiter", json_str("COMMA"));
    tl_buf_init(&body, 4096);
    (void)json_write(&body, json_end(&b), 0);
    req.body = tl_buf_view(&body);
    rc = sf_http(j->task, j->call, &req, &reply, err);
    if (rc == TL_UNKNOWN_OUTCOME) { /* an empty job somewhere harms nobody */
        rc = TL_UPSTREAM;
        if (err)
            err->rc = rc;
    }
    if (rc != TL_OK)
        return rc;
    id = json_text(json_gets(reply.body, "id"), TL_SV(""));
    if (id.n < 15 || id.n >= sizeof j->id)
        return tl_fail(err, TL_UPSTREAM, "the new job has no id");
    (void)snprintf(j->id, sizeof j->id, "%.*s", TL_SV_ARG(id));
    return TL_OK;
}

static enum tl_rc upload(struct job *j, struct tl_sv csv, struct tl_err *err)
{
    struct sf_request req = {.method = "PUT",
                             .body = csv,
                             .content_type = TL_SV("text/csv"),
                             .idempotent = true,
                             .timeout_ms = 600000,
                             .raw = true};
    struct sf_reply reply;

    req.path = tl_arena_printf(j->call->arena, "/jobs/ingest/%s/batches", j->id);
    return sf_http(j->task, j->call, &req, &reply, err);
}

/* ---- starting ---- */

int64_t sf_bulk_wait_ms(int64_t age_ms)
{
    int64_t ms = age_ms / 4;

    return ms < POLL_FIRST_MS ? POLL_FIRST_MS : ms > POLL_MOST_MS ? POLL_MOST_MS : ms;
}

int64_t sf_bulk_age_ms(const struct connector_call *call, struct json job)
{
    struct tl_sv time = json_text(json_gets(job, "createdDate"), TL_SV(""));
    int64_t created, now = tl_clock_wall_ms(connector_clock(call->host));
    char text[28];

    (void)snprintf(text, sizeof text, "%.23sZ", time.n >= 23 ? time.p : "");
    return tl_time_parse(tl_sv_str(text), &created) && now > created ? now - created : 0;
}

static void wait_more(struct job *j, int64_t age_ms)
{
    j->call->pending = true;
    j->call->job = tl_sv_str(tl_arena_printf(j->call->arena, "bulk job %s", j->id));
    j->call->next_poll_ms = sf_bulk_wait_ms(age_ms);
}

struct making {
    struct job *j;
    struct sf_rows *rows;
    struct tl_err *err;
    enum tl_rc rc;
};
static void make_rows(void *arg)
{
    struct making *m = arg;

    m->rc = sf_rows_make(m->j->call, m->j->t, m->j->how, m->rows, m->err);
}

/* What went wrong before the job was closed: nothing of it will be done. */
static enum tl_rc give_up(struct job *j, enum tl_rc rc)
{
    struct sf_reply reply;

    if (rc != TL_CANCELED)
        (void)set_state(j, "Aborted", &reply, NULL);
    return rc;
}

static enum tl_rc submit(struct job *j, struct sf_rows *rows, struct tl_err *err)
{
    struct tl_sv ticket;
    struct sf_reply reply;
    enum tl_rc rc = open_job(j, err);

    if (rc != TL_OK)
        return rc;
    rc = upload(j, tl_buf_view(&rows->csv), err);
    if (rc != TL_OK)
        return give_up(j, rc);
    ticket = ticket_of(j, rows);
    if (!ticket.p)
        return give_up(j, tl_fail(err, TL_LIMIT, "the job has too many rows for its ticket"));
    rc = connector_checkpoint(j->task, j->call, ticket, err);
    if (rc != TL_OK)
        return give_up(j, rc);
    rc = set_state(j, "UploadComplete", &reply, err);
    j->call->new_ticket = ticket;
    if (rc != TL_OK && tl_rc_class(rc) != TL_CLASS_TRANSIENT)
        return give_up(j, rc);
    /* When no answer came, the job may be closed or not: the first poll will tell. */
    tl_err_clear(err);
    wait_more(j, 0);
    return TL_OK;
}

enum tl_rc sf_bulk_start(struct task *task, struct connector_call *call, enum sf_bulk_how how, struct tl_err *err)
{
    struct job j = {.task = task, .call = call, .t = call->operation, .how = how};
    struct sf_rows rows = {.n = 0};
    struct making m = {&j, &rows, err, TL_OK};
    enum tl_rc rc;

    tl_buf_init(&rows.csv, SF_BULK_BYTES);
    call->endpoint = tl_sv_str(j.t->object);
    task_on_main_stack(task, make_rows, &m);
    rc = m.rc;
    if (rc == TL_OK && rows.n > 0)
        rc = submit(&j, &rows, err);
    else
        call->not_sent = true;
    tl_buf_done(&rows.csv);
    return rc;
}

/* ---- results ---- */

struct result_file {
    struct job *j;
    struct tl_sv text;
    bool failed;
    enum tl_rc rc;
    struct tl_err *err;
};

/* "CODE:message:Field --" */
static void failed_row(struct job *j, struct connector_verdict *v, struct tl_sv error)
{
    size_t colon = tl_sv_find(error, ':');
    struct tl_sv code = tl_sv(error.p, colon), text = tl_arena_sv(j->call->arena, error);
    struct sf_meaning m = sf_meaning_of(code, error, 200);

    *v = (struct connector_verdict){.end = m.innocent ? CONNECTOR_INNOCENT : CONNECTOR_FAILED,
                                    .rc = m.rc,
                                    .cls = tl_rc_class(m.rc) == TL_CLASS_AUTH ? TL_CLASS_DATA : m.cls,
                                    .text =
                                        connector_mask_cut(j->call, text.p ? text : TL_SV("the row was refused"), 300)};
    if (j->how == SF_BULK_DELETE && tl_sv_eqs(code, "ENTITY_IS_DELETED"))
        v->end = CONNECTOR_SKIPPED;
}

static struct tl_sv cell(const struct tl_sv *names, const struct tl_sv *cells, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (tl_sv_eqs(names[i], name))
            return cells[i];
    return TL_SV("");
}

static void read_results(void *arg)
{
    struct result_file *f = arg;
    struct tl_arena *a = f->j->call->arena;
    struct tl_sv *names = tl_arena_alloc(a, (SF_BULK_COLUMNS + 2) * sizeof *names);
    struct tl_sv *cells = tl_arena_alloc(a, (SF_BULK_COLUMNS + 2) * sizeof *cells);
    size_t n_names = 0, n = 1;
    struct tl_csv c;

    if (!names || !cells) {
        f->rc = tl_fail(f->err, TL_LIMIT, "the call needs more memory than it may have");
        return;
    }
    tl_csv_init(&c, f->text, ',');
    f->rc = tl_csv_row(&c, a, names, SF_BULK_COLUMNS + 2, &n_names, f->err);
    while (f->rc == TL_OK && n > 0) {
        struct connector_verdict *v;

        f->rc = tl_csv_row(&c, a, cells, SF_BULK_COLUMNS + 2, &n, f->err);
        if (f->rc != TL_OK || n < n_names)
            continue;
        v = verdict_of(f->j, sf_row_identity(f->j->t, f->j->how, names, cells, n));
        if (v && f->failed)
            failed_row(f->j, v, cell(names, cells, n, "sf__Error"));
        else if (v)
            *v = (struct connector_verdict){.end = CONNECTOR_DONE,
                                            .answer = tl_arena_sv(a, cell(names, cells, n, "sf__Id"))};
    }
    if (f->rc == TL_PARSE) /* broken off on its way */
        f->rc = f->err->rc = TL_UPSTREAM;
}

static enum tl_rc results(struct job *j, const char *which, bool failed, struct tl_err *err)
{
    struct sf_request req = {.method = "GET", .idempotent = true, .raw = true, .timeout_ms = 600000};
    struct result_file f = {.j = j, .failed = failed, .err = err};
    struct sf_reply reply;
    enum tl_rc rc;

    req.path = tl_arena_printf(j->call->arena, "/jobs/ingest/%s/%s/", j->id, which);
    rc = sf_http(j->task, j->call, &req, &reply, err);
    if (rc != TL_OK)
        return rc;
    f.text = reply.http.body;
    task_on_main_stack(j->task, read_results, &f);
    return f.rc;
}

static void the_rest(struct job *j, enum connector_end end, enum tl_rc rc, struct tl_sv text)
{
    for (size_t i = 0; i < j->call->n; i++)
        if (j->call->verdicts[i].end == CONNECTOR_NONE)
            j->call->verdicts[i] = (struct connector_verdict){.end = end, .rc = rc, .text = text};
}

/* The results are fetched again, whole, after a failure on the way: nothing is decided before all are there. */
static enum tl_rc finish(struct job *j, struct json job, struct tl_err *err)
{
    struct tl_sv state = json_text(json_gets(job, "state"), TL_SV(""));
    struct tl_sv why = json_text(json_gets(job, "errorMessage"), TL_SV(""));
    enum tl_rc rc = find_members(j, err);

    if (rc != TL_OK)
        return rc;
    rc = results(j, "successfulResults", false, err);

    if (rc == TL_OK)
        rc = results(j, "failedResults", true, err);
    if (rc != TL_OK) {
        memset(j->call->verdicts, 0, j->call->n * sizeof *j->call->verdicts);
        if (tl_rc_class(rc) == TL_CLASS_TRANSIENT || tl_rc_class(rc) == TL_CLASS_RATE_LIMIT) {
            wait_more(j, 0);
            j->call->next_poll_ms = err && err->retry_after_ms ? err->retry_after_ms : POLL_FIRST_MS;
            tl_err_clear(err);
            return TL_OK;
        }
        return rc;
    }
    why = connector_mask_cut(j->call, why, 300);
    if (tl_sv_eqs(state, "Failed") && tl_sv_find_sv(why, TL_SV("InvalidBatch")) < why.n) /* a header no field has */
        the_rest(j, j->call->n > 1 ? CONNECTOR_INNOCENT : CONNECTOR_FAILED, TL_INVALID, why);
    else if (tl_sv_eqs(state, "Failed"))
        the_rest(j, CONNECTOR_FAILED, TL_UPSTREAM, why.n ? why : TL_SV("the job failed without a reason"));
    else
        the_rest(j, CONNECTOR_INNOCENT, TL_CONFLICT, TL_SV("the job did not process this row"));
    return TL_OK;
}

static enum tl_rc resume(struct task *task, struct connector_call *call, enum sf_bulk_how how, struct tl_err *err)
{
    struct job j = {.task = task, .call = call, .t = call->operation, .how = how};
    struct sf_request req = {.method = "GET", .idempotent = true};
    struct sf_reply reply;
    struct tl_sv state;
    enum tl_rc rc;

    call->endpoint = tl_sv_str(j.t->object);
    if (!read_ticket(&j))
        return tl_fail(err, TL_BUG, "the ticket of a job cannot be read");
    req.path = tl_arena_printf(call->arena, "/jobs/ingest/%s", j.id);
    rc = sf_http(task, call, &req, &reply, err);
    if (rc != TL_OK && (tl_rc_class(rc) == TL_CLASS_TRANSIENT || tl_rc_class(rc) == TL_CLASS_RATE_LIMIT)) {
        wait_more(&j, 4 * POLL_FIRST_MS);
        if (err && err->retry_after_ms > (uint32_t)call->next_poll_ms)
            call->next_poll_ms = err->retry_after_ms;
        tl_err_clear(err);
        return TL_OK;
    }
    if (rc != TL_OK && reply.http.status == 404) {
        tl_err_clear(err);
        return TL_OK; /* no verdicts: what became of the rows nobody can tell any more */
    }
    if (rc != TL_OK)
        return rc;
    state = json_text(json_gets(reply.body, "state"), TL_SV(""));
    if (tl_sv_eqs(state, "Open")) { /* we were cut off before it was closed */
        rc = set_state(&j, "Aborted", &reply, err);
        if (rc == TL_OK)
            the_rest(&j, CONNECTOR_INNOCENT, TL_CONFLICT, TL_SV("the job had not been closed"));
        return rc;
    }
    if (tl_sv_eqs(state, "UploadComplete") || tl_sv_eqs(state, "InProgress")) {
        wait_more(&j, sf_bulk_age_ms(call, reply.body));
        return TL_OK;
    }
    return finish(&j, reply.body, err);
}

enum tl_rc sf_bulk_insert_resume(struct task *task, struct connector_call *call, struct tl_err *err)
{
    return resume(task, call, SF_BULK_INSERT, err);
}

enum tl_rc sf_bulk_update_resume(struct task *task, struct connector_call *call, struct tl_err *err)
{
    return resume(task, call, SF_BULK_UPDATE, err);
}

enum tl_rc sf_bulk_upsert_resume(struct task *task, struct connector_call *call, struct tl_err *err)
{
    return resume(task, call, SF_BULK_UPSERT, err);
}

enum tl_rc sf_bulk_delete_resume(struct task *task, struct connector_call *call, struct tl_err *err)
{
    return resume(task, call, SF_BULK_DELETE, err);
}

enum tl_rc sf_bulk_abort(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct job j = {.task = task, .call = call, .t = call->operation};
    struct sf_reply reply;
    enum tl_rc rc;

    if (!read_ticket(&j))
        return TL_OK;
    rc = set_state(&j, "Aborted", &reply, err);
    if (rc != TL_OK && reply.http.status >= 400 && reply.http.status < 500 && reply.http.status != 401) {
        tl_err_clear(err); /* it is done, or gone */
        return TL_OK;
    }
    return rc;
}
