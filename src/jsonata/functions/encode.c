/* SPDX-License-Identifier: Apache-2.0 */
/* encode.c - base64 as Node's Buffer has it, and the four URL functions of ECMA-262 19.2.6. */
#include "jsonata/functions/functions_int.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool nothing(const struct json *args, struct json *ret)
{
    if (args[0].type != JSON_UNDEFINED)
        return false;
    *ret = JSON_NOTHING;
    return true;
}

/* One byte a UTF-16 unit: its low eight bits ("binary"). */
static size_t low_bytes(struct tl_sv s, unsigned char *to)
{
    size_t n = 0;

    for (size_t at = 0; at < s.n;) {
        uint32_t cp;

        at += jsonata_cp_at(s, at, &cp);
        if (cp >= 0x10000) {
            to[n++] = (unsigned char)((cp - 0x10000) >> 10);
            cp = cp & 0x3ff;
        }
        to[n++] = (unsigned char)cp;
    }
    return n;
}

static enum tl_rc fn_base64encode(struct jsonata_eval *e, const struct json *args, size_t argc, struct json *ret)
{
    (void)argc;
    if (nothing(args, ret))
        return TL_OK;
    unsigned char *in = jsonata_alloc(e, (size_t)args[0].n + 2);
    char *out = jsonata_alloc_text(e, ((size_t)args[0].n + 2) / 3 * 4 + 4);
    size_t n, k = 0;

    if (!in || !out)
        return jsonata_exhausted(e);
    n = low_bytes(json_view(args[0]), in);
    in[n] = in[n + 1] = 0;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t three =
            (uint32_t)in[i] << 16 | (uint32_t)(i + 1 < n ? in[i + 1] : 0) << 8 | (i + 2 < n ? in[i + 2] : 0u);

        out[k++] = alphabet[three >> 18];
        out[k++] = alphabet[three >> 12 & 63];
        out[k++] = i + 1 < n ? alphabet[three >> 6 & 63] : '=';
        out[k++] = i + 2 < n ? alphabet[three & 63] : '=';
    }
    *ret = jsonata_text(out, k, JSON_F_ASCII | JSON_F_PLAIN);
    return TL_OK;
}

static int value64(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Lenient: both alphabets, other characters are passed over, "=" ends it. Each byte becomes a character. */
static enum tl_rc fn_base64decode(struct jsonata_eval *e, const struct json *args, size_t argc, struct json *ret)
{
    struct tl_sv s = json_view(args[0]);
    struct jsonata_out o;
    uint32_t bits = 0;
    int have = 0;

    (void)argc;
    if (nothing(args, ret))
        return TL_OK;
    jsonata_out_begin(&o, e, s.n / 4 * 3 + 4);
    unsigned char *in = jsonata_alloc(e, s.n + 1);
    size_t n = in ? low_bytes(s, in) : 0;

    if (!in)
        return jsonata_exhausted(e);
    for (size_t i = 0; i < n && in[i] != '='; i++) {
        int v = value64((char)in[i]);

        if (v < 0)
            continue;
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            jsonata_out_cp(&o, bits >> have & 0xff);
        }
    }
    return jsonata_out_end(&o, ret);
}

static bool kept(char c, bool component)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c && (strchr("-_.!~*'()", c) || (!component && strchr(";/?:@&=+$,#", c)));
}

static enum tl_rc encode(struct jsonata_eval *e, struct json text, bool component, struct json *ret)
{
    static const char hex[] = "0123456789ABCDEF";
    struct tl_sv s = json_view(text);
    struct jsonata_out o;

    jsonata_out_begin(&o, e, s.n);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == 0xed && i + 1 < s.n && (unsigned char)s.p[i + 1] >= 0xa0) /* a lone surrogate */
            return jsonata_raise_function(e, "D3140", component ? "encodeUrlComponent" : "encodeUrl", text);
        if (kept((char)c, component))
            jsonata_out_byte(&o, (char)c);
        else
            jsonata_out_ascii(&o, (const char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
    }
    return jsonata_out_end(&o, ret);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "%C3%A4...": bytes of one character; 0: malformed. */
static size_t escaped_character(struct tl_sv s, size_t at, char bytes[4])
{
    size_t n = 0, want = 1;

    while (n < want) {
        int high = at + 2 < s.n + 0 && s.p[at] == '%' ? hex_digit(s.p[at + 1]) : -1;
        int low = high >= 0 ? hex_digit(s.p[at + 2]) : -1;

        if (low < 0)
            return 0;
        bytes[n] = (char)(high << 4 | low);
        if (n == 0) {
            unsigned char c = (unsigned char)bytes[0];

            want = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        }
        n++;
        at += 3;
    }
    uint32_t cp;

    return tl_utf8_decode(tl_sv(bytes, n), &cp) == n ? n : 0;
}

static enum tl_rc decode(struct jsonata_eval *e, struct json text, bool component, struct json *ret)
{
    struct tl_sv s = json_view(text);
    struct jsonata_out o;

    jsonata_out_begin(&o, e, s.n);
    for (size_t i = 0; i < s.n;) {
        char bytes[4];
        size_t n;

        if (s.p[i] != '%') {
            size_t run = i;

            while (run < s.n && s.p[run] != '%')
                run++;
            jsonata_out_put(&o, tl_sv(s.p + i, run - i));
            i = run;
            continue;
        }
        n = escaped_character(s, i, bytes);
        if (n == 0)
            return jsonata_raise_function(e, "D3140", component ? "decodeUrlComponent" : "decodeUrl", text);
        if (n == 1 && !component && bytes[0] && strchr(";/?:@&=+$,#", bytes[0]))
            jsonata_out_ascii(&o, s.p + i, 3); /* reserved: stays escaped */
        else
            jsonata_out_put(&o, tl_sv(bytes, n));
        i += n * 3;
    }
    return jsonata_out_end(&o, ret);
}

static enum tl_rc fn_encode_component(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)n;
    return nothing(args, ret) ? TL_OK : encode(e, args[0], true, ret);
}

static enum tl_rc fn_encode_url(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)n;
    return nothing(args, ret) ? TL_OK : encode(e, args[0], false, ret);
}

static enum tl_rc fn_decode_component(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)n;
    return nothing(args, ret) ? TL_OK : decode(e, args[0], true, ret);
}

static enum tl_rc fn_decode_url(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)n;
    return nothing(args, ret) ? TL_OK : decode(e, args[0], false, ret);
}

const struct jsonata_native jsonata_encode_functions[] = {{"base64encode", "<s-:s>", fn_base64encode},
                                                          {"base64decode", "<s-:s>", fn_base64decode},
                                                          {"encodeUrlComponent", "<s-:s>", fn_encode_component},
                                                          {"encodeUrl", "<s-:s>", fn_encode_url},
                                                          {"decodeUrlComponent", "<s-:s>", fn_decode_component},
                                                          {"decodeUrl", "<s-:s>", fn_decode_url},
                                                          {NULL, NULL, NULL}};
