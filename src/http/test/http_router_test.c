/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/router.h"

static enum tl_rc nothing(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    (void)task, (void)req, (void)res, (void)arg, (void)err;
    return TL_OK;
}

static enum tl_rc add(struct http_router *r, const char *methods, const char *pattern)
{
    return http_router_add(r, &(struct http_route){.methods = methods, .pattern = pattern, .handler = nothing}, NULL);
}

static void the_most_literal_route_wins_and_methods_are_told(void **state)
{
    static const char *const patterns[][2] = {
        {"POST", "/hooks/{name}"}, {"POST", "/hooks/shop"},    {"GET", "/hooks/{name}"}, {"GET", "/"},
        {"GET", "/files/{path*}"}, {"PUT,DELETE", "/a/{x}/c"}, {"GET", "/a/b/{y}"},      {"*", "/any"},
        {"POST", "/a/b/c"},
    };
    static const struct {
        const char *method, *path, *want; /* pattern, or 404, or Allow */
    } table[] = {
        {"POST", "/hooks/shop", "/hooks/shop"},
        {"POST", "/hooks/crm", "/hooks/{name}"},
        {"GET", "/hooks/shop", "/hooks/{name}"},
        {"HEAD", "/", "/"},
        {"POST", "/", "GET, HEAD"},
        {"POST", "/hooks/", "404"},
        {"POST", "/hooks/a/b", "404"},
        {"GET", "/files/a/b/c", "/files/{path*}"},
        {"GET", "/files/", "/files/{path*}"},
        {"GET", "/files", "404"},
        {"PUT", "/a/b/c", "/a/{x}/c"},
        {"GET", "/a/b/c", "/a/b/{y}"},
        {"PATCH", "/a/b/c", "POST, GET, HEAD, PUT, DELETE"},
        {"BREW", "/any", "/any"},
        {"post", "/hooks/shop", "POST, GET, HEAD"}, /* RFC 9110 9.1: the token is case-sensitive */
        {"Post", "/hooks/crm", "POST, GET, HEAD"},
        {"get", "/", "GET, HEAD"},
        {"head", "/", "GET, HEAD"},
        {"delete", "/a/b/c", "POST, GET, HEAD, PUT, DELETE"},
        {"get", "/any", "/any"},
        {"GET", "/none", "404"},
        {"GET", "/hooks/{name}", "/hooks/{name}"},
    };
    struct tl_arena *arena = tl_arena_new(1 << 16);
    struct http_router *r = http_router_new();

    (void)state;
    for (size_t i = 0; i < TL_COUNT(patterns); i++)
        assert_int_equal(add(r, patterns[i][0], patterns[i][1]), TL_OK);
    for (size_t i = 0; i < TL_COUNT(table); i++) {
        const struct http_route *route = NULL;
        struct http_param params[HTTP_PARAMS_MAX];
        struct tl_sv allow = TL_SV_NULL, method = tl_sv_str(table[i].method);
        size_t n = 0;
        enum http_match m = http_router_find(r, http_method_of(method), method, tl_sv_str(table[i].path), &route,
                                             params, &n, arena, &allow);
        struct tl_sv got = m == HTTP_MATCH ? tl_sv_str(route->pattern) : m == HTTP_NO_PATH ? TL_SV("404") : allow;

        if (!tl_sv_eqs(got, table[i].want))
            fail_msg("%s %s: %.*s", table[i].method, table[i].path, TL_SV_ARG(got));
    }
    http_router_unref(r);
    tl_arena_free(arena);
}

static void parameters_are_given_by_name(void **state)
{
    struct http_router *r = http_router_new();
    const struct http_route *route;
    struct http_param params[HTTP_PARAMS_MAX];
    struct http_req req = {.params = params};
    struct tl_sv allow;

    (void)state;
    assert_int_equal(add(r, "GET", "/t/{tenant}/f/{file*}"), TL_OK);
    assert_int_equal(http_router_find(r, HTTP_GET, TL_SV("GET"), TL_SV("/t/acme/f/a/b.c"), &route, params,
                                      &req.n_params, NULL, &allow),
                     HTTP_MATCH);
    assert_true(tl_sv_eqs(http_req_param(&req, "tenant"), "acme"));
    assert_true(tl_sv_eqs(http_req_param(&req, "file"), "a/b.c"));
    assert_null(http_req_param(&req, "other").p);
    http_router_unref(r);
}

static void bad_and_double_routes_are_refused(void **state)
{
    struct http_router *r = http_router_new();

    (void)state;
    assert_int_equal(add(r, "GET", "a"), TL_INVALID);
    assert_int_equal(add(r, "GET", "/{a*}/b"), TL_INVALID);
    assert_int_equal(add(r, "GET", "/x{a}"), TL_INVALID);
    assert_int_equal(add(r, "GET", "/{}"), TL_INVALID);
    assert_int_equal(add(r, "GET POST", "/a"), TL_INVALID);
    assert_int_equal(add(r, "GET,POST", "/a/{x}"), TL_OK);
    assert_int_equal(add(r, "POST", "/a/{y}"), TL_EXISTS);
    http_router_unref(r);
}

static void a_response_header_cannot_split_the_response(void **state)
{
    struct tl_arena *arena = tl_arena_new(1 << 16);
    struct http_res res;

    (void)state;
    http_res_init(&res, arena);
    assert_int_equal(http_res_header(&res, TL_SV("X-A"), TL_SV("a\r\nB: c"), NULL), TL_INVALID);
    assert_int_equal(http_res_header(&res, TL_SV("X A"), TL_SV("a"), NULL), TL_INVALID);
    assert_int_equal(http_res_header(&res, TL_SV("content-length"), TL_SV("3"), NULL), TL_INVALID);
    assert_int_equal(http_res_header(&res, TL_SV("X-A"), TL_SV(""), NULL), TL_OK);
    for (int i = 1; i < HTTP_RES_HEADERS_MAX; i++)
        assert_int_equal(http_res_header(&res, TL_SV("X"), TL_SV("y"), NULL), TL_OK);
    assert_int_equal(http_res_header(&res, TL_SV("X"), TL_SV("y"), NULL), TL_LIMIT);
    tl_arena_free(arena);
}

static void an_error_becomes_json_with_retry_after(void **state)
{
    struct tl_arena *arena = tl_arena_new(1 << 16);
    struct tl_err err;
    struct http_res res;

    (void)state;
    http_res_init(&res, arena);
    (void)tl_fail(&err, TL_BUSY, "say \"when\"");
    err.retry_after_ms = 1500;
    http_res_rc(&res, &err);
    assert_int_equal(res.status, 503);
    assert_true(tl_sv_eqs(res.body, "{\"error\":{\"code\":\"busy\",\"message\":\"say \\\"when\\\"\"}}\n"));
    assert_int_equal(res.n_headers, 2);
    assert_true(tl_sv_eqs(res.headers[1].value, "2"));
    tl_arena_free(arena);
}

static void an_error_is_json_whatever_bytes_it_repeats(void **state)
{
    struct tl_arena *arena = tl_arena_new(1 << 16);
    struct http_res res;

    (void)state;
    http_res_init(&res, arena);
    http_res_error(&res, 400, "invalid", "no '\xc3\xa4', \xc3 \x80 \xff\r\n\x7f");
    assert_true(tl_sv_eqs(res.body, "{\"error\":{\"code\":\"invalid\",\"message\":"
                                    "\"no '\xc3\xa4', \\ufffd \\ufffd \\ufffd\\u000d\\u000a\\u007f\"}}\n"));
    tl_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_literal_route_wins_and_methods_are_told),
        cmocka_unit_test(parameters_are_given_by_name),
        cmocka_unit_test(bad_and_double_routes_are_refused),
        cmocka_unit_test(a_response_header_cannot_split_the_response),
        cmocka_unit_test(an_error_becomes_json_with_retry_after),
        cmocka_unit_test(an_error_is_json_whatever_bytes_it_repeats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
