/* SPDX-License-Identifier: Apache-2.0 */
/* blocking.c - work on libuv's worker threads, waited for by a task, or left to end alone; and how much of what takes
 * long may be there at once. */
#include <stdlib.h>

#include "async/async_int.h"

struct job {
    uv_work_t req;
    struct async_wait *wait; /* on the task's stack; NULL once the task has gone */
    void (*fn)(void *arg);
    void *arg;
    void (*drop)(void *arg);
};

static void work(uv_work_t *req)
{
    struct job *j = req->data;

    j->fn(j->arg);
}

static void worked(uv_work_t *req, int status)
{
    struct job *j = req->data;

    (void)status; /* UV_ECANCELED only after an abort, which has decided the result */
    if (j->wait)
        async_wake(j->wait);
    else
        j->drop(j->arg);
    tl_free(j);
}

static void on_abort(struct async_wait *w, enum tl_rc why)
{
    struct job *j = w->arg;

    (void)why;
    (void)uv_cancel((uv_req_t *)&j->req); /* has an effect only while it is queued */
    if (!j->drop)
        return;
    j->wait = NULL;
    async_wake(w);
}

enum tl_rc task_blocking(struct task *t, void (*fn)(void *arg), void *arg, void (*drop)(void *arg), struct tl_err *err)
{
    struct job *j = tl_alloc(sizeof *j);
    struct async_wait w;

    *j = (struct job){.wait = &w, .fn = fn, .arg = arg, .drop = drop};
    j->req.data = j;
    async_wait_init(&w, t, on_abort, j);
    if (uv_queue_work(async_loop_uv(task_loop(t)), &j->req, work, worked) != 0)
        abort(); /* libuv fails here only on arguments of ours */
    return async_wait(&w, UINT64_MAX, err);
}

void async_loop_set_long(struct async_loop *loop, unsigned most)
{
    loop->long_most = most ? most : 1;
}

/* Whoever is called has the place of the one that leaves, also if it is cancelled at that moment. */
static void leave(struct async_loop *loop)
{
    if (!async__call_first(&loop->long_first, TL_OK))
        loop->long_out--;
}

enum tl_rc task_blocking_long(struct task *t, void (*fn)(void *arg), void *arg, struct tl_err *err)
{
    struct async_loop *loop = task_loop(t);
    enum tl_rc rc = TL_OK;

    if (loop->long_out < loop->long_most) {
        loop->long_out++;
    } else {
        struct async_waiter w;

        async__stand(&w, t, &loop->long_first, &loop->long_last);
        rc = async__wait_in_line(&w, err);
        if (rc != TL_OK)
            return rc;
    }
    rc = task_blocking(t, fn, arg, NULL, err);
    leave(loop);
    return rc;
}
