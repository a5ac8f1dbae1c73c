/* SPDX-License-Identifier: Apache-2.0 */
/* encode.c - hex, base64, percent encodings and JSON strings into buffers. */
#include "base/utf8.h"

static const char base64_std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool tl_hex_encode(struct tl_buf *b, const void *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = p;
    char *to = n > SIZE_MAX / 2 ? NULL : tl_buf_reserve(b, n * 2);

    if (!to)
        return false;
    for (size_t i = 0; i < n; i++) {
        to[2 * i] = digits[in[i] >> 4];
        to[2 * i + 1] = digits[in[i] & 15];
    }
    tl_buf_added(b, n * 2);
    return true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool tl_hex_decode(struct tl_buf *b, struct tl_sv s)
{
    char *to = tl_buf_reserve(b, s.n / 2);

    if (s.n % 2 || !to)
        return false;
    for (size_t i = 0; i < s.n; i += 2) {
        int high = hex_value(s.p[i]), low = hex_value(s.p[i + 1]);

        if (high < 0 || low < 0)
            return false;
        to[i / 2] = (char)(high << 4 | low);
    }
    tl_buf_added(b, s.n / 2);
    return true;
}

static bool encode64(struct tl_buf *b, const void *p, size_t n, const char *alphabet, bool pad)
{
    const unsigned char *in = p;
    char *to = n > SIZE_MAX / 2 ? NULL : tl_buf_reserve(b, (n + 2) / 3 * 4);
    size_t o = 0, i = 0;

    if (!to)
        return false;
    for (; i + 2 < n; i += 3) {
        unsigned v = (unsigned)in[i] << 16 | (unsigned)in[i + 1] << 8 | in[i + 2];

        to[o++] = alphabet[v >> 18];
        to[o++] = alphabet[v >> 12 & 63];
        to[o++] = alphabet[v >> 6 & 63];
        to[o++] = alphabet[v & 63];
    }
    if (i < n) {
        unsigned v = (unsigned)in[i] << 16 | (i + 1 < n ? (unsigned)in[i + 1] << 8 : 0);

        to[o++] = alphabet[v >> 18];
        to[o++] = alphabet[v >> 12 & 63];
        if (i + 1 < n)
            to[o++] = alphabet[v >> 6 & 63];
        while (pad && o % 4)
            to[o++] = '=';
    }
    tl_buf_added(b, o);
    return true;
}

static int value64(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    if (c == (url ? '_' : '/'))
        return 63;
    return -1;
}

/* Left-over bits must be zero (RFC 4648 section 3.5), so that one value has one spelling. */
static bool decode64(struct tl_buf *b, struct tl_sv s, bool url)
{
    char *to = tl_buf_reserve(b, s.n / 4 * 3 + 3);
    size_t o = 0;
    unsigned v = 0, bits = 0;

    if (!to || s.n % 4 == 1)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        int digit = value64(s.p[i], url);

        if (digit < 0)
            return false;
        v = (v << 6 | (unsigned)digit) & 0xffffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            to[o++] = (char)(v >> bits & 0xff);
        }
    }
    if (v & ((1u << bits) - 1))
        return false;
    tl_buf_added(b, o);
    return true;
}

bool tl_base64_encode(struct tl_buf *b, const void *p, size_t n)
{
    return encode64(b, p, n, base64_std, true);
}

bool tl_base64url_encode(struct tl_buf *b, const void *p, size_t n)
{
    return encode64(b, p, n, base64_url, false);
}

bool tl_base64_decode(struct tl_buf *b, struct tl_sv s)
{
    if (s.n % 4)
        return false;
    for (int pads = 0; pads < 2 && s.n && s.p[s.n - 1] == '='; pads++)
        s.n--;
    return decode64(b, s, false);
}

bool tl_base64url_decode(struct tl_buf *b, struct tl_sv s)
{
    return decode64(b, s, true);
}

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

bool tl_percent_encode(struct tl_buf *b, struct tl_sv s)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        const char escape[3] = {'%', digits[c >> 4], digits[c & 15]};

        if (is_unreserved(s.p[i]))
            tl_buf_putc(b, s.p[i]);
        else
            tl_buf_put(b, escape, 3);
    }
    return !b->failed;
}

bool tl_percent_decode(struct tl_buf *b, struct tl_sv s, bool plus_is_space)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%') {
            int high = i + 2 < s.n ? hex_value(s.p[i + 1]) : -1;
            int low = i + 2 < s.n ? hex_value(s.p[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            tl_buf_putc(b, (char)(high << 4 | low));
            i += 2;
        } else {
            tl_buf_putc(b, s.p[i] == '+' && plus_is_space ? ' ' : s.p[i]);
        }
    }
    return !b->failed;
}

bool tl_json_string(struct tl_buf *b, struct tl_sv s)
{
    tl_buf_putc(b, '"');
    while (s.n) {
        uint32_t cp;
        size_t n = tl_utf8_decode(s, &cp);

        if (n == 0) {
            tl_buf_puts(b, "\\ufffd");
            n = 1;
        } else if (cp == '"' || cp == '\\') {
            tl_buf_printf(b, "\\%c", (char)cp);
        } else if (tl_utf8_steers(cp)) { /* logs are read on terminals */
            tl_buf_printf(b, "\\u%04x", cp);
        } else {
            tl_buf_put(b, s.p, n);
        }
        s = tl_sv_from(s, n);
    }
    return tl_buf_putc(b, '"');
}
