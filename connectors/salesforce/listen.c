/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen.c - events of the org as they happen: change data capture, platform events, PushTopics and generic channels,
 * over CometD (Bayeux, long polling).
 *
 * One run is one session: handshake, subscribe with the replay id of the stored position, connect again and again.
 * Positions are "replayId milliseconds" and durable with the events. What can happen to a session:
 *  - 403::Unknown client: handshake again and subscribe with the last replay id; after a few in a row the run ends, and
 *    the host waits before the next one: no storm of handshakes.
 *  - 401 inside of a message: a plain REST call makes the host renew the token, then a new handshake.
 *  - the replay id is not known any more: the stream goes on from the oldest event there is, and an event LOST_POSITION
 *    says so; change events are filled up by a query.
 *  - nothing comes for longer than the server said it would hold: the connection is dead; handshake again.
 *  - GAP_*: the record is fetched; GAP_OVERFLOW: all that changed since is read with a query.
 */
#include "salesforce/salesforce_int.h"

#include <stdio.h>

enum { SLACK_MS = 15000, HOLD_MS = 110000, AGAIN_MOST = 5, MESSAGES = 100000 };

struct stream {
    struct task *task;
    struct connector_call *call;
    const struct sf_listen *conf;
    struct http_jar *jar;
    char client[200]; /* clientId */
    char path[40];
    int64_t replay, at_ms; /* of the last event taken in; replay 0: none yet */
    int64_t hold_ms;
    unsigned ids, again;
    bool lost, over; /* over: the org does not want us to come again at once */
};
struct message {
    struct json v;
    struct tl_sv channel, error;
    bool ok;
};

/* ---- messages ---- */

static enum tl_rc send_one(struct stream *s, const char *channel, struct json_builder *b, int64_t timeout_ms,
                           struct sf_reply *reply, struct tl_err *err)
{
    struct sf_request req = {
        .method = "POST", .path = s->path, .idempotent = true, .timeout_ms = timeout_ms, .jar = s->jar};
    TL_CLEANUP(tl_buf_done) struct tl_buf body = {0};
    enum tl_rc rc;

    (void)json_adds(b, "channel", json_str(channel));
    (void)json_adds(b, "id", json_printf(s->call->arena, "%u", ++s->ids));
    if (s->client[0])
        (void)json_adds(b, "clientId", json_str(s->client));
    tl_buf_init(&body, 64 << 10);
    (void)tl_buf_putc(&body, '[');
    (void)json_write(&body, json_end(b), 0);
    (void)tl_buf_putc(&body, ']');
    if (body.failed)
        return tl_fail(err, TL_LIMIT, "the channel's name is too long");
    req.body = tl_buf_view(&body);
    rc = sf_http(s->task, s->call, &req, reply, err);
    if (rc == TL_OK && reply->body.type != JSON_ARRAY)
        rc = tl_fail(err, TL_UPSTREAM, "the answer to %s is no list of messages", channel);
    return rc;
}

static struct message message_at(const struct sf_reply *reply, uint32_t i)
{
    struct json v = json_at(reply->body, i), ok = json_gets(v, "successful");

    return (struct message){.v = v,
                            .channel = json_text(json_gets(v, "channel"), TL_SV("")),
                            .error = json_text(json_gets(v, "error"), TL_SV("")),
                            .ok = ok.type == JSON_BOOL && ok.u.b};
}

/* The answer on this meta channel; !ok with an empty error: there is none. */
static struct message answer_on(const struct sf_reply *reply, const char *channel)
{
    for (uint32_t i = 0; i < reply->body.n; i++) {
        struct message m = message_at(reply, i);

        if (tl_sv_eqs(m.channel, channel))
            return m;
    }
    return (struct message){0};
}

static bool begins(struct tl_sv s, const char *with)
{
    return tl_sv_starts(s, tl_sv_str(with));
}

static bool has(struct tl_sv s, const char *word)
{
    return tl_sv_find_sv(s, tl_sv_str(word)) < s.n;
}

/* What a refusal in a message means. */
static enum tl_rc refused(struct stream *s, const char *what, struct tl_sv error, struct tl_err *err)
{
    struct tl_sv text = connector_mask(s->call, tl_sv(error.p, error.n < 200 ? error.n : 200));
    enum tl_rc rc = TL_UPSTREAM;

    if (has(error, "limit exceeded"))
        rc = TL_QUOTA;
    else if (begins(error, "401"))
        rc = TL_AUTH;
    else if (begins(error, "400") || has(error, "denied_by_security_policy"))
        rc = TL_CONFIG;
    (void)tl_fail(err, rc, "%s was refused: %.*s", what, TL_SV_ARG(text.n ? text : TL_SV("no reason was given")));
    if (err && rc == TL_QUOTA)
        err->retry_after_ms = 600000;
    return rc;
}

/* ---- handshake and subscription ---- */

static struct json replay_ext(struct tl_arena *a, const char *channel, struct json v)
{
    struct json_builder inner, ext;

    if (v.type == JSON_INT) {
        json_object_begin(&inner, a, 1);
        (void)json_adds(&inner, channel, v);
        v = json_end(&inner);
    }
    json_object_begin(&ext, a, 1);
    (void)json_adds(&ext, "replay", v);
    return json_end(&ext);
}

static bool is_auth_failure(struct message m)
{
    return begins(m.error, "401") ||
           begins(json_text(json_gets(json_gets(json_gets(m.v, "ext"), "sfdc"), "failureReason"), TL_SV("")), "401");
}

/* A 401 within a message is nothing the host sees; one of HTTP is: it renews the token then. */
static enum tl_rc renew(struct stream *s, struct tl_err *err)
{
    struct sf_request req = {.method = "GET", .path = "/limits", .idempotent = true};
    struct sf_reply reply;

    return sf_http(s->task, s->call, &req, &reply, err);
}

static enum tl_rc handshake(struct stream *s, bool retried, struct tl_err *err)
{
    struct tl_arena *a = s->call->arena;
    struct json_builder b, types;
    struct sf_reply reply;
    struct message m;
    struct tl_sv id;
    enum tl_rc rc;

    s->client[0] = '\0';
    json_array_begin(&types, a, 1);
    (void)json_push(&types, json_str("long-polling"));
    json_object_begin(&b, a, 8);
    (void)json_adds(&b, "version", json_str("1.0"));
    (void)json_adds(&b, "minimumVersion", json_str("1.0"));
    (void)json_adds(&b, "supportedConnectionTypes", json_end(&types));
    (void)json_adds(&b, "ext", replay_ext(a, "", json_bool(true)));
    rc = send_one(s, "/meta/handshake", &b, 0, &reply, err);
    if (rc != TL_OK)
        return rc;
    m = answer_on(&reply, "/meta/handshake");
    id = json_text(json_gets(m.v, "clientId"), TL_SV(""));
    if (!m.ok && is_auth_failure(m) && !retried) {
        rc = renew(s, err);
        return rc == TL_OK ? handshake(s, true, err) : rc;
    }
    if (!m.ok)
        return is_auth_failure(m) ? refused(s, "the handshake", TL_SV("401::Authentication invalid"), err)
                                  : refused(s, "the handshake", m.error, err);
    if (id.n == 0 || id.n >= sizeof s->client)
        return tl_fail(err, TL_UPSTREAM, "the handshake gave no client id");
    (void)snprintf(s->client, sizeof s->client, "%.*s", TL_SV_ARG(id));
    return TL_OK;
}

static enum tl_rc subscribe(struct stream *s, int64_t replay, struct tl_err *err)
{
    struct tl_arena *a = s->call->arena;
    struct json_builder b;
    struct sf_reply reply;
    struct message m;
    enum tl_rc rc;

    json_object_begin(&b, a, 6);
    (void)json_adds(&b, "subscription", json_str(s->conf->channel));
    (void)json_adds(&b, "ext", replay_ext(a, s->conf->channel, json_int(replay)));
    rc = send_one(s, "/meta/subscribe", &b, 0, &reply, err);
    if (rc != TL_OK)
        return rc;
    m = answer_on(&reply, "/meta/subscribe");
    if (m.ok)
        return TL_OK;
    if (replay > 0 && has(m.error, "eplayId")) {
        s->lost = true;
        return subscribe(s, -2, err);
    }
    return refused(s, "the subscription", m.error, err);
}

/* ---- events ---- */

static struct tl_sv position(struct stream *s)
{
    return tl_sv_str(tl_arena_printf(s->call->arena, "%lld %lld", (long long)s->replay, (long long)s->at_ms));
}

struct batch {
    struct stream *s;
    const struct sf_reply *reply;
    struct connector_incoming *records;
    size_t n, cap;
    struct json gaps[64]; /* headers of change events without data */
    size_t n_gaps;
    struct json overflow; /* the first one's header */
};

static void add(struct batch *b, struct json value, struct tl_sv key, struct tl_sv order_by)
{
    if (b->n < b->cap)
        b->records[b->n++] = (struct connector_incoming){.value = value, .key = key, .order_by = order_by};
}

static struct json with_id(struct tl_arena *a, struct json payload, struct tl_sv id)
{
    struct json_builder b;

    json_object_begin(&b, a, payload.n + 1);
    (void)json_adds(&b, "Id", json_sv(id));
    for (uint32_t i = 0; i < payload.n; i++)
        (void)json_add(&b, json_view(payload.u.members[i].key), payload.u.members[i].value);
    return json_end(&b);
}

static bool is_ours(struct stream *s, struct json header)
{
    const struct sf_connection *c = s->call->connection;
    struct tl_sv origin = json_text(json_gets(header, "changeOrigin"), TL_SV(""));
    const char *mine = tl_arena_printf(s->call->arena, ";client=%s", c->client);

    return !s->conf->own && mine && tl_sv_ends(origin, tl_sv_str(mine));
}

/* One record an id: a transaction that changes many alike is one event of the vendor. */
static void add_change(struct batch *b, struct json payload, struct json header)
{
    struct tl_arena *a = b->s->call->arena;
    struct json ids = json_gets(header, "recordIds");
    struct tl_sv type = json_text(json_gets(header, "changeType"), TL_SV(""));
    struct tl_sv transaction = json_text(json_gets(header, "transactionKey"), TL_SV(""));
    int64_t number = 0;

    (void)json_int64(json_gets(header, "sequenceNumber"), &number);
    (void)json_int64(json_gets(header, "commitTimestamp"), &b->s->at_ms);
    if (is_ours(b->s, header))
        return;
    if (tl_sv_eqs(type, "GAP_OVERFLOW") && b->overflow.type != JSON_OBJECT)
        b->overflow = header;
    else if (begins(type, "GAP_") && !tl_sv_eqs(type, "GAP_DELETE") && b->n_gaps < TL_COUNT(b->gaps) &&
             b->s->conf->backfill)
        b->gaps[b->n_gaps++] = header;
    for (uint32_t i = 0; ids.type == JSON_ARRAY && i < ids.n; i++) {
        struct tl_sv id = json_text(ids.u.items[i], TL_SV(""));

        add(b, with_id(a, payload, id),
            tl_sv_str(tl_arena_printf(a, "%.*s-%lld-%.*s", TL_SV_ARG(transaction), (long long)number, TL_SV_ARG(id))),
            id);
    }
    if (ids.type != JSON_ARRAY || ids.n == 0)
        add(b, payload, tl_sv_str(tl_arena_printf(a, "%.*s-%lld", TL_SV_ARG(transaction), (long long)number)),
            TL_SV_NULL);
}

static void add_event(struct batch *b, struct json data)
{
    struct tl_arena *a = b->s->call->arena;
    struct json payload = json_gets(data, "payload"), header = json_gets(payload, "ChangeEventHeader"),
                event = json_gets(data, "event"), object = json_gets(data, "sobject");
    struct tl_sv uuid = json_text(json_gets(event, "EventUuid"), TL_SV_NULL), key;
    int64_t replay = 0;

    if (!json_int64(json_gets(event, "replayId"), &replay) || replay <= b->s->replay)
        return; /* came again after a new subscription */
    b->s->replay = replay;
    key = uuid.p ? uuid : tl_sv_str(tl_arena_printf(a, "%s#%lld", b->s->conf->channel, (long long)replay));
    if (header.type == JSON_OBJECT)
        add_change(b, payload, header);
    else if (object.type == JSON_OBJECT)
        add(b, data, key, json_text(json_gets(object, "Id"), TL_SV_NULL));
    else
        add(b, payload.type == JSON_UNDEFINED ? data : payload, key, TL_SV_NULL);
}

static void collect(void *arg)
{
    struct batch *b = arg;

    for (uint32_t i = 0; i < b->reply->body.n; i++) {
        struct message m = message_at(b->reply, i);

        if (!begins(m.channel, "/meta/") && json_gets(m.v, "data").type == JSON_OBJECT)
            add_event(b, json_gets(m.v, "data"));
    }
}

/* Rows an event stands for: ids of change events are many at times. */
static size_t most_records(const struct sf_reply *reply)
{
    size_t n = 0;

    for (uint32_t i = 0; i < reply->body.n; i++)
        n += 1 +
             json_gets(json_gets(json_gets(json_gets(json_at(reply->body, i), "data"), "payload"), "ChangeEventHeader"),
                       "recordIds")
                 .n;
    return n;
}

/* ---- gaps ---- */

/* The record as it is now, in the event's form; one that is gone has its own event. */
static enum tl_rc fetch(struct stream *s, struct json header, struct tl_sv id, struct tl_err *err)
{
    struct tl_sv object = json_text(json_gets(header, "entityName"), TL_SV(""));
    struct sf_request req = {.method = "GET", .idempotent = true};
    struct connector_incoming record = {.order_by = id};
    struct sf_reply reply;
    struct json_builder b;
    enum tl_rc rc;

    req.path = tl_arena_printf(s->call->arena, "/sobjects/%.*s/%.*s", TL_SV_ARG(sf_encoded(s->call->arena, object)),
                               TL_SV_ARG(sf_encoded(s->call->arena, id)));
    rc = sf_http(s->task, s->call, &req, &reply, err);
    if (rc != TL_OK && reply.http.status == 404) {
        tl_err_clear(err);
        return TL_OK;
    }
    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, s->call->arena, reply.body.n + 1);
    (void)json_adds(&b, "ChangeEventHeader", header);
    for (uint32_t i = 0; i < reply.body.n && reply.body.type == JSON_OBJECT; i++)
        if (!tl_sv_eqs(json_view(reply.body.u.members[i].key), "attributes"))
            (void)json_add(&b, json_view(reply.body.u.members[i].key), reply.body.u.members[i].value);
    record.value = json_end(&b);
    return connector_emit(s->task, s->call, &record, 1, position(s), err);
}

static enum tl_rc fill_entity(struct stream *s, struct tl_sv object, int64_t since_ms, struct tl_err *err)
{
    char start[TL_TIME_TEXT];
    const struct sf_read conf = {.object = tl_arena_strndup(s->call->arena, object.p, object.n),
                                 .start = tl_time_format(since_ms, start),
                                 .deleted = true,
                                 .page = 2000};

    if (!conf.object)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    return sf_backfill(s->task, s->call, s->call->prepared, &conf, position(s), err);
}

/* "/data/AccountChangeEvent" -> "Account"; custom ones are /data/X__ChangeEvent of X__c. Empty: many objects. */
static struct tl_sv entity_of(struct stream *s)
{
    struct tl_sv c = tl_sv_str(s->conf->channel), name;

    if (!begins(c, "/data/") || !tl_sv_ends(c, TL_SV("ChangeEvent")))
        return TL_SV("");
    name = tl_sv(c.p + 6, c.n - 6 - 11);
    return tl_sv_ends(name, TL_SV("__")) ? tl_sv_str(tl_arena_printf(s->call->arena, "%.*sc", TL_SV_ARG(name))) : name;
}

static enum tl_rc tell_loss(struct stream *s, struct tl_err *err)
{
    struct tl_arena *a = s->call->arena;
    struct json_builder header, b;
    struct connector_incoming record = {.key = tl_sv_str(tl_arena_printf(a, "lost-%lld", (long long)s->replay))};
    char since[TL_TIME_TEXT];
    int64_t at_ms = s->at_ms;
    struct tl_sv entity = entity_of(s);
    enum tl_rc rc;

    json_object_begin(&header, a, 3);
    (void)json_adds(&header, "entityName", json_sv(entity));
    (void)json_adds(&header, "changeType", json_str("LOST_POSITION"));
    (void)json_adds(&header, "since", json_str(tl_time_format(at_ms, since)));
    json_object_begin(&b, a, 2);
    (void)json_adds(&b, "ChangeEventHeader", json_end(&header));
    (void)json_adds(&b, "channel", json_str(s->conf->channel));
    record.value = json_end(&b);
    s->replay = 0;
    rc = connector_emit(s->task, s->call, &record, 1, position(s), err);
    if (rc == TL_OK && s->conf->backfill && entity.n > 0 && at_ms > 0)
        rc = fill_entity(s, entity, at_ms, err);
    s->lost = rc != TL_OK;
    return rc;
}

static enum tl_rc fill_gaps(struct stream *s, const struct batch *b, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    for (size_t i = 0; i < b->n_gaps && rc == TL_OK; i++) {
        struct json ids = json_gets(b->gaps[i], "recordIds");

        for (uint32_t k = 0; ids.type == JSON_ARRAY && k < ids.n && rc == TL_OK; k++)
            rc = fetch(s, b->gaps[i], json_text(ids.u.items[k], TL_SV("")), err);
    }
    if (rc == TL_OK && b->overflow.type == JSON_OBJECT && s->conf->backfill) {
        int64_t since = s->at_ms;

        (void)json_int64(json_gets(b->overflow, "commitTimestamp"), &since);
        rc = fill_entity(s, json_text(json_gets(b->overflow, "entityName"), TL_SV("")), since, err);
    }
    return rc;
}

/* Events and what hides behind their gaps, then the position: a crash in between repeats, it loses nothing. */
static enum tl_rc take(struct stream *s, const struct sf_reply *reply, struct tl_err *err)
{
    int64_t before = s->replay, after;
    struct batch *b = tl_arena_zalloc(s->call->arena, sizeof *b);
    enum tl_rc rc;

    if (!b)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    *b = (struct batch){.s = s, .reply = reply, .cap = most_records(reply)};
    if (b->cap > MESSAGES)
        return tl_fail(err, TL_LIMIT, "more than %d changes came at once", MESSAGES);
    b->records = tl_arena_alloc(s->call->arena, (b->cap + 1) * sizeof *b->records);
    if (!b->records)
        return tl_fail(err, TL_LIMIT, "the events need more memory than a call may have");
    task_on_main_stack(s->task, collect, b);
    after = s->replay;
    if (b->n_gaps > 0 || b->overflow.type == JSON_OBJECT) {
        s->replay = before; /* until the gaps are filled, a restart begins before them */
        rc = fill_gaps(s, b, err);
        if (rc != TL_OK)
            return rc;
        s->replay = after;
    }
    if (s->at_ms == 0 || b->n > 0)
        s->at_ms = tl_clock_wall_ms(connector_clock(s->call->host));
    rc = connector_emit(s->task, s->call, b->records, b->n, position(s), err);
    if (rc != TL_OK)
        s->replay = before;
    else if (b->n > 0)
        s->again = 0;
    return rc;
}

/* ---- the loop ---- */

static void heed(struct stream *s, struct json advice)
{
    int64_t ms;

    if (json_int64(json_gets(advice, "timeout"), &ms) && ms >= 0 && ms <= 600000)
        s->hold_ms = ms;
}

enum step { GO_ON, NEW_SESSION, END };

static enum step connect_once(struct stream *s, struct tl_err *err)
{
    int64_t wait = s->conf->watchdog_ms > 0 ? s->conf->watchdog_ms : s->hold_ms + SLACK_MS;
    struct json_builder b;
    struct sf_reply reply;
    struct message m;
    enum tl_rc rc;

    json_object_begin(&b, s->call->arena, 5);
    (void)json_adds(&b, "connectionType", json_str("long-polling"));
    rc = send_one(s, "/meta/connect", &b, wait, &reply, err);
    if (rc == TL_TIMEOUT && task_check(s->task, NULL) == TL_OK) { /* the server promised to answer by now */
        tl_err_clear(err);
        return NEW_SESSION;
    }
    if (rc == TL_OK)
        rc = take(s, &reply, err);
    if (rc != TL_OK)
        return END;
    m = answer_on(&reply, "/meta/connect");
    heed(s, json_gets(m.v, "advice"));
    s->over = m.ok && tl_sv_eqs(json_text(json_gets(json_gets(m.v, "advice"), "reconnect"), TL_SV("")), "none");
    if (m.ok)
        return s->over ? END : GO_ON;
    if (begins(m.error, "403") || begins(m.error, "402"))
        return NEW_SESSION;
    if (begins(m.error, "401"))
        return renew(s, err) == TL_OK ? NEW_SESSION : END;
    if (m.channel.n == 0)
        return GO_ON; /* events alone: the answer to the connect comes with the next ones */
    (void)refused(s, "the connection", m.error, err);
    return END;
}

static enum tl_rc session(struct stream *s, struct tl_err *err)
{
    struct connector_scratch scratch = connector_scratch_begin(s->call);
    enum step step = GO_ON;
    enum tl_rc rc = handshake(s, false, err);

    if (rc == TL_OK)
        rc = subscribe(s, s->replay > 0 ? s->replay : s->conf->all ? -2 : -1, err);
    if (rc == TL_OK && s->lost)
        rc = tell_loss(s, err);
    connector_scratch_end(s->call, scratch);
    while (rc == TL_OK && step == GO_ON) {
        scratch = connector_scratch_begin(s->call);
        step = connect_once(s, err);
        connector_scratch_end(s->call, scratch);
        if (step == END && !s->over)
            rc = err->rc;
    }
    return rc;
}

enum tl_rc sf_listen_run(struct task *task, struct connector_call *call, struct tl_err *err)
{
    const struct sf_connection *c = call->connection;
    struct stream s = {.task = task, .call = call, .conf = call->operation, .hold_ms = HOLD_MS};
    struct tl_sv p = call->position;
    enum tl_rc rc = TL_OK;
    size_t space = tl_sv_find(p, ' ');

    call->endpoint = tl_sv_str(s.conf->channel);
    if (p.n > 0 && (!tl_sv_i64(tl_sv(p.p, space), &s.replay) || !tl_sv_i64(tl_sv_from(p, space + 1), &s.at_ms)))
        return tl_fail(err, TL_CONFIG, "the stored position of %.*s cannot be read", TL_SV_ARG(call->source));
    (void)snprintf(s.path, sizeof s.path, "/cometd/%s", c->version);
    s.jar = http_jar_new();
    while (rc == TL_OK && !s.over && s.again++ < AGAIN_MOST)
        rc = session(&s, err);
    if (rc == TL_OK && !s.over)
        rc = tl_fail(err, TL_UPSTREAM, "the org has forgotten %d sessions in a row", AGAIN_MOST);
    http_jar_free(s.jar);
    return rc;
}
