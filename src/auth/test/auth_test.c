/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/auth_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../crypto/test/keys.h"

#define START INT64_C(1760000000000)
#define MINUTE INT64_C(60000)

/* A world with a server that can be told what to answer and a disk that can be looked into. */
struct world {
    struct crypto *c;
    struct tl_fake_clock clock;
    struct secret_box *box;
    struct async_loop *loop;
    struct auth_world auth;
    const char *password;
    int calls, status, fail_first; /* fail_first: so many calls answer 503 */
    int expires_in, number;        /* number: of the last token given out */
    bool rotates;
    char refresh[64];  /* the only refresh token the server takes */
    char previous[64]; /* taken too while it has not seen `refresh` */
    char body[8192], authorization[512];
    struct tl_buf disk, refused; /* tokens; what auth_remember writes */
    const char *other;
    int puts;
    bool disk_fails;
    const char *words, *instance, *more; /* more: members of the token endpoint's answer */
};

static const char *env(void *arg, const char *name)
{
    struct world *w = arg;

    if (strcmp(name, "KEY") == 0)
        return pem_ec_sec1;
    if (strcmp(name, "OTHER") == 0)
        return w->other;
    return strcmp(name, "SECRET") == 0 ? w->password : strcmp(name, "REFRESH") == 0 ? "refresh-0" : NULL;
}

static bool grant_is_good(struct world *w)
{
    char want[128];

    if (strstr(w->body, "grant_type=refresh_token") == NULL)
        return true;
    (void)snprintf(want, sizeof(want), "refresh_token=%s&", w->refresh);
    if (strstr(w->body, want) != NULL) {
        w->previous[0] = '\0';
        return true;
    }
    (void)snprintf(want, sizeof(want), "refresh_token=%s&", w->previous);
    return w->previous[0] != '\0' && strstr(w->body, want) != NULL;
}

static void answer(struct world *w, struct tl_arena *arena, struct http_reply *reply)
{
    w->calls++;
    if (w->fail_first > 0) {
        w->fail_first--;
        reply->status = 503;
        reply->body = TL_SV("<html>busy</html>");
    } else if (w->status != 200 || !grant_is_good(w)) {
        reply->status = w->status != 200 ? w->status : 400;
        reply->body = tl_sv_str(tl_arena_printf(arena, "{\"error\":\"invalid_grant\",\"error_description\":\"%s\"}",
                                                w->words != NULL ? w->words : "expired"));
    } else {
        w->number++;
        reply->status = 200;
        if (w->rotates) {
            (void)snprintf(w->previous, sizeof(w->previous), "%s", w->refresh);
            (void)snprintf(w->refresh, sizeof(w->refresh), "refresh-%d", w->number);
        }
        reply->body = tl_sv_str(tl_arena_printf(
            arena, "{\"access_token\":\"access-%d\",\"token_type\":\"Bearer\",\"instance_url\":\"%s\"%s%s%s%s%s}",
            w->number, w->instance != NULL ? w->instance : "",
            w->expires_in > 0 ? tl_arena_printf(arena, ",\"expires_in\":%d", w->expires_in) : "",
            w->rotates ? ",\"refresh_token\":\"" : "", w->rotates ? w->refresh : "", w->rotates ? "\"" : "",
            w->more != NULL ? w->more : ""));
    }
}

static enum tl_rc call(struct task *t, void *arg, const struct http_request_out *req, struct tl_arena *arena,
                       struct http_reply *reply, struct tl_err *err)
{
    struct world *w = arg;

    for (int i = 0; i < 5; i++) { /* others run meanwhile */
        enum tl_rc rc = task_yield(t, err);

        if (rc != TL_OK)
            return rc;
    }
    (void)snprintf(w->body, sizeof(w->body), "%.*s&", TL_SV_ARG(req->body));
    w->authorization[0] = '\0';
    for (size_t i = 0; i < req->n_headers; i++) {
        if (tl_sv_eqs(req->headers[i].name, "authorization"))
            (void)snprintf(w->authorization, sizeof(w->authorization), "%.*s", TL_SV_ARG(req->headers[i].value));
    }
    answer(w, arena, reply);
    return TL_OK;
}

static enum tl_rc disk_put(struct task *t, void *arg, struct tl_sv key, struct tl_sv value, struct tl_err *err)
{
    struct world *w = arg;

    (void)t;
    if (tl_sv_eqs(key, "auth-refused:erp")) {
        tl_buf_clear(&w->refused);
        tl_buf_sv(&w->refused, value);
        return TL_OK;
    }
    assert_true(tl_sv_eqs(key, "auth:erp"));
    if (w->disk_fails)
        return tl_fail(err, TL_FULL, "the disk is full");
    w->puts++;
    tl_buf_clear(&w->disk);
    tl_buf_sv(&w->disk, value);
    return TL_OK;
}

static enum tl_rc disk_get(struct task *t, void *arg, struct tl_sv key, struct tl_buf *ret, struct tl_err *err)
{
    struct world *w = arg;

    (void)t;
    if (tl_sv_eqs(key, "auth-refused:erp")) {
        if (w->refused.n == 0)
            return tl_fail(err, TL_NOT_FOUND, "nothing");
        tl_buf_sv(ret, tl_buf_view(&w->refused));
        return TL_OK;
    }
    if (w->disk.n == 0)
        return tl_fail(err, TL_NOT_FOUND, "nothing");
    tl_buf_sv(ret, tl_buf_view(&w->disk));
    return TL_OK;
}

static int given_world(void **state)
{
    struct world *w = tl_zalloc(sizeof(*w));
    struct secret_options o = {.env = env, .env_arg = w};

    assert_int_equal(crypto_new(&w->c, NULL), TL_OK);
    o.crypto = w->c;
    assert_int_equal(secret_box_new(&o, &w->box, NULL), TL_OK);
    assert_int_equal(async_loop_new(1000, NULL, &w->loop, NULL), TL_OK);
    tl_fake_clock_init(&w->clock, START);
    tl_buf_init(&w->disk, 1u << 20);
    tl_buf_init(&w->refused, 1u << 20);
    w->other = "the-secret-of-another";
    w->password = "the-client-secret";
    w->status = 200;
    w->expires_in = 3600;
    (void)snprintf(w->refresh, sizeof(w->refresh), "refresh-0");
    w->auth = (struct auth_world){.crypto = w->c,
                                  .clock = &w->clock.base,
                                  .secrets = w->box,
                                  .http = {call, w},
                                  .disk = {disk_put, disk_get, w},
                                  .seal = {.id = 1}};
    *state = w;
    return 0;
}

static int end_world(void **state)
{
    struct world *w = *state;

    async_loop_free(w->loop);
    secret_box_free(w->box);
    crypto_free(w->c);
    tl_buf_done(&w->disk);
    tl_buf_done(&w->refused);
    tl_free(w);
    return 0;
}

static const struct auth_conf client_conf = {.token_url = "https://login.example.com/token",
                                             .client_id = "id:1",
                                             .client_secret = {.kind = CONFIG_SECRET_ENV, .name = "SECRET"}};
static const struct auth_conf refresh_conf = {.token_url = "https://login.example.com/token",
                                              .client_id = "id:1",
                                              .client_secret = {.kind = CONFIG_SECRET_ENV, .name = "SECRET"},
                                              .refresh_token = {.kind = CONFIG_SECRET_ENV, .name = "REFRESH"},
                                              .authorize_url = "https://login.example.com/authorize",
                                              .scope = "read write"};

static struct auth *given_auth(struct world *w, const char *scheme, const struct auth_conf *conf)
{
    struct auth *a = NULL;

    assert_int_equal(auth_new(&w->auth, "erp", scheme, conf, NULL, &a, NULL), TL_OK);
    return a;
}

/* One call of a connector, in a task of its own. */
struct job {
    struct auth *auth;
    struct auth_ticket ticket;
    struct tl_arena *arena;
    struct auth_request req;
    enum tl_rc rc;
    struct tl_err err;
    char authorization[512], base[AUTH_BASE];
};

static enum tl_rc run_job(struct task *t, void *arg, struct tl_err *err)
{
    struct job *j = arg;

    (void)err;
    j->rc = auth_apply(t, j->auth, &j->req, &j->ticket, &j->err);
    (void)snprintf(j->base, sizeof(j->base), "%.*s", TL_SV_ARG(j->req.base));
    for (size_t i = 0; j->rc == TL_OK && i < j->req.n_headers; i++) {
        if (tl_sv_eqs(j->req.headers[i].name, "authorization"))
            (void)snprintf(j->authorization, sizeof(j->authorization), "%.*s", TL_SV_ARG(j->req.headers[i].value));
    }
    return TL_OK;
}

static void start(struct world *w, struct job *j, struct auth *a)
{
    struct task *t;

    *j = (struct job){.auth = a, .arena = tl_arena_new(1u << 20)};
    j->req = (struct auth_request){.arena = j->arena,
                                   .method = TL_SV("POST"),
                                   .url = TL_SV("https://api.example.com/v1/x?a=1"),
                                   .body = TL_SV("{}")};
    assert_int_equal(task_start(w->loop, "job", 0, run_job, j, NULL, &t, NULL), TL_OK);
}

static enum tl_rc apply(struct world *w, struct auth *a, struct job *j)
{
    start(w, j, a);
    async_loop_run(w->loop);
    tl_arena_free(j->arena);
    return j->rc;
}

static void five_hundred_tasks_cause_one_token_request(void **state)
{
    enum { TASKS = 500 };
    struct world *w = *state;
    struct auth *a = given_auth(w, "oauth2_client_credentials", &client_conf);
    struct job *jobs = tl_zalloc(TASKS * sizeof(*jobs));

    for (int round = 1; round <= 3; round++) {
        for (size_t i = 0; i < TASKS; i++)
            start(w, &jobs[i], a);
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
    struct auth *a = given_auth(w, "oauth2_client_credentials", &client_conf);
    struct job j;

    assert_int_equal(apply(w, a, &j), TL_OK);
    tl_fake_clock_advance_ms(&w->clock, 3600 * 1000 - 61 * 1000);
    assert_int_equal(apply(w, a, &j), TL_OK);
    assert_int_equal(w->calls, 1);
    tl_fake_clock_advance_ms(&w->clock, 2000);
    w->fail_first = 1;
    assert_int_equal(apply(w, a, &j), TL_OK);
    assert_string_equal(j.authorization, "Bearer access-1");
    assert_int_equal(apply(w, a, &j), TL_OK);
    assert_string_equal(j.authorization, "Bearer access-2");
    assert_int_equal(w->calls, 3);
    auth_free(a);
}

static void three_failures_of_the_token_endpoint_pause_nothing(void **state)
{
    struct world *w = *state;
    struct auth *a = given_auth(w, "oauth2_client_credentials", &client_conf);
    struct auth_status s;
    struct job j;

    w->fail_first = 3;
    for (int i = 0; i < 3; i++)
        assert_int_equal(apply(w, a, &j), TL_UPSTREAM);
    auth_get_status(a, &s);
    assert_false(s.paused);
    assert_int_equal(apply(w, a, &j), TL_OK);
    auth_free(a);
}

static void a_401_renews_once_and_the_second_one_pauses(void **state)
{
    struct world *w = *state;
    struct auth *a = given_auth(w, "oauth2_client_credentials", &client_conf);
    struct auth_status s;
    struct job j, late;

    assert_int_equal(apply(w, a, &j), TL_OK);
    late = j;
    assert_true(auth_rejected(a, &j.ticket, TL_SV("")));
    assert_int_equal(apply(w, a, &j), TL_OK);
    assert_string_equal(j.authorization, "Bearer access-2");
    assert_true(
        auth_rejected(a, &late.ticket, TL_SV(""))); /* a call with the old token learns that there is a new one */
    assert_false(auth_rejected(a, &j.ticket, TL_SV("")));
    auth_get_status(a, &s);
    assert_true(s.paused);
    assert_int_equal(apply(w, a, &j), TL_AUTH);
    assert_int_equal(j.err.retry_after_ms, 60000);
    assert_int_equal(w->calls, 2);
    tl_fake_clock_advance_ms(&w->clock, MINUTE);
    assert_int_equal(apply(w, a, &j), TL_OK); /* the probe, with a fresh token */
    assert_int_equal(apply(w, a, &late), TL_AUTH);
    auth_accepted(a, &j.ticket, TL_SV(""));
    assert_int_equal(apply(w, a, &late), TL_OK);
    auth_free(a);
}

static void never_more_than_three_refusals_in_half_an_hour(void **state)
{
    static const int64_t schedule[] = {0, 1, 6, 30, 60, 90, 120};
    struct world *w = *state;
    struct auth *a = given_auth(w, "oauth2_client_credentials", &client_conf);
    size_t n = 0;
    struct job j;

    w->status = 401;
    for (int64_t minute = 0; minute <= 120; minute++) {
        int before = w->calls;

        assert_int_equal(apply(w, a, &j), TL_AUTH);
        if (w->calls > before)
            assert_int_equal(minute, schedule[n++]);
        tl_fake_clock_advance_ms(&w->clock, MINUTE);
    }
    assert_int_equal(n, TL_COUNT(schedule));
    w->status = 200; /* repaired: resumes by itself at the next probe */
    tl_fake_clock_advance_ms(&w->clock, 30 * MINUTE);
    assert_int_equal(apply(w, a, &j), TL_OK);
    auth_accepted(a, &j.ticket, TL_SV(""));
    assert_int_equal(apply(w, a, &j), TL_OK);
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
        struct auth *a = given_auth(w, "basic", &basic_conf);

        if (apply(w, a, &j) == TL_OK) {
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
        struct auth *a = given_auth(w, "basic", &basic_conf);

        assert_int_equal(apply(w, a, &j), TL_OK);
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
    a = given_auth(w, "oauth2_client_credentials", &client_conf);
    assert_int_equal(apply(w, a, &j), TL_OK);
    assert_int_equal(w->calls, 1);
    b = given_auth(w, "oauth2_client_credentials", &client_conf);
    assert_int_equal(apply(w, b, &j), TL_OK);
    assert_int_equal(w->calls, 1);
    assert_true(auth_rejected(b, &j.ticket, TL_SV("")));
    assert_int_equal(apply(w, b, &j), TL_OK);
    assert_false(auth_rejected(b, &j.ticket, TL_SV("")));
    assert_int_equal(apply(w, a, &j), TL_AUTH);
    auth_free(a);
    a = given_auth(w, "oauth2_client_credentials", &client_conf);
    assert_int_equal(apply(w, a, &j), TL_AUTH);
    auth_free(a);
    {
        struct auth_conf changed = client_conf; /* a person has written another client into the configuration */

        changed.client_id = "id:2";
        a = given_auth(w, "oauth2_client_credentials", &changed);
        assert_int_equal(apply(w, a, &j), TL_OK);
        auth_free(a);
    }
    auth_free(b);
    auth_book_free(w->auth.book);
}

static void the_change_of_anothers_secret_is_no_reason_to_try_again(void **state)
{
    struct config_secret other = {.kind = CONFIG_SECRET_ENV, .name = "OTHER"};
    struct world *w = *state;
    struct auth *a = given_auth(w, "basic", &basic_conf);
    struct secret *value = NULL;
    struct job j;

    assert_int_equal(secret_get(w->box, &other, &value, NULL, NULL), TL_OK);
    secret_unref(value);
    assert_int_equal(apply(w, a, &j), TL_OK);
    refuse(w, a, &j);
    w->other = "rotated-every-hour";
    assert_int_equal(secret_reload(w->box, NULL, NULL), 1);
    assert_int_equal(apply(w, a, &j), TL_AUTH);
    w->password = "mended";
    assert_int_equal(secret_reload(w->box, NULL, NULL), 1);
    assert_int_equal(apply(w, a, &j), TL_OK);
    auth_free(a);
}

static void a_changed_secret_is_tried_at_once(void **state)
{
    struct world *w = *state;
    struct auth *a = given_auth(w, "basic", &basic_conf);
    struct job j;

    assert_int_equal(apply(w, a, &j), TL_OK);
    assert_string_equal(j.authorization, "Basic dTp0aGUtY2xpZW50LXNlY3JldA==");
    assert_false(auth_rejected(a, &j.ticket, TL_SV(""))); /* nothing to renew */
    assert_int_equal(apply(w, a, &j), TL_AUTH);
    w->password = "new-secret";
    assert_int_equal(secret_reload(w->box, NULL, NULL), 1);
    assert_int_equal(apply(w, a, &j), TL_OK);
    assert_string_equal(j.authorization, "Basic dTpuZXctc2VjcmV0");
    auth_accepted(a, &j.ticket, TL_SV(""));
    assert_int_equal(apply(w, a, &j), TL_OK);
    auth_free(a);
}

static void a_rotated_refresh_token_survives_a_crash_at_every_point(void **state)
{
    struct world *w = *state;
    struct auth *a = given_auth(w, "oauth2_refresh_token", &refresh_conf);
    struct job j;

    w->rotates = true;
    for (int round = 1; round <= 5; round++) {
        tl_fake_clock_advance_ms(&w->clock, 3600 * 1000);
        assert_int_equal(apply(w, a, &j), TL_OK);
        assert_int_equal(w->puts, round); /* on disk before the call that uses it */
        assert_null(strstr(w->disk.p, "refresh-"));
        if (round % 2 == 0)
            auth_accepted(a, &j.ticket, TL_SV(""));
        auth_free(a); /* the process dies here, used or not */
        a = given_auth(w, "oauth2_refresh_token", &refresh_conf);
    }
    assert_int_equal(w->calls, 5);
    /* Not expired: after a restart the token on disk serves without a request. */
    assert_int_equal(apply(w, a, &j), TL_OK);
    assert_string_equal(j.authorization, "Bearer access-5");
    assert_int_equal(w->calls, 5);
    auth_free(a);
}

static void the_refresh_token_before_is_tried_when_the_newest_is_unknown(void **state)
{
    struct world *w = *state;
    struct auth *a = given_auth(w, "oauth2_refresh_token", &refresh_conf);
    struct job j;

    w->rotates = true;
    assert_int_equal(apply(w, a, &j), TL_OK);
    tl_fake_clock_advance_ms(&w->clock, 3600 * 1000);
    assert_int_equal(apply(w, a, &j), TL_OK); /* refresh-1 used, refresh-2 and the previous refresh-1 are kept */
    (void)snprintf(w->refresh, sizeof(w->refresh), "refresh-1"); /* the server's database was restored */
    w->previous[0] = '\0';
    tl_fake_clock_advance_ms(&w->clock, 3600 * 1000);
    assert_int_equal(apply(w, a, &j), TL_OK);
    assert_int_equal(w->calls, 4);
    auth_free(a);
}

static void it_is_known_since_when_and_until_when_a_grant_is_good(void **state)
{
    struct world *w = *state;
    struct auth *a = given_auth(w, "oauth2_refresh_token", &refresh_conf);
    struct auth_status s;
    struct job j;

    w->rotates = true;
    w->expires_in = 3600;
    w->more = ",\"refresh_token_expires_in\":86400";
    assert_int_equal(apply(w, a, &j), TL_OK);
    auth_get_status(a, &s);
    assert_int_equal(s.since_ms, START);
    assert_int_equal(s.expires_ms, START + 3600 * 1000);
    assert_int_equal(s.grant_since_ms, START);
    assert_int_equal(s.grant_expires_ms, START + 86400 * 1000);
    auth_free(a); /* a restart */
    a = given_auth(w, "oauth2_refresh_token", &refresh_conf);
    assert_int_equal(apply(w, a, &j), TL_OK);
    assert_int_equal(w->calls, 1);
    auth_get_status(a, &s);
    assert_int_equal(s.grant_expires_ms, START + 86400 * 1000);
    w->rotates = false; /* the next answer names no refresh token: the old one goes on, with its end */
    w->more = NULL;
    tl_fake_clock_advance_ms(&w->clock, 3600 * 1000);
    assert_int_equal(apply(w, a, &j), TL_OK);
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
        a = given_auth(w, "bearer", &conf);
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
    struct auth *a = given_auth(w, "oauth2_refresh_token", &refresh_conf);
    struct auth_status s;
    struct job j;

    w->rotates = true;
    w->disk_fails = true;
    assert_int_equal(apply(w, a, &j), TL_OK);
    auth_get_status(a, &s);
    assert_string_equal(s.reason, "the disk is full");
    w->disk_fails = false;
    tl_fake_clock_advance_ms(&w->clock, 3600 * 1000);
    assert_int_equal(apply(w, a, &j), TL_OK);
    assert_string_equal(j.authorization, "Bearer access-2");
    auth_free(a);
}

static void a_damaged_token_file_gets_one_sentence(void **state)
{
    struct world *w = *state;
    struct auth *a = given_auth(w, "oauth2_refresh_token", &refresh_conf);
    struct job j;

    tl_buf_puts(&w->disk, "TS\x11");
    assert_int_equal(apply(w, a, &j), TL_CONFIG);
    assert_non_null(strstr(j.err.text, "run tieline connect erp"));
    auth_free(a);
}

static void the_servers_words_are_shown_without_our_secrets(void **state)
{
    struct world *w = *state;
    struct auth *a = given_auth(w, "oauth2_client_credentials", &client_conf);
    struct job j;

    w->status = 401;
    w->words = "secret the-client-secret is wrong";
    assert_int_equal(apply(w, a, &j), TL_AUTH);
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
    struct auth *a = given_auth(w, "oauth2_client_credentials", &conf);
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
    assert_int_equal(apply(w, a, &j), TL_OK);
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
    struct auth_conf conf = refresh_conf;
    struct tl_arena *arena = tl_arena_new(1u << 20);
    struct connect_job c = {.auth = NULL};
    struct auth *a;
    struct task *t;
    struct job j;

    conf.refresh_token.kind = CONFIG_SECRET_NONE;
    a = c.auth = given_auth(w, "oauth2_authorization_code", &conf);
    w->rotates = true;
    assert_int_equal(apply(w, a, &j), TL_AUTH);
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
    assert_int_equal(apply(w, a, &j), TL_OK); /* no pause is left from before */
    tl_arena_free(arena);
    auth_free(a);
}

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
    struct auth *a = given_auth(w, "api_key", &query);
    struct job j;

    start(w, &j, a);
    async_loop_run(w->loop);
    assert_true(tl_sv_eqs(j.req.url, "https://api.example.com/v1/x?a=1&api_key=the-client-secret"));
    tl_arena_free(j.arena);
    auth_free(a);
    a = given_auth(w, "api_key", &header);
    start(w, &j, a);
    async_loop_run(w->loop);
    assert_true(tl_sv_eqs(j.req.headers[0].name, "X-Key") &&
                tl_sv_eqs(j.req.headers[0].value, "Token the-client-secret"));
    tl_arena_free(j.arena);
    auth_free(a);
    a = given_auth(w, "hmac", &hmac);
    start(w, &j, a);
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
    struct auth *a = given_auth(w, "standard_webhooks", &conf);
    struct job j;

    start(w, &j, a);
    assert_true(auth_request_header(&j.req, "Webhook-Id", TL_SV("evt1.0.0")));
    async_loop_run(w->loop);
    assert_int_equal(j.rc, TL_OK);
    assert_int_equal(j.req.n_headers, 3);
    assert_true(tl_sv_eqs(sent(&j, "webhook-timestamp"), "1760000000"));
    assert_true(tl_sv_eqs(
        sent(&j, "webhook-signature"),
        "v1,MUjACjfptumgxPA7+cA5bKJ+tex8pzIW+OfHFpr9dZM= v1,oH/Oow6Clth11wBA/bOjQJWKyHCGFq5BLAfAY1voKp4=")); /* Python's
                                                                                                                hmac */
    tl_arena_free(j.arena);
    start(w, &j, a); /* nobody gave an id */
    async_loop_run(w->loop);
    assert_true(tl_sv_starts(sent(&j, "webhook-id"), TL_SV("msg_")));
    tl_arena_free(j.arena);
    auth_free(a);
    a = given_auth(w, "standard_webhooks", &bad);
    assert_int_equal(apply(w, a, &j), TL_CONFIG);
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

    assert_int_equal(apply(w, a, &j), TL_OK);
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
    assert_int_equal(auth_new(&w->auth, "erp", "oauth2_client_credentials", &client_conf, &known, &a, NULL), TL_OK);
    assert_int_equal(apply(w, a, &j), TL_OK);
    assert_string_equal(j.base, "https://na1.example.com");
    auth_free(a);
    w->instance = "https://na2.example.com"; /* moved, but the token at hand is good where it was given out */
    assert_int_equal(auth_new(&w->auth, "erp", "oauth2_client_credentials", &client_conf, &known, &a, NULL), TL_OK);
    assert_int_equal(apply(w, a, &j), TL_OK);
    assert_int_equal(w->calls, 1);
    assert_string_equal(j.base, "https://na1.example.com");
    assert_true(auth_rejected(a, &j.ticket, TL_SV("")));
    assert_int_equal(apply(w, a, &j), TL_OK);
    assert_string_equal(j.base, "https://na2.example.com");
    auth_free(a);
    a = given_auth(w, "oauth2_client_credentials", &client_conf); /* a system that is not known to say it */
    w->disk.n = 0;
    assert_int_equal(apply(w, a, &j), TL_OK);
    assert_string_equal(j.base, "");
    auth_free(a);
}

static void a_signature_with_the_wrong_time_is_made_again_with_theirs(void **state)
{
    static const struct auth_conf conf = {.consumer_key = "ck",
                                          .consumer_secret = {.kind = CONFIG_SECRET_ENV, .name = "SECRET"},
                                          .method = AUTH_HMAC_SHA256};
    struct world *w = *state;
    struct auth *a = given_auth(w, "oauth1", &conf);
    char date[TL_TIME_TEXT];
    struct tl_sv theirs = tl_sv_str(tl_http_date_format(START + 10 * MINUTE, date));
    struct auth_status s;
    struct job j;

    assert_int_equal(apply(w, a, &j), TL_OK);
    assert_non_null(strstr(j.authorization, "oauth_timestamp=\"1760000000\""));
    assert_true(auth_rejected(a, &j.ticket, theirs));
    assert_int_equal(apply(w, a, &j), TL_OK);
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
    struct auth *with = given_auth(w, "oauth1", &conf),
                *without = given_auth(w, "oauth2_client_credentials", &client_conf);
    struct auth_passport p[2] = {{.account = TL_SV("1_SB1")}, {.account = TL_SV("1_SB1")}};
    struct job j;

    for (int i = 0; i < 2; i++) {
        start(w, &j, with);
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
    start(w, &j, without);
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

#define T(f) cmocka_unit_test_setup_teardown(f, given_world, end_world)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(five_hundred_tasks_cause_one_token_request),
        T(a_token_is_renewed_ahead_and_a_failure_of_that_goes_unnoticed),
        T(three_failures_of_the_token_endpoint_pause_nothing),
        T(a_401_renews_once_and_the_second_one_pauses),
        T(never_more_than_three_refusals_in_half_an_hour),
        T(a_changed_secret_is_tried_at_once),
        T(a_service_that_is_restarted_again_and_again_locks_no_account),
        T(a_reload_goes_on_with_the_token_and_forgets_no_refusal),
        T(the_change_of_anothers_secret_is_no_reason_to_try_again),
        T(a_rotated_refresh_token_survives_a_crash_at_every_point),
        T(the_refresh_token_before_is_tried_when_the_newest_is_unknown),
        T(it_is_known_since_when_and_until_when_a_grant_is_good),
        T(a_fixed_token_that_is_a_jwt_says_itself_when_it_ends),
        T(a_full_disk_does_not_lose_a_rotated_token),
        T(a_damaged_token_file_gets_one_sentence),
        T(the_servers_words_are_shown_without_our_secrets),
        T(a_private_key_proves_the_client_and_the_clock_of_the_server_counts),
        T(a_person_agrees_with_pkce_and_the_grant_is_kept),
        T(keys_and_signatures_go_where_they_are_configured),
        T(a_request_is_signed_as_standard_webhooks_by_both_secrets_of_a_rotation),
        T(what_the_connector_knows_of_the_server_need_not_be_written),
        T(where_the_api_is_comes_with_each_token_and_survives_a_restart),
        T(a_signature_with_the_wrong_time_is_made_again_with_theirs),
        T(a_passport_takes_the_place_of_the_header_and_only_oauth1_has_one),
        T(the_tables_of_schemes_and_choices_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
