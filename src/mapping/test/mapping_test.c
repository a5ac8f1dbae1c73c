/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "mapping/mapping_int.h"

/* The result as text, or "rc: message". */
static const char *run(struct tl_arena *a, enum mapping_kind kind, const char *text, const char *input,
                       const char *bindings, struct mapping_workers *w)
{
    TL_CLEANUP(mapping_unrefp) struct mapping *m = NULL;
    struct mapping_options options = {.workers = w, .lookups = help_parse(a, "{\"status\":{\"paid\":\"P\"}}")};
    struct mapping_input in = {.data = input ? help_parse(a, input) : JSON_NOTHING,
                               .bindings = bindings ? help_parse(a, bindings) : JSON_NOTHING};
    struct tl_err err = {0};
    struct json v;
    enum tl_rc rc = mapping_compile(kind, tl_sv_str(text), &options, &m, &err);

    if (rc == TL_OK)
        rc = mapping_eval(m, a, &in, &v, &err);
    if (rc != TL_OK)
        return tl_arena_printf(a, "%s: %s", tl_rc_name(rc), err.text);
    return help_text(a, v);
}

static void expect_all(void **state, const char *const (*cases)[2], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *got = run(*state, MAPPING_JSONATA, cases[i][0], help_order, NULL, NULL);

        if (strcmp(got, cases[i][1]) != 0)
            fail_msg("%s gives %s, not %s", cases[i][0], got, cases[i][1]);
    }
}

static void decimals_do_not_go_through_binary_floating_point(void **state)
{
    static const char *const cases[][2] = {
        {"$tl.add(0.1, 0.2)", "0.3"},
        {"$tl.add(\"0.10\", \"0.20\")", "0.30"},
        {"$tl.sum([0.1, 0.2, 0.3])", "0.6"},
        {"$tl.sub(1, 0.9)", "0.1"},
        {"$tl.mul(\"19.99\", 3)", "59.97"},
        {"$tl.mul(\"123456789012345678.9\", \"10\")", "1234567890123456789.0"},
        {"$tl.div(1, 3)", "0.3333333333"},
        {"$tl.div(2, 3, 2)", "0.67"},
        {"$tl.div(-5, 2, 0, \"half_even\")", "-2"},
        {"$tl.round(2.345, 2)", "2.35"},
        {"$tl.round(2.345, 2, \"half_even\")", "2.34"},
        {"$tl.round(-2.5)", "-3"},
        {"$tl.round(2.001, 2, \"ceiling\")", "2.01"},
        {"$tl.compare(\"1.10\", 1.1)", "0"},
        {"$tl.compare(0.1, 0.2)", "-1"},
        {"$tl.decimal(order.total)", "1234.50"},
        {"$tl.decimal(\"1.234,56 EUR\")", "1234.56"},
        {"$tl.decimal(\"(12.50)\")", "-12.50"},
        {"$tl.decimal(\"CHF 1'000\")", "1000"},
        {"$tl.decimal(\"1,234\")", "1234"},
        {"$tl.decimal(\"12,34\")", "12.34"},
        {"$tl.add(missing, 1)", "(nothing)"},
    };

    expect_all(state, cases, TL_COUNT(cases));
}

static void texts_times_and_tables_convert(void **state)
{
    static const char *const cases[][2] = {
        {"$tl.hash(\"abc\")", "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""},
        {"$tl.hash(\"abc\", \"sha1\", \"base64\")", "\"qZk+NkcGgWq6PiVxeFDCbJzQ2J0=\""},
        {"$tl.hmac(\"what do ya want for nothing?\", \"Jefe\")",
         "\"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\""},
        {"$length($tl.uuid())", "36"},
        {"$tl.lookup(\"status\", order.status)", "\"P\""},
        {"$tl.lookup({\"a\": 1}, \"b\", 7)", "7"},
        {"$tl.parseCsv(\"a,b\\n1,\\\"x, \\\"\\\"y\\\"\\\"\\\"\\r\\n2,\\n\")",
         "[{\"a\":\"1\",\"b\":\"x, \\\"y\\\"\"},{\"a\":\"2\",\"b\":\"\"}]"},
        {"$tl.parseCsv(\"1;2\", {\"separator\": \";\", \"header\": false})", "[[\"1\",\"2\"]]"},
        {"$tl.toCsv([{\"a\": 1, \"b\": \"x,y\"}])", "\"a,b\\r\\n1,\\\"x,y\\\"\\r\\n\""},
        {"$tl.parseXml(\"<o id='7'><l>1</l><l>2</l><n>x &amp; y</n></o>\")",
         "{\"o\":{\"@id\":\"7\",\"l\":[\"1\",\"2\"],\"n\":\"x & y\"}}"},
        {"$tl.parseXml({\"o\": {\"@id\": \"7\"}})", "{\"o\":{\"@id\":\"7\"}}"},
        {"$tl.toXml({\"o\": {\"@id\": 7, \"l\": [1, 2], \"#text\": \"<\"}})",
         "\"<o id=\\\"7\\\"><l>1</l><l>2</l>&lt;</o>\""},
        {"$tl.parseJson(\"{\\\"a\\\":1.50}\").a", "1.50"},
        {"$tl.dateAdd(\"2024-01-31\", 1, \"month\")", "\"2024-02-29\""},
        {"$tl.dateAdd(\"2024-03-14T09:26:53Z\", -90, \"minutes\")", "\"2024-03-14T07:56:53.000Z\""},
        {"$tl.dateDiff(\"2024-01-31\", \"2024-03-30\", \"months\")", "1"},
        {"$tl.dateDiff(\"2024-01-01\", \"2024-03-01\")", "60"},
        {"$tl.toEpoch(order.at)", "1710408413"},
        {"$tl.toIso(1710408413, \"date\")", "\"2024-03-14\""},
        {"$tl.boolean(order.paid)", "true"},
        {"$tl.phone(order.phone, order.country)", "\"+4930123456\""},
        {"$tl.phone(\"+49 (0) 30 / 123-456\")", "\"+4930123456\""},
        {"$tl.phone(\"0041 44 668 18 00\")", "\"+41446681800\""},
        {"$tl.country(\"UK\", \"alpha3\")", "\"GBR\""},
        {"$tl.country(\"deu\", \"name\")", "\"Germany\""},
    };

    expect_all(state, cases, TL_COUNT(cases));
}

/* docs/reference/tl-functions.md: a heading for every function, and "=> " behind each example. */
static void every_function_of_tl_is_documented_with_examples_that_hold(void **state)
{
    struct tl_arena *a = *state;
    FILE *f = fopen("docs/reference/tl-functions.md", "rb");
    char *line = NULL, before[1000] = "";
    bool documented[64] = {false};
    size_t cap = 0;
    int count = 0;

    assert_non_null(f);
    while (getline(&line, &cap, f) > 0) {
        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; i < mapping_tl.count; i++) {
            const char *heading = tl_arena_printf(a, "### $tl.%s(", mapping_tl.functions[i].name);

            documented[i] = documented[i] || strncmp(line, heading, strlen(heading)) == 0;
        }
        if (strncmp(line, "=> ", 3) == 0) {
            const char *got = run(a, MAPPING_JSONATA, before, help_order, NULL, NULL);

            if (strcmp(got, line + 3) != 0)
                fail_msg("%s gives %s, not %s", before, got, line + 3);
            count++;
        }
        (void)snprintf(before, sizeof(before), "%s", line);
    }
    free(line);
    (void)fclose(f);
    assert_true(count > 25);
    for (size_t i = 0; i < mapping_tl.count; i++)
        if (!documented[i])
            fail_msg("$tl.%s is not in the reference", mapping_tl.functions[i].name);
}

static void a_result_that_json_has_no_number_for_is_an_error(void **state)
{
    static const char *const cases[][2] = {
        {"1/0", "invalid: mapping: the result is no number that JSON has: was something divided by zero?"},
        {"[1, -1/0]", "invalid: mapping: the result is no number that JSON has: was something divided by zero?"},
        {"{\"a\": [{\"price\": 0/0}]}",
         "invalid: mapping: 'price' is no number that JSON has: was something divided by zero?"},
        {"$sum([1e308, 1e308])",
         "invalid: mapping: the result is no number that JSON has: was something divided by zero?"},
        {"($a := 1/0; \"fine\")", "\"fine\""},
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        const char *got = run(*state, MAPPING_JSONATA, cases[i][0], help_order, NULL, NULL);

        if (strncmp(got, cases[i][1], strlen(cases[i][1])) != 0)
            fail_msg("%s gives %s, not %s", cases[i][0], got, cases[i][1]);
    }
}

static void a_function_that_cannot_says_why(void **state)
{
    static const char *const cases[][2] = {
        {"$tl.add(\"x\", 1)", "takes numbers"},
        {"$tl.div(1, 0)", "division by zero"},
        {"$tl.mul(\"1e30\", \"1e30\")", "38 digits"},
        {"$tl.lookup(\"nowhere\", \"a\")", "no look-up table"},
        {"$tl.parseXml(\"<a>\")", "not well formed"},
        {"$tl.parseXml(\"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>\")", "document type"},
        {"$tl.boolean(\"maybe\")", "takes true/false"},
        {"$tl.phone(\"12\")", "takes a telephone number"},
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        const char *got = run(*state, MAPPING_JSONATA, cases[i][0], help_order, NULL, NULL);

        if (strncmp(got, "invalid: ", 9) != 0 || !strstr(got, cases[i][1]))
            fail_msg("%s gives %s", cases[i][0], got);
    }
}

static void strict_means_the_language_alone(void **state)
{
    struct mapping_options options = {.strict = true};
    TL_CLEANUP(mapping_unrefp) struct mapping *m = NULL;
    struct mapping_input in = {.data = JSON_NOTHING};
    struct json v = json_int(1);

    assert_int_equal(mapping_compile(MAPPING_JSONATA, TL_SV("$tl"), &options, &m, NULL), TL_OK);
    assert_int_equal(mapping_eval(m, *state, &in, &v, NULL), TL_OK);
    assert_int_equal(v.type, JSON_UNDEFINED);
}

static const char table[] = "missing: \"null\"\n"
                            "lookups: { state: { paid: P, open: O } }\n"
                            "fields:\n"
                            "  number: order.id\n"
                            "  customer.email: { from: order.email, missing: default }\n"
                            "  customer.phone: { from: order.phone, type: phone, country: DE }\n"
                            "  total: { from: order.total, type: decimal, scale: 1 }\n"
                            "  paid: { from: order.paid, type: boolean }\n"
                            "  day: { from: order.at, type: date }\n"
                            "  due: { value: \"31.12.2024\" }\n"
                            "  due_day: { from: \"'31.12.2024'\", picture: \"[D01].[M01].[Y0001]\", type: date }\n"
                            "  channel: { value: web }\n"
                            "  status: { from: order.status, lookup: state }\n"
                            "  note: order.note\n"
                            "  lines:\n"
                            "    each: order.lines\n"
                            "    fields: { sku: sku, qty: { from: qty, type: integer, required: true } }\n";

static void a_field_table_maps_as_it_reads(void **state)
{
    static const char want[] =
        "{\"number\":\"A1\",\"customer\":{\"phone\":\"+4930123456\"},\"total\":1234.5,\"paid\":true,"
        "\"day\":\"2024-03-14\",\"due\":\"31.12.2024\",\"due_day\":\"2024-12-31\",\"channel\":\"web\",\"status\":\"P\","
        "\"note\":null,"
        "\"lines\":[{\"sku\":\"x\",\"qty\":2},{\"sku\":\"y\",\"qty\":3}]}";

    assert_string_equal(run(*state, MAPPING_TABLE, table, help_order, NULL, NULL), want);
}

static void a_field_table_that_is_wrong_is_refused(void **state)
{
    static const char *const cases[][2] = {
        {"fields: { a: { from: b, typ: date } }", "did you mean \"type\"?"},
        {"fields: { a: { from: b, type: int } }", "unknown type"},
        {"fields: { a: { type: date } }", "exactly one of from"},
        {"fields: { a: \"b[\" }", "field \"a\""},
        {"field: { a: b }", "did you mean \"fields\"?"},
        {"fields: { a: b, a.c: d }", "another shape"},
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        const char *got = run(*state, MAPPING_TABLE, cases[i][0], help_order, NULL, NULL);

        if (!strstr(got, cases[i][1]))
            fail_msg("%s gives %s", cases[i][0], got);
    }
    assert_non_null(
        strstr(run(*state, MAPPING_TABLE, "fields: { a: { from: x, required: true } }", help_order, NULL, NULL),
               "field a is required"));
    assert_non_null(
        strstr(run(*state, MAPPING_TABLE, "fields: { a: { from: order.id, type: date } }", help_order, NULL, NULL),
               "does not convert to date"));
}

static void without_workers_jq_is_not_available(void **state)
{
    assert_non_null(strstr(run(*state, MAPPING_JQ, ".", "1", NULL, NULL), "unsupported: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(decimals_do_not_go_through_binary_floating_point, help_setup, help_teardown),
        cmocka_unit_test_setup_teardown(texts_times_and_tables_convert, help_setup, help_teardown),
        cmocka_unit_test_setup_teardown(every_function_of_tl_is_documented_with_examples_that_hold, help_setup,
                                        help_teardown),
        cmocka_unit_test_setup_teardown(a_result_that_json_has_no_number_for_is_an_error, help_setup, help_teardown),
        cmocka_unit_test_setup_teardown(a_function_that_cannot_says_why, help_setup, help_teardown),
        cmocka_unit_test_setup_teardown(strict_means_the_language_alone, help_setup, help_teardown),
        cmocka_unit_test_setup_teardown(a_field_table_maps_as_it_reads, help_setup, help_teardown),
        cmocka_unit_test_setup_teardown(a_field_table_that_is_wrong_is_refused, help_setup, help_teardown),
        cmocka_unit_test_setup_teardown(without_workers_jq_is_not_available, help_setup, help_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
