/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iso8601.c - $toMillis without a picture: the shape that the language wants, with the meaning of Date.parse.
 * Where V8 would fall back to guessing (a fraction without a time) the answer is NaN, as for impossible dates.
 */
#include "jsonata/functions/functions_int.h"

struct cursor {
    const char *p, *end;
};

/* n digits, the first at most `first`; -1: not so. */
static int digits(struct cursor *c, int n, char first)
{
    int v = 0;

    if (c->end - c->p < n || c->p[0] > first)
        return -1;
    for (int i = 0; i < n; i++) {
        if (c->p[i] < '0' || c->p[i] > '9')
            return -1;
        v = v * 10 + (c->p[i] - '0');
    }
    c->p += n;
    return v;
}

static bool take(struct cursor *c, char ch)
{
    if (c->p == c->end || *c->p != ch)
        return false;
    c->p++;
    return true;
}

struct stamp {
    int month, day, hour, minute, second, ms, zone; /* zone in minutes */
    bool time, fraction, offset, utc;
};

/* "-MM" or "-DD": only taken when all of it is there, as an optional group of a pattern is. */
static int dashed(struct cursor *c, char first)
{
    struct cursor at = *c;
    int v = take(&at, '-') ? digits(&at, 2, first) : -1;

    if (v >= 0)
        *c = at;
    return v;
}

static void read_time(struct cursor *c, struct stamp *s)
{
    struct cursor at = *c;
    int h, m, sec;

    if (take(&at, 'T') && (h = digits(&at, 2, '2')) >= 0 && take(&at, ':') && (m = digits(&at, 2, '5')) >= 0 &&
        take(&at, ':') && (sec = digits(&at, 2, '5')) >= 0) {
        s->hour = h;
        s->minute = m;
        s->second = sec;
        s->time = true;
        *c = at;
    }
}

static bool read_fraction(struct cursor *c, struct stamp *s)
{
    int scale = 100;

    if (!take(c, '.'))
        return true;
    if (c->p == c->end || *c->p < '0' || *c->p > '9')
        return false;
    for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++, scale /= 10)
        s->ms += (*c->p - '0') * scale;
    s->fraction = true;
    return true;
}

static bool read_zone(struct cursor *c, struct stamp *s)
{
    if (take(c, 'Z')) {
        s->utc = true;
    } else if (c->p < c->end && (*c->p == '+' || *c->p == '-')) {
        int sign = *c->p++ == '-' ? -1 : 1, h = digits(c, 2, '2'), m;

        if (h < 0)
            return false;
        (void)take(c, ':');
        m = digits(c, 2, '5');
        if (m < 0)
            return false;
        s->zone = sign * (h * 60 + m);
        s->offset = true;
        if (h > 23)
            s->month = 0; /* no such zone: not a time */
    }
    return c->p == c->end;
}

bool jsonata_iso8601_parse(struct tl_sv text, double *ret)
{
    struct cursor c = {text.p, text.p + text.n};
    struct stamp s = {.month = 1, .day = 1};
    int year = digits(&c, 4, '9'), v;

    if (year < 0)
        return false;
    if ((v = dashed(&c, '1')) >= 0) {
        s.month = v;
        /* A pattern would let "-DD" match alone too, when "-MM" cannot. */
        if ((v = dashed(&c, '3')) >= 0)
            s.day = v;
    } else if ((v = dashed(&c, '3')) >= 0) {
        s.month = v;
    }
    read_time(&c, &s);
    if (!read_fraction(&c, &s) || !read_zone(&c, &s))
        return false;
    if (s.month < 1 || s.month > 12 || s.day < 1 || s.day > 31 || s.hour > 24 ||
        (s.hour == 24 && (s.minute || s.second || s.ms)) || (!s.time && (s.fraction || s.offset))) {
        *ret = JSONATA_NAN;
        return true;
    }
    double days = (double)(tl_days_from_civil(year, s.month, 1) + s.day - 1);

    *ret = days * 86400000.0 + s.hour * 3600000.0 + (s.minute - s.zone) * 60000.0 + s.second * 1000.0 + s.ms;
    return true;
}
