/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c - the registry and the updates. Updates are relaxed: a reader may see one counter a moment before another,
 * which is what a scrape of a running program is anyway. */
#include "metrics/metrics_int.h"

#include <sched.h>
#include <string.h>

struct metrics *metrics_new(void)
{
    struct metrics *m = tl_zalloc(sizeof *m);

    (void)pthread_mutex_init(&m->lock, NULL);
    return m;
}

static void free_series(struct metric *s)
{
    for (size_t i = 0; i < METRICS_MAX_LABELS; i++)
        tl_free(s->values[i]);
    tl_free(s->shards);
    tl_free(s->hist);
    tl_free(s);
}

static void free_family(struct metrics_family *f)
{
    for (struct metric *s = f->first, *next; s; s = next) {
        next = s->next;
        free_series(s);
    }
    for (size_t i = 0; i < f->n_labels; i++)
        tl_free(f->labels[i]);
    tl_map_free(f->index);
    tl_free(f->name);
    tl_free(f->help);
    tl_free(f);
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    for (struct metrics_family *f = m->first, *next; f; f = next) {
        next = f->next;
        free_family(f);
    }
    (void)pthread_mutex_destroy(&m->lock);
    tl_free(m);
}

/* ---- families ---- */

static bool name_ok(const char *s, bool colon)
{
    for (size_t i = 0; s[i]; i++) {
        bool letter = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || s[i] == '_';

        if (!letter && !(i > 0 && s[i] >= '0' && s[i] <= '9') && !(colon && s[i] == ':'))
            return false;
    }
    return s[0] != '\0';
}

static size_t label_count(const struct metrics_desc *d)
{
    size_t n = 0;

    while (n < METRICS_MAX_LABELS && d->labels[n])
        n++;
    assert(!d->labels[n]);
    return n;
}

static bool same_shape(const struct metrics_family *f, const struct metrics_desc *d)
{
    if (f->type != d->type || f->n_labels != label_count(d))
        return false;
    for (size_t i = 0; i < f->n_labels; i++)
        if (strcmp(f->labels[i], d->labels[i]) != 0)
            return false;
    return true;
}

static struct metrics_family *new_family(struct metrics *m, const struct metrics_desc *d)
{
    struct metrics_family *f = tl_zalloc(sizeof *f);

    assert(name_ok(d->name, true));
    f->owner = m;
    f->name = tl_strdup(d->name);
    f->help = tl_strdup(d->help ? d->help : "");
    f->type = d->type;
    f->max_series = d->max_series ? d->max_series : 1000;
    f->scale = d->scale > 0 ? d->scale : 1;
    f->n_labels = label_count(d);
    for (size_t i = 0; i < f->n_labels; i++) {
        assert(name_ok(d->labels[i], false));
        f->labels[i] = tl_strdup(d->labels[i]);
    }
    f->index = tl_map_new();
    if (m->last)
        m->last->next = f;
    else
        m->first = f;
    m->last = f;
    return f;
}

struct metrics_family *metrics_family(struct metrics *m, const struct metrics_desc *d)
{
    struct metrics_family *f;

    (void)pthread_mutex_lock(&m->lock);
    for (f = m->first; f && strcmp(f->name, d->name) != 0;)
        f = f->next;
    if (f)
        assert(same_shape(f, d));
    else
        f = new_family(m, d);
    (void)pthread_mutex_unlock(&m->lock);
    return f;
}

/* ---- series ---- */

static struct metric *new_series(struct metrics_family *f, const char *const *values)
{
    struct metric *s = tl_zalloc(sizeof *s);

    s->family = f;
    for (size_t i = 0; i < f->n_labels; i++) {
        size_t n = strlen(values[i]);

        s->values[i] = tl_strndup(values[i], n > 200 ? 200 : n);
    }
    if (f->type == METRICS_COUNTER)
        s->shards = tl_zalloc(METRICS_SHARDS * sizeof *s->shards);
    if (f->type == METRICS_HISTOGRAM)
        s->hist = tl_zalloc(sizeof *s->hist);
    if (f->last)
        f->last->next = s;
    else
        f->first = s;
    f->last = s;
    return s;
}

static struct metric *overflow(struct metrics_family *f)
{
    static const char *const other[METRICS_MAX_LABELS] = {"other", "other", "other", "other", "other", "other"};

    if (!f->other)
        f->other = new_series(f, other);
    return f->other;
}

size_t metrics_find(struct metrics *m, const char *name, const char *first, struct metric **out, size_t max)
{
    struct metrics_family *f;
    size_t n = 0;

    (void)pthread_mutex_lock(&m->lock);
    for (f = m->first; f && strcmp(f->name, name) != 0;)
        f = f->next;
    for (struct metric *s = f ? f->first : NULL; s && n < max; s = s->next)
        if (!first || (f->n_labels && strcmp(s->values[0], first) == 0))
            out[n++] = s;
    (void)pthread_mutex_unlock(&m->lock);
    return n;
}

struct metric *metrics_series(struct metrics_family *f, const char *const *values)
{
    struct tl_buf key;
    struct metric *s;

    assert(values || f->n_labels == 0);
    tl_buf_init(&key, METRICS_MAX_LABELS * 201);
    for (size_t i = 0; i < f->n_labels; i++) {
        size_t n = strlen(values[i]);

        tl_buf_put(&key, values[i], n > 200 ? 200 : n);
        tl_buf_putc(&key, '\0');
    }
    (void)pthread_mutex_lock(&f->owner->lock);
    s = tl_map_get(f->index, tl_buf_view(&key));
    if (!s && tl_map_count(f->index) >= f->max_series) {
        s = overflow(f);
    } else if (!s) {
        s = new_series(f, values);
        (void)tl_map_put(f->index, tl_buf_view(&key), s);
    }
    (void)pthread_mutex_unlock(&f->owner->lock);
    tl_buf_done(&key);
    return s;
}

struct metric *metrics_single(struct metrics *m, enum metrics_type type, const char *name, const char *help)
{
    struct metrics_desc d = {.name = name, .help = help, .type = type};

    return metrics_series(metrics_family(m, &d), NULL);
}

/* ---- updates ---- */

void metrics_add(struct metric *c, uint64_t n)
{
    int cpu = sched_getcpu(); /* from the vDSO; any answer is right, a good one is fast */

    assert(c->shards);
    atomic_fetch_add_explicit(&c->shards[cpu > 0 ? (unsigned)cpu % METRICS_SHARDS : 0].v, n, memory_order_relaxed);
}

static uint64_t bits_of(double v)
{
    uint64_t u;

    memcpy(&u, &v, sizeof u);
    return u;
}

static double double_of(uint64_t u)
{
    double v;

    memcpy(&v, &u, sizeof v);
    return v;
}

void metrics_set(struct metric *g, double v)
{
    assert(g->family->type == METRICS_GAUGE);
    atomic_store_explicit(&g->gauge, bits_of(v), memory_order_relaxed);
}

void metrics_adjust(struct metric *g, double by)
{
    uint64_t old = atomic_load_explicit(&g->gauge, memory_order_relaxed);

    assert(g->family->type == METRICS_GAUGE);
    while (!atomic_compare_exchange_weak_explicit(&g->gauge, &old, bits_of(double_of(old) + by), memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

void metrics_observe(struct metric *h, uint64_t v)
{
    uint64_t max;

    assert(h->hist);
    atomic_fetch_add_explicit(&h->hist->buckets[metrics__bucket(v)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->hist->sum, v, memory_order_relaxed);
    max = atomic_load_explicit(&h->hist->max, memory_order_relaxed);
    while (v > max &&
           !atomic_compare_exchange_weak_explicit(&h->hist->max, &max, v, memory_order_relaxed, memory_order_relaxed))
        ;
}

uint64_t metrics_count(const struct metric *m)
{
    uint64_t total = 0;

    for (size_t i = 0; m->shards && i < METRICS_SHARDS; i++)
        total += atomic_load_explicit(&m->shards[i].v, memory_order_relaxed);
    for (size_t i = 0; m->hist && i < METRICS_BUCKETS; i++)
        total += atomic_load_explicit(&m->hist->buckets[i], memory_order_relaxed);
    return total;
}

double metrics_value(const struct metric *m)
{
    if (m->family->type == METRICS_GAUGE)
        return double_of(atomic_load_explicit(&m->gauge, memory_order_relaxed));
    return (m->family->type == METRICS_COUNTER ? m->family->scale : 1) * (double)metrics_count(m);
}

/* ---- collecting ---- */

void metrics_on_collect(struct metrics *m, void (*fn)(void *arg), void *arg)
{
    (void)pthread_mutex_lock(&m->lock);
    assert(m->n_hooks < METRICS_MAX_HOOKS);
    m->hooks[m->n_hooks].fn = fn;
    m->hooks[m->n_hooks++].arg = arg;
    (void)pthread_mutex_unlock(&m->lock);
}

void metrics_collect(struct metrics *m)
{
    size_t n;

    (void)pthread_mutex_lock(&m->lock);
    n = m->n_hooks;
    (void)pthread_mutex_unlock(&m->lock);
    for (size_t i = 0; i < n; i++) /* hooks are only ever added */
        m->hooks[i].fn(m->hooks[i].arg);
}
