/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - time. Durations are measured with the monotonic clock; the wall clock appears only on disk, in logs and in
 * calendar windows. Code that waits or expires takes a `const struct tl_clock *`, so that tests turn the hands.
 */
#ifndef TL_BASE_CLOCK_H
#define TL_BASE_CLOCK_H

#include "base/buf.h"
#include "base/err.h"

struct tl_clock {
    uint64_t (*mono_ns)(const struct tl_clock *c);
    int64_t (*wall_ms)(const struct tl_clock *c); /* milliseconds since 1970-01-01T00:00:00Z */
};

const struct tl_clock *tl_clock_system(void);
uint64_t tl_clock_mono_ns(const struct tl_clock *c);
uint64_t tl_clock_mono_ms(const struct tl_clock *c);
int64_t tl_clock_wall_ms(const struct tl_clock *c);

/* A clock that moves only when told. Safe to read from any thread. */
struct tl_fake_clock {
    struct tl_clock base;
    uint64_t mono_ns;
    int64_t wall_ms;
};
void tl_fake_clock_init(struct tl_fake_clock *f, int64_t wall_ms);
void tl_fake_clock_advance_ms(struct tl_fake_clock *f, int64_t ms);

/* Proleptic Gregorian calendar, UTC. month 1-12, day 1-31. */
struct tl_civil {
    int32_t year, month, day, hour, minute, second, ms;
};
int64_t tl_civil_to_ms(const struct tl_civil *c);
void tl_civil_from_ms(int64_t ms, struct tl_civil *ret);
int64_t tl_days_from_civil(int64_t year, int32_t month, int32_t day); /* days since 1970-01-01 */
void tl_civil_from_days(int64_t days, int32_t *ret_year, int32_t *ret_month, int32_t *ret_day);

#define TL_TIME_TEXT 32
/* RFC 3339 with milliseconds and Z: "2026-11-24T18:20:00.123Z"; buf holds at least TL_TIME_TEXT bytes. Returns buf. */
char *tl_time_format(int64_t ms, char *buf);
/* RFC 3339 with any offset; fraction optional. */
bool tl_time_parse(struct tl_sv s, int64_t *ret_ms);
/* RFC 9110 5.6.7 HTTP-date (IMF-fixdate only on output; the obsolete forms are read). */
char *tl_http_date_format(int64_t ms, char *buf);
bool tl_http_date_parse(struct tl_sv s, int64_t *ret_ms);
/* "500ms", "30s", "5m", "2h", "7d" or a sum of them "1m30s"; never negative. */
bool tl_duration_parse(struct tl_sv s, int64_t *ret_ms);
/* The shortest exact spelling for people: "1m30s", "250ms", "0s". buf holds 32 bytes. */
char *tl_duration_format(int64_t ms, char *buf);
/* "512", "64KB", "10MB", "1GB" (powers of 1024). */
bool tl_size_parse(struct tl_sv s, uint64_t *ret_bytes);
char *tl_size_format(uint64_t bytes, char *buf); /* "1.5 MB"; buf holds 32 bytes */

#endif
