/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict.c - what NetSuite's answers mean. The code decides, not the status: the same limit is 429 in REST and 400 in
 * RESTlets, and a lock is a USER_ERROR among the others.
 *
 * REST: {"status", "o:errorDetails": [{"detail", "o:errorCode", "o:errorPath"}]}; RESTlets: {"error": {"code",
 * "message"}}, where message may be JSON of a SuiteScript error.
 */
#include "netsuite/netsuite_int.h"

enum { TEXT = 360, DETAILS = 3, FALSE_401_US = 20000000 };

enum meaning { DATA, LIMIT, LOCK, LOGIN, PERMISSION, OURS, INTERNAL, JOB_EXISTS, SCRIPT };
static const struct {
    const char *code;
    enum meaning meaning;
} codes[] = {
    {"CONCURRENCY_LIMIT_EXCEEDED", LIMIT},
    {"SSS_REQUEST_LIMIT_EXCEEDED", LIMIT},
    {"WS_REQUEST_BLOCKED", LIMIT},
    {"WS_CONCUR_SESSION_DISALLWD", LIMIT},
    {"RCRD_HAS_BEEN_CHANGED", LOCK},
    {"CUSTOM_RECORD_COLLISION", LOCK},
    {"INVALID_LOGIN", LOGIN},
    {"INVALID_LOGIN_ATTEMPT", LOGIN},
    {"INVALID_LOGIN_CREDENTIALS", LOGIN},
    {"TWO_FA_REQD", LOGIN},
    {"INSUFFICIENT_PERMISSION", PERMISSION},
    {"INVALID_HEADER", OURS},
    {"UNEXPECTED_ERROR", INTERNAL},
    {"IDEMPOTENCY_ERROR", JOB_EXISTS},
    {"SSS_INVALID_SCRIPTLET_ID", SCRIPT},
};
/* Texts of USER_ERROR (and of Java beneath) that pass by themselves. */
static const char *const lock_texts[] = {"record has been changed", "record is locked", "being edited by another",
                                         "try again later"};
static const char *const limit_texts[] = {"concurrent request limit exceeded", "only one request may be made"};

static bool contains_i(struct tl_sv s, const char *words)
{
    struct tl_sv w = tl_sv_str(words);

    for (size_t i = 0; i + w.n <= s.n; i++)
        if (tl_sv_starts_i(tl_sv_from(s, i), w))
            return true;
    return false;
}

static bool has_any(struct tl_sv s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (contains_i(s, words[i]))
            return true;
    return false;
}

/* ---- reading ---- */

static struct tl_sv where_of(struct json detail)
{
    static const char *const keys[] = {"o:errorPath", "o:errorQueryParam", "o:errorHeader", "o:errorUrl", "o:urlPath"};

    for (size_t i = 0; i < TL_COUNT(keys); i++) {
        struct tl_sv s = json_text(json_gets(detail, keys[i]), TL_SV(""));

        if (s.n > 0)
            return s;
    }
    return TL_SV("");
}

static void read_details(struct tl_buf *b, struct json details, struct tl_sv *ret_code)
{
    for (uint32_t i = 0; i < details.n && i < DETAILS; i++) {
        struct json one = details.u.items[i];
        struct tl_sv code = json_text(json_gets(one, "o:errorCode"), TL_SV("")), where = where_of(one);

        if (i == 0)
            *ret_code = code;
        (void)tl_buf_printf(b, "%s%.*s%s%.*s", i > 0 ? "; " : "", TL_SV_ARG(code), code.n > 0 ? ": " : "",
                            TL_SV_ARG(json_text(json_gets(one, "detail"), TL_SV(""))));
        if (where.n > 0)
            (void)tl_buf_printf(b, " [%.*s]", TL_SV_ARG(where));
    }
}

static void read_script_error(struct tl_buf *b, struct json error, struct tl_sv *ret_code)
{
    *ret_code = json_text(json_gets(error, "code"), TL_SV(""));
    (void)tl_buf_printf(b, "%.*s: %.*s", TL_SV_ARG(*ret_code),
                        TL_SV_ARG(json_text(json_gets(error, "message"), TL_SV(""))));
}

struct tl_sv netsuite__tidy(struct connector_call *call, struct tl_sv s)
{
    struct tl_sv masked = connector_mask(call, s);
    size_t n = masked.n < TEXT ? masked.n : TEXT;
    char *copy = tl_arena_strndup(call->arena, masked.p ? masked.p : "", n);

    if (!copy)
        return TL_SV("");
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)copy[i] < 0x20 || copy[i] == 0x7f)
            copy[i] = ' ';
    return tl_sv(copy, tl_utf8_valid(tl_sv(copy, n)));
}

/* ---- meaning ---- */

static enum meaning meaning_of(struct tl_sv code, struct tl_sv text, enum meaning otherwise)
{
    if (has_any(text, limit_texts, TL_COUNT(limit_texts)))
        return LIMIT;
    for (size_t i = 0; i < TL_COUNT(codes); i++)
        if (tl_sv_eqs(code, codes[i].code))
            return codes[i].meaning;
    return has_any(text, lock_texts, TL_COUNT(lock_texts)) ? LOCK : otherwise;
}

static void apply(struct connector_call *call, struct netsuite_refusal *r, enum meaning m,
                  const struct http_reply *reply, bool repeatable)
{
    static const struct {
        enum tl_rc rc;
        bool of_record;
    } rows[] = {
        [LIMIT] = {TL_RATE_LIMITED, false},  [LOCK] = {TL_CONFLICT, true},     [LOGIN] = {TL_AUTH, false},
        [PERMISSION] = {TL_FORBIDDEN, true}, [OURS] = {TL_CONFIG, false},      [SCRIPT] = {TL_CONFIG, false},
        [INTERNAL] = {TL_UPSTREAM, false},   [JOB_EXISTS] = {TL_EXISTS, true}, [DATA] = {TL_INVALID, true},
    };

    r->rc = rows[m].rc;
    r->of_record = rows[m].of_record;
    r->is_duplicate = m == JOB_EXISTS;
    if (m == LIMIT) {
        call->feedback.too_many_at_once = true;
        call->feedback.retry_after_ms = r->retry_after_ms;
        if (r->retry_after_ms == 0) /* none is documented: this record waits, the others' requests go on */
            r->retry_after_ms = NETSUITE_BUSY_MS;
    } else if (m == LOGIN && netsuite__false_401(NULL, reply)) {
        r->rc = TL_RATE_LIMITED;
        r->retry_after_ms = call->feedback.retry_after_ms = NETSUITE_OVERLOAD_MS;
    } else if (m == INTERNAL && !repeatable) {
        r->rc = TL_UNKNOWN_OUTCOME;
    } else if (m == PERMISSION) {
        r->text = tl_sv_str(tl_arena_printf(call->arena,
                                            "%.*s (add the permission to the integration's role: Setup > Users/Roles > "
                                            "Manage Roles)",
                                            TL_SV_ARG(r->text)));
    }
}

struct netsuite_refusal netsuite__judge(struct task *task, struct connector_call *call, const struct http_reply *reply,
                                        bool repeatable)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct netsuite_refusal r = {.rc = TL_OK};
    struct tl_err general = {0};
    struct json v, details;

    r.rc = connector_classify(call, reply, &general);
    if (r.rc == TL_OK && reply->status < 300)
        return r;
    if (r.rc == TL_OK)
        r.rc = tl_fail(&general, TL_CONFIG, "HTTP %d", reply->status);
    r.retry_after_ms = general.retry_after_ms;
    v = netsuite__parsed(task, call, reply);
    details = json_gets(v, "o:errorDetails");
    tl_buf_init(&text, 64 << 10);
    (void)tl_buf_printf(&text, "HTTP %d ", reply->status);
    if (details.type == JSON_ARRAY && details.n > 0)
        read_details(&text, details, &r.code);
    else if (json_gets(v, "error").type == JSON_OBJECT)
        read_script_error(&text, json_gets(v, "error"), &r.code);
    r.text = netsuite__tidy(call, r.code.n > 0 ? tl_buf_view(&text) : tl_sv_str(general.text));
    if (reply->status >= 500 && reply->status != 503 && !repeatable && r.rc == TL_UPSTREAM)
        r.rc = TL_UNKNOWN_OUTCOME; /* 503: nothing was begun */
    if (r.code.n > 0 || reply->status == 429 || reply->status == 401) {
        enum meaning by_status = reply->status == 429   ? LIMIT
                                 : reply->status == 401 ? LOGIN
                                 : reply->status >= 500 ? INTERNAL
                                                        : DATA;

        /* An address that leads nowhere is the configuration's fault, unless it is the record's id that is not there.
         */
        if (reply->status == 404 && !tl_sv_eqs(r.code, "NONEXISTENT_ID"))
            by_status = OURS;
        apply(call, &r, meaning_of(r.code, r.text, by_status), reply, repeatable);
    } else if (reply->status == 400 || reply->status == 403 || reply->status == 404 || reply->status == 409 ||
               reply->status == 413 || reply->status == 422) {
        r.of_record = true;
        r.rc = reply->status == 404 || reply->status == 403 ? TL_INVALID : r.rc;
    }
    return r;
}

struct netsuite_refusal netsuite__judge_code(struct connector_call *call, struct tl_sv code, struct tl_sv text)
{
    static const struct http_reply fine = {.status = 200};
    struct guard_feedback before = call->feedback; /* one record's trouble is no news about the account */
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct netsuite_refusal r = {.rc = TL_INVALID, .code = code};

    tl_buf_init(&b, 64 << 10);
    (void)tl_buf_printf(&b, "%.*s%s%.*s", TL_SV_ARG(code), code.n > 0 ? ": " : "", TL_SV_ARG(text));
    r.text = netsuite__tidy(call, tl_buf_view(&b));
    apply(call, &r, meaning_of(code, r.text, DATA), &fine, true);
    call->feedback = before;
    return r;
}

enum tl_rc(netsuite__fail)(const struct netsuite_refusal *r, struct tl_err *err)
{
    (void)tl_fail(err, r->rc, "%.*s", TL_SV_ARG(r->text));
    if (err)
        err->retry_after_ms = r->retry_after_ms;
    return r->rc;
}

/* Under heavy load NetSuite answers `Invalid login attempt` after up to a minute; a login that is really refused is
 * refused at once. */
bool netsuite__is_overload(const struct http_reply *reply)
{
    return reply->total_us >= FALSE_401_US;
}

bool netsuite__false_401(const void *connection, const struct http_reply *reply)
{
    (void)connection;
    return reply->status == 401 && netsuite__is_overload(reply);
}
