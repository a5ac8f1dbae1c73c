/* SPDX-License-Identifier: Apache-2.0 */
/* Options that are changed while the server serves (http_server_set_options), and limits that no other test changes. */
#include "rig.h"

#include <unistd.h>

#define H "Host: a\r\n"
#define CLOSE "Connection: close\r\n"

static void has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in: %s", part, text);
}

struct change {
    struct rig *r;
    const struct http_server_options *o;
    enum tl_rc rc;
    struct tl_err err;
    _Atomic int done; /* loops that have come by behind it */
};

static void passed(void *arg)
{
    struct change *k = arg;

    k->done++;
}

static void set(void *arg)
{
    struct change *k = arg;

    k->rc = http_server_set_options(k->r->server, k->o, &k->err);
    for (int i = 0; i < RIG_LOOPS; i++)
        async_loop_post(k->r->loops[i], passed, k);
}

/* As a reload does, and until all loops have it. */
static enum tl_rc change(struct rig *r, const struct http_server_options *o)
{
    struct change k = {.r = r, .o = o};

    async_loop_post(r->loops[0], set, &k);
    RIG_UNTIL(k.done == RIG_LOOPS);
    return k.rc;
}

static struct http_cidr cidr(const char *text)
{
    struct http_cidr c;

    assert_true(http_cidr_parse(tl_sv_str(text), &c));
    return c;
}

static void other_options_judge_the_next_request_on_connections_that_stand(void **state)
{
    const struct http_cidr elsewhere = cidr("192.0.2.0/24");
    struct rig r;
    int fd[3];

    (void)state;
    rig_start(&r, NULL, NULL);
    for (int i = 0; i < 3; i++) {
        fd[i] = rig_connect(&r);
        rig_send(fd[i], "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nX: 1\r\nY: 2\r\n\r\nabc");
        has(rig_response(fd[i]), "HTTP/1.1 200");
    }
    assert_int_equal(change(&r, &(struct http_server_options){.body_limit = 2}), TL_OK);
    rig_send(fd[0], "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc");
    has(rig_response(fd[0]), "HTTP/1.1 413");
    assert_int_equal(change(&r, &(struct http_server_options){.limits = {.headers = 3}}), TL_OK);
    rig_send(fd[1], "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nX: 1\r\nY: 2\r\n\r\nabc");
    has(rig_response(fd[1]), "HTTP/1.1 431");
    assert_int_equal(change(&r, &(struct http_server_options){.allow = &elsewhere, .n_allow = 1}), TL_OK);
    rig_send(fd[2], "GET /echo HTTP/1.1\r\n" H "\r\n");
    has(rig_response(fd[2]), "HTTP/1.1 403");
    for (int i = 0; i < 3; i++)
        (void)close(fd[i]);
    fd[0] = rig_connect(&r);
    assert_true(rig_at_eof(fd[0]));
    (void)close(fd[0]);
    assert_int_equal(change(&r, NULL), TL_OK);
    has(rig_talk(&r, "GET /echo HTTP/1.1\r\n" H CLOSE "\r\n"), "HTTP/1.1 200");
    rig_stop(&r);
}

static void a_request_is_read_to_its_end_by_the_limits_that_it_began_under(void **state)
{
    struct rig r;
    int fd;

    (void)state;
    rig_start(&r, NULL, NULL);
    fd = rig_connect(&r);
    rig_send(fd, "POST /echo HTTP/1.1\r\n" H "A: 1\r\nB: 2\r\nC: 3\r\n");
    RIG_UNTIL(rig_stats(&r).active == 1);
    rig_pause();
    assert_int_equal(change(&r, &(struct http_server_options){.limits = {.headers = 2}}), TL_OK);
    rig_send(fd, "D: 4\r\nE: 5\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nF: 6\r\nG: 7\r\nI: 8\r\n\r\n");
    has(rig_response(fd), "HTTP/1.1 200");
    rig_send(fd, "POST /echo HTTP/1.1\r\n" H "A: 1\r\nB: 2\r\n\r\n");
    has(rig_response(fd), "HTTP/1.1 431");
    (void)close(fd);
    /* and with more room than an exchange was made for */
    assert_int_equal(change(&r, &(struct http_server_options){.limits = {.headers = 200}}), TL_OK);
    fd = rig_connect(&r);
    rig_send(fd, "GET /headers HTTP/1.1\r\n" H CLOSE);
    for (int i = 0; i < 150; i++) {
        char line[32];

        (void)snprintf(line, sizeof line, "X-%d: %d\r\n", i, i);
        rig_send(fd, line);
    }
    rig_send(fd, "\r\n");
    has(rig_read_all(fd), "x-149: 149|");
    (void)close(fd);
    rig_stop(&r);
}

static void every_answer_carries_the_headers_of_the_server(void **state)
{
    static const struct http_header own[] = {{{"X-Frame-Options", 15}, {"DENY", 4}}, {{"X-B", 3}, {"c", 1}}};
    static const char *const requests[] = {"GET /echo HTTP/1.1\r\n" H CLOSE "\r\n",
                                           "GET /nothing HTTP/1.1\r\n" H CLOSE "\r\n",
                                           "FOO /echo HTTP/1.1\r\n" H CLOSE "\r\n",
                                           "GET /echo\r\n\r\n",
                                           "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc",
                                           "GET /echo HTTP/1.1\r\nHos"};
    const struct http_server_options o = {
        .headers = own, .n_headers = TL_COUNT(own), .headers_ms = 50, .idle_ms = 50, .body_limit = 2};
    struct http_server_options many = {.headers = own, .n_headers = HTTP_SERVER_HEADERS_MAX + 1};
    struct rig r;

    (void)state;
    rig_start(&r, &o, NULL);
    for (size_t i = 0; i < TL_COUNT(requests); i++)
        has(rig_talk(&r, requests[i]), "X-Frame-Options: DENY\r\nX-B: c\r\n");
    assert_int_equal(change(&r, &many), TL_CONFIG);
    rig_stop(&r);
}

static void heads_that_no_buffer_holds_are_refused_and_nothing_changes(void **state)
{
    struct rig r;

    (void)state;
    rig_start(&r, &(struct http_server_options){.body_limit = 2}, NULL);
    assert_int_equal(change(&r, &(struct http_server_options){.limits = {.header_bytes = 120 * 1024}}), TL_CONFIG);
    has(rig_talk(&r, "POST /echo HTTP/1.1\r\n" H CLOSE "Content-Length: 3\r\n\r\nabc"), "HTTP/1.1 413");
    rig_stop(&r);
}

/* Counted as a client and closed as a proxy, or the other way round: neither may shift the count. */
static void who_becomes_a_proxy_while_connected_is_counted_right(void **state)
{
    const struct http_cidr here = cidr("127.0.0.1");
    const struct http_server_options client = {.connections_per_address = 1};
    const struct http_server_options proxy = {
        .connections_per_address = 1, .trusted_proxies = &here, .n_trusted_proxies = 1};
    struct rig r;
    int fd[2];

    (void)state;
    rig_start(&r, &client, NULL);
    for (int round = 0; round < 3; round++) {
        fd[0] = rig_connect(&r);
        RIG_UNTIL(rig_stats(&r).active == 1);
        assert_int_equal(change(&r, &proxy), TL_OK);
        fd[1] = rig_connect(&r);
        RIG_UNTIL(rig_stats(&r).active == 2);
        (void)close(fd[0]);
        RIG_UNTIL(rig_stats(&r).active == 1);
        assert_int_equal(change(&r, &client), TL_OK);
        (void)close(fd[1]);
        RIG_UNTIL(rig_stats(&r).active == 0);
    }
    fd[0] = rig_connect(&r);
    RIG_UNTIL(rig_stats(&r).active == 1);
    fd[1] = rig_connect(&r);
    assert_true(rig_at_eof(fd[1]));
    (void)close(fd[0]);
    (void)close(fd[1]);
    rig_stop(&r);
}

static void a_lower_cap_lets_those_who_are_in_go_on(void **state)
{
    struct rig r;
    int fd[3];

    (void)state;
    rig_start(&r, NULL, NULL);
    for (int i = 0; i < 2; i++)
        fd[i] = rig_connect(&r);
    RIG_UNTIL(rig_stats(&r).active == 2);
    assert_int_equal(change(&r, &(struct http_server_options){.connections = 1}), TL_OK);
    fd[2] = rig_connect(&r);
    assert_true(rig_at_eof(fd[2]));
    for (int i = 0; i < 2; i++) {
        rig_send(fd[i], "GET /echo HTTP/1.1\r\n" H CLOSE "\r\n");
        has(rig_read_all(fd[i]), "HTTP/1.1 200");
    }
    for (int i = 0; i < 3; i++)
        (void)close(fd[i]);
    rig_stop(&r);
}

static void the_head_is_held_to_each_of_its_limits(void **state)
{
    const struct http_server_options o = {
        .limits = {.request_line = 30, .headers = 3, .header_bytes = 60, .chunk_ext = 4}};
    struct rig r;

    (void)state;
    rig_start(&r, &o, NULL);
    has(rig_talk(&r, "GET /echo?12345678901 HTTP/1.1\r\n" H CLOSE "\r\n"), "HTTP/1.1 200"); /* 30 bytes */
    has(rig_talk(&r, "GET /echo?123456789012 HTTP/1.1\r\n" H CLOSE "\r\n"), "HTTP/1.1 414");
    has(rig_talk(&r, "GET /echo HTTP/1.1\r\n" H CLOSE "A: 1\r\n\r\n"), "HTTP/1.1 200");
    has(rig_talk(&r, "GET /echo HTTP/1.1\r\n" H CLOSE "A: 1\r\nB: 2\r\n\r\n"), "HTTP/1.1 431");
    has(rig_talk(&r, "GET /echo HTTP/1.1\r\n" H CLOSE "A: 34567890123456789012345678901234\r\n\r\n"), "HTTP/1.1 431");
    has(rig_talk(&r, "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1;abc\r\na\r\n0\r\n\r\n"
                     "GET /echo HTTP/1.1\r\n" H CLOSE "\r\n"),
        "HTTP/1.1 200");
    has(rig_talk(&r, "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1;abcdef\r\na\r\n0\r\n\r\n"),
        "HTTP/1.1 400");
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_options_judge_the_next_request_on_connections_that_stand),
        cmocka_unit_test(a_request_is_read_to_its_end_by_the_limits_that_it_began_under),
        cmocka_unit_test(every_answer_carries_the_headers_of_the_server),
        cmocka_unit_test(heads_that_no_buffer_holds_are_refused_and_nothing_changes),
        cmocka_unit_test(who_becomes_a_proxy_while_connected_is_counted_right),
        cmocka_unit_test(a_lower_cap_lets_those_who_are_in_go_on),
        cmocka_unit_test(the_head_is_held_to_each_of_its_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
