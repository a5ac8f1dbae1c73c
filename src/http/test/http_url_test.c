/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/url.h"

static void urls_are_read_into_their_parts(void **state)
{
    struct http_url u;

    (void)state;
    assert_int_equal(http_url_parse(TL_SV("HTTPS://u:p%20w@Example.com:8443/a/b%2Fc?x=[1]&y"), &u, NULL), TL_OK);
    assert_true(u.tls && u.port == 8443 && u.port_given && !u.host_is_v6);
    assert_true(tl_sv_eqs(u.host, "Example.com") && tl_sv_eqs(u.userinfo, "u:p%20w"));
    assert_true(tl_sv_eqs(u.path, "/a/b%2Fc") && tl_sv_eqs(u.query, "x=[1]&y"));
    assert_int_equal(http_url_parse(TL_SV("http://[::1]"), &u, NULL), TL_OK);
    assert_true(u.host_is_v6 && tl_sv_eqs(u.host, "::1") && u.port == 80 && !u.port_given && u.path.n == 0 &&
                !u.query.p);
}

static void urls_with_two_readings_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "http:/a",
        "ftp://a",
        "http://",
        "http:///p",
        "http://a:0",
        "http://a:x",
        "http://a:",
        "http://a:65536",
        "http://a b/",
        "http://a/ b",
        "http://a/\\b",
        "http://a/%",
        "http://a/%2x",
        "http://a/#f",
        "http://a@b@c/",
        "http://u@/",
        "http://[::1",
        "http://[]",
        "http://[1.2]",
        "http://a/\x01",
        "http://a/\xc3",
        "http://a%2eb/",
        "http://a?\"",
        "http://[::1]x",
        "http://::1/",
        "http://a:8:0/",
    };
    struct tl_err err;
    struct http_url u;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(bad); i++)
        if (http_url_parse(tl_sv_str(bad[i]), &u, &err) == TL_OK)
            fail_msg("accepted: %s", bad[i]);
}

static void paths_are_decoded_and_what_could_be_read_twice_is_refused(void **state)
{
    static const struct {
        const char *raw, *want;
    } table[] = {
        {"/", "/"},
        {"/a/b", "/a/b"},
        {"/a%20b", "/a b"},
        {"/%C3%A9", "/\xc3\xa9"},
        {"/a//b", "/a//b"},
        {"/a/", "/a/"},
        {"/a.b/..c", "/a.b/..c"},
        {"/%61", "/a"},
        {"/a/../b", NULL},
        {"/./a", NULL},
        {"/a/%2e%2E/b", NULL},
        {"/a/.%2e", NULL},
        {"/a%2fb", NULL},
        {"/a%5cb", NULL},
        {"/a%00", NULL},
        {"/a%0a", NULL},
        {"/%", NULL},
        {"/%4", NULL},
        {"/%zz", NULL},
        {"/%ff", NULL},
        {"/%c0%af", NULL},
        {"/a b", NULL},
        {"a", NULL},
        {"", NULL},
        {"/..", NULL},
        {"/%7f", NULL},
        {"/a[b]", NULL},
        {"/a%2", NULL},
    };
    struct tl_arena *arena = tl_arena_new(1 << 16);

    (void)state;
    for (size_t i = 0; i < TL_COUNT(table); i++) {
        struct tl_sv got = TL_SV_NULL;
        enum tl_rc rc = http_path_normalize(tl_sv_str(table[i].raw), arena, &got, NULL);

        if ((rc == TL_OK) != (table[i].want != NULL) || (table[i].want && !tl_sv_eqs(got, table[i].want)))
            fail_msg("%s: %s '%.*s'", table[i].raw, tl_rc_name(rc), TL_SV_ARG(got));
    }
    tl_arena_free(arena);
}

static void queries_are_walked_and_searched(void **state)
{
    struct tl_arena *arena = tl_arena_new(1 << 16);
    struct tl_sv q = TL_SV("a=1&&b%20c=x+y%26&a=2&flag&e=");
    struct http_query_iter it = http_query_iter(q);
    struct tl_sv name, value;
    int n = 0;

    (void)state;
    while (http_query_next(&it, &name, &value))
        n++;
    assert_int_equal(n, 5);
    assert_int_equal(http_query_get(q, TL_SV("b c"), arena, &value, NULL), TL_OK);
    assert_true(tl_sv_eqs(value, "x y&"));
    assert_int_equal(http_query_get(q, TL_SV("a"), arena, &value, NULL), TL_OK);
    assert_true(tl_sv_eqs(value, "1"));
    assert_int_equal(http_query_get(q, TL_SV("flag"), arena, &value, NULL), TL_OK);
    assert_true(value.p && value.n == 0);
    assert_int_equal(http_query_get(q, TL_SV("none"), arena, &value, NULL), TL_OK);
    assert_null(value.p);
    assert_int_equal(http_query_get(TL_SV("x=%4"), TL_SV("y"), arena, &value, NULL), TL_INVALID);
    assert_int_equal(http_query_get(TL_SV_NULL, TL_SV("y"), arena, &value, NULL), TL_OK);
    tl_arena_free(arena);
}

static void ranges_hold_addresses_of_both_spellings(void **state)
{
    static const struct {
        const char *cidr, *ip;
        bool in;
    } table[] = {
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"0.0.0.0/0", "1.2.3.4", true},
        {"0.0.0.0/0", "::1", false},
        {"::1", "::1", true},
        {"192.168.1.128/25", "192.168.1.127", false},
        {"192.168.1.128/25", "192.168.1.129", true},
        {"fd00::/8", "fd12::1", true},
        {"fd00::/8", "fe80::1", false},
    };
    static const char *const bad[] = {"",  "10.0.0.0/33", "10.0.0.1/8", "::1/129",
                                      "a", "10.0.0.0/",   "10.0.0/8",   "1.2.3.4/08x"};
    struct http_cidr c;
    struct http_addr a;
    char text[HTTP_ADDR_TEXT];

    (void)state;
    for (size_t i = 0; i < TL_COUNT(table); i++) {
        assert_true(http_cidr_parse(tl_sv_str(table[i].cidr), &c) && http_addr_parse(tl_sv_str(table[i].ip), &a));
        assert_int_equal(http_cidr_has(&c, &a), table[i].in);
    }
    for (size_t i = 0; i < TL_COUNT(bad); i++)
        assert_false(http_cidr_parse(tl_sv_str(bad[i]), &c));
    assert_true(http_addr_parse(TL_SV("::ffff:1.2.3.4"), &a));
    assert_string_equal(http_addr_format(&a, text), "1.2.3.4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_read_into_their_parts),
        cmocka_unit_test(urls_with_two_readings_are_refused),
        cmocka_unit_test(paths_are_decoded_and_what_could_be_read_twice_is_refused),
        cmocka_unit_test(queries_are_walked_and_searched),
        cmocka_unit_test(ranges_hold_addresses_of_both_spellings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
