/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timer.c - the timer wheel.
 *
 * A timer stands at the level of the highest group of 6 bits in which its due tick differs from the wheel's tick, in
 * the slot that this group names. So all timers of a level lie before all of the next level, slots are taken in order
 * from the lowest bit of the lowest occupied level, and moving the wheel's tick forward up to the next slot changes no
 * timer's place. A timer falls at most 7 times to a lower level in its life.
 */
#include "async/async_int.h"

enum { SLOT_EXPIRED = WHEEL_LEVELS * WHEEL_SLOTS, SLOT_FIRING, SLOT_NONE };

static void link_at(struct async_timer **head, struct async_timer *t, uint32_t slot)
{
    t->next = *head;
    if (t->next)
        t->next->link = &t->next;
    t->link = head;
    t->slot = slot;
    *head = t;
}

static void unlink_timer(struct async_wheel *w, struct async_timer *t)
{
    *t->link = t->next;
    if (t->next)
        t->next->link = t->link;
    if (t->slot < SLOT_EXPIRED) {
        unsigned level = t->slot / WHEEL_SLOTS, slot = t->slot % WHEEL_SLOTS;

        if (!w->slots[level][slot])
            w->occupied[level] &= ~(UINT64_C(1) << slot);
    }
    t->slot = SLOT_NONE;
}

static void place(struct async_wheel *w, struct async_timer *t)
{
    uint64_t tick = t->due_ns >> WHEEL_TICK_BITS;
    unsigned level, slot;

    if (t->due_ns & ((UINT64_C(1) << WHEEL_TICK_BITS) - 1))
        tick++; /* never early */
    if (tick <= w->tick || t->due_ns <= w->now_ns) {
        link_at(&w->expired, t, SLOT_EXPIRED);
        return;
    }
    level = (63 - (unsigned)__builtin_clzll(tick ^ w->tick)) / WHEEL_SLOT_BITS;
    slot = (unsigned)(tick >> (level * WHEEL_SLOT_BITS)) & (WHEEL_SLOTS - 1);
    w->occupied[level] |= UINT64_C(1) << slot;
    link_at(&w->slots[level][slot], t, level * WHEEL_SLOTS + slot);
}

/* The first occupied slot and the tick at which it begins. */
static bool first_slot(const struct async_wheel *w, unsigned *ret_level, unsigned *ret_slot, uint64_t *ret_tick)
{
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        unsigned shift = level * WHEEL_SLOT_BITS, slot;

        if (!w->occupied[level])
            continue;
        slot = (unsigned)__builtin_ctzll(w->occupied[level]);
        *ret_level = level;
        *ret_slot = slot;
        *ret_tick = (w->tick >> (shift + WHEEL_SLOT_BITS) << (shift + WHEEL_SLOT_BITS)) | (uint64_t)slot << shift;
        return true;
    }
    return false;
}

static void take_slot(struct async_wheel *w, unsigned level, unsigned slot)
{
    struct async_timer *t = w->slots[level][slot], *next;

    w->slots[level][slot] = NULL;
    w->occupied[level] &= ~(UINT64_C(1) << slot);
    for (; t; t = next) {
        next = t->next;
        place(w, t);
    }
}

/* Only what is expired now: a timer that its own function sets to the past waits for the next look. */
static void fire(struct async_wheel *w)
{
    struct async_timer *firing = NULL, *t;

    while ((t = w->expired)) {
        *t->link = t->next;
        if (t->next)
            t->next->link = t->link;
        link_at(&firing, t, SLOT_FIRING);
    }
    while ((t = firing)) {
        unlink_timer(w, t);
        w->count--;
        t->fn(t);
    }
}

void async__wheel_init(struct async_wheel *w, uint64_t now_ns)
{
    memset(w, 0, sizeof *w);
    w->tick = now_ns >> WHEEL_TICK_BITS;
    w->now_ns = now_ns;
}

void async__wheel_run(struct async_loop *loop, uint64_t now_ns)
{
    struct async_wheel *w = &loop->wheel;
    uint64_t to = now_ns >> WHEEL_TICK_BITS, tick;
    unsigned level, slot;

    w->now_ns = now_ns;
    fire(w);
    while (first_slot(w, &level, &slot, &tick) && tick <= to) {
        w->tick = tick;
        take_slot(w, level, slot);
        fire(w);
    }
    if (to > w->tick)
        w->tick = to;
}

uint64_t async__wheel_next(const struct async_wheel *w)
{
    unsigned level, slot;
    uint64_t tick;

    if (w->expired)
        return 0;
    if (!first_slot(w, &level, &slot, &tick))
        return UINT64_MAX;
    return tick << WHEEL_TICK_BITS;
}

void async_timer_init(struct async_timer *t, struct async_loop *loop, void (*fn)(struct async_timer *))
{
    *t = (struct async_timer){.loop = loop, .fn = fn, .slot = SLOT_NONE};
}

bool async_timer_is_set(const struct async_timer *t)
{
    return t->slot != SLOT_NONE;
}

void async_timer_stop(struct async_timer *t)
{
    if (t->slot == SLOT_NONE)
        return;
    unlink_timer(&t->loop->wheel, t);
    t->loop->wheel.count--;
}

void async_timer_set(struct async_timer *t, uint64_t due_ns)
{
    async__check_thread(t->loop);
    async_timer_stop(t);
    t->due_ns = due_ns;
    if (due_ns == UINT64_MAX)
        return;
    place(&t->loop->wheel, t);
    t->loop->wheel.count++;
}
