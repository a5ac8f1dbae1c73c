/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/in/refusals.h"

#include <stdio.h>
#include <string.h>

#define OTHERS "other senders"

static struct flow_refusal *find(struct flow_refusals *r, const char *from)
{
    struct flow_refusal *room = NULL;

    for (size_t i = 0; i < FLOW_REFUSAL_SENDERS; i++) {
        if (strcmp(r->senders[i].from, from) == 0)
            return &r->senders[i];
        if (!room && r->senders[i].from[0] == '\0')
            room = &r->senders[i];
    }
    return room ? room : &r->senders[FLOW_REFUSAL_SENDERS];
}

bool flow__fold(struct flow_refusal *s, const char *from, const char *reason, int64_t now_ms)
{
    bool first = s->from[0] == '\0';

    s->reason = reason;
    if (!first) {
        s->folded++;
        return false;
    }
    (void)snprintf(s->from, sizeof s->from, "%s", from);
    s->line_ms = now_ms;
    s->folded = 0;
    return true;
}

bool flow__fold_due(struct flow_refusal *s, int64_t now_ms, struct flow_refusal *ret)
{
    if (s->from[0] == '\0' || now_ms - s->line_ms < FLOW_REFUSAL_FOLD_MS)
        return false;
    *ret = *s;
    s->folded = 0;
    s->line_ms = now_ms;
    if (ret->folded == 0) /* a quiet minute: its next one is a first one again */
        *s = (struct flow_refusal){.from = ""};
    return ret->folded > 0;
}

bool flow__refusals_add(struct flow_refusals *r, const char *from, const char *reason, int64_t now_ms)
{
    struct flow_refusal *s = find(r, from);
    bool first = flow__fold(s, s == &r->senders[FLOW_REFUSAL_SENDERS] ? OTHERS : from, reason, now_ms);

    r->used += first;
    return first;
}

bool flow__refusals_due(struct flow_refusals *r, int64_t now_ms, struct flow_refusal *ret)
{
    for (size_t i = 0; r->used > 0 && i <= FLOW_REFUSAL_SENDERS; i++) {
        struct flow_refusal *s = &r->senders[i];
        bool used = s->from[0] != '\0';

        if (flow__fold_due(s, now_ms, ret))
            return true;
        r->used -= used && s->from[0] == '\0';
    }
    return false;
}
