/* SPDX-License-Identifier: Apache-2.0 */
#include "connector_rig.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

int rig_group_setup(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    return 0;
}

/* ---- the scripted server ---- */

static void remember(struct rig *r, const struct http_req *req)
{
    size_t n = 0; /* snprintf says how much there would be; what passes the end is not kept */

#define PUT(...) n += (size_t)snprintf(r->seen + (n < RIG_SEEN ? n : 0), n < RIG_SEEN ? RIG_SEEN - n : 0, __VA_ARGS__)
    PUT("%.*s %.*s\n", TL_SV_ARG(req->method_text), TL_SV_ARG(req->target));
    for (size_t i = 0; i < req->headers->n; i++)
        PUT("%.*s: %.*s\n", TL_SV_ARG(req->headers->v[i].name), TL_SV_ARG(req->headers->v[i].value));
    PUT("\n%.*s", TL_SV_ARG(req->body));
#undef PUT
}

static enum tl_rc serve(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct rig *r = arg;
    const struct rig_reply *reply = &r->replies[r->next];
    enum tl_rc rc = TL_OK;

    r->requests++;
    remember(r, req);
    if (r->next + 1 < r->n_replies)
        r->next++;
    while (reply->silent && !r->release && rc == TL_OK)
        rc = task_sleep_ms(task, 2, err);
    res->cut = reply->cut || reply->silent;
    for (size_t i = 0; i < TL_COUNT(reply->headers) && reply->headers[i]; i++) {
        struct tl_sv h = tl_sv_str(reply->headers[i]);
        size_t colon = tl_sv_find(h, ':');

        assert_int_equal(http_res_header(res, tl_sv(h.p, colon), tl_sv_trim(tl_sv_from(h, colon + 1)), err), TL_OK);
    }
    http_res_set(res, reply->status ? reply->status : 200, reply->headers[0] ? NULL : "application/json",
                 reply->echo ? json_view(json_printf(res->arena, "refused: %s", r->seen)) : tl_sv_str(reply->body));
    return TL_OK;
}

void rig_start(struct rig *r)
{
    const struct http_route route = {.methods = "*", .pattern = "/{path*}", .handler = serve, .arg = r};
    const struct connector_sim_server server = {.name = "test", .quiet = true, .routes = &route, .n_routes = 1};
    const struct http_client_options options = {.egress.allow_private = true, .timeout_ms = 5000};
    struct tl_err err = {0};

    memset(r, 0, sizeof *r);
    r->seen = tl_zalloc(RIG_SEEN);
    assert_int_equal(async_loop_new(100, NULL, &r->loop, &err), TL_OK);
    assert_int_equal(http_client_new(r->loop, &options, &r->client, &err), TL_OK);
    assert_int_equal(connector_sim_new(r->loop, &server, &r->server, &err), TL_OK);
    snprintf(r->url, sizeof r->url, "http://127.0.0.1:%u", (unsigned)connector_sim_port(r->server));
    tl_fake_clock_init(&r->clock, 1764000000000);
    r->conf = tl_arena_new(16 << 20);
    r->errors = config_errors_new();
    r->env[0][0] = "TIELINE_TEST_URL";
    r->env[0][1] = r->url;
    rig_script(r, (struct rig_reply){.body = "{}"});
}

static void forget_auth(struct rig *r);

static void release(struct rig *r)
{
    if (r->prepared && r->chosen.operation->release)
        r->chosen.operation->release(r->prepared);
    r->prepared = NULL;
}

static void call_done(struct rig *r)
{
    connector_host_free(r->host);
    tl_arena_free(r->arena);
    r->host = NULL;
    r->arena = NULL;
}

static enum tl_rc stop_server(struct task *task, void *arg, struct tl_err *err)
{
    struct rig *r = arg;

    (void)err;
    connector_sim_stop(task, r->server);
    return TL_OK;
}

static void stopped(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    struct rig *r = arg;

    (void)rc, (void)err;
    async_loop_stop(r->loop);
}

void rig_stop(struct rig *r)
{
    r->release = true;
    assert_int_equal(task_start(r->loop, "test.stop", 0, stop_server, r, stopped, NULL, &r->err), TL_OK);
    async_loop_run(r->loop);
    call_done(r);
    release(r);
    forget_auth(r);
    assert_true(async_loop_shutdown(r->loop, async_loop_now(r->loop) + UINT64_C(3000000000)));
    http_client_free(r->client);
    connector_sim_free(r->server);
    async_loop_free(r->loop);
    config_errors_free(r->errors);
    tl_arena_free(r->conf);
    tl_free(r->seen);
}

void rig_script(struct rig *r, struct rig_reply reply)
{
    r->replies[0] = reply;
    r->n_replies = 1;
    r->next = 0;
}

enum tl_rc rig_step(struct rig *r, struct task *task, struct tl_err *err)
{
    if (r->cut_at > 0 && --r->cut_at == 0)
        task_cancel(task);
    return task_yield(task, err);
}

bool rig_saw(const struct rig *r, const char *text)
{
    return strstr(r->seen, text) != NULL;
}

/* ---- configuration ---- */

static const char *env(void *arg, const char *name)
{
    struct rig *r = arg;

    for (size_t i = 0; i < RIG_ENV && r->env[i][0]; i++)
        if (strcmp(r->env[i][0], name) == 0)
            return r->env[i][1];
    return NULL;
}

static enum tl_rc token_call(struct task *t, void *arg, const struct http_request_out *req, struct tl_arena *arena,
                             struct http_reply *reply, struct tl_err *err)
{
    struct rig *r = arg;

    return http_client_call(t, r->client, req, arena, reply, err);
}

static void forget_auth(struct rig *r)
{
    connector_auth_free(r->real_auth);
    secret_box_free(r->secrets);
    crypto_free(r->crypto);
    r->real_auth = NULL;
    r->secrets = NULL;
    r->crypto = NULL;
}

void rig_authenticate(struct rig *r)
{
    struct secret_options o = {.env = env, .env_arg = r};
    struct auth_world world = {.clock = tl_clock_system(), .http = {token_call, r}};
    struct tl_err err = {0};

    forget_auth(r);
    assert_int_equal(crypto_new(&r->crypto, &err), TL_OK);
    o.crypto = world.crypto = r->crypto;
    assert_int_equal(secret_box_new(&o, &r->secrets, &err), TL_OK);
    world.secrets = r->secrets;
    r->auth = r->real_auth = connector_auth_new(&world, r->connector, "test", r->connection, &err);
    if (!r->auth)
        fail_msg("%s", err.text);
}

static const struct config_node *yaml_node(struct rig *r, const char *yaml)
{
    struct config_node *n;

    config_errors_free(r->errors);
    r->errors = config_errors_new();
    return config_parse_yaml(r->conf, "test.yaml", tl_sv_str(yaml), r->errors, &n) == TL_OK ? n : NULL;
}

bool rig_connect(struct rig *r, const struct connector *c, const char *yaml)
{
    const struct config_options opt = {.env = env, .arg = r};
    const struct config_node *n = yaml_node(r, yaml);
    void *conf;

    r->connector = c;
    if (!n || config_parse(r->conf, c->variant.spec, n, &opt, r->errors, &conf) != TL_OK)
        return false;
    r->connection = conf;
    return true;
}

bool rig_target(struct rig *r, const char *yaml, unsigned kinds)
{
    static const char *const common[] = {"connection", "name", NULL};
    const struct config_options opt = {.env = env, .arg = r};
    const struct config_node *n = yaml_node(r, yaml);

    release(r);
    if (!n || !connector_choose(r->conf, r->connector, n, common, kinds, &opt, r->errors, &r->chosen))
        return false;
    r->facilities = (struct connector_facilities){0};
    if (r->chosen.operation->facilities)
        r->chosen.operation->facilities(r->connection, r->chosen.conf, &r->facilities);
    if (r->chosen.operation->compile)
        r->prepared = r->chosen.operation->compile(r->connection, r->chosen.conf, r->errors);
    return config_errors_count(r->errors) == 0;
}

const char *rig_errors(struct rig *r)
{
    struct tl_buf b;
    const char *text;

    tl_buf_init(&b, 64 << 10);
    (void)config_errors_text(r->errors, false, &b);
    text = tl_arena_strndup(r->conf, b.p ? b.p : "", b.n);
    tl_buf_done(&b);
    return text;
}

/* ---- a call ---- */

static enum tl_rc secret(void *arg, struct task *task, const struct config_secret *ref, struct tl_buf *ret,
                         struct tl_err *err)
{
    const char *value = ref->kind == CONFIG_SECRET_ENV ? env(arg, ref->name) : NULL;
    enum tl_rc rc = rig_step(arg, task, err);

    if (rc != TL_OK)
        return rc;
    return value && tl_buf_puts(ret, value) ? TL_OK : tl_fail(err, TL_CONFIG, "no such secret");
}

static void call_new(struct rig *r)
{
    const struct connector_host_options options = {.client = r->client,
                                                   .clock = &r->clock.base,
                                                   .connector = r->connector,
                                                   .connection = r->connection,
                                                   .name = "test",
                                                   .auth = r->auth,
                                                   .secret = secret,
                                                   .secret_arg = r};
    struct connector_call before = r->call;

    call_done(r);
    r->arena = tl_arena_new(64 << 20);
    r->host = connector_host_new(&options);
    r->call = (struct connector_call){.connection = r->connection,
                                      .operation = r->chosen.conf,
                                      .prepared = r->prepared,
                                      .arena = r->arena,
                                      .records = r->records,
                                      .n = before.n,
                                      .verdicts = r->verdicts,
                                      .ticket = before.ticket,
                                      .source = TL_SV("test"),
                                      .position = before.position,
                                      .input = before.input};
    connector_call_begin(&r->call, r->host, &r->ledger);
    memset(r->verdicts, 0, sizeof r->verdicts);
}

void rig_records(struct rig *r, const char *const *json, size_t n)
{
    assert_true(n <= RIG_RECORDS);
    for (size_t i = 0; i < n; i++) {
        struct json_builder b, event;
        struct json v;

        assert_int_equal(json_parse(r->conf, tl_sv_str(json[i]), 0, NULL, &v, NULL), TL_OK);
        json_object_begin(&event, r->conf, 1);
        json_adds(&event, "id", json_int((int64_t)i + 1));
        json_object_begin(&b, r->conf, 3);
        json_adds(&b, "body", v);
        json_adds(&b, "event", json_end(&event));
        r->records[i] = (struct connector_record){.value = v,
                                                  .envelope = json_end(&b),
                                                  .key = tl_sv_str(tl_arena_printf(r->conf, "%zu.1.0", i + 1)),
                                                  .event = i + 1,
                                                  .delivery = i + 1,
                                                  .attempt = 1};
    }
    r->call.n = n;
}

static enum tl_rc body(struct task *task, void *arg, struct tl_err *err)
{
    struct rig *r = arg;
    connector_fn *fn = r->fn ? r->fn : r->chosen.operation->run;

    return connector_run(task, &r->call, fn, err);
}

static void ended(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    struct rig *r = arg;

    r->rc = rc;
    r->err = *err;
    r->done = true;
    r->task = NULL;
    async_loop_stop(r->loop);
}

void rig_begin(struct rig *r)
{
    struct tl_err err = {0};

    call_new(r);
    r->done = false;
    assert_int_equal(
        task_start(r->loop, "test", async_loop_now(r->loop) + UINT64_C(10000000000), body, r, ended, &r->task, &err),
        TL_OK);
}

void rig_turn(struct rig *r, int times)
{
    while (times-- > 0 && !r->done)
        async_loop_poll(r->loop);
}

void rig_wait(struct rig *r)
{
    while (!r->done)
        async_loop_run(r->loop);
}

void rig_run(struct rig *r)
{
    rig_begin(r);
    rig_wait(r);
}
