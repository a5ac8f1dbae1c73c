/* SPDX-License-Identifier: Apache-2.0 */
/* js.c - texts and numbers as JavaScript sees them. */
#include "jsonata/functions/functions_int.h"

#include <stdlib.h>

bool jsonata_is_ascii(struct json text)
{
    const char *p = text.u.s;
    size_t n = text.n, i = 0;

    if (text.flags & JSON_F_ASCII)
        return true;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;

        memcpy(&word, p + i, 8);
        if (word & 0x8080808080808080u)
            return false;
    }
    for (; i < n; i++)
        if ((unsigned char)p[i] >= 0x80)
            return false;
    return true;
}

size_t jsonata_cp_count(struct json text)
{
    return text.flags & JSON_F_ASCII ? text.n : tl_utf8_count(json_view(text));
}

size_t jsonata_cp_at(struct tl_sv s, size_t at, uint32_t *ret_cp)
{
    const unsigned char *p = (const unsigned char *)s.p + at;
    size_t left = s.n - at;

    if (p[0] < 0x80) {
        *ret_cp = p[0];
        return 1;
    }
    if (p[0] >= 0xf0 && left >= 4) {
        *ret_cp =
            (uint32_t)(p[0] & 7) << 18 | (uint32_t)(p[1] & 0x3f) << 12 | (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3fu);
        return 4;
    }
    if (p[0] >= 0xe0 && left >= 3) {
        *ret_cp = (uint32_t)(p[0] & 15) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3fu);
        return 3;
    }
    if (p[0] >= 0xc0 && left >= 2) {
        *ret_cp = (uint32_t)(p[0] & 31) << 6 | (p[1] & 0x3fu);
        return 2;
    }
    *ret_cp = 0xfffd;
    return 1;
}

bool jsonata_is_space(uint32_t cp)
{
    return cp == ' ' || (cp >= 9 && cp <= 13) || cp == 0xa0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) ||
           cp == 0x2028 || cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000 || cp == 0xfeff;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

double jsonata_parse_int(struct tl_sv s)
{
    size_t i = 0, begin;
    bool negative = false;
    int radix = 10;
    double value = 0;

    while (i < s.n) {
        uint32_t cp;
        size_t step = jsonata_cp_at(s, i, &cp);

        if (!jsonata_is_space(cp))
            break;
        i += step;
    }
    if (i < s.n && (s.p[i] == '+' || s.p[i] == '-'))
        negative = s.p[i++] == '-';
    if (i + 1 < s.n && s.p[i] == '0' && (s.p[i + 1] == 'x' || s.p[i + 1] == 'X')) {
        radix = 16;
        i += 2;
    }
    for (begin = i; i < s.n && digit_value(s.p[i]) < radix; i++)
        value = value * radix + digit_value(s.p[i]);
    if (i == begin)
        return JSONATA_NAN;
    /* Past 2^53 the sum above may be off by a bit: read it again, correctly rounded. */
    if (value >= 9007199254740992.0 && radix == 10)
        value = json_number((struct json){.type = JSON_DECIMAL, .n = (uint32_t)(i - begin), .u.s = s.p + begin});
    return negative ? -value : value;
}

size_t jsonata_number_text(double d, char *out)
{
    const char *name = isnan(d) ? "NaN" : d > 0 ? "Infinity" : "-Infinity";

    if (isfinite(d))
        return json_format_double(d == 0 ? 0 : d, out);
    memcpy(out, name, strlen(name));
    return strlen(name);
}

#define JS_TEXT_DEPTH 1000

static void put_js_text(struct jsonata_out *o, struct json v, int depth)
{
    char text[40];

    switch (v.type) {
    case JSON_STRING:
        jsonata_out_value(o, v);
        break;
    case JSON_NULL:
        jsonata_out_put(o, TL_SV("null"));
        break;
    case JSON_UNDEFINED:
        jsonata_out_put(o, TL_SV("undefined"));
        break;
    case JSON_BOOL:
        jsonata_out_put(o, tl_sv_str(v.u.b ? "true" : "false"));
        break;
    case JSON_ARRAY:
        o->failed = o->failed || depth > JS_TEXT_DEPTH;
        for (uint32_t i = 0; i < v.n && !o->failed; i++) {
            if (i)
                jsonata_out_byte(o, ',');
            if (v.u.items[i].type != JSON_NULL && v.u.items[i].type != JSON_UNDEFINED)
                put_js_text(o, v.u.items[i], depth + 1);
        }
        break;
    case JSON_OBJECT:
        jsonata_out_put(o, TL_SV("[object Object]"));
        break;
    default:
        if (json_is_number(v))
            jsonata_out_ascii(o, text, jsonata_number_text(jsonata_double(v), text));
    }
}

enum tl_rc jsonata_js_text(struct jsonata_eval *e, struct json value, struct json *ret)
{
    struct jsonata_out o;

    *ret = value.type == JSON_STRING ? value : JSON_NOTHING;
    if (value.type == JSON_STRING || value.type == JSON_EXT)
        return TL_OK;
    jsonata_out_begin(&o, e, 32);
    put_js_text(&o, value, 0);
    return jsonata_out_end(&o, ret);
}

/* Math.round, then half to even. */
static double round_even(double d)
{
    double low = floor(d), diff = d - low;

    if (diff == 0.5)
        return fmod(low, 2) == 0 ? low : low + 1;
    return diff > 0.5 ? low + 1 : low;
}

/* The number whose spelling is that of d with the decimal exponent moved: how the language shifts. */
static double shift_spelling(double d, double places)
{
    char text[80];
    size_t n = jsonata_number_text(d, text);
    char *e = memchr(text, 'e', n);
    double exponent = places;

    if (e) {
        text[n] = '\0';
        exponent += strtod(e + 1, NULL);
        n = (size_t)(e - text);
    }
    text[n++] = 'e';
    n += jsonata_number_text(exponent, text + n);
    text[n] = '\0';
    char *end;
    double r = strtod(text, &end);

    return *end ? JSONATA_NAN : r; /* a broken exponent is no number in JavaScript either */
}

double jsonata_round(double d, double precision)
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    double r;

    if (precision == 0 || isnan(precision)) {
        r = round_even(d);
        return r == 0 ? 0 : r;
    }
    if (precision == floor(precision) && fabs(precision) <= 15) {
        /* Away from a tie the product decides as surely as the shifted spelling, and 10^15 and below are exact. */
        double scale = powers[(int)fabs(precision)];
        double y = precision > 0 ? d * scale : d / scale;
        double tie = fabs(y - floor(y) - 0.5);

        if (fabs(y) < 4503599627370496.0 && tie > fabs(y) * 0x1p-48) {
            r = round_even(y);
            r = precision > 0 ? r / scale : r * scale;
            return r == 0 ? 0 : r;
        }
    }
    if (!isfinite(d))
        return JSONATA_NAN; /* "Infinitye2" */
    r = shift_spelling(round_even(shift_spelling(d, precision)), -precision);
    return r == 0 ? 0 : r;
}
