/* SPDX-License-Identifier: Apache-2.0 */
/* Outages: of each target for itself, however many a flow has, and over a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "flow/flow_int.h"

enum { TARGETS = 40, DOWN = 3 };

struct world {
    struct flow_conf conf;
    struct flow_target targets[TARGETS];
    struct flow_watch *watch;
    struct flow flow;
};

static void begin(struct world *w)
{
    w->watch = tl_zalloc(sizeof *w->watch);
    w->flow.watch = w->watch;
    pthread_mutex_init(&w->watch->lock, NULL);
}

static int setup(void **state)
{
    struct world *w = tl_zalloc(sizeof *w);

    w->flow = (struct flow){.conf = &w->conf, .targets = w->targets, .n_targets = TARGETS, .expand = true};
    for (uint32_t i = 0; i < TARGETS; i++)
        w->targets[i].id = 100 + i;
    begin(w);
    *state = w;
    return 0;
}

static void end(struct world *w)
{
    tl_free(w->watch->outage.row);
    pthread_mutex_destroy(&w->watch->lock);
    tl_free(w->watch);
}

static int teardown(void **state)
{
    struct world *w = *state;

    end(w);
    tl_free(w);
    return 0;
}

static void go_down(struct world *w, uint32_t target, int64_t at_ms)
{
    for (int i = 0; i < DOWN; i++)
        flow__sla_failed(&w->flow, target, at_ms + i);
}

/* The program ends and begins again. */
static void restart(struct world *w)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 65536);
    flow__sla_keep(w->watch, &b);
    end(w);
    begin(w);
    flow__sla_take(w->watch, tl_buf_view(&b));
    assert_true(w->watch->loaded);
}

static void the_last_of_many_that_are_down_is_not_hidden_by_the_others(void **state)
{
    struct world *w = *state;

    go_down(w, FLOW_SLA_STEPS, 900);
    for (uint32_t i = 0; i < TARGETS - 1; i++)
        go_down(w, 100 + i, 1000 + i);
    flow__sla_delivered(&w->flow, 100 + TARGETS - 1, 2000, 1); /* that one was never down */
    assert_int_equal(w->watch->outage.since_ms, 900);
    flow__sla_went(&w->flow, 2000);
    for (uint32_t i = 0; i < TARGETS - 2; i++)
        flow__sla_delivered(&w->flow, 100 + i, 2000, 1);
    assert_int_equal(w->watch->outage.since_ms, 900);
    restart(w);
    assert_int_equal(w->watch->outage.since_ms, 900);
    flow__sla_delivered(&w->flow, 100, 2500, 1);
    assert_int_equal(w->watch->outage.since_ms, 900);
    flow__sla_delivered(&w->flow, 100 + TARGETS - 2, 3000, 1);
    assert_int_equal(w->watch->outage.since_ms, 0);
    assert_int_equal(w->watch->days[0].incidents, 1);
    assert_int_equal(w->watch->days[0].down_ms, 2100);
}

static void failures_in_a_row_are_counted_on_over_a_restart_for_each_target(void **state)
{
    struct world *w = *state;

    for (uint32_t i = 0; i < TARGETS; i++)
        for (int k = 0; k < DOWN - 1; k++)
            flow__sla_failed(&w->flow, 100 + i, 1000 + i);
    restart(w);
    assert_int_equal(w->watch->outage.since_ms, 0);
    flow__sla_delivered(&w->flow, 100, 2000, 1);
    flow__sla_failed(&w->flow, 100, 2001);
    assert_int_equal(w->watch->outage.since_ms, 0);
    flow__sla_failed(&w->flow, 100 + TARGETS - 1, 2002);
    assert_int_equal(w->watch->outage.since_ms, 1000 + TARGETS - 1);
}

static void targets_that_have_left_the_configuration_take_no_place(void **state)
{
    struct world *w = *state;

    for (uint32_t i = 0; i < 100; i++) {
        w->targets[0].id = 1000 + i;
        flow__sla_failed(&w->flow, 1000 + i, 1000);
    }
    assert_in_range(w->watch->outage.n, 1, TARGETS + 1);
}

/* What the version before this kept: always 16 places, and the beginning behind them. */
static void an_outage_that_the_version_before_has_kept_goes_on(void **state)
{
    struct world *w = *state;
    struct {
        uint32_t version, bytes;
        struct flow_sla_day days[FLOW_SLA_DAYS], months[FLOW_SLA_MONTHS];
        struct flow_sla_row row[16];
        int64_t since_ms;
    } *old = tl_zalloc(sizeof *old);

    old->version = 3;
    old->bytes = sizeof *old;
    old->row[15] = (struct flow_sla_row){.target = 139, .failures = 7, .since_ms = 500};
    old->since_ms = 400;
    flow__sla_take(w->watch, tl_sv((const char *)old, sizeof *old));
    tl_free(old);
    flow__sla_delivered(&w->flow, 100, 1000, 1);
    assert_int_equal(w->watch->outage.since_ms, 400);
    flow__sla_delivered(&w->flow, 139, 1000, 1);
    assert_int_equal(w->watch->outage.since_ms, 0);
}

static void what_is_not_ours_is_not_taken(void **state)
{
    struct world *w = *state;
    char bytes[4096] = {4, 0, 0, 0, 0, 16};

    flow__sla_take(w->watch, tl_sv(bytes, sizeof bytes));
    flow__sla_take(w->watch, tl_sv(bytes, 3));
    flow__sla_take(w->watch, TL_SV_NULL);
    assert_int_equal(w->watch->outage.n, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_last_of_many_that_are_down_is_not_hidden_by_the_others),
        T(failures_in_a_row_are_counted_on_over_a_restart_for_each_target),
        T(targets_that_have_left_the_configuration_take_no_place),
        T(an_outage_that_the_version_before_has_kept_goes_on),
        T(what_is_not_ours_is_not_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
