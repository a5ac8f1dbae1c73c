/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cron.c - crontab(5) fields into bit sets, and the next moment that matches.
 * Schedules with a time of day are counted on the local calendar, so that each local time gives one moment; schedules
 * of every hour are counted on real time, so that no hour is missed or run twice in one minute.
 */
#include "config/cron.h"

#define DAY_MS INT64_C(86400000)
#define MINUTE_MS INT64_C(60000)
#define HORIZON_DAYS (12 * 366)

/* ---- parsing ---- */

struct part {
    const char *name;
    unsigned min, max;
    const char *const *names; /* of min, min + 1, ... */
    size_t n_names;
};

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

static const struct part parts[5] = {
    {"minute", 0, 59, NULL, 0},
    {"hour", 0, 23, NULL, 0},
    {"day of month", 1, 31, NULL, 0},
    {"month", 1, 12, month_names, TL_COUNT(month_names)},
    {"day of week", 0, 7, day_names, TL_COUNT(day_names)},
};

static bool value(const struct part *p, struct tl_sv s, unsigned *ret)
{
    uint64_t v;

    for (size_t i = 0; i < p->n_names; i++)
        if (tl_sv_eqi(s, tl_sv_str(p->names[i]))) {
            *ret = p->min + (unsigned)i;
            return true;
        }
    if (s.n == 0 || s.n > 3 || !tl_sv_u64(s, &v) || v < p->min || v > p->max)
        return false;
    *ret = (unsigned)v;
    return true;
}

static enum tl_rc bad_value(const struct part *p, struct tl_sv s, struct tl_err *err)
{
    const char *names = p->n_names == 12 ? " or a name from jan to dec"
                        : p->n_names     ? " or a name from sun to sat"
                                         : "";

    return tl_fail(err, TL_CONFIG, "the %s has \"%.*s\"; it must be from %u to %u%s", p->name, s.n < 20 ? (int)s.n : 20,
                   s.p, p->min, p->max, names);
}

static enum tl_rc item(const struct part *p, struct tl_sv s, uint64_t *bits, struct tl_err *err)
{
    size_t slash = tl_sv_find(s, '/');
    struct tl_sv span = tl_sv(s.p, slash), first;
    unsigned from, to;
    uint64_t step = 1;
    size_t dash = tl_sv_find(span, '-');

    first = tl_sv(span.p, dash);
    if (slash < s.n && (!tl_sv_u64(tl_sv_from(s, slash + 1), &step) || step == 0 || step > p->max))
        return tl_fail(err, TL_CONFIG, "the step after / in the %s must be a number from 1 to %u", p->name, p->max);
    if (tl_sv_eqs(span, "*")) {
        from = p->min;
        to = p->n_names == 7 ? 6 : p->max;
    } else if (!value(p, first, &from)) {
        return bad_value(p, first, err);
    } else if (dash == span.n) {
        if (slash < s.n)
            return tl_fail(err, TL_CONFIG, "the %s has a step without a range; write %u-%u/%llu", p->name, from, p->max,
                           (unsigned long long)step);
        to = from;
    } else if (!value(p, tl_sv_from(span, dash + 1), &to)) {
        return bad_value(p, tl_sv_from(span, dash + 1), err);
    } else if (p->n_names == 7 && to == 0 && from > 0) {
        to = 7; /* fri-sun */
    }
    if (from > to)
        return tl_fail(err, TL_CONFIG, "the range in the %s runs backwards (%u-%u); write it as two ranges", p->name,
                       from, to);
    for (uint64_t v = from; v <= to; v += step)
        *bits |= UINT64_C(1) << v;
    return TL_OK;
}

static enum tl_rc field(const struct part *p, struct tl_sv s, uint64_t *bits, struct tl_err *err)
{
    struct tl_sv one;
    enum tl_rc rc;

    for (size_t i = 0; i < s.n; i++)
        if (strchr("?#", s.p[i]))
            return tl_fail(err, TL_CONFIG, "\"%c\" in the %s belongs to another dialect of cron", s.p[i], p->name);
    while (tl_sv_cut(&s, ',', &one)) {
        rc = item(p, one, bits, err);
        if (rc != TL_OK)
            return rc;
    }
    return TL_OK;
}

static struct tl_sv shortcut(struct tl_sv s)
{
    static const char *const table[][2] = {
        {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
        {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@hourly", "0 * * * *"},
    };

    for (size_t i = 0; i < TL_COUNT(table); i++)
        if (tl_sv_eqi(s, tl_sv_str(table[i][0])))
            return tl_sv_str(table[i][1]);
    return TL_SV_NULL;
}

static enum tl_rc split(struct tl_sv s, struct tl_sv out[5], struct tl_err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n;) {
        size_t from = i;

        while (i < s.n && s.p[i] != ' ' && s.p[i] != '\t')
            i++;
        if (i > from && n < 5)
            out[n] = tl_sv(s.p + from, i - from);
        n += i > from;
        while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
            i++;
    }
    if (n == 6)
        return tl_fail(err, TL_CONFIG, "a schedule has five fields and this has six; seconds cannot be given");
    if (n != 5)
        return tl_fail(err, TL_CONFIG,
                       "a schedule has five fields (minute, hour, day of month, month, day of week), and this has %zu",
                       n);
    return TL_OK;
}

/* With a free weekday, some chosen month must have one of the chosen days. */
static bool can_happen(const struct config_cron *c)
{
    static const uint8_t longest[13] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (!c->any_weekday && !c->any_day)
        return true;
    for (unsigned m = 1; m <= 12; m++)
        if (c->months >> m & 1 && (c->days & ((UINT64_C(2) << longest[m]) - 1)) != 0)
            return true;
    return false;
}

enum tl_rc config_cron_parse(struct tl_sv text, struct config_cron *ret, struct tl_err *err)
{
    struct tl_sv s = tl_sv_trim(text), f[5] = {0};
    struct config_cron c = {0};
    uint64_t bits[5] = {0};
    enum tl_rc rc;

    if (s.n > 500)
        return tl_fail(err, TL_CONFIG, "the schedule is longer than 500 bytes");
    if (s.n && s.p[0] == '@') {
        s = shortcut(s);
        if (!s.p)
            return tl_fail(err, TL_CONFIG,
                           "the word after @ must be yearly, annually, monthly, weekly, daily, midnight "
                           "or hourly");
    }
    rc = split(s, f, err);
    for (size_t i = 0; rc == TL_OK && i < 5; i++)
        rc = field(&parts[i], f[i], &bits[i], err);
    if (rc != TL_OK)
        return rc;
    c.minutes = bits[0];
    c.hours = (uint32_t)bits[1];
    c.days = (uint32_t)bits[2];
    c.months = (uint16_t)bits[3];
    c.weekdays = (uint8_t)((bits[4] | bits[4] >> 7) & 0x7f);
    c.any_hour = c.hours == 0xffffff; /* however it is written: 0-23 is no other schedule than a star */
    c.any_day = f[2].p[0] == '*';
    c.any_weekday = f[4].p[0] == '*';
    if (!can_happen(&c))
        return tl_fail(err, TL_CONFIG, "no month of this schedule has that day, so it would never run");
    *ret = c;
    return TL_OK;
}

/* ---- the next moment ---- */

static bool day_matches(const struct config_cron *c, int64_t days)
{
    int32_t year, month, day;
    unsigned weekday = (unsigned)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    bool by_day, by_weekday;

    tl_civil_from_days(days, &year, &month, &day);
    if (!(c->months >> month & 1))
        return false;
    by_day = c->days >> day & 1;
    by_weekday = c->weekdays >> weekday & 1;
    return c->any_day || c->any_weekday ? by_day && by_weekday : by_day || by_weekday;
}

static int64_t local_days(const struct config_zone *z, int64_t utc_ms)
{
    struct tl_civil c;

    config_zone_local(z, utc_ms, &c);
    return tl_days_from_civil(c.year, c.month, c.day);
}

static int64_t moment(const struct config_zone *z, int64_t days, int32_t hour, int32_t minute)
{
    struct tl_civil c = {.hour = hour, .minute = minute};

    tl_civil_from_days(days, &c.year, &c.month, &c.day);
    return config_zone_utc_ms(z, &c);
}

/* Local time maps to moments without ever going back, so the first one after `after_ms` is the answer. */
static bool next_by_calendar(const struct config_cron *c, const struct config_zone *z, int64_t after_ms,
                             int64_t *ret_ms)
{
    int64_t first = local_days(z, after_ms) - 1; /* a gap over midnight moves a run to the day after */

    for (int64_t d = first; d < first + HORIZON_DAYS; d++) {
        if (!day_matches(c, d))
            continue;
        for (int32_t hour = 0; hour < 24; hour++) {
            if (!(c->hours >> hour & 1) || moment(z, d, hour, 59) < after_ms)
                continue;
            for (int32_t minute = 0; minute < 60; minute++) {
                int64_t t;

                if (!(c->minutes >> minute & 1))
                    continue;
                t = moment(z, d, hour, minute);
                if (t > after_ms) {
                    *ret_ms = t;
                    return true;
                }
            }
        }
    }
    return false;
}

static int64_t floor_minute(int64_t ms)
{
    return ms - ((ms % MINUTE_MS) + MINUTE_MS) % MINUTE_MS;
}

static bool next_by_minute(const struct config_cron *c, const struct config_zone *z, int64_t after_ms, int64_t *ret_ms)
{
    int64_t end = after_ms + HORIZON_DAYS * DAY_MS, t = floor_minute(after_ms) + MINUTE_MS;

    while (t < end) {
        struct tl_civil l;
        int64_t days, day_end, step;

        config_zone_local(z, t, &l);
        t -= l.second * 1000; /* offsets of long ago have odd seconds */
        days = tl_days_from_civil(l.year, l.month, l.day);
        if (!day_matches(c, days)) {
            day_end = moment(z, days + 1, 0, 0);
            t = day_end > t ? day_end : t + MINUTE_MS;
            continue;
        }
        if (c->minutes >> l.minute & 1 && t > after_ms) {
            *ret_ms = t;
            return true;
        }
        for (step = 1; l.minute + step < 60 && !(c->minutes >> (l.minute + step) & 1); step++)
            ;
        t += step * MINUTE_MS;
    }
    return false;
}

bool config_cron_next(const struct config_cron *c, const struct config_zone *z, int64_t after_ms, int64_t *ret_ms)
{
    /* Years 0 to 9000: beyond, the calendar's arithmetic has no meaning for us. */
    if (after_ms < INT64_C(-62167219200000) || after_ms > INT64_C(221845392000000))
        return false;
    return c->any_hour ? next_by_minute(c, z, after_ms, ret_ms) : next_by_calendar(c, z, after_ms, ret_ms);
}

/* From as near as there is one: after decades, as when the clock was at 1970, they are millions. */
bool config_cron_last(const struct config_cron *c, const struct config_zone *z, int64_t after_ms, int64_t until_ms,
                      int64_t *ret_ms)
{
    static const int64_t near[] = {60 * MINUTE_MS, DAY_MS, 32 * DAY_MS, 367 * DAY_MS};
    int64_t from = after_ms, t;
    bool found = false;

    for (size_t i = 0; i < TL_COUNT(near) && until_ms - near[i] > after_ms; i++)
        if (config_cron_next(c, z, until_ms - near[i], &t) && t <= until_ms) {
            from = until_ms - near[i];
            break;
        }
    while (config_cron_next(c, z, from, &t) && t <= until_ms) {
        *ret_ms = from = t;
        found = true;
    }
    return found;
}
