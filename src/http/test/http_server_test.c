/* SPDX-License-Identifier: Apache-2.0 */
/* The server of ARCHITECTURE section 8, row by row, over real sockets. Time-outs are set small; no time is asserted. */
#include "rig.h"

#include <errno.h>
#include <stdlib.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define H "Host: a\r\n"
#define CLOSE "Connection: close\r\n"

static void has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in: %s", part, text);
}

static int count(const char *text, const char *part)
{
    int n = 0;

    for (const char *p = text; (p = strstr(p, part)); p += strlen(part))
        n++;
    return n;
}

/* ---- requests and answers ---- */

static void a_body_comes_back_with_length_and_date(void **state)
{
    struct rig r;
    const char *a;

    (void)state;
    rig_start(&r, NULL, NULL);
    a = rig_talk(&r, "POST /echo HTTP/1.1\r\n" H CLOSE "Content-Length: 5\r\n\r\nhello");
    has(a, "HTTP/1.1 200 OK\r\n");
    has(a, "\r\nDate: ");
    has(a, "\r\nContent-Length: 5\r\n");
    has(a, "\r\nConnection: close\r\n");
    has(a, "\r\n\r\nhello");
    rig_stop(&r);
}

static void requests_of_one_connection_are_answered_in_order(void **state)
{
    struct rig r;
    const char *a;

    (void)state;
    rig_start(&r, NULL, NULL);
    a = rig_talk(&r, "POST /echo HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\n1"
                     "GET /none HTTP/1.1\r\n" H "\r\n"
                     "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1\r\n2\r\n1\r\n3\r\n0\r\n\r\n"
                     "GET /none HTTP/1.1\r\n" H "\r\nGET /none HTTP/1.1\r\n" H "\r\n"
                     "POST /echo HTTP/1.1\r\n" H CLOSE "Content-Length: 4\r\n\r\nlast");
    assert_int_equal(count(a, "HTTP/1.1 200"), 3);
    assert_int_equal(count(a, "HTTP/1.1 404"), 3);
    has(strstr(a, "\r\n\r\n1HTTP/1.1 404"), "\r\n\r\n23HTTP/1.1 404");
    has(a, "\r\n\r\nlast");
    rig_stop(&r);
}

static void a_request_may_come_in_any_pieces(void **state)
{
    static const char text[] =
        "POST /echo HTTP/1.1\r\n" H CLOSE "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n";
    struct rig r;
    int fd;

    (void)state;
    rig_start(&r, NULL, NULL);
    fd = rig_connect(&r);
    for (size_t i = 0; i < sizeof text - 1; i++) {
        rig_send_n(fd, text + i, 1);
        if (i % 16 == 0)
            rig_pause();
    }
    has(rig_read_all(fd), "\r\n\r\nabc");
    (void)close(fd);
    rig_stop(&r);
}

static void bodies_of_every_size_arrive_whole(void **state)
{
    static const size_t sizes[] = {1, 4095, 12000, 16384, 16385, 40000, 65536, 1000000};
    struct rig r;

    (void)state;
    rig_start(&r, NULL, NULL);
    for (size_t i = 0; i < TL_COUNT(sizes) * 2; i++) {
        size_t n = sizes[i / 2];
        char head[200], *body = tl_alloc(n);
        bool chunked = i % 2;
        int fd = rig_connect(&r);
        char want[40];

        memset(body, 'z', n);
        (void)snprintf(head, sizeof head,
                       "POST /%s HTTP/1.1\r\n" H CLOSE "X-Pad: %0*d\r\n%s: ", n > 30000 ? "stream" : "echo", 100, 0,
                       chunked ? "Transfer-Encoding" : "Content-Length");
        rig_send(fd, head);
        (void)snprintf(head, sizeof head, chunked ? "chunked\r\n\r\n%zx\r\n" : "%zu\r\n\r\n", n);
        rig_send(fd, head);
        rig_send_n(fd, body, n);
        if (chunked)
            rig_send(fd, "\r\n0\r\nA: b\r\n\r\n");
        (void)snprintf(want, sizeof want, n > 30000 ? "\r\n\r\n%zu bytes, %d trailers" : "Content-Length: %zu\r\n", n,
                       chunked);
        has(rig_read_all(fd), want);
        (void)close(fd);
        tl_free(body);
    }
    assert_int_equal(rig_stats(&r).body_memory, 0);
    rig_stop(&r);
}

static void large_heads_leave_room_for_the_body(void **state)
{
    struct rig r;
    char *pad = tl_alloc(60001);

    (void)state;
    rig_start(&r, NULL, NULL);
    memset(pad, 'p', 60000);
    pad[60000] = '\0';
    for (int n = 15000; n <= 60000; n += 1250) {
        int fd = rig_connect(&r);

        rig_send(fd, "POST /echo HTTP/1.1\r\n" H CLOSE "Content-Length: 9000\r\nX: ");
        rig_send_n(fd, pad, (size_t)n);
        rig_send(fd, "\r\n\r\n");
        rig_send_n(fd, pad, 9000);
        has(rig_read_all(fd), "Content-Length: 9000\r\n");
        (void)close(fd);
    }
    tl_free(pad);
    rig_stop(&r);
}

static void methods_and_paths_that_are_not_there_are_told(void **state)
{
    struct rig r;
    const char *a;

    (void)state;
    rig_start(&r, NULL, NULL);
    has(rig_talk(&r, "GET /none HTTP/1.1\r\n" H CLOSE "\r\n"), "HTTP/1.1 404");
    a = rig_talk(&r, "PUT /small HTTP/1.1\r\n" H CLOSE "\r\n");
    has(a, "HTTP/1.1 405");
    has(a, "\r\nAllow: POST\r\n");
    has(rig_talk(&r, "GET /a/../echo HTTP/1.1\r\n" H CLOSE "\r\n"), "HTTP/1.1 400");
    a = rig_talk(&r, "OPTIONS * HTTP/1.1\r\n" H CLOSE "\r\n");
    has(a, "HTTP/1.1 200");
    has(a, "\r\nAllow: GET, HEAD, POST");
    has(a, "\r\nContent-Length: 0\r\n");
    has(rig_talk(&r, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n" CLOSE "\r\n"), "HTTP/1.1 501");
    a = rig_talk(&r, "HEAD /who HTTP/1.1\r\n" H CLOSE "\r\n");
    has(a, "HTTP/1.1 200");
    has(a, "Content-Length: ");
    assert_string_equal(strstr(a, "\r\n\r\n"), "\r\n\r\n");
    has(rig_talk(&r, "BREW /echo HTTP/1.1\r\n" H CLOSE "\r\n"), "HTTP/1.1 200");
    has(rig_talk(&r, "get /who HTTP/1.1\r\n" H CLOSE "\r\n"), "HTTP/1.1 405");
    has(rig_talk(&r, "Head /who HTTP/1.1\r\n" H CLOSE "\r\n"), "HTTP/1.1 405");
    rig_stop(&r);
}

static void malformed_requests_are_answered_and_the_connection_closed(void **state)
{
    static const struct {
        const char *in, *want;
    } table[] = {
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400"},
        {"POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 400"},
        {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 501"},
        {"GET / HTTP/1.2\r\n" H "\r\n", "HTTP/1.1 505"},
        {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n", "HTTP/1.1 400"},
        {"POST /stream HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", "HTTP/1.1 400"},
        {"GET /\r\n\r\n", "HTTP/1.1 400"},
    };
    struct rig r;

    (void)state;
    rig_start(&r, NULL, NULL);
    for (size_t i = 0; i < TL_COUNT(table); i++) {
        const char *a = rig_talk(&r, table[i].in);

        has(a, table[i].want);
        has(a, "\r\nConnection: close\r\n");
        assert_int_equal(count(a, "\r\nDate: "), 1);
    }
    rig_stop(&r);
}

static void a_hundred_kilobytes_of_headers_are_answered_431(void **state)
{
    struct rig r;
    char *pad = tl_alloc(100000);
    int fd;

    (void)state;
    memset(pad, 'p', 100000);
    rig_start(&r, NULL, NULL);
    fd = rig_connect(&r);
    rig_send(fd, "GET /echo HTTP/1.1\r\n" H "X: ");
    rig_send_n(fd, pad, 100000);
    has(rig_read_all(fd), "HTTP/1.1 431");
    (void)close(fd);
    tl_free(pad);
    rig_stop(&r);
}

static void http_1_0_is_closed_unless_asked_to_stay(void **state)
{
    struct rig r;
    const char *a;

    (void)state;
    rig_start(&r, NULL, NULL);
    has(rig_talk(&r, "GET /echo HTTP/1.0\r\n\r\n"), "Connection: close");
    a = rig_talk(&r, "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /echo HTTP/1.0\r\n\r\n");
    assert_int_equal(count(a, "HTTP/1.1 200"), 2);
    assert_int_equal(count(a, "Connection: keep-alive"), 1);
    rig_stop(&r);
}

/* ---- before the body ---- */

static void a_body_over_the_limit_is_refused_before_it_is_sent(void **state)
{
    struct rig r;
    const char *a;

    (void)state;
    rig_start(&r, NULL, NULL);
    a = rig_talk(&r, "POST /small HTTP/1.1\r\n" H "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n");
    has(a, "HTTP/1.1 413");
    assert_null(strstr(a, "100 Continue"));
    has(rig_talk(&r, "POST /small HTTP/1.1\r\n" H "Content-Length: 11\r\n\r\n"), "HTTP/1.1 413");
    has(rig_talk(&r, "POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n"),
        "HTTP/1.1 413");
    has(rig_talk(&r, "POST /small HTTP/1.1\r\n" H CLOSE "Content-Length: 10\r\n\r\n0123456789"), "HTTP/1.1 200");
    assert_int_equal(r.hits, 1);
    rig_stop(&r);
}

static void an_early_refusal_reaches_a_client_that_goes_on_sending(void **state)
{
    struct rig r;
    char block[4096];
    int fd;

    (void)state;
    memset(block, 'x', sizeof block);
    rig_start(&r, NULL, NULL);
    fd = rig_connect(&r);
    rig_send(fd, "POST /small HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\n");
    for (int i = 0; i < 20; i++)
        rig_send_n(fd, block, sizeof block);
    rig_pause();
    rig_send_n(fd, block, sizeof block);
    has(rig_read_all(fd), "HTTP/1.1 413");
    (void)close(fd);
    rig_stop(&r);
}

static void the_body_is_invited_only_when_it_may_come(void **state)
{
    struct rig r;
    const char *a;
    int fd;

    (void)state;
    rig_start(&r, NULL, NULL);
    has(rig_talk(&r, "POST /none HTTP/1.1\r\n" H "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"), "HTTP/1.1 404");
    a = rig_talk(&r, "POST /elsewhere HTTP/1.1\r\n" H "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    has(a, "HTTP/1.1 403");
    assert_null(strstr(a, "100 Continue"));
    a = rig_talk(&r, "POST /unread HTTP/1.1\r\n" H "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    has(a, "HTTP/1.1 401");
    assert_null(strstr(a, "100 Continue"));
    for (int i = 0; i < 2; i++) {
        fd = rig_connect(&r);
        rig_send(fd, i ? "POST /stream HTTP/1.1\r\n" H CLOSE "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
                       : "POST /echo HTTP/1.1\r\n" H CLOSE "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
        has(rig_response(fd), "HTTP/1.1 100 Continue\r\n\r\n");
        rig_send(fd, "hello");
        has(rig_read_all(fd), i ? "5 bytes" : "hello");
        (void)close(fd);
    }
    rig_stop(&r);
}

static void body_memory_over_the_budget_is_503(void **state)
{
    struct rig r;
    char *body = tl_alloc(100000);
    const char *a;
    int fd;

    (void)state;
    memset(body, 'x', 100000);
    rig_start(&r, &(struct http_server_options){.body_memory = 65536}, NULL);
    a = rig_talk(&r, "POST /echo HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\n");
    has(a, "HTTP/1.1 503");
    has(a, "Retry-After: ");
    fd = rig_connect(&r);
    rig_send(fd, "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n186a0\r\n");
    rig_send_n(fd, body, 100000);
    has(rig_read_all(fd), "HTTP/1.1 503");
    (void)close(fd);
    has(rig_talk(&r, "POST /echo HTTP/1.1\r\n" H CLOSE "Content-Length: 5\r\n\r\nhello"), "HTTP/1.1 200");
    RIG_UNTIL(rig_stats(&r).body_memory == 0);
    tl_free(body);
    rig_stop(&r);
}

/* ---- streams ---- */

static void streamed_answers_are_chunked_and_cut_when_broken(void **state)
{
    struct rig r;
    const char *a;

    (void)state;
    rig_start(&r, NULL, NULL);
    a = rig_talk(&r, "GET /sse HTTP/1.1\r\n" H CLOSE "\r\n");
    has(a, "Transfer-Encoding: chunked\r\n");
    has(a, "\r\n\r\n9\r\ndata: x\n\n\r\n9\r\ndata: x\n\n\r\n9\r\ndata: x\n\n\r\n0\r\n\r\n");
    a = rig_talk(&r, "GET /sse HTTP/1.0\r\n\r\n");
    assert_null(strstr(a, "chunked"));
    has(a, "\r\n\r\ndata: x\n\ndata: x\n\ndata: x\n\n");
    a = rig_talk(&r, "GET /sse?broken HTTP/1.1\r\n" H "\r\n");
    has(a, "9\r\ndata: x\n\n\r\n");
    assert_null(strstr(a, "0\r\n\r\n"));
    a = rig_talk(&r, "GET /sse HTTP/1.1\r\n" H "\r\nGET /echo HTTP/1.1\r\n" H CLOSE "\r\n");
    assert_int_equal(count(a, "HTTP/1.1 200"), 2);
    rig_stop(&r);
}

static void a_client_that_does_not_read_holds_the_writer_and_is_cut_in_the_end(void **state)
{
    struct rig r;
    int fd, small = 4096;

    (void)state;
    rig_start(&r, &(struct http_server_options){.write_ms = 60}, NULL);
    fd = rig_connect(&r);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    rig_send(fd, "GET /sse?endless HTTP/1.1\r\n" H "\r\n");
    RIG_UNTIL(r.seen < 0);
    assert_int_equal(r.seen, -(int)TL_TIMEOUT);
    (void)close(fd);
    fd = rig_connect(&r);
    rig_send(fd, "GET /big HTTP/1.1\r\n" H "\r\n");
    RIG_UNTIL(rig_stats(&r).timeouts == 2);
    (void)close(fd);
    fd = rig_connect(&r);
    rig_send(fd, "GET /sse?endless HTTP/1.1\r\n" H "\r\n");
    RIG_UNTIL(r.seen > 0);
    (void)close(fd);
    RIG_UNTIL(r.seen == -(int)TL_IO);
    RIG_UNTIL(rig_stats(&r).active == 0);
    rig_stop(&r);
}

static void a_large_answer_is_written_to_the_end(void **state)
{
    struct rig r;
    size_t n = 0;
    char buf[4096];
    ssize_t got;
    int fd;

    (void)state;
    rig_start(&r, NULL, NULL);
    fd = rig_connect(&r);
    rig_send(fd, "GET /big HTTP/1.1\r\n" H CLOSE "\r\n");
    while ((got = recv(fd, buf, sizeof buf, 0)) > 0)
        n += (size_t)got;
    assert_true(n > (8 << 20) && n < (8 << 20) + 500);
    (void)close(fd);
    rig_stop(&r);
}

/* ---- time-outs ---- */

static void slow_heads_bodies_and_idlers_are_ended(void **state)
{
    struct rig r;
    int fd[4];

    (void)state;
    rig_start(&r,
              &(struct http_server_options){.headers_ms = 60, .body_grace_ms = 60, .idle_ms = 60, .body_rate = 1000000},
              NULL);
    for (int i = 0; i < 4; i++)
        fd[i] = rig_connect(&r);
    rig_send(fd[0], "GET /echo HTTP/1.1\r\nHos");
    rig_send(fd[1], "POST /echo HTTP/1.1\r\n" H "Content-Length: 500\r\n\r\nabc");
    rig_send(fd[2], "POST /stream HTTP/1.1\r\n" H "Content-Length: 500\r\n\r\nabc");
    rig_send(fd[3], "GET /echo HTTP/1.1\r\n" H "\r\n");
    has(rig_read_all(fd[0]), "HTTP/1.1 408");
    has(rig_read_all(fd[1]), "HTTP/1.1 408");
    has(rig_read_all(fd[2]), "HTTP/1.1 504");
    has(rig_response(fd[3]), "HTTP/1.1 200");
    assert_true(rig_at_eof(fd[3]));
    for (int i = 0; i < 4; i++)
        (void)close(fd[i]);
    fd[0] = rig_connect(&r); /* silent from the start */
    assert_true(rig_at_eof(fd[0]));
    (void)close(fd[0]);
    assert_true(rig_stats(&r).timeouts >= 3);
    rig_stop(&r);
}

static void a_head_that_drips_is_ended_although_it_never_pauses(void **state)
{
    struct rig r;
    int fd;

    (void)state;
    rig_start(&r, &(struct http_server_options){.headers_ms = 80}, NULL);
    fd = rig_connect(&r);
    rig_send(fd, "GET /echo HTTP/1.1\r\nX: ");
    for (int i = 0; i < 2000 && rig_stats(&r).timeouts == 0; i++) {
        rig_send(fd, "a");
        rig_pause();
    }
    has(rig_read_all(fd), "HTTP/1.1 408");
    (void)close(fd);
    rig_stop(&r);
}

static void a_handler_that_takes_too_long_is_answered_504(void **state)
{
    struct rig r;

    (void)state;
    rig_start(&r, NULL, NULL);
    r.hold = 1;
    has(rig_talk(&r, "GET /short HTTP/1.1\r\n" H CLOSE "\r\n"), "HTTP/1.1 504");
    r.hold = 0;
    rig_stop(&r);
}

/* ---- connections ---- */

static void a_connection_ends_after_its_requests(void **state)
{
    struct rig r;
    const char *a;

    (void)state;
    rig_start(&r, &(struct http_server_options){.requests_per_connection = 2}, NULL);
    a = rig_talk(&r, "GET /echo HTTP/1.1\r\n" H "\r\nGET /echo HTTP/1.1\r\n" H "\r\nGET /echo HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(count(a, "HTTP/1.1 200"), 2);
    assert_int_equal(count(a, "Connection: close"), 1);
    rig_stop(&r);
}

static void connections_over_the_caps_are_closed_at_the_door(void **state)
{
    struct rig r;
    int fd[3];

    (void)state;
    for (int total = 0; total < 2; total++) {
        rig_start(&r,
                  total ? &(struct http_server_options){.connections = 2}
                        : &(struct http_server_options){.connections_per_address = 2},
                  NULL);
        for (int i = 0; i < 3; i++)
            fd[i] = rig_connect(&r);
        assert_true(rig_at_eof(fd[2]));
        assert_int_equal(rig_stats(&r).refused_cap, 1);
        rig_send(fd[0], "GET /echo HTTP/1.1\r\n" H CLOSE "\r\n");
        has(rig_read_all(fd[0]), "HTTP/1.1 200");
        (void)close(fd[0]);
        (void)close(fd[2]);
        RIG_UNTIL(rig_stats(&r).active == 1);
        has(rig_talk(&r, "GET /echo HTTP/1.1\r\n" H CLOSE "\r\n"), "HTTP/1.1 200");
        (void)close(fd[1]);
        rig_stop(&r);
    }
}

static void addresses_not_allowed_are_closed_at_the_door(void **state)
{
    struct http_cidr elsewhere;
    struct rig r;
    int fd;

    (void)state;
    assert_true(http_cidr_parse(TL_SV("192.0.2.0/24"), &elsewhere));
    rig_start(&r, &(struct http_server_options){.allow = &elsewhere, .n_allow = 1}, NULL);
    fd = rig_connect(&r);
    assert_true(rig_at_eof(fd));
    (void)close(fd);
    assert_int_equal(rig_stats(&r).refused_address, 1);
    rig_stop(&r);
}

static void behind_a_proxy_the_addresses_of_clients_count_and_not_its_own(void **state)
{
    struct http_cidr office, proxies;
    struct rig r;
    int fd[4];

    (void)state;
    assert_true(http_cidr_parse(TL_SV("203.0.113.0/24"), &office));
    assert_true(http_cidr_parse(TL_SV("127.0.0.0/8"), &proxies));
    rig_start(&r,
              &(struct http_server_options){.allow = &office,
                                            .n_allow = 1,
                                            .trusted_proxies = &proxies,
                                            .n_trusted_proxies = 1,
                                            .connections_per_address = 2},
              NULL);
    for (int i = 0; i < 4; i++) /* it may hold more than one client */
        fd[i] = rig_connect(&r);
    rig_send(fd[3], "GET /echo HTTP/1.1\r\nX-Forwarded-For: 203.0.113.9\r\n" H CLOSE "\r\n");
    has(rig_read_all(fd[3]), "HTTP/1.1 200");
    has(rig_talk(&r, "GET /echo HTTP/1.1\r\nX-Forwarded-For: 198.51.100.1\r\n" H CLOSE "\r\n"), "HTTP/1.1 403");
    has(rig_talk(&r, "GET /echo HTTP/1.1\r\n" H CLOSE "\r\n"), "HTTP/1.1 403"); /* the proxy itself */
    for (int i = 0; i < 4; i++)
        (void)close(fd[i]);
    rig_stop(&r);
}

static void without_descriptors_clients_are_closed_and_service_returns(void **state)
{
    struct rlimit old, low;
    struct rig r;
    int fd[2], top;

    (void)state;
    rig_start(&r, NULL, NULL);
    RIG_UNTIL(http_server_port(r.server, 0) != 0);
    fd[0] = rig_connect(&r);
    RIG_UNTIL(rig_stats(&r).active == 1);
    fd[1] = socket(AF_INET, SOCK_STREAM, 0);
    top = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)close(top);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = (struct rlimit){(rlim_t)top, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    {
        struct sockaddr_storage ss;
        socklen_t n = sizeof ss;

        assert_int_equal(getpeername(fd[0], (struct sockaddr *)&ss, &n), 0);
        assert_int_equal(connect(fd[1], (struct sockaddr *)&ss, n), 0);
    }
    assert_true(rig_at_eof(fd[1]));
    assert_int_equal(rig_stats(&r).refused_fd, 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    (void)close(fd[1]);
    (void)close(fd[0]);
    has(rig_talk(&r, "GET /echo HTTP/1.1\r\n" H CLOSE "\r\n"), "HTTP/1.1 200");
    rig_stop(&r);
}

static void nothing_is_read_while_a_request_runs(void **state)
{
    struct rig r;
    char block[4096];
    size_t sent = 0;
    int fd;

    (void)state;
    memset(block, 'x', sizeof block);
    rig_start(&r, NULL, NULL);
    r.hold = 1;
    fd = rig_connect(&r);
    rig_send(fd, "GET /hold HTTP/1.1\r\n" H "\r\n");
    RIG_UNTIL(r.hits == 1);
    for (;;) { /* until the kernel's buffers are full: the server takes nothing off them */
        ssize_t n = send(fd, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n <= 0)
            break;
        sent += (size_t)n;
        assert_true(sent < (64 << 20));
    }
    r.hold = 0;
    has(rig_response(fd), "held");
    has(rig_read_all(fd), "HTTP/1.1 4");
    (void)close(fd);
    rig_stop(&r);
}

static void connections_are_shared_among_the_loops(void **state)
{
    struct rig r;
    int fd[8];

    (void)state;
    rig_start(&r, NULL, NULL);
    r.hold = 1;
    for (int i = 0; i < 8; i++) {
        fd[i] = rig_connect(&r);
        rig_send(fd[i], "GET /hold HTTP/1.1\r\n" H CLOSE "\r\n");
    }
    RIG_UNTIL(r.hits == 8);
    assert_int_equal(async_loop_tasks(r.loops[0]), 4);
    assert_int_equal(async_loop_tasks(r.loops[1]), 4);
    r.hold = 0;
    for (int i = 0; i < 8; i++) {
        has(rig_read_all(fd[i]), "held");
        (void)close(fd[i]);
    }
    rig_stop(&r);
}

/* ---- who is calling ---- */

static void forwarded_for_counts_from_trusted_proxies_only(void **state)
{
    struct http_cidr local, inner;
    struct rig r;

    (void)state;
    assert_true(http_cidr_parse(TL_SV("127.0.0.0/8"), &local) && http_cidr_parse(TL_SV("10.0.0.0/8"), &inner));
    rig_start(&r, NULL, NULL);
    has(rig_talk(&r,
                 "GET /who HTTP/1.1\r\n" H CLOSE "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n\r\n"),
        "client=127.0.0.1 secure=0");
    rig_stop(&r);
    rig_start(
        &r,
        &(struct http_server_options){.trusted_proxies = (struct http_cidr[]){local, inner}, .n_trusted_proxies = 2},
        NULL);
    has(rig_talk(&r, "GET /who HTTP/1.1\r\n" H CLOSE "X-Forwarded-For: 1.1.1.1, 198.51.100.7:99\r\n"
                     "X-Forwarded-For: 10.0.0.3\r\nX-Forwarded-Proto: https\r\n\r\n"),
        "client=198.51.100.7 secure=1");
    has(rig_talk(&r, "GET /who HTTP/1.1\r\n" H CLOSE "X-Forwarded-For: 1.1.1.1, rubbish, 10.0.0.3\r\n\r\n"),
        "client=10.0.0.3");
    rig_stop(&r);
}

static const char proxy_v4[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\x7f\0\0\x01\x30\x39\0\x50";

static void proxy_v2_names_the_peer_when_a_listed_one_says_so(void **state)
{
    struct http_cidr local, elsewhere;
    struct rig r;
    int fd;

    (void)state;
    assert_true(http_cidr_parse(TL_SV("127.0.0.1"), &local) && http_cidr_parse(TL_SV("192.0.2.0/24"), &elsewhere));
    rig_start(&r, &(struct http_server_options){.trusted_proxies = &local, .n_trusted_proxies = 1},
              &(struct http_listen){.proxy_protocol = true});
    for (size_t cut = 1; cut < 28; cut += 9) {
        fd = rig_connect(&r);
        rig_send_n(fd, proxy_v4, cut);
        rig_pause();
        rig_send_n(fd, proxy_v4 + cut, 28 - cut);
        rig_send(fd, "GET /who HTTP/1.1\r\n" H CLOSE "\r\n");
        has(rig_read_all(fd), "peer=198.51.100.7");
        (void)close(fd);
    }
    assert_string_equal(rig_talk(&r, "GET /who HTTP/1.1\r\n" H CLOSE "\r\n"), "");
    rig_stop(&r);
    rig_start(&r, &(struct http_server_options){.trusted_proxies = &elsewhere, .n_trusted_proxies = 1},
              &(struct http_listen){.proxy_protocol = true});
    fd = rig_connect(&r);
    rig_send_n(fd, proxy_v4, 28);
    assert_true(rig_at_eof(fd));
    (void)close(fd);
    rig_stop(&r);
}

static void a_unix_socket_is_for_its_owner_and_tells_the_uid(void **state)
{
    char path[] = "/tmp/http_server_test.XXXXXX", sock[64], want[40];
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct stat st;
    struct rig r;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(path));
    (void)snprintf(sock, sizeof sock, "%s/s", path);
    for (int i = 0; i < 2; i++) { /* the second time over the file that the first left, were it killed */
        rig_start(&r, NULL, &(struct http_listen){.unix_path = sock});
        assert_int_equal(stat(sock, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", sock);
        assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
        rig_send(fd, "GET /who HTTP/1.1\r\n" H CLOSE "\r\n");
        (void)snprintf(want, sizeof want, "peer=unix client=unix secure=0 uid=%d", (int)getuid());
        has(rig_read_all(fd), want);
        (void)close(fd);
        rig_stop(&r);
        assert_int_equal(stat(sock, &st), -1);
        if (i == 0) {
            fd = socket(AF_UNIX, SOCK_STREAM, 0);
            assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
            (void)close(fd);
        }
    }
    (void)rmdir(path);
}

/* ---- draining ---- */

static void draining_finishes_requests_and_closes_idlers(void **state)
{
    struct rig r;
    int idle, fresh, busy;

    (void)state;
    rig_start(&r, NULL, NULL);
    r.hold = 1;
    idle = rig_connect(&r);
    rig_send(idle, "GET /who HTTP/1.1\r\n" H "\r\n");
    has(rig_response(idle), "HTTP/1.1 200");
    fresh = rig_connect(&r);
    busy = rig_connect(&r);
    rig_send(busy, "GET /hold HTTP/1.1\r\n" H "\r\n");
    RIG_UNTIL(r.hits >= 1 && rig_stats(&r).active == 3);
    assert_false(http_server_is_draining(r.server));
    http_server_drain(r.server);
    assert_true(http_server_is_draining(r.server));
    assert_true(rig_at_eof(idle));
    rig_send(fresh, "GET /who HTTP/1.1\r\n" H "\r\n");
    has(rig_read_all(fresh), "HTTP/1.1 200");
    has(rig_talk(&r, "GET /who HTTP/1.1\r\n" H "\r\n"), "HTTP/1.1 503");
    has(rig_talk(&r, "GET /who HTTP/1.1\r\n" H "\r\n"), "Retry-After: ");
    has(rig_talk(&r, "GET /ready HTTP/1.1\r\n" H "\r\n"), "HTTP/1.1 200");
    has(rig_talk(&r, "GET /ready HTTP/1.1\r\n" H "\r\n"), "Connection: close");
    r.hold = 0;
    has(rig_read_all(busy), "Connection: close");
    (void)close(idle);
    (void)close(fresh);
    (void)close(busy);
    rig_stop(&r);
}

/* Else this test would last for an hour. */
static void a_drain_is_announced_to_nobody_where_nobody_watches(void **state)
{
    struct rig r;

    (void)state;
    rig_start(&r, &(struct http_server_options){.drain_ms = 7200000, .drain_announce_ms = 3600000}, NULL);
    has(rig_talk(&r, "GET /who HTTP/1.1\r\n" H "Connection: close\r\n\r\n"), "HTTP/1.1 200");
    rig_stop(&r);
}

struct late {
    struct rig *r;
    int fd;
};

static void *send_late(void *arg)
{
    struct late *l = arg;

    while (!http_server_is_draining(l->r->server))
        (void)usleep(1000);
    (void)usleep(20000);
    rig_send(l->fd, "GET /who HTTP/1.1\r\n" H "\r\n");
    return NULL;
}

static void a_connection_from_just_before_a_drain_that_nobody_watches_is_answered(void **state)
{
    struct late l;
    struct rig r;
    pthread_t thread;

    (void)state;
    rig_start(&r, &(struct http_server_options){.drain_announce_ms = 1000}, NULL);
    l = (struct late){&r, rig_connect(&r)};
    assert_int_equal(pthread_create(&thread, NULL, send_late, &l), 0);
    rig_stop(&r);
    (void)pthread_join(thread, NULL);
    has(rig_read_all(l.fd), "HTTP/1.1 ");
    (void)close(l.fd);
}

static void what_does_not_end_in_time_is_cut(void **state)
{
    struct rig r;
    int fd[2];

    (void)state;
    rig_start(&r, &(struct http_server_options){.drain_ms = 50}, NULL);
    r.hold = 1;
    for (int i = 0; i < 2; i++) {
        fd[i] = rig_connect(&r);
        rig_send(fd[i], "GET /hold HTTP/1.1\r\n" H "\r\n");
    }
    RIG_UNTIL(r.hits == 2);
    rig_stop(&r);
    assert_int_equal(r.seen, -(int)TL_CANCELED);
    for (int i = 0; i < 2; i++) {
        assert_true(rig_at_eof(fd[i]));
        (void)close(fd[i]);
    }
}

static void a_new_router_serves_the_next_request(void **state)
{
    struct http_router *other = http_router_new();
    struct rig r;
    int fd;

    (void)state;
    rig_start(&r, NULL, NULL);
    fd = rig_connect(&r);
    rig_send(fd, "GET /who HTTP/1.1\r\n" H "\r\n");
    has(rig_response(fd), "HTTP/1.1 200");
    http_server_set_router(r.server, other);
    http_router_unref(other);
    for (int i = 0; i < 1000; i++) {
        rig_send(fd, "GET /who HTTP/1.1\r\n" H "\r\n");
        if (strstr(rig_response(fd), "HTTP/1.1 404"))
            break;
        assert_true(i < 999);
    }
    (void)close(fd);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_comes_back_with_length_and_date),
        cmocka_unit_test(requests_of_one_connection_are_answered_in_order),
        cmocka_unit_test(a_request_may_come_in_any_pieces),
        cmocka_unit_test(bodies_of_every_size_arrive_whole),
        cmocka_unit_test(large_heads_leave_room_for_the_body),
        cmocka_unit_test(methods_and_paths_that_are_not_there_are_told),
        cmocka_unit_test(malformed_requests_are_answered_and_the_connection_closed),
        cmocka_unit_test(a_hundred_kilobytes_of_headers_are_answered_431),
        cmocka_unit_test(http_1_0_is_closed_unless_asked_to_stay),
        cmocka_unit_test(a_body_over_the_limit_is_refused_before_it_is_sent),
        cmocka_unit_test(an_early_refusal_reaches_a_client_that_goes_on_sending),
        cmocka_unit_test(the_body_is_invited_only_when_it_may_come),
        cmocka_unit_test(body_memory_over_the_budget_is_503),
        cmocka_unit_test(streamed_answers_are_chunked_and_cut_when_broken),
        cmocka_unit_test(a_client_that_does_not_read_holds_the_writer_and_is_cut_in_the_end),
        cmocka_unit_test(a_large_answer_is_written_to_the_end),
        cmocka_unit_test(slow_heads_bodies_and_idlers_are_ended),
        cmocka_unit_test(a_head_that_drips_is_ended_although_it_never_pauses),
        cmocka_unit_test(a_handler_that_takes_too_long_is_answered_504),
        cmocka_unit_test(a_connection_ends_after_its_requests),
        cmocka_unit_test(connections_over_the_caps_are_closed_at_the_door),
        cmocka_unit_test(addresses_not_allowed_are_closed_at_the_door),
        cmocka_unit_test(behind_a_proxy_the_addresses_of_clients_count_and_not_its_own),
        cmocka_unit_test(without_descriptors_clients_are_closed_and_service_returns),
        cmocka_unit_test(nothing_is_read_while_a_request_runs),
        cmocka_unit_test(connections_are_shared_among_the_loops),
        cmocka_unit_test(forwarded_for_counts_from_trusted_proxies_only),
        cmocka_unit_test(proxy_v2_names_the_peer_when_a_listed_one_says_so),
        cmocka_unit_test(a_unix_socket_is_for_its_owner_and_tells_the_uid),
        cmocka_unit_test(draining_finishes_requests_and_closes_idlers),
        cmocka_unit_test(a_drain_is_announced_to_nobody_where_nobody_watches),
        cmocka_unit_test(a_connection_from_just_before_a_drain_that_nobody_watches_is_answered),
        cmocka_unit_test(what_does_not_end_in_time_is_cut),
        cmocka_unit_test(a_new_router_serves_the_next_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
