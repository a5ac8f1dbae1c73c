/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pubsub_publish.c - platform events out over the Pub/Sub API: a batch of records in one call, a verdict each. The
 * service recognises no repetition, so a call whose answer is lost is of unknown outcome, as with `publish` over REST.
 */
#include "salesforce/pubsub/pubsub.h"

#include <stdio.h>

/* The vendor's advice: at most 200 events and 3 MB in one request; an event has at most 1 MB. */
enum { BYTES = 3 << 20, EVENT = 1 << 20, BATCH = 200, INTERNAL = 13, UNKNOWN = 2, DEADLINE_EXCEEDED = 4 };

struct publishing {
    struct sf_pubsub p;
    const struct sf_schema *schema;
    size_t at; /* of the next record */
    size_t which[BATCH], n;
    Eventbus__V1__ProducerEvent *events[BATCH];
    size_t bytes;
    bool full; /* of memory */
};

static struct json with_stamps(struct publishing *u, struct json record)
{
    struct tl_arena *a = u->p.call->arena;
    struct json_builder b;

    json_object_begin(&b, a, record.n + 2);
    for (uint32_t i = 0; i < record.n; i++)
        (void)json_add(&b, json_view(record.u.members[i].key), record.u.members[i].value);
    if (json_gets(record, "CreatedDate").type == JSON_UNDEFINED)
        (void)json_adds(&b, "CreatedDate", json_int(tl_clock_wall_ms(connector_clock(u->p.call->host))));
    if (json_gets(record, "CreatedById").type == JSON_UNDEFINED)
        (void)json_adds(&b, "CreatedById", json_str(u->p.user));
    return json_end(&b);
}

/* False: the record has its verdict. */
static bool encode(struct publishing *u, size_t i, struct tl_sv *ret)
{
    struct connector_call *call = u->p.call;
    struct json record = call->records[i].value;
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_err err = {0};

    tl_buf_init(&b, EVENT);
    if (record.type != JSON_OBJECT) {
        sf_reject(call, &call->verdicts[i], TL_INVALID, "the record is not an object");
        return false;
    }
    if (sf_avro_encode(u->schema->avro, with_stamps(u, record), &b, &err) != TL_OK) {
        sf_reject(call, &call->verdicts[i], err.rc, err.text);
        return false;
    }
    *ret = tl_arena_sv(call->arena, b.n > 0 ? tl_buf_view(&b) : TL_SV(""));
    u->full |= !ret->p;
    return ret->p != NULL;
}

static void add(struct publishing *u, size_t i, struct tl_sv payload)
{
    struct tl_arena *a = u->p.call->arena;
    Eventbus__V1__ProducerEvent *e = tl_arena_alloc(a, sizeof *e);
    char uuid[37];
    char *id = tl_arena_strdup(a, tl_uuid4(uuid));

    if (!e || !id) {
        u->full = true;
        return;
    }
    eventbus__v1__producer_event__init(e);
    e->id = id;
    e->schema_id = (char *)(uintptr_t)u->schema->id;
    e->payload.data = (uint8_t *)(uintptr_t)payload.p;
    e->payload.len = payload.n;
    u->bytes += payload.n;
    u->which[u->n] = i;
    u->events[u->n++] = e;
}

/* As many records as one request takes; on the big stack. */
static void gather(void *arg)
{
    struct publishing *u = arg;

    u->n = u->bytes = 0;
    while (u->at < u->p.call->n && u->n < BATCH && u->bytes < BYTES - EVENT && !u->full) {
        size_t i = u->at++;
        struct tl_sv payload;

        if (encode(u, i, &payload))
            add(u, i, payload);
    }
}

static void judge(struct publishing *u, const Eventbus__V1__PublishResponse *answer)
{
    struct connector_call *call = u->p.call;

    for (size_t k = 0; k < u->n && k < answer->n_results; k++) {
        const Eventbus__V1__PublishResult *r = answer->results[k];
        struct connector_verdict *v = &call->verdicts[u->which[k]];

        if (r->error)
            sf_reject(call, v, TL_INVALID, r->error->msg[0] ? r->error->msg : "it was refused without a reason");
        else
            *v = (struct connector_verdict){.end = CONNECTOR_DONE, .answer = tl_sv_str(u->events[k]->id)};
    }
}

static enum tl_rc send_batch(struct publishing *u, const char *topic, struct tl_err *err)
{
    Eventbus__V1__PublishRequest request;
    ProtobufCMessage *answer = NULL;
    enum tl_rc rc;
    int code;

    eventbus__v1__publish_request__init(&request);
    request.topic_name = (char *)(uintptr_t)topic;
    request.events = u->events;
    request.n_events = u->n;
    rc = sf_pubsub_ask(&u->p, "Publish", &request.base, &eventbus__v1__publish_response__descriptor, &answer, err);
    code = u->p.code;
    if (rc == TL_OK) {
        judge(u, (Eventbus__V1__PublishResponse *)(void *)answer);
    } else if ((code < 0 && (rc == TL_UPSTREAM || rc == TL_UNREACHABLE)) || code == INTERNAL || code == UNKNOWN ||
               code == DEADLINE_EXCEEDED) {
        rc = tl_fail(err, TL_UNKNOWN_OUTCOME, "the events were sent, and no answer came");
    }
    return rc;
}

static enum tl_rc publish(struct publishing *u, const char *topic, struct tl_err *err)
{
    Eventbus__V1__TopicInfo *info = NULL;
    struct sf_schema *schema = NULL;
    enum tl_rc rc = sf_pubsub_topic(&u->p, topic, &info, err);

    if (rc == TL_OK && !info->can_publish)
        return tl_fail(err, TL_FORBIDDEN, "the user of this connection may not publish to %s", topic);
    if (rc == TL_OK)
        rc = sf_pubsub_schema(&u->p, info->schema_id, &schema, err);
    if (rc == TL_OK && !schema->avro)
        rc = tl_fail(err, TL_UPSTREAM, "%s", schema->why);
    u->schema = schema;
    while (rc == TL_OK && u->at < u->p.call->n) {
        task_on_main_stack(u->p.task, gather, u);
        if (u->full)
            return tl_fail(err, TL_LIMIT, "the events need more memory than a call may have");
        if (u->n > 0)
            rc = send_batch(u, topic, err);
    }
    return rc;
}

enum tl_rc sf_pubsub_publish(struct task *task, struct connector_call *call, struct tl_err *err)
{
    const struct sf_target *t = call->operation;
    const char *topic = tl_arena_printf(call->arena, "/event/%s", t->object);
    struct publishing *u = tl_arena_zalloc(call->arena, sizeof *u);
    enum tl_rc rc;

    if (!topic || !u)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    call->endpoint = tl_sv_str(topic);
    u->p.task = task;
    u->p.call = call;
    rc = sf_pubsub_connect(&u->p, err);
    if (rc == TL_OK && !u->p.user[0])
        rc = tl_fail(err, TL_CONFIG,
                     "an event over the Pub/Sub API names its user, and the token may not see who that is: give the "
                     "connected app the scope openid or id");
    if (rc == TL_OK)
        rc = publish(u, topic, err);
    sf_pubsub_forget(&u->p);
    sf_pubsub_close(&u->p);
    return rc;
}
