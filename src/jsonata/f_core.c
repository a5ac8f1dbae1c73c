/* SPDX-License-Identifier: Apache-2.0 */
/* f_core.c - aggregates, truth, types, errors, and $eval. */
#include "jsonata/eval.h"

/* ---- aggregates ---- */

static enum tl_rc fn_sum(struct jsonata_eval *e TL_UNUSED, const struct json *args, size_t n TL_UNUSED,
                         struct json *ret)
{
    double total = 0;

    if (args[0].type == JSON_UNDEFINED)
        return TL_OK;
    for (uint32_t i = 0; i < args[0].n; i++)
        total += jsonata_double(args[0].u.items[i]);
    *ret = jsonata_number(total);
    return TL_OK;
}

static enum tl_rc fn_count(struct jsonata_eval *e TL_UNUSED, const struct json *args, size_t n TL_UNUSED,
                           struct json *ret)
{
    *ret = json_int(args[0].type == JSON_ARRAY ? args[0].n : 0);
    return TL_OK;
}

static enum tl_rc extreme(const struct json *args, bool largest, struct json *ret)
{
    struct json best;

    if (args[0].type == JSON_UNDEFINED || args[0].n == 0)
        return TL_OK;
    best = args[0].u.items[0];
    for (uint32_t i = 1; i < args[0].n && !isnan(jsonata_double(best)); i++) {
        int order = jsonata_compare_numbers(args[0].u.items[i], best);

        if (order == 2 || order == (largest ? 1 : -1))
            best = args[0].u.items[i];
    }
    *ret = best.type == JSON_DOUBLE ? jsonata_number(best.u.d) : best;
    return TL_OK;
}

static enum tl_rc fn_max(struct jsonata_eval *e TL_UNUSED, const struct json *args, size_t n TL_UNUSED,
                         struct json *ret)
{
    return extreme(args, true, ret);
}

static enum tl_rc fn_min(struct jsonata_eval *e TL_UNUSED, const struct json *args, size_t n TL_UNUSED,
                         struct json *ret)
{
    return extreme(args, false, ret);
}

static enum tl_rc fn_average(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    struct json total = JSON_NOTHING;

    if (args[0].type == JSON_UNDEFINED || args[0].n == 0)
        return TL_OK;
    (void)fn_sum(e, args, n, &total);
    *ret = jsonata_number(jsonata_double(total) / args[0].n);
    return TL_OK;
}

const struct jsonata_native jsonata_aggregate_functions[] = {
    {"sum", "<a<n>:n>", fn_sum}, {"count", "<a:n>", fn_count},        {"max", "<a<n>:n>", fn_max},
    {"min", "<a<n>:n>", fn_min}, {"average", "<a<n>:n>", fn_average}, {0}};

/* ---- truth and types ---- */

static enum tl_rc truth_of(struct jsonata_eval *e, struct json v, bool negate, struct json *ret)
{
    if (v.type == JSON_UNDEFINED)
        return TL_OK;
    if (json_is_number(v) && run_is_numeric(e, v) < 0)
        return e->rc;
    *ret = json_bool(jsonata_truth(v) != negate);
    return TL_OK;
}

static enum tl_rc fn_boolean(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    return truth_of(e, args[0], false, ret);
}

static enum tl_rc fn_not(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    return truth_of(e, args[0], true, ret);
}

static enum tl_rc fn_exists(struct jsonata_eval *e TL_UNUSED, const struct json *args, size_t n TL_UNUSED,
                            struct json *ret)
{
    *ret = json_bool(args[0].type != JSON_UNDEFINED);
    return TL_OK;
}

static enum tl_rc fn_type(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    static const char *const names[] = {[JSON_NULL] = "null",     [JSON_BOOL] = "boolean",   [JSON_INT] = "number",
                                        [JSON_DOUBLE] = "number", [JSON_DECIMAL] = "number", [JSON_STRING] = "string",
                                        [JSON_ARRAY] = "array",   [JSON_OBJECT] = "object",  [JSON_EXT] = "function"};

    if (args[0].type == JSON_UNDEFINED)
        return TL_OK;
    if (json_is_number(args[0]) && run_is_numeric(e, args[0]) < 0)
        return e->rc;
    /* the language finds NaN to be none of its types, and calls the rest objects */
    *ret = json_str(args[0].type == JSON_DOUBLE && isnan(args[0].u.d) ? "object" : names[args[0].type]);
    ret->flags = JSON_F_ASCII | JSON_F_PLAIN;
    return TL_OK;
}

/* ---- errors ---- */

static enum tl_rc fn_error(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED,
                           struct json *ret TL_UNUSED)
{
    return jsonata_raise_text(e, "D3137",
                              args[0].type == JSON_STRING && args[0].n ? json_view(args[0])
                                                                       : TL_SV("$error() function evaluated"));
}

static enum tl_rc fn_assert(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED,
                            struct json *ret TL_UNUSED)
{
    if (args[0].type == JSON_BOOL && args[0].u.b)
        return TL_OK;
    return jsonata_raise_text(e, "D3141",
                              args[1].type == JSON_STRING && args[1].n ? json_view(args[1])
                                                                       : TL_SV("$assert() statement failed"));
}

/* ---- clone and eval ---- */

static enum tl_rc fn_clone(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    struct json v = run_deep_clone(e, args[0]);

    if (raised(v))
        return e->rc;
    *ret = v;
    return TL_OK;
}

static void unref_program(void *p)
{
    jsonata_unref(p);
}

static enum tl_rc raise_inner(struct jsonata_eval *e, const char *code, const char *text)
{
    char *copy = eval_alloc(e, strlen(text) + 1);

    if (!copy)
        return jsonata_exhausted(e);
    memcpy(copy, text, strlen(text) + 1);
    return jsonata_raise(e, code, json_str(copy));
}

static enum tl_rc fn_eval(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    struct jsonata_program *p = NULL;
    struct jsonata_error error;
    struct env *saved = e->env;
    struct json v;

    if (args[0].type == JSON_UNDEFINED)
        return TL_OK;
    if (jsonata_tick(e, 100 + args[0].n) != TL_OK)
        return e->rc;
    if (program_compile(json_view(args[0]), e->options, true, &p, &error, NULL) != TL_OK)
        return raise_inner(e, "D3120", error.text);
    tl_arena_on_free(e->arena, unref_program, p);
    v = eval_program(e, p, args[1].type != JSON_UNDEFINED ? run_outer_input(e, args[1]) : e->context, saved);
    e->env = saved;
    if (!raised(v)) {
        *ret = v;
        return TL_OK;
    }
    if (e->rc == TL_BUDGET)
        return e->rc;
    if (!e->error.text[0])
        errors_message(&e->error, TL_SV_NULL);
    error = e->error;
    return raise_inner(e, "D3121", error.text);
}

const struct jsonata_native jsonata_core_functions[] = {
    {"boolean", "<x-:b>", fn_boolean}, {"not", "<x-:b>", fn_not},     {"exists", "<x:b>", fn_exists},
    {"type", "<x:s>", fn_type},        {"error", "<s?:x>", fn_error}, {"assert", "<bs?:x>", fn_assert},
    {"clone", "<(oa)-:o>", fn_clone},  {"eval", "<sx?:x>", fn_eval},  {0}};
