/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "flow/flow_int.h"

static const char model[] = "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"pii\":true},"
                            "\"email\":{\"pii\":true},\"age\":{\"pii\":true},\"initial\":{\"pii\":true}}}";

struct bench {
    char folder[64], path[96], schema[96];
    struct config_errors *errors;
    struct flow_plan *plan;
    struct tl_arena *arena;
};

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
    struct bench *b = tl_zalloc(sizeof *b);
    const struct flow_load_options o = {0};

    snprintf(b->folder, sizeof b->folder, "/tmp/tieline-veil-XXXXXX");
    assert_non_null(mkdtemp(b->folder));
    snprintf(b->path, sizeof b->path, "%s/tieline.yaml", b->folder);
    snprintf(b->schema, sizeof b->schema, "%s/person.json", b->folder);
    write_file(b->schema, model);
    write_file(b->path, "version: 1\nmodels: { person: person.json }\n");
    b->errors = config_errors_new();
    b->arena = tl_arena_new(1 << 26);
    assert_int_equal(flow_plan_load(b->path, &o, b->errors, &b->plan), TL_OK);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    flow_plan_unref(b->plan);
    config_errors_free(b->errors);
    tl_arena_free(b->arena);
    unlink(b->path);
    unlink(b->schema);
    rmdir(b->folder);
    tl_free(b);
    return 0;
}

static void expect(struct bench *b, const char *payload, const char *text, const char *want)
{
    struct json v;
    struct tl_err err;
    struct tl_sv got;

    assert_int_equal(json_parse(b->arena, tl_sv_str(payload), 0, NULL, &v, &err), TL_OK);
    got = flow__hide(b->plan, b->arena, &v, 1, tl_sv_str(text));
    if (!tl_sv_eqs(got, want))
        fail_msg("'%s' became '%.*s' and not '%s'", text, TL_SV_ARG(got), want);
}

static void a_value_too_long_for_its_spellings_hides_whole_texts(void **state)
{
    struct bench *b = *state;
    enum { LONG = 200000 };
    char *payload = tl_alloc(LONG + 200);
    int n = snprintf(payload, 100, "{\"body\":{\"customer\":{\"name\":\"");

    memset(payload + n, '!', LONG);
    (void)snprintf(payload + n + LONG, 10, "\"}}}");
    expect(b, payload, "no account for !!!!", "***");
    tl_free(payload);
}

static void an_arena_that_is_used_up_hides_instead_of_failing(void **state)
{
    struct bench *b = *state;
    struct tl_arena *tight = tl_arena_new(65536);
    struct json v;
    struct tl_err err;
    struct tl_sv got;

    assert_int_equal(
        json_parse(b->arena, TL_SV("{\"body\":{\"customer\":{\"name\":\"Ann O'Neil\"}}}"), 0, NULL, &v, &err), TL_OK);
    while (tl_arena_alloc(tight, 64))
        ;
    got = flow__hide(b->plan, tight, &v, 1, TL_SV("no account for Ann O'Neil"));
    assert_null(got.n ? memmem(got.p, got.n, "Neil", 4) : NULL);
    tl_arena_free(tight);
}

static void what_a_marked_field_holds_is_masked_however_it_is_written(void **state)
{
    const char *ada = "{\"body\":{\"customer\":{\"name\":\"Ad\xc3\xa9 O'Neil & Co\",\"email\":\"Ada@Example.com\"}}}";
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"no account for Ada@Example.com", "no account for ***"},
        {"no account for ada@example.COM.", "no account for ***."},
        {"GET /people/Ada%40Example.com: HTTP 404", "GET /people/***: HTTP 404"},
        {"{\"name\":\"Ad\\u00e9 O'Neil & Co\"}", "{\"name\":\"***\"}"},
        {"<name>Ad\xc3\xa9 O&apos;Neil &amp; Co</name>", "<name>***</name>"},
        {"locked: Ad\xc3\xa9 O'Neil & Co, Ada@Example.com", "locked: ***, ***"},
        {"a text that was cut at Ada@Exam", "a text that was cut at ***"},
        {"a text that was cut at Ada@Exam...", "a text that was cut at ***..."},
        {"a text that was cut at Ada@Exam\xe2\x80\xa6", "a text that was cut at ***\xe2\x80\xa6"},
        {"nothing of it, HTTP 422", "nothing of it, HTTP 422"},
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++)
        expect(*state, ada, cases[i].text, cases[i].want);
}

static void a_short_value_is_masked_where_it_is_a_word_of_its_own(void **state)
{
    const char *li = "{\"name\":\"Li\",\"age\":42,\"initial\":\"a\"}";
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"customer Li is locked", "customer *** is locked"},
        {"a list of limits: Lima", "a list of limits: Lima"},
        {"age 42 is refused", "age *** is refused"},
        {"HTTP 422, code 1042", "HTTP 422, code 1042"},
        {"a customer 'a' is locked", "a customer '***' is locked"},
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++)
        expect(*state, li, cases[i].text, cases[i].want);
}

static void nothing_is_masked_that_no_model_marks(void **state)
{
    expect(*state, "{\"city\":\"London\",\"names\":\"Ada Lovelace\"}", "Ada Lovelace of London",
           "Ada Lovelace of London");
    expect(*state, "{\"name\":null,\"email\":\"\",\"age\":true}", "null, true and empty", "null, true and empty");
    expect(*state, "{\"name\":\"Ada Lovelace\"}", "", "");
}

static void a_payload_too_deep_to_be_looked_at_hides_the_text_whole(void **state)
{
    struct bench *b = *state;
    TL_CLEANUP(tl_buf_done) struct tl_buf t = {0};

    tl_buf_init(&t, 1 << 16);
    tl_buf_puts(&t, "{\"name\":");
    for (int i = 0; i < 100; i++)
        tl_buf_puts(&t, "[");
    tl_buf_puts(&t, "\"Ada Lovelace\"");
    for (int i = 0; i < 100; i++)
        tl_buf_puts(&t, "]");
    tl_buf_puts(&t, "}");
    tl_buf_putc(&t, '\0');
    expect(b, t.p, "Ada Lovelace is locked", "***");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_a_marked_field_holds_is_masked_however_it_is_written),
        T(a_value_too_long_for_its_spellings_hides_whole_texts),
        T(an_arena_that_is_used_up_hides_instead_of_failing),
        T(a_short_value_is_masked_where_it_is_a_word_of_its_own),
        T(nothing_is_masked_that_no_model_marks),
        T(a_payload_too_deep_to_be_looked_at_hides_the_text_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
