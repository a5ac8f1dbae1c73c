/* SPDX-License-Identifier: Apache-2.0 */
/* trace.c - W3C Trace Context (www.w3.org/TR/trace-context) and request ids of events. */
#include <stdio.h>

#include "connector/connector_int.h"

enum { TRACEPARENT = 55, STATE_MAX = 512 };

static bool is_hex(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    }
    return true;
}

static bool is_zero(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '0')
            return false;
    }
    return true;
}

/* 3.2.2: lower-case hex only, neither id all zero, version ff is none; a later version may be longer. */
static bool traceparent_ok(struct tl_sv s)
{
    if (s.n < TRACEPARENT || s.p[2] != '-' || s.p[35] != '-' || s.p[52] != '-')
        return false;
    if (!is_hex(tl_sv(s.p, 2)) || !is_hex(tl_sv(s.p + 3, 32)) || !is_hex(tl_sv(s.p + 36, 16)) ||
        !is_hex(tl_sv(s.p + 53, 2)))
        return false;
    if (tl_sv_eqs(tl_sv(s.p, 2), "ff") || is_zero(tl_sv(s.p + 3, 32)) || is_zero(tl_sv(s.p + 36, 16)))
        return false;
    return tl_sv_eqs(tl_sv(s.p, 2), "00") ? s.n == TRACEPARENT : s.n == TRACEPARENT || s.p[TRACEPARENT] == '-';
}

static bool visible(struct tl_sv s, size_t max)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    }
    return s.n > 0 && s.n <= max;
}

void connector_trace_of(struct tl_sv traceparent, struct tl_sv tracestate, struct tl_sv request_id, uint64_t event,
                        uint64_t origin, struct connector_trace *ret)
{
    char id[14];

    *ret = (struct connector_trace){.flags = "01"};
    if (traceparent.p && traceparent_ok(traceparent)) {
        (void)snprintf(ret->id, sizeof ret->id, "%.32s", traceparent.p + 3);
        (void)snprintf(ret->flags, sizeof ret->flags, "%.2s", traceparent.p + 53);
        if (tracestate.p && tracestate.n > 0 && tracestate.n <= STATE_MAX && http_is_field_value(tracestate))
            ret->state = tracestate;
    } else {
        (void)snprintf(ret->id, sizeof ret->id, "%016llx%016llx",
                       (unsigned long long)tl_hash64(&event, sizeof event, origin ? origin : 1),
                       (unsigned long long)(event ? event : 1));
    }
    if (visible(request_id, sizeof ret->request_id - 1))
        (void)snprintf(ret->request_id, sizeof ret->request_id, "%.*s", TL_SV_ARG(request_id));
    else
        (void)snprintf(ret->request_id, sizeof ret->request_id, "%s", tl_id32_format(event, id));
}
