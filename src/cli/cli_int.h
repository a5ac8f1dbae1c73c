/* SPDX-License-Identifier: Apache-2.0 */
/* cli_int.h - what the commands share: options in tables, the client of the API, tables for people, differences. */
#ifndef TL_CLI_CLI_INT_H
#define TL_CLI_CLI_INT_H

#include <stdio.h>

#include "cli/cli.h"
#include "flow/flow.h"
#include "secret/secret.h"

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2, /* also: the configuration is wrong */
    CLI_NOT_FOUND = 3,
    CLI_NO_SERVER = 4, /* not running, or it refused */
    CLI_MAPPING = 5,
    CLI_STOPPED = 130 /* by Ctrl-C or SIGTERM */
};

/* ---- options: parser, help and completion come from one table ---- */
enum cli_kind {
    CLI_FLAG,    /* bool */
    CLI_TEXT,    /* const char * */
    CLI_NUMBER,  /* uint64_t */
    CLI_COUNT,   /* uint64_t, 1 or more: 0 stands for one that was not given */
    CLI_DECIMAL, /* double */
    CLI_PERCENT  /* double, 0.05 for "5" or "5%" */
};
struct cli_option {
    const char *name;
    char letter; /* 0: none */
    enum cli_kind kind;
    const char *value; /* as help shows it; NULL: a flag */
    size_t offset;
    const char *doc;
};
struct cli_args {
    const struct cli_verb *verb;
    const char *full; /* "events list" */
    const char **v;   /* positional */
    int n;
    bool json; /* the word --json is there, whatever else is wrong */
};
struct cli_verb {
    const char *name, *args, *summary;
    const char *about; /* more of the help; may be NULL */
    const struct cli_option *options;
    size_t n_options, size; /* size of the struct that the options fill */
    int min_args, max_args; /* -1: any number */
    int (*run)(void *options, const struct cli_args *args);
    const struct cli_verb *subs;
    size_t n_subs;
};
#define CLI_OPTIONS(table, type) .options = (table), .n_options = TL_COUNT(table), .size = sizeof(type)
#define CLI_SUBS(table) .subs = (table), .n_subs = TL_COUNT(table)

/* Where the server is: first in each options struct of a command that talks to it. */
struct cli_common {
    const char *data, *config;
    bool json;
};
#define CLI_JSON_OPTION(type)                                                                                          \
    {                                                                                                                  \
        "json", 0, CLI_FLAG, NULL, offsetof(type, common.json), "JSON instead of a table"                              \
    }
#define CLI_COMMON_OPTIONS(type)                                                                                       \
    {"data", 0, CLI_TEXT, "DIR", offsetof(type, common.data), "directory of the ledger"},                              \
        {"config",                                                                                                     \
         0,                                                                                                            \
         CLI_TEXT,                                                                                                     \
         "FILE",                                                                                                       \
         offsetof(type, common.config),                                                                                \
         "configuration that names the directory (tieline.yaml)"},                                                     \
        CLI_JSON_OPTION(type)

/* Why somebody changes something: one word in all commands; `--why` is taken for it everywhere. */
#define CLI_REASON "reason"
#define CLI_REASON_OPTION(type, member)                                                                                \
    {                                                                                                                  \
        CLI_REASON, 0, CLI_TEXT, "TEXT", offsetof(type, member), "why, for the audit log"                              \
    }

/* Fill the options and the positional arguments (args->v is tl_alloc'ed). False: said why, *ret_exit is set (also after
 * --help). */
bool cli__parse(const struct cli_verb *verb, const char *full, int argc, char **argv, void *options,
                struct cli_args *ret_args, int *ret_exit);
void cli__help(const struct cli_verb *verb, const char *full, FILE *out);
#define CLI_COMPLETE "_complete" /* the command that the completion of a shell asks; in no list */
int cli__complete(int argc, char **argv, const struct cli_command *more, size_t n_more);
void cli__help_json(const struct cli_command *more, size_t n_more); /* the table of all commands */
/* The table of commands.c. */
size_t cli__verbs(const struct cli_verb *const **ret);

/* ---- saying things ---- */
int cli__exit_of(enum tl_rc rc);
int cli__fail(const struct tl_err *err, bool json); /* on stderr; returns the exit code */
/* The same; with json the error has a further member. */
int cli__fail_with(const struct tl_err *err, bool json, const char *name, struct json more);
int cli__usage(const struct cli_args *args, const char *fmt, ...) TL_PRINTF(2, 3);
/* What was printed is out, or it is said that it is not; the exit code of the command. */
int cli__finish(int code);
/* Long work that says at its end how far it got: Ctrl-C and SIGTERM do not end the process any more, but are asked for.
 */
void cli__hold_signals(void);
bool cli__is_stopped(void);
void cli__print_json(struct json v, bool indent); /* one value and a line feed, on stdout */
/* On stdout as it is, but on a terminal what would steer it as \u009b; print: with a line feed at the end. */
void cli__put_raw(struct tl_sv text);
void cli__print_raw(struct tl_sv text);
bool cli__color(FILE *f); /* a terminal, and NO_COLOR is not set */
/* Ask on the terminal; false when there is none. */
bool cli__confirm(const char *question);
/* A line on stderr that replaces itself, on a terminal only. total 0: unknown. */
void cli__progress(const char *what, uint64_t done, uint64_t total);
void cli__progress_end(void);
/* Text that may have come from outside, without control characters. */
void cli__put_safe(FILE *f, struct tl_sv text);
/* The whole file ("-": stdin) with a limit. TL_IO, TL_LIMIT. */
TL_MUST_CHECK enum tl_rc cli__read_file(const char *path, size_t max, struct tl_buf *ret, struct tl_err *err);
int cli__config_errors(const struct config_errors *e, bool json); /* prints; CLI_USAGE */

enum cli_shade { CLI_PLAIN, CLI_GOOD, CLI_BAD, CLI_WARN, CLI_DIM, CLI_BOLD };
const char *cli__shade(bool color, enum cli_shade s); /* the escape, or "" */
const char *cli__shade_end(bool color);
enum cli_shade cli__state_shade(struct tl_sv state);

/* ---- tables: columns as wide as they need, numbers to the right (a head that begins with '>') ---- */
struct cli_table;
struct cli_table *cli__table_new(const char *const *heads, size_t n) TL_MUST_CHECK;
void cli__table_free(struct cli_table *t);
void cli__table_cell(struct cli_table *t, struct tl_sv text, enum cli_shade shade); /* copied; row by row */
void cli__table_json(struct cli_table *t, struct json v);                           /* text, number, "-" for null */
size_t cli__table_rows(const struct cli_table *t);
/* width 0: no limit; else it is made to fit: fractions of seconds go first, then the widest texts are cut, then the
 * heads of numbers. Numbers, and ids (heads "id", "event", "delivery", "fingerprint", "job"), stay whole, even where
 * the line is too long then. */
void cli__table_write(const struct cli_table *t, struct tl_buf *out, bool color, size_t width);
void cli__table_print(const struct cli_table *t);
size_t cli__terminal_width(void); /* 0: stdout is none */

/* ---- the difference of two values, for people: one line a place. Returns how many places differ ---- */
size_t cli__diff(struct json expected, struct json got, struct tl_buf *out);

/* ---- the API ---- */
/* Finds the directory of the ledger: --data, --config, $TIELINE_DATA, tieline.yaml. */
TL_MUST_CHECK enum tl_rc cli__data_dir(const struct cli_common *c, struct tl_arena *a, const char **ret,
                                       struct tl_err *err);
struct cli_client;
TL_MUST_CHECK enum tl_rc cli__open(const struct cli_common *c, struct cli_client **ret, struct tl_err *err);
void cli__closep(struct cli_client **c);
struct tl_arena *cli__arena(struct cli_client *c);
bool cli__is_local(const struct cli_client *c); /* no server runs: this process does the work */
/* An answer of 400 and more is an error with the server's sentence; *ret is its JSON all the same. */
TL_MUST_CHECK enum tl_rc cli__call(struct cli_client *c, const char *method, const char *target, struct tl_sv body,
                                   struct json *ret, struct tl_err *err);
TL_MUST_CHECK enum tl_rc cli__call_json(struct cli_client *c, const char *method, const char *target, struct json body,
                                        struct json *ret, struct tl_err *err);
struct tl_sv cli__raw(const struct cli_client *c); /* the last answer as it came */
/* The target "/v1/flows/NAME/debug" of base "/v1/flows/", a name that is percent-encoded, and a rest; the client's. */
const char *cli__target(struct cli_client *c, const char *base, const char *name, const char *rest);
/* "name=value&" with the value percent-encoded; nothing when it is NULL. */
void cli__query(struct tl_buf *b, const char *name, const char *value);

/* ---- plan, confirm, job ---- */
struct cli_filter {
    const char *flow, *target, *state, *cls, *fingerprint, *from, *until, *event;
};
#define CLI_FILTER_OPTIONS(type)                                                                                       \
    {"flow", 0, CLI_TEXT, "NAME", offsetof(type, filter.flow), "of this flow"},                                        \
        {"target", 0, CLI_TEXT, "NAME", offsetof(type, filter.target), "for this target, also one that is gone"},      \
        {"class", 0, CLI_TEXT, "CLASS", offsetof(type, filter.cls), "dead of this class"},                             \
        {"fingerprint", 0, CLI_TEXT, "ID", offsetof(type, filter.fingerprint), "dead of this cause (dlq groups)"},     \
        {"from", 0, CLI_TEXT, "TIME", offsetof(type, filter.from), "received since: a time, or 2h for two hours ago"}, \
    {                                                                                                                  \
        "until", 0, CLI_TEXT, "TIME", offsetof(type, filter.until), "received before"                                  \
    }
struct cli_bulk {
    const char *action, *to, *to_target, *reason;
    struct cli_filter filter;
    const char *const *ids;
    size_t n_ids;
    bool yes, include_superseded, json, dry_run;
};
int cli__bulk(const struct cli_common *c, const struct cli_bulk *b);
/* Lists of events. */
int cli__list(const struct cli_common *c, const struct cli_filter *f, uint64_t limit, bool all);

/* ---- the configuration, for commands that read it themselves ---- */
struct cli_project {
    struct crypto *crypto;
    struct secret_box *secrets;
    struct secret_vault *vault;
    struct mapping_workers *workers;
    struct config_errors *errors;
    struct flow_plan *plan;
};
struct webhook_verifier;
struct cli_project_options {
    bool literals, no_check_files, lenient_env;
    void (*look)(void *arg, const struct flow_plan *p, struct config_errors *e); /* as in flow_load_options */
    void *look_arg;
};
TL_MUST_CHECK enum tl_rc cli__project_load(const char *path, const struct cli_project_options *o,
                                           struct cli_project *ret, struct tl_err *err);
void cli__project_done(struct cli_project *p);
/* Read what the configuration wants from Vault; blocks for 10 s at most. What could not be read stays TL_BUSY. */
TL_MUST_CHECK enum tl_rc cli__project_vault(const struct cli_project *p, const struct flow_plan *plan,
                                            struct tl_err *err);
/* The verifier of a flow's webhook, which can sign too, with signing_key (may be empty) where its senders have keys of
 * their own; NULL: unsigned. */
TL_MUST_CHECK enum tl_rc cli__project_verifier(const struct cli_project *p, const char *flow, struct tl_sv signing_key,
                                               const struct flow_webhook_conf **ret_hook, struct webhook_verifier **ret,
                                               struct tl_err *err);

/* ---- commands with a file of their own ---- */
extern const struct cli_verb cli__init_verb, cli__check_verb, cli__reload_verb, cli__status_verb, cli__events_verb,
    cli__dlq_verb, cli__alerts_verb, cli__pause_verb, cli__resume_verb, cli__debug_verb, cli__connect_verb,
    cli__ledger_verb, cli__xref_verb, cli__send_verb, cli__map_verb, cli__test_verb, cli__secrets_verb,
    cli__schema_verb, cli__reference_verb, cli__completion_verb, cli__token_verb, cli__audit_verb, cli__top_verb;

#endif
