/* SPDX-License-Identifier: Apache-2.0 */
/* parts.c - the tasks of a read in parts: started together, waited for, cancelled after the first error. */
#include "connector/connector_int.h"

struct parts;
struct part {
    struct parts *all;
    size_t i;
    struct task *task; /* NULL: not started, or ended */
};
struct parts {
    struct connector_call *call;
    connector_part_fn *fn;
    void *arg;
    struct part part[CONNECTOR_PARTS];
    size_t n, left;
    struct async_wait wait;
    enum tl_rc rc; /* of the first that failed */
    struct tl_err err;
};

static void cancel_all(struct parts *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->part[i].task)
            task_cancel(p->part[i].task);
}

static void fail(struct parts *p, enum tl_rc rc, const struct tl_err *err)
{
    if (p->rc != TL_OK)
        return;
    p->rc = rc;
    p->err = *err;
    cancel_all(p);
}

static enum tl_rc run(struct task *task, void *arg, struct tl_err *err)
{
    struct part *part = arg;
    struct parts *p = part->all;
    const struct connector_ledger *ledger = p->call->ledger;

    return ledger->part(ledger->arg, task, part->i, p->fn, p->arg, err);
}

static void ended(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    struct part *part = arg;
    struct parts *p = part->all;

    part->task = NULL;
    if (rc != TL_OK)
        fail(p, rc, err);
    if (--p->left == 0)
        async_wake(&p->wait);
}

static void give_up(struct async_wait *w, enum tl_rc why)
{
    struct parts *p = w->arg;
    struct tl_err err = {0};

    fail(p, tl_fail(&err, why, "the read was ended"), &err);
    if (p->left == 0)
        async_wake(w);
}

static void start(struct parts *p, struct task *task)
{
    uint64_t deadline = task_deadline(task);
    struct tl_err err = {0};

    for (size_t i = 0; i < p->n && p->rc == TL_OK; i++) {
        enum tl_rc rc;

        p->part[i] = (struct part){.all = p, .i = i};
        rc = task_start(task_loop(task), "part of a read", deadline == UINT64_MAX ? 0 : deadline, run, &p->part[i],
                        ended, &p->part[i].task, &err);
        if (rc == TL_OK)
            p->left++;
        else
            fail(p, rc, &err);
    }
}

enum tl_rc connector_in_parts(struct task *task, struct connector_call *call, size_t n, connector_part_fn *fn,
                              void *arg, struct tl_err *err)
{
    struct parts *p;
    enum tl_rc rc;

    if (!call->ledger || !call->ledger->part)
        return tl_fail(err, TL_UNSUPPORTED, "records cannot be taken in here");
    if (n > CONNECTOR_PARTS)
        return tl_fail(err, TL_BUG, "%zu parts of a read; at most %d run side by side", n, CONNECTOR_PARTS);
    p = tl_zalloc(sizeof *p);
    p->call = call;
    p->fn = fn;
    p->arg = arg;
    p->n = n;
    async_wait_init(&p->wait, task, give_up, p);
    start(p, task);
    rc = p->left > 0 ? async_wait(&p->wait, UINT64_MAX, &(struct tl_err){0}) : TL_OK;
    rc = p->rc != TL_OK ? p->rc : rc; /* an abort of the wait has told `fail`, too */
    if (rc != TL_OK && err)
        *err = p->err;
    tl_free(p);
    return rc;
}
