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
    uint64_t given; /* of share 0; 0: nothing */
    int waiting;
};
struct one {
    struct scene *s;
    char name;
    uint64_t bytes;
    uint32_t share;
    uint32_t wait_ms; /* 0: a minute */
};

static void waits(void *arg)
{
    ((struct scene *)arg)->waiting++;
}

static enum tl_rc take(struct task *task, void *arg, struct tl_err *err)
{
    struct one *o = arg;
    const struct flow_room room = {.share = o->share,
                                   .bytes = o->bytes,
                                   .most = MOST,
                                   .wait_ms = o->wait_ms ? o->wait_ms : 60000,
                                   .waits = waits,
                                   .arg = o->s};
    enum tl_rc rc = flow__bodies_take(o->s->bodies, task, &room, err);

    if (rc == TL_OK)
        o->s->order[strlen(o->s->order)] = o->name;
    else
        assert_int_equal(rc, o->wait_ms ? TL_BUSY : TL_CANCELED);
    return TL_OK;
}

static enum tl_rc act(struct task *task, void *arg, struct tl_err *err)
{
    struct scene *s = arg;

    assert_int_equal(task_sleep_ms(task, LONG_ENOUGH_MS, err), TL_OK);
    memcpy(s->before, s->order, sizeof s->before);
    if (s->canceled)
        task_cancel(s->canceled);
    if (s->given)
        flow__bodies_give(s->bodies, &(struct flow_room){.bytes = s->given});
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
    struct one all[] = {
        {.name = 'a', .bytes = 60}, {.name = 'b', .bytes = 90}, {.name = 'c', .bytes = 10}, {.name = 'd', .bytes = 0}};
    struct scene s = {.given = 60};

    (void)state;
    play(&s, all, TL_COUNT(all), 0);
    assert_string_equal(s.before, "a");
    assert_string_equal(s.order, "abcd");
}

static void one_that_gives_up_lets_the_others_go_on(void **state)
{
    struct one all[] = {{.name = 'a', .bytes = 60}, {.name = 'b', .bytes = 90}, {.name = 'c', .bytes = 40}};
    struct scene s = {.given = 0};

    (void)state;
    play(&s, all, TL_COUNT(all), 'b');
    assert_string_equal(s.before, "a");
    assert_string_equal(s.order, "ac");
}

static void one_that_is_larger_than_all_the_room_goes_alone_in_its_share(void **state)
{
    struct one all[] = {{.name = 'a', .bytes = 500}, {.name = 'b', .bytes = 1}};
    struct scene s = {.given = 500};

    (void)state;
    play(&s, all, TL_COUNT(all), 0);
    assert_string_equal(s.before, "a");
    assert_string_equal(s.order, "ab");
}

static void a_share_has_always_one_whatever_the_others_hold(void **state)
{
    struct one all[] = {{.name = 'a', .bytes = 100},
                        {.name = 'b', .bytes = 1},
                        {.name = 'x', .bytes = 300, .share = 1},
                        {.name = 'y', .bytes = 1, .share = 1},
                        {.name = 'z', .bytes = 1, .share = 2}};
    struct scene s = {.given = 0};

    (void)state;
    all[1].wait_ms = all[3].wait_ms = 3 * LONG_ENOUGH_MS;
    play(&s, all, TL_COUNT(all), 0);
    assert_string_equal(s.before, "axz");
    assert_string_equal(s.order, "axz");
    assert_int_equal(s.waiting, 2);
}

/* What is given back goes to the one that came first, and one that a share waits for has no say in another's first. */
static void beyond_the_first_the_shares_wait_in_one_line(void **state)
{
    struct one all[] = {{.name = 'a', .bytes = 60},
                        {.name = 'x', .bytes = 10, .share = 1},
                        {.name = 'y', .bytes = 80, .share = 1},
                        {.name = 'z', .bytes = 5, .share = 2},
                        {.name = 'w', .bytes = 5, .share = 2}};
    struct scene s = {.given = 60};

    (void)state;
    play(&s, all, TL_COUNT(all), 0);
    assert_string_equal(s.before, "axz");
    assert_string_equal(s.order, "axzyw");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_one_does_not_pass_a_large_one_that_waits),
        cmocka_unit_test(one_that_gives_up_lets_the_others_go_on),
        cmocka_unit_test(one_that_is_larger_than_all_the_room_goes_alone_in_its_share),
        cmocka_unit_test(a_share_has_always_one_whatever_the_others_hold),
        cmocka_unit_test(beyond_the_first_the_shares_wait_in_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
