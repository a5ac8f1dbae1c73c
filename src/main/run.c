/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - `tieline run`: loops, ledger, engine and servers in the order in which they need each other, and back.
 * The main thread is loop 0; the others have threads of their own. SIGTERM and SIGINT drain, SIGHUP reloads.
 */
#include "main/main.h"
#include "cli/cli.h"

#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "admin/admin.h"
#include "http/http.h"
#include "main/alerts.h"
#include "main/auth.h"
#include "main/descriptors.h"
#include "main/listen.h"
#include "main/secrets.h"
#include "main/systemd.h"
#include "main/telemetry.h"

enum {
    MAX_LOOPS = 64,
    MAX_TASKS = 8000,
    WORKER_THREADS = 8,
    RELOAD_MS = 30000,
    SECRETS_MS = 500,
    CERTIFICATE_ROUNDS = 4,
    FILES_LEAST = 48, /* the ledger, listeners, a few connections and calls */
    FILES_A_LOOP = 4,
    HISTORY_MS = 10000,
    FREE_MOST = 48 << 20, /* in malloc's hands */
    FREE_KEPT = 16 << 20
};

struct server {
    const char *config_path;
    bool json; /* what is said */
    struct config_options config;
    struct tl_arena *kept;       /* holds started */
    struct config_node *started; /* what held at the start */
    struct crypto *crypto;
    struct main_secrets secrets;
    struct metrics *metrics;
    struct mapping_workers *workers;
    struct tl_log *log;
    struct async_loop *loops[MAX_LOOPS];
    pthread_t threads[MAX_LOOPS];
    size_t n_loops, n_threads;
    struct flow_engine *engine;
    struct queue *queue;
    struct http_server *public, *control, *web; /* web: NULL without the admin listener */
    struct main_listener public_at, web_at;
    struct admin admin;
    struct admin_gauges *gauges;
    struct main_auth auth;
    struct main_alerts alerts;
    struct main_telemetry *collector; /* NULL: off */
    struct otlp_sender telemetry;     /* .otlp NULL: off */
    struct main_systemd systemd;
    uv_signal_t signals[3];
    bool stopping;
    char *control_path;
    struct async_mutex reloading;
};

static int complain(const struct server *s, const struct tl_err *err)
{
    (void)tl_log_drain(s->log, TL_LOG_LAST_MS); /* in the order in which it was */
    if (s->json)
        json_complain(tl_rc_name(err->rc), err->text, NULL, JSON_NOTHING);
    else
        fprintf(stderr, "tieline: %s\n", err->text);
    return err->rc == TL_CONFIG ? 2 : 1;
}

static int complain_config(const struct server *s, struct config_errors *e)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(16 << 20);
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json_builder o;

    (void)tl_log_drain(s->log, TL_LOG_LAST_MS);
    tl_buf_init(&b, 1 << 20);
    json_object_begin(&o, a, 2);
    json_adds(&o, "ok", json_bool(config_errors_count(e) == 0));
    json_adds(&o, "errors", config_errors_json(e, a));
    if (s->json)
        (void)(json_write(&b, json_end(&o), 0) && tl_buf_putc(&b, '\n'));
    else
        config_errors_text(e, isatty(STDERR_FILENO), &b);
    fprintf(stderr, "%.*s", (int)b.n, b.p ? b.p : "");
    return 2;
}

/* ---- configuration ---- */
/* same: NULL, or whose configuration is to be taken in the place of what the files say now. */
static enum tl_rc load_plan(struct server *s, struct flow_plan *same, struct config_errors *e, struct flow_plan **ret)
{
    struct flow_load_options o = {.config = s->config,
                                  .crypto = s->crypto,
                                  .workers = s->workers,
                                  .secret = main_secrets_resolve,
                                  .secret_arg = &s->secrets,
                                  .same = same};

    o.config.check_files = o.config.check_files && !same;
    return flow_plan_load(s->config_path, &o, e, ret);
}

/* A copy, so that the first plan can go when its last event has. NULL: it was too large to keep. */
static void keep_start(struct server *s, const struct flow_plan *plan)
{
    s->kept = tl_arena_new(128 << 20);
    s->started = config_copy(s->kept, flow_plan_node(plan));
}

/* ---- reloading: parsing may take a while, so it happens on a worker thread ---- */
struct reload {
    struct server *s;
    struct flow_plan *same; /* NULL: what the files say now */
    struct config_errors *e;
    struct flow_plan *plan;
    enum tl_rc rc;
};
static void read_again(void *arg)
{
    struct reload *r = arg;

    (void)secret_reload(r->s->secrets.box, NULL, NULL);
    r->rc = load_plan(r->s, r->same, r->e, &r->plan);
}

static struct json answer_json(struct tl_arena *a, const struct queue_config_answer *q)
{
    struct json_builder b;

    json_object_begin(&b, a, 9);
    json_adds(&b, "flows_added", json_int((int64_t)q->flows_added));
    json_adds(&b, "flows_removed", json_int((int64_t)q->flows_removed));
    json_adds(&b, "flows_back", json_int((int64_t)q->flows_back));
    json_adds(&b, "connections_added", json_int((int64_t)q->connections_added));
    json_adds(&b, "connections_removed", json_int((int64_t)q->connections_removed));
    json_adds(&b, "held_flow_removed", json_int((int64_t)q->held_flow_removed));
    json_adds(&b, "held_identity", json_int((int64_t)q->held_identity));
    json_adds(&b, "released", json_int((int64_t)q->released));
    json_adds(&b, "live", json_int((int64_t)q->live));
    return json_end(&b);
}

static enum tl_rc make_public_router(struct server *s, struct flow_plan *plan, struct http_router **ret,
                                     struct tl_err *err);

static void add_effective(struct json_builder *b, const char *name, const struct flow_plan *p)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};

    tl_buf_init(&text, 8 << 20);
    config_print_effective(&flow_project_spec, flow_plan_node(p), &text);
    json_adds(b, name, json_str_copy(b->arena, tl_buf_view(&text)));
}

/* The paths of what is in the file but not in force since the start. log: NULL where nothing is applied, only looked
 * at. */
static struct json restart_json(struct tl_log *log, struct tl_arena *a, const struct config_change *c, size_t n)
{
    struct json_builder b;
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};

    tl_buf_init(&text, 4096);
    json_array_begin(&b, a, n);
    for (size_t i = 0; i < n; i++) {
        json_push(&b, json_str(c[i].path));
        (void)tl_buf_printf(&text, "%s%s", text.n ? ", " : "", c[i].path);
    }
    if (text.n && log)
        TL_LOG(log, TL_WARN, "config.needs_restart", "changes that come into force with the next start",
               KV_SV("paths", tl_buf_view(&text)));
    return json_end(&b);
}

struct certificates {
    struct main_certificates public, web;
};

static enum tl_rc read_certificates(struct server *s, struct task *task, const struct flow_plan *plan,
                                    struct certificates *ret, struct tl_err *err)
{
    const struct flow_project *c = flow_plan_project(plan);
    enum tl_rc rc = main_certificates(task, &s->public_at, &c->server, &ret->public, err);

    return rc == TL_OK ? main_certificates(task, &s->web_at, &c->admin.server, &ret->web, err) : rc;
}

static void use_certificates(struct server *s, struct certificates *read)
{
    if (read->public.tls || read->web.tls)
        TL_LOG(s->log, TL_INFO, "tls.renewed", "new connections get the certificates now in the files",
               KV_BOOL("server", read->public.tls != NULL), KV_BOOL("admin", read->web.tls != NULL));
    main_certificates_use(&s->public_at, &read->public);
    main_certificates_use(&s->web_at, &read->web);
}

static void drop_certificates(struct certificates *read)
{
    main_certificates_done(&read->public);
    main_certificates_done(&read->web);
}

static struct http_server_options web_options(const struct flow_admin_conf *c)
{
    struct http_server_options o = main_server_options(&c->server);

    o.headers = admin_web_headers(&o.n_headers);
    return o;
}

/* What may refuse a configuration after it was read, before any of it holds: there is no half of a reload. */
static enum tl_rc prepare_settings(struct server *s, struct flow_plan *plan, struct http_router **ret_router,
                                   struct tl_err *err)
{
    const struct flow_project *c = flow_plan_project(plan);
    struct http_server_options public = main_server_options(&c->server), web = web_options(&c->admin);
    enum tl_rc rc = http_server_options_check(&public, err);

    if (rc == TL_OK)
        rc = http_server_options_check(&web, err);
    return rc == TL_OK ? make_public_router(s, plan, ret_router, err) : rc;
}

/* Of what the tables mark with CONFIG_RELOAD_APPLIES, that which neither the engine nor the console has taken up by
 * now. */
static enum tl_rc use_settings(struct server *s, const struct flow_project *c, struct tl_err *err)
{
    struct http_server_options public = main_public_options(&c->server), web = web_options(&c->admin);
    enum tl_rc rc = http_server_set_options(s->public, &public, err);

    if (rc == TL_OK && s->web)
        rc = http_server_set_options(s->web, &web, err);
    tl_log_set_level(s->log, (enum tl_level)c->log.level);
    return rc;
}

static enum tl_rc swap(struct server *s, struct task *task, struct reload *r, bool dry_run, struct tl_arena *arena,
                       struct json *ret, struct tl_err *err)
{
    struct queue_config_answer counts = {0};
    struct certificates certificates = {0};
    struct admin_access *access = NULL;
    struct flow_plan *old;
    struct config_change *changes;
    struct json_builder b;
    size_t n = 0;
    struct http_router *router = NULL;
    enum tl_rc rc = read_certificates(s, task, r->plan, &certificates, err);

    if (rc == TL_OK)
        rc = prepare_settings(s, r->plan, &router, err);
    if (rc != TL_OK) {
        drop_certificates(&certificates);
        return rc;
    }
    old = flow_engine_plan(s->engine);
    if (!dry_run)
        rc = admin_web_read(s->admin.web, r->plan, &access, err);
    if (rc == TL_OK)
        rc = flow_engine_reload(s->engine, task, r->plan, dry_run, &counts, err);
    if (rc == TL_OK && access) /* not before: a refused configuration lets nobody in and sends nobody away */
        admin_web_use(s->admin.web, access);
    admin_access_free(access);
    changes = config_diff(arena, flow_plan_node(old), flow_plan_node(r->plan), 10000, &n); /* any that people write */
    json_object_begin(&b, arena, 7);
    json_adds(&b, "applied", json_bool(rc == TL_OK && !dry_run));
    json_adds(&b, "changes", config_diff_json(arena, changes, n));
    changes = config_needs_restart(arena, &flow_project_spec, s->started ? s->started : flow_plan_node(old),
                                   flow_plan_node(r->plan), 200, &n);
    json_adds(&b, "needs_restart", restart_json(dry_run ? NULL : s->log, arena, changes, n));
    json_adds(&b, "ledger", answer_json(arena, &counts));
    json_adds(&b, "sources_elsewhere", flow_plan_sources_elsewhere(old, r->plan, arena));
    if (dry_run) { /* what holds, and what the file would make hold; secrets as references */
        add_effective(&b, "running", old);
        add_effective(&b, "file", r->plan);
    }
    *ret = json_copy(arena, json_end(&b));
    flow_plan_unref(old);
    if (rc == TL_OK && !dry_run) {
        use_certificates(s, &certificates);
        http_server_set_router(s->public, router);
        rc = use_settings(s, flow_plan_project(r->plan), err);
    }
    http_router_unref(router);
    drop_certificates(&certificates);
    return rc;
}

static enum tl_rc reload_locked(struct server *s, struct task *task, bool same, bool dry_run, struct tl_arena *arena,
                                struct json *ret, struct tl_err *err)
{
    struct reload r = {.s = s, .same = same ? flow_engine_plan(s->engine) : NULL, .e = config_errors_new()};
    enum tl_rc rc = task_blocking(task, read_again, &r, NULL, err);

    flow_plan_unref(r.same);
    if (rc == TL_OK && r.rc != TL_OK) {
        struct json_builder b;

        json_object_begin(&b, arena, 2);
        json_adds(&b, "applied", json_bool(false));
        json_adds(&b, "errors", config_errors_json(r.e, arena));
        *ret = json_copy(arena, json_end(&b));
        rc = config_errors_first(r.e, err);
    } else if (rc == TL_OK) {
        rc = swap(s, task, &r, dry_run, arena, ret, err);
    }
    flow_plan_unref(r.plan);
    config_errors_free(r.e);
    return rc;
}

/* One after another: what was read first must not come into force last. All of them run on loop 0. */
static enum tl_rc reload_in_turn(struct server *s, struct task *task, bool same, bool dry_run, struct tl_arena *arena,
                                 struct json *ret, struct tl_err *err)
{
    enum tl_rc rc = async_lock(task, &s->reloading, err);

    if (rc != TL_OK)
        return rc;
    rc = reload_locked(s, task, same, dry_run, arena, ret, err);
    async_unlock(&s->reloading);
    return rc;
}

static enum tl_rc reload(void *arg, struct task *task, bool dry_run, struct tl_arena *arena, struct json *ret,
                         struct tl_err *err)
{
    return reload_in_turn(arg, task, false, dry_run, arena, ret, err);
}

/* ---- servers ---- */
static bool is_draining(void *arg)
{
    struct server *s = arg;

    return s->stopping;
}

static enum tl_rc make_public_router(struct server *s, struct flow_plan *plan, struct http_router **ret,
                                     struct tl_err *err)
{
    const struct flow_metrics_conf *m = flow_plan_project(plan)->server.metrics;
    struct http_router *r = http_router_new();
    enum tl_rc rc = flow_engine_routes(s->engine, plan, r, err);

    if (rc == TL_OK)
        rc = admin_health_routes(&s->admin, r, is_draining, s, err);
    if (rc == TL_OK && m && m->on)
        rc = admin_metrics_route(&s->admin, r, (const struct http_cidr *)m->allow.items, m->allow.n, err);
    if (rc == TL_OK)
        *ret = r;
    else
        http_router_unref(r);
    return rc;
}

static enum tl_rc open_public(struct server *s, struct flow_plan *plan, struct tl_err *err)
{
    const struct flow_server_conf *c = &flow_plan_project(plan)->server;
    const struct http_server_options o = main_public_options(c);
    struct http_router *router = NULL;
    enum tl_rc rc = make_public_router(s, plan, &router, err);

    if (rc == TL_OK)
        rc = http_server_new(s->loops, s->n_loops, &o, router, &s->public, err);
    http_router_unref(router);
    return rc == TL_OK ? main_listen(&s->public_at, c, s->public, err) : rc;
}

static enum tl_rc make_web(struct server *s, const struct flow_admin_conf *c, struct tl_err *err)
{
    const struct http_server_options o = web_options(c);
    struct http_router *router = http_router_new();
    enum tl_rc rc = admin_web_routes(&s->admin, s->admin.web, router, err);

    if (rc == TL_OK)
        rc = admin_health_routes(&s->admin, router, is_draining, s, err);
    if (rc == TL_OK)
        rc = admin_metrics_route(&s->admin, router, NULL, 0, err);
    if (rc == TL_OK)
        rc = http_server_new(s->loops, 1, &o, router, &s->web, err);
    http_router_unref(router);
    return rc;
}

/* Who wrote no address can do without: another installation on this machine may have the default one. */
static enum tl_rc open_web(struct server *s, struct flow_plan *plan, struct tl_err *err)
{
    const struct flow_admin_conf *c = &flow_plan_project(plan)->admin;
    const struct config_node *written = config_get(flow_plan_node(plan), "admin");
    enum tl_rc rc;

    if (c->off)
        return TL_OK;
    rc = make_web(s, c, err);
    if (rc == TL_OK)
        rc = main_listen(&s->web_at, &c->server, s->web, err);
    if (rc == TL_OK || !s->web || (written && config_get(written, "listen")))
        return rc;
    TL_LOG(s->log, TL_WARN, "admin.not_listening", err->text,
           KV_STR("what", "the control socket works; set admin.listen, or admin.off: true"));
    http_server_free(s->web);
    s->web = NULL;
    return TL_OK;
}

static enum tl_rc open_control(struct server *s, const char *data_path, struct tl_err *err)
{
    const struct http_server_options o = {.body_limit = 64 << 20};
    struct http_router *router = http_router_new();
    struct http_listen listen = {0};
    enum tl_rc rc = admin_routes(&s->admin, router, err);

    if (rc == TL_OK)
        rc = admin_health_routes(&s->admin, router, is_draining, s, err);
    if (rc == TL_OK)
        rc = admin_metrics_route(&s->admin, router, NULL, 0, err);
    if (rc == TL_OK)
        rc = http_server_new(s->loops, 1, &o, router, &s->control, err);
    http_router_unref(router);
    s->control_path = tl_sprintf("%s/control.sock", data_path);
    listen.unix_path = s->control_path;
    return rc == TL_OK ? http_server_listen(s->control, &listen, err) : rc;
}

/* ---- the ledger ---- */
static void fatal(void *arg, const struct tl_err *err)
{
    struct server *s = arg;

    TL_LOG(s->log, TL_ERROR, "ledger.fatal", err->text, KV_STR("what", "nothing more is acknowledged; leaving"));
    (void)tl_log_drain(s->log, TL_LOG_LAST_MS);
    _exit(70); /* senders got no answer for what is not on disk, and will send again */
}

static enum tl_rc open_ledger(struct server *s, const struct flow_project *c, struct tl_err *err)
{
    struct crypto_seal_key keys[SECRET_KEYS_MAX];
    struct queue_options o = {.path = c->store.path,
                              .n_loops = (unsigned)s->n_loops,
                              .inline_max = c->store.inline_max,
                              .unsafe_no_sync = c->store.unsafe_no_sync,
                              .reserve_bytes = c->store.reserve,
                              .keep_key_ms = c->store.keep_keys_ms,
                              .keep_final_ms = c->store.keep_events_ms,
                              .dispatch = flow_engine_dispatch,
                              .notice = flow_engine_notice,
                              .tells = flow_engine_tells,
                              .told = flow_engine_told,
                              .fatal = flow_engine_fatal,
                              .arg = s->engine,
                              .keys = keys};
    const struct flow_encrypt_conf *e = c->store.encrypt;
    enum tl_rc rc = TL_OK;

    if (e)
        rc = secret_seal_keys(s->secrets.box, s->crypto, &e->key, &e->old_keys, keys, &o.n_keys, err);
    if (rc == TL_BUSY) /* Vault has not been read: no fault of the configuration, and whoever starts us may try again */
        rc = tl_err_prefix(err, "the ledger's key is not there yet, and nothing is accepted without it");
    if (rc != TL_OK)
        return tl_err_prefix(err, "store.encrypt");
    rc = queue_open(&o, &s->queue, err);
    tl_wipe(keys, sizeof keys);
    return rc;
}

/* ---- loops and signals ---- */
static void *run_loop(void *arg)
{
    (void)pthread_setname_np(pthread_self(), "tieline-loop"); /* for top -H and perf */
    async_loop_run(arg);
    return NULL;
}

static enum tl_rc make_loops(struct server *s, int64_t wanted, struct tl_err *err)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = wanted > 0 ? (size_t)wanted : cores < 1 ? 1 : cores > 4 ? 4 : (size_t)cores;
    enum tl_rc rc = main_descriptors_enough(FILES_LEAST + FILES_A_LOOP * (unsigned)n, err);

    while (rc == TL_OK && s->n_loops < n) {
        struct async_loop **loop = &s->loops[s->n_loops];

        rc = async_loop_new(MAX_TASKS, NULL, loop, err);
        if (rc != TL_OK)
            break;
        async_loop_set_long(*loop, (unsigned)(WORKER_THREADS / 2 / n));
        if (s->n_loops++ > 0)
            async_loop_keep(*loop, true);
    }
    return rc;
}

static enum tl_rc stop_task(struct task *task, void *arg, struct tl_err *err)
{
    struct server *s = arg;

    (void)err;
    http_server_stop(task, s->public);
    flow_engine_stop(s->engine, task);
    otlp_flush(task, &s->telemetry);
    http_server_stop(task, s->control);
    if (s->web)
        http_server_stop(task, s->web);
    for (size_t i = 0; i < TL_COUNT(s->signals); i++)
        uv_close((uv_handle_t *)&s->signals[i], NULL);
    for (size_t i = 0; i < s->n_loops; i++)
        async_loop_stop(s->loops[i]);
    return TL_OK;
}

static enum tl_rc hup_task(struct task *task, void *arg, struct tl_err *err)
{
    struct server *s = arg;
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(64 << 20);
    struct json answer;
    enum tl_rc rc = reload(s, task, false, a, &answer, err);

    if (rc == TL_OK)
        TL_LOG(s->log, TL_INFO, "config.reloaded", "the configuration was read again", KV_STR("path", s->config_path));
    else
        TL_LOG(s->log, TL_ERROR, "config.refused", err->text, KV_STR("path", s->config_path));
    return rc;
}

/* ---- every ten seconds: the history of a day, and memory back ---- */
/* glibc keeps what large bodies took, piece by piece, as others lie between. Under a load that comes again and again
 * there is little: pages that are given back are made anew at some cost. They go on counting as free; to go over them
 * again costs half a millisecond. */
static void give_memory_back(void)
{
    if (mallinfo2().fordblks > FREE_MOST)
        (void)malloc_trim(FREE_KEPT);
}

static void tick(void *arg)
{
    admin_series_tick(arg);
    give_memory_back();
}

static enum tl_rc keep_history(struct task *task, void *arg, struct tl_err *err)
{
    struct server *s = arg;

    while (!s->stopping) {
        if (task_blocking(task, tick, s->admin.series, NULL, err) != TL_OK)
            break;
        if (task_sleep_ms(task, HISTORY_MS, err) != TL_OK)
            break;
    }
    return TL_OK;
}

/* A renewal writes two files, one after the other: a pair that does not fit yet is tried again when it changes. */
static void watch_certificates(struct server *s, struct task *task, const struct flow_plan *plan)
{
    const struct flow_project *c = flow_plan_project(plan);
    struct certificates certificates = {0};
    struct tl_err err = {0};

    if (!main_certificates_changed(&s->public_at, &c->server) &&
        !main_certificates_changed(&s->web_at, &c->admin.server))
        return;
    if (read_certificates(s, task, plan, &certificates, &err) == TL_OK) {
        use_certificates(s, &certificates);
        return;
    }
    main_certificates_wrong(&s->public_at, &certificates.public);
    main_certificates_wrong(&s->web_at, &certificates.web);
    drop_certificates(&certificates);
    TL_LOG(s->log, TL_ERROR, "tls.not_renewed", err.text, KV_STR("what", "the certificates in use go on"));
}

/* A secret that changed at its source (a file, the store, Vault) is taken up without a restart: verifiers are made anew
 * by a reload of the configuration in force, which also lets go on what was held for the want of it. What somebody is
 * writing into the files stays there until it is reloaded. */
static void take_up_secrets(struct task *task, struct server *s, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(64 << 20);
    struct json answer;

    if (reload_in_turn(s, task, true, false, a, &answer, err) == TL_OK)
        TL_LOG(s->log, TL_INFO, "secrets.taken_up", "the configuration in force has the new values",
               KV_BOOL("applied", true));
    else
        TL_LOG(s->log, TL_ERROR, "secrets.not_taken_up", err->text, KV_STR("what", "the values in use go on"));
}

static enum tl_rc watch_secrets(struct task *task, void *arg, struct tl_err *err)
{
    struct server *s = arg;
    unsigned round = 0;

    while (task_sleep_ms(task, SECRETS_MS, err) == TL_OK && !s->stopping) {
        struct flow_plan *plan = flow_engine_plan(s->engine);
        bool changed = false;
        enum tl_rc rc = main_secrets_round(task, &s->secrets, plan, s->log, &changed, err);

        if (rc == TL_OK && ++round % CERTIFICATE_ROUNDS == 0)
            watch_certificates(s, task, plan);
        flow_plan_unref(plan);
        if (rc != TL_OK)
            break;
        if (changed)
            take_up_secrets(task, s, err);
    }
    return TL_OK;
}

static int64_t drain_ms(struct server *s)
{
    struct flow_plan *plan = flow_engine_plan(s->engine);
    int64_t ms = flow_plan_project(plan)->server.drain_ms;

    flow_plan_unref(plan);
    return ms;
}

static void on_signal(uv_signal_t *h, int signum)
{
    struct server *s = h->data;
    int64_t ms = signum == SIGHUP ? RELOAD_MS : drain_ms(s);
    uint64_t deadline = async_loop_now(s->loops[0]) + (uint64_t)ms * 1000000u;
    struct task *task;
    struct tl_err err;
    enum tl_rc rc;

    if (signum == SIGHUP) {
        rc = task_start(s->loops[0], "reload", deadline, hup_task, s, NULL, &task, &err);
    } else if (s->stopping) {
        (void)tl_log_drain(s->log, TL_LOG_LAST_MS);
        _exit(130); /* asked twice: the ledger is safe at any moment */
    } else {
        s->stopping = true;
        TL_LOG(s->log, TL_INFO, "server.draining", "finishing what is under way", KV_I64("signal", signum));
        main_systemd_say(&s->systemd, "STOPPING=1");
        rc = task_start(s->loops[0], "stop", deadline, stop_task, s, NULL, &task, &err);
    }
    if (rc != TL_OK)
        TL_LOG(s->log, TL_ERROR, "server.signal", err.text, KV_I64("signal", signum));
}

static void catch_signals(struct server *s)
{
    static const int wanted[] = {SIGTERM, SIGINT, SIGHUP};

    for (size_t i = 0; i < TL_COUNT(s->signals); i++) {
        uv_signal_init(async_loop_uv(s->loops[0]), &s->signals[i]);
        s->signals[i].data = s;
        uv_signal_start(&s->signals[i], on_signal, wanted[i]);
    }
}

/* ---- in order ---- */
/* Also of a start that fails: what is torn down looks at it. */
static void describe_admin(struct server *s, const struct flow_project *c)
{
    s->admin = (struct admin){.queue = s->queue,
                              .engine = s->engine,
                              .metrics = s->metrics,
                              .secrets = s->secrets.box,
                              .vault = s->secrets.vault,
                              .auth = &s->auth.world,
                              .crypto = s->crypto,
                              .workers = s->workers,
                              .readers = admin_readers_new(),
                              .stopping = &s->stopping,
                              .clock = tl_clock_system(),
                              .log = s->log,
                              .started_ms = tl_clock_wall_ms(tl_clock_system()),
                              .config_path = s->config_path,
                              .data_path = c->store.path,
                              .reload = reload,
                              .reload_arg = s};
}

/* What reads from the ledger before it has events to see to: a read waits for a turn. */
static enum tl_rc prepare_admin(struct server *s, struct flow_plan *plan, struct tl_err *err)
{
    const struct flow_project *c = flow_plan_project(plan);
    enum tl_rc rc;

    s->alerts = (struct main_alerts){.engine = s->engine,
                                     .queue = s->queue,
                                     .crypto = s->crypto,
                                     .metrics = s->metrics,
                                     .log = s->log,
                                     .stopping = &s->stopping};
    main_alerts_init(&s->alerts, &c->alerts);
    s->admin.alerts = s->alerts.book;
    s->admin.credentials = main_alerts_credentials;
    s->admin.credentials_arg = &s->alerts;
    rc = admin_web_new(&s->admin, &s->admin.web, err);
    if (rc == TL_OK && !c->admin.off)
        rc = admin_web_first_token(s->admin.web, err);
    return rc == TL_OK ? admin_web_configure(s->admin.web, plan, err) : rc;
}

static enum tl_rc build(struct server *s, struct flow_plan *plan, struct tl_err *err)
{
    const struct flow_project *c = flow_plan_project(plan);
    struct flow_engine_options o = {.loops = s->loops,
                                    .log = s->log,
                                    .metrics = s->metrics,
                                    .crypto = s->crypto,
                                    .secret = main_secrets_on_task,
                                    .secret_arg = &s->secrets,
                                    .auth = main_auth_new,
                                    .auth_free = main_auth_free,
                                    .auth_arg = &s->auth,
                                    .mask = main_secrets_mask,
                                    .mask_arg = &s->secrets,
                                    .fatal = fatal,
                                    .fatal_arg = s};
    enum tl_rc rc = main_telemetry_new(&c->telemetry, s->secrets.box, s->metrics, s->log, &s->collector, err);

    s->telemetry.otlp = main_telemetry_otlp(s->collector);
    o.n_loops = s->n_loops;
    o.otlp = s->telemetry.otlp;
    s->engine = flow_engine_new(&o);
    if (rc == TL_OK)
        rc = open_ledger(s, c, err);
    if (rc == TL_OK)
        rc = main_auth_init(&s->auth, c->store.path, s->crypto, s->secrets.box, &s->engine, &s->queue, err);
    describe_admin(s, c);
    if (rc == TL_OK)
        rc = prepare_admin(s, plan, err);
    if (rc == TL_OK)
        rc = flow_engine_start(s->engine, s->queue, plan, err);
    s->telemetry.client = flow_engine_client(s->engine, s->loops[0]);
    s->telemetry.stopping = &s->stopping;
    if (rc == TL_OK)
        rc = open_public(s, plan, err);
    if (rc == TL_OK)
        rc = open_control(s, c->store.path, err);
    if (rc == TL_OK)
        rc = open_web(s, plan, err);
    s->admin.public_server = s->public;
    s->admin.control_server = s->control;
    s->gauges = admin_gauges_new(&s->admin);
    s->admin.series = admin_series_new(&s->admin);
    return rc;
}

static void say_ready(const struct server *s, const struct flow_project *c)
{
    if (s->web)
        TL_LOG(s->log, TL_INFO, "admin.ready", "the console and its API", KV_STR("listen", c->admin.server.listen.text),
               KV_U64("port", http_server_port(s->web, 0)), KV_BOOL("tls", s->web_at.tls != NULL),
               KV_STR("token", "admin.token in the data directory"));
    if (c->store.unsafe_no_sync)
        TL_LOG(s->log, TL_WARN, "store.not_synced", "store.unsafe_no_sync: a power cut loses what was acknowledged",
               KV_STR("data", c->store.path));
    TL_LOG(s->log, TL_INFO, "server.ready", "tieline " TIELINE_VERSION " is ready",
           KV_STR("listen", c->server.listen.text), KV_U64("port", http_server_port(s->public, 0)),
           KV_STR("config", s->config_path), KV_STR("data", c->store.path), KV_U64("flows", c->flows.n),
           KV_U64("loops", s->n_loops));
}

static void watch_by_systemd(struct server *s)
{
    struct tl_err err;

    s->systemd.queue = s->queue;
    main_systemd_say(&s->systemd, "READY=1");
    if (s->systemd.watchdog_us &&
        task_start(s->loops[0], "watchdog", 0, main_systemd_watchdog, &s->systemd, NULL, NULL, &err) != TL_OK)
        TL_LOG(s->log, TL_ERROR, "systemd.no_watchdog", err.text, KV_STR("what", "systemd will start us again"));
}

static void tear_down(struct server *s)
{
    for (size_t i = 0; i < s->n_threads; i++)
        pthread_join(s->threads[i], NULL);
    for (size_t i = 0; i < s->n_loops; i++)
        (void)async_loop_shutdown(s->loops[i], async_loop_now(s->loops[i]) + 5000000000u);
    http_server_free(s->public);
    http_server_free(s->control);
    http_server_free(s->web);
    admin_web_free(s->admin.web);
    admin_series_free(s->admin.series);
    admin_readers_free(s->admin.readers);
    if (s->queue)
        queue_close(s->queue);
    flow_engine_free(s->engine);
    main_telemetry_free(s->collector);
    main_auth_done(&s->auth);
    main_listen_done(&s->public_at);
    main_listen_done(&s->web_at);
    main_secrets_done(&s->secrets);
    for (size_t i = 0; i < s->n_loops; i++)
        async_loop_free(s->loops[i]);
    mapping_workers_free(s->workers);
    main_alerts_done(&s->alerts);
    main_systemd_close(&s->systemd);
    admin_gauges_free(s->gauges);
    metrics_free(s->metrics);
    crypto_free(s->crypto);
    tl_log_free(s->log);
    tl_arena_free(s->kept);
    if (s->control_path)
        unlink(s->control_path);
    tl_free(s->control_path);
}

static struct tl_log *make_log(const struct server *s, const struct flow_log_conf *c)
{
    bool json = s->json || c->format == 1 || (c->format == 0 && !isatty(STDERR_FILENO));

    return tl_log_new(STDERR_FILENO, (enum tl_level)c->level, json, NULL);
}

static int run(struct server *s)
{
    TL_CLEANUP(config_errors_freep) struct config_errors *e = config_errors_new();
    struct flow_plan *plan = NULL;
    struct tl_err err = {0};
    bool again = false;
    int exit_code = 0;

    main_systemd_open(&s->systemd);
    if (load_plan(s, NULL, e, &plan) != TL_OK)
        return complain_config(s, e);
    s->log = make_log(s, &flow_plan_project(plan)->log);
    if (make_loops(s, flow_plan_project(plan)->server.threads, &err) != TL_OK ||
        main_secrets_first(&s->secrets, s->loops[0], plan, s->log, &again, &err) != TL_OK) {
        flow_plan_unref(plan);
        return complain(s, &err);
    }
    if (again) { /* now with what Vault gave: the same again, and it is said once */
        flow_plan_unref(plan);
        plan = NULL;
        config_errors_free(e);
        e = config_errors_new();
        if (load_plan(s, NULL, e, &plan) != TL_OK)
            return complain_config(s, e);
    }
    if (config_warnings_count(e))
        (void)complain_config(s, e);
    keep_start(s, plan);
    if (build(s, plan, &err) != TL_OK) {
        exit_code = complain(s, &err);
    } else {
        struct task *watch, *history;

        catch_signals(s);
        if (task_start(s->loops[0], "history", 0, keep_history, s, NULL, &history, &err) != TL_OK)
            TL_LOG(s->log, TL_ERROR, "history.not_kept", err.text, KV_I64("every_ms", HISTORY_MS));
        if (task_start(s->loops[0], "secrets", 0, watch_secrets, s, NULL, &watch, &err) != TL_OK)
            TL_LOG(s->log, TL_ERROR, "secrets.not_watched", err.text, KV_I64("every_ms", SECRETS_MS));
        if (s->telemetry.otlp &&
            task_start(s->loops[0], "telemetry", 0, otlp_task, &s->telemetry, NULL, NULL, &err) != TL_OK)
            TL_LOG(s->log, TL_ERROR, "telemetry.not_started", err.text, KV_STR("what", "nothing is sent"));
        if (task_start(s->loops[0], "alerts", 0, main_alerts_task, &s->alerts, NULL, NULL, &err) != TL_OK)
            TL_LOG(s->log, TL_ERROR, "alerts.not_watched", err.text, KV_STR("what", "no alert will be raised"));
        for (size_t i = 1; i < s->n_loops; i++) {
            if (pthread_create(&s->threads[s->n_threads], NULL, run_loop, s->loops[i]) == 0)
                s->n_threads++;
        }
        say_ready(s, flow_plan_project(plan));
        watch_by_systemd(s);
        async_loop_run(s->loops[0]);
        TL_LOG(s->log, TL_INFO, "server.stopped", "drained and stopped",
               KV_BOOL("clean", queue_works_out(s->queue) == 0));
    }
    flow_plan_unref(plan);
    return exit_code;
}

static void harden(void)
{
    const struct rlimit no_core = {0, 0};
    struct rlimit files;

    signal(SIGPIPE, SIG_IGN);
    setenv("UV_THREADPOOL_SIZE", "8", 0); /* WORKER_THREADS; look-ups of names, large mappings and readers share it */
    /* Arenas come and go with every event: keep their pages instead of giving them back each time. */
    mallopt(M_MMAP_THRESHOLD, 1 << 20); /* what is larger goes back at once */
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    setrlimit(RLIMIT_CORE, &no_core); /* secrets live in memory */
    prctl(PR_SET_DUMPABLE, 0);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static const char usage[] =
    "usage: tieline run [CONFIG] [OPTIONS]\n"
    "\n"
    "Serve the flows of CONFIG (a file or a directory; default tieline.yaml) until SIGTERM or SIGINT.\n"
    "SIGHUP, or `tieline reload`, reads the configuration again without dropping an event.\n"
    "\n"
    "  --allow-literal-secrets  secrets may be written in the configuration: for tests and demonstrations only\n"
    "  --json                   log lines and errors as JSON, whatever log.format says\n"
    "  -h, --help               this text\n"
    "\n"
    "exit: 0 stopped when asked, 1 failed, 2 the configuration is wrong, 70 the ledger could not be written\n";

static int wrong_word(bool json, const char *what, const char *word)
{
    char text[300];

    (void)snprintf(text, sizeof text, "%s %.200s", what, word);
    return cli_wrong(json, "run", text);
}

int main_run(int argc, char **argv)
{
    enum { LITERALS = 256, JSON, HELP }; /* no letter, so that optopt tells -x from --x */
    static const struct option options[] = {{"allow-literal-secrets", no_argument, NULL, LITERALS},
                                            {"json", no_argument, NULL, JSON},
                                            {"help", no_argument, NULL, HELP},
                                            {0}};
    struct server s = {.config_path = "tieline.yaml"};
    struct tl_err err = {0};
    bool asked = cli_json_wanted(argc, argv); /* now: getopt_long moves the words */
    char letter[] = "-?";
    int c, code;

    opterr = 0;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (c == LITERALS) {
            s.config.allow_literal_secrets = true;
        } else if (c == JSON) {
            s.json = true;
        } else if (c == 'h' || c == HELP) {
            fputs(usage, stdout);
            return 0;
        } else {
            letter[1] = (char)optopt;
            return wrong_word(asked, "there is no option", optopt > 0 && optopt < LITERALS ? letter : argv[optind - 1]);
        }
    }
    if (optind + 1 < argc)
        return wrong_word(asked, "one configuration is enough, not also", argv[optind + 1]);
    if (optind < argc)
        s.config_path = argv[optind];
    s.config.check_files = true;
    harden();
    if (main_descriptors_enough(FILES_LEAST, &err) != TL_OK) /* what reads the configuration needs some too */
        return complain(&s, &err);
    if (crypto_new(&s.crypto, &err) != TL_OK)
        return complain(&s, &err);
    if (main_secrets_init(&s.secrets, s.crypto, &err) != TL_OK)
        return complain(&s, &err);
    s.metrics = metrics_new();
    s.workers = mapping_workers_new(&(struct mapping_workers_options){0});
    code = run(&s);
    tear_down(&s);
    return code;
}
