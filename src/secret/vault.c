/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vault.c - HashiCorp Vault and OpenBao: login, token renewal, KV version 1 and 2.
 * Sources: developer.hashicorp.com/vault/api-docs (auth/approle, auth/jwt, auth/kubernetes, auth/token, secret/kv).
 * Invariant: a value that was read once stays until a newer one has been read; no answer of Vault takes it away.
 */
#include <pthread.h>
#include <stdio.h>

#include "secret/secret_int.h"

enum { MAX_REFS = 1000 };

struct vault_ref {
    struct vault_ref *next;
    char *path, *key;
    struct secret *value; /* NULL: not read yet */
    int64_t read_ms;      /* monotonic */
};

struct secret_vault {
    const struct secret_vault_options *o;
    const struct tl_clock *clock;
    struct secret_vault_http http;
    pthread_mutex_t lock; /* guards refs; never held across a suspension */
    struct vault_ref *refs;
    size_t n_refs;
    /* the syncing task's alone */
    struct secret *token;
    bool renewable;
    int64_t renew_ms, expires_ms; /* monotonic; expires 0: never */
    int64_t retry_ms, backoff_ms;
};

static int64_t now_ms(const struct secret_vault *v)
{
    return (int64_t)tl_clock_mono_ms(v->clock);
}

struct secret_vault *secret_vault_new(const struct secret_vault_options *options, const struct tl_clock *clock,
                                      const struct secret_vault_http *http)
{
    struct secret_vault *v = tl_zalloc(sizeof(*v));

    v->o = options;
    v->clock = clock;
    v->http = *http;
    (void)pthread_mutex_init(&v->lock, NULL);
    return v;
}

void secret_vault_free(struct secret_vault *v)
{
    if (v == NULL)
        return;
    while (v->refs != NULL) {
        struct vault_ref *r = v->refs;

        v->refs = r->next;
        secret_unref(r->value);
        tl_free(r->path);
        tl_free(r->key);
        tl_free(r);
    }
    secret_unref(v->token);
    (void)pthread_mutex_destroy(&v->lock);
    tl_free(v);
}

/* ---- the source ---- */

static struct vault_ref *find(struct secret_vault *v, const struct config_secret *ref)
{
    for (struct vault_ref *r = v->refs; r != NULL; r = r->next) {
        if (strcmp(r->path, ref->name) == 0 && strcmp(r->key, ref->key) == 0)
            return r;
    }
    return NULL;
}

static enum tl_rc get(void *arg, const struct config_secret *ref, struct secret **ret, struct tl_err *err)
{
    struct secret_vault *v = arg;
    struct vault_ref *r;
    enum tl_rc rc = TL_OK;

    if (ref->key == NULL || strchr(ref->name, '/') == NULL || strstr(ref->name, "..") != NULL)
        return tl_fail(err, TL_CONFIG, "${vault:%.100s} is not of the form mount/path#key", ref->name);
    (void)pthread_mutex_lock(&v->lock);
    r = find(v, ref);
    if (r == NULL && v->n_refs < MAX_REFS) {
        r = tl_zalloc(sizeof(*r));
        *r = (struct vault_ref){.next = v->refs, .path = tl_strdup(ref->name), .key = tl_strdup(ref->key)};
        v->refs = r;
        v->n_refs++;
    }
    if (r != NULL && r->value != NULL)
        *ret = secret_ref(r->value);
    else
        rc = tl_fail(err, TL_BUSY, "${vault:%.100s#%.60s} has not been read from Vault yet", ref->name, ref->key);
    (void)pthread_mutex_unlock(&v->lock);
    return rc;
}

struct secret_source secret_vault_source(struct secret_vault *v)
{
    return (struct secret_source){.get = get, .arg = v};
}

int64_t secret_vault_age_ms(struct secret_vault *v)
{
    int64_t oldest = -1, now = now_ms(v);

    (void)pthread_mutex_lock(&v->lock);
    for (struct vault_ref *r = v->refs; r != NULL; r = r->next) {
        if (r->value != NULL && now - r->read_ms > oldest)
            oldest = now - r->read_ms;
    }
    (void)pthread_mutex_unlock(&v->lock);
    return oldest;
}

/* ---- requests ---- */

static enum tl_rc call(struct task *t, struct secret_vault *v, struct tl_arena *a, const char *method, const char *path,
                       struct tl_sv body, struct json *ret, struct tl_err *err)
{
    const char *url = tl_arena_printf(a, "%s/v1/%s", v->o->address, path);
    struct tl_sv token = v->token != NULL ? secret_view(v->token) : TL_SV_NULL, text = TL_SV("");
    int status = 0;
    enum tl_rc rc = v->http.call(t, v->http.arg, method, url, v->o->name_space, token, body, a, &status, &text, err);

    if (rc != TL_OK)
        return rc == TL_CANCELED ? rc : tl_err_prefix(err, "vault");
    if (status == 404)
        return tl_fail(err, TL_NOT_FOUND, "vault has no %.150s", path);
    if (status == 400 || status == 403) /* a dead token is 403, as a missing right is */
        return tl_fail(err, TL_AUTH, "vault refuses %.150s (HTTP %d): check the login and its policies", path, status);
    if (status == 503 || status == 473 || status == 472)
        return tl_fail(err, TL_UPSTREAM, "vault is sealed or in standby (HTTP %d)", status);
    if (status < 200 || status > 299)
        return tl_fail(err, status == 429 ? TL_RATE_LIMITED : TL_UPSTREAM, "vault answered HTTP %d", status);
    if (json_parse(a, text, JSON_PARSE_DUP_LAST, NULL, ret, NULL) != TL_OK)
        return tl_fail(err, TL_UPSTREAM, "vault's answer is not JSON: is %.150s the address of a Vault?",
                       v->o->address);
    return TL_OK;
}

static enum tl_rc take_login(struct secret_vault *v, struct json answer, struct secret_box *box, struct tl_err *err)
{
    struct json auth = json_gets(answer, "auth"), token = json_gets(auth, "client_token");
    struct json renewable = json_gets(auth, "renewable");
    int64_t lease = 0;

    if (token.type == JSON_STRING && token.n > 0) {
        secret_unref(v->token);
        v->token = secret_new(json_view(token));
        secret_learn(box, json_view(token));
    }
    if (v->token == NULL)
        return tl_fail(err, TL_UPSTREAM, "vault's login gave no token");
    (void)json_int64(json_gets(auth, "lease_duration"), &lease);
    v->renewable = renewable.type == JSON_BOOL && renewable.u.b;
    v->expires_ms = lease > 0 ? now_ms(v) + lease * 1000 : 0;
    v->renew_ms = lease > 0 ? now_ms(v) + lease * 1000 * 2 / 3 : INT64_MAX;
    return TL_OK;
}

static enum tl_rc login(struct task *t, struct secret_vault *v, struct tl_arena *a, struct secret_box *box,
                        struct tl_err *err)
{
    TL_CLEANUP(secret_unrefp) struct secret *credential = NULL;
    TL_CLEANUP(secret__buf_done) struct tl_buf body = {0};
    bool approle = v->o->login == SECRET_VAULT_APPROLE;
    struct json_builder b;
    struct json answer = JSON_NOTHING;
    const char *mount = v->o->mount != NULL ? v->o->mount : approle ? "approle" : "jwt";
    enum tl_rc rc = secret_get(box, &v->o->credential, &credential, NULL, err);

    if (rc != TL_OK)
        return tl_err_prefix(err, "vault login");
    if (v->o->login == SECRET_VAULT_TOKEN) {
        secret_unref(v->token);
        v->token = secret_ref(credential);
        rc = call(t, v, a, "GET", "auth/token/lookup-self", TL_SV(""), &answer, err);
        v->renew_ms = INT64_MAX;
        return rc;
    }
    secret_unref(v->token);
    v->token = NULL;
    tl_buf_init(&body, 256 * 1024);
    json_object_begin(&b, a, 2);
    (void)json_adds(&b, approle ? "role_id" : "role", json_str(v->o->role));
    (void)json_adds(&b, approle ? "secret_id" : "jwt", json_sv(secret_view(credential)));
    if (!json_write(&body, json_end(&b), 0))
        return tl_fail(err, TL_LIMIT, "the vault login is too large");
    rc = call(t, v, a, "POST", tl_arena_printf(a, "auth/%s/login", mount), tl_buf_view(&body), &answer, err);
    return rc == TL_OK ? take_login(v, answer, box, err) : rc;
}

static enum tl_rc ensure_login(struct task *t, struct secret_vault *v, struct tl_arena *a, struct secret_box *box,
                               struct tl_err *err)
{
    struct json answer = JSON_NOTHING;

    if (v->token != NULL && v->expires_ms != 0 && now_ms(v) >= v->expires_ms) {
        secret_unref(v->token);
        v->token = NULL;
    }
    if (v->token != NULL && now_ms(v) < v->renew_ms)
        return TL_OK;
    if (v->token != NULL && v->renewable &&
        call(t, v, a, "POST", "auth/token/renew-self", TL_SV("{}"), &answer, NULL) == TL_OK &&
        take_login(v, answer, box, NULL) == TL_OK)
        return TL_OK;
    return login(t, v, a, box, err); /* not renewable, at its maximum age, or revoked */
}

/* KV version 2 puts "data" after the mount, and the members one level deeper. */
static enum tl_rc read_one(struct task *t, struct secret_vault *v, struct tl_arena *a, struct secret_box *box,
                           struct vault_ref *r, struct tl_err *err)
{
    const char *slash = strchr(r->path, '/');
    struct json answer = JSON_NOTHING, value;
    struct secret *fresh, *old;
    enum tl_rc rc = call(
        t, v, a, "GET", v->o->kv1 ? r->path : tl_arena_printf(a, "%.*s/data%s", (int)(slash - r->path), r->path, slash),
        TL_SV(""), &answer, err);

    if (rc != TL_OK)
        return rc;
    value = json_gets(answer, "data");
    value = json_gets(v->o->kv1 ? value : json_gets(value, "data"), r->key);
    if (value.type != JSON_STRING || value.n == 0 || value.n > SECRET_MAX_VALUE)
        return tl_fail(err, TL_NOT_FOUND, "vault: %.100s has no text member \"%.60s\"", r->path, r->key);
    fresh = secret_new(json_view(value));
    secret_learn(box, json_view(value));
    (void)pthread_mutex_lock(&v->lock);
    old = r->value;
    r->value = fresh;
    r->read_ms = now_ms(v);
    (void)pthread_mutex_unlock(&v->lock);
    secret_unref(old);
    return TL_OK;
}

/* References are only ever added, at the front, so the list may be walked without the lock once its head was taken. */
static enum tl_rc read_due(struct task *t, struct secret_vault *v, struct secret_box *box, struct tl_err *err)
{
    int64_t old = v->o->refresh_ms > 0 ? v->o->refresh_ms : 300000;
    enum tl_rc first = TL_OK;
    struct vault_ref *r;

    (void)pthread_mutex_lock(&v->lock);
    r = v->refs;
    (void)pthread_mutex_unlock(&v->lock);
    for (; r != NULL; r = r->next) {
        TL_CLEANUP(tl_arena_freep) struct tl_arena *a = NULL;
        enum tl_rc rc;

        if (r->value != NULL && now_ms(v) - r->read_ms < old)
            continue;
        a = tl_arena_new(4 * 1024 * 1024);
        rc = read_one(t, v, a, box, r, first == TL_OK ? err : NULL);
        if (first == TL_OK)
            first = rc;
        /* One missing path must not keep the others waiting; a Vault that does not answer would. */
        if (rc == TL_CANCELED || rc == TL_AUTH || tl_rc_class(rc) == TL_CLASS_TRANSIENT)
            break;
    }
    return first;
}

enum tl_rc secret_vault_sync(struct task *t, struct secret_vault *v, struct secret_box *box, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(4 * 1024 * 1024);
    enum tl_rc rc;

    if (now_ms(v) < v->retry_ms)
        return TL_OK;
    rc = ensure_login(t, v, a, box, err);
    if (rc == TL_OK)
        rc = read_due(t, v, box, err);
    if (rc == TL_AUTH) { /* the next round logs in anew */
        secret_unref(v->token);
        v->token = NULL;
    }
    v->backoff_ms = rc == TL_OK ? 0 : v->backoff_ms == 0 ? 1000 : v->backoff_ms < 30000 ? 2 * v->backoff_ms : 60000;
    v->retry_ms = now_ms(v) + v->backoff_ms;
    return rc;
}
