/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal.c - authenticated encryption of data at rest.
 *
 * Layout: 'T' 'S' | version and algorithm (1 byte: 0x11 XChaCha20-Poly1305, 0x12 AES-256-GCM) | reserved 0 |
 *         key id (4 bytes, big endian) | nonce (24 or 12 bytes, random) | ciphertext | tag (16 bytes).
 * The first eight bytes are authenticated together with the caller's aad, so neither key id nor algorithm can be
 * changed. Random 96-bit nonces bound AES-256-GCM to 2^32 texts a key (NIST SP 800-38D 8.3): XChaCha is the default for
 * keys that live long; GCM is for bulk data under keys that rotate.
 */
#include "crypto/crypto_int.h"

#include <sodium.h>

enum { HEAD = 8, TAG = 16, GCM_NONCE = 12, X_NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES };

static void head_write(uint8_t *p, enum crypto_aead how, uint32_t id)
{
    p[0] = 'T';
    p[1] = 'S';
    p[2] = (uint8_t)(0x10 | (unsigned)how);
    p[3] = 0;
    for (unsigned i = 0; i < 4; i++)
        p[4 + i] = (uint8_t)(id >> (24 - 8 * i));
}

/* What is authenticated besides the text: our eight bytes, then the caller's. */
static bool aad_build(struct tl_buf *b, const uint8_t *head, struct tl_sv aad)
{
    tl_buf_init(b, HEAD + 64 * 1024);
    return tl_buf_put(b, head, HEAD) && tl_buf_sv(b, aad);
}

static bool gcm_run(const struct crypto *c, bool seal, const uint8_t *key, const uint8_t *nonce, struct tl_sv aad,
                    struct tl_sv in, uint8_t *out, uint8_t *tag)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    bool ok;

    ok = ctx != NULL && EVP_CipherInit_ex2(ctx, c->aes256_gcm, key, nonce, seal ? 1 : 0, NULL) == 1 &&
         EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)aad.p, (int)aad.n) == 1;
    if (ok && in.n > 0)
        ok = EVP_CipherUpdate(ctx, out, &n, (const uint8_t *)in.p, (int)in.n) == 1;
    if (ok && !seal)
        ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1;
    if (ok)
        ok = EVP_CipherFinal_ex(ctx, out + in.n, &n) == 1;
    if (ok && seal)
        ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, tag) == 1;
    EVP_CIPHER_CTX_free(ctx);
    (void)crypto__reason();
    return ok;
}

enum tl_rc crypto_seal(const struct crypto *c, enum crypto_aead how, const struct crypto_seal_key *key,
                       struct tl_sv aad, struct tl_sv plain, struct tl_buf *out, struct tl_err *err)
{
    size_t n_nonce = how == CRYPTO_AES256_GCM ? GCM_NONCE : X_NONCE;
    TL_CLEANUP(tl_buf_done) struct tl_buf full = {0};
    uint8_t *p, *text;

    if (plain.n > INT32_MAX - 1024)
        return tl_fail(err, TL_LIMIT, "a text of more than 2 GB cannot be sealed in one piece");
    p = (uint8_t *)tl_buf_reserve(out, HEAD + n_nonce + plain.n + TAG);
    if (p == NULL)
        return tl_fail(err, TL_LIMIT, "the sealed text is larger than its limit");
    head_write(p, how, key->id);
    if (!aad_build(&full, p, aad))
        return tl_fail(err, TL_LIMIT, "the context of a sealed text is larger than 64 KB");
    tl_random(p + HEAD, n_nonce);
    text = p + HEAD + n_nonce;
    if (how == CRYPTO_AES256_GCM) {
        if (!gcm_run(c, true, key->key, p + HEAD, tl_buf_view(&full), plain, text, text + plain.n))
            return tl_fail(err, TL_BUG, "AES-256-GCM refused to encrypt");
    } else {
        (void)crypto_aead_xchacha20poly1305_ietf_encrypt(text, NULL, (const uint8_t *)plain.p, plain.n,
                                                         (const uint8_t *)full.p, full.n, NULL, p + HEAD, key->key);
    }
    tl_buf_added(out, HEAD + n_nonce + plain.n + TAG);
    return TL_OK;
}

enum tl_rc crypto_sealed_key_id(struct tl_sv sealed, uint32_t *ret_id, struct tl_err *err)
{
    const uint8_t *p = (const uint8_t *)sealed.p;

    if (sealed.n < HEAD + GCM_NONCE + TAG || p[0] != 'T' || p[1] != 'S' || p[3] != 0)
        return tl_fail(err, TL_PARSE, "this is not a sealed text, or it was cut short");
    if (p[2] != (0x10 | CRYPTO_XCHACHA20_POLY1305) && p[2] != (0x10 | CRYPTO_AES256_GCM))
        return tl_fail(err, TL_PARSE, "the text was sealed by a newer version or with an unknown algorithm");
    *ret_id = (uint32_t)p[4] << 24 | (uint32_t)p[5] << 16 | (uint32_t)p[6] << 8 | p[7];
    return TL_OK;
}

enum tl_rc crypto_open(const struct crypto *c, const struct crypto_seal_key *keys, size_t n_keys, struct tl_sv aad,
                       struct tl_sv sealed, struct tl_buf *out, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf full = {0};
    const uint8_t *p = (const uint8_t *)sealed.p, *text;
    const struct crypto_seal_key *key = NULL;
    size_t n_nonce, n;
    uint32_t id = 0;
    uint8_t *plain;
    bool ok;
    enum tl_rc rc = crypto_sealed_key_id(sealed, &id, err);

    if (rc != TL_OK)
        return rc;
    for (size_t i = 0; i < n_keys && key == NULL; i++)
        key = keys[i].id == id ? &keys[i] : NULL;
    if (key == NULL)
        return tl_fail(err, TL_NOT_FOUND, "the text was sealed with key %u, which is not configured", id);
    n_nonce = p[2] == (0x10 | CRYPTO_AES256_GCM) ? GCM_NONCE : X_NONCE;
    if (sealed.n < HEAD + n_nonce + TAG)
        return tl_fail(err, TL_PARSE, "the sealed text was cut short");
    n = sealed.n - HEAD - n_nonce - TAG;
    text = p + HEAD + n_nonce;
    plain = (uint8_t *)tl_buf_reserve(out, n + 1);
    if (plain == NULL || n > INT32_MAX)
        return tl_fail(err, TL_LIMIT, "the sealed text is larger than its limit");
    if (!aad_build(&full, p, aad))
        return tl_fail(err, TL_LIMIT, "the context of a sealed text is larger than 64 KB");
    if (n_nonce == GCM_NONCE) {
        uint8_t tag[TAG];

        memcpy(tag, text + n, TAG);
        ok = gcm_run(c, false, key->key, p + HEAD, tl_buf_view(&full), tl_sv((const char *)text, n), plain, tag);
    } else {
        ok = crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, text, n + TAG, (const uint8_t *)full.p,
                                                        full.n, p + HEAD, key->key) == 0;
    }
    if (!ok) {
        tl_wipe(plain, n);
        return tl_fail(err, TL_INVALID,
                       "the sealed text does not open with key %u: it was changed, moved to another "
                       "place, or sealed with another key of that id",
                       id);
    }
    tl_buf_added(out, n);
    return TL_OK;
}

enum tl_rc crypto_seal_key_parse(struct tl_sv text, uint8_t ret_key[CRYPTO_SEAL_KEY], struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv s = tl_sv_trim(text);
    bool ok;

    tl_buf_init(&b, 256);
    if (s.n == 2 * CRYPTO_SEAL_KEY)
        ok = tl_hex_decode(&b, s);
    else if (s.n == 44)
        ok = tl_base64_decode(&b, s);
    else if (s.n == 43)
        ok = tl_base64url_decode(&b, s);
    else
        ok = text.n == CRYPTO_SEAL_KEY && tl_buf_sv(&b, text);
    if (ok && b.n == CRYPTO_SEAL_KEY)
        memcpy(ret_key, b.p, CRYPTO_SEAL_KEY);
    else
        ok = false;
    if (b.p != NULL)
        tl_wipe(b.p, b.n);
    if (!ok)
        return tl_fail(err, TL_CONFIG,
                       "the encryption key must be 32 bytes, written as 64 hex digits or as base64 "
                       "(make one with: head -c 32 /dev/urandom | base64)");
    return TL_OK;
}
