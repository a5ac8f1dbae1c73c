/* SPDX-License-Identifier: Apache-2.0 */
/* reload.c - `tieline reload`: the running server reads its configuration again. */
#include "cli/cli_int.h"

struct reload_options {
    struct cli_common common;
    bool dry_run;
};
static const struct cli_option reload_options[] = {
    {"dry-run", 'n', CLI_FLAG, NULL, offsetof(struct reload_options, dry_run),
     "show what would change, change nothing"},
    CLI_COMMON_OPTIONS(struct reload_options),
};

static void show_changes(struct json changes)
{
    for (uint32_t i = 0; i < changes.n; i++) {
        struct json c = json_at(changes, i);
        struct tl_sv kind = json_text(json_gets(c, "change"), TL_SV(""));

        if (!kind.n)
            kind = json_text(json_gets(c, "what"), TL_SV("changed"));
        printf("  %-8.*s ", TL_SV_ARG(kind));
        cli__put_safe(stdout, json_text(json_gets(c, "path"), TL_SV("")));
        puts("");
    }
    if (changes.n == 0)
        puts("  nothing");
}

static void show_ledger(struct json ledger)
{
    static const struct {
        const char *name, *text;
    } lines[] = {
        {"flows_added", "flows added"},
        {"flows_removed", "flows removed"},
        {"flows_back", "flows that came back"},
        {"connections_added", "connections added"},
        {"connections_removed", "connections removed"},
        {"held_flow_removed", "deliveries held: their flow is gone, or their target (events move, or discard)"},
        {"held_identity", "deliveries held: another system would get them now (resume connection, or flow)"},
        {"released", "deliveries released"},
        {"live", "deliveries live in all"},
    };

    for (size_t i = 0; i < TL_COUNT(lines); i++) {
        int64_t n = 0;

        if (json_int64(json_gets(ledger, lines[i].name), &n) && (n || i + 1 == TL_COUNT(lines)))
            printf("  %-8lld %s\n", (long long)n, lines[i].text);
    }
}

static void show_restart(struct json paths)
{
    if (paths.n)
        puts("in force only after a restart of `tieline run`:");
    for (uint32_t i = 0; i < paths.n; i++) {
        fputs("  ", stdout);
        cli__put_safe(stdout, json_text(json_at(paths, i), TL_SV("")));
        puts("");
    }
}

static void show_sources(struct json sentences)
{
    if (sentences.n)
        puts("sources:");
    for (uint32_t i = 0; i < sentences.n; i++) {
        fputs("  ", stdout);
        cli__put_safe(stdout, json_text(json_at(sentences, i), TL_SV("")));
        puts("");
    }
}

static int show_errors(struct json errors)
{
    for (uint32_t i = 0; i < errors.n; i++) {
        struct json e = json_at(errors, i);
        struct tl_sv file = json_text(json_gets(e, "file"), TL_SV("")),
                     hint = json_text(json_gets(e, "hint"), TL_SV(""));
        int64_t line = 0, column = 0;

        (void)json_int64(json_gets(e, "line"), &line);
        (void)json_int64(json_gets(e, "column"), &column);
        cli__put_safe(stderr, file);
        if (line)
            fprintf(stderr, ":%lld:%lld", (long long)line, (long long)column);
        fputs(file.n ? ": " : "", stderr);
        fputs(tl_sv_eqs(json_text(json_gets(e, "severity"), TL_SV("")), "warning") ? "warning: " : "error: ", stderr);
        cli__put_safe(stderr, json_text(json_gets(e, "message"), TL_SV("")));
        if (hint.n)
            fputs("\n    ", stderr);
        cli__put_safe(stderr, hint);
        fputs("\n", stderr);
    }
    fputs("tieline: the configuration was refused; the one in force stays\n", stderr);
    return CLI_USAGE;
}

static int run_reload(void *options, const struct cli_args *args)
{
    const struct reload_options *o = options;
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    struct json answer = JSON_NOTHING;
    struct tl_err err = {0};
    enum tl_rc rc = cli__open(&o->common, &c, &err);

    (void)args;
    if (rc == TL_OK && cli__is_local(c))
        rc = tl_fail(&err, TL_UNREACHABLE, "no server is running: the next `tieline run` reads the configuration");
    if (rc == TL_OK)
        rc = cli__call(c, "POST", o->dry_run ? "/v1/reload?dry_run=true" : "/v1/reload", TL_SV(""), &answer, &err);
    if (o->common.json && answer.type == JSON_OBJECT && (rc == TL_OK || json_gets(answer, "errors").n)) {
        cli__print_raw(cli__raw(c));
        return cli__exit_of(rc);
    }
    if (rc != TL_OK)
        return json_gets(answer, "errors").n ? show_errors(json_gets(answer, "errors"))
                                             : cli__fail(&err, o->common.json);
    puts(o->dry_run ? "would change:" : "changed:");
    show_changes(json_gets(answer, "changes"));
    show_restart(json_gets(answer, "needs_restart"));
    show_sources(json_gets(answer, "sources_elsewhere"));
    puts("the ledger:");
    show_ledger(json_gets(answer, "ledger"));
    return CLI_OK;
}

const struct cli_verb cli__reload_verb = {
    .name = "reload",
    .summary = "the running server reads its configuration again, without dropping an event",
    CLI_OPTIONS(reload_options, struct reload_options),
    .run = run_reload,
};
