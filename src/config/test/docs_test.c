/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "example.h"

struct world {
    struct tl_arena *arena;
    struct config_errors *e;
    struct tl_buf b;
};

static int setup(void **state)
{
    struct world *w = tl_zalloc(sizeof *w);

    w->arena = tl_arena_new(16 << 20);
    w->e = config_errors_new();
    tl_buf_init(&w->b, 4 << 20);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    tl_buf_done(&w->b);
    config_errors_free(w->e);
    tl_arena_free(w->arena);
    tl_free(w);
    return 0;
}

static struct config_node *tree(struct world *w, const char *text)
{
    struct config_node *n = NULL;

    assert_int_equal(config_parse_yaml(w->arena, "x.yaml", tl_sv_str(text), w->e, &n), TL_OK);
    return n;
}

static const char source[] = "version: 1\n"
                             "connections: { a: { url: \"http://h\", type: http, auth: { bearer: \"${env:T}\" } } }\n"
                             "flows: { f: { from: { schedule: \"@daily\" }, to: { connection: a },\n"
                             "  steps: [ { when: \"a = \\\"b\\\"\" } ] } }\n";

static void what_holds_is_printed_with_defaults_and_reads_back_the_same(void **state)
{
    struct world *w = *state;
    struct config_node *n = tree(w, source), *again;
    struct config_change *c;
    void *conf;
    size_t count;

    assert_true(config_print_effective(&example_spec, n, &w->b));
    assert_non_null(strstr(w->b.p, "  idle: 60s  # default\n"));
    assert_non_null(strstr(w->b.p, "  trusted:  # default\n    - 127.0.0.0/8\n    - \"::1\"\n"));
    assert_non_null(strstr(w->b.p, "    type: http\n    url: \"http://h\"\n"));
    assert_non_null(strstr(w->b.p, "      bearer: \"${env:T}\"\n"));
    assert_non_null(strstr(w->b.p, "        when: \"a = \\\"b\\\"\"\n"));
    again = tree(w, w->b.p);
    assert_int_equal(config_parse(w->arena, &example_spec, again, NULL, w->e, &conf), TL_OK);
    (void)config_diff(w->arena, n, again, 1000, &count);
    c = config_diff(w->arena, again, n, 1000, &count); /* nothing but the defaults differs */
    for (size_t i = 0; i < count; i++)
        assert_int_equal(c[i].what, CONFIG_REMOVED);
}

static void the_schema_is_json_with_a_definition_for_each_table(void **state)
{
    struct world *w = *state;
    struct json s = config_schema(w->arena, &example_spec, "Tieline"), back, defs;
    struct tl_err err = {0};

    assert_true(json_write(&w->b, s, JSON_WRITE_INDENT));
    assert_int_equal(json_parse(w->arena, tl_buf_view(&w->b), 0, NULL, &back, &err), TL_OK);
    defs = json_gets(back, "$defs");
    assert_int_equal(json_gets(json_gets(defs, "connection"), "oneOf").n, 2);
    assert_true(tl_sv_eqs(json_text(json_gets(back, "$ref"), TL_SV("")), "#/$defs/tieline"));
    assert_int_equal(json_gets(json_gets(defs, "verify.shopify"), "properties").n, 1);
    assert_int_equal(json_gets(json_gets(defs, "retry"), "additionalProperties").type, JSON_BOOL);
}

static void the_reference_page_has_a_section_for_each_table(void **state)
{
    struct world *w = *state;

    assert_true(config_reference(&example_spec, "Configuration", &w->b));
    assert_non_null(strstr(w->b.p, "# Configuration\n\n## tieline\n"));
    assert_non_null(strstr(w->b.p, "| `attempts` | integer | `8` | Attempts in all. From 1 to 100. |\n"));
    assert_non_null(
        strstr(w->b.p, "| `secret` | list of secret | required | Shared secret; several while it is rotated. |"));
    assert_non_null(strstr(w->b.p, "- `netsuite`: NetSuite ERP. [connection.netsuite](#connectionnetsuite)\n"));
    assert_non_null(strstr(w->b.p, "A bare value stands for `{ cron: value }`."));
}

static void words_for_completion_are_sorted_and_unique(void **state)
{
    struct world *w = *state;
    struct tl_sv rest, line, last = TL_SV("");

    assert_true(config_words(&example_spec, &w->b));
    rest = tl_buf_view(&w->b);
    while (tl_sv_cut(&rest, '\n', &line) && line.n) {
        assert_true(tl_sv_cmp(last, line) < 0);
        last = line;
    }
    assert_non_null(strstr(w->b.p, "\nfull\n"));
    assert_non_null(strstr(w->b.p, "\noauth2_client_credentials\n"));
    assert_non_null(strstr(w->b.p, "\ntype\n"));
}

static void the_identity_of_a_connection_is_its_type_and_marked_fields(void **state)
{
    struct world *w = *state;
    const struct config_field *connections = NULL;
    struct config_node *n = tree(w, source);

    for (size_t i = 0; i < example_spec.n_fields; i++)
        if (strcmp(example_spec.fields[i].name, "connections") == 0)
            connections = &example_spec.fields[i];
    assert_true(config_identity(connections->item->spec, config_get(config_get(n, "connections"), "a"), &w->b));
    assert_string_equal(w->b.p, "type=http url=http://h");
}

static void a_difference_names_paths_and_never_values(void **state)
{
    struct world *w = *state;
    struct config_node *a = tree(w, "x: {a: 1, b: [1, 2], gone: {s: hunter2}, same: \"1\"}\ny: 1\n");
    struct config_node *b = tree(w, "x: {a: 2, b: [1, 3, 4], same: 1}\nz: {k: hunter3}\ny: [1]\n");
    size_t n;
    struct config_change *c = config_diff(w->arena, a, b, 100, &n);

    assert_true(json_write(&w->b, config_diff_json(w->arena, c, n), 0));
    assert_string_equal(w->b.p, "[{\"change\":\"changed\",\"path\":\"x.a\",\"file\":\"x.yaml\",\"line\":1},"
                                "{\"change\":\"changed\",\"path\":\"x.b[1]\",\"file\":\"x.yaml\",\"line\":1},"
                                "{\"change\":\"added\",\"path\":\"x.b[2]\",\"file\":\"x.yaml\",\"line\":1},"
                                "{\"change\":\"removed\",\"path\":\"x.gone\",\"file\":\"x.yaml\",\"line\":1},"
                                "{\"change\":\"changed\",\"path\":\"y\",\"file\":\"x.yaml\",\"line\":3},"
                                "{\"change\":\"added\",\"path\":\"z\",\"file\":\"x.yaml\",\"line\":2}]");
    (void)config_diff(w->arena, a, b, 2, &n);
    assert_int_equal(n, 2);
    (void)config_diff(w->arena, a, a, 2, &n);
    assert_int_equal(n, 0);
}

static const struct config_field inner_fields[] = {
    {.name = "x", .type = CONFIG_INT, .doc = "X."},
    {.name = "live", .type = CONFIG_INT, .doc = "Live.", .fallback = "7", .reload = CONFIG_RELOAD_APPLIES},
    {.name = "start", .type = CONFIG_INT, .doc = "Start.", .reload = CONFIG_RELOAD_RESTART},
};
static const struct config_spec inner_spec = {.name = "inner", .size = 8, .fields = inner_fields, .n_fields = 3};
static const struct config_field any_item = {.type = CONFIG_OBJECT, .spec = &inner_spec};
static const struct config_field header_item = {.type = CONFIG_SECRET, .raw = true, .doc = "A text or a secret."};
static const struct config_field outer_fields[] = {
    {.name = "said", .type = CONFIG_OBJECT, .spec = &inner_spec, .doc = "A.", .reload = CONFIG_RELOAD_APPLIES},
    {.name = "unsaid", .type = CONFIG_OBJECT, .spec = &inner_spec, .doc = "B."},
    {.name = "start", .type = CONFIG_OBJECT_REF, .spec = &inner_spec, .doc = "C.", .reload = CONFIG_RELOAD_RESTART},
    {.name = "all", .type = CONFIG_MAP, .item = &any_item, .doc = "D.", .reload = CONFIG_RELOAD_APPLIES},
    {.name = "headers", .type = CONFIG_MAP, .item = &header_item, .doc = "E.", .reload = CONFIG_RELOAD_RESTART},
};
static const struct config_spec outer_spec = {.name = "outer", .size = 64, .fields = outer_fields, .n_fields = 5};

static void what_needs_a_restart_follows_from_the_tables(void **state)
{
    static const struct {
        const char *before, *after, *want; /* paths, each with a blank behind it */
    } cases[] = {
        {"said: {x: 1, live: 1, start: 1}", "said: {x: 2, live: 2, start: 2}", "said.start "},
        {"unsaid: {x: 1, live: 1, start: 1}", "unsaid: {x: 2, live: 2, start: 2}", "unsaid.start unsaid.x "},
        {"start: {x: 1, live: 1, start: 1}", "start: {x: 2, live: 2, start: 2}", "start.start start.x "},
        {"{}", "start: {live: 1}", "start "}, /* the whole of it, not what is in it */
        {"{}", "unsaid: {live: 1}", ""},      /* one that is always there */
        {"{}", "unsaid: {live: 1, x: 5}", "unsaid.x "},
        {"unsaid: {live: 7}", "{}", ""}, /* the default, written out */
        {"all: {a.start: {start: 1}}", "all: {a.start: {start: 2}, b: {x: 1}}", ""},
        {"headers: {A: b, Authorization: Bearer one}", "headers: {A: b, Authorization: Bearer two}",
         "headers.Authorization "}, /* masked wherever it is shown */
        {"headers: {Authorization: Bearer one}", "headers: {Authorization: Bearer one}", ""},
        {"unknown: 1", "unknown: 2", ""}, /* what no table has is in no tree that was read */
    };
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct config_change *c;
        size_t n;

        tl_buf_clear(&w->b);
        c = config_needs_restart(w->arena, &outer_spec, tree(w, cases[i].before), tree(w, cases[i].after), 10, &n);
        for (size_t k = 0; k < n; k++)
            (void)tl_buf_printf(&w->b, "%s ", c[k].path);
        (void)tl_buf_putc(&w->b, '\0');
        assert_string_equal(w->b.p, cases[i].want);
    }
}

/* However many others there are: only those that need it count against the most. */
static void no_number_of_other_changes_hides_one_that_needs_a_restart(void **state)
{
    struct world *w = *state;
    TL_CLEANUP(tl_buf_done) struct tl_buf many = {0};
    struct config_change *c;
    size_t n;

    tl_buf_init(&many, 1 << 20);
    (void)tl_buf_puts(&many, "unsaid: {x: 1}\nall:\n");
    for (int i = 0; i < 500; i++)
        (void)tl_buf_printf(&many, "  k%d: {x: 1}\n", i);
    (void)tl_buf_putc(&many, '\0');
    c = config_needs_restart(w->arena, &outer_spec, tree(w, "{}"), tree(w, many.p), 1, &n);
    assert_int_equal(n, 1);
    assert_string_equal(c[0].path, "unsaid.x");
}

static void a_field_that_does_not_say_what_a_reload_does_is_found(void **state)
{
    struct world *w = *state;

    config_lint_reload(&outer_spec, w->e);
    assert_true(config_errors_text(w->e, false, &w->b));
    assert_int_equal(config_errors_count(w->e), 1);
    assert_non_null(strstr(w->b.p, "table inner, field x: does not say whether a reload applies it"));
    assert_true(config_reference(&outer_spec, "Outer", &w->b));
    assert_non_null(strstr(w->b.p, "Start. A change needs a restart. |"));
    assert_null(strstr(w->b.p, "Live. A change"));
    assert_non_null(strstr(w->b.p, "C. To add or remove it needs a restart; what is in it does not. |"));
}

static void faults_of_a_table_itself_are_found(void **state)
{
    struct world *w = *state;
    static const struct config_field fields[] = {
        {.name = "a", .type = CONFIG_DURATION, .doc = "A.", .fallback = "soon"},
        {.name = "a", .type = CONFIG_INT, .doc = "A again."},
        {.name = "b", .type = CONFIG_ENUM, .doc = "B.", .offset = 100},
        {.name = "c", .type = CONFIG_BOOL, .required = true, .fallback = "true"},
    };
    static const struct config_spec spec = {.name = "bad", .size = 8, .fields = fields, .n_fields = 4, .scalar = "z"};

    config_lint_spec(&spec, w->e);
    assert_true(config_errors_text(w->e, false, &w->b));
    assert_non_null(strstr(w->b.p, "table bad, field a: has a fallback that does not parse"));
    assert_non_null(strstr(w->b.p, "field a: is there twice"));
    assert_non_null(strstr(w->b.p, "field b: has no choices"));
    assert_non_null(strstr(w->b.p, "field b: lies outside its struct"));
    assert_non_null(strstr(w->b.p, "field c: has no doc"));
    assert_non_null(strstr(w->b.p, "field c: is required and has a fallback"));
    assert_non_null(strstr(w->b.p, "its scalar field z does not exist"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_holds_is_printed_with_defaults_and_reads_back_the_same),
        T(the_schema_is_json_with_a_definition_for_each_table),
        T(the_reference_page_has_a_section_for_each_table),
        T(words_for_completion_are_sorted_and_unique),
        T(the_identity_of_a_connection_is_its_type_and_marked_fields),
        T(a_difference_names_paths_and_never_values),
        T(what_needs_a_restart_follows_from_the_tables),
        T(no_number_of_other_changes_hides_one_that_needs_a_restart),
        T(a_field_that_does_not_say_what_a_reload_does_is_found),
        T(faults_of_a_table_itself_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
