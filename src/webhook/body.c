/* SPDX-License-Identifier: Apache-2.0 */
/* body.c - what a webhook's body becomes for mappings, by its content type. */
#include "webhook/webhook_int.h"
#include "xml/xml.h"

enum { MAX_FIELDS = 10000 };

enum webhook_body_kind webhook_body_kind(struct tl_sv content_type, struct tl_sv body)
{
    struct tl_sv type = tl_sv_trim(tl_sv(content_type.p, tl_sv_find(content_type, ';'))), text = tl_sv_trim(body);

    if (webhook__is_form(content_type))
        return WEBHOOK_FORM;
    if (tl_sv_eqi(type, TL_SV("application/json")) || tl_sv_eqi(type, TL_SV("text/json")) ||
        (type.n > 5 && tl_sv_eqi(tl_sv_from(type, type.n - 5), TL_SV("+json"))))
        return WEBHOOK_JSON;
    if (tl_sv_eqi(type, TL_SV("application/xml")) || tl_sv_eqi(type, TL_SV("text/xml")) ||
        (type.n > 4 && tl_sv_eqi(tl_sv_from(type, type.n - 4), TL_SV("+xml"))))
        return WEBHOOK_XML;
    if (tl_sv_eqi(type, TL_SV("text/plain")))
        return WEBHOOK_TEXT;
    if (type.n > 0)
        return WEBHOOK_RAW;
    if (text.n > 0 && (text.p[0] == '{' || text.p[0] == '['))
        return WEBHOOK_JSON;
    return text.n > 0 && text.p[0] == '<' ? WEBHOOK_XML : WEBHOOK_RAW;
}

static bool part_text(struct tl_arena *a, struct tl_sv s, struct tl_sv *ret)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, s.n + 1);
    if (!tl_percent_decode(&b, s, true) || tl_utf8_valid(tl_buf_view(&b)) != b.n)
        return false;
    *ret = b.n > 0 ? tl_arena_sv(a, tl_buf_view(&b)) : TL_SV("");
    return ret->p != NULL;
}

/* A name given again turns its member into a list. */
static bool add_field(struct json_builder *b, struct tl_sv name, struct json value)
{
    struct json old = json_get(json_end(b), name);
    struct json_builder list;

    if (old.type == JSON_UNDEFINED)
        return json_add(b, name, value);
    json_array_begin(&list, b->arena, 4);
    for (uint32_t i = 0; old.type == JSON_ARRAY && i < old.n; i++) {
        if (!json_push(&list, old.u.items[i]))
            return false;
    }
    if (old.type != JSON_ARRAY && !json_push(&list, old))
        return false;
    return json_push(&list, value) && json_set(b, name, json_end(&list));
}

static enum tl_rc parse_form(struct tl_arena *a, struct tl_sv body, struct json *ret, struct tl_err *err)
{
    struct json_builder b;
    struct tl_sv rest = body, pair, name, value;
    struct json only;
    size_t n = 0;

    json_object_begin(&b, a, 16);
    while (body.n > 0 && tl_sv_cut(&rest, '&', &pair)) {
        size_t eq = tl_sv_find(pair, '=');

        if (pair.n == 0)
            continue;
        if (++n > MAX_FIELDS)
            return tl_fail(err, TL_LIMIT, "the form has more than %d fields", MAX_FIELDS);
        if (!part_text(a, tl_sv(pair.p, eq), &name) || !part_text(a, tl_sv_from(pair, eq + 1), &value))
            return tl_fail(err, TL_PARSE, "field %zu of the form is not percent-encoded UTF-8", n);
        if (!add_field(&b, name, json_sv(value)))
            return tl_fail(err, TL_LIMIT, "the form is too large");
    }
    *ret = json_end(&b);
    only = json_gets(*ret, "payload");
    if (ret->n == 1 && only.type == JSON_STRING) {
        struct json inner = JSON_NOTHING;

        if (json_parse(a, json_view(only), JSON_PARSE_LONE_SURROGATES, NULL, &inner, NULL) == TL_OK)
            *ret = inner;
    }
    return TL_OK;
}

static enum tl_rc keep_raw(struct tl_arena *a, struct tl_sv body, struct json *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json_builder o;

    if (tl_utf8_valid(body) == body.n) {
        *ret = json_sv(body.n > 0 ? body : TL_SV(""));
        return TL_OK;
    }
    tl_buf_init(&b, body.n * 2 + 16);
    json_object_begin(&o, a, 1);
    if (!tl_base64_encode(&b, body.p, body.n) || !json_adds(&o, "base64", json_str_copy(a, tl_buf_view(&b))))
        return tl_fail(err, TL_LIMIT, "the body is too large");
    *ret = json_end(&o);
    return TL_OK;
}

/* SNS says text/plain and sends JSON; monitoring says it and sends "[FIRING:1] disk full", which is a text. So is "5".
 */
static enum tl_rc parse_text(struct tl_arena *a, struct tl_sv body, struct json *ret, struct tl_err *err)
{
    struct tl_sv text = tl_sv_trim(body);
    enum tl_rc rc = TL_PARSE;

    if (text.n > 0 && (text.p[0] == '{' || text.p[0] == '['))
        rc = webhook_body_parse(a, WEBHOOK_JSON, body, ret, err);
    return rc == TL_PARSE ? keep_raw(a, body, ret, err) : rc;
}

enum tl_rc webhook_body_parse(struct tl_arena *a, enum webhook_body_kind kind, struct tl_sv body, struct json *ret,
                              struct tl_err *err)
{
    switch (kind) {
    case WEBHOOK_JSON:
        /* JSON.parse of most senders keeps the last of two equal names, and may split a surrogate pair. */
        return json_parse(a, body, JSON_PARSE_LONE_SURROGATES | JSON_PARSE_DUP_LAST, NULL, ret, err);
    case WEBHOOK_FORM:
        return parse_form(a, body, ret, err);
    case WEBHOOK_XML:
        return xml_parse(a, body, 0, &xml_payload_limits, ret, err);
    case WEBHOOK_TEXT:
        return parse_text(a, body, ret, err);
    case WEBHOOK_RAW:
        break;
    }
    return keep_raw(a, body, ret, err);
}
