/* SPDX-License-Identifier: Apache-2.0 */
/* views.h - SuiteQL's tables: what the translation and the store share. */
#ifndef TL_NETSUITE_SIM_VIEWS_H
#define TL_NETSUITE_SIM_VIEWS_H

#include "netsuite/sim/sim_int.h"

TL_MUST_CHECK enum tl_rc nsim_views(struct store *db, struct tl_err *err);
bool nsim_is_table(struct tl_sv name); /* case ignored */
const struct nsim_field *
nsim_column_field(struct tl_sv name); /* the first field that gives a column of this name; NULL */
bool nsim_is_time(struct tl_sv name); /* the column holds a date or a time */

#endif
