/* SPDX-License-Identifier: Apache-2.0 */
/* tls.c - certificates, SNI, tickets and client certificates. A context per certificate; all share the ticket keys. */
#include <errno.h>
#include <stdio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "crypto/crypto.h"
#include "http/http_int.h"

enum { TICKET_ROTATE_S = 12 * 3600, MAX_CERTS = 1000 };

struct ticket_key {
    uint8_t name[16], aes[32], mac[32];
    uint64_t made_ns;
};

/* Shared by a TLS and those that replace it; the key in use and the one before. */
struct tickets {
    atomic_uint refs;
    pthread_mutex_t lock;
    const struct tl_clock *clock;
    uint64_t rotate_ns;
    struct ticket_key now, before;
};

struct http_tls {
    atomic_uint refs;
    SSL_CTX **ctx;
    X509 **cert;
    size_t n;
    struct tickets *tickets;
    uint8_t *alpn; /* wire format */
    unsigned alpn_n;
    int64_t not_after_ms;
};

/* ---- tickets ---- */

static void new_key(struct tickets *t)
{
    tl_random(&t->now, sizeof t->now);
    t->now.made_ns = tl_clock_mono_ns(t->clock);
}

static struct tickets *tickets_new(const struct tl_clock *clock, uint32_t rotate_s)
{
    struct tickets *t = tl_zalloc(sizeof *t);

    atomic_init(&t->refs, 1);
    (void)pthread_mutex_init(&t->lock, NULL);
    t->clock = clock;
    t->rotate_ns = (rotate_s ? rotate_s : TICKET_ROTATE_S) * UINT64_C(1000000000);
    tl_random(&t->before, sizeof t->before);
    t->before.made_ns = 0;
    new_key(t);
    return t;
}

static void tickets_unref(struct tickets *t)
{
    if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
        return;
    (void)pthread_mutex_destroy(&t->lock);
    tl_wipe(t, sizeof *t);
    tl_free(t);
}

/* The current key for a new ticket, else the one with this name. 0: unknown; 1: current; 2: the one before. */
static int ticket_key(struct tickets *t, const uint8_t *name, struct ticket_key *ret)
{
    uint64_t now = tl_clock_mono_ns(t->clock);
    int which = 0;

    (void)pthread_mutex_lock(&t->lock);
    if (now - t->now.made_ns >= t->rotate_ns) {
        t->before = t->now;
        new_key(t);
    }
    if (!name || memcmp(name, t->now.name, sizeof t->now.name) == 0) {
        *ret = t->now;
        which = 1;
    } else if (memcmp(name, t->before.name, sizeof t->before.name) == 0 && now - t->before.made_ns < 2 * t->rotate_ns) {
        *ret = t->before;
        which = 2;
    }
    (void)pthread_mutex_unlock(&t->lock);
    return which;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                     int enc)
{
    struct http_tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_key key;
    OSSL_PARAM params[3];
    char digest[] = "SHA256";
    int which = ticket_key(tls->tickets, enc ? NULL : name, &key), ok;

    if (which == 0)
        return 0;
    if (enc) {
        memcpy(name, key.name, sizeof key.name);
        tl_random(iv, 16);
    }
    params[0] = OSSL_PARAM_construct_octet_string("key", key.mac, sizeof key.mac);
    params[1] = OSSL_PARAM_construct_utf8_string("digest", digest, 0);
    params[2] = OSSL_PARAM_construct_end();
    ok = enc ? EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.aes, iv)
             : EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.aes, iv);
    ok = ok == 1 && EVP_MAC_CTX_set_params(mac, params) == 1;
    tl_wipe(&key, sizeof key);
    if (!enc && SSL_version(ssl) >= TLS1_3_VERSION)
        which = 2; /* a fresh ticket each time: RFC 8446 C.4, clients do not use one twice */
    return ok ? which : -1;
}

/* ---- SNI and ALPN ---- */

static int on_name(SSL *ssl, int *alert, void *arg)
{
    struct http_tls *tls = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    for (size_t i = 0; name && i < tls->n; i++)
        if (X509_check_host(tls->cert[i], name, strlen(name), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1) {
            (void)SSL_set_SSL_CTX(ssl, tls->ctx[i]);
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_OK; /* the first certificate: the client judges */
}

/* RFC 9113 9.2.2: with TLS 1.2, HTTP/2 is for ephemeral keys and authenticated encryption. OpenSSL has chosen the
 * cipher by the time it asks for the protocol. */
static bool good_for_h2(SSL *ssl)
{
    const SSL_CIPHER *c = SSL_get_pending_cipher(ssl);

    if (SSL_version(ssl) >= TLS1_3_VERSION)
        return true;
    return c && SSL_CIPHER_is_aead(c) &&
           (SSL_CIPHER_get_kx_nid(c) == NID_kx_ecdhe || SSL_CIPHER_get_kx_nid(c) == NID_kx_dhe);
}

static bool begins_with_h2(const struct http_tls *tls)
{
    return tls->alpn_n > 3 && memcmp(tls->alpn, "\x02h2", 3) == 0;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in, unsigned inlen,
                   void *arg)
{
    const struct http_tls *tls = arg;
    unsigned skip = begins_with_h2(tls) && !good_for_h2(ssl) ? 3 : 0;
    unsigned char *chosen;

    if (SSL_select_next_proto(&chosen, outlen, tls->alpn + skip, tls->alpn_n - skip, in, inlen) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2 */
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* ---- building ---- */

static enum tl_rc openssl_fail(struct tl_err *err, const char *what, const char *file)
{
    unsigned long code = ERR_peek_error(); /* the first is the cause; later ones say only who passed it on */
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    if (ERR_GET_LIB(code) == ERR_LIB_SYS)
        reason = strerror(ERR_GET_REASON(code));
    (void)tl_fail(err, TL_CONFIG, "%s %s: %s", what, file, reason ? reason : "not readable as PEM");
    ERR_clear_error();
    return TL_CONFIG;
}

static enum tl_rc readable(const char *what, const char *file, struct tl_err *err)
{
    FILE *f = fopen(file, "re");

    if (!f)
        return tl_fail(err, TL_CONFIG, "%s %s: %s", what, file, strerror(errno));
    (void)fclose(f);
    return TL_OK;
}

/* As openssl_fail, but for what only a pass phrase opens. */
static enum tl_rc not_loaded(struct tl_err *err, bool asked, const char *what, const char *file)
{
    if (!asked)
        return openssl_fail(err, what, file);
    ERR_clear_error();
    return tl_fail(err, TL_CONFIG,
                   "%s %s: it needs a pass phrase, and nobody is asked for one: put a file without one in its place "
                   "(`openssl pkey -in OLD -out NEW`)",
                   what, file);
}

static enum tl_rc use_pair(SSL_CTX *ctx, const struct http_tls_cert *c, bool *asked, struct tl_err *err)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, c->cert_file) != 1)
        return not_loaded(err, *asked, "certificate file", c->cert_file);
    if (SSL_CTX_use_PrivateKey_file(ctx, c->key_file, SSL_FILETYPE_PEM) != 1) {
        unsigned long code = ERR_peek_last_error();

        if (ERR_GET_LIB(code) == ERR_LIB_X509 &&
            (ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH || ERR_GET_REASON(code) == X509_R_KEY_TYPE_MISMATCH)) {
            ERR_clear_error();
            return tl_fail(err, TL_CONFIG, "key file %s: it is not the key of the certificate in %s", c->key_file,
                           c->cert_file);
        }
        return not_loaded(err, *asked, "key file", c->key_file);
    }
    return TL_OK;
}

static enum tl_rc load_pair(SSL_CTX *ctx, const struct http_tls_cert *c, struct tl_err *err)
{
    enum tl_rc rc = readable("certificate file", c->cert_file, err);
    bool asked = false;

    if (rc == TL_OK)
        rc = readable("key file", c->key_file, err);
    if (rc != TL_OK)
        return rc;
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ctx, crypto_no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, &asked);
    rc = use_pair(ctx, c, &asked, err);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    return rc;
}

static int64_t not_after(const X509 *cert)
{
    struct tm tm;
    struct tl_civil c;

    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
        return 0;
    c = (struct tl_civil){.year = tm.tm_year + 1900,
                          .month = tm.tm_mon + 1,
                          .day = tm.tm_mday,
                          .hour = tm.tm_hour,
                          .minute = tm.tm_min,
                          .second = tm.tm_sec};
    return tl_civil_to_ms(&c);
}

/* A ticket carries the verified identity past the next verification, so it must not outlive the authorities that
 * vouched: they are part of the context in which it is valid. */
static void bind_tickets(SSL_CTX *ctx, const char *ca_file)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    FILE *f = fopen(ca_file, "re");
    unsigned char digest[32] = {0};
    char buf[4096];
    size_t n;

    if (f && md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1) {
        while ((n = fread(buf, 1, sizeof buf, f)) > 0)
            (void)EVP_DigestUpdate(md, buf, n);
        (void)EVP_DigestFinal_ex(md, digest, NULL);
    }
    if (f)
        (void)fclose(f);
    EVP_MD_CTX_free(md);
    (void)SSL_CTX_set_session_id_context(ctx, digest, sizeof digest);
}

static enum tl_rc set_client_auth(SSL_CTX *ctx, const struct http_tls_options *opt, struct tl_err *err)
{
    STACK_OF(X509_NAME) * names;
    enum tl_rc rc;

    if (opt->client == HTTP_TLS_CLIENT_NONE)
        return TL_OK;
    if (!opt->client_ca_file)
        return tl_fail(err, TL_CONFIG, "client certificates need a file with the authorities that sign them");
    rc = readable("client authorities file", opt->client_ca_file, err);
    if (rc != TL_OK)
        return rc;
    ERR_clear_error();
    names = SSL_load_client_CA_file(opt->client_ca_file);
    if (!names || SSL_CTX_load_verify_locations(ctx, opt->client_ca_file, NULL) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return openssl_fail(err, "client authorities file", opt->client_ca_file);
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    bind_tickets(ctx, opt->client_ca_file);
    SSL_CTX_set_verify(
        ctx, SSL_VERIFY_PEER | (opt->client == HTTP_TLS_CLIENT_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    return TL_OK;
}

static enum tl_rc add_context(struct http_tls *tls, size_t i, const struct http_tls_options *opt,
                              const struct tl_clock *clock, struct tl_err *err)
{
    static const unsigned char session_id[] = "tieline";
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    int64_t end;
    enum tl_rc rc;

    if (!ctx)
        return openssl_fail(err, "TLS for", opt->certs[i].cert_file);
    tls->ctx[i] = ctx;
    tls->n = i + 1;
    (void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_max_early_data(ctx, 0);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                    SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_session_id_context(ctx, session_id, sizeof session_id - 1);
    SSL_CTX_set_app_data(ctx, tls);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
    (void)SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
    (void)SSL_CTX_set_tlsext_servername_arg(ctx, tls);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, tls);
    rc = load_pair(ctx, &opt->certs[i], err);
    if (rc != TL_OK)
        return rc;
    tls->cert[i] = SSL_CTX_get0_certificate(ctx);
    end = not_after(tls->cert[i]);
    if (end <= tl_clock_wall_ms(clock)) {
        char text[TL_TIME_TEXT];

        return tl_fail(err, TL_CONFIG, "certificate file %s: the certificate expired at %s", opt->certs[i].cert_file,
                       tl_time_format(end, text));
    }
    if (i == 0 || end < tls->not_after_ms)
        tls->not_after_ms = end;
    return set_client_auth(ctx, opt, err);
}

static void set_alpn(struct http_tls *tls, const struct http_tls_options *opt)
{
    static const char *const fallback[] = {"http/1.1"};
    const char *const *names = opt->n_alpn ? opt->alpn : fallback;
    size_t n = opt->n_alpn ? opt->n_alpn : 1, bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += 1 + strlen(names[i]);
    tls->alpn = tl_alloc(bytes);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(names[i]);

        tls->alpn[tls->alpn_n++] = (uint8_t)len;
        memcpy(tls->alpn + tls->alpn_n, names[i], len);
        tls->alpn_n += (unsigned)len;
    }
}

enum tl_rc http_tls_new(const struct http_tls_options *opt, struct http_tls *keep, const struct tl_clock *clock,
                        struct http_tls **ret_tls, struct tl_err *err)
{
    struct http_tls *tls;
    enum tl_rc rc = TL_OK;

    if (opt->n_certs == 0 || opt->n_certs > MAX_CERTS)
        return tl_fail(err, TL_CONFIG, "TLS needs 1 to %d certificates", MAX_CERTS);
    tls = tl_zalloc(sizeof *tls);
    atomic_init(&tls->refs, 1);
    tls->ctx = tl_zalloc(opt->n_certs * sizeof *tls->ctx);
    tls->cert = tl_zalloc(opt->n_certs * sizeof *tls->cert);
    if (keep) {
        tls->tickets = keep->tickets;
        (void)atomic_fetch_add(&keep->tickets->refs, 1);
    } else {
        tls->tickets = tickets_new(clock, opt->ticket_rotate_s);
    }
    set_alpn(tls, opt);
    for (size_t i = 0; i < opt->n_certs && rc == TL_OK; i++)
        rc = add_context(tls, i, opt, clock, err);
    if (rc != TL_OK) {
        http_tls_unref(tls);
        return rc;
    }
    *ret_tls = tls;
    return TL_OK;
}

struct http_tls *http_tls_ref(struct http_tls *tls)
{
    (void)atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    return tls;
}

void http_tls_unref(struct http_tls *tls)
{
    if (!tls || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < tls->n; i++)
        SSL_CTX_free(tls->ctx[i]);
    tl_free(tls->ctx);
    tl_free(tls->cert);
    tl_free(tls->alpn);
    tickets_unref(tls->tickets);
    tl_free(tls);
}

int64_t http_tls_not_after_ms(const struct http_tls *tls)
{
    return tls->not_after_ms;
}

/* ---- connections ---- */

SSL *http__tls_accept(struct http_tls *tls, const BIO_METHOD *method, int fd)
{
    SSL *ssl = SSL_new(tls->ctx[0]);
    BIO *bio = !ssl ? NULL : method ? http__bio_new(method, fd) : BIO_new_socket(fd, BIO_NOCLOSE);

    if (!bio) {
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    return ssl;
}

static struct tl_sv copy_text(BIO *mem)
{
    char *p = NULL;
    long n = BIO_get_mem_data(mem, &p);

    return n > 0 ? tl_sv(tl_strndup(p, (size_t)n), (size_t)n) : TL_SV_NULL;
}

static struct tl_sv subject_of(X509 *cert)
{
    BIO *mem = BIO_new(BIO_s_mem());
    struct tl_sv s = TL_SV_NULL;

    if (mem && X509_NAME_print_ex(mem, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0)
        s = copy_text(mem);
    BIO_free(mem);
    return s;
}

static struct tl_sv common_name_of(X509 *cert)
{
    X509_NAME *name = X509_get_subject_name(cert);
    int i = X509_NAME_get_index_by_NID(name, NID_commonName, -1), n;
    unsigned char *utf8 = NULL;
    struct tl_sv s = TL_SV_NULL;

    if (i < 0)
        return s;
    n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)));
    if (n > 0 && !memchr(utf8, 0, (size_t)n))
        s = tl_sv(tl_strndup((const char *)utf8, (size_t)n), (size_t)n);
    OPENSSL_free(utf8);
    return s;
}

static struct tl_sv san_of(X509 *cert)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    struct tl_sv s = TL_SV_NULL;

    for (int i = 0; names && i < sk_GENERAL_NAME_num(names) && !s.p; i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        const ASN1_IA5STRING *t = g->type == GEN_DNS   ? g->d.dNSName
                                  : g->type == GEN_URI ? g->d.uniformResourceIdentifier
                                                       : NULL;
        size_t n = t ? (size_t)ASN1_STRING_length(t) : 0;

        if (n && !memchr(ASN1_STRING_get0_data(t), 0, n))
            s = tl_sv(tl_strndup((const char *)ASN1_STRING_get0_data(t), n), n);
    }
    GENERAL_NAMES_free(names);
    return s;
}

struct http_tls_peer *http__tls_peer_new(SSL *ssl)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);
    struct http_tls_peer *p;
    unsigned n = 0;

    if (!cert || SSL_get_verify_result(ssl) != X509_V_OK)
        return NULL;
    p = tl_zalloc(sizeof *p);
    p->subject = subject_of(cert);
    p->common_name = common_name_of(cert);
    p->san = san_of(cert);
    if (X509_digest(cert, EVP_sha256(), p->sha256, &n) != 1)
        memset(p->sha256, 0, sizeof p->sha256);
    ERR_clear_error();
    return p;
}

static void free_text(struct tl_sv s)
{
    void *p;

    memcpy(&p, &s.p, sizeof p);
    tl_free(p);
}

void http__tls_peer_free(struct http_tls_peer *p)
{
    if (!p)
        return;
    free_text(p->subject);
    free_text(p->common_name);
    free_text(p->san);
    tl_free(p);
}
