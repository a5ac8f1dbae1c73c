/* SPDX-License-Identifier: Apache-2.0 */
/* Out of the simulated account: pages by key, ties, restarts, whole records, and queries as look-ups. */
#include "account.h"

enum { TAKEN = 4000 };
struct taken { /* what the ledger was given */
    char keys[TAKEN][64];
    size_t n, emits;
    char position[200], last[4000];
    struct account *a;
};

static enum tl_rc take(void *arg, struct task *task, const struct connector_incoming *records, size_t n,
                       struct tl_sv position, struct tl_err *err)
{
    struct taken *t = arg;
    struct tl_buf b;

    t->emits++;
    for (size_t i = 0; i < n; i++) {
        bool known = false;

        for (size_t k = 0; k < t->n && !known; k++)
            known = tl_sv_eqs(records[i].key, t->keys[k]);
        if (known)
            continue;
        assert_true(t->n < TAKEN);
        (void)snprintf(t->keys[t->n++], sizeof t->keys[0], "%.*s", TL_SV_ARG(records[i].key));
        tl_buf_init(&b, sizeof t->last);
        assert_true(json_write(&b, records[i].value, 0));
        (void)snprintf(t->last, sizeof t->last, "%s", b.p);
        tl_buf_done(&b);
    }
    (void)snprintf(t->position, sizeof t->position, "%.*s", TL_SV_ARG(position));
    return rig_step(&t->a->rig, task, err);
}

static void open_reading(struct account *a, struct taken *t, const char *target)
{
    account_open(a, NULL, NULL);
    account_target(a, target);
    t->a = a;
    /* The account has the system's clock: what is written there is an hour old for us, and its second is over. */
    tl_fake_clock_init(&a->rig.clock, tl_clock_wall_ms(tl_clock_system()) + 3600000);
    a->rig.ledger = (struct connector_ledger){.emit = take, .arg = t};
}

static enum tl_rc run(struct account *a, const struct taken *t)
{
    a->rig.fn = NULL;
    a->rig.call.n = 0;
    a->rig.call.position = tl_sv_str(tl_arena_strdup(a->rig.conf, t->position));
    rig_run(&a->rig);
    return a->rig.rc;
}

static void add_customers(struct account *a, int from, int to)
{
    struct nsim_fault f;

    for (int i = from; i < to; i++) {
        struct json v;

        assert_int_equal(
            json_parse(
                a->rig.conf,
                tl_sv_str(tl_arena_printf(
                    a->rig.conf, "{\"customer\":[{\"companyName\":\"No %d\",\"email\":\"%d@x.example\"}]}", i, i)),
                0, NULL, &v, NULL),
            TL_OK);
        if (!nsim_seed(a->sim, v, &f))
            fail_msg("%s", f.text);
    }
}

static void every_changed_record_is_read_once_though_all_bear_one_time(void **state)
{
    struct account a;
    struct taken *t = tl_zalloc(sizeof *t);

    (void)state;
    open_reading(&a, t, "{ records: customer, fields: [ email, companyname ], page: 10 }");
    add_customers(&a, 0, 44);
    assert_int_equal(store_exec(a.sim->db, "UPDATE record SET modified=1764000000000 WHERE type='customer'", NULL),
                     TL_OK);
    if (run(&a, t) != TL_OK)
        fail_msg("%s", a.rig.err.text);
    assert_int_equal(t->n, 45);
    assert_int_equal(t->emits, 5);
    assert_non_null(strstr(t->last, "\"email\":\"43@x.example\""));
    assert_string_equal(t->position, "{\"changed\":\"2025-11-24 16:00:00\",\"key\":\"45\"}");
    assert_int_equal(run(&a, t), TL_OK); /* nothing new: the overlap is read again and recognised */
    assert_int_equal(t->n, 45);
    add_customers(&a, 44, 46);
    assert_int_equal(run(&a, t), TL_OK);
    assert_int_equal(t->n, 47);
    account_close(&a);
    tl_free(t);
}

static void what_was_saved_late_is_found_in_the_overlap_and_the_position_does_not_go_back(void **state)
{
    struct account a;
    struct taken *t = tl_zalloc(sizeof *t);
    char before[200];

    (void)state;
    open_reading(&a, t, "{ records: customer, overlap: 60s }");
    assert_int_equal(store_exec(a.sim->db, "UPDATE record SET modified=1764000000000 WHERE type='customer'", NULL),
                     TL_OK);
    assert_int_equal(run(&a, t), TL_OK);
    assert_int_equal(t->n, 1);
    (void)snprintf(before, sizeof before, "%s", t->position);
    add_customers(&a, 0, 2);
    assert_int_equal(store_exec(a.sim->db,
                                "UPDATE record SET modified=1764000000000-30000 WHERE id=2 AND type='customer';"
                                "UPDATE record SET modified=1764000000000-90000 WHERE id=3 AND type='customer'",
                                NULL),
                     TL_OK);
    assert_int_equal(run(&a, t), TL_OK);
    assert_int_equal(t->n, 2); /* the one of 90 s before is beyond the overlap */
    assert_string_equal(t->position, before);
    account_close(&a);
    tl_free(t);
}

static void set_modified(struct account *a, const char *ids, int64_t ms)
{
    assert_int_equal(
        store_exec(a->sim->db,
                   tl_arena_printf(a->rig.conf, "UPDATE record SET modified=%lld WHERE type='customer' AND id IN (%s)",
                                   (long long)ms, ids),
                   NULL),
        TL_OK);
}

/* Times are whole seconds. What is changed behind a record that was read, and yet in its second, has the record's time
 * and a smaller id, or is the record itself. */
static void a_second_is_read_when_it_is_over_whatever_reads(void **state)
{
    static const char *const targets[] = {
        "{ records: customer, fields: [ companyname ], lag: 0s }", "{ records: customer, whole: true, lag: 0s }",
        "{ suiteql: \"SELECT id, companyname, TO_CHAR(SYS_EXTRACT_UTC(lastmodifieddate),'YYYY-MM-DD HH24:MI:SS') AS "
        "changed FROM customer\", modified: changed, lag: 0s }"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(targets); i++) {
        struct account a;
        struct taken *t = tl_zalloc(sizeof *t);
        int64_t second;

        open_reading(&a, t, targets[i]);
        add_customers(&a, 0, 2);
        second = a.rig.clock.wall_ms / 1000 * 1000;
        a.rig.clock.wall_ms = second + 300;
        set_modified(&a, "1,3", second - 60000);
        set_modified(&a, "2", second);
        assert_int_equal(run(&a, t), TL_OK);
        assert_int_equal(t->n, 2);
        set_modified(&a, "1", second);
        assert_int_equal(
            store_exec(a.sim->db, "UPDATE record SET body=replace(body,'No 0','Changed') WHERE id=2", NULL), TL_OK);
        assert_int_equal(run(&a, t), TL_OK);
        assert_int_equal(t->n, 2);
        tl_fake_clock_advance_ms(&a.rig.clock, 700);
        assert_int_equal(run(&a, t), TL_OK);
        assert_int_equal(t->n, 4);
        assert_non_null(strstr(t->last, "Changed"));
        assert_int_equal(a.rig.call.remark.n, 0);
        account_close(&a);
        tl_free(t);
    }
}

static void what_is_younger_than_the_lag_waits_and_what_is_far_ahead_is_told(void **state)
{
    struct account a;
    struct taken *t = tl_zalloc(sizeof *t);
    int64_t second;

    (void)state;
    open_reading(&a, t, "{ records: customer, lag: 5s, page: 1 }");
    add_customers(&a, 0, 2);
    second = a.rig.clock.wall_ms / 1000 * 1000;
    a.rig.clock.wall_ms = second + 300;
    set_modified(&a, "1", second - 6000);
    set_modified(&a, "2", second - 5000);
    set_modified(&a, "3", second + 30000);
    assert_int_equal(run(&a, t), TL_OK);
    assert_int_equal(t->n, 1);
    tl_fake_clock_advance_ms(&a.rig.clock, 700);
    assert_int_equal(run(&a, t), TL_OK);
    assert_int_equal(t->n, 2);
    assert_int_equal(a.rig.call.remark.n, 0);
    set_modified(&a, "3", second + (int64_t)9 * 3600000); /* another zone, or a wrong clock */
    assert_int_equal(run(&a, t), TL_OK);
    assert_int_equal(t->n, 2);
    assert_true(tl_sv_find_sv(a.rig.call.remark, TL_SV("waits until our clock has come so far")) < a.rig.call.remark.n);
    account_close(&a);
    tl_free(t);
}

static void more_rows_than_offsets_reach_are_read_by_key(void **state)
{
    struct account a;
    struct taken *t = tl_zalloc(sizeof *t);

    (void)state;
    open_reading(&a, t, "{ suiteql: \"SELECT id, email FROM customer WHERE email IS NOT NULL\", page: 1000 }");
    assert_int_equal(
        store_exec(a.sim->db,
                   "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i+1 FROM n WHERE i<3009) INSERT INTO record "
                   "SELECT 'entity',i,'customer',NULL,'{\"email\":\"x\"}',0,0 FROM n",
                   NULL),
        TL_OK);
    if (run(&a, t) != TL_OK)
        fail_msg("%s", a.rig.err.text);
    assert_int_equal(t->n, 3001);
    assert_string_equal(t->keys[3000], "suiteql/3009/");
    assert_string_equal(t->position, "{\"changed\":\"\",\"key\":\"3009\"}");
    account_close(&a);
    tl_free(t);
}

static void a_record_is_fetched_whole_with_its_lines_and_one_that_is_gone_is_left_out(void **state)
{
    static const char order[] = "{\"entity\":{\"externalId\":\"C-1\"},\"item\":{\"items\":[{\"item\":{"
                                "\"externalId\":\"SKU-1\"},\"rate\":3}]}}";
    struct account a;
    struct taken *t = tl_zalloc(sizeof *t);

    (void)state;
    open_reading(&a, t, "{ upsert: salesOrder, external_id: n }");
    for (int i = 0; i < 3; i++) {
        char text[300];

        (void)snprintf(text, sizeof text, "{\"n\":\"S-%d\",%s", i, order + 1);
        assert_int_equal(account_write(&a, text), TL_OK);
        assert_int_equal(a.verdict->end, CONNECTOR_DONE);
    }
    account_target(&a, "{ records: salesOrder, whole: true }");
    assert_int_equal(run(&a, t), TL_OK);
    assert_int_equal(t->n, 3);
    assert_non_null(strstr(t->last, "\"totalResults\":1"));
    assert_non_null(strstr(t->last, "\"externalId\":\"S-2\""));
    account_close(&a);
    tl_free(t);
}

static enum tl_rc take_none(void *arg, struct task *task, const struct connector_incoming *records, size_t n,
                            struct tl_sv position, struct tl_err *err)
{
    (void)arg, (void)task, (void)records, (void)n, (void)position, (void)err;
    fail_msg("nothing was there to take in");
    return TL_OK;
}

static void an_answer_that_is_no_json_is_not_a_record_that_is_gone(void **state)
{
    static const struct rig_reply cut = {.body = "{\"id\":\"7\",", .headers = {"content-type: application/json"}};
    static const char *const record = "{\"id\":\"7\"}";
    struct rig r;

    (void)state;
    rig_start(&r);
    r.env[1][0] = "SECRET";
    r.env[1][1] = "s";
    assert_true(rig_connect(&r, connector_find(TL_SV("netsuite")),
                            "{ account: \"1234567\", url: \"${env:TIELINE_TEST_URL}\", auth: { oauth1: { consumer_key: "
                            "c, consumer_secret: \"${env:SECRET}\", token: t, token_secret: \"${env:SECRET}\" } } }"));
    assert_true(rig_target(&r, "{ get: customer, id: id }", 1u << CONNECTOR_CALL));
    assert_int_equal(json_parse(r.conf, TL_SV("{\"id\":\"7\"}"), 0, NULL, &r.call.input, NULL), TL_OK);
    rig_script(&r, cut);
    rig_run(&r);
    assert_int_equal(r.rc, TL_UPSTREAM);
    assert_non_null(strstr(r.err.text, "HTTP 200, but the answer is no record in JSON"));
    assert_true(rig_target(&r, "{ records: customer, whole: true }", 1u << CONNECTOR_READ));
    r.ledger = (struct connector_ledger){.emit = take_none};
    r.replies[0] =
        (struct rig_reply){.body = "{\"items\":[{\"id\":\"7\",\"tieline_changed\":\"2020-01-01 00:00:00\"}]}"};
    r.replies[1] = cut;
    r.n_replies = 2;
    r.next = 0;
    rig_run(&r);
    assert_int_equal(r.rc, TL_UPSTREAM);
    /* nor one that an earlier attempt did not make */
    assert_true(rig_target(&r, "{ create: customer, external_id: id }", 1u << CONNECTOR_WRITE));
    rig_records(&r, &record, 1);
    r.records[0].unknown_before = true;
    rig_script(&r, cut);
    r.requests = 0;
    rig_run(&r);
    assert_int_equal(r.rc, TL_UPSTREAM);
    assert_int_equal(r.requests, 1);
    assert_true(rig_saw(&r, "GET /services/rest/record/v1/customer/eid:7"));
    rig_stop(&r);
}

static void a_page_that_breaks_off_keeps_what_it_had(void **state)
{
    struct account a;
    struct taken *t = tl_zalloc(sizeof *t);

    (void)state;
    open_reading(&a, t, "{ records: customer, whole: true }");
    add_customers(&a, 0, 20);
    a.sim->opt.fail = 0.2;
    for (int i = 0; i < 200 && (run(&a, t) != TL_OK || t->n < 21); i++)
        assert_true(a.rig.rc == TL_OK || a.rig.rc == TL_UPSTREAM);
    assert_int_equal(t->n, 21);
    account_close(&a);
    tl_free(t);
}

static void a_record_in_the_overlap_is_fetched_once_and_again_only_when_it_was_changed(void **state)
{
    struct account a;
    struct taken *t = tl_zalloc(sizeof *t);
    uint64_t before;

    (void)state;
    open_reading(&a, t, "{ records: customer, whole: true, overlap: 1h, page: 10 }");
    add_customers(&a, 0, 24);
    a.sim->opt.fail = 0.1;
    for (int i = 0; i < 200 && (run(&a, t) != TL_OK || t->n < 25); i++)
        assert_true(a.rig.rc == TL_OK || a.rig.rc == TL_UPSTREAM);
    assert_int_equal(t->n, 25);
    a.sim->opt.fail = 0;
    before = a.sim->counts.received;
    assert_int_equal(run(&a, t), TL_OK);
    assert_int_equal(a.sim->counts.received - before, 3); /* pages of the query, no record */
    assert_int_equal(
        store_exec(a.sim->db, "UPDATE record SET modified=modified+2000 WHERE id=7 AND type='customer'", NULL), TL_OK);
    add_customers(&a, 24, 25);
    assert_int_equal(run(&a, t), TL_OK);
    assert_int_equal(a.sim->counts.received - before, 3 + 3 + 2);
    assert_int_equal(t->n, 27);
    account_close(&a);
    tl_free(t);
}

static void a_query_is_a_look_up(void **state)
{
    struct account a;

    (void)state;
    account_open(&a, NULL, NULL);
    account_target(
        &a,
        "{ query: \"SELECT id, companyName FROM customer WHERE email = ? AND id > ?\", params: [ body.email, 0 ] }");
    assert_int_equal(account_call(&a, "{\"body\":{\"email\":\"a@globex.example\"}}"), TL_OK);
    assert_int_equal(a.rig.call.output.n, 1);
    assert_true(tl_sv_eqs(json_text(json_gets(json_at(a.rig.call.output, 0), "companyname"), TL_SV("")), "Globex"));
    assert_int_equal(account_call(&a, "{\"body\":{\"email\":\"nobody\"}}"), TL_OK);
    assert_int_equal(a.rig.call.output.n, 0);
    assert_int_equal(account_call(&a, "{\"body\":{}}"), TL_INVALID);
    assert_true(a.rig.call.not_sent);
    account_close(&a);
}

struct sql_row {
    const char *q, *answer; /* the items, or the error's text */
};
static const struct sql_row sql_rows[] = {
    {"SELECT id, externalid FROM customer", "[{\"links\":[],\"id\":\"1\",\"externalid\":\"C-1\"}]"},
    {"SELECT count(*) AS n FROM inventoryitem", "Record 'inventoryitem' was not found"},
    {"SELECT COUNT(*) AS n FROM item WHERE itemtype = 'InvtPart'", "[{\"links\":[],\"n\":\"2\"}]"},
    {"SELECT id FROM item ORDER BY id DESC FETCH FIRST 1 ROWS ONLY", "[{\"links\":[],\"id\":\"2\"}]"},
    {"SELECT TOP 1 itemid FROM item ORDER BY itemid DESC", "[{\"links\":[],\"itemid\":\"SKU-2\"}]"},
    /* ROWNUM is given before ORDER BY: the first row that came, not the last by name */
    {"SELECT itemid FROM item WHERE ROWNUM <= 1 ORDER BY itemid DESC", "[{\"links\":[],\"itemid\":\"SKU-1\"}]"},
    {"SELECT lastmodifieddate FROM customer", "[{\"links\":[],\"lastmodifieddate\":\"11/24/2025\"}]"},
    {"SELECT TO_CHAR(SYS_EXTRACT_UTC(lastmodifieddate),'YYYY-MM-DD HH24:MI:SS') AS t FROM customer",
     "[{\"links\":[],\"t\":\"2025-11-24 16:00:00\"}]"},
    {"SELECT id FROM customer WHERE lastmodifieddate >= TO_DATE('2025-11-24','YYYY-MM-DD')",
     "[{\"links\":[],\"id\":\"1\"}]"},
    {"SELECT c.id, NVL(c.phone,'none') AS phone FROM customer c", "[{\"links\":[],\"id\":\"1\",\"phone\":\"none\"}]"},
    {"SELECT phone FROM customer", "[{\"links\":[]}]"},
    {"SELECT isinactive FROM customer", "[{\"links\":[],\"isinactive\":\"F\"}]"},
    {"SELECT i.itemid FROM item i INNER JOIN customer c ON c.id = i.id", "[{\"links\":[],\"itemid\":\"SKU-1\"}]"},
    {"SELECT x.id FROM (SELECT id FROM customer WHERE id = 1) x WHERE x.id > 0", "[{\"links\":[],\"id\":\"1\"}]"},
    {"DELETE FROM customer", "Invalid or unsupported search"},
    {"SELECT * FROM record", "Record 'record' was not found"},
    {"SELECT id FROM customer; DROP TABLE record", "Invalid or unsupported search"},
    {"SELECT load_extension('x') FROM customer", "Unknown function"},
    {"SELECT 'a FROM customer", "Invalid or unsupported search"},
    {"SELECT (id FROM customer", "syntax error"},
    {"SELECT nonsense FROM customer", "no such column"},
};

static void suiteql_is_really_run_with_its_traps(void **state)
{
    struct account a;

    (void)state;
    account_open(&a, NULL, NULL);
    assert_int_equal(store_exec(a.sim->db, "UPDATE record SET modified=1764000000000", NULL), TL_OK);
    for (size_t i = 0; i < TL_COUNT(sql_rows); i++) {
        const struct sql_row *r = &sql_rows[i];
        struct tl_buf b;

        account_target(&a, tl_arena_printf(a.rig.conf, "{ query: \"%s\" }", r->q));
        (void)account_call(&a, "{}");
        tl_buf_init(&b, 64 << 10);
        if (a.rig.rc == TL_OK)
            assert_true(json_write(&b, a.rig.call.output, 0));
        else
            (void)tl_buf_puts(&b, a.rig.err.text);
        if (a.rig.rc == TL_OK ? strcmp(b.p, r->answer) != 0 : !strstr(b.p, r->answer))
            fail_msg("%s\n-> %s", r->q, b.p);
        tl_buf_done(&b);
    }
    account_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_changed_record_is_read_once_though_all_bear_one_time),
        cmocka_unit_test(what_was_saved_late_is_found_in_the_overlap_and_the_position_does_not_go_back),
        cmocka_unit_test(a_second_is_read_when_it_is_over_whatever_reads),
        cmocka_unit_test(what_is_younger_than_the_lag_waits_and_what_is_far_ahead_is_told),
        cmocka_unit_test(more_rows_than_offsets_reach_are_read_by_key),
        cmocka_unit_test(a_record_is_fetched_whole_with_its_lines_and_one_that_is_gone_is_left_out),
        cmocka_unit_test(an_answer_that_is_no_json_is_not_a_record_that_is_gone),
        cmocka_unit_test(a_page_that_breaks_off_keeps_what_it_had),
        cmocka_unit_test(a_record_in_the_overlap_is_fetched_once_and_again_only_when_it_was_changed),
        cmocka_unit_test(a_query_is_a_look_up),
        cmocka_unit_test(suiteql_is_really_run_with_its_traps),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
