/* SPDX-License-Identifier: Apache-2.0 */
/*
 * classify.c - what a reply means: the row of the error table, how long to wait, what is left of the budgets.
 *
 * Headers read:
 *  - Retry-After (RFC 9110 10.2.3)
 *  - RateLimit, RateLimit-Policy as structured fields: "name";r=50;t=30 (draft-ietf-httpapi-ratelimit-headers, from
 * -09), as a dictionary: limit=100, remaining=50, reset=5 (-08), and RateLimit-Limit/-Remaining/-Reset (up to -07)
 *  - X-RateLimit-*, X-Rate-Limit-*: as the last; the reset is seconds from now, or a time of day in s or ms since 1970,
 *    told apart by size (GitHub and Okta give the time, others the seconds)
 */
#include "connector/connector_int.h"

#include <stdio.h>

enum { PAUSE_MAX_MS = 60000, RESETS_MAX_S = 366 * 86400 };

/* A number at the beginning of the value; draft -07 allows a list behind it ("100, 100;w=60"). */
static bool leading_number(struct tl_sv s, double *ret)
{
    size_t n = 0;

    s = tl_sv_trim(s);
    while (n < s.n && ((s.p[n] >= '0' && s.p[n] <= '9') || s.p[n] == '.'))
        n++;
    return n > 0 && n < 20 && tl_sv_double(tl_sv(s.p, n), ret);
}

static int64_t reset_wall(double reset, int64_t now_ms)
{
    if (reset >= 1e12)
        return reset < 1e14 ? (int64_t)reset : 0;
    if (reset >= 1e9)
        return (int64_t)(reset * 1000);
    return reset <= RESETS_MAX_S ? now_ms + (int64_t)(reset * 1000) : 0;
}

static struct guard_reading *reading(struct guard_feedback *f, struct tl_sv name)
{
    struct guard_reading *r;

    for (size_t i = 0; i < f->n_readings; i++)
        if (tl_sv_eqs(name, f->readings[i].name))
            return &f->readings[i];
    if (f->n_readings == TL_COUNT(f->readings) || name.n >= GUARD_NAME)
        return NULL;
    r = &f->readings[f->n_readings++];
    *r = (struct guard_reading){.remaining = -1, .limit = -1};
    memcpy(r->name, name.p, name.n);
    return r;
}

/* One parameter of a structured field or dictionary. */
static void parameter(struct guard_reading *r, struct tl_sv key, struct tl_sv value, int64_t now_ms)
{
    double v;

    if (!leading_number(value, &v))
        return;
    if (tl_sv_eqs(key, "r") || tl_sv_eqs(key, "remaining"))
        r->remaining = v;
    else if (tl_sv_eqs(key, "q") || tl_sv_eqs(key, "limit"))
        r->limit = v;
    else if (tl_sv_eqs(key, "t") || tl_sv_eqs(key, "reset"))
        r->reset_wall_ms = v <= RESETS_MAX_S ? now_ms + (int64_t)(v * 1000) : 0;
}

static void parameters(struct guard_reading *r, struct tl_sv rest, char sep, int64_t now_ms)
{
    struct tl_sv part;

    while (tl_sv_cut(&rest, sep, &part)) {
        size_t eq = tl_sv_find(part, '=');

        if (eq < part.n)
            parameter(r, tl_sv_trim(tl_sv(part.p, eq)), tl_sv_from(part, eq + 1), now_ms);
    }
}

/* "burst";r=5;t=1, "daily";r=900 - or limit=100, remaining=50, reset=5. Quoted names hold no comma in practice; one
 * that does gives no reading. */
static void structured(struct guard_feedback *f, struct tl_sv value, int64_t now_ms)
{
    struct tl_sv item;

    if (value.n > 0 && tl_sv_find(value, '"') == value.n) {
        struct guard_reading *r = reading(f, TL_SV("ratelimit"));

        if (r)
            parameters(r, value, tl_sv_find(value, ';') < value.n ? ';' : ',', now_ms);
        return;
    }
    while (tl_sv_cut(&value, ',', &item)) {
        struct guard_reading *r;
        size_t end;

        item = tl_sv_trim(item);
        if (item.n < 2 || item.p[0] != '"')
            continue;
        end = tl_sv_find(tl_sv_from(item, 1), '"');
        r = end + 1 < item.n ? reading(f, tl_sv(item.p + 1, end)) : NULL;
        if (r)
            parameters(r, tl_sv_from(item, end + 2), ';', now_ms);
    }
}

static void triple(struct guard_feedback *f, const struct http_headers *h, const char *prefix, int64_t now_ms)
{
    static const char *const parts[] = {"limit", "remaining", "reset"};
    double v[3] = {-1, -1, -1};
    struct guard_reading *r;
    bool any = false;

    for (size_t i = 0; i < TL_COUNT(parts); i++) {
        char name[40];
        struct tl_sv value;

        (void)snprintf(name, sizeof name, "%s-%s", prefix, parts[i]);
        value = http_header_get(h, name);
        any |= value.p && leading_number(value, &v[i]);
    }
    r = any ? reading(f, TL_SV("ratelimit")) : NULL;
    if (!r)
        return;
    r->limit = v[0];
    r->remaining = v[1];
    r->reset_wall_ms = v[2] < 0 ? 0 : reset_wall(v[2], now_ms);
}

static void read_budgets(struct guard_feedback *f, const struct http_headers *h, int64_t now_ms)
{
    for (size_t i = 0; i < h->n; i++) {
        struct tl_sv name = h->v[i].name;

        if (tl_sv_eqs(name, "ratelimit") || tl_sv_eqs(name, "ratelimit-policy"))
            structured(f, h->v[i].value, now_ms);
    }
    if (f->n_readings > 0)
        return;
    triple(f, h, "ratelimit", now_ms);
    if (f->n_readings == 0)
        triple(f, h, "x-ratelimit", now_ms);
    if (f->n_readings == 0)
        triple(f, h, "x-rate-limit", now_ms);
}

/* Milliseconds until the used-up budget that is given back last comes back; 0: none is used up, or nobody knows when.
 */
static uint32_t used_up_for(const struct guard_feedback *f, int64_t now_ms)
{
    int64_t most = 0;

    for (size_t i = 0; i < f->n_readings; i++) {
        const struct guard_reading *r = &f->readings[i];

        if (r->remaining >= 0 && r->remaining < 1 && r->reset_wall_ms - now_ms > most)
            most = r->reset_wall_ms - now_ms;
    }
    return most > UINT32_MAX ? UINT32_MAX : (uint32_t)most;
}

static bool slows_down(enum tl_rc rc, int status)
{
    return rc == TL_RATE_LIMITED || status == 503;
}

enum tl_rc connector_classify(struct connector_call *call, const struct http_reply *reply, struct tl_err *err)
{
    int64_t now_ms = tl_clock_wall_ms(connector_clock(call->host));
    struct tl_sv after = http_header_get(&reply->headers, "retry-after"), words;
    enum tl_rc rc = http_status_rc(reply->status);
    uint64_t after_ms = 0;
    uint32_t empty_ms;

    call->status = (uint32_t)reply->status;
    call->feedback.n_readings = 0;
    read_budgets(&call->feedback, &reply->headers, now_ms);
    empty_ms = used_up_for(&call->feedback, now_ms);
    if (rc == TL_OK) {
        /* This was the last one allowed. At most a minute on the word of a header: the next reply will say more. */
        if (empty_ms > 0)
            call->feedback.retry_after_ms = empty_ms < PAUSE_MAX_MS ? empty_ms : PAUSE_MAX_MS;
        return TL_OK;
    }
    if (!after.p || !http_retry_after_ms(after, now_ms, &after_ms))
        after_ms = 0;
    if (reply->status == 403 && (after_ms > 0 || empty_ms > 0))
        rc = TL_RATE_LIMITED; /* GitHub's way to say 429 */
    if (rc == TL_RATE_LIMITED && after_ms == 0)
        after_ms = empty_ms;
    words = connector_reply_text(call, reply);
    (void)tl_fail(err, rc, words.n > 0 ? "HTTP %d: %.*s" : "HTTP %d", reply->status, TL_SV_ARG(words));
    if (err)
        err->retry_after_ms = (uint32_t)after_ms;
    if (slows_down(rc, reply->status))
        call->feedback.retry_after_ms = (uint32_t)after_ms;
    return rc;
}
