/* SPDX-License-Identifier: Apache-2.0 */
/* bulk.c - lists of events, and acting on many: the plan is shown, confirmed, and its job followed. */
#include <time.h>

#include "cli/cli_int.h"

enum { PAGE = 500, MAX_QUERY = 16384 };

/* ---- lists ---- */
static void add_rows(struct cli_table *t, struct json rows, uint64_t limit)
{
    for (uint32_t i = 0; i < rows.n && cli__table_rows(t) < limit; i++) {
        struct json r = json_at(rows, i);
        struct tl_sv state = json_text(json_gets(r, "state"), TL_SV("")),
                     cls = json_text(json_gets(r, "class"), TL_SV("")),
                     reason = json_text(json_gets(r, "reason"), TL_SV(""));
        TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

        if (tl_sv_eqs(json_text(json_gets(r, "held"), TL_SV("")), "event_held")) {
            state = TL_SV("held");
            reason = json_text(json_gets(r, "held_reason"), TL_SV(""));
            cls = TL_SV("");
        }
        tl_buf_init(&b, 4096);
        (void)tl_buf_printf(&b, "%.*s%s%.*s", TL_SV_ARG(cls), cls.n && reason.n ? ": " : "", TL_SV_ARG(reason));
        cli__table_json(t, json_gets(r, "id"));
        cli__table_json(t, json_gets(r, "flow"));
        cli__table_cell(t, state, cli__state_shade(state));
        cli__table_json(t, json_gets(r, "received_at"));
        cli__table_json(t, json_gets(r, "attempts"));
        cli__table_json(t, json_gets(r, "bytes"));
        cli__table_cell(t, tl_buf_view(&b), CLI_PLAIN);
    }
}

static enum tl_rc page(struct cli_client *c, const struct cli_filter *f, const char *cursor, uint64_t limit,
                       struct json *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf q = {0};
    char n[24];

    tl_buf_init(&q, MAX_QUERY);
    snprintf(n, sizeof n, "%llu", (unsigned long long)(limit > PAGE ? PAGE : limit));
    (void)tl_buf_puts(&q, "/v1/events?");
    cli__query(&q, "flow", f->flow);
    cli__query(&q, "target", f->target);
    cli__query(&q, "state", f->state);
    cli__query(&q, "class", f->cls);
    cli__query(&q, "fingerprint", f->fingerprint);
    cli__query(&q, "from", f->from);
    cli__query(&q, "until", f->until);
    cli__query(&q, "event", f->event);
    cli__query(&q, "cursor", cursor);
    cli__query(&q, "limit", n);
    return cli__call(c, "GET", q.p, TL_SV(""), ret, err);
}

int cli__list(const struct cli_common *common, const struct cli_filter *f, uint64_t limit, bool all)
{
    static const char *const heads[] = {"id", "flow", "state", "received", ">attempts", ">bytes", "reason"};
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    struct cli_table *t = cli__table_new(heads, TL_COUNT(heads));
    char *cursor = NULL;
    struct tl_err err = {0};
    enum tl_rc rc = cli__open(common, &c, &err);

    limit = all ? UINT64_MAX : limit ? limit : 50;
    while (rc == TL_OK) {
        struct json answer = JSON_NOTHING, next;

        rc = page(c, f, cursor, limit - cli__table_rows(t), &answer, &err);
        if (rc != TL_OK)
            break;
        if (common->json && !all) { /* one page, as the API gives it; its cursor is there for the next */
            cli__print_raw(cli__raw(c));
            break;
        }
        for (uint32_t i = 0; common->json && i < json_gets(answer, "events").n; i++)
            cli__print_json(json_at(json_gets(answer, "events"), i), false);
        add_rows(t, json_gets(answer, "events"), limit);
        next = json_gets(answer, "cursor");
        tl_free(cursor);
        cursor = next.type == JSON_STRING ? tl_strndup(next.u.s, next.n) : NULL;
        if (!cursor || cli__table_rows(t) >= limit)
            break;
    }
    if (rc == TL_OK && !common->json) {
        cli__table_print(t);
        if (cursor)
            puts("there are more: --limit N, --all, or a narrower filter");
    }
    tl_free(cursor);
    cli__table_free(t);
    return rc == TL_OK ? CLI_OK : cli__fail(&err, common->json);
}

/* ---- plan, confirm, job ---- */
static struct json request(struct tl_arena *a, const struct cli_bulk *b, struct json plan)
{
    struct json last = json_gets(plan, "last");
    struct json_builder body, filter, ids;
    const struct {
        const char *name, *value;
    } members[] = {{"flow", b->filter.flow},
                   {"target", b->filter.target},
                   {"state", b->filter.state},
                   {"class", b->filter.cls},
                   {"fingerprint", b->filter.fingerprint},
                   {"from", b->filter.from},
                   {"until", b->filter.until},
                   {"event", b->filter.event}};

    json_object_begin(&filter, a, TL_COUNT(members) + 1);
    for (size_t i = 0; i < TL_COUNT(members); i++) {
        if (members[i].value)
            json_adds(&filter, members[i].name, json_str(members[i].value));
    }
    json_array_begin(&ids, a, b->n_ids);
    for (size_t i = 0; i < b->n_ids; i++)
        json_push(&ids, json_str(b->ids[i]));
    if (b->n_ids)
        json_adds(&filter, "ids", json_end(&ids));
    json_object_begin(&body, a, 9);
    json_adds(&body, "action", json_str(b->action));
    json_adds(&body, "filter", json_end(&filter));
    if (b->to)
        json_adds(&body, "to", json_str(b->to));
    if (b->to_target)
        json_adds(&body, "to_target", json_str(b->to_target));
    if (b->include_superseded)
        json_adds(&body, "include_superseded", json_bool(true));
    if (b->reason)
        json_adds(&body, "reason", json_str(b->reason));
    if (last.type == JSON_STRING)
        json_adds(&body, "last", last);
    if (json_gets(plan, "next").type == JSON_STRING)
        json_adds(&body, "next", json_gets(plan, "next"));
    else if (last.type == JSON_STRING)
        json_adds(&body, "matching", json_gets(plan, "matching"));
    return json_end(&body);
}

static int64_t number(struct json v, const char *name)
{
    int64_t n = 0;

    (void)json_int64(json_gets(v, name), &n);
    return n;
}

static void show_plan(const struct cli_bulk *b, struct json plan)
{
    bool replays = strcmp(b->action, "replay") == 0;
    const struct {
        const char *name, *text;
    } lines[] = {
        {"superseded", "have later deliveries of the same key that went on without them"},
        {"unknown_outcome", "have an attempt with unknown outcome: the target may have them already"},
        {"running", "are running just now"},
        {"behind", "others stand behind them in the order of their keys and would wait too"},
        {"final", replays ? "are finished: a replay makes new events" : "are finished, and stay as they are"},
    };

    if (number(plan, "matching"))
        printf("%s: %lld match\n", b->action, (long long)number(plan, "matching"));
    else
        printf("%s: nothing to do\n", b->action);
    if (number(plan, "matching") && (int64_t)b->n_ids > number(plan, "matching"))
        printf("  %lld of those that were named are %s%s, and stay as they are\n",
               (long long)b->n_ids - (long long)number(plan, "matching"), b->filter.state ? "not " : "nothing for it",
               b->filter.state ? b->filter.state : "");
    for (size_t i = 0; i < TL_COUNT(lines); i++) {
        bool behind = strcmp(lines[i].name, "behind") == 0, more = behind && json_gets(plan, "behind_more").u.b;

        if (number(plan, lines[i].name))
            printf("  %s%lld %s%s\n",
                   more     ? "at least "
                   : behind ? ""
                            : "of these ",
                   (long long)number(plan, lines[i].name), lines[i].text,
                   i == 0 && !b->include_superseded ? " (left out; --include-superseded takes them along)" : "");
    }
}

static enum tl_rc follow(struct cli_client *c, const char *what, struct tl_sv job, struct json *ret, struct tl_err *err)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    char *target = tl_sprintf("/v1/jobs/%.*s", TL_SV_ARG(job));
    enum tl_rc rc;

    for (;;) {
        struct json ended;

        rc = cli__call(c, "GET", target, TL_SV(""), ret, err);
        ended = json_gets(*ret, "ended");
        if (rc != TL_OK || (ended.type == JSON_BOOL && ended.u.b) || cli__is_stopped())
            break;
        cli__progress(what, (uint64_t)number(*ret, "looked"), (uint64_t)number(*ret, "total"));
        nanosleep(&pause, NULL);
    }
    cli__progress_end();
    tl_free(target);
    return rc;
}

static int report(const struct cli_bulk *b, struct json job)
{
    int64_t done = number(job, "done"), refused_n = number(job, "refused");
    struct tl_sv first = json_text(json_gets(job, "first_refusal"), TL_SV(""));

    printf("%s: %lld done", b->action, (long long)done);
    if (refused_n) {
        printf(", %lld refused; the first: ", (long long)refused_n);
        cli__put_safe(stdout, first);
    }
    puts(json_gets(job, "cancelled").type == JSON_BOOL && json_gets(job, "cancelled").u.b ? " (cancelled)" : "");
    return done ? CLI_OK : CLI_FAILED;
}

/* Ctrl-C while a job goes on. */
static int stopped(struct cli_client *c, struct json answer, bool json)
{
    struct tl_sv job = json_text(json_gets(answer, "job"), TL_SV(""));
    struct tl_err err;

    if (cli__is_local(c))
        (void)tl_fail(&err, TL_CANCELED, "stopped; what was done stays done, and the same command does the rest");
    else
        (void)tl_fail(&err, TL_CANCELED,
                      "the job %.*s goes on in the server; the console shows it under Jobs, and can cancel it",
                      TL_SV_ARG(job));
    (void)cli__fail_with(&err, json, "job", json_sv(job));
    return CLI_STOPPED;
}

static int act(struct cli_client *c, const struct cli_bulk *b, struct json plan)
{
    struct tl_arena *a = cli__arena(c);
    struct json answer = JSON_NOTHING, job = JSON_NOTHING;
    struct tl_err err = {0};
    enum tl_rc rc = cli__call_json(c, "POST", "/v1/jobs", request(a, b, plan), &answer, &err);

    if (rc != TL_OK)
        return cli__fail(&err, b->json);
    cli__hold_signals();
    rc = follow(c, b->action, json_text(json_gets(answer, "job"), TL_SV("")), &job, &err);
    if (cli__is_stopped() && !json_gets(job, "ended").u.b)
        return stopped(c, answer, b->json);
    if (rc != TL_OK)
        return cli__fail(&err, b->json);
    if (b->json)
        cli__print_raw(cli__raw(c));
    return b->json ? (number(job, "done") ? CLI_OK : CLI_FAILED) : report(b, job);
}

static bool is_one_of(struct tl_sv word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tl_sv_eqs(word, words[i]))
            return true;
    return false;
}

/* The one that was named is there, and yet nothing is done with it: what it is, and what is there for such a one. */
static void say_what_it_is(const struct cli_bulk *b, struct tl_sv state, size_t n_deliveries, struct tl_err *err)
{
    static const char *const live[] = {"queued", "running", "retrying", "held"};
    bool waits = is_one_of(state, live, TL_COUNT(live)), dead = tl_sv_eqs(state, "dead");
    const char *id = b->ids[0], *only = b->filter.state ? b->filter.state : "";

    if (n_deliveries)
        (void)tl_fail(err, TL_NOT_FOUND,
                      "%s is an event of %zu deliveries, which are treated each by itself: `tieline events show %s` "
                      "names them, --event %s means all of them",
                      id, n_deliveries, id, id);
    else if (*only && strcmp(b->action, "replay") == 0 && !waits)
        (void)tl_fail(err, TL_NOT_FOUND, "%s is %.*s, not %s: `tieline events replay %s` makes a new event of it", id,
                      TL_SV_ARG(state), only, id);
    else if (*only && waits)
        (void)tl_fail(err, TL_NOT_FOUND,
                      "%s is %.*s, not %s: it will be delivered yet, and `tieline events cancel %s` gives it up", id,
                      TL_SV_ARG(state), only, id);
    else
        (void)tl_fail(err, TL_NOT_FOUND, "%s is %.*s: %s is of %s", id, TL_SV_ARG(state), b->action,
                      *only  ? only
                      : dead ? "what waits, and dead ones have `tieline dlq`"
                             : "what is not over");
}

static void look_at_first(struct cli_client *c, const struct cli_bulk *b, struct tl_err *err)
{
    struct json answer = JSON_NOTHING;

    if (cli__call(c, "GET", cli__target(c, "/v1/events/", b->ids[0], ""), TL_SV(""), &answer, err) != TL_OK)
        (void)tl_err_prefix(err, "nothing with this id can be treated so");
    else
        say_what_it_is(b, json_text(json_gets(json_gets(answer, "event"), "state"), TL_SV("")),
                       json_gets(answer, "deliveries").n, err);
}

static int nothing(struct cli_client *c, const struct cli_bulk *b, struct tl_err *err)
{
    const char *state = b->filter.state;

    if (b->n_ids)
        look_at_first(c, b, err);
    else if (state)
        (void)tl_fail(err, TL_NOT_FOUND, "nothing that is %s matches: nothing was changed", state);
    else
        (void)tl_fail(err, TL_NOT_FOUND, "nothing that waits matches: nothing was changed (--state names others)");
    return cli__fail(err, b->json);
}

/* The plan comes in slices: their sum. */
static enum tl_rc count(struct cli_client *c, const struct cli_bulk *b, struct json *ret, struct tl_err *err)
{
    static const char *const sums[] = {"matching", "superseded", "unknown_outcome", "running", "final", "behind"};
    struct tl_arena *a = cli__arena(c);
    int64_t sum[TL_COUNT(sums)] = {0};
    struct json plan = JSON_NOTHING;
    bool more = false;
    struct json_builder o;
    enum tl_rc rc;

    do {
        rc = cli__call_json(c, "POST", "/v1/plan", request(a, b, plan), &plan, err);
        if (rc != TL_OK)
            return rc;
        for (size_t i = 0; i < TL_COUNT(sums); i++)
            sum[i] += number(plan, sums[i]);
        more = more || json_gets(plan, "behind_more").u.b;
        if (json_gets(plan, "next").type == JSON_STRING)
            cli__progress("counting", (uint64_t)sum[0], 0);
    } while (json_gets(plan, "next").type == JSON_STRING);
    cli__progress_end();
    json_object_begin(&o, a, TL_COUNT(sums) + 3);
    json_adds(&o, "action", json_gets(plan, "action"));
    for (size_t i = 0; i < TL_COUNT(sums); i++)
        json_adds(&o, sums[i], json_int(sum[i]));
    json_adds(&o, "behind_more", json_bool(more));
    json_adds(&o, "last", json_gets(plan, "last"));
    *ret = json_end(&o);
    return TL_OK;
}

int cli__bulk(const struct cli_common *common, const struct cli_bulk *b)
{
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    struct json plan = JSON_NOTHING;
    struct tl_err err = {0};
    char question[80];
    enum tl_rc rc = cli__open(common, &c, &err);

    if (rc == TL_OK)
        rc = count(c, b, &plan, &err);
    if (rc != TL_OK)
        return cli__fail(&err, b->json);
    if (b->dry_run && b->json) {
        cli__print_json(plan, false);
        return CLI_OK;
    }
    if (!b->json)
        show_plan(b, plan);
    if (b->dry_run)
        return CLI_OK;
    if (number(plan, "matching") == 0)
        return nothing(c, b, &err);
    snprintf(question, sizeof question, "%s them?", b->action);
    if (!b->yes && !cli__confirm(question)) {
        (void)tl_fail(&err, TL_CANCELED, "nothing was changed; --yes does it without asking");
        (void)cli__fail_with(&err, b->json, "plan", plan);
        return CLI_FAILED;
    }
    return act(c, b, plan);
}
