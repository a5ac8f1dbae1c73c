/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack.c - stacks of tasks, and changing between them under the eyes of ASan, TSan and valgrind.
 *
 * Each tool must be told before the switch where the program goes, and ASan after it where it came from. In the
 * functions that switch, nothing may return between telling TSan and the switch: its record of calls belongs to the
 * fiber.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "async/async_int.h"

#ifdef ASYNC_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef ASYNC_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

/* The guard is wider than the largest frame our warnings allow (8 KB), so that no frame steps over it. */
enum {
    GUARD_SIZE = 16 * 1024,
#if defined(ASYNC_ASAN) || defined(ASYNC_TSAN)
    STACK_SIZE = 256 * 1024
#else
    STACK_SIZE = 64 * 1024
#endif
};

/* What async__switch will take off a new stack; see there. */
static void *first_frame(char *top, void (*entry)(void *), void *arg)
{
    void **sp = (void **)(void *)top;
#if defined(__x86_64__)
    uint32_t *control;

    sp -= 2; /* the call in async__entry needs a multiple of 16 */
    *--sp = (void *)(uintptr_t)async__entry;
    *--sp = NULL;                     /* rbp: the chain of frames ends here */
    *--sp = NULL;                     /* rbx */
    *--sp = arg;                      /* r12 */
    *--sp = (void *)(uintptr_t)entry; /* r13 */
    *--sp = NULL;                     /* r14 */
    *--sp = NULL;                     /* r15 */
    *--sp = NULL;
    control = (uint32_t *)(void *)sp;
    __asm__ volatile("stmxcsr %0" : "=m"(control[0]));
    __asm__ volatile("fnstcw %0" : "=m"(control[1]));
#elif defined(__aarch64__)
    uint64_t fpcr;

    sp -= 22; /* 176 bytes */
    memset(sp, 0, 176);
    sp[0] = arg;                              /* x19 */
    sp[1] = (void *)(uintptr_t)entry;         /* x20 */
    sp[11] = (void *)(uintptr_t)async__entry; /* x30 */
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    sp[20] = (void *)(uintptr_t)fpcr;
#endif
    return sp;
}

struct task *async__stack_new(struct async_loop *loop, void (*entry)(void *task))
{
    size_t size = GUARD_SIZE + STACK_SIZE, head = (sizeof(struct task) + 63) & ~(size_t)63;
    char *map =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    struct task *t;

    if (map == MAP_FAILED)
        return NULL;
    if (mprotect(map, GUARD_SIZE, PROT_NONE) != 0) {
        (void)munmap(map, size);
        return NULL;
    }
    t = (struct task *)(void *)(map + size - head);
    t->loop = loop;
    t->map = map;
    t->map_size = size;
    t->stack = map + GUARD_SIZE;
    t->stack_size = STACK_SIZE - head;
    t->sp = first_frame((char *)t, entry, t);
#ifdef ASYNC_TSAN
    t->tsan_fiber = __tsan_create_fiber(0);
#endif
#ifdef VALGRIND_STACK_REGISTER
    t->valgrind_id = VALGRIND_STACK_REGISTER(t->stack, t->stack + t->stack_size);
#endif
    return t;
}

void async__stack_free(struct task *t)
{
#ifdef ASYNC_TSAN
    __tsan_destroy_fiber(t->tsan_fiber);
#endif
#ifdef VALGRIND_STACK_DEREGISTER
    VALGRIND_STACK_DEREGISTER(t->valgrind_id);
#endif
#ifdef ASYNC_ASAN
    ASAN_UNPOISON_MEMORY_REGION(t->map, t->map_size); /* the next mapping here must not inherit our marks */
#endif
    (void)munmap(t->map, t->map_size);
}

/* In the pool the deadlines are out of bounds: ASan finds a wait on a stale pointer, the magic number the rest. */
void async__stack_rest(struct task *t)
{
    t->magic = TASK_POOLED;
#ifdef ASYNC_ASAN
    ASAN_POISON_MEMORY_REGION(&t->deadline_ns, sizeof t->deadline_ns + sizeof t->shield_deadline_ns);
#endif
}

void async__stack_reuse(struct task *t)
{
#ifdef ASYNC_ASAN
    ASAN_UNPOISON_MEMORY_REGION(&t->deadline_ns, sizeof t->deadline_ns + sizeof t->shield_deadline_ns);
#endif
    t->magic = TASK_MAGIC;
}

void async__to_task(struct task *t)
{
    struct async_loop *loop = t->loop;

#ifdef ASYNC_ASAN
    __sanitizer_start_switch_fiber(&loop->asan_fake, t->stack, t->stack_size);
#endif
#ifdef ASYNC_TSAN
    loop->tsan_fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(t->tsan_fiber, 0);
#endif
    async__switch(&loop->sp, t->sp);
#ifdef ASYNC_ASAN
    __sanitizer_finish_switch_fiber(loop->asan_fake, NULL, NULL);
#endif
}

void async__to_loop(struct task *t)
{
    struct async_loop *loop = t->loop;

#ifdef ASYNC_ASAN
    __sanitizer_start_switch_fiber(&t->asan_fake, loop->asan_stack, loop->asan_stack_size);
#endif
#ifdef ASYNC_TSAN
    __tsan_switch_to_fiber(loop->tsan_fiber, 0);
#endif
    async__switch(&t->sp, loop->sp);
#ifdef ASYNC_ASAN
    __sanitizer_finish_switch_fiber(t->asan_fake, &loop->asan_stack, &loop->asan_stack_size);
#endif
}

void async__entered(struct task *t)
{
#ifdef ASYNC_ASAN
    __sanitizer_finish_switch_fiber(NULL, &t->loop->asan_stack, &t->loop->asan_stack_size);
#else
    (void)t;
#endif
}

void async__leave(struct task *t)
{
    struct async_loop *loop = t->loop;

#ifdef ASYNC_ASAN
    __sanitizer_start_switch_fiber(NULL, loop->asan_stack, loop->asan_stack_size); /* NULL: for good */
#endif
#ifdef ASYNC_TSAN
    __tsan_switch_to_fiber(loop->tsan_fiber, 0);
#endif
    async__switch(&t->sp, loop->sp);
    abort(); /* a stack that was given back was entered */
}
