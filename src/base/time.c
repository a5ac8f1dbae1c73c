/* SPDX-License-Identifier: Apache-2.0 */
/* time.c - the calendar, and the spellings of times, durations and sizes. */
#include "base/clock.h"

#include <stdio.h>

enum { DAY_MS = 86400000 };

/* Days are counted in 400-year eras that begin on 1 March, so that the leap day comes last. */
int64_t tl_days_from_civil(int64_t year, int32_t month, int32_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

void tl_civil_from_days(int64_t days, int32_t *ret_year, int32_t *ret_month, int32_t *ret_day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t mp = (5 * day_of_year + 2) / 153;

    *ret_day = (int32_t)(day_of_year - (153 * mp + 2) / 5 + 1);
    *ret_month = (int32_t)(mp < 10 ? mp + 3 : mp - 9);
    *ret_year = (int32_t)(year_of_era + era * 400 + (*ret_month <= 2));
}

int64_t tl_civil_to_ms(const struct tl_civil *c)
{
    return tl_days_from_civil(c->year, c->month, c->day) * DAY_MS + c->hour * 3600000LL + c->minute * 60000LL +
           c->second * 1000LL + c->ms;
}

void tl_civil_from_ms(int64_t ms, struct tl_civil *ret)
{
    int64_t days = ms / DAY_MS, rest = ms % DAY_MS;

    if (rest < 0) {
        rest += DAY_MS;
        days--;
    }
    tl_civil_from_days(days, &ret->year, &ret->month, &ret->day);
    ret->hour = (int32_t)(rest / 3600000);
    ret->minute = (int32_t)(rest / 60000 % 60);
    ret->second = (int32_t)(rest / 1000 % 60);
    ret->ms = (int32_t)(rest % 1000);
}

char *tl_time_format(int64_t ms, char *buf)
{
    struct tl_civil c;

    tl_civil_from_ms(ms, &c);
    snprintf(buf, TL_TIME_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year, c.month, c.day, c.hour, c.minute,
             c.second, c.ms);
    return buf;
}

/* Cut exactly n digits off the front. */
static bool digits(struct tl_sv *s, size_t n, int32_t *ret)
{
    uint64_t v;

    if (s->n < n || !tl_sv_u64(tl_sv(s->p, n), &v))
        return false;
    *ret = (int32_t)v;
    *s = tl_sv_from(*s, n);
    return true;
}

static bool literal(struct tl_sv *s, const char *choices)
{
    if (s->n == 0 || !strchr(choices, s->p[0]))
        return false;
    *s = tl_sv_from(*s, 1);
    return true;
}

static int32_t days_in_month(int32_t year, int32_t month)
{
    return (int32_t)(tl_days_from_civil(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) -
                     tl_days_from_civil(year, month, 1));
}

static bool civil_is_valid(const struct tl_civil *c)
{
    return c->month >= 1 && c->month <= 12 && c->day >= 1 && c->day <= days_in_month(c->year, c->month) &&
           c->hour < 24 && c->minute < 60 && c->second <= 60;
}

static bool parse_offset(struct tl_sv *s, int32_t *ret_minutes)
{
    int32_t hours, minutes, sign = s->n && s->p[0] == '-' ? -1 : 1;

    *ret_minutes = 0;
    if (literal(s, "Zz"))
        return true;
    if (!literal(s, "+-") || !digits(s, 2, &hours) || !literal(s, ":") || !digits(s, 2, &minutes) || hours > 23 ||
        minutes > 59)
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

bool tl_time_parse(struct tl_sv s, int64_t *ret_ms)
{
    struct tl_civil c = {0};
    int32_t offset, scale = 100;

    if (!digits(&s, 4, &c.year) || !literal(&s, "-") || !digits(&s, 2, &c.month) || !literal(&s, "-") ||
        !digits(&s, 2, &c.day) || !literal(&s, "Tt ") || !digits(&s, 2, &c.hour) || !literal(&s, ":") ||
        !digits(&s, 2, &c.minute) || !literal(&s, ":") || !digits(&s, 2, &c.second))
        return false;
    if (literal(&s, ".")) {
        int32_t digit;

        if (s.n == 0 || s.p[0] < '0' || s.p[0] > '9')
            return false;
        for (; digits(&s, 1, &digit); scale /= 10)
            c.ms += digit * scale;
    }
    if (!parse_offset(&s, &offset) || s.n || !civil_is_valid(&c))
        return false;
    *ret_ms = tl_civil_to_ms(&c) - offset * 60000LL;
    return true;
}

static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char weekdays[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"}; /* 1970-01-01 was a Thursday */

char *tl_http_date_format(int64_t ms, char *buf)
{
    struct tl_civil c;
    int64_t days = ms / DAY_MS - (ms % DAY_MS < 0);

    tl_civil_from_ms(ms, &c);
    snprintf(buf, TL_TIME_TEXT, "%s, %02d %s %04d %02d:%02d:%02d GMT", weekdays[(days % 7 + 7) % 7], c.day,
             months[c.month - 1], c.year, c.hour, c.minute, c.second);
    return buf;
}

static bool month_name(struct tl_sv *s, int32_t *ret_month)
{
    for (int32_t m = 0; m < 12; m++) {
        if (tl_sv_starts(*s, tl_sv(months[m], 3))) {
            *ret_month = m + 1;
            *s = tl_sv_from(*s, 3);
            return true;
        }
    }
    return false;
}

static bool clock_time(struct tl_sv *s, struct tl_civil *c)
{
    return digits(s, 2, &c->hour) && literal(s, ":") && digits(s, 2, &c->minute) && literal(s, ":") &&
           digits(s, 2, &c->second);
}

/* RFC 9110 5.6.7: IMF-fixdate, RFC 850 and asctime forms. */
bool tl_http_date_parse(struct tl_sv s, int64_t *ret_ms)
{
    struct tl_civil c = {0};
    size_t comma = tl_sv_find(s, ',');
    bool ok;

    if (comma < s.n) {
        s = tl_sv_trim(tl_sv_from(s, comma + 1));
        ok = digits(&s, 2, &c.day) && literal(&s, " -") && month_name(&s, &c.month) && literal(&s, " -");
        if (ok && s.n > 4 && s.p[2] == ' ') { /* RFC 850: two digits; more than 50 years ahead means the past */
            ok = digits(&s, 2, &c.year);
            c.year += c.year < 70 ? 2000 : 1900;
        } else {
            ok = ok && digits(&s, 4, &c.year);
        }
        ok = ok && literal(&s, " ") && clock_time(&s, &c) && tl_sv_eqs(s, " GMT");
    } else {
        s = tl_sv_from(s, 4);
        ok = month_name(&s, &c.month) && literal(&s, " ");
        ok = ok && (literal(&s, " ") ? digits(&s, 1, &c.day) : digits(&s, 2, &c.day)) && literal(&s, " ") &&
             clock_time(&s, &c) && literal(&s, " ") && digits(&s, 4, &c.year) && s.n == 0;
    }
    if (!ok || !civil_is_valid(&c))
        return false;
    *ret_ms = tl_civil_to_ms(&c);
    return true;
}

static const struct {
    const char *name;
    int64_t ms;
} units[] = {{"ms", 1}, {"d", DAY_MS}, {"h", 3600000}, {"m", 60000}, {"s", 1000}};

bool tl_duration_parse(struct tl_sv s, int64_t *ret_ms)
{
    int64_t total = 0;

    if (s.n == 0)
        return false;
    while (s.n) {
        size_t n = 0, u;
        uint64_t count;
        int64_t part;

        while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
            n++;
        if (!tl_sv_u64(tl_sv(s.p, n), &count) || count > INT64_MAX)
            return false;
        s = tl_sv_from(s, n);
        for (u = 0; u < TL_COUNT(units) && !tl_sv_starts(s, tl_sv_str(units[u].name)); u++)
            ;
        if (u == TL_COUNT(units) || __builtin_mul_overflow((int64_t)count, units[u].ms, &part) ||
            __builtin_add_overflow(total, part, &total))
            return false;
        s = tl_sv_from(s, strlen(units[u].name));
    }
    *ret_ms = total;
    return true;
}

char *tl_duration_format(int64_t ms, char *buf)
{
    static const size_t order[] = {1, 2, 3, 4, 0};
    char *p = buf;

    if (ms == 0) {
        memcpy(buf, "0s", 3);
        return buf;
    }
    for (size_t i = 0; i < TL_COUNT(order); i++) {
        int64_t count = ms / units[order[i]].ms;

        if (count) {
            p += snprintf(p, 32 - (size_t)(p - buf), "%lld%s", (long long)count, units[order[i]].name);
            ms -= count * units[order[i]].ms;
        }
    }
    return buf;
}

bool tl_size_parse(struct tl_sv s, uint64_t *ret_bytes)
{
    static const char *const names[] = {"KB", "MB", "GB", "TB"};
    uint64_t v, factor = 1;

    if (tl_sv_ends(s, TL_SV("B"))) {
        bool known = false;

        for (size_t i = 0; i < TL_COUNT(names) && !known; i++) {
            factor *= 1024;
            known = tl_sv_ends(s, tl_sv_str(names[i]));
        }
        if (known)
            s.n -= 2;
        else {
            factor = 1;
            s.n -= 1;
        }
    }
    if (!tl_sv_u64(s, &v) || __builtin_mul_overflow(v, factor, &v))
        return false;
    *ret_bytes = v;
    return true;
}

char *tl_size_format(uint64_t bytes, char *buf)
{
    static const char *const names[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
    double v = (double)bytes;
    size_t i = 0;

    while (v >= 1024 && i + 1 < TL_COUNT(names)) {
        v /= 1024;
        i++;
    }
    snprintf(buf, 32, i && v < 100 ? "%.1f %s" : "%.0f %s", v, names[i]);
    return buf;
}
