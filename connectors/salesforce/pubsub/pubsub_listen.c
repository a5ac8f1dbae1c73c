/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pubsub_listen.c - change data capture and platform events over the Pub/Sub API.
 *
 * One run is one session after another: connect, subscribe behind the stored replay id, take what comes. What can
 * happen:
 *  - Flow control: the org sends no more than was asked for; we ask for 400 at first, then for as many as the ledger
 * has taken.
 *  - A message without events, every 270 s at the latest, says that there is nothing, and up to where: kept as
 * position. When nothing comes for longer than that the stream has stalled: a new session.
 *  - The token has expired (UNAUTHENTICATED): it is renewed, then a new session.
 *  - The replay id is not known any more: as over CometD, from the oldest event on, LOST_POSITION, backfill.
 *  - An event that cannot be decoded is taken in as it came, with the reason: it must not hold up the rest.
 *  - The stream breaks: a new session, five in a row without an event; then the run ends and the host waits.
 */
#include "salesforce/intake.h"
#include "salesforce/pubsub/pubsub.h"

#include <stdio.h>

/* The vendor takes at most 100 a request; several requests add up. LITTLE: fewer are not asked for. */
enum { ASK = 100, AHEAD = 400, LITTLE = 50, QUIET_MS = 290000, AGAIN_MOST = 5, MESSAGES = 20, PULL_BYTES = 1 << 20 };
#define LASTING_NS (UINT64_C(60) * 1000000000) /* a session that lasted so long was a good one */

struct subscription {
    struct sf_intake in;
    struct sf_pubsub p;
    struct http_grpc g;
    int32_t asked; /* events that were asked for and have not come */
    unsigned again;
    uint64_t since_ns; /* of the session */
    bool checked;      /* the topic is there */
};

struct decoded {
    const Eventbus__V1__ProducerEvent *event;
    struct json payload, header; /* payload JSON_NOTHING: it cannot be decoded */
    const char *why;
    char place[SF_PLACE];
};

/* What came at once. */
struct pull {
    struct subscription *s;
    struct sf_batch to;
    struct tl_sv raw[MESSAGES];
    Eventbus__V1__FetchResponse *m[MESSAGES];
    size_t n;
    struct decoded *events;
    size_t n_events, room;
    char place[SF_PLACE]; /* after all of it; empty: as before */
    bool bad, full, caught_up;
};

/* When a silence is a stall. */
static uint64_t quiet_until(const struct subscription *s)
{
    int64_t quiet = s->in.conf->watchdog_ms > 0 ? s->in.conf->watchdog_ms : QUIET_MS;

    return async_loop_now(task_loop(s->in.task)) + (uint64_t)quiet * 1000000;
}

static struct tl_arena *arena_of(struct pull *u)
{
    return u->s->in.call->arena;
}

/* ---- replay ids ---- */
static bool place_of(ProtobufCBinaryData id, char out[SF_PLACE])
{
    if (id.len == 0 || id.len > SF_REPLAY)
        return false;
    out[0] = 'x';
    for (size_t i = 0; i < id.len; i++)
        (void)snprintf(out + 1 + 2 * i, 3, "%02x", id.data[i]);
    return true;
}

/* The stored place as bytes: hexadecimal digits, or the number that CometD gave, as the eight bytes it is here as far
 * as is known. */
static bool replay_of(struct tl_arena *a, const char *place, ProtobufCBinaryData *ret)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv copy;
    int64_t number;

    tl_buf_init(&b, SF_REPLAY);
    if (place[0] == 'x') {
        if (!tl_hex_decode(&b, tl_sv_str(place + 1)))
            return false;
    } else if (tl_sv_i64(tl_sv_str(place), &number)) {
        for (int i = 56; i >= 0; i -= 8)
            (void)tl_buf_putc(&b, (char)(uint8_t)((uint64_t)number >> i));
    }
    copy = b.n > 0 ? tl_arena_sv(a, tl_buf_view(&b)) : TL_SV_NULL;
    *ret = (ProtobufCBinaryData){copy.n, (uint8_t *)(uintptr_t)copy.p};
    return copy.p != NULL;
}

/* ---- decoding: on the big stack ---- */
static void unpack_all(void *arg)
{
    struct pull *u = arg;

    for (size_t i = 0; i < u->n && !u->bad; i++) {
        ProtobufCMessage *m = sf_pubsub_unpack(arena_of(u), &eventbus__v1__fetch_response__descriptor, u->raw[i]);

        u->m[i] = (Eventbus__V1__FetchResponse *)(void *)m;
        u->bad = !m;
        u->n_events += m ? u->m[i]->n_events : 0;
    }
}

static bool is_named(struct json list, struct tl_sv name)
{
    for (uint32_t i = 0; list.type == JSON_ARRAY && i < list.n; i++)
        if (list.u.items[i].type == JSON_STRING && tl_sv_eq(json_view(list.u.items[i]), name))
            return true;
    return false;
}

/* In Avro every field of the object is there, null where nothing changed. Over CometD only those that did change are:
 * the same here, so that a mapping sees one shape. */
static struct json without_unchanged(struct tl_arena *a, struct json payload, struct json header)
{
    struct json changed = json_gets(header, "changedFields"), nulled = json_gets(header, "nulledFields");
    struct json_builder b;

    json_object_begin(&b, a, 16);
    for (uint32_t i = 0; i < payload.n; i++) {
        struct tl_sv name = json_view(payload.u.members[i].key);
        struct json v = payload.u.members[i].value;

        if (tl_sv_eqs(name, "ChangeEventHeader"))
            (void)json_add(&b, name, header);
        else if (v.type != JSON_NULL || is_named(nulled, name) || is_named(changed, name))
            (void)json_add(&b, name, v);
    }
    return json_end(&b);
}

static struct json with_names(struct tl_arena *a, const struct sf_avro *avro, struct json header)
{
    static const char *const bitmaps[] = {"changedFields", "diffFields", "nulledFields"};
    struct json_builder b;

    json_object_begin(&b, a, header.n);
    for (uint32_t i = 0; i < header.n; i++) {
        struct tl_sv name = json_view(header.u.members[i].key);
        struct json v = header.u.members[i].value;

        for (size_t k = 0; k < TL_COUNT(bitmaps); k++)
            if (tl_sv_eqs(name, bitmaps[k]))
                v = sf_avro_names(avro, v, a);
        (void)json_add(&b, name, v);
    }
    return json_end(&b);
}

/* Protocol Buffers want UTF-8 in their strings, but who sends them may not. */
static struct tl_sv clean(const char *text)
{
    struct tl_sv s = tl_sv_str(text);

    return tl_utf8_valid(s) == s.n ? s : TL_SV("?");
}

static void decode(struct pull *u, struct decoded *d, const Eventbus__V1__ConsumerEvent *c)
{
    const struct sf_schema *schema = c->event ? sf_pubsub_known(&u->s->p, c->event->schema_id) : NULL;
    struct tl_err err = {0};
    struct json v = JSON_NOTHING;

    d->event = c->event;
    if (!place_of(c->replay_id, d->place))
        d->place[0] = '\0';
    else
        memcpy(u->place, d->place, sizeof u->place);
    if (!schema || !schema->avro) {
        d->why = schema ? schema->why : "its schema is not known";
        return;
    }
    if (sf_avro_decode(schema->avro, tl_sv((const char *)c->event->payload.data, c->event->payload.len), arena_of(u),
                       &v, &err) != TL_OK) {
        u->full |= tl_arena_exceeded(arena_of(u));
        d->why = tl_arena_strdup(arena_of(u), err.text);
        return;
    }
    d->payload = v;
    d->header = json_gets(v, "ChangeEventHeader");
    if (d->header.type == JSON_OBJECT) {
        d->header = with_names(arena_of(u), schema->avro, d->header);
        d->payload = without_unchanged(arena_of(u), v, d->header);
    }
    u->full |= tl_arena_exceeded(arena_of(u));
}

static void decode_all(void *arg)
{
    struct pull *u = arg;
    size_t n = 0;

    for (size_t i = 0; i < u->n; i++) {
        for (size_t k = 0; k < u->m[i]->n_events; k++) {
            struct decoded *d = &u->events[n++];

            decode(u, d, u->m[i]->events[k]);
            u->room += d->payload.type == JSON_OBJECT ? sf_batch_room(d->payload) : 1;
        }
        /* Nothing to tell although more was asked for: all before this is known. */
        if (u->m[i]->n_events == 0 && u->s->asked > 0)
            u->caught_up = place_of(u->m[i]->latest_replay_id, u->place);
        u->s->asked -= (int32_t)u->m[i]->n_events;
    }
}

static void add_undecoded(struct pull *u, const struct decoded *d, struct tl_sv key)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct tl_arena *a = arena_of(u);
    struct json_builder b;

    tl_buf_init(&text, 2 * HTTP_GRPC_MAX);
    if (d->event)
        (void)tl_base64_encode(&text, d->event->payload.data, d->event->payload.len);
    json_object_begin(&b, a, 4);
    (void)json_adds(&b, "undecoded", json_sv(connector_mask(u->s->in.call, tl_sv_str(d->why ? d->why : "?"))));
    (void)json_adds(&b, "channel", json_str(u->s->in.conf->channel));
    (void)json_adds(&b, "schema", json_sv(d->event ? clean(d->event->schema_id) : TL_SV("")));
    (void)json_adds(&b, "payload", json_str_copy(a, text.n > 0 ? tl_buf_view(&text) : TL_SV("")));
    sf_batch_add(&u->to, json_end(&b), JSON_NOTHING, key, TL_SV_NULL);
}

static void add_all(void *arg)
{
    struct pull *u = arg;

    for (size_t i = 0; i < u->n_events; i++) {
        const struct decoded *d = &u->events[i];
        struct tl_sv key = d->event ? clean(d->event->id) : TL_SV("");

        if (key.n < 2) /* the vendor gives each event a UUID; else by its place */
            key = tl_sv_str(tl_arena_printf(arena_of(u), "%s#%s", u->s->in.conf->channel, d->place));
        if (d->payload.type != JSON_OBJECT)
            add_undecoded(u, d, key);
        else if (d->header.type == JSON_OBJECT)
            sf_batch_change(&u->to, d->payload, d->header);
        else
            sf_batch_add(&u->to, d->payload, json_gets(d->payload, "CreatedDate"), key, TL_SV_NULL);
    }
    u->full |= tl_arena_exceeded(arena_of(u));
}

/* ---- taking ---- */
static enum tl_rc find_schemas(struct pull *u, struct tl_err *err)
{
    for (size_t i = 0; i < u->n; i++)
        for (size_t k = 0; k < u->m[i]->n_events; k++) {
            const Eventbus__V1__ProducerEvent *e = u->m[i]->events[k]->event;
            struct sf_schema *schema;
            enum tl_rc rc = e && !sf_pubsub_known(&u->s->p, e->schema_id)
                                ? sf_pubsub_schema(&u->s->p, e->schema_id, &schema, err)
                                : TL_OK;

            if (rc != TL_OK)
                return rc;
        }
    return TL_OK;
}

static enum tl_rc ask_for(struct subscription *s, int32_t n, bool first, ProtobufCBinaryData replay, struct tl_err *err)
{
    Eventbus__V1__FetchRequest request;
    struct tl_sv bytes;

    eventbus__v1__fetch_request__init(&request);
    request.topic_name = (char *)(uintptr_t)s->in.conf->channel;
    request.num_requested = n;
    if (first && replay.len > 0) {
        request.replay_preset = EVENTBUS__V1__REPLAY_PRESET__CUSTOM;
        request.replay_id = replay;
    } else if (first && sf_intake_oldest(&s->in)) {
        request.replay_preset = EVENTBUS__V1__REPLAY_PRESET__EARLIEST;
    }
    bytes = sf_pubsub_pack(s->in.call->arena, &request.base);
    if (!bytes.p)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    s->asked += n;
    return http_grpc_send(s->in.task, &s->g, bytes, false, quiet_until(s), err);
}

static enum tl_rc ask_for_more(struct subscription *s, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    while (rc == TL_OK && AHEAD - s->asked >= LITTLE) {
        int32_t n = AHEAD - s->asked;

        rc = ask_for(s, n < ASK ? n : ASK, false, (ProtobufCBinaryData){0, NULL}, err);
    }
    return rc;
}

static enum tl_rc too_large(struct tl_err *err)
{
    return tl_fail(err, TL_LIMIT, "the events need more memory than a call may have");
}

static enum tl_rc decode_and_add(struct pull *u, struct tl_err *err)
{
    struct subscription *s = u->s;
    enum tl_rc rc;

    u->events = tl_arena_zalloc(arena_of(u), (u->n_events + 1) * sizeof *u->events);
    if (!u->events)
        return too_large(err);
    task_on_main_stack(s->in.task, decode_all, u);
    if (u->full)
        return too_large(err);
    rc = sf_batch_begin(&u->to, &s->in, u->room, err);
    if (rc != TL_OK)
        return rc;
    task_on_main_stack(s->in.task, add_all, u);
    return u->full ? too_large(err) : TL_OK;
}

static enum tl_rc take(struct pull *u, struct tl_err *err)
{
    struct subscription *s = u->s;
    enum tl_rc rc;

    task_on_main_stack(s->in.task, unpack_all, u);
    if (u->bad)
        return tl_fail(err, TL_UPSTREAM, "a message of the stream cannot be read");
    if (s->p.n_schemas > SF_SCHEMAS)
        sf_pubsub_forget(&s->p);
    rc = find_schemas(u, err);
    if (rc == TL_OK)
        rc = decode_and_add(u, err);
    if (rc == TL_OK && u->place[0] && (u->n_events > 0 || strcmp(u->place, s->in.place) != 0))
        rc = sf_batch_take(&u->to, u->place, u->caught_up, err);
    if (rc != TL_OK)
        return rc;
    if (u->n_events > 0 || async_loop_now(task_loop(s->in.task)) - s->since_ns > LASTING_NS)
        s->again = 0;
    /* Credit that the org does not know of any more would be waited for in vain. */
    if (u->n_events == 0 && u->m[u->n - 1]->pending_num_requested == 0)
        s->asked = 0;
    return ask_for_more(s, err);
}

/* The next message, and what else is there already. *ret_over: the stream has ended, or has stalled. */
static enum tl_rc pull_once(struct subscription *s, bool *ret_over, struct tl_err *err)
{
    uint64_t until = quiet_until(s);
    struct pull *u = tl_arena_zalloc(s->in.call->arena, sizeof *u);
    size_t bytes = 0;
    enum tl_rc rc;

    if (!u)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    u->s = s;
    do {
        struct tl_sv raw;

        rc = http_grpc_recv(s->in.task, &s->g, until, &raw, err);
        if (rc == TL_TIMEOUT && s->g.code < 0 && task_check(s->in.task, NULL) == TL_OK) {
            tl_err_clear(err);
            *ret_over = true;
            return TL_OK;
        }
        if (rc != TL_OK)
            return rc;
        if (!raw.p) {
            *ret_over = true;
            return TL_OK;
        }
        u->raw[u->n] = tl_arena_sv(s->in.call->arena, raw); /* the next one may move it */
        if (!u->raw[u->n++].p)
            return too_large(err);
        bytes += raw.n;
    } while (u->n < MESSAGES && bytes < PULL_BYTES && http_grpc_has_more(&s->g));
    return take(u, err);
}

/* ---- sessions ---- */
static enum tl_rc check_topic(struct subscription *s, struct tl_err *err)
{
    Eventbus__V1__TopicInfo *info = NULL;
    enum tl_rc rc = s->checked ? TL_OK : sf_pubsub_topic(&s->p, s->in.conf->channel, &info, err);

    if (rc == TL_OK && info && !info->can_subscribe)
        return tl_fail(err, TL_FORBIDDEN, "the user of this connection may not subscribe to %s", s->in.conf->channel);
    s->checked |= rc == TL_OK;
    return rc;
}

static enum tl_rc subscribe(struct subscription *s, struct tl_err *err)
{
    ProtobufCBinaryData replay = {0, NULL};
    enum tl_rc rc;

    if (sf_intake_has_place(&s->in) && !replay_of(s->in.call->arena, s->in.place, &replay))
        return tl_fail(err, TL_CONFIG, "the stored position of %.*s cannot be read", TL_SV_ARG(s->in.call->source));
    rc = sf_pubsub_open(&s->p, "Subscribe", &s->g, err);
    s->asked = 0;
    s->since_ns = async_loop_now(task_loop(s->in.task));
    if (rc == TL_OK)
        rc = ask_for(s, ASK, true, replay, err);
    if (rc == TL_OK && !sf_intake_oldest(&s->in)) /* the first replay id may come minutes from now */
        rc = sf_intake_quiet(&s->in, sf_pubsub_org_ms(&s->p), err);
    return rc == TL_OK ? ask_for_more(s, err) : rc;
}

/* Why the stream ended: TL_OK is a reason for a new session. */
static enum tl_rc judge(struct subscription *s, enum tl_rc rc, struct tl_err *err)
{
    bool renewed = connector_grpc_ended(s->in.task, s->in.call, &s->g);

    if (s->g.code > 0)
        rc = sf_pubsub_failed(&s->p, &s->g, rc, err);
    if (sf_pubsub_says(&s->g, "replayid") && sf_intake_has_place(&s->in) && !s->in.lost)
        s->in.lost = true;
    else if (rc == TL_AUTH ? !renewed : rc != TL_UPSTREAM && rc != TL_UNREACHABLE && rc != TL_TIMEOUT)
        return rc;
    if (task_check(s->in.task, err) != TL_OK)
        return err->rc;
    return TL_OK;
}

static enum tl_rc stream(struct subscription *s, struct tl_err *err)
{
    bool over = false, known = false;
    enum tl_rc rc = subscribe(s, err);

    while (rc == TL_OK && !over) {
        struct connector_scratch scratch = connector_scratch_begin(s->in.call);

        rc = pull_once(s, &over, err);
        connector_scratch_end(s->in.call, scratch);
        if (rc == TL_OK && !known && !over) {
            (void)connector_grpc_ended(s->in.task, s->in.call, &s->g); /* the credentials are good */
            known = true;
        }
    }
    return rc;
}

static enum tl_rc session(struct subscription *s, struct tl_err *err)
{
    struct connector_scratch scratch = connector_scratch_begin(s->in.call);
    enum tl_rc rc = sf_pubsub_connect(&s->p, err);

    if (rc == TL_OK)
        rc = check_topic(s, err);
    if (rc == TL_OK && s->in.lost)
        rc = sf_intake_tell_loss(&s->in, err);
    if (rc == TL_OK) {
        rc = stream(s, err);
        if (rc != TL_OK)
            rc = judge(s, rc, err);
    }
    http_grpc_free(&s->g);
    sf_pubsub_forget(&s->p);
    sf_pubsub_close(&s->p);
    connector_scratch_end(s->in.call, scratch);
    return rc;
}

enum tl_rc sf_pubsub_run(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct subscription s = {.p = {.task = task, .call = call}};
    enum tl_rc rc = sf_intake_begin(&s.in, task, call, err);

    while (rc == TL_OK && s.again++ < AGAIN_MOST)
        rc = session(&s, err);
    if (rc == TL_OK)
        rc = tl_fail(err, TL_UPSTREAM, "the stream of %s ended %d times in a row without an event", s.in.conf->channel,
                     AGAIN_MOST);
    return rc;
}
