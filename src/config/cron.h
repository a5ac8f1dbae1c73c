/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cron.h - times that repeat, in a time zone.
 *
 * Five fields (minute hour day-of-month month day-of-week) with *, lists, ranges, steps and English names, or @yearly,
 * @annually, @monthly, @weekly, @daily, @midnight, @hourly. When both days are restricted either may match, as in
 * crontab(5). Sunday is 0 and 7.
 * A local time that a change of the clock skips runs at the first moment after the gap; one that occurs twice runs the
 * first time only. Both apply to schedules that name a time of day; where each hour is named (`*`, 0-23), every one
 * that really passes counts.
 */
#ifndef TL_CONFIG_CRON_H
#define TL_CONFIG_CRON_H

#include "base/base.h"

struct config_cron {
    uint64_t minutes;          /* bit 0-59 */
    uint32_t hours, days;      /* bit 0-23, 1-31 */
    uint16_t months;           /* bit 1-12 */
    uint8_t weekdays;          /* bit 0-6 */
    bool any_day, any_weekday; /* begins with '*' */
    bool any_hour;             /* all of them */
};

/* One sentence says what is wrong (TL_CONFIG). */
TL_MUST_CHECK enum tl_rc config_cron_parse(struct tl_sv text, struct config_cron *ret, struct tl_err *err);

/* A time zone: immutable, safe to share between threads; lives in the arena. */
struct config_zone;
/* By IANA name ("Europe/Berlin", "UTC"), from the system's zoneinfo (RFC 9636 TZif). TL_CONFIG: unknown name. */
TL_MUST_CHECK enum tl_rc config_zone_load(struct tl_arena *a, const char *name, const struct config_zone **ret,
                                          struct tl_err *err);
const struct config_zone *config_zone_utc(void);
const char *config_zone_name(const struct config_zone *z);
/* Seconds east of UTC at this moment. NULL zone: UTC. */
int32_t config_zone_offset(const struct config_zone *z, int64_t utc_ms);
/* Local fields of a moment. */
void config_zone_local(const struct config_zone *z, int64_t utc_ms, struct tl_civil *ret);
/* The moment of a local time: the earlier one when it is doubled; the end of the gap when it does not exist. */
int64_t config_zone_utc_ms(const struct config_zone *z, const struct tl_civil *local);

/* The first run strictly after after_ms; false when there is none within 12 years (30 February). */
bool config_cron_next(const struct config_cron *c, const struct config_zone *z, int64_t after_ms, int64_t *ret_ms);
/* The last run strictly after after_ms and not after until_ms, however long that is; false: there is none. */
bool config_cron_last(const struct config_cron *c, const struct config_zone *z, int64_t after_ms, int64_t until_ms,
                      int64_t *ret_ms);

#endif
