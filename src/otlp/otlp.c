/* SPDX-License-Identifier: Apache-2.0 */
/* otlp.c - the queue of spans, and which traces are recorded. */
#include "otlp/otlp_int.h"

#include <stdio.h>
#include <time.h>

static const struct metrics_desc measured[] = {
    {"tieline_otlp_spans_total",
     "Spans given to the collector: sent, dropped because the queue was full, or refused by the collector.",
     METRICS_COUNTER,
     {"result"},
     0,
     0},
};

const struct metrics_desc *otlp_metrics(size_t *ret_n)
{
    *ret_n = TL_COUNT(measured);
    return measured;
}

static uint64_t clock_ns(clockid_t which)
{
    struct timespec t;

    (void)clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t otlp__now_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

uint64_t otlp_unix_ns(const struct otlp *o, uint64_t mono_ns)
{
    (void)o; /* read each time: the wall clock may be set while we run */
    return clock_ns(CLOCK_REALTIME) - (clock_ns(CLOCK_MONOTONIC) - mono_ns);
}

static struct metric *counter(struct metrics *m, const char *result)
{
    const char *values[] = {result};

    return metrics_series(metrics_family(m, &measured[0]), values);
}

struct otlp *otlp_new(const struct otlp_options *options)
{
    struct otlp *o = tl_zalloc(sizeof *o);
    size_t n = strlen(options->url);

    o->opt = *options;
    while (n > 0 && options->url[n - 1] == '/')
        n--;
    o->opt.url = tl_strndup(options->url, n);
    o->opt.service = tl_strdup(options->service ? options->service : "tieline");
    o->opt.instance = tl_strdup(options->instance ? options->instance : "");
    o->started_ns = clock_ns(CLOCK_REALTIME);
    o->cap = options->queue ? options->queue : OTLP_QUEUE;
    o->ring = tl_alloc(o->cap * sizeof *o->ring);
    o->sent = counter(options->metrics, "sent");
    o->dropped = counter(options->metrics, "dropped");
    o->refused = counter(options->metrics, "refused");
    (void)pthread_mutex_init(&o->lock, NULL);
    return o;
}

static void free_text(const char *p)
{
    tl_free((char *)(uintptr_t)p);
}

void otlp_free(struct otlp *o)
{
    if (!o)
        return;
    free_text(o->opt.url);
    free_text(o->opt.service);
    free_text(o->opt.instance);
    (void)pthread_mutex_destroy(&o->lock);
    tl_free(o->ring);
    tl_free(o);
}

/* ---- spans ---- */
static struct otlp_attribute *next(struct otlp_span *s, const char *key)
{
    struct otlp_attribute *a = s->n_attributes < OTLP_ATTRIBUTES ? &s->attributes[s->n_attributes++] : NULL;

    if (a)
        a->key = key;
    return a;
}

void otlp_text(struct otlp_span *s, const char *key, struct tl_sv value)
{
    struct otlp_attribute *a = value.n ? next(s, key) : NULL;

    if (!a)
        return;
    a->is_text = true;
    value = tl_utf8_cut(value, OTLP_TEXT - 1);
    (void)snprintf(a->text, sizeof a->text, "%.*s", TL_SV_ARG(value));
}

void otlp_number(struct otlp_span *s, const char *key, int64_t value)
{
    struct otlp_attribute *a = next(s, key);

    if (a)
        a->number = value;
}

bool otlp_sampled(const struct otlp *o, const uint8_t trace[16], bool decided, bool sampled)
{
    if (!o || !o->opt.traces)
        return false;
    if (decided)
        return sampled;
    return (double)tl_hash64(trace, 16, 17) / 18446744073709551616.0 < o->opt.sample;
}

void otlp_give(struct otlp *o, const struct otlp_span *s)
{
    bool full;

    if (!o)
        return;
    (void)pthread_mutex_lock(&o->lock);
    full = o->n == o->cap;
    if (!full)
        o->ring[(o->first + o->n++) % o->cap] = *s;
    (void)pthread_mutex_unlock(&o->lock);
    if (full)
        metrics_inc(o->dropped);
}
