/* SPDX-License-Identifier: Apache-2.0 */
/* sign.c - signatures over bytes, in the forms of RFC 7518 section 3 and RFC 8037. */
#include "crypto/crypto_int.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

static enum tl_rc refuse_key(const struct crypto_key *k, enum crypto_alg alg, struct tl_err *err)
{
    return tl_fail(err, TL_CONFIG, "%s cannot be used for %s%s", crypto_key_kind(k), crypto_alg_name(alg),
                   k->verify_only_off                            ? " (its use or key_ops exclude signatures)"
                   : k->alg != CRYPTO_ALG_UNSET && k->alg != alg ? " (it is declared for another algorithm)"
                                                                 : "");
}

static bool set_pss(EVP_PKEY_CTX *pctx, const EVP_MD *md)
{
    /* RFC 7518 3.5: MGF1 with the same hash, salt as long as the hash. */
    return EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, md) == 1;
}

static size_t half_size(const struct crypto_key *k)
{
    return (k->bits + 7) / 8;
}

static enum tl_rc der_to_raw(const struct crypto_key *k, const uint8_t *der, size_t n, struct tl_buf *out,
                             struct tl_err *err)
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
    size_t half = half_size(k);
    uint8_t raw[2 * 66];
    bool ok = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, (int)half) >= 0 &&
              BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + half, (int)half) >= 0;

    ECDSA_SIG_free(sig);
    if (!ok)
        return crypto__fail(err, TL_BUG, "an ECDSA signature could not be read back");
    return tl_buf_put(out, raw, 2 * half) ? TL_OK : tl_fail(err, TL_LIMIT, "the signature does not fit its buffer");
}

static enum tl_rc sign_pkey(const struct crypto *c, const struct crypto_key *k, enum crypto_alg alg, struct tl_sv data,
                            struct tl_buf *out, struct tl_err *err)
{
    const EVP_MD *md = k->kind == CRYPTO_KIND_ED25519 ? NULL : c->md[crypto__alg_hash(alg)];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    uint8_t sig[2048];
    size_t n = sizeof(sig);
    bool ok = EVP_DigestSignInit(ctx, &pctx, md, NULL, k->pkey) == 1 &&
              (!crypto__alg_is_pss(alg) || set_pss(pctx, md)) &&
              EVP_DigestSign(ctx, sig, &n, (const uint8_t *)data.p, data.n) == 1;

    EVP_MD_CTX_free(ctx);
    if (!ok)
        return crypto__fail(err, TL_CONFIG, "signing failed");
    if (k->kind == CRYPTO_KIND_EC)
        return der_to_raw(k, sig, n, out, err);
    return tl_buf_put(out, sig, n) ? TL_OK : tl_fail(err, TL_LIMIT, "the signature does not fit its buffer");
}

static size_t secret_mac(const struct crypto *c, const struct crypto_key *k, enum crypto_alg alg, struct tl_sv data,
                         uint8_t out[CRYPTO_MAX_DIGEST])
{
    struct crypto_hmac *m = crypto_hmac_new(c, crypto__alg_hash(alg), tl_sv((const char *)k->secret, k->n_secret));
    size_t n = crypto_hmac_sum(m, &data, 1, out);

    crypto_hmac_free(m);
    return n;
}

enum tl_rc crypto_key_sign(const struct crypto *c, const struct crypto_key *k, enum crypto_alg alg, struct tl_sv data,
                           struct tl_buf *out, struct tl_err *err)
{
    uint8_t mac[CRYPTO_MAX_DIGEST];
    size_t n;

    if (!crypto_key_fits(k, alg) || k->sign_off)
        return refuse_key(k, alg, err);
    if (!k->is_private)
        return tl_fail(err, TL_CONFIG, "signing needs the private key; this is %s", crypto_key_kind(k));
    if (k->kind != CRYPTO_KIND_SECRET)
        return sign_pkey(c, k, alg, data, out, err);
    n = secret_mac(c, k, alg, data, mac);
    return tl_buf_put(out, mac, n) ? TL_OK : tl_fail(err, TL_LIMIT, "the signature does not fit its buffer");
}

/* R||S of exactly the curve's size to DER; returns 0 when it has another size. */
static size_t raw_to_der(const struct crypto_key *k, struct tl_sv sig, uint8_t der[160])
{
    size_t half = half_size(k);
    ECDSA_SIG *es;
    uint8_t *p = der;
    int n = 0;

    if (sig.n != 2 * half)
        return 0;
    es = ECDSA_SIG_new();
    if (ECDSA_SIG_set0(es, BN_bin2bn((const uint8_t *)sig.p, (int)half, NULL),
                       BN_bin2bn((const uint8_t *)sig.p + half, (int)half, NULL)) == 1 &&
        i2d_ECDSA_SIG(es, NULL) <= 160)
        n = i2d_ECDSA_SIG(es, &p);
    ECDSA_SIG_free(es);
    return n > 0 ? (size_t)n : 0;
}

static bool verify_pkey(const struct crypto_key *k, const EVP_MD *md, bool pss, struct tl_sv data, struct tl_sv sig)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    bool ok = EVP_DigestVerifyInit(ctx, &pctx, md, NULL, k->pkey) == 1 && (!pss || set_pss(pctx, md)) &&
              EVP_DigestVerify(ctx, (const uint8_t *)sig.p, sig.n, (const uint8_t *)data.p, data.n) == 1;

    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

enum tl_rc crypto_key_verify(const struct crypto *c, const struct crypto_key *k, enum crypto_alg alg, struct tl_sv data,
                             struct tl_sv signature, struct tl_err *err)
{
    uint8_t mac[CRYPTO_MAX_DIGEST], der[160];
    bool ok;
    size_t n;

    if (!crypto_key_fits(k, alg) || k->verify_off)
        return refuse_key(k, alg, err);
    if (k->kind == CRYPTO_KIND_SECRET) {
        n = secret_mac(c, k, alg, data, mac);
        ok = signature.n == n && crypto_equal(mac, signature.p, n);
    } else if (k->kind == CRYPTO_KIND_EC) {
        n = raw_to_der(k, signature, der);
        ok = n > 0 && verify_pkey(k, c->md[crypto__alg_hash(alg)], false, data, tl_sv((const char *)der, n));
    } else if (k->kind == CRYPTO_KIND_RSA) {
        ok = signature.n == half_size(k) &&
             verify_pkey(k, c->md[crypto__alg_hash(alg)], crypto__alg_is_pss(alg), data, signature);
    } else {
        ok = signature.n == 64 && verify_pkey(k, NULL, false, data, signature);
    }
    return ok ? TL_OK : tl_fail(err, TL_AUTH, "the signature does not match");
}

enum tl_rc crypto_key_verify_rsa(const struct crypto *c, const struct crypto_key *k, enum crypto_hash h,
                                 struct tl_sv data, struct tl_sv signature, struct tl_err *err)
{
    if (k->kind != CRYPTO_KIND_RSA || k->verify_only_off)
        return tl_fail(err, TL_CONFIG, "an RSA key is needed; this is %s", crypto_key_kind(k));
    if (signature.n != half_size(k) || !verify_pkey(k, c->md[h], false, data, signature))
        return tl_fail(err, TL_AUTH, "the signature does not match");
    return TL_OK;
}
