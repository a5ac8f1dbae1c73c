/* SPDX-License-Identifier: Apache-2.0 */
#include "powercut_file.h"

#include "base/base.h"

#define SECTOR 512

struct bytes {
    char *p;
    int64_t n, cap;
};
/* A write, widened to whole sectors, or (p NULL) a truncation to `at`. */
struct change {
    uint64_t number;
    int64_t at;
    size_t n;
    char *p;
};
struct powercut_file {
    struct bytes seen, held;
    struct change *late; /* by number */
    size_t n_late, cap_late;
    uint64_t last; /* number */
};

uint64_t powercut_roll(uint64_t *dice) /* splitmix64 */
{
    uint64_t z = *dice += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void resize(struct bytes *b, int64_t size)
{
    if (size > b->cap) {
        b->cap = size * 2;
        b->p = tl_realloc(b->p, (size_t)b->cap);
    }
    if (size > b->n)
        memset(b->p + b->n, 0, (size_t)(size - b->n));
    b->n = size;
}

static void place(struct bytes *b, const char *p, size_t n, int64_t at)
{
    if (at + (int64_t)n > b->n)
        resize(b, at + (int64_t)n);
    if (n)
        memcpy(b->p + at, p, n);
}

struct powercut_file *powercut_file_new(void)
{
    return tl_zalloc(sizeof(struct powercut_file));
}

/* The first n of what is late. */
static void forget(struct powercut_file *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tl_free(f->late[i].p);
    f->n_late -= n;
    if (n && f->n_late)
        memmove(f->late, f->late + n, f->n_late * sizeof(*f->late));
}

void powercut_file_free(struct powercut_file *f)
{
    if (!f)
        return;
    forget(f, f->n_late);
    tl_free(f->late);
    tl_free(f->seen.p);
    tl_free(f->held.p);
    tl_free(f);
}

int64_t powercut_file_size(const struct powercut_file *f)
{
    return f->seen.n;
}

size_t powercut_file_read(const struct powercut_file *f, void *p, size_t n, int64_t at)
{
    size_t have = f->seen.n > at ? (size_t)(f->seen.n - at) : 0;

    have = have < n ? have : n;
    if (have)
        memcpy(p, f->seen.p + at, have);
    return have;
}

static struct change *add_late(struct powercut_file *f)
{
    if (f->n_late == f->cap_late) {
        f->cap_late = f->cap_late ? f->cap_late * 2 : 64;
        f->late = tl_reallocarray(f->late, f->cap_late, sizeof(*f->late));
    }
    f->late[f->n_late] = (struct change){.number = ++f->last};
    return &f->late[f->n_late++];
}

void powercut_file_write(struct powercut_file *f, const void *p, size_t n, int64_t at)
{
    struct change *c = add_late(f);
    int64_t end = (at + (int64_t)n + SECTOR - 1) / SECTOR * SECTOR;

    place(&f->seen, p, n, at);
    end = end < f->seen.n ? end : f->seen.n;
    c->at = at / SECTOR * SECTOR;
    c->n = (size_t)(end - c->at);
    c->p = tl_alloc(c->n + 1);
    if (c->n)
        memcpy(c->p, f->seen.p + c->at, c->n);
}

void powercut_file_truncate(struct powercut_file *f, int64_t size)
{
    add_late(f)->at = size;
    resize(&f->seen, size);
}

size_t powercut_file_unsynced(const struct powercut_file *f)
{
    return f->n_late;
}

uint64_t powercut_file_mark(const struct powercut_file *f)
{
    return f->last;
}

static size_t up_to(const struct powercut_file *f, uint64_t mark)
{
    size_t n = 0;

    while (n < f->n_late && f->late[n].number <= mark)
        n++;
    return n;
}

/* `odds` of 8 sectors reach the disk, those of a write one by one or all alike. */
static void apply_some(struct bytes *b, const struct change *c, uint64_t odds, uint64_t *dice)
{
    bool alike = powercut_roll(dice) % 2, kept = powercut_roll(dice) % 8 < odds;

    if (!c->p) {
        if (kept)
            resize(b, c->at);
        return;
    }
    if (powercut_roll(dice) % 8 == 0 && c->at + (int64_t)c->n > b->n)
        resize(b, c->at + (int64_t)c->n); /* the size has, though not what is there */
    for (size_t i = 0; i < c->n; i += SECTOR)
        if (alike ? kept : powercut_roll(dice) % 8 < odds)
            place(b, c->p + i, c->n - i < SECTOR ? c->n - i : SECTOR, c->at + (int64_t)i);
}

void powercut_file_settle(struct powercut_file *f, uint64_t mark)
{
    size_t n = up_to(f, mark);

    for (size_t i = 0; i < n; i++) {
        const struct change *c = &f->late[i];

        if (c->p)
            place(&f->held, c->p, c->n, c->at);
        else
            resize(&f->held, c->at);
    }
    forget(f, n);
}

static void some_of_what_is_late(struct bytes *b, const struct powercut_file *f, size_t n, uint64_t *dice)
{
    uint64_t odds = 1 + powercut_roll(dice) % 7;

    for (size_t i = 0; i < n; i++)
        apply_some(b, &f->late[i], odds, dice);
}

void powercut_file_lose(struct powercut_file *f, uint64_t mark, uint64_t *dice)
{
    size_t n = up_to(f, mark);

    some_of_what_is_late(&f->held, f, n, dice);
    forget(f, n);
}

void powercut_file_cut(struct powercut_file *f, uint64_t *dice)
{
    if (dice)
        some_of_what_is_late(&f->held, f, f->n_late, dice);
    forget(f, f->n_late);
    resize(&f->seen, 0);
    place(&f->seen, f->held.p, (size_t)f->held.n, 0);
}

struct powercut_file *powercut_file_after(const struct powercut_file *f, uint64_t *dice)
{
    struct powercut_file *after = powercut_file_new();

    place(&after->held, f->held.p, (size_t)f->held.n, 0);
    if (dice)
        some_of_what_is_late(&after->held, f, f->n_late, dice);
    place(&after->seen, after->held.p, (size_t)after->held.n, 0);
    return after;
}
