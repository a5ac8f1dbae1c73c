/* SPDX-License-Identifier: Apache-2.0 */
/* values.c - questions about instance values: whole numbers, multiples, repeated items. */
#include <math.h>
#include <stdlib.h>

#include "json/schema/schema_int.h"

uint32_t schema_object_find(struct json object, struct tl_sv key)
{
    if (object.type != JSON_OBJECT)
        return UINT32_MAX;
    if (object.flags & JSON_F_INDEXED)
        return json_index_find(json_index_header(object.u.members)->index, object.u.members, object.n, key, NULL);
    for (uint32_t i = 0; i < object.n; i++)
        if (json_key_is(&object.u.members[i].key, key))
            return i;
    return UINT32_MAX;
}

static void digits_of(struct json v, char *room, struct json_digits *ret)
{
    struct tl_sv text = v.type == JSON_DECIMAL ? json_view(v) : tl_sv(room, 0);

    if (v.type == JSON_INT)
        text.n = json_format_int(v.u.i, room);
    else if (v.type == JSON_DOUBLE)
        text.n = json_format_double(v.u.d, room);
    json_digits_of(text, ret);
}

bool schema_number_is_whole(struct json v)
{
    struct json_digits d;

    if (v.type == JSON_DOUBLE)
        return v.u.d == floor(v.u.d);
    if (v.type != JSON_DECIMAL)
        return v.type == JSON_INT;
    json_digits_of(json_view(v), &d);
    return d.count == 0 || d.point >= (int64_t)d.count;
}

static uint64_t power_mod(uint64_t base, int64_t exponent, uint64_t mod)
{
    __uint128_t result = 1, b = base % mod;

    for (; exponent > 0; exponent >>= 1) {
        if (exponent & 1)
            result = result * b % mod;
        b = b * b % mod;
    }
    return (uint64_t)result;
}

/* Both are digits times a power of ten: exact as long as the divisor has at most 18 digits. */
bool schema_number_is_multiple(struct json v, struct json of)
{
    char a[32], b[32];
    struct json_digits dv, dd;
    uint64_t divisor = 0;
    __uint128_t rest = 0;
    int64_t shift;

    digits_of(v, a, &dv);
    digits_of(of, b, &dd);
    if (dv.count == 0)
        return true;
    if (dd.count == 0)
        return false;
    if (dd.count > 18) {
        double q = json_number(v) / json_number(of);

        return q == floor(q);
    }
    for (size_t i = 0; i < dd.count; i++)
        divisor = divisor * 10 + (uint64_t)(json_digit(&dd, i) - '0');
    shift = (dv.point - (int64_t)dv.count) - (dd.point - (int64_t)dd.count);
    if (shift < 0)
        return false; /* v has no trailing zeros left to give */
    for (size_t i = 0; i < dv.count; i++)
        rest = (rest * 10 + (unsigned)(json_digit(&dv, i) - '0')) % divisor;
    return rest * power_mod(10, shift, divisor) % divisor == 0;
}

/* Equal values have equal hashes; the other way round json_equal decides. */
static uint64_t hash(struct json v, uint32_t depth)
{
    uint64_t h = v.type;
    double d;

    if (json_is_number(v)) {
        d = json_number(v) + 0.0;
        if (d == 0)
            d = 0;
        return tl_hash64(&d, sizeof(d), 1);
    }
    if (v.type == JSON_STRING)
        return tl_hash64(v.u.s, v.n, 2);
    if (v.type == JSON_BOOL)
        return h * 31 + v.u.b;
    if (depth == 0)
        return h;
    if (v.type == JSON_ARRAY)
        for (uint32_t i = 0; i < v.n; i++)
            h = h * 0x9e3779b97f4a7c15ull + hash(v.u.items[i], depth - 1);
    if (v.type == JSON_OBJECT)
        for (uint32_t i = 0; i < v.n; i++)
            h += hash(v.u.members[i].key, 1) * 31 ^ hash(v.u.members[i].value, depth - 1);
    return h;
}

struct hashed {
    uint64_t hash;
    uint32_t i;
};

static int by_hash(const void *a, const void *b)
{
    const struct hashed *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->i < y->i ? -1 : 1;
}

bool schema_items_repeat(struct json array, uint32_t *ret_first, uint32_t *ret_second)
{
    TL_CLEANUP(tl_freep) struct hashed *h = tl_reallocarray(NULL, array.n + 1ul, sizeof(*h));

    for (uint32_t i = 0; i < array.n; i++)
        h[i] = (struct hashed){hash(array.u.items[i], 8), i};
    qsort(h, array.n, sizeof(*h), by_hash);
    for (uint32_t i = 0; i < array.n; i++) {
        for (uint32_t k = i + 1; k < array.n && h[k].hash == h[i].hash; k++) {
            if (json_equal(array.u.items[h[i].i], array.u.items[h[k].i])) {
                *ret_first = h[i].i;
                *ret_second = h[k].i;
                return true;
            }
        }
    }
    return false;
}
