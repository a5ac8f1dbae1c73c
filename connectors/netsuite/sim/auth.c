/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.c - who is it: OAuth 2.0 bearer tokens (client credentials with a certificate, authorization code with PKCE) and
 * OAuth 1.0a (TBA), all of it verified. As with the vendor, a client learns only that the login failed; the reason
 * stands in the audit trail. Five failures within half an hour lock the login for half an hour.
 */
#include "netsuite/sim/sim_int.h"

#include <stdio.h>

enum { LOCK_MINUTES = 30, PARAMS = 40 };
#define MINUTE_NS UINT64_C(60000000000)

/* ---- refusing ---- */

void nsim_note(struct nsim *s, const char *reason)
{
    char at[TL_TIME_TEXT];
    size_t i = s->n_audit++ % NSIM_AUDIT;

    tl_free(s->audit[i]);
    s->audit[i] = tl_sprintf("%s %s", tl_time_format(nsim_now_ms(s), at), reason);
    s->counts.logins_failed++;
}

static bool is_locked(const struct nsim *s)
{
    uint64_t now = tl_clock_mono_ns(s->clock), oldest = s->failures[TL_COUNT(s->failures) - 1];

    return s->opt.lockout && oldest != 0 && now - oldest < LOCK_MINUTES * MINUTE_NS;
}

static void count_failure(struct nsim *s)
{
    memmove(&s->failures[1], &s->failures[0], sizeof s->failures - sizeof s->failures[0]);
    s->failures[0] = tl_clock_mono_ns(s->clock);
}

void nsim_login_failed(struct nsim *s, struct http_req *req, struct http_res *res, enum nsim_channel channel,
                       const char *reason)
{
    struct nsim_fault f;

    nsim_note(s, reason);
    if (channel == NSIM_SOAP) {
        nsim_soap_fault(req, res, "invalidCredentialsFault", "INVALID_LOGIN_CREDENTIALS", "Invalid login attempt.");
        return;
    }
    if (channel == NSIM_RESTLET) {
        http_res_set(res, 401, "application/json",
                     TL_SV("{\"error\":{\"code\":\"INVALID_LOGIN_ATTEMPT\",\"message\":\"Invalid login attempt.\"}}"));
        return;
    }
    (void)nsim_wrong(&f, 401, "INVALID_LOGIN", NULL, TL_SV_NULL,
                     "Invalid login attempt. For more details, see the Login Audit Trail in the NetSuite UI.");
    nsim_refuse(req, res, &f);
    (void)http_res_header(res, TL_SV("WWW-Authenticate"),
                          tl_sv_str(tl_arena_printf(req->arena,
                                                    "Bearer realm=\"%s\", error=\"invalid_token\", "
                                                    "error_description=\"Invalid login attempt.\"",
                                                    s->opt.account)),
                          NULL);
}

static bool refuse(struct nsim *s, struct http_req *req, struct http_res *res, enum nsim_channel channel,
                   const char *reason)
{
    count_failure(s);
    nsim_login_failed(s, req, res, channel, reason);
    return false;
}

bool nsim_may(const struct nsim *s, const struct nsim_type *type)
{
    struct tl_sv rest = tl_sv_str(s->opt.deny), one;

    while (rest.n > 0 && tl_sv_cut(&rest, ',', &one))
        if (tl_sv_eqs(one, type->name))
            return false;
    return true;
}

/* ---- OAuth 1.0a ---- */

bool nsim_signed(struct nsim *s, struct tl_arena *a, struct tl_sv base, struct tl_sv signature)
{
    struct tl_sv ours;

    return auth_oauth1_signature(s->crypto, a, AUTH_HMAC_SHA256, base, tl_sv_str(s->opt.consumer_secret),
                                 tl_sv_str(s->opt.revoke ? s->opt.next_token_secret : s->opt.token_secret), &ours,
                                 NULL) == TL_OK &&
           tl_sv_eq_secret(ours, signature);
}

const char *nsim_fresh(struct nsim *s, struct tl_sv nonce, struct tl_sv timestamp)
{
    int64_t at, now = nsim_now_ms(s) / 1000;
    bool fresh;

    if (!tl_sv_i64(timestamp, &at) || at > now + NSIM_SKEW_S || at < now - NSIM_SKEW_S)
        return "InvalidTimestamp";
    if (nonce.n < 6 || nonce.n > 64)
        return "nonce_rejected";
    for (size_t i = 0; i < nonce.n; i++)
        if (!((nonce.p[i] >= '0' && nonce.p[i] <= '9') || (nonce.p[i] >= 'a' && nonce.p[i] <= 'z') ||
              (nonce.p[i] >= 'A' && nonce.p[i] <= 'Z')))
            return "nonce_rejected";
    (void)connector_sim_set_at(&s->nonces, tl_hash64(nonce.p, nonce.n, (uint64_t)at), &fresh);
    return fresh ? NULL : "nonce_used";
}

struct oauth { /* the parameters of the header */
    struct auth_pair signed_[PARAMS];
    size_t n;
    struct tl_sv realm, signature;
};

static bool decoded(struct tl_arena *a, struct tl_sv s, struct tl_sv *ret)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 8192);
    if (!tl_percent_decode(&b, s, false))
        return false;
    *ret = b.n > 0 ? tl_arena_sv(a, tl_buf_view(&b)) : TL_SV("");
    return true;
}

/* RFC 5849 3.5.1: name="value" by comma. */
static bool read_header(struct tl_arena *a, struct tl_sv rest, struct oauth *o)
{
    struct tl_sv part;

    while (tl_sv_cut(&rest, ',', &part)) {
        struct tl_sv name, value;
        size_t eq;

        part = tl_sv_trim(part);
        eq = tl_sv_find(part, '=');
        if (eq + 2 >= part.n || part.p[eq + 1] != '"' || part.p[part.n - 1] != '"' || o->n == PARAMS)
            return false;
        if (!decoded(a, tl_sv(part.p, eq), &name) || !decoded(a, tl_sv(part.p + eq + 2, part.n - eq - 3), &value))
            return false;
        if (tl_sv_eqs(name, "realm"))
            o->realm = value;
        else if (tl_sv_eqs(name, "oauth_signature"))
            o->signature = value;
        else
            o->signed_[o->n++] = (struct auth_pair){name, value};
    }
    return true;
}

static struct tl_sv param(const struct oauth *o, const char *name)
{
    for (size_t i = 0; i < o->n; i++)
        if (tl_sv_eqs(o->signed_[i].name, name))
            return o->signed_[i].value;
    return TL_SV("");
}

/* NULL, or the reason as the vendor's audit trail has it. */
static const char *check_tba(struct nsim *s, struct http_req *req, struct tl_sv header)
{
    struct oauth *o = tl_arena_zalloc(req->arena, sizeof *o);
    const char *stale;
    struct tl_sv base, url;

    if (!o || !read_header(req->arena, header, o))
        return "parameter_rejected";
    if (!tl_sv_eqs(o->realm, s->opt.account))
        return "realm is not the account id (upper case, with _)";
    for (size_t i = 0; i < o->n; i++)
        if (!tl_sv_starts(o->signed_[i].name, TL_SV("oauth_")))
            return "parameter_rejected";
    if (!tl_sv_eqs(param(o, "oauth_signature_method"), "HMAC-SHA256"))
        return "UnknownAlgorithm";
    if (!tl_sv_eqs(param(o, "oauth_version"), "1.0"))
        return "VersionRejected";
    if (!tl_sv_eqs(param(o, "oauth_consumer_key"), s->opt.consumer_key))
        return "consumer_key_unknown";
    if (!tl_sv_eqs(param(o, "oauth_token"), s->opt.revoke ? s->opt.next_token : s->opt.token))
        return "token_rejected";
    url = tl_sv_str(tl_arena_printf(req->arena, "%.*s%.*s", TL_SV_ARG(nsim_base(req)), TL_SV_ARG(req->target)));
    if (auth_oauth1_base(req->arena, req->method_text, url, o->signed_, o->n, &base, NULL) != TL_OK ||
        !nsim_signed(s, req->arena, base, o->signature))
        return "InvalidSignature";
    stale = nsim_fresh(s, param(o, "oauth_nonce"), param(o, "oauth_timestamp"));
    return stale;
}

/* ---- bearer tokens ---- */

static const char *check_bearer(struct nsim *s, struct http_req *req, struct tl_sv token)
{
    static const enum crypto_alg hs256 = CRYPTO_HS256;
    const struct crypto_jwt_rules rules = {.algs = &hs256, .n_algs = 1};
    struct crypto_jwt jwt;
    int64_t generation = -1;

    if (crypto_jwt_verify(s->crypto, req->arena, token, s->token_keys, &rules, nsim_now_ms(s), &jwt, NULL) != TL_OK)
        return "the access token is not ours or has expired";
    if (!json_int64(json_gets(jwt.claims, "generation"), &generation) || (uint64_t)generation != s->token_generation)
        return "the access token was revoked";
    return NULL;
}

bool nsim_login(struct nsim *s, struct http_req *req, struct http_res *res, enum nsim_channel channel)
{
    struct tl_sv header = http_req_header(req, "authorization");
    const char *reason = "no credentials";

    if (s->opt.expire) { /* a switch that goes back by itself: all tokens given out so far are void */
        s->opt.expire = false;
        s->token_generation++;
    }
    if (is_locked(s)) {
        nsim_login_failed(s, req, res, channel, "temporary_locked");
        return false;
    }
    if (channel == NSIM_SOAP) { /* a token of OAuth 2.0 is worth nothing here */
        reason = nsim_soap_passport(s, req);
        return reason ? refuse(s, req, res, channel, reason) : true;
    }
    if (tl_sv_starts_i(header, TL_SV("Bearer ")))
        reason = check_bearer(s, req, tl_sv_trim(tl_sv_from(header, 7)));
    else if (tl_sv_starts_i(header, TL_SV("OAuth ")))
        reason = check_tba(s, req, tl_sv_trim(tl_sv_from(header, 6)));
    if (reason && tl_sv_starts_i(header, TL_SV("Bearer "))) { /* an expired token is no attack */
        nsim_login_failed(s, req, res, channel, reason);
        return false;
    }
    return reason ? refuse(s, req, res, channel, reason) : true;
}
