/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sources.c - schedules, and what connectors read or listen for: one task each on loop 0.
 * A source holds a named lease with an epoch, and its position is written in the transaction of its events: a crash
 * repeats nothing that was kept and loses nothing that was not.
 */
#include "flow/flow_int.h"

#include <stdio.h>

enum { LEASE_MS = 60000, MANY_RECORDS = 2000, PIECE_MS = 500, AHEAD_MS = 60000 };

struct source {
    struct flow_loop *loop;
    struct flow_plan *plan;
    struct flow *flow;
    char name[160];
    uint64_t epoch;
    uint32_t failures; /* since it last came forward */
    bool remarked;     /* it has had one */
    char position_key[FLOW_POSITION_KEY];
    struct async_mutex taking; /* parts of a read take in one after another: each renews the lease */
};

/* One run of a read, or one part of it: where its records go, and its permits. */
struct reader {
    struct source *s;
    struct flow_reading reading;
    char position_key[FLOW_POSITION_KEY + 24];
};

static bool over(const struct source *s)
{
    return s->plan->retired || __atomic_load_n(&s->loop->engine->stopping, __ATOMIC_RELAXED);
}

static int64_t wall_ms(const struct source *s)
{
    return tl_clock_wall_ms(s->loop->engine->opt.clock);
}

/* Sleep in short pieces, so that a retired source ends soon. However the wall clock is turned meanwhile. */
static enum tl_rc pause_for(struct task *task, struct source *s, int64_t ms, struct tl_err *err)
{
    const struct tl_clock *clock = s->loop->engine->opt.clock;
    uint64_t end = tl_clock_mono_ns(clock) + (uint64_t)(ms > 0 ? ms : 0) * 1000000u;

    for (;;) {
        uint64_t now = tl_clock_mono_ns(clock), left = now < end ? (end - now + 999999) / 1000000u : 0;
        enum tl_rc rc;

        if (over(s))
            return TL_CANCELED;
        if (left == 0)
            return TL_OK;
        rc = task_sleep_ms(task, left < PIECE_MS ? left : PIECE_MS, err);
        if (rc != TL_OK)
            return rc;
    }
}

static enum tl_rc take_lease(struct task *task, struct source *s, struct tl_err *err)
{
    return queue_lease(s->loop->engine->queue, task, tl_sv_str(s->name), TL_SV("node"), LEASE_MS, &s->epoch, err);
}

/* The lease, and the position that belongs to it. */
static enum tl_rc begin(struct task *task, struct source *s, struct tl_err *err)
{
    enum tl_rc rc = take_lease(task, s, err);

    if (rc != TL_OK)
        return rc;
    return flow__position_begin(task, &(struct flow_position){s->loop->engine, s->flow, s->name, s->epoch},
                                s->position_key, err);
}

static enum tl_rc emit(struct task *task, struct source *s, struct queue_put *puts, size_t n, const char *position_key,
                       struct tl_sv position, struct tl_err *err)
{
    struct queue_emit e = {.puts = puts,
                           .n = n,
                           .lease = tl_sv_str(s->name),
                           .lease_epoch = s->epoch,
                           .position_key = tl_sv_str(position_key),
                           .position = position};
    enum tl_rc rc = TL_OK;

    for (size_t i = 0; rc == TL_OK && i < n; i++)
        rc = flow__upload(s->flow, task, &puts[i], err);
    if (rc == TL_OK)
        rc = queue_emit(s->loop->engine->queue, task, &e, err);
    for (size_t i = 0; i < n; i++)
        flow__upload_end(s->flow, &puts[i], rc);
    for (size_t i = 0; rc == TL_OK && i < n; i++)
        flow__received(s->flow, &puts[i]);
    if (rc == TL_OK)
        s->failures = 0;
    return rc;
}

static struct tl_sv written(struct tl_arena *a, struct json v)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 16 << 20);
    return json_write(&b, v, 0) ? tl_arena_sv(a, tl_buf_view(&b)) : TL_SV_NULL;
}

/* ---- schedule ---- */
struct run { /* of a schedule */
    struct source *s;
    struct tl_arena *a;
    struct queue_put put;
    struct json body;
    struct tl_sv time;
    struct tl_err no_key;
};

static void keys_of_run(void *arg, struct mapping_turn *turn)
{
    struct run *r = arg;
    struct flow_event event = {.received_ms = wall_ms(r->s)};
    struct json_builder meta;

    json_object_begin(&meta, r->a, 1);
    json_adds(&meta, "k", json_str("json"));
    tl_err_clear(&r->no_key);
    r->put.key = r->time;
    r->put.order_by = TL_SV_NULL;
    flow__own_keys(r->s->flow, r->a,
                   flow__envelope(r->a, r->s->flow->name, json_end(&meta), r->body, JSON_NOTHING, &event), turn,
                   &r->put, &r->no_key);
}

enum { STAMP = TL_TIME_TEXT + 24 };

/* A schedule's position: the time of its last run, and by a hash which schedule that was. */
static struct tl_sv stamp(const struct flow_schedule_conf *c, int64_t ms, char room[STAMP])
{
    const struct config_cron *k = &c->cron;
    const uint64_t parts[] = {k->minutes, k->hours, k->days, k->months, k->weekdays, k->any_day, k->any_weekday};
    const char *zone = config_zone_name(c->zone);
    char time[TL_TIME_TEXT];
    int n = snprintf(room, STAMP, "%s %016llx", tl_time_format(ms, time),
                     (unsigned long long)tl_hash64(zone, strlen(zone), tl_hash64(parts, sizeof parts, 1)));

    return tl_sv(room, (size_t)n);
}

/* False: it is of another schedule. An older ledger does not say of which. */
static bool read_stamp(const struct flow_schedule_conf *c, struct tl_sv text, int64_t *ret_ms)
{
    size_t space = tl_sv_find(text, ' ');
    char room[STAMP];
    int64_t ms;

    if (!tl_time_parse(tl_sv(text.p, space), &ms) || (space < text.n && !tl_sv_eq(stamp(c, ms, room), text)))
        return false;
    *ret_ms = ms;
    return true;
}

static enum tl_rc run_schedule_once(struct task *task, struct source *s, int64_t due_ms, struct tl_err *err)
{
    const struct flow_schedule_conf *c = s->flow->conf->from.conf;
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(64 << 20);
    char time[TL_TIME_TEXT], room[STAMP];
    struct run r = {.s = s, .a = a, .time = tl_sv_str(tl_time_format(due_ms, time))};
    struct json_builder b;
    enum tl_rc rc;

    r.put = (struct queue_put){.flow = s->flow->id, .source = tl_sv_str(s->name), .meta = TL_SV("{\"k\":\"json\"}")};
    if (c->body) {
        r.body = config_to_json(a, c->body);
    } else {
        json_object_begin(&b, a, 1);
        json_adds(&b, "scheduled_for", json_sv(r.time));
        r.body = json_end(&b);
    }
    r.put.body = written(a, r.body);
    rc = mapping_run(task, false, keys_of_run, &r, err);
    if (rc == TL_OK)
        rc = emit(task, s, &r.put, 1, s->position_key, stamp(c, due_ms, room), err);
    if (rc == TL_OK)
        flow__told_no_key(s->flow, &r.no_key, &r.put, 1);
    return rc;
}

static enum tl_rc keep_position(struct task *task, struct source *s, int64_t ms, struct tl_err *err)
{
    char room[STAMP];

    return emit(task, s, NULL, 0, s->position_key, stamp(s->flow->conf->from.conf, ms, room), err);
}

/* Where to go on: after the last run that was kept. A new schedule starts now, as does one that was changed or was not
 * there, and that is kept at once: what it misses from here on is made up for. */
static enum tl_rc schedule_start(struct task *task, struct source *s, int64_t *ret_after, struct tl_err *err)
{
    const struct flow_schedule_conf *c = s->flow->conf->from.conf;
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    int64_t now = wall_ms(s);
    enum tl_rc rc;

    tl_buf_init(&b, CONNECTOR_POSITION_MAX);
    rc = queue_position(s->loop->engine->queue, task, tl_sv_str(s->name), tl_sv_str(s->position_key), &b, err);
    *ret_after = now;
    if (rc != TL_OK && rc != TL_NOT_FOUND)
        return rc;
    if (rc == TL_NOT_FOUND || __atomic_load_n(&s->flow->anew, __ATOMIC_RELAXED) ||
        !read_stamp(c, tl_buf_view(&b), ret_after)) {
        tl_err_clear(err);
        rc = keep_position(task, s, now, err);
        if (rc == TL_OK)
            __atomic_store_n(&s->flow->anew, false, __ATOMIC_RELAXED);
        return rc;
    }
    return TL_OK;
}

/* A position of the future was kept while the clock was ahead: it goes on from now. */
static enum tl_rc come_back(struct task *task, struct source *s, int64_t *after, struct tl_err *err)
{
    int64_t now = wall_ms(s);

    if (*after <= now + AHEAD_MS)
        return TL_OK;
    TL_LOG(s->loop->engine->opt.log, TL_WARN, "source.clock_was_ahead",
           "the clock was ahead before, or is behind now: the schedule goes on from now",
           KV_STR("flow", s->flow->name));
    *after = now;
    return keep_position(task, s, now, err);
}

/* False: never again. Missed times, while nobody was there or the machine slept, are made up for once: the last of them
 * is due. */
static bool next_run(const struct source *s, int64_t after, int64_t *ret_due)
{
    const struct flow_schedule_conf *c = s->flow->conf->from.conf;
    int64_t now = wall_ms(s);

    if (!config_cron_next(&c->cron, c->zone, after, ret_due))
        return false;
    if (*ret_due <= now)
        (void)config_cron_last(&c->cron, c->zone, *ret_due, now, ret_due);
    return true;
}

static enum tl_rc schedule(struct task *task, struct source *s, struct tl_err *err)
{
    int64_t after, due, left;
    enum tl_rc rc = begin(task, s, err);

    if (rc == TL_OK)
        rc = schedule_start(task, s, &after, err);
    while (rc == TL_OK) {
        rc = come_back(task, s, &after, err);
        if (rc != TL_OK || !next_run(s, after, &due))
            return rc;
        left = due - wall_ms(s);
        if (over(s) || left > 0) { /* a piece at a time: the clock may be turned */
            rc = pause_for(task, s, left < PIECE_MS ? left : PIECE_MS, err);
            continue;
        }
        rc = take_lease(task, s, err);
        if (rc == TL_OK)
            rc = run_schedule_once(task, s, due, err);
        if (rc == TL_OK)
            flow__source_ok(s->flow);
        after = due;
    }
    return rc;
}

/* ---- read: a connector's operation, whose records come through the ledger's port ---- */
struct incoming {
    struct source *s;
    struct tl_arena *a;
    const struct connector_incoming *records;
    struct queue_put *puts;
    size_t n;
    struct mapping_turn *turn;
    struct tl_err no_key;
};

static void one_record(struct incoming *in, size_t i)
{
    const struct connector_incoming *r = &in->records[i];
    struct flow *f = in->s->flow;
    struct flow_event event = {.received_ms = wall_ms(in->s)};
    struct json_builder meta;

    json_object_begin(&meta, in->a, 2);
    json_adds(&meta, "k", json_str("json"));
    if (r->headers.type == JSON_OBJECT)
        json_adds(&meta, "h", r->headers);
    in->puts[i] = (struct queue_put){.flow = f->id,
                                     .source = tl_sv_str(in->s->name),
                                     .key = r->key.n && !f->no_key ? r->key : TL_SV_NULL,
                                     .order_by = r->order_by,
                                     .meta = written(in->a, json_end(&meta)),
                                     .body = written(in->a, r->value)};
    if (f->key || f->order_by) {
        struct json envelope = flow__envelope(in->a, f->name, json_end(&meta), r->value, JSON_NOTHING, &event);

        flow__own_keys(f, in->a, envelope, in->turn, &in->puts[i], &in->no_key);
    }
}

static void make_puts(void *arg, struct mapping_turn *turn)
{
    struct incoming *in = arg;

    in->turn = turn;
    tl_err_clear(&in->no_key);
    for (size_t i = 0; i < in->n && !(turn && turn->over); i++)
        one_record(in, i);
}

static enum tl_rc keep(struct task *task, const struct reader *r, struct incoming *in, struct tl_sv position,
                       struct tl_err *err)
{
    enum tl_rc rc = async_lock(task, &r->s->taking, err);

    if (rc != TL_OK)
        return rc;
    rc = emit(task, r->s, in->puts, in->n, r->position_key, position, err);
    if (rc == TL_OK)
        rc = take_lease(task, r->s, err);
    async_unlock(&r->s->taking);
    return rc;
}

static enum tl_rc take_in(void *arg, struct task *task, const struct connector_incoming *records, size_t n,
                          struct tl_sv position, struct tl_err *err)
{
    struct reader *r = arg;
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(1 << 30);
    struct incoming in = {.s = r->s, .a = a, .records = records, .n = n};
    enum tl_rc rc;

    flow__reading_ok(&r->reading, NULL);
    in.puts = tl_arena_zalloc(a, (n + 1) * sizeof *in.puts);
    if (!in.puts)
        return tl_fail(err, TL_LIMIT, "too many records at once");
    rc = mapping_run(task, n > MANY_RECORDS, make_puts, &in, err);
    if (rc == TL_OK)
        rc = keep(task, r, &in, position, err);
    if (rc == TL_OK) {
        flow__source_ok(r->s->flow);
        flow__told_no_key(r->s->flow, &in.no_key, in.puts, n);
    }
    return rc;
}

static enum tl_rc before_request(void *arg, struct task *task, struct connector_call *call, struct tl_err *err)
{
    return flow__reading_request(&((struct reader *)arg)->reading, task, call, err);
}

static bool is_over(void *arg)
{
    return over(arg);
}

/* What is run with the call of a reader: the operation, or a part of it. */
struct body {
    connector_part_fn *part; /* NULL: the operation */
    size_t i;
    void *arg;
};

static enum tl_rc read_part(void *arg, struct task *task, size_t i, connector_part_fn *fn, void *fn_arg,
                            struct tl_err *err);

/* *ret_wait_ms: until the next one. */
static enum tl_rc run_reader(struct task *task, struct reader *reader, const struct body *body, int64_t *ret_wait_ms,
                             struct tl_err *err)
{
    struct source *s = reader->s;
    const struct flow_read *r = s->flow->read;
    const struct connector_ledger ledger = {
        .emit = take_in, .request = before_request, .part = body->part ? NULL : read_part, .arg = reader};
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(1 << 30);
    TL_CLEANUP(tl_buf_done) struct tl_buf position = {0};
    struct flow_owner owner = {.flow = s->flow, .target = s->name, .operation = r->operation->name, .meters = r->calls};
    struct connector_call call = {.connection = r->connection->conf->type.conf,
                                  .owner = &owner,
                                  .operation = r->operation_conf,
                                  .prepared = r->prepared,
                                  .arena = a,
                                  .source = tl_sv_str(s->name)};
    enum tl_rc rc;

    tl_buf_init(&position, CONNECTOR_POSITION_MAX);
    rc = queue_position(s->loop->engine->queue, task, call.source, tl_sv_str(reader->position_key), &position, err);
    if (rc != TL_OK && rc != TL_NOT_FOUND)
        return rc;
    tl_err_clear(err);
    reader->reading = (struct flow_reading){.engine = s->loop->engine,
                                            .flow = s->flow,
                                            .connection = s->plan->connection_ids[r->connection->index],
                                            .listens = r->operation->kind == CONNECTOR_LISTEN,
                                            .further = flow__further(s->plan, r->connection),
                                            .over = is_over,
                                            .arg = s};
    rc = flow__reading_begin(task, &reader->reading, err);
    if (rc != TL_OK)
        return rc;
    call.position = tl_buf_view(&position);
    connector_call_begin(&call, flow__host(s->plan, r->connection, 0), &ledger);
    rc = body->part ? body->part(task, &call, body->i, body->arg, err)
                    : connector_run(task, &call, r->operation->run, err);
    *ret_wait_ms = call.pending ? call.next_poll_ms : r->conf->every_ms;
    if (rc == TL_OK && call.remark.n && !s->remarked) {
        s->remarked = true;
        TL_LOG(s->loop->engine->opt.log, TL_WARN, "source.remark", "a source goes on, but somebody should look at it",
               KV_STR("flow", s->flow->name), KV_SV("remark", call.remark));
    }
    flow__reading_end(&reader->reading, &call, rc, err);
    return rc;
}

static enum tl_rc read_part(void *arg, struct task *task, size_t i, connector_part_fn *fn, void *fn_arg,
                            struct tl_err *err)
{
    struct reader *whole = arg, part = {.s = whole->s};
    int64_t unused;

    flow__reading_ok(&whole->reading, NULL); /* it waits for its parts and calls nothing */
    snprintf(part.position_key, sizeof part.position_key, "%s/%zu", whole->s->position_key, i);
    return run_reader(task, &part, &(struct body){.part = fn, .i = i, .arg = fn_arg}, &unused, err);
}

static enum tl_rc read_once(struct task *task, struct source *s, int64_t *ret_wait_ms, struct tl_err *err)
{
    struct reader whole = {.s = s};

    snprintf(whole.position_key, sizeof whole.position_key, "%s", s->position_key);
    return run_reader(task, &whole, &(struct body){.part = NULL}, ret_wait_ms, err);
}

static enum tl_rc read_on(struct task *task, struct source *s, struct tl_err *err)
{
    enum tl_rc rc = begin(task, s, err);
    int64_t wait_ms = 0;

    while (rc == TL_OK) {
        rc = read_once(task, s, &wait_ms, err);
        if (rc == TL_OK)
            flow__source_ok(s->flow);
        s->failures = rc == TL_OK ? 0 : s->failures;
        if (rc == TL_OK)
            rc = pause_for(task, s, wait_ms, err);
        if (rc == TL_OK)
            rc = take_lease(task, s, err);
    }
    return rc;
}

/* ---- the task: a source that fails starts again after a pause, which grows while it does not come forward ---- */
static int64_t pause_ms(struct source *s, const struct tl_err *err)
{
    static const struct guard_retry pauses = {
        .attempts = UINT32_MAX, .base_ms = 500, .most_ms = 30000, .jitter = GUARD_JITTER_NONE};
    int64_t ms = pauses.most_ms;

    (void)guard_retry_delay(&pauses, ++s->failures, 0, err->retry_after_ms, 0, &ms);
    return ms;
}

static enum tl_rc source_task(struct task *task, void *arg, struct tl_err *err)
{
    struct source *s = arg;
    enum tl_rc rc = TL_OK;

    while (!over(s) && rc != TL_CANCELED) {
        tl_err_clear(err);
        rc = s->flow->source == FLOW_READ ? read_on(task, s, err) : schedule(task, s, err);
        if (rc == TL_OK || rc == TL_CANCELED)
            break;
        flow__source_failed(s->flow, err->text);
        TL_LOG(s->loop->engine->opt.log, TL_WARN, "source.failed", err->text, KV_STR("flow", s->flow->name),
               KV_STR("class", tl_class_name(tl_rc_class(rc))));
        rc = pause_for(task, s, pause_ms(s, err), err);
    }
    flow__source_gone(s->flow);
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
        if (p->flows[i].source == FLOW_SCHEDULE || p->flows[i].source == FLOW_READ)
            start_source(&e->loops[0], p, &p->flows[i]);
    }
}
