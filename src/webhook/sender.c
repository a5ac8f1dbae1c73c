/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sender.c - requests as those senders make them whose proof is no signature by a shared secret: in the body (Microsoft
 * Graph, Salesforce), by a token beside an event of a form of its own (CloudEvents), or by a key of their own (JWT,
 * SNS, PayPal). For `send` and for tests. A body of the user's that is not in the sender's form yet is put into it.
 */
#include <zlib.h>

#include "webhook/webhook_int.h"
#include "xml/xml.h"

enum { MAX_BODY = 64 << 20, TOKEN_S = 300 };

static enum tl_rc keep_body(struct webhook_signed *s, struct tl_arena *a, const struct tl_buf *b, struct tl_err *err)
{
    s->body = b->failed ? TL_SV_NULL : tl_arena_sv(a, tl_buf_view(b));
    return s->body.p ? TL_OK : tl_fail(err, TL_LIMIT, "the body becomes larger than 64 MB");
}

static enum tl_rc keep_json(struct webhook_signed *s, struct tl_arena *a, struct json v, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, MAX_BODY);
    (void)json_write(&b, v, 0);
    return keep_body(s, a, &b, err);
}

static void put_header(struct webhook_signed *s, const char *name, struct tl_sv value)
{
    s->headers[s->n_headers++] = (struct webhook_header){tl_sv_str(name), value};
}

/* ---- Microsoft Graph: clientState in each notification ---- */

static struct json with_state(struct tl_arena *a, struct json item, struct tl_sv state)
{
    struct json_builder b;

    json_object_begin(&b, a, item.n + 1);
    for (uint32_t i = 0; item.type == JSON_OBJECT && i < item.n; i++)
        (void)json_add(&b, json_view(item.u.members[i].key), item.u.members[i].value);
    (void)json_set(&b, TL_SV("clientState"), json_sv(state));
    return json_end(&b);
}

static struct json notification_of(struct tl_arena *a, struct json resource)
{
    struct json_builder b;

    json_object_begin(&b, a, 5);
    (void)json_adds(&b, "subscriptionId", json_str("7f105c7d-2dc5-4530-97cd-4e7ae6534c07"));
    (void)json_adds(&b, "changeType", json_str("created"));
    (void)json_adds(&b, "resource", json_str("sample"));
    (void)json_adds(&b, "resourceData", resource);
    return json_end(&b);
}

enum tl_rc webhook__put_state(const struct webhook_verifier *v, struct tl_arena *a, int64_t now_ms,
                              struct webhook_signed *ret, struct tl_err *err)
{
    struct json body, list;
    struct json_builder items, b;
    struct tl_sv state;
    enum tl_rc rc = webhook__signing_secret(v, now_ms, &state, err);

    if (rc != TL_OK)
        return rc;
    if (json_parse(a, ret->body, 0, NULL, &body, NULL) != TL_OK)
        return TL_OK; /* one that is malformed on purpose */
    list = json_gets(body, "value");
    json_array_begin(&items, a, list.n + 1);
    for (uint32_t i = 0; list.type == JSON_ARRAY && i < list.n; i++)
        (void)json_push(&items, with_state(a, list.u.items[i], state));
    if (list.type != JSON_ARRAY)
        (void)json_push(&items, with_state(a, notification_of(a, body), state));
    json_object_begin(&b, a, 1);
    (void)json_adds(&b, "value", json_end(&items));
    return keep_json(ret, a, json_end(&b), err);
}

/* ---- CloudEvents ---- */

#define CE_SOURCE "/tieline/send"
#define CE_TYPE "tieline.sample"

static struct json event_of(struct tl_arena *a, struct tl_sv id, struct json data)
{
    struct json_builder b;

    json_object_begin(&b, a, 6);
    (void)json_adds(&b, "specversion", json_str("1.0"));
    (void)json_adds(&b, "id", json_sv(id));
    (void)json_adds(&b, "source", json_str(CE_SOURCE));
    (void)json_adds(&b, "type", json_str(CE_TYPE));
    (void)json_adds(&b, "datacontenttype", json_str("application/json"));
    (void)json_adds(&b, "data", data);
    return json_end(&b);
}

/* No `time`: an event that is sent again says the same. */
static enum tl_rc put_attributes(struct webhook_signed *ret, struct tl_arena *a, struct tl_sv id, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 8 << 10);
    if (!tl_percent_encode(&b, id)) /* HTTP binding 3.1.3.2 */
        return tl_fail(err, TL_LIMIT, "the id of the event is too long");
    put_header(ret, "ce-specversion", TL_SV("1.0"));
    put_header(ret, "ce-id", tl_arena_sv(a, tl_buf_view(&b)));
    put_header(ret, "ce-source", TL_SV(CE_SOURCE));
    put_header(ret, "ce-type", TL_SV(CE_TYPE));
    return TL_OK;
}

enum tl_rc webhook__put_ce(struct tl_arena *a, const struct webhook_message *m, struct tl_sv id,
                           struct webhook_signed *ret, struct tl_err *err)
{
    bool structured = tl_sv_starts_i(m->content_type, TL_SV("application/cloudevents"));
    struct json body = JSON_NOTHING;

    if (json_parse(a, m->body, 0, NULL, &body, NULL) != TL_OK && structured)
        return TL_OK; /* one that is malformed on purpose */
    if (json_gets(body, "specversion").type != JSON_UNDEFINED) {
        ret->content_type = structured ? NULL : "application/cloudevents+json";
        return TL_OK; /* an event already */
    }
    if (tl_sv_starts_i(m->content_type, TL_SV("application/cloudevents-batch")))
        return TL_OK;
    return structured ? keep_json(ret, a, event_of(a, id, body), err) : put_attributes(ret, a, id, err);
}

/* ---- JWT ---- */

/* A shared secret (HS256) is the key of both sides. */
static const struct crypto_key *key_of(const struct webhook_verifier *v)
{
    const struct crypto_key *own = v->own_keys ? crypto_keys_at(v->own_keys, 0) : NULL;

    return v->signer ? v->signer : own && crypto_key_is_private(own) ? own : NULL;
}

static struct json claims_of(const struct webhook_verifier *v, struct tl_arena *a, int64_t now_ms)
{
    struct json_builder b;

    json_object_begin(&b, a, v->n_claims + 5);
    if (v->n_issuers)
        (void)json_adds(&b, "iss", json_sv(v->issuers[0]));
    if (v->n_audiences)
        (void)json_adds(&b, "aud", json_sv(v->audiences[0]));
    (void)json_adds(&b, "iat", json_int(now_ms / 1000));
    (void)json_adds(&b, "exp", json_int(now_ms / 1000 + TOKEN_S));
    for (size_t i = 0; i < v->n_claims; i++)
        (void)json_add(&b, v->claim_names[i], json_sv(v->claim_values[i]));
    if (strcmp(v->s.name, "google_pubsub") == 0)
        (void)json_adds(&b, "email_verified", json_bool(true));
    return json_end(&b);
}

static enum tl_rc sign_jwt(const struct webhook_verifier *v, struct tl_arena *a, int64_t now_ms,
                           struct webhook_signed *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    const struct crypto_key *key = key_of(v);
    enum crypto_alg alg = v->algs[0];
    enum tl_rc rc;

    for (size_t i = 1; i < v->n_algs && !crypto_key_fits(key, alg); i++)
        alg = v->algs[i];
    tl_buf_init(&b, 64 << 10);
    (void)tl_buf_puts(&b, v->s.prefix ? v->s.prefix : "");
    rc = crypto_jwt_sign(v->crypto, key, alg, crypto_key_id(key), TL_SV("JWT"), claims_of(v, a, now_ms), &b, err);
    if (rc == TL_OK)
        put_header(ret, v->s.families[0].signature, tl_arena_sv(a, tl_buf_view(&b)));
    return rc;
}

/* ---- RSA: SNS, PayPal ---- */

static enum tl_rc rsa(const struct webhook_verifier *v, struct tl_arena *a, struct tl_sv text, struct tl_sv *ret,
                      struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf raw = {0}, b = {0};
    enum tl_rc rc;

    tl_buf_init(&raw, 4096);
    tl_buf_init(&b, 8192);
    rc = crypto_key_sign(v->crypto, v->signer, CRYPTO_RS256, text, &raw, err);
    (void)tl_base64_encode(&b, raw.p, raw.n);
    *ret = tl_arena_sv(a, tl_buf_view(&b));
    return rc;
}

static enum tl_rc sign_sns(const struct webhook_verifier *v, struct tl_arena *a, struct tl_sv id, struct tl_sv time,
                           struct webhook_signed *ret, struct tl_err *err)
{
    struct json_builder b;
    struct tl_sv signature;
    enum tl_rc rc;

    json_object_begin(&b, a, 8);
    (void)json_adds(&b, "Type", json_str("Notification"));
    (void)json_adds(&b, "MessageId", json_sv(id));
    (void)json_adds(&b, "TopicArn", json_sv(v->topics[0]));
    (void)json_adds(&b, "Message", json_sv(ret->body));
    (void)json_adds(&b, "Timestamp", json_sv(time));
    (void)json_adds(&b, "SignatureVersion", json_str("2"));
    (void)json_adds(&b, "SigningCertURL",
                    json_str("https://sns.us-east-1.amazonaws.com/SimpleNotificationService.pem"));
    rc = rsa(v, a, webhook__sns_text(a, json_end(&b)), &signature, err);
    if (rc != TL_OK)
        return rc;
    (void)json_adds(&b, "Signature", json_sv(signature));
    return keep_json(ret, a, json_end(&b), err);
}

static enum tl_rc sign_paypal(const struct webhook_verifier *v, struct tl_arena *a, struct tl_sv id, struct tl_sv time,
                              struct webhook_signed *ret, struct tl_err *err)
{
    unsigned long crc = crc32(0, (const unsigned char *)ret->body.p, (unsigned)ret->body.n);
    const char *text =
        tl_arena_printf(a, "%.*s|%.*s|%.*s|%lu", TL_SV_ARG(id), TL_SV_ARG(time), TL_SV_ARG(v->webhook_id), crc);
    struct tl_sv signature;
    enum tl_rc rc = rsa(v, a, tl_sv_str(text), &signature, err);

    if (rc != TL_OK)
        return rc;
    put_header(ret, "PAYPAL-TRANSMISSION-ID", id);
    put_header(ret, "PAYPAL-TRANSMISSION-TIME", time);
    put_header(ret, "PAYPAL-TRANSMISSION-SIG", signature);
    put_header(ret, "PAYPAL-AUTH-ALGO", TL_SV("SHA256withRSA"));
    put_header(ret, "PAYPAL-CERT-URL", TL_SV("https://api.paypal.com/v1/notifications/certs/CERT-SAMPLE"));
    return TL_OK;
}

/* ---- Salesforce outbound messages ---- */

static bool is_name(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') || s.p[i] == '_' ||
              (i > 0 && s.p[i] >= '0' && s.p[i] <= '9')))
            return false;
    return s.n > 0;
}

static void put_fields(struct tl_buf *b, struct tl_arena *a, struct json record)
{
    for (uint32_t i = 0; record.type == JSON_OBJECT && i < record.n; i++) {
        struct tl_sv name = json_view(record.u.members[i].key);
        struct json value = record.u.members[i].value;
        TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};

        if (!is_name(name) || value.type == JSON_NULL)
            continue;
        tl_buf_init(&text, MAX_BODY);
        if (value.type != JSON_STRING)
            (void)json_write(&text, value, 0);
        (void)tl_buf_printf(b, "<sf:%.*s>", TL_SV_ARG(name));
        xml_escape(b, value.type == JSON_STRING ? json_view(value) : tl_arena_sv(a, tl_buf_view(&text)));
        (void)tl_buf_printf(b, "</sf:%.*s>", TL_SV_ARG(name));
    }
}

static enum tl_rc outbound(const struct webhook_verifier *v, struct tl_arena *a, struct tl_sv id,
                           struct webhook_signed *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json record;

    ret->content_type = "text/xml; charset=utf-8";
    if (json_parse(a, ret->body, 0, NULL, &record, NULL) != TL_OK)
        return TL_OK; /* a message already */
    tl_buf_init(&b, MAX_BODY);
    (void)tl_buf_puts(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
                          "<soapenv:Envelope xmlns:soapenv=\"" XML_SOAP_NS "\" "
                          "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>"
                          "<notifications xmlns=\"" WEBHOOK_OUTBOUND_NS "\"><OrganizationId>");
    xml_escape(&b, v->organizations[0]);
    (void)tl_buf_puts(&b, "</OrganizationId><ActionId>04k000000000001</ActionId><Notification><Id>");
    xml_escape(&b, id);
    (void)tl_buf_puts(&b, "</Id><sObject xsi:type=\"sf:Order\" xmlns:sf=\"urn:sobject.enterprise.soap.sforce.com\">");
    put_fields(&b, a, record);
    (void)tl_buf_puts(&b, "</sObject></Notification></notifications></soapenv:Body></soapenv:Envelope>");
    return keep_body(ret, a, &b, err);
}

enum tl_rc webhook__foreign_sign(const struct webhook_verifier *v, struct tl_arena *a, struct tl_sv id, int64_t now_ms,
                                 struct webhook_signed *ret, struct tl_err *err)
{
    char iso[TL_TIME_TEXT];
    struct tl_sv time = tl_sv_str(tl_arena_strdup(a, tl_time_format(now_ms, iso)));

    if (v->s.proof == PROOF_PEER)
        return TL_OK; /* the connection proves it */
    if (v->s.proof == PROOF_OUTBOUND)
        return outbound(v, a, id, ret, err);
    if (!key_of(v))
        return tl_fail(
            err, TL_CONFIG,
            "the scheme %s needs a private key to send with: one that fits what the configuration verifies by",
            v->s.name);
    if (v->s.proof == PROOF_JWT)
        return sign_jwt(v, a, now_ms, ret, err);
    return v->s.proof == PROOF_SNS ? sign_sns(v, a, id, time, ret, err) : sign_paypal(v, a, id, time, ret, err);
}
