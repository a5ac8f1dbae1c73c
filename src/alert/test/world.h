/* SPDX-License-Identifier: Apache-2.0 */
/* world.h - two flows on a connection, a receiver's own flow on another, and a book that looks at them. */
#ifndef TL_ALERT_TEST_WORLD_H
#define TL_ALERT_TEST_WORLD_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "alert/alert.h"

/* A flow "orders" on a connection "erp", a flow "parts" on "erp" too, a receiver's own flow on "chat". */
struct world {
    struct tl_arena *arena, *conf_arena;
    const struct alert_conf *conf;
    struct config_errors *errors;
    struct alert_book *book;
    struct alert_flow flows[4];
    struct alert_connection connections[2];
    struct alert_snapshot s;
    struct metrics_hist *latency, *delay;
    struct alert_notice *due;
    size_t n_due;
};

static const char *const on_erp[] = {"erp"}, *const on_chat[] = {"chat"};

static inline bool configure(struct world *w, const char *yaml)
{
    struct config_node *node;
    void *conf;

    if (config_parse_yaml(w->conf_arena, "alerts.yaml", tl_sv_str(yaml), w->errors, &node) != TL_OK ||
        config_parse(w->conf_arena, &alert_spec, node, &(struct config_options){0}, w->errors, &conf) != TL_OK)
        return false;
    alert_names_check(conf, w->errors);
    w->conf = conf;
    return config_errors_count(w->errors) == 0;
}

static inline void start(struct world *w, const char *yaml)
{
    *w = (struct world){
        .arena = tl_arena_new(64 << 20), .conf_arena = tl_arena_new(64 << 20), .errors = config_errors_new()};
    if (!configure(w, yaml)) {
        TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

        tl_buf_init(&b, 1 << 20);
        config_errors_text(w->errors, false, &b);
        fail_msg("%.*s", (int)b.n, b.p);
    }
    w->book = alert_book_new();
    w->latency = tl_arena_zalloc(w->arena, sizeof *w->latency);
    w->delay = tl_arena_zalloc(w->arena, sizeof *w->delay);
    for (size_t i = 0; i < 3; i++)
        w->flows[i] = (struct alert_flow){.name = (const char *[]){"orders", "parts", "alerts.ops"}[i],
                                          .connections = i < 2 ? on_erp : on_chat,
                                          .n_connections = 1,
                                          .receiver = i < 2 ? -1 : 0,
                                          .error_budget_left = (double)NAN};
    w->flows[0].owner = "erp-team";
    w->flows[0].runbook = "https://wiki/erp";
    w->flows[0].delay = w->delay;
    for (size_t i = 0; i < 2; i++)
        w->connections[i] = (struct alert_connection){
            .name = i ? "chat" : "erp", .breaker = "closed", .drain_ms = UINT64_MAX, .drain_reason = ""};
    w->connections[0].latency = w->latency;
    w->s = (struct alert_snapshot){.wall_ms = 1790000000000,
                                   .mono_ms = 5000,
                                   .flows = w->flows,
                                   .n_flows = 3,
                                   .connections = w->connections,
                                   .n_connections = 2,
                                   .disk_free = (uint64_t)100 << 30,
                                   .disk_reserve = 1 << 30};
}

static inline void stop(struct world *w)
{
    alert_book_free(w->book);
    config_errors_free(w->errors);
    tl_arena_free(w->arena);
    tl_arena_free(w->conf_arena);
}

static inline void after(struct world *w, unsigned seconds)
{
    w->s.wall_ms += (int64_t)seconds * 1000;
    w->s.mono_ms += (uint64_t)seconds * 1000;
}

/* One look, and everything due is told. */
static inline size_t look(struct world *w)
{
    alert_look(w->book, w->conf, &w->s, w->arena, &w->due, &w->n_due);
    for (size_t i = 0; i < w->n_due; i++)
        alert_told(w->book, &w->due[i], 4711 + i);
    return w->n_due;
}

/* What was counted before now is past: it has left all windows. */
static inline void long_ago(struct world *w)
{
    for (int i = 0; i < 2; i++) {
        look(w);
        after(w, 1200);
    }
    look(w);
}

static inline struct json all(struct world *w, enum alert_which which)
{
    const struct alert_query q = {.which = which, .limit = 1000};

    return alert_list_json(w->book, &q, w->arena);
}

static inline struct tl_sv text(struct json v, const char *name)
{
    return json_text(json_gets(v, name), TL_SV(""));
}

static inline struct json named(struct world *w, const char *rule, const char *subject)
{
    struct json list = all(w, ALERT_OPEN);

    for (uint32_t i = 0; i < list.n; i++) {
        struct json a = json_at(list, i);

        if (tl_sv_eqs(text(a, "rule"), rule) && tl_sv_eqs(text(a, "subject"), subject))
            return a;
    }
    return JSON_NOTHING;
}

static inline bool fires(struct world *w, const char *rule, const char *subject)
{
    return tl_sv_eqs(text(named(w, rule, subject), "state"), "firing");
}

static inline uint64_t id_of(struct json alert)
{
    uint64_t id = 0;

    assert_true(tl_id32_parse(text(alert, "id").p, text(alert, "id").n, &id));
    return id;
}

#define OPS "{ receivers: { ops: { connection: chat, notify: x }, oncall: {} }, notify: ops, resolve_after: 10s"

#endif
