/* SPDX-License-Identifier: Apache-2.0 */
/* read.c - one look into the ledger: on a worker thread, with a reader out of a few that are kept. */
#include "admin/admin_int.h"

#include <pthread.h>

#include "http/http.h"

enum { MAX_LIMIT = 1000, DEFAULT_LIMIT = 50, KEPT = 4 };

struct admin_readers {
    pthread_mutex_t lock;
    struct queue_reader *kept[KEPT];
    size_t n;
};

struct admin_readers *admin_readers_new(void)
{
    struct admin_readers *r = tl_zalloc(sizeof *r);

    (void)pthread_mutex_init(&r->lock, NULL);
    return r;
}

void admin_readers_free(struct admin_readers *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        queue_reader_close(r->kept[i]);
    (void)pthread_mutex_destroy(&r->lock);
    tl_free(r);
}

static enum tl_rc take(struct admin *a, struct queue_reader **ret, struct tl_err *err)
{
    struct queue_reader *r = NULL;

    if (a->readers) {
        (void)pthread_mutex_lock(&a->readers->lock);
        if (a->readers->n)
            r = a->readers->kept[--a->readers->n];
        (void)pthread_mutex_unlock(&a->readers->lock);
    }
    if (!r)
        return queue_reader_open(a->queue, ret, err);
    *ret = r;
    return TL_OK;
}

static void give(struct admin *a, struct queue_reader *r)
{
    if (a->readers) {
        (void)pthread_mutex_lock(&a->readers->lock);
        if (a->readers->n < KEPT) {
            a->readers->kept[a->readers->n++] = r;
            r = NULL;
        }
        (void)pthread_mutex_unlock(&a->readers->lock);
    }
    queue_reader_close(r);
}

static void look(void *arg)
{
    struct admin__read *l = arg;
    struct queue_reader *r;

    l->rc = take(l->admin, &r, &l->err);
    if (l->rc != TL_OK)
        return;
    l->rc = l->fn(l, r, &l->err);
    if (l->rc == TL_IO) /* whatever is wrong with it, the next one shall have another */
        queue_reader_close(r);
    else
        give(l->admin, r);
}

/* As they are shown: what is masked is not found either, or it could be told letter by letter. The payload as it came
 * is not even looked into beforehand: how long the answer takes would tell. */
static bool in_veiled(void *arg, struct tl_sv body, struct tl_sv text)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *arena = tl_arena_new(256 << 20);
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct flow_veil veil;
    struct json v;
    bool found;

    if (json_parse(arena, body, 0, NULL, &v, NULL) != TL_OK)
        return false; /* masked whole */
    tl_buf_init(&b, 256 << 20);
    flow_veil_begin(&veil, arg, arena);
    found = json_write(&b, flow_veil_json(&veil, v), 0) && tl_sv_find_sv(tl_buf_view(&b), text) != b.n;
    flow_veil_end(&veil);
    return found;
}

enum tl_rc admin__read(struct admin_call *c, struct admin__read *l, struct tl_err *err)
{
    struct flow_plan *p = NULL;
    struct tl_err ignored;
    enum tl_rc rc;

    l->admin = c->admin;
    l->arena = c->arena;
    if (l->filter.text.n && admin__may_reveal(c, &ignored) != TL_OK) {
        p = admin__plan(c->admin);
        if (flow_plan_has_pii(p)) {
            l->filter.has_text = in_veiled;
            l->filter.has_text_arg = p;
        }
    }
    rc = admin__blocking(c, look, l, err);
    l->filter.has_text = NULL;
    flow_plan_unref(p);
    if (rc == TL_OK && l->rc != TL_OK) {
        *err = l->err;
        rc = l->rc;
    }
    return rc;
}

enum tl_rc admin__page(struct admin_call *c, struct admin__read *l, struct tl_err *err)
{
    struct tl_sv limit = admin__query(c, "limit"), cursor = admin__query(c, "cursor");
    uint64_t n = DEFAULT_LIMIT;

    if (limit.n && (!tl_sv_u64(limit, &n) || n < 1 || n > MAX_LIMIT))
        return tl_fail(err, TL_INVALID, "limit must be 1 to %d", MAX_LIMIT);
    l->limit = (size_t)n;
    return cursor.n ? admin__id(cursor, &l->cursor, err) : TL_OK;
}

struct flow_plan *admin__plan(struct admin *a)
{
    return a->engine ? flow_engine_plan(a->engine) : a->plan ? flow_plan_ref(a->plan) : NULL;
}

enum tl_rc admin__names(struct admin_call *c, struct admin_names *ret, struct tl_err *err)
{
    struct flow_plan *p = admin__plan(c->admin);
    struct queue_stat s;
    enum tl_rc rc = queue_stats(c->admin->queue, c->task, c->arena, &s, err);

    if (rc == TL_OK)
        *ret = (struct admin_names){.flows = s.flows, .n = s.n_flows, .known = s.targets, .n_known = s.n_targets};
    if (rc == TL_OK && p) { /* names are copied: the plan may go */
        ret->n_targets = flow_plan_targets(p, c->arena, &ret->targets);
        for (size_t i = 0; i < ret->n_targets; i++) {
            ret->targets[i].name = tl_arena_strdup(c->arena, ret->targets[i].name);
            ret->targets[i].connection = tl_arena_strdup(c->arena, ret->targets[i].connection);
            ret->targets[i].flow = tl_arena_strdup(c->arena, ret->targets[i].flow);
        }
    }
    if (rc == TL_OK && flow_plan_has_pii(p)) {
        bool *hidden = tl_arena_must(c->arena, (s.n_flows + 1) * sizeof *hidden);

        for (size_t i = 0; i < s.n_flows; i++)
            hidden[i] = flow_plan_hides_key(p, s.flows[i].name);
        ret->key_hidden = hidden;
    }
    flow_plan_unref(p);
    return rc;
}

const struct flow_target_info *admin__target(const struct admin_names *n, uint32_t id)
{
    for (size_t i = 0; i < n->n_targets; i++)
        if (n->targets[i].id == id)
            return &n->targets[i];
    return NULL;
}

const struct queue_target_name *admin__known_target(const struct admin_names *n, uint32_t id)
{
    for (size_t i = 0; i < n->n_known; i++)
        if (n->known[i].id == id)
            return &n->known[i];
    return NULL;
}
