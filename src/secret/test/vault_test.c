/* SPDX-License-Identifier: Apache-2.0 */
#include "secret/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A Vault that knows AppRole and KV, and can be told to be away or to forget its tokens. */
struct world {
    struct crypto *c;
    struct tl_fake_clock clock;
    struct async_loop *loop;
    struct secret_box *box;
    struct secret_vault *vault;
    struct secret_vault_options options;
    int logins, renewals, reads, tokens;
    bool down;
    char token[32];
    const char *value;
    enum tl_rc rc;
    struct tl_err err;
};

static const char *env(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "SECRET_ID") == 0 ? "the-secret-id" : NULL;
}

static enum tl_rc respond(struct world *w, const char *url, struct tl_sv token, struct tl_sv body, struct tl_arena *a,
                          int *ret_status, struct tl_sv *ret_body)
{
    *ret_status = 200;
    if (strcmp(url, "http://v/v1/auth/approle/login") == 0) {
        w->logins++;
        if (!tl_sv_eqs(body, "{\"role_id\":\"r\",\"secret_id\":\"the-secret-id\"}")) {
            *ret_status = 400;
            return TL_OK;
        }
        (void)snprintf(w->token, sizeof(w->token), "hvs.token-%d", ++w->tokens);
        *ret_body = tl_sv_str(tl_arena_printf(
            a, "{\"auth\":{\"client_token\":\"%s\",\"lease_duration\":60,\"renewable\":true}}", w->token));
    } else if (!tl_sv_eqs(token, w->token)) {
        *ret_status = 403;
    } else if (strcmp(url, "http://v/v1/auth/token/renew-self") == 0) {
        w->renewals++;
        *ret_body = TL_SV("{\"auth\":{\"lease_duration\":60,\"renewable\":true}}");
    } else if (strcmp(url, "http://v/v1/kv/data/erp") == 0) {
        w->reads++;
        *ret_body = tl_sv_str(
            tl_arena_printf(a, "{\"data\":{\"data\":{\"id\":\"%s\"},\"metadata\":{\"version\":1}}}", w->value));
    } else if (strcmp(url, "http://v/v1/kv/erp") == 0) {
        *ret_body = tl_sv_str(tl_arena_printf(a, "{\"data\":{\"id\":\"%s\"}}", w->value));
    } else {
        *ret_status = 404;
    }
    return TL_OK;
}

static enum tl_rc call(struct task *t, void *arg, const char *method, const char *url, const char *name_space,
                       struct tl_sv token, struct tl_sv body, struct tl_arena *arena, int *ret_status,
                       struct tl_sv *ret_body, struct tl_err *err)
{
    struct world *w = arg;
    enum tl_rc rc = task_yield(t, err);

    (void)method;
    assert_string_equal(name_space, "team");
    if (rc == TL_OK && w->down)
        return tl_fail(err, TL_UNREACHABLE, "connection refused");
    return rc == TL_OK ? respond(w, url, token, body, arena, ret_status, ret_body) : rc;
}

static int given_world(void **state)
{
    struct world *w = tl_zalloc(sizeof(*w));
    struct secret_options o = {.env = env};
    struct secret_vault_http http = {call, w};

    assert_int_equal(crypto_new(&w->c, NULL), TL_OK);
    assert_int_equal(async_loop_new(10, NULL, &w->loop, NULL), TL_OK);
    tl_fake_clock_init(&w->clock, 0);
    w->value = "value-one";
    w->options = (struct secret_vault_options){.address = "http://v",
                                               .name_space = "team",
                                               .login = SECRET_VAULT_APPROLE,
                                               .role = "r",
                                               .credential = {.kind = CONFIG_SECRET_ENV, .name = "SECRET_ID"},
                                               .refresh_ms = 10000};
    w->vault = secret_vault_new(&w->options, &w->clock.base, &http);
    o.crypto = w->c;
    o.vault = secret_vault_source(w->vault);
    assert_int_equal(secret_box_new(&o, &w->box, NULL), TL_OK);
    *state = w;
    return 0;
}

static int end_world(void **state)
{
    struct world *w = *state;

    secret_box_free(w->box);
    secret_vault_free(w->vault);
    async_loop_free(w->loop);
    crypto_free(w->c);
    tl_free(w);
    return 0;
}

static enum tl_rc run_sync(struct task *t, void *arg, struct tl_err *err)
{
    struct world *w = arg;

    (void)err;
    w->rc = secret_vault_sync(t, w->vault, w->box, &w->err);
    return TL_OK;
}

static enum tl_rc sync_after(struct world *w, int64_t ms)
{
    struct task *t;

    tl_fake_clock_advance_ms(&w->clock, ms);
    assert_int_equal(task_start(w->loop, "sync", 0, run_sync, w, NULL, &t, NULL), TL_OK);
    async_loop_run(w->loop);
    return w->rc;
}

static enum tl_rc get(struct world *w, const char *path, const char *key, const char *expected)
{
    struct config_secret ref = {.kind = CONFIG_SECRET_VAULT, .name = path, .key = key};
    struct secret *s = NULL;
    enum tl_rc rc = secret_get(w->box, &ref, &s, NULL, &w->err);

    if (rc == TL_OK)
        assert_string_equal(secret_view(s).p, expected);
    secret_unref(s);
    return rc;
}

static void a_value_is_read_after_a_login_and_read_again_when_it_is_old(void **state)
{
    struct world *w = *state;

    assert_int_equal(get(w, "kv/erp", "id", NULL), TL_BUSY);
    assert_int_equal(sync_after(w, 0), TL_OK);
    assert_int_equal(get(w, "kv/erp", "id", "value-one"), TL_OK);
    w->value = "value-two";
    assert_int_equal(sync_after(w, 5000), TL_OK);
    assert_int_equal(w->reads, 1);
    assert_int_equal(sync_after(w, 5000), TL_OK);
    assert_int_equal(secret_reload(w->box, NULL, NULL), 1);
    assert_int_equal(get(w, "kv/erp", "id", "value-two"), TL_OK);
    assert_int_equal(w->logins, 1);
    assert_int_equal(get(w, "kv", "id", NULL), TL_CONFIG);
}

static void the_token_is_renewed_and_a_dead_one_replaced(void **state)
{
    struct world *w = *state;

    assert_int_equal(get(w, "kv/erp", "id", NULL), TL_BUSY);
    assert_int_equal(sync_after(w, 0), TL_OK);
    assert_int_equal(sync_after(w, 41000), TL_OK);
    assert_int_equal(w->renewals, 1);
    w->token[0] = '\0'; /* revoked */
    assert_int_equal(sync_after(w, 11000), TL_AUTH);
    assert_int_equal(sync_after(w, 1000), TL_OK);
    assert_int_equal(w->logins, 2);
}

static void the_last_value_serves_while_vault_is_down(void **state)
{
    struct world *w = *state;

    assert_int_equal(get(w, "kv/erp", "id", NULL), TL_BUSY);
    assert_int_equal(sync_after(w, 0), TL_OK);
    assert_int_equal(get(w, "kv/erp", "id", "value-one"), TL_OK);
    w->down = true;
    assert_int_equal(sync_after(w, 3600000), TL_UNREACHABLE);
    assert_non_null(strstr(w->err.text, "vault"));
    assert_int_equal(secret_reload(w->box, NULL, NULL), 0);
    assert_int_equal(get(w, "kv/erp", "id", "value-one"), TL_OK);
    assert_int_equal(secret_vault_age_ms(w->vault), 3600000);
    assert_int_equal(sync_after(w, 100), TL_OK); /* backing off: nothing was asked */
    w->down = false;
    assert_int_equal(sync_after(w, 1000), TL_OK);
    assert_int_equal(secret_vault_age_ms(w->vault), 0);
}

static void a_missing_member_is_named_and_the_others_are_read(void **state)
{
    struct world *w = *state;

    assert_int_equal(get(w, "kv/erp", "id", NULL), TL_BUSY);
    assert_int_equal(get(w, "kv/erp", "nothing", NULL), TL_BUSY);
    assert_int_equal(sync_after(w, 0), TL_NOT_FOUND);
    assert_non_null(strstr(w->err.text, "no text member \"nothing\""));
    assert_int_equal(get(w, "kv/erp", "id", "value-one"), TL_OK);
    w->options.kv1 = true;
    assert_int_equal(sync_after(w, 11000), TL_NOT_FOUND);
    assert_int_equal(secret_vault_age_ms(w->vault), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, given_world, end_world)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_value_is_read_after_a_login_and_read_again_when_it_is_old),
        T(the_token_is_renewed_and_a_dead_one_replaced),
        T(the_last_value_serves_while_vault_is_down),
        T(a_missing_member_is_named_and_the_others_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
