/* SPDX-License-Identifier: Apache-2.0 */
/* cert.c - what we ask of X.509 certificates: who, until when, which key. Chains are checked by the TLS stack, not
 * here. */
#include "crypto/crypto_int.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { MAX_NAMES = 256 };

struct crypto_cert {
    X509 *x;
    char *subject, *issuer;
    struct tl_sv *names;
    size_t n_names;
    int64_t not_before_ms, not_after_ms;
    uint8_t sha256[32];
    struct crypto_key *key;
};

void crypto_cert_free(struct crypto_cert *cert)
{
    if (cert == NULL)
        return;
    for (size_t i = 0; i < cert->n_names; i++)
        tl_free((void *)(uintptr_t)cert->names[i].p);
    tl_free(cert->names);
    tl_free(cert->subject);
    tl_free(cert->issuer);
    crypto_key_unref(cert->key);
    X509_free(cert->x);
    tl_free(cert);
}

void crypto_cert_freep(struct crypto_cert **cert)
{
    crypto_cert_free(*cert);
}

static char *name_text(const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *p = NULL, *text;
    long n;

    (void)X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    n = BIO_get_mem_data(bio, &p);
    text = tl_strndup(n > 0 ? p : "", n > 0 ? (size_t)n : 0);
    BIO_free(bio);
    return text;
}

static bool time_ms(const ASN1_TIME *t, int64_t *ret)
{
    struct tm tm;
    struct tl_civil civil = {0};

    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return false;
    civil = (struct tl_civil){tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, 0};
    *ret = tl_civil_to_ms(&civil);
    return true;
}

static void add_name(struct crypto_cert *cert, const char *kind, const char *p, size_t n)
{
    char *text = tl_sprintf("%s:%.*s", kind, (int)n, p);

    cert->names[cert->n_names++] = tl_sv_str(text);
}

static void add_ip(struct crypto_cert *cert, const uint8_t *p, size_t n)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 64);
    if (n == 4) {
        tl_buf_printf(&b, "%u.%u.%u.%u", p[0], p[1], p[2], p[3]);
    } else if (n == 16) {
        for (size_t i = 0; i < 16; i += 2)
            tl_buf_printf(&b, "%s%x", i > 0 ? ":" : "", (unsigned)(p[i] << 8 | p[i + 1]));
    } else {
        return;
    }
    add_name(cert, "ip", b.p, b.n);
}

static void read_names(struct crypto_cert *cert)
{
    GENERAL_NAMES *list = X509_get_ext_d2i(cert->x, NID_subject_alt_name, NULL, NULL);
    int n = list != NULL ? sk_GENERAL_NAME_num(list) : 0;

    n = n < MAX_NAMES ? n : MAX_NAMES;
    cert->names = tl_zalloc(((size_t)(n > 0 ? n : 0) + 1) * sizeof(*cert->names));
    for (int i = 0; i < n; i++) {
        int type = 0;
        const ASN1_STRING *s = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(list, i), &type);
        const char *p;
        size_t len;

        if (type != GEN_DNS && type != GEN_URI && type != GEN_EMAIL && type != GEN_IPADD)
            continue;
        p = (const char *)ASN1_STRING_get0_data(s);
        len = (size_t)ASN1_STRING_length(s);
        if (type == GEN_IPADD)
            add_ip(cert, ASN1_STRING_get0_data(s), len);
        else if (memchr(p, 0, len) == NULL) /* a NUL in a name is an attack, not a name */
            add_name(cert, type == GEN_DNS ? "dns" : type == GEN_URI ? "uri" : "email", p, len);
    }
    GENERAL_NAMES_free(list);
}

struct crypto_cert *crypto__cert_wrap(const struct crypto *c, X509 *take_x509, struct tl_err *err)
{
    struct crypto_cert *cert = tl_zalloc(sizeof(*cert));
    unsigned n = sizeof(cert->sha256);
    EVP_PKEY *pkey;

    cert->x = take_x509;
    cert->subject = name_text(X509_get_subject_name(cert->x));
    cert->issuer = name_text(X509_get_issuer_name(cert->x));
    read_names(cert);
    if (!time_ms(X509_get0_notBefore(cert->x), &cert->not_before_ms) ||
        !time_ms(X509_get0_notAfter(cert->x), &cert->not_after_ms) ||
        X509_digest(cert->x, c->md[CRYPTO_SHA256], cert->sha256, &n) != 1) {
        (void)tl_fail(err, TL_CONFIG, "the certificate's dates cannot be read (OpenSSL: %s)", crypto__reason());
        crypto_cert_free(cert);
        return NULL;
    }
    pkey = X509_get_pubkey(cert->x);
    cert->key = pkey != NULL ? crypto__key_wrap(pkey, NULL) : NULL;
    ERR_clear_error();
    return cert;
}

static enum tl_rc wrap(const struct crypto *c, X509 *x, struct crypto_cert **ret, struct tl_err *err)
{
    struct crypto_cert *cert;

    if (x == NULL)
        return crypto__fail(err, TL_CONFIG, "the certificate cannot be read");
    cert = crypto__cert_wrap(c, x, err);
    if (cert == NULL)
        return TL_CONFIG;
    *ret = cert;
    return TL_OK;
}

enum tl_rc crypto_cert_from_pem(const struct crypto *c, struct tl_sv pem, struct crypto_cert **ret, struct tl_err *err)
{
    BIO *bio;
    X509 *x;

    if (pem.n > 1024 * 1024 || tl_sv_find_sv(pem, TL_SV("-----BEGIN CERTIFICATE-----")) >= pem.n)
        return tl_fail(err, TL_CONFIG, "there is no certificate here: -----BEGIN CERTIFICATE----- is expected (PEM)");
    bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    x = PEM_read_bio_X509(bio, NULL, crypto_no_passphrase, NULL);
    BIO_free(bio);
    return wrap(c, x, ret, err);
}

enum tl_rc crypto_cert_from_der(const struct crypto *c, struct tl_sv der, struct crypto_cert **ret, struct tl_err *err)
{
    const uint8_t *p = (const uint8_t *)der.p;

    if (der.n > 1024 * 1024)
        return tl_fail(err, TL_LIMIT, "a certificate of more than 1 MB is not accepted");
    return wrap(c, d2i_X509(NULL, &p, (long)der.n), ret, err);
}

struct tl_sv crypto_cert_subject(const struct crypto_cert *cert)
{
    return tl_sv_str(cert->subject);
}

struct tl_sv crypto_cert_issuer(const struct crypto_cert *cert)
{
    return tl_sv_str(cert->issuer);
}

size_t crypto_cert_names(const struct crypto_cert *cert, const struct tl_sv **ret)
{
    *ret = cert->names;
    return cert->n_names;
}

int64_t crypto_cert_not_before_ms(const struct crypto_cert *cert)
{
    return cert->not_before_ms;
}

int64_t crypto_cert_not_after_ms(const struct crypto_cert *cert)
{
    return cert->not_after_ms;
}

void crypto_cert_sha256(const struct crypto_cert *cert, uint8_t out[32])
{
    memcpy(out, cert->sha256, sizeof(cert->sha256));
}

struct crypto_key *crypto_cert_key(const struct crypto_cert *cert)
{
    return cert->key;
}

bool crypto_cert_host(const struct crypto_cert *cert, struct tl_sv host)
{
    bool ok = host.n > 0 &&
              X509_check_host(cert->x, host.p, host.n,
                              X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;

    ERR_clear_error();
    return ok;
}

enum tl_rc crypto_cert_check(const struct crypto_cert *cert, int64_t now_ms, struct tl_err *err)
{
    char when[TL_TIME_TEXT];

    if (now_ms > cert->not_after_ms)
        return tl_fail(err, TL_CONFIG, "the certificate of %.120s expired on %.10s; install a renewed one",
                       cert->subject, tl_time_format(cert->not_after_ms, when));
    if (now_ms < cert->not_before_ms)
        return tl_fail(err, TL_CONFIG,
                       "the certificate of %.120s is valid only from %.16sZ on; check it and this machine's clock",
                       cert->subject, tl_time_format(cert->not_before_ms, when));
    return TL_OK;
}

enum tl_rc crypto_cert_fits(const struct crypto_cert *cert, const struct crypto_key *k, struct tl_err *err)
{
    if (!k->is_private || k->pkey == NULL)
        return tl_fail(err, TL_CONFIG, "a certificate needs its private key; this is %s", crypto_key_kind(k));
    if (cert->key == NULL || EVP_PKEY_eq(cert->key->pkey, k->pkey) != 1) {
        ERR_clear_error();
        return tl_fail(err, TL_CONFIG, "the private key does not belong to the certificate of %.120s", cert->subject);
    }
    return TL_OK;
}
