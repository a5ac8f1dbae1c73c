/* SPDX-License-Identifier: Apache-2.0 */
/* Room for stored bodies: who waits, and that none is passed by. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "flow/flow_int.h"

enum { MOST = 100, LONG_ENOUGH_MS = 30 }; /* for whoever would be let in wrongly */

struct scene {
    struct flow_bodies *bodies;
    struct async_loop *loop;
    char order[8], before[8]; /* who was let in; and by the time that something was done about it */
    struct task *canceled;
    uint64_t given;
};
struct one {
    struct scene *s;
    char name;
    uint64_t bytes;
};

static enum tl_rc take(struct task *task, void *arg, struct tl_err *err)
{
    struct one *o = arg;
    enum tl_rc rc = flow__bodies_take(o->s->bodies, task, o->bytes, MOST, err);

    if (rc == TL_OK)
        o->s->order[strlen(o->s->order)] = o->name;
    else
        assert_int_equal(rc, TL_CANCELED);
    return TL_OK;
}

static enum tl_rc act(struct task *task, void *arg, struct tl_err *err)
{
    struct scene *s = arg;

    assert_int_equal(task_sleep_ms(task, LONG_ENOUGH_MS, err), TL_OK);
    memcpy(s->before, s->order, sizeof s->before);
    if (s->canceled)
        task_cancel(s->canceled);
    flow__bodies_give(s->bodies, s->given);
    return TL_OK;
}

static void play(struct scene *s, struct one *all, size_t n, char canceled)
{
    struct task *task;
    struct tl_err err;

    s->bodies = flow__bodies_new();
    assert_int_equal(async_loop_new(10, tl_clock_system(), &s->loop, &err), TL_OK);
    for (size_t i = 0; i < n; i++) {
        all[i].s = s;
        assert_int_equal(task_start(s->loop, "one", 0, take, &all[i], NULL, &task, &err), TL_OK);
        if (all[i].name == canceled)
            s->canceled = task;
    }
    assert_int_equal(task_start(s->loop, "act", 0, act, s, NULL, &task, &err), TL_OK);
    async_loop_run(s->loop);
    async_loop_free(s->loop);
    flow__bodies_free(s->bodies);
}

static void a_small_one_does_not_pass_a_large_one_that_waits(void **state)
{
    struct one all[] = {{NULL, 'a', 60}, {NULL, 'b', 90}, {NULL, 'c', 10}, {NULL, 'd', 0}};
    struct scene s = {.given = 60};

    (void)state;
    play(&s, all, TL_COUNT(all), 0);
    assert_string_equal(s.before, "a");
    assert_string_equal(s.order, "abcd");
}

static void one_that_gives_up_lets_the_others_go_on(void **state)
{
    struct one all[] = {{NULL, 'a', 60}, {NULL, 'b', 90}, {NULL, 'c', 40}};
    struct scene s = {.given = 0};

    (void)state;
    play(&s, all, TL_COUNT(all), 'b');
    assert_string_equal(s.before, "a");
    assert_string_equal(s.order, "ac");
}

static void one_that_is_larger_than_all_the_room_goes_alone(void **state)
{
    struct one all[] = {{NULL, 'a', 500}, {NULL, 'b', 1}};
    struct scene s = {.given = 500};

    (void)state;
    play(&s, all, TL_COUNT(all), 0);
    assert_string_equal(s.before, "a");
    assert_string_equal(s.order, "ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_one_does_not_pass_a_large_one_that_waits),
        cmocka_unit_test(one_that_gives_up_lets_the_others_go_on),
        cmocka_unit_test(one_that_is_larger_than_all_the_room_goes_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
