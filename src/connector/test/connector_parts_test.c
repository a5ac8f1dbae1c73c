/* SPDX-License-Identifier: Apache-2.0 */
/* A read in parts: side by side, ended together, and not a part left behind. */
#include "connector_rig.h"

enum { PARTS = 5 };

struct stage {
    struct async_loop *loop;
    struct connector_call call;
    struct connector_ledger ledger;
    size_t n, begun, ended, now, most, fails_at; /* fails_at: this part fails; PARTS: none */
    bool forever, cancels, seen[PARTS];
    struct task *whole;
    enum tl_rc rc;
    struct tl_err err;
};

static enum tl_rc part(struct task *task, struct connector_call *call, size_t i, void *arg, struct tl_err *err)
{
    struct stage *s = arg;
    enum tl_rc rc = TL_OK;

    (void)call;
    s->begun++;
    s->seen[i] = true;
    s->most = ++s->now > s->most ? s->now : s->most;
    for (int turn = 0; rc == TL_OK && (turn < 3 || s->forever); turn++) {
        rc = task_yield(task, err);
        if (rc == TL_OK && turn == 1 && i == s->fails_at)
            rc = tl_fail(err, TL_UPSTREAM, "part %zu broke", i);
        if (s->cancels && s->begun == PARTS && s->whole) {
            s->cancels = false;
            task_cancel(s->whole);
        }
    }
    s->now--;
    s->ended++;
    return rc;
}

static enum tl_rc own(void *arg, struct task *task, size_t i, connector_part_fn *fn, void *fn_arg, struct tl_err *err)
{
    struct stage *s = arg;

    return fn(task, &s->call, i, fn_arg, err);
}

static enum tl_rc whole(struct task *task, void *arg, struct tl_err *err)
{
    struct stage *s = arg;

    return connector_in_parts(task, &s->call, s->n, part, s, err);
}

static void ended(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    struct stage *s = arg;

    s->rc = rc;
    s->err = *err;
    s->whole = NULL;
}

static void begin(struct stage *s, size_t n)
{
    struct tl_err err;

    s->n = n;
    s->ledger = (struct connector_ledger){.part = own, .arg = s};
    s->call.ledger = &s->ledger;
    assert_int_equal(async_loop_new(100, NULL, &s->loop, &err), TL_OK);
    assert_int_equal(task_start(s->loop, "whole", 0, whole, s, ended, &s->whole, &err), TL_OK);
}

static void all_parts_run_side_by_side_and_the_whole_ends_with_the_last(void **state)
{
    struct stage s = {.fails_at = PARTS};

    (void)state;
    begin(&s, PARTS);
    async_loop_run(s.loop);
    assert_int_equal(s.rc, TL_OK);
    assert_int_equal(s.ended, PARTS);
    assert_int_equal(s.most, PARTS);
    for (size_t i = 0; i < PARTS; i++)
        assert_true(s.seen[i]);
    async_loop_free(s.loop);
}

static void the_first_failure_cancels_the_others_and_is_what_is_told(void **state)
{
    struct stage s = {.fails_at = 3, .forever = true};

    (void)state;
    begin(&s, PARTS);
    async_loop_run(s.loop);
    assert_int_equal(s.rc, TL_UPSTREAM);
    assert_string_equal(s.err.text, "part 3 broke");
    assert_int_equal(s.ended, s.begun);
    assert_int_equal(s.now, 0);
    async_loop_free(s.loop);
}

static void a_whole_that_is_cancelled_waits_for_all_its_parts(void **state)
{
    struct stage s = {.fails_at = PARTS, .forever = true, .cancels = true};

    (void)state;
    begin(&s, PARTS);
    async_loop_run(s.loop);
    assert_int_equal(s.rc, TL_CANCELED);
    assert_int_equal(s.ended, PARTS);
    async_loop_free(s.loop);
}

static void too_many_parts_and_a_host_that_reads_nothing_are_errors(void **state)
{
    struct stage s = {.fails_at = PARTS}, t = {.fails_at = PARTS};

    (void)state;
    begin(&s, CONNECTOR_PARTS + 1);
    async_loop_run(s.loop);
    assert_int_equal(s.rc, TL_BUG);
    async_loop_free(s.loop);
    begin(&t, 1);
    t.ledger.part = NULL;
    async_loop_run(t.loop);
    assert_int_equal(t.rc, TL_UNSUPPORTED);
    async_loop_free(t.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_parts_run_side_by_side_and_the_whole_ends_with_the_last),
        cmocka_unit_test(the_first_failure_cancels_the_others_and_is_what_is_told),
        cmocka_unit_test(a_whole_that_is_cancelled_waits_for_all_its_parts),
        cmocka_unit_test(too_many_parts_and_a_host_that_reads_nothing_are_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
