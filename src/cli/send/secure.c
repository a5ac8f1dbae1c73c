/* SPDX-License-Identifier: Apache-2.0 */
/* secure.c - TLS of `tieline send`: over the sockets of wire.c, the server's certificate and name always verified. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>

#include "cli/send/send.h"
#include "crypto/crypto.h"

struct send_tls {
    SSL_CTX *ctx;
    char *host;
    bool is_address;
};
struct send_secure {
    SSL *ssl;
};

static const char *last_error(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return text ? text : "the connection was closed";
}

static enum tl_rc not_loaded(struct tl_err *err, bool asked, const char *what, const char *file)
{
    if (!asked)
        return tl_fail(err, TL_CONFIG, "cannot use the %s in %s: %s", what, file, last_error());
    ERR_clear_error();
    return tl_fail(err, TL_CONFIG,
                   "the %s in %s needs a pass phrase, and nobody is asked for one: name a file without one "
                   "(`openssl pkey -in OLD -out NEW`)",
                   what, file);
}

static enum tl_rc use_cert(struct send_tls *t, const struct send_files *files, bool *asked, struct tl_err *err)
{
    if (!files->cert)
        return TL_OK;
    if (!files->key)
        return tl_fail(err, TL_INVALID, "--cert needs its private key: give --key FILE");
    if (SSL_CTX_use_certificate_chain_file(t->ctx, files->cert) != 1)
        return not_loaded(err, *asked, "certificate", files->cert);
    if (SSL_CTX_use_PrivateKey_file(t->ctx, files->key, SSL_FILETYPE_PEM) != 1)
        return not_loaded(err, *asked, "private key", files->key);
    return TL_OK;
}

enum tl_rc cli__tls_new(const struct http_url *url, const struct send_files *files, struct send_tls **ret,
                        struct tl_err *err)
{
    struct send_tls *t = tl_zalloc(sizeof *t);
    unsigned char address[16];
    bool asked = false;
    enum tl_rc rc;
    int ok;

    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to sockets that the other side may have closed */
    t->ctx = SSL_CTX_new(TLS_client_method());
    if (!t->ctx) {
        tl_free(t);
        return tl_fail(err, TL_BUG, "TLS cannot be set up: %s", last_error());
    }
    SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
    (void)SSL_CTX_set_mode(t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_default_passwd_cb(t->ctx, crypto_no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(t->ctx, &asked);
    ok = files->ca ? SSL_CTX_load_verify_file(t->ctx, files->ca) : SSL_CTX_set_default_verify_paths(t->ctx);
    t->host = tl_strndup(url->host.p, url->host.n);
    t->is_address = inet_pton(url->host_is_v6 ? AF_INET6 : AF_INET, t->host, address) == 1;
    rc = ok == 1 ? use_cert(t, files, &asked, err)
                 : tl_fail(err, TL_CONFIG, "cannot read certificates of authorities from %s: %s",
                           files->ca ? files->ca : "the system's store", last_error());
    SSL_CTX_set_default_passwd_cb_userdata(t->ctx, NULL);
    if (rc == TL_OK)
        *ret = t;
    else
        cli__tls_free(t);
    return rc;
}

void cli__tls_free(struct send_tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->ctx);
    tl_free(t->host);
    tl_free(t);
}

struct send_secure *cli__secure_new(struct send_tls *t, int fd)
{
    struct send_secure *s = tl_zalloc(sizeof *s);
    bool ok;

    s->ssl = SSL_new(t->ctx);
    if (!s->ssl)
        ok = false;
    else if (t->is_address)
        ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(s->ssl), t->host) == 1;
    else
        ok = SSL_set1_host(s->ssl, t->host) == 1 && SSL_set_tlsext_host_name(s->ssl, t->host) == 1;
    if (ok && SSL_set_fd(s->ssl, fd) == 1)
        return s;
    cli__secure_free(s);
    return NULL;
}

void cli__secure_free(struct send_secure *s)
{
    if (!s)
        return;
    SSL_free(s->ssl);
    tl_free(s);
}

/* As a socket would say it. */
static ssize_t outcome(struct send_secure *s, int n, bool *ret_wants_out, char *why, size_t size)
{
    int code = SSL_get_error(s->ssl, n);

    *ret_wants_out = code == SSL_ERROR_WANT_WRITE;
    if (n > 0)
        return n;
    if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    if (code == SSL_ERROR_ZERO_RETURN) {
        (void)snprintf(why, size, "the server closed the connection");
        errno = 0;
        return 0;
    }
    if (SSL_get_verify_result(s->ssl) != X509_V_OK)
        (void)snprintf(why, size, "the server's certificate is not accepted: %s (--ca names who signed it)",
                       X509_verify_cert_error_string(SSL_get_verify_result(s->ssl)));
    else
        (void)snprintf(why, size, "TLS: %s", last_error());
    ERR_clear_error();
    errno = EPROTO;
    return -1;
}

ssize_t cli__secure_shake(struct send_secure *s, bool *ret_wants_out, char *why, size_t size)
{
    ERR_clear_error();
    return outcome(s, SSL_connect(s->ssl), ret_wants_out, why, size);
}

ssize_t cli__secure_send(struct send_secure *s, const char *p, size_t n, bool *ret_wants_out, char *why, size_t size)
{
    ERR_clear_error();
    return outcome(s, SSL_write(s->ssl, p, n > INT32_MAX ? INT32_MAX : (int)n), ret_wants_out, why, size);
}

ssize_t cli__secure_recv(struct send_secure *s, char *p, size_t n, bool *ret_wants_out, char *why, size_t size)
{
    ERR_clear_error();
    return outcome(s, SSL_read(s->ssl, p, n > INT32_MAX ? INT32_MAX : (int)n), ret_wants_out, why, size);
}
