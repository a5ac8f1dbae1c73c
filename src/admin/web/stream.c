/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c - server-sent events: the status, what changes in the ledger, jobs, alerts; at most once a second each.
 *
 * The ledger notes ids of what changes in a ring (queue_changes). A stream takes them once a second, drops by flow and
 * state without looking, and reads at most some hundred rows of the rest: what a stream costs does not grow with the
 * throughput. The status is made once a second for all streams. Whoever is slow waits in the kernel and is cut by the
 * server; whoever loses the token loses the stream.
 */
#include "admin/web/web_int.h"
#include "http/http.h"

enum {
    STREAMS_MAX = 64,
    TICK_MS = 1000,
    BEAT_TICKS = 15,
    ROWS_A_SECOND = 50,
    CANDIDATES = 200,
    CHANGES = 16384,
    JOBS = 10,
    SCRATCH = 32 << 20
};
enum { TOPIC_STATUS = 1, TOPIC_ROWS = 2, TOPIC_JOBS = 4, TOPIC_ALERTS = 8 };
static const struct {
    const char *name;
    unsigned bit;
} topics[] = {{"status", TOPIC_STATUS}, {"rows", TOPIC_ROWS}, {"jobs", TOPIC_JOBS}, {"alerts", TOPIC_ALERTS}};

struct stream {
    struct admin_call *c;
    unsigned topics;
    struct queue_filter filter;
    uint64_t cursor, status_hash, alerts_hash, jobs_hash;
    struct queue_change *changes;
    struct tl_buf out;
};

static enum tl_rc read_topics(struct admin_call *c, unsigned *ret, struct tl_err *err)
{
    struct tl_sv rest = admin__query(c, "topics"), one;

    *ret = rest.n ? 0 : TOPIC_STATUS | TOPIC_JOBS | TOPIC_ALERTS;
    while (rest.n && tl_sv_cut(&rest, ',', &one)) {
        size_t i = 0;

        while (i < TL_COUNT(topics) && !tl_sv_eqs(one, topics[i].name))
            i++;
        if (i == TL_COUNT(topics))
            return tl_fail(err, TL_INVALID, "topics are status, rows, jobs and alerts, not '%.*s'", TL_SV_ARG(one));
        *ret |= topics[i].bit;
    }
    return TL_OK;
}

/* JSON of ours has no line feeds, so one data line holds it. */
static void put_event(struct stream *s, const char *name, struct json v)
{
    (void)tl_buf_printf(&s->out, "event: %s\ndata: ", name);
    (void)json_write(&s->out, v, 0);
    (void)tl_buf_puts(&s->out, "\n\n");
}

/* Only when `basis`, a part of it, is another than the last time. */
static void put_changed(struct stream *s, const char *name, struct json v, struct json basis, uint64_t *hash)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    uint64_t now;

    tl_buf_init(&text, 8 << 20);
    if (!json_write(&text, basis, 0))
        return;
    now = tl_hash64(text.p, text.n, 1);
    if (now == *hash)
        return;
    *hash = now;
    put_event(s, name, v);
}

/* ---- the status, once a second for all ---- */
static enum tl_rc put_status(struct stream *s, struct admin_call *c, struct tl_err *err)
{
    struct admin_web *w = c->web;
    uint64_t now = tl_clock_mono_ms(c->admin->clock), hash;
    struct json v;

    if (!w->status.p || now - w->status_ms >= TICK_MS - 100) {
        v = admin__status_json(c, err);
        if (v.type == JSON_UNDEFINED)
            return err->rc;
        tl_buf_clear(&w->status);
        if (!json_write(&w->status, v, 0))
            return tl_fail(err, TL_LIMIT, "the status is larger than 8 MB");
        w->status_ms = tl_clock_mono_ms(c->admin->clock);
    }
    hash = tl_hash64(w->status.p, w->status.n, 1);
    if (hash == s->status_hash)
        return TL_OK;
    s->status_hash = hash;
    (void)tl_buf_puts(&s->out, "event: status\ndata: ");
    (void)tl_buf_sv(&s->out, tl_buf_view(&w->status));
    (void)tl_buf_puts(&s->out, "\n\n");
    return TL_OK;
}

/* ---- rows ---- */
/* The newest of each id that may match by what the ledger noted; *ret_more: those that are not looked at. */
static size_t candidates(struct stream *s, size_t n, uint64_t *ids, uint64_t *ret_more)
{
    struct tl_map *seen = tl_map_new();
    size_t found = 0;

    for (size_t i = n; i-- > 0;) {
        const struct queue_change *ch = &s->changes[i];

        if ((s->filter.flow && ch->flow != s->filter.flow) || (s->filter.state && ch->state != s->filter.state))
            continue;
        if (found == CANDIDATES) {
            ++*ret_more;
            continue;
        }
        if (tl_map_put(seen, tl_sv((const char *)&ch->id, sizeof ch->id), s))
            continue;
        ids[found++] = ch->id;
    }
    tl_map_free(seen);
    return found;
}

static enum tl_rc read_rows(struct admin__read *l, struct queue_reader *r, struct tl_err *err)
{
    return queue_list(r, l->arena, &l->filter, 0, l->limit, &l->page, err);
}

static enum tl_rc put_rows(struct stream *s, struct admin_call *c, struct tl_err *err)
{
    uint64_t ids[CANDIDATES], missed = 0, more = 0;
    size_t n = queue_changes(c->admin->queue, &s->cursor, s->changes, CHANGES, &missed);
    struct admin__read l = {.fn = read_rows, .filter = s->filter, .limit = CANDIDATES};
    struct admin_names names;
    struct json_builder rows, b;
    enum tl_rc rc;

    more = missed;
    l.filter.ids = ids;
    l.filter.n_ids = candidates(s, n, ids, &more);
    l.filter.details = true;
    if (l.filter.n_ids == 0)
        return TL_OK;
    rc = admin__names(c, &names, err);
    if (rc == TL_OK)
        rc = admin__read(c, &l, err);
    if (l.page.n > ROWS_A_SECOND) {
        more += l.page.n - ROWS_A_SECOND;
        l.page.n = ROWS_A_SECOND;
    }
    if (rc == TL_OK && l.page.n)
        rc = queue_why(c->admin->queue, c->task, l.page.rows, l.page.n, err);
    if (rc != TL_OK || (l.page.n == 0 && more == 0))
        return rc;
    json_array_begin(&rows, c->arena, l.page.n);
    for (size_t i = 0; i < l.page.n; i++)
        json_push(&rows, admin__row_json(c->arena, &names, &l.page.rows[i]));
    json_object_begin(&b, c->arena, 2);
    json_adds(&b, "events", json_end(&rows));
    json_adds(&b, "more", json_int((int64_t)more));
    put_event(s, "rows", json_end(&b));
    return TL_OK;
}

/* ---- jobs, alerts ---- */
static enum tl_rc read_jobs(struct admin__read *l, struct queue_reader *r, struct tl_err *err)
{
    return queue_jobs(r, l->arena, 0, JOBS, &l->jobs, &l->n, err);
}

static void put_list(struct stream *s, const char *name, struct json list, uint64_t *hash)
{
    struct json_member member = {json_str(name), list};

    put_changed(s, name, (struct json){.type = JSON_OBJECT, .n = 1, .u.members = &member}, list, hash);
}

static enum tl_rc put_jobs(struct stream *s, struct admin_call *c, struct tl_err *err)
{
    struct admin__read l = {.fn = read_jobs};
    struct admin_names names;
    enum tl_rc rc = admin__names(c, &names, err);

    if (rc == TL_OK)
        rc = admin__read(c, &l, err);
    if (rc == TL_OK)
        put_list(s, "jobs", admin__jobs_json(c->arena, &names, l.jobs, l.n), &s->jobs_hash);
    return rc;
}

static void put_alerts(struct stream *s, struct admin_call *c)
{
    const struct alert_query q = {.which = ALERT_OPEN, .limit = 100};
    struct json v;

    if (!c->admin->alerts)
        return;
    v = admin__alerts_json(c, c->admin->alerts, &q);
    put_changed(s, "alerts", v, json_gets(v, "alerts"), &s->alerts_hash);
}

/* ---- */
static enum tl_rc tick(struct stream *s, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *scratch = tl_arena_new(SCRATCH);
    struct admin_call c = *s->c;
    enum tl_rc rc = TL_OK;

    c.arena = scratch;
    if (s->topics & TOPIC_STATUS)
        rc = put_status(s, &c, err);
    if (rc == TL_OK && (s->topics & TOPIC_ROWS))
        rc = put_rows(s, &c, err);
    if (rc == TL_OK && (s->topics & TOPIC_JOBS))
        rc = put_jobs(s, &c, err);
    if (rc == TL_OK && (s->topics & TOPIC_ALERTS))
        put_alerts(s, &c);
    return rc;
}

static enum tl_rc flush(struct stream *s, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    if (s->out.failed)
        rc = tl_fail(err, TL_LIMIT, "one second's news is larger than 16 MB");
    else if (s->out.n)
        rc = http_res_stream_write(s->c->task, s->c->res, tl_buf_view(&s->out), err);
    tl_buf_clear(&s->out);
    return rc;
}

static bool stopping(const struct admin *a)
{
    return a->stopping && *a->stopping;
}

static enum tl_rc run(struct stream *s, struct tl_err *err)
{
    enum tl_rc rc = http_res_stream_begin(s->c->task, s->c->res, err);

    (void)tl_buf_puts(&s->out, "retry: 2000\n\n");
    for (unsigned n = 0; rc == TL_OK && !stopping(s->c->admin); n++) {
        if (!admin__still(s->c)) { /* revoked or run out: the client signs in again */
            (void)tl_buf_puts(&s->out, "event: end\ndata: {\"why\":\"signed out\"}\n\n");
            return flush(s, err);
        }
        if (n % BEAT_TICKS == BEAT_TICKS - 1)
            (void)tl_buf_puts(&s->out, ": still here\n\n");
        rc = tick(s, err);
        if (rc == TL_OK)
            rc = flush(s, err);
        for (int i = 0; i < 4 && rc == TL_OK && !stopping(s->c->admin); i++)
            rc = task_sleep_ms(s->c->task, TICK_MS / 4, err);
    }
    return rc;
}

static enum tl_rc get_stream(struct admin_call *c, struct tl_err *err)
{
    struct stream s = {.c = c};
    struct admin_names names;
    enum tl_rc rc = read_topics(c, &s.topics, err);

    if (rc == TL_OK)
        rc = admin__names(c, &names, err);
    if (rc == TL_OK)
        rc = admin__event_filter(c, &names, &s.filter, err);
    if (rc != TL_OK)
        return rc;
    if (c->web->streams >= STREAMS_MAX)
        return tl_fail(err, TL_BUSY, "there are %d streams already", STREAMS_MAX);
    http_res_set(c->res, 200, "text/event-stream", TL_SV(""));
    (void)http_res_header_static(c->res, TL_SV("Cache-Control"), TL_SV("no-store"), NULL);
    (void)http_res_header_static(c->res, TL_SV("X-Accel-Buffering"), TL_SV("no"), NULL);
    if (c->req->method == HTTP_HEAD) /* the router lets it in wherever GET is; nothing would ever be sent */
        return TL_OK;
    c->res->close = true; /* nothing follows on this connection */
    tl_buf_init(&s.out, 16 << 20);
    s.changes = s.topics & TOPIC_ROWS ? tl_reallocarray(NULL, CHANGES, sizeof *s.changes) : NULL;
    c->web->streams++;
    if (s.changes) {
        uint64_t none;

        queue_watch(c->admin->queue, true);
        (void)queue_changes(c->admin->queue, &s.cursor, s.changes, CHANGES, &none);
    }
    rc = run(&s, err);
    if (s.changes)
        queue_watch(c->admin->queue, false);
    c->web->streams--;
    tl_free(s.changes);
    tl_buf_done(&s.out);
    return rc;
}

static const struct admin__route routes[] = {
    {.methods = "GET",
     .pattern = "/v1/stream",
     .fn = get_stream,
     .doc = "Server-sent events: status, rows, jobs, alerts.",
     .query =
         (const struct admin__field[]){
             {"topics", "string", "Of status, rows, jobs, alerts, with commas; rows only when named.", false},
             ADMIN__FILTER_QUERY,
             {0}},
     .role = ADMIN_VIEWER,
     .timeout_ms = UINT32_MAX},
};
const struct admin__table admin__stream_table = {routes, TL_COUNT(routes)};
