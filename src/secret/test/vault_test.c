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
    int logins, renewals, reads, tokens, leases, lease_renewals;
    int lease_left; /* what a renewal grants, in seconds */
    bool down, dynamic_forbidden;
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

static enum tl_rc respond(struct world *w, const struct secret_vault_request *r, struct tl_arena *a, int *ret_status,
                          struct tl_sv *ret_body)
{
    const char *url = r->url;

    *ret_status = 200;
    if (strcmp(url, "http://v/v1/auth/approle/login") == 0) {
        w->logins++;
        if (!tl_sv_eqs(r->body, "{\"role_id\":\"r\",\"secret_id\":\"the-secret-id\"}")) {
            *ret_status = 400;
            return TL_OK;
        }
        (void)snprintf(w->token, sizeof(w->token), "hvs.token-%d", ++w->tokens);
        *ret_body = tl_sv_str(tl_arena_printf(
            a, "{\"auth\":{\"client_token\":\"%s\",\"lease_duration\":60,\"renewable\":true}}", w->token));
    } else if (!tl_sv_eqs(r->token, w->token)) {
        *ret_status = 403;
    } else if (strcmp(url, "http://v/v1/auth/token/renew-self") == 0) {
        w->renewals++;
        *ret_body = TL_SV("{\"auth\":{\"lease_duration\":60,\"renewable\":true}}");
    } else if (strcmp(url, "http://v/v1/auth/token/lookup-self") == 0) {
        *ret_body = TL_SV("{\"data\":{\"ttl\":100,\"renewable\":true}}");
    } else if (strcmp(url, "http://v/v1/sys/internal/ui/mounts/team/db/creds/orders") == 0) {
        *ret_body = TL_SV("{\"data\":{\"path\":\"team/db/\",\"type\":\"database\",\"options\":null}}");
    } else if (strcmp(url, "http://v/v1/sys/internal/ui/mounts/old/erp") == 0) {
        *ret_body = TL_SV("{\"data\":{\"path\":\"old/\",\"type\":\"kv\",\"options\":{\"version\":\"1\"}}}");
    } else if (strcmp(url, "http://v/v1/old/erp") == 0) {
        *ret_body = TL_SV("{\"data\":{\"port\":5432}}");
    } else if (strcmp(url, "http://v/v1/team/db/creds/orders") == 0) {
        if (w->dynamic_forbidden) {
            *ret_status = 403;
            *ret_body = TL_SV("{\"errors\":[\"1 error occurred: permission denied\"]}");
            return TL_OK;
        }
        w->leases++;
        *ret_body = tl_sv_str(
            tl_arena_printf(a,
                            "{\"lease_id\":\"team/db/creds/orders/%d\",\"renewable\":true,\"lease_duration\":60,"
                            "\"data\":{\"username\":\"u%d\",\"password\":\"the-password-%d\"}}",
                            w->leases, w->leases, w->leases));
    } else if (strcmp(url, "http://v/v1/sys/leases/renew") == 0) {
        w->lease_renewals++;
        *ret_body = tl_sv_str(tl_arena_printf(a, "{\"lease_duration\":%d,\"renewable\":true}", w->lease_left));
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

static enum tl_rc call(struct task *t, void *arg, const struct secret_vault_request *r, struct tl_arena *arena,
                       int *ret_status, struct tl_sv *ret_body, struct tl_err *err)
{
    struct world *w = arg;
    enum tl_rc rc = task_yield(t, err);

    assert_string_equal(r->name_space, "team");
    if (rc == TL_OK && w->down)
        return tl_fail(err, TL_UNREACHABLE, "connection refused");
    return rc == TL_OK ? respond(w, r, arena, ret_status, ret_body) : rc;
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
    w->vault = secret_vault_new(&w->clock.base);
    secret_vault_configure(w->vault, &w->options, &http, NULL);
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

static int64_t age(struct world *w)
{
    struct secret_vault_status s;

    secret_vault_get_status(w->vault, &s);
    return s.age_ms;
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
    assert_int_equal(sync_after(w, 11000), TL_OK);
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
    assert_int_equal(age(w), 3600000);
    assert_int_equal(sync_after(w, 100), TL_OK); /* backing off: nothing was asked */
    w->down = false;
    assert_int_equal(sync_after(w, 1000), TL_OK);
    assert_int_equal(age(w), 0);
}

static void a_missing_member_is_named_and_the_others_are_read(void **state)
{
    struct world *w = *state;

    assert_int_equal(get(w, "kv/erp", "id", NULL), TL_BUSY);
    assert_int_equal(get(w, "kv/erp", "nothing", NULL), TL_BUSY);
    assert_int_equal(sync_after(w, 0), TL_NOT_FOUND);
    assert_non_null(strstr(w->err.text, "no text member \"nothing\""));
    assert_int_equal(get(w, "kv/erp", "id", "value-one"), TL_OK);
    assert_int_equal(sync_after(w, 500), TL_OK); /* the missing one has a pause of its own */
    assert_int_equal(sync_after(w, 500), TL_NOT_FOUND);
    assert_int_equal(get(w, "kv/erp", "nothing", NULL), TL_CONFIG);
    assert_non_null(strstr(w->err.text, "no text member \"nothing\""));
}

static void the_kind_of_a_mount_is_asked_for_and_numbers_are_text(void **state)
{
    struct world *w = *state;

    assert_int_equal(get(w, "old/erp", "port", NULL), TL_BUSY);
    assert_int_equal(sync_after(w, 0), TL_OK);
    assert_int_equal(get(w, "old/erp", "port", "5432"), TL_OK);
}

static void a_leased_credential_is_renewed_and_replaced_as_a_whole_before_it_ends(void **state)
{
    struct world *w = *state;
    uint64_t before;
    struct secret_vault_status s;

    w->lease_left = 60;
    assert_int_equal(get(w, "team/db/creds/orders", "username", NULL), TL_BUSY);
    assert_int_equal(get(w, "team/db/creds/orders", "password", NULL), TL_BUSY);
    assert_int_equal(sync_after(w, 0), TL_OK);
    assert_int_equal(w->leases, 1); /* one reading for both members */
    assert_int_equal(get(w, "team/db/creds/orders", "username", "u1"), TL_OK);
    assert_int_equal(get(w, "team/db/creds/orders", "password", "the-password-1"), TL_OK);
    assert_int_equal(sync_after(w, 41000), TL_OK);
    assert_int_equal(w->lease_renewals, 1);
    assert_int_equal(w->leases, 1);
    secret_vault_get_status(w->vault, &s);
    before = s.changes;
    w->lease_left = 5; /* its maximum is near */
    assert_int_equal(sync_after(w, 41000), TL_OK);
    assert_int_equal(w->leases, 2);
    secret_vault_get_status(w->vault, &s);
    assert_true(s.changes > before);
    assert_int_equal(secret_reload(w->box, NULL, NULL), 2);
    assert_int_equal(get(w, "team/db/creds/orders", "username", "u2"), TL_OK);
    assert_int_equal(get(w, "team/db/creds/orders", "password", "the-password-2"), TL_OK);
}

static void leases_of_a_token_that_died_are_taken_anew(void **state)
{
    struct world *w = *state;

    w->lease_left = 60;
    assert_int_equal(get(w, "team/db/creds/orders", "username", NULL), TL_BUSY);
    assert_int_equal(sync_after(w, 0), TL_OK);
    w->token[0] = '\0'; /* revoked, and its leases with it */
    assert_int_equal(sync_after(w, 50000), TL_OK);
    assert_int_equal(w->logins, 2);
    assert_int_equal(w->leases, 2);
}

static void a_path_that_the_policies_forbid_is_told_in_vaults_words_and_the_token_is_kept(void **state)
{
    struct world *w = *state;

    w->dynamic_forbidden = true;
    assert_int_equal(get(w, "kv/erp", "id", NULL), TL_BUSY);
    assert_int_equal(get(w, "team/db/creds/orders", "username", NULL), TL_BUSY);
    assert_int_equal(sync_after(w, 0), TL_FORBIDDEN);
    assert_non_null(strstr(w->err.text, "permission denied"));
    assert_int_equal(w->logins, 1);
    assert_int_equal(get(w, "kv/erp", "id", "value-one"), TL_OK);
    assert_int_equal(get(w, "team/db/creds/orders", "username", NULL), TL_CONFIG);
}

static void a_vault_that_is_away_from_the_start_is_said_where_the_secret_is_asked_for(void **state)
{
    struct world *w = *state;

    w->down = true;
    assert_int_equal(get(w, "kv/erp", "id", NULL), TL_BUSY);
    assert_int_equal(sync_after(w, 0), TL_UNREACHABLE);
    assert_int_equal(get(w, "kv/erp", "id", NULL), TL_BUSY);
    assert_non_null(strstr(w->err.text, "vault at http://v: connection refused"));
    w->down = false;
    assert_int_equal(sync_after(w, 1000), TL_OK);
    assert_int_equal(get(w, "kv/erp", "id", "value-one"), TL_OK);
}

#define T(f) cmocka_unit_test_setup_teardown(f, given_world, end_world)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_value_is_read_after_a_login_and_read_again_when_it_is_old),
        T(the_token_is_renewed_and_a_dead_one_replaced),
        T(the_last_value_serves_while_vault_is_down),
        T(a_missing_member_is_named_and_the_others_are_read),
        T(the_kind_of_a_mount_is_asked_for_and_numbers_are_text),
        T(a_leased_credential_is_renewed_and_replaced_as_a_whole_before_it_ends),
        T(leases_of_a_token_that_died_are_taken_anew),
        T(a_path_that_the_policies_forbid_is_told_in_vaults_words_and_the_token_is_kept),
        T(a_vault_that_is_away_from_the_start_is_said_where_the_secret_is_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
