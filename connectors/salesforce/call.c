/* SPDX-License-Identifier: Apache-2.0 */
/* call.c - one request of the connection: version, headers, the answer as JSON, the quota, and what went wrong. */
#include "salesforce/salesforce_int.h"

#include <stdio.h>

struct tl_sv sf_encoded(struct tl_arena *a, struct tl_sv text)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 3 * text.n + 1);
    (void)tl_percent_encode(&b, text);
    return tl_arena_sv(a, tl_buf_view(&b));
}

int64_t sf_org_ms(const struct connector_call *call, const struct http_reply *reply)
{
    struct tl_sv date = http_header_get(&reply->headers, "date");
    int64_t ms;

    return date.p && tl_http_date_parse(date, &ms) ? ms : tl_clock_wall_ms(connector_clock(call->host));
}

/* ---- the quota ---- */

/* "18/5000" */
static bool usage(struct tl_sv s, double *ret_used, double *ret_most)
{
    size_t slash = tl_sv_find(s, '/'), end = slash + 1;

    while (end < s.n && s.p[end] >= '0' && s.p[end] <= '9')
        end++;
    return slash < s.n && tl_sv_double(tl_sv(s.p, slash), ret_used) &&
           tl_sv_double(tl_sv(s.p + slash + 1, end - slash - 1), ret_most);
}

/* Sforce-Limit-Info: api-usage=18/5000; per-app-api-usage=17/250(appName=x) */
static void read_limits(struct connector_call *call, const struct http_reply *reply)
{
    struct tl_sv rest = http_header_get(&reply->headers, "sforce-limit-info"), part;
    struct guard_feedback *f = &call->feedback;

    while (rest.n > 0 && tl_sv_cut(&rest, ';', &part)) {
        size_t eq = tl_sv_find(part, '=');
        struct tl_sv name = tl_sv_trim(tl_sv(part.p, eq));
        bool daily = tl_sv_eqs(name, "api-usage");
        struct guard_reading *r = &f->readings[f->n_readings];
        double used, most;

        if ((!daily && !tl_sv_eqs(name, "per-app-api-usage")) || f->n_readings == TL_COUNT(f->readings) ||
            !usage(tl_sv_from(part, eq + 1), &used, &most))
            continue;
        *r = (struct guard_reading){.remaining = most > used ? most - used : 0, .limit = most};
        (void)snprintf(r->name, sizeof r->name, "%s", daily ? SF_DAILY : "app_api_calls");
        f->n_readings++;
    }
}

/* ---- what went wrong ---- */

static enum tl_rc classify(struct connector_call *call, const struct sf_reply *r, struct tl_err *err)
{
    struct json e = sf_first_error(r->body);
    struct tl_sv code = json_text(json_gets(e, "errorCode"), json_text(json_gets(e, "statusCode"), TL_SV("")));
    struct sf_meaning m;
    struct tl_sv words;
    enum tl_rc rc = connector_classify(call, &r->http, err);

    read_limits(call, &r->http);
    if (rc == TL_OK)
        return TL_OK;
    m = sf_meaning_of(code, json_text(json_gets(e, "message"), TL_SV("")), r->http.status);
    /* Permissions on one thing are not the connection's; the caller gives that record its verdict. */
    rc = m.cls == TL_CLASS_DATA || m.innocent ? TL_INVALID : m.rc;
    if (code.n == 0) {
        if (err)
            err->rc = rc;
        return rc;
    }
    words = sf_error_text(call, e);
    (void)tl_fail(err, rc, "HTTP %d: %.*s", r->http.status, TL_SV_ARG(words));
    if (err && m.retry_after_ms > 0)
        err->retry_after_ms = m.retry_after_ms;
    if (tl_rc_class(rc) == TL_CLASS_RATE_LIMIT)
        call->feedback.retry_after_ms = m.retry_after_ms;
    call->feedback.too_many_at_once = m.at_once;
    return rc;
}

/* ---- the request ---- */

struct parse {
    struct tl_arena *arena;
    struct sf_reply *reply;
    bool bad;
};
static void parse_body(void *arg)
{
    struct parse *p = arg;
    struct tl_sv s = tl_sv_trim(p->reply->http.body);

    if (s.n > 0)
        p->bad = json_parse(p->arena, s, JSON_PARSE_DUP_LAST, NULL, &p->reply->body, NULL) != TL_OK;
}

static char *address(struct connector_call *call, const char *path)
{
    const struct sf_connection *c = call->connection;

    if (strncmp(path, "/services/", 10) == 0 || strncmp(path, "/cometd/", 8) == 0)
        return tl_arena_strdup(call->arena, path);
    return tl_arena_printf(call->arena, "/services/data/v%s%s", c->version, path);
}

static size_t headers(struct connector_call *call, const struct sf_request *req, struct http_header *h)
{
    const struct sf_connection *c = call->connection;
    size_t n = 0;

    h[n++] = (struct http_header){TL_SV("Accept"), req->raw ? TL_SV("text/csv") : TL_SV("application/json")};
    if (req->body.n > 0)
        h[n++] = (struct http_header){TL_SV("Content-Type"),
                                      req->content_type.n > 0 ? req->content_type : TL_SV("application/json")};
    h[n++] = (struct http_header){TL_SV("Sforce-Call-Options"),
                                  tl_sv_str(tl_arena_printf(call->arena, "client=%s", c->client))};
    if (req->target && !req->target->assign)
        h[n++] = (struct http_header){TL_SV("Sforce-Auto-Assign"), TL_SV("FALSE")};
    if (req->target && req->target->duplicates == SF_DUPLICATES_ALLOW)
        h[n++] = (struct http_header){TL_SV("Sforce-Duplicate-Rule-Header"),
                                      TL_SV("allowSave=true; includeRecordDetails=false; runAsCurrentUser=true")};
    for (size_t i = 0; i < req->n_more; i++)
        h[n++] = req->more[i];
    return n;
}

/* The connection broke, or its answer cannot be read. */
static enum tl_rc broken(const struct sf_request *req, enum tl_rc rc, struct tl_err *err)
{
    if (rc == TL_UPSTREAM && !req->idempotent && strcmp(req->method, "GET") != 0)
        rc = TL_UNKNOWN_OUTCOME;
    if (err)
        err->rc = rc;
    return rc;
}

enum tl_rc sf_http(struct task *task, struct connector_call *call, const struct sf_request *req, struct sf_reply *ret,
                   struct tl_err *err)
{
    const struct sf_connection *c = call->connection;
    struct http_header h[10];
    struct http_request_out out = {.method = tl_sv_str(req->method),
                                   .body = req->body,
                                   .headers = h,
                                   .sink = req->sink,
                                   .sink_arg = req->sink_arg,
                                   .jar = req->jar,
                                   .idempotent = req->idempotent,
                                   .compressed = true,
                                   .max_body = req->sink ? 0 : SF_REPLY_MAX};
    struct parse p = {.arena = call->arena, .reply = ret};
    char *url = address(call, req->path);
    enum tl_rc rc;

    *ret = (struct sf_reply){0};
    if (!url)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    out.url = tl_sv_str(url);
    out.n_headers = headers(call, req, h);
    out.timeout_ms = (uint32_t)(req->timeout_ms > 0 ? req->timeout_ms : c->timeout_ms);
    rc = connector_http(task, call, &out, &ret->http, err);
    if (rc != TL_OK)
        return broken(req, rc, err);
    if (!req->raw || ret->http.status >= 300)
        task_on_main_stack(task, parse_body, &p);
    rc = classify(call, ret, err);
    if (rc != TL_OK || !p.bad)
        return rc;
    return broken(req, tl_fail(err, TL_UPSTREAM, "HTTP %d, but the answer is no JSON", ret->http.status), err);
}
