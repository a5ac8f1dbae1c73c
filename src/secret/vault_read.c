/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vault_read.c - reading paths: KV version 1 and 2, and engines that lease what they give (database credentials).
 * A lease is renewed at two thirds of its time; when Vault grants no more (its maximum is near, or it was revoked) a
 * new credential is read while the old one is good still, and that one is left to run out: calls under way may use it.
 */
#include <stdio.h>

#include "secret/vault_int.h"

static void free_lease(struct vault_path *p)
{
    tl_free(p->lease);
    p->lease = NULL;
    p->until_ms = p->renew_ms = 0;
}

void secret__vault_forget_leases(struct secret_vault *v)
{
    (void)pthread_mutex_lock(&v->lock);
    for (struct vault_path *p = v->paths; p != NULL; p = p->next) {
        if (p->lease == NULL)
            continue;
        free_lease(p);
        p->read = false;
    }
    (void)pthread_mutex_unlock(&v->lock);
}

/* Which engine is mounted there, as Vault's own command line asks. Where the policies do not allow the question, a
 * mount is one segment and a KV of the configured version. */
static enum tl_rc find_engine(struct task *t, struct secret_vault *v, struct tl_arena *a, struct secret_box *box,
                              struct vault_path *p, struct tl_err *err)
{
    struct json answer = JSON_NOTHING, data, version;
    struct tl_sv mount, type;
    enum tl_rc rc = secret__vault_call(t, v, box, a, "GET", tl_arena_printf(a, "sys/internal/ui/mounts/%s", p->path),
                                       TL_SV(""), &answer, err);

    if (rc != TL_OK && rc != TL_FORBIDDEN && rc != TL_NOT_FOUND)
        return rc;
    data = json_gets(answer, "data");
    mount = json_text(json_gets(data, "path"), TL_SV(""));
    type = json_text(json_gets(data, "type"), TL_SV(""));
    version = json_gets(json_gets(data, "options"), "version");
    while (mount.n > 0 && mount.p[mount.n - 1] == '/')
        mount.n--;
    if (rc == TL_OK && mount.n > 0 && tl_sv_starts(tl_sv_str(p->path), mount) && p->path[mount.n] == '/') {
        bool kv = tl_sv_eqs(type, "kv") || tl_sv_eqs(type, "generic") || tl_sv_eqs(type, "cubbyhole");

        p->mount = mount.n;
        p->engine = !kv ? VAULT_DYNAMIC : tl_sv_eqs(json_text(version, TL_SV("1")), "2") ? VAULT_KV2 : VAULT_KV1;
    } else {
        p->mount = strcspn(p->path, "/");
        p->engine = v->o.kv1 ? VAULT_KV1 : VAULT_KV2;
    }
    return TL_OK;
}

/* The member as text; numbers and booleans (a port) as JSON spells them. */
static struct secret *member_value(struct json v)
{
    TL_CLEANUP(secret__buf_done) struct tl_buf b = {0};

    if (v.type == JSON_STRING)
        return v.n > 0 && v.n <= SECRET_MAX_VALUE ? secret_new(json_view(v)) : NULL;
    if (!json_is_number(v) && v.type != JSON_BOOL)
        return NULL;
    tl_buf_init(&b, 256);
    return json_write(&b, v, 0) ? secret_new(tl_buf_view(&b)) : NULL;
}

/* Before anybody can read them. Not under the lock: who asks the box for a value comes here with the box's. */
static void learn_members(struct secret_vault *v, struct secret_box *box, const struct vault_path *p,
                          struct json values)
{
    struct secret **fresh = NULL;
    size_t n = 0;

    (void)pthread_mutex_lock(&v->lock);
    for (const struct vault_member *m = p->members; m != NULL; m = m->next)
        n++;
    fresh = tl_reallocarray(NULL, n + 1, sizeof(struct secret *));
    n = 0;
    for (const struct vault_member *m = p->members; m != NULL; m = m->next)
        fresh[n++] = member_value(json_gets(values, m->key));
    (void)pthread_mutex_unlock(&v->lock);
    for (size_t i = 0; i < n; i++) {
        if (fresh[i] != NULL)
            secret_learn(box, secret_view(fresh[i]));
        secret_unref(fresh[i]);
    }
    tl_free(fresh);
}

static enum tl_rc take_members(struct secret_vault *v, struct secret_box *box, struct vault_path *p, struct json values,
                               struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    learn_members(v, box, p, values);

    (void)pthread_mutex_lock(&v->lock);
    p->has = true;
    p->read_ms = secret__vault_now(v);
    for (struct vault_member *m = p->members; m != NULL; m = m->next) {
        struct secret *fresh = member_value(json_gets(values, m->key));

        if (fresh == NULL) {
            rc = tl_fail(err, TL_NOT_FOUND, "vault: %.100s has no text member \"%.60s\"", p->path, m->key);
            continue;
        }
        if (m->value == NULL || !tl_sv_eq_secret(secret_view(m->value), secret_view(fresh)))
            v->changes++;
        secret_unref(m->value);
        m->value = fresh;
    }
    p->read = rc == TL_OK || p->engine == VAULT_DYNAMIC; /* somebody may add the member; each lease costs a user */
    (void)pthread_mutex_unlock(&v->lock);
    return rc;
}

static void take_lease(struct secret_vault *v, struct vault_path *p, struct json answer)
{
    struct tl_sv lease = json_text(json_gets(answer, "lease_id"), TL_SV(""));
    struct json renewable = json_gets(answer, "renewable");
    int64_t seconds = 0;

    free_lease(p);
    (void)json_int64(json_gets(answer, "lease_duration"), &seconds);
    if (p->engine != VAULT_DYNAMIC || lease.n == 0 || seconds <= 0)
        return;
    p->lease = tl_strndup(lease.p, lease.n);
    p->renewable = renewable.type == JSON_BOOL && renewable.u.b;
    p->lease_ms = seconds * 1000;
    p->until_ms = secret__vault_now(v) + p->lease_ms;
    p->renew_ms = secret__vault_now(v) + p->lease_ms * 2 / 3;
}

static enum tl_rc read_path(struct task *t, struct secret_vault *v, struct tl_arena *a, struct secret_box *box,
                            struct vault_path *p, struct tl_err *err)
{
    struct json answer = JSON_NOTHING, values;
    const char *path = p->path;
    enum tl_rc rc = p->engine == VAULT_UNKNOWN ? find_engine(t, v, a, box, p, err) : TL_OK;

    if (rc != TL_OK)
        return rc;
    if (p->engine == VAULT_KV2) /* "data" comes after the mount, and the members are one level deeper */
        path = tl_arena_printf(a, "%.*s/data%s", (int)p->mount, p->path, p->path + p->mount);
    rc = secret__vault_call(t, v, box, a, "GET", path, TL_SV(""), &answer, err);
    if (rc != TL_OK)
        return rc;
    values = json_gets(answer, "data");
    take_lease(v, p, answer);
    return take_members(v, box, p, p->engine == VAULT_KV2 ? json_gets(values, "data") : values, err);
}

/* True: the lease goes on, and with it the values. */
static bool renew_lease(struct task *t, struct secret_vault *v, struct tl_arena *a, struct secret_box *box,
                        struct vault_path *p, enum tl_rc *ret_rc, struct tl_err *err)
{
    struct json answer = JSON_NOTHING;
    struct json_builder b;
    TL_CLEANUP(tl_buf_done) struct tl_buf body = {0};
    int64_t seconds = 0;

    *ret_rc = TL_OK;
    if (!p->renewable)
        return false;
    tl_buf_init(&body, 8192);
    json_object_begin(&b, a, 2);
    (void)json_adds(&b, "lease_id", json_str(p->lease));
    (void)json_adds(&b, "increment", json_int(p->lease_ms / 1000));
    (void)json_write(&body, json_end(&b), 0);
    *ret_rc = secret__vault_call(t, v, box, a, "POST", "sys/leases/renew", tl_buf_view(&body), &answer, err);
    if (*ret_rc != TL_OK)
        return false;
    (void)json_int64(json_gets(answer, "lease_duration"), &seconds);
    if (seconds * 1000 <= p->lease_ms / 2) /* cut short by the maximum: time for another */
        return false;
    p->until_ms = secret__vault_now(v) + seconds * 1000;
    p->renew_ms = secret__vault_now(v) + seconds * 1000 * 2 / 3;
    (void)pthread_mutex_lock(&v->lock);
    p->read_ms = secret__vault_now(v);
    (void)pthread_mutex_unlock(&v->lock);
    return true;
}

static bool is_due(const struct secret_vault *v, const struct vault_path *p)
{
    int64_t old = v->o.refresh_ms > 0 ? v->o.refresh_ms : 300000, now = secret__vault_now(v);

    if (!p->read)
        return true;
    return p->lease != NULL ? now >= p->renew_ms : now - p->read_ms >= old;
}

static enum tl_rc refresh(struct task *t, struct secret_vault *v, struct secret_box *box, struct vault_path *p,
                          struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(4 * 1024 * 1024);
    enum tl_rc rc = TL_OK;

    if (p->lease != NULL && p->read && renew_lease(t, v, a, box, p, &rc, err))
        return TL_OK;
    if (tl_rc_class(rc) == TL_CLASS_TRANSIENT || rc == TL_CANCELED)
        return rc; /* Vault is away: what we have is good until the lease ends */
    rc = read_path(t, v, a, box, p, err);
    if (rc == TL_FORBIDDEN && !secret__vault_token_lives(t, v, a, box)) {
        secret__vault_forget_token(v);
        return tl_fail(err, TL_AUTH, "vault's token was revoked");
    }
    return rc;
}

static bool ails_all(enum tl_rc rc)
{
    return rc == TL_CANCELED || rc == TL_AUTH || rc == TL_RATE_LIMITED || tl_rc_class(rc) == TL_CLASS_TRANSIENT;
}

static void settle(struct secret_vault *v, struct vault_path *p, enum tl_rc rc, const struct tl_err *err)
{
    p->backoff_ms = rc == TL_OK ? 0 : secret__vault_backoff(p->backoff_ms);
    p->retry_ms = secret__vault_now(v) + p->backoff_ms;
    (void)pthread_mutex_lock(&v->lock);
    p->rc = rc;
    (void)snprintf(p->why, sizeof(p->why), "%.230s", rc == TL_OK ? "" : err->text);
    (void)pthread_mutex_unlock(&v->lock);
}

/* Paths are only ever added, at the front, so the list may be walked without the lock once its head was taken. */
enum tl_rc secret__vault_read_due(struct task *t, struct secret_vault *v, struct secret_box *box,
                                  enum tl_rc *ret_path_rc, struct tl_err *err)
{
    struct vault_path *p;

    *ret_path_rc = TL_OK;
    (void)pthread_mutex_lock(&v->lock);
    p = v->paths;
    (void)pthread_mutex_unlock(&v->lock);
    for (; p != NULL; p = p->next) {
        struct tl_err own = {.rc = TL_OK};
        enum tl_rc rc;

        if (!is_due(v, p) || secret__vault_now(v) < p->retry_ms)
            continue;
        rc = refresh(t, v, box, p, &own);
        if (ails_all(rc)) {
            *err = own;
            return rc;
        }
        settle(v, p, rc, &own);
        /* One missing path must not keep the others waiting. */
        if (rc != TL_OK && *ret_path_rc == TL_OK) {
            *ret_path_rc = rc;
            *err = own;
        }
    }
    return TL_OK;
}
