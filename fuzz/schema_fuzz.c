/* SPDX-License-Identifier: Apache-2.0 */
/* A schema and an instance, one JSON value after the other, under small budgets, in both drafts. */
#include <stdlib.h>

#include "json/schema/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(struct tl_arena *a, struct json schema, struct json instance, enum json_schema_draft draft)
{
    struct json_schema_options options = {.draft = draft, .formats = true, .max_nodes = 1000};
    struct json_schema_budget budget = {.steps = 20000, .depth = 200, .max_issues = 20};
    struct json_schema_result r;
    struct json_schema *s;

    if (json_schema_compile(schema, &options, &s, NULL) != TL_OK)
        return;
    if (json_schema_validate(s, a, instance, &budget, &r, NULL) == TL_OK && r.valid != (r.count == 0))
        abort();
    json_schema_unref(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv text = {(const char *)data, size};
    struct tl_arena *a = tl_arena_new(16u << 20);
    struct json schema, instance;
    size_t pos = 0;

    if (json_parse_next(a, text, &pos, 0, NULL, &schema, NULL) == TL_OK &&
        json_parse_next(a, text, &pos, 0, NULL, &instance, NULL) == TL_OK) {
        run(a, schema, instance, JSON_SCHEMA_2020_12);
        run(a, schema, instance, JSON_SCHEMA_DRAFT_07);
    }
    tl_arena_free(a);
    return 0;
}
