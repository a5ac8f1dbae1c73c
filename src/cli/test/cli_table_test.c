/* SPDX-License-Identifier: Apache-2.0 */
/* Tables and differences, as people see them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/cli_int.h"

static const char *const heads[] = {"name", ">count", "reason"};

static struct cli_table *row(const char *name, const char *count, const char *reason)
{
    struct cli_table *t = cli__table_new(heads, TL_COUNT(heads));

    cli__table_cell(t, tl_sv_str(name), CLI_PLAIN);
    cli__table_cell(t, tl_sv_str(count), CLI_PLAIN);
    cli__table_cell(t, tl_sv_str(reason), CLI_BAD);
    return t;
}

static void check(struct cli_table *t, bool color, size_t width, const char *expected)
{
    struct tl_buf b;

    tl_buf_init(&b, 65536);
    cli__table_write(t, &b, color, width);
    assert_string_equal(b.p, expected);
    tl_buf_done(&b);
    cli__table_free(t);
}

static void columns_are_aligned_and_numbers_stand_to_the_right(void **state)
{
    struct cli_table *t = row("orders-to-erp", "7", "down");

    (void)state;
    cli__table_cell(t, TL_SV("x"), CLI_PLAIN);
    cli__table_json(t, json_int(1234567));
    cli__table_json(t, json_null());
    assert_int_equal(cli__table_rows(t), 2);
    check(t, false, 0,
          "name             count  reason\n"
          "orders-to-erp        7  down\n"
          "x              1234567  -\n");
}

static void characters_count_not_bytes(void **state)
{
    (void)state;
    check(row("\xc3\xa4\xc3\xb6\xc3\xbc", "1", "z"), false, 0,
          "name  count  reason\n"
          "\xc3\xa4\xc3\xb6\xc3\xbc       1  z\n");
}

static void the_last_column_is_cut_to_the_terminal(void **state)
{
    (void)state;
    check(row("a", "1", "0123456789abcdefghij"), false, 23,
          "name  count  reason\n"
          "a         1  0123456...\n");
}

static void a_wide_table_fits_and_ids_and_numbers_stay_whole(void **state)
{
    static const char *const wide[] = {"id", "flow", "received", ">attempts", "reason"};
    static const char *const expected[] = {
        "id             flow                   received             attempts  reason\n"
        "00000000000A1  a-flow-with-a-long...  2026-11-30T21:41:50     12345  no address\n",
        "id             flow       received             attem  reason\n"
        "00000000000A1  a-flow...  2026-11-30T21:41:50  12345  no address\n",
        "id            flow received   attem reas\n"
        "00000000000A1 a-fl 2026-11-30 12345 no a\n"};
    static const size_t widths[] = {79, 64, 40};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(widths); i++) {
        struct cli_table *t = cli__table_new(wide, TL_COUNT(wide));

        cli__table_cell(t, TL_SV("00000000000A1"), CLI_PLAIN);
        cli__table_cell(t, TL_SV("a-flow-with-a-long-name"), CLI_PLAIN);
        cli__table_cell(t, TL_SV("2026-11-30T21:41:50.123Z"), CLI_PLAIN);
        cli__table_cell(t, TL_SV("12345"), CLI_PLAIN);
        cli__table_cell(t, TL_SV("no address"), CLI_PLAIN);
        check(t, false, widths[i], expected[i]);
    }
}

static void texts_from_outside_cannot_drive_the_terminal(void **state)
{
    (void)state;
    check(row("a\033[31m", "1",
              "b\xc2\x9b"
              "31m\nc \xe2\x80\xae-\x9b"),
          false, 0,
          "name    count  reason\n"
          "a?[31m      1  b?31m c ?-?\n");
}

static void colour_only_when_asked_for(void **state)
{
    struct tl_buf b;
    struct cli_table *t = row("a", "1", "dead");

    (void)state;
    tl_buf_init(&b, 65536);
    cli__table_write(t, &b, true, 0);
    assert_non_null(strstr(b.p, "\033[31mdead\033[0m"));
    tl_buf_done(&b);
    cli__table_free(t);
}

/* ---- differences ---- */
static size_t diff(const char *expected, const char *got, struct tl_buf *out)
{
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct json e = JSON_NOTHING, g = JSON_NOTHING;
    size_t n;

    if (*expected)
        assert_int_equal(json_parse(a, tl_sv_str(expected), 0, NULL, &e, NULL), TL_OK);
    if (*got)
        assert_int_equal(json_parse(a, tl_sv_str(got), 0, NULL, &g, NULL), TL_OK);
    tl_buf_clear(out);
    n = cli__diff(e, g, out);
    tl_arena_free(a);
    return n;
}

static void equal_values_have_no_difference(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""}, {"1", "1.0"}, {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"}, {"null", "null"}, {"[1,[2]]", "[1,[2]]"}};
    struct tl_buf b;

    (void)state;
    tl_buf_init(&b, 65536);
    for (size_t i = 0; i < TL_COUNT(pairs); i++)
        assert_int_equal(diff(pairs[i][0], pairs[i][1], &b), 0);
    tl_buf_done(&b);
}

static void each_place_that_differs_is_named(void **state)
{
    struct tl_buf b;

    (void)state;
    tl_buf_init(&b, 65536);
    assert_int_equal(diff("{\"a\":{\"b\":[1,2]},\"c\":true}", "{\"a\":{\"b\":[1,3,4]},\"d\":null}", &b), 4);
    assert_string_equal(b.p, "  a.b[1]\n    expected  2\n    got       3\n"
                             "  a.b[2]\n    expected  nothing\n    got       4\n"
                             "  c\n    expected  true\n    got       nothing\n"
                             "  d\n    expected  nothing\n    got       null\n");
    assert_int_equal(diff("1", "", &b), 1);
    assert_string_equal(b.p, "  (the whole)\n    expected  1\n    got       nothing\n");
    assert_int_equal(diff("{}", "[]", &b), 1);
    assert_int_equal(diff("null", "", &b), 1);
    tl_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_aligned_and_numbers_stand_to_the_right),
        cmocka_unit_test(characters_count_not_bytes),
        cmocka_unit_test(the_last_column_is_cut_to_the_terminal),
        cmocka_unit_test(a_wide_table_fits_and_ids_and_numbers_stay_whole),
        cmocka_unit_test(texts_from_outside_cannot_drive_the_terminal),
        cmocka_unit_test(colour_only_when_asked_for),
        cmocka_unit_test(equal_values_have_no_difference),
        cmocka_unit_test(each_place_that_differs_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
