/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crypto.h - OpenSSL 3 and libsodium behind our types: MACs, digests, sealing, keys, JWS, JWT, X.509.
 *
 * Promises: nothing here suspends, does I/O, reads a clock or keeps mutable statics; OpenSSL's error queue is empty
 * when a function returns; every compare of secrets takes constant time; key material is wiped when freed. Objects are
 * immutable once made and may be used from any thread. Error texts name what is wrong with a key, never any of its
 * bytes.
 */
#ifndef TL_CRYPTO_CRYPTO_H
#define TL_CRYPTO_CRYPTO_H

#include "json/json.h"

/* Algorithms fetched from the library once; made at start-up, outlives everything below. */
struct crypto;
TL_MUST_CHECK enum tl_rc crypto_new(struct crypto **ret, struct tl_err *err);
void crypto_free(struct crypto *c);
void crypto_freep(struct crypto **c);

enum crypto_hash { CRYPTO_SHA1, CRYPTO_SHA256, CRYPTO_SHA384, CRYPTO_SHA512, CRYPTO_HASH_COUNT };
#define CRYPTO_MAX_DIGEST 64
size_t crypto_hash_size(enum crypto_hash h);
const char *crypto_hash_name(enum crypto_hash h); /* "sha256" */
bool crypto_hash_parse(struct tl_sv name, enum crypto_hash *ret_hash);

/* Digest of the concatenation of the parts; returns its bytes. */
size_t crypto_digest(const struct crypto *c, enum crypto_hash h, const struct tl_sv *parts, size_t n,
                     uint8_t out[CRYPTO_MAX_DIGEST]);

/* ---- HMAC. The key's two pad blocks are hashed once, so a MAC costs the message and two blocks. ---- */
struct crypto_hmac;
struct crypto_hmac *crypto_hmac_new(const struct crypto *c, enum crypto_hash h, struct tl_sv key) TL_MUST_CHECK;
void crypto_hmac_free(struct crypto_hmac *m);
enum crypto_hash crypto_hmac_hash(const struct crypto_hmac *m);
/* MAC of the concatenation of the parts; returns its bytes. Any thread, the key is not changed. */
size_t crypto_hmac_sum(const struct crypto_hmac *m, const struct tl_sv *parts, size_t n,
                       uint8_t out[CRYPTO_MAX_DIGEST]);
/* A message in pieces: a digest (m NULL) or a MAC. One owner; m must outlive it; _end frees it. */
struct crypto_stream;
struct crypto_stream *crypto_stream_new(const struct crypto *c, enum crypto_hash h,
                                        const struct crypto_hmac *m) TL_MUST_CHECK;
void crypto_stream_add(struct crypto_stream *s, const void *p, size_t n);
size_t crypto_stream_end(struct crypto_stream *s, uint8_t out[CRYPTO_MAX_DIGEST]);
void crypto_stream_free(struct crypto_stream *s); /* without asking for the result */

bool crypto_equal(const void *a, const void *b, size_t n); /* constant time */

/* ---- Sealing of data at rest ---- */
/* A sealed text says which key (id chosen by its owner) and algorithm made it; layout in seal.c. */
enum crypto_aead { CRYPTO_XCHACHA20_POLY1305 = 1, CRYPTO_AES256_GCM = 2 };
#define CRYPTO_SEAL_KEY 32
#define CRYPTO_SEAL_OVERHEAD 48 /* at most */
struct crypto_seal_key {
    uint32_t id;
    uint8_t key[CRYPTO_SEAL_KEY];
};
/* Appends to out. aad binds the text to its place (table and row, name): opening needs the same. TL_LIMIT at out's
 * limit. */
TL_MUST_CHECK enum tl_rc crypto_seal(const struct crypto *c, enum crypto_aead how, const struct crypto_seal_key *key,
                                     struct tl_sv aad, struct tl_sv plain, struct tl_buf *out, struct tl_err *err);
/* The key is chosen by the id in the text. TL_PARSE: not a sealed text or cut short; TL_NOT_FOUND: no key of that id;
 * TL_INVALID: changed, moved, or sealed with another key of that id. */
TL_MUST_CHECK enum tl_rc crypto_open(const struct crypto *c, const struct crypto_seal_key *keys, size_t n_keys,
                                     struct tl_sv aad, struct tl_sv sealed, struct tl_buf *out, struct tl_err *err);
TL_MUST_CHECK enum tl_rc crypto_sealed_key_id(struct tl_sv sealed, uint32_t *ret_id, struct tl_err *err);
/* 32 bytes from a text: 64 hex digits, base64 of 32 bytes, or 32 raw bytes. TL_CONFIG otherwise. */
TL_MUST_CHECK enum tl_rc crypto_seal_key_parse(struct tl_sv text, uint8_t ret_key[CRYPTO_SEAL_KEY], struct tl_err *err);

/* ---- Keys: RFC 7517 JWK, PEM, raw ---- */
#define CRYPTO_ALG_TABLE(X)                                                                                            \
    X(HS256, "HS256")                                                                                                  \
    X(HS384, "HS384")                                                                                                  \
    X(HS512, "HS512")                                                                                                  \
    X(RS256, "RS256")                                                                                                  \
    X(RS384, "RS384")                                                                                                  \
    X(RS512, "RS512")                                                                                                  \
    X(PS256, "PS256")                                                                                                  \
    X(PS384, "PS384")                                                                                                  \
    X(PS512, "PS512")                                                                                                  \
    X(ES256, "ES256")                                                                                                  \
    X(ES384, "ES384")                                                                                                  \
    X(ES512, "ES512")                                                                                                  \
    X(EDDSA, "EdDSA")
/* RFC 7518 3.1, RFC 8037 3.1. There is no "none". */
enum crypto_alg {
    CRYPTO_ALG_UNSET = 0,
#define X(name, text) CRYPTO_##name,
    CRYPTO_ALG_TABLE(X)
#undef X
        CRYPTO_ALG_COUNT
};
const char *crypto_alg_name(enum crypto_alg a);
bool crypto_alg_parse(struct tl_sv name, enum crypto_alg *ret_alg); /* exact spelling */

/* Nobody is there to give a pass phrase: a prompt would wait for ever, and OpenSSL's takes the signals of the process.
 * The first is OpenSSL's pem_password_cb for whatever loads a key or a certificate; asked is NULL or a bool that is set
 * when one would be needed. The second, once and before other threads, is for what takes no such function: libcurl, and
 * OpenSSL's own readers of authorities. */
int crypto_no_passphrase(char *buf, int size, int writing, void *asked);
void crypto_never_ask(void);

struct crypto_key; /* reference counted, immutable */
struct crypto_key *crypto_key_ref(struct crypto_key *k);
void crypto_key_unref(struct crypto_key *k); /* NULL allowed */
void crypto_key_unrefp(struct crypto_key **k);
/* A private key (PKCS#8, PKCS#1, SEC1; encrypted or not), a public key, or a certificate's public key. TL_CONFIG with
 * one sentence: no PEM block, wrong or missing passphrase, unsupported type, too small. passphrase.p NULL: none. */
TL_MUST_CHECK enum tl_rc crypto_key_from_pem(const struct crypto *c, struct tl_sv pem, struct tl_sv passphrase,
                                             struct crypto_key **ret, struct tl_err *err);
TL_MUST_CHECK enum tl_rc crypto_key_from_jwk(const struct crypto *c, struct json jwk, struct crypto_key **ret,
                                             struct tl_err *err);
/* A symmetric key; alg (or UNSET: by length any of HS256..HS512) pins it. */
TL_MUST_CHECK enum tl_rc crypto_key_from_secret(const struct crypto *c, struct tl_sv secret, enum crypto_alg alg,
                                                struct crypto_key **ret, struct tl_err *err);
/* RFC 8032 raw forms: 32 bytes of a public key, or of a seed. */
TL_MUST_CHECK enum tl_rc crypto_key_ed25519(const struct crypto *c, struct tl_sv raw, bool is_private,
                                            struct crypto_key **ret, struct tl_err *err);
struct tl_sv crypto_key_id(const struct crypto_key *k);  /* kid; empty: none */
bool crypto_key_is_private(const struct crypto_key *k);  /* can sign */
const char *crypto_key_kind(const struct crypto_key *k); /* "an RSA key", "a P-256 key", "a shared secret", ... */
bool crypto_key_fits(const struct crypto_key *k, enum crypto_alg alg); /* type, size, curve, `alg`, `use`, `key_ops` */
/* The public half as a JWK, with alg where given. TL_INVALID for a shared secret. */
TL_MUST_CHECK enum tl_rc crypto_key_to_jwk(const struct crypto_key *k, struct tl_arena *a, struct json *ret,
                                           struct tl_err *err);

/* Bytes in, signature in JOSE's form (RFC 7518 3.4: R||S). TL_CONFIG when the key does not fit the algorithm. */
TL_MUST_CHECK enum tl_rc crypto_key_sign(const struct crypto *c, const struct crypto_key *k, enum crypto_alg alg,
                                         struct tl_sv data, struct tl_buf *out, struct tl_err *err);
/* TL_OK, or TL_AUTH: the signature does not match. */
TL_MUST_CHECK enum tl_rc crypto_key_verify(const struct crypto *c, const struct crypto_key *k, enum crypto_alg alg,
                                           struct tl_sv data, struct tl_sv signature, struct tl_err *err);
/* RSASSA-PKCS1-v1_5 with a hash by name, for senders with schemes of their own (SNS version 1 signs SHA-1). */
TL_MUST_CHECK enum tl_rc crypto_key_verify_rsa(const struct crypto *c, const struct crypto_key *k, enum crypto_hash h,
                                               struct tl_sv data, struct tl_sv signature, struct tl_err *err);

struct crypto_keys; /* a JWK set: reference counted, immutable */
/* A set, or one JWK as a set of one. Keys of unknown types are left out (RFC 7517 5); refused: two keys with one kid,
 * and shared secrets beside public keys (the set was not made to be published). At most 100 keys. */
TL_MUST_CHECK enum tl_rc crypto_keys_from_json(const struct crypto *c, struct json set, struct crypto_keys **ret,
                                               struct tl_err *err);
struct crypto_keys *crypto_keys_of(struct crypto_key *const *keys, size_t n) TL_MUST_CHECK;
struct crypto_keys *crypto_keys_ref(struct crypto_keys *s);
void crypto_keys_unref(struct crypto_keys *s);
void crypto_keys_unrefp(struct crypto_keys **s);
size_t crypto_keys_count(const struct crypto_keys *s);
struct crypto_key *crypto_keys_at(const struct crypto_keys *s, size_t i); /* borrowed */

/* ---- JWS, RFC 7515 ---- */
#define CRYPTO_MAX_JWS (1024 * 1024)
struct crypto_jws {
    struct json header;     /* protected and unprotected members together */
    struct tl_sv payload;   /* decoded, in the arena or the input */
    struct crypto_key *key; /* borrowed from the set: which one it was */
    enum crypto_alg alg;
};
/* Compact. `detached` is the payload of an empty middle part (appendix F), else TL_SV_NULL; RFC 7797 b64=false is
 * understood. The algorithm must fit the key's own declaration; kid selects where both have one. In a set of several
 * keys without a kid each fitting key is tried. TL_PARSE, TL_AUTH. */
TL_MUST_CHECK enum tl_rc crypto_jws_verify(const struct crypto *c, struct tl_arena *a, struct tl_sv compact,
                                           const struct crypto_keys *keys, struct tl_sv detached,
                                           struct crypto_jws *ret, struct tl_err *err);
/* JSON serialization, general or flattened: at least one signature must verify, and none may be malformed. */
TL_MUST_CHECK enum tl_rc crypto_jws_verify_json(const struct crypto *c, struct tl_arena *a, struct json jws,
                                                const struct crypto_keys *keys, struct tl_sv detached,
                                                struct crypto_jws *ret, struct tl_err *err);
/* header_json: the protected header as it shall be sent; its "alg" must be `alg`. Appends the compact form. */
TL_MUST_CHECK enum tl_rc crypto_jws_sign(const struct crypto *c, const struct crypto_key *k, enum crypto_alg alg,
                                         struct tl_sv header_json, struct tl_sv payload, struct tl_buf *out,
                                         struct tl_err *err);

/* ---- JWT, RFC 7519 and RFC 8725 ---- */
struct crypto_jwt_rules {
    const enum crypto_alg *algs; /* allowed; NULL: what the keys' types allow (never a mix of HMAC and public keys) */
    size_t n_algs;
    const struct tl_sv *issuers; /* any of; none: not checked */
    size_t n_issuers;
    const struct tl_sv *audiences;
    size_t n_audiences;
    struct tl_sv type;  /* required `typ` (RFC 8725 3.11); empty: not checked */
    int64_t skew_ms;    /* of the clocks, applied to exp, nbf and iat */
    int64_t max_age_ms; /* since iat; 0: not checked */
    bool exp_optional;  /* default: a token without exp is refused */
};
struct crypto_jwt {
    struct json header, claims;
    struct crypto_key *key;
};
/* TL_PARSE (malformed), TL_AUTH (signature or a claim: the text names the claim and what was expected, not its value).
 */
TL_MUST_CHECK enum tl_rc crypto_jwt_verify(const struct crypto *c, struct tl_arena *a, struct tl_sv token,
                                           const struct crypto_keys *keys, const struct crypto_jwt_rules *rules,
                                           int64_t now_ms, struct crypto_jwt *ret, struct tl_err *err);
/* kid and typ (may be empty) go into the header. */
TL_MUST_CHECK enum tl_rc crypto_jwt_sign(const struct crypto *c, const struct crypto_key *k, enum crypto_alg alg,
                                         struct tl_sv kid, struct tl_sv typ, struct json claims, struct tl_buf *out,
                                         struct tl_err *err);

/* ---- X.509 ---- */
struct crypto_cert;
TL_MUST_CHECK enum tl_rc crypto_cert_from_pem(const struct crypto *c, struct tl_sv pem, struct crypto_cert **ret,
                                              struct tl_err *err); /* the first certificate of a chain */
TL_MUST_CHECK enum tl_rc crypto_cert_from_der(const struct crypto *c, struct tl_sv der, struct crypto_cert **ret,
                                              struct tl_err *err);
void crypto_cert_free(struct crypto_cert *cert);
void crypto_cert_freep(struct crypto_cert **cert);
struct tl_sv crypto_cert_subject(const struct crypto_cert *cert); /* RFC 2253, UTF-8 */
struct tl_sv crypto_cert_issuer(const struct crypto_cert *cert);
size_t crypto_cert_names(const struct crypto_cert *cert,
                         const struct tl_sv **ret); /* SANs: "dns:..", "ip:..", "uri:..", "email:.." */
int64_t crypto_cert_not_before_ms(const struct crypto_cert *cert);
int64_t crypto_cert_not_after_ms(const struct crypto_cert *cert);
void crypto_cert_sha256(const struct crypto_cert *cert, uint8_t out[32]); /* fingerprint of the DER */
struct crypto_key *crypto_cert_key(const struct crypto_cert *cert);       /* borrowed; NULL: a type we do not use */
bool crypto_cert_host(const struct crypto_cert *cert,
                      struct tl_sv host); /* RFC 9525, wildcards in the leftmost label */
/* TL_CONFIG with the date when it is expired or not yet valid. */
TL_MUST_CHECK enum tl_rc crypto_cert_check(const struct crypto_cert *cert, int64_t now_ms, struct tl_err *err);
/* TL_CONFIG unless `k` is the private key of this certificate. */
TL_MUST_CHECK enum tl_rc crypto_cert_fits(const struct crypto_cert *cert, const struct crypto_key *k,
                                          struct tl_err *err);

#endif
