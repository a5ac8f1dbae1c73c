/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stringify.c - $string: JSON.stringify with numbers cut to 15 significant digits and functions as "". What no
 * arithmetic touched is not cut from 2^53 on: 12345678901234567890 and ...891 are two ids and two texts.
 */
#include "jsonata/eval.h"
#include "jsonata/functions/functions_int.h"

#include <stdio.h>
#include <stdlib.h>

struct writer {
    struct jsonata_out o;
    bool pretty;
    int depth;
};

/* Plain notation, at most 15 digits, no zero at the end of the fraction: the spelling of the input is the answer. */
static bool is_canonical(struct tl_sv s)
{
    size_t i = s.n && s.p[0] == '-', digits = 0;
    bool point = false;

    if (s.n - i > 17 || (s.p[i] == '0' && s.n > i + 2 && s.p[i + 2] == '0')) /* 0.0...: may need an exponent */
        return false;
    for (; i < s.n; i++) {
        if (s.p[i] >= '0' && s.p[i] <= '9')
            digits++;
        else if (s.p[i] == '.' && !point)
            point = true;
        else
            return false;
    }
    return digits <= 15 && point && s.p[s.n - 1] != '0';
}

/* Exact halves at the sixteenth digit go away from zero (toPrecision picks the larger), where printf rounds to even. */
static double cut_to_15(double d)
{
    char text[64];
    int n = snprintf(text, sizeof text, "%.40e", d);
    const char *digits = text + (text[0] == '-');

    (void)n;
    if (strncmp(digits + 16, "50000000000000000000000000", 26) == 0) {
        char *e = strchr(text, 'e');
        char up[40];
        int keep = (int)(digits - text) + 16;

        /* one unit of the sixteenth digit up breaks the tie upwards */
        (void)snprintf(up, sizeof up, "%.*s6%s", keep, text, e);
        d = strtod(up, NULL);
        (void)snprintf(text, sizeof text, "%.14e", d);
        return strtod(text, NULL);
    }
    (void)snprintf(text, sizeof text, "%.14e", d);
    return strtod(text, NULL);
}

static size_t significant_digits(const char *p, size_t n)
{
    size_t count = 0, zeros = 0;

    for (size_t i = 0; i < n && p[i] != 'e'; i++) {
        if (p[i] == '0' && count == 0)
            continue;
        if (p[i] < '0' || p[i] > '9')
            continue;
        count++;
        zeros = p[i] == '0' ? zeros + 1 : 0;
    }
    return count - zeros;
}

/* In `out` or, where a double would say another number than was spelled, the spelling. Below 2^53 never: that is no id
 * but the noise of binary fractions, which is cut as the language has it. Empty: it is not finite. */
static struct tl_sv number_text(struct json v, char out[64])
{
    struct json cut = {.type = JSON_DECIMAL, .u.s = out};

    if (v.type == JSON_INT) {
        char digits[24];
        size_t at = sizeof digits;
        uint64_t rest = v.u.i < 0 ? 0 - (uint64_t)v.u.i : (uint64_t)v.u.i;

        do
            digits[--at] = (char)('0' + rest % 10);
        while (rest /= 10);
        if (v.u.i < 0)
            digits[--at] = '-';
        memcpy(out, digits + at, sizeof digits - at);
        return tl_sv(out, sizeof digits - at);
    }
    if (v.type == JSON_DECIMAL && is_canonical(json_view(v)))
        return json_view(v);
    double d = jsonata_double(v);

    if (!isfinite(d))
        return tl_sv(out, 0);
    size_t n = jsonata_number_text(d, out);

    if (n > 15 && d != floor(d) && significant_digits(out, n) > 15)
        n = jsonata_number_text(cut_to_15(d), out);
    cut.n = (uint32_t)n;
    if (v.type != JSON_DECIMAL || fabs(d) < 9007199254740992.0 || json_number_cmp(v, cut) == 0)
        return tl_sv(out, n);
    return json_view(v);
}

static void put_escaped(struct jsonata_out *o, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    const char *names = "\"\"\\\\\bb\ff\nn\rr\tt";

    for (const char *p = names; *p; p += 2)
        if ((unsigned char)*p == c) {
            jsonata_out_ascii(o, (const char[]){'\\', p[1]}, 2);
            return;
        }
    jsonata_out_ascii(o, (const char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

static void put_text(struct jsonata_out *o, struct json text)
{
    struct tl_sv s = json_view(text);
    size_t from = 0;

    jsonata_out_byte(o, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool lone = c == 0xed && i + 2 < s.n && (unsigned char)s.p[i + 1] >= 0xa0;

        if (c >= 0x20 && c != '"' && c != '\\' && !lone)
            continue;
        jsonata_out_put(o, tl_sv(s.p + from, i - from));
        if (lone) {
            char escaped[8];
            uint32_t cp;

            (void)jsonata_cp_at(s, i, &cp);
            (void)snprintf(escaped, sizeof escaped, "\\u%04x", cp & 0xffff);
            jsonata_out_ascii(o, escaped, 6);
            i += 2;
        } else {
            put_escaped(o, c);
        }
        from = i + 1;
    }
    jsonata_out_put(o, tl_sv(s.p + from, s.n - from));
    jsonata_out_byte(o, '"');
}

static void put_break(struct writer *w)
{
    if (!w->pretty)
        return;
    jsonata_out_byte(&w->o, '\n');
    for (int i = 0; i < w->depth; i++)
        jsonata_out_ascii(&w->o, "  ", 2);
}

static enum tl_rc put_value(struct writer *w, struct json v);

static enum tl_rc put_items(struct writer *w, struct json v)
{
    enum tl_rc rc = TL_OK;

    jsonata_out_byte(&w->o, '[');
    w->depth++;
    for (uint32_t i = 0; i < v.n && rc == TL_OK; i++) {
        if (i)
            jsonata_out_byte(&w->o, ',');
        put_break(w);
        rc = put_value(w, v.u.items[i]);
    }
    w->depth--;
    if (v.n)
        put_break(w);
    jsonata_out_byte(&w->o, ']');
    return rc;
}

static enum tl_rc put_members(struct writer *w, struct json v)
{
    const struct json_member *m = run_ordered_members(w->o.e, v); /* as JavaScript lists them: whole numbers first */
    enum tl_rc rc = TL_OK;
    bool first = true;

    if (!m && v.n)
        return jsonata_exhausted(w->o.e);
    jsonata_out_byte(&w->o, '{');
    w->depth++;
    for (uint32_t i = 0; i < v.n && rc == TL_OK; i++) {
        if (m[i].value.type == JSON_UNDEFINED)
            continue;
        if (!first)
            jsonata_out_byte(&w->o, ',');
        first = false;
        put_break(w);
        put_text(&w->o, m[i].key);
        jsonata_out_ascii(&w->o, ": ", w->pretty ? 2 : 1);
        rc = put_value(w, m[i].value);
    }
    w->depth--;
    if (!first)
        put_break(w);
    jsonata_out_byte(&w->o, '}');
    return rc;
}

static enum tl_rc put_value(struct writer *w, struct json v)
{
    char number[64];
    struct tl_sv text;
    enum tl_rc rc;

    switch ((enum json_type)v.type) {
    case JSON_UNDEFINED:
    case JSON_NULL:
        jsonata_out_ascii(&w->o, "null", 4);
        return TL_OK;
    case JSON_BOOL:
        jsonata_out_ascii(&w->o, v.u.b ? "true" : "false", v.u.b ? 4 : 5);
        return TL_OK;
    case JSON_INT:
    case JSON_DOUBLE:
    case JSON_DECIMAL:
        if (v.type == JSON_DOUBLE && isnan(v.u.d)) { /* inside, NaN is not "numeric": JSON.stringify's null */
            jsonata_out_ascii(&w->o, "null", 4);
            return TL_OK;
        }
        if (v.type != JSON_INT && isinf(jsonata_double(v)))
            return jsonata_raise(w->o.e, "D1001", v);
        text = number_text(v, number);
        if (text.n == 0)
            return jsonata_raise(w->o.e, "D3001", v);
        jsonata_out_ascii(&w->o, text.p, text.n);
        return TL_OK;
    case JSON_STRING:
        put_text(&w->o, v);
        return TL_OK;
    case JSON_ARRAY:
    case JSON_OBJECT:
        rc = w->depth > 2000 ? jsonata_exhausted(w->o.e) : jsonata_tick(w->o.e, v.n);
        if (rc != TL_OK)
            return rc;
        return v.type == JSON_ARRAY ? put_items(w, v) : put_members(w, v);
    case JSON_EXT:
        jsonata_out_ascii(&w->o, "\"\"", 2);
        return TL_OK;
    }
    return TL_OK;
}

enum tl_rc jsonata_to_string(struct jsonata_eval *e, struct json v, bool pretty, struct json *ret)
{
    struct writer w = {.pretty = pretty};
    char number[64];
    struct tl_sv text;
    enum tl_rc rc;

    if (v.type == JSON_ARRAY && (v.flags & V_F_OUTER) && v.n) /* the sequence around the input is not part of it */
        v = v.u.items[0];
    if (v.type == JSON_STRING) {
        *ret = v;
        return TL_OK;
    }
    if (v.type == JSON_EXT || v.type == JSON_UNDEFINED) {
        *ret = jsonata_text("", 0, JSON_F_ASCII | JSON_F_PLAIN);
        return TL_OK;
    }
    if (json_is_number(v)) {
        text = number_text(v, number);
        if (text.n == 0)
            return jsonata_raise(e, "D3001", v);
        char *p = jsonata_alloc_text(e, text.n);

        if (!p)
            return jsonata_exhausted(e);
        memcpy(p, text.p, text.n);
        *ret = jsonata_text(p, text.n, JSON_F_ASCII | JSON_F_PLAIN);
        return TL_OK;
    }
    jsonata_out_begin(&w.o, e, 64);
    rc = put_value(&w, v);
    return rc == TL_OK ? jsonata_out_end(&w.o, ret) : rc;
}
