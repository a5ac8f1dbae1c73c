/* SPDX-License-Identifier: Apache-2.0 */
/* guard_int.h - shared by the parts of a guard. */
#ifndef TL_GUARD_GUARD_INT_H
#define TL_GUARD_GUARD_INT_H

#include "guard/guard.h"

enum {
    CELLS = 24, /* of a window */
    KEPT =
        CELLS + 1, /* the newest is not full yet: with one less, a call would be forgotten before its window is over */
    PAUSE_SAVED_MS = 5000 /* a shorter pause is over when a restart is */
};

/* The state of one budget. A bucket uses level; windows use cells (a calendar window only the first). */
struct budget {
    struct guard_budget conf;
    double level; /* bucket: tokens there are */
    uint64_t filled_ns;
    double cells[KEPT]; /* spent in each cell */
    int64_t cell_start; /* wall ms of the newest cell; calendar: of the window */
    int64_t window_end; /* calendar */
    int64_t back_by;    /* what cell_start was brought back by, since the clock seemed to have been ahead */
    double reserved;    /* on disk, not spent yet */
    double asked;       /* in the bytes that are being written */
    bool was_ahead;     /* and nobody has been told */
    bool wants;         /* a further block should be written */
    double own;         /* the amount that was configured; conf.amount: as the vendor corrected it */
    double said;        /* remaining as the vendor last said, < 0: nothing said */
    int64_t said_reset; /* wall ms; 0: not said */
    int64_t said_at;    /* when it was said */
    int64_t ask_at;     /* without a reset: when one more call may find out */
};

enum breaker_state { CLOSED, OPEN, HALF_OPEN };

struct pace {
    double call_ms, done;          /* of an answered call: its time, and what it brought to an end; moving */
    uint32_t calls;                /* seen, at most 50 */
    bool wanting;                  /* the last one that asked was told that all slots are taken */
    uint64_t full_ns, at_ns;       /* since when that is so without a break, 0: it is not; until when it is counted */
    double full_done, full_slot_s; /* in that time: brought to an end, and slots times seconds */
    double rate;                   /* per slot and second, while all slots were taken; moving. 0: never seen */
    unsigned seconds;              /* that went into it, at most 2 */
    double slots;                  /* the limit before the outage that is not over yet; 0: none */
};

/* By the vendor's word in a good answer nothing is left: all calls rest until its next window. Good calls alone count;
 * what it refuses takes nothing from a window. */
struct rest {
    uint32_t ms;      /* how long; 0: not told, or no longer so */
    uint64_t told_ns; /* the last one; 0: none */
    uint32_t calls;   /* since then, or since a quiet time in which a window may have ended unseen */
    uint32_t window;  /* between two of them; 0: none has been seen whole */
    bool whole;       /* calls is all since told_ns */
    bool counted;     /* window is that which ended with told_ns */
};

struct guard {
    struct guard_conf conf;
    struct budget budgets[GUARD_MAX_BUDGETS];
    size_t n;
    uint32_t out; /* calls under way */
    double limit; /* of concurrency, adaptive */
    uint64_t lowered_ns, ramp_ns;
    uint64_t gave_ns;       /* when the last call ended */
    uint64_t not_before_ns; /* Retry-After */
    int64_t not_before_ms;  /* the same as wall time, which outlives us; 0: it is not worth a write */
    struct rest rest;
    int64_t pause_ms; /* wall time of the pause that a restart found, until the first question; 0: none */
    bool pause_unsaved, pause_asked, pause_was_ahead;
    enum breaker_state breaker;
    uint32_t failures;
    uint64_t open_until_ns;
    int64_t open_ms; /* the present span, doubling */
    bool probe_out;
    struct pace pace;
};

/* pace.c: how fast it goes, for the drain estimate */
void guard__pace_asked(struct guard *g, uint64_t mono_ns, enum guard_wait answer);
void guard__pace_ended(struct guard *g, uint64_t mono_ns, const struct guard_result *r);
void guard__pace_outage(struct guard *g); /* the breaker trips */
/* From now on; UINT64_MAX: nothing is known. */
double guard__pace_drain_ms(const struct guard *g, uint64_t mono_ns, const struct guard_backlog *b);

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
/* Rests in which no call starts: what is left of the present pause, and n of `ms` each. */
struct guard_rests {
    double pause_ms, n, ms;
};
/* Until it has let `waiting` through. It goes on in the rests: a window passes, a bucket fills up to its burst. */
uint64_t guard__budget_drain_ms(struct budget *b, uint64_t mono_ns, int64_t wall_ms, double waiting,
                                const struct guard_rests *r);
static inline bool guard__is_window(const struct budget *b)
{
    return b->conf.kind != GUARD_BUCKET;
}

#endif
