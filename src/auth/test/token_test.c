/* SPDX-License-Identifier: Apache-2.0 */
/* tokens: one request for all who wait, renewal, rotation over crashes, what the server is told and says */
#include "world.h"

#include "../../crypto/test/keys.h"

static void five_hundred_tasks_cause_one_token_request(void **state)
{
    enum { TASKS = 500 };
    struct world *w = *state;
    struct auth *a = world_auth(w, "oauth2_client_credentials", &world_client_conf);
    struct job *jobs = tl_zalloc(TASKS * sizeof(*jobs));

    for (int round = 1; round <= 3; round++) {
        for (size_t i = 0; i < TASKS; i++)
            world_start(w, &jobs[i], a);
        async_loop_run(w->loop);
        for (size_t i = 0; i < TASKS; i++) {
            char want[32];

            (void)snprintf(want, sizeof(want), "Bearer access-%d", round);
            assert_int_equal(jobs[i].rc, TL_OK);
            assert_string_equal(jobs[i].authorization, want);
            tl_arena_free(jobs[i].arena);
        }
        assert_int_equal(w->calls, round);
        tl_fake_clock_advance_ms(&w->clock, 3600 * 1000);
    }
    /* RFC 6749 2.3.1: "id%3A1:the-client-secret" */
    assert_string_equal(w->authorization, "Basic aWQlM0ExOnRoZS1jbGllbnQtc2VjcmV0");
    tl_free(jobs);
    auth_free(a);
}

static void a_token_is_renewed_ahead_and_a_failure_of_that_goes_unnoticed(void **state)
{
    struct world *w = *state;
    struct auth *a = world_auth(w, "oauth2_client_credentials", &world_client_conf);
    struct job j;

    assert_int_equal(world_apply(w, a, &j), TL_OK);
    tl_fake_clock_advance_ms(&w->clock, 3600 * 1000 - 61 * 1000);
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_int_equal(w->calls, 1);
    tl_fake_clock_advance_ms(&w->clock, 2000);
    w->fail_first = 1;
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_string_equal(j.authorization, "Bearer access-1");
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_string_equal(j.authorization, "Bearer access-2");
    assert_int_equal(w->calls, 3);
    auth_free(a);
}

static void a_rotated_refresh_token_survives_a_crash_at_every_point(void **state)
{
    struct world *w = *state;
    struct auth *a = world_auth(w, "oauth2_refresh_token", &world_refresh_conf);
    struct job j;

    w->rotates = true;
    for (int round = 1; round <= 5; round++) {
        tl_fake_clock_advance_ms(&w->clock, 3600 * 1000);
        assert_int_equal(world_apply(w, a, &j), TL_OK);
        assert_int_equal(w->puts, round); /* on disk before the call that uses it */
        assert_null(strstr(w->disk.p, "refresh-"));
        if (round % 2 == 0)
            auth_accepted(a, &j.ticket, TL_SV(""));
        auth_free(a); /* the process dies here, used or not */
        a = world_auth(w, "oauth2_refresh_token", &world_refresh_conf);
    }
    assert_int_equal(w->calls, 5);
    /* Not expired: after a restart the token on disk serves without a request. */
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_string_equal(j.authorization, "Bearer access-5");
    assert_int_equal(w->calls, 5);
    auth_free(a);
}

static void the_refresh_token_before_is_tried_when_the_newest_is_unknown(void **state)
{
    struct world *w = *state;
    struct auth *a = world_auth(w, "oauth2_refresh_token", &world_refresh_conf);
    struct job j;

    w->rotates = true;
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    tl_fake_clock_advance_ms(&w->clock, 3600 * 1000);
    assert_int_equal(world_apply(w, a, &j), TL_OK); /* refresh-1 used, refresh-2 and the previous refresh-1 are kept */
    (void)snprintf(w->refresh, sizeof(w->refresh), "refresh-1"); /* the server's database was restored */
    w->previous[0] = '\0';
    tl_fake_clock_advance_ms(&w->clock, 3600 * 1000);
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_int_equal(w->calls, 4);
    auth_free(a);
}

static void it_is_known_since_when_and_until_when_a_grant_is_good(void **state)
{
    struct world *w = *state;
    struct auth *a = world_auth(w, "oauth2_refresh_token", &world_refresh_conf);
    struct auth_status s;
    struct job j;

    w->rotates = true;
    w->expires_in = 3600;
    w->more = ",\"refresh_token_expires_in\":86400";
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    auth_get_status(a, &s);
    assert_int_equal(s.since_ms, START);
    assert_int_equal(s.expires_ms, START + 3600 * 1000);
    assert_int_equal(s.grant_since_ms, START);
    assert_int_equal(s.grant_expires_ms, START + 86400 * 1000);
    auth_free(a); /* a restart */
    a = world_auth(w, "oauth2_refresh_token", &world_refresh_conf);
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_int_equal(w->calls, 1);
    auth_get_status(a, &s);
    assert_int_equal(s.grant_expires_ms, START + 86400 * 1000);
    w->rotates = false; /* the next answer names no refresh token: the old one goes on, with its end */
    w->more = NULL;
    tl_fake_clock_advance_ms(&w->clock, 3600 * 1000);
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    auth_get_status(a, &s);
    assert_int_equal(s.since_ms, START + 3600 * 1000);
    assert_int_equal(s.grant_expires_ms, START + 86400 * 1000);
    auth_free(a);
}

static void a_fixed_token_that_is_a_jwt_says_itself_when_it_ends(void **state)
{
    static const struct auth_conf conf = {.value = {.kind = CONFIG_SECRET_ENV, .name = "SECRET"}};
    static const struct {
        const char *token;
        int64_t since, until;
    } cases[] = {
        {"e30.%s.c2ln", INT64_C(1759000000000), INT64_C(1761000000000)},
        {"e30.e30.c2ln", 0, 0},
        {"just-a-token", 0, 0},
        {"one.two", 0, 0},
        {"a.b.c", 0, 0},
        {"a..c", 0, 0},
        {"a.%s.c.d", 0, 0},
    };
    struct world *w = *state;
    struct auth_status s;
    char text[256];

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        const char *at = strstr(cases[i].token, "%s");
        struct auth *a;

        (void)snprintf(text, sizeof(text), "%.*s%s%s", at != NULL ? (int)(at - cases[i].token) : 200, cases[i].token,
                       at != NULL ? "eyJpYXQiOjE3NTkwMDAwMDAsImV4cCI6MTc2MTAwMDAwMH0" : "", at != NULL ? at + 2 : "");
        w->password = text;
        a = world_auth(w, "bearer", &conf);
        assert_true(secret_reload(w->box, NULL, NULL) <= 1);
        auth_get_status(a, &s);
        assert_int_equal(s.fixed_since_ms, cases[i].since);
        assert_int_equal(s.fixed_expires_ms, cases[i].until);
        auth_free(a);
    }
}

static void a_full_disk_does_not_lose_a_rotated_token(void **state)
{
    struct world *w = *state;
    struct auth *a = world_auth(w, "oauth2_refresh_token", &world_refresh_conf);
    struct auth_status s;
    struct job j;

    w->rotates = true;
    w->disk_fails = true;
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    auth_get_status(a, &s);
    assert_string_equal(s.reason, "the disk is full");
    w->disk_fails = false;
    tl_fake_clock_advance_ms(&w->clock, 3600 * 1000);
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_string_equal(j.authorization, "Bearer access-2");
    auth_free(a);
}

static void a_damaged_token_file_gets_one_sentence(void **state)
{
    struct world *w = *state;
    struct auth *a = world_auth(w, "oauth2_refresh_token", &world_refresh_conf);
    struct job j;

    tl_buf_puts(&w->disk, "TS\x11");
    assert_int_equal(world_apply(w, a, &j), TL_CONFIG);
    assert_non_null(strstr(j.err.text, "run tieline connect erp"));
    auth_free(a);
}

static void the_servers_words_are_shown_without_our_secrets(void **state)
{
    struct world *w = *state;
    struct auth *a = world_auth(w, "oauth2_client_credentials", &world_client_conf);
    struct job j;

    w->status = 401;
    w->words = "secret the-client-secret is wrong";
    assert_int_equal(world_apply(w, a, &j), TL_AUTH);
    assert_non_null(strstr(j.err.text, "secret *** is wrong"));
    auth_free(a);
}

static void a_private_key_proves_the_client_and_the_clock_of_the_server_counts(void **state)
{
    static const struct auth_conf conf = {.token_url = "https://login.example.com/token",
                                          .client_id = "me",
                                          .kid = "k1",
                                          .alg = 5, /* ES256 */
                                          .client_auth = PRIVATE_KEY_JWT,
                                          .private_key = {.kind = CONFIG_SECRET_ENV, .name = "KEY"}};
    static const struct auth_ticket none = {0};
    struct world *w = *state;
    struct auth *a = world_auth(w, "oauth2_client_credentials", &conf);
    struct tl_arena *arena = tl_arena_new(1u << 20);
    const struct tl_sv issuer = TL_SV("me"), audience = TL_SV("https://login.example.com/token");
    struct crypto_jwt_rules rules = {.issuers = &issuer, .n_issuers = 1, .audiences = &audience, .n_audiences = 1};
    struct crypto_key *key = NULL;
    struct crypto_keys *keys;
    struct crypto_jwt jwt;
    struct tl_sv token;
    struct job j;
    char date[TL_TIME_TEXT];

    auth_accepted(a, &none, tl_sv_str(tl_http_date_format(START + 10 * MINUTE, date))); /* ten minutes ahead of us */
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    token = tl_sv_str(strstr(w->body, "client_assertion=") + strlen("client_assertion="));
    token.n = tl_sv_find(token, '&');
    assert_int_equal(crypto_key_from_pem(w->c, tl_sv_str(pem_ec_public), TL_SV_NULL, &key, NULL), TL_OK);
    keys = crypto_keys_of(&key, 1);
    assert_int_equal(crypto_jwt_verify(w->c, arena, token, keys, &rules, START + 10 * MINUTE + 1000, &jwt, NULL),
                     TL_OK);
    assert_true(tl_sv_eqs(json_view(json_gets(jwt.header, "kid")), "k1"));
    assert_int_equal(crypto_jwt_verify(w->c, arena, token, keys, &rules, START, &jwt, NULL), TL_AUTH);
    crypto_keys_unref(keys);
    crypto_key_unref(key);
    tl_arena_free(arena);
    auth_free(a);
}

struct connect_job {
    struct auth *auth;
    struct auth_code code;
    struct tl_sv query;
    enum tl_rc rc;
    struct tl_err err;
};

static enum tl_rc run_connect(struct task *t, void *arg, struct tl_err *err)
{
    struct connect_job *j = arg;

    (void)err;
    j->rc = auth_code_finish(t, j->auth, &j->code, TL_SV("http://127.0.0.1:9/cb"), j->query, &j->err);
    return TL_OK;
}

static void a_person_agrees_with_pkce_and_the_grant_is_kept(void **state)
{
    struct world *w = *state;
    struct auth_conf conf = world_refresh_conf;
    struct tl_arena *arena = tl_arena_new(1u << 20);
    struct connect_job c = {.auth = NULL};
    struct auth *a;
    struct task *t;
    struct job j;

    conf.refresh_token.kind = CONFIG_SECRET_NONE;
    a = c.auth = world_auth(w, "oauth2_authorization_code", &conf);
    w->rotates = true;
    assert_int_equal(world_apply(w, a, &j), TL_AUTH);
    assert_non_null(strstr(j.err.text, "tieline connect erp"));
    assert_int_equal(auth_code_begin(a, arena, TL_SV("http://127.0.0.1:9/cb"), &c.code, NULL), TL_OK);
    assert_non_null(strstr(c.code.url.p, "code_challenge_method=S256"));
    assert_non_null(strstr(c.code.url.p, "scope=read%20write"));
    assert_null(strstr(c.code.url.p, c.code.verifier));
    c.query = TL_SV("code=abc&state=forged");
    assert_int_equal(task_start(w->loop, "c", 0, run_connect, &c, NULL, &t, NULL), TL_OK);
    async_loop_run(w->loop);
    assert_int_equal(c.rc, TL_INVALID);
    c.query = tl_sv_str(tl_arena_printf(arena, "code=a%%26c&state=%s", c.code.state));
    assert_int_equal(task_start(w->loop, "c", 0, run_connect, &c, NULL, &t, NULL), TL_OK);
    async_loop_run(w->loop);
    assert_int_equal(c.rc, TL_OK);
    assert_non_null(strstr(w->body, "code=a%26c&"));
    assert_non_null(strstr(w->body, c.code.verifier));
    assert_int_equal(w->puts, 1);
    assert_int_equal(world_apply(w, a, &j), TL_OK); /* no pause is left from before */
    tl_arena_free(arena);
    auth_free(a);
}

static struct auth *given_known(struct world *w, const struct auth_conf *conf)
{
    static const struct auth_defaults known = {.token_url = "https://known.example.com/token",
                                               .scope = "restlets rest_webservices",
                                               .rsa_alg = CRYPTO_PS256,
                                               .scope_in_assertion = true};
    struct auth *a = NULL;

    assert_int_equal(auth_new(&w->auth, "erp", "oauth2_client_credentials", conf, &known, &a, NULL), TL_OK);
    return a;
}

static void what_the_connector_knows_of_the_server_need_not_be_written(void **state)
{
    static const struct auth_conf conf = {
        .client_id = "me", .kid = "k1", .private_key = {.kind = CONFIG_SECRET_ENV, .name = "KEY"}};
    struct world *w = *state;
    struct auth *a = given_known(w, &conf), *none = NULL;
    TL_CLEANUP(tl_arena_freep) struct tl_arena *arena = tl_arena_new(1u << 20);
    const struct tl_sv issuer = TL_SV("me"), audience = TL_SV("https://known.example.com/token");
    const enum crypto_alg es256 = CRYPTO_ES256; /* the key is one of P-256 */
    const struct crypto_jwt_rules rules = {
        .algs = &es256, .n_algs = 1, .issuers = &issuer, .n_issuers = 1, .audiences = &audience, .n_audiences = 1};
    struct crypto_key *key = NULL;
    struct crypto_keys *keys;
    struct crypto_jwt jwt;
    struct tl_sv token;
    struct job j;

    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_null(strstr(w->body, "scope=")); /* in the assertion instead */
    token = tl_sv_str(strstr(w->body, "client_assertion=") + strlen("client_assertion="));
    token.n = tl_sv_find(token, '&');
    assert_int_equal(crypto_key_from_pem(w->c, tl_sv_str(pem_ec_public), TL_SV_NULL, &key, NULL), TL_OK);
    keys = crypto_keys_of(&key, 1);
    assert_int_equal(crypto_jwt_verify(w->c, arena, token, keys, &rules, START, &jwt, NULL), TL_OK);
    assert_int_equal(json_gets(jwt.claims, "scope").n, 2);
    assert_true(tl_sv_eqs(json_text(json_at(json_gets(jwt.claims, "scope"), 1), TL_SV("")), "rest_webservices"));
    assert_int_equal(json_gets(jwt.claims, "sub").type, JSON_UNDEFINED);
    assert_int_equal(auth_new(&w->auth, "erp", "oauth2_client_credentials", &conf, NULL, &none, NULL), TL_CONFIG);
    crypto_keys_unref(keys);
    crypto_key_unref(key);
    auth_free(a);
}

static void where_the_api_is_comes_with_each_token_and_survives_a_restart(void **state)
{
    static const struct auth_defaults known = {.rsa_alg = CRYPTO_ALG_UNSET, .base_member = "instance_url"};
    struct world *w = *state;
    struct auth *a = NULL;
    struct job j;

    w->instance = "https://na1.example.com";
    assert_int_equal(auth_new(&w->auth, "erp", "oauth2_client_credentials", &world_client_conf, &known, &a, NULL),
                     TL_OK);
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_string_equal(j.base, "https://na1.example.com");
    auth_free(a);
    w->instance = "https://na2.example.com"; /* moved, but the token at hand is good where it was given out */
    assert_int_equal(auth_new(&w->auth, "erp", "oauth2_client_credentials", &world_client_conf, &known, &a, NULL),
                     TL_OK);
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_int_equal(w->calls, 1);
    assert_string_equal(j.base, "https://na1.example.com");
    assert_true(auth_rejected(a, &j.ticket, TL_SV("")));
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_string_equal(j.base, "https://na2.example.com");
    auth_free(a);
    a = world_auth(w, "oauth2_client_credentials", &world_client_conf); /* a system that is not known to say it */
    w->disk.n = 0;
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_string_equal(j.base, "");
    auth_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(five_hundred_tasks_cause_one_token_request),
        WORLD_TEST(a_token_is_renewed_ahead_and_a_failure_of_that_goes_unnoticed),
        WORLD_TEST(a_rotated_refresh_token_survives_a_crash_at_every_point),
        WORLD_TEST(the_refresh_token_before_is_tried_when_the_newest_is_unknown),
        WORLD_TEST(it_is_known_since_when_and_until_when_a_grant_is_good),
        WORLD_TEST(a_fixed_token_that_is_a_jwt_says_itself_when_it_ends),
        WORLD_TEST(a_full_disk_does_not_lose_a_rotated_token),
        WORLD_TEST(a_damaged_token_file_gets_one_sentence),
        WORLD_TEST(the_servers_words_are_shown_without_our_secrets),
        WORLD_TEST(a_private_key_proves_the_client_and_the_clock_of_the_server_counts),
        WORLD_TEST(a_person_agrees_with_pkce_and_the_grant_is_kept),
        WORLD_TEST(what_the_connector_knows_of_the_server_need_not_be_written),
        WORLD_TEST(where_the_api_is_comes_with_each_token_and_survives_a_restart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
