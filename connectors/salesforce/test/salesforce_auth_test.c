/* SPDX-License-Identifier: Apache-2.0 */
/* How the org is convinced of who we are: assertions, consent with PKCE, rotated refresh tokens; and what it says when
 * it is not. The simulator verifies each. */
#include "salesforce/test/sf_rig.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <unistd.h>

#define WRITE (1u << CONNECTOR_WRITE)
static const char *const record[] = {"{\"ERP_Id__c\":\"1\",\"Name\":\"a\"}"};

static const char *jwt_auth(const char *subject, const char *more)
{
    static char text[400];

    snprintf(text, sizeof text,
             "{ oauth2_jwt_bearer: { client_id: tieline-demo, subject: %s, private_key: \"${env:SF_KEY}\"%s } }",
             subject, more);
    return text;
}

static void write_one(struct sf_rig *s)
{
    sf_target(s, "{ upsert: Account, external_id: ERP_Id__c }", WRITE);
    sf_write(s, record, 1);
}

/* A key made for this run; the public half goes to the file, the private one is returned. */
static char *new_key(const char *file)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    BIO *mem = BIO_new(BIO_s_mem());
    BIO *out = file ? BIO_new_file(file, "w") : NULL;
    char *data, *pem;
    long n;

    assert_true(key && mem && PEM_write_bio_PrivateKey(mem, key, NULL, NULL, 0, NULL, NULL) == 1);
    if (out)
        assert_int_equal(PEM_write_bio_PUBKEY(out, key), 1);
    n = BIO_get_mem_data(mem, &data);
    pem = tl_strndup(data, (size_t)n);
    BIO_free(mem);
    BIO_free(out);
    EVP_PKEY_free(key);
    return pem;
}

/* The app of the org has our public key. */
static char *start_with_key(struct sf_rig *s, char *file)
{
    struct sfsim_options opt;
    int fd = mkstemp(file);
    char *pem;

    assert_true(fd >= 0);
    (void)close(fd);
    pem = new_key(file);
    sfsim_options_default(&opt);
    opt.certificate = file;
    sf_start(s, &opt, NULL);
    s->rig.env[2][0] = "SF_KEY";
    s->rig.env[2][1] = pem;
    return pem;
}

/* 11.3 JWT not approved, wrong audience, clock. */
static void an_assertion_is_verified_and_each_refusal_says_what_is_wrong(void **state)
{
    char file[] = "/tmp/sf_auth_test_XXXXXX";
    char *key, *other = new_key(NULL);
    struct sf_rig s;

    (void)state;
    key = start_with_key(&s, file);
    sf_connect(&s, jwt_auth("integration@sim.example", ""), NULL);
    write_one(&s);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);

    sf_connect(&s, jwt_auth("somebody@sim.example", ""), NULL);
    write_one(&s);
    assert_int_equal(s.rig.rc, TL_AUTH);
    assert_non_null(strstr(s.rig.err.text, "user hasn't approved this consumer"));

    sf_connect(&s, jwt_auth("integration@sim.example", ", audience: \"https://example.com\""), NULL);
    write_one(&s);
    assert_int_equal(s.rig.rc, TL_AUTH);
    assert_non_null(strstr(s.rig.err.text, "audience is invalid"));

    s.rig.env[2][1] = other;
    secret_reload(s.secrets, NULL, NULL);
    sf_connect(&s, jwt_auth("integration@sim.example", ""), NULL);
    write_one(&s);
    assert_int_equal(s.rig.rc, TL_AUTH);
    assert_non_null(strstr(s.rig.err.text, "invalid assertion"));
    sf_stop(&s);
    (void)unlink(file);
    tl_free(key);
    tl_free(other);
}

static void a_sandbox_has_another_audience(void **state)
{
    struct auth_defaults d = {.rsa_alg = CRYPTO_ALG_UNSET};
    const struct connector *c = connector_find(TL_SV("salesforce"));
    struct rig r;

    (void)state;
    rig_start(&r);
    assert_true(rig_connect(&r, c, "{ url: \"https://acme--uat.sandbox.my.salesforce.com/\" }"));
    c->auth_defaults(r.connection, &d);
    assert_string_equal(d.audience, "https://test.salesforce.com");
    assert_string_equal(d.token_url, "https://acme--uat.sandbox.my.salesforce.com/services/oauth2/token");
    assert_true(rig_connect(&r, c, "{ url: \"https://acme.my.salesforce.com\" }"));
    c->auth_defaults(r.connection, &d);
    assert_string_equal(d.audience, "https://login.salesforce.com");
    rig_stop(&r);
}

/* ---- where the API is ---- */

/* Section 1 of the vendor's rules for API hosts: always instance_url, read anew with each token. The token endpoint of
 * these tests is at "localhost", the API at "127.0.0.1", and at no other host. */
static void calls_go_where_the_token_says_that_the_api_is(void **state)
{
    struct sf_rig s;
    char login[80];

    (void)state;
    sf_start(&s, NULL, NULL);
    snprintf(login, sizeof login, "http://localhost:%s", strrchr(s.url, ':') + 1);
    s.sim->opt.instance = tl_arena_strdup(s.rig.conf, s.url);
    snprintf(s.url, sizeof s.url, "%s", login);
    sf_connect(&s, NULL, NULL);
    write_one(&s);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    assert_int_equal(s.sim->counts.refused, 0);
    assert_true(tl_sv_eqs(s.rig.call.base, s.sim->opt.instance));
    /* the org moves: sessions end, and the next token tells the new address */
    s.sim->opt.instance = login;
    sfsim_sessions_expire(s.sim);
    sf_write(&s, record, 1);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    assert_int_equal(s.sim->counts.tokens, 2);
    assert_true(tl_sv_eqs(s.rig.call.base, login));
    assert_int_equal(sf_count(&s, "SELECT COUNT() FROM Account"), 1);
    sf_stop(&s);
}

static void an_address_that_is_not_the_vendors_gets_no_token(void **state)
{
    static const struct {
        const char *url, *base;
        bool good;
    } cases[] = {
        {"https://acme.my.salesforce.com", "https://acme.my.salesforce.com", true},
        {"https://acme.my.salesforce.com", "https://acme--uat.sandbox.my.salesforce.com", true},
        {"https://acme.my.salesforce.com", "https://na139.salesforce.com/", true},
        {"https://acme.my.salesforce.com", "http://acme.my.salesforce.com", false},
        {"https://acme.my.salesforce.com", "https://acme.my.salesforce.com.evil.example", false},
        {"https://acme.my.salesforce.com", "https://evilsalesforce.com", false},
        {"https://acme.my.salesforce.com", "https://acme.lightning.force.com", false},
        {"https://acme.my.salesforce.com", "https://acme.my.salesforce.com/services", false},
        {"https://acme.my.salesforce.com", "https://user@acme.my.salesforce.com", false},
        {"https://acme.my.salesforce.com", "https://127.0.0.1", false},
        {"https://acme.my.salesforce.com", "not an address", false},
        {"https://crm.acme.example", "https://acme.my.salesforce.com", false},
        {"http://127.0.0.1:8082", "http://localhost:9", true},
    };
    const struct connector *c = connector_find(TL_SV("salesforce"));
    struct rig r;

    (void)state;
    rig_start(&r);
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct tl_err err = {0};
        enum tl_rc rc;

        assert_true(rig_connect(&r, c, tl_arena_printf(r.conf, "{ url: \"%s\" }", cases[i].url)));
        rc = c->base_allowed(r.connection, tl_sv_str(cases[i].base), &err);
        if (rc != (cases[i].good ? TL_OK : TL_CONFIG))
            fail_msg("%s of %s: %s %s", cases[i].base, cases[i].url, tl_rc_name(rc), err.text);
    }
    rig_stop(&r);
}

static void a_token_answer_that_leads_away_is_refused_before_anything_is_sent(void **state)
{
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    s.sim->opt.instance = "https://collector.example";
    write_one(&s);
    assert_int_equal(s.rig.rc, TL_CONFIG);
    assert_non_null(strstr(s.rig.err.text, "collector.example"));
    assert_int_equal(s.sim->counts.api_calls, 0);
    sf_stop(&s);
}

/* ---- a person agrees: web server flow with PKCE, then refresh tokens that are good once ---- */

struct consent {
    struct sf_rig *s;
    struct auth *auth;
    bool spoil; /* another verifier than the one that was announced */
    enum tl_rc rc;
    struct tl_err err;
};

static enum tl_rc agree(struct task *task, void *arg, struct tl_err *err)
{
    struct consent *c = arg;
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct tl_sv back = TL_SV("http://127.0.0.1:1/back"), query;
    struct http_request_out req = {.method = TL_SV("GET")};
    struct http_reply reply;
    struct auth_code code;

    c->rc = auth_code_begin(c->auth, a, back, &code, err);
    if (c->rc == TL_OK) {
        req.url = code.url; /* what the browser does */
        c->rc = http_client_call(task, c->s->rig.client, &req, a, &reply, err);
    }
    if (c->rc == TL_OK) {
        query = http_header_get(&reply.headers, "location");
        query = tl_sv_from(query, tl_sv_find(query, '?') + 1);
        if (c->spoil)
            code.verifier[0] = code.verifier[0] == 'a' ? 'b' : 'a';
        c->rc = auth_code_finish(task, c->auth, &code, back, query, err);
    }
    c->err = *err;
    tl_arena_free(a);
    return c->rc;
}

static void ended(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    struct consent *c = arg;

    (void)rc, (void)err;
    async_loop_stop(c->s->rig.loop);
}

static void ask(struct consent *c)
{
    struct tl_err err = {0};

    assert_int_equal(task_start(c->s->rig.loop, "consent", 0, agree, c, ended, NULL, &err), TL_OK);
    async_loop_run(c->s->rig.loop);
}

static void consent_with_pkce_and_refresh_tokens_that_are_good_once(void **state)
{
    struct tl_err err = {0};
    struct auth_defaults d = {.rsa_alg = CRYPTO_ALG_UNSET};
    const struct config_choice *choice;
    struct consent c = {.s = NULL};
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    s.sim->opt.rotate = true;
    sf_connect(
        &s,
        "{ oauth2_authorization_code: { client_id: tieline-demo, client_secret: \"${env:SF_SECRET}\", scope: \"api "
        "refresh_token\" } }",
        NULL);
    choice =
        (const struct config_choice *)(const void *)((const char *)s.rig.connection + s.rig.connector->auth_offset);
    s.rig.connector->auth_defaults(s.rig.connection, &d);
    assert_int_equal(auth_new(&s.world, "crm", choice->name, choice->conf, &d, &c.auth, &err), TL_OK);
    c.s = &s;
    c.spoil = true;
    ask(&c);
    assert_int_equal(c.rc, TL_AUTH);
    assert_non_null(strstr(c.err.text, "invalid code verifier"));
    c.spoil = false;
    ask(&c);
    if (c.rc != TL_OK)
        fail_msg("%s", c.err.text);
    assert_int_equal(tl_map_count(s.sim->refresh), 1);
    auth_free(c.auth);
    sf_stop(&s);
}

/* 11.2 Refresh token dead or rotated: the newest one is used; a dead grant pauses the connection. */
static void a_rotated_refresh_token_is_followed_and_a_dead_one_pauses(void **state)
{
    struct sf_rig s;

    (void)state;
    sf_start(&s, NULL, NULL);
    s.sim->opt.rotate = true;
    (void)tl_map_put(s.sim->refresh, TL_SV("first-refresh-token"), s.sim);
    s.rig.env[2][0] = "SF_REFRESH";
    s.rig.env[2][1] = "first-refresh-token";
    sf_connect(&s,
               "{ oauth2_refresh_token: { client_id: tieline-demo, client_secret: \"${env:SF_SECRET}\", refresh_token: "
               "\"${env:SF_REFRESH}\" } }",
               NULL);
    for (int i = 0; i < 3; i++) { /* each renewal spends the token of the one before */
        sfsim_sessions_expire(s.sim);
        write_one(&s);
        sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    }
    assert_int_equal(s.sim->counts.tokens, 3);
    assert_int_equal(tl_map_count(s.sim->refresh), 1);
    s.sim->opt.refuse_grant = true;
    sfsim_sessions_expire(s.sim);
    write_one(&s);
    assert_int_equal(s.rig.rc, TL_AUTH);
    assert_null(strstr(s.rig.err.text, "first-refresh-token"));
    sf_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_assertion_is_verified_and_each_refusal_says_what_is_wrong),
        cmocka_unit_test(a_sandbox_has_another_audience),
        cmocka_unit_test(calls_go_where_the_token_says_that_the_api_is),
        cmocka_unit_test(an_address_that_is_not_the_vendors_gets_no_token),
        cmocka_unit_test(a_token_answer_that_leads_away_is_refused_before_anything_is_sent),
        cmocka_unit_test(a_rotated_refresh_token_is_followed_and_a_dead_one_pauses),
        cmocka_unit_test(consent_with_pkce_and_refresh_tokens_that_are_good_once),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
