/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flows, targets and connections. Names get small numbers once and for ever; the objects live until the ledger is
 * closed, so what runs can point to them while the configuration changes around it.
 */
#include "queue/queue_int.h"

static void *slot(void *array, size_t *n, uint32_t id)
{
    void **a = array;
    size_t old;

    if (id <= *n && a)
        return a;
    old = a ? *n + 1 : 0;
    a = tl_reallocarray(a, (size_t)id + 1, sizeof(void *));
    for (size_t i = old; i <= id; i++)
        a[i] = NULL;
    *n = id;
    return a;
}

static struct flow *flow_add(struct queue *q, uint32_t id, struct tl_sv name)
{
    struct flow *f = tl_zalloc(sizeof(*f));

    q->flows = slot(q->flows, &q->n_flows, id);
    q->flows[id] = f;
    f->id = id;
    f->name = tl_strndup(name.p, name.n);
    f->priority = 1;
    f->trip_row = 20;
    f->trip_of = 200;
    f->removed = true;
    return f;
}

static struct target *target_add(struct queue *q, uint32_t id, struct flow *f, struct tl_sv name)
{
    struct target *t = tl_zalloc(sizeof(*t));

    q->targets = slot(q->targets, &q->n_targets, id);
    q->targets[id] = t;
    t->id = id;
    t->name = tl_strndup(name.p, name.n);
    t->flow = f;
    t->conn = &q->internal;
    t->batch_count = t->batch_now = 1;
    t->removed = true;
    t->expand = name.n == 0;
    t->next_of_flow = f->targets;
    f->targets = t;
    if (t->expand)
        f->expand = NULL;
    queue__rescan(q, t);
    return t;
}

static struct conn *conn_add(struct queue *q, uint32_t id, struct tl_sv name, uint64_t identity)
{
    struct conn *c = tl_zalloc(sizeof(*c));

    q->conns = slot(q->conns, &q->n_conns, id);
    q->conns[id] = c;
    c->id = id;
    c->name = tl_strndup(name.p, name.n);
    c->identity = c->identity_new = identity;
    c->removed = true;
    c->guard = guard_new(&(struct guard_conf){0});
    return c;
}

static void copy_text(struct queue *q, char *to, size_t n, struct place p, const struct store_val *v)
{
    struct tl_sv s;

    (void)queue__open_val(q, p, v->type == STORE_BLOB, v->s, &s);
    (void)snprintf(to, n, "%.*s", TL_SV_ARG(s));
}

static void load_flows(struct queue *q)
{
    struct store_val v[8];

    if (queue__start(q, SQL_FLOW_ALL, NULL, 0))
        while (queue__next(q, SQL_FLOW_ALL, v, 8)) {
            struct flow *f = flow_add(q, (uint32_t)v[0].i, v[1].s);

            f->gone = v[2].i != 0;
            f->block = v[3].i != 0;
            f->held = (enum queue_held)v[4].i;
            copy_text(q, f->held_text, sizeof(f->held_text), PLACE(FLOW, .id = f->id), &v[5]);
            f->held_at = v[6].i;
            f->held_fp = (uint64_t)v[7].i;
        }
    queue__end(q, SQL_FLOW_ALL);
    if (queue__start(q, SQL_TARGET_ALL, NULL, 0))
        while (queue__next(q, SQL_TARGET_ALL, v, 5)) {
            struct target *t = target_add(q, (uint32_t)v[0].i, queue__flow(q, (uint32_t)v[1].i), v[2].s);

            t->meant = (uint32_t)v[3].i;
            t->identity = (uint64_t)v[4].i;
        }
    queue__end(q, SQL_TARGET_ALL);
}

static void load_counts(struct queue *q)
{
    struct store_val v[1 + 7 + 6 + TL_CLASS_COUNT];

    if (queue__start(q, SQL_COUNT_ALL, NULL, 0))
        while (queue__next(q, SQL_COUNT_ALL, v, TL_COUNT(v))) {
            struct flow *f = queue__flow(q, (uint32_t)v[0].i);
            size_t n = 1;

            for (unsigned i = QUEUE_QUEUED; f && i <= QUEUE_DISCARDED; i++)
                f->count[i] = v[n++].i;
            for (unsigned i = N_EVENTS; f && i < N_SAVED; i++)
                f->count[i] = v[n++].i;
        }
    queue__end(q, SQL_COUNT_ALL);
}

enum tl_rc queue__load_names(struct queue *q, struct tl_err *err)
{
    struct store_val v[7];

    load_flows(q);
    load_counts(q);
    if (queue__start(q, SQL_CONN_ALL, NULL, 0))
        while (queue__next(q, SQL_CONN_ALL, v, 7)) {
            struct conn *c = conn_add(q, (uint32_t)v[0].i, v[1].s, (uint64_t)v[2].i);

            c->gone = v[3].i != 0;
            c->held = (enum queue_held)v[4].i;
            copy_text(q, c->held_text, sizeof(c->held_text), PLACE(CONNECTION, .id = c->id), &v[5]);
            c->held_at = v[6].i;
        }
    queue__end(q, SQL_CONN_ALL);
    for (size_t i = 1; i <= q->n_conns; i++)
        if (q->conns[i])
            queue__gate_load(q, q->conns[i]);
    if (q->txn_rc != TL_OK && err)
        *err = q->txn_err;
    return q->txn_rc;
}

static void flow_drop(struct flow *f)
{
    if (f)
        tl_free(f->name);
    tl_free(f);
}

static void target_free(struct target *t)
{
    if (t)
        tl_free(t->name);
    tl_free(t);
}

static void target_drop(struct target *t)
{
    struct target **at = t ? &t->flow->targets : NULL;

    while (at && *at != t)
        at = &(*at)->next_of_flow;
    if (at)
        *at = t->next_of_flow;
    target_free(t);
}

static void conn_drop(struct conn *c)
{
    if (c) {
        guard_free(c->guard);
        tl_buf_done(&c->guard_before);
        tl_free(c->name);
    }
    tl_free(c);
}

void queue__free_names(struct queue *q)
{
    for (size_t i = 1; i <= q->n_flows && q->flows; i++)
        flow_drop(q->flows[i]);
    for (size_t i = 1; i <= q->n_targets && q->targets; i++)
        target_free(q->targets[i]);
    for (size_t i = 1; i <= q->n_conns && q->conns; i++)
        conn_drop(q->conns[i]);
    tl_free(q->flows);
    tl_free(q->targets);
    tl_free(q->conns);
}

/* ---- finding and numbering ---- */
static struct flow *flow_named(struct queue *q, struct tl_sv name)
{
    for (size_t i = 1; i <= q->n_flows; i++)
        if (q->flows[i] && tl_sv_eqs(name, q->flows[i]->name))
            return q->flows[i];
    return NULL;
}

static struct target *target_named(struct flow *f, struct tl_sv name)
{
    for (struct target *t = f->targets; t; t = t->next_of_flow)
        if (tl_sv_eqs(name, t->name))
            return t;
    return NULL;
}

static struct conn *conn_named(struct queue *q, struct tl_sv name)
{
    for (size_t i = 1; i <= q->n_conns; i++)
        if (q->conns[i] && tl_sv_eqs(name, q->conns[i]->name))
            return q->conns[i];
    return NULL;
}

/* A flow that had one target and has one is the same flow: the one takes over the other's place, and with it what
 * waits there. Where it had several nobody can know which. NULL: the target is there by its name, or is new. */
static struct target *heir(struct queue *q, struct flow *f, const struct queue_flow_def *d)
{
    struct target *was = NULL, *is = NULL;
    size_t n_was = 0, n_is = 0;

    if (d->n_targets != 1 || target_named(f, d->targets[0].name))
        return NULL;
    for (struct target *t = f->targets; t; t = t->next_of_flow) {
        if (t->expand)
            continue;
        was = t;
        n_was++;
        if (!t->removed) {
            is = t;
            n_is++;
        }
    }
    if (n_is)
        return n_is == 1 ? is : NULL;
    return n_was == 1 && !q->config_version ? was : NULL;
}

static struct target *target_of(struct queue *q, struct flow *f, const struct queue_flow_def *d, size_t k)
{
    struct target *t = target_named(f, d->targets[k].name);

    return t ? t : heir(q, f, d);
}

/* With those that a person holds: they go there too, some day. */
static uint64_t live_of_target(struct queue *q, const struct target *t)
{
    struct store_val v;
    uint64_t n = queue__one(q, SQL_READY_COUNT, VALS(store_int(t->id)), &v, 1) ? (uint64_t)v.i : 0;

    if (t->flow->count[QUEUE_HELD] > 0 && queue__one(q, SQL_HELD_COUNT, VALS(store_int(t->id)), &v, 1))
        n += (uint64_t)v.i;
    return n;
}

struct config_op {
    struct op op;
    struct queue_config *c;
    struct queue_config_answer a;
    bool dry_run, numbered;
    size_t n_flows, n_targets, n_conns; /* before it */
};

static uint64_t live_of(struct queue *q, const struct flow *f)
{
    (void)q;
    return (uint64_t)(f->count[QUEUE_QUEUED] + f->count[QUEUE_RETRYING]);
}

/* By the names in the new configuration: at the start no target knows its connection yet. */
static uint64_t live_of_conn(struct queue *q, const struct queue_config *c, struct tl_sv name)
{
    uint64_t n = 0;

    for (size_t i = 0; i < c->n_flows; i++) {
        struct flow *f = flow_named(q, c->flows[i].name);

        for (size_t k = 0; f && k < c->flows[i].n_targets; k++) {
            struct target *t = target_of(q, f, &c->flows[i], k);

            if (t && tl_sv_eq(c->flows[i].targets[k].connection, name))
                n += live_of_target(q, t);
        }
    }
    return n;
}

static bool names_flow(const struct queue_config *c, const char *name)
{
    for (size_t i = 0; i < c->n_flows; i++)
        if (tl_sv_eqs(c->flows[i].name, name))
            return true;
    return false;
}

static bool names_conn(const struct queue_config *c, const char *name)
{
    for (size_t i = 0; i < c->n_connections; i++)
        if (tl_sv_eqs(c->connections[i].name, name))
            return true;
    return false;
}

static const struct queue_connection_def *def_of_conn(const struct queue_config *c, struct tl_sv name)
{
    for (size_t i = 0; i < c->n_connections && name.n; i++)
        if (tl_sv_eq(c->connections[i].name, name))
            return &c->connections[i];
    return NULL;
}

static const struct conn *meant_conn(struct queue *q, const struct target *t)
{
    return t->meant ? queue__conn(q, t->meant) : conn_named(q, tl_sv_str(t->name)); /* 0: of an older version */
}

/* How many wait in it that were meant for another system than that of its connection in the new configuration, where
 * that is another connection. That one and the same connection leads elsewhere is its own matter. */
static uint64_t meant_for_another(struct queue *q, const struct target *t, const struct queue_connection_def *d)
{
    const struct conn *m = meant_conn(q, t);

    if (!d || !m || d->accept_identity || (tl_sv_eqs(d->name, m->name) && !t->identity) ||
        d->identity == (t->identity ? t->identity : m->identity))
        return 0;
    return live_of_target(q, t);
}

static bool defines_target(const struct queue_flow_def *d, const struct target *t)
{
    for (size_t k = 0; k < d->n_targets; k++)
        if (tl_sv_eqs(d->targets[k].name, t->name))
            return true;
    return t->expand; /* what waits for steps goes on, whether there are any or not */
}

static void count_targets(struct queue *q, struct config_op *op, const struct queue_flow_def *d, struct flow *f)
{
    const struct target *next = heir(q, f, d);

    for (struct target *t = f->targets; t; t = t->next_of_flow) {
        if (t != next && !defines_target(d, t))
            op->a.held_flow_removed += live_of_target(q, t);
        else if (t->removed && !f->removed && q->config_version)
            op->a.released += live_of_target(q, t);
    }
    for (size_t k = 0; k < d->n_targets; k++) {
        const struct target *t = target_of(q, f, d, k);

        if (t)
            op->a.held_identity += meant_for_another(q, t, def_of_conn(op->c, d->targets[k].connection));
    }
}

/* What will change, counted before anything does. At the start every flow counts as gone until it is named. */
static void count_answer(struct queue *q, struct config_op *op)
{
    struct queue_config *c = op->c;
    struct queue_config_answer *a = &op->a;

    *a = (struct queue_config_answer){0};
    for (size_t i = 1; i <= q->n_flows; i++) {
        struct flow *f = q->flows[i];
        bool named = f && names_flow(c, f->name);

        if (!f)
            continue;
        a->live += live_of(q, f);
        if (named && f->removed && q->config_version)
            a->flows_back++;
        if (named && f->removed)
            a->released += q->config_version ? live_of(q, f) : 0;
        if (!named) {
            a->flows_removed += !f->removed;
            a->held_flow_removed += live_of(q, f);
        }
    }
    for (size_t i = 0; i < c->n_flows; i++) {
        struct flow *f = flow_named(q, c->flows[i].name);

        a->flows_added += f == NULL;
        if (f)
            count_targets(q, op, &c->flows[i], f);
    }
    for (size_t i = 1; i <= q->n_conns; i++)
        a->connections_removed += q->conns[i] && !q->conns[i]->removed && !names_conn(c, q->conns[i]->name);
    for (size_t i = 0; i < c->n_connections; i++) {
        struct conn *old = conn_named(q, c->connections[i].name);

        a->connections_added += old == NULL;
        if (old && old->identity != c->connections[i].identity && !c->connections[i].accept_identity)
            a->held_identity += live_of_conn(q, c, c->connections[i].name);
    }
}

static void number_conns(struct queue *q, struct queue_config *c)
{
    for (size_t i = 0; i < c->n_connections; i++) {
        struct queue_connection_def *d = &c->connections[i];
        struct conn *old = conn_named(q, d->name);
        struct store_val v;

        if (!old && queue__one(q, SQL_CONN_ADD, VALS(store_text(d->name), store_u64(d->identity)), &v, 1))
            old = conn_add(q, (uint32_t)v.i, d->name, d->identity);
        d->ret_id = old ? old->id : 0;
    }
}

static uint32_t number_target(struct queue *q, struct flow *f, struct target *t, struct tl_sv name)
{
    struct store_val v;

    if (t && !tl_sv_eqs(name, t->name)) /* in memory when that is committed: set_target */
        (void)RUN(q, TARGET_NAME, store_int(t->id), store_text(name));
    if (!t && queue__one(q, SQL_TARGET_ADD, VALS(store_int(f->id), store_text(name.p ? name : TL_SV(""))), &v, 1))
        t = target_add(q, (uint32_t)v.i, f, name.p ? name : TL_SV(""));
    return t ? t->id : 0;
}

static void number_flows(struct queue *q, struct queue_config *c)
{
    for (size_t i = 0; i < c->n_flows && q->txn_rc == TL_OK; i++) {
        struct queue_flow_def *d = &c->flows[i];
        struct flow *f = flow_named(q, d->name);
        struct store_val v;

        d->ret_back = f && queue__is_gone(q, f->removed, f->gone);
        if (!f && queue__one(q, SQL_FLOW_ADD, VALS(store_text(d->name)), &v, 1))
            f = flow_add(q, (uint32_t)v.i, d->name);
        if (!f)
            return;
        d->ret_id = f->id;
        if (d->expand)
            (void)number_target(q, f, target_named(f, TL_SV("")), TL_SV(""));
        for (size_t k = 0; k < d->n_targets; k++)
            d->targets[k].ret_id = number_target(q, f, target_of(q, f, d, k), d->targets[k].name);
    }
}

/* New numbers are given in the transaction and the objects made with them: the last ones, so a failed commit can take
 * them back. */
static void config_undo(struct queue *q, struct op *op)
{
    struct config_op *k = TL_CONTAINER(op, struct config_op, op);

    if (!k->numbered)
        return;
    for (size_t i = 1; i <= q->n_flows; i++)
        if (q->flows[i] && q->flows[i]->unblocked) {
            q->flows[i]->unblocked = false;
            q->flows[i]->block = true;
        }
    for (; q->n_targets > k->n_targets; q->n_targets--)
        target_drop(q->targets[q->n_targets]);
    for (; q->n_flows > k->n_flows; q->n_flows--)
        flow_drop(q->flows[q->n_flows]);
    for (; q->n_conns > k->n_conns; q->n_conns--)
        conn_drop(q->conns[q->n_conns]);
}

static enum tl_rc config_apply(struct queue *q, struct op *op, struct tl_err *err)
{
    struct config_op *k = TL_CONTAINER(op, struct config_op, op);

    for (size_t i = 0; i < k->c->n_flows; i++)
        for (size_t t = 0; t < k->c->flows[i].n_targets; t++) {
            struct tl_sv name = k->c->flows[i].targets[t].connection;
            bool known = name.n == 0;

            for (size_t j = 0; j < k->c->n_connections; j++)
                known = known || tl_sv_eq(k->c->connections[j].name, name);
            if (!known)
                return tl_fail(err, TL_CONFIG, "flow %.*s names the connection %.*s, which is not defined",
                               TL_SV_ARG(k->c->flows[i].name), TL_SV_ARG(name));
        }
    count_answer(q, k);
    if (k->dry_run)
        return q->txn_rc;
    k->numbered = true;
    k->n_flows = q->n_flows;
    k->n_targets = q->n_targets;
    k->n_conns = q->n_conns;
    number_conns(q, k->c);
    number_flows(q, k->c);
    for (size_t i = 0; i < k->c->n_flows && q->txn_rc == TL_OK; i++) {
        struct flow *f = queue__flow(q, k->c->flows[i].ret_id);

        if (f->block && !k->c->flows[i].block_on_dead) {
            (void)RUN(q, LINE_UNBLOCK, store_int(f->id));
            (void)RUN(q, UNBLOCK, store_int(f->id));
            f->block = false;
            f->unblocked = true;
        }
    }
    return q->txn_rc;
}

/* ---- taking effect ---- */
static void set_target(struct queue *q, struct target *t, const struct queue_target_def *d, struct conn *c)
{
    if (t->ring_next) { /* out of the old connection's ring first */
        t->removed = true;
        queue__ring_update(q, t);
    }
    t->removed = t->stranded = false;
    t->conn = c;
    if (!tl_sv_eqs(d->name, t->name)) {
        tl_free(t->name);
        t->name = tl_strndup(d->name.p, d->name.n);
    }
    if (!t->elsewhere && (t->meant != c->id || t->identity)) {
        t->meant = c->id;
        t->identity = 0;
        t->save = true;
    }
    t->idempotent = d->idempotent;
    t->keyed = d->keyed;
    t->ordered = d->ordered_batch;
    t->batch_count = d->batch_count ? d->batch_count : 1;
    t->batch_now = t->batch_count;
    t->batch_linger_ms = d->batch_linger_ms ? d->batch_linger_ms : 20;
    t->batch_bytes = d->batch_bytes ? d->batch_bytes : 4u * 1024 * 1024;
    t->retry = d->retry ? *d->retry : (struct guard_retry){0};
}

static void set_flow(struct queue *q, const struct queue_flow_def *d)
{
    struct flow *f = queue__flow(q, d->ret_id);
    bool unblocked = f->unblocked;
    struct target *steps = target_named(f, TL_SV(""));

    f->removed = false;
    f->block = d->block_on_dead;
    f->unblocked = false;
    f->priority = d->priority ? d->priority : 1;
    f->trip_row = d->trip_in_a_row ? d->trip_in_a_row : 20;
    f->trip_of = d->trip_half_of ? d->trip_half_of : 200;
    f->trip_of = f->trip_of > TRIP_RING_MAX ? TRIP_RING_MAX : f->trip_of;
    f->save = true;
    f->expand = f->steps_left = NULL;
    f->only = d->n_targets ? queue__target(q, d->targets[0].ret_id) : NULL;
    if (steps) { /* also where none are made any more: those that wait go on */
        f->expand = d->expand ? steps : NULL;
        f->steps_left = !d->expand && (f->block || live_of_target(q, steps)) ? steps : NULL;
        set_target(q, steps, &(struct queue_target_def){.idempotent = true, .retry = d->retry}, &q->internal);
    }
    for (size_t i = 0; i < d->n_targets; i++) {
        struct conn *c = d->targets[i].connection.n ? conn_named(q, d->targets[i].connection) : &q->internal;

        set_target(q, queue__target(q, d->targets[i].ret_id), &d->targets[i], c);
    }
    if (f->held == QUEUE_HELD_FLOW_CONFIG) /* the new configuration may be the cure */
        queue__free_flow(q, f);
    for (struct target *t = f->targets; t; t = t->next_of_flow) {
        t->ends.at = t->ends.n = 0; /* trip_of may be another */
        if (!t->in_window || unblocked)
            queue__rescan(q, t);
        queue__ring_update(q, t);
    }
}

static void set_conn(struct queue *q, const struct queue_config *config, const struct queue_connection_def *d)
{
    struct conn *c = queue__conn(q, d->ret_id);

    c->removed = false;
    c->save = true;
    c->wake_ns = 0;
    c->has_probe = d->has_probe;
    c->identity_new = d->identity;
    queue__gate_set(q, c, d->guard ? d->guard : &(struct guard_conf){0});
    if (c->held == QUEUE_HELD_CONNECTION_AUTH)
        queue__free_conn(q, c);
    if (c->identity == d->identity || d->accept_identity || live_of_conn(q, config, d->name) == 0) {
        c->identity = d->identity;
        queue__hold_identity(q, c, false);
    } else {
        queue__hold_identity(q, c, true);
    }
}

/* Before anything else takes effect: what the connections led to until now is asked for. */
static void set_elsewhere(struct queue *q, const struct queue_config *config)
{
    for (size_t i = 0; i < config->n_flows; i++) {
        const struct queue_flow_def *d = &config->flows[i];

        for (size_t k = 0; k < d->n_targets; k++) {
            struct target *t = queue__target(q, d->targets[k].ret_id);
            bool before = t->elsewhere;

            t->elsewhere = meant_for_another(q, t, def_of_conn(config, d->targets[k].connection)) > 0;
            if (t->elsewhere && !t->identity) {
                t->meant = meant_conn(q, t)->id;
                t->identity = queue__conn(q, t->meant)->identity;
                t->save = true;
            }
            if (t->elsewhere && !before)
                queue__notice(q, queue_held_name(QUEUE_HELD_TARGET_CHANGED), t->flow, NULL, TARGET_CHANGED_TEXT);
        }
    }
}

static void remove_targets(struct queue *q, bool all, struct flow *f)
{
    for (struct target *t = f->targets; t; t = t->next_of_flow) {
        bool known = t->stranded;

        if (!all && !t->removed)
            continue;
        t->removed = true;
        t->elsewhere = false;
        t->stranded = live_of_target(q, t) > 0;
        queue__ring_update(q, t);
        queue__flush(q, t);
        if (!all && t->stranded && !known)
            queue__notice(q, "flow_removed", f, NULL, STRANDED_TEXT);
    }
}

/* Someone who keeps less now may be in want of space. */
static void set_keep(struct queue *q, const struct queue_keep *k)
{
    if (k->final_ms < q->o.keep_final_ms || k->key_ms < q->o.keep_key_ms)
        q->sweep_next_ns = 0;
    if (k->key_ms < q->o.keep_key_ms)
        q->keys_next_ms = 0;
    q->o.keep_final_ms = k->final_ms;
    q->o.keep_key_ms = k->key_ms;
    q->o.reserve_bytes = k->reserve_bytes;
    q->disk_next_ns = 0;
}

static void config_settle(struct queue *q, struct op *op)
{
    struct config_op *k = TL_CONTAINER(op, struct config_op, op);

    if (k->dry_run)
        return;
    q->config_version = k->c->version ? k->c->version : q->config_version + 1;
    if (k->c->keep)
        set_keep(q, k->c->keep);
    set_elsewhere(q, k->c);
    for (size_t i = 1; i <= q->n_conns; i++)
        if (q->conns[i] && !names_conn(k->c, q->conns[i]->name)) {
            q->conns[i]->removed = q->conns[i]->save = true;
            guard_rest(q->conns[i]->guard);
        }
    for (size_t i = 0; i < k->c->n_connections; i++)
        set_conn(q, k->c, &k->c->connections[i]);
    for (size_t i = 1; i <= q->n_flows; i++) {
        struct flow *f = q->flows[i];

        if (f && !names_flow(k->c, f->name)) {
            if (live_of(q, f) > 0 && !f->removed)
                queue__notice(q, "flow_removed", f, NULL, "what is queued for it is held: move or discard it");
            f->removed = f->save = true;
            remove_targets(q, true, f);
        }
        for (struct target *t = f ? f->targets : NULL; t; t = t->next_of_flow)
            t->removed = true;
    }
    for (size_t i = 0; i < k->c->n_flows; i++)
        set_flow(q, &k->c->flows[i]);
    for (size_t i = 1; i <= q->n_flows; i++)
        if (q->flows[i])
            remove_targets(q, false, q->flows[i]);
    q->clock_back = true;
    atomic_store(&q->kicked, true);
}

static const struct op_class config_class = {.apply = config_apply, .settle = config_settle, .undo = config_undo};

enum tl_rc queue_configure(struct queue *q, struct task *task, struct queue_config *config, bool dry_run,
                           struct queue_config_answer *ret_answer, struct tl_err *err)
{
    struct config_op k = {.op = {.cls = &config_class}, .c = config, .dry_run = dry_run};
    enum tl_rc rc = queue__call(q, task, &k.op, err);

    if (rc == TL_OK && ret_answer)
        *ret_answer = k.a;
    return rc;
}
