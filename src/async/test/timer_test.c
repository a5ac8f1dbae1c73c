/* SPDX-License-Identifier: Apache-2.0 */
/* The wheel: never early, not late, in order, from the past to years ahead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "async/async.h"

#define MS UINT64_C(1000000)
#define SLACK_NS (UINT64_C(1) << 20)

struct probe {
    struct async_timer timer;
    uint64_t fired_ns, due_ns;
    int fired, again;
};

static struct tl_fake_clock hands;

static void on_fire(struct async_timer *t)
{
    struct probe *p = TL_CONTAINER(t, struct probe, timer);

    p->fired++;
    p->fired_ns = async_loop_now(t->loop);
    assert_false(async_timer_is_set(t));
    if (p->again-- > 0)
        async_timer_set(t, p->fired_ns + 10 * MS);
}

static struct async_loop *new_loop(void)
{
    struct async_loop *loop;

    tl_fake_clock_init(&hands, 0);
    tl_fake_clock_advance_ms(&hands, 123456789);
    assert_int_equal(async_loop_new(1, &hands.base, &loop, NULL), TL_OK);
    return loop;
}

static void timers_fire_not_early_and_within_a_tick(void **state)
{
    enum { N = 2000 };
    struct async_loop *loop = new_loop();
    struct probe *p = tl_zalloc(N * sizeof *p);
    uint64_t x = 12345, now = async_loop_now(loop);
    size_t left = N;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
        p[i].due_ns = now + (x >> 20) % ((i % 3 + 1) * 4000 * MS);
        async_timer_init(&p[i].timer, loop, on_fire);
        async_timer_set(&p[i].timer, now + 1);
        async_timer_set(&p[i].timer, p[i].due_ns);
    }
    while (left > 0) {
        tl_fake_clock_advance_ms(&hands, 1);
        async_loop_poll(loop);
        left = 0;
        for (size_t i = 0; i < N; i++)
            left += p[i].fired == 0;
    }
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(p[i].fired, 1);
        assert_true(p[i].fired_ns >= p[i].due_ns);
        assert_true(p[i].fired_ns - p[i].due_ns <= SLACK_NS + MS);
    }
    tl_free(p);
    async_loop_free(loop);
}

static void timers_far_ahead_fire_when_the_clock_jumps(void **state)
{
    static const uint64_t days[] = {0, 1, 2, 30, 365, 3650, 36500};
    struct async_loop *loop = new_loop();
    struct probe p[TL_COUNT(days)] = {{{0}, 0, 0, 0, 0}};
    uint64_t now = async_loop_now(loop);

    (void)state;
    for (size_t i = 0; i < TL_COUNT(days); i++) {
        async_timer_init(&p[i].timer, loop, on_fire);
        async_timer_set(&p[i].timer, now + days[i] * 86400000 * MS);
    }
    async_loop_poll(loop);
    assert_int_equal(p[0].fired, 1);
    for (size_t i = 1; i < TL_COUNT(days); i++) {
        assert_int_equal(p[i].fired, 0);
        tl_fake_clock_advance_ms(&hands, (int64_t)((days[i] - days[i - 1]) * 86400000));
        async_loop_poll(loop);
        tl_fake_clock_advance_ms(&hands, 2);
        async_loop_poll(loop);
        tl_fake_clock_advance_ms(&hands, -2);
        assert_int_equal(p[i].fired, 1);
    }
    async_loop_free(loop);
}

static void a_stopped_timer_does_not_fire_and_stopping_twice_is_harmless(void **state)
{
    struct async_loop *loop = new_loop();
    struct probe p[3] = {{{0}, 0, 0, 0, 0}};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        async_timer_init(&p[i].timer, loop, on_fire);
        async_timer_set(&p[i].timer, async_loop_now(loop) + i * 100 * MS); /* the first is due at once */
    }
    async_timer_stop(&p[0].timer);
    async_timer_stop(&p[1].timer);
    async_timer_stop(&p[1].timer);
    async_timer_set(&p[2].timer, UINT64_MAX);
    assert_false(async_timer_is_set(&p[2].timer));
    tl_fake_clock_advance_ms(&hands, 1000);
    async_loop_poll(loop);
    async_loop_run(loop); /* returns: nothing is left */
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(p[i].fired, 0);
    async_loop_free(loop);
}

static void stop_other(struct async_timer *t)
{
    struct probe *p = TL_CONTAINER(t, struct probe, timer);

    p->fired++;
    async_timer_stop(&p[p->again].timer); /* the neighbour that is due at the same time */
}

static void a_timer_may_stop_another_that_is_due_at_the_same_moment(void **state)
{
    struct async_loop *loop = new_loop();
    struct probe p[2] = {{{0}, 0, 0, 0, 0}};

    (void)state;
    for (int i = 0; i < 2; i++) {
        p[i].again = i == 0 ? 1 : -1;
        async_timer_init(&p[i].timer, loop, stop_other);
        async_timer_set(&p[i].timer, async_loop_now(loop) + 5 * MS);
    }
    tl_fake_clock_advance_ms(&hands, 7);
    async_loop_poll(loop);
    assert_int_equal(p[0].fired + p[1].fired, 1);
    async_loop_free(loop);
}

static void a_timer_may_set_itself_again(void **state)
{
    struct async_loop *loop = new_loop();
    struct probe p = {.again = 3};

    (void)state;
    async_timer_init(&p.timer, loop, on_fire);
    async_timer_set(&p.timer, async_loop_now(loop));
    for (int i = 0; i < 60; i++) {
        async_loop_poll(loop);
        tl_fake_clock_advance_ms(&hands, 1);
    }
    assert_int_equal(p.fired, 4);
    async_loop_free(loop);
}

static void with_the_system_clock_the_loop_waits_for_the_timer(void **state)
{
    struct async_loop *loop;
    struct probe p = {.again = 1};
    uint64_t begin;

    (void)state;
    assert_int_equal(async_loop_new(1, NULL, &loop, NULL), TL_OK);
    begin = async_loop_now(loop);
    async_timer_init(&p.timer, loop, on_fire);
    async_timer_set(&p.timer, begin + 10 * MS);
    async_loop_run(loop);
    assert_int_equal(p.fired, 2);
    assert_true(p.fired_ns - begin >= 20 * MS);
    async_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_not_early_and_within_a_tick),
        cmocka_unit_test(timers_far_ahead_fire_when_the_clock_jumps),
        cmocka_unit_test(a_stopped_timer_does_not_fire_and_stopping_twice_is_harmless),
        cmocka_unit_test(a_timer_may_stop_another_that_is_due_at_the_same_moment),
        cmocka_unit_test(a_timer_may_set_itself_again),
        cmocka_unit_test(with_the_system_clock_the_loop_waits_for_the_timer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
