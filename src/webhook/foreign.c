/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreign.c - proofs by keys of the sender's own: JWT (JWK sets), SNS and PayPal (certificates), client certificates.
 * Invariant: which key may prove something is decided by the configuration and by hosts written here, never by the
 * request: it names a certificate, and that is fetched from its vendor's host or not at all.
 */
#include <stdio.h>
#include <zlib.h>

#include "http/url.h"
#include "webhook/webhook_int.h"

enum { MAX_TOKEN = 16384, MAX_SNS = 1 << 20 };

bool webhook__is_foreign(enum webhook_proof p)
{
    return p == PROOF_JWT || p == PROOF_SNS || p == PROOF_PAYPAL || p == PROOF_PEER || p == PROOF_OUTBOUND;
}

/* ---- making ---- */

static struct tl_sv keep(struct webhook_verifier *v, const char *s)
{
    return s != NULL ? tl_sv_str(tl_arena_strdup(v->arena, s)) : TL_SV_NULL;
}

static size_t keep_list(struct webhook_verifier *v, const struct config_list *list, struct tl_sv **ret)
{
    *ret = tl_arena_must(v->arena, (list->n + 1) * sizeof(**ret));
    for (size_t i = 0; i < list->n; i++)
        (*ret)[i] = keep(v, *CONFIG_AT(*list, char *, i));
    return list->n;
}

static void add_claim(struct webhook_verifier *v, const char *name, const char *value)
{
    v->claim_names[v->n_claims] = keep(v, name);
    v->claim_values[v->n_claims++] = keep(v, value);
}

static bool is_hmac(enum crypto_alg a)
{
    return a == CRYPTO_HS256 || a == CRYPTO_HS384 || a == CRYPTO_HS512;
}

static enum tl_rc take_algs(struct webhook_verifier *v, const struct webhook_conf *conf, bool *ret_hmac,
                            struct tl_err *err)
{
    static const enum crypto_alg named[] = {CRYPTO_RS256, CRYPTO_PS256, CRYPTO_ES256, CRYPTO_EDDSA,
                                            CRYPTO_HS256, CRYPTO_RS384, CRYPTO_RS512, CRYPTO_ES384};

    for (size_t i = 0; i < conf->algs.n && i < TL_COUNT(v->algs); i++)
        v->algs[v->n_algs++] = named[*CONFIG_AT(conf->algs, int, i)];
    if (v->n_algs == 0)
        v->algs[v->n_algs++] = CRYPTO_RS256;
    *ret_hmac = is_hmac(v->algs[0]);
    for (size_t i = 1; i < v->n_algs; i++) {
        if (is_hmac(v->algs[i]) != *ret_hmac)
            return tl_fail(err, TL_CONFIG,
                           "`alg` mixes HS256 with algorithms of public keys: who knows the public key "
                           "could sign with it as a shared secret");
    }
    return TL_OK;
}

static enum tl_rc check_kind(const struct webhook_verifier *v, const struct crypto_key *key, struct tl_err *err)
{
    for (size_t i = 0; i < v->n_algs; i++) {
        if (crypto_key_fits(key, v->algs[i]))
            return TL_OK;
    }
    return tl_fail(err, TL_CONFIG, "%s cannot verify %s: give the key that the sender signs with, or set `alg`",
                   crypto_key_kind(key), crypto_alg_name(v->algs[0]));
}

/* Configured keys, from the `secret` list. */
static enum tl_rc own_keys(struct webhook_verifier *v, bool hmac, struct tl_err *err)
{
    struct crypto_key *keys[16] = {NULL};
    enum tl_rc rc = TL_OK;
    size_t n = 0;

    for (size_t i = 0; i < v->n_keys; i++)
        if (v->keys[i].value.p == NULL) /* being checked */
            return TL_OK;
    for (; n < v->n_keys && n < TL_COUNT(keys) && rc == TL_OK; n++)
        rc = hmac ? crypto_key_from_secret(v->crypto, v->keys[n].value, v->algs[0], &keys[n], err)
                  : crypto_key_from_pem(v->crypto, v->keys[n].value, TL_SV_NULL, &keys[n], err);
    if (rc == TL_OK)
        v->own_keys = crypto_keys_of(keys, n);
    for (size_t i = 0; i < n && !hmac && rc == TL_OK; i++)
        rc = check_kind(v, keys[i], err);
    for (size_t i = 0; i < n; i++)
        crypto_key_unref(keys[i]);
    return rc;
}

static enum tl_rc jwt_setup(struct webhook_verifier *v, const struct webhook_conf *conf, struct tl_err *err)
{
    bool hmac = false;
    enum tl_rc rc = take_algs(v, conf, &hmac, err);

    if (rc != TL_OK)
        return rc;
    v->claim_names = tl_arena_must(v->arena, (conf->claims.n + 1) * sizeof(*v->claim_names));
    v->claim_values = tl_arena_must(v->arena, (conf->claims.n + 1) * sizeof(*v->claim_values));
    for (size_t i = 0; i < conf->claims.n; i++)
        add_claim(v, conf->claims.entries[i].key, *(const char *const *)conf->claims.entries[i].value);
    if (conf->email != NULL) { /* Google Pub/Sub */
        static const char *const google[] = {"https://accounts.google.com", "accounts.google.com"};
        const struct config_list issuers = {(void *)(uintptr_t)google, 2};

        add_claim(v, "email", conf->email);
        v->n_issuers = keep_list(v, &issuers, &v->issuers);
    }
    if (conf->header != NULL) {
        v->s.families[0].signature = tl_arena_strdup(v->arena, conf->header);
        v->s.prefix = NULL;
    }
    v->jwks_url = keep(v, conf->jwks_url);
    if ((v->jwks_url.n > 0) == (v->n_keys > 0))
        return tl_fail(err, TL_CONFIG, "jwt needs either `jwks_url` or keys in `secret`");
    if (v->jwks_url.n > 0 && hmac)
        return tl_fail(err, TL_CONFIG,
                       "a JWK set holds public keys: HS256 needs a shared `secret` instead of jwks_url");
    return v->n_keys > 0 ? own_keys(v, hmac, err) : TL_OK;
}

enum tl_rc webhook__foreign_setup(struct webhook_verifier *v, const struct webhook_conf *conf, struct tl_sv certificate,
                                  struct tl_err *err)
{
    v->n_issuers = keep_list(v, &conf->issuers, &v->issuers);
    v->n_audiences = keep_list(v, &conf->audiences, &v->audiences);
    v->n_topics = keep_list(v, &conf->topics, &v->topics);
    v->n_names = keep_list(v, &conf->names, &v->names);
    v->n_organizations = keep_list(v, &conf->organizations, &v->organizations);
    v->webhook_id = keep(v, conf->webhook_id);
    v->skew_ms = conf->skew_ms;
    v->max_age_ms = conf->max_age_ms;
    v->confirm = conf->confirm;
    v->s.has_time = v->s.proof == PROOF_SNS || v->s.proof == PROOF_PAYPAL;
    if (v->s.proof == PROOF_JWT)
        return jwt_setup(v, conf, err);
    return certificate.n > 0 ? crypto_cert_from_pem(v->crypto, certificate, &v->own_cert, err) : TL_OK;
}

/* ---- what must be fetched ---- */

static struct tl_sv token_of(const struct webhook_verifier *v, const struct webhook_request *req)
{
    size_t n = 0;
    struct tl_sv value = webhook__header(req, v->s.families[0].signature, &n), prefix = tl_sv_str(v->s.prefix);

    if (n != 1 || !tl_sv_starts_i(value, prefix) || value.n > MAX_TOKEN)
        return TL_SV_NULL;
    return tl_sv_trim(tl_sv_from(value, prefix.n));
}

/* kid, unverified: it chooses among the keys of one set and nothing else. */
static struct tl_sv kid_of(struct tl_arena *a, struct tl_sv token)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json header = JSON_NOTHING;

    tl_buf_init(&b, MAX_TOKEN);
    if (!tl_base64url_decode(&b, tl_sv(token.p, tl_sv_find(token, '.'))) ||
        json_parse(a, tl_arena_sv(a, tl_buf_view(&b)), 0, NULL, &header, NULL) != TL_OK)
        return TL_SV("");
    return json_text(json_gets(header, "kid"), TL_SV(""));
}

static bool is_label(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return s.n >= 3;
}

/* sns.<region>.amazonaws.com, .com.cn: https, the default port, no user, and exactly these labels. */
static bool is_amazons(struct tl_sv text, const char *suffix)
{
    struct http_url u;
    struct tl_sv host, end;

    if (http_url_parse(text, &u, NULL) != TL_OK || !u.tls || u.port != 443 || u.userinfo.p != NULL || u.host_is_v6)
        return false;
    host = u.host;
    if (!tl_sv_starts(host, TL_SV("sns.")))
        return false;
    host = tl_sv_from(host, 4);
    end = tl_sv_from(host, tl_sv_find(host, '.'));
    if (!is_label(tl_sv(host.p, host.n - end.n)) ||
        !(tl_sv_eqs(end, ".amazonaws.com") || tl_sv_eqs(end, ".amazonaws.com.cn")))
        return false;
    return suffix == NULL || (u.query.p == NULL && u.path.n > strlen(suffix) &&
                              tl_sv_eqs(tl_sv_from(u.path, u.path.n - strlen(suffix)), suffix));
}

static bool is_paypals(struct tl_sv text)
{
    static const char *const hosts[] = {"api.paypal.com", "api.sandbox.paypal.com", "api-m.paypal.com",
                                        "api-m.sandbox.paypal.com"};
    struct http_url u;

    if (http_url_parse(text, &u, NULL) != TL_OK || !u.tls || u.port != 443 || u.userinfo.p != NULL ||
        !tl_sv_starts(u.path, TL_SV("/v1/notifications/certs/")))
        return false;
    for (size_t i = 0; i < TL_COUNT(hosts); i++) {
        if (tl_sv_eqs(u.host, hosts[i]))
            return true;
    }
    return false;
}

static bool sns_body(struct tl_arena *a, const struct webhook_request *req, struct json *ret)
{
    return req->body.n <= MAX_SNS && json_parse(a, req->body, 0, NULL, ret, NULL) == TL_OK && ret->type == JSON_OBJECT;
}

static struct tl_sv member(struct json body, const char *name)
{
    return json_text(json_gets(body, name), TL_SV_NULL);
}

bool webhook_need(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                  struct webhook_need *ret)
{
    struct json body = JSON_NOTHING;
    struct tl_sv token;
    size_t n = 0;

    *ret = (struct webhook_need){.kind = WEBHOOK_NEED_CERTIFICATE};
    if (v->s.proof == PROOF_JWT && v->own_keys == NULL) {
        token = token_of(v, req);
        *ret = (struct webhook_need){WEBHOOK_NEED_JWKS, v->jwks_url, token.n > 0 ? kid_of(a, token) : TL_SV("")};
        return token.n > 0;
    }
    if (v->s.proof == PROOF_SNS && v->own_cert == NULL && sns_body(a, req, &body)) {
        ret->url = member(body, "SigningCertURL");
        return is_amazons(ret->url, ".pem");
    }
    if (v->s.proof == PROOF_PAYPAL && v->own_cert == NULL) {
        ret->url = webhook__header(req, "paypal-cert-url", &n);
        return n == 1 && is_paypals(ret->url);
    }
    return false;
}

/* ---- JWT ---- */

static void verify_jwt(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                       int64_t now_ms, struct webhook_verdict *verdict)
{
    const struct crypto_keys *keys = v->own_keys != NULL ? v->own_keys : req->material.keys;
    const struct crypto_jwt_rules rules = {.algs = v->algs,
                                           .n_algs = v->n_algs,
                                           .issuers = v->issuers,
                                           .n_issuers = v->n_issuers,
                                           .audiences = v->audiences,
                                           .n_audiences = v->n_audiences,
                                           .skew_ms = v->skew_ms,
                                           .max_age_ms = v->max_age_ms};
    struct tl_sv value, token = token_of(v, req);
    struct json verified;
    struct crypto_jwt jwt;
    struct tl_err err = {.rc = TL_OK};

    if (!webhook__need_once(req, v->s.families[0].signature, "the token is missing",
                            "the token is there more than once", &value, verdict))
        return;
    if (token.n == 0 || keys == NULL ||
        crypto_jwt_verify(v->crypto, a, token, keys, &rules, now_ms, &jwt, &err) != TL_OK) {
        webhook__refuse(verdict, 401, "the token is not accepted", "");
        (void)snprintf(verdict->why, sizeof(verdict->why), "%.150s",
                       token.n == 0   ? "no token after the prefix, or longer than 16 KB"
                       : keys == NULL ? "no keys"
                                      : err.text);
        return;
    }
    for (size_t i = 0; i < v->n_claims; i++) {
        if (tl_sv_eq(json_text(json_get(jwt.claims, v->claim_names[i]), TL_SV_NULL), v->claim_values[i]))
            continue;
        webhook__refuse(verdict, 401, "the token is not accepted", "");
        (void)snprintf(verdict->why, sizeof(verdict->why), "the claim %.60s is not the one configured",
                       v->claim_names[i].p);
        return;
    }
    verified = json_gets(jwt.claims, "email_verified");
    if (strcmp(v->s.name, "google_pubsub") == 0 && !(verified.type == JSON_BOOL && verified.u.b)) {
        webhook__refuse(verdict, 401, "the token is not accepted", "email_verified is not true");
        return;
    }
    verdict->ok = true;
}

/* ---- certificates ---- */

static bool check_cert(const struct webhook_verifier *v, const struct webhook_request *req, enum crypto_hash hash,
                       struct tl_sv text, struct tl_sv signature, int64_t now_ms, struct webhook_verdict *verdict)
{
    const struct crypto_cert *cert = v->own_cert != NULL ? v->own_cert : req->material.cert;
    TL_CLEANUP(tl_buf_done) struct tl_buf raw = {0};
    struct crypto_key *key = cert != NULL ? crypto_cert_key(cert) : NULL;
    struct tl_err err = {.rc = TL_OK};

    tl_buf_init(&raw, 4096);
    if (key == NULL) {
        webhook__refuse(verdict, 401, "the signature does not match", "no certificate of the vendor's host is named");
        return false;
    }
    if (crypto_cert_check(cert, now_ms, &err) == TL_OK && signature.n <= 2048 && tl_base64_decode(&raw, signature) &&
        crypto_key_verify_rsa(v->crypto, key, hash, text, tl_buf_view(&raw), &err) == TL_OK)
        return true;
    webhook__refuse(verdict, 401, "the signature does not match", "");
    (void)snprintf(verdict->why, sizeof(verdict->why), "%.150s",
                   err.rc != TL_OK ? err.text : "the signature is not base64");
    return false;
}

/* Name, line feed, value, line feed; a member that is not there is left out (Subject). */
struct tl_sv webhook__sns_text(struct tl_arena *a, struct json body)
{
    static const char *const notification[] = {"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"};
    static const char *const confirmation[] = {"Message", "MessageId", "SubscribeURL", "Timestamp",
                                               "Token",   "TopicArn",  "Type"};
    bool event = tl_sv_eqs(member(body, "Type"), "Notification");
    const char *const *names = event ? notification : confirmation;
    size_t n = event ? TL_COUNT(notification) : TL_COUNT(confirmation);
    struct tl_sv text;
    struct tl_buf b;

    tl_buf_init(&b, MAX_SNS + 4096);
    for (size_t i = 0; i < n; i++) {
        struct tl_sv value = member(body, names[i]);

        if (value.p != NULL)
            tl_buf_printf(&b, "%s\n%.*s\n", names[i], TL_SV_ARG(value));
    }
    text = b.failed ? TL_SV_NULL : tl_arena_sv(a, tl_buf_view(&b));
    tl_buf_done(&b);
    return text;
}

static void verify_sns(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                       int64_t now_ms, struct webhook_verdict *verdict)
{
    struct json body = JSON_NOTHING;
    struct tl_sv version, topic, type;
    bool known = false, confirmation;

    if (!sns_body(a, req, &body)) {
        webhook__refuse(verdict, 400, "the body is not a message of SNS",
                        "not JSON: raw message delivery is not signed and cannot be taken");
        return;
    }
    topic = member(body, "TopicArn");
    type = member(body, "Type");
    version = member(body, "SignatureVersion");
    for (size_t i = 0; i < v->n_topics; i++)
        known = known || tl_sv_eq(topic, v->topics[i]);
    if (!known) {
        webhook__refuse(verdict, 401, "the topic is not one of ours", "TopicArn is not configured");
        return;
    }
    confirmation = tl_sv_eqs(type, "SubscriptionConfirmation");
    if (!(tl_sv_eqs(version, "1") || tl_sv_eqs(version, "2")) ||
        !(confirmation || tl_sv_eqs(type, "Notification") || tl_sv_eqs(type, "UnsubscribeConfirmation"))) {
        webhook__refuse(verdict, 400, "the body is not a message of SNS", "unknown Type or SignatureVersion");
        return;
    }
    if (!check_cert(v, req, tl_sv_eqs(version, "1") ? CRYPTO_SHA1 : CRYPTO_SHA256, webhook__sns_text(a, body),
                    member(body, "Signature"), now_ms, verdict) ||
        !webhook__check_time(v, member(body, "Timestamp"), now_ms, verdict))
        return;
    verdict->ok = true;
    verdict->no_event = !tl_sv_eqs(type, "Notification");
    if (!confirmation || !v->confirm)
        return;
    verdict->confirm_url = member(body, "SubscribeURL");
    if (!is_amazons(verdict->confirm_url, NULL)) {
        verdict->ok = false;
        webhook__refuse(verdict, 401, "the signature does not match", "SubscribeURL is not Amazon's");
    }
}

static void verify_paypal(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                          int64_t now_ms, struct webhook_verdict *verdict)
{
    static const char missing[] = "a transmission header is missing", twice[] = "a transmission header is there twice";
    struct tl_sv id, time, signature, algorithm;
    const char *text;
    unsigned long crc;

    if (!webhook__need_once(req, "paypal-transmission-id", missing, twice, &id, verdict) ||
        !webhook__need_once(req, "paypal-transmission-time", missing, twice, &time, verdict) ||
        !webhook__need_once(req, "paypal-transmission-sig", missing, twice, &signature, verdict) ||
        !webhook__need_once(req, "paypal-auth-algo", missing, twice, &algorithm, verdict))
        return;
    if (!tl_sv_eqs(algorithm, "SHA256withRSA") || tl_sv_find(id, '|') < id.n || tl_sv_find(time, '|') < time.n) {
        webhook__refuse(verdict, 401, "the signature does not match",
                        "an algorithm or a transmission id of no known form");
        return;
    }
    crc = crc32(0, (const unsigned char *)req->body.p, (unsigned)req->body.n);
    text = tl_arena_printf(a, "%.*s|%.*s|%s|%lu", TL_SV_ARG(id), TL_SV_ARG(time), v->webhook_id.p, crc);
    if (check_cert(v, req, CRYPTO_SHA256, tl_sv_str(text), signature, now_ms, verdict) &&
        webhook__check_time(v, time, now_ms, verdict))
        verdict->ok = true;
}

/* ---- mutual TLS ---- */

static void verify_peer(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                        struct webhook_verdict *verdict)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf print = {0};

    (void)a;
    if (req->peer == NULL) {
        webhook__refuse(verdict, 401, "a client certificate is needed", "the connection has no verified certificate");
        return;
    }
    tl_buf_init(&print, 128);
    tl_buf_puts(&print, "sha256:");
    tl_hex_encode(&print, req->peer->sha256, sizeof(req->peer->sha256));
    for (size_t i = 0; i < v->n_names; i++) {
        if (tl_sv_eq(v->names[i], req->peer->common_name) || tl_sv_eq(v->names[i], req->peer->san) ||
            tl_sv_eqi(v->names[i], tl_buf_view(&print))) {
            verdict->ok = true;
            return;
        }
    }
    webhook__refuse(verdict, 401, "the client certificate is not one of those expected", "");
    (void)snprintf(verdict->why, sizeof(verdict->why), "the certificate is of %.*s",
                   (int)(req->peer->subject.n < 100 ? req->peer->subject.n : 100), req->peer->subject.p);
}

void webhook__foreign_verify(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                             int64_t now_ms, struct webhook_verdict *verdict)
{
    if (v->s.proof == PROOF_JWT)
        verify_jwt(v, a, req, now_ms, verdict);
    else if (v->s.proof == PROOF_SNS)
        verify_sns(v, a, req, now_ms, verdict);
    else if (v->s.proof == PROOF_PAYPAL)
        verify_paypal(v, a, req, now_ms, verdict);
    else if (v->s.proof == PROOF_OUTBOUND && v->n_names == 0)
        verdict->ok = true; /* the rest is in the body: webhook_events */
    else
        verify_peer(v, a, req, verdict);
}
