/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xref.c - which ids on two systems are one thing, and which events tell of our own writes. Both are the ledger's,
 * written with the acknowledgement of the write.
 */
#include "flow/flow_int.h"

enum { ID_MAX = 1000, POLL_MS = 10, WRITES_WAIT_MS = 30000, ADOPTED_MAX = 16 };

/* ---- writes that are under way ---- */
struct flow_writes {
    pthread_mutex_t lock;
    struct flow_write *first, *last; /* oldest first */
    uint64_t number;
};

struct flow_writes *flow__writes_new(void)
{
    struct flow_writes *w = tl_zalloc(sizeof *w);

    pthread_mutex_init(&w->lock, NULL);
    return w;
}

void flow__writes_free(struct flow_writes *w)
{
    if (!w)
        return;
    pthread_mutex_destroy(&w->lock);
    tl_free(w);
}

void flow__write_begin(struct flow_writes *w, struct flow_write *one, const char *connection)
{
    pthread_mutex_lock(&w->lock);
    *one = (struct flow_write){.prev = w->last, .connection = connection, .number = ++w->number};
    if (w->last)
        w->last->next = one;
    else
        w->first = one;
    w->last = one;
    pthread_mutex_unlock(&w->lock);
}

void flow__write_end(struct flow_writes *w, struct flow_write *one)
{
    pthread_mutex_lock(&w->lock);
    if (one->prev)
        one->prev->next = one->next;
    else
        w->first = one->next;
    if (one->next)
        one->next->prev = one->prev;
    else
        w->last = one->prev;
    pthread_mutex_unlock(&w->lock);
}

static uint64_t newest(struct flow_writes *w)
{
    uint64_t n;

    pthread_mutex_lock(&w->lock);
    n = w->number;
    pthread_mutex_unlock(&w->lock);
    return n;
}

static bool any_until(struct flow_writes *w, const char *connection, uint64_t number)
{
    bool any = false;

    pthread_mutex_lock(&w->lock);
    for (const struct flow_write *one = w->first; one && one->number <= number && !any; one = one->next)
        any = strcmp(one->connection, connection) == 0;
    pthread_mutex_unlock(&w->lock);
    return any;
}

/* The event may be faster than the answer to the write that caused it: those that began before now have to end. */
static enum tl_rc let_end(struct flow_writes *w, struct task *task, const char *connection, struct tl_err *err)
{
    uint64_t until = newest(w);
    enum tl_rc rc = TL_OK;

    for (int waited = 0; rc == TL_OK && waited < WRITES_WAIT_MS && any_until(w, connection, until); waited += POLL_MS)
        rc = task_sleep_ms(task, POLL_MS, err);
    return rc;
}

/* ---- expressions that give a text ---- */
struct text_of {
    const struct mapping *m;
    struct tl_arena *arena;
    struct json envelope, data;
    const struct tl_clock *clock;
    struct tl_sv text;
    enum tl_rc rc;
    struct tl_err *err;
};

static void text_of(void *arg, struct mapping_turn *turn)
{
    struct text_of *t = arg;
    struct json v;

    t->rc = flow__eval(t->m, t->arena, t->envelope, t->data, t->clock, turn, &v, t->err);
    t->text = t->rc == TL_OK ? flow__key_text(t->arena, v) : TL_SV_NULL;
    if (t->rc == TL_OK && t->text.n > ID_MAX)
        t->rc = tl_fail(t->err, TL_INVALID, "it is longer than %d bytes", ID_MAX);
}

static enum tl_rc text_in_step(const struct flow_place *place, struct task *task, const struct mapping *m,
                               struct json envelope, struct tl_arena *arena, struct tl_sv *ret, struct tl_err *err)
{
    struct text_of t = {.m = m,
                        .arena = arena,
                        .envelope = envelope,
                        .data = envelope,
                        .clock = place->plan->engine->opt.clock,
                        .err = err};
    enum tl_rc rc = mapping_run(task, place->large, text_of, &t, err);

    *ret = t.text;
    return rc == TL_OK ? t.rc : rc;
}

/* ---- the step xref ---- */
static enum tl_rc known(struct flow_engine *e, struct task *task, const struct queue_xref *x, struct tl_arena *arena,
                        struct json *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf id = {0};
    enum tl_rc rc;

    tl_buf_init(&id, ID_MAX + 1);
    rc = queue_xref_get(e->queue, task, x, &id, err);
    if (rc == TL_OK)
        *ret = json_str_copy(arena, tl_buf_view(&id));
    return rc;
}

/* A record that was made before us: found by its fields, and known from now on. */
static enum tl_rc adopt(struct flow_place *place, struct task *task, const struct flow_step *s, struct json envelope,
                        size_t item, struct tl_arena *arena, struct queue_xref *x, struct json *ret, struct tl_err *err)
{
    struct json found;
    enum tl_rc rc = flow__ask(place, task, s, envelope, item, arena, &found, err);

    if (rc != TL_OK)
        return rc;
    if (found.type == JSON_ARRAY || found.type == JSON_OBJECT)
        return tl_fail(err, TL_INVALID, "match_by of $%s found %s: `value` must give one id", s->as,
                       found.type == JSON_ARRAY ? "several" : "no text or number");
    x->id_b = flow__key_text(arena, found);
    if (!x->id_b.n)
        return TL_OK;
    *ret = json_sv(x->id_b);
    rc = queue_xref_put(place->plan->engine->queue, task, x, err);
    if (!place->adopted)
        place->adopted = tl_arena_must(arena, ADOPTED_MAX * sizeof *place->adopted);
    if (rc == TL_OK && place->n_adopted < ADOPTED_MAX)
        place->adopted[place->n_adopted++] = *x;
    return rc;
}

struct tl_sv flow__pairs_text(struct tl_arena *a, const struct queue_xref *x, size_t n)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json_builder list, one;

    if (n == 0)
        return TL_SV_NULL;
    json_array_begin(&list, a, n);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&one, a, 5);
        json_adds(&one, "model", json_sv(x[i].model));
        json_adds(&one, "from", json_sv(x[i].connection_a));
        json_adds(&one, "from_id", json_sv(x[i].id_a));
        json_adds(&one, "to", json_sv(x[i].connection_b));
        json_adds(&one, "to_id", json_sv(x[i].id_b));
        json_push(&list, json_end(&one));
    }
    tl_buf_init(&b, 65536);
    return json_write(&b, json_end(&list), 0) ? tl_arena_sv(a, tl_buf_view(&b)) : TL_SV_NULL;
}

enum tl_rc flow__xref(struct flow_place *place, struct task *task, const struct flow_step *s, struct json envelope,
                      size_t item, struct tl_arena *arena, struct json *ret, struct tl_err *err)
{
    struct queue_xref x = {.model = tl_sv_str(s->xref->model),
                           .connection_a = tl_sv_str(s->xref->from),
                           .connection_b = tl_sv_str(s->xref->to.text)};
    enum tl_rc rc = text_in_step(place, task, s->id, envelope, arena, &x.id_a, err);

    *ret = json_null();
    if (rc == TL_OK && !x.id_a.n)
        rc = tl_fail(err, TL_INVALID, "id has no value");
    if (rc != TL_OK)
        return tl_err_prefix(err, "xref $%s", s->as);
    rc = known(place->plan->engine, task, &x, arena, ret, err);
    if (rc != TL_NOT_FOUND)
        return rc;
    tl_err_clear(err);
    rc = s->ask ? adopt(place, task, s, envelope, item, arena, &x, ret, err) : TL_OK;
    if (rc == TL_OK && ret->type == JSON_NULL && s->xref->required)
        return tl_fail(err, TL_CONFLICT, "xref $%s: %s %.*s of %s is not known on %s yet", s->as, s->xref->model,
                       TL_SV_ARG(x.id_a), s->xref->from, s->xref->to.text);
    return rc;
}

/* ---- the step own_write ---- */
enum tl_rc flow__own_write(struct flow_place *place, struct task *task, const struct flow_step *s, struct json envelope,
                           struct tl_arena *arena, bool *ret_own, struct tl_err *err)
{
    struct flow_engine *e = place->plan->engine;
    struct tl_sv id, mark = TL_SV_NULL;
    enum tl_rc rc = text_in_step(place, task, s->id, envelope, arena, &id, err);

    if (rc == TL_OK)
        rc = text_in_step(place, task, s->mark, envelope, arena, &mark, err);
    if (rc != TL_OK)
        return tl_err_prefix(err, "own_write");
    *ret_own = false;
    if (!id.n || !mark.n)
        return TL_OK;
    rc = let_end(e->writes, task, s->own->connection, err);
    if (rc != TL_OK)
        return rc;
    return queue_own_write(e->queue, task, tl_sv_str(s->own->model), tl_sv_str(s->own->connection), id, mark, ret_own,
                           err);
}

/* ---- with an acknowledgement ---- */
/* What is kept of the answer is a text: an id, or JSON. */
static struct json answer_value(struct tl_arena *arena, struct tl_sv answer)
{
    struct json v;

    if (answer.n && (answer.p[0] == '{' || answer.p[0] == '[') && json_parse(arena, answer, 0, NULL, &v, NULL) == TL_OK)
        return v;
    return answer.p ? json_sv(answer) : JSON_NOTHING;
}

bool flow__xref_of(const struct flow_target *t, struct tl_arena *arena, struct json before, struct json sent,
                   struct tl_sv answer, const struct tl_clock *clock, struct mapping_turn *turn, struct queue_xref *ret,
                   struct tl_err *err)
{
    struct text_of id = {
        .m = t->xref_id, .arena = arena, .envelope = before, .data = before, .clock = clock, .err = err};
    struct text_of here = {.m = t->xref_answer, .arena = arena, .clock = clock, .text = answer, .err = err};
    struct text_of mark = {.m = t->mark, .arena = arena, .envelope = sent, .data = sent, .clock = clock, .err = err};
    struct json_builder b;

    text_of(&id, turn);
    if (here.m) {
        json_object_begin(&b, arena, 1);
        json_adds(&b, "sent", json_gets(sent, "body"));
        here.envelope = json_end(&b);
        here.data = answer_value(arena, answer);
        text_of(&here, turn);
    }
    if (mark.m)
        text_of(&mark, turn);
    if (id.rc != TL_OK || here.rc != TL_OK || mark.rc != TL_OK)
        return false;
    *ret = (struct queue_xref){.model = tl_sv_str(t->conf->xref->model),
                               .connection_a = tl_sv_str(t->conf->xref->from),
                               .id_a = id.text,
                               .connection_b = tl_sv_str(t->connection->name),
                               .id_b = here.text,
                               .mark = mark.text};
    if (ret->id_b.n > ID_MAX)
        ret->id_b = TL_SV_NULL;
    if (id.text.n)
        return true;
    (void)tl_fail(err, TL_INVALID, "`id` has no value");
    return false;
}

static bool asks_for(const struct flow_step *s, const struct queue_xref *x)
{
    return s->xref && tl_sv_eqs(x->model, s->xref->model) && tl_sv_eqs(x->connection_a, s->xref->from) &&
           s->xref->to.text && tl_sv_eqs(x->connection_b, s->xref->to.text);
}

/* The id that a step found for this thing is the one that was written to. */
static bool step_found(const struct flow *f, struct json before, const struct queue_xref *x, struct tl_sv id,
                       struct tl_arena *arena)
{
    for (size_t i = 0; i < f->n_steps; i++)
        if (asks_for(&f->steps[i], x) && tl_sv_eq(flow__key_text(arena, json_gets(before, f->steps[i].as)), id))
            return true;
    return false;
}

bool flow__xref_there(struct flow_engine *e, struct task *task, const struct flow *f, const struct flow_target *t,
                      struct json before, struct tl_arena *arena, struct queue_xref *x, struct tl_err *err)
{
    struct json there = json_null();
    bool asked = false;

    for (size_t i = 0; i < f->n_steps; i++)
        asked |= asks_for(&f->steps[i], x);
    if (x->id_b.n && (t->xref_answer || !asked))
        return true;
    if (known(e, task, x, arena, &there, err) == TL_OK &&
        (!x->id_b.n || step_found(f, before, x, json_view(there), arena)))
        x->id_b = json_view(there);
    if (x->id_b.n)
        return true;
    (void)tl_fail(err, TL_INVALID, "the target's answer has no id, and none is known");
    return false;
}
