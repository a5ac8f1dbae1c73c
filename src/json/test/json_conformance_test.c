/* SPDX-License-Identifier: Apache-2.0 */
/* The shared vectors for parsing, pointers and patches; skipped where they are absent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vectors.h"

struct score {
    unsigned run, failed;
};

static void miss(struct score *s, struct json line, const char *why)
{
    s->failed++;
    (void)fprintf(stderr, "%.*s: %s\n", TL_SV_ARG(json_text(json_gets(line, "id"), TL_SV("?"))), why);
}

static void parsing_case(struct tl_arena *a, struct json line, void *arg)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text;
    struct tl_sv expect = json_view(json_gets(line, "expect"));
    struct score *s = arg;
    struct json v;
    enum tl_rc rc;

    tl_buf_init(&text, 64u << 20);
    assert_true(tl_base64_decode(&text, json_view(json_gets(line, "base64"))));
    rc = json_parse(a, tl_buf_view(&text), JSON_PARSE_DUP_LAST, NULL, &v, NULL);
    s->run++;
    if (tl_sv_eqs(expect, "accept") && rc != TL_OK)
        miss(s, line, "refused");
    if (tl_sv_eqs(expect, "reject") && rc == TL_OK)
        miss(s, line, "accepted");
}

static void pointer_case(struct tl_arena *a, struct json line, void *arg)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text;
    struct json fragment = json_gets(line, "fragment"), want = json_gets(line, "value"), v = JSON_NOTHING;
    struct score *s = arg;
    enum tl_rc rc;

    (void)a;
    tl_buf_init(&text, 4096);
    if (fragment.type == JSON_STRING)
        assert_true(tl_percent_decode(&text, tl_sv_from(json_view(fragment), 1), false));
    else
        (void)tl_buf_sv(&text, json_view(json_gets(line, "pointer")));
    rc = json_pointer_get(json_gets(line, "doc"), tl_buf_view(&text), &v, NULL);
    s->run++;
    if ((rc == TL_OK) != (json_gets(line, "error").type == JSON_UNDEFINED) || (rc == TL_OK && !json_equal(v, want)))
        miss(s, line, tl_rc_name(rc));
}

static void patch_case(struct tl_arena *a, struct json line, void *arg)
{
    struct json v = JSON_NOTHING, want = json_gets(line, "expected");
    struct score *s = arg;
    enum tl_rc rc;

    if (json_gets(line, "disabled").u.b)
        return;
    rc = json_patch(a, json_gets(line, "doc"), json_gets(line, "patch"), &v, NULL);
    s->run++;
    if ((rc == TL_OK) != (json_gets(line, "error").type == JSON_UNDEFINED) ||
        (rc == TL_OK && want.type != JSON_UNDEFINED && !json_equal(v, want)))
        miss(s, line, tl_rc_name(rc));
}

static void run(const char *path, void (*fn)(struct tl_arena *, struct json, void *))
{
    struct tl_arena *a = tl_arena_new(64u << 20);
    struct tl_sv lines = vectors_read(a, path);
    struct score s = {0};

    if (lines.p)
        (void)vectors_each(lines, fn, &s);
    tl_arena_free(a);
    if (s.run == 0)
        skip();
    (void)fprintf(stderr, "%s: %u of %u\n", path, s.run - s.failed, s.run);
    assert_int_equal(s.failed, 0);
}

static void texts_are_accepted_and_refused_as_rfc_8259_says(void **state)
{
    (void)state;
    run("conformance/json-parsing/cases.jsonl", parsing_case);
}

static void pointers_lead_where_rfc_6901_says(void **state)
{
    (void)state;
    run("conformance/json-pointer/cases.jsonl", pointer_case);
}

static void patches_do_what_rfc_6902_says(void **state)
{
    (void)state;
    run("conformance/json-patch/cases.jsonl", patch_case);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_accepted_and_refused_as_rfc_8259_says),
        cmocka_unit_test(pointers_lead_where_rfc_6901_says),
        cmocka_unit_test(patches_do_what_rfc_6902_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
