/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path.c - location paths. The steps run as one loop: each item of a step goes on to the next step at once, so nothing
 * is kept in between, and what comes out goes into a sink that keeps one result without memory of its own, or only adds
 * up.
 *
 * What the language says and this file keeps: a step's result is flattened into the sequence unless an array
 * constructor made it; the last step's result is left alone when it is the only one and an array of the data.
 */
#include "jsonata/ops.h"

enum sink_mode { SINK_COLLECT, SINK_COUNT, SINK_SUM, SINK_MAX, SINK_MIN };

struct sink {
    enum sink_mode mode;
    bool last_is_raw; /* the path ends here: an only result is left alone */
    bool has_pending; /* the first result, not flattened yet */
    bool filled;      /* there was a first result */
    bool odd;         /* adding up: something that is no finite number */
    uint32_t count;
    uint32_t expect; /* results to make room for */
    struct json pending;
    struct json one; /* the first item, while there is no other; the largest or smallest so far */
    struct list list;
    double total;
};

static void add_up(struct sink *s, struct json v)
{
    double d = 0;

    if (s->mode != SINK_COUNT) {
        if (!json_is_number(v)) {
            s->odd = true;
            return;
        }
        d = jsonata_double(v);
        if (isnan(d)) /* JavaScript's own rules: left to the function itself */
            s->odd = true;
    }
    if (s->mode == SINK_SUM)
        s->total += d;
    else if (s->mode != SINK_COUNT &&
             (s->count == 0 || jsonata_compare_numbers(v, s->one) == (s->mode == SINK_MAX ? 1 : -1)))
        s->one = v;
    s->count++;
}

static inline bool add(struct jsonata_eval *e, struct sink *s, struct json v)
{
    if (TL_UNLIKELY(s->mode != SINK_COLLECT)) {
        add_up(s, v);
        return true;
    }
    if (s->count == 0) {
        s->one = v;
        s->count = 1;
        return true;
    }
    if (s->count == 1) {
        if (!list_grow(e, &s->list, s->expect > 2 ? s->expect : 2))
            return false;
        s->list.items[0] = s->one;
        s->list.n = 1;
    }
    s->count++;
    return list_push(e, &s->list, v);
}

static bool add_flat(struct jsonata_eval *e, struct sink *s, struct json v)
{
    if (v.type != JSON_ARRAY || (v.flags & JSON_F_CONS))
        return add(e, s, v);
    for (uint32_t i = 0; i < v.n; i++)
        if (!add(e, s, v.u.items[i]))
            return false;
    return true;
}

static bool flush(struct jsonata_eval *e, struct sink *s)
{
    if (!s->has_pending)
        return true;
    s->has_pending = false;
    return add_flat(e, s, s->pending);
}

/* A result of the last step. */
static inline bool put(struct jsonata_eval *e, struct sink *s, struct json v)
{
    bool first = !s->filled;

    s->filled = true;
    if (v.type != JSON_ARRAY)
        return flush(e, s) && add(e, s, v);
    if (first && s->last_is_raw) {
        s->pending = v;
        s->has_pending = true;
        return true;
    }
    return flush(e, s) && add_flat(e, s, v);
}

/* Raw value of a path. */
static struct json sink_value(struct jsonata_eval *e, const struct node *path, struct sink *s)
{
    bool keep = path->flags & N_KEEP_SINGLETON;
    struct json v;

    if (s->has_pending) {
        v = s->pending;
        if (keep && (v.flags & JSON_F_CONS) && !(v.flags & JSON_F_SEQUENCE))
            return array_of(e, v, JSON_F_SEQUENCE | JSON_F_KEEP);
        if (v.flags & JSON_F_SEQUENCE)
            v.flags = JSON_F_SEQUENCE;
        if (keep)
            v.flags |= JSON_F_KEEP;
        return v;
    }
    if (s->count == 0)
        return JSON_NOTHING;
    if (s->count == 1)
        return keep || s->one.type == JSON_ARRAY ? array_of(e, s->one, JSON_F_SEQUENCE | (keep ? JSON_F_KEEP : 0))
                                                 : s->one;
    return list_value(&s->list, JSON_F_SEQUENCE | (keep ? JSON_F_KEEP : 0));
}

/* ---- filters ---- */

/* How often an item passes: its index may stand several times in the predicate's result. -1: raised. */
static int passes(struct jsonata_eval *e, const struct node *predicate, struct json context, uint32_t index, uint32_t n)
{
    struct json v, *list = &v;
    uint32_t count = 1;
    int hits = 0;
    bool failed = false;

    if (predicate->flags & N_BOOLEAN)
        return eval_truth(e, predicate, context);
    v = eval(e, predicate, context);
    if (raised(v))
        return -1;
    if (v.type == JSON_ARRAY) {
        if (!array_of_numbers(e, v, &failed))
            return failed ? -1 : jsonata_truth(v);
        list = v.u.items;
        count = v.n;
    } else {
        int numeric = run_is_numeric(e, v);

        if (numeric <= 0)
            return numeric < 0 ? -1 : jsonata_truth(v);
    }
    for (uint32_t i = 0; i < count; i++) {
        double at = floor(jsonata_double(list[i]));

        if (at < 0)
            at += n;
        hits += at >= index && at <= index;
    }
    return hits;
}

static bool constant_index(const struct node *predicate, uint32_t n, uint32_t *ret)
{
    double at = floor(jsonata_double(predicate->value));

    if (at < 0)
        at += n;
    if (!(at >= 0 && at < n))
        return false;
    *ret = (uint32_t)at;
    return true;
}

static bool is_index(const struct node *predicate)
{
    return predicate->kind == K_LITERAL && predicate->op == OP_NONE && json_is_number(predicate->value);
}

static struct json filter_constant(struct jsonata_eval *e, const struct node *predicate, const struct json *items,
                                   uint32_t n, uint8_t flags)
{
    uint32_t at;

    if (!constant_index(predicate, n, &at) || items[at].type == JSON_UNDEFINED)
        return (struct json){.type = JSON_ARRAY, .flags = flags};
    if (items[at].type == JSON_ARRAY)
        return items[at];
    return array_of(e, items[at], flags);
}

struct json run_filter(struct jsonata_eval *e, const struct node *predicate, struct json in,
                       const struct scope *tuple_scope)
{
    bool tuples = in.type == JSON_ARRAY && (in.flags & V_F_TUPLES);
    uint8_t flags = (uint8_t)(JSON_F_SEQUENCE | (tuples ? V_F_TUPLES : 0));
    const struct json *items = in.type == JSON_ARRAY ? in.u.items : &in;
    uint32_t n = in.type == JSON_ARRAY ? in.n : 1;
    struct env *saved = e->env;
    struct list l = {0};

    if (is_index(predicate))
        return filter_constant(e, predicate, items, n, flags);
    for (uint32_t i = 0; i < n; i++) {
        struct json context = items[i];
        int hits;

        if (!eval_tick(e))
            return RAISED;
        if (tuple_scope) {
            struct env *env = tuple_env(e, items[i], tuple_scope);

            if (!env)
                return eval_exhausted(e);
            e->env = env;
            context = tuples ? env->slots[0] : context;
        }
        hits = passes(e, predicate, context, i, n);
        e->env = saved;
        if (hits < 0)
            return RAISED;
        while (hits-- > 0)
            if (!list_push(e, &l, items[i]))
                return RAISED;
    }
    return list_value(&l, flags);
}

/* ---- the loop ---- */

static bool walk(struct jsonata_eval *e, const struct node *path, uint32_t i, uint32_t end, struct json in,
                 struct sink *s);

/* The last step, a name, over many items. */
static bool walk_leaf(struct jsonata_eval *e, const struct node *path, uint32_t i, const struct json *items, uint32_t n,
                      struct sink *s)
{
    const struct node *step = path->list[i];

    e->ticks -= n;
    if (!eval_tick(e))
        return false;
    for (uint32_t k = 0; k < n; k++) {
        struct json v;

        if (TL_UNLIKELY(items[k].type != JSON_OBJECT)) {
            if (!walk(e, path, i, i + 1, items[k], s))
                return false;
            continue;
        }
        v = member_hint(&items[k], step);
        if (v.type != JSON_UNDEFINED && !put(e, s, v))
            return false;
    }
    return true;
}

static inline bool is_leaf(const struct node *path, uint32_t i, uint32_t end)
{
    return i + 1 == end && path->list[i]->run == run_name && !path->list[i]->stage_count;
}

/* What step i gave goes on: item by item to the next step, or into the sink. */
static inline bool go_on(struct jsonata_eval *e, const struct node *path, uint32_t i, uint32_t end, struct json v,
                         struct sink *s)
{
    if (i + 1 == end)
        return put(e, s, v);
    if (v.type != JSON_ARRAY || (v.flags & JSON_F_CONS))
        return walk(e, path, i + 1, end, v, s);
    if (i + 2 == end && s->expect < v.n)
        s->expect = v.n;
    if (is_leaf(path, i + 1, end))
        return walk_leaf(e, path, i + 1, v.u.items, v.n, s);
    for (uint32_t k = 0; k < v.n; k++)
        if (!walk(e, path, i + 1, end, v.u.items[k], s))
            return false;
    return true;
}

/* The last filter of a step: what passes goes on at once. */
static bool filter_on(struct jsonata_eval *e, const struct node *path, uint32_t i, uint32_t end, struct json v,
                      const struct node *predicate, struct sink *s)
{
    const struct json *items = v.type == JSON_ARRAY ? v.u.items : &v;
    uint32_t n = v.type == JSON_ARRAY ? v.n : 1, at;
    bool last = i + 1 == end;

    if (is_index(predicate)) {
        if (constant_index(predicate, n, &at) && items[at].type != JSON_UNDEFINED)
            return go_on(e, path, i, end, items[at], s);
        s->filled = s->filled || last;
        return !last || flush(e, s);
    }
    if (last) {
        s->filled = true;
        if (!flush(e, s))
            return false;
    }
    for (uint32_t k = 0; k < n; k++) {
        int hits;

        if (!eval_tick(e))
            return false;
        hits = passes(e, predicate, items[k], k, n);
        if (hits < 0)
            return false;
        while (hits-- > 0)
            if (last ? !add(e, s, items[k]) : !walk(e, path, i + 1, end, items[k], s))
                return false;
    }
    return true;
}

static bool walk(struct jsonata_eval *e, const struct node *path, uint32_t i, uint32_t end, struct json in,
                 struct sink *s)
{
    const struct node *step = path->list[i];
    struct json v;

    if (!eval_tick(e))
        return false;
    if (TL_LIKELY(step->run == run_name && in.type == JSON_OBJECT))
        v = member_hint(&in, step);
    else
        v = eval(e, step, in);
    if (raised(v))
        return false;
    if (step->stage_count && !(step->flags & N_SELF_STAGED)) {
        uint32_t k = 0;

        for (; k + 1 < step->stage_count; k++) {
            v = run_filter(e, step->stages[k].expr, v, NULL);
            if (raised(v))
                return false;
        }
        return filter_on(e, path, i, end, v, step->stages[k].expr, s);
    }
    return v.type == JSON_UNDEFINED || go_on(e, path, i, end, v, s);
}

/* Steps from..end over the items of a sequence, or over one value. */
static bool walk_all(struct jsonata_eval *e, const struct node *path, uint32_t from, uint32_t end, struct json in,
                     bool each, struct sink *s)
{
    if (!each)
        return walk(e, path, from, end, in, s);
    if (from + 1 == end && s->expect < in.n)
        s->expect = in.n;
    if (is_leaf(path, from, end))
        return walk_leaf(e, path, from, in.u.items, in.n, s);
    for (uint32_t i = 0; i < in.n; i++)
        if (!walk(e, path, from, end, in.u.items[i], s))
            return false;
    return true;
}

static uint32_t next_sort(const struct node *path, uint32_t i)
{
    while (i < path->count && path->list[i]->kind != K_SORT)
        i++;
    return i;
}

/* A sort step and its filters. */
static struct json sort_step(struct jsonata_eval *e, const struct node *sort, struct json in)
{
    struct json v = run_sort(e, sort, in, false);

    for (uint32_t k = 0; k < sort->stage_count && !raised(v); k++)
        v = run_filter(e, sort->stages[k].expr, v, NULL);
    return v;
}

/* An array constructor as first step is evaluated once, for the whole context. */
static struct json constructed(struct jsonata_eval *e, const struct node *step, struct json in)
{
    if (in.type != JSON_ARRAY)
        in = array_of(e, in, JSON_F_SEQUENCE);
    return raised(in) ? in : eval(e, step, in);
}

/* The value of all steps up to the sort at `end`, as an array. */
static struct json sorted_part(struct jsonata_eval *e, const struct node *path, uint32_t from, uint32_t end,
                               struct json in, bool each)
{
    struct sink s = {.mode = SINK_COLLECT};

    if (from == end)
        return each ? in : array_of(e, in, JSON_F_SEQUENCE);
    if (!walk_all(e, path, from, end, in, each, &s) || !flush(e, &s))
        return RAISED;
    if (s.count == 0)
        return (struct json){.type = JSON_ARRAY, .flags = JSON_F_SEQUENCE};
    return s.count == 1 ? array_of(e, s.one, JSON_F_SEQUENCE) : list_value(&s.list, JSON_F_SEQUENCE);
}

/* Runs the path into the sink. *ret_done: there is a value that is no sink's: *ret. False: raised. */
static bool run_steps(struct jsonata_eval *e, const struct node *path, struct json in, struct sink *s, bool *ret_done,
                      struct json *ret)
{
    bool each = in.type == JSON_ARRAY && path->list[0]->kind != K_VARIABLE;
    uint32_t from = 0;

    if (path->list[0]->flags & N_CONS) {
        in = constructed(e, path->list[0], in);
        each = true;
        from = 1;
        if (raised(in))
            return false;
        if (path->count == 1 || in.type != JSON_ARRAY || in.n == 0) {
            *ret_done = in.type == JSON_ARRAY;
            *ret = in;
            return true;
        }
    }
    for (uint32_t sort; (sort = next_sort(path, from)) < path->count; from = sort + 1) {
        in = sorted_part(e, path, from, sort, in, each);
        if (!raised(in) && in.n)
            in = sort_step(e, path->list[sort], in);
        if (raised(in))
            return false;
        each = true;
        if (sort + 1 == path->count || in.n == 0) {
            *ret_done = true;
            *ret = in;
            return true;
        }
    }
    s->last_is_raw = true;
    return walk_all(e, path, from, path->count, in, each, s);
}

struct json run_path(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct sink s = {.mode = SINK_COLLECT};
    struct json v = JSON_NOTHING;
    bool done = false;

    if (!run_steps(e, n, in, &s, &done, &v))
        return RAISED;
    if (!done) {
        v = sink_value(e, n, &s);
    } else if (n->flags & N_KEEP_SINGLETON) {
        if ((v.flags & JSON_F_CONS) && !(v.flags & JSON_F_SEQUENCE))
            v = array_of(e, v, JSON_F_SEQUENCE);
        if (!raised(v))
            v.flags |= JSON_F_KEEP;
    }
    return n->group && !raised(v) ? run_group(e, n->group, v, NULL) : v;
}

/* a.b.c of names only, without filters: usually objects all the way. */
struct json run_names(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json v = in;

    for (uint32_t i = 0; i < n->count; i++) {
        if (TL_UNLIKELY(v.type != JSON_OBJECT)) {
            struct sink s = {.mode = SINK_COLLECT, .last_is_raw = true};

            if (v.type != JSON_ARRAY)
                return JSON_NOTHING;
            if (v.flags & JSON_F_CONS && i > 0)
                return run_path(e, n, in);
            if (!walk_all(e, n, i, n->count, v, true, &s))
                return RAISED;
            return sink_value(e, n, &s);
        }
        v = member_hint(&v, n->list[i]);
    }
    if (v.type == JSON_ARRAY && (v.flags & JSON_F_SEQUENCE))
        v.flags = JSON_F_SEQUENCE;
    return v;
}

/* ---- adding up ---- */

static struct json total_of(const struct node *n, const struct sink *s, bool any)
{
    switch (n->op) {
    case 's':
        return any ? jsonata_number(s->total) : JSON_NOTHING;
    case 'c':
        return json_int(s->count);
    case 'a':
        return s->count ? jsonata_number(s->total / s->count) : JSON_NOTHING;
    default:
        return !s->count ? JSON_NOTHING : s->one.type == JSON_DOUBLE ? jsonata_number(s->one.u.d) : s->one;
    }
}

struct json run_aggregate(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct sink s = {.mode = n->op == 'c' ? SINK_COUNT : n->op == 'x' ? SINK_MAX : n->op == 'n' ? SINK_MIN : SINK_SUM};
    bool done = false, any;
    struct json v = JSON_NOTHING;

    if (e->shadowed)
        return run_call(e, n, in);
    if (!run_steps(e, n->list[0], in, &s, &done, &v))
        return RAISED;
    if (done) /* a sorted or constructed array */
        return run_call(e, n, in);
    any = s.count > 0 || s.has_pending;
    if (s.has_pending && (s.pending.flags & JSON_F_CONS))
        s.pending.flags &= (uint8_t)~JSON_F_CONS;
    if (!flush(e, &s))
        return RAISED;
    /* An argument of the wrong type, or a number that is none: the function itself says what is to happen. */
    return s.odd ? run_call(e, n, in) : total_of(n, &s, any);
}
