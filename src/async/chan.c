/* SPDX-License-Identifier: Apache-2.0 */
/* chan.c - tasks that stand in line: bounded channels and mutexes. */
#include "async/async_int.h"

/* ---- the line ---- */

static void step_out(struct async_waiter *w)
{
    if (!w->first)
        return;
    if (w->prev)
        w->prev->next = w->next;
    else
        *w->first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        *w->last = w->prev;
    w->first = NULL;
}

static void on_abort(struct async_wait *wait, enum tl_rc why)
{
    (void)why;
    step_out(TL_CONTAINER(wait, struct async_waiter, wait));
    async_wake(wait);
}

void async__stand(struct async_waiter *w, struct task *t, struct async_waiter **first, struct async_waiter **last)
{
    async_wait_init(&w->wait, t, on_abort, NULL);
    w->rc = TL_OK;
    w->first = first;
    w->last = last;
    w->next = NULL;
    w->prev = *last;
    if (w->prev)
        w->prev->next = w;
    else
        *first = w;
    *last = w;
}

struct async_waiter *async__call_first(struct async_waiter **first, enum tl_rc rc)
{
    struct async_waiter *w = *first;

    if (!w)
        return NULL;
    step_out(w);
    w->rc = rc;
    async_wake(&w->wait);
    return w;
}

enum tl_rc async__wait_in_line(struct async_waiter *w, struct tl_err *err)
{
    enum tl_rc rc = async_wait(&w->wait, UINT64_MAX, err);

    return rc == TL_OK ? w->rc : rc;
}

/* ---- channels ---- */

struct async_chan {
    size_t capacity, count, head;
    bool closed;
    struct async_waiter *recv_first, *recv_last;
    struct async_waiter *send_first, *send_last; /* not empty only while the ring is full */
    void *ring[];
};

struct async_chan *async_chan_new(struct async_loop *loop, size_t capacity)
{
    struct async_chan *c;

    (void)loop;
    assert(capacity > 0 && capacity < SIZE_MAX / (2 * sizeof(void *)));
    c = tl_zalloc(sizeof *c + capacity * sizeof(void *));
    c->capacity = capacity;
    return c;
}

void async_chan_free(struct async_chan *c)
{
    if (!c)
        return;
    assert(!c->recv_first && !c->send_first);
    tl_free(c);
}

size_t async_chan_count(const struct async_chan *c)
{
    return c->count;
}

static void ring_put(struct async_chan *c, void *item)
{
    c->ring[(c->head + c->count++) % c->capacity] = item;
}

bool async_chan_try_send(struct async_chan *c, void *item)
{
    if (c->closed || c->count == c->capacity)
        return false;
    if (c->recv_first) /* the ring is empty: hand it over */
        async__call_first(&c->recv_first, TL_OK)->item = item;
    else
        ring_put(c, item);
    return true;
}

bool async_chan_try_recv(struct async_chan *c, void **ret_item)
{
    if (c->count == 0)
        return false;
    *ret_item = c->ring[c->head];
    c->head = (c->head + 1) % c->capacity;
    c->count--;
    if (c->send_first) {
        struct async_waiter *w = async__call_first(&c->send_first, TL_OK);

        ring_put(c, w->item);
    }
    return true;
}

static enum tl_rc closed(struct tl_err *err)
{
    return tl_fail(err, TL_NOT_FOUND, "the channel is closed");
}

enum tl_rc async_chan_send(struct task *t, struct async_chan *c, void *item, struct tl_err *err)
{
    struct async_waiter w;
    enum tl_rc rc;

    if (async_chan_try_send(c, item))
        return TL_OK;
    if (c->closed)
        return closed(err);
    w.item = item;
    async__stand(&w, t, &c->send_first, &c->send_last);
    rc = async__wait_in_line(&w, err);
    return rc == TL_NOT_FOUND ? closed(err) : rc;
}

enum tl_rc async_chan_recv(struct task *t, struct async_chan *c, void **ret_item, struct tl_err *err)
{
    struct async_waiter w;
    enum tl_rc rc;

    if (async_chan_try_recv(c, ret_item))
        return TL_OK;
    if (c->closed)
        return closed(err);
    w.item = NULL;
    async__stand(&w, t, &c->recv_first, &c->recv_last);
    rc = async__wait_in_line(&w, err);
    if (rc == TL_NOT_FOUND)
        return closed(err);
    if (rc == TL_OK)
        *ret_item = w.item;
    return rc;
}

void async_chan_close(struct async_chan *c)
{
    c->closed = true;
    while (async__call_first(&c->recv_first, TL_NOT_FOUND))
        ;
    while (async__call_first(&c->send_first, TL_NOT_FOUND))
        ;
}

/* ---- mutex ---- */

enum tl_rc async_lock(struct task *t, struct async_mutex *m, struct tl_err *err)
{
    struct async_waiter w;

    assert(m->owner != t);
    if (!m->owner) {
        m->owner = t;
        return TL_OK;
    }
    w.item = NULL;
    async__stand(&w, t, &m->first, &m->last);
    return async__wait_in_line(&w, err);
}

void async_unlock(struct async_mutex *m)
{
    assert(m->owner);
    m->owner = m->first ? m->first->wait.task : NULL;
    async__call_first(&m->first, TL_OK);
}
