/* SPDX-License-Identifier: Apache-2.0 */
/* turn.c - how long mappings may keep a loop from everybody else, and where they go then: to a worker thread, and what
 * is slow there too, for some 300 ms, to the few that what takes long may have. */
#include "mapping/mapping_int.h"

/* Some 5 ms on a slow machine. Steps and not time, so that a machine under load decides as an idle one does. */
enum {
    TURN_STEPS = 32768,
    LARGE_STEPS = 64 * TURN_STEPS,
    SLOW_FOR = 256,
    BEGIN_STEPS = 8 /* what beginning an evaluation costs */
};

static uint32_t *slow_of(const struct mapping *m)
{
    return (uint32_t *)(uintptr_t)&m->slow;
}

bool turn_refuses(const struct mapping *m, struct mapping_turn *turn)
{
    uint32_t slow = __atomic_load_n(slow_of(m), __ATOMIC_RELAXED);

    if (slow) /* two threads may count one: it is a guess anyway */
        __atomic_store_n(slow_of(m), slow - 1, __ATOMIC_RELAXED);
    turn->over = turn->over || slow || !m->program || turn->steps == 0;
    return turn->over;
}

void turn_took(const struct mapping *m, struct mapping_turn *turn, uint64_t steps, enum tl_rc rc)
{
    steps += BEGIN_STEPS;
    turn->steps -= steps < turn->steps ? steps : turn->steps;
    if (rc != TL_BUDGET)
        return;
    turn->over = true;
    __atomic_store_n(slow_of(m), SLOW_FOR, __ATOMIC_RELAXED);
}

struct run {
    mapping_fn *fn;
    void *arg;
    struct mapping_turn *turn;
};

static void call(void *arg)
{
    struct run *r = arg;

    r->fn(r->arg, r->turn);
}

enum tl_rc mapping_run(struct task *task, bool elsewhere, mapping_fn *fn, void *arg, struct tl_err *err)
{
    struct mapping_turn turn = {.steps = elsewhere ? LARGE_STEPS : TURN_STEPS};
    struct run r = {.fn = fn, .arg = arg, .turn = &turn};
    enum tl_rc rc = TL_OK;

    if (elsewhere)
        rc = task_blocking(task, call, &r, NULL, err);
    else
        task_on_main_stack(task, call, &r);
    if (rc != TL_OK || !turn.over)
        return rc;
    tl_err_clear(err);
    r.turn = NULL;
    return task_blocking_long(task, call, &r, err);
}
