/* SPDX-License-Identifier: Apache-2.0 */
/* message.c - what handlers do with requests and responses, without a transport. */
#include "http/message.h"

#include <stdio.h>

struct tl_sv http_req_header(const struct http_req *req, const char *lower_case_name)
{
    return req->headers ? http_header_get(req->headers, lower_case_name) : TL_SV_NULL;
}

struct tl_sv http_req_param(const struct http_req *req, const char *name)
{
    for (size_t i = 0; i < req->n_params; i++)
        if (tl_sv_eqs(req->params[i].name, name))
            return req->params[i].value;
    return TL_SV_NULL;
}

enum tl_rc http_req_body_next(struct task *task, struct http_req *req, struct tl_sv *ret_piece, struct tl_err *err)
{
    if (req->source)
        return req->source->next(task, req->source_arg, ret_piece, err);
    *ret_piece = req->body;
    req->body = TL_SV_NULL;
    return TL_OK;
}

void http_res_init(struct http_res *res, struct tl_arena *arena)
{
    res->status = 200;
    res->body = TL_SV_NULL;
    res->n_headers = 0;
    res->arena = arena;
    res->close = res->cut = res->streaming = res->head_request = false;
    res->sink = NULL;
    res->sink_arg = NULL;
    res->recorded = NULL;
}

static bool is_ours(struct tl_sv name)
{
    return tl_sv_eqi(name, TL_SV("content-length")) || tl_sv_eqi(name, TL_SV("transfer-encoding")) ||
           tl_sv_eqi(name, TL_SV("connection")) || tl_sv_eqi(name, TL_SV("date"));
}

enum tl_rc http_res_header_static(struct http_res *res, struct tl_sv name, struct tl_sv value, struct tl_err *err)
{
    if (!http_is_token(name) || !http_is_field_value(value) || is_ours(name))
        return tl_fail(err, TL_INVALID, "a response header that may not be set");
    if (res->n_headers == HTTP_RES_HEADERS_MAX)
        return tl_fail(err, TL_LIMIT, "a response has at most %d headers", HTTP_RES_HEADERS_MAX);
    res->headers[res->n_headers++] = (struct http_header){name, value};
    return TL_OK;
}

enum tl_rc http_res_header(struct http_res *res, struct tl_sv name, struct tl_sv value, struct tl_err *err)
{
    struct tl_sv n = tl_arena_sv(res->arena, name), v = tl_arena_sv(res->arena, value);

    if (!n.p || (value.n && !v.p))
        return tl_fail(err, TL_LIMIT, "the headers of the response are too large");
    return http_res_header_static(res, n, v, err);
}

void http_res_set(struct http_res *res, int status, const char *content_type, struct tl_sv body)
{
    res->status = status;
    res->body = body;
    if (content_type)
        (void)http_res_header_static(res, TL_SV("Content-Type"), tl_sv_str(content_type), NULL);
}

void http_res_error(struct http_res *res, int status, const char *code, const char *message)
{
    struct tl_buf b;

    tl_buf_init(&b, 4096);
    (void)tl_buf_puts(&b, "{\"error\":{\"code\":");
    (void)tl_json_string(&b, tl_sv_str(code));
    (void)tl_buf_puts(&b, ",\"message\":");
    (void)tl_json_string(&b, tl_sv_str(message));
    (void)tl_buf_puts(&b, "}}\n");
    http_res_set(res, status, "application/json", tl_arena_sv(res->arena, tl_buf_view(&b)));
    if (!res->body.p)
        res->body = TL_SV("{\"error\":{\"code\":\"limit\",\"message\":\"out of the memory of one request\"}}\n");
    tl_buf_done(&b);
}

void http_res_rc(struct http_res *res, const struct tl_err *err)
{
    char seconds[16];

    res->n_headers = 0;
    http_res_error(res, tl_rc_http(err->rc), tl_rc_name(err->rc), err->text[0] ? err->text : tl_rc_meaning(err->rc));
    if (err->retry_after_ms || res->status == 503) { /* a sender that is told when does not hammer */
        uint32_t ms = err->retry_after_ms ? err->retry_after_ms : 1000;

        (void)snprintf(seconds, sizeof seconds, "%u", ms / 1000 + (ms % 1000 != 0));
        (void)http_res_header(res, TL_SV("Retry-After"), tl_sv_str(seconds), NULL);
    }
}

enum tl_rc http_res_stream_begin(struct task *task, struct http_res *res, struct tl_err *err)
{
    res->streaming = true;
    return res->sink ? res->sink->begin(task, res->sink_arg, res, err) : TL_OK;
}

enum tl_rc http_res_stream_write(struct task *task, struct http_res *res, struct tl_sv piece, struct tl_err *err)
{
    if (!res->streaming)
        return tl_fail(err, TL_BUG, "http_res_stream_write before http_res_stream_begin");
    if (res->sink)
        return res->sink->write(task, res->sink_arg, piece, err);
    if (res->recorded && !tl_buf_sv(res->recorded, piece))
        return tl_fail(err, TL_LIMIT, "the recorded response is too large");
    return TL_OK;
}

const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } table[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < TL_COUNT(table); i++)
        if (table[i].status == status)
            return table[i].text;
    return "Unknown";
}
