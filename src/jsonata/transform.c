/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transform.c - |pattern|update,delete|. The language changes a copy of the input in place, match after match. Values
 * here don't change: each changed object is remembered under the identity of the one it replaces, and what is seen of
 * the copy, by later matches and in the end, is put together from those.
 */
#include "jsonata/eval.h"

struct change {
    const struct json_member *was;
    struct json now;
};

struct changes {
    struct jsonata_eval *e;
    struct change *v;
    uint32_t mask, count;
};

static struct change *slot_of(const struct changes *c, const struct json_member *was)
{
    uint32_t at = (uint32_t)(((uintptr_t)was >> 4) * 0x9E3779B1U) & c->mask;

    while (c->v[at].was && c->v[at].was != was)
        at = (at + 1) & c->mask;
    return &c->v[at];
}

static bool changes_grow(struct changes *c)
{
    struct changes bigger = {.e = c->e, .mask = c->v ? c->mask * 2 + 1 : 31, .count = c->count};

    bigger.v = eval_alloc(c->e, (bigger.mask + 1) * sizeof(*bigger.v));
    if (!bigger.v) {
        eval_exhausted(c->e);
        return false;
    }
    memset(bigger.v, 0, (bigger.mask + 1) * sizeof(*bigger.v));
    for (uint32_t i = 0; c->v && i <= c->mask; i++)
        if (c->v[i].was)
            *slot_of(&bigger, c->v[i].was) = c->v[i];
    *c = bigger;
    return true;
}

static bool changes_put(struct changes *c, const struct json_member *was, struct json now)
{
    struct change *slot;

    if ((!c->v || c->count * 2 > c->mask) && !changes_grow(c))
        return false;
    slot = slot_of(c, was);
    c->count += slot->was == NULL;
    *slot = (struct change){was, now};
    return true;
}

/* The value with all changes in it. */
static struct json current(struct changes *c, struct json v)
{
    struct jsonata_eval *e = c->e;
    struct json out = v;

    if (!c->count || (v.type != JSON_ARRAY && v.type != JSON_OBJECT) || v.n + c->count == 0)
        return v;
    if (!eval_stack_ok(e) || !eval_tick(e))
        return eval_exhausted(e);
    if (v.type == JSON_OBJECT) {
        const struct change *change = slot_of(c, v.u.members);

        if (change->was)
            v = change->now;
        out = (struct json){.type = JSON_OBJECT, .n = v.n};
        out.u.members = eval_alloc(e, (v.n + !v.n) * sizeof(*out.u.members));
    } else {
        out.u.items = eval_alloc(e, (v.n + !v.n) * sizeof(*out.u.items));
    }
    if (!out.u.items)
        return eval_exhausted(e);
    for (uint32_t i = 0; i < v.n; i++) {
        struct json item = current(c, v.type == JSON_OBJECT ? v.u.members[i].value : v.u.items[i]);

        if (raised(item))
            return item;
        if (v.type == JSON_OBJECT)
            out.u.members[i] = (struct json_member){v.u.members[i].key, item};
        else
            out.u.items[i] = item;
    }
    return out;
}

static bool raise_at(struct jsonata_eval *e, const char *code, const struct node *n, struct json value)
{
    eval_raise(e, code, value);
    eval_blame(e, n->pos, TL_SV_NULL);
    return false;
}

/* The object with the update's members set. */
static bool merge_update(struct jsonata_eval *e, const struct node *n, struct json view, struct json *object)
{
    struct json update = eval(e, n->b, view);
    struct json_builder b;

    if (raised(update))
        return false;
    if (update.type == JSON_UNDEFINED)
        return true;
    if (update.type != JSON_OBJECT)
        return raise_at(e, "T2011", n->b, update);
    if (object->type != JSON_OBJECT)
        return true;
    json_object_begin(&b, e->arena, object->n + update.n);
    for (uint32_t i = 0; i < object->n; i++)
        if (!json_add(&b, json_view(object->u.members[i].key), object->u.members[i].value))
            return raised(eval_exhausted(e)) && false;
    for (uint32_t i = 0; i < update.n; i++)
        if (!json_set(&b, json_view(update.u.members[i].key), update.u.members[i].value))
            return raised(eval_exhausted(e)) && false;
    *object = json_end(&b);
    return true;
}

static bool listed(struct json names, struct json key)
{
    for (uint32_t i = 0; i < names.n; i++)
        if (run_same_value(names.u.items[i], key))
            return true;
    return false;
}

static bool delete_members(struct jsonata_eval *e, const struct node *n, struct json view, struct json *object)
{
    struct json names = eval(e, n->c, view), out;

    if (raised(names))
        return false;
    if (names.type == JSON_UNDEFINED)
        return true;
    if (names.type != JSON_ARRAY) {
        struct json one = array_of(e, names, 0);

        if (names.type != JSON_STRING)
            return raise_at(e, "T2012", n->c, names);
        names = one;
    }
    if (raised(names))
        return false;
    for (uint32_t i = 0; i < names.n; i++)
        if (names.u.items[i].type != JSON_STRING)
            return raise_at(e, "T2012", n->c, names);
    if (object->type != JSON_OBJECT)
        return true;
    out = (struct json){.type = JSON_OBJECT};
    out.u.members = eval_alloc(e, (object->n + 1) * sizeof(*out.u.members));
    if (!out.u.members)
        return raised(eval_exhausted(e)) && false;
    for (uint32_t i = 0; i < object->n; i++)
        if (!listed(names, object->u.members[i].key))
            out.u.members[out.n++] = object->u.members[i];
    *object = out;
    return true;
}

/* What the update is evaluated for: the object as it is now, under an identity of its own. */
static struct json view_of(struct changes *c, struct json match)
{
    struct json v = current(c, match);
    struct json_member *copy;

    if (v.type != JSON_OBJECT || v.u.members != match.u.members)
        return v;
    copy = eval_alloc(c->e, (v.n + !v.n) * sizeof(*copy));
    if (!copy)
        return eval_exhausted(c->e);
    if (v.n)
        memcpy(copy, v.u.members, v.n * sizeof(*copy));
    v.flags = 0; /* no index stands behind the copy */
    v.u.members = copy;
    return v;
}

static bool change_match(struct changes *c, const struct node *n, struct json match)
{
    struct json view = view_of(c, match), object = match;

    if (raised(view) || !eval_tick(c->e))
        return false;
    /* What is kept holds the objects inside under their old identities: they may change yet. */
    if (match.type == JSON_OBJECT && c->v && slot_of(c, match.u.members)->was)
        object = slot_of(c, match.u.members)->now;
    if (!merge_update(c->e, n, view, &object))
        return false;
    if (match.type == JSON_OBJECT && !changes_put(c, match.u.members, object))
        return false;
    if (!n->c)
        return true;
    view = view_of(c, match);
    if (raised(view) || !delete_members(c->e, n, view, &object))
        return false;
    return match.type != JSON_OBJECT || changes_put(c, match.u.members, object);
}

struct json run_call_transform(struct jsonata_eval *e, const struct node *n, struct json value)
{
    struct changes changes = {.e = e};
    struct json copy, matches;
    const struct json *items;

    if (value.type == JSON_UNDEFINED)
        return value;
    copy = run_deep_clone(e, value);
    if (raised(copy))
        return copy;
    matches = eval(e, n->a, copy);
    if (raised(matches))
        return matches;
    items = matches.type == JSON_ARRAY ? matches.u.items : &matches;
    for (uint32_t i = 0; matches.type != JSON_UNDEFINED && i < (matches.type == JSON_ARRAY ? matches.n : 1); i++)
        if (!change_match(&changes, n, items[i]))
            return RAISED;
    return current(&changes, copy);
}
