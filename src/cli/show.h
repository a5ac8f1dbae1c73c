/* SPDX-License-Identifier: Apache-2.0 */
/* show.h - one event on a page. */
#ifndef TL_CLI_SHOW_H
#define TL_CLI_SHOW_H

#include "cli/cli_int.h"

/* `events show ID` and `dlq show ID`. */
struct cli_show_options {
    struct cli_common common;
    bool reveal; /* without the masks of models; an entry of the audit log says so */
    const char *reason;
};
#define CLI_SHOW_OPTIONS                                                                                               \
    CLI_COMMON_OPTIONS(struct cli_show_options),                                                                       \
        {"reveal",                                                                                                     \
         0,                                                                                                            \
         CLI_FLAG,                                                                                                     \
         NULL,                                                                                                         \
         offsetof(struct cli_show_options, reveal),                                                                    \
         "without the masks of personal data; the audit log says who and why"},                                        \
        CLI_REASON_OPTION(struct cli_show_options, reason)
int cli__run_show(void *options, const struct cli_args *args);

#endif
