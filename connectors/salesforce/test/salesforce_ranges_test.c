/* SPDX-License-Identifier: Apache-2.0 */
/* A large read in ranges, against the simulator. */
#include "salesforce/test/sf_rig.h"

#include <stdlib.h>

#define READ (1u << CONNECTOR_READ)
#define RANGES "{ read: Account, fields: Name, mode: rest, page: 200, lag: 0s, ranges: 4, ranges_from: 500 }"

static void seed(struct sf_rig *s, const char *object, int n)
{
    const char *json = strcmp(object, "Account") == 0 ? "{\"Name\":\"n\"}" : "{\"LastName\":\"n\",\"Company\":\"c\"}";

    for (int i = 0; i < n; i++)
        (void)sf_add(s, object, json);
}

/* The host's clock is ahead, so that all there is is old enough. */
static void start(struct sf_rig *s)
{
    sf_start(s, NULL, NULL);
    s->rig.clock.wall_ms = tl_clock_wall_ms(tl_clock_system()) + 60000;
}

static void read_on(struct sf_rig *s, enum tl_rc expected)
{
    sf_read(s);
    if (s->rig.rc != expected)
        fail_msg("%s: %s", tl_rc_name(s->rig.rc), s->rig.err.text);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each of the n records came once: their keys are Id and SystemModstamp. */
static void each_once(struct sf_rig *s, size_t n)
{
    char *text = tl_strdup(s->emitted), *save = NULL;
    char **keys = tl_alloc((s->n_emitted + 1) * sizeof *keys);
    size_t k = 0;

    assert_int_equal(s->n_emitted, n);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        line[strcspn(line, "|")] = '\0';
        keys[k++] = line;
    }
    assert_int_equal(k, n);
    qsort(keys, k, sizeof *keys, by_text);
    for (size_t i = 1; i < k; i++)
        assert_string_not_equal(keys[i - 1], keys[i]);
    tl_free(keys);
    tl_free(text);
}

static size_t ranges_begun(const struct sf_rig *s)
{
    size_t n = 0;

    for (size_t i = 0; i < CONNECTOR_PARTS; i++)
        n += s->parts[i] != NULL;
    return n;
}

static void a_large_read_goes_in_ranges_and_then_on_from_one_place(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    seed(&s, "Account", 2100);
    sf_target(&s, RANGES, READ);
    read_on(&s, TL_OK);
    each_once(&s, 2100);
    assert_int_equal(ranges_begun(&s), 4);
    for (size_t i = 0; i < 4; i++)
        assert_non_null(strstr(s.parts[i], " done"));
    assert_int_equal(s.position[strlen(s.position) - 1], ' '); /* a time: all before it is read */
    read_on(&s, TL_OK);
    assert_int_equal(s.n_emitted, 2100);
    sf_stop(&s);
}

static void ranges_hold_about_as_many_records_each_also_where_ids_have_gaps(void **state)
{
    static const int gaps[] = {0, 1500};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(gaps); i++) {
        struct sf_rig s;
        struct json counts[4];
        char *position;

        start(&s);
        seed(&s, "Account", 900);
        seed(&s, "Lead", gaps[i]); /* an org counts the Ids of all its objects in one row, as this simulator does */
        seed(&s, "Account", 900);
        sf_target(&s, RANGES, READ);
        s.fail_emit_at = 3; /* a page, the cut, and no more */
        read_on(&s, TL_STALE);
        position = tl_strdup(strchr(strstr(s.position, "ranges "), ',') + 1);
        for (size_t k = 0; k < 3; k++) {
            const char *next = position + 16 * k;

            counts[k] = sf_ask(&s, tl_arena_printf(s.rig.conf, "SELECT COUNT() FROM Account WHERE Id < '%.15s'", next));
            assert_in_range(json_gets(counts[k], "totalSize").u.i, 200 + 400 * k + 200, 200 + 400 * k + 600);
        }
        tl_free(position);
        s.fail_emit_at = 0;
        read_on(&s, TL_OK);
        each_once(&s, 1800);
        sf_stop(&s);
    }
}

/* Killed before whichever commit: each range goes on where it was. */
static void a_read_in_ranges_that_is_cut_anywhere_loses_and_repeats_nothing(void **state)
{
    (void)state;
    for (size_t at = 1;; at++) {
        struct sf_rig s;
        bool cut;

        start(&s);
        seed(&s, "Account", 1300);
        sf_target(&s, RANGES, READ);
        s.fail_emit_at = at;
        sf_read(&s);
        cut = s.rig.rc != TL_OK;
        s.fail_emit_at = s.emits + 2; /* and once more */
        sf_read(&s);
        s.fail_emit_at = 0;
        read_on(&s, TL_OK);
        each_once(&s, 1300);
        sf_stop(&s);
        if (!cut)
            break;
    }
}

static void what_is_left_of_an_older_cut_is_not_mistaken(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    for (size_t i = 0; i < 4; i++)
        s.parts[i] = tl_strdup("0123456789abcdef done");
    seed(&s, "Account", 1300);
    sf_target(&s, RANGES, READ);
    read_on(&s, TL_OK);
    each_once(&s, 1300);
    sf_stop(&s);
}

/* The events that came are recognised by their keys; the ledger's business, not this rig's. */
static void another_question_begins_where_the_ranges_began(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    seed(&s, "Account", 1300);
    sf_target(&s, RANGES, READ);
    s.fail_emit_at = 4;
    read_on(&s, TL_STALE);
    s.fail_emit_at = 0;
    sf_target(&s, "{ read: Account, fields: [Name, Phone], mode: rest, page: 200, lag: 0s, ranges: 1 }", READ);
    s.n_emitted = 0;
    read_on(&s, TL_OK);
    assert_int_equal(s.n_emitted, 1100); /* behind the first page */
    sf_stop(&s);
}

static enum tl_rc make_slow(struct sf_rig *s)
{
    if (strstr(s->position, " ranges "))
        s->sim->opt.query_rows = 150;
    return TL_OK;
}

/* 11.7 QUERY_TIMEOUT. */
static void a_range_that_takes_the_org_too_long_is_read_in_halves(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    seed(&s, "Account", 1300);
    sf_target(&s, RANGES, READ);
    s.on_emit = make_slow;
    s.stop_at = 1300;
    read_on(&s, TL_STALE);
    each_once(&s, 1300);
    sf_stop(&s);
}

static void an_org_that_cannot_say_where_to_cut_is_read_page_by_page(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    seed(&s, "Account", 1300);
    sf_target(&s, RANGES, READ);
    s.sim->opt.count_timeout = true;
    read_on(&s, TL_OK);
    each_once(&s, 1300);
    assert_int_equal(ranges_begun(&s), 0);
    sf_stop(&s);
}

static void a_smaller_read_and_one_that_is_not_to_be_cut_go_page_by_page(void **state)
{
    static const char *const ways[] = {
        "{ read: Account, fields: Name, page: 200, lag: 0s, ranges: 1, ranges_from: 500 }",
        "{ read: Account, fields: Name, page: 200, lag: 0s, ranges_from: 1200 }"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(ways); i++) {
        struct sf_rig s;

        start(&s);
        seed(&s, "Account", 1300);
        sf_target(&s, ways[i], READ);
        read_on(&s, TL_OK);
        each_once(&s, 1300);
        assert_int_equal(ranges_begun(&s), 0);
        sf_stop(&s);
    }
}

static void a_failure_of_one_range_ends_the_run_and_the_next_goes_on(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    seed(&s, "Account", 1300);
    sf_target(&s, RANGES, READ);
    s.fail_emit_at = 3;
    read_on(&s, TL_STALE);
    s.fail_emit_at = 0;
    s.sim->opt.limit_total = true;
    read_on(&s, TL_QUOTA);
    s.sim->opt.limit_total = false;
    read_on(&s, TL_OK);
    each_once(&s, 1300);
    sf_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_read_goes_in_ranges_and_then_on_from_one_place),
        cmocka_unit_test(ranges_hold_about_as_many_records_each_also_where_ids_have_gaps),
        cmocka_unit_test(a_read_in_ranges_that_is_cut_anywhere_loses_and_repeats_nothing),
        cmocka_unit_test(what_is_left_of_an_older_cut_is_not_mistaken),
        cmocka_unit_test(another_question_begins_where_the_ranges_began),
        cmocka_unit_test(a_range_that_takes_the_org_too_long_is_read_in_halves),
        cmocka_unit_test(an_org_that_cannot_say_where_to_cut_is_read_page_by_page),
        cmocka_unit_test(a_smaller_read_and_one_that_is_not_to_be_cut_go_page_by_page),
        cmocka_unit_test(a_failure_of_one_range_ends_the_run_and_the_next_goes_on),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
