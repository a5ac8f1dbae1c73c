/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pace.c - how long what waits will take. While calls wait for a slot, what is brought to an end per slot and second is
 * measured: failures, batches, commits and a busy machine are all in that figure. Where no calls have ever waited, the
 * time of a call stands in for it. Calls of an outage and refused credentials say nothing of how fast it goes.
 */
#include "guard/guard_int.h"

#include <math.h>

#define NS_PER_S 1e9
static const uint64_t SECOND_NS = 1000000000u;
enum { SEEN_MOST = 50 };

static void stop_counting(struct pace *p)
{
    p->full_ns = 0;
    p->full_done = p->full_slot_s = 0;
}

void guard__pace_asked(struct guard *g, uint64_t mono_ns, enum guard_wait answer)
{
    struct pace *p = &g->pace;

    p->wanting = answer == GUARD_CONCURRENCY;
    if (answer != GUARD_GO && !p->wanting) /* a rest or a budget, however many slots there are */
        stop_counting(p);
    if (p->wanting && !p->full_ns)
        p->full_ns = p->at_ns = mono_ns;
}

static void count_full(struct guard *g, uint64_t mono_ns, double done)
{
    struct pace *p = &g->pace;

    if (!p->wanting || !p->full_ns) { /* there was room: the pace was that of what came in */
        stop_counting(p);
        return;
    }
    p->full_done += done;
    p->full_slot_s += (double)(mono_ns - p->at_ns) / NS_PER_S * floor(g->limit);
    p->at_ns = mono_ns;
    if (mono_ns - p->full_ns < SECOND_NS || p->full_done <= 0 || p->full_slot_s <= 0)
        return;
    /* The first second has connections to open and a machine to warm: it counts only while there is no other. */
    p->rate += (p->full_done / p->full_slot_s - p->rate) * (p->seconds < 2 ? 1 : 0.3);
    p->seconds += p->seconds < 2;
    stop_counting(p);
    p->full_ns = mono_ns;
}

static bool says_something(const struct guard *g, const struct guard_result *r)
{
    enum tl_class c = r->rc == TL_OK ? TL_CLASS_NONE : tl_rc_class(r->rc);

    return !r->not_sent && r->rc != TL_CANCELED && g->breaker == CLOSED && c != TL_CLASS_AUTH && c != TL_CLASS_CONFIG;
}

void guard__pace_ended(struct guard *g, uint64_t mono_ns, const struct guard_result *r)
{
    struct pace *p = &g->pace;
    double ms = mono_ns > r->started_ns ? (double)(mono_ns - r->started_ns) / 1e6 : 0, part;

    if (!says_something(g, r)) {
        stop_counting(p);
        return;
    }
    if (p->calls < SEEN_MOST)
        p->calls++;
    part = 1.0 / p->calls;
    p->call_ms += (ms - p->call_ms) * part;
    p->done += (r->done - p->done) * part;
    count_full(g, mono_ns, r->done);
}

void guard__pace_outage(struct guard *g)
{
    if (g->pace.slots <= 0)
        g->pace.slots = g->limit;
    stop_counting(&g->pace);
}

double guard__pace_drain_ms(const struct guard *g, uint64_t mono_ns, const struct guard_backlog *b)
{
    const struct pace *p = &g->pace;
    bool climbs = g->ramp_ns != 0 || (g->breaker != CLOSED && !g->conf.fixed);
    double most = climbs && p->slots > 0 ? p->slots : g->limit, slots = g->limit, rest = (double)b->waiting, ms = 0,
           rate = p->rate, step_ms = 1000;

    if (rate <= 0 && p->calls && p->done > 0)
        rate = p->done * 1000 / fmax(p->call_ms + b->between_ms, 0.001);
    if (rate <= 0)
        return HUGE_VAL;
    if (b->lanes)
        most = fmin(most, (double)b->lanes / fmax(p->done, 1)); /* a batch takes so many of them */
    most = fmax(1, floor(most));
    if (climbs && g->ramp_ns == 0)
        slots = fmax(g->conf.concurrency / 10.0, g->conf.concurrency_min);
    else if (climbs)
        step_ms = g->ramp_ns > mono_ns ? (double)(g->ramp_ns - mono_ns) / 1e6 : 0;
    for (; climbs && slots < most; slots *= 2, step_ms = 1000) { /* as ramp() does */
        double done = rate * fmax(1, floor(slots)) * step_ms / 1000;

        if (done >= rest)
            return ms + rest * 1000 / (rate * fmax(1, floor(slots)));
        rest -= done;
        ms += step_ms;
    }
    return ms + rest * 1000 / (rate * most);
}
