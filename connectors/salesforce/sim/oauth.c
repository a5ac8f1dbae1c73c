/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth.c - the authorization server: every grant the vendor has, verified as the vendor does: signatures of
 * assertions, client secrets, PKCE, redirect addresses. No answer has expires_in; a session ends by being idle, and
 * says so by 401.
 */
#include "salesforce/sim/sim_int.h"

#include <stdio.h>

enum { CODE_MS = 15 * 60000, ASSERTION_S = 600 };

struct code {
    char *redirect, *challenge; /* challenge NULL: no PKCE */
    char scope[200];
    uint64_t made_ns;
};
struct form {
    const struct http_req *req;
    struct http_res *res;
    struct sfsim *s;
    struct tl_sv id, secret; /* of the client */
};

void sfsim_learn_url(struct sfsim *s, const struct http_req *req)
{
    if (s->opt.instance)
        (void)snprintf(s->url, sizeof s->url, "%s", s->opt.instance);
    else
        (void)snprintf(s->url, sizeof s->url, "%s://%.*s", req->secure ? "https" : "http", TL_SV_ARG(req->authority));
}

bool sfsim_at_instance(const struct sfsim *s, const struct http_req *req)
{
    const char *host = s->opt.instance ? strstr(s->opt.instance, "://") : NULL;

    return !host || tl_sv_eqi(tl_sv_str(host + 3), req->authority);
}

/* ---- sessions ---- */

static struct tl_sv random_token(struct tl_arena *a, const char *prefix)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    uint8_t raw[48];

    tl_random(raw, sizeof raw);
    tl_buf_init(&b, 200);
    (void)tl_buf_puts(&b, prefix);
    (void)tl_base64url_encode(&b, raw, sizeof raw);
    return tl_arena_sv(a, tl_buf_view(&b));
}

static struct tl_sv new_session(struct sfsim *s, struct tl_arena *a)
{
    struct tl_sv token = random_token(a, tl_arena_printf(a, "%.15s!", s->org));
    struct sfsim_session *session = tl_zalloc(sizeof *session);

    session->seen_ns = tl_clock_mono_ns(s->clock);
    (void)tl_map_put(s->sessions, token, session);
    s->counts.tokens++;
    return token;
}

struct sfsim_session *sfsim_session_of(struct sfsim *s, const struct http_req *req)
{
    struct tl_sv value = http_req_header(req, "authorization");

    if (tl_sv_starts_i(value, TL_SV("Bearer ")))
        value = tl_sv_trim(tl_sv_from(value, 7));
    else if (tl_sv_starts_i(value, TL_SV("OAuth ")))
        value = tl_sv_trim(tl_sv_from(value, 6));
    else
        value = http_req_header(req, "x-sfdc-session");
    return sfsim_session_of_token(s, value);
}

struct sfsim_session *sfsim_session_of_token(struct sfsim *s, struct tl_sv token)
{
    uint64_t now = tl_clock_mono_ns(s->clock);
    struct sfsim_session *session = token.n > 0 ? tl_map_get(s->sessions, token) : NULL;

    if (!session || session->dead)
        return NULL;
    if (s->opt.session_ms > 0 && now - session->seen_ns > (uint64_t)s->opt.session_ms * 1000000u) {
        session->dead = true;
        return NULL;
    }
    session->seen_ns = now;
    return session;
}

void sfsim_sessions_expire(struct sfsim *s)
{
    struct tl_sv key;
    void *v;

    for (size_t i = 0; tl_map_next(s->sessions, &i, &key, &v);)
        ((struct sfsim_session *)v)->dead = true;
}

void sfsim_sessions_free(struct sfsim *s)
{
    struct tl_sv key;
    void *v;

    for (size_t i = 0; s->sessions && tl_map_next(s->sessions, &i, &key, &v);)
        tl_free(v);
    for (size_t i = 0; s->codes && tl_map_next(s->codes, &i, &key, &v);) {
        struct code *c = v;

        tl_free(c->redirect);
        tl_free(c->challenge);
        tl_free(c);
    }
    tl_map_free(s->sessions);
    tl_map_free(s->codes);
    tl_map_free(s->refresh);
}

/* ---- answers ---- */

static enum tl_rc refuse(struct form *f, const char *error, const char *text)
{
    struct json_builder b;

    json_object_begin(&b, f->req->arena, 2);
    (void)json_adds(&b, "error", json_str(error));
    (void)json_adds(&b, "error_description", json_str(text));
    connector_sim_json((struct http_req *)(uintptr_t)f->req, f->res, 400, "application/json;charset=UTF-8",
                       json_end(&b));
    return TL_OK;
}

static struct json signature(struct form *f, struct tl_sv id, struct tl_sv issued)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct crypto_hmac *mac = crypto_hmac_new(f->s->crypto, CRYPTO_SHA256, tl_sv_str(f->s->opt.client_secret));
    uint8_t sum[CRYPTO_MAX_DIGEST];
    size_t n = crypto_hmac_sum(mac, (const struct tl_sv[]){id, issued}, 2, sum);

    crypto_hmac_free(mac);
    tl_buf_init(&b, 200);
    (void)tl_base64_encode(&b, sum, n);
    return json_str_copy(f->req->arena, tl_buf_view(&b));
}

static enum tl_rc grant(struct form *f, struct tl_sv refresh, const char *scope)
{
    struct tl_arena *a = f->req->arena;
    struct json id = json_printf(a, "%s/id/%s/%s", f->s->url, f->s->org, f->s->user);
    struct json issued = json_printf(a, "%lld", (long long)tl_clock_wall_ms(f->s->clock));
    struct json_builder b;

    json_object_begin(&b, a, 10);
    (void)json_adds(&b, "access_token", json_sv(new_session(f->s, a)));
    if (refresh.n > 0)
        (void)json_adds(&b, "refresh_token", json_sv(refresh));
    (void)json_adds(&b, "signature", signature(f, json_view(id), json_view(issued)));
    (void)json_adds(&b, "scope", json_str(scope));
    (void)json_adds(&b, "instance_url", json_str(f->s->url));
    (void)json_adds(&b, "id", id);
    (void)json_adds(&b, "token_type", json_str("Bearer"));
    (void)json_adds(&b, "issued_at", issued);
    connector_sim_json((struct http_req *)(uintptr_t)f->req, f->res, 200, "application/json;charset=UTF-8",
                       json_end(&b));
    return TL_OK;
}

/* ---- the client ---- */

static struct tl_sv field(struct form *f, const char *name)
{
    struct tl_sv v;

    if (http_query_get(f->req->body, tl_sv_str(name), f->req->arena, &v, NULL) == TL_OK && v.p)
        return v;
    return TL_SV_NULL;
}

static void read_client(struct form *f)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf pair = {0};
    struct tl_sv basic = http_req_header(f->req, "authorization"), text;
    size_t colon;

    f->id = field(f, "client_id");
    f->secret = field(f, "client_secret");
    if (!tl_sv_starts_i(basic, TL_SV("Basic ")))
        return;
    tl_buf_init(&pair, 4096);
    if (!tl_base64_decode(&pair, tl_sv_from(basic, 6)))
        return;
    text = tl_arena_sv(f->req->arena, tl_buf_view(&pair));
    colon = tl_sv_find(text, ':');
    f->id = tl_sv(text.p, colon);
    f->secret = tl_sv_from(text, colon + 1);
    for (int i = 0; i < 2; i++) { /* RFC 6749 2.3.1: both are form-encoded */
        TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
        struct tl_sv *part = i ? &f->secret : &f->id;

        tl_buf_init(&b, 4096);
        if (tl_percent_decode(&b, *part, true))
            *part = tl_arena_sv(f->req->arena, tl_buf_view(&b));
    }
}

static bool is_client(struct form *f, bool needs_secret)
{
    if (!tl_sv_eqs(f->id, f->s->opt.client_id)) {
        (void)refuse(f, "invalid_client_id", "client identifier invalid");
        return false;
    }
    if ((needs_secret || f->secret.n > 0) && !tl_sv_eq_secret(f->secret, tl_sv_str(f->s->opt.client_secret))) {
        (void)refuse(f, "invalid_client", "invalid client credentials");
        return false;
    }
    return true;
}

/* ---- grants ---- */

static enum tl_rc by_password(struct form *f)
{
    if (!is_client(f, true))
        return TL_OK;
    if (!tl_sv_eqs(field(f, "username"), f->s->opt.user) ||
        !tl_sv_eq_secret(field(f, "password"), tl_sv_str(f->s->opt.password)))
        return refuse(f, "invalid_grant", "authentication failure");
    return grant(f, TL_SV_NULL, "api web full");
}

static enum tl_rc by_refresh(struct form *f)
{
    struct tl_sv old = field(f, "refresh_token"), fresh = TL_SV_NULL;

    if (!is_client(f, false))
        return TL_OK;
    if (old.n == 0 || !tl_map_get(f->s->refresh, old))
        return refuse(f, "invalid_grant", "expired access/refresh token");
    if (f->s->opt.rotate) {
        fresh = random_token(f->req->arena, "5Aep861");
        (void)tl_map_remove(f->s->refresh, old);
        (void)tl_map_put(f->s->refresh, fresh, f->s);
    }
    return grant(f, fresh, "refresh_token api");
}

static bool challenge_fits(struct form *f, const struct code *c)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv verifier = field(f, "code_verifier");
    uint8_t digest[CRYPTO_MAX_DIGEST];

    if (!c->challenge)
        return true;
    tl_buf_init(&b, 100);
    (void)tl_base64url_encode(&b, digest, crypto_digest(f->s->crypto, CRYPTO_SHA256, &verifier, 1, digest));
    return verifier.n >= 43 && verifier.n <= 128 && tl_sv_eqs(tl_buf_view(&b), c->challenge);
}

static enum tl_rc by_code(struct form *f)
{
    struct code *c = tl_map_remove(f->s->codes, field(f, "code"));
    const char *error = NULL;
    bool offline;

    if (!c)
        return refuse(f, "invalid_grant", "expired authorization code");
    if (tl_clock_mono_ns(f->s->clock) - c->made_ns > (uint64_t)CODE_MS * 1000000u)
        error = "expired authorization code";
    else if (!tl_sv_eqs(field(f, "redirect_uri"), c->redirect))
        error = "redirect_uri must match configuration";
    else if (!challenge_fits(f, c))
        error = "invalid code verifier";
    offline = strstr(c->scope, "refresh_token") || strstr(c->scope, "offline_access");
    tl_free(c->redirect);
    tl_free(c->challenge);
    tl_free(c);
    if (error)
        return refuse(f, "invalid_grant", error);
    if (!is_client(f, false))
        return TL_OK;
    if (offline) {
        struct tl_sv token = random_token(f->req->arena, "5Aep861");

        (void)tl_map_put(f->s->refresh, token, f->s);
        return grant(f, token, "refresh_token api");
    }
    return grant(f, TL_SV_NULL, "api");
}

/* simple-salesforce sends exp as a text; the vendor takes both. */
static bool time_claim(struct json v, int64_t *ret)
{
    return json_int64(v, ret) || (v.type == JSON_STRING && tl_sv_i64(json_view(v), ret));
}

static enum tl_rc by_assertion(struct form *f)
{
    static const char *const hosts[] = {"https://login.salesforce.com", "https://test.salesforce.com"};
    struct crypto_jws jws;
    struct json claims = JSON_NOTHING;
    struct tl_sv aud;
    int64_t exp = 0, now = tl_clock_wall_ms(f->s->clock) / 1000;

    if (!f->s->keys)
        return refuse(f, "invalid_grant", "the app has no certificate: start the simulator with --certificate FILE");
    if (crypto_jws_verify(f->s->crypto, f->req->arena, field(f, "assertion"), f->s->keys, TL_SV_NULL, &jws, NULL) !=
            TL_OK ||
        jws.alg != CRYPTO_RS256 || json_parse(f->req->arena, jws.payload, 0, NULL, &claims, NULL) != TL_OK)
        return refuse(f, "invalid_grant", "invalid assertion");
    if (!tl_sv_eqs(json_text(json_gets(claims, "iss"), TL_SV("")), f->s->opt.client_id))
        return refuse(f, "invalid_client_id", "client identifier invalid");
    aud = json_text(json_gets(claims, "aud"), TL_SV(""));
    if (!tl_sv_eqs(aud, hosts[0]) && !tl_sv_eqs(aud, hosts[1]) && !tl_sv_eqs(aud, f->s->url))
        return refuse(f, "invalid_grant", "audience is invalid");
    if (!time_claim(json_gets(claims, "exp"), &exp) || exp <= now || exp > now + ASSERTION_S)
        return refuse(f, "invalid_grant", "expired or too far in the future: assertion");
    if (!tl_sv_eqs(json_text(json_gets(claims, "sub"), TL_SV("")), f->s->opt.user))
        return refuse(f, "invalid_grant", "user hasn't approved this consumer");
    return grant(f, TL_SV_NULL, "api web");
}

enum tl_rc sfsim_token(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct form f = {.req = req, .res = res, .s = arg};
    struct tl_sv type;

    (void)task, (void)err;
    f.s->counts.requests++;
    sfsim_learn_url(f.s, req);
    read_client(&f);
    type = field(&f, "grant_type");
    if (f.s->opt.refuse_grant)
        return refuse(&f, "invalid_grant", "inactive user");
    if (tl_sv_eqs(type, "client_credentials"))
        return is_client(&f, true) ? grant(&f, TL_SV_NULL, "api") : TL_OK;
    if (tl_sv_eqs(type, "password"))
        return by_password(&f);
    if (tl_sv_eqs(type, "refresh_token"))
        return by_refresh(&f);
    if (tl_sv_eqs(type, "authorization_code"))
        return by_code(&f);
    if (tl_sv_eqs(type, "urn:ietf:params:oauth:grant-type:jwt-bearer"))
        return by_assertion(&f);
    return refuse(&f, "unsupported_grant_type", "grant type not supported");
}

/* ---- the browser's way ---- */

static struct tl_sv query_of(const struct http_req *req, const char *name)
{
    struct tl_sv v;

    if (http_query_get(req->query, tl_sv_str(name), req->arena, &v, NULL) == TL_OK && v.p)
        return v;
    return TL_SV("");
}

/* Nobody has to agree here: the browser is sent back at once. */
enum tl_rc sfsim_authorize(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct sfsim *s = arg;
    struct tl_sv redirect = query_of(req, "redirect_uri"), challenge = query_of(req, "code_challenge"), code;
    TL_CLEANUP(tl_buf_done) struct tl_buf to = {0};
    struct code *c;

    (void)task;
    if (!tl_sv_eqs(query_of(req, "client_id"), s->opt.client_id) || redirect.n == 0 ||
        (s->opt.redirect && !tl_sv_eqs(redirect, s->opt.redirect)) ||
        (challenge.n > 0 && !tl_sv_eqs(query_of(req, "code_challenge_method"), "S256"))) {
        http_res_set(
            res, 400, "text/html",
            TL_SV("error=redirect_uri_mismatch&error_description=redirect_uri%20must%20match%20configuration"));
        return TL_OK;
    }
    tl_buf_init(&to, 8192);
    (void)tl_buf_printf(&to, "%.*s%c", TL_SV_ARG(redirect), tl_sv_find(redirect, '?') < redirect.n ? '&' : '?');
    if (s->opt.refuse_grant) {
        (void)tl_buf_puts(&to, "error=access_denied&error_description=end-user%20denied%20authorization");
    } else {
        code = random_token(req->arena, "aPrx");
        c = tl_zalloc(sizeof *c);
        c->redirect = tl_strndup(redirect.p, redirect.n);
        c->challenge = challenge.n > 0 ? tl_strndup(challenge.p, challenge.n) : NULL;
        c->made_ns = tl_clock_mono_ns(s->clock);
        (void)snprintf(c->scope, sizeof c->scope, "%.*s", TL_SV_ARG(query_of(req, "scope")));
        (void)tl_map_put(s->codes, code, c);
        (void)tl_buf_printf(&to, "code=%.*s", TL_SV_ARG(code));
    }
    (void)tl_buf_puts(&to, "&state=");
    (void)tl_percent_encode(&to, query_of(req, "state"));
    res->status = 302;
    return http_res_header(res, TL_SV("Location"), tl_buf_view(&to), err);
}

enum tl_rc sfsim_revoke(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct form f = {.req = req, .res = res, .s = arg};
    struct tl_sv token = req->method == HTTP_GET ? query_of(req, "token") : field(&f, "token");
    struct sfsim_session *session = tl_map_get(f.s->sessions, token);

    (void)task, (void)err;
    if (session) {
        session->dead = true;
        return TL_OK;
    }
    if (tl_map_remove(f.s->refresh, token))
        return TL_OK;
    return refuse(&f, "invalid_token", "the token is not known");
}

static struct json who(struct sfsim *s, struct tl_arena *a)
{
    struct json_builder b, urls;

    json_object_begin(&urls, a, 4);
    (void)json_adds(&urls, "rest", json_printf(a, "%s/services/data/v{version}/", s->url));
    (void)json_adds(&urls, "sobjects", json_printf(a, "%s/services/data/v{version}/sobjects/", s->url));
    (void)json_adds(&urls, "query", json_printf(a, "%s/services/data/v{version}/query/", s->url));
    json_object_begin(&b, a, 12);
    (void)json_adds(&b, "sub", json_printf(a, "%s/id/%s/%s", s->url, s->org, s->user));
    (void)json_adds(&b, "id", json_printf(a, "%s/id/%s/%s", s->url, s->org, s->user));
    (void)json_adds(&b, "user_id", json_str(s->user));
    (void)json_adds(&b, "organization_id", json_str(s->org));
    (void)json_adds(&b, "username", json_str(s->opt.user));
    (void)json_adds(&b, "preferred_username", json_str(s->opt.user));
    (void)json_adds(&b, "display_name", json_str("Integration User"));
    (void)json_adds(&b, "email", json_str(s->opt.user));
    (void)json_adds(&b, "active", json_bool(true));
    (void)json_adds(&b, "urls", json_end(&urls));
    return json_end(&b);
}

enum tl_rc sfsim_userinfo(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    (void)task, (void)err;
    sfsim_learn_url(arg, req);
    if (sfsim_session_of(arg, req) && !((struct sfsim *)arg)->opt.no_identity)
        connector_sim_json(req, res, 200, "application/json;charset=UTF-8", who(arg, req->arena));
    else
        http_res_set(res, 403, "text/html", TL_SV("Bad_OAuth_Token"));
    return TL_OK;
}

enum tl_rc sfsim_identity(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    return sfsim_userinfo(task, req, res, arg, err);
}

/* ---- SOAP login(), for clients that know nothing else ---- */

/* The text of the first element of this name, with any prefix. */
static struct tl_sv element(struct tl_arena *a, struct tl_sv xml, const char *name)
{
    for (size_t at = 0; at < xml.n;) {
        size_t open = at + tl_sv_find(tl_sv_from(xml, at), '<') + 1;
        struct tl_sv tag = tl_sv(xml.p + (open < xml.n ? open : xml.n), 0), local;
        size_t colon;

        while (open + tag.n < xml.n && !strchr("> /\t\r\n", tag.p[tag.n]))
            tag.n++;
        colon = tl_sv_find(tag, ':');
        local = colon < tag.n ? tl_sv_from(tag, colon + 1) : tag;
        at = open + tag.n;
        if (tl_sv_eqs(local, name)) {
            size_t from = at + tl_sv_find(tl_sv_from(xml, at), '>') + 1;
            struct tl_sv rest = tl_sv_from(xml, from);

            return tl_arena_sv(a, tl_sv(rest.p, tl_sv_find(rest, '<')));
        }
    }
    return TL_SV("");
}

enum tl_rc sfsim_soap_login(struct task *task, struct http_req *req, struct http_res *res, void *arg,
                            struct tl_err *err)
{
    static const char head[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope "
                               "xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"";
    struct sfsim *s = arg;
    struct tl_arena *a = req->arena;
    char *text;

    (void)task, (void)err;
    sfsim_learn_url(s, req);
    if (!tl_sv_eqs(element(a, req->body, "username"), s->opt.user) ||
        !tl_sv_eq_secret(element(a, req->body, "password"), tl_sv_str(s->opt.password))) {
        text =
            tl_arena_printf(a,
                            "%s xmlns:sf=\"urn:fault.partner.soap.sforce.com\"><soapenv:Body><soapenv:Fault>"
                            "<faultcode>sf:INVALID_LOGIN</faultcode><faultstring>INVALID_LOGIN: Invalid username, "
                            "password, security token; or user locked out.</faultstring><detail><sf:LoginFault>"
                            "<sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode><sf:exceptionMessage>Invalid username, "
                            "password, security token; or user locked out.</sf:exceptionMessage></sf:LoginFault>"
                            "</detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>",
                            head);
        http_res_set(res, 500, "text/xml;charset=UTF-8", tl_sv_str(text));
        return TL_OK;
    }
    text = tl_arena_printf(
        a,
        "%s xmlns=\"urn:partner.soap.sforce.com\"><soapenv:Body><loginResponse><result><metadataServerUrl>%s/services/"
        "Soap/m/60.0/%.15s</metadataServerUrl><passwordExpired>false</passwordExpired><sandbox>false</sandbox>"
        "<serverUrl>%s/services/Soap/u/60.0/%.15s</serverUrl><sessionId>%.*s</sessionId><userId>%s</userId><userInfo>"
        "<organizationId>%s</organizationId><userId>%s</userId><userName>%s</userName><sessionSecondsValid>7200"
        "</sessionSecondsValid></userInfo></result></loginResponse></soapenv:Body></soapenv:Envelope>",
        head, s->url, s->org, s->url, s->org, TL_SV_ARG(new_session(s, a)), s->user, s->org, s->user, s->opt.user);
    http_res_set(res, 200, "text/xml;charset=UTF-8", tl_sv_str(text));
    return TL_OK;
}
