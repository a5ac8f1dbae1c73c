/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.c - the local encrypted store.
 *
 * File: "tieline-secrets-1\n", then one sealed text (crypto/seal.c) of a JSON object
 *   {"<name>": {"value": "<base64>", "previous": "<base64>", "updated": <ms>}, ...}
 * bound to the context "tieline-secrets-1". The file is small and changes seldom, so it is sealed and replaced as a
 * whole: an attacker can neither see names nor mix entries of two versions.
 */
#include <stdlib.h>

#include "secret/secret_int.h"

#define MAGIC "tieline-secrets-1\n"

enum { MAX_ITEMS = 4096, MAX_NAME = 128, MAX_KEYS = 4 };

struct item {
    char *name;
    struct secret *value, *previous;
    int64_t updated_ms;
};

struct secret_store {
    const struct crypto *crypto;
    char *path;
    struct crypto_seal_key keys[MAX_KEYS];
    size_t n_keys;
    struct item *items; /* by name */
    size_t n;
};

static void item_done(struct item *it)
{
    tl_free(it->name);
    secret_unref(it->value);
    secret_unref(it->previous);
}

void secret_store_free(struct secret_store *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n; i++)
        item_done(&s->items[i]);
    tl_free(s->items);
    tl_free(s->path);
    tl_wipe(s->keys, sizeof(s->keys));
    tl_free(s);
}

void secret_store_freep(struct secret_store **s)
{
    secret_store_free(*s);
}

enum tl_rc secret_store_key(const struct crypto *c, struct tl_sv text, struct crypto_seal_key *ret, struct tl_err *err)
{
    uint8_t digest[CRYPTO_MAX_DIGEST];
    struct tl_sv parts[] = {TL_SV("tieline key id"), TL_SV_NULL};
    enum tl_rc rc = crypto_seal_key_parse(text, ret->key, err);

    if (rc != TL_OK)
        return rc;
    parts[1] = tl_sv((const char *)ret->key, sizeof(ret->key));
    (void)crypto_digest(c, CRYPTO_SHA256, parts, 2, digest);
    ret->id = (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 | digest[3];
    return TL_OK;
}

enum tl_rc secret_seal_keys(struct secret_box *b, const struct crypto *c, const struct config_secret *first,
                            const struct config_list *more, struct crypto_seal_key ret[SECRET_KEYS_MAX], size_t *ret_n,
                            struct tl_err *err)
{
    size_t n = 0;

    for (size_t i = 0; i <= more->n && n < SECRET_KEYS_MAX; i++) {
        const struct config_secret *ref = i == 0 ? first : CONFIG_AT(*more, struct config_secret, i - 1);
        TL_CLEANUP(secret_unrefp) struct secret *text = NULL;
        enum tl_rc rc = secret_get(b, ref, &text, NULL, err);

        if (rc == TL_OK)
            rc = secret_store_key(c, secret_view(text), &ret[n], err);
        if (rc != TL_OK)
            return rc;
        n++;
    }
    *ret_n = n;
    return TL_OK;
}

static struct item *find(const struct secret_store *s, struct tl_sv name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (tl_sv_eqs(name, s->items[i].name))
            return &s->items[i];
    }
    return NULL;
}

static bool name_ok(struct tl_sv name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
              c == '-'))
            return false;
    }
    return name.n > 0 && name.n <= MAX_NAME;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct item *)a)->name, ((const struct item *)b)->name);
}

static struct secret *decode_value(struct json v)
{
    TL_CLEANUP(secret__buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, SECRET_MAX_VALUE + 16);
    if (v.type != JSON_STRING || !tl_base64_decode(&b, json_view(v)))
        return NULL;
    return secret_new(tl_buf_view(&b));
}

static enum tl_rc load_items(struct secret_store *s, struct tl_sv plain, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(16u << 20);
    struct json doc = JSON_NOTHING;

    if (json_parse(a, plain, 0, NULL, &doc, NULL) != TL_OK || doc.type != JSON_OBJECT || doc.n > MAX_ITEMS)
        return tl_fail(err, TL_CONFIG, "the secret store %.200s is damaged inside; restore it from a backup", s->path);
    s->items = tl_zalloc(((size_t)doc.n + 1) * sizeof(*s->items));
    for (uint32_t i = 0; i < doc.n; i++) {
        struct tl_sv name = json_view(doc.u.members[i].key);
        struct json v = doc.u.members[i].value;
        struct item *it = &s->items[s->n];

        it->value = decode_value(json_gets(v, "value"));
        it->previous = decode_value(json_gets(v, "previous"));
        (void)json_int64(json_gets(v, "updated"), &it->updated_ms);
        it->name = tl_strndup(name.p, name.n);
        s->n++;
        if (it->value == NULL)
            return tl_fail(err, TL_CONFIG, "the secret store %.200s is damaged inside; restore it from a backup",
                           s->path);
    }
    return TL_OK; /* the arena's pages are freed unwiped; they held base64 of the values only for this call */
}

static enum tl_rc load(struct secret_store *s, struct tl_err *err)
{
    TL_CLEANUP(secret__buf_done) struct tl_buf file = {0}, plain = {0};
    struct tl_sv sealed;
    enum tl_rc rc;

    tl_buf_init(&file, SECRET_STORE_MAX);
    tl_buf_init(&plain, SECRET_STORE_MAX);
    rc = secret__read_file(s->path, true, SECRET_STORE_MAX, &file, err);
    if (rc == TL_NOT_FOUND)
        return TL_OK;
    if (rc != TL_OK)
        return rc;
    if (!tl_sv_starts(tl_buf_view(&file), TL_SV(MAGIC)))
        return tl_fail(err, TL_CONFIG, "%.200s is not a secret store, or it was truncated", s->path);
    sealed = tl_sv_from(tl_buf_view(&file), sizeof(MAGIC) - 1);
    rc = crypto_open(s->crypto, s->keys, s->n_keys, TL_SV("tieline-secrets-1"), sealed, &plain, err);
    if (rc == TL_NOT_FOUND)
        return tl_fail(err, TL_CONFIG, "the secret store %.150s was sealed with another key than the one configured",
                       s->path);
    if (rc != TL_OK)
        return tl_fail(err, TL_CONFIG, "the secret store %.150s is damaged or truncated; restore it from a backup",
                       s->path);
    return load_items(s, tl_buf_view(&plain), err);
}

enum tl_rc secret_store_open(const struct crypto *c, const char *path, const struct crypto_seal_key *keys,
                             size_t n_keys, struct secret_store **ret, struct tl_err *err)
{
    TL_CLEANUP(secret_store_freep) struct secret_store *s = NULL;
    enum tl_rc rc;

    if (n_keys == 0 || n_keys > MAX_KEYS)
        return tl_fail(err, TL_CONFIG, "the secret store needs 1 to %d keys", MAX_KEYS);
    s = tl_zalloc(sizeof(*s));
    s->crypto = c;
    s->path = tl_strdup(path);
    memcpy(s->keys, keys, n_keys * sizeof(*keys));
    s->n_keys = n_keys;
    rc = load(s, err);
    if (rc != TL_OK)
        return rc;
    *ret = TL_STEAL(&s);
    return TL_OK;
}

enum tl_rc secret_store_get(const struct secret_store *s, struct tl_sv name, struct secret **ret, struct tl_err *err)
{
    struct item *it = find(s, name);

    if (it == NULL)
        return tl_fail(err, TL_NOT_FOUND, "the secret store has no \"%.*s\"; add it with: tieline secrets set %.*s",
                       (int)(name.n < MAX_NAME ? name.n : MAX_NAME), name.p,
                       (int)(name.n < MAX_NAME ? name.n : MAX_NAME), name.p);
    *ret = secret_ref(it->value);
    return TL_OK;
}

enum tl_rc secret_store_previous(const struct secret_store *s, struct tl_sv name, struct secret **ret,
                                 struct tl_err *err)
{
    struct item *it = find(s, name);

    if (it == NULL || it->previous == NULL)
        return tl_fail(err, TL_NOT_FOUND, "the secret has no previous value");
    *ret = secret_ref(it->previous);
    return TL_OK;
}

enum tl_rc secret_store_set(struct secret_store *s, struct tl_sv name, struct tl_sv value, bool rotate, int64_t now_ms,
                            struct tl_err *err)
{
    struct item *it = find(s, name);

    if (!name_ok(name))
        return tl_fail(err, TL_INVALID, "a secret's name has 1 to %d letters, digits, '_', '.' or '-'", MAX_NAME);
    if (value.n == 0 || value.n > SECRET_MAX_VALUE)
        return tl_fail(err, TL_INVALID, "a secret's value has 1 to %d bytes", SECRET_MAX_VALUE);
    if (it == NULL && s->n == MAX_ITEMS)
        return tl_fail(err, TL_LIMIT, "the secret store holds %d secrets already", MAX_ITEMS);
    if (it == NULL) {
        s->items = tl_reallocarray(s->items, s->n + 1, sizeof(*s->items));
        it = &s->items[s->n++];
        *it = (struct item){.name = tl_strndup(name.p, name.n)};
    }
    secret_unref(it->previous);
    it->previous = rotate ? it->value : NULL;
    if (!rotate)
        secret_unref(it->value);
    it->value = secret_new(value);
    it->updated_ms = now_ms;
    qsort(s->items, s->n, sizeof(*s->items), by_name);
    return TL_OK;
}

enum tl_rc secret_store_remove(struct secret_store *s, struct tl_sv name, struct tl_err *err)
{
    struct item *it = find(s, name);

    if (it == NULL)
        return tl_fail(err, TL_NOT_FOUND, "the secret store has no \"%.*s\"",
                       (int)(name.n < MAX_NAME ? name.n : MAX_NAME), name.p);
    item_done(it);
    memmove(it, it + 1, (size_t)(&s->items[s->n] - it - 1) * sizeof(*it));
    s->n--;
    return TL_OK;
}

size_t secret_store_list(const struct secret_store *s, struct tl_arena *a, struct secret_store_item **ret)
{
    struct secret_store_item *list = tl_arena_must(a, (s->n + 1) * sizeof(*list));

    for (size_t i = 0; i < s->n; i++)
        list[i] = (struct secret_store_item){tl_sv_str(tl_arena_strdup(a, s->items[i].name)), s->items[i].updated_ms,
                                             s->items[i].previous != NULL};
    *ret = list;
    return s->n;
}

static void put_value(struct tl_buf *b, const char *member, const struct secret *v)
{
    tl_buf_printf(b, "\"%s\":\"", member);
    tl_base64_encode(b, secret_view(v).p, secret_view(v).n);
    tl_buf_puts(b, "\",");
}

enum tl_rc secret_store_save(struct secret_store *s, struct tl_err *err)
{
    TL_CLEANUP(secret__buf_done) struct tl_buf plain = {0}, file = {0};
    enum tl_rc rc;

    tl_buf_init(&plain, SECRET_STORE_MAX - 4096);
    tl_buf_init(&file, SECRET_STORE_MAX);
    tl_buf_putc(&plain, '{');
    for (size_t i = 0; i < s->n; i++) {
        tl_buf_printf(&plain, "%s\"%s\":{", i > 0 ? "," : "", s->items[i].name); /* a name needs no escapes */
        put_value(&plain, "value", s->items[i].value);
        if (s->items[i].previous != NULL)
            put_value(&plain, "previous", s->items[i].previous);
        tl_buf_printf(&plain, "\"updated\":%lld}", (long long)s->items[i].updated_ms);
    }
    tl_buf_putc(&plain, '}');
    if (plain.failed)
        return tl_fail(err, TL_LIMIT, "the secret store is larger than 4 MB");
    tl_buf_puts(&file, MAGIC);
    rc = crypto_seal(s->crypto, CRYPTO_XCHACHA20_POLY1305, &s->keys[0], TL_SV("tieline-secrets-1"), tl_buf_view(&plain),
                     &file, err);
    return rc == TL_OK ? secret__write_file(s->path, tl_buf_view(&file), err) : rc;
}

void secret_store_rekey(struct secret_store *s, const struct crypto_seal_key *key)
{
    s->keys[0] = *key;
    s->n_keys = 1;
}
