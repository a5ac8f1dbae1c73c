/* SPDX-License-Identifier: Apache-2.0 */
/* reply.c - a reply as expressions see it. */
#include "http/httpc_int.h"

struct parse {
    struct tl_arena *arena;
    const struct http_reply *reply;
    struct json value;
    enum tl_rc rc; /* it is no JSON: err says why */
    struct tl_err err;
};

static void parse_body(void *arg)
{
    struct parse *p = arg;
    struct tl_sv s = tl_sv_trim(p->reply->body);
    struct json v;

    if (s.n == 0)
        return;
    /* As of webhooks: half a pair that one system cut off must not keep the rest from the other. */
    p->rc = json_parse(p->arena, s, JSON_PARSE_DUP_LAST | JSON_PARSE_LONE_SURROGATES, NULL, &v, &p->err);
    if (p->rc == TL_OK)
        p->value = v;
    else if (tl_utf8_valid(s) == s.n)
        p->value = json_sv(s);
}

static struct json doc_of(struct parse *p, struct json cursor)
{
    const struct http_reply *reply = p->reply;
    struct tl_arena *a = p->arena;
    struct json_builder doc, headers;

    json_object_begin(&headers, a, reply->headers.n);
    for (size_t i = 0; i < reply->headers.n; i++) {
        struct http_header h = reply->headers.v[i];

        if (tl_utf8_valid(h.value) == h.value.n)
            (void)json_set(&headers, h.name, json_sv(h.value));
    }
    json_object_begin(&doc, a, 4);
    (void)json_adds(&doc, "status", json_int(reply->status));
    (void)json_adds(&doc, "headers", json_end(&headers));
    if (p->value.type != JSON_UNDEFINED)
        (void)json_adds(&doc, "body", p->value);
    if (cursor.type != JSON_UNDEFINED)
        (void)json_adds(&doc, "cursor", cursor);
    return json_end(&doc);
}

/* RFC 8259, RFC 6839 3.1; and what says nothing of itself but begins like it. */
static bool is_announced_json(const struct http_reply *reply)
{
    struct tl_sv type = http_header_get(&reply->headers, "content-type"), text = tl_sv_trim(reply->body);

    type = tl_sv_trim(tl_sv(type.p, tl_sv_find(type, ';')));
    if (type.n == 0)
        return text.n > 0 && (text.p[0] == '{' || text.p[0] == '[');
    return tl_sv_eqi(type, TL_SV("application/json")) || tl_sv_eqi(type, TL_SV("text/json")) ||
           (type.n > 5 && tl_sv_eqi(tl_sv_from(type, type.n - 5), TL_SV("+json")));
}

struct json httpc__reply_doc(struct task *task, struct tl_arena *a, const struct http_reply *reply, struct json cursor,
                             struct tl_err *why)
{
    struct parse p = {.arena = a, .reply = reply};

    task_on_main_stack(task, parse_body, &p);
    if (p.rc != TL_OK && is_announced_json(reply))
        (void)tl_fail(why, TL_PARSE, "is to be JSON and is not (line %d, column %d of it): %.150s", p.err.line,
                      p.err.column, p.err.text);
    else if (p.rc != TL_OK && p.value.type == JSON_UNDEFINED)
        (void)tl_fail(why, TL_INVALID, "is neither JSON nor a text in UTF-8");
    return doc_of(&p, cursor);
}

bool httpc__has_status(const struct config_list *statuses, int status)
{
    for (size_t i = 0; i < statuses->n; i++)
        if (*CONFIG_AT(*statuses, int64_t, i) == status)
            return true;
    return false;
}

bool httpc__is_of_record(enum tl_rc rc, const struct http_reply *reply)
{
    if (rc == TL_FORBIDDEN)
        return !http_header_get(&reply->headers, "www-authenticate").p;
    return tl_rc_class(rc) == TL_CLASS_DATA;
}

struct tl_sv httpc__text(struct tl_arena *a, struct json v, size_t most)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    if (v.type == JSON_UNDEFINED || v.type == JSON_NULL)
        return TL_SV_NULL;
    if (v.type == JSON_STRING)
        return v.n <= most ? json_view(v) : TL_SV_NULL;
    tl_buf_init(&b, most);
    return json_write(&b, v, 0) ? tl_arena_sv(a, tl_buf_view(&b)) : TL_SV_NULL;
}

struct tl_sv httpc__kept(struct tl_arena *a, struct json v)
{
    return httpc__text(a, v, HTTPC_KEPT_MAX);
}
