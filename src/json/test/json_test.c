/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "json/json.h"

static int setup(void **state)
{
    *state = tl_arena_new(512u << 20);
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

static const char *text_of(struct tl_arena *a, struct json v, unsigned flags)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b;

    tl_buf_init(&b, 64u << 20);
    assert_true(json_write(&b, v, flags));
    return b.p ? tl_arena_strdup(a, b.p) : "";
}

static void what_is_parsed_is_written_again(void **state)
{
    static const char *const cases[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1.50",
        "1e400",
        "-12345678901234567890123.00",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "\"\"",
        "\"a\\\"b\\\\c\\n\\u0001\"",
        "\"h\xc3\xa4user \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80\"",
        "[]",
        "{}",
        "[[],{},[[1,2],3]]",
        "{\"a\":{\"b\":[1,{\"c\":null}]},\"\":0}",
        "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,\"j\":10,\"k\":11,\"l\":12,\"m\":13,"
        "\"n\":14}",
        "\"a long string without anything special in it, so that sixteen bytes at a time are passed over\"",
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++)
        assert_string_equal(text_of(*state, parse(*state, cases[i]), 0), cases[i]);
}

static void escapes_and_white_space_are_normalised(void **state)
{
    assert_string_equal(text_of(*state, parse(*state, " \n\t{ \"a\" : [ 1 , \"\\u00e4\\/\\ud83d\\ude00\" ] }\r\n"), 0),
                        "{\"a\":[1,\"\xc3\xa4/\xf0\x9f\x98\x80\"]}");
    assert_string_equal(text_of(*state, parse(*state, "\"\\u0008\\u000c\\u007f\\u001F\""), 0), "\"\\b\\f\x7f\\u001f\"");
    assert_string_equal(text_of(*state, parse(*state, "[1,{\"a\":[]},{\"b\":1,\"c\":[2]}]"), JSON_WRITE_INDENT),
                        "[\n  1,\n  {\n    \"a\": []\n  },\n  {\n    \"b\": 1,\n    \"c\": [\n      2\n    ]\n  }\n]");
    assert_string_equal(text_of(*state, parse(*state, "{\"b\":1,\"a\":{\"d\":1,\"c\":2},\"\":0}"), JSON_WRITE_SORTED),
                        "{\"\":0,\"a\":{\"c\":2,\"d\":1},\"b\":1}");
    assert_string_equal(text_of(*state, parse(*state, "\"\xc3\xa4\xf0\x9f\x98\x80\x7f\""), JSON_WRITE_ASCII),
                        "\"\\u00e4\\ud83d\\ude00\x7f\"");
    assert_string_equal(text_of(*state, parse(*state, "\"\\u009b\\u202e\\u2066\xc3\xa4\""), JSON_WRITE_TERMINAL),
                        "\"\\u009b\\u202e\\u2066\xc3\xa4\"");
    assert_string_equal(text_of(*state, parse(*state, "\"\\u009b\""), 0), "\"\xc2\x9b\"");
    assert_string_equal(
        text_of(*state, parse(*state, "[1.50,1e2,-0,12345678901234567890,1e999]"), JSON_WRITE_JS_NUMBERS),
        "[1.5,100,0,12345678901234567000,null]");
}

static void a_malformed_text_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text;
        enum tl_rc rc;
        int line, column;
    } cases[] = {
        {"", TL_PARSE, 1, 1},
        {"  ", TL_PARSE, 1, 3},
        {"nul", TL_PARSE, 1, 1},
        {"[1,]", TL_PARSE, 1, 4},
        {"[1 2]", TL_PARSE, 1, 4},
        {"{\"a\":1,}", TL_PARSE, 1, 8},
        {"{\"a\" 1}", TL_PARSE, 1, 6},
        {"{\n \"a\": 1,\n \"a\": 2}", TL_PARSE, 3, 2},
        {"{\"a\":1,\"\\u0061\":2}", TL_PARSE, 1, 8},
        {"01", TL_PARSE, 1, 1},
        {"1.", TL_PARSE, 1, 3},
        {"1.e1", TL_PARSE, 1, 3},
        {"1e", TL_PARSE, 1, 3},
        {"-", TL_PARSE, 1, 2},
        {"+1", TL_PARSE, 1, 1},
        {"1 2", TL_PARSE, 1, 3},
        {"\"a", TL_PARSE, 1, 1},
        {"\"a\\", TL_PARSE, 1, 1},
        {"\"a\\\"", TL_PARSE, 1, 1},
        {"\"\xc3\xa4\tb\"", TL_PARSE, 1, 3},
        {"\"\\x\"", TL_PARSE, 1, 2},
        {"\"\\u12g4\"", TL_PARSE, 1, 2},
        {"\"\\ud800\"", TL_PARSE, 1, 2},
        {"\"\\ud800\\u0041\"", TL_PARSE, 1, 2},
        {"\"\\udc00\\ud800\"", TL_PARSE, 1, 2},
        {"\"\xed\xa0\x80\"", TL_PARSE, 1, 2},
        {"\"\xc0\xaf\"", TL_PARSE, 1, 2},
        {"\"\xe0\x80\x80\"", TL_PARSE, 1, 2},
        {"\"\xf4\x90\x80\x80\"", TL_PARSE, 1, 2},
        {"\"\\n\xff\"", TL_PARSE, 1, 4},
        {"\xef\xbb\xbf{}", TL_PARSE, 1, 1},
        {"{\"a\":1", TL_PARSE, 1, 7},
        {"[", TL_PARSE, 1, 2},
        {"]", TL_PARSE, 1, 1},
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct json v = json_int(7);
        struct tl_err err;
        enum tl_rc rc = json_parse(*state, tl_sv_str(cases[i].text), 0, NULL, &v, &err);

        if (rc != cases[i].rc || err.line != cases[i].line || err.column != cases[i].column || v.u.i != 7)
            fail_msg("%s: %s at %d:%d", cases[i].text, tl_rc_name(rc), err.line, err.column);
    }
}

static void a_lone_surrogate_survives_when_asked_for(void **state)
{
    struct json v;

    assert_int_equal(json_parse(*state, TL_SV("\"a\\ud800b\\udfff\""), JSON_PARSE_LONE_SURROGATES, NULL, &v, NULL),
                     TL_OK);
    assert_int_equal(v.n, 8);
    assert_string_equal(text_of(*state, v, 0), "\"a\\ud800b\\udfff\"");
}

static void the_last_of_equal_names_wins_when_asked_for(void **state)
{
    static const char big[] =
        "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,\"j\":10,\"k\":11,"
        "\"l\":12,\"m\":13,\"a\":14,\"m\":15}";
    struct json v;

    assert_int_equal(json_parse(*state, TL_SV("{\"a\":1,\"b\":2,\"a\":3}"), JSON_PARSE_DUP_LAST, NULL, &v, NULL),
                     TL_OK);
    assert_string_equal(text_of(*state, v, 0), "{\"a\":3,\"b\":2}");
    assert_int_equal(json_parse(*state, tl_sv_str(big), JSON_PARSE_DUP_LAST, NULL, &v, NULL), TL_OK);
    assert_int_equal(v.n, 13);
    assert_int_equal(json_gets(v, "a").u.i, 14);
    assert_int_equal(json_gets(v, "m").u.i, 15);
    assert_int_equal(json_parse(*state, tl_sv_str(big), 0, NULL, &v, NULL), TL_PARSE);
}

static void depth_and_size_are_limited(void **state)
{
    size_t n = 1000000;
    char *text = tl_arena_must(*state, n);
    struct json_limits limits = {.max_bytes = 10}, all = {.max_bytes = SIZE_MAX, .max_depth = UINT32_MAX};
    struct tl_arena *small = tl_arena_new(4096);
    struct tl_err err;
    struct json v;

    memset(text, '[', n);
    assert_int_equal(json_parse(*state, tl_sv(text, n), 0, NULL, &v, &err), TL_LIMIT);
    assert_int_equal(err.column, 513);
    assert_int_equal(json_parse(*state, tl_sv(text, n), 0, &all, &v, &err), TL_LIMIT);
    memset(text, '[', 512);
    memset(text + 512, ']', 512);
    assert_int_equal(json_parse(*state, tl_sv(text, 1024), 0, NULL, &v, &err), TL_OK);
    assert_int_equal(json_parse(*state, TL_SV("\"123456789\""), 0, &limits, &v, &err), TL_LIMIT);
    memset(text, '"', n);
    assert_int_equal(json_parse(small, TL_SV("[[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0]]"), 0, NULL, &v, &err), TL_OK);
    memset(text, '1', n);
    for (size_t i = 0; i < n; i += 2)
        text[i] = ',';
    text[0] = '[';
    text[n - 1] = ']';
    text[n - 2] = '1';
    assert_int_equal(json_parse(small, tl_sv(text, n), 0, NULL, &v, &err), TL_LIMIT);
    tl_arena_free(small);
}

static void a_number_of_megabytes_is_read_in_bounded_memory(void **state)
{
    size_t n = 8u << 20;
    TL_CLEANUP(tl_freep) char *text = tl_alloc(n);
    struct json_limits limits = {.max_bytes = 2u << 30};
    struct json v;

    memset(text, '7', n);
    /* One of a gigabyte is refused before it is looked at. */
    assert_int_equal(json_parse(*state, tl_sv(text, 1u << 30), 0, NULL, &v, NULL), TL_LIMIT);
    assert_int_equal(json_parse(*state, tl_sv(text, n), 0, &limits, &v, NULL), TL_OK);
    assert_int_equal(v.type, JSON_DECIMAL);
    assert_true(isinf(json_number(v)));
    text[1] = '.';
    assert_int_equal(json_parse(*state, tl_sv(text, n), 0, &limits, &v, NULL), TL_OK);
    assert_true(json_number(v) == 7.7777777777777777);
}

static void values_follow_one_another_in_a_stream(void **state)
{
    struct tl_sv text = TL_SV("{\"a\":1}\n[2] \"x\"\"y\" 3\n\n");
    static const char *const want[] = {"{\"a\":1}", "[2]", "\"x\"", "\"y\"", "3"};
    size_t pos = 0;
    struct json v;

    for (size_t i = 0; i < TL_COUNT(want); i++) {
        assert_int_equal(json_parse_next(*state, text, &pos, 0, NULL, &v, NULL), TL_OK);
        assert_string_equal(text_of(*state, v, 0), want[i]);
    }
    assert_int_equal(json_parse_next(*state, text, &pos, 0, NULL, &v, NULL), TL_OK);
    assert_int_equal(v.type, JSON_UNDEFINED);
    assert_int_equal(pos, text.n);
}

static void numbers_are_rounded_correctly(void **state)
{
    static const char *const cases[] = {
        "0.1",
        "1e22",
        "1e23",
        "123456789012345678",
        "9007199254740993",
        "9007199254740992.5",
        "2.2250738585072011e-308",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "0.000001",
        "17976931348623158079372897140530341507993413271003782693617377898044496829276475094664901797758720709633028641"
        "6692887910946"
        "55554785194040263065748867150582068190890200070838367627385484581771153176447573027006985557136695962284291481"
        "9860834936475"
        "292719074168444365510704342711559699508093042880",
        "1e99999999999999999999",
        "-1e-99999999999999999999",
        "00.0000000000000000000000000000000000000000000000000000000000001e60",
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct json v = {.type = JSON_DECIMAL, .n = (uint32_t)strlen(cases[i]), .u.s = cases[i]};
        double want = strtod(cases[i], NULL);

        if (json_number(v) != want)
            fail_msg("%s: %.17g, not %.17g", cases[i], json_number(v), want);
    }
    (void)state;
}

static void doubles_are_spelled_as_javascript_does(void **state)
{
    static const struct {
        double d;
        const char *text;
    } cases[] = {
        {0.0, "0"},
        {-0.0, "0"},
        {1, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {135.36, "135.36"},
        {1e21, "1e+21"},
        {1e20, "100000000000000000000"},
        {123456789012345680000.0, "123456789012345680000"},
        {0.000001, "0.000001"},
        {1e-7, "1e-7"},
        {1.5e-9, "1.5e-9"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {5.684341886080802e-14, "5.684341886080802e-14"},
        {9007199254740993.0, "9007199254740992"},
        {4294967296.5, "4294967296.5"},
        {1.0 / 3, "0.3333333333333333"},
        {100.0 / 3, "33.333333333333336"},
        {-1e-300, "-1e-300"},
        {2e-44, "2e-44"},
        {0.00001, "0.00001"},
        {999999999999999.9, "999999999999999.9"},
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        char out[33] = {0};

        out[json_format_double(cases[i].d, out)] = '\0';
        assert_string_equal(out, cases[i].text);
    }
    (void)state;
}

static void any_double_reads_back(void **state)
{
    uint64_t x = 88172645463325252ull;

    for (int i = 0; i < 200000; i++) {
        char out[33];
        double d;
        struct json v = {.type = JSON_DECIMAL};

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(&d, &x, 8);
        if (i & 1)
            d = (double)(int64_t)(x >> 20) / 1000.0;
        if (!isfinite(d))
            continue;
        v.n = (uint32_t)json_format_double(d, out);
        assert_in_range(v.n, 1, 32);
        v.u.s = out;
        assert_true(json_number(v) == d);
    }
    (void)state;
}

static void whole_numbers_are_recognised_in_any_spelling(void **state)
{
    static const struct {
        const char *text;
        bool whole;
        int64_t i;
    } cases[] = {
        {"1.0", true, 1},
        {"1e3", true, 1000},
        {"-0", true, 0},
        {"0.0e-5", true, 0},
        {"12.5e1", true, 125},
        {"1.5", false, 0},
        {"1e-1", false, 0},
        {"9223372036854775807.0", true, INT64_MAX},
        {"-9223372036854775808.00", true, INT64_MIN},
        {"9223372036854775808.0", false, 0},
        {"1e400", false, 0},
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        int64_t got = 0;

        assert_int_equal(json_int64(parse(*state, cases[i].text), &got), cases[i].whole);
        assert_int_equal(got, cases[i].i);
    }
}

static void equality_is_by_value(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"1", "1.0", true},
        {"100", "1e2", true},
        {"0", "-0", true},
        {"9007199254740993", "9007199254740993.0", true},
        {"9007199254740993", "9007199254740992.0", false},
        {"1e1000", "1e1001", false},
        {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true},
        {"{\"a\":1,\"b\":2}", "{\"b\":2,\"c\":1}", false},
        {"[1,2]", "[2,1]", false},
        {"\"1\"", "1", false},
        {"null", "false", false},
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++)
        if (json_equal(parse(*state, cases[i].a), parse(*state, cases[i].b)) != cases[i].equal)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
    assert_true(json_number_cmp(parse(*state, "-1.5"), parse(*state, "-1.25")) < 0);
    assert_true(json_number_cmp(parse(*state, "1e-5"), parse(*state, "0")) > 0);
    assert_true(json_number_cmp(parse(*state, "18446744073709551616"), parse(*state, "18446744073709551615")) > 0);
    assert_true(json_equal(json_double(0.5), parse(*state, "5e-1")));
}

static void builders_grow_and_large_objects_find_their_members(void **state)
{
    struct json_builder b, list;
    struct json copy;
    char name[16];

    json_object_begin(&b, *state, 0);
    json_array_begin(&list, *state, 3);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 1000; i++) {
            (void)snprintf(name, sizeof(name), "k%d", i);
            assert_true(json_set(&b, tl_sv_str(tl_arena_strdup(*state, name)), json_int(i + round)));
            assert_true(json_push(&list, json_int(i)));
        }
    }
    assert_int_equal(json_end(&b).n, 1000);
    assert_int_equal(json_end(&list).n, 2000);
    assert_int_equal(json_at(json_end(&list), 1999).u.i, 999);
    copy = json_copy(*state, json_indexed(*state, json_end(&b)));
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "k%d", i);
        assert_int_equal(json_gets(json_end(&b), name).u.i, i + 1);
        assert_int_equal(json_gets(copy, name).u.i, i + 1);
    }
    assert_int_equal(json_gets(copy, "k1000").type, JSON_UNDEFINED);
    assert_true(json_equal(copy, json_end(&b)));
    assert_true(json_add(&b, TL_SV("more"), json_null()));
    assert_int_equal(json_gets(json_end(&b), "more").type, JSON_NULL);
}

static void the_writer_stops_at_the_limit_of_its_buffer(void **state)
{
    struct json v = parse(*state, "{\"abc\":[1,2,3,\"\xc3\xa4\\n\"]}");

    for (size_t max = 0; max < 40; max++) {
        TL_CLEANUP(tl_buf_done) struct tl_buf b;

        tl_buf_init(&b, max);
        assert_int_equal(json_write(&b, v, 0), max >= 22);
        assert_int_equal(b.failed, max < 22);
        assert_true(b.n <= max);
    }
}

static void undefined_members_are_left_out(void **state)
{
    struct json items[] = {JSON_NOTHING, {.type = JSON_EXT}, json_int(1)};
    struct json_member members[] = {
        {json_str("a"), JSON_NOTHING}, {json_str("b"), {.type = JSON_EXT}}, {json_str("c"), json_null()}};
    struct json list = {.type = JSON_ARRAY, .n = 3, .u.items = items};
    struct json object = {.type = JSON_OBJECT, .n = 3, .u.members = members};

    assert_string_equal(text_of(*state, list, 0), "[null,null,1]");
    assert_string_equal(text_of(*state, object, 0), "{\"c\":null}");
    assert_string_equal(text_of(*state, JSON_NOTHING, 0), "");
}

static void a_merge_patch_follows_rfc_7396_appendix_a(void **state)
{
    static const char *const cases[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct json v;

        assert_int_equal(json_merge_patch(*state, parse(*state, cases[i][0]), parse(*state, cases[i][1]), &v, NULL),
                         TL_OK);
        assert_string_equal(text_of(*state, v, 0), cases[i][2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_parsed_is_written_again, setup, teardown),
        cmocka_unit_test_setup_teardown(escapes_and_white_space_are_normalised, setup, teardown),
        cmocka_unit_test_setup_teardown(a_malformed_text_is_refused_with_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lone_surrogate_survives_when_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_of_equal_names_wins_when_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(depth_and_size_are_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(a_number_of_megabytes_is_read_in_bounded_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(values_follow_one_another_in_a_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_are_rounded_correctly, setup, teardown),
        cmocka_unit_test_setup_teardown(doubles_are_spelled_as_javascript_does, setup, teardown),
        cmocka_unit_test_setup_teardown(any_double_reads_back, setup, teardown),
        cmocka_unit_test_setup_teardown(whole_numbers_are_recognised_in_any_spelling, setup, teardown),
        cmocka_unit_test_setup_teardown(equality_is_by_value, setup, teardown),
        cmocka_unit_test_setup_teardown(builders_grow_and_large_objects_find_their_members, setup, teardown),
        cmocka_unit_test_setup_teardown(the_writer_stops_at_the_limit_of_its_buffer, setup, teardown),
        cmocka_unit_test_setup_teardown(undefined_members_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_merge_patch_follows_rfc_7396_appendix_a, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
