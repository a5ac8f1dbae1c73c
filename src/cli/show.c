/* SPDX-License-Identifier: Apache-2.0 */
/* show.c - one event on a page: state and reason, attempts, deliveries, request, bodies. */
#include "cli/show.h"

#include <ctype.h>

static void line(const char *label, struct json v)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    if (v.type == JSON_UNDEFINED || v.type == JSON_NULL || (v.type == JSON_STRING && v.n == 0) ||
        (v.type == JSON_INT && v.u.i == 0))
        return;
    printf("%-12s ", label);
    if (v.type == JSON_STRING) {
        cli__put_safe(stdout, json_view(v));
    } else {
        tl_buf_init(&b, 1 << 20);
        json_write(&b, v, 0);
        cli__put_safe(stdout, tl_buf_view(&b));
    }
    puts("");
}

static void show_attempts(struct json attempts)
{
    static const char *const heads[] = {">attempt", "started", ">ms", "outcome", ">status", "class", "reason"};
    struct cli_table *t;

    if (attempts.n == 0)
        return;
    t = cli__table_new(heads, TL_COUNT(heads));
    for (uint32_t i = 0; i < attempts.n; i++) {
        struct json a = json_at(attempts, i);
        struct tl_sv outcome = json_text(json_gets(a, "outcome"), TL_SV(""));

        cli__table_json(t, json_gets(a, "attempt"));
        cli__table_json(t, json_gets(a, "started_at"));
        cli__table_json(t, json_gets(a, "latency_ms"));
        cli__table_cell(t, outcome, tl_sv_eqs(outcome, "delivered") ? CLI_GOOD : CLI_WARN);
        cli__table_json(t, json_gets(a, "status"));
        cli__table_json(t, json_gets(a, "class"));
        cli__table_json(t, json_gets(a, "reason").n ? json_gets(a, "reason") : json_gets(a, "answer"));
    }
    puts("");
    cli__table_print(t);
    cli__table_free(t);
}

/* What the steps asked other systems, of all attempts. */
static void show_asked(struct json attempts)
{
    static const char *const heads[] = {">attempt", "asked", "as", "answer from", ">age ms", ">status", ">ms", "error"};
    struct cli_table *t = cli__table_new(heads, TL_COUNT(heads));
    size_t n = 0;

    for (uint32_t i = 0; i < attempts.n; i++) {
        struct json a = json_at(attempts, i), asked = json_gets(a, "asked");

        for (uint32_t k = 0; asked.type == JSON_ARRAY && k < asked.n; k++, n++) {
            struct json q = json_at(asked, k);
            char *what = tl_sprintf("%.*s %.*s", TL_SV_ARG(json_text(json_gets(q, "connection"), TL_SV(""))),
                                    TL_SV_ARG(json_text(json_gets(q, "operation"), TL_SV(""))));

            cli__table_json(t, json_gets(a, "attempt"));
            cli__table_cell(t, tl_sv_str(what), CLI_PLAIN);
            cli__table_json(t, json_gets(q, "as"));
            cli__table_json(t, json_gets(q, "from"));
            cli__table_json(t, json_gets(q, "age_ms"));
            cli__table_json(t, json_gets(q, "status"));
            cli__table_json(t, json_gets(q, "latency_ms"));
            cli__table_json(t, json_gets(q, "error"));
            tl_free(what);
        }
    }
    if (n > 0) {
        puts("");
        cli__table_print(t);
    }
    cli__table_free(t);
}

static void show_deliveries(struct json rows)
{
    static const char *const heads[] = {"delivery", ">item", "state", ">attempts", "held", "reason"};
    struct cli_table *t;

    if (rows.n == 0)
        return;
    t = cli__table_new(heads, TL_COUNT(heads));
    for (uint32_t i = 0; i < rows.n; i++) {
        struct json r = json_at(rows, i);
        struct tl_sv state = json_text(json_gets(r, "state"), TL_SV(""));

        cli__table_json(t, json_gets(r, "id"));
        cli__table_json(t, json_gets(r, "item"));
        cli__table_cell(t, state, cli__state_shade(state));
        cli__table_json(t, json_gets(r, "attempts"));
        cli__table_json(t, json_gets(r, "held"));
        cli__table_json(t, json_gets(r, "held_reason").type == JSON_STRING ? json_gets(r, "held_reason")
                                                                           : json_gets(r, "reason"));
    }
    puts("");
    cli__table_print(t);
    cli__table_free(t);
}

static void show_value(const char *label, struct json v)
{
    if (v.type == JSON_UNDEFINED)
        return;
    printf("\n%s:\n", label);
    if (v.type == JSON_STRING) { /* not JSON, or a JSON text: lines as they came, controls removed */
        struct tl_sv rest = json_view(v), one;

        while (tl_sv_cut(&rest, '\n', &one)) {
            cli__put_safe(stdout, one);
            puts("");
        }
    } else {
        cli__print_json(v, true);
    }
}

static void show(struct json d)
{
    struct json e = json_gets(d, "event");

    line("id", json_gets(e, "id"));
    if (!json_equal(json_gets(e, "id"), json_gets(e, "event")))
        line("event", json_gets(e, "event"));
    line("flow", json_gets(e, "flow"));
    line("state", json_gets(e, "state"));
    line("class", json_gets(e, "class"));
    line("reason", json_gets(e, "reason"));
    line("received", json_gets(e, "received_at"));
    line("updated", json_gets(e, "updated_at"));
    line("next at", json_gets(e, "next_at"));
    line("key", json_gets(d, "order_by"));
    if (json_gets(e, "job").type == JSON_OBJECT) {
        line("running", json_gets(json_gets(e, "job"), "name"));
        line("asked", json_gets(json_gets(e, "job"), "polled_at"));
    }
    line("held", json_gets(e, "held"));
    line("because", json_gets(e, "held_reason"));
    line("held by", json_gets(e, "held_by"));
    line("since", json_gets(e, "held_at"));
    line("waits for", json_gets(d, "ahead"));
    line("revision", json_gets(e, "revision"));
    line("replay of", json_gets(e, "replay_of"));
    line("caused by", json_gets(e, "cause"));
    line("fingerprint", json_gets(e, "fingerprint"));
    show_attempts(json_gets(d, "attempts"));
    show_asked(json_gets(d, "attempts"));
    show_deliveries(json_gets(d, "deliveries"));
    show_value("request", json_gets(d, "request"));
    show_value("body", json_gets(d, "body"));
    show_value("original body", json_gets(d, "original_body"));
    if (json_gets(d, "masked").type == JSON_BOOL && json_gets(d, "masked").u.b)
        puts("\nPersonal data is masked; `--reveal --reason TEXT` shows it, and the audit log says so.");
}

int cli__run_show(void *options, const struct cli_args *args)
{
    const struct cli_show_options *o = options;
    const struct cli_common *common = &o->common;
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct json answer = JSON_NOTHING;
    struct json_builder body;
    struct tl_err err = {0};
    enum tl_rc rc = cli__open(common, &c, &err);

    tl_buf_init(&text, 65536);
    if (rc == TL_OK && o->reveal) {
        json_object_begin(&body, cli__arena(c), 1);
        json_adds(&body, "reason", json_str(o->reason ? o->reason : ""));
        (void)json_write(&text, json_end(&body), 0);
    }
    if (rc == TL_OK)
        rc = cli__call(c, o->reveal ? "POST" : "GET",
                       cli__target(c, "/v1/events/", args->v[0], o->reveal ? "/reveal" : ""), tl_buf_view(&text),
                       &answer, &err);
    if (rc != TL_OK)
        return cli__fail(&err, common->json);
    if (common->json)
        cli__print_raw(cli__raw(c));
    else
        show(answer);
    return CLI_OK;
}
