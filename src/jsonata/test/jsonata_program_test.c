/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling, errors with their places, budgets against hostile expressions, threads, host functions, the tree. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "jsonata/jsonata_int.h"

static struct tl_arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = tl_arena_new(64 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tl_arena_free(arena);
    return 0;
}

static struct jsonata_program *compile(const char *text, const struct jsonata_options *options)
{
    struct jsonata_program *p = NULL;
    struct jsonata_error error;

    if (jsonata_compile(tl_sv_str(text), options, &p, &error, NULL) != TL_OK)
        fail_msg("%s: %s", text, error.text);
    return p;
}

static void drop(void *program)
{
    jsonata_unref(program);
}

/* Results and errors share texts with the program: it lives as long as the arena. */
static enum tl_rc run(const char *text, struct jsonata_input *in, struct json *ret, struct jsonata_error *error)
{
    struct jsonata_program *p = compile(text, NULL);

    tl_arena_on_free(arena, drop, p);
    return jsonata_run(p, arena, in, ret, error, NULL);
}

/* ---- errors ---- */

static void syntax_errors_have_code_and_position(void **state)
{
    static const struct {
        const char *text, *code;
        int32_t position;
        const char *token;
    } cases[] = {{"a.", "S0207", 2, "(end)"},    {"a b", "S0201", 3, "b"},         {"[1,2", "S0203", 4, "(end)"},
                 {"(1,2)", "S0202", 3, ","},     {"'abc", "S0101", 4, ""},         {"a ! b", "S0204", 3, "!"},
                 {"1e999", "S0102", 0, "1e999"}, {"/* x", "S0106", 0, ""},         {"%", "S0217", -1, "parent"},
                 {"a.1", "S0213", 3, ""},        {"'\xC3\xA9' x", "S0201", 5, "x"}};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct jsonata_program *p = NULL;
        struct jsonata_error error;

        assert_int_equal(jsonata_compile(tl_sv_str(cases[i].text), NULL, &p, &error, NULL), TL_PARSE);
        assert_string_equal(error.code, cases[i].code);
        if (cases[i].position >= 0)
            assert_int_equal(error.position, cases[i].position);
        assert_string_equal(error.token, cases[i].token);
    }
}

static void an_operator_is_blamed_with_its_place_and_value(void **state)
{
    struct jsonata_input in = {0};
    struct jsonata_error error;
    struct json v;

    (void)state;
    assert_int_equal(run("1 + 'x'", &in, &v, &error), TL_INVALID);
    assert_string_equal(error.code, "T2002");
    assert_int_equal(error.position, 3);
    assert_string_equal(error.token, "+");
    assert_true(json_equal(error.value, json_str("x")));
    assert_non_null(strstr(error.text, "\"+\""));
}

/* ---- budgets ---- */

static void hostile_expressions_end_within_their_budget(void **state)
{
    static const struct {
        const char *text, *code;
    } cases[] = {
        {"($f := function($x){ 1 + $f($x) }; $f(1))", "U1001"},
        {"($f := function($x){ $f($x) }; $f(1))", "U1001"},
        {"($f := function($s,$n){ $n = 0 ? $s : $f($s & $s, $n - 1) }; $length($f('0123456789', 40)))", "U1002"},
        {"$map([1..10000000], function($x){[1..10000000]})", "U1002"},
        {"($f := function($x){ [[$f($x)]] }; $f(1))", "U1001"},
        {"$reduce([1..100000], function($a, $b){ {'x': $a} })", "U1001"},
        {"$contains($reduce([1..4], function($a, $b){ $a & $a }, 'aa'), /^(a+)+[bc]$/)", "U1001"},
        {"$reduce([1..26], function($a, $b){ {'x': $a, 'y': $a} })", "U1001"},
        {"($r := [1..10000]; $r.$count($r[$ = 0]))", "U1001"}};
    static const struct jsonata_budget budget = {.steps = 20000000, .time_ms = 5000};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct jsonata_input in = {.budget = &budget};
        struct jsonata_error error = {0};
        struct json v = JSON_NOTHING;

        tl_arena_reset(arena);
        if (run(cases[i].text, &in, &v, &error) != TL_BUDGET)
            fail_msg("%s: %s %s", cases[i].text, error.code, error.text);
        if (strcmp(error.code, cases[i].code) != 0)
            fail_msg("%s: %s %s", cases[i].text, error.code, error.text);
    }
}

static void deep_sources_are_refused(void **state)
{
    struct tl_buf text;
    struct jsonata_program *p = NULL;
    struct jsonata_error error;

    (void)state;
    tl_buf_init(&text, 1 << 20);
    for (int i = 0; i < 100000; i++)
        tl_buf_putc(&text, '[');
    assert_int_equal(jsonata_compile(tl_buf_view(&text), NULL, &p, &error, NULL), TL_PARSE);
    tl_buf_clear(&text);
    for (int i = 0; i < 100000; i++)
        tl_buf_puts(&text, "1+");
    assert_int_equal(jsonata_compile(tl_buf_view(&text), NULL, &p, &error, NULL), TL_PARSE);
    assert_string_equal(error.code, "S0501");
    tl_buf_done(&text);
}

/* ---- values from outside ---- */

static void bindings_are_variables_and_may_replace_functions(void **state)
{
    struct jsonata_input in = {0};
    struct json_builder b;
    struct json v = JSON_NOTHING;

    (void)state;
    json_object_begin(&b, arena, 2);
    json_adds(&b, "headers", json_str("h"));
    json_adds(&b, "sum", json_int(7));
    in.bindings = json_end(&b);
    assert_int_equal(run("$headers & $sum & $string($eval('$sum'))", &in, &v, NULL), TL_OK);
    assert_true(json_equal(v, json_str("h77")));
}

static void time_stands_still_during_an_evaluation(void **state)
{
    struct tl_fake_clock clock;
    struct jsonata_input in = {.clock = &clock.base};
    struct json v = JSON_NOTHING;

    (void)state;
    tl_fake_clock_init(&clock, 1700000000123);
    assert_int_equal(run("[$millis(), $now()]", &in, &v, NULL), TL_OK);
    assert_true(json_equal(v.u.items[0], json_int(1700000000123)));
    assert_true(json_equal(v.u.items[1], json_str("2023-11-14T22:13:20.123Z")));
}

static void functions_in_a_result_are_left_out(void **state)
{
    struct jsonata_input in = {0};
    struct json v = JSON_NOTHING;

    (void)state;
    assert_int_equal(run("{'a': 1, 'f': $sum, 'l': [function(){1}]}", &in, &v, NULL), TL_OK);
    assert_int_equal(v.n, 2);
    assert_int_equal(json_gets(v, "l").u.items[0].type, JSON_NULL);
}

static enum tl_rc twice(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)n;
    if (args[0].type == JSON_UNDEFINED)
        return jsonata_host_fail(e, "TL001", "nothing to double");
    *ret = jsonata_number(jsonata_double(args[0]) * *(const int *)jsonata_host(e));
    return TL_OK;
}

static void host_functions_take_arguments_from_the_context(void **state)
{
    static const struct jsonata_native rows[] = {{"twice", "<n?:n>", twice}};
    static const struct jsonata_namespace space = {"tl", rows, 1};
    struct jsonata_options options = {.namespaces = &space, .namespace_count = 1};
    struct jsonata_program *p TL_CLEANUP(jsonata_unrefp) = compile("a.$tl.twice(b)", &options);
    int factor = 2;
    struct jsonata_input in = {.host = &factor};
    struct jsonata_error error;
    struct json v = JSON_NOTHING;

    (void)state;
    assert_int_equal(json_parse(arena, TL_SV("{\"a\":[{\"b\":1},{\"b\":2}]}"), 0, NULL, &in.data, NULL), TL_OK);
    assert_int_equal(jsonata_run(p, arena, &in, &v, &error, NULL), TL_OK);
    assert_true(json_equal(v.u.items[1], json_int(4)));
    options.strict = true;
    jsonata_unref(p);
    p = compile("$tl.twice(1)", &options);
    assert_int_equal(jsonata_run(p, arena, &in, &v, &error, NULL), TL_OK);
    assert_int_equal(v.type, JSON_UNDEFINED);
}

/* ---- one program, many threads ---- */

static void *evaluate_often(void *program)
{
    struct json_builder b;

    for (int i = 0; i < 300; i++) {
        struct tl_arena *a = tl_arena_new(1 << 20);
        struct jsonata_input in = {0};
        struct json v = JSON_NOTHING;

        json_object_begin(&b, a, 2);
        if (i % 2)
            json_adds(&b, "other", json_null());
        json_adds(&b, "n", json_int(i));
        in.data = json_end(&b);
        if (jsonata_run(program, a, &in, &v, NULL, NULL) != TL_OK || !json_equal(v, json_int(i * 3)))
            return program;
        tl_arena_free(a);
    }
    return NULL;
}

static void threads_share_a_program(void **state)
{
    struct jsonata_program *p TL_CLEANUP(jsonata_unrefp) = compile("($f := function($x){$x * 3}; $f(n))", NULL);
    pthread_t threads[4];
    void *failed;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, evaluate_often, p), 0);
    for (size_t i = 0; i < TL_COUNT(threads); i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

/* ---- numbers ---- */

static void a_number_of_the_expression_is_written_in_digits(void **state)
{
    static const char *const cases[][2] = {{"1e20", "100000000000000000000"},
                                           {"-1E20", "-100000000000000000000"},
                                           {"$number('1E+20')", "100000000000000000000"},
                                           {"$number('-1.0e20')", "-100000000000000000000"},
                                           {"[1e3, 1e18]", "[1000,1000000000000000000]"},
                                           {"12345678901234567890", "12345678901234567890"},
                                           {"-12345678901234567890", "-12345678901234567890"},
                                           {"$number('-12345678901234567891')", "-12345678901234567891"}};
    struct jsonata_input in = {0};
    struct jsonata_error error;
    struct json v;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

        tl_buf_init(&b, 256);
        if (run(cases[i][0], &in, &v, &error) != TL_OK)
            fail_msg("%s: %s", cases[i][0], error.text);
        assert_true(json_write(&b, v, 0));
        if (!tl_sv_eqs(tl_buf_view(&b), cases[i][1]))
            fail_msg("%s is %.*s", cases[i][0], TL_SV_ARG(tl_buf_view(&b)));
    }
}

/* ---- keys ---- */

static void a_key_of_which_a_part_is_missing_is_nothing(void **state)
{
    static const struct {
        const char *text, *plain; /* plain: what the language says */
    } missing[] = {{"n & '/' & v", "\"7/\""},
                   {"gone & '/' & v", "\"/\""},
                   {"n & '/' & no", "\"7/null\""},
                   {"[n, v]", "[7]"},
                   {"[n, no]", "[7,null]"},
                   {"{'n': n, 'v': v}", "{\"n\":7}"},
                   {"{'n': n, 'v': {'no': no}}", "{\"n\":7,\"v\":{\"no\":null}}"},
                   {"$append(n, v)", "7"},
                   {"$join([t, v], '/')", "\"x\""},
                   {"deep.(a & '/' & b)", "\"1/\""},
                   {"$lowercase(t & v)", "\"x\""},
                   {"($f := function($a, $b){ $a & '-' & $b }; $f(n, v))", "\"7-\""},
                   {"'order ' & $eval('n & v')", "\"order 7\""},
                   {"[v, n, t][1]", "\"x\""}, /* another's place: not what was meant */
                   {"[v, n][$ > 1]", "7"},
                   {"[n, v][[0, 1]]", "7"},
                   {"[[v, n], v][0]", "[7]"},
                   {"[v & '/', no][0]", "\"/\""},
                   {"[no, t][0]", "null"},
                   {"[n, v][0] & '/' & v", "\"7/\""}},
      there[] = {{"n & '/' & t", "\"7/x\""},
                 {"v ? v : n & '/'", "\"7/\""},
                 {"(v & '/') ? 1 : 2", NULL},
                 {"v ?? t", "\"x\""},
                 {"[v, t][0]", "\"x\""},
                 {"[t, v][-1]", "\"x\""},
                 {"[v, no, t][-1]", "\"x\""},
                 {"([v, t])[0]", "\"x\""},
                 {"[n & v, t & '/' & n][0]", NULL},
                 {"n & '/' & [v, t][0]", "\"7/x\""},
                 {"[[n, v], t][0]", NULL},
                 {"deep.[b, a][0]", "1"},
                 {"n & (v ? '/' & v : '')", "\"7\""},
                 {"n & '/' & empty", "\"7/\""},
                 {"[n, [], t]", "[7,[],\"x\"]"},
                 {"deep", "{\"a\":1,\"c\":null}"},
                 {"n", "7"}};
    struct json data = JSON_NOTHING, v;
    struct jsonata_error error;

    (void)state;
    assert_int_equal(json_parse(arena,
                                TL_SV("{\"n\":7,\"t\":\"x\",\"no\":null,\"empty\":\"\",\"deep\":{\"a\":1,\"c\":null}}"),
                                0, NULL, &data, NULL),
                     TL_OK);
    for (size_t i = 0; i < TL_COUNT(missing) + TL_COUNT(there); i++) {
        bool lacks = i < TL_COUNT(missing);
        const char *text = lacks ? missing[i].text : there[i - TL_COUNT(missing)].text;
        const char *plain = lacks ? missing[i].plain : there[i - TL_COUNT(missing)].plain;
        TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
        struct jsonata_input in = {.data = data}, key = {.data = data, .whole = true};

        tl_buf_init(&b, 256);
        if (run(text, &in, &v, &error) != TL_OK)
            fail_msg("%s: %s", text, error.text);
        assert_true(json_write(&b, v, 0));
        if (plain && !tl_sv_eqs(tl_buf_view(&b), plain))
            fail_msg("%s is %.*s", text, TL_SV_ARG(tl_buf_view(&b)));
        if (run(text, &key, &v, &error) != TL_OK)
            fail_msg("%s: %s", text, error.text);
        tl_buf_clear(&b);
        assert_true(v.type == JSON_UNDEFINED || json_write(&b, v, 0));
        if (lacks ? v.type != JSON_UNDEFINED && v.type != JSON_NULL
                  : v.type == JSON_UNDEFINED || (plain && !tl_sv_eqs(tl_buf_view(&b), plain)))
            fail_msg("%s of a key is %.*s", text, TL_SV_ARG(tl_buf_view(&b)));
    }
}

/* ---- the tree ---- */

static void the_tree_shows_paths_filters_and_groups(void **state)
{
    struct jsonata_program *p TL_CLEANUP(jsonata_unrefp) =
        compile("order.lines@$l[qty > $least].{'a': sku & ' ' & $l.name}", NULL);
    const struct jsonata_ast *t = jsonata_tree(p, arena), *step;
    const char *const *names;

    (void)state;
    assert_int_equal(t->kind, JSONATA_PATH);
    assert_int_equal(t->count, 3);
    step = t->children[1];
    assert_true(json_equal(step->value, json_str("lines")));
    assert_string_equal(step->focus, "l");
    assert_int_equal(step->stage_count, 1);
    assert_int_equal(step->stages[0]->children[0]->kind, JSONATA_BINARY);
    step = t->children[2];
    assert_int_equal(step->kind, JSONATA_OBJECT);
    assert_int_equal(step->children[1]->count, 3);
    assert_int_equal(jsonata_free_variables(p, &names), 1);
    assert_string_equal(names[0], "least");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(syntax_errors_have_code_and_position),
                                       TEST(an_operator_is_blamed_with_its_place_and_value),
                                       TEST(hostile_expressions_end_within_their_budget),
                                       TEST(deep_sources_are_refused),
                                       TEST(bindings_are_variables_and_may_replace_functions),
                                       TEST(time_stands_still_during_an_evaluation),
                                       TEST(functions_in_a_result_are_left_out),
                                       TEST(host_functions_take_arguments_from_the_context),
                                       TEST(threads_share_a_program),
                                       TEST(a_number_of_the_expression_is_written_in_digits),
                                       TEST(a_key_of_which_a_part_is_missing_is_nothing),
                                       TEST(the_tree_shows_paths_filters_and_groups)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
