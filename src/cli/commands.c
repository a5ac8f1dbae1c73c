/* SPDX-License-Identifier: Apache-2.0 */
/* commands.c - the table of the commands, and from the words of the command line to one of them. */
#include <curl/curl.h>
#include <stdlib.h>

#include "cli/cli_int.h"

enum { MAX_COMMANDS = 64 };

struct version_options {
    bool json;
};
static const struct cli_option version_options[] = {
    {"json", 0, CLI_FLAG, NULL, offsetof(struct version_options, json), "JSON"},
};
static int run_version(void *options, const struct cli_args *args)
{
    const struct version_options *o = options;

    (void)args;
    printf(o->json ? "{\"version\":\"" TIELINE_VERSION "\",\"libcurl\":\"%s\"}\n"
                   : "tieline " TIELINE_VERSION " (libcurl %s)\n",
           curl_version_info(CURLVERSION_NOW)->version);
    return CLI_OK;
}

static const struct cli_verb version_verb = {.name = "version",
                                             .summary = "the version of this program",
                                             CLI_OPTIONS(version_options, struct version_options),
                                             .run = run_version};

/* The order is that of the help. */
static const struct cli_verb *const verbs[] = {
    &cli__init_verb,   &cli__check_verb,     &cli__reload_verb,     &cli__status_verb, &cli__top_verb,
    &cli__events_verb, &cli__dlq_verb,       &cli__alerts_verb,     &cli__pause_verb,  &cli__resume_verb,
    &cli__debug_verb,  &cli__connect_verb,   &cli__xref_verb,       &cli__ledger_verb, &cli__token_verb,
    &cli__audit_verb,  &cli__send_verb,      &cli__map_verb,        &cli__test_verb,   &cli__secrets_verb,
    &cli__schema_verb, &cli__reference_verb, &cli__completion_verb, &version_verb,
};

/* The tables refer to each other by address; here they become one. */
struct all {
    struct cli_verb subs[MAX_COMMANDS];
    size_t n;
};
static void collect(struct all *all)
{
    for (size_t i = 0; i < TL_COUNT(verbs); i++)
        all->subs[all->n++] = *verbs[i];
}

static void list(const struct all *all, const struct cli_command *more, size_t n_more, FILE *out)
{
    fputs("usage: tieline COMMAND [OPTIONS]\n\nConnects systems: signed events in, a durable ledger, mapping, "
          "delivery with retries.\n\n",
          out);
    for (size_t i = 0; i < n_more; i++)
        fprintf(out, "  %-12s %s\n", more[i].name, more[i].summary);
    for (size_t i = 0; i < all->n; i++)
        fprintf(out, "  %-12s %s\n", all->subs[i].name, all->subs[i].summary);
    fputs("\n`tieline COMMAND --help` tells more. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration,\n"
          "3 not found, 4 the server is not running or refused, 5 a mapping's error, 130 stopped by Ctrl-C.\n",
          out);
}

static int unknown(const char *full, const char *word, const struct cli_verb *subs, size_t n,
                   const struct cli_command *more, size_t n_more, bool json)
{
    TL_CLEANUP(tl_freep) char *text = NULL;
    const char *names[MAX_COMMANDS], *near;
    size_t count = 0;

    for (size_t i = 0; i < n_more && count < MAX_COMMANDS; i++)
        names[count++] = more[i].name;
    for (size_t i = 0; i < n && count < MAX_COMMANDS; i++)
        names[count++] = subs[i].name;
    near = tl_nearest(tl_sv_str(word), names, count);
    text = tl_sprintf("there is no command '%s'%s%s%s", word, near ? "; did you mean '" : "", near ? near : "",
                      near ? "'?" : "");
    return cli_wrong(json, full, text);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

static int run_verb(const struct cli_verb *verb, const char *full, int argc, char **argv)
{
    struct cli_args args = {.v = NULL};
    void *options;
    int code;

    if (verb->n_subs) {
        for (size_t i = 0; argc > 1 && i < verb->n_subs; i++) {
            if (strcmp(argv[1], verb->subs[i].name) == 0) {
                char *name = tl_sprintf("%s %s", full, verb->subs[i].name);

                code = run_verb(&verb->subs[i], name, argc - 1, argv + 1);
                tl_free(name);
                return code;
            }
        }
        if (!verb->run) {
            if (argc > 1 && !is_help(argv[1]))
                return unknown(full, argv[1], verb->subs, verb->n_subs, NULL, 0, cli_json_wanted(argc, argv));
            cli__help(verb, full, argc > 1 ? stdout : stderr);
            return argc > 1 ? CLI_OK : CLI_USAGE;
        }
    }
    options = tl_zalloc(verb->size + 1);
    if (cli__parse(verb, full, argc, argv, options, &args, &code))
        code = verb->run(options, &args);
    tl_free(args.v);
    tl_free(options);
    return code;
}

static int dispatch(struct all *all, int argc, char **argv, const struct cli_command *more, size_t n_more)
{
    char help_word[] = "--help";
    char *asked[] = {argv[0], NULL, help_word, NULL};

    if (argc < 2) {
        list(all, more, n_more, stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return run_verb(&version_verb, "version", 1, argv);
    if (strcmp(argv[1], CLI_COMPLETE) == 0)
        return cli__complete(argc - 2, argv + 2, more, n_more);
    if (is_help(argv[1]) && argc == 3 && strcmp(argv[2], "--json") == 0) {
        cli__help_json(more, n_more);
        return CLI_OK;
    }
    if (is_help(argv[1])) {
        if (argc < 3 || strcmp(argv[1], "help") != 0) {
            list(all, more, n_more, stdout);
            return CLI_OK;
        }
        asked[1] = argv[2]; /* tieline help events == tieline events --help */
        argv = asked;
        argc = 3;
    }
    for (size_t i = 0; i < n_more; i++) {
        if (strcmp(argv[1], more[i].name) == 0)
            return more[i].run(argc - 1, argv + 1);
    }
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(argv[1], all->subs[i].name) == 0)
            return run_verb(&all->subs[i], argv[1], argc - 1, argv + 1);
    }
    return unknown("", argv[1], all->subs, all->n, more, n_more, cli_json_wanted(argc, argv));
}

int cli_main(int argc, char **argv, const struct cli_command *more, size_t n_more)
{
    struct all *all = tl_zalloc(sizeof *all);
    int code;

    collect(all);
    code = dispatch(all, argc, argv, more, n_more);
    tl_free(all);
    return cli__finish(code);
}

size_t cli__verbs(const struct cli_verb *const **ret)
{
    *ret = verbs;
    return TL_COUNT(verbs);
}
