/* SPDX-License-Identifier: Apache-2.0 */
/* webhook_int.h - the scheme table and the compiled verifier; for this folder only. */
#ifndef TL_WEBHOOK_WEBHOOK_INT_H
#define TL_WEBHOOK_WEBHOOK_INT_H

#include "webhook/webhook.h"

enum webhook_proof {
    PROOF_HMAC,
    PROOF_DIGEST,   /* a plain hash of a text that holds the secret */
    PROOF_TOKEN,    /* a header equals the secret */
    PROOF_BASIC,    /* RFC 7617 */
    PROOF_BODY,     /* a value in the parsed body equals the secret */
    PROOF_JWT,      /* a token signed with a key of the sender's set; foreign.c */
    PROOF_SNS,      /* RSA over members of the body, by a certificate the body names */
    PROOF_PAYPAL,   /* RSA over headers and a checksum, by a certificate a header names */
    PROOF_PEER,     /* the client certificate of the connection */
    PROOF_OUTBOUND, /* an organization in the body, and a client certificate where one is named; outbound.c */
    PROOF_NONE
};
enum webhook_syntax {
    SYNTAX_BARE,   /* the whole value, after `prefix` */
    SYNTAX_PAIRS,  /* t=1,v1=a,v1=b: signatures under the key `prefix`, the time under t */
    SYNTAX_SPACES, /* v1,a v1,b */
    SYNTAX_COMMAS, /* v1=a,v1=b */
    SYNTAX_FIRST   /* v0=a,b: the prefix once, then a comma list */
};
enum webhook_encoding { ENCODING_HEX, ENCODING_BASE64 };
enum webhook_key { KEY_TEXT, KEY_BASE64, KEY_HEX, KEY_WHSEC };
enum webhook_unit { UNIT_SECONDS, UNIT_MILLISECONDS, UNIT_ISO8601 };
enum webhook_quirk { QUIRK_NONE, QUIRK_TWILIO };

struct webhook_scheme {
    const char *name;
    enum webhook_proof proof;
    /* Families of header names: the first whose signature header is there is used for all three. */
    struct webhook_family {
        const char *signature, *timestamp, *id;
    } families[2];
    enum webhook_syntax syntax;
    const char *prefix; /* of a signature, or its key in a list; NULL: none */
    enum crypto_hash hash;
    enum webhook_encoding encoding;
    enum webhook_key key;
    /* {id} {timestamp} {method} {url} {url_decoded} {form} {secret} {body} and text between them */
    const char *signed_text;
    enum webhook_unit unit;
    bool has_time;               /* a signed time, checked against the tolerance */
    int64_t tolerance_ms;        /* how old it may be */
    int64_t tolerance_future_ms; /* how far ahead; 0: as tolerance_ms */
    const char *id_header[2];    /* where the delivery id is when {id} is not signed */
    const char *id_body;         /* JSON pointers, '+' between those that make it up; "*LIST|": of every item of the
                                    list at that pointer; "#": the digest of the body */
    bool id_is_one;              /* id_body is one pointer: the user's own, where '+' is a character like others */
    const char *type_header[2];
    const char *type_body;
    enum webhook_quirk quirk;
    const char *counts;    /* the member of its events that tells its repetitions apart; NULL: they are alike */
    const char *methods;   /* of its deliveries; NULL: POST and PUT */
    int64_t retry_span_ms; /* of its repetitions; 0: none, or not known */
    enum { SHAKE_NONE, SHAKE_SLACK, SHAKE_META, SHAKE_GRAPH, SHAKE_OKTA, SHAKE_CLOUDEVENTS, SHAKE_X } handshake;
    const char *doc;
};

extern const struct webhook_scheme webhook_scheme_table[];
extern const size_t webhook_scheme_count;
const struct webhook_scheme *webhook__scheme(struct tl_sv name);

enum webhook_part_kind { PART_TEXT, PART_ID, PART_TIMESTAMP, PART_METHOD, PART_URL, PART_FORM, PART_SECRET, PART_BODY };
struct webhook_part {
    enum webhook_part_kind kind;
    struct tl_sv text;
};
enum { WEBHOOK_MAX_PARTS = 12, WEBHOOK_MAX_SIGNATURES = 16, WEBHOOK_MAX_URLS = 3 };

struct webhook_key_one {
    struct tl_sv value; /* the secret as text (token, basic, digest), wiped at the end */
    struct crypto_hmac *hmac;
    struct crypto_key *ed25519; /* standard webhooks v1a */
    int64_t until_ms;
};

struct webhook_verifier {
    uint32_t refs;
    const struct crypto *crypto;
    struct tl_arena *arena;
    struct webhook_scheme s; /* the row, with what the configuration changed */
    struct webhook_part parts[WEBHOOK_MAX_PARTS];
    size_t n_parts;
    bool signs_id, signs_url, signs_form, decodes_url;
    struct tl_sv public_url;
    struct webhook_key_one *keys;
    size_t n_keys;
    struct tl_sv *verify_tokens;
    size_t n_verify_tokens;
    struct tl_sv *origins;
    size_t n_origins;
    int64_t rate;
    struct tl_sv user; /* basic */
    /* foreign.c */
    struct crypto_keys *own_keys; /* jwt: configured instead of a JWK set */
    struct crypto_cert *own_cert; /* sns, paypal: configured instead of the named one */
    enum crypto_alg algs[8];
    size_t n_algs;
    struct tl_sv *issuers, *audiences, *topics, *names;
    size_t n_issuers, n_audiences, n_topics, n_names;
    struct tl_sv *claim_names, *claim_values;
    size_t n_claims;
    struct tl_sv jwks_url, webhook_id;
    int64_t skew_ms, max_age_ms;
    bool confirm;
    struct tl_sv *organizations; /* outbound.c */
    size_t n_organizations;
    struct crypto_key *signer; /* sender.c; NULL: none */
    bool checking;             /* webhook_setup_check: keys may be without a value, and nothing is verified */
};
enum tl_rc webhook__foreign_setup(struct webhook_verifier *v, const struct webhook_conf *conf, struct tl_sv certificate,
                                  struct tl_err *err);
bool webhook__is_foreign(enum webhook_proof p); /* needs no shared secret */
void webhook__foreign_verify(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                             int64_t now_ms, struct webhook_verdict *verdict);
/* What SNS signs of a message: name, line feed, value, line feed. */
struct tl_sv webhook__sns_text(struct tl_arena *a, struct json body);
#define WEBHOOK_OUTBOUND_NS "http://soap.sforce.com/2005/09/outbound"
bool webhook__is_good(const struct webhook_key_one *k, int64_t now_ms); /* its `until` has not come */
/* sign.c: the first secret that is good. TL_CONFIG: none is. */
enum tl_rc webhook__signing_secret(const struct webhook_verifier *v, int64_t now_ms, struct tl_sv *ret,
                                   struct tl_err *err);
/* sender.c: ret->body is the user's body when they are called. TL_CONFIG: there is nothing to sign with. */
enum tl_rc webhook__put_state(const struct webhook_verifier *v, struct tl_arena *a, int64_t now_ms,
                              struct webhook_signed *ret, struct tl_err *err);
/* As a CloudEvent: structured where its content type says so or the body is one already, else binary. */
enum tl_rc webhook__put_ce(struct tl_arena *a, const struct webhook_message *m, struct tl_sv id,
                           struct webhook_signed *ret, struct tl_err *err);
enum tl_rc webhook__foreign_sign(const struct webhook_verifier *v, struct tl_arena *a, struct tl_sv id, int64_t now_ms,
                                 struct webhook_signed *ret, struct tl_err *err);
/* cloudevents.c, for webhook_is_many and webhook_events; v may be NULL. */
bool webhook__is_ce(const struct webhook_verifier *v, const struct webhook_request *req);
bool webhook__ce_events(struct tl_arena *a, const struct webhook_request *req, struct webhook_verdict *verdict,
                        struct webhook_event **ret, size_t *ret_n);
void webhook__refuse(struct webhook_verdict *v, int status, const char *reason, const char *why);
bool webhook__need_once(const struct webhook_request *req, const char *name, const char *missing, const char *twice,
                        struct tl_sv *ret, struct webhook_verdict *verdict);
bool webhook__check_time(const struct webhook_verifier *v, struct tl_sv text, int64_t now_ms,
                         struct webhook_verdict *verdict);

/* The header with this name, any case. *ret_count is how many there are; the first is returned. */
struct tl_sv webhook__header(const struct webhook_request *req, const char *name, size_t *ret_count);
/* A query parameter, decoded into the arena; false: not there. */
bool webhook__query(struct tl_arena *a, struct tl_sv target, const char *name, struct tl_sv *ret);
/* The URLs a scheme signs for this public URL; returns their number. */
size_t webhook__url_forms(struct tl_arena *a, enum webhook_quirk quirk, bool decoded, struct tl_sv url,
                          struct tl_sv ret[WEBHOOK_MAX_URLS]);
/* Twilio: names in byte order, each with its value or values; false when the form is malformed or too large. */
bool webhook__sorted_form(struct tl_arena *a, struct tl_sv body, struct tl_sv *ret);
struct webhook_inputs {
    struct tl_sv id, timestamp, method, url, form, secret, body;
    struct tl_sv urls[WEBHOOK_MAX_URLS]; /* spellings to try */
    size_t n_urls;
};
size_t webhook__signed_parts(const struct webhook_verifier *v, const struct webhook_inputs *in,
                             struct tl_sv ret[WEBHOOK_MAX_PARTS]);
bool webhook__is_form(struct tl_sv content_type);

#endif
