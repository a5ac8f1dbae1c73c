/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of fields, as mappings make them, in the schemas that systems describe themselves with. */
#include "connector_rig.h"

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"memo\":{\"type\":\"string\"},\"entity\":{\"type\":\"object\"},\"far\":{\"$"
    "ref\":"
    "\"/"
    "x\"},\"item\":{\"type\":\"object\",\"properties\":{\"items\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
    "\"properties\":{\"rate\":{\"type\":\"number\"},\"quantity\":{\"type\":\"number\"}}}}}}}}";

static void a_path_is_followed_as_far_as_the_schema_says_something(void **state)
{
    static const struct {
        const char *path, *unknown, *near;
    } cases[] = {
        {"memo", NULL, NULL},
        {"entity.externalId", NULL, NULL}, /* an object of which nothing is said */
        {"far.away[].x", NULL, NULL},
        {"item.items[].rate", NULL, NULL},
        {"$", "$", NULL},
        {"mmo", "mmo", "memo"},
        {"item.items[].quantty", "quantty", "quantity"},
        {"item.lines[].rate", "lines", NULL},
        {"nothing.like.it", "nothing", NULL},
        {"memo.deeper", NULL, NULL},
    };
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct json v;

    (void)state;
    assert_int_equal(json_parse(a, tl_sv_str(schema), 0, NULL, &v, NULL), TL_OK);
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        const char *near = "", *unknown = connector_unknown_field(a, v, tl_sv_str(cases[i].path), &near);

        if ((unknown != NULL) != (cases[i].unknown != NULL) || (unknown && strcmp(unknown, cases[i].unknown) != 0) ||
            (near != NULL) != (cases[i].near != NULL) || (near && strcmp(near, cases[i].near) != 0))
            fail_msg("%s: %s, near %s", cases[i].path, unknown ? unknown : "known", near ? near : "none");
    }
    assert_null(connector_unknown_field(a, JSON_NOTHING, TL_SV("x"), &(const char *){NULL}));
    tl_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_followed_as_far_as_the_schema_says_something),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
