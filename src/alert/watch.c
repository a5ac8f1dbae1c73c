/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.c - the conditions of the rules. Counters are compared with what they were some minutes ago: a sample a minute
 * is kept for each flow and connection, and of histograms only the stretch of buckets that is not zero. They count from
 * the start of the process, as the book does: before its first look there was nothing.
 */
#include "alert/alert_int.h"

#include <math.h>
#include <stdio.h>

#include "queue/operate.h"

enum { SAMPLES = 17, SPANS = 17, EVERY_MS = 60000, COUNTERS = 5 };

struct span { /* of a histogram, at some time */
    uint64_t mono_ms;
    size_t from, n;
    uint64_t *v;
};
struct sample {
    uint64_t mono_ms, c[COUNTERS];
};
struct alert_past {
    struct sample samples[SAMPLES]; /* rings: the newest is at n - 1 */
    struct span spans[SPANS];
    size_t n, n_spans;
    bool seen;
};

static void past_free(struct alert_past *p)
{
    for (size_t i = 0; i < SPANS; i++)
        tl_free(p->spans[i].v);
    tl_free(p);
}

void alert__past_free(struct alert_book *b)
{
    for (size_t k = 0; k < TL_COUNT(b->past); k++) {
        struct tl_sv key;
        void *p;

        for (size_t i = 0; tl_map_next(b->past[k], &i, &key, &p);)
            past_free(p);
        tl_map_free(b->past[k]);
    }
}

static void keep_span(struct alert_past *p, const struct metrics_hist *h, uint64_t now)
{
    struct span *s = &p->spans[p->n_spans++ % SPANS];
    size_t from = 0, to = METRICS_BUCKETS;

    while (from < to && h->buckets[from] == 0)
        from++;
    while (to > from && h->buckets[to - 1] == 0)
        to--;
    tl_free(s->v);
    *s = (struct span){.mono_ms = now, .from = from, .n = to - from};
    if (s->n) {
        s->v = tl_alloc(s->n * sizeof *s->v);
        memcpy(s->v, h->buckets + from, s->n * sizeof *s->v);
    }
}

/*
 * A name that the book has never seen begins at zero: what died while the ledger opened, or between a reload and the
 * next look, is news. One that was away for a while begins with what it has now.
 */
static struct alert_past *past_of(struct alert_book *b, enum alert_kind kind, const char *name,
                                  const uint64_t c[COUNTERS], const struct metrics_hist *h)
{
    struct tl_map *map = b->past[kind == ALERT_CONNECTION];
    struct alert_past *p = tl_map_get(map, tl_sv_str(name));
    uint64_t now = b->s->mono_ms;

    if (!p) {
        p = tl_zalloc(sizeof *p);
        p->samples[p->n++].mono_ms = p->spans[p->n_spans++].mono_ms = now;
        (void)tl_map_put(map, tl_sv_str(name), p);
    }
    p->seen = true;
    if (p->n == 0 || now - p->samples[(p->n - 1) % SAMPLES].mono_ms >= EVERY_MS) {
        struct sample *s = &p->samples[p->n++ % SAMPLES];

        s->mono_ms = now;
        memcpy(s->c, c, sizeof s->c);
        if (h)
            keep_span(p, h, now);
    }
    return p;
}

/* What was so long ago: the youngest sample that is old enough, else the oldest there is. */
static const struct sample *then(const struct alert_past *p, uint64_t now, unsigned window_s)
{
    size_t kept = p->n < SAMPLES ? p->n : SAMPLES;

    for (size_t i = 1; i < kept; i++) {
        const struct sample *s = &p->samples[(p->n - i) % SAMPLES];

        if (now - s->mono_ms >= (uint64_t)window_s * 1000)
            return s;
    }
    return &p->samples[(p->n - kept) % SAMPLES];
}

static uint64_t grown(const struct alert_past *p, uint64_t now_ms, unsigned window_s, size_t counter, uint64_t value)
{
    uint64_t before = then(p, now_ms, window_s)->c[counter];

    return value > before ? value - before : 0;
}

/* The 95th percentile of what came in the window, in seconds; *ret_n: how many. */
static double p95(const struct alert_past *p, const struct metrics_hist *h, uint64_t now, unsigned window_s,
                  uint64_t *ret_n)
{
    size_t kept = p->n_spans < SPANS ? p->n_spans : SPANS;
    const struct span *s = NULL;
    struct metrics_hist w = *h;

    for (size_t i = 1; i <= kept; i++) {
        s = &p->spans[(p->n_spans - i) % SPANS];
        if (now - s->mono_ms >= (uint64_t)window_s * 1000)
            break;
    }
    for (size_t i = 0; s && i < s->n; i++)
        w.buckets[s->from + i] -= s->v[i];
    *ret_n = metrics_hist_count(&w);
    return (double)metrics_hist_quantile(&w, 0.95) / 1e6;
}

/* ---- words ---- */
static const char *span_text(double seconds, char buf[32])
{
    int64_t ms = (int64_t)(seconds * 1000);

    if (ms >= 10000)
        ms -= ms % 1000; /* milliseconds would claim too much */
    if (ms >= 3600000)
        ms -= ms % 60000;
    return tl_duration_format(ms, buf);
}

struct words {
    char summary[240], cause[400];
};
static void say(struct alert_book *b, struct alert_finding f, const struct words *w)
{
    f.summary = w->summary;
    f.cause = w->cause;
    alert__found(b, &f);
}
#define SUMMARY(w, ...) (void)snprintf((w)->summary, sizeof(w)->summary, __VA_ARGS__)
#define CAUSE(w, ...) (void)snprintf((w)->cause, sizeof(w)->cause, __VA_ARGS__)

/* ---- connections ---- */
static void watch_hold(struct alert_book *b, const struct alert_connection *c)
{
    struct alert_finding f = {.rule = ALERT_CONNECTION_AUTH,
                              .subject = c->name,
                              .value = (double)NAN,
                              .threshold = (double)NAN,
                              .connection = c};
    struct words w;

    if (c->held && strcmp(c->held, queue_held_name(QUEUE_HELD_CONNECTION_AUTH)) == 0) {
        SUMMARY(&w, "Connection %s: the credentials are refused", c->name);
        CAUSE(&w, "%s", c->held_text && *c->held_text ? c->held_text : "The other side refuses our credentials.");
        say(b, f, &w);
    }
    if (c->held && strcmp(c->held, queue_held_name(QUEUE_HELD_IDENTITY)) == 0) {
        f.rule = ALERT_CONNECTION_IDENTITY;
        SUMMARY(&w, "Connection %s: another account or host than before", c->name);
        CAUSE(&w, "%s", c->held_text && *c->held_text ? c->held_text : "Its identity in the configuration changed.");
        say(b, f, &w);
    }
    if (strcmp(c->breaker, "closed") != 0) {
        f.rule = ALERT_BREAKER_OPEN;
        SUMMARY(&w, "Connection %s: the other side fails, the breaker is %s", c->name, c->breaker);
        CAUSE(&w, "Time-outs, connection errors or 5xx, one after another.");
        say(b, f, &w);
    }
}

static void watch_calls(struct alert_book *b, const struct alert_connection *c)
{
    const uint64_t counters[COUNTERS] = {c->calls, c->failed};
    struct alert_past *p = past_of(b, ALERT_CONNECTION, c->name, counters, c->latency);
    uint64_t now = b->s->mono_ms, n = 0, calls = grown(p, now, ALERT_WINDOW_S, 0, c->calls),
             failed = grown(p, now, ALERT_WINDOW_S, 1, c->failed);
    struct alert_finding f = {.subject = c->name, .connection = c};
    struct words w;
    char a[32], t[32];

    f.rule = ALERT_CALLS_SLOW;
    f.threshold = alert_threshold(b->conf, f.rule);
    f.value = c->latency ? p95(p, c->latency, now, ALERT_WINDOW_S, &n) : 0;
    if (n >= ALERT_LEAST_CALLS && f.value > f.threshold) {
        SUMMARY(&w, "Connection %s: calls take up to %s", c->name, span_text(f.value, a));
        CAUSE(&w, "95 of 100 of the last %llu calls took up to %s; the threshold is %s.", (unsigned long long)n, a,
              span_text(f.threshold, t));
        say(b, f, &w);
    }
    f.rule = ALERT_CALLS_FAIL;
    f.threshold = alert_threshold(b->conf, f.rule);
    f.value = calls ? (double)failed / (double)calls : 0;
    if (calls >= ALERT_LEAST_CALLS && f.value > f.threshold) {
        SUMMARY(&w, "Connection %s: %.3g %% of the calls fail", c->name, f.value * 100);
        CAUSE(&w, "%llu of the last %llu calls failed; the threshold is %.3g %%.", (unsigned long long)failed,
              (unsigned long long)calls, f.threshold * 100);
        say(b, f, &w);
    }
}

static void watch_budgets(struct alert_book *b, const struct alert_connection *c)
{
    struct alert_finding f = {.rule = ALERT_QUOTA_NEARLY_USED, .subject = c->name, .connection = c};
    struct words w;
    char time[TL_TIME_TEXT];

    f.threshold = alert_threshold(b->conf, f.rule);
    for (size_t i = 0; i < c->n_budgets; i++) {
        const struct alert_budget *q = &c->budgets[i];

        f.detail = q->name;
        f.value = q->amount > 0 ? q->used / q->amount : 0;
        if (f.value <= f.threshold)
            continue;
        SUMMARY(&w, "Connection %s: %.3g %% of %s is used", c->name, f.value * 100, q->name);
        CAUSE(&w, "%.0f of %.0f are used or reserved%s%s.", q->used, q->amount,
              q->resets_ms ? "; it begins anew at " : "", q->resets_ms ? tl_time_format(q->resets_ms, time) : "");
        say(b, f, &w);
    }
}

static void watch_credentials(struct alert_book *b, const char *subject, const char *whose,
                              const struct alert_connection *c, const struct alert_credential *list, size_t n)
{
    struct alert_finding f = {.rule = ALERT_CREDENTIAL_EXPIRES, .subject = subject, .connection = c};
    struct words w;
    char time[TL_TIME_TEXT];

    f.threshold = alert_threshold(b->conf, f.rule);
    for (size_t i = 0; i < n; i++) {
        f.detail = list[i].what;
        f.value = (double)(list[i].expires_ms - b->s->wall_ms) / 1000;
        if (!list[i].expires_ms || list[i].renews || f.value >= f.threshold)
            continue;
        if (f.value > 0)
            SUMMARY(&w, "%s: the %s ends in %.0f days", whose, list[i].what, floor(f.value / 86400));
        else
            SUMMARY(&w, "%s: the %s has ended", whose, list[i].what);
        CAUSE(&w, "It is good until %s.", tl_time_format(list[i].expires_ms, time));
        say(b, f, &w);
    }
}

static void watch_connection(struct alert_book *b, const struct alert_connection *c)
{
    char whose[160];

    watch_hold(b, c);
    watch_calls(b, c);
    watch_budgets(b, c);
    (void)snprintf(whose, sizeof whose, "Connection %s", c->name);
    watch_credentials(b, c->name, whose, c, c->credentials, c->n_credentials);
}

/* ---- flows ---- */
struct hold {
    enum queue_held why;
    const char *summary, *cause; /* cause: where the ledger has no words of its own */
};

/* told: the ledger says more, of a removed target its name. */
static const struct hold *hold_of(const char *held, bool told)
{
    static const struct hold holds[] = {
        {QUEUE_HELD_FLOW_TRIPPED, "many deliveries died of one cause", "Its dead letters say which."},
        {QUEUE_HELD_TARGET_CHANGED, "what waits was meant for another system",
         "Its target leads to another account or host than when this came in."},
        {QUEUE_HELD_FLOW_CONFIG, "its configuration is wrong", "`tieline check` says what is wrong."},
        {QUEUE_HELD_FLOW_REMOVED, "it is not in the configuration any more",
         "A reload took the flow away while deliveries of it waited."}};
    static const struct hold target = {QUEUE_HELD_FLOW_REMOVED, "a target is not in the configuration any more", ""};

    for (size_t i = 0; i < TL_COUNT(holds); i++)
        if (strcmp(held, queue_held_name(holds[i].why)) == 0)
            return told && holds[i].why == QUEUE_HELD_FLOW_REMOVED ? &target : &holds[i];
    return &holds[2];
}

static void watch_flow_state(struct alert_book *b, const struct alert_flow *fl)
{
    struct alert_finding f = {.rule = ALERT_FLOW_HELD, .subject = fl->name, .flow = fl};
    struct words w;
    char a[32], t[32];

    f.value = f.threshold = (double)NAN;
    if (fl->held && (strcmp(fl->held, queue_held_name(QUEUE_HELD_FLOW_REMOVED)) != 0 || fl->waiting > 0)) {
        bool told = fl->held_text && *fl->held_text;
        const struct hold *h = hold_of(fl->held, told);

        SUMMARY(&w, "Flow %s is held: %s", fl->name, h->summary);
        CAUSE(&w, "%s", told ? fl->held_text : h->cause);
        say(b, f, &w);
    }
    if (fl->error_budget_left < 0) { /* false for NAN */
        f.rule = ALERT_ERROR_BUDGET_SPENT;
        f.value = fl->error_budget_left;
        f.threshold = 0;
        SUMMARY(&w, "Flow %s has more failures in 30 days than it promises", fl->name);
        if (fl->promises_all)
            CAUSE(&w, "%.0f died, and `sla: { success: 100%% }` allows none.", -fl->error_budget_left);
        else
            CAUSE(&w, "%.3g %% of what `sla: { success }` allows was used.", (1 - fl->error_budget_left) * 100);
        say(b, f, &w);
    }
    f.rule = ALERT_BACKLOG_OLD;
    f.threshold = fl->objective_s > 0 ? fmax(fl->objective_s, ALERT_LEAST_WAIT_S) : alert_threshold(b->conf, f.rule);
    f.value = fl->oldest_s;
    if (f.value > f.threshold) {
        SUMMARY(&w, "Flow %s: the oldest event has waited for %s", fl->name, span_text(f.value, a));
        CAUSE(&w, "%llu deliveries wait, the oldest for %s; the threshold is %s.", (unsigned long long)fl->waiting, a,
              span_text(f.threshold, t));
        say(b, f, &w);
    }
}

static void watch_source(struct alert_book *b, const struct alert_flow *fl)
{
    struct alert_finding f = {.rule = ALERT_SOURCE_FAILS, .subject = fl->name, .flow = fl};
    struct words w;
    char a[32];

    f.threshold = alert_threshold(b->conf, f.rule);
    f.value = fl->source_failing_s;
    if (f.value <= f.threshold)
        return;
    SUMMARY(&w, "Flow %s: its source has failed for %s", fl->name, span_text(f.value, a));
    CAUSE(&w, "%s", fl->source_failure ? fl->source_failure : "No read ends well.");
    say(b, f, &w);
}

static void watch_flow_rates(struct alert_book *b, const struct alert_flow *fl)
{
    const uint64_t counters[COUNTERS] = {fl->received, fl->refused, fl->delivered, fl->retries, fl->died};
    struct alert_past *p = past_of(b, ALERT_FLOW, fl->name, counters, fl->delay);
    uint64_t now = b->s->mono_ms, n = 0, died = grown(p, now, ALERT_LONG_WINDOW_S, 4, fl->died),
             retries = grown(p, now, ALERT_LONG_WINDOW_S, 3, fl->retries),
             delivered = grown(p, now, ALERT_LONG_WINDOW_S, 2, fl->delivered),
             refused = grown(p, now, ALERT_WINDOW_S, 1, fl->refused),
             requests = refused + grown(p, now, ALERT_WINDOW_S, 0, fl->received);
    struct alert_finding f = {.subject = fl->name, .flow = fl};
    struct words w;
    char a[32], t[32];

    f.rule = ALERT_DEAD_LETTERS_GROW;
    f.threshold = alert_threshold(b->conf, f.rule);
    f.value = (double)died;
    if (f.value > f.threshold) {
        SUMMARY(&w, "Flow %s: %llu new dead letter%s", fl->name, (unsigned long long)died, died == 1 ? "" : "s");
        CAUSE(&w, "%llu deliveries died within 15 minutes; %llu dead ones wait for a person.", (unsigned long long)died,
              (unsigned long long)fl->dead);
        say(b, f, &w);
    }
    f.rule = ALERT_RETRIES_HIGH;
    f.threshold = alert_threshold(b->conf, f.rule);
    f.value = (double)retries / (double)(delivered ? delivered : 1);
    if (retries >= ALERT_LEAST_RETRIES && f.value > f.threshold) {
        SUMMARY(&w, "Flow %s: %.3g retries for each delivery", fl->name, f.value);
        CAUSE(&w, "%llu retries and %llu deliveries within 15 minutes; the threshold is %.3g.",
              (unsigned long long)retries, (unsigned long long)delivered, f.threshold);
        say(b, f, &w);
    }
    f.rule = ALERT_REQUESTS_REFUSED;
    f.threshold = alert_threshold(b->conf, f.rule);
    f.value = requests ? (double)refused / (double)requests : 0;
    if (requests >= ALERT_LEAST_CALLS && f.value > f.threshold) {
        SUMMARY(&w, "Flow %s: %.3g %% of the requests are not signed well", fl->name, f.value * 100);
        CAUSE(&w, "%llu of %llu requests were refused within 5 minutes; the threshold is %.3g %%.",
              (unsigned long long)refused, (unsigned long long)requests, f.threshold * 100);
        say(b, f, &w);
    }
    f.rule = ALERT_DELAY_HIGH;
    f.threshold = fl->objective_s > 0 ? fl->objective_s : alert_threshold(b->conf, f.rule);
    f.value = fl->delay ? p95(p, fl->delay, now, ALERT_LONG_WINDOW_S, &n) : 0;
    if (n > 0 && f.value > f.threshold) {
        SUMMARY(&w, "Flow %s: events are delivered up to %s after they came", fl->name, span_text(f.value, a));
        CAUSE(&w, "95 of 100 of the last %llu took up to %s; %s is %s.", (unsigned long long)n, a,
              fl->objective_s > 0 ? "what the flow promises" : "the threshold", span_text(f.threshold, t));
        say(b, f, &w);
    }
}

/* ---- the server ---- */
static void watch_server(struct alert_book *b)
{
    const struct alert_snapshot *s = b->s;
    struct alert_finding f = {.rule = ALERT_DISK_FILLING, .subject = ""};
    struct words w;
    char have[32], stop[32];

    tl_size_format(s->disk_free, have);
    tl_size_format(s->disk_reserve, stop);
    f.threshold = alert_threshold(b->conf, f.rule);
    f.value = s->disk_reserve ? (double)s->disk_free / (double)s->disk_reserve : f.threshold;
    if (f.value < f.threshold) {
        SUMMARY(&w, "The ledger's disk fills: %s free", have);
        CAUSE(&w, "%s are free; intake stops at %s.", have, stop);
        say(b, f, &w);
    }
    if (s->intake_stopped) {
        f.rule = ALERT_INTAKE_STOPPED;
        f.value = f.threshold = (double)NAN;
        if (s->ledger_moved) {
            SUMMARY(&w, "The ledger's files are not in their place: senders are asked to come back later");
            CAUSE(&w,
                  "They were deleted, moved or replaced under the running server. The log says which, and what to do.");
        } else {
            SUMMARY(&w, "The disk is almost full: senders are asked to come back later");
            CAUSE(&w, "%s are free; intake stops at %s.", have, stop);
        }
        say(b, f, &w);
    }
    watch_credentials(b, "", "This server", NULL, s->certificates, s->n_certificates);
}

/* Of names that are gone only that they were there is kept: their counters go on when they come back. */
static void forget(struct tl_map *m)
{
    struct tl_sv key;
    void *v;

    for (size_t i = 0; tl_map_next(m, &i, &key, &v);) {
        struct alert_past *p = v;

        if (p->seen) {
            p->seen = false;
            continue;
        }
        p->n = p->n_spans = 0;
        for (size_t k = 0; k < SPANS; k++) {
            tl_free(p->spans[k].v);
            p->spans[k] = (struct span){0};
        }
    }
}

void alert__watch(struct alert_book *b)
{
    for (size_t i = 0; i < b->s->n_connections; i++)
        watch_connection(b, &b->s->connections[i]);
    for (size_t i = 0; i < b->s->n_flows; i++) {
        watch_flow_state(b, &b->s->flows[i]);
        watch_source(b, &b->s->flows[i]);
        watch_flow_rates(b, &b->s->flows[i]);
    }
    watch_server(b);
    for (size_t i = 0; i < TL_COUNT(b->past); i++)
        forget(b->past[i]);
}
