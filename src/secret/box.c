/* SPDX-License-Identifier: Apache-2.0 */
/*
 * box.c - references to values.
 * Invariant: an entry, once resolved, always has a value; a failed re-read never takes it away.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "secret/secret_int.h"

struct entry {
    struct entry *next;
    struct config_secret ref; /* strings owned */
    struct secret *value;
    uint64_t version;
};

struct secret_box {
    pthread_mutex_t lock;
    struct secret_options o;
    char *credentials_dir, *store_path;
    struct entry *entries;
    struct secret_masks *masks;
    uint64_t generation;
};

static enum tl_rc read_source(struct secret_box *b, const struct config_secret *ref, struct secret **ret,
                              struct tl_err *err);

static struct config_secret copy_ref(const struct config_secret *ref)
{
    struct config_secret copy = *ref;

    copy.name = ref->name != NULL ? tl_strdup(ref->name) : NULL;
    copy.key = ref->key != NULL ? tl_strdup(ref->key) : NULL;
    copy.at = (struct config_place){0};
    return copy;
}

static void free_ref(struct config_secret *ref)
{
    tl_free((void *)(uintptr_t)ref->name);
    tl_free((void *)(uintptr_t)ref->key);
}

enum tl_rc secret_box_new(const struct secret_options *options, struct secret_box **ret, struct tl_err *err)
{
    struct secret_box *b = tl_zalloc(sizeof(*b));

    if (options->store_path != NULL &&
        (options->store_key.kind == CONFIG_SECRET_NONE || options->store_key.kind == CONFIG_SECRET_STORE ||
         options->store_key.kind == CONFIG_SECRET_VAULT)) {
        tl_free(b);
        return tl_fail(err, TL_CONFIG, "the secret store needs a key from ${env:...}, ${file:...} or ${systemd:...}");
    }
    b->o = *options;
    b->o.store_key = copy_ref(&options->store_key);
    b->credentials_dir = options->credentials_dir != NULL ? tl_strdup(options->credentials_dir) : NULL;
    b->store_path = options->store_path != NULL ? tl_strdup(options->store_path) : NULL;
    b->masks = secret__masks_new();
    (void)pthread_mutex_init(&b->lock, NULL);
    *ret = b;
    return TL_OK;
}

void secret_box_free(struct secret_box *b)
{
    if (b == NULL)
        return;
    while (b->entries != NULL) {
        struct entry *e = b->entries;

        b->entries = e->next;
        secret_unref(e->value);
        free_ref(&e->ref);
        tl_free(e);
    }
    secret__masks_free(b->masks);
    free_ref(&b->o.store_key);
    tl_free(b->credentials_dir);
    tl_free(b->store_path);
    (void)pthread_mutex_destroy(&b->lock);
    tl_free(b);
}

void secret_box_freep(struct secret_box **b)
{
    secret_box_free(*b);
}

/* ---- sources ---- */

static enum tl_rc from_env(struct secret_box *b, const char *name, struct secret **ret, struct tl_err *err)
{
    const char *v = b->o.env != NULL ? b->o.env(b->o.env_arg, name) : getenv(name);

    if (v == NULL || v[0] == '\0')
        return tl_fail(err, TL_CONFIG, "the environment variable %.100s is %s", name, v == NULL ? "not set" : "empty");
    *ret = secret_new(tl_sv_str(v));
    return TL_OK;
}

static enum tl_rc from_file(const char *path, bool private_only, struct secret **ret, struct tl_err *err)
{
    TL_CLEANUP(secret__buf_done) struct tl_buf text = {0};
    struct tl_sv s;
    enum tl_rc rc;

    tl_buf_init(&text, SECRET_MAX_VALUE + 4096);
    rc = secret__read_file(path, private_only, SECRET_MAX_VALUE, &text, err);
    if (rc == TL_NOT_FOUND)
        return tl_fail(err, TL_CONFIG, "there is no file %.200s", path);
    if (rc != TL_OK)
        return rc;
    s = tl_buf_view(&text);
    /* Editors and `echo` end a file with a line feed that nobody means. */
    if (s.n > 0 && s.p[s.n - 1] == '\n')
        s.n--;
    if (s.n > 0 && s.p[s.n - 1] == '\r')
        s.n--;
    if (s.n == 0)
        return tl_fail(err, TL_CONFIG, "the file %.200s is empty", path);
    *ret = secret_new(s);
    return TL_OK;
}

static enum tl_rc from_systemd(struct secret_box *b, const char *name, struct secret **ret, struct tl_err *err)
{
    const char *dir = b->credentials_dir != NULL ? b->credentials_dir : getenv("CREDENTIALS_DIRECTORY");
    TL_CLEANUP(tl_freep) char *path = NULL;

    if (dir == NULL)
        return tl_fail(err, TL_CONFIG,
                       "systemd gave no credentials (CREDENTIALS_DIRECTORY is not set): add LoadCredential=%.100s:... "
                       "to the unit",
                       name);
    if (strchr(name, '/') != NULL || name[0] == '.')
        return tl_fail(err, TL_CONFIG, "\"%.100s\" is not the name of a systemd credential", name);
    path = tl_sprintf("%s/%s", dir, name);
    return from_file(path, false, ret, err);
}

static enum tl_rc from_store(struct secret_box *b, const char *name, struct secret **ret, struct tl_err *err)
{
    TL_CLEANUP(secret_store_freep) struct secret_store *store = NULL;
    TL_CLEANUP(secret_unrefp) struct secret *key_text = NULL;
    struct crypto_seal_key key = {0};
    enum tl_rc rc;

    if (b->store_path == NULL)
        return tl_fail(err, TL_CONFIG, "there is no local secret store configured for ${store:%.100s}", name);
    rc = read_source(b, &b->o.store_key, &key_text, err);
    if (rc == TL_OK)
        rc = secret_store_key(b->o.crypto, secret_view(key_text), &key, err);
    if (rc == TL_OK)
        rc = secret_store_open(b->o.crypto, b->store_path, &key, 1, &store, err);
    tl_wipe(&key, sizeof(key));
    if (rc == TL_OK)
        rc = secret_store_get(store, tl_sv_str(name), ret, err);
    return rc;
}

static enum tl_rc read_source(struct secret_box *b, const struct config_secret *ref, struct secret **ret,
                              struct tl_err *err)
{
    switch (ref->kind) {
    case CONFIG_SECRET_NONE:
        break;
    case CONFIG_SECRET_LITERAL:
        *ret = secret_new(tl_sv_str(ref->name));
        return TL_OK;
    case CONFIG_SECRET_ENV:
        return from_env(b, ref->name, ret, err);
    case CONFIG_SECRET_FILE:
        return from_file(ref->name, true, ret, err);
    case CONFIG_SECRET_SYSTEMD:
        return from_systemd(b, ref->name, ret, err);
    case CONFIG_SECRET_STORE:
        return from_store(b, ref->name, ret, err);
    case CONFIG_SECRET_VAULT:
        if (b->o.vault.get != NULL)
            return b->o.vault.get(b->o.vault.arg, ref, ret, err);
        return tl_fail(err, TL_CONFIG, "there is no vault configured for ${vault:%.100s}", ref->name);
    }
    return tl_fail(err, TL_CONFIG, "a secret is missing here");
}

/* ---- the box ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static struct entry *find(struct secret_box *b, const struct config_secret *ref)
{
    for (struct entry *e = b->entries; e != NULL; e = e->next) {
        if (e->ref.kind == ref->kind && same_text(e->ref.name, ref->name) && same_text(e->ref.key, ref->key))
            return e;
    }
    return NULL;
}

enum tl_rc secret_get(struct secret_box *b, const struct config_secret *ref, struct secret **ret, uint64_t *ret_version,
                      struct tl_err *err)
{
    struct secret *value = NULL;
    struct entry *e;
    enum tl_rc rc = TL_OK;

    (void)pthread_mutex_lock(&b->lock);
    e = find(b, ref);
    if (e == NULL) {
        rc = read_source(b, ref, &value, err);
        if (rc == TL_OK) {
            e = tl_zalloc(sizeof(*e));
            *e = (struct entry){.next = b->entries, .ref = copy_ref(ref), .value = value, .version = 1};
            b->entries = e;
            secret__masks_add(b->masks, secret_view(value));
        }
    }
    if (rc == TL_OK) {
        *ret = secret_ref(e->value);
        if (ret_version != NULL)
            *ret_version = e->version;
    }
    (void)pthread_mutex_unlock(&b->lock);
    return rc;
}

size_t secret_reload(struct secret_box *b, size_t *ret_failed, struct tl_err *err)
{
    size_t changed = 0, failed = 0;

    (void)pthread_mutex_lock(&b->lock);
    for (struct entry *e = b->entries; e != NULL; e = e->next) {
        struct secret *value = NULL;

        if (read_source(b, &e->ref, &value, failed == 0 ? err : NULL) != TL_OK) {
            failed++;
        } else if (tl_sv_eq_secret(secret_view(value), secret_view(e->value))) {
            secret_unref(value);
        } else {
            secret_unref(e->value);
            e->value = value;
            e->version++;
            secret__masks_add(b->masks, secret_view(value)); /* the old one stays known: it may still be in texts */
            changed++;
        }
    }
    if (changed > 0)
        __atomic_add_fetch(&b->generation, 1, __ATOMIC_RELEASE);
    (void)pthread_mutex_unlock(&b->lock);
    if (ret_failed != NULL)
        *ret_failed = failed;
    return changed;
}

uint64_t secret_generation(const struct secret_box *b)
{
    return __atomic_load_n(&b->generation, __ATOMIC_ACQUIRE);
}

enum tl_rc secret_probe(struct secret_box *b, const struct config_secret *ref, struct tl_err *err)
{
    TL_CLEANUP(secret_unrefp) struct secret *value = NULL;
    enum tl_rc rc;

    (void)pthread_mutex_lock(&b->lock);
    rc = read_source(b, ref, &value, err);
    (void)pthread_mutex_unlock(&b->lock);
    return rc;
}

void secret_learn(struct secret_box *b, struct tl_sv value)
{
    (void)pthread_mutex_lock(&b->lock);
    secret__masks_add(b->masks, value);
    (void)pthread_mutex_unlock(&b->lock);
}

static bool hide(struct secret_box *b, struct tl_buf *text, bool cut)
{
    bool any;

    (void)pthread_mutex_lock(&b->lock);
    any = secret__masks_apply(b->masks, text, cut);
    (void)pthread_mutex_unlock(&b->lock);
    return any;
}

bool secret_mask(struct secret_box *b, struct tl_buf *text)
{
    return hide(b, text, false);
}

bool secret_mask_cut(struct secret_box *b, struct tl_buf *text)
{
    return hide(b, text, true);
}
