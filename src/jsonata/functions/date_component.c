/* SPDX-License-Identifier: Apache-2.0 */
/* date_component.c - calendar arithmetic in the terms of the pictures: components, weeks, Date.UTC. */
#include "jsonata/functions/functions_int.h"

#define MS_A_DAY 86400000.0
#define MS_LIMIT 8.64e15 /* ECMA-262 21.4.1.1 */

double jsonata_date_utc(double year, double month, double day, double hour, double minute, double second, double ms)
{
    double all = year + month + day + hour + minute + second + ms;

    if (!isfinite(all) || fabs(year) > 400000 || fabs(month) > 5e6)
        return JSONATA_NAN;
    year = trunc(year);
    month = trunc(month);
    if (year >= 0 && year <= 99)
        year += 1900;
    double carried = floor(month / 12);
    double days = (double)tl_days_from_civil((int64_t)(year + carried), (int32_t)(month - carried * 12) + 1, 1);
    double t = (days + trunc(day) - 1) * MS_A_DAY + trunc(hour) * 3600000.0 + trunc(minute) * 60000.0 +
               trunc(second) * 1000.0 + trunc(ms);

    return fabs(t) <= MS_LIMIT ? t : JSONATA_NAN;
}

static int week_day(double midnight) /* 1 Monday ... 7 Sunday */
{
    double since = fmod(midnight / MS_A_DAY + 3, 7); /* 1970-01-01 was a Thursday */

    return (int)(since < 0 ? since + 7 : since) + 1;
}

/* Weeks begin on Monday; the first of a year or month is the one that holds its first Thursday (ISO 8601). */
static double first_week(double year, int month)
{
    double first = jsonata_date_utc(year, month, 1, 0, 0, 0, 0);
    int day = week_day(first);

    return day > 4 ? first + (8 - day) * MS_A_DAY : first - (day - 1) * MS_A_DAY;
}

static double weeks_between(double start, double end)
{
    return (end - start) / (MS_A_DAY * 7) + 1;
}

static double week_of_year(const struct tl_civil *c)
{
    double today = jsonata_date_utc(c->year, c->month - 1, c->day, 0, 0, 0, 0);
    double week = weeks_between(first_week(c->year, 0), today);

    if (week > 52) {
        if (today >= first_week(c->year + 1, 0))
            week = 1;
    } else if (week < 1) {
        week = weeks_between(first_week(c->year - 1, 0), today);
    }
    return floor(week);
}

static double first_week_of_month(const struct tl_civil *c, int delta)
{
    int month = c->month - 1 + delta;

    if (month < 0)
        return first_week(c->year - 1, 11);
    return month > 11 ? first_week(c->year + 1, 0) : first_week(c->year, month);
}

static double week_of_month(const struct tl_civil *c)
{
    double today = jsonata_date_utc(c->year, c->month - 1, c->day, 0, 0, 0, 0);
    double week = weeks_between(first_week_of_month(c, 0), today);

    if (week > 4) {
        if (today >= first_week_of_month(c, 1))
            week = 1;
    } else if (week < 1) {
        week = weeks_between(first_week_of_month(c, -1), today);
    }
    return floor(week);
}

static double week_year(const struct tl_civil *c, double ms)
{
    if (ms < first_week(c->year, 0))
        return c->year - 1;
    return ms >= first_week(c->year + 1, 0) ? c->year + 1 : c->year;
}

static double week_month(const struct tl_civil *c, double ms)
{
    if (ms < first_week_of_month(c, 0))
        return c->month == 1 ? 12 : c->month - 1;
    if (ms >= first_week_of_month(c, 1))
        return c->month == 12 ? 1 : c->month + 1;
    return c->month;
}

bool jsonata_civil(double ms, struct tl_civil *ret)
{
    if (!(fabs(ms) <= MS_LIMIT))
        return false;
    tl_civil_from_ms((int64_t)trunc(ms), ret);
    return true;
}

double jsonata_civil_component(const struct tl_civil *civil, double ms, uint32_t component)
{
    const struct tl_civil c = *civil;

    ms = trunc(ms);
    switch (component) {
    case 'Y':
        return c.year;
    case 'M':
        return c.month;
    case 'D':
        return c.day;
    case 'd':
        return (jsonata_date_utc(c.year, c.month - 1, c.day, 0, 0, 0, 0) - jsonata_date_utc(c.year, 0, 1, 0, 0, 0, 0)) /
                   MS_A_DAY +
               1;
    case 'F':
        return week_day(floor(ms / MS_A_DAY) * MS_A_DAY);
    case 'W':
        return week_of_year(&c);
    case 'w':
        return week_of_month(&c);
    case 'X':
        return week_year(&c, ms);
    case 'x':
        return week_month(&c, ms);
    case 'H':
        return c.hour;
    case 'h':
        return c.hour % 12 ? c.hour % 12 : 12;
    case 'P':
        return c.hour >= 12;
    case 'm':
        return c.minute;
    case 's':
        return c.second;
    case 'f':
        return c.ms;
    default:
        return JSONATA_NAN;
    }
}

double jsonata_date_component(double ms, uint32_t component)
{
    struct tl_civil c;

    return jsonata_civil(ms, &c) ? jsonata_civil_component(&c, ms, component) : JSONATA_NAN;
}
