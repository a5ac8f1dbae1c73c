/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode.c - OTLP's JSON: protobuf's JSON mapping, with trace and span ids as hex and enums as numbers
 * (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding"); 64-bit integers are strings.
 */
#include "otlp/otlp_int.h"

#include <math.h>
#include <stdio.h>

static struct json u64(struct tl_arena *a, uint64_t v)
{
    return json_printf(a, "%llu", (unsigned long long)v);
}

static struct json text_value(struct tl_arena *a, struct tl_sv text)
{
    struct json_builder b;

    json_object_begin(&b, a, 1);
    json_adds(&b, "stringValue", json_str_copy(a, text));
    return json_end(&b);
}

static struct json int_value(struct tl_arena *a, int64_t v)
{
    struct json_builder b;

    json_object_begin(&b, a, 1);
    json_adds(&b, "intValue", json_printf(a, "%lld", (long long)v));
    return json_end(&b);
}

static void put(struct json_builder *list, const char *key, struct json value)
{
    struct json_builder b;

    json_object_begin(&b, list->arena, 2);
    json_adds(&b, "key", json_str(key));
    json_adds(&b, "value", value);
    json_push(list, json_end(&b));
}

static struct json one(struct tl_arena *a, struct json v) /* [v] */
{
    struct json_builder b;

    json_array_begin(&b, a, 1);
    json_push(&b, v);
    return json_end(&b);
}

/* {"<outer>": [{"resource": ..., "<inner>": [{"scope": ..., "<name>": list}]}]} */
static struct json wrap(const struct otlp *o, struct tl_arena *a, const char *outer, const char *inner,
                        const char *name, struct json list)
{
    struct json_builder attributes, resource, scope, scoped, of, b;

    json_array_begin(&attributes, a, 3);
    put(&attributes, "service.name", text_value(a, tl_sv_str(o->opt.service)));
    put(&attributes, "service.version", text_value(a, TL_SV(TIELINE_VERSION)));
    if (*o->opt.instance)
        put(&attributes, "service.instance.id", text_value(a, tl_sv_str(o->opt.instance)));
    json_object_begin(&resource, a, 1);
    json_adds(&resource, "attributes", json_end(&attributes));
    json_object_begin(&scope, a, 2);
    json_adds(&scope, "name", json_str("tieline"));
    json_adds(&scope, "version", json_str(TIELINE_VERSION));
    json_object_begin(&scoped, a, 2);
    json_adds(&scoped, "scope", json_end(&scope));
    json_adds(&scoped, name, list);
    json_object_begin(&of, a, 2);
    json_adds(&of, "resource", json_end(&resource));
    json_adds(&of, inner, one(a, json_end(&scoped)));
    json_object_begin(&b, a, 1);
    json_adds(&b, outer, one(a, json_end(&of)));
    return json_end(&b);
}

/* ---- spans ---- */
static struct json span_json(struct tl_arena *a, const struct otlp_span *s)
{
    struct json_builder b, attributes, status;
    char trace[33];

    for (size_t i = 0; i < sizeof s->trace; i++)
        (void)snprintf(trace + 2 * i, 3, "%02x", s->trace[i]);
    json_object_begin(&b, a, 10);
    json_adds(&b, "traceId", json_str_copy(a, tl_sv(trace, 32)));
    json_adds(&b, "spanId", json_printf(a, "%016llx", (unsigned long long)s->id));
    if (s->parent)
        json_adds(&b, "parentSpanId", json_printf(a, "%016llx", (unsigned long long)s->parent));
    json_adds(&b, "name", json_str(s->name));
    json_adds(&b, "kind", json_int(s->kind));
    json_adds(&b, "startTimeUnixNano", u64(a, s->start_ns));
    json_adds(&b, "endTimeUnixNano", u64(a, s->end_ns < s->start_ns ? s->start_ns : s->end_ns));
    json_array_begin(&attributes, a, s->n_attributes);
    for (size_t i = 0; i < s->n_attributes; i++) {
        const struct otlp_attribute *t = &s->attributes[i];

        put(&attributes, t->key, t->is_text ? text_value(a, tl_sv_str(t->text)) : int_value(a, t->number));
    }
    json_adds(&b, "attributes", json_end(&attributes));
    if (s->failed) {
        json_object_begin(&status, a, 2);
        json_adds(&status, "code", json_int(2)); /* STATUS_CODE_ERROR */
        json_adds(&status, "message", json_str_copy(a, tl_sv_str(s->text)));
        json_adds(&b, "status", json_end(&status));
    }
    return json_end(&b);
}

struct json otlp_traces_json(struct otlp *o, struct tl_arena *a, size_t most, size_t *ret_n)
{
    struct otlp_span *batch;
    struct json_builder list;
    size_t n;

    (void)pthread_mutex_lock(&o->lock);
    n = o->n < most ? o->n : most;
    batch = tl_arena_must(a, (n + 1) * sizeof *batch);
    for (size_t i = 0; i < n; i++)
        batch[i] = o->ring[(o->first + i) % o->cap];
    o->first = (o->first + n) % o->cap;
    o->n -= n;
    (void)pthread_mutex_unlock(&o->lock);
    *ret_n = n;
    if (n == 0)
        return JSON_NOTHING;
    json_array_begin(&list, a, n);
    for (size_t i = 0; i < n; i++)
        json_push(&list, span_json(a, &batch[i]));
    return wrap(o, a, "resourceSpans", "scopeSpans", "spans", json_end(&list));
}

/* ---- metrics: cumulative ---- */
struct gather {
    struct otlp *o;
    struct tl_arena *a;
    struct json_builder metrics, points;
    struct metrics_view last; /* the family whose points are gathered; name NULL: none */
    char *now;
};

static struct json point_json(struct gather *g, const struct metrics_view *v)
{
    struct json_builder b, attributes, counts, bounds;
    uint64_t n[METRICS_PARTS], total = 0;
    struct metrics_hist h;
    double value;

    json_array_begin(&attributes, g->a, v->n_labels);
    for (size_t i = 0; i < v->n_labels; i++)
        put(&attributes, tl_arena_strdup(g->a, v->labels[i]), text_value(g->a, tl_sv_str(v->values[i])));
    json_object_begin(&b, g->a, 7);
    json_adds(&b, "attributes", json_end(&attributes));
    json_adds(&b, "startTimeUnixNano", u64(g->a, g->o->started_ns));
    json_adds(&b, "timeUnixNano", json_str(g->now));
    if (v->type != METRICS_HISTOGRAM) {
        value = metrics_value(v->metric);
        if (!isfinite(value)) /* JSON has no NaN: the point is left out */
            return JSON_NOTHING;
        json_adds(&b, "asDouble", json_double(value));
        return json_end(&b);
    }
    metrics_hist_read(v->metric, &h);
    metrics_hist_parts(&h, v->scale, n);
    json_array_begin(&counts, g->a, METRICS_PARTS);
    json_array_begin(&bounds, g->a, METRICS_PARTS);
    for (unsigned i = 0; i < METRICS_PARTS; i++) {
        total += n[i];
        json_push(&counts, u64(g->a, n[i]));
        if (i + 1 < METRICS_PARTS)
            json_push(&bounds, json_double(metrics_hist_bound(v->scale, i)));
    }
    json_adds(&b, "count", u64(g->a, total));
    json_adds(&b, "sum", json_double(v->scale * (double)h.sum));
    json_adds(&b, "bucketCounts", json_end(&counts));
    json_adds(&b, "explicitBounds", json_end(&bounds));
    return json_end(&b);
}

static void end_family(struct gather *g)
{
    static const char *const members[] = {
        [METRICS_COUNTER] = "sum", [METRICS_GAUGE] = "gauge", [METRICS_HISTOGRAM] = "histogram"};
    struct json_builder data, b;

    if (!g->last.name || json_end(&g->points).n == 0)
        return;
    json_object_begin(&data, g->a, 3);
    json_adds(&data, "dataPoints", json_end(&g->points));
    if (g->last.type != METRICS_GAUGE)
        json_adds(&data, "aggregationTemporality", json_int(2)); /* cumulative */
    if (g->last.type == METRICS_COUNTER)
        json_adds(&data, "isMonotonic", json_bool(true));
    json_object_begin(&b, g->a, 3);
    json_adds(&b, "name", json_str(tl_arena_strdup(g->a, g->last.name)));
    json_adds(&b, "description", json_str(tl_arena_strdup(g->a, g->last.help)));
    json_adds(&b, members[g->last.type], json_end(&data));
    json_push(&g->metrics, json_end(&b));
}

static void visit(void *arg, const struct metrics_view *v)
{
    struct gather *g = arg;
    struct json p;

    if (g->last.name != v->name) {
        end_family(g);
        g->last = *v;
        json_array_begin(&g->points, g->a, 4);
    }
    p = point_json(g, v);
    if (p.type != JSON_UNDEFINED)
        json_push(&g->points, p);
}

struct json otlp_metrics_json(struct otlp *o, struct tl_arena *a)
{
    struct gather g = {.o = o, .a = a};

    g.now = tl_arena_printf(a, "%llu", (unsigned long long)otlp__now_ns());
    json_array_begin(&g.metrics, a, 64);
    metrics_visit(o->opt.metrics, visit, &g);
    end_family(&g);
    return json_end(&g.metrics).n ? wrap(o, a, "resourceMetrics", "scopeMetrics", "metrics", json_end(&g.metrics))
                                  : JSON_NOTHING;
}
