/* SPDX-License-Identifier: Apache-2.0 */
/* sim.c - the server under a simulator, and the set it counts with. */
#include "connector/sim.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

enum { SIM_TASKS = 15000, SIM_CONNECTIONS = 14000, SIM_BODY = 64 << 20, SIM_ARENA = 512 << 20, FIRST_SLOTS = 1024 };

/* ---- set: open addressing, at most two thirds full ---- */

void connector_sim_set_init(struct connector_sim_set *s, size_t most)
{
    *s = (struct connector_sim_set){.most = most};
}

void connector_sim_set_done(struct connector_sim_set *s)
{
    tl_free(s->keys);
    tl_free(s->values);
    *s = (struct connector_sim_set){.most = s->most};
}

static size_t slot_of(const struct connector_sim_set *s, uint64_t hash)
{
    size_t i = (size_t)(hash * UINT64_C(0x9e3779b97f4a7c15)) & (s->cap - 1);

    while (s->keys[i] != 0 && s->keys[i] != hash)
        i = (i + 1) & (s->cap - 1);
    return i;
}

static void grow(struct connector_sim_set *s)
{
    struct connector_sim_set old = *s;

    s->cap = old.cap ? 2 * old.cap : FIRST_SLOTS;
    s->keys = tl_zalloc(s->cap * sizeof *s->keys);
    s->values = tl_zalloc(s->cap * sizeof *s->values);
    for (size_t i = 0; i < old.cap; i++) {
        size_t to;

        if (old.keys[i] == 0)
            continue;
        to = slot_of(s, old.keys[i]);
        s->keys[to] = old.keys[i];
        s->values[to] = old.values[i];
    }
    tl_free(old.keys);
    tl_free(old.values);
}

uint64_t *connector_sim_set_at(struct connector_sim_set *s, uint64_t hash, bool *ret_new)
{
    size_t i;

    hash = hash ? hash : 1;
    if (3 * (s->n + 1) > 2 * s->cap)
        grow(s);
    i = slot_of(s, hash);
    *ret_new = s->keys[i] == 0;
    if (*ret_new && s->n >= s->most) {
        s->full = true;
        return NULL;
    }
    if (*ret_new) {
        s->keys[i] = hash;
        s->n++;
    }
    return &s->values[i];
}

/* ---- faults ---- */

uint64_t connector_sim_seed(int64_t seed)
{
    return (uint64_t)seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

double connector_sim_chance(uint64_t *random) /* xorshift64* */
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return (double)((*random * UINT64_C(0x2545f4914f6cdd1d)) >> 11) * 0x1p-53;
}

bool connector_sim_within(const double span[2], const struct tl_clock *clock, uint64_t started_ns)
{
    double t = (double)(tl_clock_mono_ns(clock) - started_ns) / 1e9;

    return span[1] > 0 && t >= span[0] && t < span[1];
}

/* ---- the server ---- */

struct connector_sim {
    struct async_loop *loop;
    struct http_server *server;
    struct http_router *router;
    struct http_tls *tls; /* NULL: plain */
    struct http_h2_server *streams;
};

static enum tl_rc open_streams(struct connector_sim *s, const struct connector_sim_server *server, struct tl_err *err)
{
    if (!server->streams)
        return TL_OK;
    return http_h2_server_new(s->loop,
                              &(struct http_h2_server_options){.host = server->host,
                                                               .port = server->streams_port,
                                                               .cert_file = server->cert_file,
                                                               .key_file = server->key_file,
                                                               .window = http_grpc_window(HTTP_GRPC_MAX),
                                                               .handler = server->streams,
                                                               .arg = server->streams_arg},
                              &s->streams, err);
}

enum tl_rc connector_sim_new(struct async_loop *loop, const struct connector_sim_server *server,
                             struct connector_sim **ret_sim, struct tl_err *err)
{
    const struct http_server_options options = {
        .limits.request_line = 17 << 10, /* Salesforce takes 16 KB */
        .connections = SIM_CONNECTIONS,
        .connections_per_address = SIM_CONNECTIONS,
        .requests_per_connection = UINT32_MAX - 1,
        .body_limit = SIM_BODY,
        .request_arena = SIM_ARENA, /* all records of a type in one answer */
        .handler_ms = 600000,
        .idle_ms = 600000,
        .drain_ms = 1000,
    };
    const struct http_tls_cert cert = {.cert_file = server->cert_file, .key_file = server->key_file};
    struct http_listen listen = {.host = server->host ? server->host : "127.0.0.1", .port = server->port};
    struct connector_sim *s = tl_zalloc(sizeof *s);
    enum tl_rc rc = TL_OK;

    s->loop = loop;
    s->router = http_router_new();
    if (server->cert_file)
        rc = http_tls_new(&(struct http_tls_options){.certs = &cert, .n_certs = 1}, NULL, tl_clock_system(), &s->tls,
                          err);
    listen.tls = s->tls;
    for (size_t i = 0; i < server->n_routes && rc == TL_OK; i++)
        rc = http_router_add(s->router, &server->routes[i], err);
    if (rc == TL_OK)
        rc = http_server_new(&loop, 1, &options, s->router, &s->server, err);
    if (rc == TL_OK)
        rc = http_server_listen(s->server, &listen, err);
    if (rc == TL_OK)
        rc = open_streams(s, server, err);
    if (rc != TL_OK) {
        connector_sim_free(s);
        return rc;
    }
    *ret_sim = s;
    return TL_OK;
}

uint16_t connector_sim_port(const struct connector_sim *s)
{
    return http_server_port(s->server, 0);
}

uint16_t connector_sim_streams_port(const struct connector_sim *s)
{
    return s->streams ? http_h2_server_port(s->streams) : 0;
}

struct http_h2_server *connector_sim_streams_server(const struct connector_sim *s)
{
    return s->streams;
}

void connector_sim_json(struct http_req *req, struct http_res *res, int status, const char *type, struct json v)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv text;

    tl_buf_init(&b, SIM_BODY);
    text = json_write(&b, v, 0) ? tl_arena_sv(req->arena, tl_buf_view(&b)) : TL_SV_NULL;
    if (text.p)
        http_res_set(res, status, type ? type : "application/json", text);
    else
        http_res_error(res, 500, "too_large", "the answer does not fit into the memory of a request");
}

struct parsing {
    struct http_req *req;
    struct json *ret;
    bool done;
};
static void parse_body(void *arg)
{
    struct parsing *p = arg;

    p->done = json_parse(p->req->arena, p->req->body, 0, NULL, p->ret, NULL) == TL_OK;
}

bool connector_sim_body(struct task *task, struct http_req *req, struct json *ret)
{
    struct parsing p = {.req = req, .ret = ret};

    task_on_main_stack(task, parse_body, &p);
    return p.done;
}

enum tl_rc connector_sim_controlled(struct task *task, struct http_req *req, struct http_res *res,
                                    const struct connector_sim_option *table, size_t n, void *options,
                                    struct tl_err *err)
{
    struct json v;
    enum tl_rc rc = connector_sim_body(task, req, &v) ? connector_sim_control(table, n, v, options, err)
                                                      : tl_fail(err, TL_INVALID, "options come as a JSON object");

    if (rc == TL_OK)
        connector_sim_json(req, res, 200, NULL, connector_sim_show(table, n, options, req->arena));
    return rc;
}

void connector_sim_stop(struct task *task, struct connector_sim *s)
{
    if (s->streams)
        http_h2_server_stop(task, s->streams);
    http_server_stop(task, s->server);
}

void connector_sim_free(struct connector_sim *s)
{
    if (!s)
        return;
    http_h2_server_free(s->streams);
    http_server_free(s->server);
    http_router_unref(s->router);
    http_tls_unref(s->tls);
    tl_free(s);
}

/* ---- on its own ---- */

static void stop_loop(void *arg)
{
    async_loop_stop(arg);
}

static void *wait_for_signal(void *arg)
{
    sigset_t set;
    int sig;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (sigwait(&set, &sig) == 0)
        async_loop_post(arg, stop_loop, arg);
    return NULL;
}

static enum tl_rc stop_task(struct task *task, void *arg, struct tl_err *err)
{
    (void)err;
    connector_sim_stop(task, arg);
    return TL_OK;
}

static void stopped(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    struct connector_sim *s = arg;

    (void)rc, (void)err;
    async_loop_stop(s->loop);
}

static void say_where(const struct connector_sim *s, const struct connector_sim_server *server)
{
    const char *scheme = s->tls ? "https" : "http", *host = server->host ? server->host : "127.0.0.1";

    if (server->json)
        (void)printf("{\"simulator\":\"%s\",\"url\":\"%s://%s:%u\"", server->name, scheme, host,
                     (unsigned)connector_sim_port(s));
    else
        (void)printf("%s simulator: %s://%s:%u\n", server->name, scheme, host, (unsigned)connector_sim_port(s));
    if (s->streams && server->json)
        (void)printf(",\"streams\":\"%s://%s:%u\"", scheme, host, (unsigned)connector_sim_streams_port(s));
    else if (s->streams)
        (void)printf("%s simulator, %s: %s://%s:%u\n", server->name, server->streams_name, scheme, host,
                     (unsigned)connector_sim_streams_port(s));
    if (server->json)
        (void)puts("}");
    (void)fflush(stdout);
}

static enum tl_rc run(struct async_loop *loop, const struct connector_sim_server *server, struct tl_err *err)
{
    struct connector_sim *s;
    pthread_t thread;
    sigset_t set;
    enum tl_rc rc = connector_sim_new(loop, server, &s, err);

    if (rc != TL_OK)
        return rc;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (pthread_create(&thread, NULL, wait_for_signal, loop) != 0) {
        connector_sim_free(s);
        return tl_fail(err, TL_BUSY, "no thread can be started");
    }
    if (!server->quiet)
        say_where(s, server);
    async_loop_keep(loop, true);
    async_loop_run(loop);
    if (task_start(loop, "sim.stop", async_loop_now(loop) + UINT64_C(3000000000), stop_task, s, stopped, NULL, err) ==
        TL_OK)
        async_loop_run(loop);
    (void)async_loop_shutdown(loop, async_loop_now(loop) + UINT64_C(1000000000));
    (void)pthread_join(thread, NULL);
    connector_sim_free(s);
    return TL_OK;
}

int connector_sim_run(const struct connector_sim_server *server, void (*at_end)(void *arg), void *arg)
{
    struct async_loop *loop = NULL;
    struct tl_err err = {0};
    enum tl_rc rc = async_loop_new(SIM_TASKS, NULL, &loop, &err);

    if (rc == TL_OK)
        rc = run(loop, server, &err);
    async_loop_free(loop);
    if (rc != TL_OK) {
        connector_sim_failed(server, &err);
        return 1;
    }
    if (at_end)
        at_end(arg);
    return 0;
}
