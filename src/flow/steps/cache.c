/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.c - what systems answered to look-ups, by what was asked: one for the engine, so that a reload keeps it and
 * flows share it. Loops share it under a lock that is never held over a wait. Two halves: what was asked for while the
 * younger one filled up moves along, the rest is forgotten.
 */
#include "flow/flow_int.h"

enum { MAX_ENTRIES = 20000, MAX_BYTES = 32 << 20, MAX_ANSWER = 1 << 20 }; /* of a half; one answer */

struct entry {
    char *text; /* JSON of the answer */
    size_t n;
    uint64_t at_ns;
};
struct half {
    struct tl_map *entries;
    size_t bytes;
};
struct flow_cache {
    pthread_mutex_t lock;
    struct half young, old;
};

static void entry_free(struct entry *e)
{
    if (e)
        tl_free(e->text);
    tl_free(e);
}

static void half_free(struct half *h)
{
    struct tl_sv key;
    void *e;

    for (size_t i = 0; h->entries && tl_map_next(h->entries, &i, &key, &e);)
        entry_free(e);
    tl_map_free(h->entries);
    *h = (struct half){0};
}

struct flow_cache *flow__cache_new(void)
{
    struct flow_cache *c = tl_zalloc(sizeof *c);

    pthread_mutex_init(&c->lock, NULL);
    c->young.entries = tl_map_new();
    c->old.entries = tl_map_new();
    return c;
}

void flow__cache_free(struct flow_cache *c)
{
    if (!c)
        return;
    half_free(&c->young);
    half_free(&c->old);
    pthread_mutex_destroy(&c->lock);
    tl_free(c);
}

/* Takes it. */
static void put(struct flow_cache *c, struct tl_sv key, struct entry *e)
{
    struct entry *before;

    if (tl_map_count(c->young.entries) >= MAX_ENTRIES || c->young.bytes + e->n + key.n > MAX_BYTES) {
        half_free(&c->old);
        c->old = c->young;
        c->young = (struct half){.entries = tl_map_new()};
    }
    c->young.bytes += e->n + key.n;
    before = tl_map_put(c->young.entries, key, e);
    if (before)
        c->young.bytes -= before->n + key.n;
    entry_free(before);
}

static struct entry *find(struct flow_cache *c, struct tl_sv key)
{
    struct entry *e = tl_map_get(c->young.entries, key);

    if (e)
        return e;
    e = tl_map_remove(c->old.entries, key);
    if (e)
        put(c, key, e);
    return e;
}

bool flow__cache_get(struct flow_cache *c, struct tl_sv key, uint64_t now_ns, int64_t max_age_ms, struct tl_arena *a,
                     struct json *ret, int64_t *ret_age_ms)
{
    struct tl_sv text = TL_SV_NULL;
    struct entry *e;

    pthread_mutex_lock(&c->lock);
    e = find(c, key);
    if (e && (now_ns < e->at_ns || now_ns - e->at_ns <= (uint64_t)max_age_ms * 1000000u)) {
        text = tl_arena_sv(a, tl_sv(e->text, e->n));
        *ret_age_ms = now_ns < e->at_ns ? 0 : (int64_t)((now_ns - e->at_ns) / 1000000u);
    }
    pthread_mutex_unlock(&c->lock);
    return text.p && json_parse(a, text, 0, NULL, ret, NULL) == TL_OK;
}

void flow__cache_put(struct flow_cache *c, struct tl_sv key, uint64_t now_ns, struct json v)
{
    struct entry *e;
    struct tl_buf b;

    tl_buf_init(&b, MAX_ANSWER);
    if (!json_write(&b, v, 0)) { /* too large to be worth keeping */
        tl_buf_done(&b);
        return;
    }
    e = tl_zalloc(sizeof *e);
    e->text = tl_buf_take(&b, &e->n);
    e->at_ns = now_ns;
    pthread_mutex_lock(&c->lock);
    put(c, key, e);
    pthread_mutex_unlock(&c->lock);
}
