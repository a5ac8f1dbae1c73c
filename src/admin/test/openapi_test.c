/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "admin/admin_int.h"

static void every_route_says_what_it_does_and_every_change_what_it_is_called(void **state)
{
    (void)state;
    for (size_t i = 0; admin__shared[i]; i++) {
        for (size_t n = 0; n < admin__shared[i]->n; n++) {
            const struct admin__route *r = &admin__shared[i]->routes[n];

            if (!r->doc || !r->doc[0])
                fail_msg("%s %s has no description", r->methods, r->pattern);
            assert_true(r->role != ADMIN_NOBODY);
            if (r->act)
                assert_true(r->role >= ADMIN_OPERATOR);
            if (strcmp(r->methods, "DELETE") == 0)
                assert_non_null(r->act);
            if (strcmp(r->methods, "GET") == 0)
                assert_null(r->act);
        }
    }
}

static void the_description_has_each_route_with_its_parameters_and_a_reason_for_each_change(void **state)
{
    struct tl_arena *a = tl_arena_new(4 << 20);
    struct json doc = admin__openapi(a), paths = json_gets(doc, "paths"), pause, body;

    (void)state;
    for (size_t i = 0; admin__shared[i]; i++)
        for (size_t n = 0; n < admin__shared[i]->n; n++)
            assert_int_equal(json_get(paths, tl_sv_str(admin__shared[i]->routes[n].pattern)).type, JSON_OBJECT);
    pause = json_gets(json_gets(paths, "/v1/flows/{name}/pause"), "post");
    assert_true(tl_sv_eqs(json_text(json_gets(json_at(json_gets(pause, "parameters"), 0), "in"), TL_SV("")), "path"));
    body = json_gets(json_gets(json_gets(json_gets(pause, "requestBody"), "content"), "application/json"), "schema");
    assert_true(tl_sv_eqs(json_text(json_at(json_gets(body, "required"), 0), TL_SV("")), "reason"));
    assert_true(tl_sv_eqs(json_text(json_gets(pause, "x-role"), TL_SV("")), "operator"));
    assert_int_equal(json_gets(json_gets(paths, "/v1/tokens"), "post").type, JSON_OBJECT);
    assert_int_equal(json_gets(json_gets(paths, "/v1/tokens"), "get").type, JSON_OBJECT);
    tl_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_says_what_it_does_and_every_change_what_it_is_called),
        cmocka_unit_test(the_description_has_each_route_with_its_parameters_and_a_reason_for_each_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
