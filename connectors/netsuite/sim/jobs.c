/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobs.c - Prefer: respond-async. The request is carried out when it comes and its answer kept; the job shows it after
 * the delay as told. X-NetSuite-idempotency-key counts only here, as with the vendor. A batch is a job with a task for
 * each record.
 */
#include "netsuite/sim/sim_int.h"

#include <stdio.h>

#define RESOURCE "application/vnd.oracle.resource+json; type=singular"

struct job {
    int64_t id, done_ms, status;
    struct tl_sv location, body;
};

static bool row(struct nsim *s, struct tl_arena *a, const char *sql, struct store_val p, struct job *ret)
{
    struct store_stmt *st;
    struct store_val v[5];
    bool there = false;

    if (store_prepare(s->db, sql, &st, NULL) != TL_OK)
        return false;
    if (store_query(st, &p, 1, NULL) == TL_OK && store_next(st, v, 5, &there, NULL) == TL_OK && there)
        *ret = (struct job){v[0].i, v[1].i, v[2].i, tl_arena_sv(a, v[3].s), tl_arena_sv(a, v[4].s)};
    store_stmt_free(st);
    return there;
}

static int64_t put(struct nsim *s, struct tl_sv key, const struct http_res *res)
{
    struct store_stmt *st;
    struct store_val id = {0};
    bool there = false, ok;
    struct tl_sv location = TL_SV_NULL;

    for (size_t i = 0; i < res->n_headers; i++)
        if (tl_sv_eqi(res->headers[i].name, TL_SV("location")))
            location = res->headers[i].value;
    if (store_prepare(s->db, "INSERT INTO job(key,done_at,status,location,body) VALUES(?,?,?,?,?) RETURNING id", &st,
                      NULL) != TL_OK)
        return 0;
    ok = store_one(st,
                   (const struct store_val[]){store_text(key), store_int(nsim_now_ms(s) + s->opt.job_delay),
                                              store_int(res->status), store_text(location),
                                              store_text(res->body.p ? res->body : TL_SV(""))},
                   5, &id, 1, &there, NULL) == TL_OK &&
         there;
    store_stmt_free(st);
    return ok ? id.i : 0;
}

static void point_to(struct http_req *req, struct http_res *res, int64_t id)
{
    (void)http_res_header(res, TL_SV("Location"),
                          tl_sv_str(tl_arena_printf(req->arena, "%.*s/services/rest/async/v1/job/%lld",
                                                    TL_SV_ARG(nsim_base(req)), (long long)id)),
                          NULL);
}

/* ---- many records in one request ---- */

bool nsim_is_collection(const struct http_req *req)
{
    struct tl_sv type = http_req_header(req, "content-type");

    return tl_sv_find_sv(type, TL_SV("type=collection")) < type.n;
}

static bool put_task(struct nsim *s, int64_t job, uint32_t no, const struct http_res *res)
{
    struct store_stmt *st;
    bool ok;

    if (store_prepare(s->db, "INSERT INTO task(job,no,status,body) VALUES(?,?,?,?)", &st, NULL) != TL_OK)
        return false;
    ok = store_run(st,
                   (const struct store_val[]){store_int(job), store_int(no), store_int(res->status),
                                              store_text(res->body.p ? res->body : TL_SV(""))},
                   4, NULL, NULL) == TL_OK;
    store_stmt_free(st);
    return ok;
}

/* An item as the request it would be alone. */
static void run_item(struct nsim *s, struct http_req *req, struct tl_sv path, struct json item, struct http_res *res)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv ext = json_text(json_gets(item, "externalId"), TL_SV_NULL),
                 id = json_text(json_gets(item, "id"), TL_SV_NULL);
    struct http_req alone = *req;
    struct nsim_fault f = {0};
    const char *at = NULL;

    http_res_init(res, req->arena);
    tl_buf_init(&b, 16 << 20);
    (void)json_write(&b, item, 0);
    alone.body = tl_arena_sv(req->arena, tl_buf_view(&b));
    if (req->method == HTTP_POST)
        at = tl_arena_printf(req->arena, "%.*s", TL_SV_ARG(path));
    else if (id.n > 0 && req->method == HTTP_PATCH)
        at = tl_arena_printf(req->arena, "%.*s/%.*s", TL_SV_ARG(path), TL_SV_ARG(id));
    else if (ext.n > 0)
        at = tl_arena_printf(req->arena, "%.*s/eid:%.*s", TL_SV_ARG(path), TL_SV_ARG(ext));
    if (!at)
        (void)nsim_wrong(&f, 400, "INVALID_CONTENT", "o:errorPath", TL_SV("items"), "An item has no id.");
    if (!at || !nsim_rest(s, &alone, res, tl_sv_str(at), &f))
        nsim_refuse(req, res, &f);
}

static bool run_all(struct nsim *s, struct http_req *req, struct tl_sv path, int64_t job, struct json items)
{
    for (uint32_t i = 0; i < items.n; i++) {
        struct http_res res;

        run_item(s, req, path, items.u.items[i], &res);
        if (!put_task(s, job, i + 1, &res))
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

/* The tasks of a job of many records. */
static bool show_tasks(struct nsim *s, struct http_req *req, struct http_res *res, const struct job *j, bool done)
{
    const struct store_val p = store_int(j->id);
    struct json_builder list, b;
    struct store_stmt *st;
    struct store_val v[2];
    bool there = true;

    json_array_begin(&list, req->arena, 16);
    if (store_prepare(s->db, "SELECT no,status FROM task WHERE job=? ORDER BY no", &st, NULL) != TL_OK)
        return false;
    if (store_query(st, &p, 1, NULL) != TL_OK)
        there = false;
    while (there && store_next(st, v, 2, &there, NULL) == TL_OK && there) {
        struct json_builder one;

        json_object_begin(&one, req->arena, 3);
        (void)json_adds(&one, "id", json_printf(req->arena, "%lld", (long long)v[0].i));
        (void)json_adds(&one, "completed", json_bool(done));
        (void)json_adds(&one, "progress", json_str(!done ? "processing" : v[1].i < 400 ? "succeeded" : "failed"));
        (void)json_push(&list, json_end(&one));
    }
    store_stmt_free(st);
    if (json_end(&list).n == 0)
        return false;
    json_object_begin(&b, req->arena, 2);
    (void)json_adds(&b, "items", json_end(&list));
    (void)json_adds(&b, "totalResults", json_int(json_end(&list).n));
    connector_sim_json(req, res, 200, "application/vnd.oracle.resource+json; type=collection", json_end(&b));
    return true;
}

bool nsim_job_start(struct nsim *s, struct http_req *req, struct http_res *res, struct tl_sv path, struct nsim_fault *f)
{
    struct tl_sv key = http_req_header(req, "x-netsuite-idempotency-key");
    struct json items = JSON_NOTHING;
    struct http_res inner;
    struct job old;
    int64_t id;

    if (nsim_is_collection(req) && !many(req, &items, f))
        return false;

    if (key.n > 0 &&
        row(s, req->arena, "SELECT id,done_at,status,location,body FROM job WHERE key=?", store_text(key), &old)) {
        (void)nsim_wrong(f, 400, "IDEMPOTENCY_ERROR", "o:errorHeader", TL_SV("X-NetSuite-idempotency-key"),
                         "A request with this idempotency key exists already.");
        nsim_refuse(req, res, f);
        point_to(req, res, old.id);
        return true;
    }
    http_res_init(&inner, req->arena);
    if (items.type != JSON_ARRAY && !nsim_rest(s, req, &inner, path, f))
        nsim_refuse(req, &inner, f);
    s->counts.jobs++;
    id = put(s, key.n > 0 ? key : TL_SV_NULL, &inner);
    if (id == 0 || (items.type == JSON_ARRAY && !run_all(s, req, path, id, items)))
        return nsim_wrong(f, 500, "UNEXPECTED_ERROR", NULL, TL_SV_NULL, "An unexpected error occurred. Error ID: job");
    res->status = 202;
    (void)http_res_header(res, TL_SV("Preference-Applied"), TL_SV("respond-async"), NULL);
    point_to(req, res, id);
    return true;
}

static struct json links(struct http_req *req, const char *rel, const char *path)
{
    struct json_builder list, one;

    json_object_begin(&one, req->arena, 2);
    (void)json_adds(&one, "rel", json_str(rel));
    (void)json_adds(&one, "href",
                    json_printf(req->arena, "%.*s/services/rest/async/v1%s", TL_SV_ARG(nsim_base(req)), path));
    json_array_begin(&list, req->arena, 1);
    (void)json_push(&list, json_end(&one));
    return json_end(&list);
}

static void show_job(struct http_req *req, struct http_res *res, const struct job *j, bool done)
{
    const char *at = tl_arena_printf(req->arena, "/job/%lld", (long long)j->id);
    struct json_builder b, task;

    json_object_begin(&task, req->arena, 1);
    (void)json_adds(&task, "links", links(req, "self", tl_arena_printf(req->arena, "%s/task", at)));
    json_object_begin(&b, req->arena, 5);
    (void)json_adds(&b, "links", links(req, "self", at));
    (void)json_adds(&b, "completed", json_bool(done));
    (void)json_adds(&b, "id", json_printf(req->arena, "%lld", (long long)j->id));
    (void)json_adds(&b, "progress", json_str(!done ? "processing" : j->status < 400 ? "succeeded" : "failed"));
    (void)json_adds(&b, "task", json_end(&task));
    connector_sim_json(req, res, 200, RESOURCE, json_end(&b));
}

static void show_task(struct http_req *req, struct http_res *res, const struct job *j, bool done)
{
    struct json_builder b;

    json_object_begin(&b, req->arena, 4);
    (void)json_adds(&b, "links",
                    links(req, "related", tl_arena_printf(req->arena, "/job/%lld/task/1/result", (long long)j->id)));
    (void)json_adds(&b, "completed", json_bool(done));
    (void)json_adds(&b, "id", json_str("1"));
    (void)json_adds(&b, "progress", json_str(!done ? "processing" : j->status < 400 ? "succeeded" : "failed"));
    connector_sim_json(req, res, 200, RESOURCE, json_end(&b));
}

/* path: "/ID", "/ID/task", "/ID/task/1", "/ID/task/1/result" */
bool nsim_job(struct nsim *s, struct http_req *req, struct http_res *res, struct tl_sv path, struct nsim_fault *f)
{
    struct tl_sv rest = tl_sv_from(path, 1), id;
    int64_t number;
    struct job j;
    bool done;

    if (!tl_sv_cut(&rest, '/', &id) || !tl_sv_i64(id, &number) ||
        !row(s, req->arena, "SELECT id,done_at,status,location,body FROM job WHERE id=?", store_int(number), &j))
        return nsim_wrong(f, 404, "NONEXISTENT_ID", "o:errorUrl", path, "There is no such job.");
    done = nsim_now_ms(s) >= j.done_ms;
    if (rest.n == 0) {
        show_job(req, res, &j, done);
    } else if (tl_sv_eqs(rest, "task") && show_tasks(s, req, res, &j, done)) {
        return true;
    } else if (tl_sv_eqs(rest, "task") || tl_sv_eqs(rest, "task/1")) {
        show_task(req, res, &j, done);
    } else if (tl_sv_eqs(rest, "task/1/result") && done) { /* the first answer again, status and headers included */
        http_res_set(res, (int)j.status, j.body.n > 0 ? "application/vnd.oracle.resource+json" : NULL, j.body);
        if (j.location.n > 0)
            (void)http_res_header(res, TL_SV("Location"), j.location, NULL);
    } else {
        return nsim_wrong(f, 404, "NONEXISTENT_ID", "o:errorUrl", path, "There is no such result (yet).");
    }
    return true;
}
