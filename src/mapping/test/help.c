/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

const char help_order[] =
    "{\"order\":{\"id\":\"A1\",\"total\":\"$1,234.50\",\"paid\":\"yes\",\"at\":\"2024-03-14T09:26:53Z\",\"status\":"
    "\"paid\","
    "\"email\":\"\",\"phone\":\"030 "
    "123456\",\"country\":\"Germany\",\"lines\":[{\"sku\":\"x\",\"qty\":\"2\"},{\"sku\":\"y\",\"qty\":3}]}}";

int help_setup(void **state)
{
    *state = tl_arena_new(64u << 20);
    return 0;
}

int help_teardown(void **state)
{
    tl_arena_free(*state);
    return 0;
}

struct json help_parse(struct tl_arena *a, const char *text)
{
    struct json v = JSON_NOTHING;
    struct tl_err err;

    if (json_parse(a, tl_sv_str(text), 0, NULL, &v, &err) != TL_OK)
        fail_msg("%s: %s", text, err.text);
    return v;
}

const char *help_text(struct tl_arena *a, struct json v)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 1u << 20);
    assert_true(json_write(&b, v, 0));
    return b.p ? tl_arena_strdup(a, b.p) : "(nothing)";
}
