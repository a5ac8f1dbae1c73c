/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cases of the function library: cases.jsonl beside this file (every function and every error code), what the
 * differential test has found, and every example of the reference page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jsonata/jsonata.h"

static char *read_file(const char *path, size_t *ret_n)
{
    FILE *f = fopen(path, "rb");
    char piece[4096];
    size_t n;
    struct tl_buf b;

    if (!f)
        return NULL;
    tl_buf_init(&b, 16 << 20);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        assert_true(tl_buf_put(&b, piece, n));
    (void)fclose(f);
    return tl_buf_take(&b, ret_n);
}

static struct json parse(struct tl_arena *a, struct tl_sv text)
{
    struct json v = JSON_NOTHING;
    struct tl_err err = {0};

    if (json_parse(a, text, JSON_PARSE_LONE_SURROGATES, NULL, &v, &err) != TL_OK)
        fail_msg("%.*s: %s", TL_SV_ARG(text), err.text);
    return v;
}

/* The value, or an error's code in `code`. */
static struct json evaluate(struct tl_arena *a, struct tl_sv expr, struct json data, char code[8])
{
    static const struct jsonata_budget budget = {.steps = 100000000};
    struct jsonata_program *program = NULL;
    struct jsonata_input in = {.data = data, .budget = &budget};
    struct jsonata_error error = {0};
    struct tl_err err = {0};
    struct json result = JSON_NOTHING, copy;
    enum tl_rc rc = jsonata_compile(expr, NULL, &program, &error, &err);

    if (rc == TL_OK)
        rc = jsonata_run(program, a, &in, &result, &error, &err);
    snprintf(code, 8, "%s", rc == TL_OK ? "" : error.code);
    copy = rc == TL_OK && result.type != JSON_UNDEFINED ? json_copy(a, result) : JSON_NOTHING;
    jsonata_unref(program);
    return copy;
}

static char *text_of(struct json v)
{
    struct tl_buf b;
    size_t n;

    if (v.type == JSON_UNDEFINED)
        return tl_strdup("undefined");
    tl_buf_init(&b, 1 << 20);
    (void)json_write(&b, v, 0);
    return tl_buf_take(&b, &n);
}

static bool check(struct tl_arena *a, struct tl_sv expr, struct json data, struct json want, const char *want_code)
{
    char code[8];
    struct json got = evaluate(a, expr, data, code);
    bool same = want_code[0]
                    ? strcmp(code, want_code) == 0
                    : !code[0] && (want.type == JSON_UNDEFINED ? got.type == JSON_UNDEFINED : json_equal(got, want));

    if (!same) {
        char *w = text_of(want), *g = text_of(got);

        print_error("%.*s\n  want %s %s\n  got  %s %s\n", TL_SV_ARG(expr), want_code, w, code, g);
        tl_free(w);
        tl_free(g);
    }
    return same;
}

static void run_cases(const char *path)
{
    size_t n = 0, at = 0;
    int failed = 0, count = 0;
    char *text = read_file(path, &n);

    assert_non_null(text);
    while (at < n) {
        struct tl_sv rest = tl_sv(text + at, n - at), line = tl_sv(rest.p, tl_sv_find(rest, '\n'));

        at += line.n + 1;
        if (line.n == 0)
            continue;
        struct tl_arena *a = tl_arena_new(64 << 20);
        struct json c = parse(a, line);
        char code[8];

        snprintf(code, sizeof code, "%.*s", TL_SV_ARG(json_text(json_gets(c, "code"), TL_SV(""))));
        failed += !check(a, json_view(json_gets(c, "expr")), json_gets(c, "data"), json_gets(c, "result"), code);
        count++;
        tl_arena_free(a);
    }
    tl_free(text);
    assert_int_equal(failed, 0);
    assert_true(count > 0);
}

static void every_function_and_error_code_has_a_case(void **state)
{
    (void)state;
    run_cases("src/jsonata/functions/test/cases.jsonl");
}

static void what_the_differential_test_found_stays_fixed(void **state)
{
    (void)state;
    run_cases("tests/differential/cases.jsonl");
}

/* The tail of "=> ..." : a JSON value, undefined, or "error CODE". */
static bool check_example(struct tl_sv expr, struct tl_sv result)
{
    struct tl_arena *a = tl_arena_new(64 << 20);
    char code[8] = "";
    struct json want = JSON_NOTHING;

    if (tl_sv_starts(result, TL_SV("error ")))
        snprintf(code, sizeof code, "%.*s", TL_SV_ARG(tl_sv_from(result, 6)));
    else if (!tl_sv_eqs(result, "undefined"))
        want = parse(a, result);
    bool ok = check(a, expr, json_null(), want, code);

    tl_arena_free(a);
    return ok;
}

static void every_example_of_the_reference_page_holds(void **state)
{
    size_t n = 0;
    char *text = read_file("docs/reference/jsonata-functions.md", &n);
    struct tl_sv line, before = TL_SV("");
    int failed = 0, count = 0;

    (void)state;
    assert_non_null(text);
    for (struct tl_sv rest = tl_sv(text, n); tl_sv_cut(&rest, '\n', &line); before = line)
        if (tl_sv_starts(line, TL_SV("=> "))) {
            failed += !check_example(before, tl_sv_from(line, 3));
            count++;
        }
    tl_free(text);
    assert_int_equal(failed, 0);
    assert_true(count > 90);
}

static void a_pattern_that_backtracks_for_ever_ends_with_an_error(void **state)
{
    struct tl_arena *a = tl_arena_new(64 << 20);

    (void)state;
    assert_true(
        check(a, tl_sv_str("$contains($join([1..40].('a')) & '!', /^(a+)+$/)"), json_null(), JSON_NOTHING, "U1001"));
    tl_arena_free(a);
}

static void a_text_beyond_the_memory_limit_ends_with_an_error(void **state)
{
    struct tl_arena *a = tl_arena_new(8 << 20);

    (void)state;
    assert_true(check(a, tl_sv_str("$length($pad('x', 1000000000))"), json_null(), JSON_NOTHING, "U1002"));
    tl_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_and_error_code_has_a_case),
        cmocka_unit_test(what_the_differential_test_found_stays_fixed),
        cmocka_unit_test(every_example_of_the_reference_page_holds),
        cmocka_unit_test(a_pattern_that_backtracks_for_ever_ends_with_an_error),
        cmocka_unit_test(a_text_beyond_the_memory_limit_ends_with_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
