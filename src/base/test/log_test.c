/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
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

/* ---- readers that do not read ---- */

static void set_blocking(int fd, bool on)
{
    assert_int_equal(fcntl(fd, F_SETFL, on ? 0 : O_NONBLOCK), 0);
}

/* All that comes until nothing more does, appended. */
static void read_on(int fd, struct tl_buf *text)
{
    char some[4096];
    ssize_t n;

    while ((n = read(fd, some, sizeof some)) > 0)
        assert_true(tl_buf_put(text, some, (size_t)n));
}

/* The lines are whole, and their numbers are in order; the sum of those that are there and those that are said to be
 * lost. */
static uint64_t account_for(struct tl_sv text)
{
    struct tl_sv line, number;
    uint64_t n = 0, lost, at, next = 0;

    assert_true(text.n > 0 && text.p[text.n - 1] == '\n');
    text.n--;
    while (tl_sv_cut(&text, '\n', &line)) {
        assert_true(tl_sv_starts(line, TL_SV("{\"time\":")) && line.p[line.n - 1] == '}');
        number = tl_sv_from(line, tl_sv_find_sv(line, TL_SV("\"lines\":")));
        if (tl_sv_find_sv(line, TL_SV("\"log.lost\"")) < line.n) {
            number = tl_sv_from(number, strlen("\"lines\":"));
            number.n--;
            assert_true(tl_sv_u64(number, &lost) && lost > 0);
            n += lost;
            next += lost;
            continue;
        }
        number = tl_sv_from(line, tl_sv_find_sv(line, TL_SV("\"n\":")) + strlen("\"n\":"));
        number.n = tl_sv_find(number, ',');
        assert_true(tl_sv_u64(number, &at) && at >= next);
        next = at + 1;
        n++;
    }
    return n;
}

static void write_many(struct tl_log *log, uint64_t from, uint64_t to, size_t pad)
{
    TL_CLEANUP(tl_freep) char *much = tl_alloc(pad + 1);

    memset(much, 'x', pad);
    much[pad] = '\0';
    for (uint64_t i = from; i < to; i++)
        TL_LOG(log, TL_INFO, "a.b", "x", KV_U64("n", i), KV_STR("much", much));
}

/* A pipe and a socket that nobody reads, then somebody does: without a wait, whole lines, and the lost ones are
 * counted. */
static void stall(const int fds[2], size_t pad)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct tl_log *log = tl_log_new(fds[1], TL_INFO, true, NULL);
    uint64_t lost, many = 4 * TL_LOG_HELD / (pad + 100);

    tl_buf_init(&text, 64 << 20);
    write_many(log, 0, many, pad);
    lost = tl_log_lost(log);
    assert_true(lost > 0 && lost < many);
    assert_false(tl_log_drain(log, 1));
    set_blocking(fds[0], false);
    while (!tl_log_drain(log, 1))
        read_on(fds[0], &text);
    write_many(log, many, many + 10, 10); /* there is room again */
    while (!tl_log_drain(log, 1))
        read_on(fds[0], &text);
    read_on(fds[0], &text);
    assert_int_equal(account_for(tl_buf_view(&text)), many + 10);
    assert_true(tl_log_lost(log) == lost);
    tl_log_free(log);
    close(fds[0]);
    close(fds[1]);
}

static void a_pipe_that_is_not_read_holds_up_nobody_and_what_is_lost_is_counted(void **state)
{
    static const size_t pads[] = {20, 3000, 9000};
    int fds[2];

    (void)state;
    for (size_t i = 0; i < TL_COUNT(pads); i++) {
        assert_int_equal(pipe(fds), 0);
        stall(fds, pads[i]);
    }
}

static void a_socket_that_is_not_read_holds_up_nobody_and_what_is_lost_is_counted(void **state)
{
    static const size_t pads[] = {20, 9000};
    int fds[2];

    (void)state;
    for (size_t i = 0; i < TL_COUNT(pads); i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        stall(fds, pads[i]);
    }
}

static void a_log_that_ends_before_its_reader_reads_leaves_whole_lines(void **state)
{
    static const size_t pads[] = {20, 9000};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(pads); i++) {
        TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
        struct tl_log *log;
        int fds[2];

        tl_buf_init(&text, 1 << 20);
        assert_int_equal(pipe(fds), 0);
        log = tl_log_new(fds[1], TL_INFO, true, NULL);
        write_many(log, 0, (512 << 10) / pads[i], pads[i]);
        tl_log_free(log);
        set_blocking(fds[0], false);
        read_on(fds[0], &text);
        assert_true(account_for(tl_buf_view(&text)) > 0);
        close(fds[0]);
        close(fds[1]);
    }
}

static void what_is_buffered_is_written_at_the_end(void **state)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    FILE *f = tmpfile();
    struct tl_log *log;

    (void)state;
    assert_non_null(f);
    tl_buf_init(&text, 1 << 20);
    log = tl_log_new(fileno(f), TL_INFO, true, NULL);
    write_many(log, 0, 1000, 100);
    tl_log_free(log);
    assert_int_equal(lseek(fileno(f), 0, SEEK_SET), 0);
    read_on(fileno(f), &text);
    assert_int_equal(account_for(tl_buf_view(&text)), 1000);
    (void)fclose(f);
}

static void a_reader_that_left_costs_lines_and_nothing_else(void **state)
{
    struct tl_log *log;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    close(fds[0]);
    log = tl_log_new(fds[1], TL_INFO, true, NULL);
    write_many(log, 0, 50, 100);
    assert_true(tl_log_drain(log, 10000));
    write_many(log, 50, 100, 100);
    assert_true(tl_log_drain(log, 10000));
    assert_int_equal(tl_log_lost(log), 100);
    tl_log_free(log);
    close(fds[1]);
}

/* A file that may not grow is what a full disk looks like, to the byte. */
static void after_a_line_that_a_full_disk_tore_the_next_is_on_a_line_of_its_own(void **state)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    const char *whole;
    struct rlimit before, small;
    FILE *f = tmpfile();
    struct tl_log *log;

    (void)state;
    assert_non_null(f);
    tl_buf_init(&text, 1 << 20);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 300;
    log = tl_log_new(fileno(f), TL_INFO, true, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    write_many(log, 0, 10, 20);
    assert_true(tl_log_drain(log, 10000));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(tl_log_lost(log) > 0 && tl_log_lost(log) < 10);
    write_many(log, 10, 11, 20);
    tl_log_free(log);
    assert_int_equal(lseek(fileno(f), 0, SEEK_SET), 0);
    read_on(fileno(f), &text);
    whole = strchr(text.p + 299, '{');
    assert_true(whole && whole[-1] == '\n' && strstr(text.p, "\"log.lost\""));
    (void)account_for(tl_sv_str(whole));
    (void)fclose(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_line_is_valid_json_whatever_it_is_given),
        cmocka_unit_test(a_log_line_does_not_steer_the_terminal),
        cmocka_unit_test(the_second_member_of_a_name_is_left_out_and_the_line_says_so),
        cmocka_unit_test(a_pipe_that_is_not_read_holds_up_nobody_and_what_is_lost_is_counted),
        cmocka_unit_test(a_socket_that_is_not_read_holds_up_nobody_and_what_is_lost_is_counted),
        cmocka_unit_test(a_log_that_ends_before_its_reader_reads_leaves_whole_lines),
        cmocka_unit_test(what_is_buffered_is_written_at_the_end),
        cmocka_unit_test(a_reader_that_left_costs_lines_and_nothing_else),
        cmocka_unit_test(after_a_line_that_a_full_disk_tore_the_next_is_on_a_line_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
