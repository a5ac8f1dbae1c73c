/* SPDX-License-Identifier: Apache-2.0 */
/* What a gateway answers with 502 to 504 alone, and what a target that is down answers to all. */
#include "help.h"

#include <stdio.h>
#include <string.h>

enum { PROBE_MS = 61000 }; /* the longest that a breaker stays open, and some */

static void open_bench(struct bench *b, uint32_t attempts)
{
    b->retry.attempts = attempts;
    b->retry.base_ms = 1;
    b->guard.no_breaker = false;
    help_open(b);
}

static void refuse(struct bench *b, struct queue_work *w, uint32_t status)
{
    for (size_t i = 0; i < w->n; i++)
        w->claims[i].outcome = (struct queue_outcome){
            .end = QUEUE_END_FAILED, .rc = TL_UPSTREAM, .status = status, .text = TL_SV("HTTP 503")};
    queue_finish(b->q, w);
    help_turn(b);
}

/* Whatever is tried: what begins with an x is refused, the rest is taken if the target takes anything. How often the
 * former were tried. */
static int go_on(struct bench *b, int rounds, bool takes)
{
    struct queue_work *w;
    int refused = 0;

    for (int i = 0; i < rounds; i++) {
        for (help_after(b, PROBE_MS); (w = help_take(b)) != NULL;) {
            bool bad = !takes || w->claims[0].body.p[0] == 'x';

            refused += w->claims[0].body.p[0] == 'x';
            if (bad)
                refuse(b, w, 503);
            else
                help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
        }
    }
    return refused;
}

static enum queue_state state_of(struct bench *b, uint64_t id)
{
    struct queue_row row;

    help_row(b, id, &row);
    return row.state;
}

static void one_that_is_refused_alone_dies_after_its_attempts(struct bench *b, uint32_t attempts)
{
    uint64_t bad;
    int tried = 0;

    open_bench(b, attempts);
    bad = help_put(b, NULL, NULL, "x");
    tried += go_on(b, 20, true);
    assert_int_not_equal(state_of(b, bad), QUEUE_DEAD); /* nothing shows so far that the target is not down */
    for (int i = 0; i < 12 && state_of(b, bad) != QUEUE_DEAD; i++) {
        (void)help_put(b, NULL, NULL, "good");
        tried += go_on(b, 2, true);
    }
    assert_int_equal(state_of(b, bad), QUEUE_DEAD);
    assert_in_range(tried, 21, 60);
    assert_int_equal(help_count(b, QUEUE_QUEUED) + help_count(b, QUEUE_RETRYING), 0);
}

static void with_one_attempt_too_what_is_refused_alone_dies_when_others_go_through(void **state)
{
    one_that_is_refused_alone_dies_after_its_attempts(*state, 1);
}

static void with_eight_attempts_what_is_refused_alone_dies_when_others_go_through(void **state)
{
    one_that_is_refused_alone_dies_after_its_attempts(*state, 8);
}

/* They fail one after the other: none stands for the target being down for the others. */
static void several_that_are_refused_do_not_keep_each_other_alive(void **state)
{
    struct bench *b = *state;

    open_bench(b, 2);
    for (int i = 0; i < 6; i++)
        (void)help_put(b, NULL, NULL, "x");
    for (int i = 0; i < 30; i++) {
        (void)help_put(b, NULL, NULL, "good");
        (void)go_on(b, 2, true);
    }
    assert_int_equal(help_count(b, QUEUE_DEAD), 6);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 30);
}

static void while_nothing_goes_through_nothing_dies_with_one_attempt_either(void **state)
{
    struct bench *b = *state;

    open_bench(b, 1);
    (void)help_put(b, NULL, NULL, "good");
    (void)go_on(b, 1, true);
    for (int i = 0; i < 5; i++)
        (void)help_put(b, NULL, NULL, i % 2 ? "x" : "good");
    (void)go_on(b, 50, false);
    help_close(b);
    help_open(b);
    (void)go_on(b, 50, false);
    assert_int_equal(help_count(b, QUEUE_DEAD), 0);
    (void)go_on(b, 10, true);
    assert_int_equal(help_count(b, QUEUE_DELIVERED), 4);
    assert_int_equal(help_count(b, QUEUE_DEAD), 2);
}

static void what_was_refused_before_its_replay_is_over(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_REPLAY, .filter = {.state = QUEUE_DEAD}};

    open_bench(b, 1);
    (void)help_put(b, NULL, NULL, "x");
    (void)go_on(b, 3, true);
    (void)help_put(b, NULL, NULL, "good");
    (void)go_on(b, 3, true);
    assert_int_equal(help_count(b, QUEUE_DEAD), 1);
    (void)help_job(b, &plan);
    (void)go_on(b, 50, false);
    assert_int_equal(help_count(b, QUEUE_DEAD), 0);
}

/* What the connection and the flow say: in the one's words, the other has the same. */
static void words_of(struct bench *b, char ret[200])
{
    struct tl_arena *arena = tl_arena_new(1u << 20);
    struct queue_stat stat;
    struct tl_err err;

    assert_int_equal(queue_stats(b->q, NULL, arena, &stat, &err), TL_OK);
    assert_int_equal(stat.connections[0].held, QUEUE_HELD_BREAKER);
    (void)snprintf(ret, 200, "%s", stat.connections[0].held_text);
    if (stat.flows[0].held == QUEUE_HELD_BREAKER)
        assert_string_equal(ret, stat.flows[0].held_text);
    tl_arena_free(arena);
}

static void how_often_it_was_refused_is_said_where_it_waits_and_of_its_connection(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_CANCEL};
    char words[200], id[14];
    struct queue_row row;
    struct tl_err err;
    uint64_t bad;

    open_bench(b, 1);
    bad = help_put(b, NULL, NULL, "x");
    help_turn(b);
    refuse(b, help_take(b), 503);
    help_after(b, PROBE_MS);
    refuse(b, help_take(b), 502);
    help_after(b, PROBE_MS);
    refuse(b, help_take(b), 504);
    help_row(b, bad, &row);
    assert_int_equal(row.refused, 3);
    assert_int_equal(queue_why(b->q, NULL, &row, 1, &err), TL_OK);
    assert_int_equal(row.held, QUEUE_HELD_BREAKER);
    assert_non_null(strstr(row.held_text, "502 to 504, 3 times"));
    words_of(b, words);
    assert_non_null(strstr(words, tl_id32_format(bad, id)));
    assert_non_null(strstr(words, "3 times"));
    plan.filter = (struct queue_filter){.ids = &bad, .n_ids = 1};
    (void)help_job(b, &plan);
    words_of(b, words);
    assert_string_equal(words, ""); /* it is no matter any more */
}

static void one_that_could_not_be_sent_is_not_said_to_be_refused(void **state)
{
    struct bench *b = *state;
    char words[200];
    struct queue_row row;
    uint64_t id;

    open_bench(b, 1);
    id = help_put(b, NULL, NULL, "x");
    help_turn(b);
    help_finish(b, help_take(b), QUEUE_END_FAILED, TL_UNREACHABLE, "no");
    help_row(b, id, &row);
    assert_int_equal(row.refused, 0);
    words_of(b, words);
    assert_string_equal(words, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(with_one_attempt_too_what_is_refused_alone_dies_when_others_go_through),
        T(with_eight_attempts_what_is_refused_alone_dies_when_others_go_through),
        T(several_that_are_refused_do_not_keep_each_other_alive),
        T(while_nothing_goes_through_nothing_dies_with_one_attempt_either),
        T(what_was_refused_before_its_replay_is_over),
        T(how_often_it_was_refused_is_said_where_it_waits_and_of_its_connection),
        T(one_that_could_not_be_sent_is_not_said_to_be_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
