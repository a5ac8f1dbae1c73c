/* SPDX-License-Identifier: Apache-2.0 */
/* What templates, addresses, reply headers and error bodies become. */
#include "connector_rig.h"

#include "connector/connector_int.h"

/* ---- templates ---- */

static const char *const order = "{\"id\": 7, \"name\": \"a b/c\", \"empty\": \"\", \"up\": \"..\", \"list\": [1, 2], "
                                 "\"ok\": true, \"price\": 12.50, \"nothing\": null}";

struct template_row {
    const char *text;
    bool uri;
    enum tl_rc rc;
    const char *want; /* NULL: no text */
};
static const struct template_row template_rows[] = {
    {"/orders/{body.id}", true, TL_OK, "/orders/7"},
    {"/o/{body.name}?q={body.name}", true, TL_OK, "/o/a%20b%2Fc?q=a%20b%2Fc"},
    {"/price/{body.price}/{body.ok}", true, TL_OK, "/price/12.50/true"},
    {"/{{literal}}/{body.id}", true, TL_OK, "/%7Bliteral%7D/7"},
    {"/{ {'a': {'b': body.id}}.a.b }", true, TL_OK, "/7"},
    {"/{'}' & \"{\" /* } */ }x", false, TL_OK, "/}{x"},
    {"/orders/{body.missing}", true, TL_INVALID, NULL},
    {"/orders/{body.nothing}", true, TL_INVALID, NULL},
    {"/orders/{body.empty}", true, TL_INVALID, NULL},
    {"/orders?x={body.empty}", true, TL_OK, "/orders?x="},
    {"/orders/{body.list}", true, TL_INVALID, NULL},
    {"/orders/{body.up}", true, TL_INVALID, NULL},
    {"/orders/.{'.'}/x", true, TL_INVALID, NULL},
    {"/orders?up={body.up}", true, TL_OK, "/orders?up=.."},
    {"n={body.name}", false, TL_OK, "n=a b/c"},
    {"l={body.list}", false, TL_OK, "l=[1,2]"},
    {"n={body.missing}", false, TL_OK, NULL},
    {"{body.empty}", false, TL_OK, ""},
    {"", false, TL_OK, ""},
    {"{$body.id}", false, TL_OK, "7"},
    {"{$error('no')}", false, TL_INVALID, NULL},
};

struct template_run {
    struct rig *r;
    struct connector_template *t;
    struct tl_sv text;
};
static struct template_run *running; /* one test at a time */

static enum tl_rc run_template(struct task *task, struct connector_call *call, struct tl_err *err)
{
    return connector_template_run(task, running->t, call, running->r->records[0].envelope, &running->text, err);
}

static void template_gives_the_text_of_the_row(void **state)
{
    struct rig r;

    (void)state;
    rig_start(&r);
    rig_records(&r, &order, 1);
    r.fn = run_template;
    for (size_t i = 0; i < TL_COUNT(template_rows); i++) {
        const struct template_row *row = &template_rows[i];
        const struct config_text text = {.text = row->text};
        struct template_run run = {.r = &r, .t = connector_template_new(&text, row->uri, r.errors)};

        if (!run.t)
            fail_msg("%s", rig_errors(&r));
        running = &run;
        rig_run(&r);
        if (r.rc != row->rc)
            fail_msg("%s: %s", row->text, r.err.text);
        if (row->rc == TL_OK && row->want && !tl_sv_eqs(run.text, row->want))
            fail_msg("%s gave %.*s", row->text, TL_SV_ARG(run.text));
        if (row->rc == TL_OK && !row->want)
            assert_null(run.text.p);
        connector_template_free(run.t);
    }
    rig_stop(&r);
}

static bool doubled(struct tl_buf *b, struct json v)
{
    if (v.type != JSON_STRING)
        return v.type != JSON_OBJECT && json_write(b, v.type == JSON_UNDEFINED ? json_null() : v, 0);
    (void)tl_buf_putc(b, '\'');
    for (uint32_t i = 0; i < v.n; i++)
        (void)(v.u.s[i] == '\'' ? tl_buf_puts(b, "''") : tl_buf_putc(b, v.u.s[i]));
    return tl_buf_putc(b, '\'');
}

static void parts_of_a_query_become_literals_of_its_language(void **state)
{
    static const struct {
        const char *text, *want; /* NULL: refused */
    } rows[] = {{"WHERE a = {body.name}", "WHERE a = 'O''Neill'"},
                {"LIMIT {body.n}", "LIMIT 3"},
                {"WHERE a = {body.none}", "WHERE a = null"},
                {"WHERE a = {body}", NULL}};
    const char *record = "{\"name\": \"O'Neill\", \"n\": 3}";
    struct rig r;

    (void)state;
    rig_start(&r);
    rig_records(&r, &record, 1);
    r.fn = run_template;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        const struct config_text text = {.text = rows[i].text};
        struct template_run run = {.r = &r, .t = connector_template_literals(&text, doubled, r.errors)};

        running = &run;
        rig_run(&r);
        if (r.rc != (rows[i].want ? TL_OK : TL_INVALID) || (rows[i].want && !tl_sv_eqs(run.text, rows[i].want)))
            fail_msg("%s gave %.*s %s", rows[i].text, TL_SV_ARG(run.text), r.err.text);
        connector_template_free(run.t);
    }
    rig_stop(&r);
}

static void a_template_that_cannot_be_read_is_an_error_with_a_reason(void **state)
{
    static const char *const rows[][2] = {{"/a/{body.id", "has no }"},
                                          {"/a/}x", "closes nothing"},
                                          {"/a/{}", "an expression is empty"},
                                          {"/a/{body.}", "cannot be read"},
                                          {"/a/{$id()}", "calls $id, and there is no such function"},
                                          {"/a/{'}", "has no }"},
                                          {"/{body.a}?x#y", "no #fragment"},
                                          {"/b\xc3\xa4r/{body.a}", "must be escaped"},
                                          {"?x={body.a} y", "query of the URL"},
                                          {"/{body.a}/../x", "dot segment"}};
    struct rig r;

    (void)state;
    rig_start(&r);
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        const struct config_text text = {.text = rows[i][0]};

        assert_null(connector_template_new(&text, true, r.errors));
        if (!strstr(rig_errors(&r), rows[i][1]))
            fail_msg("%s: %s", rows[i][0], rig_errors(&r));
    }
    rig_stop(&r);
}

/* ---- addresses ---- */

static void addresses_are_joined_and_stay_on_their_host(void **state)
{
    static const struct {
        const char *base, *url, *want; /* NULL: refused */
    } rows[] = {
        {"https://h/api", "/orders", "https://h/api/orders"},
        {"https://h/api/", "/orders", "https://h/api/orders"},
        {"https://h/api", "orders", "https://h/api/orders"},
        {"https://h", "", "https://h"},
        {"https://h/hook?t=1", "", "https://h/hook?t=1"},
        {"https://h/hook?t=1", "/x?y=2", "https://h/hook/x?t=1&y=2"},
        {"https://h/hook", "?y=2", "https://h/hook?y=2"},
        {"https://h/api", "https://h/other", "https://h/other"},
        {"https://h/api", "https://H:443/other", "https://H:443/other"},
        {"https://h/api", "http://h/other", NULL},
        {"https://h/api", "https://evil/other", NULL},
        {"https://h/api", "https://h:444/other", NULL},
        {"https://h/api", "//evil/x", "https://h/api//evil/x"},
        {"https://h", "@evil/x", "https://h/@evil/x"},
        {NULL, "https://any/x", "https://any/x"},
        {NULL, "/x", NULL},
    };
    struct tl_arena *a = tl_arena_new(1 << 20);

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct tl_err err = {0};
        struct tl_sv got = TL_SV_NULL;
        enum tl_rc rc = connector__url(a, rows[i].base, tl_sv_str(rows[i].url), &got, &err);

        assert_int_equal(rc, rows[i].want ? TL_OK : TL_CONFIG);
        if (rows[i].want && !tl_sv_eqs(got, rows[i].want))
            fail_msg("%s + %s gave %.*s", rows[i].base, rows[i].url, TL_SV_ARG(got));
    }
    tl_arena_free(a);
}

/* ---- classification ---- */

struct classify_row {
    int status;
    const char *name[2], *value[2];
    enum tl_rc rc;
    uint32_t retry_ms, feedback_ms; /* of the record; of the connection */
    const char *budget;             /* NULL: no reading */
    double remaining, limit;
    int64_t resets_in_ms;
};
#define NOW 1764000000000
static const struct classify_row classify_rows[] = {
    {.status = 200, .rc = TL_OK},
    {.status = 429,
     .name = {"retry-after"},
     .value = {"7"},
     .rc = TL_RATE_LIMITED,
     .retry_ms = 7000,
     .feedback_ms = 7000},
    {.status = 503,
     .name = {"retry-after"},
     .value = {"Mon, 24 Nov 2025 16:00:30 GMT"},
     .rc = TL_UPSTREAM,
     .retry_ms = 30000,
     .feedback_ms = 30000},
    {.status = 409, .name = {"retry-after"}, .value = {"3"}, .rc = TL_CONFLICT, .retry_ms = 3000},
    {.status = 403, .rc = TL_FORBIDDEN},
    {.status = 403,
     .name = {"retry-after"},
     .value = {"60"},
     .rc = TL_RATE_LIMITED,
     .retry_ms = 60000,
     .feedback_ms = 60000},
    {.status = 429,
     .name = {"x-ratelimit-remaining", "x-ratelimit-reset"},
     .value = {"0", "1764000012"},
     .rc = TL_RATE_LIMITED,
     .retry_ms = 12000,
     .feedback_ms = 12000,
     .budget = "ratelimit",
     .remaining = 0,
     .limit = -1,
     .resets_in_ms = 12000},
    {.status = 200,
     .name = {"ratelimit", "ratelimit-policy"},
     .value = {"\"day\";r=42;t=60", "\"day\";q=100;w=86400"},
     .rc = TL_OK,
     .budget = "day",
     .remaining = 42,
     .limit = 100,
     .resets_in_ms = 60000},
    {.status = 200,
     .name = {"ratelimit"},
     .value = {"limit=10, remaining=0, reset=5"},
     .rc = TL_OK,
     .feedback_ms = 5000,
     .budget = "ratelimit",
     .remaining = 0,
     .limit = 10,
     .resets_in_ms = 5000},
    {.status = 200,
     .name = {"ratelimit-limit", "ratelimit-remaining"},
     .value = {"100, 100;w=60", "99"},
     .rc = TL_OK,
     .budget = "ratelimit",
     .remaining = 99,
     .limit = 100},
    {.status = 200,
     .name = {"x-rate-limit-remaining", "x-rate-limit-reset"},
     .value = {"0", "1764003600"},
     .rc = TL_OK,
     .feedback_ms = 60000,
     .budget = "ratelimit",
     .remaining = 0,
     .limit = -1,
     .resets_in_ms = 3600000},
    {.status = 200, .name = {"x-ratelimit-remaining", "x-ratelimit-reset"}, .value = {"abc", "-5"}, .rc = TL_OK},
    {.status = 200, .name = {"ratelimit"}, .value = {"\"unfinished"}, .rc = TL_OK},
};

static void a_reply_is_classified_as_its_row_says(void **state)
{
    struct rig r;

    (void)state;
    rig_start(&r);
    for (size_t i = 0; i < TL_COUNT(classify_rows); i++) {
        const struct classify_row *row = &classify_rows[i];
        struct http_header h[2];
        struct http_reply reply = {.status = row->status, .headers = {.v = h}};
        struct connector_call call = {.arena = r.conf};
        struct connector_host_options opt = {.clock = &r.clock.base};
        struct connector_host *host = connector_host_new(&opt);
        struct tl_err err = {0};

        for (; reply.headers.n < 2 && row->name[reply.headers.n]; reply.headers.n++)
            h[reply.headers.n] =
                (struct http_header){tl_sv_str(row->name[reply.headers.n]), tl_sv_str(row->value[reply.headers.n])};
        connector_call_begin(&call, host, NULL);
        if (connector_classify(&call, &reply, &err) != row->rc)
            fail_msg("row %zu: %s %s", i, tl_rc_name(err.rc), err.text);
        assert_int_equal(err.retry_after_ms, row->retry_ms);
        assert_int_equal(call.feedback.retry_after_ms, row->feedback_ms);
        assert_int_equal(call.feedback.n_readings, row->budget ? 1 : 0);
        if (row->budget) {
            assert_string_equal(call.feedback.readings[0].name, row->budget);
            assert_true(call.feedback.readings[0].remaining == row->remaining);
            assert_true(call.feedback.readings[0].limit == row->limit);
            assert_int_equal(call.feedback.readings[0].reset_wall_ms, row->resets_in_ms ? NOW + row->resets_in_ms : 0);
        }
        connector_host_free(host);
    }
    rig_stop(&r);
}

static void the_words_of_an_error_are_found_in_its_shape(void **state)
{
    static const char *const rows[][2] = {
        {"{\"error\":{\"code\":\"E1\",\"message\":\"no stock\"}}", "E1: no stock"},
        {"{\"error\":\"invalid_grant\",\"error_description\":\"expired\"}", "invalid_grant: expired"},
        {"{\"message\":\"Not Found\"}", "Not Found"},
        {"{\"errors\":[{\"detail\":\"too long\"},{\"detail\":\"second\"}]}", "too long"},
        {"{\"errors\":[\"first\"]}", "first"},
        {"[{\"errorCode\":\"DUP\",\"message\":\"duplicate value\"}]", "DUP: duplicate value"},
        {"{\"type\":\"about:blank\",\"title\":\"Bad\",\"detail\":\"sku missing\"}", "about:blank: sku missing"},
        {"{\"fault\":{\"faultstring\":\"quota\"}}", "quota"},
        {"<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway"},
        {"<s:Envelope><s:Fault><faultstring xml:lang=\"en\">bad field</faultstring></s:Fault></s:Envelope>",
         "bad field"},
        {"plain\n  text\x01 here ", "plain text here"},
        {"{\"broken\": ", "{\"broken\":"},
        {"\"just a text\"", "just a text"},
        {"{}", "{}"},
        {"caf\xc3\xa9 \xff rest", "caf\xc3\xa9 "},
        {"", ""},
    };
    struct tl_arena *a = tl_arena_new(1 << 20);

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct connector_call call = {.arena = a};
        struct http_reply reply = {.status = 400, .body = tl_sv_str(rows[i][0])};
        struct tl_sv got = connector_reply_text(&call, &reply);

        if (!tl_sv_eqs(got, rows[i][1]))
            fail_msg("%s gave %.*s", rows[i][0], TL_SV_ARG(got));
    }
    tl_arena_free(a);
}

/* Secrets of theirs, that we have never seen: links that they signed, tokens that they gave. */
static void what_a_name_says_is_secret_is_masked_and_words_stay(void **state)
{
    static const char *const rows[][2] = {
        {"get https://b.example/f?x=1&X-Amz-Signature=abc%2F1&y=2 soon",
         "get https://b.example/f?x=1&X-Amz-Signature=***&y=2 soon"},
        {"see https://b.example/f?sig=abc\"", "see https://b.example/f?sig=***\""},
        {"<a href='https://b.example/f?a=1&amp;sig=abc'>", "<a href='https://b.example/f?a=1&amp;sig=***'>"},
        {"client_secret=abc&grant_type=refresh_token", "client_secret=***&grant_type=refresh_token"},
        {"{\"access_token\":\"abc\",\"token_type\":\"Bearer\"}",
         "{\"access_token\":\"***\",\"token_type\":\"Bearer\"}"},
        {"{\"Password\" : \"a\\\"bc\", \"n\":1}", "{\"Password\" : \"***\", \"n\":1}"},
        {"{\"refresh_token\":\"cut off", "{\"refresh_token\":\"***"},
        {"the token is missing; password: none", "the token is missing; password: none"},
        {"{\"token\":null,\"tokens\":[\"a\"],\"secret\":7}", "{\"token\":null,\"tokens\":[\"a\"],\"secret\":7}"},
        {"design=abc&signal=5", "design=abc&signal=5"},
        {"\"sig\"", "\"sig\""},
        {"\"sig\":", "\"sig\":"},
    };
    struct tl_arena *a = tl_arena_new(1 << 20);

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct connector_call call = {.arena = a};
        struct tl_sv got = connector_mask(&call, tl_sv_str(rows[i][0]));

        if (!tl_sv_eqs(got, rows[i][1]))
            fail_msg("%s gave %.*s", rows[i][0], TL_SV_ARG(got));
    }
    tl_arena_free(a);
}

static void the_words_of_an_error_are_found_in_a_long_document(void **state)
{
    static const char *const rows[][3] = {
        {"{\"trace\": \"", "\", \"error\": {\"message\": \"too late\"}}", "{\"trace\": \"xxx"},
        {"{\"error\": {\"code\": 7, \"message\" : \"no \\\"such\\\" item\"}, \"trace\": \"", "\"}", "no \"such\" item"},
        {"{\"message\": null, \"detail\": \"", "\"}", "xxx"},
        {"{\"messages\": 1, \"title\": \"gone\", \"list\": [\"", "\"]}", "gone"},
    };
    struct tl_arena *a = tl_arena_new(8 << 20);

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
        struct connector_call call = {.arena = a};
        struct http_reply reply = {.status = 400};
        struct tl_sv text;

        connector_call_begin(&call, NULL, NULL);
        tl_buf_init(&b, 2 << 20);
        tl_buf_puts(&b, rows[i][0]);
        for (size_t k = 0; k < 1 << 20; k++)
            tl_buf_putc(&b, 'x');
        tl_buf_puts(&b, rows[i][1]);
        reply.body = tl_buf_view(&b);
        text = connector_reply_text(&call, &reply);
        if (!tl_sv_starts(text, tl_sv_str(rows[i][2])))
            fail_msg("%s gave %.*s", rows[i][0], TL_SV_ARG(text));
    }
    tl_arena_free(a);
}

static void a_secret_is_masked_also_where_a_text_is_cut(void **state)
{
    char body[400];
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct connector_call call = {.arena = a};
    struct http_reply reply = {.status = 400};
    struct tl_sv text;

    (void)state;
    connector_call_begin(&call, NULL, NULL);
    connector__hide(&call, TL_SV("s3cr3t-token"));
    memset(body, 'x', sizeof body);
    memcpy(body + 195, "s3cr3t-token", 12);
    reply.body = tl_sv(body, sizeof body);
    text = connector_reply_text(&call, &reply);
    assert_true(text.n <= 200);
    assert_int_equal(tl_sv_find_sv(text, TL_SV("s3cr")), text.n);
    text = connector_mask_cut(&call, TL_SV("a s3cr3t-token b s3cr3t-token"), 19);
    assert_true(tl_sv_eqs(text, "a *** b ***"));
    text = connector_mask_cut(&call, TL_SV("a s3cr3"), 100);
    assert_true(tl_sv_eqs(text, "a s3cr3"));
    tl_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(template_gives_the_text_of_the_row),
        cmocka_unit_test(parts_of_a_query_become_literals_of_its_language),
        cmocka_unit_test(a_template_that_cannot_be_read_is_an_error_with_a_reason),
        cmocka_unit_test(addresses_are_joined_and_stay_on_their_host),
        cmocka_unit_test(a_reply_is_classified_as_its_row_says),
        cmocka_unit_test(the_words_of_an_error_are_found_in_its_shape),
        cmocka_unit_test(what_a_name_says_is_secret_is_masked_and_words_stay),
        cmocka_unit_test(the_words_of_an_error_are_found_in_a_long_document),
        cmocka_unit_test(a_secret_is_masked_also_where_a_text_is_cut),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
