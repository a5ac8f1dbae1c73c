/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handing out. A connection serves the targets in its ring by deficit round robin, weighted by their flows' priority,
 * as long as its gate lets calls through. Work whose begin must be on disk first waits for the next commit; other
 * begins are written after LAZY_NS unless the end has come by then: most calls are over sooner, and cost one row less.
 * After a crash all that may have been out then is begun first, so that what brings the process down is found out.
 */
#include "queue/queue_int.h"

#define WORKS_KEPT 1024u

struct work *queue__work_new(struct queue *q, size_t n)
{
    struct work *w = n == 1 ? q->work_free : NULL;

    if (w) {
        q->work_free = w->next;
        q->n_work_free--;
        memset(w, 0, sizeof(*w));
    } else {
        w = tl_zalloc(sizeof(*w));
    }
    w->q = q;
    w->pub.n = n;
    if (n <= 1) {
        w->pub.claims = &w->one_claim;
        w->members = &w->one_member;
    } else {
        w->pub.claims = tl_zalloc(n * sizeof(*w->pub.claims));
        w->members = tl_zalloc(n * sizeof(*w->members));
    }
    return w;
}

void queue__work_free(struct queue *q, struct work *w)
{
    if (w->out_prev)
        w->out_prev->out_next = w->out_next;
    else if (q->out == w)
        q->out = w->out_next;
    if (w->out_next)
        w->out_next->out_prev = w->out_prev;
    for (size_t i = 0; i < w->pub.n; i++)
        queue__blob_unref(w->pub.claims[i].blob);
    if (w->pub.claims != &w->one_claim) {
        tl_free(w->pub.claims);
        tl_free(w->members);
    }
    tl_free(w->copy);
    tl_free(w->ticket);
    w->copy = w->ticket = NULL;
    if (w->pub.n <= 1 && q->n_work_free < WORKS_KEPT && w->pub.claims == &w->one_claim) {
        w->next = q->work_free;
        q->work_free = w;
        q->n_work_free++;
    } else {
        tl_free(w);
    }
}

void queue__list_add(struct work_list *list, struct work *w)
{
    w->next = NULL;
    w->prev = list->last;
    if (list->last)
        list->last->next = w;
    else
        list->first = w;
    list->last = w;
    list->n++;
}

void queue__list_remove(struct work_list *list, struct work *w)
{
    if (w->prev)
        w->prev->next = w->next;
    else
        list->first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        list->last = w->prev;
    w->prev = w->next = NULL;
    list->n--;
}

static void name_claim(struct queue_claim *c, struct lane *l, struct row *r)
{
    r->attempts++;
    if (r->attempts >= ATTEMPT_SPAN)
        r->attempts = ATTEMPT_SPAN - 1;
    *c = (struct queue_claim){
        .event = r->event,
        .delivery = r->id,
        .epoch = l->epoch,
        .attempt = r->attempts,
        .attempts_used = r->used,
        .target = r->target,
        .item = r->item,
        .revision = r->rev,
        .received_ms = r->received,
        .cause = r->cause,
        .replay_of = r->replay_of,
        .unknown_before = r->unknown > 0,
        .upload = r->upload,
        .upload_bytes = r->upload ? r->bytes : 0,
        .lane = l,
    };
}

/* Its bytes: those that are at hand, else from disk. */
static void fill_blob(struct queue *q, struct queue_claim *c, struct row *r, struct queue_blob *at_hand)
{
    if (at_hand) {
        c->blob = at_hand;
        atomic_fetch_add(&at_hand->refs, 1);
    } else {
        queue__read_begin(q);
        if (!queue__load_blob(q, r, &c->blob)) {
            c->unreadable = true;
            return;
        }
        c->upload = r->upload;
    }
    c->meta = tl_sv(c->blob->bytes, c->blob->meta_n);
    c->own_body = c->blob->own;
    c->body = c->upload ? TL_SV_NULL : tl_sv(c->blob->bytes + c->blob->meta_n, c->blob->body_n);
    if (c->blob->has_order)
        c->order_by = tl_sv(c->blob->bytes + c->blob->meta_n + c->blob->body_n, c->blob->order_n);
    if (c->blob->vars_n)
        c->vars = tl_sv(c->blob->bytes + c->blob->meta_n + c->blob->body_n + c->blob->order_n, c->blob->vars_n);
}

static void fill_claim(struct queue *q, struct work *w, size_t i, struct lane *l)
{
    queue__lane_unwait(q, l);
    l->epoch = ++q->epoch;
    w->members[i].lane = l;
    name_claim(&w->pub.claims[i], l, &l->row);
    fill_blob(q, &w->pub.claims[i], &l->row, l->blob);
    queue__lane_blob(q, l, NULL); /* a later attempt reads it again */
}

static void fill_follower(struct queue *q, struct work *w, size_t i, struct lane *l, const struct row *r)
{
    w->members[i] = (struct member){.lane = l, .row = *r, .follower = true};
    name_claim(&w->pub.claims[i], l, &w->members[i].row);
    fill_blob(q, &w->pub.claims[i], &w->members[i].row, NULL);
}

/* Ordered batches: what stands behind the head in its lane goes along, in order, as far as it could start by itself. */
static size_t fill_followers(struct queue *q, struct work *w, size_t i, size_t most, uint64_t *bytes)
{
    struct lane *l = w->members[i - 1].lane;
    uint64_t last = l->row.id;
    size_t n = 0;
    struct row r;

    if (!l->more || !l->row.keyed || l->row.ticket)
        return 0;
    queue__read_begin(q);
    while (n < most && queue__lane_after(q, l->row.lane, last, &r)) {
        bool ready = r.state == QUEUE_QUEUED || (r.state == QUEUE_RETRYING && r.next_at <= queue__wall(q));

        if (r.live != 1 || !ready || r.ticket || r.target != l->target->id ||
            *bytes + r.bytes > l->target->batch_bytes || (q->writing && r.id >= q->first_new_id))
            break;
        *bytes += r.bytes;
        last = r.id;
        fill_follower(q, w, i + n, l, &r);
        n++;
    }
    return n;
}

/* A long job of an ordered batch: the members that stand behind the one before, in its lane. */
static size_t fill_job_followers(struct queue *q, struct work *w, size_t i, size_t most, uint64_t ticket)
{
    struct lane *l = w->members[i - 1].lane;
    uint64_t last = l->row.id;
    size_t n = 0;
    struct row r;

    while (n < most && l->row.keyed && queue__lane_after(q, l->row.lane, last, &r) && r.live == 1 &&
           r.ticket == ticket) {
        last = r.id;
        fill_follower(q, w, i + n, l, &r);
        n++;
    }
    return n;
}

/* How many of its ready lanes one call may carry. */
static size_t batch_size(const struct target *t)
{
    size_t most = t->batch_now < t->batch_count ? t->batch_now : t->batch_count, n = 0;
    uint64_t bytes = 0;

    for (const struct lane *l = t->first; l && n < most; l = l->next) {
        if (n > 0 && (bytes + l->row.bytes > t->batch_bytes || l->row.ticket))
            break;
        bytes += l->row.bytes;
        n++;
        if (l->row.ticket)
            break;
    }
    return n;
}

/* A batch that is not full waits a little for more. */
static bool ripe(const struct queue *q, const struct target *t, uint64_t now, uint64_t *ret_wake)
{
    uint64_t at;

    (void)q;
    if (t->batch_count <= 1 || t->batch_now < t->batch_count || t->n_ready >= t->batch_count || t->first->row.ticket)
        return true;
    at = t->first->due_ns + t->batch_linger_ms * NS_PER_MS;
    if (at <= now)
        return true;
    if (at < *ret_wake)
        *ret_wake = at;
    return false;
}

/* The target whose turn it is; NULL: all of them let their batches linger. */
static struct target *round_robin(struct queue *q, struct conn *c, uint64_t *ret_wake)
{
    struct target *t = c->ring, *stop = NULL;
    uint64_t now = queue__now(q);

    while (t) {
        if (ripe(q, t, now, ret_wake)) {
            if (t->deficit <= 0)
                t->deficit += t->flow->priority;
            c->ring = t;
            return t;
        }
        if (!stop)
            stop = t;
        t = t->ring_next;
        if (t == stop)
            break;
    }
    return NULL;
}

static unsigned least_loaded(struct queue *q)
{
    unsigned best = 0;

    for (unsigned i = 1; i < q->o.n_loops; i++)
        if (q->loop_load[i] < q->loop_load[best])
            best = i;
    return best;
}

void queue__send_out(struct queue *q, struct work *w)
{
    w->pub.loop = least_loaded(q);
    q->loop_load[w->pub.loop]++;
    w->started_ns = queue__now(q);
    queue__list_add(&q->go, w);
}

/* All members of a long job that are not running: the work asks after the job for all of them at once. */
static struct work *gather_job(struct queue *q, struct target *t)
{
    uint64_t ticket = t->first->row.ticket, *ids = NULL;
    size_t n = 0, cap = 0, k = 0;
    struct store_val v[4];
    struct work *w;

    queue__read_begin(q);
    if (queue__start(q, SQL_MEMBER_ALL, VALS(store_u64(ticket))))
        while (queue__next(q, SQL_MEMBER_ALL, v, 1)) {
            if (n == cap)
                ids = tl_reallocarray(ids, cap = cap ? cap * 2 : 16, sizeof(*ids));
            ids[n++] = (uint64_t)v[0].i;
        }
    queue__end(q, SQL_MEMBER_ALL);
    w = queue__work_new(q, n ? n : 1);
    for (size_t i = 0; i < n; i++) {
        struct row row;
        struct lane *l;

        if (!queue__unit(q, ids[i], &row) || row.ticket != ticket)
            continue;
        l = queue__lane_find(q, row.lane);
        if (!l) {
            l = queue__lane_new(q, t, row.lane);
            l->row = row;
            l->more = true;
        }
        if (l->row.id == row.id && !(l->where == LANE_OUT && l->epoch != 0 && l != t->first)) {
            fill_claim(q, w, k++, l);
            k += fill_job_followers(q, w, k, n - k, ticket);
        }
    }
    tl_free(ids);
    w->pub.n = k;
    w->pub.kind = QUEUE_WORK_RESUME;
    w->pub.ticket_id = ticket;
    w->ticket_known = true;
    if (queue__start(q, SQL_TICKET_GET, VALS(store_u64(ticket))) && queue__next(q, SQL_TICKET_GET, v, 4))
        queue__take_ticket(q, w, v[3].i != 0, v[2].s);
    queue__end(q, SQL_TICKET_GET);
    return w;
}

static struct work *gather_ordered(struct queue *q, struct target *t)
{
    size_t most = t->batch_now < t->batch_count ? t->batch_now : t->batch_count, n = 0;
    struct work *w = queue__work_new(q, most);
    uint64_t bytes = 0;

    while (t->first && n < most && !t->first->row.ticket && (n == 0 || bytes + t->first->row.bytes <= t->batch_bytes)) {
        bytes += t->first->row.bytes;
        fill_claim(q, w, n++, t->first);
        n += fill_followers(q, w, n, most - n, &bytes);
    }
    w->pub.n = n;
    w->pub.kind = QUEUE_WORK_DELIVER;
    return w;
}

static struct work *gather_heads(struct queue *q, struct target *t)
{
    size_t n = batch_size(t);
    struct work *w;

    if (t->ordered && t->batch_count > 1 && !t->expand)
        return gather_ordered(q, t);
    w = queue__work_new(q, n);

    for (size_t i = 0; i < n; i++)
        fill_claim(q, w, i, t->first);
    w->pub.kind = t->expand ? QUEUE_WORK_EXPAND : QUEUE_WORK_DELIVER;
    return w;
}

/* The permit is in hand: from now on the work is out. */
void queue__work_start(struct queue *q, struct work *w, struct conn *c, bool probe)
{
    w->conn = c;
    w->pub.connection = c->id;
    w->pub.config_version = q->config_version;
    w->pub.probe = probe;
    w->started_ms = queue__wall(q);
    c->running++;
    c->calls++;
    atomic_fetch_add(&q->works_out, 1);
    w->out_next = q->out;
    if (q->out)
        q->out->out_prev = w;
    q->out = w;
}

static bool may_have_crashed(const struct queue *q, const struct work *w)
{
    for (size_t i = 0; i < w->pub.n; i++)
        if (w->pub.claims[i].delivery < q->careful_below)
            return true;
    return false;
}

static void start_work(struct queue *q, struct conn *c, struct target *t, bool probe)
{
    struct work *w = t->first->row.ticket ? gather_job(q, t) : gather_heads(q, t);

    w->target = t;
    t->deficit = probe ? 0 : t->deficit - 1; /* a call, as limits count too, however much is in it; the next probe is
                                                another target's */
    if (t->deficit <= 0 && c->ring == t)
        c->ring = t->ring_next; /* its turn is over */
    w->pub.flow = t->flow->id;
    w->pub.target = t->id;
    t->flow->running += (uint32_t)w->pub.n;
    queue__work_start(q, w, c, probe);
    if (w->pub.kind == QUEUE_WORK_RESUME || (t->idempotent && !may_have_crashed(q, w)))
        queue__send_out(q, w);
    else
        queue__list_add(&q->begins, w);
}

/* A probe that goes out in between does not begin the time anew, only a call that went well does. */
static void waits_for(struct queue *q, struct conn *c, enum queue_held why)
{
    if (why != QUEUE_HELD_NONE && (why != c->why_last || c->ok_at >= c->why_at)) {
        c->why_last = why;
        c->why_at = queue__wall(q);
    }
    c->why = why;
}

static void serve(struct queue *q, struct conn *c)
{
    uint64_t wake = UINT64_MAX;
    enum queue_held why;
    bool probe = false;

    while (c->ring || c->first_permit) {
        bool permit = c->first_permit && (c->permit_next || !c->ring);
        struct target *t = permit ? NULL : round_robin(q, c, &wake);

        permit = permit || (!t && c->first_permit);
        if (!t && !permit) {
            c->wake_ns = wake;
            waits_for(q, c, QUEUE_HELD_NONE);
            return;
        }
        if (!queue__gate_take(q, c, &wake, &why, &probe)) {
            waits_for(q, c, why);
            c->wake_ns = wake;
            return;
        }
        c->wake_ns = 0;
        c->permit_next = !permit;
        if (probe && c->has_probe)
            queue__probe(q, c);
        else if (permit)
            queue__permit_grant(q, c, probe);
        else
            start_work(q, c, t, probe);
        if (q->txn_rc != TL_OK)
            return;
    }
    waits_for(q, c, QUEUE_HELD_NONE);
    c->wake_ns = 0;
}

void queue__schedule(struct queue *q)
{
    uint64_t now = queue__now(q);
    struct lane *l;

    while ((l = queue__due_top(q)) != NULL && l->due_ns <= now) {
        queue__lane_unwait(q, l);
        queue__lane_ready(q, l, true);
    }
    for (size_t i = 1; i <= q->n_conns; i++)
        if (q->conns[i] && q->conns[i]->first_further &&
            (q->conns[i]->further_ns <= now || !atomic_load(&q->dispatch_on)))
            queue__furthers_serve(q, q->conns[i], !atomic_load(&q->dispatch_on));
    if (!atomic_load(&q->dispatch_on) || atomic_load(&q->fatal) || q->full) {
        for (size_t i = 1; i <= q->n_conns && !q->full; i++)
            if (q->conns[i] && q->conns[i]->first_permit)
                queue__permits_expire(q, q->conns[i], true);
        return;
    }
    queue__start_aborts(q);
    serve(q, &q->internal);
    for (size_t i = 1; i <= q->n_conns; i++) {
        struct conn *c = q->conns[i];

        if (c && (c->ring || c->first_permit))
            serve(q, c);
        if (c && c->first_permit)
            queue__permits_expire(q, c, false);
    }
}

uint64_t queue__next_wake(struct queue *q)
{
    uint64_t now = queue__now(q), at = q->disk_next_ns;
    int64_t wall = queue__wall(q);
    struct lane *top = queue__due_top(q);

    if (top && top->due_ns < at)
        at = top->due_ns;
    if (q->full && q->full_until_ns < at)
        at = q->full_until_ns;
    if (!q->full && q->lazy.first && q->lazy.first->started_ns + LAZY_NS < at)
        at = q->lazy.first->started_ns + LAZY_NS;
    if (q->aborts && q->abort_next_ns < at)
        at = q->abort_next_ns;
    for (size_t i = 1; i <= q->n_conns; i++) {
        struct conn *c = q->conns[i];

        if (c && (c->ring || c->first_permit) && c->wake_ns > now && c->wake_ns < at)
            at = c->wake_ns;
        if (c && c->first_further && c->further_ns < at)
            at = c->further_ns;
        if (c && c->first_permit && queue__permits_wake(c) < at)
            at = queue__permits_wake(c);
        if (c && c->try_ns && c->try_ns < at)
            at = c->try_ns;
    }
    if (q->internal.ring && q->internal.wake_ns > now && q->internal.wake_ns < at)
        at = q->internal.wake_ns;
    for (size_t i = 1; i <= q->n_targets; i++) {
        struct target *t = q->targets[i];
        int64_t ms = t && t->away_next != INT64_MAX ? t->away_next - wall - (int64_t)(NEAR_NS / NS_PER_MS) : INT64_MAX;

        if (ms != INT64_MAX && !t->removed && (ms <= 0 ? now : now + (uint64_t)ms * NS_PER_MS) < at)
            at = ms <= 0 ? now + 50 * NS_PER_MS : now + (uint64_t)ms * NS_PER_MS;
    }
    for (size_t i = 1; i <= q->n_flows; i++)
        if (q->flows[i] && q->flows[i]->try_ns && q->flows[i]->try_ns < at)
            at = q->flows[i]->try_ns;
    return at;
}

static void write_begin(struct queue *q, struct work *w)
{
    if (w->pub.n > 1 && w->call_id == 0)
        w->call_id = queue__take_id(q);
    for (size_t i = 0; i < w->pub.n; i++) {
        const struct queue_claim *c = &w->pub.claims[i];

        (void)RUN(q, ATTEMPT_BEGIN, store_u64(c->delivery * ATTEMPT_SPAN + c->attempt), store_u64(c->epoch),
                  store_int(w->started_ms), w->call_id ? store_u64(w->call_id) : store_null());
    }
}

bool queue__lazy_due(const struct queue *q)
{
    return q->lazy.first && q->lazy.first->started_ns + LAZY_NS <= queue__now(q);
}

/* In the transaction: begins that are waited for, and those of works that have been running for a while. */
enum tl_rc queue__write_begins(struct queue *q)
{
    uint64_t now = queue__now(q);

    q->lazy_until_ns = now > LAZY_NS ? now - LAZY_NS : 0;
    for (struct work *w = q->begins.first; w; w = w->next)
        write_begin(q, w);
    for (struct work *w = q->lazy.first; w && w->started_ns <= q->lazy_until_ns; w = w->next)
        write_begin(q, w);
    return q->txn_rc;
}

void queue__begins_written(struct queue *q)
{
    struct work *w, *next;

    while ((w = q->lazy.first) != NULL && w->started_ns <= q->lazy_until_ns) {
        queue__list_remove(&q->lazy, w);
        w->begun = true;
        w->lazy = false;
    }
    for (w = q->begins.first; w; w = next) {
        next = w->next;
        w->begun = true;
        if (w->waits)
            queue__permit_ready(q, w);
        else
            queue__send_out(q, w);
    }
    q->begins = (struct work_list){0};
}

void queue__hand_out(struct queue *q)
{
    struct work *w, *next;
    struct queue_work **tails[64], *firsts[64] = {0};
    unsigned n = q->o.n_loops;

    if (!q->go.first || q->full)
        return;
    for (unsigned i = 0; i < n; i++)
        tails[i] = &firsts[i];
    for (w = q->go.first; w; w = next) {
        next = w->next;
        w->prev = w->next = NULL;
        w->pub.next = NULL;
        if (!w->begun) {
            w->lazy = true;
            queue__list_add(&q->lazy, w);
        }
        *tails[w->pub.loop] = &w->pub;
        tails[w->pub.loop] = &w->pub.next;
    }
    q->go = (struct work_list){0};
    for (unsigned i = 0; i < n; i++)
        if (firsts[i])
            q->o.dispatch(q->o.arg, i, firsts[i]);
}
