/* SPDX-License-Identifier: Apache-2.0 */
/* oauth2.c - RFC 6749 grants, RFC 7523 assertions: what goes to the token endpoint and what its answers mean.
 * Invariant: a text that leaves this file holds the server's error code and description, never a token or a secret. */
#include <stdio.h>

#include "auth/auth_int.h"

bool auth__form_add(struct tl_buf *form, const char *name, struct tl_sv value)
{
    return tl_buf_printf(form, "%s%s=", form->n > 0 ? "&" : "", name) && tl_percent_encode(form, value);
}

void auth__form_text(struct tl_buf *form, const char *name, const char *value)
{
    if (value != NULL)
        (void)auth__form_add(form, name, tl_sv_str(value));
}

/* ---- grants ---- */

enum tl_rc auth__grant_client(struct auth *a, struct tl_arena *arena, struct tl_buf *form, struct tl_err *err)
{
    (void)arena;
    (void)err;
    auth__form_text(form, "grant_type", "client_credentials");
    if (!a->defaults.scope_in_assertion)
        auth__form_text(form, "scope", a->conf->scope);
    auth__form_text(form, "audience", a->conf->audience);
    return TL_OK;
}

enum tl_rc auth__grant_refresh(struct auth *a, struct tl_arena *arena, struct tl_buf *form, struct tl_err *err)
{
    TL_CLEANUP(secret_unrefp) struct secret *refresh = NULL;
    enum tl_rc rc;

    (void)arena;
    (void)pthread_mutex_lock(&a->s->lock);
    if (a->s->token.refresh != NULL)
        refresh = secret_ref(a->s->token.refresh);
    (void)pthread_mutex_unlock(&a->s->lock);
    if (refresh == NULL && a->conf->refresh_token.kind == CONFIG_SECRET_NONE)
        return tl_fail(err, TL_AUTH, "there is no grant yet; run: tieline connect %.60s", a->connection);
    if (refresh == NULL) {
        rc = auth__secret(a, &a->conf->refresh_token, "refresh token", &refresh, err);
        if (rc != TL_OK)
            return rc;
    }
    auth__form_text(form, "grant_type", "refresh_token");
    (void)auth__form_add(form, "refresh_token", secret_view(refresh));
    return TL_OK;
}

enum tl_rc auth__grant_jwt(struct auth *a, struct tl_arena *arena, struct tl_buf *form, struct tl_err *err)
{
    TL_CLEANUP(secret_buf_done) struct tl_buf jwt = {0};
    enum tl_rc rc;

    tl_buf_init(&jwt, 64 * 1024);
    rc = auth__client_assertion(a, arena, true, &jwt, err);
    auth__form_text(form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
    (void)auth__form_add(form, "assertion", tl_buf_view(&jwt));
    return rc;
}

enum tl_rc auth__grant_password(struct auth *a, struct tl_arena *arena, struct tl_buf *form, struct tl_err *err)
{
    TL_CLEANUP(secret_unrefp) struct secret *password = NULL;
    enum tl_rc rc = auth__secret(a, &a->conf->password, "password", &password, err);

    (void)arena;
    if (rc != TL_OK)
        return rc;
    auth__form_text(form, "grant_type", "password");
    auth__form_text(form, "username", a->conf->user);
    auth__form_text(form, "scope", a->conf->scope);
    (void)auth__form_add(form, "password", secret_view(password));
    return TL_OK;
}

/* ---- assertions ---- */

/* As configured, or what fits the key. */
static enum crypto_alg assertion_alg(const struct auth *a, const struct crypto_key *key)
{
    static const enum crypto_alg named[] = {CRYPTO_ALG_UNSET, CRYPTO_RS256, CRYPTO_PS256, CRYPTO_PS384, CRYPTO_PS512,
                                            CRYPTO_ES256,     CRYPTO_ES384, CRYPTO_ES512, CRYPTO_EDDSA};
    static const enum crypto_alg by_key[] = {CRYPTO_ES256, CRYPTO_ES384, CRYPTO_ES512, CRYPTO_EDDSA};

    if (named[a->conf->alg] != CRYPTO_ALG_UNSET)
        return named[a->conf->alg];
    for (size_t i = 0; i < TL_COUNT(by_key); i++) {
        if (crypto_key_fits(key, by_key[i]))
            return by_key[i];
    }
    return a->defaults.rsa_alg != CRYPTO_ALG_UNSET ? a->defaults.rsa_alg : CRYPTO_RS256;
}

static struct json scope_list(struct tl_arena *arena, struct tl_sv scope)
{
    struct json_builder list;
    struct tl_sv one;

    json_array_begin(&list, arena, 4);
    while (tl_sv_cut(&scope, ' ', &one)) {
        if (one.n > 0)
            (void)json_push(&list, json_sv(one));
    }
    return json_end(&list);
}

/* bearer: the grant of RFC 7523 2.1 (issuer, subject, audience as configured); else the client's own proof, 2.2. */
enum tl_rc auth__client_assertion(struct auth *a, struct tl_arena *arena, bool bearer, struct tl_buf *out,
                                  struct tl_err *err)
{
    TL_CLEANUP(secret_unrefp) struct secret *pem = NULL;
    TL_CLEANUP(secret_unrefp) struct secret *passphrase = NULL;
    TL_CLEANUP(crypto_key_unrefp) struct crypto_key *key = NULL;
    const struct auth_conf *c = a->conf;
    const char *issuer = bearer && c->issuer != NULL ? c->issuer : c->client_id;
    int64_t now_s = auth__their_time_ms(a) / 1000;
    struct json_builder b;
    char jti[37];
    enum tl_rc rc = auth__secret(a, &c->private_key, "private key", &pem, err);

    if (rc == TL_OK && c->passphrase.kind != CONFIG_SECRET_NONE)
        rc = auth__secret(a, &c->passphrase, "passphrase", &passphrase, err);
    if (rc == TL_OK) {
        rc = crypto_key_from_pem(a->w.crypto, secret_view(pem),
                                 passphrase != NULL ? secret_view(passphrase) : TL_SV_NULL, &key, err);
        if (rc != TL_OK)
            return tl_err_prefix(err, "%.60s", a->connection);
    }
    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, arena, 8);
    (void)json_adds(&b, "iss", json_str(issuer));
    if (bearer ? c->subject != NULL : !a->defaults.scope_in_assertion)
        (void)json_adds(&b, "sub", json_str(bearer ? c->subject : c->client_id));
    (void)json_adds(&b, "aud", json_str(c->audience != NULL && bearer ? c->audience : c->token_url));
    (void)json_adds(&b, "iat", json_int(now_s));
    (void)json_adds(&b, "exp", json_int(now_s + 180)); /* Salesforce accepts at most three minutes */
    (void)json_adds(&b, "jti", json_str(tl_arena_strdup(arena, tl_uuid4(jti))));
    if (a->defaults.scope_in_assertion && c->scope != NULL)
        (void)json_adds(&b, "scope", scope_list(arena, tl_sv_str(c->scope)));
    else if (bearer && c->scope != NULL)
        (void)json_adds(&b, "scope", json_str(c->scope));
    rc = crypto_jwt_sign(a->w.crypto, key, assertion_alg(a, key), tl_sv_str(c->kid), TL_SV("JWT"), json_end(&b), out,
                         err);
    return rc == TL_OK ? rc : tl_err_prefix(err, "%.60s", a->connection);
}

/* RFC 6749 2.3.1: id and secret are form-encoded before they are joined. */
static enum tl_rc client_basic(struct auth *a, struct auth_request *req, struct tl_sv secret, struct tl_err *err)
{
    TL_CLEANUP(secret_buf_done) struct tl_buf pair = {0}, value = {0};

    tl_buf_init(&pair, 128 * 1024);
    tl_buf_init(&value, 256 * 1024);
    tl_percent_encode(&pair, tl_sv_str(a->conf->client_id));
    tl_buf_putc(&pair, ':');
    tl_percent_encode(&pair, secret);
    tl_buf_puts(&value, "Basic ");
    tl_base64_encode(&value, pair.p, pair.n);
    if (a->w.secrets != NULL)
        secret_learn(a->w.secrets, tl_sv_from(tl_buf_view(&value), 6));
    return auth_request_header(req, "authorization", tl_arena_sv(req->arena, tl_buf_view(&value)))
               ? TL_OK
               : tl_fail(err, TL_LIMIT, "the token request is too large");
}

static enum tl_rc authenticate_client(struct auth *a, struct auth_request *req, struct tl_buf *form, struct tl_err *err)
{
    TL_CLEANUP(secret_unrefp) struct secret *secret = NULL;
    TL_CLEANUP(secret_buf_done) struct tl_buf jwt = {0};
    const struct auth_conf *c = a->conf;
    enum tl_rc rc;

    if (c->client_auth == PRIVATE_KEY_JWT) {
        tl_buf_init(&jwt, 64 * 1024);
        rc = auth__client_assertion(a, req->arena, false, &jwt, err);
        auth__form_text(form, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        (void)auth__form_add(form, "client_assertion", tl_buf_view(&jwt));
        return rc;
    }
    if (c->client_auth == CLIENT_TLS ||
        c->client_secret.kind == CONFIG_SECRET_NONE) { /* RFC 8705 2, or a public client */
        auth__form_text(form, "client_id", c->client_id);
        return TL_OK;
    }
    rc = auth__secret(a, &c->client_secret, "client secret", &secret, err);
    if (rc != TL_OK)
        return rc;
    if (c->client_auth == CLIENT_SECRET_BASIC)
        return client_basic(a, req, secret_view(secret), err);
    auth__form_text(form, "client_id", c->client_id);
    (void)auth__form_add(form, "client_secret", secret_view(secret));
    return TL_OK;
}

/* ---- the answer ---- */

static bool is_one_of(struct tl_sv code, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (tl_sv_eqs(code, list[i]))
            return true;
    }
    return false;
}

/* RFC 6749 5.2. The description is the vendor's text; it is shown without control characters and masked. */
static enum tl_rc refused(struct auth *a, const struct http_reply *reply, struct json doc, struct tl_err *err)
{
    static const char *const auth_codes[] = {"invalid_client", "invalid_grant", "unauthorized_client", "access_denied"};
    static const char *const config_codes[] = {"invalid_scope", "unsupported_grant_type", "invalid_request",
                                               "invalid_target"};
    struct tl_sv code = json_text(json_gets(doc, "error"), TL_SV("")),
                 words = json_text(json_gets(doc, "error_description"), TL_SV(""));
    TL_CLEANUP(secret_buf_done) struct tl_buf text = {0};
    enum tl_rc rc;

    tl_buf_init(&text, 1024);
    tl_buf_printf(&text, "HTTP %d ", reply->status);
    code = code.n <= 60 ? code : TL_SV("a long error code"); /* what is longer is none of the RFC's */
    for (size_t i = 0; i < code.n; i++)
        tl_buf_putc(&text, (unsigned char)code.p[i] >= 0x20 ? code.p[i] : ' ');
    if (words.n > 0)
        tl_buf_puts(&text, ": ");
    for (size_t i = 0; i < words.n && i < 160; i++)
        tl_buf_putc(&text, (unsigned char)words.p[i] >= 0x20 ? words.p[i] : ' ');
    if (a->w.secrets != NULL)
        (void)(words.n > 160 ? secret_mask_cut(a->w.secrets, &text) : secret_mask(a->w.secrets, &text));
    if (reply->status == 429)
        rc = TL_RATE_LIMITED;
    else if (reply->status >= 500)
        rc = TL_UPSTREAM;
    else if (is_one_of(code, auth_codes, TL_COUNT(auth_codes)))
        rc = TL_AUTH;
    else if (is_one_of(code, config_codes, TL_COUNT(config_codes)))
        rc = TL_CONFIG;
    else
        rc = reply->status == 400 || reply->status == 401 || reply->status == 403 ? TL_AUTH : TL_UPSTREAM;
    a->s->refused = tl_rc_class(rc) == TL_CLASS_AUTH;
    return tl_fail(err, rc, "%.60s: the token endpoint answered %.250s", a->connection, text.p);
}

static struct secret *learn(struct auth *a, struct json v)
{
    if (v.type != JSON_STRING || v.n == 0)
        return NULL;
    if (a->w.secrets != NULL)
        secret_learn(a->w.secrets, json_view(v));
    return secret_new(json_view(v));
}

/* An address too long to be one is left out. */
static void read_base(const struct auth *a, struct json doc, struct auth_token *ret)
{
    struct tl_sv base = TL_SV("");

    if (a->defaults.base_member != NULL)
        base = json_text(json_gets(doc, a->defaults.base_member), TL_SV(""));
    if (base.n < sizeof(ret->base))
        (void)snprintf(ret->base, sizeof(ret->base), "%.*s", TL_SV_ARG(base));
}

static enum tl_rc read_tokens(struct auth *a, struct json doc, int64_t asked_ms, struct auth_token *ret,
                              struct tl_err *err)
{
    struct json type = json_gets(doc, "token_type"), access = json_gets(doc, "access_token"),
                in = json_gets(doc, "expires_in");
    int64_t seconds = 0;
    uint64_t spelled = 0;

    if (access.type != JSON_STRING || access.n == 0 || !http_is_field_value(json_view(access)))
        return tl_fail(err, TL_UPSTREAM, "%.60s: the token endpoint's answer holds no access_token", a->connection);
    if (type.type == JSON_STRING && !tl_sv_eqi(json_view(type), TL_SV("bearer")))
        return tl_fail(err, TL_UNSUPPORTED, "%.60s: the token is not of type Bearer", a->connection);
    if (!json_int64(in, &seconds) && in.type == JSON_STRING &&
        tl_sv_u64(json_view(in), &spelled)) /* some spell it as a text */
        seconds = (int64_t)spelled;
    *ret = (struct auth_token){.access = learn(a, access), .refresh = learn(a, json_gets(doc, "refresh_token"))};
    if (a->wants_id && json_gets(doc, "id_token").type == JSON_STRING)
        ret->id = secret_new(json_view(json_gets(doc, "id_token")));
    (void)snprintf(ret->scope, sizeof(ret->scope), "%.*s", TL_SV_ARG(json_text(json_gets(doc, "scope"), TL_SV(""))));
    read_base(a, doc, ret);
    ret->lifetime_ms = seconds > 0 && seconds < INT64_C(31536000) ? seconds * 1000 : a->conf->expires_in_ms;
    /* Counted from when we asked: the answer may have been long on its way. */
    ret->expires_ms = ret->lifetime_ms > 0 ? asked_ms + ret->lifetime_ms : 0;
    auth__lifetime_read(doc, asked_ms, ret);
    return TL_OK;
}

static enum tl_rc transport_failure(struct auth *a, enum tl_rc rc, struct tl_err *err)
{
    /* A token request may be sent again: what is not known here does no harm. */
    if (rc == TL_UNKNOWN_OUTCOME) {
        rc = TL_UPSTREAM;
        if (err != NULL)
            err->rc = rc;
    }
    return rc == TL_CANCELED ? rc : tl_err_prefix(err, "%.60s: token endpoint", a->connection);
}

enum tl_rc auth__token_request(struct task *t, struct auth *a, struct tl_arena *arena, const struct tl_buf *form,
                               struct auth_token *ret, struct tl_err *err)
{
    TL_CLEANUP(secret_buf_done) struct tl_buf body = {0};
    struct auth_request head = {.arena = arena};
    struct http_request_out out = {
        .method = TL_SV("POST"), .url = tl_sv_str(a->conf->token_url), .timeout_ms = 30000, .max_body = 1024 * 1024};
    struct http_client_tls tls = a->tls;
    struct http_reply reply = {.status = 0};
    struct json doc = JSON_NOTHING;
    int64_t asked_ms = tl_clock_wall_ms(a->w.clock);
    enum tl_rc rc;

    tl_buf_init(&body, 512 * 1024);
    tl_buf_sv(&body, tl_buf_view(form));
    rc = authenticate_client(a, &head, &body, err);
    if (rc != TL_OK)
        return rc;
    for (size_t i = 0; i < a->conf->extra.n; i++)
        auth__form_text(&body, a->conf->extra.entries[i].key, *(const char *const *)a->conf->extra.entries[i].value);
    (void)auth_request_header(&head, "content-type", TL_SV("application/x-www-form-urlencoded"));
    (void)auth_request_header(&head, "accept", TL_SV("application/json"));
    if (body.failed)
        return tl_fail(err, TL_LIMIT, "%.60s: the token request is too large", a->connection);
    out.headers = head.headers;
    out.n_headers = head.n_headers;
    out.body = tl_buf_view(&body);
    tls.ca_file = a->conf->ca_file; /* of the token server alone: the connection has its own */
    out.tls = a->conf->cert_file != NULL || tls.ca_file != NULL ? &tls : NULL;
    rc = a->w.http.call(t, a->w.http.arg, &out, arena, &reply, err);
    if (rc != TL_OK)
        return transport_failure(a, rc, err);
    (void)pthread_mutex_lock(&a->s->lock);
    auth__measure_skew(a, http_header_get(&reply.headers, "date"));
    (void)pthread_mutex_unlock(&a->s->lock);
    if (json_parse(arena, reply.body, JSON_PARSE_DUP_LAST, NULL, &doc, NULL) != TL_OK)
        doc = JSON_NOTHING; /* proxies answer in HTML: the status says enough */
    if (reply.status != 200 && reply.status != 201)
        return refused(a, &reply, doc, err);
    return read_tokens(a, doc, asked_ms, ret, err);
}
