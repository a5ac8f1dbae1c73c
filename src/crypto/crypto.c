/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crypto.c - the context, OpenSSL's error queue, digests and HMAC.
 * Invariant: a crypto_hmac is never written to after it was made, so that any thread may copy its two states.
 */
#include "crypto/crypto_int.h"

#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <sodium.h>

static const struct {
    const char *name, *openssl;
    size_t size, block;
} hashes[CRYPTO_HASH_COUNT] = {
    [CRYPTO_SHA1] = {"sha1", "SHA1", 20, 64},
    [CRYPTO_SHA256] = {"sha256", "SHA256", 32, 64},
    [CRYPTO_SHA384] = {"sha384", "SHA384", 48, 128},
    [CRYPTO_SHA512] = {"sha512", "SHA512", 64, 128},
};

struct crypto_hmac {
    enum crypto_hash hash;
    EVP_MD_CTX *inner, *outer; /* the states after K^ipad and K^opad, RFC 2104 section 4 */
};

struct crypto_stream {
    enum crypto_hash hash;
    EVP_MD_CTX *ctx;
    const struct crypto_hmac *hmac;
};

const char *crypto__reason(void)
{
    unsigned long code = ERR_get_error();
    const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return text != NULL ? text : "unknown";
}

enum tl_rc crypto__fail(struct tl_err *err, enum tl_rc rc, const char *what)
{
    return tl_fail(err, rc, "%s (OpenSSL: %s)", what, crypto__reason());
}

enum tl_rc crypto_new(struct crypto **ret, struct tl_err *err)
{
    TL_CLEANUP(crypto_freep) struct crypto *c = NULL;

    if (sodium_init() < 0)
        return tl_fail(err, TL_UNSUPPORTED, "libsodium could not be initialised");
    c = tl_zalloc(sizeof(*c));
    for (size_t i = 0; i < CRYPTO_HASH_COUNT; i++) {
        c->md[i] = EVP_MD_fetch(NULL, hashes[i].openssl, NULL);
        if (c->md[i] == NULL)
            return crypto__fail(err, TL_UNSUPPORTED, "OpenSSL has no usable SHA-1 and SHA-2");
    }
    c->aes256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (c->aes256_gcm == NULL)
        return crypto__fail(err, TL_UNSUPPORTED, "OpenSSL has no usable AES-256-GCM");
    *ret = TL_STEAL(&c);
    return TL_OK;
}

void crypto_free(struct crypto *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < CRYPTO_HASH_COUNT; i++)
        EVP_MD_free(c->md[i]);
    EVP_CIPHER_free(c->aes256_gcm);
    tl_free(c);
}

void crypto_freep(struct crypto **c)
{
    crypto_free(*c);
}

size_t crypto_hash_size(enum crypto_hash h)
{
    return hashes[h].size;
}

const char *crypto_hash_name(enum crypto_hash h)
{
    return hashes[h].name;
}

bool crypto_hash_parse(struct tl_sv name, enum crypto_hash *ret_hash)
{
    for (size_t i = 0; i < CRYPTO_HASH_COUNT; i++) {
        if (tl_sv_eqs(name, hashes[i].name)) {
            *ret_hash = (enum crypto_hash)i;
            return true;
        }
    }
    return false;
}

bool crypto_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

/* OpenSSL's digest calls fail only without memory or with misuse of a context: both end the process, as malloc does. */
static void must(int ok)
{
    if (TL_UNLIKELY(ok != 1))
        abort();
}

static EVP_MD_CTX *ctx_new(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    must(ctx != NULL);
    return ctx;
}

size_t crypto_digest(const struct crypto *c, enum crypto_hash h, const struct tl_sv *parts, size_t n,
                     uint8_t out[CRYPTO_MAX_DIGEST])
{
    EVP_MD_CTX *ctx = ctx_new();
    unsigned len = 0;

    must(EVP_DigestInit_ex2(ctx, c->md[h], NULL));
    for (size_t i = 0; i < n; i++)
        must(EVP_DigestUpdate(ctx, parts[i].p, parts[i].n));
    must(EVP_DigestFinal_ex(ctx, out, &len));
    EVP_MD_CTX_free(ctx);
    return len;
}

struct crypto_hmac *crypto_hmac_new(const struct crypto *c, enum crypto_hash h, struct tl_sv key)
{
    struct crypto_hmac *m = tl_zalloc(sizeof(*m));
    size_t block = hashes[h].block;
    uint8_t pad[128] = {0};

    /* RFC 2104 section 2: a key longer than a block is hashed first. */
    if (key.n > block)
        (void)crypto_digest(c, h, &key, 1, pad);
    else if (key.n > 0)
        memcpy(pad, key.p, key.n);
    m->hash = h;
    m->inner = ctx_new();
    m->outer = ctx_new();
    for (size_t i = 0; i < block; i++)
        pad[i] ^= 0x36;
    must(EVP_DigestInit_ex2(m->inner, c->md[h], NULL));
    must(EVP_DigestUpdate(m->inner, pad, block));
    for (size_t i = 0; i < block; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    must(EVP_DigestInit_ex2(m->outer, c->md[h], NULL));
    must(EVP_DigestUpdate(m->outer, pad, block));
    tl_wipe(pad, sizeof(pad));
    return m;
}

void crypto_hmac_free(struct crypto_hmac *m)
{
    if (m == NULL)
        return;
    EVP_MD_CTX_free(m->inner); /* the provider clears the states it frees */
    EVP_MD_CTX_free(m->outer);
    tl_free(m);
}

enum crypto_hash crypto_hmac_hash(const struct crypto_hmac *m)
{
    return m->hash;
}

static size_t hmac_finish(const struct crypto_hmac *m, EVP_MD_CTX *ctx, uint8_t out[CRYPTO_MAX_DIGEST])
{
    uint8_t inner[CRYPTO_MAX_DIGEST];
    unsigned len = 0;

    must(EVP_DigestFinal_ex(ctx, inner, &len));
    must(EVP_MD_CTX_copy_ex(ctx, m->outer));
    must(EVP_DigestUpdate(ctx, inner, len));
    must(EVP_DigestFinal_ex(ctx, out, &len));
    return len;
}

size_t crypto_hmac_sum(const struct crypto_hmac *m, const struct tl_sv *parts, size_t n, uint8_t out[CRYPTO_MAX_DIGEST])
{
    EVP_MD_CTX *ctx = ctx_new();
    size_t len;

    must(EVP_MD_CTX_copy_ex(ctx, m->inner));
    for (size_t i = 0; i < n; i++)
        must(EVP_DigestUpdate(ctx, parts[i].p, parts[i].n));
    len = hmac_finish(m, ctx, out);
    EVP_MD_CTX_free(ctx);
    return len;
}

struct crypto_stream *crypto_stream_new(const struct crypto *c, enum crypto_hash h, const struct crypto_hmac *m)
{
    struct crypto_stream *s = tl_zalloc(sizeof(*s));

    s->hash = m != NULL ? m->hash : h;
    s->hmac = m;
    s->ctx = ctx_new();
    if (m != NULL)
        must(EVP_MD_CTX_copy_ex(s->ctx, m->inner));
    else
        must(EVP_DigestInit_ex2(s->ctx, c->md[h], NULL));
    return s;
}

void crypto_stream_add(struct crypto_stream *s, const void *p, size_t n)
{
    must(EVP_DigestUpdate(s->ctx, p, n));
}

size_t crypto_stream_end(struct crypto_stream *s, uint8_t out[CRYPTO_MAX_DIGEST])
{
    unsigned len = 0;

    if (s->hmac != NULL)
        len = (unsigned)hmac_finish(s->hmac, s->ctx, out);
    else
        must(EVP_DigestFinal_ex(s->ctx, out, &len));
    crypto_stream_free(s);
    return len;
}

void crypto_stream_free(struct crypto_stream *s)
{
    if (s == NULL)
        return;
    EVP_MD_CTX_free(s->ctx);
    tl_free(s);
}
