/* SPDX-License-Identifier: Apache-2.0 */
/* web_int.h - what is known of those who call over TCP; web.c, token.c and session.c. */
#ifndef TL_ADMIN_WEB_INT_H
#define TL_ADMIN_WEB_INT_H

#include "admin/admin_int.h"
#include "auth/auth.h"
#include "crypto/crypto.h"

/* ADMIN__TOKENS: those of the ledger; the file's one and the configuration's have places of their own. */
enum {
    ADMIN__HASH = 32,
    ADMIN__TOKENS = 256,
    ADMIN__CONFIGURED = 100,
    ADMIN__SESSIONS = 256,
    ADMIN__ADDRESSES = 256,
    ADMIN__NAME = 64
};

enum admin__token_from { ADMIN__FROM_FILE, ADMIN__FROM_CONFIG, ADMIN__FROM_LEDGER };
struct admin__token {
    char name[ADMIN__NAME + 1];
    enum admin_role role;
    enum admin__token_from from;
    uint8_t hash[ADMIN__HASH];
    int64_t created_ms, expires_ms; /* 0: unknown, never */
    bool loopback;                  /* only for callers on this machine */
};
struct admin__certificate {
    char name[256]; /* common name, or first name in the certificate */
    enum admin_role role;
};
struct admin__session {
    uint8_t hash[ADMIN__HASH], token[ADMIN__HASH];
    char who[ADMIN__NAME + 32];
    enum admin_role role;
    int64_t expires_ms; /* 0: free */
    bool of_token;
};
struct admin__slow {
    uint8_t ip[16];
    bool used;
    uint32_t failures, waiting;
    uint64_t last_ms;
};
/* oidc.c */
struct admin__oidc; /* of one configuration; counted, as tasks may be inside when another comes */
enum { ADMIN__CAME_BACK = 64 };
struct admin_web {
    struct admin *admin;
    struct admin__token tokens[1 + ADMIN__CONFIGURED + ADMIN__TOKENS];
    size_t n_tokens;
    struct admin__certificate certificates[ADMIN__CONFIGURED];
    size_t n_certificates;
    struct admin__session sessions[ADMIN__SESSIONS];
    struct admin__slow slow[ADMIN__ADDRESSES];
    int64_t session_ms;
    uint64_t refused;
    unsigned streams;
    struct tl_buf status; /* stream.c: the last one, made at status_ms of the monotonic clock */
    uint64_t status_ms;
    struct async_mutex changing; /* the ledger's list of tokens */
    char cookie[40];
    struct admin__oidc *oidc;                         /* NULL: none */
    struct crypto_seal_key going;                     /* what a browser takes along to the identity provider */
    uint8_t came_back[ADMIN__CAME_BACK][ADMIN__HASH]; /* attempts that are over, the last ones */
    size_t n_came_back;
};

struct tl_sv admin__cookie(const struct http_req *req, const char *name); /* .p NULL: none */
void admin__oidc_configure(struct admin_web *w, struct flow_plan *plan);  /* another one ends its sessions */
void admin__oidc_done(struct admin_web *w);
void admin__set_cookie(struct admin_call *c, const char *name, const char *value, const char *path, const char *same,
                       int64_t seconds);

void admin__hash(const struct admin_web *w, struct tl_sv secret, uint8_t ret[ADMIN__HASH]);
void admin__secret(const char *prefix, char out[64]); /* 256 random bits as text */
/* Suspends when it is wrong. TL_AUTH, TL_RATE_LIMITED. */
TL_MUST_CHECK enum tl_rc admin__token_check(struct admin_call *c, struct tl_sv presented,
                                            const struct admin__token **ret, struct tl_err *err);
const char *admin__csrf(const struct admin_web *w, struct tl_arena *a, struct tl_sv session);
/* TL_FORBIDDEN: a browser says that a page of another site made the request. */
TL_MUST_CHECK enum tl_rc admin__own_page(const struct admin_call *c, struct tl_err *err);
/* token: the hash of the one it was begun with; NULL: none (single sign-on). until_ms: the latest end (0: as
 * configured). id gets the cookie's value. Returns its end, in ms of the wall clock. */
int64_t admin__session_begin(struct admin_call *c, const char *who, enum admin_role role, const uint8_t *token,
                             int64_t until_ms, char id[64]);
void admin__session_end(struct admin_call *c);
bool admin__still(const struct admin_call *c);   /* the caller would be let in now, with this role */
void admin__sessions_sweep(struct admin_web *w); /* those whose token is gone or has another role */
bool admin__session_info(const struct admin_call *c, const char **ret_csrf, int64_t *ret_expires_ms);

/* ---- token.c ---- */
/* Those of the ledger anew. */
TL_MUST_CHECK enum tl_rc admin__tokens_of_ledger(struct admin_web *w, struct task *task, struct tl_err *err);
bool admin__name_ok(struct tl_sv name); /* 1 to 64 of letters, digits and ._@- */

#endif
