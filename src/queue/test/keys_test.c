/* SPDX-License-Identifier: Apache-2.0 */
/* Idempotency keys through their three places, with generations of a few keys. */
#include "help.h"
#include "powercut_vfs.h"

#include <stdio.h>

#define N 300
#define DAY_MS 86400000

static int setup_with(void **state, const char *vfs)
{
    struct bench *b;
    struct tl_err err;

    (void)help_setup(state);
    b = *state;
    b->key_generation = 8;
    b->vfs = vfs;
    help_open(b);
    assert_int_equal(queue_pause_flow(b->q, NULL, b->flows[0].ret_id, TL_SV("nothing goes out"), &err), TL_OK);
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, NULL);
}

static int setup_failing(void **state)
{
    powercut_register();
    return setup_with(state, POWERCUT_VFS);
}

static int teardown_failing(void **state)
{
    (void)help_teardown(state);
    powercut_forget();
    return 0;
}

static uint64_t put(struct bench *b, int n)
{
    char key[16];

    (void)snprintf(key, sizeof(key), "k%d", n);
    return help_put(b, key, NULL, "x");
}

static void again(struct bench *b)
{
    help_close(b);
    help_open(b);
}

static void a_key_is_known_wherever_it_has_got_to_and_after_each_restart(void **state)
{
    struct bench *b = *state;
    uint64_t id[N];

    for (int i = 0; i < N; i++) {
        id[i] = put(b, i);
        for (int j = i; j >= 0; j -= 1 + j / 16)
            assert_int_equal(put(b, j), id[j]);
        if (i % 5 == 0)
            again(b);
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(put(b, i), id[i]);
}

static void a_cancelled_event_gives_its_key_back_wherever_that_is(void **state)
{
    struct bench *b = *state;
    uint64_t id[60];

    for (int i = 0; i < 60; i++)
        id[i] = put(b, i);
    for (int i = 0; i < 60; i++) {
        struct queue_plan plan = {.action = QUEUE_CANCEL, .filter = {.ids = &id[i], .n_ids = 1}};
        uint64_t fresh;

        assert_int_equal(help_job(b, &plan).done, 1);
        fresh = put(b, i);
        assert_true(fresh > id[59]);
        assert_int_equal(put(b, i), fresh);
        if (i % 7 == 0)
            again(b);
        assert_int_equal(put(b, i), fresh);
    }
}

static enum tl_rc try_put(struct bench *b, const char *key, bool *ret_duplicate)
{
    struct queue_put put = {.flow = b->flows[0].ret_id,
                            .source = TL_SV("s"),
                            .key = tl_sv_str(key),
                            .meta = TL_SV("{}"),
                            .body = TL_SV("x")};
    struct tl_err err;
    enum tl_rc rc = queue_put(b->q, NULL, &put, &err);

    *ret_duplicate = put.ret_duplicate;
    return rc;
}

static void a_put_that_was_refused_does_not_own_its_key(void **state)
{
    struct bench *b = *state;
    char key[16];
    bool dup;

    for (int i = 0; i < 60; i++) {
        (void)snprintf(key, sizeof(key), "k%d", i);
        powercut_full(1);
        assert_int_equal(try_put(b, key, &dup), TL_FULL);
        powercut_full(0);
        help_after(b, 1000);
        assert_int_equal(try_put(b, key, &dup), TL_OK);
        assert_false(dup);
        assert_int_equal(try_put(b, key, &dup), TL_OK);
        assert_true(dup);
    }
}

static void a_key_can_be_looked_up_wherever_it_is_and_is_forgotten_after_its_time(void **state)
{
    struct bench *b = *state;
    struct queue_reader *r = NULL;
    struct tl_err err;
    uint64_t id[30], found;
    char key[16];

    for (int i = 0; i < 30; i++)
        id[i] = put(b, i);
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(key, sizeof(key), "k%d", i);
        assert_int_equal(queue_find_key(r, TL_SV("s"), tl_sv_str(key), &found, &err), TL_OK);
        assert_int_equal(found, id[i]);
    }
    for (int i = 0; i < 8; i++)
        help_after(b, DAY_MS);
    assert_int_equal(queue_find_key(r, TL_SV("s"), TL_SV("k29"), &found, &err), TL_NOT_FOUND);
    queue_reader_close(r);
    for (int i = 0; i < 30; i++)
        assert_true(put(b, i) > id[29]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_is_known_wherever_it_has_got_to_and_after_each_restart, setup,
                                        help_teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_event_gives_its_key_back_wherever_that_is, setup, help_teardown),
        cmocka_unit_test_setup_teardown(a_put_that_was_refused_does_not_own_its_key, setup_failing, teardown_failing),
        cmocka_unit_test_setup_teardown(a_key_can_be_looked_up_wherever_it_is_and_is_forgotten_after_its_time, setup,
                                        help_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
