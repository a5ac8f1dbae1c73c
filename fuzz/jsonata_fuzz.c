/* SPDX-License-Identifier: Apache-2.0 */
/* An expression, a NUL, and a JSON document: compile, evaluate within a small budget, write the result. */
#include "jsonata/jsonata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void evaluate(const struct jsonata_program *p, struct tl_sv text)
{
    static const struct jsonata_budget budget = {.steps = 200000, .stack_bytes = 1 << 20, .time_ms = 2000};
    struct tl_arena *arena = tl_arena_new(16 << 20);
    struct jsonata_input in = {.budget = &budget};
    struct jsonata_error error;
    struct json v = JSON_NOTHING;
    struct tl_buf out;

    tl_buf_init(&out, 4 << 20);
    if (text.n && json_parse(arena, text, JSON_PARSE_LONE_SURROGATES, NULL, &in.data, NULL) != TL_OK)
        in.data = JSON_NOTHING;
    if (jsonata_run(p, arena, &in, &v, &error, NULL) == TL_OK && v.type != JSON_UNDEFINED)
        (void)json_write(&out, v, 0);
    (void)jsonata_tree(p, arena);
    tl_buf_done(&out);
    tl_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv all = tl_sv((const char *)data, size), text = {0};
    size_t cut = tl_sv_find(all, '\0');
    struct jsonata_program *p = NULL;
    struct jsonata_error error;

    if (size > 16384)
        return 0;
    if (cut < all.n)
        text = tl_sv_from(all, cut + 1);
    if (jsonata_compile(tl_sv(all.p, cut), NULL, &p, &error, NULL) != TL_OK)
        return 0;
    evaluate(p, text);
    evaluate(p, text); /* the guesses of the first run are in the tree now */
    jsonata_unref(p);
    return 0;
}
