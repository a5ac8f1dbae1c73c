/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mapping/mapping_int.h"

static const char order[] =
    "{\"order\":{\"id\":\"A1\",\"total\":\"$1,234.50\",\"paid\":\"yes\",\"at\":\"2024-03-14T09:26:53Z\",\"status\":"
    "\"paid\","
    "\"email\":\"\",\"phone\":\"030 "
    "123456\",\"country\":\"Germany\",\"lines\":[{\"sku\":\"x\",\"qty\":\"2\"},{\"sku\":\"y\",\"qty\":3}]}}";

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

static const char *text_of(struct tl_arena *a, struct json v)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b;

    tl_buf_init(&b, 1u << 20);
    assert_true(json_write(&b, v, 0));
    return b.p ? tl_arena_strdup(a, b.p) : "(nothing)";
}

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
        (void)json_adds(&b, "input", input && !check ? parse(a, input) : JSON_NOTHING);
        (void)json_adds(&b, "bindings", bindings && !check ? parse(a, bindings) : JSON_NOTHING);
        rc = mapping_workers_ask(w, kind, json_end(&b), 0, a, &v, &err);
    }
    if (rc != TL_OK)
        return tl_arena_printf(a, "%s: %s", tl_rc_name(rc), err.text);
    return text_of(a, v);
}

static void jq_runs_in_its_child(void **state)
{
    struct mapping_workers *w = mapping_workers_new(NULL);

    assert_string_equal(run(*state, MAPPING_JQ, ".order | {id, n: (.lines | length), $v}", order, "{\"v\":[1]}", w),
                        "{\"id\":\"A1\",\"n\":2,\"v\":[1]}");
    assert_string_equal(run(*state, MAPPING_JQ, ".order.lines[].sku", order, NULL, w), "[\"x\",\"y\"]");
    assert_string_equal(run(*state, MAPPING_JQ, "empty", order, NULL, w), "(nothing)");
    assert_string_equal(run(*state, MAPPING_JQ, "error(\"no\")", order, NULL, w), "invalid: jq: no");
    assert_string_equal(run(*state, MAPPING_JQ, "[env | keys[]]", order, NULL, w), "[\"TZ\"]");
    assert_non_null(strstr(run(*state, MAPPING_JQ, ".a | (", order, NULL, w), "parse: "));
    assert_non_null(strstr(run(*state, MAPPING_JQ, "include \"a\"; .", order, NULL, w), "parse: "));
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

    assert_string_equal(run(a, MAPPING_XSLT, sheet, order, "{\"p\":\"a'\\\"b\"}", w),
                        "\"<o p=\\\"a'&quot;b\\\">A1</o>\\n\"");
    assert_string_equal(run(a, MAPPING_XSLT, sheet, "\"<order><id>7</id></order>\"", NULL, w),
                        "\"<o p=\\\"\\\">7</o>\\n\"");
    assert_string_equal(run(a, MAPPING_XSLT, json, order, NULL, w), "{\"n\":2}");
    assert_null(strstr(run(a, MAPPING_XSLT, file, order, NULL, w), "root:"));
    assert_non_null(strstr(run(a, MAPPING_XSLT, loop, order, NULL, w), "invalid: xslt:"));
    assert_non_null(strstr(run(a, MAPPING_XSLT, "<a>", order, NULL, w), "parse: xslt:"));
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
        cmocka_unit_test_setup_teardown(jq_runs_in_its_child, setup, teardown),
        cmocka_unit_test_setup_teardown(xslt_runs_in_its_child_and_reads_no_files, setup, teardown),
        cmocka_unit_test_setup_teardown(a_child_that_is_late_or_dies_is_replaced, setup, teardown),
    };

    if (argc > 1 && strcmp(argv[1], "_worker") == 0)
        return mapping_worker_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
