/* SPDX-License-Identifier: Apache-2.0 */
/* Avro: a schema as JSON, a line feed, bytes. What was decoded and can be encoded again stays what it is from then on.
 */
#include <stdlib.h>

#include "../connectors/salesforce/avro/avro.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void round_trip(const struct sf_avro *s, struct json v, struct tl_arena *a)
{
    struct tl_buf one, two;
    struct json again;

    tl_buf_init(&one, 1 << 20);
    tl_buf_init(&two, 1 << 20);
    if (sf_avro_encode(s, v, &one, NULL) == TL_OK && sf_avro_decode(s, tl_buf_view(&one), a, &again, NULL) == TL_OK) {
        check(sf_avro_encode(s, again, &two, NULL) == TL_OK);
        check(tl_sv_eq(tl_buf_view(&one), tl_buf_view(&two)));
    }
    tl_buf_done(&one);
    tl_buf_done(&two);
}

static void bitmaps(const struct sf_avro *s, struct tl_sv text, struct tl_arena *a)
{
    struct json item = json_sv(text), list = {.type = JSON_ARRAY, .n = 1, .u.items = &item};
    struct json names = sf_avro_names(s, list, a);

    check(names.type == JSON_ARRAY);
    (void)sf_avro_bitmaps(s, names, a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv rest = tl_sv((const char *)data, size), schema;
    struct tl_arena *a = tl_arena_new(16u << 20);
    struct sf_avro *s = NULL;
    struct json v;

    if (tl_sv_cut(&rest, '\n', &schema) && json_parse(a, schema, 0, NULL, &v, NULL) == TL_OK &&
        sf_avro_new(v, &s, NULL) == TL_OK) {
        if (sf_avro_decode(s, rest, a, &v, NULL) == TL_OK)
            round_trip(s, v, a);
        bitmaps(s, rest, a);
    }
    sf_avro_free(s);
    tl_arena_free(a);
    return 0;
}
