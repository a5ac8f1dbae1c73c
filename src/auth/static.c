/* SPDX-License-Identifier: Apache-2.0 */
/* static.c - schemes that need no token: Basic, API key, bearer, OAuth 1.0a, generic HMAC. */
#include "auth/auth_int.h"

static enum tl_rc too_large(struct tl_err *err)
{
    return tl_fail(err, TL_LIMIT, "the request is too large");
}

enum tl_rc auth__apply_none(struct auth *a, struct auth_request *req, struct tl_err *err)
{
    (void)a;
    (void)req;
    (void)err;
    return TL_OK;
}

enum tl_rc auth__apply_basic(struct auth *a, struct auth_request *req, struct tl_err *err)
{
    TL_CLEANUP(secret_unrefp) struct secret *password = NULL, *user = NULL;
    TL_CLEANUP(secret_buf_done) struct tl_buf pair = {0}, value = {0};
    const struct config_secret *login = &a->conf->login;
    enum tl_rc rc = auth__secret(a, &a->conf->password, "password", &password, err);

    if (rc == TL_OK && login->kind != CONFIG_SECRET_LITERAL) /* a plain name is nothing to be masked */
        rc = auth__secret(a, login, "user", &user, err);
    if (rc != TL_OK)
        return rc;
    tl_buf_init(&pair, 128 * 1024);
    tl_buf_init(&value, 256 * 1024);
    tl_buf_sv(&pair, user != NULL ? secret_view(user) : tl_sv_str(login->name));
    tl_buf_putc(&pair, ':');
    tl_buf_sv(&pair, secret_view(password));
    tl_buf_puts(&value, "Basic ");
    tl_base64_encode(&value, pair.p, pair.n);
    if (a->w.secrets != NULL)
        secret_learn(a->w.secrets, tl_sv_from(tl_buf_view(&value), 6));
    return auth_request_header(req, "authorization", tl_arena_sv(req->arena, tl_buf_view(&value))) ? TL_OK
                                                                                                   : too_large(err);
}

static bool safe_value(struct tl_sv s)
{
    return http_is_field_value(s);
}

enum tl_rc auth__apply_api_key(struct auth *a, struct auth_request *req, struct tl_err *err)
{
    TL_CLEANUP(secret_unrefp) struct secret *key = NULL;
    const struct auth_conf *c = a->conf;
    enum tl_rc rc = auth__secret(a, &c->value, "API key", &key, err);
    char *text;

    if (rc != TL_OK)
        return rc;
    if (!safe_value(secret_view(key)))
        return tl_fail(err, TL_CONFIG, "%.60s: the API key holds control characters", a->connection);
    if (c->place == PLACE_QUERY) {
        text = tl_arena_printf(req->arena, "%.*s%c%s=%.*s", TL_SV_ARG(req->url),
                               tl_sv_find(req->url, '?') < req->url.n ? '&' : '?', c->name,
                               TL_SV_ARG(auth__encode(req->arena, secret_view(key))));
        req->url = tl_sv_str(text);
        return text != NULL ? TL_OK : too_large(err);
    }
    text = c->place == PLACE_COOKIE
               ? tl_arena_printf(req->arena, "%s=%s", c->name, secret_view(key).p)
               : tl_arena_printf(req->arena, "%s%s", c->prefix != NULL ? c->prefix : "", secret_view(key).p);
    if (text == NULL || !auth_request_header(req, c->place == PLACE_COOKIE ? "cookie" : c->name, tl_sv_str(text)))
        return too_large(err);
    return TL_OK;
}

enum tl_rc auth__apply_bearer(struct auth *a, struct auth_request *req, struct tl_err *err)
{
    TL_CLEANUP(secret_unrefp) struct secret *token = NULL;
    enum tl_rc rc = auth__secret(a, &a->conf->value, "token", &token, err);
    char *text;

    if (rc != TL_OK)
        return rc;
    if (!safe_value(secret_view(token)))
        return tl_fail(err, TL_CONFIG, "%.60s: the token holds control characters", a->connection);
    text = tl_arena_printf(req->arena, "Bearer %s", secret_view(token).p);
    return text != NULL && auth_request_header(req, "authorization", tl_sv_str(text)) ? TL_OK : too_large(err);
}

/* ---- OAuth 1.0a ---- */

static bool is_form(struct tl_sv content_type)
{
    return tl_sv_eqi(tl_sv_trim(tl_sv(content_type.p, tl_sv_find(content_type, ';'))),
                     TL_SV("application/x-www-form-urlencoded"));
}

static const char *const oauth1_methods[] = {"HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "PLAINTEXT"};

/* RFC 5849 3.5.1; realm first, never signed. */
static struct tl_sv oauth1_header(struct auth *a, struct auth_request *req, const struct auth_pair *oauth, size_t n,
                                  struct tl_sv signature)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 32 * 1024);
    tl_buf_puts(&b, "OAuth ");
    if (a->conf->realm != NULL)
        tl_buf_printf(&b, "realm=\"%s\", ", a->conf->realm);
    for (size_t i = 0; i < n; i++)
        tl_buf_printf(&b, "%.*s=\"%.*s\", ", TL_SV_ARG(oauth[i].name),
                      TL_SV_ARG(auth__encode(req->arena, oauth[i].value)));
    tl_buf_printf(&b, "oauth_signature=\"%.*s\"", TL_SV_ARG(auth__encode(req->arena, signature)));
    return b.failed ? TL_SV_NULL : tl_arena_sv(req->arena, tl_buf_view(&b));
}

/* NetSuite takes 6 to 64 letters and digits and nothing else. */
enum { NONCE = 26 };
static char *make_nonce(char out[NONCE + 1])
{
    (void)tl_id32_format(tl_random_u64(), out);
    (void)tl_id32_format(tl_random_u64(), out + NONCE / 2);
    return out;
}

static struct tl_sv timestamp(struct auth *a, struct tl_arena *arena)
{
    /* In the other side's time: NetSuite refuses more than five minutes of difference. */
    return tl_sv_str(tl_arena_printf(arena, "%lld", (long long)(auth__their_time_ms(a) / 1000)));
}

static enum tl_rc make_passport(struct auth *a, struct auth_request *req, const struct secret *consumer,
                                const struct secret *token, struct tl_err *err)
{
    struct auth_passport *p = req->passport;
    char nonce[NONCE + 1];
    struct tl_sv base;
    enum tl_rc rc;

    if (token == NULL)
        return tl_fail(err, TL_CONFIG, "%.60s: SOAP needs `token` and `token_secret` in `auth: { oauth1: ... }`",
                       a->connection);
    p->consumer_key = tl_sv_str(a->conf->consumer_key);
    p->token = tl_sv_str(a->conf->token);
    p->nonce = tl_sv_str(tl_arena_strdup(req->arena, make_nonce(nonce)));
    p->timestamp = timestamp(a, req->arena);
    rc = auth_netsuite_base(req->arena, p->account, p->consumer_key, p->token, p->nonce, p->timestamp, &base, err);
    if (rc != TL_OK)
        return rc;
    return auth_oauth1_signature(a->w.crypto, req->arena, AUTH_HMAC_SHA256, base, secret_view(consumer),
                                 secret_view(token), &p->signature, err);
}

enum tl_rc auth__apply_oauth1(struct auth *a, struct auth_request *req, struct tl_err *err)
{
    enum { OAUTH = 6, FIELDS = 1000 };
    TL_CLEANUP(secret_unrefp) struct secret *consumer = NULL;
    TL_CLEANUP(secret_unrefp) struct secret *token = NULL;
    const struct auth_conf *c = a->conf;
    struct auth_pair *p = tl_arena_must(req->arena, (OAUTH + FIELDS) * sizeof(*p));
    char nonce[NONCE + 1];
    size_t n = 0, n_oauth;
    struct tl_sv base, signature, header;
    enum tl_rc rc = auth__secret(a, &c->consumer_secret, "consumer secret", &consumer, err);

    if (rc == TL_OK && c->token != NULL)
        rc = auth__secret(a, &c->token_secret, "token secret", &token, err);
    if (rc != TL_OK)
        return rc;
    req->once = true;
    if (req->passport != NULL)
        return make_passport(a, req, consumer, token, err);
    p[n++] = (struct auth_pair){TL_SV("oauth_consumer_key"), tl_sv_str(c->consumer_key)};
    p[n++] = (struct auth_pair){TL_SV("oauth_nonce"), tl_sv_str(tl_arena_strdup(req->arena, make_nonce(nonce)))};
    p[n++] = (struct auth_pair){TL_SV("oauth_signature_method"), tl_sv_str(oauth1_methods[c->method])};
    p[n++] = (struct auth_pair){TL_SV("oauth_timestamp"), timestamp(a, req->arena)};
    if (c->token != NULL)
        p[n++] = (struct auth_pair){TL_SV("oauth_token"), tl_sv_str(c->token)};
    p[n++] = (struct auth_pair){TL_SV("oauth_version"), TL_SV("1.0")};
    n_oauth = n;
    if (is_form(req->content_type) && !auth__form_pairs(req->arena, req->body, p, OAUTH + FIELDS, &n))
        return tl_fail(err, TL_INVALID, "the form to be signed is malformed or has more than %d fields", FIELDS);
    rc = auth_oauth1_base(req->arena, req->method, req->url, p, n, &base, err);
    if (rc == TL_OK)
        rc = auth_oauth1_signature(a->w.crypto, req->arena, (enum auth_oauth1_method)c->method, base,
                                   secret_view(consumer), token != NULL ? secret_view(token) : TL_SV(""), &signature,
                                   err);
    if (rc != TL_OK)
        return rc;
    header = oauth1_header(a, req, p, n_oauth, signature);
    return header.p != NULL && auth_request_header(req, "authorization", header) ? TL_OK : too_large(err);
}

/* ---- generic HMAC ---- */

static bool hmac_text(struct auth *a, const struct auth_request *req, struct tl_sv time, struct tl_buf *b)
{
    struct tl_sv rest = tl_sv_str(a->conf->signed_text), path = req->url;
    size_t host = tl_sv_find_sv(path, TL_SV("://"));
    uint8_t digest[CRYPTO_MAX_DIGEST];

    path = tl_sv_from(path, host + 3);
    path = tl_sv_from(path, tl_sv_find(path, '/'));
    while (rest.n > 0) {
        size_t open = tl_sv_find(rest, '{'), close = tl_sv_find(rest, '}');
        struct tl_sv name;

        tl_buf_put(b, rest.p, open);
        if (open == rest.n)
            break;
        if (close >= rest.n || close < open)
            return false;
        name = tl_sv(rest.p + open + 1, close - open - 1);
        rest = tl_sv_from(rest, close + 1);
        if (tl_sv_eqs(name, "method"))
            tl_buf_sv(b, req->method);
        else if (tl_sv_eqs(name, "url"))
            tl_buf_sv(b, req->url);
        else if (tl_sv_eqs(name, "path"))
            tl_buf_sv(b, path);
        else if (tl_sv_eqs(name, "timestamp"))
            tl_buf_sv(b, time);
        else if (tl_sv_eqs(name, "body"))
            tl_buf_sv(b, req->body);
        else if (tl_sv_eqs(name, "body_sha256"))
            tl_hex_encode(b, digest, crypto_digest(a->w.crypto, CRYPTO_SHA256, &req->body, 1, digest));
        else
            return false;
    }
    return !b->failed;
}

enum tl_rc auth__apply_hmac(struct auth *a, struct auth_request *req, struct tl_err *err)
{
    static const enum crypto_hash hashes[] = {CRYPTO_SHA256, CRYPTO_SHA512, CRYPTO_SHA1};
    TL_CLEANUP(secret_unrefp) struct secret *key = NULL;
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0}, value = {0};
    const struct auth_conf *c = a->conf;
    struct tl_sv time = tl_sv_str(tl_arena_printf(req->arena, "%lld", (long long)(auth__their_time_ms(a) / 1000))), all;
    uint8_t mac[CRYPTO_MAX_DIGEST];
    struct crypto_hmac *m;
    size_t n;
    enum tl_rc rc = auth__secret(a, &c->value, "signing secret", &key, err);

    if (rc != TL_OK)
        return rc;
    tl_buf_init(&text, req->body.n + 256 * 1024);
    tl_buf_init(&value, 1024);
    if (!hmac_text(a, req, time, &text))
        return tl_fail(err, TL_CONFIG,
                       "%.60s: signed_text may hold {method}, {url}, {path}, {timestamp}, {body} and {body_sha256}",
                       a->connection);
    all = tl_buf_view(&text);
    m = crypto_hmac_new(a->w.crypto, hashes[c->hash], secret_view(key));
    n = crypto_hmac_sum(m, &all, 1, mac);
    crypto_hmac_free(m);
    tl_buf_puts(&value, c->prefix != NULL ? c->prefix : "");
    if (c->encoding == 0)
        tl_hex_encode(&value, mac, n);
    else
        tl_base64_encode(&value, mac, n);
    auth__plain(req, time);
    if (c->timestamp_header != NULL && !auth_request_header(req, c->timestamp_header, time))
        return too_large(err);
    return auth_request_header(req, c->name, tl_arena_sv(req->arena, tl_buf_view(&value))) ? TL_OK : too_large(err);
}
