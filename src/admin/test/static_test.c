/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "admin/admin_int.h"
#include "admin/asset.h"

static const struct admin_asset assets[] = {
    {"/index.html", "text/html", "\"page\"", (const unsigned char *)"<p>", 3, NULL, 0, false},
    {"/assets/app.12345678.js", "text/javascript", "\"app\"", (const unsigned char *)"let x = 1", 9,
     (const unsigned char *)"packed", 6, true},
};

struct got {
    int status;
    char body[64], headers[400];
    enum tl_rc rc;
};

static struct got get(const char *path, const char *accept, const char *known)
{
    struct tl_arena *a = tl_arena_new(1 << 16);
    struct http_header h[2] = {{TL_SV("accept-encoding"), tl_sv_str(accept)},
                               {TL_SV("if-none-match"), tl_sv_str(known)}};
    const struct http_headers headers = {.v = h, .n = known ? 2 : 1};
    struct http_req req = {.path = tl_sv_str(path), .headers = &headers, .arena = a};
    struct http_res res;
    struct admin_call c = {.req = &req, .res = &res, .arena = a};
    struct got g = {0};
    size_t at = 0;

    http_res_init(&res, a);
    g.rc = admin__asset(&c, assets, TL_COUNT(assets), NULL);
    g.status = res.status;
    (void)snprintf(g.body, sizeof g.body, "%.*s", TL_SV_ARG(res.body));
    for (size_t i = 0; i < res.n_headers; i++)
        at += (size_t)snprintf(g.headers + at, sizeof g.headers - at, "%.*s: %.*s\n", TL_SV_ARG(res.headers[i].name),
                               TL_SV_ARG(res.headers[i].value));
    tl_arena_free(a);
    return g;
}

static void a_page_of_the_console_is_its_index_and_a_missing_file_is_not_found(void **state)
{
    (void)state;
    assert_string_equal(get("/", "", NULL).body, "<p>");
    assert_string_equal(get("/events/0ABC", "", NULL).body, "<p>");
    assert_int_equal(get("/assets/gone.js", "", NULL).rc, TL_NOT_FOUND);
}

static void who_takes_gzip_gets_it_and_nobody_else(void **state)
{
    static const struct {
        const char *accept, *body;
    } table[] = {
        {"gzip, br", "packed"}, {"br, GZIP;q=0.5", "packed"}, {"gzip;q=0", "let x = 1"}, {"identity", "let x = 1"},
        {"", "let x = 1"},      {"xgzip", "let x = 1"},
    };

    (void)state;
    for (size_t i = 0; i < TL_COUNT(table); i++) {
        struct got g = get("/assets/app.12345678.js", table[i].accept, NULL);

        assert_string_equal(g.body, table[i].body);
        assert_int_equal(strstr(g.headers, "Content-Encoding: gzip") != NULL, g.body[0] == 'p');
        assert_non_null(strstr(g.headers, "Vary: Accept-Encoding"));
    }
}

static void what_is_named_by_its_content_is_kept_for_ever_and_the_rest_asked_for_again(void **state)
{
    (void)state;
    assert_non_null(strstr(get("/assets/app.12345678.js", "", NULL).headers, "immutable"));
    assert_non_null(strstr(get("/", "", NULL).headers, "no-cache"));
    assert_int_equal(get("/", "", "\"page\"").status, 304);
    assert_int_equal(get("/", "", "\"older\"").status, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_of_the_console_is_its_index_and_a_missing_file_is_not_found),
        cmocka_unit_test(who_takes_gzip_gets_it_and_nobody_else),
        cmocka_unit_test(what_is_named_by_its_content_is_kept_for_ever_and_the_rest_asked_for_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
