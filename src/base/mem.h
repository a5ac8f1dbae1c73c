/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.h - heap and arenas.
 *
 * Heap calls never return NULL: a failed malloc aborts in one place (mem.c), because the ledger makes a restart safe.
 * What a remote party can size must have a limit: that is what arenas and buffers (buf.h) are for, and passing it is an
 * error that is returned.
 */
#ifndef TL_BASE_MEM_H
#define TL_BASE_MEM_H

#include "base/macros.h"
#include "base/sv.h"

void *tl_alloc(size_t n) TL_MUST_CHECK __attribute__((malloc, alloc_size(1)));  /* uninitialised */
void *tl_zalloc(size_t n) TL_MUST_CHECK __attribute__((malloc, alloc_size(1))); /* zeroed */
void *tl_realloc(void *p, size_t n) TL_MUST_CHECK;
void *tl_reallocarray(void *p, size_t count, size_t size) TL_MUST_CHECK; /* aborts on overflow */
void tl_free(void *p);                                                   /* NULL allowed */
void tl_freep(void *pp);                                                 /* for TL_CLEANUP(tl_freep) on any pointer */
char *tl_strdup(const char *s) TL_MUST_CHECK;
char *tl_strndup(const char *s, size_t n) TL_MUST_CHECK;
char *tl_sprintf(const char *fmt, ...) TL_MUST_CHECK TL_PRINTF(1, 2);
/* Overwrite with zeros in a way the compiler keeps. */
void tl_wipe(void *p, size_t n);

/*
 * An arena is the memory of one attempt, request or run: freed at once. It grows in chunks (first 4 KB, doubling to
 * 1 MB). `limit` bounds the bytes it may hold in all; beyond it tl_arena_alloc returns NULL and `tl_arena_exceeded`
 * is true from then on: callers on a path that a remote party sizes must check, others may use the _must forms.
 * Not thread-safe; an arena may move between threads when idle.
 */
struct tl_arena;

struct tl_arena *tl_arena_new(size_t limit_bytes) TL_MUST_CHECK;
void tl_arena_free(struct tl_arena *a);
void tl_arena_freep(struct tl_arena **a);
void tl_arena_reset(struct tl_arena *a); /* all memory is given back, one chunk is kept for reuse */
size_t tl_arena_used(const struct tl_arena *a);
size_t tl_arena_left(const struct tl_arena *a); /* bytes below the limit */
bool tl_arena_exceeded(const struct tl_arena *a);

void *tl_arena_alloc(struct tl_arena *a, size_t n) TL_MUST_CHECK; /* 16-byte aligned, uninitialised, NULL at limit */
void *tl_arena_alloc_unaligned(struct tl_arena *a, size_t n) TL_MUST_CHECK; /* for text */
void *tl_arena_zalloc(struct tl_arena *a, size_t n) TL_MUST_CHECK;
/* Grow the last allocation in place where possible, else copy. p may be NULL. */
void *tl_arena_grow(struct tl_arena *a, void *p, size_t old_n, size_t new_n) TL_MUST_CHECK;
void *tl_arena_must(struct tl_arena *a, size_t n) TL_MUST_CHECK; /* aborts at the limit: only for sizes of our own */
char *tl_arena_strdup(struct tl_arena *a, const char *s) TL_MUST_CHECK;
char *tl_arena_strndup(struct tl_arena *a, const char *s, size_t n) TL_MUST_CHECK; /* NUL-terminated copy */
struct tl_sv tl_arena_sv(struct tl_arena *a, struct tl_sv s) TL_MUST_CHECK;        /* copy; .p NULL at limit */
char *tl_arena_printf(struct tl_arena *a, const char *fmt, ...) TL_MUST_CHECK TL_PRINTF(2, 3);
/* Call fn(arg) when the arena is reset or freed, last registered first. */
void tl_arena_on_free(struct tl_arena *a, void (*fn)(void *arg), void *arg);

/* Scratch use: everything allocated after the mark is given back (on_free handlers included). */
struct tl_arena_mark {
    void *chunk;
    size_t used, total;
    void *cleanups;
};
struct tl_arena_mark tl_arena_mark(struct tl_arena *a);
void tl_arena_rewind(struct tl_arena *a, struct tl_arena_mark m);

#endif
