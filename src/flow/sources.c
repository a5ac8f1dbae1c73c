/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sources.c - schedules and polls: one task each on loop 0.
 * A source holds a named lease with an epoch, and its position is written in the transaction of its events: a crash
 * repeats nothing that was kept and loses nothing that was not.
 */
#include "flow/flow_int.h"

#include <stdio.h>

enum { LEASE_MS = 60000, PAUSE_MS = 5000, MAX_POSITION = 16384 };

struct source {
    struct flow_loop *loop;
    struct flow_plan *plan;
    struct flow *flow;
    char name[160];
    uint64_t epoch;
};

static bool over(const struct source *s)
{
    return s->plan->retired || __atomic_load_n(&s->loop->engine->stopping, __ATOMIC_RELAXED);
}

/* Sleep in short pieces, so that a retired source ends soon. */
static enum tl_rc pause_until(struct task *task, struct source *s, int64_t wall_ms, struct tl_err *err)
{
    for (;;) {
        int64_t left = wall_ms - tl_clock_wall_ms(s->loop->engine->opt.clock);
        enum tl_rc rc;

        if (over(s))
            return TL_CANCELED;
        if (left <= 0)
            return TL_OK;
        rc = task_sleep_ms(task, (uint64_t)(left < 500 ? left : 500), err);
        if (rc != TL_OK)
            return rc;
    }
}

static enum tl_rc take_lease(struct task *task, struct source *s, struct tl_err *err)
{
    return queue_lease(s->loop->engine->queue, task, tl_sv_str(s->name), TL_SV("node"), LEASE_MS, &s->epoch, err);
}

static enum tl_rc emit(struct task *task, struct source *s, struct queue_put *puts, size_t n, struct tl_sv position,
                       struct tl_err *err)
{
    struct queue_emit e = {.puts = puts,
                           .n = n,
                           .lease = tl_sv_str(s->name),
                           .lease_epoch = s->epoch,
                           .position_key = TL_SV("cursor"),
                           .position = position};
    enum tl_rc rc = queue_emit(s->loop->engine->queue, task, &e, err);

    for (size_t i = 0; rc == TL_OK && i < n; i++)
        flow__received(s->flow, &puts[i]);
    return rc;
}

static struct tl_sv written(struct tl_arena *a, struct json v)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 16 << 20);
    return json_write(&b, v, 0) ? tl_arena_sv(a, tl_buf_view(&b)) : TL_SV_NULL;
}

/* ---- schedule ---- */
static enum tl_rc run_schedule_once(struct task *task, struct source *s, int64_t due_ms, struct tl_err *err)
{
    const struct flow_schedule_conf *c = s->flow->conf->from.conf;
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(1 << 20);
    char time[TL_TIME_TEXT];
    struct queue_put put = {.flow = s->flow->id, .source = tl_sv_str(s->name), .meta = TL_SV("{\"k\":\"json\"}")};
    struct json_builder b;

    put.key = tl_sv_str(tl_time_format(due_ms, time));
    if (c->body) {
        put.body = written(a, config_to_json(a, c->body));
    } else {
        json_object_begin(&b, a, 1);
        json_adds(&b, "scheduled_for", json_str(time));
        put.body = written(a, json_end(&b));
    }
    return emit(task, s, &put, 1, put.key, err);
}

/* Where to go on: after the last run that was kept; a new schedule starts now. A missed time is made up for once. */
static enum tl_rc schedule_start(struct task *task, struct source *s, int64_t *ret_after, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    int64_t now = tl_clock_wall_ms(s->loop->engine->opt.clock);
    enum tl_rc rc;

    tl_buf_init(&b, MAX_POSITION);
    rc = queue_position(s->loop->engine->queue, task, tl_sv_str(s->name), TL_SV("cursor"), &b, err);
    *ret_after = now;
    if (rc == TL_NOT_FOUND)
        return TL_OK;
    if (rc == TL_OK && tl_time_parse(tl_buf_view(&b), ret_after)) {
        const struct flow_schedule_conf *c = s->flow->conf->from.conf;
        int64_t next, last = *ret_after;

        while (config_cron_next(&c->cron, c->zone, last, &next) && next <= now) {
            *ret_after = last; /* the run before the last missed one: that one is due at once */
            last = next;
        }
    }
    return rc;
}

static enum tl_rc schedule(struct task *task, struct source *s, struct tl_err *err)
{
    const struct flow_schedule_conf *c = s->flow->conf->from.conf;
    int64_t after, due;
    enum tl_rc rc = take_lease(task, s, err);

    if (rc == TL_OK)
        rc = schedule_start(task, s, &after, err);
    while (rc == TL_OK && config_cron_next(&c->cron, c->zone, after, &due)) {
        rc = pause_until(task, s, due, err);
        if (rc == TL_OK)
            rc = take_lease(task, s, err);
        if (rc == TL_OK)
            rc = run_schedule_once(task, s, due, err);
        after = due;
    }
    return rc;
}

/* ---- poll ---- */
struct page {
    struct source *s;
    struct tl_arena *a;
    struct tl_sv text, cursor;
    struct queue_put *puts;
    size_t n;
    enum tl_rc rc;
    struct tl_err *err;
};

static void one_record(struct page *p, struct json record)
{
    struct queue_put *put = &p->puts[p->n++];
    struct flow *f = p->s->flow;
    struct flow_event event = {.received_ms = tl_clock_wall_ms(p->s->loop->engine->opt.clock)};
    struct json envelope = flow__envelope(p->a, f->name, JSON_NOTHING, record, &event), v;

    *put = (struct queue_put){.flow = f->id,
                              .source = tl_sv_str(p->s->name),
                              .meta = TL_SV("{\"k\":\"json\"}"),
                              .body = written(p->a, record)};
    if (f->poll_key && flow__eval(f->poll_key, p->a, envelope, record, NULL, &v, NULL) == TL_OK)
        put->key = flow__key_text(p->a, v);
    if (f->order_by && flow__eval(f->order_by, p->a, envelope, envelope, NULL, &v, NULL) == TL_OK)
        put->order_by = flow__key_text(p->a, v);
}

static void read_page(void *arg)
{
    struct page *p = arg;
    struct flow *f = p->s->flow;
    struct json answer, items, cursor;

    p->rc = json_parse(p->a, p->text, 0, NULL, &answer, p->err);
    items = answer;
    if (p->rc == TL_OK && f->poll_items)
        p->rc = flow__eval(f->poll_items, p->a, answer, answer, NULL, &items, p->err);
    if (p->rc == TL_OK)
        p->rc = flow__eval(f->poll_cursor, p->a, answer, answer, NULL, &cursor, p->err);
    if (p->rc != TL_OK)
        return;
    p->cursor = flow__key_text(p->a, cursor);
    p->puts = tl_arena_zalloc(p->a, ((items.type == JSON_ARRAY ? items.n : 1) + 1) * sizeof *p->puts);
    if (!p->puts) {
        p->rc = tl_fail(p->err, TL_LIMIT, "the answer has too many records");
        return;
    }
    if (items.type == JSON_ARRAY) {
        for (uint32_t i = 0; i < items.n; i++)
            one_record(p, items.u.items[i]);
    } else if (items.type == JSON_OBJECT) {
        one_record(p, items);
    }
}

static struct tl_sv poll_path(struct tl_arena *a, const char *path, struct tl_sv cursor)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv rest = tl_sv_str(path);

    tl_buf_init(&b, 65536);
    while (rest.n) {
        size_t at = tl_sv_find_sv(rest, TL_SV("{cursor}"));

        tl_buf_put(&b, rest.p, at);
        if (at < rest.n)
            tl_percent_encode(&b, cursor);
        rest = tl_sv_from(rest, at < rest.n ? at + 8 : at);
    }
    return tl_arena_sv(a, tl_buf_view(&b));
}

/* One GET and its records. *ret_n: how many were new to this answer. */
static enum tl_rc poll_once(struct task *task, struct source *s, struct tl_buf *cursor, size_t *ret_n,
                            struct tl_err *err)
{
    const struct flow_poll_conf *c = s->flow->conf->from.conf;
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(256 << 20);
    const struct flow_connection *conn = s->flow->poll_connection;
    struct connector_call call = {.connection = conn->conf->type.conf, .arena = a};
    struct http_request_out req = {.method = TL_SV("GET"), .url = poll_path(a, c->path, tl_buf_view(cursor))};
    struct page page = {.s = s, .a = a, .err = err};
    struct http_reply reply;
    enum tl_rc rc;

    connector_call_begin(&call, flow__host(s->plan, conn, 0), NULL);
    rc = connector_http(task, &call, &req, &reply, err);
    if (rc == TL_OK)
        rc = connector_classify(&call, &reply, err);
    if (rc != TL_OK)
        return rc;
    page.text = reply.body;
    task_on_main_stack(task, read_page, &page);
    if (page.rc != TL_OK)
        return page.rc;
    *ret_n = page.n;
    if (page.n == 0 && (!page.cursor.n || tl_sv_eq(page.cursor, tl_buf_view(cursor))))
        return TL_OK;
    if (!page.cursor.n) /* no record, no maximum: stay where we are */
        page.cursor = tl_buf_view(cursor);
    rc = emit(task, s, page.puts, page.n, page.cursor, err);
    if (rc == TL_OK && page.cursor.p != cursor->p) {
        tl_buf_clear(cursor);
        tl_buf_sv(cursor, page.cursor);
    }
    return rc;
}

static enum tl_rc poll(struct task *task, struct source *s, struct tl_err *err)
{
    const struct flow_poll_conf *c = s->flow->conf->from.conf;
    TL_CLEANUP(tl_buf_done) struct tl_buf cursor = {0};
    enum tl_rc rc = take_lease(task, s, err);

    tl_buf_init(&cursor, MAX_POSITION);
    if (rc == TL_OK)
        rc = queue_position(s->loop->engine->queue, task, tl_sv_str(s->name), TL_SV("cursor"), &cursor, err);
    if (rc == TL_NOT_FOUND) {
        tl_buf_puts(&cursor, c->start ? c->start : "");
        rc = TL_OK;
    }
    while (rc == TL_OK) {
        size_t n = 0;

        rc = poll_once(task, s, &cursor, &n, err);
        if (rc != TL_OK)
            break;
        rc = pause_until(task, s, tl_clock_wall_ms(s->loop->engine->opt.clock) + (n ? 0 : c->every_ms), err);
        if (rc == TL_OK)
            rc = take_lease(task, s, err);
    }
    return rc;
}

/* ---- the task: a source that fails starts again after a pause ---- */
static enum tl_rc source_task(struct task *task, void *arg, struct tl_err *err)
{
    struct source *s = arg;
    enum tl_rc rc = TL_OK;

    while (!over(s) && rc != TL_CANCELED) {
        tl_err_clear(err);
        rc = s->flow->source == FLOW_POLL ? poll(task, s, err) : schedule(task, s, err);
        if (rc == TL_OK || rc == TL_CANCELED)
            break;
        TL_LOG(s->loop->engine->opt.log, TL_WARN, "source.failed", err->text, KV_STR("flow", s->flow->name),
               KV_STR("class", tl_class_name(tl_rc_class(rc))));
        rc = pause_until(task, s, tl_clock_wall_ms(s->loop->engine->opt.clock) + PAUSE_MS + err->retry_after_ms, err);
    }
    flow_plan_unref(s->plan);
    tl_free(s);
    return TL_OK;
}

static void start_source(struct flow_loop *l, struct flow_plan *p, struct flow *f)
{
    struct source *s = tl_zalloc(sizeof *s);
    struct task *task;
    struct tl_err err;

    *s = (struct source){.loop = l, .plan = flow_plan_ref(p), .flow = f};
    snprintf(s->name, sizeof s->name, "source/%s", f->name);
    if (task_start(l->loop, "source", 0, source_task, s, NULL, &task, &err) == TL_OK)
        return;
    TL_LOG(l->engine->opt.log, TL_ERROR, "source.not_started", err.text, KV_STR("flow", f->name));
    flow_plan_unref(p);
    tl_free(s);
}

void flow__sources_start(struct flow_engine *e, struct flow_plan *p)
{
    for (size_t i = 0; i < p->n_flows; i++) {
        if (p->flows[i].source != FLOW_WEBHOOK)
            start_source(&e->loops[0], p, &p->flows[i]);
    }
}
