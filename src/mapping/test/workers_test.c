/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "mapping/mapping_int.h"

/* Compile, then evaluate, as mapping.c asks for it; the result as text, or "rc: message". */
static const char *run(struct tl_arena *a, enum mapping_kind kind, const char *text, const char *input,
                       const char *bindings, struct mapping_workers *w)
{
    struct tl_err err = {0};
    struct json v = JSON_NOTHING;
    enum tl_rc rc = TL_OK;

    for (int check = 1; check >= 0 && rc == TL_OK; check--) {
        struct json_builder b;

        json_object_begin(&b, a, 4);
        (void)json_adds(&b, "text", json_str(text));
        if (check)
            (void)json_adds(&b, "check", json_bool(true));
        (void)json_adds(&b, "input", input && !check ? help_parse(a, input) : JSON_NOTHING);
        (void)json_adds(&b, "bindings", bindings && !check ? help_parse(a, bindings) : JSON_NOTHING);
        rc = mapping_workers_ask(w, kind, json_end(&b), 0, a, &v, &err);
    }
    if (rc != TL_OK)
        return tl_arena_printf(a, "%s: %s", tl_rc_name(rc), err.text);
    return help_text(a, v);
}

static void jq_runs_in_its_child(void **state)
{
    struct mapping_workers *w = mapping_workers_new(NULL);

    assert_string_equal(
        run(*state, MAPPING_JQ, ".order | {id, n: (.lines | length), $v}", help_order, "{\"v\":[1]}", w),
        "{\"id\":\"A1\",\"n\":2,\"v\":[1]}");
    assert_string_equal(run(*state, MAPPING_JQ, ".order.lines[].sku", help_order, NULL, w), "[\"x\",\"y\"]");
    assert_string_equal(run(*state, MAPPING_JQ, "empty", help_order, NULL, w), "(nothing)");
    assert_string_equal(run(*state, MAPPING_JQ, "error(\"no\")", help_order, NULL, w), "invalid: jq: no");
    assert_string_equal(run(*state, MAPPING_JQ, "[env | keys[]]", help_order, NULL, w), "[\"TZ\"]");
    assert_non_null(strstr(run(*state, MAPPING_JQ, ".a | (", help_order, NULL, w), "parse: "));
    assert_non_null(strstr(run(*state, MAPPING_JQ, "include \"a\"; .", help_order, NULL, w), "parse: "));
    mapping_workers_free(w);
}

static void xslt_runs_in_its_child_and_reads_no_files(void **state)
{
    static const char head[] = "<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'>"
                               "<xsl:param name='p'/>";
    struct mapping_workers *w = mapping_workers_new(NULL);
    struct tl_arena *a = *state;
    const char *sheet =
        tl_arena_printf(a,
                        "%s<xsl:output omit-xml-declaration='yes'/><xsl:template match='/order'><o p='{$p}'>"
                        "<xsl:value-of select='id'/></o></xsl:template></xsl:stylesheet>",
                        head);
    const char *json = tl_arena_printf(a,
                                       "%s<xsl:output method='text'/><xsl:template match='/'>{\"n\":<xsl:value-of "
                                       "select='count(//lines)'/>}</xsl:template></xsl:stylesheet>",
                                       head);
    const char *file = tl_arena_printf(a,
                                       "%s<xsl:template match='/'><xsl:copy-of select=\"document('/etc/passwd')\"/>"
                                       "</xsl:template></xsl:stylesheet>",
                                       head);
    const char *loop = tl_arena_printf(a,
                                       "%s<xsl:template match='/' name='t'><xsl:call-template name='t'/></xsl:template>"
                                       "</xsl:stylesheet>",
                                       head);

    assert_string_equal(run(a, MAPPING_XSLT, sheet, help_order, "{\"p\":\"a'\\\"b\"}", w),
                        "\"<o p=\\\"a'&quot;b\\\">A1</o>\\n\"");
    assert_string_equal(run(a, MAPPING_XSLT, sheet, "\"<order><id>7</id></order>\"", NULL, w),
                        "\"<o p=\\\"\\\">7</o>\\n\"");
    assert_string_equal(run(a, MAPPING_XSLT, json, help_order, NULL, w), "{\"n\":2}");
    assert_null(strstr(run(a, MAPPING_XSLT, file, help_order, NULL, w), "root:"));
    assert_non_null(strstr(run(a, MAPPING_XSLT, loop, help_order, NULL, w), "infinite template recursion"));
    assert_non_null(strstr(run(a, MAPPING_XSLT, "<a>", help_order, NULL, w), "parse: xslt:"));
    assert_non_null(strstr(run(a, MAPPING_XSLT, sheet, "\"<!DOCTYPE o [<!ENTITY x 'y'>]><order>&x;</order>\"", NULL, w),
                           "document type declaration is not accepted"));
    mapping_workers_free(w);
}

static void a_child_that_is_late_or_dies_is_replaced(void **state)
{
    struct mapping_workers_options options = {.time_ms = 1500, .memory_bytes = 256u << 20};
    struct mapping_workers *w = mapping_workers_new(&options);

    assert_non_null(strstr(run(*state, MAPPING_JQ, "def f: f; f", "1", NULL, w), "budget: "));
    assert_string_equal(run(*state, MAPPING_JQ, ".+1", "1", NULL, w), "2");
    assert_non_null(strstr(run(*state, MAPPING_JQ, "reduce range(40) as $i (\"aaaaaaaa\"; .+.) | length", "1", NULL, w),
                           "budget: "));
    assert_string_equal(run(*state, MAPPING_JQ, ".+1", "2", NULL, w), "3");
    mapping_workers_free(w);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(jq_runs_in_its_child, help_setup, help_teardown),
        cmocka_unit_test_setup_teardown(xslt_runs_in_its_child_and_reads_no_files, help_setup, help_teardown),
        cmocka_unit_test_setup_teardown(a_child_that_is_late_or_dies_is_replaced, help_setup, help_teardown),
    };

    if (argc > 1 && strcmp(argv[1], "_worker") == 0)
        return mapping_worker_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
