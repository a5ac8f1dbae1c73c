/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bulk actions. A job is a row: what to touch, how far it is. Each step looks at some ids in a transaction of its own,
 * between other work, and goes on after a restart. What it changes in memory waits for the commit, as everywhere.
 */
#include "queue/look/reader_int.h"

#define JOB_STEP 200
#define JOB_STRETCH 10000

struct job {
    struct queue_plan plan;
    uint64_t id, cursor, total, looked, done, refused;
    int64_t refusal_rc;
    char refusal[200];
    uint64_t *ids;
    size_t n_ids;
    char by[100], reason[1001]; /* of what is held */
};
struct queue__change {
    struct row row;   /* as it was */
    struct row fresh; /* a new event or delivery made by a replay: id 0 if none */
    uint32_t to;      /* MOVE: the new target */
    uint64_t to_lane; /* ... and, of a keyed one, its lane there */
    enum queue_action action;
};

/* ---- one delivery ---- */
static enum tl_rc refuse(struct tl_err *err, const struct row *r, const char *why)
{
    char id[14];

    return tl_fail(err, TL_CONFLICT, "%s is %s: %s", tl_id32_format(r->id, id),
                   queue_state_name((enum queue_state)r->state), why);
}

/* An event of several deliveries is cancelled or discarded when all of them are. */
static void release_event_key(struct queue *q, uint64_t event)
{
    struct store_val v[3];

    if (queue__one(q, SQL_ENDED_KEY, VALS(store_u64(event)), v, 2))
        queue__key_release(q, (uint64_t)v[0].i, (uint64_t)v[1].i, event);
}

static enum tl_rc end_it(struct queue *q, const struct row *r, enum queue_verb verb, struct tl_err *err)
{
    enum queue_state to;

    if (!queue_transition((enum queue_state)r->state, verb, &to))
        return refuse(err, r, "it has ended already");
    (void)RUN(q, UNIT_END, store_u64(r->id), store_int(to), store_int(queue__wall(q)));
    if (queue__is_held(r))
        queue__held_gone(q, r);
    if (r->keyed && r->live)
        queue__line_end(q, r->lane, r->id);
    if (r->idem1 || r->idem2)
        queue__key_release(q, r->idem1, r->idem2, r->id);
    if (r->ticket) {
        struct store_val v;

        (void)RUN(q, MEMBER_DEL, store_u64(r->ticket), store_u64(r->id));
        if (!queue__one(q, SQL_MEMBER_ANY, VALS(store_u64(r->ticket)), &v, 1)) {
            (void)RUN(q, TICKET_ABORT, store_u64(r->ticket));
            q->aborts = true;
            q->abort_next_ns = 0;
        }
    }
    queue__unit_done(q, r, (enum queue_state)r->state, to);
    if (r->kind == KIND_CHILD)
        release_event_key(q, r->event);
    return q->txn_rc;
}

/* The ordering key as it came; .p NULL: there is none, or it cannot be read. */
static struct tl_sv key_of(struct queue *q, uint64_t event, struct tl_buf *into)
{
    struct store_val v[4];
    struct tl_sv key;

    tl_buf_clear(into);
    if (queue__start(q, SQL_BODY_GET, VALS(store_u64(event))) && queue__next(q, SQL_BODY_GET, v, 4) &&
        queue__open_val(q, PLACE(ORDER, .id = event), v[3].i != 0, v[0].s, &key) && key.p)
        tl_buf_put(into, key.p, key.n);
    else
        key = TL_SV_NULL;
    queue__end(q, SQL_BODY_GET);
    return key.p ? tl_sv(into->n ? into->p : "", into->n) : key;
}

/* Where an event of this flow begins. */
static void enter(struct queue *q, struct row *r, struct flow *f)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf own;
    struct tl_sv key;
    struct target *t;

    tl_buf_init(&own, 4096);
    key = r->keyed ? key_of(q, r->event, &own) : TL_SV_NULL;
    t = queue__entry(q, f, key);
    r->target = t->id;
    r->kind = t->expand ? KIND_EXPAND : KIND_INLINE;
    if (key.p)
        r->lane = queue__lane_hash(t->id, key);
}

static const struct target *only_target(const struct flow *f)
{
    const struct target *only = NULL;

    for (const struct target *t = f->targets; t; t = t->next_of_flow) {
        if (t->expand || t->removed)
            continue;
        if (only)
            return NULL;
        only = t;
    }
    return only;
}

/* One delivery of several, whose target the flow has no longer, to another one: its lane is made as expand.c does, so
 * that it is in order with what comes to that target by itself. */
static enum tl_rc move_child(struct queue *q, const struct row *from, struct row *r, const struct queue_plan *p,
                             struct tl_err *err)
{
    const struct flow *f = queue__flow(q, r->flow);
    const struct target *own = queue__target(q, r->target),
                        *t = p->to_target ? queue__target(q, p->to_target) : only_target(f);
    TL_CLEANUP(tl_buf_done) struct tl_buf own_key;
    struct tl_sv key;

    tl_buf_init(&own_key, 4096);
    if (p->to_flow != r->flow)
        return refuse(err, r, "one delivery of several cannot be moved by itself to another flow");
    if (!own->removed)
        return refuse(err, r, "the flow has its target still");
    if (!t || t->flow != f || t->removed || t->expand)
        return refuse(err, r, "to which target of its flow? Name one that the flow has");
    r->target = t->id;
    if (!r->keyed)
        return TL_OK;
    key = key_of(q, r->event, &own_key);
    if (!key.p || from->lane != queue__lane_hash(from->target, key))
        key = tl_sv((const char *)&from->lane, sizeof(from->lane)); /* a key of its own, which only its lane knows */
    r->lane = queue__lane_hash(t->id, key);
    return q->txn_rc;
}

/* Where it stands now: what a person holds stays held. */
static void stand_moved(struct queue *q, const struct row *was, const struct row *r, bool dead, bool block)
{
    bool held = queue__is_held(was);

    if (was->keyed && was->live)
        queue__line_end(q, was->lane, was->id);
    if (r->keyed && !dead && !held)
        queue__line_add(q, r->lane, r->id);
    else if (r->keyed && (block || held))
        queue__line_keep(q, r->lane, r->id);
    if (dead || held)
        queue__note_dead(q, r);
    if (held) {
        queue__count(q, queue__flow(q, was->flow), QUEUE_HELD, -1);
        queue__count(q, queue__flow(q, r->flow), QUEUE_HELD, 1);
    }
}

static enum tl_rc move_it(struct queue *q, struct queue__change *c, const struct queue_plan *p, struct tl_err *err)
{
    struct flow *f = queue__flow(q, p->to_flow);
    struct row r = c->row;
    enum queue_state to;
    enum tl_rc rc;

    if (!f || f->removed || !(f->expand || f->only))
        return tl_fail(err, TL_NOT_FOUND, "there is no such flow to move to");
    if (!queue_transition((enum queue_state)r.state, QUEUE_DO_MOVE, &to))
        return refuse(err, &r, "it has ended already");
    if (r.ticket)
        return refuse(err, &r, "a long job holds it");
    if (r.kind == KIND_CHILD) {
        rc = move_child(q, &c->row, &r, p, err);
        if (rc != TL_OK)
            return rc;
    } else {
        enter(q, &r, f);
    }
    c->to = r.target;
    c->to_lane = r.lane;
    (void)RUN(q, UNIT_MOVE, store_u64(r.id), store_int(f->id), store_int(r.target), store_int(r.kind),
              r.keyed ? store_u64(r.lane) : store_null(), store_int((int64_t)(r.lane % 256)), store_int(to),
              to == QUEUE_DEAD ? (f->block ? store_int(2) : store_null()) : store_int(queue__is_held(&c->row) ? 2 : 1),
              store_int(queue__wall(q)));
    r.flow = f->id;
    stand_moved(q, &c->row, &r, to == QUEUE_DEAD, f->block);
    queue__count(q, queue__flow(q, c->row.flow), c->row.state, -1);
    queue__count(q, f, to, 1);
    return q->txn_rc;
}

/* ---- copies for a replay of what has ended: what is sealed is bound to its row, so it is opened and sealed again ----
 */
/* All of it opens. Else there would be a copy of a part. */
static bool readable(struct queue *q, const struct row *r)
{
    struct row row = *r;
    struct queue_blob *b = NULL;
    struct store_val v[3];
    struct tl_sv data;
    bool ok;

    if (!q->ring)
        return true;
    ok = queue__load_blob(q, &row, &b);
    queue__blob_unref(b);
    if (ok && row.upload &&
        queue__start(q, SQL_CHUNK_ALL,
                     VALS(store_u64(row.upload * ATTEMPT_SPAN), store_u64((row.upload + 1) * ATTEMPT_SPAN))))
        while (ok && queue__next(q, SQL_CHUNK_ALL, v, 3))
            ok = queue__open_val(q, PLACE(CHUNK, .id = (uint64_t)v[0].i), v[1].i != 0, v[2].s, &data);
    queue__end(q, SQL_CHUNK_ALL);
    return ok;
}

static void copy_chunks(struct queue *q, uint64_t from, uint64_t to)
{
    struct store_val v[3];
    struct tl_sv data;

    if (queue__start(q, SQL_CHUNK_ALL, VALS(store_u64(from * ATTEMPT_SPAN), store_u64((from + 1) * ATTEMPT_SPAN))))
        while (queue__next(q, SQL_CHUNK_ALL, v, 3) &&
               queue__open_val(q, PLACE(CHUNK, .id = (uint64_t)v[0].i), v[1].i != 0, v[2].s, &data))
            queue__add_chunk(q, to * ATTEMPT_SPAN + (uint64_t)v[0].i % ATTEMPT_SPAN, data);
    queue__end(q, SQL_CHUNK_ALL);
}

static void copy_body(struct queue *q, const struct row *from, const struct row *to)
{
    struct tl_sv order_by, meta, body;
    struct store_val v[4];

    if (queue__start(q, SQL_BODY_GET, VALS(store_u64(from->event))) && queue__next(q, SQL_BODY_GET, v, 4) &&
        queue__open_val(q, PLACE(ORDER, .id = from->event), v[3].i != 0, v[0].s, &order_by) &&
        queue__open_val(q, PLACE(META, .id = from->event), v[3].i != 0, v[1].s, &meta) &&
        queue__open_val(q, PLACE(BODY, .id = from->event, .more = from->upload), v[3].i != 0, v[2].s, &body))
        queue__add_body(q, to->id, to->upload, order_by, meta, body);
    queue__end(q, SQL_BODY_GET);
}

static void copy_edits(struct queue *q, const struct row *from, uint64_t to)
{
    struct store_val v[6];
    struct tl_sv data, vars;

    if (queue__start(q, SQL_EDIT_ALL, VALS(store_u64(from->id), store_int(from->rev))))
        while (queue__next(q, SQL_EDIT_ALL, v, 6) &&
               queue__open_val(q, PLACE(EDIT, .id = from->id, .more = (uint64_t)v[0].i), v[3].i != 0, v[4].s, &data) &&
               queue__open_val(q, PLACE(VARS, .id = from->id), v[3].i != 0 && v[5].type != STORE_NULL, v[5].s, &vars)) {
            if (v[0].i == 0)
                queue__add_own(q, to, v[1].i, data, vars);
            else
                queue__add_edit(q, to, (uint32_t)v[0].i, v[1].i, v[2], data);
        }
    queue__end(q, SQL_EDIT_ALL);
}

/* A finished one is done again as something new: it keeps its own history. */
static enum tl_rc replay_final(struct queue *q, struct queue__change *c, struct tl_err *err)
{
    struct row r = c->row;
    struct flow *f = queue__flow(q, r.flow);
    struct target *t = r.kind == KIND_CHILD ? queue__target(q, r.target) : f->expand ? f->expand : f->only;

    if (f->removed || !t || t->removed)
        return refuse(err, &r, "its flow is gone");
    if (!readable(q, &r))
        return refuse(err, &r, "what the ledger keeps of it cannot be read: it was changed on the disk");
    r.id = queue__take_id(q);
    r.event = r.kind == KIND_CHILD ? r.event : r.id;
    r.replay_of = c->row.id;
    r.state = QUEUE_QUEUED;
    r.live = 1;
    r.attempts = r.used = r.rev = 0;
    r.ticket = r.idem1 = r.idem2 = 0;
    r.received = queue__wall(q);
    if (r.kind != KIND_CHILD) {
        r.event = c->row.event;
        enter(q, &r, f);
        r.event = r.id;
    }
    if (!r.keyed)
        r.lane = queue__own_lane(r.id);
    if (r.kind == KIND_CHILD) {
        (void)RUN(q, CHILD_ADD, store_u64(r.id), store_int(r.flow), store_int(r.target),
                  r.keyed ? store_u64(r.lane) : store_null(), store_int((int64_t)(r.lane % 256)), store_int(r.received),
                  store_u64(r.bytes), store_u64(r.event), store_int(r.item),
                  r.upload ? store_u64(r.upload) : store_null(), r.cause ? store_u64(r.cause) : store_null(),
                  store_u64(r.replay_of));
        (void)RUN(q, PARENT, store_u64(r.event), store_int(1), store_int(0), store_int(0), store_int(r.received));
    } else {
        if (r.upload) {
            uint64_t own = queue__take_id(q);

            copy_chunks(q, r.upload, own);
            r.upload = own;
        }
        (void)RUN(q, UNIT_ADD, store_u64(r.id), store_int(r.flow), store_int(r.target), store_int(r.kind),
                  r.keyed ? store_u64(r.lane) : store_null(), store_int((int64_t)(r.lane % 256)), store_int(r.state),
                  store_int(1), store_int(r.received), store_u64(r.bytes),
                  r.upload ? store_u64(r.upload) : store_null(), r.cause ? store_u64(r.cause) : store_null(),
                  store_null(), store_null());
        (void)RUN(q, UNIT_REPLAYS, store_u64(r.id), store_u64(r.replay_of));
        copy_body(q, &c->row, &r);
        queue__count(q, f, N_EVENTS, 1);
    }
    if (r.keyed)
        queue__line_add(q, r.lane, r.id);
    copy_edits(q, &c->row, r.id);
    if (c->row.rev) {
        r.rev = c->row.rev;
        (void)RUN(q, UNIT_REV, store_u64(r.id), store_int(r.rev), store_int(r.received));
    }
    queue__count(q, f, QUEUE_QUEUED, 1);
    c->fresh = r;
    return q->txn_rc;
}

static enum tl_rc replay_it(struct queue *q, struct queue__change *c, bool superseded, struct tl_err *err)
{
    const struct row *r = &c->row;
    struct store_val v;
    enum queue_state to;
    struct row later;

    if (r->state >= QUEUE_DELIVERED)
        return replay_final(q, c, err);
    if (!queue_transition((enum queue_state)r->state, QUEUE_DO_REPLAY, &to))
        return refuse(err, r, "only dead or finished ones are replayed");
    if (!superseded && r->live != 2 && r->keyed &&
        ((queue__one(q, SQL_SUPERSEDED, VALS(store_u64(r->id)), &v, 1) && v.i) ||
         queue__lane_after(q, r->lane, r->id, &later)))
        return refuse(err, r, "its key has gone on meanwhile (superseded)");
    (void)RUN(q, UNIT_AGAIN, store_u64(r->id), store_int(queue__wall(q)));
    if (r->keyed && !r->live)
        queue__line_add(q, r->lane, r->id);
    queue__unit_done(q, r, QUEUE_DEAD, to);
    return q->txn_rc;
}

static enum tl_rc change(struct queue *q, const struct job *j, struct queue__change *c, struct tl_err *err)
{
    const struct queue_plan *p = &j->plan;

    c->action = p->action;
    switch (p->action) {
    case QUEUE_CANCEL:
        return end_it(q, &c->row, QUEUE_DO_CANCEL, err);
    case QUEUE_DISCARD:
        return end_it(q, &c->row, QUEUE_DO_DISCARD, err);
    case QUEUE_MOVE:
        return move_it(q, c, p, err);
    case QUEUE_REPLAY:
        return replay_it(q, c, p->include_superseded, err);
    case QUEUE_HOLD:
        return queue__hold_one(q, &c->row, tl_sv_str(j->by), tl_sv_str(j->reason), err);
    case QUEUE_RELEASE:
        return queue__release_one(q, &c->row, err);
    default:
        return tl_fail(err, TL_BUG, "unknown action");
    }
}

/* ---- memory, after the commit ---- */
static void note(struct queue *q, const struct queue__change *c)
{
    static const enum queue_state now[] = {[QUEUE_REPLAY] = QUEUE_QUEUED,
                                           [QUEUE_CANCEL] = QUEUE_CANCELLED,
                                           [QUEUE_DISCARD] = QUEUE_DISCARDED,
                                           [QUEUE_MOVE] = QUEUE_QUEUED};
    const struct row *r = c->fresh.id ? &c->fresh : &c->row;
    bool stays =
        c->action == QUEUE_HOLD || c->action == QUEUE_RELEASE || (c->action == QUEUE_MOVE && r->state == QUEUE_DEAD);
    enum queue_state to = stays ? (enum queue_state)r->state : now[c->action];

    if (to >= QUEUE_CANCELLED)
        queue__tell_end(q, r, to, TL_CLASS_NONE, tl_sv_str(q->job_why), NULL);
    queue__feed(q, r->id, r->flow, to);
}

/* Who is its head may have changed. */
static void look_again(struct queue *q, struct lane *l)
{
    l->more = true;
    if (l->where == LANE_OUT)
        return;
    queue__lane_unwait(q, l);
    queue__lane_next(q, l);
}

static void settle_one(struct queue *q, const struct queue__change *c)
{
    struct lane *l = queue__lane_find(q, c->row.lane);
    struct target *t = queue__target(q, c->row.target);

    note(q, c);
    if (c->fresh.id) {
        queue__arrive(q, &c->fresh, NULL);
        return;
    }
    if (c->action == QUEUE_REPLAY && t && t->expand && !t->flow->expand && !t->flow->removed)
        t->flow->steps_left = t; /* one waits for them again */
    if (c->action == QUEUE_HOLD && (!l || l->row.id != c->row.id))
        return; /* what runs or is ready is another one, or none is in memory */
    if (l && l->where == LANE_OUT && l->row.id == c->row.id)
        l->revoked = true; /* it runs: its outcome will be refused, its lane goes on when it is back */
    if (l)
        look_again(q, l);
    else if (t)
        queue__rescan(q, t);
    if (c->to && queue__target(q, c->to))
        queue__rescan(q, queue__target(q, c->to));
    l = c->to && c->row.keyed ? queue__lane_find(q, c->to_lane) : NULL;
    if (l) /* it may be older than all that wait there */
        look_again(q, l);
    if (t && t->removed) /* a dead one has come back to it */
        t->stranded = true;
}

void queue__job_settle(struct queue *q)
{
    for (size_t i = 0; i < q->job_settle_n; i++)
        settle_one(q, &q->changes[i]);
    if (q->job_settle_n)
        atomic_store(&q->kicked, true);
    q->job_settle_n = 0;
    queue__read_end(q);
}

/* ---- steps ---- */
static bool read_job(struct queue *q, struct job *j)
{
    struct store_val v[23];
    bool found = queue__start(q, SQL_JOB_OPEN, NULL, 0) && queue__next(q, SQL_JOB_OPEN, v, 23);

    *j = (struct job){0};
    if (found) {
        j->id = (uint64_t)v[0].i;
        j->plan = (struct queue_plan){.action = (enum queue_action)v[1].i,
                                      .to_flow = (uint32_t)v[2].i,
                                      .to_target = (uint32_t)v[20].i,
                                      .include_superseded = v[3].i != 0,
                                      .filter = {.flow = (uint32_t)v[4].i,
                                                 .state = (enum queue_state)v[5].i,
                                                 .cls = (enum tl_class)v[6].i,
                                                 .fingerprint = (uint64_t)v[7].i,
                                                 .from_ms = v[8].i,
                                                 .until_ms = v[9].i,
                                                 .event = (uint64_t)v[10].i},
                                      .last_id = (uint64_t)v[12].i};
        if (v[11].type == STORE_BLOB && v[11].s.n >= 8) {
            j->n_ids = v[11].s.n / 8;
            j->ids = tl_alloc(j->n_ids * 8);
            memcpy(j->ids, v[11].s.p, j->n_ids * 8);
        }
        j->cursor = (uint64_t)v[13].i;
        j->total = (uint64_t)v[14].i;
        j->looked = (uint64_t)v[15].i;
        j->done = (uint64_t)v[16].i;
        j->refused = (uint64_t)v[17].i;
        j->refusal_rc = v[18].i;
        (void)snprintf(j->refusal, sizeof(j->refusal), "%.*s", TL_SV_ARG(v[19].s));
        (void)snprintf(j->by, sizeof(j->by), "%.*s", TL_SV_ARG(v[21].s));
        (void)snprintf(j->reason, sizeof(j->reason), "%.*s", TL_SV_ARG(v[22].s));
    }
    queue__end(q, SQL_JOB_OPEN);
    return found;
}

struct candidate {
    uint64_t id, fp;
    enum tl_class cls;
};

/* Where no index leads to them a step looks at a bounded stretch of ids, *ret_to. */
static enum queue_sql way(const struct job *j, uint64_t *ret_to)
{
    const struct queue_filter *f = &j->plan.filter;

    *ret_to = j->plan.last_id;
    if (f->event)
        return SQL_JOB_EVENT;
    if (f->flow && f->fingerprint)
        return SQL_JOB_DEAD_FP;
    if (f->flow && f->state == QUEUE_DEAD)
        return SQL_JOB_DEAD;
    if (f->state == QUEUE_HELD)
        return SQL_JOB_HELD;
    if (j->plan.last_id - j->cursor > JOB_STRETCH)
        *ret_to = j->cursor + JOB_STRETCH;
    return SQL_JOB_SCAN;
}

/* Some that may be wanted; the cursor moves behind what was looked at. *ret_end: there are no more. */
static size_t candidates(struct queue *q, struct job *j, struct candidate *c, bool *ret_end)
{
    const struct queue_filter *f = &j->plan.filter;
    struct store_val v[3];
    enum queue_sql sql;
    uint64_t to;
    size_t n = 0;

    if (j->n_ids) { /* the cursor counts the list */
        while (n < JOB_STEP && j->cursor + n < j->n_ids) {
            c[n] = (struct candidate){.id = j->ids[j->cursor + n]};
            n++;
        }
        j->cursor += n;
        *ret_end = n < JOB_STEP;
        return n;
    }
    sql = way(j, &to);
    if (queue__start(q, sql,
                     (struct store_val[]){store_u64(j->cursor), store_u64(to), store_int(JOB_STEP),
                                          store_u64(sql == SQL_JOB_EVENT ? f->event : f->flow),
                                          sql == SQL_JOB_SCAN ? store_int(f->state) : store_u64(f->fingerprint),
                                          store_int(f->cls), store_u64(f->fingerprint)},
                     sql == SQL_JOB_SCAN      ? 7
                     : sql == SQL_JOB_DEAD_FP ? 5
                     : sql == SQL_JOB_HELD    ? 3
                                              : 4))
        while (n < JOB_STEP && queue__next(q, sql, v, 3))
            c[n++] = (struct candidate){(uint64_t)v[0].i, (uint64_t)v[1].i, (enum tl_class)v[2].i};
    queue__end(q, sql);
    j->cursor = n == JOB_STEP ? c[n - 1].id : to;
    *ret_end = n < JOB_STEP && to >= j->plan.last_id;
    return n;
}

bool queue_acts_on(const struct queue_plan *p, enum queue_state state)
{
    const struct queue_filter *f = &p->filter;
    bool waits = state == QUEUE_QUEUED || state == QUEUE_RETRYING;

    if (p->action == QUEUE_HOLD)
        return waits;
    if (p->action == QUEUE_RELEASE || (state == QUEUE_HELD && !f->event && !f->n_ids))
        return state == QUEUE_HELD && (p->action == QUEUE_RELEASE || f->state == QUEUE_HELD);
    return p->action == QUEUE_REPLAY || f->state || f->event || f->n_ids || waits ||
           (p->action == QUEUE_DISCARD && state == QUEUE_DEAD);
}

/* An event whose deliveries are there is treated by them; one that got none (filtered, no_route) by itself. */
static bool by_itself(struct queue *q, const struct row *r)
{
    struct store_val v;

    return r->kind != KIND_EXPANDED ||
           (r->state == QUEUE_SKIPPED && !queue__one(q, SQL_CHILD_ANY, VALS(store_u64(r->id)), &v, 1));
}

static bool wanted(const struct job *j, const struct row *r, const struct candidate *c)
{
    const struct queue_filter *f = &j->plan.filter;
    enum queue_state state = queue__is_held(r) ? QUEUE_HELD : (enum queue_state)r->state;

    return (j->n_ids || queue_acts_on(&j->plan, state)) && (!f->flow || r->flow == f->flow) &&
           (!f->state || state == f->state) && (!f->event || r->event == f->event) &&
           (!f->fingerprint || c->fp == f->fingerprint) && (!f->cls || c->cls == f->cls) &&
           (!f->from_ms || r->received >= f->from_ms) && (!f->until_ms || r->received < f->until_ms);
}

static void touch(struct queue *q, struct job *j, const struct candidate *c)
{
    struct queue__change *ch = &q->changes[q->job_settle_n];
    struct tl_err err = {0};

    *ch = (struct queue__change){0};
    if (!queue__unit(q, c->id, &ch->row) || !wanted(j, &ch->row, c) || !by_itself(q, &ch->row))
        return;
    j->looked++;
    if (change(q, j, ch, &err) == TL_OK) {
        j->done++;
        q->job_settle_n++;
    } else if (q->txn_rc == TL_OK) {
        if (j->refused++ == 0) {
            j->refusal_rc = err.rc;
            (void)snprintf(j->refusal, sizeof(j->refusal), "%.199s", err.text);
        }
    }
}

bool queue__job_step(struct queue *q)
{
    struct candidate c[JOB_STEP];
    struct job j;
    bool end = true;
    size_t n;

    if (!read_job(q, &j)) {
        q->job_open = false;
        return false;
    }
    q->changes = q->changes ? q->changes : tl_reallocarray(NULL, JOB_STEP, sizeof(*q->changes));
    q->job_settle_n = 0;
    (void)snprintf(q->job_why, sizeof q->job_why, j.by[0] ? "%s%sby %s" : "%s", j.reason, j.reason[0] ? ", " : "",
                   j.by);
    n = candidates(q, &j, c, &end);
    for (size_t i = 0; i < n && q->txn_rc == TL_OK; i++)
        touch(q, &j, &c[i]);
    (void)RUN(q, JOB_SET, store_u64(j.id), store_u64(j.cursor), store_u64(j.looked), store_u64(j.done),
              store_u64(j.refused), store_int(j.refusal_rc), store_text(tl_sv_str(j.refusal)), store_int(end));
    tl_free(j.ids);
    return true;
}

void queue__load_jobs(struct queue *q)
{
    struct job j;

    q->job_open = read_job(q, &j);
    tl_free(j.ids);
}

/* ---- calls ---- */
struct job_op {
    struct op op;
    const struct queue_plan *plan;
    uint64_t id;
    struct queue_job *out;
};

static enum tl_rc start_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct job_op *j = TL_CONTAINER(op, struct job_op, op);
    const struct queue_plan *p = j->plan;
    const struct queue_filter *f = &p->filter;
    enum tl_rc rc = queue__bulk_filter(f, err);

    if (rc != TL_OK)
        return rc;
    if (p->action == QUEUE_MOVE && (!queue__flow(q, p->to_flow) || queue__flow(q, p->to_flow)->removed))
        return tl_fail(err, TL_NOT_FOUND, "there is no such flow to move to");
    j->id = queue__take_id(q);
    return RUN(q, JOB_ADD, store_u64(j->id), store_int(p->action), store_int(p->to_flow),
               store_int(p->include_superseded), store_int(f->flow), store_int(f->state), store_int(f->cls),
               store_u64(f->fingerprint), store_int(f->from_ms), store_int(f->until_ms), store_u64(f->event),
               f->n_ids ? store_blob(tl_sv((const char *)f->ids, f->n_ids * 8)) : store_null(),
               store_u64(p->last_id ? p->last_id : q->next_id), store_int(0), store_u64(p->matching), store_text(p->by),
               store_text(p->reason), store_int(queue__wall(q)), store_int(p->to_target));
}

static void start_settle(struct queue *q, struct op *op)
{
    (void)op;
    q->job_open = true;
}

static enum tl_rc get_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct job_op *j = TL_CONTAINER(op, struct job_op, op);
    struct store_val v[7];
    bool found = queue__start(q, SQL_JOB_GET, VALS(store_u64(j->id))) && queue__next(q, SQL_JOB_GET, v, 7);

    if (found) {
        *j->out = (struct queue_job){.id = j->id,
                                     .total = (uint64_t)v[0].i,
                                     .looked = (uint64_t)v[1].i,
                                     .done = (uint64_t)v[2].i,
                                     .refused = (uint64_t)v[3].i,
                                     .first_refusal = {.rc = (enum tl_rc)v[4].i},
                                     .ended = v[6].i != 0,
                                     .cancelled = v[6].i == 2};
        (void)snprintf(j->out->first_refusal.text, sizeof(j->out->first_refusal.text), "%.*s", TL_SV_ARG(v[5].s));
    }
    queue__end(q, SQL_JOB_GET);
    return found || q->txn_rc != TL_OK ? q->txn_rc : tl_fail(err, TL_NOT_FOUND, "there is no such job");
}

static enum tl_rc cancel_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct job_op *j = TL_CONTAINER(op, struct job_op, op);
    struct queue_job job;
    enum tl_rc rc;

    j->out = &job;
    rc = get_apply(q, op, err);
    if (rc != TL_OK)
        return rc;
    if (job.ended)
        return tl_fail(err, TL_CONFLICT, "the job has ended");
    return RUN(q, JOB_END, store_u64(j->id));
}

enum tl_rc queue_job_start(struct queue *q, struct task *task, const struct queue_plan *plan, uint64_t *ret_job,
                           struct tl_err *err)
{
    static const struct op_class cls = {.apply = start_apply, .settle = start_settle};
    struct job_op j = {.op = {.cls = &cls}, .plan = plan};
    enum tl_rc rc = queue__call(q, task, &j.op, err);

    if (rc == TL_OK)
        *ret_job = j.id;
    return rc;
}

enum tl_rc queue_job_get(struct queue *q, struct task *task, uint64_t job, struct queue_job *ret_job,
                         struct tl_err *err)
{
    static const struct op_class cls = {.apply = get_apply, .read = true};
    struct queue_job out;
    struct job_op j = {.op = {.cls = &cls}, .id = job, .out = &out};
    enum tl_rc rc = queue__call(q, task, &j.op, err);

    if (rc == TL_OK)
        *ret_job = out;
    return rc;
}

enum tl_rc queue_job_cancel(struct queue *q, struct task *task, uint64_t job, struct tl_err *err)
{
    static const struct op_class cls = {.apply = cancel_apply};
    struct job_op j = {.op = {.cls = &cls}, .id = job};

    return queue__call(q, task, &j.op, err);
}

/* ---- the list ---- */
static void job_row(struct tl_arena *arena, const struct store_val *v, struct queue_job_row *r)
{
    *r = (struct queue_job_row){.plan = {.action = (enum queue_action)v[1].i,
                                         .to_flow = (uint32_t)v[19].i,
                                         .filter = {.flow = (uint32_t)v[2].i,
                                                    .state = (enum queue_state)v[3].i,
                                                    .cls = (enum tl_class)v[4].i,
                                                    .fingerprint = (uint64_t)v[5].i,
                                                    .from_ms = v[6].i,
                                                    .until_ms = v[7].i,
                                                    .event = (uint64_t)v[8].i},
                                         .by = tl_arena_sv(arena, v[16].s),
                                         .reason = tl_arena_sv(arena, v[17].s)},
                                .chosen = v[9].i != 0,
                                .at_ms = v[18].i,
                                .job = {.id = (uint64_t)v[0].i,
                                        .total = (uint64_t)v[10].i,
                                        .looked = (uint64_t)v[11].i,
                                        .done = (uint64_t)v[12].i,
                                        .refused = (uint64_t)v[13].i,
                                        .ended = v[15].i != 0,
                                        .cancelled = v[15].i == 2}};
    (void)snprintf(r->job.first_refusal.text, sizeof(r->job.first_refusal.text), "%.*s", TL_SV_ARG(v[14].s));
}

enum tl_rc queue_jobs(struct queue_reader *r, struct tl_arena *arena, uint64_t before, size_t limit,
                      struct queue_job_row **ret_rows, size_t *ret_n, struct tl_err *err)
{
    struct queue_job_row *rows = tl_arena_alloc(arena, (limit + 1) * sizeof(*rows));
    struct store_val v[20];
    size_t n = 0;
    bool row = true;
    enum tl_rc rc;

    if (!rows)
        return tl_fail(err, TL_LIMIT, "more than can be shown at once");
    rc = store_query(r->st[READ_JOBS], VALS(store_u64(before ? before : INT64_MAX), store_u64(limit)), err);
    while (rc == TL_OK && n < limit) {
        rc = store_next(r->st[READ_JOBS], v, 20, &row, err);
        if (rc != TL_OK || !row)
            break;
        job_row(arena, v, &rows[n++]);
    }
    store_reset(r->st[READ_JOBS]);
    *ret_rows = rows;
    *ret_n = n;
    return rc;
}
