/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../json/test/vectors.h"

struct counts {
    struct crypto *c;
    size_t run, wrong;
};

static size_t collect(struct json line, struct auth_pair *p)
{
    struct json oauth = json_gets(line, "oauth"), form = json_gets(line, "form");
    size_t n = 0;

    for (uint32_t i = 0; i < oauth.n; i++)
        p[n++] = (struct auth_pair){json_view(oauth.u.members[i].key), json_view(oauth.u.members[i].value)};
    for (uint32_t i = 0; form.type == JSON_ARRAY && i < form.n; i++)
        p[n++] = (struct auth_pair){json_view(json_at(form.u.items[i], 0)), json_view(json_at(form.u.items[i], 1))};
    return n;
}

static enum auth_oauth1_method method_of(struct tl_sv name)
{
    return tl_sv_eqs(name, "HMAC-SHA1")     ? AUTH_HMAC_SHA1
           : tl_sv_eqs(name, "HMAC-SHA512") ? AUTH_HMAC_SHA512
           : tl_sv_eqs(name, "PLAINTEXT")   ? AUTH_PLAINTEXT
                                            : AUTH_HMAC_SHA256;
}

static void run_case(struct tl_arena *a, struct json line, void *arg)
{
    struct counts *c = arg;
    struct auth_pair p[100];
    struct tl_sv base = TL_SV(""), signature = TL_SV(""), want = json_text(json_gets(line, "base_string"), TL_SV_NULL);
    struct tl_sv token_secret = json_text(json_gets(line, "token_secret"), TL_SV(""));
    enum auth_oauth1_method method;
    struct tl_err err = {0};
    int64_t seconds = 0;
    enum tl_rc rc;

    if (json_gets(line, "scheme").type == JSON_STRING) {
        method = AUTH_HMAC_SHA256;
        assert_true(json_int64(json_gets(line, "timestamp"), &seconds));
        rc = auth_netsuite_base(a, json_view(json_gets(line, "account")), json_view(json_gets(line, "consumer_key")),
                                json_view(json_gets(line, "token")), json_view(json_gets(line, "nonce")),
                                tl_sv_str(tl_arena_printf(a, "%lld", (long long)seconds)), &base, &err);
    } else {
        method = method_of(json_view(json_gets(json_gets(line, "oauth"), "oauth_signature_method")));
        rc = auth_oauth1_base(a, json_view(json_gets(line, "method")), json_view(json_gets(line, "url")), p,
                              collect(line, p), &base, &err);
    }
    if (rc == TL_OK)
        rc = auth_oauth1_signature(c->c, a, method, base, json_view(json_gets(line, "consumer_secret")), token_secret,
                                   &signature, &err);
    c->run++;
    if (rc != TL_OK || (want.p != NULL && !tl_sv_eq(base, want)) ||
        !tl_sv_eq(signature, json_view(json_gets(line, "signature")))) {
        c->wrong++;
        (void)printf("%.*s: %s\n  %.*s\n  %.*s\n", TL_SV_ARG(json_view(json_gets(line, "id"))),
                     rc != TL_OK ? err.text : "differs", TL_SV_ARG(base), TL_SV_ARG(want));
    }
}

static void the_published_cases_pass(void **state)
{
    struct tl_arena *a = tl_arena_new(16u << 20);
    struct tl_sv lines = vectors_read(a, "conformance/oauth1/cases.jsonl");
    struct counts c = {.run = 0};

    (void)state;
    assert_int_equal(crypto_new(&c.c, NULL), TL_OK);
    if (lines.p != NULL) {
        (void)vectors_each(lines, run_case, &c);
        (void)printf("oauth1: %zu cases, %zu wrong\n", c.run, c.wrong);
    }
    assert_int_equal(c.wrong, 0);
    crypto_free(c.c);
    tl_arena_free(a);
}

static void a_base_string_is_built_from_url_query_and_form(void **state)
{
    static const char *const urls[] = {"HTTPS://API.Example.com:443/r?b=2&a=%20x",
                                       "https://api.example.com/r?a=+x&b=2"};
    const struct auth_pair form[] = {{TL_SV("a"), TL_SV("1")}, {TL_SV("oauth_nonce"), TL_SV("n")}};
    struct tl_arena *a = tl_arena_new(16u << 20);
    struct tl_sv base, signature;
    struct crypto *c = NULL;

    (void)state;
    assert_int_equal(crypto_new(&c, NULL), TL_OK);
    for (size_t i = 0; i < TL_COUNT(urls); i++) {
        assert_int_equal(auth_oauth1_base(a, TL_SV("post"), tl_sv_str(urls[i]), form, 2, &base, NULL), TL_OK);
        assert_true(
            tl_sv_eqs(base, "POST&https%3A%2F%2Fapi.example.com%2Fr&a%3D%2520x%26a%3D1%26b%3D2%26oauth_nonce%3Dn"));
        assert_int_equal(
            auth_oauth1_signature(c, a, AUTH_HMAC_SHA256, base, TL_SV("c&s"), TL_SV("t s"), &signature, NULL), TL_OK);
        assert_true(tl_sv_eqs(signature, "/ejbC9lOD4NXtJKGLGGoC76MO4+0JESbm7tChafnKbg=")); /* Python's hmac */
    }
    assert_int_equal(auth_oauth1_base(a, TL_SV("GET"), TL_SV("ftp://x/"), NULL, 0, &base, NULL), TL_INVALID);
    crypto_free(c);
    tl_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_cases_pass),
        cmocka_unit_test(a_base_string_is_built_from_url_query_and_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
