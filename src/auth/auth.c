/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.c - the contract: apply, accepted, rejected; and the pause of a connection whose credentials are refused.
 * Invariant: between two refusals that are three apart lie 30 minutes, so that no vendor's lock-out (NetSuite: five) is
 * reached.
 */
#include <stdio.h>

#include "auth/auth_int.h"

#define NS_A_MS UINT64_C(1000000)
#define MINUTE_NS (UINT64_C(60000) * NS_A_MS)

static const struct auth_scheme schemes[] = {
    {.name = "none", .apply = auth__apply_none},
    {.name = "basic", .apply = auth__apply_basic},
    {.name = "api_key", .apply = auth__apply_api_key},
    {.name = "bearer", .apply = auth__apply_bearer},
    {.name = "oauth1", .apply = auth__apply_oauth1},
    {.name = "hmac", .apply = auth__apply_hmac},
    {.name = "standard_webhooks", .apply = auth__apply_standard},
    {.name = "mtls", .apply = auth__apply_none},
    {.name = "oauth2_client_credentials", .grant = auth__grant_client},
    {.name = "oauth2_refresh_token", .grant = auth__grant_refresh},
    {.name = "oauth2_authorization_code", .grant = auth__grant_refresh},
    {.name = "oauth2_jwt_bearer", .grant = auth__grant_jwt},
    {.name = "oauth2_password", .grant = auth__grant_password},
};

const struct auth_scheme *auth__scheme(const char *name)
{
    for (size_t i = 0; i < TL_COUNT(schemes); i++) {
        if (strcmp(schemes[i].name, name) == 0)
            return &schemes[i];
    }
    return NULL;
}

/* The dates of the client certificate: an expired one is named here, before the other side hangs up without a word. */
static struct crypto_cert *read_cert(const struct auth *a)
{
    enum { MOST = 16384 };
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct crypto_cert *cert = NULL;
    FILE *f = a->conf->cert_file != NULL ? fopen(a->conf->cert_file, "re") : NULL;
    char *p;

    if (f == NULL)
        return NULL;
    tl_buf_init(&b, MOST + 1);
    p = tl_buf_reserve(&b, MOST);
    tl_buf_added(&b, fread(p, 1, MOST, f));
    (void)fclose(f);
    return crypto_cert_from_pem(a->w.crypto, tl_buf_view(&b), &cert, NULL) == TL_OK ? cert : NULL;
}

static enum tl_rc check_cert(const struct auth *a, struct tl_err *err)
{
    struct tl_err why;

    if (a->cert == NULL || crypto_cert_check(a->cert, tl_clock_wall_ms(a->w.clock), &why) == TL_OK)
        return TL_OK;
    return tl_fail(err, TL_AUTH, "%.60s: our client certificate %.150s: %.150s", a->connection, a->conf->cert_file,
                   why.text);
}

static void fill_in(const char **to, const char *known)
{
    if (*to == NULL)
        *to = known;
}

static void with_defaults(struct auth_conf *c, const struct auth_defaults *d, bool asserts_itself)
{
    if (d != NULL) {
        fill_in(&c->token_url, d->token_url);
        fill_in(&c->authorize_url, d->authorize_url);
        fill_in(&c->scope, d->scope);
        fill_in(&c->realm, d->realm);
        if (asserts_itself)
            fill_in(&c->audience, d->audience);
    }
    /* A key and no secret: the key is the client's proof, unless the grant itself is an assertion. */
    if (!asserts_itself && c->private_key.kind != CONFIG_SECRET_NONE && c->client_secret.kind == CONFIG_SECRET_NONE &&
        c->client_auth == CLIENT_SECRET_BASIC)
        c->client_auth = PRIVATE_KEY_JWT;
}

enum tl_rc auth_new(const struct auth_world *world, const char *connection, const char *scheme, const void *conf,
                    const struct auth_defaults *defaults, struct auth **ret, struct tl_err *err)
{
    const struct auth_scheme *s = auth__scheme(scheme);
    struct auth_conf own = *(const struct auth_conf *)conf;
    struct auth *a;

    if (s == NULL)
        return tl_fail(err, TL_CONFIG, "there is no auth scheme \"%.40s\"", scheme);
    with_defaults(&own, defaults, s->grant == auth__grant_jwt);
    if (s->grant != NULL && own.token_url == NULL)
        return tl_fail(err, TL_CONFIG, "%.60s: `token_url` of %.40s is missing", connection, scheme);
    a = tl_zalloc(sizeof(*a));
    a->own = own;
    a->defaults = defaults != NULL ? *defaults : (struct auth_defaults){.rsa_alg = CRYPTO_ALG_UNSET};
    a->w = *world;
    a->connection = tl_strdup(connection);
    a->scheme = s;
    a->conf = &a->own;
    a->tls = (struct http_client_tls){.cert_file = a->conf->cert_file, .key_file = a->conf->key_file};
    a->s = auth__shared(a);
    a->cert = read_cert(a);
    *ret = a;
    return TL_OK;
}

void auth_free(struct auth *a)
{
    if (a == NULL)
        return;
    auth__shared_unref(a->s);
    crypto_cert_free(a->cert);
    tl_wipe(&a->w.seal, sizeof(a->w.seal));
    tl_free(a->connection);
    tl_free(a);
}

void auth_freep(struct auth **a)
{
    auth_free(*a);
}

bool auth_request_header(struct auth_request *req, const char *name, struct tl_sv value)
{
    if (req->n_headers == req->cap_headers) {
        size_t cap = req->cap_headers > 0 ? 2 * req->cap_headers : 8;
        struct http_header *grown = tl_arena_alloc(req->arena, cap * sizeof(*grown));

        if (grown == NULL)
            return false;
        if (req->n_headers > 0)
            memcpy(grown, req->headers, req->n_headers * sizeof(*grown));
        req->headers = grown;
        req->cap_headers = cap;
    }
    req->headers[req->n_headers++] = (struct http_header){tl_sv_str(name), value};
    return true;
}

void auth__plain(struct auth_request *req, struct tl_sv value)
{
    if (req->n_plain < AUTH_PLAIN)
        req->plain[req->n_plain++] = value;
}

enum tl_rc auth__secret(struct auth *a, const struct config_secret *ref, const char *what, struct secret **ret,
                        struct tl_err *err)
{
    enum tl_rc rc;

    if (ref->kind == CONFIG_SECRET_NONE)
        return tl_fail(err, TL_CONFIG, "%.60s: the %s is not configured", a->connection, what);
    rc = secret_get(a->w.secrets, ref, ret, NULL, err);
    if (rc == TL_BUSY && err != NULL) /* Vault has not been read: the connection waits and no attempt is used */
        err->rc = TL_AUTH;
    if (rc == TL_BUSY)
        rc = TL_AUTH;
    return rc == TL_OK ? TL_OK : tl_err_prefix(err, "%.60s: %s", a->connection, what);
}

static uint64_t now_ns(struct auth *a)
{
    return tl_clock_mono_ns(a->w.clock);
}

void auth__conf_secrets(const struct auth_conf *c, const struct config_secret *ret[AUTH_SECRETS])
{
    const struct config_secret *const all[AUTH_SECRETS] = {&c->password,        &c->value,        &c->client_secret,
                                                           &c->private_key,     &c->passphrase,   &c->refresh_token,
                                                           &c->consumer_secret, &c->token_secret, &c->login};

    memcpy(ret, all, sizeof(all));
}

/* The secrets of others change too (a leased credential does so every hour): that is no reason to try a refused one. */
uint64_t auth__secret_versions(struct auth *a)
{
    const struct config_secret *refs[AUTH_SECRETS];
    uint64_t now;

    if (a->w.secrets == NULL)
        return 0;
    now = secret_generation(a->w.secrets) + 1;
    if (a->s->seen == now)
        return a->s->versions;
    auth__conf_secrets(a->conf, refs);
    a->s->versions = 0;
    for (size_t i = 0; i < AUTH_SECRETS; i++) {
        TL_CLEANUP(secret_unrefp) struct secret *value = NULL;
        uint64_t version = 0;

        /* A literal never changes, and a user's name must not become known as a secret. */
        if (refs[i]->kind != CONFIG_SECRET_NONE && refs[i]->kind != CONFIG_SECRET_LITERAL &&
            secret_get(a->w.secrets, refs[i], &value, &version, NULL) == TL_OK)
            a->s->versions += version;
    }
    a->s->seen = now;
    return a->s->versions;
}

int64_t auth__their_time_ms(struct auth *a)
{
    int64_t skew;

    (void)pthread_mutex_lock(&a->s->lock);
    skew = a->s->skew_ms;
    (void)pthread_mutex_unlock(&a->s->lock);
    return tl_clock_wall_ms(a->w.clock) + skew;
}

void auth__note(struct auth *a, const char *text)
{
    (void)pthread_mutex_lock(&a->s->lock);
    (void)snprintf(a->s->reason, sizeof(a->s->reason), "%s", text);
    (void)pthread_mutex_unlock(&a->s->lock);
}

/* ---- pausing ---- */

void auth__pause(struct auth *a, const char *reason)
{
    static const uint64_t minutes[] = {1, 5, 15, 30};
    uint64_t now = now_ns(a), next = now + minutes[a->s->step] * MINUTE_NS, earliest;

    a->s->failures[2] = a->s->failures[1];
    a->s->failures[1] = a->s->failures[0];
    a->s->failures[0] = now;
    /* The next attempt may fail too: it and the last three must not fall into one half hour. */
    earliest = a->s->failures[2] != 0 ? a->s->failures[2] + 30 * MINUTE_NS : 0;
    a->s->next_probe_ns = next > earliest ? next : earliest;
    a->s->step = a->s->step < TL_COUNT(minutes) - 1 ? a->s->step + 1 : a->s->step;
    a->s->paused = true;
    a->s->probing = false;
    a->s->secrets = auth__secret_versions(a);
    (void)snprintf(a->s->reason, sizeof(a->s->reason), "%s", reason);
}

void auth__resume(struct auth *a)
{
    a->s->paused = a->s->probing = false;
    a->s->step = 0;
    a->s->reason[0] = '\0';
}

/* While paused: may this call be the probe? The lock is held. */
static bool admit(struct auth *a)
{
    uint64_t now = now_ns(a);

    if (!a->s->paused)
        return true;
    if (a->s->secrets != auth__secret_versions(a)) { /* a person has acted: new credentials, new count */
        memset(a->s->failures, 0, sizeof(a->s->failures));
        a->s->secrets = auth__secret_versions(a);
        a->s->step = 0;
        a->s->next_probe_ns = now;
        a->s->must_renew = true;
        a->s->probing = false;
    }
    /* A probe whose outcome never came (the task was cancelled) blocks the next one for two minutes only. */
    if (now < a->s->next_probe_ns || (a->s->probing && now < a->s->probe_until_ns))
        return false;
    a->s->probing = true;
    a->s->probe_until_ns = now + 2 * MINUTE_NS;
    return true;
}

static enum tl_rc refuse_paused(struct auth *a, struct tl_err *err)
{
    uint64_t now = now_ns(a), due = a->s->next_probe_ns > now ? a->s->next_probe_ns - now : MINUTE_NS / 60;
    enum tl_rc rc = tl_fail(err, TL_AUTH, "%.60s is paused: %.200s", a->connection, a->s->reason);

    if (err != NULL)
        err->retry_after_ms = (uint32_t)(due / NS_A_MS);
    return rc;
}

/* The token as a header, and where its answer said that it is good. */
static enum tl_rc apply_token(struct task *t, struct auth *a, struct auth_request *req, uint64_t *ret_generation,
                              struct tl_err *err)
{
    TL_CLEANUP(secret_unrefp) struct secret *token = NULL;
    char base[AUTH_BASE];
    enum tl_rc rc = auth__token(t, a, &token, ret_generation, err);

    if (rc != TL_OK)
        return rc;
    (void)pthread_mutex_lock(&a->s->lock);
    (void)snprintf(base, sizeof(base), "%s", a->s->token.base);
    (void)pthread_mutex_unlock(&a->s->lock);
    req->base = tl_arena_sv(req->arena, tl_sv_str(base));
    if (req->base.p == NULL ||
        !auth_request_header(req, "authorization",
                             tl_sv_str(tl_arena_printf(req->arena, "Bearer %s", secret_view(token).p))))
        return tl_fail(err, TL_LIMIT, "the request is too large");
    return TL_OK;
}

enum tl_rc auth_apply(struct task *t, struct auth *a, struct auth_request *req, struct auth_ticket *ret_ticket,
                      struct tl_err *err)
{
    struct auth_ticket ticket = {.generation = 0};
    enum tl_rc rc = check_cert(a, err);
    bool go;

    if (rc == TL_OK)
        rc = auth__recall(t, a, err);
    if (rc != TL_OK)
        return rc;
    (void)pthread_mutex_lock(&a->s->lock);
    ticket.secrets = auth__secret_versions(a);
    go = admit(a);
    ticket.probe = a->s->paused;
    ticket.skew_ms = a->s->skew_ms;
    rc = go ? TL_OK : refuse_paused(a, err);
    (void)pthread_mutex_unlock(&a->s->lock);
    if (rc != TL_OK)
        return rc;
    if (a->conf->cert_file != NULL)
        req->tls = &a->tls;
    if (req->passport != NULL && a->scheme->apply != auth__apply_oauth1)
        rc = tl_fail(err, TL_CONFIG, "%.60s: SOAP needs `auth: { oauth1: ... }` (token-based authentication)",
                     a->connection);
    else if (a->scheme->apply != NULL)
        rc = a->scheme->apply(a, req, err);
    else
        rc = apply_token(t, a, req, &ticket.generation, err);
    if (rc != TL_OK && ticket.probe) {
        (void)pthread_mutex_lock(&a->s->lock);
        a->s->probing = false;
        (void)pthread_mutex_unlock(&a->s->lock);
    }
    if (rc == TL_OK)
        *ret_ticket = ticket;
    return rc;
}

void auth__measure_skew(struct auth *a, struct tl_sv date)
{
    int64_t theirs, skew;

    if (date.n == 0 || !tl_http_date_parse(date, &theirs))
        return;
    skew = theirs + 500 - tl_clock_wall_ms(a->w.clock); /* the header has whole seconds */
    a->s->skew_ms = skew > 2000 || skew < -2000 ? skew : 0;
}

void auth_accepted(struct auth *a, const struct auth_ticket *ticket, struct tl_sv date)
{
    struct secret *old = NULL;

    (void)pthread_mutex_lock(&a->s->lock);
    auth__measure_skew(a, date);
    if (a->s->paused && ticket->probe) {
        auth__resume(a);
        memset(a->s->failures, 0, sizeof(a->s->failures));
    }
    if (ticket->generation == a->s->generation && ticket->generation != 0) {
        old = a->s->token.previous; /* the rotation has proved good */
        a->s->token.previous = NULL;
        a->s->rejected = UINT64_MAX;
    }
    (void)pthread_mutex_unlock(&a->s->lock);
    secret_unref(old);
}

static bool clock_was_wrong(const struct auth *a, const struct auth_ticket *ticket)
{
    int64_t off = a->s->skew_ms - ticket->skew_ms;

    return (a->scheme->apply == auth__apply_oauth1 || a->scheme->apply == auth__apply_hmac ||
            a->scheme->apply == auth__apply_standard) &&
           (off > 30000 || off < -30000);
}

bool auth_rejected(struct auth *a, const struct auth_ticket *ticket, struct tl_sv date)
{
    bool again = false;

    (void)pthread_mutex_lock(&a->s->lock);
    auth__measure_skew(a, date);
    if (a->scheme->grant == NULL) {
        /* Nothing to renew, unless the secret or our idea of the time has changed since the call was made. */
        again = ticket->secrets != auth__secret_versions(a) || clock_was_wrong(a, ticket);
    } else if (ticket->generation != a->s->generation) {
        again = true; /* somebody has renewed meanwhile */
    } else if (a->s->rejected + 1 != ticket->generation) {
        a->s->must_renew = true;
        a->s->rejected = ticket->generation;
        again = true;
    }
    if (!again && (!a->s->paused || ticket->probe)) {
        a->s->must_renew = a->scheme->grant != NULL;
        auth__pause(a, a->scheme->grant != NULL
                           ? "a fresh token was refused too (401): check the rights of this client"
                           : "the credentials were refused (401): check them, and whether they were locked");
    }
    (void)pthread_mutex_unlock(&a->s->lock);
    return again;
}

void auth_get_status(struct auth *a, struct auth_status *ret)
{
    uint64_t now = now_ns(a);

    (void)pthread_mutex_lock(&a->s->lock);
    *ret =
        (struct auth_status){.paused = a->s->paused,
                             .has_token = a->s->token.access != NULL || a->s->token.refresh != NULL,
                             .needs_person = a->conf->authorize_url != NULL && a->scheme->grant == auth__grant_refresh,
                             .scheme = a->scheme->name,
                             .since_ms = a->s->token.obtained_ms,
                             .expires_ms = a->s->token.expires_ms,
                             .grant_since_ms = a->s->token.granted_ms,
                             .grant_expires_ms = a->s->token.grant_expires_ms,
                             .skew_ms = a->s->skew_ms};
    (void)snprintf(ret->scope, sizeof(ret->scope), "%s",
                   a->s->token.scope[0] != '\0' ? a->s->token.scope
                   : a->conf->scope != NULL     ? a->conf->scope
                                                : "");
    if (a->s->paused)
        ret->next_probe_ms = tl_clock_wall_ms(a->w.clock) +
                             (int64_t)(a->s->next_probe_ns > now ? (a->s->next_probe_ns - now) / NS_A_MS : 0);
    for (size_t i = 0; i < TL_COUNT(a->s->failures); i++)
        ret->failures += a->s->failures[i] != 0 && now - a->s->failures[i] < 30 * MINUTE_NS;
    (void)snprintf(ret->reason, sizeof(ret->reason), "%s", a->s->reason);
    (void)pthread_mutex_unlock(&a->s->lock);
    auth__lifetimes(a, ret);
}

enum tl_rc auth_try(struct task *t, struct auth *a, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *arena = tl_arena_new(1024 * 1024);
    struct auth_request req = {
        .arena = arena, .method = TL_SV("GET"), .url = TL_SV("https://localhost/"), .body = TL_SV("")};
    struct auth_ticket ticket;
    enum tl_rc rc = auth_apply(t, a, &req, &ticket, err);

    /* Nothing is sent with it, so it says nothing about a pause. */
    (void)pthread_mutex_lock(&a->s->lock);
    a->s->probing = false;
    (void)pthread_mutex_unlock(&a->s->lock);
    return rc;
}

void auth_resume(struct auth *a)
{
    (void)pthread_mutex_lock(&a->s->lock);
    if (a->s->paused)
        a->s->next_probe_ns = now_ns(a);
    (void)pthread_mutex_unlock(&a->s->lock);
}
