/* SPDX-License-Identifier: Apache-2.0 */
/* Listening over the Pub/Sub API of the simulator: replay, flow control, stalls, dead tokens, lost positions, gaps. */
#include "salesforce/sim/pubsub.h"
#include "salesforce/test/listening.h"

#define CHANGES "{ listen: /data/AccountChangeEvent, via: pubsub, all: true, watchdog: 5s }"

static void change_events_come_once_with_ids_keys_and_a_position(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    listening_add(&s, 1);
    listening_add(&s, 2);
    listening_target(&s, CHANGES);
    listening_for(&s, 2);
    listening_ended(&s, TL_STALE, NULL);
    assert_int_equal(s.n_emitted, 2);
    assert_true(sf_emitted(&s, "\"Id\":\"001"));
    assert_true(sf_emitted(&s, "\"changeType\":\"CREATE\""));
    assert_true(sf_emitted(&s, "\"Name\":\"n2\""));
    assert_false(sf_emitted(&s, "\"Industry\"")); /* what did not change is not there */
    assert_memory_equal(s.position, "x0000000000000002 ", 18);
    listening_add(&s, 3);
    listening_for(&s, 1);
    assert_int_equal(s.n_emitted, 3); /* from the stored replay id: nothing twice, nothing missed */
    assert_true(sf_emitted(&s, "\"Name\":\"n3\""));
    sf_stop(&s);
}

static void changed_and_nulled_fields_are_named_although_they_come_as_bitmaps(void **state)
{
    struct sf_rig s;
    const char *id;

    (void)state;
    listening_start(&s);
    id = sf_add(&s, "Account", "{\"Name\":\"a\",\"Phone\":\"1\",\"AnnualRevenue\":5}");
    listening_patch(&s, id, "{\"Name\":\"b\",\"Phone\":null}");
    listening_target(&s, CHANGES);
    listening_for(&s, 2);
    assert_true(sf_emitted(&s, "\"changedFields\":[\"Name\",\"Phone\"]"));
    assert_true(sf_emitted(&s, "\"nulledFields\":[\"Phone\"]"));
    assert_true(sf_emitted(&s, "\"Phone\":null"));
    assert_true(sf_emitted(&s, "\"AnnualRevenue\":5"));
    assert_true(sf_emitted(&s, "\"LastModifiedDate\":\"20")); /* a long of milliseconds in Avro */
    sf_stop(&s);
}

static void platform_events_come_with_their_uuid_as_key(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    (void)sf_add(&s, "Order_Placed__e", "{\"Order_Number__c\":\"4711\",\"Amount__c\":2.5}");
    listening_target(&s, "{ listen: /event/Order_Placed__e, via: pubsub, all: true }");
    listening_for(&s, 1);
    listening_ended(&s, TL_STALE, NULL);
    assert_true(sf_emitted(&s, "\"Order_Number__c\":\"4711\""));
    assert_true(sf_emitted(&s, "\"Amount__c\":2.5"));
    assert_true(sf_emitted(&s, "\"CreatedDate\":\"20"));
    assert_int_equal(strcspn(s.emitted, "|"), 36);
    sf_stop(&s);
}

static void both_ways_of_listening_give_the_same_records_and_keys(void **state)
{
    struct sf_rig s;
    const char *first, *id;

    (void)state;
    listening_start(&s);
    id = sf_add(&s, "Account", "{\"Name\":\"a\",\"Phone\":\"1\"}");
    listening_patch(&s, id, "{\"AnnualRevenue\":7,\"Phone\":null}");
    listening_target(&s, "{ listen: /data/AccountChangeEvent, all: true }");
    listening_for(&s, 2);
    first = tl_arena_strdup(s.rig.conf, s.emitted);
    s.emitted = (tl_free(s.emitted), NULL);
    listening_set_position(&s, NULL);
    listening_target(&s, CHANGES);
    listening_for(&s, 2);
    for (const char *p = first, *q = s.emitted; *p && *q; p = strchr(p, '\n') + 1, q = strchr(q, '\n') + 1)
        assert_memory_equal(p, q, strcspn(p, "|")); /* the key */
    assert_true(sf_emitted(&s, "\"AnnualRevenue\":7") && strstr(first, "\"AnnualRevenue\":7"));
    assert_true(sf_emitted(&s, "\"Phone\":null") && strstr(first, "\"Phone\":null"));
    sf_stop(&s);
}

/* A stored position of CometD is gone on from; the other way round too. */
static void the_way_of_listening_may_be_changed_without_a_loss(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    for (int i = 1; i <= 3; i++)
        listening_add(&s, i);
    listening_target(&s, CHANGES);
    listening_set_position(&s, "1 1700000000000");
    listening_for(&s, 2);
    assert_int_equal(s.n_emitted, 2);
    assert_false(sf_emitted(&s, "\"n1\""));
    listening_target(&s, "{ listen: /data/AccountChangeEvent }");
    listening_set_position(&s, "x0000000000000002 1700000000000");
    listening_for(&s, 1);
    assert_int_equal(s.n_emitted, 3);
    sf_stop(&s);
}

/* As many are asked for as the ledger has taken: what cannot be taken in is not sent. */
static void no_more_events_are_asked_for_than_were_taken_in(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    for (int i = 0; i < 1000; i++)
        listening_add(&s, i);
    listening_target(&s, CHANGES);
    listening_for(&s, 0);
    listening_ended(&s, TL_STALE, NULL);
    assert_int_equal(s.n_emitted, 0);
    assert_true(s.sim->counts.delivered <= 400);
    listening_for(&s, 1000);
    assert_int_equal(s.n_emitted, 1000);
    sf_stop(&s);
}

static void our_own_changes_are_left_out_and_passed_over(void **state)
{
    static const char *const ours[] = {"{\"ERP_Id__c\":\"9\",\"Name\":\"ours\"}"};
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    sf_target(&s, "{ upsert: Account, external_id: ERP_Id__c }", 1u << CONNECTOR_WRITE);
    sf_write(&s, ours, 1);
    listening_target(&s, CHANGES);
    listening_once(&s);
    assert_int_equal(s.n_emitted, 0);
    assert_memory_equal(s.position, "x0000000000000001 ", 18);
    sf_stop(&s);
}

/* 11.14 gRPC stall: the stream lives and says nothing; the watchdog opens a new one behind the last event. */
static void a_stalled_grpc_stream_is_given_up_by_the_watchdog_and_opened_again(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    listening_add(&s, 1);
    s.sim->opt.stall = true;
    listening_target(&s, "{ listen: /data/AccountChangeEvent, via: pubsub, all: true, watchdog: 50ms }");
    sf_read(&s);
    listening_ended(&s, TL_UPSTREAM, "ended 5 times in a row without an event");
    assert_int_equal(s.sim->counts.subscriptions, 5);
    s.sim->opt.stall = false;
    listening_target(&s, CHANGES);
    listening_for(&s, 1);
    assert_int_equal(s.n_emitted, 1);
    sf_stop(&s);
}

static void a_broken_stream_is_opened_again_behind_the_last_event(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    s.sim->opt.break_stream_every = 1;
    for (int i = 0; i < 250; i++)
        listening_add(&s, i);
    listening_target(&s, CHANGES);
    listening_for(&s, 250);
    listening_ended(&s, TL_STALE, NULL);
    assert_int_equal(s.n_emitted, 250);
    assert_true(s.sim->counts.subscriptions >= 3);
    sf_stop(&s);
}

static enum tl_rc expire_then_add(struct sf_rig *s)
{
    s->on_emit = NULL;
    sfsim_sessions_expire(s->sim);
    listening_add(s, 2);
    return TL_OK;
}

static void a_token_that_ends_while_we_listen_is_renewed(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    listening_add(&s, 1);
    listening_target(&s, CHANGES);
    s.on_emit = expire_then_add;
    listening_for(&s, 2);
    listening_ended(&s, TL_STALE, NULL);
    assert_int_equal(s.n_emitted, 2);
    assert_int_equal(s.sim->counts.tokens, 2);
    assert_int_equal(s.sim->counts.subscriptions, 2);
    sf_stop(&s);
}

/* 11.13 Stale replay id: say so, go on from the oldest event, fill up by a query. */
static void a_lost_position_is_told_and_filled_up(void **state)
{
    static const char *const lost[] = {"x00000000000f423f 1700000000000", "x0102 1700000000000"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(lost); i++) {
        struct sf_rig s;

        listening_start(&s);
        listening_add(&s, 1);
        listening_target(&s, CHANGES);
        listening_set_position(&s, lost[i]);
        listening_for(&s, 3);
        listening_ended(&s, TL_STALE, NULL);
        assert_true(sf_emitted(&s, "\"changeType\":\"LOST_POSITION\""));
        assert_true(sf_emitted(&s, "\"changeType\":\"BACKFILL\""));
        assert_true(sf_emitted(&s, "\"changeType\":\"CREATE\""));
        sf_stop(&s);
    }
}

static void a_restart_after_a_loss_was_told_begins_with_the_oldest_event(void **state)
{
    static const char *const ways[] = {"{ listen: /data/AccountChangeEvent, via: pubsub }",
                                       "{ listen: /data/AccountChangeEvent }"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(ways); i++) {
        struct sf_rig s;

        listening_start(&s);
        listening_add(&s, 1);
        listening_target(&s, ways[i]);
        listening_set_position(&s, "999999 1700000000000");
        listening_for(&s, 1); /* LOST_POSITION is in, then the process dies */
        assert_true(sf_emitted(&s, "LOST_POSITION"));
        assert_false(sf_emitted(&s, "CREATE"));
        listening_for(&s, 1);
        assert_true(sf_emitted(&s, "CREATE"));
        sf_stop(&s);
    }
}

/* 11.15 Gap events: the record is fetched, all of them however many come at once. */
static void gaps_are_filled_with_the_records_as_they_are(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    s.sim->opt.gap = 1;
    for (int i = 0; i < 80; i++)
        listening_add(&s, i);
    listening_target(&s, CHANGES);
    listening_for(&s, 160);
    listening_ended(&s, TL_STALE, NULL);
    assert_int_equal(s.n_emitted, 160);
    assert_true(sf_emitted(&s, "GAP_CREATE"));
    assert_true(sf_emitted(&s, "\"ERP_Id__c\":\"79\"")); /* no data was in the event */
    sf_stop(&s);
}

static void an_event_that_cannot_be_decoded_is_taken_in_as_it_came(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    listening_add(&s, 1);
    s.sim->opt.garble = true;
    listening_target(&s, CHANGES);
    listening_for(&s, 1);
    listening_ended(&s, TL_STALE, NULL);
    assert_int_equal(s.n_emitted, 1);
    assert_true(sf_emitted(&s, "\"undecoded\":\"the event cannot be decoded: "));
    assert_memory_equal(s.position, "x0000000000000001 ", 18); /* and it holds nothing up */
    sf_stop(&s);
}

/* 11.15 Schema drift: a field that is added while we listen comes with the events from then on. */
static enum tl_rc add_a_field(struct sf_rig *s)
{
    s->on_emit = NULL;
    assert_int_equal(sfsim_schema_add(s->sim->schema, TL_SV("field Account: Region__c string(20)"), NULL), TL_OK);
    (void)sf_add(s, "Account", "{\"Name\":\"late\",\"Region__c\":\"north\"}");
    return TL_OK;
}

static void a_field_that_is_added_while_we_listen_is_in_the_events(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    listening_add(&s, 1);
    listening_target(&s, CHANGES);
    s.on_emit = add_a_field;
    listening_for(&s, 2);
    assert_true(sf_emitted(&s, "\"Region__c\":\"north\""));
    sf_stop(&s);
}

static void a_channel_that_is_not_there_is_an_error_of_the_configuration(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    listening_target(&s, "{ listen: /data/NoneChangeEvent, via: pubsub }");
    sf_read(&s);
    listening_ended(&s, TL_NOT_FOUND, "GetTopic: NOT_FOUND");
    assert_false(rig_target(&s.rig, "{ listen: /topic/Big, via: pubsub }", LISTEN));
    assert_non_null(strstr(rig_errors(&s.rig), "has no PushTopics"));
    sf_stop(&s);
}

static void a_token_that_may_not_see_who_it_is_finds_the_org_by_a_query(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    s.sim->opt.no_identity = true;
    listening_add(&s, 1);
    listening_target(&s, CHANGES);
    listening_for(&s, 1);
    listening_ended(&s, TL_STALE, NULL);
    assert_int_equal(s.n_emitted, 1);
    assert_int_equal(s.sim->counts.queries, 1);
    sf_stop(&s);
}

/* ---- publishing ---- */
static const char *const orders[] = {"{\"Order_Number__c\":\"1\",\"Amount__c\":2.5}", "{\"Order_Number__c\":17}",
                                     "{\"Amount__c\":1}", "{\"Order_Number__c\":\"4\",\"CreatedDate\":1700000000000}"};

static void platform_events_are_published_with_a_verdict_each(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    sf_target(&s, "{ publish: Order_Placed__e, via: pubsub }", 1u << CONNECTOR_WRITE);
    sf_write(&s, orders, 4);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    assert_int_equal(s.rig.verdicts[0].answer.n, 36);
    sf_expect(&s, 1, CONNECTOR_FAILED, TL_INVALID, "Order_Number__c has the wrong type"); /* we see it: not sent */
    sf_expect(&s, 2, CONNECTOR_FAILED, TL_INVALID, "Order_Number__c");                    /* the org sees it */
    sf_expect(&s, 3, CONNECTOR_DONE, TL_OK, NULL);
    assert_int_equal(sfsim_last_event(s.sim->db), 2);
    listening_target(&s, "{ listen: /event/Order_Placed__e, via: pubsub, all: true }");
    listening_for(&s, 2);
    assert_true(sf_emitted(&s, "\"Order_Number__c\":\"1\"") && sf_emitted(&s, "\"Order_Number__c\":\"4\""));
    sf_stop(&s);
}

static void a_publication_that_nobody_answers_is_of_unknown_outcome(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    s.sim->opt.drop = 1;
    sf_target(&s, "{ publish: Order_Placed__e, via: pubsub }", 1u << CONNECTOR_WRITE);
    sf_write(&s, orders, 1);
    listening_ended(&s, TL_UNKNOWN_OUTCOME, "no answer came");
    assert_int_equal(sfsim_last_event(s.sim->db), 1);
    sf_stop(&s);
}

static void what_is_no_platform_event_cannot_be_published_to(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    sf_target(&s, "{ publish: None__e, via: pubsub }", 1u << CONNECTOR_WRITE);
    sf_write(&s, orders, 1);
    listening_ended(&s, TL_NOT_FOUND, "GetTopic: NOT_FOUND");
    sf_stop(&s);
}

static void nothing_of_the_token_is_in_any_text(void **state)
{
    struct sf_rig s;

    (void)state;
    listening_start(&s);
    listening_target(&s, CHANGES);
    s.sim->org[5] ^= 1;
    sf_read(&s);
    assert_null(strstr(s.rig.err.text, "00D"));
    sf_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(change_events_come_once_with_ids_keys_and_a_position),
        cmocka_unit_test(changed_and_nulled_fields_are_named_although_they_come_as_bitmaps),
        cmocka_unit_test(platform_events_come_with_their_uuid_as_key),
        cmocka_unit_test(both_ways_of_listening_give_the_same_records_and_keys),
        cmocka_unit_test(the_way_of_listening_may_be_changed_without_a_loss),
        cmocka_unit_test(no_more_events_are_asked_for_than_were_taken_in),
        cmocka_unit_test(our_own_changes_are_left_out_and_passed_over),
        cmocka_unit_test(a_stalled_grpc_stream_is_given_up_by_the_watchdog_and_opened_again),
        cmocka_unit_test(a_broken_stream_is_opened_again_behind_the_last_event),
        cmocka_unit_test(a_token_that_ends_while_we_listen_is_renewed),
        cmocka_unit_test(a_lost_position_is_told_and_filled_up),
        cmocka_unit_test(a_restart_after_a_loss_was_told_begins_with_the_oldest_event),
        cmocka_unit_test(gaps_are_filled_with_the_records_as_they_are),
        cmocka_unit_test(an_event_that_cannot_be_decoded_is_taken_in_as_it_came),
        cmocka_unit_test(a_field_that_is_added_while_we_listen_is_in_the_events),
        cmocka_unit_test(a_channel_that_is_not_there_is_an_error_of_the_configuration),
        cmocka_unit_test(a_token_that_may_not_see_who_it_is_finds_the_org_by_a_query),
        cmocka_unit_test(platform_events_are_published_with_a_verdict_each),
        cmocka_unit_test(a_publication_that_nobody_answers_is_of_unknown_outcome),
        cmocka_unit_test(what_is_no_platform_event_cannot_be_published_to),
        cmocka_unit_test(nothing_of_the_token_is_in_any_text),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
