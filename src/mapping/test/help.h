/* SPDX-License-Identifier: Apache-2.0 */
/* help.h - what the tests of mappings share. */
#ifndef TL_MAPPING_TEST_HELP_H
#define TL_MAPPING_TEST_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mapping/mapping.h"

extern const char help_order[]; /* an order, as JSON */
int help_setup(void **state);   /* *state: an arena */
int help_teardown(void **state);
struct json help_parse(struct tl_arena *a, const char *text);
const char *help_text(struct tl_arena *a, struct json v);

#endif
