/* SPDX-License-Identifier: Apache-2.0 */
/* suiteql.c - POST /services/rest/query/v1/suiteql: a page of a query's rows. Values are texts, nulls are left out. */
#include "netsuite/sim/sim_int.h"

enum { PAGE = 1000, MOST = 100000, COLUMNS = 200, PARAMS = 100, SQL_MAX = 1 << 20 };

struct page {
    uint64_t limit, offset;
};

static bool read_page(struct http_req *req, struct page *p, struct nsim_fault *f)
{
    struct tl_sv l = nsim_query(req, "limit"), o = nsim_query(req, "offset");

    *p = (struct page){PAGE, 0};
    if ((l.p && !tl_sv_u64(l, &p->limit)) || p->limit == 0 || p->limit > PAGE)
        return nsim_wrong(f, 400, "INVALID_PARAMETER", "o:errorQueryParam", TL_SV("limit"),
                          "The limit must be from 1 to 1000.");
    if ((o.p && !tl_sv_u64(o, &p->offset)) || p->offset % p->limit != 0)
        return nsim_wrong(f, 400, "INVALID_PARAMETER", "o:errorQueryParam", TL_SV("offset"),
                          "The offset must be a multiple of the limit.");
    if (p->offset + p->limit > MOST)
        return nsim_wrong(f, 400, "INVALID_PARAMETER", "o:errorQueryParam", TL_SV("offset"),
                          "A query gives at most 100,000 rows: narrow it down.");
    return true;
}

static bool read_params(struct http_req *req, struct json list, struct store_val *p, size_t *n, struct nsim_fault *f)
{
    *n = 0;
    if (list.type == JSON_UNDEFINED)
        return true;
    for (uint32_t i = 0; list.type == JSON_ARRAY && i < list.n && i < PARAMS; i++) {
        struct json v = list.u.items[i];
        int64_t number;

        if (v.type == JSON_STRING)
            p[(*n)++] = store_text(json_view(v));
        else if (json_int64(v, &number))
            p[(*n)++] = store_int(number);
        else
            return nsim_wrong(f, 400, "INVALID_CONTENT", "o:errorPath", TL_SV("params"),
                              "A parameter must be a text or a number.");
    }
    (void)req;
    return list.type == JSON_ARRAY ||
           nsim_wrong(f, 400, "INVALID_CONTENT", "o:errorPath", TL_SV("params"), "params must be a list.");
}

static struct json no_links(struct tl_arena *a)
{
    struct json_builder b;

    json_array_begin(&b, a, 1);
    return json_end(&b);
}

static struct json show_row(struct tl_arena *a, const struct store_stmt *st, const struct store_val *v, size_t n)
{
    struct json_builder b;
    size_t unnamed = 0;

    json_object_begin(&b, a, n + 1);
    (void)json_adds(&b, "links", no_links(a));
    for (size_t i = 0; i < n; i++) {
        struct tl_sv name = tl_sv_str(store_column_name(st, i));
        char *copy = tl_arena_strndup(a, name.p, name.n);

        if (tl_sv_ends(name, TL_SV("_")) || tl_sv_eqs(name, "rownum"))
            continue;
        for (size_t k = 0; copy && k < name.n; k++) {
            copy[k] = copy[k] >= 'A' && copy[k] <= 'Z' ? (char)(copy[k] + 32) : copy[k];
            if (strchr(" (*+'|", copy[k])) {
                copy = tl_arena_printf(a, "expr%zu", ++unnamed);
                break;
            }
        }
        if (v[i].type == STORE_INT)
            (void)json_adds(&b, copy, json_printf(a, "%lld", (long long)v[i].i));
        else if (v[i].type != STORE_NULL)
            (void)json_adds(&b, copy, json_str_copy(a, v[i].s));
    }
    return json_end(&b);
}

static bool count_rows(struct nsim *s, const char *sql, const struct store_val *p, size_t n, int64_t *ret,
                       struct nsim_fault *f)
{
    char *all = tl_sprintf("SELECT count(*) FROM (%s)", sql);
    struct store_stmt *st;
    struct store_val v = {0};
    bool there = false;
    struct tl_err err = {0};
    enum tl_rc rc = store_prepare(s->db, all, &st, &err);

    tl_free(all);
    if (rc == TL_OK) {
        rc = store_one(st, p, n, &v, 1, &there, &err);
        store_stmt_free(st);
    }
    *ret = v.i;
    return rc == TL_OK ||
           nsim_wrong(f, 400, "INVALID_PARAMETER", "o:errorQueryParam", TL_SV("q"),
                      "Invalid search query. Detailed unprocessed description follows. Search error occurred: %s",
                      err.text);
}

static void answer(struct http_req *req, struct http_res *res, const struct page *p, struct json items, int64_t total)
{
    struct json_builder b, links, next;
    bool more = (int64_t)(p->offset + p->limit) < total;

    json_array_begin(&links, req->arena, 1);
    if (more) {
        json_object_begin(&next, req->arena, 2);
        (void)json_adds(&next, "rel", json_str("next"));
        (void)json_adds(&next, "href",
                        json_printf(req->arena, "%.*s/services/rest/query/v1/suiteql?limit=%llu&offset=%llu",
                                    TL_SV_ARG(nsim_base(req)), (unsigned long long)p->limit,
                                    (unsigned long long)p->offset + p->limit));
        (void)json_push(&links, json_end(&next));
    }
    json_object_begin(&b, req->arena, 6);
    (void)json_adds(&b, "links", json_end(&links));
    (void)json_adds(&b, "count", json_int(items.n));
    (void)json_adds(&b, "hasMore", json_bool(more));
    (void)json_adds(&b, "items", items);
    (void)json_adds(&b, "offset", json_int((int64_t)p->offset));
    (void)json_adds(&b, "totalResults", json_int(total));
    connector_sim_json(req, res, 200, "application/vnd.oracle.resource+json; type=collection", json_end(&b));
}

static bool rows(struct nsim *s, struct http_req *req, const char *sql, const struct store_val *p, size_t n,
                 const struct page *page, struct json *ret, struct nsim_fault *f)
{
    char *limited = tl_sprintf("SELECT * FROM (%s) LIMIT %llu OFFSET %llu", sql, (unsigned long long)page->limit,
                               (unsigned long long)page->offset);
    struct store_val v[COLUMNS];
    struct json_builder items;
    struct store_stmt *st = NULL;
    bool there = true;
    size_t columns = 0;
    enum tl_rc rc = store_prepare(s->db, limited, &st, NULL);

    tl_free(limited);
    json_array_begin(&items, req->arena, page->limit);
    if (rc == TL_OK) {
        columns = store_columns(st);
        rc = columns > COLUMNS ? TL_LIMIT : store_query(st, p, n, NULL);
    }
    while (rc == TL_OK && (rc = store_next(st, v, columns, &there, NULL)) == TL_OK && there)
        (void)json_push(&items, show_row(req->arena, st, v, columns));
    store_stmt_free(st);
    *ret = json_end(&items);
    return rc == TL_OK ||
           nsim_wrong(f, 400, "INVALID_PARAMETER", "o:errorQueryParam", TL_SV("q"), "Invalid search query.");
}

bool nsim_suiteql(struct nsim *s, struct http_req *req, struct http_res *res, struct nsim_fault *f)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf sql = {0};
    struct store_val p[PARAMS];
    struct page page;
    struct json body, items;
    int64_t total;
    size_t n;

    if (!tl_sv_eqi(http_req_header(req, "prefer"), TL_SV("transient")))
        return nsim_wrong(f, 400, "INVALID_HEADER", "o:errorHeader", TL_SV("Prefer"),
                          "The required request header 'Prefer' is missing in the request or the value is invalid. Set "
                          "it to 'transient'.");
    if (json_parse(req->arena, req->body, 0, NULL, &body, NULL) != TL_OK || json_gets(body, "q").type != JSON_STRING)
        return nsim_wrong(f, 400, "INVALID_CONTENT", "o:errorPath", TL_SV("q"), "The query is missing.");
    tl_buf_init(&sql, SQL_MAX);
    if (!read_page(req, &page, f) || !read_params(req, json_gets(body, "params"), p, &n, f) ||
        !nsim_suiteql_translate(s, json_view(json_gets(body, "q")), &sql, f))
        return false;
    if (!count_rows(s, sql.p, p, n, &total, f) || !rows(s, req, sql.p, p, n, &page, &items, f))
        return false;
    s->counts.queries++;
    answer(req, res, &page, items, total);
    return true;
}
