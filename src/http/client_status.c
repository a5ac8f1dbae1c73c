/* SPDX-License-Identifier: Apache-2.0 */
/* client_status.c - what a status and Retry-After mean for a delivery. */
#include "http/client.h"

/* Only where the hundred's rule (below) would be wrong or a reason is owed. */
static const struct {
    int status;
    enum tl_rc rc;
} exceptions[] = {
    {304, TL_OK},           /* what we have is current */
    {401, TL_AUTH},         /* the token manager renews once, then a person must act */
    {402, TL_FORBIDDEN},    /* the account is not paid for, or this payment was declined: as 403 */
    {403, TL_FORBIDDEN},    /* per-record denials come as 403 too: connectors that can tell return TL_INVALID */
    {404, TL_INVALID},      /* this record's address is gone. A wrong base URL looks alike: 20 in a row trip the flow */
    {405, TL_UNSUPPORTED},  /* the address does not take this method: configuration */
    {407, TL_CONFIG},       /* the proxy wants credentials */
    {408, TL_TIMEOUT},      /* the server stopped waiting for our request: it did not act */
    {409, TL_CONFLICT},     /* somebody else changes it just now */
    {412, TL_CONFLICT},     /* the version moved on: the next attempt reads it afresh */
    {413, TL_LIMIT},        /* this record is too large for them */
    {414, TL_LIMIT},        /* the same in the URL */
    {421, TL_UPSTREAM},     /* wrong connection for this host: another one will do */
    {423, TL_CONFLICT},     /* locked (RFC 4918) */
    {425, TL_BUSY},         /* too early (RFC 8470): simply again */
    {426, TL_UNSUPPORTED},  /* another protocol is wanted */
    {429, TL_RATE_LIMITED}, /* uses no attempt */
    {431, TL_LIMIT},        /* our headers are too large for them */
    {451, TL_FORBIDDEN},    /* legal reasons, of this record or of us: as 403 */
    {501, TL_UNSUPPORTED},  /* will not be there at the next attempt either */
    {505, TL_UNSUPPORTED},  /* nor will the HTTP version */
    {511, TL_CONFIG},       /* a captive portal answers in their place */
};

enum tl_rc http_status_rc(int status)
{
    for (size_t i = 0; i < TL_COUNT(exceptions); i++)
        if (exceptions[i].status == status)
            return exceptions[i].rc;
    if (status >= 200 && status < 300)
        return TL_OK;
    if (status >= 300 && status < 400)
        return TL_CONFIG; /* not followed: the configured address should be the new one */
    if (status >= 400 && status < 500)
        return TL_INVALID;
    return TL_UPSTREAM; /* 5xx, and what is no status at all */
}

bool http_retry_after_ms(struct tl_sv value, int64_t wall_now_ms, uint64_t *ret_ms)
{
    const uint64_t most = UINT64_C(7) * 86400 * 1000;
    struct tl_sv s = tl_sv_trim(value);
    uint64_t seconds;
    int64_t at;

    if (tl_sv_u64(s, &seconds)) {
        *ret_ms = seconds > most / 1000 ? most : seconds * 1000;
        return true;
    }
    if (!tl_http_date_parse(s, &at))
        return false;
    *ret_ms = at <= wall_now_ms ? 0 : (uint64_t)(at - wall_now_ms);
    if (*ret_ms > most)
        *ret_ms = most;
    return true;
}

enum tl_rc http_reply_rc(const struct http_reply *reply, const struct tl_clock *clock, struct tl_err *err)
{
    enum tl_rc rc = http_status_rc(reply->status);
    struct tl_sv after;
    uint64_t ms;

    if (rc == TL_OK)
        return TL_OK;
    (void)tl_fail(err, rc, "HTTP %d", reply->status);
    after = http_header_get(&reply->headers, "retry-after");
    if (err && after.p && http_retry_after_ms(after, tl_clock_wall_ms(clock), &ms))
        err->retry_after_ms = (uint32_t)ms;
    return rc;
}
