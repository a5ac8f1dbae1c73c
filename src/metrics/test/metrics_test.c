/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>

#include "metrics/metrics.h"

struct world {
    struct metrics *m;
    struct tl_buf b;
};

static int setup(void **state)
{
    struct world *w = tl_zalloc(sizeof *w);

    w->m = metrics_new();
    tl_buf_init(&w->b, 1 << 20);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    tl_buf_done(&w->b);
    metrics_free(w->m);
    tl_free(w);
    return 0;
}

static const char *text(struct world *w)
{
    tl_buf_clear(&w->b);
    assert_true(metrics_prometheus(w->m, &w->b));
    return w->b.p ? w->b.p : "";
}

static struct metrics_family *latency(struct metrics *m)
{
    return metrics_family(m, &(struct metrics_desc){.name = "tl_latency_seconds",
                                                    .help = "Latency.",
                                                    .type = METRICS_HISTOGRAM,
                                                    .labels = {"flow"},
                                                    .scale = 1e-6});
}

static void counters_and_gauges_are_written_as_prometheus_reads_them(void **state)
{
    struct world *w = *state;
    struct metrics_family *f = metrics_family(
        w->m,
        &(struct metrics_desc){.name = "tl_events_total", .help = "Events\nby \\flow.", .labels = {"flow", "class"}});
    struct metric *a = metrics_series(f, (const char *const[]){"or\"ders", "da\\ta\n"});
    struct metric *g = metrics_single(w->m, METRICS_GAUGE, "tl_backlog", "Waiting.");

    metrics_add(a, 41);
    metrics_inc(a);
    metrics_set(g, 2.5);
    metrics_adjust(g, -1);
    assert_string_equal(text(w), "# HELP tl_events_total Events\\nby \\\\flow.\n"
                                 "# TYPE tl_events_total counter\n"
                                 "tl_events_total{flow=\"or\\\"ders\",class=\"da\\\\ta\\n\"} 42\n"
                                 "# HELP tl_backlog Waiting.\n"
                                 "# TYPE tl_backlog gauge\n"
                                 "tl_backlog 1.5\n");
}

static void the_same_name_and_labels_give_the_same_series(void **state)
{
    struct world *w = *state;
    struct metric *a = metrics_series(latency(w->m), (const char *const[]){"a"});

    assert_ptr_equal(a, metrics_series(latency(w->m), (const char *const[]){"a"}));
    assert_ptr_not_equal(a, metrics_series(latency(w->m), (const char *const[]){"b"}));
}

static void series_past_the_limit_share_one(void **state)
{
    struct world *w = *state;
    struct metrics_family *f =
        metrics_family(w->m, &(struct metrics_desc){.name = "x_total", .labels = {"l"}, .max_series = 2});

    for (int i = 0; i < 100; i++) {
        TL_CLEANUP(tl_freep) char *name = tl_sprintf("n%d", i);

        metrics_inc(metrics_series(f, (const char *const[]){name}));
    }
    assert_non_null(strstr(text(w), "x_total{l=\"n0\"} 1\nx_total{l=\"n1\"} 1\nx_total{l=\"other\"} 98\n"));
}

static void quantiles_are_within_a_sixteenth_above(void **state)
{
    struct metrics_hist *h = tl_zalloc(sizeof *h), *other = tl_zalloc(sizeof *h);

    (void)state;
    assert_int_equal(metrics_hist_quantile(h, 0.5), 0);
    for (uint64_t v = 1; v <= 100000; v++)
        metrics_hist_add(v % 2 ? h : other, v);
    metrics_hist_merge(h, other);
    assert_int_equal(metrics_hist_count(h), 100000);
    for (int p = 1; p <= 100; p++) {
        uint64_t q = metrics_hist_quantile(h, p / 100.0), exact = (uint64_t)p * 1000;

        assert_true(q >= exact && (double)q <= (double)exact * 1.0626);
    }
    assert_int_equal(metrics_hist_quantile(h, 1), 100000);
    metrics_hist_add(h, UINT64_MAX);
    assert_true(metrics_hist_quantile(h, 1) == UINT64_MAX);
    tl_free(h);
    tl_free(other);
}

static void a_histogram_shows_exact_cumulative_buckets_and_quantiles(void **state)
{
    struct world *w = *state;
    struct metric *h = metrics_series(latency(w->m), (const char *const[]){"a"});

    metrics_observe(h, 0);
    metrics_observe(h, 128);
    metrics_observe(h, 129);
    metrics_observe(h, 1024);
    metrics_observe(h, UINT64_C(1) << 50);
    assert_non_null(strstr(text(w), "# TYPE tl_latency_seconds histogram\n"
                                    "tl_latency_seconds_bucket{flow=\"a\",le=\"0.000128\"} 2\n"
                                    "tl_latency_seconds_bucket{flow=\"a\",le=\"0.000256\"} 3\n"
                                    "tl_latency_seconds_bucket{flow=\"a\",le=\"0.000512\"} 3\n"
                                    "tl_latency_seconds_bucket{flow=\"a\",le=\"0.001024\"} 4\n"));
    assert_non_null(strstr(w->b.p, "le=\"4294.9673\"} 4\ntl_latency_seconds_bucket{flow=\"a\",le=\"+Inf\"} 5\n"));
    assert_non_null(strstr(w->b.p, "tl_latency_seconds_count{flow=\"a\"} 5\n"));
    assert_non_null(strstr(w->b.p, "tl_latency_seconds_quantile{flow=\"a\",quantile=\"0.5\"} 0.000136\n"));
}

static void times_keep_their_milliseconds(void **state)
{
    static const struct metrics_desc cpu = {"tl_cpu_seconds_total", "CPU.", METRICS_COUNTER, {0}, 0, 1e-6};
    struct world *w = *state;
    struct metric *c = metrics_series(metrics_family(w->m, &cpu), NULL);

    metrics_set(metrics_single(w->m, METRICS_GAUGE, "tl_start_seconds", "Start."), 1796072921.123);
    metrics_add(c, 1234567);
    assert_non_null(strstr(text(w), "tl_start_seconds 1796072921.123\n"));
    assert_non_null(strstr(w->b.p, "tl_cpu_seconds_total 1.234567\n"));
    assert_true(metrics_value(c) > 1.2345 && metrics_value(c) < 1.2346);
}

static void a_histogram_of_things_that_are_counted_has_bounds_for_small_numbers(void **state)
{
    static const struct metrics_desc desc = {"tl_tries", "Tries.", METRICS_HISTOGRAM, {"flow"}, 0, 1};
    struct world *w = *state;
    struct metric *h = metrics_series(metrics_family(w->m, &desc), (const char *const[]){"a"});

    for (uint64_t n = 1; n <= 8; n++)
        metrics_observe(h, n);
    assert_non_null(strstr(text(w), "tl_tries_bucket{flow=\"a\",le=\"1\"} 1\n"
                                    "tl_tries_bucket{flow=\"a\",le=\"2\"} 2\n"
                                    "tl_tries_bucket{flow=\"a\",le=\"3\"} 3\n"
                                    "tl_tries_bucket{flow=\"a\",le=\"4\"} 4\n"
                                    "tl_tries_bucket{flow=\"a\",le=\"6\"} 6\n"
                                    "tl_tries_bucket{flow=\"a\",le=\"8\"} 8\n"
                                    "tl_tries_bucket{flow=\"a\",le=\"12\"} 8\n"));
    assert_non_null(strstr(w->b.p, "tl_tries_bucket{flow=\"a\",le=\"8192\"} 8\n"
                                   "tl_tries_bucket{flow=\"a\",le=\"+Inf\"} 8\n"));
}

static void set_backlog(void *arg)
{
    metrics_set(arg, 7);
}

static void hooks_set_gauges_before_a_scrape(void **state)
{
    struct world *w = *state;

    metrics_on_collect(w->m, set_backlog, metrics_single(w->m, METRICS_GAUGE, "b", "B."));
    assert_non_null(strstr(text(w), "b 7\n"));
}

/* ---- history ---- */

#define T0 INT64_C(1764000000000) /* a whole minute */

static void history_keeps_increases_in_two_steps(void **state)
{
    struct world *w = *state;
    struct metric *c = metrics_single(w->m, METRICS_COUNTER, "c_total", "C."),
                  *g = metrics_single(w->m, METRICS_GAUGE, "g", "G.");
    struct metrics_history *h = metrics_history_new(w->m, 2);
    struct metrics_point *p = tl_zalloc(2000 * sizeof *p);
    int64_t step, t = T0;
    size_t n;

    metrics_add(c, 1000000); /* before tracking */
    assert_true(metrics_history_track(h, c));
    assert_true(metrics_history_track(h, g));
    assert_true(metrics_history_track(h, c));
    assert_false(metrics_history_track(h, metrics_single(w->m, METRICS_GAUGE, "z", "Z.")));
    for (int i = 0; i < 25 * 360; i++) { /* 25 hours of 5 events each 10 s, ticks at the end of each interval */
        metrics_add(c, 5);
        metrics_set(g, i % 6);
        t += 10000;
        metrics_history_tick(h, t);
    }
    n = metrics_history_read(h, c, t - 600000, t, p, 2000, &step);
    assert_int_equal(step, 10000);
    assert_int_equal(n, 60);
    for (size_t i = 0; i < n; i++)
        assert_true(p[i].value == 5 && p[i].at_ms == t - 600000 + (int64_t)i * 10000);
    n = metrics_history_read(h, c, 0, t, p, 2000, &step);
    assert_int_equal(step, 60000);
    assert_int_equal(n, 1440);
    for (size_t i = 0; i < n; i++)
        assert_true(p[i].value == 30);
    n = metrics_history_read(h, g, 0, t, p, 3, &step);
    assert_int_equal(n, 3);
    assert_true(p[0].value == 5);
    tl_free(p);
    metrics_history_free(h);
}

static void history_has_the_quantiles_of_each_interval_and_no_points_where_nobody_ticked(void **state)
{
    struct world *w = *state;
    struct metric *m = metrics_series(latency(w->m), (const char *const[]){"a"});
    struct metrics_history *h = metrics_history_new(w->m, 2);
    struct metrics_point p[10];
    size_t n;

    assert_true(metrics_history_track(h, m));
    for (int i = 0; i < 100; i++)
        metrics_observe(m, 1024);
    metrics_history_tick(h, T0 + 5000);
    for (int i = 0; i < 100; i++)
        metrics_observe(m, 1 << 20);
    metrics_history_tick(h, T0 + 10000); /* the same interval */
    for (int i = 0; i < 10; i++)
        metrics_observe(m, 1 << 20);
    metrics_history_tick(h, T0 + 40000); /* two were left out */
    n = metrics_history_read(h, m, T0, T0 + 60000, p, 10, NULL);
    assert_int_equal(n, 2);
    assert_true(p[0].at_ms == T0 && p[0].value == 200 && p[0].p50 < 0.00103 && p[0].p95 > 1);
    assert_true(p[1].at_ms == T0 + 30000 && p[1].value == 10 && p[1].p50 > 1);
    metrics_history_tick(h, T0 + 40000000);
    n = metrics_history_read(h, m, T0, T0 + 60000, p, 10, NULL);
    assert_int_equal(n, 1); /* the minute, of all 210 */
    assert_true(p[0].value == 210 && p[0].p99 > 1);
    metrics_history_free(h);
}

static void history_of_a_sum_has_the_quantiles_of_all_parts_from_when_each_joined(void **state)
{
    struct world *w = *state;
    struct metric *a = metrics_series(latency(w->m), (const char *const[]){"a"}),
                  *b = metrics_series(latency(w->m), (const char *const[]){"b"}),
                  *all = metrics_series(latency(w->m), (const char *const[]){""});
    struct metrics_history *h = metrics_history_new(w->m, 1);
    struct metrics_point p[10];

    assert_true(metrics_history_track(h, all));
    metrics_history_add(h, all, a);
    metrics_history_add(h, all, a); /* again is no change */
    metrics_history_add(h, a, b);   /* not tracked: nothing */
    for (int i = 0; i < 90; i++)
        metrics_observe(a, 1024);
    metrics_history_tick(h, T0 + 10000);
    for (int i = 0; i < 90; i++)
        metrics_observe(a, 1024);
    for (int i = 0; i < 500; i++)
        metrics_observe(b, 1 << 20); /* before it joined: of no interval */
    metrics_history_add(h, all, b);
    for (int i = 0; i < 10; i++)
        metrics_observe(b, 1 << 20);
    metrics_history_tick(h, T0 + 20000);
    assert_int_equal(metrics_history_read(h, all, T0, T0 + 60000, p, 10, NULL), 2);
    assert_true(p[0].value == 90 && p[0].p99 < 0.0011);
    assert_true(p[1].value == 100 && p[1].p50 < 0.0011 && p[1].p95 > 1);
    metrics_history_tick(h, T0 + 40000000);
    assert_int_equal(metrics_history_read(h, all, T0, T0 + 60000, p, 10, NULL), 1);
    assert_true(p[0].value == 190 && p[0].p99 > 1);
    metrics_history_free(h);
}

/* ---- threads ---- */

struct busy {
    struct metrics *m;
    struct metric *c, *g, *h;
    int rounds;
};

static void *work(void *arg)
{
    struct busy *b = arg;

    for (int i = 0; i < b->rounds; i++) {
        metrics_inc(b->c);
        metrics_adjust(b->g, 1);
        metrics_observe(b->h, (uint64_t)i);
        if (i % 500 == 0) {
            TL_CLEANUP(tl_freep) char *name = tl_sprintf("t%d", i);

            metrics_inc(
                metrics_series(metrics_family(b->m, &(struct metrics_desc){.name = "late_total", .labels = {"l"}}),
                               (const char *const[]){name}));
        }
    }
    return NULL;
}

static void nothing_is_lost_when_threads_count_and_others_read(void **state)
{
    struct world *w = *state;
    struct busy b = {.m = w->m, .rounds = 20000};
    struct metrics_history *h = metrics_history_new(w->m, 3);
    pthread_t t[4];

    b.c = metrics_single(w->m, METRICS_COUNTER, "c_total", "C.");
    b.g = metrics_single(w->m, METRICS_GAUGE, "g", "G.");
    b.h = metrics_series(latency(w->m), (const char *const[]){"a"});
    assert_true(metrics_history_track(h, b.h));
    for (size_t i = 0; i < TL_COUNT(t); i++)
        assert_int_equal(pthread_create(&t[i], NULL, work, &b), 0);
    for (int i = 0; i < 20; i++) {
        struct metrics_point p[4];

        (void)text(w);
        metrics_history_tick(h, T0 + i * 1000);
        (void)metrics_history_read(h, b.h, T0, T0 + 10000, p, 4, NULL);
    }
    for (size_t i = 0; i < TL_COUNT(t); i++)
        assert_int_equal(pthread_join(t[i], NULL), 0);
    assert_true(metrics_value(b.c) == 80000 && metrics_value(b.g) == 80000 && metrics_value(b.h) == 80000);
    metrics_history_free(h);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(counters_and_gauges_are_written_as_prometheus_reads_them),
        T(the_same_name_and_labels_give_the_same_series),
        T(series_past_the_limit_share_one),
        T(quantiles_are_within_a_sixteenth_above),
        T(a_histogram_shows_exact_cumulative_buckets_and_quantiles),
        T(times_keep_their_milliseconds),
        T(a_histogram_of_things_that_are_counted_has_bounds_for_small_numbers),
        T(hooks_set_gauges_before_a_scrape),
        T(history_keeps_increases_in_two_steps),
        T(history_has_the_quantiles_of_each_interval_and_no_points_where_nobody_ticked),
        T(history_of_a_sum_has_the_quantiles_of_all_parts_from_when_each_joined),
        T(nothing_is_lost_when_threads_count_and_others_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
