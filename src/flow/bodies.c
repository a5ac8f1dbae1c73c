/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bodies.c - the memory that stored bodies take while deliveries have them: a budget of its own, beside that of bodies
 * which come in, so that targets which hang stop nothing at the door. Who finds no room waits in a line, or a large one
 * would never find enough of it beside many small ones; one that is larger than all of the budget goes alone.
 */
#include "flow/flow_int.h"

enum { LOOK_MS = 5, WAIT_MS = 60000 };

struct waiter {
    struct waiter *next;
};
struct flow_bodies {
    pthread_mutex_t lock;
    uint64_t held;
    struct waiter *first, **end; /* of tasks of all loops; each is on its task's stack */
};

struct flow_bodies *flow__bodies_new(void)
{
    struct flow_bodies *b = tl_zalloc(sizeof *b);

    b->end = &b->first;
    pthread_mutex_init(&b->lock, NULL);
    return b;
}

void flow__bodies_free(struct flow_bodies *b)
{
    if (!b)
        return;
    pthread_mutex_destroy(&b->lock);
    tl_free(b);
}

static void leave_line(struct flow_bodies *b, const struct waiter *w)
{
    struct waiter **at = &b->first;

    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    if (!*at)
        b->end = at;
}

/* The lock is held. */
static bool has_room(struct flow_bodies *b, const struct waiter *w, uint64_t bytes, uint64_t most)
{
    if (b->first != w || (b->held > 0 && b->held + bytes > most))
        return false;
    b->held += bytes;
    return true;
}

enum tl_rc flow__bodies_take(struct flow_bodies *b, struct task *task, uint64_t bytes, uint64_t most,
                             struct tl_err *err)
{
    uint64_t end = async_loop_now(task_loop(task)) + WAIT_MS * UINT64_C(1000000);
    struct waiter w = {.next = NULL};
    enum tl_rc rc = TL_OK;
    bool taken;

    pthread_mutex_lock(&b->lock);
    *b->end = &w;
    b->end = &w.next;
    while (!(taken = has_room(b, &w, bytes, most)) && rc == TL_OK && async_loop_now(task_loop(task)) < end) {
        pthread_mutex_unlock(&b->lock);
        rc = task_sleep_ms(task, LOOK_MS, err);
        pthread_mutex_lock(&b->lock);
    }
    leave_line(b, &w);
    pthread_mutex_unlock(&b->lock);
    return taken ? TL_OK : tl_fail(err, TL_CANCELED, "there was no memory for the body");
}

void flow__bodies_give(struct flow_bodies *b, uint64_t bytes)
{
    if (bytes == 0)
        return;
    pthread_mutex_lock(&b->lock);
    b->held -= bytes;
    pthread_mutex_unlock(&b->lock);
}
