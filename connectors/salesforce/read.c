/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read.c - what changed in an object, in the order of SystemModstamp and Id.
 *
 * The position is the last record's (SystemModstamp, Id), so that records of one second are neither lost nor repeated,
 * and so that a query whose locator the org has forgotten goes on from the last page taken in, never from the start.
 * Records younger than `lag` wait: a transaction under way may still commit with an earlier time. Those of the second
 * that still runs wait in any case: times are whole seconds, so what is changed later in it has the time of what was
 * read, and nothing would tell the two apart.
 * An org that gives up on a query (QUERY_TIMEOUT) is asked for a shorter span of time, halved until it answers.
 * More than `bulk_from` records behind the first page are left to a query job (read_bulk.c), more than `ranges_from`
 * are read as several ranges at once (read_ranges.c).
 */
#include "salesforce/read.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    DESCRIBE_MS = 600000,
    NO_JOBS_MS = 3600000,
    URI_FIELDS = 8000, /* bytes of field names in one query: a URI has at most 16,384 */
    RETRIEVE = 200,
    SPAN_LEAST_MS = 60000,
    SPAN_FIRST_MS = 86400000
};

struct sf_reader {
    pthread_mutex_t lock; /* guards what follows; loops share it */
    char *fields;         /* "Name,Industry": of describe; NULL: not asked yet */
    char *types;          /* "Id=id,Name=string": likewise */
    uint64_t asked_ns, no_jobs_ns;
};

void *sf_read_compile(const void *connection, const void *operation, struct config_errors *e)
{
    struct sf_reader *r = tl_zalloc(sizeof *r);

    (void)connection, (void)operation, (void)e;
    (void)pthread_mutex_init(&r->lock, NULL);
    return r;
}

void sf_read_release(void *prepared)
{
    struct sf_reader *r = prepared;

    if (!r)
        return;
    (void)pthread_mutex_destroy(&r->lock);
    tl_free(r->fields);
    tl_free(r->types);
    tl_free(r);
}

bool sf_no_jobs(struct sf_reader *cache)
{
    uint64_t now = tl_clock_mono_ns(tl_clock_system());
    bool no;

    (void)pthread_mutex_lock(&cache->lock);
    no = cache->no_jobs_ns != 0 && now - cache->no_jobs_ns < (uint64_t)NO_JOBS_MS * 1000000u;
    (void)pthread_mutex_unlock(&cache->lock);
    return no;
}

void sf_set_no_jobs(struct sf_reader *cache)
{
    (void)pthread_mutex_lock(&cache->lock);
    cache->no_jobs_ns = tl_clock_mono_ns(tl_clock_system());
    (void)pthread_mutex_unlock(&cache->lock);
}

/* ---- which fields ---- */

/* Compound fields repeat their parts, binaries are addresses of further calls. */
static bool is_wanted(struct json field)
{
    static const char *const not [] = {"address", "location", "base64", "complexvalue"};
    struct tl_sv type = json_text(json_gets(field, "type"), TL_SV("")),
                 name = json_text(json_gets(field, "name"), TL_SV(""));

    for (size_t i = 0; i < TL_COUNT(not ); i++)
        if (tl_sv_eqs(type, not [i]))
            return false;
    return name.n > 0 && !tl_sv_eqs(name, "Id") && !tl_sv_eqs(name, "SystemModstamp") && !tl_sv_eqs(name, "IsDeleted");
}

static enum tl_rc describe(struct sf_reading *r, struct tl_err *err)
{
    struct sf_reader *cache = r->cache;
    struct sf_request req = {.method = "GET", .idempotent = true, .timeout_ms = r->conf->timeout_ms};
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0}, types = {0};
    struct sf_reply reply;
    struct json fields;
    enum tl_rc rc;

    req.path = tl_arena_printf(r->call->arena, "/sobjects/%s/describe", r->conf->object);
    rc = sf_http(r->task, r->call, &req, &reply, err);
    if (rc != TL_OK)
        return tl_err_prefix(err, "describe of %s", r->conf->object);
    fields = json_gets(reply.body, "fields");
    if (fields.type != JSON_ARRAY)
        return tl_fail(err, TL_UPSTREAM, "the description of %s has no fields", r->conf->object);
    tl_buf_init(&b, 256 << 10);
    tl_buf_init(&types, 512 << 10);
    for (uint32_t i = 0; i < fields.n; i++) {
        struct tl_sv name = json_text(json_gets(fields.u.items[i], "name"), TL_SV(""));

        if (is_wanted(fields.u.items[i]))
            (void)tl_buf_printf(&b, "%s%.*s", b.n ? "," : "", TL_SV_ARG(name));
        (void)tl_buf_printf(&types, "%.*s=%.*s,", TL_SV_ARG(name),
                            TL_SV_ARG(json_text(json_gets(fields.u.items[i], "type"), TL_SV(""))));
    }
    if (b.failed || types.failed)
        return tl_fail(err, TL_LIMIT, "%s has too many fields; name those you need", r->conf->object);
    (void)pthread_mutex_lock(&cache->lock);
    tl_free(cache->fields);
    tl_free(cache->types);
    cache->fields = tl_strndup(b.p ? b.p : "", b.n);
    cache->types = tl_strndup(types.p ? types.p : "", types.n);
    cache->asked_ns = tl_clock_mono_ns(tl_clock_system());
    (void)pthread_mutex_unlock(&cache->lock);
    return TL_OK;
}

/* Those that are configured, or all that we may see; asked anew from time to time, for a field may be new. */
enum tl_rc sf_read_fields(struct sf_reading *r, bool anew, bool typed, struct tl_err *err)
{
    struct sf_reader *cache = r->cache;
    uint64_t now = tl_clock_mono_ns(tl_clock_system());
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    enum tl_rc rc = TL_OK;
    bool stale;

    if (r->conf->fields.n > 0) {
        tl_buf_init(&b, 256 << 10);
        for (size_t i = 0; i < r->conf->fields.n; i++)
            (void)tl_buf_printf(&b, "%s%s", i ? "," : "", *CONFIG_AT(r->conf->fields, const char *, i));
        r->fields = tl_arena_sv(r->call->arena, tl_buf_view(&b));
        if (!r->fields.p)
            return tl_fail(err, TL_LIMIT, "the list of fields is too long");
    }
    if (r->conf->fields.n > 0 && !typed)
        return TL_OK;
    (void)pthread_mutex_lock(&cache->lock);
    stale = !cache->fields || now - cache->asked_ns > (uint64_t)DESCRIBE_MS * 1000000u;
    (void)pthread_mutex_unlock(&cache->lock);
    if (stale || anew)
        rc = describe(r, err);
    if (rc != TL_OK)
        return rc;
    (void)pthread_mutex_lock(&cache->lock);
    if (r->conf->fields.n == 0)
        r->fields = tl_arena_sv(r->call->arena, tl_sv_str(cache->fields));
    r->types = tl_arena_sv(r->call->arena, tl_sv_str(cache->types));
    (void)pthread_mutex_unlock(&cache->lock);
    return r->fields.p && r->types.p ? TL_OK : tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
}

/* Cuts as many names off *rest as one query takes. */
static struct tl_sv next_chunk(struct tl_sv *rest)
{
    struct tl_sv chunk = *rest;

    if (rest->n > URI_FIELDS) {
        chunk.n = URI_FIELDS;
        while (chunk.n > 0 && chunk.p[chunk.n] != ',')
            chunk.n--;
    }
    *rest = tl_sv_from(*rest, chunk.n + 1);
    return chunk;
}

/* ---- the question ---- */

static void put_time(struct tl_buf *b, int64_t ms)
{
    char text[TL_TIME_TEXT];

    (void)tl_buf_puts(b, tl_time_format(ms, text));
}

int64_t sf_read_end(const struct sf_reading *r)
{
    int64_t now = tl_clock_wall_ms(connector_clock(r->call->host)) - r->conf->lag_ms;

    return r->fixed.p ? now + 1000 : now / 1000 * 1000;
}

/* Where the span of this query ends: where the whole does, or earlier after the org gave up. */
static int64_t span_end(const struct sf_reading *r, int64_t end)
{
    int64_t from;

    if (r->span_ms > 0 && tl_time_parse(tl_sv_str(r->at.time), &from) && from + r->span_ms < end)
        end = from + r->span_ms;
    return end;
}

bool sf_read_condition(struct sf_reading *r, struct tl_buf *b, int64_t end_ms)
{
    (void)tl_buf_printf(b, " FROM %s WHERE ", r->conf->object);
    if (r->at.id[0])
        (void)tl_buf_printf(b, "(SystemModstamp > %s OR (SystemModstamp = %s AND Id > '%s')) AND ", r->at.time,
                            r->at.time, r->at.id);
    else if (r->at.time[0])
        (void)tl_buf_printf(b, "SystemModstamp >= %s AND ", r->at.time);
    (void)tl_buf_puts(b, "SystemModstamp < ");
    put_time(b, end_ms);
    if (r->conf->where)
        (void)tl_buf_printf(b, " AND (%s)", r->conf->where);
    return !b->failed;
}

/* What the question asks, without the time: the same configuration gives the same number. */
uint64_t sf_read_shape(const struct sf_reading *r)
{
    const struct sf_read *c = r->conf;
    uint64_t h = tl_hash64(c->object, strlen(c->object), c->deleted);

    h = tl_hash64(c->where ? c->where : "", c->where ? strlen(c->where) : 0, h);
    for (size_t i = 0; i < c->fields.n; i++) {
        const char *name = *CONFIG_AT(c->fields, const char *, i);

        h = tl_hash64(name, strlen(name), h);
    }
    return h;
}

enum tl_rc sf_read_ask(struct sf_reading *r, const char *what, const char *more, int64_t end_ms, struct sf_reply *ret,
                       struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct sf_request req = {.method = "GET", .idempotent = true, .timeout_ms = r->conf->timeout_ms};

    tl_buf_init(&b, 64 << 10);
    (void)tl_buf_printf(&b, "SELECT %s", what);
    (void)sf_read_condition(r, &b, end_ms);
    if (!tl_buf_puts(&b, more))
        return tl_fail(err, TL_LIMIT, "the query is too long");
    req.path = tl_arena_printf(r->call->arena, "/%s?q=%.*s", r->conf->deleted ? "queryAll" : "query",
                               TL_SV_ARG(sf_encoded(r->call->arena, tl_buf_view(&b))));
    return sf_http(r->task, r->call, &req, ret, err);
}

static char *question(struct sf_reading *r, struct tl_sv chunk, int64_t end)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 64 << 10);
    (void)tl_buf_printf(&b, "SELECT Id,SystemModstamp%s%s%.*s", r->conf->deleted ? ",IsDeleted" : "",
                        chunk.n ? "," : "", TL_SV_ARG(chunk));
    (void)sf_read_condition(r, &b, end);
    if (r->range)
        sf_range_condition(r->range, &b);
    if (!tl_buf_puts(&b, r->range ? " ORDER BY Id" : " ORDER BY SystemModstamp, Id"))
        return NULL;
    return tl_arena_printf(r->call->arena, "/%s?q=%.*s", r->conf->deleted ? "queryAll" : "query",
                           TL_SV_ARG(sf_encoded(r->call->arena, tl_buf_view(&b))));
}

/* ---- pages ---- */

static struct json with(struct tl_arena *a, struct json record, struct json more, bool with_id)
{
    struct json_builder b;

    json_object_begin(&b, a, record.n + more.n);
    for (uint32_t i = 0; i < record.n; i++)
        (void)json_add(&b, json_view(record.u.members[i].key), record.u.members[i].value);
    for (uint32_t i = 0; more.type == JSON_OBJECT && i < more.n; i++) {
        struct tl_sv name = json_view(more.u.members[i].key);

        if (!tl_sv_eqs(name, "attributes") && (with_id || !tl_sv_eqs(name, "Id")))
            (void)json_add(&b, name, more.u.members[i].value);
    }
    return json_end(&b);
}

/* More columns of the records that came: asked for by Id, in a body, because no address is long enough. */
static enum tl_rc widen(struct sf_reading *r, struct connector_incoming *records, size_t n, struct tl_sv chunk,
                        struct tl_err *err)
{
    struct sf_request req = {.method = "POST", .idempotent = true, .timeout_ms = r->conf->timeout_ms};

    req.path = tl_arena_printf(r->call->arena, "/composite/sobjects/%s", r->conf->object);
    for (size_t from = 0; from < n; from += RETRIEVE) {
        size_t to = from + RETRIEVE < n ? from + RETRIEVE : n;
        TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
        struct tl_sv rest = chunk, name;
        struct sf_reply reply;
        enum tl_rc rc;

        tl_buf_init(&b, 1 << 20);
        (void)tl_buf_puts(&b, "{\"ids\":[");
        for (size_t i = from; i < to; i++)
            (void)tl_buf_printf(&b, "%s\"%.*s\"", i > from ? "," : "",
                                TL_SV_ARG(json_text(json_gets(records[i].value, "Id"), TL_SV(""))));
        (void)tl_buf_puts(&b, "],\"fields\":[\"Id\"");
        while (rest.n > 0 && tl_sv_cut(&rest, ',', &name))
            (void)tl_buf_printf(&b, ",\"%.*s\"", TL_SV_ARG(name));
        (void)tl_buf_puts(&b, "]}");
        req.body = tl_buf_view(&b);
        rc = sf_http(r->task, r->call, &req, &reply, err);
        if (rc != TL_OK)
            return rc;
        for (size_t i = from; i < to; i++) /* null: deleted meanwhile; its end is a change of its own */
            records[i].value = with(r->call->arena, records[i].value, json_at(reply.body, i - from), false);
    }
    return TL_OK;
}

/* A record that a stream's gap hid, in the form of the stream's events. */
static struct json as_change(struct sf_reading *r, struct json record, struct tl_sv id)
{
    struct tl_arena *a = r->call->arena;
    struct json_builder ids, header, b;

    json_array_begin(&ids, a, 1);
    (void)json_push(&ids, json_sv(id));
    json_object_begin(&header, a, 3);
    (void)json_adds(&header, "entityName", json_str(r->conf->object));
    (void)json_adds(&header, "changeType", json_str("BACKFILL"));
    (void)json_adds(&header, "recordIds", json_end(&ids));
    json_object_begin(&b, a, 1);
    (void)json_adds(&b, "ChangeEventHeader", json_end(&header));
    return with(a, json_end(&b), record, true);
}

struct unpack {
    struct sf_reading *r;
    struct json rows;
    struct connector_incoming *records;
};
static void unpack(void *arg)
{
    struct unpack *u = arg;

    for (uint32_t i = 0; i < u->rows.n; i++)
        u->records[i].value = sf_without_attributes(u->r->call->arena, u->rows.u.items[i]);
}

/* Keys and order of what is taken in; a backfill's records get the form of the stream's events. */
static void dress(struct sf_reading *r, struct connector_incoming *one)
{
    struct tl_sv id = json_text(json_gets(one->value, "Id"), TL_SV(""));
    struct tl_sv time = json_text(json_gets(one->value, "SystemModstamp"), TL_SV(""));

    one->order_by = id;
    one->key = tl_sv_str(tl_arena_printf(r->call->arena, "%.*s@%.*s", TL_SV_ARG(id), TL_SV_ARG(time)));
    if (r->fixed.p)
        one->value = as_change(r, one->value, id);
}

/* "2026-01-02T03:04:05.000+0000" as SOQL takes it. */
static bool set_place(struct sf_reading *r, struct json record)
{
    struct tl_sv time = json_text(json_gets(record, "SystemModstamp"), TL_SV("")),
                 id = json_text(json_gets(record, "Id"), TL_SV(""));
    struct sf_place *at = &r->at;

    if (time.n < 23 || id.n == 0 || id.n >= sizeof at->id)
        return false;
    if (r->range) {
        (void)snprintf(r->range->at, sizeof r->range->at, "%.*s", TL_SV_ARG(id));
        return r->range->behind = true;
    }
    (void)snprintf(at->time, sizeof at->time, "%.23sZ", time.p);
    (void)snprintf(at->id, sizeof at->id, "%.*s", TL_SV_ARG(id));
    return true;
}

static struct tl_sv position(struct sf_reading *r)
{
    if (r->fixed.p)
        return r->fixed;
    if (r->range)
        return sf_range_position(r->call->arena, r->range);
    if (r->cut.n > 0)
        return tl_sv_str(tl_arena_printf(r->call->arena, "%s %s ranges %.*s", r->at.time, r->at.id,
                                         TL_SV_ARG(sf_cut_text(r->call->arena, &r->cut))));
    if (r->job[0])
        return tl_sv_str(tl_arena_printf(r->call->arena, "%s %s bulk %s %s %lld %llx", r->at.time, r->at.id, r->job,
                                         r->locator[0] ? r->locator : "-", (long long)r->job_end_ms,
                                         (unsigned long long)r->job_shape));
    return tl_sv_str(tl_arena_printf(r->call->arena, "%s %s", r->at.time, r->at.id));
}

enum tl_rc sf_read_emit(struct sf_reading *r, struct connector_incoming *records, size_t n, struct tl_err *err)
{
    struct tl_sv after;

    for (size_t i = 0; i < n; i++)
        dress(r, &records[i]);
    after = position(r);
    if (!after.p || (n > 0 && !records[n - 1].key.p))
        return tl_fail(err, TL_LIMIT, "the page needs more memory than a call may have");
    return connector_emit(r->task, r->call, records, n, after, err);
}

static enum tl_rc take_page(struct sf_reading *r, struct json rows, struct tl_sv more_fields, struct tl_err *err)
{
    struct unpack u = {.r = r, .rows = rows};
    enum tl_rc rc = TL_OK;

    if (rows.type != JSON_ARRAY)
        return tl_fail(err, TL_UPSTREAM, "the answer to the query has no records");
    if (rows.n == 0)
        return TL_OK;
    u.records = tl_arena_zalloc(r->call->arena, rows.n * sizeof *u.records);
    if (!u.records)
        return tl_fail(err, TL_LIMIT, "the page needs more memory than a call may have");
    task_on_main_stack(r->task, unpack, &u);
    while (rc == TL_OK && more_fields.n > 0)
        rc = widen(r, u.records, rows.n, next_chunk(&more_fields), err);
    if (rc == TL_OK && !set_place(r, u.records[rows.n - 1].value))
        rc = tl_fail(err, TL_UPSTREAM, "a record came without Id or SystemModstamp");
    return rc == TL_OK ? sf_read_emit(r, u.records, rows.n, err) : rc;
}

static struct tl_sv code_of(const struct sf_reply *reply)
{
    return json_text(json_gets(sf_first_error(reply->body), "errorCode"), TL_SV(""));
}

/* May what is left be read by a job of the org's? */
static bool may_job(const struct sf_reading *r)
{
    return r->conf->mode == SF_MODE_AUTO && !r->fixed.p && !r->range && !sf_no_jobs(r->cache);
}

static bool may_cut(const struct sf_reading *r)
{
    return r->conf->ranges > 1 && !r->fixed.p && !r->range && !r->whole;
}

/* So many records are behind the first page: how are they read? */
static enum sf_next better_way(const struct sf_reading *r, int64_t left)
{
    if (left > r->conf->bulk_from && may_job(r))
        return SF_NEXT_JOB;
    return left > r->conf->ranges_from && may_cut(r) ? SF_NEXT_RANGES : SF_NEXT_DONE;
}

/* What a refused query asks for: the same from where we are, a shorter span, other fields; or it is an error. */
static enum sf_next after_failure(struct sf_reading *r, const struct sf_reply *reply, bool first, struct tl_err *err)
{
    struct tl_sv code = code_of(reply);

    if (tl_sv_eqs(code, "INVALID_QUERY_LOCATOR") && !first) {
        tl_err_clear(err);
        return SF_NEXT_AGAIN;
    }
    if (tl_sv_eqs(code, "QUERY_TIMEOUT") && r->range && sf_range_halve(r->range)) {
        tl_err_clear(err);
        return SF_NEXT_AGAIN;
    }
    if (tl_sv_eqs(code, "QUERY_TIMEOUT") && !r->range && r->at.time[0] &&
        (r->span_ms == 0 || r->span_ms > SPAN_LEAST_MS)) {
        r->span_ms = r->span_ms == 0 ? SPAN_FIRST_MS : r->span_ms / 2;
        tl_err_clear(err);
        return SF_NEXT_AGAIN;
    }
    if (tl_sv_eqs(code, "QUERY_TIMEOUT") && may_job(r)) { /* a job has hours for it */
        tl_err_clear(err);
        return SF_NEXT_JOB;
    }
    if (tl_sv_eqs(code, "INVALID_FIELD") && r->conf->fields.n == 0 && !r->forgot) {
        r->forgot = true;
        tl_err_clear(err);
        return sf_read_fields(r, true, false, err) == TL_OK ? SF_NEXT_AGAIN : SF_NEXT_FAILED;
    }
    return SF_NEXT_FAILED;
}

/* Records of the query behind its first page. */
static int64_t number_left(struct json body)
{
    int64_t total = 0;

    (void)json_int64(json_gets(body, "totalSize"), &total);
    return total - json_gets(body, "records").n;
}

/* All pages of a query that ended at `end` are through: the next range or span of time, if there is one. last: where
 * the whole ended when it was asked; what changed since is the next run's. */
static enum sf_next behind_query(struct sf_reading *r, int64_t end, int64_t last)
{
    if (r->range)
        return sf_range_next(r->range) ? SF_NEXT_AGAIN : SF_NEXT_DONE;
    if (end >= last)
        return SF_NEXT_DONE;
    (void)tl_time_format(end, r->at.time); /* the next span begins at the end of this one */
    r->at.id[0] = '\0';
    return SF_NEXT_AGAIN;
}

/* One query with its pages. */
static enum sf_next one_query(struct sf_reading *r, struct tl_err *err)
{
    struct tl_sv rest = r->fields, chunk = next_chunk(&rest), more;
    int64_t last = r->range ? r->range->cut->end_ms : sf_read_end(r), end = span_end(r, last);
    TL_CLEANUP(tl_freep) char *path = NULL;
    struct sf_request req = {.method = "GET", .idempotent = true, .timeout_ms = r->conf->timeout_ms, .n_more = 1};
    bool first = true;
    int64_t left;
    enum tl_rc rc;

    path = question(r, chunk, end);
    path = path ? tl_strdup(path) : NULL;
    if (!path) {
        (void)tl_fail(err, TL_LIMIT, "the query is too long");
        return SF_NEXT_FAILED;
    }
    for (;;) {
        struct connector_scratch scratch = connector_scratch_begin(r->call);
        struct sf_reply reply;

        req.path = path;
        req.more[0] = (struct http_header){
            TL_SV("Sforce-Query-Options"),
            tl_sv_str(tl_arena_printf(r->call->arena, "batchSize=%lld", (long long)r->conf->page))};
        rc = sf_http(r->task, r->call, &req, &reply, err);
        if (rc != TL_OK) {
            enum sf_next next = after_failure(r, &reply, first, err);

            if (next != SF_NEXT_AGAIN || !r->forgot) /* new fields live in the arena */
                connector_scratch_end(r->call, scratch);
            return next;
        }
        rc = take_page(r, json_gets(reply.body, "records"), rest, err);
        more = rc == TL_OK ? json_text(json_gets(reply.body, "nextRecordsUrl"), TL_SV_NULL) : TL_SV_NULL;
        tl_free(path);
        path = more.p ? tl_strndup(more.p, more.n) : NULL;
        left = number_left(reply.body);
        connector_scratch_end(r->call, scratch);
        if (rc != TL_OK)
            return SF_NEXT_FAILED;
        if (!path)
            break;
        if (first && better_way(r, left) != SF_NEXT_DONE)
            return better_way(r, left);
        first = false;
    }
    return behind_query(r, end, last);
}

static bool copy_part(char *to, size_t size, struct tl_sv part)
{
    if (part.n >= size)
        return false;
    memcpy(to, part.p, part.n);
    to[part.n] = '\0';
    return true;
}

/* "JOB LOCATOR END SHAPE" */
static bool begin_job(struct sf_reading *r, struct tl_sv p)
{
    struct tl_sv job, locator, end;
    char shape[20];

    if (!tl_sv_cut(&p, ' ', &job) || !tl_sv_cut(&p, ' ', &locator) || !tl_sv_cut(&p, ' ', &end) ||
        !tl_sv_i64(end, &r->job_end_ms) || !copy_part(shape, sizeof shape, p))
        return false;
    if (tl_sv_eqs(locator, "-"))
        locator.n = 0;
    r->job_shape = strtoull(shape, NULL, 16);
    return copy_part(r->job, sizeof r->job, job) && copy_part(r->locator, sizeof r->locator, locator);
}

static bool begin(struct sf_reading *r)
{
    struct tl_sv p = r->call->position, time, id = TL_SV(""), kind;

    if (p.n == 0) {
        (void)snprintf(r->at.time, sizeof r->at.time, "%s", r->conf->start ? r->conf->start : "");
        return true;
    }
    (void)tl_sv_cut(&p, ' ', &time);
    (void)tl_sv_cut(&p, ' ', &id);
    if (!copy_part(r->at.time, sizeof r->at.time, time) || !copy_part(r->at.id, sizeof r->at.id, id))
        return false;
    if (p.n == 0)
        return true;
    (void)tl_sv_cut(&p, ' ', &kind);
    return tl_sv_eqs(kind, "ranges") ? sf_cut_parse(&r->cut, p) : tl_sv_eqs(kind, "bulk") && begin_job(r, p);
}

enum tl_rc sf_read_pages(struct sf_reading *r, struct tl_err *err)
{
    enum tl_rc rc = sf_read_fields(r, false, false, err);
    enum sf_next next = SF_NEXT_AGAIN;

    while (rc == TL_OK && next == SF_NEXT_AGAIN) {
        next = one_query(r, err);
        if (next == SF_NEXT_JOB)
            next = sf_job_start(r, err);
        if (next == SF_NEXT_RANGES)
            next = sf_ranges_start(r, err);
    }
    return rc != TL_OK || next == SF_NEXT_DONE ? rc : err->rc;
}

static enum tl_rc read_all(struct sf_reading *r, struct tl_err *err)
{
    enum sf_next next = SF_NEXT_AGAIN;

    if (r->job[0])
        next = sf_job_go_on(r, err);
    else if (r->cut.n > 0)
        next = sf_ranges_go_on(r, err);
    if (next == SF_NEXT_AGAIN && r->conf->mode == SF_MODE_BULK && !r->fixed.p)
        next = sf_job_start(r, err);
    if (next == SF_NEXT_AGAIN)
        return sf_read_pages(r, err);
    return next == SF_NEXT_DONE ? TL_OK : err->rc;
}

enum tl_rc sf_read_run(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct sf_reading r = {.task = task, .call = call, .conf = call->operation, .cache = call->prepared};

    call->endpoint = tl_sv_str(r.conf->object);
    if (!begin(&r))
        return tl_fail(err, TL_CONFIG, "the stored position of %.*s cannot be read", TL_SV_ARG(call->source));
    return read_all(&r, err);
}

enum tl_rc sf_backfill(struct task *task, struct connector_call *call, void *cache, const struct sf_read *conf,
                       struct tl_sv stays, struct tl_err *err)
{
    struct sf_reading r = {.task = task, .call = call, .conf = conf, .cache = cache, .fixed = stays};

    (void)snprintf(r.at.time, sizeof r.at.time, "%s", conf->start);
    return read_all(&r, err);
}
