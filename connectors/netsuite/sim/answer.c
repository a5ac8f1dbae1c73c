/* SPDX-License-Identifier: Apache-2.0 */
/* answer.c - replies in the vendor's form: errors with o:errorDetails, resources, addresses of records. */
#include "netsuite/sim/sim_int.h"

#include <stdio.h>

#define ERROR_TYPE "application/vnd.oracle.resource+json; type=error"

bool(nsim_wrong)(struct nsim_fault *f, int status, const char *code, const char *key, struct tl_sv where,
                 const char *fmt, ...)
{
    va_list ap;

    *f = (struct nsim_fault){.status = status, .code = code, .key = key};
    va_start(ap, fmt);
    (void)vsnprintf(f->text, sizeof f->text, fmt, ap);
    va_end(ap);
    (void)snprintf(f->where, sizeof f->where, "%.*s", TL_SV_ARG(where));
    return false;
}

/* RFC 9110 sections 15.5.n and 15.6.n of the statuses that occur. */
static const char *section(int status)
{
    switch (status) {
    case 401:
        return "15.5.2";
    case 403:
        return "15.5.4";
    case 404:
        return "15.5.5";
    case 405:
        return "15.5.6";
    case 415:
        return "15.5.16";
    case 500:
        return "15.6.1";
    default:
        return "15.5.1";
    }
}

void nsim_refuse(struct http_req *req, struct http_res *res, const struct nsim_fault *f)
{
    struct json_builder b, details, one;

    json_object_begin(&one, req->arena, 3);
    (void)json_adds(&one, "detail", json_str_copy(req->arena, tl_sv_str(f->text)));
    if (f->key)
        (void)json_adds(&one, f->key, json_str_copy(req->arena, tl_sv_str(f->where)));
    (void)json_adds(&one, "o:errorCode", json_str(f->code));
    json_array_begin(&details, req->arena, 1);
    (void)json_push(&details, json_end(&one));
    json_object_begin(&b, req->arena, 4);
    (void)json_adds(
        &b, "type",
        json_printf(req->arena, "https://www.rfc-editor.org/rfc/rfc9110.html#section-%s", section(f->status)));
    (void)json_adds(&b, "title",
                    json_str(strcmp(f->code, "IDEMPOTENCY_ERROR") == 0 ? "Conflict" : http_status_text(f->status)));
    (void)json_adds(&b, "status", json_int(f->status));
    (void)json_adds(&b, "o:errorDetails", json_end(&details));
    connector_sim_json(req, res, f->status, ERROR_TYPE, json_end(&b));
}

struct tl_sv nsim_base(const struct http_req *req)
{
    return tl_sv_str(
        tl_arena_printf(req->arena, "%s://%.*s", req->secure ? "https" : "http", TL_SV_ARG(req->authority)));
}

struct tl_sv nsim_query(struct http_req *req, const char *name)
{
    struct tl_sv v = TL_SV_NULL;

    if (!req->query.p || http_query_get(req->query, tl_sv_str(name), req->arena, &v, NULL) != TL_OK)
        return TL_SV_NULL;
    return v;
}

void nsim_created(struct http_req *req, struct http_res *res, const struct nsim_type *type, int64_t id)
{
    const char *at = tl_arena_printf(req->arena, "%.*s/services/rest/record/v1/%s/%lld", TL_SV_ARG(nsim_base(req)),
                                     type->name, (long long)id);

    res->status = 204;
    res->body = TL_SV("");
    (void)http_res_header(res, TL_SV("Location"), tl_sv_str(at), NULL);
}
