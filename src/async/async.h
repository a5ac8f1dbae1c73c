/* SPDX-License-Identifier: Apache-2.0 */
/*
 * async.h - event loops, tasks that wait, and how to stop them.
 *
 * Code that waits is written straight down, on a task (a stackful coroutine of one loop). Laws:
 *  - Only a function that takes `struct task *` may suspend. There is no "current task".
 *  - A suspended task is never destroyed. Cancelling makes its present and later waits return TL_CANCELED, after which
 * the task unwinds as from any error. Shutdown is "cancel all, run until none is left".
 *  - A task never changes its loop's thread. Across a suspension: no lock, no open transaction; errno and the OpenSSL
 *    error queue consumed before it. Shared state is read again after it.
 *  - Every wait has a deadline, in absolute monotonic ns of the loop's clock (UINT64_MAX: only the task's own, which
 *    bounds all of them). It never passes early, and at most some 2 ms late.
 *  - Stacks are 64 KB (256 KB under ASan and TSan) with a guard area below, pooled. Recursive or deep work goes to
 *    task_on_main_stack(); blocking work to task_blocking().
 *  - Tasks are resumed from the loop's own stack only, never from inside a call of yours: async_wake and task_cancel
 * put the task on the loop's list and return.
 */
#ifndef TL_ASYNC_ASYNC_H
#define TL_ASYNC_ASYNC_H

#include "base/base.h"

struct uv_loop_s; /* libuv's; only async/, http/ and the transports look inside */
struct async_loop;
struct task;

/* ---- loops: one a thread ---- */
/* max_tasks caps the stacks (two mappings each; the kernel's default allows about 32,000 in all). clock NULL: the
 * system's. With any other clock the loop looks at it each time round and every 10 ms while it waits. */
TL_MUST_CHECK enum tl_rc async_loop_new(size_t max_tasks, const struct tl_clock *clock, struct async_loop **ret_loop,
                                        struct tl_err *err);
/* All tasks must have ended (see async_loop_shutdown) and all libuv handles of others be closed. Waits for blocking
 * work that was left behind, and runs posts not yet run. NULL allowed. */
void async_loop_free(struct async_loop *loop);
/* Run until async_loop_stop, or until nothing is left to do: no task, no armed timer, no active libuv handle or
 * request, and nobody keeps the loop. */
void async_loop_run(struct async_loop *loop);
/* Run what is ready now and what becomes ready by that; never waits. Tests turn a fake clock, then call this. */
void async_loop_poll(struct async_loop *loop);
/* From any thread. A stop that comes before the run ends the next run at once. */
void async_loop_stop(struct async_loop *loop);
/* A kept loop waits for posts from other threads even when it has nothing to do itself. Own thread, or before the run.
 */
void async_loop_keep(struct async_loop *loop, bool keep);
/* Cancel every task and run until none is left or the deadline passes; false: some are still there. Not while the
 * loop runs: stop it first. Tasks started meanwhile are born cancelled. */
bool async_loop_shutdown(struct async_loop *loop, uint64_t deadline_ns);
/* Run fn(arg) on the loop's thread soon; from any thread; in order of the calls. Never fails. */
void async_loop_post(struct async_loop *loop, void (*fn)(void *arg), void *arg);
/* The same without an allocation: the caller keeps *post alive, and posts it nowhere else, until fn has been entered.
 */
struct async_post {
    struct async_post *next;
    void (*fn)(void *arg);
    void *arg;
    bool owned; /* ours to free */
};
void async_loop_post_at(struct async_loop *loop, struct async_post *post);
struct uv_loop_s *async_loop_uv(struct async_loop *loop);
const struct tl_clock *async_loop_clock(const struct async_loop *loop);
uint64_t async_loop_now(const struct async_loop *loop); /* mono ns, read afresh */
size_t async_loop_tasks(const struct async_loop *loop); /* alive now; any thread (relaxed) */

/* ---- tasks ---- */
/* The task's body. What it returns is seen by on_done only. */
typedef enum tl_rc task_fn(struct task *task, void *arg, struct tl_err *err);

/* Start a task on this loop (own thread only); it first runs from the loop, not from inside this call. on_done (may be
 * NULL) runs on the loop's stack after the body returned; the task is gone then. name is borrowed (a literal) and
 * stands in error texts. deadline_ns 0: none. ret_task may be NULL. Errors: TL_LIMIT when max_tasks are alive or the
 * kernel gives no stack. */
TL_MUST_CHECK enum tl_rc task_start(struct async_loop *loop, const char *name, uint64_t deadline_ns, task_fn *fn,
                                    void *arg, void (*on_done)(void *arg, enum tl_rc rc, const struct tl_err *err),
                                    struct task **ret_task, struct tl_err *err);
/* Ask a task to stop; own thread only. Cancel only what you know is alive: a pointer to an ended task is stale. */
void task_cancel(struct task *t);
const char *task_name(const struct task *t);
bool task_is_canceled(const struct task *t);
/* TL_OK, or TL_CANCELED / TL_TIMEOUT when the task should stop: for long loops that do not wait. */
enum tl_rc task_check(struct task *t, struct tl_err *err);
struct async_loop *task_loop(const struct task *t);
uint64_t task_deadline(const struct task *t); /* UINT64_MAX: none; within a shield, the shield's */
/* Narrow (never widen) the deadline for what follows; give the value returned to task_restore_deadline afterwards. */
uint64_t task_set_deadline(struct task *t, uint64_t deadline_ns);
void task_restore_deadline(struct task *t, uint64_t deadline_ns);
/* For a clean-up that must wait although the task was cancelled or timed out: until `end`, waits work again, up to this
 * deadline. Shields nest; the outermost's deadline rules. */
void task_shield_begin(struct task *t, uint64_t deadline_ns);
void task_shield_end(struct task *t);

/* ---- waits: all suspend ---- */
TL_MUST_CHECK enum tl_rc task_sleep_ms(struct task *t, uint64_t ms, struct tl_err *err);
enum tl_rc task_yield(struct task *t, struct tl_err *err); /* let others run */

/* The primitive under every other wait: suspend until async_wake(w) is called on the loop's thread, or the deadline, or
 * cancellation. on_abort (may be NULL) is called once on TIMEOUT/CANCELED, on the loop's stack, and must arrange that
 * async_wake comes (at once or later): only then does the wait return. So the object of the wait is never left behind.
 * A wake that came before the abort wins: the wait returns TL_OK. When the task is cancelled or late already, on_abort
 * is called as well, so whatever was begun before the wait is ended by it. */
struct async_wait {
    struct task *task;
    bool done, aborted; /* aborted: on_abort was, or will not be, called; the wait's result is decided */
    void (*on_abort)(struct async_wait *w, enum tl_rc why);
    void *arg;
};
void async_wait_init(struct async_wait *w, struct task *t, void (*on_abort)(struct async_wait *, enum tl_rc),
                     void *arg);
TL_MUST_CHECK enum tl_rc async_wait(struct async_wait *w, uint64_t deadline_ns, struct tl_err *err);
void async_wake(struct async_wait *w); /* idempotent */

/* Bounded channel of pointers between tasks of one loop, first come first served. A closed channel gives what it holds,
 * then TL_NOT_FOUND; sending to it is TL_NOT_FOUND, also for senders that wait. An item not sent stays the sender's; an
 * item handed over is received even if the receiver is cancelled at that moment. capacity is at least 1. */
struct async_chan;
struct async_chan *async_chan_new(struct async_loop *loop, size_t capacity) TL_MUST_CHECK;
void async_chan_free(struct async_chan *c); /* nobody may be waiting */
TL_MUST_CHECK enum tl_rc async_chan_send(struct task *t, struct async_chan *c, void *item, struct tl_err *err);
TL_MUST_CHECK enum tl_rc async_chan_recv(struct task *t, struct async_chan *c, void **ret_item, struct tl_err *err);
bool async_chan_try_send(struct async_chan *c, void *item); /* false: full or closed */
bool async_chan_try_recv(struct async_chan *c, void **ret_item);
size_t async_chan_count(const struct async_chan *c);
void async_chan_close(struct async_chan *c);

/* Mutual exclusion between tasks of one loop, first come first served; may be held across waits (it is no thread's
 * lock). All zero is unlocked. "One does it, all wait for it": lock, look whether it is done, do it, unlock. */
struct async_mutex {
    struct task *owner;
    struct async_waiter *first, *last;
};
TL_MUST_CHECK enum tl_rc async_lock(struct task *t, struct async_mutex *m, struct tl_err *err);
void async_unlock(struct async_mutex *m); /* hands it to the first who waits */

/* ---- work that must not run on a small stack, or must not run on the loop ---- */
/* Run fn(arg) now on the thread's own (8 MB) stack; does not suspend, fn must not either. */
void task_on_main_stack(struct task *t, void (*fn)(void *arg), void *arg);
/* Run fn(arg) on a worker thread and wait. When the wait is aborted before fn began, fn is not run. When it is aborted
 * later, the call returns TL_CANCELED/TL_TIMEOUT only after fn has returned, unless drop is given: then it returns at
 * once and drop(arg) is called on the loop when fn has ended or will not run; arg must own all it uses. So after an
 * error with drop given, arg is not the caller's any more. */
TL_MUST_CHECK enum tl_rc task_blocking(struct task *t, void (*fn)(void *arg), void *arg, void (*drop)(void *arg),
                                       struct tl_err *err);
/* The same, without drop, for work that may take seconds: of one loop's so many run at once (async_loop_set_long; 2),
 * so that worker threads are left for what is short. The others wait in line, first come first served. */
TL_MUST_CHECK enum tl_rc task_blocking_long(struct task *t, void (*fn)(void *arg), void *arg, struct tl_err *err);
void async_loop_set_long(struct async_loop *loop, unsigned most); /* at least 1; before the run */

/* ---- timers without a task: for servers' time-outs. Embedded in the owner, O(1) to set, re-arm and stop. ---- */
struct async_timer {
    struct async_loop *loop;
    uint64_t due_ns;
    void (*fn)(struct async_timer *t); /* runs on the loop's stack, once a setting; may set, stop or free the timer */
    struct async_timer *next, **link;  /* the wheel's */
    uint32_t slot;
};
void async_timer_init(struct async_timer *t, struct async_loop *loop, void (*fn)(struct async_timer *));
void async_timer_set(struct async_timer *t, uint64_t due_ns); /* replaces an earlier setting; UINT64_MAX: never */
void async_timer_stop(struct async_timer *t);                 /* idempotent */
bool async_timer_is_set(const struct async_timer *t);

#endif
