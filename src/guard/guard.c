/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard.c - one connection's permits: breaker first, then concurrency, then budgets; nothing is spent unless all agree.
 */
#include "guard/guard_int.h"

#include <math.h>
#include <stdio.h>

static const uint64_t SECOND_NS = 1000000000u;

bool guard_retry_delay(const struct guard_retry *r, uint32_t used, int64_t age_ms, uint32_t retry_after_ms, double unit,
                       int64_t *ret_ms)
{
    uint32_t attempts = r->attempts ? r->attempts : 8;
    int64_t most = r->most_ms > 0 ? r->most_ms : 600000;
    int64_t ms = r->base_ms > 0 ? r->base_ms : 1000;

    if (used >= attempts || (r->max_age_ms > 0 && age_ms >= r->max_age_ms))
        return false;
    for (uint32_t i = 1; i < used && ms < most; i++)
        ms *= 2;
    if (ms > most)
        ms = most;
    if (r->jitter == GUARD_JITTER_FULL)
        ms = (int64_t)((double)ms * unit);
    *ret_ms = ms > retry_after_ms ? ms : retry_after_ms;
    return true;
}

static void fill_defaults(struct guard_conf *c)
{
    if (!c->concurrency)
        c->concurrency = 32;
    if (!c->concurrency_min)
        c->concurrency_min = 1;
    if (c->concurrency_min > c->concurrency)
        c->concurrency_min = c->concurrency;
    if (!c->breaker_failures)
        c->breaker_failures = 5;
    if (c->breaker_open_ms <= 0)
        c->breaker_open_ms = 2000;
    if (c->breaker_most_ms < c->breaker_open_ms)
        c->breaker_most_ms = c->breaker_open_ms > 60000 ? c->breaker_open_ms : 60000;
}

static struct budget *find(struct budget *all, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].conf.name, name) == 0)
            return &all[i];
    }
    return NULL;
}

void guard_set(struct guard *g, const struct guard_conf *conf)
{
    struct budget old[GUARD_MAX_BUDGETS];
    size_t n_old = g->n;
    bool lowered = g->limit < g->conf.concurrency; /* by what the other side said, or by the ramp after an outage */

    memcpy(old, g->budgets, sizeof old);
    g->conf = *conf;
    fill_defaults(&g->conf);
    if (g->limit > g->conf.concurrency || g->conf.fixed || !lowered)
        g->limit = g->conf.concurrency;
    if (g->limit < g->conf.concurrency_min)
        g->limit = g->conf.concurrency_min;
    g->n = conf->n_budgets < GUARD_MAX_BUDGETS ? conf->n_budgets : GUARD_MAX_BUDGETS;
    for (size_t i = 0; i < g->n; i++) {
        struct budget *same = find(old, n_old, conf->budgets[i].name);

        g->budgets[i] = same && same->conf.kind == conf->budgets[i].kind ? *same : (struct budget){.said = -1};
        guard__budget_set(&g->budgets[i], &conf->budgets[i]);
    }
}

struct guard *guard_new(const struct guard_conf *conf)
{
    static const struct guard_conf none;
    struct guard *g = tl_zalloc(sizeof *g);

    guard_set(g, conf ? conf : &none);
    g->limit = g->conf.concurrency;
    g->open_ms = g->conf.breaker_open_ms;
    return g;
}

void guard_rest(struct guard *g)
{
    for (size_t i = 0; i < g->n; i++) {
        g->budgets[i].conf.window = NULL;
        g->budgets[i].conf.zone = NULL;
    }
}

void guard_free(struct guard *g)
{
    tl_free(g);
}

/* After an outage concurrency doubles every second until it is where it was allowed to be. */
static void ramp(struct guard *g, uint64_t mono_ns)
{
    while (g->ramp_ns && mono_ns >= g->ramp_ns) {
        g->limit *= 2;
        g->ramp_ns += SECOND_NS;
        if (g->limit >= g->conf.concurrency) {
            g->limit = g->conf.concurrency;
            g->ramp_ns = 0;
            g->pace.slots = 0;
        }
    }
}

static bool breaker_lets_through(struct guard *g, uint64_t mono_ns, struct guard_answer *a)
{
    if (g->breaker == OPEN && mono_ns >= g->open_until_ns)
        g->breaker = HALF_OPEN;
    if (g->breaker == CLOSED)
        return true;
    a->wait = GUARD_BREAKER;
    if (g->breaker == OPEN) {
        a->wake_ns = g->open_until_ns;
        return false;
    }
    if (g->probe_out)
        return false;
    a->probe = true;
    return true;
}

/* All of them, or none. */
static bool budgets_agree(struct guard *g, uint64_t mono_ns, int64_t wall_ms, double cost, struct guard_answer *a)
{
    for (size_t i = 0; i < g->n; i++) {
        a->wait = guard__budget_check(&g->budgets[i], mono_ns, wall_ms, cost, &a->wake_ns);
        if (a->wait != GUARD_GO) {
            a->budget = g->budgets[i].conf.name;
            return false;
        }
    }
    for (size_t i = 0; i < g->n; i++)
        guard__budget_spend(&g->budgets[i], cost);
    return true;
}

struct guard_answer guard_more(struct guard *g, uint64_t mono_ns, int64_t wall_ms, double cost)
{
    struct guard_answer a = {.wait = GUARD_GO, .wake_ns = UINT64_MAX};

    if (mono_ns < g->not_before_ns)
        return (struct guard_answer){.wait = GUARD_RATE, .wake_ns = g->not_before_ns, .budget = "retry_after"};
    (void)budgets_agree(g, mono_ns, wall_ms, cost, &a);
    return a;
}

static struct guard_answer take(struct guard *g, uint64_t mono_ns, int64_t wall_ms, double cost)
{
    struct guard_answer a = {.wake_ns = UINT64_MAX};

    if (g->pause_ms > wall_ms)
        g->not_before_ns = mono_ns + (uint64_t)(g->pause_ms - wall_ms) * 1000000u;
    g->pause_ms = 0;
    if (!breaker_lets_through(g, mono_ns, &a))
        return a;
    a.wait = GUARD_GO;
    if (mono_ns < g->not_before_ns) {
        a = (struct guard_answer){.wait = GUARD_RATE, .wake_ns = g->not_before_ns, .budget = "retry_after"};
        return a;
    }
    ramp(g, mono_ns);
    if (!a.probe && g->out >= (uint32_t)g->limit) {
        a.wait = GUARD_CONCURRENCY;
        a.wake_ns = g->ramp_ns ? g->ramp_ns : UINT64_MAX;
        return a;
    }
    if (!budgets_agree(g, mono_ns, wall_ms, cost, &a)) {
        a.probe = false;
        return a;
    }
    g->out++;
    if (a.probe)
        g->probe_out = true;
    return a;
}

bool guard_has_quota(const struct guard_conf *conf)
{
    bool found = false;

    for (size_t i = 0; i < conf->n_budgets; i++)
        found |= conf->budgets[i].kind != GUARD_BUCKET;
    return found;
}

bool guard_has_budget(const struct guard_conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->n_budgets; i++) {
        if (strcmp(conf->budgets[i].name, name) == 0)
            return true;
    }
    return false;
}

struct guard_answer guard_take(struct guard *g, uint64_t mono_ns, int64_t wall_ms, double cost)
{
    struct guard_answer a = take(g, mono_ns, wall_ms, cost);

    guard__pace_asked(g, mono_ns, a.wait);
    return a;
}

static void trip(struct guard *g, uint64_t mono_ns)
{
    guard__pace_outage(g);
    if (g->breaker == HALF_OPEN)
        g->open_ms = g->open_ms * 2 < g->conf.breaker_most_ms ? g->open_ms * 2 : g->conf.breaker_most_ms;
    else
        g->open_ms = g->conf.breaker_open_ms;
    g->breaker = OPEN;
    g->open_until_ns = mono_ns + (uint64_t)g->open_ms * 1000000u;
}

static void close_breaker(struct guard *g, uint64_t mono_ns)
{
    g->breaker = CLOSED;
    g->failures = 0;
    g->open_ms = g->conf.breaker_open_ms;
    if (!g->conf.fixed) {
        g->limit = fmax(g->conf.concurrency / 10.0, g->conf.concurrency_min);
        g->ramp_ns = mono_ns + SECOND_NS;
    }
}

static void tell_breaker(struct guard *g, uint64_t mono_ns, const struct guard_result *r)
{
    bool failed = tl_rc_trips_breaker(r->rc);

    if (r->probe)
        g->probe_out = false;
    if (g->conf.no_breaker || r->rc == TL_CANCELED || (r->not_sent && !failed)) /* says nothing of the other side */
        return;
    if (r->probe) { /* an answer of any kind shows that the other side is there */
        if (failed)
            trip(g, mono_ns);
        else
            close_breaker(g, mono_ns);
        return;
    }
    if (g->breaker != CLOSED) /* calls that were out when it tripped: they decide nothing */
        return;
    g->failures = failed ? g->failures + 1 : 0;
    if (g->failures >= g->conf.breaker_failures)
        trip(g, mono_ns);
}

/* Additive increase while the limit is in use, multiplicative decrease at most once in the time of a call. */
static void adapt(struct guard *g, uint64_t mono_ns, const struct guard_result *r)
{
    bool overload = r->rc == TL_RATE_LIMITED || r->rc == TL_TIMEOUT || (r->feedback && r->feedback->too_many_at_once);

    if (g->conf.fixed)
        return;
    if (overload) {
        if (r->started_ns >= g->lowered_ns) { /* calls begun before the last decrease tell nothing new */
            g->limit = fmax(g->limit * 0.7, g->conf.concurrency_min);
            g->lowered_ns = mono_ns;
            g->ramp_ns = 0;
            g->pace.slots = 0;
        }
    } else if (r->rc == TL_OK && g->out + 1 >= (uint32_t)g->limit && g->limit < g->conf.concurrency) {
        g->limit = fmin(g->limit + 1.0 / g->limit, g->conf.concurrency);
    }
}

static void learn_rest(struct guard *g, uint64_t mono_ns, uint64_t started_ns, uint32_t wait_ms)
{
    struct rest *rest = &g->rest;
    uint64_t busy_ns = g->gave_ns > g->not_before_ns ? g->gave_ns : g->not_before_ns;

    if (rest->told_ns && started_ns <= rest->told_ns) { /* of the window that was over then */
        rest->window += rest->counted;
        return;
    }
    if (started_ns > busy_ns + (uint64_t)rest->ms * 1000000u) {
        rest->calls = 0;
        rest->whole = false;
    }
    rest->calls += rest->calls < UINT32_MAX;
    if (wait_ms) {
        if (rest->whole || wait_ms > rest->ms) /* after a quiet time it may be short: the window had begun before */
            rest->ms = wait_ms;
        if (rest->whole)
            rest->window = rest->calls;
        rest->counted = rest->whole;
        rest->whole = true;
        rest->calls = 0;
        rest->told_ns = mono_ns;
    } else if (rest->calls / 2 >= rest->window) { /* many more than there were: it is so no longer */
        rest->window = rest->ms = 0;
        rest->counted = false;
    }
}

static void learn(struct guard *g, uint64_t mono_ns, int64_t wall_ms, const struct guard_result *r)
{
    const struct guard_feedback *f = r->feedback;
    uint32_t wait_ms = f ? f->retry_after_ms : 0;
    bool alone = g->out == 0 && r->started_ns > g->gave_ns; /* all others had ended when it began */

    /* Told to slow down without being told how long; where it is too many at one time, fewer of them are the answer. */
    if (tl_rc_class(r->rc) == TL_CLASS_RATE_LIMIT && wait_ms == 0 && !(f && f->too_many_at_once))
        wait_ms = 1000;
    if (r->rc == TL_OK)
        learn_rest(g, mono_ns, r->started_ns, wait_ms);
    if (wait_ms && mono_ns + (uint64_t)wait_ms * 1000000u > g->not_before_ns) {
        g->not_before_ns = mono_ns + (uint64_t)wait_ms * 1000000u;
        g->not_before_ms = wall_ms + wait_ms;
        g->pause_unsaved = g->pause_unsaved || wait_ms >= PAUSE_SAVED_MS;
    }
    for (size_t i = 0; f && i < f->n_readings && i < TL_COUNT(f->readings); i++) {
        struct budget *b = find(g->budgets, g->n, f->readings[i].name);

        if (b)
            guard__budget_read(b, &f->readings[i], wall_ms, alone);
    }
}

void guard_give(struct guard *g, uint64_t mono_ns, int64_t wall_ms, const struct guard_result *r)
{
    assert(g->out > 0);
    g->out--;
    for (size_t i = 0; r->not_sent && i < g->n; i++)
        guard__budget_refund(&g->budgets[i], r->cost);
    guard__pace_ended(g, mono_ns, r);
    tell_breaker(g, mono_ns, r);
    adapt(g, mono_ns, r);
    learn(g, mono_ns, wall_ms, r);
    g->gave_ns = mono_ns;
}

bool guard_breaker_trip(struct guard *g, uint64_t mono_ns, uint32_t failures)
{
    if (g->conf.no_breaker || g->failures + 1 < failures)
        return false;
    if (g->breaker == CLOSED)
        trip(g, mono_ns);
    return true;
}

bool guard_breaker_tripped(const struct guard *g)
{
    return g->breaker != CLOSED;
}

const char *guard_breaker_state(const struct guard *g)
{
    return g->breaker == CLOSED ? "closed" : g->breaker == OPEN ? "open" : "half_open";
}

void guard_resume(struct guard *g)
{
    g->pause_unsaved = g->pause_unsaved || g->not_before_ms || g->pause_ms;
    g->not_before_ns = 0;
    g->not_before_ms = g->pause_ms = 0;
    g->breaker = CLOSED;
    g->failures = 0;
    g->open_ms = g->conf.breaker_open_ms;
    g->pace.slots = 0;
}

uint32_t guard_concurrency(const struct guard *g, uint32_t *ret_out)
{
    *ret_out = g->out;
    return (uint32_t)g->limit;
}

size_t guard_stats(struct guard *g, uint64_t mono_ns, int64_t wall_ms, struct guard_budget_stat ret[GUARD_MAX_BUDGETS])
{
    for (size_t i = 0; i < g->n; i++) {
        struct budget *b = &g->budgets[i];

        ret[i] =
            (struct guard_budget_stat){.name = b->conf.name,
                                       .amount = b->conf.amount,
                                       .remaining = guard__budget_left(b, mono_ns, wall_ms),
                                       .resets_wall_ms = b->conf.kind == GUARD_CALENDAR ? b->window_end : b->said_reset,
                                       .durable = guard__is_window(b)};
        ret[i].used = guard__is_window(b) ? guard__budget_used(b) : 0;
    }
    return g->n;
}

/* Nothing starts before. */
static double pause_left_ms(const struct guard *g, uint64_t mono_ns, int64_t wall_ms)
{
    double ms = g->not_before_ns > mono_ns ? (double)(g->not_before_ns - mono_ns) / 1e6 : 0;

    return fmax(ms, g->pause_ms > wall_ms ? (double)(g->pause_ms - wall_ms) : 0);
}

/* Between two windows of the vendor lies a pause, however short the calls are. */
static struct guard_rests rests_of(const struct guard *g, uint64_t mono_ns, int64_t wall_ms,
                                   const struct guard_backlog *b)
{
    struct guard_rests r = {.pause_ms = pause_left_ms(g, mono_ns, wall_ms), .ms = g->rest.ms};
    double done = fmax(g->pace.done, 1), slots = floor(g->limit), calls = ceil((double)b->waiting / done);

    if (b->lanes)
        slots = fmin(slots, ceil((double)b->lanes / done));
    if (!g->rest.window) { /* at least one more, unless all that waits goes at once */
        r.n = calls > fmax(slots, 1) ? 1 : 0;
        return r;
    }
    calls += fmin(g->rest.calls, g->rest.window); /* of the present window */
    r.n = ceil(calls / g->rest.window) - 1;
    return r;
}

uint64_t guard_drain_ms(struct guard *g, uint64_t mono_ns, int64_t wall_ms, const struct guard_backlog *b,
                        const char **ret_reason)
{
    struct guard_rests rests = rests_of(g, mono_ns, wall_ms, b);
    double still = rests.pause_ms + rests.n * rests.ms, pace = guard__pace_drain_ms(g, mono_ns, b);
    bool known = pace < 1e15;
    uint64_t worst;

    *ret_reason = "";
    if (b->waiting == 0)
        return 0;
    worst = (uint64_t)(still + (known ? pace : 0)); /* no call is under way in a rest, so they add up */
    if (known || still > 0)                         /* not known: at least that long */
        *ret_reason = known && pace >= still ? "concurrency" : "retry_after";
    known = known || still > 0;
    for (size_t i = 0; i < g->n; i++) {
        uint64_t at = guard__budget_drain_ms(&g->budgets[i], mono_ns, wall_ms, (double)b->waiting, &rests);

        if (!known || at > worst) {
            worst = at;
            *ret_reason = g->budgets[i].conf.name;
        }
        known = true;
    }
    if (!known)
        return UINT64_MAX;
    if (g->breaker == OPEN && worst != UINT64_MAX && g->open_until_ns > mono_ns)
        worst += (g->open_until_ns - mono_ns) / 1000000u;
    return worst;
}
