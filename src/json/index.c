/* SPDX-License-Identifier: Apache-2.0 */
/* index.c - the hash index behind objects with many members. */
#include "json/json_int.h"

#define INDEX_MULT 0x9e3779b97f4a7c15ull

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t m = (__uint128_t)a * b;

    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Keys are short: two overlapping loads cover up to 16 bytes. */
static inline uint64_t hash(struct tl_sv s, uint64_t seed)
{
    uint64_t a = 0, b = 0;

    if (s.n > 16)
        return tl_hash64(s.p, s.n, seed);
    if (s.n >= 8) {
        memcpy(&a, s.p, 8);
        memcpy(&b, s.p + s.n - 8, 8);
    } else if (s.n >= 4) {
        uint32_t head, tail;

        memcpy(&head, s.p, 4);
        memcpy(&tail, s.p + s.n - 4, 4);
        a = head;
        b = tail;
    } else if (s.n > 0) {
        a = (uint64_t)(uint8_t)s.p[0] << 16 | (uint64_t)(uint8_t)s.p[s.n >> 1] << 8 | (uint8_t)s.p[s.n - 1];
    }
    return mix(mix(a ^ seed, b ^ INDEX_MULT) ^ s.n, INDEX_MULT ^ seed);
}

struct json_member *json_members_alloc(struct tl_arena *a, size_t count)
{
    struct json_member *raw = tl_arena_alloc(a, (count + 1) * sizeof(*raw));

    if (!raw)
        return NULL;
    memset(raw, 0, sizeof(*raw));
    return raw + 1;
}

struct json_index *json_index_new(struct tl_arena *a, size_t count)
{
    size_t slots = 32, bytes;
    struct json_index *ix;

    while (slots < count * 2)
        slots *= 2;
    bytes = sizeof(*ix) + slots * sizeof(ix->slots[0]);
    ix = a ? tl_arena_zalloc(a, bytes) : tl_zalloc(bytes);
    if (!ix)
        return NULL;
    ix->seed = mix((uintptr_t)ix, (uintptr_t)&ix) | 1;
    ix->mask = (uint32_t)(slots - 1);
    return ix;
}

uint32_t json_index_find(const struct json_index *ix, const struct json_member *members, uint32_t n, struct tl_sv key,
                         uint32_t *ret_slot)
{
    uint32_t slot = (uint32_t)(hash(key, ix->seed) >> 20) & ix->mask;

    for (; ix->slots[slot] != 0; slot = (slot + 1) & ix->mask) {
        uint32_t at = ix->slots[slot] - 1;

        if (at < n && json_key_is(&members[at].key, key))
            return at;
    }
    if (ret_slot)
        *ret_slot = slot;
    return UINT32_MAX;
}
