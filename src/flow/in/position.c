/* SPDX-License-Identifier: Apache-2.0 */
/*
 * position.c - what a source's position belongs to: the flow and what it reads from. A cursor of one system says
 * nothing about another, so each has a position of its own, and a flow that comes back to a system goes on where it was
 * there.
 *
 * In the ledger, under the source's lease: "reads" is the key of the position in use, and "reads/HASH" that of what the
 * hash stands for. The first one is "cursor", as it is called where the ledger is older than this.
 */
#include <stdio.h>

#include "flow/flow_int.h"

/* Not the connection's name: another name for the same system changes nothing. */
static uint64_t what_it_reads(const struct flow *f)
{
    const char *operation;

    if (f->source != FLOW_READ)
        return 0;
    operation = f->read->operation->name;
    return tl_hash64(operation, strlen(operation), f->read->connection->identity);
}

static enum tl_rc get(struct task *task, const struct flow_position *p, const char *key, char *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    enum tl_rc rc;

    tl_buf_init(&b, FLOW_POSITION_KEY - 1);
    rc = queue_position(p->engine->queue, task, tl_sv_str(p->lease), tl_sv_str(key), &b, err);
    *ret = '\0';
    if (rc == TL_OK)
        (void)snprintf(ret, FLOW_POSITION_KEY, "%.*s", TL_SV_ARG(tl_buf_view(&b)));
    if (rc != TL_NOT_FOUND)
        return rc;
    tl_err_clear(err);
    return TL_OK;
}

static enum tl_rc set(struct task *task, const struct flow_position *p, const char *key, const char *value,
                      struct tl_err *err)
{
    struct queue_emit e = {.lease = tl_sv_str(p->lease),
                           .lease_epoch = p->epoch,
                           .position_key = tl_sv_str(key),
                           .position = tl_sv_str(value)};

    return queue_emit(p->engine->queue, task, &e, err);
}

enum tl_rc flow__position_begin(struct task *task, const struct flow_position *p, char ret_key[FLOW_POSITION_KEY],
                                struct tl_err *err)
{
    const struct flow *f = p->flow;
    uint64_t what = what_it_reads(f);
    bool same = f->source == FLOW_READ && f->read->connection->conf->accept_identity;
    char its[FLOW_POSITION_KEY], key[FLOW_POSITION_KEY], last[FLOW_POSITION_KEY];
    enum tl_rc rc;

    (void)snprintf(its, sizeof its, "reads/%016llx", (unsigned long long)what);
    rc = get(task, p, its, key, err);
    if (rc == TL_OK)
        rc = get(task, p, "reads", last, err);
    if (rc != TL_OK)
        return rc;
    if (!key[0]) {
        if (!last[0] || same)
            (void)snprintf(key, sizeof key, "%s", last[0] ? last : FLOW_CURSOR);
        else
            (void)snprintf(key, sizeof key, FLOW_CURSOR "@%016llx", (unsigned long long)what);
        rc = set(task, p, its, key, err);
    }
    if (rc == TL_OK && strcmp(last, key) != 0)
        rc = set(task, p, "reads", key, err);
    if (rc == TL_OK && last[0] && strcmp(last, key) != 0)
        TL_LOG(p->engine->opt.log, TL_WARN, "source.other", "the flow reads from another system: its position there",
               KV_STR("flow", f->name), KV_STR("connection", f->read ? f->read->connection->name : ""));
    (void)snprintf(ret_key, FLOW_POSITION_KEY, "%s", key);
    return rc;
}

struct json flow_plan_sources_elsewhere(const struct flow_plan *old, const struct flow_plan *now, struct tl_arena *a)
{
    struct json_builder b;

    json_array_begin(&b, a, 4);
    for (size_t i = 0; i < now->n_flows; i++) {
        const struct flow *f = &now->flows[i];

        for (size_t k = 0; f->source == FLOW_READ && k < old->n_flows; k++) {
            const struct flow *was = &old->flows[k];

            if (was->source != FLOW_READ || strcmp(was->name, f->name) != 0 || what_it_reads(was) == what_it_reads(f) ||
                f->read->connection->conf->accept_identity)
                continue;
            json_push(&b, json_str(tl_arena_printf(
                              a,
                              "flow '%s' reads from another system now (%s): it begins there as a new flow would, or "
                              "goes on where it was there before. Is it the same one, say `accept_identity: true` on "
                              "the connection first, and the position stays",
                              f->name, f->read->connection->name)));
        }
    }
    return json_end(&b);
}
