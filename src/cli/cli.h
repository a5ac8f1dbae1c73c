/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h - the command line: one file a subcommand, one table of them (commands.c).
 * Tables for people, --json for programs (then all that is said is JSON, errors as one line on stderr), --help
 * everywhere. Exit codes: 0 done, 1 failed, 2 wrong usage or
 * configuration, 3 not found, 4 the server is not running (or refused), 5 a mapping's error, 130 stopped by a signal.
 */
#ifndef TL_CLI_CLI_H
#define TL_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

struct cli_command {
    const char *name, *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

/* argv as main has it. `more` are the commands of main itself, shown with the others. */
int cli_main(int argc, char **argv, const struct cli_command *more, size_t n_more);
/* --json stands among the words, before a "--". argv[0] is not looked at. */
bool cli_json_wanted(int argc, char **argv);
/* Wrong usage of the command `full` ("events list", "" for none), said as the rule has it; returns the exit code 2. */
int cli_wrong(bool json, const char *full, const char *text);

#endif
