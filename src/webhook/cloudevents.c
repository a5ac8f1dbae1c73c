/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloudevents.c - CloudEvents 1.0.2: context attributes (section 3), JSON event format, HTTP and Kafka bindings.
 * Strict where the specification says MUST: names, types, required attributes; a lenient reading would let two systems
 * see two different events.
 */
#include <stdio.h>

#include "webhook/webhook_int.h"

enum { MAX_EVENTS = 10000, MAX_ATTRIBUTE = 64 * 1024 };

static enum tl_rc bad(struct tl_err *err, struct tl_sv name, const char *what)
{
    return tl_fail(err, TL_INVALID, "CloudEvent attribute \"%.*s\" %s", (int)(name.n < 60 ? name.n : 60),
                   name.n > 0 ? name.p : "", what);
}

/* Section 3.1.1: lower-case letters and digits. */
static bool name_ok(struct tl_sv name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (!((name.p[i] >= 'a' && name.p[i] <= 'z') || (name.p[i] >= '0' && name.p[i] <= '9')))
            return false;
    }
    return name.n > 0;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* RFC 3986, loosely: the characters of a URI reference, percent signs followed by two hex digits. */
static bool uri_ok(struct tl_sv s, bool absolute)
{
    size_t colon = tl_sv_find(s, ':');

    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];

        if (ch <= 0x20 || ch >= 0x7f || strchr("\"<>\\^`{|}", ch) != NULL)
            return false;
        if (ch == '%' && (i + 2 >= s.n || !is_hex(s.p[i + 1]) || !is_hex(s.p[i + 2])))
            return false;
    }
    if (!absolute)
        return s.n > 0;
    for (size_t i = 0; i < colon && colon < s.n; i++) {
        char ch = s.p[i];
        bool alpha = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');

        if (!alpha && (i == 0 || !((ch >= '0' && ch <= '9') || ch == '+' || ch == '-' || ch == '.')))
            return false;
    }
    return colon > 0 && colon < s.n;
}

/* RFC 2046: type "/" subtype; parameters are left to the reader of the data. */
static bool media_type_ok(struct tl_sv s)
{
    struct tl_sv type = tl_sv_trim(tl_sv(s.p, tl_sv_find(s, ';')));
    size_t slash = tl_sv_find(type, '/');

    for (size_t i = 0; i < type.n; i++) {
        unsigned char ch = (unsigned char)type.p[i];

        if (ch <= 0x20 || ch >= 0x7f || strchr("()<>@,;:\\\"[]?=", ch) != NULL)
            return false;
    }
    return slash > 0 && slash + 1 < type.n && tl_sv_find(tl_sv_from(type, slash + 1), '/') == type.n - slash - 1;
}

/* Section 2: a String has no control characters, no noncharacters. */
static bool string_ok(struct tl_sv s)
{
    uint32_t cp;
    size_t n;

    for (; s.n > 0; s = tl_sv_from(s, n)) {
        n = tl_utf8_decode(s, &cp);
        if (n == 0 || cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || (cp >= 0xfdd0 && cp <= 0xfdef) ||
            (cp & 0xfffe) == 0xfffe)
            return false;
    }
    return true;
}

static enum tl_rc check_attribute(struct tl_sv name, struct json v, struct tl_err *err)
{
    static const char *const texts[] = {"id",         "source",  "type", "specversion", "datacontenttype",
                                        "dataschema", "subject", "time"};
    struct tl_sv s = v.type == JSON_STRING ? json_view(v) : TL_SV("");
    int64_t i = 0;
    bool core = false;

    if (!name_ok(name) || tl_sv_eqs(name, "data"))
        return bad(err, name, "is not a valid name: lower-case letters and digits only");
    for (size_t k = 0; k < TL_COUNT(texts); k++)
        core = core || tl_sv_eqs(name, texts[k]);
    if (core && v.type != JSON_STRING)
        return bad(err, name, "must be a string");
    if (core && s.n == 0)
        return bad(err, name, "must not be empty");
    if (s.n > MAX_ATTRIBUTE)
        return tl_fail(err, TL_LIMIT, "a CloudEvent attribute is longer than %d bytes", MAX_ATTRIBUTE);
    if (v.type == JSON_STRING
            ? !string_ok(s)
            : v.type != JSON_BOOL && !(json_int64(v, &i) && i >= INT32_MIN && i <= INT32_MAX && v.type == JSON_INT))
        return bad(err, name, "must be a string without control characters, a boolean or a 32-bit integer");
    if (tl_sv_eqs(name, "specversion") && !tl_sv_eqs(s, "1.0"))
        return bad(err, name, "is not 1.0");
    if (tl_sv_eqs(name, "source") && !uri_ok(s, false))
        return bad(err, name, "is not a URI reference");
    if (tl_sv_eqs(name, "dataschema") && !uri_ok(s, true))
        return bad(err, name, "is not an absolute URI");
    if (tl_sv_eqs(name, "time") && !tl_time_parse(s, &i))
        return bad(err, name, "is not an RFC 3339 timestamp");
    if (tl_sv_eqs(name, "datacontenttype") && !media_type_ok(s))
        return bad(err, name, "is not a media type");
    return TL_OK;
}

static enum tl_rc check_required(struct json attributes, struct tl_err *err)
{
    static const char *const required[] = {"specversion", "id", "source", "type"};

    for (size_t i = 0; i < TL_COUNT(required); i++) {
        if (json_gets(attributes, required[i]).type == JSON_UNDEFINED)
            return tl_fail(err, TL_INVALID, "required CloudEvent attribute \"%s\" is missing", required[i]);
    }
    return TL_OK;
}

static bool is_json_type(struct tl_sv content_type)
{
    return content_type.n == 0 || webhook_body_kind(content_type, TL_SV("")) == WEBHOOK_JSON;
}

/* ---- JSON event format ---- */

static enum tl_rc data_from_json(struct tl_arena *a, struct json event, struct json attributes, struct webhook_ce *e,
                                 struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json data = json_gets(event, "data"), base64 = json_gets(event, "data_base64");
    struct tl_sv type = json_text(json_gets(attributes, "datacontenttype"), TL_SV(""));

    if (data.type != JSON_UNDEFINED && base64.type != JSON_UNDEFINED)
        return tl_fail(err, TL_INVALID, "a CloudEvent has either data or data_base64, not both");
    if (base64.type != JSON_UNDEFINED && base64.type != JSON_NULL) {
        tl_buf_init(&b, json_view(base64).n + 4);
        if (base64.type != JSON_STRING || !tl_base64_decode(&b, json_view(base64)))
            return tl_fail(err, TL_INVALID, "the CloudEvent's data_base64 is not base64");
        e->kind = WEBHOOK_CE_BINARY_DATA;
        e->bytes = b.n > 0 ? tl_arena_sv(a, tl_buf_view(&b)) : TL_SV("");
        return e->bytes.p != NULL ? TL_OK : tl_fail(err, TL_LIMIT, "the CloudEvent is too large");
    }
    if (data.type == JSON_UNDEFINED)
        return TL_OK;
    e->kind = data.type == JSON_STRING && !is_json_type(type) ? WEBHOOK_CE_TEXT : WEBHOOK_CE_JSON;
    e->data = data;
    return TL_OK;
}

static enum tl_rc from_json(struct tl_arena *a, struct json event, struct webhook_ce *e, struct tl_err *err)
{
    struct json_builder b;
    enum tl_rc rc = TL_OK;

    if (event.type != JSON_OBJECT)
        return tl_fail(err, TL_INVALID, "a CloudEvent in JSON is an object");
    json_object_begin(&b, a, event.n);
    for (uint32_t i = 0; i < event.n && rc == TL_OK; i++) {
        struct tl_sv name = json_view(event.u.members[i].key);
        struct json v = event.u.members[i].value;

        if (tl_sv_eqs(name, "data") || tl_sv_eqs(name, "data_base64"))
            continue;
        if (v.type == JSON_NULL && name_ok(name)) /* JSON format 2.2: null is the same as absent */
            continue;
        rc = check_attribute(name, v, err);
        if (rc == TL_OK && !json_add(&b, name, v))
            rc = tl_fail(err, TL_LIMIT, "the CloudEvent is too large");
    }
    *e = (struct webhook_ce){.attributes = json_end(&b)};
    if (rc == TL_OK)
        rc = check_required(e->attributes, err);
    return rc == TL_OK ? data_from_json(a, event, e->attributes, e, err) : rc;
}

static enum tl_rc parse_structured(struct tl_arena *a, struct tl_sv body, bool batch, struct webhook_ce **ret,
                                   size_t *ret_n, struct tl_err *err)
{
    struct json doc = JSON_NOTHING;
    struct webhook_ce *list;
    size_t n;
    enum tl_rc rc = json_parse(a, body, 0, NULL, &doc, err);

    if (rc != TL_OK)
        return rc;
    if (batch && doc.type != JSON_ARRAY)
        return tl_fail(err, TL_INVALID, "a batch of CloudEvents is a JSON list");
    n = batch ? doc.n : 1;
    if (n > MAX_EVENTS)
        return tl_fail(err, TL_LIMIT, "a batch of more than %d CloudEvents is not accepted", MAX_EVENTS);
    list = tl_arena_alloc(a, (n + 1) * sizeof(*list));
    if (list == NULL)
        return tl_fail(err, TL_LIMIT, "the batch of CloudEvents is too large");
    for (size_t i = 0; i < n && rc == TL_OK; i++) {
        rc = from_json(a, batch ? doc.u.items[i] : doc, &list[i], err);
        if (rc != TL_OK && batch)
            rc = tl_err_prefix(err, "event %zu of the batch", i);
    }
    if (rc != TL_OK)
        return rc;
    *ret = list;
    *ret_n = n;
    return TL_OK;
}

/* ---- binary mode ---- */

/* HTTP binding 3.1.3.2: an optional quoted string first, then percent-encoding of UTF-8. */
static enum tl_rc header_value(struct tl_arena *a, struct tl_sv name, struct tl_sv value, struct tl_sv *ret,
                               struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf plain = {0}, b = {0};
    struct tl_sv s = tl_sv_trim(value);

    tl_buf_init(&plain, MAX_ATTRIBUTE);
    tl_buf_init(&b, MAX_ATTRIBUTE);
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"') {
        for (size_t i = 1; i + 1 < s.n; i++) {
            if (s.p[i] == '\\' && i + 2 < s.n)
                i++;
            tl_buf_putc(&plain, s.p[i]);
        }
        s = tl_buf_view(&plain);
    }
    if (plain.failed || s.n > MAX_ATTRIBUTE)
        return tl_fail(err, TL_LIMIT, "a CloudEvent attribute is longer than %d bytes", MAX_ATTRIBUTE);
    if (!tl_percent_decode(&b, s, false) || tl_utf8_valid(tl_buf_view(&b)) != b.n)
        return bad(err, name, "is not percent-encoded UTF-8");
    *ret = b.n > 0 ? tl_arena_sv(a, tl_buf_view(&b)) : TL_SV("");
    return ret->p != NULL ? TL_OK : tl_fail(err, TL_LIMIT, "the CloudEvent is too large");
}

static enum tl_rc add_header(struct json_builder *b, struct tl_sv name, struct tl_sv value, struct tl_err *err)
{
    char *lower = tl_arena_strndup(b->arena, name.n > 0 ? name.p : "", name.n);
    struct tl_sv text = TL_SV_NULL;
    enum tl_rc rc;

    for (size_t i = 0; i < name.n; i++) {
        if (lower[i] >= 'A' && lower[i] <= 'Z')
            lower[i] = (char)(lower[i] + 32);
    }
    name = tl_sv(lower, name.n);
    /* HTTP binding 3.1.1: it is the Content-Type header. */
    if (tl_sv_eqs(name, "datacontenttype"))
        return bad(err, name, "must be sent as the content type");
    if (json_get(json_end(b), name).type != JSON_UNDEFINED)
        return bad(err, name, "is given twice");
    rc = header_value(b->arena, name, value, &text, err);
    if (rc == TL_OK)
        rc = check_attribute(name, json_sv(text), err);
    if (rc == TL_OK && !json_add(b, name, json_sv(text)))
        rc = tl_fail(err, TL_LIMIT, "the CloudEvent is too large");
    return rc;
}

/* HTTP binding 3.1: in this mode the data is opaque, so a bad one breaks no rule of the specification. */
static void data_from_body(struct tl_arena *a, struct tl_sv content_type, struct tl_sv body, struct webhook_ce *e)
{
    enum webhook_body_kind kind = webhook_body_kind(content_type, TL_SV(""));
    bool text = kind == WEBHOOK_XML || tl_sv_starts_i(content_type, TL_SV("text/"));

    struct tl_err err;

    if (body.n == 0)
        return;
    if (kind == WEBHOOK_JSON) {
        e->kind = WEBHOOK_CE_JSON;
        if (json_parse(a, body, JSON_PARSE_LONE_SURROGATES | JSON_PARSE_DUP_LAST, NULL, &e->data, &err) == TL_OK)
            return;
        e->kind = WEBHOOK_CE_BINARY_DATA;
        e->bytes = body;
        e->fault = tl_arena_printf(a, "%s", err.text);
    } else if (text && tl_utf8_valid(body) == body.n) {
        e->kind = WEBHOOK_CE_TEXT;
        e->data = json_sv(body);
    } else {
        e->kind = WEBHOOK_CE_BINARY_DATA;
        e->bytes = body;
    }
}

static enum tl_rc parse_binary(struct tl_arena *a, const struct webhook_header *headers, size_t n_headers,
                               struct tl_sv content_type, struct tl_sv body, struct webhook_ce **ret, size_t *ret_n,
                               struct tl_err *err)
{
    struct webhook_ce *e = tl_arena_must(a, sizeof(*e));
    struct json_builder b;
    enum tl_rc rc = TL_OK;

    json_object_begin(&b, a, 12);
    for (size_t i = 0; i < n_headers && rc == TL_OK; i++) {
        struct tl_sv name = headers[i].name;

        if (tl_sv_starts_i(name, TL_SV("ce-")) || tl_sv_starts_i(name, TL_SV("ce_")))
            rc = add_header(&b, tl_sv_from(name, 3), headers[i].value, err);
    }
    if (rc == TL_OK && content_type.n > 0) {
        rc = check_attribute(TL_SV("datacontenttype"), json_sv(content_type), err);
        if (rc == TL_OK)
            (void)json_adds(&b, "datacontenttype", json_sv(content_type));
    }
    *e = (struct webhook_ce){.attributes = json_end(&b)};
    if (rc == TL_OK)
        rc = check_required(e->attributes, err);
    if (rc != TL_OK)
        return rc;
    data_from_body(a, content_type, body, e);
    *ret = e;
    *ret_n = 1;
    return TL_OK;
}

static struct tl_sv type_of(struct tl_sv content_type)
{
    return tl_sv_trim(tl_sv(content_type.p, tl_sv_find(content_type, ';')));
}

static bool is_binary(const struct webhook_request *req)
{
    static const char *const names[] = {"ce-specversion", "ce_specversion", "ce-id", "ce_id", "ce-type", "ce_type"};
    size_t n = 0;

    for (size_t i = 0; i < TL_COUNT(names) && n == 0; i++)
        (void)webhook__header(req, names[i], &n);
    return n > 0;
}

enum tl_rc webhook_ce_parse(struct tl_arena *a, const struct webhook_header *headers, size_t n_headers,
                            struct tl_sv body, enum webhook_ce_mode *ret_mode, struct webhook_ce **ret_events,
                            size_t *ret_n, struct tl_err *err)
{
    struct webhook_request req = {.headers = headers, .n_headers = n_headers};
    size_t n_types = 0;
    struct tl_sv content_type = tl_sv_trim(webhook__header(&req, "content-type", &n_types));
    struct tl_sv type = type_of(content_type);
    bool batch = tl_sv_starts_i(type, TL_SV("application/cloudevents-batch")), binary;

    if (n_types > 1)
        return tl_fail(err, TL_INVALID, "the content type is given twice");
    if (batch || tl_sv_starts_i(type, TL_SV("application/cloudevents"))) {
        if (!tl_sv_eqi(type,
                       batch ? TL_SV("application/cloudevents-batch+json") : TL_SV("application/cloudevents+json")))
            return tl_fail(err, TL_UNSUPPORTED, "of the CloudEvents formats only JSON is supported");
        *ret_mode = batch ? WEBHOOK_CE_BATCH : WEBHOOK_CE_STRUCTURED;
        return parse_structured(a, body, batch, ret_events, ret_n, err);
    }
    binary = is_binary(&req);
    *ret_mode = binary ? WEBHOOK_CE_BINARY : WEBHOOK_CE_NONE;
    *ret_n = 0;
    return binary ? parse_binary(a, headers, n_headers, content_type, body, ret_events, ret_n, err) : TL_OK;
}

struct json webhook_ce_json(struct tl_arena *a, const struct webhook_ce *e)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json_builder o;

    json_object_begin(&o, a, e->attributes.n + 1);
    for (uint32_t i = 0; i < e->attributes.n; i++)
        (void)json_add(&o, json_view(e->attributes.u.members[i].key), e->attributes.u.members[i].value);
    if (e->kind == WEBHOOK_CE_BINARY_DATA) {
        tl_buf_init(&b, e->bytes.n * 2 + 16);
        (void)tl_base64_encode(&b, e->bytes.p, e->bytes.n);
        (void)json_adds(&o, "data_base64", json_str_copy(a, tl_buf_view(&b)));
    } else if (e->kind != WEBHOOK_CE_NO_DATA) {
        (void)json_adds(&o, "data", e->data);
    }
    return json_end(&o);
}

/* ---- the events of a request ---- */

/* A scheme's own delivery id is proved with the request; what these headers say may not be, so they do not replace it.
 */
static bool has_own_id(const struct webhook_scheme *s)
{
    return s->id_body != NULL || s->id_header[0] != NULL || s->families[0].id != NULL || s->proof == PROOF_BODY ||
           s->proof == PROOF_OUTBOUND;
}

bool webhook__is_ce(const struct webhook_verifier *v, const struct webhook_request *req)
{
    size_t n;

    if (v != NULL && strcmp(v->s.name, "cloudevents") != 0 && has_own_id(&v->s))
        return false;
    return tl_sv_starts_i(type_of(tl_sv_trim(webhook__header(req, "content-type", &n))),
                          TL_SV("application/cloudevents")) ||
           is_binary(req);
}

/* Section 3.1.1: source and id together are unique to the event. A source holds no space. */
static struct tl_sv key_of(struct tl_arena *a, const struct webhook_ce *e)
{
    struct tl_sv source = json_text(json_gets(e->attributes, "source"), TL_SV("")),
                 id = json_text(json_gets(e->attributes, "id"), TL_SV(""));

    return tl_sv_str(tl_arena_printf(a, "%.*s %.*s", TL_SV_ARG(source), TL_SV_ARG(id)));
}

static bool refuse_ce(struct tl_arena *a, struct webhook_verdict *verdict, const struct tl_err *err)
{
    int status = err->rc == TL_LIMIT ? 413 : err->rc == TL_UNSUPPORTED ? 415 : 400;

    webhook__refuse(verdict, status, "the CloudEvent is not one that its specification allows", "");
    (void)snprintf(verdict->why, sizeof verdict->why, "%.150s", err->text);
    verdict->sentence = tl_arena_printf(a, "%s", err->text);
    verdict->code = tl_rc_name(err->rc);
    return false;
}

bool webhook__ce_events(struct tl_arena *a, const struct webhook_request *req, struct webhook_verdict *verdict,
                        struct webhook_event **ret, size_t *ret_n)
{
    enum webhook_ce_mode mode = WEBHOOK_CE_NONE;
    struct webhook_event *events;
    struct webhook_ce *list = NULL;
    struct tl_err err = {.rc = TL_OK};
    size_t n = 0;

    if (webhook_ce_parse(a, req->headers, req->n_headers, req->body, &mode, &list, &n, &err) != TL_OK)
        return refuse_ce(a, verdict, &err);
    events = tl_arena_zalloc(a, (n + 1) * sizeof *events);
    if (events == NULL) {
        (void)tl_fail(&err, TL_LIMIT, "the batch of CloudEvents is too large");
        return refuse_ce(a, verdict, &err);
    }
    for (size_t i = 0; i < n; i++) {
        events[i].body = webhook_ce_json(a, &list[i]);
        events[i].delivery_id = key_of(a, &list[i]);
        events[i].fault = list[i].fault;
        events[i].event_type = json_text(json_gets(list[i].attributes, "type"), TL_SV(""));
        if (events[i].event_type.n > WEBHOOK_MAX_ID)
            events[i].event_type = TL_SV_NULL;
        if (mode == WEBHOOK_CE_STRUCTURED)
            events[i].raw = req->body;
    }
    *ret = events;
    *ret_n = n;
    return true;
}
