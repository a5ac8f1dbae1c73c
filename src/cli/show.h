/* SPDX-License-Identifier: Apache-2.0 */
/* show.h - one event on a page. */
#ifndef TL_CLI_SHOW_H
#define TL_CLI_SHOW_H

#include "cli/cli_int.h"

/* `events show ID` and `dlq show ID`. */
struct cli_show_options {
    struct cli_common common;
};
int cli__run_show(void *options, const struct cli_args *args);

#endif
