/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY header, shape by shape (the numbers are sections of haproxy's doc/proxy-protocol.txt), and who a connection
 * is counted and let in as when it came with one. */
#include "rig.h"

#include <stdlib.h>
#include <unistd.h>

#include "http/proxy.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xc6\x33\x64\x07\x7f\0\0\x01\x30\x39\x01\xbb" /* 198.51.100.7:12345 to 127.0.0.1:443 */
#define V6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x30\x39\x01\xbb"
#define TLVS "\x04\0\x02\0\0\xea\0\x03\x01vp"  /* NOOP, and one of a cloud's own */
#define SUM_RIGHT "\x03\0\x04\x9c\xe6\x3b\x9b" /* of SIG 21 11 00 13 V4 and itself */
#define H "Host: a\r\n"
#define CLOSE "Connection: close\r\n"

struct shape {
    const char *what;
    size_t n;
    const char *bytes;
    int want;         /* 0, -1, or what is needed in all */
    const char *peer; /* NULL: stays as it was */
};
#define SHAPE(what, bytes, want, peer)                                                                                 \
    {                                                                                                                  \
        what, sizeof(bytes) - 1, bytes, want, peer                                                                     \
    }

static const struct shape shapes[] = {
    SHAPE("TCP over IPv4", SIG "\x21\x11\0\x0c" V4, 0, "198.51.100.7"),
    SHAPE("TCP over IPv6", SIG "\x21\x21\0\x24" V6, 0, "2001:db8::7"),
    SHAPE("IPv4 in IPv6 is IPv4",
          SIG
          "\x21\x21\0\x24\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x30\x39\x01\xbb",
          0, "10.0.0.1"),
    SHAPE("what follows does not matter", SIG "\x21\x11\0\x0c" V4 "GET / HTTP/1.1\r\n", 0, "198.51.100.7"),
    SHAPE("more than addresses", SIG "\x21\x11\0\x17" V4 TLVS, 0, "198.51.100.7"),
    SHAPE("a checksum", SIG "\x21\x11\0\x13" V4 SUM_RIGHT, 0, "198.51.100.7"),
    SHAPE("LOCAL", SIG "\x20\0\0\0", 0, NULL),
    SHAPE("LOCAL with a block that is to be ignored (2.2)", SIG "\x20\x7f\0\x03xyz", 0, NULL),
    /* not all of it is there */
    SHAPE("nothing", "", 16, NULL),
    SHAPE("a part of the signature", "\r\n\r\n\0", 16, NULL),
    SHAPE("no length", SIG "\x21\x11\0", 16, NULL),
    SHAPE("no addresses", SIG "\x21\x11\0\x0c", 28, NULL),
    SHAPE("a byte too few", SIG "\x21\x11\0\x0c\xc6\x33\x64\x07\x7f\0\0\x01\x30\x39\x01", 28, NULL),
    SHAPE("the longest that is waited for", SIG "\x21\x11\x04\0", 16 + 1024, NULL),
    /* refused */
    SHAPE("no header", "GET / HTTP/1.1\r\n\r\n", -1, NULL),
    SHAPE("a TLS hello", "\x16\x03\x01\x02\0\x01", -1, NULL),
    SHAPE("version 1", "PROXY TCP4 198.51.100.7 127.0.0.1 12345 443\r\n", -1, NULL),
    SHAPE("a signature that ends otherwise", "\r\n\r\n\0\r\nQUIT\r\x21\x11\0\x0c" V4, -1, NULL),
    SHAPE("an empty line and another", "\r\n\r\n\r\n", -1, NULL),
    SHAPE("version 1 in binary", SIG "\x11\x11\0\x0c" V4, -1, NULL),
    SHAPE("version 3", SIG "\x31\x11\0\x0c" V4, -1, NULL),
    SHAPE("a third command", SIG "\x22\x11\0\x0c" V4, -1, NULL),
    SHAPE("no family: nobody is named (2.2: may be rejected)", SIG "\x21\0\0\0", -1, NULL),
    SHAPE("no family, with addresses", SIG "\x21\0\0\x0c" V4, -1, NULL),
    SHAPE("no family, TCP", SIG "\x21\x01\0\x0c" V4, -1, NULL),
    SHAPE("UDP over IPv4", SIG "\x21\x12\0\x0c" V4, -1, NULL),
    SHAPE("UDP over IPv6", SIG "\x21\x22\0\x24" V6, -1, NULL),
    SHAPE("IPv4 without a transport", SIG "\x21\x10\0\x0c" V4, -1, NULL),
    SHAPE("a third transport", SIG "\x21\x13\0\x0c" V4, -1, NULL),
    SHAPE("a Unix socket", SIG "\x21\x31\0\x02xy", -1, NULL),
    SHAPE("a fifth family", SIG "\x21\x41\0\x0c" V4, -1, NULL),
    SHAPE("IPv4 without addresses", SIG "\x21\x11\0\0", -1, NULL),
    SHAPE("IPv4 with too few", SIG "\x21\x11\0\x0b\xc6\x33\x64\x07\x7f\0\0\x01\x30\x39\x01", -1, NULL),
    SHAPE("IPv6 with addresses of IPv4", SIG "\x21\x21\0\x0c" V4, -1, NULL),
    SHAPE("longer than any proxy writes", SIG "\x21\x11\x04\x01", -1, NULL),
    SHAPE("as long as can be said", SIG "\x21\x11\xff\xff", -1, NULL),
    SHAPE("a type without length", SIG "\x21\x11\0\x0e" V4 "\x04\0", -1, NULL),
    SHAPE("a type alone", SIG "\x21\x11\0\x0d" V4 "\x04", -1, NULL),
    SHAPE("a value longer than what is left", SIG "\x21\x11\0\x10" V4 "\x04\0\x02x", -1, NULL),
    SHAPE("the same behind one that is whole", SIG "\x21\x11\0\x13" V4 "\x04\0\0\x05\xff\xff\x01", -1, NULL),
    SHAPE("a wrong checksum", SIG "\x21\x11\0\x13" V4 "\x03\0\x04\x9c\xe6\x3b\x9a", -1, NULL),
    SHAPE("a checksum of three bytes", SIG "\x21\x11\0\x12" V4 "\x03\0\x03\x9c\xe6\x3b", -1, NULL),
};

static void each_shape_is_taken_or_refused_and_never_read_beyond(void **state)
{
    (void)state;
    for (size_t i = 0; i < TL_COUNT(shapes); i++) {
        const struct shape *s = &shapes[i];
        struct http_addr peer = {.family = 4, .ip = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}};
        uint8_t *exact = tl_alloc(s->n + 1); /* so that a sanitizer sees a byte too many */
        char text[HTTP_ADDR_TEXT];
        int got;

        exact = tl_realloc(exact, s->n ? s->n : 1);
        memcpy(exact, s->bytes, s->n);
        got = http_proxy_v2(exact, s->n, &peer);
        tl_free(exact);
        if (got != s->want)
            fail_msg("%s: %d, not %d", s->what, got, s->want);
        if (strcmp(http_addr_format(&peer, text), s->peer ? s->peer : "192.0.2.1") != 0)
            fail_msg("%s: the peer is %s", s->what, text);
    }
}

static void one_that_is_cut_asks_for_the_rest_and_comes_to_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < TL_COUNT(shapes); i++) {
        const struct shape *s = &shapes[i];
        struct http_addr peer = {.family = 0};

        for (size_t n = 0; n < s->n; n++) {
            int got = http_proxy_v2((const uint8_t *)s->bytes, n, &peer);

            if (got > 0 && (size_t)got <= n)
                fail_msg("%s, %zu bytes: %d are asked for", s->what, n, got);
            if (got == -1 && s->want != -1)
                fail_msg("%s is refused after %zu bytes", s->what, n);
            if (got == 0)
                break;
        }
    }
}

/* ---- over sockets ---- */

static struct http_cidr cidr(const char *text)
{
    struct http_cidr c;

    assert_true(http_cidr_parse(tl_sv_str(text), &c));
    return c;
}

static const char *ask(const struct rig *r, const char *header, size_t n, const char *request)
{
    int fd = rig_connect(r);
    const char *a;

    rig_send_n(fd, header, n);
    rig_send(fd, request);
    a = rig_read_all(fd);
    (void)close(fd);
    return a;
}

static const char from_v4[] = SIG "\x21\x11\0\x0c" V4, from_v6[] = SIG "\x21\x21\0\x24" V6, local[] = SIG "\x20\0\0\0";
#define ASK(r, header, request) ask(r, header, sizeof(header) - 1, request)

static void allow_lists_are_about_the_client_that_the_header_names(void **state)
{
    struct http_cidr proxy = cidr("127.0.0.1"), office = cidr("198.51.100.0/24");
    struct rig r;

    (void)state;
    rig_start(&r,
              &(struct http_server_options){
                  .trusted_proxies = &proxy, .n_trusted_proxies = 1, .allow = &office, .n_allow = 1},
              &(struct http_listen){.proxy_protocol = true});
    assert_non_null(strstr(ASK(&r, from_v4, "GET /who HTTP/1.1\r\n" H CLOSE "\r\n"), "client=198.51.100.7"));
    assert_string_equal(ASK(&r, from_v6, "GET /who HTTP/1.1\r\n" H CLOSE "\r\n"), "");
    assert_int_equal(rig_stats(&r).refused_address, 1);
    /* what the client writes itself is not believed; the proxy may look whether we are there */
    assert_non_null(strstr(ASK(&r, from_v4, "GET /who HTTP/1.1\r\n" H CLOSE "X-Forwarded-For: 192.0.2.9\r\n\r\n"),
                           "client=198.51.100.7"));
    assert_non_null(strstr(ASK(&r, from_v4, "POST /elsewhere HTTP/1.1\r\n" H CLOSE "\r\n"), "HTTP/1.1 403"));
    assert_non_null(strstr(ASK(&r, local, "GET /who HTTP/1.1\r\n" H CLOSE "\r\n"), "HTTP/1.1 403"));
    assert_int_equal(rig_stats(&r).refused_address, 1);
    rig_stop(&r);
}

static void connections_are_counted_for_the_client_and_not_for_the_proxy(void **state)
{
    struct http_cidr proxy = cidr("127.0.0.1");
    struct rig r;
    int fd[4];

    (void)state;
    rig_start(
        &r,
        &(struct http_server_options){.trusted_proxies = &proxy, .n_trusted_proxies = 1, .connections_per_address = 2},
        &(struct http_listen){.proxy_protocol = true});
    for (int i = 0; i < 4; i++) {
        fd[i] = rig_connect(&r);
        if (i < 3)
            rig_send_n(fd[i], from_v4, sizeof from_v4 - 1);
        else
            rig_send_n(fd[i], from_v6, sizeof from_v6 - 1);
        rig_send(fd[i], "GET /who HTTP/1.1\r\n" H "\r\n");
        if (i == 2)
            assert_true(rig_at_eof(fd[i]));
        else
            assert_non_null(strstr(rig_response(fd[i]), "HTTP/1.1 200"));
    }
    assert_int_equal(rig_stats(&r).refused_cap, 1);
    (void)close(fd[0]);
    RIG_UNTIL(rig_stats(&r).active == 2);
    assert_non_null(strstr(ASK(&r, from_v4, "GET /who HTTP/1.1\r\n" H CLOSE "\r\n"), "HTTP/1.1 200"));
    for (int i = 1; i < 4; i++)
        (void)close(fd[i]);
    rig_stop(&r);
}

static void a_header_that_does_not_come_or_is_wrong_closes_the_connection(void **state)
{
    struct http_cidr proxy = cidr("127.0.0.1");
    static const char wrong[] = SIG "\x21\x12\0\x0c" V4;
    struct rig r;
    int fd;

    (void)state;
    rig_start(&r, &(struct http_server_options){.trusted_proxies = &proxy, .n_trusted_proxies = 1, .handshake_ms = 30},
              &(struct http_listen){.proxy_protocol = true});
    fd = rig_connect(&r);
    assert_true(rig_at_eof(fd));
    (void)close(fd);
    fd = rig_connect(&r);
    rig_send_n(fd, from_v4, 20);
    assert_true(rig_at_eof(fd));
    (void)close(fd);
    assert_int_equal(rig_stats(&r).timeouts, 2);
    assert_string_equal(ASK(&r, wrong, "GET /who HTTP/1.1\r\n" H CLOSE "\r\n"), "");
    assert_int_equal(rig_stats(&r).bad_requests, 1);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_shape_is_taken_or_refused_and_never_read_beyond),
        cmocka_unit_test(one_that_is_cut_asks_for_the_rest_and_comes_to_the_same),
        cmocka_unit_test(allow_lists_are_about_the_client_that_the_header_names),
        cmocka_unit_test(connections_are_counted_for_the_client_and_not_for_the_proxy),
        cmocka_unit_test(a_header_that_does_not_come_or_is_wrong_closes_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
