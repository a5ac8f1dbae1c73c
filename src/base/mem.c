/* SPDX-License-Identifier: Apache-2.0 */
/* mem.c - the only place that calls malloc, and the arena. Invariant: an arena's `total` never passes its limit. */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ALIGN = 16, FIRST_CHUNK = 4096, LARGEST_CHUNK = 1 << 20 };

static TL_NORETURN void out_of_memory(size_t n)
{
    char text[96];
    int len =
        snprintf(text, sizeof text, "tieline: out of memory (asked for %zu bytes); stopping, the ledger is safe\n", n);

    if (len > 0 && write(STDERR_FILENO, text, (size_t)len) < 0) {
        /* nothing is left to do */
    }
    abort();
}

void *tl_alloc(size_t n)
{
    void *p = malloc(n ? n : 1);

    if (TL_UNLIKELY(!p))
        out_of_memory(n);
    return p;
}

void *tl_zalloc(size_t n)
{
    void *p = calloc(1, n ? n : 1);

    if (TL_UNLIKELY(!p))
        out_of_memory(n);
    return p;
}

void *tl_realloc(void *p, size_t n)
{
    void *q = realloc(p, n ? n : 1);

    if (TL_UNLIKELY(!q))
        out_of_memory(n);
    return q;
}

void *tl_reallocarray(void *p, size_t count, size_t size)
{
    size_t n;

    if (__builtin_mul_overflow(count, size, &n))
        out_of_memory(SIZE_MAX);
    return tl_realloc(p, n);
}

void tl_free(void *p)
{
    free(p);
}

void tl_freep(void *pp)
{
    tl_free(*(void **)pp);
}

char *tl_strdup(const char *s)
{
    return tl_strndup(s, strlen(s));
}

char *tl_strndup(const char *s, size_t n)
{
    char *copy = tl_alloc(n + 1);

    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *tl_sprintf(const char *fmt, ...)
{
    va_list ap;
    char *text = NULL;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        out_of_memory(0);
    va_end(ap);
    return text;
}

void tl_wipe(void *p, size_t n)
{
    explicit_bzero(p, n);
}

struct chunk {
    struct chunk *prev;
    size_t size; /* of data */
    _Alignas(ALIGN) char data[];
};

struct cleanup {
    struct cleanup *prev;
    void (*fn)(void *arg);
    void *arg;
};

struct tl_arena {
    struct chunk *chunk; /* the one being filled; older ones behind it */
    size_t used;         /* in chunk */
    size_t total;        /* bytes of all chunks */
    size_t limit;
    struct cleanup *cleanups;
    bool exceeded;
};

struct tl_arena *tl_arena_new(size_t limit_bytes)
{
    struct tl_arena *a = tl_zalloc(sizeof *a);

    a->limit = limit_bytes;
    return a;
}

static void run_cleanups(struct tl_arena *a, const void *until)
{
    while (a->cleanups != until) {
        struct cleanup *c = a->cleanups;

        a->cleanups = c->prev;
        c->fn(c->arg);
    }
}

static void drop_chunks(struct tl_arena *a, const struct chunk *until)
{
    while (a->chunk != until) {
        struct chunk *prev = a->chunk->prev;

        a->total -= a->chunk->size;
        tl_free(a->chunk);
        a->chunk = prev;
    }
}

void tl_arena_free(struct tl_arena *a)
{
    if (!a)
        return;
    run_cleanups(a, NULL);
    drop_chunks(a, NULL);
    tl_free(a);
}

void tl_arena_freep(struct tl_arena **a)
{
    tl_arena_free(*a);
}

void tl_arena_reset(struct tl_arena *a)
{
    struct chunk *first = a->chunk;

    run_cleanups(a, NULL);
    while (first && first->prev)
        first = first->prev;
    drop_chunks(a, first);
    a->used = 0;
    a->exceeded = false;
}

size_t tl_arena_used(const struct tl_arena *a)
{
    return a->chunk ? a->total - a->chunk->size + a->used : 0;
}

size_t tl_arena_left(const struct tl_arena *a)
{
    size_t used = tl_arena_used(a);

    return a->limit > used ? a->limit - used : 0;
}

bool tl_arena_exceeded(const struct tl_arena *a)
{
    return a->exceeded;
}

/* The next chunk doubles the last, so that a big run makes few of them; a huge piece gets a chunk of its own size. */
static bool add_chunk(struct tl_arena *a, size_t need)
{
    size_t size = a->chunk ? a->chunk->size * 2 : FIRST_CHUNK;
    struct chunk *c;

    if (size > LARGEST_CHUNK)
        size = LARGEST_CHUNK;
    if (need > a->limit || a->total > a->limit - need) {
        a->exceeded = true;
        return false;
    }
    if (size > a->limit - a->total)
        size = a->limit - a->total;
    if (size < need)
        size = need;
    c = tl_alloc(sizeof *c + size);
    c->prev = a->chunk;
    c->size = size;
    a->chunk = c;
    a->total += size;
    a->used = 0;
    return true;
}

static void *take(struct tl_arena *a, size_t n, size_t align)
{
    size_t at = (a->used + align - 1) & ~(align - 1);

    if (TL_UNLIKELY(!a->chunk || n > a->chunk->size || at > a->chunk->size - n)) {
        if (!add_chunk(a, n))
            return NULL;
        at = 0;
    }
    a->used = at + n;
    return a->chunk->data + at;
}

void *tl_arena_alloc(struct tl_arena *a, size_t n)
{
    return take(a, n, ALIGN);
}

void *tl_arena_alloc_unaligned(struct tl_arena *a, size_t n)
{
    return take(a, n, 1);
}

void *tl_arena_zalloc(struct tl_arena *a, size_t n)
{
    void *p = tl_arena_alloc(a, n);

    return p ? memset(p, 0, n) : NULL;
}

void *tl_arena_grow(struct tl_arena *a, void *p, size_t old_n, size_t new_n)
{
    void *q;

    if (p && a->chunk && (char *)p + old_n == a->chunk->data + a->used && new_n >= old_n &&
        new_n - old_n <= a->chunk->size - a->used) {
        a->used += new_n - old_n;
        return p;
    }
    q = tl_arena_alloc(a, new_n);
    if (q && p)
        memcpy(q, p, old_n < new_n ? old_n : new_n);
    return q;
}

void *tl_arena_must(struct tl_arena *a, size_t n)
{
    void *p = tl_arena_alloc(a, n);

    if (TL_UNLIKELY(!p))
        out_of_memory(n);
    return p;
}

char *tl_arena_strdup(struct tl_arena *a, const char *s)
{
    return tl_arena_strndup(a, s, strlen(s));
}

char *tl_arena_strndup(struct tl_arena *a, const char *s, size_t n)
{
    char *copy = tl_arena_alloc_unaligned(a, n + 1);

    if (!copy)
        return NULL;
    if (n)
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

struct tl_sv tl_arena_sv(struct tl_arena *a, struct tl_sv s)
{
    char *copy = tl_arena_strndup(a, s.p, s.n);

    return tl_sv(copy, copy ? s.n : 0);
}

char *tl_arena_printf(struct tl_arena *a, const char *fmt, ...)
{
    char small[256], *text;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n < 0)
        return NULL;
    text = tl_arena_alloc_unaligned(a, (size_t)n + 1);
    if (!text)
        return NULL;
    if ((size_t)n < sizeof small) {
        memcpy(text, small, (size_t)n + 1);
        return text;
    }
    va_start(ap, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return text;
}

void tl_arena_on_free(struct tl_arena *a, void (*fn)(void *arg), void *arg)
{
    struct cleanup *c = tl_arena_must(a, sizeof *c);

    *c = (struct cleanup){.prev = a->cleanups, .fn = fn, .arg = arg};
    a->cleanups = c;
}

struct tl_arena_mark tl_arena_mark(struct tl_arena *a)
{
    return (struct tl_arena_mark){.chunk = a->chunk, .used = a->used, .total = a->total, .cleanups = a->cleanups};
}

void tl_arena_rewind(struct tl_arena *a, struct tl_arena_mark m)
{
    run_cleanups(a, m.cleanups);
    if (!m.chunk && a->chunk) { /* marked while empty: keep the first chunk for reuse */
        tl_arena_reset(a);
        return;
    }
    drop_chunks(a, m.chunk);
    a->used = m.used;
}
