/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "mapping/mapping.h"

static const char *explain(struct tl_arena *a, enum mapping_kind kind, const char *text, const char *sample,
                           const char *schema)
{
    TL_CLEANUP(mapping_unrefp) struct mapping *m = NULL;
    struct tl_err err = {0};
    struct json v;

    if (mapping_compile(kind, tl_sv_str(text), NULL, &m, &err) != TL_OK)
        fail_msg("%s: %s", text, err.text);
    assert_int_equal(mapping_explain(m, a, sample ? help_parse(a, sample) : JSON_NOTHING,
                                     schema ? help_parse(a, schema) : JSON_NOTHING, &v, &err),
                     TL_OK);
    return help_text(a, json_copy(a, v));
}

static void lineage_is_found_without_running(void **state)
{
    static const char *const cases[][2] = {
        {"{\"id\": order.id, \"n\": $count(order.lines)}",
         "{\"fields\":[{\"target\":\"id\",\"sources\":[\"order.id\"]},{\"target\":\"n\",\"sources\":[\"order.lines\"],"
         "\"functions\":[\"count\"]}],"
         "\"sources\":[\"order.id\",\"order.lines\"],\"exact\":true}"},
        {"order.lines.{\"sku\": sku, \"by\": $$.order.id}",
         "{\"fields\":[{\"target\":\"sku\",\"sources\":[\"order.lines.sku\"]},{\"target\":\"by\",\"sources\":[\"order."
         "id\"]}],"
         "\"sources\":[\"order.id\",\"order.lines.sku\"],\"exact\":true}"},
        {"($f := function($o) { {\"x\": $o.a & $o.b} }; {\"r\": $f(q), \"l\": $map(z, function($i) { {\"k\": $i.k} "
         "})})",
         "{\"fields\":[{\"target\":\"r.x\",\"sources\":[\"q.a\",\"q.b\"]},{\"target\":\"l[].k\",\"sources\":[\"z.k\"]}]"
         ","
         "\"sources\":[\"q.a\",\"q.b\",\"z.k\"],\"exact\":true}"},
        {"{\"t\": x.*}",
         "{\"fields\":[{\"target\":\"t\",\"sources\":[\"x.*\"]}],\"sources\":[\"x.*\"],\"exact\":false}"},
        {"{\"v\": lines[qty > 1].sku}", "{\"fields\":[{\"target\":\"v\",\"sources\":[\"lines.sku\"]}],\"sources\":["
                                        "\"lines.qty\",\"lines.sku\"],\"exact\":true}"},
        {"($r := function($n) { $r($n) }; $r(a))", NULL},
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        const char *got = explain(*state, MAPPING_JSONATA, cases[i][0], NULL, NULL);

        if (cases[i][1] && strcmp(got, cases[i][1]) != 0)
            fail_msg("%s gives %s", cases[i][0], got);
    }
}

static void unused_sources_and_missing_targets_are_told(void **state)
{
    static const char schema[] =
        "{\"type\":\"object\",\"required\":[\"number\",\"channel\",\"total\",\"due\",\"lines\"],\"properties\":"
        "{\"lines\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/line\"}}},"
        "\"$defs\":{\"line\":{\"required\":[\"sku\",\"qty\"]}}}";
    static const char fields[] =
        "fields: { number: order.id, channel: { value: web }, total: { from: order.total, default: 0 },"
        " lines: { each: order.lines, fields: { sku: { from: sku, required: true } } } }";
    const char *got = explain(*state, MAPPING_TABLE, fields, help_order, schema);

    assert_non_null(strstr(got,
                           "\"unused\":[\"order.paid\",\"order.at\",\"order.status\",\"order.email\",\"order.phone\","
                           "\"order.country\",\"order.lines.qty\"]"));
    assert_non_null(
        strstr(got, "\"missing\":[{\"target\":\"number\",\"why\":\"its source may be missing and there is no "
                    "default\"},{\"target\":\"due\",\"why\":\"it is not mapped\"},{\"target\":\"lines[].qty\",\"why\":"
                    "\"it is not mapped\"}]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lineage_is_found_without_running, help_setup, help_teardown),
        cmocka_unit_test_setup_teardown(unused_sources_and_missing_targets_are_told, help_setup, help_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
