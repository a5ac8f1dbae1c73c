/* SPDX-License-Identifier: Apache-2.0 */
/* Listening to the simulator: replay, forgotten sessions, dead tokens, lost positions, gaps, silence. */
#include "salesforce/test/listening.h"

#define CHANGES "{ listen: /data/AccountChangeEvent, all: true, watchdog: 2s }"

static void change_events_come_once_with_ids_keys_and_a_position(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    listening_add(&s, 1);
    listening_add(&s, 2);
    listening_target(&s, CHANGES);
    listening_emits(&s, 4);
    listening_ended(&s, TL_STALE, NULL);
    assert_int_equal(s.n_emitted, 2);
    assert_true(sf_emitted(&s, "\"Id\":\"001"));
    assert_true(sf_emitted(&s, "\"changeType\":\"CREATE\""));
    assert_true(sf_emitted(&s, "\"Name\":\"n2\""));
    assert_memory_equal(s.position, "2 ", 2);
    listening_add(&s, 3);
    listening_emits(&s, 4);
    assert_int_equal(s.n_emitted, 3); /* from the stored replay id: nothing twice, nothing missed */
    assert_true(sf_emitted(&s, "\"Name\":\"n3\""));
    sf_stop(&s);
}

static void our_own_changes_are_left_out_unless_asked_for(void **state)
{
    static const char *const ours[] = {"{\"ERP_Id__c\":\"9\",\"Name\":\"ours\"}"};
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    sf_target(&s, "{ upsert: Account, external_id: ERP_Id__c }", 1u << CONNECTOR_WRITE);
    sf_write(&s, ours, 1);
    listening_add(&s, 1);
    listening_target(&s, CHANGES);
    listening_emits(&s, 4);
    assert_int_equal(s.n_emitted, 1);
    assert_false(sf_emitted(&s, "ours"));
    listening_target(&s, "{ listen: /data/AccountChangeEvent, all: true, own: true }");
    listening_set_position(&s, NULL);
    listening_emits(&s, 4);
    assert_true(sf_emitted(&s, "ours"));
    sf_stop(&s);
}

/* No replay id is known before the first event: the time of the subscription is, at once and not at the first answer.
 */
static void a_kill_before_the_first_event_loses_none_of_those_until_the_restart(void **state)
{
    static const char *const ways[] = {"{ listen: /data/AccountChangeEvent, watchdog: 5s }",
                                       "{ listen: /data/AccountChangeEvent, via: pubsub, watchdog: 5s }"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(ways); i++) {
        struct sf_rig s;

        listening_start(&s);
        s.sim->opt.hold_ms = 60000; /* nothing is said before the kill */
        listening_add_old(&s);
        listening_target(&s, ways[i]);
        listening_once(&s);
        assert_int_equal(s.n_emitted, 0);
        assert_memory_equal(s.position, "0 ", 2);
        listening_add(&s, 1);
        listening_for(&s, 0); /* and again, in the middle of it */
        listening_for(&s, 1);
        listening_ended(&s, TL_STALE, NULL);
        assert_int_equal(s.n_emitted, 1);
        assert_true(sf_emitted(&s, "\"n1\"")); /* "old" is not new: it was there before we came */
        listening_add(&s, 2);
        listening_for(&s, 1);
        assert_true(sf_emitted(&s, "\"n2\""));
        assert_int_equal(s.n_emitted, 2);
        assert_null(strchr(strchr(s.position, ' ') + 1, ' ')); /* a place alone says it all from now on */
        sf_stop(&s);
    }
}

static enum tl_rc add_then_forget(struct sf_rig *s)
{
    s->on_emit = NULL;
    listening_add(s, 1);
    s->sim->opt.forget_client_every = 4;
    s->sim->counts.connects = 3;
    return TL_OK;
}

static void a_session_forgotten_before_the_first_event_loses_none(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    listening_target(&s, "{ listen: /data/AccountChangeEvent }");
    s.on_emit = add_then_forget;
    listening_for(&s, 1);
    listening_ended(&s, TL_STALE, NULL);
    assert_true(sf_emitted(&s, "\"n1\""));
    assert_int_equal(s.sim->counts.handshakes, 2);
    sf_stop(&s);
}

/* What is passed over moves the place; a kill there does not make the rest of it new. */
static void old_events_are_passed_over_also_where_a_kill_comes_in_between(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    listening_add_old(&s);
    listening_add_old(&s);
    listening_target(&s, "{ listen: /data/AccountChangeEvent }");
    listening_set_position(&s, "1 1700000000500 1790000000000");
    listening_once(&s);
    assert_int_equal(s.n_emitted, 0);
    assert_string_equal(s.position, "1 1700000000500 1790000000000");
    listening_emits(&s, 3);
    assert_string_equal(s.position, "2 1700000000500 1790000000000");
    listening_set_position(&s, "1 x");
    sf_read(&s);
    listening_ended(&s, TL_CONFIG, "cannot be read");
    sf_stop(&s);
}

static void platform_events_and_topics_are_ours_from_the_subscription_on(void **state)
{
    static const char *const channels[] = {"/event/Order_Placed__e", "/topic/Big", "/u/News"};
    static const char *const old[] = {
        "{\"payload\":{\"CreatedDate\":\"2023-01-02T03:04:05.000Z\",\"Order_Number__c\":\"old\"},\"event\":{}}",
        "{\"event\":{\"createdDate\":\"2023-01-02T03:04:05.000+0000\",\"type\":\"created\"},\"sobject\":{\"Id\":"
        "\"old\"}}",
        "{\"event\":{\"createdDate\":\"2023-01-02T03:04:05.000Z\"},\"payload\":\"old\"}"};
    static const char *const new[] = {
        "{\"payload\":{\"CreatedDate\":\"2099-01-02T03:04:05.000Z\",\"Order_Number__c\":\"new\"},\"event\":{}}",
        "{\"event\":{\"createdDate\":\"2099-01-02T03:04:05.000+0000\",\"type\":\"created\"},\"sobject\":{\"Id\":"
        "\"new\"}}",
        "{\"event\":{\"createdDate\":\"2099-01-02T03:04:05.000Z\"},\"payload\":\"new\"}"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(channels); i++) {
        struct sf_rig s;

        listening_start(&s);
        (void)sf_add(&s, "PushTopic", "{\"Name\":\"Big\",\"Query\":\"SELECT Id FROM Account\",\"ApiVersion\":60.0}");
        (void)sf_add(&s, "StreamingChannel", "{\"Name\":\"/u/News\"}");
        assert_true(sfsim_event_add(s.sim->db, channels[i], tl_sv_str(old[i])));
        listening_target(&s, tl_arena_printf(s.rig.conf, "{ listen: %s }", channels[i]));
        listening_once(&s);
        assert_true(sfsim_event_add(s.sim->db, channels[i], tl_sv_str(new[i])));
        listening_for(&s, 1);
        listening_ended(&s, TL_STALE, NULL);
        assert_true(sf_emitted(&s, "\"new\""));
        assert_false(sf_emitted(&s, "\"old\""));
        sf_stop(&s);
    }
}

/* 11.12 403 Unknown client: handshake and subscribe again with the last replay id; no storm. */
static void a_forgotten_session_is_made_again_and_goes_on_where_it_was(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    s.sim->opt.forget_client_every = 3;
    for (int i = 0; i < 5; i++)
        listening_add(&s, i);
    listening_target(&s, CHANGES);
    listening_emits(&s, 6);
    listening_ended(&s, TL_STALE, NULL);
    assert_int_equal(s.n_emitted, 5);
    assert_true(s.sim->counts.handshakes >= 2);
    s.sim->opt.forget_client_every = 1;
    s.sim->counts.handshakes = 0;
    sf_read(&s);
    listening_ended(&s, TL_UPSTREAM, NULL);
    assert_int_equal(s.sim->counts.handshakes, 5);
    sf_stop(&s);
}

static void a_dead_token_is_renewed_and_the_session_made_again(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    listening_add(&s, 1);
    listening_target(&s, CHANGES);
    listening_emits(&s, 3);
    assert_int_equal(s.n_emitted, 1);
    sfsim_sessions_expire(s.sim);
    listening_add(&s, 2);
    listening_emits(&s, 3);
    listening_ended(&s, TL_STALE, NULL);
    assert_int_equal(s.n_emitted, 2);
    assert_int_equal(s.sim->counts.tokens, 2);
    sf_stop(&s);
}

/* 11.13 Stale replay id: say so, go on from the oldest event, fill up by a query. */
static void a_lost_position_is_told_and_filled_up(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    listening_add(&s, 1);
    listening_target(&s, CHANGES);
    listening_set_position(&s, "999999 1700000000000");
    listening_emits(&s, 6);
    listening_ended(&s, TL_STALE, NULL);
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
    listening_start(&s);
    s.sim->opt.gap = 1;
    listening_add(&s, 1);
    listening_target(&s, CHANGES);
    listening_emits(&s, 5);
    listening_ended(&s, TL_STALE, NULL);
    assert_true(sf_emitted(&s, "GAP_CREATE"));
    assert_true(sf_emitted(&s, "\"ERP_Id__c\":\"1\"")); /* no data was in the event */
    s.sim->opt.gap = 0;
    s.sim->opt.overflow = true;
    listening_add(&s, 2);
    listening_emits(&s, 5);
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
    listening_start(&s);
    listening_add(&s, 1);
    s.sim->opt.stall = true;
    listening_target(&s, "{ listen: /data/AccountChangeEvent, all: true, watchdog: 50ms }");
    sf_read(&s);
    listening_ended(&s, TL_UPSTREAM, NULL);
    assert_int_equal(s.sim->counts.handshakes, 5);
    s.sim->opt.stall = false;
    listening_emits(&s, 4);
    assert_int_equal(s.n_emitted, 1);
    sf_stop(&s);
}

static void platform_events_and_push_topics_come_as_they_are(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    (void)sf_add(&s, "Order_Placed__e", "{\"Order_Number__c\":\"4711\"}");
    listening_target(&s, "{ listen: /event/Order_Placed__e, all: true }");
    listening_emits(&s, 4);
    assert_true(sf_emitted(&s, "\"Order_Number__c\":\"4711\""));
    (void)sf_add(
        &s, "PushTopic",
        "{\"Name\":\"Big\",\"Query\":\"SELECT Id, Name FROM Account WHERE AnnualRevenue > 10\",\"ApiVersion\":60.0}");
    (void)sf_add(&s, "Account", "{\"Name\":\"small\",\"AnnualRevenue\":5}");
    (void)sf_add(&s, "Account", "{\"Name\":\"large\",\"AnnualRevenue\":50}");
    listening_target(&s, "{ listen: /topic/Big, all: true }");
    listening_set_position(&s, NULL);
    listening_emits(&s, 4);
    assert_true(sf_emitted(&s, "\"large\""));
    assert_false(sf_emitted(&s, "\"small\""));
    sf_stop(&s);
}

static void a_channel_that_is_not_there_is_an_error_of_the_configuration(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    listening_target(&s, "{ listen: /data/NoneChangeEvent }");
    sf_read(&s);
    listening_ended(&s, TL_CONFIG, "doesn't exist");
    assert_false(rig_target(&s.rig, "{ listen: AccountChangeEvent }", LISTEN));
    sf_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(change_events_come_once_with_ids_keys_and_a_position),
        cmocka_unit_test(our_own_changes_are_left_out_unless_asked_for),
        cmocka_unit_test(a_kill_before_the_first_event_loses_none_of_those_until_the_restart),
        cmocka_unit_test(a_session_forgotten_before_the_first_event_loses_none),
        cmocka_unit_test(old_events_are_passed_over_also_where_a_kill_comes_in_between),
        cmocka_unit_test(platform_events_and_topics_are_ours_from_the_subscription_on),
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
