/* SPDX-License-Identifier: Apache-2.0 */
/*
 * envelope.c - an event as expressions see it, and the meta that is stored beside its body.
 *
 * Meta is JSON: {"k": kind of body, "m": method, "p": path, "q": {query}, "h": {headers}, "t": event type}. Headers
 * that carry secrets (signatures, Authorization, Cookie) are never stored.
 */
#include <stdio.h>

#include "flow/flow_int.h"

enum { MAX_META = 32768, MAX_QUERY = 100, KEY_MAX = 64 << 20, ORDER_MAX = 4096, ORDER_SHOWN = 100 };

static const char *const kinds[] = {[WEBHOOK_JSON] = "json",
                                    [WEBHOOK_FORM] = "form",
                                    [WEBHOOK_XML] = "xml",
                                    [WEBHOOK_RAW] = "raw",
                                    [WEBHOOK_TEXT] = "text"};

/* One that is a list by its grammar: several of them are one list (W3C Trace Context 3.3.1, RFC 9110 5.3). */
static bool is_list(struct tl_sv name)
{
    static const char *const lists[] = {"tracestate", "baggage"};

    for (size_t i = 0; i < TL_COUNT(lists); i++)
        if (tl_sv_eqi(name, tl_sv_str(lists[i])))
            return true;
    return false;
}

/* Two of them say nothing: none (W3C Trace Context 3.2). */
struct tl_sv flow__traceparent(const struct http_req *req)
{
    struct tl_sv found = TL_SV_NULL;

    for (size_t i = 0, n = 0; req->headers && i < req->headers->n; i++) {
        if (tl_sv_eqi(req->headers->v[i].name, TL_SV("traceparent")))
            found = n++ == 0 ? req->headers->v[i].value : TL_SV_NULL;
    }
    return found;
}

static struct json headers_json(struct tl_arena *a, const struct http_req *req, const struct webhook_verifier *v)
{
    struct json_builder b;

    json_object_begin(&b, a, req->headers ? req->headers->n : 0);
    for (size_t i = 0; req->headers && i < req->headers->n; i++) {
        const struct http_header *h = &req->headers->v[i];
        struct tl_sv value = h->value, before = TL_SV_NULL;

        if (webhook_header_is_secret(v, h->name) ||
            (tl_sv_eqi(h->name, TL_SV("traceparent")) && !flow__traceparent(req).p))
            continue;
        if (is_list(h->name))
            before = json_text(json_get(json_end(&b), h->name), TL_SV_NULL);
        if (before.n)
            value = tl_sv_str(tl_arena_printf(a, "%.*s,%.*s", TL_SV_ARG(before), TL_SV_ARG(value)));
        json_set(&b, h->name, json_sv(value));
    }
    return json_end(&b);
}

static struct json query_json(struct tl_arena *a, struct tl_sv query)
{
    struct json_builder b;
    struct tl_sv pair, name;

    json_object_begin(&b, a, 4);
    for (int i = 0; i < MAX_QUERY && tl_sv_cut(&query, '&', &pair); i++) {
        struct tl_buf n = {0}, v = {0};

        tl_buf_init(&n, MAX_META);
        tl_buf_init(&v, MAX_META);
        if (pair.n && tl_sv_cut(&pair, '=', &name) && tl_percent_decode(&n, name, true) &&
            tl_percent_decode(&v, pair, true) && tl_utf8_valid(tl_buf_view(&n)) == n.n &&
            tl_utf8_valid(tl_buf_view(&v)) == v.n)
            json_set(&b, tl_arena_sv(a, tl_buf_view(&n)), json_str_copy(a, tl_buf_view(&v)));
        tl_buf_done(&n);
        tl_buf_done(&v);
    }
    return json_end(&b);
}

enum tl_rc flow__meta_write(struct tl_arena *a, const struct http_req *req, enum webhook_body_kind kind,
                            const struct webhook_verdict *verdict, const struct webhook_verifier *v,
                            struct tl_sv *ret_meta, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct json_builder b;

    tl_buf_init(&text, MAX_META);
    json_object_begin(&b, a, 6);
    json_adds(&b, "k", json_str(kinds[kind]));
    json_adds(&b, "m", json_sv(req->method_text));
    json_adds(&b, "p", json_sv(req->path));
    if (req->query.n)
        json_adds(&b, "q", query_json(a, req->query));
    json_adds(&b, "h", headers_json(a, req, v));
    if (verdict && verdict->event_type.n)
        json_adds(&b, "t", json_sv(verdict->event_type));
    if (!json_write(&text, json_end(&b), 0))
        return tl_fail(err, TL_LIMIT, "headers and query are larger than 32 KB");
    *ret_meta = tl_arena_sv(a, tl_buf_view(&text));
    return ret_meta->p ? TL_OK : tl_fail(err, TL_LIMIT, "the request needs too much memory");
}

struct json flow__envelope(struct tl_arena *a, const char *flow, struct json meta, struct json body, struct json vars,
                           const struct flow_event *event)
{
    struct json_builder b, e;
    char id[14], time[TL_TIME_TEXT];

    json_object_begin(&e, a, 4);
    if (event->id)
        json_adds(&e, "id", json_str_copy(a, tl_sv_str(tl_id32_format(event->id, id))));
    json_adds(&e, "received_at", json_str_copy(a, tl_sv_str(tl_time_format(event->received_ms, time))));
    if (event->key.n) {
        json_adds(&e, "key", json_sv(event->key));
        json_adds(&e, "attempt", json_int(event->attempt));
    }
    json_object_begin(&b, a, 8 + (vars.type == JSON_OBJECT ? vars.n : 0));
    json_adds(&b, "body", body);
    json_adds(&b, "headers", json_gets(meta, "h"));
    json_adds(&b, "query", json_gets(meta, "q"));
    json_adds(&b, "path", json_gets(meta, "p"));
    json_adds(&b, "method", json_gets(meta, "m"));
    json_adds(&b, "type", json_gets(meta, "t"));
    json_adds(&b, "event", json_end(&e));
    json_adds(&b, "flow", json_str(flow));
    for (uint32_t i = 0; vars.type == JSON_OBJECT && i < vars.n; i++)
        json_add(&b, json_view(vars.u.members[i].key), vars.u.members[i].value);
    return json_end(&b);
}

const char *flow__event_key(const struct queue *q, uint64_t event, char buf[FLOW_EVENT_KEY])
{
    uint64_t origin = queue_origin(q, event);
    char bits[14], id[14];

    if (origin) /* of 50 bits: the first three digits of 13 are 0 */
        (void)snprintf(buf, FLOW_EVENT_KEY, "%s-%s", tl_id32_format(origin, bits) + 3, tl_id32_format(event, id));
    else
        (void)snprintf(buf, FLOW_EVENT_KEY, "%s", tl_id32_format(event, id));
    return buf;
}

struct tl_sv flow__outgoing_key(struct tl_arena *a, const struct queue *q, uint64_t event, uint32_t target,
                                uint32_t item, uint32_t revision)
{
    char id[FLOW_EVENT_KEY];

    flow__event_key(q, event, id);
    return tl_sv_str(revision ? tl_arena_printf(a, "%s.%u.%u.r%u", id, target, item, revision)
                              : tl_arena_printf(a, "%s.%u.%u", id, target, item));
}

static void own_key(const struct flow *f, const struct mapping *m, struct tl_arena *a, struct json envelope,
                    struct mapping_turn *turn, bool whole, struct tl_sv *key, struct tl_err *why)
{
    struct mapping_input in = {.data = envelope, .bindings = envelope, .turn = turn, .whole = whole};
    struct tl_err err = {0};
    struct json v;
    struct tl_sv text;

    if (!m)
        return;
    if (mapping_eval(m, a, &in, &v, &err) == TL_OK) {
        *key = flow__key_text(a, v);
        if (!key->p && v.type != JSON_UNDEFINED && v.type != JSON_NULL)
            (void)tl_fail(&err, TL_LIMIT, "there is no memory for what it gives");
    }
    if (err.rc == TL_OK || why->rc != TL_OK)
        return;
    text = flow__hide(f->plan, a, &envelope, 1, tl_sv_str(err.text)); /* it may name the value: this is logged */
    (void)tl_fail(why, err.rc, "`%s` cannot be evaluated: %.*s", whole ? "key" : "order_by", TL_SV_ARG(text));
}

/* The ledger holds the order of each event that is next in its lane, so a long one is its beginning and a digest. */
static struct tl_sv short_order(const struct flow *f, struct tl_arena *a, struct tl_sv order)
{
    uint8_t digest[CRYPTO_MAX_DIGEST];
    struct tl_sv shown = tl_utf8_cut(order, ORDER_SHOWN);
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    if (order.n <= ORDER_MAX)
        return order;
    tl_buf_init(&b, ORDER_MAX);
    (void)tl_buf_sv(&b, shown);
    (void)tl_buf_puts(&b, "... sha256:");
    (void)tl_hex_encode(&b, digest, crypto_digest(f->plan->engine->opt.crypto, CRYPTO_SHA256, &order, 1, digest));
    return tl_arena_sv(a, tl_buf_view(&b));
}

void flow__own_keys(const struct flow *f, struct tl_arena *a, struct json envelope, struct mapping_turn *turn,
                    struct queue_put *put, struct tl_err *why)
{
    own_key(f, f->key, a, envelope, turn, true, &put->key, why);
    own_key(f, f->order_by, a, envelope, turn, false, &put->order_by, why);
    put->order_by = short_order(f, a, put->order_by);
}

struct tl_sv flow__key_text(struct tl_arena *a, struct json v)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    if (v.type == JSON_STRING || v.type == JSON_DECIMAL)
        return json_view(v);
    if (v.type == JSON_UNDEFINED || v.type == JSON_NULL)
        return TL_SV_NULL;
    tl_buf_init(&b, KEY_MAX); /* the ledger keeps a digest of a key; of an order: short_order */
    return json_write(&b, v, JSON_WRITE_SORTED) ? tl_arena_sv(a, tl_buf_view(&b)) : TL_SV_NULL;
}

enum tl_rc flow__body(struct tl_arena *a, struct json meta, struct tl_sv body, bool own, struct json *ret,
                      struct tl_err *err)
{
    struct tl_sv kind = json_text(json_gets(meta, "k"), TL_SV("json"));

    for (size_t k = 0; k < TL_COUNT(kinds); k++) {
        bool as_it_came = k == WEBHOOK_JSON || (k == WEBHOOK_TEXT && !own);

        if (tl_sv_eqs(kind, kinds[k]) && (as_it_came || json_parse(a, body, 0, NULL, ret, NULL) != TL_OK))
            return webhook_body_parse(a, (enum webhook_body_kind)k, body, ret, err);
    }
    return TL_OK;
}
