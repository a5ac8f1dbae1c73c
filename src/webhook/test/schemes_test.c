/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/webhook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../json/test/vectors.h"
#include "cases.h"

#define PUBLIC_URL "https://hooks.example.com/in/a"

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

static struct webhook_verifier *verifier_with(struct world *w, const char *scheme, const struct webhook_conf *conf,
                                              const struct webhook_secret *secrets, size_t n)
{
    struct tl_sv token = TL_SV("verify me");
    struct webhook_setup setup = {.scheme = scheme,
                                  .conf = conf,
                                  .secrets = secrets,
                                  .n_secrets = n,
                                  .verify_tokens = &token,
                                  .n_verify_tokens = 1};
    struct webhook_verifier *v = NULL;
    struct tl_err err;

    if (webhook_verifier_new(w->c, &setup, &v, &err) != TL_OK)
        fail_msg("%s: %s", scheme, err.text);
    return v;
}

static struct webhook_verifier *verifier(struct world *w, const char *scheme, const char *secret)
{
    static const char *const anyone = "eventemitter.example.com";
    struct webhook_conf conf = {.public_url = PUBLIC_URL, .user = "workday", .rate = 100};
    struct webhook_secret s = {.value = tl_sv_str(secret)};

    conf.origins = (struct config_list){(void *)(uintptr_t)&anyone, 1};
    return verifier_with(w, scheme, &conf, &s, 1);
}

struct sent {
    struct webhook_header headers[8];
    struct webhook_request req;
};

static void fill(const struct case_row *row, struct sent *s)
{
    size_t n = 0;

    s->headers[n++] = (struct webhook_header){TL_SV("Content-Type"), tl_sv_str(row->content_type)};
    for (size_t i = 0; i < TL_COUNT(row->headers) && row->headers[i].name != NULL; i++)
        s->headers[n++] = (struct webhook_header){tl_sv_str(row->headers[i].name), tl_sv_str(row->headers[i].value)};
    s->req = (struct webhook_request){.method = tl_sv_str(row->method),
                                      .target = tl_sv_str(row->target),
                                      .headers = s->headers,
                                      .n_headers = n,
                                      .body = tl_sv_str(row->body)};
}

static bool accepted(struct world *w, const struct webhook_verifier *v, const struct sent *s, int64_t now_ms)
{
    struct webhook_verdict verdict;

    webhook_verify(v, w->a, &s->req, now_ms, &verdict);
    assert_int_equal(verdict.ok ? 200 : 0, verdict.ok ? verdict.status : 0);
    if (!verdict.ok) {
        assert_true(verdict.status == 401 || verdict.status == 400);
        assert_true(verdict.reason[0] != '\0' && verdict.why[0] != '\0');
    }
    return verdict.ok;
}

static void an_honest_delivery_of_each_scheme_is_accepted_with_its_id(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct webhook_verifier *v = verifier(w, cases[i].scheme, cases[i].secret);
        struct webhook_verdict verdict;
        struct json body = JSON_NOTHING;
        struct sent s;
        enum webhook_body_kind kind = webhook_body_kind(tl_sv_str(cases[i].content_type), tl_sv_str(cases[i].body));

        fill(&cases[i], &s);
        webhook_verify(v, w->a, &s.req, cases[i].now_ms, &verdict);
        if (!verdict.ok)
            fail_msg("%s (%zu): %s; %s", cases[i].scheme, i, verdict.reason, verdict.why);
        assert_int_equal(webhook_body_parse(w->a, kind, s.req.body, &body, NULL), TL_OK);
        webhook_identify(v, w->a, body, &verdict);
        if (!tl_sv_eqs(verdict.delivery_id, cases[i].id != NULL ? cases[i].id : ""))
            fail_msg("%s: id %.*s", cases[i].scheme, TL_SV_ARG(verdict.delivery_id));
        if (!tl_sv_eqs(verdict.event_type, cases[i].type != NULL ? cases[i].type : ""))
            fail_msg("%s: type %.*s", cases[i].scheme, TL_SV_ARG(verdict.event_type));
        webhook_verifier_unref(v);
    }
}

static void every_changed_byte_of_body_and_signature_is_refused(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct webhook_verifier *v = verifier(w, cases[i].scheme, cases[i].secret), *other;
        bool is_signed = strcmp(cases[i].scheme, "okta") != 0 && strcmp(cases[i].scheme, "token") != 0 &&
                         strcmp(cases[i].scheme, "basic") != 0 && strcmp(cases[i].scheme, "cloudevents") != 0;
        struct sent s;

        fill(&cases[i], &s);
        for (size_t k = 0; is_signed && k < s.req.body.n; k += 7) {
            char *changed = tl_arena_strndup(w->a, s.req.body.p, s.req.body.n);

            changed[k] = (char)(changed[k] ^ 1);
            s.req.body.p = changed;
            assert_false(accepted(w, v, &s, cases[i].now_ms));
            fill(&cases[i], &s);
        }
        for (size_t h = 1; h < s.req.n_headers; h++) {
            struct tl_sv value = s.headers[h].value;
            bool counts = webhook_header_is_secret(v, s.headers[h].name);

            s.headers[h].value = tl_sv(value.p, value.n - 1);
            if (counts)
                assert_false(accepted(w, v, &s, cases[i].now_ms));
            s.headers[h].value = TL_SV("");
            if (counts)
                assert_false(accepted(w, v, &s, cases[i].now_ms));
            s.headers[h].value = value;
            s.headers[s.req.n_headers] = s.headers[h];
            s.req.n_headers++;
            if (counts) /* twice the same: which one would another reader take? */
                assert_false(accepted(w, v, &s, cases[i].now_ms));
            s.req.n_headers--;
        }
        other = verifier(w, cases[i].scheme,
                         strncmp(cases[i].secret, "whsec_AQ", 8) == 0 ? "whsec_AAAA" : "another secret");
        assert_false(accepted(w, other, &s, cases[i].now_ms));
        webhook_verifier_unref(other);
        webhook_verifier_unref(v);
    }
}

static void a_signed_time_counts_in_both_directions(void **state)
{
    struct world *w = *state;
    size_t timed = 0;

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct webhook_verifier *v = verifier(w, cases[i].scheme, cases[i].secret);
        struct webhook_verdict verdict;
        struct sent s;

        fill(&cases[i], &s);
        webhook_verify(v, w->a, &s.req, cases[i].now_ms, &verdict);
        if (verdict.timestamp_ms != 0) {
            timed++;
            assert_true(accepted(w, v, &s, verdict.timestamp_ms + 300000));
            assert_false(accepted(w, v, &s, verdict.timestamp_ms + 301000));
            assert_true(accepted(w, v, &s, verdict.timestamp_ms - 300000));
            assert_false(accepted(w, v, &s, verdict.timestamp_ms - 301000));
        }
        webhook_verifier_unref(v);
    }
    assert_int_equal(timed, 7);
}

static void malformed_times_and_signature_headers_are_refused(void **state)
{
    static const char *const headers[] = {
        "bad_header",
        "t=Infinity,v1=@",
        "t=1760000000 ,v1=@",
        "t=+1760000000,v1=@",
        "t=1760000000.0,v1=@",
        "t=,v1=@",
        "t=99999999999999999999,v1=@",
        "v1=@",
        "t=1760000000,v0=@",
        "t=1760000000,t=1760000000,v1=@",
        "t=1760000000,v1=",
        "t=1760000000",
        "t=1760000000,v1=zz",
        ",",
        "t=1760000000,V1=@",
    };
    struct world *w = *state;
    struct webhook_verifier *v = verifier(w, "stripe", cases[2].secret);
    struct tl_sv good = tl_sv_str(strstr(cases[2].headers[0].value, "v1=") + 3);
    struct sent s;

    assert_string_equal(cases[2].scheme, "stripe");
    fill(&cases[2], &s);
    for (size_t i = 0; i < TL_COUNT(headers); i++) {
        struct tl_sv h = tl_sv_str(headers[i]);
        size_t at = tl_sv_find(h, '@');

        s.headers[1].value = tl_sv_str(tl_arena_printf(w->a, "%.*s%s", (int)at, h.p, at < h.n ? good.p : ""));
        assert_false(accepted(w, v, &s, cases[2].now_ms));
    }
    s.headers[1].value = tl_sv_str(tl_arena_printf(w->a, "v1=potato,v1=%s,t=1760000000,v9=x", good.p));
    assert_true(accepted(w, v, &s, cases[2].now_ms));
    webhook_verifier_unref(v);
}

static void several_secrets_are_good_at_once_until_their_end(void **state)
{
    struct world *w = *state;
    struct webhook_secret secrets[] = {{.value = TL_SV("new")}, {.value = TL_SV("gh secret"), .until_ms = 2000}};
    struct webhook_verifier *v = verifier_with(w, "github", NULL, secrets, 2);
    struct webhook_verdict verdict;
    struct sent s;

    fill(&cases[3], &s);
    webhook_verify(v, w->a, &s.req, 1999, &verdict);
    assert_true(verdict.ok);
    assert_int_equal(verdict.secret, 1);
    assert_false(accepted(w, v, &s, 2000));
    webhook_verifier_unref(v);
}

static void the_url_comes_from_the_configuration_only(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct webhook_conf conf = {.public_url = "https://other.example.com/in/a"};
        struct webhook_secret s = {.value = tl_sv_str(cases[i].secret)};
        struct webhook_verifier *v;
        struct sent sent;

        if (strcmp(cases[i].scheme, "square") != 0 && strcmp(cases[i].scheme, "twilio") != 0 &&
            strncmp(cases[i].scheme, "hubspot", 7) != 0)
            continue;
        if (strcmp(cases[i].scheme, "hubspot_v1") == 0)
            continue;
        v = verifier_with(w, cases[i].scheme, &conf, &s, 1);
        fill(&cases[i], &sent);
        sent.headers[sent.req.n_headers++] = (struct webhook_header){TL_SV("host"), TL_SV("hooks.example.com")};
        sent.headers[sent.req.n_headers++] =
            (struct webhook_header){TL_SV("x-forwarded-host"), TL_SV("hooks.example.com")};
        assert_false(accepted(w, v, &sent, cases[i].now_ms));
        webhook_verifier_unref(v);
    }
}

static void the_generic_scheme_has_every_part_settable(void **state)
{
    struct world *w = *state;
    struct webhook_conf hex = {.header = "X-Sig",
                               .signed_text = "{id}:{timestamp}:{body}",
                               .timestamp = "X-Time",
                               .id = "X-Id",
                               .event_type = "/type",
                               .hash = 1,
                               .key = 2,
                               .tolerance_ms = 1000};
    struct webhook_conf pairs = {.header = "X-Sig",
                                 .signed_text = "{timestamp}|{body}",
                                 .timestamp = "t=",
                                 .encoding = 1,
                                 .prefix = "s",
                                 .id = "/id",
                                 .tolerance_ms = 1000};
    struct webhook_secret k1 = {.value = TL_SV("00ff10")}, k2 = {.value = TL_SV("g")};
    struct webhook_verifier *v = verifier_with(w, "generic", &hex, &k1, 1);
    struct webhook_header h1[] = {
        {TL_SV("x-id"), TL_SV("id9")},
        {TL_SV("x-time"), TL_SV("1760000000")},
        {TL_SV("x-sig"), TL_SV("62b0499f12884829018ef5d8be6913a0e9f3c786920c2e15e622e9a7ff9413ae51eee339ea9a9a18"
                               "41e8d17771d2bfe7b34a2fb5f399ab61ec45d573516a8882")}};
    struct webhook_header h2[] = {
        {TL_SV("x-sig"), TL_SV("t=1760000000,s=ahd0uuZ7K1A8+AGMiZHe9ZTU6SaMGwCeHaiL/Ai1BzI=")}};
    struct sent s = {.req = {.method = TL_SV("POST"), .target = TL_SV("/"), .body = tl_sv_str(cases[0].body)}};
    struct webhook_verdict verdict;
    struct json body = JSON_NOTHING;

    s.req.headers = h1;
    s.req.n_headers = 3;
    webhook_verify(v, w->a, &s.req, 1760000000500, &verdict);
    assert_true(verdict.ok);
    assert_true(tl_sv_eqs(verdict.delivery_id, "id9"));
    assert_false(accepted(w, v, &s, 1760000002000));
    webhook_verifier_unref(v);
    v = verifier_with(w, "generic", &pairs, &k2, 1);
    s.req.headers = h2;
    s.req.n_headers = 1;
    webhook_verify(v, w->a, &s.req, 1760000000500, &verdict);
    assert_true(verdict.ok);
    assert_int_equal(webhook_body_parse(w->a, WEBHOOK_JSON, s.req.body, &body, NULL), TL_OK);
    webhook_identify(v, w->a, body, &verdict);
    assert_true(tl_sv_eqs(verdict.delivery_id, "ev_1"));
    webhook_verifier_unref(v);
}

static bool signed_with(struct world *w, const char *scheme, const struct webhook_conf *conf, const char *secret,
                        const struct webhook_header *headers, size_t n, const char *body, int64_t now_ms)
{
    struct webhook_secret k = {.value = tl_sv_str(secret)};
    struct webhook_verifier *v = verifier_with(w, scheme, conf, &k, 1);
    struct sent s = {.req = {.method = TL_SV("POST"),
                             .target = TL_SV("/"),
                             .headers = headers,
                             .n_headers = n,
                             .body = tl_sv_str(body)}};
    bool ok = accepted(w, v, &s, now_ms);

    webhook_verifier_unref(v);
    return ok;
}

#define XML_ORDER "<order id=\"o-7\"><n>1</n></order>"
static void the_generic_scheme_reads_each_syntax_of_signature_headers(void **state)
{
    enum { BARE, PAIRS, COMMAS, SPACES };
    static const char body_mac[] = "fedf82942d5338685cefd01e6578abf3d094d83838015a48fe76710c96817989";
    static const char timed_mac[] = "a9f367e37564f387977d0fd014d0a4d799fa4eb7ff9ae66e2b5afb3428eca55e";
    static const struct {
        int syntax;
        const char *prefix, *signed_text, *timestamp, *value; /* @: body_mac, #: timed_mac */
        bool good;
    } rows[] = {
        {BARE, NULL, "{body}", NULL, "@", true},
        {BARE, NULL, "{body}", NULL, "v1=@", false},
        {COMMAS, NULL, "{body}", NULL, "v1=@", true},
        {COMMAS, NULL, "{body}", NULL, "v1=00,v1=@", true},
        {COMMAS, NULL, "{body}", NULL, "v2=@", false},
        {COMMAS, NULL, "{body}", NULL, "v1,@", false},
        {COMMAS, "s", "{body}", NULL, "v1=00,s=@", true},
        {COMMAS, NULL, NULL, "x-time", "v1=#", true},
        {COMMAS, NULL, NULL, "x-time", "v1=@", false},
        {SPACES, NULL, "{body}", NULL, "v1,00 v1,@", true},
        {SPACES, NULL, "{body}", NULL, "v2,@", false},
        {SPACES, NULL, "{body}", NULL, "v1=@", false},
        {SPACES, NULL, NULL, "x-time", "v1,#", true},
        {PAIRS, NULL, NULL, NULL, "t=1760000000,v1=#", true},
        {PAIRS, NULL, NULL, "t=", "v1=#,t=1760000000", true},
        {PAIRS, NULL, NULL, "t=", "v1=#", false},
        {PAIRS, NULL, NULL, "t=", "t=1760000001,v1=#", false},
        {PAIRS, NULL, NULL, "x-time", "t=5,v1=#", true}, /* the header has the time that is signed */
    };
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        const struct webhook_conf conf = {.header = "x-sig",
                                          .syntax = rows[i].syntax,
                                          .prefix = rows[i].prefix,
                                          .signed_text = rows[i].signed_text,
                                          .timestamp = rows[i].timestamp};
        struct tl_sv t = tl_sv_str(rows[i].value);
        size_t at = tl_sv_find(t, '@') < t.n ? tl_sv_find(t, '@') : tl_sv_find(t, '#');
        struct webhook_header h[] = {
            {TL_SV("x-sig"),
             tl_sv_str(tl_arena_printf(w->a, "%.*s%s%.*s", (int)at, t.p, t.p[at] == '@' ? body_mac : timed_mac,
                                       TL_SV_ARG(tl_sv_from(t, at + 1))))},
            {TL_SV("x-time"), TL_SV("1760000000")},
        };

        if (signed_with(w, "generic", &conf, "g", h, 2, XML_ORDER, INT64_C(1760000000500)) != rows[i].good)
            fail_msg("row %zu: %s", i, rows[i].value);
    }
}

static void old_and_future_times_have_a_tolerance_each(void **state)
{
    const struct webhook_conf conf = {
        .header = "x-sig", .timestamp = "x-time", .tolerance_ms = 60000, .tolerance_future_ms = 5000};
    const struct webhook_header h[] = {
        {TL_SV("x-sig"), TL_SV("a9f367e37564f387977d0fd014d0a4d799fa4eb7ff9ae66e2b5afb3428eca55e")},
        {TL_SV("x-time"), TL_SV("1760000000")}};
    struct world *w = *state;

    assert_true(signed_with(w, "generic", &conf, "g", h, 2, XML_ORDER, INT64_C(1760000060000)));
    assert_false(signed_with(w, "generic", &conf, "g", h, 2, XML_ORDER, INT64_C(1760000061000)));
    assert_true(signed_with(w, "generic", &conf, "g", h, 2, XML_ORDER, INT64_C(1759999995000)));
    assert_false(signed_with(w, "generic", &conf, "g", h, 2, XML_ORDER, INT64_C(1759999994000)));
}

/* The vendor's published text and secret; the other three by Python's hmac. */
static void convoy_signs_with_the_hash_and_encoding_of_its_endpoint(void **state)
{
    static const char body[] = "{\"event\":\"charge.success\",\"amount\":1000,\"currency\":\"NGN\"}";
    static const struct {
        const char *scheme;
        int hash, encoding;
        const char *value;
    } rows[] = {
        {"convoy", 0, 0, "244449b7f48cbc2709060c9dcdc2b3aa47a78f540430579015c579fb12defbb4"},
        {"convoy", 1, 0,
         "6cc772dc81942ae1b5ffa91c3a6a07b0d37edc8dc6bd83e3518a219f1f19ff71"
         "ae1b76d6b320940d414c236a1aad7f7930b63e0f1928951955d31219545e1b66"},
        {"convoy", 1, 1, "bMdy3IGUKuG1/6kcOmoHsNN+3I3GvYPjUYohnx8Z/3GuG3bWsyCUDUFMI2oarX95MLY+DxkolRlV0xIZVF4bZg=="},
        {"convoy_advanced", 0, 0, "t=1700000000,v1=77b8b9269f25a199846a55a2bd25b3fba151c70fdae60bb1dcd87fbbc943c55c"},
        {"convoy_advanced", 1, 1,
         "v1=shIuJSzSWCzyJcsrjUzu3p40Mp4v6VwCYZw+1dSj2ac+a+ry3/jnbXGmk64ZjO5AaF7tEq1O4uAz3C0Dme3gVw==,t=1700000000"},
    };
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        const struct webhook_header h = {TL_SV("x-convoy-signature"), tl_sv_str(rows[i].value)};

        for (int other = 0; other < 4; other++) {
            const struct webhook_conf conf = {.hash = other & 1, .encoding = other >> 1};
            bool same = conf.hash == rows[i].hash && conf.encoding == rows[i].encoding;

            assert_int_equal(same, signed_with(w, rows[i].scheme, &conf, "convoy-webhook-secret", &h, 1, body,
                                               INT64_C(1700000000000)));
        }
    }
}

static void a_wrong_setup_is_refused_with_one_sentence(void **state)
{
    static const struct {
        const char *scheme, *secret, *text, *says;
    } rows[] = {
        {"acme", "x", NULL, "no webhook scheme"},
        {"github", "", NULL, "secret is empty"},
        {"square", "x", NULL, "public_url"},
        {"standard_webhooks", "whsec_!!", NULL, "base64"},
        {"standard_webhooks", "whsec_", NULL, "base64"},
        {"standard_webhooks", "whsk_AAAA", NULL, "64 bytes"},
        {"standard_webhooks", "whpk_AAAA", NULL, "32 bytes"},
        {"generic", "x", "{timestamp}", "{body}"},
        {"generic", "x", "{boddy}", "may hold"},
        {"generic", "x", "{body}{url}", "public_url"},
        {"generic", "x", "{body}{id}", "`id`"},
    };
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct webhook_conf conf = {.header = "x-sig", .signed_text = rows[i].text, .timestamp = "x-time"};
        struct webhook_secret s = {.value = tl_sv_str(rows[i].secret)};
        struct webhook_setup setup = {.scheme = rows[i].scheme, .conf = &conf, .secrets = &s, .n_secrets = 1};
        struct webhook_verifier *v = NULL;
        struct tl_err err;

        assert_int_equal(webhook_verifier_new(w->c, &setup, &v, &err), TL_CONFIG);
        if (strstr(err.text, rows[i].says) == NULL)
            fail_msg("%s: %s", rows[i].scheme, err.text);
    }
}

static void what_we_sign_we_accept_and_it_equals_the_senders(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct webhook_verifier *v = verifier(w, cases[i].scheme, cases[i].secret);
        struct webhook_message m;
        struct webhook_signed out;
        struct tl_err err;
        struct sent s;
        struct tl_sv target = tl_sv_str(cases[i].target), url;

        fill(&cases[i], &s);
        if (tl_sv_find_sv(target, TL_SV("bodySHA256")) < target.n)
            target = TL_SV("/in/a"); /* put there by signing */
        url = tl_sv_str(tl_arena_printf(w->a, "https://hooks.example.com%.*s", TL_SV_ARG(target)));
        m = (struct webhook_message){.method = s.req.method,
                                     .url = url,
                                     .content_type = tl_sv_str(cases[i].content_type),
                                     .body = s.req.body,
                                     .id = TL_SV("msg_1")};
        assert_int_equal(webhook_sign(v, w->a, &m, cases[i].now_ms, &out, &err), TL_OK);
        s.headers[0] = (struct webhook_header){TL_SV("content-type"), tl_sv_str(cases[i].content_type)};
        for (size_t h = 0; h < out.n_headers; h++)
            s.headers[h + 1] = out.headers[h];
        s.req.n_headers = out.n_headers + 1;
        s.req.target = tl_sv_from(out.url, strlen("https://hooks.example.com"));
        if (!accepted(w, v, &s, cases[i].now_ms))
            fail_msg("%s: our own signature is refused", cases[i].scheme);
        webhook_verifier_unref(v);
    }
}

static void ed25519_signatures_of_standard_webhooks_are_made_and_verified(void **state)
{
    /* Seed 00..1f and its public key, by Python's cryptography. */
    static const char secret[] =
        "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA==";
    struct world *w = *state;
    struct webhook_verifier *signer = verifier(w, "standard_webhooks", secret);
    struct webhook_verifier *v = verifier(w, "standard_webhooks", "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=");
    struct webhook_message m;
    struct webhook_signed out;
    struct sent s;
    struct tl_err err;

    fill(&cases[0], &s);
    m = (struct webhook_message){.method = TL_SV("POST"), .body = s.req.body, .id = TL_SV("msg_9")};
    assert_int_equal(webhook_sign(signer, w->a, &m, cases[0].now_ms, &out, &err), TL_OK);
    s.req.headers = out.headers;
    s.req.n_headers = out.n_headers;
    assert_true(tl_sv_starts(out.headers[2].value, TL_SV("v1a,")));
    assert_true(accepted(w, v, &s, cases[0].now_ms));
    s.req.body = TL_SV("{}");
    assert_false(accepted(w, v, &s, cases[0].now_ms));
    webhook_verifier_unref(signer);
    webhook_verifier_unref(v);
}

static void the_first_secret_that_is_still_good_signs(void **state)
{
    static const char *const schemes[] = {"github", "standard_webhooks", "stripe", "token", "basic"};
    const struct webhook_conf conf = {.user = "u"};
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(schemes); i++) {
        struct webhook_secret keys[] = {{.value = TL_SV("whsec_b2xk"), .until_ms = 1000},
                                        {.value = TL_SV("whsec_bmV3")}};
        struct webhook_verifier *v = verifier_with(w, schemes[i], &conf, keys, 2);
        struct webhook_signed out;
        struct webhook_request req = {.method = TL_SV("POST"), .target = TL_SV("/in/a"), .body = TL_SV("{}")};
        struct webhook_verdict verdict;
        struct tl_err err;

        assert_int_equal(
            webhook_sign(v, w->a, &(struct webhook_message){.method = req.method, .body = req.body, .id = TL_SV("m")},
                         2000, &out, &err),
            TL_OK);
        req.headers = out.headers;
        req.n_headers = out.n_headers;
        webhook_verify(v, w->a, &req, 2000, &verdict);
        if (!verdict.ok || verdict.secret != 1)
            fail_msg("%s: %s", schemes[i], verdict.why);
        webhook_verifier_unref(v);
        keys[1].until_ms = 1500;
        v = verifier_with(w, schemes[i], &conf, keys, 2);
        assert_int_equal(
            webhook_sign(v, w->a, &(struct webhook_message){.method = req.method, .body = req.body, .id = TL_SV("m")},
                         2000, &out, &err),
            TL_CONFIG);
        assert_non_null(strstr(err.text, "until"));
        webhook_verifier_unref(v);
    }
}

static void a_client_state_is_good_until_its_end_and_the_next_one_is_sent(void **state)
{
    const struct webhook_conf conf = {.user = NULL};
    struct webhook_secret keys[] = {{.value = TL_SV("old"), .until_ms = 1000}, {.value = TL_SV("new")}};
    struct world *w = *state;
    struct webhook_verifier *v = verifier_with(w, "microsoft_graph", &conf, keys, 2);
    struct webhook_message m = {.method = TL_SV("POST"), .body = TL_SV("{}")};
    struct webhook_request req = {.method = TL_SV("POST"), .target = TL_SV("/in/a")};
    struct webhook_verdict verdict;
    struct webhook_signed out;
    struct json body = JSON_NOTHING;
    struct tl_err err;

    assert_int_equal(webhook_sign(v, w->a, &m, 500, &out, &err), TL_OK);
    assert_int_equal(json_parse(w->a, out.body, 0, NULL, &body, NULL), TL_OK);
    webhook_verify(v, w->a, &req, 500, &verdict);
    assert_true(webhook_verify_body(v, body, &verdict));
    webhook_verify(v, w->a, &req, 2000, &verdict);
    assert_false(webhook_verify_body(v, body, &verdict)); /* "old" has ended */
    assert_int_equal(webhook_sign(v, w->a, &m, 2000, &out, &err), TL_OK);
    assert_int_equal(json_parse(w->a, out.body, 0, NULL, &body, NULL), TL_OK);
    webhook_verify(v, w->a, &req, 2000, &verdict);
    assert_true(webhook_verify_body(v, body, &verdict));
    webhook_verifier_unref(v);
    keys[1].until_ms = 1500;
    v = verifier_with(w, "microsoft_graph", &conf, keys, 2);
    assert_int_equal(webhook_sign(v, w->a, &m, 2000, &out, &err), TL_CONFIG);
    assert_non_null(strstr(err.text, "until"));
    webhook_verifier_unref(v);
}

static bool shake(struct world *w, const char *scheme, const char *method, const char *target, const char *header,
                  const char *value, struct webhook_answer *ret)
{
    struct webhook_verifier *v = verifier(w, scheme, "xs");
    struct webhook_header h[2] = {{tl_sv_str(header), tl_sv_str(value)}, {TL_SV("webhook-request-rate"), TL_SV("120")}};
    struct webhook_request req = {
        .method = tl_sv_str(method), .target = tl_sv_str(target), .headers = h, .n_headers = header != NULL ? 2 : 0};
    bool done = webhook_handshake(v, w->a, &req, 2000, ret);

    webhook_verifier_unref(v);
    return done;
}

static void handshakes_are_answered_only_by_the_scheme_they_belong_to(void **state)
{
    static const struct {
        const char *scheme, *method, *target, *header, *value;
        int status; /* 0: no handshake */
        const char *body;
    } rows[] = {
        {"meta", "GET", "/h?hub.mode=subscribe&hub.challenge=42&hub.verify_token=verify+me", NULL, NULL, 200, "42"},
        {"meta", "GET", "/h?hub.mode=subscribe&hub.challenge=42&hub.verify_token=guess", NULL, NULL, 403, NULL},
        {"meta", "GET", "/h?hub.mode=subscribe&hub.challenge=42", NULL, NULL, 403, NULL},
        {"github", "GET", "/h?hub.mode=subscribe&hub.challenge=42&hub.verify_token=verify+me", NULL, NULL, 0, NULL},
        {"microsoft_graph", "POST", "/h?validationToken=a%3a+b", NULL, NULL, 200, "a: b"},
        {"stripe", "POST", "/h?validationToken=a%3a+b", NULL, NULL, 0, NULL},
        {"okta", "GET", "/h", "x-okta-verification-challenge", "my-challenge", 200,
         "{\"verification\":\"my-challenge\"}"},
        {"x", "GET", "/h?crc_token=tok%20en", NULL, NULL, 200,
         "{\"response_token\":\"sha256=FE4SjG8iNUwuFYHt/XYzmg6Ijvh/bPbXU0/fsgsd6Qs=\"}"},
        {"cloudevents", "OPTIONS", "/h", "WebHook-Request-Origin", "eventemitter.example.com", 200, NULL},
        {"cloudevents", "OPTIONS", "/h", "WebHook-Request-Origin", "evil.example.com", 405, NULL},
        {"cloudevents", "OPTIONS", "/h", "Access-Control-Request-Method", "POST", 0, NULL},
    };
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct webhook_answer answer = {0};
        bool done = shake(w, rows[i].scheme, rows[i].method, rows[i].target, rows[i].header, rows[i].value, &answer);

        assert_int_equal(done, rows[i].status != 0);
        assert_int_equal(answer.status, rows[i].status);
        if (rows[i].body != NULL)
            assert_true(tl_sv_eqs(answer.body, rows[i].body));
        if (strcmp(rows[i].scheme, "cloudevents") == 0 && rows[i].status == 200) {
            assert_int_equal(answer.n_headers, 4);
            assert_true(tl_sv_eqs(answer.headers[3].value, "100"));
        }
    }
}

static void slack_and_graph_look_into_the_body(void **state)
{
    struct world *w = *state;
    struct webhook_verifier *slack = verifier(w, "slack", "sl"), *graph = verifier(w, "microsoft_graph", "state-1");
    struct webhook_answer answer;
    struct webhook_verdict verdict = {.ok = true};
    struct json body = JSON_NOTHING;

    assert_int_equal(
        json_parse(w->a, TL_SV("{\"type\":\"url_verification\",\"challenge\":\"abc\"}"), 0, NULL, &body, NULL), TL_OK);
    assert_true(webhook_handshake_body(slack, w->a, body, &answer));
    assert_true(tl_sv_eqs(answer.body, "abc"));
    assert_false(webhook_verify_body(graph, body, &verdict));
    assert_int_equal(json_parse(w->a, TL_SV("{\"value\":[{\"clientState\":\"state-1\"},{\"clientState\":\"x\"}]}"), 0,
                                NULL, &body, NULL),
                     TL_OK);
    assert_false(webhook_verify_body(graph, body, &verdict));
    assert_int_equal(verdict.status, 401);
    assert_int_equal(json_parse(w->a, TL_SV("{\"value\":[{\"clientState\":\"state-1\"}]}"), 0, NULL, &body, NULL),
                     TL_OK);
    assert_true(webhook_verify_body(graph, body, &verdict));
    webhook_verifier_unref(slack);
    webhook_verifier_unref(graph);
}

static void forms_become_objects_and_a_payload_field_its_json(void **state)
{
    static const struct {
        const char *type, *body, *json;
    } rows[] = {
        {"application/x-www-form-urlencoded", "a=1&b=x+y&a=2&c=%E2%82%AC&d",
         "{\"a\":[\"1\",\"2\"],\"b\":\"x y\",\"c\":\"\xe2\x82\xac\",\"d\":\"\"}"},
        {"application/x-www-form-urlencoded; charset=utf-8", "payload=%7B%22a%22%3A1%7D", "{\"a\":1}"},
        {"application/json", " {\"a\":1} ", "{\"a\":1}"},
        {"application/vnd.acme+json", "[1]", "[1]"},
        {"text/plain; charset=UTF-8", "{\"Type\":\"Notification\"}", "{\"Type\":\"Notification\"}"},
        {"text/plain", " [1, 2] ", "[1,2]"},
        {"text/plain", "[FIRING:1] disk full", "\"[FIRING:1] disk full\""},
        {"text/plain", "{broken", "\"{broken\""},
        {"text/plain", "{} and more", "\"{} and more\""},
        {"text/plain", "5", "\"5\""},
        {"text/plain", "\"quoted\"", "\"\\\"quoted\\\"\""},
        {"text/plain", "<a/>", "\"<a/>\""},
        {"text/plain", "", "\"\""},
        {"", "{}", "{}"},
        {"text/xml", "<a/>", "{\"a\":\"\"}"},
        {"text/csv", "<a/>", "\"<a/>\""},
        {"application/octet-stream", "\xff\xfe", "{\"base64\":\"//4=\"}"},
    };
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct json got = JSON_NOTHING, want = JSON_NOTHING;
        struct tl_sv body = tl_sv_str(rows[i].body);

        assert_int_equal(webhook_body_parse(w->a, webhook_body_kind(tl_sv_str(rows[i].type), body), body, &got, NULL),
                         TL_OK);
        assert_int_equal(json_parse(w->a, tl_sv_str(rows[i].json), 0, NULL, &want, NULL), TL_OK);
        assert_true(json_equal(got, want));
    }
    assert_int_equal(webhook_body_parse(w->a, WEBHOOK_FORM, TL_SV("a=%zz"), &(struct json){0}, NULL), TL_PARSE);
}

static void xml_becomes_the_tree_that_expressions_read(void **state)
{
    static const struct {
        const char *text;
        enum tl_rc rc;
        const char *json;
    } rows[] = {
        {XML_ORDER, TL_OK, "{\"order\":{\"@id\":\"o-7\",\"n\":\"1\"}}"},
        {"<?xml version='1.0' encoding='ISO-8859-1'?><n>caf\351</n>", TL_OK, "{\"n\":\"caf\303\251\"}"},
        {"<order><n>1</order>", TL_PARSE, NULL},
        {"", TL_PARSE, NULL},
        {"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", TL_INVALID, NULL},
    };
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct json body = JSON_NOTHING;
        struct tl_err err = {0};
        struct tl_buf b;

        assert_int_equal(webhook_body_parse(w->a, WEBHOOK_XML, tl_sv_str(rows[i].text), &body, &err), rows[i].rc);
        tl_buf_init(&b, 4096);
        if (rows[i].json != NULL) {
            assert_true(json_write(&b, body, 0));
            assert_true(tl_sv_eqs(tl_buf_view(&b), rows[i].json));
        }
        tl_buf_done(&b);
    }
}

static void the_id_may_be_in_an_attribute_or_an_element_of_xml(void **state)
{
    static const char *const ids[][2] = {{"/order/@id", "o-7"}, {"/order/n", "1"}, {"/order/c", "9"}, {"/order/x", ""}};
    struct webhook_secret k = {.value = TL_SV("g")};
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(ids); i++) {
        const struct webhook_conf conf = {.header = "x-sig", .signed_text = "{body}", .id = ids[i][0]};
        struct webhook_verifier *v = verifier_with(w, "generic", &conf, &k, 1);
        struct webhook_verdict verdict = {.ok = true};
        struct json body = JSON_NOTHING;

        assert_int_equal(webhook_body_parse(w->a, WEBHOOK_XML,
                                            TL_SV("<order id='o-7'><n>1</n><c unit='kg'>9</c></order>"), &body, NULL),
                         TL_OK);
        webhook_identify(v, w->a, body, &verdict);
        assert_true(tl_sv_eqs(verdict.delivery_id, ids[i][1]));
        webhook_verifier_unref(v);
    }
}

static void an_id_of_the_users_own_is_one_pointer(void **state)
{
    const struct webhook_conf conf = {.header = "x-sig", .signed_text = "{body}", .id = "/a+b"};
    struct webhook_secret k = {.value = TL_SV("g")};
    struct world *w = *state;
    struct webhook_verifier *v = verifier_with(w, "generic", &conf, &k, 1);
    struct webhook_verdict verdict = {.ok = true}, other = {.ok = true};
    struct json body = JSON_NOTHING;

    assert_int_equal(webhook_body_parse(w->a, WEBHOOK_JSON, TL_SV("{\"a+b\":\"X\"}"), &body, NULL), TL_OK);
    webhook_identify(v, w->a, body, &verdict);
    assert_true(tl_sv_eqs(verdict.delivery_id, "X"));
    assert_int_equal(webhook_body_parse(w->a, WEBHOOK_JSON, TL_SV("{\"a\":\"X\"}"), &body, NULL), TL_OK);
    webhook_identify(v, w->a, body, &other);
    assert_int_equal(other.delivery_id.n, 0);
    webhook_verifier_unref(v);
}

static void xs_handshake_is_answered_with_the_first_secret_that_is_good(void **state)
{
    const struct webhook_secret secrets[] = {
        {.value = TL_SV("old"), .until_ms = 1577836800000}, {.value = TL_SV("new")}, {.value = TL_SV("newer")}};
    const struct webhook_request req = {.method = TL_SV("GET"), .target = TL_SV("/h?crc_token=tok%20en")};
    struct webhook_answer old, both, alone;
    struct world *w = *state;
    struct webhook_verifier *v = verifier_with(w, "x", NULL, secrets, 3);
    struct webhook_verifier *one = verifier_with(w, "x", NULL, secrets + 1, 1);
    struct webhook_verifier *over = verifier_with(w, "x", NULL, secrets, 1);

    assert_true(webhook_handshake(v, w->a, &req, 1577836799999, &old));
    assert_true(webhook_handshake(v, w->a, &req, 1577836800000, &both));
    assert_true(webhook_handshake(one, w->a, &req, 1577836800000, &alone));
    assert_false(tl_sv_eq(old.body, alone.body));
    assert_true(tl_sv_eq(both.body, alone.body));
    assert_false(webhook_handshake(over, w->a, &req, 1577836800000, &both));
    webhook_verifier_unref(v);
    webhook_verifier_unref(one);
    webhook_verifier_unref(over);
}

static struct tl_sv sameness(struct world *w, const char *scheme, const char *text)
{
    struct webhook_verifier *v = verifier(w, scheme, "hs");
    struct webhook_verdict verdict = {.ok = true};
    struct json body = JSON_NOTHING;

    assert_int_equal(webhook_body_parse(w->a, WEBHOOK_JSON, tl_sv_str(text), &body, NULL), TL_OK);
    webhook_identify(v, w->a, body, &verdict);
    webhook_verifier_unref(v);
    return verdict.same_body;
}

static void what_hubspot_counts_up_makes_no_other_body(void **state)
{
    static const char *const schemes[] = {"hubspot", "hubspot_v2", "hubspot_v1"};
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(schemes); i++) {
        struct tl_sv first =
            sameness(w, schemes[i], "[{\"eventId\":3,\"attemptNumber\":0,\"x\":{\"attemptNumber\":1}}]");

        assert_true(first.n > 0);
        assert_true(tl_sv_eq(
            first, sameness(w, schemes[i], "[{\"eventId\":3, \"x\":{\"attemptNumber\":1},\"attemptNumber\":7}]")));
        assert_false(tl_sv_eq(
            first, sameness(w, schemes[i], "[{\"eventId\":4,\"attemptNumber\":0,\"x\":{\"attemptNumber\":1}}]")));
        assert_false(tl_sv_eq(
            first, sameness(w, schemes[i], "[{\"eventId\":3,\"attemptNumber\":0,\"x\":{\"attemptNumber\":2}}]")));
    }
    assert_null(sameness(w, "stripe", "{\"id\":\"e\",\"attemptNumber\":0}").p);
}

static void the_bytes_of_a_text_are_no_items(void **state)
{
    enum { N = 64 * 1024 };
    struct world *w = *state;
    char *text = tl_arena_must(w->a, N);
    size_t used = tl_arena_used(w->a);

    memset(text, 'x', N);
    text[0] = text[N - 2] = '"';
    text[N - 1] = '\0';
    assert_true(sameness(w, "hubspot", text).n > 0);
    assert_true(tl_arena_used(w->a) - used < 8 * (size_t)N);
}

static void the_tables_of_schemes_and_choices_agree(void **state)
{
    struct world *w = *state;
    struct config_spec spec = {
        .name = "verify", .size = sizeof(struct config_choice), .n_fields = 1, .doc = "Verification."};
    struct config_field field = {.name = "verify", .type = CONFIG_ONE_OF, .variants = &webhook_schemes, .doc = "How."};
    TL_CLEANUP(config_errors_freep) struct config_errors *e = config_errors_new();
    struct tl_err err;

    for (size_t i = 0; i < webhook_schemes.n; i++) {
        struct webhook_setup setup = {.scheme = webhook_schemes.table[i].name};
        struct webhook_verifier *v = NULL;

        if (webhook_verifier_new(w->c, &setup, &v, &err) != TL_OK)
            assert_null(strstr(err.text, "there is no webhook scheme"));
        webhook_verifier_unref(v);
    }
    spec.fields = &field;
    config_lint_spec(&spec, e);
    if (config_errors_first(e, &err) != TL_OK)
        fail_msg("%s", err.text);
}

static void run_standard(struct tl_arena *a, struct json line, void *arg)
{
    struct world *w = arg;
    bool sign = tl_sv_eqs(json_view(json_gets(line, "op")), "sign");
    struct json headers = json_gets(line, "headers"), want = json_gets(line, "signature");
    struct webhook_secret secret = {.value = json_view(json_gets(line, "secret"))};
    struct webhook_conf conf = {.tolerance_ms = (int64_t)json_number(json_gets(line, "tolerance")) * 1000};
    struct webhook_setup setup = {.scheme = "standard_webhooks", .conf = &conf, .secrets = &secret, .n_secrets = 1};
    struct webhook_verifier *v = NULL;
    struct webhook_header h[8];
    struct webhook_signed out = {.n_headers = 0};
    struct webhook_verdict verdict = {.ok = false};
    struct tl_buf body;
    bool ok;

    tl_buf_init(&body, 1u << 20);
    assert_true(tl_base64_decode(&body, json_view(json_gets(line, "body_base64"))));
    ok = webhook_verifier_new(w->c, &setup, &v, NULL) == TL_OK;
    if (sign && ok) {
        struct webhook_message m = {
            .method = TL_SV("POST"), .body = tl_buf_view(&body), .id = json_view(json_gets(line, "id_header"))};

        ok = webhook_sign(v, a, &m, (int64_t)json_number(json_gets(line, "timestamp")) * 1000, &out, NULL) == TL_OK &&
             tl_sv_eq(out.headers[2].value, json_view(want));
    } else if (ok || !sign) {
        struct webhook_request req = {.method = TL_SV("POST"), .headers = h, .body = tl_buf_view(&body)};

        for (uint32_t i = 0; i < headers.n && i < 8; i++)
            h[req.n_headers++] =
                (struct webhook_header){json_view(headers.u.members[i].key), json_view(headers.u.members[i].value)};
        if (ok)
            webhook_verify(v, a, &req, (int64_t)json_number(json_gets(line, "now")) * 1000, &verdict);
        ok = verdict.ok == json_gets(line, "valid").u.b;
    }
    w->run++;
    if (!ok) {
        w->wrong++;
        (void)printf("%.*s\n", TL_SV_ARG(json_view(json_gets(line, "id"))));
    }
    webhook_verifier_unref(v);
    tl_buf_done(&body);
}

static void the_published_cases_of_standard_webhooks_pass(void **state)
{
    struct world *w = *state;
    struct tl_sv lines = vectors_read(w->a, "conformance/standard-webhooks/cases.jsonl");

    if (lines.p == NULL)
        return;
    (void)vectors_each(lines, run_standard, w);
    (void)printf("standard-webhooks: %zu cases, %zu wrong\n", w->run, w->wrong);
    assert_int_equal(w->wrong, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, given_world, end_world)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_honest_delivery_of_each_scheme_is_accepted_with_its_id),
        T(every_changed_byte_of_body_and_signature_is_refused),
        T(a_signed_time_counts_in_both_directions),
        T(malformed_times_and_signature_headers_are_refused),
        T(several_secrets_are_good_at_once_until_their_end),
        T(the_url_comes_from_the_configuration_only),
        T(the_generic_scheme_has_every_part_settable),
        T(the_generic_scheme_reads_each_syntax_of_signature_headers),
        T(old_and_future_times_have_a_tolerance_each),
        T(convoy_signs_with_the_hash_and_encoding_of_its_endpoint),
        T(a_wrong_setup_is_refused_with_one_sentence),
        T(what_we_sign_we_accept_and_it_equals_the_senders),
        T(ed25519_signatures_of_standard_webhooks_are_made_and_verified),
        T(the_first_secret_that_is_still_good_signs),
        T(a_client_state_is_good_until_its_end_and_the_next_one_is_sent),
        T(handshakes_are_answered_only_by_the_scheme_they_belong_to),
        T(slack_and_graph_look_into_the_body),
        T(forms_become_objects_and_a_payload_field_its_json),
        T(xml_becomes_the_tree_that_expressions_read),
        T(the_id_may_be_in_an_attribute_or_an_element_of_xml),
        T(an_id_of_the_users_own_is_one_pointer),
        T(xs_handshake_is_answered_with_the_first_secret_that_is_good),
        T(what_hubspot_counts_up_makes_no_other_body),
        T(the_bytes_of_a_text_are_no_items),
        T(the_tables_of_schemes_and_choices_agree),
        T(the_published_cases_of_standard_webhooks_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
