/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sla.c - what a flow promises, measured: success, delay, time to recovery, over the last 30 days.
 *
 * A success is a delivery; a failure is a delivery that became a dead letter, also if somebody put it right later,
 * because it needed a person. The delay is that of delivered ones, from receipt. An incident begins with the third
 * failed attempt in a row without a delivery between them (the moment of the first of them counts) and ends with the
 * next delivery. Days are those of UTC. The figures are written to the ledger every minute and at the end.
 */
#include "flow/flow_int.h"

#include <math.h>
#include <string.h>

#include "queue/operate.h"

enum { VERSION = 1, SAVE_EVERY = 6, TICK_MS = 10000, DAY_MS = 86400000, INCIDENT_FAILURES = 3 };

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

static struct flow_sla_day *today(struct flow_watch *w, int64_t now_ms)
{
    int32_t day = (int32_t)(now_ms / DAY_MS);
    struct flow_sla_day *d = &w->days[day % FLOW_SLA_DAYS];

    if (d->day != day)
        *d = (struct flow_sla_day){.day = day};
    return d;
}

/* ---- telling ---- */
void flow__sla_delivered(const struct flow *f, int64_t now_ms, int64_t delay_ms)
{
    struct flow_watch *w = f->watch;
    int64_t objective = f->conf->sla.delay_p95_ms;
    struct flow_sla_day *d;

    pthread_mutex_lock(&w->lock);
    d = today(w, now_ms);
    d->delivered++;
    d->delays[bucket(delay_ms > 0 ? (uint64_t)delay_ms : 0)]++;
    if (objective > 0 && delay_ms > objective)
        d->late++;
    if (w->failures >= INCIDENT_FAILURES) {
        d->incidents++;
        d->down_ms += (uint64_t)(now_ms > w->failing_since_ms ? now_ms - w->failing_since_ms : 0);
    }
    w->failures = 0;
    w->failing_since_ms = 0;
    pthread_mutex_unlock(&w->lock);
}

void flow__sla_failed(const struct flow *f, int64_t now_ms)
{
    struct flow_watch *w = f->watch;

    pthread_mutex_lock(&w->lock);
    if (w->failures++ == 0)
        w->failing_since_ms = now_ms;
    pthread_mutex_unlock(&w->lock);
}

static void died(struct flow_watch *w, int64_t now_ms, uint64_t total)
{
    pthread_mutex_lock(&w->lock);
    if (total > w->died)
        today(w, now_ms)->died += (uint32_t)(total - w->died);
    w->died = total;
    pthread_mutex_unlock(&w->lock);
}

/* ---- keeping ---- */
struct saved {
    uint32_t version, bytes;
    struct flow_sla_day days[FLOW_SLA_DAYS];
};

static void load(struct flow_engine *e, struct task *task, struct flow_watch *w)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    TL_CLEANUP(tl_freep) char *key = tl_sprintf("flow/sla/%s", w->name);
    struct saved *s;
    struct tl_err err;

    tl_buf_init(&b, 65536);
    w->loaded = true;
    if (queue_kv_get(e->queue, task, tl_sv_str(key), &b, &err) != TL_OK || b.n != sizeof *s)
        return;
    s = tl_alloc(sizeof *s);
    memcpy(s, b.p, sizeof *s);
    if (s->version == VERSION && s->bytes == sizeof *s) {
        pthread_mutex_lock(&w->lock);
        for (size_t i = 0; i < FLOW_SLA_DAYS; i++) {
            struct flow_sla_day now = w->days[i];

            w->days[i] = s->days[i];
            if (now.day > s->days[i].day) {
                w->days[i] = now;
            } else if (now.day == s->days[i].day) { /* what was counted before this ran */
                w->days[i].delivered += now.delivered;
                w->days[i].died += now.died;
                w->days[i].late += now.late;
                w->days[i].incidents += now.incidents;
                w->days[i].down_ms += now.down_ms;
                for (size_t k = 0; k < FLOW_SLA_BUCKETS; k++)
                    w->days[i].delays[k] += now.delays[k];
            }
        }
        pthread_mutex_unlock(&w->lock);
    }
    tl_free(s);
}

static void save(struct flow_engine *e, struct task *task, struct flow_watch *w)
{
    TL_CLEANUP(tl_freep) char *key = tl_sprintf("flow/sla/%s", w->name);
    struct saved *s = tl_zalloc(sizeof *s);
    struct tl_err err;

    s->version = VERSION;
    s->bytes = sizeof *s;
    pthread_mutex_lock(&w->lock);
    memcpy(s->days, w->days, sizeof s->days);
    pthread_mutex_unlock(&w->lock);
    if (queue_kv_put(e->queue, task, tl_sv_str(key), tl_sv((const char *)s, sizeof *s), &err) != TL_OK &&
        err.rc != TL_CANCELED)
        TL_LOG(e->opt.log, TL_WARN, "sla.not_saved", err.text, KV_STR("flow", w->name));
    tl_free(s);
}

static struct flow_watch *first_watch(struct flow_engine *e)
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
    for (struct flow_watch *w = first_watch(e); w; w = w->next) {
        for (size_t i = 0; i < s.n_flows; i++) {
            if (strcmp(w->name, s.flows[i].name) == 0)
                died(w, now, s.flows[i].died);
        }
    }
}

enum tl_rc flow__sla_task(struct task *task, void *arg, struct tl_err *err)
{
    struct flow_engine *e = arg;
    unsigned ticks = 0;
    enum tl_rc rc = TL_OK;

    while (rc == TL_OK && !__atomic_load_n(&e->stopping, __ATOMIC_RELAXED)) {
        for (struct flow_watch *w = first_watch(e); w; w = w->next) {
            if (!w->loaded)
                load(e, task, w);
        }
        look(e, task);
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
    for (struct flow_watch *w = first_watch(e); w; w = w->next)
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
        sum->delivered += d->delivered;
        sum->died += d->died;
        sum->late += d->late;
        sum->incidents += d->incidents;
        sum->down_ms += d->down_ms;
        for (size_t k = 0; k < FLOW_SLA_BUCKETS; k++)
            sum->delays[k] += d->delays[k];
    }
}

static struct json number_or_null(bool there, double v)
{
    return there ? json_double(v) : json_null();
}

static struct json report(struct tl_arena *a, const struct flow_sla_conf *c, const struct flow_sla_day *s,
                          int64_t failing_since_ms)
{
    double all = (double)s->delivered + (double)s->died, allowed = (1 - c->success) * all;
    uint64_t p95 = quantile(s, 0.95), mttr = s->incidents ? s->down_ms / s->incidents : 0;
    char from[TL_TIME_TEXT], since[TL_TIME_TEXT];
    struct json_builder b;

    json_object_begin(&b, a, 20);
    json_adds(&b, "owner", c->owner ? json_str(c->owner) : json_null());
    json_adds(&b, "runbook", c->runbook ? json_str(c->runbook) : json_null());
    json_adds(&b, "from", json_str_copy(a, tl_sv_str(tl_time_format((int64_t)s->day * DAY_MS, from))));
    json_adds(&b, "delivered", json_int((int64_t)s->delivered));
    json_adds(&b, "died", json_int((int64_t)s->died));
    json_adds(&b, "success", number_or_null(all > 0, all > 0 ? (double)s->delivered / all : 0));
    json_adds(&b, "success_objective", number_or_null(c->success > 0, c->success));
    /* what is left of the failures that the objective allows; below 0: broken. 100 % allows none */
    json_adds(&b, "error_budget_left",
              number_or_null(c->success > 0, allowed > 0 ? 1 - (double)s->died / allowed
                                             : s->died   ? 0
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
        if (p->flows[i].watch->failures >= INCIDENT_FAILURES)
            failing = p->flows[i].watch->failing_since_ms;
        pthread_mutex_unlock(&p->flows[i].watch->lock);
        v = json_copy(a, report(a, &p->flows[i].conf->sla, sum, failing)); /* the plan's words go with the plan */
    }
    flow_plan_unref(p);
    return v;
}
