/* SPDX-License-Identifier: Apache-2.0 */
/* chars.h - character classes of RFC 9110 and RFC 3986, for http/ only. */
#ifndef TL_HTTP_CHARS_H
#define TL_HTTP_CHARS_H

#include "base/base.h"

enum {
    HTTP_C_TOKEN = 1, /* RFC 9110 5.6.2 tchar */
    HTTP_C_PATH = 2,  /* RFC 3986 pchar, '/' and '%' */
    /* As PATH, with '?' and the brackets, braces, bar, caret and grave that browsers and webhook senders leave bare. */
    HTTP_C_QUERY = 4,
    HTTP_C_HOST = 8, /* unreserved only: real host names need no more */
    HTTP_C_HEX = 16,
    HTTP_C_VISIBLE = 32, /* 0x21-0x7e */
};
extern const uint8_t http_chars[256];

static inline bool http_char_is(char c, unsigned classes)
{
    return (http_chars[(uint8_t)c] & classes) != 0;
}
static inline bool http_chars_all(struct tl_sv s, unsigned classes)
{
    for (size_t i = 0; i < s.n; i++)
        if (!http_char_is(s.p[i], classes))
            return false;
    return true;
}
/* Path and query of an origin-form target into the head; NULL: fine, else what is wrong. codec.c, for HTTP/2 too. */
struct http_head;
const char *http__split_path(struct http_head *h, struct tl_sv s);

/* 0-15; the character must be a hex digit. */
static inline unsigned http_hex_value(char c)
{
    unsigned u = (uint8_t)c;

    return (u & 15) + (u >= 'A' ? 9 : 0);
}

#endif
