/* SPDX-License-Identifier: Apache-2.0 */
/* jwt.c - RFC 7519 claims, checked as RFC 8725 asks: algorithm, issuer, audience and times, with a clock skew. */
#include "crypto/crypto_int.h"

#include <math.h>

/* A NumericDate (seconds, fraction allowed) in ms; false when the claim is there but is not one. */
static bool time_claim(struct json claims, const char *name, bool *ret_there, double *ret_ms)
{
    struct json v = json_gets(claims, name);
    double d;

    *ret_there = v.type != JSON_UNDEFINED;
    if (!*ret_there)
        return true;
    if (!json_is_number(v))
        return false;
    d = json_number(v);
    if (!isfinite(d) || d < 0 || d > 1e12)
        return false;
    *ret_ms = d * 1000.0;
    return true;
}

static enum tl_rc check_times(struct json claims, const struct crypto_jwt_rules *rules, int64_t now_ms,
                              struct tl_err *err)
{
    double exp = 0, nbf = 0, iat = 0, now = (double)now_ms, skew = (double)rules->skew_ms;
    bool has_exp, has_nbf, has_iat;

    if (!time_claim(claims, "exp", &has_exp, &exp) || !time_claim(claims, "nbf", &has_nbf, &nbf) ||
        !time_claim(claims, "iat", &has_iat, &iat))
        return tl_fail(err, TL_PARSE, "exp, nbf or iat of the token is not a number of seconds");
    if (!has_exp && !rules->exp_optional)
        return tl_fail(err, TL_AUTH, "the token has no exp");
    if (has_exp && now >= exp + skew)
        return tl_fail(err, TL_AUTH, "the token expired %.0f s ago", (now - exp) / 1000.0);
    if (has_nbf && now < nbf - skew)
        return tl_fail(err, TL_AUTH, "the token is valid only in %.0f s: compare the clocks", (nbf - now) / 1000.0);
    if (has_iat && now < iat - skew)
        return tl_fail(err, TL_AUTH, "the token was issued %.0f s in the future: compare the clocks",
                       (iat - now) / 1000.0);
    if (rules->max_age_ms > 0 && (!has_iat || now > iat + (double)rules->max_age_ms + skew))
        return tl_fail(err, TL_AUTH, "the token is older than allowed, or does not say when it was issued");
    return TL_OK;
}

static bool any_of(struct json v, const struct tl_sv *list, size_t n)
{
    for (size_t i = 0; v.type == JSON_STRING && i < n; i++) {
        if (tl_sv_eq(json_view(v), list[i]))
            return true;
    }
    return false;
}

static enum tl_rc check_parties(struct json claims, const struct crypto_jwt_rules *rules, struct tl_err *err)
{
    struct json aud = json_gets(claims, "aud");
    bool ok = any_of(aud, rules->audiences, rules->n_audiences);

    if (rules->n_issuers > 0 && !any_of(json_gets(claims, "iss"), rules->issuers, rules->n_issuers))
        return tl_fail(err, TL_AUTH, "the token's iss is not an issuer that is trusted here");
    for (uint32_t i = 0; aud.type == JSON_ARRAY && i < aud.n && !ok; i++)
        ok = any_of(aud.u.items[i], rules->audiences, rules->n_audiences);
    if (rules->n_audiences > 0 && !ok)
        return tl_fail(err, TL_AUTH, "the token's aud does not name us");
    return TL_OK;
}

static enum tl_rc check_header(const struct crypto_jws *jws, const struct crypto_jwt_rules *rules, struct tl_err *err)
{
    struct tl_sv typ = json_text(json_gets(jws->header, "typ"), TL_SV(""));
    bool ok = rules->n_algs == 0;

    for (size_t i = 0; i < rules->n_algs; i++)
        ok = ok || rules->algs[i] == jws->alg;
    if (!ok)
        return tl_fail(err, TL_AUTH, "the token is signed with %s, which is not allowed here",
                       crypto_alg_name(jws->alg));
    if (tl_sv_starts_i(typ, TL_SV("application/")))
        typ = tl_sv_from(typ, 12); /* RFC 7515 4.1.9 */
    if (rules->type.n > 0 && !tl_sv_eqi(typ, rules->type))
        return tl_fail(err, TL_AUTH, "the token is not of type %.*s", TL_SV_ARG(rules->type));
    return TL_OK;
}

enum tl_rc crypto_jwt_verify(const struct crypto *c, struct tl_arena *a, struct tl_sv token,
                             const struct crypto_keys *keys, const struct crypto_jwt_rules *rules, int64_t now_ms,
                             struct crypto_jwt *ret, struct tl_err *err)
{
    struct json_limits limits = {.max_bytes = CRYPTO_MAX_JWS, .max_depth = 64};
    struct crypto_jws jws;
    struct json claims = JSON_NOTHING;
    enum tl_rc rc = crypto_jws_verify(c, a, token, keys, TL_SV_NULL, &jws, err);

    if (rc == TL_OK)
        rc = check_header(&jws, rules, err);
    if (rc != TL_OK)
        return rc;
    /* RFC 7797 section 7: a JWT never has an unencoded payload. */
    if (json_gets(jws.header, "b64").type != JSON_UNDEFINED)
        return tl_fail(err, TL_PARSE, "a JWT must not use the header \"b64\"");
    if (json_parse(a, jws.payload, 0, &limits, &claims, NULL) != TL_OK || claims.type != JSON_OBJECT)
        return tl_fail(err, TL_PARSE, "the claims of the token are not a JSON object");
    rc = check_times(claims, rules, now_ms, err);
    if (rc == TL_OK)
        rc = check_parties(claims, rules, err);
    if (rc != TL_OK)
        return rc;
    *ret = (struct crypto_jwt){.header = jws.header, .claims = claims, .key = jws.key};
    return TL_OK;
}

enum tl_rc crypto_jwt_sign(const struct crypto *c, const struct crypto_key *k, enum crypto_alg alg, struct tl_sv kid,
                           struct tl_sv typ, struct json claims, struct tl_buf *out, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(64 * 1024);
    TL_CLEANUP(tl_buf_done) struct tl_buf header = {0}, payload = {0};
    struct json_builder b;
    bool ok;

    tl_buf_init(&header, 8 * 1024);
    tl_buf_init(&payload, CRYPTO_MAX_JWS / 2);
    json_object_begin(&b, a, 3);
    ok = json_adds(&b, "alg", json_str(crypto_alg_name(alg))) && (typ.n == 0 || json_adds(&b, "typ", json_sv(typ))) &&
         (kid.n == 0 || json_adds(&b, "kid", json_sv(kid)));
    if (!ok || !json_write(&header, json_end(&b), 0) || !json_write(&payload, claims, 0))
        return tl_fail(err, TL_LIMIT, "the token is too large");
    return crypto_jws_sign(c, k, alg, tl_buf_view(&header), tl_buf_view(&payload), out, err);
}
