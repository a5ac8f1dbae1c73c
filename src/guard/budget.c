/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget.c - token buckets, rolling and calendar windows.
 * Invariant of a window: spent + reserved <= what is on disk as spent or reserved; nothing is spent that was not
 * reserved.
 */
#include "guard/guard_int.h"

#include <math.h>

static const double NS_PER_MS = 1e6;

static double burst(const struct guard_budget *c)
{
    double second = c->amount * 1000.0 / (double)(c->per_ms > 0 ? c->per_ms : 1000);

    if (c->burst > 0)
        return c->burst;
    return second > 1 ? second : 1;
}

void guard__budget_set(struct budget *b, const struct guard_budget *conf)
{
    b->conf = *conf;
    b->own = conf->amount;
    if (b->conf.per_ms <= 0)
        b->conf.per_ms = conf->kind == GUARD_BUCKET ? 1000 : 86400000;
    if (b->conf.kind == GUARD_BUCKET && b->level > burst(&b->conf))
        b->level = burst(&b->conf);
}

static int64_t cell_ms(const struct budget *b)
{
    int64_t ms = (b->conf.kind == GUARD_CALENDAR ? b->window_end - b->cell_start : b->conf.per_ms) / CELLS;

    return ms > 0 ? ms : 1;
}

static void roll_calendar(struct budget *b, int64_t wall_ms)
{
    if (wall_ms < b->window_end && wall_ms >= b->cell_start)
        return;
    if (wall_ms < b->cell_start && b->window_end) /* the clock was set back: the window stays, nothing is given back */
        return;
    if (b->window_end) {
        b->cells[0] = 0;
        b->reserved = 0;
        b->said = -1;
    }
    if (b->conf.window)
        b->conf.window(b->conf.zone, wall_ms, &b->cell_start, &b->window_end);
}

static double kept(const struct budget *b)
{
    return b->conf.amount * b->conf.keep;
}

/* The clock was ahead, by more than is put right now and then, when the newest cell began or the vendor spoke: as if
 * that had been now. Nothing is given back, and nobody waits for a time that is far away. */
static void come_back(struct budget *b, int64_t wall_ms)
{
    int64_t span = cell_ms(b), early = b->said_at - wall_ms, was = b->cell_start;

    if (b->said >= 0 && early > span) {
        b->said_at -= early;
        b->ask_at -= early;
        b->said_reset -= b->said_reset ? early : 0;
        b->was_ahead = true;
    }
    if (b->cell_start - wall_ms <= span)
        return;
    if (b->conf.kind == GUARD_ROLLING)
        b->cell_start = wall_ms - wall_ms % span;
    else if (b->conf.window)
        b->conf.window(b->conf.zone, wall_ms, &b->cell_start, &b->window_end);
    else
        return;
    b->back_by += was - b->cell_start;
    b->was_ahead = b->wants = true;
}

/* Or it had been right, and was behind since, as at a start before the time is fetched: then it leaps over all that the
 * cells were brought back by, and they go where they were. A rest that is as long looks the same; then what was spent
 * before it counts longer than it must, once. */
static void go_forth(struct budget *b, int64_t wall_ms)
{
    int64_t there = b->cell_start + b->back_by, length = b->window_end - b->cell_start;

    if (!b->back_by || wall_ms < there)
        return;
    if (b->conf.kind == GUARD_ROLLING)
        b->cell_start = there;
    else if (b->back_by > length && wall_ms < there + length) /* the next window comes without a leap */
        b->conf.window(b->conf.zone, wall_ms, &b->cell_start, &b->window_end);
    b->back_by = 0;
    b->wants = true;
}

/* What the vendor said, and until when. Without a time of reset nothing would ever be heard again once it said that
 * nothing is left, since no call means no new reading: so one call a cell finds out, and after a whole window of
 * silence our own count is all there is. */
static void age_said(struct budget *b, int64_t wall_ms)
{
    if (b->said < 0)
        return;
    if (b->said_reset ? wall_ms >= b->said_reset : wall_ms - b->said_at >= CELLS * cell_ms(b)) {
        b->said = -1;
    } else if (!b->said_reset && b->said < kept(b) + 1 && wall_ms >= b->ask_at) {
        b->said = kept(b) + 1;
        b->ask_at = wall_ms + cell_ms(b);
    }
}

/* Move the cells so that the newest one holds wall_ms; a clock set back a little leaves them alone. */
void guard__budget_roll(struct budget *b, int64_t wall_ms)
{
    int64_t span = cell_ms(b), steps;

    if (b->conf.kind == GUARD_BUCKET)
        return;
    come_back(b, wall_ms);
    go_forth(b, wall_ms);
    if (b->conf.kind == GUARD_CALENDAR)
        roll_calendar(b, wall_ms);
    age_said(b, wall_ms);
    if (b->conf.kind == GUARD_CALENDAR)
        return;
    if (!b->cell_start)
        b->cell_start = wall_ms - wall_ms % span;
    steps = (wall_ms - b->cell_start) / span;
    if (steps <= 0)
        return;
    b->cell_start += steps * span;
    b->reserved = 0; /* on disk it is spent in the cell that is over: what is spent now must not grow old with it */
    if (steps > KEPT)
        steps = KEPT;
    memmove(b->cells + steps, b->cells, (size_t)(KEPT - steps) * sizeof *b->cells);
    memset(b->cells, 0, (size_t)steps * sizeof *b->cells);
}

double guard__budget_used(const struct budget *b)
{
    double used = 0;

    for (int i = 0; i < KEPT; i++)
        used += b->cells[i];
    return used;
}

static void refill(struct budget *b, uint64_t mono_ns)
{
    double most = burst(&b->conf);

    if (!b->filled_ns)
        b->level = most;
    else if (mono_ns > b->filled_ns)
        b->level += (double)(mono_ns - b->filled_ns) / NS_PER_MS * b->conf.amount / (double)b->conf.per_ms;
    b->filled_ns = mono_ns;
    if (b->level > most)
        b->level = most;
}

static double share(const struct budget *b)
{
    return b->conf.amount - kept(b);
}

/* What may still be spent: by our count, and by what the vendor said, whichever is less. */
double guard__budget_left(struct budget *b, uint64_t mono_ns, int64_t wall_ms)
{
    double left;

    if (b->conf.kind == GUARD_BUCKET) {
        refill(b, mono_ns);
        return b->level;
    }
    guard__budget_roll(b, wall_ms);
    left = share(b) - guard__budget_used(b);
    if (b->said >= 0 && b->said - kept(b) < left)
        left = b->said - kept(b);
    return left > 0 ? left : 0;
}

/* When the window gives something back: the end of the calendar window, or the oldest cell that holds something. */
static int64_t next_relief(const struct budget *b, int64_t wall_ms)
{
    int64_t at = wall_ms + 1000;
    bool ours_left = share(b) - guard__budget_used(b) >= 1; /* it is the vendor's word that stops us */

    if (b->said >= 0 && b->said_reset > wall_ms)
        return b->said_reset;
    if (b->said >= 0 && !b->said_reset && ours_left && b->ask_at > wall_ms)
        return b->conf.kind == GUARD_CALENDAR && b->window_end < b->ask_at ? b->window_end : b->ask_at;
    if (b->conf.kind == GUARD_CALENDAR)
        return b->window_end;
    for (int i = KEPT - 1; i >= 0; i--) {
        if (b->cells[i] > 0) {
            at = b->cell_start + (KEPT - i) * cell_ms(b);
            break;
        }
    }
    return at > wall_ms ? at : wall_ms + 1000;
}

static double block(const struct budget *b)
{
    double one_percent = floor(b->conf.amount / 100);

    return one_percent > 1 ? one_percent : 1;
}

enum guard_wait guard__budget_check(struct budget *b, uint64_t mono_ns, int64_t wall_ms, double cost,
                                    uint64_t *ret_wake)
{
    double left = guard__budget_left(b, mono_ns, wall_ms);

    if (b->conf.kind == GUARD_BUCKET) {
        double most = burst(&b->conf);
        double need = cost < most ? cost : most; /* a call dearer than the burst waits for a full bucket */

        if (left >= need)
            return GUARD_GO;
        *ret_wake = mono_ns + (uint64_t)ceil((need - left) * (double)b->conf.per_ms / b->conf.amount * NS_PER_MS);
        return GUARD_RATE;
    }
    if (left < cost) {
        *ret_wake = mono_ns + (uint64_t)(next_relief(b, wall_ms) - wall_ms) * 1000000u;
        return GUARD_QUOTA;
    }
    if (b->reserved - cost < block(b) / 2) /* ask for the next block early, so that calls seldom wait for a commit */
        b->wants = true;
    if (b->reserved < cost) {
        *ret_wake = UINT64_MAX;
        return GUARD_RESERVE;
    }
    return GUARD_GO;
}

void guard__budget_spend(struct budget *b, double cost)
{
    if (b->conf.kind == GUARD_BUCKET) {
        b->level -= cost;
        return;
    }
    b->cells[0] += cost;
    b->reserved -= cost;
    if (b->said >= 0)
        b->said = b->said > cost ? b->said - cost : 0;
}

void guard__budget_refund(struct budget *b, double cost)
{
    if (b->conf.kind == GUARD_BUCKET) {
        b->level += cost;
        return;
    }
    if (b->cells[0] >= cost) {
        b->cells[0] -= cost;
        b->reserved += cost;
        if (b->said >= 0)
            b->said += cost;
    }
}

void guard__budget_read(struct budget *b, const struct guard_reading *r, int64_t wall_ms, bool alone)
{
    if (r->limit > 0 && guard__is_window(b))
        b->conf.amount = b->conf.theirs || r->limit < b->own ? r->limit : b->own;
    if (r->remaining < 0)
        return;
    if (b->conf.kind == GUARD_BUCKET) {
        if (r->remaining < b->level)
            b->level = r->remaining;
        return;
    }
    guard__budget_roll(b, wall_ms);
    /* Calls that were out meanwhile may not be in the vendor's count: an older reading must never raise the remainder.
     */
    if (b->said < 0 || r->remaining < b->said || alone)
        b->said = r->remaining;
    b->said_reset = r->reset_wall_ms;
    b->said_at = wall_ms;
    b->ask_at = wall_ms + cell_ms(b);
}

/* What a bucket cannot fill up in a rest is lost to it. */
static double overflow_ms(const struct budget *b, double left, const struct guard_rests *r)
{
    double token_ms = (double)b->conf.per_ms / b->conf.amount, most = burst(&b->conf);

    return fmax(r->pause_ms - fmax(most - left, 0) * token_ms, 0) + r->n * fmax(r->ms - most * token_ms, 0);
}

uint64_t guard__budget_drain_ms(struct budget *b, uint64_t mono_ns, int64_t wall_ms, double waiting,
                                const struct guard_rests *r)
{
    double left = guard__budget_left(b, mono_ns, wall_ms), rest = waiting - left;

    if (rest <= 0)
        return 0;
    if (b->conf.amount <= 0)
        return UINT64_MAX;
    if (b->conf.kind == GUARD_BUCKET)
        return (uint64_t)(rest * (double)b->conf.per_ms / b->conf.amount + overflow_ms(b, left, r));
    if (share(b) <= 0)
        return UINT64_MAX;
    /* Wait for the next relief, then whole windows for what is more than one of them. */
    return (uint64_t)(next_relief(b, wall_ms) - wall_ms) +
           (uint64_t)(floor(rest / share(b)) *
                      (double)(b->conf.kind == GUARD_CALENDAR ? b->window_end - b->cell_start : b->conf.per_ms));
}
