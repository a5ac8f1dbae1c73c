/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bayeux.c - the Streaming API: Bayeux 1.0 over long polling, with a cookie that must come back, replay ids a channel,
 * a first connect that is answered at once, later ones held, and sessions that are forgotten.
 */
#include "salesforce/sim/sim_int.h"

#include <stdio.h>

enum { SUBSCRIPTIONS = 20, POLL_MS = 5, IDLE_NS = 1000000000, EVENTS = 2000, FORGET_S = 40 };

struct subscription {
    char channel[120];
    int64_t replay; /* of the last event sent */
};
struct sfsim_client {
    char id[40], cookie[40];
    struct subscription subs[SUBSCRIPTIONS];
    size_t n;
    uint64_t seen_ns, connects;
};
struct answer {
    struct sfsim *s;
    struct http_req *req;
    struct json_builder list;
};

void sfsim_clients_free(struct sfsim *s)
{
    struct tl_sv key;
    void *v;

    for (size_t i = 0; s->clients && tl_map_next(s->clients, &i, &key, &v);)
        tl_free(v);
    tl_map_free(s->clients);
}

static struct json object(struct tl_arena *a, const char *name, struct json v)
{
    struct json_builder b;

    json_object_begin(&b, a, 2);
    (void)json_adds(&b, name, v);
    return json_end(&b);
}

static struct json advice(struct tl_arena *a, const char *reconnect, int64_t timeout)
{
    struct json_builder b;

    json_object_begin(&b, a, 3);
    (void)json_adds(&b, "interval", json_int(0));
    if (timeout >= 0)
        (void)json_adds(&b, "timeout", json_int(timeout));
    (void)json_adds(&b, "reconnect", json_str(reconnect));
    return json_end(&b);
}

/* The answer to a meta message; error NULL: it was successful. */
static void reply(struct answer *w, struct json m, const char *error, struct json more, const char *more_name)
{
    struct tl_arena *a = w->req->arena;
    struct json client = json_gets(m, "clientId"), subscription = json_gets(m, "subscription");
    struct json_builder b;

    json_object_begin(&b, a, 10);
    if (client.type == JSON_STRING)
        (void)json_adds(&b, "clientId", client);
    if (more_name)
        (void)json_adds(&b, more_name, more);
    (void)json_adds(&b, "channel", json_gets(m, "channel"));
    if (json_gets(m, "id").type != JSON_UNDEFINED)
        (void)json_adds(&b, "id", json_gets(m, "id"));
    if (subscription.type != JSON_UNDEFINED)
        (void)json_adds(&b, "subscription", subscription);
    if (error)
        (void)json_adds(&b, "error", json_str(tl_arena_strdup(a, error)));
    (void)json_adds(&b, "successful", json_bool(!error));
    (void)json_push(&w->list, json_end(&b));
}

/* ---- handshake ---- */

static void handshake(struct answer *w, struct json m, struct http_res *res)
{
    struct tl_arena *a = w->req->arena;
    struct json_builder b, ext, sfdc, types;
    struct sfsim_client *c;
    char uuid[37];

    if (!sfsim_session_of(w->s, w->req)) {
        json_object_begin(&ext, a, 2);
        json_object_begin(&sfdc, a, 1);
        (void)json_adds(&sfdc, "failureReason", json_str("401::Authentication invalid"));
        (void)json_adds(&ext, "sfdc", json_end(&sfdc));
        (void)json_adds(&ext, "replay", json_bool(true));
        json_object_begin(&b, a, 8);
        (void)json_adds(&b, "ext", json_end(&ext));
        (void)json_adds(&b, "advice", object(a, "reconnect", json_str("none")));
        (void)json_adds(&b, "channel", json_str("/meta/handshake"));
        (void)json_adds(&b, "id", json_gets(m, "id"));
        (void)json_adds(&b, "error", json_str("403::Handshake denied"));
        (void)json_adds(&b, "successful", json_bool(false));
        (void)json_push(&w->list, json_end(&b));
        return;
    }
    c = tl_zalloc(sizeof *c);
    (void)snprintf(c->id, sizeof c->id, "%s", tl_uuid4(uuid));
    (void)snprintf(c->cookie, sizeof c->cookie, "%s", tl_uuid4(uuid));
    c->seen_ns = tl_clock_mono_ns(w->s->clock);
    (void)tl_map_put(w->s->clients, tl_sv_str(c->id), c);
    w->s->counts.handshakes++;
    (void)http_res_header(res, TL_SV("Set-Cookie"),
                          tl_sv_str(tl_arena_printf(a, "BAYEUX_BROWSER=%s;Path=/cometd/;HttpOnly", c->cookie)), NULL);
    json_object_begin(&ext, a, 2);
    (void)json_adds(&ext, "replay", json_bool(true));
    (void)json_adds(&ext, "payload.format", json_bool(true));
    json_array_begin(&types, a, 1);
    (void)json_push(&types, json_str("long-polling"));
    json_object_begin(&b, a, 10);
    (void)json_adds(&b, "ext", json_end(&ext));
    (void)json_adds(&b, "minimumVersion", json_str("1.0"));
    (void)json_adds(&b, "clientId", json_str(c->id));
    (void)json_adds(&b, "supportedConnectionTypes", json_end(&types));
    (void)json_adds(&b, "channel", json_str("/meta/handshake"));
    (void)json_adds(&b, "id", json_gets(m, "id"));
    (void)json_adds(&b, "version", json_str("1.0"));
    (void)json_adds(&b, "successful", json_bool(true));
    (void)json_push(&w->list, json_end(&b));
}

/* ---- whose message is it ---- */

static void forget(struct sfsim *s, struct sfsim_client *c)
{
    tl_free(tl_map_remove(s->clients, tl_sv_str(c->id)));
}

static struct sfsim_client *client_of(struct answer *w, struct json m)
{
    struct sfsim_client *c = tl_map_get(w->s->clients, json_text(json_gets(m, "clientId"), TL_SV("?")));
    struct tl_sv cookies = http_req_header(w->req, "cookie");
    uint64_t now = tl_clock_mono_ns(w->s->clock);
    struct tl_arena *a = w->req->arena;

    if (c && now - c->seen_ns > (uint64_t)FORGET_S * IDLE_NS) {
        forget(w->s, c);
        c = NULL;
    }
    if (!c) {
        reply(w, m, "403::Unknown client", advice(a, "handshake", -1), "advice");
        return NULL;
    }
    if (tl_sv_find_sv(cookies, tl_sv_str(c->cookie)) == cookies.n) {
        reply(w, m, "403:existing session:An established session exists, but no cookie is present",
              advice(a, "none", -1), "advice");
        return NULL;
    }
    c->seen_ns = now;
    return c;
}

/* ---- subscriptions ---- */

static bool topic_exists(struct sfsim *s, struct tl_arena *a, struct tl_sv name, const char *type)
{
    const struct sfsim_object *o = sfsim_object(s->schema, tl_sv_str(type));
    const struct sfsim_field *f = o ? sfsim_field(o, TL_SV("Name")) : NULL;
    char ids[1][SFSIM_ID18 + 1];

    (void)a;
    return f && sfsim_find(s->db, o, f, name, ids, 1) == 1;
}

bool sfsim_channel_exists(struct sfsim *s, struct tl_arena *a, struct tl_sv c)
{
    const struct sfsim_object *o;

    if (tl_sv_starts(c, TL_SV("/topic/")))
        return topic_exists(s, a, tl_sv_from(c, 7), "PushTopic");
    if (tl_sv_starts(c, TL_SV("/u/")))
        return topic_exists(s, a, c, "StreamingChannel");
    if (tl_sv_starts(c, TL_SV("/event/"))) {
        o = sfsim_object(s->schema, tl_sv_from(c, 7));
        return o && o->event;
    }
    if (tl_sv_eqs(c, "/data/ChangeEvents"))
        return true;
    if (!tl_sv_starts(c, TL_SV("/data/")) || !tl_sv_ends(c, TL_SV("ChangeEvent")))
        return false;
    c = tl_sv(c.p + 6, c.n - 6 - 11);
    if (tl_sv_ends(c, TL_SV("__")))
        c = tl_sv_str(tl_arena_printf(a, "%.*sc", TL_SV_ARG(c)));
    return sfsim_object(s->schema, c) != NULL;
}

static void subscribe(struct answer *w, struct json m)
{
    struct sfsim_client *c = client_of(w, m);
    struct tl_sv channel = json_text(json_gets(m, "subscription"), TL_SV(""));
    struct tl_arena *a = w->req->arena;
    int64_t from = -1, last = sfsim_last_event(w->s->db);
    struct subscription *sub;

    if (!c)
        return;
    if (channel.n == 0 || channel.p[0] != '/' || channel.n >= sizeof sub->channel) {
        reply(w, m, "400::Channel subscriptions must start with a leading '/'", JSON_NOTHING, NULL);
        return;
    }
    if (!sfsim_channel_exists(w->s, a, channel)) {
        reply(w, m,
              tl_arena_printf(a, "400::The channel you requested to subscribe to doesn't exist {%.*s}",
                              TL_SV_ARG(channel)),
              JSON_NOTHING, NULL);
        return;
    }
    (void)json_int64(json_get(json_gets(json_gets(m, "ext"), "replay"), channel), &from);
    if (from > 0 && (from > last || w->s->opt.stale_replay)) {
        reply(w, m,
              tl_arena_printf(a,
                              "400::The replayId {%lld} you provided was invalid.  Please provide a valid ID, -2 to "
                              "replay all events, or -1 to replay only new events.",
                              (long long)from),
              JSON_NOTHING, NULL);
        return;
    }
    sub = NULL;
    for (size_t i = 0; i < c->n; i++)
        if (tl_sv_eqs(channel, c->subs[i].channel))
            sub = &c->subs[i];
    if (!sub && c->n < SUBSCRIPTIONS)
        sub = &c->subs[c->n++];
    if (sub) {
        (void)snprintf(sub->channel, sizeof sub->channel, "%.*s", TL_SV_ARG(channel));
        sub->replay = from == -1 ? last : from == -2 ? 0 : from;
    }
    reply(w, m, sub ? NULL : "403::Organization concurrent user limit exceeded", JSON_NOTHING, NULL);
}

static void unsubscribe(struct answer *w, struct json m)
{
    struct sfsim_client *c = client_of(w, m);
    struct tl_sv channel = json_text(json_gets(m, "subscription"), TL_SV(""));

    for (size_t i = 0; c && i < c->n; i++)
        if (tl_sv_eqs(channel, c->subs[i].channel))
            c->subs[i] = c->subs[--c->n];
    if (c)
        reply(w, m, NULL, JSON_NOTHING, NULL);
}

/* ---- connect ---- */

struct sending {
    struct answer *w;
    struct subscription *sub;
    size_t n;
};

static bool send_event(void *arg, int64_t replay, struct tl_sv channel, struct tl_sv body)
{
    struct sending *e = arg;
    struct tl_arena *a = e->w->req->arena;
    struct json_builder event, data, m;
    struct json v, old;

    if (json_parse(a, tl_arena_sv(a, body), 0, NULL, &v, NULL) != TL_OK)
        return true;
    old = json_gets(v, "event");
    json_object_begin(&event, a, 4);
    for (uint32_t i = 0; old.type == JSON_OBJECT && i < old.n; i++)
        (void)json_add(&event, json_view(old.u.members[i].key), old.u.members[i].value);
    (void)json_adds(&event, "replayId", json_int(replay));
    json_object_begin(&data, a, v.n + 1);
    for (uint32_t i = 0; i < v.n; i++)
        if (!tl_sv_eqs(json_view(v.u.members[i].key), "event"))
            (void)json_add(&data, json_view(v.u.members[i].key), v.u.members[i].value);
    (void)json_adds(&data, "event", json_end(&event));
    json_object_begin(&m, a, 2);
    (void)json_adds(&m, "data", json_end(&data));
    (void)json_adds(&m, "channel", json_str(tl_arena_strdup(a, e->sub->channel)));
    (void)channel;
    e->sub->replay = replay;
    e->n++;
    return json_push(&e->w->list, json_end(&m)) && e->n < EVENTS;
}

struct fetching {
    struct answer *w;
    struct sfsim_client *c;
    size_t n;
};
static void fetch(void *arg)
{
    struct fetching *f = arg;

    for (size_t i = 0; i < f->c->n && f->n < EVENTS; i++) {
        struct sending e = {.w = f->w, .sub = &f->c->subs[i]};

        sfsim_events_since(f->w->s->db, f->c->subs[i].channel, f->c->subs[i].replay, send_event, &e);
        f->n += e.n;
    }
}

/* Held until there is something to tell, or until it has been held long enough. */
static enum tl_rc hold(struct answer *w, struct task *task, struct tl_sv id, struct tl_err *err)
{
    struct sfsim *s = w->s;
    uint64_t end = tl_clock_mono_ns(s->clock) + (uint64_t)s->opt.hold_ms * 1000000u, seen = UINT64_MAX;
    enum tl_rc rc = TL_OK;

    while (rc == TL_OK && (s->opt.stall || tl_clock_mono_ns(s->clock) < end)) {
        struct sfsim_client *c = tl_map_get(s->clients, id); /* it may be forgotten meanwhile */
        struct fetching f = {.w = w, .c = c};

        if (!c)
            return TL_OK;
        if (seen != s->published && !s->opt.stall) {
            seen = s->published;
            task_on_main_stack(task, fetch, &f);
            if (f.n > 0)
                return TL_OK;
        }
        rc = task_sleep_ms(task, POLL_MS, err);
    }
    return rc;
}

static enum tl_rc take_connect(struct answer *w, struct task *task, struct json m, struct tl_err *err)
{
    struct sfsim_client *c = client_of(w, m);
    struct tl_arena *a = w->req->arena;
    struct tl_sv id = json_text(json_gets(m, "clientId"), TL_SV(""));
    enum tl_rc rc;

    if (!c)
        return TL_OK;
    w->s->counts.connects++;
    if (w->s->opt.forget_client_every > 0 && w->s->counts.connects % (uint64_t)w->s->opt.forget_client_every == 0) {
        forget(w->s, c);
        reply(w, m, "403::Unknown client", advice(a, "handshake", -1), "advice");
        return TL_OK;
    }
    if (!sfsim_session_of(w->s, w->req)) {
        reply(w, m, "401::Authentication invalid", advice(a, "none", -1), "advice");
        return TL_OK;
    }
    if (c->connects++ == 0) {
        reply(w, m, NULL, advice(a, "retry", w->s->opt.hold_ms), "advice");
        return TL_OK;
    }
    rc = hold(w, task, id, err);
    c = tl_map_get(w->s->clients, id);
    if (c)
        c->seen_ns = tl_clock_mono_ns(w->s->clock);
    reply(w, m, NULL, JSON_NOTHING, NULL);
    return rc;
}

static void disconnect(struct answer *w, struct json m)
{
    struct sfsim_client *c = client_of(w, m);

    if (!c)
        return;
    reply(w, m, NULL, JSON_NOTHING, NULL);
    forget(w->s, c);
}

enum tl_rc sfsim_cometd(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct answer w = {.s = arg, .req = req};
    struct json messages;
    enum tl_rc rc = json_parse(req->arena, req->body, 0, NULL, &messages, err);

    w.s->counts.requests++;
    if (rc != TL_OK)
        return rc;
    json_array_begin(&w.list, req->arena, 8);
    if (messages.type == JSON_OBJECT) { /* one message alone */
        struct json_builder one;

        json_array_begin(&one, req->arena, 1);
        (void)json_push(&one, messages);
        messages = json_end(&one);
    }
    for (uint32_t i = 0; messages.type == JSON_ARRAY && i < messages.n && rc == TL_OK; i++) {
        struct json m = messages.u.items[i];
        struct tl_sv channel = json_text(json_gets(m, "channel"), TL_SV(""));

        if (tl_sv_eqs(channel, "/meta/handshake"))
            handshake(&w, m, res);
        else if (tl_sv_eqs(channel, "/meta/connect"))
            rc = take_connect(&w, task, m, err);
        else if (tl_sv_eqs(channel, "/meta/subscribe"))
            subscribe(&w, m);
        else if (tl_sv_eqs(channel, "/meta/unsubscribe"))
            unsubscribe(&w, m);
        else if (tl_sv_eqs(channel, "/meta/disconnect"))
            disconnect(&w, m);
        else
            reply(&w, m, "403::Publishing is not allowed", JSON_NOTHING, NULL);
    }
    if (rc == TL_OK)
        connector_sim_json(req, res, 200, "application/json;charset=UTF-8", json_end(&w.list));
    return rc;
}
