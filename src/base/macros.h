/* SPDX-License-Identifier: Apache-2.0 */
/* macros.h - the few macros the house allows: attributes, clean-up, counting. None returns, jumps or declares. */
#ifndef TL_BASE_MACROS_H
#define TL_BASE_MACROS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TL_MUST_CHECK __attribute__((warn_unused_result))
#define TL_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define TL_CLEANUP(fn) __attribute__((cleanup(fn)))
#define TL_UNUSED __attribute__((unused))
#define TL_NORETURN __attribute__((noreturn))
#define TL_LIKELY(x) __builtin_expect(!!(x), 1)
#define TL_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define TL_COUNT(a) (sizeof(a) / sizeof((a)[0]))
/* The object that holds `member` at `ptr`. */
#define TL_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
/* Hand over what a clean-up variable owns: TL_STEAL(&x) returns x and leaves NULL. Works on any pointer variable. */
#define TL_STEAL(pp) ((__typeof__(*(pp)))tl_steal_(pp))

static inline void *tl_steal_(void *pp)
{
    void **slot = pp;
    void *p = *slot;

    *slot = NULL;
    return p;
}

#endif
