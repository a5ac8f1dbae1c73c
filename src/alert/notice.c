/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notice.c - who is told what. Alerts of one rule that are due for one receiver in the same look are one group: one
 * notice when they begin, one when the last of them is over. What is due stays due until it was told.
 */
#include "alert/alert_int.h"

#include <stdio.h>

struct post { /* one look's work */
    struct alert_book *b;
    struct tl_arena *arena;
    struct alert_notice *list;
    size_t n, cap;
};

static struct alert_told *told_of(struct alert *a, const char *receiver)
{
    for (size_t i = 0; i < a->n_told; i++) {
        if (strcmp(a->told[i].receiver, receiver) == 0)
            return &a->told[i];
    }
    return NULL;
}

/* A receiver is not told of what keeps it from being told. */
static bool about_itself(const struct alert_book *b, const struct alert *a, int receiver)
{
    for (size_t i = 0; i < b->s->n_flows; i++) {
        const struct alert_flow *f = &b->s->flows[i];

        if (f->receiver != receiver)
            continue;
        if (a->kind == ALERT_FLOW ? strcmp(f->name, a->subject) == 0
                                  : a->kind == ALERT_CONNECTION && alert__uses(f, a->subject))
            return true;
    }
    return false;
}

static void due_for(struct alert_book *b, struct alert *a, const char *name)
{
    int receiver = alert__receiver(b->conf, name);
    uint64_t group = a->id;

    if (receiver < 0 || about_itself(b, a, receiver) || told_of(a, name) || a->n_told == ALERT_TOLD_MAX)
        return;
    for (const struct alert *o = b->open; o; o = o->next) { /* the group that others joined in this look */
        for (size_t i = 0; i < o->n_told; i++) {
            if (o->rule == a->rule && o->told[i].fresh && strcmp(o->told[i].receiver, name) == 0)
                group = o->told[i].group;
        }
    }
    a->told[a->n_told] = (struct alert_told){.group = group, .fresh = true};
    (void)snprintf(a->told[a->n_told++].receiver, sizeof a->told->receiver, "%s", name);
    b->changed = true;
}

static void all_due(struct alert_book *b, struct alert *a, const struct config_list *names)
{
    for (size_t i = 0; i < names->n; i++)
        due_for(b, a, CONFIG_AT(*names, struct config_text, i)->text);
}

/* The rule's receivers, else the flow's own for its dead letters, and the usual ones. */
static void find_due(struct alert_book *b)
{
    for (struct alert *a = b->open; a; a = a->next) {
        const struct alert_rule_conf *c = &b->conf->rules.of[a->rule];
        const struct alert_flow *f = a->kind == ALERT_FLOW ? alert__flow(b->s, a->subject) : NULL;

        if (a->state != ALERT_FIRING || a->because || alert__silence_of(b, a))
            continue;
        if (c->notify.n) {
            all_due(b, a, &c->notify);
            continue;
        }
        if (f && f->notify && (a->rule == ALERT_DEAD_LETTERS_GROW || a->rule == ALERT_FLOW_HELD))
            due_for(b, a, f->notify);
        all_due(b, a, &b->conf->notify);
        if (a->severity == ALERT_PAGE)
            all_due(b, a, &b->conf->page);
    }
}

/* ---- the notices ---- */
struct group {
    const struct alert **alerts; /* the first of them gives the words */
    size_t n, n_over;
    bool begun, ended; /* told already */
};

static struct group members(const struct post *p, const char *receiver, uint64_t id)
{
    struct alert *lists[] = {p->b->open, p->b->over};
    struct group g = {.alerts = tl_arena_must(p->arena, (p->b->n_open + p->b->n_over + 1) * sizeof(struct alert *)),
                      .ended = true};

    for (size_t l = 0; l < TL_COUNT(lists); l++) {
        for (struct alert *a = lists[l]; a; a = a->next) {
            const struct alert_told *t = told_of(a, receiver);

            if (!t || t->group != id)
                continue;
            g.alerts[g.n++] = a;
            g.n_over += a->state == ALERT_OVER;
            g.begun |= t->begun != 0;
            g.ended &= t->ended != 0;
        }
    }
    return g;
}

static const char *drain_text(uint64_t ms, char buf[32])
{
    if (ms == UINT64_MAX)
        return NULL;
    if (ms >= 10000)
        ms -= ms % 1000;
    return tl_duration_format((int64_t)ms, buf);
}

static struct tl_sv summary_of(const struct post *p, const struct group *g)
{
    const struct alert *a = g->alerts[0];

    if (g->n == 1)
        return tl_sv_str(a->summary);
    return tl_sv_str(tl_arena_printf(p->arena, "%s, and %zu more of this kind", a->summary, g->n - 1));
}

static struct json body_of(const struct post *p, const struct group *g, uint64_t id, bool resolved)
{
    const struct alert *a = g->alerts[0];
    struct json one = alert__json(p->b, a, p->arena);
    struct json_builder b, list;
    struct tl_arena *m = p->arena;
    char text[32], time[TL_TIME_TEXT], key[14];
    const char *drain = drain_text(a->drain_ms, text);

    json_object_begin(&b, m, 20);
    json_adds(&b, "type", json_str(resolved ? "tieline.alert.resolved" : "tieline.alert.firing"));
    json_adds(&b, "state", json_str(resolved ? "resolved" : "firing"));
    json_adds(&b, "key", json_str_copy(m, tl_sv_str(tl_id32_format(id, key))));
    json_adds(&b, "at", json_str_copy(m, tl_sv_str(tl_time_format(p->b->s->wall_ms, time))));
    for (size_t i = 0; i < 2; i++) {
        static const char *const same[] = {"rule", "severity"};

        json_adds(&b, same[i], json_gets(one, same[i]));
    }
    json_adds(&b, "summary", json_sv(summary_of(p, g)));
    for (size_t i = 0; i < 11; i++) {
        static const char *const same[] = {"kind", "subject", "cause",    "fix",          "owner", "runbook",
                                           "link", "held",    "drain_ms", "drain_reason", "since"};

        json_adds(&b, same[i], json_gets(one, same[i]));
    }
    json_adds(&b, "drain", drain ? json_str_copy(m, tl_sv_str(drain)) : json_null());
    json_array_begin(&list, m, g->n);
    for (size_t i = 0; i < g->n && i < ALERT_SHOWN_MAX; i++)
        json_push(&list, alert__json(p->b, g->alerts[i], m));
    json_adds(&b, "alerts", json_end(&list));
    json_adds(&b, "more", json_int((int64_t)(g->n > ALERT_SHOWN_MAX ? g->n - ALERT_SHOWN_MAX : 0)));
    return json_end(&b);
}

static void add(struct post *p, const char *receiver, uint64_t id, const struct group *g, bool resolved)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->list[i].group == id && p->list[i].resolved == resolved && strcmp(p->list[i].name, receiver) == 0)
            return;
    }
    if (p->n == p->cap) {
        p->list = tl_arena_grow(p->arena, p->list, p->cap * sizeof *p->list, (2 * p->cap + 8) * sizeof *p->list);
        p->cap = 2 * p->cap + 8;
    }
    p->list[p->n++] = (struct alert_notice){.receiver = alert__receiver(p->b->conf, receiver),
                                            .name = tl_arena_strdup(p->arena, receiver),
                                            .group = id,
                                            .resolved = resolved,
                                            .body = body_of(p, g, id, resolved)};
}

static void consider(struct post *p, const struct alert_told *t)
{
    struct group g;

    if (t->ended || alert__receiver(p->b->conf, t->receiver) < 0)
        return;
    g = members(p, t->receiver, t->group);
    if (!g.begun && g.n_over < g.n)
        add(p, t->receiver, t->group, &g, false);
    else if (g.begun && !g.ended && g.n_over == g.n)
        add(p, t->receiver, t->group, &g, true);
}

void alert__notices(struct alert_book *b, struct tl_arena *arena, struct alert_notice **ret, size_t *ret_n)
{
    struct post p = {.b = b, .arena = arena};
    struct alert *lists[] = {b->open, b->over};

    find_due(b);
    for (size_t l = 0; l < TL_COUNT(lists); l++) {
        for (struct alert *a = lists[l]; a; a = a->next) {
            for (size_t i = 0; i < a->n_told; i++) {
                a->told[i].fresh = false;
                consider(&p, &a->told[i]);
            }
        }
    }
    *ret = p.list;
    *ret_n = p.n;
}

void alert_told(struct alert_book *b, const struct alert_notice *n, uint64_t event)
{
    TL_CLEANUP(alert__unlockp) TL_UNUSED struct alert_book *held = alert__lock(b);
    struct alert *lists[] = {b->open, b->over};

    for (size_t l = 0; l < TL_COUNT(lists); l++) {
        for (struct alert *a = lists[l]; a; a = a->next) {
            struct alert_told *t = told_of(a, n->name);

            if (!t || t->group != n->group)
                continue;
            if (n->resolved)
                t->ended = event;
            else
                t->begun = event;
            b->changed = true;
        }
    }
}
