/* SPDX-License-Identifier: Apache-2.0 */
/* h2_tls.c - the client's side of TLS where libcurl is not in between: the same options, the same strictness. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "crypto/crypto.h"
#include "http/h2_int.h"

static enum tl_rc refused(struct tl_err *err, const char *what)
{
    char text[160] = "";

    ERR_error_string_n(ERR_peek_error(), text, sizeof text);
    ERR_clear_error();
    return tl_fail(err, TL_CONFIG, "%s cannot be used: %s", what, text);
}

static bool add_authorities(SSL_CTX *ctx, struct tl_sv pem)
{
    BIO *mem = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    X509 *cert;
    int n = 0;

    while (mem && (cert = PEM_read_bio_X509(mem, NULL, crypto_no_passphrase, NULL)) != NULL) {
        n += X509_STORE_add_cert(store, cert);
        X509_free(cert);
    }
    BIO_free(mem);
    if (n > 0)
        ERR_clear_error(); /* the end of the text is an "error" too */
    return n > 0;
}

static bool use_cert_pem(SSL_CTX *ctx, struct tl_sv pem)
{
    BIO *mem = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *cert = mem ? PEM_read_bio_X509(mem, NULL, crypto_no_passphrase, NULL) : NULL, *more;
    bool good = cert && SSL_CTX_use_certificate(ctx, cert) == 1;

    X509_free(cert);
    while (good && (more = PEM_read_bio_X509(mem, NULL, crypto_no_passphrase, NULL)) != NULL) {
        good = SSL_CTX_add1_chain_cert(ctx, more) == 1;
        X509_free(more);
    }
    BIO_free(mem);
    if (good)
        ERR_clear_error();
    return good;
}

static bool use_key_pem(SSL_CTX *ctx, struct tl_sv pem, const char *password)
{
    BIO *mem = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key =
        mem ? PEM_read_bio_PrivateKey(mem, NULL, password ? NULL : crypto_no_passphrase, (void *)(uintptr_t)password)
            : NULL;
    bool good = key && SSL_CTX_use_PrivateKey(ctx, key) == 1;

    EVP_PKEY_free(key);
    BIO_free(mem);
    return good;
}

static enum tl_rc trust(SSL_CTX *ctx, const struct http_client_tls *tls, struct tl_err *err)
{
    if (tls->insecure)
        return TL_OK;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (tls->ca_pem.n > 0)
        return add_authorities(ctx, tls->ca_pem) ? TL_OK : refused(err, "the certificates to trust");
    if (tls->ca_file && SSL_CTX_load_verify_file(ctx, tls->ca_file) != 1)
        return refused(err, tls->ca_file);
    if (tls->ca_dir && SSL_CTX_load_verify_dir(ctx, tls->ca_dir) != 1)
        return refused(err, tls->ca_dir);
    if (!tls->ca_file && !tls->ca_dir && SSL_CTX_set_default_verify_paths(ctx) != 1)
        return refused(err, "the system's certificates to trust");
    return TL_OK;
}

static enum tl_rc identify(SSL_CTX *ctx, const struct http_client_tls *tls, struct tl_err *err)
{
    if (tls->key_password) /* OpenSSL's own function gives what it is given */
        SSL_CTX_set_default_passwd_cb_userdata(ctx, (void *)(uintptr_t)tls->key_password);
    else
        SSL_CTX_set_default_passwd_cb(ctx, crypto_no_passphrase);
    if (tls->cert_pem.n > 0 && !use_cert_pem(ctx, tls->cert_pem))
        return refused(err, "the client's certificate");
    if (tls->cert_pem.n == 0 && tls->cert_file && SSL_CTX_use_certificate_chain_file(ctx, tls->cert_file) != 1)
        return refused(err, tls->cert_file);
    if (tls->key_pem.n > 0 && !use_key_pem(ctx, tls->key_pem, tls->key_password))
        return refused(err, "the client's key");
    if (tls->key_pem.n == 0 && tls->key_file && SSL_CTX_use_PrivateKey_file(ctx, tls->key_file, SSL_FILETYPE_PEM) != 1)
        return refused(err, tls->key_file);
    return TL_OK;
}

enum tl_rc http__h2_ctx(const struct http_client_tls *tls, SSL_CTX **ret, struct tl_err *err)
{
    static const unsigned char h2[] = {2, 'h', '2'};
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    enum tl_rc rc;

    if (!ctx)
        return refused(err, "TLS");
    (void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    (void)SSL_CTX_set_alpn_protos(ctx, h2, sizeof h2);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    rc = trust(ctx, tls, err);
    if (rc == TL_OK)
        rc = identify(ctx, tls, err);
    if (rc != TL_OK) {
        SSL_CTX_free(ctx);
        return rc;
    }
    *ret = ctx;
    return TL_OK;
}

/* The name is verified by RFC 9525: addresses against addresses, names against names, no partial wildcards. */
enum tl_rc http__h2_ssl(SSL_CTX *ctx, const struct http_client_tls *tls, struct tl_sv host, int fd, SSL **ret,
                        struct tl_err *err)
{
    TL_CLEANUP(tl_freep) char *name = tl_strndup(host.p, host.n);
    SSL *ssl = SSL_new(ctx);
    struct http_addr a;
    bool good = ssl && SSL_set_fd(ssl, fd) == 1;

    if (good && http_addr_parse(host, &a)) {
        good = tls->insecure || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    } else if (good) {
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        good = SSL_set_tlsext_host_name(ssl, name) == 1 && (tls->insecure || SSL_set1_host(ssl, name) == 1);
    }
    if (!good) {
        SSL_free(ssl);
        return refused(err, "TLS");
    }
    SSL_set_connect_state(ssl);
    *ret = ssl;
    return TL_OK;
}
