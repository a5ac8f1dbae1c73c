/* SPDX-License-Identifier: Apache-2.0 */
/* json_int.h - what the files of this folder share: decimal texts taken apart, the hash index of large objects. */
#ifndef TL_JSON_JSON_INT_H
#define TL_JSON_JSON_INT_H

#include "json/json.h"

/* Nesting that no limit of a caller can exceed: copy and compare recurse. */
#define JSON_DEPTH_MAX 10000u
/* Objects with more members than this carry an index. */
#define JSON_INDEX_MIN 12u

/* A decimal text taken apart without arithmetic: 0.d1d2d3... times ten to the `point`. Works on texts of any length. */
struct json_digits {
    bool negative;
    const char *whole; /* the digits before the dot; it and the others follow */
    size_t whole_n;
    size_t first, count; /* significant digits: from the first non-zero to the last non-zero one; count 0 is zero */
    int64_t point;
};
void json_digits_of(struct tl_sv text, struct json_digits *ret);
static inline char json_digit(const struct json_digits *d, size_t i) /* i < count */
{
    size_t at = d->first + i;

    return d->whole[at < d->whole_n ? at : at + 1];
}
/* int64 to text, no NUL; returns the bytes (at most 20). */
size_t json_format_int(int64_t i, char *out);
double json_decimal_double(struct tl_sv text);

/*
 * The index of an object: open addressing, slots hold member number + 1. It is found through the member-sized header
 * that stands before the members of an object with JSON_F_INDEXED.
 */
struct json_index {
    uint64_t seed; /* differs from run to run, so that nobody can prepare collisions */
    uint32_t mask;
    uint32_t slots[];
};
struct json_index_header {
    struct json_index *index;
    uint64_t unused[3];
};
_Static_assert(sizeof(struct json_index_header) == sizeof(struct json_member), "the header takes one member's place");
_Static_assert(sizeof(struct json) == 16, "a value is 16 bytes");

/* Members with room for the header in front of them. NULL at the arena's limit. */
struct json_member *json_members_alloc(struct tl_arena *a, size_t count);
/* An index with room for `count` members; NULL at the arena's limit. arena NULL: from the heap (tl_free). */
struct json_index *json_index_new(struct tl_arena *a, size_t count);
/* Where the key is among the first n members, or UINT32_MAX; *ret_slot (may be NULL) is where it would go. */
uint32_t json_index_find(const struct json_index *ix, const struct json_member *members, uint32_t n, struct tl_sv key,
                         uint32_t *ret_slot);
static inline struct json_index_header *json_index_header(struct json_member *members)
{
    return (struct json_index_header *)(void *)(members - 1);
}

/* Cut one reference token off a pointer whose rest begins with '/'; unescaped into room where needed. */
bool json_pointer_token(struct tl_sv *rest, struct tl_buf *room, struct tl_sv *ret);
/* An array index below n as RFC 6901 section 4 spells it. */
bool json_pointer_index(struct tl_sv token, uint32_t n, uint32_t *ret);

static inline bool json_key_is(const struct json *key, struct tl_sv s)
{
    return key->n == s.n && (s.n == 0 || (key->u.s[0] == s.p[0] && memcmp(key->u.s, s.p, s.n) == 0));
}

#endif
