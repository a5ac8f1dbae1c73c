/* SPDX-License-Identifier: Apache-2.0 */
/* Listening to the simulator: replay, forgotten sessions, dead tokens, lost positions, gaps, silence. */
#include "salesforce/test/sf_rig.h"

#define LISTEN (1u << CONNECTOR_LISTEN)
#define CHANGES "{ listen: /data/AccountChangeEvent, all: true, watchdog: 2s }"

/* Listens until the n-th emit from now fails as stale: an instance whose lease went to another. */
static void listen_for(struct sf_rig *s, size_t emits)
{
    s->fail_emit_at = s->emits + emits;
    sf_read(s);
}

static void start(struct sf_rig *s)
{
    sf_start(s, NULL, NULL);
    s->sim->opt.hold_ms = 50;
    s->rig.clock.wall_ms = tl_clock_wall_ms(tl_clock_system()) + 60000;
}

static void add(struct sf_rig *s, int n)
{
    (void)sf_add(s, "Account", tl_arena_printf(s->rig.conf, "{\"Name\":\"n%d\",\"ERP_Id__c\":\"%d\"}", n, n));
}

static void expect_stale(struct sf_rig *s)
{
    if (s->rig.rc != TL_STALE)
        fail_msg("%s: %s", tl_rc_name(s->rig.rc), s->rig.err.text);
}

static void change_events_come_once_with_ids_keys_and_a_position(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    add(&s, 1);
    add(&s, 2);
    sf_target(&s, CHANGES, LISTEN);
    listen_for(&s, 4);
    expect_stale(&s);
    assert_int_equal(s.n_emitted, 2);
    assert_true(sf_emitted(&s, "\"Id\":\"001"));
    assert_true(sf_emitted(&s, "\"changeType\":\"CREATE\""));
    assert_true(sf_emitted(&s, "\"Name\":\"n2\""));
    assert_memory_equal(s.position, "2 ", 2);
    add(&s, 3);
    listen_for(&s, 4);
    assert_int_equal(s.n_emitted, 3); /* from the stored replay id: nothing twice, nothing missed */
    assert_true(sf_emitted(&s, "\"Name\":\"n3\""));
    sf_stop(&s);
}

static void our_own_changes_are_left_out_unless_asked_for(void **state)
{
    static const char *const ours[] = {"{\"ERP_Id__c\":\"9\",\"Name\":\"ours\"}"};
    struct sf_rig s;

    (void)state;
    start(&s);
    sf_target(&s, "{ upsert: Account, external_id: ERP_Id__c }", 1u << CONNECTOR_WRITE);
    sf_write(&s, ours, 1);
    add(&s, 1);
    sf_target(&s, CHANGES, LISTEN);
    listen_for(&s, 4);
    assert_int_equal(s.n_emitted, 1);
    assert_false(sf_emitted(&s, "ours"));
    sf_target(&s, "{ listen: /data/AccountChangeEvent, all: true, own: true }", LISTEN);
    tl_free(s.position);
    s.position = NULL;
    listen_for(&s, 4);
    assert_true(sf_emitted(&s, "ours"));
    sf_stop(&s);
}

/* 11.12 403 Unknown client: handshake and subscribe again with the last replay id; no storm. */
static void a_forgotten_session_is_made_again_and_goes_on_where_it_was(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    s.sim->opt.forget_client_every = 3;
    for (int i = 0; i < 5; i++)
        add(&s, i);
    sf_target(&s, CHANGES, LISTEN);
    listen_for(&s, 6);
    expect_stale(&s);
    assert_int_equal(s.n_emitted, 5);
    assert_true(s.sim->counts.handshakes >= 2);
    s.sim->opt.forget_client_every = 1;
    s.fail_emit_at = 0;
    s.sim->counts.handshakes = 0;
    sf_read(&s);
    assert_int_equal(s.rig.rc, TL_UPSTREAM);
    assert_int_equal(s.sim->counts.handshakes, 5);
    sf_stop(&s);
}

static void a_dead_token_is_renewed_and_the_session_made_again(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    add(&s, 1);
    sf_target(&s, CHANGES, LISTEN);
    listen_for(&s, 3);
    assert_int_equal(s.n_emitted, 1);
    sfsim_sessions_expire(s.sim);
    add(&s, 2);
    listen_for(&s, 3);
    expect_stale(&s);
    assert_int_equal(s.n_emitted, 2);
    assert_int_equal(s.sim->counts.tokens, 2);
    sf_stop(&s);
}

/* 11.13 Stale replay id: say so, go on from the oldest event, fill up by a query. */
static void a_lost_position_is_told_and_filled_up(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    add(&s, 1);
    sf_target(&s, CHANGES, LISTEN);
    tl_free(s.position);
    s.position = tl_strdup("999999 1700000000000");
    listen_for(&s, 6);
    expect_stale(&s);
    assert_true(sf_emitted(&s, "\"changeType\":\"LOST_POSITION\""));
    assert_true(sf_emitted(&s, "\"changeType\":\"BACKFILL\""));
    assert_true(sf_emitted(&s, "\"changeType\":\"CREATE\""));
    sf_stop(&s);
}

/* 11.15 Gap events: the record is fetched; an overflow reads what changed since. */
static void gaps_are_filled_with_the_records_as_they_are(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    s.sim->opt.gap = 1;
    add(&s, 1);
    sf_target(&s, CHANGES, LISTEN);
    listen_for(&s, 5);
    expect_stale(&s);
    assert_true(sf_emitted(&s, "GAP_CREATE"));
    assert_true(sf_emitted(&s, "\"ERP_Id__c\":\"1\"")); /* no data was in the event */
    s.sim->opt.gap = 0;
    s.sim->opt.overflow = true;
    add(&s, 2);
    listen_for(&s, 5);
    assert_true(sf_emitted(&s, "GAP_OVERFLOW"));
    assert_true(sf_emitted(&s, "\"changeType\":\"BACKFILL\""));
    assert_true(sf_emitted(&s, "\"ERP_Id__c\":\"2\""));
    sf_stop(&s);
}

/* 11.14 for long polling: a stream that says nothing is dead after the watchdog's time. */
static void a_silent_stream_is_given_up_by_the_watchdog(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    add(&s, 1);
    s.sim->opt.stall = true;
    sf_target(&s, "{ listen: /data/AccountChangeEvent, all: true, watchdog: 50ms }", LISTEN);
    sf_read(&s);
    assert_int_equal(s.rig.rc, TL_UPSTREAM);
    assert_int_equal(s.sim->counts.handshakes, 5);
    s.sim->opt.stall = false;
    listen_for(&s, 4);
    assert_int_equal(s.n_emitted, 1);
    sf_stop(&s);
}

static void platform_events_and_push_topics_come_as_they_are(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    (void)sf_add(&s, "Order_Placed__e", "{\"Order_Number__c\":\"4711\"}");
    sf_target(&s, "{ listen: /event/Order_Placed__e, all: true }", LISTEN);
    listen_for(&s, 4);
    assert_true(sf_emitted(&s, "\"Order_Number__c\":\"4711\""));
    (void)sf_add(
        &s, "PushTopic",
        "{\"Name\":\"Big\",\"Query\":\"SELECT Id, Name FROM Account WHERE AnnualRevenue > 10\",\"ApiVersion\":60.0}");
    (void)sf_add(&s, "Account", "{\"Name\":\"small\",\"AnnualRevenue\":5}");
    (void)sf_add(&s, "Account", "{\"Name\":\"large\",\"AnnualRevenue\":50}");
    sf_target(&s, "{ listen: /topic/Big, all: true }", LISTEN);
    tl_free(s.position);
    s.position = NULL;
    listen_for(&s, 4);
    assert_true(sf_emitted(&s, "\"large\""));
    assert_false(sf_emitted(&s, "\"small\""));
    sf_stop(&s);
}

static void a_channel_that_is_not_there_is_an_error_of_the_configuration(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    sf_target(&s, "{ listen: /data/NoneChangeEvent }", LISTEN);
    sf_read(&s);
    assert_int_equal(s.rig.rc, TL_CONFIG);
    assert_non_null(strstr(s.rig.err.text, "doesn't exist"));
    assert_false(rig_target(&s.rig, "{ listen: AccountChangeEvent }", LISTEN));
    sf_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(change_events_come_once_with_ids_keys_and_a_position),
        cmocka_unit_test(our_own_changes_are_left_out_unless_asked_for),
        cmocka_unit_test(a_forgotten_session_is_made_again_and_goes_on_where_it_was),
        cmocka_unit_test(a_dead_token_is_renewed_and_the_session_made_again),
        cmocka_unit_test(a_lost_position_is_told_and_filled_up),
        cmocka_unit_test(gaps_are_filled_with_the_records_as_they_are),
        cmocka_unit_test(a_silent_stream_is_given_up_by_the_watchdog),
        cmocka_unit_test(platform_events_and_push_topics_come_as_they_are),
        cmocka_unit_test(a_channel_that_is_not_there_is_an_error_of_the_configuration),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
