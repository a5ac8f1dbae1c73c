/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alerts.c - every five seconds: the figures of ledger, flows and connections, one look of the book, its notices put
 * into the ledger, where each receiver is a flow of its own. The book is written before its notices and after them; a
 * notice has a key, so what a crash repeats is the same event.
 */
#include "main/alerts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "main/credentials.h"

enum { EVERY_MS = 5000, PIECE_MS = 500, PART = 60000, PARTS_MAX = 200, FIGURES_MAX = 512 << 20 };

/* ---- keeping: values are small, so the text is cut; the head is written last and names one of two sets of parts ----
 */
static enum tl_rc keep(struct main_alerts *m, struct task *task, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    char key[64], head[32];
    size_t parts = 0;
    int slot = !m->slot; /* the other set holds until the head names this one */
    enum tl_rc rc = TL_OK;

    if (!alert_changed(m->book) && !m->unkept)
        return TL_OK;
    m->unkept = true;
    tl_buf_init(&text, (size_t)PART * PARTS_MAX);
    if (!alert_save(m->book, &text))
        return tl_fail(err, TL_LIMIT, "there are too many alerts to keep");
    for (size_t at = 0; at < text.n && rc == TL_OK; at += PART) {
        (void)snprintf(key, sizeof key, "alert/book/%d/%zu", slot, parts++);
        rc = queue_kv_put(m->queue, task, tl_sv_str(key), tl_sv(text.p + at, text.n - at < PART ? text.n - at : PART),
                          err);
    }
    (void)snprintf(head, sizeof head, "%d %zu", slot, parts);
    if (rc == TL_OK)
        rc = queue_kv_put(m->queue, task, TL_SV("alert/book"), tl_sv_str(head), err);
    if (rc == TL_OK) {
        m->slot = slot;
        m->unkept = false;
    }
    return rc;
}

static enum tl_rc load(struct main_alerts *m, struct tl_buf *text, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf head = {0};
    struct tl_sv rest, slot;
    uint64_t n = 0, which = 0;
    char key[64];
    enum tl_rc rc;

    tl_buf_init(&head, 64);
    rc = queue_kv_get(m->queue, NULL, TL_SV("alert/book"), &head, err);
    if (rc != TL_OK)
        return rc;
    rest = tl_buf_view(&head);
    if (!tl_sv_cut(&rest, ' ', &slot) || !tl_sv_u64(slot, &which) || !tl_sv_u64(rest, &n) || which > 1 || n > PARTS_MAX)
        return tl_fail(err, TL_PARSE, "the head of the kept alerts is not readable");
    m->slot = (int)which;
    for (uint64_t i = 0; i < n && rc == TL_OK; i++) {
        TL_CLEANUP(tl_buf_done) struct tl_buf part = {0};

        tl_buf_init(&part, 65536);
        (void)snprintf(key, sizeof key, "alert/book/%d/%llu", m->slot, (unsigned long long)i);
        rc = queue_kv_get(m->queue, NULL, tl_sv_str(key), &part, err);
        if (rc == TL_OK)
            (void)tl_buf_sv(text, tl_buf_view(&part));
    }
    return rc;
}

void main_alerts_init(struct main_alerts *m, const struct alert_conf *conf)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    const struct tl_clock *clock = tl_clock_system();
    struct tl_err err = {0};
    enum tl_rc rc;

    tl_buf_init(&text, (size_t)PART * PARTS_MAX);
    m->book = alert_book_new();
    m->credentials = main_credentials_new(m->metrics, m->crypto);
    rc = load(m, &text, &err);
    if (rc == TL_OK)
        rc = alert_load(m->book, tl_buf_view(&text), conf, tl_clock_wall_ms(clock), tl_clock_mono_ms(clock), &err);
    if (rc != TL_OK && rc != TL_NOT_FOUND)
        TL_LOG(m->log, TL_WARN, "alerts.not_read", err.text, KV_STR("what", "a new book begins"));
}

void main_alerts_credentials(void *alerts, const char *connection, struct tl_arena *arena,
                             const struct alert_credential **ret, size_t *ret_n)
{
    struct main_alerts *m = alerts;

    main_credentials_of(m->credentials, m->engine, connection, arena, ret, ret_n);
}

void main_alerts_done(struct main_alerts *m)
{
    alert_book_free(m->book);
    main_credentials_free(m->credentials);
}

/* ---- figures ---- */
struct figures {
    struct main_alerts *m;
    struct tl_arena *arena;
    struct flow_plan *plan;
    struct queue_stat stat;
    struct flow_figures flows;
    struct alert_snapshot s;
    enum tl_rc rc;
    struct alert_notice *due;
    size_t n_due;
};

/* What else holds is a person's doing, or shows as something of its own. */
static const char *flow_trouble(enum queue_held h)
{
    return h == QUEUE_HELD_FLOW_TRIPPED || h == QUEUE_HELD_FLOW_CONFIG || h == QUEUE_HELD_FLOW_REMOVED ||
                   h == QUEUE_HELD_TARGET_CHANGED
               ? queue_held_name(h)
               : NULL;
}

static const char *connection_trouble(enum queue_held h)
{
    return h == QUEUE_HELD_CONNECTION_AUTH || h == QUEUE_HELD_IDENTITY ? queue_held_name(h) : NULL;
}

static struct alert_flow *flow_of(struct figures *f, const struct queue_flow_stat *q)
{
    struct alert_flow *to = f->flows.flows;

    for (size_t i = 0; i < f->flows.n_flows; i++, to++) {
        if (strcmp(to->name, q->name) == 0)
            return to;
    }
    if (!q->count[QUEUE_QUEUED] && !q->count[QUEUE_RETRYING])
        return NULL; /* removed, and nothing is left of it */
    *to = (struct alert_flow){.name = q->name, .receiver = -1, .error_budget_left = (double)NAN};
    f->flows.n_flows++;
    return to;
}

static void add_flow(struct figures *f, const struct queue_flow_stat *q, struct queue_reader *r)
{
    struct alert_flow *to = flow_of(f, q);
    int64_t received = f->s.wall_ms;
    struct json sla, left;
    struct tl_err err;

    if (!to)
        return;
    to->waiting = q->count[QUEUE_QUEUED] + q->count[QUEUE_RETRYING];
    to->dead = q->count[QUEUE_DEAD];
    to->delivered = q->delivered;
    to->died = q->died;
    to->held = flow_trouble(q->held);
    to->held_text = q->held_text;
    if (r && to->waiting && queue_oldest(r, q->id, &received, &err) == TL_OK && received < f->s.wall_ms)
        to->oldest_s = (double)(f->s.wall_ms - received) / 1000;
    sla = flow_engine_sla(f->m->engine, f->arena, tl_sv_str(q->name));
    left = json_gets(sla, "error_budget_left");
    if (json_is_number(left))
        to->error_budget_left = json_number(left);
    left = json_gets(sla, "success_objective");
    to->promises_all = json_is_number(left) && json_number(left) >= 1;
}

static void add_connection(struct figures *f, const struct queue_connection_stat *q)
{
    struct alert_connection *to = f->flows.connections;
    struct alert_budget *budgets = tl_arena_must(f->arena, (q->n_budgets + 1) * sizeof *budgets);
    size_t i = 0;

    while (i < f->flows.n_connections && strcmp(to[i].name, q->name) != 0)
        i++;
    if (i == f->flows.n_connections)
        return;
    to += i;
    to->held = connection_trouble(q->held);
    to->held_text = q->held_text;
    to->breaker = q->breaker;
    to->calls = q->calls;
    for (int c = 1; c < TL_CLASS_COUNT; c++)
        to->failed += c == TL_CLASS_RATE_LIMIT ? 0 : q->failed[c];
    to->drain_ms = q->drain_ms;
    to->drain_reason = q->drain_reason;
    to->budgets = budgets;
    for (i = 0; i < q->n_budgets; i++) /* `used` of a rate is 0 */
        budgets[to->n_budgets++] = (struct alert_budget){q->budgets[i].name, q->budgets[i].used, q->budgets[i].amount,
                                                         q->budgets[i].resets_ms};
    main_credentials_of(f->m->credentials, f->m->engine, q->name, f->arena, &to->credentials, &to->n_credentials);
}

/* On a worker thread: reading the oldest of each flow, and certificates now and then, may take a while. */
static void gather(void *arg)
{
    struct figures *f = arg;
    struct queue_reader *reader = NULL;
    struct tl_err err;

    flow_engine_figures(f->m->engine, f->arena, f->stat.n_flows, &f->flows);
    main_credentials_read(f->m->credentials, f->plan, f->s.wall_ms);
    if (f->stat.live > 0 && queue_reader_open(f->m->queue, &reader, &err) != TL_OK)
        reader = NULL;
    for (size_t i = 0; i < f->stat.n_flows; i++)
        add_flow(f, &f->stat.flows[i], reader);
    if (reader)
        queue_reader_close(reader);
    for (size_t i = 0; i < f->stat.n_connections; i++)
        add_connection(f, &f->stat.connections[i]);
    f->s.flows = f->flows.flows;
    f->s.n_flows = f->flows.n_flows;
    f->s.connections = f->flows.connections;
    f->s.n_connections = f->flows.n_connections;
    f->s.disk_free = f->stat.disk_free;
    f->s.disk_reserve = f->stat.disk_reserve;
    f->s.intake_stopped = f->stat.intake_stopped;
    f->s.ledger_moved = f->stat.moved;
    main_credentials_of(f->m->credentials, f->m->engine, "", f->arena, &f->s.certificates, &f->s.n_certificates);
    alert_look(f->m->book, &flow_plan_project(f->plan)->alerts, &f->s, f->arena, &f->due, &f->n_due);
}

/* ---- telling ---- */
static void log_told(struct main_alerts *m, const struct alert_notice *n, const char *alert)
{
    TL_LOG(m->log, n->resolved ? TL_INFO : TL_WARN, n->resolved ? "alert.resolved" : "alert.firing",
           "a receiver is told", KV_STR("receiver", n->name), KV_STR("alert", alert),
           KV_SV("rule", json_text(json_gets(n->body, "rule"), TL_SV(""))),
           KV_SV("summary", json_text(json_gets(n->body, "summary"), TL_SV(""))));
}

static void tell(struct main_alerts *m, struct task *task, struct tl_arena *a, const struct alert_notice *n)
{
    char id[14], *key;
    uint64_t event;
    struct tl_err err = {0};
    enum tl_rc rc;

    key = tl_arena_printf(a, "%s.%s", tl_id32_format(n->group, id), n->resolved ? "resolved" : "firing");
    rc = flow_engine_tell(m->engine, task, a, tl_sv_str(n->name), tl_sv_str(key), tl_sv_str(id), n->body, &event, &err);
    if (rc == TL_OK) {
        alert_told(m->book, n, event);
        log_told(m, n, id);
    }
    if (rc == TL_OK || rc == TL_CANCELED)
        return;
    TL_LOG(m->log, TL_WARN, "alerts.not_told", err.text, KV_STR("receiver", n->name), KV_STR("alert", id),
           KV_STR("what", "it is tried again in five seconds"));
}

static enum tl_rc look(struct main_alerts *m, struct task *task, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(FIGURES_MAX);
    struct figures f = {.m = m, .arena = a};
    enum tl_rc rc = queue_stats(m->queue, task, a, &f.stat, err);

    if (rc != TL_OK)
        return rc;
    f.s.wall_ms = tl_clock_wall_ms(tl_clock_system());
    f.s.mono_ms = tl_clock_mono_ms(tl_clock_system());
    f.plan = flow_engine_plan(m->engine);
    rc = task_blocking(task, gather, &f, NULL, err);
    flow_plan_unref(f.plan);
    if (rc == TL_OK)
        rc = keep(m, task, err);
    for (size_t i = 0; rc == TL_OK && i < f.n_due; i++)
        tell(m, task, a, &f.due[i]);
    if (rc == TL_OK)
        rc = keep(m, task, err);
    return rc;
}

enum tl_rc main_alerts_task(struct task *task, void *alerts, struct tl_err *err)
{
    struct main_alerts *m = alerts;
    enum tl_rc rc = TL_OK;

    while (rc == TL_OK && !*m->stopping) {
        if (look(m, task, err) != TL_OK && err->rc != TL_CANCELED)
            TL_LOG(m->log, TL_WARN, "alerts.not_looked", err->text, KV_I64("again_in_ms", EVERY_MS));
        for (int i = 0; i < EVERY_MS / PIECE_MS && rc == TL_OK && !*m->stopping; i++)
            rc = task_sleep_ms(task, PIECE_MS, err);
    }
    return TL_OK;
}
