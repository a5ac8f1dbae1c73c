/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "otlp/otlp.h"

struct world {
    struct metrics *metrics;
    struct otlp *otlp;
    struct tl_arena *arena;
};

static void start(struct world *w, double sample, size_t queue)
{
    struct otlp_options o = {.url = "http://127.0.0.1:4318/",
                             .service = "tieline",
                             .instance = "node-1",
                             .traces = true,
                             .sample = sample,
                             .queue = queue};

    w->metrics = o.metrics = metrics_new();
    w->otlp = otlp_new(&o);
    w->arena = tl_arena_new(64 << 20);
}

static void stop(struct world *w)
{
    otlp_free(w->otlp);
    metrics_free(w->metrics);
    tl_arena_free(w->arena);
}

static struct otlp_span span(uint64_t id)
{
    struct otlp_span s = {.id = id, .name = "call", .kind = OTLP_CLIENT, .start_ns = 1000, .end_ns = 3000};

    for (size_t i = 0; i < 16; i++)
        s.trace[i] = (uint8_t)(i + 1);
    return s;
}

static struct json at(struct json v, const char *const *path)
{
    for (; *path; path++)
        v = **path >= '0' && **path <= '9' ? json_at(v, (size_t)(**path - '0')) : json_gets(v, *path);
    return v;
}
#define AT(v, ...) at((v), (const char *const[]){__VA_ARGS__, NULL})
#define SPAN(v, i) AT(v, "resourceSpans", "0", "scopeSpans", "0", "spans", i)

static bool is(struct json v, const char *text)
{
    return tl_sv_eqs(json_text(v, TL_SV("")), text);
}

static void a_span_is_written_as_the_specification_has_it(void **state)
{
    struct otlp_span s = span(0xab);
    struct world w;
    struct json v, x;
    size_t n;

    (void)state;
    start(&w, 1, 0);
    s.parent = 0x0102030405060708;
    s.failed = true;
    (void)snprintf(s.text, sizeof s.text, "HTTP 503");
    otlp_text(&s, "tieline.flow", TL_SV("orders"));
    otlp_number(&s, "http.response.status_code", 503);
    otlp_text(&s, "empty", TL_SV(""));
    otlp_give(w.otlp, &s);
    v = otlp_traces_json(w.otlp, w.arena, 10, &n);
    assert_int_equal(n, 1);
    x = SPAN(v, "0");
    assert_true(is(json_gets(x, "traceId"), "0102030405060708090a0b0c0d0e0f10"));
    assert_true(is(json_gets(x, "spanId"), "00000000000000ab") && is(json_gets(x, "parentSpanId"), "0102030405060708"));
    assert_true(is(json_gets(x, "startTimeUnixNano"), "1000") && is(json_gets(x, "endTimeUnixNano"), "3000"));
    assert_int_equal(json_gets(x, "kind").u.i, 3);
    assert_int_equal(AT(x, "status", "code").u.i, 2);
    assert_int_equal(json_gets(x, "attributes").n, 2);
    assert_true(is(AT(x, "attributes", "0", "value", "stringValue"), "orders"));
    assert_true(is(AT(x, "attributes", "1", "value", "intValue"), "503"));
    assert_true(is(AT(v, "resourceSpans", "0", "resource", "attributes", "0", "value", "stringValue"), "tieline"));
    assert_int_equal(otlp_traces_json(w.otlp, w.arena, 10, &n).type, JSON_UNDEFINED);
    stop(&w);
}

static void a_full_queue_drops_and_counts_and_keeps_the_order(void **state)
{
    const char *dropped[] = {"dropped"};
    struct world w;
    struct json v;
    size_t n;

    (void)state;
    start(&w, 1, 4);
    for (uint64_t i = 1; i <= 6; i++) {
        struct otlp_span s = span(i);

        otlp_give(w.otlp, &s);
    }
    assert_true(metrics_value(metrics_series(metrics_family(w.metrics, otlp_metrics(&n)), dropped)) == 2);
    v = otlp_traces_json(w.otlp, w.arena, 3, &n);
    assert_int_equal(n, 3);
    assert_true(is(json_gets(SPAN(v, "2"), "spanId"), "0000000000000003"));
    v = otlp_traces_json(w.otlp, w.arena, 3, &n);
    assert_int_equal(n, 1);
    assert_true(is(json_gets(SPAN(v, "0"), "spanId"), "0000000000000004"));
    stop(&w);
}

static void a_sender_decides_else_the_share_does_the_same_for_the_same_trace(void **state)
{
    struct world w;
    unsigned yes = 0;

    (void)state;
    start(&w, 0.1, 0);
    for (unsigned i = 0; i < 10000; i++) {
        uint8_t trace[16] = {(uint8_t)i, (uint8_t)(i >> 8)};
        bool first = otlp_sampled(w.otlp, trace, false, false);

        assert_int_equal(first, otlp_sampled(w.otlp, trace, false, false));
        assert_true(otlp_sampled(w.otlp, trace, true, true));
        assert_false(otlp_sampled(w.otlp, trace, true, false));
        yes += first;
    }
    assert_in_range(yes, 850, 1150);
    assert_false(otlp_sampled(NULL, (const uint8_t[16]){1}, true, true));
    stop(&w);
}

static void texts_are_cut_at_a_character_and_attributes_are_bounded(void **state)
{
    struct otlp_span s = span(1);
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa4", 2);
    for (int i = 0; i < 20; i++)
        otlp_text(&s, "k", tl_sv(text, sizeof text));
    assert_int_equal(s.n_attributes, OTLP_ATTRIBUTES);
    assert_int_equal(strlen(s.attributes[0].text), OTLP_TEXT - 2);
    assert_int_equal(tl_utf8_valid(tl_sv_str(s.attributes[0].text)), OTLP_TEXT - 2);
}

static void counters_gauges_and_histograms_are_sent(void **state)
{
    static const struct metrics_desc hist = {"x_seconds", "h", METRICS_HISTOGRAM, {"flow"}, 0, 1e-6};
    const char *flow[] = {"orders"};
    struct world w;
    struct json v, list, p;

    (void)state;
    start(&w, 1, 0);
    metrics_add(metrics_single(w.metrics, METRICS_COUNTER, "x_total", "c"), 7);
    metrics_set(metrics_single(w.metrics, METRICS_GAUGE, "x_now", "g"), 2.5);
    metrics_set(metrics_single(w.metrics, METRICS_GAUGE, "x_unknown", "g"), (double)NAN);
    metrics_observe(metrics_series(metrics_family(w.metrics, &hist), flow), 1000); /* up to 1024 us */
    v = otlp_metrics_json(w.otlp, w.arena);
    list = AT(v, "resourceMetrics", "0", "scopeMetrics", "0", "metrics");
    assert_int_equal(list.n, 4); /* ours, the counter, a gauge, the histogram: what is not known is left out */
    assert_true(is(AT(list, "1", "name"), "x_total"));
    assert_true(json_number(AT(list, "1", "sum", "dataPoints", "0", "asDouble")) == 7);
    assert_true(AT(list, "1", "sum", "isMonotonic").u.b);
    assert_true(json_number(AT(list, "2", "gauge", "dataPoints", "0", "asDouble")) == 2.5);
    p = AT(list, "3", "histogram", "dataPoints", "0");
    assert_true(is(AT(p, "attributes", "0", "value", "stringValue"), "orders"));
    assert_true(is(json_gets(p, "count"), "1"));
    assert_int_equal(json_gets(p, "bucketCounts").n, json_gets(p, "explicitBounds").n + 1);
    assert_true(is(AT(p, "bucketCounts", "3"), "1"));
    assert_true(fabs(json_number(AT(p, "explicitBounds", "3")) - 0.001024) < 1e-12);
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_is_written_as_the_specification_has_it),
        cmocka_unit_test(a_full_queue_drops_and_counts_and_keeps_the_order),
        cmocka_unit_test(a_sender_decides_else_the_share_does_the_same_for_the_same_trace),
        cmocka_unit_test(texts_are_cut_at_a_character_and_attributes_are_bounded),
        cmocka_unit_test(counters_gauges_and_histograms_are_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
