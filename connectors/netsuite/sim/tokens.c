/* SPDX-License-Identifier: Apache-2.0 */
/* tokens.c - OAuth 2.0: the token endpoint and the page where a person agrees. */
#include "netsuite/sim/sim_int.h"

#include <stdio.h>

enum { ASSERTION_MS = 3600000 };

static void token_error(struct nsim *s, struct http_res *res, const char *code, const char *reason)
{
    bool client = strcmp(code, "invalid_client") == 0;

    nsim_note(s, reason);
    http_res_set(res, client ? 401 : 400, "application/json",
                 tl_sv_str(tl_arena_printf(res->arena, "{\"error\":\"%s\"}", code)));
    if (client)
        (void)http_res_header(res, TL_SV("WWW-Authenticate"), TL_SV("Basic realm=\"NetSuite\""), NULL);
}

static struct tl_sv form(struct http_req *req, const char *name)
{
    struct tl_sv v = TL_SV_NULL;

    return http_query_get(req->body, tl_sv_str(name), req->arena, &v, NULL) == TL_OK ? v : TL_SV_NULL;
}

static void give_token(struct nsim *s, struct http_req *req, struct http_res *res, bool refresh)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf token = {0};
    int64_t now_s = nsim_now_ms(s) / 1000;
    struct json_builder claims, b;
    char id[37];

    json_object_begin(&claims, req->arena, 8);
    (void)json_adds(&claims, "sub", json_str("1042;7"));
    (void)json_adds(&claims, "iss", json_str("https://system.netsuite.com"));
    (void)json_adds(&claims, "aud", json_str(s->opt.account));
    (void)json_adds(&claims, "iat", json_int(now_s));
    (void)json_adds(&claims, "exp", json_int(now_s + s->opt.ttl / 1000));
    (void)json_adds(&claims, "jti", json_str_copy(req->arena, tl_sv_str(tl_uuid4(id))));
    (void)json_adds(&claims, "generation", json_int((int64_t)s->token_generation));
    tl_buf_init(&token, 8192);
    if (crypto_jwt_sign(s->crypto, crypto_keys_at(s->token_keys, 0), CRYPTO_HS256, TL_SV("s.SYSTEM.2020_1"),
                        TL_SV("JWT"), json_end(&claims), &token, NULL) != TL_OK) {
        http_res_error(res, 500, "simulated", "no token can be made");
        return;
    }
    s->counts.tokens++;
    json_object_begin(&b, req->arena, 4);
    (void)json_adds(&b, "access_token", json_str_copy(req->arena, tl_buf_view(&token)));
    if (refresh)
        (void)json_adds(&b, "refresh_token", json_str("simulated-refresh-token"));
    (void)json_adds(&b, "expires_in",
                    json_printf(req->arena, "%lld", (long long)(s->opt.ttl / 1000))); /* a text, as seen */
    (void)json_adds(&b, "token_type", json_str("Bearer"));
    connector_sim_json(req, res, 200, NULL, json_end(&b));
}

static const struct nsim_certificate *certificate(const struct nsim *s, struct tl_sv kid)
{
    for (size_t i = 0; i < s->n_certificates; i++)
        if (tl_sv_eqs(kid, s->certificates[i].kid))
            return &s->certificates[i];
    return NULL;
}

static struct tl_sv kid_of(struct nsim *s, struct tl_arena *a, struct tl_sv assertion)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json header;
    struct tl_sv copy;

    (void)s;
    tl_buf_init(&b, 8192);
    assertion.n = tl_sv_find(assertion, '.');
    if (!tl_base64url_decode(&b, assertion))
        return TL_SV("");
    copy = tl_arena_sv(a, tl_buf_view(&b));
    return json_parse(a, copy, 0, NULL, &header, NULL) == TL_OK ? json_text(json_gets(header, "kid"), TL_SV(""))
                                                                : TL_SV("");
}

static bool has_scope(struct json scope)
{
    struct tl_sv rest = json_text(scope, TL_SV_NULL);
    size_t n = scope.type == JSON_ARRAY ? scope.n : 0;

    for (size_t i = 0; i < n; i++)
        if (tl_sv_eqs(json_text(scope.u.items[i], TL_SV("")), "rest_webservices"))
            return true;
    return scope.type == JSON_STRING && tl_sv_find_sv(rest, TL_SV("rest_webservices")) < rest.n;
}

/* NULL, or the error code; *ret_reason for the audit trail. */
static const char *check_assertion(struct nsim *s, struct http_req *req, const char **ret_reason)
{
    static const enum crypto_alg algs[] = {CRYPTO_PS256, CRYPTO_PS384, CRYPTO_PS512,
                                           CRYPTO_ES256, CRYPTO_ES384, CRYPTO_ES512};
    struct tl_sv assertion = form(req, "client_assertion"), issuer = tl_sv_str(s->opt.client_id);
    const struct tl_sv audience =
        tl_sv_str(tl_arena_printf(req->arena, "%.*s%.*s", TL_SV_ARG(nsim_base(req)), TL_SV_ARG(req->target)));
    const struct crypto_jwt_rules rules = {.algs = algs,
                                           .n_algs = TL_COUNT(algs),
                                           .issuers = &issuer,
                                           .n_issuers = 1,
                                           .audiences = &audience,
                                           .n_audiences = 1,
                                           .skew_ms = NSIM_SKEW_S * 1000,
                                           .max_age_ms = ASSERTION_MS};
    const struct nsim_certificate *c = certificate(s, kid_of(s, req->arena, assertion));
    struct crypto_keys *keys;
    struct tl_err err = {0};
    struct crypto_jwt jwt;
    struct crypto_key *key;
    int64_t exp = 0, iat = 0;
    enum tl_rc rc;

    *ret_reason = "kid is not the id of a certificate of this integration";
    if (!c)
        return "invalid_client";
    *ret_reason = "the certificate has expired";
    if (crypto_cert_check(c->cert, nsim_now_ms(s), NULL) != TL_OK)
        return "invalid_client";
    key = crypto_cert_key(c->cert);
    keys = crypto_keys_of(&key, 1);
    rc = crypto_jwt_verify(s->crypto, req->arena, assertion, keys, &rules, nsim_now_ms(s), &jwt, &err);
    crypto_keys_unref(keys);
    *ret_reason = tl_arena_printf(req->arena, "assertion: %s", err.text);
    if (rc != TL_OK)
        return "invalid_client";
    (void)json_int64(json_gets(jwt.claims, "exp"), &exp);
    (void)json_int64(json_gets(jwt.claims, "iat"), &iat);
    *ret_reason = "assertion: exp is more than an hour after iat";
    if (exp - iat > 3600)
        return "invalid_client";
    *ret_reason = "assertion: scope lacks rest_webservices";
    return has_scope(json_gets(jwt.claims, "scope")) ? NULL : "invalid_scope";
}

static bool is_client(struct nsim *s, struct http_req *req)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf pair = {0};
    struct tl_sv header = http_req_header(req, "authorization");
    const char *want = tl_arena_printf(req->arena, "%s:%s", s->opt.client_id, s->opt.client_secret);

    tl_buf_init(&pair, 8192);
    return tl_sv_starts_i(header, TL_SV("Basic ")) && tl_base64_decode(&pair, tl_sv_from(header, 6)) &&
           tl_sv_eq_secret(tl_buf_view(&pair), tl_sv_str(want));
}

static bool challenge_met(struct nsim *s, struct tl_sv verifier)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    uint8_t digest[CRYPTO_MAX_DIGEST];

    tl_buf_init(&b, 128);
    (void)tl_base64url_encode(&b, digest, crypto_digest(s->crypto, CRYPTO_SHA256, &verifier, 1, digest));
    return verifier.n >= 43 && verifier.n <= 128 && tl_sv_eqs(tl_buf_view(&b), s->challenge);
}

void nsim_token(struct nsim *s, struct http_req *req, struct http_res *res)
{
    struct tl_sv grant = form(req, "grant_type");
    const char *reason = NULL, *code = NULL;

    if (tl_sv_eqs(grant, "client_credentials")) {
        if (!tl_sv_eqs(form(req, "client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")) {
            token_error(s, res, "invalid_request", "client_assertion_type is missing");
            return;
        }
        code = check_assertion(s, req, &reason);
        if (code)
            token_error(s, res, code, reason);
        else
            give_token(s, req, res, false);
    } else if (tl_sv_eqs(grant, "authorization_code") || tl_sv_eqs(grant, "refresh_token")) {
        bool first = tl_sv_eqs(grant, "authorization_code");

        if (!is_client(s, req))
            token_error(s, res, "invalid_client", "client id or secret is wrong");
        else if (first ? !s->code[0] || !tl_sv_eqs(form(req, "code"), s->code) ||
                             !challenge_met(s, form(req, "code_verifier"))
                       : !tl_sv_eqs(form(req, "refresh_token"), "simulated-refresh-token"))
            token_error(s, res, "invalid_grant", "the code, its verifier or the refresh token is wrong");
        else {
            s->code[0] = '\0'; /* a code serves once */
            give_token(s, req, res, first);
        }
    } else {
        token_error(s, res, "unsupported_grant_type", "grant_type");
    }
}

/* The person agrees at once. */
void nsim_authorize(struct nsim *s, struct http_req *req, struct http_res *res)
{
    struct tl_sv state = nsim_query(req, "state"), back = nsim_query(req, "redirect_uri"),
                 challenge = nsim_query(req, "code_challenge");
    const char *at;

    if (!tl_sv_eqs(nsim_query(req, "client_id"), s->opt.client_id) || back.n == 0 || state.n < 22 || state.n > 1024 ||
        !tl_sv_eqs(nsim_query(req, "code_challenge_method"), "S256") || challenge.n != 43) {
        http_res_error(
            res, 400, "invalid_request",
            "client_id, redirect_uri, a state of 22 to 1024 characters and a challenge with S256 are needed");
        return;
    }
    (void)snprintf(s->challenge, sizeof s->challenge, "%.*s", TL_SV_ARG(challenge));
    (void)tl_id32_format(tl_random_u64(), s->code);
    at = tl_arena_printf(req->arena, "%.*s%cstate=%.*s&code=%s&role=1042&entity=7&company=%s", TL_SV_ARG(back),
                         tl_sv_find(back, '?') < back.n ? '&' : '?', TL_SV_ARG(state), s->code, s->opt.account);
    res->status = 302;
    (void)http_res_header(res, TL_SV("Location"), tl_sv_str(at), NULL);
}
