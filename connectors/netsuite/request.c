/* SPDX-License-Identifier: Apache-2.0 */
/* request.c - one request to the REST services, and the plain facts of its reply. */
#include "netsuite/netsuite_int.h"

enum { BODY_MAX = 32 << 20, REPLY_MAX = 32 << 20, HEADERS = 6 };

struct body {
    struct json v;
    struct tl_buf *b;
    bool ok;
};
static void write_body(void *arg)
{
    struct body *w = arg;

    w->ok = json_write(w->b, w->v, 0);
}

enum tl_rc netsuite__send(struct task *task, struct connector_call *call, const struct netsuite_request *r,
                          struct http_reply *reply, struct tl_err *err)
{
    static const char *const modes[] = {"error", "warning", "ignore"};
    const struct netsuite_connection *c = call->connection;
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct http_header headers[HEADERS];
    struct http_request_out out = {.method = tl_sv_str(r->method),
                                   .url = r->path,
                                   .headers = headers,
                                   .idempotent = r->idempotent,
                                   .compressed = true,
                                   .max_body = REPLY_MAX,
                                   .timeout_ms = (uint32_t)(r->timeout_ms > 0 ? r->timeout_ms : c->timeout_ms)};

    call->endpoint = tl_sv_str(r->endpoint);
    memset(reply, 0, sizeof *reply);
    headers[out.n_headers++] =
        (struct http_header){TL_SV("Accept"), r->accept.p ? r->accept : TL_SV("application/json")};
    if (r->body.type != JSON_UNDEFINED) {
        struct body w = {.v = r->body, .b = &text};

        tl_buf_init(&text, BODY_MAX);
        task_on_main_stack(task, write_body, &w);
        if (!w.ok) {
            call->not_sent = true;
            return tl_fail(err, TL_LIMIT, "the record is larger than 32 MB");
        }
        out.body = tl_buf_view(&text);
        headers[out.n_headers++] = (struct http_header){
            TL_SV("Content-Type"), r->collection ? TL_SV(NETSUITE_COLLECTION) : TL_SV("application/json")};
    }
    if (r->strict)
        headers[out.n_headers++] =
            (struct http_header){TL_SV("X-NetSuite-PropertyNameValidation"), tl_sv_str(modes[c->unknown_fields])};
    if (r->prefer.p)
        headers[out.n_headers++] = (struct http_header){TL_SV("Prefer"), r->prefer};
    if (r->key.p)
        headers[out.n_headers++] = (struct http_header){TL_SV("X-NetSuite-idempotency-key"), r->key};
    return connector_http(task, call, &out, reply, err);
}

struct parse {
    struct tl_arena *arena;
    struct tl_sv text;
    struct json v;
};
static void parse_body(void *arg)
{
    struct parse *p = arg;

    if (json_parse(p->arena, p->text, JSON_PARSE_DUP_LAST, NULL, &p->v, NULL) != TL_OK)
        p->v = JSON_NOTHING;
}

struct json netsuite__parsed(struct task *task, struct connector_call *call, const struct http_reply *reply)
{
    struct parse p = {.arena = call->arena, .text = tl_sv_trim(reply->body)};

    if (p.text.n > 0)
        task_on_main_stack(task, parse_body, &p);
    return p.v;
}

enum tl_rc netsuite__record_of(struct task *task, struct connector_call *call, const struct http_reply *reply,
                               struct json *ret, struct tl_err *err)
{
    struct json v = netsuite__parsed(task, call, reply);

    if (v.type != JSON_OBJECT)
        return tl_fail(err, TL_UPSTREAM, "HTTP %d, but the answer is no record in JSON", reply->status);
    *ret = v;
    return TL_OK;
}

struct tl_sv netsuite__last_segment(struct tl_sv s)
{
    size_t at;

    s.n = tl_sv_find(s, '?');
    at = s.n;
    while (at > 0 && s.p[at - 1] != '/')
        at--;
    return at < s.n ? tl_sv_from(s, at) : TL_SV_NULL;
}

struct tl_sv netsuite__location_id(const struct http_reply *reply)
{
    struct tl_sv s = http_header_get(&reply->headers, "location");

    return s.p ? netsuite__last_segment(s) : TL_SV_NULL;
}

struct tl_sv netsuite__text(struct tl_arena *a, struct json v)
{
    int64_t i;

    if (v.type == JSON_STRING)
        return json_view(v);
    if (json_is_number(v) && json_int64(v, &i)) {
        char *text = tl_arena_printf(a, "%lld", (long long)i);

        return text ? tl_sv_str(text) : TL_SV_NULL;
    }
    return TL_SV_NULL;
}
