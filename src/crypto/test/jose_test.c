/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../json/test/vectors.h"
#include "keys.h"

/* HS256, key 00 01 .. 1f, computed with Python's hmac. */
#define SECRET "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define TOKEN                                                                                                          \
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."                                                                            \
    "eyJpc3MiOiJpc3N1ZXIiLCJhdWQiOlsidXMiLCJ0aGVtIl0sImV4cCI6MTcwMDAwMDYwMCwibmJmIjoxNzAwMDAwMDAwLCJpYXQiOjE3MDAwMDAw" \
    "M"                                                                                                                \
    "DB9."                                                                                                             \
    "FdINI--Y3665MBEO9g6uLeuz-4TyhfY6WyQZM8KSMwA"
#define NOW INT64_C(1700000100000)

struct world {
    struct crypto *c;
    struct tl_arena *a;
    size_t run, wrong;
};

static int given_world(void **state)
{
    struct world *w = tl_zalloc(sizeof(*w));

    w->a = tl_arena_new(64u << 20);
    *state = w;
    return crypto_new(&w->c, NULL) == TL_OK ? 0 : -1;
}

static int end_world(void **state)
{
    struct world *w = *state;

    tl_arena_free(w->a);
    crypto_free(w->c);
    tl_free(w);
    return 0;
}

static struct json parsed(struct world *w, const char *text)
{
    struct json v = JSON_NOTHING;

    assert_int_equal(json_parse(w->a, tl_sv_str(text), 0, NULL, &v, NULL), TL_OK);
    return v;
}

static struct crypto_key *pem_key(struct world *w, const char *pem)
{
    struct crypto_key *k = NULL;
    struct tl_err err;

    if (crypto_key_from_pem(w->c, tl_sv_str(pem), TL_SV_NULL, &k, &err) != TL_OK)
        fail_msg("%s", err.text);
    return k;
}

static void every_algorithm_signs_and_verifies_and_no_other_key_does(void **state)
{
    static const struct {
        enum crypto_alg alg;
        const char *pem;
    } rows[] = {
        {CRYPTO_RS256, pem_rsa}, {CRYPTO_RS384, pem_rsa}, {CRYPTO_RS512, pem_rsa},     {CRYPTO_PS256, pem_rsa},
        {CRYPTO_PS384, pem_rsa}, {CRYPTO_PS512, pem_rsa}, {CRYPTO_ES256, pem_ec_sec1}, {CRYPTO_EDDSA, pem_ed25519},
    };
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct crypto_key *k = pem_key(w, rows[i].pem), *pub = NULL;
        struct crypto_keys *set;
        struct crypto_jws jws;
        struct json jwk = JSON_NOTHING;
        struct tl_err err;
        struct tl_buf token;
        char head[64];

        tl_buf_init(&token, 8192);
        (void)snprintf(head, sizeof(head), "{\"alg\":\"%s\"}", crypto_alg_name(rows[i].alg));
        assert_int_equal(crypto_jws_sign(w->c, k, rows[i].alg, tl_sv_str(head), TL_SV("pay.load"), &token, &err),
                         TL_OK);
        assert_int_equal(crypto_key_to_jwk(k, w->a, &jwk, &err), TL_OK);
        assert_int_equal(crypto_key_from_jwk(w->c, jwk, &pub, &err), TL_OK);
        assert_false(crypto_key_is_private(pub));
        set = crypto_keys_of(&pub, 1);
        assert_int_equal(crypto_jws_verify(w->c, w->a, tl_buf_view(&token), set, TL_SV_NULL, &jws, &err), TL_OK);
        assert_true(tl_sv_eqs(jws.payload, "pay.load"));
        token.p[token.n - 5] = token.p[token.n - 5] == 'A' ? 'B' : 'A';
        assert_int_equal(crypto_jws_verify(w->c, w->a, tl_buf_view(&token), set, TL_SV_NULL, &jws, &err), TL_AUTH);
        for (size_t j = 0; j < TL_COUNT(rows); j++)
            assert_int_equal(crypto_key_fits(k, rows[j].alg), rows[j].pem == rows[i].pem);
        assert_int_equal(crypto_key_sign(w->c, pub, rows[i].alg, TL_SV("x"), &token, &err), TL_CONFIG);
        assert_non_null(strstr(err.text, "private key"));
        crypto_keys_unref(set);
        crypto_key_unref(k);
        crypto_key_unref(pub);
        tl_buf_done(&token);
    }
}

static void pem_keys_of_every_form_are_read(void **state)
{
    struct world *w = *state;
    struct crypto_key *k = pem_key(w, pem_ec_public), *enc = NULL;
    struct tl_err err;

    assert_string_equal(crypto_key_kind(k), "a P-256 public key");
    crypto_key_unref(k);
    k = pem_key(w, pem_ec_cert);
    assert_string_equal(crypto_key_kind(k), "a P-256 public key");
    crypto_key_unref(k);
    assert_int_equal(crypto_key_from_pem(w->c, tl_sv_str(pem_rsa_1024), TL_SV_NULL, &enc, &err), TL_CONFIG);
    assert_non_null(strstr(err.text, "1024 bits"));
    assert_int_equal(crypto_key_from_pem(w->c, tl_sv_str(pem_ec_encrypted), TL_SV_NULL, &enc, &err), TL_CONFIG);
    assert_non_null(strstr(err.text, "no passphrase is configured"));
    assert_int_equal(crypto_key_from_pem(w->c, tl_sv_str(pem_ec_encrypted), TL_SV("wrong"), &enc, &err), TL_CONFIG);
    assert_non_null(strstr(err.text, "the passphrase does not open"));
    assert_int_equal(crypto_key_from_pem(w->c, tl_sv_str(pem_ec_encrypted), TL_SV("correct"), &enc, &err), TL_OK);
    assert_true(crypto_key_is_private(enc));
    crypto_key_unref(enc);
}

static void a_certificate_tells_subject_names_and_dates(void **state)
{
    struct world *w = *state;
    struct crypto_cert *cert = NULL;
    struct crypto_key *mine = pem_key(w, pem_ec_sec1), *other = pem_key(w, pem_ed25519);
    const struct tl_sv *names;
    struct tl_err err;

    assert_int_equal(crypto_cert_from_pem(w->c, tl_sv_str(pem_ec_cert), &cert, &err), TL_OK);
    assert_true(tl_sv_eqs(crypto_cert_subject(cert), "CN=hooks.example.com,O=Acme Ltd"));
    assert_int_equal(crypto_cert_names(cert, &names), 4);
    assert_true(tl_sv_eqs(names[1], "dns:*.in.example.com"));
    assert_true(tl_sv_eqs(names[2], "ip:192.0.2.7"));
    assert_true(tl_sv_eqs(names[3], "uri:spiffe://acme/tieline"));
    assert_true(crypto_cert_host(cert, TL_SV("a.in.example.com")));
    assert_false(crypto_cert_host(cert, TL_SV("a.b.in.example.com")));
    assert_int_equal(crypto_cert_check(cert, crypto_cert_not_before_ms(cert) + 1000, &err), TL_OK);
    assert_int_equal(crypto_cert_check(cert, crypto_cert_not_after_ms(cert) + 1000, &err), TL_CONFIG);
    assert_non_null(strstr(err.text, "expired on 2126-10-31"));
    assert_int_equal(crypto_cert_check(cert, crypto_cert_not_before_ms(cert) - 1000, &err), TL_CONFIG);
    assert_non_null(strstr(err.text, "valid only from 2026-11-24"));
    assert_int_equal(crypto_cert_fits(cert, mine, &err), TL_OK);
    assert_int_equal(crypto_cert_fits(cert, other, &err), TL_CONFIG);
    crypto_key_unref(mine);
    crypto_key_unref(other);
    crypto_cert_free(cert);
}

static enum tl_rc check_jwt(struct world *w, const char *jwk, const char *token, const struct crypto_jwt_rules *rules,
                            int64_t now, struct tl_err *err)
{
    struct crypto_keys *set = NULL;
    struct crypto_jwt jwt;
    enum tl_rc rc;

    assert_int_equal(crypto_keys_from_json(w->c, parsed(w, jwk), &set, err), TL_OK);
    rc = crypto_jwt_verify(w->c, w->a, tl_sv_str(token), set, rules, now, &jwt, err);
    crypto_keys_unref(set);
    return rc;
}

static void claims_of_a_token_are_checked_with_the_clock_skew(void **state)
{
    const struct tl_sv us[] = {TL_SV("us")}, nobody[] = {TL_SV("nobody")}, issuer[] = {TL_SV("issuer")};
    static const enum crypto_alg hs512[] = {CRYPTO_HS512};
    const struct crypto_jwt_rules good = {.audiences = us,
                                          .n_audiences = 1,
                                          .issuers = issuer,
                                          .n_issuers = 1,
                                          .skew_ms = 30000},
                                  audience = {.audiences = nobody, .n_audiences = 1},
                                  from = {.issuers = nobody, .n_issuers = 1}, alg = {.algs = hs512, .n_algs = 1},
                                  type = {.type = TL_SV("at+jwt")}, age = {.max_age_ms = 60000};
    const struct {
        const struct crypto_jwt_rules *rules;
        int64_t now;
        const char *says; /* NULL: accepted */
    } rows[] = {
        {&good, NOW, NULL},
        {&good, INT64_C(1700000629999), NULL},
        {&good, INT64_C(1700000630000), "expired"},
        {&good, INT64_C(1699999970000), NULL},
        {&good, INT64_C(1699999969999), "valid only in"},
        {&audience, NOW, "aud"},
        {&from, NOW, "iss"},
        {&alg, NOW, "HS256, which is not allowed"},
        {&type, NOW, "not of type at+jwt"},
        {&age, NOW, "older"},
    };
    struct world *w = *state;
    struct tl_err err;

    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        enum tl_rc rc = check_jwt(w, "{\"kty\":\"oct\",\"k\":\"" SECRET "\"}", TOKEN, rows[i].rules, rows[i].now, &err);

        if (rows[i].says == NULL) {
            assert_int_equal(rc, TL_OK);
        } else {
            assert_int_equal(rc, TL_AUTH);
            assert_non_null(strstr(err.text, rows[i].says));
        }
    }
}

static void an_algorithm_is_never_chosen_by_the_token(void **state)
{
    struct world *w = *state;
    static const struct crypto_jwt_rules rules = {.exp_optional = true};
    struct tl_buf jwks, text, token;
    struct json jwk = JSON_NOTHING;
    struct crypto_key *ec = pem_key(w, pem_ec_public), *as_secret = NULL;
    struct tl_err err;

    tl_buf_init(&jwks, 4096);
    tl_buf_init(&text, 4096);
    tl_buf_init(&token, 4096);
    assert_int_equal(crypto_key_to_jwk(ec, w->a, &jwk, &err), TL_OK);
    assert_true(json_write(&jwks, jwk, 0));
    /* {"alg":"none"} and its spellings, with and without a signature */
    assert_int_equal(check_jwt(w, jwks.p, "eyJhbGciOiJub25lIn0.e30.", &rules, NOW, &err), TL_AUTH);
    assert_int_equal(check_jwt(w, jwks.p, "eyJhbGciOiJOT05FIn0.e30.AAAA", &rules, NOW, &err), TL_AUTH);
    /* The public key's PEM text as an HMAC key: the classic confusion. */
    assert_int_equal(crypto_key_from_secret(w->c, tl_sv_str(pem_ec_public), CRYPTO_HS256, &as_secret, &err), TL_OK);
    assert_int_equal(
        crypto_jws_sign(w->c, as_secret, CRYPTO_HS256, TL_SV("{\"alg\":\"HS256\"}"), TL_SV("{}"), &token, &err), TL_OK);
    assert_int_equal(check_jwt(w, jwks.p, token.p, &rules, NOW, &err), TL_AUTH);
    assert_non_null(strstr(err.text, "there is no key for HS256"));
    crypto_key_unref(ec);
    crypto_key_unref(as_secret);
    tl_buf_done(&jwks);
    tl_buf_done(&text);
    tl_buf_done(&token);
}

static void critical_headers_and_duplicates_are_refused(void **state)
{
    static const char *const headers[] = {
        "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}",
        "{\"alg\":\"HS256\",\"crit\":[]}",
        "{\"alg\":\"HS256\",\"b64\":false}",
        "{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"kid\":7}",
        "[\"HS256\"]",
        "{\"alg\":\"HS256\",\"crit\":[\"b64\"]}",
    };
    struct world *w = *state;
    struct crypto_key *k = NULL;
    struct crypto_keys *set;
    struct tl_err err;

    assert_int_equal(crypto_key_from_secret(w->c, TL_SV("0123456789abcdef0123456789abcdef"), CRYPTO_HS256, &k, &err),
                     TL_OK);
    set = crypto_keys_of(&k, 1);
    for (size_t i = 0; i < TL_COUNT(headers); i++) {
        struct tl_buf token;
        struct crypto_jws jws;

        tl_buf_init(&token, 4096);
        assert_int_equal(crypto_jws_sign(w->c, k, CRYPTO_HS256, tl_sv_str(headers[i]), TL_SV("{}"), &token, &err),
                         TL_OK);
        assert_int_not_equal(crypto_jws_verify(w->c, w->a, tl_buf_view(&token), set, TL_SV_NULL, &jws, &err), TL_OK);
        tl_buf_done(&token);
    }
    crypto_keys_unref(set);
    crypto_key_unref(k);
}

static void count(struct world *w, bool ok, struct json line, const char *why)
{
    w->run++;
    if (ok)
        return;
    w->wrong++;
    (void)printf("%.*s: %s\n", TL_SV_ARG(json_text(json_gets(line, "id"), TL_SV("?"))), why);
}

static void run_verify(struct tl_arena *a, struct json line, void *arg)
{
    struct world *w = arg;
    TL_CLEANUP(crypto_keys_unrefp) struct crypto_keys *set = NULL;
    struct json jws = json_gets(line, "jws"), general = json_gets(line, "jws_json"), expected;
    struct tl_sv result = json_text(json_gets(line, "result"), TL_SV("valid"));
    struct crypto_jws out = {0};
    struct tl_err err = {0};
    enum tl_rc rc;

    if (tl_sv_eqs(result, "contested"))
        return;
    if (general.type == JSON_UNDEFINED && jws.type == JSON_OBJECT)
        general = jws;
    rc = crypto_keys_from_json(w->c, json_gets(line, "key"), &set, &err);
    if (rc == TL_OK && general.type != JSON_UNDEFINED)
        rc = crypto_jws_verify_json(w->c, a, general, set, TL_SV_NULL, &out, &err);
    else if (rc == TL_OK)
        rc = crypto_jws_verify(w->c, a, json_view(jws), set, TL_SV_NULL, &out, &err);
    count(w, (rc == TL_OK) == tl_sv_eqs(result, "valid"), line, rc == TL_OK ? "accepted" : err.text);
    expected = json_gets(line, "payload");
    if (rc == TL_OK && expected.type == JSON_STRING)
        count(w, tl_sv_eq(out.payload, json_view(expected)), line, "payload differs");
    expected = json_gets(line, "claims");
    if (rc == TL_OK && expected.type == JSON_OBJECT) {
        struct json claims = JSON_NOTHING;

        count(w, json_parse(a, out.payload, 0, NULL, &claims, &err) == TL_OK && json_equal(claims, expected), line,
              "claims differ");
    }
}

static void run_cookbook_outputs(struct world *w, struct tl_arena *a, struct json line, struct json v,
                                 struct crypto_keys *set)
{
    static const char *const forms[] = {"compact", "json", "json_flat"};
    struct tl_sv payload = json_view(json_gets(json_gets(v, "input"), "payload"));

    for (size_t i = 0; i < TL_COUNT(forms); i++) {
        struct json form = json_gets(json_gets(v, "output"), forms[i]);
        struct crypto_jws out = {0};
        struct tl_err err = {0};
        bool detached = form.type == JSON_OBJECT ? json_gets(form, "payload").type == JSON_UNDEFINED
                                                 : tl_sv_find_sv(json_text(form, TL_SV("")), TL_SV("..")) < form.n;
        struct tl_sv given = detached ? payload : TL_SV_NULL;
        enum tl_rc rc;

        if (form.type == JSON_UNDEFINED)
            continue;
        rc = form.type == JSON_OBJECT ? crypto_jws_verify_json(w->c, a, form, set, given, &out, &err)
                                      : crypto_jws_verify(w->c, a, json_view(form), set, given, &out, &err);
        count(w, rc == TL_OK && tl_sv_eq(out.payload, payload), line, rc == TL_OK ? "payload differs" : err.text);
    }
}

static void run_cookbook(struct tl_arena *a, struct json line, void *arg)
{
    struct world *w = arg;
    struct json v = json_gets(line, "vector"), key = json_gets(json_gets(v, "input"), "key"),
                sig = json_gets(v, "signing");
    struct crypto_key *keys[4] = {NULL};
    struct crypto_keys *set;
    struct tl_err err = {0};
    size_t n = 0;

    if (tl_sv_eqs(json_text(json_gets(line, "kind"), TL_SV("")), "jwk")) {
        bool encrypts = tl_sv_eqs(json_text(json_gets(v, "use"), TL_SV("")), "enc");
        enum tl_rc rc = crypto_key_from_jwk(w->c, v, &keys[0], &err);

        count(w, (rc == TL_OK) != encrypts, line, err.text); /* an encryption key is none of ours */
        crypto_key_unref(keys[0]);
        return;
    }
    if (key.type == JSON_OBJECT)
        count(w, crypto_key_from_jwk(w->c, key, &keys[n++], &err) == TL_OK, line, err.text);
    for (uint32_t i = 0; key.type == JSON_ARRAY && i < key.n; i++)
        count(w, crypto_key_from_jwk(w->c, key.u.items[i], &keys[n++], &err) == TL_OK, line, err.text);
    set = crypto_keys_of(keys, n);
    run_cookbook_outputs(w, a, line, v, set);
    if (n == 1 && json_gets(v, "reproducible").type == JSON_BOOL && json_gets(v, "reproducible").u.b &&
        !tl_sv_eqs(json_text(json_gets(line, "kind"), TL_SV("")), "rfc7797") &&
        json_gets(sig, "sig").type == JSON_STRING) {
        enum crypto_alg alg = CRYPTO_ALG_UNSET;
        struct tl_buf raw, text;

        tl_buf_init(&raw, 4096);
        tl_buf_init(&text, 4096);
        assert_true(crypto_alg_parse(json_view(json_gets(json_gets(v, "input"), "alg")), &alg));
        count(w, crypto_key_sign(w->c, keys[0], alg, json_view(json_gets(sig, "sig-input")), &raw, &err) == TL_OK, line,
              err.text);
        tl_base64url_encode(&text, raw.p, raw.n);
        count(w, tl_sv_eq(tl_buf_view(&text), json_view(json_gets(sig, "sig"))), line, "our signature differs");
        tl_buf_done(&raw);
        tl_buf_done(&text);
    }
    crypto_keys_unref(set);
    for (size_t i = 0; i < n; i++)
        crypto_key_unref(keys[i]);
}

static void run_file(struct world *w, const char *path, void (*fn)(struct tl_arena *, struct json, void *),
                     size_t tolerated)
{
    struct tl_sv lines = vectors_read(w->a, path);

    w->run = w->wrong = 0;
    if (lines.p == NULL) {
        (void)printf("%s: not here, skipped\n", path);
        return;
    }
    (void)vectors_each(lines, fn, w);
    (void)printf("%s: %zu checks, %zu wrong\n", path, w->run, w->wrong);
    assert_true(w->wrong <= tolerated);
}

static void the_published_suites_pass(void **state)
{
    struct world *w = *state;

    run_file(w, "conformance/jose/rfc7515.jsonl", run_verify, 0);
    run_file(w, "conformance/jose/cookbook.jsonl", run_cookbook, 0);
    /* Two lines (367, 370) ask to refuse the very token, with the very key, that line 357 asks to accept. */
    run_file(w, "conformance/jose/verify.jsonl", run_verify, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_algorithm_signs_and_verifies_and_no_other_key_does, given_world,
                                        end_world),
        cmocka_unit_test_setup_teardown(pem_keys_of_every_form_are_read, given_world, end_world),
        cmocka_unit_test_setup_teardown(a_certificate_tells_subject_names_and_dates, given_world, end_world),
        cmocka_unit_test_setup_teardown(claims_of_a_token_are_checked_with_the_clock_skew, given_world, end_world),
        cmocka_unit_test_setup_teardown(an_algorithm_is_never_chosen_by_the_token, given_world, end_world),
        cmocka_unit_test_setup_teardown(critical_headers_and_duplicates_are_refused, given_world, end_world),
        cmocka_unit_test_setup_teardown(the_published_suites_pass, given_world, end_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
