/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret.h - where secrets come from and how they are kept: environment, files, systemd credentials, the local
 * encrypted store, and sources of others (vault) through a port.
 *
 * Promises: a value lives in memory that is locked where the system allows it and wiped when the last reference goes;
 * it has no log constructor; no error text holds one. Every value that was resolved is known to secret_mask(). A source
 * that cannot be read again keeps the last value. Nothing here suspends; files and environment are read when asked. A
 * box may be used from any thread.
 */
#ifndef TL_SECRET_SECRET_H
#define TL_SECRET_SECRET_H

#include "async/async.h"
#include "config/config.h"
#include "crypto/crypto.h"

/* ---- a value: reference counted, immutable ---- */
struct secret;
struct secret *secret_new(struct tl_sv value) TL_MUST_CHECK; /* copies; wipe yours */
struct secret *secret_ref(struct secret *s);
void secret_unref(struct secret *s); /* NULL allowed */
void secret_unrefp(struct secret **s);
struct tl_sv secret_view(const struct secret *s); /* borrowed; NUL-terminated */

/* ---- the local encrypted store: one file, sealed as a whole; layout in store.c ---- */
struct secret_store;
#define SECRET_STORE_MAX (4 * 1024 * 1024)
/* keys: the first one seals, all may open (rekey). A file that is not there is an empty store. TL_CONFIG with what to
 * do: wrong key, not a store, readable by others; TL_IO. */
TL_MUST_CHECK enum tl_rc secret_store_open(const struct crypto *c, const char *path, const struct crypto_seal_key *keys,
                                           size_t n_keys, struct secret_store **ret, struct tl_err *err);
void secret_store_free(struct secret_store *s);
void secret_store_freep(struct secret_store **s);
/* Names: letters, digits, '_', '.', '-'; at most 128. TL_NOT_FOUND. */
TL_MUST_CHECK enum tl_rc secret_store_get(const struct secret_store *s, struct tl_sv name, struct secret **ret,
                                          struct tl_err *err);
/* The value before the last rotation; TL_NOT_FOUND when there is none. */
TL_MUST_CHECK enum tl_rc secret_store_previous(const struct secret_store *s, struct tl_sv name, struct secret **ret,
                                               struct tl_err *err);
/* Changes are in memory until saved. rotate keeps the old value as the previous one. */
TL_MUST_CHECK enum tl_rc secret_store_set(struct secret_store *s, struct tl_sv name, struct tl_sv value, bool rotate,
                                          int64_t now_ms, struct tl_err *err);
TL_MUST_CHECK enum tl_rc secret_store_remove(struct secret_store *s, struct tl_sv name, struct tl_err *err);
/* Names with the time of the last change, by name; never values. */
struct secret_store_item {
    struct tl_sv name;
    int64_t updated_ms;
    bool has_previous;
};
size_t secret_store_list(const struct secret_store *s, struct tl_arena *a, struct secret_store_item **ret);
/* Seal anew and replace the file atomically (temporary file, fsync, rename, fsync of the folder; mode 0600). */
TL_MUST_CHECK enum tl_rc secret_store_save(struct secret_store *s, struct tl_err *err);
/* From now on seal with this key; takes effect with the save. */
void secret_store_rekey(struct secret_store *s, const struct crypto_seal_key *key);
/* 32 bytes as configured, with the id that belongs to them (a fingerprint, so that a wrong key is named as such). */
TL_MUST_CHECK enum tl_rc secret_store_key(const struct crypto *c, struct tl_sv text, struct crypto_seal_key *ret,
                                          struct tl_err *err);

/* ---- the box: resolves references and remembers what it resolved ---- */
struct secret_source { /* port for a source that is kept up to date by somebody else (vault) */
    /* Must not suspend: the cached value, or TL_BUSY when there is none yet. */
    enum tl_rc (*get)(void *arg, const struct config_secret *ref, struct secret **ret, struct tl_err *err);
    void *arg;
};
struct secret_options {
    const struct crypto *crypto;
    const char *(*env)(void *arg, const char *name); /* NULL: getenv(3) */
    void *env_arg;
    const char *credentials_dir;    /* NULL: $CREDENTIALS_DIRECTORY */
    const char *store_path;         /* NULL: no local store */
    struct config_secret store_key; /* from env, file or systemd */
    struct secret_source vault;     /* .get NULL: none */
};
/* What `run`, `check` and `secrets` agree on: the store in $TIELINE_SECRETS (else secrets.tls), its key from the file
 * in $TIELINE_SECRETS_KEY_FILE, else from $TIELINE_SECRETS_KEY. The store is opened at the first ${store:...}. */
struct secret_options secret_default_options(const struct crypto *c);
struct secret_box;
TL_MUST_CHECK enum tl_rc secret_box_new(const struct secret_options *options, struct secret_box **ret,
                                        struct tl_err *err);
void secret_box_free(struct secret_box *b);
void secret_box_freep(struct secret_box **b);

/* The value now. First use reads the source; later uses give the remembered value until secret_reload finds another.
 * *ret_version (may be NULL) grows with each change of this reference. TL_CONFIG with one sentence that says what to
 * do; the literal of CONFIG_SECRET_LITERAL is itself. */
TL_MUST_CHECK enum tl_rc secret_get(struct secret_box *b, const struct config_secret *ref, struct secret **ret,
                                    uint64_t *ret_version, struct tl_err *err);
/* Read every remembered reference again (an interval, SIGHUP, after a change of the store). Returns how many changed;
 * failed reads keep their value and are counted in *ret_failed (may be NULL), the first one's sentence goes to err. */
size_t secret_reload(struct secret_box *b, size_t *ret_failed, struct tl_err *err);
uint64_t secret_generation(const struct secret_box *b); /* grows when any value changed: cheap to poll */
/* Keys from references, `first` before those of the list (of struct config_secret); wipe them. *ret_n: how many. */
#define SECRET_KEYS_MAX 17
TL_MUST_CHECK enum tl_rc secret_seal_keys(struct secret_box *b, const struct crypto *c,
                                          const struct config_secret *first, const struct config_list *more,
                                          struct crypto_seal_key ret[SECRET_KEYS_MAX], size_t *ret_n,
                                          struct tl_err *err);
/* For `check`: does it resolve? Nothing is remembered. */
TL_MUST_CHECK enum tl_rc secret_probe(struct secret_box *b, const struct config_secret *ref, struct tl_err *err);

/* ---- masking ---- */
/* Make a value known that did not come from the box (an access token). The last thousand spellings are remembered. */
void secret_learn(struct secret_box *b, struct tl_sv value);
/* Replace every known value of 6 bytes or more, also percent-encoded, base64 and JSON-escaped, by "***"; true:
 * something was. */
bool secret_mask(struct secret_box *b, struct tl_buf *text);
/* The same of a text whose end was cut off: what a known value begins with is that value there. */
bool secret_mask_cut(struct secret_box *b, struct tl_buf *text);

/* ---- Vault (HashiCorp Vault, OpenBao): vault.c ---- */
enum secret_vault_login {
    SECRET_VAULT_TOKEN,
    SECRET_VAULT_APPROLE,
    SECRET_VAULT_JWT
}; /* Kubernetes is JWT at its own mount */
struct secret_vault_options {
    const char *address;    /* "https://vault.example.com:8200" */
    const char *name_space; /* X-Vault-Namespace; NULL: none */
    enum secret_vault_login login;
    const char *mount; /* of the login method; NULL: "approle", "jwt" */
    const char *role;  /* approle: role_id; jwt, kubernetes: role */
    struct config_secret
        credential; /* the token, secret_id or JWT: from env, file, systemd or store; read anew at each login */
    const char *credential_file; /* instead, with any mode: a projected token of Kubernetes; NULL: none */
    bool kv1;                    /* where Vault does not say what a mount is: KV version 1 */
    int64_t refresh_ms;          /* how old a value may get before it is read again; 0: 5 min */
};
struct secret_vault_request {
    const char *method, *url;
    const char *name_space; /* NULL: none */
    struct tl_sv token;     /* empty: none, as at a login */
    struct tl_sv body;      /* JSON; empty: none */
};
struct secret_vault_http { /* one request; suspends. *ret_status and *ret_body (arena) on TL_OK */
    enum tl_rc (*call)(struct task *t, void *arg, const struct secret_vault_request *request, struct tl_arena *arena,
                       int *ret_status, struct tl_sv *ret_body, struct tl_err *err);
    void *arg;
};
struct secret_vault;
struct secret_vault *secret_vault_new(const struct tl_clock *clock) TL_MUST_CHECK; /* notes what is asked for */
void secret_vault_free(struct secret_vault *v); /* no sync may be under way; NULL allowed */
/* Which Vault it is; copied. Before the first sync, or between two, on the syncing task's thread. http_free (may be
 * NULL) is called with http->arg when it is replaced or at the end. Values that were read stay. */
void secret_vault_configure(struct secret_vault *v, const struct secret_vault_options *options,
                            const struct secret_vault_http *http, void (*http_free)(void *arg));
void secret_vault_close(struct secret_vault *v); /* let go of http; configured no more. Values stay */
/* For secret_options.vault: gives what was read last, also while Vault is down; a reference seen for the first time is
 * noted and TL_BUSY until the next sync. TL_CONFIG: Vault said that there is no such thing, or that we may not have it.
 */
struct secret_source secret_vault_source(struct secret_vault *v);
/* Log in or renew where due, read what is new or old, renew leases. Call it at start, then every second or so, then
 * secret_reload(). `box` resolves the credential. Suspends. An error leaves the values as they are; the next tries come
 * after 1 s, doubling to 1 min. Does nothing while not configured or backing off. */
TL_MUST_CHECK enum tl_rc secret_vault_sync(struct task *t, struct secret_vault *v, struct secret_box *box,
                                           struct tl_err *err);
struct secret_vault_status {
    bool configured, tried, ok; /* ok: the last sync reached it and was let in */
    size_t references, waiting; /* waiting: without a value so far */
    int64_t age_ms;             /* of the oldest value; -1: there is none */
    int64_t since_ok_ms;        /* since the last good sync; -1: none so far */
    uint64_t changes;           /* values that came or changed: cheap to poll */
    char address[200], reason[300];
};
void secret_vault_get_status(struct secret_vault *v, struct secret_vault_status *ret); /* any thread */

/* ---- the `secrets:` block, and Vault over HTTP (vault_http.c) ---- */
struct secret_vault_conf {
    const char *address, *name_space, *ca, *certificate, *certificate_key;
    struct config_choice login; /* struct secret_vault_login_conf */
    int64_t refresh_ms, kv;
};
struct secret_vault_login_conf {
    const char *mount, *role, *file;
    struct config_secret credential;
};
struct secret_conf {
    int64_t every_ms; /* how often sources are read again */
    const struct secret_vault_conf *vault;
};
extern const struct config_spec secret_spec;
/* secret_vault_configure from the block, with an HTTP client of that loop. Does nothing when it is that already. On the
 * loop's thread, or before it runs. TL_CONFIG, TL_IO. */
TL_MUST_CHECK enum tl_rc secret_vault_use(struct secret_vault *v, const struct secret_vault_conf *conf,
                                          struct async_loop *loop, struct tl_err *err);

#endif
