/* SPDX-License-Identifier: Apache-2.0 */
/* Parse, write, parse: equal values and equal text. Then the text as two values: equality, merge patch, pointer. */
#include <stdlib.h>

#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void round_trip(struct tl_arena *a, struct json v, unsigned flags)
{
    struct tl_buf one, two;
    struct json again;

    tl_buf_init(&one, 64u << 20);
    tl_buf_init(&two, 64u << 20);
    check(json_write(&one, v, flags));
    check(json_parse(a, tl_buf_view(&one), JSON_PARSE_LONE_SURROGATES, NULL, &again, NULL) == TL_OK);
    check(json_equal(v, again));
    check(json_write(&two, again, flags));
    check(tl_sv_eq(tl_buf_view(&one), tl_buf_view(&two)));
    tl_buf_done(&one);
    tl_buf_done(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv text = {(const char *)data, size};
    struct tl_arena *a = tl_arena_new(16u << 20);
    struct json v, next, merged;
    size_t pos = 0;

    if (json_parse(a, text, JSON_PARSE_LONE_SURROGATES | JSON_PARSE_DUP_LAST, NULL, &v, NULL) == TL_OK) {
        round_trip(a, v, 0);
        round_trip(a, v, JSON_WRITE_INDENT | JSON_WRITE_SORTED);
        round_trip(a, v, JSON_WRITE_ASCII);
        check(json_equal(v, json_copy(a, v)));
    }
    v = JSON_NOTHING;
    while (json_parse_next(a, text, &pos, 0, NULL, &next, NULL) == TL_OK && next.type != JSON_UNDEFINED) {
        (void)json_number(next);
        if (v.type != JSON_UNDEFINED) {
            (void)json_equal(v, next);
            (void)json_merge_patch(a, v, next, &merged, NULL);
            (void)json_patch(a, v, next, &merged, NULL);
            (void)json_pointer_get(v, json_text(next, TL_SV("")), &merged, NULL);
        }
        v = next;
    }
    tl_arena_free(a);
    return 0;
}
