/* SPDX-License-Identifier: Apache-2.0 */
/*
 * series.c - what happened in the last 24 hours, by flow and connection: small, in memory, bounded. A restart begins
 * anew, and the answers say since when.
 *
 * The figures are the ledger's, read every ten seconds into counters of our own; delays and times of calls are the
 * histograms that /metrics shows, merged for all flows and for a connection. Where there are more flows than there is
 * room, the last ones have no figures (null); the total and the connections always have. The tick runs on a worker
 * thread; reading is safe from any.
 */
#include <pthread.h>
#include <stdio.h>

#include "admin/admin_int.h"
#include "http/http.h"

enum { SERIES_MAX = 2400, FLOWS_MAX = 1000, POINTS_MAX = 1500, OPERATIONS = 16, STATS_LIMIT = 64 << 20 };

enum what { S_IN, S_OUT, S_FAILED, S_DIED, S_BACKLOG, S_DEAD, S_CALLS, S_CALL_FAILED, S_WAITING, S_KINDS };
static const struct {
    const char *name, *unit, *doc;
    enum metrics_type type;
    bool connection;
} kinds[S_KINDS] = {
    [S_IN] = {"in", "events", "Events accepted.", METRICS_COUNTER, false},
    [S_OUT] = {"out", "deliveries", "Deliveries that ended well.", METRICS_COUNTER, false},
    [S_FAILED] = {"failed", "attempts", "Attempts that failed.", METRICS_COUNTER, false},
    [S_DIED] = {"died", "deliveries", "Deliveries that became dead letters.", METRICS_COUNTER, false},
    [S_BACKLOG] = {"backlog", "deliveries", "Deliveries queued or retrying; the most in the interval.", METRICS_GAUGE,
                   false},
    [S_DEAD] = {"dead", "deliveries", "Dead letters; the most in the interval.", METRICS_GAUGE, false},
    [S_CALLS] = {"calls", "calls", "Calls to the system.", METRICS_COUNTER, true},
    [S_CALL_FAILED] = {"failed", "calls", "Calls that failed.", METRICS_COUNTER, true},
    [S_WAITING] = {"waiting", "deliveries", "Deliveries in memory that wait for it; the most in the interval.",
                   METRICS_GAUGE, true},
};

struct line {
    struct line *next;
    char name[128]; /* "" : all together */
    bool connection;
    struct metric *m[S_KINDS]; /* NULL: not of this kind, or there is no room */
    uint64_t seen[S_KINDS];
    struct metric *hist;              /* delays, or times of calls: never observed, a sum of those of /metrics */
    struct metric *parts[OPERATIONS]; /* those that were found */
    size_t n_parts;
    int64_t oldest_ms; /* of a flow: when its oldest live delivery came; 0: none */
};

struct admin_series {
    struct admin *admin;
    struct metrics *own;
    struct metrics_family *families[S_KINDS], *times;
    struct metrics_history *history;
    pthread_mutex_t lock; /* of lines: found on any thread, added by the tick */
    struct line *lines;
    size_t n_lines;
    int64_t since_ms;
};

static struct line *find(struct admin_series *s, const char *name, bool connection)
{
    struct line *l;

    (void)pthread_mutex_lock(&s->lock);
    for (l = s->lines; l && (l->connection != connection || strcmp(l->name, name) != 0);)
        l = l->next;
    (void)pthread_mutex_unlock(&s->lock);
    return l;
}

static struct line *add(struct admin_series *s, const char *name, bool connection)
{
    struct line *l = find(s, name, connection);
    const char *values[] = {connection ? "connection" : "flow", name};

    if (l || s->n_lines >= FLOWS_MAX)
        return l;
    l = tl_zalloc(sizeof *l);
    (void)snprintf(l->name, sizeof l->name, "%s", name);
    l->connection = connection;
    for (int k = 0; k < S_KINDS; k++) {
        struct metric *m;

        if (kinds[k].connection != connection)
            continue;
        m = metrics_series(s->families[k], values);
        if (metrics_history_track(s->history, m))
            l->m[k] = m;
    }
    l->hist = metrics_series(s->times, values);
    if (!metrics_history_track(s->history, l->hist))
        l->hist = NULL;
    (void)pthread_mutex_lock(&s->lock);
    l->next = s->lines;
    s->lines = l;
    s->n_lines++;
    (void)pthread_mutex_unlock(&s->lock);
    return l;
}

/* The ledger's counters are from its beginning: what was before the first tick belongs to no interval. */
static void count(struct line *l, enum what k, uint64_t now, bool first)
{
    if (!l || !l->m[k])
        return;
    if (kinds[k].type == METRICS_GAUGE)
        metrics_set(l->m[k], (double)now);
    else if (!first && now > l->seen[k])
        metrics_add(l->m[k], now - l->seen[k]);
    l->seen[k] = now;
}

static uint64_t sum(const uint64_t failed[TL_CLASS_COUNT])
{
    uint64_t n = 0;

    for (int c = 0; c < TL_CLASS_COUNT; c++)
        n += failed[c];
    return n;
}

/* total: what counts these too; NULL: nothing does. */
static void watch_hist(struct admin_series *s, struct line *l, const struct line *total, const char *family)
{
    size_t n = l->n_parts;

    l->n_parts = metrics_find(s->admin->metrics, family, l->name, l->parts, OPERATIONS);
    for (; n < l->n_parts; n++) {
        if (l->hist)
            metrics_history_add(s->history, l->hist, l->parts[n]);
        if (total && total->hist)
            metrics_history_add(s->history, total->hist, l->parts[n]);
    }
}

static int64_t oldest(const struct queue_flow_stat *f, struct queue_reader *r)
{
    int64_t received;
    struct tl_err ignored;

    if (!r || f->count[QUEUE_QUEUED] + f->count[QUEUE_RETRYING] == 0 ||
        queue_oldest(r, f->id, &received, &ignored) != TL_OK)
        return 0;
    return received;
}

static void take_flows(struct admin_series *s, struct line *total, bool first, const struct queue_stat *stat,
                       struct queue_reader *r)
{
    uint64_t all[S_KINDS] = {0};

    for (size_t i = 0; i < stat->n_flows; i++) {
        const struct queue_flow_stat *f = &stat->flows[i];
        uint64_t v[S_KINDS] = {[S_IN] = f->events,
                               [S_OUT] = f->count[QUEUE_DELIVERED],
                               [S_FAILED] = sum(f->failed),
                               [S_DIED] = f->died,
                               [S_BACKLOG] = f->count[QUEUE_QUEUED] + f->count[QUEUE_RETRYING],
                               [S_DEAD] = f->count[QUEUE_DEAD]};
        bool fresh = !find(s, f->name, false);
        struct line *l = add(s, f->name, false);

        for (int k = S_IN; k <= S_DEAD; k++) {
            count(l, (enum what)k, v[k], fresh && first);
            all[k] += v[k];
        }
        if (!l)
            continue;
        watch_hist(s, l, total, "tieline_delivery_delay_seconds");
        __atomic_store_n(&l->oldest_ms, oldest(f, r), __ATOMIC_RELAXED);
    }
    for (int k = S_IN; k <= S_DEAD; k++)
        count(total, (enum what)k, all[k], first);
}

static void take_connections(struct admin_series *s, const struct queue_stat *stat)
{
    for (size_t i = 0; i < stat->n_connections; i++) {
        const struct queue_connection_stat *c = &stat->connections[i];
        struct line *l = add(s, c->name, true);

        count(l, S_CALLS, c->calls, false);
        count(l, S_CALL_FAILED, sum(c->failed), false);
        count(l, S_WAITING, c->waiting, false);
        if (l)
            watch_hist(s, l, NULL, "tieline_call_duration_seconds");
    }
}

static void collect(void *arg)
{
    struct admin_series *s = arg;
    struct tl_arena *arena = tl_arena_new(STATS_LIMIT);
    struct queue_reader *r = NULL;
    struct queue_stat stat;
    struct tl_err ignored;

    if (queue_stats(s->admin->queue, NULL, arena, &stat, &ignored) == TL_OK) {
        bool first = !find(s, "", false);
        struct line *total = add(s, "", false); /* it and the connections before the flows: these may be too many */

        take_connections(s, &stat);
        if (stat.live > 0 && queue_reader_open(s->admin->queue, &r, &ignored) != TL_OK)
            r = NULL;
        take_flows(s, total, first, &stat, r);
        if (r)
            queue_reader_close(r);
    }
    tl_arena_free(arena);
}

struct admin_series *admin_series_new(struct admin *a)
{
    struct admin_series *s = tl_zalloc(sizeof *s);

    s->admin = a;
    s->own = metrics_new();
    s->history = metrics_history_new(s->own, SERIES_MAX);
    s->since_ms = tl_clock_wall_ms(a->clock);
    (void)pthread_mutex_init(&s->lock, NULL);
    for (int k = 0; k < S_KINDS; k++) {
        char name[64];

        (void)snprintf(name, sizeof name, "%s_%s", kinds[k].connection ? "connection" : "flow", kinds[k].name);
        s->families[k] = metrics_family(
            s->own, &(struct metrics_desc){name, kinds[k].doc, kinds[k].type, {"of", "name"}, FLOWS_MAX + 1, 0});
    }
    s->times = metrics_family(s->own, &(struct metrics_desc){"times_seconds",
                                                             "Delays of a flow, times of calls of a connection.",
                                                             METRICS_HISTOGRAM,
                                                             {"of", "name"},
                                                             FLOWS_MAX + 1,
                                                             1e-6});
    metrics_on_collect(s->own, collect, s);
    return s;
}

void admin_series_free(struct admin_series *s)
{
    if (!s)
        return;
    metrics_history_free(s->history);
    metrics_free(s->own);
    for (struct line *l = s->lines, *next; l; l = next) {
        next = l->next;
        tl_free(l);
    }
    (void)pthread_mutex_destroy(&s->lock);
    tl_free(s);
}

void admin_series_tick(struct admin_series *s)
{
    metrics_history_tick(s->history, tl_clock_wall_ms(s->admin->clock));
}

/* ---- figures of now, for the status ---- */
static double recent(struct admin_series *s, const struct line *l, enum what k, int64_t from,
                     int64_t now) /* -1: none */
{
    struct metrics_point p[64];
    double all = 0;
    size_t n = 0;

    if (!l->m[k])
        return -1;
    n = metrics_history_read(s->history, l->m[k], from, now, p, TL_COUNT(p), NULL);
    for (size_t i = 0; i < n; i++)
        all += p[i].value;
    return all;
}

/* The highest of the last minute. */
static double p95_now(struct admin_series *s, const struct line *l, int64_t now)
{
    double worst = -1;
    struct metrics_point p[8];
    size_t n = l->hist ? metrics_history_read(s->history, l->hist, now - 60000, now, p, TL_COUNT(p), NULL) : 0;

    for (size_t k = 0; k < n; k++)
        if (p[k].value > 0 && p[k].p95 > worst)
            worst = p[k].p95;
    return worst;
}

static struct json per_second(double n, double seconds)
{
    return n < 0 ? json_null() : json_double((double)(int64_t)(n / seconds * 100 + 0.5) / 100);
}

static struct json whole(double n)
{
    return n < 0 ? json_null() : json_int((int64_t)n);
}

int64_t admin__series_oldest(struct admin *a, const char *flow)
{
    const struct line *l = a->series ? find(a->series, flow, false) : NULL;

    return l ? __atomic_load_n(&l->oldest_ms, __ATOMIC_RELAXED) : 0;
}

void admin__series_now(struct admin *a, struct json_builder *b, const char *name, bool connection)
{
    struct admin_series *s = a->series;
    int64_t now = tl_clock_wall_ms(a->clock);
    struct line *l = s ? find(s, name, connection) : NULL;
    double p95 = l ? p95_now(s, l, now) : -1;

    if (!l)
        return;
    if (!connection) { /* the last whole half minute, so that a figure of now does not jump */
        json_adds(b, "in_per_s", per_second(recent(s, l, S_IN, now - 40000, now - 10000), 30));
        json_adds(b, "out_per_s", per_second(recent(s, l, S_OUT, now - 40000, now - 10000), 30));
        json_adds(b, "failed_5m", whole(recent(s, l, S_FAILED, now - 300000, now)));
    } else {
        json_adds(b, "calls_per_s", per_second(recent(s, l, S_CALLS, now - 40000, now - 10000), 30));
        json_adds(b, "failed_5m", whole(recent(s, l, S_CALL_FAILED, now - 300000, now)));
    }
    json_adds(b, "p95_ms", whole(p95 < 0 ? -1 : p95 * 1000 + 0.5));
}

/* ---- GET /v1/series ---- */
struct wanted {
    const struct line *l;
    struct metric *m;
    int quantile; /* 0: the value; 50, 95, 99 */
    const char *unit;
};

static enum tl_rc choose(struct admin_call *c, struct admin_series *s, struct wanted *w, struct tl_err *err)
{
    struct tl_sv metric = admin__query(c, "metric"), flow = admin__query(c, "flow"),
                 connection = admin__query(c, "connection");
    const char *name =
        tl_arena_strndup(c->arena, connection.n ? connection.p : flow.p, connection.n ? connection.n : flow.n);
    uint32_t id;
    enum tl_rc rc = TL_OK;

    *w = (struct wanted){.unit = ""};
    if (connection.n && flow.n)
        return tl_fail(err, TL_INVALID, "name a flow or a connection, not both");
    if (connection.n)
        rc = admin__connection(c, connection, &id, err);
    else if (flow.n)
        rc = admin__flow(c, flow, &id, err);
    w->l = rc == TL_OK ? find(s, name ? name : "", connection.n > 0) : NULL;
    if (rc != TL_OK)
        return rc;
    for (int k = 0; k < S_KINDS; k++) {
        if (kinds[k].connection == (connection.n > 0) && tl_sv_eqs(metric, kinds[k].name)) {
            w->m = w->l ? w->l->m[k] : NULL;
            w->unit = kinds[k].unit;
            return TL_OK;
        }
    }
    w->quantile = tl_sv_eqs(metric, "p50") ? 50 : tl_sv_eqs(metric, "p95") ? 95 : tl_sv_eqs(metric, "p99") ? 99 : 0;
    if (!w->quantile)
        return tl_fail(err, TL_INVALID,
                       "metric must be in, out, failed, died, backlog, dead, p50, p95, p99; of a "
                       "connection calls, failed, waiting, p50, p95, p99");
    w->m = w->l ? w->l->hist : NULL;
    w->unit = "seconds";
    return TL_OK;
}

static enum tl_rc span(struct admin_call *c, const char *name, int64_t fallback, int64_t now, int64_t *ret,
                       struct tl_err *err)
{
    struct tl_sv text = admin__query(c, name);

    *ret = fallback;
    return text.n ? admin__time(text, name, now, ret, err) : TL_OK;
}

static double value_of(const struct wanted *w, const struct metrics_point *p)
{
    return w->quantile == 50 ? p->p50 : w->quantile == 95 ? p->p95 : w->quantile == 99 ? p->p99 : p->value;
}

/* Points in their places; null where there is none (the server did not run, or nothing was observed). */
static struct json values_json(struct tl_arena *a, const struct wanted *w, const struct metrics_point *p, size_t n,
                               int64_t from, int64_t step, size_t places)
{
    struct json_builder b;
    size_t k = 0;

    json_array_begin(&b, a, places);
    for (size_t i = 0; i < places; i++) {
        int64_t at = from + (int64_t)i * step;

        while (k < n && p[k].at_ms < at)
            k++;
        if (k < n && p[k].at_ms == at && (!w->quantile || p[k].value > 0))
            json_push(&b, json_double(value_of(w, &p[k])));
        else
            json_push(&b, json_null());
    }
    return json_end(&b);
}

static enum tl_rc get_series(struct admin_call *c, struct tl_err *err)
{
    struct admin_series *s = c->admin->series;
    int64_t now = tl_clock_wall_ms(c->admin->clock), from, to, step = 10000;
    struct metrics_point *p = tl_arena_alloc(c->arena, POINTS_MAX * sizeof *p);
    struct json_builder b;
    struct wanted w;
    size_t n = 0, places;
    enum tl_rc rc;

    if (!s || !p)
        return tl_fail(err, TL_UNREACHABLE, "no server is running: there is no history");
    rc = choose(c, s, &w, err);
    if (rc == TL_OK)
        rc = span(c, "from", now - 3600000, now, &from, err);
    if (rc == TL_OK)
        rc = span(c, "to", now, now, &to, err);
    if (rc != TL_OK)
        return rc;
    if (from < now - 86400000)
        from = now - 86400000;
    if (w.m)
        n = metrics_history_read(s->history, w.m, from, to, p, POINTS_MAX, &step);
    else if (from < now - 3600000)
        step = 60000;
    from -= from % step;
    places = to > from ? (size_t)((to - from + step - 1) / step) : 0;
    json_object_begin(&b, c->arena, 6);
    json_adds(&b, "from", admin__time_json(c->arena, from));
    json_adds(&b, "step_ms", json_int(step));
    json_adds(&b, "unit", json_str(w.unit));
    json_adds(&b, "since", admin__time_json(c->arena, s->since_ms));
    json_adds(&b, "values", values_json(c->arena, &w, p, n, from, step, places < POINTS_MAX ? places : POINTS_MAX));
    return admin__answer(c, 200, json_end(&b), err);
}

static const struct admin__route routes[] = {
    {.methods = "GET",
     .pattern = "/v1/series",
     .fn = get_series,
     .doc = "Figures of the last 24 hours.",
     .query =
         (const struct admin__field[]){
             {"metric", "string",
              "in, out, failed, died, backlog, dead, p50, p95, p99; of a connection calls, failed, waiting.", true},
             {"flow", "string", "Of this flow; absent: of all.", false},
             {"connection", "string", "Of this connection.", false},
             {"from", "string", "A time, or a duration ago; 1h when absent.", false},
             {"to", "string", "Until; now when absent.", false},
             {0}},
     .role = ADMIN_VIEWER},
};
const struct admin__table admin__series_table = {routes, TL_COUNT(routes)};
