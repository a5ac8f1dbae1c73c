/* SPDX-License-Identifier: Apache-2.0 */
/* prometheus.c - text exposition format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats). */
#include "metrics/metrics_int.h"

#include <math.h>
#include <stdio.h>

static void put_escaped(struct tl_buf *b, const char *s, bool quotes)
{
    for (; *s; s++) {
        if (*s == '\\')
            tl_buf_puts(b, "\\\\");
        else if (*s == '\n')
            tl_buf_puts(b, "\\n");
        else if (*s == '"' && quotes)
            tl_buf_puts(b, "\\\"");
        else
            tl_buf_putc(b, *s);
    }
}

static void put_number(struct tl_buf *b, double v)
{
    if (isnan(v))
        tl_buf_puts(b, "NaN");
    else if (isinf(v))
        tl_buf_puts(b, v > 0 ? "+Inf" : "-Inf");
    else if (v == floor(v) && fabs(v) < 1e15)
        tl_buf_printf(b, "%.0f", v);
    else
        tl_buf_printf(b, "%.15g", v); /* milliseconds of a time since 1970 have 13 digits */
}

/* name{labels,extra="value"} and a blank; extra may be NULL. */
static void put_head(struct tl_buf *b, const struct metric *s, const char *suffix, const char *extra, const char *value)
{
    const struct metrics_family *f = s->family;

    tl_buf_printf(b, "%s%s", f->name, suffix);
    if (f->n_labels || extra)
        tl_buf_putc(b, '{');
    for (size_t i = 0; i < f->n_labels; i++) {
        tl_buf_printf(b, "%s%s=\"", i ? "," : "", f->labels[i]);
        put_escaped(b, s->values[i], true);
        tl_buf_putc(b, '"');
    }
    if (extra)
        tl_buf_printf(b, "%s%s=\"%s\"", f->n_labels ? "," : "", extra, value);
    if (f->n_labels || extra)
        tl_buf_putc(b, '}');
    tl_buf_putc(b, ' ');
}

static void put_line(struct tl_buf *b, const struct metric *s, const char *suffix, const char *extra, const char *value,
                     double v)
{
    put_head(b, s, suffix, extra, value);
    put_number(b, v);
    tl_buf_putc(b, '\n');
}

static void put_histogram(struct tl_buf *b, const struct metric *s)
{
    struct metrics_hist h;
    uint64_t parts[METRICS_PARTS], n = 0;
    char le[32];

    metrics_hist_read(s, &h);
    metrics_hist_parts(&h, s->family->scale, parts);
    for (unsigned i = 0; i + 1 < METRICS_PARTS; i++) {
        n += parts[i];
        (void)snprintf(le, sizeof le, "%.9g", metrics_hist_bound(s->family->scale, i));
        put_line(b, s, "_bucket", "le", le, (double)n);
    }
    n += parts[METRICS_PARTS - 1];
    put_line(b, s, "_bucket", "le", "+Inf", (double)n);
    put_line(b, s, "_sum", NULL, NULL, s->family->scale * (double)h.sum);
    put_line(b, s, "_count", NULL, NULL, (double)n);
}

static void put_quantiles(struct tl_buf *b, const struct metrics_family *f)
{
    static const struct {
        double q;
        const char *text;
    } quantiles[] = {{0.5, "0.5"}, {0.95, "0.95"}, {0.99, "0.99"}};
    struct metrics_hist h;

    tl_buf_printf(b, "# HELP %s_quantile Quantiles of %s since the start.\n# TYPE %s_quantile summary\n", f->name,
                  f->name, f->name);
    for (const struct metric *s = f->first; s; s = s->next) {
        metrics_hist_read(s, &h);
        for (size_t i = 0; i < TL_COUNT(quantiles); i++)
            put_line(b, s, "_quantile", "quantile", quantiles[i].text,
                     f->scale * (double)metrics_hist_quantile(&h, quantiles[i].q));
    }
}

static void put_family(struct tl_buf *b, const struct metrics_family *f)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};

    if (!f->first)
        return;
    tl_buf_printf(b, "# HELP %s ", f->name);
    put_escaped(b, f->help, false);
    tl_buf_printf(b, "\n# TYPE %s %s\n", f->name, types[f->type]);
    for (const struct metric *s = f->first; s; s = s->next) {
        if (f->type == METRICS_HISTOGRAM)
            put_histogram(b, s);
        else
            put_line(b, s, "", NULL, NULL, metrics_value(s));
    }
    if (f->type == METRICS_HISTOGRAM)
        put_quantiles(b, f);
}

bool metrics_prometheus(struct metrics *m, struct tl_buf *b)
{
    metrics_collect(m);
    (void)pthread_mutex_lock(&m->lock);
    for (const struct metrics_family *f = m->first; f; f = f->next)
        put_family(b, f);
    (void)pthread_mutex_unlock(&m->lock);
    return !b->failed;
}

void metrics_visit(struct metrics *m, void (*fn)(void *arg, const struct metrics_view *v), void *arg)
{
    metrics_collect(m);
    (void)pthread_mutex_lock(&m->lock);
    for (const struct metrics_family *f = m->first; f; f = f->next) {
        for (const struct metric *s = f->first; s; s = s->next) {
            const struct metrics_view v = {.name = f->name,
                                           .help = f->help,
                                           .type = f->type,
                                           .scale = f->scale,
                                           .labels = f->labels,
                                           .values = s->values,
                                           .n_labels = f->n_labels,
                                           .metric = s};

            fn(arg, &v);
        }
    }
    (void)pthread_mutex_unlock(&m->lock);
}
