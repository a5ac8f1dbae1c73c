/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outcomes. What an outcome means is decided once, when its op is applied first; a transaction that has to be repeated
 * repeats the same decision. Memory (lanes, permits) changes in settle.
 */
#include "queue/queue_int.h"

#define TEXT_MAX 400u
#define ANSWER_MAX 4096u
#define TICKET_MAX QUEUE_TICKET_MAX
#define UNKNOWN_MAX 3
#define UNKNOWN_SOME                                                                                                   \
    0x80 /* in row.unknown: an attempt that ended by itself may have been carried out; below: crashes in a row */
#define UNKNOWN_TEXT "the process ended three times in a row while this was being delivered"

/* ---- from the runner's thread ---- */
static struct tl_sv clip(struct tl_sv s, size_t max)
{
    return tl_sv(s.p, s.n < max ? s.n : max);
}

static size_t outcome_bytes(const struct queue_outcome *o)
{
    size_t n = o->text.n + o->answer.n + o->asked.n + o->pairs.n + o->n_xrefs * sizeof(struct queue_xref);

    for (size_t i = 0; i < o->n_xrefs; i++)
        n += o->xrefs[i].model.n + o->xrefs[i].connection_a.n + o->xrefs[i].id_a.n + o->xrefs[i].connection_b.n +
             o->xrefs[i].id_b.n + o->xrefs[i].mark.n;
    return n;
}

static void copy_sv(struct tl_sv *s, char **at)
{
    if (s->n)
        memcpy(*at, s->p, s->n);
    if (s->p)
        s->p = *at;
    *at += s->n;
}

static void copy_xrefs(struct queue_outcome *o, struct queue_xref *to, char **at)
{
    for (size_t i = 0; i < o->n_xrefs; i++) {
        to[i] = o->xrefs[i];
        copy_sv(&to[i].model, at);
        copy_sv(&to[i].connection_a, at);
        copy_sv(&to[i].id_a, at);
        copy_sv(&to[i].connection_b, at);
        copy_sv(&to[i].id_b, at);
        copy_sv(&to[i].mark, at);
    }
    o->xrefs = to;
}

/* Everything the views point to goes away with the runner's arena. xrefs first: they need alignment. */
static void copy_outcomes(struct work *w)
{
    size_t n = 0, xrefs = w->pub.outcome.n_xrefs, k = 0;
    struct queue_xref *x;
    char *at;

    w->pub.ret_ticket = clip(w->pub.ret_ticket, TICKET_MAX);
    w->pub.outcome.text = clip(w->pub.outcome.text, TEXT_MAX);
    n = outcome_bytes(&w->pub.outcome) + w->pub.ret_ticket.n + w->pub.trace.n + w->pub.request_id.n;
    for (size_t i = 0; i < w->pub.n; i++) {
        struct queue_outcome *o = &w->pub.claims[i].outcome;

        o->text = clip(o->text, TEXT_MAX);
        o->answer = clip(o->answer, ANSWER_MAX);
        if (o->asked.n > ANSWER_MAX)
            o->asked = TL_SV_NULL;
        if (o->pairs.n > ANSWER_MAX)
            o->pairs = TL_SV_NULL;
        n += outcome_bytes(o);
        xrefs += o->n_xrefs;
    }
    if (w->pub.feedback)
        w->feedback = *w->pub.feedback;
    w->pub.feedback = w->pub.feedback ? &w->feedback : NULL;
    if (n == 0)
        return;
    w->copy = tl_alloc(n);
    x = (struct queue_xref *)(void *)w->copy;
    at = w->copy + xrefs * sizeof(*x);
    for (size_t i = 0; i <= w->pub.n; i++) {
        struct queue_outcome *o = i < w->pub.n ? &w->pub.claims[i].outcome : &w->pub.outcome;

        copy_xrefs(o, x + k, &at);
        k += o->n_xrefs;
        copy_sv(&o->text, &at);
        copy_sv(&o->answer, &at);
        copy_sv(&o->asked, &at);
        copy_sv(&o->pairs, &at);
    }
    copy_sv(&w->pub.ret_ticket, &at);
    copy_sv(&w->pub.trace, &at);
    copy_sv(&w->pub.request_id, &at);
}

/* ---- fingerprints ---- */
static bool in_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

/* What is quoted, and words with a digit in them (numbers, ids, UUIDs), differ from record to record. */
uint64_t queue__fingerprint(enum tl_class cls, uint32_t status, enum tl_rc rc, struct tl_sv text)
{
    char out[TEXT_MAX];
    size_t n = 0, word = 0; /* where the present word begins in out */
    char quote = 0;
    bool digit = false;

    for (size_t i = 0; i < text.n && n < sizeof(out); i++) {
        char c = text.p[i];

        if (quote) {
            quote = c == quote ? 0 : quote;
        } else if (in_word(c)) {
            digit = digit || (c >= '0' && c <= '9');
            out[n++] = c;
            continue;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else {
            n = digit ? word : n;
            out[n++] = c;
            word = n;
            digit = false;
            continue;
        }
        n = digit ? word : n;
        word = n;
        digit = false;
    }
    n = digit ? word : n;
    n = tl_hash64(out, n, ((uint64_t)cls << 48) | ((uint64_t)rc << 32) | status);
    return n ? n : 1;
}

/* ---- deciding ---- */
static enum tl_class class_of(const struct queue_outcome *o)
{
    if (o->cls != TL_CLASS_NONE)
        return o->cls;
    return tl_rc_class(o->rc) == TL_CLASS_NONE ? TL_CLASS_TRANSIENT : tl_rc_class(o->rc);
}

static void die(struct member *m, const struct queue_outcome *o, enum tl_class cls)
{
    m->verdict = V_DEAD;
    m->cls = cls;
    m->fp = o->fingerprint ? o->fingerprint : queue__fingerprint(cls, o->status, o->rc, o->text);
    m->row.state = QUEUE_DEAD;
}

/* Nobody was reached, or only a gateway that says so. Any other 5xx may well be this record's own fault. */
static bool nobody_there(const struct queue_outcome *o)
{
    return o->rc == TL_UNREACHABLE || o->rc == TL_TIMEOUT || queue__is_gateway(o->status);
}

/* The last attempt is gone and nobody took it, nor anything else since its first, or since it was last refused: it is
 * the target that is down, and that the breaker waits for. */
static bool target_is_down(struct queue *q, struct work *w, const struct member *m, const struct queue_outcome *o)
{
    const struct guard_retry *r = &w->target->retry;

    if (!nobody_there(o) || o->connection || w->conn->internal)
        return false;
    if (r->max_age_ms > 0 && m->row.age >= r->max_age_ms)
        return false;
    return !queue__went_since(q, w->target, &m->row) && guard_breaker_trip(w->conn->guard, queue__now(q), m->row.used);
}

/* The same of a system that a step asks (`on_unavailable: hold`): while nobody gets an answer it is waited for, by the
 * breaker, which has counted this failure already, with the end of its permit. One that cannot be reached is waited for
 * in any case, with the pause before the last attempt. A 5xx, or a time-out, while it answers others is this record's
 * own fault. */
static bool step_waits(struct queue *q, struct work *w, struct member *m, const struct queue_outcome *o,
                       int64_t *ret_ms)
{
    const struct guard_retry *r = &w->target->retry;
    struct conn *c = o->connection ? queue__conn(q, o->connection) : NULL;
    bool unreachable = o->rc == TL_UNREACHABLE;

    *ret_ms = 0;
    if (!c || (!unreachable && o->rc != TL_TIMEOUT && o->rc != TL_UPSTREAM) ||
        (r->max_age_ms > 0 && m->row.age >= r->max_age_ms))
        return false;
    if (guard_breaker_trip(c->guard, queue__now(q), m->row.used + 1))
        return true;
    if (!unreachable || !guard_retry_delay(r, m->row.used - 1, m->row.age, o->retry_after_ms, tl_random_unit(), ret_ms))
        return false;
    *ret_ms += *ret_ms == 0;
    return true;
}

/* A failure while the breaker is not closed, or of its probe, uses no attempt. */
static void fail_transient(struct queue *q, struct work *w, struct member *m, const struct queue_outcome *o)
{
    int64_t ms = 0;

    m->counted = o->connection ? w->step_counts : !w->pub.probe && queue__gate_closed(w->conn);
    if (!m->counted) {
        m->verdict = V_BACK;
        return;
    }
    m->row.used++;
    if (!guard_retry_delay(&w->target->retry, m->row.used, m->row.age, o->retry_after_ms, tl_random_unit(), &ms)) {
        bool waits = target_is_down(q, w, m, o) || step_waits(q, w, m, o, &ms);

        if (!waits) {
            die(m, o, TL_CLASS_TRANSIENT);
            return;
        }
        m->row.used--;
        m->counted = false;
        if (ms == 0) {
            m->verdict = V_BACK;
            return;
        }
    }
    m->row.age += ms;
    m->row.next_at = queue__wall(q) + ms;
    m->row.state = QUEUE_RETRYING;
    m->verdict = V_RETRY;
}

static void fail_rate(struct queue *q, struct member *m, const struct queue_outcome *o)
{
    m->row.next_at = queue__wall(q) + (o->retry_after_ms ? o->retry_after_ms : 1000);
    m->row.state = QUEUE_RETRYING;
    m->verdict = V_RETRY;
}

static void fail(struct queue *q, struct work *w, struct member *m, const struct queue_outcome *o)
{
    char text[TEXT_MAX + 1];

    m->cls = class_of(o);
    (void)snprintf(text, sizeof(text), "%.*s", TL_SV_ARG(o->text));
    switch (m->cls) {
    case TL_CLASS_RATE_LIMIT:
        fail_rate(q, m, o);
        break;
    case TL_CLASS_AUTH:
        m->verdict = V_BACK;
        if (o->connection) /* the end of its permit has paused that one */
            break;
        if (w->conn->held == QUEUE_HELD_NONE || w->conn->held == QUEUE_HELD_CONNECTION_AUTH)
            queue__hold_conn_auth(q, w->conn, text, o->retry_after_ms);
        if (w->conn->internal) /* no connection to pause */
            queue__hold_flow(q, w->target->flow, QUEUE_HELD_FLOW_CONFIG, 0, text);
        break;
    case TL_CLASS_CONFIG:
        m->verdict = V_BACK;
        if (w->target->flow->held == QUEUE_HELD_NONE || w->target->flow->held == QUEUE_HELD_FLOW_CONFIG)
            queue__hold_flow(q, w->target->flow, QUEUE_HELD_FLOW_CONFIG, 0, text);
        break;
    case TL_CLASS_DATA:
    case TL_CLASS_BUG:
        m->counted = true;
        m->row.used++;
        die(m, o, m->cls);
        queue__trip_note(q, w->target, m->fp, text);
        break;
    case TL_CLASS_NONE:
    case TL_CLASS_TRANSIENT:
    case TL_CLASS_COUNT:
    default:
        fail_transient(q, w, m, o);
        break;
    }
}

static void success(struct queue *q, struct work *w, struct member *m, enum queue_state state)
{
    m->verdict = V_FINAL;
    m->row.state = (uint8_t)state;
    m->row.live = 0;
    m->counted = true;
    m->row.used++;
    if (state == QUEUE_SKIPPED) /* nobody was asked: it says nothing of the target, the credentials or the settings */
        return;
    queue__trip_note(q, w->target, 0, "");
    w->target->took_ms = queue__wall(q);
    if (w->conn->held == QUEUE_HELD_CONNECTION_AUTH) {
        queue__free_conn(q, w->conn);
        w->conn->try_step_ms = 0;
    }
    if (w->target->flow->held == QUEUE_HELD_FLOW_CONFIG && !w->target->expand)
        queue__free_flow(q, w->target->flow);
}

/* A person has cancelled or moved this one, which was not the head of its lane. */
static bool ended_meanwhile(struct queue *q, const struct member *m)
{
    struct row now;

    return !queue__unit(q, m->row.id, &now) || now.live != 1 || now.lane != m->row.lane;
}

/* It may have been carried out, and that would do harm a second time. */
static bool is_unknown(const struct work *w, const struct queue_claim *c)
{
    bool sent = !w->pub.not_sent && w->pub.outcome.end != QUEUE_END_CANCELED;

    return c->outcome.rc == TL_UNKNOWN_OUTCOME ||
           (c->outcome.rc == TL_TIMEOUT && sent && !w->target->idempotent && !w->target->expand);
}

/* What was let through to see, and failed, may fail for ever, and what it waited for may stay away: what else waits is
 * tried before it comes again. */
static bool tried_in_vain(const struct work *w, const struct member *m, const struct queue_outcome *o)
{
    return m->verdict == V_BACK &&
           (o->end == QUEUE_END_WAITED || ((o->end == QUEUE_END_FAILED || o->end == QUEUE_END_NONE) &&
                                           (w->pub.probe || o->connection || m->cls != TL_CLASS_TRANSIENT)));
}

static void decide_one(struct queue *q, struct work *w, size_t i)
{
    struct queue_claim *c = &w->pub.claims[i];
    struct member *m = &w->members[i];
    bool gone = m->lane->epoch != c->epoch || (m->follower ? ended_meanwhile(q, m) : m->lane->revoked);

    if (!m->follower)
        m->row = m->lane->row;
    m->from = m->row.state;
    m->row.unknown = m->row.unknown > 0 ? UNKNOWN_SOME : 0; /* crashes in a row are over */
    if (gone) {
        m->verdict = V_STALE;
        return;
    }
    if (w->target->expand && c->outcome.end == QUEUE_END_DONE && !w->expanded) {
        c->outcome.end = QUEUE_END_FAILED;
        c->outcome.rc = TL_BUG;
        c->outcome.text = TL_SV("the steps ended without saying which deliveries follow");
    }
    if (c->outcome.end == QUEUE_END_CANCELED && w->ticket_known) {
        c->outcome.end = QUEUE_END_PENDING; /* we stop, the job does not: it is asked after, not made again */
        w->pub.next_poll_ms = 1;
    }
    switch (c->outcome.end) {
    case QUEUE_END_DONE:
        success(q, w, m, QUEUE_DELIVERED);
        break;
    case QUEUE_END_SKIP:
        success(q, w, m, QUEUE_SKIPPED);
        break;
    case QUEUE_END_FAILED:
        m->unknown = is_unknown(w, c);
        fail(q, w, m, &c->outcome);
        break;
    case QUEUE_END_WAITED:
        m->row.attempts -= !w->begun;
        m->row.unknown = m->lane->row.unknown; /* nobody has looked */
        m->verdict = V_BACK;
        break;
    case QUEUE_END_CANCELED:
    case QUEUE_END_INNOCENT:
        m->verdict = V_BACK;
        break;
    case QUEUE_END_PENDING:
        m->verdict = V_PENDING;
        m->row.state = QUEUE_RETRYING;
        m->row.next_at = queue__wall(q) + (w->pub.next_poll_ms > 0 ? w->pub.next_poll_ms : 1000);
        break;
    case QUEUE_END_NONE:
    default:
        m->unknown = true;
        c->outcome.rc = TL_UNKNOWN_OUTCOME;
        fail_transient(q, w, m, &c->outcome);
        m->cls = TL_CLASS_TRANSIENT;
        break;
    }
    m->behind = tried_in_vain(w, m, &c->outcome);
    if (m->unknown)
        m->row.unknown = UNKNOWN_SOME;
}

static enum tl_rc worst_rc(const struct work *w, bool *ret_not_sent)
{
    enum tl_rc rc = w->pub.outcome.rc;

    *ret_not_sent = w->pub.n > 0 || w->pub.outcome.end == QUEUE_END_CANCELED;
    for (size_t i = 0; i < w->pub.n; i++) {
        const struct queue_outcome *o = &w->pub.claims[i].outcome;

        if (o->end != QUEUE_END_CANCELED && o->end != QUEUE_END_WAITED && !o->connection)
            *ret_not_sent = false;
        if (rc == TL_OK && o->end == QUEUE_END_FAILED && !o->connection)
            rc = o->rc;
        if (rc == TL_OK && o->end == QUEUE_END_NONE)
            rc = TL_UNKNOWN_OUTCOME;
    }
    return rc;
}

/* By a quarter: less than a halving took away, so that a bad record in the second half still ends up alone. */
static void batch_grow(struct target *t)
{
    uint32_t more = t->batch_now / 4 > 0 ? t->batch_now / 4 : 1;

    t->batch_now =
        t->batch_now < t->batch_count && t->batch_count - t->batch_now > more ? t->batch_now + more : t->batch_count;
}

/* The members first: whether a failure counts depends on the breaker as it was before it. */
static void decide(struct queue *q, struct work *w)
{
    bool not_sent, innocent = false;
    enum tl_rc rc = worst_rc(w, &not_sent);

    if (w->decided)
        return;
    not_sent =
        not_sent || w->pub.not_sent || w->pub.outcome.end == QUEUE_END_CANCELED; /* filtered: nothing was called */
    w->decided = true;
    w->ended_ms = queue__wall(q);
    for (size_t i = 0; i < w->pub.n; i++) {
        decide_one(q, w, i);
        innocent = innocent || w->pub.claims[i].outcome.end == QUEUE_END_INNOCENT;
    }
    if (!w->target || w->pub.n == 0)
        ;
    else if (innocent)
        w->target->batch_now = w->pub.n > 1 ? (uint32_t)(w->pub.n / 2) : 1;
    else
        batch_grow(w->target);
    queue__gate_give(q, w, rc, not_sent);
}

/* ---- writing ---- */
void queue__unit_done(struct queue *q, const struct row *row, enum queue_state from, enum queue_state to)
{
    struct flow *f = queue__flow(q, row->flow);
    bool was_open = from == QUEUE_QUEUED || from == QUEUE_RETRYING;
    bool is_open = to == QUEUE_QUEUED || to == QUEUE_RETRYING;
    int64_t open = is_open - was_open;
    int64_t dead = (to == QUEUE_DEAD) - (from == QUEUE_DEAD),
            done = (to == QUEUE_DELIVERED) - (from == QUEUE_DELIVERED);

    if (from == to)
        return;
    queue__count(q, f, from, -1);
    queue__count(q, f, to, 1);
    if (to == QUEUE_DEAD)
        queue__note_dead(q, row);
    if (to == QUEUE_DELIVERED || to == QUEUE_SKIPPED)
        queue__count(q, f, to == QUEUE_DELIVERED ? N_DELIVERED : N_SKIPPED, 1);
    if (to >= QUEUE_DELIVERED)
        queue__retain_from(q, row->event < row->id ? row->event : row->id);
    if (row->kind == KIND_CHILD && (open || dead || done))
        (void)RUN(q, PARENT, store_u64(row->event), store_int(open), store_int(dead), store_int(done),
                  store_int(queue__wall(q)));
}

static void write_attempt(struct queue *q, const struct work *w, size_t i)
{
    const struct queue_claim *c = &w->pub.claims[i];
    const struct member *m = &w->members[i];
    const struct queue_outcome *o = &c->outcome;
    int64_t flags = (m->counted ? FLAG_COUNTED : 0) | (m->unknown ? FLAG_UNKNOWN : 0) |
                    (w->pub.probe ? FLAG_PROBE : 0) | (m->verdict == V_STALE ? FLAG_STALE : 0);

    uint64_t id = c->delivery * ATTEMPT_SPAN + c->attempt;

    (void)queue__run(
        q, w->begun ? SQL_ATTEMPT_END : SQL_ATTEMPT_ADD,
        VALS(store_u64(id), store_u64(c->epoch), store_int(w->started_ms), store_int(w->ended_ms),
             store_int(o->end ? o->end : QUEUE_END_FAILED), store_int(flags), store_int(m->cls), store_int(o->rc),
             store_int(o->status), store_int(w->pub.latency_ms), w->call_id ? store_u64(w->call_id) : store_null(),
             queue__seal(q, PLACE(TRIED, .id = id), o->text.n ? store_text(o->text) : store_null()),
             queue__seal(q, PLACE(ANSWER, .id = id), o->answer.n ? store_blob(o->answer) : store_null()),
             queue__seal(q, PLACE(ASKED, .id = id), o->asked.n ? store_text(o->asked) : store_null()), queue__key_id(q),
             queue__seal(q, PLACE(PAIRS, .id = id), o->pairs.n ? store_text(o->pairs) : store_null())),
        NULL);
}

static void write_state(struct queue *q, const struct work *w, size_t i)
{
    const struct member *m = &w->members[i];
    const struct queue_outcome *o = &w->pub.claims[i].outcome;
    const struct row *r = &m->row;
    bool dead = m->verdict == V_DEAD;

    (void)RUN(q, UNIT_STATE, store_u64(r->id), store_int(r->state), r->live ? store_int(r->live) : store_null(),
              store_int(w->ended_ms), store_int(r->attempts), store_int(r->used), store_int(r->unknown),
              store_int(r->age), store_int(r->next_at), store_null(), dead ? store_u64(m->fp) : store_null(),
              store_int(m->cls), store_int(o->rc), queue__seal(q, PLACE(WHY, .id = r->id), store_text(o->text)));
}

static void write_xrefs(struct queue *q, const struct queue_outcome *o, int64_t now)
{
    for (size_t i = 0; i < o->n_xrefs; i++)
        queue__xref_write(q, &o->xrefs[i], now);
}

/* Done at the first attempt, and nothing to say of it: one row is written instead of two. */
static bool done_at_once(const struct work *w, size_t i)
{
    const struct queue_claim *c = &w->pub.claims[i];
    const struct member *m = &w->members[i];

    return m->verdict == V_FINAL && c->outcome.end == QUEUE_END_DONE && c->attempt == 1 && !w->begun && !w->expanded &&
           !w->call_id && !w->ticket_known && !w->pub.probe && !c->outcome.text.n && !c->outcome.answer.n &&
           !c->outcome.asked.n && !c->outcome.pairs.n;
}

static void write_first(struct queue *q, const struct work *w, size_t i)
{
    const struct queue_claim *c = &w->pub.claims[i];
    const struct row *r = &w->members[i].row;

    (void)RUN(q, UNIT_FIRST, store_u64(r->id), store_int(r->state), store_int(w->ended_ms), store_int(r->used),
              store_u64(c->epoch), store_int(w->started_ms), store_int(c->outcome.status),
              store_int(w->pub.latency_ms));
}

static void write_member(struct queue *q, struct work *w, size_t i)
{
    struct member *m = &w->members[i];
    const struct queue_outcome *o = &w->pub.claims[i].outcome;
    struct row *r = &m->row;

    bool at_once = done_at_once(w, i);

    if (o->end == QUEUE_END_WAITED && !w->begun)
        return; /* nothing was done */
    if (!at_once)
        write_attempt(q, w, i);
    queue__count(q, w->target->flow, N_ATTEMPTS, 1);
    if (o->end == QUEUE_END_FAILED)
        queue__count(q, w->target->flow, N_FAILED + (unsigned)m->cls, 1);
    switch ((enum verdict)m->verdict) {
    case V_FINAL:
        write_xrefs(q, o, w->ended_ms);
        if (r->kind == KIND_EXPAND && w->expanded) /* queue_expand has written its state */
            break;
        if (at_once)
            write_first(q, w, i);
        else if (r->state == QUEUE_SKIPPED) /* with the reason */
            write_state(q, w, i);
        else
            (void)RUN(q, UNIT_FINAL, store_u64(r->id), store_int(r->state), store_int(w->ended_ms),
                      store_int(r->attempts), store_int(r->used));
        queue__unit_done(q, r, (enum queue_state)m->from, (enum queue_state)r->state);
        if (r->keyed)
            queue__line_end(q, r->lane, r->id);
        /* Replaying an earlier dead one would undo this. */
        if (r->keyed && w->target->flow->count[QUEUE_DEAD] > 0 && queue__may_hold_dead(q, r->lane))
            (void)RUN(q, SUPERSEDE, store_u64(r->lane), store_u64(r->id));
        break;
    case V_RETRY:
    case V_DEAD:
        if (m->verdict == V_DEAD) /* as the flow is now, also where it is written a second time */
            r->live = w->target->flow->block ? 2 : 0;
        if (m->verdict == V_RETRY)
            queue__count(q, w->target->flow, N_RETRIES, 1);
        else
            queue__count(q, w->target->flow, N_DIED + (unsigned)m->cls, 1);
        write_state(q, w, i);
        queue__unit_done(q, r, (enum queue_state)m->from, (enum queue_state)r->state);
        if (r->keyed && m->verdict == V_DEAD)
            (r->live == 2 ? queue__line_keep : queue__line_end)(q, r->lane, r->id);
        break;
    case V_BACK:
        queue__refused_count(q, m, o);
        (void)RUN(q, UNIT_TRIES, store_u64(r->id), store_int(r->attempts), store_int(r->unknown));
        break;
    case V_PENDING:
        r->ticket = w->pub.ticket_id;
        (void)RUN(q, UNIT_TICKET, store_u64(r->id), store_u64(r->ticket), store_int(r->next_at), store_int(r->attempts),
                  store_int(w->ended_ms), queue__seal(q, PLACE(WHY, .id = r->id), store_text(o->text)));
        (void)RUN(q, MEMBER_ADD, store_u64(r->ticket), store_u64(r->id));
        queue__unit_done(q, r, (enum queue_state)m->from, QUEUE_RETRYING);
        break;
    case V_NONE:
    case V_STALE:
    default:
        break;
    }
    if (m->verdict != V_PENDING)
        r->ticket = 0; /* it comes again whole, if at all */
    if (w->ticket_known && m->verdict != V_PENDING)
        (void)RUN(q, MEMBER_DEL, store_u64(w->pub.ticket_id), store_u64(r->id));
}

void queue__add_ticket(struct queue *q, uint64_t id, uint32_t target, bool abort, struct tl_sv ticket)
{
    (void)RUN(q, TICKET_ADD, store_u64(id), store_int(target), store_int(abort),
              queue__seal(q, PLACE(TICKET, .id = id), store_blob(ticket)), queue__key_id(q));
}

/* Of pub.ticket_id; one that does not open is empty, and the connector says what it makes of it. */
void queue__take_ticket(struct queue *q, struct work *w, bool sealed, struct tl_sv data)
{
    struct tl_sv s;

    (void)queue__open_val(q, PLACE(TICKET, .id = w->pub.ticket_id), sealed, data, &s);
    w->ticket = tl_alloc(s.n + 1);
    if (s.n)
        memcpy(w->ticket, s.p, s.n);
    w->pub.ticket = tl_sv(w->ticket, s.n);
}

static void write_ticket(struct queue *q, struct work *w)
{
    bool pending = false, orphan = false;
    struct store_val v;

    for (size_t i = 0; i < w->pub.n; i++) {
        pending = pending || w->members[i].verdict == V_PENDING;
        orphan = orphan || w->pub.claims[i].outcome.end == QUEUE_END_PENDING;
    }
    if (orphan && !pending && !w->ticket_known && w->pub.ret_ticket.p) { /* it began while they were cancelled */
        queue__add_ticket(q, queue__take_id(q), w->target->id, true, w->pub.ret_ticket);
        q->aborts = true;
    }
    if (pending) {
        if (w->pub.ticket_id == 0)
            w->pub.ticket_id = queue__take_id(q);
        w->ticket_known = true;
        if (w->pub.ret_ticket.p)
            queue__add_ticket(q, w->pub.ticket_id, w->target->id, false, w->pub.ret_ticket);
    }
    for (size_t i = 0; i < w->pub.n; i++)
        write_member(q, w, i);
    if (w->ticket_known && !pending && !queue__one(q, SQL_MEMBER_ANY, VALS(store_u64(w->pub.ticket_id)), &v, 1))
        (void)RUN(q, TICKET_DEL, store_u64(w->pub.ticket_id), store_int(0)); /* one to be aborted stays */
}

static enum tl_rc finish_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct work *w = TL_CONTAINER(op, struct work, op);
    const struct queue_outcome *o = &w->pub.outcome;

    (void)err;
    if (w->lazy) { /* its begin was never written: the whole row is written now */
        queue__list_remove(&q->lazy, w);
        w->lazy = false;
    }
    queue__wants_end(q, w);
    decide(q, w);
    if (w->pub.n > 1 && w->call_id == 0)
        w->call_id = queue__take_id(q);
    if (w->call_id)
        (void)RUN(q, CALL_ADD, store_u64(w->call_id), store_int(w->conn->id), store_u64(w->pub.n),
                  store_int(w->started_ms), store_int(w->pub.latency_ms), store_int(o->status), store_int(o->rc),
                  queue__seal(q, PLACE(CALL, .id = w->call_id), store_text(o->text)));
    if (queue__is_errand(w))
        queue__errand_apply(q, w);
    else
        write_ticket(q, w);
    return q->txn_rc;
}

/* ---- memory ---- */
/* What is done stays done whether this commit succeeds or not; only when it is on disk is open. See promise 3. */
static void finish_advance(struct queue *q, struct op *op)
{
    struct work *w = TL_CONTAINER(op, struct work, op);

    if (queue__is_errand(w) || !w->target->keyed || w->target->batch_count > 1)
        return;
    for (size_t i = 0; i < w->pub.n; i++) {
        struct member *m = &w->members[i];

        if (m->verdict == V_FINAL && !m->advanced && m->row.state == QUEUE_DELIVERED)
            m->advanced = queue__lane_go_on(q, m->lane);
        q->advanced = q->advanced || m->advanced;
    }
}

/* It was cancelled, or moved, while it ran: its lane was kept until now. One without a key has the same lane wherever
 * it is, so where it is now the scans have passed it. */
static void settle_stale(struct queue *q, const struct member *m)
{
    uint64_t id = m->row.id;
    bool keyed = m->row.keyed;
    struct row now;

    queue__lane_next(q, m->lane);
    if (keyed)
        return;
    queue__read_begin(q);
    if (queue__unit(q, id, &now) && now.live == 1)
        queue__rescan(q, queue__target(q, now.target));
}

static void settle_member(struct queue *q, struct work *w, struct member *m)
{
    struct lane *l = m->lane;

    assert(w->target);
    queue__feed(q, m->row.id, m->row.flow, m->row.state);
    if (m->advanced)
        return;
    if (m->verdict == V_STALE) {
        settle_stale(q, m);
        return;
    }
    l->row = m->row;
    if (w->target->removed || w->target->flow->removed) {
        queue__lane_free(q, l);
        return;
    }
    switch ((enum verdict)m->verdict) {
    case V_BACK:
        queue__lane_ready(q, l, !m->behind);
        break;
    case V_RETRY:
        queue__place(q, l);
        break;
    case V_PENDING: /* every member waits by itself; the first that is due takes the others along */
        queue__place(q, l);
        break;
    case V_DEAD:
        if (m->row.live == 2) {
            queue__lane_free(q, l);
            break;
        }
        queue__lane_next(q, l);
        break;
    case V_FINAL:
    case V_NONE:
    case V_STALE:
    default:
        queue__lane_next(q, l);
        break;
    }
}

/* Several of one lane have ended, some of them perhaps not well: what is its head now, only the ledger knows. */
static void settle_lane(struct queue *q, struct work *w, struct lane *l)
{
    assert(w->target);
    if (w->target->removed || w->target->flow->removed) {
        queue__lane_free(q, l);
        return;
    }
    l->more = true;
    queue__lane_next(q, l);
}

static void finish_settle(struct queue *q, struct op *op)
{
    struct work *w = TL_CONTAINER(op, struct work, op);

    w->conn->running--;
    if (w->target)
        w->target->flow->running -= (uint32_t)w->pub.n;
    q->loop_load[w->pub.loop]--;
    atomic_fetch_sub(&q->works_out, 1);
    for (size_t i = 0; i < w->pub.n; i++) {
        queue__tell_attempt(q, w, i);
        queue__refused_note(w->conn, &w->members[i]);
        if (w->pub.claims[i].outcome.end == QUEUE_END_FAILED && !w->pub.claims[i].outcome.connection)
            w->conn->failed[w->members[i].cls]++;
        if (i + 1 < w->pub.n && w->members[i + 1].follower) {
            queue__feed(q, w->members[i].row.id, w->members[i].row.flow,
                        w->members[i].row.state); /* the last of its lane settles it */
        } else if (w->members[i].follower) {
            queue__feed(q, w->members[i].row.id, w->members[i].row.flow, w->members[i].row.state);
            settle_lane(q, w, w->members[i].lane);
        } else {
            settle_member(q, w, &w->members[i]);
        }
    }
    if (queue__is_errand(w))
        queue__errand_settle(q, w);
    queue__work_free(q, w);
}

static const struct op_class finish_class = {
    .apply = finish_apply, .advance = finish_advance, .settle = finish_settle, .keep = true, .own = true};

void queue_finish(struct queue *q, struct queue_work *work)
{
    struct work *w = TL_CONTAINER(work, struct work, pub);

    copy_outcomes(w);
    w->op = (struct op){.cls = &finish_class};
    queue__push(q, &w->op);
}

/* ---- after a crash ---- */
static void recover_one(struct queue *q, uint64_t attempt_id)
{
    uint64_t unit = attempt_id / ATTEMPT_SPAN;
    int64_t now = queue__wall(q);
    struct row r;
    bool dead;

    (void)RUN(q, ATTEMPT_CUT, store_u64(attempt_id), store_int(now), store_int(QUEUE_END_NONE), store_int(FLAG_UNKNOWN),
              store_int(TL_UNKNOWN_OUTCOME), store_int(TL_CLASS_TRANSIENT));
    if (!queue__unit(q, unit, &r) || r.live != 1 || r.ticket)
        return;
    r.unknown = (uint8_t)((r.unknown & ~UNKNOWN_SOME) + 1);
    if (attempt_id % ATTEMPT_SPAN > r.attempts)
        r.attempts = (uint32_t)(attempt_id % ATTEMPT_SPAN);
    dead = r.unknown >= UNKNOWN_MAX;
    if (!dead) {
        (void)RUN(q, UNIT_TRIES, store_u64(unit), store_int(r.attempts), store_int(r.unknown));
        return;
    }
    (void)RUN(q, UNIT_STATE, store_u64(unit), store_int(QUEUE_DEAD),
              queue__flow(q, r.flow)->block ? store_int(2) : store_null(), store_int(now), store_int(r.attempts),
              store_int(r.used), store_int(r.unknown), store_int(r.age), store_int(0), store_null(),
              store_u64(queue__fingerprint(TL_CLASS_BUG, 0, TL_BUG, TL_SV("crash"))), store_int(TL_CLASS_BUG),
              store_int(TL_BUG), queue__seal(q, PLACE(WHY, .id = unit), store_text(TL_SV(UNKNOWN_TEXT))));
    queue__unit_done(q, &r, (enum queue_state)r.state, QUEUE_DEAD);
    queue__count(q, queue__flow(q, r.flow), N_DIED + TL_CLASS_BUG, 1);
    queue__tell_end(q, &r, QUEUE_DEAD, TL_CLASS_BUG, TL_SV(UNKNOWN_TEXT), NULL);
    if (!r.keyed)
        return;
    if (queue__flow(q, r.flow)->block) /* before queue__lines_load */
        (void)RUN(q, LINE_ADD, store_u64(r.lane), store_u64(unit));
    else
        (void)RUN(q, LINE_DEL, store_u64(r.lane), store_u64(unit), store_u64(unit));
}

void queue__recover(struct queue *q)
{
    for (;;) {
        uint64_t ids[500];
        struct store_val v;
        size_t n = 0;

        if (queue__start(q, SQL_ATTEMPT_OPEN, NULL, 0))
            while (n < TL_COUNT(ids) && queue__next(q, SQL_ATTEMPT_OPEN, &v, 1))
                ids[n++] = (uint64_t)v.i;
        queue__end(q, SQL_ATTEMPT_OPEN);
        for (size_t i = 0; i < n; i++)
            recover_one(q, ids[i]);
        if (n == 0 || q->txn_rc != TL_OK)
            return;
    }
}
