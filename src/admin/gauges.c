/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gauges.c - the state of ledger, connections and servers as metrics, read when somebody scrapes.
 * Everything here is somebody else's figure; nothing is counted in this file. The series of a flow or connection are
 * found once and kept, so that a label that no longer applies (the reason of a hold) falls to 0 and does not stay.
 */
#include "admin/admin_int.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "http/http.h"

enum { MANY = 10000, WAL_PAGE = 8192, STATS_LIMIT = 64 << 20 };

enum family {
    G_BUILD,
    G_START,
    G_RESIDENT,
    G_CPU,
    G_FILES,
    G_LOG_LOST,
    G_FLOW_DELIVERIES,
    G_FLOW_OLDEST,
    G_FLOW_HELD,
    G_FLOW_ENDED,
    G_FLOW_DIED,
    G_SLA_SUCCESS,
    G_SLA_BUDGET,
    G_SLA_OBJECTIVE,
    G_SLA_MET,
    G_CONN_HELD,
    G_CONN_BREAKER,
    G_CONN_RUNNING,
    G_CONN_WAITING,
    G_CONN_LIMIT,
    G_CONN_DRAIN,
    G_BUDGET_LIMIT,
    G_BUDGET_USED,
    G_BUDGET_LEFT,
    G_LIVE,
    G_IN_FLIGHT,
    G_COMMITS,
    G_SYNC,
    G_SYNC_START,
    G_WAL,
    G_DISK_FREE,
    G_DISK_RESERVE,
    G_INTAKE_STOPPED,
    G_CONFIG_VERSION,
    G_HTTP_ACCEPTED,
    G_HTTP_OPEN,
    G_HTTP_REQUESTS,
    G_HTTP_REFUSED,
    G_HTTP_BODIES,
    G_FAMILIES
};
static const struct metrics_desc descs[G_FAMILIES] = {
    [G_BUILD] = {"tieline_build_info", "1, with the version as a label.", METRICS_GAUGE, {"version"}, 0, 0},
    [G_START] =
        {"process_start_time_seconds", "When the process began, in seconds since 1970.", METRICS_GAUGE, {0}, 0, 0},
    [G_RESIDENT] = {"process_resident_memory_bytes", "Memory in use.", METRICS_GAUGE, {0}, 0, 0},
    [G_CPU] = {"process_cpu_seconds_total", "CPU time used.", METRICS_COUNTER, {0}, 0, 1e-6},
    [G_FILES] = {"process_max_fds", "File descriptors that may be open.", METRICS_GAUGE, {0}, 0, 0},
    [G_LOG_LOST] = {"tieline_log_lines_lost_total",
                    "Lines of the log that nobody took or that could not be written.",
                    METRICS_COUNTER,
                    {0},
                    0,
                    0},
    [G_FLOW_DELIVERIES] =
        {"tieline_flow_deliveries",
         "Deliveries that are not at their end, by state; dead ones wait for a person; held: of the queued and "
         "retrying ones those that a person holds.",
         METRICS_GAUGE,
         {"flow", "state"},
         MANY,
         0},
    [G_FLOW_OLDEST] =
        {"tieline_flow_oldest_seconds", "Age of the oldest live delivery; 0: none.", METRICS_GAUGE, {"flow"}, 0, 0},
    [G_FLOW_HELD] = {"tieline_flow_held",
                     "1 while the flow as a whole waits, by reason.",
                     METRICS_GAUGE,
                     {"flow", "reason"},
                     MANY,
                     0},
    [G_FLOW_ENDED] =
        {"tieline_deliveries_total", "Deliveries that ended well.", METRICS_COUNTER, {"flow", "outcome"}, MANY, 0},
    [G_FLOW_DIED] = {"tieline_deliveries_died_total",
                     "Deliveries that became dead letters, by class.",
                     METRICS_COUNTER,
                     {"flow", "class"},
                     MANY,
                     0},
    [G_SLA_SUCCESS] = {"tieline_flow_success_ratio",
                       "Share of the deliveries of the last 30 days that did not become dead letters.",
                       METRICS_GAUGE,
                       {"flow"},
                       0,
                       0},
    [G_SLA_BUDGET] = {"tieline_flow_error_budget_remaining",
                      "Share left of the failures that `sla: { success }` allows in 30 days; below 0: broken.",
                      METRICS_GAUGE,
                      {"flow"},
                      0,
                      0},
    [G_SLA_OBJECTIVE] = {"tieline_flow_delay_objective_seconds",
                         "`sla: { delay_p95 }`; one hour where none is set.",
                         METRICS_GAUGE,
                         {"flow"},
                         0,
                         0},
    [G_SLA_MET] =
        {"tieline_flow_sla_met", "1 while everything that `sla` promises holds.", METRICS_GAUGE, {"flow"}, 0, 0},
    [G_CONN_HELD] = {"tieline_connection_held",
                     "1 while the connection takes no call, by reason.",
                     METRICS_GAUGE,
                     {"connection", "reason"},
                     0,
                     0},
    [G_CONN_BREAKER] = {"tieline_connection_breaker",
                        "1 for the state that the circuit breaker is in.",
                        METRICS_GAUGE,
                        {"connection", "state"},
                        0,
                        0},
    [G_CONN_RUNNING] = {"tieline_connection_calls_running", "Calls under way.", METRICS_GAUGE, {"connection"}, 0, 0},
    [G_CONN_WAITING] = {"tieline_connection_waiting",
                        "Deliveries in memory that wait for a permit of the connection.",
                        METRICS_GAUGE,
                        {"connection"},
                        0,
                        0},
    [G_CONN_LIMIT] = {"tieline_connection_concurrency_limit",
                      "Calls at once that are allowed now.",
                      METRICS_GAUGE,
                      {"connection"},
                      0,
                      0},
    [G_CONN_DRAIN] = {"tieline_connection_drain_seconds",
                      "Estimate until what waits is delivered, at the tightest limit; NaN: not known.",
                      METRICS_GAUGE,
                      {"connection"},
                      0,
                      0},
    [G_BUDGET_LIMIT] = {"tieline_connection_budget_limit",
                        "Calls that the budget allows in its window.",
                        METRICS_GAUGE,
                        {"connection", "budget"},
                        0,
                        0},
    [G_BUDGET_USED] = {"tieline_connection_budget_used",
                       "Calls of the window that are used or reserved.",
                       METRICS_GAUGE,
                       {"connection", "budget"},
                       0,
                       0},
    [G_BUDGET_LEFT] = {"tieline_connection_budget_remaining",
                       "Calls that are left; of a rate: its level now.",
                       METRICS_GAUGE,
                       {"connection", "budget"},
                       0,
                       0},
    [G_LIVE] = {"tieline_ledger_live", "Deliveries queued or retrying, of all flows.", METRICS_GAUGE, {0}, 0, 0},
    [G_IN_FLIGHT] = {"tieline_ledger_in_flight", "Pieces of work that loops have now.", METRICS_GAUGE, {0}, 0, 0},
    [G_COMMITS] = {"tieline_ledger_commits_total", "Transactions committed.", METRICS_COUNTER, {0}, 0, 0},
    [G_SYNC] = {"tieline_ledger_sync_seconds", "What a commit to disk takes, averaged.", METRICS_GAUGE, {0}, 0, 0},
    [G_SYNC_START] =
        {"tieline_ledger_sync_start_seconds", "What a commit to disk took at the start.", METRICS_GAUGE, {0}, 0, 0},
    [G_WAL] = {"tieline_ledger_wal_bytes", "Size of the write-ahead log.", METRICS_GAUGE, {0}, 0, 0},
    [G_DISK_FREE] = {"tieline_disk_free_bytes", "Free on the ledger's disk.", METRICS_GAUGE, {0}, 0, 0},
    [G_DISK_RESERVE] =
        {"tieline_disk_reserve_bytes", "Intake stops when less than this is free.", METRICS_GAUGE, {0}, 0, 0},
    [G_INTAKE_STOPPED] = {"tieline_intake_stopped",
                          "1: the disk is almost full, or the ledger's files are not in their place; senders are asked "
                          "to come back later.",
                          METRICS_GAUGE,
                          {0},
                          0,
                          0},
    [G_CONFIG_VERSION] =
        {"tieline_config_version", "Grows with each reload since the start.", METRICS_GAUGE, {0}, 0, 0},
    [G_HTTP_ACCEPTED] =
        {"tieline_http_connections_total", "Connections accepted.", METRICS_COUNTER, {"listener"}, 0, 0},
    [G_HTTP_OPEN] = {"tieline_http_connections", "Connections open.", METRICS_GAUGE, {"listener"}, 0, 0},
    [G_HTTP_REQUESTS] = {"tieline_http_requests_total", "Requests answered.", METRICS_COUNTER, {"listener"}, 0, 0},
    [G_HTTP_REFUSED] = {"tieline_http_refused_total",
                        "Connections and requests refused before any handler, by reason.",
                        METRICS_COUNTER,
                        {"listener", "reason"},
                        0,
                        0},
    [G_HTTP_BODIES] =
        {"tieline_http_body_memory_bytes", "Memory held for bodies that come in.", METRICS_GAUGE, {"listener"}, 0, 0},
};

struct admin_gauges {
    struct admin *admin;
    struct metrics_family *families[G_FAMILIES];
    pthread_mutex_t lock;        /* scrapes may overlap */
    struct tl_map *last_held[2]; /* name -> reason that is shown now, as a number; of flows, of connections */
};

static struct metric *of(struct admin_gauges *g, enum family f, const char *a, const char *b)
{
    const char *values[] = {a, b};

    return metrics_series(g->families[f], values);
}

static void set(struct admin_gauges *g, enum family f, const char *a, const char *b, double v)
{
    metrics_set(of(g, f, a, b), v);
}

/* A counter that is kept elsewhere: what it grew by. One that fell (a restart of its owner) waits until it is back. */
static void follow(struct admin_gauges *g, enum family f, const char *a, const char *b, uint64_t now)
{
    struct metric *m = of(g, f, a, b);
    uint64_t shown = metrics_count(m);

    if (now >= shown)
        metrics_add(m, now - shown);
}

/* ---- flows ---- */
static void set_held(struct admin_gauges *g, enum family f, const char *name, enum queue_held held)
{
    struct tl_map *last = g->last_held[f == G_CONN_HELD];
    uintptr_t before = (uintptr_t)tl_map_get(last, tl_sv_str(name));

    if (before && before != (uintptr_t)held)
        set(g, f, name, queue_held_name((enum queue_held)before), 0);
    if (held)
        set(g, f, name, queue_held_name(held), 1);
    if (held && before != (uintptr_t)held)
        (void)tl_map_put(last, tl_sv_str(name), (void *)(uintptr_t)held); /* NOLINT: a number, never followed */
}

static void flow_gauges(struct admin_gauges *g, const struct queue_flow_stat *f, struct queue_reader *r, int64_t now)
{
    static const enum queue_state states[] = {QUEUE_QUEUED, QUEUE_RUNNING, QUEUE_RETRYING, QUEUE_DEAD, QUEUE_HELD};
    bool empty = f->removed && f->count[QUEUE_QUEUED] + f->count[QUEUE_RETRYING] + f->count[QUEUE_HELD] == 0; /* held,
                                                                                                      and nothing is */
    int64_t received = now;
    struct tl_err err;

    for (size_t i = 0; i < TL_COUNT(states); i++)
        set(g, G_FLOW_DELIVERIES, f->name, queue_state_name(states[i]), (double)f->count[states[i]]);
    if (r && f->count[QUEUE_QUEUED] + f->count[QUEUE_RETRYING] > 0 && queue_oldest(r, f->id, &received, &err) != TL_OK)
        received = now;
    set(g, G_FLOW_OLDEST, f->name, NULL, received < now ? (double)(now - received) / 1000 : 0);
    set_held(g, G_FLOW_HELD, f->name, empty ? QUEUE_HELD_NONE : f->held);
    follow(g, G_FLOW_ENDED, f->name, "delivered", f->delivered);
    follow(g, G_FLOW_ENDED, f->name, "skipped", f->skipped);
    for (size_t i = TL_CLASS_NONE + 1; i < TL_CLASS_COUNT; i++)
        follow(g, G_FLOW_DIED, f->name, tl_class_name((enum tl_class)i), f->died_of[i]);
}

/* What is shown of one that is gone: no number, which no rule compares. Others set it again when it comes back. */
static void forget(struct admin_gauges *g, const char *family, const char *name)
{
    struct metric *m[16];
    size_t n = metrics_find(g->admin->metrics, family, name, m, TL_COUNT(m));

    for (size_t i = 0; i < n; i++)
        metrics_set(m[i], (double)NAN);
}

/* No number: nothing came in 30 days, or a reload took the promise away. */
static void set_or_forget(struct admin_gauges *g, enum family f, const char *flow, struct json n)
{
    if (json_is_number(n))
        set(g, f, flow, NULL, json_number(n));
    else
        forget(g, descs[f].name, flow);
}

/* What a flow that is gone had promised is neither kept nor broken. */
static void sla_gauges(struct admin_gauges *g, struct tl_arena *a, const char *flow)
{
    struct json v = g->admin->engine ? flow_engine_sla(g->admin->engine, a, tl_sv_str(flow)) : json_null(), n;

    if (v.type != JSON_OBJECT) {
        for (int f = G_SLA_SUCCESS; f <= G_SLA_MET; f++)
            forget(g, descs[f].name, flow);
        return;
    }
    n = json_gets(v, "success");
    set_or_forget(g, G_SLA_SUCCESS, flow, n);
    n = json_gets(v, "error_budget_left");
    set_or_forget(g, G_SLA_BUDGET, flow, n);
    n = json_gets(v, "delay_p95_objective_ms");
    set(g, G_SLA_OBJECTIVE, flow, NULL, json_is_number(n) ? json_number(n) / 1000 : 3600);
    n = json_gets(v, "met");
    set(g, G_SLA_MET, flow, NULL, n.type == JSON_BOOL && n.u.b);
}

/* ---- connections ---- */
/* Those that a reload took away would be as used up as they were then for ever. */
static void forget_budgets(struct admin_gauges *g, const struct queue_connection_stat *c)
{
    static const enum family families[] = {G_BUDGET_LIMIT, G_BUDGET_USED, G_BUDGET_LEFT};
    struct metric *m[64];

    for (size_t k = 0; k < TL_COUNT(families); k++) {
        size_t n = metrics_find(g->admin->metrics, descs[families[k]].name, c->name, m, TL_COUNT(m));

        for (size_t i = 0, b; i < n; i++) {
            for (b = 0; b < c->n_budgets && m[i] != of(g, families[k], c->name, c->budgets[b].name);)
                b++;
            if (b == c->n_budgets)
                metrics_set(m[i], (double)NAN);
        }
    }
}

static void connection_gauges(struct admin_gauges *g, const struct queue_connection_stat *c)
{
    static const char *const states[] = {"closed", "half_open", "open"};

    /* one that is gone takes no calls, and nobody shall be called for it; what waits for it shows with its flow */
    set_held(g, G_CONN_HELD, c->name, c->removed ? QUEUE_HELD_NONE : c->held);
    for (size_t i = 0; i < TL_COUNT(states); i++)
        set(g, G_CONN_BREAKER, c->name, states[i], strcmp(states[i], c->removed ? "closed" : c->breaker) == 0);
    set(g, G_CONN_RUNNING, c->name, NULL, (double)c->running);
    set(g, G_CONN_WAITING, c->name, NULL, (double)c->waiting);
    set(g, G_CONN_LIMIT, c->name, NULL, c->concurrency);
    set(g, G_CONN_DRAIN, c->name, NULL, c->drain_ms == UINT64_MAX ? (double)NAN : (double)c->drain_ms / 1000);
    if (c->removed)
        forget(g, "tieline_credential_expires_timestamp_seconds", c->name);
    for (size_t i = 0; i < c->n_budgets; i++) {
        set(g, G_BUDGET_LIMIT, c->name, c->budgets[i].name, c->budgets[i].amount);
        set(g, G_BUDGET_USED, c->name, c->budgets[i].name, c->removed ? 0 : c->budgets[i].used);
        set(g, G_BUDGET_LEFT, c->name, c->budgets[i].name, c->budgets[i].remaining);
    }
    forget_budgets(g, c);
}

/* ---- ledger, servers, process ---- */
static void ledger_gauges(struct admin_gauges *g, const struct queue_stat *s)
{
    set(g, G_LIVE, NULL, NULL, (double)s->live);
    set(g, G_IN_FLIGHT, NULL, NULL, (double)s->works_out);
    follow(g, G_COMMITS, NULL, NULL, s->commits);
    set(g, G_SYNC, NULL, NULL, (double)s->sync_us_avg / 1e6);
    set(g, G_SYNC_START, NULL, NULL, (double)s->sync_us_start / 1e6);
    set(g, G_WAL, NULL, NULL, (double)s->wal_pages * WAL_PAGE);
    set(g, G_DISK_FREE, NULL, NULL, (double)s->disk_free);
    set(g, G_DISK_RESERVE, NULL, NULL, (double)s->disk_reserve);
    set(g, G_INTAKE_STOPPED, NULL, NULL, s->intake_stopped);
    set(g, G_CONFIG_VERSION, NULL, NULL, (double)s->config_version);
}

static void server_gauges(struct admin_gauges *g, const char *name, const struct http_server *server)
{
    struct http_server_stats s;

    if (!server)
        return;
    http_server_stats(server, &s);
    follow(g, G_HTTP_ACCEPTED, name, NULL, s.accepted);
    set(g, G_HTTP_OPEN, name, NULL, (double)s.active);
    follow(g, G_HTTP_REQUESTS, name, NULL, s.requests);
    follow(g, G_HTTP_REFUSED, name, "connections", s.refused_cap);
    follow(g, G_HTTP_REFUSED, name, "address", s.refused_address);
    follow(g, G_HTTP_REFUSED, name, "files", s.refused_fd);
    follow(g, G_HTTP_REFUSED, name, "malformed", s.bad_requests);
    follow(g, G_HTTP_REFUSED, name, "timeout", s.timeouts);
    follow(g, G_HTTP_REFUSED, name, "tls", s.tls_failures);
    set(g, G_HTTP_BODIES, name, NULL, (double)s.body_memory);
}

static void process_gauges(struct admin_gauges *g)
{
    struct rusage u;
    struct rlimit files;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f) {
        char line[200];
        struct tl_sv rest = tl_sv_str(fgets(line, sizeof line, f) ? line : ""), word;
        uint64_t pages;

        if (tl_sv_cut(&rest, ' ', &word) && tl_sv_cut(&rest, ' ', &word) && tl_sv_u64(word, &pages)) /* size resident */
            set(g, G_RESIDENT, NULL, NULL, (double)pages * (double)sysconf(_SC_PAGESIZE));
        (void)fclose(f);
    }
    if (getrusage(RUSAGE_SELF, &u) == 0)
        follow(g, G_CPU, NULL, NULL,
               (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
                   (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec));
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        set(g, G_FILES, NULL, NULL, (double)files.rlim_cur);
    follow(g, G_LOG_LOST, NULL, NULL, tl_log_lost(g->admin->log));
    set(g, G_START, NULL, NULL, (double)g->admin->started_ms / 1000);
    set(g, G_BUILD, TIELINE_VERSION, NULL, 1);
}

/* On the thread of whoever scrapes, which may block. */
static void collect(void *arg)
{
    struct admin_gauges *g = arg;
    struct admin *a = g->admin;
    TL_CLEANUP(tl_arena_freep) struct tl_arena *arena = tl_arena_new(STATS_LIMIT);
    int64_t now = tl_clock_wall_ms(a->clock);
    struct queue_reader *reader = NULL;
    struct queue_stat s;
    struct tl_err err;

    (void)pthread_mutex_lock(&g->lock);
    process_gauges(g);
    server_gauges(g, "public", a->public_server);
    server_gauges(g, "control", a->control_server);
    if (queue_stats(a->queue, NULL, arena, &s, &err) == TL_OK) {
        ledger_gauges(g, &s);
        if (s.live > 0 && queue_reader_open(a->queue, &reader, &err) != TL_OK)
            reader = NULL;
        for (size_t i = 0; i < s.n_flows; i++) {
            flow_gauges(g, &s.flows[i], reader, now);
            sla_gauges(g, arena, s.flows[i].name);
        }
        if (reader)
            queue_reader_close(reader);
        for (size_t i = 0; i < s.n_connections; i++)
            connection_gauges(g, &s.connections[i]);
    }
    (void)pthread_mutex_unlock(&g->lock);
}

const struct metrics_desc *admin_metrics(size_t *ret_n)
{
    *ret_n = G_FAMILIES;
    return descs;
}

struct admin_gauges *admin_gauges_new(struct admin *a)
{
    struct admin_gauges *g = tl_zalloc(sizeof *g);

    g->admin = a;
    for (size_t i = 0; i < TL_COUNT(g->last_held); i++)
        g->last_held[i] = tl_map_new();
    (void)pthread_mutex_init(&g->lock, NULL);
    for (size_t i = 0; i < G_FAMILIES; i++)
        g->families[i] = metrics_family(a->metrics, &descs[i]);
    metrics_on_collect(a->metrics, collect, g);
    return g;
}

void admin_gauges_free(struct admin_gauges *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < TL_COUNT(g->last_held); i++)
        tl_map_free(g->last_held[i]);
    (void)pthread_mutex_destroy(&g->lock);
    tl_free(g);
}
