/* SPDX-License-Identifier: Apache-2.0 */
/* soap.c - one request over SOAP with a tokenPassport, and what its faults mean. */
#include "netsuite/soap_int.h"

enum { REPLY_MAX = 64 << 20, USAGE_MS = 60000, FAULT_LOOK = 64 << 10 };

/* ---- what is sent ---- */

struct making {
    struct task *task;
    struct tl_arena *arena;
    const struct netsuite_soap *request;
    const struct auth_passport *passport;
    struct tl_buf *b;
    struct tl_err *err;
    enum tl_rc rc;
};

static struct json passport_of(struct tl_arena *a, const struct auth_passport *p)
{
    struct json_builder b, signature;

    json_object_begin(&signature, a, 2);
    (void)json_adds(&signature, "@algorithm", json_str("HMAC-SHA256"));
    (void)json_adds(&signature, "#text", json_sv(p->signature));
    json_object_begin(&b, a, 6);
    (void)json_adds(&b, "platformCore:account", json_sv(p->account));
    (void)json_adds(&b, "platformCore:consumerKey", json_sv(p->consumer_key));
    (void)json_adds(&b, "platformCore:token", json_sv(p->token));
    (void)json_adds(&b, "platformCore:nonce", json_sv(p->nonce));
    (void)json_adds(&b, "platformCore:timestamp", json_sv(p->timestamp));
    (void)json_adds(&b, "platformCore:signature", json_end(&signature));
    return json_end(&b);
}

static struct json header_of(struct tl_arena *a, const struct netsuite_soap *r, const struct auth_passport *p)
{
    struct json_builder b, preferences;

    json_object_begin(&b, a, 2);
    (void)json_adds(&b, "platformMsgs:tokenPassport", passport_of(a, p));
    if (r->searching) {
        json_object_begin(&preferences, a, 2);
        (void)json_adds(&preferences, "platformMsgs:bodyFieldsOnly", json_bool(!r->whole));
        (void)json_adds(&preferences, "platformMsgs:pageSize", json_int(r->page));
        (void)json_adds(&b, "platformMsgs:searchPreferences", json_end(&preferences));
    }
    return json_end(&b);
}

static void write_envelope(void *arg)
{
    struct making *m = arg;
    struct json_builder body;

    json_object_begin(&body, m->arena, 1);
    (void)json_adds(&body, tl_arena_printf(m->arena, "platformMsgs:%s", m->request->action), m->request->body);
    if (tl_arena_exceeded(m->arena))
        m->rc = tl_fail(m->err, TL_LIMIT, "the records need more memory than a call may have");
    else
        m->rc = xml_soap_write(m->b, netsuite__soap_namespaces(m->arena), header_of(m->arena, m->request, m->passport),
                               json_end(&body), m->err);
}

static enum tl_rc make(void *arg, const struct auth_passport *passport, struct tl_buf *b, struct tl_err *err)
{
    struct making *m = arg;

    m->passport = passport;
    m->b = b;
    m->err = err;
    task_on_main_stack(m->task, write_envelope, m);
    return m->rc;
}

/* ---- faults ---- */

enum meaning { LIMIT, USAGE, SIZE, ROLE, OURS, LOGIN, AGAIN, CONTENT };

static enum meaning meaning_of(struct tl_sv fault, struct tl_sv code, struct tl_sv text)
{
    static const struct {
        const char *name;
        enum meaning meaning;
    } rows[] = {
        {"exceededConcurrentRequestLimitFault", LIMIT},
        {"exceededRequestLimitFault", LIMIT},
        {"WS_REQUEST_BLOCKED", LIMIT},
        {"WS_CONCUR_SESSION_DISALLWD", LIMIT},
        {"exceededUsageLimitFault", USAGE},
        {"exceededRequestSizeFault", SIZE},
        {"exceededRecordCountFault", SIZE},
        {"insufficientPermissionFault", ROLE},
        {"invalidAccountFault", OURS},
        {"invalidVersionFault", OURS},
        {"invalidCredentialsFault", LOGIN},
        {"invalidSessionFault", AGAIN}, /* a passport is a login of its own: the next one has another session */
        {"unexpectedErrorFault", AGAIN},
        {"asyncFault", AGAIN},
    };
    /* What Java says of itself, under whatever fault. */
    static const char *const passing[] = {"NullPointerException",        "IllegalStateException",
                                          "InvocationTargetException",   "ConcurrentModificationException",
                                          "NLDatabaseOfflineException",  "NoCompanyDbsOnlineException",
                                          "CacheUnavailableException",   "scheduled maintenance",
                                          "An unexpected error occurred"};

    for (size_t i = 0; i < TL_COUNT(rows); i++)
        if (tl_sv_eqs(fault, rows[i].name) || tl_sv_eqs(code, rows[i].name))
            return rows[i].meaning;
    for (size_t i = 0; i < TL_COUNT(passing); i++)
        if (tl_sv_find_sv(text, tl_sv_str(passing[i])) < text.n)
            return AGAIN;
    return CONTENT;
}

static enum tl_rc later(struct tl_err *err, enum tl_rc rc, uint32_t ms, struct tl_sv text, const char *why)
{
    (void)tl_fail(err, rc, "%.*s%s", TL_SV_ARG(text), why);
    if (err)
        err->retry_after_ms = ms;
    return rc;
}

/* The call's error, or TL_OK and *no for what speaks of what was sent. */
static enum tl_rc fault(struct connector_call *call, const struct http_reply *reply, const struct xml_soap *s,
                        struct netsuite_refusal *no, struct tl_err *err)
{
    struct json one = s->fault_detail.type == JSON_OBJECT && s->fault_detail.n > 0
                          ? xml_at(s->fault_detail.u.members[0].value, 0)
                          : JSON_NOTHING;
    struct tl_sv name = one.type == JSON_UNDEFINED ? TL_SV("") : json_view(s->fault_detail.u.members[0].key);
    struct tl_sv code = xml_text(json_gets(one, "code")), text = xml_text(json_gets(one, "message"));
    const char *words =
        tl_arena_printf(call->arena, "HTTP %d %.*s%s%.*s: %.*s", reply->status, TL_SV_ARG(name), code.n > 0 ? " " : "",
                        TL_SV_ARG(code), TL_SV_ARG(text.n > 0 ? text : s->fault_text));

    text = netsuite__tidy(call, tl_sv_str(words));
    switch (meaning_of(name, code, text)) {
    case LIMIT: /* refused at once, nothing was done: this record waits a little, the others' requests go on */
        call->feedback.too_many_at_once = true;
        return later(err, TL_RATE_LIMITED, NETSUITE_BUSY_MS, text, "");
    case USAGE:
        call->feedback.retry_after_ms = USAGE_MS;
        return later(err, TL_QUOTA, USAGE_MS, text, "");
    case LOGIN:
        if (!netsuite__is_overload(reply))
            return tl_fail(err, TL_AUTH, "%.*s (the Login Audit Trail says why)", TL_SV_ARG(text));
        call->feedback.retry_after_ms = NETSUITE_OVERLOAD_MS;
        return later(err, TL_RATE_LIMITED, NETSUITE_OVERLOAD_MS, text, " (after so long a wait: overload)");
    case ROLE:
        return tl_fail(
            err, TL_CONFIG,
            "%.*s (add the permission, or SOAP Web Services, to the integration's role: Setup > Users/Roles > "
            "Manage Roles)",
            TL_SV_ARG(text));
    case OURS:
        return tl_fail(err, TL_CONFIG, "%.*s", TL_SV_ARG(text));
    case AGAIN:
        return tl_fail(err, TL_UPSTREAM, "%.*s", TL_SV_ARG(text));
    case SIZE:
    case CONTENT:
        break;
    }
    *no = (struct netsuite_refusal){.rc = TL_INVALID, .of_record = true, .text = text};
    return TL_OK;
}

bool netsuite__refused_login(const void *connection, const struct http_reply *reply)
{
    struct tl_sv body = tl_sv(reply->body.p, reply->body.n < FAULT_LOOK ? reply->body.n : FAULT_LOOK);
    const struct tl_sv name = TL_SV("invalidCredentialsFault>");

    (void)connection;
    return reply->status == 500 && !netsuite__is_overload(reply) && tl_sv_find_sv(body, name) < body.n;
}

struct netsuite_refusal netsuite__soap_status(struct connector_call *call, struct json status)
{
    struct json details = json_gets(status, "statusDetail");
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct netsuite_refusal none = {.rc = TL_OK};
    struct tl_sv code = TL_SV("");

    if (tl_sv_eqs(json_text(json_gets(status, "@isSuccess"), TL_SV("")), "true"))
        return none;
    tl_buf_init(&text, 16 << 10);
    for (size_t i = 0; i < xml_count(details); i++) {
        struct json one = xml_at(details, i);

        if (!tl_sv_eqs(json_text(json_gets(one, "@type"), TL_SV("ERROR")), "ERROR"))
            continue;
        if (code.n == 0)
            code = xml_text(json_gets(one, "code"));
        (void)tl_buf_printf(&text, "%s%.*s", text.n > 0 ? "; " : "", TL_SV_ARG(xml_text(json_gets(one, "message"))));
    }
    return netsuite__judge_code(call, code.p ? code : TL_SV(""), tl_buf_view(&text));
}

/* ---- the request ---- */

struct reading {
    struct tl_arena *arena;
    struct tl_sv text;
    struct xml_soap soap;
    enum tl_rc rc;
};
static void read_envelope(void *arg)
{
    static const struct xml_limits limits = {.max_bytes = REPLY_MAX, .max_depth = 100, .max_nodes = 4000000};
    struct reading *r = arg;

    r->rc = xml_soap_parse(r->arena, r->text, &limits, &r->soap, NULL);
}

static enum tl_rc judge(struct task *task, struct connector_call *call, const struct http_reply *reply,
                        struct json *ret, struct netsuite_refusal *no, struct tl_err *err)
{
    struct reading r = {.arena = call->arena, .text = reply->body, .rc = TL_INVALID};

    if (reply->status == 200 || reply->status == 500)
        task_on_main_stack(task, read_envelope, &r);
    if (r.rc == TL_OK && r.soap.is_fault) {
        call->status = (uint32_t)reply->status;
        return fault(call, reply, &r.soap, no, err);
    }
    *no = netsuite__judge(task, call, reply, true); /* a gateway's page, or a success */
    if (no->rc != TL_OK && !no->of_record)
        return netsuite__fail(no, err);
    if (no->rc == TL_OK && r.rc == TL_LIMIT)
        return tl_fail(err, TL_LIMIT, "the answer is larger than we take: make `page` or `batch` smaller");
    if (no->rc == TL_OK && (r.rc != TL_OK || r.soap.body.type == JSON_UNDEFINED))
        return tl_fail(err, TL_UPSTREAM, "HTTP %d: the answer is no envelope of SOAP", reply->status);
    *ret = r.soap.body;
    return TL_OK;
}

enum tl_rc netsuite__soap(struct task *task, struct connector_call *call, const struct netsuite_soap *r,
                          struct json *ret, struct netsuite_refusal *no, struct tl_err *err)
{
    const struct netsuite_connection *c = call->connection;
    const struct http_header headers[] = {
        {TL_SV("Content-Type"), TL_SV("text/xml; charset=utf-8")},
        {TL_SV("SOAPAction"), tl_sv_str(tl_arena_printf(call->arena, "\"%s\"", r->action))}};
    struct making m = {.task = task, .arena = call->arena, .request = r};
    const struct http_request_out out = {.method = TL_SV("POST"),
                                         .url = TL_SV(NETSUITE_SOAP),
                                         .headers = headers,
                                         .n_headers = TL_COUNT(headers),
                                         .idempotent = true, /* upserts and searches */
                                         .compressed = true,
                                         .max_body = REPLY_MAX,
                                         .timeout_ms = (uint32_t)(r->timeout_ms > 0 ? r->timeout_ms : c->timeout_ms)};
    struct http_reply reply;
    enum tl_rc rc;

    call->endpoint = TL_SV(NETSUITE_SOAP);
    *no = (struct netsuite_refusal){.rc = TL_OK};
    rc = connector_http_passport(task, call, &out, c->id, make, &m, &reply, err);
    return rc == TL_OK ? judge(task, call, &reply, ret, no, err) : rc;
}

void netsuite__soap_check(const void *connection, const struct config_text *record, struct config_errors *e)
{
    const struct netsuite_connection *c = connection;

    if (c->auth.name && strcmp(c->auth.name, "oauth1") != 0)
        config_error(e, record->at, "Use REST (upsert, records), or a connection with `auth: { oauth1: ... }`.",
                     "SOAP takes token-based authentication only");
    if (record->text && !netsuite__soap_type(record->text))
        config_error(e, record->at, "Use REST: upsert, records, suiteql.",
                     "`%.60s` is no record type that we send over SOAP", record->text);
}
