/* SPDX-License-Identifier: Apache-2.0 */
/* crypto_int.h - shared by the files of this folder only. */
#ifndef TL_CRYPTO_CRYPTO_INT_H
#define TL_CRYPTO_CRYPTO_INT_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "crypto/crypto.h"

struct crypto {
    EVP_MD *md[CRYPTO_HASH_COUNT];
    EVP_CIPHER *aes256_gcm;
};

enum crypto_kind { CRYPTO_KIND_SECRET, CRYPTO_KIND_RSA, CRYPTO_KIND_EC, CRYPTO_KIND_ED25519 };

struct crypto_key {
    uint32_t refs;
    enum crypto_kind kind;
    bool is_private;
    enum crypto_alg alg;  /* pinned by the declaration; UNSET: free within the kind */
    bool verify_only_off; /* use or key_ops exclude signatures */
    bool sign_off;        /* key_ops has no "sign" */
    bool verify_off;      /* key_ops has no "verify" */
    uint32_t bits;        /* RSA modulus, curve size, secret length */
    EVP_PKEY *pkey;       /* not for a secret */
    uint8_t *secret;
    size_t n_secret;
    char *kid;
    size_t n_kid;
};

struct crypto_keys {
    uint32_t refs;
    size_t n;
    struct crypto_key *at[];
};

struct crypto_key *crypto__key_wrap(EVP_PKEY *take_pkey, struct tl_err *err);
enum crypto_hash crypto__alg_hash(enum crypto_alg a);
enum crypto_kind crypto__alg_kind(enum crypto_alg a);
bool crypto__alg_is_pss(enum crypto_alg a);
/* Empties OpenSSL's queue and returns its first reason ("unknown" when there was none). */
const char *crypto__reason(void);
/* Fails with `what` and OpenSSL's reason. */
enum tl_rc crypto__fail(struct tl_err *err, enum tl_rc rc, const char *what);
struct crypto_cert *crypto__cert_wrap(const struct crypto *c, X509 *take_x509, struct tl_err *err);

#endif
