/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history.c - rings of points in two steps. Both steps are filled from cumulative readings (now minus the reading at
 * the start of the interval), so that irregular ticks lose nothing and a minute's quantiles are those of its
 * observations, not a mean of six quantiles.
 */
#include "metrics/metrics_int.h"

#include <string.h>

enum { TIERS = 2 };
static const struct {
    int64_t step_ms;
    size_t n;
} tiers[TIERS] = {{10000, 360}, {60000, 1440}};

struct slot {
    uint32_t stamp; /* at_ms / step; the ring is stale where it differs. 0: never written */
    float value;
};
struct quantiles {
    float p50, p95, p99;
};

struct tier {
    int64_t stamp;
    double base;                    /* counter, number of observations */
    struct metrics_hist *base_hist; /* histogram */
    struct slot *ring;
    struct quantiles *quantiles; /* of each slot; histogram */
};

struct tracked {
    struct metric *m;
    struct metric **parts; /* histogram: what it is the sum of, with itself */
    size_t n_parts;
    double last;
    struct metrics_hist *now, *last_hist;
    struct tier tier[TIERS];
};

struct metrics_history {
    struct metrics *owner;
    pthread_mutex_t lock;
    struct tracked *list;
    size_t n, max;
    int64_t last_tick;
    struct metrics_hist part; /* room for one of a sum */
};

struct metrics_history *metrics_history_new(struct metrics *m, size_t max_series)
{
    struct metrics_history *h = tl_zalloc(sizeof *h);

    h->owner = m;
    h->max = max_series;
    h->list = tl_zalloc((max_series + 1) * sizeof *h->list);
    (void)pthread_mutex_init(&h->lock, NULL);
    return h;
}

void metrics_history_free(struct metrics_history *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->n; i++) {
        for (size_t t = 0; t < TIERS; t++) {
            tl_free(h->list[i].tier[t].ring);
            tl_free(h->list[i].tier[t].quantiles);
            tl_free(h->list[i].tier[t].base_hist);
        }
        tl_free(h->list[i].parts);
        tl_free(h->list[i].now);
        tl_free(h->list[i].last_hist);
    }
    tl_free(h->list);
    (void)pthread_mutex_destroy(&h->lock);
    tl_free(h);
}

static struct tracked *find(const struct metrics_history *h, const struct metric *m)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->list[i].m == m)
            return &h->list[i];
    return NULL;
}

/* What was counted before the tracking began belongs to no interval. */
static void start(struct tracked *k, struct metric *m)
{
    bool hist = m->family->type == METRICS_HISTOGRAM;

    k->m = m;
    k->last = metrics_value(m);
    if (hist) {
        k->now = tl_zalloc(sizeof *k->now);
        k->last_hist = tl_zalloc(sizeof *k->last_hist);
        metrics_hist_read(m, k->last_hist);
        k->last = (double)metrics_hist_count(k->last_hist);
    }
    for (size_t t = 0; t < TIERS; t++) {
        k->tier[t].ring = tl_zalloc(tiers[t].n * sizeof(struct slot));
        if (hist) {
            k->tier[t].base_hist = tl_zalloc(sizeof(struct metrics_hist));
            k->tier[t].quantiles = tl_zalloc(tiers[t].n * sizeof(struct quantiles));
        }
    }
}

bool metrics_history_track(struct metrics_history *h, struct metric *m)
{
    bool ok = true;

    (void)pthread_mutex_lock(&h->lock);
    if (!find(h, m)) {
        ok = h->n < h->max;
        if (ok)
            start(&h->list[h->n++], m);
    }
    (void)pthread_mutex_unlock(&h->lock);
    return ok;
}

void metrics_history_add(struct metrics_history *h, struct metric *sum, struct metric *part)
{
    struct metrics_hist *before = tl_alloc(sizeof *before);
    struct tracked *k;
    size_t i = 0;

    (void)pthread_mutex_lock(&h->lock);
    k = find(h, sum);
    while (k && i < k->n_parts && k->parts[i] != part)
        i++;
    if (k && k->now && i == k->n_parts) {
        if ((i & (i + 1)) == 0) /* 0, 1, 3, 7 are full */
            k->parts = tl_realloc(k->parts, (2 * i + 1) * sizeof(struct metric *));
        k->parts[k->n_parts++] = part;
        metrics_hist_read(part, before); /* of no interval: as if it had always been there */
        metrics_hist_merge(k->last_hist, before);
        k->last = (double)metrics_hist_count(k->last_hist);
        for (size_t t = 0; t < TIERS; t++) {
            metrics_hist_merge(k->tier[t].base_hist, before);
            k->tier[t].base += (double)metrics_hist_count(before);
        }
    }
    (void)pthread_mutex_unlock(&h->lock);
    tl_free(before);
}

static void quantiles(const struct tracked *k, const struct tier *t, struct quantiles *q)
{
    struct metrics_hist d = {.max = k->now->max};
    double scale = k->m->family->scale;

    for (size_t i = 0; i < METRICS_BUCKETS; i++)
        d.buckets[i] = k->now->buckets[i] - t->base_hist->buckets[i];
    q->p50 = (float)(scale * (double)metrics_hist_quantile(&d, 0.5));
    q->p95 = (float)(scale * (double)metrics_hist_quantile(&d, 0.95));
    q->p99 = (float)(scale * (double)metrics_hist_quantile(&d, 0.99));
}

static void put(struct tracked *k, size_t which, int64_t now_ms, double now)
{
    struct tier *t = &k->tier[which];
    /* A tick at the very end of an interval closes it. */
    int64_t stamp = (now_ms - 1) / tiers[which].step_ms;
    size_t at = (size_t)stamp % tiers[which].n;
    struct slot *slot = &t->ring[at];
    bool gauge = k->m->family->type == METRICS_GAUGE;

    if (stamp != t->stamp) {
        t->stamp = stamp;
        t->base = k->last;
        if (k->now)
            *t->base_hist = *k->last_hist;
    }
    if (slot->stamp != stamp)
        *slot = (struct slot){.stamp = (uint32_t)stamp, .value = gauge ? (float)now : 0};
    if (!gauge)
        slot->value = (float)(now - t->base);
    else if ((float)now > slot->value)
        slot->value = (float)now;
    if (k->now)
        quantiles(k, t, &t->quantiles[at]);
}

static void read_hist(struct metrics_history *h, struct tracked *k)
{
    metrics_hist_read(k->m, k->now);
    for (size_t i = 0; i < k->n_parts; i++) {
        metrics_hist_read(k->parts[i], &h->part);
        metrics_hist_merge(k->now, &h->part);
    }
}

void metrics_history_tick(struct metrics_history *h, int64_t now_ms)
{
    metrics_collect(h->owner);
    if (now_ms <= tiers[TIERS - 1].step_ms)
        return;
    (void)pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < h->n; i++) {
        struct tracked *k = &h->list[i];
        double now;

        if (k->now) {
            read_hist(h, k);
            now = (double)metrics_hist_count(k->now);
        } else {
            now = metrics_value(k->m);
        }
        for (size_t t = 0; t < TIERS; t++)
            put(k, t, now_ms, now);
        k->last = now;
        if (k->now)
            *k->last_hist = *k->now;
    }
    h->last_tick = now_ms;
    (void)pthread_mutex_unlock(&h->lock);
}

static size_t read_tier(const struct tracked *k, size_t which, int64_t from_ms, int64_t to_ms,
                        struct metrics_point *out, size_t max)
{
    int64_t step = tiers[which].step_ms, newest = k->tier[which].stamp;
    int64_t first = newest - (int64_t)tiers[which].n + 1, from = (from_ms + step - 1) / step;
    size_t n = 0;

    for (int64_t s = from > first ? from : first; s <= newest && s * step < to_ms && n < max; s++) {
        size_t at = (size_t)s % tiers[which].n;
        const struct slot *slot = &k->tier[which].ring[at];

        if (s <= 0 || slot->stamp != s)
            continue;
        out[n++] = (struct metrics_point){.at_ms = s * step, .value = (double)slot->value};
        if (k->tier[which].quantiles) {
            const struct quantiles *q = &k->tier[which].quantiles[at];

            out[n - 1].p50 = (double)q->p50;
            out[n - 1].p95 = (double)q->p95;
            out[n - 1].p99 = (double)q->p99;
        }
    }
    return n;
}

size_t metrics_history_read(struct metrics_history *h, const struct metric *m, int64_t from_ms, int64_t to_ms,
                            struct metrics_point *out, size_t max, int64_t *ret_step_ms)
{
    const struct tracked *k;
    size_t n = 0, which;

    if (from_ms < 0)
        from_ms = 0;
    (void)pthread_mutex_lock(&h->lock);
    which = from_ms < h->last_tick - tiers[0].step_ms * (int64_t)tiers[0].n;
    k = find(h, m);
    if (k)
        n = read_tier(k, which, from_ms, to_ms, out, max);
    (void)pthread_mutex_unlock(&h->lock);
    if (ret_step_ms)
        *ret_step_ms = tiers[which].step_ms;
    return n;
}
