/* SPDX-License-Identifier: Apache-2.0 */
/* raw_h2.h - a client of HTTP/2 that writes the frames it likes and notes what comes back; for http_session_test.c. */
#ifndef TL_HTTP_TEST_RAW_H2_H
#define TL_HTTP_TEST_RAW_H2_H

#include "rig.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONT };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };
enum { NONE = -1 };

struct seen { /* of a stream */
    int status, interim, reset;
    char headers[1024], body[256];
    size_t body_n;
    bool ended;
};

struct client {
    int fd;
    nghttp2_hd_inflater *inflater;
    uint8_t frame[9 + 65536];
    size_t n;
    struct seen streams[256]; /* by id / 2 */
    int goaway, n_goaway;     /* the code of the last one */
    uint32_t last_id;
    bool eof, lazy; /* lazy: gives no window back */
    unsigned pings, settings;
};

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void frame(struct client *c, int type, int flags, uint32_t id, const void *p, size_t n)
{
    uint8_t *f = malloc(9 + n);

    assert_non_null(f);
    put32(f, (uint32_t)n << 8);
    f[3] = (uint8_t)type;
    f[4] = (uint8_t)flags;
    put32(f + 5, id);
    if (n > 0)
        memcpy(f + 9, p, n);
    rig_send_n(c->fd, f, 9 + n);
    free(f);
}

static void close_client(struct client *c)
{
    nghttp2_hd_inflate_del(c->inflater);
    (void)close(c->fd);
}

static size_t put_length(uint8_t *to, size_t n)
{
    size_t used = 1;

    if (n < 127) {
        to[0] = (uint8_t)n;
        return 1;
    }
    to[0] = 127;
    for (n -= 127; n >= 128; n >>= 7)
        to[used++] = (uint8_t)(n | 128);
    to[used++] = (uint8_t)n;
    return used;
}

/* "name: value\n..." as literals that enter no table. */
static size_t block(uint8_t *to, const char *lines)
{
    size_t n = 0;

    while (*lines) {
        const char *colon = strstr(lines, ": "), *end = strchr(lines, '\n');

        to[n++] = 0;
        n += put_length(to + n, (size_t)(colon - lines));
        memcpy(to + n, lines, (size_t)(colon - lines));
        n += (size_t)(colon - lines);
        n += put_length(to + n, (size_t)(end - colon - 2));
        memcpy(to + n, colon + 2, (size_t)(end - colon - 2));
        n += (size_t)(end - colon - 2);
        lines = end + 1;
    }
    return n;
}

static void head(struct client *c, uint32_t id, bool end, const char *lines)
{
    static uint8_t b[300000];
    size_t n = block(b, lines), at = 0;

    do {
        size_t piece = n - at < 16384 ? n - at : 16384;

        frame(c, at ? CONT : HEADERS, (at + piece == n ? END_HEADERS : 0) | (end && at == 0 ? END_STREAM : 0), id,
              b + at, piece);
        at += piece;
    } while (at < n);
}

#define GET(path) ":method: GET\n:scheme: http\n:authority: a\n:path: " path "\n"
#define POST(path) ":method: POST\n:scheme: http\n:authority: a\n:path: " path "\n"

static void take_head(struct client *c, struct seen *s, const uint8_t *p, size_t n)
{
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(c->inflater, &nv, &flags, p, n, 1);

        assert_true(used >= 0);
        p += used;
        n -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            size_t at = strlen(s->headers);

            if (nv.namelen == 7 && memcmp(nv.name, ":status", 7) == 0) {
                if (s->status == 100)
                    s->interim = 100;
                s->status = atoi((const char *)nv.value);
            }
            (void)snprintf(s->headers + at, sizeof s->headers - at, "%.*s: %.*s\n", (int)nv.namelen, nv.name,
                           (int)nv.valuelen, nv.value);
        }
        if (flags & NGHTTP2_HD_INFLATE_FINAL) {
            (void)nghttp2_hd_inflate_end_headers(c->inflater);
            return;
        }
        assert_true(n > 0 || (flags & NGHTTP2_HD_INFLATE_EMIT));
    }
}

static bool fill(struct client *c, size_t n)
{
    while (c->n < n) {
        ssize_t got = recv(c->fd, c->frame + c->n, n - c->n, 0);

        if (got < 0 && errno == EAGAIN)
            fail_msg("the server neither answers nor closes");
        if (got <= 0) {
            c->eof = true;
            return false;
        }
        c->n += (size_t)got;
    }
    return true;
}

static void take_stream(struct client *c, struct seen *s, int type, int flags, const uint8_t *p, size_t n)
{
    uint8_t more[4];

    if (type == HEADERS)
        take_head(c, s, p, n);
    if (type == RST)
        s->reset = (int)get32(p);
    if (type == DATA) {
        size_t keep = s->body_n < sizeof s->body - 1 ? sizeof s->body - 1 - s->body_n : 0;

        if (keep > 0)
            memcpy(s->body + s->body_n, p, n < keep ? n : keep);
        s->body_n += n;
        put32(more, (uint32_t)n);
        if (!c->lazy && n > 0)
            frame(c, WINDOW, 0, 0, more, 4);
    }
    if ((type == DATA || type == HEADERS) && (flags & END_STREAM))
        s->ended = true;
}

/* The next frame; false: the connection has ended. */
static bool next(struct client *c)
{
    const uint8_t *p = c->frame + 9;
    size_t n;
    int type, flags;
    uint32_t id;

    c->n = 0;
    if (!fill(c, 9))
        return false;
    n = get32(c->frame) >> 8;
    assert_true(n <= 65536);
    if (!fill(c, 9 + n))
        return false;
    type = c->frame[3];
    flags = c->frame[4];
    id = get32(c->frame + 5) & 0x7fffffff;
    if (type == SETTINGS && !(flags & ACK)) {
        c->settings++;
        frame(c, SETTINGS, ACK, 0, NULL, 0);
    }
    if (type == PING && (flags & ACK))
        c->pings++;
    if (type == GOAWAY) {
        c->last_id = get32(p) & 0x7fffffff;
        c->goaway = (int)get32(p + 4);
        c->n_goaway++;
    }
    if (id > 0 && id / 2 < TL_COUNT(c->streams))
        take_stream(c, &c->streams[id / 2], type, flags, p, n);
    return true;
}

/* Says that it is there, and does not listen yet. */
static void hello_client(struct client *c, int fd)
{
    memset(c, 0, sizeof *c);
    c->fd = fd;
    c->goaway = NONE;
    for (size_t i = 0; i < TL_COUNT(c->streams); i++)
        c->streams[i].reset = NONE;
    assert_int_equal(nghttp2_hd_inflate_new(&c->inflater), 0);
    rig_send_n(c->fd, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
    frame(c, SETTINGS, 0, 0, NULL, 0);
}

static void begin_client(struct client *c, int fd)
{
    hello_client(c, fd);
    while (c->settings == 0) /* and say so: before that the windows are the standard's */
        assert_true(next(c));
}

static void open_client(struct client *c, const struct rig *r)
{
    begin_client(c, rig_connect(r));
}

static struct seen *at(struct client *c, uint32_t id)
{
    return &c->streams[id / 2];
}

/* Until the stream has an end of one kind. */
static struct seen *result(struct client *c, uint32_t id)
{
    struct seen *s = at(c, id);

    while (!s->ended && s->reset == NONE && next(c))
        ;
    return s;
}

static void to_the_end(struct client *c)
{
    while (next(c))
        ;
}

#endif
