/* SPDX-License-Identifier: Apache-2.0 */
/* Records into the simulated account: what arrives, and what each refusal means. */
#include "account.h"

#define ORDER                                                                                                          \
    "{\"orderNumber\":\"S-1\",\"entity\":{\"externalId\":\"C-1\"},\"item\":{\"items\":[{\"item\":{\"externalId\":"     \
    "\"SKU-1\"},\"quantity\":2,\"rate\":4.5}]}}"
#define UPSERT "{ upsert: salesOrder, external_id: orderNumber }"

static void an_upsert_creates_once_and_repeats_without_harm(void **state)
{
    struct account a;
    struct json orders, lines;

    (void)state;
    account_open(&a, NULL, NULL);
    account_target(&a, UPSERT);
    for (int i = 0; i < 3; i++) {
        if (account_write(&a, ORDER) != TL_OK || a.verdict->end != CONNECTOR_DONE)
            fail_msg("%s; %s", account_text(&a), account_last_audit(&a));
        assert_true(tl_sv_eqs(a.verdict->answer, "1"));
        assert_int_equal(a.rig.call.status, 204);
    }
    orders = account_records(&a, "salesOrder");
    assert_int_equal(orders.n, 1);
    assert_true(tl_sv_eqs(json_text(json_gets(json_at(orders, 0), "externalId"), TL_SV("")), "S-1"));
    lines = json_gets(json_gets(json_at(orders, 0), "item"), "items");
    assert_int_equal(lines.n, 1);
    assert_true(json_number(json_gets(json_at(orders, 0), "total")) == 9.0);
    assert_int_equal(json_gets(json_at(orders, 0), "orderNumber").type, JSON_UNDEFINED);
    assert_int_equal(a.sim->counts.created, 1);
    assert_int_equal(a.sim->counts.updated, 2);
    assert_int_equal(a.sim->counts.tokens, 1); /* one token for all three */
    account_close(&a);
}

static void every_way_to_log_in_works(void **state)
{
    static const char *const ways[] = {ACCOUNT_M2M, ACCOUNT_TBA};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(ways); i++) {
        struct account a;

        account_open(&a, NULL, ways[i]);
        account_target(
            &a, "{ upsert: salesOrder, external_id: orderNumber, lines: replace }"); /* with a query to be signed */
        if (account_write(&a, ORDER) != TL_OK || a.verdict->end != CONNECTOR_DONE)
            fail_msg("%s; %s", account_text(&a), account_last_audit(&a));
        account_close(&a);
    }
}

static void create_update_transform_and_delete(void **state)
{
    struct account a;
    struct json orders;

    (void)state;
    account_open(&a, NULL, NULL);
    account_target(&a, "{ create: salesOrder, external_id: orderNumber }");
    assert_int_equal(account_write(&a, ORDER), TL_OK);
    assert_int_equal(a.verdict->end, CONNECTOR_DONE);
    account_target(&a, "{ update: salesOrder, external_id: number }");
    assert_int_equal(
        account_write(&a, "{\"number\":\"S-1\",\"memo\":\"gift\",\"item\":{\"items\":[{\"line\":1,\"quantity\":3}]}}"),
        TL_OK);
    if (a.verdict->end != CONNECTOR_DONE)
        fail_msg("%s", account_text(&a));
    orders = account_records(&a, "salesOrder");
    assert_int_equal(orders.n, 1);
    assert_true(json_number(json_gets(json_at(orders, 0), "total")) == 13.5);
    account_target(&a, "{ transform: salesOrder, into: itemFulfillment, external_id: number }");
    assert_int_equal(account_write(&a, "{\"number\":\"S-1\",\"memo\":\"parcel 7\"}"), TL_OK);
    assert_int_equal(a.verdict->end, CONNECTOR_DONE);
    assert_int_equal(account_records(&a, "itemFulfillment").n, 1);
    assert_int_equal(account_write(&a, "{\"number\":\"S-1\"}"), TL_OK); /* nothing is left to be fulfilled */
    assert_int_equal(a.verdict->end, CONNECTOR_FAILED);
    assert_int_equal(a.verdict->rc, TL_INVALID);
    account_target(&a, "{ delete: salesOrder, external_id: number }");
    assert_int_equal(account_write(&a, "{\"number\":\"S-1\"}"), TL_OK);
    assert_int_equal(a.verdict->end, CONNECTOR_DONE);
    assert_int_equal(account_write(&a, "{\"number\":\"S-1\"}"), TL_OK);
    assert_int_equal(a.verdict->end, CONNECTOR_SKIPPED);
    assert_int_equal(account_records(&a, "salesOrder").n, 0);
    account_close(&a);
}

static void a_create_of_unknown_outcome_looks_before_it_creates_again(void **state)
{
    struct nsim_options drops = nsim_defaults();
    struct account a;

    (void)state;
    drops.drop = 1; /* carried out, then cut off */
    account_open(&a, &drops, NULL);
    account_target(&a, "{ create: customer, external_id: number }");
    assert_int_equal(account_write(&a, "{\"number\":\"N-1\",\"companyName\":\"Initech\"}"), TL_UNKNOWN_OUTCOME);
    a.sim->opt.drop = 0;
    a.rig.records[0].unknown_before = true;
    rig_run(&a.rig);
    assert_int_equal(a.rig.rc, TL_OK);
    assert_int_equal(a.verdict->end, CONNECTOR_DONE);
    assert_true(tl_sv_eqs(a.verdict->answer, "2"));
    assert_int_equal(account_records(&a, "customer").n, 2);
    account_close(&a);
}

struct row {
    const char *target, *record;
    enum tl_rc rc;
    const char *text;
};
static const struct row refusals[] = {
    {UPSERT, "{\"orderNumber\":\"S-1\",\"entity\":{\"id\":\"99\"}}", TL_INVALID, "[entity]"},
    {UPSERT, "{\"orderNumber\":\"S-1\",\"entity\":{\"id\":\"1\"}}", TL_INVALID, "Please enter value(s) for: item"},
    {UPSERT, "{\"orderNumber\":\"S-1\",\"memo\":7}", TL_INVALID, "'memo'"},
    {UPSERT, "{\"orderNumber\":\"S-1\",\"entiti\":{\"id\":\"1\"}}", TL_INVALID,
     "INVALID_CONTENT: Error while accessing a resource. Unknown reference or field name 'entiti'"},
    {UPSERT, "{\"memo\":\"x\"}", TL_INVALID, "has no value for external_id"},
    {"{ upsert: salesOrder, external_id: "
     "\"shop & '-' & n\" }",
     "{\"memo\":\"x\"}", TL_INVALID, "has no value for external_id"}, /* and not one of all that lack both */
    {UPSERT, "{\"orderNumber\":\"a|b\"}", TL_INVALID, "may only have letters, digits, _ and -"},
    {UPSERT, "{\"orderNumber\":{\"x\":1}}", TL_INVALID, "has no value for external_id"},
    {UPSERT, "[1]", TL_INVALID, "is an object"},
    {"{ upsert: salesOrder, external_id: \"$error('no number')\" }", "{}", TL_INVALID, "no number"},
    {"{ update: customer, id: id }", "{\"id\":99,\"email\":\"x\"}", TL_INVALID, "NONEXISTENT_ID"},
    {"{ update: salesOrder, id: id }", "{\"id\":1,\"item\":{\"items\":[{\"item\":{\"id\":1}}]}}", TL_INVALID,
     "has no `line`"},
    {"{ create: customer }", "{\"companyName\":\"Globex\"}", TL_INVALID, "DUP_ENTITY"},
    {"{ upsert: vendor, external_id: n }", "{\"n\":\"C-1\",\"companyName\":\"Other\"}", TL_INVALID, "DUP_RCRD"},
};

static void each_refusal_has_its_words(void **state)
{
    struct account a;

    (void)state;
    account_open(&a, NULL, NULL);
    for (size_t i = 0; i < TL_COUNT(refusals); i++) {
        const struct row *r = &refusals[i];

        account_target(&a, r->target);
        if (account_write(&a, r->record) != TL_OK || a.verdict->end != CONNECTOR_FAILED ||
            tl_rc_class(a.verdict->rc) != TL_CLASS_DATA)
            fail_msg("row %zu: %s: %s", i, tl_rc_name(a.rig.rc), account_text(&a));
        if (!strstr(account_text(&a), r->text))
            fail_msg("row %zu: %s", i, account_text(&a));
    }
    assert_int_equal(account_records(&a, "salesOrder").n, 0);
    account_close(&a);
}

static void a_misspelled_record_type_holds_the_flow(void **state)
{
    struct account a;

    (void)state;
    account_open(&a, NULL, NULL);
    account_target(&a, "{ upsert: salesorder, external_id: orderNumber }");
    assert_int_equal(account_write(&a, ORDER), TL_CONFIG);
    assert_non_null(strstr(account_text(&a), "'salesorder' does not exist"));
    account_close(&a);
}

static void a_look_up_gives_the_record_or_null(void **state)
{
    struct account a;

    (void)state;
    account_open(&a, NULL, NULL);
    account_target(&a, "{ get: customer, external_id: body.customer, fields: [ companyName, email ] }");
    assert_int_equal(account_call(&a, "{\"body\":{\"customer\":\"C-1\"}}"), TL_OK);
    assert_true(tl_sv_eqs(json_text(json_gets(a.rig.call.output, "companyName"), TL_SV("")), "Globex"));
    assert_true(tl_sv_eqs(json_text(json_gets(a.rig.call.output, "id"), TL_SV("")), "1"));
    assert_int_equal(account_call(&a, "{\"body\":{\"customer\":\"C-9\"}}"), TL_OK);
    assert_int_equal(a.rig.call.output.type, JSON_NULL);
    account_close(&a);
}

static enum tl_rc probe(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct connector_identity who = {0};
    enum tl_rc rc = netsuite__probe(task, call, &who, err);

    call->output = json_printf(call->arena, "%.*s; %.*s", TL_SV_ARG(who.who), TL_SV_ARG(who.details));
    return rc;
}

static void the_probe_says_who_we_are_and_what_the_account_allows(void **state)
{
    struct account a;

    (void)state;
    account_open(&a, NULL, NULL);
    account_target(&a, UPSERT);
    a.rig.fn = probe;
    rig_run(&a.rig);
    assert_int_equal(a.rig.rc, TL_OK);
    assert_true(tl_sv_eqs(json_view(a.rig.call.output),
                          "the integration of account 1234567_SB1; 5 requests at one time for the whole account"));
    account_close(&a);
}

static void an_account_id_has_two_forms(void **state)
{
    static const struct {
        const char *text, *id, *host;
    } rows[] = {{"1234567", "1234567", "1234567"},
                {"1234567_SB1", "1234567_SB1", "1234567-sb1"},
                {"1234567-sb1", "1234567_SB1", "1234567-sb1"},
                {"TSTDRV123456", "TSTDRV123456", "tstdrv123456"},
                {"evil.example.com/", NULL, NULL},
                {"a_b_c", NULL, NULL},
                {"_1", NULL, NULL},
                {"", NULL, NULL}};
    char id[NETSUITE_ACCOUNT], host[NETSUITE_ACCOUNT];

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        assert_int_equal(netsuite__account(rows[i].text, id, host), rows[i].id != NULL);
        if (rows[i].id) {
            assert_string_equal(id, rows[i].id);
            assert_string_equal(host, rows[i].host);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upsert_creates_once_and_repeats_without_harm),
        cmocka_unit_test(every_way_to_log_in_works),
        cmocka_unit_test(create_update_transform_and_delete),
        cmocka_unit_test(a_create_of_unknown_outcome_looks_before_it_creates_again),
        cmocka_unit_test(each_refusal_has_its_words),
        cmocka_unit_test(a_misspelled_record_type_holds_the_flow),
        cmocka_unit_test(a_look_up_gives_the_record_or_null),
        cmocka_unit_test(the_probe_says_who_we_are_and_what_the_account_allows),
        cmocka_unit_test(an_account_id_has_two_forms),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
