/* SPDX-License-Identifier: Apache-2.0 */
/* number.c - decimal text to double and back, correctly rounded both ways, and comparison by value of any length. */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "json/json_int.h"

static const double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                       1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Exponents are clamped here: far beyond any double and far from overflow. */
#define EXPONENT_CLAMP 1000000000

static int64_t exponent_of(const char *p, const char *end)
{
    bool negative = false;
    int64_t e = 0;

    if (p < end && (*p == '+' || *p == '-'))
        negative = *p++ == '-';
    for (; p < end; p++)
        if (e < EXPONENT_CLAMP)
            e = e * 10 + (*p - '0');
    if (e > EXPONENT_CLAMP)
        e = EXPONENT_CLAMP;
    return negative ? -e : e;
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

void json_digits_of(struct tl_sv text, struct json_digits *ret)
{
    const char *p = text.p, *end = text.p + text.n;
    size_t total, last;

    *ret = (struct json_digits){0};
    if (p < end && *p == '-') {
        ret->negative = true;
        p++;
    }
    ret->whole = p;
    while (p < end && is_digit(*p))
        p++;
    ret->whole_n = (size_t)(p - ret->whole);
    total = ret->whole_n;
    if (p < end && *p == '.') {
        const char *fraction = ++p;

        while (p < end && is_digit(*p))
            p++;
        total += (size_t)(p - fraction);
    }
    while (ret->first < total && json_digit(ret, 0) == '0')
        ret->first++;
    last = total - ret->first;
    while (last > 0 && json_digit(ret, last - 1) == '0')
        last--;
    ret->count = last;
    if (last == 0)
        return;
    ret->point = (int64_t)ret->whole_n - (int64_t)ret->first;
    if (p < end && (*p == 'e' || *p == 'E'))
        ret->point += exponent_of(p + 1, end);
}

static double strtod_c(const char *text)
{
    /* glibc and musl hand out a static object for "C": this allocates nothing. */
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double d;

    if (c == (locale_t)0)
        return 0;
    d = strtod_l(text, NULL, c);
    freelocale(c);
    return d;
}

/* Beyond 768 significant digits only "is there anything left" matters to the rounding of a double. */
#define DIGITS_ENOUGH 780

static double slow_double(const struct json_digits *d)
{
    char text[DIGITS_ENOUGH + 40];
    size_t n = 0, keep = d->count < DIGITS_ENOUGH ? d->count : DIGITS_ENOUGH;

    if (d->negative)
        text[n++] = '-';
    text[n++] = '.';
    for (size_t i = 0; i < keep; i++)
        text[n++] = json_digit(d, i);
    if (keep < d->count)
        text[n++] = '1';
    (void)snprintf(text + n, sizeof(text) - n, "e%lld", (long long)d->point);
    return strtod_c(text);
}

/* "-123.45": at most 15 digits in all and no exponent. False: not of that kind. */
static bool plain_decimal(struct tl_sv text, double *ret)
{
    const char *p = text.p, *end = text.p + text.n, *dot = NULL;
    uint64_t w = 0;
    bool negative = p < end && *p == '-';

    p += negative;
    if (end - p > 16)
        return false;
    for (; p < end; p++) {
        if (is_digit(*p))
            w = w * 10 + (uint64_t)(*p - '0');
        else if (*p == '.' && !dot)
            dot = p + 1;
        else
            return false;
    }
    if (!dot)
        return false;
    *ret = (double)w / powers_of_ten[end - dot]; /* both exact: rounded once */
    if (negative)
        *ret = -*ret;
    return true;
}

double json_decimal_double(struct tl_sv text)
{
    struct json_digits d;
    uint64_t w = 0;
    double r;
    int64_t e;

    if (plain_decimal(text, &r))
        return r;
    json_digits_of(text, &d);
    if (d.count == 0)
        return d.negative ? -0.0 : 0.0;
    e = d.point - (int64_t)d.count;
    /* Clinger: an exact integer times or over an exact power of ten is rounded once. */
    if (d.count <= 19 && e >= -22 && e <= 22) {
        for (size_t i = 0; i < d.count; i++)
            w = w * 10 + (uint64_t)(json_digit(&d, i) - '0');
        if (w <= 1ull << 53) {
            r = e < 0 ? (double)w / powers_of_ten[-e] : (double)w * powers_of_ten[e];
            return d.negative ? -r : r;
        }
    }
    if (d.point > 400)
        return d.negative ? -HUGE_VAL : HUGE_VAL;
    if (d.point < -400)
        return d.negative ? -0.0 : 0.0;
    return slow_double(&d);
}

double json_number(struct json v)
{
    if (v.type == JSON_INT)
        return (double)v.u.i;
    if (v.type == JSON_DOUBLE)
        return v.u.d;
    return v.type == JSON_DECIMAL ? json_decimal_double(json_view(v)) : 0;
}

static bool digits_int64(const struct json_digits *d, int64_t *ret)
{
    uint64_t w = 0;

    if (d->count == 0) {
        *ret = 0;
        return true;
    }
    if (d->point < (int64_t)d->count || d->point > 19)
        return false;
    for (int64_t i = 0; i < d->point; i++)
        w = w * 10 + (i < (int64_t)d->count ? (uint64_t)(json_digit(d, (size_t)i) - '0') : 0);
    if (w > (uint64_t)INT64_MAX + (d->negative ? 1 : 0))
        return false;
    *ret = d->negative ? (int64_t)(0 - w) : (int64_t)w;
    return true;
}

bool json_int64(struct json v, int64_t *ret)
{
    struct json_digits d;

    if (v.type == JSON_INT) {
        *ret = v.u.i;
        return true;
    }
    if (v.type == JSON_DOUBLE) {
        if (!(v.u.d >= -9223372036854775808.0 && v.u.d < 9223372036854775808.0) || v.u.d != floor(v.u.d))
            return false;
        *ret = (int64_t)v.u.d;
        return true;
    }
    if (v.type != JSON_DECIMAL)
        return false;
    json_digits_of(json_view(v), &d);
    return digits_int64(&d, ret);
}

static int compare_magnitude(const struct json_digits *a, const struct json_digits *b)
{
    size_t n = a->count < b->count ? a->count : b->count;

    if (a->point != b->point)
        return a->point < b->point ? -1 : 1;
    for (size_t i = 0; i < n; i++) {
        char x = json_digit(a, i), y = json_digit(b, i);

        if (x != y)
            return x < y ? -1 : 1;
    }
    return a->count == b->count ? 0 : a->count < b->count ? -1 : 1;
}

static int compare_digits(const struct json_digits *a, const struct json_digits *b)
{
    int m;

    if (a->count == 0 || b->count == 0) {
        if (a->count == b->count)
            return 0;
        if (a->count == 0)
            return b->negative ? 1 : -1;
        return a->negative ? -1 : 1;
    }
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    m = compare_magnitude(a, b);
    return a->negative ? -m : m;
}

static struct tl_sv spelling(struct json v, char *room)
{
    if (v.type == JSON_INT)
        return tl_sv(room, json_format_int(v.u.i, room));
    return json_view(v);
}

int json_number_cmp(struct json a, struct json b)
{
    char ra[24], rb[24];
    struct json_digits da, db;

    if (a.type == JSON_INT && b.type == JSON_INT)
        return a.u.i < b.u.i ? -1 : a.u.i > b.u.i;
    if (a.type == JSON_DOUBLE || b.type == JSON_DOUBLE) {
        double x = json_number(a), y = json_number(b);

        return x < y ? -1 : x > y;
    }
    json_digits_of(spelling(a, ra), &da);
    json_digits_of(spelling(b, rb), &db);
    return compare_digits(&da, &db);
}

/* ---- double to text ---- */

size_t json_format_int(int64_t i, char *out)
{
    static const char pairs[] =
        "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
        "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    char text[20];
    size_t at = sizeof(text), n = 0;

    while (u >= 100) {
        uint64_t q = u / 100;

        at -= 2;
        memcpy(text + at, pairs + (u - q * 100) * 2, 2);
        u = q;
    }
    if (u >= 10) {
        at -= 2;
        memcpy(text + at, pairs + u * 2, 2);
    } else {
        text[--at] = (char)('0' + u);
    }
    if (i < 0)
        out[n++] = '-';
    memcpy(out + n, text + at, sizeof(text) - at);
    return n + sizeof(text) - at;
}

/* ECMA-262 Number::toString: where the digits of 0.d1d2... x 10^point and the dot go. */
static size_t lay_out(const char *digits, int n, int point, bool negative, char *out)
{
    char *o = out;

    if (negative)
        *o++ = '-';
    if (point > 0 && point <= 21) {
        for (int i = 0; i < point || i < n; i++) {
            if (i == point)
                *o++ = '.';
            *o++ = i < n ? digits[i] : '0';
        }
    } else if (point > -6 && point <= 0) {
        *o++ = '0';
        *o++ = '.';
        for (int i = point; i < 0; i++)
            *o++ = '0';
        memcpy(o, digits, (size_t)n);
        o += n;
    } else {
        int e = point - 1;

        *o++ = digits[0];
        if (n > 1) {
            *o++ = '.';
            memcpy(o, digits + 1, (size_t)n - 1);
            o += n - 1;
        }
        *o++ = 'e';
        *o++ = e < 0 ? '-' : '+';
        o += json_format_int(e < 0 ? -e : e, o);
    }
    return (size_t)(o - out);
}

/* An integer below 10^15 over a small power of ten: unique at that length, and division rounds once. */
static size_t short_decimal(double magnitude, bool negative, char *out)
{
    char text[24];

    if (!(magnitude >= 1e-6 && magnitude < 1e12))
        return 0;
    for (int k = 1; k <= 6; k++) {
        double scaled = magnitude * powers_of_ten[k], whole;

        if (scaled >= 1e15)
            return 0;
        whole = (double)(int64_t)(scaled + 0.5);
        if (whole / powers_of_ten[k] == magnitude) {
            int n = (int)json_format_int((int64_t)whole, text), point = n - k;

            while (n > 1 && text[n - 1] == '0')
                n--;
            return lay_out(text, n, point, negative, out);
        }
    }
    return 0;
}

static double read_back(const char *digits, int n, int exponent)
{
    char text[40];

    (void)snprintf(text, sizeof(text), "%.*se%d", n, digits, exponent - n + 1);
    return strtod_c(text);
}

/* The digits of printf's %e without its dot, which depends on the locale. */
static int digits_at(double magnitude, int precision, char *digits, int *ret_exponent)
{
    char text[48];
    int n = 0;
    const char *p = text;

    (void)snprintf(text, sizeof(text), "%.*e", precision - 1, magnitude);
    for (; *p && *p != 'e'; p++)
        if (is_digit(*p))
            digits[n++] = *p;
    *ret_exponent = (int)exponent_of(*p ? p + 1 : p, text + strlen(text));
    return n;
}

/* Below a power of two the neighbours are half as far: the shortest text may be the next one up from the nearest. */
static bool next_up_reads_back(double magnitude, char *digits, int n, int exponent)
{
    char up[24];
    int i = n - 1;

    memcpy(up, digits, (size_t)n);
    while (i >= 0 && up[i] == '9')
        up[i--] = '0';
    if (i < 0)
        return false;
    up[i]++;
    if (read_back(up, n, exponent) != magnitude)
        return false;
    memcpy(digits, up, (size_t)n);
    return true;
}

size_t json_format_double(double d, char *out)
{
    char digits[24];
    bool negative = d < 0;
    double magnitude = fabs(d);
    int n = 0, exponent = 0, unused;
    size_t written;

    if (d == 0) {
        out[0] = '0';
        return 1;
    }
    if (!isfinite(d)) {
        memcpy(out, "null", 4);
        return 4;
    }
    if (magnitude < 9007199254740992.0 && magnitude == (double)(int64_t)magnitude)
        return json_format_int((int64_t)d, out);
    written = short_decimal(magnitude, negative, out);
    if (written > 0)
        return written;
    /* Fifteen digits identify every normal double that has so short a text; subnormal ones have fewer. */
    for (int precision = magnitude < 2.3e-308 ? 1 : 15; precision <= 17; precision++) {
        n = digits_at(magnitude, precision, digits, &exponent);
        if (precision == 17 || read_back(digits, n, exponent) == magnitude)
            break;
        if (frexp(magnitude, &unused) == 0.5 && next_up_reads_back(magnitude, digits, n, exponent))
            break;
    }
    while (n > 1 && digits[n - 1] == '0')
        n--;
    return lay_out(digits, n, exponent + 1, negative, out);
}
