/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct crypto *given_crypto(void)
{
    struct crypto *c = NULL;

    assert_int_equal(crypto_new(&c, NULL), TL_OK);
    return c;
}

static void assert_hex(const uint8_t *p, size_t n, const char *hex)
{
    struct tl_buf b;

    tl_buf_init(&b, 1024);
    assert_true(tl_hex_encode(&b, p, n));
    assert_string_equal(b.p, hex);
    tl_buf_done(&b);
}

static void digests_agree_with_the_published_examples(void **state)
{
    /* FIPS 180-4 examples: "abc" in two parts. */
    static const struct {
        enum crypto_hash h;
        const char *hex;
    } rows[] = {
        {CRYPTO_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {CRYPTO_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {CRYPTO_SHA384,
         "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"},
        {CRYPTO_SHA512, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
    };
    struct crypto *c = given_crypto();
    struct tl_sv parts[] = {TL_SV("a"), TL_SV("bc")};
    uint8_t out[CRYPTO_MAX_DIGEST];

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct crypto_stream *s = crypto_stream_new(c, rows[i].h, NULL);

        assert_int_equal(crypto_digest(c, rows[i].h, parts, 2, out), crypto_hash_size(rows[i].h));
        assert_hex(out, crypto_hash_size(rows[i].h), rows[i].hex);
        crypto_stream_add(s, "ab", 2);
        crypto_stream_add(s, "c", 1);
        assert_int_equal(crypto_stream_end(s, out), crypto_hash_size(rows[i].h));
        assert_hex(out, crypto_hash_size(rows[i].h), rows[i].hex);
    }
    crypto_free(c);
}

static void hmac_agrees_with_rfc_4231_and_2202(void **state)
{
    char long_key[131] = {0};
    struct tl_sv jefe = TL_SV("Jefe"), what = TL_SV("what do ya want for nothing?");
    struct tl_sv hashed = TL_SV("Test Using Larger Than Block-Size Key - Hash Key First");
    const struct {
        enum crypto_hash h;
        struct tl_sv key, text;
        const char *hex;
    } rows[] = {
        {CRYPTO_SHA1, jefe, what, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
        {CRYPTO_SHA256, jefe, what, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {CRYPTO_SHA512, jefe, what,
         "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6"
         "b4b636e"
         "070a38bce737"},
        {CRYPTO_SHA256, tl_sv(long_key, 131), hashed,
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    };
    struct crypto *c = given_crypto();
    uint8_t out[CRYPTO_MAX_DIGEST];

    (void)state;
    memset(long_key, 0xaa, sizeof(long_key));
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct crypto_hmac *m = crypto_hmac_new(c, rows[i].h, rows[i].key);
        struct tl_sv parts[] = {tl_sv(rows[i].text.p, 5), TL_SV(""), tl_sv_from(rows[i].text, 5)};
        struct crypto_stream *s = crypto_stream_new(c, rows[i].h, m);

        for (int again = 0; again < 2; again++) {
            size_t n = crypto_hmac_sum(m, parts, 3, out);

            assert_hex(out, n, rows[i].hex);
        }
        crypto_stream_add(s, rows[i].text.p, rows[i].text.n);
        assert_hex(out, crypto_stream_end(s, out), rows[i].hex);
        crypto_hmac_free(m);
    }
    crypto_free(c);
}

static void a_sealed_text_opens_only_unchanged_in_its_place_with_its_key(void **state)
{
    struct crypto *c = given_crypto();
    struct crypto_seal_key keys[2] = {{.id = 7}, {.id = 8}}, wrong = {.id = 8};
    struct tl_err err;
    uint32_t id = 0;

    (void)state;
    memset(keys[0].key, 1, 32);
    memset(keys[1].key, 2, 32);
    for (int how = CRYPTO_XCHACHA20_POLY1305; how <= CRYPTO_AES256_GCM; how++) {
        struct tl_buf sealed, plain;

        tl_buf_init(&sealed, 4096);
        tl_buf_init(&plain, 4096);
        assert_int_equal(
            crypto_seal(c, (enum crypto_aead)how, &keys[1], TL_SV("token:erp"), TL_SV("secret text"), &sealed, &err),
            TL_OK);
        assert_true(sealed.n <= 11 + CRYPTO_SEAL_OVERHEAD);
        assert_int_equal(crypto_sealed_key_id(tl_buf_view(&sealed), &id, &err), TL_OK);
        assert_int_equal(id, 8);
        assert_int_equal(crypto_open(c, keys, 2, TL_SV("token:erp"), tl_buf_view(&sealed), &plain, &err), TL_OK);
        assert_true(tl_sv_eqs(tl_buf_view(&plain), "secret text"));
        assert_int_equal(crypto_open(c, keys, 2, TL_SV("token:crm"), tl_buf_view(&sealed), &plain, &err), TL_INVALID);
        assert_int_equal(crypto_open(c, keys, 1, TL_SV("token:erp"), tl_buf_view(&sealed), &plain, &err), TL_NOT_FOUND);
        assert_int_equal(crypto_open(c, &wrong, 1, TL_SV("token:erp"), tl_buf_view(&sealed), &plain, &err), TL_INVALID);
        for (size_t i = 0; i < sealed.n; i++) {
            sealed.p[i] = (char)(sealed.p[i] ^ 1);
            assert_int_not_equal(crypto_open(c, keys, 2, TL_SV("token:erp"), tl_buf_view(&sealed), &plain, &err),
                                 TL_OK);
            sealed.p[i] = (char)(sealed.p[i] ^ 1);
            assert_int_not_equal(crypto_open(c, keys, 2, TL_SV("token:erp"), tl_sv(sealed.p, i), &plain, &err), TL_OK);
        }
        tl_buf_done(&sealed);
        tl_buf_done(&plain);
    }
    crypto_free(c);
}

static void a_sealing_key_is_32_bytes_in_hex_or_base64(void **state)
{
    uint8_t key[32];
    struct tl_err err;

    (void)state;
    assert_int_equal(
        crypto_seal_key_parse(TL_SV("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"), key, &err),
        TL_OK);
    assert_int_equal(key[31], 31);
    assert_int_equal(crypto_seal_key_parse(TL_SV("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"), key, &err), TL_OK);
    assert_int_equal(key[31], 31);
    assert_int_equal(crypto_seal_key_parse(TL_SV("hunter2"), key, &err), TL_CONFIG);
    assert_null(strstr(err.text, "hunter2"));
}

static void malformed_keys_get_one_sentence_each(void **state)
{
    static const struct {
        const char *pem, *says;
    } rows[] = {
        {"", "there is no key here"},
        {"hello", "there is no key here"},
        {"-----BEGIN DH PARAMETERS-----\nMAA=\n-----END DH PARAMETERS-----\n", "DH PARAMETERS"},
        {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "the private key is damaged"},
        {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "the public key is damaged"},
        {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "the certificate is damaged"},
    };
    struct crypto *c = given_crypto();
    struct crypto_key *k = NULL;
    struct tl_err err;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        assert_int_equal(crypto_key_from_pem(c, tl_sv_str(rows[i].pem), TL_SV_NULL, &k, &err), TL_CONFIG);
        assert_non_null(strstr(err.text, rows[i].says));
    }
    crypto_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_agree_with_the_published_examples),
        cmocka_unit_test(hmac_agrees_with_rfc_4231_and_2202),
        cmocka_unit_test(a_sealed_text_opens_only_unchanged_in_its_place_with_its_key),
        cmocka_unit_test(a_sealing_key_is_32_bytes_in_hex_or_base64),
        cmocka_unit_test(malformed_keys_get_one_sentence_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
