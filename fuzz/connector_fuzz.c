/* SPDX-License-Identifier: Apache-2.0 */
/* Properties: a template and an expression are read or refused with a reason; the words of a reply are one short line
 * of UTF-8 without a secret; headers of budgets give at most the readings there is room for, with names that end; an
 * address never leaves its host. The first byte chooses. */
#include "connector/connector_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECRET "s3cr3t"

static void templates(struct tl_arena *a, struct tl_sv s)
{
    TL_CLEANUP(config_errors_freep) struct config_errors *e = config_errors_new();
    const struct config_text text = {.text = tl_arena_strndup(a, s.p, s.n)};
    struct connector_template *t = connector_template_new(&text, true, e);

    assert((t != NULL) == (config_errors_count(e) == 0));
    connector_template_free(t);
}

static void expressions(struct tl_arena *a, struct tl_sv s)
{
    TL_CLEANUP(config_errors_freep) struct config_errors *e = config_errors_new();
    const struct config_text text = {.text = tl_arena_strndup(a, s.p, s.n)};
    struct connector_expression *x = connector_expression_new(&text, e);

    assert((x != NULL) == (config_errors_count(e) == 0));
    connector_expression_free(x);
}

static void words(struct tl_arena *a, struct tl_sv s)
{
    struct connector_call call = {.arena = a};
    struct http_reply reply = {.status = 400, .body = s};
    struct tl_sv text;

    connector_call_begin(&call, NULL, NULL);
    connector__hide(&call, TL_SV(SECRET));
    text = connector_reply_text(&call, &reply);
    assert(text.n <= CONNECTOR_TEXT && tl_utf8_valid(text) == text.n);
    assert(tl_sv_find_sv(text, TL_SV(SECRET)) == text.n);
    for (size_t i = 0; i < text.n; i++)
        assert((unsigned char)text.p[i] >= 0x20 && text.p[i] != 0x7f);
}

static void budgets(struct tl_arena *a, struct tl_sv s)
{
    static const char *const names[] = {"ratelimit", "ratelimit-policy", "x-ratelimit-reset", "x-ratelimit-remaining",
                                        "retry-after"};
    struct http_header h[TL_COUNT(names)];
    struct http_reply reply = {.status = 429, .headers = {.v = h}};
    struct connector_call call = {.arena = a};
    struct tl_sv line;
    struct tl_err err = {0};

    while (reply.headers.n < TL_COUNT(h) && tl_sv_cut(&s, '\n', &line)) {
        h[reply.headers.n] = (struct http_header){tl_sv_str(names[reply.headers.n]), line};
        reply.headers.n++;
    }
    connector_call_begin(&call, NULL, NULL);
    assert(connector_classify(&call, &reply, &err) == TL_RATE_LIMITED);
    assert(call.feedback.n_readings <= TL_COUNT(call.feedback.readings));
    for (size_t i = 0; i < call.feedback.n_readings; i++)
        assert(memchr(call.feedback.readings[i].name, 0, GUARD_NAME));
}

static void addresses(struct tl_arena *a, struct tl_sv s)
{
    struct http_url url;
    struct tl_sv got;

    if (connector__url(a, "https://host.example:8443/api?t=1", s, &got, NULL) != TL_OK ||
        http_url_parse(got, &url, NULL) != TL_OK)
        return;
    assert(url.tls && url.port == 8443 && tl_sv_eqi(url.host, TL_SV("host.example")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const what[])(struct tl_arena *, struct tl_sv) = {templates, words, budgets, addresses, expressions};
    struct tl_arena *a;

    if (size < 1 || size > 1 << 16)
        return 0;
    a = tl_arena_new(16 << 20);
    what[data[0] % TL_COUNT(what)](a, tl_sv((const char *)data + 1, size - 1));
    tl_arena_free(a);
    return 0;
}
