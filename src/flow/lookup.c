/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup.c - the `lookup` step: a GET whose answer is kept for a while, by path.
 * The cache belongs to the step and is bounded; loops share it under a lock that is never held over a wait.
 */
#include "flow/flow_int.h"

enum { MAX_ENTRIES = 10000, MAX_ANSWER = 1 << 20 };

struct entry {
    char *text; /* JSON of the value */
    size_t n;
    uint64_t at_ns;
};
struct flow_cache {
    pthread_mutex_t lock;
    struct tl_map *entries;
};

static void entry_free(struct entry *e)
{
    if (e)
        tl_free(e->text);
    tl_free(e);
}

static void clear(struct flow_cache *c)
{
    struct tl_sv key;
    void *e;

    for (size_t i = 0; tl_map_next(c->entries, &i, &key, &e);)
        entry_free(e);
    tl_map_free(c->entries);
    c->entries = NULL;
}

static void cache_free(void *arg)
{
    struct flow_cache *c = arg;

    clear(c);
    pthread_mutex_destroy(&c->lock);
    tl_free(c);
}

struct flow_cache *flow__cache_new(struct tl_arena *plan)
{
    struct flow_cache *c = tl_zalloc(sizeof *c);

    pthread_mutex_init(&c->lock, NULL);
    c->entries = tl_map_new();
    tl_arena_on_free(plan, cache_free, c);
    return c;
}

/* The kept value, if it is not older than max_age_ms. */
static bool recall(struct flow_cache *c, struct tl_sv key, uint64_t now_ns, int64_t max_age_ms, struct tl_arena *a,
                   struct json *ret)
{
    struct tl_sv text = TL_SV_NULL;
    struct entry *e;

    pthread_mutex_lock(&c->lock);
    e = tl_map_get(c->entries, key);
    if (e && now_ns - e->at_ns <= (uint64_t)max_age_ms * 1000000u)
        text = tl_arena_sv(a, tl_sv(e->text, e->n));
    pthread_mutex_unlock(&c->lock);
    return text.p && json_parse(a, text, 0, NULL, ret, NULL) == TL_OK;
}

static void keep(struct flow_cache *c, struct tl_sv key, uint64_t now_ns, struct json v)
{
    struct entry *e = tl_zalloc(sizeof *e);
    struct tl_buf b;

    tl_buf_init(&b, MAX_ANSWER);
    if (!json_write(&b, v, 0)) { /* too large to be worth keeping */
        tl_buf_done(&b);
        tl_free(e);
        return;
    }
    e->text = tl_buf_take(&b, &e->n);
    e->at_ns = now_ns;
    pthread_mutex_lock(&c->lock);
    if (tl_map_count(c->entries) >= MAX_ENTRIES) { /* simple and bounded: start anew */
        clear(c);
        c->entries = tl_map_new();
    }
    entry_free(tl_map_put(c->entries, key, e));
    pthread_mutex_unlock(&c->lock);
}

struct pick {
    const struct flow_step *s;
    struct json envelope, answer, *ret;
    struct tl_sv body;
    struct tl_arena *arena;
    enum tl_rc rc;
    struct tl_err *err;
};
static void pick_value(void *arg)
{
    struct pick *p = arg;

    p->rc = json_parse(p->arena, p->body, 0, NULL, &p->answer, p->err);
    *p->ret = p->answer;
    if (p->rc == TL_OK && p->s->value)
        p->rc = flow__eval(p->s->value, p->arena, p->envelope, p->answer, NULL, p->ret, p->err);
}
static void pick_default(void *arg)
{
    struct pick *p = arg;

    p->rc = flow__eval(p->s->fallback, p->arena, p->envelope, p->envelope, NULL, p->ret, p->err);
}

enum tl_rc flow__lookup(void *arg, struct task *task, const struct flow_step *s, struct json envelope,
                        struct tl_arena *arena, struct json *ret, struct tl_err *err)
{
    const struct flow_place *place = arg;
    struct flow_owner owner = {.flow = place->flow, .target = s->lookup->as, .operation = "lookup", .meters = s->calls};
    const struct connector_record event = {.envelope = envelope, .event = place->event};
    struct connector_call call = {.connection = s->connection->conf->type.conf,
                                  .arena = arena,
                                  .owner = &owner,
                                  .endpoint = tl_sv_str(s->lookup->path),
                                  .records = &event,
                                  .n = 1};
    uint64_t now = async_loop_now(task_loop(task));
    struct pick pick = {.s = s, .envelope = envelope, .ret = ret, .arena = arena, .err = err};
    struct http_request_out req = {.method = TL_SV("GET")};
    struct http_reply reply;
    struct tl_sv path;
    enum tl_rc rc;

    connector_call_begin(&call, flow__host(place->plan, s->connection, place->loop), NULL);
    rc = connector_template_run(task, s->path, &call, envelope, &path, err);
    if (rc != TL_OK)
        return rc;
    if (recall(s->cache, path, now, s->lookup->cache_ms, arena, ret))
        return TL_OK;
    req.url = path;
    rc = connector_http(task, &call, &req, &reply, err);
    if (rc == TL_OK)
        rc = connector_classify(&call, &reply, err);
    if (rc == TL_OK) {
        pick.body = reply.body;
        task_on_main_stack(task, pick_value, &pick);
        if (pick.rc == TL_OK)
            keep(s->cache, path, now, *ret);
        return pick.rc;
    }
    if (tl_rc_class(rc) == TL_CLASS_DATA || rc == TL_CANCELED)
        return rc;
    if (s->lookup->on_unavailable == 1 && recall(s->cache, path, now, s->lookup->max_age_ms, arena, ret))
        return TL_OK;
    if (s->lookup->on_unavailable == 2) {
        task_on_main_stack(task, pick_default, &pick);
        return pick.rc;
    }
    return tl_err_prefix(err, "look-up of $%s", s->lookup->as);
}
