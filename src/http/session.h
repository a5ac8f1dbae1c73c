/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - HTTP/2 at the door (RFC 9113): what session.c (the connection) and session_stream.c (its requests) share.
 * nghttp2 frames; routes, limits and handlers are those of HTTP/1.1, for an exchange is an exchange.
 *
 * Promises:
 *  - So many streams at once (100) as the options say. A stream that the client took back counts until its handler has
 * returned, so taking back is no way to more (CVE-2023-44487).
 *  - What costs the client nothing and asks for nothing (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, DATA without
 *    data: 1 each; RST_STREAM, a stream that is refused or malformed: 10) is paid from 1,000 that come back at 50 a
 *    second (both are options, in force on connections that stand too): then GOAWAY, ENHANCE_YOUR_CALM.
 *  - Headers: the limits of HTTP/1.1; a head that goes on to four times its limit ends the connection. nghttp2 takes
 *    8 CONTINUATION frames a head. The tables of HPACK have 4 KB in either direction.
 *  - Flow control is the back-pressure: 256 KB a stream, 1 MB a connection that nobody has asked for (both are
 *    options, and a connection keeps what it was told at its beginning); what is unread
 *    counts as memory for bodies. Answers wait in their exchange: 64 KB and a frame leave it ahead of the socket.
 *  - Strict (8.1.1 to 8.3.1): nghttp2 refuses malformed messages by PROTOCOL_ERROR, field values that it would only
 *    pass over too; we what it leaves: a path, scheme or authority that HTTP/1.1 would not have had, a Host that says
 *    something else, CONNECT.
 *  - Never a push, no priorities (RFC 9218 2.1).
 *
 * What is no option, and why: what a reset costs says how much more work it makes than a PING, which no operator knows
 * better; how far a head may go on beyond its limit, frames of answers that wait before nothing more is read,
 * CONTINUATION frames a head and the tables of HPACK only defend, far from what any client needs: what is honest meets
 * `header_bytes`, the windows and `control_frames` first.
 */
#ifndef TL_HTTP_SESSION_H
#define TL_HTTP_SESSION_H

#include "http/h2_int.h"
#include "http/http_int.h"

struct session {
    struct conn *c;
    nghttp2_session *ng;
    uv_prepare_t before_wait; /* runs when something is to be sent, after all tasks that were ready */
    struct exchange *streams;
    unsigned n_live, opened; /* streams: now; ever */
    uint32_t most, window;   /* what the client was told: streams at once; bytes unread of each */
    struct tl_buf out;       /* frames the kernel has not taken */
    size_t out_at;
    bool going, gone; /* GOAWAY: announced; said with the last stream */
    bool ended;       /* said with an error: what comes is thrown away */
    uint64_t quiet_ns, head_ns, going_ns, out_ns, out_moved;
    uint64_t calm_ns;
    uint32_t calm; /* what is left to be paid from */
};

/* session.c */
void http__session_dirty(struct session *h);
void http__session_end(struct session *h, uint32_t code); /* GOAWAY now, all streams included */
void http__session_say_gone(struct session *h);

/* session_stream.c: what nghttp2 tells of streams. ints are what its callbacks return. */
int http__stream_begin(struct session *h, int32_t id);
int http__stream_header(struct exchange *x, struct tl_sv name, struct tl_sv value);
int http__stream_head(struct exchange *x, bool end);
void http__stream_data(struct exchange *x, struct tl_sv piece);
void http__stream_ended(struct exchange *x);                               /* the request is whole */
void http__stream_sent(struct exchange *x, const nghttp2_frame_hd *frame); /* a frame of its answer */
void http__stream_closed(struct exchange *x);
void http__stream_timer(struct exchange *x, uint64_t now);
void http__stream_free(struct exchange *x);

#endif
