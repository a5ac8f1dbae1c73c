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

bool flow__refusals_add(struct flow_refusals *r, const char *from, const char *reason, int64_t now_ms)
{
    struct flow_refusal *s = find(r, from);
    bool first = s->from[0] == '\0';

    s->reason = reason;
    if (!first) {
        s->folded++;
        return false;
    }
    (void)snprintf(s->from, sizeof s->from, "%s", s == &r->senders[FLOW_REFUSAL_SENDERS] ? OTHERS : from);
    s->line_ms = now_ms;
    s->folded = 0;
    r->used++;
    return true;
}

bool flow__refusals_due(struct flow_refusals *r, int64_t now_ms, struct flow_refusal *ret)
{
    for (size_t i = 0; r->used > 0 && i <= FLOW_REFUSAL_SENDERS; i++) {
        struct flow_refusal *s = &r->senders[i];

        if (s->from[0] == '\0' || now_ms - s->line_ms < FLOW_REFUSAL_FOLD_MS)
            continue;
        *ret = *s;
        s->folded = 0;
        s->line_ms = now_ms;
        if (ret->folded > 0)
            return true;
        *s = (struct flow_refusal){.from = ""}; /* a quiet minute: its next one is a first one again */
        r->used--;
    }
    return false;
}
