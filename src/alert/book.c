/* SPDX-License-Identifier: Apache-2.0 */
/* book.c - the life of an alert: pending, firing, over; folded into what explains it; acknowledged, silenced. */
#include "alert/alert_int.h"

#include <math.h>
#include <stdio.h>

enum { FOLD_MOST_MS = 3600000 };

struct alert_book *alert_book_new(void)
{
    struct alert_book *b = tl_zalloc(sizeof *b);

    (void)pthread_mutex_init(&b->lock, NULL);
    for (size_t i = 0; i < TL_COUNT(b->past); i++)
        b->past[i] = tl_map_new();
    return b;
}

static void list_free(struct alert *a)
{
    for (struct alert *next; a; a = next) {
        next = a->next;
        tl_free(a);
    }
}

void alert_book_free(struct alert_book *b)
{
    if (!b)
        return;
    list_free(b->open);
    list_free(b->over);
    alert__past_free(b);
    (void)pthread_mutex_destroy(&b->lock);
    tl_free(b);
}

struct alert *alert__find(const struct alert_book *b, uint64_t id)
{
    struct alert *lists[] = {b->open, b->over};

    for (size_t i = 0; i < TL_COUNT(lists); i++) {
        for (struct alert *a = lists[i]; a; a = a->next) {
            if (a->id == id)
                return a;
        }
    }
    return NULL;
}

const struct alert_flow *alert__flow(const struct alert_snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->n_flows; i++) {
        if (strcmp(s->flows[i].name, name) == 0)
            return &s->flows[i];
    }
    return NULL;
}

bool alert__uses(const struct alert_flow *f, const char *connection)
{
    for (size_t i = 0; i < f->n_connections; i++) {
        if (strcmp(f->connections[i], connection) == 0)
            return true;
    }
    return false;
}

/* ---- what was found ---- */
static bool excepted(const struct alert_rule_conf *c, const char *subject)
{
    for (size_t i = 0; i < c->except.n; i++) {
        if (strcmp(*CONFIG_AT(c->except, const char *, i), subject) == 0)
            return true;
    }
    return false;
}

static bool is(const struct alert *a, enum alert_rule_id rule, const char *subject, const char *detail)
{
    return a->rule == rule && strcmp(a->subject, subject) == 0 && strcmp(a->detail, detail) == 0;
}

/* Grows with time, so that newer alerts sort later; never given twice. */
static uint64_t new_id(struct alert_book *b)
{
    uint64_t id = (uint64_t)b->s->wall_ms << 16 | (tl_random_u64() & 0xffff);

    if (id <= b->last_id)
        id = b->last_id + 1;
    b->last_id = id;
    return id;
}

static void put_text(char *to, size_t size, const char *text)
{
    struct tl_sv kept = tl_utf8_cut(tl_sv_str(text ? text : ""), size - 1);

    memcpy(to, kept.p, kept.n);
    to[kept.n] = '\0';
}
#define PUT(to, text) put_text((to), sizeof(to), (text))

static void touches(struct alert *a, const char *flow)
{
    if (a->n_flows == ALERT_FLOWS_MAX)
        return;
    PUT(a->flows[a->n_flows], flow);
    a->n_flows++;
}

/* Who sees to it, and what waits: for a flow its own, for a connection what its flows have. */
static void surroundings(struct alert_book *b, struct alert *a, const struct alert_finding *f)
{
    const struct alert_rule_conf *c = &b->conf->rules.of[a->rule];
    const struct alert_flow *owner = f->flow;

    a->n_flows = 0;
    if (f->flow)
        touches(a, f->flow->name);
    a->held = f->flow ? f->flow->waiting : 0;
    a->drain_ms = f->connection ? f->connection->drain_ms : UINT64_MAX;
    PUT(a->drain_reason, f->connection ? f->connection->drain_reason : "");
    for (size_t i = 0; f->connection && i < b->s->n_flows; i++) {
        const struct alert_flow *fl = &b->s->flows[i];

        if (!alert__uses(fl, f->connection->name))
            continue;
        touches(a, fl->name);
        a->held += fl->waiting;
        if (!owner || (!owner->owner && fl->owner))
            owner = fl;
    }
    for (size_t i = 0; f->flow && i < b->s->n_connections; i++) { /* the slowest of its connections */
        const struct alert_connection *k = &b->s->connections[i];

        if (k->drain_ms != UINT64_MAX && alert__uses(f->flow, k->name) &&
            (a->drain_ms == UINT64_MAX || k->drain_ms > a->drain_ms)) {
            a->drain_ms = k->drain_ms;
            PUT(a->drain_reason, k->drain_reason);
        }
    }
    PUT(a->owner, c->owner ? c->owner : owner ? owner->owner : "");
    PUT(a->runbook, c->runbook ? c->runbook : owner ? owner->runbook : "");
}

void alert__found(struct alert_book *b, const struct alert_finding *f)
{
    const struct alert_rule_conf *c = &b->conf->rules.of[f->rule];
    const char *detail = f->detail ? f->detail : "";
    struct alert *a = b->open;

    if (c->off || b->conf->off || excepted(c, f->subject))
        return;
    while (a && !is(a, f->rule, f->subject, detail))
        a = a->next;
    if (!a && b->n_open >= ALERT_OPEN_MAX)
        return;
    if (!a) {
        a = tl_zalloc(sizeof *a);
        a->id = new_id(b);
        a->rule = f->rule;
        a->kind = f->flow ? ALERT_FLOW : f->connection ? ALERT_CONNECTION : ALERT_SERVER;
        PUT(a->subject, f->subject);
        PUT(a->detail, detail);
        a->since_ms = b->s->wall_ms;
        a->began_mono = b->s->mono_ms;
        a->next = b->open;
        b->open = a;
        b->n_open++;
    }
    a->last_mono = b->s->mono_ms;
    a->patience_ms = (uint64_t)b->conf->resolve_after_ms;
    a->severity = (enum alert_severity)c->severity;
    a->value = f->value;
    a->threshold = f->threshold;
    PUT(a->summary, f->summary);
    PUT(a->cause, f->cause);
    surroundings(b, a, f);
}

/* ---- from state to state ---- */
static void over(struct alert_book *b, struct alert *a)
{
    struct alert **last = &b->over;
    size_t n = 0;

    a->state = ALERT_OVER;
    a->over_ms = b->s->wall_ms;
    a->because = 0;
    a->next = b->over;
    b->over = a;
    b->n_over++;
    b->changed = true;
    for (; *last && n < ALERT_KEPT_MAX; n++)
        last = &(*last)->next;
    if (*last) {
        list_free(*last);
        *last = NULL;
        b->n_over = n;
    }
}

static void advance(struct alert_book *b)
{
    uint64_t now = b->s->mono_ms;
    struct alert **at = &b->open;

    while (*at) {
        struct alert *a = *at;
        bool holds = a->last_mono == now;

        if (holds && a->state == ALERT_PENDING && now - a->began_mono >= (uint64_t)b->conf->rules.of[a->rule].hold_ms) {
            a->state = ALERT_FIRING;
            a->fired_ms = b->s->wall_ms;
            b->changed = true;
        }
        if (holds || (a->state == ALERT_FIRING && now - a->last_mono < a->patience_ms)) {
            at = &a->next;
            continue;
        }
        *at = a->next;
        b->n_open--;
        if (a->state == ALERT_FIRING)
            over(b, a);
        else
            tl_free(a);
    }
}

/* ---- folding ---- */
/* Does `cause` explain `a`? What holds a connection makes its flows late, its calls fail; a held flow is late. */
static bool explains(const struct alert_book *b, const struct alert *cause, const struct alert *a)
{
    bool late = a->rule == ALERT_DELAY_HIGH || a->rule == ALERT_BACKLOG_OLD || a->rule == ALERT_RETRIES_HIGH,
         reads = a->rule == ALERT_SOURCE_FAILS, calls = a->rule == ALERT_CALLS_SLOW || a->rule == ALERT_CALLS_FAIL;
    const struct alert_flow *f;

    switch (cause->rule) {
    case ALERT_CONNECTION_AUTH:
    case ALERT_CONNECTION_IDENTITY:
        if (a->rule == ALERT_BREAKER_OPEN)
            return strcmp(a->subject, cause->subject) == 0;
        break;
    case ALERT_BREAKER_OPEN:
        break;
    case ALERT_QUOTA_NEARLY_USED:
        if (cause->value < 0.995) /* a last block may stay unused */
            return false;
        break;
    case ALERT_FLOW_HELD:
        return late && strcmp(a->subject, cause->subject) == 0;
    case ALERT_CALLS_SLOW:
    case ALERT_CALLS_FAIL:
    case ALERT_CREDENTIAL_EXPIRES:
    case ALERT_DEAD_LETTERS_GROW:
    case ALERT_DELAY_HIGH:
    case ALERT_BACKLOG_OLD:
    case ALERT_SOURCE_FAILS:
    case ALERT_RETRIES_HIGH:
    case ALERT_ERROR_BUDGET_SPENT:
    case ALERT_REQUESTS_REFUSED:
    case ALERT_DISK_FILLING:
    case ALERT_INTAKE_STOPPED:
    case ALERT_RULES:
        return false;
    }
    if (calls)
        return strcmp(a->subject, cause->subject) == 0;
    f = late || reads ? alert__flow(b->s, a->subject) : NULL;
    return f && alert__uses(f, cause->subject);
}

static uint64_t grace(const struct alert_book *b, const struct alert *a)
{
    uint64_t drain = a->drain_ms < FOLD_MOST_MS / 2 ? 2 * a->drain_ms : FOLD_MOST_MS;

    return drain + (uint64_t)b->conf->rules.of[a->rule].hold_ms;
}

/* One that fires, else one that is pending. */
static const struct alert *cause_of(const struct alert_book *b, const struct alert *a)
{
    const struct alert *pending = NULL;

    for (const struct alert *cause = b->open; cause; cause = cause->next) {
        if (!explains(b, cause, a))
            continue;
        if (cause->state == ALERT_FIRING)
            return cause;
        pending = cause;
    }
    return pending;
}

/*
 * What is pending explains only for as long as it has to hold before it fires, once in the life of `a`: a breaker that
 * opens and closes again and again never fires, and would keep everybody from hearing of what it does.
 */
static bool suspected(const struct alert_book *b, const struct alert *cause, struct alert *a)
{
    uint64_t now = b->s->mono_ms;

    if (!a->suspect_until_mono)
        a->suspect_until_mono = now + (uint64_t)b->conf->rules.of[cause->rule].hold_ms;
    return now < a->suspect_until_mono;
}

static void fold(struct alert_book *b)
{
    uint64_t now = b->s->mono_ms;

    for (struct alert *a = b->open; a; a = a->next) {
        const struct alert *cause = cause_of(b, a);
        bool fires = cause && cause->state == ALERT_FIRING;

        if (fires || (cause && !(a->because && a->because_fired) && suspected(b, cause, a))) {
            a->because = cause->id;
            a->because_fired = fires;
            a->fold_until_mono = 0;
        } else if (a->because && !a->because_fired) {
            a->because = 0;
        } else if (a->because && !a->fold_until_mono) { /* the backlog that it left has yet to drain */
            a->fold_until_mono = now + grace(b, a);
        } else if (a->because && now >= a->fold_until_mono) {
            a->because = 0;
        }
    }
}

/* ---- silences ---- */
const struct alert_silence *alert__silence_of(const struct alert_book *b, const struct alert *a)
{
    for (size_t i = 0; i < b->n_silences; i++) {
        if (is(a, b->silences[i].rule, b->silences[i].subject, b->silences[i].detail))
            return &b->silences[i];
    }
    return NULL;
}

static void drop_silence(struct alert_book *b, size_t i)
{
    b->silences[i] = b->silences[--b->n_silences];
    b->changed = true;
}

static void end_silences(struct alert_book *b)
{
    for (size_t i = 0; i < b->n_silences;) {
        if (b->silences[i].until_ms <= b->s->wall_ms)
            drop_silence(b, i);
        else
            i++;
    }
}

static void person(struct alert_person *p, struct tl_sv by, struct tl_sv reason, int64_t at_ms)
{
    char text[256];

    p->at_ms = at_ms;
    (void)snprintf(text, sizeof text, "%.*s", TL_SV_ARG(by));
    PUT(p->by, text);
    (void)snprintf(text, sizeof text, "%.*s", TL_SV_ARG(reason));
    PUT(p->reason, text);
}

enum tl_rc alert_silence(struct alert_book *b, uint64_t id, struct tl_sv by, struct tl_sv reason, int64_t until_ms,
                         struct tl_err *err)
{
    TL_CLEANUP(alert__unlockp) TL_UNUSED struct alert_book *held = alert__lock(b);
    const struct alert *a = alert__find(b, id);
    const struct alert_silence *old;
    struct alert_silence *s;

    if (!a)
        return tl_fail(err, TL_NOT_FOUND, "there is no such alert");
    old = alert__silence_of(b, a);
    if (old)
        drop_silence(b, (size_t)(old - b->silences));
    if (!until_ms)
        return TL_OK;
    if (b->n_silences == ALERT_SILENCES_MAX)
        return tl_fail(err, TL_LIMIT, "there are %d silences already; end one of them", ALERT_SILENCES_MAX);
    s = &b->silences[b->n_silences++];
    *s = (struct alert_silence){.rule = a->rule, .until_ms = until_ms};
    PUT(s->subject, a->subject);
    PUT(s->detail, a->detail);
    person(&s->who, by, reason, until_ms);
    b->changed = true;
    return TL_OK;
}

enum tl_rc alert_acknowledge(struct alert_book *b, uint64_t id, struct tl_sv by, struct tl_sv reason, int64_t wall_ms,
                             struct tl_err *err)
{
    TL_CLEANUP(alert__unlockp) TL_UNUSED struct alert_book *held = alert__lock(b);
    struct alert *a = alert__find(b, id);

    if (!a)
        return tl_fail(err, TL_NOT_FOUND, "there is no such alert");
    if (a->state == ALERT_OVER)
        return tl_fail(err, TL_CONFLICT, "the alert is over already");
    person(&a->acknowledged, by, reason, wall_ms);
    b->changed = true;
    return TL_OK;
}

/* ---- one look ---- */
void alert_look(struct alert_book *b, const struct alert_conf *conf, const struct alert_snapshot *s,
                struct tl_arena *arena, struct alert_notice **ret, size_t *ret_n)
{
    TL_CLEANUP(alert__unlockp) TL_UNUSED struct alert_book *held = alert__lock(b);

    b->conf = conf;
    b->s = s;
    PUT(b->console, conf->console);
    for (size_t n = strlen(b->console); n > 0 && b->console[n - 1] == '/'; n--)
        b->console[n - 1] = '\0';
    alert__watch(b);
    advance(b);
    fold(b);
    end_silences(b);
    alert__notices(b, arena, ret, ret_n);
    b->conf = NULL;
    b->s = NULL;
}

bool alert_changed(const struct alert_book *b)
{
    TL_CLEANUP(alert__unlockp) TL_UNUSED struct alert_book *held = alert__lock(b);

    return b->changed;
}
