/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "json/schema/schema.h"

static int setup(void **state)
{
    *state = tl_arena_new(64u << 20);
    return 0;
}

static int teardown(void **state)
{
    tl_arena_free(*state);
    return 0;
}

static struct json parse(struct tl_arena *a, const char *text)
{
    struct json v = JSON_NOTHING;
    struct tl_err err;

    if (json_parse(a, tl_sv_str(text), 0, NULL, &v, &err) != TL_OK)
        fail_msg("%s: %s", text, err.text);
    return v;
}

static struct json_schema_result validate(struct tl_arena *a, const char *schema, const char *instance)
{
    TL_CLEANUP(json_schema_unrefp) struct json_schema *s = NULL;
    struct json_schema_result r = {0};
    struct json_schema_options options = {.formats = true};
    struct tl_err err;

    if (json_schema_compile(parse(a, schema), &options, &s, &err) != TL_OK)
        fail_msg("%s: %s", schema, err.text);
    if (json_schema_validate(s, a, parse(a, instance), NULL, &r, &err) != TL_OK)
        fail_msg("%s: %s", schema, err.text);
    for (size_t i = 0; i < r.count; i++) { /* the pointers of the schema go with it */
        ((struct json_schema_issue *)(uintptr_t)r.issues)[i].schema = tl_arena_sv(a, r.issues[i].schema);
    }
    return r;
}

static void every_failure_is_told_with_its_places(void **state)
{
    struct json_schema_result r =
        validate(*state,
                 "{\"type\":\"object\",\"required\":[\"id\"],\"properties\":{\"a/b\":{\"type\":\"array\","
                 "\"items\":{\"minimum\":3}}},\"additionalProperties\":false}",
                 "{\"a/b\":[5,1,\"x\",2.5],\"more\":1}");
    static const char *const want[][3] = {
        {"", "#/required", "The member \"id\" is missing."},
        {"/a~1b/1", "#/properties/a~1b/items/minimum", "It must be at least 3."},
        {"/a~1b/3", "#/properties/a~1b/items/minimum", "It must be at least 3."},
        {"", "#/additionalProperties", "The member \"more\" is not allowed."},
    };

    assert_false(r.valid);
    assert_int_equal(r.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(tl_sv_eqs(r.issues[i].instance, want[i][0]));
        assert_true(tl_sv_eqs(r.issues[i].schema, want[i][1]));
        assert_true(tl_sv_eqs(r.issues[i].text, want[i][2]));
    }
}

static void a_verdict_follows_the_specification(void **state)
{
    static const struct {
        const char *schema, *instance;
        bool valid;
    } cases[] = {
        {"true", "1", true},
        {"false", "1", false},
        {"{\"type\":\"integer\"}", "1.0", true},
        {"{\"type\":\"integer\"}", "1e400", true},
        {"{\"type\":\"integer\"}", "1.5", false},
        {"{\"const\":9007199254740993}", "9007199254740992", false},
        {"{\"maximum\":18446744073709551616}", "18446744073709551617", false},
        {"{\"multipleOf\":0.01}", "19.99", true},
        {"{\"multipleOf\":0.01}", "19.999", false},
        {"{\"multipleOf\":0.01}", "123456789012345678901234567890.12", true},
        {"{\"maxLength\":2}", "\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"", true},
        {"{\"uniqueItems\":true}", "[1,{\"a\":1,\"b\":2},{\"b\":2.0,\"a\":1}]", false},
        {"{\"uniqueItems\":true}", "[1,true,\"1\",[1]]", true},
        {"{\"pattern\":\"^\\\\d+$\"}", "\"12\xd9\xa3\"", false},
        {"{\"allOf\":[{\"properties\":{\"a\":true}}],\"unevaluatedProperties\":false}", "{\"a\":1}", true},
        {"{\"allOf\":[{\"properties\":{\"a\":true}}],\"unevaluatedProperties\":false}", "{\"b\":1}", false},
        {"{\"prefixItems\":[true],\"contains\":{\"const\":2},\"unevaluatedItems\":false}", "[1,2,2]", true},
        {"{\"prefixItems\":[true],\"contains\":{\"const\":2},\"unevaluatedItems\":false}", "[1,2,3]", false},
        {"{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"items\":[true],\"additionalItems\":false}",
         "[1,2]", false},
        {"{\"$defs\":{\"n\":{\"$anchor\":\"x\",\"type\":\"null\"}},\"$ref\":\"#x\"}", "1", false},
        {"{\"$id\":\"http://a.example/b/c\",\"$defs\":{\"n\":{\"$id\":\"../d\",\"type\":\"null\"}},\"$ref\":\"/d\"}",
         "1", false},
        {"{\"format\":\"date\"}", "\"2023-02-29\"", false},
        {"{\"format\":\"date-time\"}", "\"2016-12-31T23:59:60Z\"", true},
        {"{\"format\":\"ipv6\"}", "\"::ffff:1.2.3.4\"", true},
        {"{\"format\":\"uri\"}", "\"//a/b\"", false},
        {"{\"format\":\"regex\"}", "\"(?<=a+)b\"", true},
        {"{\"format\":\"regex\"}", "\"(?<=a+b\"", false},
        {"{\"format\":\"hostname\"}", "\"xn--bcher-kva.example\"", true},
        {"{\"format\":\"hostname\"}", "\"xn--bcher-KVA.example\"", true},
        {"{\"format\":\"hostname\"}", "\"xn--bcher-kva0.example\"", false},
        {"{\"format\":\"idn-hostname\"}", "\"xn--ihqwcrb4cv8a8dqg056pqjye\"", true},
        {"{\"format\":\"idn-hostname\"}", "\"xn--X\"", false},
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++)
        if (validate(*state, cases[i].schema, cases[i].instance).valid != cases[i].valid)
            fail_msg("%s on %s", cases[i].schema, cases[i].instance);
}

static void a_schema_that_is_none_is_refused_with_its_place(void **state)
{
    static const char *const cases[][2] = {
        {"1", "at #"},
        {"{\"properties\":{\"a\":3}}", "at #/properties/a"},
        {"{\"minLength\":-1}", "at #/minLength"},
        {"{\"pattern\":\"(\"}", "at #/pattern"},
        {"{\"type\":\"text\"}", "at #/type"},
        {"{\"$ref\":\"#/nowhere\"}", "leads to #/nowhere"},
        {"{\"$ref\":\"http://a.example/schema\"}", "leads to http://a.example/schema"},
        {"{\"required\":\"a\"}", "at #/required"},
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct json_schema *s = NULL;
        struct tl_err err = {0};

        assert_int_equal(json_schema_compile(parse(*state, cases[i][0]), NULL, &s, &err), TL_INVALID);
        assert_null(s);
        if (!strstr(err.text, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], err.text);
    }
}

static enum tl_rc outcome(struct tl_arena *a, const char *schema, const char *instance)
{
    TL_CLEANUP(json_schema_unrefp) struct json_schema *s = NULL;
    struct json_schema_result r;

    assert_int_equal(json_schema_compile(parse(a, schema), NULL, &s, NULL), TL_OK);
    return json_schema_validate(s, a, parse(a, instance), NULL, &r, NULL);
}

static void what_does_not_end_is_stopped(void **state)
{
    assert_int_equal(outcome(*state, "{\"$ref\":\"#\"}", "1"), TL_BUDGET);
    assert_int_equal(outcome(*state, "{\"allOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}", "1"), TL_BUDGET);
    assert_int_equal(
        outcome(*state, "{\"pattern\":\"^(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\""),
        TL_BUDGET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_failure_is_told_with_its_places, setup, teardown),
        cmocka_unit_test_setup_teardown(a_verdict_follows_the_specification, setup, teardown),
        cmocka_unit_test_setup_teardown(a_schema_that_is_none_is_refused_with_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_end_is_stopped, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
