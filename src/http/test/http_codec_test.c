/* SPDX-License-Identifier: Apache-2.0 */
/* The strict table of ARCHITECTURE section 6 and its neighbours; each row whole, byte by byte, and cut in two at every
 * place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/codec.h"

#define H "Host: a\r\n"
#define POST "POST / HTTP/1.1\r\n" H
#define GET "GET / HTTP/1.1\r\n"
#define CH POST "Transfer-Encoding: chunked\r\n\r\n"
#define OK_NEXT GET H "\r\n"

struct row {
    const char *name, *in;
    size_t n;           /* 0: strlen */
    const char *expect; /* "M:body" for each message, then a status when refused; a trailing "." while incomplete */
};
#define ROW(name, in, expect)                                                                                          \
    {                                                                                                                  \
        name, in, sizeof(in) - 1, expect                                                                               \
    }

static const struct row rows[] = {
    ROW("a length", POST "Content-Length: 3\r\n\r\nabc", "POST:abc "),
    ROW("chunked", CH "3\r\nabc\r\n0\r\n\r\n", "POST:abc "),
    ROW("chunked in any case", POST "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", "POST: "),
    ROW("length and coding", POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
    ROW("coding and length", POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "400"),
    ROW("two equal lengths", POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400"),
    ROW("two different lengths", POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400"),
    ROW("length +3", POST "Content-Length: +3\r\n\r\nabc", "400"),
    ROW("length -1", POST "Content-Length: -1\r\n\r\nabc", "400"),
    ROW("length 0x3", POST "Content-Length: 0x3\r\n\r\nabc", "400"),
    ROW("length 3abc", POST "Content-Length: 3abc\r\n\r\nabc", "400"),
    ROW("length empty", POST "Content-Length:\r\n\r\nabc", "400"),
    ROW("length list", POST "Content-Length: 3, 3\r\n\r\nabc", "400"),
    ROW("length 2^64+3", POST "Content-Length: 18446744073709551619\r\n\r\nabc", "400"),
    ROW("length 2^63", POST "Content-Length: 9223372036854775808\r\n\r\nabc", "400"),
    ROW("length 3 3", POST "Content-Length: 3 3\r\n\r\nabc", "400"),
    ROW("folded line", POST "X: a\r\n b\r\n\r\n", "400"),
    ROW("folded with a tab", POST "X: a\r\n\tb\r\n\r\n", "400"),
    ROW("folded coding", POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "400"),
    ROW("first line folded", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400"),
    ROW("space before the colon", GET H "X : a\r\n\r\n", "400"),
    ROW("tab before the colon", POST "Content-Length\t: 3\r\n\r\nabc", "400"),
    ROW("NUL in a value", GET H "X: a\0b\r\n\r\n", "400"),
    ROW("NUL in a name", GET H "X\0: b\r\n\r\n", "400"),
    ROW("bare CR in a value", GET H "X: a\rb\r\n\r\n", "400"),
    ROW("CR CR LF", GET H "X: a\r\r\n\r\n", "400"),
    ROW("bare LF after a header", GET "Host: a\n\r\n", "400"),
    ROW("bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", "400"),
    ROW("bare LF as the empty line", GET H "\n", "400"),
    ROW("a bad character in a name", GET H "X(y): a\r\n\r\n", "400"),
    ROW("a byte over 127 in a name", GET H "X\xc3\xa9: a\r\n\r\n", "400"),
    ROW("no name", GET H ": a\r\n\r\n", "400"),
    ROW("no colon", GET H "X\r\n\r\n", "400"),
    ROW("DEL in a value", GET H "X: a\x7f\r\n\r\n", "400"),
    ROW("UTF-8 in a value", GET H "X: \xc3\xa9\r\n\r\n", "GET: "),
    ROW("an empty value", GET H "X:\r\n\r\n", "GET: "),
    ROW("a tab in a value", GET H "X:\ta\tb\t\r\n\r\n", "GET: "),
    ROW("two Hosts", GET H H "\r\n", "400"),
    ROW("no Host", GET "\r\n", "400"),
    ROW("empty Host", GET "Host:\r\n\r\n", "400"),
    ROW("Host with a path", GET "Host: a/b\r\n\r\n", "400"),
    ROW("Host with a user", GET "Host: u@a\r\n\r\n", "400"),
    ROW("Host list", GET "Host: a, b\r\n\r\n", "400"),
    ROW("Host with a port", GET "Host: a:8080\r\n\r\n", "GET: "),
    ROW("Host with a bad port", GET "Host: a:x\r\n\r\n", "400"),
    ROW("Host with too large a port", GET "Host: a:65536\r\n\r\n", "400"),
    ROW("Host as IPv6", GET "Host: [::1]:80\r\n\r\n", "GET: "),
    ROW("Host as bad IPv6", GET "Host: [::1\r\n\r\n", "400"),
    ROW("no Host in 1.0", "GET / HTTP/1.0\r\n\r\n", "GET: "),
    ROW("two Hosts in 1.0", "GET / HTTP/1.0\r\n" H H "\r\n", "400"),
    ROW("xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n", "501"),
    ROW("chunked, identity", POST "Transfer-Encoding: chunked, identity\r\n\r\n", "501"),
    ROW("gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n", "501"),
    ROW("identity", POST "Transfer-Encoding: identity\r\n\r\n", "501"),
    ROW("chunked, chunked", POST "Transfer-Encoding: chunked, chunked\r\n\r\n", "400"),
    ROW("empty coding", POST "Transfer-Encoding:\r\n\r\n", "400"),
    ROW("coding not a token", POST "Transfer-Encoding: \"chunked\"\r\n\r\n", "400"),
    ROW("coding twice", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
    ROW("coding with a control",
        POST "Transfer-Encoding: \x0b"
             "chunked\r\n\r\n0\r\n\r\n",
        "400"),
    ROW("coding in 1.0", "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
    ROW("chunk 0x3", CH "0x3\r\nabc\r\n0\r\n\r\n", "400"),
    ROW("chunk +3", CH "+3\r\nabc\r\n0\r\n\r\n", "400"),
    ROW("chunk -3", CH "-3\r\nabc\r\n0\r\n\r\n", "400"),
    ROW("chunk 3g", CH "3g\r\nabc\r\n0\r\n\r\n", "400"),
    ROW("chunk ' 3'", CH " 3\r\nabc\r\n0\r\n\r\n", "400"),
    ROW("chunk '3 '", CH "3 \r\nabc\r\n0\r\n\r\n", "400"),
    ROW("chunk empty", CH "\r\nabc\r\n0\r\n\r\n", "400"),
    ROW("chunk 2^64+3", CH "10000000000000003\r\nabc\r\n0\r\n\r\n", "400"),
    ROW("chunk 2^63", CH "8000000000000000\r\nabc\r\n0\r\n\r\n", "400"),
    ROW("chunk data too long", CH "3\r\nabcd\r\n0\r\n\r\n", "400"),
    ROW("chunk data too short", CH "4\r\nabc\r\n0\r\n\r\n", "400"),
    ROW("bare LF after a chunk size", CH "3\nabc\r\n0\r\n\r\n", "400"),
    ROW("bare LF after a chunk", CH "3\r\nabc\n0\r\n\r\n", "400"),
    ROW("bare CR after a chunk size", CH "3\rabc\r\n0\r\n\r\n", "400"),
    ROW("bare LF in the trailers", CH "0\r\nX: a\n\r\n", "400"),
    ROW("bare LF at the end", CH "0\r\n\n", "400"),
    ROW("a chunk extension", CH "3;a=b\r\nabc\r\n0;x\r\n\r\n", "POST:abc "),
    ROW("space before a chunk extension", CH "3 ;a\r\nabc\r\n0\r\n\r\n", "POST:abc "),
    ROW("LF in a chunk extension", CH "3;a\nb\r\nabc\r\n0\r\n\r\n", "400"),
    ROW("upper-case hex and leading zeros", CH "0A\r\n0123456789\r\n000\r\n\r\n", "POST:0123456789 "),
    ROW("trailers", CH "3\r\nabc\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", "POST:abc x-sum y "),
    ROW("a length in the trailers", CH "0\r\nContent-Length: 3\r\n\r\n", "400"),
    ROW("a coding in the trailers", CH "0\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
    ROW("a folded trailer", CH "0\r\nX: a\r\n b\r\n\r\n", "400"),
    ROW("HTTP/0.9", "GET /\r\n\r\n", "400"),
    ROW("HTTP/0.9 with digits", "GET / HTTP/0.9\r\n" H "\r\n", "505"),
    ROW("HTTP/1.2", "GET / HTTP/1.2\r\n" H "\r\n", "505"),
    ROW("HTTP/2.0", "GET / HTTP/2.0\r\n" H "\r\n", "505"),
    ROW("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
    ROW("HTTP/1.10", "GET / HTTP/1.10\r\n" H "\r\n", "400"),
    ROW("http/1.1", "GET / http/1.1\r\n" H "\r\n", "400"),
    ROW("HTTP/1", "GET / HTTP/1\r\n" H "\r\n", "400"),
    ROW("two spaces first", "GET  / HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("two spaces second", "GET /  HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("a space at the end", "GET / HTTP/1.1 \r\n" H "\r\n", "400"),
    ROW("a space at the start", " GET / HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("a tab between", "GET\t/ HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("a control in the target", "GET /\x01 HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("NUL in the target", "GET /\0 HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("a bare CR in the request line", "GET /\r HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("UTF-8 in the target", "GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("a fragment", "GET /#a HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("a backslash", "GET /\\a HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("a bad method", "G(T / HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("no target", "GET HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("a target without slash", "GET a HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("absolute form", "GET http://a/x?y HTTP/1.1\r\n" H "\r\n", "GET: "),
    ROW("absolute form, port and case", "GET HTTP://A:80 HTTP/1.1\r\n" H "\r\n", "GET: "),
    ROW("absolute form, another host", "GET http://b/ HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("absolute form, another port", "GET http://a:81/ HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("absolute form with a user", "GET http://u@a/ HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("absolute form without Host", "GET http://a/ HTTP/1.1\r\n\r\n", "400"),
    ROW("another scheme", "GET ftp://a/ HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("OPTIONS *", "OPTIONS * HTTP/1.1\r\n" H "\r\n", "OPTIONS: "),
    ROW("GET *", "GET * HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "CONNECT: "),
    ROW("CONNECT without a port", "CONNECT a HTTP/1.1\r\n" H "\r\n", "400"),
    ROW("pipelining", OK_NEXT POST "Content-Length: 1\r\n\r\nx" OK_NEXT, "GET: POST:x GET: "),
    ROW("pipelining after chunks", CH "1\r\nx\r\n0\r\n\r\n" OK_NEXT, "POST:x GET: "),
    ROW("rubbish after a request", OK_NEXT "xyz\r\n", "GET: 400"),
    ROW("one empty line before", "\r\n" OK_NEXT, "GET: "),
    ROW("two empty lines before", "\r\n\r\n" OK_NEXT, "400"),
    ROW("expecting 100", POST "Content-Length: 1\r\nExpect: 100-continue\r\n\r\nx", "POST:x "),
    ROW("expecting something else", POST "Content-Length: 1\r\nExpect: tea\r\n\r\nx", "417"),
    ROW("GET with a body", GET H "Content-Length: 3\r\n\r\nabc" OK_NEXT, "GET:abc GET: "),
    ROW("an unknown method", "BREW / HTTP/1.1\r\n" H "\r\n", "BREW: "),
    ROW("lower-case method is another method", "get / HTTP/1.1\r\n" H "\r\n", "get: "),
    ROW("nothing yet", "GET / HT", "."),
    ROW("half a body", POST "Content-Length: 3\r\n\r\nab", "."),
};

struct result {
    char text[512];
    size_t n;
    char *buf; /* unconsumed bytes, moved at every feed so that stale views are found */
    size_t have;
    struct tl_buf body;
    bool bad;
};

static void say(struct result *r, struct tl_sv s)
{
    assert_true(r->n + s.n < sizeof r->text);
    memcpy(r->text + r->n, s.p, s.n);
    r->n += s.n;
    r->text[r->n] = '\0';
}

static void finish(struct result *r, struct http_codec *c, const char *method)
{
    say(r, tl_sv_str(method));
    say(r, TL_SV(":"));
    say(r, tl_buf_view(&r->body));
    say(r, TL_SV(" "));
    for (size_t i = 0; i < c->trailers.n; i++) {
        say(r, c->trailers.v[i].name);
        say(r, TL_SV(" "));
    }
    tl_buf_clear(&r->body);
    http_codec_next_message(c);
}

static void feed(struct result *r, struct http_codec *c, char method[40], const char *p, size_t n)
{
    char *fresh = tl_alloc(r->have + n + 1);

    if (r->have)
        memcpy(fresh, r->buf, r->have);
    memcpy(fresh + r->have, p, n);
    tl_free(r->buf);
    r->buf = fresh;
    r->have += n;
    while (!r->bad) {
        struct tl_sv data;
        size_t used;
        enum http_step step = http_codec_step(c, r->buf, r->have, &used, &data);

        if (step == HTTP_HEAD_DONE)
            (void)snprintf(method, 40, "%.*s", TL_SV_ARG(c->head.method_text));
        if (step == HTTP_DATA)
            (void)tl_buf_sv(&r->body, data);
        if (step == HTTP_END)
            finish(r, c, method);
        if (step == HTTP_BAD) {
            char status[8];

            (void)snprintf(status, sizeof status, "%u", c->status);
            say(r, tl_sv_str(status));
            assert_non_null(c->reason);
            r->bad = true;
        }
        r->have -= used;
        memmove(r->buf, r->buf + used, r->have);
        if (step == HTTP_MORE || (step == HTTP_END && r->have == 0))
            break;
    }
}

/* Feed in pieces that end at cut1, cut2 (0: none) or of `step` bytes. */
static void run(const struct http_limits *limits, const char *in, size_t n, size_t cut, size_t step, struct result *r)
{
    struct http_header slots[200];
    struct http_codec c;
    char method[40] = "";

    *r = (struct result){.n = 0};
    tl_buf_init(&r->body, 1 << 20);
    http_codec_init(&c, limits, slots);
    for (size_t at = 0; at < n;) {
        size_t take = step ? step : at < cut ? cut - at : n - at;

        take = take < n - at ? take : n - at;
        feed(r, &c, method, in + at, take);
        at += take;
    }
    if (!r->bad && (r->have || !r->n || c.state != 0))
        say(r, TL_SV("."));
    tl_buf_done(&r->body);
    tl_free(r->buf);
    r->buf = NULL;
}

static void check_row(const struct row *row)
{
    struct result whole, r;

    run(NULL, row->in, row->n, 0, 0, &whole);
    if (strcmp(whole.text, row->expect) != 0)
        fail_msg("%s: got '%s', want '%s'", row->name, whole.text, row->expect);
    run(NULL, row->in, row->n, 0, 1, &r);
    if (strcmp(r.text, row->expect) != 0)
        fail_msg("%s, byte by byte: got '%s', want '%s'", row->name, r.text, row->expect);
    for (size_t cut = 1; cut < row->n; cut++) {
        run(NULL, row->in, row->n, cut, 0, &r);
        if (strcmp(r.text, row->expect) != 0)
            fail_msg("%s, cut at %zu: got '%s', want '%s'", row->name, cut, r.text, row->expect);
    }
}

static void every_row_of_the_strict_table_holds_for_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++)
        check_row(&rows[i]);
}

static void limits_are_met_exactly_and_alike_for_every_cut(void **state)
{
    static const struct http_limits small = {
        .request_line = 20, .headers = 3, .header_bytes = 40, .trailer_bytes = 20, .chunk_ext = 8};
    static const struct row limited[] = {
        ROW("line of 20", "GET /123456 HTTP/1.1\r\n" H "\r\n", "GET: "),
        ROW("line of 21", "GET /1234567 HTTP/1.1\r\n" H "\r\n", "414"),
        ROW("an endless line", "GET /12345678901234567890123456789012345", "414"),
        ROW("an endless line with a control",
            "GET /\x01"
            "2345678901234567890123456789012345",
            "414"),
        ROW("three headers", GET H "A: 1\r\nB: 2\r\n\r\n", "GET: "),
        ROW("four headers", GET H "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", "431"),
        ROW("40 bytes of headers", GET H "A: 123456789012345678901234\r\n\r\n", "GET: "),
        ROW("41 bytes of headers", GET H "A: 1234567890123456789012345\r\n\r\n", "431"),
        ROW("endless headers", GET H "A: 123456789012345678901234567890123456789", "431"),
        ROW("20 bytes of trailers", CH "0\r\nA: 1234567890123\r\n\r\n", "POST: a "),
        ROW("21 bytes of trailers", CH "0\r\nA: 12345678901234\r\n\r\n", "431"),
        ROW("an extension of 8", CH "0;1234567\r\n\r\n", "POST: "),
        ROW("an extension of 9", CH "0;12345678\r\n\r\n", "400"),
    };
    struct result r;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(limited); i++)
        for (size_t cut = 0; cut <= limited[i].n; cut++) {
            run(&small, limited[i].in, limited[i].n, cut, cut == limited[i].n, &r);
            if (strcmp(r.text, limited[i].expect) != 0)
                fail_msg("%s, cut at %zu: got '%s', want '%s'", limited[i].name, cut, r.text, limited[i].expect);
        }
}

static void a_hundred_kilobytes_of_headers_are_431(void **state)
{
    struct tl_buf b;
    struct result r;

    (void)state;
    tl_buf_init(&b, 200000);
    tl_buf_puts(&b, GET H "X: ");
    for (int i = 0; i < 100000; i++)
        tl_buf_putc(&b, 'a');
    tl_buf_puts(&b, "\r\n\r\n");
    run(NULL, b.p, b.n, 0, 0, &r);
    assert_string_equal(r.text, "431");
    run(NULL, b.p, b.n, 0, 999, &r);
    assert_string_equal(r.text, "431");
    tl_buf_done(&b);
}

static void a_chunk_extension_of_256_bytes_is_ignored_and_of_257_refused(void **state)
{
    struct result r;

    (void)state;
    for (size_t n = 255; n <= 256; n++) {
        struct tl_buf b;

        tl_buf_init(&b, 2000);
        tl_buf_puts(&b, CH "1;");
        for (size_t i = 0; i < n; i++)
            tl_buf_putc(&b, 'e');
        tl_buf_puts(&b, "\r\nx\r\n0\r\n\r\n");
        run(NULL, b.p, b.n, 0, 0, &r);
        assert_string_equal(r.text, n == 255 ? "POST:x " : "400");
        tl_buf_done(&b);
    }
}

static void parse_head(struct http_codec *c, struct http_header *slots, char *in)
{
    struct tl_sv data;
    size_t used;

    http_codec_init(c, NULL, slots);
    assert_int_equal(http_codec_step(c, in, strlen(in), &used, &data), HTTP_HEAD_DONE);
}

static void the_head_is_given_in_views(void **state)
{
    struct http_header slots[200];
    struct http_codec c;
    char in[] = "PUT http://A:80/p%20q?x=1 HTTP/1.1\r\nHost: a\r\nX-Two:  v w \r\nConnection: Upgrade, Close\r\n"
                "Upgrade: h2c\r\nContent-Length: 007\r\nExpect: 100-Continue\r\n\r\n";

    (void)state;
    parse_head(&c, slots, in);
    assert_int_equal(c.head.method, HTTP_PUT);
    assert_true(tl_sv_eqs(c.head.path, "/p%20q"));
    assert_true(tl_sv_eqs(c.head.query, "x=1"));
    assert_true(tl_sv_eqs(c.head.authority, "a"));
    assert_true(tl_sv_eqs(http_header_get(&c.head.headers, "x-two"), "v w"));
    assert_null(http_header_get(&c.head.headers, "x-three").p);
    assert_int_equal(c.head.length, 7);
    assert_true(c.head.expect_continue && c.head.upgrade && !c.head.keep_alive && c.head.has_length && !c.head.chunked);
}

static void an_absolute_target_without_a_path_asks_for_the_root_for_every_cut(void **state)
{
    static const char text[] = "GET http://a:80?x HTTP/1.1\r\n" H "\r\n";

    (void)state;
    for (size_t cut = 1; cut < sizeof text - 1; cut++) {
        struct http_header slots[200];
        struct http_codec c;
        struct tl_sv data;
        size_t used;
        char *first = tl_strndup(text, cut), *whole;

        http_codec_init(&c, NULL, slots);
        assert_int_equal(http_codec_step(&c, first, cut, &used, &data), HTTP_MORE);
        whole = tl_strdup(text);
        tl_free(first);
        assert_int_equal(http_codec_step(&c, whole, sizeof text - 1, &used, &data), HTTP_HEAD_DONE);
        assert_true(tl_sv_eqs(c.head.path, "/") && tl_sv_eqs(c.head.query, "x"));
        tl_free(whole);
    }
}

static void keep_alive_follows_version_and_connection(void **state)
{
    static const struct {
        const char *in;
        bool keep;
    } table[] = {
        {GET H "\r\n", true},
        {GET H "Connection: close\r\n\r\n", false},
        {GET H "Connection: keep-alive, CLOSE\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false},
    };
    struct http_header slots[200];
    struct http_codec c;
    char in[200];

    (void)state;
    for (size_t i = 0; i < TL_COUNT(table); i++) {
        (void)snprintf(in, sizeof in, "%s", table[i].in);
        parse_head(&c, slots, in);
        assert_int_equal(c.head.keep_alive, table[i].keep);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_strict_table_holds_for_every_cut),
        cmocka_unit_test(limits_are_met_exactly_and_alike_for_every_cut),
        cmocka_unit_test(a_hundred_kilobytes_of_headers_are_431),
        cmocka_unit_test(a_chunk_extension_of_256_bytes_is_ignored_and_of_257_refused),
        cmocka_unit_test(the_head_is_given_in_views),
        cmocka_unit_test(an_absolute_target_without_a_path_asks_for_the_root_for_every_cut),
        cmocka_unit_test(keep_alive_follows_version_and_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
