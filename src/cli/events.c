/* SPDX-License-Identifier: Apache-2.0 */
/* events.c - `tieline events`: list, show, tail, replay, hold, release, cancel, move, promote. */
#include <time.h>

#include "cli/cli_int.h"
#include "cli/show.h"

/* ---- list ---- */
struct list_options {
    struct cli_common common;
    struct cli_filter filter;
    uint64_t limit;
    bool all;
};
static const struct cli_option list_options[] = {
    CLI_FILTER_OPTIONS(struct list_options),
    {"state", 0, CLI_TEXT, "STATE", offsetof(struct list_options, filter.state),
     "queued, retrying, held (by a person), dead, delivered, skipped, cancelled or discarded"},
    {"event", 0, CLI_TEXT, "ID", offsetof(struct list_options, filter.event), "this event and its deliveries"},
    {"limit", 'n', CLI_COUNT, "N", offsetof(struct list_options, limit), "so many, newest first (50)"},
    {"all", 0, CLI_FLAG, NULL, offsetof(struct list_options, all), "all of them; with --json one line each"},
    CLI_COMMON_OPTIONS(struct list_options),
};
static int run_list(void *options, const struct cli_args *args)
{
    const struct list_options *o = options;

    (void)args;
    return cli__list(&o->common, &o->filter, o->limit, o->all);
}

static const struct cli_option show_options[] = {CLI_SHOW_OPTIONS},
                               promote_options[] = {CLI_COMMON_OPTIONS(struct cli_show_options)};

/* ---- tail ---- */
struct tail_options {
    struct cli_common common;
    struct cli_filter filter;
    uint64_t limit;
};
static const struct cli_option tail_options[] = {
    {"flow", 0, CLI_TEXT, "NAME", offsetof(struct tail_options, filter.flow), "of this flow"},
    {"limit", 'n', CLI_COUNT, "N", offsetof(struct tail_options, limit), "end after so many"},
    CLI_COMMON_OPTIONS(struct tail_options),
};

static void put_line(struct json r, bool json)
{
    struct tl_sv state = json_text(json_gets(r, "state"), TL_SV(""));
    bool color = cli__color(stdout);

    if (json) {
        cli__print_json(r, false);
    } else {
        printf("%.*s  %.*s  %s%-9.*s%s  %.*s  ", TL_SV_ARG(json_text(json_gets(r, "received_at"), TL_SV("-"))),
               TL_SV_ARG(json_text(json_gets(r, "id"), TL_SV("-"))), cli__shade(color, cli__state_shade(state)),
               TL_SV_ARG(state), cli__shade_end(color), TL_SV_ARG(json_text(json_gets(r, "flow"), TL_SV("-"))));
        cli__put_safe(stdout, json_text(json_gets(r, "reason"), TL_SV("")));
        puts("");
    }
    (void)fflush(stdout);
}

struct tail {
    struct cli_client *c;
    const struct tail_options *o;
    uint64_t seen, shown;
};

/* New rows since the last look, oldest first. Ids grow, so "new" is a greater id. */
static enum tl_rc look(struct tail *t, bool first, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf q = {0};
    struct json answer = JSON_NOTHING, rows;
    uint64_t newest = t->seen;
    enum tl_rc rc;

    tl_buf_init(&q, 4096);
    (void)tl_buf_puts(&q, first ? "/v1/events?limit=10&" : "/v1/events?limit=500&");
    cli__query(&q, "flow", t->o->filter.flow);
    rc = cli__call(t->c, "GET", q.p, TL_SV(""), &answer, err);
    rows = json_gets(answer, "events");
    for (uint32_t i = rows.n; rc == TL_OK && i-- > 0;) {
        struct tl_sv text = json_text(json_gets(json_at(rows, i), "id"), TL_SV(""));
        uint64_t id = 0;

        if (!tl_id32_parse(text.p, text.n, &id) || id <= t->seen || (t->o->limit && t->shown >= t->o->limit))
            continue;
        put_line(json_at(rows, i), t->o->common.json);
        t->shown++;
        newest = id > newest ? id : newest;
    }
    t->seen = newest;
    return rc;
}

static int run_tail(void *options, const struct cli_args *args)
{
    const struct timespec pause = {.tv_nsec = 300000000};
    struct tail t = {.o = options};
    struct tl_err err = {0};
    bool first = true;
    enum tl_rc rc = TL_OK;

    (void)args;
    while (rc == TL_OK) { /* a client a look: its arena keeps what was answered */
        TL_CLEANUP(cli__closep) struct cli_client *c = NULL;

        rc = cli__open(&t.o->common, &c, &err);
        t.c = c;
        if (rc == TL_OK)
            rc = look(&t, first, &err);
        if (t.o->limit && t.shown >= t.o->limit)
            return CLI_OK;
        if (rc == TL_OK && cli__is_local(c)) /* nothing new can come */
            return CLI_OK;
        first = false;
        nanosleep(&pause, NULL);
    }
    return cli__fail(&err, t.o->common.json);
}

/* ---- replay, hold, release, cancel, move ---- */
struct act_options {
    struct cli_common common;
    struct cli_filter filter;
    const char *to, *to_target, *reason;
    bool yes, dry_run, include_superseded;
};
#define ACT_OPTIONS(states)                                                                                            \
    CLI_FILTER_OPTIONS(struct act_options),                                                                            \
        {"state", 0, CLI_TEXT, "STATE", offsetof(struct act_options, filter.state), states},                           \
        {"event", 0, CLI_TEXT, "ID", offsetof(struct act_options, filter.event), "the deliveries of this event"},      \
        CLI_REASON_OPTION(struct act_options, reason),                                                                 \
        {"yes", 'y', CLI_FLAG, NULL, offsetof(struct act_options, yes), "do it without asking"},                       \
        {"dry-run", 0, CLI_FLAG, NULL, offsetof(struct act_options, dry_run), "show the plan only"},                   \
        CLI_COMMON_OPTIONS(struct act_options)
#define WAITING "queued, retrying, held (by a person) or dead"
static const struct cli_option cancel_options[] = {ACT_OPTIONS(WAITING)}, hold_options[] = {ACT_OPTIONS(WAITING)},
                               release_options[] = {ACT_OPTIONS(WAITING)};
static const struct cli_option replay_options[] = {
    ACT_OPTIONS("delivered, skipped, cancelled, discarded or dead; a filter needs it"),
    {"include-superseded", 0, CLI_FLAG, NULL, offsetof(struct act_options, include_superseded),
     "of dead ones also where later events of the same key have gone on meanwhile"},
};
static const struct cli_option move_options[] = {
    {"to", 0, CLI_TEXT, "FLOW", offsetof(struct act_options, to), "the flow that takes them over"},
    {"to-target", 0, CLI_TEXT, "NAME", offsetof(struct act_options, to_target),
     "of deliveries whose target their flow has no longer: another one of the same flow"},
    ACT_OPTIONS(WAITING),
};

static bool is_filtered(const struct cli_filter *f)
{
    return f->flow || f->target || f->state || f->cls || f->fingerprint || f->from || f->until || f->event;
}

static int act(const struct act_options *o, const struct cli_args *args, const char *action)
{
    struct cli_bulk b = {.action = action,
                         .to = o->to,
                         .to_target = o->to_target,
                         .reason = o->reason,
                         .filter = o->filter,
                         .ids = args->v,
                         .n_ids = (size_t)args->n,
                         .yes = o->yes,
                         .json = o->common.json,
                         .dry_run = o->dry_run,
                         .include_superseded = o->include_superseded};

    if (!args->n && !is_filtered(&o->filter))
        return cli__usage(args, "which events? Give ids, or a filter (--flow, --state, --from ...)");
    return cli__bulk(&o->common, &b);
}
/* Everything of a flow would be sent a second time for want of a word. */
static int run_replay(void *options, const struct cli_args *args)
{
    static const char *const waiting[] = {"queued", "retrying", "held"};
    const struct act_options *o = options;

    for (size_t i = 0; o->filter.state && i < TL_COUNT(waiting); i++)
        if (strcmp(o->filter.state, waiting[i]) == 0)
            return cli__usage(args, "what is %s is not over: it will be delivered yet", waiting[i]);
    if (!args->n && !o->filter.event && !o->filter.state)
        return cli__usage(args,
                          "which events? Give ids, --event ID, or --state (delivered, skipped, cancelled, discarded "
                          "or dead)");
    return act(o, args, "replay");
}
static int run_cancel(void *options, const struct cli_args *args)
{
    return act(options, args, "cancel");
}
static int run_hold(void *options, const struct cli_args *args)
{
    const struct act_options *o = options;

    if (!o->reason && !o->dry_run)
        return cli__usage(args, "why? --reason TEXT is missing: whoever finds them held has nothing else to go by");
    return act(o, args, "hold");
}
static int run_release(void *options, const struct cli_args *args)
{
    return act(options, args, "release");
}
static int run_move(void *options, const struct cli_args *args)
{
    const struct act_options *o = options;

    if (!o->to)
        return cli__usage(args, "where to? --to FLOW is missing");
    return act(o, args, "move");
}

/* ---- promote ---- */
static int run_promote(void *options, const struct cli_args *args)
{
    const struct cli_show_options *o = options;
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    char *target = tl_sprintf("/v1/events/%s/promote", args->v[0]);
    struct json answer = JSON_NOTHING;
    struct tl_err err = {0};
    enum tl_rc rc = cli__open(&o->common, &c, &err);

    if (rc == TL_OK)
        rc = cli__call(c, "POST", target, TL_SV(""), &answer, &err);
    tl_free(target);
    if (rc != TL_OK)
        return cli__fail(&err, o->common.json);
    if (o->common.json)
        cli__print_raw(cli__raw(c));
    else
        printf("%s is the next of its flow\n", args->v[0]);
    return CLI_OK;
}

static const struct cli_verb subs[] = {
    {.name = "list",
     .summary = "events and deliveries, newest first",
     CLI_OPTIONS(list_options, struct list_options),
     .run = run_list},
    {.name = "show",
     .args = "ID",
     .summary = "one event: its state, each attempt, its body",
     CLI_OPTIONS(show_options, struct cli_show_options),
     .min_args = 1,
     .max_args = 1,
     .run = cli__run_show},
    {.name = "tail", .summary = "events as they come", CLI_OPTIONS(tail_options, struct tail_options), .run = run_tail},
    {.name = "replay",
     .args = "[ID...]",
     .summary = "send again what is over, as a new event; a dead one goes on where it was",
     .about =
         "A new event has an id and an outgoing key of its own, so a target that knows the first takes it for another\n"
         "one; `tieline events show` names the first as \"replay of\". The plan is shown before anything is done.\n",
     CLI_OPTIONS(replay_options, struct act_options),
     .max_args = -1,
     .run = run_replay},
    {.name = "hold",
     .args = "[ID...]",
     .summary = "events that wait are not delivered until they are released, nor what is behind them in their key",
     CLI_OPTIONS(hold_options, struct act_options),
     .max_args = -1,
     .run = run_hold},
    {.name = "release",
     .args = "[ID...]",
     .summary = "events that a person holds go on",
     CLI_OPTIONS(release_options, struct act_options),
     .max_args = -1,
     .run = run_release},
    {.name = "cancel",
     .args = "[ID...]",
     .summary = "events that wait shall not be delivered",
     CLI_OPTIONS(cancel_options, struct act_options),
     .max_args = -1,
     .run = run_cancel},
    {.name = "move",
     .args = "[ID...]",
     .summary = "events that wait go to another flow, or to another target of theirs",
     CLI_OPTIONS(move_options, struct act_options),
     .max_args = -1,
     .run = run_move},
    {.name = "promote",
     .args = "ID",
     .summary = "make one event the next of its flow, within its key's order",
     CLI_OPTIONS(promote_options, struct cli_show_options),
     .min_args = 1,
     .max_args = 1,
     .run = run_promote},
};
const struct cli_verb cli__events_verb = {
    .name = "events",
    .summary = "look at events: list, show, tail; and replay, hold, release, cancel, move, promote",
    CLI_SUBS(subs)};
