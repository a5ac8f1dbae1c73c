/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen.c - events of the org as they happen: change data capture, platform events, PushTopics and generic channels,
 * over CometD (Bayeux, long polling); pubsub.c does it over gRPC, intake.c makes records of both.
 *
 * One run is one session: handshake, subscribe with the replay id of the stored position, connect again and again.
 * Positions are "replayId milliseconds" and durable with the events; before the first event, the time of the
 * subscription is (intake.h): the org names no replay id in its answer. What can happen to a session:
 *  - 403::Unknown client: handshake again and subscribe with the last replay id; after a few in a row the run ends, and
 *    the host waits before the next one: no storm of handshakes.
 *  - 401 inside of a message: a plain REST call makes the host renew the token, then a new handshake.
 *  - the replay id is not known any more: the stream goes on from the oldest event there is, and an event LOST_POSITION
 *    says so; change events are filled up by a query.
 *  - nothing comes for longer than the server said it would hold: the connection is dead; handshake again.
 */
#include "salesforce/intake.h"

#include <stdio.h>

enum { SLACK_MS = 15000, HOLD_MS = 110000, AGAIN_MOST = 5 };

struct stream {
    struct sf_intake in;
    struct http_jar *jar;
    char client[200]; /* clientId */
    char path[40];
    int64_t replay; /* of the last event taken in; 0: none yet */
    int64_t hold_ms;
    unsigned ids, again;
    bool over; /* over: the org does not want us to come again at once */
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
    (void)json_adds(b, "id", json_printf(s->in.call->arena, "%u", ++s->ids));
    if (s->client[0])
        (void)json_adds(b, "clientId", json_str(s->client));
    tl_buf_init(&body, 64 << 10);
    (void)tl_buf_putc(&body, '[');
    (void)json_write(&body, json_end(b), 0);
    (void)tl_buf_putc(&body, ']');
    if (body.failed)
        return tl_fail(err, TL_LIMIT, "the channel's name is too long");
    req.body = tl_buf_view(&body);
    s->in.call->uncounted = true; /* the org's daily calls are those of the REST and SOAP APIs */
    rc = sf_http(s->in.task, s->in.call, &req, reply, err);
    s->in.call->uncounted = false;
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
    struct tl_sv text = connector_mask_cut(s->in.call, error, 200);
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

    return sf_http(s->in.task, s->in.call, &req, &reply, err);
}

static enum tl_rc handshake(struct stream *s, bool retried, struct tl_err *err)
{
    struct tl_arena *a = s->in.call->arena;
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
    struct tl_arena *a = s->in.call->arena;
    struct json_builder b;
    struct sf_reply reply;
    struct message m;
    enum tl_rc rc;

    json_object_begin(&b, a, 6);
    (void)json_adds(&b, "subscription", json_str(s->in.conf->channel));
    (void)json_adds(&b, "ext", replay_ext(a, s->in.conf->channel, json_int(replay)));
    rc = send_one(s, "/meta/subscribe", &b, 0, &reply, err);
    if (rc != TL_OK)
        return rc;
    m = answer_on(&reply, "/meta/subscribe");
    if (m.ok && replay == -1)
        return sf_intake_quiet(&s->in, sf_org_ms(s->in.call, &reply.http), err);
    if (m.ok)
        return TL_OK;
    if (replay > 0 && has(m.error, "eplayId")) {
        s->in.lost = true;
        return subscribe(s, -2, err);
    }
    return refused(s, "the subscription", m.error, err);
}

/* ---- events ---- */

struct batch {
    struct stream *s;
    const struct sf_reply *reply;
    struct sf_batch to;
    int64_t replay; /* of the last event */
};

static void add_event(struct batch *b, struct json data)
{
    struct tl_arena *a = b->s->in.call->arena;
    struct json payload = json_gets(data, "payload"), header = json_gets(payload, "ChangeEventHeader"),
                event = json_gets(data, "event"), object = json_gets(data, "sobject");
    struct tl_sv uuid = json_text(json_gets(event, "EventUuid"), TL_SV_NULL), key;
    int64_t replay = 0;

    if (!json_int64(json_gets(event, "replayId"), &replay) || replay <= b->replay)
        return; /* came again after a new subscription */
    b->replay = replay;
    key = uuid.p ? uuid : tl_sv_str(tl_arena_printf(a, "%s#%lld", b->s->in.conf->channel, (long long)replay));
    if (header.type == JSON_OBJECT)
        sf_batch_change(&b->to, payload, header);
    else if (object.type == JSON_OBJECT)
        sf_batch_add(&b->to, data, json_gets(event, "createdDate"), key,
                     json_text(json_gets(object, "Id"), TL_SV_NULL));
    else if (payload.type == JSON_OBJECT)
        sf_batch_add(&b->to, payload, json_gets(payload, "CreatedDate"), key, TL_SV_NULL);
    else /* of a generic channel: a text */
        sf_batch_add(&b->to, payload.type == JSON_UNDEFINED ? data : payload, json_gets(event, "createdDate"), key,
                     TL_SV_NULL);
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
        n += sf_batch_room(json_gets(json_gets(json_at(reply->body, i), "data"), "payload"));
    return n;
}

static enum tl_rc take(struct stream *s, const struct sf_reply *reply, struct tl_err *err)
{
    struct batch b = {.s = s, .reply = reply, .replay = s->replay};
    char place[24];
    enum tl_rc rc = sf_batch_begin(&b.to, &s->in, most_records(reply), err);

    if (rc != TL_OK)
        return rc;
    task_on_main_stack(s->in.task, collect, &b);
    if (b.replay == 0)
        return sf_intake_quiet(&s->in, sf_org_ms(s->in.call, &reply->http), err);
    (void)snprintf(place, sizeof place, "%lld", (long long)b.replay);
    rc = sf_batch_take(&b.to, place, false, err);
    if (rc != TL_OK)
        return rc;
    s->replay = b.replay;
    if (b.to.n > 0)
        s->again = 0;
    return TL_OK;
}

static enum tl_rc tell_loss(struct stream *s, struct tl_err *err)
{
    enum tl_rc rc = sf_intake_tell_loss(&s->in, err);

    if (!sf_intake_has_place(&s->in)) /* it is told; also when the backfill failed, the stream begins anew */
        s->replay = -2;
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
    int64_t wait = s->in.conf->watchdog_ms > 0 ? s->in.conf->watchdog_ms : s->hold_ms + SLACK_MS;
    struct json_builder b;
    struct sf_reply reply;
    struct message m;
    enum tl_rc rc;

    json_object_begin(&b, s->in.call->arena, 5);
    (void)json_adds(&b, "connectionType", json_str("long-polling"));
    rc = send_one(s, "/meta/connect", &b, wait, &reply, err);
    if (rc == TL_TIMEOUT && task_check(s->in.task, NULL) == TL_OK) { /* the server promised to answer by now */
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
    struct connector_scratch scratch = connector_scratch_begin(s->in.call);
    enum step step = GO_ON;
    enum tl_rc rc = handshake(s, false, err);

    if (rc == TL_OK)
        rc = subscribe(s, s->replay != 0 ? s->replay : sf_intake_oldest(&s->in) ? -2 : -1, err);
    if (rc == TL_OK && s->in.lost)
        rc = tell_loss(s, err);
    connector_scratch_end(s->in.call, scratch);
    while (rc == TL_OK && step == GO_ON) {
        scratch = connector_scratch_begin(s->in.call);
        step = connect_once(s, err);
        connector_scratch_end(s->in.call, scratch);
        if (step == END && !s->over)
            rc = err->rc;
    }
    return rc;
}

/* The replay id as a number; that of the Pub/Sub API is one in eight bytes, as far as is known. */
static bool replay_of(const char *place, int64_t *ret)
{
    uint64_t v = 0;
    size_t n = strlen(place);

    if (place[0] != 'x')
        return tl_sv_i64(tl_sv_str(place), ret);
    if (n < 2 || n > 17)
        return false;
    for (const char *p = place + 1; *p; p++) {
        if (!strchr("0123456789abcdef", *p))
            return false;
        v = v << 4 | (uint64_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
    }
    *ret = (int64_t)v;
    return v <= INT64_MAX;
}

static enum tl_rc cometd(struct task *task, struct connector_call *call, struct tl_err *err)
{
    const struct sf_connection *c = call->connection;
    struct stream s = {.hold_ms = HOLD_MS};
    enum tl_rc rc = sf_intake_begin(&s.in, task, call, err);

    if (rc == TL_OK && !replay_of(s.in.place, &s.replay))
        rc = tl_fail(err, TL_CONFIG, "the stored position of %.*s cannot be read", TL_SV_ARG(call->source));
    if (rc != TL_OK)
        return rc;
    (void)snprintf(s.path, sizeof s.path, "/cometd/%s", c->version);
    s.jar = http_jar_new();
    while (rc == TL_OK && !s.over && s.again++ < AGAIN_MOST)
        rc = session(&s, err);
    if (rc == TL_OK && !s.over)
        rc = tl_fail(err, TL_UPSTREAM, "the org has forgotten %d sessions in a row", AGAIN_MOST);
    http_jar_free(s.jar);
    return rc;
}

enum tl_rc sf_listen_run(struct task *task, struct connector_call *call, struct tl_err *err)
{
    const struct sf_listen *conf = call->operation;

    call->endpoint = tl_sv_str(conf->channel);
    return conf->via == SF_VIA_PUBSUB ? sf_pubsub_run(task, call, err) : cometd(task, call, err);
}
