/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.h - how a connection proves who it is: one contract for every scheme, and the token manager behind it.
 *
 * Promises: one token request at a time per connection, however many tasks on however many loops wait for it; a rotated
 * refresh token is durable before it is used; a token is renewed ahead of its expiry; an answer 401 renews once, the
 * second one pauses the connection (class auth), which probes after 1, 5, 15, then every 30 minutes, with never more
 * than three refused credentials in 30 minutes, and at once when a secret changes. Tokens are sealed on disk and masked
 * everywhere.
 *
 * Around each call: auth_apply, send, then auth_accepted or auth_rejected with the same ticket.
 */
#ifndef TL_AUTH_AUTH_H
#define TL_AUTH_AUTH_H

#include "async/async.h"
#include "config/config.h"
#include "crypto/crypto.h"
#include "http/client.h"
#include "secret/secret.h"

/* ---- ports ---- */
struct auth_transport { /* http_client_call of the task's loop; tests put a fake here */
    enum tl_rc (*call)(struct task *t, void *arg, const struct http_request_out *req, struct tl_arena *arena,
                       struct http_reply *reply, struct tl_err *err);
    void *arg;
};
struct auth_disk { /* small durable values; put returns after they are safe. May suspend */
    enum tl_rc (*put)(struct task *t, void *arg, struct tl_sv key, struct tl_sv value, struct tl_err *err);
    enum tl_rc (*get)(struct task *t, void *arg, struct tl_sv key, struct tl_buf *ret,
                      struct tl_err *err); /* TL_NOT_FOUND */
    void *arg;
};
/* What connections know across reloads: tokens, refusals. One a process, to be freed after the last auth. */
struct auth_book;
struct auth_book *auth_book_new(void) TL_MUST_CHECK;
void auth_book_free(struct auth_book *b); /* NULL allowed */
struct auth_world {                       /* shared by all connections of the process; copied */
    const struct crypto *crypto;
    const struct tl_clock *clock;
    struct secret_box *secrets;
    struct auth_transport http;
    struct auth_disk disk;       /* .put NULL: tokens live in memory only */
    struct crypto_seal_key seal; /* for tokens on disk */
    struct auth_book *book;      /* NULL: each auth has a state of its own */
};

/* ---- configuration: the choices of a connection's `auth:` ---- */
extern const struct config_variants auth_schemes;
/* One of them, for connectors that offer those their system takes. server_known: the addresses of the authorization
 * server may be left out, because auth_defaults has them. NULL: there is no such scheme. */
const struct config_field *auth_scheme_field(const char *name, bool server_known);

/* What a connector knows about the authorization server of its system: holds where the configuration says nothing. */
struct auth_defaults {
    const char *token_url, *authorize_url, *scope, *realm; /* borrowed; NULL: not known */
    const char *audience;    /* aud of the assertion of oauth2_jwt_bearer; NULL: the token endpoint */
    enum crypto_alg rsa_alg; /* of assertions with an RSA key, for `alg: auto`; UNSET: RS256 */
    const char *base_member; /* of the token endpoint's answer: where the API is ("instance_url"); NULL: not said */
    /* NetSuite's assertion: scope is an array in it and not in the form, sub is left out. */
    bool scope_in_assertion;
};

/* ---- one connection's auth: from any thread ---- */
struct auth;
/* scheme and conf are those of the config_choice (conf must outlive it). connection names it on disk and in texts.
 * defaults: NULL, or what the connector knows (its texts must outlive it). TL_CONFIG: an address is missing. */
TL_MUST_CHECK enum tl_rc auth_new(const struct auth_world *world, const char *connection, const char *scheme,
                                  const void *conf, const struct auth_defaults *defaults, struct auth **ret,
                                  struct tl_err *err);
void auth_free(struct auth *a); /* no task may be inside */
void auth_freep(struct auth **a);

/* For a system that wants its credentials within the body (NetSuite's SOAP): they are put here instead of a header. */
struct auth_passport {
    struct tl_sv account;                                          /* given: what they are signed for */
    struct tl_sv consumer_key, token, nonce, timestamp, signature; /* HMAC-SHA256 in base64; the arena's */
};
enum { AUTH_PLAIN = 2 };
struct auth_request { /* what is about to be sent; auth adds to it */
    struct tl_arena *arena;
    struct tl_sv method, url;        /* url may be replaced (API key in the query) */
    struct tl_sv content_type, body; /* schemes that sign look at them */
    struct tl_sv key;            /* the same whenever this is sent again, and nothing else's; empty: there is none */
    struct http_header *headers; /* arena array, replaced when it grows */
    size_t n_headers, cap_headers;
    struct tl_sv plain[AUTH_PLAIN]; /* set: values of headers that are no secrets: an id, a time */
    size_t n_plain;
    const struct http_client_tls *tls; /* set by mutual TLS */
    bool once;                         /* set: the proof counts for one sending only (a nonce) */
    struct auth_passport *passport;    /* wanted; NULL: not. Only oauth1 has it: others fail with TL_CONFIG */
    struct tl_sv base; /* set: what the present token's answer said with base_member, the arena's; .n 0: nothing. Not
                          checked: whoever sends credentials there decides whether it may have them */
};
bool auth_request_header(struct auth_request *req, const char *name,
                         struct tl_sv value); /* borrowed; false: arena limit */

struct auth_ticket { /* opaque: which credentials this call used */
    uint64_t generation, secrets;
    int64_t skew_ms;
    bool probe;
};
/* Suspends while a token is fetched. TL_AUTH (with retry_after_ms) while paused; TL_CONFIG; what the token endpoint's
 * failure means. */
TL_MUST_CHECK enum tl_rc auth_apply(struct task *t, struct auth *a, struct auth_request *req,
                                    struct auth_ticket *ret_ticket, struct tl_err *err);
/* The credentials were taken (any answer but 401). date: the reply's Date header, may be empty: measures the clock
 * skew. */
void auth_accepted(struct auth *a, const struct auth_ticket *ticket, struct tl_sv date);
/* The answer was 401. True: apply again and send once more (allowed where the call is safe to repeat: it was refused
 * before it had an effect). False: the connection is paused now; fail with TL_AUTH. date: as above; where the request
 * was signed with a time (oauth1, hmac) and our clock turns out to be wrong, it is signed again with theirs. */
bool auth_rejected(struct auth *a, const struct auth_ticket *ticket, struct tl_sv date);

/* After a call whose credentials were refused, or accepted after a pause: writes down what must survive a restart.
 * Returns at once when there is nothing to write. Suspends. */
TL_MUST_CHECK enum tl_rc auth_remember(struct task *t, struct auth *a, struct tl_err *err);

/* ---- state, for status and `connect` ---- */
struct auth_status {
    bool paused;
    int64_t next_probe_ms;        /* wall clock; 0: not paused */
    int64_t since_ms, expires_ms; /* of the access token, wall clock; 0: unknown or none. It is renewed by itself */
    int64_t grant_since_ms, grant_expires_ms; /* of the refresh token: when it ends, a person must agree again */
    int64_t fixed_since_ms, fixed_expires_ms; /* of a fixed bearer token that is a JWT */
    bool has_token;                           /* a token is in hand, or a grant to get one with */
    bool needs_person;                        /* the scheme begins with a person's consent (auth_connect_begin) */
    const char *scheme;                       /* "oauth1" */
    char scope[400];                          /* granted, else asked for; "": none */
    int64_t skew_ms;                          /* the other side's clock minus ours */
    unsigned failures;                        /* refused credentials in the last 30 minutes */
    char reason[200];                         /* why it is paused: the vendor's words and ours; no secret */
};
void auth_get_status(struct auth *a, struct auth_status *ret);
/* Probe at the next call, whatever the schedule says ("resume" by hand). */
void auth_resume(struct auth *a);

/* ---- authorization code with PKCE (RFC 6749 4.1, RFC 7636) ---- */
struct auth_code { /* of one attempt; keep it until the browser comes back */
    char state[44], verifier[64];
    struct tl_sv url; /* arena: where the person goes */
};
TL_MUST_CHECK enum tl_rc auth_code_begin(struct auth *a, struct tl_arena *arena, struct tl_sv redirect_uri,
                                         struct auth_code *ret, struct tl_err *err);
/* query: what the browser brought to redirect_uri. Checks state, exchanges the code, stores the grant. Suspends. */
TL_MUST_CHECK enum tl_rc auth_code_finish(struct task *t, struct auth *a, const struct auth_code *code,
                                          struct tl_sv redirect_uri, struct tl_sv query, struct tl_err *err);
/* The same with the attempt kept here: one a connection, for ten minutes; a second begin replaces the first. */
TL_MUST_CHECK enum tl_rc auth_connect_begin(struct auth *a, struct tl_arena *arena, struct tl_sv redirect_uri,
                                            struct tl_sv *ret_url, struct tl_err *err);
TL_MUST_CHECK enum tl_rc auth_connect_finish(struct task *t, struct auth *a, struct tl_sv query, struct tl_err *err);
/* Make sure that there is a usable token, where the scheme has one. Suspends. */
TL_MUST_CHECK enum tl_rc auth_try(struct task *t, struct auth *a, struct tl_err *err);

/* ---- a person signs in to us: OpenID Connect Core 1.0, code flow with PKCE (oidc.c) ---- */
struct auth_oidc_conf {            /* borrowed for the life of the auth_oidc */
    const char *issuer;            /* https; http on this machine only */
    const char *client_id, *scope; /* scope NULL: "openid profile email" */
    struct config_secret client_secret;
    bool secret_in_form; /* client_secret_post instead of client_secret_basic */
    const char *redirect_uri;
};
struct auth_oidc; /* what the issuer publishes, kept for ten minutes. One loop; one owner, no task may be inside */
struct auth_oidc *auth_oidc_new(const struct auth_world *world, const struct auth_oidc_conf *conf) TL_MUST_CHECK;
void auth_oidc_free(struct auth_oidc *o); /* NULL allowed */
struct auth_oidc_attempt {                /* keep it until the browser comes back */
    struct auth_code code;                /* .url: where the browser goes, in the arena */
    char nonce[44];
};
/* Suspends. TL_CONFIG: what the issuer publishes does not fit the configuration. */
TL_MUST_CHECK enum tl_rc auth_oidc_begin(struct task *t, struct auth_oidc *o, struct tl_arena *arena,
                                         struct auth_oidc_attempt *ret, struct tl_err *err);
/* query: what came to redirect_uri. The claims of the ID token, verified by the issuer's published keys: signature,
 * iss, aud, azp, exp, iat, nonce. Suspends. TL_INVALID, TL_AUTH: one sentence for the person. */
TL_MUST_CHECK enum tl_rc auth_oidc_finish(struct task *t, struct auth_oidc *o, struct tl_arena *arena,
                                          const struct auth_oidc_attempt *attempt, struct tl_sv query,
                                          struct json *ret_claims, struct tl_err *err);

/* ---- OAuth 1.0a (RFC 5849), pure ---- */
enum auth_oauth1_method { AUTH_HMAC_SHA1, AUTH_HMAC_SHA256, AUTH_HMAC_SHA512, AUTH_PLAINTEXT };
struct auth_pair {
    struct tl_sv name, value; /* decoded */
};
/* params: the oauth_* parameters without signature, and the form's fields. TL_INVALID: the URL. */
TL_MUST_CHECK enum tl_rc auth_oauth1_base(struct tl_arena *a, struct tl_sv method, struct tl_sv url,
                                          const struct auth_pair *params, size_t n, struct tl_sv *ret,
                                          struct tl_err *err);
/* base64 of the MAC over base (PLAINTEXT: the key itself). token_secret may be empty. */
TL_MUST_CHECK enum tl_rc auth_oauth1_signature(const struct crypto *c, struct tl_arena *a,
                                               enum auth_oauth1_method method, struct tl_sv base,
                                               struct tl_sv consumer_secret, struct tl_sv token_secret,
                                               struct tl_sv *ret, struct tl_err *err);
/* NetSuite's SOAP passport: account, consumer key, token, nonce and timestamp instead of a request. */
TL_MUST_CHECK enum tl_rc auth_netsuite_base(struct tl_arena *a, struct tl_sv account, struct tl_sv consumer_key,
                                            struct tl_sv token, struct tl_sv nonce, struct tl_sv timestamp,
                                            struct tl_sv *ret, struct tl_err *err);

#endif
