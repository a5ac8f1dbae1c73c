/* SPDX-License-Identifier: Apache-2.0 */
/* vault_int.h - the parts of the Vault source: what was asked for (vault.c), login (vault_login.c), reading and leases
 * (vault_read.c). */
#ifndef TL_SECRET_VAULT_INT_H
#define TL_SECRET_VAULT_INT_H

#include <pthread.h>

#include "secret/secret_int.h"

enum vault_engine { VAULT_UNKNOWN, VAULT_KV1, VAULT_KV2, VAULT_DYNAMIC };

struct vault_member {
    struct vault_member *next;
    char *key;
    struct secret *value; /* NULL: not read yet */
};

/* All members of one path come from one reading: user and password of a dynamic credential belong together. */
struct vault_path {
    struct vault_path *next;
    char *path;
    struct vault_member *members;
    bool read;       /* nothing new has been asked for since the last reading */
    int64_t read_ms; /* monotonic, of the values that are there; only with `has` */
    bool has;
    enum tl_rc rc; /* of the last try */
    char why[240];
    /* the syncing task's alone */
    int64_t retry_ms, backoff_ms; /* of a path that is not there or not allowed */
    enum vault_engine engine;
    size_t mount; /* bytes of path that are the mount, without the slash */
    char *lease;  /* dynamic */
    bool renewable;
    int64_t lease_ms, renew_ms, until_ms;
};

struct secret_vault {
    struct secret_vault_options o; /* strings owned */
    bool configured;
    const struct tl_clock *clock;
    struct secret_vault_http http;
    void (*http_free)(void *arg);
    pthread_mutex_t lock; /* guards paths, members, state and reason; never held across a suspension */
    struct vault_path *paths;
    size_t n_refs;
    uint64_t changes;
    bool tried, ok;
    int64_t ok_ms;
    char reason[300];
    /* the syncing task's alone */
    struct secret *token;
    bool renewable;
    int64_t renew_ms, expires_ms; /* monotonic; expires 0: never */
    int64_t retry_ms, backoff_ms;
};

static inline int64_t secret__vault_now(const struct secret_vault *v)
{
    return (int64_t)tl_clock_mono_ms(v->clock);
}

/* One request. TL_FORBIDDEN for 403 and 400, with Vault's own words. Suspends. */
enum tl_rc secret__vault_call(struct task *t, struct secret_vault *v, struct secret_box *box, struct tl_arena *a,
                              const char *method, const char *path, struct tl_sv body, struct json *ret,
                              struct tl_err *err);
/* A token that is good: renewed, or from a login. *ret_new: from a login. Suspends. */
enum tl_rc secret__vault_ensure_login(struct task *t, struct secret_vault *v, struct tl_arena *a,
                                      struct secret_box *box, bool *ret_new, struct tl_err *err);
bool secret__vault_token_lives(struct task *t, struct secret_vault *v, struct tl_arena *a, struct secret_box *box);
void secret__vault_forget_token(struct secret_vault *v);
/* Read or renew all that is due. What ails Vault as a whole comes back (TL_AUTH: the token is dead); what ails one path
 * goes into that path, the first of these into *ret_path_rc and, when nothing else is wrong, err. Suspends. */
enum tl_rc secret__vault_read_due(struct task *t, struct secret_vault *v, struct secret_box *box,
                                  enum tl_rc *ret_path_rc, struct tl_err *err);
int64_t secret__vault_backoff(int64_t last_ms);           /* 1 s, doubling, to 1 min */
void secret__vault_forget_leases(struct secret_vault *v); /* they went with the token that had made them */

#endif
