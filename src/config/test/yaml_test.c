/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"

struct world {
    struct tl_arena *arena;
    struct config_errors *e;
    struct config_node *n;
    struct tl_buf text;
};

static int setup(void **state)
{
    struct world *w = tl_zalloc(sizeof *w);

    w->arena = tl_arena_new(64 << 20);
    w->e = config_errors_new();
    tl_buf_init(&w->text, 1 << 20);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    tl_buf_done(&w->text);
    config_errors_free(w->e);
    tl_arena_free(w->arena);
    tl_free(w);
    return 0;
}

static const char *report(struct world *w)
{
    tl_buf_clear(&w->text);
    assert_true(config_errors_text(w->e, false, &w->text));
    return w->text.p ? w->text.p : "";
}

static enum tl_rc parse(struct world *w, const char *text)
{
    config_errors_free(w->e);
    w->e = config_errors_new();
    return config_parse_yaml(w->arena, "f.yaml", tl_sv_str(text), w->e, &w->n);
}

static void plain_words_get_the_type_they_look_like_and_quoted_ones_stay_text(void **state)
{
    struct world *w = *state;

    assert_int_equal(parse(w,
                           "{a: 1, b: -1.50e3, c: true, d: null, e: ~, f: '1', g: \"true\", h: 012, i: 0x1f, j: yes, "
                           "k: .inf, l: 1_000, m: 12:30, n: , o: |-\n 7\n}") == TL_OK,
                     0); /* a block text cannot stand in a flow map */
    assert_int_equal(parse(w, "a: 1\nb: -1.50e3\nc: true\nd: null\ne: ~\nf: '1'\ng: \"true\"\nh: 012\ni: 0x1f\nj: yes\n"
                              "k: .inf\nl: 1_000\nm: 12:30\nn:\no: |-\n  7\n"),
                     TL_OK);
    assert_true(json_write(&w->text, config_to_json(w->arena, w->n), 0));
    assert_string_equal(w->text.p, "{\"a\":1,\"b\":-1.50e3,\"c\":true,\"d\":null,\"e\":null,\"f\":\"1\",\"g\":\"true\","
                                   "\"h\":\"012\",\"i\":\"0x1f\",\"j\":\"yes\",\"k\":\".inf\",\"l\":\"1_000\","
                                   "\"m\":\"12:30\",\"n\":null,\"o\":\"7\"}");
}

static void places_count_lines_and_characters_from_one(void **state)
{
    struct world *w = *state;

    assert_int_equal(parse(w, "\xef\xbb\xbf# caf\xc3\xa9\na:\n  - \xc3\xa9: [x, y]\n"), TL_OK);
    assert_int_equal(config_get(w->n, "a")->items[0]->at.line, 3);
    assert_int_equal(config_get(config_get(w->n, "a")->items[0], "\xc3\xa9")->at.column, 8);
}

static const struct {
    const char *text, *expect;
} refused[] = {
    {"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: error: `a` is given twice, first in line 1"},
    {"a: &x 1\nb: 2\n", "f.yaml:1:4: error: anchors (&name) are not read here"},
    {"a: *x\n", "aliases (*name) are not read here"},
    {"a: !!str 1\n", "tags (tag:yaml.org,2002:str) are not read here"},
    {"<<: {a: 1}\n", "merge keys (<<) are not read here"},
    {"a: 1\n---\nb: 2\n", "f.yaml:2:1: error: a second document begins here"},
    {"a:\n\tb: 1\n", "f.yaml:2:1: error: a tab indents this line"},
    {"a: {b: 1\nc: 2\n", "this is not valid YAML"},
    {"a: b: c\n", "A text that contains ': ' needs quotes"},
    {"a: \"x\n", "A quote is not closed."},
    {"a: @x\n", "A text that begins with @, ` or % needs quotes."},
    {"[a]: 1\n", "a key must be a plain text"},
    {"\"\": 1\n", "a key is empty"},
    {"a: \"\\0\"\n", "a text holds a NUL character"},
    {"a: \x01\n", "f.yaml:1:4: error: a control character (byte 0x01)"},
    {"a: b\nc: \xff\n", "f.yaml:2:4: error: byte 0xff is not valid UTF-8"},
    {"\xff\xfe"
     "a",
     "the file is UTF-16"},
    {"a: \"\\q\"\n", "use single quotes"},
};

static void what_makes_yaml_surprising_is_refused_with_a_reason(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(refused); i++) {
        assert_int_equal(parse(w, refused[i].text), TL_CONFIG);
        if (!strstr(report(w), refused[i].expect))
            fail_msg("row %zu: wanted \"%s\", got\n%s", i, refused[i].expect, report(w));
    }
}

static void several_structural_faults_are_reported_at_once(void **state)
{
    struct world *w = *state;

    assert_int_equal(parse(w, "a: &x 1\na: 2\nb: *x\n? {c: 1}\n: 2\n"), TL_CONFIG);
    assert_true(config_errors_count(w->e) >= 4);
}

static void depth_and_size_have_limits(void **state)
{
    struct world *w = *state;
    struct tl_buf b;

    tl_buf_init(&b, 8 << 20);
    for (int i = 0; i < 60; i++)
        tl_buf_putc(&b, '[');
    for (int i = 0; i < 60; i++)
        tl_buf_putc(&b, ']');
    assert_int_equal(parse(w, b.p), TL_OK);
    tl_buf_clear(&b);
    for (int i = 0; i < 500; i++)
        tl_buf_putc(&b, '[');
    assert_int_equal(parse(w, b.p), TL_CONFIG);
    assert_non_null(strstr(report(w), "nested deeper than 64 levels"));
    tl_buf_clear(&b);
    for (int i = 0; i < 600000; i++)
        tl_buf_puts(&b, "- a\n");
    assert_int_equal(parse(w, b.p), TL_CONFIG);
    assert_non_null(strstr(report(w), "more than 500000 values"));
    tl_buf_clear(&b);
    tl_buf_puts(&b, "a: '");
    for (int i = 0; i < 4 << 20; i++)
        tl_buf_putc(&b, 'x');
    assert_int_equal(parse(w, b.p), TL_CONFIG);
    assert_non_null(strstr(report(w), "larger than 4 MB"));
    tl_buf_done(&b);
}

static void a_long_map_finds_its_duplicates(void **state)
{
    struct world *w = *state;
    struct tl_buf b;

    tl_buf_init(&b, 8 << 20);
    for (int i = 0; i < 20000; i++)
        tl_buf_printf(&b, "k%d: 1\n", i);
    tl_buf_puts(&b, "k19: 2\nk19999: 2\n");
    assert_int_equal(parse(w, b.p), TL_CONFIG);
    assert_int_equal(config_errors_count(w->e), 2);
    tl_buf_done(&b);
}

static void an_empty_text_is_an_empty_map(void **state)
{
    struct world *w = *state;

    assert_int_equal(parse(w, ""), TL_OK);
    assert_int_equal(w->n->kind, CONFIG_NODE_MAP);
    assert_int_equal(parse(w, "# nothing\n"), TL_OK);
    assert_int_equal(w->n->n, 0);
}

/* ---- files ---- */

static char *dir;

static void put_file(const char *name, const char *text)
{
    TL_CLEANUP(tl_freep) char *path = tl_sprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int setup_dir(void **state)
{
    const char *tmp = getenv("TMPDIR");

    dir = tl_sprintf("%s/config_test_XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    return setup(state);
}

static int teardown_dir(void **state)
{
    TL_CLEANUP(tl_freep) char *cmd = tl_sprintf("rm -r '%s'", dir);

    assert_int_equal(system(cmd), 0);
    tl_free(dir);
    return teardown(state);
}

static enum tl_rc load(struct world *w, const char *name)
{
    TL_CLEANUP(tl_freep) char *path = tl_sprintf("%s%s%s", dir, *name ? "/" : "", name);

    config_errors_free(w->e);
    w->e = config_errors_new();
    return config_load(w->arena, path, w->e, &w->n);
}

static void included_files_are_put_together_by_key(void **state)
{
    struct world *w = *state;
    TL_CLEANUP(tl_freep) char *sub = tl_sprintf("%s/flows", dir);

    assert_int_equal(mkdir(sub, 0700), 0);
    put_file("main.yaml", "version: 1\ninclude: [\"flows/*.yaml\", more.yml]\nflows: {a: 1}\n");
    put_file("flows/b.yaml", "version: 1\nflows: {b: 1}\n");
    put_file("flows/c.yaml", "flows: {c: 1}\nmodels: {m: 1}\ninclude: ../main.yaml\n");
    put_file("more.yml", "store: {path: x}\n");
    if (load(w, "main.yaml") != TL_OK)
        fail_msg("%s", report(w));
    tl_buf_clear(&w->text);
    assert_true(json_write(&w->text, config_to_json(w->arena, w->n), JSON_WRITE_SORTED));
    assert_string_equal(w->text.p,
                        "{\"flows\":{\"a\":1,\"b\":1,\"c\":1},\"models\":{\"m\":1},\"store\":{\"path\":\"x\"},"
                        "\"version\":1}");
}

static void a_key_in_two_files_is_an_error_that_names_both(void **state)
{
    struct world *w = *state;

    put_file("a.yaml", "flows:\n  x: 1\n");
    put_file("b.yaml", "flows:\n  y: 1\n  x: 2\nversion: 1\n");
    put_file("c.txt", "not read");
    assert_int_equal(load(w, ""), TL_CONFIG);
    assert_non_null(strstr(report(w), "b.yaml:3:3: error: `flows.x` is also given in"));
    assert_non_null(strstr(report(w), "a.yaml, line 2"));
}

static void files_that_are_missing_or_no_files_are_said(void **state)
{
    struct world *w = *state;

    assert_int_equal(load(w, ""), TL_CONFIG);
    assert_non_null(strstr(report(w), "has no file *.yaml"));
    assert_int_equal(load(w, "none.yaml"), TL_CONFIG);
    assert_non_null(strstr(report(w), "cannot be read: No such file or directory"));
    put_file("a.yaml", "include: [x/*.yaml, /dev/zero]\n");
    assert_int_equal(load(w, "a.yaml"), TL_CONFIG);
    assert_non_null(strstr(report(w), "a.yaml:1:11: error: no file matches"));
    assert_non_null(strstr(report(w), "/dev/zero is not a file"));
    put_file("a.yaml", "- 1\n");
    assert_int_equal(load(w, "a.yaml"), TL_CONFIG);
    assert_non_null(strstr(report(w), "a configuration is a map of keys, not a list"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define D(f) cmocka_unit_test_setup_teardown(f, setup_dir, teardown_dir)
    const struct CMUnitTest tests[] = {
        T(plain_words_get_the_type_they_look_like_and_quoted_ones_stay_text),
        T(places_count_lines_and_characters_from_one),
        T(what_makes_yaml_surprising_is_refused_with_a_reason),
        T(several_structural_faults_are_reported_at_once),
        T(depth_and_size_have_limits),
        T(a_long_map_finds_its_duplicates),
        T(an_empty_text_is_an_empty_map),
        D(included_files_are_put_together_by_key),
        D(a_key_in_two_files_is_an_error_that_names_both),
        D(files_that_are_missing_or_no_files_are_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
