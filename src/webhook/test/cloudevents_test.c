/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/webhook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../json/test/vectors.h"

struct counts {
    size_t run, wrong;
};

/* A request as text, cut the simple way: the test's input is well formed. */
static size_t cut_request(struct tl_sv text, struct webhook_header *h, size_t max, struct tl_sv *ret_body)
{
    struct tl_sv line;
    size_t n = 0;
    bool first = true;

    while (tl_sv_cut(&text, '\n', &line)) {
        size_t colon = tl_sv_find(line, ':');

        line = tl_sv_trim(line);
        if (line.n == 0)
            break;
        if (!first && n < max)
            h[n++] = (struct webhook_header){tl_sv(line.p, colon), tl_sv_trim(tl_sv_from(line, colon + 1))};
        first = false;
    }
    *ret_body = text;
    return n;
}

static bool same_event(struct json want, const struct webhook_ce *e)
{
    struct json data = json_gets(want, "data"), text = json_gets(want, "data_text"),
                base64 = json_gets(want, "data_base64");
    struct tl_buf b;
    bool ok = json_equal(json_gets(want, "attributes"), e->attributes);

    if (data.type != JSON_UNDEFINED)
        return ok && e->kind == WEBHOOK_CE_JSON && json_equal(e->data, data);
    if (text.type != JSON_UNDEFINED)
        return ok && e->kind == WEBHOOK_CE_TEXT && json_equal(e->data, text);
    if (base64.type == JSON_UNDEFINED)
        return ok && e->kind == WEBHOOK_CE_NO_DATA;
    tl_buf_init(&b, 1u << 20);
    tl_base64_encode(&b, e->bytes.p, e->bytes.n);
    ok = ok && e->kind == WEBHOOK_CE_BINARY_DATA && tl_sv_eq(tl_buf_view(&b), json_view(base64));
    tl_buf_done(&b);
    return ok;
}

static void run_case(struct tl_arena *a, struct json line, void *arg)
{
    static const char *const modes[] = {"none", "binary", "structured", "batch"};
    struct counts *c = arg;
    struct json http = json_gets(line, "http_request"), kafka = json_gets(line, "kafka"),
                events = json_gets(line, "events");
    struct webhook_header h[64];
    struct tl_sv body = TL_SV_NULL;
    struct webhook_ce *list = NULL;
    enum webhook_ce_mode mode = WEBHOOK_CE_NONE;
    struct tl_err err = {0};
    struct tl_buf b;
    size_t n = 0, count = 0;
    enum tl_rc rc;
    bool ok;

    tl_buf_init(&b, 1u << 20);
    if (http.type == JSON_STRING) {
        assert_true(tl_base64_decode(&b, json_view(http)));
        n = cut_request(tl_buf_view(&b), h, 64, &body);
    } else {
        struct json headers = json_gets(kafka, "headers");

        for (uint32_t i = 0; i < headers.n; i++)
            h[n++] =
                (struct webhook_header){json_view(headers.u.members[i].key), json_view(headers.u.members[i].value)};
        body = json_text(json_gets(kafka, "value"), TL_SV(""));
    }
    rc = webhook_ce_parse(a, h, n, body, &mode, &list, &count, &err);
    if (events.type == JSON_UNDEFINED) {
        ok = rc != TL_OK;
    } else {
        ok = rc == TL_OK && count == events.n && tl_sv_eqs(json_view(json_gets(line, "mode")), modes[mode]);
        for (uint32_t i = 0; ok && i < events.n; i++)
            ok = same_event(events.u.items[i], &list[i]);
    }
    c->run++;
    if (!ok) {
        c->wrong++;
        (void)printf("%.*s: %s\n", TL_SV_ARG(json_view(json_gets(line, "id"))),
                     rc != TL_OK ? err.text : "accepted or different");
    }
    tl_buf_done(&b);
}

static void the_published_cases_pass(void **state)
{
    struct tl_arena *a = tl_arena_new(16u << 20);
    struct tl_sv lines = vectors_read(a, "conformance/cloudevents/cases.jsonl");
    struct counts c = {0};

    (void)state;
    if (lines.p != NULL) {
        (void)vectors_each(lines, run_case, &c);
        (void)printf("cloudevents: %zu cases, %zu wrong\n", c.run, c.wrong);
    }
    assert_int_equal(c.wrong, 0);
    tl_arena_free(a);
}

static enum tl_rc parse_one(struct tl_arena *a, const char *type, const char *name, const char *value, const char *body,
                            struct webhook_ce **ret, struct tl_err *err)
{
    struct webhook_header h[] = {{TL_SV("Content-Type"), tl_sv_str(type)},
                                 {TL_SV("ce-specversion"), TL_SV("1.0")},
                                 {TL_SV("CE-Id"), TL_SV("1")},
                                 {TL_SV("ce-source"), TL_SV("/s")},
                                 {TL_SV("ce-type"), TL_SV("t")},
                                 {tl_sv_str(name), tl_sv_str(value)}};
    enum webhook_ce_mode mode;
    size_t n = 0;

    return webhook_ce_parse(a, h, name != NULL ? 6 : 5, tl_sv_str(body), &mode, ret, &n, err);
}

static void a_binary_event_gets_its_data_by_content_type(void **state)
{
    struct tl_arena *a = tl_arena_new(16u << 20);
    struct webhook_ce *e = NULL;
    struct tl_err err;
    struct tl_buf b;

    (void)state;
    assert_int_equal(parse_one(a, "application/json", "ce-ext", "%22q%22", "{\"n\":1}", &e, &err), TL_OK);
    assert_int_equal(e->kind, WEBHOOK_CE_JSON);
    tl_buf_init(&b, 4096);
    assert_true(json_write(&b, webhook_ce_json(a, e), JSON_WRITE_SORTED));
    assert_string_equal(b.p, "{\"data\":{\"n\":1},\"datacontenttype\":\"application/"
                             "json\",\"ext\":\"\\\"q\\\"\",\"id\":\"1\",\"source\":\"/s\","
                             "\"specversion\":\"1.0\",\"type\":\"t\"}");
    tl_buf_done(&b);
    assert_int_equal(parse_one(a, "application/octet-stream", NULL, NULL, "\x01\x02", &e, &err), TL_OK);
    assert_int_equal(e->kind, WEBHOOK_CE_BINARY_DATA);
    assert_int_equal(parse_one(a, "text/plain", NULL, NULL, "", &e, &err), TL_OK);
    assert_int_equal(e->kind, WEBHOOK_CE_NO_DATA);
    tl_arena_free(a);
}

static void attributes_that_break_the_rules_are_refused_by_name(void **state)
{
    static const struct {
        const char *name, *value, *says;
    } rows[] = {
        {"ce-time", "yesterday", "time"},
        {"ce-id", "2", "given twice"},
        {"ce-datacontenttype", "text/plain", "content type"},
        {"ce-my-ext", "x", "valid name"},
        {"ce-subject", "", "empty"},
        {"ce-dataschema", "relative/path", "absolute URI"},
        {"ce-ext", "%ff", "percent-encoded"},
        {"ce-ext", "%0a", "control characters"},
        {"ce-data", "x", "valid name"},
    };
    struct tl_arena *a = tl_arena_new(16u << 20);
    struct webhook_ce *e = NULL;
    struct tl_err err;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        assert_int_equal(parse_one(a, "text/plain", rows[i].name, rows[i].value, "x", &e, &err), TL_INVALID);
        if (strstr(err.text, rows[i].says) == NULL)
            fail_msg("%s: %s", rows[i].name, err.text);
    }
    tl_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_cases_pass),
        cmocka_unit_test(a_binary_event_gets_its_data_by_content_type),
        cmocka_unit_test(attributes_that_break_the_rules_are_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
