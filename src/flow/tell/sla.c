/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sla.c - what a flow promises, measured: success, delay, time to recovery, over the last 30 days.
 *
 * A success is a delivery; a failure is a delivery that became a dead letter, also if somebody put it right later,
 * because it needed a person. The delay is that of delivered ones, from receipt. An incident begins with the third
 * failed attempt in a row at one target without a delivery there between them (the moment of the first of them counts)
 * and ends when the last target in this state delivers again, or is found to have left the configuration; a restart
 * does not end it. The steps count as a target of their own, which delivers when they go through. Days and months are
 * those of UTC; months are kept for more than a year. The figures are written to the ledger every minute and at the
 * end.
 */
#include "flow/flow_int.h"

#include <math.h>
#include <string.h>

#include "queue/operate.h"

#define KEY "flow/sla/%s"
enum { VERSION = 4, SAVE_EVERY = 6, TICK_MS = 10000, DAY_MS = 86400000, INCIDENT_FAILURES = 3 };

/* ---- delays in buckets: four in each power of two of milliseconds ---- */
static size_t bucket(uint64_t ms)
{
    unsigned power = 0;
    size_t i;

    while (power < 40 && ms >> (power + 1))
        power++;
    i = power < 2 ? ms : (size_t)power * 4 + ((ms >> (power - 2)) & 3) - 4;
    return i < FLOW_SLA_BUCKETS ? i : FLOW_SLA_BUCKETS - 1;
}

static uint64_t bucket_end(size_t i) /* the highest value in it */
{
    uint64_t power = (i + 4) / 4;

    return i < 4 ? i : ((4 + (i & 3) + 1) << (power - 2)) - 1;
}

static int32_t month_of(int64_t now_ms)
{
    struct tl_civil c;

    tl_civil_from_ms(now_ms, &c);
    return c.year * 12 + c.month - 1;
}

static struct flow_sla_day *slot(struct flow_sla_day *all, size_t n, int32_t number)
{
    struct flow_sla_day *d = &all[(size_t)number % n];

    if (d->day != number)
        *d = (struct flow_sla_day){.day = number};
    return d;
}

/* Of now: the day and the month. */
static void slots(struct flow_watch *w, int64_t now_ms, struct flow_sla_day *ret[2])
{
    ret[0] = slot(w->days, FLOW_SLA_DAYS, (int32_t)(now_ms / DAY_MS));
    ret[1] = slot(w->months, FLOW_SLA_MONTHS, month_of(now_ms));
}

/* ---- telling ---- */
/* Where the failures of this target are counted, else a free place; NULL: there is none. */
static struct flow_sla_row *place_of(const struct flow_sla_outage *o, uint32_t target)
{
    struct flow_sla_row *at = NULL;

    for (size_t i = o->n; i-- > 0;) {
        if (o->row[i].failures && o->row[i].target == target)
            return &o->row[i];
        if (!o->row[i].failures)
            at = &o->row[i];
    }
    return at;
}

static void end_incident(struct flow_watch *w, int64_t now_ms)
{
    struct flow_sla_day *both[2];
    int64_t since = w->outage.since_ms;

    slots(w, now_ms, both);
    for (size_t i = 0; i < TL_COUNT(both); i++) {
        both[i]->incidents++;
        both[i]->down_ms += (uint64_t)(now_ms > since ? now_ms - since : 0);
    }
    w->outage.since_ms = 0;
}

static bool has_target(const struct flow *f, uint32_t target)
{
    for (size_t i = 0; i < f->n_targets; i++)
        if (f->targets[i].id == target)
            return true;
    return target == FLOW_SLA_STEPS && f->expand;
}

/* What has left the configuration is waited for no longer. */
static void drop_gone(const struct flow *f)
{
    struct flow_sla_outage *o = &f->watch->outage;

    for (size_t i = 0; i < o->n; i++)
        if (o->row[i].failures && !has_target(f, o->row[i].target))
            o->row[i].failures = 0;
}

static void recovered(const struct flow *f, uint32_t target, int64_t now_ms)
{
    struct flow_sla_outage *o = &f->watch->outage;
    struct flow_sla_row *r = place_of(o, target);
    bool failing = false;

    if (r)
        r->failures = 0;
    if (!o->since_ms)
        return;
    drop_gone(f);
    for (size_t i = 0; i < o->n; i++)
        failing = failing || o->row[i].failures >= INCIDENT_FAILURES;
    if (!failing)
        end_incident(f->watch, now_ms);
}

/* A place for one that fails: there are at most as many as the flow has targets, and its steps. */
static struct flow_sla_row *take_place(const struct flow *f, uint32_t target)
{
    struct flow_sla_outage *o = &f->watch->outage;
    struct flow_sla_row *r = place_of(o, target);

    if (!r) {
        drop_gone(f);
        r = place_of(o, target);
    }
    if (r)
        return r;
    o->row = tl_reallocarray(o->row, o->n + 1, sizeof *o->row);
    o->row[o->n] = (struct flow_sla_row){0};
    return &o->row[o->n++];
}

void flow__sla_went(const struct flow *f, int64_t now_ms)
{
    pthread_mutex_lock(&f->watch->lock);
    recovered(f, FLOW_SLA_STEPS, now_ms);
    pthread_mutex_unlock(&f->watch->lock);
}

void flow__sla_delivered(const struct flow *f, uint32_t target, int64_t now_ms, int64_t delay_ms)
{
    struct flow_watch *w = f->watch;
    int64_t objective = f->conf->sla.delay_p95_ms;
    struct flow_sla_day *both[2];

    pthread_mutex_lock(&w->lock);
    slots(w, now_ms, both);
    for (size_t i = 0; i < TL_COUNT(both); i++) {
        struct flow_sla_day *d = both[i];

        d->delivered++;
        d->delays[bucket(delay_ms > 0 ? (uint64_t)delay_ms : 0)]++;
        if (objective > 0 && delay_ms > objective)
            d->late++;
    }
    if (!w->loaded && !w->first_ok_ms)
        w->first_ok_ms = now_ms;
    recovered(f, target, now_ms);
    pthread_mutex_unlock(&w->lock);
}

void flow__sla_failed(const struct flow *f, uint32_t target, int64_t now_ms)
{
    struct flow_watch *w = f->watch;
    struct flow_sla_row *r;

    pthread_mutex_lock(&w->lock);
    r = take_place(f, target);
    if (r->failures++ == 0) {
        r->target = target;
        r->since_ms = now_ms;
    }
    if (r->failures >= INCIDENT_FAILURES && !w->outage.since_ms)
        w->outage.since_ms = r->since_ms;
    pthread_mutex_unlock(&w->lock);
}

static void died(struct flow_watch *w, int64_t now_ms, uint64_t total)
{
    struct flow_sla_day *both[2];

    pthread_mutex_lock(&w->lock);
    slots(w, now_ms, both);
    for (size_t i = 0; i < TL_COUNT(both) && total > w->died; i++)
        both[i]->died += (uint32_t)(total - w->died);
    w->died = total;
    pthread_mutex_unlock(&w->lock);
}

/* ---- keeping ---- */
struct saved {
    uint32_t version, bytes;
    struct flow_sla_day days[FLOW_SLA_DAYS], months[FLOW_SLA_MONTHS];
    int64_t since_ms;
    struct flow_sla_row row[]; /* those that fail */
};
/* Version 1 knew no months, version 2 no outage; version 3 had always 16 rows, and since_ms behind them. */
enum {
    FIRST_BYTES = offsetof(struct saved, months),
    SECOND_BYTES = offsetof(struct saved, since_ms),
    THIRD_ROWS = 16,
    THIRD_BYTES = SECOND_BYTES + THIRD_ROWS * sizeof(struct flow_sla_row) + sizeof(int64_t)
};

static void add(struct flow_sla_day *to, const struct flow_sla_day *d)
{
    to->delivered += d->delivered;
    to->died += d->died;
    to->late += d->late;
    to->incidents += d->incidents;
    to->down_ms += d->down_ms;
    for (size_t k = 0; k < FLOW_SLA_BUCKETS; k++)
        to->delays[k] += d->delays[k];
}

/* What was counted before this ran is in `now` already. */
static void merge(struct flow_sla_day *now, const struct flow_sla_day *saved, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct flow_sla_day counted = now[i];

        if (counted.day > saved[i].day)
            continue;
        now[i] = saved[i];
        if (counted.day == saved[i].day && counted.day)
            add(&now[i], &counted);
    }
}

/* Version 1: the months of the days that it kept. */
static void months_from_days(struct saved *s)
{
    memset(s->months, 0, sizeof s->months);
    for (size_t i = 0; i < FLOW_SLA_DAYS; i++)
        if (s->days[i].day)
            add(slot(s->months, FLOW_SLA_MONTHS, month_of((int64_t)s->days[i].day * DAY_MS)), &s->days[i]);
}

/* An outage that was there when the program before ended goes on, or was over with the first delivery. */
static void go_on(struct flow_watch *w, int64_t since_ms, const struct flow_sla_row *row, size_t n)
{
    struct flow_sla_outage *o = &w->outage;

    if (w->first_ok_ms && since_ms && !o->since_ms) {
        o->since_ms = since_ms;
        end_incident(w, w->first_ok_ms);
    } else if (!w->first_ok_ms && !o->since_ms) {
        o->since_ms = since_ms;
        o->row = tl_reallocarray(o->row, n ? n : 1, sizeof *o->row);
        memcpy(o->row, row, n * sizeof *row);
        o->n = n;
    }
}

static bool is_whole(const struct saved *s, size_t n)
{
    if (n < FIRST_BYTES || s->bytes != n)
        return false;
    switch (s->version) {
    case 1:
        return n == FIRST_BYTES;
    case 2:
        return n == SECOND_BYTES;
    case 3:
        return n == THIRD_BYTES;
    default:
        return s->version == VERSION && n >= sizeof *s && (n - sizeof *s) % sizeof *s->row == 0;
    }
}

/* s has room for THIRD_BYTES at least, zeros behind what was read. */
static void take_saved(struct flow_watch *w, struct saved *s)
{
    size_t n = s->version == VERSION ? (s->bytes - sizeof *s) / sizeof *s->row : 0;

    if (s->version == 1)
        months_from_days(s);
    merge(w->days, s->days, FLOW_SLA_DAYS);
    merge(w->months, s->months, FLOW_SLA_MONTHS);
    if (s->version == 3) {
        const char *row = (const char *)s + SECOND_BYTES;
        struct flow_sla_row old[THIRD_ROWS];
        int64_t since_ms;

        memcpy(old, row, sizeof old);
        memcpy(&since_ms, row + sizeof old, sizeof since_ms);
        go_on(w, since_ms, old, THIRD_ROWS);
    } else {
        go_on(w, s->since_ms, s->row, n);
    }
}

void flow__sla_take(struct flow_watch *w, struct tl_sv kept)
{
    size_t most = kept.n > THIRD_BYTES ? kept.n : THIRD_BYTES;
    struct saved *s = tl_zalloc(most > sizeof *s ? most : sizeof *s);

    if (kept.n)
        memcpy(s, kept.p, kept.n);
    pthread_mutex_lock(&w->lock);
    if (is_whole(s, kept.n))
        take_saved(w, s);
    w->loaded = true;
    pthread_mutex_unlock(&w->lock);
    tl_free(s);
}

static void load(struct flow_engine *e, struct task *task, struct flow_watch *w)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    TL_CLEANUP(tl_freep) char *key = tl_sprintf(KEY, w->name);
    struct tl_err err;

    tl_buf_init(&b, 65536);
    if (queue_kv_get(e->queue, task, tl_sv_str(key), &b, &err) != TL_OK)
        tl_buf_clear(&b);
    flow__sla_take(w, tl_buf_view(&b));
}

void flow__sla_keep(struct flow_watch *w, struct tl_buf *b)
{
    struct saved *s;
    size_t n = 0;

    pthread_mutex_lock(&w->lock);
    s = tl_zalloc(sizeof *s + w->outage.n * sizeof *s->row);
    memcpy(s->days, w->days, sizeof s->days);
    memcpy(s->months, w->months, sizeof s->months);
    s->since_ms = w->outage.since_ms;
    for (size_t i = 0; i < w->outage.n; i++)
        if (w->outage.row[i].failures)
            s->row[n++] = w->outage.row[i];
    pthread_mutex_unlock(&w->lock);
    s->version = VERSION;
    s->bytes = (uint32_t)(sizeof *s + n * sizeof *s->row);
    tl_buf_put(b, s, s->bytes);
    tl_free(s);
}

static void save(struct flow_engine *e, struct task *task, struct flow_watch *w)
{
    TL_CLEANUP(tl_freep) char *key = tl_sprintf(KEY, w->name);
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_err err;

    tl_buf_init(&b, 65536);
    flow__sla_keep(w, &b);
    if (queue_kv_put(e->queue, task, tl_sv_str(key), tl_buf_view(&b), &err) != TL_OK && err.rc != TL_CANCELED)
        TL_LOG(e->opt.log, TL_WARN, "sla.not_saved", err.text, KV_STR("flow", w->name));
}

struct flow_watch *flow__first_watch(struct flow_engine *e)
{
    struct flow_watch *w;

    pthread_mutex_lock(&e->lock); /* watches are only ever put in front */
    w = e->watches;
    pthread_mutex_unlock(&e->lock);
    return w;
}

static void look(struct flow_engine *e, struct task *task)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(64 << 20);
    int64_t now = tl_clock_wall_ms(e->opt.clock);
    struct queue_stat s;
    struct tl_err err;

    if (queue_stats(e->queue, task, a, &s, &err) != TL_OK)
        return;
    for (struct flow_watch *w = flow__first_watch(e); w; w = w->next) {
        for (size_t i = 0; i < s.n_flows; i++) {
            if (strcmp(w->name, s.flows[i].name) == 0)
                died(w, now, s.flows[i].died);
        }
    }
}

/* Flows that left the configuration before this start: those that figures are kept of have a watch too. */
static void remember_removed(struct flow_engine *e, struct task *task)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(64 << 20);
    struct queue_stat s;
    struct tl_err err;

    if (queue_stats(e->queue, task, a, &s, &err) != TL_OK)
        return;
    for (size_t i = 0; i < s.n_flows; i++) {
        TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

        tl_buf_init(&b, 65536);
        if (s.flows[i].removed &&
            queue_kv_get(e->queue, task, tl_sv_str(tl_arena_printf(a, KEY, s.flows[i].name)), &b, &err) == TL_OK)
            (void)flow__watch(e, s.flows[i].name);
    }
}

enum tl_rc flow__sla_task(struct task *task, void *arg, struct tl_err *err)
{
    struct flow_engine *e = arg;
    unsigned ticks = 0;
    enum tl_rc rc = TL_OK;

    remember_removed(e, task);
    while (rc == TL_OK && !__atomic_load_n(&e->stopping, __ATOMIC_RELAXED)) {
        for (struct flow_watch *w = flow__first_watch(e); w; w = w->next) {
            if (!w->loaded)
                load(e, task, w);
        }
        look(e, task);
        flow__tell_refusals(e);
        if (++ticks % SAVE_EVERY == 0)
            flow__sla_save(e, task);
        for (int i = 0; i < TICK_MS / 500 && rc == TL_OK && !__atomic_load_n(&e->stopping, __ATOMIC_RELAXED); i++)
            rc = task_sleep_ms(task, 500, err);
    }
    return TL_OK;
}

void flow__sla_save(struct flow_engine *e, struct task *task)
{
    look(e, task);
    for (struct flow_watch *w = flow__first_watch(e); w; w = w->next)
        save(e, task, w);
}

/* ---- reporting ---- */
static uint64_t quantile(const struct flow_sla_day *sum, double q)
{
    uint64_t n = 0, want = (uint64_t)ceil(q * (double)sum->delivered);

    for (size_t i = 0; i < FLOW_SLA_BUCKETS; i++) {
        n += sum->delays[i];
        if (n >= want && n > 0)
            return bucket_end(i);
    }
    return 0;
}

static void add_days(struct flow_watch *w, int64_t now_ms, struct flow_sla_day *sum)
{
    int32_t day = (int32_t)(now_ms / DAY_MS);

    sum->day = day;
    for (size_t i = 0; i < FLOW_SLA_DAYS; i++) {
        const struct flow_sla_day *d = &w->days[i];

        if (d->day == 0 || d->day > day || d->day <= day - FLOW_SLA_DAYS)
            continue;
        sum->day = d->day < sum->day ? d->day : sum->day;
        add(sum, d);
    }
}

static struct json number_or_null(bool there, double v)
{
    return there ? json_double(v) : json_null();
}

static struct json report(struct tl_arena *a, const struct flow_sla_conf *c, const struct flow_sla_day *s,
                          int64_t from_ms, int64_t failing_since_ms)
{
    double all = (double)s->delivered + (double)s->died, allowed = (1 - c->success) * all;
    uint64_t p95 = quantile(s, 0.95), mttr = s->incidents ? s->down_ms / s->incidents : 0;
    char from[TL_TIME_TEXT], since[TL_TIME_TEXT];
    struct json_builder b;

    json_object_begin(&b, a, 20);
    json_adds(&b, "owner", c->owner ? json_str(c->owner) : json_null());
    json_adds(&b, "runbook", c->runbook ? json_str(c->runbook) : json_null());
    json_adds(&b, "from", json_str_copy(a, tl_sv_str(tl_time_format(from_ms, from))));
    json_adds(&b, "delivered", json_int((int64_t)s->delivered));
    json_adds(&b, "died", json_int((int64_t)s->died));
    json_adds(&b, "success", number_or_null(all > 0, all > 0 ? (double)s->delivered / all : 0));
    json_adds(&b, "success_objective", number_or_null(c->success > 0, c->success));
    /* what is left of the failures that the objective allows; below 0: broken. 100 % allows none: as if it were one, so
     * that the first breaks it */
    json_adds(&b, "error_budget_left",
              number_or_null(c->success > 0, allowed > 0 ? 1 - (double)s->died / allowed
                                             : s->died   ? -(double)s->died
                                                         : 1));
    json_adds(&b, "delay_p50_ms", s->delivered ? json_int((int64_t)quantile(s, 0.5)) : json_null());
    json_adds(&b, "delay_p95_ms", s->delivered ? json_int((int64_t)p95) : json_null());
    json_adds(&b, "delay_p95_objective_ms", c->delay_p95_ms ? json_int(c->delay_p95_ms) : json_null());
    json_adds(&b, "late", json_int((int64_t)s->late));
    json_adds(&b, "incidents", json_int((int64_t)s->incidents));
    json_adds(&b, "mttr_ms", s->incidents ? json_int((int64_t)mttr) : json_null());
    json_adds(&b, "mttr_objective_ms", c->mttr_ms ? json_int(c->mttr_ms) : json_null());
    json_adds(&b, "failing_since",
              failing_since_ms ? json_str_copy(a, tl_sv_str(tl_time_format(failing_since_ms, since))) : json_null());
    /* at most one in twenty late is what p95 <= objective says, exactly */
    json_adds(&b, "met",
              json_bool((c->success <= 0 || (double)s->died <= allowed) &&
                        (!c->delay_p95_ms || (double)s->late * 20 <= (double)s->delivered) &&
                        (!c->mttr_ms || (int64_t)mttr <= c->mttr_ms)));
    return json_end(&b);
}

struct json flow_engine_sla(struct flow_engine *e, struct tl_arena *a, struct tl_sv flow)
{
    struct flow_plan *p = flow_engine_plan(e);
    int64_t now = tl_clock_wall_ms(e->opt.clock), failing = 0;
    struct json v = json_null();

    for (size_t i = 0; i < p->n_flows; i++) {
        struct flow_sla_day *sum;

        if (!tl_sv_eqs(flow, p->flows[i].name))
            continue;
        sum = tl_arena_must(a, sizeof *sum);
        *sum = (struct flow_sla_day){0};
        pthread_mutex_lock(&p->flows[i].watch->lock);
        add_days(p->flows[i].watch, now, sum);
        failing = p->flows[i].watch->outage.since_ms;
        pthread_mutex_unlock(&p->flows[i].watch->lock);
        v = json_copy(a, report(a, &p->flows[i].conf->sla, sum, (int64_t)sum->day * DAY_MS,
                                failing)); /* the plan's words go with the plan */
    }
    flow_plan_unref(p);
    return v;
}

/* ---- by month ---- */
static struct json month_json(struct tl_arena *a, int32_t month)
{
    return json_str(tl_arena_printf(a, "%04d-%02d", month / 12, month % 12 + 1));
}

static int64_t month_ms(int32_t month)
{
    return tl_days_from_civil(month / 12, month % 12 + 1, 1) * DAY_MS;
}

static bool has_month(const struct flow_watch *w, int32_t month)
{
    return __atomic_load_n(&w->months[month % FLOW_SLA_MONTHS].day, __ATOMIC_RELAXED) == month;
}

/* In order of time; those of all flows, also of those that are gone. */
static struct json months_json(struct tl_arena *a, struct flow_engine *e, int32_t now)
{
    struct json_builder list;

    json_array_begin(&list, a, FLOW_SLA_MONTHS);
    for (int32_t m = now - FLOW_SLA_MONTHS + 1; m <= now; m++) {
        bool there = m == now;

        for (const struct flow_watch *w = flow__first_watch(e); w && !there; w = w->next)
            there = has_month(w, m);
        if (there)
            json_push(&list, month_json(a, m));
    }
    return json_end(&list);
}

/* conf NULL: the flow is gone, and what it promised with it. */
static struct json flow_month(struct tl_arena *a, struct flow_watch *w, const struct flow_sla_conf *conf, int32_t month,
                              struct flow_sla_day *s)
{
    const struct flow_sla_conf none = {0};
    struct json_builder b;
    struct json v;

    *s = (struct flow_sla_day){.day = month};
    pthread_mutex_lock(&w->lock);
    if (w->months[month % FLOW_SLA_MONTHS].day == month)
        *s = w->months[month % FLOW_SLA_MONTHS];
    pthread_mutex_unlock(&w->lock);
    v = report(a, conf ? conf : &none, s, month_ms(month), 0);
    json_object_begin(&b, a, v.n + 2);
    json_adds(&b, "flow", json_str(w->name));
    json_adds(&b, "removed", json_bool(!conf));
    for (uint32_t i = 0; i < v.n; i++)
        json_add(&b, json_view(v.u.members[i].key), v.u.members[i].value);
    return json_end(&b);
}

/* Gone, and not without a trace. */
static bool is_gone(const struct flow_plan *p, struct flow_watch *w, int32_t month)
{
    const struct flow_sla_day *m = &w->months[month % FLOW_SLA_MONTHS];
    bool had;

    for (size_t i = 0; i < p->n_flows; i++)
        if (p->flows[i].watch == w)
            return false;
    pthread_mutex_lock(&w->lock);
    had = m->day == month && (m->delivered || m->died);
    pthread_mutex_unlock(&w->lock);
    return had && strncmp(w->name, FLOW_RECEIVER_PREFIX, strlen(FLOW_RECEIVER_PREFIX)) != 0;
}

/* Those of the configuration, then those that left it and have figures of that month. */
static struct json flows_json(struct flow_engine *e, const struct flow_plan *p, struct tl_arena *a, int32_t month)
{
    struct flow_sla_day *s = tl_arena_must(a, sizeof *s);
    struct json_builder list;

    json_array_begin(&list, a, p->n_flows);
    for (size_t i = 0; i < p->n_flows; i++)
        if (p->flows[i].source != FLOW_RECEIVER)
            json_push(&list, flow_month(a, p->flows[i].watch, &p->flows[i].conf->sla, month, s));
    for (struct flow_watch *w = flow__first_watch(e); w; w = w->next)
        if (is_gone(p, w, month))
            json_push(&list, flow_month(a, w, NULL, month, s));
    return json_end(&list);
}

enum tl_rc flow_engine_sla_month(struct flow_engine *e, struct tl_arena *a, struct tl_sv wanted, struct json *ret,
                                 struct tl_err *err)
{
    int64_t now_ms = tl_clock_wall_ms(e->opt.clock);
    int32_t now = month_of(now_ms), month = now;
    struct json_builder b;
    struct flow_plan *p;
    uint64_t y, m;

    if (wanted.n) {
        if (wanted.n != 7 || wanted.p[4] != '-' || !tl_sv_u64(tl_sv(wanted.p, 4), &y) ||
            !tl_sv_u64(tl_sv_from(wanted, 5), &m) || m < 1 || m > 12)
            return tl_fail(err, TL_INVALID, "a month is written 2026-11");
        month = (int32_t)y * 12 + (int32_t)m - 1;
        if (month > now || month <= now - FLOW_SLA_MONTHS)
            return tl_fail(err, TL_NOT_FOUND, "figures are kept for %d months, this one is not among them",
                           FLOW_SLA_MONTHS);
    }
    p = flow_engine_plan(e);
    json_object_begin(&b, a, 6);
    json_adds(&b, "month", month_json(a, month));
    json_adds(&b, "months", months_json(a, e, now));
    json_adds(&b, "complete", json_bool(month < now));
    json_adds(&b, "flows", flows_json(e, p, a, month));
    *ret = json_copy(a, json_end(&b)); /* the plan's words go with the plan */
    flow_plan_unref(p);
    return TL_OK;
}
