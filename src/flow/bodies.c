/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bodies.c - the memory that stored bodies take while deliveries have them: a budget of its own, beside that of bodies
 * which come in, so that targets which hang stop nothing at the door. Each connection may always have one, so that a
 * target which hangs, or one body that is larger than the whole budget, stops no other; beyond that all share the
 * budget, in the order in which they came, or a large one would never find enough of it beside many small ones.
 */
#include "flow/flow_int.h"

enum { LOOK_MS = 5 };

struct waiter {
    struct waiter *next;
    uint64_t since; /* the number of its coming */
};
struct share {
    struct share *next;
    uint32_t id, held;
    struct waiter *first, **end; /* of tasks of all loops; each is on its task's stack */
};
struct flow_bodies {
    pthread_mutex_t lock;
    uint64_t held, came;
    struct share *shares; /* those that hold some or wait */
};

struct flow_bodies *flow__bodies_new(void)
{
    struct flow_bodies *b = tl_zalloc(sizeof *b);

    pthread_mutex_init(&b->lock, NULL);
    return b;
}

void flow__bodies_free(struct flow_bodies *b)
{
    struct share *next;

    for (struct share *s = b ? b->shares : NULL; s; s = next) {
        next = s->next;
        tl_free(s);
    }
    if (b)
        pthread_mutex_destroy(&b->lock);
    tl_free(b);
}

/* ---- all under the lock ---- */
static struct share *share_of(struct flow_bodies *b, uint32_t id)
{
    struct share *s = b->shares;

    while (s && s->id != id)
        s = s->next;
    if (s)
        return s;
    s = tl_zalloc(sizeof *s);
    *s = (struct share){.next = b->shares, .id = id};
    s->end = &s->first;
    b->shares = s;
    return s;
}

static void forget_unused(struct flow_bodies *b, struct share *s)
{
    struct share **at = &b->shares;

    if (s->held > 0 || s->first)
        return;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    tl_free(s);
}

static void leave_line(struct share *s, const struct waiter *w)
{
    struct waiter **at = &s->first;

    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    if (!*at)
        s->end = at;
}

static bool is_oldest(const struct flow_bodies *b, const struct waiter *w)
{
    for (const struct share *s = b->shares; s; s = s->next)
        if (s->first && s->first->since < w->since)
            return false;
    return true;
}

static bool has_room(struct flow_bodies *b, struct share *s, const struct waiter *w, const struct flow_room *room)
{
    if (s->first != w || (s->held > 0 && (b->held + room->bytes > room->most || !is_oldest(b, w))))
        return false;
    b->held += room->bytes;
    s->held++;
    return true;
}

enum tl_rc flow__bodies_take(struct flow_bodies *b, struct task *task, const struct flow_room *room, struct tl_err *err)
{
    uint64_t end = async_loop_now(task_loop(task)) + room->wait_ms * UINT64_C(1000000);
    struct waiter w = {.next = NULL};
    enum tl_rc rc = TL_OK;
    bool taken, told = false;
    struct share *s;

    pthread_mutex_lock(&b->lock);
    s = share_of(b, room->share);
    w.since = b->came++;
    *s->end = &w;
    s->end = &w.next;
    while (!(taken = has_room(b, s, &w, room)) && rc == TL_OK && async_loop_now(task_loop(task)) < end) {
        pthread_mutex_unlock(&b->lock);
        if (!told && room->waits)
            room->waits(room->arg);
        told = true;
        rc = task_sleep_ms(task, LOOK_MS, err);
        pthread_mutex_lock(&b->lock);
    }
    leave_line(s, &w);
    forget_unused(b, s);
    pthread_mutex_unlock(&b->lock);
    if (taken)
        return TL_OK;
    return rc != TL_OK ? rc : tl_fail(err, TL_BUSY, "there was no memory for the body");
}

void flow__bodies_give(struct flow_bodies *b, const struct flow_room *room)
{
    struct share *s;

    pthread_mutex_lock(&b->lock);
    s = share_of(b, room->share);
    b->held -= room->bytes;
    s->held--;
    forget_unused(b, s);
    pthread_mutex_unlock(&b->lock);
}
