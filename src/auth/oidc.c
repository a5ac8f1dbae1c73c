/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oidc.c - OpenID Connect Core 1.0, the code flow: what the issuer publishes (Discovery 1.0), the ID token and its
 * keys. Invariant: nothing that the browser brings decides where we ask or which keys count; the configured issuer
 * does.
 */
#include <stdio.h>

#include "auth/auth_int.h"

enum { KEEP_MS = 600000, KEYS_AGAIN_MS = 10000, DOC_MAX = 1 << 20, TIMEOUT_MS = 15000, SKEW_MS = 60000 };

static const char who[] = "sign-in";

struct auth_oidc {
    struct auth_world w;
    const struct auth_oidc_conf *conf;
    struct async_mutex asking;
    struct auth_conf client; /* of `a`; its addresses are ours */
    struct auth *a;          /* NULL: nothing was fetched so far */
    char *token_url, *authorize_url, *jwks_url;
    struct crypto_keys *keys;
    bool says_iss;             /* its answers name the issuer (RFC 9207) */
    uint64_t read_ms, keys_ms; /* monotonic */
};

struct auth_oidc *auth_oidc_new(const struct auth_world *world, const struct auth_oidc_conf *conf)
{
    struct auth_oidc *o = tl_zalloc(sizeof(*o));

    o->w = *world;
    o->w.disk = (struct auth_disk){.put = NULL}; /* whose tokens these are, is nobody's business afterwards */
    o->w.book = NULL;
    o->conf = conf;
    return o;
}

static void forget(struct auth_oidc *o)
{
    auth_freep(&o->a);
    tl_freep(&o->token_url);
    tl_freep(&o->authorize_url);
    tl_freep(&o->jwks_url);
    crypto_keys_unref(o->keys);
    o->keys = NULL;
    o->read_ms = o->keys_ms = 0;
}

void auth_oidc_free(struct auth_oidc *o)
{
    if (o == NULL)
        return;
    forget(o);
    tl_wipe(&o->w.seal, sizeof(o->w.seal));
    tl_free(o);
}

/* ---- what the issuer publishes ---- */
static enum tl_rc fetch(struct task *t, struct auth_oidc *o, struct tl_arena *arena, const char *url, struct json *ret,
                        struct tl_err *err)
{
    const struct http_header headers[] = {{TL_SV("accept"), TL_SV("application/json")}};
    const struct http_request_out out = {.method = TL_SV("GET"),
                                         .url = tl_sv_str(url),
                                         .headers = headers,
                                         .n_headers = 1,
                                         .timeout_ms = TIMEOUT_MS,
                                         .max_body = DOC_MAX};
    struct http_reply reply = {.status = 0};
    enum tl_rc rc = o->w.http.call(t, o->w.http.arg, &out, arena, &reply, err);

    if (rc != TL_OK)
        return rc == TL_CANCELED ? rc : tl_err_prefix(err, "%s: %.200s", who, url);
    if (reply.status != 200)
        return tl_fail(err, TL_UPSTREAM, "%s: %.200s answered HTTP %d", who, url, reply.status);
    if (json_parse(arena, reply.body, 0, NULL, ret, NULL) != TL_OK || ret->type != JSON_OBJECT)
        return tl_fail(err, TL_UPSTREAM, "%s: %.200s is not JSON", who, url);
    return TL_OK;
}

static bool is_here(struct tl_sv host)
{
    return tl_sv_eqs(host, "127.0.0.1") || tl_sv_eqs(host, "::1") || tl_sv_eqi(host, TL_SV("localhost"));
}

/* What carries secrets goes over TLS, or does not leave the machine. */
static enum tl_rc take_url(struct json doc, const char *name, char **ret, struct tl_err *err)
{
    struct tl_sv text = json_text(json_gets(doc, name), TL_SV(""));
    struct http_url u;

    if (text.n == 0 || text.n > 2000 || http_url_parse(text, &u, NULL) != TL_OK || u.userinfo.p != NULL)
        return tl_fail(err, TL_CONFIG, "%s: the issuer publishes no usable %s", who, name);
    if (!u.tls && !is_here(u.host))
        return tl_fail(err, TL_CONFIG, "%s: the issuer's %s is not https", who, name);
    *ret = tl_strndup(text.p, text.n);
    return TL_OK;
}

static enum tl_rc read_issuer(struct auth_oidc *o, struct json doc, struct tl_err *err)
{
    const struct auth_oidc_conf *c = o->conf;
    struct auth_world w = o->w;
    enum tl_rc rc;

    /* Discovery 4.3: exactly the issuer that was asked for, or another could speak for it. */
    if (!tl_sv_eqs(json_text(json_gets(doc, "issuer"), TL_SV("")), c->issuer))
        return tl_fail(err, TL_CONFIG, "%s: the issuer calls itself otherwise than `issuer` in the configuration", who);
    forget(o);
    rc = take_url(doc, "authorization_endpoint", &o->authorize_url, err);
    if (rc == TL_OK)
        rc = take_url(doc, "token_endpoint", &o->token_url, err);
    if (rc == TL_OK)
        rc = take_url(doc, "jwks_uri", &o->jwks_url, err);
    o->client = (struct auth_conf){.authorize_url = o->authorize_url,
                                   .token_url = o->token_url,
                                   .scope = c->scope != NULL ? c->scope : "openid profile email",
                                   .client_id = c->client_id,
                                   .client_secret = c->client_secret,
                                   .client_auth = c->secret_in_form ? CLIENT_SECRET_POST : CLIENT_SECRET_BASIC};
    if (rc == TL_OK)
        rc = auth_new(&w, who, "oauth2_authorization_code", &o->client, NULL, &o->a, err);
    if (rc == TL_OK) {
        struct json says = json_gets(doc, "authorization_response_iss_parameter_supported");

        o->says_iss = says.type == JSON_BOOL && says.u.b;
        o->a->wants_id = true;
        o->read_ms = tl_clock_mono_ms(o->w.clock);
    }
    return rc;
}

static enum tl_rc know_issuer(struct task *t, struct auth_oidc *o, struct tl_arena *arena, struct tl_err *err)
{
    const char *slash = o->conf->issuer[strlen(o->conf->issuer) - 1] == '/' ? "" : "/";
    struct json doc;
    enum tl_rc rc;

    if (o->a != NULL && tl_clock_mono_ms(o->w.clock) - o->read_ms < KEEP_MS)
        return TL_OK;
    rc = fetch(t, o, arena, tl_arena_printf(arena, "%s%s.well-known/openid-configuration", o->conf->issuer, slash),
               &doc, err);
    return rc == TL_OK ? read_issuer(o, doc, err) : rc;
}

static enum tl_rc know_keys(struct task *t, struct auth_oidc *o, struct tl_arena *arena, uint64_t older_than_ms,
                            struct tl_err *err)
{
    struct crypto_keys *fresh;
    struct json doc;
    enum tl_rc rc;

    if (o->keys != NULL && tl_clock_mono_ms(o->w.clock) - o->keys_ms < older_than_ms)
        return TL_OK;
    rc = fetch(t, o, arena, o->jwks_url, &doc, err);
    if (rc == TL_OK)
        rc = crypto_keys_from_json(o->w.crypto, doc, &fresh, err);
    if (rc != TL_OK)
        return rc;
    crypto_keys_unref(o->keys);
    o->keys = fresh;
    o->keys_ms = tl_clock_mono_ms(o->w.clock);
    return TL_OK;
}

/* ---- there ---- */
enum tl_rc auth_oidc_begin(struct task *t, struct auth_oidc *o, struct tl_arena *arena, struct auth_oidc_attempt *ret,
                           struct tl_err *err)
{
    enum tl_rc rc = async_lock(t, &o->asking, err);
    TL_CLEANUP(tl_buf_done) struct tl_buf nonce = {0};
    uint8_t raw[32];

    if (rc != TL_OK)
        return rc;
    rc = know_issuer(t, o, arena, err);
    if (rc == TL_OK)
        rc = auth_code_begin(o->a, arena, tl_sv_str(o->conf->redirect_uri), &ret->code, err);
    async_unlock(&o->asking);
    if (rc != TL_OK)
        return rc;
    tl_random(raw, sizeof(raw));
    tl_buf_init(&nonce, 64);
    (void)tl_base64url_encode(&nonce, raw, sizeof(raw));
    (void)snprintf(ret->nonce, sizeof(ret->nonce), "%.*s", (int)nonce.n, nonce.p);
    ret->code.url = tl_sv_str(tl_arena_printf(arena, "%.*s&nonce=%s", TL_SV_ARG(ret->code.url), ret->nonce));
    return TL_OK;
}

/* ---- and back ---- */
/* Core 3.1.3.7, what the rules of a JWT do not cover: nonce, and for whom among several it was issued. */
static enum tl_rc check_claims(const struct auth_oidc *o, const struct auth_oidc_attempt *attempt, struct json claims,
                               struct tl_err *err)
{
    struct json azp = json_gets(claims, "azp"), aud = json_gets(claims, "aud");

    if (!tl_sv_eq_secret(json_text(json_gets(claims, "nonce"), TL_SV("")), tl_sv_str(attempt->nonce)))
        return tl_fail(err, TL_AUTH, "%s: the ID token belongs to another attempt (nonce); start again", who);
    if (azp.type != JSON_UNDEFINED && !tl_sv_eqs(json_text(azp, TL_SV("")), o->conf->client_id))
        return tl_fail(err, TL_AUTH, "%s: the ID token was issued to another client (azp)", who);
    if (aud.type == JSON_ARRAY && aud.n > 1 && azp.type == JSON_UNDEFINED)
        return tl_fail(err, TL_AUTH, "%s: the ID token is for several and does not say to whom it was issued", who);
    if (json_text(json_gets(claims, "sub"), TL_SV("")).n == 0)
        return tl_fail(err, TL_AUTH, "%s: the ID token names nobody (sub)", who);
    return TL_OK;
}

static enum tl_rc verify(struct task *t, struct auth_oidc *o, struct tl_arena *arena,
                         const struct auth_oidc_attempt *attempt, struct tl_sv token, struct json *ret,
                         struct tl_err *err)
{
    static const enum crypto_alg algs[] = {CRYPTO_RS256, CRYPTO_RS384, CRYPTO_RS512, CRYPTO_PS256, CRYPTO_PS384,
                                           CRYPTO_PS512, CRYPTO_ES256, CRYPTO_ES384, CRYPTO_ES512, CRYPTO_EDDSA};
    const struct tl_sv issuer = tl_sv_str(o->conf->issuer), audience = tl_sv_str(o->conf->client_id);
    const struct crypto_jwt_rules rules = {.algs = algs,
                                           .n_algs = TL_COUNT(algs),
                                           .issuers = &issuer,
                                           .n_issuers = 1,
                                           .audiences = &audience,
                                           .n_audiences = 1,
                                           .skew_ms = SKEW_MS,
                                           .max_age_ms = KEEP_MS};
    struct crypto_jwt jwt;
    enum tl_rc rc = know_keys(t, o, arena, KEEP_MS, err);

    if (rc != TL_OK)
        return rc;
    rc = crypto_jwt_verify(o->w.crypto, arena, token, o->keys, &rules, tl_clock_wall_ms(o->w.clock), &jwt, err);
    if (rc == TL_AUTH && tl_clock_mono_ms(o->w.clock) - o->keys_ms >= KEYS_AGAIN_MS) { /* they may have been rotated */
        rc = know_keys(t, o, arena, 0, err);
        if (rc == TL_OK)
            rc = crypto_jwt_verify(o->w.crypto, arena, token, o->keys, &rules, tl_clock_wall_ms(o->w.clock), &jwt, err);
    }
    if (rc != TL_OK)
        return tl_err_prefix(err, "%s: the ID token", who);
    *ret = jwt.claims;
    return check_claims(o, attempt, jwt.claims, err);
}

enum tl_rc auth_oidc_finish(struct task *t, struct auth_oidc *o, struct tl_arena *arena,
                            const struct auth_oidc_attempt *attempt, struct tl_sv query, struct json *ret_claims,
                            struct tl_err *err)
{
    struct auth_token token = {.access = NULL};
    struct tl_sv iss = TL_SV_NULL;
    struct json claims;
    enum tl_rc rc = async_lock(t, &o->asking, err);

    if (rc != TL_OK)
        return rc;
    rc = know_issuer(t, o, arena, err);
    /* RFC 9207 2.4: an answer of another server than the one that was asked is a mix-up attack; so is one that names
     * none where the server says that it always does. */
    if (rc == TL_OK && http_query_get(query, TL_SV("iss"), arena, &iss, NULL) == TL_OK &&
        (iss.n > 0 ? !tl_sv_eqs(iss, o->conf->issuer) : o->says_iss))
        rc = tl_fail(err, TL_INVALID, "%s: the answer comes from another issuer; start again", who);
    if (rc == TL_OK)
        rc = auth__code_exchange(t, o->a, arena, &attempt->code, tl_sv_str(o->conf->redirect_uri), query, &token, err);
    if (rc == TL_OK && token.id == NULL)
        rc = tl_fail(err, TL_UPSTREAM, "%s: the token endpoint gave no ID token: ask for the scope openid", who);
    if (rc == TL_OK)
        rc = verify(t, o, arena, attempt, secret_view(token.id), &claims, err);
    async_unlock(&o->asking);
    auth__token_done(&token);
    if (rc == TL_OK)
        *ret_claims = claims;
    return rc;
}
