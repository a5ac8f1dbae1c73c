/* SPDX-License-Identifier: Apache-2.0 */
/* jwk.c - RFC 7517 and RFC 7518 section 6: keys and key sets as JSON, in and out. */
#include "crypto/crypto_int.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

enum { MAX_KEYS = 100, MAX_MEMBER = 8 * 1024 };

/* A member that is base64url of bytes. Strict: no padding, no foreign characters, unused bits zero. */
static enum tl_rc member_bytes(struct json jwk, const char *name, struct tl_buf *b, struct tl_err *err)
{
    struct json v = json_gets(jwk, name);

    tl_buf_clear(b);
    if (v.type != JSON_STRING)
        return tl_fail(err, TL_CONFIG, "the JWK has no text member \"%s\"", name);
    if (!tl_base64url_decode(b, json_view(v)) || b->n == 0)
        return tl_fail(err, TL_CONFIG, "the JWK's member \"%s\" is not base64url", name);
    return TL_OK;
}

static void secret_buf_done(struct tl_buf *b)
{
    if (b->p != NULL)
        tl_wipe(b->p, b->cap);
    tl_buf_done(b);
}

static EVP_PKEY *from_params(const char *type, int selection, OSSL_PARAM_BLD *bld)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY *pkey = NULL;

    if (ctx == NULL || params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, selection, params) != 1)
        pkey = NULL;
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

/* Big numbers must live until the parameters are built. */
struct numbers {
    BIGNUM *n[8];
    size_t count;
};

static void numbers_done(struct numbers *ns)
{
    for (size_t i = 0; i < ns->count; i++)
        BN_clear_free(ns->n[i]);
}

static enum tl_rc push_number(OSSL_PARAM_BLD *bld, struct numbers *ns, struct json jwk, const char *name,
                              const char *param, struct tl_buf *b, struct tl_err *err)
{
    enum tl_rc rc = member_bytes(jwk, name, b, err);
    BIGNUM *n;

    if (rc != TL_OK)
        return rc;
    n = BN_bin2bn((const uint8_t *)b->p, (int)b->n, NULL);
    if (n == NULL || OSSL_PARAM_BLD_push_BN(bld, param, n) != 1) {
        BN_clear_free(n);
        return crypto__fail(err, TL_CONFIG, "the JWK holds an unusable number");
    }
    ns->n[ns->count++] = n;
    return TL_OK;
}

static enum tl_rc rsa_from(struct json jwk, EVP_PKEY **ret, struct tl_err *err)
{
    static const struct {
        const char *name, *param;
    } parts[] = {{"n", OSSL_PKEY_PARAM_RSA_N},          {"e", OSSL_PKEY_PARAM_RSA_E},
                 {"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
                 {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
                 {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1}};
    TL_CLEANUP(secret_buf_done) struct tl_buf b = {0};
    TL_CLEANUP(numbers_done) struct numbers ns = {0};
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    bool is_private = json_gets(jwk, "d").type != JSON_UNDEFINED;
    bool crt = is_private && json_gets(jwk, "p").type != JSON_UNDEFINED;
    size_t n = crt ? 8 : is_private ? 3 : 2;
    enum tl_rc rc = TL_OK;

    tl_buf_init(&b, MAX_MEMBER);
    if (json_gets(jwk, "oth").type != JSON_UNDEFINED)
        rc = tl_fail(err, TL_CONFIG, "RSA keys of more than two primes are not supported");
    for (size_t i = 0; i < n && rc == TL_OK; i++)
        rc = push_number(bld, &ns, jwk, parts[i].name, parts[i].param, &b, err);
    if (rc == TL_OK) {
        *ret = from_params("RSA", is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, bld);
        if (*ret == NULL)
            rc = crypto__fail(err, TL_CONFIG, "the JWK is not a usable RSA key");
    }
    OSSL_PARAM_BLD_free(bld);
    return rc;
}

static enum tl_rc curve_of(struct json jwk, const char **ret_group, size_t *ret_size, struct tl_err *err)
{
    struct tl_sv crv = json_text(json_gets(jwk, "crv"), TL_SV(""));

    *ret_group = tl_sv_eqs(crv, "P-256")   ? "prime256v1"
                 : tl_sv_eqs(crv, "P-384") ? "secp384r1"
                 : tl_sv_eqs(crv, "P-521") ? "secp521r1"
                                           : NULL;
    *ret_size = tl_sv_eqs(crv, "P-256") ? 32 : tl_sv_eqs(crv, "P-384") ? 48 : 66;
    if (*ret_group == NULL)
        return tl_fail(err, TL_CONFIG, "the JWK's curve is not supported (P-256, P-384, P-521)");
    return TL_OK;
}

static enum tl_rc ec_from(struct json jwk, EVP_PKEY **ret, struct tl_err *err)
{
    TL_CLEANUP(secret_buf_done) struct tl_buf b = {0};
    TL_CLEANUP(numbers_done) struct numbers ns = {0};
    bool is_private = json_gets(jwk, "d").type != JSON_UNDEFINED;
    OSSL_PARAM_BLD *bld = NULL;
    const char *group = NULL;
    uint8_t point[1 + 2 * 66];
    size_t size = 0;
    enum tl_rc rc = curve_of(jwk, &group, &size, err);

    tl_buf_init(&b, MAX_MEMBER);
    point[0] = 4; /* SEC1 2.3.3: uncompressed */
    for (int i = 0; i < 2 && rc == TL_OK; i++) {
        rc = member_bytes(jwk, i == 0 ? "x" : "y", &b, err);
        /* RFC 7518 6.2.1.2: the octet string has the full size of a coordinate. */
        if (rc == TL_OK && b.n != size)
            rc = tl_fail(err, TL_CONFIG, "a coordinate of the JWK has %zu bytes instead of %zu", b.n, size);
        if (rc == TL_OK)
            memcpy(point + 1 + (size_t)i * size, b.p, size);
    }
    if (rc != TL_OK)
        return rc;
    bld = OSSL_PARAM_BLD_new();
    if (OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size) != 1)
        rc = crypto__fail(err, TL_CONFIG, "the JWK is not a usable EC key");
    if (rc == TL_OK && is_private)
        rc = push_number(bld, &ns, jwk, "d", OSSL_PKEY_PARAM_PRIV_KEY, &b, err);
    if (rc == TL_OK) {
        *ret = from_params("EC", is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, bld);
        if (*ret == NULL)
            rc = crypto__fail(err, TL_CONFIG, "the JWK is not a point of its curve");
    }
    OSSL_PARAM_BLD_free(bld);
    return rc;
}

/* RFC 8037 section 2. */
static enum tl_rc okp_from(const struct crypto *c, struct json jwk, struct crypto_key **ret, struct tl_err *err)
{
    TL_CLEANUP(secret_buf_done) struct tl_buf b = {0}, x = {0};
    TL_CLEANUP(crypto_key_unrefp) struct crypto_key *k = NULL;
    bool is_private = json_gets(jwk, "d").type != JSON_UNDEFINED;
    uint8_t pub[32];
    size_t n = sizeof(pub);
    enum tl_rc rc;

    tl_buf_init(&b, MAX_MEMBER);
    tl_buf_init(&x, MAX_MEMBER);
    if (!tl_sv_eqs(json_text(json_gets(jwk, "crv"), TL_SV("")), "Ed25519"))
        return tl_fail(err, TL_CONFIG, "of the OKP keys only Ed25519 is supported");
    rc = member_bytes(jwk, "x", &x, err);
    if (rc == TL_OK && is_private)
        rc = member_bytes(jwk, "d", &b, err);
    if (rc == TL_OK)
        rc = crypto_key_ed25519(c, is_private ? tl_buf_view(&b) : tl_buf_view(&x), is_private, &k, err);
    if (rc != TL_OK)
        return rc;
    if (EVP_PKEY_get_raw_public_key(k->pkey, pub, &n) != 1 || x.n != n || memcmp(pub, x.p, n) != 0)
        return tl_fail(err, TL_CONFIG, "the JWK's \"x\" and \"d\" do not belong together");
    *ret = TL_STEAL(&k);
    return TL_OK;
}

static enum tl_rc oct_from(const struct crypto *c, struct json jwk, struct crypto_key **ret, struct tl_err *err)
{
    TL_CLEANUP(secret_buf_done) struct tl_buf b = {0};
    enum tl_rc rc;

    tl_buf_init(&b, MAX_MEMBER);
    rc = member_bytes(jwk, "k", &b, err);
    return rc == TL_OK ? crypto_key_from_secret(c, tl_buf_view(&b), CRYPTO_ALG_UNSET, ret, err) : rc;
}

/* RFC 7517 4.2, 4.3: what the key is meant for. */
static enum tl_rc apply_purpose(struct json jwk, struct crypto_key *k, struct tl_err *err)
{
    struct json use = json_gets(jwk, "use"), ops = json_gets(jwk, "key_ops");
    bool sign = false, verify = false;

    if (use.type != JSON_UNDEFINED && !tl_sv_eqs(json_text(use, TL_SV("")), "sig"))
        k->verify_only_off = true;
    if (ops.type == JSON_UNDEFINED)
        return TL_OK;
    if (ops.type != JSON_ARRAY)
        return tl_fail(err, TL_CONFIG, "the JWK's \"key_ops\" is not a list");
    for (uint32_t i = 0; i < ops.n; i++) {
        struct tl_sv op = json_text(json_at(ops, i), TL_SV(""));

        sign = sign || tl_sv_eqs(op, "sign");
        verify = verify || tl_sv_eqs(op, "verify");
    }
    k->sign_off = !sign;
    k->verify_off = !verify;
    if (!sign && !verify)
        k->verify_only_off = true;
    return TL_OK;
}

static enum tl_rc apply_declaration(struct json jwk, struct crypto_key *k, struct tl_err *err)
{
    struct json alg = json_gets(jwk, "alg"), kid = json_gets(jwk, "kid");
    enum crypto_alg declared = CRYPTO_ALG_UNSET;

    if (kid.type == JSON_STRING) {
        if (kid.n > 1024)
            return tl_fail(err, TL_LIMIT, "the JWK's \"kid\" is longer than 1024 bytes");
        k->kid = tl_strndup(kid.u.s, kid.n);
        k->n_kid = kid.n;
    } else if (kid.type != JSON_UNDEFINED) {
        return tl_fail(err, TL_CONFIG, "the JWK's \"kid\" is not a text");
    }
    if (alg.type != JSON_UNDEFINED) {
        struct tl_sv name = json_text(alg, TL_SV(""));

        /* ES521 is a common misspelling of ES512 (the curve is P-521) and names nothing else. */
        if (!crypto_alg_parse(tl_sv_eqs(name, "ES521") ? TL_SV("ES512") : name, &declared))
            return tl_fail(err, TL_CONFIG,
                           "the JWK is for the algorithm \"%.*s\", which does not sign or is not supported",
                           (int)(name.n < 30 ? name.n : 30), name.n > 0 ? name.p : "");
        if (!crypto_key_fits(k, declared))
            return tl_fail(err, TL_CONFIG, "the JWK says %s, but it is %s%s", crypto_alg_name(declared),
                           crypto_key_kind(k), k->kind == CRYPTO_KIND_SECRET ? " that is too short for it" : "");
        k->alg = declared;
    }
    return apply_purpose(jwk, k, err);
}

enum tl_rc crypto_key_from_jwk(const struct crypto *c, struct json jwk, struct crypto_key **ret, struct tl_err *err)
{
    TL_CLEANUP(crypto_key_unrefp) struct crypto_key *k = NULL;
    struct tl_sv kty = json_text(json_gets(jwk, "kty"), TL_SV(""));
    EVP_PKEY *pkey = NULL;
    enum tl_rc rc;

    if (jwk.type != JSON_OBJECT)
        return tl_fail(err, TL_CONFIG, "a JWK is a JSON object");
    if (tl_sv_eqs(kty, "RSA"))
        rc = rsa_from(jwk, &pkey, err);
    else if (tl_sv_eqs(kty, "EC"))
        rc = ec_from(jwk, &pkey, err);
    else if (tl_sv_eqs(kty, "OKP"))
        rc = okp_from(c, jwk, &k, err);
    else if (tl_sv_eqs(kty, "oct"))
        rc = oct_from(c, jwk, &k, err);
    else
        rc = tl_fail(err, TL_CONFIG, "the JWK's \"kty\" is not one of RSA, EC, OKP, oct");
    ERR_clear_error();
    if (rc == TL_OK && pkey != NULL) {
        k = crypto__key_wrap(pkey, err);
        rc = k != NULL ? TL_OK : TL_CONFIG;
    }
    if (rc == TL_OK)
        rc = apply_declaration(jwk, k, err);
    if (rc != TL_OK)
        return rc;
    *ret = TL_STEAL(&k);
    return TL_OK;
}

/* ---- out ---- */

static bool add_bytes(struct json_builder *b, const char *name, const uint8_t *p, size_t n)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};

    tl_buf_init(&text, MAX_MEMBER);
    return tl_base64url_encode(&text, p, n) && json_adds(b, name, json_str_copy(b->arena, tl_buf_view(&text)));
}

static bool add_number(struct json_builder *b, const char *name, const struct crypto_key *k, const char *param,
                       size_t size)
{
    BIGNUM *n = NULL;
    uint8_t bytes[2048];
    size_t len;
    bool ok = false;

    if (EVP_PKEY_get_bn_param(k->pkey, param, &n) == 1) {
        len = size > 0 ? size : (size_t)BN_num_bytes(n);
        ok = len <= sizeof(bytes) && BN_bn2binpad(n, bytes, (int)len) >= 0 && add_bytes(b, name, bytes, len);
    }
    BN_free(n);
    return ok;
}

enum tl_rc crypto_key_to_jwk(const struct crypto_key *k, struct tl_arena *a, struct json *ret, struct tl_err *err)
{
    struct json_builder b;
    uint8_t raw[32];
    size_t n = sizeof(raw), size = (k->bits + 7) / 8;
    bool ok = false;

    if (k->kind == CRYPTO_KIND_SECRET)
        return tl_fail(err, TL_INVALID, "a shared secret has no public half");
    json_object_begin(&b, a, 8);
    if (k->kind == CRYPTO_KIND_RSA) {
        ok = json_adds(&b, "kty", json_str("RSA")) && add_number(&b, "n", k, OSSL_PKEY_PARAM_RSA_N, 0) &&
             add_number(&b, "e", k, OSSL_PKEY_PARAM_RSA_E, 0);
    } else if (k->kind == CRYPTO_KIND_EC) {
        ok = json_adds(&b, "kty", json_str("EC")) &&
             json_adds(&b, "crv",
                       json_str(k->bits == 256   ? "P-256"
                                : k->bits == 384 ? "P-384"
                                                 : "P-521")) &&
             add_number(&b, "x", k, OSSL_PKEY_PARAM_EC_PUB_X, size) &&
             add_number(&b, "y", k, OSSL_PKEY_PARAM_EC_PUB_Y, size);
    } else {
        ok = EVP_PKEY_get_raw_public_key(k->pkey, raw, &n) == 1 && json_adds(&b, "kty", json_str("OKP")) &&
             json_adds(&b, "crv", json_str("Ed25519")) && add_bytes(&b, "x", raw, n);
    }
    if (ok && k->alg != CRYPTO_ALG_UNSET)
        ok = json_adds(&b, "alg", json_str(crypto_alg_name(k->alg)));
    if (ok && k->n_kid > 0)
        ok = json_adds(&b, "kid", json_str_copy(a, crypto_key_id(k)));
    ok = ok && json_adds(&b, "use", json_str("sig"));
    if (!ok)
        return crypto__fail(err, TL_LIMIT, "the key could not be written as a JWK");
    *ret = json_end(&b);
    return TL_OK;
}

/* ---- sets ---- */

static struct crypto_keys *set_new(size_t cap)
{
    struct crypto_keys *s = tl_zalloc(sizeof(*s) + cap * sizeof(struct crypto_key *));

    s->refs = 1;
    return s;
}

/* Over the list as written: a key that is left out still makes its kid ambiguous. */
static enum tl_rc check_kids(struct json list, struct tl_err *err)
{
    for (uint32_t i = 0; i < list.n; i++) {
        struct json kid = json_gets(list.u.items[i], "kid");

        for (uint32_t j = 0; j < i && kid.type == JSON_STRING; j++) {
            if (json_equal(kid, json_gets(list.u.items[j], "kid")))
                return tl_fail(err, TL_CONFIG, "two keys of the JWK set have the same kid");
        }
    }
    return TL_OK;
}

static enum tl_rc check_mix(const struct crypto_keys *s, struct tl_err *err)
{
    for (size_t i = 1; i < s->n; i++) {
        if ((s->at[i]->kind == CRYPTO_KIND_SECRET) != (s->at[0]->kind == CRYPTO_KIND_SECRET))
            return tl_fail(err, TL_CONFIG,
                           "the JWK set mixes shared secrets and public keys; keep them in separate sets");
    }
    return TL_OK;
}

enum tl_rc crypto_keys_from_json(const struct crypto *c, struct json set, struct crypto_keys **ret, struct tl_err *err)
{
    TL_CLEANUP(crypto_keys_unrefp) struct crypto_keys *s = NULL;
    struct json list = json_gets(set, "keys");
    struct tl_err why = {0};
    enum tl_rc rc;

    if (list.type == JSON_UNDEFINED) {
        s = set_new(1);
        rc = crypto_key_from_jwk(c, set, &s->at[0], err);
        s->n = rc == TL_OK ? 1 : 0;
        if (rc != TL_OK)
            return rc;
        *ret = TL_STEAL(&s);
        return TL_OK;
    }
    if (list.type != JSON_ARRAY)
        return tl_fail(err, TL_CONFIG, "a JWK set has a list \"keys\"");
    if (list.n > MAX_KEYS)
        return tl_fail(err, TL_LIMIT, "the JWK set has more than %d keys", MAX_KEYS);
    rc = check_kids(list, err);
    if (rc != TL_OK)
        return rc;
    s = set_new(list.n);
    for (uint32_t i = 0; i < list.n; i++) {
        /* RFC 7517 section 5: keys that are not understood are left out. */
        if (crypto_key_from_jwk(c, list.u.items[i], &s->at[s->n], &why) == TL_OK)
            s->n++;
    }
    if (s->n == 0 && list.n > 0)
        return tl_fail(err, TL_CONFIG, "no key of the JWK set is usable; the last one: %s", why.text);
    rc = check_mix(s, err);
    if (rc != TL_OK)
        return rc;
    *ret = TL_STEAL(&s);
    return TL_OK;
}

struct crypto_keys *crypto_keys_of(struct crypto_key *const *keys, size_t n)
{
    struct crypto_keys *s = set_new(n);

    for (size_t i = 0; i < n; i++)
        s->at[s->n++] = crypto_key_ref(keys[i]);
    return s;
}

struct crypto_keys *crypto_keys_ref(struct crypto_keys *s)
{
    __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void crypto_keys_unref(struct crypto_keys *s)
{
    if (s == NULL || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    for (size_t i = 0; i < s->n; i++)
        crypto_key_unref(s->at[i]);
    tl_free(s);
}

void crypto_keys_unrefp(struct crypto_keys **s)
{
    crypto_keys_unref(*s);
}

size_t crypto_keys_count(const struct crypto_keys *s)
{
    return s->n;
}

struct crypto_key *crypto_keys_at(const struct crypto_keys *s, size_t i)
{
    return s->at[i];
}
