/* SPDX-License-Identifier: Apache-2.0 */
/* Holding flows and connections: kept on disk, so that a restart forgets none; nothing is written per event. */
#include "queue/queue_int.h"

#define TRY_FIRST_MS 60000u
#define TRY_LAST_MS 900000u
#define ELSEWHERE_TEXT "it leads to another account or host than what is queued was meant for"

static void rings_of_flow(struct queue *q, struct flow *f)
{
    for (struct target *t = f->targets; t; t = t->next_of_flow)
        queue__ring_update(q, t);
}

/* What a person did not ask for is tried again by itself, less and less often. */
static uint64_t next_try(struct queue *q, uint64_t *step_ms)
{
    *step_ms = *step_ms == 0 ? TRY_FIRST_MS : *step_ms * 2 < TRY_LAST_MS ? *step_ms * 2 : TRY_LAST_MS;
    return queue__now(q) + *step_ms * NS_PER_MS;
}

void queue__hold_flow(struct queue *q, struct flow *f, enum queue_held why, uint64_t fp, const char *text)
{
    bool news = f->held != why;

    f->held = why;
    f->held_fp = fp;
    (void)snprintf(f->held_text, sizeof(f->held_text), "%s", text);
    f->try_ns = why == QUEUE_HELD_FLOW_CONFIG ? next_try(q, &f->try_step_ms) : 0;
    f->save = true;
    rings_of_flow(q, f);
    if (news) {
        f->held_at = queue__wall(q);
        queue__notice(q, queue_held_name(why), f, NULL, text);
    }
}

void queue__hold_conn_auth(struct queue *q, struct conn *c, const char *text, uint32_t retry_after_ms)
{
    /* Who did not even ask, because the credentials are paused, knows less than who was refused. */
    bool known = c->held == QUEUE_HELD_CONNECTION_AUTH && retry_after_ms > 0;

    queue__hold_conn(q, c, QUEUE_HELD_CONNECTION_AUTH, known ? c->held_text : text);
    if (!c->internal && retry_after_ms > 0) /* whoever guards the credentials knows when the next probe may be */
        c->try_ns = queue__now(q) + retry_after_ms * NS_PER_MS;
}

void queue__hold_identity(struct queue *q, struct conn *c, bool elsewhere)
{
    bool news = elsewhere && !c->elsewhere;

    c->elsewhere = elsewhere;
    if (c->held == QUEUE_HELD_CONNECTION_PAUSED) {
        if (news)
            queue__notice(q, queue_held_name(QUEUE_HELD_IDENTITY), NULL, c, ELSEWHERE_TEXT);
    } else if (elsewhere) {
        queue__hold_conn(q, c, QUEUE_HELD_IDENTITY, ELSEWHERE_TEXT);
    } else if (c->held == QUEUE_HELD_IDENTITY) {
        queue__free_conn(q, c);
    }
}

void queue__hold_conn(struct queue *q, struct conn *c, enum queue_held why, const char *text)
{
    bool news = c->held != why;

    if (c->internal)
        return;
    c->held = why;
    if (text != c->held_text)
        (void)snprintf(c->held_text, sizeof(c->held_text), "%s", text);
    c->try_ns = why == QUEUE_HELD_CONNECTION_AUTH ? next_try(q, &c->try_step_ms) : 0;
    c->trying = false;
    c->save = true;
    if (news) {
        c->held_at = queue__wall(q);
        queue__notice(q, queue_held_name(why), NULL, c, text);
    }
}

void queue__free_flow(struct queue *q, struct flow *f)
{
    if (f->held == QUEUE_HELD_NONE)
        return;
    f->held = QUEUE_HELD_NONE;
    f->held_text[0] = '\0';
    f->held_fp = 0;
    f->try_ns = 0;
    for (struct target *t = f->targets; t; t = t->next_of_flow)
        t->ends.row_n = t->ends.n = t->ends.at = 0;
    f->save = true;
    rings_of_flow(q, f);
    queue__notice(q, "flow_resumed", f, NULL, "what waited for it goes on");
}

void queue__free_conn(struct queue *q, struct conn *c)
{
    if (c->held == QUEUE_HELD_NONE)
        return;
    if (c->held == QUEUE_HELD_CONNECTION_PAUSED && c->elsewhere) { /* whoever lifts a pause has not agreed to that */
        queue__hold_conn(q, c, QUEUE_HELD_IDENTITY, ELSEWHERE_TEXT);
        return;
    }
    if (c->held == QUEUE_HELD_IDENTITY)
        c->identity = c->identity_new;
    c->elsewhere = false;
    c->held = QUEUE_HELD_NONE;
    c->held_text[0] = '\0';
    c->try_ns = 0;
    c->trying = false;
    c->wake_ns = 0;
    c->save = true;
    queue__notice(q, "connection_resumed", NULL, c, "calls start again");
}

bool queue__accept_targets(struct queue *q, struct flow *f)
{
    bool any = false;

    for (struct target *t = f->targets; t; t = t->next_of_flow) {
        if (!t->elsewhere || t->removed)
            continue;
        any = true;
        t->elsewhere = false;
        t->meant = t->conn->id;
        t->identity = 0;
        t->save = true;
        queue__ring_update(q, t);
    }
    if (any)
        queue__notice(q, "flow_resumed", f, NULL, "what waited for it goes on");
    return any;
}

/* DESIGN 1.6: 20 dead in a row, or half of the last 200, with one fingerprint. */
/* Each target for itself, and the steps too: what goes well elsewhere says nothing about this one. */
void queue__trip_note(struct queue *q, struct target *t, uint64_t fp, const char *text)
{
    struct flow *f = t->flow;
    uint32_t same = 0;
    char why[200];

    t->ends.row_n = fp != 0 && fp == t->ends.row_fp ? t->ends.row_n + 1 : fp != 0;
    t->ends.row_fp = fp;
    t->ends.fp[t->ends.at] = fp;
    t->ends.at = (t->ends.at + 1) % f->trip_of;
    if (t->ends.n < f->trip_of)
        t->ends.n++;
    if (fp == 0) {
        if (!t->expand)
            f->try_step_ms = 0;
        return;
    }
    for (uint32_t i = 0; i < t->ends.n; i++)
        same += t->ends.fp[i] == fp;
    if (f->held != QUEUE_HELD_NONE || (t->ends.row_n < f->trip_row && same * 2 < f->trip_of))
        return;
    (void)snprintf(why, sizeof(why), "%u deliveries died alike: %s", same, text);
    queue__hold_flow(q, f, QUEUE_HELD_FLOW_TRIPPED, fp, why);
}

void queue__door_note(struct queue *q, struct flow *f, uint64_t fp, const char *text)
{
    size_t last = TL_COUNT(f->door) - 1, i = 0;
    uint64_t n, round = 1;
    char why[300];

    while (i < last && f->door[i].fp != fp)
        i++;
    n = f->door[i].fp == fp ? f->door[i].n + 1 : 1;
    memmove(&f->door[1], &f->door[0], i * sizeof(f->door[0])); /* the oldest cause is forgotten */
    f->door[0].fp = fp;
    f->door[0].n = n;
    while (round < n)
        round *= 10;
    if (round != n)
        return;
    if (n == 1)
        (void)snprintf(why, sizeof(why), "a body was dead when it came: %.200s", text);
    else
        (void)snprintf(why, sizeof(why), "%llu bodies were dead when they came: %.200s", (unsigned long long)n, text);
    queue__notice(q, "dead_at_the_door", f, NULL, why);
}

enum tl_rc queue__save_holds(struct queue *q)
{
    for (size_t i = 1; i <= q->n_flows; i++) {
        struct flow *f = q->flows[i];

        if (f && f->save)
            (void)RUN(q, FLOW_SET, store_int(f->id), store_int(queue__is_gone(q, f->removed, f->gone)),
                      store_int(f->block), store_int(f->held),
                      queue__seal(q, PLACE(FLOW, .id = f->id), store_text(tl_sv_str(f->held_text))),
                      store_int(f->held_at), store_u64(f->held_fp));
    }
    for (size_t i = 1; i <= q->n_conns; i++) {
        struct conn *c = q->conns[i];

        if (c && c->save)
            (void)RUN(q, CONN_SET, store_int(c->id), store_u64(c->identity),
                      store_int(queue__is_gone(q, c->removed, c->gone)), store_int(c->held),
                      queue__seal(q, PLACE(CONNECTION, .id = c->id), store_text(tl_sv_str(c->held_text))),
                      store_int(c->held_at));
    }
    for (size_t i = 1; i <= q->n_targets; i++) {
        struct target *t = q->targets[i];

        if (t && t->save)
            (void)RUN(q, TARGET_SET, store_int(t->id), store_int(t->meant), store_u64(t->identity));
    }
    return q->txn_rc;
}

void queue__holds_saved(struct queue *q)
{
    for (size_t i = 1; i <= q->n_flows; i++)
        if (q->flows[i])
            q->flows[i]->save = false;
    for (size_t i = 1; i <= q->n_conns; i++)
        if (q->conns[i])
            q->conns[i]->save = false;
    for (size_t i = 1; i <= q->n_targets; i++)
        if (q->targets[i])
            q->targets[i]->save = false;
}

bool queue__holds_waiting(const struct queue *q)
{
    for (size_t i = 1; i <= q->n_flows; i++)
        if (q->flows[i] && q->flows[i]->save)
            return true;
    for (size_t i = 1; i <= q->n_conns; i++)
        if (q->conns[i] && q->conns[i]->save)
            return true;
    for (size_t i = 1; i <= q->n_targets; i++)
        if (q->targets[i] && q->targets[i]->save)
            return true;
    return false;
}

/* A connection lets one delivery through, a flow is let go: if the fault is still there the next failure holds it
 * again. */
void queue__try_held(struct queue *q)
{
    uint64_t now = queue__now(q);

    for (size_t i = 1; i <= q->n_conns; i++) {
        struct conn *c = q->conns[i];

        if (!c || !c->try_ns || c->try_ns > now)
            continue;
        c->trying = true;
        c->wake_ns = 0;
        c->try_ns = next_try(q, &c->try_step_ms);
    }
    for (size_t i = 1; i <= q->n_flows; i++) {
        struct flow *f = q->flows[i];

        if (f && f->try_ns && f->try_ns <= now)
            queue__free_flow(q, f);
    }
}
