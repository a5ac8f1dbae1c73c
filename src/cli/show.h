/* SPDX-License-Identifier: Apache-2.0 */
/* show.h - one event on a page. */
#ifndef TL_CLI_SHOW_H
#define TL_CLI_SHOW_H

#include "cli/cli_int.h"

int cli__show(const struct cli_common *common, const char *id);

#endif
