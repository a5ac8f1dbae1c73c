/* SPDX-License-Identifier: Apache-2.0 */
/* reply.c - a reply as expressions see it. */
#include "http/httpc_int.h"

enum { KEPT_MAX = 4096 };

struct parse {
    struct tl_arena *arena;
    const struct http_reply *reply;
    struct json value;
};

static void parse_body(void *arg)
{
    struct parse *p = arg;
    struct tl_sv s = tl_sv_trim(p->reply->body);
    struct json v;

    if (s.n == 0)
        return;
    if (json_parse(p->arena, s, JSON_PARSE_DUP_LAST, NULL, &v, NULL) == TL_OK)
        p->value = v;
    else if (tl_utf8_valid(s) == s.n)
        p->value = json_sv(s);
}

struct json httpc__reply_doc(struct task *task, struct tl_arena *a, const struct http_reply *reply, struct json cursor)
{
    struct parse p = {.arena = a, .reply = reply};
    struct json_builder doc, headers;

    task_on_main_stack(task, parse_body, &p);
    json_object_begin(&headers, a, reply->headers.n);
    for (size_t i = 0; i < reply->headers.n; i++) {
        struct http_header h = reply->headers.v[i];

        if (tl_utf8_valid(h.value) == h.value.n)
            (void)json_set(&headers, h.name, json_sv(h.value));
    }
    json_object_begin(&doc, a, 4);
    (void)json_adds(&doc, "status", json_int(reply->status));
    (void)json_adds(&doc, "headers", json_end(&headers));
    if (p.value.type != JSON_UNDEFINED)
        (void)json_adds(&doc, "body", p.value);
    if (cursor.type != JSON_UNDEFINED)
        (void)json_adds(&doc, "cursor", cursor);
    return json_end(&doc);
}

bool httpc__has_status(const struct config_list *statuses, int status)
{
    for (size_t i = 0; i < statuses->n; i++)
        if (*CONFIG_AT(*statuses, int64_t, i) == status)
            return true;
    return false;
}

struct tl_sv httpc__kept(struct tl_arena *a, struct json v)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    if (v.type == JSON_UNDEFINED || v.type == JSON_NULL)
        return TL_SV_NULL;
    if (v.type == JSON_STRING)
        return v.n <= KEPT_MAX ? json_view(v) : TL_SV_NULL;
    tl_buf_init(&b, KEPT_MAX);
    return json_write(&b, v, 0) ? tl_arena_sv(a, tl_buf_view(&b)) : TL_SV_NULL;
}
bool httpc__is_of_record(enum tl_rc rc, const struct http_reply *reply)
{
    if (rc == TL_FORBIDDEN)
        return !http_header_get(&reply->headers, "www-authenticate").p;
    return tl_rc_class(rc) == TL_CLASS_DATA;
}

