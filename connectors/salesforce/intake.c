/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake.c - events into records: one record an id, our own changes left out, gaps filled, losses told.
 *  - GAP_*: the record is fetched; GAP_OVERFLOW: all that changed since is read with a query.
 *  - A lost position is an event of its own, LOST_POSITION; change events are filled up by a query.
 */
#include "salesforce/intake.h"

#include <stdio.h>

/* ---- positions ---- */

/* The bus tells an event some time after it was committed: what came in just before the subscription may be new to it.
 */
enum { BUS_MS = 60000 };

enum tl_rc sf_intake_begin(struct sf_intake *in, struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct tl_sv p = call->position, place, at = TL_SV("");

    *in = (struct sf_intake){.task = task, .call = call, .conf = call->operation, .place = "0"};
    if (p.n == 0)
        return TL_OK;
    (void)tl_sv_cut(&p, ' ', &place);
    (void)tl_sv_cut(&p, ' ', &at);
    if (place.n == 0 || place.n >= sizeof in->place || !tl_sv_i64(at, &in->at_ms) ||
        (p.n > 0 && !tl_sv_i64(p, &in->since_ms)))
        return tl_fail(err, TL_CONFIG, "the stored position of %.*s cannot be read", TL_SV_ARG(call->source));
    (void)snprintf(in->place, sizeof in->place, "%.*s", TL_SV_ARG(place));
    in->from_start = strcmp(in->place, "-2") == 0;
    if (strcmp(in->place, "0") == 0)
        in->since_ms = in->at_ms;
    return TL_OK;
}

bool sf_intake_has_place(const struct sf_intake *in)
{
    return strcmp(in->place, "0") != 0 && strcmp(in->place, "-2") != 0;
}

bool sf_intake_oldest(const struct sf_intake *in)
{
    return in->conf->all || in->from_start || in->since_ms > 0;
}

static struct tl_sv position(struct sf_intake *in)
{
    struct tl_arena *a = in->call->arena;

    if (in->since_ms > 0 && sf_intake_has_place(in))
        return tl_sv_str(tl_arena_printf(a, "%s %lld %lld", in->place, (long long)in->at_ms, (long long)in->since_ms));
    return tl_sv_str(tl_arena_printf(a, "%s %lld", in->place, (long long)in->at_ms));
}

enum tl_rc sf_intake_quiet(struct sf_intake *in, int64_t org_ms, struct tl_err *err)
{
    if (strcmp(in->place, "0") != 0 || in->since_ms >= org_ms)
        return TL_OK;
    in->since_ms = in->at_ms = org_ms;
    return connector_emit(in->task, in->call, NULL, 0, position(in), err);
}

/* "2026-01-02T03:04:05.000+0000" or with a Z, or milliseconds. An event whose time is not known is ours. */
static bool is_old(struct sf_batch *b, struct json at)
{
    struct tl_sv text = json_text(at, TL_SV(""));
    char utc[32];
    int64_t ms;

    if (b->in->since_ms == 0 || b->in->conf->all)
        return false;
    (void)snprintf(utc, sizeof utc, "%.*sZ", text.n < 23 ? (int)text.n : 23, text.p);
    return (json_int64(at, &ms) || (text.n >= 23 && tl_time_parse(tl_sv_str(utc), &ms))) &&
           ms < b->in->since_ms - BUS_MS;
}

static bool begins(struct tl_sv s, const char *with)
{
    return tl_sv_starts(s, tl_sv_str(with));
}

/* ---- events ---- */

enum tl_rc sf_batch_begin(struct sf_batch *b, struct sf_intake *in, size_t cap, struct tl_err *err)
{
    struct tl_arena *a = in->call->arena;

    if (cap > SF_CHANGES)
        return tl_fail(err, TL_LIMIT, "more than %d changes came at once", SF_CHANGES);
    *b = (struct sf_batch){.in = in, .cap = cap};
    b->records = tl_arena_alloc(a, (cap + 1) * sizeof *b->records);
    b->gaps = tl_arena_alloc(a, (cap + 1) * sizeof *b->gaps);
    if (!b->records || !b->gaps)
        return tl_fail(err, TL_LIMIT, "the events need more memory than a call may have");
    return TL_OK;
}

size_t sf_batch_room(struct json payload)
{
    return 1 + json_gets(json_gets(payload, "ChangeEventHeader"), "recordIds").n;
}

static void keep(struct sf_batch *b, struct json value, struct tl_sv key, struct tl_sv order_by)
{
    if (b->n < b->cap)
        b->records[b->n++] = (struct connector_incoming){.value = value, .key = key, .order_by = order_by};
}

void sf_batch_add(struct sf_batch *b, struct json value, struct json at, struct tl_sv key, struct tl_sv order_by)
{
    if (is_old(b, at))
        return;
    b->ours = true;
    keep(b, value, key, order_by);
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

static bool is_ours(struct sf_intake *s, struct json header)
{
    const struct sf_connection *c = s->call->connection;
    struct tl_sv origin = json_text(json_gets(header, "changeOrigin"), TL_SV(""));
    const char *mine = tl_arena_printf(s->call->arena, ";client=%s", c->client);

    return !s->conf->own && mine && tl_sv_ends(origin, tl_sv_str(mine));
}

/* One record an id: a transaction that changes many alike is one event of the vendor. */
void sf_batch_change(struct sf_batch *b, struct json payload, struct json header)
{
    struct tl_arena *a = b->in->call->arena;
    struct json ids = json_gets(header, "recordIds");
    struct tl_sv type = json_text(json_gets(header, "changeType"), TL_SV(""));
    struct tl_sv transaction = json_text(json_gets(header, "transactionKey"), TL_SV(""));
    int64_t number = 0;

    (void)json_int64(json_gets(header, "sequenceNumber"), &number);
    if (is_old(b, json_gets(header, "commitTimestamp")))
        return;
    b->ours = true;
    (void)json_int64(json_gets(header, "commitTimestamp"), &b->in->at_ms);
    if (is_ours(b->in, header))
        return;
    if (tl_sv_eqs(type, "GAP_OVERFLOW") && b->overflow.type != JSON_OBJECT)
        b->overflow = header;
    else if (begins(type, "GAP_") && !tl_sv_eqs(type, "GAP_DELETE") && b->n_gaps < b->cap && b->in->conf->backfill)
        b->gaps[b->n_gaps++] = header;
    for (uint32_t i = 0; ids.type == JSON_ARRAY && i < ids.n; i++) {
        struct tl_sv id = json_text(ids.u.items[i], TL_SV(""));

        keep(b, with_id(a, payload, id),
             tl_sv_str(tl_arena_printf(a, "%.*s-%lld-%.*s", TL_SV_ARG(transaction), (long long)number, TL_SV_ARG(id))),
             id);
    }
    if (ids.type != JSON_ARRAY || ids.n == 0)
        keep(b, payload, tl_sv_str(tl_arena_printf(a, "%.*s-%lld", TL_SV_ARG(transaction), (long long)number)),
             TL_SV_NULL);
}

/* ---- gaps ---- */

/* The record as it is now, in the event's form; one that is gone has its own event. */
static enum tl_rc fetch(struct sf_intake *s, struct json header, struct tl_sv id, struct tl_err *err)
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

static enum tl_rc fill_entity(struct sf_intake *s, struct tl_sv object, int64_t since_ms, struct tl_err *err)
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
static struct tl_sv entity_of(struct sf_intake *s)
{
    struct tl_sv c = tl_sv_str(s->conf->channel), name;

    if (!begins(c, "/data/") || !tl_sv_ends(c, TL_SV("ChangeEvent")))
        return TL_SV("");
    name = tl_sv(c.p + 6, c.n - 6 - 11);
    return tl_sv_ends(name, TL_SV("__")) ? tl_sv_str(tl_arena_printf(s->call->arena, "%.*sc", TL_SV_ARG(name))) : name;
}

enum tl_rc sf_intake_tell_loss(struct sf_intake *s, struct tl_err *err)
{
    struct tl_arena *a = s->call->arena;
    struct json_builder header, b;
    struct connector_incoming record = {.key = tl_sv_str(tl_arena_printf(a, "lost-%s", s->place))};
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
    (void)snprintf(s->place, sizeof s->place, "-2"); /* also for a restart before the first event */
    s->from_start = true;
    rc = connector_emit(s->task, s->call, &record, 1, position(s), err);
    if (rc == TL_OK && s->conf->backfill && entity.n > 0 && at_ms > 0)
        rc = fill_entity(s, entity, at_ms, err);
    s->lost = rc != TL_OK;
    return rc;
}

static enum tl_rc fill_gaps(struct sf_intake *s, const struct sf_batch *b, struct tl_err *err)
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

enum tl_rc sf_batch_take(struct sf_batch *b, const char *place, bool all_before, struct tl_err *err)
{
    struct sf_intake *s = b->in;
    int64_t since = s->since_ms;
    char before[SF_PLACE];
    enum tl_rc rc = TL_OK;

    memcpy(before, s->place, sizeof before);
    if (b->n_gaps > 0 || b->overflow.type == JSON_OBJECT)
        rc = fill_gaps(s, b, err); /* until then, a restart begins before them */
    if (rc != TL_OK)
        return rc;
    if (s->at_ms == 0 || b->n > 0)
        s->at_ms = tl_clock_wall_ms(connector_clock(s->call->host));
    (void)snprintf(s->place, sizeof s->place, "%s", place);
    if (b->ours || all_before)
        s->since_ms = 0;
    rc = connector_emit(s->task, s->call, b->records, b->n, position(s), err);
    if (rc != TL_OK) {
        memcpy(s->place, before, sizeof before);
        s->since_ms = since;
    }
    return rc;
}
