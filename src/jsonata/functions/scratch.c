/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scratch.c - pictures that an evaluation has already analysed. A mapping formats thousands of dates with one or two
 * pictures: a handful of direct-mapped slots finds them again by their text.
 */
#include "jsonata/functions/functions_int.h"
#include "jsonata/functions/regex_int.h"

struct jsonata_scratch *jsonata_scratch(struct jsonata_eval *e)
{
    void **slot = jsonata_regex_scratch(e);

    if (!*slot) {
        struct jsonata_scratch *s = jsonata_alloc(e, sizeof *s);

        if (s)
            *s = (struct jsonata_scratch){0};
        *slot = s;
    }
    return *slot;
}

static size_t slot_of(struct tl_sv key)
{
    size_t h = key.n;

    if (key.n)
        h += (size_t)(unsigned char)key.p[0] * 3 + (size_t)(unsigned char)key.p[key.n - 1] * 5 +
             (size_t)(unsigned char)key.p[key.n / 2];
    return h % JSONATA_CACHE_SLOTS;
}

const void *jsonata_cache_get(struct jsonata_eval *e, enum jsonata_cached kind, struct tl_sv key)
{
    struct jsonata_scratch *s = jsonata_scratch(e);

    if (!s)
        return NULL;
    const struct jsonata_cache_slot *slot = &s->cache[kind][slot_of(key)];

    return slot->value && tl_sv_eq(slot->key, key) ? slot->value : NULL;
}

bool jsonata_cache_put(struct jsonata_eval *e, enum jsonata_cached kind, struct tl_sv key, const void *value)
{
    struct jsonata_scratch *s = jsonata_scratch(e);
    char *copy = jsonata_alloc_text(e, key.n + 1);

    if (!s || !copy)
        return false;
    if (key.n)
        memcpy(copy, key.p, key.n);
    s->cache[kind][slot_of(key)] = (struct jsonata_cache_slot){tl_sv(copy, key.n), value};
    return true;
}
