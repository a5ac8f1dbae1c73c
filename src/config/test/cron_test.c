/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/cron.h"

static struct tl_arena *arena;

static const struct config_zone *zone(const char *name)
{
    const struct config_zone *z = NULL;
    struct tl_err err = {0};

    if (config_zone_load(arena, name, &z, &err) != TL_OK)
        fail_msg("%s", err.text);
    return z;
}

static int64_t at(const char *text)
{
    int64_t ms;

    assert_true(tl_time_parse(tl_sv_str(text), &ms));
    return ms;
}

/* The runs that follow `after`, each in UTC. */
static const struct {
    const char *cron, *zone, *after, *runs[4];
} schedules[] = {
    {"* * * * *", "UTC", "2026-01-01T00:00:30Z", {"2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"}},
    {"* * * * *", "UTC", "2026-01-01T00:01:00Z", {"2026-01-01T00:02:00Z"}},
    {"*/20 * * * *", "UTC", "2025-12-31T23:41:00Z", {"2026-01-01T00:00:00Z", "2026-01-01T00:20:00Z"}},
    {"5-10/2,50 3 * * *",
     "UTC",
     "2026-01-01T03:05:00Z",
     {"2026-01-01T03:07:00Z", "2026-01-01T03:09:00Z", "2026-01-01T03:50:00Z", "2026-01-02T03:05:00Z"}},
    {"0 6 * * mon-fri", "UTC", "2026-01-02T06:00:00Z", {"2026-01-05T06:00:00Z"}}, /* a Friday */
    {"0 6 * * fri-sun",
     "UTC",
     "2026-01-02T06:00:00Z",
     {"2026-01-03T06:00:00Z", "2026-01-04T06:00:00Z", "2026-01-09T06:00:00Z"}},
    {"0 0 * * 7", "UTC", "2026-01-01T00:00:00Z", {"2026-01-04T00:00:00Z"}},
    {"0 0 13 * FRI",
     "UTC",
     "2026-01-01T00:00:00Z",
     {"2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z"}}, /* either day */
    {"0 0 */10 * 1", "UTC", "2026-01-01T00:00:00Z", {"2026-05-11T00:00:00Z"}},  /* both, for it begins with a star */
    {"0 12 29 feb *", "UTC", "2096-03-01T00:00:00Z", {"2104-02-29T12:00:00Z"}},
    {"0 0 31 * *", "UTC", "2026-01-31T00:00:00Z", {"2026-03-31T00:00:00Z"}},
    {"@yearly", "UTC", "2026-01-01T00:00:00Z", {"2027-01-01T00:00:00Z"}},
    {"@hourly", "Asia/Kathmandu", "2026-01-01T00:00:00Z", {"2026-01-01T00:15:00Z", "2026-01-01T01:15:00Z"}},
    {"0 9 * * *", "Asia/Tokyo", "2026-01-01T00:00:00Z", {"2026-01-02T00:00:00Z"}},
    /* Berlin, 29 March 2026: 02:00 becomes 03:00 at 01:00Z. A time in the gap runs at its end, once. */
    {"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", {"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
    {"*/10 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", {"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}},
    {"30 2,3 * * *",
     "Europe/Berlin",
     "2026-03-28T12:00:00Z",
     {"2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"}},
    {"15 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", {"2026-03-29T00:15:00Z", "2026-03-29T01:15:00Z"}},
    /* Berlin, 25 October 2026: 03:00 becomes 02:00 at 01:00Z. A doubled time runs the first time only. */
    {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", {"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
    {"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", {"2026-10-26T01:30:00Z"}},
    {"30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", {"2026-10-26T01:30:00Z"}},
    {"0 3 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", {"2026-10-25T02:00:00Z"}},
    {"30 * * * *",
     "Europe/Berlin",
     "2026-10-25T00:00:00Z",
     {"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"}},
    {"30 */1 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", {"2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"}},
    {"30 0-23 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", {"2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"}},
    /* Beyond the tables of the file: the rule of its footer. New York, 14 March and 7 November 2100. */
    {"30 2 * * *", "America/New_York", "2100-03-13T12:00:00Z", {"2100-03-14T07:00:00Z", "2100-03-15T06:30:00Z"}},
    {"30 1 * * *", "America/New_York", "2100-11-06T12:00:00Z", {"2100-11-07T05:30:00Z", "2100-11-08T06:30:00Z"}},
    /* Southern summer over the turn of the year; Lord Howe moves by half an hour (4 October 2026, 02:00 to 02:30). */
    {"0 12 * * *", "Australia/Sydney", "2026-12-31T12:00:00Z", {"2027-01-01T01:00:00Z"}},
    {"0 12 1 7 *", "Australia/Sydney", "2100-01-01T00:00:00Z", {"2100-07-01T02:00:00Z"}},
    {"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", {"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
    /* Sao Paulo 2018: midnight did not exist on 4 November. Apia 2011: 30 December did not exist at all. */
    {"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", {"2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}},
    {"0 12 * * *",
     "Pacific/Apia",
     "2011-12-29T12:00:00Z",
     {"2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"}},
};

static void schedules_run_when_they_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < TL_COUNT(schedules); i++) {
        struct config_cron c;
        struct tl_err err = {0};
        int64_t t = at(schedules[i].after);
        const struct config_zone *z = zone(schedules[i].zone);
        char got[TL_TIME_TEXT];

        assert_int_equal(config_cron_parse(tl_sv_str(schedules[i].cron), &c, &err), TL_OK);
        for (size_t k = 0; k < 4 && schedules[i].runs[k]; k++) {
            assert_true(config_cron_next(&c, z, t, &t));
            if (t != at(schedules[i].runs[k]))
                fail_msg("row %zu, \"%s\" in %s: run %zu is %s, not %s", i, schedules[i].cron, schedules[i].zone, k,
                         tl_time_format(t, got), schedules[i].runs[k]);
        }
    }
}

static void the_last_run_is_the_last_of_those_that_come_one_after_another(void **state)
{
    static const int64_t spans[] = {
        1, 60000, 3599999, 3600000, 90000000, 33 * INT64_C(86400000), 800 * INT64_C(86400000)};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(schedules); i++)
        for (size_t k = 0; k < TL_COUNT(spans); k++) {
            struct config_cron c;
            struct tl_err err = {0};
            int64_t after = at(schedules[i].after), until = after + spans[k], t = after, last = -1, got = -1;
            const struct config_zone *z = zone(schedules[i].zone);

            assert_int_equal(config_cron_parse(tl_sv_str(schedules[i].cron), &c, &err), TL_OK);
            while (config_cron_next(&c, z, t, &t) && t <= until)
                last = t;
            assert_int_equal(config_cron_last(&c, z, after, until, &got), last >= 0);
            assert_true(got == last);
        }
}

static const struct {
    const char *cron, *expect;
} bad[] = {
    {"", "has five fields"},
    {"* * * *", "and this has 4"},
    {"* * * * * *", "this has six; seconds cannot be given"},
    {"60 * * * *", "the minute has \"60\"; it must be from 0 to 59"},
    {"* 24 * * *", "the hour has \"24\""},
    {"* * 0 * *", "the day of month has \"0\""},
    {"* * * 13 *", "or a name from jan to dec"},
    {"* * * * 8", "or a name from sun to sat"},
    {"* * * * mons", "the day of week has \"mons\""},
    {"*/0 * * * *", "the step after / in the minute"},
    {"*/x * * * *", "the step after / in the minute"},
    {"5/15 * * * *", "write 5-59/15"},
    {"10-5 * * * *", "runs backwards"},
    {"1,,2 * * * *", "the minute has \"\""},
    {"* * ? * *", "another dialect of cron"},
    {"* * * * 5#2", "another dialect of cron"},
    {"0 0 30 2 *", "it would never run"},
    {"0 0 31 4,6,9,11 *", "it would never run"},
    {"@reboot", "the word after @"},
    {"-1 * * * *", "the minute has \"\""},
    {"99999999999999999999 * * * *", "the minute has"},
};

static void a_bad_schedule_gets_one_clear_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < TL_COUNT(bad); i++) {
        struct config_cron c;
        struct tl_err err = {0};

        assert_int_equal(config_cron_parse(tl_sv_str(bad[i].cron), &c, &err), TL_CONFIG);
        if (!strstr(err.text, bad[i].expect))
            fail_msg("row %zu: wanted \"%s\", got \"%s\"", i, bad[i].expect, err.text);
    }
}

static void zones_that_are_no_zones_are_refused(void **state)
{
    static const char *const names[] = {"",         "/etc/passwd", "../../etc/passwd", "Mars/Base", "Europe",
                                        "zone.tab", "a//b",        "Europe/"};
    const struct config_zone *z;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(names); i++) {
        struct tl_err err = {0};

        assert_int_equal(config_zone_load(arena, names[i], &z, &err), TL_CONFIG);
        assert_non_null(strstr(err.text, "is not known here"));
    }
    assert_ptr_equal(zone("UTC"), config_zone_utc());
}

static void local_time_and_moment_are_inverse_except_in_gaps_and_doubles(void **state)
{
    static const char *const names[] = {"Europe/Berlin",     "America/New_York", "Australia/Lord_Howe",
                                        "Africa/Casablanca", "Asia/Kathmandu",   "Pacific/Apia",
                                        "America/St_Johns",  "Europe/Dublin"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(names); i++) {
        const struct config_zone *z = zone(names[i]);
        int64_t doubled = 0;

        for (int64_t t = at("2010-01-01T00:00:00Z"); t < at("2041-01-01T00:00:00Z");
             t += 17 * 60000 + INT64_C(3600000)) {
            struct tl_civil c;
            int64_t back;

            config_zone_local(z, t, &c);
            back = config_zone_utc_ms(z, &c);
            if (back == t)
                continue;
            doubled++;
            assert_true(back < t && t - back <= 3600000);
            assert_true(config_zone_offset(z, back) > config_zone_offset(z, t));
        }
        assert_true(doubled < 60);
    }
}

static int setup(void **state)
{
    (void)state;
    arena = tl_arena_new(16 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tl_arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules_run_when_they_say),
        cmocka_unit_test(the_last_run_is_the_last_of_those_that_come_one_after_another),
        cmocka_unit_test(a_bad_schedule_gets_one_clear_sentence),
        cmocka_unit_test(zones_that_are_no_zones_are_refused),
        cmocka_unit_test(local_time_and_moment_are_inverse_except_in_gaps_and_doubles),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
