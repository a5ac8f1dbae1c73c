/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "flow/flow_int.h"

static const char head[] = "version: 1\n"
                           "connections:\n"
                           "  erp: { type: http, url: 'https://erp.example.com' }\n"
                           "  crm: { type: http, url: 'https://crm.example.com', limits: { rate: 10/s } }\n";

struct loaded {
    char path[64];
    struct config_errors *errors;
    struct flow_plan *plan;
    struct tl_arena *arena;
    enum tl_rc rc;
};

static enum tl_rc a_secret(void *arg, const struct config_secret *ref, struct tl_buf *ret, struct tl_err *err)
{
    (void)arg;
    (void)ref;
    (void)err;
    tl_buf_puts(ret, "a-secret-of-a-test");
    return TL_OK;
}

static struct crypto *crypto;

static struct loaded load_as(const char *flows, const struct flow_load_options *o)
{
    struct loaded l = {
        .path = "/tmp/tieline-plan-XXXXXX", .errors = config_errors_new(), .arena = tl_arena_new(1 << 26)};
    int fd = mkstemp(l.path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, head, sizeof head - 1), sizeof head - 1);
    assert_int_equal(write(fd, flows, strlen(flows)), (ssize_t)strlen(flows));
    close(fd);
    l.rc = flow_plan_load(l.path, o, l.errors, &l.plan);
    return l;
}

static struct loaded load(const char *flows)
{
    const struct flow_load_options o = {.crypto = crypto, .secret = a_secret};

    return load_as(flows, &o);
}

static void unload(struct loaded *l)
{
    unlink(l->path);
    flow_plan_unref(l->plan);
    config_errors_free(l->errors);
    tl_arena_free(l->arena);
}

static void expect_error(const char *flows, const char *part)
{
    struct loaded l = load(flows);
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 1 << 20);
    config_errors_text(l.errors, false, &b);
    if (l.rc != TL_CONFIG || !b.p || !strstr(b.p, part))
        fail_msg("expected '%s', got: %s", part, b.p ? b.p : "(no error)");
    unload(&l);
}

/* Each of `parts` (NULL-terminated), and so many errors in all. */
static void expect_all(const char *flows, size_t n, const char *const *parts)
{
    struct loaded l = load(flows);
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 1 << 20);
    config_errors_text(l.errors, false, &b);
    for (size_t i = 0; parts[i]; i++)
        if (!b.p || !strstr(b.p, parts[i]))
            fail_msg("expected '%s', got: %s", parts[i], b.p ? b.p : "(no error)");
    if (config_errors_count(l.errors) != n)
        fail_msg("expected %zu errors, got: %s", n, b.p ? b.p : "(no error)");
    unload(&l);
}

static struct json parse(struct tl_arena *a, const char *text)
{
    struct json v;
    struct tl_err err;

    assert_int_equal(json_parse(a, tl_sv_str(text), 0, NULL, &v, &err), TL_OK);
    return v;
}

/* What a flow would send for an envelope, as text. */
static void expect_try(const char *flows, const char *envelope, const char *expected)
{
    struct loaded l = load(flows);
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json ret;
    struct tl_err err = {0};

    tl_buf_init(&b, 1 << 20);
    if (l.rc != TL_OK) {
        config_errors_text(l.errors, false, &b);
        fail_msg("%s", b.p);
    }
    if (flow_plan_try(l.plan, TL_SV("orders"), parse(l.arena, envelope), l.arena, &ret, &err) != TL_OK)
        json_write(&b, json_str(err.text), 0);
    else
        json_write(&b, ret, 0);
    assert_string_equal(b.p, expected);
    unload(&l);
}

#define FLOW "flows:\n  orders:\n    from: { webhook: { path: /h, unsigned: true } }\n"

static void names_that_do_not_exist_are_errors_with_a_suggestion(void **state)
{
    (void)state;
    expect_error(FLOW "    to: { connection: erb, post: /x }\n", "did you mean 'erp'?");
    expect_error(FLOW "    to: { connection: erp, pots: /x }\n", "post");
    expect_error(FLOW "    steps: [ { map: no-such } ]\n    to: { connection: erp, post: /x }\n",
                 "there is no mapping 'no-such'");
    expect_error(FLOW "    steps: [ { route: [ { to: nowhere } ] } ]\n    to: { connection: erp, post: /x }\n",
                 "has no target 'nowhere'");
    expect_error(FLOW "    steps: [ { validate: order } ]\n    to: { connection: erp, post: /x }\n",
                 "there is no model 'order'");
}

static void an_expression_that_does_not_compile_is_named_with_its_place(void **state)
{
    (void)state;
    expect_error(FLOW "    order_by: 'body.('\n    to: { connection: erp, post: /x }\n", ":8:22");
    expect_error(FLOW "    steps: [ { when: '1 +' } ]\n    to: { connection: erp, post: /x }\n", "does not compile");
}

static void a_function_that_nobody_made_is_found_when_the_plan_is_loaded(void **state)
{
    struct loaded l;

    (void)state;
    expect_error(FLOW "    order_by: '$lowercaze(body.id)'\n    to: { connection: erp, post: /x }\n",
                 "calls $lowercaze, and there is no such function");
    expect_error(FLOW "    steps: [ { map: { jsonata: 'lines[$ok(qty)]' } } ]\n    to: { connection: erp, post: /x }\n",
                 "calls $ok,");
    expect_error(FLOW "    to: { connection: erp, post: '/x/{$nope(body.id)}' }\n", "calls $nope,");
    l = load(FLOW "    order_by: '($f := function($g) { $g(1) }; $f($string) & $tl.hash(body.id) & $headers.a)'\n"
                  "    to: { connection: erp, post: /x }\n");
    assert_int_equal(l.rc, TL_OK);
    unload(&l);
}

static void a_webhook_that_anybody_could_post_to_is_refused(void **state)
{
    (void)state;
    expect_error("flows:\n  orders:\n    from: { webhook: { path: /h } }\n    to: { connection: erp, post: /x }\n",
                 "anybody could post");
}

static void two_flows_cannot_share_a_path_nor_two_targets_a_name(void **state)
{
    (void)state;
    expect_error(
        FLOW "    to: { connection: erp, post: /x }\n"
             "  other:\n    from: { webhook: { path: /h, unsigned: true } }\n    to: { connection: erp, post: /x }\n",
        "same path /h");
    expect_error(FLOW "    to: [ { connection: erp, post: /x }, { connection: erp, post: /y } ]\n",
                 "two targets named 'erp'");
}

static void expect_path(const char *path, const char *part)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 4096);
    (void)tl_buf_printf(&b,
                        "server: { metrics: { on: true } }\n" FLOW "    to: { connection: erp, post: /x }\n"
                        "  more:\n    from: { webhook: { path: '/a/{b}', unsigned: true } }\n"
                        "    to: { connection: erp, post: /x }\n"
                        "  other:\n    from:\n      webhook:\n        unsigned: true\n        path: '%s'\n"
                        "    to: { connection: erp, post: /x }\n%c",
                        path, 0);
    expect_error(b.p, part);
    expect_error(b.p, ":17:15"); /* where the path stands */
}

static void a_path_that_no_request_can_have_or_that_is_taken_is_refused(void **state)
{
    struct loaded l;

    (void)state;
    expect_path("/a?x=1", "'?' and '#' end it");
    expect_path("/a#b", "'?' and '#' end it");
    expect_path("/a%2Fb", "after its escapes are decoded");
    expect_path("/h/../x", "dot segments");
    expect_path("/h\\x", "'\\'");
    expect_path("hooks", "must begin with /");
    expect_path("/h/{a", "a segment is a literal");
    expect_path("/healthz", "is the server's own");
    expect_path("/readyz", "is the server's own");
    expect_path("/metrics", "is the server's own");
    expect_path("/a/{c}", "flows 'more' and 'other' have the same path /a/{c}");
    l = load(
        FLOW
        "    to: { connection: erp, post: /x }\n"
        "  a:\n    from: { webhook: { path: '/h/{a}', unsigned: true } }\n    to: { connection: erp, post: /x }\n"
        "  b:\n    from: { webhook: { path: '/h/b', unsigned: true } }\n    to: { connection: erp, post: /x }\n"
        "  c:\n    from: { webhook: { path: '/h/{a*}', unsigned: true } }\n    to: { connection: erp, post: /x }\n"
        "  d:\n    from: { webhook: { path: '/metrics', unsigned: true } }\n    to: { connection: erp, post: /x }\n");
    assert_int_equal(l.rc, TL_OK);
    unload(&l);
}

/* As `check` reads it: without secrets, save those that stand in the file. */
static void expect_checked(const char *verify, enum tl_rc rc, const char *part)
{
    const struct flow_load_options o = {.crypto = crypto, .config = {.allow_literal_secrets = true}};
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0}, found = {0};
    struct loaded l;

    tl_buf_init(&b, 4096);
    tl_buf_init(&found, 1 << 20);
    (void)tl_buf_printf(&b,
                        "flows:\n  orders:\n    from:\n      webhook:\n        path: /h\n        verify: { %s }\n"
                        "    to: { connection: erp, post: /x }\n%c",
                        verify, 0);
    l = load_as(b.p, &o);
    config_errors_text(l.errors, false, &found);
    if (l.rc != rc || (part ? !found.p || !strstr(found.p, part) || !strstr(found.p, ":10:") : found.n > 0))
        fail_msg("%s: expected '%s', got: %s", verify, part ? part : "nothing", found.p ? found.p : "nothing");
    unload(&l);
}

#define GENERIC "generic: { secret: '${env:NOT_HERE}', header: x-s, "

static void a_verify_that_cannot_be_is_found_without_its_secrets(void **state)
{
    static const struct {
        const char *verify, *part;
    } wrong[] = {
        {GENERIC "signed_text: '{nonce}.{body}' }", "signed_text may hold"},
        {GENERIC "signed_text: '{id}', id: x-id }", "must hold {body}"},
        {GENERIC "signed_text: '{timestamp}.{body}' }", "say in `timestamp`"},
        {GENERIC "signed_text: '{id}.{body}' }", "say in `id`"},
        {GENERIC "signed_text: '{url}{body}' }", "set public_url"},
        {GENERIC "signed_text: '{body}', id: '/a~2' }", "~ must be followed by 0 or 1"},
        {GENERIC "signed_text: '{body}', event_type: 'x y' }", "no header can have the name \"x y\""},
        {"generic: { secret: '${env:NOT_HERE}', header: 'x s', signed_text: '{body}' }", "no header can have the name"},
        {"token: { secret: '${env:NOT_HERE}', header: 'bad header' }", "no header can have the name"},
        {"generic: { secret: nothex, key: hex, header: x-s, signed_text: '{body}' }", "must be hex digits"},
        {"standard_webhooks: { secret: whsec_ }", "must be base64"},
        {"standard_webhooks: { secret: whsk_YWJj }", "must be followed by the base64 of 64 bytes"},
        {"github: { secret: [ { value: '${env:NOT_HERE}', until: tomorrow } ] }", "`until` is not a time"},
        {"jwt: { audience: x }", "either `jwks_url` or keys"},
        {"jwt: { audience: x, secret: '${env:NOT_HERE}', jwks_url: 'https://x.example.com/j' }",
         "either `jwks_url` or"},
        {"jwt: { audience: x, alg: HS256, jwks_url: 'https://x.example.com/j' }", "needs a shared `secret`"},
    };

    (void)state;
    for (size_t i = 0; i < TL_COUNT(wrong); i++)
        expect_checked(wrong[i].verify, TL_CONFIG, wrong[i].part);
    expect_checked("github: { secret: [ { value: '${env:NOT_HERE}', until: '2020-01-01T00:00:00Z' } ] }", TL_OK,
                   "each secret is past its `until`");
    expect_checked("github: { secret: [ { value: a, until: '2020-01-01T00:00:00Z' }, b ] }", TL_OK, NULL);
    expect_checked("jwt: { audience: x, secret: '${env:NOT_HERE}' }", TL_OK, NULL);
    expect_checked("standard_webhooks: { secret: whsec_YWJj }", TL_OK, "asks for a secret of 24 to 64 bytes");
    expect_checked("svix: { secret: whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY }", TL_OK, NULL);
    expect_checked("svix: { secret: whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywt"
                   "Li8wMTIzNDU2Nzg5Ojs8PT4/QEFCQ0RFRkdISUpL }",
                   TL_OK, NULL); /* 75 bytes */
    expect_checked("standard_webhooks: { secret: whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywt"
                   "Li8wMTIzNDU2Nzg5Ojs8PT4/QEFCQ0RFRkdISUpL }",
                   TL_OK, "asks for a secret of 24 to 64 bytes");
    expect_checked("svix: { secret: whsec_YWJj }", TL_OK, "Svix has secrets of 24 to 75 bytes");
    expect_checked("standard_webhooks: { secret: [ { value: whsec_YWJj, until: '2099-01-01T00:00:00Z' }, "
                   "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY ] }",
                   TL_OK, NULL); /* on its way out */
    expect_checked("standard_webhooks: { secret: '${env:NOT_HERE}' }", TL_OK, NULL);
    expect_checked(GENERIC "signed_text: '{timestamp}.{body}', timestamp: 't=', id: '/a~1b/0', event_type: x-type }",
                   TL_OK, NULL);
}

static void a_remark_on_a_secret_does_not_show_it(void **state)
{
    static const struct {
        const char *secret, *part;
    } rows[] = {
        {"{ standard_webhooks: { secret: [ { value: whsec_YWJj } ] } }", "asks for a secret of 24 to 64 bytes"},
        {"\n          standard_webhooks:\n            secret:\n              - value: whsec_YWJj\n",
         "asks for a secret of 24 to 64 bytes"},
        {"{ github: { secret: [ { value: whsec_YWJj, until: '2020-01-01T00:00:00Z' } ] } }", "past its `until`"},
    };
    const struct flow_load_options o = {.crypto = crypto, .config = {.allow_literal_secrets = true}};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        TL_CLEANUP(tl_buf_done) struct tl_buf b = {0}, found = {0};
        struct loaded l;

        tl_buf_init(&b, 4096);
        tl_buf_init(&found, 1 << 20);
        (void)tl_buf_printf(&b,
                            "flows:\n  orders:\n    from:\n      webhook:\n        path: /h\n        verify: %s\n"
                            "    to: { connection: erp, post: /x }\n%c",
                            rows[i].secret, 0);
        l = load_as(b.p, &o);
        config_errors_text(l.errors, false, &found);
        assert_int_equal(l.rc, TL_OK);
        assert_non_null(strstr(found.p, rows[i].part));
        assert_null(strstr(found.p, "YWJj"));
        unload(&l);
    }
}

static void a_key_beside_off_is_remarked(void **state)
{
    struct loaded l =
        load(FLOW "    idempotency: { key: body.id, off: true }\n    to: { connection: erp, post: /x }\n");
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    (void)state;
    tl_buf_init(&b, 4096);
    config_errors_text(l.errors, false, &b);
    assert_int_equal(l.rc, TL_OK);
    assert_non_null(strstr(b.p, "`off: true` is without effect"));
    unload(&l);
}

/* Its errors and remarks, or nothing. */
static void expect_remark(const char *flows, const char *part)
{
    struct loaded l = load(flows);
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 1 << 20);
    config_errors_text(l.errors, false, &b);
    if (l.rc != TL_OK || (part ? !b.p || !strstr(b.p, part) : b.n > 0))
        fail_msg("expected '%s', got: %s", part ? part : "nothing", b.p ? b.p : "nothing");
    unload(&l);
}

#define TWO "    to: [ { connection: erp, post: /x }, { connection: crm, post: /y } ]\n"

static void a_line_of_a_route_that_looks_like_else_is_remarked(void **state)
{
    (void)state;
    expect_remark(FLOW "    steps: [ { route: [ { when: 'body.a = 1', to: erp },\n        { to: crm } ] } ]\n" TWO,
                  ":9:9:");
    expect_remark(FLOW "    steps: [ { route: [ { when: 'body.a = 1', to: erp }, { to: crm } ] } ]\n" TWO,
                  "holds for every event: it is no 'else'");
    expect_remark(FLOW "    steps: [ { route: [ { to: crm }, { when: 'body.a = 1', to: erp } ] } ]\n" TWO, NULL);
    expect_remark(
        FLOW "    steps: [ { route: [ { when: 'body.a = 1', to: erp }, { when: 'body.a != 1', to: crm } ] } ]\n" TWO,
        NULL);
    expect_remark(FLOW "    steps: [ { route: [ { to: crm } ] } ]\n" TWO, NULL);
}

static void a_reserve_that_the_log_alone_may_take_is_remarked(void **state)
{
    static const struct flow_load_options o = {.config = {.check_files = true}, .secret = a_secret};
    static const char *const flows[] = {"store: { reserve: 1MB }\n" FLOW "    to: { connection: erp, post: /x }\n",
                                        "store: { reserve: 100MB }\n" FLOW "    to: { connection: erp, post: /x }\n"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(flows); i++) {
        struct loaded l = load_as(flows[i], &o);
        TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

        tl_buf_init(&b, 1 << 20);
        config_errors_text(l.errors, false, &b);
        assert_int_equal(l.rc, TL_OK);
        assert_int_equal(b.p && strstr(b.p, ":5:19: warning: the reserve on the ledger's volume is 1 MB"), i == 0);
        unload(&l);
    }
}

static void a_rate_is_a_number_and_a_unit(void **state)
{
    (void)state;
    expect_error("  bad: { type: http, url: 'https://x.example.com', limits: { rate: fast } }\n" FLOW
                 "    to: { connection: erp, post: /x }\n",
                 "is not readable");
}

static void two_budgets_of_a_connection_cannot_share_a_name(void **state)
{
    (void)state;
    expect_error("  bad: { type: http, url: 'https://x.example.com', limits: { quotas: [ { amount: 20, per: 1h }, "
                 "{ amount: 10, per: 24s } ] } }\n" FLOW "    to: { connection: erp, post: /x }\n",
                 "two budgets with the name 'quota'");
    expect_error(
        "  bad: { type: http, url: 'https://x.example.com', limits: { rate: 5/s, quotas: { name: rate, amount: "
        "20 } } }\n" FLOW "    to: { connection: erp, post: /x }\n",
        "two budgets with the name 'rate'");
}

static void a_filtered_event_is_skipped_and_others_are_mapped(void **state)
{
    const char *flow = FLOW "    steps:\n      - when: 'body.paid'\n      - map: { jsonata: '{\"n\": id}' }\n"
                            "    to: { connection: erp, post: /x }\n";

    (void)state;
    expect_try(flow, "{\"body\":{\"id\":1,\"paid\":false}}", "{\"skipped\":\"filtered\"}");
    expect_try(flow, "{\"body\":{\"id\":1,\"paid\":true}}",
               "{\"deliveries\":[{\"target\":\"erp\",\"item\":0,\"body\":{\"n\":1}}]}");
}

static void a_split_makes_an_item_of_each_and_a_route_chooses_targets(void **state)
{
    const char *flow = FLOW
        "    steps:\n      - split: body.lines\n      - route: [ { when: 'body.qty > 1', to: crm }, { to: erp } ]\n"
        "    to: [ { connection: erp, post: /x }, { connection: crm, post: /y, map: { jsonata: 'qty' } } ]\n";

    (void)state;
    expect_try(flow, "{\"body\":{\"lines\":[{\"qty\":1},{\"qty\":2}]}}",
               "{\"deliveries\":[{\"target\":\"erp\",\"item\":0,\"body\":{\"qty\":1}},"
               "{\"target\":\"erp\",\"item\":1,\"body\":{\"qty\":2}},{\"target\":\"crm\",\"item\":1,\"body\":2}]}");
    expect_try(flow, "{\"body\":{\"lines\":[]}}", "{\"skipped\":\"filtered\"}");
    expect_try(flow, "{\"body\":{\"rows\":[]}}",
               "\"step 1 (split): the split finds nothing in this event; where no item is right, let it give an empty "
               "array: [...]\"");
}

static void a_mapping_that_fails_says_which_step(void **state)
{
    (void)state;
    expect_try(FLOW "    steps: [ { map: { jsonata: 'a + \"x\"' } } ]\n    to: { connection: erp, post: /x }\n",
               "{\"body\":{\"a\":1}}", "\"step 1 (map): T2002: The right side of \\\"+\\\" has to be a number\"");
}

static void money_and_ids_keep_their_spelling(void **state)
{
    (void)state;
    expect_try(
        FLOW
        "    steps: [ { map: { jsonata: '{\"t\": total, \"i\": id}' } } ]\n    to: { connection: erp, post: /x }\n",
        "{\"body\":{\"total\":19.90,\"id\":9007199254740993}}",
        "{\"deliveries\":[{\"target\":\"erp\",\"item\":0,\"body\":{\"t\":19.90,\"i\":9007199254740993}}]}");
}

static void a_trial_run_asks_nobody_and_takes_what_it_is_given(void **state)
{
    const char *flow = FLOW "    steps:\n      - lookup: { connection: crm, get: '/c/{body.id}', as: customer }\n"
                            "      - map: { jsonata: '{\"n\": $customer.name}' }\n"
                            "    to: { connection: erp, post: /x }\n";

    (void)state;
    expect_try(flow, "{\"body\":{\"id\":1},\"customer\":{\"name\":\"Zoe\"}}",
               "{\"deliveries\":[{\"target\":\"erp\",\"item\":0,\"body\":{\"n\":\"Zoe\"}}]}");
    expect_try(flow, "{\"body\":{\"id\":1}}",
               "\"step 1 (lookup): nobody is asked in a trial run: give it the value of $customer\"");
}

static void what_a_connector_finds_is_said_beside_other_faults(void **state)
{
    (void)state;
    /* of a connection */
    expect_all(
        "  org: { type: salesforce, url: 'https://x.lightning.force.com', version: '12', timeout: soon }\n" FLOW
        "    to: { connection: erp, post: /x }\n",
        3, (const char *const[]){"serves pages, not the API", "`12` is not an API version", "timeout must be", NULL});
    /* of a target: a field of its own, one of the flow's, one that is not known */
    expect_all(FLOW "    to: { connection: erp, post: orders, idempotency_header: 'a b', timeout: soon, body: 'a b', "
                    "name: [ 1 ], bdy: 1 }\n",
               6,
               (const char *const[]){"the path `orders` does not begin with /", "idempotency_header `a b`",
                                     "to.timeout must be", "cannot be read", "name must be", "`bdy` is not known",
                                     NULL});
    /* of a target on a connection that is at fault itself */
    expect_all("  bad: { type: http, url: 'https://x.example.com', timeout: soon }\n" FLOW
               "    to: { connection: bad, post: orders }\n",
               2, (const char *const[]){"timeout must be", "does not begin with /", NULL});
    /* of a source and of a step */
    expect_all("flows:\n  orders:\n    from: { read: { connection: crm, poll: things, pages: none, items: 'a b' } }\n"
               "    steps: [ { lookup: { connection: crm, get: thing, timeout: soon, as: c } } ]\n"
               "    to: { connection: erp, post: /x }\n",
               6,
               (const char *const[]){"from lacks `cursor`", "the path `things`", "the path `thing`", "pages must be",
                                     "timeout must be", "cannot be read", NULL});
}

static void a_quota_that_leaves_nothing_is_refused(void **state)
{
    (void)state;
    expect_all("  all: { type: http, url: 'https://x.example.com', limits: { quotas: [ { amount: 5, per: 1h, keep: "
               "100% } ] } }\n"
               "  few: { type: http, url: 'https://y.example.com', limits: { quotas: [ { amount: 4, per: 1h, keep: 80% "
               "} ] } }\n"
               "  one: { type: http, url: 'https://z.example.com', limits: { quotas: [ { amount: 5, per: 1h, keep: 80% "
               "} ] } }\n" FLOW "    to: { connection: erp, post: /x }\n",
               2, (const char *const[]){"leaves less than one call of the quota", NULL});
}

static void what_follows_from_a_fault_is_not_said(void **state)
{
    (void)state;
    expect_all("  chat: { type: slack, tokn: '${env:X}' }\n" FLOW "    to: { connection: erp, post: /x }\n", 1,
               (const char *const[]){"`tokn` is not known", NULL});
    expect_all(
        "  mail: { type: smtp, url: 'smtp://mail.example.com:587', from: [ a ], user: u, passwort: '${env:X}' }\n" FLOW
        "    to: { connection: erp, post: /x }\n",
        2, (const char *const[]){"`passwort` is not known", "from must be", NULL});
    expect_all(FLOW "    to: { connection: erp, delete: /x, batch: { verdicts: response.items }, body: [ 1 ] }\n", 1,
               (const char *const[]){"to.body must be", NULL});
    expect_all(FLOW "    to: { connection: erp, post: [ 1 ], batch: { verdicts: [ 1 ] } }\n", 2,
               (const char *const[]){"to.post must be", "to.batch.verdicts must be", NULL});
}

static void the_tables_of_the_configuration_are_sound(void **state)
{
    struct config_errors *e = config_errors_new();
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    (void)state;
    tl_buf_init(&b, 1 << 20);
    config_lint_spec(&flow_project_spec, e);
    config_lint_reload(&flow_project_spec, e);
    config_lint_spec(&flow_target_spec, e);
    config_lint_spec(&flow_lookup_spec, e);
    config_lint_spec(&flow_call_spec, e);
    config_lint_spec(&flow_match_spec, e);
    config_errors_text(e, false, &b);
    if (config_errors_count(e))
        fail_msg("%s", b.p);
    config_errors_free(e);
}

static int make_crypto(void **state)
{
    struct tl_err err;

    (void)state;
    return crypto_new(&crypto, &err) == TL_OK ? 0 : -1;
}

static int free_crypto(void **state)
{
    (void)state;
    crypto_free(crypto);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_do_not_exist_are_errors_with_a_suggestion),
        cmocka_unit_test(an_expression_that_does_not_compile_is_named_with_its_place),
        cmocka_unit_test(a_function_that_nobody_made_is_found_when_the_plan_is_loaded),
        cmocka_unit_test(a_webhook_that_anybody_could_post_to_is_refused),
        cmocka_unit_test(two_flows_cannot_share_a_path_nor_two_targets_a_name),
        cmocka_unit_test(a_path_that_no_request_can_have_or_that_is_taken_is_refused),
        cmocka_unit_test(a_verify_that_cannot_be_is_found_without_its_secrets),
        cmocka_unit_test(a_remark_on_a_secret_does_not_show_it),
        cmocka_unit_test(a_key_beside_off_is_remarked),
        cmocka_unit_test(a_line_of_a_route_that_looks_like_else_is_remarked),
        cmocka_unit_test(a_reserve_that_the_log_alone_may_take_is_remarked),
        cmocka_unit_test(a_rate_is_a_number_and_a_unit),
        cmocka_unit_test(two_budgets_of_a_connection_cannot_share_a_name),
        cmocka_unit_test(a_filtered_event_is_skipped_and_others_are_mapped),
        cmocka_unit_test(a_split_makes_an_item_of_each_and_a_route_chooses_targets),
        cmocka_unit_test(a_mapping_that_fails_says_which_step),
        cmocka_unit_test(money_and_ids_keep_their_spelling),
        cmocka_unit_test(a_trial_run_asks_nobody_and_takes_what_it_is_given),
        cmocka_unit_test(what_a_connector_finds_is_said_beside_other_faults),
        cmocka_unit_test(a_quota_that_leaves_nothing_is_refused),
        cmocka_unit_test(what_follows_from_a_fault_is_not_said),
        cmocka_unit_test(the_tables_of_the_configuration_are_sound),
    };

    return cmocka_run_group_tests(tests, make_crypto, free_crypto);
}
