/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.h - counters, gauges and histograms; Prometheus text; a day of history for the console.
 *
 * A family is registered once (name, help, label names, at most so many series); a series is a family with label values
 * and is asked for when a flow, a connection or a server starts, not for each event. Updates are lock-free and safe
 * from any thread; everything else takes the registry's lock. Series past the family's limit all share one whose values
 * are "other": names that a remote party can invent never make memory grow. Series live as long as their registry.
 */
#ifndef TL_METRICS_METRICS_H
#define TL_METRICS_METRICS_H

#include "base/base.h"

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

enum { METRICS_MAX_LABELS = 6, METRICS_BUCKETS = 640 };

struct metrics;
struct metrics_family;
struct metric;

struct metrics_desc {
    const char *name; /* [a-zA-Z_:][a-zA-Z0-9_:]*; counters end in _total, histograms in their unit: "_seconds" */
    const char *help;
    enum metrics_type type;
    const char *labels[METRICS_MAX_LABELS + 1]; /* names, NULL-terminated */
    size_t max_series;                          /* 0: 1000 */
    double scale; /* COUNTER, HISTOGRAM: unit shown for 1 counted; 1e-6 when microseconds are. 0: 1 */
};

struct metrics *metrics_new(void) TL_MUST_CHECK;
void metrics_free(struct metrics *m);
/* The same name again gives the same family (type and labels must be the same: anything else is a fault of ours,
 * asserted). */
struct metrics_family *metrics_family(struct metrics *m, const struct metrics_desc *d);
/* values: as many as the family has labels (NULL when none). Copied, cut at 200 bytes. */
struct metric *metrics_series(struct metrics_family *f, const char *const *values);
/* For a family without labels, in one step. */
struct metric *metrics_single(struct metrics *m, enum metrics_type type, const char *name, const char *help);

void metrics_add(struct metric *c, uint64_t n); /* counter */
static inline void metrics_inc(struct metric *c)
{
    metrics_add(c, 1);
}
void metrics_set(struct metric *g, double v); /* gauge */
void metrics_adjust(struct metric *g, double by);
void metrics_observe(struct metric *h, uint64_t v); /* histogram, e.g. microseconds */

/* Called before each exposition and tick, on that thread, without the lock: to set gauges from somebody's state. */
void metrics_on_collect(struct metrics *m, void (*fn)(void *arg), void *arg);
void metrics_collect(struct metrics *m);

/* Prometheus text format 0.0.4 ("text/plain; version=0.0.4"). A histogram X also shows X_quantile (summary; 0.5, 0.95,
 * 0.99 since the start). False when b's limit was passed. */
bool metrics_prometheus(struct metrics *m, struct tl_buf *b);

/* Every series, family by family in order of registration; collects first. fn is called under the registry's lock: it
 * may read values, nothing else. */
struct metrics_view {
    const char *name, *help;
    enum metrics_type type;
    double scale; /* HISTOGRAM */
    char *const *labels, *const *values;
    size_t n_labels;
    const struct metric *metric;
};
void metrics_visit(struct metrics *m, void (*fn)(void *arg, const struct metrics_view *v), void *arg);

/* ---- reading values ---- */
/* Series that exist, of the family `name`, whose first label has this value (NULL: any); at most max. */
size_t metrics_find(struct metrics *m, const char *name, const char *first, struct metric **out, size_t max);
/* Log-linear: 16 buckets in each power of two, so a quantile is at most 6.25 % too high. Merging is adding. */
struct metrics_hist {
    uint64_t buckets[METRICS_BUCKETS];
    uint64_t sum, max;
};
double metrics_value(const struct metric *m);   /* counter, gauge; histogram: number of observations */
uint64_t metrics_count(const struct metric *m); /* what was added, or observed; not scaled */
void metrics_hist_read(const struct metric *m, struct metrics_hist *ret);
void metrics_hist_merge(struct metrics_hist *into, const struct metrics_hist *from);
void metrics_hist_add(struct metrics_hist *h, uint64_t v); /* not thread-safe */
uint64_t metrics_hist_count(const struct metrics_hist *h);
/* As Prometheus and OTLP see it: part i holds what is above metrics_hist_bound(scale, i - 1) and up to
 * metrics_hist_bound(scale, i), the last one all beyond. Of a family with a scale below 1 powers of two (128 us to 71
 * min for microseconds), of one that counts things 1, 2, 3, 4, 6, 8, 12 ... 8192. */
enum { METRICS_PARTS = 27 };
void metrics_hist_parts(const struct metrics_hist *h, double scale, uint64_t ret[METRICS_PARTS]);
double metrics_hist_bound(double scale, unsigned i); /* scaled; i < METRICS_PARTS - 1 */
/* q in [0, 1]; 0 for an empty one. Not scaled. */
uint64_t metrics_hist_quantile(const struct metrics_hist *h, double q);

/* ---- history: 10 s points for an hour, 1 min points for 24 hours ---- */
struct metrics_history;
struct metrics_point {
    int64_t at_ms;        /* start of the interval, wall clock */
    double value;         /* counter: increase; gauge: highest seen; histogram: observations */
    double p50, p95, p99; /* histogram, scaled */
};
/* 14 KB a series (55 KB a histogram) from metrics_history_track on; at most max_series. A value is a float: exact to 16
 * million. */
struct metrics_history *metrics_history_new(struct metrics *m, size_t max_series) TL_MUST_CHECK;
void metrics_history_free(struct metrics_history *h);
bool metrics_history_track(struct metrics_history *h, struct metric *m); /* false: full; again is no change */
/* What the histogram `part` observes from now on counts as `sum`'s too, in its history alone; again is no change.
 * Nothing where sum is not tracked. Both of one scale. */
void metrics_history_add(struct metrics_history *h, struct metric *sum, struct metric *part);
/* To be called every 10 seconds or so with the wall clock; collects first. */
void metrics_history_tick(struct metrics_history *h, int64_t now_ms);
/* Points that begin in [from_ms, to_ms), oldest first, at most max; 10 s points when from_ms is within the last hour
 * before the last tick, else 1 min. Intervals without a tick are left out. *ret_step_ms may be NULL. */
size_t metrics_history_read(struct metrics_history *h, const struct metric *m, int64_t from_ms, int64_t to_ms,
                            struct metrics_point *out, size_t max, int64_t *ret_step_ms);

#endif
