/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h - the command line: one file a subcommand, one table of them (commands.c).
 * Tables for people, --json for programs, --help everywhere. Exit codes: 0 done, 1 failed, 2 wrong usage or
 * configuration, 3 not found, 4 the server is not running (or refused), 5 a mapping's error, 130 stopped by a signal.
 */
#ifndef TL_CLI_CLI_H
#define TL_CLI_CLI_H

#include <stddef.h>

struct cli_command {
    const char *name, *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

/* argv as main has it. `more` are the commands of main itself, shown with the others. */
int cli_main(int argc, char **argv, const struct cli_command *more, size_t n_more);

#endif
