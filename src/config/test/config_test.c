/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "example.h"

static const char whole[] =
    "version: 1\n"
    "server: { listen: 127.0.0.1:8080, body_max: 1MB }\n"
    "store:  { path: ./data }\n"
    "connections:\n"
    "  erp:\n"
    "    type: netsuite\n"
    "    account: \"1234567_SB1\"\n"
    "    auth: { oauth2_client_credentials: { client_id: \"${vault:kv/erp#id}\", certificate: erp.pem, kid: ab12 } }\n"
    "    limits: { concurrency: 10 }\n"
    "  api:\n"
    "    type: http\n"
    "    url: \"https://${env:HOST}/v1\"\n"
    "    headers: { X-Team: 42, X-Template: \"$${name}\" }\n"
    "    auth: { bearer: \"${env:TOKEN}\" }\n"
    "models: { sales-order: models/sales-order.schema.json }\n"
    "flows:\n"
    "  orders-to-erp:\n"
    "    from: { webhook: { path: /hooks/shop, verify: { shopify: { secret: \"${env:SHOP_SECRET}\" } } } }\n"
    "    order_by: \"body.customer.id\"\n"
    "    steps:\n"
    "      - when: \"body.financial_status = 'paid'\"\n"
    "      - map: shop-order-to-sales-order\n"
    "    to: { connection: erp, upsert: salesOrder, external_id: orderNumber }\n"
    "    retry: { attempts: 5, backoff: 2s..5m, jitter: none }\n"
    "    sla: { owner: erp-team, success: 99.7%, delay_p95: 5m }\n"
    "    notes: { any: [1, two] }\n"
    "  nightly:\n"
    "    from: { schedule: \"0 2 * * *\" }\n"
    "    to: [ { connection: erp, mirror: copy.example.com }, { connection: api, mirror: \"[::1]:99\" } ]\n"
    "    from_typo_is_not_here: no\n";

struct world {
    struct tl_arena *arena;
    struct config_errors *e;
    struct config_node *tree;
    const struct example *conf;
    struct tl_buf text;
};

static const char *fake_env(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "HOST") == 0 ? "api.example.com" : strcmp(name, "N") == 0 ? "7" : NULL;
}

static const struct config_options opts = {.env = fake_env};

static int setup(void **state)
{
    struct world *w = tl_zalloc(sizeof *w);

    w->arena = tl_arena_new(8 << 20);
    w->e = config_errors_new();
    tl_buf_init(&w->text, 1 << 20);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    tl_buf_done(&w->text);
    config_errors_free(w->e);
    tl_arena_free(w->arena);
    tl_free(w);
    return 0;
}

static enum tl_rc read_text(struct world *w, struct tl_sv text, const struct config_options *opt)
{
    void *conf;
    enum tl_rc rc = config_parse_yaml(w->arena, "dir/tieline.yaml", text, w->e, &w->tree);

    if (rc == TL_OK)
        rc = config_parse(w->arena, &example_spec, w->tree, opt, w->e, &conf);
    if (rc == TL_OK)
        w->conf = conf;
    return rc;
}

static const char *report(struct world *w)
{
    tl_buf_clear(&w->text);
    assert_true(config_errors_text(w->e, false, &w->text));
    return w->text.p ? w->text.p : "";
}

/* The example without its last line, which is a fault. */
static struct tl_sv good(void)
{
    return tl_sv(whole, tl_sv_find_sv(tl_sv_str(whole), TL_SV("    from_typo")));
}

static void a_whole_configuration_becomes_structs(void **state)
{
    struct world *w = *state;
    const struct example_connection *erp, *api;
    const struct example_client_credentials *cc;
    const struct example_netsuite *ns;
    const struct example_http *http;
    const struct example_flow *f;
    const struct config_list *tokens;

    if (read_text(w, good(), &opts) != TL_OK)
        fail_msg("%s", report(w));
    assert_int_equal(w->conf->version, 1);
    assert_string_equal(w->conf->server.listen.text, "127.0.0.1:8080");
    assert_true(w->conf->server.listen.loopback);
    assert_int_equal(w->conf->server.idle_ms, 60000);
    assert_int_equal(w->conf->server.body_max, 1 << 20);
    assert_int_equal(w->conf->server.trusted.n, 2);
    assert_string_equal(w->conf->store.path, "dir/data");
    assert_null(w->conf->store.postgres);
    erp = config_map_get(&w->conf->connections, "erp");
    assert_string_equal(erp->type.name, "netsuite");
    assert_int_equal(erp->limits.concurrency, 10);
    ns = erp->type.conf;
    assert_string_equal(ns->account, "1234567_SB1");
    cc = ns->auth.conf;
    assert_int_equal(cc->client_id.kind, CONFIG_SECRET_VAULT);
    assert_string_equal(cc->client_id.name, "kv/erp");
    assert_string_equal(cc->client_id.key, "id");
    assert_int_equal(cc->client_id.at.line, 8);
    assert_string_equal(cc->certificate, "dir/erp.pem");
    api = config_map_get(&w->conf->connections, "api");
    assert_int_equal(api->limits.concurrency, 8);
    http = api->type.conf;
    assert_string_equal(http->url, "https://api.example.com/v1");
    assert_string_equal(*(const char **)config_map_get(&http->headers, "X-Team"), "42");
    assert_string_equal(*(const char **)config_map_get(&http->headers, "X-Template"), "${name}");
    tokens = http->auth.conf;
    assert_int_equal(tokens->n, 1);
    assert_string_equal(CONFIG_AT(*tokens, struct config_secret, 0)->name, "TOKEN");
    f = config_map_get(&w->conf->flows, "orders-to-erp");
    assert_string_equal(f->order_by.text, "body.customer.id");
    assert_int_equal(f->order_by.at.line, 19);
    assert_int_equal(f->steps.n, 2);
    assert_string_equal(CONFIG_AT(f->steps, struct config_choice, 0)->name, "when");
    assert_string_equal(((const struct config_text *)CONFIG_AT(f->steps, struct config_choice, 1)->conf)->text,
                        "shop-order-to-sales-order");
    assert_int_equal(f->retry.backoff.from, 2000);
    assert_int_equal(f->retry.backoff.to, 300000);
    assert_int_equal(f->retry.jitter, EXAMPLE_JITTER_NONE);
    assert_true(f->sla->success > 0.9969 && f->sla->success < 0.9971);
    assert_int_equal(config_get(f->notes, "any")->n, 2);
    f = config_map_get(&w->conf->flows, "nightly");
    assert_null(f->sla);
    assert_int_equal(f->retry.attempts, 8);
    assert_int_equal(f->retry.jitter, EXAMPLE_JITTER_FULL);
    assert_int_equal(f->to.n, 2);
    assert_int_equal(CONFIG_AT(f->to, struct example_target, 0)->mirror.port, 443);
    assert_string_equal(CONFIG_AT(f->to, struct example_target, 1)->mirror.host, "::1");
    assert_string_equal(config_zone_name(((const struct example_schedule *)f->from.conf)->zone), "UTC");
}

static void the_tables_of_the_example_have_no_fault(void **state)
{
    struct world *w = *state;

    config_lint_spec(&example_spec, w->e);
    if (config_errors_count(w->e))
        fail_msg("%s", report(w));
}

static void an_unknown_key_is_shown_with_its_place_and_the_nearest_known_one(void **state)
{
    struct world *w = *state;

    assert_int_equal(read_text(w, TL_SV("version: 1\nserver:\n  listne: 127.0.0.1:1\n"), &opts), TL_CONFIG);
    assert_string_equal(report(w), "dir/tieline.yaml:3:3: error: `listne` is not known in server\n"
                                   "      listne: 127.0.0.1:1\n"
                                   "      ^\n"
                                   "    Did you mean `listen`?\n");
}

/* One fault a row: text and a part of the report. */
static const struct {
    const char *text, *expect;
} faults[] = {
    {"", "the configuration lacks `version`"},
    {"[1]", "the configuration must be a map of keys, not a list"},
    {"version: 2", "version must be at most 1"},
    {"version: \"1\"", "Write the number without quotes."},
    {"version: one", "version must be a whole number, not \"one\""},
    {"version: 1.5", "version must be a whole number"},
    {"version:", "version has no value"},
    {"version: 99999999999999999999", "must be a whole number"},
    {"version: 1\nserver:\n", "server must be a map of keys, not nothing"},
    {"version: 1\nserver: { idle: 60 }", "Add a unit: ms, s, m, h or d."},
    {"version: 1\nserver: { idle: 1ms }", "server.idle must be at least 1s"},
    {"version: 1\nserver: { idle: 2h }", "server.idle must be at most 1h"},
    {"version: 1\nserver: { body_max: 2GB }", "server.body_max must be at most 1.0 GB"},
    {"version: 1\nserver: { listen: \":80\" }", "Say which address"},
    {"version: 1\nserver: { listen: example.com:80 }", "not a name"},
    {"version: 1\nserver: { listen: 127.0.0.1 }", "must be an address and port"},
    {"version: 1\nserver: { listen: 127.0.0.1:65536 }", "must be an address and port"},
    {"version: 1\nserver: { trusted: 10.0.0.1/8 }", "bits after the prefix must be zero"},
    {"version: 1\nserver: { trusted: [ 10.0.0.0/33 ] }", "server.trusted[0] must be an address or range"},
    {"version: 1\nstore: { postgres: \"postgres://u:pw@h/db\" }", "has a user name or password in the URL"},
    {"version: 1\nstore: { postgres: \"http://h/db\" }", "The scheme before :// is not one that is known here."},
    {"version: 1\nconnections: { Erp: { type: http, url: \"http://h\" } }", "`Erp` is not a name"},
    {"version: 1\nconnections: { a: { url: \"http://h\" } }", "connections.a lacks `type`"},
    {"version: 1\nconnections: { a: { type: netsuit } }", "Did you mean `netsuite`?"},
    {"version: 1\nconnections: { a: { type: http, url: \"http://h\", limit: {} } }", "Did you mean `limits`?"},
    {"version: 1\nconnections: { a: { type: http, url: \"http://h\", account: 1 } }", "`account` is not known"},
    {"version: 1\nconnections: { a: { type: http, url: \"http://h y\" } }", "must be percent-encoded"},
    {"version: 1\nconnections: { a: { type: http, url: \"ftp://h\" } }", "begins with https:// or http://"},
    {"version: 1\nconnections: { a: { type: http, url: \"http://\" } }", "The host or port after :// is not right."},
    {"version: 1\nconnections: { a: { type: http, url: \"${env:NOPE}\" } }",
     "the environment variable NOPE, which is not set"},
    {"version: 1\nconnections: { a: { type: http, url: \"${vault:a#b}\" } }", "is not a secret"},
    {"version: 1\nconnections: { a: { type: http, url: \"http://${HOST}\" } }",
     "Write $${ where a literal ${ is meant."},
    {"version: 1\nconnections: { a: { type: http, url: \"http://${env:HOST\" } }", "has ${ without }"},
    {"version: 1\nconnections: { a: { type: http, url: \"http://h\", auth: { bearer: hunter2 } } }",
     "is a secret and must not stand in the file itself"},
    {"version: 1\nconnections: { a: { type: http, url: \"http://h\", auth: { bearer: \"x ${env:A}\" } } }",
     "a secret is one reference and nothing else"},
    {"version: 1\nconnections: { a: { type: http, url: \"http://h\", auth: { bearer: \"${vault:kv}\" } } }",
     "a Vault reference is ${vault:mount/path#key}"},
    {"version: 1\nconnections: { a: { type: http, url: \"http://h\", auth: { bearer: \"${systemd:../x}\" } } }",
     "has a slash"},
    {"version: 1\nconnections: { a: { type: http, url: \"http://h\", auth: {} } }",
     "must have exactly one key, and has none"},
    {"version: 1\nconnections: { a: { type: http, url: \"http://h\", auth: { bearer: a, b: c } } }", "and has more"},
    {"version: 1\nconnections: { a: { type: http, url: \"http://h\", auth: { baerer: a } } }",
     "Did you mean `bearer`?"},
    {"version: 1\nflows: { f: { from: { schedule: \"61 * * * *\" }, to: { connection: a } } }",
     "flows.f.from.schedule.cron is not right: the minute has \"61\"; it must be from 0 to 59"},
    {"version: 1\nflows: { f: { from: { schedule: { cron: \"@daily\", zone: Mars/Base } }, to: { connection: a } } }",
     "the time zone \"Mars/Base\" is not known here"},
    {"version: 1\nflows: { f: { from: { webhook: { path: /x, verify: nnoe } }, to: { connection: a } } }",
     "`nnoe` is not known in flows.f.from.webhook.verify"},
    {"version: 1\nflows: { f: { from: { webhook: { path: /x, verify: shopify } }, to: { connection: a } } }",
     "flows.f.from.webhook.verify.shopify lacks `secret`"},
    {"version: 1\nflows: { f: { from: { schedule: \"@daily\" }, to: [] } }",
     "flows.f.to must have at least 1, and has 0"},
    {"version: 1\nflows: { f: { from: { schedule: \"@daily\" }, to: { connection: a }, retry: { jitter: ful } } }",
     "Did you mean `full`?"},
    {"version: 1\nflows: { f: { from: { schedule: \"@daily\" }, to: { connection: a }, retry: { backoff: 10m..1s } } }",
     "must begin with the smaller"},
    {"version: 1\nflows: { f: { from: { schedule: \"@daily\" }, to: { connection: a, upsert: b } } }",
     "an upsert needs the field that is the key"},
    {"version: 1\nflows: { f: { from: { schedule: \"@daily\" }, to: { connection: a }, paused: \"true\" } }",
     "Write it without quotes."},
    {"version: 1\nflows: { f: { from: { schedule: \"@daily\" }, to: { connection: a }, paused: yes } }",
     "must be true or false, not \"yes\""},
    {"version: 1\nflows: { f: { from: { schedule: \"@daily\" }, to: { connection: a }, sla: { owner: x, success: 99.7 "
     "} } }",
     "must be a percentage"},
    {"version: 1\nflows: { f: { from: { schedule: \"@daily\" }, to: { connection: a }, order_by: \" \" } }",
     "order_by must not be empty"},
};

static void every_kind_of_fault_is_explained_in_one_sentence(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(faults); i++) {
        config_errors_free(w->e);
        w->e = config_errors_new();
        assert_int_equal(read_text(w, tl_sv_str(faults[i].text), &opts), TL_CONFIG);
        if (!strstr(report(w), faults[i].expect) || config_errors_count(w->e) != 1)
            fail_msg("row %zu: wanted \"%s\", got %zu errors:\n%s", i, faults[i].expect, config_errors_count(w->e),
                     report(w));
    }
}

static void all_faults_are_found_in_one_reading(void **state)
{
    struct world *w = *state;
    struct tl_err err = {0};

    assert_int_equal(
        read_text(w,
                  TL_SV("version: 3\nserver: { idle: x, bodymax: 1 }\nflows:\n  a: { to: { connection: b } }\n"
                        "  b: { from: { schedule: \"* * *\" } }\n"),
                  &opts),
        TL_CONFIG);
    assert_int_equal(config_errors_count(w->e), 6);
    assert_int_equal(config_errors_first(w->e, &err), TL_CONFIG);
    assert_int_equal(err.line, 1);
    assert_non_null(strstr(err.text, "and 5 more"));
}

static void only_fifty_errors_are_kept_and_the_rest_counted(void **state)
{
    struct world *w = *state;
    struct tl_buf b;

    tl_buf_init(&b, 100000);
    tl_buf_puts(&b, "version: 1\nserver:\n");
    for (int i = 0; i < 120; i++)
        tl_buf_printf(&b, "  key%d: 1\n", i);
    assert_int_equal(read_text(w, tl_buf_view(&b), &opts), TL_CONFIG);
    tl_buf_done(&b);
    assert_int_equal(config_errors_count(w->e), 120);
    assert_non_null(strstr(report(w), "and 70 more errors\n"));
    assert_int_equal(config_errors_json(w->e, w->arena).n, 50);
}

static void a_literal_secret_is_taken_only_when_allowed_and_never_printed(void **state)
{
    struct world *w = *state;
    struct config_options lax = {.allow_literal_secrets = true};
    struct tl_sv text =
        TL_SV("version: 1\nconnections: { a: { type: http, url: \"http://h\", auth: { bearer: hunter2 } } }\n");
    const struct config_list *tokens;
    const struct example_connection *a;

    assert_int_equal(read_text(w, text, &lax), TL_OK);
    a = config_map_get(&w->conf->connections, "a");
    tokens = ((const struct example_http *)a->type.conf)->auth.conf;
    assert_int_equal(CONFIG_AT(*tokens, struct config_secret, 0)->kind, CONFIG_SECRET_LITERAL);
    assert_string_equal(CONFIG_AT(*tokens, struct config_secret, 0)->name, "hunter2");
    assert_true(config_secret_show(CONFIG_AT(*tokens, struct config_secret, 0), &w->text));
    assert_string_equal(w->text.p, "(literal)");
    tl_buf_clear(&w->text);
    assert_true(config_print_effective(&example_spec, w->tree, &w->text));
    assert_null(strstr(w->text.p, "hunter2"));
    assert_int_equal(read_text(w, text, &opts), TL_CONFIG);
    tl_buf_clear(&w->text);
    assert_true(json_write(&w->text, config_errors_json(w->e, w->arena), 0));
    assert_null(strstr(w->text.p, "hunter2"));
}

static void a_line_with_a_literal_secret_is_not_shown_whatever_is_wrong_in_it(void **state)
{
    struct world *w = *state;
    struct config_options lax = {.allow_literal_secrets = true};

    assert_int_equal(
        read_text(w,
                  TL_SV("version: 1\nconnections:\n"
                        "  a: { type: http, url: \"http://h\", auth: { bearer: [ hunter1 ] }, typo: 1 }\n"
                        "  b: { type: http, url: \"http://h\", auth: { bearer: \"${env:B}\" }, typo: 1 }\n"),
                  &lax),
        TL_CONFIG);
    config_warn(w->e, (struct config_place){"dir/tieline.yaml", 3, 7}, NULL, "it is weak");
    assert_non_null(strstr(report(w), "it is weak"));
    assert_null(strstr(report(w), "hunter"));
    assert_null(strstr(report(w), "a: { type: http"));
    assert_non_null(strstr(report(w), "b: { type: http")); /* a reference may be seen */
}

static void a_report_never_shows_what_may_be_a_secret(void **state)
{
    struct world *w = *state;

    assert_int_equal(
        read_text(
            w,
            TL_SV(
                "version: 1\nstore: { pth: x, password: hunter1, client_secret: 'hunter2', a: 1 }\nconnections:\n"
                "  a: { type: http, url: \"http://h\", auth: { bearer: hunter3 }, typo: 1 }\n"
                "  b: { type: http, url: \"http://h\", auth: hunter4 }\n"
                "  c: { type: http, url: \"http://h\", api-token: [ \"${env:T}\", hunter5 ], auth: { bearer: \"\" } }\n"
                "  d: { type: http, url: \"http://u:hunter6@h\" }\n"),
            &opts),
        TL_CONFIG);
    for (char digit = '1'; digit <= '6'; digit++) {
        const char word[] = {'h', 'u', 'n', 't', 'e', 'r', digit, '\0'};

        if (strstr(report(w), word))
            fail_msg("%s is shown in\n%s", word, report(w));
    }
    assert_non_null(strstr(report(w), "store: { pth: x, password: *******, client_secret: '*******', a: 1 }\n"));
}

/* A line with an unknown key at its end, as it is shown. */
static const struct {
    const char *line, *shown;
} excerpts[] = {
    {"allow_private: yes, zzz: 1", NULL},
    {"token_url: 'https://login.example.com/token', zzz: 1", NULL},
    {"oauth2_client_credentials: { client_id: abc, kid: ab12 }, zzz: 1", NULL},
    {"secrets: { vault: { address: 'https://v.example.com' } }, zzz: 1", NULL},
    {"map: \"{'token': body.token, 'n': 1}\", zzz: 1", NULL},
    {"map: \"{'token': 'hunter2', 'n': 1}\", zzz: 1", "map: \"{'token': '*******', 'n': 1}\", zzz: 1"},
    {"when: \"headers.'x-token' = 'abc'\", zzz: 1", NULL},
    {"idempotency: { key: body.id }, zzz: 1", NULL},
    {"tokens: [{ name: ops, secret: hunter2 }], zzz: 1", "tokens: [{ name: ops, secret: ******* }], zzz: 1"},
    {"api-key: \"${env:KEY}\", zzz: 1", NULL},
    {"apiKey: hunter2, zzz: 1", "apiKey: *******, zzz: 1"},
    {"X-API-Key: 'hunter 2', zzz: 1", "X-API-Key: '****** *', zzz: 1"},
    {"headers: { Authorization: Bearer hunter2 }, zzz: 1", "headers: { Authorization: ****** ******* }, zzz: 1"},
    {"headers: { 'Authorization': Bearer hunter2 }, zzz: 1", "headers: { 'Authorization': Bearer ******* }, zzz: 1"},
    {"headers: { X: \"basic aHVudGVyMg==\" }, zzz: 1", "headers: { X: \"basic ************\" }, zzz: 1"},
    {"doc: 'the bearer', zzz: 1", NULL},
    {"scheme: \"Bearer ${env:TOKEN}\", zzz: 1", NULL},
    {"client_secret: [hunter2, \"${env:B}\", hunter3], zzz: 1",
     "client_secret: [*******, \"${env:B}\", *******], zzz: 1"},
    {"password: 'h\xc3\xbcnter', zzz: 1", "password: '** ****', zzz: 1"},
    {"url: 'https://me:hunter2@h/x', zzz: 1", "url: 'https://**********@h/x', zzz: 1"},
};

static void an_excerpt_masks_secrets_and_no_harmless_words(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(excerpts); i++) {
        char *text = tl_sprintf("version: 1\nserver: { %s }\n", excerpts[i].line);
        char *line = tl_sprintf("    server: { %s }\n", excerpts[i].shown ? excerpts[i].shown : excerpts[i].line);

        config_errors_free(w->e);
        w->e = config_errors_new();
        assert_int_equal(read_text(w, tl_sv_str(text), &opts), TL_CONFIG);
        if (!strstr(report(w), line))
            fail_msg("wanted %s in\n%s", line, report(w));
        tl_free(text);
        tl_free(line);
    }
}

static void a_secret_under_a_misspelled_key_is_not_shown(void **state)
{
    struct world *w = *state;
    struct tl_sv text =
        TL_SV("version: 1\nflows:\n  f:\n    to: { connection: a }\n    from:\n      webhook:\n        path: /x\n"
              "        verify:\n          shopify:\n            secert: hunter2\n");

    assert_int_equal(read_text(w, text, &opts), TL_CONFIG);
    assert_non_null(strstr(report(w), "Did you mean `secret`?"));
    assert_null(strstr(report(w), "hunter2"));
}

static void what_could_be_read_is_handed_out_and_the_rest_is_marked(void **state)
{
    struct world *w = *state;
    struct tl_sv text = TL_SV("version: 1\nserver: { listen: nowhere, body_max: 2KB }\nconnections:\n"
                              "  a: { type: http, url: \"http://h\", typo: 1 }\n  b: { type: htpp }\n  c: 5\nflows:\n"
                              "  f: { from: { webhook: { path: /x, verify: shopify } }, to: { connection: a } }\n");
    const struct config_node *connections;
    const struct example_connection *a, *b;
    const struct example_flow *f;
    const struct example *conf;
    void *p;

    assert_int_equal(config_parse_yaml(w->arena, "x", text, w->e, &w->tree), TL_OK);
    assert_int_equal(config_parse_partly(w->arena, &example_spec, w->tree, &opts, w->e, &p), TL_CONFIG);
    conf = p;
    assert_int_equal(conf->version, 1);
    assert_null(conf->server.listen.text);
    assert_int_equal(conf->server.body_max, 2048);
    connections = config_get(w->tree, "connections");
    assert_true(config_is_faulty(w->e, w->tree));
    assert_true(config_is_faulty(w->e, connections));
    assert_true(config_is_faulty(w->e, config_get(connections, "a")));
    assert_false(config_is_faulty(w->e, config_get(config_get(connections, "a"), "url")));
    assert_false(config_is_faulty(w->e, NULL));
    assert_int_equal(conf->connections.n, 3);
    a = config_map_get(&conf->connections, "a");
    assert_string_equal(a->type.name, "http");
    b = config_map_get(&conf->connections, "b");
    assert_null(b->type.variant);
    f = config_map_get(&conf->flows, "f");
    assert_non_null(f->from.variant);
    assert_non_null(f->from.conf);
    assert_int_equal(config_errors_count(w->e), 5);
}

static void a_check_runs_beside_faults_of_fields_that_it_does_not_read(void **state)
{
#define TARGET(keys)                                                                                                   \
    "version: 1\nserver: { listen: 127.0.0.1:1 }\nflows:\n  f: { from: { schedule: '@daily' }, to: { " keys " } }\n"
    static const struct {
        const char *text;
        bool runs;
        size_t errors;
    } rows[] = {
        {TARGET("connection: a, upsert: o"), true, 1},
        {TARGET("connection: a, upsert: o, mirror: [1]"), true, 2},
        {TARGET("upsert: o"), true, 2}, /* it lacks `connection` */
        {TARGET("connection: a, upsert: o, external_id: [1]"), false, 1},
        {TARGET("connection: a, upsert: [1]"), false, 1},
        /* what is not there may be what was meant */
        {TARGET("connection: a, upsert: o, extrenal_id: x"), false, 1},
        {TARGET("connection: a, upsert: o, external_id: x, extrenal_id: x"), false, 1},
    };
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct config_node *tree;
        void *conf;

        config_errors_free(w->e);
        w->e = config_errors_new();
        tl_buf_clear(&w->text);
        assert_int_equal(config_parse_yaml(w->arena, "x", tl_sv_str(rows[i].text), w->e, &tree), TL_OK);
        assert_int_equal(config_parse_partly(w->arena, &example_spec, tree, &opts, w->e, &conf), TL_CONFIG);
        if (config_errors_count(w->e) != rows[i].errors ||
            (strstr(report(w), "an upsert needs the field") != NULL) != rows[i].runs)
            fail_msg("row %zu: %s", i, report(w));
    }
}

static void a_place_in_a_text_is_found_in_its_file(void **state)
{
    static const struct {
        const char *yaml, *text;
        int32_t line, column, at_line, at_column; /* at_line 0: not found */
    } rows[] = {
        {"a: \"b + c\"", "b + c", 1, 5, 1, 9},
        {"a: 'b + c'", "b + c", 1, 5, 1, 9},
        {"a: b + c", "b + c", 1, 5, 1, 8},
        {"a: \"\xc3\xa4 + c\"", "\xc3\xa4 + c", 1, 5, 1, 9},
        {"a: \"b\\u0020+ c\"", "b + c", 1, 5, 0, 0},
        {"a: |\n  b\n    + c\n", "b\n  + c\n", 2, 3, 3, 5},
        {"a: >\n  b\n  + c\n", "b + c\n", 1, 3, 0, 0},
        {"a: b", "b", 9, 1, 0, 0},
        {"a: '''b'' + c'", "'b' + c", 1, 7, 1, 13},
        {"a: \"\\\"b\\\" + c\"", "\"b\" + c", 1, 7, 1, 13},
    };
    struct world *w = *state;

    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        char *file = tl_sprintf("f%zu", i);
        struct config_text t = {.text = rows[i].text, .at = {file, 1, 4}};
        struct config_place place = {0};

        config_errors_source(w->e, file, tl_sv_str(rows[i].yaml));
        if (config_text_place(w->e, &t, rows[i].line, rows[i].column, &place) != (rows[i].at_line > 0) ||
            place.line != rows[i].at_line || place.column != rows[i].at_column)
            fail_msg("row %zu: %d:%d", i, place.line, place.column);
        tl_free(file);
    }
}

static void check_without_the_environment_only_warns(void **state)
{
    struct world *w = *state;
    struct config_options lax = {.env = fake_env, .env_may_be_missing = true};

    assert_int_equal(
        read_text(w, TL_SV("version: 1\nserver: { idle: \"${env:IDLE}\", body_max: \"${env:N}KB\" }\n"), &lax), TL_OK);
    assert_int_equal(config_warnings_count(w->e), 1);
    assert_true(config_is_faulty(w->e, config_get(w->tree, "server"))); /* as it is not known */
    assert_int_equal(w->conf->server.body_max, 7 * 1024);
    assert_non_null(strstr(report(w), "warning: the environment variable IDLE is not set here"));
}

static void a_file_that_must_exist_is_looked_for_when_asked(void **state)
{
    struct world *w = *state;
    struct config_options files = {.env = fake_env, .check_files = true};

    assert_int_equal(read_text(w, good(), &files), TL_CONFIG);
    assert_non_null(strstr(report(w), "names the file dir/erp.pem, which is not there"));
}

static void the_admin_api_reads_the_same_tables_from_json(void **state)
{
    struct world *w = *state;
    struct config_node *tree;
    struct json doc;
    struct tl_err err = {0};
    void *conf;

    assert_int_equal(json_parse(w->arena, TL_SV("{\"version\":1,\"server\":{\"idle\":\"90s\",\"trusted\":[\"::1\"]}}"),
                                0, NULL, &doc, &err),
                     TL_OK);
    assert_int_equal(config_from_json(w->arena, "api", doc, w->e, &tree), TL_OK);
    assert_int_equal(config_parse(w->arena, &example_spec, tree, &opts, w->e, &conf), TL_OK);
    assert_int_equal(((const struct example *)conf)->server.idle_ms, 90000);
    assert_int_equal(json_parse(w->arena, TL_SV("{\"version\":\"1\",\"server\":{\"idle\":90}}"), 0, NULL, &doc, &err),
                     TL_OK);
    assert_int_equal(config_from_json(w->arena, "api", doc, w->e, &tree), TL_OK);
    assert_int_equal(config_parse(w->arena, &example_spec, tree, &opts, w->e, &conf), TL_CONFIG);
    assert_int_equal(config_errors_count(w->e), 2);
}

static void an_arena_that_is_too_small_is_an_error_and_not_a_crash(void **state)
{
    struct world *w = *state;

    for (size_t limit = 256; limit < 20000; limit += 777) {
        struct tl_arena *a = tl_arena_new(limit);
        struct config_node *tree;
        void *conf;

        if (config_parse_yaml(a, "x", good(), w->e, &tree) == TL_OK)
            (void)!config_parse(a, &example_spec, tree, &opts, w->e, &conf);
        tl_arena_free(a);
    }
    assert_true(config_errors_count(w->e) > 0);
}

static void a_header_may_be_a_text_or_a_secret_and_old_keys_warn(void **state)
{
    struct conf {
        struct config_map headers;
        int64_t old;
    };
    static const struct config_field header = {.type = CONFIG_SECRET, .raw = true};
    static const struct config_field fields[] = {
        {.name = "headers", .type = CONFIG_MAP, .item = &header, .offset = offsetof(struct conf, headers), .doc = "H."},
        {.name = "old",
         .type = CONFIG_INT,
         .offset = offsetof(struct conf, old),
         .doc = "O.",
         .deprecated = "Use new."},
    };
    static const struct config_spec spec = CONFIG_SPEC("t", struct conf, fields, "T.");
    struct world *w = *state;
    const struct config_secret *s;
    struct conf *conf;
    void *p;

    assert_int_equal(
        config_parse_yaml(w->arena, "f",
                          TL_SV("headers: {A: b, K: \"${vault:kv/x#k}\", Authorization: geheim1, x-api-Key: geheim2, "
                                "X: Bearer geheim3, Cookie: \"${env:C}\"}\nold: 1\n"),
                          w->e, &w->tree),
        TL_OK);
    assert_int_equal(config_parse(w->arena, &spec, w->tree, &opts, w->e, &p), TL_OK);
    conf = p;
    s = config_map_get(&conf->headers, "A");
    assert_int_equal(s->kind, CONFIG_SECRET_LITERAL);
    assert_string_equal(s->name, "b");
    s = config_map_get(&conf->headers, "K");
    assert_int_equal(s->kind, CONFIG_SECRET_VAULT);
    assert_int_equal(conf->old, 1);
    assert_non_null(strstr(report(w), "f:2:6: warning: `old` is out of date\n    old: 1\n         ^\n    Use new.\n"));
    assert_true(config_print_effective(&spec, w->tree, &w->text));
    assert_non_null(strstr(w->text.p, "  A: b\n"));
    assert_non_null(strstr(w->text.p, "${env:C}"));
    assert_non_null(strstr(w->text.p, "Authorization: "));
    assert_null(strstr(w->text.p, "geheim")); /* whoever may look at the configuration does not see them */
}

static void address_ranges_match_both_families(void **state)
{
    struct config_cidr c[2];
    struct config_list list = {.items = c, .n = 2};
    uint8_t v4[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 1, [14] = 2, [15] = 3};
    uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, 1};

    (void)state;
    assert_true(config_cidr_parse(TL_SV("10.1.0.0/16"), &c[0]));
    assert_true(config_cidr_parse(TL_SV("2001:db8::/33"), &c[1]));
    assert_true(config_cidr_has(&list, v4));
    assert_true(config_cidr_has(&list, v6));
    v4[13] = 2;
    v6[4] = 0x80;
    assert_false(config_cidr_has(&list, v4));
    assert_false(config_cidr_has(&list, v6));
    assert_false(config_cidr_parse(TL_SV("10.1.0.0/"), &c[0]));
    assert_false(config_cidr_parse(TL_SV("10.1.0/24"), &c[0]));
    assert_true(config_cidr_parse(TL_SV("0.0.0.0/0"), &c[0]));
    assert_int_equal(c[0].bits, 96);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_whole_configuration_becomes_structs),
        T(the_tables_of_the_example_have_no_fault),
        T(an_unknown_key_is_shown_with_its_place_and_the_nearest_known_one),
        T(every_kind_of_fault_is_explained_in_one_sentence),
        T(all_faults_are_found_in_one_reading),
        T(only_fifty_errors_are_kept_and_the_rest_counted),
        T(a_literal_secret_is_taken_only_when_allowed_and_never_printed),
        T(a_line_with_a_literal_secret_is_not_shown_whatever_is_wrong_in_it),
        T(a_report_never_shows_what_may_be_a_secret),
        T(an_excerpt_masks_secrets_and_no_harmless_words),
        T(a_secret_under_a_misspelled_key_is_not_shown),
        T(what_could_be_read_is_handed_out_and_the_rest_is_marked),
        T(a_check_runs_beside_faults_of_fields_that_it_does_not_read),
        T(a_place_in_a_text_is_found_in_its_file),
        T(check_without_the_environment_only_warns),
        T(a_file_that_must_exist_is_looked_for_when_asked),
        T(the_admin_api_reads_the_same_tables_from_json),
        T(an_arena_that_is_too_small_is_an_error_and_not_a_crash),
        T(a_header_may_be_a_text_or_a_secret_and_old_keys_warn),
        T(address_ranges_match_both_families),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
