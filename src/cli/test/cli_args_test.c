/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a command into its options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/cli_int.h"

struct options {
    const char *file;
    uint64_t count;
    double rate, share;
    bool json;
};
static const struct cli_option table[] = {
    {"file", 'f', CLI_TEXT, "FILE", offsetof(struct options, file), "a file"},
    {"count", 'n', CLI_NUMBER, "N", offsetof(struct options, count), "a number"},
    {"rate", 0, CLI_DECIMAL, "N", offsetof(struct options, rate), "a rate"},
    {"share", 0, CLI_PERCENT, "PERCENT", offsetof(struct options, share), "a share"},
    {"json", 'j', CLI_FLAG, NULL, offsetof(struct options, json), "a flag"},
};
static const struct cli_verb verb = {
    .name = "try", .summary = "a command for tests", CLI_OPTIONS(table, struct options), .min_args = 0, .max_args = 2};

struct outcome {
    bool ok;
    int code, n;
    struct options o;
    const char *words[8];
};
static struct outcome parse(int argc, const char *const *words)
{
    struct outcome r = {.code = -1};
    struct cli_args args;
    char *argv[16] = {0};

    for (int i = 0; i < argc; i++)
        argv[i] = tl_strdup(words[i]);
    r.ok = cli__parse(&verb, "try", argc, argv, &r.o, &args, &r.code);
    r.n = args.n;
    for (int i = 0; i < args.n && i < 8; i++)
        r.words[i] = words[0]; /* only counted: the texts are freed below */
    if (r.o.file)
        r.o.file = strcmp(r.o.file, "-") == 0 ? "-" : strcmp(r.o.file, "a=b") == 0 ? "a=b" : "other";
    tl_free(args.v);
    for (int i = 0; i < argc; i++)
        tl_free(argv[i]);
    return r;
}
#define PARSE(...)                                                                                                     \
    parse((int)TL_COUNT(((const char *const[]){"try", __VA_ARGS__})), (const char *const[]){"try", __VA_ARGS__})

static void options_and_words_may_be_mixed(void **state)
{
    struct outcome r = PARSE("one", "--count", "12", "-j", "two");

    (void)state;
    assert_true(r.ok);
    assert_int_equal(r.o.count, 12);
    assert_true(r.o.json);
    assert_int_equal(r.n, 2);
}

static void a_value_stands_after_an_equals_sign_or_is_the_next_word(void **state)
{
    (void)state;
    assert_string_equal(PARSE("--file=a=b").o.file, "a=b");
    assert_string_equal(PARSE("-f", "a=b").o.file, "a=b");
    assert_string_equal(PARSE("-fa=b").o.file, "a=b");
    assert_string_equal(PARSE("-f", "-").o.file, "-");
}

static void a_dash_alone_is_a_word_and_two_end_the_options(void **state)
{
    struct outcome r = PARSE("-", "--", "--json");

    (void)state;
    assert_true(r.ok);
    assert_int_equal(r.n, 2);
    assert_false(r.o.json);
}

static void shares_are_per_cent(void **state)
{
    (void)state;
    assert_true(PARSE("--share", "5%").o.share == 0.05);
    assert_true(PARSE("--share", "100").o.share == 1.0);
    assert_true(PARSE("--rate", "2.5").o.rate == 2.5);
}

static void what_is_wrong_ends_with_exit_code_two(void **state)
{
    static const char *const words[][3] = {{"--nope"},         {"--count"},  {"--count", "x"}, {"--count", "-1"},
                                           {"--share", "101"}, {"--json=1"}, {"-x"},           {"-jx"},
                                           {"--rate", "nan"}};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(words); i++) {
        const char *all[] = {"try", words[i][0], words[i][1]};
        struct outcome r = parse(words[i][1] ? 3 : 2, all);

        assert_false(r.ok);
        assert_int_equal(r.code, CLI_USAGE);
    }
    assert_int_equal(PARSE("a", "b", "c").code, CLI_USAGE);
}

static void help_is_asked_for_in_any_place(void **state)
{
    struct outcome r = PARSE("a", "--help");

    (void)state;
    assert_false(r.ok);
    assert_int_equal(r.code, CLI_OK);
    assert_int_equal(PARSE("-h").code, CLI_OK);
}

static void every_error_has_its_exit_code(void **state)
{
    (void)state;
    assert_int_equal(cli__exit_of(TL_OK), CLI_OK);
    assert_int_equal(cli__exit_of(TL_NOT_FOUND), CLI_NOT_FOUND);
    assert_int_equal(cli__exit_of(TL_CONFIG), CLI_USAGE);
    assert_int_equal(cli__exit_of(TL_UNREACHABLE), CLI_NO_SERVER);
    assert_int_equal(cli__exit_of(TL_BUSY), CLI_NO_SERVER);
    assert_int_equal(cli__exit_of(TL_CONFLICT), CLI_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_words_may_be_mixed),
        cmocka_unit_test(a_value_stands_after_an_equals_sign_or_is_the_next_word),
        cmocka_unit_test(a_dash_alone_is_a_word_and_two_end_the_options),
        cmocka_unit_test(shares_are_per_cent),
        cmocka_unit_test(what_is_wrong_ends_with_exit_code_two),
        cmocka_unit_test(help_is_asked_for_in_any_place),
        cmocka_unit_test(every_error_has_its_exit_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
