/* SPDX-License-Identifier: Apache-2.0 */
/* The reply parser: what it makes of each reply, in one piece and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/reply.h"

/* What came of it, as text: "200 k len=2 a=1|b=2| hi." - k: kept alive; a dot: whole; "!": refused. */
static void read_all(const char *text, size_t n, size_t piece, bool head_request, char *out, size_t room)
{
    struct http_header slots[4];
    struct http_reader r = {.slots = slots, .n_slots = 4, .max_head = 200, .head_request = head_request};
    char *in = tl_alloc(n + 1);
    size_t have = 0, given = 0, at = 0;
    enum http_step step = HTTP_MORE;

    while (step != HTTP_END && step != HTTP_BAD) {
        struct tl_sv data;
        size_t used;

        step = http_reader_step(&r, in, have, &used, &data);
        if (step == HTTP_HEAD_DONE) {
            at += (size_t)snprintf(out + at, room - at, "%d%s", r.status, r.keep_alive ? " k" : "");
            if (r.has_length)
                at += (size_t)snprintf(out + at, room - at, " len=%llu", (unsigned long long)r.length);
            at += (size_t)snprintf(out + at, room - at, " ");
            for (size_t i = 0; i < r.headers.n; i++)
                at += (size_t)snprintf(out + at, room - at, "%.*s=%.*s|", TL_SV_ARG(r.headers.v[i].name),
                                       TL_SV_ARG(r.headers.v[i].value));
        } else if (step == HTTP_DATA) {
            at += (size_t)snprintf(out + at, room - at, "%.*s", TL_SV_ARG(data));
        }
        have -= used;
        memmove(in, in + used, have);
        if (step != HTTP_MORE || used > 0)
            continue;
        if (given == n) {
            (void)snprintf(out + at, room - at, "%s", http_reader_closed(&r) ? "$" : "...");
            tl_free(in);
            return;
        }
        for (size_t i = 0; i < piece && given < n; i++)
            in[have++] = text[given++];
    }
    (void)snprintf(out + at, room - at, "%s", step == HTTP_END ? "." : r.too_large ? "!large" : "!");
    tl_free(in);
}

static void replies_are_read_the_same_however_they_are_cut(void **state)
{
    static const struct {
        const char *reply, *want;
        bool head;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "200 k len=2 content-length=2|hi.", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh", "200 k len=2 content-length=2|h...", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi, too much", "200 k len=2 content-length=2|hi.", false},
        {"HTTP/1.1 200\r\n\r\nto the end", "200 k to the end$", false},
        {"HTTP/1.0 200 OK\r\nX: 1\r\n\r\n", "200 x=1|$", false},
        {"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n",
         "200 k len=0 connection=Keep-Alive|content-length=0|.", false},
        {"HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 0\r\n\r\n",
         "200 len=0 connection=x, CLOSE|content-length=0|.", false},
        {"HTTP/1.1 204 No Content\r\n\r\nnot a body", "204 k .", false},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "304 k len=5 content-length=5|.", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 k len=5 content-length=5|.", true},
        {"HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 201 Created\r\n\r\n", "201 k $",
         false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
         "200 k transfer-encoding=Chunked|abc0123456789.", false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "200 k transfer-encoding=chunked|abc...",
         false},
        /* lenient where the meaning is plain */
        {"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", "200 k len=2 content-length=2|hi.", false},
        {"HTTP/1.1 200 OK\r\nX: one\r\n  two\r\nno colon\r\nY :3\r\n\r\n", "200 k x=one    two|y=3|$", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc", "200 k len=3 content-length=3, 3|abc.", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "200 content-length=9|transfer-encoding=chunked|.", false},
        /* refused */
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "!", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc", "!", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "!", false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "!", false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "!", false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "200 k transfer-encoding=chunked|!", false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", "200 k transfer-encoding=chunked|abc!",
         false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
         "200 k transfer-encoding=chunked|!", false},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", "!", false},
        {"HTTP/1.1 099 What\r\n\r\n", "!", false},
        {"HTTP/1.1 2000 What\r\n\r\n", "!", false},
        {"HTTP/2.0 200 OK\r\n\r\n", "!", false},
        {"SSH-2.0-OpenSSH_9\r\n", "!", false},
        {"\r\nHTTP/1.1 200 OK\r\n\r\n", "!", false},
        {"HTTP/1.1 200 OK\r\nA:1\r\nB:1\r\nC:1\r\nD:1\r\nE:1\r\n\r\n", "!large", false},
    };
    char out[500];

    (void)state;
    for (size_t i = 0; i < TL_COUNT(cases); i++)
        for (size_t piece = 1; piece < 100; piece = piece * 3 + 1) {
            read_all(cases[i].reply, strlen(cases[i].reply), piece, cases[i].head, out, sizeof out);
            if (strcmp(out, cases[i].want) != 0)
                fail_msg("case %zu in pieces of %zu: %s instead of %s", i, piece, out, cases[i].want);
        }
}

static void a_head_or_trailers_larger_than_the_limit_are_refused(void **state)
{
    static const char *const begin[] = {"HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 ",
                                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: "};
    char text[400], out[500];

    (void)state;
    for (size_t i = 0; i < TL_COUNT(begin); i++)
        for (size_t piece = 1; piece < 400; piece = piece * 3 + 1) {
            memset(text, 'x', sizeof text);
            memcpy(text, begin[i], strlen(begin[i]));
            read_all(text, sizeof text, piece, false, out, sizeof out);
            assert_string_equal(out + strlen(out) - 6, "!large");
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_read_the_same_however_they_are_cut),
        cmocka_unit_test(a_head_or_trailers_larger_than_the_limit_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
