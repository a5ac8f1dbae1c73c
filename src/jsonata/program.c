/* SPDX-License-Identifier: Apache-2.0 */
/* program.c - from text to a program that all threads may run. */
#include <stdio.h>

#include "jsonata/eval.h"

#define SOURCE_MAX ((size_t)1 << 20)
#define HEIGHT_MAX 500
/* A tree is at most about a hundred times its text. */
#define ARENA_MAX ((size_t)1 << 30)

/* Offsets are bytes inside; the language counts UTF-16 units. */
static int32_t utf16_units(struct tl_sv text, int32_t bytes)
{
    int32_t units = 0;

    for (int32_t i = 0; i < bytes && (size_t)i < text.n; i++) {
        unsigned char ch = (unsigned char)text.p[i];

        units += (ch & 0xC0) != 0x80;
        units += ch >= 0xF0;
    }
    return units;
}

static enum tl_rc report(struct tl_sv text, struct jsonata_error *error, enum tl_rc rc, struct tl_err *err)
{
    int32_t line = 1, column = 1;

    for (int32_t i = 0; i < error->position && (size_t)i < text.n; i++) {
        column++;
        if (text.p[i] == '\n') {
            line++;
            column = 1;
        }
    }
    if (error->position >= 0)
        error->position = utf16_units(text, error->position);
    return tl_fail_at(err, rc, line, column, "%s: %.350s", error->code, error->text);
}

/* UTF-8, but for lone surrogates: a text of JSON may bring them. */
static bool valid_text(struct tl_sv text)
{
    for (;;) {
        size_t at = tl_utf8_valid(text);

        if (at == text.n)
            return true;
        text = tl_sv_from(text, at);
        if (text.n < 3 || (unsigned char)text.p[0] != 0xED || ((unsigned char)text.p[1] & 0xE0) != 0xA0 ||
            ((unsigned char)text.p[2] & 0xC0) != 0x80)
            return false;
        text = tl_sv_from(text, 3);
    }
}

static enum tl_rc refuse(struct tl_sv text, const char *code, const char *why, struct jsonata_error *error,
                         struct tl_err *err)
{
    memset(error, 0, sizeof(*error));
    snprintf(error->code, sizeof(error->code), "%s", code);
    snprintf(error->text, sizeof(error->text), "%s", why);
    error->position = 0;
    return report(text, error, TL_PARSE, err);
}

static struct jsonata_program *new_program(struct compiler *c, struct node *root, struct scope *top)
{
    struct jsonata_program *p = ast_alloc(c, sizeof(*p));

    p->refs = 1;
    p->arena = c->arena;
    p->text = c->text;
    p->root = root;
    p->top = top;
    p->library_names = c->library_names;
    p->library_count = c->library_count;
    p->free_names = c->free_names;
    p->free_count = c->free_count;
    p->may_nest = c->may_nest || c->uses_eval;
    p->options = *c->options;
    if (c->options->namespace_count) {
        size_t size = c->options->namespace_count * sizeof(struct jsonata_namespace);
        struct jsonata_namespace *copy = ast_alloc(c, size);

        memcpy(copy, c->options->namespaces, size);
        p->options.namespaces = copy;
    }
    return p;
}

static struct jsonata_program *compile(struct compiler *c)
{
    struct node *root = parser_parse(c);
    struct scope *top = NULL;

    if (root)
        root = shape_program(c, root);
    if (!root || !resolve_program(c, root, &top) || !prepare_program(c, root))
        return NULL;
    return new_program(c, root, top);
}

enum tl_rc program_compile(struct tl_sv text, const struct jsonata_options *options, bool dynamic,
                           struct jsonata_program **ret, struct jsonata_error *ret_error, struct tl_err *err)
{
    static const struct jsonata_options plain = {0};
    struct jsonata_error ignored;
    struct compiler *c;
    struct jsonata_program *p;
    struct tl_arena *arena;
    enum tl_rc rc;

    if (!options)
        options = &plain;
    if (!ret_error)
        ret_error = &ignored;
    if (text.n > (options->max_source ? options->max_source : SOURCE_MAX))
        return refuse(text, "S0501", "The expression is too long", ret_error, err);
    if (!valid_text(text))
        return refuse(text, "S0201", "The expression is not UTF-8", ret_error, err);
    arena = tl_arena_new(ARENA_MAX);
    c = tl_arena_must(arena, sizeof(*c));
    memset(c, 0, sizeof(*c));
    c->arena = arena;
    c->text = tl_arena_sv(arena, text);
    c->error = ret_error;
    c->options = options;
    c->dynamic = dynamic;
    c->max_height = options->max_depth ? options->max_depth : HEIGHT_MAX;
    json_object_begin(&c->functions, arena, 0);
    p = compile(c);
    if (p) {
        *ret = p;
        return TL_OK;
    }
    if (ret_error->value.type == JSON_STRING && ret_error->value.u.s >= c->text.p &&
        ret_error->value.u.s < c->text.p + c->text.n)
        ret_error->value.u.s = text.p + (ret_error->value.u.s - c->text.p);
    rc = report(text, ret_error, c->rc, err);
    tl_arena_free(arena);
    return rc;
}

enum tl_rc jsonata_compile(struct tl_sv text, const struct jsonata_options *options, struct jsonata_program **ret,
                           struct jsonata_error *ret_error, struct tl_err *err)
{
    return program_compile(text, options, false, ret, ret_error, err);
}

struct jsonata_program *jsonata_ref(struct jsonata_program *p)
{
    __atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
    return p;
}

void jsonata_unref(struct jsonata_program *p)
{
    if (p && __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) == 0)
        tl_arena_free(p->arena);
}

void jsonata_unrefp(struct jsonata_program **p)
{
    jsonata_unref(*p);
    *p = NULL;
}

struct tl_sv jsonata_source(const struct jsonata_program *p)
{
    return p->text;
}

size_t jsonata_free_variables(const struct jsonata_program *p, const char *const **ret_names)
{
    *ret_names = p->free_names;
    return p->free_count;
}

/* ---- running ---- */

#define FRAMES_BYTES 4096
#define STACK_BYTES ((size_t)4 << 20)
#define STEPS_MAX 1000000000U
#define TIME_MS 10000
/* Results that nest deeper cannot be written. */
#define RESULT_DEPTH 2000

struct json run_outer_input(struct jsonata_eval *e, struct json data)
{
    if (data.type != JSON_ARRAY || (data.flags & JSON_F_SEQUENCE))
        return data;
    return array_of(e, data, JSON_F_SEQUENCE | V_F_OUTER);
}

static struct json named(struct jsonata_eval *e, const struct env *up, const struct symbol *name)
{
    struct tl_sv text = tl_sv(name->text, name->n);
    struct json v;

    for (; up; up = up->up)
        for (uint32_t i = 0; i < up->scope->n; i++) {
            const struct symbol *s = up->scope->names[i];

            if (up->slots[i].type != V_UNBOUND && tl_sv_eq(text, tl_sv(s->text, s->n)))
                return up->slots[i];
        }
    v = e->bindings.type == JSON_OBJECT ? json_get(e->bindings, text) : JSON_NOTHING;
    return v.type == JSON_UNDEFINED ? UNBOUND : v;
}

struct json eval_program(struct jsonata_eval *e, const struct jsonata_program *p, struct json in, struct env *up)
{
    struct env *saved = e->env, *env = env_new(e, p->top, up);
    struct json v;

    if (!env)
        return eval_exhausted(e);
    for (uint32_t i = 0; i < p->top->n; i++)
        if (up || e->bindings.type == JSON_OBJECT)
            env->slots[i] = named(e, up, p->top->names[i]);
    for (uint32_t i = 0; e->bindings.type == JSON_OBJECT && i < p->library_count && !e->shadowed; i++)
        e->shadowed = json_gets(e->bindings, p->library_names[i]).type != JSON_UNDEFINED;
    e->env = env;
    v = eval(e, p->root, in);
    e->env = saved;
    return v;
}

/* Has the value functions in it, or no end? 0, 1; -1: too deep, or more than the budget: a result may hold one of its
 * parts any number of times. */
static int inspect(struct jsonata_eval *e, struct json v, int depth)
{
    int found = v.type == JSON_EXT;

    if (v.type != JSON_ARRAY && v.type != JSON_OBJECT)
        return found;
    e->ticks -= v.n / 8;
    if (!eval_tick(e))
        return -1;
    if (depth >= RESULT_DEPTH) {
        e->max_depth = 0; /* the reason is depth */
        return -1;
    }
    for (uint32_t i = 0; i < v.n; i++) {
        int inner = inspect(e, v.type == JSON_ARRAY ? v.u.items[i] : v.u.members[i].value, depth + 1);

        if (inner < 0)
            return inner;
        found |= inner;
    }
    return found;
}

/* As JSON has it: functions are left out of objects, and null in arrays. */
static struct json without_functions(struct jsonata_eval *e, struct json v)
{
    struct json out = v;

    if (v.type != JSON_ARRAY && v.type != JSON_OBJECT)
        return v.type == JSON_EXT ? JSON_NOTHING : v;
    out.n = 0;
    out.flags = 0;
    out.u.items = eval_alloc(e, (size_t)v.n * sizeof(struct json_member) + 1);
    if (!out.u.items)
        return eval_exhausted(e);
    for (uint32_t i = 0; i < v.n; i++) {
        struct json item = without_functions(e, v.type == JSON_ARRAY ? v.u.items[i] : v.u.members[i].value);

        if (raised(item))
            return item;
        if (v.type == JSON_ARRAY)
            out.u.items[out.n++] = item.type == JSON_UNDEFINED ? json_null() : item;
        else if (item.type != JSON_UNDEFINED)
            out.u.members[out.n++] = (struct json_member){v.u.members[i].key, item};
    }
    return out;
}

static struct json finish(struct jsonata_eval *e, struct json v)
{
    int found = e->program->may_nest || e->bindings.type == JSON_OBJECT ? inspect(e, v, 0) : v.type == JSON_EXT;

    if (found < 0)
        return eval_exhausted(e);
    return found ? without_functions(e, v) : v;
}

static uint64_t steps_max(const struct jsonata_input *in)
{
    return in->budget && in->budget->steps ? in->budget->steps : STEPS_MAX;
}

static void begin(struct jsonata_eval *e, const struct jsonata_program *p, struct tl_arena *arena,
                  const struct jsonata_input *in, char *here)
{
    static const struct jsonata_budget defaults = {0};
    const struct jsonata_budget *budget = in->budget ? in->budget : &defaults;

    memset(e, 0, offsetof(struct jsonata_eval, tail));
    e->arena = arena;
    e->next_chunk = 4096;
    e->clock = in->clock ? in->clock : tl_clock_system();
    e->time_ms = budget->time_ms ? budget->time_ms : TIME_MS;
    e->deadline_ns = tl_clock_mono_ns(e->clock) + (uint64_t)e->time_ms * 1000000;
    e->now_ms = tl_clock_wall_ms(e->clock);
    e->steps_left = steps_max(in);
    e->ticks = EVAL_TICKS;
    e->max_depth = budget->depth ? budget->depth : UINT32_MAX;
    e->stack_floor = here - (budget->stack_bytes ? budget->stack_bytes : STACK_BYTES);
    e->program = p;
    e->options = &p->options;
    e->root = in->data;
    e->bindings = in->bindings;
    e->host = in->host;
    e->whole = in->whole;
    e->regex_scratch = NULL;
    e->rc = TL_OK;
    e->context = JSON_NOTHING;
    e->frames = tl_arena_alloc(arena, FRAMES_BYTES);
    e->frames_end = e->frames ? e->frames + FRAMES_BYTES : NULL;
}

enum tl_rc jsonata_run(const struct jsonata_program *p, struct tl_arena *arena, const struct jsonata_input *in,
                       struct json *ret, struct jsonata_error *ret_error, struct tl_err *err)
{
    struct jsonata_eval e;
    struct json v;
    char here;

    begin(&e, p, arena, in, &here);
    v = run_outer_input(&e, in->data);
    if (!raised(v))
        v = eval_program(&e, p, v, NULL);
    if (!raised(v))
        v = finish(&e, v);
    if (in->ret_steps)
        *in->ret_steps = steps_max(in) - e.steps_left + (uint64_t)(EVAL_TICKS - e.ticks);
    if (!raised(v)) {
        *ret = v;
        return TL_OK;
    }
    if (!e.error.text[0])
        errors_message(&e.error, TL_SV_NULL);
    if (ret_error)
        *ret_error = e.error;
    else
        ret_error = &e.error;
    return report(p->text, ret_error, e.rc, err);
}

void *jsonata_host(const struct jsonata_eval *e)
{
    return e->host;
}

struct tl_arena *jsonata_arena(const struct jsonata_eval *e)
{
    return e->arena;
}

int64_t jsonata_now_ms(const struct jsonata_eval *e)
{
    return e->now_ms;
}

void **jsonata_regex_scratch(struct jsonata_eval *e)
{
    return &e->regex_scratch;
}
