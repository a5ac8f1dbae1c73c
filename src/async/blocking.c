/* SPDX-License-Identifier: Apache-2.0 */
/* blocking.c - work on libuv's worker threads, waited for by a task, or left to end alone. */
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
