/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "flow/in/refusals.h"

static void the_first_is_told_at_once_and_the_rest_once_a_minute_with_their_number(void **state)
{
    struct flow_refusals r = {0};
    struct flow_refusal line;

    (void)state;
    assert_true(flow__refusals_add(&r, "192.0.2.1", "wrong", 1000));
    for (int i = 0; i < 299; i++)
        assert_false(flow__refusals_add(&r, "192.0.2.1", "too old", 1000 + i));
    assert_false(flow__refusals_due(&r, 60999, &line));
    assert_true(flow__refusals_due(&r, 61000, &line));
    assert_string_equal(line.from, "192.0.2.1");
    assert_string_equal(line.reason, "too old");
    assert_int_equal(line.folded, 299);
    assert_false(flow__refusals_due(&r, 61000, &line));
    assert_false(flow__refusals_add(&r, "192.0.2.1", "wrong", 70000));
    assert_false(flow__refusals_due(&r, 120999, &line));
    assert_true(flow__refusals_due(&r, 121000, &line));
    assert_int_equal(line.folded, 1);
}

static void after_a_quiet_minute_the_next_is_a_first_one_again(void **state)
{
    struct flow_refusals r = {0};
    struct flow_refusal line;

    (void)state;
    assert_true(flow__refusals_add(&r, "192.0.2.1", "wrong", 1000));
    assert_true(flow__refusals_add(&r, "2001:db8::1", "wrong", 1000));
    assert_false(flow__refusals_due(&r, 61000, &line));
    assert_int_equal(r.used, 0);
    assert_true(flow__refusals_add(&r, "192.0.2.1", "wrong", 61001));
}

static void one_fold_alone_is_free_again_after_a_quiet_minute(void **state)
{
    struct flow_refusal s = {.from = ""}, line;

    (void)state;
    assert_false(flow__fold_due(&s, 0, &line));
    assert_true(flow__fold(&s, "anybody", "why", 1000));
    for (int i = 0; i < 11; i++)
        assert_false(flow__fold(&s, "anybody", "why", 1001));
    assert_false(flow__fold_due(&s, 60999, &line));
    assert_true(flow__fold_due(&s, 61000, &line));
    assert_int_equal(line.folded, 11);
    assert_false(flow__fold_due(&s, 121000, &line));
    assert_true(flow__fold(&s, "anybody", "why", 121001));
}

static void more_senders_than_there_is_room_for_are_counted_together(void **state)
{
    struct flow_refusals r = {0};
    struct flow_refusal line;
    size_t told = 0;
    uint64_t folded = 0;
    char from[HTTP_ADDR_TEXT];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(from, sizeof from, "10.0.%d.%d", i / 250, i % 250);
        told += flow__refusals_add(&r, from, "wrong", 0);
    }
    assert_int_equal(told, FLOW_REFUSAL_SENDERS + 1);
    while (flow__refusals_due(&r, 60000, &line)) {
        assert_string_equal(line.from, "other senders");
        folded += line.folded;
    }
    assert_int_equal(told + folded, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_told_at_once_and_the_rest_once_a_minute_with_their_number),
        cmocka_unit_test(after_a_quiet_minute_the_next_is_a_first_one_again),
        cmocka_unit_test(one_fold_alone_is_free_again_after_a_quiet_minute),
        cmocka_unit_test(more_senders_than_there_is_room_for_are_counted_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
