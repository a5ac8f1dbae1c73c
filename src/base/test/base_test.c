/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/base.h"

static void an_arena_refuses_to_pass_its_limit_and_says_so(void **state)
{
    struct tl_arena *a = tl_arena_new(10000);

    (void)state;
    assert_non_null(tl_arena_alloc(a, 4000));
    assert_non_null(tl_arena_alloc(a, 4000));
    assert_null(tl_arena_alloc(a, 4000));
    assert_true(tl_arena_exceeded(a));
    tl_arena_reset(a);
    assert_false(tl_arena_exceeded(a));
    assert_non_null(tl_arena_alloc(a, 4000));
    tl_arena_free(a);
}

static void count_call(void *arg)
{
    ++*(int *)arg;
}

static void a_rewound_arena_gives_the_same_memory_again_and_runs_its_cleanups(void **state)
{
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct tl_arena_mark m;
    void *first;
    int calls = 0;

    (void)state;
    assert_non_null(tl_arena_alloc(a, 100));
    m = tl_arena_mark(a);
    first = tl_arena_alloc(a, 64);
    tl_arena_on_free(a, count_call, &calls);
    assert_non_null(tl_arena_alloc(a, 100000));
    tl_arena_rewind(a, m);
    assert_int_equal(calls, 1);
    assert_ptr_equal(tl_arena_alloc(a, 64), first);
    tl_arena_free(a);
    assert_int_equal(calls, 1);
}

static void the_last_allocation_grows_in_place(void **state)
{
    struct tl_arena *a = tl_arena_new(1 << 20);
    char *p = tl_arena_alloc(a, 10), *q;

    (void)state;
    memcpy(p, "0123456789", 10);
    assert_ptr_equal(tl_arena_grow(a, p, 10, 100), p);
    assert_non_null(tl_arena_alloc(a, 1));
    q = tl_arena_grow(a, p, 100, 200);
    assert_ptr_not_equal(q, p);
    assert_memory_equal(q, "0123456789", 10);
    tl_arena_free(a);
}

static void a_buffer_stops_at_its_limit_and_stays_failed(void **state)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b;

    (void)state;
    tl_buf_init(&b, 8);
    assert_true(tl_buf_puts(&b, "1234567"));
    assert_false(tl_buf_puts(&b, "89"));
    assert_false(tl_buf_putc(&b, '8'));
    assert_string_equal(b.p, "1234567");
    tl_buf_clear(&b);
    assert_true(tl_buf_printf(&b, "%d", 12345678));
    assert_string_equal(b.p, "12345678");
}

static void decimal_text_is_read_strictly(void **state)
{
    uint64_t u;
    int64_t i;

    (void)state;
    assert_true(tl_sv_u64(TL_SV("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    assert_false(tl_sv_u64(TL_SV("18446744073709551616"), &u));
    assert_false(tl_sv_u64(TL_SV("+1"), &u));
    assert_false(tl_sv_u64(TL_SV(""), &u));
    assert_true(tl_sv_i64(TL_SV("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_false(tl_sv_i64(TL_SV("9223372036854775808"), &i));
}

static void cutting_gives_the_last_empty_part_once(void **state)
{
    struct tl_sv rest = TL_SV("a,,b,"), part;
    const char *expected[] = {"a", "", "b", ""};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_true(tl_sv_cut(&rest, ',', &part));
        assert_true(tl_sv_eqs(part, expected[i]));
    }
    assert_false(tl_sv_cut(&rest, ',', &part));
}

static void the_nearest_name_is_suggested_only_when_it_is_near(void **state)
{
    static const char *const names[] = {"connection", "attempts", "retry"};

    (void)state;
    assert_string_equal(tl_nearest(TL_SV("conection"), names, 3), "connection");
    assert_string_equal(tl_nearest(TL_SV("rety"), names, 3), "retry");
    assert_null(tl_nearest(TL_SV("xyzzy"), names, 3));
}

static void secrets_compare_by_value_and_length(void **state)
{
    (void)state;
    assert_true(tl_sv_eq_secret(TL_SV("abc"), TL_SV("abc")));
    assert_false(tl_sv_eq_secret(TL_SV("abc"), TL_SV("abd")));
    assert_false(tl_sv_eq_secret(TL_SV("abc"), TL_SV("ab")));
}

static void base64_has_one_spelling_for_a_value(void **state)
{
    static const struct {
        const char *plain, *std, *url;
    } rows[] = {
        {"", "", ""}, {"f", "Zg==", "Zg"}, {"fo", "Zm8=", "Zm8"}, {"foo", "Zm9v", "Zm9v"}, {"\xff\xfe", "//4=", "__4"}};
    static const char *const bad[] = {"Zg", "Zg=", "Zh==", "Z===", "Zm9v=", "Zm 9v", "Zm9v\n", "=", "===="};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        TL_CLEANUP(tl_buf_done) struct tl_buf b;

        tl_buf_init(&b, 100);
        tl_base64_encode(&b, rows[i].plain, strlen(rows[i].plain));
        assert_true(tl_sv_eqs(tl_buf_view(&b), rows[i].std));
        tl_buf_clear(&b);
        assert_true(tl_base64_decode(&b, tl_sv_str(rows[i].std)));
        assert_true(tl_sv_eqs(tl_buf_view(&b), rows[i].plain));
        tl_buf_clear(&b);
        assert_true(tl_base64url_decode(&b, tl_sv_str(rows[i].url)));
        assert_true(tl_sv_eqs(tl_buf_view(&b), rows[i].plain));
    }
    for (size_t i = 0; i < TL_COUNT(bad); i++) {
        TL_CLEANUP(tl_buf_done) struct tl_buf b;

        tl_buf_init(&b, 100);
        if (tl_base64_decode(&b, tl_sv_str(bad[i])))
            fail_msg("accepted '%s'", bad[i]);
    }
}

static void percent_encoding_round_trips_and_refuses_half_an_escape(void **state)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b;

    (void)state;
    tl_buf_init(&b, 100);
    tl_percent_encode(&b, TL_SV("a b/\xc3\xa9~"));
    assert_string_equal(b.p, "a%20b%2F%C3%A9~");
    tl_buf_clear(&b);
    assert_true(tl_percent_decode(&b, TL_SV("a+b%2f"), true));
    assert_string_equal(b.p, "a b/");
    tl_buf_clear(&b);
    assert_false(tl_percent_decode(&b, TL_SV("%2"), false));
    tl_buf_clear(&b);
    assert_false(tl_percent_decode(&b, TL_SV("%zz"), false));
}

static void a_map_survives_growth_and_removal_and_keeps_order(void **state)
{
    static char values[5001];
    struct tl_map *m = tl_map_new();
    char key[16];
    struct tl_sv k;
    void *v;
    size_t seen = 0;
    char *last = values;

    (void)state;
    for (size_t i = 1; i <= 5000; i++) {
        snprintf(key, sizeof key, "k%zu", i);
        assert_null(tl_map_put(m, tl_sv_str(key), &values[i]));
    }
    for (size_t i = 1; i <= 5000; i += 2) {
        snprintf(key, sizeof key, "k%zu", i);
        assert_ptr_equal(tl_map_remove(m, tl_sv_str(key)), &values[i]);
    }
    assert_null(tl_map_get(m, TL_SV("k1")));
    assert_ptr_equal(tl_map_get(m, TL_SV("k2")), &values[2]);
    for (size_t i = 0; tl_map_next(m, &i, &k, &v); seen++) {
        assert_true((char *)v > last);
        last = v;
    }
    assert_int_equal(seen, 2500);
    assert_int_equal(tl_map_count(m), 2500);
    tl_map_free(m);
}

static void times_are_read_with_any_offset_and_written_in_utc(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {{"1970-01-01T00:00:00Z", 0},
                {"2026-11-24T18:20:00.123Z", 1795544400123},
                {"2026-11-24T19:20:00.123+01:00", 1795544400123},
                {"2000-02-29T12:00:00-00:30", 951827400000},
                {"1969-12-31T23:59:59.999Z", -1}};
    static const char *const bad[] = {"2026-02-29T00:00:00Z", "2026-11-24T24:00:00Z",  "2026-11-24T18:20:00",
                                      "2026-11-24 18:20Z",    "2026-11-24T18:20:00.Z", "2026-13-01T00:00:00Z"};
    char text[TL_TIME_TEXT];
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        assert_true(tl_time_parse(tl_sv_str(rows[i].text), &ms));
        assert_int_equal(ms, rows[i].ms);
        assert_true(tl_time_parse(tl_sv_str(tl_time_format(ms, text)), &ms));
        assert_int_equal(ms, rows[i].ms);
    }
    for (size_t i = 0; i < TL_COUNT(bad); i++) {
        if (tl_time_parse(tl_sv_str(bad[i]), &ms))
            fail_msg("accepted '%s'", bad[i]);
    }
}

static void all_three_http_date_forms_are_read(void **state)
{
    static const char *const same[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994"};
    char text[TL_TIME_TEXT];
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(same); i++) {
        assert_true(tl_http_date_parse(tl_sv_str(same[i]), &ms));
        assert_int_equal(ms, 784111777000);
    }
    assert_string_equal(tl_http_date_format(784111777000, text), same[0]);
    assert_false(tl_http_date_parse(TL_SV("soon"), &ms));
}

static void durations_and_sizes_read_and_print(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"500ms", 500}, {"30s", 30000}, {"1m30s", 90000}, {"2h", 7200000}, {"7d", 604800000}};
    static const char *const bad[] = {"", "30", "s", "1.5s", "-1s", "1w", "99999999999999999999s"};
    char text[32];
    int64_t ms;
    uint64_t bytes;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(good); i++) {
        assert_true(tl_duration_parse(tl_sv_str(good[i].text), &ms));
        assert_int_equal(ms, good[i].ms);
        assert_string_equal(tl_duration_format(ms, text), good[i].text);
    }
    for (size_t i = 0; i < TL_COUNT(bad); i++) {
        if (tl_duration_parse(tl_sv_str(bad[i]), &ms))
            fail_msg("accepted '%s'", bad[i]);
    }
    assert_true(tl_size_parse(TL_SV("10MB"), &bytes));
    assert_int_equal(bytes, 10 << 20);
    assert_true(tl_size_parse(TL_SV("512"), &bytes));
    assert_int_equal(bytes, 512);
    assert_false(tl_size_parse(TL_SV("10XB"), &bytes));
    assert_string_equal(tl_size_format(1536, text), "1.5 KB");
}

static void identifiers_sort_as_their_numbers_and_read_back(void **state)
{
    char a[14], b[14];
    uint64_t id;

    (void)state;
    assert_true(strcmp(tl_id32_format(41, a), tl_id32_format(UINT64_MAX, b)) < 0);
    assert_true(tl_id32_parse(b, 13, &id));
    assert_true(id == UINT64_MAX);
    assert_true(tl_id32_parse("0000000000OIL", 13, &id));
    assert_int_equal(id, (1 << 5) + 1);
    assert_false(tl_id32_parse("ZZZZZZZZZZZZZ", 13, &id));
}

static void utf8_refuses_overlong_forms_and_surrogates(void **state)
{
    static const char *const bad[] = {"\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\xff",     "\xe2\x82",     "\x80"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(bad); i++)
        assert_int_equal(tl_utf8_valid(tl_sv_str(bad[i])), 0);
    assert_int_equal(tl_utf8_valid(TL_SV("h\xc3\xa9llo w\xf0\x9f\x98\x80rld")), 15);
    assert_int_equal(tl_utf8_count(TL_SV("h\xc3\xa9llo w\xf0\x9f\x98\x80rld")), 11);
    assert_int_equal(tl_utf8_offset(TL_SV("h\xc3\xa9llo"), 2), 3);
}

static void a_text_is_cut_between_characters(void **state)
{
    const struct tl_sv s = TL_SV("h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"); /* 1 + 2 + 3 + 4 bytes */
    static const size_t kept[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};

    (void)state;
    for (size_t most = 0; most < TL_COUNT(kept); most++) {
        struct tl_sv cut = tl_utf8_cut(s, most);

        assert_ptr_equal(cut.p, s.p);
        assert_int_equal(cut.n, kept[most]);
    }
    assert_int_equal(tl_utf8_cut(TL_SV("\x80\x80\x80"), 2).n, 0);
    assert_int_equal(tl_utf8_cut(TL_SV_NULL, 0).n, 0);
}

static void an_error_that_is_too_long_ends_at_a_character(void **state)
{
    static const char *const characters[] = {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "x"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(characters); i++) {
        char many[1000] = "";
        struct tl_err err;

        for (size_t k = 0; k < 240; k++)
            strcat(many, characters[i]);
        for (const char *lead = "1234"; *lead; lead++) { /* the cut is at each byte of a character */
            (void)tl_fail(&err, TL_INVALID, "%s%s%s", lead, many, many);
            assert_int_equal(tl_utf8_valid(tl_sv_str(err.text)), strlen(err.text));
            assert_true(strlen(err.text) > sizeof err.text - 5);
            (void)tl_err_prefix(&err, "%s", lead);
            assert_int_equal(tl_utf8_valid(tl_sv_str(err.text)), strlen(err.text));
            assert_true(strlen(err.text) > sizeof err.text - 8);
        }
    }
}

static void an_error_keeps_its_row_when_context_is_put_before_it(void **state)
{
    struct tl_err err;
    enum tl_rc rc;

    (void)state;
    assert_int_equal(tl_fail_at(&err, TL_PARSE, 3, 7, "no value for '%s'", "a"), TL_PARSE);
    assert_int_equal(tl_err_prefix(&err, "flow %s", "orders"), TL_PARSE);
    assert_string_equal(err.text, "flow orders: no value for 'a'");
    assert_int_equal(err.line, 3);
    for (int i = 0; i < TL_RC_COUNT; i++) {
        assert_true(tl_rc_parse(tl_rc_name((enum tl_rc)i), &rc));
        assert_int_equal(rc, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arena_refuses_to_pass_its_limit_and_says_so),
        cmocka_unit_test(a_rewound_arena_gives_the_same_memory_again_and_runs_its_cleanups),
        cmocka_unit_test(the_last_allocation_grows_in_place),
        cmocka_unit_test(a_buffer_stops_at_its_limit_and_stays_failed),
        cmocka_unit_test(decimal_text_is_read_strictly),
        cmocka_unit_test(cutting_gives_the_last_empty_part_once),
        cmocka_unit_test(the_nearest_name_is_suggested_only_when_it_is_near),
        cmocka_unit_test(secrets_compare_by_value_and_length),
        cmocka_unit_test(base64_has_one_spelling_for_a_value),
        cmocka_unit_test(percent_encoding_round_trips_and_refuses_half_an_escape),
        cmocka_unit_test(a_map_survives_growth_and_removal_and_keeps_order),
        cmocka_unit_test(times_are_read_with_any_offset_and_written_in_utc),
        cmocka_unit_test(all_three_http_date_forms_are_read),
        cmocka_unit_test(durations_and_sizes_read_and_print),
        cmocka_unit_test(identifiers_sort_as_their_numbers_and_read_back),
        cmocka_unit_test(utf8_refuses_overlong_forms_and_surrogates),
        cmocka_unit_test(a_text_is_cut_between_characters),
        cmocka_unit_test(an_error_that_is_too_long_ends_at_a_character),
        cmocka_unit_test(an_error_keeps_its_row_when_context_is_put_before_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
