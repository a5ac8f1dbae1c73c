/* SPDX-License-Identifier: Apache-2.0 */
/*
 * async.h - event loops, tasks that wait, and how to stop them.
 *
 * Code that waits is written straight down, on a task (a stackful coroutine of one loop). Laws:
 *  - Only a function that takes `struct task *` may suspend. There is no "current task".
 *  - A suspended task is never destroyed. Cancelling makes its present and later waits return TL_CANCELED, after which the
 *    task unwinds as from any error. Shutdown is "cancel all, run until none is left".
 *  - A task never changes its loop's thread. Across a suspension: no lock, no open transaction; errno and the OpenSSL
 *    error queue consumed before it. Shared state is read again after it.
 *  - Every wait has a deadline, in absolute monotonic ns of the loop's clock. The task's own deadline bounds all of them.
 *  - Stacks are 64 KB (256 KB under ASan) with a guard page, pooled. Recursive or deep work goes to task_on_main_stack();
 *    blocking work to task_blocking().
 */
#ifndef TL_ASYNC_ASYNC_H
#define TL_ASYNC_ASYNC_H

#include "base/base.h"

struct uv_loop_s; /* libuv's; only async/, http/ and the transports look inside */
struct async_loop;
struct task;

/* ---- loops: one a thread ---- */
/* max_tasks caps the stacks (two mappings each; the kernel's default allows about 32,000). clock NULL: the system's. */
TL_MUST_CHECK enum tl_rc async_loop_new(size_t max_tasks, const struct tl_clock *clock, struct async_loop **ret_loop,
                                        struct tl_err *err);
/* All tasks must have ended (see async_loop_shutdown). NULL allowed. */
void async_loop_free(struct async_loop *loop);
/* Run until async_loop_stop, or until nothing is left to do. */
void async_loop_run(struct async_loop *loop);
void async_loop_stop(struct async_loop *loop);                 /* from any thread */
/* Cancel every task and run until none is left or the deadline passes; false: some are still there. Own thread only. */
bool async_loop_shutdown(struct async_loop *loop, uint64_t deadline_ns);
/* Run fn(arg) on the loop's thread soon; from any thread; in order of the calls. Never fails. */
void async_loop_post(struct async_loop *loop, void (*fn)(void *arg), void *arg);
struct uv_loop_s *async_loop_uv(struct async_loop *loop);
const struct tl_clock *async_loop_clock(const struct async_loop *loop);
uint64_t async_loop_now(const struct async_loop *loop);        /* mono ns, read afresh */
size_t async_loop_tasks(const struct async_loop *loop);        /* alive now; any thread (relaxed) */

/* ---- tasks ---- */
/* The task's body. What it returns is seen by task_join and on_done only. */
typedef enum tl_rc task_fn(struct task *task, void *arg, struct tl_err *err);

/* Start a task on this loop (own thread only); it first runs from the loop, not from inside this call. on_done (may be
 * NULL) runs on the loop after the body returned. deadline_ns 0: none. Errors: TL_LIMIT when max_tasks are alive. */
TL_MUST_CHECK enum tl_rc task_start(struct async_loop *loop, const char *name, uint64_t deadline_ns, task_fn *fn, void *arg,
                                    void (*on_done)(void *arg, enum tl_rc rc, const struct tl_err *err),
                                    struct task **ret_task, struct tl_err *err);
/* Ask a task to stop; own thread only; harmless when it has ended is NOT promised: cancel only what you know is alive. */
void task_cancel(struct task *t);
bool task_is_canceled(const struct task *t);
/* TL_OK, or TL_CANCELED / TL_TIMEOUT when the task should stop: for long loops that do not wait. */
enum tl_rc task_check(struct task *t, struct tl_err *err);
struct async_loop *task_loop(const struct task *t);
uint64_t task_deadline(const struct task *t);                   /* UINT64_MAX: none */
/* Narrow (never widen) the deadline for what follows; restore with the value returned. */
uint64_t task_set_deadline(struct task *t, uint64_t deadline_ns);
/* For a clean-up that must wait although the task was cancelled: until `end` waits work again, up to the deadline. */
void task_shield_begin(struct task *t, uint64_t deadline_ns);
void task_shield_end(struct task *t);

/* ---- waits: all suspend ---- */
TL_MUST_CHECK enum tl_rc task_sleep_ms(struct task *t, uint64_t ms, struct tl_err *err);
enum tl_rc task_yield(struct task *t, struct tl_err *err);      /* let others run */

/* The primitive under every other wait: suspend until async_wake(w) is called on the loop's thread, or the deadline, or
 * cancellation. on_abort (may be NULL) is called on TIMEOUT/CANCELED, on the loop, and must arrange that async_wake comes
 * (at once or later): only then does the wait return. So the object of the wait is never left behind. */
struct async_wait {
    struct task *task;
    bool done, aborted;
    void (*on_abort)(struct async_wait *w, enum tl_rc why);
    void *arg;
};
void async_wait_init(struct async_wait *w, struct task *t, void (*on_abort)(struct async_wait *, enum tl_rc), void *arg);
TL_MUST_CHECK enum tl_rc async_wait(struct async_wait *w, uint64_t deadline_ns, struct tl_err *err);
void async_wake(struct async_wait *w); /* idempotent */

/* Bounded channel of pointers between tasks of one loop. A closed channel gives what it holds, then TL_NOT_FOUND. */
struct async_chan;
struct async_chan *async_chan_new(struct async_loop *loop, size_t capacity) TL_MUST_CHECK;
void async_chan_free(struct async_chan *c); /* nobody may be waiting */
TL_MUST_CHECK enum tl_rc async_chan_send(struct task *t, struct async_chan *c, void *item, struct tl_err *err);
TL_MUST_CHECK enum tl_rc async_chan_recv(struct task *t, struct async_chan *c, void **ret_item, struct tl_err *err);
bool async_chan_try_send(struct async_chan *c, void *item);
void async_chan_close(struct async_chan *c);

/* Mutual exclusion and "one does it, all wait for it" between tasks of one loop, first come first served. */
struct async_mutex {
    struct task *owner;
    struct async_waiter *first, *last;
};
TL_MUST_CHECK enum tl_rc async_lock(struct task *t, struct async_mutex *m, struct tl_err *err);
void async_unlock(struct async_mutex *m);

/* ---- work that must not run on a small stack, or must not run on the loop ---- */
/* Run fn(arg) now on the thread's own (8 MB) stack; does not suspend, fn must not either. */
void task_on_main_stack(struct task *t, void (*fn)(void *arg), void *arg);
/* Run fn(arg) on a worker thread and wait. arg must own all it uses: when the wait is aborted, the call returns
 * TL_CANCELED/TL_TIMEOUT only after fn has returned, unless drop != NULL: then it returns at once and drop(arg) is called on the loop
 * when fn has ended. */
TL_MUST_CHECK enum tl_rc task_blocking(struct task *t, void (*fn)(void *arg), void *arg, void (*drop)(void *arg),
                                       struct tl_err *err);

/* ---- timers without a task: for servers' time-outs. Embedded in the owner, O(1) to re-arm, coarse (10 ms). ---- */
struct async_timer {
    struct async_loop *loop;
    uint64_t due_ns;
    void (*fn)(struct async_timer *t);
    struct async_timer *prev, *next; /* the wheel's */
    uint32_t slot;
};
void async_timer_init(struct async_timer *t, struct async_loop *loop, void (*fn)(struct async_timer *));
void async_timer_set(struct async_timer *t, uint64_t due_ns);
void async_timer_stop(struct async_timer *t); /* idempotent */

#endif
