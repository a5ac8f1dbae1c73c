/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 at the door, frame by frame: a client that writes what it likes, over a plain connection from a trusted proxy
 * (TLS and ALPN are http_tls_test.c's). Time-outs are set small; no time is asserted.
 */
#include "http/h2_int.h"
#include "raw_h2.h"

static struct http_cidr loopback(void)
{
    struct http_cidr c;

    assert_true(http_cidr_parse(TL_SV("127.0.0.0/8"), &c));
    return c;
}

static void start_with(struct rig *r, struct http_server_options o)
{
    struct http_cidr proxies = loopback();

    o.trusted_proxies = &proxies;
    o.n_trusted_proxies = 1;
    rig_start(r, &o, NULL);
}

static void start(struct rig *r)
{
    start_with(r, (struct http_server_options){.body_limit = 0});
}

static void has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in: %s", part, text);
}

static void works(struct client *c, uint32_t id)
{
    head(c, id, false, POST("/echo"));
    frame(c, DATA, END_STREAM, id, "still", 5);
    assert_int_equal(result(c, id)->status, 200);
    assert_string_equal(at(c, id)->body, "still");
}

/* ---- requests and answers ---- */

static void a_body_comes_back_with_length_and_date(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    open_client(&c, &r);
    head(&c, 1, false, POST("/echo") "content-length: 5\n");
    frame(&c, DATA, 0, 1, "hel", 3);
    frame(&c, DATA, END_STREAM, 1, "lo", 2);
    assert_int_equal(result(&c, 1)->status, 200);
    has(at(&c, 1)->headers, "\ncontent-length: 5\n");
    has(at(&c, 1)->headers, "\ndate: ");
    has(at(&c, 1)->headers, "\ncontent-type: text/plain\n");
    assert_string_equal(at(&c, 1)->body, "hello");
    head(&c, 3, true, ":method: HEAD\n:scheme: http\n:authority: a\n:path: /echo\n");
    assert_int_equal(result(&c, 3)->status, 200);
    assert_int_equal(at(&c, 3)->body_n, 0);
    close_client(&c);
    RIG_UNTIL(rig_stats(&r).active == 0);
    assert_int_equal(rig_stats(&r).requests, 2);
    rig_stop(&r);
}

static void streams_do_not_wait_for_each_other(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    r.hold = 1;
    open_client(&c, &r);
    head(&c, 1, true, GET("/hold"));
    head(&c, 3, false, POST("/echo"));
    head(&c, 5, false, POST("/echo"));
    frame(&c, DATA, END_STREAM, 5, "five", 4);
    assert_string_equal(result(&c, 5)->body, "five");
    frame(&c, DATA, END_STREAM, 3, "three", 5);
    assert_string_equal(result(&c, 3)->body, "three");
    assert_int_equal(at(&c, 1)->status, 0);
    r.hold = 0;
    assert_string_equal(result(&c, 1)->body, "held");
    close_client(&c);
    rig_stop(&r);
}

static void a_body_in_pieces_is_taken_no_faster_than_it_is_read(void **state)
{
    static char piece[16384];
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    open_client(&c, &r);
    head(&c, 1, false, POST("/stream") "trailer: x\n");
    for (int i = 0; i < 15; i++) /* within the window that a stream begins with */
        frame(&c, DATA, 0, 1, piece, sizeof piece);
    head(&c, 1, true, "x: y\n");
    assert_int_equal(result(&c, 1)->status, 200);
    assert_string_equal(at(&c, 1)->body, "245760 bytes, 1 trailers");
    RIG_UNTIL(rig_stats(&r).body_memory == 0);
    close_client(&c);
    rig_stop(&r);
}

static void what_a_handler_leaves_unread_takes_no_window_from_others(void **state)
{
    static char piece[16384];
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    open_client(&c, &r);
    for (uint32_t id = 1; id < 48; id += 2) { /* six times the window of the connection */
        int hits = r.hits;

        r.hold = 1;
        head(&c, id, false, POST("/sit"));
        for (int i = 0; i < 15; i++)
            frame(&c, DATA, 0, id, piece, sizeof piece);
        RIG_UNTIL(r.hits > hits && rig_stats(&r).body_memory == 245760);
        if (id % 4 == 3)
            frame(&c, RST, 0, id, "\0\0\0\x08", 4);
        r.hold = 0;
        RIG_UNTIL(rig_stats(&r).body_memory == 0);
        if (id % 4 == 1)
            assert_int_equal(result(&c, id)->status, 200);
    }
    works(&c, 49);
    assert_int_equal(c.goaway, NONE);
    close_client(&c);
    rig_stop(&r);
}

static void an_answer_in_pieces_ends_well_or_is_reset(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    open_client(&c, &r);
    head(&c, 1, true, GET("/sse"));
    assert_int_equal(result(&c, 1)->status, 200);
    assert_string_equal(at(&c, 1)->body, "data: x\n\ndata: x\n\ndata: x\n\n");
    assert_null(strstr(at(&c, 1)->headers, "content-length"));
    head(&c, 3, true, GET("/sse?broken"));
    assert_int_equal(result(&c, 3)->reset, NGHTTP2_INTERNAL_ERROR);
    works(&c, 5);
    close_client(&c);
    rig_stop(&r);
}

static void a_client_that_takes_its_stream_back_ends_the_handler(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    open_client(&c, &r);
    head(&c, 1, true, GET("/sse?endless"));
    while (at(&c, 1)->body_n < 5000) /* it is in its loop */
        assert_true(next(&c));
    frame(&c, RST, 0, 1, "\0\0\0\x08", 4);
    RIG_UNTIL(r.seen == -(int)TL_IO);
    works(&c, 3);
    close_client(&c);
    rig_stop(&r);
}

static void a_handler_is_invited_to_refuse_before_the_body(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    open_client(&c, &r);
    head(&c, 1, false, POST("/unread") "expect: 100-continue\n");
    assert_int_equal(result(&c, 1)->status, 401);
    assert_int_equal(at(&c, 1)->interim, 0);
    head(&c, 3, false, POST("/echo") "expect: 100-continue\n");
    while (at(&c, 3)->status != 100)
        assert_true(next(&c));
    frame(&c, DATA, END_STREAM, 3, "now", 3);
    assert_int_equal(result(&c, 3)->status, 200);
    head(&c, 5, false, POST("/echo") "expect: a miracle\n");
    assert_int_equal(result(&c, 5)->status, 417);
    close_client(&c);
    rig_stop(&r);
}

static void cookies_in_pieces_and_the_host_are_as_handlers_know_them(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    open_client(&c, &r);
    head(&c, 1, true, GET("/headers") "cookie: a=1\nx: y\ncookie: b=2\ncookie: c=3\n");
    assert_int_equal(result(&c, 1)->status, 200);
    assert_string_equal(at(&c, 1)->body, "cookie: a=1; b=2; c=3|x: y|host: a|");
    close_client(&c);
    rig_stop(&r);
}

static void behind_a_proxy_that_says_who_calls_it_is_that_one_who_calls(void **state)
{
    static const uint8_t from[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\x7f\0\0\1\x10\0\x20";
    struct http_cidr proxies = loopback();
    static struct client c;
    struct rig r;
    int fd;

    (void)state;
    rig_start(&r, &(struct http_server_options){.trusted_proxies = &proxies, .n_trusted_proxies = 1},
              &(struct http_listen){.proxy_protocol = true});
    fd = rig_connect(&r);
    rig_send_n(fd, from, sizeof from); /* its last zero is the port's */
    begin_client(&c, fd);
    head(&c, 1, true, GET("/who"));
    assert_int_equal(result(&c, 1)->status, 200);
    has(at(&c, 1)->body, "peer=198.51.100.7 ");
    head(&c, 3, true, POST("/elsewhere"));
    assert_int_equal(result(&c, 3)->status, 403);
    close_client(&c);
    rig_stop(&r);
}

/* ---- what is refused ---- */

struct row {
    const char *head;
    int status, reset; /* status 0: reset without an answer */
};

static const struct row strict[] = {
    /* 8.3: pseudo-header fields */
    {":method: GET\n:scheme: http\n:authority: a\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {":method: GET\n:authority: a\n:path: /echo\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {":scheme: http\n:authority: a\n:path: /echo\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {":method: GET\n:scheme: http\n:path: /echo\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {":method: GET\n:method: GET\n:scheme: http\n:authority: a\n:path: /echo\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {GET("/echo") ":path: /echo\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {GET("/echo") ":status: 200\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {GET("/echo") ":protocol: websocket\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {":method: GET\n:scheme: http\nx: y\n:authority: a\n:path: /echo\n", 0, NGHTTP2_PROTOCOL_ERROR},
    /* 8.2.1: names and values */
    {GET("/echo") "Upper: x\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {GET("/echo") "a b: x\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {GET("/echo") "x: a\x01"
                  "b\n",
     0, NGHTTP2_PROTOCOL_ERROR},
    {GET("/echo") "x: a\rb\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {GET("/echo") "x:  leading\n", 0, NGHTTP2_PROTOCOL_ERROR},
    /* 8.2.2: fields of the connection */
    {GET("/echo") "connection: close\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {GET("/echo") "keep-alive: 1\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {GET("/echo") "proxy-connection: x\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {GET("/echo") "transfer-encoding: chunked\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {GET("/echo") "upgrade: h2c\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {GET("/echo") "te: gzip\n", 0, NGHTTP2_PROTOCOL_ERROR},
    /* 8.1.1: length */
    {GET("/echo") "content-length: 1\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {GET("/echo") "content-length: +0\n", 0, NGHTTP2_PROTOCOL_ERROR},
    {GET("/echo") "content-length: 0\ncontent-length: 0\n", 0, NGHTTP2_PROTOCOL_ERROR},
    /* 8.3.1: what nghttp2 leaves to us */
    {GET("/echo") "host: b\n", 400, NONE},
    {GET("/echo") "host: a:81\n", 400, NONE},
    {GET("/echo") "host: a:80\n", 200, NONE},
    {":method: GET\n:scheme: http\n:path: /echo\nhost: a\n", 200, NONE},
    {":method: GET\n:scheme: http\n:authority: u@a\n:path: /echo\n", 400, NONE},
    {":method: GET\n:scheme: ftp\n:authority: a\n:path: /echo\n", 400, NONE},
    {GET("/e%zzcho"), 400, NONE},
    {GET("/a/../echo"), 400, NONE},
    {GET("/none"), 404, NONE},
    {GET("/small"), 405, NONE},
    {":method: CONNECT\n:authority: a:443\n", 501, NONE},
    {":method: OPTIONS\n:scheme: http\n:authority: a\n:path: *\n", 200, NONE},
    {GET("/mtls"), 403, NONE},
};

static void each_row_of_the_strict_table_is_refused_and_the_connection_goes_on(void **state)
{
    static struct client c;
    struct rig r;
    uint32_t id = 1;

    (void)state;
    start(&r);
    open_client(&c, &r);
    for (size_t i = 0; i < TL_COUNT(strict); i++, id += 2) {
        struct seen *s;

        head(&c, id, true, strict[i].head);
        s = result(&c, id);
        if (s->status != strict[i].status || s->reset != strict[i].reset)
            fail_msg("row %zu: status %d, reset %d: %s", i, s->status, s->reset, strict[i].head);
    }
    works(&c, id);
    close_client(&c);
    rig_stop(&r);
}

static void a_body_that_is_not_what_the_head_said_is_refused(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    open_client(&c, &r);
    head(&c, 1, false, POST("/echo") "content-length: 3\n");
    frame(&c, DATA, END_STREAM, 1, "four", 4);
    assert_int_equal(result(&c, 1)->reset, NGHTTP2_PROTOCOL_ERROR);
    head(&c, 3, false, POST("/echo") "content-length: 5\n");
    frame(&c, DATA, END_STREAM, 3, "four", 4);
    assert_int_equal(result(&c, 3)->reset, NGHTTP2_PROTOCOL_ERROR);
    head(&c, 5, false, POST("/echo"));
    head(&c, 5, true, "content-length: 0\n");
    assert_int_equal(result(&c, 5)->reset, NGHTTP2_PROTOCOL_ERROR);
    head(&c, 7, false, POST("/echo"));
    head(&c, 7, true, ":path: /other\n");
    assert_int_equal(result(&c, 7)->reset, NGHTTP2_PROTOCOL_ERROR);
    works(&c, 9);
    assert_int_equal(r.hits, 1);
    close_client(&c);
    rig_stop(&r);
}

static void the_limits_of_heads_are_those_of_http1(void **state)
{
    static char lines[200000], value[9000];
    static struct client c;
    struct rig r;
    size_t n;

    (void)state;
    memset(value, 'v', sizeof value - 1);
    start(&r);
    open_client(&c, &r);
    n = (size_t)snprintf(lines, sizeof lines, GET("/echo"));
    for (int i = 0; i < 101; i++)
        n += (size_t)snprintf(lines + n, sizeof lines - n, "x%d: y\n", i);
    head(&c, 1, true, lines);
    assert_int_equal(result(&c, 1)->status, 431);
    (void)snprintf(lines, sizeof lines, ":method: GET\n:scheme: http\n:authority: a\n:path: /%s\n", value);
    head(&c, 3, true, lines);
    assert_int_equal(result(&c, 3)->status, 414);
    n = (size_t)snprintf(lines, sizeof lines, GET("/echo"));
    for (int i = 0; i < 8; i++)
        n += (size_t)snprintf(lines + n, sizeof lines - n, "x%d: %s\n", i, value);
    head(&c, 5, true, lines);
    assert_int_equal(result(&c, 5)->status, 431);
    works(&c, 7);
    close_client(&c);
    rig_stop(&r);
}

static void a_body_beyond_the_limit_of_its_route_is_refused(void **state)
{
    static char piece[16384];
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    open_client(&c, &r);
    head(&c, 1, false, POST("/small") "content-length: 11\n");
    assert_int_equal(result(&c, 1)->status, 413);
    head(&c, 3, false, POST("/small"));
    frame(&c, DATA, 0, 3, "eleven more", 11);
    assert_int_equal(result(&c, 3)->status, 413);
    head(&c, 5, false, POST("/stream"));
    for (int i = 0; i < 65 && at(&c, 5)->status == 0; i++) {
        frame(&c, DATA, 0, 5, piece, i < 64 ? sizeof piece : 1);
        while (i % 8 == 7 && i < 64 && c.frame[3] != WINDOW && at(&c, 5)->status == 0)
            assert_true(next(&c));
        c.frame[3] = DATA;
    }
    assert_int_equal(result(&c, 5)->status, 413);
    works(&c, 7);
    RIG_UNTIL(rig_stats(&r).body_memory == 0);
    close_client(&c);
    rig_stop(&r);
}

static void beyond_the_memory_for_bodies_there_is_a_503(void **state)
{
    static char piece[16384];
    static struct client c;
    struct rig r;

    (void)state;
    start_with(&r, (struct http_server_options){.body_memory = 40000});
    open_client(&c, &r);
    head(&c, 1, false, POST("/echo") "content-length: 50000\n");
    assert_int_equal(result(&c, 1)->status, 503);
    has(at(&c, 1)->headers, "\nretry-after: 1\n");
    head(&c, 3, false, POST("/echo"));
    for (int i = 0; i < 3; i++)
        frame(&c, DATA, 0, 3, piece, sizeof piece);
    assert_int_equal(result(&c, 3)->status, 503);
    works(&c, 5);
    close_client(&c);
    rig_stop(&r);
}

static void http1_goes_on_where_http2_may_be_spoken(void **state)
{
    struct rig r;
    const char *a;

    (void)state;
    start(&r);
    a = rig_talk(&r, "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
    has(a, "HTTP/1.1 200 OK\r\n");
    a = rig_talk(&r, "PRI * HTTP/2.1\r\n\r\n");
    has(a, "HTTP/1.1 505 ");
    rig_stop(&r);
    rig_start(&r, NULL, NULL); /* nobody is trusted: nobody may */
    a = rig_talk(&r, NGHTTP2_CLIENT_MAGIC);
    has(a, "HTTP/1.1 505 ");
    rig_stop(&r);
}

/* ---- abuse ---- */

static void a_hundred_streams_and_no_more(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    r.hold = 1;
    open_client(&c, &r);
    for (uint32_t i = 0; i < 100; i++)
        head(&c, 1 + 2 * i, true, GET("/hold"));
    RIG_UNTIL(r.hits == 100);
    r.hold = 0;
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(result(&c, 1 + 2 * i)->status, 200);
    works(&c, 201);
    close_client(&c);
    r.hold = 1;
    open_client(&c, &r);
    for (uint32_t i = 0; i < 101; i++)
        head(&c, 1 + 2 * i, true, GET("/hold"));
    to_the_end(&c); /* who knows the limit and passes it is not heard any more */
    assert_int_equal(c.goaway, NGHTTP2_PROTOCOL_ERROR);
    assert_true(r.hits <= 201);
    close_client(&c);
    r.hold = 0;
    rig_stop(&r);
}

static void the_number_of_streams_is_an_option(void **state)
{
    struct http_cidr proxies = loopback();
    static struct client c;
    struct rig r;

    (void)state;
    rig_start(&r, &(struct http_server_options){.trusted_proxies = &proxies, .n_trusted_proxies = 1, .streams = 3},
              NULL);
    r.hold = 1;
    open_client(&c, &r);
    for (uint32_t i = 0; i < 4; i++)
        head(&c, 1 + 2 * i, true, GET("/hold"));
    to_the_end(&c);
    assert_int_equal(c.goaway, NGHTTP2_PROTOCOL_ERROR);
    assert_true(r.hits <= 3);
    close_client(&c);
    r.hold = 0;
    rig_stop(&r);
}

static void streams_that_were_taken_back_count_until_their_handlers_are_done(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    r.hold = 1;
    open_client(&c, &r);
    for (uint32_t i = 0; i < 90; i++) {
        head(&c, 1 + 2 * i, true, GET("/hold"));
        frame(&c, RST, 0, 1 + 2 * i, "\0\0\0\x08", 4);
    }
    RIG_UNTIL(r.hits == 90);
    for (uint32_t i = 90; i < 101; i++)
        head(&c, 1 + 2 * i, true, GET("/hold"));
    assert_int_equal(result(&c, 201)->reset, NGHTTP2_REFUSED_STREAM);
    assert_int_equal(c.goaway, NONE);
    assert_true(r.hits <= 100);
    r.hold = 0;
    assert_int_equal(result(&c, 181)->status, 200);
    close_client(&c);
    rig_stop(&r);
}

static void who_takes_back_all_it_asks_for_is_sent_away(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    open_client(&c, &r);
    for (uint32_t i = 0; i < 2000; i++) {
        head(&c, 1 + 2 * i, true, GET("/hold"));
        frame(&c, RST, 0, 1 + 2 * i, "\0\0\0\x08", 4);
    }
    to_the_end(&c);
    assert_int_equal(c.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_true(r.hits <= 200);
    close_client(&c);
    RIG_UNTIL(rig_stats(&r).active == 0);
    rig_stop(&r);
}

/* Not by the library either, which has numbers of its own: 1,000 resets, 1,000 answers to pings that wait. */
static void nobody_is_sent_away_below_the_number_that_is_set(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start_with(&r, (struct http_server_options){.control_frames = 100000, .requests_per_connection = 100000});
    open_client(&c, &r);
    for (uint32_t i = 0; i < 2000; i++) {
        head(&c, 1 + 2 * i, true, GET("/echo"));
        frame(&c, RST, 0, 1 + 2 * i, "\0\0\0\x08", 4);
    }
    for (int i = 0; i < 3000; i++)
        frame(&c, PING, 0, 0, "12345678", 8);
    while (c.pings < 3000 && next(&c))
        ;
    assert_int_equal(c.pings, 3000);
    assert_int_equal(c.goaway, NONE);
    close_client(&c);
    rig_stop(&r);
}

/* Each of them is answered, and the answers of who does not read would pile up. */
static void who_never_heard_of_our_limit_of_streams_is_sent_away_too(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    hello_client(&c, rig_connect(&r));
    for (uint32_t i = 0; i < 400; i++)
        head(&c, 1 + 2 * i, false, POST("/echo"));
    to_the_end(&c);
    assert_int_equal(c.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    close_client(&c);
    rig_stop(&r);
}

static void what_was_sent_leaves_the_buffer_also_when_it_never_runs_empty(void **state)
{
    nghttp2_session_callbacks *callbacks = http__h2_callbacks();
    TL_CLEANUP(tl_buf_done) struct tl_buf out = {0};
    nghttp2_session *session = NULL;
    size_t at = 70000;

    (void)state;
    assert_int_equal(nghttp2_session_server_new(&session, callbacks, NULL), 0);
    tl_buf_init(&out, 256 << 10);
    for (int i = 0; i < 100000; i++)
        tl_buf_putc(&out, (char)('a' + i % 26));
    assert_int_equal(http__h2_gather(session, &out, &at), 0);
    assert_int_equal(at, 0);
    assert_int_equal(out.n, 30000);
    assert_int_equal(out.p[0], 'a' + 70000 % 26);
    nghttp2_session_del(session);
    nghttp2_session_callbacks_del(callbacks);
}

/* Frames of one kind until the server has had enough. */
static void flood(int type, uint32_t id, const void *p, size_t n, int most)
{
    static struct client c;
    struct rig r;

    start(&r);
    open_client(&c, &r);
    if (id > 0)
        head(&c, id, false, POST("/echo"));
    for (int i = 0; i < most; i++)
        frame(&c, type, 0, id, p, n);
    to_the_end(&c);
    if (c.goaway != NGHTTP2_ENHANCE_YOUR_CALM)
        fail_msg("frames of type %d: goaway %d", type, c.goaway);
    assert_true(rig_stats(&r).bad_requests >= 1);
    close_client(&c);
    rig_stop(&r);
}

static void a_flood_of_frames_that_ask_for_nothing_is_cut_off(void **state)
{
    (void)state;
    flood(PING, 0, "12345678", 8, 3000);
    flood(SETTINGS, 0, NULL, 0, 3000);
    flood(WINDOW, 0, "\0\0\0\1", 4, 3000);
    flood(PRIORITY, 1, "\0\0\0\0\1", 5, 3000);
    flood(DATA, 1, NULL, 0, 3000);
}

static void a_head_that_never_ends_is_cut_off(void **state)
{
    uint8_t b[256];
    size_t n = block(b, GET("/echo"));
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    open_client(&c, &r);
    frame(&c, HEADERS, END_STREAM, 1, b, n);
    for (int i = 0; i < 100; i++)
        frame(&c, CONT, 0, 1, NULL, 0);
    to_the_end(&c);
    assert_true(c.goaway > 0);
    assert_int_equal(r.hits, 0);
    close_client(&c);
    rig_stop(&r);
}

/* One entry of 4,000 bytes in the table, then a byte for each time it is meant. */
static void a_head_that_unpacks_to_megabytes_is_cut_off(void **state)
{
    static uint8_t b[16384];
    size_t n = block(b, GET("/echo"));
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    open_client(&c, &r);
    b[n++] = 0x40; /* literal with incremental indexing, new name */
    n += put_length(b + n, 1);
    b[n++] = 'x';
    n += put_length(b + n, 4000);
    memset(b + n, 'y', 4000);
    n += 4000;
    memset(b + n, 0x80 | 62, 2000);
    n += 2000;
    frame(&c, HEADERS, END_STREAM | END_HEADERS, 1, b, n);
    to_the_end(&c);
    assert_int_equal(c.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(r.hits, 0);
    close_client(&c);
    rig_stop(&r);
}

static void what_is_no_http2_at_all_ends_the_connection(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    open_client(&c, &r);
    rig_send(c.fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    to_the_end(&c);
    assert_true(c.goaway > 0);
    close_client(&c);
    open_client(&c, &r);
    frame(&c, HEADERS, END_STREAM | END_HEADERS, 1, "\xff\xff\xff\xff\xff\xff", 6); /* HPACK: no such entry */
    to_the_end(&c);
    assert_int_equal(c.goaway, NGHTTP2_COMPRESSION_ERROR);
    close_client(&c);
    rig_stop(&r);
}

/* ---- time-outs ---- */

static void a_head_or_a_body_that_does_not_come_is_not_waited_for(void **state)
{
    uint8_t b[256];
    size_t n = block(b, GET("/echo"));
    static struct client c;
    struct rig r;

    (void)state;
    start_with(&r, (struct http_server_options){.headers_ms = 150, .body_grace_ms = 150});
    open_client(&c, &r);
    head(&c, 1, false, POST("/echo"));
    frame(&c, DATA, 0, 1, "a", 1);
    assert_int_equal(result(&c, 1)->status, 408);
    head(&c, 3, false, POST("/stream"));
    assert_int_equal(result(&c, 3)->status, 504); /* the handler's, who waited for it */
    frame(&c, HEADERS, END_STREAM, 5, b, n);
    to_the_end(&c);
    assert_int_equal(c.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(rig_stats(&r).timeouts, 3);
    close_client(&c);
    open_client(&c, &r); /* and one that asks for nothing at all */
    to_the_end(&c);
    assert_int_equal(c.goaway, NGHTTP2_NO_ERROR);
    close_client(&c);
    rig_stop(&r);
}

static void a_client_that_opens_no_window_loses_its_stream(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start_with(&r, (struct http_server_options){.write_ms = 150});
    open_client(&c, &r);
    c.lazy = true;
    head(&c, 1, true, GET("/big"));
    assert_int_equal(result(&c, 1)->reset, NGHTTP2_CANCEL);
    assert_int_equal(at(&c, 1)->body_n, 65535);
    close_client(&c);
    open_client(&c, &r);
    c.lazy = true;
    head(&c, 1, true, GET("/sse?endless"));
    RIG_UNTIL(r.seen == -(int)TL_TIMEOUT);
    assert_int_equal(result(&c, 1)->reset, NGHTTP2_INTERNAL_ERROR);
    close_client(&c);
    rig_stop(&r);
}

static void an_idle_connection_is_closed_with_a_goodbye(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start_with(&r, (struct http_server_options){.idle_ms = 100});
    open_client(&c, &r);
    works(&c, 1);
    to_the_end(&c);
    assert_int_equal(c.goaway, NGHTTP2_NO_ERROR);
    assert_int_equal(c.last_id, 1);
    close_client(&c);
    rig_stop(&r);
}

/* ---- going away ---- */

static void after_its_requests_a_connection_is_sent_away(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start_with(&r, (struct http_server_options){.requests_per_connection = 3});
    open_client(&c, &r);
    works(&c, 1);
    works(&c, 3);
    assert_int_equal(c.goaway, NONE);
    works(&c, 5);
    to_the_end(&c);
    assert_int_equal(c.goaway, NGHTTP2_NO_ERROR);
    assert_int_equal(c.last_id, 5);
    close_client(&c);
    rig_stop(&r);
}

static void a_drain_lets_streams_end_and_takes_those_on_their_way(void **state)
{
    static struct client c, idle;
    struct rig r;

    (void)state;
    start(&r);
    r.hold = 1;
    open_client(&idle, &r);
    works(&idle, 1);
    open_client(&c, &r);
    head(&c, 1, true, GET("/hold"));
    RIG_UNTIL(r.hits == 2);
    http_server_drain(r.server);
    to_the_end(&idle);
    assert_int_equal(idle.goaway, NGHTTP2_NO_ERROR);
    while (c.n_goaway == 0)
        assert_true(next(&c));
    assert_int_equal(c.last_id, 0x7fffffff); /* announced: what is under way still counts */
    works(&c, 3);
    r.hold = 0;
    assert_string_equal(result(&c, 1)->body, "held");
    to_the_end(&c);
    assert_int_equal(c.n_goaway, 2);
    assert_int_equal(c.last_id, 3);
    close_client(&c);
    close_client(&idle);
    rig_stop(&r);
}

static void a_stop_cuts_what_does_not_end(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start_with(&r, (struct http_server_options){.drain_ms = 50});
    open_client(&c, &r);
    head(&c, 1, true, GET("/sse?endless"));
    r.hold = 1;
    head(&c, 3, true, GET("/hold"));
    head(&c, 5, false, POST("/stream"));
    RIG_UNTIL(r.hits == 2);
    rig_stop(&r);
    close_client(&c);
}

static void a_client_that_vanishes_leaves_nothing(void **state)
{
    static struct client c;
    struct rig r;

    (void)state;
    start(&r);
    r.hold = 1;
    open_client(&c, &r);
    head(&c, 1, true, GET("/hold"));
    head(&c, 3, true, GET("/sse?endless"));
    head(&c, 5, false, POST("/stream"));
    head(&c, 7, false, POST("/echo"));
    frame(&c, DATA, 0, 7, "some", 4);
    RIG_UNTIL(r.hits == 2);
    close_client(&c);
    r.hold = 0;
    RIG_UNTIL(rig_stats(&r).active == 0);
    assert_int_equal(rig_stats(&r).body_memory, 0);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_comes_back_with_length_and_date),
        cmocka_unit_test(streams_do_not_wait_for_each_other),
        cmocka_unit_test(a_body_in_pieces_is_taken_no_faster_than_it_is_read),
        cmocka_unit_test(what_a_handler_leaves_unread_takes_no_window_from_others),
        cmocka_unit_test(an_answer_in_pieces_ends_well_or_is_reset),
        cmocka_unit_test(a_client_that_takes_its_stream_back_ends_the_handler),
        cmocka_unit_test(a_handler_is_invited_to_refuse_before_the_body),
        cmocka_unit_test(cookies_in_pieces_and_the_host_are_as_handlers_know_them),
        cmocka_unit_test(behind_a_proxy_that_says_who_calls_it_is_that_one_who_calls),
        cmocka_unit_test(each_row_of_the_strict_table_is_refused_and_the_connection_goes_on),
        cmocka_unit_test(a_body_that_is_not_what_the_head_said_is_refused),
        cmocka_unit_test(the_limits_of_heads_are_those_of_http1),
        cmocka_unit_test(a_body_beyond_the_limit_of_its_route_is_refused),
        cmocka_unit_test(beyond_the_memory_for_bodies_there_is_a_503),
        cmocka_unit_test(http1_goes_on_where_http2_may_be_spoken),
        cmocka_unit_test(a_hundred_streams_and_no_more),
        cmocka_unit_test(the_number_of_streams_is_an_option),
        cmocka_unit_test(streams_that_were_taken_back_count_until_their_handlers_are_done),
        cmocka_unit_test(who_takes_back_all_it_asks_for_is_sent_away),
        cmocka_unit_test(nobody_is_sent_away_below_the_number_that_is_set),
        cmocka_unit_test(who_never_heard_of_our_limit_of_streams_is_sent_away_too),
        cmocka_unit_test(what_was_sent_leaves_the_buffer_also_when_it_never_runs_empty),
        cmocka_unit_test(a_flood_of_frames_that_ask_for_nothing_is_cut_off),
        cmocka_unit_test(a_head_that_never_ends_is_cut_off),
        cmocka_unit_test(a_head_that_unpacks_to_megabytes_is_cut_off),
        cmocka_unit_test(what_is_no_http2_at_all_ends_the_connection),
        cmocka_unit_test(a_head_or_a_body_that_does_not_come_is_not_waited_for),
        cmocka_unit_test(a_client_that_opens_no_window_loses_its_stream),
        cmocka_unit_test(an_idle_connection_is_closed_with_a_goodbye),
        cmocka_unit_test(after_its_requests_a_connection_is_sent_away),
        cmocka_unit_test(a_drain_lets_streams_end_and_takes_those_on_their_way),
        cmocka_unit_test(a_stop_cuts_what_does_not_end),
        cmocka_unit_test(a_client_that_vanishes_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
