/* SPDX-License-Identifier: Apache-2.0 */
/* the other schemes: keys, signatures, passports */
#include "world.h"

static void keys_and_signatures_go_where_they_are_configured(void **state)
{
    static const struct config_secret secret = {.kind = CONFIG_SECRET_ENV, .name = "SECRET"};
    const struct auth_conf query = {.value = secret, .place = PLACE_QUERY, .name = "api_key"};
    const struct auth_conf header = {.value = secret, .name = "X-Key", .prefix = "Token "};
    const struct auth_conf hmac = {.value = secret,
                                   .name = "x-sig",
                                   .prefix = "v1=",
                                   .timestamp_header = "x-time",
                                   .signed_text = "{method} {path} {timestamp} {body_sha256}"};
    struct world *w = *state;
    struct auth *a = world_auth(w, "api_key", &query);
    struct job j;

    world_start(w, &j, a);
    async_loop_run(w->loop);
    assert_true(tl_sv_eqs(j.req.url, "https://api.example.com/v1/x?a=1&api_key=the-client-secret"));
    tl_arena_free(j.arena);
    auth_free(a);
    a = world_auth(w, "api_key", &header);
    world_start(w, &j, a);
    async_loop_run(w->loop);
    assert_true(tl_sv_eqs(j.req.headers[0].name, "X-Key") &&
                tl_sv_eqs(j.req.headers[0].value, "Token the-client-secret"));
    tl_arena_free(j.arena);
    auth_free(a);
    a = world_auth(w, "hmac", &hmac);
    world_start(w, &j, a);
    async_loop_run(w->loop);
    assert_true(tl_sv_eqs(j.req.headers[0].value, "1760000000"));
    assert_true(tl_sv_eqs(j.req.headers[1].value,
                          "v1=ce33d232b7dd04ffd1058a85a70ad53971253d5ec19d9979bce2b5b1c01e0c55")); /* Python's hmac */
    tl_arena_free(j.arena);
    auth_free(a);
}

static struct tl_sv sent(const struct job *j, const char *name)
{
    for (size_t i = 0; i < j->req.n_headers; i++) {
        if (tl_sv_eqi(j->req.headers[i].name, tl_sv_str(name)))
            return j->req.headers[i].value;
    }
    return TL_SV_NULL;
}

static void a_request_is_signed_as_standard_webhooks_by_both_secrets_of_a_rotation(void **state)
{
    const struct auth_conf conf = {
        .value = {.kind = CONFIG_SECRET_LITERAL, .name = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
        .client_secret = {.kind = CONFIG_SECRET_LITERAL, .name = "AAECAwQFBgcICQoLDA0ODw=="}};
    const struct auth_conf bad = {.value = {.kind = CONFIG_SECRET_LITERAL, .name = "not base64!"}};
    struct world *w = *state;
    struct auth *a = world_auth(w, "standard_webhooks", &conf);
    struct job j;

    world_start(w, &j, a);
    assert_true(auth_request_header(&j.req, "Webhook-Id", TL_SV("evt1.0.0")));
    async_loop_run(w->loop);
    assert_int_equal(j.rc, TL_OK);
    assert_int_equal(j.req.n_headers, 3);
    assert_true(tl_sv_eqs(sent(&j, "webhook-timestamp"), "1760000000"));
    assert_true(tl_sv_eqs(
        sent(&j, "webhook-signature"),
        "v1,cRQQci2p8KdwP5gHJ8Hnd1yCJumh8hcpBNcFb3yy7nI= v1,gxTOeHdf7d2ePjXX2zTB5GpkTHQ9iFc2qwdVABk3Dqc=")); /* Python's
                                                                                                                hmac */
    assert_true(tl_sv_eqs(sent(&j, "webhook-id"), "evt1-0-0")); /* the standard's ids have no full stop */
    assert_int_equal(j.req.n_plain, 2); /* the id and the time are no secrets, the signature may be one */
    assert_true(tl_sv_eqs(j.req.plain[0], "evt1-0-0"));
    assert_true(tl_sv_eqs(j.req.plain[1], "1760000000"));
    tl_arena_free(j.arena);
    world_start(w, &j, a); /* a delivery: each attempt has the same id */
    j.req.key = TL_SV("EVMN-01.2.0");
    async_loop_run(w->loop);
    assert_true(tl_sv_eqs(sent(&j, "webhook-id"), "msg_EVMN-01-2-0"));
    tl_arena_free(j.arena);
    world_start(w, &j, a); /* nobody gave an id */
    async_loop_run(w->loop);
    assert_true(tl_sv_starts(sent(&j, "webhook-id"), TL_SV("msg_")));
    tl_arena_free(j.arena);
    auth_free(a);
    a = world_auth(w, "standard_webhooks", &bad);
    assert_int_equal(world_apply(w, a, &j), TL_CONFIG);
    auth_free(a);
}

static void a_signature_with_the_wrong_time_is_made_again_with_theirs(void **state)
{
    static const struct auth_conf conf = {.consumer_key = "ck",
                                          .consumer_secret = {.kind = CONFIG_SECRET_ENV, .name = "SECRET"},
                                          .method = AUTH_HMAC_SHA256};
    struct world *w = *state;
    struct auth *a = world_auth(w, "oauth1", &conf);
    char date[TL_TIME_TEXT];
    struct tl_sv theirs = tl_sv_str(tl_http_date_format(START + 10 * MINUTE, date));
    struct auth_status s;
    struct job j;

    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_non_null(strstr(j.authorization, "oauth_timestamp=\"1760000000\""));
    assert_true(auth_rejected(a, &j.ticket, theirs));
    assert_int_equal(world_apply(w, a, &j), TL_OK);
    assert_non_null(strstr(j.authorization, "oauth_timestamp=\"1760000600\""));
    assert_false(auth_rejected(a, &j.ticket, theirs)); /* it was not the clock */
    auth_get_status(a, &s);
    assert_true(s.paused);
    auth_free(a);
}

static void a_passport_takes_the_place_of_the_header_and_only_oauth1_has_one(void **state)
{
    static const struct auth_conf conf = {.consumer_key = "ck",
                                          .consumer_secret = {.kind = CONFIG_SECRET_ENV, .name = "SECRET"},
                                          .token = "tk",
                                          .token_secret = {.kind = CONFIG_SECRET_ENV, .name = "SECRET"}};
    struct world *w = *state;
    struct auth *with = world_auth(w, "oauth1", &conf),
                *without = world_auth(w, "oauth2_client_credentials", &world_client_conf);
    struct auth_passport p[2] = {{.account = TL_SV("1_SB1")}, {.account = TL_SV("1_SB1")}};
    struct job j;

    for (int i = 0; i < 2; i++) {
        world_start(w, &j, with);
        j.req.passport = &p[i];
        async_loop_run(w->loop);
        assert_int_equal(j.rc, TL_OK);
        assert_true(j.req.once);
        assert_int_equal(j.req.n_headers, 0);
        assert_true(tl_sv_eqs(p[i].consumer_key, "ck") && tl_sv_eqs(p[i].token, "tk"));
        assert_true(tl_sv_eqs(p[i].timestamp, "1760000000") && p[i].nonce.n >= 6 && p[i].signature.n == 44);
        p[i].nonce.p = tl_strndup(p[i].nonce.p, p[i].nonce.n);
        tl_arena_free(j.arena);
    }
    assert_false(tl_sv_eq(p[0].nonce, p[1].nonce));
    for (int i = 0; i < 2; i++)
        tl_free((char *)(uintptr_t)p[i].nonce.p);
    world_start(w, &j, without);
    j.req.passport = &p[0];
    async_loop_run(w->loop);
    assert_int_equal(j.rc, TL_CONFIG);
    assert_non_null(strstr(j.err.text, "oauth1"));
    tl_arena_free(j.arena);
    auth_free(with);
    auth_free(without);
}

static void the_tables_of_schemes_and_choices_agree(void **state)
{
    struct config_field field = {.name = "auth", .type = CONFIG_ONE_OF, .variants = &auth_schemes, .doc = "How."};
    struct config_spec spec = {
        .name = "auth", .size = sizeof(struct config_choice), .n_fields = 1, .doc = "Authentication."};
    TL_CLEANUP(config_errors_freep) struct config_errors *e = config_errors_new();
    struct tl_err err;

    (void)state;
    for (size_t i = 0; i < auth_schemes.n; i++) {
        assert_non_null(auth__scheme(auth_schemes.table[i].name));
        assert_ptr_equal(auth_scheme_field(auth_schemes.table[i].name, false), &auth_schemes.table[i]);
        assert_non_null(auth_scheme_field(auth_schemes.table[i].name, true));
    }
    assert_null(auth_scheme_field("oauth3", true));
    spec.fields = &field;
    config_lint_spec(&spec, e);
    if (config_errors_first(e, &err) != TL_OK)
        fail_msg("%s", err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(keys_and_signatures_go_where_they_are_configured),
        WORLD_TEST(a_request_is_signed_as_standard_webhooks_by_both_secrets_of_a_rotation),
        WORLD_TEST(a_signature_with_the_wrong_time_is_made_again_with_theirs),
        WORLD_TEST(a_passport_takes_the_place_of_the_header_and_only_oauth1_has_one),
        WORLD_TEST(the_tables_of_schemes_and_choices_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
