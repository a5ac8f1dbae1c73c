/* SPDX-License-Identifier: Apache-2.0 */
/* Every pair of state and verb is tried: what the table does not allow is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "queue/queue.h"

struct way {
    enum queue_state from;
    enum queue_verb verb;
    enum queue_state to;
};

static const struct way allowed[] = {
#define X(from, verb, to) {QUEUE_##from, QUEUE_DO_##verb, QUEUE_##to},
    QUEUE_TRANSITION_TABLE(X)
#undef X
};

static void every_pair_of_state_and_verb_is_allowed_or_refused(void **state)
{
    (void)state;
    for (int from = 0; from < QUEUE_STATE_MAX + 2; from++) {
        for (int verb = 0; verb <= QUEUE_VERB_COUNT; verb++) {
            enum queue_state want = QUEUE_STATE_NONE, got = QUEUE_STATE_NONE;

            for (size_t i = 0; i < TL_COUNT(allowed); i++)
                if ((int)allowed[i].from == from && (int)allowed[i].verb == verb)
                    want = allowed[i].to;
            assert_int_equal(queue_transition((enum queue_state)from, (enum queue_verb)verb, &got),
                             want != QUEUE_STATE_NONE);
            assert_int_equal(got, want);
        }
    }
}

static void final_and_computed_states_have_no_way_out(void **state)
{
    static const enum queue_state ends[] = {QUEUE_DELIVERED, QUEUE_SKIPPED, QUEUE_CANCELLED,
                                            QUEUE_DISCARDED, QUEUE_RUNNING, QUEUE_HELD};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(ends); i++) {
        for (int verb = 0; verb < QUEUE_VERB_COUNT; verb++) {
            enum queue_state to;

            assert_false(queue_transition(ends[i], (enum queue_verb)verb, &to));
        }
    }
}

static void state_words_are_read_back(void **state)
{
    (void)state;
    for (int i = 1; i < QUEUE_STATE_MAX; i++) {
        enum queue_state got;

        if (i == 1)
            continue;
        assert_true(queue_state_parse(tl_sv_str(queue_state_name((enum queue_state)i)), &got));
        assert_int_equal(got, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_of_state_and_verb_is_allowed_or_refused),
        cmocka_unit_test(final_and_computed_states_have_no_way_out),
        cmocka_unit_test(state_words_are_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
