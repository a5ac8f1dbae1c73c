/* SPDX-License-Identifier: Apache-2.0 */
/* TLS of the server, against OpenSSL's own client; certificates are made here. */
#include "rig.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/http_int.h"

static char dir[64];

static const char *file(const char *name)
{
    static __thread char path[4][128];
    static __thread int i;

    i = (i + 1) % 4;
    (void)snprintf(path[i], sizeof path[i], "%s/%s", dir, name);
    return path[i];
}

static void add_ext(X509 *x, int nid, const char *value)
{
    char text[100];
    X509_EXTENSION *ext;

    (void)snprintf(text, sizeof text, "%s", value);
    ext = X509V3_EXT_conf_nid(NULL, NULL, nid, text);
    assert_non_null(ext);
    X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
}

/* NAME.crt and NAME.key; signed by itself, or by the key of `issuer`. */
static void make_cert(const char *name, const char *dns, long days, EVP_PKEY *issuer_key, X509 *issuer, X509 **ret_x,
                      EVP_PKEY **ret_key)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    char path[100];
    FILE *f;

    assert_true(key && x);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -86400 * 30);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400 * days);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : X509_get_subject_name(x));
    if (dns) {
        (void)snprintf(path, sizeof path, "DNS:%s", dns);
        add_ext(x, NID_subject_alt_name, path);
    } else {
        add_ext(x, NID_basic_constraints, "critical,CA:TRUE");
    }
    assert_true(X509_sign(x, issuer_key ? issuer_key : key, EVP_sha256()) > 0);
    (void)snprintf(path, sizeof path, "%s/%s.crt", dir, name);
    f = fopen(path, "we");
    assert_true(f && PEM_write_X509(f, x) == 1);
    (void)fclose(f);
    (void)snprintf(path, sizeof path, "%s/%s.key", dir, name);
    f = fopen(path, "we");
    assert_true(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
    (void)fclose(f);
    if (ret_x) {
        *ret_x = x;
        *ret_key = key;
        return;
    }
    X509_free(x);
    EVP_PKEY_free(key);
}

/* A key, and a certificate (which nobody encrypts, but PEM may be), that only a pass phrase opens. */
static void make_locked(EVP_PKEY *key, X509 *x)
{
    static const char passphrase[] = "correct";
    FILE *f = fopen(file("locked.key"), "we");

    assert_true(f && PEM_write_PrivateKey(f, key, EVP_aes_128_cbc(), (const unsigned char *)passphrase,
                                          sizeof passphrase - 1, NULL, NULL) == 1);
    (void)fclose(f);
    f = fopen(file("locked.crt"), "we");
    assert_true(f && PEM_ASN1_write((i2d_of_void *)i2d_X509, PEM_STRING_X509, f, x, EVP_aes_128_cbc(),
                                    (const unsigned char *)passphrase, sizeof passphrase - 1, NULL, NULL) == 1);
    (void)fclose(f);
}

static int make_all(void **state)
{
    EVP_PKEY *key;
    X509 *ca;
    FILE *f;

    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/http_tls_test.XXXXXX");
    assert_non_null(mkdtemp(dir));
    make_cert("ca", NULL, 10, NULL, NULL, &ca, &key);
    make_cert("one", "one.test", 10, key, ca, NULL, NULL);
    make_cert("two", "*.two.test", 10, key, ca, NULL, NULL);
    make_cert("three", "one.test", 10, key, ca, NULL, NULL);
    make_cert("client", "client.test", 10, key, ca, NULL, NULL);
    make_cert("old", "old.test", -1, key, ca, NULL, NULL);
    make_cert("stranger", "client.test", 10, NULL, NULL, NULL, NULL);
    make_locked(key, ca);
    X509_free(ca);
    EVP_PKEY_free(key);
    f = fopen(file("text"), "we");
    assert_true(f && fputs("this is not PEM\n", f) > 0);
    (void)fclose(f);
    return 0;
}

static int remove_all(void **state)
{
    static const char *const names[] = {"ca", "one", "two", "three", "client", "old", "stranger", "locked"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(names); i++) {
        char name[32];

        (void)snprintf(name, sizeof name, "%s.crt", names[i]);
        (void)unlink(file(name));
        (void)snprintf(name, sizeof name, "%s.key", names[i]);
        (void)unlink(file(name));
    }
    (void)unlink(file("text"));
    return rmdir(dir);
}

static struct http_tls *tls_of(const char *cert, const char *second, enum http_tls_client client, struct http_tls *keep)
{
    char path[4][128];
    struct http_tls_options opt = {.client = client, .client_ca_file = file("ca.crt")};
    struct http_tls_cert certs[2];
    struct http_tls *tls = NULL;
    struct tl_err err;

    (void)snprintf(path[0], sizeof path[0], "%s/%s.crt", dir, cert);
    (void)snprintf(path[1], sizeof path[1], "%s/%s.key", dir, cert);
    certs[0] = (struct http_tls_cert){path[0], path[1]};
    opt.n_certs = 1;
    if (second) {
        (void)snprintf(path[2], sizeof path[2], "%s/%s.crt", dir, second);
        (void)snprintf(path[3], sizeof path[3], "%s/%s.key", dir, second);
        certs[1] = (struct http_tls_cert){path[2], path[3]};
        opt.n_certs = 2;
    }
    opt.certs = certs;
    if (http_tls_new(&opt, keep, tl_clock_system(), &tls, &err) != TL_OK)
        fail_msg("%s", err.text);
    return tls;
}

/* ---- a client ---- */

struct client {
    SSL_CTX *ctx;
    SSL_SESSION *session;
    char text[2048]; /* what the server said; empty when there was no handshake */
    char server_cn[64], alpn[16];
    bool reused, early;
    int version;
};

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct client *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    SSL_SESSION_free(c->session);
    c->session = session;
    return 1;
}

static void client_init(struct client *c, const char *cert)
{
    char path[100];

    *c = (struct client){.ctx = SSL_CTX_new(TLS_client_method())};
    SSL_CTX_set_app_data(c->ctx, c);
    SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c->ctx, keep_session);
    assert_int_equal(SSL_CTX_load_verify_locations(c->ctx, file("ca.crt"), NULL), 1);
    SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
    if (!cert)
        return;
    (void)snprintf(path, sizeof path, "%s/%s.crt", dir, cert);
    assert_int_equal(SSL_CTX_use_certificate_file(c->ctx, path, SSL_FILETYPE_PEM), 1);
    (void)snprintf(path, sizeof path, "%s/%s.key", dir, cert);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(c->ctx, path, SSL_FILETYPE_PEM), 1);
}

static void client_done(struct client *c)
{
    SSL_SESSION_free(c->session);
    SSL_CTX_free(c->ctx);
}

static void read_answer(struct client *c, SSL *ssl)
{
    size_t n = 0, got;

    while (n < sizeof c->text - 1 && SSL_read_ex(ssl, c->text + n, sizeof c->text - 1 - n, &got) == 1)
        n += got;
    c->text[n] = '\0';
}

static void note_server(struct client *c, SSL *ssl)
{
    X509 *x = SSL_get0_peer_certificate(ssl);
    const unsigned char *alpn;
    unsigned n;

    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, c->server_cn, sizeof c->server_cn);
    SSL_get0_alpn_selected(ssl, &alpn, &n);
    (void)snprintf(c->alpn, sizeof c->alpn, "%.*s", (int)n, alpn ? (const char *)alpn : "");
    c->reused = SSL_session_reused(ssl);
    c->version = SSL_version(ssl);
    if (c->session)
        c->early = SSL_SESSION_get_max_early_data(c->session) > 0;
}

/* One request over a connection of its own. false: the handshake failed. */
static bool client_ask(struct client *c, const struct rig *r, const char *sni, const char *alpn, const char *request)
{
    SSL *ssl = SSL_new(c->ctx);
    int fd = rig_connect(r);
    bool ok;

    c->text[0] = '\0';
    SSL_set_fd(ssl, fd);
    if (sni)
        (void)SSL_set_tlsext_host_name(ssl, sni);
    if (alpn)
        (void)SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    if (c->session)
        (void)SSL_set_session(ssl, c->session);
    ok = SSL_connect(ssl) == 1;
    if (ok) {
        (void)SSL_write(ssl, request, (int)strlen(request));
        read_answer(c, ssl);
        note_server(c, ssl);
        (void)SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    (void)close(fd);
    ERR_clear_error();
    return ok;
}

#define WHO "GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

static void has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in: %s", part, text);
}

/* ---- tests ---- */

static void the_certificate_follows_the_name_asked_for(void **state)
{
    struct http_tls *tls = tls_of("one", "two", HTTP_TLS_CLIENT_NONE, NULL);
    struct client c;
    struct rig r;

    (void)state;
    rig_start(&r, NULL, &(struct http_listen){.tls = tls});
    client_init(&c, NULL);
    assert_true(client_ask(&c, &r, "x.two.test", NULL, WHO));
    assert_string_equal(c.server_cn, "two");
    has(c.text, "secure=1");
    has(c.text, "sni=x.two.test");
    client_done(&c);
    client_init(&c, NULL);
    assert_true(client_ask(&c, &r, "other.test", NULL, WHO));
    assert_string_equal(c.server_cn, "one");
    client_done(&c);
    http_tls_unref(tls);
    rig_stop(&r);
}

static void old_versions_and_unknown_protocols_are_refused(void **state)
{
    struct http_tls *tls = tls_of("one", NULL, HTTP_TLS_CLIENT_NONE, NULL);
    struct client c;
    struct rig r;

    (void)state;
    rig_start(&r, NULL, &(struct http_listen){.tls = tls});
    client_init(&c, NULL);
    (void)SSL_CTX_set_max_proto_version(c.ctx, TLS1_1_VERSION);
    SSL_CTX_set_security_level(c.ctx, 0);
    assert_false(client_ask(&c, &r, NULL, NULL, WHO));
    (void)SSL_CTX_set_max_proto_version(c.ctx, TLS1_2_VERSION);
    assert_true(client_ask(&c, &r, NULL, "\x02h2\x08http/1.1", WHO));
    assert_int_equal(c.version, TLS1_2_VERSION);
    assert_string_equal(c.alpn, "http/1.1");
    assert_false(client_ask(&c, &r, NULL, "\x04nope", WHO));
    (void)SSL_CTX_set_max_proto_version(c.ctx, 0);
    assert_true(client_ask(&c, &r, NULL, NULL, WHO));
    assert_int_equal(c.version, TLS1_3_VERSION);
    assert_false(c.early);
    RIG_UNTIL(rig_stats(&r).tls_failures == 2);
    client_done(&c);
    http_tls_unref(tls);
    rig_stop(&r);
}

static void a_ticket_is_good_on_every_loop_and_after_a_reload(void **state)
{
    struct http_tls *tls = tls_of("one", NULL, HTTP_TLS_CLIENT_NONE, NULL), *fresh;
    struct client c;
    struct rig r;

    (void)state;
    rig_start(&r, NULL, &(struct http_listen){.tls = tls});
    client_init(&c, NULL);
    assert_true(client_ask(&c, &r, "one.test", NULL, WHO));
    assert_false(c.reused);
    for (int i = 0; i < 4; i++) {
        assert_true(client_ask(&c, &r, "one.test", NULL, WHO));
        assert_true(c.reused);
    }
    client_done(&c);
    http_tls_unref(tls);
    rig_stop(&r);
    tls = tls_of("one", NULL, HTTP_TLS_CLIENT_NONE, NULL);
    rig_start(&r, NULL, &(struct http_listen){.tls = tls});
    client_init(&c, NULL);
    assert_true(client_ask(&c, &r, "one.test", NULL, WHO));
    fresh = tls_of("three", NULL, HTTP_TLS_CLIENT_NONE, tls);
    http_tls_unref(tls);
    rig_stop(&r);
    rig_start(&r, NULL, &(struct http_listen){.tls = fresh});
    assert_true(client_ask(&c, &r, "one.test", NULL, WHO));
    assert_true(c.reused);
    SSL_SESSION_free(c.session);
    c.session = NULL;
    assert_true(client_ask(&c, &r, "one.test", NULL, WHO));
    assert_string_equal(c.server_cn, "three");
    client_done(&c);
    http_tls_unref(fresh);
    rig_stop(&r);
}

static void client_certificates_are_verified_and_shown(void **state)
{
    struct http_tls *tls = tls_of("one", NULL, HTTP_TLS_CLIENT_OPTIONAL, NULL);
    struct client c;
    struct rig r;

    (void)state;
    rig_start(&r, NULL, &(struct http_listen){.tls = tls});
    client_init(&c, "client");
    assert_true(client_ask(&c, &r, NULL, NULL, "GET /mtls HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    has(c.text, "HTTP/1.1 200");
    has(c.text, "cn=client");
    assert_true(client_ask(&c, &r, NULL, NULL, "GET /mtls HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    assert_true(c.reused);
    has(c.text, "cn=client"); /* the identity is in the ticket */
    client_done(&c);
    client_init(&c, NULL);
    assert_true(client_ask(&c, &r, NULL, NULL, "GET /mtls HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    has(c.text, "HTTP/1.1 403");
    client_done(&c);
    client_init(&c, "stranger");
    (void)client_ask(&c, &r, NULL, NULL, WHO); /* in TLS 1.3 the refusal comes after the client's handshake */
    assert_string_equal(c.text, "");
    client_done(&c);
    http_tls_unref(tls);
    rig_stop(&r);
}

static void a_large_body_and_pipelined_requests_pass_through_tls(void **state)
{
    struct http_tls *tls = tls_of("one", NULL, HTTP_TLS_CLIENT_NONE, NULL);
    char *request = tl_zalloc(200000);
    struct client c;
    struct rig r;
    int n;

    (void)state;
    rig_start(&r, NULL, &(struct http_listen){.tls = tls});
    client_init(&c, NULL);
    n = snprintf(
        request, 200,
        "GET /who HTTP/1.1\r\nHost: a\r\n\r\nPOST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    memset(request + n, 'x', 100000);
    (void)snprintf(request + n + 100000, 200, "%s", WHO);
    assert_true(client_ask(&c, &r, NULL, NULL, request));
    has(c.text, "100000 bytes");
    has(strstr(c.text, "100000 bytes"), "secure=1");
    client_done(&c);
    tl_free(request);
    http_tls_unref(tls);
    rig_stop(&r);
}

static void a_silent_handshake_is_ended(void **state)
{
    struct http_tls *tls = tls_of("one", NULL, HTTP_TLS_CLIENT_NONE, NULL);
    struct rig r;
    int fd;

    (void)state;
    rig_start(&r, &(struct http_server_options){.handshake_ms = 50}, &(struct http_listen){.tls = tls});
    fd = rig_connect(&r);
    assert_true(rig_at_eof(fd));
    (void)close(fd);
    assert_int_equal(rig_stats(&r).timeouts, 1);
    http_tls_unref(tls);
    rig_stop(&r);
}

static void bad_files_are_named_with_what_is_wrong(void **state)
{
    static const struct {
        const char *cert, *key, *want;
    } table[] = {
        {"none.crt", "one.key", "none.crt: No such file"},
        {"text", "one.key", "text: no start line"},
        {"one.crt", "none.key", "none.key: No such file"},
        {"one.crt", "text", "text: "},
        {"one.crt", "locked.key", "locked.key: it needs a pass phrase"},
        {"locked.crt", "one.key", "locked.crt: it needs a pass phrase"},
        {"one.crt", "two.key", "it is not the key of the certificate in"},
        {"old.crt", "old.key", "expired at"},
    };

    (void)state;
    for (size_t i = 0; i < TL_COUNT(table); i++) {
        struct http_tls_cert cert = {file(table[i].cert), file(table[i].key)};
        struct http_tls *tls = NULL;
        struct tl_err err;

        assert_int_equal(
            http_tls_new(&(struct http_tls_options){.certs = &cert, .n_certs = 1}, NULL, tl_clock_system(), &tls, &err),
            TL_CONFIG);
        has(err.text, table[i].want);
        assert_null(tls);
    }
}

static void ticket_keys_rotate_and_the_last_one_still_opens(void **state)
{
    struct http_tls_cert cert = {file("one.crt"), file("one.key")};
    struct tl_fake_clock clock;
    struct http_tls *tls;
    struct client c;
    struct rig r;
    bool reused[3];

    (void)state;
    tl_fake_clock_init(&clock, tl_clock_wall_ms(tl_clock_system()));
    assert_int_equal(http_tls_new(&(struct http_tls_options){.certs = &cert, .n_certs = 1, .ticket_rotate_s = 100},
                                  NULL, &clock.base, &tls, NULL),
                     TL_OK);
    rig_start(&r, NULL, &(struct http_listen){.tls = tls});
    client_init(&c, NULL);
    assert_true(client_ask(&c, &r, NULL, NULL, WHO));
    for (int i = 0; i < 3; i++) {
        tl_fake_clock_advance_ms(&clock, i == 2 ? 500000 : 60000);
        if (i == 2) { /* a stranger's connection turns the keys twice */
            struct client other;

            client_init(&other, NULL);
            assert_true(client_ask(&other, &r, NULL, NULL, WHO));
            client_done(&other);
            tl_fake_clock_advance_ms(&clock, 500000);
        }
        assert_true(client_ask(&c, &r, NULL, NULL, WHO));
        reused[i] = c.reused;
    }
    assert_true(reused[0] && reused[1] && !reused[2]);
    client_done(&c);
    http_tls_unref(tls);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_certificate_follows_the_name_asked_for),
        cmocka_unit_test(old_versions_and_unknown_protocols_are_refused),
        cmocka_unit_test(a_ticket_is_good_on_every_loop_and_after_a_reload),
        cmocka_unit_test(client_certificates_are_verified_and_shown),
        cmocka_unit_test(a_large_body_and_pipelined_requests_pass_through_tls),
        cmocka_unit_test(a_silent_handshake_is_ended),
        cmocka_unit_test(bad_files_are_named_with_what_is_wrong),
        cmocka_unit_test(ticket_keys_rotate_and_the_last_one_still_opens),
    };

    return cmocka_run_group_tests(tests, make_all, remove_all);
}
