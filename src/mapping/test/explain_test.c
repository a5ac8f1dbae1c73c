/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mapping/mapping.h"

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

static const char *explain(struct tl_arena *a, enum mapping_kind kind, const char *text, const char *sample,
                           const char *schema)
{
    TL_CLEANUP(mapping_unrefp) struct mapping *m = NULL;
    struct tl_err err = {0};
    struct json v;

    if (mapping_compile(kind, tl_sv_str(text), NULL, &m, &err) != TL_OK)
        fail_msg("%s: %s", text, err.text);
    assert_int_equal(mapping_explain(m, a, sample ? parse(a, sample) : JSON_NOTHING,
                                     schema ? parse(a, schema) : JSON_NOTHING, &v, &err),
                     TL_OK);
    return text_of(a, json_copy(a, v));
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
    const char *got = explain(*state, MAPPING_TABLE, fields, order, schema);

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
        cmocka_unit_test_setup_teardown(lineage_is_found_without_running, setup, teardown),
        cmocka_unit_test_setup_teardown(unused_sources_and_missing_targets_are_told, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
