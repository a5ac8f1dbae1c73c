/* SPDX-License-Identifier: Apache-2.0 */
/* pause.c - `tieline pause` and `tieline resume`, of a flow or a connection; `tieline ledger snapshot` and `rekey`. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli_int.h"

struct pause_options {
    struct cli_common common;
    const char *reason;
};
static const struct cli_option pause_options[] = {
    {CLI_REASON, 0, CLI_TEXT, "TEXT", offsetof(struct pause_options, reason),
     "why: status shows it, the audit log keeps it"},
    CLI_COMMON_OPTIONS(struct pause_options),
};
static const struct cli_option resume_options[] = {CLI_REASON_OPTION(struct pause_options, reason),
                                                   CLI_COMMON_OPTIONS(struct pause_options)};

/* What another call of resume would take away; other reasons to wait end by themselves. */
static void show_other_hold(struct json answer)
{
    static const char *const by_hand[] = {"identity_changed", "target_changed", "flow_removed"};
    struct tl_sv held = json_text(json_gets(answer, "held"), TL_SV("")),
                 why = json_text(json_gets(answer, "held_reason"), TL_SV(""));

    for (size_t i = 0; i < TL_COUNT(by_hand); i++) {
        if (!tl_sv_eqs(held, by_hand[i]))
            continue;
        printf("  held still, %s: ", by_hand[i]);
        cli__put_safe(stdout, why);
        puts("");
    }
}

static int set(const struct pause_options *o, const char *kind, const char *name, const char *verb)
{
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    struct json answer = JSON_NOTHING;
    struct json_builder body;
    struct tl_err err = {0};
    enum tl_rc rc = cli__open(&o->common, &c, &err);

    if (rc == TL_OK) {
        const char *base = tl_arena_printf(cli__arena(c), "/v1/%ss/", kind);
        const char *rest = tl_arena_printf(cli__arena(c), "/%s", verb);

        json_object_begin(&body, cli__arena(c), 1);
        if (o->reason)
            json_adds(&body, "reason", json_str(o->reason));
        rc = cli__call_json(c, "POST", cli__target(c, base, name, rest), json_end(&body), &answer, &err);
    }
    if (rc != TL_OK)
        return cli__fail(&err, o->common.json);
    if (o->common.json)
        cli__print_raw(cli__raw(c));
    else
        printf("%s %s: %sd\n", kind, name, verb);
    if (!o->common.json && strcmp(verb, "resume") == 0)
        show_other_hold(answer);
    return CLI_OK;
}

static int pause_flow(void *options, const struct cli_args *args)
{
    return set(options, "flow", args->v[0], "pause");
}
static int pause_connection(void *options, const struct cli_args *args)
{
    return set(options, "connection", args->v[0], "pause");
}
static int resume_flow(void *options, const struct cli_args *args)
{
    return set(options, "flow", args->v[0], "resume");
}
static int resume_connection(void *options, const struct cli_args *args)
{
    return set(options, "connection", args->v[0], "resume");
}

static const struct cli_verb pause_subs[] = {
    {.name = "flow",
     .args = "NAME",
     .summary = "events are still taken, nothing of the flow is delivered",
     CLI_OPTIONS(pause_options, struct pause_options),
     .min_args = 1,
     .max_args = 1,
     .run = pause_flow},
    {.name = "connection",
     .args = "NAME",
     .summary = "the system is not called any more",
     CLI_OPTIONS(pause_options, struct pause_options),
     .min_args = 1,
     .max_args = 1,
     .run = pause_connection},
};
static const struct cli_verb resume_subs[] = {
    {.name = "flow",
     .args = "NAME",
     .summary = "go on after a pause, a trip or a configuration that was wrong; also says that another system is meant",
     CLI_OPTIONS(resume_options, struct pause_options),
     .min_args = 1,
     .max_args = 1,
     .run = resume_flow},
    {.name = "connection",
     .args = "NAME",
     .summary = "go on after a pause or refused credentials; also says that another account or host is meant",
     CLI_OPTIONS(resume_options, struct pause_options),
     .min_args = 1,
     .max_args = 1,
     .run = resume_connection},
};
const struct cli_verb cli__pause_verb = {
    .name = "pause", .summary = "hold a flow or a connection; nothing is lost", CLI_SUBS(pause_subs)};
const struct cli_verb cli__resume_verb = {
    .name = "resume", .summary = "let a held flow or connection go on", CLI_SUBS(resume_subs)};

/* ---- ledger ---- */
struct snapshot_options {
    struct cli_common common;
};
static const struct cli_option snapshot_options[] = {CLI_COMMON_OPTIONS(struct snapshot_options)};

static int run_snapshot(void *options, const struct cli_args *args)
{
    const struct snapshot_options *o = options;
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    char here[PATH_MAX], *path;
    struct json answer = JSON_NOTHING;
    struct json_builder body;
    struct tl_err err = {0};
    enum tl_rc rc;

    if (!getcwd(here, sizeof here)) {
        (void)tl_fail(&err, TL_IO, "the current directory is gone: %s", strerror(errno));
        return cli__fail(&err, o->common.json);
    }
    path = args->v[0][0] == '/' ? tl_strdup(args->v[0]) : tl_sprintf("%s/%s", here, args->v[0]);
    rc = cli__open(&o->common, &c, &err);
    if (rc == TL_OK) {
        json_object_begin(&body, cli__arena(c), 1);
        json_adds(&body, "path", json_str(path));
        rc = cli__call_json(c, "POST", "/v1/snapshot", json_end(&body), &answer, &err);
    }
    if (rc == TL_OK && o->common.json)
        cli__print_raw(cli__raw(c));
    else if (rc == TL_OK)
        printf("%s is a consistent copy of the ledger (SQLite)\n", path);
    tl_free(path);
    return rc == TL_OK ? CLI_OK : cli__fail(&err, o->common.json);
}

static int run_rekey(void *options, const struct cli_args *args)
{
    const struct snapshot_options *o = options;
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    struct json answer = JSON_NOTHING;
    struct tl_err err = {0};
    enum tl_rc rc = cli__open(&o->common, &c, &err);
    int64_t changed = 0, unreadable = 0;
    bool done = false;

    (void)args;
    while (rc == TL_OK && !done) {
        rc = cli__call_json(c, "POST", "/v1/ledger/rekey", JSON_NOTHING, &answer, &err);
        done = json_gets(answer, "done").u.b;
        (void)json_int64(json_gets(answer, "changed"), &changed);
        (void)json_int64(json_gets(answer, "unreadable"), &unreadable);
    }
    if (rc != TL_OK)
        return cli__fail(&err, o->common.json);
    if (o->common.json)
        cli__print_raw(cli__raw(c));
    else
        printf("all that is encrypted is under the newest key: %" PRId64 " rows moved\n", changed);
    if (!unreadable)
        return CLI_OK;
    (void)tl_fail(&err, TL_IO, "%" PRId64 " rows do not open: they were changed on the disk, and are left as they are",
                  unreadable);
    return cli__fail(&err, o->common.json);
}

static const struct cli_verb ledger_subs[] = {
    {.name = "rekey",
     .summary = "encrypt what is on disk anew: after a change of store.encrypt.key, or of what was there before it",
     CLI_OPTIONS(snapshot_options, struct snapshot_options),
     .max_args = 0,
     .run = run_rekey},
    {.name = "snapshot",
     .args = "PATH",
     .summary = "a consistent copy for other tools, while the server goes on",
     CLI_OPTIONS(snapshot_options, struct snapshot_options),
     .min_args = 1,
     .max_args = 1,
     .run = run_snapshot},
};
const struct cli_verb cli__ledger_verb = {
    .name = "ledger", .summary = "the ledger as a whole: snapshot, rekey", CLI_SUBS(ledger_subs)};
