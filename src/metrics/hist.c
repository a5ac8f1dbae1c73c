/* SPDX-License-Identifier: Apache-2.0 */
/* hist.c - log-linear buckets: 16 in each power of two, upper bounds included, so that the bounds Prometheus sees
 * (powers of two) are exact and a quantile is never too low and at most 1/16 too high. */
#include "metrics/metrics_int.h"

size_t metrics__bucket(uint64_t v)
{
    uint64_t u = v ? v - 1 : 0;
    unsigned top;
    size_t i;

    if (u < 16)
        return (size_t)u;
    top = 63 - (unsigned)__builtin_clzll(u);
    i = (size_t)(top - 3) * 16 + (size_t)(u >> (top - 4) & 15);
    return i < METRICS_BUCKETS ? i : METRICS_BUCKETS - 1;
}

uint64_t metrics__bound(size_t i)
{
    if (i < 16)
        return i + 1;
    return (uint64_t)(16 + i % 16 + 1) << (i / 16 - 1);
}

void metrics_hist_read(const struct metric *m, struct metrics_hist *ret)
{
    assert(m->hist);
    for (size_t i = 0; i < METRICS_BUCKETS; i++)
        ret->buckets[i] = atomic_load_explicit(&m->hist->buckets[i], memory_order_relaxed);
    ret->sum = atomic_load_explicit(&m->hist->sum, memory_order_relaxed);
    ret->max = atomic_load_explicit(&m->hist->max, memory_order_relaxed);
}

void metrics_hist_merge(struct metrics_hist *into, const struct metrics_hist *from)
{
    for (size_t i = 0; i < METRICS_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
    into->sum += from->sum;
    if (from->max > into->max)
        into->max = from->max;
}

void metrics_hist_add(struct metrics_hist *h, uint64_t v)
{
    h->buckets[metrics__bucket(v)]++;
    h->sum += v;
    if (v > h->max)
        h->max = v;
}

enum { FIRST_POWER = 7 };
/* Each is the end of one of our buckets. */
static uint64_t part_end(double scale, unsigned i)
{
    if (scale < 1)
        return UINT64_C(1) << (FIRST_POWER + i);
    if (i < 2)
        return i + 1;
    return (uint64_t)(3 + i % 2) << (i / 2 - 1); /* 3 4 6 8 12 16 ... */
}

double metrics_hist_bound(double scale, unsigned i)
{
    return scale * (double)part_end(scale, i);
}

void metrics_hist_parts(const struct metrics_hist *h, double scale, uint64_t ret[METRICS_PARTS])
{
    size_t i = 0;

    for (unsigned k = 0; k < METRICS_PARTS; k++) {
        ret[k] = 0;
        for (; i < METRICS_BUCKETS && (k == METRICS_PARTS - 1 || metrics__bound(i) <= part_end(scale, k)); i++)
            ret[k] += h->buckets[i];
    }
}

uint64_t metrics_hist_count(const struct metrics_hist *h)
{
    uint64_t n = 0;

    for (size_t i = 0; i < METRICS_BUCKETS; i++)
        n += h->buckets[i];
    return n;
}

uint64_t metrics_hist_quantile(const struct metrics_hist *h, double q)
{
    uint64_t n = metrics_hist_count(h), seen = 0, rank;

    if (n == 0)
        return 0;
    rank = (uint64_t)(q * (double)n);
    if ((double)rank < q * (double)n || rank == 0)
        rank++;
    if (rank > n)
        rank = n;
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= rank) /* the last bucket has no bound of its own; none is beyond the largest value */
            return i == METRICS_BUCKETS - 1 || metrics__bound(i) > h->max ? h->max : metrics__bound(i);
    }
    return h->max;
}
