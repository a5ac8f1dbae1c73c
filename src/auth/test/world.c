/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "../../crypto/test/keys.h"

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

int world_begin(void **state)
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

int world_end(void **state)
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

const struct auth_conf world_client_conf = {.token_url = "https://login.example.com/token",
                                            .client_id = "id:1",
                                            .client_secret = {.kind = CONFIG_SECRET_ENV, .name = "SECRET"}};
const struct auth_conf world_refresh_conf = {.token_url = "https://login.example.com/token",
                                             .client_id = "id:1",
                                             .client_secret = {.kind = CONFIG_SECRET_ENV, .name = "SECRET"},
                                             .refresh_token = {.kind = CONFIG_SECRET_ENV, .name = "REFRESH"},
                                             .authorize_url = "https://login.example.com/authorize",
                                             .scope = "read write"};

struct auth *world_auth(struct world *w, const char *scheme, const struct auth_conf *conf)
{
    struct auth *a = NULL;

    assert_int_equal(auth_new(&w->auth, "erp", scheme, conf, NULL, &a, NULL), TL_OK);
    return a;
}

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

void world_start(struct world *w, struct job *j, struct auth *a)
{
    struct task *t;

    *j = (struct job){.auth = a, .arena = tl_arena_new(1u << 20)};
    j->req = (struct auth_request){.arena = j->arena,
                                   .method = TL_SV("POST"),
                                   .url = TL_SV("https://api.example.com/v1/x?a=1"),
                                   .body = TL_SV("{}")};
    assert_int_equal(task_start(w->loop, "job", 0, run_job, j, NULL, &t, NULL), TL_OK);
}

enum tl_rc world_apply(struct world *w, struct auth *a, struct job *j)
{
    world_start(w, j, a);
    async_loop_run(w->loop);
    tl_arena_free(j->arena);
    return j->rc;
}
