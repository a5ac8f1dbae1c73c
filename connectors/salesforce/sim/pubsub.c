/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pubsub.c - the Pub/Sub API: topics, schemas, subscriptions with replay and flow control, publishing. What the vendor
 * documents is kept: the three headers of each call are verified, no more events than were asked for, a message without
 * events as a sign of life, error codes in trailers.
 */
#include "salesforce/sim/pubsub.h"

#include <stdio.h>

enum {
    ARENA = 64 << 20,
    POLL_NS = 5000000,
    MOST = 100, /* events of one request, and of one message */
    KEEPALIVE_MS = 270000,
    MESSAGE = 3 << 20, /* bytes after which a message is full */
    OK = 0,
    INVALID_ARGUMENT = 3,
    NOT_FOUND = 5,
    RESOURCE_EXHAUSTED = 8,
    UNIMPLEMENTED = 12,
    UNAVAILABLE = 14,
    UNAUTHENTICATED = 16
};
#define CODE "sfdc.platform.eventbus.grpc."

struct serving {
    struct sfsim *s;
    struct task *task;
    struct http_grpc g;
    struct tl_arena *arena; /* of one message */
    struct tl_sv in, out;   /* request, answer */
    int status;             /* of gRPC, when not OK */
    const char *code, *text;
};

static void refuse(struct serving *v, int status, const char *code, const char *text)
{
    v->status = status;
    v->code = code;
    v->text = text;
}

static void *from_arena(void *arena, size_t n)
{
    return tl_arena_alloc(arena, n);
}
static void to_arena(void *arena, void *p)
{
    (void)arena, (void)p;
}
static void *unpacked(struct serving *v, const ProtobufCMessageDescriptor *d)
{
    ProtobufCAllocator allocator = {.alloc = from_arena, .free = to_arena, .allocator_data = v->arena};
    ProtobufCMessage *m = protobuf_c_message_unpack(d, &allocator, v->in.n, (const uint8_t *)v->in.p);

    if (!m)
        refuse(v, INVALID_ARGUMENT, CODE "service.invalid", "the message cannot be read");
    return m;
}

static void pack(struct serving *v, const ProtobufCMessage *m)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *p = tl_arena_must(v->arena, n + 1);

    (void)protobuf_c_message_pack(m, p);
    v->out = tl_sv((const char *)p, n);
}

/* ---- who asks ---- */
static bool is_known(struct serving *v)
{
    const struct http_headers *h = http_h2_head(v->g.stream);
    struct tl_sv tenant = http_header_get(h, "tenantid");
    char id[SFSIM_ID18 + 1];

    if (!sfsim_session_of_token(v->s, http_header_get(h, "accesstoken")))
        refuse(v, UNAUTHENTICATED, CODE "service.auth.error", "The access token is not valid.");
    else if (!sfsim_id18(tenant, id) || strcmp(id, v->s->org) != 0)
        refuse(v, UNAUTHENTICATED, CODE "service.auth.error", "The tenant id is not the one of the token.");
    else if (!tl_sv_starts(http_header_get(h, "instanceurl"), TL_SV("http")))
        refuse(v, UNAUTHENTICATED, CODE "service.auth.error", "The instance URL is not valid.");
    return v->status == OK;
}

/* ---- topics and schemas ---- */
static bool topic_exists(struct serving *v, const char *name)
{
    struct tl_sv t = tl_sv_str(name);

    if ((tl_sv_starts(t, TL_SV("/event/")) || tl_sv_starts(t, TL_SV("/data/"))) &&
        sfsim_channel_exists(v->s, v->arena, t))
        return true;
    refuse(v, NOT_FOUND, CODE "topic.not.found", "The topic cannot be found.");
    return false;
}

static void get_topic(void *arg)
{
    struct serving *v = arg;
    Eventbus__V1__TopicRequest *q = unpacked(v, &eventbus__v1__topic_request__descriptor);
    Eventbus__V1__TopicInfo info;
    const struct sfsim_object *o;

    eventbus__v1__topic_info__init(&info);
    if (!q || !topic_exists(v, q->topic_name))
        return;
    o = sfsim_object_of_channel(v->s, tl_sv_str(q->topic_name));
    info.topic_name = q->topic_name;
    info.tenant_guid = v->s->org;
    info.can_publish = o && o->event;
    info.can_subscribe = true;
    info.rpc_id = (char *)(uintptr_t) "sim";
    if (o)
        info.schema_id = (char *)(uintptr_t)sfsim_schema_of_object(v->s->pubsub, o)->id;
    pack(v, &info.base);
}

static void get_schema(void *arg)
{
    struct serving *v = arg;
    Eventbus__V1__SchemaRequest *q = unpacked(v, &eventbus__v1__schema_request__descriptor);
    Eventbus__V1__SchemaInfo info;
    const struct sfsim_schema_of *schema = q ? sfsim_schema_of_id(v->s->pubsub, q->schema_id) : NULL;

    eventbus__v1__schema_info__init(&info);
    if (!q)
        return;
    if (!schema) {
        refuse(v, NOT_FOUND, CODE "schema.not.found", "The schema cannot be found.");
        return;
    }
    info.schema_id = q->schema_id;
    info.schema_json = schema->text;
    info.rpc_id = (char *)(uintptr_t) "sim";
    pack(v, &info.base);
}

/* ---- publishing ---- */
static struct json without_stamps(struct tl_arena *a, struct json v)
{
    struct json_builder b;

    json_object_begin(&b, a, v.n);
    for (uint32_t i = 0; v.type == JSON_OBJECT && i < v.n; i++) {
        struct tl_sv name = json_view(v.u.members[i].key);

        if (!tl_sv_eqs(name, "CreatedDate") && !tl_sv_eqs(name, "CreatedById"))
            (void)json_add(&b, name, v.u.members[i].value);
    }
    return json_end(&b);
}

static void replay_bytes(struct tl_arena *a, int64_t replay, ProtobufCBinaryData *ret)
{
    ret->len = 8;
    ret->data = tl_arena_must(a, 8);
    for (int i = 0; i < 8; i++)
        ret->data[i] = (uint8_t)((uint64_t)replay >> (56 - 8 * i));
}

static void publish_one(struct serving *v, const struct sfsim_object *o, const Eventbus__V1__ProducerEvent *e,
                        Eventbus__V1__PublishResult *ret)
{
    const struct sfsim_schema_of *schema = sfsim_schema_of_id(v->s->pubsub, e->schema_id);
    struct sfsim_req req = {.sim = v->s, .arena = v->arena, .version = 60};
    struct sfsim_saved saved = {0};
    struct tl_err err = {0};
    struct json fields;
    Eventbus__V1__Error *error;

    ret->correlation_key = e->id;
    if (!schema || schema->object != o)
        (void)tl_fail(&err, TL_INVALID, "the schema is not the topic's");
    else if (sf_avro_decode(schema->avro, tl_sv((const char *)e->payload.data, e->payload.len), v->arena, &fields,
                            &err) == TL_OK)
        sfsim_create(&req, o, without_stamps(v->arena, fields), &saved);
    if (saved.ok) {
        replay_bytes(v->arena, sfsim_last_event(v->s->db), &ret->replay_id);
        return;
    }
    error = tl_arena_must(v->arena, sizeof *error);
    eventbus__v1__error__init(error);
    error->code = EVENTBUS__V1__ERROR_CODE__PUBLISH;
    error->msg =
        tl_arena_printf(v->arena, "%.*s", TL_SV_ARG(saved.fault.message.n ? saved.fault.message : tl_sv_str(err.text)));
    ret->error = error;
}

static void publish(void *arg)
{
    struct serving *v = arg;
    Eventbus__V1__PublishRequest *q = unpacked(v, &eventbus__v1__publish_request__descriptor);
    Eventbus__V1__PublishResponse answer;
    const struct sfsim_object *o;
    Eventbus__V1__PublishResult *results;

    eventbus__v1__publish_response__init(&answer);
    if (!q || !topic_exists(v, q->topic_name))
        return;
    o = sfsim_object_of_channel(v->s, tl_sv_str(q->topic_name));
    if (!o || !o->event) {
        refuse(v, INVALID_ARGUMENT, CODE "topic.not.publishable", "Events cannot be published to this topic.");
        return;
    }
    (void)sfsim_schema_of_object(v->s->pubsub, o);
    results = tl_arena_must(v->arena, (q->n_events + 1) * sizeof *results);
    answer.results = tl_arena_must(v->arena, (q->n_events + 1) * sizeof(void *));
    answer.n_results = q->n_events;
    if (!sfsim_begin(v->s->db)) {
        refuse(v, UNAVAILABLE, CODE "service.unavailable", "later");
        return;
    }
    for (size_t i = 0; i < q->n_events; i++) {
        eventbus__v1__publish_result__init(&results[i]);
        answer.results[i] = &results[i];
        publish_one(v, o, q->events[i], &results[i]);
    }
    (void)sfsim_commit(v->s->db);
    answer.schema_id = (char *)(uintptr_t)sfsim_schema_of_object(v->s->pubsub, o)->id;
    pack(v, &answer.base);
}

/* ---- subscriptions ---- */
struct subscriber {
    struct serving *v;
    char topic[120];
    int64_t replay; /* of the last event sent */
    int32_t credit;
    uint64_t seen, spoken_ns;
    /* one message */
    Eventbus__V1__FetchResponse answer;
    Eventbus__V1__ConsumerEvent *events[MOST];
    size_t bytes;
};

static bool first_request(struct subscriber *u, const Eventbus__V1__FetchRequest *q)
{
    struct sfsim *s = u->v->s;
    int64_t last = sfsim_last_event(s->db), replay = 0;

    if (!topic_exists(u->v, q->topic_name) || strlen(q->topic_name) >= sizeof u->topic)
        return false;
    (void)snprintf(u->topic, sizeof u->topic, "%s", q->topic_name);
    u->replay = q->replay_preset == EVENTBUS__V1__REPLAY_PRESET__EARLIEST ? 0 : last;
    s->counts.subscriptions++;
    if (q->replay_preset != EVENTBUS__V1__REPLAY_PRESET__CUSTOM)
        return true;
    for (size_t i = 0; i < q->replay_id.len && i < 8; i++)
        replay = (int64_t)((uint64_t)replay << 8 | q->replay_id.data[i]);
    u->replay = replay;
    if (q->replay_id.len != 8)
        refuse(u->v, INVALID_ARGUMENT, CODE "subscription.fetch.replayid.corrupted", "The Replay ID is corrupted.");
    else if (replay > last || replay < 0 || s->opt.stale_replay)
        refuse(u->v, INVALID_ARGUMENT, CODE "subscription.fetch.replayid.validation.failed",
               "The Replay ID validation failed. Ensure that the Replay ID is valid.");
    return u->v->status == OK;
}

static void take_request(void *arg)
{
    struct subscriber *u = arg;
    Eventbus__V1__FetchRequest *q = unpacked(u->v, &eventbus__v1__fetch_request__descriptor);

    if (!q || (!u->topic[0] && !first_request(u, q)))
        return;
    if (q->num_requested <= 0)
        refuse(u->v, INVALID_ARGUMENT, CODE "subscription.fetch.requested.events.invalid",
               "The number of requested events is not valid.");
    else
        u->credit += q->num_requested < MOST ? q->num_requested : MOST;
}

static bool add_event(void *arg, int64_t replay, struct tl_sv channel, struct tl_sv body)
{
    struct subscriber *u = arg;
    struct serving *v = u->v;
    struct sfsim_avro_event e;
    Eventbus__V1__ConsumerEvent *c;

    u->replay = replay;
    if (!sfsim_event_avro(v->s, v->arena, channel, body, &e))
        return true;
    c = tl_arena_must(v->arena, sizeof *c);
    eventbus__v1__consumer_event__init(c);
    c->event = tl_arena_must(v->arena, sizeof *c->event);
    eventbus__v1__producer_event__init(c->event);
    c->event->id = e.uuid.n ? tl_arena_strndup(v->arena, e.uuid.p, e.uuid.n)
                            : tl_arena_printf(v->arena, "00000000-0000-4000-8000-%012llx", (unsigned long long)replay);
    c->event->schema_id = (char *)(uintptr_t)e.schema->id;
    c->event->payload.data = (uint8_t *)(uintptr_t)e.payload.p;
    c->event->payload.len = e.payload.n - (v->s->opt.garble && e.payload.n > 0);
    replay_bytes(v->arena, replay, &c->replay_id);
    u->events[u->answer.n_events++] = c;
    u->bytes += e.payload.n + 200;
    return u->answer.n_events < MOST && u->answer.n_events < (size_t)u->credit && u->bytes < MESSAGE;
}

static void collect(void *arg)
{
    struct subscriber *u = arg;

    u->bytes = 0;
    eventbus__v1__fetch_response__init(&u->answer);
    u->answer.events = u->events;
    if (u->credit > 0 && u->seen != u->v->s->published) {
        uint64_t published = u->v->s->published;

        sfsim_events_since(u->v->s->db, u->topic, u->replay, add_event, u);
        if (u->answer.n_events == 0)
            u->seen = published; /* nothing more until something is published */
    }
    u->credit -= (int32_t)u->answer.n_events;
    u->answer.pending_num_requested = u->credit;
    u->answer.rpc_id = (char *)(uintptr_t) "sim";
    replay_bytes(u->v->arena, u->answer.n_events ? u->replay : sfsim_last_event(u->v->s->db),
                 &u->answer.latest_replay_id);
    pack(u->v, &u->answer.base);
}

static enum tl_rc say(struct subscriber *u, struct tl_err *err)
{
    struct serving *v = u->v;
    struct sfsim *s = v->s;
    enum tl_rc rc = http_grpc_send(v->task, &v->g, v->out, false, UINT64_MAX, err);

    u->spoken_ns = tl_clock_mono_ns(s->clock);
    s->counts.delivered += u->answer.n_events;
    if (rc == TL_OK && s->opt.break_stream_every > 0 &&
        ++s->pubsub->responses % (uint64_t)s->opt.break_stream_every == 0)
        refuse(v, UNAVAILABLE, CODE "service.unavailable", "The service is not available for now.");
    return rc;
}

static enum tl_rc speak(struct subscriber *u, struct tl_err *err)
{
    struct sfsim *s = u->v->s;
    int64_t hold = s->opt.hold_ms < KEEPALIVE_MS ? s->opt.hold_ms : KEEPALIVE_MS;
    enum tl_rc rc = TL_OK;

    if (s->opt.stall) /* as the vendor does at times: the connection lives, and nothing comes */
        return TL_OK;
    do {
        bool quiet = tl_clock_mono_ns(s->clock) - u->spoken_ns > (uint64_t)hold * 1000000u;

        tl_arena_reset(u->v->arena);
        task_on_main_stack(u->v->task, collect, u);
        if (u->answer.n_events > 0 || quiet)
            rc = say(u, err);
    } while (rc == TL_OK && u->v->status == OK && u->answer.n_events > 0 && u->credit > 0);
    return rc;
}

static enum tl_rc subscribe(struct serving *v, struct tl_err *err)
{
    struct subscriber *u = tl_zalloc(sizeof *u);
    enum tl_rc rc = TL_OK;

    u->v = v;
    u->seen = UINT64_MAX;
    u->spoken_ns = tl_clock_mono_ns(v->s->clock);
    while (rc == TL_OK && v->status == OK) {
        uint64_t until = async_loop_now(task_loop(v->task)) + POLL_NS;

        tl_arena_reset(v->arena);
        rc = http_grpc_recv(v->task, &v->g, u->topic[0] ? until : UINT64_MAX, &v->in, err);
        if (rc == TL_OK && !v->in.p)
            break; /* the client has ended */
        if (rc == TL_OK)
            task_on_main_stack(v->task, take_request, u);
        else if (rc == TL_TIMEOUT && task_check(v->task, err) == TL_OK)
            rc = TL_OK;
        if (rc == TL_OK && v->status == OK && u->topic[0])
            (void)is_known(v); /* a token that ends takes its streams along */
        if (rc == TL_OK && v->status == OK && u->topic[0])
            rc = speak(u, err);
    }
    tl_free(u);
    return rc;
}

/* ---- calls ---- */
/* One request with its answer, or many on one stream until the client ends it. */
static enum tl_rc answer_each(struct serving *v, void (*fn)(void *arg), bool many, struct tl_err *err)
{
    enum tl_rc rc;

    do {
        tl_arena_reset(v->arena);
        rc = http_grpc_recv(v->task, &v->g, UINT64_MAX, &v->in, err);
        if (rc != TL_OK || !v->in.p || !is_known(v))
            return rc;
        task_on_main_stack(v->task, fn, v);
        if (fn == publish && v->s->opt.drop > 0 && sfsim_chance(v->s) < v->s->opt.drop)
            return tl_fail(err, TL_IO, "carried out, and nobody hears of it");
        if (v->status == OK)
            rc = http_grpc_send(v->task, &v->g, v->out, false, UINT64_MAX, err);
    } while (many && rc == TL_OK && v->status == OK);
    return rc;
}

static enum tl_rc end(struct serving *v, struct tl_err *err)
{
    const struct http_header trailers[] = {{TL_SV("error-code"), tl_sv_str(v->code)}, {TL_SV("rpc-id"), TL_SV("sim")}};

    return http_grpc_end(&v->g, v->status, v->text, trailers, v->code ? 2 : 0, err);
}

enum tl_rc sfsim_pubsub_serve(struct task *t, struct http_h2_stream *s, void *arg, struct tl_err *err)
{
    static const struct {
        const char *path;
        void (*fn)(void *arg);
        bool many;
    } methods[] = {{"/eventbus.v1.PubSub/GetTopic", get_topic, false},
                   {"/eventbus.v1.PubSub/GetSchema", get_schema, false},
                   {"/eventbus.v1.PubSub/Publish", publish, false},
                   {"/eventbus.v1.PubSub/PublishStream", publish, true}};
    struct serving v = {.s = arg, .task = t};
    enum tl_rc rc = http_grpc_accept(s, HTTP_GRPC_MAX, &v.g, err);
    struct tl_sv path = http_h2_path(s);
    bool found = tl_sv_eqs(path, "/eventbus.v1.PubSub/Subscribe");

    if (rc != TL_OK)
        return rc;
    v.s->counts.requests++;
    v.arena = tl_arena_new(ARENA);
    if (!is_known(&v))
        found = true;
    else if (found)
        rc = subscribe(&v, err);
    for (size_t i = 0; i < TL_COUNT(methods) && !found && rc == TL_OK; i++)
        if (tl_sv_eqs(path, methods[i].path)) {
            found = true;
            rc = answer_each(&v, methods[i].fn, methods[i].many, err);
        }
    if (!found)
        refuse(&v, UNIMPLEMENTED, NULL, "there is no such method");
    tl_arena_free(v.arena);
    return rc == TL_OK ? end(&v, err) : rc;
}

struct sfsim_pubsub *sfsim_pubsub_new(void)
{
    return tl_zalloc(sizeof(struct sfsim_pubsub));
}

void sfsim_pubsub_free(struct sfsim_pubsub *p)
{
    while (p && p->schemas) {
        struct sfsim_schema_of *s = p->schemas;

        p->schemas = s->next;
        sf_avro_free(s->avro);
        tl_free(s->text);
        tl_free(s);
    }
    tl_free(p);
}
