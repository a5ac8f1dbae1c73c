/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group.c - objects: {key: value} for one context, and grouping when the context is a sequence. Items of a group are
 * chained by number while the keys are evaluated; each group's array is made once, at its exact size.
 */
#include "jsonata/ops.h"

#define NONE UINT32_MAX

struct entry {
    struct json key;
    uint64_t hash;
    uint32_t pair, first, last, count;
};

struct grouping {
    struct jsonata_eval *e;
    const struct group *g;
    const struct json *items;
    uint32_t n;
    bool tuples;
    const struct scope *tuple_scope;
    struct entry *entries;
    uint32_t count, cap;
    uint32_t *slots; /* entry number + 1; NULL while there are few */
    uint32_t mask;
    uint32_t *next; /* item after this one in its group; by pair */
};

static bool out_of_memory(struct grouping *s)
{
    eval_exhausted(s->e);
    return false;
}

static bool rehash(struct grouping *s)
{
    uint32_t size = s->mask ? (s->mask + 1) * 4 : 64;
    uint32_t *slots = eval_alloc(s->e, size * sizeof(*slots));

    if (!slots)
        return out_of_memory(s);
    memset(slots, 0, size * sizeof(*slots));
    s->slots = slots;
    s->mask = size - 1;
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t at = (uint32_t)s->entries[i].hash & s->mask;

        while (slots[at])
            at = (at + 1) & s->mask;
        slots[at] = i + 1;
    }
    return true;
}

static inline bool same_key(struct json a, struct json b)
{
    return a.n == b.n && (a.u.s == b.u.s || memcmp(a.u.s, b.u.s, a.n) == 0);
}

#define FEW 8

static struct entry *find(struct grouping *s, struct json key, uint64_t *ret_hash, uint32_t *ret_slot)
{
    if (!s->slots) {
        for (uint32_t i = 0; i < s->count; i++)
            if (same_key(s->entries[i].key, key))
                return &s->entries[i];
        return NULL;
    }
    *ret_hash = tl_hash64(key.u.s, key.n, 0);
    *ret_slot = (uint32_t)*ret_hash & s->mask;
    while (s->slots[*ret_slot]) {
        struct entry *entry = &s->entries[s->slots[*ret_slot] - 1];

        if (entry->hash == *ret_hash && same_key(entry->key, key))
            return entry;
        *ret_slot = (*ret_slot + 1) & s->mask;
    }
    return NULL;
}

static struct entry *new_entry(struct grouping *s, struct json key, uint64_t hash, uint32_t slot)
{
    struct entry *entry;

    if (s->count == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : (s->g->n < 4 ? 4 : s->g->n);
        struct entry *bigger = eval_alloc(s->e, cap * sizeof(*bigger));

        if (!bigger) {
            out_of_memory(s);
            return NULL;
        }
        if (s->count)
            memcpy(bigger, s->entries, s->count * sizeof(*bigger));
        s->entries = bigger;
        s->cap = cap;
    }
    entry = &s->entries[s->count++];
    *entry = (struct entry){.key = key, .hash = hash, .first = NONE};
    if (s->slots) {
        s->slots[slot] = s->count;
        if (s->count * 2 > s->mask && !rehash(s))
            return NULL;
    } else if (s->count > FEW) {
        for (uint32_t i = 0; i < s->count; i++)
            s->entries[i].hash = tl_hash64(s->entries[i].key.u.s, s->entries[i].key.n, 0);
        if (!rehash(s))
            return NULL;
    }
    return &s->entries[s->count - 1];
}

static bool add_item(struct grouping *s, struct json key, uint32_t pair, uint32_t item)
{
    uint64_t hash = 0;
    uint32_t slot = 0;
    struct entry *entry = find(s, key, &hash, &slot);

    if (!entry) {
        entry = new_entry(s, key, hash, slot);
        if (!entry)
            return false;
        entry->pair = pair;
    } else if (entry->pair != pair) {
        eval_raise(s->e, "D1009", key);
        eval_blame_default(s->e, s->g->pos, TL_SV_NULL);
        return false;
    }
    if (s->n > 1) {
        s->next[(size_t)pair * s->n + item] = NONE;
        if (entry->first != NONE)
            s->next[(size_t)pair * s->n + entry->last] = item;
    }
    if (entry->first == NONE)
        entry->first = item;
    entry->last = item;
    entry->count++;
    return true;
}

static bool group_items(struct grouping *s)
{
    struct jsonata_eval *e = s->e;
    struct env *saved = e->env;

    for (uint32_t i = 0; i < s->n; i++) {
        struct json context = s->items[i];

        if (s->tuple_scope) {
            struct env *env = tuple_env(e, s->items[i], s->tuple_scope);

            if (!env)
                return out_of_memory(s);
            e->env = env;
            context = s->tuples ? env->slots[0] : context;
        }
        for (uint32_t pair = 0; pair < s->g->n; pair++) {
            struct json key = eval(e, s->g->pairs[2 * pair], context);

            if (key.type == JSON_UNDEFINED)
                continue;
            if (!raised(key) && key.type != JSON_STRING) {
                eval_raise(e, "T1003", key);
                eval_blame_default(e, s->g->pos, TL_SV_NULL);
                key = RAISED;
            }
            if (raised(key) || !eval_tick(e) || !add_item(s, key, pair, i)) {
                e->env = saved;
                return false;
            }
        }
        e->env = saved;
    }
    return true;
}

/* What the value of a group is evaluated for: its item, or all of its items appended. */
static struct json group_context(struct grouping *s, const struct entry *entry)
{
    struct list l = {0};
    struct json v;

    if (entry->count == 1 || !s->next) /* there is no `next` where there is one item in all */
        return s->items[entry->first];
    if (!list_grow(s->e, &l, entry->count))
        return RAISED;
    for (uint32_t i = entry->first; i != NONE; i = s->next[(size_t)entry->pair * s->n + i]) {
        v = s->items[i];
        if (v.type == JSON_ARRAY ? !list_push_all(s->e, &l, v) : !list_push(s->e, &l, v))
            return RAISED;
    }
    return list_value(&l, 0);
}

static struct json group_value(struct grouping *s, const struct entry *entry)
{
    struct jsonata_eval *e = s->e;
    struct env *saved = e->env;
    struct json context = group_context(s, entry), v;

    if (raised(context))
        return context;
    if (s->tuple_scope) {
        struct env *env;

        if (s->tuples)
            context = run_reduce_tuples(e, context, s->tuple_scope);
        if (raised(context))
            return context;
        env = tuple_env(e, context, s->tuple_scope);
        if (!env)
            return eval_exhausted(e);
        e->env = env;
        context = s->tuples ? env->slots[0] : context;
    }
    v = eval(e, s->g->pairs[2 * entry->pair + 1], context);
    e->env = saved;
    return v;
}

/* Groups run in the order that JavaScript lists their names in: it decides which of two errors is seen. */
static bool order_entries(struct grouping *s)
{
    struct json names = {.type = JSON_OBJECT, .n = s->count};
    const struct json_member *ordered;
    struct entry *entries;

    names.u.members = eval_alloc(s->e, (s->count + !s->count) * sizeof(*names.u.members));
    if (!names.u.members)
        return out_of_memory(s);
    for (uint32_t i = 0; i < s->count; i++)
        names.u.members[i] = (struct json_member){s->entries[i].key, json_int(i)};
    ordered = run_ordered_members(s->e, names);
    if (!ordered)
        return out_of_memory(s);
    if (ordered == names.u.members || s->count == 0)
        return true;
    entries = eval_alloc(s->e, s->count * sizeof(*entries));
    if (!entries)
        return out_of_memory(s);
    for (uint32_t i = 0; i < s->count; i++)
        entries[i] = s->entries[ordered[i].value.u.i];
    s->entries = entries;
    return true;
}

static bool has_index_names(const struct grouping *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (s->entries[i].key.n && s->entries[i].key.u.s[0] <= '9')
            return true;
    return false;
}

static struct json group_result(struct grouping *s)
{
    struct json_builder b;

    if (has_index_names(s) && !order_entries(s))
        return RAISED;
    json_object_begin(&b, s->e->arena, s->count);
    for (uint32_t i = 0; i < s->count; i++) {
        struct json v = group_value(s, &s->entries[i]);

        if (raised(v))
            return v;
        if (v.type != JSON_UNDEFINED && !json_add(&b, json_view(s->entries[i].key), v))
            return eval_exhausted(s->e);
    }
    return json_end(&b);
}

struct json run_group(struct jsonata_eval *e, const struct group *g, struct json in, const struct scope *tuple_scope)
{
    static const struct json nothing = {0};
    struct grouping s = {.e = e, .g = g, .items = &in, .n = 1, .tuple_scope = tuple_scope};

    if (in.type == JSON_ARRAY) {
        s.tuples = in.flags & V_F_TUPLES;
        s.items = in.u.items;
        s.n = in.n;
        if (in.n == 0 && !s.tuples) {
            s.items = &nothing;
            s.n = 1;
        }
    }
    if (s.n > 1) {
        s.next = eval_alloc(e, (size_t)s.n * g->n * sizeof(*s.next) + 1);
        if (!s.next)
            return eval_exhausted(e);
    }
    return group_items(&s) ? group_result(&s) : RAISED;
}

/* Context of the values of a constructor whose keys are constant: all items form one group for each key. */
static struct json object_context(struct jsonata_eval *e, struct json in)
{
    struct list l = {0};
    bool nested = false;

    if (in.n == 0)
        return JSON_NOTHING;
    if (in.n == 1)
        return in.u.items[0];
    for (uint32_t i = 0; i < in.n && !nested; i++)
        nested = in.u.items[i].type == JSON_ARRAY;
    if (!nested) {
        in.flags = 0;
        return in;
    }
    for (uint32_t i = 0; i < in.n; i++) {
        struct json v = in.u.items[i];

        if (v.type == JSON_ARRAY ? !list_push_all(e, &l, v) : !list_push(e, &l, v))
            return RAISED;
    }
    return list_value(&l, 0);
}

struct json run_object(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json_member *m;
    uint32_t count = 0, pairs = n->count / 2;

    if (!(n->flags & N_CONST_KEYS))
        return run_group(e, n->own, in, NULL);
    if (in.type == JSON_ARRAY) {
        in = object_context(e, in);
        if (raised(in))
            return in;
    }
    m = eval_alloc(e, (pairs + !pairs) * sizeof(*m));
    if (!m)
        return eval_exhausted(e);
    for (uint32_t i = 0; i < pairs; i++) {
        struct json v = eval(e, n->list[2 * i + 1], in);

        if (raised(v) || eval_lacks(e, v))
            return raised(v) ? v : JSON_NOTHING;
        if (v.type == JSON_UNDEFINED)
            continue;
        m[count].key = n->list[2 * i]->value;
        m[count++].value = v;
    }
    return (struct json){.type = JSON_OBJECT, .n = count, .u.members = m};
}
