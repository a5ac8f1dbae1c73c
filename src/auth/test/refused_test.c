/* SPDX-License-Identifier: Apache-2.0 */
/* refusals: what pauses a connection, for how long, and what a restart or a reload keeps of it */
#include "world.h"

static void three_failures_of_the_token_endpoint_pause_nothing(void **state)
{
    struct world *w = *state;
    struct auth *a = world_auth(w, "oauth2_client_credentials", &world_client_conf);
    struct auth_status s;
    struct job j;

    w->fail_first = 3;
    for (int i = 0; i < 3; i++)
        assert_int_equal(world_apply(w, a, &j), TL_UPSTREAM);
    auth_get_status(a, &s);
    assert_false(s.paused);
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    auth_free(a);
}

static void a_401_renews_once_and_the_second_one_pauses(void **state)
{
    struct world *w = *state;
    struct auth *a = world_auth(w, "oauth2_client_credentials", &world_client_conf);
    struct auth_status s;
    struct job j, late;

    assert_int_equal(world_apply(w, a, &j), TL_OK);
    late = j;
    assert_true(auth_rejected(a, &j.ticket, TL_SV("")));
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_string_equal(j.authorization, "Bearer access-2");
    assert_true(
        auth_rejected(a, &late.ticket, TL_SV(""))); /* a call with the old token learns that there is a new one */
    assert_false(auth_rejected(a, &j.ticket, TL_SV("")));
    auth_get_status(a, &s);
    assert_true(s.paused);
    assert_int_equal(world_apply(w, a, &j), TL_AUTH);
    assert_int_equal(j.err.retry_after_ms, 60000);
    assert_int_equal(w->calls, 2);
    tl_fake_clock_advance_ms(&w->clock, MINUTE);
    assert_int_equal(world_apply(w, a, &j), TL_OK); /* the probe, with a fresh token */
    assert_int_equal(world_apply(w, a, &late), TL_AUTH);
    auth_accepted(a, &j.ticket, TL_SV(""));
    assert_int_equal(world_apply(w, a, &late), TL_OK);
    auth_free(a);
}

static void never_more_than_three_refusals_in_half_an_hour(void **state)
{
    static const int64_t schedule[] = {0, 1, 6, 30, 60, 90, 120};
    struct world *w = *state;
    struct auth *a = world_auth(w, "oauth2_client_credentials", &world_client_conf);
    size_t n = 0;
    struct job j;

    w->status = 401;
    for (int64_t minute = 0; minute <= 120; minute++) {
        int before = w->calls;

        assert_int_equal(world_apply(w, a, &j), TL_AUTH);
        if (w->calls > before)
            assert_int_equal(minute, schedule[n++]);
        tl_fake_clock_advance_ms(&w->clock, MINUTE);
    }
    assert_int_equal(n, TL_COUNT(schedule));
    w->status = 200; /* repaired: resumes by itself at the next probe */
    tl_fake_clock_advance_ms(&w->clock, 30 * MINUTE);
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    auth_accepted(a, &j.ticket, TL_SV(""));
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    auth_free(a);
}

static enum tl_rc run_remember(struct task *t, void *arg, struct tl_err *err)
{
    return auth_remember(t, arg, err);
}

/* What a connector's host does with a 401 that stays. */
static void refuse(struct world *w, struct auth *a, struct job *j)
{
    struct task *t;

    assert_false(auth_rejected(a, &j->ticket, TL_SV("")));
    assert_int_equal(task_start(w->loop, "remember", 0, run_remember, a, NULL, &t, NULL), TL_OK);
    async_loop_run(w->loop);
}

static const struct auth_conf basic_conf = {.login = {.kind = CONFIG_SECRET_LITERAL, .name = "u"},
                                            .password = {.kind = CONFIG_SECRET_ENV, .name = "SECRET"}};

static void a_service_that_is_restarted_again_and_again_locks_no_account(void **state)
{
    struct world *w = *state;
    struct job j;
    int sent = 0;

    for (int start = 0; start < 60; start++) { /* one every half a minute */
        struct auth *a = world_auth(w, "basic", &basic_conf);

        if (world_apply(w, a, &j) == TL_OK) {
            sent++;
            refuse(w, a, &j);
        }
        auth_free(a);
        tl_fake_clock_advance_ms(&w->clock, MINUTE / 2);
    }
    assert_int_equal(sent, 3);
    assert_null(memmem(w->refused.p, w->refused.n, w->password, strlen(w->password)));
    w->password = "another-password"; /* mended while it was down */
    assert_int_equal(secret_reload(w->box, NULL, NULL), 1);
    {
        struct auth *a = world_auth(w, "basic", &basic_conf);

        assert_int_equal(world_apply(w, a, &j), TL_OK);
        auth_free(a);
    }
}

static void a_reload_goes_on_with_the_token_and_forgets_no_refusal(void **state)
{
    struct world *w = *state;
    struct auth *a, *b;
    struct job j;

    w->auth.disk = (struct auth_disk){.put = NULL};
    w->auth.book = auth_book_new();
    a = world_auth(w, "oauth2_client_credentials", &world_client_conf);
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_int_equal(w->calls, 1);
    b = world_auth(w, "oauth2_client_credentials", &world_client_conf);
    assert_int_equal(world_apply(w, b, &j), TL_OK);
    assert_int_equal(w->calls, 1);
    assert_true(auth_rejected(b, &j.ticket, TL_SV("")));
    assert_int_equal(world_apply(w, b, &j), TL_OK);
    assert_false(auth_rejected(b, &j.ticket, TL_SV("")));
    assert_int_equal(world_apply(w, a, &j), TL_AUTH);
    auth_free(a);
    a = world_auth(w, "oauth2_client_credentials", &world_client_conf);
    assert_int_equal(world_apply(w, a, &j), TL_AUTH);
    auth_free(a);
    {
        struct auth_conf changed = world_client_conf; /* a person has written another client into the configuration */

        changed.client_id = "id:2";
        a = world_auth(w, "oauth2_client_credentials", &changed);
        assert_int_equal(world_apply(w, a, &j), TL_OK);
        auth_free(a);
    }
    auth_free(b);
    auth_book_free(w->auth.book);
}

static void the_change_of_anothers_secret_is_no_reason_to_try_again(void **state)
{
    struct config_secret other = {.kind = CONFIG_SECRET_ENV, .name = "OTHER"};
    struct world *w = *state;
    struct auth *a = world_auth(w, "basic", &basic_conf);
    struct secret *value = NULL;
    struct job j;

    assert_int_equal(secret_get(w->box, &other, &value, NULL, NULL), TL_OK);
    secret_unref(value);
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    refuse(w, a, &j);
    w->other = "rotated-every-hour";
    assert_int_equal(secret_reload(w->box, NULL, NULL), 1);
    assert_int_equal(world_apply(w, a, &j), TL_AUTH);
    w->password = "mended";
    assert_int_equal(secret_reload(w->box, NULL, NULL), 1);
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    auth_free(a);
}

static void a_changed_secret_is_tried_at_once(void **state)
{
    struct world *w = *state;
    struct auth *a = world_auth(w, "basic", &basic_conf);
    struct job j;

    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_string_equal(j.authorization, "Basic dTp0aGUtY2xpZW50LXNlY3JldA==");
    assert_false(auth_rejected(a, &j.ticket, TL_SV(""))); /* nothing to renew */
    assert_int_equal(world_apply(w, a, &j), TL_AUTH);
    w->password = "new-secret";
    assert_int_equal(secret_reload(w->box, NULL, NULL), 1);
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_string_equal(j.authorization, "Basic dTpuZXctc2VjcmV0");
    auth_accepted(a, &j.ticket, TL_SV(""));
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    auth_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(three_failures_of_the_token_endpoint_pause_nothing),
        WORLD_TEST(a_401_renews_once_and_the_second_one_pauses),
        WORLD_TEST(never_more_than_three_refusals_in_half_an_hour),
        WORLD_TEST(a_service_that_is_restarted_again_and_again_locks_no_account),
        WORLD_TEST(a_reload_goes_on_with_the_token_and_forgets_no_refusal),
        WORLD_TEST(the_change_of_anothers_secret_is_no_reason_to_try_again),
        WORLD_TEST(a_changed_secret_is_tried_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
