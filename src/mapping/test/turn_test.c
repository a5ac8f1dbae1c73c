/* SPDX-License-Identifier: Apache-2.0 */
/* How long evaluations stay on a loop's thread. */
#include <pthread.h>

#include "help.h"

#include "mapping/mapping_int.h"

#define QUICK "a + 1"
#define SLOW "$sum([1..20000].($ * 2))"
#define ENDLESS "($f := function($n) { $f($n + 1) }; $f(0))"

struct scene {
    struct tl_arena *arena;
    struct mapping *m;
    int times; /* evaluations in one run */
    bool elsewhere;
    pthread_t loop;
    /* what came of it */
    int calls, on_loop, after_over;
    struct json value;
    enum tl_rc rc, waited;
};

static void evaluate(void *arg, struct mapping_turn *turn)
{
    static const struct mapping_budget budget = {.time_ms = 200};
    struct scene *s = arg;
    struct mapping_input in = {.data = help_parse(s->arena, "{\"a\":1}"), .budget = &budget, .turn = turn};
    struct tl_err err;

    s->calls++;
    s->on_loop += pthread_equal(pthread_self(), s->loop) != 0;
    for (int i = 0; i < s->times; i++) {
        struct tl_arena_mark mark = tl_arena_mark(s->arena);

        s->after_over += turn && turn->over;
        s->rc = mapping_eval(s->m, s->arena, &in, &s->value, &err);
        if (s->rc != TL_OK)
            return;
        if (i + 1 < s->times)
            tl_arena_rewind(s->arena, mark);
    }
}

static enum tl_rc run_it(struct task *task, void *arg, struct tl_err *err)
{
    struct scene *s = arg;

    s->loop = pthread_self();
    s->waited = mapping_run(task, s->elsewhere, evaluate, s, err);
    return TL_OK;
}

static void run(struct scene *s)
{
    struct async_loop *loop;
    struct task *task;
    struct tl_err err;

    s->calls = s->on_loop = s->after_over = 0;
    assert_int_equal(async_loop_new(10, tl_clock_system(), &loop, &err), TL_OK);
    assert_int_equal(task_start(loop, "test", 0, run_it, s, NULL, &task, &err), TL_OK);
    async_loop_run(loop);
    async_loop_free(loop);
    assert_int_equal(s->waited, TL_OK);
    assert_int_equal(s->after_over, 0);
}

static struct mapping *compiled(const char *text)
{
    struct mapping *m = NULL;
    struct tl_err err;

    assert_int_equal(mapping_compile(MAPPING_JSONATA, tl_sv_str(text), NULL, &m, &err), TL_OK);
    return m;
}

static void what_is_quick_stays_on_the_loop(void **state)
{
    TL_CLEANUP(mapping_unrefp) struct mapping *m = compiled(QUICK);
    struct scene s = {.arena = *state, .m = m, .times = 3};

    run(&s);
    assert_int_equal(s.rc, TL_OK);
    assert_string_equal(help_text(s.arena, s.value), "2");
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.on_loop, 1);
    s.elsewhere = true;
    run(&s);
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.on_loop, 0);
}

static void what_is_slow_ends_on_a_worker_and_goes_there_at_once_the_next_times(void **state)
{
    TL_CLEANUP(mapping_unrefp) struct mapping *m = compiled(SLOW);
    struct scene s = {.arena = *state, .m = m, .times = 1};
    uint32_t slow;

    run(&s);
    assert_int_equal(s.rc, TL_OK);
    assert_string_equal(help_text(s.arena, s.value), "400020000");
    assert_int_equal(s.calls, 2);
    assert_int_equal(s.on_loop, 1);
    slow = m->slow;
    assert_int_not_equal(slow, 0);
    run(&s);
    assert_int_equal(s.rc, TL_OK);
    assert_int_equal(m->slow, slow - 1); /* refused without a step */
    m->slow = 1;
    run(&s);
    assert_int_equal(m->slow, 0);
    run(&s); /* it gets another chance */
    assert_int_equal(m->slow, slow);
}

static void many_quick_evaluations_share_one_turn(void **state)
{
    TL_CLEANUP(mapping_unrefp) struct mapping *m = compiled(QUICK);
    struct scene s = {.arena = *state, .m = m, .times = 50000};

    run(&s);
    assert_int_equal(s.rc, TL_OK);
    assert_int_equal(s.calls, 2);
    assert_int_equal(s.on_loop, 1);
}

/* Some steps make a result of a million values: each level holds the one before twice. */
static void looking_at_a_large_result_takes_of_the_turn(void **state)
{
    char text[1024] = "($v := {\"a\": a}";
    TL_CLEANUP(mapping_unrefp) struct mapping *m = NULL;
    struct scene s = {.arena = *state, .times = 1};
    struct mapping_turn turn = {.steps = 1000000};
    struct mapping_input in = {.data = help_parse(s.arena, "{\"a\":1}"), .turn = &turn};
    struct tl_err err;

    for (int i = 0; i < 19; i++)
        strcat(text, "; $v := {\"a\": $v, \"b\": $v}");
    s.m = m = compiled(strcat(text, "; $v)"));
    run(&s);
    assert_int_equal(s.rc, TL_OK);
    assert_int_equal(s.calls, 2);
    assert_int_equal(s.on_loop, 1);
    m->slow = 0;
    assert_int_equal(mapping_eval(m, s.arena, &in, &s.value, &err), TL_OK);
    assert_true(turn.steps < 1000000 - (1 << 19) / 8);
}

static void what_is_endless_fails_on_the_worker(void **state)
{
    TL_CLEANUP(mapping_unrefp) struct mapping *m = compiled(ENDLESS);
    struct scene s = {.arena = *state, .m = m, .times = 1};

    run(&s);
    assert_int_equal(s.rc, TL_BUDGET);
    assert_int_equal(s.calls, 2);
}

/* Six large bodies meet an endless mapping, and two bodies are quick. */
struct crowd {
    struct scene slow[6], quick[2];
    int left;
    bool quick_was_first;
};
static struct crowd *crowd;

static void one_less(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    (void)arg;
    (void)rc;
    (void)err;
    crowd->left--;
}

static void one_quick_less(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    one_less(arg, rc, err);
    crowd->quick_was_first = crowd->left >= 2; /* of the slow ones some still stand in line */
}

static void endless_ones_leave_worker_threads_for_others(void **state)
{
    TL_CLEANUP(mapping_unrefp) struct mapping *endless = compiled(ENDLESS), *quick = compiled(QUICK);
    struct crowd c = {.left = 8};
    struct async_loop *loop;
    struct tl_err err;

    (void)state;
    crowd = &c;
    assert_int_equal(async_loop_new(10, tl_clock_system(), &loop, &err), TL_OK);
    async_loop_set_long(loop, 1);
    for (size_t i = 0; i < 6; i++) {
        c.slow[i] = (struct scene){.arena = tl_arena_new(64 << 20), .m = endless, .times = 1};
        assert_int_equal(task_start(loop, "slow", 0, run_it, &c.slow[i], one_less, NULL, &err), TL_OK);
    }
    for (size_t i = 0; i < 2; i++) {
        c.quick[i] = (struct scene){.arena = tl_arena_new(64 << 20), .m = quick, .times = 1, .elsewhere = true};
        assert_int_equal(task_start(loop, "quick", 0, run_it, &c.quick[i], one_quick_less, NULL, &err), TL_OK);
    }
    async_loop_run(loop);
    async_loop_free(loop);
    assert_int_equal(c.left, 0);
    assert_true(c.quick_was_first);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(c.slow[i].rc, TL_BUDGET);
        tl_arena_free(c.slow[i].arena);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(c.quick[i].rc, TL_OK);
        tl_arena_free(c.quick[i].arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_quick_stays_on_the_loop, help_setup, help_teardown),
        cmocka_unit_test_setup_teardown(what_is_slow_ends_on_a_worker_and_goes_there_at_once_the_next_times, help_setup,
                                        help_teardown),
        cmocka_unit_test_setup_teardown(many_quick_evaluations_share_one_turn, help_setup, help_teardown),
        cmocka_unit_test_setup_teardown(looking_at_a_large_result_takes_of_the_turn, help_setup, help_teardown),
        cmocka_unit_test_setup_teardown(what_is_endless_fails_on_the_worker, help_setup, help_teardown),
        cmocka_unit_test_setup_teardown(endless_ones_leave_worker_threads_for_others, help_setup, help_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
