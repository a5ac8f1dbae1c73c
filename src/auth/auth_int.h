/* SPDX-License-Identifier: Apache-2.0 */
/* auth_int.h - shared by the files of this folder only. */
#ifndef TL_AUTH_AUTH_INT_H
#define TL_AUTH_AUTH_INT_H

#include <pthread.h>

#include "auth/auth.h"
#include "http/url.h"

/* One struct for all schemes; a scheme's spec offers the fields that it has. */
struct auth_conf {
    const char *user, *name, *prefix;                         /* password grant; api_key */
    struct config_secret login;                               /* basic: the user, mostly as it is */
    struct config_secret password, value;                     /* basic, password grant; api_key, bearer */
    int place;                                                /* api_key: header, query, cookie */
    const char *token_url, *authorize_url, *scope, *audience; /* oauth2 */
    const char *client_id, *kid, *issuer, *subject;
    struct config_secret client_secret, private_key, passphrase, refresh_token;
    int client_auth, alg;
    int64_t expires_in_ms;                    /* assumed where the server does not say */
    const char *cert_file, *key_file;         /* mutual TLS */
    const char *ca_file;                      /* of the token server */
    const char *consumer_key, *token, *realm; /* oauth1 */
    struct config_secret consumer_secret, token_secret;
    int method;
    const char *signed_text, *timestamp_header; /* hmac */
    int hash, encoding;
    struct config_map extra; /* const char *: more parameters of the token request */
};
enum { AUTH_SECRETS = 9 };
/* Those of a configuration; absent ones are of kind NONE. */
void auth__conf_secrets(const struct auth_conf *c, const struct config_secret *ret[AUTH_SECRETS]);
enum { CLIENT_SECRET_BASIC, CLIENT_SECRET_POST, PRIVATE_KEY_JWT, CLIENT_TLS };
enum { PLACE_HEADER, PLACE_QUERY, PLACE_COOKIE };

struct auth_scheme {
    const char *name;
    /* Static schemes: put the proof into the request. */
    enum tl_rc (*apply)(struct auth *a, struct auth_request *req, struct tl_err *err);
    /* Token schemes: the grant's parameters of the token request. */
    enum tl_rc (*grant)(struct auth *a, struct tl_arena *arena, struct tl_buf *form, struct tl_err *err);
};
const struct auth_scheme *auth__scheme(const char *name);

enum { AUTH_BASE = 300 };
struct auth_token {
    struct secret *access;   /* NULL: none */
    struct secret *id;       /* of OpenID Connect, where it is wanted */
    struct secret *refresh;  /* the newest one */
    struct secret *previous; /* the one before, until the newest has been used with success */
    char scope[400];         /* as granted, where the server says so; "": as asked for */
    char base[AUTH_BASE];    /* where the API is, as the answer says; "": it does not */
    int64_t expires_ms;      /* wall clock; 0: not known */
    int64_t lifetime_ms;
    int64_t obtained_ms, granted_ms, grant_expires_ms; /* of access, refresh; wall clock, 0: not known */
};

struct auth_shared;
struct auth_waiter {
    struct async_wait wait;
    struct async_loop *loop;
    struct auth_shared *shared;
    struct auth_waiter *prev, *next;
    bool listed;
    enum tl_rc rc; /* the leader's outcome */
    struct tl_err err;
};

/* What is true of a connection whatever plan a call belongs to: token, pause, clock. A reload with the same
 * configuration goes on with it, so that nothing is fetched twice and no refusal is forgotten. */
struct auth_shared {
    int refs;               /* atomic */
    uint64_t configuration; /* fingerprint of what it was made for */
    char *connection;
    struct auth_shared *next; /* in the book */
    pthread_mutex_t lock;     /* guards all that follows; never held across a suspension */
    struct auth_token token;
    uint64_t generation; /* of the token */
    uint64_t rejected;   /* the generation whose 401 has been renewed already */
    bool must_renew, refreshing, loaded, recalled;
    bool refused; /* the leader's: the server itself has said no */
    struct auth_waiter *first, *last;
    /* pause */
    bool paused, probing, noted; /* noted: the refusals are on disk */
    unsigned step;
    uint64_t next_probe_ns, probe_until_ns;
    uint64_t failures[3];    /* monotonic ns of the last refused credentials, 0: none */
    uint64_t secrets;        /* versions of its secrets when it was paused */
    uint64_t seen, versions; /* of all secrets when those of this connection were summed up */
    int64_t skew_ms;
    char reason[200];
    /* a person is at the authorization server */
    struct auth_code code;
    char *redirect_uri;
    int64_t code_until_ms; /* monotonic; 0: nobody is */
};

struct auth {
    struct auth_world w;
    char *connection;
    const struct auth_scheme *scheme;
    struct auth_conf own; /* the configuration, with the connector's defaults put in */
    const struct auth_conf *conf;
    struct auth_defaults defaults;
    struct auth_shared *s;
    struct http_client_tls tls;
    bool wants_id;            /* the ID token of an answer is kept */
    struct crypto_cert *cert; /* of mutual TLS, for its dates; NULL: none, or not to be read */
};

static inline void secret_buf_done(struct tl_buf *b)
{
    if (b->p != NULL)
        tl_wipe(b->p, b->cap);
    tl_buf_done(b);
}

struct tl_sv auth__encode(struct tl_arena *a, struct tl_sv s);
bool auth__form_pairs(struct tl_arena *a, struct tl_sv form, struct auth_pair *out, size_t max, size_t *n);
bool auth__form_add(struct tl_buf *form, const char *name, struct tl_sv value);
void auth__form_text(struct tl_buf *form, const char *name, const char *value); /* NULL: nothing */
enum tl_rc auth__secret(struct auth *a, const struct config_secret *ref, const char *what, struct secret **ret,
                        struct tl_err *err);
void auth__plain(struct auth_request *req, struct tl_sv value); /* a header's value that is no secret */
int64_t auth__their_time_ms(struct auth *a);                    /* our wall clock, corrected by the measured skew */
/* Pause bookkeeping; the lock is held. */
void auth__pause(struct auth *a, const char *reason);
void auth__resume(struct auth *a);
void auth__note(struct auth *a, const char *text); /* for status; takes the lock */
void auth__measure_skew(struct auth *a, struct tl_sv date);
uint64_t auth__secret_versions(struct auth *a); /* grows when one of its own secrets changes; the lock is held */
/* lifetime.c. read: after access and refresh. The token's members in an answer, and in what is kept. */
void auth__lifetime_read(struct json doc, int64_t asked_ms, struct auth_token *t);
void auth__lifetime_save(const struct auth_token *t, struct json_builder *b);
void auth__lifetime_load(struct json doc, struct auth_token *t);
void auth__lifetimes(struct auth *a, struct auth_status *ret); /* of a fixed token; the lock is not held */
/* shared.c */
struct auth_shared *auth__shared(struct auth *a); /* a reference: the book's when its configuration is the same */
void auth__shared_unref(struct auth_shared *s);
/* refused.c: refusals survive a restart, or a service that is restarted again and again would lock the account. */
enum tl_rc auth__recall(struct task *t, struct auth *a, struct tl_err *err);
/* token.c */
void auth__release_waiters(struct auth *a, enum tl_rc rc, const struct tl_err *err);
enum tl_rc auth__wait_for_leader(struct task *t, struct auth *a, struct tl_err *err); /* held lock is given back */
enum tl_rc auth__token(struct task *t, struct auth *a, struct secret **ret, uint64_t *ret_generation,
                       struct tl_err *err);
void auth__token_done(struct auth_token *token);
enum tl_rc auth__token_save(struct task *t, struct auth *a, const struct auth_token *token, struct tl_err *err);
enum tl_rc auth__token_load(struct task *t, struct auth *a, struct tl_err *err);
/* oauth2.c: one request to the token endpoint. Suspends. *ret owns its secrets. TL_AUTH: the credentials or the grant
 * were refused. */
enum tl_rc auth__token_request(struct task *t, struct auth *a, struct tl_arena *arena, const struct tl_buf *form,
                               struct auth_token *ret, struct tl_err *err);
/* What a browser brought back: state is checked, the code exchanged. Suspends. *ret owns its secrets. */
enum tl_rc auth__code_exchange(struct task *t, struct auth *a, struct tl_arena *arena, const struct auth_code *code,
                               struct tl_sv redirect_uri, struct tl_sv query, struct auth_token *ret,
                               struct tl_err *err);
enum tl_rc auth__client_assertion(struct auth *a, struct tl_arena *arena, bool bearer, struct tl_buf *out,
                                  struct tl_err *err);
/* schemes */
enum tl_rc auth__apply_basic(struct auth *a, struct auth_request *req, struct tl_err *err);
enum tl_rc auth__apply_api_key(struct auth *a, struct auth_request *req, struct tl_err *err);
enum tl_rc auth__apply_bearer(struct auth *a, struct auth_request *req, struct tl_err *err);
enum tl_rc auth__apply_oauth1(struct auth *a, struct auth_request *req, struct tl_err *err);
enum tl_rc auth__apply_hmac(struct auth *a, struct auth_request *req, struct tl_err *err);
enum tl_rc auth__apply_standard(struct auth *a, struct auth_request *req, struct tl_err *err);
enum tl_rc auth__apply_none(struct auth *a, struct auth_request *req, struct tl_err *err);
enum tl_rc auth__grant_client(struct auth *a, struct tl_arena *arena, struct tl_buf *form, struct tl_err *err);
enum tl_rc auth__grant_refresh(struct auth *a, struct tl_arena *arena, struct tl_buf *form, struct tl_err *err);
enum tl_rc auth__grant_jwt(struct auth *a, struct tl_arena *arena, struct tl_buf *form, struct tl_err *err);
enum tl_rc auth__grant_password(struct auth *a, struct tl_arena *arena, struct tl_buf *form, struct tl_err *err);

#endif
