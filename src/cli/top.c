/* SPDX-License-Identifier: Apache-2.0 */
/* top.c - `tieline top`: flows and connections at a glance, again each second, over the control socket. */
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli_int.h"

struct top_options {
    struct cli_common common;
    uint64_t every;
    bool once;
};
static const struct cli_option top_options[] = {
    {"every", 'n', CLI_COUNT, "SECONDS", offsetof(struct top_options, every), "how often (1)"},
    {"once", 0, CLI_FLAG, NULL, offsetof(struct top_options, once), "print once and end"},
    CLI_COMMON_OPTIONS(struct top_options),
};

static void put_counts(struct cli_table *t, struct json row, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cli__table_json(t, json_gets(json_gets(row, "counts"), names[i]));
}

static enum cli_shade shade_of(struct json row)
{
    int64_t dead = 0;

    (void)json_int64(json_gets(json_gets(row, "counts"), "dead"), &dead);
    return json_gets(row, "held").type == JSON_STRING ? CLI_BAD : dead > 0 ? CLI_WARN : CLI_PLAIN;
}

static void flows(struct json all, struct tl_buf *out, bool color)
{
    static const char *const heads[] = {"flow",    ">in/s",     ">out/s", ">failed 5m", ">p95 ms",
                                        ">queued", ">retrying", ">dead",  ">oldest ms", "held"};
    static const char *const counts[] = {"queued", "retrying", "dead"};
    struct cli_table *t = cli__table_new(heads, TL_COUNT(heads));

    for (uint32_t i = 0; i < all.n; i++) {
        struct json f = json_at(all, i);

        if (json_gets(f, "removed").u.b)
            continue;
        cli__table_cell(t, json_text(json_gets(f, "name"), TL_SV("")), shade_of(f));
        cli__table_json(t, json_gets(f, "in_per_s"));
        cli__table_json(t, json_gets(f, "out_per_s"));
        cli__table_json(t, json_gets(f, "failed_5m"));
        cli__table_json(t, json_gets(f, "p95_ms"));
        put_counts(t, f, counts, TL_COUNT(counts));
        cli__table_json(t, json_gets(f, "oldest_ms"));
        cli__table_json(t, json_gets(f, "held"));
    }
    cli__table_write(t, out, color, cli__terminal_width());
    cli__table_free(t);
}

static void connections(struct json all, struct tl_buf *out, bool color)
{
    static const char *const heads[] = {"connection", "breaker", ">running", ">waiting", ">calls/s",
                                        ">failed 5m", ">p95 ms", "held",     "waits for"};
    static const char *const names[] = {"running", "waiting", "calls_per_s", "failed_5m",
                                        "p95_ms",  "held",    "drain_reason"};
    struct cli_table *t = cli__table_new(heads, TL_COUNT(heads));

    for (uint32_t i = 0; i < all.n; i++) {
        struct json c = json_at(all, i);
        bool held = json_gets(c, "held").type == JSON_STRING;
        struct tl_sv breaker = json_text(json_gets(c, "breaker"), TL_SV(""));

        if (json_gets(c, "removed").u.b)
            continue;
        cli__table_cell(t, json_text(json_gets(c, "name"), TL_SV("")), held ? CLI_BAD : CLI_PLAIN);
        cli__table_cell(t, breaker, tl_sv_eqs(breaker, "closed") ? CLI_GOOD : CLI_BAD);
        for (size_t k = 0; k < TL_COUNT(names); k++)
            cli__table_json(t, json_gets(c, names[k]));
    }
    cli__table_write(t, out, color, cli__terminal_width());
    cli__table_free(t);
}

static void show(struct json status, bool again)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf out = {0};
    struct json ledger = json_gets(status, "ledger");
    bool color = cli__color(stdout);
    int64_t live = 0, flight = 0;
    char now[TL_TIME_TEXT];

    (void)json_int64(json_gets(ledger, "live"), &live);
    (void)json_int64(json_gets(ledger, "in_flight"), &flight);
    tl_buf_init(&out, 4 << 20);
    if (again)
        (void)tl_buf_puts(&out, "\033[H\033[2J");
    (void)tl_buf_printf(&out, "tieline %s  %lld live, %lld in flight%s\n\n",
                        tl_time_format(tl_clock_wall_ms(tl_clock_system()), now), (long long)live, (long long)flight,
                        !json_gets(ledger, "intake_stopped").u.b ? ""
                        : json_gets(ledger, "moved").u.b ? "  INTAKE STOPPED: the ledger's files are not in their place"
                                                         : "  INTAKE STOPPED: the disk is nearly full");
    flows(json_gets(status, "flows"), &out, color);
    (void)tl_buf_putc(&out, '\n');
    connections(json_gets(status, "connections"), &out, color);
    fwrite(out.p, 1, out.n, stdout);
    fflush(stdout);
}

static int run_top(void *options, const struct cli_args *args)
{
    const struct top_options *o = options;
    bool again = !o->once && !o->common.json && isatty(STDOUT_FILENO);
    const struct timespec pause = {.tv_sec = (time_t)(o->every ? o->every : 1)};

    (void)args;
    do { /* a client each time: a server that was restarted meanwhile is found again */
        TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
        struct json answer = JSON_NOTHING;
        struct tl_err err = {0};
        enum tl_rc rc = cli__open(&o->common, &c, &err);

        if (rc == TL_OK)
            rc = cli__call(c, "GET", "/v1/status", TL_SV(""), &answer, &err);
        if (rc != TL_OK)
            return cli__fail(&err, o->common.json);
        if (o->common.json)
            cli__print_raw(cli__raw(c));
        else
            show(answer, again);
    } while (again && nanosleep(&pause, NULL) == 0);
    return CLI_OK;
}

const struct cli_verb cli__top_verb = {.name = "top",
                                       .summary = "flows and connections at a glance, again each second",
                                       CLI_OPTIONS(top_options, struct top_options),
                                       .run = run_top};
