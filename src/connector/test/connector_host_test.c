/* SPDX-License-Identifier: Apache-2.0 */
/* What the host adds to a request: authentication with one more try, the trace, masks, limits. */
#include "connector_rig.h"

#include "connector/connector_int.h"

struct fake_auth {
    struct connector_auth base;
    struct rig *rig;
    int applied, answers;
    bool renew, refuse, in_query;
    const char *id; /* told as no secret */
};

static enum tl_rc apply(struct connector_auth *base, struct task *task, struct connector_call *call,
                        struct http_request_out *req, struct tl_err *err)
{
    struct fake_auth *a = TL_CONTAINER(base, struct fake_auth, base);
    struct http_header *h = tl_arena_alloc(call->arena, (req->n_headers + 2) * sizeof *h);
    enum tl_rc rc = rig_step(a->rig, task, err);

    if (rc != TL_OK)
        return rc;
    if (a->refuse)
        return tl_fail(err, TL_AUTH, "no token");
    a->applied++;
    if (a->in_query) {
        req->url = tl_sv_str(tl_arena_printf(call->arena, "%.*s?key=s3cr3t%%2Fkey", TL_SV_ARG(req->url)));
        return TL_OK;
    }
    if (req->n_headers > 0)
        memcpy(h, req->headers, req->n_headers * sizeof *h);
    h[req->n_headers++] = (struct http_header){TL_SV("authorization"),
                                               tl_sv_str(tl_arena_printf(call->arena, "Bearer s3cr3t-%d", a->applied))};
    if (a->id) {
        h[req->n_headers++] = (struct http_header){TL_SV("webhook-id"), tl_sv_str(a->id)};
        connector__plain(call, tl_sv_str(a->id));
    }
    req->headers = h;
    return TL_OK;
}

static bool answered(struct connector_auth *base, struct task *task, struct connector_call *call,
                     const struct http_reply *reply, bool refused)
{
    struct fake_auth *a = TL_CONTAINER(base, struct fake_auth, base);

    (void)task, (void)call;
    a->answers++;
    return refused && reply->status == 401 && a->renew;
}

static const char *const record = "{\"id\": 1}";

static void start(struct rig *r, struct fake_auth *a)
{
    rig_start(r);
    *a = (struct fake_auth){.base = {apply, answered}, .rig = r};
    r->auth = &a->base;
    if (!rig_connect(r, connector_find(TL_SV("http")), "{ url: \"${env:TIELINE_TEST_URL}\" }") ||
        !rig_target(r, "{ post: /x, idempotency_header: \"\" }", 1u << CONNECTOR_WRITE))
        fail_msg("%s", rig_errors(r));
    rig_records(r, &record, 1);
}

static void a_401_is_tried_once_more_with_fresh_credentials(void **state)
{
    struct fake_auth a;
    struct rig r;

    (void)state;
    start(&r, &a);
    a.renew = true;
    r.replies[0] = (struct rig_reply){.status = 401};
    r.replies[1] = (struct rig_reply){.status = 200};
    r.n_replies = 2;
    rig_run(&r);
    assert_int_equal(r.rc, TL_OK);
    assert_int_equal(r.verdicts[0].end, CONNECTOR_DONE);
    assert_int_equal(r.requests, 2);
    assert_true(rig_saw(&r, "authorization: Bearer s3cr3t-2\n"));
    assert_false(rig_saw(&r, "s3cr3t-1"));
    assert_int_equal(a.answers, 2);
    rig_stop(&r);
}

struct counting {
    int asked, room; /* so many requests may be made */
};
static enum tl_rc count(void *arg, struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct counting *c = arg;

    (void)task, (void)call;
    return ++c->asked > c->room ? tl_fail(err, TL_QUOTA, "no room is left") : TL_OK;
}

static void each_request_is_asked_for_also_one_that_is_made_again(void **state)
{
    struct counting c = {.room = 2};
    struct fake_auth a;
    struct rig r;

    (void)state;
    start(&r, &a);
    a.renew = true;
    r.ledger = (struct connector_ledger){.request = count, .arg = &c};
    r.replies[0] = (struct rig_reply){.status = 401};
    r.replies[1] = (struct rig_reply){.status = 200};
    r.n_replies = 2;
    rig_run(&r);
    assert_int_equal(r.rc, TL_OK);
    assert_int_equal(r.requests, 2);
    assert_int_equal(c.asked, 2);
    r.next = 0;
    c = (struct counting){.room = 1};
    rig_run(&r);
    assert_int_equal(r.rc, TL_QUOTA);
    assert_int_equal(r.requests, 3); /* what there is no room for is not sent */
    c = (struct counting){.room = 0};
    rig_run(&r);
    assert_int_equal(r.rc, TL_QUOTA);
    assert_true(r.call.not_sent);
    rig_stop(&r);
}

static void a_second_401_is_an_error_of_the_connection(void **state)
{
    struct fake_auth a;
    struct rig r;

    (void)state;
    start(&r, &a);
    a.renew = true;
    rig_script(&r, (struct rig_reply){.status = 401});
    rig_run(&r);
    assert_int_equal(r.rc, TL_AUTH);
    assert_int_equal(r.requests, 2);
    a.renew = false;
    rig_run(&r);
    assert_int_equal(r.requests, 3);
    rig_stop(&r);
}

static void without_a_token_nothing_is_sent(void **state)
{
    struct fake_auth a;
    struct rig r;

    (void)state;
    start(&r, &a);
    a.refuse = true;
    rig_run(&r);
    assert_int_equal(r.rc, TL_AUTH);
    assert_int_equal(r.requests, 0);
    assert_true(r.call.not_sent);
    rig_stop(&r);
}

static void what_authentication_added_is_masked(void **state)
{
    struct fake_auth a;
    struct rig r;

    (void)state;
    start(&r, &a);
    rig_script(&r, (struct rig_reply){.status = 500, .body = "token s3cr3t-1 refused (Bearer s3cr3t-1)"});
    rig_run(&r);
    assert_string_equal(r.err.text, "HTTP 500: token *** refused (***)");
    a.in_query = true;
    rig_script(&r, (struct rig_reply){.status = 500, .body = "GET /x?key=s3cr3t%2Fkey: s3cr3t/key is bad"});
    rig_run(&r);
    assert_string_equal(r.err.text, "HTTP 500: GET /x?key=***: *** is bad");
    rig_stop(&r);
}

static void what_is_kept_of_a_good_answer_is_masked(void **state)
{
    struct fake_auth a;
    struct rig r;
    struct tl_sv path;

    (void)state;
    start(&r, &a);
    rig_script(&r, (struct rig_reply){.status = 201, .body = "{\"id\": \"k-s3cr3t-1-4711\"}"});
    rig_run(&r);
    assert_int_equal(r.verdicts[0].end, CONNECTOR_DONE);
    assert_true(tl_sv_eqs(r.verdicts[0].shown, "k-***-4711"));
    assert_true(tl_sv_eqs(r.verdicts[0].answer, "k-s3cr3t-1-4711")); /* an id that others go by */
    a.in_query = true;
    rig_script(&r, (struct rig_reply){.status = 201,
                                      .headers = {"location: http://x/orders/7?key=s3cr3t%2Fkey&v=1"},
                                      .body = "{\"of\": [1, {\"self\": \"/x?key=Bearer s3cr3t/key-and-more\"}]}"});
    rig_run(&r);
    assert_int_equal(r.verdicts[0].end, CONNECTOR_DONE);
    assert_true(tl_sv_eqs(r.verdicts[0].shown, "http://x/orders/7?key=***&v=1"));
    assert_true(tl_sv_eqs(r.verdicts[0].answer, "http://x/orders/7?key=s3cr3t%2Fkey&v=1"));
    /* ten bytes may stand in somebody's data by chance */
    path = json_text(json_gets(json_at(json_gets(r.call.output, "of"), 1), "self"), TL_SV(""));
    assert_true(tl_sv_eqs(path, "/x?key=Bearer s3cr3t/key-and-more"));
    a.in_query = false;
    a.applied = 9;
    rig_script(&r, (struct rig_reply){.status = 200,
                                      .body = "{\"n\": 1, \"of\": [2, {\"sent\": \"<Bearer s3cr3t-10>\"}, 3]}"});
    rig_run(&r);
    path = json_text(json_gets(json_at(json_gets(r.call.output, "of"), 1), "sent"), TL_SV(""));
    assert_true(tl_sv_eqs(path, "<***>"));
    assert_int_equal(json_at(json_gets(r.call.output, "of"), 2).u.i, 3);
    rig_script(&r, (struct rig_reply){.status = 201, .body = "{\"id\": \"k-Bearer s3cr3t-11-4711\"}"});
    rig_run(&r);
    assert_true(tl_sv_eqs(r.verdicts[0].answer, "k-***-4711")); /* so long a value is nobody's word */
    rig_stop(&r);
}

/* Each value is looked at once: levels by their size would hold up a loop for a quarter of a minute with 8 MB. */
static void a_value_that_lies_deep_is_hidden_there_and_nothing_else_changes(void **state)
{
    enum { DEPTH = 400 };
    struct tl_buf body = {0};
    struct fake_auth a;
    struct rig r;
    struct json v;

    (void)state;
    start(&r, &a);
    a.applied = 9;
    tl_buf_init(&body, 1 << 16);
    for (int i = 0; i < DEPTH; i++)
        tl_buf_puts(&body, "[{\"n\": 1.50, \"t\": \"x\"}, ");
    tl_buf_puts(&body, "\"Bearer s3cr3t-10!\"");
    for (int i = 0; i < DEPTH; i++)
        tl_buf_puts(&body, "]");
    tl_buf_putc(&body, '\0');
    rig_script(&r, (struct rig_reply){.status = 200, .body = body.p});
    rig_run(&r);
    v = r.call.output;
    for (int i = 0; i < DEPTH; i++) {
        assert_true(tl_sv_eqs(json_text(json_gets(json_at(v, 0), "t"), TL_SV("")), "x"));
        assert_true(tl_sv_eqs(json_view(json_gets(json_at(v, 0), "n")), "1.50"));
        v = json_at(v, 1);
    }
    assert_true(tl_sv_eqs(json_text(v, TL_SV("")), "***!"));
    tl_buf_done(&body);
    rig_stop(&r);
}

static void an_id_that_authentication_added_is_no_secret(void **state)
{
    struct fake_auth a;
    struct rig r;

    (void)state;
    start(&r, &a);
    a.id = "msg_0001.crm.4711.0";
    rig_script(&r,
               (struct rig_reply){.status = 201, .body = "{\"id\": \"msg_0001.crm.4711.0\", \"by\": \"s3cr3t-1\"}"});
    rig_run(&r);
    assert_true(tl_sv_eqs(r.verdicts[0].answer, a.id));
    assert_true(tl_sv_eqs(r.verdicts[0].shown, a.id));
    assert_true(tl_sv_eqs(json_text(json_gets(r.call.output, "id"), TL_SV("")), a.id));
    rig_script(&r, (struct rig_reply){.status = 500, .body = "msg_0001.crm.4711.0 of Bearer s3cr3t-2 failed"});
    rig_run(&r);
    assert_string_equal(r.err.text, "HTTP 500: msg_0001.crm.4711.0 of *** failed");
    rig_stop(&r);
}

struct taken {
    char value[64], key[64];
};

static enum tl_rc take(void *arg, struct task *task, const struct connector_incoming *records, size_t n,
                       struct tl_sv position, struct tl_err *err)
{
    struct taken *t = arg;

    (void)task, (void)position, (void)err;
    assert_int_equal(n, 1);
    (void)snprintf(t->value, sizeof t->value, "%.*s",
                   TL_SV_ARG(json_text(json_gets(records[0].value, "u"), TL_SV(""))));
    (void)snprintf(t->key, sizeof t->key, "%.*s", TL_SV_ARG(records[0].key));
    return TL_OK;
}

static enum tl_rc read_echo(struct task *task, struct connector_call *call, struct tl_err *err)
{
    const struct http_request_out req = {.url = TL_SV("/x")};
    struct connector_incoming one = {.key = TL_SV("k Bearer s3cr3t-10")};
    struct http_reply reply;
    struct json_builder b;
    enum tl_rc rc = connector_http(task, call, &req, &reply, err);

    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, call->arena, 1);
    json_adds(&b, "u", json_str("sent Bearer s3cr3t-10."));
    one.value = json_end(&b);
    return connector_emit(task, call, &one, 1, TL_SV("p"), err);
}

static void what_is_read_does_not_repeat_the_credentials(void **state)
{
    struct taken t = {0};
    struct fake_auth a;
    struct rig r;

    (void)state;
    start(&r, &a);
    r.ledger = (struct connector_ledger){.emit = take, .arg = &t};
    r.fn = read_echo;
    a.applied = 9;
    rig_script(&r, (struct rig_reply){.status = 200, .body = "{}"});
    rig_run(&r);
    assert_int_equal(r.rc, TL_OK);
    assert_string_equal(t.value, "sent ***.");
    assert_string_equal(t.key, "k ***");
    rig_stop(&r);
}

static void half_of_a_long_secret_is_not_told(void **state)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct fake_auth a;
    struct rig r;

    (void)state;
    start(&r, &a);
    tl_buf_init(&b, 16 << 10);
    for (int i = 0; i < 4091 - 4; i++) /* what is looked at ends within the secret */
        tl_buf_putc(&b, ' ');
    (void)tl_buf_puts(&b, "no: s3cr3t-1");
    b.p[0] = '.';
    tl_buf_putc(&b, '\0');
    rig_script(&r, (struct rig_reply){.status = 500, .body = b.p});
    rig_run(&r);
    assert_null(strstr(r.err.text, "s3"));
    rig_stop(&r);
}

static void a_call_is_stopped_while_a_token_is_fetched(void **state)
{
    struct fake_auth a;
    struct rig r;

    (void)state;
    start(&r, &a);
    r.cut_at = 1;
    rig_run(&r);
    assert_int_equal(r.rc, TL_CANCELED);
    assert_int_equal(r.requests, 0);
    rig_stop(&r);
}

static void a_trace_is_passed_on_when_it_is_one(void **state)
{
    static const struct {
        const char *value;
        bool passed;
    } rows[] = {{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true},
                {"00-4BF92F3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false},
                {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0\\n", false},
                {"x", false}};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct fake_auth a;
        struct rig r;

        start(&r, &a);
        assert_int_equal(
            json_parse(r.conf,
                       tl_sv_str(tl_arena_printf(r.conf, "{\"headers\":{\"traceparent\":\"%s\"}}", rows[i].value)), 0,
                       NULL, &r.records[0].envelope, NULL),
            TL_OK);
        rig_run(&r);
        assert_int_equal(rig_saw(&r, "traceparent: 00-4b"), rows[i].passed);
        rig_stop(&r);
    }
}

static void the_clock_of_the_other_side_is_measured(void **state)
{
    struct fake_auth a;
    struct rig r;

    (void)state;
    start(&r, &a);
    rig_run(&r);
    /* the server's Date is real, the host's clock is not */
    assert_true(connector_host_skew_ms(r.host) != 0);
    assert_string_equal(connector_host_name(r.host), "test");
    rig_stop(&r);
}

static bool is_overload(const void *connection, const struct http_reply *reply)
{
    (void)connection;
    return http_header_get(&reply->headers, "x-busy").p != NULL;
}

static void a_401_that_is_no_refusal_is_not_told_to_authentication(void **state)
{
    struct connector busy = *connector_find(TL_SV("http"));
    struct fake_auth a;
    struct rig r;

    (void)state;
    start(&r, &a);
    busy.false_401 = is_overload;
    r.connector = &busy;
    rig_script(&r, (struct rig_reply){.status = 401, .headers = {"x-busy: 1"}});
    rig_run(&r);
    assert_int_equal(r.call.status, 401);
    assert_int_equal(a.answers, 0);
    assert_int_equal(r.requests, 1);
    rig_script(&r, (struct rig_reply){.status = 401});
    rig_run(&r);
    assert_int_equal(a.answers, 1);
    rig_stop(&r);
}

static const char *other_urls(const void *connection, size_t i)
{
    (void)connection;
    return i == 0 ? "https://scripts.example.com" : i == 1 ? "http://127.0.0.1:1" : NULL;
}
static enum tl_rc ask_port_1(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct http_reply reply;

    return connector_http(task, call, &(struct http_request_out){.url = TL_SV("http://127.0.0.1:1/x")}, &reply, err);
}
static enum tl_rc ask_port_2(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct http_reply reply;

    return connector_http(task, call, &(struct http_request_out){.url = TL_SV("http://127.0.0.1:2/x")}, &reply, err);
}

static void credentials_go_to_the_systems_other_addresses_and_to_no_more(void **state)
{
    struct connector two = *connector_find(TL_SV("http"));
    struct fake_auth a;
    struct rig r;

    (void)state;
    start(&r, &a);
    two.other_url = other_urls;
    r.connector = &two;
    r.fn = ask_port_1;
    rig_run(&r);
    assert_int_equal(r.rc, TL_UNREACHABLE); /* it went there, and nobody listens */
    assert_int_equal(a.applied, 1);
    r.fn = ask_port_2;
    rig_run(&r);
    assert_int_equal(r.rc, TL_CONFIG);
    assert_int_equal(a.applied, 1);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_401_is_tried_once_more_with_fresh_credentials),
        cmocka_unit_test(each_request_is_asked_for_also_one_that_is_made_again),
        cmocka_unit_test(a_second_401_is_an_error_of_the_connection),
        cmocka_unit_test(without_a_token_nothing_is_sent),
        cmocka_unit_test(what_authentication_added_is_masked),
        cmocka_unit_test(what_is_kept_of_a_good_answer_is_masked),
        cmocka_unit_test(a_value_that_lies_deep_is_hidden_there_and_nothing_else_changes),
        cmocka_unit_test(an_id_that_authentication_added_is_no_secret),
        cmocka_unit_test(what_is_read_does_not_repeat_the_credentials),
        cmocka_unit_test(half_of_a_long_secret_is_not_told),
        cmocka_unit_test(a_call_is_stopped_while_a_token_is_fetched),
        cmocka_unit_test(a_trace_is_passed_on_when_it_is_one),
        cmocka_unit_test(the_clock_of_the_other_side_is_measured),
        cmocka_unit_test(a_401_that_is_no_refusal_is_not_told_to_authentication),
        cmocka_unit_test(credentials_go_to_the_systems_other_addresses_and_to_no_more),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
