/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex.c - compiled regular expressions. Each is compiled twice: for subjects that are ASCII, where bytes are
 * characters, and for all others in UTF mode. Both are immutable; match data belongs to the evaluation.
 */
#include "jsonata/functions/regex_int.h"

#define MAX_PATTERN 65536
/* Backtracking steps of one search: some 50 ms; catastrophic patterns end here. */
#define MATCH_LIMIT 5000000
#define HEAP_LIMIT_KB 20000

struct jsonata_regex {
    pcre2_code *bytes; /* NULL: the pattern has characters above ASCII */
    pcre2_code *utf;
    uint32_t groups;
    struct tl_sv source;
    char text[];
};

static enum tl_rc compile(struct tl_sv pattern, bool ignore_case, bool multiline, bool bytes, pcre2_code **ret,
                          uint32_t *ret_groups, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text;
    uint32_t options =
        PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C | (ignore_case ? PCRE2_CASELESS : 0);
    int code;
    PCRE2_SIZE at;

    tl_buf_init(&text, MAX_PATTERN * 16);
    enum tl_rc rc = jsonata_regex_translate(pattern, multiline, bytes, &text, ret_groups, err);

    if (rc != TL_OK)
        return rc;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);

    if (context)
        (void)pcre2_set_compile_extra_options(context, PCRE2_EXTRA_ALLOW_SURROGATE_ESCAPES);
    *ret = pcre2_compile((PCRE2_SPTR)(text.p ? text.p : ""), text.n,
                         options | (bytes ? 0 : PCRE2_UTF | PCRE2_NO_UTF_CHECK), &code, &at, bytes ? NULL : context);
    pcre2_compile_context_free(context);
    if (!*ret) {
        PCRE2_UCHAR why[128];

        (void)pcre2_get_error_message(code, why, sizeof why);
        return tl_fail(err, TL_PARSE, "regular expression: %s", (const char *)why);
    }
    (void)pcre2_jit_compile(*ret, PCRE2_JIT_COMPLETE); /* without it the interpreter does the same, slower */
    return TL_OK;
}

enum tl_rc jsonata_regex_new(struct tl_sv pattern, bool ignore_case, bool multiline, struct jsonata_regex **ret,
                             struct tl_err *err)
{
    struct jsonata_regex *re;
    enum tl_rc rc;

    if (pattern.n > MAX_PATTERN)
        return tl_fail(err, TL_LIMIT, "regular expression: longer than %d bytes", MAX_PATTERN);
    re = tl_zalloc(sizeof *re + pattern.n + 1);
    memcpy(re->text, pattern.p, pattern.n);
    re->source = tl_sv(re->text, pattern.n);
    rc = compile(re->source, ignore_case, multiline, false, &re->utf, &re->groups, err);
    if (rc == TL_OK) {
        rc = compile(re->source, ignore_case, multiline, true, &re->bytes, &re->groups, err);
        if (rc == TL_UNSUPPORTED)
            rc = TL_OK;
    }
    if (rc != TL_OK) {
        jsonata_regex_free(re);
        return rc;
    }
    *ret = re;
    return TL_OK;
}

void jsonata_regex_free(struct jsonata_regex *re)
{
    if (!re)
        return;
    pcre2_code_free(re->bytes);
    pcre2_code_free(re->utf);
    tl_free(re);
}

struct tl_sv jsonata_regex_source(const struct jsonata_regex *re)
{
    return re->source;
}

static void free_match(void *arg)
{
    pcre2_match_data_free(arg);
}

static void free_context(void *arg)
{
    pcre2_match_context_free(arg);
}

static struct jsonata_scratch *prepare(struct jsonata_eval *e, uint32_t pairs)
{
    struct jsonata_scratch *s = jsonata_scratch(e);

    if (!s)
        return NULL;
    if (!s->context) {
        s->context = pcre2_match_context_create(NULL);
        if (!s->context)
            return NULL;
        (void)pcre2_set_match_limit(s->context, MATCH_LIMIT);
        (void)pcre2_set_depth_limit(s->context, MATCH_LIMIT);
        (void)pcre2_set_heap_limit(s->context, HEAP_LIMIT_KB);
        tl_arena_on_free(jsonata_arena(e), free_context, s->context);
    }
    if (s->pairs < pairs) {
        s->match = pcre2_match_data_create(pairs < 10 ? 10 : pairs, NULL);
        if (!s->match)
            return NULL;
        s->pairs = pairs < 10 ? 10 : pairs;
        tl_arena_on_free(jsonata_arena(e), free_match, s->match);
    }
    return s;
}

enum tl_rc jsonata_regex_find(struct jsonata_eval *e, const struct jsonata_regex *re, struct json text, size_t from,
                              struct jsonata_found *ret)
{
    const pcre2_code *code = re->bytes && jsonata_is_ascii(text) ? re->bytes : re->utf;
    struct jsonata_scratch *s = prepare(e, re->groups + 1);
    PCRE2_SPTR subject = (PCRE2_SPTR)(text.n ? text.u.s : "");
    enum tl_rc rc = jsonata_tick(e, 1);
    int n;

    if (rc != TL_OK)
        return rc;
    if (!s)
        return jsonata_exhausted(e);
    n = pcre2_match(code, subject, text.n, from, PCRE2_NO_UTF_CHECK, s->match, s->context);
    if (n == PCRE2_ERROR_JIT_STACKLIMIT)
        n = pcre2_match(code, subject, text.n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, s->match, s->context);
    ret->at = NULL;
    ret->groups = re->groups;
    if (n == PCRE2_ERROR_NOMATCH)
        return TL_OK;
    if (n == PCRE2_ERROR_MATCHLIMIT || n == PCRE2_ERROR_DEPTHLIMIT || n == PCRE2_ERROR_HEAPLIMIT) {
        rc = jsonata_tick(e, UINT64_MAX); /* as if all steps were used up: U1001 */
        return rc != TL_OK ? rc : jsonata_exhausted(e);
    }
    if (n < 0)
        return jsonata_exhausted(e);
    PCRE2_SIZE *at = pcre2_get_ovector_pointer(s->match);

    for (uint32_t i = (uint32_t)n; i <= re->groups; i++) /* groups after the last that took part */
        at[2 * i] = at[2 * i + 1] = PCRE2_UNSET;
    ret->at = at;
    return TL_OK;
}

enum tl_rc jsonata_regex_find_next(struct jsonata_eval *e, const struct jsonata_regex *re, struct json text,
                                   size_t from, struct jsonata_found *ret)
{
    enum tl_rc rc;

    ret->at = NULL;
    if (from >= text.n)
        return TL_OK;
    rc = jsonata_regex_find(e, re, text, from, ret);
    if (rc == TL_OK && ret->at && ret->at[0] == ret->at[1])
        return jsonata_raise(e, "D1004", json_sv(re->source));
    return rc;
}
