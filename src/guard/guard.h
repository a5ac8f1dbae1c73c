/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard.h - limits are respected, not hit: retry policy, budgets, concurrency and circuit breaker of one connection.
 *
 * Pure bookkeeping: no clock, no I/O, no thread of its own. The ledger thread drives it: it asks guard_take before a
 * call starts, tells guard_give how it ended, and writes guard_save's bytes when guard_wants_save says so. Times are
 * given in: monotonic ns for durations, wall ms only for calendar and rolling windows (they survive a restart).
 *
 * Budgets are of three kinds: a token bucket (`100 a second, burst 200`), a rolling window in cells of a 24th
 * (Salesforce: so many calls in 24 hours; what was used counts until the whole cell is older than the window), a
 * calendar window (`per day` in a zone). Windows are quotas: they are reserved on disk in blocks of at most 1 % before
 * use, so a crash forfeits a block but never spends a call twice. What a vendor's header says lowers the remainder at
 * once and raises it only on a reading that is newer than all calls under way. Where it says that nothing is left and
 * not until when, one call in a 24th of the window finds out. A Retry-After of 5 s or more is saved with the quotas.
 *
 * The breaker counts time-outs, connection errors and 5xx only (tl_rc_trips_breaker). While it is open nothing starts;
 * half-open lets one probe through at a time. After it closes, concurrency climbs from a tenth by doubling, it does not
 * jump.
 */
#ifndef TL_GUARD_GUARD_H
#define TL_GUARD_GUARD_H

#include "base/base.h"

/* ---- retry ---- */
enum guard_jitter { GUARD_JITTER_FULL, GUARD_JITTER_NONE };
struct guard_retry {
    uint32_t attempts;        /* in all; 0: 8 */
    int64_t base_ms, most_ms; /* 0: 1 s and 10 min; doubles in between */
    enum guard_jitter jitter;
    int64_t max_age_ms; /* of a delivery that is retrying; 0: no limit */
};
/* After `used` counted attempts: the wait before the next one, or false: give up. unit is random in [0, 1). The
 * remote's retry_after_ms is a lower bound. age_ms: since the first failure, held time not included. */
bool guard_retry_delay(const struct guard_retry *r, uint32_t used, int64_t age_ms, uint32_t retry_after_ms, double unit,
                       int64_t *ret_ms);

/* ---- configuration of a connection's guard; copied by guard_set ---- */
enum guard_budget_kind { GUARD_BUCKET, GUARD_ROLLING, GUARD_CALENDAR };
/* The calendar window that holds wall_ms: [start, end). zone is the conf's. */
typedef void guard_window_fn(const void *zone, int64_t wall_ms, int64_t *ret_start, int64_t *ret_end);

#define GUARD_MAX_BUDGETS 6
#define GUARD_NAME 32
struct guard_budget {
    char name[GUARD_NAME]; /* "daily_api_calls": shown to people, used by feedback */
    enum guard_budget_kind kind;
    double amount;           /* calls (or cost units) ... */
    int64_t per_ms;          /* ... per this; BUCKET and ROLLING */
    double burst;            /* BUCKET; 0: the amount of one second, at least 1 */
    guard_window_fn *window; /* CALENDAR */
    const void *zone;        /* borrowed until the next guard_set, or guard_rest */
    double keep;             /* share of the amount that is left for others, 0..1 */
    bool theirs; /* the amount is a first guess and the vendor's word replaces it; else that only makes it less */
};
struct guard_conf {
    struct guard_budget budgets[GUARD_MAX_BUDGETS];
    size_t n_budgets;
    uint32_t concurrency;                     /* at most so many calls at once; 0: 32 */
    uint32_t concurrency_min;                 /* adaptive: never below; 0: 1 */
    bool fixed;                               /* do not adapt */
    uint32_t breaker_failures;                /* in a row; 0: 5 */
    int64_t breaker_open_ms, breaker_most_ms; /* 0: 2 s, doubling to 60 s */
    bool no_breaker;
};

bool guard_has_quota(const struct guard_conf *conf); /* one of its budgets is a window */
bool guard_has_budget(const struct guard_conf *conf, const char *name);

/* ---- asking ---- */
struct guard;
enum guard_wait {
    GUARD_GO,
    GUARD_RATE,        /* a token bucket is empty, or the remote said Retry-After */
    GUARD_QUOTA,       /* a window is used up */
    GUARD_RESERVE,     /* a block of quota must be on disk first: save, then ask again */
    GUARD_CONCURRENCY, /* as many calls as allowed are out: ask again when one ends */
    GUARD_BREAKER      /* open, or its one probe is out */
};
struct guard_answer {
    enum guard_wait wait;
    uint64_t wake_ns;   /* when to ask again; UINT64_MAX: when something ends (CONCURRENCY, RESERVE, probe out) */
    bool probe;         /* GO in half-open state: this call decides, and uses no attempt */
    const char *budget; /* which one, for people; NULL */
};

struct guard *guard_new(const struct guard_conf *conf) TL_MUST_CHECK;
void guard_free(struct guard *g);
/* Take a changed configuration; what was used and the breaker's state stay, by the budgets' names. */
void guard_set(struct guard *g, const struct guard_conf *conf);
/* Its connection has left the configuration: what was used stays, nothing borrowed is touched any more, and calendar
 * windows stand still until a guard_set. */
void guard_rest(struct guard *g);
/* May a call that costs `cost` start now? On GO it is counted: guard_give must follow. */
struct guard_answer guard_take(struct guard *g, uint64_t mono_ns, int64_t wall_ms, double cost);
/* May a call that guard_take let through make one more request? It has its slot already, so budgets alone say, and
 * what the remote asked for with Retry-After. On GO it is counted, and nothing is given back. */
struct guard_answer guard_more(struct guard *g, uint64_t mono_ns, int64_t wall_ms, double cost);

/* ---- telling ---- */
struct guard_reading {
    char name[GUARD_NAME];   /* of the budget; a reading for an unknown name makes no budget, it is kept for display */
    double remaining, limit; /* < 0: not said */
    int64_t reset_wall_ms;   /* 0: not said */
};
struct guard_feedback {
    struct guard_reading readings[4];
    size_t n_readings;
    uint32_t retry_after_ms; /* nothing before that; 0: not said */
    bool too_many_at_once;   /* the remote said that concurrency is the problem: fewer calls, but no pause */
};
struct guard_result {
    enum tl_rc rc;
    bool probe;    /* as given by guard_take */
    bool not_sent; /* nothing reached the other side: the cost is given back */
    double cost;   /* as taken */
    double done;   /* what it brought to an end: deliveries, of a batch more than one. For the drain estimate */
    uint64_t started_ns;
    const struct guard_feedback *feedback; /* may be NULL */
};
void guard_give(struct guard *g, uint64_t mono_ns, int64_t wall_ms, const struct guard_result *r);
/* True while the breaker is not closed: a failure then uses no attempt. */
bool guard_breaker_tripped(const struct guard *g);
/* Open it now, for one whose last of `failures` attempts has failed as well. False: there is no breaker, or something
 * has succeeded meanwhile. The failure itself is told by guard_give as ever. */
bool guard_breaker_trip(struct guard *g, uint64_t mono_ns, uint32_t failures);
/* For people and metrics: "closed", "open", "half_open". */
const char *guard_breaker_state(const struct guard *g);
/* A person or a successful test says that it works again: the breaker closes, and the Retry-After is lifted. */
void guard_resume(struct guard *g);

/* ---- durability of quotas ---- */
bool guard_wants_save(const struct guard *g);
/* What to store under the connection's name (at most 2 KB); then, when it is on disk, guard_saved. */
void guard_save(struct guard *g, int64_t wall_ms, struct tl_buf *b);
void guard_saved(struct guard *g);
/* True once after what was spent, or told, was found to lie in the future by more than a cell, or a pause that a
 * restart found by more than a second: the clock was wrong then. It counts as if it had been now. */
bool guard_was_ahead(struct guard *g);
/* After a restart, before the first guard_take: reserved blocks count as used. TL_PARSE: not our bytes. */
TL_MUST_CHECK enum tl_rc guard_load(struct guard *g, struct tl_sv saved, int64_t wall_ms, struct tl_err *err);

/* ---- looking ---- */
struct guard_budget_stat {
    const char *name;
    double amount, used, remaining; /* of the window; a bucket's level is `remaining` */
    int64_t resets_wall_ms;         /* 0: continuous */
    bool durable;
};
size_t guard_stats(struct guard *g, uint64_t mono_ns, int64_t wall_ms, struct guard_budget_stat ret[GUARD_MAX_BUDGETS]);
uint32_t guard_concurrency(const struct guard *g, uint32_t *ret_out); /* the limit now; calls out */
/* What waits, for an estimate. */
struct guard_backlog {
    uint64_t waiting;  /* deliveries */
    uint64_t lanes;    /* that may run beside each other: more slots than that do not help. 0: not known */
    double between_ms; /* what lies between the end of a call and the start of the next in its slot */
};
/* How long it takes from now, and what sets the pace: a budget's name, "concurrency", or "retry_after". What was done
 * in a second while calls waited for a slot counts most; before that was ever seen, the time of a call. Rests that the
 * vendor asks for come on top of it, budgets go on meanwhile. The ramp after an outage is in it, new arrivals are not.
 * UINT64_MAX: unknown. */
uint64_t guard_drain_ms(struct guard *g, uint64_t mono_ns, int64_t wall_ms, const struct guard_backlog *b,
                        const char **ret_reason);

#endif
