/* SPDX-License-Identifier: Apache-2.0 */
/* composite.c - several requests in one: /composite with references between them, /batch, /tree, /graph. */
#include "salesforce/sim/sim_int.h"

#include <stdio.h>

enum { SUBREQUESTS = 25, TREE = 200, GRAPH_NODES = 500, DEPTH = 64 };

struct part {
    struct tl_sv reference;
    struct sfsim_answer ans;
};
struct run {
    const struct sfsim_req *req;
    struct part *parts;
    size_t n, most;
};

static void refuse(const struct sfsim_req *req, struct sfsim_answer *ans, const char *code, const char *text)
{
    struct sfsim_fault f;

    (void)sfsim_refuse(&f, req->arena, 400, code, TL_SV_NULL, "%s", text);
    sfsim_fail(req, ans, &f);
}

/* ---- references: @{ref.id}, @{ref.records[0].Id} ---- */

static struct json member_any_case(struct json v, struct tl_sv name)
{
    for (uint32_t i = 0; v.type == JSON_OBJECT && i < v.n; i++)
        if (tl_sv_eqi(json_view(v.u.members[i].key), name))
            return v.u.members[i].value;
    return JSON_NOTHING;
}

static struct json resolve(struct run *r, struct tl_sv path)
{
    struct tl_sv step;
    struct json v = JSON_NOTHING;

    if (!tl_sv_cut(&path, '.', &step))
        return v;
    for (size_t i = 0; i < r->n; i++)
        if (tl_sv_eq(r->parts[i].reference, step) && r->parts[i].ans.status < 300)
            v = r->parts[i].ans.body;
    while (path.n > 0 && tl_sv_cut(&path, '.', &step)) {
        size_t bracket = tl_sv_find(step, '[');
        uint64_t at = 0;

        v = bracket > 0 ? member_any_case(v, tl_sv(step.p, bracket)) : v;
        if (bracket < step.n && tl_sv_u64(tl_sv(step.p + bracket + 1, step.n - bracket - 2), &at))
            v = json_at(v, at);
    }
    return v;
}

/* false: a reference has no value. */
static bool fill_text(struct run *r, struct tl_sv s, struct tl_sv *ret)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    *ret = s;
    if (tl_sv_find_sv(s, TL_SV("@{")) == s.n)
        return true;
    tl_buf_init(&b, 1 << 20);
    while (s.n > 0) {
        size_t at = tl_sv_find_sv(s, TL_SV("@{")), end;
        struct tl_sv value;

        (void)tl_buf_put(&b, s.p, at);
        if (at == s.n)
            break;
        end = at + tl_sv_find(tl_sv_from(s, at), '}');
        value = sfsim_scalar(r->req->arena, resolve(r, tl_sv(s.p + at + 2, end - at - 2)));
        if (!value.p)
            return false;
        (void)tl_buf_sv(&b, value);
        s = tl_sv_from(s, end + 1);
    }
    *ret = tl_arena_sv(r->req->arena, tl_buf_view(&b));
    return !b.failed && ret->p;
}

static bool fill(struct run *r, struct json v, struct json *ret, int depth)
{
    struct json_builder b;
    struct tl_sv s;

    *ret = v;
    if (v.type == JSON_STRING) {
        if (!fill_text(r, json_view(v), &s))
            return false;
        *ret = json_sv(s);
    } else if (v.type == JSON_OBJECT && depth < DEPTH) {
        json_object_begin(&b, r->req->arena, v.n);
        for (uint32_t i = 0; i < v.n; i++) {
            struct json one;

            if (!fill(r, v.u.members[i].value, &one, depth + 1))
                return false;
            (void)json_add(&b, json_view(v.u.members[i].key), one);
        }
        *ret = json_end(&b);
    } else if (v.type == JSON_ARRAY && depth < DEPTH) {
        json_array_begin(&b, r->req->arena, v.n);
        for (uint32_t i = 0; i < v.n; i++) {
            struct json one;

            if (!fill(r, v.u.items[i], &one, depth + 1))
                return false;
            (void)json_push(&b, one);
        }
        *ret = json_end(&b);
    }
    return true;
}

/* ---- one subrequest ---- */

/* "/services/data/v60.0/sobjects/..." or "v60.0/sobjects/..." */
static bool sub_address(struct sfsim_req *sub, struct tl_sv url)
{
    struct tl_sv version;
    size_t q;
    double v;

    if (tl_sv_starts(url, TL_SV("/services/data/")))
        url = tl_sv_from(url, 15);
    else if (url.n > 0 && url.p[0] == '/')
        url = tl_sv_from(url, 1);
    version = tl_sv(url.p, tl_sv_find(url, '/'));
    if (version.n < 2 || version.p[0] != 'v' || !tl_sv_double(tl_sv_from(version, 1), &v))
        return false;
    url = tl_sv_from(url, version.n);
    q = tl_sv_find(url, '?');
    sub->version = (int)v;
    sub->path = tl_sv(url.p, q);
    sub->query = q < url.n ? tl_sv_from(url, q + 1) : TL_SV_NULL;
    return true;
}

static void run_one(struct run *r, struct json request, const char *body_name)
{
    struct part *p = &r->parts[r->n];
    struct sfsim_req sub = *r->req;
    struct tl_sv url;
    struct sfsim_fault f;

    p->reference = json_text(json_gets(request, "referenceId"), TL_SV(""));
    sub.method = json_text(json_gets(request, "method"), TL_SV("GET"));
    if (!fill_text(r, json_text(json_gets(request, "url"), TL_SV("")), &url) ||
        !fill(r, json_gets(request, body_name), &sub.body, 0)) {
        (void)sfsim_refuse(&f, r->req->arena, 400, "PROCESSING_HALTED", TL_SV_NULL,
                           "Invalid reference specified. No value for a referenced field was found.");
        sfsim_fail(r->req, &p->ans, &f);
    } else if (!sub_address(&sub, url)) {
        (void)sfsim_refuse(&f, r->req->arena, 404, "NOT_FOUND", TL_SV_NULL, "The requested resource does not exist");
        sfsim_fail(r->req, &p->ans, &f);
    } else {
        sfsim_handle(&sub, &p->ans);
    }
    r->n++;
}

static bool begin(struct run *r, const struct sfsim_req *req, struct json requests, size_t most,
                  struct sfsim_answer *ans)
{
    *r = (struct run){.req = req, .most = most};
    if (requests.type != JSON_ARRAY || requests.n == 0 || requests.n > most) {
        refuse(req, ans, "INVALID_INPUT", "the number of subrequests is zero or above the limit");
        return false;
    }
    r->parts = tl_arena_zalloc(req->arena, requests.n * sizeof *r->parts);
    return r->parts != NULL;
}

static bool any_failed(const struct run *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->parts[i].ans.status >= 300)
            return true;
    return false;
}

static struct json halted(const struct sfsim_req *req, const char *code, const char *text)
{
    struct sfsim_fault f;
    struct json_builder list;

    (void)sfsim_refuse(&f, req->arena, 400, code, TL_SV_NULL, "%s", text);
    json_array_begin(&list, req->arena, 1);
    (void)json_push(&list, sfsim_fault_json(req->arena, &f, false));
    return json_end(&list);
}

/* All or none: what did not fail itself is shown as halted. */
static void halt_others(struct run *r)
{
    sfsim_rollback(r->req->sim->db);
    (void)sfsim_begin(r->req->sim->db);
    for (size_t i = 0; i < r->n; i++)
        if (r->parts[i].ans.status < 300)
            r->parts[i].ans = (struct sfsim_answer){
                .status = 400,
                .body = halted(r->req, "PROCESSING_HALTED",
                               "The transaction was rolled back since another operation in the same transaction "
                               "failed.")};
}

static struct json responses(const struct run *r)
{
    struct json_builder list;

    json_array_begin(&list, r->req->arena, r->n);
    for (size_t i = 0; i < r->n; i++) {
        const struct sfsim_answer *a = &r->parts[i].ans;
        struct json_builder b, none;

        json_object_begin(&none, r->req->arena, 1);
        json_object_begin(&b, r->req->arena, 4);
        (void)json_adds(&b, "body", a->body.type == JSON_UNDEFINED ? json_null() : a->body);
        (void)json_adds(&b, "httpHeaders", a->headers.type == JSON_OBJECT ? a->headers : json_end(&none));
        (void)json_adds(&b, "httpStatusCode", json_int(a->status));
        (void)json_adds(&b, "referenceId", json_sv(r->parts[i].reference));
        (void)json_push(&list, json_end(&b));
    }
    return json_end(&list);
}

static struct json wrap(struct tl_arena *a, const char *name, struct json v)
{
    struct json_builder b;

    json_object_begin(&b, a, 2);
    (void)json_adds(&b, name, v);
    return json_end(&b);
}

static bool is_true(struct json v)
{
    return v.type == JSON_BOOL && v.u.b;
}

void sfsim_composite(const struct sfsim_req *req, struct sfsim_answer *ans)
{
    struct json requests = json_gets(req->body, "compositeRequest");
    bool all = is_true(json_gets(req->body, "allOrNone"));
    struct run r;

    if (!begin(&r, req, requests, SUBREQUESTS, ans))
        return;
    for (uint32_t i = 0; i < requests.n; i++)
        if (json_text(json_gets(requests.u.items[i], "referenceId"), TL_SV("")).n == 0) {
            refuse(req, ans, "JSON_PARSER_ERROR", "Missing required field: referenceId");
            return;
        }
    for (uint32_t i = 0; i < requests.n; i++)
        run_one(&r, requests.u.items[i], "body");
    if (all && any_failed(&r))
        halt_others(&r);
    *ans = (struct sfsim_answer){.status = 200, .body = wrap(req->arena, "compositeResponse", responses(&r))};
}

void sfsim_composite_batch(const struct sfsim_req *req, struct sfsim_answer *ans)
{
    struct json requests = json_gets(req->body, "batchRequests");
    bool halt = is_true(json_gets(req->body, "haltOnError"));
    struct json_builder b, list;
    struct run r;

    if (!begin(&r, req, requests, SUBREQUESTS, ans))
        return;
    json_array_begin(&list, req->arena, requests.n);
    for (uint32_t i = 0; i < requests.n; i++) {
        struct json_builder one;

        if (halt && any_failed(&r))
            r.parts[r.n++].ans = (struct sfsim_answer){
                .status = 412, .body = halted(req, "BATCH_PROCESSING_HALTED", "Batch processing halted")};
        else
            run_one(&r, requests.u.items[i], "richInput");
        json_object_begin(&one, req->arena, 2);
        (void)json_adds(&one, "statusCode", json_int(r.parts[i].ans.status));
        (void)json_adds(&one, "result", r.parts[i].ans.body.type == JSON_UNDEFINED ? json_null() : r.parts[i].ans.body);
        (void)json_push(&list, json_end(&one));
    }
    json_object_begin(&b, req->arena, 2);
    (void)json_adds(&b, "hasErrors", json_bool(any_failed(&r)));
    (void)json_adds(&b, "results", json_end(&list));
    *ans = (struct sfsim_answer){.status = 200, .body = json_end(&b)};
}

/* Each graph is all or none by itself. */
void sfsim_composite_graph(const struct sfsim_req *req, struct sfsim_answer *ans)
{
    struct json graphs = json_gets(req->body, "graphs");
    struct json_builder list;
    size_t nodes = 0;

    for (uint32_t i = 0; graphs.type == JSON_ARRAY && i < graphs.n; i++)
        nodes += json_gets(graphs.u.items[i], "compositeRequest").n;
    if (graphs.type != JSON_ARRAY || nodes == 0 || nodes > GRAPH_NODES) {
        refuse(req, ans, "INVALID_INPUT", "a graph request has from 1 to 500 nodes");
        return;
    }
    json_array_begin(&list, req->arena, graphs.n);
    for (uint32_t i = 0; i < graphs.n; i++) {
        struct json requests = json_gets(graphs.u.items[i], "compositeRequest");
        struct json_builder b;
        struct run r;

        if (!begin(&r, req, requests, GRAPH_NODES, ans))
            return;
        (void)sfsim_commit(req->sim->db); /* what earlier graphs did stays */
        (void)sfsim_begin(req->sim->db);
        for (uint32_t k = 0; k < requests.n; k++)
            run_one(&r, requests.u.items[k], "body");
        json_object_begin(&b, req->arena, 3);
        (void)json_adds(&b, "graphId", json_gets(graphs.u.items[i], "graphId"));
        (void)json_adds(&b, "isSuccessful", json_bool(!any_failed(&r)));
        if (any_failed(&r))
            halt_others(&r);
        (void)json_adds(&b, "graphResponse", wrap(req->arena, "compositeResponse", responses(&r)));
        (void)json_push(&list, json_end(&b));
    }
    *ans = (struct sfsim_answer){.status = 200, .body = wrap(req->arena, "graphs", json_end(&list))};
}

/* ---- tree ---- */

struct tree {
    const struct sfsim_req *req;
    struct json_builder results, errors;
    size_t n;
    bool bad;
};

static void tree_record(struct tree *t, struct json r, const struct sfsim_object *o, const struct sfsim_field *parent,
                        const char *parent_id, int level);

/* "Contacts": {"records": [...]} within an Account */
static bool tree_children(struct tree *t, struct json v, const char *id, int level)
{
    struct json records = json_gets(v, "records");

    if (v.type != JSON_OBJECT || records.type != JSON_ARRAY)
        return false;
    for (uint32_t i = 0; i < records.n; i++) {
        struct tl_sv type = json_text(json_gets(json_gets(records.u.items[i], "attributes"), "type"), TL_SV(""));
        const struct sfsim_object *o = sfsim_object(t->req->sim->schema, type);
        const struct sfsim_object *up = sfsim_object_of_id(t->req->sim->schema, tl_sv_str(id));
        const struct sfsim_field *f = NULL;

        for (size_t k = 0; o && up && k < o->n_fields && !f; k++)
            if (!o->fields[k].system && tl_sv_eq(o->fields[k].reference, up->name))
                f = &o->fields[k];
        tree_record(t, records.u.items[i], o, f, id, level + 1);
    }
    return true;
}

static void tree_record(struct tree *t, struct json r, const struct sfsim_object *o, const struct sfsim_field *parent,
                        const char *parent_id, int level)
{
    struct tl_arena *a = t->req->arena;
    struct json reference = json_gets(json_gets(r, "attributes"), "referenceId");
    struct json_builder own, b, errors;
    struct sfsim_saved s = {0};

    json_object_begin(&own, a, r.n + 1);
    for (uint32_t i = 0; r.type == JSON_OBJECT && i < r.n; i++)
        if (json_gets(r.u.members[i].value, "records").type != JSON_ARRAY)
            (void)json_add(&own, json_view(r.u.members[i].key), r.u.members[i].value);
    if (parent)
        (void)json_set(&own, parent->name, json_sv(tl_arena_sv(a, tl_sv_str(parent_id))));
    t->n++;
    if (!o || level > 5 || t->n > TREE)
        (void)sfsim_refuse(&s.fault, a, 400, "INVALID_INPUT", TL_SV_NULL,
                           "a tree has known types, 5 levels and 200 records at most");
    else
        sfsim_create(t->req, o, json_end(&own), &s);
    json_object_begin(&b, a, 2);
    (void)json_adds(&b, "referenceId", reference.type == JSON_STRING ? reference : json_str(""));
    if (s.ok) {
        (void)json_adds(&b, "id", json_sv(tl_arena_sv(a, tl_sv_str(s.id))));
        (void)json_push(&t->results, json_end(&b));
        for (uint32_t i = 0; i < r.n; i++)
            (void)tree_children(t, r.u.members[i].value, s.id, level);
        return;
    }
    t->bad = true;
    json_array_begin(&errors, a, 1);
    (void)json_push(&errors, sfsim_fault_json(a, &s.fault, true));
    (void)json_adds(&b, "errors", json_end(&errors));
    (void)json_push(&t->errors, json_end(&b));
}

void sfsim_composite_tree(const struct sfsim_req *req, struct tl_sv object, struct sfsim_answer *ans)
{
    const struct sfsim_object *o = sfsim_object(req->sim->schema, object);
    struct json records = json_gets(req->body, "records");
    struct tree t = {.req = req};
    struct json_builder b;

    if (!o || records.type != JSON_ARRAY) {
        refuse(req, ans, "INVALID_INPUT", "the request has no records of an object that is known");
        return;
    }
    json_array_begin(&t.results, req->arena, records.n);
    json_array_begin(&t.errors, req->arena, 1);
    for (uint32_t i = 0; i < records.n; i++)
        tree_record(&t, records.u.items[i], o, NULL, NULL, 1);
    if (t.bad) {
        sfsim_rollback(req->sim->db);
        (void)sfsim_begin(req->sim->db);
    }
    json_object_begin(&b, req->arena, 2);
    (void)json_adds(&b, "hasErrors", json_bool(t.bad));
    (void)json_adds(&b, "results", t.bad ? json_end(&t.errors) : json_end(&t.results));
    *ans = (struct sfsim_answer){.status = t.bad ? 400 : 201, .body = json_end(&b)};
}
