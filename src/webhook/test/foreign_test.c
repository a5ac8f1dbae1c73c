/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/webhook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../crypto/test/keys.h"
#include "foreign.h"

#define NOW INT64_C(1796000000000) /* 2026-11-30, when the certificate is good */
#define TOPIC "arn:aws:sns:us-west-2:123456789012:MyTopic"
#define CERT_URL "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem"

struct world {
    struct crypto *c;
    struct tl_arena *a;
    struct crypto_keys *keys;
    struct crypto_cert *cert;
    struct webhook_conf conf;
    struct webhook_verdict verdict;
    struct webhook_header headers[8];
    struct webhook_request req;
};

static int given_world(void **state)
{
    struct world *w = tl_zalloc(sizeof(*w));
    struct json set;

    w->a = tl_arena_new(16u << 20);
    assert_int_equal(crypto_new(&w->c, NULL), TL_OK);
    assert_int_equal(json_parse(w->a, tl_sv_str(test_jwks), 0, NULL, &set, NULL), TL_OK);
    assert_int_equal(crypto_keys_from_json(w->c, set, &w->keys, NULL), TL_OK);
    assert_int_equal(crypto_cert_from_pem(w->c, tl_sv_str(test_cert), &w->cert, NULL), TL_OK);
    w->conf.tolerance_ms = INT64_C(1000000000000); /* the vectors are of 2012 and 2016 */
    w->conf.skew_ms = 60000;
    w->conf.confirm = true;
    w->req = (struct webhook_request){
        .method = TL_SV("POST"), .target = TL_SV("/in"), .headers = w->headers, .material = {w->keys, w->cert}};
    *state = w;
    return 0;
}

static int end_world(void **state)
{
    struct world *w = *state;

    crypto_keys_unref(w->keys);
    crypto_cert_free(w->cert);
    tl_arena_free(w->a);
    crypto_free(w->c);
    tl_free(w);
    return 0;
}

static enum tl_rc make(struct world *w, const char *scheme, const char *secret, struct webhook_verifier **ret,
                       struct tl_err *err)
{
    struct webhook_secret s = {.value = tl_sv_str(secret)};
    struct webhook_setup setup = {
        .scheme = scheme, .conf = &w->conf, .secrets = &s, .n_secrets = secret != NULL ? 1 : 0};

    return webhook_verifier_new(w->c, &setup, ret, err);
}

static void header(struct world *w, const char *name, const char *value)
{
    w->headers[w->req.n_headers++] = (struct webhook_header){tl_sv_str(name), tl_sv_str(value)};
}

static bool verify(struct world *w, const char *scheme, const char *secret, int64_t now_ms)
{
    struct webhook_verifier *v = NULL;
    struct tl_err err = {.rc = TL_OK};

    if (make(w, scheme, secret, &v, &err) != TL_OK)
        fail_msg("%s", err.text);
    webhook_verify(v, w->a, &w->req, now_ms, &w->verdict);
    webhook_verifier_unref(v);
    return w->verdict.ok;
}

static bool need(struct world *w, const char *scheme, struct webhook_need *ret)
{
    struct webhook_verifier *v = NULL;
    bool needs;

    assert_int_equal(make(w, scheme, NULL, &v, NULL), TL_OK);
    needs = webhook_need(v, w->a, &w->req, ret);
    ret->url = tl_arena_sv(w->a, ret->url);
    webhook_verifier_unref(v);
    return needs;
}

static struct config_list one(const char **text)
{
    return (struct config_list){(void *)text, 1};
}

/* ---- SNS ---- */
static const char *topic = TOPIC;

static void sns(struct world *w, const char *type, const char *subject, const char *version, const char *signature,
                const char *cert_url)
{
    bool notification = strcmp(type, "Notification") == 0;
    const char *more = notification
                           ? ""
                           : ",\"Token\":\"2336412f37f\",\"SubscribeURL\":\"https://sns.us-west-2.amazonaws.com/"
                             "?Action=ConfirmSubscription&TopicArn=" TOPIC "&Token=2336412f37f\"";
    const char *id = notification ? "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324" : "165545c9-2a5c-472c-8df2-7ff2be2b3b1b";
    const char *message = notification
                              ? "Hello world!\\nline two"
                              : "You have chosen to subscribe to the topic " TOPIC
                                ".\\nTo confirm the subscription, visit the SubscribeURL included in this message.";

    w->conf.topics = one(&topic);
    w->req.body = tl_sv_str(tl_arena_printf(
        w->a,
        "{\"Type\":\"%s\",\"MessageId\":\"%s\",\"TopicArn\":\"" TOPIC "\",\"Message\":\"%s\",\"Timestamp\":\"%s\""
        ",\"SignatureVersion\":\"%s\",\"Signature\":\"%s\",\"SigningCertURL\":\"%s\"%s%s%s%s}",
        type, id, message, notification ? "2012-05-02T00:54:06.655Z" : "2012-04-26T20:45:04.751Z", version, signature,
        cert_url, subject != NULL ? ",\"Subject\":\"" : "", subject != NULL ? subject : "", subject != NULL ? "\"" : "",
        more));
}

static void sns_messages_are_verified_in_both_versions(void **state)
{
    struct world *w = *state;
    struct webhook_need n;

    sns(w, "Notification", "My First Message", "1", sns_sig_1, CERT_URL);
    assert_true(verify(w, "sns", NULL, NOW));
    assert_false(w->verdict.no_event);
    assert_true(need(w, "sns", &n));
    assert_int_equal(n.kind, WEBHOOK_NEED_CERTIFICATE);
    assert_true(tl_sv_eqs(n.url, CERT_URL));
    sns(w, "Notification", "My First Message", "2", sns_sig_2, CERT_URL);
    assert_true(verify(w, "sns", NULL, NOW));
    sns(w, "Notification", NULL, "2", sns_sig_5, CERT_URL);
    assert_true(verify(w, "sns", NULL, NOW));
    sns(w, "Notification", "Another subject", "2", sns_sig_2, CERT_URL);
    assert_false(verify(w, "sns", NULL, NOW));
    sns(w, "Notification", "My First Message", "1", sns_sig_2, CERT_URL);
    assert_false(verify(w, "sns", NULL, NOW));
    sns(w, "Notification", "My First Message", "3", sns_sig_2, CERT_URL);
    assert_false(verify(w, "sns", NULL, NOW));
    w->conf.tolerance_ms = 0; /* an hour */
    sns(w, "Notification", "My First Message", "2", sns_sig_2, CERT_URL);
    assert_false(verify(w, "sns", NULL, NOW));
    assert_non_null(strstr(w->verdict.why, "old"));
}

static void a_subscription_of_our_topic_is_confirmed_at_amazons_host_only(void **state)
{
    static const char *other = "arn:aws:sns:us-west-2:123456789012:Other";
    struct world *w = *state;

    sns(w, "SubscriptionConfirmation", NULL, "2", sns_sig_4, CERT_URL);
    assert_true(verify(w, "sns", NULL, NOW));
    assert_true(w->verdict.no_event);
    assert_true(tl_sv_starts(w->verdict.confirm_url, TL_SV("https://sns.us-west-2.amazonaws.com/?Action=Confirm")));
    sns(w, "SubscriptionConfirmation", NULL, "1", sns_sig_3, CERT_URL);
    assert_true(verify(w, "sns", NULL, NOW));
    w->conf.confirm = false;
    assert_true(verify(w, "sns", NULL, NOW));
    assert_int_equal(w->verdict.confirm_url.n, 0);
    sns(w, "UnsubscribeConfirmation", NULL, "2", sns_sig_4, CERT_URL); /* another type is another text */
    assert_false(verify(w, "sns", NULL, NOW));
    sns(w, "SubscriptionConfirmation", NULL, "2", sns_sig_4, CERT_URL);
    w->conf.topics = one(&other);
    assert_false(verify(w, "sns", NULL, NOW));
    assert_non_null(strstr(w->verdict.why, "TopicArn"));
}

static void certificates_come_from_the_vendors_hosts_only(void **state)
{
    static const char *const bad[] = {"http://sns.us-west-2.amazonaws.com/a.pem",
                                      "https://sns.us-west-2.amazonaws.com.evil.example/a.pem",
                                      "https://evil.example/sns.us-west-2.amazonaws.com/a.pem",
                                      "https://sns.us-west-2.amazonaws.com@evil.example/a.pem",
                                      "https://sns.us-west-2.amazonaws.com:8443/a.pem",
                                      "https://evil.sns.us-west-2.amazonaws.com/a.pem",
                                      "https://sns.s3.us-west-2.amazonaws.com/a.pem",
                                      "https://bucket.s3.amazonaws.com/a.pem",
                                      "https://sns..amazonaws.com/a.pem",
                                      "https://sns.us-west-2.amazonaws.com/a.pem?b=.pem",
                                      "https://sns.us-west-2.amazonaws.com/a.exe",
                                      "file:///etc/a.pem"};
    static const char *const bad_paypal[] = {"https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1",
                                             "http://api.paypal.com/v1/notifications/certs/CERT-1",
                                             "https://www.paypal.com/v1/notifications/certs/CERT-1",
                                             "https://api.paypal.com/v1/checkout/../notifications/certs/CERT-1",
                                             "https://api.paypal.com:444/v1/notifications/certs/CERT-1"};
    struct world *w = *state;
    struct webhook_need n;

    for (size_t i = 0; i < TL_COUNT(bad); i++) {
        sns(w, "Notification", NULL, "2", sns_sig_5, bad[i]);
        if (need(w, "sns", &n))
            fail_msg("%s would be fetched", bad[i]);
    }
    sns(w, "Notification", NULL, "2", sns_sig_5, "https://sns.cn-north-1.amazonaws.com.cn/a.pem");
    assert_true(need(w, "sns", &n));
    w->conf.webhook_id = "1JE4291016473214C";
    for (size_t i = 0; i < TL_COUNT(bad_paypal); i++) {
        w->req.n_headers = 0;
        header(w, "paypal-cert-url", bad_paypal[i]);
        if (need(w, "paypal", &n))
            fail_msg("%s would be fetched", bad_paypal[i]);
    }
    w->req.n_headers = 0;
    header(w, "paypal-cert-url",
           "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270");
    assert_true(need(w, "paypal", &n));
    w->req.material = (struct webhook_material){NULL, NULL}; /* nothing was fetched: refused, not crashed */
    sns(w, "Notification", NULL, "2", sns_sig_5, bad[0]);
    assert_false(verify(w, "sns", NULL, NOW));
}

static void an_expired_certificate_proves_nothing_and_is_named(void **state)
{
    struct world *w = *state;

    sns(w, "Notification", "My First Message", "2", sns_sig_2, CERT_URL);
    assert_false(verify(w, "sns", NULL, INT64_C(1400000000000))); /* before it begins */
    assert_non_null(strstr(w->verdict.why, "2026-11-23"));
    w->conf.tolerance_ms = INT64_C(10000000000000);
    assert_false(verify(w, "sns", NULL, INT64_C(4960000000000)));
    assert_non_null(strstr(w->verdict.why, "2126-10-30"));
}

/* ---- PayPal ---- */
static void paypal(struct world *w, const char *body, const char *sig)
{
    w->conf.webhook_id = "1JE4291016473214C";
    w->req.n_headers = 0;
    w->req.body = tl_sv_str(body);
    header(w, "PAYPAL-TRANSMISSION-ID", "69cd13f0-d67a-11e5-baa3-778b53f4ae55");
    header(w, "PAYPAL-TRANSMISSION-TIME", "2016-02-18T20:01:35Z");
    header(w, "PAYPAL-TRANSMISSION-SIG", sig);
    header(w, "PAYPAL-AUTH-ALGO", "SHA256withRSA");
    header(w, "PAYPAL-CERT-URL", "https://api.paypal.com/v1/notifications/certs/CERT-1");
}

static void paypals_transmissions_are_verified(void **state)
{
    static const char body[] = "{\"id\":\"WH-TEST-1\",\"event_type\":\"PAYMENT.CAPTURE.COMPLETED\"}";
    struct world *w = *state;

    paypal(w, body, paypal_sig);
    assert_true(verify(w, "paypal", NULL, NOW));
    paypal(w, "{\"id\":\"WH-TEST-2\",\"event_type\":\"PAYMENT.CAPTURE.COMPLETED\"}", paypal_sig);
    assert_false(verify(w, "paypal", NULL, NOW));
    paypal(w, body, "bm90IGE=");
    assert_false(verify(w, "paypal", NULL, NOW));
    paypal(w, body, paypal_sig);
    w->conf.webhook_id = "ANOTHER";
    assert_false(verify(w, "paypal", NULL, NOW));
    paypal(w, body, paypal_sig);
    w->headers[3].value = TL_SV("SHA1withRSA");
    assert_false(verify(w, "paypal", NULL, NOW));
    paypal(w, body, paypal_sig);
    header(w, "PAYPAL-TRANSMISSION-SIG", paypal_sig);
    assert_false(verify(w, "paypal", NULL, NOW));
    paypal(w, body, paypal_sig);
    w->conf.tolerance_ms = 0;
    assert_false(verify(w, "paypal", NULL, NOW));
}

/* ---- JWT ---- */
static const char *audience = "https://hooks.example.com/in/pubsub";

static void token(struct world *w, const char *value)
{
    w->req.n_headers = 0;
    w->req.body = TL_SV("{}");
    header(w, "Authorization", tl_arena_printf(w->a, "Bearer %s", value));
    w->conf.audiences = one(&audience);
}

static void googles_push_is_taken_from_its_service_account_only(void **state)
{
    static const char *other = "https://hooks.example.com/in/other";
    struct world *w = *state;
    struct webhook_need n;

    w->conf.jwks_url = "https://www.googleapis.com/oauth2/v3/certs";
    w->conf.email = "push-sa@example-project.iam.gserviceaccount.com";
    token(w, google_token);
    assert_true(need(w, "google_pubsub", &n));
    assert_true(tl_sv_eqs(n.url, "https://www.googleapis.com/oauth2/v3/certs"));
    assert_true(verify(w, "google_pubsub", NULL, NOW));
    w->conf.email = "somebody-else@example-project.iam.gserviceaccount.com";
    assert_false(verify(w, "google_pubsub", NULL, NOW));
    w->conf.email = "push-sa@example-project.iam.gserviceaccount.com";
    w->conf.audiences = one(&other);
    assert_false(verify(w, "google_pubsub", NULL, NOW));
    assert_non_null(strstr(w->verdict.why, "aud"));
    token(w, google_token);
    assert_false(verify(w, "google_pubsub", NULL, INT64_C(4102444800000) + 61000));
    w->headers[0].value = TL_SV("Bearer ");
    assert_false(verify(w, "google_pubsub", NULL, NOW));
    assert_false(need(w, "google_pubsub", &n));
}

static const char *sign(struct world *w, const char *pem, enum crypto_alg alg, const char *claims)
{
    struct crypto_key *k = NULL;
    struct json c;
    struct tl_buf out;
    const char *text;

    tl_buf_init(&out, 65536);
    assert_int_equal(alg == CRYPTO_HS256 ? crypto_key_from_secret(w->c, tl_sv_str(pem), alg, &k, NULL)
                                         : crypto_key_from_pem(w->c, tl_sv_str(pem), TL_SV_NULL, &k, NULL),
                     TL_OK);
    assert_int_equal(json_parse(w->a, tl_sv_str(claims), 0, NULL, &c, NULL), TL_OK);
    assert_int_equal(crypto_jwt_sign(w->c, k, alg, TL_SV(""), TL_SV("JWT"), c, &out, NULL), TL_OK);
    text = tl_arena_strndup(w->a, out.p, out.n);
    tl_buf_done(&out);
    crypto_key_unref(k);
    return text;
}

static const char claims[] = "{\"iss\":\"https://login.example.com/\",\"aud\":[\"x\",\"https://hooks.example.com/in/"
                             "pubsub\"],\"sub\":\"billing\","
                             "\"exp\":1796000100,\"iat\":1795999990}";

static void the_algorithm_is_pinned_and_a_public_key_is_no_shared_secret(void **state)
{
    static const char *const none = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwczovL2hvb2tzLmV4YW1wbGUuY29tL2luL3B1YnN1YiIs"
                                    "ImV4cCI6MTc5NjAwMDEwMH0.";
    static const int es256[] = {2}, mixed[] = {2, 4}, hs256[] = {4};
    struct world *w = *state;
    struct webhook_verifier *v = NULL;
    struct tl_err err;

    w->conf.algs = (struct config_list){(void *)(uintptr_t)es256, 1};
    token(w, sign(w, pem_ec_sec1, CRYPTO_ES256, claims));
    assert_true(verify(w, "jwt", pem_ec_public, NOW));
    token(w, none);
    assert_false(verify(w, "jwt", pem_ec_public, NOW));
    token(w, sign(w, pem_ec_public, CRYPTO_HS256, claims)); /* who knows the public key signs with it */
    assert_false(verify(w, "jwt", pem_ec_public, NOW));
    token(w, google_token); /* RS256, which is not among those taken */
    assert_false(verify(w, "jwt", pem_ec_public, NOW));
    w->conf.algs = (struct config_list){(void *)(uintptr_t)mixed, 2};
    assert_int_equal(make(w, "jwt", pem_ec_public, &v, &err), TL_CONFIG);
    assert_non_null(strstr(err.text, "mixes HS256"));
    w->conf.algs = (struct config_list){(void *)(uintptr_t)hs256, 1};
    w->conf.jwks_url = "https://login.example.com/jwks";
    assert_int_equal(make(w, "jwt", NULL, &v, &err), TL_CONFIG);
    assert_non_null(strstr(err.text, "HS256 needs a shared"));
    w->conf.jwks_url = NULL;
    assert_int_equal(make(w, "jwt", NULL, &v, &err), TL_CONFIG);
    token(w, sign(w, "a-shared-secret-of-32-bytes-or-so", CRYPTO_HS256, claims));
    assert_true(verify(w, "jwt", "a-shared-secret-of-32-bytes-or-so", NOW));
    assert_false(verify(w, "jwt", "another-secret-of-32-bytes-or-more", NOW));
}

static void a_key_of_the_wrong_kind_is_said_when_the_configuration_is_read(void **state)
{
    static const int rs256[] = {0};
    struct world *w = *state;
    struct webhook_verifier *v = NULL;
    struct tl_err err = {.rc = TL_OK};

    w->conf.algs = (struct config_list){(void *)(uintptr_t)rs256, 1};
    w->conf.audiences = one(&audience);
    assert_int_equal(make(w, "jwt", "not a key", &v, &err), TL_CONFIG);
    assert_int_equal(make(w, "jwt", pem_ec_public, &v, &err), TL_CONFIG);
    assert_non_null(strstr(err.text, "RS256"));
    assert_non_null(strstr(err.text, "P-256"));
}

static void claims_that_are_asked_for_must_be_there(void **state)
{
    static const int es256[] = {2};
    static const char *good = "billing", *bad = "sales", *issuer = "https://login.example.com/";
    struct config_map_entry entry = {.key = "sub", .value = &good};
    struct world *w = *state;

    w->conf.algs = (struct config_list){(void *)(uintptr_t)es256, 1};
    w->conf.issuers = one(&issuer);
    w->conf.claims = (struct config_map){&entry, 1};
    token(w, sign(w, pem_ec_sec1, CRYPTO_ES256, claims));
    assert_true(verify(w, "jwt", pem_ec_public, NOW));
    entry.value = &bad;
    assert_false(verify(w, "jwt", pem_ec_public, NOW));
    assert_non_null(strstr(w->verdict.why, "sub"));
    entry.value = &good;
    w->conf.max_age_ms = 5000;
    w->conf.skew_ms = 0;
    assert_true(verify(w, "jwt", pem_ec_public, NOW - 6000));
    assert_false(verify(w, "jwt", pem_ec_public, NOW));
    w->conf.max_age_ms = 0;
    assert_false(verify(w, "jwt", pem_ec_public, NOW + 600000)); /* our clock ten minutes ahead */
    assert_non_null(strstr(w->verdict.why, "expired"));
    assert_false(verify(w, "jwt", pem_ec_public, NOW - 600000)); /* behind */
    assert_non_null(strstr(w->verdict.why, "compare the clocks"));
}

/* ---- mutual TLS ---- */
static void a_client_certificate_is_known_by_its_name_or_fingerprint(void **state)
{
    static const char *name = "erp.partner.example";
    static const char *print = "sha256:00000000000000000000000000000000000000000000000000000000000000ff";
    struct webhook_peer peer = {.subject = TL_SV("CN=erp.partner.example,O=Partner"),
                                .common_name = TL_SV("erp.partner.example"),
                                .san = TL_SV("dns:erp.partner.example")};
    struct world *w = *state;

    peer.sha256[31] = 0xff;
    w->conf.names = one(&name);
    w->req.body = TL_SV("{}");
    assert_false(verify(w, "client_certificate", NULL, NOW));
    w->req.peer = &peer;
    assert_true(verify(w, "client_certificate", NULL, NOW));
    w->conf.names = one(&print);
    assert_true(verify(w, "client_certificate", NULL, NOW));
    peer.sha256[0] = 1;
    assert_false(verify(w, "client_certificate", NULL, NOW));
    assert_non_null(strstr(w->verdict.why, "CN=erp.partner.example"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, given_world, end_world)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(sns_messages_are_verified_in_both_versions),
        T(a_subscription_of_our_topic_is_confirmed_at_amazons_host_only),
        T(certificates_come_from_the_vendors_hosts_only),
        T(an_expired_certificate_proves_nothing_and_is_named),
        T(paypals_transmissions_are_verified),
        T(googles_push_is_taken_from_its_service_account_only),
        T(the_algorithm_is_pinned_and_a_public_key_is_no_shared_secret),
        T(a_key_of_the_wrong_kind_is_said_when_the_configuration_is_read),
        T(claims_that_are_asked_for_must_be_there),
        T(a_client_certificate_is_known_by_its_name_or_fingerprint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
