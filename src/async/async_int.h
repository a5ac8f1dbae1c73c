/* SPDX-License-Identifier: Apache-2.0 */
/* async_int.h - what the files of async/ share: the loop, the task, the stack, the wheel. */
#ifndef TL_ASYNC_INT_H
#define TL_ASYNC_INT_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "async/async.h"

#if defined(__SANITIZE_ADDRESS__)
#define ASYNC_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define ASYNC_TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASYNC_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define ASYNC_TSAN 1
#endif
#endif

/* The wheel: 8 levels of 64 slots; a tick is 2^20 ns (1.05 ms); 48 bits of ticks are more than 64 bits of ns. */
enum { WHEEL_TICK_BITS = 20, WHEEL_SLOT_BITS = 6, WHEEL_SLOTS = 64, WHEEL_LEVELS = 8 };

struct async_wheel {
    uint64_t now_ns; /* of the last look */
    uint64_t tick;   /* all timers due at or before this tick have been moved to `expired` */
    uint64_t occupied[WHEEL_LEVELS];
    struct async_timer *slots[WHEEL_LEVELS][WHEEL_SLOTS];
    struct async_timer *expired; /* due already; fire at the next look */
    size_t count;
};

/*
 * A stack, with the struct task at the top of its mapping. The code on it (task.c, task_main) never ends: it runs one
 * task after another, so that a recycled stack needs no preparation and the sanitizers see frames that open and close
 * in order.
 */
struct task {
    uint32_t magic;
    bool queued;   /* on the loop's run list */
    bool canceled; /* asked to stop */
    bool late;     /* the deadline of the current wait has passed */
    bool on_main;  /* fn of task_on_main_stack is running */
    bool ended;    /* the body has returned */
    bool quit;     /* the stack is to be given back */
    unsigned shields;
    struct async_loop *loop;
    const char *name;
    void *sp; /* saved stack pointer while not running */
    uint64_t deadline_ns, shield_deadline_ns;
    struct async_wait *wait; /* what it waits for; NULL: nothing, or only its turn */
    enum tl_rc why;          /* reason of the abort */
    struct async_timer timer;
    struct task *run_next;    /* run list, or pool */
    struct task *prev, *next; /* all alive */
    task_fn *fn;
    void *arg;
    void (*on_done)(void *arg, enum tl_rc rc, const struct tl_err *err);
    enum tl_rc rc;
    struct tl_err err;
    char *map; /* the mapping: guard area, stack, this struct */
    size_t map_size;
    char *stack; /* lowest usable byte */
    size_t stack_size;
    void *asan_fake; /* ASan's shadow frames while not running */
    void *tsan_fiber;
    unsigned valgrind_id;
};

struct async_loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t tick;
    uv_prepare_t before_wait;
    uv_idle_t no_wait;    /* while active, libuv does not wait */
    uint64_t tick_due_ns; /* what `tick` is set to; UINT64_MAX: not set */
    const struct tl_clock *clock;
    bool foreign_clock, keep, closing, running;
    unsigned handles; /* of ours, still open */
    pthread_t thread;
    size_t max_tasks;
    _Atomic size_t tasks;
    atomic_bool stop;
    _Atomic(struct async_post *) posts; /* newest first */
    struct async_wheel wheel;
    struct task *run_first, *run_last;
    struct task *alive;
    struct task *pool;
    size_t pooled;
    struct task *current;
    void *sp;                     /* the loop's own, while a task runs */
    unsigned long_out, long_most; /* task_blocking_long */
    struct async_waiter *long_first, *long_last;
    void (*main_fn)(void *arg);
    void *main_arg;
    void *asan_fake, *tsan_fiber;
    const void *asan_stack; /* the loop's own stack, as ASan tells it */
    size_t asan_stack_size;
};

enum { TASK_MAGIC = 0x7a51c0de, TASK_POOLED = 0x7a51dead };

/* switch.S */
void async__switch(void **save_sp, void *load_sp);
void async__entry(void);

/* stack.c: a mapping with the struct task in it; NULL: the kernel gave none. entry(task) runs at the first resume. */
struct task *async__stack_new(struct async_loop *loop, void (*entry)(void *task));
void async__stack_free(struct task *t);
void async__stack_rest(struct task *t);  /* into the pool: nobody may look at it */
void async__stack_reuse(struct task *t); /* out of the pool */
void async__to_task(struct task *t);     /* from the loop; returns when the task switches back */
void async__to_loop(struct task *t);     /* from the task; returns when it is resumed */
void async__entered(struct task *t);     /* first act on a new stack */
void async__leave(struct task *t);       /* last act on a stack; does not return */

/* task.c */
void async__ready(struct task *t); /* put on the run list (once) */
/* Run tasks until the list is empty or `budget` resumes are done. */
void async__run_tasks(struct async_loop *loop, unsigned budget);
void async__pool_free(struct async_loop *loop);
static inline void async__check_thread(const struct async_loop *loop)
{
    assert(!loop->running || pthread_equal(loop->thread, pthread_self()));
}

/* timer.c */
void async__wheel_init(struct async_wheel *w, uint64_t now_ns);
void async__wheel_run(struct async_loop *loop, uint64_t now_ns);
/* When to look again; UINT64_MAX: no timer. May be earlier than the first timer is due, never later. */
uint64_t async__wheel_next(const struct async_wheel *w);

/* Tasks in a queue, first come first served (chan.c, mutex.c). Lives on the waiting task's stack. */
struct async_waiter {
    struct async_wait wait;
    struct async_waiter *prev, *next;
    struct async_waiter **first, **last; /* the queue it stands in; NULL: taken out */
    void *item;
    enum tl_rc rc;
};
void async__stand(struct async_waiter *w, struct task *t, struct async_waiter **first, struct async_waiter **last);
/* Take out the first and wake it with this verdict; NULL: nobody there. */
struct async_waiter *async__call_first(struct async_waiter **first, enum tl_rc rc);
/* Wait in the queue. */
enum tl_rc async__wait_in_line(struct async_waiter *w, struct tl_err *err);

#endif
