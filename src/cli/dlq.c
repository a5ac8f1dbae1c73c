/* SPDX-License-Identifier: Apache-2.0 */
/* dlq.c - `tieline dlq`: the dead letters. list, groups, show, edit, replay, discard. */
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli_int.h"
#include "cli/show.h"

enum { MAX_BODY = 32 << 20 };

struct list_options {
    struct cli_common common;
    struct cli_filter filter;
    uint64_t limit;
    bool all;
};
static const struct cli_option list_options[] = {
    CLI_FILTER_OPTIONS(struct list_options),
    {"limit", 'n', CLI_COUNT, "N", offsetof(struct list_options, limit), "so many, newest first (50)"},
    {"all", 0, CLI_FLAG, NULL, offsetof(struct list_options, all), "all of them; with --json one line each"},
    CLI_COMMON_OPTIONS(struct list_options),
};
static int run_list(void *options, const struct cli_args *args)
{
    struct list_options *o = options;

    (void)args;
    o->filter.state = "dead";
    return cli__list(&o->common, &o->filter, o->limit, o->all);
}

/* ---- groups ---- */
struct groups_options {
    struct cli_common common;
    const char *flow;
};
static const struct cli_option groups_options[] = {
    {"flow", 0, CLI_TEXT, "NAME", offsetof(struct groups_options, flow), "of this flow"},
    CLI_COMMON_OPTIONS(struct groups_options),
};
static void show_groups(struct json groups)
{
    static const char *const heads[] = {">count", "flow", "class", "fingerprint", "last", "reason"};
    static const char *const names[] = {"count", "flow", "class", "fingerprint", "last", "reason"};
    struct cli_table *t = cli__table_new(heads, TL_COUNT(heads));

    for (uint32_t i = 0; i < groups.n; i++) {
        for (size_t k = 0; k < TL_COUNT(names); k++)
            cli__table_json(t, json_gets(json_at(groups, i), names[k]));
    }
    cli__table_print(t);
    cli__table_free(t);
}
static int run_groups(void *options, const struct cli_args *args)
{
    const struct groups_options *o = options;
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    TL_CLEANUP(tl_buf_done) struct tl_buf q = {0};
    struct json answer = JSON_NOTHING;
    struct tl_err err = {0};
    int64_t more = 0;
    enum tl_rc rc = cli__open(&o->common, &c, &err);

    (void)args;
    tl_buf_init(&q, 4096);
    (void)tl_buf_puts(&q, "/v1/dead?");
    cli__query(&q, "flow", o->flow);
    if (rc == TL_OK)
        rc = cli__call(c, "GET", q.p, TL_SV(""), &answer, &err);
    if (rc != TL_OK)
        return cli__fail(&err, o->common.json);
    if (o->common.json)
        cli__print_raw(cli__raw(c));
    else
        show_groups(json_gets(answer, "groups"));
    if (!o->common.json && json_int64(json_gets(answer, "more"), &more) && more > 0)
        printf("and %lld smaller groups; --flow shows those of one flow\n", (long long)more);
    return CLI_OK;
}

static const struct cli_option show_options[] = {CLI_SHOW_OPTIONS};

/* ---- edit ---- */
struct edit_options {
    struct cli_common common;
    const char *body;
};
static const struct cli_option edit_options[] = {
    {"body", 0, CLI_TEXT, "FILE", offsetof(struct edit_options, body), "the new body (-: standard input), no editor"},
    CLI_COMMON_OPTIONS(struct edit_options),
};

static enum tl_rc start_editor(const char *path, struct tl_err *err)
{
    const char *editor = getenv("VISUAL") ? getenv("VISUAL") : getenv("EDITOR");
    int status;
    pid_t pid;

    if (!editor || !*editor)
        editor = "vi";
    pid = fork();
    if (pid < 0)
        return tl_fail(err, TL_IO, "cannot start an editor: %s", strerror(errno));
    if (pid == 0) { /* EDITOR may hold arguments, as in "code --wait": the shell splits them */
        char *script = tl_sprintf("%s \"$1\"", editor);

        (void)execl("/bin/sh", "sh", "-c", script, "sh", path, (char *)NULL);
        _exit(127);
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return tl_fail(err, TL_IO, "waiting for the editor failed: %s", strerror(errno));
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return tl_fail(err, TL_CANCELED, "the editor failed; nothing was changed (EDITOR, or --body FILE)");
    return TL_OK;
}

static enum tl_rc write_all(int fd, struct tl_sv text, struct tl_err *err)
{
    while (text.n) {
        ssize_t n = write(fd, text.p, text.n);

        if (n < 0 && errno != EINTR)
            return tl_fail(err, TL_IO, "cannot write a temporary file: %s", strerror(errno));
        if (n > 0)
            text = tl_sv_from(text, (size_t)n);
    }
    return TL_OK;
}

/* The body as people edit it goes to a file of their own, and what they saved comes back. */
static enum tl_rc edit_by_hand(struct json now, struct tl_buf *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf before = {0};
    char path[] = "/tmp/tieline-edit-XXXXXX.json";
    int fd = mkstemps(path, 5);
    enum tl_rc rc;

    if (fd < 0)
        return tl_fail(err, TL_IO, "cannot make a temporary file: %s", strerror(errno));
    tl_buf_init(&before, MAX_BODY);
    if (now.type == JSON_STRING)
        (void)tl_buf_sv(&before, json_view(now));
    else
        json_write(&before, now, JSON_WRITE_INDENT);
    rc = write_all(fd, tl_buf_view(&before), err);
    (void)close(fd);
    if (rc == TL_OK)
        rc = start_editor(path, err);
    if (rc == TL_OK)
        rc = cli__read_file(path, MAX_BODY, ret, err);
    (void)unlink(path);
    if (rc == TL_OK && tl_sv_eq(tl_buf_view(&before), tl_buf_view(ret)))
        rc = tl_fail(err, TL_CANCELED, "nothing was changed"); /* as a refused plan ends */
    return rc;
}

static enum tl_rc new_body(struct cli_client *c, const struct edit_options *o, const char *target, struct tl_buf *ret,
                           struct tl_err *err)
{
    struct json answer = JSON_NOTHING;
    enum tl_rc rc;

    if (o->body)
        return cli__read_file(o->body, MAX_BODY, ret, err);
    rc = cli__call(c, "GET", target, TL_SV(""), &answer, err);
    return rc == TL_OK ? edit_by_hand(json_gets(answer, "body"), ret, err) : rc;
}

static int run_edit(void *options, const struct cli_args *args)
{
    const struct edit_options *o = options;
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    TL_CLEANUP(tl_buf_done) struct tl_buf body = {0};
    struct json answer = JSON_NOTHING;
    struct tl_err err = {0};
    int64_t revision = 0;
    enum tl_rc rc = cli__open(&o->common, &c, &err);

    if (rc == TL_OK)
        rc = new_body(c, o, cli__target(c, "/v1/events/", args->v[0], ""), &body, &err);
    if (rc == TL_OK)
        rc =
            cli__call(c, "POST", cli__target(c, "/v1/events/", args->v[0], "/edit"), tl_buf_view(&body), &answer, &err);
    if (rc != TL_OK)
        return cli__fail(&err, o->common.json);
    (void)json_int64(json_gets(answer, "revision"), &revision);
    if (o->common.json)
        cli__print_raw(cli__raw(c));
    else
        printf("revision %lld is stored beside the original; send it with: tieline dlq replay %s\n",
               (long long)revision, args->v[0]);
    return CLI_OK;
}

/* ---- replay, discard ---- */
struct act_options {
    struct cli_common common;
    struct cli_filter filter;
    bool yes, dry_run, include_superseded, all;
    const char *reason;
};
#define ACT_OPTIONS                                                                                                    \
    CLI_FILTER_OPTIONS(struct act_options),                                                                            \
        {"event", 0, CLI_TEXT, "ID", offsetof(struct act_options, filter.event), "the dead deliveries of this event"}, \
        {"all", 0, CLI_FLAG, NULL, offsetof(struct act_options, all), "all dead ones"},                                \
        {"yes", 'y', CLI_FLAG, NULL, offsetof(struct act_options, yes), "do it without asking"},                       \
        {"dry-run", 0, CLI_FLAG, NULL, offsetof(struct act_options, dry_run), "show the plan only"},                   \
        CLI_REASON_OPTION(struct act_options, reason), CLI_COMMON_OPTIONS(struct act_options)
static const struct cli_option replay_options[] = {
    ACT_OPTIONS,
    {"include-superseded", 0, CLI_FLAG, NULL, offsetof(struct act_options, include_superseded),
     "also where later events of the same key have gone on meanwhile"},
};
static const struct cli_option discard_options[] = {ACT_OPTIONS};

static int act(struct act_options *o, const struct cli_args *args, const char *action)
{
    const struct cli_filter *f = &o->filter;
    struct cli_bulk b = {.action = action,
                         .reason = o->reason,
                         .ids = args->v,
                         .n_ids = (size_t)args->n,
                         .yes = o->yes,
                         .json = o->common.json,
                         .dry_run = o->dry_run,
                         .include_superseded = o->include_superseded};

    if (!args->n && !o->all && !f->flow && !f->target && !f->cls && !f->fingerprint && !f->from && !f->until &&
        !f->event)
        return cli__usage(args, "which ones? Give ids, a filter (--flow, --target, --class, --fingerprint, --from, "
                                "--until, --event), or --all");
    o->filter.state = "dead";
    b.filter = o->filter;
    return cli__bulk(&o->common, &b);
}
static int run_replay(void *options, const struct cli_args *args)
{
    return act(options, args, "replay");
}
static int run_discard(void *options, const struct cli_args *args)
{
    return act(options, args, "discard");
}

static const struct cli_verb subs[] = {
    {.name = "list",
     .summary = "dead deliveries, newest first",
     CLI_OPTIONS(list_options, struct list_options),
     .run = run_list},
    {.name = "groups",
     .summary = "dead deliveries by flow and cause, the largest groups first",
     CLI_OPTIONS(groups_options, struct groups_options),
     .run = run_groups},
    {.name = "show",
     .args = "ID",
     .summary = "one of them: why it is dead, each attempt, its body",
     CLI_OPTIONS(show_options, struct cli_show_options),
     .min_args = 1,
     .max_args = 1,
     .run = cli__run_show},
    {.name = "edit",
     .args = "ID",
     .summary = "a new revision of its body, in $EDITOR or from a file; the original stays",
     CLI_OPTIONS(edit_options, struct edit_options),
     .min_args = 1,
     .max_args = 1,
     .run = run_edit},
    {.name = "replay",
     .args = "[ID...]",
     .summary = "deliver them after all; what is not dead is sent again by `tieline events replay`",
     CLI_OPTIONS(replay_options, struct act_options),
     .max_args = -1,
     .run = run_replay},
    {.name = "discard",
     .args = "[ID...]",
     .summary = "give them up",
     CLI_OPTIONS(discard_options, struct act_options),
     .max_args = -1,
     .run = run_discard},
};
const struct cli_verb cli__dlq_verb = {
    .name = "dlq", .summary = "the dead letters: list, groups, show, edit, replay, discard", CLI_SUBS(subs)};
