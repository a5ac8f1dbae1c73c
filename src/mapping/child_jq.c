/* SPDX-License-Identifier: Apache-2.0 */
/* child_jq.c - libjq in the child. Numbers pass through as doubles, as jq has them. */
#include <jq.h>

#include "mapping/mapping_int.h"

struct state {
    jq_state *jq;
    struct tl_buf compiled; /* text and bindings of the program that jq holds */
    char error[300];        /* what jq said while compiling */
};

static jv to_jq(struct json v)
{
    struct tl_buf b;
    jv out;

    if (v.type == JSON_UNDEFINED)
        return jv_null();
    tl_buf_init(&b, FRAME_MAX);
    if (!json_write(&b, v, 0)) {
        tl_buf_done(&b);
        return jv_invalid();
    }
    out = jv_parse_sized(b.p, (int)b.n);
    tl_buf_done(&b);
    return out;
}

static enum tl_rc from_jq(struct tl_arena *a, jv v, struct json *ret, struct tl_err *err)
{
    jv text = jv_dump_string(v, 0);
    struct json_limits limits = {.max_bytes = FRAME_MAX, .max_depth = 2000};
    struct tl_sv copy = tl_arena_sv(a, tl_sv(jv_string_value(text), (size_t)jv_string_length_bytes(jv_copy(text))));

    jv_free(text);
    if (!copy.p)
        return tl_fail(err, TL_BUDGET, "jq: the result is too large");
    return json_parse(a, copy, JSON_PARSE_LONE_SURROGATES | JSON_PARSE_DUP_LAST, &limits, ret, err);
}

static void on_message(void *arg, jv message)
{
    struct state *s = arg;
    jv text = jq_format_error(message);

    if (s->error[0] == '\0' && jv_get_kind(text) == JV_KIND_STRING) {
        const char *p = jv_string_value(text);
        size_t n = strcspn(p, "\n");

        if (n >= sizeof(s->error))
            n = sizeof(s->error) - 1;
        memcpy(s->error, p, n);
        s->error[n] = '\0';
    }
    jv_free(text);
}

static void *open_jq(void)
{
    struct state *s = tl_zalloc(sizeof(*s));

    tl_buf_init(&s->compiled, FRAME_MAX);
    return s;
}

static void drop_program(struct state *s)
{
    if (s->jq)
        jq_teardown(&s->jq);
    s->jq = NULL;
    tl_buf_clear(&s->compiled);
}

static bool compile_once(struct state *s, const char *program, jv variables)
{
    drop_program(s);
    s->error[0] = '\0';
    s->jq = jq_init();
    if (!s->jq) {
        jv_free(variables);
        return false;
    }
    jq_set_attr(s->jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
    jq_set_error_cb(s->jq, on_message, s);
    return jq_compile_args(s->jq, program, variables) != 0;
}

/* "jq: error: $name is not defined at ..." */
static bool undefined_variable(const struct state *s, struct tl_sv *ret_name)
{
    struct tl_sv text = tl_sv_str(s->error);
    size_t dollar = tl_sv_find(text, '$'), end = tl_sv_find_sv(text, TL_SV(" is not defined"));

    if (dollar + 1 >= end || end == text.n)
        return false;
    *ret_name = tl_sv(text.p + dollar + 1, end - dollar - 1);
    return true;
}

/* While only checking, nobody knows the variables of an evaluation: each that is missed is given. */
static bool compile_for(struct state *s, const char *program, struct json bindings, bool check)
{
    jv variables = bindings.type == JSON_OBJECT ? to_jq(bindings) : jv_object();
    struct tl_sv name;
    bool ok = compile_once(s, program, jv_copy(variables));

    for (int i = 0; !ok && check && i < 100 && undefined_variable(s, &name); i++) {
        variables = jv_object_set(variables, jv_string_sized(name.p, (int)name.n), jv_null());
        ok = compile_once(s, program, jv_copy(variables));
    }
    jv_free(variables);
    return ok;
}

static enum tl_rc compile(struct state *s, struct json request, struct tl_err *err)
{
    struct json text = json_gets(request, "text"), bindings = json_gets(request, "bindings");
    bool check = json_gets(request, "check").type == JSON_BOOL;
    TL_CLEANUP(tl_freep) char *program = tl_strndup(text.u.s, text.n);
    TL_CLEANUP(tl_buf_done) struct tl_buf key = {0};

    tl_buf_init(&key, FRAME_MAX);
    (void)json_write(&key, text, 0);
    (void)json_write(&key, bindings, 0);
    if (s->jq && !check && tl_sv_eq(tl_buf_view(&key), tl_buf_view(&s->compiled)))
        return TL_OK;
    if (!compile_for(s, program, bindings, check)) {
        drop_program(s);
        return tl_fail(err, TL_PARSE, "%s", s->error[0] ? s->error : "jq: not a program");
    }
    if (check)
        drop_program(s);
    else
        (void)tl_buf_sv(&s->compiled, tl_buf_view(&key));
    return TL_OK;
}

/* What `error(...)`, a type error or halt_error left. */
static enum tl_rc ended(struct state *s, jv last, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;
    jv text;

    if (jv_invalid_has_msg(jv_copy(last))) {
        text = jv_invalid_get_msg(last);
        if (jv_get_kind(text) != JV_KIND_STRING)
            text = jv_dump_string(text, 0);
        rc = tl_fail(err, TL_INVALID, "jq: %.300s", jv_string_value(text));
        jv_free(text);
        return rc;
    }
    jv_free(last);
    if (jq_halted(s->jq)) {
        jv code = jq_get_exit_code(s->jq);

        if (jv_get_kind(code) == JV_KIND_NUMBER && jv_number_value(code) != 0)
            rc = tl_fail(err, TL_INVALID, "jq: the program halted");
        jv_free(code);
    }
    return rc;
}

static enum tl_rc run(void *state, struct tl_arena *a, struct json request, struct json *ret, struct tl_err *err)
{
    struct state *s = state;
    struct json_builder outputs;
    struct json v;
    enum tl_rc rc = compile(s, request, err);
    jv out;

    if (rc != TL_OK || json_gets(request, "check").type == JSON_BOOL)
        return rc;
    json_array_begin(&outputs, a, 4);
    jq_start(s->jq, to_jq(json_gets(request, "input")), 0);
    for (out = jq_next(s->jq); jv_is_valid(out) && rc == TL_OK; out = jq_next(s->jq)) {
        rc = from_jq(a, out, &v, err);
        if (rc == TL_OK && !json_push(&outputs, v))
            rc = tl_fail(err, TL_BUDGET, "jq: the result is too large");
    }
    if (rc != TL_OK) {
        jv_free(out);
        return rc;
    }
    rc = ended(s, out, err);
    if (rc == TL_OK)
        *ret = json_end(&outputs).n == 1   ? json_at(json_end(&outputs), 0)
               : json_end(&outputs).n == 0 ? JSON_NOTHING
                                           : json_end(&outputs);
    return rc;
}

const struct child_language child_jq = {"jq", open_jq, run};
