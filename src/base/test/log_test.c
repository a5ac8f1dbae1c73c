/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/base.h"

static void a_log_line_is_valid_json_whatever_it_is_given(void **state)
{
    struct tl_fake_clock clock;
    struct tl_log *log;
    char line[1024] = {0};
    int fds[2];

    (void)state;
    tl_fake_clock_init(&clock, 0);
    assert_int_equal(pipe(fds), 0);
    log = tl_log_new(fds[1], TL_INFO, true, &clock.base);
    TL_LOG(log, TL_DEBUG, "a.quiet", "not written", KV_I64("n", 1));
    TL_LOG(log, TL_WARN, "a.b", "say \"hi\"", KV_STR("bad", "\xff\n"), KV_I64("n", -5), KV_F64("f", (double)NAN));
    assert_true(read(fds[0], line, sizeof line - 1) > 0);
    assert_string_equal(line,
                        "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warn\",\"event\":\"a.b\",\"text\":\"say "
                        "\\\"hi\\\"\",\"bad\":\"\\ufffd\\u000a\",\"n\":-5,\"f\":null}\n");
    tl_log_free(log);
    close(fds[0]);
    close(fds[1]);
}

static void a_log_line_does_not_steer_the_terminal(void **state)
{
    struct tl_fake_clock clock;
    int fds[2];

    (void)state;
    tl_fake_clock_init(&clock, 0);
    assert_int_equal(pipe(fds), 0);
    for (int json = 0; json < 2; json++) {
        struct tl_log *log = tl_log_new(fds[1], TL_INFO, json, &clock.base);
        char line[1024] = {0};

        TL_LOG(log, TL_WARN, "a.b",
               "\x1b[1m \xc2\x9b"
               "1m \xc3\xa4 \x9b",
               KV_STR("reason", "\xc2\x9b"
                                "31m \xe2\x80\xae \xe2\x81\xa6"));
        assert_true(read(fds[0], line, sizeof line - 1) > 0);
        assert_string_equal(
            line, json ? "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warn\",\"event\":\"a.b\",\"text\":"
                         "\"\\u001b[1m \\u009b1m \xc3\xa4 \\ufffd\",\"reason\":\"\\u009b31m \\u202e \\u2066\"}\n"
                       : "00:00:00.000 warn  a.b: \\u001b[1m \\u009b1m \xc3\xa4 \\ufffd reason=\"\\u009b31m \\u202e "
                         "\\u2066\"\n");
        tl_log_free(log);
    }
    close(fds[0]);
    close(fds[1]);
}

static void the_second_member_of_a_name_is_left_out_and_the_line_says_so(void **state)
{
    struct tl_fake_clock clock;
    char line[1024] = {0};
    struct tl_log *log;
    int fds[2];

    (void)state;
    tl_fake_clock_init(&clock, 0);
    assert_int_equal(pipe(fds), 0);
    log = tl_log_new(fds[1], TL_INFO, true, &clock.base);
    TL_LOG(log, TL_INFO, "a.b", "x", KV_STR("event", "17"), KV_I64("n", 1), KV_I64("n", 2), KV_STR("left_out", "z"),
           KV_STR("events", "y"));
    assert_true(read(fds[0], line, sizeof line - 1) > 0);
    assert_string_equal(line, "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"event\":\"a.b\",\"text\":"
                              "\"x\",\"n\":1,\"events\":\"y\",\"left_out\":\"left_out\"}\n");
    tl_log_free(log);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_line_is_valid_json_whatever_it_is_given),
        cmocka_unit_test(a_log_line_does_not_steer_the_terminal),
        cmocka_unit_test(the_second_member_of_a_name_is_left_out_and_the_line_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
