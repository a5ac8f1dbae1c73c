/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save.c - what a quota remembers over a restart.
 *
 * Bytes: "guard2\n", then a line a window: name, kind, start of the newest cell, end of the calendar window, then the
 * spent amounts of the cells, the newest first (of "guard1" one less). What is reserved is written as if it were spent:
 * after a crash it is.
 * "!retry_after" and a wall time: no call before that, as the remote said; then the wall time when this was written.
 */
#include "guard/guard_int.h"

#include <math.h>
#include <stdio.h>

#define PAUSE "!retry_after\t"
enum { SLACK_MS = 1000 };

bool guard_wants_save(const struct guard *g)
{
    if (g->pause_unsaved)
        return true;
    for (size_t i = 0; i < g->n; i++) {
        if (g->budgets[i].wants)
            return true;
    }
    return false;
}

/* The next block, at most what is left of the window. */
static double next_block(struct budget *b, int64_t wall_ms)
{
    double one_percent = floor(b->conf.amount / 100);
    double left = guard__budget_left(b, 0, wall_ms) - b->reserved;
    double want = one_percent > 1 ? one_percent : 1;

    return fmax(0, fmin(want, left));
}

void guard_save(struct guard *g, int64_t wall_ms, struct tl_buf *out)
{
    tl_buf_puts(out, "guard2\n");
    if (g->not_before_ms > wall_ms)
        tl_buf_printf(out, PAUSE "%lld\t%lld\n", (long long)g->not_before_ms, (long long)wall_ms);
    g->pause_asked = g->pause_unsaved;
    for (size_t i = 0; i < g->n; i++) {
        struct budget *b = &g->budgets[i];

        if (!guard__is_window(b))
            continue;
        guard__budget_roll(b, wall_ms);
        b->asked = b->wants ? next_block(b, wall_ms) : 0;
        tl_buf_printf(out, "%s\t%d\t%lld\t%lld", b->conf.name, (int)b->conf.kind, (long long)b->cell_start,
                      (long long)b->window_end);
        for (int c = 0; c < KEPT; c++)
            tl_buf_printf(out, "\t%.17g", b->cells[c] + (c == 0 ? b->reserved + b->asked : 0));
        tl_buf_putc(out, '\n');
    }
}

void guard_saved(struct guard *g)
{
    if (g->pause_asked)
        g->pause_unsaved = g->pause_asked = false;
    for (size_t i = 0; i < g->n; i++) {
        g->budgets[i].reserved += g->budgets[i].asked;
        g->budgets[i].asked = 0;
        g->budgets[i].wants = false;
    }
}

/* "until[<tab>written at]". Written in the future, the clock was wrong: what was left of it then is left now. It is put
 * right by a little now and then, which is nothing to say. */
static bool load_pause(struct guard *g, struct tl_sv text, int64_t wall_ms)
{
    struct tl_sv until;
    int64_t at = 0;

    if (!tl_sv_cut(&text, '\t', &until) || !tl_sv_i64(until, &g->pause_ms) || (text.n && !tl_sv_i64(text, &at)))
        return false;
    if (at > wall_ms + SLACK_MS) {
        g->pause_ms -= at - wall_ms;
        g->pause_was_ahead = true;
    }
    g->not_before_ms = g->pause_ms;
    return true;
}

bool guard_was_ahead(struct guard *g)
{
    bool was = g->pause_was_ahead;

    g->pause_was_ahead = false;
    for (size_t i = 0; i < g->n; i++) {
        was = was || g->budgets[i].was_ahead;
        g->budgets[i].was_ahead = false;
    }
    return was;
}

static bool load_line(struct guard *g, struct tl_sv line, int cells, int64_t wall_ms)
{
    struct tl_sv name, part;
    struct budget b = {.said = -1};
    int64_t kind;

    if (tl_sv_starts(line, TL_SV(PAUSE)))
        return load_pause(g, tl_sv_from(line, sizeof PAUSE - 1), wall_ms);
    if (!tl_sv_cut(&line, '\t', &name) || !tl_sv_cut(&line, '\t', &part) || !tl_sv_i64(part, &kind) ||
        !tl_sv_cut(&line, '\t', &part) || !tl_sv_i64(part, &b.cell_start) || !tl_sv_cut(&line, '\t', &part) ||
        !tl_sv_i64(part, &b.window_end))
        return false;
    for (int c = 0; c < cells; c++) {
        if (!tl_sv_cut(&line, '\t', &part) || !tl_sv_double(part, &b.cells[c]) || !isfinite(b.cells[c]) ||
            b.cells[c] < 0)
            return false;
    }
    for (size_t i = 0; i < g->n; i++) {
        struct guard_budget conf = g->budgets[i].conf;

        if (tl_sv_eqs(name, conf.name) && (int64_t)conf.kind == kind) {
            g->budgets[i] = b;
            guard__budget_set(&g->budgets[i], &conf);
        }
    }
    return true;
}

enum tl_rc guard_load(struct guard *g, struct tl_sv saved, int64_t wall_ms, struct tl_err *err)
{
    struct tl_sv line;
    int cells;

    if (!tl_sv_cut(&saved, '\n', &line) || !(tl_sv_eqs(line, "guard1") || tl_sv_eqs(line, "guard2")))
        return tl_fail(err, TL_PARSE, "the saved quota of this connection is not in a form this version reads");
    cells = tl_sv_eqs(line, "guard1") ? CELLS : KEPT;
    while (tl_sv_cut(&saved, '\n', &line)) {
        if (line.n && !load_line(g, line, cells, wall_ms))
            return tl_fail(err, TL_PARSE, "a line of the saved quota of this connection is damaged");
    }
    for (size_t i = 0; i < g->n; i++)
        guard__budget_roll(&g->budgets[i], wall_ms);
    return TL_OK;
}
