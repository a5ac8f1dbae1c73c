/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobs.c - Prefer: respond-async. The request is carried out when it comes and its answer kept; the job shows it after
 * the delay as told. X-NetSuite-idempotency-key counts only here, as with the vendor. A batch is a job with a task for
 * each record; nothing in a task says which record it was about, but its result is the answer that the record alone
 * would have had, with Location. The vendor promises no order of the tasks: --shuffle-tasks.
 */
#include "netsuite/sim/sim_int.h"

#include <stdio.h>

#define SINGULAR "application/vnd.oracle.resource+json; type=singular"
#define COLLECTION "application/vnd.oracle.resource+json; type=collection"

struct job {
    int64_t id, done_ms;
    bool failed; /* some task of it */
};
struct task_row {
    int64_t no, status;
    struct tl_sv location, body;
};

static bool find_job(struct nsim *s, const char *sql, struct store_val p, struct job *ret)
{
    struct store_stmt *st;
    struct store_val v[3];
    bool there = false;

    if (store_prepare(s->db, sql, &st, NULL) != TL_OK)
        return false;
    there = store_one(st, &p, 1, v, 3, &there, NULL) == TL_OK && there;
    if (there)
        *ret = (struct job){v[0].i, v[1].i, v[2].i != 0};
    store_stmt_free(st);
    return there;
}
#define JOB_WHERE(what)                                                                                                \
    "SELECT id,done_at,(SELECT count(*) FROM task WHERE job=job.id AND status>=400) FROM job WHERE " what

static int64_t put_job(struct nsim *s, struct tl_sv key)
{
    struct store_stmt *st;
    struct store_val id = {0};
    bool there = false, ok;

    if (store_prepare(s->db, "INSERT INTO job(key,done_at) VALUES(?,?) RETURNING id", &st, NULL) != TL_OK)
        return 0;
    ok = store_one(st, (const struct store_val[]){store_text(key), store_int(nsim_now_ms(s) + s->opt.job_delay)}, 2,
                   &id, 1, &there, NULL) == TL_OK &&
         there;
    store_stmt_free(st);
    return ok ? id.i : 0;
}

static bool put_task(struct nsim *s, int64_t job, int64_t no, const struct http_res *res)
{
    struct tl_sv location = TL_SV_NULL;
    struct store_stmt *st;
    bool ok;

    for (size_t i = 0; i < res->n_headers; i++)
        if (tl_sv_eqi(res->headers[i].name, TL_SV("location")))
            location = res->headers[i].value;
    if (store_prepare(s->db, "INSERT INTO task(job,no,status,body,location) VALUES(?,?,?,?,?)", &st, NULL) != TL_OK)
        return false;
    ok = store_run(st,
                   (const struct store_val[]){store_int(job), store_int(no), store_int(res->status),
                                              store_text(res->body.p ? res->body : TL_SV("")), store_text(location)},
                   5, NULL, NULL) == TL_OK;
    store_stmt_free(st);
    return ok;
}

static void point_to(struct http_req *req, struct http_res *res, int64_t id)
{
    (void)http_res_header(res, TL_SV("Location"),
                          tl_sv_str(tl_arena_printf(req->arena, "%.*s/services/rest/async/v1/job/%lld",
                                                    TL_SV_ARG(nsim_base(req)), (long long)id)),
                          NULL);
}

/* ---- carrying it out ---- */

bool nsim_is_collection(const struct http_req *req)
{
    struct tl_sv type = http_req_header(req, "content-type");

    return tl_sv_find_sv(type, TL_SV("type=collection")) < type.n;
}

/* A request as it would be alone; a lock is met by the task, not by the request that makes the job. */
static void run_one(struct nsim *s, struct http_req *req, struct tl_sv path, struct http_res *res)
{
    struct nsim_fault f = {0};

    http_res_init(res, req->arena);
    if (nsim_locked(s, &f) || !nsim_rest(s, req, res, path, &f))
        nsim_refuse(req, res, &f);
}

static void run_item(struct nsim *s, struct http_req *req, struct tl_sv path, struct json item, struct http_res *res)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv ext = json_text(json_gets(item, "externalId"), TL_SV_NULL),
                 id = json_text(json_gets(item, "id"), TL_SV_NULL);
    struct http_req alone = *req;
    struct nsim_fault f = {0};
    const char *at = NULL;

    tl_buf_init(&b, 16 << 20);
    (void)json_write(&b, item, 0);
    alone.body = tl_arena_sv(req->arena, tl_buf_view(&b));
    if (req->method == HTTP_POST)
        at = tl_arena_printf(req->arena, "%.*s", TL_SV_ARG(path));
    else if (id.n > 0 && req->method == HTTP_PATCH)
        at = tl_arena_printf(req->arena, "%.*s/%.*s", TL_SV_ARG(path), TL_SV_ARG(id));
    else if (ext.n > 0)
        at = tl_arena_printf(req->arena, "%.*s/eid:%.*s", TL_SV_ARG(path), TL_SV_ARG(ext));
    if (at) {
        run_one(s, &alone, tl_sv_str(at), res);
        return;
    }
    http_res_init(res, req->arena);
    (void)nsim_wrong(&f, 400, "INVALID_CONTENT", "o:errorPath", TL_SV("items"), "An item has no id.");
    nsim_refuse(req, res, &f);
}

static bool run_all(struct nsim *s, struct http_req *req, struct tl_sv path, int64_t job, struct json items)
{
    for (uint32_t i = 0; i < items.n; i++) {
        struct http_res res;

        run_item(s, req, path, items.u.items[i], &res);
        if (!put_task(s, job, s->opt.shuffle_tasks ? items.n - i : i + 1, &res))
            return false;
    }
    return true;
}

static bool many(struct http_req *req, struct json *ret_items, struct nsim_fault *f)
{
    struct json v;

    if (json_parse(req->arena, req->body, 0, NULL, &v, NULL) != TL_OK || json_gets(v, "items").type != JSON_ARRAY)
        return nsim_wrong(f, 400, "INVALID_CONTENT", NULL, TL_SV_NULL, "The body is not a collection.");
    *ret_items = json_gets(v, "items");
    return (ret_items->n > 0 && ret_items->n <= 100) ||
           nsim_wrong(f, 400, "INVALID_CONTENT", NULL, TL_SV_NULL, "A batch has from 1 to 100 records.");
}

bool nsim_job_start(struct nsim *s, struct http_req *req, struct http_res *res, struct tl_sv path, struct nsim_fault *f)
{
    struct tl_sv key = http_req_header(req, "x-netsuite-idempotency-key");
    struct json items = JSON_NOTHING;
    struct http_res inner;
    struct job old;
    int64_t id;
    bool ok;

    if (nsim_is_collection(req) && !many(req, &items, f))
        return false;
    if (key.n > 0 && find_job(s, JOB_WHERE("key=?"), store_text(key), &old)) {
        (void)nsim_wrong(f, 400, "IDEMPOTENCY_ERROR", "o:errorHeader", TL_SV("X-NetSuite-idempotency-key"),
                         "A request with this idempotency key exists already.");
        nsim_refuse(req, res, f);
        point_to(req, res, old.id);
        return true;
    }
    s->counts.jobs++;
    id = put_job(s, key.n > 0 ? key : TL_SV_NULL);
    if (items.type == JSON_ARRAY) {
        ok = id != 0 && run_all(s, req, path, id, items);
    } else {
        run_one(s, req, path, &inner);
        ok = id != 0 && put_task(s, id, 1, &inner);
    }
    if (!ok)
        return nsim_wrong(f, 500, "UNEXPECTED_ERROR", NULL, TL_SV_NULL, "An unexpected error occurred. Error ID: job");
    res->status = 202;
    (void)http_res_header(res, TL_SV("Preference-Applied"), TL_SV("respond-async"), NULL);
    point_to(req, res, id);
    return true;
}

/* ---- looking ---- */

static struct json link_to(struct http_req *req, const char *rel, const char *path)
{
    struct json_builder b;

    json_object_begin(&b, req->arena, 2);
    (void)json_adds(&b, "rel", json_str(rel));
    (void)json_adds(&b, "href",
                    json_printf(req->arena, "%.*s/services/rest/async/v1%s", TL_SV_ARG(nsim_base(req)), path));
    return json_end(&b);
}

static struct json links(struct http_req *req, const char *self, const char *related)
{
    struct json_builder list;

    json_array_begin(&list, req->arena, 2);
    if (related)
        (void)json_push(&list, link_to(req, "related", related));
    (void)json_push(&list, link_to(req, "self", self));
    return json_end(&list);
}

static const char *progress(bool done, bool failed)
{
    return !done ? "processing" : failed ? "failed" : "succeeded";
}

static void show_job(struct http_req *req, struct http_res *res, const struct job *j, bool done)
{
    const char *at = tl_arena_printf(req->arena, "/job/%lld", (long long)j->id);
    struct json_builder b, task;

    json_object_begin(&task, req->arena, 1);
    (void)json_adds(&task, "links", links(req, tl_arena_printf(req->arena, "%s/task", at), NULL));
    json_object_begin(&b, req->arena, 5);
    (void)json_adds(&b, "links", links(req, at, NULL));
    (void)json_adds(&b, "completed", json_bool(done));
    (void)json_adds(&b, "id", json_printf(req->arena, "%lld", (long long)j->id));
    (void)json_adds(&b, "progress", json_str(progress(done, j->failed)));
    (void)json_adds(&b, "task", json_end(&task));
    connector_sim_json(req, res, 200, SINGULAR, json_end(&b));
}

static struct json one_task(struct http_req *req, const struct job *j, const struct task_row *t, bool done, bool bare)
{
    const char *at = tl_arena_printf(req->arena, "/job/%lld/task/%lld", (long long)j->id, (long long)t->no);
    struct json_builder b;

    json_object_begin(&b, req->arena, 4);
    (void)json_adds(&b, "links", links(req, at, bare ? NULL : tl_arena_printf(req->arena, "%s/result", at)));
    (void)json_adds(&b, "id", json_printf(req->arena, "%lld", (long long)t->no));
    if (!bare) {
        (void)json_adds(&b, "completed", json_bool(done));
        (void)json_adds(&b, "progress", json_str(progress(done, t->status >= 400)));
    }
    return json_end(&b);
}

/* Lists of the vendor's REST services hold links and ids. What this one holds is written nowhere: --bare-tasks. */
static void show_tasks(struct nsim *s, struct http_req *req, struct http_res *res, const struct job *j, bool done)
{
    const struct store_val p = store_int(j->id);
    struct json_builder list, b;
    struct store_stmt *st;
    struct store_val v[2];
    bool there = true;

    json_array_begin(&list, req->arena, 16);
    if (store_prepare(s->db, "SELECT no,status FROM task WHERE job=? ORDER BY no", &st, NULL) == TL_OK) {
        there = store_query(st, &p, 1, NULL) == TL_OK;
        while (there && store_next(st, v, 2, &there, NULL) == TL_OK && there)
            (void)json_push(
                &list, one_task(req, j, &(struct task_row){.no = v[0].i, .status = v[1].i}, done, s->opt.bare_tasks));
        store_stmt_free(st);
    }
    json_object_begin(&b, req->arena, 4);
    (void)json_adds(&b, "items", json_end(&list));
    (void)json_adds(&b, "hasMore", json_bool(false));
    (void)json_adds(&b, "totalResults", json_int(json_end(&list).n));
    connector_sim_json(req, res, 200, COLLECTION, json_end(&b));
}

static bool find_task(struct nsim *s, struct tl_arena *a, int64_t job, int64_t no, struct task_row *ret)
{
    struct store_stmt *st;
    struct store_val v[4];
    bool there = false;

    if (store_prepare(s->db, "SELECT no,status,location,body FROM task WHERE job=? AND no=?", &st, NULL) != TL_OK)
        return false;
    there = store_query(st, (const struct store_val[]){store_int(job), store_int(no)}, 2, NULL) == TL_OK &&
            store_next(st, v, 4, &there, NULL) == TL_OK && there;
    if (there)
        *ret = (struct task_row){v[0].i, v[1].i, tl_arena_sv(a, v[2].s), tl_arena_sv(a, v[3].s)};
    store_stmt_free(st);
    return there;
}

/* "N" or "N/result" of a job; the result is the first answer again, status and headers included. */
static bool show_task(struct nsim *s, struct http_req *req, struct http_res *res, const struct job *j, bool done,
                      struct tl_sv path)
{
    struct tl_sv no;
    struct task_row t;
    int64_t n;

    (void)tl_sv_cut(&path, '/', &no);
    if (!tl_sv_i64(no, &n) || !find_task(s, req->arena, j->id, n, &t))
        return false;
    if (path.n == 0) {
        connector_sim_json(req, res, 200, SINGULAR, one_task(req, j, &t, done, false));
        return true;
    }
    if (!tl_sv_eqs(path, "result") || !done)
        return false;
    http_res_set(res, (int)t.status, t.body.n > 0 ? "application/vnd.oracle.resource+json" : NULL, t.body);
    if (t.location.n > 0)
        (void)http_res_header(res, TL_SV("Location"), t.location, NULL);
    return true;
}

/* path: "/ID", "/ID/task", "/ID/task/N", "/ID/task/N/result" */
bool nsim_job(struct nsim *s, struct http_req *req, struct http_res *res, struct tl_sv path, struct nsim_fault *f)
{
    struct tl_sv rest = tl_sv_from(path, 1), id;
    int64_t number;
    struct job j;
    bool done;

    if (!tl_sv_cut(&rest, '/', &id) || !tl_sv_i64(id, &number) ||
        !find_job(s, JOB_WHERE("id=?"), store_int(number), &j))
        return nsim_wrong(f, 404, "NONEXISTENT_ID", "o:errorUrl", path, "There is no such job.");
    done = nsim_now_ms(s) >= j.done_ms;
    if (rest.n == 0)
        show_job(req, res, &j, done);
    else if (tl_sv_eqs(rest, "task") || tl_sv_eqs(rest, "task/"))
        show_tasks(s, req, res, &j, done);
    else if (!tl_sv_starts(rest, TL_SV("task/")) || !show_task(s, req, res, &j, done, tl_sv_from(rest, 5)))
        return nsim_wrong(f, 404, "NONEXISTENT_ID", "o:errorUrl", path, "There is no such result (yet).");
    return true;
}
