/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses: a field table, amounts, or the lineage of a JSONata text. */
#include <stdlib.h>

#include "mapping/decimal.h"
#include "mapping/mapping_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mapping(struct tl_arena *a, enum mapping_kind kind, struct tl_sv text)
{
    struct mapping_budget budget = {.steps = 20000, .depth = 100, .stack_bytes = 1u << 20, .time_ms = 500};
    struct mapping_input in = {.data = json_str("x"), .budget = &budget};
    struct mapping *m;
    struct json v;

    if (mapping_compile(kind, text, NULL, &m, NULL) != TL_OK)
        return;
    (void)mapping_explain(m, a, JSON_NOTHING, JSON_NOTHING, &v, NULL);
    (void)mapping_eval(m, a, &in, &v, NULL);
    mapping_unref(m);
}

static void amount(struct tl_sv text)
{
    struct decimal d, r;
    char out[48];

    if (!decimal_read_amount(text, &d))
        return;
    if (!decimal_parse(tl_sv(out, decimal_format(d, out)), &r) || r.digits != d.digits || r.scale != d.scale)
        abort();
    (void)decimal_mul(d, d, &r);
    (void)decimal_round(d, 2, DECIMAL_HALF_EVEN, &r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv text = {(const char *)data + 1, size - 1};
    struct tl_arena *a;

    if (size == 0)
        return 0;
    a = tl_arena_new(16u << 20);
    switch (data[0] % 4) {
    case 1:
        mapping(a, MAPPING_TABLE, text);
        break;
    case 2:
        mapping(a, MAPPING_JSONATA, text);
        break;
    default:
        amount(text);
    }
    tl_arena_free(a);
    return 0;
}
