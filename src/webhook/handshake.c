/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handshake.c - how senders make sure that we want their events; a table. Unsigned handshakes are answered only where
 * the source's scheme is that sender's, and what is echoed is typed so that no browser takes it for a page.
 */
#include "webhook/webhook_int.h"

static void text_answer(struct webhook_answer *ret, int status, struct tl_sv body)
{
    *ret = (struct webhook_answer){
        .status = status, .content_type = body.n > 0 ? "text/plain; charset=utf-8" : NULL, .body = body};
    ret->headers[ret->n_headers++] = (struct webhook_header){TL_SV("x-content-type-options"), TL_SV("nosniff")};
}

static void json_answer(struct tl_arena *a, struct webhook_answer *ret, const char *name, struct tl_sv value)
{
    struct json_builder b;
    struct tl_buf text;

    json_object_begin(&b, a, 1);
    (void)json_adds(&b, name, json_sv(value));
    tl_buf_init(&text, 64 * 1024);
    (void)json_write(&text, json_end(&b), JSON_WRITE_ASCII);
    *ret = (struct webhook_answer){
        .status = 200, .content_type = "application/json", .body = tl_arena_sv(a, tl_buf_view(&text))};
    tl_buf_done(&text);
}

static void refusal(struct webhook_answer *ret, int status, const char *why, struct tl_sv body)
{
    text_answer(ret, status, body);
    ret->refused = why;
}

/* developers.facebook.com: GET with hub.mode=subscribe; the token must be the configured one. */
static bool meta(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                 int64_t now_ms, struct webhook_answer *ret)
{
    struct tl_sv mode, token, challenge;
    bool same = false;

    (void)now_ms;
    if (!webhook__query(a, req->target, "hub.mode", &mode) || !tl_sv_eqs(mode, "subscribe"))
        return false;
    if (webhook__query(a, req->target, "hub.verify_token", &token)) {
        for (size_t i = 0; i < v->n_verify_tokens; i++)
            same = tl_sv_eq_secret(token, v->verify_tokens[i]) || same;
    }
    if (same && webhook__query(a, req->target, "hub.challenge", &challenge) && challenge.n > 0 && challenge.n <= 1024)
        text_answer(ret, 200, challenge);
    else
        refusal(ret, 403, "the verify token does not match", TL_SV("the verify token does not match"));
    return true;
}

/* learn.microsoft.com: POST with validationToken; the decoded token and nothing else, within 10 s. */
static bool graph(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                  int64_t now_ms, struct webhook_answer *ret)
{
    struct tl_sv token;

    (void)v;
    (void)now_ms;
    if (!webhook__query(a, req->target, "validationToken", &token) || token.n == 0 || token.n > 4096)
        return false;
    text_answer(ret, 200, token);
    return true;
}

/* developer.okta.com: one-time verification. */
static bool okta(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                 int64_t now_ms, struct webhook_answer *ret)
{
    size_t n = 0;
    struct tl_sv challenge = webhook__header(req, "x-okta-verification-challenge", &n);

    (void)v;
    (void)now_ms;
    if (n != 1 || challenge.n == 0 || challenge.n > 1024)
        return false;
    json_answer(a, ret, "verification", challenge);
    return true;
}

/* docs.x.com: challenge-response check. */
static bool x_crc(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                  int64_t now_ms, struct webhook_answer *ret)
{
    struct tl_sv token;
    uint8_t mac[CRYPTO_MAX_DIGEST];
    struct tl_buf b;
    size_t k = 0;

    while (k < v->n_keys && !webhook__is_good(&v->keys[k], now_ms))
        k++;
    if (!webhook__query(a, req->target, "crc_token", &token) || token.n == 0 || token.n > 1024 || k == v->n_keys)
        return false;
    tl_buf_init(&b, 256);
    tl_buf_puts(&b, "sha256=");
    tl_base64_encode(&b, mac, crypto_hmac_sum(v->keys[k].hmac, &token, 1, mac));
    json_answer(a, ret, "response_token", tl_arena_sv(a, tl_buf_view(&b)));
    tl_buf_done(&b);
    return true;
}

/* CloudEvents HTTP webhook 1.0.2 section 4: consent is given by the headers, not by the status. */
static bool cloudevents(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                        int64_t now_ms, struct webhook_answer *ret)
{
    size_t n = 0, asked = 0;
    struct tl_sv origin = webhook__header(req, "webhook-request-origin", &n);
    struct tl_sv rate = webhook__header(req, "webhook-request-rate", &asked);
    uint64_t wanted = 0;
    bool allowed = false;

    (void)now_ms;
    if (n == 0)
        return false;
    for (size_t i = 0; i < v->n_origins && n == 1 && origin.n <= 255; i++)
        allowed = allowed || tl_sv_eqs(v->origins[i], "*") || tl_sv_eqi(v->origins[i], origin);
    if (allowed)
        text_answer(ret, 200, TL_SV(""));
    else
        refusal(ret, 405, "the sender that asks for consent is not one of `origins`", TL_SV(""));
    ret->headers[ret->n_headers++] = (struct webhook_header){TL_SV("allow"), TL_SV("POST")};
    if (!allowed)
        return true;
    ret->headers[ret->n_headers++] = (struct webhook_header){TL_SV("webhook-allowed-origin"), tl_arena_sv(a, origin)};
    if (v->rate > 0) {
        if (asked == 1 && tl_sv_u64(rate, &wanted) && wanted > 0 && wanted < (uint64_t)v->rate)
            rate = tl_arena_sv(a, rate);
        else
            rate = tl_sv_str(tl_arena_printf(a, "%lld", (long long)v->rate));
    } else {
        rate = asked == 1 && tl_sv_u64(rate, &wanted) ? tl_arena_sv(a, rate) : TL_SV("*");
    }
    ret->headers[ret->n_headers++] = (struct webhook_header){TL_SV("webhook-allowed-rate"), rate};
    return true;
}

static const struct {
    int handshake;
    const char *method;
    bool (*answer)(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                   int64_t now_ms, struct webhook_answer *ret);
} rows[] = {
    {SHAKE_CLOUDEVENTS, "OPTIONS", cloudevents},
    {SHAKE_META, "GET", meta},
    {SHAKE_OKTA, "GET", okta},
    {SHAKE_X, "GET", x_crc},
    {SHAKE_GRAPH, "POST", graph},
};

bool webhook_handshake(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                       int64_t now_ms, struct webhook_answer *ret)
{
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        if (rows[i].handshake == (int)v->s.handshake && tl_sv_eqs(req->method, rows[i].method))
            return rows[i].answer(v, a, req, now_ms, ret);
    }
    return false;
}

bool webhook_handshake_body(const struct webhook_verifier *v, struct tl_arena *a, struct json body,
                            struct webhook_answer *ret)
{
    struct json challenge = json_gets(body, "challenge");

    /* docs.slack.dev, url_verification: signed like any event. */
    if (v->s.handshake != SHAKE_SLACK ||
        !tl_sv_eqs(json_text(json_gets(body, "type"), TL_SV("")), "url_verification") ||
        challenge.type != JSON_STRING || challenge.n == 0 || challenge.n > 1024)
        return false;
    text_answer(ret, 200, tl_arena_sv(a, json_view(challenge)));
    return true;
}
