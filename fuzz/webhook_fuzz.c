/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses the scheme; then lines: target, headers until an empty line, and the body. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "webhook/webhook.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct webhook_verifier *make(const struct crypto *c, const char *scheme)
{
    static const char *const anyone = "*", *const audience = "https://h.example/in",
                             *const topic = "arn:aws:sns:eu-west-1:123456789012:orders", *const name = "shop.example";
    static const int alg = 0;
    struct webhook_conf conf = {.public_url = "https://h.example/in",
                                .header = "x-sig",
                                .timestamp = "t=",
                                .user = "u",
                                .tolerance_ms = 1,
                                .jwks_url = "https://idp.example/jwks",
                                .email = "push@p.iam.example",
                                .webhook_id = "WH-1",
                                .confirm = true};
    struct webhook_secret secret = {.value = TL_SV("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")};
    struct webhook_setup setup = {.scheme = scheme, .conf = &conf, .secrets = &secret, .n_secrets = 1};
    struct webhook_verifier *v = NULL;
    struct tl_err err = {0};

    if (strcmp(scheme, "jwt") == 0 || strcmp(scheme, "google_pubsub") == 0)
        setup.n_secrets = 0; /* their keys come as a set */
    conf.origins = (struct config_list){(void *)(uintptr_t)&anyone, 1};
    conf.audiences = (struct config_list){(void *)(uintptr_t)&audience, 1};
    conf.issuers = conf.audiences;
    conf.topics = (struct config_list){(void *)(uintptr_t)&topic, 1};
    conf.names = (struct config_list){(void *)(uintptr_t)&name, 1};
    conf.algs = (struct config_list){(void *)(uintptr_t)&alg, 1};
    if (webhook_verifier_new(c, &setup, &v, &err) != TL_OK) {
        (void)fprintf(stderr, "%s: %s\n", scheme, err.text);
        abort();
    }
    return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct webhook_header h[32];
    struct webhook_request req = {.method = TL_SV("POST"), .headers = h};
    struct tl_sv rest, line, type = TL_SV("");
    struct webhook_verdict verdict;
    struct webhook_answer answer;
    struct webhook_verifier *v;
    struct webhook_ce *events = NULL;
    enum webhook_ce_mode mode;
    struct json body = JSON_NOTHING;
    struct tl_arena *a;
    struct crypto *c = NULL;
    size_t n = 0;

    if (size < 2 || crypto_new(&c, NULL) != TL_OK)
        return 0;
    a = tl_arena_new(16u << 20);
    v = make(c, webhook_schemes.table[data[0] % webhook_schemes.n].name);
    rest = tl_sv((const char *)data + 1, size - 1);
    if (tl_sv_cut(&rest, '\n', &line))
        req.target = line;
    while (req.n_headers < 32 && tl_sv_cut(&rest, '\n', &line) && line.n > 0) {
        size_t colon = tl_sv_find(line, ':');

        h[req.n_headers++] = (struct webhook_header){tl_sv(line.p, colon), tl_sv_trim(tl_sv_from(line, colon + 1))};
        if (tl_sv_eqi(h[req.n_headers - 1].name, TL_SV("content-type")))
            type = h[req.n_headers - 1].value;
    }
    req.body = rest.p != NULL ? rest : TL_SV("");
    webhook_verify(v, a, &req, 1760000000000, &verdict);
    if (webhook_body_parse(a, webhook_body_kind(type, req.body), req.body, &body, NULL) == TL_OK) {
        webhook_identify(v, a, body, &verdict);
        (void)webhook_verify_body(v, body, &verdict);
        (void)webhook_handshake_body(v, a, body, &answer);
    }
    req.method = data[0] & 1 ? TL_SV("GET") : TL_SV("OPTIONS");
    (void)webhook_handshake(v, a, &req, 1760000000000, &answer);
    if (webhook_ce_parse(a, req.headers, req.n_headers, req.body, &mode, &events, &n, NULL) == TL_OK && n > 0)
        (void)webhook_ce_json(a, &events[0]);
    webhook_verifier_unref(v);
    tl_arena_free(a);
    crypto_free(c);
    return 0;
}
