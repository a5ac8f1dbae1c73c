/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.h - the HTTP/1.1 reply parser of our own client: a state machine over bytes, without I/O.
 *
 * Where the request parser (codec.h) refuses, this one is lenient as far as the meaning stays plain, because the
 * servers are other people's: bare LF for CRLF, folded header lines (joined), lines without a colon (ignored). It
 * refuses what would let the two sides disagree on where a reply ends: differing lengths, an unknown transfer coding,
 * malformed chunks. The result does not depend on how the bytes were cut.
 */
#ifndef TL_HTTP_REPLY_H
#define TL_HTTP_REPLY_H

#include "http/codec.h"

struct http_reader {
    /* given by the caller, before the first step */
    struct http_header *slots; /* where the headers go */
    size_t n_slots;
    size_t max_head;   /* bytes of all heads and trailers together */
    bool head_request; /* the reply has no body, whatever it says */
    /* from HTTP_HEAD_DONE on */
    int status;
    struct http_headers headers; /* names lower case; views into the bytes of that step: copy what must live on */
    bool has_length, keep_alive;
    uint64_t length;
    const char *reason; /* of HTTP_BAD: constant text */
    bool too_large;     /* HTTP_BAD because of max_head or n_slots */
    /* private */
    int state;
    uint64_t left;
    size_t head_bytes;
};

/* Look at in[0..n); *ret_used bytes are consumed. HTTP_MORE with none consumed: the rest must come again, in one piece
 * with what follows; otherwise call again at once. HTTP_HEAD_DONE comes once (1xx heads are skipped), HTTP_DATA gives a
 * piece of the body, HTTP_END the end: the bytes after it belong to nobody. */
enum http_step http_reader_step(struct http_reader *r, char *in, size_t n, size_t *ret_used, struct tl_sv *ret_data);
/* The other side has closed: true if the reply is complete by that (a body without a length). */
bool http_reader_closed(const struct http_reader *r);

#endif
