/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of sample events: the same number gives the same body, shares are exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/send/send.h"

static struct send_bodies *make(const char *template, const char *key_field)
{
    struct tl_sv t = tl_sv_str(template);
    struct send_bodies *b = NULL;
    struct tl_err err;

    assert_int_equal(cli__bodies_new(&t, 1, key_field, 3, "run", 0, &b, &err), TL_OK);
    return b;
}

static void the_same_number_gives_the_same_body(void **state)
{
    struct send_bodies *b = make("{\"n\":{{seq}},\"i\":\"{{ id }}\",\"r\":{{rand 1000}},\"t\":\"{{now}}\"}", NULL);
    struct tl_buf one, two;
    struct tl_err err;

    (void)state;
    tl_buf_init(&one, 65536);
    tl_buf_init(&two, 65536);
    assert_int_equal(cli__body(b, 7, false, &one, &err), TL_OK);
    assert_int_equal(cli__body(b, 8, false, &two, &err), TL_OK);
    assert_int_equal(cli__body(b, 7, false, &two, &err), TL_OK);
    assert_string_equal(one.p, two.p);
    assert_non_null(strstr(one.p, "\"n\":7,\"i\":\"run-7\""));
    tl_buf_done(&one);
    tl_buf_done(&two);
    cli__bodies_free(b);
}

static void the_sample_order_parses_and_a_malformed_one_does_not(void **state)
{
    struct send_bodies *b = make(cli__sample_order, NULL);
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct tl_buf body;
    struct tl_err err;
    struct json v;

    (void)state;
    tl_buf_init(&body, 65536);
    for (uint64_t seq = 1; seq < 50; seq++) {
        assert_int_equal(cli__body(b, seq, false, &body, &err), TL_OK);
        assert_int_equal(json_parse(a, tl_buf_view(&body), 0, NULL, &v, &err), TL_OK);
        assert_int_equal(cli__body(b, seq, true, &body, &err), TL_OK);
        assert_int_not_equal(json_parse(a, tl_buf_view(&body), 0, NULL, &v, &err), TL_OK);
    }
    tl_buf_done(&body);
    tl_arena_free(a);
    cli__bodies_free(b);
}

static void the_key_field_is_set_to_one_of_the_keys(void **state)
{
    struct send_bodies *b = make("{\"customer\":{\"id\":99,\"x\":1}}", "customer.id");
    struct tl_arena *a = tl_arena_new(1 << 20);
    bool seen[4] = {false};
    struct tl_buf body;
    struct tl_err err;

    (void)state;
    tl_buf_init(&body, 65536);
    for (uint64_t seq = 1; seq < 100; seq++) {
        struct json v;
        int64_t id = 0;

        assert_int_equal(cli__body(b, seq, false, &body, &err), TL_OK);
        assert_int_equal(json_parse(a, tl_buf_view(&body), 0, NULL, &v, &err), TL_OK);
        assert_true(json_int64(json_gets(json_gets(v, "customer"), "id"), &id));
        assert_in_range(id, 1, 3);
        seen[id] = true;
    }
    assert_true(seen[1] && seen[2] && seen[3]);
    tl_buf_done(&body);
    tl_arena_free(a);
    cli__bodies_free(b);
}

static void a_template_with_an_unknown_place_is_refused(void **state)
{
    static const char *const bad[] = {"{{nope}}", "{{seq", "{{rand 0}}", "{{rand x}}"};
    struct send_bodies *b = NULL;
    struct tl_err err;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(bad); i++) {
        struct tl_sv t = tl_sv_str(bad[i]);

        assert_int_equal(cli__bodies_new(&t, 1, NULL, 0, "run", 0, &b, &err), TL_INVALID);
    }
}

static void shares_are_exact(void **state)
{
    static const struct {
        uint64_t count;
        double share;
        unsigned chosen;
    } rows[] = {{1000, 0.05, 50}, {1000, 0.02, 20}, {100, 1, 100}, {100, 0, 0}, {10000, 0.003, 30}, {3, 0.34, 1}};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        unsigned n = 0;

        for (uint64_t seq = 1; seq <= rows[i].count; seq++)
            n += cli__chosen(seq, rows[i].share);
        assert_int_equal(n, rows[i].chosen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_number_gives_the_same_body),
        cmocka_unit_test(the_sample_order_parses_and_a_malformed_one_does_not),
        cmocka_unit_test(the_key_field_is_set_to_one_of_the_keys),
        cmocka_unit_test(a_template_with_an_unknown_place_is_refused),
        cmocka_unit_test(shares_are_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
