/* SPDX-License-Identifier: Apache-2.0 */
/* Trace context and request ids of events; cases after W3C Trace Context 3.2 and 4.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "connector/host.h"

#define ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

static void what_is_well_formed_goes_on(void **state)
{
    static const char *const good[] = {"00-" ID "-" SPAN "-00", "00-" ID "-" SPAN "-01", "cc-" ID "-" SPAN "-01",
                                       "cc-" ID "-" SPAN "-01-what-comes-later"};
    struct connector_trace t;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(good); i++) {
        connector_trace_of(tl_sv_str(good[i]), TL_SV("a=1"), TL_SV("req-7"), 99, 0, &t);
        assert_string_equal(t.id, ID);
        assert_string_equal(t.flags, i == 0 ? "00" : "01");
        assert_string_equal(t.request_id, "req-7");
        assert_int_equal(t.state.n, 3);
    }
}

static void what_is_not_is_made_anew_from_the_event(void **state)
{
    static const char *const bad[] = {"",
                                      "00-" ID "-" SPAN,
                                      "00-" ID "-" SPAN "-0",
                                      "00-" ID "-" SPAN "-01-more",
                                      "cc-" ID "-" SPAN "-01.more",
                                      "ff-" ID "-" SPAN "-01",
                                      "00-00000000000000000000000000000000-" SPAN "-01",
                                      "00-" ID "-0000000000000000-01",
                                      "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
                                      "00_" ID "-" SPAN "-01",
                                      "00-" ID "-" SPAN "-zz"};
    struct connector_trace first, t;

    (void)state;
    connector_trace_of(TL_SV_NULL, TL_SV_NULL, TL_SV_NULL, 99, 0, &first);
    assert_int_equal(strlen(first.id), 32);
    for (size_t i = 0; i < TL_COUNT(bad); i++) {
        connector_trace_of(tl_sv_str(bad[i]), TL_SV("a=1"), TL_SV("two words"), 99, 0, &t);
        assert_string_equal(t.id, first.id);
        assert_null(t.state.p);
        assert_string_equal(t.request_id, first.request_id);
    }
    connector_trace_of(TL_SV_NULL, TL_SV_NULL, TL_SV_NULL, 100, 0, &t);
    assert_string_not_equal(t.id, first.id);
    connector_trace_of(TL_SV_NULL, TL_SV_NULL, TL_SV_NULL, 99, 7, &t); /* the same number, of another ledger */
    assert_string_not_equal(t.id, first.id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_well_formed_goes_on),
        cmocka_unit_test(what_is_not_is_made_anew_from_the_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
