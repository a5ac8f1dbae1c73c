/* SPDX-License-Identifier: Apache-2.0 */
/* map.c - open addressing over an array of entries kept in order of insertion; removed entries leave a hole until
 * growth. */
#include "base/map.h"

struct entry {
    char *key; /* NULL: removed */
    size_t key_n;
    uint64_t hash;
    void *value;
};

struct tl_map {
    struct entry *entries;
    size_t n, cap, live;
    uint32_t *slots; /* index + 1 into entries; 0: free */
    size_t n_slots;  /* a power of two, at least twice cap */
};

struct tl_map *tl_map_new(void)
{
    return tl_zalloc(sizeof(struct tl_map));
}

void tl_map_free(struct tl_map *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++)
        tl_free(m->entries[i].key);
    tl_free(m->entries);
    tl_free(m->slots);
    tl_free(m);
}

size_t tl_map_count(const struct tl_map *m)
{
    return m->live;
}

static struct entry *find(const struct tl_map *m, struct tl_sv key, uint64_t hash)
{
    if (!m->n_slots)
        return NULL;
    for (size_t s = hash & (m->n_slots - 1); m->slots[s]; s = (s + 1) & (m->n_slots - 1)) {
        struct entry *e = &m->entries[m->slots[s] - 1];

        if (e->key && e->hash == hash && tl_sv_eq(tl_sv(e->key, e->key_n), key))
            return e;
    }
    return NULL;
}

static void put_slot(struct tl_map *m, size_t index)
{
    size_t s = m->entries[index].hash & (m->n_slots - 1);

    while (m->slots[s])
        s = (s + 1) & (m->n_slots - 1);
    m->slots[s] = (uint32_t)index + 1;
}

/* Drop the holes, then make room: also the moment when removed entries leave the slots. */
static void rebuild(struct tl_map *m)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->n; i++) {
        if (m->entries[i].key)
            m->entries[kept++] = m->entries[i];
    }
    m->n = kept;
    m->cap = kept < 8 ? 16 : kept * 2;
    m->entries = tl_reallocarray(m->entries, m->cap, sizeof *m->entries);
    for (m->n_slots = 32; m->n_slots < m->cap * 2;)
        m->n_slots *= 2;
    tl_free(m->slots);
    m->slots = tl_zalloc(m->n_slots * sizeof *m->slots);
    for (size_t i = 0; i < kept; i++)
        put_slot(m, i);
}

void *tl_map_get(const struct tl_map *m, struct tl_sv key)
{
    struct entry *e = find(m, key, tl_hash64(key.p, key.n, 0));

    return e ? e->value : NULL;
}

void *tl_map_put(struct tl_map *m, struct tl_sv key, void *value)
{
    uint64_t hash = tl_hash64(key.p, key.n, 0);
    struct entry *e = find(m, key, hash);

    assert(value);
    if (e) {
        void *old = e->value;

        e->value = value;
        return old;
    }
    if (m->n == m->cap)
        rebuild(m);
    m->entries[m->n] = (struct entry){tl_strndup(key.p ? key.p : "", key.n), key.n, hash, value};
    put_slot(m, m->n);
    m->n++;
    m->live++;
    return NULL;
}

void *tl_map_remove(struct tl_map *m, struct tl_sv key)
{
    struct entry *e = find(m, key, tl_hash64(key.p, key.n, 0));

    if (!e)
        return NULL;
    tl_free(TL_STEAL(&e->key));
    m->live--;
    return e->value;
}

bool tl_map_next(const struct tl_map *m, size_t *i, struct tl_sv *ret_key, void **ret_value)
{
    while (*i < m->n && !m->entries[*i].key)
        ++*i;
    if (*i >= m->n)
        return false;
    *ret_key = tl_sv(m->entries[*i].key, m->entries[*i].key_n);
    *ret_value = m->entries[*i].value;
    ++*i;
    return true;
}
