/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key.c - keys from PEM and raw bytes, and which algorithms a key may be used with.
 * Invariant: a crypto_key that exists is of a type and size we accept; weak keys are refused at the door.
 */
#include "crypto/crypto_int.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ui.h>

static const struct {
    const char *name;
    enum crypto_hash hash;
    enum crypto_kind kind;
    uint32_t bits; /* EC: the curve; secret: the least length, RFC 7518 3.2; RSA: the least modulus, 3.3 */
    bool pss;
} algs[CRYPTO_ALG_COUNT] = {
    [CRYPTO_HS256] = {"HS256", CRYPTO_SHA256, CRYPTO_KIND_SECRET, 256, false},
    [CRYPTO_HS384] = {"HS384", CRYPTO_SHA384, CRYPTO_KIND_SECRET, 384, false},
    [CRYPTO_HS512] = {"HS512", CRYPTO_SHA512, CRYPTO_KIND_SECRET, 512, false},
    [CRYPTO_RS256] = {"RS256", CRYPTO_SHA256, CRYPTO_KIND_RSA, 2048, false},
    [CRYPTO_RS384] = {"RS384", CRYPTO_SHA384, CRYPTO_KIND_RSA, 2048, false},
    [CRYPTO_RS512] = {"RS512", CRYPTO_SHA512, CRYPTO_KIND_RSA, 2048, false},
    [CRYPTO_PS256] = {"PS256", CRYPTO_SHA256, CRYPTO_KIND_RSA, 2048, true},
    [CRYPTO_PS384] = {"PS384", CRYPTO_SHA384, CRYPTO_KIND_RSA, 2048, true},
    [CRYPTO_PS512] = {"PS512", CRYPTO_SHA512, CRYPTO_KIND_RSA, 2048, true},
    [CRYPTO_ES256] = {"ES256", CRYPTO_SHA256, CRYPTO_KIND_EC, 256, false},
    [CRYPTO_ES384] = {"ES384", CRYPTO_SHA384, CRYPTO_KIND_EC, 384, false},
    [CRYPTO_ES512] = {"ES512", CRYPTO_SHA512, CRYPTO_KIND_EC, 521, false},
    [CRYPTO_EDDSA] = {"EdDSA", CRYPTO_SHA512, CRYPTO_KIND_ED25519, 256, false},
};

const char *crypto_alg_name(enum crypto_alg a)
{
    return a > CRYPTO_ALG_UNSET && a < CRYPTO_ALG_COUNT ? algs[a].name : "none";
}

bool crypto_alg_parse(struct tl_sv name, enum crypto_alg *ret_alg)
{
    for (size_t i = CRYPTO_ALG_UNSET + 1; i < CRYPTO_ALG_COUNT; i++) {
        if (tl_sv_eqs(name, algs[i].name)) {
            *ret_alg = (enum crypto_alg)i;
            return true;
        }
    }
    return false;
}

enum crypto_hash crypto__alg_hash(enum crypto_alg a)
{
    return algs[a].hash;
}

enum crypto_kind crypto__alg_kind(enum crypto_alg a)
{
    return algs[a].kind;
}

bool crypto__alg_is_pss(enum crypto_alg a)
{
    return algs[a].pss;
}

struct crypto_key *crypto_key_ref(struct crypto_key *k)
{
    __atomic_add_fetch(&k->refs, 1, __ATOMIC_RELAXED);
    return k;
}

void crypto_key_unref(struct crypto_key *k)
{
    if (k == NULL || __atomic_sub_fetch(&k->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    EVP_PKEY_free(k->pkey);
    if (k->secret != NULL)
        tl_wipe(k->secret, k->n_secret);
    tl_free(k->secret);
    tl_free(k->kid);
    tl_free(k);
}

void crypto_key_unrefp(struct crypto_key **k)
{
    crypto_key_unref(*k);
}

struct tl_sv crypto_key_id(const struct crypto_key *k)
{
    return tl_sv(k->kid, k->n_kid);
}

bool crypto_key_is_private(const struct crypto_key *k)
{
    return k->is_private;
}

const char *crypto_key_kind(const struct crypto_key *k)
{
    switch (k->kind) {
    case CRYPTO_KIND_SECRET:
        return "a shared secret";
    case CRYPTO_KIND_RSA:
        return k->is_private ? "an RSA private key" : "an RSA public key";
    case CRYPTO_KIND_ED25519:
        return k->is_private ? "an Ed25519 private key" : "an Ed25519 public key";
    case CRYPTO_KIND_EC:
        break;
    }
    if (k->bits == 256)
        return k->is_private ? "a P-256 private key" : "a P-256 public key";
    if (k->bits == 384)
        return k->is_private ? "a P-384 private key" : "a P-384 public key";
    return k->is_private ? "a P-521 private key" : "a P-521 public key";
}

bool crypto_key_fits(const struct crypto_key *k, enum crypto_alg alg)
{
    if (alg <= CRYPTO_ALG_UNSET || alg >= CRYPTO_ALG_COUNT || algs[alg].kind != k->kind || k->verify_only_off)
        return false;
    if (k->kind == CRYPTO_KIND_EC ? k->bits != algs[alg].bits : k->bits < algs[alg].bits)
        return false;
    if (k->alg == CRYPTO_ALG_UNSET || k->alg == alg)
        return true;
    /* The hash that a PSS key declares is a floor: published keys say PS256 and sign PS384 (the RSA-PSS example of RFC
     * 7520 4.2 as it circulates). The scheme stays the same and the hash is no weaker. */
    return algs[k->alg].pss && algs[alg].pss && alg > k->alg;
}

/*
 * Moduli of one vendor's broken generator are products of numbers 65537^a mod M (CVE-2017-15361). Modulo each small
 * prime such a number is a power of 65537; a sound modulus passes all 38 tests with a probability of about 2^-28.
 */
static bool is_roca(const BIGNUM *n)
{
    static const uint16_t primes[] = {3,   5,   7,   11,  13,  17,  19,  23,  29,  31,  37,  41,  43,
                                      47,  53,  59,  61,  67,  71,  73,  79,  83,  89,  97,  101, 103,
                                      107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167};

    for (size_t i = 0; i < TL_COUNT(primes); i++) {
        unsigned p = primes[i], rest = (unsigned)BN_mod_word(n, p), power = 1;
        bool found = false;

        for (unsigned k = 0; k < p && !found; k++) {
            found = power == rest;
            power = power * (65537U % p) % p;
        }
        if (!found)
            return false;
    }
    return true;
}

static enum tl_rc check_rsa(EVP_PKEY *pkey, uint32_t *ret_bits, struct tl_err *err)
{
    BIGNUM *n = NULL, *e = NULL;
    int bits = EVP_PKEY_get_bits(pkey);
    bool roca = false, bad_e = true;

    if (bits < 2048)
        return tl_fail(err, TL_CONFIG, "the RSA key has %d bits; at least 2048 are needed", bits);
    if (bits > 16384)
        return tl_fail(err, TL_CONFIG, "the RSA key has %d bits; at most 16384 are accepted", bits);
    if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1) {
        roca = is_roca(n);
        bad_e = !BN_is_odd(e) || BN_is_one(e) || BN_num_bits(e) > 64;
    }
    BN_free(n);
    BN_free(e);
    if (bad_e)
        return tl_fail(err, TL_CONFIG, "the RSA key has an unusable public exponent");
    if (roca)
        return tl_fail(err, TL_CONFIG,
                       "the RSA key was made by a broken generator (ROCA, CVE-2017-15361) and can be "
                       "factored; make a new one");
    *ret_bits = (uint32_t)bits;
    return TL_OK;
}

static enum tl_rc check_ec(EVP_PKEY *pkey, uint32_t *ret_bits, struct tl_err *err)
{
    char group[64] = "";

    if (EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group), NULL) != 1)
        group[0] = '\0';
    if (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0)
        *ret_bits = 256;
    else if (strcmp(group, "secp384r1") == 0 || strcmp(group, "P-384") == 0)
        *ret_bits = 384;
    else if (strcmp(group, "secp521r1") == 0 || strcmp(group, "P-521") == 0)
        *ret_bits = 521;
    else
        return tl_fail(err, TL_CONFIG, "the key's curve is %.40s; P-256, P-384, P-521 and Ed25519 are supported",
                       group[0] != '\0' ? group : "not a named one");
    return TL_OK;
}

static bool has_private(EVP_PKEY *pkey, enum crypto_kind kind)
{
    BIGNUM *d = NULL;
    size_t n = 0;
    bool ok;

    if (kind == CRYPTO_KIND_ED25519)
        return EVP_PKEY_get_raw_private_key(pkey, NULL, &n) == 1;
    ok = EVP_PKEY_get_bn_param(pkey, kind == CRYPTO_KIND_RSA ? OSSL_PKEY_PARAM_RSA_D : OSSL_PKEY_PARAM_PRIV_KEY, &d) ==
         1;
    BN_clear_free(d);
    return ok;
}

struct crypto_key *crypto__key_wrap(EVP_PKEY *take_pkey, struct tl_err *err)
{
    struct crypto_key *k = tl_zalloc(sizeof(*k));
    int type = EVP_PKEY_get_base_id(take_pkey);
    enum tl_rc rc = TL_OK;

    k->refs = 1;
    k->pkey = take_pkey;
    if (type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS) {
        k->kind = CRYPTO_KIND_RSA;
        k->alg = type == EVP_PKEY_RSA_PSS ? CRYPTO_PS256 : CRYPTO_ALG_UNSET;
        rc = check_rsa(k->pkey, &k->bits, err);
    } else if (type == EVP_PKEY_EC) {
        k->kind = CRYPTO_KIND_EC;
        rc = check_ec(k->pkey, &k->bits, err);
    } else if (type == EVP_PKEY_ED25519) {
        k->kind = CRYPTO_KIND_ED25519;
        k->bits = 256;
    } else {
        rc =
            tl_fail(err, TL_CONFIG, "the key is of type %.30s; RSA, EC (P-256, P-384, P-521) and Ed25519 are supported",
                    EVP_PKEY_get0_type_name(take_pkey) != NULL ? EVP_PKEY_get0_type_name(take_pkey) : "unknown");
    }
    if (rc == TL_OK)
        k->is_private = has_private(k->pkey, k->kind);
    (void)crypto__reason();
    if (rc != TL_OK) {
        crypto_key_unref(k);
        return NULL;
    }
    return k;
}

struct passphrase {
    struct tl_sv text;
    bool asked;
};

static int give_passphrase(char *buf, int size, int rwflag, void *arg)
{
    struct passphrase *p = arg;

    (void)rwflag;
    p->asked = true;
    if (p->text.p == NULL || p->text.n > (size_t)size)
        return -1;
    memcpy(buf, p->text.p, p->text.n);
    return (int)p->text.n;
}

int crypto_no_passphrase(char *buf, int size, int writing, void *asked)
{
    bool *ret = asked;

    (void)buf;
    (void)size;
    (void)writing;
    if (ret != NULL)
        *ret = true;
    return -1;
}

static int refuse(UI *ui)
{
    (void)ui;
    return 0;
}

/* Never freed: OpenSSL has it for as long as the process lives, and a method of its own cannot be given back to it. */
void crypto_never_ask(void)
{
    UI_METHOD *nobody = UI_create_method("nobody is there");

    if (nobody == NULL || UI_method_set_opener(nobody, refuse) != 0)
        abort(); /* only for want of memory */
    UI_set_default_method(nobody);
}

static enum tl_rc read_private(BIO *bio, struct tl_sv passphrase, EVP_PKEY **ret, struct tl_err *err)
{
    struct passphrase pass = {.text = passphrase};
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &pass);

    if (pkey != NULL) {
        *ret = pkey;
        return TL_OK;
    }
    if (pass.asked && passphrase.p == NULL) {
        ERR_clear_error();
        return tl_fail(err, TL_CONFIG, "the private key is encrypted and no passphrase is configured for it");
    }
    if (pass.asked) {
        ERR_clear_error();
        return tl_fail(err, TL_CONFIG, "the passphrase does not open the private key");
    }
    return crypto__fail(err, TL_CONFIG, "the private key is damaged or of a type that cannot be read");
}

enum tl_rc crypto_key_from_pem(const struct crypto *c, struct tl_sv pem, struct tl_sv passphrase,
                               struct crypto_key **ret, struct tl_err *err)
{
    size_t at = tl_sv_find_sv(pem, TL_SV("-----BEGIN "));
    struct tl_sv label = tl_sv_from(pem, at + 11);
    EVP_PKEY *pkey = NULL;
    struct crypto_key *k;
    enum tl_rc rc = TL_OK;
    BIO *bio;

    (void)c;
    if (at >= pem.n || pem.n > 1024 * 1024)
        return tl_fail(err, TL_CONFIG, "there is no key here: a text beginning with -----BEGIN is expected (PEM)");
    label.n = tl_sv_find_sv(label, TL_SV("-----"));
    if (tl_sv_eqs(label, "EC PARAMETERS")) { /* openssl ecparam writes the curve before the key */
        size_t next = tl_sv_find_sv(tl_sv_from(pem, at + 11), TL_SV("-----BEGIN "));

        return crypto_key_from_pem(c, tl_sv_from(pem, at + 11 + next), passphrase, ret, err);
    }
    bio = BIO_new_mem_buf(pem.p + at, (int)(pem.n - at));
    if (tl_sv_find_sv(label, TL_SV("PRIVATE KEY")) < label.n) {
        rc = read_private(bio, passphrase, &pkey, err);
    } else if (tl_sv_eqs(label, "CERTIFICATE") || tl_sv_eqs(label, "TRUSTED CERTIFICATE")) {
        X509 *x = PEM_read_bio_X509(bio, NULL, crypto_no_passphrase, NULL);

        pkey = x != NULL ? X509_get_pubkey(x) : NULL;
        X509_free(x);
        rc = pkey != NULL ? TL_OK : crypto__fail(err, TL_CONFIG, "the certificate is damaged");
    } else if (tl_sv_find_sv(label, TL_SV("PUBLIC KEY")) < label.n) {
        pkey = PEM_read_bio_PUBKEY(bio, NULL, crypto_no_passphrase, NULL);
        rc = pkey != NULL ? TL_OK : crypto__fail(err, TL_CONFIG, "the public key is damaged");
    } else {
        rc = tl_fail(err, TL_CONFIG, "the PEM text holds \"%.*s\", neither a key nor a certificate",
                     (int)(label.n < 40 ? label.n : 40), label.p);
    }
    BIO_free(bio);
    ERR_clear_error();
    if (rc != TL_OK)
        return rc;
    k = crypto__key_wrap(pkey, err);
    if (k == NULL)
        return TL_CONFIG;
    *ret = k;
    return TL_OK;
}

enum tl_rc crypto_key_from_secret(const struct crypto *c, struct tl_sv secret, enum crypto_alg alg,
                                  struct crypto_key **ret, struct tl_err *err)
{
    struct crypto_key *k;

    (void)c;
    if (alg != CRYPTO_ALG_UNSET && algs[alg].kind != CRYPTO_KIND_SECRET)
        return tl_fail(err, TL_CONFIG, "%s needs a public key, not a shared secret", algs[alg].name);
    if (secret.n > 64 * 1024)
        return tl_fail(err, TL_LIMIT, "a shared secret of more than 64 KB is not accepted");
    if (secret.n * 8 < algs[alg != CRYPTO_ALG_UNSET ? alg : CRYPTO_HS256].bits)
        return tl_fail(err, TL_CONFIG, "the shared secret has %zu bytes; %s needs at least %u", secret.n,
                       algs[alg != CRYPTO_ALG_UNSET ? alg : CRYPTO_HS256].name,
                       algs[alg != CRYPTO_ALG_UNSET ? alg : CRYPTO_HS256].bits / 8);
    k = tl_zalloc(sizeof(*k));
    k->refs = 1;
    k->kind = CRYPTO_KIND_SECRET;
    k->is_private = true;
    k->alg = alg;
    k->bits = (uint32_t)(secret.n * 8);
    k->n_secret = secret.n;
    k->secret = tl_alloc(secret.n);
    memcpy(k->secret, secret.p, secret.n);
    *ret = k;
    return TL_OK;
}

enum tl_rc crypto_key_ed25519(const struct crypto *c, struct tl_sv raw, bool is_private, struct crypto_key **ret,
                              struct tl_err *err)
{
    EVP_PKEY *pkey = NULL;
    struct crypto_key *k;

    (void)c;
    if (raw.n != 32)
        return tl_fail(err, TL_CONFIG, "an Ed25519 key has 32 bytes, this one has %zu", raw.n);
    pkey = is_private ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, (const uint8_t *)raw.p, 32)
                      : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const uint8_t *)raw.p, 32);
    if (pkey == NULL)
        return crypto__fail(err, TL_CONFIG, "the Ed25519 key is not usable");
    k = crypto__key_wrap(pkey, err);
    if (k == NULL)
        return TL_CONFIG;
    *ret = k;
    return TL_OK;
}
