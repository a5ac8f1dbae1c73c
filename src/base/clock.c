/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - the system's clock and the one that tests turn by hand. */
#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

static uint64_t system_mono(const struct tl_clock *c)
{
    struct timespec t;

    (void)c;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int64_t system_wall(const struct tl_clock *c)
{
    struct timespec t;

    (void)c;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const struct tl_clock *tl_clock_system(void)
{
    static const struct tl_clock clock = {system_mono, system_wall};

    return &clock;
}

uint64_t tl_clock_mono_ns(const struct tl_clock *c)
{
    return c->mono_ns(c);
}

uint64_t tl_clock_mono_ms(const struct tl_clock *c)
{
    return c->mono_ns(c) / 1000000u;
}

int64_t tl_clock_wall_ms(const struct tl_clock *c)
{
    return c->wall_ms(c);
}

static uint64_t fake_mono(const struct tl_clock *c)
{
    const struct tl_fake_clock *f = (const struct tl_fake_clock *)(const void *)c;

    return __atomic_load_n(&f->mono_ns, __ATOMIC_RELAXED);
}

static int64_t fake_wall(const struct tl_clock *c)
{
    const struct tl_fake_clock *f = (const struct tl_fake_clock *)(const void *)c;

    return __atomic_load_n(&f->wall_ms, __ATOMIC_RELAXED);
}

void tl_fake_clock_init(struct tl_fake_clock *f, int64_t wall_ms)
{
    *f = (struct tl_fake_clock){.base = {fake_mono, fake_wall}, .mono_ns = 1000000000u, .wall_ms = wall_ms};
}

void tl_fake_clock_advance_ms(struct tl_fake_clock *f, int64_t ms)
{
    __atomic_add_fetch(&f->mono_ns, (uint64_t)ms * 1000000u, __ATOMIC_RELAXED);
    __atomic_add_fetch(&f->wall_ms, ms, __ATOMIC_RELAXED);
}
