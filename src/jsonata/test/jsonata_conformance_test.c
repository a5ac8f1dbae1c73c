/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cases of the language: our own (cases.jsonl beside this file) always, the shared suite where it is present. The
 * format is that of the suite; JSONATA_CASE=ID runs one case and says more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jsonata/jsonata.h"

struct suite {
    const char *folder;
    struct tl_arena *arena;
    struct tl_map *datasets; /* name to struct json * */
    const char *only;
    int run, failed;
};

static bool read_file(const char *path, struct tl_buf *b)
{
    FILE *f = fopen(path, "rb");
    char piece[4096];
    size_t n;

    if (!f)
        return false;
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
        assert_true(tl_buf_put(b, piece, n));
    fclose(f);
    return true;
}

static struct json parse(struct suite *s, struct tl_sv text)
{
    struct tl_err err = {0};
    struct json v = JSON_NOTHING;

    if (json_parse(s->arena, text, JSON_PARSE_LONE_SURROGATES | JSON_PARSE_DUP_LAST, NULL, &v, &err) != TL_OK)
        fail_msg("%.100s: %s", text.p, err.text);
    return v;
}

static struct json dataset(struct suite *s, struct tl_sv name)
{
    struct json *known = tl_map_get(s->datasets, name);
    char path[512];
    struct tl_buf text;

    if (known)
        return *known;
    snprintf(path, sizeof(path), "%s/datasets/%.*s.json", s->folder, TL_SV_ARG(name));
    tl_buf_init(&text, 64 << 20);
    if (!read_file(path, &text))
        fail_msg("no %s", path);
    known = tl_arena_must(s->arena, sizeof(*known));
    *known = parse(s, tl_arena_sv(s->arena, tl_buf_view(&text)));
    tl_buf_done(&text);
    tl_map_put(s->datasets, name, known);
    return *known;
}

/* ---- what has to come out ---- */

static bool unordered_equal(struct json a, struct json b)
{
    bool used[1000] = {0};

    if (a.type != JSON_ARRAY || b.type != JSON_ARRAY || a.n != b.n || a.n > 1000)
        return json_equal(a, b);
    for (uint32_t i = 0; i < a.n; i++) {
        uint32_t k = 0;

        while (k < b.n && (used[k] || !json_equal(a.u.items[i], b.u.items[k])))
            k++;
        if (k == b.n)
            return false;
        used[k] = true;
    }
    return true;
}

static const char *as_text(struct suite *s, struct json v)
{
    struct tl_buf b TL_CLEANUP(tl_buf_done);

    tl_buf_init(&b, 64 << 20);
    if (v.type == JSON_UNDEFINED)
        return "undefined";
    json_write(&b, v, JSON_WRITE_SORTED | JSON_WRITE_JS_NUMBERS);
    return tl_arena_strndup(s->arena, b.p, b.n < 300 ? b.n : 300);
}

/* Numbers as doubles: written and read again. */
static struct json as_doubles(struct suite *s, struct json v)
{
    struct tl_buf b TL_CLEANUP(tl_buf_done);

    tl_buf_init(&b, 256 << 20);
    if (v.type == JSON_UNDEFINED)
        return v;
    assert_true(json_write(&b, v, JSON_WRITE_JS_NUMBERS));
    return parse(s, tl_arena_sv(s->arena, tl_buf_view(&b)));
}

static bool error_matches(struct json want, const struct jsonata_error *error)
{
    const char *code = tl_sv_str(error->code).p;
    struct json v = json_gets(want, "code");

    if (v.type == JSON_STRING && !tl_sv_eqs(json_view(v), code))
        return false;
    v = json_gets(want, "token");
    if (v.type == JSON_STRING && !tl_sv_eqs(json_view(v), error->token))
        return false;
    v = json_gets(want, "message");
    if (v.type == JSON_STRING && !tl_sv_eqs(json_view(v), error->text))
        return false;
    v = json_gets(want, "position");
    if (json_is_number(v) && json_number(v) != error->position)
        return false;
    v = json_gets(want, "functionName");
    if (v.type == JSON_STRING && !tl_sv_eqs(json_view(v), error->function))
        return false;
    v = json_gets(want, "value");
    return v.type == JSON_UNDEFINED || json_equal(v, error->value);
}

static void check(struct suite *s, struct json c, enum tl_rc rc, struct json got, const struct jsonata_error *error)
{
    struct json want = json_gets(c, "result"), object = json_gets(c, "error");
    bool nothing = json_gets(c, "undefinedResult").type == JSON_BOOL, ok;

    if (json_gets(c, "code").type == JSON_STRING)
        object = c;
    if (object.type == JSON_OBJECT)
        ok = rc != TL_OK && error_matches(object, error);
    else if (rc != TL_OK)
        ok = false;
    else if (nothing)
        ok = got.type == JSON_UNDEFINED;
    else if (json_gets(c, "unordered").type == JSON_BOOL)
        ok = unordered_equal(as_doubles(s, want), as_doubles(s, got));
    else
        ok = json_equal(as_doubles(s, want), as_doubles(s, got));
    if (ok && !s->only)
        return;
    s->failed += !ok;
    print_message("%s %.*s: %.*s\n  want %s\n  got  %s", ok ? "ok" : "FAIL", TL_SV_ARG(json_view(json_gets(c, "id"))),
                  TL_SV_ARG(json_view(json_gets(c, "expr"))),
                  object.type == JSON_OBJECT ? as_text(s, object)
                  : nothing                  ? "undefined"
                                             : as_text(s, want),
                  rc == TL_OK ? as_text(s, got) : "");
    if (rc != TL_OK)
        print_message("error %s (token %s, position %d): %s", error->code, error->token, (int)error->position,
                      error->text);
    print_message("\n");
}

static void run_case(struct suite *s, struct json c)
{
    struct jsonata_budget budget = {.depth = (uint32_t)json_number(json_gets(c, "depth")),
                                    .time_ms = (uint32_t)json_number(json_gets(c, "timelimit"))};
    struct jsonata_input in = {.data = json_gets(c, "data"), .bindings = json_gets(c, "bindings"), .budget = &budget};
    struct json name = json_gets(c, "dataset"), got = JSON_NOTHING;
    struct jsonata_program *p TL_CLEANUP(jsonata_unrefp) = NULL;
    struct tl_arena *arena TL_CLEANUP(tl_arena_freep) = tl_arena_new((size_t)2 << 30);
    struct jsonata_error error = {0};
    struct tl_err err = {0};
    enum tl_rc rc;

    if (in.data.type == JSON_UNDEFINED && name.type == JSON_STRING)
        in.data = dataset(s, json_view(name));
    rc = jsonata_compile(json_view(json_gets(c, "expr")), NULL, &p, &error, &err);
    if (rc == TL_OK)
        rc = jsonata_run(p, arena, &in, &got, &error, &err);
    s->run++;
    check(s, c, rc, got, &error);
}

static void run_suite(const char *folder, int expected)
{
    struct suite s = {.folder = folder, .only = getenv("JSONATA_CASE")};
    char path[512];
    struct tl_buf text;
    struct tl_sv rest, line;

    snprintf(path, sizeof(path), "%s/cases.jsonl", folder);
    tl_buf_init(&text, 64 << 20);
    assert_true(read_file(path, &text));
    s.arena = tl_arena_new((size_t)4 << 30);
    s.datasets = tl_map_new();
    rest = tl_buf_view(&text);
    while (tl_sv_cut(&rest, '\n', &line)) {
        struct json c;

        if (!line.n)
            continue;
        c = parse(&s, line);
        if (!s.only || tl_sv_eqs(json_view(json_gets(c, "id")), s.only))
            run_case(&s, c);
    }
    print_message("%s: %d of %d cases pass\n", folder, s.run - s.failed, s.run);
    tl_map_free(s.datasets);
    tl_arena_free(s.arena);
    tl_buf_done(&text);
    assert_int_equal(s.failed, 0);
    assert_true(s.only || s.run >= expected);
}

static void our_own_cases_pass(void **state)
{
    (void)state;
    run_suite("src/jsonata/test", 20);
}

static void the_shared_suite_passes(void **state)
{
    const char *roots[] = {getenv("TIELINE_SHARED"), "../shared", "../../shared"};
    char path[512];

    (void)state;
    for (size_t i = 0; i < TL_COUNT(roots); i++) {
        FILE *f;

        if (!roots[i])
            continue;
        snprintf(path, sizeof(path), "%s/conformance/jsonata/cases.jsonl", roots[i]);
        f = fopen(path, "rb");
        if (!f)
            continue;
        fclose(f);
        snprintf(path, sizeof(path), "%s/conformance/jsonata", roots[i]);
        run_suite(path, 1000);
        return;
    }
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(our_own_cases_pass), cmocka_unit_test(the_shared_suite_passes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
