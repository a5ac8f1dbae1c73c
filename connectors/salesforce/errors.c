/* SPDX-License-Identifier: Apache-2.0 */
/*
 * errors.c - what the vendor's error codes mean for us. Codes that are not in the table go by the HTTP status.
 * The list follows the vendor's "Status Codes and Error Responses" and the StatusCode and ExceptionCode enumerations of
 * its WSDL.
 */
#include "salesforce/salesforce_int.h"

enum { HOUR_MS = 3600000, AT_ONCE_MS = 3000, TEXT_MAX = 300 };

struct row {
    const char *code;
    enum tl_rc rc;
    enum tl_class cls;
};
static const struct row rows[] = {
    /* again later */
    {"UNABLE_TO_LOCK_ROW", TL_CONFLICT, TL_CLASS_NONE},
    {"SERVER_UNAVAILABLE", TL_UPSTREAM, TL_CLASS_NONE},
    {"REQUEST_RUNNING_TOO_LONG", TL_UPSTREAM, TL_CLASS_NONE},
    {"QUERY_TIMEOUT", TL_UPSTREAM, TL_CLASS_NONE},
    {"TXN_SECURITY_METERING_ERROR", TL_UPSTREAM, TL_CLASS_NONE},
    {"TOO_MANY_APEX_REQUESTS", TL_CONFLICT, TL_CLASS_NONE},
    {"API_TEMPORARILY_UNAVAILABLE", TL_UPSTREAM, TL_CLASS_NONE},
    {"API_CURRENTLY_DISABLED", TL_UPSTREAM, TL_CLASS_NONE},
    {"ORG_LOCKED", TL_UPSTREAM, TL_CLASS_NONE},
    {"ORG_IN_MAINTENANCE", TL_UPSTREAM, TL_CLASS_NONE},
    {"INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", TL_UPSTREAM, TL_CLASS_NONE},
    {"FUNCTIONALITY_TEMPORARILY_UNAVAILABLE", TL_UPSTREAM, TL_CLASS_NONE},
    {"PLATFORM_EVENT_PUBLISHING_UNAVAILABLE", TL_UPSTREAM, TL_CLASS_NONE},
    {"UNKNOWN_EXCEPTION", TL_UPSTREAM, TL_CLASS_NONE},
    {"APEX_ERROR", TL_UPSTREAM, TL_CLASS_NONE},
    /* credentials */
    {"INVALID_SESSION_ID", TL_AUTH, TL_CLASS_NONE},
    {"INVALID_AUTH_HEADER", TL_AUTH, TL_CLASS_NONE},
    {"API_DISABLED_FOR_ORG", TL_FORBIDDEN, TL_CLASS_NONE},
    /* our configuration */
    {"UNSUPPORTED_API_VERSION", TL_CONFIG, TL_CLASS_NONE},
    {"METHOD_NOT_ALLOWED", TL_UNSUPPORTED, TL_CLASS_NONE},
    /* this record, for good */
    {"DUPLICATES_DETECTED", TL_EXISTS, TL_CLASS_NONE},
    {"DUPLICATE_VALUE", TL_EXISTS, TL_CLASS_NONE},
    {"DUPLICATE_EXTERNAL_ID", TL_EXISTS, TL_CLASS_NONE},
    {"FIELD_CUSTOM_VALIDATION_EXCEPTION", TL_INVALID, TL_CLASS_NONE},
    {"FIELD_INTEGRITY_EXCEPTION", TL_INVALID, TL_CLASS_NONE},
    {"FIELD_FILTER_VALIDATION_EXCEPTION", TL_INVALID, TL_CLASS_NONE},
    {"REQUIRED_FIELD_MISSING", TL_INVALID, TL_CLASS_NONE},
    {"MISSING_ARGUMENT", TL_INVALID, TL_CLASS_NONE},
    {"INVALID_FIELD", TL_INVALID, TL_CLASS_NONE},
    {"INVALID_FIELD_FOR_INSERT_UPDATE", TL_INVALID, TL_CLASS_NONE},
    {"INVALID_TYPE", TL_INVALID, TL_CLASS_NONE},
    {"INVALID_TYPE_ON_FIELD_IN_RECORD", TL_INVALID, TL_CLASS_NONE},
    {"STRING_TOO_LONG", TL_INVALID, TL_CLASS_NONE},
    {"NUMBER_OUTSIDE_VALID_RANGE", TL_INVALID, TL_CLASS_NONE},
    {"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", TL_INVALID, TL_CLASS_NONE},
    {"INVALID_EMAIL_ADDRESS", TL_INVALID, TL_CLASS_NONE},
    {"INVALID_CROSS_REFERENCE_KEY", TL_INVALID, TL_CLASS_NONE},
    {"MALFORMED_ID", TL_INVALID, TL_CLASS_NONE},
    {"MALFORMED_QUERY", TL_INVALID, TL_CLASS_NONE},
    {"JSON_PARSER_ERROR", TL_INVALID, TL_CLASS_NONE},
    {"NOT_FOUND", TL_INVALID, TL_CLASS_NONE},
    {"ENTITY_IS_DELETED", TL_INVALID, TL_CLASS_NONE},
    {"ENTITY_IS_LOCKED", TL_INVALID, TL_CLASS_NONE},
    {"DELETE_FAILED", TL_INVALID, TL_CLASS_NONE},
    {"INSUFFICIENT_ACCESS_OR_READONLY", TL_FORBIDDEN, TL_CLASS_DATA},
    {"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", TL_FORBIDDEN, TL_CLASS_DATA},
    {"INSUFFICIENT_ACCESS", TL_FORBIDDEN, TL_CLASS_DATA},
    {"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", TL_INVALID, TL_CLASS_NONE},
    {"TRANSFER_REQUIRES_READ", TL_FORBIDDEN, TL_CLASS_DATA},
    {"STORAGE_LIMIT_EXCEEDED", TL_LIMIT, TL_CLASS_NONE},
    {"LIMIT_EXCEEDED", TL_LIMIT, TL_CLASS_NONE},
};

static bool has(struct tl_sv text, const char *word)
{
    return tl_sv_find_sv(text, tl_sv_str(word)) < text.n;
}

struct sf_meaning sf_meaning_of(struct tl_sv code, struct tl_sv message, int status)
{
    if (tl_sv_eqs(code, "REQUEST_LIMIT_EXCEEDED")) {
        if (has(message, "oncurrent")) /* "ConcurrentRequests Limit exceeded." */
            return (struct sf_meaning){.rc = TL_RATE_LIMITED, .retry_after_ms = AT_ONCE_MS, .at_once = true};
        return (struct sf_meaning){.rc = TL_QUOTA, .retry_after_ms = HOUR_MS};
    }
    if (tl_sv_eqs(code, "ALL_OR_NONE_OPERATION_ROLLED_BACK") || tl_sv_eqs(code, "PROCESSING_HALTED") ||
        tl_sv_eqs(code, "BATCH_PROCESSING_HALTED"))
        return (struct sf_meaning){.rc = TL_CONFLICT, .innocent = true};
    /* A trigger of the org's failed; what made it fail may be a lock. */
    if (tl_sv_eqs(code, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY") && has(message, "UNABLE_TO_LOCK_ROW"))
        return (struct sf_meaning){.rc = TL_CONFLICT};
    for (size_t i = 0; i < TL_COUNT(rows); i++)
        if (tl_sv_eqs(code, rows[i].code))
            return (struct sf_meaning){.rc = rows[i].rc, .cls = rows[i].cls};
    if (status == 406 || status == 420) /* the vendor's edge; passes by itself */
        return (struct sf_meaning){.rc = TL_UPSTREAM};
    if (status < 400) /* of a record within a successful call */
        return (struct sf_meaning){.rc = TL_INVALID};
    return (struct sf_meaning){.rc = http_status_rc(status)};
}

struct json sf_first_error(struct json body)
{
    struct json errors = json_gets(body, "errors");

    if (errors.type == JSON_ARRAY)
        return json_at(errors, 0);
    return body.type == JSON_ARRAY ? json_at(body, 0) : body;
}

struct tl_sv sf_error_text(struct connector_call *call, struct json error)
{
    struct tl_sv code = json_text(json_gets(error, "errorCode"), json_text(json_gets(error, "statusCode"), TL_SV("")));
    struct tl_sv message = json_text(json_gets(error, "message"), TL_SV(""));
    struct json fields = json_gets(error, "fields");
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv text;

    message = connector_mask_cut(call, message, TEXT_MAX);
    tl_buf_init(&b, 64 << 10);
    (void)tl_buf_printf(&b, "%.*s%s", TL_SV_ARG(code), code.n > 0 && message.n > 0 ? ": " : "");
    for (size_t i = 0; i < message.n; i++)
        (void)tl_buf_putc(&b, (unsigned char)message.p[i] < 0x20 ? ' ' : message.p[i]);
    for (uint32_t i = 0; fields.type == JSON_ARRAY && i < fields.n && i < 8; i++)
        (void)tl_buf_printf(&b, "%s%.*s%s", i == 0 ? " (" : ", ", TL_SV_ARG(json_text(fields.u.items[i], TL_SV(""))),
                            i + 1 == fields.n || i == 7 ? ")" : "");
    text = tl_arena_sv(call->arena, tl_buf_view(&b));
    return text.p ? connector_mask(call, text) : TL_SV("");
}
