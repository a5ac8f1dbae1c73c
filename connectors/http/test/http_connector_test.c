/* SPDX-License-Identifier: Apache-2.0 */
/* The http connector against a scripted server: what is sent, and what each reply means for the records. */
#include "connector/test/connector_rig.h"

static const char *const order = "{\"id\": \"a 1\", \"tenant\": \"t1\", \"total\": 12.50}";

static void start(struct rig *r, const char *connection, const char *target)
{
    rig_start(r);
    r->env[1][0] = "API_KEY";
    r->env[1][1] = "s3cr3t-key";
    if (!rig_connect(r, connector_find(TL_SV("http")), connection))
        fail_msg("%s", rig_errors(r));
    if (!rig_target(r, target, 1u << CONNECTOR_WRITE))
        fail_msg("%s", rig_errors(r));
    rig_records(r, &order, 1);
}

#define PLAIN "{ url: \"${env:TIELINE_TEST_URL}/api\" }"

static void post_sends_the_record_with_path_headers_key_and_secret(void **state)
{
    struct rig r;

    (void)state;
    start(&r, "{ url: \"${env:TIELINE_TEST_URL}/api/\", headers: { x-api-key: \"${env:API_KEY}\", x-app: tieline } }",
          "{ post: \"/orders/{body.id}\", headers: { x-tenant: \"{body.tenant}\", x-none: \"{body.none}\" } }");
    rig_script(&r, (struct rig_reply){.status = 201, .body = "{\"id\": 4711}"});
    rig_run(&r);
    assert_int_equal(r.rc, TL_OK);
    if (r.verdicts[0].end != CONNECTOR_DONE)
        fail_msg("%.*s", TL_SV_ARG(r.verdicts[0].text));
    assert_true(tl_sv_eqs(r.verdicts[0].answer, "4711"));
    assert_int_equal(r.call.status, 201);
    assert_false(r.call.not_sent);
    assert_true(rig_saw(&r, "POST /api/orders/a%201\n"));
    assert_true(rig_saw(&r, "x-api-key: s3cr3t-key\n"));
    assert_true(rig_saw(&r, "x-app: tieline\n"));
    assert_true(rig_saw(&r, "x-tenant: t1\n"));
    assert_false(rig_saw(&r, "x-none"));
    assert_true(rig_saw(&r, "idempotency-key: 1.1.0\n"));
    assert_true(rig_saw(&r, "content-type: application/json\n"));
    assert_true(rig_saw(&r, "\n\n{\"id\":\"a 1\",\"tenant\":\"t1\",\"total\":12.50}"));
    rig_stop(&r);
}

struct reply_row {
    const char *target;
    struct rig_reply reply;
    enum tl_rc rc;          /* of the call */
    enum connector_end end; /* of the record */
    enum tl_rc record_rc;
    enum tl_class cls; /* of the record's failure */
    const char *text;  /* in the record's or the call's text */
    const char *answer;
};
#define POST "{ post: /x }"
static const struct reply_row reply_rows[] = {
    {POST, {.status = 204}, TL_OK, CONNECTOR_DONE, TL_OK, TL_CLASS_NONE, NULL, NULL},
    {POST, {.status = 200, .body = "not json"}, TL_OK, CONNECTOR_DONE, TL_OK, TL_CLASS_NONE, NULL, NULL},
    {POST,
     {.status = 201, .headers = {"location: /orders/9"}},
     TL_OK,
     CONNECTOR_DONE,
     TL_OK,
     TL_CLASS_NONE,
     NULL,
     "/orders/9"},
    {POST,
     {.status = 400, .body = "{\"message\":\"bad sku\"}"},
     TL_OK,
     CONNECTOR_FAILED,
     TL_INVALID,
     TL_CLASS_DATA,
     "HTTP 400: bad sku",
     NULL},
    {POST, {.status = 404}, TL_OK, CONNECTOR_FAILED, TL_INVALID, TL_CLASS_DATA, "HTTP 404", NULL},
    {POST, {.status = 410}, TL_OK, CONNECTOR_FAILED, TL_INVALID, TL_CLASS_DATA, "HTTP 410", NULL},
    {POST, {.status = 422}, TL_OK, CONNECTOR_FAILED, TL_INVALID, TL_CLASS_DATA, "HTTP 422", NULL},
    {POST, {.status = 413}, TL_OK, CONNECTOR_FAILED, TL_LIMIT, TL_CLASS_DATA, "HTTP 413", NULL},
    {POST, {.status = 403}, TL_OK, CONNECTOR_FAILED, TL_FORBIDDEN, TL_CLASS_DATA, "HTTP 403", NULL},
    {POST, {.status = 402}, TL_OK, CONNECTOR_FAILED, TL_FORBIDDEN, TL_CLASS_DATA, "HTTP 402", NULL},
    {POST, {.status = 451}, TL_OK, CONNECTOR_FAILED, TL_FORBIDDEN, TL_CLASS_DATA, "HTTP 451", NULL},
    {POST,
     {.status = 403, .headers = {"www-authenticate: Bearer error=\"insufficient_scope\""}},
     TL_FORBIDDEN,
     CONNECTOR_NONE,
     TL_OK,
     TL_CLASS_NONE,
     "HTTP 403",
     NULL},
    {POST, {.status = 401}, TL_AUTH, CONNECTOR_NONE, TL_OK, TL_CLASS_NONE, "HTTP 401", NULL},
    {POST, {.status = 409}, TL_CONFLICT, CONNECTOR_NONE, TL_OK, TL_CLASS_NONE, "HTTP 409", NULL},
    {POST, {.status = 405}, TL_UNSUPPORTED, CONNECTOR_NONE, TL_OK, TL_CLASS_NONE, "HTTP 405", NULL},
    {POST, {.status = 302}, TL_CONFIG, CONNECTOR_NONE, TL_OK, TL_CLASS_NONE, "HTTP 302", NULL},
    {POST, {.status = 304}, TL_CONFIG, CONNECTOR_NONE, TL_OK, TL_CLASS_NONE, "HTTP 304", NULL},
    {POST,
     {.status = 429, .headers = {"retry-after: 7"}},
     TL_RATE_LIMITED,
     CONNECTOR_NONE,
     TL_OK,
     TL_CLASS_NONE,
     "HTTP 429",
     NULL},
    {POST,
     {.status = 500, .body = "<html><title>Oops</title>"},
     TL_UPSTREAM,
     CONNECTOR_NONE,
     TL_OK,
     TL_CLASS_NONE,
     "HTTP 500: Oops",
     NULL},
    {POST, {.cut = true}, TL_UNKNOWN_OUTCOME, CONNECTOR_NONE, TL_OK, TL_CLASS_NONE, NULL, NULL},
    {"{ put: /x }", {.cut = true}, TL_UNKNOWN_OUTCOME, CONNECTOR_NONE, TL_OK, TL_CLASS_NONE, NULL, NULL},
    {"{ post: /x, timeout: 50ms }", {.silent = true}, TL_TIMEOUT, CONNECTOR_NONE, TL_OK, TL_CLASS_NONE, NULL, NULL},
    {"{ post: /x, reject: 409 }",
     {.status = 409},
     TL_OK,
     CONNECTOR_FAILED,
     TL_INVALID,
     TL_CLASS_DATA,
     "HTTP 409",
     NULL},
    {"{ post: /x, success: \"body.ok\" }",
     {.body = "{\"ok\":true}"},
     TL_OK,
     CONNECTOR_DONE,
     TL_OK,
     TL_CLASS_NONE,
     NULL,
     NULL},
    {"{ post: /x, success: \"body.ok\" }",
     {.body = "{\"ok\":false,\"error\":{\"message\":\"full\"}}"},
     TL_OK,
     CONNECTOR_FAILED,
     TL_INVALID,
     TL_CLASS_DATA,
     "`success` does not hold: full",
     NULL},
    {"{ post: /x, success: \"status in [200, 409]\" }",
     {.status = 409},
     TL_OK,
     CONNECTOR_DONE,
     TL_OK,
     TL_CLASS_NONE,
     NULL,
     NULL},
    {"{ post: /x, success: \"$error('x')\" }",
     {.status = 200},
     TL_UNKNOWN_OUTCOME,
     CONNECTOR_NONE,
     TL_OK,
     TL_CLASS_NONE,
     NULL,
     NULL},
    {"{ post: /x, success: \"$error('x')\" }",
     {.status = 500},
     TL_UPSTREAM,
     CONNECTOR_NONE,
     TL_OK,
     TL_CLASS_NONE,
     "HTTP 500",
     NULL},
    {"{ post: /x, answer: \"body.no & '/' & headers.\\\"x-rev\\\"\" }",
     {.headers = {"x-rev: 3"}, .body = "{\"no\":\"A1\"}"},
     TL_OK,
     CONNECTOR_DONE,
     TL_OK,
     TL_CLASS_NONE,
     NULL,
     "A1/3"},
    {"{ post: \"/x/{body.missing}\" }",
     {.status = 200},
     TL_OK,
     CONNECTOR_FAILED,
     TL_INVALID,
     TL_CLASS_DATA,
     "has no value",
     NULL},
    {"{ post: /x, body: \"$error('no body')\" }",
     {.status = 200},
     TL_OK,
     CONNECTOR_FAILED,
     TL_INVALID,
     TL_CLASS_DATA,
     "body:",
     NULL},
    {"{ put: /x, body: body.none }",
     {.status = 200},
     TL_OK,
     CONNECTOR_FAILED,
     TL_INVALID,
     TL_CLASS_DATA,
     "body: it finds nothing in this event",
     NULL},
    {"{ post: /x, body: body.none, batch: { count: 2 } }",
     {.status = 200},
     TL_OK,
     CONNECTOR_FAILED,
     TL_INVALID,
     TL_CLASS_DATA,
     "body: it finds nothing in this event",
     NULL},
};

static void each_reply_gives_the_verdict_of_its_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < TL_COUNT(reply_rows); i++) {
        const struct reply_row *row = &reply_rows[i];
        const struct connector_verdict *v;
        struct tl_sv text;
        struct rig r;

        start(&r, PLAIN, row->target);
        rig_script(&r, row->reply);
        rig_run(&r);
        v = &r.verdicts[0];
        if (r.rc != row->rc || v->end != row->end || v->rc != row->record_rc)
            fail_msg("row %zu: %s, end %d, %s: %s%.*s", i, tl_rc_name(r.rc), v->end, tl_rc_name(v->rc), r.err.text,
                     TL_SV_ARG(v->text));
        if (row->end == CONNECTOR_FAILED)
            assert_int_equal(v->cls ? v->cls : tl_rc_class(v->rc), row->cls);
        text = row->rc == TL_OK ? v->text : tl_sv_str(r.err.text);
        if (row->text && tl_sv_find_sv(text, tl_sv_str(row->text)) == text.n)
            fail_msg("row %zu: %.*s", i, TL_SV_ARG(text));
        if (row->answer && !tl_sv_eqs(v->answer, row->answer))
            fail_msg("row %zu answers %.*s", i, TL_SV_ARG(v->answer));
        rig_stop(&r);
    }
}

static void nothing_is_sent_when_the_address_has_no_value(void **state)
{
    struct rig r;

    (void)state;
    start(&r, PLAIN, "{ delete: \"/orders/{body.missing}\" }");
    rig_run(&r);
    assert_int_equal(r.requests, 0);
    assert_true(r.call.not_sent);
    rig_stop(&r);
}

static void an_unreachable_host_is_transient_and_not_sent(void **state)
{
    struct rig r;

    (void)state;
    start(&r, "{ url: \"http://127.0.0.1:1\" }", POST);
    rig_run(&r);
    assert_int_equal(r.rc, TL_UNREACHABLE);
    assert_true(r.call.not_sent);
    rig_stop(&r);
}

static void bodies_take_the_form_of_their_content_type(void **state)
{
    static const char *const rows[][2] = {
        {"{ put: /x, body: \"{'order': body.id}\" }", "\n\n{\"order\":\"a 1\"}"},
        {"{ post: /x, content_type: application/x-www-form-urlencoded }", "\n\nid=a%201&tenant=t1&total=12.50"},
        {"{ post: /x, content_type: text/csv, body: \"body.id & ';' & body.tenant\" }", "\n\na 1;t1"},
        {"{ post: /x, content_type: application/vnd.x+json, body: \"body.id\" }", "\n\n\"a 1\""},
        {"{ patch: /x, body: \"''\" }", "\n\n"},
        {"{ delete: \"/x/{body.tenant}\" }", "DELETE /api/x/t1\n"},
        {"{ delete: /x, body: \"body.id\" }", "\n\n\"a 1\""},
        {"{ post: /x, idempotency_header: x-request-id }", "x-request-id: 1.1.0\n"},
    };

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct rig r;

        start(&r, PLAIN, rows[i][0]);
        rig_run(&r);
        assert_int_equal(r.verdicts[0].end, CONNECTOR_DONE);
        if (!rig_saw(&r, rows[i][1]))
            fail_msg("row %zu: %s", i, r.seen);
        rig_stop(&r);
    }
}

static void facilities_follow_from_the_target(void **state)
{
    static const struct {
        const char *target;
        enum connector_idempotency idempotency;
        uint32_t count;
    } rows[] = {
        {POST, CONNECTOR_IDEMPOTENT_KEY, 1},
        {"{ post: /x, idempotency_header: \"\" }", CONNECTOR_IDEMPOTENT_NONE, 1},
        {"{ put: /x }", CONNECTOR_IDEMPOTENT_UPSERT, 1},
        {"{ put: /x, idempotent: false, idempotency_header: \"\" }", CONNECTOR_IDEMPOTENT_NONE, 1},
        {"{ post: /x, batch: { count: 50 } }", CONNECTOR_IDEMPOTENT_NONE, 50},
    };

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct rig r;

        start(&r, PLAIN, rows[i].target);
        assert_int_equal(r.facilities.idempotency, rows[i].idempotency);
        assert_int_equal(r.facilities.batch_count, rows[i].count);
        rig_stop(&r);
    }
}

/* ---- batches ---- */

static const char *const three[] = {"{\"n\":1}", "{\"n\":2}", "{\"n\":3}"};

static void a_batch_is_an_array_or_lines(void **state)
{
    struct rig r;

    (void)state;
    start(&r, PLAIN, "{ post: /bulk, batch: { count: 10 } }");
    rig_records(&r, three, 3);
    rig_run(&r);
    assert_int_equal(r.rc, TL_OK);
    assert_true(rig_saw(&r, "\n\n[{\"n\":1},{\"n\":2},{\"n\":3}]"));
    assert_false(rig_saw(&r, "idempotency-key"));
    for (int i = 0; i < 3; i++)
        assert_int_equal(r.verdicts[i].end, CONNECTOR_DONE);
    assert_true(rig_target(&r, "{ post: /bulk, batch: { count: 10, as: ndjson } }", 1u << CONNECTOR_WRITE));
    rig_run(&r);
    assert_true(rig_saw(&r, "content-type: application/x-ndjson\n"));
    assert_true(rig_saw(&r, "\n\n{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n"));
    rig_stop(&r);
}

static void verdicts_of_a_batch_are_one_a_record(void **state)
{
    struct rig r;

    (void)state;
    start(&r, PLAIN,
          "{ post: /bulk, batch: { verdicts: \"body.{'ok': s = 'ok', 'error': e, 'retry': s = 'busy', 'id': id}\" } }");
    rig_records(&r, three, 3);
    rig_script(&r, (struct rig_reply){.body = "[{\"s\":\"ok\",\"id\":\"A\"},{\"s\":\"bad\",\"e\":\"no sku\"},"
                                              "{\"s\":\"busy\",\"e\":{\"code\":5}}]"});
    rig_run(&r);
    assert_int_equal(r.rc, TL_OK);
    assert_int_equal(r.verdicts[0].end, CONNECTOR_DONE);
    assert_true(tl_sv_eqs(r.verdicts[0].answer, "A"));
    assert_int_equal(r.verdicts[1].end, CONNECTOR_FAILED);
    assert_int_equal(r.verdicts[1].rc, TL_INVALID);
    assert_true(tl_sv_eqs(r.verdicts[1].text, "no sku"));
    assert_int_equal(r.verdicts[2].rc, TL_CONFLICT);
    rig_script(&r, (struct rig_reply){.body = "[{\"s\":\"ok\"}]"});
    rig_run(&r);
    assert_int_equal(r.verdicts[0].end, CONNECTOR_DONE);
    assert_int_equal(r.verdicts[1].end, CONNECTOR_NONE); /* an unknown outcome */
    rig_stop(&r);
}

static void a_refused_batch_is_innocent_until_one_is_left(void **state)
{
    struct rig r;

    (void)state;
    start(&r, PLAIN, "{ post: /bulk, batch: {} }");
    rig_records(&r, three, 3);
    rig_script(&r, (struct rig_reply){.status = 400});
    rig_run(&r);
    assert_int_equal(r.rc, TL_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(r.verdicts[i].end, CONNECTOR_INNOCENT);
    rig_records(&r, three, 1);
    rig_run(&r);
    assert_int_equal(r.verdicts[0].end, CONNECTOR_FAILED);
    assert_int_equal(r.verdicts[0].rc, TL_INVALID);
    rig_stop(&r);
}

/* ---- configuration ---- */

static void what_is_wrong_is_said_with_a_hint(void **state)
{
    static const struct {
        const char *connection, *target, *want;
    } rows[] = {
        {"{ url: \"https://erp.example.com\", tls: { insecure: loopback } }", NULL, "is not this machine"},
        {"{ url: \"https://erp.example.com\", headers: { host: x } }", NULL, "follows from the request"},
        {"{ url: \"https://erp.example.com\", headers: { \"a b\": x } }", NULL, "not the name of a header"},
        {"{ url: \"https://erp.example.com\", tls: { key: \"${env:K}\" } }", NULL, "without its certificate"},
        {"{ uri: x }", NULL, "Did you mean `url`?"},
        {PLAIN, "{ pots: /x }", "Did you mean `post`?"},
        {PLAIN, "{ connection: x }", "nothing says what to do"},
        {PLAIN, "{ post: /x, put: /y }", "both `post`"},
        {PLAIN, "{ get: /x }", "nothing that a target can use"},
        {PLAIN, "{ post: /x, timout: 5s }", "Did you mean `timeout`?"},
        {PLAIN, "{ post: /x, timeout: soon }", "to.timeout"},
        {PLAIN, "{ post: x }", "does not begin with /"},
        {PLAIN, "{ post: \"/x/{body.\" }", "has no }"},
        {PLAIN, "{ post: /x, success: \"(\" }", "cannot be read"},
        {PLAIN, "{ post: \"/x/{body.id}\", batch: {} }", "cannot depend on a record"},
        {PLAIN, "{ post: /x, batch: {}, idempotency_header: k }", "cannot have one idempotency key"},
        {PLAIN, "{ delete: /x, batch: {} }", "needs a body"},
        {PLAIN, "{ post: /x, headers: { te: x } }", "follows from the request"},
        {PLAIN, "{ post: /x, idempotency_header: Content-Length }", "says something else"},
        {PLAIN, "{ put: /x, idempotency_header: transfer-encoding }", "says something else"},
        {PLAIN, "{ patch: /x, idempotency_header: Connection }", "says something else"},
        {PLAIN, "{ post: /x, idempotency_header: host }", "says something else"},
        {PLAIN, "{ post: /x, idempotency_header: Content-Type }", "says something else"},
        {PLAIN, "{ post: /x, idempotency_header: authorization }", "says something else"},
        {PLAIN, "{ post: \"/{body.a}?x#y\" }", "no #fragment"},
        {PLAIN, "{ post: \"/a b\" }", "must be escaped"},
        {PLAIN, "{ post: \"/100%/{body.a}\" }", "must be escaped"},
        {PLAIN, "{ post: \"/{body.a}/../x\" }", "dot segment"},
    };

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct rig r;
        bool ok;

        rig_start(&r);
        ok = rig_connect(&r, connector_find(TL_SV("http")), rows[i].connection);
        if (rows[i].target)
            ok = ok && rig_target(&r, rows[i].target, 1u << CONNECTOR_WRITE);
        if (ok || !strstr(rig_errors(&r), rows[i].want))
            fail_msg("row %zu: %s", i, rig_errors(&r));
        rig_stop(&r);
    }
}

/* ---- reading ---- */

static void get_gives_the_answer_or_null(void **state)
{
    struct rig r;

    (void)state;
    start(&r, PLAIN, POST);
    assert_true(rig_target(&r, "{ get: \"/customers/{body.id}\", answer: \"body.name\" }", 1u << CONNECTOR_CALL));
    r.call.n = 0;
    r.call.input = r.records[0].envelope;
    rig_script(&r, (struct rig_reply){.body = "{\"name\":\"Ada\"}"});
    rig_run(&r);
    assert_int_equal(r.rc, TL_OK);
    assert_true(tl_sv_eqs(json_text(r.call.output, TL_SV("")), "Ada"));
    assert_true(rig_saw(&r, "GET /api/customers/a%201\n"));
    rig_script(&r, (struct rig_reply){.status = 404});
    rig_run(&r);
    assert_int_equal(r.rc, TL_OK);
    assert_int_equal(r.call.output.type, JSON_NULL);
    rig_script(&r, (struct rig_reply){.status = 403}); /* of this record, as a delivery's */
    rig_run(&r);
    assert_int_equal(r.rc, TL_INVALID);
    rig_script(&r, (struct rig_reply){.status = 403, .headers = {"www-authenticate: Bearer"}});
    rig_run(&r);
    assert_int_equal(r.rc, TL_FORBIDDEN);
    rig_script(&r, (struct rig_reply){.status = 500});
    rig_run(&r);
    assert_int_equal(r.rc, TL_UPSTREAM);
    rig_stop(&r);
}

static void an_answer_that_is_not_what_it_says_is_none(void **state)
{
    static const char *const json = "content-type: application/json; charset=utf-8";
    static const struct {
        const char *operation, *type, *body;
        enum tl_rc rc;
        const char *said; /* or what the step gets */
    } rows[] = {
        {"get: \"/customers/{body.id}\"", json, "{\"name\":\n\"Ada", TL_UPSTREAM,
         "GET /customers/{body.id}: HTTP 200, but the answer is to be JSON and is not (line 2, column 1 of it)"},
        {"get: /x, answer: body.name", json, "<html>", TL_UPSTREAM, "is to be JSON and is not (line 1, column 1"},
        {"get: /x", "content-type: application/problem+json", "no", TL_UPSTREAM, "is to be JSON and is not"},
        {"get: /x", NULL, "[1, 2", TL_UPSTREAM, "is to be JSON and is not"},
        {"get: /x", "content-type: image/png", "\xff\xfe", TL_UPSTREAM, "is neither JSON nor a text in UTF-8"},
        {"get: /x, answer: headers.etag", "content-type: image/png", "\xff\xfe", TL_OK, "e1"}, /* it is there */
        {"get: /x, answer: headers.etag", json, "ok", TL_UPSTREAM, "is to be JSON and is not"},
        {"get: /x", "content-type: text/plain", "[1, 2", TL_OK, "[1, 2"},
        {"get: /x", json, "\"Ada\"", TL_OK, "Ada"},
        {"get: /x", json, "", TL_OK, NULL},
        {"post: \"/customers\"", json, "{\"id\":", TL_UNKNOWN_OUTCOME,
         "POST /customers: HTTP 200, but the answer is to"},
        {"post: /x, answer: body.id", json, "{\"id\":", TL_UNKNOWN_OUTCOME, "`answer: status`"},
        {"post: /x, answer: headers.etag", json, "ok", TL_OK, "e1"}, /* it says what matters */
        {"post: /x, answer: body", json, "ok", TL_OK, "ok"},
        {"post: /x, success: \"body = 'ok'\"", json, "ok", TL_OK, "ok"},
        {"post: /x", "content-type: text/plain", "ok", TL_OK, "ok"},
        {"post: /x", "content-type: image/png", "\xff\xfe", TL_OK, NULL},
    };

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        bool writes = strncmp(rows[i].operation, "post", 4) == 0;
        struct rig r;

        start(&r, PLAIN, POST);
        assert_true(rig_target(&r, tl_arena_printf(r.conf, "{ %s }", rows[i].operation),
                               1u << (writes ? CONNECTOR_WRITE : CONNECTOR_CALL)));
        r.call.n = writes;
        r.call.input = r.records[0].envelope;
        rig_script(&r, (struct rig_reply){.body = rows[i].body, .headers = {rows[i].type, "etag: e1"}});
        rig_run(&r);
        if (r.rc != rows[i].rc)
            fail_msg("row %zu: %s %s", i, tl_rc_name(r.rc), r.err.text);
        if (r.rc != TL_OK && !strstr(r.err.text, rows[i].said))
            fail_msg("row %zu: %s", i, r.err.text);
        if (r.rc == TL_OK && !tl_sv_eqs(json_text(r.call.output, TL_SV("")), rows[i].said ? rows[i].said : ""))
            fail_msg("row %zu gave %.*s", i, TL_SV_ARG(json_text(r.call.output, TL_SV(""))));
        rig_stop(&r);
    }
}

struct taken {
    char text[2000];
    size_t n;
    int fail_at, emits;
};
static enum tl_rc take(void *arg, struct task *task, const struct connector_incoming *records, size_t n,
                       struct tl_sv position, struct tl_err *err)
{
    struct taken *t = arg;
    enum tl_rc rc = task_yield(task, err);

    if (rc != TL_OK)
        return rc;
    if (++t->emits == t->fail_at)
        return tl_fail(err, TL_STALE, "another one reads");
    for (size_t i = 0; i < n; i++)
        t->n += (size_t)snprintf(t->text + t->n, sizeof t->text - t->n, "%.*s ", TL_SV_ARG(records[i].key));
    t->n += (size_t)snprintf(t->text + t->n, sizeof t->text - t->n, "@%.*s; ", TL_SV_ARG(position));
    return TL_OK;
}

static void poll_reads_pages_until_the_cursor_stands(void **state)
{
    struct taken taken = {.n = 0};
    struct rig r;

    (void)state;
    start(&r, PLAIN, POST);
    assert_true(
        rig_target(&r,
                   "{ poll: \"/items?after={cursor}\", items: body.items, cursor: body.next, key: \"'k' & id\", "
                   "start: \"0\" }",
                   1u << CONNECTOR_READ));
    r.call.n = 0;
    r.ledger = (struct connector_ledger){.emit = take, .arg = &taken};
    r.replies[0] = (struct rig_reply){.body = "{\"items\":[{\"id\":1},{\"id\":2}],\"next\":2}"};
    r.replies[1] = (struct rig_reply){.body = "{\"items\":[{\"id\":3}],\"next\":3}"};
    r.replies[2] = (struct rig_reply){.body = "{\"items\":[],\"next\":3}"};
    r.n_replies = 3;
    rig_run(&r);
    if (r.rc != TL_OK)
        fail_msg("%s", r.err.text);
    assert_string_equal(taken.text, "k1 k2 @2; k3 @3; ");
    assert_true(rig_saw(&r, "GET /api/items?after=3\n"));
    r.call.position = TL_SV("7");
    r.next = 2;
    rig_run(&r);
    assert_true(rig_saw(&r, "after=7\n"));
    taken.fail_at = taken.emits + 1;
    r.next = 0;
    rig_run(&r);
    assert_int_equal(r.rc, TL_STALE);
    rig_stop(&r);
}

static void a_page_without_items_does_not_move_the_cursor(void **state)
{
    static const struct {
        const char *items, *body, *want; /* want: what was taken in, or NULL: it fails */
    } cases[] = {
        {"body.nope", "{\"items\":[{\"id\":1}],\"next\":2}", NULL},
        {"body.items", "{\"orders\":[{\"id\":1}],\"next\":2}", NULL},
        {"body.items", "{\"items\":[],\"next\":2}", "@2; "}, /* an empty page of a feed that goes on */
        {"body.items", "{\"items\":null,\"next\":2}", "@2; "},
        {"[body.items[id>5]]", "{\"items\":[{\"id\":1}],\"next\":2}", "@2; "},
        {"body.nope", "{\"items\":[{\"id\":1}],\"next\":0}", ""}, /* it stands */
        {"body.items", "{\"error\":\"invalid token\"}", NULL},
        {"body.items", "\"please log in\"", NULL},
        {"[body.items]", "{}", ""},
        {"body.items", "null", ""},
        {"body.nope", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct taken taken = {.n = 0};
        char target[200];
        struct rig r;

        start(&r, PLAIN, POST);
        (void)snprintf(target, sizeof target,
                       "{ poll: \"/items?after={cursor}\", items: \"%s\", cursor: body.next, start: \"0\" }",
                       cases[i].items);
        assert_true(rig_target(&r, target, 1u << CONNECTOR_READ));
        r.call.n = 0;
        r.ledger = (struct connector_ledger){.emit = take, .arg = &taken};
        r.replies[0] = (struct rig_reply){.body = cases[i].body};
        r.n_replies = 1;
        rig_run(&r);
        assert_int_equal(r.rc, cases[i].want ? TL_OK : TL_INVALID);
        assert_string_equal(taken.text, cases[i].want ? cases[i].want : "");
        if (!cases[i].want)
            assert_non_null(strstr(r.err.text, "the position stays"));
        rig_stop(&r);
    }
}

static void a_page_that_is_not_what_it_says_fails_and_half_a_pair_does_not(void **state)
{
    static const struct {
        const char *type, *body, *want, *said; /* want: what was taken in; said: it fails */
    } cases[] = {
        {"content-type: application/json", "{\"items\":[{\"id\":1}", NULL, "is to be JSON and is not"},
        {"content-type: application/vnd.api+json; v=1", "<html>", NULL, "is to be JSON and is not"},
        {NULL, "[{\"id\":1}", NULL, "is to be JSON and is not"},
        {"content-type: application/octet-stream", "\xff\xfe", NULL, "neither JSON nor a text"},
        {"content-type: application/json", "[{\"id\":\"\\ud800\"}]", "\xed\xa0\x80 @; ", NULL},
        {"content-type: text/csv", "1;2", "1;2 @; ", NULL},
        {"content-type: application/json", "", "", NULL},
    };

    (void)state;
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct taken taken = {.n = 0};
        struct rig r;

        start(&r, PLAIN, POST);
        assert_true(
            rig_target(&r, "{ poll: /items, cursor: headers.nope, key: \"id ? id : $\" }", 1u << CONNECTOR_READ));
        r.call.n = 0;
        r.ledger = (struct connector_ledger){.emit = take, .arg = &taken};
        rig_script(&r, (struct rig_reply){.body = cases[i].body, .headers = {cases[i].type}});
        rig_run(&r);
        assert_int_equal(r.rc, cases[i].want ? TL_OK : TL_INVALID);
        if (cases[i].said)
            assert_non_null(strstr(r.err.text, cases[i].said));
        else if (strncmp(taken.text, cases[i].want, strlen(cases[i].want) - (cases[i].want[0] ? 2 : 0)) != 0)
            fail_msg("%zu: %s", i, taken.text);
        rig_stop(&r);
    }
}

struct keyed {
    size_t n, key_n[4];
    uint64_t hash[4];
};
static enum tl_rc take_keys(void *arg, struct task *task, const struct connector_incoming *records, size_t n,
                            struct tl_sv position, struct tl_err *err)
{
    struct keyed *k = arg;

    (void)position;
    for (size_t i = 0; i < n && k->n < TL_COUNT(k->hash); i++) {
        k->key_n[k->n] = records[i].key.n;
        k->hash[k->n++] = tl_hash64(records[i].key.p, records[i].key.n, 1);
    }
    return task_yield(task, err);
}

static void a_key_may_be_as_long_as_its_record(void **state)
{
    static const char *const keys[] = {"$pad('', n, id)", "$", "[$pad('', n, id)]"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(keys); i++) {
        struct keyed keyed = {.n = 0};
        struct rig r;

        start(&r, PLAIN, POST);
        assert_true(rig_target(&r,
                               tl_arena_printf(r.conf, "{ poll: /items, cursor: headers.nope, key: \"%s\" }", keys[i]),
                               1u << CONNECTOR_READ));
        r.call.n = 0;
        r.ledger = (struct connector_ledger){.emit = take_keys, .arg = &keyed};
        rig_script(&r, (struct rig_reply){.body = tl_arena_printf(r.conf,
                                                                  "[{\"id\":\"a\",\"n\":5000,\"x\":\"%05000d\"},"
                                                                  "{\"id\":\"b\",\"n\":5000,\"x\":\"%05000d\"}]",
                                                                  1, 2)});
        rig_run(&r);
        if (r.rc != TL_OK)
            fail_msg("%s", r.err.text);
        assert_int_equal(keyed.n, 2);
        assert_true(keyed.key_n[0] >= 5000 && keyed.key_n[1] >= 5000);
        assert_true(keyed.hash[0] != keyed.hash[1]);
        rig_stop(&r);
    }
}

static void a_cursor_that_is_too_long_is_an_error(void **state)
{
    struct taken taken = {.n = 0};
    struct rig r;

    (void)state;
    start(&r, PLAIN, POST);
    assert_true(rig_target(&r, "{ poll: /items, items: body.items, cursor: \"$pad('c', body.n)\", key: id }",
                           1u << CONNECTOR_READ));
    r.call.n = 0;
    r.ledger = (struct connector_ledger){.emit = take, .arg = &taken};
    rig_script(&r, (struct rig_reply){.body = "{\"items\":[{\"id\":1}],\"n\":4097}"});
    rig_run(&r);
    assert_int_equal(r.rc, TL_LIMIT);
    assert_non_null(strstr(r.err.text, "more than 4096 bytes"));
    assert_int_equal(taken.emits, 0);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(post_sends_the_record_with_path_headers_key_and_secret),
        cmocka_unit_test(each_reply_gives_the_verdict_of_its_row),
        cmocka_unit_test(nothing_is_sent_when_the_address_has_no_value),
        cmocka_unit_test(an_unreachable_host_is_transient_and_not_sent),
        cmocka_unit_test(bodies_take_the_form_of_their_content_type),
        cmocka_unit_test(facilities_follow_from_the_target),
        cmocka_unit_test(a_batch_is_an_array_or_lines),
        cmocka_unit_test(verdicts_of_a_batch_are_one_a_record),
        cmocka_unit_test(a_refused_batch_is_innocent_until_one_is_left),
        cmocka_unit_test(what_is_wrong_is_said_with_a_hint),
        cmocka_unit_test(get_gives_the_answer_or_null),
        cmocka_unit_test(an_answer_that_is_not_what_it_says_is_none),
        cmocka_unit_test(poll_reads_pages_until_the_cursor_stands),
        cmocka_unit_test(a_page_without_items_does_not_move_the_cursor),
        cmocka_unit_test(a_page_that_is_not_what_it_says_fails_and_half_a_pair_does_not),
        cmocka_unit_test(a_key_may_be_as_long_as_its_record),
        cmocka_unit_test(a_cursor_that_is_too_long_is_an_error),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
