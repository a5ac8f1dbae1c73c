/* SPDX-License-Identifier: Apache-2.0 */
/* format.c - the named formats of JSON Schema validation section 7.3: times, pointers, identifiers. */
#include "json/schema/schema_int.h"

static bool digit(struct tl_sv s, size_t i)
{
    return i < s.n && s.p[i] >= '0' && s.p[i] <= '9';
}

static int two(struct tl_sv s, size_t i)
{
    return digit(s, i) && digit(s, i + 1) ? (s.p[i] - '0') * 10 + s.p[i + 1] - '0' : -1;
}

static bool is(struct tl_sv s, size_t i, char c)
{
    return i < s.n && s.p[i] == c;
}

/* RFC 3339 full-date. */
bool format_date(struct tl_sv s)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int century = two(s, 0), rest = two(s, 2), month = two(s, 5), day = two(s, 8), year;

    if (s.n != 10 || century < 0 || rest < 0 || !is(s, 4, '-') || !is(s, 7, '-') || month < 1 || month > 12 || day < 1)
        return false;
    year = century * 100 + rest;
    if (month == 2 && day == 29)
        return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1];
}

/* RFC 3339 full-time; second 60 only where it is 23:59:60 in UTC. */
bool format_time(struct tl_sv s)
{
    int hour = two(s, 0), minute = two(s, 3), second = two(s, 6), oh = 0, om = 0, utc;
    size_t i = 8;
    bool minus;

    if (hour < 0 || hour > 23 || !is(s, 2, ':') || minute < 0 || minute > 59 || !is(s, 5, ':') || second < 0 ||
        second > 60)
        return false;
    if (is(s, i, '.')) {
        if (!digit(s, ++i))
            return false;
        while (digit(s, i))
            i++;
    }
    if (i >= s.n)
        return false;
    minus = s.p[i] == '-';
    if ((s.p[i] | 0x20) == 'z') {
        i++;
    } else if (s.p[i] == '+' || minus) {
        oh = two(s, i + 1);
        om = two(s, i + 4);
        if (oh < 0 || oh > 23 || om < 0 || om > 59 || !is(s, i + 3, ':'))
            return false;
        i += 6;
    } else {
        return false;
    }
    utc = hour * 60 + minute + (minus ? 1 : -1) * (oh * 60 + om);
    return i == s.n && (second < 60 || (utc + 1440) % 1440 == 1439);
}

bool format_date_time(struct tl_sv s)
{
    return s.n > 11 && (s.p[10] | 0x20) == 't' && format_date(tl_sv(s.p, 10)) && format_time(tl_sv_from(s, 11));
}

/* RFC 3339 appendix A: units in order without gaps of meaning, weeks alone. */
bool format_duration(struct tl_sv s)
{
    static const char date[] = "YMD", time[] = "HMS";
    const char *units = date, *last = NULL;
    size_t i = 1;

    if (!is(s, 0, 'P') || s.n < 3)
        return false;
    while (i < s.n) {
        const char *unit;
        size_t from = i;

        if (is(s, i, 'T')) {
            if (units == time || i + 1 == s.n)
                return false;
            units = time;
            last = NULL;
            i++;
            continue;
        }
        while (digit(s, i))
            i++;
        if (i == from || i == s.n)
            return false;
        if (s.p[i] == 'W')
            return from == 1 && i + 1 == s.n;
        unit = strchr(units, s.p[i]);
        if (!unit || (last && unit != last + 1)) /* dur-year = nY [dur-month]: no unit is passed over */
            return false;
        last = unit;
        i++;
    }
    return true;
}

static bool format_uuid(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? s.p[i] != '-' : !digit(s, i) && !((s.p[i] | 0x20) >= 'a' && (s.p[i] | 0x20) <= 'f'))
            return false;
    }
    return s.n == 36;
}

static bool format_pointer(struct tl_sv s)
{
    if (s.n > 0 && s.p[0] != '/')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '~' && !is(s, i + 1, '0') && !is(s, i + 1, '1'))
            return false;
    return true;
}

static bool format_relative_pointer(struct tl_sv s)
{
    size_t i = 0;

    while (digit(s, i))
        i++;
    if (i == 0 || (i > 1 && s.p[0] == '0'))
        return false;
    return (is(s, i, '#') && i + 1 == s.n) || format_pointer(tl_sv_from(s, i));
}

static bool uri(struct tl_sv s)
{
    return format_uri(s, false, false);
}
static bool uri_reference(struct tl_sv s)
{
    return format_uri(s, true, false);
}
static bool iri(struct tl_sv s)
{
    return format_uri(s, false, true);
}
static bool iri_reference(struct tl_sv s)
{
    return format_uri(s, true, true);
}
static bool email(struct tl_sv s)
{
    return format_email(s, false);
}
static bool idn_email(struct tl_sv s)
{
    return format_email(s, true);
}

bool json_schema_format(struct tl_sv format, struct tl_sv text)
{
    static const struct {
        const char *name;
        bool (*check)(struct tl_sv);
    } table[] = {
        {"date", format_date},
        {"time", format_time},
        {"date-time", format_date_time},
        {"duration", format_duration},
        {"uuid", format_uuid},
        {"json-pointer", format_pointer},
        {"relative-json-pointer", format_relative_pointer},
        {"regex", pattern_valid},
        {"uri", uri},
        {"uri-reference", uri_reference},
        {"iri", iri},
        {"iri-reference", iri_reference},
        {"uri-template", format_uri_template},
        {"ipv4", format_ipv4},
        {"ipv6", format_ipv6},
        {"hostname", format_hostname},
        {"idn-hostname", format_idn_hostname},
        {"email", email},
        {"idn-email", idn_email},
    };

    for (size_t i = 0; i < TL_COUNT(table); i++)
        if (tl_sv_eqs(format, table[i].name))
            return table[i].check(text);
    return true;
}
