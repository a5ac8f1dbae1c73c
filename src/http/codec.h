/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec.h - the HTTP/1.1 request parser: a state machine over bytes, without I/O.
 *
 * Promise: what it accepts has exactly one reading (RFC 9112 with every "may be lenient" refused), and the result does
 * not depend on how the bytes were cut into pieces. Refusals carry the status to answer; the connection must then be
 * closed.
 *
 *   400  CL with TE, two Content-Length, a length that is not 1*DIGIT, line folding, space before a colon, NUL or bare
 * CR or LF, a bad name character, no colon, not exactly one Host (1.1), Transfer-Encoding in 1.0 or twice, malformed
 *        chunks, HTTP/0.9, controls or two spaces in the request line, an absolute target that disagrees with Host
 *   414  request line too long      417  an expectation other than 100-continue
 *   431  too many headers or too many bytes of them
 *   501  a transfer coding other than chunked      505  a version other than 1.0 and 1.1
 *
 * Header names are lower-cased in place; all views point into the caller's bytes.
 */
#ifndef TL_HTTP_CODEC_H
#define TL_HTTP_CODEC_H

#include "base/base.h"

struct http_header {
    struct tl_sv name; /* lower case */
    struct tl_sv value;
};

struct http_headers {
    struct http_header *v;
    size_t n;
};
/* First with this lower-case name; .p NULL: absent. */
struct tl_sv http_header_get(const struct http_headers *h, const char *name);
size_t http_header_count(const struct http_headers *h, const char *name);
/* Does a comma-separated list value hold this token (case ignored)? */
bool http_list_has(struct tl_sv value, struct tl_sv token);
bool http_is_token(struct tl_sv s);       /* RFC 9110 5.6.2 */
bool http_is_field_value(struct tl_sv s); /* no controls but TAB */

enum http_method {
    HTTP_OTHER, /* any other token: see the text */
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_CONNECT,
    HTTP_TRACE,
};
enum http_method http_method_of(struct tl_sv text);
/* Is it one of "GET, POST"? As it is written: a method is case-sensitive, and post is not POST (RFC 9110 9.1). */
bool http_methods_have(struct tl_sv methods, struct tl_sv method);

struct http_limits {
    size_t request_line; /* bytes without CRLF: 8 KB */
    size_t headers;      /* number: 100 (and as many trailers) */
    size_t header_bytes; /* all header lines with CRLF: 64 KB (trailers: 8 KB) */
    size_t trailer_bytes;
    size_t chunk_ext; /* bytes of extensions on one chunk: 256 */
};
extern const struct http_limits http_limits_default;

struct http_head {
    struct tl_sv method_text;
    enum http_method method;
    struct tl_sv target;    /* as sent */
    struct tl_sv authority; /* Host, or that of an absolute target; .p NULL: none (1.0) */
    struct tl_sv path;      /* raw; "*" for OPTIONS *; empty for CONNECT */
    struct tl_sv query;     /* raw; .p NULL: no '?' */
    struct http_headers headers;
    uint8_t minor;   /* HTTP/1.minor */
    bool keep_alive; /* what the client wants */
    bool expect_continue;
    bool chunked;
    bool has_length;
    bool upgrade;    /* Connection: upgrade with an Upgrade header */
    uint64_t length; /* with has_length */
};

enum http_step {
    HTTP_MORE,      /* give more bytes. Unconsumed ones must come again, in one piece with the new ones */
    HTTP_HEAD_DONE, /* the head is complete; a body may follow */
    HTTP_DATA,      /* *ret_data is the next piece of the body */
    HTTP_END,       /* the message is complete; call http_codec_next_message */
    HTTP_BAD,       /* see status and reason; nothing more will be read */
};

struct http_codec {
    const struct http_limits *limits;
    struct http_head head;
    struct http_headers trailers;
    uint16_t status;    /* of HTTP_BAD */
    const char *reason; /* of HTTP_BAD: constant text, nothing of the request in it */
    uint64_t body_seen; /* bytes of body given so far */
    /* private */
    struct http_header *slots; /* 2 * limits->headers: headers, then trailers */
    const char *base;          /* where the unconsumed bytes were last time */
    size_t line, scan;         /* offsets: start of the current line, bytes searched for its end */
    size_t first;              /* offset of the first header line */
    uint64_t left;             /* bytes left in the body or chunk */
    uint32_t state, ext, digits, conn;
    bool blank_seen;
    struct tl_sv host;
    uint8_t n_host, n_length, n_coding, n_expect;
    struct tl_sv coding, length_text, expect;
};

/* slots holds 2 * limits->headers entries and lives as long as the codec. */
void http_codec_init(struct http_codec *c, const struct http_limits *limits, struct http_header *slots);
void http_codec_next_message(struct http_codec *c);
/* Look at the unconsumed bytes in[0..n) (n may be 0). *ret_used of them are consumed. Views of the head stay valid
 * while the caller leaves those bytes in place; views given in ret_data likewise. After HTTP_HEAD_DONE, HTTP_DATA and
 * HTTP_END call again. */
enum http_step http_codec_step(struct http_codec *c, char *in, size_t n, size_t *ret_used, struct tl_sv *ret_data);
/* The head is complete and no body follows or all of it was given. */
bool http_codec_at_end(const struct http_codec *c);

#endif
