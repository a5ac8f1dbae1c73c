/* SPDX-License-Identifier: Apache-2.0 */
/* build.c - arrays and objects that grow in an arena. */
#include "json/json_int.h"

/* Objects that may come to carry an index keep one member's place in front for its header. */
static bool has_header(uint32_t cap)
{
    return cap > JSON_INDEX_MIN;
}

static bool object_reserve(struct json_builder *b, uint32_t cap)
{
    struct json_member *old = b->v.u.members, *members;

    if (has_header(b->cap)) {
        members =
            tl_arena_grow(b->arena, old - 1, ((size_t)b->cap + 1) * sizeof(*old), ((size_t)cap + 1) * sizeof(*old));
        if (members)
            members++;
    } else if (has_header(cap)) {
        members = json_members_alloc(b->arena, cap);
        if (members && b->v.n > 0)
            memcpy(members, old, b->v.n * sizeof(*old));
    } else {
        members = tl_arena_grow(b->arena, b->cap ? old : NULL, b->cap * sizeof(*old), cap * sizeof(*old));
    }
    if (!members)
        return false;
    b->v.u.members = members;
    b->cap = cap;
    return true;
}

static uint32_t next_cap(uint32_t cap)
{
    if (cap >= UINT32_MAX / 2)
        return UINT32_MAX;
    return cap < 4 ? 4 : cap * 2;
}

static uint32_t clamp(size_t expected)
{
    return expected > UINT32_MAX ? UINT32_MAX : (uint32_t)expected;
}

void json_array_begin(struct json_builder *b, struct tl_arena *a, size_t expected)
{
    *b = (struct json_builder){.arena = a, .v = {.type = JSON_ARRAY}};
    if (expected > 0) {
        b->v.u.items = tl_arena_alloc(a, clamp(expected) * sizeof(struct json));
        b->cap = b->v.u.items ? clamp(expected) : 0;
    }
}

void json_object_begin(struct json_builder *b, struct tl_arena *a, size_t expected)
{
    *b = (struct json_builder){.arena = a, .v = {.type = JSON_OBJECT}};
    if (expected > 0)
        (void)object_reserve(b, clamp(expected)); /* a failure shows at the first member */
}

bool json_push(struct json_builder *b, struct json item)
{
    if (b->v.n == b->cap) {
        uint32_t cap = next_cap(b->cap);
        struct json *items;

        if (cap == b->cap)
            return false;
        items = tl_arena_grow(b->arena, b->cap ? b->v.u.items : NULL, b->cap * sizeof(*items), cap * sizeof(*items));
        if (!items)
            return false;
        b->v.u.items = items;
        b->cap = cap;
    }
    b->v.u.items[b->v.n++] = item;
    return true;
}

static void index_last(struct json_builder *b)
{
    struct json_index *ix = json_index_header(b->v.u.members)->index;
    uint32_t last = b->v.n - 1, slot;

    if (b->v.n * 2ull > ix->mask) { /* too full: json_set makes a larger one when it needs it */
        b->v.flags &= (uint8_t)~JSON_F_INDEXED;
        return;
    }
    if (json_index_find(ix, b->v.u.members, last, json_view(b->v.u.members[last].key), &slot) == UINT32_MAX)
        ix->slots[slot] = last + 1;
}

bool json_add(struct json_builder *b, struct tl_sv key, struct json value)
{
    if (b->v.n == b->cap && (next_cap(b->cap) == b->cap || !object_reserve(b, next_cap(b->cap))))
        return false;
    b->v.u.members[b->v.n++] = (struct json_member){json_sv(key), value};
    if (b->v.flags & JSON_F_INDEXED)
        index_last(b);
    return true;
}

bool json_adds(struct json_builder *b, const char *key, struct json value)
{
    return json_add(b, tl_sv_str(key), value);
}

static bool index_members(struct tl_arena *a, struct json *v, size_t room)
{
    struct json_index *ix = json_index_new(a, room);

    if (!ix)
        return false;
    for (uint32_t i = 0; i < v->n; i++) {
        uint32_t slot;

        if (json_index_find(ix, v->u.members, v->n, json_view(v->u.members[i].key), &slot) == UINT32_MAX)
            ix->slots[slot] = i + 1;
    }
    json_index_header(v->u.members)->index = ix;
    v->flags |= JSON_F_INDEXED;
    return true;
}

/* Where the key is in the object being built; large ones get an index first, so that n calls stay linear. */
static uint32_t builder_find(struct json_builder *b, struct tl_sv key)
{
    if (!(b->v.flags & JSON_F_INDEXED) && b->v.n > JSON_INDEX_MIN && has_header(b->cap))
        (void)index_members(b->arena, &b->v, (size_t)b->v.n * 2);
    if (b->v.flags & JSON_F_INDEXED)
        return json_index_find(json_index_header(b->v.u.members)->index, b->v.u.members, b->v.n, key, NULL);
    for (uint32_t i = 0; i < b->v.n; i++)
        if (json_key_is(&b->v.u.members[i].key, key))
            return i;
    return UINT32_MAX;
}

bool json_set(struct json_builder *b, struct tl_sv key, struct json value)
{
    uint32_t at = builder_find(b, key);

    if (at == UINT32_MAX)
        return json_add(b, key, value);
    b->v.u.members[at].value = value;
    return true;
}

struct json json_indexed(struct tl_arena *a, struct json v)
{
    struct json_member *members;
    struct json copy = v;

    if (v.type != JSON_OBJECT || v.n <= JSON_INDEX_MIN || (v.flags & JSON_F_INDEXED))
        return v;
    members = json_members_alloc(a, v.n);
    if (!members)
        return v;
    memcpy(members, v.u.members, v.n * sizeof(*members));
    copy.u.members = members;
    return index_members(a, &copy, v.n) ? copy : v;
}
