/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's API by itself: what a client of the vendor's documentation expects. No wire: sfsim_handle. */
#include "salesforce/test/sf_rig.h"

struct org {
    struct sfsim *sim;
    struct tl_arena *a;
    struct sfsim_answer ans;
    char text[6000]; /* of the answer's body */
};

static void start(struct org *o)
{
    struct sfsim_options opt;
    struct tl_err err = {0};

    sfsim_options_default(&opt);
    if (sfsim_new(&opt, &o->sim, &err) != TL_OK)
        fail_msg("%s", err.text);
    o->a = tl_arena_new(16 << 20);
}

static void stop(struct org *o)
{
    sfsim_free(o->sim);
    tl_arena_free(o->a);
}

/* The status; the body as JSON text in o->text. */
static int ask(struct org *o, const char *method, const char *path, const char *query, const char *body)
{
    struct sfsim_req req = {.sim = o->sim,
                            .arena = o->a,
                            .method = tl_sv_str(method),
                            .path = tl_sv_str(path),
                            .query = tl_sv_str(query),
                            .version = 60};
    struct tl_buf b;

    if (body && json_parse(o->a, tl_sv_str(body), 0, NULL, &req.body, NULL) != TL_OK)
        fail_msg("no JSON: %s", body);
    assert_true(sfsim_begin(o->sim->db));
    sfsim_handle(&req, &o->ans);
    assert_true(sfsim_commit(o->sim->db));
    tl_buf_init(&b, sizeof o->text);
    if (o->ans.body.type != JSON_UNDEFINED)
        (void)json_write(&b, o->ans.body, 0);
    snprintf(o->text, sizeof o->text, "%s", b.p ? b.p : "");
    tl_buf_done(&b);
    return o->ans.status;
}

static void expect(struct org *o, const char *part)
{
    if (!strstr(o->text, part))
        fail_msg("no %s in HTTP %d %s", part, o->ans.status, o->text);
}

static void add(struct org *o, const char *object, const char *body)
{
    const char *path = tl_arena_printf(o->a, "/sobjects/%s", object);

    if (ask(o, "POST", path, NULL, body) != 201)
        fail_msg("%s", o->text);
}

#define KEY "/sobjects/Account/ERP_Id__c/K1"

static void an_upsert_has_every_status_of_the_documentation(void **state)
{
    struct tl_err err = {0};
    struct org o;

    (void)state;
    start(&o);
    assert_int_equal(ask(&o, "PATCH", KEY, "updateOnly=true", "{\"Name\":\"a\"}"), 404);
    assert_int_equal(ask(&o, "PATCH", KEY, NULL, "{\"Name\":\"a\"}"), 201);
    expect(&o, "\"created\":true");
    assert_int_equal(ask(&o, "PATCH", KEY, NULL, "{\"Name\":\"b\"}"), 200);
    expect(&o, "\"created\":false");
    assert_int_equal(ask(&o, "PATCH", KEY, NULL, "{\"Name\":\"b\",\"ERP_Id__c\":\"K1\"}"), 400);
    expect(&o, "INVALID_FIELD");
    assert_int_equal(ask(&o, "PATCH", "/sobjects/Account/Name/x", NULL, "{}"), 400);
    assert_int_equal(ask(&o, "PATCH", "/sobjects/Account/None__c/x", NULL, "{}"), 404);
    assert_int_equal(ask(&o, "GET", KEY, "fields=Name", NULL), 200);
    expect(&o, "\"Name\":\"b\"");
    assert_int_equal(sfsim_schema_add(o.sim->schema, TL_SV("field Account: Code__c string(20) external"), &err), TL_OK);
    add(&o, "Account", "{\"Name\":\"x\",\"Code__c\":\"C\"}");
    add(&o, "Account", "{\"Name\":\"y\",\"Code__c\":\"c\"}");
    assert_int_equal(ask(&o, "PATCH", "/sobjects/Account/Code__c/C", NULL, "{\"Name\":\"z\"}"), 300);
    expect(&o, "/services/data/v60.0/sobjects/Account/001");
    assert_int_equal(ask(&o, "DELETE", KEY, NULL, NULL), 204);
    assert_int_equal(ask(&o, "GET", KEY, NULL, NULL), 404);
    stop(&o);
}

static void a_composite_refers_to_its_earlier_parts(void **state)
{
    struct org o;

    (void)state;
    start(&o);
    assert_int_equal(ask(&o, "POST", "/composite", NULL,
                         "{\"compositeRequest\":["
                         "{\"method\":\"POST\",\"url\":\"/services/data/v60.0/sobjects/"
                         "Account\",\"referenceId\":\"acc\",\"body\":{\"Name\":\"a\"}},"
                         "{\"method\":\"POST\",\"url\":\"/services/data/v60.0/sobjects/"
                         "Contact\",\"referenceId\":\"con\",\"body\":{\"LastName\":\"c\","
                         "\"AccountId\":\"@{acc.id}\"}},"
                         "{\"method\":\"GET\",\"url\":\"/services/data/v60.0/"
                         "query?q=SELECT+Account.Name+FROM+Contact\",\"referenceId\":\"q\"}]}"),
                     200);
    expect(&o, "\"Account\":{\"attributes\":{\"type\":\"Account\"");
    expect(&o, "\"httpStatusCode\":201,\"referenceId\":\"con\"");
    assert_int_equal(ask(&o, "POST", "/composite", NULL,
                         "{\"compositeRequest\":[{\"method\":\"GET\",\"url\":\"/services/data/v60.0/limits\"}]}"),
                     400);
    stop(&o);
}

static void all_or_none_leaves_nothing_behind(void **state)
{
    struct org o;

    (void)state;
    start(&o);
    assert_int_equal(ask(&o, "POST", "/composite", NULL,
                         "{\"allOrNone\":true,\"compositeRequest\":["
                         "{\"method\":\"POST\",\"url\":\"/services/data/v60.0/sobjects/"
                         "Account\",\"referenceId\":\"a\",\"body\":{\"Name\":\"a\"}},"
                         "{\"method\":\"POST\",\"url\":\"/services/data/v60.0/sobjects/"
                         "Account\",\"referenceId\":\"b\",\"body\":{}}]}"),
                     200);
    expect(&o, "PROCESSING_HALTED");
    expect(&o, "REQUIRED_FIELD_MISSING");
    assert_int_equal(ask(&o, "POST", "/composite/sobjects", NULL,
                         "{\"allOrNone\":true,\"records\":[{\"attributes\":{\"type\":\"Account\"},\"Name\":\"x\"},"
                         "{\"attributes\":{\"type\":\"Account\"}}]}"),
                     200);
    expect(&o, "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    assert_int_equal(
        ask(&o, "POST", "/composite/tree/Account", NULL,
            "{\"records\":[{\"attributes\":{\"type\":\"Account\",\"referenceId\":\"r1\"},\"Name\":\"t\","
            "\"Contacts\":{\"records\":[{\"attributes\":{\"type\":\"Contact\",\"referenceId\":\"r2\"}}]}}]}"),
        400);
    expect(&o, "\"hasErrors\":true");
    assert_int_equal(ask(&o, "GET", "/query", "q=SELECT+COUNT()+FROM+Account", NULL), 200);
    expect(&o, "\"totalSize\":0");
    assert_int_equal(sfsim_last_event(o.sim->db), 0); /* what was rolled back is not told */
    stop(&o);
}

static void trees_batches_and_graphs_are_carried_out(void **state)
{
    struct org o;

    (void)state;
    start(&o);
    assert_int_equal(
        ask(&o, "POST", "/composite/tree/Account", NULL,
            "{\"records\":[{\"attributes\":{\"type\":\"Account\",\"referenceId\":\"r1\"},\"Name\":\"t\","
            "\"Contacts\":{\"records\":[{\"attributes\":{\"type\":\"Contact\",\"referenceId\":\"r2\"},\"LastName\":"
            "\"c\"}]}}]}"),
        201);
    expect(&o, "\"referenceId\":\"r2\",\"id\":\"003");
    assert_int_equal(ask(&o, "GET", "/query", "q=SELECT+Name,(SELECT+LastName+FROM+Contacts)+FROM+Account", NULL), 200);
    expect(&o, "\"Contacts\":{\"totalSize\":1,\"done\":true");
    assert_int_equal(
        ask(&o, "POST", "/composite/batch", NULL,
            "{\"haltOnError\":true,\"batchRequests\":[{\"method\":\"GET\",\"url\":\"v60.0/sobjects/None/1\"},"
            "{\"method\":\"GET\",\"url\":\"v60.0/limits\"}]}"),
        200);
    expect(&o, "\"hasErrors\":true");
    expect(&o, "BATCH_PROCESSING_HALTED");
    assert_int_equal(
        ask(&o, "POST", "/composite/graph", NULL,
            "{\"graphs\":[{\"graphId\":\"good\",\"compositeRequest\":[{\"method\":\"POST\",\"url\":\"/services/data/"
            "v60.0/sobjects/"
            "Account\",\"referenceId\":\"a\",\"body\":{\"Name\":\"g\"}}]},{\"graphId\":\"bad\",\"compositeRequest\":[{"
            "\"method\":"
            "\"POST\",\"url\":\"/services/data/v60.0/sobjects/"
            "Account\",\"referenceId\":\"b\",\"body\":{\"Name\":\"h\"}},{\"method\":"
            "\"POST\",\"url\":\"/services/data/v60.0/sobjects/Account\",\"referenceId\":\"c\",\"body\":{}}]}]}"),
        200);
    expect(&o, "\"graphId\":\"good\",\"isSuccessful\":true");
    expect(&o, "\"graphId\":\"bad\",\"isSuccessful\":false");
    assert_int_equal(ask(&o, "GET", "/query", "q=SELECT+COUNT()+FROM+Account", NULL), 200);
    expect(&o, "\"totalSize\":2"); /* t and g: each graph is all or none by itself */
    stop(&o);
}

struct soql_row {
    const char *soql, *part; /* part NULL: an error */
};
static const struct soql_row soql_rows[] = {
    {"SELECT Name FROM Account WHERE Name = 'O\\'Neill'", "\"totalSize\":1"},
    {"SELECT Name FROM Account WHERE Name LIKE 'b%' OR (AnnualRevenue >= 10 AND NOT Name = 'x')", "\"totalSize\":2"},
    {"SELECT Name FROM Account WHERE Name IN ('bolt', 'none') ORDER BY Name DESC NULLS LAST LIMIT 1",
     "\"Name\":\"Bolt\""},
    {"SELECT Name FROM Account WHERE Name NOT IN ('bolt')", "\"totalSize\":1"},
    {"SELECT Name FROM Account WHERE AnnualRevenue = null", "\"totalSize\":1"},
    {"SELECT Name FROM Account WHERE AnnualRevenue != null", "\"totalSize\":1"},
    {"SELECT Name FROM Account WHERE CreatedDate > 2020-01-01T00:00:00Z", "\"totalSize\":2"},
    {"SELECT Name FROM Account WHERE CreatedDate > 2090-01-01T00:00:00+02:00", "\"totalSize\":0"},
    {"SELECT COUNT(Id) n, MAX(AnnualRevenue) FROM Account", "\"n\":2,\"expr0\":10.5"},
    {"SELECT Industry, COUNT(Id) n FROM Account GROUP BY Industry ORDER BY Industry",
     "\"Industry\":\"Retail\",\"n\":1"},
    {"SELECT FIELDS(ALL) FROM Account LIMIT 200", "\"SystemModstamp\""},
    {"SELECT Nmae FROM Account", NULL},
    {"SELECT Name FROM Nothing", NULL},
    {"SELECT Name FROM Account WHERE", NULL},
    {"SELECT Name FROM Account WHERE Name = 'a' x", NULL},
    {"DELETE FROM Account", NULL},
    {"SELECT Name FROM Account WHERE Id = 'not an id'", NULL},
};

static void soql_is_understood_as_far_as_the_table_goes(void **state)
{
    struct org o;

    (void)state;
    start(&o);
    add(&o, "Account", "{\"Name\":\"O'Neill\",\"AnnualRevenue\":10.5,\"Industry\":\"Retail\"}");
    add(&o, "Account", "{\"Name\":\"Bolt\"}");
    for (size_t i = 0; i < TL_COUNT(soql_rows); i++) {
        struct tl_buf q;
        int status;

        tl_buf_init(&q, 4096);
        tl_buf_puts(&q, "q=");
        tl_percent_encode(&q, tl_sv_str(soql_rows[i].soql));
        status = ask(&o, "GET", "/query", q.p, NULL);
        tl_buf_done(&q);
        if (status != (soql_rows[i].part ? 200 : 400))
            fail_msg("%s: HTTP %d %s", soql_rows[i].soql, status, o.text);
        if (soql_rows[i].part && !strstr(o.text, soql_rows[i].part))
            fail_msg("%s: %s", soql_rows[i].soql, o.text);
    }
    stop(&o);
}

static void what_changed_and_was_deleted_can_be_asked(void **state)
{
    const char *span = "start=2020-01-01T00:00:00%2B00:00&end=2090-01-01T00:00:00%2B00:00";
    struct org o;

    (void)state;
    start(&o);
    assert_int_equal(ask(&o, "PATCH", KEY, NULL, "{\"Name\":\"a\"}"), 201);
    assert_int_equal(ask(&o, "GET", "/sobjects/Account/updated", span, NULL), 200);
    expect(&o, "\"ids\":[\"001");
    assert_int_equal(ask(&o, "DELETE", KEY, NULL, NULL), 204);
    assert_int_equal(ask(&o, "GET", "/sobjects/Account/deleted", span, NULL), 200);
    expect(&o, "\"deletedDate\":\"2");
    assert_int_equal(ask(&o, "GET", "/queryAll", "q=SELECT+IsDeleted+FROM+Account", NULL), 200);
    expect(&o, "\"IsDeleted\":true");
    stop(&o);
}

static void a_schema_line_that_cannot_be_read_is_an_error_with_its_number(void **state)
{
    static const char *const rows[][2] = {{"object X__c: Y__c strang(3)", "line 1"},
                                          {"# fine\nfield None: Y__c string(3)", "line 2"},
                                          {"object X__c: Y__c string(3) sometimes", "`sometimes` is not known"},
                                          {"rule Account: Name", "a rule is"},
                                          {"tables Account: x", "none of object"}};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct sfsim_schema *s = sfsim_schema_new();
        struct tl_err err = {0};

        assert_int_equal(sfsim_schema_add(s, tl_sv_str(rows[i][0]), &err), TL_INVALID);
        if (!strstr(err.text, rows[i][1]))
            fail_msg("%s: %s", rows[i][0], err.text);
        sfsim_schema_free(s);
    }
}

static void ids_of_15_characters_are_those_of_18(void **state)
{
    char id[SFSIM_ID18 + 1];

    (void)state;
    assert_true(sfsim_id18(TL_SV("00D5i000000SiMu"), id));
    assert_int_equal(strlen(id), 18);
    assert_true(sfsim_id18(TL_SV("001A0000006Vm9r"), id)); /* the example of the vendor's page on ids */
    assert_string_equal(id, "001A0000006Vm9rIAC");
    assert_false(sfsim_id18(TL_SV("001A0000006Vm9"), id));
    assert_false(sfsim_id18(TL_SV("001A0000006Vm9'"), id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upsert_has_every_status_of_the_documentation),
        cmocka_unit_test(a_composite_refers_to_its_earlier_parts),
        cmocka_unit_test(all_or_none_leaves_nothing_behind),
        cmocka_unit_test(trees_batches_and_graphs_are_carried_out),
        cmocka_unit_test(soql_is_understood_as_far_as_the_table_goes),
        cmocka_unit_test(what_changed_and_was_deleted_can_be_asked),
        cmocka_unit_test(a_schema_line_that_cannot_be_read_is_an_error_with_its_number),
        cmocka_unit_test(ids_of_15_characters_are_those_of_18),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
