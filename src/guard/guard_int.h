/* SPDX-License-Identifier: Apache-2.0 */
/* guard_int.h - shared by the parts of a guard. */
#ifndef TL_GUARD_GUARD_INT_H
#define TL_GUARD_GUARD_INT_H

#include "guard/guard.h"

enum { CELLS = 24 };

/* The state of one budget. A bucket uses level; windows use cells (a calendar window only the first). */
struct budget {
    struct guard_budget conf;
    double level; /* bucket: tokens there are */
    uint64_t filled_ns;
    double cells[CELLS]; /* spent in each cell */
    int64_t cell_start;  /* wall ms of the newest cell; calendar: of the window */
    int64_t window_end;  /* calendar */
    double reserved;     /* on disk, not spent yet */
    double asked;        /* in the bytes that are being written */
    bool wants;          /* a further block should be written */
    double said;         /* remaining as the vendor last said, < 0: nothing said */
    int64_t said_reset;
};

enum breaker_state { CLOSED, OPEN, HALF_OPEN };

struct guard {
    struct guard_conf conf;
    struct budget budgets[GUARD_MAX_BUDGETS];
    size_t n;
    uint32_t out; /* calls under way */
    double limit; /* of concurrency, adaptive */
    uint64_t lowered_ns, ramp_ns;
    uint64_t gave_ns; /* when the last call ended */
    uint64_t not_before_ns; /* Retry-After */
    enum breaker_state breaker;
    uint32_t failures;
    uint64_t open_until_ns;
    int64_t open_ms; /* the present span, doubling */
    bool probe_out;
    double mean_ms; /* of a call, moving; for the drain estimate */
};

/* budget.c */
void guard__budget_set(struct budget *b, const struct guard_budget *conf);
/* 0: enough for cost; else why not, with the time to ask again. Spends nothing. */
enum guard_wait guard__budget_check(struct budget *b, uint64_t mono_ns, int64_t wall_ms, double cost,
                                    uint64_t *ret_wake);
void guard__budget_spend(struct budget *b, double cost);
void guard__budget_refund(struct budget *b, double cost);
void guard__budget_read(struct budget *b, const struct guard_reading *r, int64_t wall_ms, bool alone);
void guard__budget_roll(struct budget *b, int64_t wall_ms);
double guard__budget_left(struct budget *b, uint64_t mono_ns, int64_t wall_ms);
double guard__budget_used(const struct budget *b);
uint64_t guard__budget_drain_ms(struct budget *b, uint64_t mono_ns, int64_t wall_ms, double waiting);
static inline bool guard__is_window(const struct budget *b)
{
    return b->conf.kind != GUARD_BUCKET;
}

#endif
