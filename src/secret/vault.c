/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vault.c - HashiCorp Vault and OpenBao: what was asked for, what is known of it, and the round that keeps it fresh.
 * Sources: developer.hashicorp.com/vault/api-docs (auth/approle, auth/jwt, auth/kubernetes, auth/token, secret/kv,
 * secret/databases, system/leases, system/internal-ui-mounts).
 * Invariant: a value that was read once stays until a newer one has been read; no answer of Vault takes it away.
 */
#include <stdio.h>

#include "secret/vault_int.h"

enum { MAX_REFS = 1000 };

static char *copy(const char *s)
{
    return s != NULL ? tl_strdup(s) : NULL;
}

static struct secret_vault_options copy_options(const struct secret_vault_options *o)
{
    struct secret_vault_options c = *o;

    c.address = copy(o->address);
    c.name_space = copy(o->name_space);
    c.mount = copy(o->mount);
    c.role = copy(o->role);
    c.credential_file = copy(o->credential_file);
    c.credential.name = copy(o->credential.name);
    c.credential.key = copy(o->credential.key);
    c.credential.at = (struct config_place){0};
    return c;
}

static void free_options(struct secret_vault_options *o)
{
    const char *const owned[] = {o->address,         o->name_space,      o->mount,         o->role,
                                 o->credential_file, o->credential.name, o->credential.key};

    for (size_t i = 0; i < TL_COUNT(owned); i++)
        tl_free((void *)(uintptr_t)owned[i]);
    *o = (struct secret_vault_options){.address = NULL};
}

struct secret_vault *secret_vault_new(const struct tl_clock *clock)
{
    struct secret_vault *v = tl_zalloc(sizeof(*v));

    v->clock = clock;
    (void)pthread_mutex_init(&v->lock, NULL);
    return v;
}

static void free_path(struct vault_path *p)
{
    while (p->members != NULL) {
        struct vault_member *m = p->members;

        p->members = m->next;
        secret_unref(m->value);
        tl_free(m->key);
        tl_free(m);
    }
    tl_free(p->path);
    tl_free(p->lease);
    tl_free(p);
}

void secret_vault_close(struct secret_vault *v)
{
    if (v->http_free != NULL)
        v->http_free(v->http.arg);
    v->http_free = NULL;
    v->http = (struct secret_vault_http){.call = NULL};
    (void)pthread_mutex_lock(&v->lock);
    v->configured = false;
    (void)pthread_mutex_unlock(&v->lock);
}

void secret_vault_free(struct secret_vault *v)
{
    if (v == NULL)
        return;
    while (v->paths != NULL) {
        struct vault_path *p = v->paths;

        v->paths = p->next;
        free_path(p);
    }
    secret_vault_close(v);
    secret_unref(v->token);
    free_options(&v->o);
    (void)pthread_mutex_destroy(&v->lock);
    tl_free(v);
}

void secret_vault_configure(struct secret_vault *v, const struct secret_vault_options *options,
                            const struct secret_vault_http *http, void (*http_free)(void *arg))
{
    struct secret_vault_options old = v->o;

    secret_vault_close(v);
    v->http = *http;
    v->http_free = http_free;
    secret__vault_forget_token(v);
    secret__vault_forget_leases(v);
    v->retry_ms = v->backoff_ms = 0;
    (void)pthread_mutex_lock(&v->lock);
    v->o = copy_options(options);
    v->configured = true;
    for (struct vault_path *p = v->paths; p != NULL; p = p->next) { /* another Vault may know it by other means */
        p->engine = VAULT_UNKNOWN;
        p->read = false;
        p->retry_ms = p->backoff_ms = 0;
    }
    (void)pthread_mutex_unlock(&v->lock);
    free_options(&old);
}

/* ---- the source ---- */

static struct vault_path *find_path(struct secret_vault *v, const char *path)
{
    for (struct vault_path *p = v->paths; p != NULL; p = p->next) {
        if (strcmp(p->path, path) == 0)
            return p;
    }
    return NULL;
}

static struct vault_member *find_member(const struct vault_path *p, const char *key)
{
    for (struct vault_member *m = p != NULL ? p->members : NULL; m != NULL; m = m->next) {
        if (strcmp(m->key, key) == 0)
            return m;
    }
    return NULL;
}

static struct vault_member *note(struct secret_vault *v, struct vault_path *p, const struct config_secret *ref)
{
    struct vault_member *m;

    if (p == NULL) {
        p = tl_zalloc(sizeof(*p));
        *p = (struct vault_path){.next = v->paths, .path = tl_strdup(ref->name)};
        v->paths = p;
    }
    m = tl_zalloc(sizeof(*m));
    *m = (struct vault_member){.next = p->members, .key = tl_strdup(ref->key)};
    p->members = m;
    p->read = false;
    v->n_refs++;
    return m;
}

static enum tl_rc no_value(const struct secret_vault *v, const struct vault_path *p, const struct config_secret *ref,
                           struct tl_err *err)
{
    enum tl_class cls = p != NULL ? tl_rc_class(p->rc) : TL_CLASS_NONE;

    if (cls == TL_CLASS_CONFIG || cls == TL_CLASS_AUTH)
        return tl_fail(err, TL_CONFIG, "%s", p->why);
    return tl_fail(err, TL_BUSY, "${vault:%.100s#%.60s} has not been read from Vault yet%s%.200s", ref->name, ref->key,
                   v->reason[0] != '\0' ? ": " : "", v->reason);
}

static enum tl_rc get(void *arg, const struct config_secret *ref, struct secret **ret, struct tl_err *err)
{
    struct secret_vault *v = arg;
    struct vault_path *p;
    struct vault_member *m;
    enum tl_rc rc = TL_OK;

    if (ref->key == NULL || strchr(ref->name, '/') == NULL || strstr(ref->name, "..") != NULL || ref->name[0] == '/')
        return tl_fail(err, TL_CONFIG, "${vault:%.100s} is not of the form mount/path#key", ref->name);
    (void)pthread_mutex_lock(&v->lock);
    p = find_path(v, ref->name);
    m = find_member(p, ref->key);
    if (m == NULL && v->n_refs < MAX_REFS) {
        m = note(v, p, ref);
        p = find_path(v, ref->name);
    }
    if (m != NULL && m->value != NULL)
        *ret = secret_ref(m->value);
    else
        rc = no_value(v, p, ref, err);
    (void)pthread_mutex_unlock(&v->lock);
    return rc;
}

struct secret_source secret_vault_source(struct secret_vault *v)
{
    return (struct secret_source){.get = get, .arg = v};
}

void secret_vault_get_status(struct secret_vault *v, struct secret_vault_status *ret)
{
    int64_t now = secret__vault_now(v);

    (void)pthread_mutex_lock(&v->lock);
    *ret = (struct secret_vault_status){.configured = v->configured,
                                        .tried = v->tried,
                                        .ok = v->ok,
                                        .references = v->n_refs,
                                        .age_ms = -1,
                                        .since_ok_ms = v->ok_ms != 0 ? now - v->ok_ms : -1,
                                        .changes = v->changes};
    for (const struct vault_path *p = v->paths; p != NULL; p = p->next) {
        if (p->has && now - p->read_ms > ret->age_ms)
            ret->age_ms = now - p->read_ms;
        for (const struct vault_member *m = p->members; m != NULL; m = m->next)
            ret->waiting += m->value == NULL;
        if (p->rc != TL_OK)
            (void)snprintf(ret->reason, sizeof(ret->reason), "%s", p->why);
    }
    (void)snprintf(ret->address, sizeof(ret->address), "%s", v->o.address != NULL ? v->o.address : "");
    if (v->reason[0] != '\0')
        (void)snprintf(ret->reason, sizeof(ret->reason), "%s", v->reason);
    (void)pthread_mutex_unlock(&v->lock);
}

/* ---- the round ---- */

int64_t secret__vault_backoff(int64_t last_ms)
{
    return last_ms == 0 ? 1000 : last_ms < 30000 ? 2 * last_ms : 60000;
}

static void remember(struct secret_vault *v, enum tl_rc rc, const struct tl_err *err)
{
    (void)pthread_mutex_lock(&v->lock);
    v->tried = true;
    v->ok = rc == TL_OK;
    if (v->ok)
        v->ok_ms = secret__vault_now(v);
    (void)snprintf(v->reason, sizeof(v->reason), "%.290s", rc == TL_OK ? "" : err->text);
    (void)pthread_mutex_unlock(&v->lock);
}

enum tl_rc secret_vault_sync(struct task *t, struct secret_vault *v, struct secret_box *box, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = NULL;
    struct tl_err own = {.rc = TL_OK};
    enum tl_rc rc = TL_AUTH, path_rc = TL_OK;
    bool fresh = false;

    if (!v->configured || secret__vault_now(v) < v->retry_ms)
        return TL_OK;
    a = tl_arena_new(4 * 1024 * 1024);
    for (int round = 0; round < 2 && rc == TL_AUTH; round++) { /* a token that died meanwhile is replaced at once */
        rc = secret__vault_ensure_login(t, v, a, box, &fresh, &own);
        if (rc != TL_OK)
            break;
        if (fresh)
            secret__vault_forget_leases(v);
        rc = secret__vault_read_due(t, v, box, &path_rc, &own);
    }
    if (rc == TL_CANCELED)
        return rc;
    v->backoff_ms = rc == TL_OK ? 0 : secret__vault_backoff(v->backoff_ms);
    v->retry_ms = secret__vault_now(v) + v->backoff_ms;
    remember(v, rc, &own);
    rc = rc == TL_OK ? path_rc : rc;
    if (rc != TL_OK && err != NULL)
        *err = own;
    return rc;
}
