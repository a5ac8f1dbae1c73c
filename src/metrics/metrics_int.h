/* SPDX-License-Identifier: Apache-2.0 */
/* metrics_int.h - shared inside src/metrics only. */
#ifndef TL_METRICS_METRICS_INT_H
#define TL_METRICS_METRICS_INT_H

#include "metrics/metrics.h"

#include <pthread.h>
#include <stdatomic.h>

enum { METRICS_SHARDS = 8, METRICS_MAX_HOOKS = 64 };

/* One a cache line, so that threads on different processors do not fight over a counter. */
struct metrics__shard {
    _Atomic uint64_t v;
    char pad[64 - sizeof(uint64_t)];
};

struct metrics__hist {
    _Atomic uint64_t buckets[METRICS_BUCKETS];
    _Atomic uint64_t sum, max;
};

struct metric {
    struct metrics_family *family;
    struct metric *next;
    char *values[METRICS_MAX_LABELS];
    _Atomic uint64_t gauge;        /* the bits of a double */
    struct metrics__shard *shards; /* counter */
    struct metrics__hist *hist;    /* histogram */
};

struct metrics_family {
    struct metrics *owner;
    struct metrics_family *next;
    char *name, *help;
    char *labels[METRICS_MAX_LABELS];
    size_t n_labels, max_series;
    enum metrics_type type;
    double scale;
    struct metric *first, *last;
    struct tl_map *index; /* label values, each ended by NUL -> struct metric */
    struct metric *other;
};

struct metrics {
    pthread_mutex_t lock; /* families and series; never held while an update is made */
    struct metrics_family *first, *last;
    struct {
        void (*fn)(void *arg);
        void *arg;
    } hooks[METRICS_MAX_HOOKS];
    size_t n_hooks;
};

/* Bucket i holds (bound(i - 1), bound(i)]; bucket 0 holds 0 and 1. */
size_t metrics__bucket(uint64_t v);
uint64_t metrics__bound(size_t i);

#endif
